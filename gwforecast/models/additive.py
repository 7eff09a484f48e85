"""An additive model of the level: smooth curves of the weather before and of the season."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr
from statsmodels.gam.api import BSplines, GLMGam

from gwforecast import schema, timeline
from gwforecast.models.base import Forecaster, Progress, through_periods
from gwforecast.sequences.lags import lagged_means
from gwforecast.sequences.split import Period, Split

__all__ = ["AdditiveModel"]

KNOTS = 6  # columns of each curve
DEGREE = 3
FEWEST_LEVELS = 60
EDGES_YEARS = (0.0, 0.1, 0.35, 1.0, 2.0)  # between which the weather is averaged
MOST_ROWS = 3000  # that are fitted, spread evenly over the fitted rows


@dataclass(frozen=True)
class _Curves:
    """What is kept of one well's fit."""

    splines: Any
    parameters: np.ndarray
    low: np.ndarray
    high: np.ndarray
    before: np.ndarray


class AdditiveModel(Forecaster):
    """Add up smooth curves of the mean weather of the last weeks, months and years, and the season.

    A generalised additive model (Hastie and Tibshirani 1986, doi:10.1214/ss/1177013604) of cubic
    B-splines with a penalty on their curvature (Wood 2017, doi:10.1201/9781315370279), fitted by
    statsmodels for each well. Beyond the weather of the fitted rows the curves stay at their ends.

    Parameters
    ----------
    penalty : float
        Weight of the curvature.
    harmonics : int
        Pairs of sine and cosine of the year.

    Attributes
    ----------
    curves_ : dict of str to object
        The fit of each well.
    failed_ : dict of str to str
        Wells that could not be fitted and why; their levels are NaN.
    """

    name = "additive"
    curves_: dict[str, _Curves]
    failed_: dict[str, str]

    def __init__(self, *, penalty: float = 10.0, harmonics: int = 2) -> None:
        self.penalty = penalty
        self.harmonics = harmonics

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Fit each well on the train rows; there is nothing to choose on the validation rows."""
        self._learn(observations, split.rows(observations, "train"), progress)
        return self

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster, fitted on all rows through a period."""
        again = copy.copy(self)
        again._learn(observations, split.rows(observations, *through_periods(through)), progress)
        return again

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather before a level it depends on."""
        return int(_edges(timeline.steps_per_year(frequency))[-1])

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step whose covariates exist, (well, time), m."""
        values = np.full(observations[schema.LEVEL].shape, np.nan)
        for number, well in enumerate(map(str, observations[schema.WELL].values)):
            if well in self.curves_:
                values[number] = self._predict(observations, number, self.curves_[well])
        level = xr.DataArray(
            values,
            {name: observations[name] for name in (schema.WELL, schema.TIME)},
            (schema.WELL, schema.TIME),
            attrs=dict(observations[schema.LEVEL].attrs),
        )
        return level.to_dataset(name=schema.LEVEL)

    def _learn(
        self, observations: xr.Dataset, rows: xr.DataArray, progress: Progress | None
    ) -> None:
        self.curves_, self.failed_ = {}, {}
        wells = [str(well) for well in observations[schema.WELL].values]
        for number, well in enumerate(wells):
            try:
                self.curves_[well] = self._fit_well(observations, number, rows.values[number])
            except (ValueError, np.linalg.LinAlgError) as error:
                self.failed_[well] = str(error)
                warnings.warn(
                    f"{self.name!r} could not be fitted at well {well!r}, whose levels are NaN "
                    f"now: {error}",
                    stacklevel=4,
                )
            if progress is not None:
                progress(f"fit {self.name}", number + 1, len(wells))

    def _fit_well(self, observations: xr.Dataset, number: int, rows: np.ndarray) -> _Curves:
        level = observations[schema.LEVEL].values[number]
        weather = _weather(observations, number)
        known = rows & np.isfinite(weather).all(axis=1)
        before = weather[known].mean(axis=0) if known.any() else np.zeros(weather.shape[1])
        smooth = _antecedent(observations, weather, before)
        usable = np.flatnonzero(rows & np.isfinite(level) & np.isfinite(smooth).all(axis=1))
        if usable.size < FEWEST_LEVELS or weather.shape[1] == 0:
            raise ValueError(
                f"An additive model needs a covariate and at least {FEWEST_LEVELS} levels. "
                f"Received {weather.shape[1]} covariates and {usable.size} levels. Use a longer "
                "record."
            )
        usable = usable[:: -(-usable.size // MOST_ROWS)]
        smooth, plain = smooth[usable], self._season(observations)[usable]
        low, high = smooth.min(axis=0), smooth.max(axis=0)
        # a curve needs as many different values as it has knots
        varied = [np.unique(column).size > 2 * KNOTS for column in smooth.T]
        low, high = np.where(varied, low, 0.0), np.where(varied, high, 0.0)
        width = np.where(varied, high - low, 1.0)
        columns = ((smooth - low) / width)[:, varied]
        count = columns.shape[1]
        splines = BSplines(columns, df=[KNOTS] * count, degree=[DEGREE] * count)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = GLMGam(
                level[usable], exog=plain, smoother=splines, alpha=[self.penalty] * count
            ).fit()
        parameters = np.asarray(fitted.params, float)
        if not np.isfinite(parameters).all():
            raise ValueError(
                "An additive model must have finite curves. Received NaN among its parameters. "
                "Leave the model out at this well."
            )
        return _Curves(splines, parameters, low, high, before)

    def _predict(self, observations: xr.Dataset, number: int, curves: _Curves) -> np.ndarray:
        weather = _weather(observations, number)
        smooth = _antecedent(observations, weather, curves.before)
        known = np.isfinite(smooth).all(axis=1)
        varied = curves.high > curves.low
        width = np.where(varied, curves.high - curves.low, 1.0)
        columns = np.clip((smooth - curves.low) / width, 0.0, 1.0)[:, varied]
        basis = curves.splines.transform(np.where(known[:, None], columns, 0.0))
        design = np.column_stack([self._season(observations), basis])
        return np.asarray(np.where(known, design @ curves.parameters, np.nan))

    def _season(self, observations: xr.Dataset) -> np.ndarray:
        """Return a constant and the harmonics of the year, shape (time, column)."""
        days = pd.DatetimeIndex(observations[schema.TIME].values).day_of_year.to_numpy()
        angle = 2 * np.pi * days / 365.25
        waves = [f(k * angle) for k in range(1, self.harmonics + 1) for f in (np.sin, np.cos)]
        return np.column_stack([np.ones(days.size), *waves])


def _weather(observations: xr.Dataset, number: int) -> np.ndarray:
    names = [
        name
        for name in schema.covariate_names(observations)
        if schema.covariate_kind(name, observations[name].attrs) != "season"
    ]
    series = [observations[name].values[number] for name in names]
    steps = observations.sizes[schema.TIME]
    return np.stack(series, axis=-1).astype(float) if series else np.empty((steps, 0))


def _antecedent(observations: xr.Dataset, weather: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return means of the weather before each step, shape (time, covariate * span)."""
    year = timeline.steps_per_year(timeline.infer_frequency(observations[schema.TIME].values))
    return np.asarray(lagged_means(weather[None], _edges(year), before=before[None])[0])


def _edges(year: float) -> np.ndarray:
    return np.asarray(np.unique(np.round(np.array(EDGES_YEARS) * year).astype(int)))
