"""Levels conditioned on the levels around them: a state-space model of the error of a simulation.

The level is a simulation, whose movements over weeks, over months and over years each have a factor
of their own, plus a season that the simulation misses, plus an error of two parts: a smooth one (a
Matern process of order 3/2) and a rough one with a longer memory (an Ornstein-Uhlenbeck process),
plus the error of a single measurement. Factors near 1 keep the simulation; a factor near 0 for
movements over weeks gives the smooth curve through the levels that is best where a simulation does
not know the short movements of a well. All is Gaussian, so that the Kalman smoother gives the exact
mean and variance of each step given all levels before and after it (Durbin and Koopman 2012,
doi:10.1093/acprof:oso/9780199641178.001.0001). The processes are in state-space form as in
Hartikainen and Sarkka (2010, doi:10.1109/MLSP.2010.5589113), and their five parameters are those
of maximum likelihood. The memory of the rough part is bounded, so that far from all levels the
interval becomes that of the simulation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import minimize

from gwforecast.timeline import DAYS, day_of_year

if TYPE_CHECKING:
    from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

__all__ = ["Conditioned", "ErrorSmoother"]


WEEKS, MONTHS = 0.04, 0.25  # years: widths of the filters that part quick from slow movements
FACTOR_PRIORS = (0.5, 0.2, 0.1)  # standard deviations of the factors of the movements around 1
SEASON_PRIOR = 0.1  # of the coefficients of the season, in standard deviations of the error
PARTS = 6  # constant, three movements, sine and cosine of the year
STATES = PARTS + 3
FEWEST_LEVELS = 20
SMALLEST = 1e-9  # m, scale of a level that never changes
ITERATIONS = 40
START = (0.1, 0.3, 2.0, 0.4, 0.03)
LOWEST = (0.0, 0.005, 0.3, 0.005, 0.001)
HIGHEST = (1.0, 3.0, 20.0, 3.0, 0.5)
"""Time of the smooth part in years and its size in standard deviations of the level, those of the
rough part, and the size of the error of a measurement: where the search starts, and its bounds."""


@dataclass(frozen=True)
class Conditioned:
    """Mean and standard deviation of a level given all known levels, shape (time,), m."""

    mean: np.ndarray
    deviation: np.ndarray


@dataclass(eq=False)
class ErrorSmoother:
    """The model of one well.

    Parameters
    ----------
    simulation : numpy.ndarray
        Shape (time,), m, on a regular time axis; NaN where there is none.
    times : numpy.ndarray
        Shape (time,), ``datetime64``.
    steps_per_year : float
        Number of steps in a year.

    Attributes
    ----------
    parameters_ : numpy.ndarray
        Logarithms of the five parameters, times in steps, sizes in units of ``scale_``.
    center_, scale_ : float
        Mean and standard deviation of the fitted levels, m.

    Examples
    --------
    A simulation that is right but for a constant is moved to the levels.

    >>> times = np.datetime64("2000-01-03", "us") + np.arange(520) * np.timedelta64(7, "D")
    >>> wave = np.sin(np.arange(520) / 9)
    >>> level = np.where((np.arange(520) > 99) & (np.arange(520) < 126), np.nan, wave + 2)
    >>> smoother = ErrorSmoother(wave, times, 52.18).fit(level)
    >>> filled = smoother.condition(level).mean[100:126]
    >>> bool(np.abs(filled - wave[100:126] - 2).max() < 0.01)
    True
    """

    simulation: np.ndarray
    times: np.ndarray
    steps_per_year: float
    parameters_: np.ndarray = field(init=False, repr=False)
    center_: float = field(init=False)
    scale_: float = field(init=False)

    def fit(self, level: np.ndarray) -> Self:
        """Estimate the parameters by maximum likelihood from levels (time,), m, with NaN in gaps.

        Raises ValueError if there are fewer than 20 levels with a simulation.
        """
        usable = np.where(np.isfinite(self.simulation), level, np.nan)
        known = usable[np.isfinite(usable)]
        if known.size < FEWEST_LEVELS:
            raise ValueError(
                f"The error of a simulation is estimated from at least {FEWEST_LEVELS} levels. "
                f"Received {known.size} with a simulation. Use a longer record."
            )
        self.center_, self.scale_ = float(known.mean()), max(float(known.std()), SMALLEST)
        self._design = self._columns()
        errors = (usable - self.simulation) / self.scale_
        self._season = SEASON_PRIOR * float(np.nanstd(errors))
        kalman = self._kalman(usable)

        def loss(logarithms: np.ndarray) -> float:
            self._set(kalman, logarithms)
            value = -float(kalman.loglike()) / known.size
            return value if np.isfinite(value) else 1e6

        low, start, high = (self._logarithms(one) for one in (LOWEST, START, HIGHEST))
        low[0] = 0.0  # one step
        found = minimize(
            loss,
            start,
            method="L-BFGS-B",
            bounds=list(zip(low, np.maximum(high, low + 0.1), strict=True)),
            options={"maxiter": ITERATIONS, "ftol": 1e-6},
        )
        self.parameters_ = np.asarray(found.x)
        return self

    def condition(self, level: np.ndarray) -> Conditioned:
        """Return mean and standard deviation of each step given all known levels (time,), m.

        The standard deviation is that of a level as it would have been measured.
        """
        usable = np.where(np.isfinite(self.simulation), level, np.nan)
        kalman = self._kalman(usable)
        self._set(kalman, self.parameters_)
        smoothed = kalman.smooth()
        design = self._design.T
        mean = np.einsum("kt,kt->t", design, smoothed.smoothed_state)
        variance = np.einsum("kt,klt,lt->t", design, smoothed.smoothed_state_cov, design)
        variance = np.maximum(variance, 0.0) + np.exp(2 * self.parameters_[4])
        known = np.isfinite(self.simulation)
        return Conditioned(
            np.where(known, self.center_ + self.scale_ * mean, np.nan),
            np.where(known, self.scale_ * np.sqrt(variance), np.nan),
        )

    def _logarithms(self, parameters: tuple[float, ...]) -> np.ndarray:
        years = np.array([self.steps_per_year, 1.0, self.steps_per_year, 1.0, 1.0])
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(years * np.array(parameters)))

    def _columns(self) -> np.ndarray:
        """Return what the states are multiplied with, shape (time, state)."""
        number = np.arange(self.simulation.size)
        known = np.isfinite(self.simulation)
        whole = np.interp(number, number[known], self.simulation[known])
        whole = (whole - whole[known].mean()) / self.scale_
        months = gaussian_filter1d(whole, WEEKS * self.steps_per_year, mode="nearest")
        years = gaussian_filter1d(whole, MONTHS * self.steps_per_year, mode="nearest")
        angle = 2 * np.pi * day_of_year(self.times) / DAYS
        ones, zeros = np.ones(whole.size), np.zeros(whole.size)
        movements = [whole - months, months - years, years]
        return np.stack([ones, *movements, np.sin(angle), np.cos(angle), ones, zeros, ones], axis=1)

    def _kalman(self, level: np.ndarray) -> KalmanSmoother:
        """Return the smoother of some levels; its parameters are set by :meth:`_set`."""
        from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

        kalman = KalmanSmoother(k_endog=1, k_states=STATES, k_posdef=3)
        kalman.filter_univariate = True
        kalman.bind(np.asfortranarray(((level - self.center_) / self.scale_)[None]))
        kalman["design"] = self._design.T[None]
        selection = np.zeros((STATES, 3))
        selection[PARTS:] = np.eye(3)
        kalman["selection"] = selection
        return kalman

    def _set(self, kalman: KalmanSmoother, logarithms: np.ndarray) -> None:
        smooth_time, smooth_size, rough_time, rough_size, measured = np.exp(logarithms)
        transition, shocks = np.eye(STATES), np.zeros((3, 3))
        initial = np.diag([1.0, *np.square(FACTOR_PRIORS), *[self._season**2] * 2, 0.0, 0.0, 0.0])
        rate = np.sqrt(3) / smooth_time
        step = np.exp(-rate) * np.array([[1 + rate, 1.0], [-(rate**2), 1 - rate]])
        stationary = smooth_size**2 * np.diag([1.0, rate**2])
        smooth = slice(PARTS, PARTS + 2)
        transition[smooth, smooth], initial[smooth, smooth] = step, stationary
        shocks[:2, :2] = stationary - step @ stationary @ step.T
        keep = np.exp(-1 / rough_time)
        transition[-1, -1], initial[-1, -1] = keep, rough_size**2
        shocks[2, 2] = rough_size**2 * (1 - keep**2)
        kalman["transition"], kalman["state_cov"] = transition, shocks
        kalman["obs_cov"] = np.array([[measured**2]])
        mean = np.zeros(STATES)
        mean[1:4] = 1.0  # the simulation as it is
        kalman.initialize_known(mean, initial)
