"""Is my data fit to model: data checks as of today."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.config.tables import DataSettings
from gwforecast.data.readers import read_levels
from gwforecast.quality import checks
from gwforecast.runs.files import now
from gwforecast.runs.inputs import read_data
from gwforecast.schema import SchemaError

__all__ = ["check", "check_data", "check_levels"]

_NAMING = ("well", "level_column", "day_first", "decimal", "delimiter")


def check(observations: xr.Dataset) -> pd.DataFrame:
    """Check observations as of today and return the findings; nothing is changed.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).

    Returns
    -------
    pandas.DataFrame
        The findings of :func:`gwforecast.quality.checks.check_observations`.
    """
    return checks.check_observations(observations, now=now())


def check_levels(levels: pd.Series | pd.DataFrame) -> pd.DataFrame:
    """Check the times of levels as they were read, as of today, and return the findings.

    Parameters
    ----------
    levels : pandas.Series or pandas.DataFrame
        Levels by time, in any order.

    Returns
    -------
    pandas.DataFrame
        The findings of :func:`gwforecast.quality.checks.check_levels`.
    """
    return checks.check_levels(levels, now=now())


def check_data(data: DataSettings) -> pd.DataFrame:
    """Return the findings of the checks of the data that the settings name.

    Data that :func:`gwforecast.evaluate` would refuse are a finding here. They are then read as
    leniently as possible, so the other checks run as well.

    Parameters
    ----------
    data : DataSettings
        Where the data are.

    Returns
    -------
    pandas.DataFrame
        Columns of ``gwforecast.quality.checks.COLUMNS``.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    SchemaError
        If a file cannot be read as data at all.
    """
    given = data.reading()
    naming = {n: v for n, v in given.items() if n in _NAMING}
    raw = {} if data.database else read_levels(data.levels, **naming)
    wanted = set(raw) if data.wells is None else set(data.wells)
    tables = [check_levels(series.rename(w)) for w, series in raw.items() if w in wanted]
    try:
        observations = read_data(data)
    except SchemaError as error:
        lenient: dict[str, Any] = {"sort": True, "duplicates": "first", "at_step": "nearest"}
        lenient |= given
        lenient["missing_values"] = [*data.missing_values, *schema.COMMON_MISSING_CODES]
        observations = read_data(data, **lenient)
        tables.insert(0, _as_finding(error))
    tables.append(check(observations))
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def _as_finding(error: SchemaError) -> pd.DataFrame:
    row = {"well": "", "variable": "", "check": "form", "severity": "error", "n": 1}
    empty = {"first": pd.NaT, "last": pd.NaT, "value": np.nan}
    return pd.DataFrame([row | empty | {"message": str(error)}], columns=checks.COLUMNS)
