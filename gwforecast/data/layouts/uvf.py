"""UVF, the *Universelle Variable Format* for time series of German water services.

Four lines of fixed width begin each series: ``*Z``; parameter, unit and the centuries of the first
and last value; place; first and last time. Rows hold ``YYMMDDhhmm`` and a value; -777 is missing.

References
----------
https://wiki.bluemodel.org/index.php/UVF-Format
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from gwforecast.data.layouts.base import Dialect, RawTable
from gwforecast.data.text.encoding import decoded
from gwforecast.schema import SchemaError

__all__ = ["is_dly", "is_uvf", "read_dly", "read_uvf"]


MISSING = -777.0
_ROW = re.compile(r"^([ \d]{10})\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*$")


def is_uvf(head: str) -> bool:
    """Return whether a text begins like UVF: lines with ``$``, if any, and ``*Z``."""
    lines = (line.strip() for line in head.splitlines() if not line.startswith("$"))
    return next((line for line in lines if line), "") == "*Z"


def read_uvf(path: Path, dialect: Dialect) -> list[RawTable]:
    """Return the series of a UVF file, a table each.

    Raises
    ------
    SchemaError
        If a series has no values, or a line is none.
    """
    lines = decoded(path, dialect.encoding).lines()
    starts = [k for k, line in enumerate(lines) if line.strip() == "*Z"]
    ends = [*starts[1:], len(lines)]
    return [_series(lines, k, end, path) for k, end in zip(starts, ends, strict=True)]


def _series(lines: list[str], start: int, end: int, path: Path) -> RawTable:
    """Return one series: its header is in the three lines behind ``*Z``."""
    head = [line for line in lines[start + 1 : start + 4] if line.strip()]
    if len(head) < 3 or end - start < 5:
        raise SchemaError(
            "A series of UVF has a header of four lines and values. Received "
            f"{end - start} lines from line {start + 1} of {path}. Export it again."
        )
    parameter, place = head[0][:15].strip() or "value", head[1][:15].strip()
    unit = re.sub(r"\s+\d{4}\s+\d{4}\s*$", "", head[0][15:30]).strip()
    texts, values, numbers = [], [], []
    for number in range(start + 4, end):
        line = lines[number]
        if not line.strip() or line.startswith("$"):
            continue
        row = _ROW.match(line)
        if row is None:
            raise SchemaError(
                "A row of UVF holds YYMMDDhhmm and a value. Received "
                f"{line[:40]!r} in line {number + 1} of {path}. Correct the line."
            )
        texts.append(row[1].replace(" ", "0"))
        values.append(float(row[2]))
        numbers.append(number + 1)
    if not texts:
        raise SchemaError(
            f"A series of UVF must hold values. Received none for {place!r} in {path}. Export it "
            "again."
        )
    century = re.search(r"\b(1[5-9]00|2000)\s+(?:1[5-9]00|2[01]00)\s*$", head[0])
    times = _times(texts, int(century[1]) if century else None, numbers, path)
    column = f"{parameter} [{unit}]" if unit else parameter
    frame = pd.DataFrame({column: np.array(values)}, index=times)
    raw = RawTable(
        frame.mask(frame == MISSING), path, layout="UVF", times=times, part=place or None,
        facts={"well": place} if place else {}, line=lambda row: numbers[row],
    )  # fmt: skip
    said = f"centuries from {century[1]}" if century else "no century is stated: 1950 to 2049"
    raw.notes.append(f"time: YYMMDDhhmm, {said}; -777 is missing")
    return raw


def _times(texts: list[str], century: int | None, lines: list[int], path: Path) -> pd.DatetimeIndex:
    """Return times of years of two digits, which begin anew behind 99."""
    years = np.array([int(text[:2]) for text in texts])
    if century is None:
        whole = np.where(years > 49, 1900, 2000) + years
    else:
        whole = century + years + 100 * np.cumsum(np.append(0, np.diff(years) < -50))
    stamps = pd.Series([f"{y:04d}{text[2:]}" for y, text in zip(whole, texts, strict=True)])
    late = stamps.str.slice(8, 10) == "24"
    plain = stamps.mask(late, stamps.str.slice(0, 8) + "00" + stamps.str.slice(10))
    times = pd.to_datetime(plain, format="%Y%m%d%H%M", errors="coerce")
    if times.isna().any():
        row = int(np.flatnonzero(times.isna())[0])
        raise SchemaError(
            f"A time of UVF is YYMMDDhhmm. Received {texts[row]!r} in line {lines[row]} of {path}. "
            "Correct the line."
        )
    return pd.DatetimeIndex(times + pd.to_timedelta(late.astype(int), unit="D"))


_DLY = re.compile(r"^([A-Z]{2}[A-Z0-9_-]{9})(\d{4})(0[1-9]|1[0-2])([A-Z0-9]{4})(?=[ \d-]{5})")


def is_dly(head: str) -> bool:
    """Return whether a text begins like GHCN-Daily: a month of an element in each line."""
    return _DLY.match(head) is not None


def read_dly(path: Path, dialect: Dialect) -> RawTable:
    """Return the days of a GHCN-Daily station file, with the columns of the files by year.

    Raises
    ------
    SchemaError
        If a line is no month of an element.
    """
    rows = []
    for number, line in enumerate(decoded(path, dialect.encoding).lines(), 1):
        found = _DLY.match(line)
        if found is None and line.strip():
            raise SchemaError(
                "A line of GHCN-Daily is a month of an element. Received "
                f"{line[:40]!r} in line {number} of {path}. Remove the line, or download it again."
            )
        if found is None or found[4] not in ("PRCP", "TMAX", "TMIN", "TAVG", "SNWD", "AWND"):
            continue
        month = pd.Period(f"{found[2]}-{found[3]}", "M")
        for day in range(month.days_in_month):
            cell = line[21 + 8 * day : 29 + 8 * day].ljust(8)
            value = float(cell[:5]) if cell[:5].strip() else -9999.0
            stamp = month.start_time + pd.Timedelta(day, "D")
            rows.append((found[1], stamp, found[4], value, cell[6].strip() or None))
    frame = pd.DataFrame(rows, columns=["STATION", "DATE", "ELEMENT", "VALUE", "Q FLAG"])
    return RawTable(frame, path)
