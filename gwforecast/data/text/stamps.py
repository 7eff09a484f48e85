"""Times as text: read in one form, put on local days, never guessed.

A stamp with a time zone whose clock is midnight there is that local day. Other stamps with a zone
keep the clock of the zone's standard time, without daylight saving. Times of one fixed width are
read straight from their digits: fast, and only where certain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gwforecast.data.terms.units import fold
from gwforecast.schema import SchemaError

__all__ = [
    "Stamps", "StampText", "Where", "local_times", "month_of", "read_fixed_width",
]  # fmt: skip

_ZONE = r"(?:Z|[+-]\d{2}:?\d{2})$"
_NAMED_ZONE = re.compile(r"\s+\(?([A-Z]{2,5})\)?$")
_HOURS = {
    "UTC": 0, "GMT": 0, "WET": 0, "BST": 1, "MEZ": 1, "CET": 1, "MESZ": 2, "CEST": 2, "EET": 2,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "AEST": 10, "AEDT": 11, "AWST": 8, "NZST": 12, "NZDT": 13,
}  # fmt: skip
_MONTHS: dict[int, str] = {
    1: "january januar janvier januari enero ene gennaio gen janeiro jan janv jaenner",
    2: "february februar fevrier februari febrero febbraio fevereiro feb fevr fev",
    3: "march maerz mars maart marzo marco mar mrt maer marts mrz",
    4: "april avril abril aprile apr avr abr",
    5: "may mai mei mayo maggio maio maj mag",
    6: "june juni juin junio giugno junho jun giu",
    7: "july juli juillet julio luglio julho jul lug juil",
    8: "august aout augustus agosto augusti aug ago aou",
    9: "september septembre septiembre settembre setembro sep sept set",
    10: "october oktober octobre octubre ottobre outubro oct okt ott out",
    11: "november novembre noviembre novembro nov",
    12: "december dezember decembre diciembre dicembre dezembro dec dez dic des desember",
}
_MONTH = {word: number for number, words in _MONTHS.items() for word in words.split()}


def month_of(name: str) -> int | None:
    """Return the number of a month by its name, in any language; None where it is none."""
    return _MONTH.get(fold(name).strip(" ."))


_SAMPLED = 4000
Where = Callable[[int], str]
_FORMS = (
    (r"^\d{8}$", "%Y%m%d"), (r"^\d{8}[T ]\d{2}:\d{2}:\d{2}$", "%Y%m%d %H:%M:%S"),
    (r"^\d{8} \d{2}:\d{2}$", "%Y%m%d %H:%M"), (r"^\d{14}$", "%Y%m%d%H%M%S"),
    (r"^\d{12}$", "%Y%m%d%H%M"), (r"^\d{10}$", "%Y%m%d%H"), (r"^\d{4}-\d{2}$", "%Y-%m"),
    (r"^\d{4}/\d{2}$", "%Y/%m"), (r"^\d{4}\.\d{2}$", "%Y.%m"), (r"^\d{1,2}/\d{4}$", "%m/%Y"),
    (r"^\d{1,2}\.\d{4}$", "%m.%Y"), (r"^\d{1,2}-\d{4}$", "%m-%Y"),
)  # fmt: skip


@dataclass(frozen=True)
class Stamps:
    """Times as read."""

    times: pd.DatetimeIndex  # naive
    zone: str | None = None  # time zone that the stamps had, and what was made of it
    form: str = ""  # how they were written


def local_times(index: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, str | None]:
    """Return naive times of an index with a time zone, and the zone with what was made of it.

    Examples
    --------
    >>> stamps = pd.DatetimeIndex(["2020-07-01", "2020-07-02"], tz="Europe/Amsterdam")
    >>> local_times(stamps)[0].strftime("%Y-%m-%d").tolist()
    ['2020-07-01', '2020-07-02']
    """
    if index.tz is None:
        return index, None
    wall = index.tz_localize(None)
    utc = index.tz_convert("UTC").tz_localize(None)
    return _settled(utc, (wall - utc).to_numpy(), str(index.tz))


def _settled(utc: pd.DatetimeIndex, offsets: np.ndarray, name: str) -> tuple[pd.DatetimeIndex, str]:
    """Return local days, UTC or the zone's standard time: see the head of this module."""
    wall = utc + pd.TimedeltaIndex(offsets)
    known = np.asarray(wall.notna())
    if not known.any():
        return wall, name
    if bool((wall[known] == wall[known].normalize()).all()):
        same = bool((offsets[known] == np.timedelta64(0)).all())
        return wall, name if same else f"{name}, as local days"
    if bool((utc[known] == utc[known].normalize()).all()):
        return utc, name if name in ("UTC", "Z") else f"{name}, converted to UTC"
    standard = offsets[known].min()
    if standard == np.timedelta64(0) and not (offsets[known] != standard).any():
        return utc, name
    hours = standard / np.timedelta64(1, "h")
    return utc + pd.Timedelta(standard), f"{name}, as standard time UTC{hours:+g} h"


class StampText:
    """Text of times, all in one form."""

    def __init__(self, text: pd.Series, where: Where, source: str, day_first: bool | None) -> None:
        self.text, self.where, self.source, self.day_first = text, where, source, day_first

    def given(self, form: str) -> Stamps:
        """Return times in a form that is given."""
        times = pd.to_datetime(self.text, format=form, errors="coerce", utc="%z" in form)
        if times.isna().any():
            self._refuse(times, f" by date_format={form!r}")
        return Stamps(*local_times(pd.DatetimeIndex(times)), form)

    def found(self) -> Stamps:
        """Return times in the form of the first."""
        self.text, zone_name = _without_zone_name(_reordered(self.text))
        zoned = self._zones()
        midnight = self._late_midnights()
        self._plain_words()
        form = self._form()
        if zoned is None:
            times = pd.DatetimeIndex(self._parsed(form, utc=False)) + midnight
            return Stamps(times, zone_name, form)
        utc = pd.DatetimeIndex(self._parsed(form, utc=True)).tz_localize(None)
        times, zone = _settled(utc + midnight, zoned[0], zoned[1])
        return Stamps(times, zone, form)

    def alike(self) -> Stamps | None:
        """Return times that are all written alike, from their digits."""
        fixed = read_fixed_width(self.text)
        if fixed is None:
            return None
        day_first = self._order(fixed)
        times = None if day_first is None else fixed.times(day_first=day_first)
        if times is None:
            return None
        index = pd.DatetimeIndex(times)
        form = "like " + str(self.text.iloc[0])
        if fixed.offsets is None:
            return Stamps(index, form=form)
        offsets = fixed.offsets.astype("timedelta64[m]").astype("timedelta64[us]")
        texts = (
            f"UTC{o // 60:+03d}:{o % 60:02d}" if o else "UTC" for o in np.unique(fixed.offsets)
        )
        local, zone = _settled(index - pd.TimedeltaIndex(offsets), offsets, " and ".join(texts))
        return Stamps(local, zone, form)

    def _order(self, fixed: FixedWidth) -> bool | None:
        """Return whether days come first; None where that is known otherwise."""
        if "a" not in fixed.date or fixed.separator == ".":
            return True if self.day_first is None else self.day_first
        if self.day_first is not None:
            return self.day_first
        first, second = (int(fixed.date[k].max()) > 12 for k in "ab")
        return None if first == second else first

    def _zones(self) -> tuple[np.ndarray, str] | None:
        """Return offsets from UTC; all stamps have one, or none."""
        sample = self.text.iloc[:: max(len(self.text) // 50, 1)]
        if not (sample.str.contains(_ZONE, regex=True) & sample.str.contains(":")).any():
            return None
        ends = self.text.str.extract(rf"({_ZONE})", expand=False)
        ends = ends.where(self.text.str.contains(":", regex=False))
        if ends.isna().any():
            kind = ends.isna()
            bad = int(np.flatnonzero((kind != kind.iloc[0]).to_numpy())[0])
            raise SchemaError(
                "All times of a file must have a time zone, or none. Received "
                f"{self.text.iloc[bad]!r} in {self.where(bad)} of {self.source}, where the first "
                f"is {self.text.iloc[0]!r}. Write them all in UTC."
            )
        unique = {end: _offset(end) for end in ends.unique()}
        offsets = ends.map(unique).to_numpy("timedelta64[ns]")
        names = sorted("UTC" if end == "Z" else f"UTC{end}" for end in unique)
        return offsets, " and ".join(names[:3])

    def _late_midnights(self) -> pd.TimedeltaIndex:
        """Return a day for each stamp at 24:00, which becomes 00:00."""
        none = pd.TimedeltaIndex(np.zeros(1, "timedelta64[us]")).repeat(len(self.text))
        sample = self.text.str.contains(r"[T ]24:?00|^\d{8}24$", regex=True)
        if not sample.any():
            return none
        self.text = self.text.mask(
            sample,
            self.text.str.replace(r"([T ])24(:?00)", r"\g<1>00\2", regex=True)
            .str.replace(r"^(\d{8})24$", r"\g<1>00", regex=True),
        )  # fmt: skip
        return pd.TimedeltaIndex(sample.to_numpy().astype(np.int64).astype("timedelta64[D]"))

    def _plain_words(self) -> None:
        """Put months and quarters in numbers."""
        first = str(self.text.iloc[0])
        if re.search(r"\bQ[1-4]\b|\dQ[1-4]", first):
            parts = self.text.str.extract(r"(?P<a>\d{4})?\D*Q(?P<q>[1-4])\D*(?P<b>\d{4})?")
            year, quarter = parts["a"].fillna(parts["b"]), pd.to_numeric(parts["q"])
            plain = year + "-" + (quarter * 3 - 2).map("{:02.0f}".format) + "-01"
            self.text = plain.fillna(self.text)
            return
        if re.match(r"^\d{4}-?W\d{2}(?:-?[1-7])?$", first):  # the Monday of a week of ISO 8601
            plain = self.text.str.replace("-", "")
            plain = plain.mask(plain.str.len() == 7, plain + "1")
            weeks = pd.to_datetime(plain, format="%GW%V%u", errors="coerce")
            self.text = weeks.dt.strftime("%Y-%m-%d").fillna(self.text)
            return
        if not re.search(r"[A-Za-zéûä]{3}", re.sub(r"[TZ]", "", first)):
            return
        unique = {value: _numbered(value) for value in self.text.unique()}
        self.text = self.text.map(unique)

    def _form(self) -> str:
        first = str(self.text.iloc[0])
        for pattern, form in _FORMS:
            if re.match(pattern, first):
                return form
        if re.match(r"^\d{4}-\d{1,2}-\d{1,2}", first):
            strict = re.match(r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:?\d{0,2}|$)", first)
            return "ISO8601" if strict else "%Y-%m-%d" + _clock(first)
        mark = next((m for m in "./-" if m in first), "-")
        if re.match(r"^\d{4}[./]\d{1,2}[./]\d{1,2}", first):
            return f"%Y{mark}%m{mark}%d" + _clock(first)
        short = re.match(r"^\d{1,2}[./-]\d{1,2}[./-]\d{2}(?!\d)", first)
        year = "%y" if short else "%Y"
        if short and self._year_first(mark):
            return f"%y{mark}%m{mark}%d" + _clock(first)
        date = f"%d{mark}%m{mark}{year}" if self._day_first(mark) else f"%m{mark}%d{mark}{year}"
        return date + _clock(first)

    def _year_first(self, mark: str) -> bool:
        if mark != "-":
            return False
        first = pd.to_numeric(self.text.str.slice(0, 2), errors="coerce")
        return bool((first > 31).any())

    def _day_first(self, mark: str) -> bool:
        """Return whether days come first; refuse where the dates do not tell."""
        if self.day_first is not None:
            return self.day_first
        if mark == "." and re.match(r"^\d{1,2}\.", str(self.text.iloc[0])):
            return True
        if not re.match(r"^\d{1,2}[/-]\d{1,2}[/-]\d{2}", str(self.text.iloc[0])):
            return False
        stride = self.text.iloc[:: max(len(self.text) // _SAMPLED, 1)]
        for part in (stride, self.text):
            pairs = part.str.extract(r"^(\d{1,2})[/-](\d{1,2})[/-]")
            one, two = (pd.to_numeric(pairs[k], errors="coerce") for k in (0, 1))
            if (one > 12).any() and (two > 12).any():
                bad = int(np.flatnonzero((two > 12).to_numpy())[0])
                row = int(self.text.index.get_indexer(part.index[[bad]])[0])
                raise SchemaError(
                    "All dates must have one order. Received days first and months first in "
                    f"{self.source}, e.g. {part.iloc[bad]!r} in {self.where(row)}. Write "
                    "them like 2020-01-31."
                )
            if (one > 12).any() or (two > 12).any():
                return bool((one > 12).any())
        raise SchemaError(
            f"The order of day and month must be known. Received {self.text.iloc[0]!r} in "
            f"{self.source}, which can be both, as all others. Say day_first=True or False "
            "(--day-first, --month-first)."
        )

    def _parsed(self, form: str, *, utc: bool) -> pd.Series:
        if form == "ISO8601":  # which takes 2020 and 20200131 as well
            whole = self.text.str.match(r"^\d{4}-\d{2}-\d{2}").to_numpy(bool)
            if not whole.all():
                self._refuse(pd.Series(np.where(whole, 0.0, np.nan)), "")
        try:
            times = pd.to_datetime(self.text, format=form, utc=utc)
        except (ValueError, OverflowError):
            others: list[str] = []
            if "%H:%M" in form and "%S" not in form:  # seconds are written where they are not 0
                others.append(form.replace("%H:%M", "%H:%M:%S"))
            elif " " not in form and "%d" in form and "%H" not in form:
                others += [form + clock for clock in (" %H:%M", " %H:%M:%S")]  # not at midnight
            elif "%H" in form:
                others.append(re.split(r"[T ]%H", form)[0])
            times = pd.to_datetime(self.text, format=form, utc=utc, errors="coerce")
            for other in others:
                more = pd.to_datetime(self.text, format=other, utc=utc, errors="coerce")
                times = times.fillna(more)
            if times.isna().any():
                self._refuse(times, "")
        if "%y" in form:  # no level was measured after 2049
            late = times.dt.year > 2049
            times = times.mask(late, times - pd.DateOffset(years=100))
        return times

    def _refuse(self, times: pd.Series, how: str) -> None:
        bad = int(np.flatnonzero(times.isna().to_numpy())[0])
        like = f", where the first is {self.text.iloc[0]!r}" if bad else ""
        raise SchemaError(
            f"All times of a file must be dates in one form{how}. Received "
            f"{self.text.iloc[bad]!r} in {self.where(bad)} of {self.source}{like}. Write them like "
            "2020-01-31, or give their form with date_format=."
        )


def _clock(first: str) -> str:
    """Return the format of the clock behind a date."""
    rest = re.sub(r"^\S*?\d{1,4}[-./]\d{1,2}[-./]\d{1,4}", "", first)
    zone = "%z" if re.search(_ZONE, rest) else ""
    if not rest.strip():
        return ""
    separator = "T" if rest.startswith("T") else (", " if rest.startswith(",") else " ")
    colons = re.sub(_ZONE, "", rest).count(":")
    if re.search(r"[AaPp]\.?[Mm]\.?$", rest):
        return separator + ("%I %p", "%I:%M %p", "%I:%M:%S %p")[min(colons, 2)]
    fraction = ".%f" if re.search(r":\d{2}\.\d+", rest) else ""
    return separator + ("%H", "%H:%M", "%H:%M:%S")[min(colons, 2)] + fraction + zone


def _offset(end: str) -> np.timedelta64:
    if end == "Z":
        return np.timedelta64(0, "m")
    sign = -1 if end[0] == "-" else 1
    return np.timedelta64(sign * (int(end[1:3]) * 60 + int(end[-2:])), "m")


def _reordered(text: pd.Series) -> pd.Series:
    """Return times with the date before the clock, and dates of East Asia and Hungary plain."""
    first = str(text.iloc[0])
    if re.match(r"^\d{1,2}:\d{2}(?::\d{2})? \d", first):
        return text.str.replace(r"^(\d{1,2}:\d{2}(?::\d{2})?) (\S+)$", r"\2 \1", regex=True)
    if re.match(r"^\d{1,2}\.\s?\d{1,2}\.\s?\d{4}\.", first):  # 31. 1. 2020. of south-east Europe
        form = r"^(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})\.(.*)$"
        return text.str.replace(form, r"\1.\2.\3\4", regex=True).str.strip()
    if re.match(r"^\d{4}(?:\.\s?|年)\d{1,2}(?:\.\s?|月)\d{1,2}[.日]", first):
        form = r"^(\d{4})(?:\.\s?|年)(\d{1,2})(?:\.\s?|月)(\d{1,2})[.日]\s?(.*)$"
        return text.str.replace(form, r"\1-\2-\3 \4", regex=True).str.strip()
    return text


def _without_zone_name(text: pd.Series) -> tuple[pd.Series, str | None]:
    """Return times without a name of a zone such as MEZ, where all have one."""
    found = _NAMED_ZONE.search(str(text.iloc[0]))
    if found is None or found[1] in ("AM", "PM") or found[1] not in _HOURS:
        return text, None
    ends = text.str.extract(r"\s+\(?([A-Z]{2,5})\)?$", expand=False)
    if not ends.isin(list(_HOURS)).all():
        return text, None
    plain = text.str.replace(r"\s+\(?[A-Z]{2,5}\)?$", "", regex=True)
    hours = ends.map(_HOURS)
    return plain + hours.map(lambda h: f"{'-' if h < 0 else '+'}{abs(int(h)):02d}:00"), found[1]


def _numbered(value: str) -> str:
    """Return a date with the name of a month as year, month and day in numbers."""
    date, clock = value, ""
    found = re.search(r"[ T,]+(\d{1,2}:\d{2}.*)$", value)
    if found:
        date, clock = value[: found.start()], " " + found[1]
    words = [word for word in re.split(r"[^0-9a-z]+", fold(date)) if word]
    months = [_MONTH[word] for word in words if word in _MONTH]
    numbers = [re.sub(r"(?:st|nd|rd|th)$", "", w) for w in words if w[0].isdigit()]
    if len(months) != 1 or not numbers or len(numbers) > 2 or not all(map(str.isdigit, numbers)):
        return value
    years = [n for n in numbers if len(n) == 4]
    year = years[0] if years else numbers[-1]
    day = next((n for n in numbers if n is not year), "1")
    if len(year) not in (2, 4):
        return value
    if len(year) == 2:
        year = f"{1900 + int(year) if int(year) > 49 else 2000 + int(year)}"
    return f"{year}-{months[0]:02d}-{int(day):02d}{clock}"


_CLOCK = r"(?:[T ](?P<H>\d\d):(?P<M>\d\d)(?::(?P<S>\d\d)(?P<f>[.,]0+)?)?)?(?P<z>Z|[+-]\d\d:?\d\d)?"
_ISO = re.compile(r"^(?P<Y>\d{4})(?P<sep>[-/.])(?P<m>\d\d)(?P=sep)(?P<d>\d\d)" + _CLOCK + "$")
_TWO = re.compile(r"^(?P<a>\d\d)(?P<sep>[-/.])(?P<b>\d\d)(?P=sep)(?P<Y>\d{4})" + _CLOCK + "$")
_PLAIN = re.compile(r"^(?P<Y>\d{4})(?P<m>\d\d)(?P<d>\d\d)$")
_NONE = 255
_MOST = {"m": 12, "d": 31, "a": 31, "b": 31, "H": 23, "M": 59, "S": 59}
_DATE = 10  # letters of a date before a clock


def _table_of_pairs() -> np.ndarray:
    """Return the number of each pair of bytes that are digits, 255 for the others."""
    table = np.full(65536, _NONE, np.uint8)
    for value in range(100):
        table[np.frombuffer(f"{value:02d}".encode(), "<u2")[0]] = value
    return table


_PAIRS = _table_of_pairs()


@dataclass(frozen=True)
class FixedWidth:
    """Digits of times that are all written alike."""

    # Y, and either m and d, or a and b, whose order is to be found; shape (run,), a run being rows
    # of the same date
    date: dict[str, np.ndarray]
    rows: np.ndarray  # number of rows of each run, shape (run,)
    clock: np.ndarray | None  # seconds since midnight, shape (time,)
    separator: str  # between the parts of the date
    # minutes from UTC, shape (time,); None where there are no time zones
    offsets: np.ndarray | None

    def times(self, *, day_first: bool = True) -> np.ndarray | None:
        """Return ``datetime64[us]``, shape (time,); None where there is no such day."""
        date = dict(self.date)
        if "a" in date:
            first, second = ("d", "m") if day_first else ("m", "d")
            date[first], date[second] = date["a"], date["b"]
        year, month, day = date["Y"], date["m"], date["d"]
        low, high = int(year.min()), int(year.max())
        if min(month.min(), day.min()) < 1 or month.max() > 12 or high - low > 1000:
            return None
        months = np.arange(f"{low:04d}-01", f"{high + 1:04d}-02", dtype="datetime64[M]")
        starts = months.astype("datetime64[D]").astype(np.int64)
        place: np.ndarray = (year - np.int16(low)) * np.int16(12) + (month - np.uint8(1))
        if (day > np.diff(starts).take(place)).any():
            return None
        made = np.repeat((starts.take(place) + day - 1) * 86_400, self.rows)
        if self.clock is not None:
            made += self.clock
        made *= 1_000_000
        return made.view("datetime64[us]")


def read_fixed_width(text: pd.Series) -> FixedWidth | None:
    """Return the digits of times that all have the form of the first; None where they have not.

    Examples
    --------
    >>> made = read_fixed_width(pd.Series(["31.01.2020", "01.02.2020"], dtype="str"))
    >>> made.times(day_first=True).astype("datetime64[D]").tolist()
    [datetime.date(2020, 1, 31), datetime.date(2020, 2, 1)]
    """
    first = str(text.iloc[0]) if len(text) else ""
    found = _ISO.match(first) or _TWO.match(first) or _PLAIN.match(first)
    if found is None:
        return None
    parts = []
    for letters in _bytes(text, len(first)):
        part = _part(letters, first, found) if letters is not None else None
        if part is None:
            return None
        parts.append(part)
    dates, rows, clocks, offsets = zip(*parts, strict=True)
    return FixedWidth(
        {name: np.concatenate([date[name] for date in dates]) for name in dates[0]},
        np.concatenate(rows),
        None if clocks[0] is None else np.concatenate(clocks),
        found.groupdict().get("sep") or "",
        None if offsets[0] is None else np.concatenate(offsets),
    )


_Part = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray | None, np.ndarray | None]


def _part(letters: np.ndarray, first: str, found: re.Match[str]) -> _Part | None:
    """Return dates and rows of their runs, clocks and offsets of some rows; None as above."""
    groups = {name: found.span(name) for name, value in found.groupdict().items() if value}
    zone = found.groupdict().get("z")
    signs = groups["z"][0] if zone and zone != "Z" else -1
    dates, rows = _runs(letters, clocked="H" in groups)
    period = _period(letters, rows) if "H" in groups else len(letters)
    for k, letter in enumerate(first):
        column = dates[:, k] if k < _DATE else letters[: period if k > _DATE else None, k]
        if k == signs:
            if not ((column == 43) | (column == 45)).all():
                return None
        elif not letter.isdigit() and (column != ord(letter)).any():
            return None
    date = {n: _number(dates, *groups[n]) for n in "Ymdab" if n in groups}
    if any(part.max() > _MOST.get(name, 9999) for name, part in date.items()):
        return None
    if "f" in groups and (letters[:period, groups["f"][0] + 1 : groups["f"][1]] != 48).any():
        return None
    clock = None
    for name, seconds in (("H", 3600), ("M", 60), ("S", 1)):
        if name in groups:
            part = _number(letters[:period], *groups[name])
            if part.max() > _MOST[name]:
                return None
            made = part * np.int32(seconds)
            clock = made if clock is None else clock + made
    clock = None if clock is None else np.resize(clock, len(letters))
    offsets = _offsets(letters[:period], groups["z"][0], zone) if zone else None
    offsets = None if offsets is None else np.resize(offsets, len(letters))
    return None if zone and offsets is None else (date, rows, clock, offsets)


def _runs(letters: np.ndarray, *, clocked: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each run of rows with the same date, and the rows of each run.

    Readings of a logger have many rows a day: their date is read once.
    """
    rows, width = letters.shape
    if not clocked:
        return letters, np.ones(rows, np.int64)
    left, right = (
        np.ndarray((rows,), kind, buffer=letters, offset=offset, strides=(width,))
        for kind, offset in (("<u8", 0), ("<u2", 8))
    )
    new = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    starts = np.append(0, np.flatnonzero(new) + 1)
    return letters[starts], np.diff(np.append(starts, rows))


def _period(letters: np.ndarray, rows: np.ndarray) -> int:
    """Return after how many rows the clocks repeat, as a logger's do every day; else all rows."""
    height, width = len(letters), letters.shape[1]
    period = int(rows[1]) if len(rows) > 2 else height
    if not period < height:
        return height
    for start in {*range(_DATE + 1, width - 8, 8), width - 8}:  # words of eight letters
        word = np.ndarray((height,), "<u8", buffer=letters, offset=start, strides=(width,))
        word = word >> np.uint64(16) if start < _DATE else word  # without those of the date
        if (word[period:] != word[:-period]).any():
            return height
    return period


def _number(letters: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the two or four digits of each row as a number, above 9999 where they are none."""
    pairs = [_pair(letters, k) for k in range(start, stop, 2)]
    if len(pairs) == 1:
        return pairs[0]
    return np.asarray(
        np.int16(100) * pairs[0] + np.where(pairs[1] == _NONE, np.int16(20_000), pairs[1])
    )


def _pair(letters: np.ndarray, start: int) -> np.ndarray:
    """Return two digits of each row as a number, shape (row,)."""
    rows, width = letters.shape
    pairs = np.ndarray((rows,), "<u2", buffer=letters, offset=start, strides=(width,))
    return np.asarray(_PAIRS.take(pairs))


def _offsets(letters: np.ndarray, start: int, zone: str) -> np.ndarray | None:
    if zone == "Z":
        return np.zeros(len(letters), np.int64)
    hours, minutes = _pair(letters, start + 1), _pair(letters, start + len(zone) - 2)
    if max(hours.max(), minutes.max()) == _NONE:
        return None
    sign = np.where(letters[:, start] == 45, -1, 1)
    return np.asarray(sign * (hours.astype(np.int64) * 60 + minutes))


def _bytes(text: pd.Series, width: int) -> Iterator[np.ndarray | None]:
    """Yield the letters of text of one width, shape (row, width); None where widths differ.

    The rows come in parts that fit the cache of a processor.
    """
    chunked = getattr(text.array, "_pa_array", None)
    if chunked is None or chunked.null_count:
        yield _copied(text, width)
        return
    kind = np.int64 if "large" in str(chunked.type) else np.int32
    for rows in chunked.chunks if hasattr(chunked, "chunks") else [chunked]:
        if not len(rows):
            continue
        buffers = rows.buffers()
        offsets = np.frombuffer(buffers[1], kind)[rows.offset : rows.offset + len(rows) + 1]
        if (np.diff(offsets) != width).any():
            yield None
            return
        data = np.frombuffer(buffers[2], np.uint8)[offsets[0] : offsets[-1]]
        yield np.asarray(data.reshape(len(rows), width))


def _copied(text: pd.Series, width: int) -> np.ndarray | None:
    try:
        made = text.to_numpy(object).astype(f"S{width + 1}")
    except (UnicodeEncodeError, ValueError, TypeError):
        return None
    grid = made.view(np.uint8).reshape(len(made), width + 1)
    if grid[:, width].any() or (grid[:, :width] == 0).any():
        return None
    return np.ascontiguousarray(grid[:, :width])
