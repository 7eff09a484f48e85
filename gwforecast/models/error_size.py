"""How the size of a forecaster's errors depends on the season and on the level that it predicts.

The errors of a well are not the same all year: recharge comes in winter, snow melts in spring, and
high levels are harder to predict than low ones, or easier. The mean absolute error is modelled as
the exponential of a linear function of the day of the year and of the predicted level
(multiplicative heteroscedasticity: Harvey 1976, doi:10.2307/1913974; by absolute errors, which one
wild level moves less than squares: Davidian and Carroll 1987, doi:10.1080/01621459.1987.10478543).
A ridge holds it to a constant, the more the fewer the years of errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from gwforecast.sequences.calendar import DAYS, day_of_year

__all__ = ["ErrorSize"]

ERRORS_PER_YEAR = 4.0  # errors of a year that are worth as many independent ones: they last long
PRIOR_DEVIATION = 0.25  # of a coefficient, in units of the logarithm of the size
TERMS = 5
FARTHEST = 2.0  # standard deviations of the level, beyond which the size stays the same
STEPS = 100
TOLERANCE = 1e-8
SMALLEST = 1e-12


class ErrorSize:
    """The size of the errors of some wells, relative to the mean of each.

    Its constants were chosen by the interval score in years after the errors, over wells with daily
    and weekly levels.

    Attributes
    ----------
    coefficients_ : numpy.ndarray
        Shape (well, term), of constant, sine and cosine of the year, level and its square; zero for
        a well without errors.
    levels_ : numpy.ndarray
        Shape (well, 2): mean and standard deviation of the predicted levels, m.

    Examples
    --------
    >>> times = np.datetime64("2000-01-01", "us") + np.arange(7305) * np.timedelta64(1, "D")
    >>> level = np.sin(2 * np.pi * np.arange(times.size) / 500)[None]
    >>> errors = np.random.default_rng(0).normal(size=level.shape) * np.exp(0.4 * level)
    >>> size = ErrorSize().fit(errors, level, times, years=np.array([20.0]))
    >>> size.relative(np.array([[-1.0, 1.0]]), times[:2]).round(1)
    array([[0.7, 1.3]])
    """

    coefficients_: np.ndarray
    levels_: np.ndarray

    def fit(
        self, errors: np.ndarray, level: np.ndarray, times: np.ndarray, *, years: np.ndarray
    ) -> Self:
        """Learn from errors.

        Parameters
        ----------
        errors : numpy.ndarray
            Observed - predicted, m or in other units of the well, shape (well, row); NaN where
            nothing was observed.
        level : numpy.ndarray
            The predicted levels, m, shape (well, row).
        times : numpy.ndarray
            Shape (row,), ``datetime64``.
        years : numpy.ndarray
            Shape (well,), how long errors were collected for: the longer, the more they are
            trusted.
        """
        season = _season(times)
        self.coefficients_ = np.zeros((errors.shape[0], TERMS))
        self.levels_ = np.tile([0.0, 1.0], (errors.shape[0], 1))
        for well, known in enumerate(np.isfinite(errors)):
            if not known.any():
                continue
            seen = level[well, known]
            self.levels_[well] = seen.mean(), max(seen.std(), SMALLEST)
            terms = np.stack([*season[:, known], *_level_terms(seen, self.levels_[well])], axis=1)
            sizes = np.abs(errors[well, known])
            self.coefficients_[well] = _regress(
                terms,
                sizes / max(float(sizes.mean()), SMALLEST),
                worth=ERRORS_PER_YEAR * float(years[well]),
            )
        return self

    def relative(self, level: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the size of errors in units of their mean.

        Parameters
        ----------
        level : numpy.ndarray
            Predicted levels of the wells, m, shape (well, row); NaN gives NaN.
        times : numpy.ndarray
            Shape (row,), ``datetime64``.
        """
        season = _season(times)
        found = np.empty(level.shape)
        for well, (own, seen) in enumerate(zip(self.coefficients_, self.levels_, strict=True)):
            score, square = _level_terms(level[well], seen)
            found[well] = np.exp(own[:3] @ season + own[3] * score + own[4] * square)
        return found

    def of_wells(self, rows: Sequence[int]) -> Self:
        """Return that of some wells by their places; -1 is a well without errors."""
        some = type(self)()
        known = np.array(rows) >= 0
        some.coefficients_ = np.where(known[:, None], self.coefficients_[rows], 0.0)
        some.levels_ = self.levels_[rows]
        return some


def _season(times: np.ndarray) -> np.ndarray:
    """Return constant, sine and cosine of the year, shape (3, row)."""
    angle = 2 * np.pi * day_of_year(times) / DAYS
    return np.stack([np.ones(angle.shape), np.sin(angle), np.cos(angle)])


def _level_terms(level: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the standardised level and its square, within bounds.

    A wild level would else make the square, and with it an interval, as large as it likes.
    """
    mean, deviation = seen
    score = np.clip((level - mean) / deviation, -FARTHEST, FARTHEST)
    return score, score**2 - 1


def _regress(terms: np.ndarray, sizes: np.ndarray, *, worth: float) -> np.ndarray:
    """Return the coefficients of the logarithm of a mean size, by Newton's method.

    The loss is the negative logarithm of an exponential likelihood, and a ridge; it is convex, and
    a step that does not lower it is halved.
    """
    rows, count = terms.shape
    weight, ridge = worth / rows, np.eye(count) / PRIOR_DEVIATION**2

    def loss(at: np.ndarray) -> float:
        logarithm = terms @ at
        misfit = np.sum(logarithm + sizes * np.exp(-logarithm))
        return float(weight * misfit + at @ ridge @ at / 2)

    found = np.zeros(count)
    reached = loss(found)
    for _ in range(STEPS):
        ratio = sizes * np.exp(-(terms @ found))
        slope = weight * terms.T @ (1 - ratio) + ridge @ found
        curvature = weight * (terms.T * ratio) @ terms + ridge
        step = np.linalg.solve(curvature, slope)
        while (after := loss(found - step)) > reached and np.abs(step).max() > TOLERANCE:
            step = step / 2
        if np.abs(step).max() <= TOLERANCE:
            break
        found, reached = found - step, after
    return found
