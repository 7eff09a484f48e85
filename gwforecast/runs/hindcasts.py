"""Hindcasts: the forecasts that models would have issued at past issue times."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
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
from gwforecast.runs.catalogue import BLEND, blended_among
from gwforecast.runs.files import Stopwatch
from gwforecast.runs.one_by_one import one_by_one, reason_of, select_wells
from gwforecast.runs.outcomes import (
    outcome_rows,
    outcome_table,
    warn_of_failures,
    wells_without_values,
)
from gwforecast.runs.results import Origins
from gwforecast.sequences.origins import extend_split, mask_to_period, observed_at
from gwforecast.sequences.split import Split

__all__ = ["hindcast", "hindcast_all", "join_models"]


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
    """Return the forecasts that would have been issued in the test period.

    The forecaster is fitted on the train period. Its intervals are estimated from hindcasts of the
    validation period; then it is refitted through the validation period, and again at the requested
    intervals, each time on what was known at the first issue time that the refit serves.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted, with a method ``forecast``.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods of each well.
    origins : Origins
        Issue times, horizon, weather and refits.
    refitted : dict, optional
        Refits shared with other forecasters of the same parts, by the identity of the part and the
        number of the refit; new ones are added.
    progress : Progress, optional
        Callback for progress: refits done.

    Returns
    -------
    xarray.Dataset
        ``level`` (well, issue_time, lead_time, quantile), m; NaN where there is no forecast.
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

    Parameters
    ----------
    issued : mapping of str to xarray.Dataset
        Hindcasts by model.
    failed : mapping of str to mapping
        Failed wells and why, by model.
    excluded : mapping of str to str
        Wells that cannot be split or scored, and why.
    forcing : Forcing
        Weather after the issue times.
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
