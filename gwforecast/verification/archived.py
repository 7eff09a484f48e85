"""Scores of archived forecasts whose levels have been observed since, added up issue by issue.

Only sums are kept, by well, model, bundle and lead time, so that the memory needed does not grow
with the archive. Metrics that need the whole series (such as the non-parametric KGE) are therefore
not in the table; all other metrics of :data:`gwforecast.verification.metrics.METRICS` are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.models.naive import Climatology
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import observed_at
from gwforecast.sequences.split import split_by_fraction
from gwforecast.verification.averages import Averages, Metric, Pairs
from gwforecast.verification.metrics import METRICS
from gwforecast.verification.scoring import SKILLS, available, metric_definitions, skill_against

__all__ = [
    "BASELINES", "VerifiedForecast", "pairs_of", "verified_columns", "verified_forecasts",
    "verified_scores",
]  # fmt: skip


BASELINES = ("persistence", "climatology")
FIRST = (
    "rmse", "mae", "bias", "crps", "coverage_80", "coverage_95", "width_95",
    "skill_rmse_persistence", "skill_rmse_climatology",
)  # fmt: skip
"""Scores that lead the table; the other metrics follow."""
FORECASTS_AT_ONCE = 50


@dataclass(frozen=True, eq=False)
class VerifiedForecast:
    """The part of an archived forecast of one well whose levels have been observed.

    Parameters
    ----------
    well, model, bundle : str
        The well, the model, and the bundle of fitted models that made the forecast.
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
    prior : float
        Mean of the levels up to the first issue, m; NaN where there is none.
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
    prior: float = np.nan


def verified_forecasts(
    forecasts: Iterable[xr.Dataset], observations: xr.Dataset
) -> Iterator[VerifiedForecast]:
    """Yield the observed part of each forecast and well.

    Forecasts by a model that was trained on levels after the issue time, as a backfill makes them,
    are left out: they had seen the levels that they forecast.

    Parameters
    ----------
    forecasts : iterable of xarray.Dataset
        Archived forecasts in the order of their issue times, each of one issue time; one is held in
        memory at a time.
    observations : xarray.Dataset
        Dimensions (well, time), up to now.
    """
    usual: xr.DataArray | None = None
    prior: dict[str, float] = {}
    levels = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME)
    for forecast in forecasts:
        issue_time = forecast[schema.ISSUE_TIME].values[0]
        if usual is None:
            usual = _climatology(observations, issue_time)
            prior = _prior_means(levels, issue_time)
        wells = [w for w in forecast[schema.WELL].values if w in levels[schema.WELL].values]
        part = forecast.sel({schema.WELL: wells})
        outcome = observed_at(levels, part).values[:, 0]
        reference = observed_at(usual, part).values[:, 0]
        for number, well in enumerate(wells):
            level = part[schema.LEVEL].values[number, 0]
            fair = not part["trained_through"].values[number] > issue_time
            known = np.isfinite(outcome[number]) & np.isfinite(level).all(axis=-1)
            if fair and known.any():
                yield VerifiedForecast(
                    well=str(well),
                    model=str(part["model"].values[number]),
                    bundle=str(part["bundle"].values[number]),
                    issue_time=issue_time,
                    lead=np.flatnonzero(known) + 1,
                    observed=outcome[number][known],
                    level=level[known],
                    persistence=np.full(known.sum(), _last(levels, str(well), issue_time)),
                    climatology=reference[number][known],
                    prior=prior[str(well)],
                )


def verified_columns() -> list[str]:
    """Return the columns of :func:`verified_scores`: labels, the usual scores, further metrics."""
    metrics = [name for name in metric_definitions() if METRICS[name].averaged]
    skills = [f"{skill}_{baseline}" for skill in SKILLS for baseline in BASELINES]
    scores = dict.fromkeys([*FIRST, *metrics, *skills])
    return ["well", "model", "bundle", "lead", "n", *scores]


def verified_scores(
    forecasts: Iterable[VerifiedForecast], *, quantiles: np.ndarray
) -> pd.DataFrame:
    """Return scores by well, model, bundle and lead time; models of other bundles are kept apart.

    Parameters
    ----------
    forecasts : iterable of VerifiedForecast
        As of :func:`verified_forecasts`; sums are kept, not pairs.
    quantiles : numpy.ndarray
        Shape (quantile,).

    Returns
    -------
    pandas.DataFrame
        Columns :func:`verified_columns`: errors are predicted - observed, m; the skill is 1 - score
        / score of the baseline, on the same pairs. A metric whose quantiles are not given is NaN.
    """
    metrics = {
        name: metric
        for name, metric in available(metric_definitions(), quantiles).items()
        if metric.averaged
    }
    held: dict[tuple[str, str, str], Averages | None] = {}
    waiting: dict[tuple[str, str, str], list[VerifiedForecast]] = defaultdict(list)
    for forecast in forecasts:
        key = forecast.well, forecast.model, forecast.bundle
        waiting[key].append(forecast)
        held.setdefault(key, None)  # the table has the order of the first forecasts
        if len(waiting[key]) >= FORECASTS_AT_ONCE:
            held[key] = _added(held[key], waiting.pop(key), quantiles, metrics)
    for key, rest in waiting.items():
        held[key] = _added(held[key], rest, quantiles, metrics)
    columns = verified_columns()
    tables = [_table(key, averages) for key, averages in held.items() if averages is not None]
    if not tables:
        return pd.DataFrame(columns=columns)
    return pd.concat(tables, ignore_index=True).reindex(columns=columns)


def pairs_of(forecasts: list[VerifiedForecast], quantiles: np.ndarray, *, leads: int) -> Pairs:
    """Return forecasts of one well as pairs, shape (lead, issue).

    ``level`` is (3, lead, issue, quantile): the forecast, persistence and climatology, which have a
    median alone.
    """
    shape = leads, len(forecasts)
    observed = np.full(shape, np.nan)
    level = np.full((1 + len(BASELINES), *shape, quantiles.size), np.nan)
    middle = int(np.argmin(np.abs(quantiles - 0.5)))
    for issue, forecast in enumerate(forecasts):
        at = forecast.lead - 1
        observed[at, issue] = forecast.observed
        level[0, at, issue] = forecast.level
        level[1, at, issue, middle] = forecast.persistence
        level[2, at, issue, middle] = forecast.climatology
    prior = np.full(leads, forecasts[0].prior)
    return Pairs(observed, level, quantiles, np.isfinite(observed), prior=prior)


def _added(
    averages: Averages | None,
    forecasts: list[VerifiedForecast],
    quantiles: np.ndarray,
    metrics: dict[str, Metric],
) -> Averages:
    """Return the averages over the pairs so far and those of further forecasts."""
    leads = max(int(forecast.lead.max()) for forecast in forecasts)
    if averages is None:
        return Averages.of(pairs_of(forecasts, quantiles, leads=leads), metrics)
    leads = max(leads, averages.n.size)
    return averages.padded(leads).extended(pairs_of(forecasts, quantiles, leads=leads))


def _table(key: tuple[str, str, str], averages: Averages) -> pd.DataFrame:
    """Return the rows of one series: those lead times that have pairs."""
    some = averages.n > 0
    values = averages.values()
    columns: dict[str, object] = {
        "well": key[0],
        "model": key[1],
        "bundle": key[2],
        "lead": np.flatnonzero(some) + 1,
        "n": averages.n[some].astype(int),
    }
    columns |= {name: value[0][some] for name, value in values.items()}
    for skill, metric in SKILLS.items():
        for number, baseline in enumerate(BASELINES, start=1):
            score, reference = values[metric][0], values[metric][number]
            columns[f"{skill}_{baseline}"] = skill_against(score, reference)[some]
    return pd.DataFrame(columns)


def _prior_means(levels: xr.DataArray, until: np.datetime64) -> dict[str, float]:
    """Return the mean of the levels of each well up to a time, m."""
    means = levels.sel({schema.TIME: slice(None, until)}).mean(schema.TIME)
    return {str(well): float(m) for well, m in zip(levels.well.values, means.values, strict=True)}


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
