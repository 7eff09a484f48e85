"""An evaluation of many wells in shards, with the memory that one shard needs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.runs import backtest as rolling
from gwforecast.runs import evaluate as whole
from gwforecast.runs import files
from gwforecast.runs.catalogue import DEFAULT_MODELS, DEFAULT_OF_SHARDS, is_pooled
from gwforecast.runs.evaluate import split_wells
from gwforecast.runs.figures import draw_backtest, draw_evaluation
from gwforecast.runs.hindcasts import event_limit, models_to_compare
from gwforecast.runs.inputs import backtest_arguments, evaluation_arguments, prepare
from gwforecast.runs.out_of_sample import HISTORY_COLUMNS, Prediction
from gwforecast.runs.outcomes import wells_without_values
from gwforecast.runs.results import Backtest, Evaluation, Origins, StatusForecast, Verification
from gwforecast.sequences.split import Split
from gwforecast.shards.join import (
    POOLED,
    ShardedRun,
    read_table,
    refuse_pooled,
    rows_of,
    run_result,
)
from gwforecast.shards.map import Result, Shard, ShardOutcome, networks_at_once, on_wells
from gwforecast.verification.events import reliability_counts, reliability_of_counts
from gwforecast.verification.significance import compare

__all__ = [
    "backtest", "backtest_shard", "evaluate", "evaluate_shard", "read_periods", "train_pooled",
]  # fmt: skip


def evaluate(settings: Settings, *, progress: Progress | None = None) -> Evaluation:
    """Evaluate in shards, over Dask if requested, and join the results.

    Global models are trained first, on all wells together, by one worker. An interrupted run
    resumes if it is started again with the same settings and data.

    Returns
    -------
    Evaluation
        As of :func:`gwforecast.runs.evaluate.evaluate`; the predictions are read from their file
        when they are used.

    Raises
    ------
    ImportError
        If Dask is not installed.
    RuntimeError
        If no shard gave a result.
    """
    with files.own_folder(settings.output.folder):
        settings = _defaults_of_shards(settings)
        run = ShardedRun.begin(settings, settings.output.folder, settings.models.use)
        if any(is_pooled(model) for model in run.models):
            run.ended.extend(run.map(train_pooled, POOLED, size=len(run.wells), progress=progress))
        run.ended.extend(run.map(evaluate_shard, "evaluate", progress=progress))
        evaluation = _join(run)
        run.finish(
            evaluation,
            evaluation.predictions[schema.WELL].values,
            draw=partial(_draw, evaluation, run.folder),
            setup={"baseline": settings.models.baseline},
            details={},
        )
        return evaluation


def _defaults_of_shards(settings: Settings) -> Settings:
    """Leave models that need all wells at once out of the default models."""
    if tuple(settings.models.use) != DEFAULT_MODELS:
        return settings
    models = settings.models.model_copy(update={"use": list(DEFAULT_OF_SHARDS)})
    return settings.model_copy(update={"models": models})


def train_pooled(settings: Settings, shard: Shard) -> Result:
    """Predict all wells by the models that all wells share."""
    models = [model for model in settings.models.use if is_pooled(model)]
    return _evaluate(settings, shard, models, {})


def evaluate_shard(settings: Settings, shard: Shard) -> Result:
    """Evaluate the wells of a shard; predictions of pooled models are read."""
    models = [model for model in settings.models.use if not is_pooled(model)]
    pooled = [model for model in settings.models.use if is_pooled(model)]
    return _evaluate(settings, shard, models, _read_pooled(shard, pooled) if pooled else {})


def _evaluate(
    settings: Settings, shard: Shard, models: Sequence[str], pooled: Mapping[str, xr.DataArray]
) -> Result:
    arguments = evaluation_arguments(settings, models)
    arguments["workers"] = networks_at_once(settings)

    def work(observations: xr.Dataset) -> Result:
        observations, split = prepare(observations, settings)
        evaluation = whole.evaluate(
            observations,
            split=split,
            **arguments,
            precomputed={name: _on_axes(level, observations) for name, level in pooled.items()},
            out=shard.folder,
            figures=0,
        )
        return run_result(evaluation, evaluation.predictions)

    return on_wells(settings, shard, work)


def _read_pooled(shard: Shard, models: Sequence[str]) -> dict[str, xr.DataArray]:
    """Return what pooled models predict for the wells of a shard; nothing if they failed."""
    path = shard.folder.parent / f"{POOLED}-00000" / "predictions.nc"
    if not path.exists():
        return {}
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        wells = [well for well in shard.wells if well in stored[schema.WELL].values]
        level = stored[schema.LEVEL].sel({schema.WELL: wells}).load()
    there = [model for model in models if model in level[schema.MODEL].values]
    return {model: level.sel({schema.MODEL: model}, drop=True) for model in there}


def _on_axes(level: xr.DataArray, observations: xr.Dataset) -> Prediction:
    """Return a prediction on the wells and times of observations, NaN where there is none."""
    placed = level.reindex({name: observations[name].values for name in (schema.WELL, schema.TIME)})
    return Prediction(placed, pd.DataFrame(columns=HISTORY_COLUMNS), wells_without_values(placed))


def _join(run: ShardedRun) -> Evaluation:
    """Join tables and predictions of the shards in the folder of the run."""
    with run.watch("join"):
        paths = run.join_tables(whole.TABLES, also_pooled="history.csv")
        with run.joined("predictions.nc", fill={"fitted_through": ""}) as predictions:
            written = files.write_predictions(predictions, run.folder / "predictions.nc")
        paths["predictions.nc"] = written
        paths |= run.copy_predictions()
    return Evaluation(
        predictions=xr.open_dataset(paths["predictions.nc"], engine="h5netcdf"),
        scores=read_table(paths["scores.csv"]),
        history=read_table(paths["history.csv"]),
        findings=read_table(paths["findings.csv"]),
        outcomes=run.outcomes(),
        split=Split.from_frame(run.rows("split")),
        seconds=run.seconds(),
        coverage=read_table(paths["coverage.csv"]),
        paths=paths,
        baseline=run.settings.models.baseline,
    )


def _draw(
    evaluation: Evaluation, folder: Path, observations: xr.Dataset, wells: int
) -> dict[str, Path]:
    """Draw the scores of all wells, and the first wells."""
    kept = {schema.WELL: observations[schema.WELL].values}
    predictions = evaluation.predictions.sel(kept).load()
    predictions = predictions.reindex({schema.TIME: observations[schema.TIME].values})
    shown = replace(evaluation, predictions=predictions)
    return draw_evaluation(shown, observations, folder=folder, wells=wells)


TABLES = ("scores_by_lead.csv", "coverage.csv", "status.csv", "crossings.csv")


def backtest(settings: Settings, *, progress: Progress | None = None) -> Backtest:
    """Backtest in shards, over Dask if requested, and join the results.

    The shards are read once for their periods, which give the issue times that all wells share.
    Reliability and the best baseline are computed over all wells. An interrupted run resumes if it
    is started again with the same settings and data.

    Returns
    -------
    Backtest
        As of :func:`gwforecast.runs.backtest.backtest`; the hindcasts are read from their file when
        they are used.

    Raises
    ------
    ImportError
        If Dask is not installed.
    ValueError
        If a requested model is one that all wells share.
    RuntimeError
        If no shard gave a result.
    """
    refuse_pooled(settings.backtest.models, "A backtest")
    with files.own_folder(settings.backtest.folder):
        run = ShardedRun.begin(settings, settings.backtest.folder, settings.backtest.models)
        origins = _origins(settings, run.map(read_periods, "periods"))
        times = tuple(map(str, origins.issue_times))
        task = partial(backtest_shard, issue_times=times, horizon=origins.horizon)
        run.ended.extend(run.map(task, "backtest", progress=progress))
        result = _join_backtest(run, origins)
        run.finish(
            result,
            result.hindcasts[schema.WELL].values,
            draw=partial(_draw_backtest, result, run.folder),
            setup={},
            details=rolling.describe(result),
        )
        return result


def read_periods(settings: Settings, shard: Shard) -> Result:
    """Return time axis, periods and last weather of the wells of a shard."""

    def work(observations: xr.Dataset) -> Result:
        observations, split = prepare(observations, settings)
        split = split_wells(observations)[0] if split is None else split
        times = observations[schema.TIME].values
        if split.start("test").isnull().all():
            return {}
        weather = rolling.last_covariate_step(observations)
        return {
            "frequency": timeline.infer_frequency(times),
            "axis": [_text(times[0]), _text(times[-1])],
            "weather": [] if weather is None else [_text(weather)],
            "split": split.to_frame().to_dict("records"),
        }

    return on_wells(settings, shard, work)


def _text(time: np.datetime64) -> str:
    return str(timeline.to_times([time])[0])


def backtest_shard(
    settings: Settings, shard: Shard, *, issue_times: Sequence[str], horizon: int
) -> Result:
    """Backtest the wells of a shard at the issue times of all wells."""
    arguments = backtest_arguments(settings) | {"workers": networks_at_once(settings)}

    def work(observations: xr.Dataset) -> Result:
        observations, split = prepare(observations, settings)
        times = timeline.to_times(issue_times)
        result = rolling.backtest(
            observations,
            split=split,
            **arguments,
            horizon=horizon,
            issue_times=times[np.isin(times, observations[schema.TIME].values)],
            out=shard.folder,
            figures=0,
        )
        missing = {"without_status": result.status_forecast.missing}
        return run_result(result, result.hindcasts) | missing

    return on_wells(settings, shard, work)


def _origins(settings: Settings, outcomes: Sequence[ShardOutcome]) -> Origins:
    """Return the issue times that a single run over all wells would have."""
    wanted = settings.backtest
    found = [outcome.result for outcome in outcomes if outcome.result and "split" in outcome.result]
    if not found:
        reasons = [outcome.reason for outcome in outcomes if outcome.reason]
        raise RuntimeError(
            "A backtest needs one well with a test period. Received none. "
            f"{reasons[0] if reasons else 'No shard has one.'}"
        )
    frequencies = sorted({str(one["frequency"]) for one in found})
    if len(frequencies) > 1:
        raise schema.SchemaError(
            f"Wells of one backtest share their time step. Received {frequencies}. Bring them to "
            "one frequency, or backtest them separately."
        )
    split = Split.from_frame(rows_of(outcomes, "split"))
    edges = timeline.to_times([time for one in found for time in cast("list[str]", one["axis"])])
    times = timeline.regular_times(edges.min(), edges.max(), frequencies[0])
    axes = xr.Dataset(coords={schema.WELL: split.bounds[schema.WELL], schema.TIME: times})
    weather = [np.datetime64(time) for one in found for time in cast("list[str]", one["weather"])]
    return rolling.make_origins(
        axes, split, weather=max(weather, default=None), horizon=wanted.horizon,
        stride=wanted.stride, start=wanted.start, end=wanted.end, forcing=wanted.forcing,
        refit_every=wanted.refit_every, sliding=wanted.sliding,
    )  # fmt: skip


def _join_backtest(run: ShardedRun, origins: Origins) -> Backtest:
    """Join tables and hindcasts of the shards in the folder of the run."""
    folder = run.folder
    with run.watch("join"):
        paths = run.join_tables(TABLES)
        with run.joined("hindcasts.nc") as hindcasts:
            timed = hindcasts.assign_coords({schema.VALID_TIME: _valid_times(run)})
            paths["hindcasts.nc"] = files.write_hindcasts(timed, folder / "hindcasts.nc")
    with run.watch("score"):
        verification = replace(
            _verify(run, read_table(paths["scores_by_lead.csv"])),
            coverage=read_table(paths["coverage.csv"]),
        )
        for name in ("comparison", "reliability"):
            path = folder / f"{name}.csv"
            paths[path.name] = files.write_table(getattr(verification, name), path)
    return Backtest(
        xr.open_dataset(paths["hindcasts.nc"], engine="h5netcdf"),
        verification,
        run.outcomes(),
        Split.from_frame(run.rows("split")),
        origins,
        run.seconds(),
        _status_forecast(run, paths),
        paths,
    )


def _status_forecast(run: ShardedRun, paths: Mapping[str, Path]) -> StatusForecast:
    status, crossings = (
        read_table(paths[name]) if name in paths else pd.DataFrame()
        for name in ("status.csv", "crossings.csv")
    )
    missing: dict[str, str] = {}
    for outcome in run.complete:
        missing |= cast("dict[str, str]", (outcome.result or {})["without_status"])
    return StatusForecast(status, crossings, missing)


def _valid_times(run: ShardedRun) -> xr.DataArray:
    """Return the valid time of each issue and lead time of any shard."""
    parts = []
    for outcome in run.complete:
        path = outcome.shard.folder / "hindcasts.nc"
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            parts.append(stored[schema.VALID_TIME].load().drop_vars(schema.VALID_TIME))
    return reduce(lambda one, other: one.combine_first(other), parts)


def _by_shard(run: ShardedRun) -> Iterator[tuple[xr.Dataset, xr.Dataset, Split]]:
    """Yield hindcasts, observations and periods of each shard."""
    for outcome in run.complete:
        observations = run.observations_of(outcome.shard.wells)
        if observations is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the workers have reported these
            observations, _ = prepare(observations, run.settings)
        path = outcome.shard.folder / "hindcasts.nc"
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            hindcasts = stored.load()
        there = hindcasts[schema.WELL].values
        split = Split.from_frame(rows_of([outcome], "split"))
        yield hindcasts, observations.sel({schema.WELL: there}), split


def _verify(run: ShardedRun, scores: pd.DataFrame) -> Verification:
    """Compute over all wells what shards cannot: test of the best baseline, and reliability."""
    pair = models_to_compare(scores)
    compared, counts, event = [], [], ""
    for hindcasts, observations, split in _by_shard(run):
        scored = observations.assign({schema.LEVEL: split.levels(observations, "test")})
        if pair is not None and set(pair) <= set(hindcasts[schema.MODEL].values):
            compared.append(compare(hindcasts, scored, model=pair[0], baseline=pair[1]))
        threshold = run.settings.backtest.threshold
        limit, named = event_limit(hindcasts, observations, split, threshold)
        if limit is not None:
            counts.append(reliability_counts(hindcasts, scored, limit))
        event = named if limit is not None or not event else event
    reliability = pd.DataFrame()
    if counts:
        block = max(one.attrs["block"] for one in counts)
        joined = xr.concat(counts, "shard", join="outer", fill_value=0.0)
        reliability = reliability_of_counts(joined.sum("shard").assign_attrs(block=block))
    comparison = pd.concat(compared, ignore_index=True) if compared else pd.DataFrame()
    return Verification(scores, comparison, reliability, event)


def _draw_backtest(
    result: Backtest, folder: Path, observations: xr.Dataset, wells: int
) -> dict[str, Path]:
    """Draw the scores of all wells, and the first wells."""
    there = result.hindcasts[schema.WELL].values[:wells]
    shown = replace(result, hindcasts=result.hindcasts.sel({schema.WELL: there}).load())
    return draw_backtest(shown, observations, folder=folder)
