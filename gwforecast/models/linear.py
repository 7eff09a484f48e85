"""Linear regression of the level on lagged means of the weather, by ridge regression.

Several ridge strengths are solved from one decomposition of a well's columns, by statsmodels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import xarray as xr
from annotated_types import Ge, MinLen

from gwforecast import timeline
from gwforecast.models.base import setting
from gwforecast.models.per_well import PerWell, WellRecord
from gwforecast.models.state import Shape
from gwforecast.schema import SchemaError

if TYPE_CHECKING:
    from statsmodels.regression.linear_model import OLS

__all__ = ["Linear", "Regression", "ridge"]

_MINIMUM_ROWS = 20


@dataclass(frozen=True, eq=False)
class Regression:
    """The fitted regression of one well; means and deviations are of the fitted rows."""

    lookback: int  # steps of weather seen
    strength: float  # of the ridge on standardised columns
    before: Annotated[np.ndarray, Shape("covariate")]  # mean of each covariate
    center: Annotated[np.ndarray, Shape("column")]  # mean of each column
    scale: Annotated[np.ndarray, Shape("column")]  # its standard deviation
    coefficients: Annotated[np.ndarray, Shape("column")]  # m per standard deviation
    intercept: float  # mean fitted level, m
    n_rows: int  # rows used
    n_without_level: int  # rows of the fitted periods without a level
    n_without_covariates: int  # others without a covariate within the lookback

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
    """Fit one well's level on standardised columns (time, column), once for each ridge strength.

    A row with a missing value is dropped; the level (time,), m, is NaN where it is missing or not
    to be used; ``rows`` are the fitted periods. See :class:`Linear` for the objective. Fewer than
    20 rows are a SchemaError.
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
    found = zip(strengths, _coefficients(Z, deviation, strengths), strict=True)
    counts = n, int((rows & ~observed).sum()), int(observed.sum()) - n
    return [
        Regression(lookback, strength, before, center, scale, coefficients, intercept, *counts)
        for strength, coefficients in found
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
    """Return a problem with as many rows as columns that has the same ridge solutions.

    The penalty is per row, so the caller scales strengths by the ratio of the numbers of rows.
    Squaring the condition number is harmless under a penalty, and matrix products are much faster
    than an orthogonal decomposition when threads compete for cores.
    """
    from statsmodels.regression.linear_model import OLS

    values, vectors = np.linalg.eigh(Z.T @ Z)
    root = np.sqrt(np.maximum(values, 0.0))
    kept = values > 1e-13 * values[-1]
    target = vectors.T @ (Z.T @ deviation)
    target = np.where(kept, target / np.where(kept, root, 1.0), 0.0)
    return OLS(target, np.where(kept, root, 0.0)[:, None] * vectors.T, hasconst=False)


_YEARS = (1, 2, 4)
_Choices = list[tuple[int, tuple[float, ...]]]


@dataclass(kw_only=True, eq=False)
class Linear(PerWell[Regression]):
    """Regress the level of each well on lagged means of its covariates and the season.

    The columns are the mean of each covariate over lags of 0, 1, 2-3, 4-7, ... steps up to the
    lookback, a distributed lag [1]_ with few parameters, and sines and cosines of the day of the
    year. The standardised columns are fitted by statsmodels' OLS with a light ridge penalty [2]_;
    the objective is ``RSS / (2 n) + strength / 2 * sum(coefficients ** 2)``. Lookback and strength
    of each well are those with the smallest squared error on its validation rows; without
    validation levels, the first lookback and the middle strength.

    Weather before the first step of the covariates is taken to be the mean of the fitted rows, as
    the early steps of a record would otherwise be lost. A step with a covariate missing within the
    lookback is left out of the fit, and is NaN in the simulation: nothing is filled.

    Parameters
    ----------
    strengths : sequence of float
        Ridge strengths to choose from, 0 or more; ``(0,)`` is ordinary least squares.
    harmonics : int
        Pairs of sine and cosine of the year, 0 or more.
    lookbacks : sequence of int, optional
        Numbers of steps of weather to choose from; by default one, two and four years.
    covariates : sequence of str, optional
        By default all, except those of kind ``"season"`` if there are harmonics.
    name : str
        Name in tables and files.

    References
    ----------
    .. [1] Almon, S. (1965), https://doi.org/10.2307/1911894.
    .. [2] Hoerl, A. E., and Kennard, R. W. (1970), https://doi.org/10.1080/00401706.1970.10488634.
    """

    strengths: Annotated[Sequence[Annotated[float, Ge(0)]], MinLen(1)] = setting(
        (0.03, 0.1, 0.3), search=("choice", [0.03, 0.1, 0.3], [0.001], [0.01], [0.1], [1.0])
    )
    harmonics: Annotated[int, Ge(0)] = setting(2, search=("int", 0, 4))
    lookbacks: Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(1)] | None = setting(
        None, search=("choice_years", [1, 2, 4], [1], [2], [4])
    )
    covariates: Sequence[str] | None = None
    name: str = "linear"

    quick = True
    fit_type = Regression
    stored_settings = ("harmonics",)
    fits_key = "regressions"

    def memory(self, frequency: str) -> int:  # noqa: ARG002 - that of the fit
        """Return the longest lookback of the wells, in steps."""
        return max((fit.lookback for fit in self.fits_.values()), default=1)

    def choose_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:
        """Return the covariates to use; there must be one, or a harmonic of the year."""
        chosen = super().choose_covariates(observations)
        if not chosen and not self.harmonics:
            raise SchemaError(
                f"{self.name!r} needs a covariate or a harmonic of the year. Received neither. Add "
                "a covariate, or set harmonics=2."
            )
        return chosen

    def fit_well(self, record: WellRecord, previous: Regression | None) -> Regression:
        """Return the regression with the smallest error on the validation rows.

        In a refit lookback and strength are kept.
        """
        before = _means_on(record.weather, record.rows, self.covariates_)
        best: Regression | None = None
        smallest = np.inf
        for lookback, strengths in self._choices(record, previous):
            columns = self.antecedent(record.weather[None], record.times, lookback, before)[0]
            for regression in ridge(
                columns, record.level, rows=record.rows, strengths=strengths, lookback=lookback,
                before=before,
            ):  # fmt: skip
                error = np.square(regression.predict(columns) - record.validation)
                usable = np.isfinite(error)
                mean = float(error[usable].mean()) if usable.any() else np.inf
                if best is None or mean < smallest:
                    best, smallest = regression, mean
        assert best is not None  # noqa: S101 - there is always a choice
        return best

    def simulate_well(self, fit: Regression, weather: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the levels of one well, shape (version, time), m."""
        return fit.predict(self.antecedent(weather, times, fit.lookback, fit.before))

    def check_fit(self, fit: Regression) -> None:
        """Raise a ValueError if a stored regression has another number of columns."""
        expected = self.antecedent_count(fit.lookback)
        if fit.center.size != expected:
            raise ValueError(f"a regression has {fit.center.size} columns, expected {expected}")

    def _choices(self, record: WellRecord, previous: Regression | None) -> _Choices:
        """Return lookbacks, each with the strengths to choose from."""
        if previous is not None:
            return [(previous.lookback, (previous.strength,))]
        year = timeline.steps_per_year(self._frequency)
        lookbacks = self.lookbacks or tuple(round(years * year) for years in _YEARS)
        strengths = tuple(self.strengths)
        if record.refit or not np.isfinite(record.validation).any():
            return [(lookbacks[0], (strengths[len(strengths) // 2],))]
        return [(lookback, strengths) for lookback in lookbacks]


def _means_on(weather: np.ndarray, rows: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    chosen = weather[rows]
    finite = np.isfinite(chosen)
    empty = ~finite.any(axis=0)
    if empty.any():
        raise SchemaError(
            f"A covariate needs values on the fitted rows. Received none for "
            f"{names[int(empty.argmax())]!r}. Give its values, or fit without it."
        )
    return np.asarray(np.where(finite, chosen, 0.0).sum(axis=0) / finite.sum(axis=0))
