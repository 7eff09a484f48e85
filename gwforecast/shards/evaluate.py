"""An evaluation of many wells in shards, with the memory that one shard needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.runs import evaluate as runs
from gwforecast.runs import files
from gwforecast.runs.catalogue import DEFAULT_MODELS, DEFAULT_OF_SHARDS, is_pooled
from gwforecast.runs.figures import draw_evaluation
from gwforecast.runs.inputs import evaluation_arguments, prepare
from gwforecast.runs.out_of_sample import HISTORY_COLUMNS, Prediction
from gwforecast.runs.outcomes import wells_without_values
from gwforecast.runs.results import Evaluation
from gwforecast.sequences.split import Split
from gwforecast.shards.join import POOLED, ShardedRun, read_table, run_result
from gwforecast.shards.map import Result, Shard, networks_at_once, on_wells

__all__ = ["evaluate", "evaluate_shard", "train_pooled"]


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
        evaluation = runs.evaluate(
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
        paths = run.join_tables(runs.TABLES, also_pooled="history.csv")
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
