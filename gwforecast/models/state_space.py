"""Statistical baselines in state space form: fitted once by statsmodels, issued from any moment.

Gaps are no trouble to a Kalman filter, and one pass of it tells the state at every issue time, from
the levels up to it. So a thousand origins cost no more than one.
"""

from __future__ import annotations

import abc
import copy
import warnings
from typing import Any, Self

import numpy as np
import statsmodels.api as sm
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.forcing import Forcing
from gwforecast.models.base import Forecaster, Progress, through_periods
from gwforecast.models.statistical import LinearLagged
from gwforecast.sequences.split import Period, Split

__all__ = ["DynamicRegression", "ExponentialSmoothing", "UnobservedComponents"]

MOST_YEARS = 12  # of the fitted rows, the last ones, from which the parameters are estimated
FEWEST_LEVELS = 30
ITERATIONS = 60


class _StateSpace(Forecaster):
    """A model of one series for each well, in state space form.

    Attributes
    ----------
    parameters_ : dict of str to numpy.ndarray
        By well.
    failed_ : dict of str to str
        Wells that could not be fitted and why; they have no forecast.
    """

    parameters_: dict[str, np.ndarray]
    orders_: dict[str, tuple[int, ...]]
    failed_: dict[str, str]

    @abc.abstractmethod
    def _model(self, series: np.ndarray, order: tuple[int, ...], *, year: float) -> Any:
        """Return the statsmodels model of a series (time,), NaN where not observed."""

    def _orders(self) -> list[tuple[int, ...]]:
        """Return the orders to choose from by Akaike's criterion."""
        return [()]

    def _series(self, observations: xr.Dataset) -> xr.DataArray:
        """Return what is modelled, dims (well, time), m: here the levels."""
        return observations[schema.LEVEL].transpose(schema.WELL, schema.TIME)

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Fit each well on the train rows; the orders are those with the smallest AIC on them."""
        self._learn(observations, split.rows(observations, "train"), None, progress)
        return self

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster, fitted on all rows through a period, with the same orders."""
        again = copy.copy(self)
        rows = split.rows(observations, *through_periods(through))
        again._learn(observations, rows, self.orders_, progress)
        return again

    def forecast(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
    ) -> xr.Dataset:
        """Return the levels after each issue time, (well, issue_time, lead_time), m.

        The forcing is not used: these models know no weather.
        """
        del forcing
        level = self._issue(self._series(observations), issue_times=issue_times, horizon=horizon)
        return self._labelled(level, observations, issue_times)

    def _labelled(
        self, level: np.ndarray, observations: xr.Dataset, issue_times: np.ndarray
    ) -> xr.Dataset:
        return schema.label_forecast(
            level,
            wells=observations[schema.WELL].values.tolist(),
            issue_times=issue_times,
            frequency=timeline.infer_frequency(observations[schema.TIME].values),
        )

    def _learn(
        self,
        observations: xr.Dataset,
        rows: xr.DataArray,
        orders: dict[str, tuple[int, ...]] | None,
        progress: Progress | None,
    ) -> None:
        series = self._series(observations).where(rows).transpose(schema.WELL, schema.TIME).values
        year = _year(observations)
        wells = [str(well) for well in observations[schema.WELL].values]
        self.parameters_, self.orders_, self.failed_ = {}, {}, {}
        for number, (well, values) in enumerate(zip(wells, series, strict=True)):
            choices = self._orders() if orders is None else [orders.get(well, self._orders()[0])]
            try:
                self.orders_[well], self.parameters_[well] = self._fit_well(values, choices, year)
            except (ValueError, np.linalg.LinAlgError) as error:
                self.failed_[well] = str(error)
                warnings.warn(
                    f"{self.name!r} could not be fitted at well {well!r}, which has no forecast of "
                    f"it now: {error}",
                    stacklevel=4,
                )
            if progress is not None:
                progress(f"fit {self.name}", number + 1, len(wells))

    def _fit_well(
        self, values: np.ndarray, choices: list[tuple[int, ...]], year: float
    ) -> tuple[tuple[int, ...], np.ndarray]:
        known = np.flatnonzero(np.isfinite(values))
        if known.size < FEWEST_LEVELS:
            raise ValueError(
                f"A state space model needs at least {FEWEST_LEVELS} levels. Received "
                f"{known.size}. Use a longer record."
            )
        first = max(known[0], known[-1] + 1 - round(MOST_YEARS * year))
        values = values[first : known[-1] + 1]
        best: tuple[float, tuple[int, ...], np.ndarray] | None = None
        for order in choices:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what matters is recorded in failed_
                try:
                    result = self._model(values, order, year=year).fit(
                        disp=False, maxiter=ITERATIONS, low_memory=True
                    )
                except (ValueError, np.linalg.LinAlgError):
                    continue
            sound = np.isfinite(result.aic) and np.isfinite(result.params).all()
            if sound and (best is None or result.aic < best[0]):
                best = float(result.aic), order, np.asarray(result.params, float)
        if best is None:
            raise ValueError(
                "A state space model needs a likelihood with a maximum. Received none for any of "
                f"the orders {choices}. Leave the model out at this well."
            )
        return best[1], best[2]

    def _issue(self, series: xr.DataArray, *, issue_times: np.ndarray, horizon: int) -> np.ndarray:
        """Return the forecasts of a series (well, time), shape (well, issue_time, lead_time)."""
        times = series[schema.TIME].values
        issued = timeline.time_positions(times, issue_times, name="issue time")
        year = _year(series)
        level = np.full((series.sizes[schema.WELL], issued.size, horizon), np.nan)
        for number, well in enumerate(map(str, series[schema.WELL].values)):
            if well not in self.parameters_:
                continue
            values = series.values[number]
            known = np.flatnonzero(np.isfinite(values[: issued.max() + 1]))
            if known.size == 0:
                continue
            first, last = int(known[0]), int(issued.max()) + 1
            model = self._model(values[first:last], self.orders_[well], year=year)
            found = model.filter(self.parameters_[well], low_memory=False)
            served = issued >= first
            level[number, served] = _ahead(found, issued[served] - first, horizon)
        return level


def _ahead(result: Any, steps: np.ndarray, horizon: int) -> np.ndarray:
    """Return what a filter forecasts from each step, shape (step, lead_time)."""
    transition = result.filter_results.transition[..., -1]
    design = result.filter_results.design[0, :, -1]
    offset = float(result.filter_results.obs_intercept[0, -1])
    state = result.filter_results.predicted_state[:, steps + 1]  # one step after each
    ahead = np.empty((steps.size, horizon))
    for lead in range(horizon):
        ahead[:, lead] = (design[:, None] * state).sum(axis=0) + offset
        # not a matrix product, whose rounding would depend on the number of steps
        state = (transition[:, :, None] * state).sum(axis=1)
    return ahead


def _year(data: xr.Dataset | xr.DataArray) -> float:
    return timeline.steps_per_year(timeline.infer_frequency(data[schema.TIME].values))


class DynamicRegression(_StateSpace):
    """Regress the level on lagged means of the weather, with ARMA errors.

    The main method of Clark et al. (2020, doi:10.1007/s10040-019-02095-9 is its kin in hydrology):
    the mean is that of :class:`gwforecast.models.statistical.LinearLagged`, chosen and fitted in
    the same way; its errors on the fitted rows are an ARMA process, whose orders have the smallest
    Akaike criterion on the train rows.

    Parameters
    ----------
    orders : sequence of (int, int)
        Orders p and q to choose from.
    """

    name = "arma_regression"

    def __init__(
        self, *, orders: tuple[tuple[int, int], ...] = ((1, 0), (2, 0), (3, 0), (1, 1), (2, 1))
    ) -> None:
        self.orders = tuple((int(p), int(q)) for p, q in orders)
        self.mean_ = LinearLagged()

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Fit mean and errors on the train rows."""
        self.mean_ = LinearLagged().fit(observations, split=split)
        return super().fit(observations, split=split, progress=progress)

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster, fitted on all rows through a period, with the same orders."""
        again = copy.copy(self)
        again.mean_ = self.mean_.refit(observations, split=split, through=through)
        rows = split.rows(observations, *through_periods(through))
        again._learn(observations, rows, self.orders_, progress)
        return again

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the mean, (well, time), m."""
        return self.mean_.simulate(observations)

    def forecast(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
    ) -> xr.Dataset:
        """Return the levels after each issue time, (well, issue_time, lead_time, member), m.

        There is a member for each version of the weather.
        """
        error = self._issue(self._series(observations), issue_times=issue_times, horizon=horizon)
        mean = self.mean_.project(
            observations, issue_times=issue_times, horizon=horizon, forcing=forcing
        )
        level = mean.values[..., 0] + error[..., None]
        return self._labelled(level, observations, issue_times)

    def _orders(self) -> list[tuple[int, ...]]:
        return list(self.orders)

    def _series(self, observations: xr.Dataset) -> xr.DataArray:
        mean = self.mean_.simulate(observations)[schema.LEVEL]
        return (observations[schema.LEVEL] - mean).transpose(schema.WELL, schema.TIME)

    def _model(self, series: np.ndarray, order: tuple[int, ...], *, year: float) -> Any:
        del year
        p, q = order
        return sm.tsa.SARIMAX(series, order=(p, 0, q), concentrate_scale=True)


class ExponentialSmoothing(_StateSpace):
    """Smooth the level exponentially, with a damped trend; it knows no weather and no season.

    The state space form with additive errors of Hyndman et al. (2008,
    doi:10.1007/978-3-540-71918-2), which bridges gaps.
    """

    name = "ets"

    def _model(self, series: np.ndarray, order: tuple[int, ...], *, year: float) -> Any:
        del order, year
        # a start at the first level is as good as one that is fitted, and needs no row without gaps
        return sm.tsa.statespace.ExponentialSmoothing(
            series,
            trend=True,
            damped_trend=True,
            initialization_method="known",
            initial_level=float(series[np.isfinite(series)][0]),
            initial_trend=0.0,
        )


class UnobservedComponents(_StateSpace):
    """Take the level apart: a wandering mean, the year in harmonics and an autoregression.

    It knows no weather. Harvey (1989, doi:10.1017/CBO9781107049994).

    Parameters
    ----------
    harmonics : int
        Pairs of sine and cosine of the year.
    """

    name = "unobserved_components"

    def __init__(self, *, harmonics: int = 2) -> None:
        self.harmonics = harmonics

    def _model(self, series: np.ndarray, order: tuple[int, ...], *, year: float) -> Any:
        del order
        return sm.tsa.UnobservedComponents(
            series,
            level="llevel",
            autoregressive=1,
            freq_seasonal=[{"period": year, "harmonics": self.harmonics}],
            stochastic_freq_seasonal=[False],
        )
