"""How well forecasts would have done: rolling origins over the test period, scored by lead time.

One forecaster over all issue times of a backtest: fitted, calibrated, refitted, issued.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.forecaster import Calibrated, Corrected, as_forecasting
from gwforecast.forcings.base import Forcing
from gwforecast.forcings.scenario import make_forcing
from gwforecast.models.base import Forecaster
from gwforecast.progress import Progress
from gwforecast.runs.backtest_outputs import write_backtest
from gwforecast.runs.catalogue import BLEND, DEFAULT_BACKTEST, is_neural, make_forecasters
from gwforecast.runs.evaluate import split_wells
from gwforecast.runs.files import Stopwatch
from gwforecast.runs.judgement import judge, look_ahead
from gwforecast.runs.outcomes import OUTCOME_COLUMNS, warn_of_failures
from gwforecast.runs.results import Backtest, Origins
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import extend_split, issue_times_of, mask_to_period, observed_at
from gwforecast.sequences.split import Split

__all__ = ["backtest", "hindcast"]


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

    The forecaster comes fitted on the train period. Its intervals are learnt from hindcasts of the
    validation period; then it is refitted through the validation period, and again where that is
    asked for, each time on what was known at the first issue time that the refit serves.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted, with a method ``forecast``.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods of each well.
    origins : Origins
        When, how far and on what weather.
    refitted : dict, optional
        Refits that are shared with other forecasters of the same parts, by the identity of the part
        and the number of the refit; new ones are added.
    progress : Progress, optional
        Told of refits done.

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
            forecaster, first, observations, split=known, number=number, refitted=refitted
        )
        parts.append(_issue(forecaster, observations, issue_times=issue_times, origins=origins))
        if progress is not None:
            progress("refits", number + 1, len(blocks))
    issued = xr.concat(parts, schema.ISSUE_TIME) if len(parts) > 1 else parts[0]
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
) -> Forecaster:
    """Return a refit through the validation period; parts that are refitted already are taken."""
    if isinstance(forecaster, Corrected) and isinstance(first, Corrected):
        parts = [
            _refit(part, origin, observations, split=split, number=number, refitted=refitted)
            for part, origin in zip(forecaster.parts, first.parts, strict=True)
        ]
        return forecaster.with_parts(parts, observations, split=split)
    key = (id(first), number)
    if key not in refitted:
        refitted[key] = forecaster.refit(observations, split=split, through="validation")
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


HORIZON_YEARS = 0.25
STRIDE_DAYS = 7


def backtest(
    observations: xr.Dataset,
    *,
    split: Split | None = None,
    models: Sequence[str | Forecaster] = DEFAULT_BACKTEST,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    forcing: str | Forcing = "observed",
    horizon: int | None = None,
    stride: int | None = None,
    start: str | pd.Timestamp | None = None,
    end: str | pd.Timestamp | None = None,
    issue_times: Sequence[str | np.datetime64] | np.ndarray | None = None,
    refit_every: int | None = None,
    sliding: bool = False,
    baselines: Sequence[str] = ("persistence", "climatology"),
    threshold: float | Mapping[str, float] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    out: Path | str | None = None,
    figures: int = 12,
    inputs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> Backtest:
    """Issue forecasts at many past moments with what was known then, and score them.

    Each model is fitted on the train period, its intervals are calibrated by hindcasts of the
    validation period, and it is refitted through the validation period. A model that simulates from
    the weather is corrected at each issue time by the last observed levels. Of two or more networks
    the mean is added as the model ``"blend"``.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time): ``level`` in m, covariates, static attributes.
    split : Split, optional
        The periods; by default the first 60 % of the levels of each well, the next 20 %, the rest.
    models : sequence of str or Forecaster
        Names of :data:`gwforecast.runs.catalogue.MODELS`, or forecasters.
    settings : mapping, optional
        Settings by model and name.
    forcing : str or Forcing
        Weather after the issue times: ``"observed"`` (perfect foresight, for research),
        ``"climatology"``, or any :class:`gwforecast.forcings.base.Forcing`.
    horizon : int, optional
        Number of lead times; by default a quarter of a year.
    stride : int, optional
        Steps from one issue time to the next; by default a week, or one step where that is longer.
    start, end : str or pandas.Timestamp, optional
        First and last issue time; by default those of the test period, as far as the weather goes.
    issue_times : sequence of time, optional
        The issue times themselves, steps of the axis, in the place of stride, start and end.
    refit_every : int, optional
        Issue times from one refit to the next; by default there is one refit at the start.
    sliding : bool
        Later refits see a window of the same length, not all that came before.
    baselines : sequence of str
        Models that skill is measured against.
    threshold : float or mapping, optional
        Level whose undercutting is scored as an event, m, for all wells or by well, and whose first
        crossing is told; by default the lower tercile of each month.
    seed, members, workers : int, optional
        Seed, number of networks and of networks trained at once, for models that have them.
    out : pathlib.Path or str, optional
        Folder for hindcasts, tables, figures and the record of the run; by default none.
    figures : int
        Number of wells, in their order, that figures are drawn of.
    inputs : iterable of pathlib.Path
        Files that the observations were read from; their checksums go into the record.
    progress : Progress, optional
        Told of models, and of members and wells within them.

    Returns
    -------
    Backtest
        Hindcasts, scores by lead time, outcomes.

    Raises
    ------
    SchemaError
        If the observations do not have their form, or there is no issue time.
    RuntimeError
        If no model gave a forecast.

    Examples
    --------
    >>> times = pd.date_range("2010-01-01", "2015-12-31")
    >>> wave = 10 + np.sin(2 * np.pi * np.arange(times.size) / 365.25)
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), wave[None])}, {"well": ["a"], "time": times}
    ... )
    >>> result = backtest(observations, models=["climatology", "persistence"], horizon=60)
    >>> rmse = result.scores.query("metric == 'rmse'").set_index(["model", "lead"])["value"]
    >>> bool(rmse["climatology", 60] < rmse["persistence", 60])
    True
    """
    watch = Stopwatch()
    schema.validate_observations(observations)
    shared = {"seed": seed, "members": members, "workers": workers}
    forecasters = make_forecasters(models, settings=settings or {}, shared=shared)
    split, unfit = (split, {}) if split is not None else split_wells(observations)
    used = observations.drop_sel({schema.WELL: list(unfit)})
    horizon, stride = _steps(used, horizon, stride)
    if issue_times is None:
        found = issue_times_of(used, split, period="test", stride=stride, start=start, end=end)
        issue_times = within_weather(found, last_weather(used))
    origins = Origins(
        timeline.to_times(issue_times),
        horizon=horizon,
        forcing=make_forcing(forcing),
        refit_every=refit_every,
        sliding=sliding,
    )
    hindcasts, outcomes = _hindcast_all(
        forecasters, used, split=split, origins=origins, unfit=unfit, watch=watch, progress=progress
    )
    with watch("score"):
        judgement = judge(hindcasts, used, split=split, baselines=baselines, threshold=threshold)
        outlook = look_ahead(hindcasts, used, split=split, threshold=threshold)
    result = Backtest(hindcasts, judgement, outcomes, split, origins, watch.seconds, outlook)
    if out is not None:
        paths = write_backtest(
            result, used, forecasters, folder=Path(out), figures=figures, inputs=inputs,
            watch=watch,
        )  # fmt: skip
        result.paths.update(paths)
    return result


def _steps(observations: xr.Dataset, horizon: int | None, stride: int | None) -> tuple[int, int]:
    """Return horizon and stride in steps, the defaults where they are not given."""
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    return settle_steps(frequency, horizon, stride)


def last_weather(observations: xr.Dataset) -> np.datetime64 | None:
    """Return the last step at which a well has all its covariates; None without covariates."""
    names = schema.covariate_names(observations)
    if not names:
        return None
    known = np.logical_and.reduce([observations[name].notnull().values for name in names])
    steps = np.flatnonzero(known.any(axis=0))
    return np.datetime64(observations[schema.TIME].values[steps[-1] if steps.size else 0])


def within_weather(issue_times: np.ndarray, last: np.datetime64 | None) -> np.ndarray:
    """Return the issue times up to which there is weather, and tell of those that are left out.

    Raises
    ------
    SchemaError
        If there is none.
    """
    kept = issue_times if last is None else issue_times[issue_times <= last]
    if kept.size == issue_times.size:
        return kept
    ends = timeline.format_time(cast("np.datetime64", last))
    if not kept.size:
        raise SchemaError(
            f"The weather must reach into the test period. Received weather up to {ends}, where "
            f"the first issue time is {timeline.format_time(issue_times[0])}. Give longer series."
        )
    warnings.warn(
        f"Forecasts are issued as far as the weather is known. Received weather up to {ends}: "
        f"{issue_times.size - kept.size} of {issue_times.size} issue times after it are left out. "
        "Give longer series, or an earlier end.",
        stacklevel=3,
    )
    return kept


def settle_steps(frequency: str, horizon: int | None, stride: int | None) -> tuple[int, int]:
    """Return horizon and stride in steps of a frequency, the defaults where they are not given."""
    year = timeline.steps_per_year(frequency)
    if horizon is not None and horizon < 1:
        raise ValueError(
            f"The horizon of a forecast is at least 1 step. Received {horizon}. Correct it."
        )
    default = max(1, round(STRIDE_DAYS * year / 365.25))
    return horizon or max(1, round(HORIZON_YEARS * year)), default if stride is None else stride


def _hindcast_all(
    forecasters: Mapping[str, Forecaster],
    observations: xr.Dataset,
    *,
    split: Split,
    origins: Origins,
    unfit: Mapping[str, str],
    watch: Stopwatch,
    progress: Progress | None,
) -> tuple[xr.Dataset, pd.DataFrame]:
    """Return the hindcasts of all models; one that fails for all wells is tried for each alone."""
    hindcast_group = partial(_hindcast_group, split=split, origins=origins, watch=watch)
    issued, failed = hindcast_group(forecasters, observations, progress=progress)
    names = list(failed)
    if observations.sizes[schema.WELL] > 1:
        for name in [name for name in names if name not in issued]:
            chosen = {name: forecasters[name]} if name in forecasters else _networks(forecasters)
            if any(one.pooled for one in chosen.values()):
                continue  # networks that all wells share are none where each well is alone
            parts = []
            for well in map(str, observations[schema.WELL].values):
                alone = observations.sel({schema.WELL: [well]})
                part, reasons = hindcast_group(copy.deepcopy(chosen), alone, progress=None)
                parts += [part[name]] if name in part else []
                failed[name].pop(well)
                failed[name] |= reasons.get(name, {})
            if parts:
                wells = {schema.WELL: observations[schema.WELL].values}
                issued[name] = xr.concat(parts, schema.WELL).reindex(wells)
    if not issued:
        reason = next(iter(failed[names[0]].values()))
        raise RuntimeError(f"A backtest needs one model that forecasts. Received none. {reason}")
    outcomes = _outcomes(names, issued, failed, unfit)
    models = pd.Index([name for name in names if name in issued], name=schema.MODEL, dtype=object)
    joined = xr.concat([issued[name] for name in models], models, join="exact")
    joined.attrs = {"forcing": origins.forcing.origin}
    return joined, outcomes


def _outcomes(
    names: Sequence[str],
    issued: Mapping[str, xr.Dataset],
    failed: Mapping[str, Mapping[str, str]],
    unfit: Mapping[str, str],
) -> pd.DataFrame:
    wells = [str(well) for well in next(iter(issued.values()))[schema.WELL].values]
    rows = []
    for name in names:
        silent = _without(issued[name]) if name in issued else {}
        own = silent | dict(failed.get(name, {}))
        warn_of_failures(name, own)
        rows += [(name, well, "failed", reason) for well, reason in (dict(unfit) | own).items()]
        rows += [(name, well, "ok", "") for well in wells if well not in own]
    return pd.DataFrame(rows, columns=OUTCOME_COLUMNS)


def _networks(forecasters: Mapping[str, Forecaster]) -> dict[str, Forecaster]:
    return {name: one for name, one in forecasters.items() if is_neural(name)}


def _hindcast_group(
    forecasters: Mapping[str, Forecaster],
    observations: xr.Dataset,
    *,
    split: Split,
    origins: Origins,
    watch: Stopwatch,
    progress: Progress | None,
) -> tuple[dict[str, xr.Dataset], dict[str, dict[str, str]]]:
    """Return the hindcasts by model, and for those that fail, the reason by well."""
    wells = [str(well) for well in observations[schema.WELL].values]
    fitted: dict[str, Forecaster] = {}
    failed: dict[str, dict[str, str]] = {}
    issued: dict[str, xr.Dataset] = {}
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
                failed[name] = dict.fromkeys(wells, f"{type(error).__name__}: {error}")
    for name, forecaster in {**fitted, **_blend(fitted, observations, split)}.items():
        with watch(f"hindcast {name}"):
            try:
                level = hindcast(
                    forecaster, observations, split=split, origins=origins, refitted=refitted
                )
                issued[name] = level
                own = getattr(forecaster, "failed_", {})
                failed[name] = {str(well): str(reason) for well, reason in own.items()}
            except Exception as error:
                failed[name] = dict.fromkeys(wells, f"{type(error).__name__}: {error}")
    if progress is not None:
        progress("models", len(forecasters), len(forecasters))
    return issued, failed


def _blend(
    fitted: Mapping[str, Forecaster], observations: xr.Dataset, split: Split
) -> dict[str, Forecaster]:
    parts = [
        part
        for name, one in fitted.items()
        if is_neural(name) and isinstance(one, Corrected)
        for part in one.parts
    ]
    if len(parts) < 2:
        return {}
    return {BLEND: Corrected(parts, name=BLEND).calibrate(observations, split=split)}


def _without(hindcasts: xr.Dataset) -> dict[str, str]:
    level = hindcasts[schema.LEVEL]
    none = level.isnull().all([d for d in level.dims if d != schema.WELL]).values
    return {str(w): "no forecast is finite" for w in np.asarray(level[schema.WELL].values)[none]}
