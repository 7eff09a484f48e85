"""Results of shards joined into those of the whole network, never held in memory at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.ops.atomic import write_atomically
from gwforecast.ops.outputs import file_names

__all__ = ["copy_files", "join_tables", "joined_fields", "require_dask"]


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
