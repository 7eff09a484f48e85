"""Levels over time: the hydrograph with rain, periods and a prediction, and all models at once.

Rain that hangs from the top of the axes of levels, and the room that it takes.

Which levels and covariates exist when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.prepare import Interval, View
from gwforecast.sequences.split import Period, Split

__all__ = ["all_models", "any_in", "gaps", "hang_rain", "hydrograph", "level_limits"]


RAIN_SHARE = 0.27
"""Share of the height that hanging rain may take."""

LATER = "#B5E1E1"
"""Paler turquoise: rain after the issue time, which a forecast may not have known."""


def any_in(rain: xr.DataArray, *, view: View) -> bool:
    """Return whether any rain of a view is known; an axis without bars looks like none fell."""
    return bool(rain.sel({schema.TIME: slice(*view)}).notnull().any())


def level_limits(ax: Axes, low: float, high: float, *, rain: bool) -> None:
    """Show levels from low to high, with room for the rain above, so that neither hides the other.

    Ticks end where the levels end.
    """
    span = max(high - low, 0.01)
    room = 1.15 * span * RAIN_SHARE / (1 - RAIN_SHARE) if rain else 0.0
    bottom, top = low - 0.06 * span, high + 0.08 * span
    ax.set_ylim(bottom, top + room)
    ticks = np.asarray(MaxNLocator(7, steps=style.STEPS).tick_values(bottom, top))
    ax.set_yticks(ticks[(ticks >= bottom) & (ticks <= top)])
    style.plain_numbers(ax.yaxis)


def hang_rain(
    ax: Axes,
    rain: xr.DataArray,
    *,
    view: View,
    issue_time: np.datetime64 | None = None,
    later: str = "rain after issue",
) -> list[Any]:
    """Draw rain as bars from the top on an axis of their own; return what the legend shows.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes of the levels.
    rain : xarray.DataArray
        Dims (time,), with ``attrs["units"]``.
    view : tuple of numpy.datetime64
        What is shown.
    issue_time : numpy.datetime64, optional
        Bars that begin after it are paler.
    later : str
        What the paler bars are called.
    """
    bars, label = prepare.rain_bars(rain, view=view)
    hung = ax.twinx()
    width = bars["end"] - bars["start"]
    after = bars["start"] > view[1] if issue_time is None else bars["start"] > issue_time
    handles: list[Any] = []
    for part, colour, name in ((~after, style.RAIN, "rain"), (after, LATER, later)):
        if bars.loc[part, "amount"].notna().any() or (name == "rain" and not after.any()):
            shown = bars[part]
            handles.append(
                hung.bar(
                    shown["start"], shown["amount"], width[part], align="edge", color=colour,
                    label=name,
                )
            )  # fmt: skip
    most = float(bars["amount"].max())
    most = most if np.isfinite(most) and most > 0 else 1.0
    hung.set_ylim(most / RAIN_SHARE, 0)
    ticks = np.asarray(MaxNLocator(4, steps=style.STEPS).tick_values(0, most))
    hung.set_yticks(ticks[ticks <= most * 1.05])
    hung.set_ylabel(label, loc="top")
    lacking = bars[bars["missing"]]
    if len(lacking):
        handles.append(
            hung.bar(
                lacking["start"], 0.03 * most / RAIN_SHARE, width[bars["missing"]], align="edge",
                color=style.SPARE, label="rain missing",
            )
        )  # fmt: skip
    style.finish(hung)
    return handles


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
    level_limits(ax, *limits, rain=rain is not None)
    if rain is not None:
        handles += hang_rain(ax, rain, view=view)
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
        level_limits(ax, *limits, rain=False)
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


MOST_NAMED = 45
"""Wells up to which each has a line and a name; of more, every second, third, ... is named."""


@dataclass(frozen=True)
class _Row:
    name: str
    present: np.ndarray
    colour: str
    count: str
    longest: int = 1


@style.styled
def gaps(observations: xr.Dataset, *, well: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw when the level of each well and each covariate exist, as broken bars.

    Levels with steps between them, such as weekly levels on daily steps, are one bar as long as
    they lie at most twice their usual distance apart.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` and covariates, dims (well, time).
    well : str, optional
        Show one well only; by default all, with a covariate where all wells have it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure, the higher the more rows there are, up to a
        page. Of more wells than that, every second, third, ... is named.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; the numbers at the right are levels, and shares of the steps with a covariate.

    Raises
    ------
    ValueError
        If the well is not there.
    """
    if well is not None:
        chosen = prepare.only_well(observations, well)
        observations = observations.sel({schema.WELL: [chosen]})
    rows = _rows(observations)
    times = observations[schema.TIME].values
    edges = np.append(times, times[-1] + (times[-1] - times[-2]))
    wells = observations.sizes[schema.WELL]
    named, centres, heights = _places(wells, covariates=len(rows) - wells)
    ax = style.new_axes(ax, width=style.WIDE, height=0.65 + 0.2 * len(named))
    for row, centre, height in zip(rows, centres, heights, strict=True):
        spans = prepare.runs(row.present, longest=row.longest)
        bars = [(edges[first], edges[last + 1] - edges[first]) for first, last in spans]
        if bars:
            ax.broken_barh(bars, (centre - height / 2, height), facecolors=row.colour, lw=0)
    for number in named:
        ax.annotate(
            rows[number].count, (1, centres[number]), xycoords=ax.get_yaxis_transform(),
            xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
            annotation_clip=False,
        )  # fmt: skip
    style.date_axis(ax, (edges[0], edges[-1]))
    names = [style.shortened(rows[number].name, most=30) for number in named]
    ax.set_yticks([centres[number] for number in named], names)
    ax.set_ylim(centres[-1] + 1.9 * heights[-1] / 2, -0.6)
    if wells == 1:
        style.title(ax, str(observations[schema.WELL].values[0]), None)
    style.finish(ax, grid="x").tick_params(axis="y", length=0)
    return ax


def _places(wells: int, *, covariates: int) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Return the numbers of the rows that are named, and the centres and heights of all bars.

    Bars of many wells are thin and touch; a covariate keeps the height of a line of text.
    """
    every = -(-wells // MOST_NAMED)
    named = [*range(0, wells, every), *range(wells, wells + covariates)]
    steps = np.repeat([1.0, every], [wells, covariates])
    centres = np.cumsum(steps) - 0.5 * steps - 0.5
    heights = np.where(np.arange(steps.size) < wells, 0.64 if every == 1 else 1.0, 0.64 * steps)
    return named, centres, heights


def _rows(observations: xr.Dataset) -> list[_Row]:
    wells = [str(name) for name in observations[schema.WELL].values]
    rows = []
    for well, values in zip(wells, observations[schema.LEVEL].values, strict=True):
        present = np.isfinite(values)
        usual = np.median(np.diff(np.flatnonzero(present))) if present.sum() > 1 else 1
        name = "level" if len(wells) == 1 else well
        count = f"n = {style.thousands(int(present.sum()))}"
        rows.append(_Row(name, present, style.OBSERVED, count, max(1, int(2 * usual) - 1)))
    for name in schema.covariate_names(observations):
        variable = observations[name]
        present = variable.notnull().all(schema.WELL).values
        rain = schema.covariate_kind(name, variable.attrs) == "rain"
        share = 100 * present.mean()
        text = f"{share:.0f} %" if share in (0, 100) else f"{min(max(share, 0.1), 99.9):.1f} %"
        rows.append(_Row(name, present, style.RAIN if rain else style.SPARE, text))
    return rows
