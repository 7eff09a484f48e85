"""Inputs of a scheduled run: what could be read, what was known at the issue time, and weather.

All wells are read together. Where that fails they are read one by one, so that only the wells at
fault are lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.tables import DataSettings
from gwforecast.data.covariates import derive_features, fill_covariates
from gwforecast.data.readers import list_wells
from gwforecast.runs.inputs import latest_complete_step, read_data
from gwforecast.runs.one_by_one import one_by_one
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import known_at, snap_issue_time

__all__ = [
    "Inputs",
    "check_clock",
    "known_and_filled",
    "read_wells",
    "requested_wells",
    "require_observations",
    "resolve_issue_time",
]


_NAMING = (
    "well", "level_column", "well_column", "time_column", "day_first", "date_format", "decimal",
    "delimiter", "encoding", "sheet", "skip_rows", "header_row", "missing_values", "sensor_depth",
    "barometer",
)  # fmt: skip


BEYOND_STEPS, BEYOND = 2, np.timedelta64(10, "D")  # an issue time further beyond is an error


@dataclass(frozen=True, eq=False)
class Inputs:
    """Observations that could be read, and the wells that could not.

    Parameters
    ----------
    observations : xarray.Dataset or None
        Dimensions (well, time); None if no well could be read.
    refused : dict of str to (str, str)
        Status and reason of each well that could not be read.
    """

    observations: xr.Dataset | None
    refused: dict[str, tuple[str, str]]


def read_wells(data: DataSettings) -> Inputs:
    """Read all wells together, or one by one if that fails.

    Parameters
    ----------
    data : DataSettings
        Location and format of the data.

    Returns
    -------
    Inputs
        Observations of the wells that could be read, and the reason for each of the others.

    Raises
    ------
    FileNotFoundError
        If the levels do not exist.
    SchemaError
        If not even the names of the wells can be read.
    """
    try:
        return Inputs(read_data(data), {})
    except SchemaError:
        names = requested_wells(data)
    first: list[xr.Dataset] = []

    def read(wells: list[str]) -> xr.Dataset:
        one = read_data(data, wells=wells)
        if first:
            _check_alike(one, first[0])
        else:
            first.append(one)
        return one

    attempt = one_by_one(read, names, errors=(SchemaError, OSError))
    refused = {
        well: ("no_data" if isinstance(error, FileNotFoundError) else "check_failed", str(error))
        for well, error in attempt.failed.items()
    }
    if not attempt.done:
        return Inputs(None, refused)
    joined = xr.concat(attempt.results, schema.WELL, join="outer", combine_attrs="drop_conflicts")
    return Inputs(schema.validate_observations(joined), refused)


def require_observations(inputs: Inputs, what: str) -> xr.Dataset:
    """Return the observations that could be read.

    Parameters
    ----------
    inputs : Inputs
        Result of :func:`read_wells`.
    what : str
        Subject of the message, e.g. ``"A forecast"``.

    Raises
    ------
    SchemaError
        If no well could be read.
    """
    if inputs.observations is None:
        refused = list(inputs.refused.items())[:3]
        reasons = " ".join(f"{well}: {reason}" for well, (_, reason) in refused)
        raise SchemaError(f"{what} needs the data of at least one well. {reasons}")
    return inputs.observations


def requested_wells(data: DataSettings) -> list[str]:
    """Return the requested wells, by default all in the data, without opening files of a folder."""
    if data.wells:
        return data.wells
    if data.database is not None:
        from gwforecast.data.database import list_wells_sql

        return list_wells_sql(data.database, str(data.levels))
    naming: dict[str, Any] = {n: v for n, v in data.reading().items() if n in _NAMING}
    return list_wells(data.levels, data.covariates, **naming)


def resolve_issue_time(given: object, observations: xr.Dataset, now: pd.Timestamp) -> np.datetime64:
    """Return the requested time, by default the last complete time step.

    A time that is no step becomes the last step before it, and a warning says so.

    Parameters
    ----------
    given : time or None
        The requested time.
    observations : xarray.Dataset
        Dimensions (well, time).
    now : pandas.Timestamp
        The current time, naive UTC.

    Raises
    ------
    ValueError
        If the requested time is not a time, is before the data, or is not complete yet.
    """
    latest = latest_complete_step(observations, now)
    if given is None:
        return latest
    moment = snap_issue_time(observations[schema.TIME].values, given, stacklevel=4)
    if moment > latest:
        raise ValueError(
            "An issue time must be a complete time step. Received "
            f"{timeline.format_time(moment)}, but the last complete step is "
            f"{timeline.format_time(latest)} UTC. Choose an earlier issue time."
        )
    return moment


def check_clock(observations: xr.Dataset, moment: np.datetime64, *, now: pd.Timestamp) -> None:
    """Raise if an issue time is beyond all data, as of a clock that is ahead or a dead feed.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    moment : numpy.datetime64
        The issue time.
    now : pandas.Timestamp
        The current time, naive UTC.

    Raises
    ------
    SchemaError
        If it is beyond the last value of all wells by more than two steps and ten days.
    """
    names = [schema.LEVEL, *schema.covariate_names(observations)]
    known = np.zeros(observations.sizes[schema.TIME], bool)
    for name in names:
        known |= observations[name].notnull().any(schema.WELL).values
    times = observations[schema.TIME].values
    if not known.any():
        return  # each well has this as its status
    end = times[np.flatnonzero(known)[-1]]
    step = (times[-1] - times[0]) / (times.size - 1)
    most = max(BEYOND_STEPS * step, BEYOND)
    if moment - end > most:
        raise SchemaError(
            f"An issue time must not be beyond the data. Received {timeline.format_time(moment)}, "
            f"but the last value of all wells is of {timeline.format_time(end)}, and the clock "
            f"says {now:%Y-%m-%d %H:%M} UTC. Check the clock and the delivery of the data, or give "
            "--issue-time."
        )


def known_and_filled(
    observations: xr.Dataset,
    issue_time: np.datetime64,
    data: DataSettings,
    *,
    keep_weather: bool = False,
) -> xr.Dataset:
    """Return what was known at the issue time, with gaps in covariates filled as requested.

    Covariates that end before the issue time are not filled there: the forcing continues them.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    issue_time : numpy.datetime64
        A step of the time axis or of its continuation. Nothing is filled from later values.
    data : DataSettings
        Contains the rules for filling.
    keep_weather : bool
        Keep the covariates after the issue time.
    """
    known = known_at(observations, issue_time, keep_weather=keep_weather, extend=True)
    if data.fill is None:
        return derive_features(known, data.derive)
    filled = fill_covariates(known, rules=data.fill)
    for name in schema.covariate_names(known):
        missing = known[name].isnull().transpose(schema.WELL, schema.TIME).values
        ended = np.logical_and.accumulate(missing[:, ::-1], axis=1)[:, ::-1]
        values = np.where(ended, np.nan, filled[name].values)
        filled[name] = filled[name].copy(data=values)
    return derive_features(filled, data.derive)


def _check_alike(one: xr.Dataset, first: xr.Dataset) -> None:
    """Raise if a well has other covariates or another frequency than the first well."""
    names, others = (sorted(schema.covariate_names(part)) for part in (one, first))
    if names != others:
        raise SchemaError(
            "All wells must have the same covariates. Received "
            f"{', '.join(names) or 'none'} at {str(one[schema.WELL].values[0])!r} and "
            f"{', '.join(others) or 'none'} at {str(first[schema.WELL].values[0])!r}. Give them "
            "the same names."
        )
    frequencies = [timeline.infer_frequency(part[schema.TIME].values) for part in (one, first)]
    if len(set(frequencies)) > 1:
        raise SchemaError(
            f"All wells must have the same time steps. Received {frequencies[0]!r} at "
            f"{str(one[schema.WELL].values[0])!r} and {frequencies[1]!r} at "
            f"{str(first[schema.WELL].values[0])!r}. Bring them to one frequency."
        )
