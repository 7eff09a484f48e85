"""Scores as figures show them: by model, well, lead time and interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gwforecast.plots.labels import model_label
from gwforecast.plots.prepare_forecasts import lead_numbers
from gwforecast.sequences.split import Period
from gwforecast.verification.metrics import METRICS

__all__ = [
    "Curves",
    "by_well",
    "coverages",
    "curves",
    "metric_label",
    "perfect_value",
    "spread_apart",
]


def coverages(scores: pd.DataFrame, *, period: Period) -> pd.DataFrame:
    """Return the nominal and observed coverage of each model, pooled over the levels of all wells.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, period, metric, value, n; metrics such as ``coverage_95`` are used.

    Returns
    -------
    pandas.DataFrame
        Columns model, nominal, observed; coverages from 0 to 1.
    """
    shares = scores["metric"].str.fullmatch(r"coverage_\d+") & (scores["period"] == period)
    known = scores[shares & scores["value"].notna() & (scores["n"] > 0)]
    inside = (known["value"] * known["n"]).rename("inside")
    pooled = known.assign(inside=inside).groupby(["model", "metric"], sort=False)
    total = pooled[["inside", "n"]].sum().reset_index()
    nominal = total["metric"].str.removeprefix("coverage_").astype(float) / 100
    observed = total["inside"] / total["n"]
    return pd.DataFrame({"model": total["model"], "nominal": nominal, "observed": observed})


@dataclass(frozen=True)
class Curves:
    """Mean score over wells by lead time.

    Attributes
    ----------
    values : pandas.DataFrame
        Index: lead time as a number. Columns: models.
    unit : str
        Unit of the lead time.
    wells : int
        Number of wells in the means; the largest where it differs by lead time.
    pairs : tuple of int
        Smallest and largest number of pairs of a lead time.
    without : list of str
        Models without a score.
    """

    values: pd.DataFrame
    unit: str
    wells: int
    pairs: tuple[int, int]
    without: list[str]


def curves(
    scores: pd.DataFrame,
    *,
    metric: str,
    wells: Iterable[str] | None,
    models: Iterable[str] | None,
) -> Curves:
    """Return the mean score over wells by model and lead time.

    At each lead time, the mean is taken over the wells at which all models with scores at this
    lead time have one, so that models are compared on the same wells.

    Raises
    ------
    ValueError
        If a well or model is unknown, or there is no score of this metric.
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
    return Curves(
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

    Parameters
    ----------
    heights : numpy.ndarray
        Shape (label,).
    gap, low, high : float
        Smallest distance between heights, and limits of the heights.

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


def perfect_value(metric: str) -> float:
    """Return the value of a metric for a perfect prediction."""
    if metric in METRICS:
        return float(METRICS[metric].perfect)
    if metric.startswith("coverage_"):
        return float(metric.removeprefix("coverage_")) / 100
    return 1.0 if metric.startswith("skill") else 0.0


def metric_label(metric: str) -> str:
    """Return the label of an axis of a metric, such as ``"RMSE [m]"``.

    Examples
    --------
    >>> metric_label("width_95"), metric_label("skill_crps_persistence")
    ('width of the 95 % interval [m]', 'CRPS skill relative to persistence')
    """
    if metric in METRICS:
        units = METRICS[metric].units
        return METRICS[metric].label + ("" if units == "1" else f" [{units}]")
    what, _, level = metric.rpartition("_")
    if level.isdigit():
        units = "" if what == "coverage" else " [m]"
        return f"{what.replace('_', ' ')} of the {level} % interval{units}"
    if metric.startswith("skill_"):
        score, _, baseline = metric.removeprefix("skill_").partition("_")
        relative = f" relative to {model_label(baseline)}" if baseline else ""
        return f"{score.upper()} skill{relative}"
    return "CRPS [m]" if metric == "crps" else metric


def by_well(
    scores: pd.DataFrame, *, metric: str, period: str, models: list[str] | None = None
) -> pd.DataFrame:
    """Return the scores as a table, wells by models, both in their order in ``scores``.

    Raises
    ------
    ValueError
        If there is no score of this metric and period, or a model of ``models`` has none.
    """
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
