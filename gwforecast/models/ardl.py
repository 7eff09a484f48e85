"""Autoregression with distributed lags of the weather, whatever the gaps between levels.

Autoregression of order one of unevenly observed levels on columns, by statsmodels.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr
from scipy.optimize import minimize_scalar
from scipy.signal import lfilter
from statsmodels.regression.linear_model import WLS

from gwforecast import schema, timeline
from gwforecast.forcings.base import Forcing, ObservedWeather, continue_weather
from gwforecast.models.base import Forecaster, label_projection, through_periods, well_positions
from gwforecast.progress import Progress
from gwforecast.schema import SchemaError
from gwforecast.sequences.lags import antecedent_columns
from gwforecast.sequences.split import Period, Split

__all__ = ["ARDL", "Autoregression", "autoregress"]


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


MOST_YEARS = 12  # of the fitted rows, the last ones
LONGEST_YEARS = 10  # of the memory of the level


class ARDL(Forecaster):
    """Regress the level on the level before and on lagged means of the weather.

    An autoregressive distributed lag model [1]_ of order one,
    ``y[t] = phi * y[t - 1] + c + b . x[t] + e[t]``, where ``x`` holds the means of each covariate
    over lags of 0, 1, 2-3, 4-7, ... steps and harmonics of the year. Between two levels ``d`` steps
    apart it implies ``y[t] = phi**d * y[t - d] + sum(phi**i * (c + b . x[t - i]))`` with errors of
    a known ratio of variances, so that gaps need neither filling nor leaving out. Given ``phi``
    this is a weighted regression (statsmodels' WLS); ``phi`` has the largest likelihood, and the
    lookback the smallest criterion of Schwarz on the train rows.

    The simulation is the mean of the model, without levels; before the first step the weather is
    taken to be the mean of the fitted rows. After a gap in the weather it is NaN until the memory
    of the gap has faded to a hundredth. Parameters are estimated from the last twelve years.

    Parameters
    ----------
    lookbacks : iterable of int
        Steps of weather to choose from.
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
    fits_ : dict of str to Autoregression
        The fit of each well.
    failed_ : dict of str to str
        Wells that could not be fitted and why; their levels are NaN.

    References
    ----------
    .. [1] Pesaran, M. H., Shin, Y., and Smith, R. J. (2001). Bounds testing approaches to the
       analysis of level relationships. Journal of Applied Econometrics 16, 289-326.
       https://doi.org/10.1002/jae.616
    """

    name = "ardl"
    wells_: np.ndarray
    covariates_: tuple[str, ...]
    fits_: dict[str, Autoregression]
    failed_: dict[str, str]
    _frequency: str

    def __init__(
        self,
        *,
        lookbacks: Iterable[int] = (1, 4, 16, 64),
        harmonics: int = 1,
        covariates: Iterable[str] | None = None,
    ) -> None:
        self.lookbacks = tuple(lookbacks)
        self.harmonics = harmonics
        self.covariates = None if covariates is None else tuple(covariates)
        if not self.lookbacks or min(self.lookbacks) < 1:
            raise ValueError(
                f"Lookbacks are one or more numbers of steps, each at least 1. Received "
                f"{self.lookbacks}. Leave them out for the usual ones."
            )
        if harmonics < 0:
            raise ValueError(
                f"The number of harmonics is 0 or more. Received {harmonics}. The usual is 1."
            )

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Fit each well on the train rows, with the lookback of the smallest criterion on them."""
        self._learn(observations, split.rows(observations, "train"), {}, progress)
        return self

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster, fitted on all rows through a period, with the same lookbacks."""
        again = copy.copy(self)
        rows = split.rows(observations, *through_periods(through))
        again._learn(observations, rows, self.fits_, progress)
        return again

    def memory(self, frequency: str) -> int:  # noqa: ARG002 - that of the fit
        """Return the longest lookback of the wells; what was before is in the simulated level."""
        return max((fit.lookback for fit in self.fits_.values()), default=1)

    def covariates_of(self, observations: xr.Dataset) -> list[str]:  # noqa: ARG002
        """Return the names of the covariates that are used."""
        return list(self.covariates_)

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the mean of the model, (well, time), m.

        Raises
        ------
        SchemaError
            If a well was not fitted, a covariate is missing, or the frequency is another.
        """
        well_positions(observations, self.wells_, name=self.name)
        self._check_like_fitted(observations)
        weather = self._weather(observations.expand_dims({schema.FORCING_MEMBER: 1}))
        times = observations[schema.TIME].values
        values = np.full(weather.shape[:1] + weather.shape[2:3], np.nan)
        for number, well in enumerate(map(str, observations[schema.WELL].values)):
            if well in self.fits_:
                fit = self.fits_[well]
                columns = self._columns(weather[number], times, fit)
                values[number] = fit.simulate(columns[0])
        level = xr.DataArray(
            values,
            {name: observations[name] for name in (schema.WELL, schema.TIME)},
            (schema.WELL, schema.TIME),
            attrs=dict(observations[schema.LEVEL].attrs),
        )
        return level.to_dataset(name=schema.LEVEL)

    def project(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
    ) -> xr.DataArray:
        """Return the simulated levels after issue times; all weathers run through at once."""
        if isinstance(forcing, ObservedWeather):
            return super().project(
                observations, issue_times=issue_times, horizon=horizon, forcing=forcing
            )
        until = self.simulate(observations)[schema.LEVEL].values
        issued = timeline.time_positions(
            observations[schema.TIME].values, issue_times, name="issue time"
        )
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        parts = []
        for position, issue_time in zip(issued, timeline.to_times(issue_times), strict=True):
            continued = continue_weather(
                observations,
                issue_time=issue_time,
                horizon=horizon,
                forcing=forcing,
                covariates=self.covariates_,
                history=self.memory(frequency),
            )
            parts.append(self._ahead(continued, until[:, position], horizon=horizon))
        return label_projection(parts, observations, issue_times=issue_times)

    def forecast(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
    ) -> xr.Dataset:
        """Return the levels after each issue time, (well, issue_time, lead_time[, member]), m.

        The last level up to the issue time leads the mean, less so the longer ago it was. There is
        a member for each version of the weather, and no members where it is observed.
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
        wells = [str(well) for well in observations[schema.WELL].values]
        phi = np.array([self.fits_[w].phi if w in self.fits_ else np.nan for w in wells])
        ahead = (issued - last)[..., None] + np.arange(1, horizon + 1)
        level = mean + (known[..., None] * phi[:, None, None] ** ahead)[..., None]
        return schema.label_forecast(
            level[..., 0] if isinstance(forcing, ObservedWeather) else level,
            wells=wells,
            issue_times=issue_times,
            frequency=timeline.infer_frequency(times),
        )

    def _ahead(self, continued: xr.Dataset, level: np.ndarray, *, horizon: int) -> np.ndarray:
        """Return levels after simulated ones (well,), (well, lead_time, forcing_member, 1), m."""
        weather = self._weather(continued)
        found = np.full((len(weather), horizon, weather.shape[1], 1), np.nan)
        times = continued[schema.TIME].values
        for number, well in enumerate(map(str, continued[schema.WELL].values)):
            if well in self.fits_:
                fit = self.fits_[well]
                columns = self._columns(weather[number], times, fit)
                ahead = fit.proceed(columns[:, -horizon:], level=float(level[number]))
                found[number, :, :, 0] = ahead.T
        return found

    def _learn(
        self,
        observations: xr.Dataset,
        rows: xr.DataArray,
        before: dict[str, Autoregression],
        progress: Progress | None,
    ) -> None:
        self.wells_ = observations[schema.WELL].values
        self.covariates_ = self._chosen_covariates(observations)
        self._frequency = timeline.infer_frequency(observations[schema.TIME].values)
        self.fits_, self.failed_ = {}, {}
        self._check_like_fitted(observations)
        weather = self._weather(observations.expand_dims({schema.FORCING_MEMBER: 1}))[:, 0]
        fitted = rows.transpose(schema.WELL, schema.TIME).values
        levels = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME).values
        times = observations[schema.TIME].values
        for number, well in enumerate(map(str, self.wells_)):
            lookbacks = (before[well].lookback,) if well in before else self.lookbacks
            try:
                self.fits_[well] = self._fit_well(
                    np.where(fitted[number], levels[number], np.nan),
                    weather[number],
                    rows=fitted[number],
                    times=times,
                    lookbacks=lookbacks,
                )
            except (ValueError, RuntimeError, np.linalg.LinAlgError) as error:
                self.failed_[well] = str(error)
                warnings.warn(
                    f"{self.name!r} could not be fitted at well {well!r}, whose levels are NaN "
                    f"now: {error}",
                    stacklevel=4,
                )
            if progress is not None:
                progress(f"fit {self.name}", number + 1, self.wells_.size)

    def _fit_well(
        self,
        level: np.ndarray,
        weather: np.ndarray,
        *,
        rows: np.ndarray,
        times: np.ndarray,
        lookbacks: tuple[int, ...],
    ) -> Autoregression:
        year = timeline.steps_per_year(self._frequency)
        known = rows & np.isfinite(weather).all(axis=1)
        mean = weather[known].mean(axis=0) if known.any() else np.zeros(weather.shape[1])
        last = np.flatnonzero(np.isfinite(level))[-1:]
        start = max(0, int(last[0]) - round(MOST_YEARS * year)) if last.size else 0
        level = np.where(np.arange(level.size) >= start, level, np.nan)
        found = [
            autoregress(
                antecedent_columns(
                    weather[None], times, lookback=lookback, before=mean, harmonics=self.harmonics
                )[0],
                level,
                longest=LONGEST_YEARS * year,
                lookback=lookback,
                before=mean,
            )
            for lookback in lookbacks
        ]
        return min(found, key=lambda fit: fit.criterion)

    def _chosen_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:
        if self.covariates is not None:
            return self.covariates
        return tuple(
            name
            for name in schema.covariate_names(observations)
            if not self.harmonics
            or schema.covariate_kind(name, observations[name].attrs) != "season"
        )

    def _weather(self, observations: xr.Dataset) -> np.ndarray:
        """Return the covariates as an array (well, forcing_member, time, covariate)."""
        dims = (schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        series = [observations[name].transpose(*dims).values for name in self.covariates_]
        shape = tuple(observations.sizes[dim] for dim in dims)
        return np.stack(series, axis=-1).astype(float) if series else np.empty((*shape, 0))

    def _columns(self, weather: np.ndarray, times: np.ndarray, fit: Autoregression) -> np.ndarray:
        return antecedent_columns(
            weather, times, lookback=fit.lookback, before=fit.before, harmonics=self.harmonics
        )

    def _check_like_fitted(self, observations: xr.Dataset) -> None:
        missing = [name for name in self.covariates_ if name not in observations]
        if missing:
            raise SchemaError(
                f"{self.name!r} needs the covariates {list(self.covariates_)}. Received none of "
                f"the name {missing[0]!r}. Add the series, or fit without it."
            )
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        if frequency != self._frequency:
            raise SchemaError(
                f"Distributed lags forecast the frequency they were fitted on. Received "
                f"{frequency}, fitted was {self._frequency}. Fit {self.name!r} on this frequency."
            )
