"""Scores by model, well and period, all models on the same rows, with skill against a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.sequences.split import PERIODS, Split
from gwforecast.verification import probabilistic
from gwforecast.verification.metrics import METRICS

__all__ = ["DEFINITIONS", "score_table", "summary"]

INTERVALS = {"95": (0.025, 0.975), "80": (0.1, 0.9)}
COLUMNS = ["model", "well", "period", "metric", "value", "n"]

DEFINITIONS: dict[str, str] = {
    **{name: metric.definition for name, metric in METRICS.items()},
    **{
        f"{what}_{level}": f"{text} of the {level} % interval"
        for level in INTERVALS
        for what, text in (
            ("coverage", "share of the levels inside"),
            ("width", "mean width in m"),
            ("interval_score", "width and penalty for levels outside, in m,"),
        )
    },
    "crps": "continuous ranked probability score from the quantiles, m",
    "skill_rmse": "1 - RMSE / RMSE of the baseline on the same rows",
    "skill_crps": "1 - CRPS / CRPS of the baseline on the same rows",
}
"""What each metric of a score table is, by name."""


def score_table(
    predictions: xr.Dataset,
    observations: xr.Dataset,
    split: Split,
    *,
    baseline: str = "climatology",
) -> pd.DataFrame:
    """Score all models on the same rows.

    In each period of each well the rows are those in which a level was observed and every model
    that predicts this period of this well at all has a prediction. A model that has none (such as
    persistence in its own training period) has n = 0 and NaN, and takes no row from the others.

    Parameters
    ----------
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, with quantile 0.5 as the central prediction.
    observations : xarray.Dataset
        ``level`` (well, time), m, of the same wells and times.
    split : Split
        The periods of each well.
    baseline : str
        Model that the skill is measured against; without it there is no skill.

    Returns
    -------
    pandas.DataFrame
        Columns model, well, period, metric, value, n (the number of rows); see :data:`DEFINITIONS`.
    """
    level, observed = xr.align(
        predictions[schema.LEVEL], observations[schema.LEVEL], join="exact", exclude=["model"]
    )
    level = level.transpose(schema.MODEL, schema.WELL, schema.TIME, schema.QUANTILE)
    rows = {period: split.rows(observations, period).values for period in PERIODS}
    records: list[tuple[object, ...]] = []
    for number, well in enumerate(observed[schema.WELL].values):
        before = np.nan
        for period in PERIODS:
            inside = rows[period][number]
            here = observed.values[number, inside]
            records += _score_period(
                level.values[:, number, inside], here, level, str(well), period, before, baseline
            )
            known = observed.values[number, _before_end(inside)]
            before = float(np.nanmean(known)) if np.isfinite(known).any() else np.nan
    return pd.DataFrame(records, columns=COLUMNS)


def _before_end(inside: np.ndarray) -> np.ndarray:
    """Return the rows up to the last of a period."""
    last = np.flatnonzero(inside)[-1] if inside.any() else -1
    return np.arange(inside.size) <= last


def _score_period(
    predicted: np.ndarray,
    observed: np.ndarray,
    level: xr.DataArray,
    well: str,
    period: str,
    reference: float,
    baseline: str,
) -> Iterator[tuple[object, ...]]:
    quantiles = level[schema.QUANTILE].values
    models = [str(m) for m in level[schema.MODEL].values]
    central = predicted[:, :, int(np.argmin(np.abs(quantiles - 0.5)))]
    exists = np.isfinite(central).any(axis=1)
    same = np.isfinite(observed) & np.isfinite(central[exists]).all(axis=0) & exists.any()
    values = {
        model: _score_model(
            observed[same] if exists[k] else np.zeros(0),
            predicted[k][same] if exists[k] else np.zeros((0, quantiles.size)),
            quantiles,
            reference,
        )
        for k, model in enumerate(models)
    }
    for k, model in enumerate(models):
        n = int(same.sum()) if exists[k] else 0
        scores = values[model]
        if baseline in values:
            for name in ("rmse", "crps"):
                scores[f"skill_{name}"] = _skill(scores[name], values[baseline][name])
        for metric, value in scores.items():
            yield model, well, period, metric, value, n


def _score_model(
    observed: np.ndarray, predicted: np.ndarray, quantiles: np.ndarray, reference: float
) -> dict[str, float]:
    central = predicted[:, int(np.argmin(np.abs(quantiles - 0.5)))]
    scores = {}
    for name, metric in METRICS.items():
        extra = {"reference": reference} if name == "nse_reference" else {}
        scores[name] = metric.function(observed=observed, predicted=central, **extra)
    for name, bounds in INTERVALS.items():
        lower, upper = (predicted[:, int(np.argmin(np.abs(quantiles - bound)))] for bound in bounds)
        pair = {"observed": observed, "lower": lower, "upper": upper}
        scores[f"coverage_{name}"] = probabilistic.coverage(**pair)
        scores[f"width_{name}"] = probabilistic.interval_width(**pair)
        alpha = 1 - (bounds[1] - bounds[0])
        scores[f"interval_score_{name}"] = probabilistic.interval_score(**pair, alpha=alpha)
    scores["crps"] = probabilistic.crps_quantiles(
        observed=observed, predicted=predicted, quantiles=quantiles
    )
    return scores


def _skill(score: float, baseline: float) -> float:
    return 1 - score / baseline if baseline > 0 else np.nan


def summary(
    scores: pd.DataFrame,
    *,
    period: str = "test",
    metrics: Iterable[str] = ("nse", "kge_anomaly", "rmse", "bias", "coverage_95", "skill_rmse"),
) -> pd.DataFrame:
    """Return the median over wells of some metrics, a row for each model, best NSE first.

    Parameters
    ----------
    scores : pandas.DataFrame
        From :func:`score_table`.
    period : {"train", "validation", "test"}
        Period of the scores.
    metrics : iterable of str
        Columns of the result; ``n`` (the sum of the rows of all wells) is added.
    """
    chosen = scores[scores["period"] == period]
    table = chosen.pivot_table(
        index="model", columns="metric", values="value", aggfunc="median", sort=False, dropna=False
    ).reindex(columns=list(metrics))
    pairs = chosen[chosen["metric"] == "rmse"].groupby("model")["n"].sum()
    table["n"] = pairs.reindex(table.index).astype(int)
    return table.sort_values("nse", ascending=False) if "nse" in table else table
