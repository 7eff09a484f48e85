"""Settings as TOML text: the other way round is in the standard library."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

__all__ = ["dump_toml"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dump_toml(tables: Mapping[str, Mapping[str, object]], *, comment: str = "") -> str:
    """Return tables of settings as TOML; a setting that is None is left out.

    Parameters
    ----------
    tables : mapping
        Settings by table and name: text, numbers, truth values, paths, and lists and mappings of
        them.
    comment : str
        What stands above the tables, in one line.

    Raises
    ------
    TypeError
        If a value is of another type.

    Examples
    --------
    >>> print(dump_toml({"lstm": {"units": [16], "dropout": 0.25, "lookback": None}}), end="")
    [lstm]
    units = [16]
    dropout = 0.25
    """
    blocks = [f"# {comment}\n"] if comment else []
    for table, settings in tables.items():
        lines = [f"[{_key(table)}]\n"]
        given = {name: value for name, value in settings.items() if value is not None}
        lines += [f"{_key(name)} = {_value(value)}\n" for name, value in given.items()]
        blocks.append("".join(lines))
    return "\n".join(blocks)


def _key(name: object) -> str:
    text = str(name)
    return text if _BARE.fullmatch(text) else _text(text)


def _value(value: object) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)  # inf and nan are TOML too
    if isinstance(value, str | Path):
        return _text(value.as_posix() if isinstance(value, Path) else value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(name)} = {_value(item)}" for name, item in value.items())
        return f"{{ {pairs} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    raise TypeError(
        f"A setting in TOML is text, a number, true or false, a path, a list or a table. Received "
        f"{value!r}. Give one of these."
    )


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
