"""Statistical baselines on covariates: linear regression on lagged means of the weather.

Ridge regressions of one well by statsmodels, several strengths from one decomposition.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.models.base import Forecaster, through_periods, well_positions
from gwforecast.progress import Progress
from gwforecast.schema import SchemaError
from gwforecast.sequences.lags import antecedent_columns
from gwforecast.sequences.split import Period, Split, require_sequential

if TYPE_CHECKING:
    from statsmodels.regression.linear_model import OLS

__all__ = ["Linear", "Regression", "ridge"]


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


_YEARS = (1, 2, 4)


class Linear(Forecaster):
    """Regress the level of each well on lagged means of its covariates and the season.

    The columns are the mean of each covariate over lags of 0, 1, 2-3, 4-7, ... steps up to the
    lookback, a distributed lag [1]_ in few numbers, and sines and cosines of the day of the year.
    statsmodels' OLS fits the standardised columns with a light ridge penalty [2]_, objective
    ``RSS / (2 n) + strength / 2 * sum(coefficients ** 2)``. Lookback and strength of each well are
    those with the smallest squared error on its validation rows; without validation levels, the
    first lookback and the middle strength.

    Weather before the first step of the covariates is taken to be the mean of the fitted rows, as
    the early steps of a record would otherwise be lost. A step with a covariate missing within the
    lookback is dropped from the fit, and NaN in the simulation: nothing is filled.

    Parameters
    ----------
    lookbacks : iterable of int, optional
        Steps of weather to choose from; by default one, two and four years.
    strengths : iterable of float
        Ridge strengths to choose from, 0 or more.
    harmonics : int
        Pairs of sine and cosine of the year, 0 or more.
    covariates : iterable of str, optional
        By default all, but for those of kind ``"season"`` if there are harmonics.

    Attributes
    ----------
    wells_ : numpy.ndarray of str
        The wells that were given.
    covariates_ : tuple of str
        The covariates that are used.
    regressions_ : dict of str to Regression
        The fitted regression of each well.
    failed_ : dict of str to str
        Wells that could not be fitted and why; their levels are NaN.

    References
    ----------
    .. [1] Almon, S. (1965). The distributed lag between capital appropriations and expenditures.
       Econometrica 33, 178-196. https://doi.org/10.2307/1911894
    .. [2] Hoerl, A. E., and Kennard, R. W. (1970). Ridge regression: biased estimation for
       nonorthogonal problems. Technometrics 12, 55-67.
       https://doi.org/10.1080/00401706.1970.10488634
    """

    name = "linear"
    quick = True
    wells_: np.ndarray
    covariates_: tuple[str, ...]
    regressions_: dict[str, Regression]
    failed_: dict[str, str]
    _frequency: str
    _attrs: dict[str, object]

    def __init__(
        self,
        *,
        lookbacks: Iterable[int] | None = None,
        strengths: Iterable[float] = (0.03, 0.1, 0.3),
        harmonics: int = 2,
        covariates: Iterable[str] | None = None,
    ) -> None:
        self.lookbacks = None if lookbacks is None else tuple(lookbacks)
        self.strengths = tuple(strengths)
        self.harmonics = harmonics
        self.covariates = None if covariates is None else tuple(covariates)
        if self.lookbacks is not None and (not self.lookbacks or min(self.lookbacks) < 1):
            raise ValueError(
                f"Lookbacks are one or more numbers of steps, each at least 1. Received "
                f"{self.lookbacks}. Leave them out for one, two and four years."
            )
        if not self.strengths or not all(0 <= s < np.inf for s in self.strengths):
            raise ValueError(
                f"Ridge strengths are one or more finite numbers of at least 0. Received "
                f"{self.strengths}. Use (0,) for ordinary least squares."
            )
        if harmonics < 0:
            raise ValueError(
                f"The number of harmonics is 0 or more. Received {harmonics}. The usual is 2."
            )

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Fit on the train rows, with lookback and strength by the validation rows.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        split : Split
            The periods of each well.
        progress : Progress, optional
            Told of wells done.

        Raises
        ------
        SchemaError
            If a covariate that was asked for is not there. A well that cannot be fitted warns.
        """
        self._learn(observations, split=split, periods=("train",), chosen=None, progress=progress)
        return self

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster, fitted on all rows through the end of a period.

        Lookback and strength of each well are kept. A well that was not fitted before gets the
        first lookback and the middle strength.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        split : Split
            The periods of each well.
        through : {"train", "validation", "test"}
            Last period whose rows are used.
        progress : Progress, optional
            Told of wells done.
        """
        fitted = copy.copy(self)
        chosen = dict(getattr(self, "regressions_", {}))
        fitted._learn(
            observations,
            split=split,
            periods=through_periods(through),
            chosen=chosen,
            progress=progress,
        )
        return fitted

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step whose covariates exist within the lookback.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), with the covariates of the fit and their history: before the
            first step they are taken to be the mean of the fitted rows. No level is used.

        Returns
        -------
        xarray.Dataset
            ``level`` (well, time), m above the datum of the levels that were fitted.

        Raises
        ------
        SchemaError
            If a well was not fitted, a covariate is missing, or the frequency is another.
        """
        self._check_like_fitted(observations)
        values = self._versions(observations.expand_dims({schema.FORCING_MEMBER: 1}))[:, 0]
        level = xr.DataArray(
            values,
            {schema.WELL: observations[schema.WELL], schema.TIME: observations[schema.TIME]},
            (schema.WELL, schema.TIME),
            attrs=self._attrs,
        )
        return level.to_dataset(name=schema.LEVEL)

    def memory(self, frequency: str) -> int:  # noqa: ARG002 - that of the fit
        """Return the longest lookback of the wells, in steps."""
        return max((fit.lookback for fit in self.regressions_.values()), default=1)

    def covariates_of(self, observations: xr.Dataset) -> list[str]:  # noqa: ARG002
        """Return the names of the covariates that are used."""
        return list(self.covariates_)

    def simulate_versions(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the levels under each of several weathers, all at once.

        Parameters
        ----------
        observations : xarray.Dataset
            ``level`` (well, time) and covariates (well, forcing_member, time).

        Returns
        -------
        xarray.DataArray
            Dimensions (well, time, forcing_member, member), m.
        """
        self._check_like_fitted(observations.isel({schema.FORCING_MEMBER: 0}))
        values = self._versions(observations)
        dims = (schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        level = xr.DataArray(values, {name: observations[name] for name in dims}, dims)
        return level.transpose(schema.WELL, schema.TIME, schema.FORCING_MEMBER).expand_dims(
            {schema.MEMBER: [0]}, -1
        )

    def _check_like_fitted(self, observations: xr.Dataset) -> None:
        well_positions(observations, self.wells_, name=self.name)
        self._check_covariates(observations)
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        if frequency != self._frequency:
            raise SchemaError(
                f"A regression on lags simulates the frequency it was fitted on. Received "
                f"{frequency}, fitted was {self._frequency}. Fit {self.name!r} on this frequency."
            )

    def _versions(self, observations: xr.Dataset) -> np.ndarray:
        """Return the levels under covariates (well, forcing_member, time), of the same shape, m."""
        dims = (schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        wells, times = observations[schema.WELL].values, observations[schema.TIME].values
        series = [observations[name].transpose(*dims).values for name in self.covariates_]
        shape = tuple(observations.sizes[dim] for dim in dims)
        weather = np.stack(series, axis=-1).astype(float) if series else np.empty((*shape, 0))
        values = np.full(shape, np.nan)
        for i, well in enumerate(wells.tolist()):
            if well in self.regressions_:
                fit = self.regressions_[well]
                columns = antecedent_columns(
                    weather[i],
                    times,
                    lookback=fit.lookback,
                    before=fit.before,
                    harmonics=self.harmonics,
                )
                values[i] = fit.predict(columns)
        return values

    def _learn(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        periods: tuple[Period, ...],
        chosen: dict[str, Regression] | None,
        progress: Progress | None,
    ) -> None:
        split = require_sequential(split)
        self.covariates_ = self._chosen_covariates(observations)
        self._check_covariates(observations)
        self._frequency = timeline.infer_frequency(observations[schema.TIME].values)
        self._attrs = dict(observations[schema.LEVEL].attrs)
        self.wells_ = observations[schema.WELL].values
        self.regressions_, self.failed_ = {}, {}
        rows = split.rows(observations, *periods).values
        judges = split.levels(observations, "validation").values
        for i, well in enumerate(self.wells_.tolist()):
            try:
                settings = self._candidates() if chosen is None else self._kept(chosen.get(well))
                self.regressions_[well] = self._fit_well(
                    observations, i, rows=rows[i], judge=judges[i], settings=settings
                )
            except (SchemaError, np.linalg.LinAlgError) as error:
                self.failed_[well] = str(error)
                warnings.warn(
                    f"{self.name!r} could not be fitted at well {well!r}, whose levels are NaN "
                    f"now: {error}",
                    stacklevel=3,
                )
            if progress is not None:
                progress(f"fit {self.name}", i + 1, self.wells_.size)

    def _chosen_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:
        if self.covariates is not None:
            return self.covariates
        chosen = tuple(
            name
            for name in schema.covariate_names(observations)
            if not self.harmonics
            or schema.covariate_kind(name, observations[name].attrs) != "season"
        )
        if not chosen and not self.harmonics:
            raise SchemaError(
                f"{self.name!r} needs a covariate or a harmonic of the year. Received neither. Add "
                "a covariate, or set harmonics=2."
            )
        return chosen

    def _candidates(self) -> list[tuple[int, tuple[float, ...]]]:
        lookbacks = self.lookbacks or tuple(
            round(years * timeline.steps_per_year(self._frequency)) for years in _YEARS
        )
        return [(lookback, self.strengths) for lookback in lookbacks]

    def _kept(self, before: Regression | None) -> list[tuple[int, tuple[float, ...]]]:
        if before is not None:
            return [(before.lookback, (before.strength,))]
        lookback, strengths = self._candidates()[0]
        return [(lookback, (strengths[len(strengths) // 2],))]

    def _fit_well(
        self,
        observations: xr.Dataset,
        i: int,
        *,
        rows: np.ndarray,
        judge: np.ndarray,
        settings: list[tuple[int, tuple[float, ...]]],
    ) -> Regression:
        weather = self._weather(observations, i)
        times = observations[schema.TIME].values
        level = np.where(rows, observations[schema.LEVEL].values[i], np.nan)
        before = _means_on(weather, rows, self.covariates_)
        if not np.isfinite(judge).any():
            lookback, strengths = settings[0]
            settings = [(lookback, (strengths[len(strengths) // 2],))]
        best: Regression | None = None
        smallest = np.inf
        for lookback, strengths in settings:
            columns = antecedent_columns(
                weather[None], times, lookback=lookback, before=before, harmonics=self.harmonics
            )[0]
            for regression in ridge(
                columns, level, rows=rows, strengths=strengths, lookback=lookback, before=before
            ):
                error = np.square(regression.predict(columns) - judge)
                usable = np.isfinite(error)
                mean = float(error[usable].mean()) if usable.any() else np.inf
                if best is None or mean < smallest:
                    best, smallest = regression, mean
        assert best is not None  # noqa: S101 - settings are never empty
        return best

    def _weather(self, observations: xr.Dataset, i: int) -> np.ndarray:
        series = [observations[name].values[i] for name in self.covariates_]
        empty = np.empty((observations.sizes[schema.TIME], 0))
        return np.stack(series, axis=-1).astype(float) if series else empty

    def _check_covariates(self, observations: xr.Dataset) -> None:
        held = schema.covariate_names(observations)
        missing = [name for name in self.covariates_ if name not in held]
        if missing:
            raise SchemaError(
                f"{self.name!r} needs the covariates {list(self.covariates_)}. Received {held}, "
                f"which lacks {missing}. Add the series, or fit without it."
            )


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
