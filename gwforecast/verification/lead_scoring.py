"""Scores of hindcasts by lead time, all models on the same pairs, with skill against baselines."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import observed_at
from gwforecast.verification.averages import Metric, Pairs, score_pairs
from gwforecast.verification.probabilistic import crps_of_pairs
from gwforecast.verification.scoring import (
    SKILLS,
    aligned,
    available,
    check_baselines,
    check_names,
    common_rows,
    metric_definitions,
    skill_against,
)

__all__ = [
    "LOSSES", "forecast_losses", "forecast_summary", "lead_definitions", "lead_scores",
    "long_scores", "mean_of_pairs", "observed_pairs", "scored_pairs", "shared_pairs",
]  # fmt: skip


LOSSES = ("crps", "absolute", "squared")
DIMS = (schema.MODEL, schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME)
PAIRS_AT_ONCE = 500_000
"""Pairs whose statistics are held at once; more wells are scored one group after another."""


def lead_definitions(baselines: Iterable[str] = ()) -> dict[str, str]:
    """Return the definition of each metric of :func:`lead_scores`, with skill against baselines.

    Examples
    --------
    >>> lead_definitions(["persistence"])["skill_crps_persistence"]
    '1 - CRPS / CRPS of persistence on the same pairs'
    """
    return metric_definitions() | {
        f"{skill}_{baseline}": f"1 - {metric.upper()} / {metric.upper()} of {baseline} on the same "
        "pairs"
        for skill, metric in SKILLS.items()
        for baseline in baselines
    }


def lead_scores(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    baselines: Sequence[str] = ("persistence", "climatology"),
    metrics: Iterable[str] | None = None,
    reference: xr.DataArray | None = None,
) -> pd.DataFrame:
    """Score hindcasts by model, well and lead time.

    At each well and lead time all models are scored on the same pairs: the issue times at which the
    level was observed and every model that forecasts this well at this lead time has a median.
    Quantiles that cross are put in order. The CRPS of a forecast with a median alone is its
    absolute error; such a model has no coverage, width and interval score.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m, NaN where there is none, and
        ``valid_time`` (issue_time, lead_time).
    observations : xarray.Dataset
        Dimensions (well, time): ``level``, m, the observed levels that forecasts are compared with.
    baselines : sequence of str
        Models that skill is measured against.
    metrics : iterable of str, optional
        Names from :func:`lead_definitions`; by default all.
    reference : xarray.DataArray, optional
        Mean level of each well before the scored period, dims (well,), m, for ``nse_reference``,
        which is left out without it.

    Returns
    -------
    pandas.DataFrame
        Columns model, well, lead (steps), lead_time, metric, value, n (pairs that are scored) and
        not_scored (the other pairs with an observed level). A model without any forecast at a well
        has no rows there.

    Raises
    ------
    ValueError
        If a baseline is none of the models, or a metric has an unknown name.
    SchemaError
        If the reference has other wells than the hindcasts, or there is no quantile 0.5.

    Warns
    -----
    UserWarning
        If a forecast is infinite; the model is not scored at this well.

    References
    ----------
    As in :mod:`gwforecast.verification.metrics` and
    :func:`gwforecast.verification.probabilistic.crps_quantiles`.
    """
    models = [str(model) for model in hindcasts[schema.MODEL].values]
    check_baselines(baselines, models)
    known = lead_definitions(baselines)
    wanted = list(known if metrics is None else metrics)
    check_names(wanted, known, table="Scores by lead time know")
    level, observed = _values(hindcasts, observations)
    prior = _prior(reference, hindcasts)
    used, common = _common_pairs(level[..., _middle(hindcasts)], observed)
    quantiles = hindcasts[schema.QUANTILE].values
    chosen = available(dict.fromkeys([*wanted, *SKILLS.values()]), quantiles)
    if prior is None:
        chosen.pop("nse_reference", None)
    averaged = {name: metric for name, metric in chosen.items() if metric.averaged}
    # a model at a time: the hindcasts of all may fill the memory
    rows = [_scores_of_one(one, observed, common, quantiles, prior, averaged) for one in level]
    scores = {name: np.stack([row[name] for row in rows]) for name in averaged}
    whole = {name: metric for name, metric in chosen.items() if not metric.averaged}
    scores |= _scores_of_whole_series(level[..., [_middle(hindcasts)]], observed, common, whole)
    for skill, metric in SKILLS.items():
        for baseline in baselines:
            score = scores[metric][models.index(baseline)]
            scores[f"{skill}_{baseline}"] = skill_against(scores[metric], score)
    table = {name: scores[name] for name in wanted if name in scores}
    levels = np.isfinite(observed).sum(axis=1)
    return long_scores(table, used=used, n=common.sum(axis=1), levels=levels, hindcasts=hindcasts)


def _prior(reference: xr.DataArray | None, hindcasts: xr.Dataset) -> np.ndarray | None:
    """Return the mean level before the scored period, shape (well,), m."""
    if reference is None:
        return None
    wells = xr.DataArray(
        np.zeros(hindcasts.sizes[schema.WELL]),
        {schema.WELL: hindcasts[schema.WELL].values}, (schema.WELL,),
    )  # fmt: skip
    return np.asarray(aligned(wells, reference)[1].values)


def _scores_of_one(
    level: np.ndarray,
    observed: np.ndarray,
    common: np.ndarray,
    quantiles: np.ndarray,
    prior: np.ndarray | None,
    metrics: dict[str, Metric],
) -> dict[str, np.ndarray]:
    """Return the values (well, lead_time) of each metric of one model.

    ``level`` is (well, issue_time, lead_time, quantile), the others lack its last axis.
    """
    wells, issues, leads = observed.shape
    values = {name: np.empty((wells, leads)) for name in metrics}
    step = max(1, PAIRS_AT_ONCE // max(issues * leads, 1))
    for first in range(0, wells, step):
        group = slice(first, first + step)
        pairs = Pairs(
            np.swapaxes(observed[group], 1, 2),
            np.swapaxes(level[group], 1, 2),
            quantiles,
            np.swapaxes(common[group], 1, 2),
            prior=None if prior is None else np.repeat(prior[group, None], leads, axis=1),
        )
        for name, found in score_pairs(pairs, metrics).items():
            values[name][group] = found
    return values


def _scores_of_whole_series(
    median: np.ndarray, observed: np.ndarray, common: np.ndarray, metrics: dict[str, Metric]
) -> dict[str, np.ndarray]:
    """Return the values (model, well, lead_time) of metrics of whole series, of all models at once.

    ``median`` is (model, well, issue_time, lead_time, 1).
    """
    series, rows = (np.swapaxes(values, 1, 2) for values in (observed, common))
    return score_pairs(Pairs(series, np.swapaxes(median, 2, 3), np.array([0.5]), rows), metrics)


def shared_pairs(hindcasts: xr.Dataset, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which models are scored at each well and lead time, and on which pairs all of them.

    Boolean, shapes (model, well, lead_time) and (well, issue_time, lead_time); ``observed`` is
    (well, issue_time, lead_time), m, NaN where nothing is to be scored.
    """
    median = hindcasts[schema.LEVEL].isel({schema.QUANTILE: _middle(hindcasts)})
    return _common_pairs(median.transpose(*DIMS).values, observed)


def _common_pairs(median: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which model is scored at each well and lead, and the pairs of all of them.

    Shapes (model, well, lead_time) and (well, issue_time, lead_time).
    """
    known = np.isfinite(median) & np.isfinite(observed)
    used, common = common_rows(np.swapaxes(known, 2, 3))
    return used, np.ascontiguousarray(np.swapaxes(common, 1, 2))


def mean_of_pairs(values: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Return the mean over the common pairs along issue times, NaN where there are none.

    ``values`` are (..., issue_time, lead_time), and ``common``, boolean, broadcasts to them.
    """
    count = common.sum(axis=-2)
    total = np.where(common, values, 0.0).sum(axis=-2)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def forecast_losses(
    hindcasts: xr.Dataset, observations: xr.Dataset, *, loss: str = "crps"
) -> xr.DataArray:
    """Return the loss of every forecast, dims (model, well, issue_time, lead_time).

    Hindcasts are as in :func:`lead_scores`. The loss is ``"crps"``, m, or ``"absolute"``, m, or
    ``"squared"``, m2, of the median.
    """
    if loss not in LOSSES:
        raise ValueError(f"A loss is one of {', '.join(LOSSES)}. Received {loss!r}. Correct it.")
    level, observed = _values(hindcasts, observations)
    quantiles, rows = hindcasts[schema.QUANTILE].values, np.isfinite(observed)
    pairs = (Pairs(observed, one, quantiles, rows) for one in level)
    if loss == "crps":
        values = [crps_of_pairs(one) for one in pairs]
    elif loss == "absolute":
        values = [one.absolute_error for one in pairs]
    else:
        values = [one.squared_error for one in pairs]
    coords = {name: hindcasts[name] for name in DIMS}
    return xr.DataArray(np.stack(values), coords, DIMS, name=loss)


def forecast_summary(scores: pd.DataFrame, *, metric: str) -> pd.DataFrame:
    """Return the median over wells of one metric of :func:`lead_scores`, models by lead times."""
    chosen = scores[scores["metric"] == metric]
    table = chosen.pivot_table(
        index=schema.MODEL, columns="lead", values="value", aggfunc="median", sort=False
    )
    return table[sorted(table.columns)]


def observed_pairs(hindcasts: xr.Dataset, observations: xr.Dataset) -> np.ndarray:
    """Return the number of issue times whose level was observed, shape (well, lead_time)."""
    observed = observed_at(observations[schema.LEVEL], hindcasts).values
    return np.asarray(np.isfinite(observed).sum(axis=1))


def scored_pairs(scores: pd.DataFrame) -> pd.DataFrame:
    """Return how many pairs of all wells are scored and are not, by lead."""
    of_well = scores.groupby(["lead", "well"]).agg({"n": "max", "not_scored": "min"})
    return of_well.groupby("lead").sum()


def _values(hindcasts: xr.Dataset, observations: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return levels (model, well, issue_time, lead_time, quantile), and what was observed."""
    level = hindcasts[schema.LEVEL].transpose(*DIMS, schema.QUANTILE).values
    infinite = np.isinf(level).any(axis=(2, 3, 4))
    if infinite.any():
        model, well = (int(place[0]) for place in np.nonzero(infinite))
        warnings.warn(
            "Forecast levels must be finite or NaN. Received infinite ones of "
            f"{str(hindcasts[schema.MODEL].values[model])!r} for well "
            f"{str(hindcasts[schema.WELL].values[well])!r}, and of {int(infinite.sum()) - 1} other "
            "models and wells; these are not scored. Fit with other settings, or leave the model "
            "out.",
            stacklevel=3,
        )
        level = np.where(infinite[:, :, None, None, None], np.nan, level)
    return level, observed_at(observations[schema.LEVEL], hindcasts).values


def _middle(hindcasts: xr.Dataset) -> int:
    found = np.flatnonzero(np.isclose(hindcasts[schema.QUANTILE].values, 0.5))
    if found.size != 1:
        raise SchemaError(
            "The central forecast is the quantile 0.5. Received the quantiles "
            f"{hindcasts[schema.QUANTILE].values.tolist()}. Add it to the hindcasts."
        )
    return int(found[0])


def long_scores(
    scores: dict[str, np.ndarray],
    *,
    used: np.ndarray,
    n: np.ndarray,
    levels: np.ndarray,
    hindcasts: xr.Dataset,
) -> pd.DataFrame:
    """Return a row for each model, well, lead time and metric, with the labels of the hindcasts.

    ``scores`` are (model, well, lead_time) by metric; ``used`` (model, well, lead_time) says which
    are scored; ``n`` and ``levels`` (well, lead_time) count the pairs that are scored and all
    observed ones. Columns model, well, lead (steps), lead_time, metric, value, n, not_scored.
    """
    names = list(scores)
    shape = (*used.shape, len(names))
    kept = np.broadcast_to(used[..., None], shape).ravel()
    models, wells, leads, metrics = (
        axis.ravel()[kept] for axis in np.meshgrid(*map(np.arange, shape), indexing="ij")
    )
    values = np.stack([scores[name] for name in names], axis=-1).ravel()[kept]
    counts, others = (
        np.broadcast_to(one[None, :, :, None], shape).ravel()[kept] for one in (n, levels - n)
    )
    return pd.DataFrame(
        {
            schema.MODEL: hindcasts[schema.MODEL].values[models],
            schema.WELL: hindcasts[schema.WELL].values[wells],
            "lead": leads + 1,
            schema.LEAD_TIME: hindcasts[schema.LEAD_TIME].values[leads],
            "metric": np.array(names, dtype=object)[metrics],
            "value": values,
            "n": counts,
            "not_scored": others,
        }
    )
