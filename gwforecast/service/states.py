"""Fitted forecasters as plain JSON and arrays, and back: a closed list of kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.correction import ErrorModel
from gwforecast.calibration.forecaster import Calibrated, Corrected
from gwforecast.calibration.intervals import ForecastInterval
from gwforecast.forcings.scenario import make_forcing
from gwforecast.models.base import Forecaster
from gwforecast.models.linear import Linear
from gwforecast.models.naive import Climatology, Persistence
from gwforecast.networks.inference import TrainedNetworks
from gwforecast.runs.catalogue import model_class

__all__ = ["KINDS", "describe", "restore"]


Arrays = dict[str, np.ndarray]
Description = dict[str, Any]
FORCINGS = ("observed", "climatology")


def describe(fitted: Calibrated) -> tuple[Description, Arrays]:
    """Return a calibrated forecaster as plain JSON and arrays.

    Raises
    ------
    TypeError
        If a forecaster is of a kind that cannot be stored.
    """
    arrays: Arrays = {}
    origin = fitted.forcing.origin
    description: Description = {
        "name": fitted.name,
        "horizon": fitted.horizon,
        "forcing": origin if origin in FORCINGS else "climatology",
        "forecaster": _describe(fitted.forecaster, "forecaster", arrays),
    }
    _add(arrays, "interval", fitted.interval_.to_arrays())
    through = fitted.trained_through_
    arrays["trained.wells"] = np.array([str(w) for w in through[schema.WELL].values], dtype=str)
    arrays["trained.through"] = through.values.astype(schema.TIME_DTYPE)
    return description, arrays


def restore(description: Mapping[str, Any], arrays: Arrays) -> Calibrated:
    """Return the calibrated forecaster that :func:`describe` took apart.

    Raises
    ------
    KeyError, TypeError, ValueError
        If anything is not as it must be.
    """
    forecaster = _restore(description["forecaster"], "forecaster", arrays)
    if description["forcing"] not in FORCINGS:
        raise ValueError(f"forcing {description['forcing']!r} is none of {FORCINGS}")
    fitted = Calibrated(
        forecaster,
        horizon=_whole(description["horizon"]),
        forcing=make_forcing(description["forcing"]),
    )
    fitted.interval_ = ForecastInterval.from_arrays(_of(arrays, "interval"))
    wells = {schema.WELL: arrays["trained.wells"].astype(object)}
    through = arrays["trained.through"].astype(schema.TIME_DTYPE)
    fitted.trained_through_ = xr.DataArray(through, wells, (schema.WELL,))
    return fitted


def _describe(forecaster: Forecaster, prefix: str, arrays: Arrays) -> Description:
    kind = next((name for name, (cls, _, _) in KINDS.items() if isinstance(forecaster, cls)), None)
    if kind is None:
        raise TypeError(
            f"A bundle holds forecasters of the kinds {', '.join(KINDS)}. Received "
            f"{forecaster.name!r}. Keep this one in the script that fits it."
        )
    return {"kind": kind, **KINDS[kind][1](forecaster, prefix, arrays)}


def _restore(description: Mapping[str, Any], prefix: str, arrays: Arrays) -> Forecaster:
    kind = description["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"the kind {kind!r} is none of {', '.join(KINDS)}")
    return KINDS[kind][2](description, prefix, arrays)


def _describe_networks(one: Any, prefix: str, arrays: Arrays) -> Description:
    description, own = one.to_state()
    _add(arrays, prefix, own)
    return dict(description)


def _restore_networks(stored: Mapping[str, Any], prefix: str, arrays: Arrays) -> Forecaster:
    own = _of(arrays, prefix)
    pooled = stored.get("shared", False) is True or "attributes" in own
    name = ("global_" if pooled else "") + _text(stored["architecture"]["kind"])
    return model_class(name).from_state(stored, own)


def _describe_by_itself(one: Forecaster, prefix: str, arrays: Arrays) -> Description:
    description, parts = one.to_state()
    _add(arrays, prefix, parts)
    return description


def _restore_linear(stored: Mapping[str, Any], prefix: str, arrays: Arrays) -> Forecaster:
    return Linear.from_state(stored, _of(arrays, prefix))


def _describe_corrected(one: Any, prefix: str, arrays: Arrays) -> Description:
    _add(arrays, f"{prefix}.error", one.error_model_.to_arrays())
    arrays[f"{prefix}.since"] = one.since_.astype(schema.TIME_DTYPE)
    arrays[f"{prefix}.known"] = one.known_
    parts = [
        _describe(part, f"{prefix}.part{number}", arrays) for number, part in enumerate(one.parts)
    ]
    return {"name": one.name, "wells": list(one.wells_), "parts": parts}


def _restore_corrected(stored: Mapping[str, Any], prefix: str, arrays: Arrays) -> Forecaster:
    parts = [
        _restore(part, f"{prefix}.part{number}", arrays)
        for number, part in enumerate(stored["parts"])
    ]
    one = Corrected(parts, name=_text(stored["name"]))
    one.wells_ = [_text(well) for well in stored["wells"]]
    one.error_model_ = ErrorModel.from_arrays(_of(arrays, f"{prefix}.error"))
    one.since_ = arrays[f"{prefix}.since"].astype(schema.TIME_DTYPE)
    one.known_ = arrays[f"{prefix}.known"].astype(float)
    if one.error_model_.wells_ != one.wells_ or len(one.known_) != len(one.wells_):
        raise ValueError("the error model is of other wells")
    return one


def _restore_naive(stored: Mapping[str, Any], prefix: str, arrays: Arrays) -> Forecaster:
    cls = Climatology if stored["kind"] == "climatology" else Persistence
    return cls.from_state(stored, _of(arrays, prefix))


def _add(arrays: Arrays, prefix: str, parts: Mapping[str, np.ndarray]) -> None:
    arrays.update({f"{prefix}.{name}": np.asarray(value) for name, value in parts.items()})


def _of(arrays: Arrays, prefix: str) -> Arrays:
    start = f"{prefix}."
    return {n.removeprefix(start): value for n, value in arrays.items() if n.startswith(start)}


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: object, *, least: int = 1) -> int:
    if type(value) is not int or not least <= value <= 10**6:
        raise TypeError(f"{value!r} is no whole number from {least} on")
    return value


KINDS: dict[
    str,
    tuple[
        type[Forecaster],
        Callable[[Any, str, Arrays], Description],
        Callable[[Mapping[str, Any], str, Arrays], Forecaster],
    ],
] = {
    "networks": (TrainedNetworks, _describe_networks, _restore_networks),
    "linear": (Linear, _describe_by_itself, _restore_linear),
    "corrected": (Corrected, _describe_corrected, _restore_corrected),
    "climatology": (Climatology, _describe_by_itself, _restore_naive),
    "persistence": (Persistence, _describe_by_itself, _restore_naive),
}
"""Kinds that a bundle may hold: class, and how a forecaster is taken apart and put together."""
