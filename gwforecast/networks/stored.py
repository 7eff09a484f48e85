"""Fitted networks as plain JSON values and arrays by name, and back.

Nothing is executed that comes from a file: values are checked against the types and bounds of the
settings, and arrays against the shapes that the described networks must have.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from gwforecast.data.covariates import FEATURES
from gwforecast.models.settings import check_settings
from gwforecast.models.state import read_text, read_whole
from gwforecast.sequences.lags import lag_edges
from gwforecast.sequences.scale import Scaler
from gwforecast.writing import plain

if TYPE_CHECKING:
    from gwforecast.networks.inference import TrainedNetworks

__all__ = ["describe", "restore"]

Stored = TypeVar("Stored", bound="TrainedNetworks")

_DESCRIBED = {
    "name", "covariates", "features", "lookback", "targets", "members", "seed", "workers", "engine",
}  # fmt: skip
"""Settings that the description has under other names, or that a machine chooses."""


def describe(one: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return fitted networks as plain JSON values and arrays by name, without their history."""
    arrays = {f"weights.{n}": np.asarray(w, np.float32) for n, w in enumerate(one.weights_)}
    arrays |= {f"scaler.{name}": np.asarray(v) for name, v in one.scaler_.to_arrays().items()}
    if one.attributes_ is not None:
        arrays["attributes"] = np.asarray(one.attributes_, np.float32)
    if one.member_weights_ is not None:
        arrays["trust"] = np.asarray(one.member_weights_, float)
    settings = {f.name: getattr(one, f.name) for f in dataclasses.fields(one)}
    description = {
        "name": one.name,
        "shared": bool(one.shared_),
        "lagged": bool(one.lagged),
        "architecture": one.architecture_.to_dict(),
        "covariates": list(one.covariates_of_fit_),
        "features": list(one.features),
        "lookback": int(one.lookback_),
        "targets": int(one.targets_),
        "wells": list(one.wells_),
        "inputs": list(one.inputs_),
        "seeds": [int(seed) for seed in one.seeds_],
        "settings": {n: plain(v) for n, v in settings.items() if n not in _DESCRIBED},
    }
    return description, arrays


def restore(
    cls: type[Stored], stored: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> Stored:
    """Return the fitted networks that :func:`describe` described.

    Descriptions without ``settings``, as written before there was an update of stored networks, are
    restored with those of the architecture, and defaults for the others.

    Raises KeyError, TypeError or ValueError if anything is missing, unknown, of another type or
    shape, or not finite.
    """
    architecture = cls.architecture.from_dict(stored["architecture"])  # type: ignore[attr-defined]
    covariates = [read_text(name) for name in stored["covariates"]]
    features = [read_text(name) for name in stored["features"]]
    if not set(features) <= set(FEATURES):
        raise ValueError(f"the features {features} must be among {sorted(FEATURES)}")
    seeds = [_seed(seed) for seed in stored["seeds"]]
    settings = _settings(cls, stored, dict(architecture.settings)) | {
        "name": read_text(stored["name"]),
        "covariates": covariates,
        "features": features,
        "lookback": read_whole(stored["lookback"]),
        "targets": read_whole(stored["targets"]),
        "members": len(seeds),
        "seed": min(seeds),
    }
    one: Any = cls(**settings)
    check_settings(one)
    one.settings_known_ = "settings" in stored
    one.architecture_, one.covariates_of_fit_, one.seeds_ = architecture, covariates, seeds
    one.lookback_, one.targets_ = settings["lookback"], settings["targets"]
    one.wells_ = [read_text(well) for well in stored["wells"]]
    one.inputs_ = [read_text(name) for name in stored["inputs"]]
    one.scaler_ = Scaler.from_arrays(
        {n.removeprefix("scaler."): v for n, v in arrays.items() if n.startswith("scaler.")}
    )
    one.shared_ = stored.get("shared", False) is True
    if (stored["lagged"] is True) != one.lagged or (one.shared_ and not one.pooled):
        raise ValueError(f"the description must be of a {cls.__name__}, received another network")
    one.attributes_ = _attributes(one, arrays.get("attributes"))
    one.member_weights_ = _member_weights(one, arrays.get("trust"))
    one.weights_ = _weights(one, arrays)
    return one  # type: ignore[no-any-return]


def _settings(
    cls: type[Any], stored: Mapping[str, Any], of_architecture: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that are not described under other names."""
    known = {field.name for field in dataclasses.fields(cls)} - _DESCRIBED
    if "settings" not in stored:
        return {name: value for name, value in of_architecture.items() if name in known}
    settings = stored["settings"]
    if not isinstance(settings, Mapping) or not set(settings) <= known:
        raise ValueError(f"the settings must be among {sorted(known)}, received {settings!r}")
    return {n: tuple(v) if isinstance(v, list) else v for n, v in settings.items()}


def _weights(one: Any, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    shapes = one.architecture_.weight_shapes()
    found = [arrays[f"weights.{number}"] for number in range(len(shapes))]
    for weights, shape in zip(found, shapes, strict=True):
        expected = (1 if one.shared_ else len(one.wells_), len(one.seeds_), *shape)
        if weights.shape != expected or weights.dtype != np.float32:
            raise ValueError(f"weights of {weights.shape}, {weights.dtype}, expected {expected}")
        if not np.isfinite(weights).all():
            raise ValueError("weights must be finite")
    return found


def _attributes(one: Any, values: np.ndarray | None) -> np.ndarray | None:
    """Return the inputs that describe each well, or None."""
    lags = lag_edges(one.lookback_ + 1).size - 1 if one.lagged else 1
    more = one.architecture_.inputs - len(one.inputs_) * lags
    if values is None:
        values = np.zeros((len(one.wells_), 0), np.float32)
    expected = (len(one.wells_), more)
    if values.shape != expected or values.dtype != np.float32 or not np.isfinite(values).all():
        raise ValueError(f"attributes of {values.shape}, {values.dtype}, expected {expected}")
    if one.architecture_.embedding:
        numbers = values[:, -1]
        known = one.architecture_.setting("wells")
        if (numbers != numbers.astype(int)).any() or not ((numbers >= 0) & (numbers < known)).all():
            raise ValueError(f"the number of a well must be one of 0 to {known - 1}")
    return values if more else None


def _member_weights(one: Any, weights: np.ndarray | None) -> np.ndarray | None:
    """Return the weights of the members in the prediction at each well, or None."""
    if weights is None:
        return None
    expected = (len(one.wells_), len(one.seeds_))
    sound = weights.shape == expected and bool((weights >= 0).all())
    if not sound or not np.allclose(weights.sum(axis=1), 1.0):
        raise ValueError(
            f"member weights of {weights.shape} must be {expected}, at least 0, with sums of 1"
        )
    return weights.astype(float)


def _seed(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r} must be a whole number from 0")
    return value
