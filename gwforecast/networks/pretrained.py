"""A network trained on many public wells, whose states are regressed on the levels of a well.

A network learns from a few years of levels little more than the season. One that was trained on the
weather and the levels of many wells has states that already act like soils and aquifers, quick and
slow; at a new well only their linear combination is estimated. Its weights come with the package:
they were trained by ``benchmarks/pretrained.py``, see ``weights.json`` beside them.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, NamedTuple, Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.covariates import find_covariate
from gwforecast.data.water_balance import snow_and_liquid_water
from gwforecast.models.per_well import PerWell, WellRecord, require_varying
from gwforecast.models.state import Shape
from gwforecast.networks.lstm import LSTMArchitecture
from gwforecast.networks.parts import Architecture, dense
from gwforecast.processes import one_blas_thread
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Period, Split

__all__ = ["FOLDER", "PretrainedLSTM", "Readout", "SharedLSTM"]

FOLDER = "pretrained"
"""Folder beside this file with ``weights.npz`` and ``weights.json``."""
MEMORY_YEARS = 8.0  # of weather before an issue time
DEFAULT_YEARS = 6.0  # records of more years of levels have no need of it
FEWEST_LEVELS = 40
BLOCKS = 5
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 1e9)
TEMPERATURES = (("temperature",), ("temperature_min", "temperature_max"))


class SharedLSTM(NamedTuple):
    """Networks that serve all wells: their description, and weights (member, ...) as in Keras."""

    architecture: Architecture
    weights: list[np.ndarray]

    def features(self, inputs: np.ndarray) -> np.ndarray:
        """Return what is regressed on levels, shape (version, time, feature).

        They are the mean output of the networks and their states, under scaled inputs (version,
        time, input).
        """
        members = len(self.weights[0])
        given = np.broadcast_to(inputs.astype(np.float32), (members, *inputs.shape))
        with one_blas_thread():
            hidden, _ = self.architecture.run_hidden(self.weights[:-2], given, None)
            output = dense(hidden, self.weights[-2], self.weights[-1]).mean(axis=0)
        states = np.moveaxis(hidden, 0, -2).reshape(*inputs.shape[:2], -1)
        return np.concatenate([output, states], axis=-1).astype(float)


@dataclass(frozen=True, eq=False)
class Readout:
    """The regression of one well.

    Parameters
    ----------
    center, scale : numpy.ndarray
        Mean and standard deviation of the inputs up to the last fitted row, shape (input,).
    weights : numpy.ndarray
        m, shape (feature,), see :meth:`SharedLSTM.features`.
    base : float
        m.
    penalty : float
        Of the ridge regression on the states.
    """

    center: Annotated[np.ndarray, Shape("input")]
    scale: Annotated[np.ndarray, Shape("input")]
    weights: Annotated[np.ndarray, Shape("feature")]
    base: float
    penalty: float


@dataclass(kw_only=True, eq=False)
class PretrainedLSTM(PerWell[Readout]):
    """Regress the level of each well on the states of an LSTM trained at 59 wells in Germany.

    The inputs are weekly rain and temperature, the season, and snow storage and liquid water, each
    scaled by its mean and standard deviation at the well. A straight line of the networks' output
    is fitted to the levels, and a ridge regression on their states to what it leaves, with a
    penalty that fifths of the years, left out in turn, choose. It is a default model for records
    of at most six years, where unseen years give it its weight in the blend.

    Parameters
    ----------
    name : str
        Name in tables and files.

    References
    ----------
    The training of one network on many wells: Heudorfer et al. (2024),
    https://doi.org/10.5194/hess-28-525-2024, whose data (MIT licence) it was trained on, through
    2011. A trained network with a new last layer: Yosinski et al. (2014), arXiv:1411.1792.
    """

    name: str = "pretrained_lstm"

    quick = True
    blended = True
    fit_type = Readout

    @classmethod
    def unsuited(cls, observations: xr.Dataset) -> str:
        """Return what is missing: weekly steps, rain and temperature, or the need of it."""
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        if frequency[0] != "W":
            return f"its networks were trained with weekly steps, not {frequency}"
        if not _names(observations):
            return "it needs rain and temperature"
        most = int(observations[schema.LEVEL].count(schema.TIME).max())
        years = most / timeline.steps_per_year(frequency)
        return "" if years <= DEFAULT_YEARS else f"levels of {years:.0f} years are enough without"

    def choose_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:
        """Return the names of rain and of the mean, or lowest and highest, temperature."""
        names = _names(observations)
        if not names:
            raise SchemaError(
                f"{self.name!r} needs rain and temperature. Received the covariates "
                f"{schema.covariate_names(observations)}. Add the series, or set attrs['kind'] of "
                "series with other names."
            )
        return names

    def prepare(
        self, observations: xr.Dataset, split: Split, *, through: Period, previous: Self | None
    ) -> None:
        """Refuse other than weekly steps."""
        del observations, split, through, previous
        if self._frequency[0] != "W":
            raise SchemaError(
                f"The networks of {self.name!r} were trained with weekly steps. Received "
                f"{self._frequency}. Leave the model out, or give weekly means."
            )

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather a level depends on: those of eight years."""
        return round(MEMORY_YEARS * timeline.steps_per_year(frequency))

    def weather_of(self, observations: xr.Dataset) -> np.ndarray:
        """Return the inputs (well, version, time, input) before scaling."""
        given = super().weather_of(observations)
        rain, mean = given[..., 0], given[..., 1:].mean(axis=-1)
        flat = (one.reshape(-1, one.shape[-1]) for one in (rain, mean))
        days = timeline.days_per_step(self._frequency)
        stored = [one.reshape(rain.shape) for one in snow_and_liquid_water(*flat, days=days)]
        season = timeline.harmonics(observations[schema.TIME].values, 1)
        waves = np.broadcast_to(season, (*rain.shape, 2))
        return np.concatenate([np.stack([rain, mean], -1), waves, np.stack(stored, -1)], axis=-1)

    def fit_well(self, record: WellRecord, previous: Readout | None) -> Readout:
        """Return the regression of one well; in a refit the penalty is kept."""
        seen = np.arange(record.times.size) <= np.flatnonzero(record.rows).max(initial=-1)
        known = seen & np.isfinite(record.weather).all(axis=1)  # weather is often known for longer
        usable = np.flatnonzero(known & record.rows & np.isfinite(record.level))
        if usable.size < FEWEST_LEVELS:
            raise ValueError(
                f"A regression on the states of networks needs at least {FEWEST_LEVELS} levels. "
                f"Received {usable.size}. Give the well a longer record."
            )
        level = record.level[usable]
        require_varying(level, "A regression on the states of networks needs")
        center, scale = record.weather[known].mean(axis=0), record.weather[known].std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        features = _features(record.weather[None], center, scale)[0, usable]
        penalty = previous.penalty if previous is not None else _choose_penalty(features, level)
        base, weights = _regress(features, level, penalty)
        return Readout(center, scale, weights, base, penalty)

    def simulate_well(self, fit: Readout, weather: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the levels of one well, shape (version, time), m."""
        del times
        levels = _features(weather, fit.center, fit.scale) @ fit.weights + fit.base
        return np.where(np.isfinite(weather).all(axis=-1), levels, np.nan)

    def check_fit(self, fit: Readout) -> None:
        """Raise a ValueError if a stored regression does not match the shipped networks."""
        if fit.weights.size != _feature_count(shipped()) or not (fit.scale > 0).all():
            raise ValueError("a regression does not match the networks of the package")


@cache
def shipped() -> SharedLSTM:
    """Return the networks that come with the package.

    Raises
    ------
    SchemaError
        If the file of the weights is not the one that ``weights.json`` describes.
    """
    folder = resources.files("gwforecast.networks").joinpath(FOLDER)
    described = json.loads(folder.joinpath("weights.json").read_text("utf-8"))
    content = folder.joinpath("weights.npz").read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != described["sha256"]:
        raise SchemaError(
            f"The weights of the pretrained networks must have the sha256 {described['sha256']}. "
            f"Received {found}. Install gwforecast again."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        weights = [stored[f"w{number}"] for number in range(len(stored.files))]
    return SharedLSTM(LSTMArchitecture.from_dict(described["architecture"]), weights)


def _names(observations: xr.Dataset) -> tuple[str, ...]:
    """Return the names of rain and temperature; none if one of them is missing."""
    rain = find_covariate(observations, "rain")
    for kinds in TEMPERATURES:
        found = [find_covariate(observations, kind) for kind in kinds]
        names = [name for name in (rain, *found) if name is not None]
        if len(names) == 1 + len(kinds):
            return tuple(names)
    return ()


def _feature_count(shared: SharedLSTM) -> int:
    return 1 + int(np.prod(shared.weights[-2].shape[:2]))


def _features(weather: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the features under weather (version, time, input); missing weather is the mean."""
    return shipped().features(np.nan_to_num((weather - center) / scale))


def _regress(features: np.ndarray, level: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
    """Return base and weights: a line of the output, and a ridge regression of its residuals."""
    slope, base = np.polyfit(features[:, 0], level, 1)
    states = features[:, 1:]
    middle, rest = states.mean(axis=0), level - (base + slope * features[:, 0])
    inner = (states - middle).T @ (states - middle) + penalty * np.eye(middle.size)
    weights = np.linalg.solve(inner, (states - middle).T @ rest)
    return float(base - middle @ weights), np.concatenate([[slope], weights])


def _choose_penalty(features: np.ndarray, level: np.ndarray) -> float:
    """Return the penalty with the smallest error in blocks of rows that are left out in turn."""
    rows = np.arange(level.size)
    blocks = np.array_split(rows, BLOCKS)
    errors = []
    for penalty in PENALTIES:
        error = 0.0
        for block in blocks:
            others = np.setdiff1d(rows, block)
            base, weights = _regress(features[others], level[others], penalty)
            error += float(np.square(level[block] - features[block] @ weights - base).sum())
        errors.append(error)
    return PENALTIES[int(np.argmin(errors))]
