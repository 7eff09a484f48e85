"""Shards of wells and the work on them, over workers of Dask or one after the other.

Workers receive names of wells and settings, read the data themselves, and write their results to a
folder shared with the process that submitted the work. The results of a shard are complete or
absent, so interrupted runs resume, and if a worker dies only its current shard is repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from gwforecast import __version__
from gwforecast.config.load import Settings
from gwforecast.config.tables import ClusterSettings, Section
from gwforecast.progress import Progress
from gwforecast.runs.outcomes import reason_of
from gwforecast.service.inputs import Inputs, read_wells
from gwforecast.writing import dump_json, write_text

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "SHARDS", "Result", "Shard", "ShardOutcome", "Task", "make_shards", "networks_at_once",
    "on_wells", "read_subset", "remove_partial", "run_shard", "run_shards", "stored_result",
    "with_absolute_paths",
]  # fmt: skip


SHARDS = "shards"  # folder of the results of shards
DONE = "done.json"
PARTIAL = ".part"
Result = dict[str, object]
UNRELATED = {"output", "cluster", "bulletin", "alerts"}
"""Tables of settings that results do not depend on."""

DATA_ERRORS = (ValueError, TypeError, RuntimeError, KeyError, ImportError)
"""Errors of data and settings, which recur however often the work is repeated."""


@dataclass(frozen=True)
class Shard:
    """Wells that are worked on together."""

    wells: tuple[str, ...]  # names of the wells
    folder: Path  # folder of its results
    key: str  # hash of everything that the results depend on


Task = Callable[[Settings, Shard], Result]
"""Work on a shard: a function of a module that writes into the shard's folder, returns JSON."""


@dataclass(frozen=True)
class ShardOutcome:
    """The outcome of a shard."""

    shard: Shard  # the shard
    result: Result | None  # the value returned by its task; None if it failed
    reason: str = ""  # why it failed; empty if it did not


def make_shards(
    wells: Sequence[str],
    *,
    size: int,
    folder: Path,
    settings: Settings,
    purpose: str,
    depends_on: Callable[[Sequence[str]], object] | None = None,
) -> list[Shard]:
    """Divide wells into shards, in their order.

    ``size``: largest number of wells in a shard; ``depends_on``: returns, as JSON, what else the
    results of some wells depend on.
    """
    given = settings.model_dump(exclude_unset=True, mode="json", exclude=UNRELATED)
    state = [__version__, purpose, given, *_file_stamps(settings)]
    shards = []
    for number, first in enumerate(range(0, len(wells), size)):
        part = tuple(wells[first : first + size])
        text = json.dumps(
            [state, part, depends_on and depends_on(part)], sort_keys=True, default=str
        )
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        shards.append(Shard(part, folder / f"{purpose}-{number:05d}", key))
    return shards


def _file_stamps(settings: Settings) -> list[object]:
    """Return names, sizes and times of the data files, which show whether they have changed."""
    data = settings.data
    if data.database is not None:
        return [uuid.uuid4().hex]  # it is unknown whether the tables have changed
    found: list[object] = []
    for path in data.files():
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if file.exists():
                stat = file.stat()
                found.append([str(file), stat.st_size, stat.st_mtime_ns])
    return found


def with_absolute_paths(settings: Settings) -> Settings:
    """Return settings with absolute paths, as workers may run in another folder.

    Names of tables in a database are kept.
    """
    data, schedule = settings.data, settings.schedule
    if data.database is None:
        paths = _absolute(data, "levels", "covariates", "attributes", "barometer")
        data = data.model_copy(update=paths)
    paths = _absolute(schedule, "bundles", "archive", "weather_forecast")
    schedule = schedule.model_copy(update=paths)
    return settings.model_copy(update={"data": data, "schedule": schedule})


def _absolute(section: Section, *names: str) -> dict[str, Path | list[Path]]:
    paths = {name: getattr(section, name) for name in names}
    return {
        name: [one.absolute() for one in path] if isinstance(path, list) else path.absolute()
        for name, path in paths.items()
        if path is not None
    }


def stored_result(shard: Shard) -> Result | None:
    """Return the result of a shard finished earlier, or None."""
    try:
        stored = json.loads((shard.folder / DONE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(stored, dict) or stored.get("key") != shard.key:
        return None
    result = stored.get("result")
    return result if isinstance(result, dict) else None


def run_shard(task: Task, settings: Settings, shard: Shard) -> Result:
    """Do the work of a shard, or return the result of an earlier run.

    The task writes into a temporary folder, which is renamed when the work is complete.
    """
    known = stored_result(shard)
    if known is not None:
        return known
    partial = shard.folder.with_name(f"{shard.folder.name}.{uuid.uuid4().hex}{PARTIAL}")
    partial.mkdir(parents=True)
    try:
        result = task(settings, replace(shard, folder=partial))
        write_text(partial / DONE, dump_json({"key": shard.key, "result": result}))
        known = stored_result(shard)  # a worker presumed dead may have finished meanwhile
        if known is None:
            shutil.rmtree(shard.folder, ignore_errors=True)
            partial.replace(shard.folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return result if known is None else known


def remove_partial(folder: Path) -> None:
    """Remove the incomplete results of workers that died."""
    for path in folder.glob(f"*{PARTIAL}"):
        shutil.rmtree(path, ignore_errors=True)


def read_subset(settings: Settings, wells: Sequence[str]) -> Inputs:
    """Read some wells; those that cannot be read are reported with the reason."""
    return read_wells(settings.data.model_copy(update={"wells": list(wells)}))


def on_wells(settings: Settings, shard: Shard, work: Callable[[xr.Dataset], Result]) -> Result:
    """Read the wells of a shard and do work on those that can be read.

    Return what the work returns, with ``refused``, status and reason of each well that could not be
    read, and ``warnings``, those meant for the user.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inputs = read_subset(settings, shard.wells)
        result = {} if inputs.observations is None else work(inputs.observations)
    messages = {str(one.message) for one in caught if issubclass(one.category, UserWarning)}
    return {**result, "refused": inputs.refused, "warnings": sorted(messages)}


def networks_at_once(settings: Settings) -> int | None:
    """Return the number of networks a worker trains at once: one if each core has a worker."""
    return settings.models.workers or (1 if settings.cluster.dask == "local" else None)


def run_shards(
    task: Task,
    settings: Settings,
    shards: Sequence[Shard],
    *,
    progress: Progress | None = None,
    when_done: Callable[[ShardOutcome], None] | None = None,
) -> list[ShardOutcome]:
    """Do the work of all shards, over Dask if the settings say so.

    Finished shards are not repeated. A shard whose worker dies, or that cannot access a file, is
    repeated; one that fails for good is reported, and the others continue. Results do not depend on
    the number of workers. ``when_done`` receives each outcome as a shard ends, in this process.

    Raises ImportError if Dask is requested and not installed.
    """
    outcomes: dict[Shard, ShardOutcome] = {}
    total = sum(len(shard.wells) for shard in shards)
    remove_partial(shards[0].folder.parent)
    for outcome in _as_completed(task, settings, shards):
        outcomes[outcome.shard] = outcome
        if when_done is not None:
            when_done(outcome)
        if progress is not None:
            progress("wells", sum(len(shard.wells) for shard in outcomes), total)
    return [outcomes[shard] for shard in shards]


def _as_completed(
    task: Task, settings: Settings, shards: Sequence[Shard]
) -> Iterator[ShardOutcome]:
    """Yield the outcome of each shard as it ends, finished ones first."""
    waiting = []
    for shard in shards:
        known = stored_result(shard)
        if known is None:
            waiting.append(shard)
        else:
            yield ShardOutcome(shard, known)
    cluster = settings.cluster
    if cluster.dask is None or not waiting:
        yield from (_attempt(task, settings, shard) for shard in waiting)
        return
    with _client(cluster, len(waiting)) as client:
        from distributed import as_completed

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
            error = future.exception()
            failed = error and ShardOutcome(futures[future], None, reason_of(error))
            yield failed or future.result()
            future.release()


def _attempt(task: Task, settings: Settings, shard: Shard) -> ShardOutcome:
    """Return the outcome of a shard; errors that a retry may cure are raised."""
    try:
        return ShardOutcome(shard, run_shard(task, settings, shard))
    except DATA_ERRORS as error:
        return ShardOutcome(shard, None, reason_of(error))


@contextmanager
def _client(cluster: ClusterSettings, shards: int) -> Iterator[Client]:
    """Yield a client of an existing cluster, or of a new one on this machine."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ImportError(
            "Work is distributed over workers by Dask, which is an extra. Received "
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
