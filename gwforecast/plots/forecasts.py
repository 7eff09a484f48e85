"""Forecasts over time: one as a fan of intervals, many as the medians from each issue time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import dates
from matplotlib.axes import Axes

from gwforecast import schema, timeline
from gwforecast.plots import levels as rain_bars
from gwforecast.plots import prepare, prepare_forecasts, style
from gwforecast.plots.prepare import View
from gwforecast.plots.prepare_forecasts import Issued

__all__ = ["fan", "hindcasts"]


BANDS = ("#FCE7CB", style.INTERVAL, "#F2AE63")
"""Paling orange: the widest interval is the palest."""

USUAL = "#8A8A8A"
"""Grey that is seen on the bands as well."""

ALTERNATING = (style.PREDICTED, "#9C4A00")
"""Tones of lines that follow each other, so that each can be followed."""

_MOST_LINES = 80


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
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a forecast as a median in a fan of intervals, after the levels and rain before it.

    Parameters
    ----------
    forecast : xarray.Dataset
        ``level`` ([model,] well, issue_time, lead_time[, quantile | member]), m, with the
        coordinate ``valid_time``. Members are shown by their quantiles.
    observations : xarray.Dataset
        ``level`` (well, time), m; levels after the issue time are open dots. The covariate of kind
        rain is drawn if there is one, paler after the issue time.
    well, model : str, optional
        Which well and model; may be left out where there is one.
    issue_time : str, numpy.datetime64 or pandas.Timestamp, optional
        Which issue time; by default the last.
    history : int, optional
        Steps before the issue time that are shown; by default twice as many as the steps ahead,
        and half a year at least.
    weather : xarray.Dataset, optional
        Covariates ([well,] time[, member]) that the forecast took: their rain is drawn after the
        issue time instead of the observed, the mean of members.
    normal : bool
        Draw the median and the middle 80 % of the levels around the same days of all past years.
    note : str, optional
        Text at the right above the axes; by default the date of the last level, where it is older
        than the issue time.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure. Rain gets an axis of its own on its right.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the levels.

    Raises
    ------
    ValueError
        If the well, model or issue time is not there, or the forecast holds no level.
    """
    well = prepare.only_well(forecast, well)
    prepare.only_well(observations, well)
    shown = prepare_forecasts.issued(forecast, well=well, issue_time=issue_time, model=model)
    view = prepare_forecasts.fan_view(shown, observations, history=history)
    level = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    rain, later = prepare_forecasts.rain_through(
        observations, weather, well=well, issue_time=shown.time
    )
    ax = style.new_axes(ax, width=style.WIDE, height=3.2)
    series = [level]
    if normal:
        series += _draw_normal(ax, level, shown, view=view)
    series += _draw_fan(ax, shown.level)
    _draw_observed(ax, level, shown, view=view)
    handles = _in_order(ax)
    rains = rain is not None and rain_bars.any_in(rain, view=view)
    rain_bars.level_limits(ax, *prepare.limits_of(series, view=view), rain=rains)
    if rain is not None and rains:
        handles += rain_bars.hang_rain(ax, rain, view=view, issue_time=shown.time, later=later)
    _mark_issue(ax, shown.time, view=view)
    style.date_axis(ax, view)
    ax.set_ylabel(style.level_label(level))
    name = well if model is None else f"{well}, {style.model_label(model)}"
    style.title(ax, name, note or _stale(level, shown), pad=16)
    days = (view[1] - view[0]) / np.timedelta64(1, "D")
    style.legend_below(ax, handles=handles, columns=4, below=22 if days > 600 else 34)
    return style.finish(ax)


def _in_order(ax: Axes) -> list[Any]:
    """Return what the legend shows: levels, median, intervals from the narrowest, normal."""
    handles, labels = ax.get_legend_handles_labels()
    ranks = {"observed": 0, "observed later": 1, "median": 2}
    places = [
        (ranks.get(label, 3 + ("past" in label)), -number if "%" in label else 0)
        for number, label in enumerate(labels)
    ]
    order = sorted(range(len(labels)), key=lambda number: places[number])
    return [handles[number] for number in order]


def _draw_normal(ax: Axes, level: xr.DataArray, shown: Issued, *, view: View) -> list[xr.DataArray]:
    before = level[schema.TIME].values
    before = before[(before >= view[0]) & (before <= shown.time)]
    ahead = shown.level[schema.TIME].values
    usual = prepare_forecasts.usual_levels(
        level, np.concatenate([before, ahead]), before=shown.time
    )
    if usual is None:
        return []
    times = usual[schema.TIME].values
    for number, width in enumerate((0.7, 1.1, 0.7)):
        ax.plot(
            times, usual.values[:, number], color=USUAL, lw=width, zorder=2.2,
            ls=(0, (4, 2)) if number == 1 else "-",
            label="past years: median" if number == 1 else "past years: middle 80 %",
        )  # fmt: skip
    ax.lines[-1].set_label("_upper")
    return [usual[:, number] for number in (0, 2)]


def _draw_fan(ax: Axes, level: xr.DataArray) -> list[xr.DataArray]:
    """Draw intervals and median; return their series."""
    middle = prepare.central(level)
    found = prepare_forecasts.intervals(level)
    times = level[schema.TIME].values
    colours = BANDS[-len(found) :] if 0 < len(found) <= len(BANDS) else BANDS
    for number, bounds in enumerate(found):
        colour = colours[min(number, len(colours) - 1)]
        label = f"{100 * bounds.coverage:.3g} % interval"
        _draw_band(ax, times, bounds.lower.values, bounds.upper.values, colour, label, number)
    alone = _alone(np.isfinite(middle.values))
    ax.plot(times, middle.values, color=style.PREDICTED, lw=1.5, label="median", zorder=3)
    ax.plot(
        times[alone], middle.values[alone], "o", ms=4, mew=0, color=style.PREDICTED, zorder=3,
        label="median" if alone.sum() == np.isfinite(middle.values).sum() else "_alone",
    )  # fmt: skip
    if alone.sum() == np.isfinite(middle.values).sum():
        ax.lines[-2].set_label("_median")
    return [middle, *(edge for bounds in found for edge in (bounds.lower, bounds.upper))]


def _draw_band(
    ax: Axes,
    times: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    colour: str,
    label: str,
    number: int,
) -> None:
    """Fill between two bounds; a time that stands alone is a bar, which would else be unseen."""
    order = 1.5 + 0.1 * number
    ax.fill_between(times, lower, upper, color=colour, lw=0, label=label, zorder=order)
    alone = _alone(np.isfinite(lower) & np.isfinite(upper))
    if alone.any():
        ax.vlines(
            times[alone], lower[alone], upper[alone], color=colour, lw=7, capstyle="butt",
            zorder=order,
        )  # fmt: skip


def _alone(known: np.ndarray) -> np.ndarray:
    beside = np.zeros_like(known)
    beside[1:] |= known[:-1]
    beside[:-1] |= known[1:]
    return np.asarray(known & ~beside)


def _draw_observed(ax: Axes, level: xr.DataArray, shown: Issued, *, view: View) -> None:
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
        f"issued {timeline.format_time(issue_time)}",
        (issue_time, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="left" if share < 0.08 else "right" if share > 0.92 else "center",
        fontsize=8,
        color=style.INK,
        annotation_clip=False,
    )


def _stale(level: xr.DataArray, shown: Issued) -> str | None:
    """Return a note on the last level, where it is older than the issue time."""
    known = level[schema.TIME].values[level.notnull().values]
    known = known[known <= shown.time]
    if known.size == 0:
        return "no level before the issue time"
    if known[-1] == shown.time:
        return None
    return f"last level {timeline.format_time(known[-1])}"


@style.styled
def hindcasts(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    well: str | None = None,
    model: str | None = None,
    stride: int | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the medians of forecasts from many issue times over the observed levels.

    Lines that follow each other have two tones in turn, and begin with a dot. Of one lead time,
    the medians of all issue times are one line.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` ([model,] well, issue_time, lead_time[, quantile | member]), m, with the
        coordinate ``valid_time``.
    observations : xarray.Dataset
        ``level`` (well, time), m.
    well, model : str, optional
        Which well and model; may be left out where there is one.
    stride : int, optional
        Draw every second, third, ... issue time; by default so many that three lines at most lie
        over each other, and there are no more than 80.
    note : str, optional
        Text at the right above the axes; by default which lead times and issue times are shown.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the well or model is not there, the stride is below 1, or there is no level.
    """
    well = prepare.only_well(hindcasts, well)
    prepare.only_well(observations, well)
    issues = prepare_forecasts.issues_of(hindcasts, well=well, model=model)
    median = issues.sel({schema.QUANTILE: 0.5}, method="nearest")
    stride = _stride(median, stride)
    if not median.notnull().any():
        raise ValueError(
            f"A figure of hindcasts needs predicted levels. Received none for well {well!r}. "
            "Choose another well or model."
        )
    valid = issues[schema.VALID_TIME].values
    view = (min(issues[schema.ISSUE_TIME].values[0], valid[0, 0]), valid[-1, -1])
    level = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    level = level.sel({schema.TIME: slice(*view)})
    ax = style.new_axes(ax, width=style.WIDE, height=3.0)
    if level.notnull().any():
        style.draw_levels(ax, level, label="observed", width=1.0)
    _draw_medians(ax, valid, median.values, stride=stride)
    limits = [level.values, median.values[::stride].ravel()]
    known = np.concatenate(limits)
    known = known[np.isfinite(known)]
    rain_bars.level_limits(ax, float(known.min()), float(known.max()), rain=False)
    style.date_axis(ax, view)
    ax.set_ylabel(style.level_label(level))
    name = well if model is None else f"{well}, {style.model_label(model)}"
    style.title(ax, name, note or _which(issues[schema.LEAD_TIME].values, stride))
    style.legend_below(ax, below=34)
    return style.finish(ax)


def _stride(median: xr.DataArray, stride: int | None) -> int:
    if stride is not None and stride < 1:
        raise ValueError(
            f"A stride is a number of issue times, 1 at least. Received stride={stride}. Leave it "
            "out for a usual one."
        )
    count, leads = median.shape
    if stride is not None or leads == 1 or count == 1:
        return stride or 1
    valid = median[schema.VALID_TIME].values
    length = valid[0, -1] - valid[0, 0]
    step = np.median(np.diff(median[schema.ISSUE_TIME].values))
    over = int(np.ceil(length / step / 3))
    return max(1, over, -(-count // _MOST_LINES))


def _draw_medians(ax: Axes, valid: np.ndarray, median: np.ndarray, *, stride: int) -> None:
    if median.shape[1] == 1:
        ax.plot(valid[::stride, 0], median[::stride, 0], color=style.PREDICTED, lw=1.0,
                label="median of the forecast", zorder=4)  # fmt: skip
        return
    rows = range(0, len(valid), stride)
    for number, row in enumerate(rows):
        ax.plot(
            valid[row], median[row], color=ALTERNATING[number % 2], lw=0.9, marker="o", ms=2.2,
            mew=0, markevery=[_first(median[row])], zorder=4,
            label="median of each forecast" if number == 0 else f"_{number}",
        )  # fmt: skip


def _first(values: np.ndarray) -> int:
    return int(np.argmax(np.isfinite(values)))


def _which(lead_time: np.ndarray, stride: int) -> str:
    numbers, unit = prepare_forecasts.lead_numbers(lead_time)
    some = _range(numbers)
    issues = "every issue time" if stride == 1 else f"1 of {stride} issue times"
    return f"{some} {unit if numbers[-1] != 1 else unit[:-1]} ahead, {issues}"


def _range(numbers: Sequence[float] | np.ndarray) -> str:
    return f"{numbers[0]:g}" if len(numbers) == 1 else f"{numbers[0]:g} to {numbers[-1]:g}"
