"""An evaluation of a network of wells, shard by shard: memory is that of a shard."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.models.base import Progress
from gwforecast.ops import figures as drawing
from gwforecast.ops import gather, outputs, record, run
from gwforecast.ops.atomic import write_text
from gwforecast.ops.cluster import ShardOutcome, run_shards
from gwforecast.ops.config import Settings
from gwforecast.ops.forecasters import BLEND, POOLED, import_models
from gwforecast.ops.intake import Intake, read_each, wells_of
from gwforecast.ops.jobs import files_of, prepare
from gwforecast.ops.run import Evaluation
from gwforecast.ops.shards import Result, Shard, partition
from gwforecast.ops.stitch import HISTORY_COLUMNS, OUTCOME_COLUMNS, Predicted
from gwforecast.sequences.split import Split

__all__ = ["evaluate", "evaluate_shard"]

SHARD = 50  # wells, by default
SHARDS = "shards"
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
        As of :func:`gwforecast.ops.run.evaluate`; the predictions are read from their file when
        they are used.

    Raises
    ------
    RuntimeError
        If no shard gave a result.
    """
    watch = run.Stopwatch()
    folder = settings.output.folder
    wells = settings.data.wells or wells_of(settings.data)
    work = (folder / SHARDS).absolute()
    placed = _absolute(settings)  # workers may run in another folder
    (folder / "run.json").unlink(missing_ok=True)
    size = settings.cluster.shard or SHARD
    use = settings.models.use
    local = [model for model in use if model not in POOLED]
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


def _absolute(settings: Settings) -> Settings:
    """Return settings with files named from the root; tables of a database keep their names."""
    data = settings.data
    if data.database is None:
        paths = {name: getattr(data, name) for name in ("levels", "covariates", "attributes")}
        data = data.model_copy(update={n: p.absolute() for n, p in paths.items() if p is not None})
    return settings.model_copy(update={"data": data})


def train_pooled(settings: Settings, shard: Shard) -> Result:
    """Predict all wells by the models that all wells share."""
    models = [model for model in settings.models.use if model in POOLED]
    return _run(settings, shard, models, {})


def evaluate_shard(settings: Settings, shard: Shard) -> Result:
    """Evaluate the wells of a shard, by all models or with those that were trained at all wells."""
    models = [model for model in settings.models.use if model not in POOLED]
    made = {}
    if len(models) < len(settings.models.use):
        made = _read_pooled(shard, settings)
    return _run(settings, shard, models, made)


def _run(
    settings: Settings, shard: Shard, models: Sequence[str], made: Mapping[str, Predicted]
) -> Result:
    import_models(settings.models.use)
    intake, told = _read(settings, shard)
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
        evaluation = run.evaluate(
            observations,
            split=split,
            models=models,
            settings={name: settings.of_model(name) for name in models},
            baseline=chosen.baseline,
            seed=chosen.seed,
            members=chosen.members,
            workers=chosen.workers or (1 if settings.cluster.dask == "local" else None),
            leave_wells_out=chosen.leave_wells_out,
            made=_of_wells(made, observations),
            out=shard.folder,
            figures=0,
        )
    told += _told(caught)
    return {
        "outcomes": [*evaluation.outcomes.itertuples(index=False, name=None), *rows],
        "split": evaluation.split.to_frame().to_dict("records"),
        "seconds": evaluation.seconds,
        "warnings": sorted(set(told)),
        "models": [str(model) for model in evaluation.predictions[schema.MODEL].values],
    }


def _read(settings: Settings, shard: Shard) -> tuple[Intake, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        intake = read_each(settings.data.model_copy(update={"wells": list(shard.wells)}))
    return intake, _told(caught)


def _told(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    return [str(one.message) for one in caught if issubclass(one.category, UserWarning)]


def _read_pooled(shard: Shard, settings: Settings) -> dict[str, Predicted]:
    """Return what the models of all wells predict for those of a shard."""
    folder = shard.folder.parent / "all-00000"
    if not (folder / "predictions.nc").exists():
        return {}  # they failed, which the run reports
    with xr.open_dataset(folder / "predictions.nc", engine="h5netcdf") as stored:
        there = [well for well in shard.wells if well in stored[schema.WELL].values]
        level = stored[schema.LEVEL].sel({schema.WELL: there}).load()
    none = pd.DataFrame(columns=HISTORY_COLUMNS)
    pooled = [model for model in settings.models.use if model in POOLED]
    return {
        model: Predicted(level.sel({schema.MODEL: model}, drop=True), none)
        for model in pooled
        if model in level[schema.MODEL].values
    }


def _of_wells(made: Mapping[str, Predicted], observations: xr.Dataset) -> dict[str, Predicted]:
    """Return predictions on the axis of the wells that could be read."""
    axes = {name: observations[name].values for name in (schema.WELL, schema.TIME)}
    placed = {}
    for model, one in made.items():
        level = one.level.reindex(axes)
        empty = level.isnull().all([schema.TIME, schema.QUANTILE]).values
        failed = {str(w): "no prediction is finite" for w in axes[schema.WELL][empty]}
        placed[model] = Predicted(level, one.history, failed)
    return placed


def _join(
    settings: Settings,
    ended: Sequence[ShardOutcome],
    pooled: Sequence[ShardOutcome],
    watch: run.Stopwatch,
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
            paths[name] = gather.join_tables(tables, folder / name)
        fields = [source / "predictions.nc" for source in sources]
        order = [*settings.models.use, BLEND]
        with gather.joined_fields(fields, models=order, fill={"fitted_through": ""}) as predictions:
            written = outputs.write_predictions(predictions, folder / "predictions.nc")
        paths["predictions.nc"] = written
        parts = [(outcome.shard.folder, outcome.shard.wells) for outcome in whole]
        paths |= {name: folder / name for name in gather.copy_files(parts, folder)}
    evaluation = Evaluation(
        predictions=xr.open_dataset(paths["predictions.nc"], engine="h5netcdf"),
        scores=_table(paths["scores.csv"]),
        history=_table(paths["history.csv"]),
        findings=_table(paths["findings.csv"]),
        outcomes=_outcomes([*pooled, *ended], settings),
        split=Split.from_frame(_rows(whole, "split")),
        seconds=watch.seconds | _seconds([*pooled, *ended]),
        paths=paths,
    )
    _finish(settings, evaluation, [*pooled, *ended], watch)
    return evaluation


def _finish(
    settings: Settings,
    evaluation: Evaluation,
    ended: Sequence[ShardOutcome],
    watch: run.Stopwatch,
) -> None:
    """Draw, tell what the workers warned of, and write ``run.json`` last."""
    folder = settings.output.folder
    with watch("draw"):
        evaluation.paths.update(_draw(settings, evaluation))
    told = sorted({str(text) for o in ended if o.result for text in _list(o.result["warnings"])})
    if told:
        more = f" There are {len(told) - 1} more in run.json." if len(told) > 1 else ""
        warnings.warn(f"Workers warned: {told[0]}{more}", stacklevel=5)
    models: dict[str, object] = {}
    for outcome in ended:
        described = outcome.shard.folder / "run.json"
        if outcome.result and described.exists():
            models = record.load_json(described)["models"] | models
    content = {
        "started": watch.started,
        "finished": watch.moment(),
        "versions": record.versions(),
        "cores": os.cpu_count(),
        "cluster": {
            **settings.cluster.model_dump(),
            "shards": len(ended),
            "failed": [o.shard.folder.name for o in ended if o.result is None],
        },
        "baseline": settings.models.baseline,
        "models": models,
        "inputs": record.file_checksums(files_of(settings.data)),
        "split": evaluation.split.to_frame().to_dict("records"),
        "outcomes": evaluation.outcomes.to_dict("records"),
        "warnings": told,
        "seconds": evaluation.seconds,
        "outputs": [*evaluation.paths, "run.json"],
    }
    evaluation.paths["run.json"] = write_text(folder / "run.json", record.dump_json(content))


def _draw(settings: Settings, evaluation: Evaluation) -> dict[str, Path]:
    """Draw the scores of the network, and the first wells."""
    number = settings.output.figures
    there = [str(well) for well in evaluation.predictions[schema.WELL].values]
    if not number:
        return {}
    chosen = settings.data.model_copy(update={"wells": there[:number]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the workers have told of it
        observations = read_each(chosen).observations
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


def _outcomes(ended: Sequence[ShardOutcome], settings: Settings) -> pd.DataFrame:
    """Return what became of each model and well, those of shards that failed among them."""
    rows: dict[tuple[str, str], tuple[str, str]] = {}
    for outcome in ended:
        if outcome.result is None:
            pooled = outcome.shard.folder.name.startswith("all-")
            models = [m for m in settings.models.use if (m in POOLED) == pooled]
            reason = f"the shard failed: {outcome.reason}"
            for model in models:
                rows |= {(model, well): ("failed", reason) for well in outcome.shard.wells}
        else:
            for model, well, status, reason in _list(outcome.result["outcomes"]):
                rows[model, well] = (status, reason)
    table = [(*names, *what) for names, what in rows.items()]
    return pd.DataFrame(table, columns=OUTCOME_COLUMNS)


def _rows(ended: Sequence[ShardOutcome], name: str) -> pd.DataFrame:
    return pd.DataFrame([row for o in ended if o.result for row in _list(o.result[name])])


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value)


def _seconds(ended: Sequence[ShardOutcome]) -> dict[str, float]:
    """Return the seconds of each stage, added up over the workers."""
    total: dict[str, float] = {}
    for outcome in ended:
        given = cast("dict[str, float]", (outcome.result or {}).get("seconds", {}))
        for stage, seconds in given.items():
            total[stage] = round(total.get(stage, 0.0) + seconds, 3)
    return total


def _table(path: Path) -> pd.DataFrame:
    if not path.stat().st_size:
        return pd.DataFrame()
    return pd.read_csv(path, dtype=dict.fromkeys(("model", "well", "metric", "period"), str))
