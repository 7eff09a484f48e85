"""Errors of a prediction: against observed levels, over time, by month, and their diagnostics."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy import stats

from gwforecast import schema, timeline
from gwforecast.plots import prepare, style
from gwforecast.plots.prepare import MINUS, level_label, thousands
from gwforecast.sequences.split import PERIODS, Period, Split

__all__ = ["observed_predicted", "residual_diagnostics", "residuals", "residuals_by_season"]


RESIDUAL = f"predicted {MINUS} observed [m]"
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
MOST_LAGS = 120
SMALL = 1000
"""Up to this number of points they are larger and less transparent."""


@style.styled
def observed_predicted(
    observations: xr.Dataset,
    predictions: xr.Dataset,
    *,
    well: str | None = None,
    model: str | None = None,
    split: Split | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw predicted against observed levels by period, with the 1:1 line.

    Observations and predictions must be on the same times. Periods of the split are distinguished
    by colour and marker. The axes are square, with the same limits in both directions.
    """
    well, model = prepare.only_well(observations, well), prepare.only_model(predictions, model)
    pair = _pairs(observations, predictions, well=well, model=model)
    ax = style.new_axes(ax, width=style.NARROW, height=4.1)
    size, alpha = (3.2, 0.8) if pair.sizes[schema.TIME] <= SMALL else (2.2, 0.5)
    for label, colour, marker, rows in _groups(observations, well=well, split=split):
        part = pair.where(rows, drop=True)
        n = part.sizes[schema.TIME]
        if n:
            ax.plot(
                part["observed"], part["predicted"], marker, ms=size, mew=0, alpha=alpha,
                color=colour, label=f"{label}, n = {thousands(n)}",
            )  # fmt: skip
    _square(ax, np.concatenate([pair["observed"].values, pair["predicted"].values]))
    label = level_label(observations[schema.LEVEL])
    ax.set(xlabel=f"observed {label}", ylabel=f"predicted {label}")
    style.title(ax, prepare.whose(well, model), note)
    style.legend_below(ax)
    return style.finish(ax)


def _square(ax: Axes, values: np.ndarray) -> None:
    """Set the same limits and ticks on both axes, and draw the 1:1 line."""
    margin = max(0.04 * (values.max() - values.min()), 0.005)
    limits = (values.min() - margin, values.max() + margin)
    ax.plot(limits, limits, color=style.INK, lw=0.8, label="1:1", zorder=1)
    ticks = np.asarray(MaxNLocator(5, steps=style.STEPS).tick_values(*limits))
    ticks = ticks[(ticks >= limits[0]) & (ticks <= limits[1])]
    ax.set(xlim=limits, ylim=limits, xticks=ticks, yticks=ticks, box_aspect=1)
    style.plain_numbers(ax.xaxis, ax.yaxis)


@style.styled
def residuals(
    observations: xr.Dataset,
    predictions: xr.Dataset,
    *,
    well: str | None = None,
    model: str | None = None,
    split: Split | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the residuals (predicted - observed) over time, with the periods shaded and named.

    Residuals are positive where the prediction is too high.
    """
    well, model = prepare.only_well(observations, well), prepare.only_model(predictions, model)
    pair = _pairs(observations, predictions, well=well, model=model)
    error = prepare.residual(observations, predictions, well=well, model=model)["residual"]
    view = prepare.view_of([pair["residual"]], period=None, split=split, well=well)
    ax = style.new_axes(ax, width=style.WIDE, height=2.4)
    style.shade_periods(ax, split, well=well, view=view, time=observations[schema.TIME])
    ax.axhline(0.0, color=style.INK, lw=0.8, zorder=2)
    style.draw_levels(ax, error, label="residual", color=style.PREDICTED)
    largest = max(1.08 * float(np.abs(pair["residual"]).max()), 0.005)
    ax.set(ylim=(-largest, largest), ylabel=RESIDUAL)
    style.date_axis(ax, view)
    style.title(ax, prepare.whose(well, model), None, pad=5 if split is None else 16)
    return style.finish(ax)


@style.styled
def residuals_by_season(
    observations: xr.Dataset,
    predictions: xr.Dataset,
    *,
    well: str | None = None,
    model: str | None = None,
    split: Split | None = None,
    period: Period = "test",
    ax: Axes | None = None,
) -> Axes:
    """Draw box plots of the residuals (predicted - observed) in each calendar month.

    Boxes extend from the 25th to the 75th percentile, whiskers from the 5th to the 95th; the line
    is the median. The number of levels is written below each month. Without a split, all levels
    are shown.
    """
    well, model = prepare.only_well(observations, well), prepare.only_model(predictions, model)
    inside = None if split is None else _rows(observations, split, well=well, period=period)
    pair = _pairs(observations, predictions, well=well, model=model, rows=inside)
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=2.8)
    _boxes(ax, pair["residual"], outliers=True)
    ax.set_ylabel(RESIDUAL)
    shown = "all levels" if split is None else f"{period} period"
    shown += f", n = {thousands(pair.sizes[schema.TIME])}"
    style.title(ax, prepare.whose(well, model), shown)
    return style.finish(ax, grid="y")


def _boxes(ax: Axes, errors: xr.DataArray, *, outliers: bool) -> None:
    """Draw a box for each calendar month, with its number of levels below."""
    month = errors[schema.TIME].dt.month.values
    parts = [errors.values[month == number] for number in range(1, 13)]
    ax.axhline(0.0, color=style.INK, lw=0.8, zorder=1)
    line = {"color": style.INK, "linewidth": 0.7}
    ax.boxplot(
        parts, positions=range(1, 13), widths=0.6, whis=(5, 95), patch_artist=True,
        manage_ticks=False, showfliers=outliers, whiskerprops=line, capprops=line,
        boxprops={"facecolor": style.INTERVAL, "edgecolor": style.INK, "linewidth": 0.7},
        medianprops={"color": style.PREDICTED, "linewidth": 1.6},
        flierprops={"marker": "o", "ms": 1.6, "mew": 0, "mfc": style.SPARE},
    )  # fmt: skip
    names = [f"{name}\n{part.size}" for name, part in zip(MONTHS, parts, strict=True)]
    ax.set_xticks(range(1, 13), names)
    ax.set(xlim=(0.4, 12.6), xlabel="month (number of levels below; whiskers: 5 and 95 %)")


@style.styled
def residual_diagnostics(
    residuals: xr.DataArray, predicted: xr.DataArray, *, name: str = ""
) -> list[Axes]:
    """Draw the diagnostics of the residuals of one well.

    They are the residuals over time, their autocorrelation with the 95 % bounds of independent
    residuals, histogram with a normal distribution, normal quantiles, against the predicted level,
    and by month.

    Parameters
    ----------
    residuals : xarray.DataArray
        Predicted - observed, dims (time,), m; NaN where unknown.
    predicted : xarray.DataArray
        Dimensions (time,), m.
    name : str
        Name of well and model, above the figure, beside the years and the number of residuals.
    """
    known = residuals.where(residuals.notnull() & predicted.notnull()).dropna(schema.TIME)
    errors, times = known.values, known[schema.TIME].values
    grid = plt.subplot_mosaic(
        [["time", "time"], ["acf", "histogram"], ["qq", "level"], ["month", "month"]],
        figsize=(style.WIDE, 7.6), layout="constrained",
    )[1]  # fmt: skip
    ax = grid["time"]
    style.draw_levels(ax, residuals, label="residual", color=style.PREDICTED)
    style.date_axis(ax, (times[0], times[-1]))
    ax.set_ylabel(f"residual: predicted {MINUS}\nobserved [m]")
    _autocorrelation(grid["acf"], errors)
    _histogram(grid["histogram"], errors)
    _quantiles(grid["qq"], errors)
    ax = grid["level"]
    dots: dict[str, Any] = {"ls": "", "marker": "o", "ms": 2, "mew": 0, "color": style.PREDICTED}
    ax.plot(predicted.sel({schema.TIME: times}), errors, alpha=0.35, **dots)
    ax.set(xlabel=f"predicted {level_label(predicted)}", ylabel="residual [m]")
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=style.STEPS))
    style.plain_numbers(ax.xaxis)
    _boxes(grid["month"], known, outliers=False)
    grid["month"].set_ylabel("residual [m]")
    for part in ("time", "acf", "level"):
        grid[part].axhline(0.0, color=style.INK, lw=0.6)
    span = " to ".join(timeline.format_time(time) for time in (times[0], times[-1]))
    style.title(grid["time"], name, f"{span}, n = {thousands(errors.size)}")
    return [style.finish(ax) for ax in grid.values()]


def _autocorrelation(ax: Axes, errors: np.ndarray) -> None:
    centred = errors - errors.mean()
    count = min(MOST_LAGS, errors.size // 3)
    square = max(float((centred**2).sum()), 1e-30)
    values = [1.0] + [float((centred[k:] * centred[:-k]).sum()) / square for k in range(1, count)]
    ax.vlines(range(len(values)), 0, values, color=style.PREDICTED, lw=1.0)
    bound = 1.96 / np.sqrt(errors.size)
    ax.axhspan(-bound, bound, color=style.INTERVAL, alpha=0.7, lw=0)
    ax.set(
        xlabel="lag [residuals], band: 95 % if independent", ylabel="autocorrelation",
        xlim=(-1, max(count, 2)), ylim=(None, 1.05),
    )  # fmt: skip


def _histogram(ax: Axes, errors: np.ndarray) -> None:
    bins = int(np.clip(np.sqrt(errors.size), 5, 30))
    ax.hist(errors, bins=bins, density=True, color=style.INTERVAL, edgecolor="white", lw=0.3)
    at = np.linspace(errors.min(), errors.max(), 200)
    scale = max(float(errors.std()), 1e-12)
    ax.plot(at, stats.norm.pdf(at, errors.mean(), scale), color=style.OBSERVED, lw=1.2)
    ax.set(xlabel="residual [m], line: normal distribution", ylabel="density [1/m]")


def _quantiles(ax: Axes, errors: np.ndarray) -> None:
    (normal, ordered), (slope, start, _) = stats.probplot(errors, dist="norm")
    ax.plot(normal, ordered, "o", ms=2, mew=0, color=style.PREDICTED)
    ax.plot(normal, start + slope * np.asarray(normal), color=style.OBSERVED, lw=1.2)
    ax.set(xlabel="normal quantile, line: normal distribution", ylabel="residual [m]")


def _pairs(
    observations: xr.Dataset,
    predictions: xr.Dataset,
    *,
    well: str,
    model: str,
    rows: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return observed, predicted and residual where both exist, dims (time,), m."""
    pair = prepare.residual(observations, predictions, well=well, model=model)
    known = pair["residual"].notnull() if rows is None else pair["residual"].notnull() & rows
    if not known.any():
        raise ValueError(
            "Residuals need observed levels with a prediction. Received none for well "
            f"{well!r} and model {model!r}. Choose another model or period."
        )
    return pair.isel({schema.TIME: np.flatnonzero(known.values)})


def _rows(observations: xr.Dataset, split: Split, *, well: str, period: Period) -> xr.DataArray:
    return split.rows(observations, period).sel({schema.WELL: well}, drop=True)


def _groups(
    observations: xr.Dataset, *, well: str, split: Split | None
) -> list[tuple[str, str, str, xr.DataArray]]:
    """Return label, colour, marker and rows of each group of points."""
    if split is None:
        every = xr.ones_like(observations[schema.TIME], dtype=bool)
        return [("levels", style.OBSERVED, "o", every)]
    return [
        (period, *style.PERIOD_MARKS[period], _rows(observations, split, well=well, period=period))
        for period in PERIODS
    ]
