"""Rows of levels, where a column names what each row measures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gwforecast.data.layouts.agencies import stated_code
from gwforecast.data.layouts.base import RawTable
from gwforecast.data.roles import is_numeric
from gwforecast.data.terms.vocabulary import Header, read_header
from gwforecast.schema import SchemaError

__all__ = ["rows_of_levels"]


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
