"""Observations in one NetCDF file or Zarr store; only the requested wells are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError

__all__ = ["NETCDF", "is_store", "list_store", "read_store"]


NETCDF = (".nc", ".nc4", ".netcdf", ".h5")
ZARR = ".zarr"
ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata")
WELL_DIMENSIONS = ("well", "station", "site", "timeseries", "location")


def is_store(path: Path) -> bool:
    """Return whether a path is a NetCDF file or a Zarr store, by its name and content."""
    return path.suffix.lower() in NETCDF or _is_zarr(path)


def read_store(path: Path, *, wells: Sequence[str] | None = None) -> xr.Dataset:
    """Read the observations of a store, with dimensions (well, time) and a time axis in UTC.

    Parameters
    ----------
    path : pathlib.Path
        A NetCDF file or a Zarr store with the dimensions time and well (or station, site,
        timeseries, location).
    wells : sequence of str, optional
        Only these wells; the others are not read.

    Returns
    -------
    xarray.Dataset
        Observations, dims (well, time), in memory.

    Raises
    ------
    FileNotFoundError
        If the store does not exist.
    SchemaError
        If it can't be read as observations, or lacks a well.
    """
    with _opened(path) as dataset:
        dimension = _well_dimension(dataset, path)
        names = _names(dataset, dimension)
        chosen = np.arange(len(names)) if wells is None else _positions(wells, names, path)
        part = dataset.isel({dimension: chosen}).load()
    part = part.drop_vars([dimension] if dimension in part.coords else [])
    part = part.rename({dimension: schema.WELL}) if dimension != schema.WELL else part
    part = part.assign_coords(
        {
            schema.WELL: [names[k] for k in chosen],
            schema.TIME: timeline.to_times(part[schema.TIME].values),
        }
    )
    for name, variable in part.data_vars.items():
        if set(variable.dims) == {schema.WELL, schema.TIME}:
            turned = variable.transpose(schema.WELL, schema.TIME)
            flag = str(name).endswith("_flag")
            part[name] = turned if flag else turned.astype(float)
    return schema.validate_observations(part)


def list_store(path: Path) -> list[str]:
    """Return the names of the wells of a store; levels and covariates are not read.

    Raises
    ------
    FileNotFoundError
        If the store does not exist.
    SchemaError
        If it does not have the dimensions.
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
        dataset = _open_zarr(path) if _is_zarr(path) else xr.open_dataset(path, engine="h5netcdf")
    except (OSError, ValueError, KeyError) as error:
        raise SchemaError(
            f"A NetCDF file must be readable as NetCDF 4, and a Zarr store as such. Received "
            f"{path}: {error}. Write it again, e.g. with Dataset.to_netcdf(engine='h5netcdf')."
        ) from None
    with dataset:
        yield dataset


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
    """Return names of wells: the dimension's coordinate, or the variable with a CF role."""
    roles = [
        name for name, v in dataset.variables.items() if v.attrs.get("cf_role") == "timeseries_id"
    ]
    source = dataset[roles[0]] if roles else dataset.get(dimension)
    if source is None:
        return [str(k) for k in range(dataset.sizes[dimension])]
    return [v.decode() if isinstance(v, bytes) else str(v) for v in np.asarray(source.values)]


def _positions(wells: Sequence[str], names: Sequence[str], path: Path) -> np.ndarray:
    places = {name: k for k, name in enumerate(names)}
    unknown = [well for well in wells if well not in places]
    if unknown:
        raise SchemaError(
            f"Requested wells must be in the data. Received {unknown[0]!r}; {path} holds "
            f"{len(names)} wells, {list(names)[:3]} first. Correct the name."
        )
    return np.array([places[well] for well in wells])
