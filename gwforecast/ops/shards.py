"""Shards of a network: some wells whose work is done together and whose results are kept together.

A shard's results are a folder that is there whole or not at all, so that work that was broken off
goes on where it was, and a worker that dies takes only what it was at with it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gwforecast import __version__
from gwforecast.ops import record
from gwforecast.ops.atomic import write_text
from gwforecast.ops.config import Settings

__all__ = [
    "DONE",
    "SHARDS",
    "Result",
    "Shard",
    "Task",
    "held",
    "partition",
    "run_one",
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
        write_text(part / DONE, record.dump_json({"key": shard.key, "result": result}))
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
