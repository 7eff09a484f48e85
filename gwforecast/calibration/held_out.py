"""Simulations of rows that were held out of a fit: their median and the spread of their members."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.models.base import Forecaster
from gwforecast.sequences.split import Split

__all__ = ["SPREAD", "center_and_spread", "simulate_held_out"]


SPREAD = "spread"
"""Name of the variable that holds the standard deviation of the members of a simulation, m."""


def simulate_held_out(
    forecaster: Forecaster,
    observations: xr.Dataset,
    *,
    split: Split,
    simulation: xr.Dataset | None = None,
) -> xr.Dataset:
    """Return the simulated levels of rows on which a forecaster was not fitted.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted on the train period.
    observations : xarray.Dataset
        Dimensions (well, time), used for the fit.
    split : Split
        The periods of the fit.
    simulation : xarray.Dataset, optional
        Simulation by this forecaster if there is one already, or the result of
        :func:`center_and_spread` for it.

    Returns
    -------
    xarray.Dataset
        ``level`` and ``spread`` of the members, (well, time), m; NaN for rows that were not held
        out, which include all rows after the validation period.
    """
    nothing = xr.full_like(observations[schema.LEVEL], np.nan, dtype=float).drop_attrs()
    unseen = xr.Dataset({schema.LEVEL: nothing, SPREAD: nothing})
    for rows, part in forecaster.held_out(observations, split):
        made = simulation if part is forecaster else None
        made = part.simulate(observations) if made is None else made
        unseen = unseen.where(~rows, center_and_spread(made))
    return unseen


def center_and_spread(simulation: xr.Dataset) -> xr.Dataset:
    """Return median and standard deviation of the members of a simulation.

    Parameters
    ----------
    simulation : xarray.Dataset
        ``level`` (well, time) or (well, time, member), m. Without members, ``spread`` (well, time),
        m, may hold their standard deviation.

    Returns
    -------
    xarray.Dataset
        ``level`` and ``spread`` (well, time), m; the spread is 0 if it is not known.
    """
    level = simulation[schema.LEVEL].transpose(schema.WELL, schema.TIME, ...)
    if schema.MEMBER in level.dims:
        freedom = min(1, level.sizes[schema.MEMBER] - 1)
        spread = level.std(schema.MEMBER, ddof=freedom)
        level = level.median(schema.MEMBER, keep_attrs=True)
    else:
        spread = simulation.get(SPREAD, xr.zeros_like(level))
    return xr.Dataset({schema.LEVEL: level, SPREAD: spread})
