"""Observations from files: CSV, Parquet, NetCDF, Zarr, folders with one file for each well.

How files of tables end; nothing is loaded to know it.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.data.assemble import AtStep, Duplicates, observations_from_frames
from gwforecast.data.columns import Levels, series_by_well
from gwforecast.data.layouts.delimited import TABLES, Dialect, read_table
from gwforecast.data.stores import is_store, list_store, read_store
from gwforecast.schema import SchemaError

__all__ = ["list_wells", "read_levels", "read_observations"]


GENERIC_STEMS = ("heads", "head", "levels", "level", "gw", "gwl", "data", "groundwater",
                 "observations", "heads_full")  # fmt: skip


def read_observations(
    levels: str | os.PathLike[str],
    covariates: str | os.PathLike[str] | None = None,
    *,
    attributes: str | os.PathLike[str] | None = None,
    wells: Sequence[str] | None = None,
    well: str | None = None,
    level_column: str | None = None,
    reference_level: float | Mapping[str, float] | None = None,
    datum: str | None = None,
    units: str | None = None,
    covariate_units: Mapping[str, str] | None = None,
    day_first: bool | None = None,
    decimal: str | None = None,
    delimiter: str | None = None,
    at_step: AtStep | None = None,
    duplicates: Duplicates | None = None,
    sort: bool = False,
    missing_values: Iterable[float] | float = (),
) -> xr.Dataset:
    """Read levels, weather and static attributes from files.

    Parameters
    ----------
    levels : path
        CSV or Parquet of one well, or wide or long of several; a folder with one file for each
        well; or NetCDF or a Zarr store with levels and covariates.
    covariates : path, optional
        CSV or Parquet that all wells share, or a folder with one file for each well. Files of two
        folders belong together by their names without what all names of a folder end with.
        The same path again takes the columns beside the level.
    attributes : path, optional
        CSV or Parquet with a row for each well, its name first.
    wells : sequence of str, optional
        Only these wells.
    day_first, decimal, delimiter
        How text is written; found out where the file tells, an error where it does not.
    well, level_column, reference_level, datum, units, covariate_units, at_step, duplicates, sort, \
missing_values
        As in :func:`gwforecast.data.assemble.observations_from_frames`.

    Returns
    -------
    xarray.Dataset
        Observations, dims (well, time).

    Raises
    ------
    FileNotFoundError
        If a file or folder does not exist.
    SchemaError
        If a file can't be read as such data; names file, line, column, well or time.
    """
    path = Path(levels)
    if isinstance(wells, str):
        raise ValueError(f"wells must be a list of names. Received {wells!r}. Write [{wells!r}].")
    if is_store(path):
        idle = (covariates, attributes, well, level_column, reference_level, datum, units)
        _check_idle(idle, path)
        return read_store(path, wells=wells)
    dialect = Dialect(delimiter, decimal, day_first)
    weather_path = None if covariates is None else Path(covariates)
    tables = _levels(path, dialect, weather_path, wells)
    found = series_by_well(tables, well=well, default=_well_name(path), level_column=level_column)
    found = _wanted(found, wells, path)
    if weather_path is None:
        _warn_of_weather(tables, path)
    return observations_from_frames(
        found,
        None if weather_path is None else _weather(weather_path, dialect, found, path),
        attributes=None if attributes is None else _named_rows(Path(attributes), dialect),
        reference_level=reference_level,
        datum=datum,
        units=units,
        covariate_units=covariate_units,
        at_step=at_step,
        duplicates=duplicates,
        sort=sort,
        missing_values=missing_values,
    )


def read_levels(
    levels: str | os.PathLike[str],
    *,
    well: str | None = None,
    level_column: str | None = None,
    day_first: bool | None = None,
    decimal: str | None = None,
    delimiter: str | None = None,
) -> dict[str, pd.Series]:
    """Return the levels of each well as a file holds them: in its order, with all duplicates.

    Parameters
    ----------
    levels : path
        As in :func:`read_observations`; of a NetCDF file nothing is returned, its axis is in order.
    well, level_column, day_first, decimal, delimiter
        As in :func:`read_observations`.

    Raises
    ------
    FileNotFoundError
        If the file or folder does not exist.
    SchemaError
        If a file can't be read as levels.
    """
    path = Path(levels)
    if is_store(path):
        return {}
    found = _levels(path, Dialect(delimiter, decimal, day_first))
    name = _well_name(path)
    return series_by_well(found, well=well, default=name, level_column=level_column).series


def list_wells(
    levels: str | os.PathLike[str],
    covariates: str | os.PathLike[str] | None = None,
    *,
    well: str | None = None,
    level_column: str | None = None,
    day_first: bool | None = None,
    decimal: str | None = None,
    delimiter: str | None = None,
) -> list[str]:
    """Return the names of the wells; of a folder its files are not opened.

    Parameters
    ----------
    levels, covariates, well, level_column, day_first, decimal, delimiter
        As in :func:`read_observations`.

    Raises
    ------
    FileNotFoundError
        If the file or folder does not exist.
    SchemaError
        If a table cannot be read as levels.
    """
    path = Path(levels)
    if is_store(path):
        return list_store(path)
    if path.is_dir():
        weather = None if covariates is None else Path(covariates)
        paired = weather is not None and weather.is_dir()
        return list(_paired(path, weather)[0] if weather and paired else _files(path))
    found = read_levels(
        path,
        well=well,
        level_column=level_column,
        day_first=day_first,
        decimal=decimal,
        delimiter=delimiter,
    )
    return list(found)


def _levels(
    path: Path, dialect: Dialect, weather: Path | None = None, wells: Sequence[str] | None = None
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Return the table of a file, or those of a folder by well: only those that are wanted."""
    if not path.is_dir():
        return read_table(path, dialect=dialect)
    files = _files(path)
    if weather is not None and weather.is_dir():
        files, _ = _paired(path, weather)
    wanted = list(files) if wells is None else _known(wells, list(files), path)
    return {name: read_table(files[name], dialect=dialect) for name in wanted}


def _weather(
    path: Path, dialect: Dialect, levels: Levels, level_path: Path
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    # one file, or one for each well, with the level beside its weather
    beside = [levels.source] if path.resolve() == level_path.resolve() else []
    if not path.is_dir():
        return read_table(path, dialect=dialect).drop(columns=beside, errors="ignore")
    files = _paired(level_path, path)[1] if level_path.is_dir() else _files(path)
    without = [name for name in levels.series if name not in files]
    if without:
        raise SchemaError(
            f"Each well needs a file of covariates. Received none for {len(without)} of "
            f"{len(levels.series)} wells in {path}, {without[0]!r} among them; there are some for "
            f"{sorted(files)[:3]}. Add them, or choose wells with wells=[...]."
        )
    return {
        name: read_table(files[name], dialect=dialect).drop(columns=beside, errors="ignore")
        for name in levels.series
    }


def _named_rows(path: Path, dialect: Dialect) -> pd.DataFrame:
    """Return a table of attributes; its delimiter is its own, whatever that of the levels is."""
    return read_table(path, dialect=Dialect(decimal=dialect.decimal), dated=False)


def _files(folder: Path) -> dict[str, Path]:
    """Return the tables of a folder by well: the stem without what all stems end with."""
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in TABLES)
    if not files:
        raise SchemaError(
            f"A folder of wells must hold tables ({', '.join(TABLES)}). Received none in {folder}. "
            "Check the path."
        )
    stems = pd.Index([file.stem for file in files])
    if stems.has_duplicates:
        first = stems[stems.duplicated()][0]
        raise SchemaError(
            f"A folder must hold one file for each well. Received several named {first!r} in "
            f"{folder}. Leave only one."
        )
    suffix = _common_ending(list(stems))
    return {stem.removesuffix(suffix) or stem: f for stem, f in zip(stems, files, strict=True)}


def _paired(levels: Path, weather: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the files of two folders by names of wells that both share, where there are such.

    What all stems of a folder end with is not known where it holds one file, or wells whose own
    names end alike; what stems of both folders begin with tells it.
    """
    files, others = _files(levels), _files(weather)
    if set(files) <= set(others):
        return files, others
    if len(files) == len(others) == 1:
        file, other = next(iter(files.values())), next(iter(others.values()))
        words = [re.split(r"([_\-. ])", stem.stem) for stem in (file, other)]
        same = takewhile(lambda pair: pair[0] == pair[1], zip(*words, strict=False))
        name = "".join(word for word, _ in same).rstrip("_-. ")
        return ({name: file}, {name: other}) if name else (files, others)
    named = {}
    for name, file in files.items():
        starts = [o for o in others if re.match(rf"{re.escape(o)}(?:[_\-. ]|$)", file.stem)]
        named[max(starts, key=len, default=name)] = file
    return (named if len(named) == len(files) else files), others


def _common_ending(stems: list[str]) -> str:
    """Return what all stems end with, from a mark on: wells 10 and 20 do not end with 0."""
    shortest = min(stems, key=len)
    candidates = [shortest[k:] for k, mark in enumerate(shortest) if mark in "_-. " and k > 0]
    if len(stems) == 1:
        return ""
    return next((end for end in candidates if all(s.endswith(end) for s in stems)), "")


def _well_name(path: Path) -> str:
    return path.resolve().parent.name if path.stem.lower() in GENERIC_STEMS else path.stem


def _warn_of_weather(tables: pd.DataFrame | dict[str, pd.DataFrame], path: Path) -> None:
    """Warn of weather beside the level, which is not used unless it is asked for."""
    table = tables if isinstance(tables, pd.DataFrame) else next(iter(tables.values()))
    idle = [str(c) for c in table.columns if schema.covariate_kind(str(c)) != "other"]
    if idle:
        warnings.warn(
            f"Covariates are read only from the file of covariates. Received {idle[0]!r} beside "
            f"the level in {path}. Give the same path as covariates to use its columns.",
            stacklevel=3,
        )


def _wanted(found: Levels, wells: Sequence[str] | None, path: Path) -> Levels:
    if wells is None:
        return found
    known = _known(wells, list(found.series), path)
    return replace(found, series={name: found.series[name] for name in known})


def _known(wells: Sequence[str], there: list[str], path: Path) -> list[str]:
    unknown = [name for name in wells if name not in there]
    if unknown:
        raise SchemaError(
            f"Wells that are asked for must be in the data. Received {unknown[0]!r}; {path} holds "
            f"{len(there)} wells, {there[:3]} first. Correct the name."
        )
    return list(wells)


def _check_idle(given: tuple[object, ...], path: Path) -> None:
    idle = [value for value in given if value is not None]
    if idle:
        raise ValueError(
            "A NetCDF file or Zarr store holds levels, covariates and attributes with their names "
            f"and units. Received {idle[0]!r} beside {path}, which would change nothing. Leave it "
            "out, or set it in the Dataset."
        )
