"""What the figures of scores and of states show, computed apart from drawing it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gwforecast.plots.prepare_forecasts import lead_numbers
from gwforecast.verification.status import OUTLOOK_CLASSES

__all__ = ["OUTLOOK_CLASSES", "Curves", "Months", "curves", "months_of", "spread_apart"]


@dataclass(frozen=True)
class Curves:
    """Means over wells of a score by lead time.

    Attributes
    ----------
    values : pandas.DataFrame
        Index lead time as a number, one column for each model.
    unit : str
        Of the lead time.
    wells : int
        Number of wells of which the means are taken; the largest where it differs by lead time.
    pairs : tuple of int
        Fewest and most pairs of a lead time.
    without : list of str
        Models without a score.
    """

    values: pd.DataFrame
    unit: str
    wells: int
    pairs: tuple[int, int]
    without: list[str]


@dataclass(frozen=True)
class Months:
    """Numbers of classes and percentiles, (well, month), and how many last months are forecast."""

    wells: list[str]
    times: list[pd.Timestamp]
    classes: np.ndarray
    percentiles: np.ndarray
    forecast: int


def curves(
    scores: pd.DataFrame,
    *,
    metric: str,
    wells: Iterable[str] | None,
    models: Iterable[str] | None,
) -> Curves:
    """Return the mean of a score over wells by model and lead time.

    At each lead time it is of the wells in which all models have one that have any there, so that
    the models are compared on the same wells.

    Raises
    ------
    ValueError
        If a well or model is not there, or there is no score of this metric.
    """
    chosen = _chosen(scores, wells=wells, models=models)
    table = chosen[chosen["metric"] == metric]
    known = table[table["value"].notna()]
    if known.empty:
        there = chosen.loc[chosen["value"].notna(), "metric"].unique()
        raise ValueError(
            f"Scores by lead time are drawn of a metric that there is. Received {metric!r}; there "
            f"are {', '.join(map(str, there)) or 'none'}. Choose another metric."
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
                f"A figure shows {column}s that the scores hold. Received {lacking[0]!r}; there "
                f"are {', '.join(there[:8])}. Choose some of them."
            )
        scores = scores[scores[column].isin(names)]
    return scores


def _leads(table: pd.DataFrame, steps: pd.Index) -> tuple[np.ndarray, str]:
    if "lead_time" not in table:
        return steps.to_numpy(float), "steps"
    times = table.drop_duplicates("lead").set_index("lead")["lead_time"].reindex(steps)
    return lead_numbers(times.to_numpy())


def spread_apart(heights: np.ndarray, *, gap: float, low: float, high: float) -> np.ndarray:
    """Return heights that lie ``gap`` apart at least, near to those given, in their order.

    Heights that belong together are moved as a block around their mean, so that no one of them
    moves further than it must; where there is no room, they share what there is.

    Parameters
    ----------
    heights : numpy.ndarray
        Shape (label,).
    gap, low, high : float
        Least distance, and between what all lie.

    Examples
    --------
    >>> spread_apart(np.array([5.0, 5.0, 9.0]), gap=2.0, low=0.0, high=10.0)
    array([4., 6., 9.])
    """
    if heights.size < 2:
        return np.asarray(np.clip(heights, low, high))
    gap = min(gap, (high - low) / (heights.size - 1))
    order = np.argsort(heights, kind="stable")
    blocks: list[tuple[float, int]] = []  # lowest height and number of labels of each
    for height in np.clip(heights[order], low, high).tolist():
        blocks.append((height, 1))
        while len(blocks) > 1 and blocks[-1][0] < blocks[-2][0] + gap * blocks[-2][1] - 1e-9:
            (before, number), (start, more) = blocks.pop(-2), blocks.pop()
            total = number + more
            moved = (before * number + (start - gap * number) * more) / total
            blocks.append((min(max(moved, low), high - gap * (total - 1)), total))
    placed = np.concatenate([start + gap * np.arange(number) for start, number in blocks])
    return np.asarray(placed[np.argsort(order)])


def months_of(
    status: pd.DataFrame, *, issue_time: str | np.datetime64 | pd.Timestamp | None
) -> Months:
    """Return the numbers of the classes and the percentiles by well and month.

    Raises
    ------
    ValueError
        If there is no row, a class is another, or a well has two rows for a month.
    """
    if status.empty:
        raise ValueError(
            "A strip of states needs a row for each well and month. Received none. Choose wells "
            "and months with levels."
        )
    period = pd.DatetimeIndex(status["time"]).to_period("M")
    rows = status.assign(month=period)
    names = rows["class"].dropna().astype(str)
    strange = names[~names.isin(OUTLOOK_CLASSES)]
    if len(strange):
        raise ValueError(
            f"A class is one of {', '.join(OUTLOOK_CLASSES)}. Received {strange.iloc[0]!r}. "
            "Rename it."
        )
    twice = rows[rows.duplicated(["well", "month"])]
    if len(twice):
        raise ValueError(
            "A strip shows one state for each well and month. Received two of well "
            f"{twice['well'].iloc[0]!r} in {twice['month'].iloc[0]}. Keep one of them."
        )
    times = pd.period_range(period.min(), period.max(), freq="M")
    numbers = dict(zip(OUTLOOK_CLASSES, map(float, range(7)), strict=True))
    rows = rows.assign(number=rows["class"].map(numbers).astype(float))
    wells = [str(name) for name in rows["well"].unique()]
    place = pd.MultiIndex.from_product([rows["well"].unique(), times])
    found = rows.set_index(["well", "month"])[["number", "percentile"]].reindex(place)
    issued_in = None if issue_time is None else pd.Timestamp(issue_time).to_period("M")
    return Months(
        wells,
        list(times.to_timestamp()),
        found["number"].to_numpy(float).reshape(len(wells), -1),
        found["percentile"].to_numpy(float).reshape(len(wells), -1),
        0 if issued_in is None else int((times > issued_in).sum()),
    )
