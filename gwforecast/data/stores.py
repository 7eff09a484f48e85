"""Observations stored as NetCDF or Zarr; only the requested wells are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError

__all__ = [
    "NETCDF", "check_netcdf", "is_store", "known_wells", "list_store", "open_netcdf", "read_store",
]  # fmt: skip

NETCDF = (".nc", ".nc4", ".netcdf", ".h5")
ZARR = ".zarr"
ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata")
HDF5_FILTERS = frozenset({1, 2, 3, 4, 5, 6})  # deflate, shuffle, fletcher32, szip, nbit, offset
CODECS = (
    "blosc", "bytes", "bz2", "crc32", "crc32c", "delta", "fixedscaleoffset", "gzip", "lz4", "lzma",
    "quantize", "sharding_indexed", "shuffle", "transpose", "vlen-bytes", "vlen-utf8", "zlib",
    "zstd",
)  # fmt: skip
"""Codecs of Zarr stores that only transform numbers and text; pickle is not among them."""
LARGEST_METADATA = 2**22  # bytes
WELL_DIMENSIONS = ("well", "station", "site", "timeseries", "location")


def is_store(path: Path) -> bool:
    """Return whether a path is a NetCDF file or a Zarr store, judged by name and content."""
    return path.suffix.lower() in NETCDF or _is_zarr(path)


def read_store(path: Path, *, wells: Sequence[str] | None = None) -> xr.Dataset:
    """Read the observations of a store, with dimensions (well, time) and a time axis in UTC.

    Raises FileNotFoundError if the store does not exist, and SchemaError if it cannot be read as
    observations, or does not hold a requested well.

    Returns
    -------
    xarray.Dataset
        Observations, dims (well, time), in memory.
    """
    with _opened(path) as dataset:
        dimension = _well_dimension(dataset, path)
        names = _names(dataset, dimension)
        places = {name: k for k, name in enumerate(names)}
        kept = None if wells is None else known_wells(wells, list(places), path)
        chosen = list(range(len(names))) if kept is None else [places[name] for name in kept]
        part = dataset.isel({dimension: chosen}).load()
    part = part.drop_vars([dimension] if dimension in part.coords else [])
    part = part.rename({dimension: schema.WELL}) if dimension != schema.WELL else part
    times = timeline.to_times(part[schema.TIME].values)
    part = part.assign_coords({schema.WELL: [names[k] for k in chosen], schema.TIME: times})
    if times.size > 1 and (np.diff(times) < np.timedelta64(0)).all():
        part = part.isel({schema.TIME: slice(None, None, -1)})  # written from the last to the first
    for name, variable in part.data_vars.items():
        if set(variable.dims) == {schema.WELL, schema.TIME}:
            turned = variable.transpose(schema.WELL, schema.TIME)
            part[name] = turned if str(name).endswith("_flag") else turned.astype(float)
    return schema.validate_observations(part)


def open_netcdf(path: Path) -> xr.Dataset:
    """Read a NetCDF file into memory; files that refer to data elsewhere are refused.

    Raises FileNotFoundError if the file does not exist, and SchemaError if it is not NetCDF 4,
    refers to data outside the file, or uses unknown filters.
    """
    with _opened(path) as dataset:
        return dataset.load()


def list_store(path: Path) -> list[str]:
    """Return the names of the wells of a store, without reading levels or covariates.

    Raises FileNotFoundError if the store does not exist, and SchemaError if it does not have
    dimensions of wells and times.
    """
    with _opened(path) as dataset:
        return _names(dataset, _well_dimension(dataset, path))


@contextmanager
def _opened(path: Path) -> Iterator[xr.Dataset]:
    if not path.exists():
        raise FileNotFoundError(
            f"A file of data must exist. Received {path}, which does not. Correct the path."
        )
    try:
        if _is_zarr(path):
            _check_zarr(path)
            dataset = _open_zarr(path)
        else:
            check_netcdf(path)
            dataset = xr.open_dataset(path, engine="h5netcdf")
    except (SchemaError, ImportError):
        raise
    except Exception as error:  # libraries raise many kinds for damaged files
        raise SchemaError(
            f"A NetCDF file must be readable as NetCDF 4, and a Zarr store as such. Received "
            f"{path}: {error}. Write it again, e.g. with Dataset.to_netcdf(engine='h5netcdf')."
        ) from None
    with dataset:
        yield dataset


def check_netcdf(path: Path) -> None:
    """Check that a NetCDF file has no links, no external data, and no filters from outside HDF5.

    Raises SchemaError if it has, and OSError if it is not NetCDF 4.
    """

    def refuse(name: str, what: str) -> SchemaError:
        return SchemaError(
            f"A NetCDF file holds all of its data itself. Received {what} at {name!r} in {path}. "
            "Write it again with Dataset.to_netcdf(engine='h5netcdf')."
        )

    def check(group: Any, prefix: str) -> None:
        for name in group:
            place = f"{prefix}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise refuse(place, "a link")
            item = group[name]
            if isinstance(item, h5py.Group):
                check(item, place)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise refuse(place, "data in another file")
                made = item.id.get_create_plist()
                used = {made.get_filter(k)[0] for k in range(made.get_nfilters())}
                if used - HDF5_FILTERS:
                    raise refuse(place, f"the unknown filter {min(used - HDF5_FILTERS)}")

    with h5py.File(path, "r") as file:
        check(file, "")


def _check_zarr(path: Path) -> None:
    """Raise if a store has links, or codecs that do more than transform numbers and text."""
    for part in sorted(path.rglob("*")):
        if part.is_symlink():
            raise SchemaError(
                f"A Zarr store holds all of its data itself. Received the link {part}. Copy the "
                "data into the store."
            )
        if part.name not in (".zarray", ".zmetadata", "zarr.json"):
            continue
        if part.stat().st_size > LARGEST_METADATA:
            raise SchemaError(f"Metadata of a Zarr store are small. Received {part}.")
        for name in _codecs(json.loads(part.read_bytes())):
            if name.removeprefix("numcodecs.") not in CODECS:
                raise SchemaError(
                    "A Zarr store has codecs of numbers and text only. Received the codec "
                    f"{name!r} in {part}. Write the store again, e.g. with Dataset.to_zarr."
                )


def _codecs(node: Any) -> Iterator[str]:
    """Yield the names of the codecs in the metadata of a Zarr store, versions 2 and 3."""
    if isinstance(node, list):
        for item in node:
            yield from _codecs(item)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in ("compressor", "filters", "codecs", "index_codecs", "object_codec"):
            for codec in value if isinstance(value, list) else [value]:
                if isinstance(codec, dict):
                    yield str(codec.get("id", codec.get("name")))
                    yield from _codecs(codec.get("configuration"))
        elif key != "attributes":
            yield from _codecs(value)


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and (
        path.suffix.lower() == ZARR or any((path / mark).exists() for mark in ZARR_MARKS)
    )


def _open_zarr(path: Path) -> xr.Dataset:
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise ImportError(
            f"Zarr stores are read with an extra. Received {path} without it. Install it: "
            "pip install 'gwforecast[zarr]'."
        ) from None
    store: xr.Dataset = xr.open_zarr(path, chunks=None, consolidated=False)
    return store


def _well_dimension(dataset: xr.Dataset, path: Path) -> str:
    found = [name for name in WELL_DIMENSIONS if name in dataset.dims]
    if not found or schema.TIME not in dataset.dims:
        raise SchemaError(
            f"A NetCDF file must have the dimensions time and one of {WELL_DIMENSIONS}. Received "
            f"{dict(dataset.sizes)} in {path}. Rename them with Dataset.rename."
        )
    return found[0]


def _names(dataset: xr.Dataset, dimension: str) -> list[str]:
    """Return the names of the wells, from the coordinate or the variable with the CF role."""
    roles = [
        name for name, v in dataset.variables.items() if v.attrs.get("cf_role") == "timeseries_id"
    ]
    source = dataset[roles[0]] if roles else dataset.get(dimension)
    if source is None:
        return [str(k) for k in range(dataset.sizes[dimension])]
    return [v.decode() if isinstance(v, bytes) else str(v) for v in np.asarray(source.values)]


def known_wells(wells: Sequence[str], there: Sequence[str], path: Path) -> list[str]:
    """Return the requested wells; raises SchemaError if one is not there."""
    unknown = [name for name in wells if name not in there]
    if unknown:
        raise SchemaError(
            f"Requested wells must be in the data. Received {unknown[0]!r}; {path} holds "
            f"{len(there)} wells, {list(there)[:3]} first. Correct the name."
        )
    return list(wells)
