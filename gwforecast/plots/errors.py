"""Errors of a prediction: predicted against observed levels, residuals over time and by month."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.labels import MINUS, level_label, thousands
from gwforecast.sequences.split import PERIODS, Period, Split

__all__ = ["observed_predicted", "residuals", "residuals_by_season"]


RESIDUAL = f"predicted {MINUS} observed [m]"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


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

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` (well, time), m.
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, on the same times.
    split : Split, optional
        Periods, distinguished by colour and marker.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, square, with the same limits in both directions.

    Raises
    ------
    ValueError
        If the well or model is unknown, the times differ, or no level has a prediction.
    """
    well = prepare.only_well(observations, well)
    model = prepare.only_model(predictions, model)
    pair = _pairs(observations, predictions, well=well, model=model)
    ax = style.new_axes(ax, width=style.NARROW, height=3.9)
    few = pair.sizes[schema.TIME] <= 1000
    for label, colour, marker, rows in _groups(observations, well=well, split=split):
        part = pair.where(rows, drop=True)
        n = part.sizes[schema.TIME]
        if n:
            ax.plot(
                part["observed"].values,
                part["predicted"].values,
                marker,
                ms=3.2 if few else 2.2,
                mew=0,
                alpha=0.8 if few else 0.5,
                color=colour,
                label=f"{label}, n = {thousands(n)}",
            )
    _square(ax, np.concatenate([pair["observed"].values, pair["predicted"].values]))
    label = level_label(observations[schema.LEVEL])
    ax.set(xlabel=f"observed {label}", ylabel=f"predicted {label}")
    style.title(ax, prepare.whose(well, model), note)
    style.legend_below(ax, columns=2, below=36)
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
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the residuals (predicted - observed) over time, with the periods shaded and named.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` (well, time), m.
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, on the same times.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; residuals are positive where the prediction is too high.

    Raises
    ------
    ValueError
        If the well or model is unknown, the times differ, or no level has a prediction.
    """
    well = prepare.only_well(observations, well)
    model = prepare.only_model(predictions, model)
    pair = _pairs(observations, predictions, well=well, model=model)
    error = prepare.residual(observations, predictions, well=well, model=model)["residual"]
    view = prepare.view_of([pair["residual"]], period=None, split=split, well=well)
    ax = style.new_axes(ax, width=style.WIDE, height=2.4)
    if split is not None:
        style.shade_periods(
            ax,
            prepare.period_spans(split, well=well, view=view),
            view=view,
            time=observations[schema.TIME],
        )
    ax.axhline(0.0, color=style.INK, lw=0.8, zorder=2)
    style.draw_levels(ax, error, label="residual", color=style.PREDICTED)
    largest = max(1.08 * float(np.abs(pair["residual"]).max()), 0.005)
    ax.set(ylim=(-largest, largest), ylabel=RESIDUAL)
    style.date_axis(ax, view)
    name = prepare.whose(well, model)
    style.title(ax, name, note, pad=5 if split is None else 16)
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
    is the median. The number of levels is written below each month.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` (well, time), m.
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, on the same times.
    split : Split, optional
        The train, validation and test periods; without a split all levels are shown.
    period : {"train", "validation", "test"}
        Period of the split that is shown.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; residuals are positive where the prediction is too high.

    Raises
    ------
    ValueError
        If the well or model is unknown, the times differ, or no level has a prediction.
    """
    well = prepare.only_well(observations, well)
    model = prepare.only_model(predictions, model)
    inside = None if split is None else _rows(observations, split, well=well, period=period)
    pair = _pairs(observations, predictions, well=well, model=model, rows=inside)
    month = pair[schema.TIME].dt.month.values
    parts = [pair["residual"].values[month == m] for m in range(1, 13)]
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=2.8)
    ax.axhline(0.0, color=style.INK, lw=0.8, zorder=1)
    line = {"color": style.INK, "linewidth": 0.7}
    ax.boxplot(
        parts,
        positions=range(1, 13),
        widths=0.6,
        whis=(5, 95),
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": style.INTERVAL, "edgecolor": style.INK, "linewidth": 0.7},
        medianprops={"color": style.PREDICTED, "linewidth": 1.6},
        whiskerprops=line,
        capprops=line,
        flierprops={"marker": "o", "ms": 1.6, "mew": 0, "mfc": style.SPARE},
    )
    names = [f"{name}\n{part.size}" for name, part in zip(_MONTHS, parts, strict=True)]
    ax.set_xticks(range(1, 13), names)
    ax.set(xlim=(0.4, 12.6), xlabel="month (number of levels below)", ylabel=RESIDUAL)
    shown = "all levels" if split is None else f"{period} period"
    style.title(ax, prepare.whose(well, model), shown)
    return style.finish(ax, grid="y")


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
