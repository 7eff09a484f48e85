"""Groundwater level forecasting: networks and honest baselines on xarray Datasets."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "Split": "gwforecast.sequences.split",
    "SchemaError": "gwforecast.timeline",
    "split_by_date": "gwforecast.sequences.split",
    "split_by_fraction": "gwforecast.sequences.split",
    "validate_observations": "gwforecast.schema",
}
"""Public names and the modules that hold them; a module is loaded when its name is first used."""

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gwforecast' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
