"""Levels over time: hydrograph with rain and prediction, all models, and availability of data."""

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
from gwforecast.plots.labels import covariate_label, level_label, model_label, shortened, thousands
from gwforecast.plots.prepare import Interval, View
from gwforecast.sequences.split import Period, Split

__all__ = ["all_models", "any_in", "gaps", "hang_rain", "hydrograph", "level_limits"]


RAIN_SHARE = 0.27
"""Largest share of the height of the axes that is taken by rain."""

LATER = "#CFEDED"
"""Paler turquoise of rain after the issue time, which a forecast may not have known."""


def any_in(rain: xr.DataArray, *, view: View) -> bool:
    """Return whether any rain of a view is known; axes without bars would look like no rain."""
    return bool(rain.sel({schema.TIME: slice(*view)}).notnull().any())


def level_limits(ax: Axes, low: float, high: float, *, rain: bool) -> None:
    """Set the limits of the axis of levels, with room for rain above them, and its ticks."""
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
    """Draw rain as bars from the top on an axis of its own; return the handles of the legend.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes of the levels.
    rain : xarray.DataArray
        Dims (time,), with ``attrs["units"]``.
    view : tuple of numpy.datetime64
        First and last time shown.
    issue_time : numpy.datetime64, optional
        Issue time of a forecast; later bars are paler.
    later : str
        Label of the paler bars.
    """
    bars, label = prepare.rain_bars(rain, view=view, issue_time=issue_time)
    hung = ax.twinx()
    width = bars["end"] - bars["start"]
    after = bars["start"] > view[1] if issue_time is None else bars["start"] >= issue_time
    handles: list[Any] = []
    for part, colour, name in ((~after, style.RAIN_BARS, "rain"), (after, LATER, later)):
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
    model: str | None = None,
    split: Split | None = None,
    period: Period | tuple[str | pd.Timestamp, str | pd.Timestamp] | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a hydrograph: observed levels, rain, periods, and a prediction with its interval.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` (well, time), m; rain is drawn from the top if there is a covariate of this kind.
        Long records of rain are summed to weeks, months, ..., as stated at its axis.
    predictions : xarray.Dataset, optional
        ``level`` (model, well, time, quantile), m. With a split, they are drawn from the start of
        the test period.
    split : Split, optional
        Train, validation and test periods, shaded and named.
    period : str or tuple, optional
        Period of the split, or first and last date shown; by default all levels.
    note : str, optional
        Text above the axes at the right, such as the scores of the test period.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure. Rain has an axis of its own at the right.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the levels.

    Raises
    ------
    ValueError
        If the well, model or period is unknown, or there is no level to show.
    """
    well = prepare.only_well(observations, well)
    level = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    model = None if predictions is None else prepare.only_model(predictions, model)
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
    ax.set_ylabel(level_label(level))
    style.title(ax, prepare.whose(well, model), note, pad=5 if split is None else 16)
    style.legend_below(ax, handles=handles, below=style.below_dates(view))
    return style.finish(ax)


def _shown_prediction(
    predictions: xr.Dataset | None, *, well: str, model: str | None, split: Split | None
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
    model: str | None,
) -> None:
    # The thin observed line lies over the wide predicted one, so that both are visible.
    style.draw_levels(ax, level, label="observed", width=0.8 if predicted is None else 0.7)
    if predicted is None:
        return
    times = predicted[schema.TIME].values
    label = f"predicted, {model_label(model)}" if model else "predicted"
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

    The axes extend beyond the observed levels by at most half of their range, so that a poor model
    does not compress the others. Triangles at the edge mark where a prediction or its interval
    continues outside the axes.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` (well, time), m.
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m.
    split : Split, optional
        The test period is shown, or the validation period if there is no test period. Without a
        split, all times with a prediction are shown.
    models : iterable of str, optional
        Names of the models, in the order of the panels; by default all, in the order of their
        root mean square error in the period shown.
    best : str, optional
        Model whose panel is framed.
    notes : mapping of str to str, optional
        Text above the panel of a model at the right, such as its score.
    axes : iterable of matplotlib.axes.Axes, optional
        Axes to draw in, one for each model; by default those of a new figure with two columns.

    Returns
    -------
    list of matplotlib.axes.Axes
        Axes of each model.

    Raises
    ------
    ValueError
        If the well or a model is unknown, or there are fewer axes than models.
    """
    well = prepare.only_well(observations, well)
    spans = {} if split is None else prepare.period_spans(split, well=well)
    view = spans.get("test") or spans.get("validation")
    if view:  # other rows may be predictions of another fit
        predictions = predictions.sel({schema.TIME: slice(*view)})
    level = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    given = None if models is None else [str(model) for model in models]
    names = prepare.by_error(level, predictions, well=well) if given is None else given
    shown = [_shown_prediction(predictions, well=well, model=m, split=None) for m in names]
    known = [central for central, _ in shown if central is not None]
    view = view or prepare.view_of(known, period=None, split=None, well=well)
    limits = _panel_limits(level, known, view=view)
    panels = _panels(len(names)) if axes is None else list(axes)
    if len(panels) < len(names):
        raise ValueError(
            f"Each model needs axes of its own. Received {len(panels)} axes for {len(names)} "
            "models. Give more axes, or fewer models."
        )
    for ax, name, (central, bounds) in zip(panels, names, shown, strict=False):
        _draw(ax, level, central, bounds, model=name)
        level_limits(ax, *limits, rain=False)
        _mark_clipped(ax, central, bounds)
        style.date_axis(ax, view, most=8)
        style.title(ax, model_label(name), (notes or {}).get(name))
        style.finish(ax)
        if name == best:
            _frame(ax)
    if axes is None:
        _label_figure(panels[0], level, well=well)
    return panels[: len(names)]


def _panel_limits(
    level: xr.DataArray, predicted: list[xr.DataArray], *, view: View
) -> tuple[float, float]:
    """Return the limits of all panels: at most half the range of the levels beyond the levels."""
    low, high = prepare.limits_of([level], view=view)
    far = prepare.limits_of([level, *predicted], view=view)
    reach = 0.5 * (high - low)
    return max(low - reach, far[0]), min(high + reach, far[1])


def _mark_clipped(ax: Axes, central: xr.DataArray | None, bounds: Interval | None) -> None:
    """Mark where a prediction or its interval continues outside the axes."""
    if central is None:
        return
    bottom, top = ax.get_ylim()
    lower, upper = (central, central) if bounds is None else (bounds.lower, bounds.upper)
    times = central[schema.TIME].values
    for outside, edge, marker in (
        (np.fmax(upper.values, central.values) > top, 1.0, "^"),
        (np.fmin(lower.values, central.values) < bottom, 0.0, "v"),
    ):
        numbers = _spread(outside)
        places = times[numbers]
        if len(places):
            ax.plot(
                places, np.full(len(places), edge), marker, ms=4.5, mew=0, clip_on=False,
                color=style.PREDICTED, transform=ax.get_xaxis_transform(), zorder=6,
                label="continues outside the axes",
            )  # fmt: skip


def _spread(outside: np.ndarray) -> list[int]:
    """Return positions in the middle of each run, and evenly spread over longer runs."""
    apart = max(1, outside.size // 10)
    positions: list[int] = []
    for first, last in prepare.runs(outside, longest=max(1, outside.size // 40)):
        count = 1 + (last - first) // apart
        positions += [first + (2 * k + 1) * (last - first) // (2 * count) for k in range(count)]
    return positions


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
    for column in range(columns):  # dates below each column
        grid[(count - 1 - column) // columns, column].tick_params(labelbottom=True)
    return list(grid.ravel()[:count])


def _frame(ax: Axes) -> None:
    for spine in ax.spines.values():
        spine.set(linewidth=1.6, edgecolor=style.PREDICTED)


def _label_figure(ax: Axes, level: xr.DataArray, *, well: str) -> None:
    figure = ax.figure
    figure.supylabel(level_label(level), fontsize=9, color=style.INK)
    figure.suptitle(well, fontsize=9, fontweight="bold", color=style.INK, x=0.01, ha="left")
    handles: dict[str, Any] = {}
    for panel in figure.axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault("predicted" if label.startswith("predicted") else label, handle)
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=len(handles)
    )


MOST_NAMED = 45
"""Up to this number of wells each is labelled; of more, every second, third, ... is."""


@dataclass(frozen=True)
class _Row:
    name: str
    present: np.ndarray
    colour: str
    count: str
    longest: int = 1


@style.styled
def gaps(observations: xr.Dataset, *, well: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the availability of the level of each well and of each covariate, as broken bars.

    Levels that are less frequent than the steps, such as weekly levels on daily steps, are joined
    to one bar where they are at most twice their usual distance apart.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` and covariates, dims (well, time).
    well : str, optional
        Name of a single well to show; by default all wells are shown, and covariates where all
        wells have them.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure, whose height depends on the number of
        rows, up to a page. Of more than 45 wells, every second, third, ... is labelled.

    Returns
    -------
    matplotlib.axes.Axes
        The axes. At the right are the numbers of levels, and the percentages of steps with a value
        of a covariate.

    Raises
    ------
    ValueError
        If the well is unknown.
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
    names = [shortened(rows[number].name, most=30) for number in named]
    ax.set_yticks([centres[number] for number in named], names)
    ax.set_ylim(centres[-1] + 1.9 * heights[-1] / 2, -0.6)
    if wells == 1:
        style.title(ax, str(observations[schema.WELL].values[0]), None)
    style.finish(ax, grid="x").tick_params(axis="y", length=0)
    return ax


def _places(wells: int, *, covariates: int) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Return the numbers of the labelled rows, and the centres and heights of all bars.

    Bars of many wells are thin and touch each other; covariates keep the height of a line of text.
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
        count = f"n = {thousands(int(present.sum()))}"
        rows.append(_Row(name, present, style.OBSERVED, count, max(1, int(2 * usual) - 1)))
    for name in schema.covariate_names(observations):
        variable = observations[name]
        present = variable.notnull().all(schema.WELL).values
        rain = schema.covariate_kind(name, variable.attrs) == "rain"
        share = 100 * present.mean()
        text = f"{share:.0f} %" if share in (0, 100) else f"{min(max(share, 0.1), 99.9):.1f} %"
        label = covariate_label(name, variable.attrs)
        rows.append(_Row(label, present, style.RAIN if rain else style.SPARE, text))
    return rows
