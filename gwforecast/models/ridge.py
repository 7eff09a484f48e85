"""Ridge regressions of one well by statsmodels, several strengths from one decomposition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gwforecast.schema import SchemaError

if TYPE_CHECKING:
    from statsmodels.regression.linear_model import OLS

__all__ = ["Regression", "ridge"]

_MINIMUM_ROWS = 20


@dataclass(frozen=True, eq=False)
class Regression:
    """The fitted regression of one well.

    Parameters
    ----------
    lookback : int
        Steps of weather seen.
    strength : float
        Ridge strength on standardised columns.
    before : numpy.ndarray
        Mean of each covariate on the fitted rows, shape (variable,).
    center, scale, coefficients : numpy.ndarray
        Mean and standard deviation of each column on the fitted rows, and its coefficient in m per
        standard deviation, shape (column,).
    intercept : float
        Mean fitted level, m.
    n_rows, n_without_level, n_without_covariates : int
        Rows used, and rows of the fitted periods that were dropped because the level, or else a
        covariate within the lookback, is missing.
    """

    lookback: int
    strength: float
    before: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float
    n_rows: int
    n_without_level: int
    n_without_covariates: int

    def predict(self, columns: np.ndarray) -> np.ndarray:
        """Return the level in m of columns (..., column), shape (...,)."""
        scaled = (columns - self.center) / self.scale
        return np.asarray(scaled @ self.coefficients + self.intercept)


def ridge(
    columns: np.ndarray,
    level: np.ndarray,
    *,
    rows: np.ndarray,
    strengths: tuple[float, ...],
    lookback: int,
    before: np.ndarray,
) -> list[Regression]:
    """Fit one well's level on standardised columns, once for each ridge strength.

    Parameters
    ----------
    columns : numpy.ndarray
        Shape (time, column); a row with a missing value is dropped.
    level : numpy.ndarray
        Shape (time,), m; NaN where missing or not to be used.
    rows : numpy.ndarray of bool
        Shape (time,): the fitted periods, to count the rows that were dropped.
    strengths : tuple of float
        Weights of the penalty ``strength / 2 * sum(coefficients ** 2)`` beside ``RSS / (2 n)``.
    lookback, before
        Kept with the result, see :class:`Regression`.

    Raises
    ------
    SchemaError
        If there are fewer than 20 rows.
    """
    observed = np.isfinite(level)
    complete = observed & np.isfinite(columns).all(axis=1)
    n = int(complete.sum())
    if n < _MINIMUM_ROWS:
        raise SchemaError(
            f"A regression needs at least {_MINIMUM_ROWS} fitted rows with level and covariates. "
            f"Received {n}, and {int(observed.sum())} with a level. Use a longer record, fill the "
            "covariates, or leave the well out."
        )
    X, y = columns[complete], level[complete]
    center, scale = X.mean(axis=0), X.std(axis=0)
    scale = np.where(scale > 1e-12 * np.maximum(1.0, np.abs(center)), scale, 1.0)
    intercept = float(y[0] + (y - y[0]).mean())
    Z, deviation = (X - center) / scale, y - intercept
    return [
        Regression(
            lookback=lookback,
            strength=strength,
            before=before,
            center=center,
            scale=scale,
            coefficients=coefficients,
            intercept=intercept,
            n_rows=n,
            n_without_level=int((rows & ~observed).sum()),
            n_without_covariates=int(observed.sum()) - n,
        )
        for strength, coefficients in zip(
            strengths, _coefficients(Z, deviation, strengths), strict=True
        )
    ]


def _coefficients(
    Z: np.ndarray, deviation: np.ndarray, strengths: tuple[float, ...]
) -> list[np.ndarray]:
    from statsmodels.regression.linear_model import OLS  # slow to import, and only fits need it

    reduced = _reduce(Z, deviation)
    scale = deviation.size / reduced.nobs
    fits = [
        reduced.fit_regularized(alpha=strength * scale, L1_wt=0.0)
        if strength > 0
        else OLS(deviation, Z).fit(method="pinv")
        for strength in strengths
    ]
    return [np.asarray(fit.params) for fit in fits]


def _reduce(Z: np.ndarray, deviation: np.ndarray) -> OLS:
    """Return a problem of as many rows as columns that has the same ridge solutions.

    Its penalty is per row, so that strengths are scaled by the ratio of the numbers of rows. The
    square of the condition number does no harm under a penalty, and products of matrices are much
    faster than an orthogonal decomposition where threads compete for cores.
    """
    from statsmodels.regression.linear_model import OLS

    values, vectors = np.linalg.eigh(Z.T @ Z)
    root = np.sqrt(np.maximum(values, 0.0))
    kept = values > 1e-13 * values[-1]
    target = vectors.T @ (Z.T @ deviation)
    target = np.where(kept, target / np.where(kept, root, 1.0), 0.0)
    return OLS(target, np.where(kept, root, 0.0)[:, None] * vectors.T, hasconst=False)
