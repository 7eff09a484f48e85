"""Tables of other shapes as tables with a row for each time: dates in columns, pairs of columns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from gwforecast.data.layouts.base import RawTable
from gwforecast.data.terms.units import fold
from gwforecast.data.terms.vocabulary import read_header
from gwforecast.data.terms.words import CALENDAR
from gwforecast.data.text.block import is_date
from gwforecast.data.text.stamps import month_of

__all__ = ["as_rows_of_times", "series_of_pairs"]


_OF_YEARS = ("annual", "total", "sum", "mean", "average", "jahr", "anual", "annuel", "summe",
             "mittel", "moyenne", "media", "ann")  # fmt: skip
LEAST_DATES = 4  # columns named by dates of a table that has dates in its header


def as_rows_of_times(raw: RawTable) -> RawTable:
    """Return a table whose columns are dates as a long one; others as they are."""
    names = [str(name) for name in raw.frame.columns]
    by_year = _of_months(raw, names)
    if by_year is not None:
        return by_year
    dates = [name for name in names if is_date(name)]
    if len(dates) < LEAST_DATES or any(read_header(name).meaning == "time" for name in names):
        return raw
    others = [name for name in names if name not in dates]
    long = raw.frame.melt(id_vars=others, value_vars=dates, var_name="time", value_name="value")
    known = long[long["value"].notna()].reset_index(drop=True)
    raw.notes.append(f"layout: {len(dates)} columns are dates, each row a well")
    return raw.changed(frame=known.astype({"time": "str"}), line=lambda _: 1, dry={})


def _of_months(raw: RawTable, names: list[str]) -> RawTable | None:
    """Return a table of a row a year and a column a month as a long one; None for any other."""
    months = {name: number for name in names if (number := month_of(name))}
    years = [name for name in names if fold(name).strip() in CALENDAR["year"]]
    if sorted(months.values()) != list(range(1, 13)) or len(years) != 1:
        return None
    year = pd.to_numeric(raw.frame[years[0]], errors="coerce")
    if year.isna().any() or (year % 1 != 0).any():
        return None
    others = [n for n in names if n not in (*months, years[0]) and fold(n).strip() not in _OF_YEARS]
    long = raw.frame.melt(id_vars=[years[0], *others], value_vars=list(months))
    month = long["variable"].map(months)
    stamps = long[years[0]].astype(int).map("{:04d}".format) + month.map("-{:02d}-01".format)
    value = raw.facts.get("parameter") or "value"
    made = long[others].assign(time=stamps.astype("str"), **{value: long["value"]})
    made = made[made[value].notna()].sort_values("time", kind="stable").reset_index(drop=True)
    raw.notes.append("layout: a row for each year and a column for each month")
    return raw.changed(frame=made, line=lambda _: 1, dry={})


def series_of_pairs(raw: RawTable) -> list[RawTable]:
    """Return the tables of a file in which each well has its own column of dates."""
    names = [str(name) for name in raw.frame.columns]
    dates = [k for k, name in enumerate(names) if _names_time(name)]
    dates = [k for k in dates if _holds_dates(raw.frame.iloc[:, k])]
    ends = [*dates[1:], len(names)]
    if len(dates) < 2 or dates[0] != 0 or any(b - a < 2 for a, b in zip(dates, ends, strict=True)):
        return [raw]
    values = [names[a + 1] for a in dates]
    if any(read_header(value).meaning in ("quality", "time", "clock") for value in values):
        return [raw]
    parts = list(_parts(raw, names, dates, ends))
    return parts if len({part.part for part in parts}) == len(parts) else [raw]


def _names_time(name: str) -> bool:
    """Return whether a column is called a time, or its last word is, as in ``B1 Datum``."""
    return any(read_header(text).meaning == "time" for text in (name, name.split()[-1]))


def _holds_dates(column: pd.Series) -> bool:
    known = column.head(1000).dropna().head(20).astype(str)
    return len(known) > 0 and bool(known.map(is_date).all())


def _parts(
    raw: RawTable, names: list[str], dates: list[int], ends: list[int]
) -> Iterator[RawTable]:
    line = raw.line
    for start, end in zip(dates, ends, strict=True):
        frame = raw.frame.iloc[:, start:end].dropna(how="all")
        rows = frame.index.to_numpy()
        header = read_header(names[start + 1])
        well = header.rest or header.label
        frame = frame.reset_index(drop=True).set_axis(["date", *names[start + 1 : end]], axis=1)
        yield raw.changed(
            frame=frame, part=well, dry={}, facts=raw.facts | {"well": well},
            notes=[*raw.notes, "layout: each well has its own column of dates"],
            line=lambda row, rows=rows: line(int(rows[row])),
        )  # fmt: skip
