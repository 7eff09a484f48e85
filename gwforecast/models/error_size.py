"""How the size of a forecaster's errors depends on the season and on the level that it predicts.

The errors of a well are not the same all year: recharge comes in winter, snow melts in spring, and
high levels are harder to predict than low ones, or easier. The mean absolute error is modelled as
the exponential of a linear function of the day of the year and of the predicted level
(multiplicative heteroscedasticity: Harvey 1976, doi:10.2307/1913974; by absolute errors, which one
wild level moves less than squares: Davidian and Carroll 1987, doi:10.1080/01621459.1987.10478543).
A ridge holds it to a constant, the more the fewer the years of errors.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from gwforecast.sequences.calendar import DAYS, day_of_year

__all__ = ["ErrorSize"]

ERRORS_PER_YEAR = 4.0  # errors of a year that are worth as many independent ones: they last long
PRIOR_DEVIATION = 0.25  # of a coefficient, in units of the logarithm of the size
STEPS = 100
TOLERANCE = 1e-8
SMALLEST = 1e-12


class ErrorSize:
    """The size of the errors of one well, relative to their mean.

    Its constants were chosen by the interval score in years after the errors, over wells with daily
    and weekly levels.

    Attributes
    ----------
    coefficients_ : numpy.ndarray
        Shape (term,), of constant, sine and cosine of the year, level and its square.
    mean_, deviation_ : float
        Of the predicted levels, m.
    range_ : tuple of float
        Lowest and highest of the predicted levels, m; beyond them the size stays the same.

    Examples
    --------
    >>> times = np.datetime64("2000-01-01", "us") + np.arange(7305) * np.timedelta64(1, "D")
    >>> level = np.sin(2 * np.pi * np.arange(times.size) / 500)
    >>> errors = np.random.default_rng(0).normal(size=times.size) * np.exp(0.4 * level)
    >>> size = ErrorSize().fit(errors, level, times, years=20)
    >>> size.relative(np.array([-1.0, 1.0]), times[:2]).round(1)
    array([0.7, 1.3])
    """

    coefficients_: np.ndarray
    mean_: float
    deviation_: float
    range_: tuple[float, float]

    def fit(
        self, errors: np.ndarray, level: np.ndarray, times: np.ndarray, *, years: float
    ) -> Self:
        """Learn from errors.

        Parameters
        ----------
        errors : numpy.ndarray
            Observed - predicted, m, shape (row,), all finite; at least one.
        level : numpy.ndarray
            The predicted levels, m, shape (row,).
        times : numpy.ndarray
            Shape (row,), ``datetime64``.
        years : float
            How long the errors were collected for: the longer, the more they are trusted.
        """
        self.mean_, self.deviation_ = float(level.mean()), float(level.std())
        self.range_ = float(level.min()), float(level.max())
        sizes = np.abs(errors)
        sizes = sizes / max(float(sizes.mean()), SMALLEST)
        self.coefficients_ = _regress(
            self._terms(level, times), sizes, worth=ERRORS_PER_YEAR * years
        )
        return self

    def relative(self, level: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the size of errors in units of their mean.

        Parameters
        ----------
        level : numpy.ndarray
            Predicted levels, m, shape (row,); NaN gives NaN.
        times : numpy.ndarray
            Shape (row,), ``datetime64``.
        """
        found: np.ndarray = np.exp(self._terms(level, times) @ self.coefficients_)
        return found

    def _terms(self, level: np.ndarray, times: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * day_of_year(times) / DAYS
        score = (np.clip(level, *self.range_) - self.mean_) / max(self.deviation_, SMALLEST)
        return np.stack(
            [np.ones(angle.shape), np.sin(angle), np.cos(angle), score, score**2 - 1], axis=-1
        )


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
