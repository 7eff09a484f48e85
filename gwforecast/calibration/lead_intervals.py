"""Calibrated intervals of forecasts, by lead time, which follow the errors as they become known.

Widths are learnt as by :class:`gwforecast.calibration.intervals.ConformalInterval`, for each lead
time
from the errors of hindcasts in years that the forecaster was not fitted on. They are learnt in
units of a scale that holds the mean error at the lead time and how far the members lie apart, above
and below the centre on their own: with an ensemble of weather an interval may lean to one side.

Errors of later years are not those of earlier ones, so the widths are tracked (Gibbs and Candes
2021, arXiv:2106.00170; Angelopoulos et al. 2023, arXiv:2307.16895): each time an outcome is known,
the interval becomes a little wider if it was missed, and narrower by less if it was not. Only
outcomes up to the issue time count.

Lead times that are near to each other share what they learn, the more of them the farther they are:
so levels that are observed now and then calibrate the lead times between them as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.intervals import FEWEST_ERRORS, OF_NORMAL, QUANTILES

__all__ = ["LeadInterval"]


ENLARGEMENT_YEARS = 0.5  # an interval learnt from n years is 1 + ENLARGEMENT_YEARS / n times wider
STEP = 0.05  # by which an outcome moves the logarithm of a width
NEIGHBOURS = 6  # a lead time shares with those within a sixth of it
FLOOR = 1e-6  # m, which keeps the scale of a perfect forecast positive

_LEVELS = np.array(QUANTILES)
_OUTER = np.abs(2 * _LEVELS - 1)  # coverage of the interval that ends at each quantile
_SIDES = _LEVELS != 0.5
_NORMAL = np.where(_SIDES, np.abs(OF_NORMAL), 1.0)


class LeadInterval:
    """Intervals by lead time around the median of the members.

    The two constants were chosen over wells with daily and weekly levels, so that the mean coverage
    in years after those of the calibration is nominal.

    Attributes
    ----------
    wells_ : list of str
        Wells that were calibrated.
    widths_ : numpy.ndarray
        Shape (well, lead_time, quantile), distance of a quantile from the centre in units of the
        scale, at least 0; NaN where there were too few errors.
    error_ : numpy.ndarray
        Shape (well, lead_time), mean squared error, m2.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> issued = np.arange("2010-01-01", "2014-01-01", dtype="datetime64[D]")
    >>> forecast = schema.label_forecast(
    ...     np.zeros((1, issued.size, 2)), wells=["a"], issue_times=issued, frequency="D"
    ... )
    >>> observed = forecast["level"] + rng.normal(size=forecast["level"].shape) * [1.0, 3.0]
    >>> interval = LeadInterval().fit(forecast, observed)
    >>> interval.apply(forecast)["level"].sel(quantile=0.975).values[0, 0].round()
    array([2., 6.])
    """

    wells_: list[str]
    widths_: np.ndarray
    error_: np.ndarray

    def fit(self, hindcasts: xr.Dataset, observed: xr.DataArray) -> Self:
        """Learn the widths from the errors of hindcasts.

        Parameters
        ----------
        hindcasts : xarray.Dataset
            ``level`` (well, issue_time, lead_time[, member]), m, of a forecaster that was not
            fitted on the levels that they are held against.
        observed : xarray.DataArray
            Level at each valid time, dims (well, issue_time, lead_time), m; NaN where none was
            observed or where it is not to be learnt from.
        """
        center, offsets = _center_and_offsets(hindcasts[schema.LEVEL])
        errors = observed.transpose(*hindcasts[schema.LEVEL].dims[:3]).values - center
        known = np.isfinite(errors)
        count = known.sum(axis=1)
        reach = _reach(count)
        self.wells_ = [str(well) for well in hindcasts[schema.WELL].values]
        safe = np.where(known, errors, 0.0)
        pooled = _pooled(count, reach)
        # errors of one issue time are alike, however many lead times they are of
        pooled[known.any(axis=2).sum(axis=1) < FEWEST_ERRORS] = 0
        self.error_ = _pooled((safe**2).sum(axis=1), reach) / np.maximum(pooled, 1)
        scale = _scale(self.error_, offsets)
        years = _years(hindcasts, known)
        self.widths_ = np.zeros((*count.shape, _LEVELS.size))
        for number in np.flatnonzero(_SIDES):
            # each error in units of the side that it lies on
            other = _LEVELS.size - 1 - number
            low, high = min(number, other), max(number, other)
            side = np.where(safe < 0, scale[..., low], scale[..., high])
            ratio = np.where(known, np.abs(safe) / side, np.nan)
            self.widths_[..., number] = _quantile(ratio, _OUTER[number], count)
            _pool_quantiles(self.widths_[..., number], ratio, _OUTER[number], reach)
        self.widths_[pooled < FEWEST_ERRORS] = np.nan
        self.error_[pooled < FEWEST_ERRORS] = np.nan
        self.widths_ = _over_leads(self.widths_)
        self.error_ = _over_leads(self.error_[..., None])[..., 0]
        factor = 1 + ENLARGEMENT_YEARS / np.maximum(years, ENLARGEMENT_YEARS)
        self.widths_ *= factor[:, None, None]
        self.widths_[..., ~_SIDES] = 0.0
        return self

    def apply(self, forecast: xr.Dataset, *, observed: xr.DataArray | None = None) -> xr.Dataset:
        """Return a forecast with quantiles in the place of its members.

        Parameters
        ----------
        forecast : xarray.Dataset
            ``level`` (well, issue_time, lead_time[, member]), m.
        observed : xarray.DataArray, optional
            Level at each valid time, dims (well, issue_time, lead_time), m. Where it is given, the
            widths of later issue times follow the outcomes that were known then.

        Returns
        -------
        xarray.Dataset
            ``level`` (well, issue_time, lead_time, quantile), m. The quantile 0.5 is the median of
            the members; the others are NaN for a well and lead time with too few errors.
        """
        level = forecast[schema.LEVEL]
        center, offsets = _center_and_offsets(level)
        wells = [str(well) for well in forecast[schema.WELL].values]
        leads = level.shape[2]
        widths, error = (self._of(values, wells, leads) for values in (self.widths_, self.error_))
        distance = _scale(error, offsets) * widths[:, None]
        if observed is not None:
            outcome = observed.transpose(*level.dims[:3]).values - center
            distance *= np.exp(_track(outcome, distance, forecast))
        quantiles = center[..., None] + np.sign(_LEVELS - 0.5) * distance
        quantiles[..., ~_SIDES] = center[..., None]
        # those nearer to the centre never lie outside those farther from it
        middle = _LEVELS.size // 2
        quantiles[..., middle:] = np.maximum.accumulate(quantiles[..., middle:], axis=-1)
        lower = np.minimum.accumulate(quantiles[..., middle::-1], axis=-1)
        quantiles[..., : middle + 1] = lower[..., ::-1]
        dims = (*level.dims[:3], schema.QUANTILE)
        coords = {schema.QUANTILE: list(QUANTILES)}
        kept = forecast.drop_dims(schema.MEMBER, errors="ignore").drop_vars(
            schema.LEVEL, errors="ignore"
        )
        return kept.assign_coords(coords).assign({schema.LEVEL: (dims, quantiles, level.attrs)})

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Return the intervals of different wells, with the same lead times, as one."""
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
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Return the interval whose state :meth:`to_arrays` gave."""
        interval = cls()
        interval.wells_ = [str(well) for well in arrays["wells"]]
        interval.widths_ = np.asarray(arrays["widths"], float)
        interval.error_ = np.asarray(arrays["error"], float)
        return interval

    def _of(self, values: np.ndarray, wells: list[str], leads: int) -> np.ndarray:
        """Return values by well and lead; beyond the longest known lead its own are kept."""
        index = {well: number for number, well in enumerate(self.wells_)}
        reach = np.minimum(np.arange(leads), values.shape[1] - 1)
        rows = [
            values[index[well]][reach] if well in index else np.full_like(values[0][reach], np.nan)
            for well in wells
        ]
        return np.stack(rows)


def _center_and_offsets(level: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median of the members, and how far from it each quantile of theirs lies."""
    if schema.MEMBER not in level.dims:
        return level.values, np.zeros((*level.shape, 1))
    members = level.values
    some = np.isfinite(members).any(axis=-1)
    filled = np.where(some[..., None], members, 0.0)
    quantiles = np.moveaxis(np.nanquantile(filled, _LEVELS, axis=-1), 0, -1)
    center = quantiles[..., _LEVELS.size // 2]
    return np.where(some, center, np.nan), np.abs(quantiles - center[..., None])


def _scale(error: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the scale of each quantile, shape (well, issue_time, lead_time, quantile), m."""
    return np.asarray(np.sqrt(error[:, None, :, None] + np.square(offsets / _NORMAL) + FLOOR**2))


def _quantile(ratio: np.ndarray, share: float, count: np.ndarray) -> np.ndarray:
    """Return a quantile along the issue times; 0 where there is nothing to take it of."""
    ordered = np.sort(np.where(np.isfinite(ratio), ratio, np.inf), axis=1)
    rank = share * np.maximum(count - 1, 0)
    low = np.floor(rank).astype(int)
    part = rank - low
    below, above = (
        np.take_along_axis(ordered, np.minimum(at, np.maximum(count - 1, 0))[:, None], axis=1)[:, 0]
        for at in (low, low + 1)
    )
    finite = np.isfinite(below) & np.isfinite(above)
    gap = np.where(finite, above, 0.0) - np.where(finite, below, 0.0)
    return np.asarray(np.where(finite, below, 0.0) + part * gap)


def _reach(count: np.ndarray) -> np.ndarray:
    """Return how many lead times on each side must be pooled for enough errors, (well, lead)."""
    reach = np.zeros_like(count)
    for _ in range(count.shape[1]):
        few = _pooled(count, reach) < FEWEST_ERRORS
        if not few.any():
            break
        reach[few] += 1
    return reach


def _pooled(values: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Return sums of (well, lead) over the lead times within reach."""
    total = np.pad(values.cumsum(axis=1), ((0, 0), (1, 0)))
    lead = np.arange(values.shape[1])
    stop = np.minimum(lead + reach + 1, lead.size)
    pooled = np.take_along_axis(total, stop, 1)
    pooled = pooled - np.take_along_axis(total, np.maximum(lead - reach, 0), 1)
    return np.where(reach > 0, pooled, values)


def _pool_quantiles(widths: np.ndarray, ratio: np.ndarray, share: float, reach: np.ndarray) -> None:
    """Put into widths (well, lead) quantiles over all errors within reach, where there are few."""
    for well, lead in np.argwhere(reach > 0):
        near = ratio[well, :, max(lead - reach[well, lead], 0) : lead + reach[well, lead] + 1]
        near = near[np.isfinite(near)]
        if near.size:
            widths[well, lead] = np.quantile(near, share)


def _over_leads(values: np.ndarray, *, count: np.ndarray | None = None) -> np.ndarray:
    """Return means over neighbouring lead times of (well, lead_time, quantile), NaN left out.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (well, lead_time, quantile).
    count : numpy.ndarray, optional
        Shape (well, lead_time): whether a lead time has a value, where it is not by NaN.
    """
    known = np.isfinite(values[..., :1]) if count is None else count[..., None] > 0
    lead = np.arange(values.shape[1])
    reach = (lead + 1) // NEIGHBOURS
    first, stop = np.maximum(lead - reach, 0), np.minimum(lead + reach + 1, lead.size)
    total, number = (
        np.pad(part.cumsum(axis=1), ((0, 0), (1, 0), (0, 0)))
        for part in (np.where(known, values, 0.0), known.astype(float))
    )
    number = number[:, stop] - number[:, first]
    mean = (total[:, stop] - total[:, first]) / np.maximum(number, 1.0)
    return np.where(number > 0, mean, np.nan)


def _years(hindcasts: xr.Dataset, known: np.ndarray) -> np.ndarray:
    """Return how many years the errors of each well span, shape (well,)."""
    valid = hindcasts[schema.VALID_TIME].values
    spans = []
    for well in known:
        times = valid[well]
        spans.append((times.max() - times.min()) / np.timedelta64(1, "D") if times.size else 0.0)
    return np.array(spans) / 365.25


def _track(outcome: np.ndarray, distance: np.ndarray, forecast: xr.Dataset) -> np.ndarray:
    """Return by how much the logarithm of each distance has moved until each issue time.

    Parameters
    ----------
    outcome : numpy.ndarray
        Observed level minus centre, shape (well, issue_time, lead_time), m.
    distance : numpy.ndarray
        Of each quantile from the centre, shape (well, issue_time, lead_time, quantile), m.
    forecast : xarray.Dataset
        With issue and valid times.
    """
    issued = forecast[schema.ISSUE_TIME].values
    # the first issue time at which each outcome is known
    known_at = np.searchsorted(issued, forecast[schema.VALID_TIME].values)
    moved = np.zeros_like(distance)
    now = np.zeros_like(distance[:, 0])
    order = np.argsort(known_at, axis=None, kind="stable")
    when = known_at.ravel()[order]
    bounds = np.searchsorted(when, np.arange(issued.size + 1))
    for number in range(issued.size):
        arrived = order[bounds[number] : bounds[number + 1]]
        if arrived.size:
            origin, lead = np.unravel_index(arrived, known_at.shape)
            error = np.abs(outcome[:, origin, lead])[..., None]
            reach = distance[:, origin, lead] * np.exp(moved[:, origin, lead])
            known = np.isfinite(error)
            change = np.where(known, (error > reach) - (1 - _OUTER), 0.0)
            total, count = np.zeros_like(now), np.zeros(now.shape[:2])
            np.add.at(total.swapaxes(0, 1), lead, change.swapaxes(0, 1))
            np.add.at(count.T, lead, known[..., 0].T)
            now = now + STEP * np.nan_to_num(_over_leads(total, count=count))
        moved[:, number] = now
    moved[..., ~_SIDES] = 0.0
    return moved
