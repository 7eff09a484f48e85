"""Scheduled runs of a network of wells, shard by shard: memory is that of a shard."""

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
from gwforecast.service import issue
from gwforecast.service import train as training
from gwforecast.service.archive import Archive
from gwforecast.service.champions import Champions
from gwforecast.service.intake import Intake, wells_of
from gwforecast.shards import join
from gwforecast.shards.join import read_part, write_part
from gwforecast.shards.map import SHARDS, Result, Shard, ShardOutcome, partition, run_shards

__all__ = ["first_intake", "forecast_shard", "make_product", "train", "train_shard"]


def first_intake(settings: Settings) -> Intake:
    """Return the first shard of which a well can be read, for the axis that all wells share."""
    return _first(join.absolute(settings), wells_of(settings.data))


def train(
    settings: Settings,
    champions: Champions,
    *,
    through: object = None,
    replace: bool = False,
    now: pd.Timestamp,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train champions in shards, over Dask where that is asked for.

    Each shard's new champions take their place as soon as it ends, so that a run that is broken
    off goes on where it was.

    Parameters
    ----------
    settings, through, replace, now, progress
        As of :func:`gwforecast.service.schedule.train`.
    champions : Champions
        Where they are stored.

    Returns
    -------
    pandas.DataFrame
        As of :func:`gwforecast.service.train.train`, with the wells that could not be read and
        those
        of shards that failed.

    Raises
    ------
    ValueError
        If a model is asked for that all wells share.
    """
    join.refuse_pooled(settings.schedule.models, "Training")
    placed, wells = join.absolute(settings), wells_of(settings.data)
    first = _first(placed, wells)
    if first.observations is None:
        return issue.failed_rows(first.refused)
    moment = issue.settle_moment(through, first.observations, now)
    task = partial(train_shard, through=str(moment), replace=replace)
    work = placed.schedule.bundles / SHARDS
    with champions.locked():
        held = champions.table()
        shards = partition(
            wells,
            size=settings.cluster.size,
            folder=work,
            settings=placed,
            purpose="train",
            also=lambda part: [str(moment), replace, *(asdict(held[w]) for w in part if w in held)],
        )
        ended = run_shards(
            task, placed, shards, progress=progress, ended=partial(_adopt, champions)
        )
        champions.sweep()
        shutil.rmtree(work)
    join.warn_for(ended, stacklevel=3)
    failed = issue.failed_rows(_failed(ended, "failed"))
    table = join.rows_of(ended, "rows").reindex(columns=training.COLUMNS)
    parts = [part for part in (table, failed) if len(part)]
    return pd.concat(parts, ignore_index=True)


def train_shard(settings: Settings, shard: Shard, *, through: str, replace: bool) -> Result:
    """Train the wells of a shard, and keep new champions in the shard's folder."""
    import_tensorflow(settings.schedule.models)
    intake, told = join.read_shard(settings, shard)
    table = issue.failed_rows(intake.refused)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if intake.observations is not None:
            known = issue.known_to_train(
                intake.observations, timeline.to_times([through])[0], settings
            )
            trained = training.train_into(
                Champions(shard.folder),
                known,
                recipe=issue.recipe_of(settings, known, workers=join.workers_of(settings)),
                champions=Champions(settings.schedule.bundles),
                group=settings.schedule.group,
                replace=replace,
            )
            table = pd.concat([part for part in (trained, table) if len(part)], ignore_index=True)
    warned = sorted({*told, *join.told_of(caught)})
    return {"rows": table.to_dict("records"), "warnings": warned}


def make_product(
    settings: Settings, issue_time: object, *, wait: float, now: pd.Timestamp
) -> xr.Dataset:
    """Forecast in shards, over Dask where that is asked for; the archive is held meanwhile.

    Parameters
    ----------
    settings : Settings
        Those of a configuration.
    issue_time : time or None
        By default the last step that is complete.
    wait : float
        Seconds to wait for another run that holds the archive.
    now : pandas.Timestamp
        The present moment, naive UTC.

    Returns
    -------
    xarray.Dataset
        The forecast of all wells; wells of a shard that failed have the status ``"error"``.
    """
    placed, wells = join.absolute(settings), wells_of(settings.data)
    observations = issue.the_observations(_first(placed, wells), "A forecast")
    moment = issue.settle_moment(issue_time, observations, now)
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
                f"A forecast needs one shard that gives a result. Received none. {reasons[0]}"
            )
        return issue.join_products(
            [read_part(outcome.shard.folder) for outcome in done],
            settings,
            refused=_failed(ended, "error"),
            sums={well: one for outcome in done for well, one in _sums(outcome).items()},
            frequency=timeline.infer_frequency(observations[schema.TIME].values),
        )


def forecast_shard(settings: Settings, shard: Shard, *, issue_time: str) -> Result:
    """Forecast the wells of a shard into its folder; TensorFlow is not needed."""
    intake, told = join.read_shard(settings, shard)
    sums: dict[str, str] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if intake.observations is not None:
            moment = np.datetime64(timeline.to_times([issue_time])[0])
            made, sums = issue.forecast_wells(intake.observations, moment, settings)
            write_part(made, shard.folder)
    warned = sorted({*told, *join.told_of(caught)})
    return {"refused": intake.refused, "sums": sums, "warnings": warned}


def _first(placed: Settings, wells: Sequence[str]) -> Intake:
    size = placed.cluster.size
    refused: dict[str, tuple[str, str]] = {}
    for first in range(0, len(wells), size):
        shard = Shard(tuple(wells[first : first + size]), Path(), "")
        intake, _ = join.read_shard(placed, shard)
        if intake.observations is not None:
            return intake
        refused |= intake.refused
    return Intake(None, refused)


def _adopt(champions: Champions, outcome: ShardOutcome) -> None:
    if outcome.result is not None:
        champions.adopt(Champions(outcome.shard.folder))


def _failed(ended: Sequence[ShardOutcome], status: str) -> dict[str, tuple[str, str]]:
    """Return wells that could not be read, and those of shards that failed."""
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
    """Hold an archive and give a folder in it, empty and for a while."""
    work = archive / SHARDS
    with Archive(archive).locked(timeout=wait):
        shutil.rmtree(work, ignore_errors=True)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
