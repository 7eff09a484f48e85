"""A backtest of a network of wells, shard by shard: memory is that of a shard."""

from __future__ import annotations

import os
import shutil
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
from gwforecast.forcings.scenario import make_forcing
from gwforecast.progress import Progress
from gwforecast.runs import backtest as rolling
from gwforecast.runs import files
from gwforecast.runs.backtest_outputs import describe_origins, draw_backtest, write_hindcasts
from gwforecast.runs.catalogue import BLEND, import_tensorflow
from gwforecast.runs.evaluate import split_wells
from gwforecast.runs.files import Stopwatch, write_table, write_text
from gwforecast.runs.inputs import files_of, prepare
from gwforecast.runs.judgement import event_of, rivals
from gwforecast.runs.results import Backtest, Judgement, Origins, Outlook
from gwforecast.sequences.split import Split
from gwforecast.service.inputs import requested_wells
from gwforecast.shards import join
from gwforecast.shards.map import SHARDS, Result, Shard, ShardOutcome, partition, run_shards
from gwforecast.verification.events import reliability_counts, reliability_of_counts
from gwforecast.verification.significance import compare

__all__ = ["backtest", "backtest_shard", "read_periods"]


TABLES = ("scores_by_lead.csv", "status.csv", "crossings.csv")


def backtest(settings: Settings, *, progress: Progress | None = None) -> Backtest:
    """Backtest in shards, over Dask where that is asked for, and join the results.

    The shards are read once for their periods, from which the issue times follow that serve all
    wells. What is said over all wells (reliability, the best baseline) is said of all. Broken off,
    a run with the same settings and data goes on where it was.

    Parameters
    ----------
    settings : Settings
        Those of a configuration.
    progress : Progress, optional
        Told of wells done.

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
        If a model is asked for that all wells share.
    RuntimeError
        If no shard gave a result.
    """
    join.require_dask()
    join.refuse_pooled(settings.backtest.models, "A backtest")
    watch = Stopwatch()
    folder = settings.backtest.folder
    wells = requested_wells(settings.data)
    work = (folder / SHARDS).absolute()
    placed = join.absolute(settings)  # workers may run in another folder
    (folder / "run.json").unlink(missing_ok=True)
    size = settings.cluster.size
    with watch("shards"):
        looked = partition(wells, size=size, folder=work, settings=placed, purpose="periods")
        origins = _origins(settings, run_shards(read_periods, placed, looked))
        times = tuple(map(str, origins.issue_times))
        task = partial(backtest_shard, issue_times=times, horizon=origins.horizon)
        shards = partition(wells, size=size, folder=work, settings=placed, purpose="backtest")
        ended = run_shards(task, placed, shards, progress=progress)
    result = _join(settings, placed, ended, origins, watch)
    if all(outcome.result is not None for outcome in ended):
        shutil.rmtree(work)
    return result


def read_periods(settings: Settings, shard: Shard) -> Result:
    """Return axis and test period of the wells of a shard."""
    intake, _ = join.read_shard(settings, shard)
    if intake.observations is None:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told of when the work is done
        observations, split = prepare(intake.observations, settings)
        split = split_wells(observations)[0] if split is None else split
    times = observations[schema.TIME].values
    first, last = (
        moments[~np.isnat(moments)]
        for moments in (split.start("test").values, split.end("test").values)
    )
    if not first.size:
        return {}
    moments = {"begin": times[0], "end": times[-1], "first": first.min(), "last": last.max()}
    named: Result = {name: str(timeline.to_times([t])[0]) for name, t in moments.items()}
    weather = rolling.last_weather(observations)
    named["weather"] = None if weather is None else str(timeline.to_times([weather])[0])
    return named | {"frequency": timeline.infer_frequency(times)}


def backtest_shard(
    settings: Settings, shard: Shard, *, issue_times: Sequence[str], horizon: int
) -> Result:
    """Backtest the wells of a shard at the issue times of the network."""
    import_tensorflow(settings.backtest.models)
    intake, told = join.read_shard(settings, shard)
    rows = [
        (model, well, "failed", reason)
        for model in settings.backtest.models
        for well, (_, reason) in intake.refused.items()
    ]
    if intake.observations is None:
        return {"outcomes": rows, "split": [], "seconds": {}, "warnings": told, "models": []}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        observations, split = prepare(intake.observations, settings)
        times = timeline.to_times(issue_times)
        times = times[np.isin(times, observations[schema.TIME].values)]
        result = _run(settings, observations, split, times, horizon, shard.folder)
    return {
        "outcomes": [*result.outcomes.itertuples(index=False, name=None), *rows],
        "split": result.split.to_frame().to_dict("records"),
        "seconds": result.seconds,
        "warnings": sorted({*told, *join.told_of(caught)}),
        "models": [str(model) for model in result.hindcasts[schema.MODEL].values],
        "without_status": result.outlook.without,
    }


def _run(
    settings: Settings,
    observations: xr.Dataset,
    split: Split | None,
    issue_times: np.ndarray,
    horizon: int,
    folder: Path,
) -> Backtest:
    wanted, chosen = settings.backtest, settings.models
    return rolling.backtest(
        observations,
        split=split,
        models=wanted.models,
        settings={name: settings.of_model(name) for name in wanted.models},
        forcing=wanted.forcing,
        horizon=horizon,
        issue_times=issue_times,
        refit_every=wanted.refit_every,
        sliding=wanted.sliding,
        threshold=wanted.threshold,
        seed=chosen.seed,
        members=chosen.members,
        workers=join.workers_of(settings),
        out=folder,
        figures=0,
    )


def _origins(settings: Settings, looked: Sequence[ShardOutcome]) -> Origins:
    """Return the issue times that one run over all wells would have."""
    wanted = settings.backtest
    found = [outcome.result for outcome in looked if outcome.result]
    if not found:
        reasons = [outcome.reason for outcome in looked if outcome.reason]
        raise RuntimeError(
            "A backtest needs one well with a test period. Received none. "
            f"{reasons[0] if reasons else 'No shard has one.'}"
        )
    frequencies = sorted({str(one["frequency"]) for one in found})
    if len(frequencies) > 1:
        raise schema.SchemaError(
            f"Wells of one backtest share their steps. Received {frequencies}. Bring them to one "
            "frequency, or backtest them apart."
        )
    low, high, first, last = (
        pick(np.datetime64(str(one[name])) for one in found)
        for pick, name in ((min, "begin"), (max, "end"), (min, "first"), (max, "last"))
    )
    times = timeline.regular_times(low, high, frequencies[0])
    horizon, stride = rolling.settle_steps(frequencies[0], wanted.horizon, wanted.stride)
    inside = np.zeros(times.size, bool)
    inside[max(int(np.searchsorted(times, first)) - 1, 0) : np.searchsorted(times, last)] = True
    for bound, holds in ((wanted.start, np.greater_equal), (wanted.end, np.less_equal)):
        if bound is not None:
            inside &= holds(times, timeline.to_times([bound])[0])
    issued = times[inside][::stride]
    if not issued.size:
        raise schema.SchemaError(
            "A backtest needs at least one issue time in the test period. Received none between "
            f"{wanted.start} and {wanted.end}. Choose a start and an end within the record."
        )
    weather = [np.datetime64(str(one["weather"])) for one in found if one["weather"]]
    issued = rolling.within_weather(timeline.to_times(issued), max(weather, default=None))
    return Origins(
        issued, horizon=horizon, forcing=make_forcing(wanted.forcing),
        refit_every=wanted.refit_every, sliding=wanted.sliding,
    )  # fmt: skip


def _join(
    settings: Settings,
    placed: Settings,
    ended: Sequence[ShardOutcome],
    origins: Origins,
    watch: Stopwatch,
) -> Backtest:
    folder = settings.backtest.folder
    whole = [outcome for outcome in ended if outcome.result and outcome.result["models"]]
    if not whole:
        reasons = [outcome.reason for outcome in ended if outcome.reason] or ["no well was read"]
        raise RuntimeError(
            f"A run needs one shard that gives a result. Received none. {reasons[0]}"
        )
    with watch("join"):
        paths = _join_files(settings, whole)
    with watch("score"):
        judgement = _judge(placed, whole, join.read_csv(paths["scores_by_lead.csv"]))
        for name in ("comparison", "reliability"):
            path = folder / f"{name}.csv"
            paths[path.name] = write_table(getattr(judgement, name), path)
    result = Backtest(
        xr.open_dataset(paths["hindcasts.nc"], engine="h5netcdf"),
        judgement,
        join.outcomes_of(ended, settings.backtest.models),
        Split.from_frame(join.rows_of(whole, "split")),
        origins,
        watch.seconds | join.seconds_of(ended),
        _outlook(whole, paths),
        paths,
    )
    _finish(settings, placed, result, ended, watch)
    return result


def _join_files(settings: Settings, whole: Sequence[ShardOutcome]) -> dict[str, Path]:
    """Join tables and hindcasts in the folder of the run."""
    folder, paths = settings.backtest.folder, {}
    for name in TABLES:
        sources = [o.shard.folder / name for o in whole if (o.shard.folder / name).exists()]
        if sources:
            paths[name] = join.join_tables(sources, folder / name)
    fields = [outcome.shard.folder / "hindcasts.nc" for outcome in whole]
    order = [*settings.backtest.models, BLEND]
    with join.joined_fields(fields, models=order) as hindcasts:
        timed = hindcasts.assign_coords({schema.VALID_TIME: _valid_times(fields)})
        paths["hindcasts.nc"] = write_hindcasts(timed, folder / "hindcasts.nc")
    return paths


def _outlook(whole: Sequence[ShardOutcome], paths: Mapping[str, Path]) -> Outlook:
    status, crossings = (
        join.read_csv(paths[name]) if name in paths else pd.DataFrame()
        for name in ("status.csv", "crossings.csv")
    )
    without: dict[str, str] = {}
    for outcome in whole:
        without |= cast("dict[str, str]", (outcome.result or {})["without_status"])
    return Outlook(status, crossings, without)


def _valid_times(fields: Sequence[Path]) -> xr.DataArray:
    """Return the valid time of each issue and lead time that a shard has."""
    parts = []
    for path in fields:
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            parts.append(stored[schema.VALID_TIME].load().drop_vars(schema.VALID_TIME))
    return reduce(lambda one, other: one.combine_first(other), parts)


def _each(
    settings: Settings, whole: Sequence[ShardOutcome]
) -> Iterator[tuple[xr.Dataset, xr.Dataset, Split]]:
    """Yield hindcasts, observations and periods of the shards, one after the other."""
    for outcome in whole:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the workers have told of it
            observations = join.read_shard(settings, outcome.shard)[0].observations
            if observations is None:
                continue
            observations, _ = prepare(observations, settings)
        with xr.open_dataset(outcome.shard.folder / "hindcasts.nc", engine="h5netcdf") as stored:
            hindcasts = stored.load()
        there = hindcasts[schema.WELL].values
        split = Split.from_frame(join.rows_of([outcome], "split"))
        yield hindcasts, observations.sel({schema.WELL: there}), split


def _judge(settings: Settings, whole: Sequence[ShardOutcome], scores: pd.DataFrame) -> Judgement:
    """Say over all wells what shards cannot: the best baseline's test, and reliability."""
    pair = rivals(scores)
    compared, counts, event = [], [], ""
    for hindcasts, observations, split in _each(settings, whole):
        scored = observations.assign({schema.LEVEL: split.levels(observations, "test")})
        if pair is not None and set(pair) <= set(hindcasts[schema.MODEL].values):
            compared.append(compare(hindcasts, scored, model=pair[0], baseline=pair[1]))
        limit, named = event_of(hindcasts, observations, split, settings.backtest.threshold)
        if limit is not None:
            counts.append(reliability_counts(hindcasts, scored, limit))
        event = named if limit is not None or not event else event
    reliability = pd.DataFrame()
    if counts:
        block = max(one.attrs["block"] for one in counts)
        joined = xr.concat(counts, "shard", join="outer", fill_value=0.0)
        reliability = reliability_of_counts(joined.sum("shard").assign_attrs(block=block))
    comparison = pd.concat(compared, ignore_index=True) if compared else pd.DataFrame()
    return Judgement(scores, comparison, reliability, event)


def _finish(
    settings: Settings,
    placed: Settings,
    result: Backtest,
    ended: Sequence[ShardOutcome],
    watch: Stopwatch,
) -> None:
    """Draw the first wells, tell what the workers warned of, and write ``run.json`` last."""
    folder, number = settings.backtest.folder, settings.output.figures
    with watch("draw"):
        if number:
            result.paths.update(_draw(placed, result, number, folder))
    told = join.warn_for(ended, stacklevel=5)
    content = {
        "started": watch.started,
        "finished": watch.moment(),
        "versions": files.versions(),
        "cores": os.cpu_count(),
        "cluster": join.about_cluster(settings, ended),
        "models": join.models_of(ended),
        "inputs": files.file_checksums(files_of(settings.data)),
        "origins": describe_origins(result.origins),
        "event": result.judgement.event,
        "without_status": result.outlook.without,
        "split": result.split.to_frame().to_dict("records"),
        "outcomes": result.outcomes.to_dict("records"),
        "warnings": told,
        "seconds": watch.seconds,
        "outputs": [*result.paths, "run.json"],
    }
    result.paths["run.json"] = write_text(folder / "run.json", files.dump_json(content))


def _draw(settings: Settings, result: Backtest, number: int, folder: Path) -> dict[str, Path]:
    there = [str(well) for well in result.hindcasts[schema.WELL].values[:number]]
    chosen = settings.model_copy(update={"data": settings.data.model_copy(update={"wells": there})})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the workers have told of it
        observations = join.read_shard(chosen, Shard(tuple(there), folder, ""))[0].observations
    if observations is None:
        return {}
    shown = replace(result, hindcasts=result.hindcasts.sel({schema.WELL: there}).load())
    return draw_backtest(shown, observations, folder=folder)
