"""An evaluation of a network of wells, shard by shard: memory is that of a shard."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.runs import evaluate as whole
from gwforecast.runs import figures as drawing
from gwforecast.runs import files
from gwforecast.runs.catalogue import BLEND, import_tensorflow, is_pooled
from gwforecast.runs.files import Stopwatch, write_text
from gwforecast.runs.inputs import files_of, prepare
from gwforecast.runs.out_of_sample import HISTORY_COLUMNS, Prediction
from gwforecast.runs.results import Evaluation
from gwforecast.sequences.split import Split
from gwforecast.service.inputs import read_wells, requested_wells
from gwforecast.shards import join
from gwforecast.shards.join import (
    about_cluster,
    absolute,
    models_of,
    outcomes_of,
    read_csv,
    read_shard,
    rows_of,
    seconds_of,
    told_of,
    warn_for,
    workers_of,
)
from gwforecast.shards.map import SHARDS, Result, Shard, ShardOutcome, partition, run_shards

__all__ = ["evaluate", "evaluate_shard"]


TABLES = ("scores.csv", "choice.csv", "findings.csv", "history.csv")


def evaluate(settings: Settings, *, progress: Progress | None = None) -> Evaluation:
    """Evaluate in shards, over Dask where that is asked for, and join the results.

    Global models are trained first, at all wells together, by one worker. Broken off, a run with
    the same settings and data goes on where it was.

    Parameters
    ----------
    settings : Settings
        Those of a configuration.
    progress : Progress, optional
        Told of wells done.

    Returns
    -------
    Evaluation
        As of :func:`gwforecast.runs.evaluate.evaluate`; the predictions are read from their file
        when
        they are used.

    Raises
    ------
    ImportError
        If Dask is not installed.
    RuntimeError
        If no shard gave a result.
    """
    join.require_dask()
    watch = Stopwatch()
    folder = settings.output.folder
    wells = requested_wells(settings.data)
    work = (folder / SHARDS).absolute()
    placed = absolute(settings)  # workers may run in another folder
    (folder / "run.json").unlink(missing_ok=True)
    size = settings.cluster.size
    use = settings.models.use
    local = [model for model in use if not is_pooled(model)]
    done: list[ShardOutcome] = []
    with watch("shards"):
        if len(local) < len(use):
            whole = partition(wells, size=len(wells), folder=work, settings=placed, purpose="all")
            done += run_shards(train_pooled, placed, whole, progress=progress)
        purpose = "evaluate"
        shards = partition(wells, size=size, folder=work, settings=placed, purpose=purpose)
        ended = run_shards(evaluate_shard, placed, shards, progress=progress)
    evaluation = _join(settings, ended, done, watch)
    if all(outcome.result is not None for outcome in ended):
        shutil.rmtree(work)
    return evaluation


def train_pooled(settings: Settings, shard: Shard) -> Result:
    """Predict all wells by the models that all wells share."""
    models = [model for model in settings.models.use if is_pooled(model)]
    return _run(settings, shard, models, {})


def evaluate_shard(settings: Settings, shard: Shard) -> Result:
    """Evaluate the wells of a shard, by all models or with those that were trained at all wells."""
    models = [model for model in settings.models.use if not is_pooled(model)]
    made = {}
    if len(models) < len(settings.models.use):
        made = _read_pooled(shard, settings)
    return _run(settings, shard, models, made)


def _run(
    settings: Settings, shard: Shard, models: Sequence[str], made: Mapping[str, Prediction]
) -> Result:
    import_tensorflow(settings.models.use)
    intake, told = read_shard(settings, shard)
    rows = [
        (model, well, "failed", reason)
        for model in settings.models.use
        for well, (_, reason) in intake.refused.items()
    ]
    if intake.observations is None:
        return {"outcomes": rows, "split": [], "seconds": {}, "warnings": told, "models": []}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        observations, split = prepare(intake.observations, settings)
        chosen = settings.models
        evaluation = whole.evaluate(
            observations,
            split=split,
            models=models,
            settings={name: settings.of_model(name) for name in models},
            baseline=chosen.baseline,
            seed=chosen.seed,
            members=chosen.members,
            workers=workers_of(settings),
            leave_wells_out=chosen.leave_wells_out,
            precomputed=_of_wells(made, observations),
            out=shard.folder,
            figures=0,
        )
    told += told_of(caught)
    return {
        "outcomes": [*evaluation.outcomes.itertuples(index=False, name=None), *rows],
        "split": evaluation.split.to_frame().to_dict("records"),
        "seconds": evaluation.seconds,
        "warnings": sorted(set(told)),
        "models": [str(model) for model in evaluation.predictions[schema.MODEL].values],
    }


def _read_pooled(shard: Shard, settings: Settings) -> dict[str, Prediction]:
    """Return what the models of all wells predict for those of a shard."""
    folder = shard.folder.parent / "all-00000"
    if not (folder / "predictions.nc").exists():
        return {}  # they failed, which the run reports
    with xr.open_dataset(folder / "predictions.nc", engine="h5netcdf") as stored:
        there = [well for well in shard.wells if well in stored[schema.WELL].values]
        level = stored[schema.LEVEL].sel({schema.WELL: there}).load()
    none = pd.DataFrame(columns=HISTORY_COLUMNS)
    pooled = [model for model in settings.models.use if is_pooled(model)]
    return {
        model: Prediction(level.sel({schema.MODEL: model}, drop=True), none)
        for model in pooled
        if model in level[schema.MODEL].values
    }


def _of_wells(made: Mapping[str, Prediction], observations: xr.Dataset) -> dict[str, Prediction]:
    """Return predictions on the axis of the wells that could be read."""
    axes = {name: observations[name].values for name in (schema.WELL, schema.TIME)}
    placed = {}
    for model, one in made.items():
        level = one.level.reindex(axes)
        empty = level.isnull().all([schema.TIME, schema.QUANTILE]).values
        failed = {str(w): "no prediction is finite" for w in axes[schema.WELL][empty]}
        placed[model] = Prediction(level, one.history, failed)
    return placed


def _join(
    settings: Settings,
    ended: Sequence[ShardOutcome],
    pooled: Sequence[ShardOutcome],
    watch: Stopwatch,
) -> Evaluation:
    """Join tables and predictions of the shards in the folder of the run."""
    folder = settings.output.folder
    whole = [outcome for outcome in ended if outcome.result and outcome.result["models"]]
    if not whole:
        reasons = [outcome.reason for outcome in ended if outcome.reason] or ["no well was read"]
        raise RuntimeError(
            f"A run needs one shard that gives a result. Received none. {reasons[0]}"
        )
    sources = [outcome.shard.folder for outcome in whole]
    paths: dict[str, Path] = {}
    with watch("join"):
        for name in TABLES:
            of_all = [o.shard.folder for o in pooled if o.result] if name == "history.csv" else []
            tables = [source / name for source in [*of_all, *sources]]
            paths[name] = join.join_tables(tables, folder / name)
        fields = [source / "predictions.nc" for source in sources]
        order = [*settings.models.use, BLEND]
        with join.joined_fields(fields, models=order, fill={"fitted_through": ""}) as predictions:
            written = files.write_predictions(predictions, folder / "predictions.nc")
        paths["predictions.nc"] = written
        parts = [(outcome.shard.folder, outcome.shard.wells) for outcome in whole]
        paths |= {name: folder / name for name in join.copy_files(parts, folder)}
    evaluation = Evaluation(
        predictions=xr.open_dataset(paths["predictions.nc"], engine="h5netcdf"),
        scores=read_csv(paths["scores.csv"]),
        history=read_csv(paths["history.csv"]),
        findings=read_csv(paths["findings.csv"]),
        outcomes=outcomes_of([*pooled, *ended], settings.models.use),
        split=Split.from_frame(rows_of(whole, "split")),
        seconds=watch.seconds | seconds_of([*pooled, *ended]),
        paths=paths,
    )
    _finish(settings, evaluation, [*pooled, *ended], watch)
    return evaluation


def _finish(
    settings: Settings,
    evaluation: Evaluation,
    ended: Sequence[ShardOutcome],
    watch: Stopwatch,
) -> None:
    """Draw, tell what the workers warned of, and write ``run.json`` last."""
    folder = settings.output.folder
    with watch("draw"):
        evaluation.paths.update(_draw(settings, evaluation))
    told = warn_for(ended, stacklevel=5)
    content = {
        "started": watch.started,
        "finished": watch.moment(),
        "versions": files.versions(),
        "cores": os.cpu_count(),
        "cluster": about_cluster(settings, ended),
        "baseline": settings.models.baseline,
        "models": models_of(ended),
        "inputs": files.file_checksums(files_of(settings.data)),
        "split": evaluation.split.to_frame().to_dict("records"),
        "outcomes": evaluation.outcomes.to_dict("records"),
        "warnings": told,
        "seconds": evaluation.seconds,
        "outputs": [*evaluation.paths, "run.json"],
    }
    evaluation.paths["run.json"] = write_text(folder / "run.json", files.dump_json(content))


def _draw(settings: Settings, evaluation: Evaluation) -> dict[str, Path]:
    """Draw the scores of the network, and the first wells."""
    number = settings.output.figures
    there = [str(well) for well in evaluation.predictions[schema.WELL].values]
    if not number:
        return {}
    chosen = settings.data.model_copy(update={"wells": there[:number]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the workers have told of it
        observations = read_wells(chosen).observations
    if observations is None:
        return {}
    kept = {schema.WELL: observations[schema.WELL].values}
    predictions = evaluation.predictions.sel(kept).load()
    shown = Evaluation(
        predictions.reindex({schema.TIME: observations[schema.TIME].values}),
        evaluation.scores,
        evaluation.history,
        evaluation.findings,
        evaluation.outcomes,
        evaluation.split,
        evaluation.seconds,
    )
    return drawing.draw_all(shown, observations, folder=settings.output.folder, wells=number)
