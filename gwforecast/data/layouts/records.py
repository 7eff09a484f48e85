"""XML and JSON: GeoJSON, SensorThings, WaterML, Hilltop, any list of records, and PI-XML of FEWS.

What stands beside a list of records (a station, a unit) is said of each of its records. PI-XML:
https://publicwiki.deltares.nl/display/FEWSDOC/Delft-Fews+Published+Interface+timeseries+Format
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gwforecast.data.layouts.base import Dialect, RawTable
from gwforecast.data.terms.headers import Header, read_header, tokens
from gwforecast.data.terms.units import parse_length
from gwforecast.data.text.block import is_date, is_number, plain_numbers
from gwforecast.data.text.encoding import decoded
from gwforecast.schema import SchemaError

__all__ = [
    "JSON", "levels_of_series", "parse_xml", "read_json", "read_pi_xml", "read_xml_records",
    "side_by_side", "strip",
]  # fmt: skip

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


_NO_DATA = ("nodatavalue", "missingvalue", "fillvalue")
"""Fields of JSON that name the number for a missing value."""
JSON = (".json", ".geojson", ".jsonl", ".ndjson")


def read_json(path: Path, dialect: Dialect) -> RawTable:
    """Return the records of a JSON file as a table.

    Raises SchemaError if it is no JSON, or holds no list of records.
    """
    try:
        text = decoded(path, dialect.encoding)
        rows = [line for line in text.lines() if line.strip()]
        apart = len(rows) > 1 and all(line.strip()[0] + line.strip()[-1] == "{}" for line in rows)
        tree = [json.loads(line) for line in rows] if apart else json.loads(text.whole())
    except ValueError as error:
        raise SchemaError(
            f"A .json file must be JSON. Received {path}: {error}. Export it again, or as CSV."
        ) from None
    records = _records(tree, {})
    if len(records) < 2:
        raise SchemaError(
            "A JSON file of levels must hold a list of records, each with a time and a value. "
            f"Received {len(records)} in {path}. Export it as CSV, or request more times."
        )
    frame = pd.DataFrame(records)
    columns = {str(name): _column(frame[name]) for name in frame.columns}
    codes = [name for name in columns if re.sub(r"[\W_]", "", name.lower()) in _NO_DATA]
    missing = {str(code) for name in codes for code in columns.pop(name).dropna().unique()}
    raw = RawTable(pd.DataFrame(columns), path, layout="JSON", line=lambda row: row + 1)
    raw.notes.append(f"records: {len(records)}; messages count them as lines")
    texts = [text for column in columns.values() for text in column.dropna().head(50).astype(str)]
    comma = any(re.fullmatch(r"[+-]?\d+,\d+", text) for text in texts)
    mark = dialect.decimal or ("," if comma else ".")
    made = plain_numbers(raw, mark, dated=True, dialect=dialect)
    numbers = made.frame.select_dtypes("number")
    given = [float(code) for code in missing if is_number(code)]
    return made.changed(frame=made.frame.assign(**numbers.mask(numbers.isin(given))))


_OF_XML = {
    "well": ("sitecode", "measurement sitename", "featureofinterest title", "monitoringpoint title",
             "sitename", "locationid", "locationidentifier", "stationname"),
    "parameter": ("variablename", "observedproperty title", "itemname", "datasource name",
                  "parameter"),
    "unit": ("unitcode", "uom code", "units", "unit", "unitabbreviation"),
    "missing": ("nodatavalue",),
}  # fmt: skip
"""Names of elements, or of an element and its attribute, that say something of a series."""


def read_xml_records(path: Path, root: Any) -> RawTable | None:
    """Return the values of XML of services as a table; None where no element holds a time.

    WaterML 1.1 and 2.0, Hilltop, and others alike: elements that hold a time and a value, within
    elements that name the site, the parameter and the unit.
    """
    records: list[dict[str, Any]] = []
    for data in root.iter():
        if data.get("DateFormat") == "mowsecs":  # of Hilltop, seconds since 1940
            for time in data.iter("T"):
                seconds = pd.to_timedelta(int(time.text or 0), unit="s")
                time.text = f"{pd.Timestamp('1940-01-01') + seconds:%Y-%m-%d %H:%M:%S}"
    _add_records(root, {}, records)
    if len(records) < 2:
        return None
    frame = pd.DataFrame(records)
    usual = frame["tag"].mode()[0]  # others are dates of something else, as of a survey
    others = frame.loc[frame["tag"] != usual, "tag"]
    frame = frame[frame["tag"] == usual].drop(columns="tag").reset_index(drop=True)
    values = pd.to_numeric(frame["value"], errors="coerce")
    if "missing" in frame:
        codes = pd.to_numeric(frame.pop("missing"), errors="coerce")
        values = values.mask(values == codes)
    name = usual if read_header(usual).is_level else "value"  # peil_mtaw
    frame = frame.assign(value=values).rename(columns={"value": name})
    raw = RawTable(frame, path, layout=f"XML, {_tag(root)}")
    raw.notes += [
        f"left out: {count} dated numbers called {tag!r}"
        for tag, count in others.value_counts().items()
    ]
    raw.notes.append(f"records: {len(frame)}; messages count them as lines")
    return raw.changed(line=lambda row: row + 1)


def _add_records(node: Any, said: dict[str, str], records: list[dict[str, Any]]) -> None:
    """Add the times and values below an element, with what stands beside them."""
    point = _point(node)
    if point is not None:
        facts = {
            fact: next((said[word] for word in words if said.get(word)), None)
            for fact, words in _OF_XML.items()
        }
        known = {fact: text for fact, text in facts.items() if text is not None}
        records.append({**known, "time": point[0], "value": point[1], "tag": point[2]})
        return
    inner: dict[str, str] = {}
    with_points = [child for child in node if any(_point(e) is not None for e in child.iter())]
    beside = [e for child in node if child not in with_points for e in child.iter()]
    for element in (*beside, node):
        inner.setdefault(_tag(element).lower(), (element.text or "").strip())
        for name, value in element.attrib.items():
            inner.setdefault(f"{_tag(element)} {strip(name)}".lower(), value)
    for child in with_points:
        _add_records(child, said | inner, records)


def _point(element: Any) -> tuple[str, str, str] | None:
    """Return time, value and its name of an element that holds one of each."""
    text = (element.text or "").strip()
    dates = [v for v in element.attrib.values() if is_date(v)]
    if dates and is_number(text):
        return dates[0], text, _tag(element)
    inner = [(e.text or "").strip() for e in element]
    if len(inner) < 2 or not is_date(inner[0]) or any(len(e) for e in element):
        return None
    known = is_number(inner[1]) or not inner[1]
    return (inner[0], inner[1], _tag(element[1])) if known else None


def _tag(element: Any) -> str:
    return strip(str(element.tag))


def _column(values: pd.Series) -> pd.Series:
    """Return numbers as such, and everything else as text."""
    known = values.dropna()
    if len(known) and known.map(lambda v: isinstance(v, int | float) and v == v).all():
        return pd.to_numeric(values).astype(float)
    text: pd.Series = values.map(str, na_action="ignore").astype("str")
    return text


def _records(node: Any, above: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records of the longest list below a node, with what stands beside it."""
    if isinstance(node, list):
        return [record for item in node for record in _records(item, above)]
    if not isinstance(node, dict):
        return []
    own = {k: v for k, v in node.items() if not isinstance(v, dict | list)}
    lists: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            inner = {k: v for k, v in value.items() if not isinstance(v, dict | list)}
            if not _has_dates(value):
                own |= {(f"{key} {k}" if k in own else k): v for k, v in inner.items()}
            rows = _rows(value, node.get(f"{key}_units"))
            below = {f"{key} {k}": v for k, v in value.items() if isinstance(v, list)}
            deeper = any(isinstance(v, dict) for v in value.values())
            lists |= {key: rows or [value]} if rows or deeper else below
        elif isinstance(value, list):
            lists[key] = value
    if rows := _rows(node, None):
        lists = {"": rows}
    idle = ("unknown", "index", "quality")  # meanings that say nothing of all records
    known = {k: v for k, v in own.items() if v is not None}
    said = above | {k: v for k, v in known.items() if read_header(k).meaning not in idle}
    found = {key: rows for key, items in lists.items() if (rows := _records(items, said))}
    longest = max(found.values(), key=len, default=[])
    alike = {k: rows for k, rows in found.items() if set(rows[0]) == set(longest[0])}
    if len(alike) > 1 and not any(read_header(k).meaning == "well" for k in longest[0]):
        return [{"well": key, **row} for key, rows in alike.items() for row in rows]
    if len(alike) > 1:
        return [row for rows in alike.values() for row in rows]
    return longest if longest else [above | own]


def _rows(node: dict[str, Any], units: Any) -> list[dict[str, Any]]:
    """Return the records of a table that is no list of records: by columns, by dates, or of rows.

    The names of rows stand beside them (``columns`` of KiWIS, ``components`` of SensorThings).
    """
    units = units if isinstance(units, dict) else {}
    columns = {k: v for k, v in node.items() if isinstance(v, list) and len(v) > 1}
    plain = {k: v for k, v in columns.items() if not any(isinstance(x, dict | list) for x in v)}
    if len(plain) > 1 and len(set(map(len, plain.values()))) == 1:
        names = [f"{k} ({units[k]})" if units.get(k) and k != "time" else k for k in plain]
        return [dict(zip(names, row, strict=True)) for row in zip(*plain.values(), strict=True)]
    for rows in columns.values():
        if not all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows):
            continue
        for names in node.values():
            listed = names.split(",") if isinstance(names, str) else names
            if isinstance(listed, list) and len(listed) == len(rows[0]) and listed is not rows:
                return [dict(zip(map(str, listed), row, strict=True)) for row in rows]
    dated = {k: v for k, v in node.items() if isinstance(v, dict) and _has_dates(v)}
    if dated and len(dated) == len(node):
        times = dict.fromkeys(time for series in dated.values() for time in series)
        return [{"time": t, **{k: v.get(t) for k, v in dated.items()}} for t in times]
    return []


def _has_dates(node: dict[str, Any]) -> bool:
    """Return whether the keys of an object are dates."""
    return len(node) > 1 and all(is_date(str(key)) for key in node)
