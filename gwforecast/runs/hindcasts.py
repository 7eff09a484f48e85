"""Hindcasts: the forecasts that models would have issued at past issue times."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.forecaster import Corrected, as_forecasting
from gwforecast.forcings.base import Forcing
from gwforecast.models.base import Forecaster
from gwforecast.progress import Progress, stage
from gwforecast.runs.catalogue import BLEND, blended_among, neural_among
from gwforecast.runs.files import Stopwatch
from gwforecast.runs.outcomes import (
    one_by_one,
    outcome_rows,
    outcome_table,
    reason_of,
    select_wells,
    warn_of_failures,
    wells_without_values,
)
from gwforecast.runs.results import Origins, StatusForecast, Verification
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import extend_split, mask_to_period, observed_at
from gwforecast.sequences.split import Split
from gwforecast.verification.distribution import crossing_table
from gwforecast.verification.events import brier_scores, reliability_table, tercile_limits
from gwforecast.verification.lead_scoring import lead_scores
from gwforecast.verification.probabilistic import coverage_by_lead
from gwforecast.verification.significance import compare
from gwforecast.verification.status import LevelStatus

__all__ = [
    "event_limit", "forecast_status", "hindcast", "hindcast_all", "join_models",
    "last_complete_issue", "main_model", "models_to_compare", "verify_hindcasts",
]  # fmt: skip


_Parts = Mapping[str, Forecaster]


def hindcast(
    forecaster: Forecaster,
    observations: xr.Dataset,
    *,
    split: Split,
    origins: Origins,
    refitted: dict[tuple[int, int], Forecaster] | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return the forecasts of a fitted forecaster that would have been issued in the test period.

    The forecaster is fitted on the train period. Its intervals are estimated from hindcasts of the
    validation period; then it is refitted through the validation period, and again at the requested
    intervals, each time on what was known at the first issue time that the refit serves.

    The result has ``level`` (well, issue_time, lead_time, quantile), m; NaN where there is no
    forecast. ``refitted``: refits shared with other forecasters of the same parts, by the identity
    of the part and the number of the refit; new ones are added.
    """
    calibrated = Calibrated(forecaster, horizon=origins.horizon, forcing=origins.forcing)
    interval = calibrated.calibrate(observations, split=split).interval_
    refitted = {} if refitted is None else refitted
    parts, first = [], forecaster
    blocks = list(origins.blocks())
    for number, issue_times in enumerate(blocks):
        known = split
        if number:
            known = extend_split(split, issue_times[0], sliding=origins.sliding)
        forecaster = _refit(
            forecaster,
            first,
            observations,
            split=known,
            number=number,
            refitted=refitted,
            progress=progress,
        )
        parts.append(_issue(forecaster, observations, issue_times=issue_times, origins=origins))
        if progress is not None:
            progress(f"{forecaster.name}: hindcasts", number + 1, len(blocks))
    issued = parts[0]
    if len(parts) > 1:  # forecasts from later years have more members of past weather
        issued = xr.concat(
            parts, schema.ISSUE_TIME, join="outer", coords="different", compat="equals"
        )
    issued = mask_to_period(issued, split, period="test")
    outcome = observed_at(split.levels(observations, "test"), issued)
    return interval.apply(issued, observed=outcome)


def _refit(
    forecaster: Forecaster,
    first: Forecaster,
    observations: xr.Dataset,
    *,
    split: Split,
    number: int,
    refitted: dict[tuple[int, int], Forecaster],
    progress: Progress | None,
) -> Forecaster:
    """Return a refit through the validation period; parts already refitted are reused."""
    if isinstance(forecaster, Corrected) and isinstance(first, Corrected):
        parts = [
            _refit(
                part,
                origin,
                observations,
                split=split,
                number=number,
                refitted=refitted,
                progress=progress,
            )
            for part, origin in zip(forecaster.parts, first.parts, strict=True)
        ]
        return forecaster.with_parts(parts, observations, split=split)
    key = (id(first), number)
    if key not in refitted:
        report = stage(progress, f"{forecaster.name}: refit {number + 1}")
        refitted[key] = forecaster.refit(
            observations, split=split, through="validation", progress=report
        )
    return refitted[key]


def _issue(
    forecaster: Forecaster, observations: xr.Dataset, *, issue_times: np.ndarray, origins: Origins
) -> xr.Dataset:
    forecast = forecaster.forecast(
        observations,
        issue_times=issue_times,
        horizon=origins.horizon,
        forcing=origins.forcing,
    )
    return schema.validate_forecast(forecast)


@dataclass
class _Hindcasts:
    """Hindcasts and failures by model, and the errors of models that failed for all wells."""

    issued: dict[str, xr.Dataset] = field(default_factory=dict)
    failed: dict[str, dict[str, str]] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    def fail(self, model: str, error: Exception) -> None:
        """Record that a model failed for all wells."""
        self.failed[model], self.errors[model] = {}, error


def hindcast_all(
    forecasters: Mapping[str, Forecaster],
    observations: xr.Dataset,
    *,
    split: Split,
    origins: Origins,
    watch: Stopwatch,
    progress: Progress | None,
) -> tuple[dict[str, xr.Dataset], dict[str, dict[str, str]]]:
    """Return hindcasts by model, and failed wells by model; if a model fails, try well by well."""
    run = partial(_hindcast_models, split=split, origins=origins, watch=watch)
    made = run(forecasters, observations, progress=progress)
    every = {schema.WELL: observations[schema.WELL].values}
    wells = [str(well) for well in every[schema.WELL]]
    for name, error in made.errors.items():
        made.failed[name] = dict.fromkeys(wells, reason_of(error))
        parts = {name: forecasters[name]} if name in forecasters else _blended(forecasters)
        if len(wells) == 1 or any(part.pooled for part in parts.values()):
            continue  # networks that all wells share are not fitted to one well
        attempt = one_by_one(
            partial(_hindcast_alone, model=name, parts=parts, data=observations, run=run), wells
        )
        if attempt.done:
            issued = [one.issued[name] for one in attempt.results]
            made.issued[name] = xr.concat(issued, schema.WELL).reindex(every)
        own = {well: why for one in attempt.results for well, why in one.failed[name].items()}
        made.failed[name] = attempt.reasons | own
    if not made.issued:
        reason = next(iter(next(iter(made.failed.values())).values()))
        raise RuntimeError(f"A backtest needs one model that forecasts. Received none. {reason}")
    return {name: made.issued[name] for name in made.failed if name in made.issued}, made.failed


def _hindcast_alone(
    wells: list[str],
    *,
    model: str,
    parts: _Parts,
    data: xr.Dataset,
    run: Callable[..., _Hindcasts],
) -> _Hindcasts:
    """Return the hindcasts of a model, made of some forecasters, for some wells."""
    made = run(copy.deepcopy(parts), select_wells(data, wells), progress=None)
    if model not in made.issued:
        raise made.errors.get(model) or next(iter(made.errors.values()))
    return made


def _hindcast_models(
    forecasters: _Parts,
    observations: xr.Dataset,
    *,
    split: Split,
    origins: Origins,
    watch: Stopwatch,
    progress: Progress | None,
) -> _Hindcasts:
    """Fit all models on the wells together, and return the hindcasts of those that succeed."""
    made = _Hindcasts()
    fitted: dict[str, Forecaster] = {}
    refitted: dict[tuple[int, int], Forecaster] = {}
    for done, (name, forecaster) in enumerate(forecasters.items()):
        if progress is not None:
            progress("models", done, len(forecasters))
        with watch(f"fit {name}"):
            try:
                fitted[name] = as_forecasting(forecaster).fit(
                    observations, split=split, progress=progress
                )
            except Exception as error:
                made.fail(name, error)
    for name, forecaster in {**fitted, **_blend(fitted, observations, split)}.items():
        with watch(f"hindcast {name}"):
            try:
                made.issued[name] = hindcast(
                    forecaster,
                    observations,
                    split=split,
                    origins=origins,
                    refitted=refitted,
                    progress=progress,
                )
            except Exception as error:
                made.fail(name, error)
            else:
                own = getattr(forecaster, "failed_", {})
                made.failed[name] = {str(well): str(reason) for well, reason in own.items()}
    if progress is not None:
        progress("models", len(forecasters), len(forecasters))
    return made


def _blended(forecasters: _Parts) -> _Parts:
    return {name: forecasters[name] for name in blended_among(forecasters)}


def _blend(
    fitted: Mapping[str, Forecaster], observations: xr.Dataset, split: Split
) -> dict[str, Forecaster]:
    parts = [
        part
        for one in _blended(fitted).values()
        if isinstance(one, Corrected)
        for part in one.parts
    ]
    if len(parts) < 2:
        return {}
    return {BLEND: Corrected(parts, name=BLEND).calibrate(observations, split=split)}


def join_models(
    issued: Mapping[str, xr.Dataset],
    failed: Mapping[str, Mapping[str, str]],
    excluded: Mapping[str, str],
    *,
    forcing: Forcing,
) -> tuple[xr.Dataset, pd.DataFrame]:
    """Join hindcasts by model, and return them with a table of outcomes; warn of failures.

    ``failed``: failed wells and why, by model; ``excluded``: wells that cannot be split or scored.
    """
    models = pd.Index(list(issued), name=schema.MODEL, dtype=object)
    hindcasts = xr.concat(issued.values(), models, join="exact")
    hindcasts.attrs = dict(forcing.attributes)
    wells = schema.well_names(hindcasts)
    rows = []
    for name, own in failed.items():
        reasons = dict(own)
        if name in issued:
            level = issued[name][schema.LEVEL]
            reasons = wells_without_values(level, what="forecast") | reasons
        warn_of_failures(name, {w: why for w, why in reasons.items() if w not in excluded})
        rows += outcome_rows(name, wells, reasons | dict(excluded))
    return hindcasts, outcome_table(rows)


def verify_hindcasts(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    split: Split,
    baselines: Sequence[str],
    threshold: float | Mapping[str, float] | None = None,
) -> Verification:
    """Score hindcasts (model, well, issue_time, lead_time, quantile) in the test period.

    The event is a level below the threshold, m, for all wells or by well; by default a level below
    the lower tercile of its month in the train and validation periods.
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

    A blend or network is compared with models that are neither; None if there are none. ``scores``
    has the columns model, metric and value.
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

    The reference for normal is the train and validation periods; a crossing is a level below the
    threshold, m, for all wells or by well.
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
