"""Training and forecasts of many wells in shards, with the memory that one shard needs."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
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
from gwforecast.service import train as training
from gwforecast.service.archive import Archive
from gwforecast.service.champions import Champions
from gwforecast.service.inputs import (
    Inputs,
    check_clock,
    requested_wells,
    require_observations,
    resolve_issue_time,
)
from gwforecast.service.issue import finish_product, follow_archive, forecast_wells
from gwforecast.service.recipe import recipe_of
from gwforecast.shards.join import (
    read_dataset,
    refuse_pooled,
    refused_wells,
    rows_of,
    warn_of_workers,
    write_dataset,
)
from gwforecast.shards.map import (
    SHARDS,
    Result,
    Shard,
    ShardOutcome,
    make_shards,
    networks_at_once,
    on_wells,
    read_subset,
    run_shards,
    with_absolute_paths,
)

__all__ = ["first_inputs", "forecast_shard", "make_product", "train", "train_shard"]


def first_inputs(settings: Settings) -> Inputs:
    """Return the first shard with a well that can be read, for the time axis of all wells."""
    refused: dict[str, tuple[str, str]] = {}
    wells, size = requested_wells(settings.data), settings.cluster.size
    for first in range(0, len(wells), size):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the workers report these
            inputs = read_subset(settings, wells[first : first + size])
        if inputs.observations is not None:
            return inputs
        refused |= inputs.refused
    return Inputs(None, refused)


def train(
    settings: Settings,
    *,
    through: object = None,
    replace: bool = False,
    update: bool = False,
    now: pd.Timestamp,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train champions in shards, over Dask if requested; see ``service.schedule.train``.

    The new champions of a shard are adopted as soon as it ends, so interrupted runs resume. Wells
    of shards that failed are in the table.

    Raises ValueError if a requested model is one that all wells share.
    """
    refuse_pooled(settings.schedule.models, "Training")
    placed, wells = with_absolute_paths(settings), requested_wells(settings.data)
    first = first_inputs(placed)
    if first.observations is None:
        return training.refused_rows(first.refused)
    moment = str(resolve_issue_time(through, first.observations, now))
    champions, work = Champions(settings.schedule.bundles), placed.schedule.bundles / SHARDS
    with champions.locked():
        current = champions.table()
        shards = make_shards(
            wells,
            size=settings.cluster.size,
            folder=work,
            settings=placed,
            purpose="train",
            depends_on=lambda part: [
                moment,
                replace,
                update,
                *(asdict(current[well]) for well in part if well in current),
            ],
        )
        ended = run_shards(
            partial(train_shard, through=moment, replace=replace, update=update),
            placed,
            shards,
            progress=progress,
            when_done=partial(_adopt, champions),
        )
        champions.sweep()
        shutil.rmtree(work)
    warn_of_workers(ended, stacklevel=4)
    failed = training.refused_rows(refused_wells(ended, "failed"))
    table = rows_of(ended, "rows").reindex(columns=training.COLUMNS)
    parts = [part for part in (table, failed) if len(part)]
    return pd.concat(parts, ignore_index=True)


def train_shard(
    settings: Settings, shard: Shard, *, through: str, replace: bool, update: bool
) -> Result:
    """Train the wells of a shard, and store new champions in its folder."""

    def work(observations: xr.Dataset) -> Result:
        known = training.known_for_training(observations, timeline.to_times([through])[0], settings)
        table = training.train_into(
            Champions(shard.folder),
            known,
            recipe=recipe_of(settings, known, workers=networks_at_once(settings)),
            champions=Champions(settings.schedule.bundles),
            group=settings.schedule.group,
            replace=replace,
            update=update,
        )
        return {"rows": table.to_dict("records")}

    return on_wells(settings, shard, work)


def make_product(
    settings: Settings, issue_time: object, *, wait: float, now: pd.Timestamp
) -> xr.Dataset:
    """Forecast in shards, over Dask if requested; the archive is locked meanwhile.

    Wells of a shard that failed have the status ``"error"``. ``issue_time``: by default the last
    complete step.
    """
    placed, wells = with_absolute_paths(settings), requested_wells(settings.data)
    observations = require_observations(first_inputs(placed), "A forecast")
    moment = resolve_issue_time(issue_time, observations, now)
    check_clock(observations, moment, now=now)
    with _work_folder(placed.schedule.archive, wait) as work:
        shards = make_shards(
            wells, size=settings.cluster.size, folder=work, settings=placed, purpose="forecast"
        )
        ended = run_shards(partial(forecast_shard, issue_time=str(moment)), placed, shards)
        warn_of_workers(ended, stacklevel=5)
        sums = {one.shard.folder: _sums(one) for one in ended if _sums(one)}
        if not sums:
            reasons = [outcome.reason for outcome in ended if outcome.reason]
            raise RuntimeError(
                f"A forecast needs at least one shard without an error. Received none. {reasons[0]}"
            )
        return finish_product(
            [read_dataset(folder) for folder in sums],
            settings,
            refused=refused_wells(ended, "error"),
            checksums={well: one for of_shard in sums.values() for well, one in of_shard.items()},
            frequency=timeline.infer_frequency(observations[schema.TIME].values),
        )


def forecast_shard(settings: Settings, shard: Shard, *, issue_time: str) -> Result:
    """Forecast the wells of a shard into its folder; TensorFlow is not needed."""

    def work(observations: xr.Dataset) -> Result:
        moment = np.datetime64(timeline.to_times([issue_time])[0])
        shifts = follow_archive(settings, observations).at(moment)
        product, sums = forecast_wells(observations, moment, settings=settings, shifts=shifts)
        write_dataset(product, shard.folder)
        return {"sums": sums}

    return on_wells(settings, shard, work)


def _adopt(champions: Champions, outcome: ShardOutcome) -> None:
    if outcome.result is not None:
        champions.adopt(Champions(outcome.shard.folder))


def _sums(outcome: ShardOutcome) -> dict[str, str]:
    """Return the hash of the inputs of each well that a shard has forecast."""
    return cast("dict[str, str]", (outcome.result or {}).get("sums", {}))


@contextmanager
def _work_folder(archive: Path, wait: float) -> Iterator[Path]:
    """Lock an archive and yield an empty temporary folder in it."""
    work = archive / SHARDS
    with Archive(archive).locked(timeout=wait):
        shutil.rmtree(work, ignore_errors=True)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
