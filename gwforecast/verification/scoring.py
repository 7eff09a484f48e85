"""Scores by model, well and period, all models on the same rows, with skill against a baseline.

The rules that all tables of scores share are here: which rows are scored, the skill, and the
definitions. Scores by lead time are in :mod:`gwforecast.verification.lead_scoring`, those of
archived forecasts in :mod:`gwforecast.verification.archived`; all take their values from
:mod:`gwforecast.verification.averages` and their metrics from
:data:`gwforecast.verification.metrics.METRICS`, read at the time of the call.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import PERIODS, Split
from gwforecast.verification.averages import Metric, Pairs, score_pairs
from gwforecast.verification.metrics import METRICS, level_metrics

__all__ = [
    "SKILLS", "aligned", "available", "check_baselines", "check_names", "choose_models",
    "common_rows", "definitions", "metric_definitions", "score_summary", "score_table",
    "scored_levels", "skill_against",
]  # fmt: skip


SKILLS = {"skill_rmse": "rmse", "skill_crps": "crps"}
"""Metrics whose gain over a baseline is a score of its own, by the name of that score."""

COLUMNS = ["model", "well", "period", "metric", "value", "n", "not_scored"]
DIMS = (schema.MODEL, schema.WELL, schema.TIME, schema.QUANTILE)
FEWEST = 2
"""Pairs that a metric of a central prediction needs in a period."""


LAST_YEAR, LEAST_SHARE = "seasonal_naive", 0.2
"""Baseline that is not scored where it predicts less than this share of the rows of others."""


def common_rows(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which models are scored, and on which rows all of these have a prediction.

    ``known`` says which predictions exist where a level was observed, (model, ..., row); the
    results are (model, ...) and (..., row), all boolean. A model without any prediction in a series
    is not scored there, and does not reduce the rows of the others.

    Examples
    --------
    >>> known = np.array([[True, True, False], [True, False, True], [False, False, False]])
    >>> used, common = common_rows(known)
    >>> used.tolist(), common.tolist()
    ([True, True, False], [True, False, False])
    """
    used = np.asarray(known.any(axis=-1))
    some = np.asarray(used.any(axis=0))
    common = (known | ~used[..., None]).all(axis=0) & some[..., None]
    return used, np.asarray(common)


def skill_against(score: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return ``1 - score / reference``, NaN where the reference is perfect or unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(reference > 0, 1 - score / reference, np.nan))


def metric_definitions() -> dict[str, str]:
    """Return the definition of each metric with its unit, by name, in the order of tables."""
    ordered = sorted(METRICS.items(), key=lambda item: item[1].kind == "distribution")
    return {
        name: metric.definition + (f", {metric.units}" if metric.units != "1" else "")
        for name, metric in ordered
    }


def available(names: Iterable[str], quantiles: np.ndarray) -> dict[str, Metric]:
    """Return the metrics among some names whose quantiles are given, in the order of the names."""
    return {
        name: METRICS[name]
        for name in names
        if name in METRICS
        and all(np.isclose(quantiles, needed).any() for needed in METRICS[name].needs)
    }


def check_names(wanted: Iterable[str], known: Iterable[str], *, table: str) -> None:
    """Raise ValueError if a name is of no metric that a table knows."""
    known = list(known)
    for name in wanted:
        if name not in known:
            raise ValueError(
                f"{table} the metrics {', '.join(known)}. Received {name!r}. Choose among these."
            )


def check_baselines(
    baselines: Iterable[str], models: Iterable[str], *, usual: Iterable[str] = ()
) -> None:
    """Raise ValueError if a baseline is no model of a run; the usual ones may be missing."""
    models = list(models)
    for baseline in baselines:
        if baseline not in models and baseline not in usual:
            raise ValueError(
                f"A baseline must be one of the models: {', '.join(models)}. Received "
                f"{baseline!r}. Add it to the models, or leave it out of the baselines."
            )


def definitions(baseline: str = "the baseline") -> dict[str, str]:
    """Return the definition of each metric of a score table, by name, in the order of the table.

    Examples
    --------
    >>> definitions("climatology")["skill_rmse"]
    '1 - RMSE / RMSE of climatology on the same rows'
    """
    return metric_definitions() | {
        skill: f"1 - {score.upper()} / {score.upper()} of {baseline} on the same rows"
        for skill, score in SKILLS.items()
    }


def aligned(predicted: xr.DataArray, observed: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return both unchanged; raise SchemaError if labels that they share or their order differ."""
    try:
        return xr.align(predicted, observed, join="exact")
    except ValueError as error:
        raise SchemaError(
            "Levels are scored under an exact join: predicted and observed have the same labels, "
            f"in the same order. Received sizes {dict(predicted.sizes)} and {dict(observed.sizes)} "
            f"({str(error).splitlines()[0].rstrip(' .:')}). Select the same wells and times of "
            "both."
        ) from error


def score_table(
    predictions: xr.Dataset,
    observations: xr.Dataset,
    split: Split,
    *,
    baseline: str = "climatology",
    metrics: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Score all models on the same rows.

    In each period of each well, the scored rows are those in which a level was observed and every
    model that predicts this period of this well at all has a prediction. A model that has none
    (such as persistence in its own training period) has n = 0 and NaN, and does not reduce the rows
    of the others.
    Coverage, width, interval score, CRPS and the skill in CRPS use those of these rows in which
    every model that has an interval in this period has one; quantiles that cross are sorted first.

    Parameters
    ----------
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, with quantile 0.5 as the central prediction.
    observations : xarray.Dataset
        ``level`` (well, time), m, of the same wells and times.
    split : Split
        The periods of each well. The reference of ``nse_reference`` is the mean of the levels of
        the periods before the scored one; the train period has none.
    baseline : str
        Model that the skill is measured against; without it there is no skill.
    metrics : iterable of str, optional
        Names from :func:`definitions`; by default all.

    Returns
    -------
    pandas.DataFrame
        Columns model, well, period, metric, value, n (the number of rows that are scored) and
        not_scored (the other rows with an observed level); see :func:`definitions`.
        Scores of an interval whose quantiles the predictions lack are left out.

    Raises
    ------
    SchemaError
        If the predictions have other dimensions, wells or times, or lack the quantile 0.5.
    ValueError
        If a metric has an unknown name.

    Warns
    -----
    UserWarning
        If a prediction is infinite; the model is not scored in this period of this well.
    """
    level, observed = _labelled(predictions, observations)
    quantiles = level[schema.QUANTILE].values
    models = [str(model) for model in level[schema.MODEL].values]
    names = _names(metrics, quantiles, skill=baseline in models)
    scored = available(dict.fromkeys([*names, *SKILLS.values()]), quantiles)
    wells = schema.well_names(observed)
    inside = [
        split.rows(observations, period).transpose(schema.WELL, schema.TIME).values
        for period in PERIODS
    ]
    references = _references(observed.values, inside)
    shape = (len(wells), len(PERIODS), len(models), len(names))
    values, counts = np.full(shape, np.nan), np.zeros(shape, dtype=int)
    observed_rows = np.zeros(shape, dtype=int)
    for well, period in np.ndindex(shape[:2]):
        rows = inside[period][well] & np.isfinite(observed.values[well])
        if not rows.any():
            continue
        observed_rows[well, period] = rows.sum()
        predicted = level.values[:, well, rows]
        if np.isinf(predicted).any():
            predicted = _without_infinite(predicted, models, wells[well], PERIODS[period])
        if LAST_YEAR in models and baseline != LAST_YEAR:
            predicted = _without_rare(predicted, models.index(LAST_YEAR))
        scores = _score_period(
            observed.values[well, rows], predicted, quantiles, references[well][period], scored
        )
        for skill, score in SKILLS.items():
            if skill in names:
                value, n = scores[score]
                scores[skill] = skill_against(value, value[models.index(baseline)]), n
        for number, name in enumerate(names):
            values[well, period, :, number], counts[well, period, :, number] = scores[name]
    found = {"value": values, "n": counts, "not_scored": observed_rows - counts}
    return _frame(found, wells=wells, models=models, names=names)


def _labelled(
    predictions: xr.Dataset, observations: xr.Dataset
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the levels in the order of the dimensions, of the same wells and times."""
    level, observed = predictions[schema.LEVEL], observations[schema.LEVEL]
    if set(level.dims) != set(DIMS):
        raise SchemaError(
            f"Predictions hold 'level' over {DIMS}. Received dims {level.dims}. Add what is "
            "missing with DataArray.expand_dims: the name of the model, or quantile 0.5 of a "
            "prediction without an interval."
        )
    if not np.isclose(level[schema.QUANTILE].values, 0.5).any():
        raise SchemaError(
            "The central prediction is the quantile 0.5. Received the quantiles "
            f"{level[schema.QUANTILE].values.tolist()}. Add it to the predictions."
        )
    level, observed = aligned(level, observed)
    return level.transpose(*DIMS), observed.transpose(schema.WELL, schema.TIME)


def _names(metrics: Iterable[str] | None, quantiles: np.ndarray, *, skill: bool) -> list[str]:
    """Return the requested metrics that can be scored, in their order."""
    known = definitions()
    wanted = list(known if metrics is None else metrics)
    check_names(wanted, known, table="A score table knows")
    scored = set(available(METRICS, quantiles)) | (set(SKILLS) if skill else set())
    if quantiles.size < 2:
        scored -= {"skill_crps"} | set(METRICS) - set(level_metrics())
    return [name for name in wanted if name in scored]


def _references(observed: np.ndarray, inside: list[np.ndarray]) -> list[list[float]]:
    """Return by well the mean level of the periods before each one, NaN where none."""
    known = np.isfinite(observed)
    sums = [np.where(known & rows, observed, 0.0).sum(axis=1) for rows in inside]
    counts = [(known & rows).sum(axis=1) for rows in inside]
    with np.errstate(invalid="ignore"):
        through = np.cumsum(sums, axis=0) / np.cumsum(counts, axis=0)
    return [[np.nan, *means[:-1]] for means in through.T.tolist()]


def _without_rare(predicted: np.ndarray, number: int) -> np.ndarray:
    """Return the predictions (model, row, quantile) without those of a model that has few rows.

    In a record of less than two years hardly a level has one of the year before. All models would
    be scored on these rows alone.
    """
    known = np.isfinite(predicted).any(axis=2).sum(axis=1)
    others = np.delete(known, number)
    if not others.any() or known[number] >= LEAST_SHARE * others[others > 0].min():
        return predicted
    return np.where(np.arange(len(predicted))[:, None, None] == number, np.nan, predicted)


def _without_infinite(
    predicted: np.ndarray, models: list[str], well: str, period: str
) -> np.ndarray:
    """Return the predictions without the models that predict an infinite level, and warn."""
    infinite = np.isinf(predicted).any(axis=(1, 2))
    names = ", ".join(repr(model) for model, bad in zip(models, infinite, strict=True) if bad)
    warnings.warn(
        f"Predicted levels must be finite or NaN. Received infinite ones of {names} for well "
        f"{well!r} in the {period} period, which is not scored for them. Fit with other settings, "
        "or leave the model out.",
        stacklevel=3,
    )
    return np.where(infinite[:, None, None], np.nan, predicted)


def _score_period(
    observed: np.ndarray,
    predicted: np.ndarray,
    quantiles: np.ndarray,
    reference: float,
    metrics: dict[str, Metric],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by metric the values and the numbers of rows, (model,), of one period of one well.

    ``observed`` is (time,), ``predicted`` (model, time, quantile).
    """
    center = predicted[..., int(np.argmin(np.abs(quantiles - 0.5)))]
    used, common = common_rows(np.isfinite(center))
    complete = np.isfinite(predicted).all(axis=-1) & common & used[:, None]
    scores = {}
    for kind, (chosen, rows), fewest in (
        ("level", (used, common), FEWEST),
        ("distribution", common_rows(complete), 1),
    ):
        of_kind = {name: metric for name, metric in metrics.items() if metric.kind == kind}
        n = int(rows.sum())
        pairs = Pairs(
            observed[rows], predicted[chosen][:, rows], quantiles, np.ones(n, dtype=bool),
            prior=np.asarray(reference),
        )  # fmt: skip
        found = score_pairs(pairs, of_kind) if n >= fewest else {}
        for name in of_kind:
            values = np.full(chosen.size, np.nan)
            if name in found:
                values[chosen] = found[name]
            scores[name] = values, np.where(chosen, n, 0)
    return scores


def _frame(
    columns: Mapping[str, np.ndarray], *, wells: list[str], models: list[str], names: list[str]
) -> pd.DataFrame:
    """Return the long table of columns over (well, period, model, metric)."""
    labels = pd.MultiIndex.from_product(
        [wells, PERIODS, models, names], names=["well", "period", "model", "metric"]
    )
    table = labels.to_frame(index=False)
    return table.assign(**{name: column.ravel() for name, column in columns.items()})[COLUMNS]


def scored_levels(scores: pd.DataFrame, *, period: str = "test") -> pd.DataFrame:
    """Return how many levels of a period each model is scored on, over all wells."""
    chosen = scores[scores["period"] == period]
    of_well = chosen.groupby(["model", "well"], sort=False)
    counts = of_well.agg({"n": "max", "not_scored": "min"})
    return counts.groupby("model", sort=False).sum()


def score_summary(
    scores: pd.DataFrame,
    *,
    period: str = "test",
    metrics: Iterable[str] = ("nse", "kge_anomaly", "rmse", "bias", "coverage_95", "skill_rmse"),
    over_wells: Literal["median", "mean"] = "median",
) -> pd.DataFrame:
    """Return the median or mean over wells of some metrics, a row for each model, best NSE first.

    Parameters
    ----------
    scores : pandas.DataFrame
        From :func:`score_table`.
    period : {"train", "validation", "test"}
        Period of the scores.
    metrics : iterable of str
        Columns of the result; ``n`` (the sum of the rows of all wells) is added.
    over_wells : {"median", "mean"}
        How the wells are summarised; one well with a very low NSE can dominate a mean.

    Returns
    -------
    pandas.DataFrame
        Index model; wells in which a model has no score do not count in its value.

    Raises
    ------
    ValueError
        If ``over_wells`` is neither.
    """
    if over_wells not in ("median", "mean"):
        raise ValueError(
            f"Scores of wells are summarised by 'median' or 'mean'. Received {over_wells!r}. "
            "Choose one of these."
        )
    chosen = scores[scores["period"] == period]
    table = chosen.pivot_table(
        index="model",
        columns="metric",
        values="value",
        aggfunc=over_wells,
        sort=False,
        dropna=False,
    ).reindex(columns=list(metrics))
    rows = chosen.groupby(["model", "well"])["n"].max().groupby("model").sum()
    table["n"] = rows.reindex(table.index).astype(int)
    return table.sort_values("nse", ascending=False) if "nse" in table else table


CHOICE_COLUMNS = ["well", "model", "metric", "value", "runner_up", "runner_up_value", "n"]


def choose_models(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the model of each well that has the least RMSE in the validation period.

    Its levels also chose lookbacks and strengths. The test period is not used. Scores are as of
    :func:`score_table`. Of equal values, the first in the order of the table is best.

    There is a row for each well with a score, in the order of the table: columns well, model,
    metric, value, runner_up, runner_up_value, n (levels that were scored).

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
    rows = scores[(scores["metric"] == "rmse") & (scores["period"] == "validation")]
    rows = rows.dropna(subset="value")
    ranked = rows.sort_values("value", kind="stable")
    table = []
    for well in rows["well"].unique():
        of_well = ranked[ranked["well"] == well]
        best, second = of_well.iloc[0], of_well.iloc[1] if len(of_well) > 1 else None
        beside = ("", float("nan")) if second is None else (second["model"], second["value"])
        table.append((well, best["model"], "rmse", best["value"], *beside, best["n"]))
    return pd.DataFrame(table, columns=CHOICE_COLUMNS)
