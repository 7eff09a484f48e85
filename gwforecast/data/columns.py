"""Find the levels in what people hold: a Series for each well, units, level or depth."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from gwforecast.data.layouts.agencies import OF_CODES, plain_table, recognise, stated_code
from gwforecast.data.layouts.base import Dialect, RawTable, warn_of_quality
from gwforecast.data.roles import Roles, find_roles, is_numeric, text_of
from gwforecast.data.terms.headers import Header, read_header, sense_of, tokens
from gwforecast.data.terms.units import LengthUnit, parse_length
from gwforecast.data.terms.words import GROUND_WORDS, TIME_WORDS
from gwforecast.data.text.dated import dated, times_of_index
from gwforecast.data.text.stamps import local_times
from gwforecast.schema import SchemaError

__all__ = ["Levels", "as_table", "series_by_well"]


@dataclass(frozen=True)
class Levels:
    """Levels as found, not yet checked."""

    series: dict[str, pd.Series]  # by well, over naive times
    source: str  # name of the column that they were taken from
    units: str | None = None  # units that the data state, a name of TO_METRES
    is_depth: bool = False  # whether the values are depths
    time_zone: str | None = None  # time zone of the stamps, and what was made of it
    datum: str | None = None  # vertical datum that the data state
    above: frozenset[str] = frozenset()  # wells of levels, where the others are of depths
    relative: frozenset[str] = frozenset()  # wells measured from a point, sign not known
    stated_above: bool = False  # whether the data say that the values are above a datum
    is_generic: bool = False  # whether the column is called a value, not a level or a depth
    point: str | None = None  # what depths are measured from, as the data say
    # what the words of the columns name: "plain" is *level*, "either" a depth as well
    named: Literal["height", "plain", "either", ""] = ""
    ground: float | None = None  # least height of ground or measuring points beside them, m
    unclear: str | None = None  # a unit that was not understood
    dry: dict[str, pd.DatetimeIndex] = field(default_factory=dict)  # times without water
    covariates: tuple[str, ...] = ()  # columns of covariates beside the levels
    columns: tuple[str, ...] = ()  # columns of the levels
    left: dict[str, str] = field(default_factory=dict)  # why other columns were left out
    notes: tuple[str, ...] = ()  # what was decided, and what was left out
    layout: str = "table"  # what the data were recognised as


def series_by_well(
    levels: pd.Series | pd.DataFrame | RawTable | Mapping[str, Any],
    *,
    well: str | None = None,
    default: str = "well",
    level_column: str | None = None,
    well_column: str | None = None,
) -> Levels:
    """Return a Series for each well from a Series, a table wide or long, or a mapping.

    Frames of hydropandas (``GroundwaterObs``, ``ObsCollection``) and of USGS dataretrieval are
    known by their attributes and columns.

    Raises SchemaError if no column or more than one could be the level or the well, the index
    holds no times, or a name is given for more than one well.
    """
    if isinstance(levels, pd.Series):
        return _checked(_from_series(levels, well, default), well)
    if isinstance(levels, pd.DataFrame):
        if "obs" in levels.columns:  # an ObsCollection of hydropandas
            parts = {str(n): o for n, o in zip(levels.index, levels["obs"], strict=True)}
            return series_by_well(parts, level_column=level_column)
        levels = as_table(levels)
    if isinstance(levels, RawTable):
        found = _from_table(levels, default, level_column, well_column)
        return _checked(found, well)
    if isinstance(levels, Mapping) and levels:
        parts = {
            str(name): series_by_well(
                part, well=str(name), level_column=level_column, well_column=well_column
            )
            for name, part in levels.items()
        }
        return _checked(_merged(parts), well)
    raise SchemaError(
        "Levels must be a Series, a DataFrame, or a mapping of well to Series, and not empty. "
        f"Received {type(levels).__name__}. Read files with gwforecast.read_observations."
    )


def as_table(frame: pd.DataFrame) -> RawTable:
    """Return a DataFrame in memory as a table with times.

    Raises SchemaError if it has no times, or names a column twice.
    """
    repeated = frame.columns[frame.columns.map(str).duplicated()]
    if len(repeated):
        raise SchemaError(
            f"Columns must have names of their own. Received {str(repeated[0])!r} twice. Rename "
            "one with DataFrame.set_axis."
        )
    facts = {}
    own, unit = getattr(frame, "name", None), getattr(frame, "unit", None)
    if isinstance(own, str) and own:  # a GroundwaterObs has a name and a unit such as "m NAP"
        facts["well"] = own
    if isinstance(unit, str) and unit:
        facts["unit"] = unit
    plain = plain_table(frame)
    plain = plain.set_axis([str(c) for c in plain.columns], axis=1)
    times = times_of_index(plain.index)
    raw = recognise(RawTable(plain, None, layout="DataFrame", facts=facts))
    if times is not None:
        raw = raw.changed(frame=raw.frame.set_axis(times, axis=0), times=times)
        warn_of_quality(raw)
        return raw
    named = [c for c in plain.columns if read_header(c).meaning == "time"]
    if not named:
        raise SchemaError(
            "A table of levels needs times as its index, a DatetimeIndex, or in a column named "
            f"{', '.join(TIME_WORDS[:4])}, ... Received the columns "
            f"{list(map(str, frame.columns))}. Set the index with pandas.to_datetime."
        )
    raw = dated(raw.changed(path=None), Dialect())
    warn_of_quality(raw)
    return raw


def _from_series(series: pd.Series, well: str | None, default: str) -> Levels:
    label = "" if series.name is None else str(series.name)
    header = read_header(label)
    known = header.is_level or header.meaning == "value"
    length = header.length if known else None
    times = times_of_index(series.index)
    plain = series if times is None else series.set_axis(times)
    name = well or (default if known or not label else label)
    relative = header.length is not None and header.length.sense == "relative"
    return Levels(
        {name: plain},
        label or "unnamed",
        length.name if length else None,
        _is_depth(header),
        datum=header.datum if known else None,
        stated_above=bool(length and length.sense == "above"),
        named=_named([header]),
        relative=frozenset([name] if relative else ()),
        unclear=length.unclear if length else header.unit if known and not header.length else None,
        point=length.point if length else None,
    )


def _from_table(
    raw: RawTable, default: str, level_column: str | None, well_column: str | None
) -> Levels:
    raw = rows_of_levels(raw)
    roles = find_roles(raw, level_column=level_column, well_column=well_column)
    stated = _Stated(raw)
    headers = {name: _full_header(stated, name, roles) for name in roles.levels}
    series, dry, named = _split_wells(raw, roles, headers, default)
    found = _described(raw, roles, headers, series, named)
    notes = [*raw.notes]
    if roles.wells:
        notes.append(f"wells: column {' and '.join(map(repr, roles.wells))}")
    elif roles.wide:
        notes.append("wells: one column per well")
    elif raw.facts.get("well"):
        notes.append("wells: named by the lines above the table, or by the file's location")
    elif raw.path is not None:
        notes.append("wells: named after the file or its folder")
    return replace(
        found,
        dry=dry,
        covariates=tuple(roles.covariates),
        columns=(*roles.levels, *roles.wells),
        left=dict(roles.left),
        notes=tuple(notes),
        layout=raw.layout,
        time_zone=raw.zone,
    )


def rows_of_levels(raw: RawTable) -> RawTable:
    """Return the rows of the parameter that is a level, where a column names parameters."""
    frame = raw.frame
    if stated_code(frame, {str(c).lower(): c for c in frame.columns}):
        return raw
    name = _parameter_column(raw)
    if name is None:
        return raw
    values = frame[name].astype("str").str.strip()
    kinds = {value: read_header(value) for value in values.dropna().unique()}
    levels = [value for value, header in kinds.items() if header.is_level]
    if len(kinds) == 1:
        only = next(iter(kinds.values()))
        if only.kind in ("rain", "temperature", "stage"):
            raise SchemaError(
                f"A table of levels must hold a level. Received the parameter {only.text!r} in "
                f"column {name!r}. Give it as covariates, and levels as levels."
            )
        return raw.changed(headers=_as_parameter(raw, only)) if levels else raw
    above = [value for value in levels if kinds[value].datum]
    if len(levels) != 1 and len(above) != 1:
        raise SchemaError(
            f"One parameter must be the level. Received {sorted(kinds)[:6]} in column "
            f"{name!r}, of which {len(levels)} name a level. Keep the rows of one parameter."
        )
    chosen = levels[0] if len(levels) == 1 else above[0]
    rows = np.flatnonzero((values == chosen).to_numpy(bool))
    raw.notes.append(
        f"left out: {len(frame) - rows.size} rows of other parameters than {chosen!r} "
        f"({', '.join(sorted(set(kinds) - {chosen})[:4])})"
    )
    dry = {column: flags[rows] for column, flags in raw.dry.items()}
    times = None if raw.times is None else raw.times[rows]
    headers = _as_parameter(raw, kinds[chosen])
    return raw.changed(frame=frame.iloc[rows], headers=headers, dry=dry, times=times)


def _parameter_column(raw: RawTable) -> str | None:
    """Return the column that names parameters: by its header, or because all its texts do."""
    for name in map(str, raw.frame.columns):
        meaning = raw.header(name).meaning
        if meaning == "parameter" and not is_numeric(raw.frame[name]):
            return name
        if meaning != "unknown" or is_numeric(raw.frame[name]):
            continue
        values = [str(value).strip() for value in raw.frame[name].dropna().unique()[:20]]
        if values and all(read_header(value).is_level for value in values):
            return name
    return None


def _as_parameter(raw: RawTable, parameter: Header) -> dict[str, Header]:
    """Return the headers, those of values with the meaning and the unit of their parameter."""
    headers = dict(raw.headers)
    for name in map(str, raw.frame.columns):
        header = raw.header(name)
        if header.meaning == "value":
            headers[name] = replace(header, meaning=parameter.meaning).with_unit(parameter.unit)
    return headers


@dataclass(frozen=True)
class _Stated:
    """What a table states for all of its levels; read once, as tables have thousands of columns."""

    raw: RawTable

    @cached_property
    def code(self) -> str | None:
        """USGS parameter code in a column of its own."""
        frame = self.raw.frame
        return stated_code(frame, {str(c).lower(): c for c in frame.columns})

    @cached_property
    def unit(self) -> str | None:
        """Unit in a column of its own, or in the lines above the table."""
        raw = self.raw
        columns = [c for c in raw.frame.columns if raw.header(c).meaning == "unit"]
        stated = {str(v).strip() for c in columns[:1] for v in raw.frame[c].dropna().unique()}
        if len(stated) > 1:
            raise SchemaError(
                f"All levels must have the same units. Received {sorted(stated)}. Read them apart."
            )
        return next(iter(stated), None) or raw.facts.get("unit") or raw.facts.get("title unit")

    @cached_property
    def datum(self) -> str | None:
        """Vertical datum in a column of its own."""
        for name in ("monitoring_location_vertical_datum", "vertical_datum"):
            column = self.raw.frame.get(name, pd.Series(dtype="str"))
            stated = column.dropna().astype(str).unique()
            if len(stated) > 1:
                raise SchemaError(
                    f"All levels must have the same datum. Received {sorted(stated)} in column "
                    f"{name!r}. Read them apart."
                )
            if len(stated):
                return str(stated[0])
        return None

    @cached_property
    def points(self) -> list[tuple[str, LengthUnit]]:
        """Points or data that a column of one text gives, as text and as unit of a length."""
        found = []
        for name in self.raw.frame.columns:
            column = self.raw.frame[name]
            meaning = self.raw.header(name).meaning
            if is_numeric(column) or meaning in ("well", "parameter", "direction", "quality"):
                continue
            texts = [str(text).strip() for text in column.dropna().unique()]
            length = parse_length(f"m {texts[0]}") if len(texts) == 1 else None
            if length is not None and len(texts[0]) < 40:
                found.append((texts[0], length))
        return found

    @cached_property
    def is_downwards(self) -> bool:
        """Whether a column says that values are measured downwards."""
        frame = self.raw.frame
        down = [c for c in frame.columns if self.raw.header(c).meaning == "direction"]
        if not down:
            return False
        said = frame[down[0]].dropna().astype(str).str.lower().unique()
        return bool(len(said)) and all(text.startswith("down") for text in said)


def _full_header(stated: _Stated, name: str, roles: Roles) -> Header:
    """Return the header of a level with units from wherever the table states them."""
    raw = stated.raw
    header = raw.header(name)
    code = stated.code or next((p for p in name.split("_") if p in OF_CODES), None)
    if code is not None:
        of_code = OF_CODES[code]
        of_unit = f"{of_code.units} {of_code.datum or ''}".strip()
        meaning = "depth" if of_code.is_depth else "level"
        return replace(header, meaning=meaning, unit=of_unit, length=parse_length(of_unit), rest="")
    if header.length is None and header.unit is None:
        unit = stated.unit
        if roles.wide and header.meaning in ("unknown", "well"):
            header = replace(header, unit=unit, length=parse_length(unit) if unit else None)
        else:
            header = header.with_unit(unit)
    header = _from_reference_column(stated, _from_lines_above(raw, header))
    if header.meaning == "value" and stated.is_downwards:
        header = replace(header, meaning="depth")
    if stated.datum and header.meaning != "depth" and not (header.length and header.length.datum):
        length = header.length or LengthUnit("m")
        header = replace(header, length=replace(length, datum=stated.datum, sense="above"))
    return header


def _from_lines_above(raw: RawTable, header: Header) -> Header:
    """Return a header of a value with what the lines above the table say of it."""
    said = raw.facts.get("parameter")
    if said is None or header.is_level or raw.layout == "Delft-FEWS PI-XML":
        return header
    spoken = read_header(said)
    if spoken.kind in ("rain", "temperature", "stage", "pumping", "evapotranspiration"):
        raise SchemaError(
            f"A table of levels must hold a level. Received the parameter {said!r} in the lines "
            f"above the table of {raw.path}. Give it as covariates, and levels as levels."
        )
    if spoken.is_level:
        header = replace(header, meaning=spoken.meaning).with_unit(spoken.unit)
    return header


def _from_reference_column(stated: _Stated, header: Header) -> Header:
    """Return a header with the point or the datum that a column says it is measured from."""
    if _is_depth(header) or header.datum:
        return header
    for text, length in stated.points:
        if length.sense == "below":
            return replace(header, meaning="depth")
        known = length.sense == "above" and text.isupper()
        if known and header.length and (header.is_level or header.meaning == "value"):
            return replace(header, length=replace(length, name=header.length.name))
    return header


def _split_wells(
    raw: RawTable, roles: Roles, headers: dict[str, Header], default: str
) -> tuple[dict[str, pd.Series], dict[str, pd.DatetimeIndex], dict[str, str]]:
    """Return the series by well, when they were dry, and the column of each well."""
    frame = raw.frame
    series: dict[str, pd.Series] = {}
    dry: dict[str, pd.DatetimeIndex] = {}
    columns: dict[str, str] = {}
    if roles.wells and not roles.wide and (roles.name is None or len(roles.wells) > 1):
        column = roles.levels[0]
        keys = _keys(raw, roles)
        flags = raw.dry.get(column)
        for key, rows in keys.groupby(keys, sort=False).indices.items():
            part = frame[column].iloc[rows]
            series[str(key)], columns[str(key)] = part, column
            if flags is not None and flags[rows].any():
                dry[str(key)] = pd.DatetimeIndex(part.index[flags[rows]])
        return series, dry, columns
    only = roles.name or raw.facts.get("well") or raw.facts.get("well number")
    for column in roles.levels:
        header = headers[column]
        understood = header.length is not None or header.unit is None
        label = header.label if understood else header.text  # without units that are understood
        if len(roles.levels) == 1:
            name = only or (label if roles.wide else default)
        else:
            name = header.rest if header.is_level else label
        if name in series:
            raise SchemaError(
                f"Wells must have names of their own. Received {name!r} for the columns "
                f"{columns[name]!r} and {column!r}. Rename one."
            )
        series[name], columns[name] = frame[column], column
        flags = raw.dry.get(column)
        if flags is not None and flags.any():
            dry[name] = pd.DatetimeIndex(frame.index[flags])
    return series, dry, columns


def _keys(raw: RawTable, roles: Roles) -> pd.Series:
    """Return the name of the well of each row."""
    frame = raw.frame
    for column in roles.wells:
        missing = frame[column].isna() | (frame[column].astype(str).str.strip() == "")
        if missing.any():
            row = int(missing.to_numpy().argmax())
            raise SchemaError(
                f"Each row of a long table needs a well. Received none in column {column!r} at row "
                f"{row}, {frame.index[row]}. Give the name of the well, or remove the row."
            )
    parts = [frame[c].map({v: text_of(v) for v in frame[c].unique()}) for c in roles.wells]
    joined = parts[0].astype(str)
    for part in parts[1:]:
        joined = joined + "_" + part.astype(str)
    return joined.reset_index(drop=True)


def _described(
    raw: RawTable,
    roles: Roles,
    headers: dict[str, Header],
    series: dict[str, pd.Series],
    columns: dict[str, str],
) -> Levels:
    """Return the levels with units, datum and sense; wells of other units are put in metres."""
    by_well = {well: headers[columns[well]] for well in series}
    depths = {w for w, h in by_well.items() if _is_depth(h)}
    lengths = {w: h.length for w, h in by_well.items()}
    known = [length for length in lengths.values() if length]
    odd = not known and all(h.unit for h in by_well.values())  # BH3 (pump) beside BH1 is a name
    if known and len(known) < len(series):
        raise SchemaError(
            f"All levels must have the same units. Received {[h.text for h in by_well.values()]}. "
            "Convert them, and name the units in every header or in none."
        )
    names = {length.name for length in known}
    if len(names) > 1:
        series = {w: s * cast(LengthUnit, lengths[w]).factor for w, s in series.items()}
        raw.notes.append(f"units: {', '.join(sorted(names))}, each column converted to m")
    first = next(iter(by_well.values()))
    source = roles.levels[0] if len(roles.levels) == 1 else "one column per well"
    datums = {str(h.datum) for w, h in by_well.items() if w not in depths and h.datum}
    if len(datums) > 1:
        raise SchemaError(
            f"All wells must have the same datum. Received {sorted(datums)}. Convert one of them, "
            "or read them apart."
        )
    return Levels(
        series,
        source,
        "m" if len(names) > 1 else next(iter(names), None),
        bool(depths),
        datum=next(iter(datums), None),
        above=frozenset(set(series) - depths) if depths and depths != set(series) else frozenset(),
        relative=frozenset(w for w, ln in lengths.items() if ln and ln.sense == "relative"),
        stated_above=bool(datums) or bool(first.length and first.length.sense == "above"),
        is_generic=first.meaning == "value" and raw.path is not None,
        point=first.length.point if first.length else None,
        named=_named(by_well.values()),
        ground=_ground(raw),
        unclear=next(
            (h.length.unclear if h.length else h.unit for h in by_well.values()
             if (h.length and h.length.unclear) or odd), None,
        ),
    )  # fmt: skip


def _named(headers: Iterable[Header]) -> Literal["height", "plain", "either", ""]:
    """Return the sense of the names of all headers, or that of one that may be a depth as well."""
    senses = {sense_of(header.label) for header in headers}
    return "either" if "either" in senses else senses.pop() if len(senses) == 1 else ""


def _ground(raw: RawTable) -> float | None:
    """Return the least height of the ground or the measuring point beside the levels, m."""
    found = []
    for name in map(str, raw.frame.columns):
        header = raw.header(name)
        if header.meaning == "place" and GROUND_WORDS & set(tokens(header.label)):
            column = raw.frame[name].dropna()
            if is_numeric(column) and len(column):
                factor = header.length.factor if header.length else 1.0
                found.append(float(column.min()) * factor)
    stated = re.match(r"\s*(-?\d+(?:[.,]\d+)?)", raw.facts.get("measuring point", ""))
    if stated:
        found.append(float(stated[1].replace(",", ".")))
    return min(found, default=None)


def _is_depth(header: Header) -> bool:
    below = header.length is not None and header.length.sense == "below"
    return header.meaning == "depth" or below


def _merged(parts: dict[str, Levels]) -> Levels:
    """Return wells that agree in units and datum; some may be levels and the others depths."""
    above = {name: part for name, part in parts.items() if not part.is_depth}
    _refuse_differing("units", {n: (p.units or "m", p.source) for n, p in parts.items()})
    _refuse_differing("datum", {n: (str(p.datum), p.source) for n, p in above.items()})
    series = {name: part.series[name] for name, part in parts.items()}
    zones = [part.time_zone for part in parts.values() if part.time_zone]
    depths = len(above) < len(parts)
    first = next(iter((above or parts).values()))
    notes = list(dict.fromkeys(note for part in parts.values() for note in part.notes))
    return replace(
        first,
        series=series,
        is_depth=depths,
        time_zone=zones[0] if zones else None,
        above=frozenset(above if depths else ()),
        relative=frozenset(name for name, part in parts.items() if part.relative),
        dry={n: part.dry[n] for n, part in parts.items() if n in part.dry},
        unclear=next((part.unclear for part in parts.values() if part.unclear), None),
        covariates=tuple(dict.fromkeys(c for part in parts.values() for c in part.covariates)),
        columns=tuple(dict.fromkeys(c for part in parts.values() for c in part.columns)),
        left={c: why for part in parts.values() for c, why in part.left.items()},
        notes=tuple(notes),
        layout=" and ".join(dict.fromkeys(part.layout for part in parts.values())),
    )


def _refuse_differing(what: str, said: Mapping[str, tuple[str, str]]) -> None:
    """Refuse wells of which something is said, by a column, that differs from the first's."""
    for name, (value, source) in said.items():
        first = next(iter(said))
        if value != said[first][0]:
            raise SchemaError(
                f"All wells must have the same {what}. Received {said[first][0]} of well {first!r} "
                f"by {said[first][1]!r} and {value} of well {name!r} by {source!r}. Convert one of "
                "them, or read them apart."
            )


def _checked(found: Levels, well: str | None) -> Levels:
    series = found.series
    if well is not None and len(series) > 1:
        raise SchemaError(
            f"A name can be given to one well only. Received {well!r} for {len(series)} wells, "
            f"{list(series)[:3]} first. Leave it out, or choose the level with level_column=."
        )
    zone = found.time_zone
    plain = {}
    for name, values in series.items():
        if not isinstance(values.index, pd.DatetimeIndex):
            raise SchemaError(
                f"Levels need a DatetimeIndex. Received {type(values.index).__name__} for well "
                f"{name!r}. Set it with pandas.to_datetime."
            )
        kind = values.dtype
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
            example = next(iter(values.dropna()), None)
            raise SchemaError(
                f"Levels must be numbers. Received {example!r} of dtype {kind} for well {name!r}, "
                f"column {found.source!r}. Convert them with pandas.to_numeric; in a file, check "
                "the decimal mark."
            )
        plain[name] = values
        if values.index.tz is not None:
            times, zone = local_times(values.index)
            plain[name] = values.set_axis(times)
    if not series or all(len(values) == 0 for values in series.values()):
        raise SchemaError("Levels must hold at least one row. Received none. Check the source.")
    dry = found.dry
    if well is not None:
        first = next(iter(plain))
        plain = {well: plain[first]}
        dry = {well: dry[first]} if first in dry else {}
        found = replace(found, relative=frozenset([well]) if found.relative else frozenset())
    return replace(found, series=plain, time_zone=zone, dry=dry)
