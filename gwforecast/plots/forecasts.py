"""Forecasts over time: a fan chart of one forecast, and the medians of many hindcasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import dates
from matplotlib.axes import Axes

from gwforecast import schema, timeline
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.plots import levels, prepare, style
from gwforecast.plots.prepare import WEATHER, Interval, View, lead_numbers, level_label

__all__ = ["fan", "hindcasts", "issues_of", "rain_through", "usual_levels"]


BANDS = ("#FCE7CB", style.INTERVAL, "#F2AE63")
"""Colours of the intervals, from the widest to the narrowest."""

USUAL = "#8A8A8A"
"""Grey of the normal levels, visible on the intervals as well."""

ALTERNATING = (style.PREDICTED, "#9C4A00")
"""Colours of successive hindcasts, so that overlapping lines can be distinguished."""

THRESHOLD = "#B00020"
"""Dark red of the levels of alert."""

_MOST_LINES = 80

NORMAL_QUANTILES = (0.1, 0.5, 0.9)
NORMAL_DAYS = 15.0
"""Days of the year before and after a date whose levels are its normal levels."""


@style.styled
def fan(
    forecast: xr.Dataset,
    observations: xr.Dataset,
    *,
    well: str | None = None,
    issue_time: str | np.datetime64 | pd.Timestamp | None = None,
    model: str | None = None,
    history: int | None = None,
    weather: xr.Dataset | None = None,
    normal: bool = False,
    thresholds: Sequence[float] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw a fan chart: the median and intervals of a forecast, with earlier levels and rain.

    The median and the intervals are joined to the last observed level before the issue time.

    Above the axes stand the origin of the weather after the issue time, and the date of the last
    level if it is older than that. Levels after the issue time are open dots. Rain is drawn from
    the top if there is a covariate of this kind, paler after the issue time.

    Parameters
    ----------
    forecast : xarray.Dataset
        ``level`` ([model,] well, issue_time, lead_time[, quantile | member]), m, with the
        coordinate ``valid_time``. Members are drawn by their quantiles.
    issue_time : str, numpy.datetime64 or pandas.Timestamp, optional
        Issue time; by default the last.
    history : int, optional
        Number of steps shown before the issue time; by default twice the horizon, and at least
        half a year.
    weather : xarray.Dataset, optional
        Covariates ([well,] time[, member]) of the forecast. Their rain, as the mean of members, is
        drawn after the issue time in place of the observed rain.
    normal : bool
        Whether to draw the median and the middle 80 % of the levels of all past years within 15
        days of each date.
    thresholds : sequence of float
        Levels of alert, m, drawn as dashed lines. One that is further from the levels shown than
        their range is left out, so that the forecast can still be read.
    """
    well = prepare.only_well(forecast, well)
    prepare.only_well(observations, well)
    shown = _issued(forecast, well=well, issue_time=issue_time, model=model)
    view = _fan_view(shown, observations, history=history)
    level = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    rain, later = rain_through(observations, weather, well=well, issue_time=shown.time)
    ax = style.new_axes(ax, width=style.WIDE, height=3.2)
    series = [level]
    if normal:
        series += _draw_normal(ax, level, shown, view=view)
    last = _last_level(level, issue_time=shown.time)
    series += _draw_fan(ax, shown.level, last=last if last and last[0] >= view[0] else None)
    _draw_observed(ax, level, shown, view=view)
    handles = _in_order(ax)
    limits = prepare.limits_of(series, view=view)
    near = _near_thresholds(thresholds, limits)
    handles += _draw_thresholds(ax, near)
    ends = min([limits[0], *near]), max([limits[1], *near])
    handles += levels.frame(ax, ends, rain, view=view, issue_time=shown.time, later=later)
    _mark_issue(ax, shown.time, view=view)
    ax.set_ylabel(level_label(level))
    name = prepare.whose(well, prepare.only_model(forecast, model, well=well), of=forecast)
    known = (_stale(last, shown), WEATHER.get(str(forecast.attrs.get("forcing")), ""))
    style.title(ax, name, "; ".join(text for text in known if text), pad=16)
    style.legend_below(ax, handles=handles, below=style.date_axis(ax, view))
    return style.finish(ax)


def _draw_thresholds(ax: Axes, thresholds: Sequence[float]) -> list[Any]:
    """Draw levels of alert; return the handles of the legend."""
    lines = [
        ax.axhline(level, color=THRESHOLD, lw=1.0, ls=(0, (6, 2)), zorder=2.4)
        for level in thresholds
    ]
    for line in lines:
        line.set_label("threshold" if line is lines[0] else "_threshold")
    return lines[:1]


def _in_order(ax: Axes) -> list[Any]:
    """Return the legend's handles: levels, median, intervals from the narrowest, normal levels."""
    handles, labels = ax.get_legend_handles_labels()
    ranks = {"observed": 0, "observed later": 1, "median": 2}
    places = [
        (ranks.get(label, 3 + ("past" in label)), -number if "%" in label else 0)
        for number, label in enumerate(labels)
    ]
    order = sorted(range(len(labels)), key=lambda number: places[number])
    return [handles[number] for number in order]


def _draw_normal(
    ax: Axes, level: xr.DataArray, shown: _Issued, *, view: View
) -> list[xr.DataArray]:
    before = level[schema.TIME].sel({schema.TIME: slice(view[0], shown.time)}).values
    times = np.concatenate([before, shown.level[schema.TIME].values])
    usual = usual_levels(level, times, before=shown.time)
    if usual is None:
        return []
    outer = "past years, middle 80 %"
    for number, (label, width) in enumerate(
        ((outer, 0.7), ("past years, median", 1.1), (f"_{outer}", 0.7))
    ):
        ax.plot(
            usual[schema.TIME].values, usual.values[:, number], color=USUAL, lw=width, zorder=2.2,
            ls=(0, (4, 2)) if number == 1 else "-", label=label,
        )  # fmt: skip
    return [usual[:, number] for number in (0, 2)]


def _draw_fan(
    ax: Axes, level: xr.DataArray, *, last: tuple[np.datetime64, float] | None
) -> list[xr.DataArray]:
    """Draw intervals and median, joined to the last level; return their series."""
    middle = prepare.central(level)
    found = prepare.intervals(level)
    times = level[schema.TIME].values
    colours = BANDS[-len(found) :] if 0 < len(found) <= len(BANDS) else BANDS
    for number, bounds in enumerate(found):
        _draw_band(ax, bounds, colours[min(number, len(colours) - 1)], number, last=last)
    if last is not None and np.isfinite(middle.values[0]):
        ax.plot([last[0], times[0]], [last[1], middle.values[0]], color=style.PREDICTED, lw=1.0,
                ls=(0, (2, 1.5)), zorder=2.9, label="_joined")  # fmt: skip
    alone = prepare.isolated(np.isfinite(middle.values))
    only = alone.sum() == np.isfinite(middle.values).sum()  # the legend then has the dot
    ax.plot(times, middle.values, color=style.PREDICTED, lw=1.5, zorder=3,
            label="_median" if only else "median")  # fmt: skip
    ax.plot(times[alone], middle.values[alone], "o", ms=4, mew=0, color=style.PREDICTED, zorder=3,
            label="median" if only else "_alone")  # fmt: skip
    return [middle, *(edge for bounds in found for edge in (bounds.lower, bounds.upper))]


def _draw_band(
    ax: Axes,
    bounds: Interval,
    colour: str,
    number: int,
    *,
    last: tuple[np.datetime64, float] | None,
) -> None:
    """Fill an interval, from the last level on; isolated times are drawn as bars."""
    times, lower, upper = bounds.lower[schema.TIME].values, bounds.lower.values, bounds.upper.values
    filled: dict[str, Any] = {"color": colour, "lw": 0, "zorder": 1.5 + 0.1 * number}
    ax.fill_between(times, lower, upper, label=f"{100 * bounds.coverage:.3g} % interval", **filled)
    if last is not None and np.isfinite([lower[0], upper[0]]).all():
        ax.fill_between([last[0], times[0]], [last[1], lower[0]], [last[1], upper[0]], **filled)
    alone = prepare.isolated(np.isfinite(lower) & np.isfinite(upper))
    if alone.any():
        ax.vlines(times[alone], lower[alone], upper[alone], capstyle="butt", **filled | {"lw": 7})


def _draw_observed(ax: Axes, level: xr.DataArray, shown: _Issued, *, view: View) -> None:
    times = level[schema.TIME]
    before = level.where((times >= view[0]) & (times <= shown.time), drop=True)
    if before.notnull().any():
        style.draw_levels(ax, before, label="observed", width=1.0)
    last = shown.level[schema.TIME].values[-1]
    later = level.where((times > shown.time) & (times <= last), drop=True).dropna(schema.TIME)
    if later.size:
        few = later.size <= 60
        ax.plot(
            later[schema.TIME].values, later.values, "o", ls="", ms=3.2 if few else 2.2,
            mew=0.7 if few else 0.5, mec=style.OBSERVED, mfc="white", zorder=4,
            label="observed later",
        )  # fmt: skip


def _mark_issue(ax: Axes, issue_time: np.datetime64, *, view: View) -> None:
    ax.axvline(float(dates.date2num(issue_time)), color=style.INK, lw=0.8, zorder=2)
    share = (issue_time - view[0]) / (view[1] - view[0])
    ax.annotate(
        f"issued {timeline.format_time(issue_time)}", (issue_time, 1.0),
        xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points", fontsize=8,
        ha="left" if share < 0.08 else "right" if share > 0.92 else "center", color=style.INK,
        annotation_clip=False,
    )  # fmt: skip


def _stale(last: tuple[np.datetime64, float] | None, shown: _Issued) -> str:
    """Return a note on the last level if it is older than the issue time."""
    if last is None:
        return "no level before the issue time"
    return "" if last[0] == shown.time else f"last level {timeline.format_time(last[0])}"


@style.styled
def hindcasts(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    well: str | None = None,
    model: str | None = None,
    stride: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the medians of forecasts from many issue times over the observed levels.

    Successive forecasts alternate between two colours and begin with a dot. With a single lead
    time, the medians of all issue times are joined to one line. Longer spans without a forecast
    are hatched. Above the axes stand the lead times and issue times shown.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        As the forecast of :func:`fan`.
    stride : int, optional
        Draw only every ``stride``-th issue time; by default at most three lines overlap, and at
        most 80 are drawn.
    """
    well = prepare.only_well(hindcasts, well)
    prepare.only_well(observations, well)
    issues = issues_of(hindcasts, well=well, model=model)
    median = issues.sel({schema.QUANTILE: 0.5}, method="nearest")
    stride = _stride(median, stride)
    if not median.notnull().any():
        raise ValueError(
            f"The figure needs predicted levels. Received none for well {well!r}. Choose another "
            "well or model."
        )
    rows = np.flatnonzero(median.notnull().any(schema.LEAD_TIME).values)
    issues = issues.isel({schema.ISSUE_TIME: slice(rows[0], rows[-1] + 1)})
    median = median.isel({schema.ISSUE_TIME: slice(rows[0], rows[-1] + 1)})
    valid = issues[schema.VALID_TIME].values
    view = (issues[schema.ISSUE_TIME].values[0], valid[np.isfinite(median.values)].max())
    level = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    level = level.sel({schema.TIME: slice(*view)})
    ax = style.new_axes(ax, width=style.WIDE, height=3.0)
    if level.notnull().any():
        style.draw_levels(ax, level, label="observed", width=1.0)
    handles = ax.get_legend_handles_labels()[0] + _draw_medians(
        ax, valid, median.values, stride=stride
    )
    known = np.concatenate([level.values, median.values[::stride].ravel()])
    levels.frame(ax, (float(np.nanmin(known)), float(np.nanmax(known))), None, view=view)
    handles += _mark_empty(ax, _without_forecast(median))
    ax.set_ylabel(level_label(level))
    name = prepare.whose(well, prepare.only_model(hindcasts, model, well=well), of=hindcasts)
    which = _which(issues[schema.LEAD_TIME].values, stride)
    weather = WEATHER.get(str(hindcasts.attrs.get("forcing")), "")
    style.title(ax, name, "; ".join(text for text in (which, weather) if text))
    style.legend_below(ax, handles=handles, below=style.date_axis(ax, view))
    return style.finish(ax)


def _stride(median: xr.DataArray, stride: int | None) -> int:
    if stride is not None and stride < 1:
        raise ValueError(
            f"The stride must be a number of issue times, 1 or more. Received stride={stride}. "
            "Omit it for the default."
        )
    count, leads = median.shape
    if stride is not None or leads == 1 or count == 1:
        return stride or 1
    valid = median[schema.VALID_TIME].values
    length = valid[0, -1] - valid[0, 0]
    step = np.median(np.diff(median[schema.ISSUE_TIME].values))
    over = int(np.ceil(length / step / 3))
    return max(1, over, -(-count // _MOST_LINES))


def _mark_empty(ax: Axes, spans: list[View]) -> list[Any]:
    """Hatch the spans without a forecast; return the handle of the legend."""
    marked = [
        ax.axvspan(
            float(dates.date2num(start)), float(dates.date2num(end)), fc="none", ec="#CCCCCC",
            hatch="////", lw=0, zorder=0.5, label="no forecast" if not number else "_no forecast",
        )
        for number, (start, end) in enumerate(spans)
    ]  # fmt: skip
    return marked[:1]


def _draw_medians(ax: Axes, valid: np.ndarray, median: np.ndarray, *, stride: int) -> list[Any]:
    """Draw the medians; return the handles of the legend."""
    if median.shape[1] == 1:
        return ax.plot(valid[::stride, 0], median[::stride, 0], color=style.PREDICTED, lw=1.0,
                       label="median of the forecasts", zorder=4)  # fmt: skip
    names = ("median of a forecast", "median of the next forecast")
    handles: list[Any] = []
    for number, row in enumerate(range(0, len(valid), stride)):
        first = int(np.argmax(np.isfinite(median[row])))
        handles += ax.plot(
            valid[row], median[row], color=ALTERNATING[number % 2], lw=0.9, marker="o", ms=2.2,
            mew=0, markevery=[first], zorder=4, label=(*names, f"_{number}")[min(number, 2)],
        )  # fmt: skip
    return handles[:2]


def _which(lead_time: np.ndarray, stride: int) -> str:
    numbers, unit = lead_numbers(lead_time)
    some = f"{numbers[0]:g}" + (f" to {numbers[-1]:g}" if numbers.size > 1 else "")
    issues = "every issue time" if stride == 1 else f"1 of {stride} issue times"
    return f"{some} {unit if numbers[-1] != 1 else unit[:-1]} ahead, {issues}"


@dataclass(frozen=True)
class _Issued:
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


def _issued(
    forecast: xr.Dataset, *, well: str, issue_time: object | None, model: str | None
) -> _Issued:
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
    return _Issued(np.datetime64(wanted), one)


def _last_level(
    level: xr.DataArray, *, issue_time: np.datetime64
) -> tuple[np.datetime64, float] | None:
    """Return time and value, m, of the last observed level up to the issue time, or None."""
    known = level.where(level[schema.TIME] <= issue_time).dropna(schema.TIME)
    if not known.size:
        return None
    return known[schema.TIME].values[-1], float(known.values[-1])


def _without_forecast(median: xr.DataArray) -> list[View]:
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


def _fan_view(forecast: _Issued, observations: xr.Dataset, *, history: int | None) -> View:
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


def _near_thresholds(thresholds: Sequence[float], limits: tuple[float, float]) -> list[float]:
    """Return the thresholds that are no further from the limits than their distance.

    Examples
    --------
    >>> _near_thresholds([9.0, 11.5, 14.0], (10.0, 12.0))
    [9.0, 11.5, 14.0]
    >>> _near_thresholds([7.0], (10.0, 12.0))
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
