"""Scores of hindcasts by lead time, all models on the same pairs, with skill against baselines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.sequences.origins import observed_at
from gwforecast.verification.probabilistic import crps_of_rows

__all__ = ["LOSSES", "forecast_losses", "forecast_summary", "lead_definitions", "lead_scores"]

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
) -> pd.DataFrame:
    """Score hindcasts by model, well and lead time.

    At each well and lead time all models are scored on the same pairs: the issue times at which the
    level was observed and every model that forecasts this well at this lead time has a median.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m, NaN where there is none, and
        ``valid_time`` (issue_time, lead_time).
    observations : xarray.Dataset
        Dimensions (well, time): ``level``, m, those to score by.
    baselines : sequence of str
        Models that skill is measured against.

    Returns
    -------
    pandas.DataFrame
        Columns model, well, lead (steps), lead_time, metric, value, n (pairs). A model without any
        forecast at a well has no rows there.

    Raises
    ------
    ValueError
        If a baseline is none of the models.
    """
    models = [str(model) for model in hindcasts[schema.MODEL].values]
    for baseline in baselines:
        if baseline not in models:
            raise ValueError(
                f"A baseline must be one of the models: {', '.join(models)}. Received "
                f"{baseline!r}. Add it to the models, or leave it out of the baselines."
            )
    level, observed = _values(hindcasts, observations)
    used, common = _common_pairs(level[..., _middle(hindcasts)], observed)
    n = common.sum(axis=1)
    scores = dict(_scores(level, observed, common, hindcasts[schema.QUANTILE].values))
    for metric in ("rmse", "crps"):
        for baseline in baselines:
            reference = scores[metric][models.index(baseline)]
            with np.errstate(divide="ignore", invalid="ignore"):
                skill = 1 - scores[metric] / reference
            scores[f"skill_{metric}_{baseline}"] = np.where(reference > 0, skill, np.nan)
    return _frame(scores, used, n, hindcasts)


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
        values = _crps(level, observed, hindcasts[schema.QUANTILE].values)
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


def _values(hindcasts: xr.Dataset, observations: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    level = hindcasts[schema.LEVEL].transpose(*DIMS, schema.QUANTILE).values
    return level, observed_at(observations[schema.LEVEL], hindcasts).values


def _middle(hindcasts: xr.Dataset) -> int:
    return int(np.flatnonzero(hindcasts[schema.QUANTILE].values == 0.5)[0])


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
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and values (model, well, lead_time) of each metric."""
    position = {float(q): number for number, q in enumerate(quantiles)}
    error = level[..., position[0.5]] - observed
    square = _mean(error**2, common)
    yield "rmse", np.sqrt(square)
    yield "mae", _mean(np.abs(error), common)
    yield "bias", _mean(error, common)
    center = _mean(observed, common)
    variance = _mean((observed - center[:, None]) ** 2, common)
    with np.errstate(divide="ignore", invalid="ignore"):
        yield "nse", np.where(variance > 0, 1 - square / variance, np.nan)
    yield "crps", _mean(_crps(level, observed, quantiles), common)
    for name, bounds in INTERVALS.items():
        if all(bound in position for bound in bounds):
            low, high = (level[..., position[bound]] for bound in bounds)
            inside = np.where(np.isfinite(low), (observed >= low) & (observed <= high), np.nan)
            yield f"coverage_{name}", _mean(inside, common)
            yield f"width_{name}", _mean(high - low, common)


def _crps(level: np.ndarray, observed: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return the CRPS of each forecast; where it has a median only, its absolute error."""
    middle = int(np.flatnonzero(quantiles == 0.5)[0])
    result: np.ndarray = np.abs(level[..., middle] - observed)
    whole = np.isfinite(level).all(axis=-1) & np.isfinite(observed)
    rows = np.broadcast_to(observed, whole.shape)[whole]
    result[whole] = crps_of_rows(rows, np.sort(level[whole], axis=-1), quantiles)
    return result


def _mean(values: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Return the mean over the common pairs, along issue times, NaN where there are none."""
    count = common.sum(axis=-2)
    total = np.where(common, values, 0.0).sum(axis=-2)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _frame(
    scores: dict[str, np.ndarray], used: np.ndarray, n: np.ndarray, hindcasts: xr.Dataset
) -> pd.DataFrame:
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
