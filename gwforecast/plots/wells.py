"""Scores of many wells: distribution, best and worst wells, map, and relation to attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import Affine2D

from gwforecast import schema
from gwforecast.plots import style
from gwforecast.plots.prepare import (
    MINUS,
    metric_label,
    model_label,
    perfect_value,
    shortened,
    units_label,
)
from gwforecast.plots.scores import by_well, lowest_drawn
from gwforecast.sequences.split import Period

__all__ = ["extreme_wells", "score_by_attribute", "score_distribution", "score_map"]


NAMED = 8
"""Number of best and of worst wells shown."""

WORDS = {"lon": "longitude", "lat": "latitude"}

FEW = 15
"""Up to this number of wells, distributions have a dot for each and maps have names."""


@style.styled
def score_distribution(
    scores: pd.DataFrame,
    *,
    metric: str = "nse",
    period: Period = "test",
    emphasis: Iterable[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the cumulative distribution of a score over the wells, a line for each model."""
    table = by_well(scores, metric=metric, period=period)
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=3.4)
    lowest = lowest_drawn(metric)
    looks = style.looks_of(map(str, table), emphasis)
    for model, values in table.items():
        ordered = np.sort(values.dropna().to_numpy(float)).clip(lowest)
        look = looks[str(model)]
        if ordered.size == 0:
            ax.plot([], [], color=look.colour, label=f"{model_label(str(model))} (no score)")
            continue
        share = np.arange(1, ordered.size + 1) / ordered.size
        ax.step(
            np.concatenate([ordered[:1], ordered]), np.concatenate([[0.0], share]), where="post",
            lw=look.width, ls=look.dashes, color=look.colour, zorder=3 if look.strong else 2,
            label=f"{model_label(str(model))} ({_number(values.median())})",
        )  # fmt: skip
        if ordered.size <= FEW:
            ax.plot(ordered, share, "o", ms=3.5, mew=0, color=look.colour, label="_wells", zorder=4)
    ax.axhline(0.5, color=style.SPARE, lw=0.6, zorder=1)
    ax.set(xlabel=metric_label(metric), ylabel="share of wells at or below", ylim=(0, 1.02))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    if lowest > -np.inf:
        ax.set_xlim(max(ax.get_xlim()[0], lowest - 0.02), 1.02)
    _mark_lowest(ax.xaxis, table.to_numpy(float), lowest=lowest)
    style.title(ax, f"{len(table)} wells", f"{period} period; median in brackets")
    style.legend_below(ax)
    return style.finish(ax)


@style.styled
def extreme_wells(
    scores: pd.DataFrame,
    *,
    model: str,
    baseline: str | None = None,
    metric: str = "nse",
    period: Period = "test",
    ax: Axes | None = None,
) -> Axes:
    """Draw the scores of the wells at which a model performs best and worst.

    Parameters
    ----------
    model : str
        Model that the wells are ordered by.
    baseline : str, optional
        Model for comparison, in grey.
    """
    table = by_well(scores, metric=metric, period=period, models=[model])
    away = (table[model] - perfect_value(metric)).abs().sort_values(kind="stable")
    wells = list(away.dropna().index)
    cut = len(wells) > 2 * NAMED
    shown = [*wells[:NAMED], *wells[-NAMED:]] if cut else wells
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=0.9 + 0.2 * len(shown))
    lowest = lowest_drawn(metric)
    rows = np.arange(len(shown)) + (np.arange(len(shown)) >= NAMED if cut else 0)
    others = () if baseline is None or baseline not in table else (baseline,)
    for name, color, size in (*((b, style.SPARE, 4) for b in others), (model, style.PREDICTED, 6)):
        values = table.loc[shown, name].to_numpy(float)
        inside = values >= lowest
        ax.plot(values[inside], rows[inside], "o", ms=size, mew=0, color=color,
                label=model_label(name))  # fmt: skip
        ax.plot(np.full((~inside & np.isfinite(values)).sum(), lowest),
                rows[~inside & np.isfinite(values)], "<", ms=size, mew=0, color=color)  # fmt: skip
    ax.axvline(perfect_value(metric), color=style.INK, lw=0.8, ls=(0, (4, 3)), zorder=1)
    ax.set_yticks(rows, [shortened(str(well), most=24) for well in shown])
    ax.set(ylim=(rows[-1] + 0.7, -0.7), xlabel=metric_label(metric))
    if lowest > -np.inf:
        ax.set_xlim(max(ax.get_xlim()[0], lowest - 0.05), 1.04)
    _mark_lowest(ax.xaxis, table.loc[shown, [model, *others]].to_numpy(float), lowest=lowest)
    which = f"{NAMED} best and {NAMED} worst, " if cut else ""
    style.title(ax, f"{len(wells)} wells", f"{which}{period} period")
    style.legend_below(ax)
    style.finish(ax, grid="x").tick_params(axis="y", length=0)
    return ax


@style.styled
def score_by_attribute(
    scores: pd.DataFrame,
    observations: xr.Dataset,
    *,
    attribute: str,
    model: str,
    metric: str = "nse",
    period: Period = "test",
    ax: Axes | None = None,
) -> Axes:
    """Draw the score of each well against a static attribute, numeric or categorical.

    Parameters
    ----------
    observations : xarray.Dataset
        Dataset with the attribute, dims (well).
    attribute : str
        Name of the static attribute: numbers are drawn as points, text as groups.
    model : str
        Name of a model in the scores.
    """
    table = by_well(scores, metric=metric, period=period, models=[model])[model].dropna()
    if attribute not in schema.attribute_names(observations):
        raise ValueError(
            f"The attribute must be static, dims (well). Received {attribute!r}; there are "
            f"{schema.attribute_names(observations) or 'none'}. Choose one of them."
        )
    found = observations[attribute]
    there = [well for well in table.index if well in found[schema.WELL].values]
    values, score = found.sel({schema.WELL: there}).values, table.loc[there].to_numpy(float)
    ax = style.new_axes(ax, width=style.NARROW * 1.3, height=3.2)
    lowest = lowest_drawn(metric)
    numeric = found.dtype.kind in "fiu"
    across = values.astype(float) if numeric else _in_rows(ax, [str(value) for value in values])
    ax.plot(across, score.clip(lowest), "o", ms=4, mew=0, alpha=0.6, color=style.OBSERVED)
    _mark_lowest(ax.yaxis, score, lowest=lowest)
    label = attribute.replace("_", " ") + units_label(found.attrs)
    ax.set(xlabel=label, ylabel=metric_label(metric))
    note = f"{period} period, {len(there)} wells"
    if numeric and len(there) > 2:
        ranks = pd.Series(across).corr(pd.Series(score), method="spearman")
        note += f", rank correlation {_number(ranks)}" if np.isfinite(ranks) else ""
    style.title(ax, model_label(model), note)
    return style.finish(ax)


@style.styled
def score_map(
    scores: pd.DataFrame,
    observations: xr.Dataset,
    *,
    model: str,
    metric: str = "nse",
    period: Period = "test",
    ax: Axes | None = None,
) -> Axes:
    """Draw a map of the wells, coloured by score; the perfect value is darkest.

    The map has a scale bar and a north arrow. Up to 15 wells are named.

    Parameters
    ----------
    observations : xarray.Dataset
        Dataset with the static attributes longitude and latitude, lon and lat, or x and y.
    model : str
        Name of a model in the scores.
    """
    table = by_well(scores, metric=metric, period=period, models=[model])[model].dropna()
    names = schema.coordinate_names(observations)
    if names is None:
        raise ValueError(
            "A map needs the coordinates of the wells. Received observations without static "
            f"attributes of the names {schema.PLACES}. Add them with attributes=..., or leave the "
            "map out."
        )
    there = [well for well in table.index if well in observations[schema.WELL].values]
    x, y = (observations[n].sel({schema.WELL: there}).values.astype(float) for n in names)
    known = np.isfinite(x) & np.isfinite(y)
    own = ax is None
    ax = style.new_axes(ax, width=style.WIDE * 0.7, height=4.4)
    perfect, values = perfect_value(metric), table.loc[there].to_numpy(float)
    low, high = (0.0, 1.0) if perfect == 1.0 else (float(values.min()), float(values.max()))
    drawn = ax.scatter(
        x[known], y[known], c=values[known], vmin=low, vmax=high, s=26, lw=0.4,
        cmap="viridis_r" if perfect == 1.0 else "viridis", edgecolor=style.INK,
    )  # fmt: skip
    sides = _lay_out_map(ax, observations, names, middle=float(np.nanmean(y)))
    if own:  # as high as the map
        figure: Any = ax.figure
        figure.set_figheight(float(np.clip(3.5 * sides + 0.9, 2.4, 5.5)))
    below = "min" if values.min() < low else "neither"
    bar = ax.figure.colorbar(drawn, ax=ax, label=metric_label(metric), shrink=0.9, extend=below)
    if bar.solids is not None:
        bar.solids.set_rasterized(False)  # vectors stay sharp in print
    bar.ax.tick_params(labelsize=8)
    without = len(there) - int(known.sum())
    note = f"{period} period, {int(known.sum())} wells"
    note += f"; {without} without coordinates" if without else ""
    style.title(ax, model_label(model), note)
    style.finish(ax)
    if known.sum() <= FEW:
        _name_wells(ax, x[known], y[known], [w for w, k in zip(there, known, strict=True) if k])
    return ax


def _lay_out_map(
    ax: Axes, observations: xr.Dataset, names: tuple[str, str], *, middle: float
) -> float:
    """Set limits, ticks and labels, draw scale and north; return height over width of the map."""
    geographic = names[0].startswith("lon")
    narrowing = max(0.1, np.cos(np.radians(middle))) if geographic else 1.0
    ax.set_aspect(1 / narrowing)
    units = "°" if geographic else str(observations[names[0]].attrs.get("units", "m"))
    for axis, name in ((ax.xaxis, names[0]), (ax.yaxis, names[1])):
        axis.set_label_text(f"{WORDS.get(name, name)} [{units}]")
        axis.set_major_locator(MaxNLocator(5, steps=style.STEPS))
    style.plain_numbers(ax.xaxis, ax.yaxis)
    _set_extent(ax, narrowing=narrowing)
    _draw_scale(ax, units=units, kilometres=111.32 * narrowing if geographic else None)
    ax.annotate(
        "N", (0.95, 0.03), xycoords="axes fraction", xytext=(0, 20), textcoords="offset points",
        ha="center", fontsize=8, color=style.INK,
        arrowprops={"arrowstyle": "<|-", "color": style.INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    across, up = (float(np.diff(limits)[0]) for limits in (ax.get_xlim(), ax.get_ylim()))
    return up / (across * narrowing)


def _set_extent(ax: Axes, *, narrowing: float) -> None:
    """Set limits around the wells, with a ratio of the sides of at most 2, and room below."""
    (left, right), (low, high) = ax.dataLim.intervalx, ax.dataLim.intervaly
    span = max((right - left) * narrowing, high - low, 1e-6)
    across, up = (max(size, 0.5 * span) for size in ((right - left) * narrowing, high - low))
    middle_x, middle_y = (left + right) / 2, (low + high) / 2
    reach = (0.5 * across + 0.1 * span) / narrowing
    ax.set_xlim(middle_x - reach, middle_x + reach)
    ax.set_ylim(middle_y - 0.5 * up - 0.24 * span, middle_y + 0.5 * up + 0.1 * span)


def _draw_scale(ax: Axes, *, units: str, kilometres: float | None) -> None:
    """Draw a scale bar of a round length at the lower left; ``kilometres`` is that of a degree."""
    left, right = ax.get_xlim()
    per_unit = kilometres or {"m": 0.001, "km": 1.0}.get(units, 1.0)
    length = _round_length(0.25 * (right - left) * per_unit)
    if kilometres is None and units not in ("m", "km"):
        text = f"{length:g} {units}"
    else:
        text = f"{length:g} km" if length >= 1 else f"{1000 * length:g} m"
    start, end = left + 0.04 * (right - left), left + 0.04 * (right - left) + length / per_unit
    across = ax.get_xaxis_transform()
    ax.plot([start, start, end, end], [0.05, 0.035, 0.035, 0.05], color=style.INK, lw=1.0,
            transform=across, label="_scale")  # fmt: skip
    ax.text((start + end) / 2, 0.055, text, ha="center", va="bottom", fontsize=8, transform=across)
    ax.set_xlim(left, right)


def _round_length(length: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten up to a length."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(power * max(step for step in (1, 2, 5) if step * power <= length * (1 + 1e-9)))


def _name_wells(ax: Axes, x: np.ndarray, y: np.ndarray, names: list[str]) -> None:
    """Write each name above, below or beside its well, where it covers nothing."""
    figure: Any = ax.figure
    figure.draw_without_rendering()  # makes the layout
    points = ax.transData.transform(np.column_stack([x, y])) * 72 / ax.figure.dpi
    edges = ax.bbox.transformed(Affine2D().scale(72 / ax.figure.dpi))
    taken = [(px - 4, py - 4, px + 4, py + 4) for px, py in points]
    for number, name in enumerate(shortened(name, most=18) for name in names):
        wide = style.text_width(name)
        for right, up, align in ((0, 6, "center"), (0, -14, "center"), (7, -3, "left"),
                                 (-7, -3, "right")):  # fmt: skip
            left = points[number, 0] + right - wide * {"center": 0.5, "left": 0, "right": 1}[align]
            low = points[number, 1] + up
            box = (left, low, left + wide, low + 9)
            inside = edges.x0 + 3 < box[0] and box[2] < edges.x1 - 3 and edges.y0 < box[1]
            if inside and not any(
                box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
                for other in taken
            ):
                break
        else:  # no room: the name is left out
            continue
        taken.append(box)
        ax.annotate(
            name, (x[number], y[number]), xytext=(right, up), textcoords="offset points",
            ha=align, fontsize=8, color=style.INK,
        )  # fmt: skip


def _in_rows(ax: Axes, values: list[str]) -> np.ndarray:
    """Label the categories along the axis; return positions that keep equal values apart."""
    names = sorted(set(values))
    turned, align = (30, "right") if len(names) > 4 else (0, "center")
    ax.set_xticks(range(len(names)), [shortened(name, most=14) for name in names],
                  rotation=turned, ha=align)  # fmt: skip
    places = np.array([names.index(value) for value in values], float)
    return np.asarray(places + style.jitter(len(values), 0.12))


def _mark_lowest(axis: Axis, scores: np.ndarray, *, lowest: float) -> None:
    """Label the end of the axis at which lower scores are drawn as such."""
    if (scores < lowest).any():
        axis.set_major_formatter(
            lambda value, _: (
                ("\N{LESS-THAN OR EQUAL TO} " if abs(value - lowest) < 1e-9 else "")
                + f"{value:g}".replace("-", MINUS)
            )
        )


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)
