"""Time series of Delft-FEWS as PI-XML, and other XML of loggers, parsed safely.

https://publicwiki.deltares.nl/display/FEWSDOC/Delft-Fews+Published+Interface+timeseries+Format
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gwforecast.data.layouts.base import RawTable
from gwforecast.data.terms.headers import Header, read_header, tokens
from gwforecast.data.terms.units import parse_length
from gwforecast.schema import SchemaError

__all__ = ["levels_of_series", "parse_xml", "read_pi_xml", "side_by_side", "strip"]

_FIRST_WORDS = {
    "gw": "level", "gwl": "level", "g": "level", "grw": "level", "gws": "level", "gwst": "level",
    "gh": "level", "h": "stage", "p": "rain", "n": "rain", "e": "evapotranspiration",
    "et": "evapotranspiration", "ev": "evapotranspiration", "t": "temperature", "q": "stage",
    "ws": "stage", "wl": "stage",
}  # fmt: skip
"""Meaning of the first part of a FEWS parameter such as ``P.obs``, where its words say nothing."""


def parse_xml(path: Path) -> Any:
    """Return the root element of an XML file.

    Raises SchemaError if it is not well-formed, or defines entities.
    """
    from defusedxml import ElementTree  # loaded only where it is needed
    from defusedxml.common import DefusedXmlException

    try:
        return ElementTree.fromstring(path.read_bytes())
    except DefusedXmlException:
        raise SchemaError(
            f"An XML file must not define entities. Received some in {path}. Export it again "
            "without a document type."
        ) from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise SchemaError(
            f"An XML file must be well-formed. Received {path}: {error}. Export it again."
        ) from None


def strip(tag: str) -> str:
    """Return the name of a tag without its namespace."""
    return tag.rpartition("}")[2]


def read_pi_xml(path: Path, root: Any) -> list[RawTable]:
    """Return the series of a PI-XML file, a table each, with location and parameter.

    Raises SchemaError if a series has no location, no parameter, or a value that is no number.
    """
    zone = next((e.text for e in root if strip(e.tag) == "timeZone"), None)
    hours = _hours(zone, path)
    tables = []
    for series in (e for e in root if strip(e.tag) == "series"):
        header = next((e for e in series if strip(e.tag) == "header"), None)
        said = {} if header is None else {strip(e.tag): (e.text or "").strip() for e in header}
        if not said.get("locationId") or not said.get("parameterId"):
            raise SchemaError(
                "A series of PI-XML must name its location and parameter. Received "
                f"{sorted(said)} in {path}. Export it again."
            )
        table = _series(series, said, hours, path)
        if table is not None:
            tables.append(table)
    if not tables:
        raise SchemaError(
            f"A PI-XML file must hold series with values. Received none in {path}. Check the "
            "export and its period."
        )
    return tables


def _hours(zone: str | None, path: Path) -> float:
    try:
        return float(zone or 0.0)
    except ValueError:
        raise SchemaError(
            f"The time zone of PI-XML is a number of hours. Received {zone!r} in {path}. Export "
            "it again."
        ) from None


def _series(series: Any, said: dict[str, str], hours: float, path: Path) -> RawTable | None:
    events = [e.attrib for e in series if strip(e.tag) == "event"]
    if not events:
        return None
    stamps = [f"{e.get('date', '')} {e.get('time', '00:00:00')}" for e in events]
    times = pd.to_datetime(pd.Series(stamps), format="%Y-%m-%d %H:%M:%S", errors="coerce")
    values = pd.to_numeric(pd.Series([e.get("value") for e in events]), errors="coerce")
    if times.isna().any():
        raise SchemaError(
            "Events of PI-XML need a date and a time. Received "
            f"{stamps[int(times.isna().argmax())]!r} in the series {said['parameterId']!r} of "
            f"{said['locationId']!r} of {path}. Export it again."
        )
    missing = pd.to_numeric(said.get("missVal", "nan"), errors="coerce")
    kept = values.to_numpy(float)
    if not np.isnan(missing):
        kept = np.where(np.isclose(kept, float(missing)), np.nan, kept)
    name = said["parameterId"]
    facts = {"well": said["locationId"], "parameter": name}
    east, north = ("x", "y") if said.get("x") and said.get("y") else ("lon", "lat")
    for fact, key in (("easting", east), ("northing", north), ("unit", "units")):
        if said.get(key):
            facts[fact] = said[key]
    if said.get("qualifierId"):
        facts["qualifier"] = said["qualifierId"]
    index = pd.DatetimeIndex(times)
    raw = RawTable(
        pd.DataFrame({name: kept}, index=index), path, layout="Delft-FEWS PI-XML", facts=facts,
        headers={name: _header(name, said.get("units"))}, times=index, part=said["locationId"],
        zone=f"UTC{hours:+g} h (PI-XML timeZone)",
    )  # fmt: skip
    raw.notes.append("time: PI-XML events, dates and times in the time zone of the file")
    return raw


def _header(name: str, unit: str | None) -> Header:
    header = read_header(name)
    if header.meaning in ("unknown", "well", "value", "quality", "screen"):
        first = (tokens(name) or [""])[0]
        meaning = _FIRST_WORDS.get(first, "unknown")
        header = Header(name, name, meaning)
    if unit:
        header = Header(name, name, header.meaning, unit, parse_length(unit)).with_unit(unit)
    return Header(name, name, header.meaning, header.unit, header.length)


def levels_of_series(parts: list[RawTable], level_column: str | None) -> Any:
    """Return the series of PI-XML that are levels, by location."""
    names = list(dict.fromkeys(raw.facts["parameter"] for raw in parts))
    headers = {(n := raw.facts["parameter"]): raw.header(n) for raw in reversed(parts)}
    levels = [n for n in names if n == level_column] if level_column else [
        n for n in names if headers[n].meaning in ("level", "depth")
    ]  # fmt: skip
    if not levels and level_column is None:
        stages = [n for n in names if headers[n].meaning == "stage" and headers[n].length]
        levels = names if len(names) == 1 else stages
    if len(levels) != 1:
        raise SchemaError(
            f"One parameter must be the level. Received the parameters {names[:8]} in "
            f"{parts[0].path}. Choose one with level_column=."
        )
    found: dict[str, RawTable] = {}
    for raw in (raw for raw in parts if raw.facts["parameter"] == levels[0]):
        name = raw.facts["well"]
        if name in found:
            name = f"{name}_{raw.facts.get('qualifier', len(found))}"
        found[name] = raw
    left = [n for n in names if n not in levels]
    first = next(iter(found.values()))
    if left:
        first.notes.append(f"left out: series of the parameters {', '.join(left[:8])} (no levels)")
    return found


def side_by_side(parts: list[RawTable], named: bool) -> RawTable:
    """Return series in one table, named by parameter and, if there are several, location."""
    columns: dict[str, pd.Series] = {}
    headers: dict[str, Header] = {}
    for raw in parts:
        parameter = raw.facts["parameter"]
        name = f"{parameter} {raw.facts['well']}" if named else parameter
        if name in columns:
            name = f"{name} {raw.facts.get('qualifier', len(columns))}"
        columns[name] = raw.frame[parameter]
        headers[name] = raw.header(parameter)
    frame = pd.DataFrame(columns)
    return parts[0].changed(frame=frame, headers=headers, times=pd.DatetimeIndex(frame.index))
