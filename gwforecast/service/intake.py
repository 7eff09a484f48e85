"""Data of a scheduled run: read together, and well by well where one of them cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.tables import DataSettings, ScheduleSettings
from gwforecast.data.covariates import fill_covariates
from gwforecast.data.readers import list_wells
from gwforecast.forcings.base import Forcing
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.forcings.scenario import make_forcing
from gwforecast.forcings.weather_forecast import WeatherForecast
from gwforecast.runs.inputs import read_data
from gwforecast.schema import SchemaError
from gwforecast.service.product import known_until

__all__ = ["Intake", "known_and_filled", "read_each", "read_forcing", "wells_of"]


_NAMING = ("well", "level_column", "day_first", "decimal", "delimiter")


@dataclass(frozen=True, eq=False)
class Intake:
    """What could be read.

    Parameters
    ----------
    observations : xarray.Dataset or None
        Dimensions (well, time); None where no well could be read.
    refused : dict of str to (str, str)
        Status and reason of the other wells.
    """

    observations: xr.Dataset | None
    refused: dict[str, tuple[str, str]]


def read_each(data: DataSettings) -> Intake:
    """Read the wells together; if that fails one by one, so that only those at fault are lost.

    Parameters
    ----------
    data : DataSettings
        Where the data are.

    Raises
    ------
    FileNotFoundError
        If the levels are not there at all.
    SchemaError
        If not even the names of the wells can be read.
    """
    try:
        return Intake(read_data(data), {})
    except SchemaError:
        names = wells_of(data)
    found: list[xr.Dataset] = []
    refused: dict[str, tuple[str, str]] = {}
    for name in names:
        try:
            one = read_data(data, wells=[name])
            if found:
                _check_alike(one, found[0])
            found.append(one)
        except FileNotFoundError as error:
            refused[name] = ("no_data", str(error))
        except (SchemaError, OSError) as error:
            refused[name] = ("check_failed", str(error))
    if not found:
        return Intake(None, refused)
    joined = xr.concat(found, schema.WELL, join="outer", combine_attrs="drop_conflicts")
    return Intake(schema.validate_observations(joined), refused)


def known_and_filled(
    observations: xr.Dataset,
    issue_time: np.datetime64,
    data: DataSettings,
    *,
    keep_weather: bool = False,
) -> xr.Dataset:
    """Return what was known at an issue time, with gaps in covariates filled as is asked for.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    issue_time : numpy.datetime64
        A step of the axis, or where it goes on to.
    data : DataSettings
        With rules for filling; nothing is filled from what is later.
    keep_weather : bool
        Keep covariates after the issue time.
    """
    known = known_until(observations, issue_time, keep_weather=keep_weather)
    if data.fill is None:
        return known
    filled = fill_covariates(known, rules=data.fill)
    for name in schema.covariate_names(known):
        missing = known[name].isnull().transpose(schema.WELL, schema.TIME).values
        ended = np.logical_and.accumulate(missing[:, ::-1], axis=1)[:, ::-1]
        # where the weather has ended there is no gap: there the forcing goes on
        values = np.where(ended, np.nan, filled[name].values)
        filled[name] = filled[name].copy(data=values)
    return filled


def wells_of(data: DataSettings) -> list[str]:
    """Return the wells that are asked for, or all in the data; files of a folder are not opened."""
    if data.wells:
        return data.wells
    if data.database is not None:
        from gwforecast.data.database import list_wells_sql

        return list_wells_sql(data.database, str(data.levels))
    naming: dict[str, Any] = {n: v for n, v in data.reading().items() if n in _NAMING}
    return list_wells(data.levels, data.covariates, **naming)


def read_forcing(schedule: ScheduleSettings) -> Forcing:
    """Return the weather after the issue time: a forecast that goes on with climatology, or none.

    Raises
    ------
    FileNotFoundError, SchemaError
        If the file of a weather forecast is not there, or does not have its form.
    """
    if schedule.weather_forecast is None:
        return make_forcing(schedule.forcing)
    path = schedule.weather_forecast
    if not path.is_file():
        raise FileNotFoundError(
            f"A weather forecast is a NetCDF file. Received {str(path)!r}, which is not there. "
            "Correct 'weather_forecast' in the table [schedule]."
        )
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        weather = opened.load()
    return WeatherForecast(weather, fallback=ClimatologyWeather())


def _check_alike(one: xr.Dataset, first: xr.Dataset) -> None:
    """Raise where a well has other covariates, or steps that lie between those of the first."""
    names, others = (sorted(schema.covariate_names(part)) for part in (one, first))
    if names != others:
        raise SchemaError(
            "Wells of one set have the same covariates. Received "
            f"{', '.join(names) or 'none'} at {str(one[schema.WELL].values[0])!r} and "
            f"{', '.join(others) or 'none'} at {str(first[schema.WELL].values[0])!r}. Bring them "
            "to the same names."
        )
    frequencies = [timeline.infer_frequency(part[schema.TIME].values) for part in (one, first)]
    if len(set(frequencies)) > 1:
        raise SchemaError(
            f"Wells of one set share their steps. Received {frequencies[0]!r} at "
            f"{str(one[schema.WELL].values[0])!r} and {frequencies[1]!r} at "
            f"{str(first[schema.WELL].values[0])!r}. Bring them to one frequency."
        )
