"""Levels that a record reaches again and again but never passes: a dry well, a drain, a canal."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gwforecast import schema, timeline

__all__ = ["bounds_of_record", "within_bounds"]


SAME = 1e-3  # standard deviations of the levels within which levels count as the same
SHARE = 0.02  # of the levels that are at a bound, at least
YEARS = 2  # calendar years in which the bound is reached, at least
TIMES_NEXT = 3  # levels at a bound for each level at the next one, at least
LONGEST_SHARE = 0.9  # of the levels; a level that hardly ever changes has no bounds


def bounds_of_record(levels: xr.DataArray) -> xr.Dataset:
    """Return the bounds that a record shows.

    The lowest level is a bound if it was observed in two or more years, makes up at least 2 % of
    the levels, and was observed at least three times as often as the next one, as levels that are
    rounded or that turn with the season are not. The highest level likewise. 59 weekly wells in
    Germany, 14 daily ones in Switzerland and two of the groundwater modelling challenge show one
    bound in all, that of a well which falls dry.

    Parameters
    ----------
    levels : xarray.DataArray
        Levels, m, dims (well, time); NaN where there is none or where it must not be used.

    Returns
    -------
    xarray.Dataset
        ``lower`` and ``upper``, m, dims (well,); minus and plus infinity where there is no bound.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-03", periods=520, freq="7D")
    >>> wave = np.sin(2 * np.pi * np.arange(time.size) / 52.18)
    >>> both = np.stack([wave, np.maximum(wave, -0.5)])
    >>> record = xr.DataArray(both, {"well": ["free", "dry"], "time": time}, ("well", "time"))
    >>> bounds_of_record(record)["lower"].values
    array([-inf, -0.5])
    """
    by_well = levels.transpose(schema.WELL, schema.TIME)
    years = timeline.to_times(by_well[schema.TIME].values).astype("datetime64[Y]").astype(int)
    found = np.array([_bounds(own, years) for own in by_well.values]).reshape(-1, 2)
    wells = {schema.WELL: by_well[schema.WELL].values}
    return xr.Dataset(
        {"lower": (schema.WELL, found[:, 0]), "upper": (schema.WELL, found[:, 1])}, wells
    )


def within_bounds(levels: xr.DataArray, bounds: xr.Dataset) -> xr.DataArray:
    """Return predicted levels, or quantiles of them, moved to the bounds of their wells.

    Parameters
    ----------
    levels : xarray.DataArray
        Dimensions (well, ...), m.
    bounds : xarray.Dataset
        As of :func:`bounds_of_record`, of the same wells or more.
    """
    own = bounds.sel({schema.WELL: levels[schema.WELL].values}).drop_vars(schema.WELL)
    moved = levels.clip(min=own["lower"], max=own["upper"])
    return moved.transpose(*levels.dims).assign_attrs(levels.attrs)


def _bounds(levels: np.ndarray, years: np.ndarray) -> tuple[float, float]:
    known = np.isfinite(levels)
    if not known.any():
        return -np.inf, np.inf
    own, years = levels[known], years[known]
    lower, upper = own.min(), own.max()
    return (
        float(lower) if _is_bound(own - lower, years) else -np.inf,
        float(upper) if _is_bound(upper - own, years) else np.inf,
    )


def _is_bound(above: np.ndarray, years: np.ndarray) -> bool:
    """Return whether 0 is a bound of levels that are given by their distance from it."""
    near = SAME * above.std()
    there = above <= near
    if not SHARE <= there.mean() <= LONGEST_SHARE or np.unique(years[there]).size < YEARS:
        return False
    following = above[~there].min()
    return bool(there.sum() >= TIMES_NEXT * (abs(above - following) <= near).sum())
