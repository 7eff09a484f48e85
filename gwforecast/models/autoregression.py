"""Autoregression of order one of unevenly observed levels on columns, by statsmodels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.signal import lfilter
from statsmodels.regression.linear_model import WLS

__all__ = ["Autoregression", "autoregress"]

FEWEST_PAIRS = 30
SMALLEST_SPAN = 1e-9  # m
LEFT = 0.01  # share of what was before a gap in the columns that is no longer missed


@dataclass(frozen=True, eq=False)
class Autoregression:
    """The fitted autoregression of one well.

    Parameters
    ----------
    phi : float
        Coefficient of the level one step before.
    mean : float
        Level under mean columns, m.
    center, coefficients : numpy.ndarray
        Mean of each column on the fitted rows, and its coefficient in m per unit, shape (column,).
    lookback : int
        Steps of weather within the columns.
    before : numpy.ndarray
        Mean of each covariate on the fitted rows, shape (variable,).
    criterion : float
        Schwarz's criterion.
    """

    phi: float
    mean: float
    center: np.ndarray
    coefficients: np.ndarray
    lookback: int
    before: np.ndarray
    criterion: float

    def simulate(self, columns: np.ndarray) -> np.ndarray:
        """Return the level in m of columns (time, column), from the mean level on.

        From a row that is missing on, the level is NaN until the memory of it has faded to a
        hundredth.
        """
        missing = ~np.isfinite(columns).all(axis=1)
        drive = np.where(missing, 0.0, self._drive(columns))
        level = lfilter([1.0], [1.0, -self.phi], drive) + self.mean
        faded = int(np.ceil(np.log(LEFT) / np.log(self.phi)))
        step = np.arange(len(columns))
        gap = np.maximum.accumulate(np.where(missing, step, -1))
        return np.where((gap >= 0) & (step - gap <= faded), np.nan, level)

    def proceed(self, columns: np.ndarray, *, level: float) -> np.ndarray:
        """Return the levels (version, time) in m that follow one level, of columns likewise."""
        start = np.full((len(columns), 1), self.phi * (level - self.mean))
        ahead, _ = lfilter([1.0], [1.0, -self.phi], self._drive(columns), axis=-1, zi=start)
        return np.asarray(ahead + self.mean)

    def _drive(self, columns: np.ndarray) -> np.ndarray:
        # not a matrix product, whose rounding would depend on the number of steps
        return np.asarray(((columns - self.center) * self.coefficients).sum(axis=-1))


def autoregress(
    columns: np.ndarray,
    level: np.ndarray,
    *,
    longest: float,
    lookback: int,
    before: np.ndarray,
) -> Autoregression:
    """Fit ``y[t] = phi * y[t - 1] + c + b . x[t] + e[t]`` by likelihood, given the first level.

    Between two levels ``d`` steps apart the model implies ``y[t] = phi**d * y[t - d]`` plus the sum
    of ``phi**i * (c + b . x[t - i])``, with an error variance in proportion to the sum of
    ``phi**(2 * i)``, ``i = 0 ... d - 1``. Given ``phi`` that is a weighted regression.

    Parameters
    ----------
    columns : numpy.ndarray
        Shape (time, column). Two levels between which a value is missing are no pair.
    level : numpy.ndarray
        Shape (time,), m; NaN where missing or not to be used.
    longest : float
        Longest memory ``-1 / log(phi)`` in steps.
    lookback, before
        Kept with the result, see :class:`Autoregression`.

    Raises
    ------
    ValueError
        If there are too few pairs, the level is constant, or the likelihood has no maximum.
    """
    pairs = _pairs(columns, level)
    first, last = pairs
    needed = max(FEWEST_PAIRS, 2 * (columns.shape[1] + 2))
    if last.size < needed:
        raise ValueError(
            f"Distributed lags of {columns.shape[1]} columns need at least {needed} pairs of "
            f"levels with weather between them. Received {last.size}. Use a longer record or fewer "
            "covariates."
        )
    if np.ptp(level[last]) < SMALLEST_SPAN:
        raise ValueError(
            f"Distributed lags need levels that vary. Received a span of {np.ptp(level[last]):g} m."
            " Leave the model out at this well."
        )
    span = slice(int(first[0]), int(last[-1]) + 1)
    known = np.isfinite(columns).all(axis=1)
    center = columns[span][known[span]].mean(axis=0)
    scale = columns[span][known[span]].std(axis=0)
    scale = np.where(scale > 1e-12 * np.maximum(1.0, np.abs(center)), scale, np.inf)
    scaled = np.where(known[:, None], (columns - center) / scale, 0.0)
    offset = float(level[last].mean())

    def regression(memory: float) -> WLS:
        return _given(np.exp(-1.0 / memory), scaled, level - offset, pairs)

    found = minimize_scalar(
        lambda memory: -regression(np.exp(memory)).fit().llf,
        bounds=(np.log(0.2), np.log(longest)),
        method="bounded",
        options={"xatol": 1e-3},
    )
    fitted = regression(np.exp(found.x)).fit()
    if not found.success or not np.isfinite(fitted.llf):
        raise ValueError(
            "The likelihood of distributed lags must have a maximum. Received "
            f"{fitted.llf:g} after {found.nfev} evaluations. Leave the model out at this well."
        )
    return Autoregression(
        phi=float(np.exp(-1.0 / np.exp(found.x))),
        mean=offset + float(fitted.params[0]),
        center=center,
        coefficients=np.asarray(fitted.params[1:] / scale),
        lookback=lookback,
        before=before,
        criterion=float(fitted.bic + np.log(fitted.nobs)),  # phi is a parameter, too
    )


def _pairs(columns: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of levels, each with the next, between which no column is missing."""
    at = np.flatnonzero(np.isfinite(level))
    first, last = at[:-1], at[1:]
    holes = np.cumsum(~np.isfinite(columns).all(axis=1))
    whole = holes[last] == holes[first]
    return first[whole], last[whole]


def _given(
    phi: float, columns: np.ndarray, level: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]
) -> WLS:
    """Return the weighted regression that ``phi`` leaves.

    The constant is the mean level: the column ``1 - phi**d`` of the differences.
    """
    first, last = pairs
    fade = phi ** (last - first)
    memory = lfilter([1.0], [1.0, -phi], columns, axis=0)
    design = np.column_stack([1.0 - fade, memory[last] - fade[:, None] * memory[first]])
    variance = (1.0 - fade**2) / (1.0 - phi**2)
    return WLS(level[last] - fade * level[first], design, weights=1.0 / variance, hasconst=False)
