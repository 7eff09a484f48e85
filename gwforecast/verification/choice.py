"""Which model to take for each well, told by the validation period alone."""

from __future__ import annotations

import pandas as pd

from gwforecast.verification.metrics import METRICS

__all__ = ["choose_models"]

COLUMNS = ["well", "model", "metric", "value", "runner_up", "runner_up_value", "n"]


def choose_models(scores: pd.DataFrame, *, metric: str = "rmse") -> pd.DataFrame:
    """Return the model of each well that is best in the validation period.

    Networks were stopped early by the levels of the same period, so that it flatters them a
    little; the test period is not looked at.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, period, metric, value, n, as of ``score_table``.
    metric : str
        One of :data:`gwforecast.verification.metrics.METRICS`; what is nearest to its perfect
        value is best, and of equals the first in the order of the table.

    Returns
    -------
    pandas.DataFrame
        Columns well, model, metric, value, runner_up, runner_up_value, n (levels that were
        scored); a row for each well with a score, in the order of the table.

    Raises
    ------
    ValueError
        If the metric is not known.

    Examples
    --------
    >>> scores = pd.DataFrame(
    ...     [
    ...         ("lstm", "a", "validation", "rmse", 0.2, 90),
    ...         ("linear", "a", "validation", "rmse", 0.1, 90),
    ...         ("lstm", "a", "test", "rmse", 0.0, 90),
    ...     ],
    ...     columns=["model", "well", "period", "metric", "value", "n"],
    ... )
    >>> choose_models(scores)[["well", "model", "value", "runner_up"]].values.tolist()
    [['a', 'linear', 0.1, 'lstm']]
    """
    if metric not in METRICS:
        raise ValueError(
            f"A model is chosen by a metric of one prediction. Received {metric!r}. Choose one of "
            f"{', '.join(METRICS)}."
        )
    rows = scores[(scores["metric"] == metric) & (scores["period"] == "validation")]
    rows = rows.dropna(subset="value")
    distance = (rows["value"] - METRICS[metric].perfect).abs()
    ranked = rows.assign(distance=distance).sort_values("distance", kind="stable")
    table = []
    for well in rows["well"].unique():
        of_well = ranked[ranked["well"] == well]
        best, second = of_well.iloc[0], of_well.iloc[1] if len(of_well) > 1 else None
        beside = ("", float("nan")) if second is None else (second["model"], second["value"])
        table.append((well, best["model"], metric, best["value"], *beside, best["n"]))
    return pd.DataFrame(table, columns=COLUMNS)
