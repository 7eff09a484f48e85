"""Verification of hindcasts by lead time, and the status and crossings that they forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.runs.catalogue import BLEND, neural_among
from gwforecast.runs.results import StatusForecast, Verification
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import observed_at
from gwforecast.sequences.split import Split
from gwforecast.verification.distribution import crossing_table
from gwforecast.verification.events import brier_scores, reliability_table, tercile_limits
from gwforecast.verification.lead_scoring import lead_scores
from gwforecast.verification.probabilistic import coverage_by_lead
from gwforecast.verification.significance import compare
from gwforecast.verification.status import LevelStatus

__all__ = [
    "event_limit",
    "forecast_status",
    "last_complete_issue",
    "main_model",
    "models_to_compare",
    "verify_hindcasts",
]


def verify_hindcasts(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    split: Split,
    baselines: Sequence[str],
    threshold: float | Mapping[str, float] | None = None,
) -> Verification:
    """Score hindcasts against the levels of the test period.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods.
    baselines : sequence of str
        Models that skill is measured against.
    threshold : float or mapping, optional
        The event is a level below the threshold, m, for all wells or by well; by default a level
        below the lower tercile of its month in the train and validation periods.
    """
    scored = observations.assign({schema.LEVEL: split.levels(observations, "test")})
    known = [name for name in baselines if name in hindcasts[schema.MODEL].values]
    before = split.levels(observations, "train", "validation").mean(schema.TIME)
    prior = before.sel({schema.WELL: hindcasts[schema.WELL].values})
    scores = lead_scores(hindcasts, scored, baselines=known, reference=prior)
    limit, event = event_limit(hindcasts, observations, split, threshold)
    reliability = pd.DataFrame()
    if limit is not None:
        brier = brier_scores(hindcasts, scored, limit)
        brier = brier[brier["metric"].isin(["brier", "skill_brier"])]
        reliability = reliability_table(hindcasts, scored, limit)
        scores = pd.concat([scores, brier], ignore_index=True)
    pair = models_to_compare(scores)
    comparison = pd.DataFrame()
    if pair is not None:
        comparison = compare(hindcasts, scored, model=pair[0], baseline=pair[1])
    coverage = coverage_by_lead(hindcasts, observed_at(scored[schema.LEVEL], hindcasts))
    return Verification(scores, comparison, reliability, event, coverage)


def event_limit(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    split: Split,
    threshold: float | Mapping[str, float] | None,
) -> tuple[float | xr.DataArray | None, str]:
    """Return the level below which the event occurs, None if there is none, and the event's name.

    Raises SchemaError if thresholds are given by well, and a well has none.
    """
    if threshold is None:
        rows = split.rows(observations, "train", "validation")
        try:
            limits = tercile_limits(observations, hindcasts, rows=rows)
        except SchemaError as error:
            return None, f"none: {error}"
        return limits.isel(tercile=0, drop=True), "level below the lower tercile of its month"
    if isinstance(threshold, Mapping):
        wells = hindcasts[schema.WELL].values
        missing = [str(well) for well in wells if str(well) not in threshold]
        if missing:
            raise SchemaError(
                "A threshold is given for all wells or for each. Received none for "
                f"{missing[0]!r}. Add it."
            )
        values = [float(threshold[str(well)]) for well in wells]
        limit = xr.DataArray(values, {schema.WELL: wells}, (schema.WELL,))
        return limit, "level below the threshold of the well"
    return float(threshold), f"level below {threshold:g} m"


def models_to_compare(scores: pd.DataFrame) -> tuple[str, str] | None:
    """Return the blend, first network or first model, and the other one with the lowest CRPS.

    A blend or network is compared with models that are neither.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, metric and value.

    Returns
    -------
    tuple of (str, str) or None
        None if there is nothing to compare.
    """
    models = list(dict.fromkeys(scores["model"]))
    networks = [model for model in (BLEND, *neural_among(models)) if model in models]
    first = (networks or models)[0]
    others = [model for model in models if model not in (first, *networks)]
    crps = scores[(scores["metric"] == "crps") & scores["model"].isin(others)]
    means = crps.groupby("model")["value"].mean().dropna()
    return (first, str(means.idxmin())) if len(means) else None


def main_model(hindcasts: xr.Dataset) -> str:
    """Return the model whose forecasts are shown: the blend if there is one, else the first."""
    models = [str(model) for model in hindcasts[schema.MODEL].values]
    return BLEND if BLEND in models else models[0]


def last_complete_issue(hindcasts: xr.Dataset, *, model: str, well: str) -> np.datetime64:
    """Return the issue time of the last forecast that reaches the end of the horizon."""
    chosen = {schema.MODEL: model, schema.WELL: well}
    level = hindcasts[schema.LEVEL].sel({**chosen, schema.QUANTILE: 0.5})
    complete = np.flatnonzero(level.notnull().all(schema.LEAD_TIME).values)
    last = complete[-1] if complete.size else 0
    return np.datetime64(level[schema.ISSUE_TIME].values[last])


def forecast_status(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    split: Split,
    threshold: float | Mapping[str, float] | None = None,
) -> StatusForecast:
    """Return status against normal and crossings from the hindcasts of the main model.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods; the reference for normal is the train and validation periods.
    threshold : float or mapping, optional
        Level, m, for all wells or by well; a crossing is a level below it.
    """
    model = main_model(hindcasts)
    forecast = hindcasts.sel({schema.MODEL: model}, drop=True)
    rows = split.rows(observations, "train", "validation")
    tables, missing = [], {}
    for well in schema.well_names(hindcasts):
        chosen = {schema.WELL: [well]}
        of_well = observations.sel(chosen)
        try:
            status = LevelStatus().fit(of_well, rows=rows.sel(chosen))
        except SchemaError as error:
            missing[well] = str(error)
            continue
        issue_time = last_complete_issue(hindcasts, model=model, well=well)
        table = status.table(of_well, forecast.sel({**chosen, schema.ISSUE_TIME: [issue_time]}))
        tables.append(table.assign(issue_time=pd.Timestamp(issue_time)))
    crossings = pd.DataFrame() if threshold is None else crossing_table(forecast, threshold)
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return StatusForecast(joined, crossings, missing)
