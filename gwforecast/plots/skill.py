"""How good forecasts are: scores by lead time, reliability, and where the levels fell."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter

from gwforecast import schema
from gwforecast.plots import style
from gwforecast.plots.prepare_scores import (
    Curves,
    curves,
    metric_label,
    perfect_value,
    spread_apart,
)

__all__ = ["pit", "reliability", "scores_by_lead"]


NETWORKS = {
    "blend": style.PREDICTED,
    "lstm": style.OBSERVED,
    "mlp": "#009E73",
    "gru": "#CC79A7",
    "cnn": "#56B4E9",
    "global_lstm": "#332288",
    "global_mlp": "#117733",
    "global_gru": "#882255",
    "global_cnn": "#6699CC",
}
"""Strong colours of the networks and their blend, after Okabe and Ito (2008) and Tol (2021)."""

_GREYS = ("#333333", "#777777", "#A6A6A6")
_DASHES = ((0, ()), (0, (4, 2)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))
BASELINES = [(_GREYS[k % 3], _DASHES[k % 4]) for k in range(12)]
"""Greys and dashes of all other models."""

_FURTHEST = 2.0
"""How many times the median of the models an error may be that still sets the axis."""

_TITLE = 24
"""Letters of the name of a well that stand above axes with names of lines at their right."""

_LINE = 10.5
"""Height of a line of text, in points."""


@style.styled
def scores_by_lead(
    scores: pd.DataFrame,
    *,
    metric: str = "crps",
    wells: Iterable[str] | None = None,
    models: Iterable[str] | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a score of each model by lead time, the mean over wells, with the names at the lines.

    Networks have colours, other models greys and dashes. A model that is far worse than the others
    runs out of the axes, and has an arrow at its name.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, lead (steps), metric, value, n, and lead_time (timedelta, or months),
        without which the axis is in steps.
    metric : str
        Which metric.
    wells, models : iterable of str, optional
        Which of them; by default all. Means are of the wells in which all models have a score.
    note : str, optional
        Text at the right above the axes; by default the number of pairs at a lead time.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure. The names stand at its right.

    Returns
    -------
    matplotlib.axes.Axes
        The axes. A dashed line is at the value of a perfect forecast where that is not zero, a
        thin one at zero where scores may be below.

    Raises
    ------
    ValueError
        If a well or model is not there, or there is no score of this metric.
    """
    curves = curves(scores, metric=metric, wells=wells, models=models)
    count = curves.values.shape[1] + len(curves.without)
    height = max(2.9, 0.9 + count * _LINE / 72)
    ax = style.new_axes(ax, width=style.WIDE * 0.8, height=height)
    looks = _looks([str(model) for model in curves.values.columns])
    for model, (colour, dashes) in looks.items():
        line = curves.values[model].dropna()
        ax.plot(
            line.index.to_numpy(), line.to_numpy(), color=colour, ls=dashes,
            label=style.model_label(model), lw=1.8 if model in NETWORKS else 1.1,
            zorder=3 if model in NETWORKS else 2, marker="o" if len(line) == 1 else None, ms=3.5,
        )  # fmt: skip
    _limits(ax, curves.values, metric=metric)
    first, last = curves.values.index[0], curves.values.index[-1]
    margin = 0.02 * (last - first) or 0.5
    ax.set_xlim(max(first - margin, 0.0) if first > 0 else first, last + margin)
    if first == last:
        ax.set_xticks([first])
    else:
        ax.xaxis.set_major_locator(MaxNLocator(8, steps=style.STEPS, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=style.STEPS))
    ax.set(xlabel=f"lead time [{curves.unit}]", ylabel=metric_label(metric))
    _name_lines(ax, curves, looks)
    chosen = scores["well"].unique() if wells is None else list(wells)
    who = f"mean of {curves.wells} wells" if curves.wells > 1 else str(chosen[0])
    style.title(ax, style.shortened(who, most=_TITLE), note or _pairs(curves.pairs))
    return style.finish(ax, grid="y")


def _pairs(pairs: tuple[int, int]) -> str:
    low, high = (style.thousands(number) for number in pairs)
    return f"n = {low} per lead time" if low == high else f"n = {low} to {high} per lead time"


def _looks(models: list[str]) -> dict[str, tuple[str, object]]:
    """Return colour and dashes of each model: strong for networks, greys for the others."""
    others = [model for model in models if model not in NETWORKS]
    greys = {model: BASELINES[number % len(BASELINES)] for number, model in enumerate(others)}
    return {model: greys.get(model) or (NETWORKS[model], "-") for model in models}


def _limits(ax: Axes, values: pd.DataFrame, *, metric: str) -> None:
    """Show all of the models but those that are far worse, and the value of a perfect forecast."""
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


def _name_lines(ax: Axes, curves: Curves, looks: dict[str, tuple[str, object]]) -> None:
    """Write the name of each line at its end, the names one under the other."""
    bottom, top = ax.get_ylim()
    ends = {model: curves.values[model].dropna().iloc[-1] for model in looks}
    shares = np.array([(end - bottom) / (top - bottom) for end in ends.values()])
    lacking = len(curves.without)
    gap = _LINE / _points_up(ax)
    placed = spread_apart(
        np.concatenate([np.clip(shares, 0, 1), np.full(lacking, -1.0)]), gap=gap, low=0.0, high=1.0
    )
    for (model, (colour, dashes)), share, place in zip(
        looks.items(), shares, placed[: shares.size], strict=True
    ):
        ax.plot([1.005, 1.03], [np.clip(share, 0, 1), place], color=style.SPARE, lw=0.5,
                clip_on=False, transform=ax.transAxes, label=f"_to {model}")  # fmt: skip
        ax.plot([1.03, 1.075], [place, place], color=colour,
                ls=dashes, lw=1.6 if model in NETWORKS else 1.0, clip_on=False,
                transform=ax.transAxes, label=f"_{model}")  # fmt: skip
        arrow = " \N{UPWARDS ARROW}" if share > 1 else " \N{DOWNWARDS ARROW}" if share < 0 else ""
        ax.text(1.085, place, style.model_label(model) + arrow, transform=ax.transAxes,
                va="center", fontsize=8, color=_ink(colour),
                fontweight="bold" if model in NETWORKS else "normal")  # fmt: skip
    for model, place in zip(curves.without, placed[shares.size :], strict=True):
        ax.text(1.085, place, f"{style.model_label(model)}: no score", transform=ax.transAxes,
                va="center", fontsize=8, color=style.SPARE)  # fmt: skip


def _ink(colour: str) -> str:
    return "#666666" if colour == "#A6A6A6" else colour


def _points_up(ax: Axes) -> float:
    """Return about how high axes are, in points, also before their layout is made."""
    height, place = ax.figure.bbox.height / ax.figure.dpi, ax.get_subplotspec()
    if place is None or ax.figure.get_layout_engine() is None:
        return float(72 * height * ax.get_position().height)
    share = len(place.rowspan) / place.get_gridspec().nrows
    return float(72 * max(share * height - 0.75, 0.5))


@style.styled
def reliability(table: pd.DataFrame, *, note: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw how often an event was observed against how probable it was said to be.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each bin of forecast probabilities: columns probability (their mean), frequency
        (share of these forecasts after which the event was observed), n, and, if there are,
        lower and upper (bounds of the frequency), model.
    note : str, optional
        Text at the right above the axes; by default the number of forecasts.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure. The number of forecasts of each bin is drawn
        above it.

    Returns
    -------
    matplotlib.axes.Axes
        The axes. Dots under the diagonal were forecast too often; the dotted line is how often the
        event was observed at all.

    Raises
    ------
    ValueError
        If there is no forecast, or a probability or frequency is not between 0 and 1.
    """
    table = _known_bins(table)
    models_shown = table["model"].nunique() if "model" in table else 1
    ax = style.new_axes(
        ax, width=style.NARROW, height=4.65 + 0.17 * max(0, (models_shown - 2) // 2)
    )
    ax.plot([0, 1], [0, 1], color=style.INK, lw=0.8, zorder=1)
    models = table.groupby("model", sort=False) if "model" in table else [("forecasts", table)]
    parts = [(str(model), part.sort_values("probability")) for model, part in models]
    looks = _looks([model for model, _ in parts]) if len(parts) > 1 else {}
    counts = ax.inset_axes((0, 1.04, 1, 0.2), sharex=ax)
    for number, (model, part) in enumerate(parts):
        colour = str(looks.get(model, (style.PREDICTED, "-"))[0])
        shift = 0.006 * (number - (len(parts) - 1) / 2)  # bars that overlap could not be read
        x = part["probability"].to_numpy(float) + shift
        if {"lower", "upper"} <= set(part):
            ax.vlines(x, part["lower"], part["upper"], color=colour, lw=1.0, alpha=0.8)
        ax.plot(x, part["frequency"], marker="osD^v"[number % 5], ms=4.5, mew=0, lw=1.2,
                color=colour, label=style.model_label(model))  # fmt: skip
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
    counts.set_title(note or f"n = {style.thousands(total)}", loc="right", fontsize=8, pad=4)
    style.legend_below(ax, columns=2, below=36)
    return style.finish(ax)


def _finish_counts(counts: Axes, *, highest: float) -> None:
    counts.set(ylim=(0, 1.1 * highest), yticks=[0, highest], ylabel="n")
    counts.set_yticklabels(["0", style.thousands(int(highest))])
    for side in ("top", "right"):
        counts.spines[side].set_visible(False)
    style.finish(counts).tick_params(labelbottom=False)


def _known_bins(table: pd.DataFrame) -> pd.DataFrame:
    known = table[table["n"] > 0]
    if known.empty:
        raise ValueError(
            "Reliability is drawn from bins of forecasts. Received none with n above 0. Choose a "
            "threshold or a period of which there are forecasts and levels."
        )
    shares = known[["probability", "frequency"]].to_numpy(float)
    wrong = shares[~((shares >= 0) & (shares <= 1))]
    if wrong.size:
        raise ValueError(
            f"Probabilities and frequencies are shares from 0 to 1. Received {wrong[0]:g}. Divide "
            "percentages by 100."
        )
    return known


@style.styled
def pit(
    values: xr.DataArray, *, bins: int = 10, note: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw where in their forecast distributions the observed levels fell.

    The probability integral transform of calibrated forecasts is uniform (Dawid 1984,
    doi:10.2307/2981683): a hump says that intervals are too wide, full ends that they are too
    narrow, a slope that forecasts are too high (more at the left) or too low.

    Parameters
    ----------
    values : xarray.DataArray
        Forecast probability of a level not above the observed, any dims; one panel shows several
        models as lines. NaN where there was no level or forecast.
    bins : int
        Number of bins.
    note : str, optional
        Text at the right above the axes; by default the number of pairs.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes. The dashed line is the share of a bin when calibrated, the band where 95 % of
        the bins are expected then, if the pairs were independent; errors that last for weeks make
        it wider.

    Raises
    ------
    ValueError
        If there is no value, one is not between 0 and 1, or there are fewer than two bins.
    """
    parts = _parts(values, bins=bins)
    ax = style.new_axes(ax, width=style.NARROW, height=2.7)
    edges = np.linspace(0, 1, bins + 1)
    size = min(part.size for part in parts.values())
    reach = 1.96 * np.sqrt((1 - 1 / bins) / bins / size)
    ax.axhline(1 / bins, color=style.INK, lw=0.9, ls=(0, (4, 3)), zorder=4, label="calibrated")
    ax.axhspan(max(1 / bins - reach, 0), 1 / bins + reach, color="#DADADA", lw=0, zorder=1.5 if
               len(parts) > 1 else 2.5, alpha=0.75, label="95 % range if so")  # fmt: skip
    looks = _looks(list(parts))
    highest = 1 / bins + reach
    for model, part in parts.items():
        shares = np.histogram(part, edges)[0] / part.size
        highest = max(highest, float(shares.max()))
        if len(parts) == 1:
            ax.bar(edges[:-1], shares, 1 / bins, align="edge", color=style.INTERVAL,
                   edgecolor="white", lw=0.8, zorder=2)  # fmt: skip
        else:
            colour, dashes = looks[model]
            ax.stairs(shares, edges, color=colour, ls=dashes, lw=1.4, baseline=None,
                      label=style.model_label(model), zorder=3)  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 1.12 * highest))
    ax.set(xlabel="forecast probability below the observed level", ylabel="share of the levels")
    ax.xaxis.set_major_locator(MultipleLocator(0.2))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    name = "" if len(parts) > 1 or list(parts) == [""] else style.model_label(next(iter(parts)))
    style.title(ax, name, note or f"n = {style.thousands(size)}")
    style.legend_below(ax, columns=3, below=36)
    return style.finish(ax)


def _parts(values: xr.DataArray, *, bins: int) -> dict[str, np.ndarray]:
    """Return the known values of each model."""
    if bins < 2:
        raise ValueError(f"A histogram needs two bins. Received bins={bins}. Give two at least.")
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
                f"A histogram of forecast probabilities needs values from 0 to 1. Received {what}"
                f"{who}. Choose forecasts with a level and quantiles."
            )
        found[model] = known
    return found
