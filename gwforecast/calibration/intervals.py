"""Prediction intervals of simulations and forecasts, from errors on rows that were held out.

Split conformal prediction (Lei et al. 2018, doi:10.1080/01621459.2017.1307116) uses the quantiles
of past errors as the widths of future intervals. Its guarantee requires exchangeable errors. Those
of a groundwater model are not: they persist for months, so a few years hold only a few independent
errors. Errors are therefore taken from as many years as possible: from the validation period, and
from the train period by fits that left out each fold in turn (cross-conformal prediction: Vovk
2015, doi:10.1007/s10472-013-9368-4; with the members of an ensemble: Kim et al. 2020,
arXiv:2002.09025). Outer widths are enlarged for short records, and more so with fewer independent
errors; by how much was found by simulation, see ``benchmarks/calibration.py``.

Errors are divided by a scale that combines the mean squared error with the spread of the members
(Lei et al. 2018, section 5.2), so that an interval is wider where the members disagree.

:class:`SimulationInterval` has one set of widths for each well. Recent errors have more weight
(Barber et al. 2023, doi:10.1214/23-AOS2276), and the scale also depends on season and level
(:class:`gwforecast.calibration.errors.ErrorSize`).

:class:`ForecastInterval` has widths for each well and lead time. Its scale uses the quantiles of
the members on each side of the median, so that the interval of a weather ensemble can be
asymmetric. The squared error in it is what the members leave unexplained: the mean squared error
less their mean spread, because they already stand for the rest. With enough independent errors each
quantile comes from the errors of its own side of the median. Quantiles can follow the outcomes as
they become known, see :mod:`gwforecast.calibration.tracking`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from statistics import NormalDist
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.blending import SPREAD, center_and_spread
from gwforecast.calibration.errors import (
    SHORTEST_YEARS,
    ErrorSize,
    independent_number,
    pooled_quantile,
    pooled_sum,
    pooling_reach,
    smoothed,
    years_spanned,
)
from gwforecast.calibration.tracking import Tracker
from gwforecast.schema import SchemaError

__all__ = ["OF_NORMAL", "QUANTILES", "ForecastInterval", "SimulationInterval"]


QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""Quantiles of a calibrated prediction: median and bounds of the 50, 80 and 95 % intervals."""

OF_NORMAL = np.array([NormalDist().inv_cdf(q) for q in QUANTILES])
"""The same quantiles of a standard normal distribution."""

SIMULATION_ENLARGEMENT = 1.0  # n years of errors: the 95 % interval is 1 + this / n times wider
FORECAST_ENLARGEMENT = 0.5  # n years of errors: the 95 % interval is 1 + this / n times wider
HALF_LIFE_YEARS = 10.0  # an error this many years before the last one has half its weight
FEWEST_ERRORS = 10
SMALLEST = 1e-12  # m2, keeps the scale of a perfect simulation positive
FLOOR = 1e-6  # m, keeps the scale of a perfect forecast positive
ERRORS_PER_YEAR = 4.0  # independent errors of a simulation; a year with more counts as several
FORECAST_ERRORS_PER_YEAR = 12.0  # the same for forecasts, whose errors last less long
LASTING_ENLARGEMENT = 0.3  # n independent errors: the 95 % interval is 1 + this / n times wider
CONSTANT_BAND = 0.01  # m, half the 95 % interval of a level that never changed: a manual reading
SIDE = 20.0  # independent errors with which those of one side count half

_CONSTANT_ERROR = float((CONSTANT_BAND / OF_NORMAL.max()) ** 2)
_PROBABILITIES = np.array(QUANTILES)
_COVERAGE = np.abs(2 * _PROBABILITIES - 1)  # of the central interval that each quantile bounds
_SIGNS = np.sign(_PROBABILITIES - 0.5)
_IS_BOUND = _SIGNS != 0
_MIDDLE = len(QUANTILES) // 2
_NORMAL = np.where(_IS_BOUND, np.abs(OF_NORMAL), 1.0)

# few independent errors make an outer quantile too narrow, and that of the 50 % interval hardly:
# over many wells the mean loss of coverage grows with the square of the normal quantile
_SHAPE = (OF_NORMAL**2 - OF_NORMAL[2] ** 2) / (OF_NORMAL.max() ** 2 - OF_NORMAL[2] ** 2)
_SHAPE = np.where(_IS_BOUND, _SHAPE, 0.0)


class SimulationInterval:
    """Symmetric prediction intervals of a simulation around the median of its members.

    The constants were selected jointly, by coverage and interval score in the years after the
    validation period, for wells with daily and weekly levels.

    Attributes
    ----------
    widths_ : xarray.DataArray
        Signed half-widths in units of the scale, dims (well, quantile); NaN for a well with too few
        errors, whose intervals are NaN.
    error_ : xarray.DataArray
        Weighted mean squared error, m2, dims (well,).
    sizes_ : ErrorSize
        Size of the errors by season and level.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-01", periods=1461)
    >>> level = xr.DataArray(
    ...     np.random.default_rng(0).normal(size=(1, time.size)),
    ...     {"well": ["a"], "time": time}, ("well", "time"),
    ... )
    >>> simulation = xr.zeros_like(level).to_dataset(name="level")
    >>> rows = xr.ones_like(level, dtype=bool)
    >>> interval = SimulationInterval().fit(simulation, level.to_dataset(name="level"), rows=rows)
    >>> interval.apply(simulation)["level"].sel(quantile=[0.025, 0.975]).values[0, 0].round(1)
    array([-1.9,  1.9])
    """

    widths_: xr.DataArray
    error_: xr.DataArray
    sizes_: ErrorSize

    def fit(
        self,
        simulation: xr.Dataset,
        observations: xr.Dataset,
        *,
        rows: xr.DataArray,
        reduction: xr.DataArray | None = None,
    ) -> Self:
        """Estimate the widths from the errors of the given rows.

        Parameters
        ----------
        simulation : xarray.Dataset
            ``level`` (well, time) or (well, time, member), m, of a forecaster that was not fitted
            on these rows. Without members, ``spread`` (well, time), m, may hold their standard
            deviation.
        observations : xarray.Dataset
            ``level`` (well, time), m; NaN where nothing was observed.
        rows : xarray.DataArray
            Rows to use, boolean, dims (well, time). They must have been held out of the fit, and
            must not include rows on which the intervals are evaluated.
        reduction : xarray.DataArray, optional
            Ratio of future errors to the error of each row, dims (well, time), as returned by
            :func:`gwforecast.calibration.errors.error_reduction`; by default 1.

        Returns
        -------
        SimulationInterval
            Itself.

        Raises
        ------
        SchemaError
            If simulation and observations do not have the same wells and times.
        """
        given = center_and_spread(simulation)
        center, spread = given[schema.LEVEL], given[SPREAD]
        observed = observations[schema.LEVEL]
        _check_same_axes(center, observed)
        factor = xr.ones_like(center) if reduction is None else reduction
        errors = (factor * (observed - center)).where(rows).values
        known = np.isfinite(errors)
        enough = known.sum(axis=1) >= FEWEST_ERRORS
        known &= enough[:, None]
        errors = np.where(known, errors, np.nan)
        times = observed[schema.TIME].values
        weights, years = _weights(times, known)
        coords = {schema.WELL: observed[schema.WELL].values}
        mean_square = np.nansum(weights * errors**2, axis=1) / np.maximum(weights.sum(axis=1), 1.0)
        self.error_ = xr.DataArray(mean_square, coords, (schema.WELL,)).where(enough)
        stays = enough & _stays(np.where(known, observed.values, np.nan))
        stays &= mean_square < _CONSTANT_ERROR
        varied = np.where(stays[:, None], np.nan, errors)
        self.sizes_ = ErrorSize().fit(varied, center.values, times, years=years)
        ratio = np.abs(errors) / self._scale(center, (factor * spread).values)
        independent = independent_number(errors[..., None])[:, 0]
        years = np.maximum(years, independent / ERRORS_PER_YEAR)
        widths = _enlarged(
            _weighted_quantiles(ratio, known, weights),
            SIMULATION_ENLARGEMENT / np.maximum(years, SHORTEST_YEARS)
            + LASTING_ENLARGEMENT / independent,
        )
        widths = np.where(stays[:, None], np.abs(OF_NORMAL), widths)
        self.error_ = self.error_.where(~stays, _CONSTANT_ERROR)
        self.widths_ = xr.DataArray(
            np.where(_IS_BOUND, widths * _SIGNS, 0.0),
            {**coords, schema.QUANTILE: list(QUANTILES)},
            (schema.WELL, schema.QUANTILE),
        )
        return self

    def apply(self, simulation: xr.Dataset) -> xr.Dataset:
        """Return a simulation with quantiles instead of members.

        Parameters
        ----------
        simulation : xarray.Dataset
            As in :meth:`fit`.

        Returns
        -------
        xarray.Dataset
            ``level`` (well, time, quantile), m. The quantile 0.5 is the median of the members; the
            others are NaN for a well with too few errors.
        """
        given = center_and_spread(simulation)
        center, spread = given[schema.LEVEL], given[SPREAD]
        widths = np.abs(self.widths_.reindex({schema.WELL: center[schema.WELL].values}).values)
        scale = self._scale(center, spread.values)
        quantiles = _quantiles(center.values, scale[..., None] * widths[:, None])
        return _with_quantiles(simulation, quantiles, center.dims)

    def _scale(self, center: xr.DataArray, spread: np.ndarray) -> np.ndarray:
        """Return the scale of the errors, shape (well, time), m."""
        wells = center.indexes[schema.WELL]
        sizes = self.sizes_.of_wells(self.error_.indexes[schema.WELL].get_indexer(wells))
        relative = sizes.relative(center.values, center[schema.TIME].values)
        error = np.maximum(self.error_.reindex({schema.WELL: wells}).values, SMALLEST)
        return _scale(error[:, None] * relative**2, spread)


class ForecastInterval:
    """Prediction intervals of a forecast by lead time, around the median of the members.

    Neighbouring lead times share their errors, over a range that grows with lead time, so that
    infrequent levels also calibrate the lead times between them. The constants were selected for
    nominal mean coverage in the years after the calibration, for wells with daily and weekly
    levels.

    Attributes
    ----------
    wells_ : list of str
        Wells that were calibrated.
    widths_ : numpy.ndarray
        Shape (well, lead_time, quantile), distance of a quantile from the centre in units of the
        scale, at least 0; NaN where there were too few errors.
    error_ : numpy.ndarray
        Shape (well, lead_time), mean squared error less the mean spread of the members, m2.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> issued = np.arange("2010-01-01", "2014-01-01", dtype="datetime64[D]")
    >>> forecast = schema.label_forecast(
    ...     np.zeros((1, issued.size, 2)), wells=["a"], issue_times=issued, frequency="D"
    ... )
    >>> observed = forecast["level"] + rng.normal(size=forecast["level"].shape) * [1.0, 3.0]
    >>> interval = ForecastInterval().fit(forecast, observed)
    >>> interval.apply(forecast)["level"].sel(quantile=0.975).values[0, 0].round()
    array([2., 6.])
    """

    wells_: list[str]
    widths_: np.ndarray
    error_: np.ndarray

    def fit(self, hindcasts: xr.Dataset, observed: xr.DataArray) -> Self:
        """Estimate the widths from the errors of hindcasts.

        Hindcasts have ``level`` (well, issue_time, lead_time[, member]), m, of a forecaster that
        was not fitted on the observed levels. These are the levels at each valid time, (well,
        issue_time, lead_time), m; NaN where none was observed or where it must not be used.
        """
        center, offsets, spread = _center_and_offsets(hindcasts[schema.LEVEL])
        errors = observed.transpose(*hindcasts[schema.LEVEL].dims[:3]).values - center
        known = np.isfinite(errors)
        count = known.sum(axis=1)
        reach = pooling_reach(count, fewest=FEWEST_ERRORS)
        self.wells_ = [str(well) for well in hindcasts[schema.WELL].values]
        safe = np.where(known, errors, 0.0)
        pooled = pooled_sum(count, reach)
        # errors of one issue time are strongly correlated, whatever the number of lead times
        pooled[known.any(axis=2).sum(axis=1) < FEWEST_ERRORS] = 0
        # the members already stand for a part of the error
        rest = np.where(known, safe**2 - spread, 0.0)
        square = pooled_sum(rest.sum(axis=1), reach) / np.maximum(pooled, 1)
        square = np.maximum(square, 0.0)
        square[pooled < FEWEST_ERRORS] = np.nan
        self.error_ = smoothed(square[..., None])[..., 0]
        scale = _scale(self.error_[:, None, :, None], offsets / _NORMAL, least=FLOOR**2)
        years = years_spanned(hindcasts[schema.VALID_TIME].values, known)
        independent = independent_number(errors)
        self.widths_ = self._widths(
            errors, scale, independent=independent, count=count, reach=reach
        )
        self.widths_[pooled < FEWEST_ERRORS] = np.nan
        self.widths_ = smoothed(self.widths_)
        years = np.maximum(years, SHORTEST_YEARS)[:, None]
        few = FORECAST_ENLARGEMENT / np.maximum(years, independent / FORECAST_ERRORS_PER_YEAR)
        self.widths_ = _enlarged(self.widths_, few + LASTING_ENLARGEMENT / independent)
        self.widths_[..., ~_IS_BOUND] = 0.0
        stays = _stays(errors + center)[:, None] & (self.error_ < _CONSTANT_ERROR)
        self.error_ = np.where(stays, _CONSTANT_ERROR, self.error_)
        self.widths_ = np.where(stays[..., None], np.abs(OF_NORMAL), self.widths_)
        return self

    @staticmethod
    def _widths(
        errors: np.ndarray,
        scale: np.ndarray,
        *,
        independent: np.ndarray,
        count: np.ndarray,
        reach: np.ndarray,
    ) -> np.ndarray:
        """Return the distance of each quantile in units of the scale, (well, lead_time, quantile).

        With many independent errors a quantile comes from the errors of its own side, with few from
        those of both sides, each in units of the scale of its side.
        """
        widths = np.zeros((*count.shape, len(QUANTILES)))
        own = independent**2 / (independent**2 + SIDE**2)
        for number in np.flatnonzero(_IS_BOUND):
            other = len(QUANTILES) - 1 - number
            low, high = min(number, other), max(number, other)
            side = np.where(errors < 0, scale[..., low], scale[..., high])
            both_sides, one_side = (
                pooled_quantile(ratio, probability, count=count, reach=reach)
                for ratio, probability in (
                    (np.abs(errors) / side, _COVERAGE[number]),
                    (_SIGNS[number] * errors / scale[..., number], (1 + _COVERAGE[number]) / 2),
                )
            )
            widths[..., number] = own * np.maximum(one_side, 0.0) + (1 - own) * both_sides
        return widths

    def apply(
        self,
        forecast: xr.Dataset,
        *,
        observed: xr.DataArray | None = None,
        shift: np.ndarray | None = None,
    ) -> xr.Dataset:
        """Return a forecast with quantiles instead of members.

        The forecast has ``level`` (well, issue_time, lead_time[, member]), m, and the result a last
        dim quantile. If the observed level at each valid time is given, (well, issue_time,
        lead_time), m, the quantiles at each issue time follow the outcomes of the earlier ones that
        are known by then. A shift (well, lead_time, quantile) follows the outcomes of earlier
        forecasts, see :class:`gwforecast.calibration.tracking.Tracker`.

        The quantile 0.5 is the median of the members; the others are NaN for a well and lead time
        with too few errors.
        """
        level = forecast[schema.LEVEL]
        center, offsets, _ = _center_and_offsets(level)
        wells = [str(well) for well in forecast[schema.WELL].values]
        widths, error = (self._of(v, wells, level.shape[2]) for v in (self.widths_, self.error_))
        scale = _scale(error[:, None, :, None], offsets / _NORMAL, least=FLOOR**2)
        distance = scale * widths[:, None]
        if shift is not None:
            distance = distance * np.exp(shift[:, None])
        middle = xr.DataArray(center, dims=level.dims[:3])
        if observed is None:
            return _with_quantiles(forecast, _quantiles(center, distance), middle.dims)
        outcome = observed.transpose(*level.dims[:3]).values
        quantiles = _followed(center, distance, outcome, forecast)
        return _with_quantiles(forecast, quantiles, middle.dims)

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Return the intervals of different wells, with the same lead times, as one object."""
        interval = cls()
        interval.wells_ = [well for part in parts for well in part.wells_]
        interval.widths_ = np.concatenate([part.widths_ for part in parts])
        interval.error_ = np.concatenate([part.error_ for part in parts])
        return interval

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the state as plain arrays, for :meth:`from_arrays`."""
        wells = np.array(self.wells_, dtype=str)
        return {"wells": wells, "widths": self.widths_, "error": self.error_}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the interval whose state :meth:`to_arrays` returned.

        Raises KeyError or ValueError if an array is missing or has another shape.
        """
        interval = cls()
        interval.wells_ = [str(well) for well in arrays["wells"]]
        interval.widths_ = np.asarray(arrays["widths"], float)
        interval.error_ = np.asarray(arrays["error"], float)
        expected = (len(interval.wells_), *interval.error_.shape[1:2], len(QUANTILES))
        if interval.error_.ndim != 2 or interval.widths_.shape != expected:
            raise ValueError(
                f"widths and error of an interval have shapes {interval.widths_.shape} and "
                f"{interval.error_.shape}, expected (well, lead_time, quantile) and "
                "(well, lead_time)"
            )
        return interval

    def _of(self, values: np.ndarray, wells: list[str], leads: int) -> np.ndarray:
        """Return values by well and lead time; lead times beyond the last use its values."""
        index = {well: number for number, well in enumerate(self.wells_)}
        lead = np.minimum(np.arange(leads), values.shape[1] - 1)
        rows = [
            values[index[well]][lead] if well in index else np.full_like(values[0][lead], np.nan)
            for well in wells
        ]
        return np.stack(rows)


def _center_and_offsets(level: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the median of the members, how far their quantiles lie from it, and their spread.

    The spread is their mean squared distance from the median, m2; all are 0 without members.
    """
    if schema.MEMBER not in level.dims:
        return level.values, np.zeros((*level.shape, 1)), np.zeros(level.shape)
    members = level.values
    some = np.isfinite(members).any(axis=-1)
    filled = np.where(some[..., None], members, 0.0)
    # without NaN the same numbers in a tenth of the time
    quantile = np.nanquantile if np.isnan(filled).any() else np.quantile
    quantiles = np.moveaxis(quantile(filled, _PROBABILITIES, axis=-1), 0, -1)
    center = quantiles[..., _MIDDLE]
    spread = np.nanmean(np.square(filled - center[..., None]), axis=-1)
    return np.where(some, center, np.nan), np.abs(quantiles - center[..., None]), spread


def _scale(square: np.ndarray, spread: np.ndarray, *, least: float = 0.0) -> np.ndarray:
    """Return the scale, m, from the mean squared error, m2, and the spread of the members, m."""
    return np.asarray(np.sqrt(square + np.square(spread) + least))


def _stays(levels: np.ndarray) -> np.ndarray:
    """Return which wells have levels (well, ...) that are all the same, to a micrometre."""
    flat = levels.reshape(len(levels), -1)
    known = np.isfinite(flat)
    highest = np.where(known, flat, -np.inf).max(axis=1, initial=-np.inf)
    lowest = np.where(known, flat, np.inf).min(axis=1, initial=np.inf)
    some = known.any(axis=1)
    return np.asarray(some & (np.where(some, highest - lowest, np.inf) < FLOOR))


def _enlarged(widths: np.ndarray, enlargement: np.ndarray) -> np.ndarray:
    """Return widths (..., quantile) with those of the 95 % interval enlarged by a share (...)."""
    return np.asarray(widths * (1 + enlargement[..., None] * _SHAPE))


def _quantiles(center: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return quantiles (..., quantile) at some distances from their centre (...)."""
    middle = center[..., None]
    quantiles = middle + _SIGNS * distance
    quantiles[..., ~_IS_BOUND] = middle
    # inner quantiles must not lie outside outer ones
    quantiles[..., _MIDDLE:] = np.maximum.accumulate(quantiles[..., _MIDDLE:], axis=-1)
    lower = np.minimum.accumulate(quantiles[..., _MIDDLE::-1], axis=-1)
    quantiles[..., : _MIDDLE + 1] = lower[..., ::-1]
    return np.asarray(quantiles)


def _followed(
    center: np.ndarray, distance: np.ndarray, outcome: np.ndarray, forecast: xr.Dataset
) -> np.ndarray:
    """Return quantiles that follow the outcomes known at each issue time of the forecast.

    ``center`` and ``outcome`` are (well, issue_time, lead_time), the ``distance`` of each quantile
    from the centre has quantiles as a last axis, all m.
    """
    issued, valid = forecast[schema.ISSUE_TIME].values, forecast[schema.VALID_TIME].values
    tracker = Tracker(_PROBABILITIES, wells=center.shape[0], leads=center.shape[2])
    found = np.empty_like(distance)
    for number, issue_time in enumerate(issued):
        widened = distance[:, number] * np.exp(tracker.advance(issue_time))
        found[:, number] = _quantiles(center[:, number], widened)
        tracker.add(found[:, number], outcome=outcome[:, number], valid=valid[number])
    return found


def _with_quantiles(
    prediction: xr.Dataset, quantiles: np.ndarray, dims: tuple[Hashable, ...]
) -> xr.Dataset:
    """Return a prediction with quantiles (*dims, quantile) instead of members."""
    kept = prediction.drop_dims(schema.MEMBER, errors="ignore").drop_vars(
        [schema.LEVEL, SPREAD], errors="ignore"
    )
    level = ((*dims, schema.QUANTILE), quantiles, dict(prediction[schema.LEVEL].attrs))
    return kept.assign_coords({schema.QUANTILE: list(QUANTILES)}).assign({schema.LEVEL: level})


def _check_same_axes(simulated: xr.DataArray, observed: xr.DataArray) -> None:
    if all(
        simulated.indexes[dim].equals(observed.indexes[dim]) for dim in (schema.WELL, schema.TIME)
    ):
        return
    raise SchemaError(
        "Intervals are estimated from a simulation and observations with the same wells and times. "
        f"Received {dict(simulated.sizes)} and {dict(observed.sizes)}, which differ. Simulate with "
        "these observations."
    )


def _weighted_quantiles(ratio: np.ndarray, known: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weighted quantiles of the scaled errors, shape (well, quantile); NaN without any."""
    widths = np.full((known.shape[0], len(QUANTILES)), np.nan)
    for well in np.flatnonzero(known.any(axis=1)):
        own = known[well]
        widths[well] = np.quantile(
            ratio[well, own], _COVERAGE, weights=weights[well, own], method="inverted_cdf"
        )
    return widths


def _weights(times: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight of each error, at most 1, and the effective number of years.

    The weights (well, row) are 0 where ``known`` (well, row) says that there is no error. The years
    (well,) that the errors span are reduced by unequal weights (effective sample size: Kish 1965).
    """
    age = (times.max() - times) / np.timedelta64(1, "D") / 365.25
    weights, years = np.zeros(known.shape), np.zeros(known.shape[0])
    for well in np.flatnonzero(known.any(axis=1)):
        own = age[known[well]]
        part = 0.5 ** ((own - own.min()) / HALF_LIFE_YEARS)
        weights[well, known[well]] = part
        years[well] = np.ptp(own) * part.sum() ** 2 / np.sum(part**2) / own.size
    return weights, years
