"""Issue times: what is known at one, which ones a backtest uses, and the periods of refits."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Period, Split

__all__ = [
    "extend_split", "gather_forecast", "issue_times_of", "known_at", "label_projection",
    "mask_to_period", "observed_at", "over_weekdays", "snap_issue_time", "spread_issue_times",
]  # fmt: skip


def snap_issue_time(times: np.ndarray, given: object, *, stacklevel: int = 3) -> np.datetime64:
    """Return an issue time; one that is no time step becomes the last step before it, and warns.

    The times (time,) are regular; steps after them count as well. Raises ValueError if it is no
    time, or before the first step.
    """
    moment = timeline.to_times([given])[0]
    step = timeline.step_at_or_before(times, moment)
    if step != moment:
        warnings.warn(
            f"An issue time is a time step. Received {timeline.format_time(moment)} with steps of "
            f"frequency {timeline.infer_frequency(times)!r}: the last step before it, "
            f"{timeline.format_time(step)}, is used.",
            stacklevel=stacklevel,
        )
    return step


def known_at(
    observations: xr.Dataset,
    issue_time: np.datetime64,
    *,
    keep_weather: bool = False,
    extend: bool = False,
) -> xr.Dataset:
    """Return the part of the observations (well, time) that is known at an issue time.

    No level after the issue time, which is a step of the time axis, is in the result, whose axis
    ends there. With ``keep_weather`` the covariates after the issue time are kept, for perfect
    foresight. With ``extend`` a time axis that ends before the issue time is extended up to it,
    with NaN; by default such an issue time is a SchemaError.

    Examples
    --------
    >>> days = pd.date_range("2020-01-01", periods=3)
    >>> level = xr.Dataset(
    ...     {"level": (("well", "time"), [[1.0, 2.0, 3.0]])}, {"well": ["a"], "time": days}
    ... )
    >>> known_at(level, days[1])["level"].values
    array([[1., 2.]])
    >>> known_at(level, days[1], keep_weather=True)["level"].values
    array([[ 1.,  2., nan]])
    """
    issue_time = timeline.to_times([issue_time])[0]
    times = timeline.to_times(observations[schema.TIME].values)
    if extend:
        end = max(times[-1], issue_time) if keep_weather else max(times[0], issue_time)
        times = timeline.regular_times(times[0], end, timeline.infer_frequency(times))
        observations = observations.reindex({schema.TIME: times})
    timeline.time_positions(times, np.array([issue_time]), name="issue time")
    if not keep_weather:
        return observations.sel({schema.TIME: slice(None, issue_time)})
    level = observations[schema.LEVEL]
    past = level.where(observations[schema.TIME] <= issue_time).assign_attrs(level.attrs)
    return observations.assign({schema.LEVEL: past})


def issue_times_of(
    observations: xr.Dataset,
    split: Split,
    *,
    period: Period,
    stride: int = 1,
    start: str | pd.Timestamp | np.datetime64 | None = None,
    end: str | pd.Timestamp | np.datetime64 | None = None,
) -> np.ndarray:
    """Return the issue times of forecasts for a period, (issue_time,), ``datetime64[us]``.

    All wells share the issue times, which are ``stride`` steps apart. The first is by default the
    last step before the earliest start of the period, and the last one that of the period.

    Raises ValueError if the stride is less than 1, and SchemaError if there is no issue time.
    """
    if stride < 1:
        raise ValueError(
            f"The stride of a backtest must be at least 1 step. Received {stride}. Use 1 for a "
            "forecast at every step."
        )
    times = timeline.to_times(observations[schema.TIME].values)
    wells = {schema.WELL: observations[schema.WELL].values}
    first = split.start(period).sel(wells).values
    last = split.end(period).sel(wells).values
    known = ~np.isnat(first)
    inside = np.zeros(times.size, bool)
    if known.any():
        begin = np.searchsorted(times, first[known].min()) - 1
        stop = np.searchsorted(times, last[known].max())
        inside[max(begin, 0) : stop] = True
    lower, upper = (None if t is None else timeline.to_times([t])[0] for t in (start, end))
    if lower is not None:
        inside &= times >= lower
    if upper is not None:
        inside &= times <= upper
    found = times[inside][::stride]
    if found.size == 0:
        raise SchemaError(
            f"A backtest needs at least one issue time in the {period} period. Received none "
            f"between {_shown(start)} and {_shown(end)}. Choose a start and an end within the "
            "record, or add this period to the split."
        )
    return found


def over_weekdays(stride: int, frequency: str) -> int:
    """Return a number of steps by which issue times pass through all days of the week.

    Levels beside pumps and hydropower have a weekly rhythm. With a multiple of seven days all
    issue times are on one weekday, whose next day is not like the others.

    Examples
    --------
    >>> over_weekdays(7, "D"), over_weekdays(10, "D"), over_weekdays(7, "W-MON")
    (8, 10, 7)
    """
    return stride + 1 if frequency == "D" and stride % 7 == 0 else stride


def spread_issue_times(
    observations: xr.Dataset, split: Split, *, period: Period, most: int
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield groups of wells with a limited number of issue times in a period.

    The issue times of a well, ``most`` at most, are a fixed number of steps apart, counted from
    1970, so that they do not depend on the other wells. Wells with the same number of steps share
    their issue times; :func:`mask_to_period` removes those outside the period of a well.
    """
    times = timeline.to_times(observations[schema.TIME].values)
    frequency = timeline.infer_frequency(times)
    names = schema.well_names(observations)
    bounds = (split.start(period), split.end(period))
    first, last = (bound.sel({schema.WELL: names}).values for bound in bounds)
    groups: dict[int, list[str]] = {}
    for well, begin, end in zip(names, first, last, strict=True):
        count = int(((times >= begin) & (times <= end)).sum())  # none where there is no period
        stride = over_weekdays(max(1, math.ceil(count / most)), frequency)
        groups.setdefault(stride, []).append(well)
    for stride, wells in groups.items():
        every = issue_times_of(observations.sel({schema.WELL: wells}), split, period=period)
        numbers = timeline.steps_since_epoch(every[0], frequency) + np.arange(every.size)
        yield wells, every[numbers % stride == 0]


def observed_at(levels: xr.DataArray, forecast: xr.Dataset) -> xr.DataArray:
    """Return the level at each valid time of a forecast, dims (well, issue_time, lead_time), m.

    Levels are (well, time), m. The result is NaN for valid times that are not on their time axis.
    """
    times = timeline.to_times(levels[schema.TIME].values)
    valid = forecast[schema.VALID_TIME].values
    positions = np.minimum(np.searchsorted(times, valid), times.size - 1)
    wells = levels.sel({schema.WELL: forecast[schema.WELL].values})
    values = wells.transpose(schema.WELL, schema.TIME).values[:, positions]
    values = np.where(times[positions] == valid, values, np.nan)
    dims = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME)
    coords = {name: forecast[name] for name in (*dims, schema.VALID_TIME)}
    return xr.DataArray(values, coords, dims, attrs=dict(levels.attrs), name=schema.LEVEL)


def mask_to_period(forecast: xr.Dataset, split: Split, *, period: Period) -> xr.Dataset:
    """Return a forecast with NaN outside the period of each well.

    Issue times are kept from the last step before the period of a well, and valid times up to its
    last step, so that wells with different periods share one axis of issue times.
    """
    wells = {schema.WELL: forecast[schema.WELL].values}
    first, last = split.start(period).sel(wells), split.end(period).sel(wells)
    earliest = forecast[schema.VALID_TIME].isel({schema.LEAD_TIME: 0}, drop=True)
    kept = (earliest >= first) & (forecast[schema.VALID_TIME] <= last)
    level = forecast[schema.LEVEL]
    dims = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME)
    shape = kept.transpose(*dims).values.reshape(level.shape[:3] + (1,) * (level.ndim - 3))
    return forecast.assign({schema.LEVEL: level.copy(data=np.where(shape, level.values, np.nan))})


def extend_split(split: Split, until: np.datetime64, *, sliding: bool = False) -> Split:
    """Return a split whose validation period extends to the last step that a refit may use.

    A validation period that ends later is kept. By default the window expands; with ``sliding`` the
    start of the train period moves by the same amount, so that it keeps its length.
    """
    bounds = split.bounds.copy(deep=True)
    until = timeline.to_times([until])[0]
    ends = split.end_through("validation").values
    moved = np.maximum(until - ends, np.timedelta64(0, "us"))
    validation = bounds["validation"].values
    train = bounds["train"].values
    for well in np.flatnonzero(moved > np.timedelta64(0, "us")):
        if np.isnat(validation[well]).any():
            train[well, 1] = until
        else:
            validation[well, 1] = until
        if sliding:
            train[well, 0] = min(train[well, 0] + moved[well], train[well, 1])
        test = bounds["test"].values
        if not np.isnat(test[well]).any():
            later = until + np.timedelta64(1, "us")
            test[well] = (
                np.array([later, test[well, 1]]) if test[well, 1] >= later else np.datetime64("NaT")
            )
    return Split(bounds)


def _shown(time: object) -> str:
    return "the end of the record" if time is None else str(time)


def last_observations(observations: xr.Dataset, issue_times: np.ndarray) -> xr.DataArray:
    """Return the time of the last level at or before each issue time, (well, issue_time)."""
    times = timeline.to_times(observations[schema.TIME].values)
    levels = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME).values
    place = np.where(np.isfinite(levels), np.arange(times.size), -1)
    place = np.maximum.accumulate(place, axis=1)
    issued = timeline.time_positions(times, issue_times, name="issue time")
    at = place[:, issued]
    found = np.where(at >= 0, times[np.maximum(at, 0)], np.datetime64("NaT"))
    return xr.DataArray(
        found.astype(schema.TIME_DTYPE),
        {schema.WELL: observations[schema.WELL].values, schema.ISSUE_TIME: issue_times},
        (schema.WELL, schema.ISSUE_TIME),
        attrs={"long_name": "time of the last level that was used"},
    )


def label_projection(
    parts: list[np.ndarray], observations: xr.Dataset, *, issue_times: np.ndarray
) -> xr.DataArray:
    """Return simulated levels after issue times with their labels.

    Each part is (well, lead_time, forcing_member, member), m, of one issue time; where one has
    fewer forcing members than another, the rest is NaN. Dims (well, issue_time, lead_time,
    forcing_member, member).
    """
    most = max(part.shape[2] for part in parts)
    filled = [
        np.pad(part, ((0, 0), (0, 0), (0, most - part.shape[2]), (0, 0)), constant_values=np.nan)
        for part in parts
    ]
    wells, _, _, members = filled[0].shape
    flat = np.stack(filled, axis=1).reshape(wells, len(parts), -1, most * members)
    labelled = schema.label_forecast(
        flat,
        wells=observations[schema.WELL].values.tolist(),
        issue_times=issue_times,
        frequency=timeline.infer_frequency(observations[schema.TIME].values),
    )[schema.LEVEL]
    dims = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME, schema.FORCING_MEMBER, schema.MEMBER)
    coords = labelled.drop_vars(schema.MEMBER).coords
    return xr.DataArray(
        flat.reshape(*flat.shape[:3], most, members), coords, dims, attrs=labelled.attrs
    )


def gather_forecast(level: xr.DataArray, *, issue_times: np.ndarray, horizon: int) -> xr.Dataset:
    """Return the rows of a simulation that lie after each issue time, as a forecast.

    ``level`` is (well, time[, member]), m; issue times are steps of its axis. NaN beyond its end.
    """
    times = level[schema.TIME].values
    issued = timeline.time_positions(times, issue_times, name="issue time")
    positions = issued[:, None] + np.arange(1, horizon + 1)
    inside = positions < times.size
    values = level.values[:, np.where(inside, positions, 0)]
    values[:, ~inside] = np.nan
    return schema.label_forecast(
        values,
        wells=level[schema.WELL].values.tolist(),
        issue_times=issue_times,
        frequency=timeline.infer_frequency(times),
    )
