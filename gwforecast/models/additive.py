"""An additive model of the level: smooth curves of the weather before and of the season."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
import xarray as xr
from scipy.interpolate import BSpline
from statsmodels.gam.api import BSplines, GLMGam

from gwforecast import schema, timeline
from gwforecast.models.base import Forecaster, through_periods, well_positions
from gwforecast.progress import Progress
from gwforecast.schema import SchemaError
from gwforecast.sequences.lags import lagged_means
from gwforecast.sequences.split import Period, Split

__all__ = ["Additive"]


KNOTS = 6  # columns of each curve
DEGREE = 3
FEWEST_LEVELS = 60
SMALLEST_SPAN = 1e-9  # m
EDGES_YEARS = (0.0, 0.1, 0.35, 1.0, 2.0)  # between which the weather is averaged
MOST_ROWS = 3000  # that are fitted, spread evenly over the fitted rows


@dataclass(frozen=True, eq=False)
class _Curves:
    """The fit of one well.

    Parameters
    ----------
    season : numpy.ndarray
        A constant and the coefficients of the harmonics, m.
    knots, coefficients : numpy.ndarray
        Of each curve, shape (curve, knot) and (curve, basis), m.
    columns : numpy.ndarray of int
        Which column of antecedent weather each curve is of.
    low, high : numpy.ndarray
        Range of these columns on the fitted rows.
    before : numpy.ndarray
        Mean of each covariate on the fitted rows, which stands for the weather before the first.
    """

    season: np.ndarray
    knots: np.ndarray
    coefficients: np.ndarray
    columns: np.ndarray
    low: np.ndarray
    high: np.ndarray
    before: np.ndarray

    def predict(self, smooth: np.ndarray) -> np.ndarray:
        """Return the sum of curves, shape (...,), of antecedent weather (..., column), m."""
        total = np.zeros(smooth.shape[:-1])
        for number, column in enumerate(self.columns):
            low, high = self.low[number], self.high[number]
            place = np.clip((smooth[..., column] - low) / (high - low), 0.0, 1.0)
            curve = BSpline(self.knots[number], self.coefficients[number], DEGREE)
            total += curve(place)
        return total


class Additive(Forecaster):
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
    wells_ : numpy.ndarray of str
        The wells that were given.
    covariates_ : tuple of str
        The covariates that are used: all but those of kind ``"season"``.
    curves_ : dict of str to object
        The fit of each well.
    failed_ : dict of str to str
        Wells that could not be fitted and why; their levels are NaN.
    """

    name = "additive"
    wells_: np.ndarray
    covariates_: tuple[str, ...]
    curves_: dict[str, _Curves]
    failed_: dict[str, str]
    _frequency: str

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

    def covariates_of(self, observations: xr.Dataset) -> list[str]:  # noqa: ARG002
        """Return the names of the covariates that are used."""
        return list(self.covariates_)

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step whose covariates exist, (well, time), m.

        Raises
        ------
        SchemaError
            If a well was not fitted, a covariate is missing, or the frequency is another.
        """
        versions = self.simulate_versions(observations.expand_dims({schema.FORCING_MEMBER: 1}))
        level = versions.isel({schema.FORCING_MEMBER: 0, schema.MEMBER: 0}, drop=True)
        level.attrs = dict(observations[schema.LEVEL].attrs)
        return level.to_dataset(name=schema.LEVEL)

    def simulate_versions(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the levels under each of several weathers, all at once.

        Parameters
        ----------
        observations : xarray.Dataset
            Covariates (well, forcing_member, time).

        Returns
        -------
        xarray.DataArray
            Dimensions (well, time, forcing_member, member), m.
        """
        well_positions(observations, self.wells_, name=self.name)
        self._check_like_fitted(observations)
        dims = (schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        weather = self._weather(observations)
        edges = _edges(timeline.steps_per_year(self._frequency))
        season = self._season(observations)
        values = np.full(weather.shape[:-1], np.nan)
        for number, well in enumerate(map(str, observations[schema.WELL].values)):
            if well in self.curves_:
                curves = self.curves_[well]
                before = np.broadcast_to(curves.before, (len(weather[number]), curves.before.size))
                smooth = lagged_means(weather[number], edges, before=before)
                known = np.isfinite(smooth).all(axis=-1)
                level = curves.predict(smooth) + season @ curves.season
                values[number] = np.where(known, level, np.nan)
        coords = {name: observations[name] for name in dims if name in observations.coords}
        level = xr.DataArray(values, coords, dims)
        return level.transpose(schema.WELL, schema.TIME, schema.FORCING_MEMBER).expand_dims(
            {schema.MEMBER: [0]}, -1
        )

    def _check_like_fitted(self, observations: xr.Dataset) -> None:
        missing = [name for name in self.covariates_ if name not in observations]
        if missing:
            raise SchemaError(
                f"{self.name!r} needs the covariates {list(self.covariates_)}. Received none of "
                f"the name {missing[0]!r}. Add the series, or fit without it."
            )
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        if frequency != self._frequency:
            raise SchemaError(
                f"An additive model simulates the frequency it was fitted on. Received "
                f"{frequency}, fitted was {self._frequency}. Fit {self.name!r} on this frequency."
            )

    def _weather(self, observations: xr.Dataset) -> np.ndarray:
        """Return the covariates as an array (well, forcing_member, time, covariate)."""
        dims = (schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        series = [observations[name].transpose(*dims).values for name in self.covariates_]
        shape = tuple(observations.sizes[dim] for dim in dims)
        return np.stack(series, axis=-1).astype(float) if series else np.empty((*shape, 0))

    def _learn(
        self, observations: xr.Dataset, rows: xr.DataArray, progress: Progress | None
    ) -> None:
        self.curves_, self.failed_ = {}, {}
        self.wells_ = observations[schema.WELL].values
        self._frequency = timeline.infer_frequency(observations[schema.TIME].values)
        self.covariates_ = tuple(
            name
            for name in schema.covariate_names(observations)
            if schema.covariate_kind(name, observations[name].attrs) != "season"
        )
        weather = self._weather(observations.expand_dims({schema.FORCING_MEMBER: 1}))[:, 0]
        season = self._season(observations)
        fitted = rows.transpose(schema.WELL, schema.TIME).values
        levels = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME).values
        for number, well in enumerate(map(str, self.wells_)):
            try:
                self.curves_[well] = self._fit_well(
                    np.where(fitted[number], levels[number], np.nan),
                    weather[number],
                    rows=fitted[number],
                    season=season,
                )
            except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
                self.failed_[well] = str(error)
                warnings.warn(
                    f"{self.name!r} could not be fitted at well {well!r}, whose levels are NaN "
                    f"now: {error}",
                    stacklevel=4,
                )
            if progress is not None:
                progress(f"fit {self.name}", number + 1, self.wells_.size)

    def _fit_well(
        self, level: np.ndarray, weather: np.ndarray, *, rows: np.ndarray, season: np.ndarray
    ) -> _Curves:
        known = rows & np.isfinite(weather).all(axis=1)
        before = weather[known].mean(axis=0) if known.any() else np.zeros(weather.shape[1])
        edges = _edges(timeline.steps_per_year(self._frequency))
        smooth = lagged_means(weather[None], edges, before=before[None])[0]
        usable = np.flatnonzero(np.isfinite(level) & np.isfinite(smooth).all(axis=1))
        if usable.size < FEWEST_LEVELS or weather.shape[1] == 0:
            raise ValueError(
                f"An additive model needs a covariate and at least {FEWEST_LEVELS} levels. "
                f"Received {weather.shape[1]} covariates and {usable.size} levels. Use a longer "
                "record."
            )
        if np.ptp(level[usable]) < SMALLEST_SPAN:
            raise ValueError(
                "An additive model needs levels that vary. Received a span of "
                f"{np.ptp(level[usable]):g} m. Leave the model out at this well."
            )
        usable = usable[:: -(-usable.size // MOST_ROWS)]
        smooth = smooth[usable]
        # a curve needs as many different values as it has knots
        varied = np.array([np.unique(column).size > 2 * KNOTS for column in smooth.T])
        if not varied.any():
            raise ValueError(
                f"An additive model needs weather of more than {2 * KNOTS} different values. "
                f"Received none such among {list(self.covariates_)}. Leave the model out."
            )
        smooth = smooth[:, varied]
        low, high = smooth.min(axis=0), smooth.max(axis=0)
        splines, parameters = self._splines(
            level[usable], (smooth - low) / (high - low), season[usable]
        )
        plain = season.shape[1]
        knots = [one.knots for one in splines.smoothers]
        # statsmodels leaves the first function of each basis out, which the constant stands for
        free = parameters[plain:].reshape(len(knots), -1)
        return _Curves(
            season=parameters[:plain],
            knots=np.array(knots),
            coefficients=np.pad(free, ((0, 0), (1, 0))),
            columns=np.flatnonzero(varied),
            low=low,
            high=high,
            before=before,
        )

    def _splines(
        self, level: np.ndarray, places: np.ndarray, season: np.ndarray
    ) -> tuple[BSplines, np.ndarray]:
        """Return the splines of columns (row, curve) between 0 and 1, and all parameters."""
        count = places.shape[1]
        splines = BSplines(places, df=[KNOTS] * count, degree=[DEGREE] * count)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what does not converge is told of below
            fitted = GLMGam(
                level, exog=season, smoother=splines, alpha=[self.penalty] * count
            ).fit()
        parameters = np.asarray(fitted.params, float)
        if not np.isfinite(parameters).all() or not fitted.converged:
            raise ValueError(
                "The fit of an additive model must converge to finite curves. Received "
                f"{int(np.isnan(parameters).sum())} of {parameters.size} parameters NaN. Leave the "
                "model out at this well, or raise its penalty."
            )
        return splines, parameters

    def _season(self, observations: xr.Dataset) -> np.ndarray:
        """Return a constant and the harmonics of the year, shape (time, column)."""
        days = pd.DatetimeIndex(observations[schema.TIME].values).day_of_year.to_numpy()
        angle = 2 * np.pi * days / 365.25
        waves = [f(k * angle) for k in range(1, self.harmonics + 1) for f in (np.sin, np.cos)]
        return np.column_stack([np.ones(days.size), *waves])


def _edges(year: float) -> np.ndarray:
    return np.asarray(np.unique(np.round(np.array(EDGES_YEARS) * year).astype(int)))
