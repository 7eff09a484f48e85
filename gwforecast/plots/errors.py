"""Errors of a prediction: against the observed levels, over time, and by season."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.sequences.split import PERIODS, Period, Split

__all__ = ["observed_predicted", "residuals", "residuals_by_season"]


RESIDUAL = f"predicted {style.MINUS} observed [m]"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@style.styled
def observed_predicted(
    observations: xr.Dataset,
    predictions: xr.Dataset,
    *,
    well: str | None = None,
    model: str = "lstm",
    split: Split | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw predicted against observed levels, by period, with the line of equality.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` (well, time), m.
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, on the same times.
    well, model : str, optional
        Which well (may be left out where there is one), which model.
    split : Split, optional
        Periods, told by colour and marker.
    note : str, optional
        Text at the right above the axes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, square and with the same limits both ways.

    Raises
    ------
    ValueError
        If the well or model is not there, the times differ, or no level has a prediction.
    """
    well = prepare.only_well(observations, well)
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
                label=f"{label}, n = {style.thousands(n)}",
            )
    _square(ax, np.concatenate([pair["observed"].values, pair["predicted"].values]))
    label = style.level_label(observations[schema.LEVEL])
    ax.set(xlabel=f"observed {label}", ylabel=f"predicted {label}")
    style.title(ax, f"{well}, {style.model_label(model)}", note)
    style.legend_below(ax, columns=2, below=36)
    return style.finish(ax)


def _square(ax: Axes, values: np.ndarray) -> None:
    """Give both axes the same limits and ticks, and draw the line of equality."""
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
    model: str = "lstm",
    split: Split | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw predicted - observed over time, with the periods shaded and named.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` (well, time), m.
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, on the same times.
    well, model : str, optional
        Which well (may be left out where there is one), which model.
    split : Split, optional
        The periods.
    note : str, optional
        Text at the right above the axes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; positive where the prediction was too high.

    Raises
    ------
    ValueError
        If the well or model is not there, the times differ, or no level has a prediction.
    """
    well = prepare.only_well(observations, well)
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
    name = f"{well}, {style.model_label(model)}"
    style.title(ax, name, note, pad=5 if split is None else 16)
    return style.finish(ax)


@style.styled
def residuals_by_season(
    observations: xr.Dataset,
    predictions: xr.Dataset,
    *,
    well: str | None = None,
    model: str = "lstm",
    split: Split | None = None,
    period: Period = "test",
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution of predicted - observed in each calendar month.

    Boxes hold the middle half, whiskers the middle 90 %, the line is the median. The number of
    levels of each month stands below its name.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` (well, time), m.
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, on the same times.
    well, model : str, optional
        Which well (may be left out where there is one), which model.
    split : Split, optional
        The periods; without them all levels are shown.
    period : {"train", "validation", "test"}
        Which period of the split.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; positive where the prediction was too high.

    Raises
    ------
    ValueError
        If the well or model is not there, the times differ, or no level has a prediction.
    """
    well = prepare.only_well(observations, well)
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
    ax.set(xlim=(0.4, 12.6), xlabel="month, number of levels", ylabel=RESIDUAL)
    shown = "all levels" if split is None else f"{period} period"
    style.title(ax, f"{well}, {style.model_label(model)}", shown)
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
    """Return name, colour, marker and rows of each group of points."""
    if split is None:
        every = xr.ones_like(observations[schema.TIME], dtype=bool)
        return [("levels", style.OBSERVED, "o", every)]
    return [
        (period, *style.PERIOD_MARKS[period], _rows(observations, split, well=well, period=period))
        for period in PERIODS
    ]
