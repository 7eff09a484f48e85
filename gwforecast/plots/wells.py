"""Scores of a network of wells: their distribution, where they lie, and what they go with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gwforecast import schema
from gwforecast.plots import style
from gwforecast.plots.prepare_scores import by_well, metric_label, perfect_value
from gwforecast.sequences.split import Period

__all__ = ["extreme_wells", "score_by_attribute", "score_distribution", "score_map"]


LOWEST = -1.0
"""Lower end of the axis of metrics whose perfect value is 1; worse scores are drawn at it."""
NAMED = 8
"""Wells at each end that are named."""


@style.styled
def score_distribution(
    scores: pd.DataFrame, *, metric: str = "nse", period: Period = "test", ax: Axes | None = None
) -> Axes:
    """Draw the share of wells whose score is at most a value, a line for each model.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, period, metric, value, n, as of ``score_table``.
    metric, period : str
        Which scores.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Raises
    ------
    ValueError
        If there is no such score.
    """
    table = by_well(scores, metric=metric, period=period)
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=3.4)
    lowest = _lowest(metric)
    dashes = ["-", (0, (5, 1.5)), (0, (2, 1)), (0, (5, 1, 1, 1))]
    for number, (model, values) in enumerate(table.items()):
        ordered = np.sort(values.dropna().to_numpy(float)).clip(lowest)
        if ordered.size == 0:
            ax.plot([], [], label=f"{style.model_label(str(model))} (no score)")
            continue
        share = np.arange(1, ordered.size + 1) / ordered.size
        ax.step(
            np.concatenate([ordered[:1], ordered]),
            np.concatenate([[0.0], share]),
            where="post",
            lw=1.4,
            ls=dashes[(number // 7) % len(dashes)],
            label=f"{style.model_label(str(model))} ({_number(values.median())})",
        )
    ax.axhline(0.5, color=style.SPARE, lw=0.6, zorder=1)
    ax.set(xlabel=metric_label(metric), ylabel="share of wells at or below", ylim=(0, 1))
    if lowest > -np.inf:
        ax.set_xlim(max(ax.get_xlim()[0], lowest - 0.02), 1.02)
    style.title(ax, f"{len(table)} wells", f"{period} period; median in brackets")
    style.legend_below(ax, columns=3, below=36)
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
    """Draw the scores of the wells where a model is best and where it is worst, by name.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, period, metric, value, n, as of ``score_table``.
    model : str
        The model by which the wells are ordered.
    baseline : str, optional
        A model that is drawn beside it, in grey.
    metric, period : str
        Which scores.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Raises
    ------
    ValueError
        If there is no such score.
    """
    table = by_well(scores, metric=metric, period=period, models=[model])
    away = (table[model] - perfect_value(metric)).abs().sort_values(kind="stable")
    wells = list(away.dropna().index)
    cut = len(wells) > 2 * NAMED
    shown = [*wells[:NAMED], *wells[-NAMED:]] if cut else wells
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=0.9 + 0.2 * len(shown))
    lowest = _lowest(metric)
    rows = np.arange(len(shown)) + (np.arange(len(shown)) >= NAMED if cut else 0)
    others = () if baseline is None or baseline not in table else (baseline,)
    for name, color, size in (*((b, style.SPARE, 4) for b in others), (model, style.PREDICTED, 6)):
        values = table.loc[shown, name].to_numpy(float)
        inside = values >= lowest
        ax.plot(values[inside], rows[inside], "o", ms=size, mew=0, color=color,
                label=style.model_label(name))  # fmt: skip
        ax.plot(np.full((~inside & np.isfinite(values)).sum(), lowest),
                rows[~inside & np.isfinite(values)], "<", ms=size, mew=0, color=color)  # fmt: skip
    ax.axvline(perfect_value(metric), color=style.INK, lw=0.8, ls=(0, (4, 3)), zorder=1)
    ax.set_yticks(rows, [style.shortened(str(well), most=24) for well in shown])
    ax.set(ylim=(rows[-1] + 0.7, -0.7), xlabel=metric_label(metric))
    if lowest > -np.inf:
        ax.set_xlim(max(ax.get_xlim()[0], lowest - 0.05), 1.04)
    which = f"best and worst {NAMED}, " if cut else ""
    style.title(ax, f"{len(wells)} wells", f"{which}{period} period")
    style.legend_below(ax, below=36)
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
    """Draw the score of each well against a static attribute: numbers along, categories in rows.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, period, metric, value, n, as of ``score_table``.
    observations : xarray.Dataset
        With the attribute, dims (well).
    attribute, model, metric, period : str
        What is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Raises
    ------
    ValueError
        If there is no such score or attribute.
    """
    table = by_well(scores, metric=metric, period=period, models=[model])[model].dropna()
    if attribute not in schema.attribute_names(observations):
        raise ValueError(
            f"Scores are drawn against a static attribute. Received {attribute!r}; there are "
            f"{schema.attribute_names(observations) or 'none'}. Choose one of them."
        )
    found = observations[attribute]
    there = [well for well in table.index if well in found[schema.WELL].values]
    values, score = found.sel({schema.WELL: there}).values, table.loc[there].to_numpy(float)
    ax = style.new_axes(ax, width=style.NARROW * 1.3, height=3.2)
    lowest = _lowest(metric)
    score = score.clip(lowest)
    numeric = found.dtype.kind in "fiu"
    across = values.astype(float) if numeric else _in_rows(ax, [str(value) for value in values])
    ax.plot(across, score, "o", ms=4, mew=0, alpha=0.6, color=style.OBSERVED)
    units = str(found.attrs.get("units", ""))
    label = f"{attribute.replace('_', ' ')}" + (f" [{units}]" if units not in ("", "1") else "")
    ax.set(xlabel=label, ylabel=metric_label(metric))
    note = f"{period} period, {len(there)} wells"
    if numeric and len(there) > 2:
        ranks = pd.Series(across).corr(pd.Series(score), method="spearman")
        note += f", rank correlation {_number(ranks)}" if np.isfinite(ranks) else ""
    style.title(ax, style.model_label(model), note)
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
    """Draw the wells at their coordinates, coloured by score; the perfect value is darkest.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, period, metric, value, n, as of ``score_table``.
    observations : xarray.Dataset
        With the static attributes longitude and latitude, lon and lat, or x and y.
    model, metric, period : str
        What is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Raises
    ------
    ValueError
        If there is no such score, or no well has coordinates.
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
    ax = style.new_axes(ax, width=style.WIDE * 0.7, height=4.4)
    perfect, values = perfect_value(metric), table.loc[there].to_numpy(float)
    low, high = (0.0, 1.0) if perfect == 1.0 else (float(values.min()), float(values.max()))
    drawn = ax.scatter(
        x[known], y[known], c=values[known], vmin=low, vmax=high, s=26, lw=0.4,
        cmap="viridis_r" if perfect == 1.0 else "viridis", edgecolor=style.INK,
    )  # fmt: skip
    _lay_out_map(ax, observations, names, middle=float(np.nanmean(y)))
    below = "min" if values.min() < low else "neither"
    bar = ax.figure.colorbar(drawn, ax=ax, label=metric_label(metric), shrink=0.8, extend=below)
    if bar.solids is not None:
        bar.solids.set_rasterized(False)  # in print it stays sharp
    bar.ax.tick_params(labelsize=8)
    without = len(there) - int(known.sum())
    note = f"{period} period, {int(known.sum())} wells" + (
        f"; {without} without coordinates" if without else ""
    )
    style.title(ax, style.model_label(model), note)
    return style.finish(ax)


def _lay_out_map(
    ax: Axes, observations: xr.Dataset, names: tuple[str, str], *, middle: float
) -> None:
    geographic = names[0].startswith("lon")
    ax.set_aspect(1 / max(0.1, np.cos(np.radians(middle))) if geographic else "equal")
    ax.margins(0.08)
    for axis, name in ((ax.xaxis, names[0]), (ax.yaxis, names[1])):
        units = "°" if geographic else observations[name].attrs.get("units", "m")
        axis.set_label_text(f"{name} [{units}]")
        axis.set_major_locator(MaxNLocator(5, steps=style.STEPS))
    style.plain_numbers(ax.xaxis, ax.yaxis)


def _in_rows(ax: Axes, values: list[str]) -> np.ndarray:
    """Name the categories along the axis; return a place for each value, equal ones apart."""
    names = sorted(set(values))
    many = len(names) > 4
    ax.set_xticks(
        range(len(names)),
        [style.shortened(name, most=14) for name in names],
        rotation=30 if many else 0,
        ha="right" if many else "center",
    )
    before = pd.Series(values).groupby(values).cumcount().to_numpy()
    rows = np.array([names.index(value) for value in values], float)
    return np.asarray(rows + 0.06 * ((before + 2) % 5 - 2))


def _lowest(metric: str) -> float:
    return LOWEST if perfect_value(metric) == 1.0 else -np.inf


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", style.MINUS)
