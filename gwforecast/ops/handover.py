"""A Dataset handed from one process to another: arrays in ``.npz``, names and attributes in JSON.

A NetCDF file of some wells takes ten times as long to open as its forecast takes to read, which
counts where hundreds of parts are joined.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["read_part", "write_part"]

ARRAYS, DESCRIPTION = "arrays.npz", "description.json"


def write_part(dataset: xr.Dataset, folder: Path) -> None:
    """Write a Dataset into a folder; text must have a plain form, attributes be JSON."""
    arrays: dict[str, Any] = {}
    described: dict[str, Any] = {"attrs": dict(dataset.attrs), "variables": {}}
    for name, variable in dataset.variables.items():
        values = variable.values
        arrays[str(name)] = values.astype(str) if values.dtype == object else values
        described["variables"][name] = {
            "dims": variable.dims,
            "attrs": dict(variable.attrs),
            "coord": name in dataset.coords,
            "text": values.dtype == object,
        }
    np.savez(folder / ARRAYS, **arrays)
    (folder / DESCRIPTION).write_text(json.dumps(described), "utf-8")


def read_part(folder: Path) -> xr.Dataset:
    """Return the Dataset that :func:`write_part` wrote into a folder."""
    described = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    variables: dict[bool, dict[str, xr.Variable]] = {True: {}, False: {}}
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        for name, one in described["variables"].items():
            values = arrays[name].astype(object) if one["text"] else arrays[name]
            variables[one["coord"]][name] = xr.Variable(one["dims"], values, one["attrs"])
    return xr.Dataset(variables[False], variables[True], described["attrs"])
