"""What statistical baselines in state space form share: one fit, forecasts from any moment.

Gaps are no trouble to a Kalman filter, and one pass of it tells the state at every issue time, from
the levels up to it. So a thousand origins cost no more than one. Parameters are estimated from the
last twelve years of the fitted rows, which bounds the time of a fit of daily levels to seconds.

Statistical baselines in state space form, fitted by statsmodels for each well.
"""

from __future__ import annotations

import abc
import copy
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import statsmodels.api as sm
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.models.base import Forecaster, through_periods, well_positions
from gwforecast.models.linear import Linear
from gwforecast.progress import Progress
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Period, Split

__all__ = ["ETS", "ARMARegression", "StateSpace", "UnobservedComponents"]


MOST_YEARS = 12  # of the fitted rows, the last ones, from which the parameters are estimated
FEWEST_LEVELS = 30
SMALLEST_SPAN = 1e-9  # m
ITERATIONS = 200  # of the optimiser, far more than a sound fit takes


class StateSpace(Forecaster):
    """A model of one series for each well, in state space form.

    Attributes
    ----------
    wells_ : numpy.ndarray of str
        The wells that were given.
    parameters_ : dict of str to numpy.ndarray
        By well, as statsmodels orders them.
    orders_ : dict of str to tuple of int
        By well; empty where there is no choice.
    failed_ : dict of str to str
        Wells that could not be fitted and why; they have no forecast.
    """

    wells_: np.ndarray
    parameters_: dict[str, np.ndarray]
    orders_: dict[str, tuple[int, ...]]
    failed_: dict[str, str]
    _frequency: str
    _optimisers: tuple[str, ...] = ("lbfgs",)  # each starts where the one before ended

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

        Raises
        ------
        SchemaError
            If a well was not fitted, the frequency is another, or an issue time is no step.
        """
        del forcing
        well_positions(observations, self.wells_, name=self.name)
        level = self._issue(self._series(observations), issue_times=issue_times, horizon=horizon)
        return self._labelled(level, observations, issue_times)

    def covariates_of(self, observations: xr.Dataset) -> list[str]:  # noqa: ARG002
        """Return no name: these models know no weather."""
        return []

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
        self.wells_ = observations[schema.WELL].values
        self._frequency = timeline.infer_frequency(observations[schema.TIME].values)
        series = self._series(observations).where(rows).transpose(schema.WELL, schema.TIME).values
        year = timeline.steps_per_year(self._frequency)
        self.parameters_, self.orders_, self.failed_ = {}, {}, {}
        before = self._failed_before()
        for number, well in enumerate(map(str, self.wells_)):
            choices = self._orders() if orders is None else [orders.get(well, self._orders()[0])]
            try:
                if well in before:
                    raise ValueError(before[well])
                self.orders_[well], self.parameters_[well] = self._fit_well(
                    series[number], choices, year
                )
            except (ValueError, np.linalg.LinAlgError) as error:
                self.failed_[well] = str(error)
                warnings.warn(
                    f"{self.name!r} could not be fitted at well {well!r}, which has no forecast of "
                    f"it now: {error}",
                    stacklevel=4,
                )
            if progress is not None:
                progress(f"fit {self.name}", number + 1, self.wells_.size)

    def _failed_before(self) -> dict[str, str]:
        """Return the wells that have nothing to model, and why."""
        return {}

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
        span = float(np.nanmax(values) - np.nanmin(values))
        if span < SMALLEST_SPAN:
            raise ValueError(
                f"A state space model needs levels that vary. Received a span of {span:g} m in the "
                f"last {MOST_YEARS} years. Leave the model out at this well."
            )
        found = [(order, *self._likeliest(values, order, year)) for order in choices]
        best = min(found, key=lambda fit: fit[1])
        if not np.isfinite(best[1]):
            raise ValueError(
                "The likelihood of a state space model must be brought to its maximum. Received "
                f"none in {ITERATIONS} iterations"
                + (f" for any of the orders {choices}" if choices != [()] else "")
                + ". Leave the model out at this well."
            )
        return best[0], best[2]

    def _likeliest(
        self, values: np.ndarray, order: tuple[int, ...], year: float
    ) -> tuple[float, np.ndarray]:
        """Return Akaike's criterion and the parameters; infinite where there is no maximum."""
        best, parameters = np.inf, np.empty(0)
        start: np.ndarray | None = None
        for method in self._optimisers:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a fit that does not converge is told of
                try:
                    result = self._model(values, order, year=year).fit(
                        start, method=method, disp=False, maxiter=ITERATIONS, low_memory=True
                    )
                except (ValueError, RuntimeError, np.linalg.LinAlgError):
                    continue
            found = np.asarray(result.params, float)
            if np.isfinite(found).all() and result.mle_retvals["converged"] and result.aic < best:
                best, parameters, start = float(result.aic), found, found
        return best, parameters

    def _issue(self, series: xr.DataArray, *, issue_times: np.ndarray, horizon: int) -> np.ndarray:
        """Return the forecasts of a series (well, time), shape (well, issue_time, lead_time)."""
        times = series[schema.TIME].values
        issued = timeline.time_positions(times, issue_times, name="issue time")
        frequency = timeline.infer_frequency(times)
        if frequency != self._frequency:
            raise SchemaError(
                f"A state space model forecasts the frequency it was fitted on. Received "
                f"{frequency}, fitted was {self._frequency}. Fit {self.name!r} on this frequency."
            )
        year = timeline.steps_per_year(frequency)
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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the scale of a single level, which is not used
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


@contextmanager
def _told_once() -> Iterator[None]:
    """Keep a mean's warnings back: its failures are this model's, which warns of them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*could not be fitted at well")
        yield


class ARMARegression(StateSpace):
    """Regress the level on lagged means of the weather, with ARMA errors.

    The main method of Clark et al. [1]_: the mean is that of
    :class:`gwforecast.models.linear.Linear`, chosen and fitted in the same way; its
    errors on the fitted rows are an ARMA process (statsmodels' SARIMAX), whose orders have the
    smallest Akaike criterion on the train rows. Mean and errors are fitted one after the other, so
    that the ridge penalty keeps the mean sound where covariates are many.

    Parameters
    ----------
    orders : iterable of (int, int)
        Orders p and q to choose from.
    covariates : iterable of str, optional
        By default all, but for those of kind ``"season"``, as the mean has harmonics of the year.

    Attributes
    ----------
    mean_ : Linear
        The mean.

    References
    ----------
    .. [1] Clark, S., Hyndman, R. J., Pagendam, D., and Ryan, L. M. (2020). Modern strategies for
       time series regression. International Statistical Review 88, S179-S204.
       https://doi.org/10.1111/insr.12432
    """

    name = "arma_regression"

    mean_: Linear

    def __init__(
        self,
        *,
        orders: Iterable[Iterable[int]] = ((1, 0), (2, 0), (3, 0), (1, 1), (2, 1)),
        covariates: Iterable[str] | None = None,
    ) -> None:
        self.orders = tuple(tuple(order) for order in orders)
        self.covariates = None if covariates is None else tuple(covariates)
        wrong = [order for order in self.orders if len(order) != 2 or min(order) < 0]
        if wrong or not self.orders:
            raise ValueError(
                "Orders of ARMA errors are one or more pairs p and q, each at least 0. Received "
                f"{wrong[0] if wrong else 'none'}. Leave them out for the usual ones."
            )

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Fit mean and errors on the train rows."""
        with _told_once():
            self.mean_ = Linear(covariates=self.covariates).fit(observations, split=split)
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
        with _told_once():
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
        """Return the levels after each issue time, (well, issue_time, lead_time[, member]), m.

        There is a member for each version of the weather, and no members where it is observed.
        """
        well_positions(observations, self.wells_, name=self.name)
        error = self._issue(self._series(observations), issue_times=issue_times, horizon=horizon)
        mean = self.mean_.project(
            observations, issue_times=issue_times, horizon=horizon, forcing=forcing
        )
        level = mean.values[..., 0] + error[..., None]
        if isinstance(forcing, ObservedWeather):
            level = level[..., 0]
        return self._labelled(level, observations, issue_times)

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather before a level the mean depends on."""
        return self.mean_.memory(frequency)

    def covariates_of(self, observations: xr.Dataset) -> list[str]:
        """Return the names of the covariates of the mean."""
        return self.mean_.covariates_of(observations)

    def _orders(self) -> list[tuple[int, ...]]:
        return list(self.orders)

    def _failed_before(self) -> dict[str, str]:
        return self.mean_.failed_

    def _series(self, observations: xr.Dataset) -> xr.DataArray:
        mean = self.mean_.simulate(observations)[schema.LEVEL]
        return (observations[schema.LEVEL] - mean).transpose(schema.WELL, schema.TIME)

    def _model(self, series: np.ndarray, order: tuple[int, ...], *, year: float) -> Any:
        del year
        p, q = order
        return sm.tsa.SARIMAX(series, order=(p, 0, q), concentrate_scale=True)


class ETS(StateSpace):
    """Smooth the level exponentially, with a damped trend; it knows no weather and no season.

    The linear state space form with additive errors [1]_, which bridges gaps. A season of 365 or 52
    states would be more than the levels of most wells can tell; the season of
    :class:`UnobservedComponents` has few.

    References
    ----------
    .. [1] Hyndman, R. J., Koehler, A. B., Ord, J. K., and Snyder, R. D. (2008). Forecasting with
       exponential smoothing. Springer. https://doi.org/10.1007/978-3-540-71918-2
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


class UnobservedComponents(StateSpace):
    """Take the level apart: a wandering mean, the year in harmonics and an autoregression.

    A random walk, a fixed season and an autoregression of order one [1]_. It knows no weather.

    Parameters
    ----------
    harmonics : int
        Pairs of sine and cosine of the year, at least 1.

    References
    ----------
    .. [1] Harvey, A. C. (1989). Forecasting, structural time series models and the Kalman filter.
       Cambridge University Press. https://doi.org/10.1017/CBO9781107049994
    """

    name = "unobserved_components"
    _optimisers = ("powell", "lbfgs")  # from its usual start alone lbfgs ends at lesser maxima

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
