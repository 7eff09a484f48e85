"""Files of loggers: Van Essen Diver, Solinst, Onset HOBO, In-Situ; pressures and air pressures.

A logger measures a pressure. Where its file holds a level, that is read; where it holds only the
pressure, a level needs the air pressure and the depth of the sensor below the measuring point. The
layouts are those of the manuals of Diver-Office, Solinst Levelogger Software, HOBOware and
Win-Situ. Beside them stand two texts of fixed width: UVF, the *Universelle Variable Format* of
German water services (https://wiki.bluemodel.org/index.php/UVF-Format), whose series begin with
``*Z``, three lines of parameter and unit, place, and times, and hold ``YYMMDDhhmm`` and a value,
-777 where it is missing; and GHCN-Daily by station, 31 values in each line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gwforecast.data.layouts.base import Dialect, RawTable, keep_facts
from gwforecast.data.layouts.records import strip
from gwforecast.data.terms.headers import Header, read_header
from gwforecast.data.terms.units import compact, parse_length
from gwforecast.data.text.dated import read_times
from gwforecast.data.text.encoding import decoded
from gwforecast.schema import SchemaError

__all__ = [
    "adapt_logger", "is_dly", "is_mon", "is_uvf", "levels_from_pressure", "read_dly", "read_mon",
    "read_uvf", "read_xle",
]  # fmt: skip

METRES_OF_WATER = {
    "cmh2o": 0.01, "mh2o": 1.0, "cm": 0.01, "m": 1.0, "mmh2o": 0.001, "kpa": 0.1019716,
    "hpa": 0.01019716, "mbar": 0.01019716, "mb": 0.01019716, "pa": 0.0001019716, "bar": 10.19716,
    "psi": 0.703070, "psia": 0.703070, "psig": 0.703070, "inhg": 0.345316, "mmhg": 0.0135951,
    "fth2o": 0.3048, "ft": 0.3048, "inh2o": 0.0254,
}  # fmt: skip
"""Height of water of a pressure of one unit, m, at 4 degC."""
_LONGEST = pd.Timedelta("3h")  # between two readings of the barometer


def is_mon(path: Path, head: str) -> bool:
    """Return whether a file is one of a Diver with columns of fixed width."""
    marked = path.suffix.lower() == ".mon" or "[Channel" in head or "DataLogger" in head
    if not marked:
        return False
    raw = path.read_bytes()
    return b"[Data]" in raw and b"[Channel" in raw


def read_mon(path: Path, dialect: Dialect) -> RawTable:
    """Return the table of a Diver's ``.MON`` file.

    Raises SchemaError if it has no data, or a row does not have its form.
    """
    lines = decoded(path, dialect.encoding).lines()
    start = next((k for k, line in enumerate(lines) if line.strip() == "[Data]"), None)
    if start is None:
        raise SchemaError(
            f"A .MON file must have a section [Data]. Received none in {path}. Export it again "
            "from Diver-Office."
        )
    facts, names = _sections(lines[:start])
    rows, numbers = [], []
    for number, line in enumerate(lines[start + 1 :], start + 2):
        if re.match(r"^\s*\d{2,4}[-/]\d\d[-/]\d{2,4}\s+\d", line):
            rows.append(line.split())
            numbers.append(number)
    if not rows:
        raise SchemaError(
            f"A .MON file must have readings below [Data]. Received none in {path}. Export it "
            "again from Diver-Office."
        )
    width = len(names) + 2
    bad = next((k for k, cells in enumerate(rows) if len(cells) != width), None)
    if bad is not None:
        raise SchemaError(
            f"A row of a .MON file holds date, time and {len(names)} channels. Received "
            f"{' '.join(rows[bad])!r} in line {numbers[bad]} of {path}. Correct the line."
        )
    stamps = read_times(
        pd.Series([f"{cells[0]} {cells[1]}" for cells in rows], dtype="str"),
        day_first=dialect.day_first, date_format=dialect.date_format, source=str(path),
        where=lambda row: f"line {numbers[row]}",
    )  # fmt: skip
    frame = {
        name: pd.to_numeric(pd.Series([r[2 + k].replace(",", ".") for r in rows]), errors="coerce")
        for k, name in enumerate(names)
    }
    raw = RawTable(
        pd.DataFrame(frame).set_index(stamps.times), path, layout="Van Essen Diver .MON",
        facts=facts, times=stamps.times, line=lambda row: numbers[row],
    )  # fmt: skip
    raw.notes.append(f"time: section [Data], {stamps.form}")
    return raw


def _sections(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return what the head of a .MON file says, and the names of its channels with units."""
    facts: dict[str, str] = {}
    names: list[str] = []
    in_channel = False
    for line in lines:
        section = re.match(r"^\s*\[(.+)\]", line)
        if section:
            in_channel = bool(re.match(r"^Channel \d+$", section[1].strip()))
            continue
        key, _, value = line.partition("=")
        key, value = key.strip(" :"), value.strip()
        if in_channel and key == "Identification" and value:
            names.append(value.title())
        elif in_channel and key in ("Reference level", "Range") and names:
            unit = re.sub(r"^[\d.,\s+-]+", "", value).strip()
            if unit and "[" not in names[-1]:
                names[-1] = f"{names[-1]} [{unit}]"
        elif value:
            keep_facts(facts, key, value)
    return facts, names


def read_xle(path: Path, root: Any) -> RawTable:
    """Return the table of a Solinst ``.xle`` file.

    Raises SchemaError if it holds no channels or readings.
    """
    by_name = {strip(e.tag): e for e in root.iter()}
    names = []
    for element in root.iter():
        if re.fullmatch(r"Ch\d+_data_header", strip(element.tag)):
            inner = {strip(e.tag): (e.text or "").strip() for e in element}
            unit = inner.get("Unit", "")
            names.append(
                f"{inner.get('Identification', 'channel')}" + (f" [{unit}]" if unit else "")
            )
    logs = [e for e in root.iter() if strip(e.tag) == "Log"]
    if not names or not logs:
        raise SchemaError(
            f"A .xle file must hold channels and readings. Received {len(names)} channels and "
            f"{len(logs)} readings in {path}. Export it again from the Levelogger software."
        )
    cells = [{strip(e.tag).lower(): (e.text or "").strip() for e in log} for log in logs]
    stamps = read_times(
        pd.Series([f"{c.get('date', '')} {c.get('time', '')}".strip() for c in cells], dtype="str"),
        source=str(path), where=lambda row: f"reading {row + 1}",
    )  # fmt: skip
    frame = {
        name: pd.to_numeric(pd.Series([c.get(f"ch{k}", "") for c in cells]), errors="coerce")
        for k, name in enumerate(names, 1)
    }
    location = by_name.get("Location")
    facts = {"well": (location.text or "").strip()} if location is not None else {}
    return adapt_logger(RawTable(
        pd.DataFrame(frame).set_index(stamps.times), path, layout="Solinst .xle",
        facts={k: v for k, v in facts.items() if v}, times=stamps.times,
        notes=[f"time: readings, {stamps.form}"],
    ))  # fmt: skip


def adapt_logger(raw: RawTable) -> RawTable:
    """Return a table of a logger with what its maker means by the names of its channels."""
    above = raw.facts.get("above", "").lower()
    names = [str(c) for c in raw.frame.columns]
    lowered = {name.lower() for name in names}
    if raw.layout == "Solinst .xle" or ("unit:" in above and "level" in lowered):
        return _solinst(raw)
    if "plot title" in above or any("lgr s/n" in name for name in lowered):
        raw.notes.append("layout: Onset HOBO")
        return raw.changed(layout="Onset HOBO")
    in_situ = any(word in above for word in ("in-situ", "log file properties", "level troll",
                                              "vulink", "win-situ", "vusitu"))  # fmt: skip
    paired = any(name.startswith("pressure (psi") for name in lowered) and any(
        name.startswith("depth (") for name in lowered
    )
    if in_situ or paired:
        headers = dict(raw.headers)
        for name in names:
            if read_header(name).label.lower() == "depth":
                headers[name] = replace(read_header(name), meaning="column")
        return raw.changed(headers=headers, layout="In-Situ")
    if "datalogger" in above or "diver" in above or "[logger settings]" in above:
        return raw.changed(layout="Van Essen Diver")
    return raw


def _solinst(raw: RawTable) -> RawTable:
    above = raw.facts.get("above", "")
    headers = dict(raw.headers)
    for name in map(str, raw.frame.columns):
        header = read_header(name)
        if header.meaning in ("level", "depth") and header.unit is None:
            found = re.search(r"LEVEL\s+UNIT:\s*(\S+)", above, re.IGNORECASE)
            unit = found[1] if found else None
            header = replace(header, unit=unit, length=parse_length(unit) if unit else None)
        if header.meaning == "level":
            headers[name] = header
            raw.notes.append(
                f"warning: {name!r} of a Solinst logger is the height of water above the sensor, "
                "not above a datum, and holds the air pressure unless the software has taken it "
                "off; give barometer= and sensor_depth=, or sensor_depth= alone"
            )
    return raw.changed(headers=headers, layout="Solinst")


def levels_from_pressure(
    raw: RawTable,
    *,
    barometer: RawTable | None,
    sensor_depth: float | Mapping[str, float],
    well: str,
) -> RawTable:
    """Return depths to water from the pressure, or the height of water, above a sensor.

    The result has a column ``depth to water [m]``: depth of the sensor below the measuring point
    less the height of water above it. The air pressure is interpolated between readings of at most
    three hours. Raises SchemaError if there is no pressure, no unit, no depth of the sensor for the
    well, or no air pressure.
    """
    depth = sensor_depth.get(well) if isinstance(sensor_depth, Mapping) else sensor_depth
    if depth is None:
        raise SchemaError(
            "Each logger needs the depth of its sensor below the measuring point. Received none "
            f"for well {well!r}. Add it to sensor_depth=, in m."
        )
    if barometer is not None:
        height, source = _compensated(raw, barometer, well), "pressure - air pressure"
    else:
        height, source = _height(raw, well)
    frame = pd.DataFrame({"depth to water [m]": float(depth) - height}, index=raw.frame.index)
    raw.notes.append(
        f"pressure: height of water above the sensor from {source}; depth = {float(depth):g} m - "
        "height"
    )
    return raw.changed(frame=frame, headers={}, dry={})


def _height(raw: RawTable, well: str) -> tuple[np.ndarray, str]:
    """Return the height of water of a file that has it, m."""
    names = [n for n in map(str, raw.frame.columns) if raw.header(n).meaning == "column"]
    names = names or [n for n in map(str, raw.frame.columns) if raw.header(n).meaning == "level"]
    if not names:
        raise SchemaError(
            "A height of water above the sensor, or a pressure with the air pressure, is needed. "
            f"Received the columns {list(map(str, raw.frame.columns))} for well {well!r}. Give "
            "the air pressure with barometer=."
        )
    length = raw.header(names[0]).length
    factor = length.factor if length is not None else 1.0
    return raw.frame[names[0]].to_numpy(float) * factor, repr(names[0])


def _compensated(raw: RawTable, barometer: RawTable, well: str) -> np.ndarray:
    """Return the height of water from the absolute pressure less the air pressure, m."""
    water, air = _pressure(raw, f"well {well!r}"), _pressure(barometer, "the barometer")
    air = air.dropna()
    air = air[~air.index.duplicated()].sort_index()
    if len(air) < 2:
        raise SchemaError(
            f"The barometer must cover the readings. Received {len(air)} values of the air "
            f"pressure in {barometer.path}. Give the file of the barometer."
        )
    stamps, known = raw.frame.index.to_numpy(), air.index.to_numpy()
    interpolated = np.interp(stamps.astype("M8[us]").astype(np.int64),
                             known.astype("M8[us]").astype(np.int64), air.to_numpy())  # fmt: skip
    after = np.clip(np.searchsorted(known, stamps), 1, len(known) - 1)
    apart = known[after] - known[after - 1]
    usual = max(_LONGEST.to_timedelta64(), 1.5 * np.median(np.diff(known)))
    outside = (stamps < known[0]) | (stamps > known[-1]) | (apart > usual)
    interpolated[outside & ~np.isin(stamps, known)] = np.nan
    height = water.to_numpy(float) - interpolated
    if not np.isfinite(height).any():
        raise SchemaError(
            f"The barometer must cover the readings. Received air pressure from {known[0]} to "
            f"{known[-1]} for readings of {well!r} from {stamps[0]} to {stamps[-1]}. Give the "
            "file of the same period."
        )
    return np.asarray(height)


def _pressure(raw: RawTable, what: str) -> pd.Series:
    """Return the pressure of a table in m of water."""
    columns = [str(c) for c in raw.frame.columns]
    names = [n for n in columns if raw.header(n).meaning == "pressure"]
    if not names and raw.layout.startswith("Solinst"):
        names = [n for n in columns if raw.header(n).meaning == "level"]
    if not names:
        raise SchemaError(
            f"A pressure is needed of {what}. Received the columns {columns} in {raw.path}. Give "
            "the file of a logger with a pressure."
        )
    header: Header = raw.header(names[0])
    unit = compact(header.unit or "")
    if unit not in METRES_OF_WATER:
        raise SchemaError(
            f"The unit of a pressure must be known. Received {header.unit!r} for {names[0]!r} of "
            f"{what}. Name it in the header, e.g. 'Pressure [kPa]'."
        )
    return raw.frame[names[0]].astype(float) * METRES_OF_WATER[unit]


UVF_MISSING = -777.0
_ROW = re.compile(r"^([ \d]{10})\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*$")


def is_uvf(head: str) -> bool:
    """Return whether a text begins like UVF: lines with ``$``, if any, and ``*Z``."""
    lines = (line.strip() for line in head.splitlines() if not line.startswith("$"))
    return next((line for line in lines if line), "") == "*Z"


def read_uvf(path: Path, dialect: Dialect) -> list[RawTable]:
    """Return the series of a UVF file, a table each.

    Raises SchemaError if a series has no values, or a line is none.
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
        frame.mask(frame == UVF_MISSING), path, layout="UVF", times=times, part=place or None,
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

    Raises SchemaError if a line is no month of an element.
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
