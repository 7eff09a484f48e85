"""Levels over time: the hydrograph with rain, periods and a prediction, and all models at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots import rain as rain_bars
from gwforecast.plots.prepare import Interval, View
from gwforecast.sequences.split import Period, Split

__all__ = ["all_models", "hydrograph"]


@style.styled
def hydrograph(
    observations: xr.Dataset,
    predictions: xr.Dataset | None = None,
    *,
    well: str | None = None,
    model: str = "lstm",
    split: Split | None = None,
    period: Period | tuple[str | pd.Timestamp, str | pd.Timestamp] | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw observed levels, rain from the top, the periods, and a prediction with its interval.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` (well, time), m; the covariate of kind rain is drawn, if there is one. Long
        records of rain are summed to weeks, months, ...; the label of the axis says to what.
    predictions : xarray.Dataset, optional
        ``level`` (model, well, time, quantile), m. With a split they are drawn from the start of
        the test period on, else wherever they are.
    well : str, optional
        Which well; may be left out where there is one.
    model : str
        Which model.
    split : Split, optional
        The periods, shaded and named.
    period : str or tuple, optional
        What is shown: a period of the split, or first and last date; by default all levels.
    note : str, optional
        Text at the right above the axes, such as the scores of the test period.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure. Rain gets an axis of its own on its right.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the levels.

    Raises
    ------
    ValueError
        If the well, model or period is not there, or there is no level to show.
    """
    well = prepare.only_well(observations, well)
    level = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    predicted, bounds = _shown_prediction(predictions, well=well, model=model, split=split)
    series = [level] if predicted is None else [level, predicted]
    view = prepare.view_of(series, period=period, split=split, well=well)
    name = prepare.rain_name(observations)
    rain = None if name is None else observations[name].sel({schema.WELL: well}, drop=True)

    ax = style.new_axes(ax, width=style.WIDE, height=3.2)
    if split is not None:
        style.shade_periods(
            ax,
            prepare.period_spans(split, well=well, view=view),
            view=view,
            time=observations[schema.TIME],
        )
    _draw(ax, level, predicted, bounds, model=model)
    handles = ax.get_legend_handles_labels()[0]
    limits = prepare.limits_of([*series, *_both(bounds)], view=view)
    rain_bars.level_limits(ax, *limits, rain=rain is not None)
    if rain is not None:
        handles += rain_bars.hang_rain(ax, rain, view=view)
    style.date_axis(ax, view)
    ax.set_ylabel(style.level_label(level))
    style.title(ax, well, note, pad=5 if split is None else 16)
    days = (view[1] - view[0]) / np.timedelta64(1, "D")
    style.legend_below(ax, handles=handles, below=22 if days > 600 else 34)  # the year stands there
    return style.finish(ax)


def _shown_prediction(
    predictions: xr.Dataset | None, *, well: str, model: str, split: Split | None
) -> tuple[xr.DataArray | None, Interval | None]:
    if predictions is None:
        return None, None
    level = prepare.prediction_of(predictions, well=well, model=model)
    if split is not None:
        level = level.where(_from_test_on(level[schema.TIME], split, well=well))
    return prepare.central(level), prepare.interval(level)


def _from_test_on(time: xr.DataArray, split: Split, *, well: str) -> xr.DataArray:
    start = split.start("test").sel({schema.WELL: well}, drop=True)
    if start.notnull():
        return time >= start
    return time > split.end_through("validation").sel({schema.WELL: well}, drop=True)


def _both(bounds: Interval | None) -> list[xr.DataArray]:
    return [] if bounds is None else [bounds.lower, bounds.upper]


def _draw(
    ax: Axes,
    level: xr.DataArray,
    predicted: xr.DataArray | None,
    bounds: Interval | None,
    *,
    model: str,
) -> None:
    # A thin line over a wide one: both are seen where they agree.
    style.draw_levels(ax, level, label="observed", width=0.8 if predicted is None else 0.7)
    if predicted is None:
        return
    times = predicted[schema.TIME].values
    label = f"predicted, {style.model_label(model)}"
    ax.plot(times, predicted.values, color=style.PREDICTED, lw=1.4, label=label, zorder=2.5)
    if bounds is not None:
        ax.fill_between(
            times,
            bounds.lower.values,
            bounds.upper.values,
            color=style.INTERVAL,
            lw=0,
            label=f"{100 * bounds.coverage:.3g} % interval",
            zorder=1.5,
        )


@style.styled
def all_models(
    observations: xr.Dataset,
    predictions: xr.Dataset,
    *,
    well: str | None = None,
    split: Split | None = None,
    models: Iterable[str] | None = None,
    best: str | None = None,
    notes: Mapping[str, str] | None = None,
    axes: Iterable[Axes] | None = None,
) -> list[Axes]:
    """Draw the predictions of all models for the test period, in panels with the same axes.

    A panel reaches at most half the range of the observed levels beyond them, so that one poor
    model does not flatten the others; what lies further runs out of the panel.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` (well, time), m.
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m.
    well : str, optional
        Which well; may be left out where there is one.
    split : Split, optional
        The test period is shown, or the validation period where there is no test period; without
        a split, all times with a prediction.
    models : iterable of str, optional
        Which models, in this order; by default all.
    best : str, optional
        Model whose panel is framed.
    notes : mapping of str to str, optional
        Text at the right above the panel of a model, such as its score.
    axes : iterable of matplotlib.axes.Axes, optional
        Where to draw, one for each model; by default in a new figure of two columns.

    Returns
    -------
    list of matplotlib.axes.Axes
        One for each model.

    Raises
    ------
    ValueError
        If the well or a model is not there, or there are fewer axes than models.
    """
    well = prepare.only_well(observations, well)
    names = [str(m) for m in (predictions[schema.MODEL].values if models is None else models)]
    spans = {} if split is None else prepare.period_spans(split, well=well)
    view = spans.get("test") or spans.get("validation")
    if view:  # rows beyond it are of another fit, and a line to them would be of neither
        predictions = predictions.sel({schema.TIME: slice(*view)})
    shown = [_shown_prediction(predictions, well=well, model=m, split=None) for m in names]
    level = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    known = [central for central, _ in shown if central is not None]
    view = view or prepare.view_of(known, period=None, split=None, well=well)
    limits = _panel_limits(level, known, view=view)
    panels = _panels(len(names)) if axes is None else list(axes)
    if len(panels) < len(names):
        raise ValueError(
            f"Each model needs axes of its own. Received {len(panels)} axes for {len(names)} "
            "models. Give more axes, or name fewer models."
        )
    for ax, name, (central, bounds) in zip(panels, names, shown, strict=False):
        _draw(ax, level, central, bounds, model=name)
        rain_bars.level_limits(ax, *limits, rain=False)
        style.date_axis(ax, view, most=8)
        style.title(ax, style.model_label(name), (notes or {}).get(name))
        style.finish(ax)
        if name == best:
            _frame(ax)
    if axes is None:
        _label_figure(panels[0], level, well=well)
    return panels[: len(names)]


def _panel_limits(
    level: xr.DataArray, predicted: list[xr.DataArray], *, view: View
) -> tuple[float, float]:
    """Return the range of all that is shown, at most half of that of the levels beyond them."""
    low, high = prepare.limits_of([level], view=view)
    far = prepare.limits_of([level, *predicted], view=view)
    reach = 0.5 * (high - low)
    return max(low - reach, far[0]), min(high + reach, far[1])


def _panels(count: int) -> list[Axes]:
    columns = min(2, count)
    rows = -(-count // columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(style.WIDE, 0.6 + 1.35 * rows),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for spare in grid.ravel()[count:]:
        figure.delaxes(spare)
    for column in range(columns):  # the lowest panel of each column shows the dates
        grid[(count - 1 - column) // columns, column].tick_params(labelbottom=True)
    return list(grid.ravel()[:count])


def _frame(ax: Axes) -> None:
    for spine in ax.spines.values():
        spine.set(linewidth=1.6, edgecolor=style.PREDICTED)


def _label_figure(ax: Axes, level: xr.DataArray, *, well: str) -> None:
    figure = ax.figure
    figure.supylabel(style.level_label(level), fontsize=9, color=style.INK)
    figure.suptitle(well, fontsize=9, fontweight="bold", color=style.INK, x=0.01, ha="left")
    handles: dict[str, Any] = {}
    for panel in figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault("predicted" if label.startswith("predicted") else label, handle)
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=len(handles)
    )
