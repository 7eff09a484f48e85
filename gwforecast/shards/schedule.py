"""Scheduled runs of many wells in shards, so that only one shard is in memory at a time."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.runs.catalogue import import_tensorflow
from gwforecast.service import train as training
from gwforecast.service.archive import Archive
from gwforecast.service.champions import Champions
from gwforecast.service.inputs import (
    Inputs,
    requested_wells,
    require_observations,
    resolve_issue_time,
)
from gwforecast.service.issue import finish_product, forecast_wells
from gwforecast.service.recipe import recipe_of
from gwforecast.shards import join
from gwforecast.shards.join import read_part, write_part
from gwforecast.shards.map import SHARDS, Result, Shard, ShardOutcome, partition, run_shards

__all__ = ["first_inputs", "forecast_shard", "make_product", "train", "train_shard"]


def first_inputs(settings: Settings) -> Inputs:
    """Return the first shard with a readable well; all wells share its time axis."""
    return _first(join.absolute(settings), requested_wells(settings.data))


def train(
    settings: Settings,
    champions: Champions,
    *,
    through: object = None,
    replace: bool = False,
    update: bool = False,
    now: pd.Timestamp,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train champions in shards, with Dask if requested.

    New champions of a shard take effect as soon as the shard is done. Interrupted runs resume.

    Parameters
    ----------
    settings, through, replace, update, now, progress
        See :func:`gwforecast.service.schedule.train`.
    champions : Champions
        Where the champions are stored.

    Returns
    -------
    pandas.DataFrame
        See :func:`gwforecast.service.train.train`; wells that could not be read and wells of failed
        shards are included.

    Raises
    ------
    ValueError
        If one of the models is fitted to all wells together.
    """
    join.refuse_pooled(settings.schedule.models, "Training")
    placed, wells = join.absolute(settings), requested_wells(settings.data)
    first = _first(placed, wells)
    if first.observations is None:
        return training.refused_rows(first.refused)
    moment = resolve_issue_time(through, first.observations, now)
    task = partial(train_shard, through=str(moment), replace=replace, update=update)
    work = placed.schedule.bundles / SHARDS
    with champions.locked():
        held = champions.table()
        shards = partition(
            wells,
            size=settings.cluster.size,
            folder=work,
            settings=placed,
            purpose="train",
            also=lambda part: [
                str(moment),
                replace,
                update,
                *(asdict(held[w]) for w in part if w in held),
            ],
        )
        ended = run_shards(
            task, placed, shards, progress=progress, ended=partial(_adopt, champions)
        )
        champions.sweep()
        shutil.rmtree(work)
    join.warn_for(ended, stacklevel=3)
    failed = training.refused_rows(_failed(ended, "failed"))
    table = join.rows_of(ended, "rows").reindex(columns=training.COLUMNS)
    parts = [part for part in (table, failed) if len(part)]
    return pd.concat(parts, ignore_index=True)


def train_shard(
    settings: Settings, shard: Shard, *, through: str, replace: bool, update: bool
) -> Result:
    """Train the wells of a shard, and store new champions in the folder of the shard."""
    import_tensorflow(settings.schedule.models)
    inputs, told = join.read_shard(settings, shard)
    table = training.refused_rows(inputs.refused)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if inputs.observations is not None:
            known = training.known_for_training(
                inputs.observations, timeline.to_times([through])[0], settings
            )
            trained = training.train_into(
                Champions(shard.folder),
                known,
                recipe=recipe_of(settings, known, workers=join.workers_of(settings)),
                champions=Champions(settings.schedule.bundles),
                group=settings.schedule.group,
                replace=replace,
                update=update,
            )
            table = pd.concat([part for part in (trained, table) if len(part)], ignore_index=True)
    warned = sorted({*told, *join.told_of(caught)})
    return {"rows": table.to_dict("records"), "warnings": warned}


def make_product(
    settings: Settings, issue_time: object, *, wait: float, now: pd.Timestamp
) -> xr.Dataset:
    """Forecast in shards, with Dask if requested, while holding the lock of the archive.

    Parameters
    ----------
    settings : Settings
        Settings of the configuration file.
    issue_time : time or None
        By default the last complete time step.
    wait : float
        Seconds to wait for another run that holds the lock of the archive.
    now : pandas.Timestamp
        The current time, naive UTC.

    Returns
    -------
    xarray.Dataset
        The forecast of all wells; the status of wells of failed shards is ``"error"``.
    """
    placed, wells = join.absolute(settings), requested_wells(settings.data)
    observations = require_observations(_first(placed, wells), "A forecast")
    moment = resolve_issue_time(issue_time, observations, now)
    with _workplace(placed.schedule.archive, wait) as work:
        shards = partition(
            wells,
            size=settings.cluster.size,
            folder=work,
            settings=placed,
            purpose="forecast",
        )
        ended = run_shards(partial(forecast_shard, issue_time=str(moment)), placed, shards)
        join.warn_for(ended, stacklevel=4)
        done = [outcome for outcome in ended if _sums(outcome)]
        if not done:
            reasons = [outcome.reason for outcome in ended if outcome.reason]
            raise RuntimeError(
                f"A forecast needs at least one shard without an error. Received none. {reasons[0]}"
            )
        return finish_product(
            [read_part(outcome.shard.folder) for outcome in done],
            settings,
            refused=_failed(ended, "error"),
            checksums={well: one for outcome in done for well, one in _sums(outcome).items()},
            frequency=timeline.infer_frequency(observations[schema.TIME].values),
        )


def forecast_shard(settings: Settings, shard: Shard, *, issue_time: str) -> Result:
    """Forecast the wells of a shard into its folder, without TensorFlow."""
    inputs, told = join.read_shard(settings, shard)
    sums: dict[str, str] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if inputs.observations is not None:
            moment = np.datetime64(timeline.to_times([issue_time])[0])
            made, sums = forecast_wells(inputs.observations, moment, settings=settings)
            write_part(made, shard.folder)
    warned = sorted({*told, *join.told_of(caught)})
    return {"refused": inputs.refused, "sums": sums, "warnings": warned}


def _first(placed: Settings, wells: Sequence[str]) -> Inputs:
    size = placed.cluster.size
    refused: dict[str, tuple[str, str]] = {}
    for first in range(0, len(wells), size):
        shard = Shard(tuple(wells[first : first + size]), Path(), "")
        inputs, _ = join.read_shard(placed, shard)
        if inputs.observations is not None:
            return inputs
        refused |= inputs.refused
    return Inputs(None, refused)


def _adopt(champions: Champions, outcome: ShardOutcome) -> None:
    if outcome.result is not None:
        champions.adopt(Champions(outcome.shard.folder))


def _failed(ended: Sequence[ShardOutcome], status: str) -> dict[str, tuple[str, str]]:
    """Return status and reason of wells that could not be read and of wells of failed shards."""
    refused: dict[str, tuple[str, str]] = {}
    for outcome in ended:
        if outcome.result is None:
            reason = f"the shard failed: {outcome.reason}"
            refused |= dict.fromkeys(outcome.shard.wells, (status, reason))
        else:
            given = cast("dict[str, list[str]]", outcome.result.get("refused", {}))
            refused |= {well: (pair[0], pair[1]) for well, pair in given.items()}
    return refused


def _sums(outcome: ShardOutcome) -> dict[str, str]:
    return cast("dict[str, str]", (outcome.result or {}).get("sums", {}))


@contextmanager
def _workplace(archive: Path, wait: float) -> Iterator[Path]:
    """Hold the lock of an archive, and provide a temporary folder in it."""
    work = archive / SHARDS
    with Archive(archive).locked(timeout=wait):
        shutil.rmtree(work, ignore_errors=True)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
