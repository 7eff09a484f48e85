"""Files that are written completely or not at all, values as JSON text, sentences in sentences."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Callable, Mapping
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "clause", "dump_json", "load_json", "plain", "redact", "versions", "write_atomically",
    "write_text",
]  # fmt: skip


_USER = re.compile(r"(://[^\s:/@'\"]*:)(?!\$)[^\s'\"]+@")
_KEY = re.compile(
    r"(?i)\b(pass(?:word|wd|phrase)?|pwd|secret|token|api_?key|sslpassword)"
    r"(['\"]?\s*(?:=|:|%3D)\s*['\"]?)(?!\$)[^\s&;,'\"}]+"
)


def redact(text: str) -> str:
    """Return text without the passwords of addresses in it.

    Examples
    --------
    >>> redact("Received 'postgresql://me:s3cret@host/db?sslpassword=key'.")
    "Received 'postgresql://me:***@host/db?sslpassword=***'."
    """
    return _KEY.sub(r"\1\2***", _USER.sub(r"\1***@", text))


def clause(text: object) -> str:
    """Return a text or the message of an error without its full stop, to be continued.

    Examples
    --------
    >>> "; ".join(map(clause, ["The level jumps by 3 m.", "forecast by climatology"]))
    'The level jumps by 3 m; forecast by climatology'
    """
    return re.sub(r"(?<!\.)\.$", "", str(text).strip())


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file under a temporary name in its folder, then rename it in one step.

    A reader sees the old file or the new one, never a part of it; a failure leaves the old one. The
    folder is created if it does not exist. An OSError is raised if it cannot be written, e.g. on a
    full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        _flush(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush(path.parent)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write text as UTF-8 atomically, with its newlines unchanged; return the path."""
    return write_atomically(path, lambda target: target.write_bytes(text.encode("utf-8")))


def _flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open folders and does not need this
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def dump_json(value: object) -> str:
    """Return a value as JSON text; numbers that are not finite become null.

    Examples
    --------
    >>> print(dump_json({"nse": np.float64("nan"), "when": pd.Timestamp("2020-01-01")}), end="")
    {
      "nse": null,
      "when": "2020-01-01T00:00:00"
    }
    """
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def load_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file that :func:`dump_json` wrote."""
    stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return stored


def plain(value: object) -> Any:
    """Return a value as JSON has it; numbers that are not finite become None."""
    if isinstance(value, np.generic):
        value = pd.Timestamp(value) if isinstance(value, np.datetime64) else value.item()
    if value is None or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value)


_LIBRARIES = (
    "numpy", "pandas", "xarray", "scipy", "statsmodels", "hydroeval", "keras",
    "tensorflow", "matplotlib", "h5netcdf", "optuna",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of Python, the system and the libraries, without importing them."""
    found = {
        "gwforecast": import_module(__name__.partition(".")[0]).__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found
