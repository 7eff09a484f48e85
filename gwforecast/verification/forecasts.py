"""Scores of hindcasts by lead time, all models on the same pairs, with skill against baselines."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import observed_at
from gwforecast.verification.probabilistic import crps_of_rows

__all__ = [
    "LOSSES",
    "forecast_losses",
    "forecast_summary",
    "lead_definitions",
    "lead_scores",
    "long_scores",
    "mean_of_pairs",
    "shared_pairs",
    "skill_against",
]

INTERVALS = {"95": (0.025, 0.975), "80": (0.1, 0.9)}
LOSSES = ("crps", "absolute", "squared")
DIMS = (schema.MODEL, schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME)


def lead_definitions(baselines: Iterable[str] = ()) -> dict[str, str]:
    """Return what each metric of :func:`lead_scores` is, by name.

    Examples
    --------
    >>> lead_definitions(["persistence"])["skill_crps_persistence"]
    '1 - CRPS / CRPS of persistence on the same pairs'
    """
    return {
        "rmse": "root mean squared error of the median, m",
        "mae": "mean absolute error of the median, m",
        "bias": "mean of predicted - observed, m",
        "nse": "1 - squared error / that of the mean of the scored levels, 1",
        "crps": "continuous ranked probability score from the quantiles, m; the MAE without them",
        **{
            f"{what}_{level}": f"{text} of the {level} % interval"
            for level in INTERVALS
            for what, text in (("coverage", "share of levels inside"), ("width", "mean width in m"))
        },
        **{
            f"skill_{metric}_{baseline}": f"1 - {metric.upper()} / {metric.upper()} of {baseline} "
            "on the same pairs"
            for metric in ("rmse", "crps")
            for baseline in baselines
        },
    }


def lead_scores(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    baselines: Sequence[str] = ("persistence", "climatology"),
    metrics: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Score hindcasts by model, well and lead time.

    At each well and lead time all models are scored on the same pairs: the issue times at which the
    level was observed and every model that forecasts this well at this lead time has a median.
    Quantiles that cross are put in order. The CRPS of a forecast with a median alone is its
    absolute error; such a model has no coverage and width.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m, NaN where there is none, and
        ``valid_time`` (issue_time, lead_time).
    observations : xarray.Dataset
        Dimensions (well, time): ``level``, m, those to score by.
    baselines : sequence of str
        Models that skill is measured against.
    metrics : iterable of str, optional
        Names from :func:`lead_definitions`; by default all.

    Returns
    -------
    pandas.DataFrame
        Columns model, well, lead (steps), lead_time, metric, value, n (pairs). A model without any
        forecast at a well has no rows there.

    Raises
    ------
    ValueError
        If a baseline is none of the models, or a metric has an unknown name.

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
    for baseline in baselines:
        if baseline not in models:
            raise ValueError(
                f"A baseline must be one of the models: {', '.join(models)}. Received "
                f"{baseline!r}. Add it to the models, or leave it out of the baselines."
            )
    wanted = None if metrics is None else list(metrics)
    _check_metrics(wanted, baselines)
    level, observed = _values(hindcasts, observations)
    used, common = _common_pairs(level[..., _middle(hindcasts)], observed)
    n = common.sum(axis=1)
    scores = _scores(level, observed, common, hindcasts[schema.QUANTILE].values)
    for metric in ("rmse", "crps"):
        for baseline in baselines:
            reference = scores[metric][models.index(baseline)]
            scores[f"skill_{metric}_{baseline}"] = skill_against(scores[metric], reference)
    chosen = scores if wanted is None else {k: scores[k] for k in wanted if k in scores}
    return long_scores(chosen, used=used, n=n, hindcasts=hindcasts)


def shared_pairs(hindcasts: xr.Dataset, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which models are scored at each well and lead time, and on which pairs all of them.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        As in :func:`lead_scores`.
    observed : numpy.ndarray
        Shape (well, issue_time, lead_time), m; NaN where nothing is to be scored.

    Returns
    -------
    numpy.ndarray
        Boolean, shape (model, well, lead_time).
    numpy.ndarray
        Boolean, shape (well, issue_time, lead_time).
    """
    median = hindcasts[schema.LEVEL].isel({schema.QUANTILE: _middle(hindcasts)})
    return _common_pairs(median.transpose(*DIMS).values, observed)


def mean_of_pairs(values: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Return the mean over the common pairs along issue times, NaN where there are none.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (..., issue_time, lead_time).
    common : numpy.ndarray
        Boolean, the pairs, of a shape that broadcasts to that of the values.
    """
    count = common.sum(axis=-2)
    total = np.where(common, values, 0.0).sum(axis=-2)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def skill_against(score: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return ``1 - score / reference``, NaN where the reference is perfect or unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(reference > 0, 1 - score / reference, np.nan))


def forecast_losses(
    hindcasts: xr.Dataset, observations: xr.Dataset, *, loss: str = "crps"
) -> xr.DataArray:
    """Return the loss of every forecast, dims (model, well, issue_time, lead_time).

    Parameters
    ----------
    hindcasts : xarray.Dataset
        As in :func:`lead_scores`.
    observations : xarray.Dataset
        Dimensions (well, time).
    loss : {"crps", "absolute", "squared"}
        m, m and m2; the last two are of the median.
    """
    if loss not in LOSSES:
        raise ValueError(f"A loss is one of {', '.join(LOSSES)}. Received {loss!r}. Correct it.")
    level, observed = _values(hindcasts, observations)
    if loss == "crps":
        quantiles = hindcasts[schema.QUANTILE].values
        values = np.stack([_crps(one, observed, quantiles) for one in level])
    else:
        error = np.abs(level[..., _middle(hindcasts)] - observed)
        values = error if loss == "absolute" else error**2
    coords = {name: hindcasts[name] for name in DIMS}
    return xr.DataArray(values, coords, DIMS, name=loss)


def forecast_summary(
    scores: pd.DataFrame, *, metric: str, how: Literal["mean", "median"] = "median"
) -> pd.DataFrame:
    """Return one metric over all wells, a row for each model and a column for each lead.

    Parameters
    ----------
    scores : pandas.DataFrame
        Of :func:`lead_scores`.
    metric : str
        The metric.
    how : {"median", "mean"}
        How wells are summarised.
    """
    chosen = scores[scores["metric"] == metric]
    table = chosen.pivot_table(
        index=schema.MODEL, columns="lead", values="value", aggfunc=how, sort=False
    )
    return table[sorted(table.columns)]


def _check_metrics(wanted: list[str] | None, baselines: Sequence[str]) -> None:
    known = lead_definitions(baselines)
    for name in wanted or ():
        if name not in known:
            raise ValueError(
                f"Scores by lead time know the metrics {', '.join(known)}. Received {name!r}. "
                "Choose among these."
            )


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


def _common_pairs(median: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which model is scored at each well and lead, and the pairs of all of them.

    Shapes (model, well, lead_time) and (well, issue_time, lead_time).
    """
    known = np.isfinite(median) & np.isfinite(observed)
    used = known.any(axis=2)
    common = (
        (known | ~used[:, :, None]).all(axis=0) & np.isfinite(observed) & used.any(axis=0)[:, None]
    )
    return used, common


def _scores(
    level: np.ndarray, observed: np.ndarray, common: np.ndarray, quantiles: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the values (model, well, lead_time) of each metric."""
    center = mean_of_pairs(observed, common)
    variance = mean_of_pairs((observed - center[:, None]) ** 2, common)
    # levels that are all equal leave a variance of rounding alone
    varying = np.ptp(np.where(common, observed, center[:, None]), axis=1) > 0
    variance = np.where(varying, variance, np.nan)
    # a model at a time: the hindcasts of all may fill the memory
    rows = [dict(_scores_of_one(one, observed, common, quantiles)) for one in level]
    scores = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    nse = skill_against(scores["rmse"] ** 2, variance)
    return {name: nse if name == "nse" else values for name, values in scores.items()}


def _scores_of_one(
    level: np.ndarray, observed: np.ndarray, common: np.ndarray, quantiles: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and values (well, lead_time) of each metric of one model; the NSE is to come."""
    error = level[..., int(np.argmin(np.abs(quantiles - 0.5)))] - observed
    yield "rmse", np.sqrt(mean_of_pairs(error**2, common))
    yield "mae", mean_of_pairs(np.abs(error), common)
    yield "bias", mean_of_pairs(error, common)
    yield "nse", np.empty(0)
    yield "crps", mean_of_pairs(_crps(level, observed, quantiles), common)
    ordered = np.sort(level, axis=-1)
    lacking = np.isnan(ordered[..., -1])  # NaN is last
    for name, bounds in INTERVALS.items():
        at = [np.flatnonzero(np.isclose(quantiles, bound)) for bound in bounds]
        if all(found.size for found in at):
            low, high = (ordered[..., found[0]] for found in at)
            inside = np.where(lacking, np.nan, (observed >= low) & (observed <= high))
            yield f"coverage_{name}", mean_of_pairs(inside, common)
            yield f"width_{name}", mean_of_pairs(np.where(lacking, np.nan, high - low), common)


def _crps(level: np.ndarray, observed: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return the CRPS of each forecast; where it has a median only, its absolute error.

    ``level`` is (well, issue_time, lead_time, quantile), ``observed`` lacks its last axis.
    """
    result = np.abs(level[..., int(np.argmin(np.abs(quantiles - 0.5)))] - observed)
    for well, (values, outcome) in enumerate(zip(level, observed, strict=True)):
        whole = np.isfinite(values).all(axis=-1) & np.isfinite(outcome)
        ordered = np.sort(values[whole], axis=-1)
        result[well][whole] = crps_of_rows(outcome[whole], ordered, quantiles)
    return np.asarray(result)


def long_scores(
    scores: dict[str, np.ndarray], *, used: np.ndarray, n: np.ndarray, hindcasts: xr.Dataset
) -> pd.DataFrame:
    """Return a row for each model, well, lead time and metric.

    Parameters
    ----------
    scores : dict of str to numpy.ndarray
        By metric, shape (model, well, lead_time).
    used : numpy.ndarray
        Which models are scored, boolean, shape (model, well, lead_time).
    n : numpy.ndarray
        Number of pairs, shape (well, lead_time).
    hindcasts : xarray.Dataset
        Its labels are taken.

    Returns
    -------
    pandas.DataFrame
        Columns model, well, lead (steps), lead_time, metric, value, n.
    """
    names = list(scores)
    shape = (*used.shape, len(names))
    kept = np.broadcast_to(used[..., None], shape).ravel()
    models, wells, leads, metrics = (
        axis.ravel()[kept] for axis in np.meshgrid(*map(np.arange, shape), indexing="ij")
    )
    values = np.stack([scores[name] for name in names], axis=-1).ravel()[kept]
    counts = np.broadcast_to(n[None, :, :, None], shape).ravel()[kept]
    return pd.DataFrame(
        {
            schema.MODEL: hindcasts[schema.MODEL].values[models],
            schema.WELL: hindcasts[schema.WELL].values[wells],
            "lead": leads + 1,
            schema.LEAD_TIME: hindcasts[schema.LEAD_TIME].values[leads],
            "metric": np.array(names, dtype=object)[metrics],
            "value": values,
            "n": counts,
        }
    )
