"""Data of the figures of forecasts, apart from drawing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.plots import prepare
from gwforecast.plots.prepare import Interval, View

__all__ = [
    "Issued", "fan_view", "intervals", "issued", "issues_of", "last_level", "near_thresholds",
    "rain_through", "usual_levels", "without_forecast",
]  # fmt: skip


NORMAL_QUANTILES = (0.1, 0.5, 0.9)
NORMAL_DAYS = 15.0
"""Days of the year before and after a date whose levels are its normal levels."""


@dataclass(frozen=True)
class Issued:
    """The forecast of a well from one issue time: levels, dims (time, quantile), m."""

    time: np.datetime64
    level: xr.DataArray


def issues_of(forecast: xr.Dataset, *, well: str, model: str | None) -> xr.DataArray:
    """Return the forecasts of a well and model, dims (issue_time, lead_time, quantile), m.

    Members are replaced by their quantiles, NaN where a member is missing. A forecast without
    quantiles and members is the median. Selected dimensions may be scalar coordinates.
    """
    level = forecast[schema.LEVEL]
    if schema.MODEL in level.dims:
        level = level.sel({schema.MODEL: prepare.only_model(level, model)}, drop=True)
    prepare.only_well(level, well)
    if schema.WELL in level.dims:
        level = level.sel({schema.WELL: well}, drop=True)
    for dimension in (schema.ISSUE_TIME, schema.LEAD_TIME):
        if dimension not in level.dims:
            level = level.expand_dims(dimension)
    if schema.MEMBER in level.dims:
        level = level.quantile(list(QUANTILES), schema.MEMBER, skipna=False)
    if schema.QUANTILE not in level.dims:
        level = level.expand_dims({schema.QUANTILE: [0.5]})
    valid = forecast[schema.VALID_TIME]
    for dimension in (schema.ISSUE_TIME, schema.LEAD_TIME):
        if dimension not in valid.dims:
            valid = valid.expand_dims(dimension)
    order = (schema.ISSUE_TIME, schema.LEAD_TIME)
    level = level.assign_coords({schema.VALID_TIME: (order, valid.transpose(*order).values)})
    return level.transpose(*order, schema.QUANTILE)


def issued(
    forecast: xr.Dataset, *, well: str, issue_time: object | None, model: str | None
) -> Issued:
    """Return the forecast from one issue time, by default the last."""
    level = issues_of(forecast, well=well, model=model)
    times = level[schema.ISSUE_TIME].values
    wanted = times[-1] if issue_time is None else timeline.to_times([issue_time])[0]
    places = np.flatnonzero(times == wanted)
    if places.size == 0:
        raise ValueError(
            "The issue time must be in the forecast. Received "
            f"{timeline.format_time(wanted)}; there are {times.size}, "
            f"{timeline.format_time(times[0])} to {timeline.format_time(times[-1])}. Choose one "
            "of them."
        )
    one = level.isel({schema.ISSUE_TIME: int(places[0])}, drop=True)
    if not prepare.central(one).notnull().any():
        raise ValueError(
            f"The figure needs a predicted level. Received none for well {well!r} "
            f"from {timeline.format_time(wanted)}. Choose another issue time or model."
        )
    valid = one[schema.VALID_TIME].values
    one = one.drop_vars([schema.VALID_TIME, schema.LEAD_TIME])
    one = one.rename({schema.LEAD_TIME: schema.TIME}).assign_coords({schema.TIME: valid})
    return Issued(np.datetime64(wanted), one)


def intervals(level: xr.DataArray) -> list[Interval]:
    """Return the intervals between quantiles q and 1 - q with known levels, the widest first."""
    quantiles = level[schema.QUANTILE].values
    found = []
    for low in quantiles[quantiles < 0.5]:
        pair = quantiles[np.isclose(quantiles, low) | np.isclose(quantiles, 1 - low)]
        bounds = prepare.interval(level.sel({schema.QUANTILE: pair}))
        if bounds is not None:
            found.append(bounds)
    return found


def last_level(
    level: xr.DataArray, *, issue_time: np.datetime64
) -> tuple[np.datetime64, float] | None:
    """Return time and value, m, of the last observed level up to the issue time, or None."""
    known = level.where(level[schema.TIME] <= issue_time).dropna(schema.TIME)
    if not known.size:
        return None
    return known[schema.TIME].values[-1], float(known.values[-1])


def without_forecast(median: xr.DataArray) -> list[View]:
    """Return first and last time of each longer span between forecasts.

    Spans are longer than twice the usual time between issue times, and than 30 days. ``median`` has
    the dims (issue_time, lead_time) and the coordinate ``valid_time``; NaN for no forecast.
    """
    issues, valid = median[schema.ISSUE_TIME].values, median[schema.VALID_TIME].values
    there = np.isfinite(median.values)
    rows = np.flatnonzero(there.any(axis=1))
    if rows.size < 2:
        return []
    ends = np.array([valid[row][there[row]].max() for row in rows])
    usual = np.median(np.diff(issues[rows]))
    least = max(2 * usual, np.timedelta64(30, "D"))
    pairs = zip(np.maximum.accumulate(ends)[:-1], issues[rows][1:], strict=True)
    return [(end, start) for end, start in pairs if start - end > least]


def fan_view(forecast: Issued, observations: xr.Dataset, *, history: int | None) -> View:
    """Return the first and last time of a fan chart: a history, and all valid times.

    Without ``history``, it is twice as long as the horizon, and at least half a year.
    """
    if history is not None and history < 0:
        raise ValueError(
            f"The history must be a number of steps, 0 or more. Received history={history}. Omit "
            "it for the default."
        )
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    half = round(timeline.steps_per_year(frequency) / 2)
    steps = max(2 * forecast.level.sizes[schema.TIME], half) if history is None else history
    start = timeline.add_steps(forecast.time, -steps, frequency)
    first = observations[schema.TIME].values[0]
    start, end = max(start, min(first, forecast.time)), forecast.level[schema.TIME].values[-1]
    if end - forecast.time < 0.05 * (end - start):  # keeps a short forecast off the edge
        end = end + (end - start) // 40
    return start, end


def near_thresholds(thresholds: Sequence[float], limits: tuple[float, float]) -> list[float]:
    """Return the thresholds that are no further from the limits than their distance.

    Examples
    --------
    >>> near_thresholds([9.0, 11.5, 14.0], (10.0, 12.0))
    [9.0, 11.5, 14.0]
    >>> near_thresholds([7.0], (10.0, 12.0))
    []
    """
    low, high = limits
    span = max(high - low, 0.01)
    return [float(level) for level in thresholds if low - span <= level <= high + span]


def rain_through(
    observations: xr.Dataset, weather: xr.Dataset | None, *, well: str, issue_time: np.datetime64
) -> tuple[xr.DataArray | None, str]:
    """Return rain, dims (time,): observed up to the issue time, and that of ``weather`` after it.

    The mean of members is used. Without ``weather``, all rain is observed; None if the observations
    have no rain. The text is the label of the rain after the issue time.
    """
    name = prepare.rain_name(observations)
    if name is None:
        return None, ""
    observed = observations[name].sel({schema.WELL: well}, drop=True)
    if weather is None:
        return observed, "rain, observed later"
    if name not in weather:
        raise ValueError(
            f"The weather must have the rain of the observations. Received "
            f"{sorted(map(str, weather.data_vars))}, without {name!r}. Rename it, or omit the "
            "weather."
        )
    ahead = weather[name]
    if schema.WELL in ahead.dims:
        ahead = ahead.sel({schema.WELL: well}, drop=True)
    label = "rain, forecast"
    if schema.MEMBER in ahead.dims:
        ahead, label = ahead.mean(schema.MEMBER, skipna=False), "rain, forecast (mean)"
    before = observed[observed[schema.TIME].values <= issue_time]
    joined = xr.concat([before, ahead[ahead[schema.TIME].values > issue_time]], schema.TIME)
    frequency = timeline.infer_frequency(observed[schema.TIME].values)
    times = joined[schema.TIME].values
    every = timeline.regular_times(times[0], times[-1], frequency)
    return joined.reindex({schema.TIME: every}).assign_attrs(observed.attrs), label


def usual_levels(
    level: xr.DataArray, times: np.ndarray, *, before: np.datetime64
) -> xr.DataArray | None:
    """Return the normal levels: quantiles 0.1, 0.5 and 0.9 of all past years around each day.

    Levels up to the time ``before`` are used. Dims (time, quantile), m; None with levels of fewer
    than three years.
    """
    past = level.where(level[schema.TIME] <= before).dropna(schema.TIME)
    if np.unique(past[schema.TIME].dt.year).size < 3:
        return None
    days = pd.DatetimeIndex(past[schema.TIME].values).day_of_year.to_numpy()
    wanted = pd.DatetimeIndex(times).day_of_year.to_numpy()
    rows = np.full((366, len(NORMAL_QUANTILES)), np.nan)
    for day in np.unique(wanted):
        apart = np.abs(days - day)
        near = np.minimum(apart, 365.25 - apart) <= NORMAL_DAYS
        if near.any():
            rows[day - 1] = np.quantile(past.values[near], NORMAL_QUANTILES)
    coords = {schema.TIME: times, schema.QUANTILE: list(NORMAL_QUANTILES)}
    return xr.DataArray(rows[wanted - 1], coords, (schema.TIME, schema.QUANTILE))
