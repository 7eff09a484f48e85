"""Scores of hindcasts by lead time, all models on the same pairs, with skill against baselines.

Scores of forecasts whose levels have been observed since, added up issue by issue.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.models.naive import Climatology
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import observed_at
from gwforecast.sequences.split import split_by_fraction
from gwforecast.verification.probabilistic import crps_of_rows

__all__ = [
    "COLUMNS",
    "LOSSES",
    "Matured",
    "forecast_losses",
    "forecast_summary",
    "lead_definitions",
    "lead_scores",
    "long_scores",
    "matured",
    "matured_scores",
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


COLUMNS = [
    "well", "model", "bundle", "lead", "n", "rmse", "mae", "bias", "crps", "coverage_80",
    "coverage_95", "width_95", "skill_rmse_persistence", "skill_rmse_climatology",
]  # fmt: skip
_SUMS = ("n", "squared", "absolute", "error", "crps", "inside_80", "inside_95", "width",
         "persistence", "climatology")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Matured:
    """The part of a forecast of one well that has been observed.

    Parameters
    ----------
    well, model, bundle : str
        Whose it is, and what made it.
    issue_time : numpy.datetime64
        When it was issued.
    lead : numpy.ndarray
        Shape (pair,): lead times in steps.
    observed : numpy.ndarray
        Shape (pair,), m.
    level : numpy.ndarray
        Shape (pair, quantile), m.
    persistence, climatology : numpy.ndarray
        Shape (pair,), m: the last level at the issue time, and the mean of the time of the year in
        the years before the first issue; NaN where there is none.
    """

    well: str
    model: str
    bundle: str
    issue_time: np.datetime64
    lead: np.ndarray
    observed: np.ndarray
    level: np.ndarray
    persistence: np.ndarray
    climatology: np.ndarray


@dataclass
class _Sums:
    total: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, lead: np.ndarray, parts: dict[str, np.ndarray]) -> None:
        size = int(lead.max()) if lead.size else 0
        for name in _SUMS:
            held = self.total.get(name, np.zeros(0))
            grown = np.zeros(max(held.size, size))
            grown[: held.size] = held
            np.add.at(grown, lead - 1, parts[name])
            self.total[name] = grown


def matured(forecasts: Iterable[xr.Dataset], observations: xr.Dataset) -> Iterator[Matured]:
    """Yield what has been observed of each forecast and well.

    Forecasts that are not fair are left out: those by a model that was trained on levels after the
    issue time, as a backfill makes them.

    Parameters
    ----------
    forecasts : iterable of xarray.Dataset
        Products in the order of their issue times, each of one issue time; one is held at a time.
    observations : xarray.Dataset
        Dimensions (well, time), up to now.
    """
    usual: xr.DataArray | None = None
    levels = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME)
    for forecast in forecasts:
        issue_time = forecast[schema.ISSUE_TIME].values[0]
        if usual is None:
            usual = _climatology(observations, issue_time)
        wells = [w for w in forecast[schema.WELL].values if w in levels[schema.WELL].values]
        part = forecast.sel({schema.WELL: wells})
        outcome = observed_at(levels, part).values[:, 0]
        reference = observed_at(usual, part).values[:, 0]
        for number, well in enumerate(wells):
            level = part[schema.LEVEL].values[number, 0]
            fair = not part["trained_through"].values[number] > issue_time
            known = np.isfinite(outcome[number]) & np.isfinite(level).all(axis=-1)
            if fair and known.any():
                yield Matured(
                    well=str(well),
                    model=str(part["model"].values[number]),
                    bundle=str(part["bundle"].values[number]),
                    issue_time=issue_time,
                    lead=np.flatnonzero(known) + 1,
                    observed=outcome[number][known],
                    level=level[known],
                    persistence=np.full(known.sum(), _last(levels, str(well), issue_time)),
                    climatology=reference[number][known],
                )


def matured_scores(pairs: Iterable[Matured], *, quantiles: np.ndarray) -> pd.DataFrame:
    """Return scores by well, model, bundle and lead time; models of other bundles are kept apart.

    Parameters
    ----------
    pairs : iterable of Matured
        As of :func:`matured`; sums are kept, not pairs.
    quantiles : numpy.ndarray
        Shape (quantile,).

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`: errors are predicted - observed, m; the skill is 1 - RMSE / RMSE of
        the baseline, on pairs that both have.
    """
    sums: dict[tuple[str, str, str], _Sums] = {}
    low, high = (int(np.argmin(np.abs(quantiles - q))) for q in (0.025, 0.975))
    inner = [int(np.argmin(np.abs(quantiles - q))) for q in (0.1, 0.9)]
    middle = int(np.argmin(np.abs(quantiles - 0.5)))
    for pair in pairs:
        error = pair.level[:, middle] - pair.observed
        outside = (pair.observed < pair.level[:, [inner[0], low]].T) | (
            pair.observed > pair.level[:, [inner[1], high]].T
        )
        parts = {
            "n": np.ones(error.size),
            "squared": error**2,
            "absolute": np.abs(error),
            "error": error,
            "crps": crps_of_rows(pair.observed, pair.level, quantiles),
            "inside_80": 1.0 - outside[0],
            "inside_95": 1.0 - outside[1],
            "width": pair.level[:, high] - pair.level[:, low],
            "persistence": (pair.persistence - pair.observed) ** 2,
            "climatology": (pair.climatology - pair.observed) ** 2,
        }
        key = (pair.well, pair.model, pair.bundle)
        sums.setdefault(key, _Sums()).add(pair.lead, parts)
    tables = [_table(key, held.total) for key, held in sums.items()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def _table(key: tuple[str, str, str], total: dict[str, np.ndarray]) -> pd.DataFrame:
    some = total["n"] > 0
    n = total["n"][some]
    mean = {name: total[name][some] / n for name in _SUMS}
    rmse = np.sqrt(mean["squared"])
    with np.errstate(invalid="ignore", divide="ignore"):
        skill = {name: 1 - rmse / np.sqrt(mean[name]) for name in ("persistence", "climatology")}
    columns = {
        "well": key[0],
        "model": key[1],
        "bundle": key[2],
        "lead": np.flatnonzero(some) + 1,
        "n": n.astype(int),
        "rmse": rmse,
        "mae": mean["absolute"],
        "bias": mean["error"],
        "crps": mean["crps"],
        "coverage_80": mean["inside_80"],
        "coverage_95": mean["inside_95"],
        "width_95": mean["width"],
        "skill_rmse_persistence": skill["persistence"],
        "skill_rmse_climatology": skill["climatology"],
    }
    return pd.DataFrame(columns)[COLUMNS]


def _climatology(observations: xr.Dataset, until: np.datetime64) -> xr.DataArray:
    """Return the climatology of the levels before the first issue, (well, time), m."""
    past = observations[[schema.LEVEL]].sel({schema.TIME: slice(None, until)})
    found = []
    for well in observations[schema.WELL].values:
        one = past.sel({schema.WELL: [well]})
        axis = observations[[schema.LEVEL]].sel({schema.WELL: [well]})
        try:
            split = split_by_fraction(one, train=0.75, validation=0.25)
            fitted = Climatology().fit(one, split=split).refit(one, split=split)
            found.append(fitted.simulate(axis)[schema.LEVEL])
        except SchemaError:
            found.append(xr.full_like(axis[schema.LEVEL], np.nan))
    return xr.concat(found, schema.WELL, coords="minimal", compat="override")


def _last(levels: xr.DataArray, well: str, issue_time: np.datetime64) -> float:
    until = {schema.TIME: slice(None, timeline.to_times([issue_time])[0])}
    past = levels.sel({schema.WELL: well}).sel(until).values
    known = past[np.isfinite(past)]
    return float(known[-1]) if known.size else np.nan
