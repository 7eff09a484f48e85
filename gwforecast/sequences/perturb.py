"""Change what must not matter, and see whether it does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.sequences.split import Period, Split

__all__ = ["REPLACEMENTS", "Replacement", "describe", "difference", "replaced", "rows_after"]

Replacement = Literal["missing", "noise", "huge"]
REPLACEMENTS: tuple[Replacement, ...] = ("missing", "noise", "huge")


def rows_after(observations: xr.Dataset, split: Split, period: Period) -> xr.DataArray:
    """Return which rows lie after each well's end of a period, boolean, dims (well, time)."""
    ends = split.end_through(period).sel({schema.WELL: observations[schema.WELL].values})
    later = observations[schema.TIME] > ends
    return later.transpose(schema.WELL, schema.TIME).rename("rows")


def replaced(
    observations: xr.Dataset,
    names: Iterable[str],
    *,
    rows: xr.DataArray,
    by: Replacement,
    seed: int = 0,
) -> xr.Dataset:
    """Return observations with the values of some variables replaced on some rows.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    names : iterable of str
        The variables to change.
    rows : xarray.DataArray
        Where, boolean, dims (well, time).
    by : {"missing", "noise", "huge"}
        NaN, seeded noise around 0 with standard deviation 10, or 1e6.
    seed : int
        Seed of the noise.
    """
    random = np.random.default_rng(seed)
    changed = {}
    for name in names:
        variable = observations[name]
        new = {
            "missing": np.nan,
            "huge": 1e6,
            "noise": variable.copy(data=random.normal(0.0, 10.0, variable.shape)),
        }[by]
        changed[name] = variable.where(~rows, new).assign_attrs(variable.attrs)
    return observations.assign(changed)


def difference(found: xr.DataArray, expected: xr.DataArray, *, rows: xr.DataArray) -> np.ndarray:
    """Return the steps at which any well differs in any bit on some rows, ``datetime64``.

    Parameters
    ----------
    found, expected : xarray.DataArray
        Dims (well, time[, member | quantile]); NaN equals NaN.
    rows : xarray.DataArray
        Where to compare, boolean, dims (well, time).
    """
    xr.align(found, expected, rows, join="exact")
    found = found.transpose(*expected.dims)
    differs = (found != expected) & ~(found.isnull() & expected.isnull()) & rows
    others = [d for d in differs.dims if d != schema.TIME]
    return np.asarray(differs[schema.TIME].values[differs.any(others).values])


def describe(steps: np.ndarray) -> str:
    """Return a line on the steps that :func:`difference` found."""
    if not steps.size:
        return "identical"
    return f"{steps.size} steps change, the first at {timeline.format_time(steps[0])}"
