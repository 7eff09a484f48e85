"""What a run was made with: versions, checksums, settings, as plain JSON."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import __version__
from gwforecast.models.left_out import LeaveWellsOut

__all__ = [
    "dataset_sha256",
    "dump_json",
    "file_checksums",
    "forecaster_settings",
    "load_json",
    "versions",
]

_LIBRARIES = (
    "numpy", "pandas", "xarray", "scipy", "statsmodels", "hydroeval", "keras",
    "tensorflow", "matplotlib", "h5netcdf",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of Python, the system and the libraries, without importing them."""
    found = {
        "gwforecast": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found


def file_checksums(paths: Iterable[Path]) -> list[dict[str, object]]:
    """Return path, size and sha256 of each file; a folder stands for the files within it.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        Files and folders, as the user named them.
    """
    files = []
    for path in paths:
        files.extend(sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path])
    return [
        {"path": str(file), "bytes": file.stat().st_size, "sha256": _file_sha256(file)}
        for file in dict.fromkeys(files)
    ]


def dataset_sha256(dataset: xr.Dataset) -> str:
    """Return the sha256 of the names, dimensions and values of a Dataset, attributes left out.

    Examples
    --------
    >>> level = xr.Dataset({"level": ("time", [1.0, np.nan])})
    >>> dataset_sha256(level) == dataset_sha256(level.assign_attrs(title="other"))
    True
    >>> dataset_sha256(level) == dataset_sha256(level + 1)
    False
    """
    digest = hashlib.sha256()
    for name in sorted(map(str, dataset.variables)):
        variable = dataset[name]
        values = variable.values
        if values.dtype.kind in "OU":
            content = json.dumps([str(v) for v in values.ravel()]).encode()
        else:
            content = np.ascontiguousarray(values).tobytes()
        digest.update(json.dumps([name, list(map(str, variable.dims)), len(content)]).encode())
        digest.update(content)
    return digest.hexdigest()


def forecaster_settings(forecaster: object) -> dict[str, object]:
    """Return the settings of a forecaster: its attributes that it did not learn.

    A network's head is left out: classes are for Python alone.
    """
    if isinstance(forecaster, LeaveWellsOut):
        return {
            "leave_wells_out": forecaster.folds,
            **forecaster_settings(forecaster.forecaster),
        }
    names = [n for n in vars(forecaster) if not n.startswith("_") and n[-1] != "_" and n != "head"]
    return {name: getattr(forecaster, name) for name in names}


def dump_json(value: object) -> str:
    """Return a value as JSON text; what is not a finite number is null.

    Examples
    --------
    >>> print(dump_json({"nse": np.float64("nan"), "when": pd.Timestamp("2020-01-01")}), end="")
    {
      "nse": null,
      "when": "2020-01-01T00:00:00"
    }
    """
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def load_json(path: Path) -> dict[str, Any]:
    """Return the table of a JSON file that :func:`dump_json` made."""
    stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return stored


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        value = pd.Timestamp(value) if isinstance(value, np.datetime64) else value.item()
    if value is None or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
