"""What is said of hindcasts: scores by lead time, tests, events, and the months ahead.

What a forecast says of the months ahead: state against normal, and crossings of a threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.runs.catalogue import BLEND, neural_among
from gwforecast.runs.results import Judgement, Outlook
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Split
from gwforecast.verification.distribution import crossing_table
from gwforecast.verification.events import brier_scores, reliability_table, tercile_limits
from gwforecast.verification.lead_scoring import lead_scores
from gwforecast.verification.significance import compare
from gwforecast.verification.status import LevelStatus

__all__ = ["event_of", "judge", "last_whole_issue", "lead_model", "look_ahead", "rivals"]


def judge(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    split: Split,
    baselines: Sequence[str],
    threshold: float | Mapping[str, float] | None = None,
) -> Judgement:
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
        The event is a level below it, m, for all wells or by well; by default a level below the
        lower tercile of its month in the train and validation periods.
    """
    scored = observations.assign({schema.LEVEL: split.levels(observations, "test")})
    known = [name for name in baselines if name in hindcasts[schema.MODEL].values]
    before = split.levels(observations, "train", "validation").mean(schema.TIME)
    prior = before.sel({schema.WELL: hindcasts[schema.WELL].values})
    scores = lead_scores(hindcasts, scored, baselines=known, reference=prior)
    limit, event = event_of(hindcasts, observations, split, threshold)
    if limit is None:
        return Judgement(scores, _compare(hindcasts, scored, scores), pd.DataFrame(), event)
    brier = brier_scores(hindcasts, scored, limit)
    brier = brier[brier["metric"].isin(["brier", "skill_brier"])]
    reliability = reliability_table(hindcasts, scored, limit)
    scores = pd.concat([scores, brier], ignore_index=True)
    return Judgement(scores, _compare(hindcasts, scored, scores), reliability, event)


def event_of(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    split: Split,
    threshold: float | Mapping[str, float] | None,
) -> tuple[float | xr.DataArray | None, str]:
    """Return the level whose undercutting is scored, None where there is none, and its name."""
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


def rivals(scores: pd.DataFrame) -> tuple[str, str] | None:
    """Return the networks' model and the other one with the least CRPS; None without both."""
    models = list(dict.fromkeys(scores["model"]))
    networks = neural_among(models)
    others = [model for model in models if model not in (BLEND, *networks)]
    ours = next((model for model in (BLEND, *networks) if model in models), None)
    if ours is None or not others:
        return None
    crps = scores[(scores["metric"] == "crps") & scores["model"].isin(others)]
    return ours, str(crps.groupby("model")["value"].mean().idxmin())


def _compare(hindcasts: xr.Dataset, observations: xr.Dataset, scores: pd.DataFrame) -> pd.DataFrame:
    """Hold the networks' model against the best other one: is the gain more than chance."""
    pair = rivals(scores)
    if pair is None:
        return pd.DataFrame()
    return compare(hindcasts, observations, model=pair[0], baseline=pair[1])


def lead_model(hindcasts: xr.Dataset) -> str:
    """Return the model that an outlook is of: the blend where there is one, else the first."""
    models = [str(model) for model in hindcasts[schema.MODEL].values]
    return BLEND if BLEND in models else models[0]


def last_whole_issue(hindcasts: xr.Dataset, *, model: str, well: str) -> np.datetime64:
    """Return the issue time of the last forecast that reaches the end of the horizon."""
    chosen = {schema.MODEL: model, schema.WELL: well}
    level = hindcasts[schema.LEVEL].sel({**chosen, schema.QUANTILE: 0.5})
    whole = np.flatnonzero(level.notnull().all(schema.LEAD_TIME).values)
    last = whole[-1] if whole.size else 0
    return np.datetime64(level[schema.ISSUE_TIME].values[last])


def look_ahead(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    split: Split,
    threshold: float | Mapping[str, float] | None = None,
) -> Outlook:
    """Return state against normal and crossings by the lead model's hindcasts.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods; what is normal is learnt from train and validation.
    threshold : float or mapping, optional
        Level whose undercutting is a crossing, m, for all wells or by well.
    """
    model = lead_model(hindcasts)
    forecast = hindcasts.sel({schema.MODEL: model}, drop=True)
    rows = split.rows(observations, "train", "validation")
    tables, without = [], {}
    for well in map(str, hindcasts[schema.WELL].values):
        chosen = {schema.WELL: [well]}
        of_well = observations.sel(chosen)
        try:
            status = LevelStatus().fit(of_well, rows=rows.sel(chosen))
        except schema.SchemaError as error:
            without[well] = str(error)
            continue
        issue_time = last_whole_issue(hindcasts, model=model, well=well)
        table = status.table(of_well, forecast.sel({**chosen, schema.ISSUE_TIME: [issue_time]}))
        tables.append(table.assign(issue_time=pd.Timestamp(issue_time)))
    crossings = pd.DataFrame() if threshold is None else crossing_table(forecast, threshold)
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return Outlook(joined, crossings, without)
