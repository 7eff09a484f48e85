"""The times of a table: which column or columns hold them, and the rows that have none."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype

from gwforecast.data.layouts.base import Dialect, RawTable
from gwforecast.data.terms.headers import tokens
from gwforecast.data.terms.units import fold
from gwforecast.data.terms.words import CALENDAR, TIME_WORDS
from gwforecast.data.text.block import is_clock, is_date
from gwforecast.data.text.stamps import read_times
from gwforecast.schema import SchemaError

__all__ = ["dated"]

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
    raise SchemaError(
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
    if not missing.any() and not _ends_oddly(times):
        return raw
    empty = others.isna().all(axis=1).to_numpy()
    drop = missing & empty
    tail = _tail(times, empty)
    kept = ~drop
    if tail is not None:
        kept[tail:] = False
        raw.notes.append(
            f"left out: {len(kept) - tail} lines below the table, from line {line(tail)} "
            f"({str(times.iloc[tail])[:40]!r})"
        )
    elif drop.any():
        raw.notes.append(f"left out: {int(drop.sum())} lines without any value")
    if kept.all():
        return raw
    rows = np.flatnonzero(kept)
    made = frame.iloc[rows]
    dry = {column: mask[rows] for column, mask in raw.dry.items()}
    made = made.reset_index(drop=True)
    return raw.changed(frame=made, dry=dry, line=lambda row: line(int(rows[row])))


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
        if " ".join(tokens(names[1])) in CALENDAR["day of year"]:
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
