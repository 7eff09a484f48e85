"""Shards of wells over the workers of Dask; only workers import TensorFlow.

Workers are handed names of wells and settings, read the data themselves, and write results to a
folder that they share with the one who asked.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gwforecast.models.base import Progress
from gwforecast.ops import shards as parts
from gwforecast.ops.config import Settings
from gwforecast.ops.settings import ClusterSettings
from gwforecast.ops.shards import Result, Shard, Task

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["ShardOutcome", "run_shards"]

FAULTS = (ValueError, TypeError, RuntimeError, KeyError, ImportError)
"""Errors of data and settings, which are the same however often they are tried."""


@dataclass(frozen=True)
class ShardOutcome:
    """What became of a shard.

    Parameters
    ----------
    shard : Shard
        The shard.
    result : dict or None
        What its task returned; None where it failed.
    reason : str
        Why it failed; empty where it did not.
    """

    shard: Shard
    result: Result | None
    reason: str = ""


def run_shards(
    task: Task,
    settings: Settings,
    shards: Sequence[Shard],
    *,
    progress: Progress | None = None,
    ended: Callable[[ShardOutcome], None] | None = None,
) -> list[ShardOutcome]:
    """Do the work of all shards, over Dask where the settings ask for it.

    A shard whose worker dies, or that fails at a file, is tried again; one that fails for good is
    reported, and the others go on. Results do not depend on the number of workers.

    Parameters
    ----------
    task : Task
        A function of a module, which the workers can import.
    settings : Settings
        Those of the run; the table ``cluster`` says where it is done.
    shards : sequence of Shard
        Shards that were finished before are not done again.
    progress : Progress, optional
        Told of wells done.
    ended : callable, optional
        Handed what became of each shard as it ends, in this process.

    Returns
    -------
    list of ShardOutcome
        In the order of the shards.

    Raises
    ------
    ImportError
        If Dask is asked for and not installed.
    """
    cluster = settings.cluster
    outcomes: dict[Shard, ShardOutcome] = {}
    total = sum(len(shard.wells) for shard in shards)
    parts.sweep(shards[0].folder.parent)
    for outcome in _each(task, settings, shards, cluster):
        outcomes[outcome.shard] = outcome
        if ended is not None:
            ended(outcome)
        if progress is not None:
            progress("wells", sum(len(shard.wells) for shard in outcomes), total)
    return [outcomes[shard] for shard in shards]


def _each(
    task: Task, settings: Settings, shards: Sequence[Shard], cluster: ClusterSettings
) -> Iterator[ShardOutcome]:
    """Yield what becomes of each shard, as they end."""
    waiting = []
    for shard in shards:
        known = parts.held(shard)
        if known is None:
            waiting.append(shard)
        else:
            yield ShardOutcome(shard, known)
    if not waiting:
        return
    if cluster.dask is None:
        for shard in waiting:
            yield _outcome(shard, _attempt(task, settings, shard))
        return
    from distributed import as_completed

    with _client(cluster, len(waiting)) as client:
        futures = {
            client.submit(
                _attempt,
                task,
                settings,
                shard,
                key=f"{shard.folder.name}-{shard.key[:16]}",
                pure=False,
                retries=cluster.retries,
            ): shard
            for shard in waiting
        }
        for future in as_completed(futures):
            shard = futures[future]
            error = future.exception()
            if error is None:
                yield _outcome(shard, future.result())
            else:
                yield ShardOutcome(shard, None, f"{type(error).__name__}: {error}")
            future.release()


def _attempt(task: Task, settings: Settings, shard: Shard) -> Result | str:
    """Return the result of a shard, or why it has none; other errors are worth another try."""
    try:
        return parts.run_one(task, settings, shard)
    except FAULTS as error:
        return f"{type(error).__name__}: {error}"


def _outcome(shard: Shard, given: Result | str) -> ShardOutcome:
    if isinstance(given, str):
        return ShardOutcome(shard, None, given)
    return ShardOutcome(shard, given)


@contextmanager
def _client(cluster: ClusterSettings, shards: int) -> Iterator[Client]:
    """Give a client of a cluster that is there, or of one of this machine's own."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ImportError(
            "Work is spread over workers by Dask, which is an extra. Received "
            f"dask={cluster.dask!r} without it. Install it: pip install 'gwforecast[dask]'."
        ) from None
    if cluster.dask != "local":
        with Client(cluster.dask, timeout=str(cluster.timeout)) as client:
            yield client
        return
    number = min(cluster.workers or os.cpu_count() or 1, shards)
    with (
        tempfile.TemporaryDirectory(prefix="gwforecast-") as space,
        LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=space,
            silence_logs="ERROR",
        ) as local,
        Client(local) as client,
    ):
        yield client
