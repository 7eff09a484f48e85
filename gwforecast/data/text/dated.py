"""The times of a table: which columns hold them, what its text, numbers or dates are.

Rows that have no time are left out where they hold nothing else.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype

from gwforecast.data.layouts.base import Dialect, RawTable
from gwforecast.data.terms.headers import tokens
from gwforecast.data.terms.units import fold
from gwforecast.data.terms.words import CALENDAR, TIME_WORDS
from gwforecast.data.text.block import is_clock, is_date
from gwforecast.data.text.stamps import Stamps, StampText, Where, local_times
from gwforecast.schema import SchemaError

__all__ = ["dated", "read_times", "times_of_index"]

_SUMMARIES = ("mean", "min", "max", "minimum", "maximum", "average", "mittel", "mittelwert", "sum",
              "total", "count", "median", "std", "moyenne", "media", "gemiddelde")  # fmt: skip


def dated(raw: RawTable, dialect: Dialect) -> RawTable:
    """Return a table with its times; the columns that held them are dropped.

    Raises SchemaError if no column holds times, or more than one does.
    """
    if raw.times is not None:
        return raw.changed(frame=raw.frame.set_axis(raw.times, axis=0))
    parts = _calendar(raw)
    names = list(parts) if parts else _time_columns(raw, dialect)
    raw = _without_empty(raw, names[0])
    frame, line = raw.frame, raw.line
    column = _joined(raw, names, dialect, calendar=bool(parts))
    stamps = read_times(
        column,
        day_first=dialect.day_first,
        date_format=dialect.date_format,
        where=lambda row: f"line {line(row)}",
        source=str(raw.path),
    )
    zone = stamps.zone or raw.facts.get("zone")
    kept = frame.drop(columns=names).set_axis(stamps.times, axis=0)
    raw.notes.append(f"time: column {' and '.join(map(repr, names))}, {stamps.form}")
    return raw.changed(frame=kept, times=stamps.times, zone=zone)


def _calendar(raw: RawTable) -> list[str]:
    """Return columns of year, month and day, or of year and day of the year."""
    found: dict[str, str] = {}
    for part, words in CALENDAR.items():
        for name in map(str, raw.frame.columns):
            if " ".join(tokens(name)) in words:
                found.setdefault(part, name)
    if "month" not in found and "day" in found and "day of year" not in found:
        days = pd.to_numeric(raw.frame[found["day"]], errors="coerce")
        if days.max() > 31:
            found["day of year"] = found.pop("day")
    wanted = ("year", "month", "day") if "month" in found else ("year", "day of year")
    whole = [
        name for name in map(str, raw.frame.columns)
        if name not in found.values() and raw.header(name).meaning == "time"
        and _has_dates(raw.frame[name])
    ]  # fmt: skip
    needed = set(wanted[:2]) <= set(found) and not whole
    return [found[part] for part in wanted if part in found] if needed else []


def _time_columns(raw: RawTable, dialect: Dialect) -> list[str]:
    """Return the column of the times, or those of date and clock."""
    columns = [str(c) for c in raw.frame.columns]
    if dialect.time_column:
        unknown = [name for name in dialect.time_column if name not in columns]
        if unknown:
            raise SchemaError(
                f"time_column must be a column of the table. Received {unknown[0]!r}; the columns "
                f"of {raw.path} are {columns[:12]}. Correct the name."
            )
        return list(dialect.time_column)
    named = [c for c in columns if raw.header(c).meaning in ("time", "clock")]
    named = [c for c in named if raw.frame[c].notna().any()] or named[:1]
    free = [c for c in columns if raw.header(c).meaning in ("time", "clock", "unknown", "value")]
    clocks = [c for c in free if raw.header(c).meaning == "clock" or _is_clock(raw.frame[c])]
    dates = [c for c in named if c not in clocks]
    if len(dates) > 1:
        certain = [c for c in dates if _has_dates(raw.frame[c])]
        dates = certain or dates
    if len(dates) > 1:  # the day that a sum from morning to morning is of
        dates = [c for c in dates if "representativ" in fold(c)] or dates
    if len(dates) > 1:
        raise SchemaError(
            f"A table must have one column of times. Received {dates} in {raw.path}. Choose one "
            "with time_column=, or leave only one."
        )
    if dates:
        return [dates[0], *_usable_clock(raw, clocks)]
    for name in columns:  # 2003.5417
        known = raw.frame[name].dropna()
        years = " ".join(tokens(name)) in CALENDAR["year"] and is_numeric_dtype(known.dtype)
        if years and known.between(1600, 2300).all() and (known % 1 != 0).any():
            return [name]
    for name in columns[:3]:
        if _has_dates(raw.frame[name]):
            return [name, *_usable_clock(raw, clocks)]
    raise _without_times(raw, columns)


def _without_times(raw: RawTable, columns: list[str]) -> SchemaError:
    """Return the error of a table in which no column holds times."""
    only = [n for n in columns if " ".join(tokens(n)) in CALENDAR["year"]]
    dated = [n for n in columns if re.fullmatch(r"\D*(?:19|20)\d\d", n)]
    if only or len(dated) > 2:
        return SchemaError(
            "Times must be dates of days, weeks, months or quarters. Received years only, "
            f"{(only or dated)[0]!r}, in {raw.path}; a level a year is too rare to be modelled. "
            "Export the levels with their dates."
        )
    values = [n for n in columns if is_date(n) or re.fullmatch(r"[-+\d.,: ]+", n)]
    if 2 * len(values) > len(columns):
        return SchemaError(
            f"A table must have a header. Received the values {columns[:6]} in its place, in "
            f"{raw.path}. Write a line with the names of the columns above them, e.g. date,level "
            "or year,month,day,rain."
        )
    return SchemaError(
        f"A table must have a column of times, first or named {', '.join(TIME_WORDS[:3])}. "
        f"Received the columns {columns[:8]} in {raw.path}. Name it 'date', or give its name with "
        "time_column=; where the header stands lower in the file, give its line with header_row=."
    )


def _usable_clock(raw: RawTable, clocks: list[str]) -> list[str]:
    if not clocks or not raw.frame[clocks[0]].astype(str).str.contains(r"\d").any():
        return []  # --:--
    if raw.frame[clocks[0]].isna().any():
        raw.notes.append(f"left out: column {clocks[0]!r}, a clock that some rows do not have")
        return []
    return clocks[:1]


def _is_clock(column: pd.Series) -> bool:
    if is_float_dtype(column.dtype):
        return False
    known = column.head(1000).dropna().head(20).astype(str)
    return len(known) > 0 and bool(known.map(is_clock).all())


def _has_dates(column: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return True
    known = column.head(1000).dropna()
    known = known if len(known) else column.dropna()
    if not len(known):
        return False
    return is_date(str(known.iloc[0]).strip().removesuffix(".0"))


def _without_empty(raw: RawTable, name: str) -> RawTable:
    """Return a table without rows that hold nothing, and without the lines below it."""
    frame, line = raw.frame, raw.line
    times = frame[name]
    missing = times.isna().to_numpy()
    others = frame.drop(columns=name)
    if not missing.any() and not _ends_oddly(times) and not _has_remarks(times):
        return raw
    empty = others.isna().all(axis=1).to_numpy()
    remarks = empty & times.astype("str").str.startswith("#").fillna(False).to_numpy(bool)
    if remarks.any():
        raw.notes.append(f"left out: {int(remarks.sum())} lines of remarks among the rows")
    drop = (missing & empty) | remarks
    tail = _tail(times, empty)
    kept = ~drop
    if tail is not None:
        kept[tail:] = False
        raw.notes.append(
            f"left out: {len(kept) - tail} lines below the table, from line {line(tail)} "
            f"({str(times.iloc[tail])[:40]!r})"
        )
    elif (drop & ~remarks).any():
        raw.notes.append(f"left out: {int(drop.sum())} lines without any value")
    if kept.all():
        return raw
    rows = np.flatnonzero(kept)
    made = frame.iloc[rows]
    dry = {column: mask[rows] for column, mask in raw.dry.items()}
    made = made.reset_index(drop=True)
    return raw.changed(frame=made, dry=dry, line=lambda row: line(int(rows[row])))


def _has_remarks(times: pd.Series) -> bool:
    return times.dtype in ("object", "str") and bool(times.str.startswith("#").any())


def _ends_oddly(times: pd.Series) -> bool:
    """Return whether the last cell is no date, though the first is."""
    if pd.api.types.is_numeric_dtype(times.dtype) or not len(times):
        return False
    if pd.api.types.is_datetime64_any_dtype(times.dtype):
        return False
    first, last = str(times.iloc[0]).strip(), str(times.iloc[-1]).strip()
    return is_date(first) and not is_date(last)


def _tail(times: pd.Series, empty: np.ndarray) -> int | None:
    """Return the first row of the lines below the table: no date and no value, to the end."""
    row = len(times)
    while row > 0:
        cell = times.iloc[row - 1]
        text = "" if pd.isna(cell) else str(cell).strip()
        is_row = is_date(text.removesuffix(".0"))
        summary = any(word.strip(":") in _SUMMARIES for word in fold(text).split()[:1])
        if is_row or not (empty[row - 1] or len(text) > 24 or summary):
            break
        row -= 1
    found = times.iloc[row:].dropna()
    return row if 0 < row < len(times) and len(found) else None


def _joined(raw: RawTable, names: list[str], dialect: Dialect, *, calendar: bool) -> pd.Series:
    """Return one column of times from those of date and clock, or of year, month and day."""
    frame = raw.frame
    if calendar:
        numbers = [pd.to_numeric(frame[name], errors="coerce") for name in names]
        if any(part.isna().any() for part in numbers):
            row = int(np.flatnonzero(np.any([p.isna() for p in numbers], axis=0))[0])
            raise SchemaError(
                f"Every row needs a time. Received no number for {' or '.join(names)} in line "
                f"{raw.line(row)} of {raw.path}. Give the date or remove the row."
            )
        calendar_parts = [part.astype(int) for part in numbers]
        if calendar_parts[0].min() >= _BUDDHIST:
            calendar_parts[0] -= _ERA
            raw.notes.append(f"time: {_OF_ERA}")
        if " ".join(tokens(names[1])) not in CALENDAR["month"]:
            starts = pd.to_datetime(calendar_parts[0].astype(str) + "-01-01")
            return pd.Series(starts + pd.to_timedelta(calendar_parts[1] - 1, unit="D"))
        calendar_parts += [pd.Series(1, frame.index)] * (3 - len(calendar_parts))
        dates = [f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in zip(*calendar_parts, strict=True)]
        return pd.Series(dates, index=frame.index, dtype="str")
    date = frame[names[0]]
    if len(names) == 1:
        return date
    clock = frame[names[1]]
    if clock.astype(str).str.fullmatch(r"\d{4} ?(?:UTC|GMT)").all():
        raw.facts["zone"] = "UTC"
        clock = clock.str[:4]
    if pd.api.types.is_numeric_dtype(clock.dtype) or clock.astype(str).str.fullmatch(r"\d+").all():
        hours = pd.to_numeric(clock)
        whole = read_times(
            date, day_first=dialect.day_first, source=str(raw.path),
            where=lambda row: f"line {raw.line(row)}",
        ).times  # fmt: skip
        span = hours if float(hours.max()) <= 24 else hours // 100 + (hours % 100) / 60
        return pd.Series(whole + pd.to_timedelta(span.to_numpy(float), unit="h"))
    text = date.astype("str").str.strip()
    if pd.api.types.is_numeric_dtype(date.dtype):
        text = pd.Series([f"{value:.0f}" for value in date], index=date.index, dtype="str")
    joined: pd.Series = text + " " + clock.astype("str").str.strip()
    return joined


SERIAL_ORIGIN = pd.Timestamp("1899-12-30")
_ERA, _BUDDHIST = 543, 2400
_OF_ERA = f"years of the Buddhist calendar, {_ERA} less are those of the common one"
_BUDDHIST_YEAR = r"(?<!\d)(2[4-6]\d\d)(?=\D|$|(?:0[1-9]|1[0-2])\d{2}(?!\d))"


def _in_common_years(text: pd.Series) -> pd.Series | None:
    """Return text of dates of the Buddhist calendar in years of the common one; else None."""
    first = str(text.iloc[0]) if len(text) else ""
    if not re.search(_BUDDHIST_YEAR, first) or re.search(r"(?<!\d)(?:1[6-9]|20|21)\d\d", first):
        return None
    if not text.map(lambda cell: bool(re.search(_BUDDHIST_YEAR, cell))).all():
        return None
    return text.str.replace(_BUDDHIST_YEAR, lambda m: str(int(m[1]) - _ERA), n=1, regex=True)


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
        return Stamps(*local_times(index), "dates")
    objects = _of_objects(column)
    if objects is not None:
        return Stamps(objects, form="dates")
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _of_numbers(column, where, source, date_format)
    common = _in_common_years(column.astype("str").str.strip())
    if common is not None and date_format is None:
        found = read_times(common, day_first=day_first, where=where, source=source)
        return replace(found, form=f"{found.form}, {_OF_ERA}")
    if len(column) and not column.isna().any():
        fast = StampText(column.astype("str"), where, source, day_first).alike()
        if fast is not None and date_format is None:
            return fast
    text = column.astype("str").str.strip()
    if column.isna().any() or (text == "").any():
        raise _without_time(column.isna() | (text == ""), where, source)
    if date_format is None and text.str.fullmatch(r"-?\d{9,13}").all():
        since = _since_1970(pd.to_numeric(text))
        if since is not None:
            return since
    reader = StampText(text, where, source, day_first)
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
    if date_format is None and _in_common_years(text) is not None:
        return read_times(text, where=where, source=source)
    reader = StampText(text, where, source, None)
    if date_format is None:
        return reader.found()
    codes = re.findall("%(.)", date_format)
    if date_format == "".join(f"%{code}" for code in codes) and set(codes) <= set(_DIGITS):
        reader.text = text.str.zfill(sum(_DIGITS[code] for code in codes))  # 01012015 is 1012015
    return reader.given(date_format)


_DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3}
"""Digits of the codes of a form of times."""
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
