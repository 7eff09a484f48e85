"""The covariates of a table, and rows that a column of parameters tells apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from gwforecast.data.layouts.agencies import stated_code
from gwforecast.data.layouts.base import RawTable
from gwforecast.data.roles import (
    REASONS,
    is_code,
    is_constant,
    is_numeric,
    refuse_numbers_as_text,
    text_of,
)
from gwforecast.data.terms.headers import Header, read_header, tokens
from gwforecast.data.terms.words import CALENDAR_WORDS
from gwforecast.schema import SchemaError

__all__ = ["Covariates", "rows_of_levels", "sheets_of_weather", "table_of_covariates"]

MOST_PARAMETERS = 30
"""Texts of a column that names the covariates of rows."""

_WEATHER = ("rain", "temperature", "temperature_min", "temperature_max", "evapotranspiration")
_OTHERS = ("level", "depth", "value", "unknown", "well")

Covariates = pd.DataFrame | RawTable | Mapping[str, pd.DataFrame | RawTable]


def table_of_covariates(
    raw: RawTable, *, drop: tuple[str, ...] = (), wells: Sequence[str] = ()
) -> Covariates:
    """Return the covariates of a file: its columns of numbers, by well where it names wells.

    Raises SchemaError if no column is a covariate, or columns have no names.
    """
    frame = raw.frame.drop(columns=[c for c in drop if c in raw.frame])
    raw = _one_column_each(raw.changed(frame=frame))
    frame = raw.frame
    by_well, kept = None, []
    for name in map(str, frame.columns):
        header, column = raw.header(name), frame[name]
        if header.meaning == "well" and not is_constant(column) and by_well is None:
            by_well = name
            continue
        reason = _no_covariate(name, header, column)
        if reason is None:
            kept.append(name)
        else:
            unread = header.meaning in ("unknown", "value") or header.kind
            if unread and not is_numeric(column) and column.notna().any():
                refuse_numbers_as_text(raw, name)
            raw.notes.append(f"left out: column {name!r} ({reason})")
    if not kept:
        raise SchemaError(
            "A table of covariates needs a column of numbers. Received the columns "
            f"{list(map(str, raw.frame.columns))[:12]} in {raw.path}. Check the file and the "
            "decimal mark."
        )
    unnamed = [n for n in map(str, frame.columns) if re.fullmatch(r"value(?: \d+)?", n)]
    if len(unnamed) > 1:
        raise SchemaError(
            f"Covariates need names. Received {len(unnamed)} columns without a header in "
            f"{raw.path}. Write the names into the first line, e.g. date,rain,temperature."
        )
    if by_well is None:
        return _of_named_wells(raw.changed(frame=frame[kept]), wells)
    keys = frame[by_well].map({v: text_of(v) for v in frame[by_well].unique()})
    raw.notes.append(f"covariates: by well, column {by_well!r}")
    return {
        str(key): raw.changed(frame=frame[kept].iloc[rows])
        for key, rows in keys.reset_index(drop=True).groupby(keys.to_numpy()).indices.items()
    }


def sheets_of_weather(parts: list[RawTable]) -> list[RawTable]:
    """Return the sheets of a workbook that hold weather and no level, where others hold levels."""
    found = [
        raw for raw in parts
        if raw.part is not None and raw.layout != "Delft-FEWS PI-XML"
        and any(raw.header(c).kind in _WEATHER for c in raw.frame)
        and not any(raw.header(c).meaning in _OTHERS for c in raw.frame if is_numeric(raw.frame[c]))
    ]  # fmt: skip
    return found if len(found) < len(parts) else []


def _no_covariate(name: str, header: Header, column: pd.Series) -> str | None:
    """Return why a column is no covariate; None where it is one."""
    if not column.notna().any():
        return "no values"
    reason = REASONS.get(header.meaning, "text")
    if not is_numeric(column):
        return reason
    if header.meaning == "well":
        return "station"
    if " ".join(tokens(name)) in CALENDAR_WORDS:
        return "another time"
    if header.meaning in ("pressure", "value"):
        return None
    if header.meaning in ("place", "other", "column"):
        return reason if is_constant(column) else None
    if header.meaning in REASONS:
        return reason
    constant = header.meaning == "unknown" and is_code(column)
    return "a code, the same in all rows" if constant else None


def _one_column_each(raw: RawTable) -> RawTable:
    """Return a table of parameters below each other with a column for each."""
    frame = raw.frame
    values = [n for n in map(str, frame.columns) if raw.header(n).meaning == "value"]
    if len(values) != 1 or not is_numeric(frame[values[0]]):
        return raw
    if not frame.index.has_duplicates:
        return _of_one_parameter(raw, values[0])
    for name in map(str, frame.columns):
        column = frame[name]
        if raw.header(name).meaning not in ("parameter", "unknown") or is_numeric(column):
            continue
        if is_constant(column) or column.nunique() > MOST_PARAMETERS:
            continue
        parts = {str(k): part[values[0]] for k, part in frame.groupby(column, sort=False)}
        if any(part.index.has_duplicates for part in parts.values()):
            continue
        raw.notes.append(f"covariates: one for each text of the column {name!r}")
        wide = pd.DataFrame(parts)
        headers = {name: raw.headers[name] for name in parts if name in raw.headers}
        return raw.changed(frame=wide, headers=headers, times=pd.DatetimeIndex(wide.index), dry={})
    return raw


def _of_one_parameter(raw: RawTable, values: str) -> RawTable:
    """Return a table whose column of values has the name of the only parameter, where one is."""
    frame = raw.frame
    names = [n for n in map(str, frame.columns) if raw.header(n).meaning == "parameter"]
    if not names or is_numeric(frame[names[0]]) or not is_constant(frame[names[0]]):
        return raw
    name = str(frame[names[0]].dropna().iloc[0]).strip()
    units = [n for n in map(str, frame.columns) if raw.header(n).meaning == "unit"]
    unit = str(frame[units[0]].dropna().iloc[0]) if units and is_constant(frame[units[0]]) else None
    header = raw.headers.get(name, read_header(name)).with_unit(unit)
    return raw.changed(
        frame=frame.rename(columns={values: name}), headers={**raw.headers, name: header}
    )


def _of_named_wells(raw: RawTable, wells: Sequence[str]) -> Covariates:
    """Return one covariate by well where the columns are named after the wells."""
    names = list(map(str, raw.frame.columns))
    by_well = {raw.header(n).rest or raw.header(n).label: n for n in names}
    if len(names) < 2 or len(by_well) < len(names) or not wells or not set(wells) <= set(by_well):
        return raw
    kinds = {raw.header(n).kind for n in names}
    kind = next(iter(kinds)) or read_header(raw.path.stem if raw.path else "").kind
    if len(kinds) > 1 or kind is None:
        raise SchemaError(
            "Columns named after the wells are one covariate, whose kind the header or the name of "
            f"the file must say. Received {names[:4]} in {raw.path}. Call the file rain.csv, or "
            f"the columns 'rain {names[0]}' and so on."
        )
    raw.notes.append(f"covariates: {kind}, a column for each well")
    return {
        well: raw.changed(
            frame=raw.frame[[by_well[well]]].set_axis([kind], axis=1),
            headers={kind: replace(raw.header(by_well[well]), meaning=kind)},
        )
        for well in wells
    }


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
