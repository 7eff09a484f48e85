"""Statistical baselines in state space form, fitted by statsmodels for each well."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import statsmodels.api as sm
import xarray as xr

from gwforecast import schema
from gwforecast.data.forcing import Forcing, ObservedWeather
from gwforecast.models.base import Progress, through_periods, well_positions
from gwforecast.models.kalman import StateSpace
from gwforecast.models.statistical import LinearLagged
from gwforecast.sequences.split import Period, Split

__all__ = ["DynamicRegression", "ExponentialSmoothing", "UnobservedComponents"]


@contextmanager
def _told_once() -> Iterator[None]:
    """Keep a mean's warnings back: its failures are this model's, which warns of them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*could not be fitted at well")
        yield


class DynamicRegression(StateSpace):
    """Regress the level on lagged means of the weather, with ARMA errors.

    The main method of Clark et al. [1]_: the mean is that of
    :class:`gwforecast.models.statistical.LinearLagged`, chosen and fitted in the same way; its
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
    mean_ : LinearLagged
        The mean.

    References
    ----------
    .. [1] Clark, S., Hyndman, R. J., Pagendam, D., and Ryan, L. M. (2020). Modern strategies for
       time series regression. International Statistical Review 88, S179-S204.
       https://doi.org/10.1111/insr.12432
    """

    name = "arma_regression"

    mean_: LinearLagged

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
            self.mean_ = LinearLagged(covariates=self.covariates).fit(observations, split=split)
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


class ExponentialSmoothing(StateSpace):
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
