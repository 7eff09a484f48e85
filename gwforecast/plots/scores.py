"""Scores: comparison of models, and coverage of prediction intervals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gwforecast.plots import style
from gwforecast.plots.prepare import (
    MINUS,
    metric_label,
    model_label,
    perfect_value,
    thousands,
    wells_label,
)
from gwforecast.sequences.split import Period
from gwforecast.verification.probabilistic import ALL_YEARS, coverage_of_blocks

__all__ = [
    "by_well", "coverage_by_year", "coverages", "interval_coverage", "lowest_drawn",
    "score_comparison",
]  # fmt: skip


_NUMBER = 40
"""Width of a score and of the names of models beside the axes, in points."""
_MOST_BLOCKS = 8
"""Blocks of years in the figure of coverage."""


def lowest_drawn(metric: str) -> float:
    """Return the lower end of the axis of a metric, at which lower scores are drawn."""
    return -1.0 if perfect_value(metric) == 1.0 else -np.inf


@style.styled
def score_comparison(
    scores: pd.DataFrame, *, metric: str = "nse", period: Period = "test", ax: Axes | None = None
) -> Axes:
    """Draw the score of each model, best first: a dot for each well, and the median over wells.

    A grey line marks zero and a dashed line the value of a perfect prediction. Of metrics with the
    perfect value 1, scores below -1 are drawn as arrows at the left edge.
    """
    table = _table(scores, metric=metric, period=period)
    perfect, label = perfect_value(metric), metric_label(metric)
    away = (table.groupby("model", sort=False)["value"].median() - perfect).abs()
    order = [str(model) for model in away.sort_values(kind="stable").index]  # without scores last
    wells = table["well"].nunique()
    ax = style.new_axes(
        ax, width=style.WIDE * 0.75, height=0.9 + 0.27 * len(order) + 0.3 * (wells > 1)
    )
    lowest = lowest_drawn(metric)
    ax.axvline(0.0, color=style.SPARE, lw=0.8, zorder=1)
    ax.axvline(perfect, color=style.INK, lw=0.8, ls=(0, (4, 3)), zorder=1)
    for row, model in enumerate(order):
        values = table.loc[table["model"] == model, "value"].dropna().to_numpy(float)
        digits = 3 if perfect == 0.0 else 2
        _draw_row(ax, np.sort(values), row=row, lowest=lowest, dots=wells > 1, digits=digits)
    ax.set_yticks(range(len(order)), [model_label(model) for model in order])
    ax.set(ylim=(len(order) - 0.4, -0.6), xlabel=label)
    if lowest > -np.inf:
        ax.set_xlim(max(ax.get_xlim()[0], lowest - 0.05), 1.04)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=style.STEPS))
    _title(ax, table, period=period)
    if wells > 1:
        style.legend_below(ax)
    style.finish(ax, grid="x").tick_params(axis="y", length=0)
    return ax


def _title(ax: Axes, scores: pd.DataFrame, *, period: str) -> None:
    """Write the wells, the period and the number of levels of some scores above the axes."""
    of_well = scores.dropna(subset="value").groupby("well")["n"].max()
    note = f"{period} period, n = {thousands(int(of_well.sum()))}"
    room = style.points_across(ax) - (_NUMBER if ax.texts else 0)
    style.title(ax, wells_label(scores["well"]), note, width=room)


def _draw_row(
    ax: Axes, values: np.ndarray, *, row: int, lowest: float, dots: bool, digits: int
) -> None:
    """Draw the sorted scores of one model, with the value of their median at the right."""
    edge = ax.get_yaxis_transform()
    if values.size == 0:
        ax.text(1.01, row, "no score", transform=edge, va="center", fontsize=8, color=style.SPARE)
        return
    median = float(np.median(values))
    shown = max(median, lowest)
    if dots:
        heights = row + style.jitter(values.size, 0.22)
        inside = values >= lowest
        mark: dict[str, Any] = {"ls": "", "mew": 0.0, "color": style.OBSERVED}
        ax.plot(values[inside], heights[inside], marker="o", ms=3, alpha=0.5, label="well", **mark)
        below = heights[~inside]
        if below.size:
            ax.plot(np.full(below.size, lowest), below, marker="<", ms=4, alpha=0.7,
                    label=f"well below {lowest:.0f}".replace("-", MINUS), **mark)  # fmt: skip
    else:
        ax.plot([0.0, shown], [row, row], color=style.INTERVAL, lw=3, zorder=1.5)
    marker, size, wide = ("|", 11, 2.2) if dots else ("o", 6, 0.0)
    if median < lowest:
        marker, size, wide = ("<", 6, 0.0)
    ax.plot([shown], [row], marker, ms=size, mew=wide, color=style.PREDICTED, zorder=4,
            label="median")  # fmt: skip
    text = f"{median:.{digits}f}".replace("-", MINUS)
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
        f"The scores must include the metric and period. Received metric {metric!r}, period "
        f"{period!r}; there are the {what}s {', '.join(map(str, there.unique())) or 'none'}. "
        f"Choose another {what}."
    )


@style.styled
def interval_coverage(
    table: pd.DataFrame,
    *,
    period: Period = "test",
    emphasis: Iterable[str] | None = None,
    note: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the observed against the nominal coverage of prediction intervals.

    Intervals with points below the black line are too narrow: the diagonal of one model, or the
    nominal coverages of several models, whose points are set apart so that none hides another.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns nominal and observed, coverages from 0 to 1, and, if there are several models,
        model. Or scores (model, well, period, metric, value, n) with metrics such as
        ``coverage_95``, which are pooled over the levels of all wells.
    note : str
        Text below the legend, such as that of
        :func:`gwforecast.verification.probabilistic.coverage_note`.
    """
    scores = table if "metric" in table else None
    table = table if scores is None else coverages(scores, period=period)
    _check_shares(table, period=period)
    parts = list(table.groupby("model", sort=False)) if "model" in table else [("", table)]
    low, lowest = _coverage_limits(table)
    rows = -(-len(parts) // 3) if "model" in table else 0
    ax = style.new_axes(ax, width=style.NARROW * 1.3, height=3.5 + 0.17 * rows)
    step = min(0.016, 0.11 / len(parts)) * (1 - low) / 0.3 if len(parts) > 1 else 0.0
    looks = style.looks_of([str(model) for model, _ in parts], emphasis)
    _draw_coverages(ax, parts, looks, step=step)
    right = max(1.0, float(table["nominal"].max()) + 0.6 * len(parts) * step)
    ax.set(xlim=(low, right), ylim=(lowest, 1.005))
    _label_shares(ax, table["nominal"])
    lines = 0
    if "model" in table:
        lines = style.legend_below(ax)
    if note:
        style.note_below(ax, note, below=40 + 13 * lines)
    if scores is not None:
        of_coverage = scores["metric"].str.startswith("coverage_")
        _title(ax, scores[of_coverage & (scores["period"] == period)], period=period)
    return style.finish(ax, grid="y")


@style.styled
def coverage_by_year(
    table: pd.DataFrame,
    *,
    models: Iterable[str] | None = None,
    nominal: float = 95.0,
    note: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the coverage of an interval by blocks of years, with the range that chance gives it.

    Bars are the 95 % range of the coverage of one well, as errors last; of several wells, points
    and bars are medians.

    Parameters
    ----------
    table : pandas.DataFrame
        As of :func:`gwforecast.verification.probabilistic.coverage_by_year`, of which models are
        compared, or of ``coverage_by_lead`` there, of which lead times of the first model are.
    models : iterable of str, optional
        By default all.
    nominal : float
        Of the interval, in %.
    """
    by = "lead" if "lead" in table else "model"
    chosen = table if models is None else table[table["model"].isin(list(models))]
    if by == "lead":
        chosen = chosen[chosen["model"] == chosen["model"].iloc[0]]
    chosen = chosen[chosen["nominal"] == nominal]
    if chosen.empty:
        raise ValueError(
            f"The table must have coverages of the {nominal:g} % interval. Received none. Choose "
            "another interval, or models with intervals."
        )
    blocks = coverage_of_blocks(chosen, by=by, nominal=nominal, most=_MOST_BLOCKS)
    names = list(dict.fromkeys(blocks["years"]))
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=3.2)
    ax.axhline(nominal / 100, color=style.INK, lw=0.8, ls=(0, (4, 3)), zorder=1, label="nominal")
    ax.axvline(len(names) - 1.5, color=style.SPARE, lw=0.6)
    series = list(blocks.groupby(by, sort=False))
    for number, (name, part) in enumerate(series):
        x = np.array([names.index(years) for years in part["years"]], float)
        x += (number - (len(series) - 1) / 2) * 0.7 / len(series)
        value, lower, upper = (part[one].to_numpy(float) for one in ("value", "lower", "upper"))
        label = f"lead time of {name} steps" if by == "lead" else model_label(str(name))
        reach = np.maximum([value - lower, upper - value], 0.0)
        ax.errorbar(x, value, reach, fmt="osD^vPX*hp"[number % 10], ms=4.5, mew=0, lw=1.2,
                    color=style.STRONG[number % len(style.STRONG)],
                    label=label.replace("of 1 steps", "of 1 step"))  # fmt: skip
    ticks = ["all years" if name == ALL_YEARS else name for name in names]
    ax.set_xticks(range(len(names)), ticks)
    ax.set(ylabel=f"coverage of the {nominal:g} % interval", xlim=(-0.6, len(names) - 0.4))
    ax.set_ylim(min(float(blocks["lower"].min()), nominal / 100 - 0.15) - 0.02, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    style.legend_below(ax, below=24)
    style.title(ax, wells_label(chosen["well"], "median of "), note)
    return style.finish(ax, grid="y")


def _label_shares(ax: Axes, nominal: pd.Series) -> None:
    """Label the axes of coverages in %, and both sides of the line."""
    ax.set(xlabel="nominal coverage", ylabel="observed coverage")
    ax.set_xticks(sorted(set(nominal)))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    for x, y, text, align in (
        (0.03, 0.95, "above the line: too wide", "left"),
        (0.97, 0.05, "below the line: too narrow", "right"),
    ):
        ax.text(x, y, text, ha=align, va="center", fontsize=8, color="#777777",
                transform=ax.transAxes)  # fmt: skip


def _draw_coverages(
    ax: Axes, parts: list[tuple[Any, pd.DataFrame]], looks: dict[str, style.Look], *, step: float
) -> None:
    """Draw the coverages of each model; those of several are ``step`` apart, with stems."""
    several = len(parts) > 1
    if several:
        nominal = np.unique(np.concatenate([part["nominal"] for _, part in parts]))
        reach = 0.5 * step * (len(parts) + 0.6)
        ax.hlines(nominal, nominal - reach, nominal + reach, color=style.INK, lw=1.2, zorder=2,
                  label="nominal")  # fmt: skip
    else:
        ax.plot([0, 1], [0, 1], color=style.INK, lw=0.8, zorder=1)
    for number, ((model, part), marker) in enumerate(
        zip(parts, "osD^vPX*hp" * len(parts), strict=False)
    ):
        ordered, look = part.sort_values("nominal"), looks[str(model)]
        x = ordered["nominal"] + step * (number - (len(parts) - 1) / 2)
        ax.plot(
            x, ordered["observed"], marker=marker, ms=5.5, mew=0, lw=0.7, color=look.colour,
            ls="" if several else (0, (1, 2)), label=model_label(str(model)),
            zorder=4 if look.strong else 3,
        )  # fmt: skip
        if several:
            ax.vlines(x, ordered["nominal"], ordered["observed"], color=look.colour, lw=0.9,
                      zorder=2.5)  # fmt: skip


def _coverage_limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return the lower limits of the nominal and the observed coverage."""
    nominal, observed = float(table["nominal"].min()), float(table["observed"].min())
    low = max(0.0, np.floor(20 * (nominal - 0.05)) / 20)
    return low, max(0.0, min(low, np.floor(20 * (observed - 0.02)) / 20))


def _check_shares(table: pd.DataFrame, *, period: Period) -> None:
    if table.empty:
        raise ValueError(
            "The table must have coverages, or scores such as 'coverage_95'. Received none "
            f"for period {period!r}. Choose another period, or models with intervals."
        )
    shares = table[["nominal", "observed"]].to_numpy(float)
    wrong = shares[(shares < 0) | (shares > 1)]
    if wrong.size:
        raise ValueError(
            f"Coverages must be from 0 to 1. Received {wrong[0]:g}. Divide percentages by 100."
        )


def coverages(scores: pd.DataFrame, *, period: Period) -> pd.DataFrame:
    """Return the coverage of each model, pooled over the levels of all wells.

    The table has the columns model, nominal and observed; coverages from 0 to 1.
    """
    shares = scores["metric"].str.fullmatch(r"coverage_\d+") & (scores["period"] == period)
    known = scores[shares & scores["value"].notna() & (scores["n"] > 0)]
    inside = (known["value"] * known["n"]).rename("inside")
    pooled = known.assign(inside=inside).groupby(["model", "metric"], sort=False)
    total = pooled[["inside", "n"]].sum().reset_index()
    nominal = total["metric"].str.removeprefix("coverage_").astype(float) / 100
    observed = total["inside"] / total["n"]
    return pd.DataFrame({"model": total["model"], "nominal": nominal, "observed": observed})


def by_well(
    scores: pd.DataFrame, *, metric: str, period: str, models: list[str] | None = None
) -> pd.DataFrame:
    """Return the scores as a table, wells by models, both in their order in ``scores``."""
    rows = scores[(scores["metric"] == metric) & (scores["period"] == period)]
    wide = rows.pivot_table(index="well", columns="model", values="value", dropna=False, sort=False)
    lacking = [model for model in models or () if model not in wide or wide[model].isna().all()]
    if wide.empty or wide.isna().all(axis=None) or lacking:
        raise ValueError(
            f"The scores must include the metric, period and models. Received metric {metric!r}, "
            f"period {period!r} and {lacking or 'any model'}, without a score. Choose from the "
            "table."
        )
    return wide
