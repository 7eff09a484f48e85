"""JSON of services: GeoJSON of the USGS, Hub'Eau, NVE, Environment Agency, and any list of records.

What stands beside a list of records (a station, a unit) is said of each of its records.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from gwforecast.data.layouts.base import Dialect, RawTable
from gwforecast.data.terms.vocabulary import read_header
from gwforecast.data.text.cells import plain_numbers
from gwforecast.data.text.encoding import decoded
from gwforecast.schema import SchemaError

__all__ = ["JSON", "read_json"]


JSON = (".json", ".geojson")


def read_json(path: Path, dialect: Dialect) -> RawTable:
    """Return the records of a JSON file as a table.

    Raises
    ------
    SchemaError
        If it is no JSON, or holds no list of records.
    """
    try:
        tree = json.loads(decoded(path, dialect.encoding).whole())
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
    raw = RawTable(pd.DataFrame(columns), path, layout="JSON", line=lambda row: row + 1)
    raw.notes.append(f"records: {len(records)}; messages count them as lines")
    texts = [text for column in columns.values() for text in column.head(50).astype(str)]
    comma = any(re.fullmatch(r"[+-]?\d+,\d+", text) for text in texts)
    mark = dialect.decimal or ("," if comma else ".")
    return plain_numbers(raw, mark, dated=True, dialect=dialect)


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
    lists = []
    for key, value in node.items():
        if isinstance(value, dict):
            inner = {k: v for k, v in value.items() if not isinstance(v, dict | list)}
            own |= {(f"{key} {k}" if k in own else k): v for k, v in inner.items()}
            lists += [v for v in value.values() if isinstance(v, list)]
        elif isinstance(value, list):
            lists.append(value)
    said = above | {k: v for k, v in own.items() if _says_something(k, v)}
    below = [_records(items, said) for items in lists]
    longest = max(below, key=len, default=[])
    return longest if longest else [above | own]


def _says_something(key: str, value: Any) -> bool:
    """Return whether a value beside a list says something of all its records."""
    return value is not None and read_header(key).meaning not in ("unknown", "index", "quality")
