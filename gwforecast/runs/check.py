"""Is my data fit to model: data checks as of today."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from gwforecast.quality import checks
from gwforecast.runs.files import now

__all__ = ["check", "check_levels"]


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
