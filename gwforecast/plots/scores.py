"""Scores: models beside each other, and intervals against what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, MultipleLocator

from gwforecast.plots import style
from gwforecast.plots.prepare_scores import coverages, metric_label, perfect_value
from gwforecast.sequences.split import Period

__all__ = ["interval_coverage", "score_comparison"]


_LOWEST_SKILL = -1.0
"""Lower end of the axis of metrics whose perfect value is 1; worse scores are arrows at it."""


@style.styled
def score_comparison(
    scores: pd.DataFrame,
    *,
    metric: str = "nse",
    period: Period = "test",
    ax: Axes | None = None,
) -> Axes:
    """Draw the score of each model, best first: a dot for each well, and the median of the wells.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, period, metric, value, n, such as those of ``score_table``.
    metric : str
        Which metric.
    period : {"train", "validation", "test"}
        Which period.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes. A grey line is at zero, a dashed one at the value of a perfect prediction; scores
        below -1, where 1 is perfect, are arrows at the left edge.

    Raises
    ------
    ValueError
        If there is no score of this metric and period.
    """
    table = _table(scores, metric=metric, period=period)
    perfect, label = perfect_value(metric), metric_label(metric)
    order = _order(table, perfect)
    wells = table["well"].nunique()
    ax = style.new_axes(
        ax, width=style.WIDE * 0.75, height=0.9 + 0.27 * len(order) + 0.3 * (wells > 1)
    )
    lowest = _LOWEST_SKILL if perfect == 1.0 else -np.inf
    ax.axvline(0.0, color=style.SPARE, lw=0.8, zorder=1)
    ax.axvline(perfect, color=style.INK, lw=0.8, ls=(0, (4, 3)), zorder=1)
    for row, model in enumerate(order):
        values = table.loc[table["model"] == model, "value"].dropna().to_numpy(float)
        digits = 3 if perfect == 0.0 else 2
        _draw_row(ax, np.sort(values), row=row, lowest=lowest, dots=wells > 1, digits=digits)
    ax.set_yticks(range(len(order)), [style.model_label(model) for model in order])
    ax.set(ylim=(len(order) - 0.4, -0.6), xlabel=label)
    if lowest > -np.inf:
        ax.set_xlim(max(ax.get_xlim()[0], lowest - 0.05), 1.04)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=style.STEPS))
    _title(ax, table, period=period)
    if wells > 1:
        marks: dict[str, Any] = {}
        for handle, mark in zip(*ax.get_legend_handles_labels(), strict=True):
            marks.setdefault(mark, handle)
        style.legend_below(ax, below=36, handles=marks.values())
    style.finish(ax, grid="x").tick_params(axis="y", length=0)
    return ax


def _title(ax: Axes, scores: pd.DataFrame, *, period: str) -> None:
    """Name the wells of some scores, the period and the number of levels."""
    of_well = scores.dropna(subset="value").groupby("well")["n"].max()
    wells = scores["well"].unique()
    who = str(wells[0]) if wells.size == 1 else f"{wells.size} wells"
    style.title(ax, who, f"{period} period, n = {style.thousands(int(of_well.sum()))}")


def _draw_row(
    ax: Axes, values: np.ndarray, *, row: int, lowest: float, dots: bool, digits: int
) -> None:
    """Draw the sorted scores of one model, and their median in figures at the right."""
    edge = ax.get_yaxis_transform()
    if values.size == 0:
        ax.text(1.01, row, "no score", transform=edge, va="center", fontsize=8, color=style.SPARE)
        return
    median = float(np.median(values))
    shown = max(median, lowest)
    if dots:
        heights = row + 0.22 * np.resize([0.0, 1.0, -1.0, 0.5, -0.5], values.size)
        inside = values >= lowest
        mark: dict[str, Any] = {"ls": "", "mew": 0.0, "color": style.OBSERVED}
        ax.plot(values[inside], heights[inside], marker="o", ms=3, alpha=0.5, label="well", **mark)
        below = heights[~inside]
        if below.size:
            ax.plot(np.full(below.size, lowest), below, marker="<", ms=4, alpha=0.7,
                    label=f"well below {lowest:.0f}".replace("-", style.MINUS), **mark)  # fmt: skip
    else:
        ax.plot([0.0, shown], [row, row], color=style.INTERVAL, lw=3, zorder=1.5)
    marker, size, wide = ("|", 11, 2.2) if dots else ("o", 6, 0.0)
    if median < lowest:
        marker, size, wide = ("<", 6, 0.0)
    ax.plot([shown], [row], marker, ms=size, mew=wide, color=style.PREDICTED, zorder=4,
            label="median")  # fmt: skip
    text = f"{median:.{digits}f}".replace("-", style.MINUS)
    ax.text(1.01, row, text, transform=edge, va="center", fontsize=8, color=style.INK)


def _table(scores: pd.DataFrame, *, metric: str, period: str) -> pd.DataFrame:
    table = scores[(scores["metric"] == metric) & (scores["period"] == period)]
    if table["value"].notna().any():
        return table
    known = scores[scores["value"].notna()]
    has_metric = known["metric"] == metric
    what = "period" if has_metric.any() else "metric"
    there = known.loc[has_metric, "period"] if has_metric.any() else known["metric"]
    raise ValueError(
        f"A comparison needs scores of its metric and period. Received metric {metric!r}, period "
        f"{period!r}; there are the {what}s {', '.join(map(str, there.unique())) or 'none'}. "
        f"Choose another {what}."
    )


def _order(table: pd.DataFrame, perfect: float) -> list[str]:
    """Return the models by the distance of their median from perfect, those without scores last."""
    medians = table.groupby("model", sort=False)["value"].median()
    return [str(model) for model in (medians - perfect).abs().sort_values(kind="stable").index]


@style.styled
def interval_coverage(
    table: pd.DataFrame, *, period: Period = "test", ax: Axes | None = None
) -> Axes:
    """Draw the share of levels inside each interval against the share that it promises.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns nominal and observed, shares from 0 to 1, and, if there are several models, model.
        Or scores (model, well, period, metric, value, n) with metrics such as ``coverage_95``, of
        which the levels of all wells are taken together.
    period : {"train", "validation", "test"}
        Which period of the scores.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; intervals under the diagonal are too narrow.

    Raises
    ------
    ValueError
        If there is no share, or one is not between 0 and 1.
    """
    scores = table if "metric" in table else None
    table = table if scores is None else coverages(scores, period=period)
    _check_shares(table, period=period)
    ax = style.new_axes(ax, width=style.NARROW, height=3.8)
    ax.plot([0, 1], [0, 1], color=style.INK, lw=0.8, zorder=1)
    parts = list(table.groupby("model", sort=False)) if "model" in table else [("", table)]
    for (model, part), marker in zip(parts, "osD^vPX*hp" * len(parts), strict=False):
        ordered = part.sort_values("nominal")
        ax.plot(
            ordered["nominal"],
            ordered["observed"],
            marker=marker,
            ms=4,
            lw=1.2,
            color=style.PREDICTED if len(parts) == 1 else None,
            label=style.model_label(str(model)),
        )
    for x, y, text, align in (
        (0.04, 0.96, "too wide", "left"),
        (0.96, 0.04, "too narrow", "right"),
    ):
        ax.text(x, y, text, ha=align, va="center", fontsize=8, color=style.SPARE,
                transform=ax.transAxes)  # fmt: skip
    least = float(table[["nominal", "observed"]].min().min())
    low = max(0.0, np.floor(10 * (least - 0.1)) / 10)
    ax.set(xlim=(low, 1), ylim=(low, 1), box_aspect=1)
    ax.set(xlabel="nominal coverage", ylabel="observed coverage")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MultipleLocator(0.2 if low < 0.4 else 0.1))
    if "model" in table:
        style.legend_below(ax, columns=3, below=36)
    if scores is not None:
        of_coverage = scores["metric"].str.startswith("coverage_")
        _title(ax, scores[of_coverage & (scores["period"] == period)], period=period)
    return style.finish(ax)


def _check_shares(table: pd.DataFrame, *, period: Period) -> None:
    if table.empty:
        raise ValueError(
            "Coverage is drawn from shares, or from scores such as 'coverage_95'. Received none "
            f"for period {period!r}. Choose another period, or models with intervals."
        )
    shares = table[["nominal", "observed"]].to_numpy(float)
    wrong = shares[(shares < 0) | (shares > 1)]
    if wrong.size:
        raise ValueError(
            f"Coverages are shares from 0 to 1. Received {wrong[0]:g}. Divide percentages by 100."
        )
