"""Hindcasts: the forecasts that models would have issued at past issue times."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

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
    "Hindcasts", "event_limit", "forecast_status", "hindcast_all", "join_models",
    "last_complete_issue", "main_model", "models_to_compare", "verify_hindcasts",
]  # fmt: skip


@dataclass
class Hindcasts:
    """Hindcasts of models at some wells, which share data, periods, issue times and refits."""

    observations: xr.Dataset
    split: Split
    origins: Origins
    watch: Stopwatch = field(default_factory=Stopwatch)
    progress: Progress | None = None
    issued: dict[str, xr.Dataset] = field(default_factory=dict)  # by model
    failed: dict[str, dict[str, str]] = field(default_factory=dict)  # why, by model and well
    errors: dict[str, Exception] = field(default_factory=dict)  # of models without any hindcast
    # by the identity of the part of a model and the number of the refit
    refitted: dict[tuple[int, int], Forecaster] = field(default_factory=dict)

    def of(self, forecaster: Forecaster) -> xr.Dataset:
        """Return the forecasts that would have been issued in the test period.

        The forecaster is fitted on the train period. Its intervals are estimated from hindcasts of
        the validation period; then it is refitted through the validation period, and again at the
        requested intervals, each time on what was known at the first issue time that the refit
        serves.

        The result has ``level`` (well, issue_time, lead_time, quantile), m; NaN where there is no
        forecast.
        """
        data, split, origins = self.observations, self.split, self.origins
        calibrated = Calibrated(forecaster, horizon=origins.horizon, forcing=origins.forcing)
        interval = calibrated.calibrate(data, split=split).interval_
        forecaster = calibrated.forecaster
        parts, first = [], forecaster
        times, every = origins.issue_times, origins.refit_every or len(origins.issue_times)
        blocks = [times[first : first + every] for first in range(0, len(times), every)]
        for number, issue_times in enumerate(blocks):
            known = split
            if number:
                known = extend_split(split, issue_times[0], sliding=origins.sliding)
            forecaster = self._refit(forecaster, first, known, number)
            forecast = forecaster.forecast(
                data, issue_times=issue_times, horizon=origins.horizon, forcing=origins.forcing
            )
            parts.append(schema.validate_forecast(forecast))
            if self.progress is not None:
                self.progress(f"{forecaster.name}: hindcasts", number + 1, len(blocks))
        issued = parts[0]
        if len(parts) > 1:  # forecasts from later years have more members of past weather
            issued = xr.concat(
                parts, schema.ISSUE_TIME, join="outer", coords="different", compat="equals"
            )
        issued = mask_to_period(issued, split, period="test")
        return interval.apply(issued, observed=observed_at(split.levels(data, "test"), issued))

    def _refit(
        self, forecaster: Forecaster, first: Forecaster, split: Split, number: int
    ) -> Forecaster:
        """Return a refit through the validation period; parts already refitted are reused."""
        if isinstance(forecaster, Corrected) and isinstance(first, Corrected):
            pairs = zip(forecaster.parts, first.parts, strict=True)
            parts = [self._refit(part, origin, split, number) for part, origin in pairs]
            return forecaster.with_parts(parts, self.observations, split=split)
        key = (id(first), number)
        if key not in self.refitted:
            report = stage(self.progress, f"{forecaster.name}: refit {number + 1}")
            self.refitted[key] = forecaster.refit(
                self.observations, split=split, through="validation", progress=report
            )
        return self.refitted[key]

    def of_all(self, forecasters: Mapping[str, Forecaster]) -> Self:
        """Fit all models on the wells together, and issue the hindcasts of those that succeed."""
        fitted: dict[str, Forecaster] = {}
        for done, (name, forecaster) in enumerate(forecasters.items()):
            if self.progress is not None:
                self.progress("models", done, len(forecasters))
            with self.watch(f"fit {name}"), self._noting(name):
                fitted[name] = as_forecasting(forecaster).fit(
                    self.observations, split=self.split, progress=self.progress
                )
        for name, forecaster in {**fitted, **self._blend(fitted)}.items():
            with self.watch(f"hindcast {name}"), self._noting(name):
                self.issued[name] = self.of(forecaster)
                own = getattr(forecaster, "failed_", {})
                self.failed[name] = {str(well): str(reason) for well, reason in own.items()}
        if self.progress is not None:
            self.progress("models", len(forecasters), len(forecasters))
        return self

    @contextmanager
    def _noting(self, model: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.failed[model], self.errors[model] = {}, error

    def _blend(self, fitted: Mapping[str, Forecaster]) -> dict[str, Forecaster]:
        blended = [fitted[name] for name in blended_among(fitted)]
        parts = [part for one in blended if isinstance(one, Corrected) for part in one.parts]
        if len(parts) < 2:
            return {}
        blend = Corrected(parts, name=BLEND).calibrate(self.observations, split=self.split)
        return {BLEND: blend}


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
    made = Hindcasts(observations, split, origins, watch, progress).of_all(forecasters)
    wells = schema.well_names(observations)
    for name, error in made.errors.items():
        made.failed[name] = dict.fromkeys(wells, reason_of(error))
        blended = blended_among(forecasters) if name not in forecasters else [name]
        parts = {part: forecasters[part] for part in blended}
        if len(wells) == 1 or any(part.pooled for part in parts.values()):
            continue  # networks that all wells share are not fitted to one well

        def alone(some: list[str], name: str = name, parts: Any = parts) -> Hindcasts:
            own = Hindcasts(select_wells(observations, some), split, origins, watch)
            own.of_all(copy.deepcopy(parts))
            if name not in own.issued:
                raise own.errors.get(name) or next(iter(own.errors.values()))
            return own

        attempt = one_by_one(alone, wells)
        if attempt.done:
            issued = xr.concat([one.issued[name] for one in attempt.results], schema.WELL)
            made.issued[name] = issued.reindex({schema.WELL: observations[schema.WELL].values})
        own = {well: why for one in attempt.results for well, why in one.failed[name].items()}
        made.failed[name] = attempt.reasons | own
    if not made.issued:
        reason = next(iter(next(iter(made.failed.values())).values()))
        raise RuntimeError(f"A backtest needs one model that forecasts. Received none. {reason}")
    return {name: made.issued[name] for name in made.failed if name in made.issued}, made.failed


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
