"""A file -> its tables, whatever it is: known by its suffix and its first bytes."""

from __future__ import annotations

import atexit
import gzip
import re
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import numpy as np
import pandas as pd

from gwforecast.data.layouts import loggers
from gwforecast.data.layouts.agencies import (
    plain_table,
    recognise,
    series_of_pairs,
)
from gwforecast.data.layouts.base import Dialect, RawTable, warn_of_periods, warn_of_quality
from gwforecast.data.layouts.excel import EXCEL, OLD_EXCEL, hint_of_row, read_workbook
from gwforecast.data.layouts.records import (
    JSON,
    parse_xml,
    read_json,
    read_pi_xml,
    read_xml_records,
    strip,
)
from gwforecast.data.terms.headers import read_header, tokens
from gwforecast.data.terms.units import fold
from gwforecast.data.terms.words import CALENDAR
from gwforecast.data.text import delimited
from gwforecast.data.text.block import is_date
from gwforecast.data.text.dated import dated
from gwforecast.data.text.stamps import month_of
from gwforecast.schema import SchemaError

__all__ = ["READABLE", "read_file", "read_named_rows"]

XML = (".xml", ".xle")
READABLE = (*delimited.TABLES, *EXCEL, *XML, ".mon", ".uvf", ".zrx", ".dly")
"""Suffixes of files that hold tables; upper case as well."""
PACKED = (".gz", ".zip")
MOST_BYTES = 2 << 30


def read_file(path: Path, dialect: Dialect) -> list[RawTable]:
    """Return the tables of a file, with times; of a .gz or .zip, those of the file within.

    Raises FileNotFoundError if there is no file, and SchemaError if it can't be read as tables
    with times.
    """
    delimited.check_exists(path)
    suffix = path.suffix.lower()
    if suffix in PACKED:
        return _of_archive(path, dialect)
    if suffix in OLD_EXCEL:
        raise SchemaError(
            f"A workbook must be .xlsx. Received {path}. Save it as .xlsx, or the sheet as CSV."
        )
    if suffix in EXCEL:
        return _with_hint(read_workbook, hint_of_row, path, dialect)
    if dialect.sheet is not None:
        raise ValueError(
            f"A sheet is part of a workbook. Received sheet={dialect.sheet!r} beside {path}. Leave "
            "it out."
        )
    if suffix in delimited.PARQUET:
        return _with_times(_rows(delimited.read_parquet(path)), dialect)
    if suffix in JSON:
        return _with_times(read_json(path, dialect), dialect)
    with path.open("rb") as file:
        head = file.read(4096)
    if suffix in XML or head.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"<?xml"):
        return _of_xml(path, dialect)
    if loggers.is_uvf(head.decode("latin-1")):
        return [_without_counters(dated(raw, dialect)) for raw in loggers.read_uvf(path, dialect)]
    if loggers.is_dly(head.decode("latin-1")):
        return _with_times(_rows(loggers.read_dly(path, dialect)), dialect)
    if loggers.is_mon(path, head.decode("latin-1")):
        return [
            loggers.adapt_logger(loggers.read_mon(path, dialect)).changed(
                layout="Van Essen Diver .MON"
            )
        ]
    return _with_hint(
        lambda *given: [delimited.read_delimited(*given)], delimited.hint_of_header, path, dialect
    )


def _of_archive(path: Path, dialect: Dialect) -> list[RawTable]:
    """Return the tables of the only file of an archive, or of one larger than all others."""
    try:
        made, inside, others = _unpacked(path, path.stat().st_mtime_ns)
    except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise SchemaError(
            f"A .gz or .zip must be readable. Received {path}: {error}. Export it again, or unpack "
            "it."
        ) from None
    try:
        parts = read_file(Path(made.name) / inside, dialect)
    except SchemaError as error:
        within = str(Path(made.name) / inside)
        raise SchemaError(str(error).replace(within, f"{path} ({inside})")) from None
    notes = [f"archive: {inside} of {path.name}"]
    notes += [f"left out: {other} of {path.name} (a smaller file)" for other in others]
    return [raw.changed(path=path, notes=[*notes, *raw.notes]) for raw in parts]


@lru_cache(maxsize=4)  # the unpacked file is read again for the lines of messages
def _unpacked(path: Path, _: int) -> tuple[TemporaryDirectory[str], str, list[str]]:
    """Return a folder with the unpacked file, its name, and the files that are left out."""
    made = TemporaryDirectory(prefix="gwforecast-")
    atexit.register(made.cleanup)
    if path.suffix.lower() == ".gz":
        inside = path.stem if Path(path.stem).suffix else f"{path.stem}.csv"
        with gzip.open(path) as packed:
            _copied(packed, Path(made.name) / inside, path)
        return made, inside, []
    with zipfile.ZipFile(path) as archive:
        found = [
            entry for entry in archive.infolist()
            if not entry.is_dir() and Path(entry.filename).suffix.lower() in (*READABLE, *JSON)
        ]  # fmt: skip
        found.sort(key=lambda entry: -entry.file_size)
        if not found or sum(entry.file_size for entry in found[1:]) > found[0].file_size:
            raise SchemaError(
                "An archive must hold one file of data, or one larger than all others. Received "
                f"{[entry.filename for entry in archive.infolist()][:6]} in {path}. Unpack it, and "
                "give the file, or a folder with a file for each well."
            )
        inside = Path(found[0].filename).name
        with archive.open(found[0]) as packed:
            _copied(packed, Path(made.name) / inside, path)
    return made, inside, [Path(entry.filename).name for entry in found[1:]]


def _copied(packed: IO[bytes] | gzip.GzipFile, path: Path, archive: Path) -> None:
    """Write a file of an archive, up to a size."""
    left = MOST_BYTES
    with path.open("wb") as file:
        while part := packed.read(1 << 20):
            left -= len(part)
            if left < 0:
                raise SchemaError(
                    f"A file of an archive must be below {MOST_BYTES >> 30} GiB. Received a larger "
                    f"one in {archive}. Unpack it."
                )
            file.write(part)


def _with_hint(
    read: Callable[[Path, Dialect], list[RawTable]],
    hint: Callable[[Path, Dialect], str],
    path: Path,
    dialect: Dialect,
) -> list[RawTable]:
    """Return tables with times; an error says which line looks like the header, if another was."""
    try:
        return [table for raw in read(path, dialect) for table in _with_times(raw, dialect)]
    except SchemaError as error:
        try:
            said = hint(path, dialect)
        except SchemaError:
            said = ""
        raise SchemaError(f"{error} {said}".strip()) from None


def _rows(raw: RawTable) -> RawTable:
    if raw.frame.shape[0] == 0:
        raise SchemaError(
            f"A table must hold rows of data. Received a header only in {raw.path}. Check the "
            "export."
        )
    return raw


def _with_times(raw: RawTable, dialect: Dialect) -> list[RawTable]:
    """Return the tables of one in the form of any, with times: one, or one for each well."""
    if not dialect.time_column:
        parts = series_of_pairs(_rows_of_times(raw))
        if len(parts) > 1:
            return [table for part in parts for table in _with_times(part, dialect)]
        raw = parts[0]
    plain = plain_table(raw.frame)
    raw = recognise(raw if plain is raw.frame else raw.changed(frame=plain, headers={}))
    raw = loggers.adapt_logger(raw) if raw.layout in ("table", "Excel table") else raw
    raw = dated(raw, dialect)
    warn_of_quality(raw)
    warn_of_periods(raw)
    return [_without_counters(raw)]


_OF_YEARS = ("annual", "total", "sum", "mean", "average", "jahr", "anual", "annuel", "summe",
             "mittel", "mittelwert", "moyenne", "media", "ann", "min", "max", "minimum",
             "maximum")  # fmt: skip
_WATER_YEAR = r"hydro|water year|abflussjahr|wasserwirtschaft"
LEAST_DATES = 4  # columns named by dates of a table that has dates in its header


def _rows_of_times(raw: RawTable) -> RawTable:
    """Return a table whose columns are dates as a long one; others as they are."""
    names = [str(name) for name in raw.frame.columns]
    by_year = _of_months(raw, names)
    by_year = _of_days(raw, names) if by_year is None else by_year
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
    years = [n for n in names if n not in months and set(tokens(n)) & set(CALENDAR["year"])]
    years = years or [n for n in names if re.search(_WATER_YEAR, fold(n))]
    if sorted(months.values()) != list(range(1, 13)) or len(years) != 1:
        return None
    order = list(months.values())
    first = order[0]
    if first > 1 and not re.search(_WATER_YEAR, fold(years[0])):
        raise SchemaError(
            "A row of months must be of one calendar year, or of a year that its header calls "
            f"hydrological. Received {years[0]!r} before months from {next(iter(months))!r} on in "
            f"{raw.path}, the first of which may be of the year before. Call it 'hydrological "
            "year' if they are, or write a row for each month."
        )
    means = raw.frame[years[0]].astype("str").map(fold, na_action="ignore").isin(_OF_YEARS)
    if means.any():
        raw = raw.changed(frame=raw.frame[~means].reset_index(drop=True))
        raw.notes.append(f"left out: {int(means.sum())} rows of all years")
    year = pd.to_numeric(raw.frame[years[0]], errors="coerce")
    if year.isna().any() or (year % 1 != 0).any():
        return None
    others = [n for n in names if n not in (*months, years[0]) and fold(n).strip() not in _OF_YEARS]
    long = raw.frame.melt(id_vars=[years[0], *others], value_vars=list(months))
    month = long["variable"].map(months)
    before = (month >= first) & (first > 1)  # of a hydrological year, named after its end
    calendar = long[years[0]].astype(int) - before
    stamps = calendar.map("{:04d}".format) + month.map("-{:02d}-01".format)
    value = raw.facts.get("parameter") or "value"
    made = long[others].assign(time=stamps.astype("str"), **{value: long["value"]})
    made = made[made[value].notna()].sort_values("time", kind="stable").reset_index(drop=True)
    raw.notes.append("layout: a row for each year and a column for each month")
    if first > 1:
        raw.notes.append(
            "layout: hydrological years, named after the calendar year in which they end; the "
            f"months from {next(iter(months))!r} to December are of the year before"
        )
    return raw.changed(frame=made, line=lambda _: 1, dry={})


def _of_days(raw: RawTable, names: list[str]) -> RawTable | None:
    """Return a table of a row a month and a column a day as a long one; None for any other.

    The columns are called 1 to 31, or as Chuva01 to Chuva31 of Brazil's rain.
    """
    found = [
        (name, re.fullmatch(r"(.*?)[ _]?0?([1-9]|[12]\d|3[01])\.?", name.strip())) for name in names
    ]
    stems: dict[str, dict[int, str]] = {}
    for name, parts in found:
        if parts:
            stems.setdefault(parts[1], {})[int(parts[2])] = name
    stem, columns = max(stems.items(), key=lambda item: len(item[1]), default=("", {}))
    months = _months_of_rows(raw, names)
    if sorted(columns) != list(range(1, 32)) or months is None:
        return None
    days = raw.frame[[columns[day] for day in range(1, 32)]].set_axis(range(1, 32), axis=1)
    beyond = np.arange(1, 32) > months.dt.days_in_month.to_numpy()[:, None]
    if days.where(beyond).notna().any(axis=None):
        return None
    kept = [n for n in names if raw.header(n).meaning in ("well", "station", "screen", "unit")]
    kept = [n for n in kept if n not in columns.values()]
    value = stem or raw.facts.get("parameter") or "value"
    stamps = months.dt.strftime("%Y-%m-")
    frame = raw.frame[kept]
    long = pd.concat([
        frame.assign(time=stamps + f"{day:02d}", **{value: days[day]})[~beyond[:, day - 1]]
        for day in range(1, 32)
    ])  # fmt: skip
    long = long.sort_values([*kept, "time"], kind="stable").reset_index(drop=True)
    raw.notes.append("layout: a row for each month and a column for each day")
    left = [n for n in names if n not in (*kept, *columns.values())]
    raw.notes.append(f"left out: columns beside those of days, {', '.join(left[:6])}")
    return raw.changed(frame=long.astype({"time": "str"}), line=lambda _: 1, dry={})


def _months_of_rows(raw: RawTable, names: list[str]) -> pd.Series | None:
    """Return the first day of the month of each row, by year and month or by a date."""
    parts = {
        part: next((n for n in names if fold(n).strip() in CALENDAR[part]), "")
        for part in ("year", "month")
    }
    if all(parts.values()):
        numbers = [pd.to_numeric(raw.frame[n], errors="coerce") for n in parts.values()]
        text = numbers[0].map("{:.0f}".format) + numbers[1].map("-{:02.0f}-01".format)
    else:
        name = next((n for n in names if read_header(n).meaning == "time"), None)
        if name is None:
            return None
        text = raw.frame[name].astype("str").str.strip().str[:10]
        text = text.str.replace(r"^01[-/.](\d\d)[-/.](\d{4})$", r"\2-\1-01", regex=True)
    months = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    return months if len(months) and bool((months.dt.day == 1).all()) else None


def _without_counters(raw: RawTable) -> RawTable:
    """Return a table without columns that a spreadsheet or pandas has added."""
    frame = raw.frame
    for name in list(frame.columns):
        if not (str(name).startswith("Unnamed") or str(name) == ""):
            continue
        column = frame[name]
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(float)
        start = numbers[0] if len(numbers) else 0.0
        if not column.notna().any():
            frame = frame.drop(columns=name)
        elif np.array_equal(numbers, start + np.arange(len(frame), dtype=float)):
            frame = frame.drop(columns=name)
            raw.notes.append(f"left out: column {name!r} (a counter)")
    return raw.changed(frame=frame)


def _of_xml(path: Path, dialect: Dialect) -> list[RawTable]:
    root = parse_xml(path)
    tag = strip(root.tag)
    if tag == "TimeSeries":
        return read_pi_xml(path, root)
    if tag == "Body_xle":
        return [loggers.read_xle(path, root)]
    raw = read_xml_records(path, root)
    if raw is not None:
        return _with_times(raw, dialect)
    raise SchemaError(
        "An XML file of levels must be PI-XML of Delft-FEWS (TimeSeries), a Solinst .xle "
        "(Body_xle), or hold elements with a time and a value, as WaterML and Hilltop do. Received "
        f"the element {tag!r} in {path}. Export it as CSV."
    )


def read_named_rows(path: Path, dialect: Dialect) -> pd.DataFrame:
    """Return a table with a row for each well, its names as the index.

    Raises FileNotFoundError if there is no file, and SchemaError if it can't be read as a table.
    """
    delimited.check_exists(path)
    plain = Dialect(decimal=dialect.decimal, encoding=dialect.encoding)  # delimiter is its own
    if path.suffix.lower() in EXCEL:
        raw = read_workbook(path, plain, dated=False)[0]
    elif path.suffix.lower() in delimited.PARQUET:
        raw = delimited.read_parquet(path)
    else:
        raw = delimited.read_delimited(path, plain, dated=False)
    frame = raw.frame
    first = frame.columns[0]
    names = pd.Index(frame[first].map(lambda v: str(v).strip()), name=first)
    return frame.drop(columns=first).set_axis(names, axis=0)
