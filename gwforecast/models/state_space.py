"""Statistical baselines in state space form, fitted by statsmodels for each well.

A Kalman filter handles gaps, and one pass of it gives the state at every issue time from the levels
up to it, so that a thousand issue times cost no more than one. Parameters are estimated from the
last twelve years of the fitted rows, which keeps a fit of daily levels to seconds.
"""

from __future__ import annotations

import abc
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import statsmodels.api as sm
import xarray as xr
from annotated_types import Ge, MinLen

from gwforecast import schema, timeline
from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.models.base import Forecaster, NeedOfWeather, setting
from gwforecast.models.linear import Linear
from gwforecast.models.per_well import PerWell, WellRecord, require_varying
from gwforecast.models.state import Shape, well_positions, with_prefix, without_prefix
from gwforecast.sequences.split import Period, Split

__all__ = ["ETS", "ARMARegression", "StateSpace", "StateSpaceFit", "UnobservedComponents"]

MOST_YEARS = 12  # of the fitted rows, the last ones, from which the parameters are estimated
FEWEST_LEVELS = 30
ITERATIONS = 200  # of the optimiser, far more than a sound fit needs


@dataclass(frozen=True, eq=False)
class StateSpaceFit:
    """The fit of one well."""

    order: tuple[int, ...]  # empty where there is no choice
    parameters: Annotated[np.ndarray, Shape("parameter")]  # in the order of statsmodels


class StateSpace(PerWell[StateSpaceFit]):
    """A model of one series for each well, in state space form."""

    fit_type = StateSpaceFit
    needs_weather: ClassVar[NeedOfWeather] = "never"
    _optimisers: tuple[str, ...] = ("lbfgs",)  # each starts where the one before ended

    @abc.abstractmethod
    def _model(self, series: np.ndarray, order: tuple[int, ...], *, year: float) -> Any:
        """Return the statsmodels model of a series (time,), NaN where not observed."""

    @abc.abstractmethod
    def _parameter_count(self, order: tuple[int, ...]) -> int:
        """Return how many parameters a model has."""

    def _orders(self) -> list[tuple[int, ...]]:
        """Return the orders to choose from by Akaike's criterion."""
        return [()]

    simulate = Forecaster.simulate
    simulate_versions = Forecaster.simulate_versions
    memory = Forecaster.memory

    def simulate_well(
        self, fit: StateSpaceFit, weather: np.ndarray, times: np.ndarray
    ) -> np.ndarray:
        """Return no level: these models know no weather."""
        del fit, times
        return np.full(weather.shape[:-1], np.nan)

    def choose_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:  # noqa: ARG002
        """Return no name: these models use no weather."""
        return ()

    def covariates_of(self, observations: xr.Dataset) -> list[str]:  # noqa: ARG002
        """Return no name, also before a fit."""
        return []

    def forecast(
        self, observations: xr.Dataset, *, issue_times: np.ndarray, horizon: int, forcing: Forcing
    ) -> xr.Dataset:
        """Return the levels after each issue time, (well, issue_time, lead_time), m.

        The forcing is not used: these models use no weather.
        """
        del forcing
        level = self._issue(observations, issue_times=issue_times, horizon=horizon)
        return self._label_issued(level, observations, issue_times)

    def fit_well(self, record: WellRecord, previous: StateSpaceFit | None) -> StateSpaceFit:
        """Return the fit with the smallest Akaike criterion; in a refit the order is kept."""
        choices = self._orders()[: 1 if record.refit else None]
        if previous is not None:
            choices = [previous.order]
        year = timeline.steps_per_year(self._frequency)
        series = _last_years(record.level, year)
        found = [(order, *self._likeliest(series, order, year)) for order in choices]
        order, criterion, parameters = min(found, key=lambda fit: fit[1])
        if not np.isfinite(criterion):
            raise ValueError(
                "The likelihood of a state space model must reach a maximum. Received none in "
                f"{ITERATIONS} iterations"
                + (f" for any of the orders {choices}" if choices != [()] else "")
                + ". Leave the model out at this well."
            )
        return StateSpaceFit(order, parameters)

    def check_fit(self, fit: StateSpaceFit) -> None:
        """Raise a ValueError if a stored fit has another number of orders or parameters."""
        orders = len(self._orders()[0])
        if len(fit.order) != orders or fit.parameters.size != self._parameter_count(fit.order):
            raise ValueError(
                f"a model of the order {fit.order} has other parameters than the "
                f"{fit.parameters.size} stored"
            )

    def _label_issued(
        self, level: np.ndarray, observations: xr.Dataset, issue_times: np.ndarray
    ) -> xr.Dataset:
        return schema.label_forecast(
            level,
            wells=observations[schema.WELL].values.tolist(),
            issue_times=issue_times,
            frequency=timeline.infer_frequency(observations[schema.TIME].values),
        )

    def _likeliest(
        self, values: np.ndarray, order: tuple[int, ...], year: float
    ) -> tuple[float, np.ndarray]:
        """Return Akaike's criterion and the parameters; infinite where there is no maximum."""
        best, parameters = np.inf, np.empty(0)
        start: np.ndarray | None = None
        for method in self._optimisers:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a fit that does not converge is an error later
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

    def _issue(
        self, observations: xr.Dataset, *, issue_times: np.ndarray, horizon: int
    ) -> np.ndarray:
        """Return the forecasts of the fitted series, shape (well, issue_time, lead_time), m."""
        well_positions(observations, self.wells_, name=self.name)
        self._check_like_fitted(observations)
        series = self.target_of(observations)
        times = series[schema.TIME].values
        issued = timeline.time_positions(times, issue_times, name="issue time")
        year = timeline.steps_per_year(self._frequency)
        level = np.full((series.sizes[schema.WELL], issued.size, horizon), np.nan)
        for number, well in enumerate(schema.well_names(series)):
            if well in self.constant_:
                level[number] = self.constant_[well]
            if well not in self.fits_:
                continue
            values = series.values[number]
            known = np.flatnonzero(np.isfinite(values[: issued.max() + 1]))
            if known.size == 0:
                continue
            first, last = int(known[0]), int(issued.max()) + 1
            fit = self.fits_[well]
            model = self._model(values[first:last], fit.order, year=year)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the scale of a single level, which is not used
                found = model.filter(fit.parameters, low_memory=False)
            served = issued >= first
            level[number, served] = _ahead(found, issued[served] - first, horizon)
        return level


def _last_years(values: np.ndarray, year: float) -> np.ndarray:
    """Return the last years of a series, from a level to a level; refuse one with too few."""
    known = np.flatnonzero(np.isfinite(values))
    if known.size < FEWEST_LEVELS:
        raise ValueError(
            f"A state space model needs at least {FEWEST_LEVELS} levels. Received {known.size}. "
            "Use a longer record."
        )
    first = max(known[0], known[-1] + 1 - round(MOST_YEARS * year))
    values = values[first : known[-1] + 1]
    require_varying(values, "A state space model needs", where=f" in the last {MOST_YEARS} years")
    return values


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


@dataclass(kw_only=True, eq=False)
class ARMARegression(StateSpace):
    """Regress the level on lagged means of the weather, with ARMA errors.

    The main method of Clark et al. [1]_: the mean is a regression
    :class:`gwforecast.models.linear.Linear`; its errors on the fitted rows are an ARMA process
    (statsmodels' SARIMAX), whose orders are those with the smallest Akaike criterion on the train
    rows. Mean and errors are fitted one after the other, so that the ridge penalty keeps the mean
    stable where there are many covariates.

    Parameters
    ----------
    orders : sequence of (int, int)
        Orders p and q to choose from.
    covariates : sequence of str, optional
        By default all, except those of kind ``"season"``, as the mean has harmonics of the year.
    name : str
        Name in tables and files.

    References
    ----------
    .. [1] Clark, S., Hyndman, R. J., Pagendam, D., and Ryan, L. M. (2020). Modern strategies for
       time series regression. International Statistical Review 88, S179-S204.
       https://doi.org/10.1111/insr.12432
    """

    orders: Annotated[Sequence[tuple[Annotated[int, Ge(0)], Annotated[int, Ge(0)]]], MinLen(1)] = (
        setting(((1, 0), (2, 0), (3, 0), (1, 1), (2, 1)))
    )
    covariates: Sequence[str] | None = None
    name: str = "arma_regression"
    needs_weather: ClassVar[NeedOfWeather] = "simulation"
    mean_: Linear = field(init=False, repr=False)

    def choose_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:
        """Return the covariates of the mean."""
        return Linear(covariates=self.covariates).choose_covariates(observations)

    def prepare(
        self, observations: xr.Dataset, split: Split, *, through: Period, previous: Self | None
    ) -> None:
        """Fit or refit the mean; its failures are reported as failures of this model."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*could not be fitted at well")
            if previous is None:
                self.mean_ = Linear(covariates=self.covariates).fit(observations, split=split)
            else:
                self.mean_ = previous.mean_.refit(observations, split=split, through=through)

    def target_of(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the errors of the mean, dims (well, time), m."""
        mean = self.mean_.simulate(observations)[schema.LEVEL]
        return (observations[schema.LEVEL] - mean).transpose(schema.WELL, schema.TIME)

    def fit_well(self, record: WellRecord, previous: StateSpaceFit | None) -> StateSpaceFit:
        """Return the fit of the errors, or refuse a well without a mean."""
        if record.well in self.mean_.failed_:
            raise ValueError(self.mean_.failed_[record.well])
        return super().fit_well(record, previous)

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the mean, (well, time), m."""
        return self.mean_.simulate(observations)

    def forecast(
        self, observations: xr.Dataset, *, issue_times: np.ndarray, horizon: int, forcing: Forcing
    ) -> xr.Dataset:
        """Return the levels after each issue time, (well, issue_time, lead_time[, member]), m.

        There is a member for each version of the weather, and no members where it is observed.
        """
        error = self._issue(observations, issue_times=issue_times, horizon=horizon)
        mean = self.mean_.project(
            observations, issue_times=issue_times, horizon=horizon, forcing=forcing
        )
        level = mean.values[..., 0] + error[..., None]
        if isinstance(forcing, ObservedWeather):
            level = level[..., 0]
        return self._label_issued(level, observations, issue_times)

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather the mean depends on."""
        return self.mean_.memory(frequency)

    def covariates_of(self, observations: xr.Dataset) -> list[str]:
        """Return the names of the covariates of the mean."""
        return self.mean_.covariates_of(observations)

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the fits of the errors and the mean; arrays of the mean begin with ``mean.``."""
        description, arrays = super().to_state()
        mean, of_mean = self.mean_.to_state()
        return {**description, "mean": mean}, arrays | with_prefix("mean", of_mean)

    @classmethod
    def from_state(cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the fitted forecaster that :meth:`to_state` described."""
        one = super().from_state(description, arrays)
        one.mean_ = Linear.from_state(description["mean"], without_prefix("mean", arrays))
        if one.mean_.wells_.tolist() != one.wells_.tolist():
            raise ValueError("the mean is of other wells than the errors")
        return one

    def _orders(self) -> list[tuple[int, ...]]:
        return [tuple(order) for order in self.orders]

    def _parameter_count(self, order: tuple[int, ...]) -> int:
        return sum(order)

    def _model(self, series: np.ndarray, order: tuple[int, ...], *, year: float) -> Any:
        del year
        p, q = order
        return sm.tsa.SARIMAX(series, order=(p, 0, q), concentrate_scale=True)


@dataclass(kw_only=True, eq=False)
class ETS(StateSpace):
    """Smooth the level exponentially, with a damped trend and without a season.

    The linear state space form with additive errors [1]_, which handles gaps. It uses no weather. A
    season of 365 or 52 states would be more than the levels of most wells can determine; the season
    of :class:`UnobservedComponents` has few.

    Parameters
    ----------
    name : str
        Name in tables and files.

    References
    ----------
    .. [1] Hyndman, R. J., Koehler, A. B., Ord, J. K., and Snyder, R. D. (2008). Forecasting with
       exponential smoothing. Springer. https://doi.org/10.1007/978-3-540-71918-2
    """

    name: str = "ets"

    def _parameter_count(self, order: tuple[int, ...]) -> int:
        del order
        return 3  # smoothing of level and trend, damping

    def _model(self, series: np.ndarray, order: tuple[int, ...], *, year: float) -> Any:
        del order, year
        # starting at the first level is as good as a fitted start, and needs no rows without gaps
        return sm.tsa.statespace.ExponentialSmoothing(
            series,
            trend=True,
            damped_trend=True,
            initialization_method="known",
            initial_level=float(series[np.isfinite(series)][0]),
            initial_trend=0.0,
        )


@dataclass(kw_only=True, eq=False)
class UnobservedComponents(StateSpace):
    """Decompose the level into a random walk, an annual cycle and an autoregression.

    The cycle has fixed harmonics, the autoregression is of order one [1]_. It uses no weather.

    Parameters
    ----------
    harmonics : int
        Pairs of sine and cosine of the year, at least 1.
    name : str
        Name in tables and files.

    References
    ----------
    .. [1] Harvey, A. C. (1989), https://doi.org/10.1017/CBO9781107049994.
    """

    harmonics: Annotated[int, Ge(1)] = 2
    name: str = "unobserved_components"

    stored_settings = ("harmonics",)
    _optimisers = ("powell", "lbfgs")  # lbfgs alone ends at smaller maxima from its usual start

    def _parameter_count(self, order: tuple[int, ...]) -> int:
        del order
        return 4  # variances of irregular, level and autoregression, and its coefficient

    def _model(self, series: np.ndarray, order: tuple[int, ...], *, year: float) -> Any:
        del order
        return sm.tsa.UnobservedComponents(
            series,
            level="llevel",
            autoregressive=1,
            freq_seasonal=[{"period": year, "harmonics": self.harmonics}],
            stochastic_freq_seasonal=[False],
        )
