"""Shards of wells over the workers of Dask; only workers import TensorFlow.

Workers are handed names of wells and settings, read the data themselves, and write results to a
folder that they share with the one who asked.

Shards of a network: some wells whose work is done together and whose results are kept together.

A shard's results are a folder that is there whole or not at all, so that work that was broken off
goes on where it was, and a worker that dies takes only what it was at with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gwforecast import __version__
from gwforecast.config.load import Settings
from gwforecast.config.tables import ClusterSettings
from gwforecast.progress import Progress
from gwforecast.runs import files
from gwforecast.runs.files import write_text

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "DONE",
    "SHARDS",
    "Result",
    "Shard",
    "ShardOutcome",
    "Task",
    "held",
    "partition",
    "run_one",
    "run_shards",
    "sweep",
]


SHARDS = "shards"  # folder of their results
DONE = "done.json"
PART = ".part"
Result = dict[str, object]


@dataclass(frozen=True)
class Shard:
    """Some wells and where their results go.

    Parameters
    ----------
    wells : tuple of str
        Names of the wells.
    folder : pathlib.Path
        Its own.
    key : str
        Sum of what its results depend on.
    """

    wells: tuple[str, ...]
    folder: Path
    key: str


Task = Callable[[Settings, Shard], Result]
"""Work on a shard, a function of a module: writes into the shard's folder, returns plain JSON."""


def partition(
    wells: Sequence[str],
    *,
    size: int,
    folder: Path,
    settings: Settings,
    purpose: str,
    also: Callable[[Sequence[str]], object] | None = None,
) -> list[Shard]:
    """Return the shards of some wells, in their order.

    Parameters
    ----------
    wells : sequence of str
        Names of all wells.
    size : int
        Wells in a shard, at most.
    folder : pathlib.Path
        In which each shard has a folder of its own.
    settings : Settings
        Those of the run.
    purpose : str
        What is done; results of other work are not taken for it.
    also : callable, optional
        Returns what else the results of some wells depend on, as JSON.
    """
    given = settings.model_dump(exclude_unset=True, mode="json", exclude={"output", "cluster"})
    state = [__version__, purpose, given, *_stamps(settings)]
    shards = []
    for number, first in enumerate(range(0, len(wells), size)):
        part = tuple(wells[first : first + size])
        text = json.dumps([state, part, also and also(part)], sort_keys=True, default=str)
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        shards.append(Shard(part, folder / f"{purpose}-{number:05d}", key))
    return shards


def held(shard: Shard) -> Result | None:
    """Return the result of a shard that was finished before, or None."""
    try:
        stored = json.loads((shard.folder / DONE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(stored, dict) or stored.get("key") != shard.key:
        return None
    result = stored.get("result")
    return result if isinstance(result, dict) else None


def run_one(task: Task, settings: Settings, shard: Shard) -> Result:
    """Do the work of a shard, or return what an earlier run of it gave.

    The task writes into a folder beside the shard's, which takes its place when all is there.
    """
    known = held(shard)
    if known is not None:
        return known
    part = shard.folder.with_name(f"{shard.folder.name}.{uuid.uuid4().hex}{PART}")
    part.mkdir(parents=True)
    try:
        result = task(settings, replace(shard, folder=part))
        write_text(part / DONE, files.dump_json({"key": shard.key, "result": result}))
        known = held(shard)  # a worker that was thought dead may have finished meanwhile
        if known is None:
            shutil.rmtree(shard.folder, ignore_errors=True)
            part.replace(shard.folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return result if known is None else known


def sweep(folder: Path) -> None:
    """Remove what workers that died have left."""
    for path in folder.glob(f"*{PART}"):
        shutil.rmtree(path, ignore_errors=True)


def _stamps(settings: Settings) -> list[object]:
    """Return names, sizes and times of the files of data, which tell whether they have changed."""
    data = settings.data
    if data.database is not None:
        return [uuid.uuid4().hex]  # whether its tables have changed is not known
    found: list[object] = []
    for path in (data.levels, data.covariates, data.attributes):
        if path is None:
            continue
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if file.exists():
                status = file.stat()
                found.append([str(file), status.st_size, status.st_mtime_ns])
    return found


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
    sweep(shards[0].folder.parent)
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
        known = held(shard)
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
        return run_one(task, settings, shard)
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
