"""Times as text, numbers or objects: read in one form, put on local days, never guessed.

A stamp with a time zone whose clock is midnight there is that local day. Other stamps with a zone
keep the clock of the zone's standard time, without daylight saving.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from gwforecast.data.terms.units import fold
from gwforecast.data.text.digits import FixedWidth, read_fixed_width
from gwforecast.schema import SchemaError

__all__ = ["Stamps", "local_times", "month_of", "read_times", "times_of_index"]

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
SERIAL_ORIGIN = pd.Timestamp("1899-12-30")


@dataclass(frozen=True)
class Stamps:
    """Times as read."""

    times: pd.DatetimeIndex  # naive
    zone: str | None = None  # time zone that the stamps had, and what was made of it
    form: str = ""  # how they were written


Where = Callable[[int], str]


def read_times(
    column: pd.Series,
    *,
    day_first: bool | None = None,
    date_format: str | None = None,
    where: Where,
    source: str,
) -> Stamps:
    """Return the times of a column.

    Raises SchemaError if a row has no time, the order of day and month is not known, or a stamp
    has another form.

    Parameters
    ----------
    column : pandas.Series
        Text, numbers (days since 1899-12-30, YYYYMMDD, or milliseconds since 1970), or dates.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        index = pd.DatetimeIndex(column)
        return _localised(index, "dates")
    objects = _of_objects(column)
    if objects is not None:
        return Stamps(objects, form="dates")
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _of_numbers(column, where, source, date_format)
    if len(column) and not column.isna().any():
        fast = _Reader(column.astype("str"), where, source, day_first).alike()
        if fast is not None and date_format is None:
            return fast
    text = column.astype("str").str.strip()
    if column.isna().any() or (text == "").any():
        raise _without_time(column.isna() | (text == ""), where, source)
    if date_format is None and text.str.fullmatch(r"-?\d{9,13}").all():
        since = _since_1970(pd.to_numeric(text))
        if since is not None:
            return since
    reader = _Reader(text, where, source, day_first)
    return reader.given(date_format) if date_format is not None else reader.found()


def times_of_index(index: pd.Index) -> pd.DatetimeIndex | None:
    """Return an index as times: of periods the start, of dates midnight; None where it is none."""
    if isinstance(index, pd.DatetimeIndex):
        return index
    if isinstance(index, pd.PeriodIndex):
        return pd.DatetimeIndex(index.to_timestamp())
    if len(index) and all(isinstance(v, dt.date) for v in index[:50]):
        return pd.DatetimeIndex(pd.to_datetime(list(index)))
    return None


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


def _localised(index: pd.DatetimeIndex, form: str) -> Stamps:
    times, zone = local_times(index)
    return Stamps(times, zone, form)


def _of_objects(column: pd.Series) -> pd.DatetimeIndex | None:
    """Return times of a column of ``date``, ``datetime`` or ``Period`` objects."""
    if isinstance(column.dtype, pd.PeriodDtype):
        return pd.DatetimeIndex(column.dt.to_timestamp())
    if column.dtype == object:
        known = [v for v in column.iloc[:50] if v is not None and v == v]
        if known and all(isinstance(v, dt.date) for v in known):
            return pd.DatetimeIndex(pd.to_datetime(column))
    return None


def _without_time(missing: pd.Series, where: Where, source: str) -> SchemaError:
    row = int(np.flatnonzero(missing.to_numpy())[0])
    return SchemaError(
        f"Every row needs a time. Received none in {where(row)} of {source}. Give the date or "
        "remove the row."
    )


def _of_numbers(column: pd.Series, where: Where, source: str, date_format: str | None) -> Stamps:
    if column.isna().any():
        raise _without_time(column.isna(), where, source)
    low, high = float(column.min()), float(column.max())
    counted = None if date_format is not None else _counted(column, low, high)
    if counted is not None:
        return counted
    if date_format is None and low > 15_000 and high < 90_000:
        days = np.round(column.to_numpy(float) * 86_400_000).astype("timedelta64[ms]")
        times = pd.DatetimeIndex(SERIAL_ORIGIN + pd.TimedeltaIndex(days)).round("s")
        return Stamps(times.as_unit("us"), form="days since 1899-12-30 (spreadsheet)")
    since = None if date_format is not None else _since_1970(column)
    if since is not None:
        return since
    text = pd.Series([f"{value:.0f}" for value in column], index=column.index)
    reader = _Reader(text, where, source, None)
    return reader.given(date_format) if date_format is not None else reader.found()


_COUNTS = {"mjd": 40_587, "modified": 40_587, "datenum": 719_529, "matlab": 719_529,
           "ordinal": 719_163}  # fmt: skip
"""Number of 1970-01-01 in counts of days, by a word of the header."""
_LONG = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def _counted(column: pd.Series, low: float, high: float) -> Stamps | None:
    """Return times of years with decimals, or of days since the day that the header names."""
    name = fold(str(column.name))
    if low > 1600 and high < 2300 and bool((column % 1 != 0).any()):
        return _of_years(column.to_numpy(float))
    stated = re.search(r"\b(day|hour|minute|second)s? since (\d{4}-\d{1,2}-\d{1,2})", name)
    word = next((w for w in re.split(r"[\W_]+", name) if w in _COUNTS), None)
    long = 86_400
    if stated:
        zero = pd.Timestamp(stated[2])
        long = _LONG[stated[1]]
    elif low > 2_300_000 and high < 2_600_000:  # Julian dates
        zero = pd.Timestamp("1970-01-01")
        column = column - 2_440_587.5
    elif word is not None:
        zero = pd.Timestamp("1970-01-01")
        column = column - _COUNTS[word]
    else:
        return None
    seconds = np.round(column.to_numpy(float) * long)
    if np.abs(seconds).max() > 1e11:
        return None
    times = zero.to_datetime64().astype("datetime64[s]") + seconds.astype("timedelta64[s]")
    return Stamps(
        pd.DatetimeIndex(times.astype("datetime64[us]")),
        form=stated[0] if stated else f"days by {word or 'Julian date'}",
    )


def _of_years(years: np.ndarray) -> Stamps:
    """Return times of years with decimals: months where they are twelfths, else days."""
    whole = np.floor(years + 1e-6)
    months = (years - whole) * 12
    digits = max(len(f"{value:.8f}".rstrip("0").partition(".")[2]) for value in years[:1000])
    near = 12 * 0.51 * 10.0**-digits + 1e-9
    for shift, said in ((0.0, "first days of months"), (0.5, "months, by their middle")):
        number = months - shift
        if digits > 1 and (np.abs(number - np.round(number)) <= near).all():
            count = (whole * 12 + np.round(number)).astype(np.int64) - 1970 * 12
            index = pd.DatetimeIndex(count.astype("datetime64[M]").astype("datetime64[us]"))
            return Stamps(index, form=f"years with decimals, {said}")
    start = (whole.astype(np.int64) - 1970).astype("datetime64[Y]")
    length = ((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(float)
    seconds = np.round((years - whole) * length * 86_400).astype("timedelta64[s]")
    exact = pd.DatetimeIndex((start.astype("datetime64[s]") + seconds).astype("datetime64[us]"))
    days = exact.round("D")
    apart = np.abs((exact - days).total_seconds().to_numpy()) / (length * 86_400)
    coarse = bool((apart <= 0.51 * 10.0**-digits + 1e-9).all())
    return Stamps(
        days if coarse else exact.round("min"), form="years with decimals, fractions of their days"
    )


def _since_1970(numbers: pd.Series) -> Stamps | None:
    """Return times of seconds or milliseconds since 1970; None where the numbers are none.

    Numbers that are all YYYYMMDDhh or YYYYMMDDhhmm are dates.
    """
    size = float(numbers.abs().max())
    if 3e11 < size < 1e13:
        unit: Literal["ms", "s"] = "ms"
    elif 1e8 < size < 4.2e9:
        unit = "s"
    else:
        return None
    text = numbers.map("{:.0f}".format)
    form = {10: "%Y%m%d%H", 12: "%Y%m%d%H%M"}.get(len(text.iloc[0]))
    if form and pd.to_datetime(text, format=form, errors="coerce").notna().all():
        return None
    times = pd.DatetimeIndex(pd.to_datetime(numbers, unit=unit)).round("ms")
    return Stamps(times.as_unit("us"), "UTC", f"{unit} since 1970")


class _Reader:
    """Text of times, all in one form."""

    def __init__(self, text: pd.Series, where: Where, source: str, day_first: bool | None) -> None:
        self.text, self.where, self.source, self.day_first = text, where, source, day_first

    def given(self, form: str) -> Stamps:
        """Return times in a form that is given."""
        times = pd.to_datetime(self.text, format=form, errors="coerce", utc="%z" in form)
        if times.isna().any():
            self._refuse(times, f" by date_format={form!r}")
        return _localised(pd.DatetimeIndex(times), form)

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


_FORMS = (
    (r"^\d{8}$", "%Y%m%d"), (r"^\d{8}[T ]\d{2}:\d{2}:\d{2}$", "%Y%m%d %H:%M:%S"),
    (r"^\d{8} \d{2}:\d{2}$", "%Y%m%d %H:%M"), (r"^\d{14}$", "%Y%m%d%H%M%S"),
    (r"^\d{12}$", "%Y%m%d%H%M"), (r"^\d{10}$", "%Y%m%d%H"), (r"^\d{4}-\d{2}$", "%Y-%m"),
    (r"^\d{4}/\d{2}$", "%Y/%m"), (r"^\d{4}\.\d{2}$", "%Y.%m"), (r"^\d{1,2}/\d{4}$", "%m/%Y"),
    (r"^\d{1,2}\.\d{4}$", "%m.%Y"), (r"^\d{1,2}-\d{4}$", "%m-%Y"),
)  # fmt: skip


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
