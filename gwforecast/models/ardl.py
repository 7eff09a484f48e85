"""Autoregression with distributed lags of the weather, for records with gaps of any length.

An autoregression of order one of unevenly observed levels on columns of weather, by statsmodels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import xarray as xr
from annotated_types import Ge, MinLen
from scipy.optimize import minimize_scalar
from scipy.signal import lfilter
from statsmodels.regression.linear_model import WLS, RegressionResults

from gwforecast import schema, timeline
from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.models.base import NeedOfWeather, setting
from gwforecast.models.per_well import PerWell, WellRecord, require_varying
from gwforecast.models.state import Shape

__all__ = ["ARDL", "Autoregression", "autoregress"]

FEWEST_PAIRS = 30
LEFT = 0.01  # share of the memory of a gap in the weather below which levels are given again
MOST_YEARS = 12  # of the fitted rows, the last ones
LONGEST_YEARS = 10  # of the memory of the level


@dataclass(frozen=True, eq=False)
class Autoregression:
    """The fitted autoregression of one well; means are of the fitted rows."""

    phi: float  # coefficient of the level one step before
    mean: float  # level under mean columns, m
    center: Annotated[np.ndarray, Shape("column")]  # mean of each column
    coefficients: Annotated[np.ndarray, Shape("column")]  # m per unit
    lookback: int  # steps of weather within the columns
    before: Annotated[np.ndarray, Shape("covariate")]  # mean of each covariate
    criterion: float  # of Schwarz

    def simulate(self, columns: np.ndarray) -> np.ndarray:
        """Return the level in m of columns (time, column), starting at the mean level.

        After a row with a missing value the level is NaN until the memory of that row has faded to
        a hundredth.
        """
        missing = ~np.isfinite(columns).all(axis=1)
        drive = np.where(missing, 0.0, self._drive(columns))
        level = lfilter([1.0], [1.0, -self.phi], drive) + self.mean
        faded = int(np.ceil(np.log(LEFT) / np.log(self.phi)))
        step = np.arange(len(columns))
        gap = np.maximum.accumulate(np.where(missing, step, -1))
        return np.where((gap >= 0) & (step - gap <= faded), np.nan, level)

    def proceed(self, columns: np.ndarray, *, level: float) -> np.ndarray:
        """Return the levels (version, time) in m that follow one level, m.

        The columns have the shape (version, time, column).
        """
        start = np.full((len(columns), 1), self.phi * (level - self.mean))
        ahead, _ = lfilter([1.0], [1.0, -self.phi], self._drive(columns), axis=-1, zi=start)
        return np.asarray(ahead + self.mean)

    def _drive(self, columns: np.ndarray) -> np.ndarray:
        # not a matrix product, whose rounding would depend on the number of steps
        return np.asarray(((columns - self.center) * self.coefficients).sum(axis=-1))


def autoregress(
    columns: np.ndarray, level: np.ndarray, *, longest: float, lookback: int, before: np.ndarray
) -> Autoregression:
    """Fit the model of :class:`ARDL` by likelihood, given the first level.

    Two levels between which a value of the columns (time, column) is missing are no pair. The error
    variance of a pair ``d`` steps apart is proportional to the sum of ``phi**(2 * i)`` for ``i``
    below ``d``; ``longest`` is the longest memory ``-1 / log(phi)`` in steps.

    Raises ValueError if there are too few pairs, the level is constant, or the likelihood has no
    maximum.
    """
    pairs = _pairs(columns, level)
    _check_enough(level[pairs[1]], columns.shape[1])
    span = slice(int(pairs[0][0]), int(pairs[1][-1]) + 1)
    known = np.isfinite(columns).all(axis=1)
    center = columns[span][known[span]].mean(axis=0)
    scale = columns[span][known[span]].std(axis=0)
    scale = np.where(scale > 1e-12 * np.maximum(1.0, np.abs(center)), scale, np.inf)
    scaled = np.where(known[:, None], (columns - center) / scale, 0.0)
    offset = float(level[pairs[1]].mean())

    def regression(log_memory: float) -> RegressionResults:
        """Fit by weights for a given ``phi``; the coefficient of the first column is the mean."""
        phi, (first, last) = np.exp(-1.0 / np.exp(log_memory)), pairs
        fade = phi ** (last - first)
        memory = lfilter([1.0], [1.0, -phi], scaled, axis=0)
        design = np.column_stack([1.0 - fade, memory[last] - fade[:, None] * memory[first]])
        variance = (1.0 - fade**2) / (1.0 - phi**2)
        gained = (level[last] - offset) - fade * (level[first] - offset)
        return WLS(gained, design, weights=1.0 / variance, hasconst=False).fit()

    log_memory, fitted = _likeliest(regression, longest=np.log(longest))
    return Autoregression(
        phi=float(np.exp(-1.0 / np.exp(log_memory))),
        mean=offset + float(fitted.params[0]),
        center=center,
        coefficients=np.asarray(fitted.params[1:] / scale),
        lookback=lookback,
        before=before,
        criterion=float(fitted.bic + np.log(fitted.nobs)),  # phi is a parameter, too
    )


def _check_enough(level: np.ndarray, columns: int) -> None:
    """Check the second levels of all pairs."""
    needed = max(FEWEST_PAIRS, 2 * (columns + 2))
    if level.size < needed:
        raise ValueError(
            f"Distributed lags of {columns} columns need at least {needed} pairs of levels with "
            f"weather between them. Received {level.size}. Use a longer record or fewer covariates."
        )
    require_varying(level, "Distributed lags need")


def _likeliest(
    regression: Callable[[float], RegressionResults], *, longest: float
) -> tuple[float, RegressionResults]:
    """Return the logarithm of the memory in steps with the largest likelihood, and its fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # columns that do not vary have no effect
        found = minimize_scalar(
            lambda log_memory: -regression(log_memory).llf,
            bounds=(np.log(0.2), longest),
            method="bounded",
            options={"xatol": 1e-3},
        )
        fitted = regression(found.x)
    if not found.success or not np.isfinite(fitted.llf):
        raise ValueError(
            "The likelihood of distributed lags must have a maximum. Received "
            f"{fitted.llf:g} after {found.nfev} evaluations. Leave the model out at this well."
        )
    return float(found.x), fitted


def _pairs(columns: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of levels, each with the next, between which no column is missing."""
    at = np.flatnonzero(np.isfinite(level))
    first, last = at[:-1], at[1:]
    holes = np.cumsum(~np.isfinite(columns).all(axis=1))
    whole = holes[last] == holes[first]
    return first[whole], last[whole]


@dataclass(kw_only=True, eq=False)
class ARDL(PerWell[Autoregression]):
    """Regress the level on the previous level and on lagged means of the weather.

    An autoregressive distributed lag model [1]_ of order one,
    ``y[t] = phi * y[t - 1] + c + b . x[t] + e[t]``, where ``x`` holds the means of each covariate
    over lags of 0, 1, 2-3, 4-7, ... steps and harmonics of the year. Between two levels ``d`` steps
    apart it implies ``y[t] = phi**d * y[t - d] + sum(phi**i * (c + b . x[t - i]))`` with errors of
    a known ratio of variances, so that gaps in the levels need not be filled. Given ``phi`` this is
    a weighted regression (statsmodels' WLS); ``phi`` is the one with the largest likelihood, and
    the lookback the one with the smallest Schwarz criterion on the train rows.

    The simulation is the mean of the model, without levels; before the first step the weather is
    taken to be the mean of the fitted rows. After a gap in the weather it is NaN until the memory
    of the gap has faded to a hundredth. Parameters are estimated from the last twelve years.

    Parameters
    ----------
    lookbacks : sequence of int
        Numbers of steps of weather to choose from.
    harmonics : int
        Pairs of sine and cosine of the year, 0 or more.
    covariates : sequence of str, optional
        By default all, except those of kind ``"season"`` if there are harmonics.
    name : str
        Name in tables and files.

    References
    ----------
    .. [1] Pesaran, M. H., Shin, Y., and Smith, R. J. (2001), https://doi.org/10.1002/jae.616.
    """

    lookbacks: Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(1)] = setting((1, 4, 16, 64))
    harmonics: Annotated[int, Ge(0)] = setting(1, search=("int", 0, 4))
    covariates: Sequence[str] | None = None
    name: str = "ardl"

    fit_type = Autoregression
    needs_weather: ClassVar[NeedOfWeather] = "simulation"
    stored_settings = ("harmonics",)

    def memory(self, frequency: str) -> int:  # noqa: ARG002 - that of the fit
        """Return the longest lookback; earlier weather is in the simulated level before."""
        return max((fit.lookback for fit in self.fits_.values()), default=1)

    def fit_well(self, record: WellRecord, previous: Autoregression | None) -> Autoregression:
        """Return the fit with the smallest Schwarz criterion; in a refit the lookback is kept."""
        year = timeline.steps_per_year(self._frequency)
        mean = record.mean_weather()
        last = np.flatnonzero(np.isfinite(record.level))[-1:]
        start = max(0, int(last[0]) - round(MOST_YEARS * year)) if last.size else 0
        level = np.where(np.arange(record.level.size) >= start, record.level, np.nan)
        lookbacks = self.lookbacks if previous is None else (previous.lookback,)
        found = [
            autoregress(
                self.antecedent(record.weather[None], record.times, lookback, mean)[0],
                level,
                longest=LONGEST_YEARS * year,
                lookback=lookback,
                before=mean,
            )
            for lookback in lookbacks
        ]
        return min(found, key=lambda fit: fit.criterion)

    def simulate_well(
        self, fit: Autoregression, weather: np.ndarray, times: np.ndarray
    ) -> np.ndarray:
        """Return the mean of the model at one well, shape (version, time), m."""
        columns = self.antecedent(weather, times, fit.lookback, fit.before)
        return np.stack([fit.simulate(version) for version in columns])

    def check_fit(self, fit: Autoregression) -> None:
        """Raise a ValueError if a stored fit has another number of columns, or no memory."""
        expected = self.antecedent_count(fit.lookback)
        if fit.center.size != expected or not 0 < fit.phi < 1:
            raise ValueError(
                f"a fit has {fit.center.size} columns and phi {fit.phi}, expected {expected} "
                "columns and phi between 0 and 1"
            )

    def states_at(self, observations: xr.Dataset, issue_times: np.ndarray) -> list[np.ndarray]:
        """Return the simulated levels at each issue time, shape (well,), m."""
        until = self.simulate(observations)[schema.LEVEL].values
        times = observations[schema.TIME].values
        return list(until[:, timeline.time_positions(times, issue_times, name="issue time")].T)

    def forecast(
        self, observations: xr.Dataset, *, issue_times: np.ndarray, horizon: int, forcing: Forcing
    ) -> xr.Dataset:
        """Return the levels after each issue time, (well, issue_time, lead_time[, member]), m.

        The error of the simulation at the last level up to the issue time is carried forward; its
        effect fades with time. There is a member for each version of the weather, and no members
        where it is observed.
        """
        mean = self.project(
            observations, issue_times=issue_times, horizon=horizon, forcing=forcing
        ).values[..., 0]
        times = observations[schema.TIME].values
        issued = timeline.time_positions(times, issue_times, name="issue time")
        errors = observations[schema.LEVEL] - self.simulate(observations)[schema.LEVEL]
        error = errors.transpose(schema.WELL, schema.TIME).values
        place = np.where(np.isfinite(error), np.arange(times.size), -1)
        last = np.maximum.accumulate(place, axis=1)[:, issued]
        known = np.where(last >= 0, np.take_along_axis(error, np.maximum(last, 0), axis=1), np.nan)
        wells = schema.well_names(observations)
        phi = np.array([self.fits_[w].phi if w in self.fits_ else 0.0 for w in wells])
        ahead = (issued - last)[..., None] + np.arange(1, horizon + 1)
        level = mean + (known[..., None] * phi[:, None, None] ** ahead)[..., None]
        return schema.label_forecast(
            level[..., 0] if isinstance(forcing, ObservedWeather) else level,
            wells=wells,
            issue_times=issue_times,
            frequency=timeline.infer_frequency(times),
        )

    def continue_from(self, state: np.ndarray, continued: xr.Dataset, horizon: int) -> np.ndarray:
        """Return levels after simulated ones (well,), (well, lead_time, forcing_member, 1), m."""
        weather = self.weather_of(continued)
        found = np.full((len(weather), horizon, weather.shape[1], 1), np.nan)
        times = continued[schema.TIME].values
        for number, well in enumerate(schema.well_names(continued)):
            if well in self.fits_:
                fit = self.fits_[well]
                columns = self.antecedent(weather[number], times, fit.lookback, fit.before)
                ahead = fit.proceed(columns[:, -horizon:], level=float(state[number]))
                found[number, :, :, 0] = ahead.T
            elif well in self.constant_:
                found[number] = self.constant_[well]
        return found
