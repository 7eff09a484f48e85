"""Gridded weather in NetCDF, read at the wells: E-OBS, ERA5-Land, HYRAS as their users have them.

One file or a folder of files, one or several variables each, on a grid of longitude and latitude,
or on any grid whose cells have a longitude and a latitude (HYRAS).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.data.layouts.base import RawTable
from gwforecast.data.stores import check_netcdf
from gwforecast.data.terms.headers import Header, read_header
from gwforecast.data.terms.units import parse_length
from gwforecast.schema import SchemaError

__all__ = ["is_grid", "read_grids"]

NETCDF = (".nc", ".nc4", ".netcdf")
_TIME = ("time", "valid_time")
_LATITUDE = ("latitude", "lat", "nav_lat", "y")
_LONGITUDE = ("longitude", "lon", "nav_lon", "x")
_EARTH = 6371.0  # km
_HOUR = np.timedelta64(1, "h")
_SHORT = {"pev": "evapotranspiration", "sd": "snow", "sp": "pressure"}  # besides schema.KINDS


@dataclass(frozen=True)
class _Cell:
    """Where a well lies on a grid."""

    positions: dict[str, int]
    latitude: float
    longitude: float
    distance: float  # km
    size: float  # km


def is_grid(path: Path) -> bool:
    """Return whether a path is a NetCDF file, or a folder that holds nothing else."""
    if path.is_dir():
        files = [f for f in path.iterdir() if f.is_file() and not f.name.startswith(".")]
        return bool(files) and all(f.suffix.lower() in NETCDF for f in files)
    return path.suffix.lower() in NETCDF


def read_grids(
    path: Path, wells: list[str], attributes: pd.DataFrame | None, *, method: str = "nearest"
) -> dict[str, RawTable]:
    """Return gridded weather at the wells.

    Raises SchemaError if a file is no grid, a well has no coordinates, or lies off the grid, and
    ValueError if the method is not known.
    """
    if method not in ("nearest", "bilinear"):
        raise ValueError(f"grid must be 'nearest' or 'bilinear'. Received {method!r}. Correct it.")
    places = _coordinates(wells, attributes, path)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    frames: dict[str, dict[str, pd.Series]] = {well: {} for well in wells}
    headers: dict[str, Header] = {}
    notes: list[str] = []
    for file in (f for f in files if f.suffix.lower() in NETCDF):
        with _opened(file) as dataset:
            for name, variable in _variables(dataset, file):
                if name in headers:
                    raise SchemaError(
                        f"A variable must be in one file. Received {name!r} in {file} and in "
                        "another. Leave only one."
                    )
                headers[name] = _header(name, variable)
                for well, (longitude, latitude) in places.items():
                    series, note = _at(variable, dataset, latitude, longitude, method, file, well)
                    series, more = _increments(series)
                    frames[well][name] = series
                    notes.append(f"grid: {name} of {file.name} at {well}: {note}{more}")
    if not headers:
        raise SchemaError(
            "Gridded weather needs variables over time, latitude and longitude. Received none in "
            f"{path}. Check the files."
        )
    made = {}
    for well, columns in frames.items():
        frame = pd.DataFrame(columns)
        made[well] = RawTable(
            frame, path, layout="gridded NetCDF", headers=headers, notes=list(notes),
            times=pd.DatetimeIndex(frame.index),
        )  # fmt: skip
    return made


def _coordinates(
    wells: list[str], attributes: pd.DataFrame | None, path: Path
) -> dict[str, tuple[float, float]]:
    columns = {} if attributes is None else {str(c).lower(): c for c in attributes.columns}
    pair = next((p for p in schema.PLACES[:2] if p[0] in columns and p[1] in columns), None)
    if attributes is None or pair is None:
        raise SchemaError(
            "Gridded weather is read at the coordinates of the wells. Received "
            f"{sorted(columns) or 'no attributes'} beside {path}. Give a table with columns well, "
            "longitude and latitude (degrees) as attributes."
        )
    places = {}
    for well in wells:
        if well not in attributes.index:
            raise SchemaError(
                f"Each well needs coordinates. Received none for {well!r}; there are some for "
                f"{list(attributes.index[:3])}. Add its row to the attributes."
            )
        longitude, latitude = (
            float(pd.to_numeric(str(attributes.loc[well, columns[name]]), errors="coerce"))
            for name in pair
        )
        if not (abs(latitude) <= 90 and abs(longitude) <= 360):
            raise SchemaError(
                "Coordinates must be longitude and latitude in degrees. Received "
                f"{longitude:g} and {latitude:g} for {well!r}. Convert them to WGS 84."
            )
        places[well] = (longitude, latitude)
    return places


def _opened(path: Path) -> xr.Dataset:
    try:
        check_netcdf(path)
        dataset = xr.open_dataset(path, engine="h5netcdf", decode_times=False)
        return xr.decode_cf(_in_common_calendar(dataset, path))
    except SchemaError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise SchemaError(
            f"Gridded weather must be NetCDF 4. Received {path}: {error}. Convert it, e.g. with "
            "nccopy -k nc4."
        ) from None


_TO_DAYS = {"days": 1, "hours": 24, "minutes": 1440, "seconds": 86_400}


def _in_common_calendar(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """Return a dataset whose times of years of 365 days are those of the common calendar."""
    time = next((name for name in _TIME if name in dataset.variables), "")
    attrs = dataset[time].attrs if time else {}
    calendar = str(attrs.get("calendar", "standard")).lower()
    if calendar in ("standard", "gregorian", "proleptic_gregorian"):
        return dataset
    form = r"(days|hours|minutes|seconds) since (\d+)-(\d+)-(\d+)(?:[T ](\d+):(\d+))?"
    since = re.match(form, str(attrs.get("units", "")))
    if calendar not in ("noleap", "365_day") or since is None:
        raise SchemaError(
            f"Times must be of the common calendar. Received {calendar!r} in {path}, whose dates, "
            "e.g. 30 February, no level has. Convert it with Dataset.convert_calendar of xarray, "
            "e.g. convert_calendar('standard', align_on='year')."
        )
    year, month, day, hour, minute = (int(part or 0) for part in since.groups()[1:])
    starts = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])
    first = 365 * year + starts[month - 1] + day - 1 + (hour + minute / 60) / 24

    def dates(values: np.ndarray) -> np.ndarray:
        days = first + values / _TO_DAYS[since[1]]
        whole = np.floor(days + 1e-6).astype(np.int64)
        years, of_year = np.divmod(whole, 365)
        months = np.searchsorted(starts, of_year, side="right")
        begins = (12 * (years - 1970) + months - 1).astype("datetime64[M]").astype("datetime64[D]")
        seconds = np.round((days - whole) * 86_400).astype("timedelta64[s]")
        return np.asarray(begins + (of_year - starts[months - 1]) + seconds)

    kept = {key: text for key, text in attrs.items() if key == "bounds"}
    made = {time: (dataset[time].dims, dates(dataset[time].values), kept)}
    name = str(kept.get("bounds", ""))
    if name in dataset.variables:
        made[name] = (dataset[name].dims, dates(dataset[name].values), {})
    return dataset.assign(made)


def _variables(dataset: xr.Dataset, path: Path) -> Iterator[tuple[str, xr.DataArray]]:
    """Yield the variables over time and two horizontal dimensions."""
    time = next((name for name in _TIME if name in dataset.dims), None)
    if time is None:
        raise SchemaError(
            f"Gridded weather needs a dimension time. Received {dict(dataset.sizes)} in {path}. "
            "Rename it with Dataset.rename."
        )
    for name, variable in dataset.data_vars.items():
        if time not in variable.dims or variable.ndim < 3 or variable.dtype.kind not in "fiu":
            continue
        single = [d for d in variable.dims if d != time and variable.sizes[d] == 1]
        horizontal = [d for d in variable.dims if d != time]
        if len(horizontal) > 2:
            squeezed = [d for d in single if str(d).lower() not in (*_LATITUDE, *_LONGITUDE)]
            variable = variable.isel(dict.fromkeys(squeezed, 0), drop=True)
        if variable.ndim != 3:
            raise SchemaError(
                f"Gridded weather has time and two dimensions of place. Received "
                f"{dict(variable.sizes)} for {name!r} in {path}. Choose one of the others with "
                "Dataset.isel."
            )
        yield str(name), variable.rename({time: "time"}) if time != "time" else variable


def _header(name: str, variable: xr.DataArray) -> Header:
    unit = str(variable.attrs.get("units", "")) or None
    spoken = " ".join(
        str(variable.attrs.get(key, "")) for key in ("standard_name", "long_name")
    ).replace("_", " ")
    meaning = schema.covariate_kind(name)
    if meaning == "other":
        kind = _SHORT.get(name.lower()) or read_header(name).kind
        meaning = kind or (read_header(spoken).kind if spoken.strip() else None) or "unknown"
    return Header(name, name, meaning, unit, parse_length(unit) if unit else None)


def _at(
    variable: xr.DataArray, dataset: xr.Dataset, latitude: float, longitude: float, method: str,
    path: Path, well: str,
) -> tuple[pd.Series, str]:  # fmt: skip
    """Return a variable at a place, and which cell that is."""
    lat, lon = _axes(variable, dataset, path)
    if float(np.nanmax(lon.values)) > 180 and longitude < 0:
        longitude += 360
    cell = _nearest(lat, lon, latitude, longitude)
    if cell.distance > cell.size:
        raise SchemaError(
            f"A well must lie on the grid. Received {well!r} at {latitude:g} N, {longitude:g} E, "
            f"{cell.distance:.0f} km from the nearest cell of {path} "
            f"({float(lat.min()):g} to {float(lat.max()):g} N, {float(lon.min()):g} to "
            f"{float(lon.max()):g} E). Check the coordinates, or give weather that covers it."
        )
    if method == "bilinear" and lat.ndim == 1:
        point = variable.sortby([lat.dims[0], lon.dims[0]]).interp(
            {lat.dims[0]: latitude, lon.dims[0]: longitude}
        )
        where = "bilinear between four cells"
    elif method == "bilinear":
        raise SchemaError(
            "A bilinear reading needs a grid of longitude and latitude. Received cells with "
            f"coordinates of their own in {path}. Take grid='nearest'."
        )
    else:
        point = variable.isel(cell.positions)
        where = f"nearest cell {cell.latitude:.3f} N, {cell.longitude:.3f} E"
    values = point.values.astype(float)
    if not np.isfinite(values).any():
        raise SchemaError(
            f"A cell of the grid must hold values. Received none at {well!r}, {where}, "
            f"{cell.distance:.1f} km away, in {path}: it may lie in the sea. Move the well's "
            "coordinates to the nearest cell on land."
        )
    times, said = _beginnings(dataset, point)
    steps = np.diff(times.to_numpy())
    if len(steps) and (steps % np.timedelta64(1, "D") == np.timedelta64(0)).all():
        times = times.floor("D")  # daily values are stamped at noon, or at the end of the day
    if len(steps) and (steps < np.timedelta64(0)).all():
        times, values, said = times[::-1], values[::-1], f"{said}, in order of time"
    return pd.Series(values, times), f"{where}, {cell.distance:.1f} km away{said}"


def _beginnings(dataset: xr.Dataset, point: xr.DataArray) -> tuple[pd.DatetimeIndex, str]:
    """Return the times of values, those of steps with bounds by their beginnings, and a note."""
    times = pd.DatetimeIndex(point["time"].values)
    bounds = dataset.get(str(point["time"].attrs.get("bounds", "")))
    if bounds is None or bounds.dtype.kind != "M" or bounds.shape != (len(times), 2):
        return times, ""
    begins, ends = (pd.DatetimeIndex(bounds.values[:, k]) for k in (0, 1))
    if not (begins < ends).all() or begins.equals(times):
        return times, ""
    return begins, ", stamped by the beginnings of its time bounds"


def _axes(
    variable: xr.DataArray, dataset: xr.Dataset, path: Path
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return latitude and longitude of the cells, both of one or of two dimensions."""
    horizontal = {str(d) for d in variable.dims} - {"time"}
    pairs = [
        (dataset[a], dataset[b])
        for a in _LATITUDE
        for b in _LONGITUDE
        if a in dataset.variables and b in dataset.variables
    ]
    for lat, lon in pairs:
        whole = {str(d) for d in (*lat.dims, *lon.dims)} == horizontal
        degrees = float(np.nanmax(np.abs(lat.values))) <= 90
        if whole and degrees and lat.ndim == lon.ndim:
            return lat, lon
    raise SchemaError(
        "The cells of a grid need latitude and longitude in degrees. Received the coordinates "
        f"{sorted(map(str, dataset.coords))} in {path}. Add them, e.g. with cdo, or read the "
        "weather at the wells by other means."
    )


def _nearest(lat: xr.DataArray, lon: xr.DataArray, latitude: float, longitude: float) -> _Cell:
    if lat.ndim == 1:
        row = int(np.argmin(np.abs(lat.values - latitude)))
        column = int(np.argmin(np.abs(lon.values - longitude)))
        positions = {str(lat.dims[0]): row, str(lon.dims[0]): column}
        found = float(lat.values[row]), float(lon.values[column])
        step = max(_step(lat.values), _step(lon.values) * np.cos(np.radians(latitude)))
        size = 0.75 * np.radians(step) * _EARTH
    else:
        away = _distance(lat.values, lon.values, latitude, longitude)
        row, column = map(int, np.unravel_index(int(np.nanargmin(away)), away.shape))
        positions = {str(lat.dims[0]): int(row), str(lat.dims[1]): int(column)}
        found = float(lat.values[row, column]), float(lon.values[row, column])
        near = np.sort(_distance(lat.values, lon.values, *found).ravel())
        size = 0.75 * float(near[min(2, near.size - 1)])
    distance = float(_distance(np.array(found[0]), np.array(found[1]), latitude, longitude))
    return _Cell(positions, *found, distance, float(size))


def _step(values: np.ndarray) -> float:
    return float(np.median(np.abs(np.diff(values)))) if values.size > 1 else 1.0


def _distance(lat: np.ndarray, lon: np.ndarray, latitude: float, longitude: float) -> np.ndarray:
    """Return great-circle distances, km."""
    a, b = np.radians(lat), np.radians(latitude)
    half = (
        np.sin((a - b) / 2) ** 2
        + np.cos(a) * np.cos(b) * np.sin(np.radians(lon - longitude) / 2) ** 2
    )
    return np.asarray(2 * _EARTH * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def _increments(series: pd.Series) -> tuple[pd.Series, str]:
    """Return hourly amounts of a series that adds up from 01:00 to 24:00, as ERA5-Land has it."""
    times = pd.DatetimeIndex(series.index)
    steps = np.diff(times.to_numpy())
    if not len(steps) or not (steps == _HOUR).all() or len(series) < 72:
        return series, ""
    values = series.to_numpy(float)
    rises = np.diff(values)
    inside = times.hour[1:] != 1  # 01:00 is the first sum of a day
    known = np.isfinite(rises) & inside
    falls = np.isfinite(rises) & ~inside
    if not known.any() or (rises[known] < -1e-9).any() or not (rises[falls] < 0).any():
        return series, ""
    amounts = np.where(times.hour == 1, values, np.append(np.nan, rises))
    shifted = pd.Series(np.maximum(amounts, 0.0), times - pd.Timedelta(hours=1))
    return shifted, "; sums since 00:00 are read as amounts of each hour"
