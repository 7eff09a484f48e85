"""Levels over time: with rain and predictions, their availability, and how they follow weather."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gwforecast import schema, timeline
from gwforecast.plots import prepare, style
from gwforecast.plots.prepare import (
    Interval,
    View,
    covariate_label,
    lag_correlations,
    level_label,
    model_label,
    rainfall_departure,
    shortened,
    thousands,
    units_label,
    wells_label,
)
from gwforecast.sequences.split import Period, Split

__all__ = ["all_models", "frame", "gaps", "hydrograph", "lag_correlation", "rain_departure"]


RAIN_SHARE = 0.27
"""Largest share of the height of the axes that is taken by rain."""

_TALL = 130
"""Width of a label, in points, from which its units stand in a second line."""

LATER = "#CFEDED"
"""Paler turquoise of rain after the issue time, which a forecast may not have known."""


def frame(
    ax: Axes,
    limits: tuple[float, float],
    rain: xr.DataArray | None,
    *,
    view: View,
    issue_time: np.datetime64 | None = None,
    later: str = "rain after issue",
) -> list[Any]:
    """Set limits and ticks of the axis of levels, and draw rain if any is known in the view.

    Axes without bars would look like no rain. Returns the handles of the legend.
    """
    rains = rain is not None and bool(rain.sel({schema.TIME: slice(*view)}).notnull().any())
    span = max(limits[1] - limits[0], 0.01)
    room = 1.15 * span * RAIN_SHARE / (1 - RAIN_SHARE) if rains else 0.0
    bottom, top = limits[0] - 0.06 * span, limits[1] + 0.08 * span
    ax.set_ylim(bottom, top + room)
    most = int(np.clip(style.points_up(ax) / 20, 3, 7))
    ticks = np.asarray(MaxNLocator(most, steps=style.STEPS).tick_values(bottom, top))
    ax.set_yticks(ticks[(ticks >= bottom) & (ticks <= top)])
    style.plain_numbers(ax.yaxis)
    if rain is None or not rains:
        return []
    return _hang_rain(ax, rain, view=view, issue_time=issue_time, later=later)


def _hang_rain(
    ax: Axes, rain: xr.DataArray, *, view: View, issue_time: np.datetime64 | None, later: str
) -> list[Any]:
    """Draw rain as bars from the top on an axis of its own, paler after the issue time."""
    bars, label = prepare.rain_bars(rain, view=view, issue_time=issue_time)
    hung = ax.twinx()
    most = float(bars["amount"].max())
    most = most if np.isfinite(most) and most > 0 else 1.0
    lacking = bars["missing"]
    bars.loc[lacking, "amount"] = 0.03 * most / RAIN_SHARE
    after = bars["start"] > view[1] if issue_time is None else bars["start"] >= issue_time
    handles = [
        hung.bar(
            shown["start"], shown["amount"], shown["end"] - shown["start"], align="edge",
            color=colour, label=name,
        )
        for shown, colour, name in (
            (bars[~after & ~lacking], style.RAIN_BARS, "rain"),
            (bars[after & ~lacking], LATER, later),
            (bars[lacking], style.SPARE, "rain missing"),
        )
        if shown["amount"].notna().any()
    ]  # fmt: skip
    hung.set_ylim(most / RAIN_SHARE, 0)
    ticks = np.asarray(MaxNLocator(4, steps=style.STEPS).tick_values(0, most))
    hung.set_yticks(ticks[ticks <= most * 1.05])
    long = style.text_width(label, size=9) > _TALL
    hung.set_ylabel(label.replace(" [", "\n[") if long else label, loc="top")
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

    Rain is drawn from the top, on an axis of its own at the right, if there is a covariate of this
    kind. Long records of rain are summed to weeks, months, ..., as stated at its axis.

    Parameters
    ----------
    predictions : xarray.Dataset, optional
        With a split, they are drawn from the start of the test period.
    period : str or tuple, optional
        Period of the split, or first and last date shown; by default all levels.
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
    style.shade_periods(ax, split, well=well, view=view, time=observations[schema.TIME])
    _draw(ax, level, predicted, bounds, model=model)
    handles = ax.get_legend_handles_labels()[0]
    edges = [] if bounds is None else [bounds.lower, bounds.upper]
    handles += frame(ax, prepare.limits_of([*series, *edges], view=view), rain, view=view)
    ax.set_ylabel(level_label(level))
    style.title(ax, prepare.whose(well, model), note, pad=5 if split is None else 16)
    style.legend_below(ax, handles=handles, below=style.date_axis(ax, view))
    return style.finish(ax)


def _shown_prediction(
    predictions: xr.Dataset | None, *, well: str, model: str | None, split: Split | None
) -> tuple[xr.DataArray | None, Interval | None]:
    if predictions is None:
        return None, None
    level = prepare.prediction_of(predictions, well=well, model=model)
    if split is not None:  # from the test period on
        time, one = level[schema.TIME], {schema.WELL: well}
        start = split.start("test").sel(one, drop=True)
        end = split.end_through("validation").sel(one, drop=True)
        level = level.where(time >= start if start.notnull() else time > end)
    return prepare.central(level), next(iter(prepare.intervals(level)), None)


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
            times, bounds.lower.values, bounds.upper.values, color=style.INTERVAL, lw=0,
            label=f"{100 * bounds.coverage:.3g} % interval", zorder=1.5,
        )  # fmt: skip


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

    The test period is shown, or the validation period if there is no test period; without a split,
    all times with a prediction.

    Parameters
    ----------
    models : iterable of str, optional
        Names of the models, in the order of the panels; by default all, in the order of their
        root mean square error in the period shown.
    best : str, optional
        Model whose panel is framed.
    notes : mapping of str to str, optional
        Text above the panel of a model at the right, such as its score.
    axes : iterable of matplotlib.axes.Axes, optional
        Axes to draw in, one for each model; by default those of a new figure with two columns.
    """
    well = prepare.only_well(observations, well)
    spans = {} if split is None else prepare.period_spans(split, well=well)
    period = next((name for name in ("test", "validation") if name in spans), None)
    view = None if period is None else spans[period]
    if view:  # other rows may be predictions of another fit
        predictions = predictions.sel({schema.TIME: slice(*view)})
    level = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    given = None if models is None else [str(model) for model in models]
    names = prepare.by_error(level, predictions, well=well) if given is None else given
    shown = [_shown_prediction(predictions, well=well, model=m, split=None) for m in names]
    known = [central for central, _ in shown if central is not None]
    view = view or prepare.view_of(known, period=None, split=None, well=well)
    limits = _panel_limits(level, known, view=view)
    panels = style.panels(len(names), height=1.35, sharey=True)[1] if axes is None else list(axes)
    if len(panels) < len(names):
        raise ValueError(
            f"Each model needs axes of its own. Received {len(panels)} axes for {len(names)} "
            "models. Give more axes, or fewer models."
        )
    for ax, name, (central, bounds) in zip(panels, names, shown, strict=False):
        _draw(ax, level, central, bounds, model=None)
        frame(ax, limits, None, view=view)
        _mark_clipped(ax, central, bounds)
        style.date_axis(ax, view)
        style.title(ax, model_label(name), (notes or {}).get(name))
        style.finish(ax)
        for spine in ax.spines.values() if name == best else ():
            spine.set(linewidth=1.6, edgecolor=style.PREDICTED)
    if axes is None:
        name = well if period is None else f"{well}, {period} period"
        style.label_figure(panels[0].figure, name, ylabel=level_label(level))
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
        places = times[_spread(outside)]
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

    At the right are the numbers of levels, and the percentages of steps with a value of a
    covariate. Of more than 45 wells, every second, third, ... is labelled.

    Parameters
    ----------
    well : str, optional
        Name of a single well to show; by default all wells are shown, and covariates where all
        wells have them.
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
    style.title(ax, wells_label(observations[schema.WELL].values), None)
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


@style.styled
def rain_departure(
    observations: xr.Dataset, *, well: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the level and the cumulative rainfall departure.

    The departure has an axis of its own at the right.
    """
    well = prepare.only_well(observations, well)
    name = prepare.rain_name(observations)
    if name is None:
        raise ValueError(
            "The cumulative rainfall departure needs rain. Received the covariates "
            f"{schema.covariate_names(observations)}, none of them rain. Set attrs['kind'] = "
            "'rain' of the one that is."
        )
    one = observations.sel({schema.WELL: well}, drop=True)
    view = prepare.view_of([one[schema.LEVEL]], period=None, split=None, well=well)
    ax = style.new_axes(ax, width=style.WIDE, height=3.0)
    departure = rainfall_departure(one[name])
    beside = ax.twinx()
    units = units_label({"units": str(one[name].attrs.get("units", "")).split("/")[0]})
    beside.plot(departure[schema.TIME], departure, color=style.RAIN, lw=1.2)
    beside.axhline(0.0, color=style.SPARE, lw=0.6)
    what = covariate_label(name, one[name].attrs)
    beside.set_ylabel(f"cumulative departure of {what}{units}", color="#1F7F7F")
    beside.tick_params(labelsize=8)
    style.draw_levels(ax, one[schema.LEVEL], label="observed")
    ax.set_zorder(beside.get_zorder() + 1)
    ax.patch.set_visible(False)
    style.date_axis(ax, view)
    style.plain_numbers(ax.yaxis)
    ax.set_ylabel(level_label(one[schema.LEVEL]))
    style.title(ax, well, "cumulative sum of rain minus its mean")
    style.finish(ax).yaxis.label.set_color(style.OBSERVED)
    return ax


@style.styled
def lag_correlation(
    observations: xr.Dataset,
    *,
    well: str | None = None,
    covariates: Sequence[str] | None = None,
    most: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the correlation of the level with the mean of each covariate over preceding steps.

    The number of steps at which the curve of rain peaks indicates the memory of the aquifer.

    Parameters
    ----------
    covariates : sequence of str, optional
        Names; by default all.
    most : int, optional
        Largest number of steps in a mean; by default two years.
    """
    well = prepare.only_well(observations, well)
    there = schema.covariate_names(observations)
    names = list(covariates) if covariates is not None else there
    lacking = [name for name in names if name not in there]
    one = observations.sel({schema.WELL: well}, drop=True)
    frequency = timeline.infer_frequency(one[schema.TIME].values)
    unit, year = {"D": ("days", 365), "W": ("weeks", 52)}.get(frequency[0], ("months", 12))
    table = lag_correlations(
        one[schema.LEVEL], one, names=[] if lacking else names, most=most or 2 * year
    )
    if lacking or not table["correlation"].notna().any():
        raise ValueError(
            "A correlation needs a covariate and at least 20 pairs. Received "
            f"{lacking or names}; well {well!r} has {there}. Choose others, or a smaller most."
        )
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=3.2)
    ax.axhline(0.0, color=style.SPARE, lw=0.8, zorder=1)
    for number, (name, rows) in enumerate(table.groupby("covariate", sort=False)):
        dash = "-" if number < 7 else (0, (4, 1.5))
        unknown = not rows["correlation"].notna().any()
        label = covariate_label(str(name), one[name].attrs) + (" (constant)" if unknown else "")
        color = style.RAIN if name == prepare.rain_name(observations) else None
        ax.plot(rows["steps"], rows["correlation"], lw=1.4, ls=dash, label=label, color=color)
    ax.set_xscale("log")
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if t <= table["steps"].max()]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    highest = float(np.nanmax(np.abs(table["correlation"])))
    edge = min(1.0, highest + 0.1)
    ax.set(
        xlabel=f"averaging window before the level [{unit}]", ylabel="correlation with the level"
    )
    ax.set_ylim(-edge, edge)
    style.title(ax, well, f"n = {thousands(int(table['n'].max()))}")
    style.legend_below(ax)
    return style.finish(ax)
