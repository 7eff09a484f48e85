"""What figures of level and weather show, apart from drawing it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema

__all__ = ["lag_correlations", "rainfall_departure"]

LEAST = 20
"""Pairs that a correlation needs."""


def rainfall_departure(rain: xr.DataArray) -> xr.DataArray:
    """Return how much more rain has fallen since the start than its mean would have given.

    A level that follows it owes its course to the weather; one that leaves it may be pumped or fed
    (Weber and Stewart 2004, Ground Water 42(6), 935-938, on its use and limits). It ends at zero.

    Parameters
    ----------
    rain : xarray.DataArray
        Rain of each step, dims (time).

    Returns
    -------
    xarray.DataArray
        Dims (time), in the units of the rain times a step. Steps without rain data are NaN, and
        count as the mean, so that the curve goes on level behind them.

    Examples
    --------
    >>> rain = xr.DataArray([3.0, 1.0, np.nan, 2.0], dims="time")
    >>> rainfall_departure(rain).values
    array([ 1.,  0., nan,  0.])
    """
    away = (rain - rain.mean(schema.TIME)).fillna(0.0)
    return away.cumsum(schema.TIME).where(rain.notnull())


def lag_correlations(
    level: xr.DataArray, covariates: xr.Dataset, *, names: Sequence[str], most: int
) -> pd.DataFrame:
    """Return the correlation of the level with the mean of each covariate over the steps before.

    Parameters
    ----------
    level : xarray.DataArray
        Dims (time), m; NaN where nothing was observed.
    covariates : xarray.Dataset
        On the same times, dims (time).
    names : sequence of str
        Which covariates.
    most : int
        Most steps that a mean reaches back, the level's own step included.

    Returns
    -------
    pandas.DataFrame
        Columns covariate, steps, correlation (Pearson; NaN below 20 pairs), n; some forty numbers
        of steps from 1 to the most, evenly spread by their ratios.
    """
    steps = np.unique(np.geomspace(1, most, 40).round().astype(int))
    target = level.to_series()
    rows = []
    for name in names:
        series = covariates[name].to_series()
        for step in steps:
            mean = series.rolling(int(step)).mean()
            both = mean.notna() & target.notna()
            n = int(both.sum())
            varied = n >= LEAST and mean[both].std() > 0 and target[both].std() > 0
            rows.append((name, step, mean[both].corr(target[both]) if varied else np.nan, n))
    return pd.DataFrame(rows, columns=["covariate", "steps", "correlation", "n"])
