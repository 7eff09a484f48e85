"""Forecast performance: scores by lead time, reliability and calibration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter

from gwforecast import schema
from gwforecast.plots import style
from gwforecast.plots.prepare import (
    lead_numbers,
    metric_label,
    model_label,
    perfect_value,
    thousands,
    wells_label,
    whose,
)

__all__ = ["pit", "reliability", "scores_by_lead", "spread_apart"]


_FURTHEST = 2.0
"""Errors of up to this many times the median of the models are within the axes."""

_LINE = 10.5
"""Height of a line of text, in points."""


@style.styled
def scores_by_lead(
    scores: pd.DataFrame,
    *,
    metric: str = "crps",
    wells: Iterable[str] | None = None,
    models: Iterable[str] | None = None,
    emphasis: Iterable[str] | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a score of each model by lead time, as the mean over wells.

    Lines are labelled at their ends. A model that is far worse than the others leaves the axes;
    an arrow beside its name shows where. A dashed line marks the value of a perfect forecast where
    that is not zero, and a thin line marks zero where scores can be negative.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, lead (steps), metric, value, n, and optionally lead_time (timedelta,
        or a number of months); without it the axis is in steps.
    wells, models : iterable of str, optional
        Wells and models; by default all. Means are over the wells at which all models have a
        score.
    """
    found = _curves(scores, metric=metric, wells=wells, models=models)
    count = found.values.shape[1] + len(found.without)
    ax = style.new_axes(ax, width=style.WIDE * 0.8, height=max(2.9, 0.9 + count * _LINE / 72))
    looks = style.looks_of([str(model) for model in found.values.columns], emphasis)
    for model, look in looks.items():
        line = found.values[model].dropna()
        ax.plot(
            line.index.to_numpy(), line.to_numpy(), color=look.colour, ls=look.dashes,
            label=model_label(model), lw=look.width, zorder=3 if look.strong else 2,
            marker="o" if len(line) == 1 else None, ms=3.5,
        )  # fmt: skip
    _limits(ax, found.values, metric=metric)
    first, last = found.values.index[0], found.values.index[-1]
    margin = 0.02 * (last - first) or 0.5
    ax.set_xlim(max(first - margin, 0.0) if first > 0 else first, last + margin)
    if first == last:
        ax.set_xticks([first])
    else:
        ax.xaxis.set_major_locator(MaxNLocator(8, steps=style.STEPS, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=style.STEPS))
    ax.set(xlabel=f"lead time [{found.unit}]", ylabel=metric_label(metric))
    _name_lines(ax, found, looks)
    chosen = scores["well"].unique() if wells is None else list(wells)
    who = f"mean of {found.wells} wells" if found.wells > 1 else str(chosen[0])
    names = max(style.text_width(text.get_text()) for text in ax.texts)
    room = (style.points_across(ax) - names) / 1.085
    low, high = (thousands(number) for number in found.pairs)
    pairs = f"n = {low} per lead time" if low == high else f"n = {low} to {high} per lead time"
    style.title(ax, who, _noted(note, pairs), width=room)
    return style.finish(ax, grid="y")


def _noted(note: str | None, n: str) -> str:
    return f"{note}; {n}" if note else n


@dataclass(frozen=True)
class _Curves:
    """Mean score over wells by lead time.

    values: table of lead times, as numbers, by models. unit: that of the lead time. wells: number
    of wells in the means; the largest where it differs by lead time. pairs: smallest and largest
    number of pairs of a lead time. without: models without a score.
    """

    values: pd.DataFrame
    unit: str
    wells: int
    pairs: tuple[int, int]
    without: list[str]


def _curves(
    scores: pd.DataFrame, *, metric: str, wells: Iterable[str] | None, models: Iterable[str] | None
) -> _Curves:
    """Return the mean score over wells by model and lead time.

    At each lead time, the mean is taken over the wells at which all models with scores at this
    lead time have one, so that models are compared on the same wells.
    """
    chosen = _chosen(scores, wells=wells, models=models)
    table = chosen[chosen["metric"] == metric]
    known = table[table["value"].notna()]
    if known.empty:
        there = chosen.loc[chosen["value"].notna(), "metric"].unique()
        raise ValueError(
            f"The scores must include the metric. Received {metric!r}; there are "
            f"{', '.join(map(str, there)) or 'none'}. Choose another metric."
        )
    names = [str(model) for model in table["model"].unique()]
    with_scores = known.groupby("lead")["model"].nunique()
    complete = known.groupby(["lead", "well"])["model"].nunique()
    full = complete[complete == with_scores.reindex(complete.index.get_level_values("lead")).values]
    rows = pd.MultiIndex.from_frame(known[["lead", "well"]]).isin(full.index)
    common = known[rows]
    values = common.pivot_table("value", index="lead", columns="model", aggfunc="mean")
    numbers, unit = _leads(table, values.index)
    pairs = common.groupby(["lead", "well"])["n"].min().groupby("lead").sum()
    return _Curves(
        values.set_axis(pd.Index(numbers, name="lead"))[[m for m in names if m in values]],
        unit,
        int(common.groupby("lead")["well"].nunique().max()),
        (int(pairs.min()), int(pairs.max())),
        [m for m in names if m not in values],
    )


def _chosen(
    scores: pd.DataFrame, *, wells: Iterable[str] | None, models: Iterable[str] | None
) -> pd.DataFrame:
    for column, wanted in (("well", wells), ("model", models)):
        if wanted is None:
            continue
        names = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
        there = [str(name) for name in scores[column].unique()]
        lacking = [name for name in names if name not in there]
        if lacking:
            raise ValueError(
                f"Each {column} must be in the scores. Received {lacking[0]!r}; there are "
                f"{', '.join(there[:8])}. Choose some of them."
            )
        scores = scores[scores[column].isin(names)]
    return scores


def _leads(table: pd.DataFrame, steps: pd.Index) -> tuple[np.ndarray, str]:
    if "lead_time" not in table:
        return steps.to_numpy(float), "steps"
    times = table.drop_duplicates("lead").set_index("lead")["lead_time"].reindex(steps)
    return lead_numbers(times.to_numpy())


def spread_apart(heights: np.ndarray, *, gap: float, low: float, high: float) -> np.ndarray:
    """Return heights at least ``gap`` apart, close to the given ones and in the same order.

    Heights that are too close are moved as a block around their mean. Where there is too little
    room for the gap, heights are evenly spaced.

    Examples
    --------
    >>> spread_apart(np.array([5.0, 5.0, 9.0]), gap=2.0, low=0.0, high=10.0)
    array([4., 6., 9.])
    """
    if heights.size < 2:
        return np.asarray(np.clip(heights, low, high))
    gap = min(gap, (high - low) / (heights.size - 1))
    order = np.argsort(heights, kind="stable")
    blocks: list[tuple[float, int]] = []  # lowest height and number of labels
    for height in np.clip(heights[order], low, high).tolist():
        blocks.append((height, 1))
        while len(blocks) > 1 and blocks[-1][0] < blocks[-2][0] + gap * blocks[-2][1] - 1e-9:
            (before, number), (start, more) = blocks.pop(-2), blocks.pop()
            total = number + more
            moved = (before * number + (start - gap * number) * more) / total
            blocks.append((min(max(moved, low), high - gap * (total - 1)), total))
    placed = np.concatenate([start + gap * np.arange(number) for start, number in blocks])
    return np.asarray(placed[np.argsort(order)])


def _limits(ax: Axes, values: pd.DataFrame, *, metric: str) -> None:
    """Set limits that hold all models but those far worse, and the value of a perfect forecast."""
    perfect = perfect_value(metric)
    known = values.to_numpy(float)
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    if perfect == 0.0 and low >= 0:
        typical = float(np.nanmedian(np.nanmax(known, axis=0)))
        ax.set_ylim(0.0, 1.06 * min(high, _FURTHEST * typical) or 1.0)
        return
    if perfect == 1.0:
        low = max(low, -1.0)
    edges = (low, high) if perfect == 1.0 else (min(low, perfect), max(high, perfect))
    margin = 0.06 * (edges[1] - edges[0]) or 0.05
    ax.set_ylim(edges[0] - margin, edges[1] + margin)
    if perfect not in (0.0, 1.0):
        ax.axhline(perfect, color=style.INK, lw=0.8, ls=(0, (4, 3)), zorder=1)
    if edges[0] - margin < 0 < edges[1] + margin:
        ax.axhline(0.0, color=style.INK, lw=0.8, zorder=1)


def _name_lines(ax: Axes, curves: _Curves, looks: dict[str, style.Look]) -> None:
    """Write the name of each line at its end, without overlaps."""
    bottom, top = ax.get_ylim()
    ends = {model: curves.values[model].dropna().iloc[-1] for model in looks}
    shares = np.array([(end - bottom) / (top - bottom) for end in ends.values()])
    lacking = len(curves.without)
    gap = _LINE / style.points_up(ax)
    placed = spread_apart(
        np.concatenate([np.clip(shares, 0, 1), np.full(lacking, -1.0)]), gap=gap, low=0.0, high=1.0
    )
    for (model, look), share, place in zip(
        looks.items(), shares, placed[: shares.size], strict=True
    ):
        ax.plot([1.005, 1.03], [np.clip(share, 0, 1), place], color=style.SPARE, lw=0.5,
                clip_on=False, transform=ax.transAxes, label=f"_to {model}")  # fmt: skip
        ax.plot([1.03, 1.075], [place, place], color=look.colour,
                ls=look.dashes, lw=look.width, clip_on=False,
                transform=ax.transAxes, label=f"_{model}")  # fmt: skip
        arrow = " \N{UPWARDS ARROW}" if share > 1 else " \N{DOWNWARDS ARROW}" if share < 0 else ""
        ax.text(1.085, place, model_label(model) + arrow, transform=ax.transAxes,
                va="center", fontsize=8,
                color="#666666" if look.colour == "#A6A6A6" else look.colour,
                fontweight="bold" if look.strong else "normal")  # fmt: skip
    for model, place in zip(curves.without, placed[shares.size :], strict=True):
        ax.text(1.085, place, f"{model_label(model)}: no score", transform=ax.transAxes,
                va="center", fontsize=8, color=style.SPARE)  # fmt: skip


@style.styled
def reliability(
    table: pd.DataFrame,
    *,
    well: str | None = None,
    emphasis: Iterable[str] | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a reliability diagram: observed frequency against forecast probability of an event.

    Below the diagonal, the event was forecast too often. The dotted line is the observed frequency
    over all forecasts. The number of forecasts in each bin is drawn above the axes.

    Parameters
    ----------
    table : pandas.DataFrame
        One row for each bin of forecast probabilities: columns probability (mean forecast
        probability), frequency (observed relative frequency of the event), n, and optionally
        lower and upper (bounds of the frequency) and model.
    well : str, optional
        Well, or description of the wells, for the title.
    note : str, optional
        Such as the event and the origin of the weather.
    """
    table = _known_bins(table)
    models_shown = table["model"].nunique() if "model" in table else 1
    ax = style.new_axes(ax, width=style.NARROW, height=5.0 + 0.17 * (models_shown // 2))
    ax.plot([0, 1], [0, 1], color=style.INK, lw=0.8, zorder=1)
    models = table.groupby("model", sort=False) if "model" in table else [("forecasts", table)]
    parts = [(str(model), part.sort_values("probability")) for model, part in models]
    looks = style.looks_of([model for model, _ in parts], emphasis if len(parts) > 1 else None)
    counts = ax.inset_axes((0, 1.04, 1, 0.2), sharex=ax)
    for number, (model, part) in enumerate(parts):
        colour = looks[model].colour
        shift = 0.006 * (number - (len(parts) - 1) / 2)  # keeps overlapping bars apart
        x = part["probability"].to_numpy(float) + shift
        if {"lower", "upper"} <= set(part):
            ax.vlines(x, part["lower"], part["upper"], color=colour, lw=1.0, alpha=0.8)
        ax.plot(x, part["frequency"], marker="osD^v"[number % 5], ms=4.5, mew=0, lw=1.2,
                color=colour, label=model_label(model))  # fmt: skip
        counts.vlines(x, 0, part["n"], color=colour, lw=6 if len(parts) == 1 else 8 / len(parts))
    first = parts[0][1]
    overall = float(np.average(first["frequency"], weights=first["n"]))
    ax.axhline(overall, color=style.SPARE, lw=0.9, ls=(0, (1, 1.5)), zorder=1,
               label=f"observed overall, {100 * overall:.0f} %")  # fmt: skip
    _finish_counts(counts, highest=float(table["n"].max()))
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), box_aspect=1)
    ax.set(xlabel="forecast probability", ylabel="observed frequency")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MultipleLocator(0.2))
    total = int(first["n"].sum())
    one = parts[0][0] if len(parts) == 1 and "model" in table else None
    said = _noted(note, f"n = {thousands(total)}")
    style.title(counts, whose(well or "", one), said, width=style.points_across(ax))
    style.legend_below(ax)
    return style.finish(ax)


def _finish_counts(counts: Axes, *, highest: float) -> None:
    counts.set(ylim=(0, 1.1 * highest), yticks=[0, highest], ylabel="n")
    counts.set_yticklabels(["0", thousands(int(highest))])
    for side in ("top", "right"):
        counts.spines[side].set_visible(False)
    style.finish(counts).tick_params(labelbottom=False)


def _known_bins(table: pd.DataFrame) -> pd.DataFrame:
    known = table[table["n"] > 0]
    if known.empty:
        raise ValueError(
            "A reliability diagram needs bins with forecasts. Received none with n above 0. "
            "Choose a threshold or a period with forecasts and observed levels."
        )
    shares = known[["probability", "frequency"]].to_numpy(float)
    wrong = shares[~((shares >= 0) & (shares <= 1))]
    if wrong.size:
        raise ValueError(
            f"Probabilities and frequencies must be from 0 to 1. Received {wrong[0]:g}. Divide "
            "percentages by 100."
        )
    return known


@style.styled
def pit(
    values: xr.DataArray,
    *,
    bins: int = 10,
    emphasis: Iterable[str] | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a histogram of the probability integral transform (PIT).

    The PIT of calibrated forecasts is uniform (Dawid 1984, doi:10.2307/2981683). A hump in the
    middle means that intervals are too wide, high bars at both ends that they are too narrow; a
    slope means that forecasts are too high (more values at the left) or too low.

    The dashed line is the relative frequency in each bin of calibrated forecasts; the band holds
    95 % of the bins of calibrated forecasts with independent pairs. Errors that persist for weeks
    make the spread larger.

    Parameters
    ----------
    values : xarray.DataArray
        PIT value of each observed level, from 0 to 1, any dims; NaN without a level or forecast.
        Several values along ``model`` are drawn as lines. The coordinate ``well`` gives the title.
    bins : int
        Number of bins.
    """
    parts = _parts(values, bins=bins)
    ax = style.new_axes(ax, width=style.NARROW, height=2.9)
    edges = np.linspace(0, 1, bins + 1)
    size = min(part.size for part in parts.values())
    reach = 1.96 * np.sqrt((1 - 1 / bins) / bins / size)
    ax.axhline(1 / bins, color=style.INK, lw=0.9, ls=(0, (4, 3)), zorder=4, label="calibrated")
    ax.axhspan(max(1 / bins - reach, 0), 1 / bins + reach, fc=(0.5, 0.5, 0.5, 0.25), ec="#777777",
               lw=0.8, ls=":", zorder=2.5, label="95 % range if calibrated")  # fmt: skip
    looks = style.looks_of(parts, emphasis)
    highest = 1 / bins + reach
    for model, part in parts.items():
        shares = np.histogram(part, edges)[0] / part.size
        highest = max(highest, float(shares.max()))
        if len(parts) == 1:
            ax.bar(edges[:-1], shares, 1 / bins, align="edge", color=style.INTERVAL,
                   edgecolor="white", lw=0.8, zorder=2)  # fmt: skip
        else:
            ax.stairs(shares, edges, color=looks[model].colour, ls=looks[model].dashes, lw=1.4,
                      baseline=None, label=model_label(model), zorder=3)  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 1.12 * highest))
    ax.set(xlabel="probability integral transform (PIT)", ylabel="relative frequency")
    ax.xaxis.set_major_locator(MultipleLocator(0.2))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    wells = values[schema.WELL].values if schema.WELL in values.coords else None
    well = "" if wells is None else wells_label(np.atleast_1d(wells))
    name = whose(well, next(iter(parts)) if len(parts) == 1 else None)
    style.title(ax, name, _noted(note, f"n = {thousands(size)}"))
    style.legend_below(ax)
    return style.finish(ax)


def _parts(values: xr.DataArray, *, bins: int) -> dict[str, np.ndarray]:
    """Return the known values of each model."""
    if bins < 2:
        raise ValueError(
            f"A histogram needs at least two bins. Received bins={bins}. Give 2 or more."
        )
    several = schema.MODEL in values.dims
    models = [str(name) for name in values[schema.MODEL].values] if several else [""]
    found = {}
    for number, model in enumerate(models):
        one = (values.isel({schema.MODEL: number}) if several else values).values.ravel()
        known = one[np.isfinite(one)]
        wrong = known[(known < 0) | (known > 1)]
        if known.size == 0 or wrong.size:
            what = f"{wrong[0]:g}" if wrong.size else "none"
            who = f" for model {model!r}" if model else ""
            raise ValueError(
                f"PIT values must be from 0 to 1. Received {what}{who}. Choose forecasts with an "
                "observed level and quantiles."
            )
        found[model] = known
    return found
