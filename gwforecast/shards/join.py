"""What shards need of settings and data, and their plain results brought together.

A Dataset handed from one process to another: arrays in ``.npz``, names and attributes in JSON.

A NetCDF file of some wells takes ten times as long to open as its forecast takes to read, which
counts where hundreds of parts are joined.

Results of shards joined into those of the whole network, never held in memory at once.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.config.load import Settings
from gwforecast.config.tables import Section
from gwforecast.runs import files
from gwforecast.runs.catalogue import is_pooled
from gwforecast.runs.files import file_names, write_atomically
from gwforecast.runs.outcomes import OUTCOME_COLUMNS
from gwforecast.service.inputs import Inputs, read_wells
from gwforecast.shards.map import Shard, ShardOutcome

__all__ = [
    "about_cluster",
    "absolute",
    "copy_files",
    "join_tables",
    "joined_fields",
    "listed",
    "models_of",
    "outcomes_of",
    "read_csv",
    "read_part",
    "read_shard",
    "refuse_pooled",
    "require_dask",
    "rows_of",
    "seconds_of",
    "told_of",
    "warn_for",
    "workers_of",
    "write_part",
]


ARRAYS, DESCRIPTION = "arrays.npz", "description.json"


def write_part(dataset: xr.Dataset, folder: Path) -> None:
    """Write a Dataset into a folder; text must have a plain form, attributes be JSON."""
    arrays: dict[str, Any] = {}
    described: dict[str, Any] = {"attrs": dict(dataset.attrs), "variables": {}}
    for name, variable in dataset.variables.items():
        values = variable.values
        arrays[str(name)] = values.astype(str) if values.dtype == object else values
        described["variables"][name] = {
            "dims": variable.dims,
            "attrs": dict(variable.attrs),
            "coord": name in dataset.coords,
            "text": values.dtype == object,
        }
    np.savez(folder / ARRAYS, **arrays)
    (folder / DESCRIPTION).write_text(json.dumps(described), "utf-8")


def read_part(folder: Path) -> xr.Dataset:
    """Return the Dataset that :func:`write_part` wrote into a folder."""
    described = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    variables: dict[bool, dict[str, xr.Variable]] = {True: {}, False: {}}
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        for name, one in described["variables"].items():
            values = arrays[name].astype(object) if one["text"] else arrays[name]
            variables[one["coord"]][name] = xr.Variable(one["dims"], values, one["attrs"])
    return xr.Dataset(variables[False], variables[True], described["attrs"])


def require_dask() -> None:
    """Refuse work whose results could not be joined, before it is begun.

    Raises
    ------
    ImportError
        If Dask is not installed.
    """
    if find_spec("dask") is None:
        raise ImportError(
            "Results of shards are joined piece by piece by Dask, which is an extra. Received a "
            "run in shards without it. Install it: pip install 'gwforecast[dask]'."
        )


def join_tables(sources: Sequence[Path], target: Path) -> Path:
    """Write the rows of several CSV files with the same columns one after the other.

    Raises
    ------
    ValueError
        If two files have different columns.
    """

    def write(path: Path) -> None:
        with path.open("wb") as joined:
            head = b""
            for source in sources:
                with source.open("rb") as rows:
                    head = _copy_rows(rows, joined, head, source)

    return write_atomically(target, write)


def _copy_rows(rows: IO[bytes], joined: IO[bytes], head: bytes, source: Path) -> bytes:
    """Copy a table without its head if that was written before; return the head."""
    own = rows.readline()
    if not own.strip():
        return head  # an empty table has no columns either
    if head and own != head:
        raise ValueError(
            f"Tables that are joined have the same columns. Received {own!r} in {source} and "
            f"{head!r} before. Remove the folder of shards and run again."
        )
    if not head:
        joined.write(own)
    shutil.copyfileobj(rows, joined)
    return own


@contextmanager
def joined_fields(
    sources: Sequence[Path], *, models: Sequence[str], fill: Mapping[str, object] | None = None
) -> Iterator[xr.Dataset]:
    """Give the NetCDF files of shards as one Dataset that is read piece by piece.

    Parameters
    ----------
    sources : sequence of pathlib.Path
        Files with the dimensions well and model, in the order of the wells. Other axes may differ;
        the joined Dataset has the steps of all.
    models : sequence of str
        Order of the models; those that no file has are left out.
    fill : mapping, optional
        What variables have where a shard has no value; by default NaN.
    """
    # a piece is a shard's variable: those of the files, which are small, would be thousands
    parts = [xr.open_dataset(path, engine="h5netcdf", chunks=-1) for path in sources]
    try:
        known = {str(model) for part in parts for model in part[schema.MODEL].values}
        axes: dict[str, object] = {schema.MODEL: [m for m in models if m in known]}
        for name in map(str, parts[0].dims):
            if name in parts[0].indexes and name not in (schema.WELL, schema.MODEL):
                axes[name] = reduce(pd.Index.union, [part.indexes[name] for part in parts])
        values = {schema.LEVEL: np.nan, **(fill or {})}
        whole = xr.concat(
            [part.reindex(axes, fill_value=values) for part in parts],
            schema.WELL,
            data_vars="minimal",
            coords="minimal",
            compat="override",
            join="override",
            combine_attrs="override",
        )
        texts = {n: v.astype(str) for n, v in whole.data_vars.items() if v.dtype.kind == "O"}
        yield whole.assign(texts)
    finally:
        for part in parts:
            part.close()


def copy_files(shards: Sequence[tuple[Path, Sequence[str]]], folder: Path) -> Iterator[str]:
    """Copy files that are named for wells, by names that are their own in the whole network.

    Parameters
    ----------
    shards : sequence of (pathlib.Path, sequence of str)
        Folder of each shard, in which ``predictions/<model>/<well>.csv`` lie, and its wells.
    folder : pathlib.Path
        Where the same tree goes.

    Yields
    ------
    str
        Each name relative to the folder.
    """
    whole = file_names([well for _, wells in shards for well in wells])
    for source, wells in shards:
        for well, name in file_names(wells).items():
            for file in sorted(source.glob(f"predictions/*/{name}.csv")):
                target = Path("predictions", file.parent.name, f"{whole[well]}.csv")
                write_atomically(folder / target, partial(shutil.copy, file))
                yield target.as_posix()


_TIMES = ("time", "issue_time", "first_10", "first_50", "first_90")


def absolute(settings: Settings) -> Settings:
    """Return settings with files named from the root; tables of a database keep their names."""
    data, schedule = settings.data, settings.schedule
    if data.database is None:
        data = data.model_copy(update=_absolute(data, "levels", "covariates", "attributes"))
    placed = _absolute(schedule, "bundles", "archive", "weather_forecast")
    schedule = schedule.model_copy(update=placed)
    return settings.model_copy(update={"data": data, "schedule": schedule})


def _absolute(section: Section, *names: str) -> dict[str, Path]:
    paths = {name: getattr(section, name) for name in names}
    return {name: path.absolute() for name, path in paths.items() if path is not None}


def refuse_pooled(models: Sequence[str], work: str) -> None:
    """Refuse networks of all wells for work that is done in shards.

    Raises
    ------
    ValueError
        If there is one; it is named.
    """
    pooled = [model for model in models if is_pooled(model)]
    if pooled:
        raise ValueError(
            f"{work} in shards is of models of one well each. Received {pooled[0]!r}, which all "
            "wells share. Leave it out, or leave out --dask and --shard."
        )


def read_shard(settings: Settings, shard: Shard) -> tuple[Inputs, list[str]]:
    """Return the wells of a shard, and what was warned of in reading them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        intake = read_wells(settings.data.model_copy(update={"wells": list(shard.wells)}))
    return intake, told_of(caught)


def workers_of(settings: Settings) -> int | None:
    """Return the networks that a worker trains at once: one, where each core has a worker."""
    return settings.models.workers or (1 if settings.cluster.dask == "local" else None)


def told_of(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Return what a user is to be told of."""
    return [str(one.message) for one in caught if issubclass(one.category, UserWarning)]


def outcomes_of(ended: Sequence[ShardOutcome], use: Sequence[str]) -> pd.DataFrame:
    """Return what became of each model and well, those of shards that failed among them."""
    rows: dict[tuple[str, str], tuple[str, str]] = {}
    for outcome in ended:
        if outcome.result is None:
            pooled = outcome.shard.folder.name.startswith("all-")
            models = [m for m in use if is_pooled(m) == pooled]
            reason = f"the shard failed: {outcome.reason}"
            for model in models:
                rows |= {(model, well): ("failed", reason) for well in outcome.shard.wells}
        else:
            for model, well, status, reason in listed(outcome.result["outcomes"]):
                rows[model, well] = (status, reason)
    table = [(*names, *what) for names, what in rows.items()]
    return pd.DataFrame(table, columns=OUTCOME_COLUMNS)


def rows_of(ended: Sequence[ShardOutcome], name: str) -> pd.DataFrame:
    """Return the rows of a table that each shard gave with its result."""
    return pd.DataFrame([row for o in ended if o.result for row in listed(o.result[name])])


def listed(value: object) -> list[Any]:
    """Return a list of a result, which is JSON."""
    return cast("list[Any]", value)


def seconds_of(ended: Sequence[ShardOutcome]) -> dict[str, float]:
    """Return the seconds of each stage, added up over the workers."""
    total: dict[str, float] = {}
    for outcome in ended:
        given = cast("dict[str, float]", (outcome.result or {}).get("seconds", {}))
        for stage, seconds in given.items():
            total[stage] = round(total.get(stage, 0.0) + seconds, 3)
    return total


def read_csv(path: Path) -> pd.DataFrame:
    """Return a joined table; an empty file is an empty table."""
    if not path.stat().st_size:
        return pd.DataFrame()
    table = pd.read_csv(path, dtype=dict.fromkeys(("model", "well", "metric", "period"), str))
    for name in [column for column in table if column in _TIMES]:
        table[name] = pd.to_datetime(table[name])
    if "lead_time" in table and not pd.api.types.is_numeric_dtype(table["lead_time"].dtype):
        table["lead_time"] = pd.to_timedelta(table["lead_time"])  # months are numbers
    return table


def warn_for(ended: Sequence[ShardOutcome], *, stacklevel: int) -> list[str]:
    """Warn of what the workers warned of, once; return all of it."""
    told = sorted({str(t) for o in ended if o.result for t in listed(o.result["warnings"])})
    if told:
        more = f" There are {len(told) - 1} more in run.json." if len(told) > 1 else ""
        warnings.warn(f"Workers warned: {told[0]}{more}", stacklevel=stacklevel + 1)
    return told


def models_of(ended: Sequence[ShardOutcome]) -> dict[str, Any]:
    """Return the settings of all models, as the shards recorded them."""
    models: dict[str, Any] = {}
    for outcome in ended:
        described = outcome.shard.folder / "run.json"
        if outcome.result and described.exists():
            models = files.load_json(described)["models"] | models
    return models


def about_cluster(settings: Settings, ended: Sequence[ShardOutcome]) -> dict[str, object]:
    """Return how the work was spread, for a record."""
    failed = [outcome.shard.folder.name for outcome in ended if outcome.result is None]
    return {**settings.cluster.model_dump(), "shards": len(ended), "failed": failed}
