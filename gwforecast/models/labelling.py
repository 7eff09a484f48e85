"""Simulated levels as forecasts: the rows behind each issue time, with their labels."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gwforecast import schema, timeline

__all__ = ["gather_forecast", "label_projection", "with_members"]


def with_members(level: xr.DataArray) -> xr.DataArray:
    """Return levels with the dimension member, of size 1 where there was none."""
    return level if schema.MEMBER in level.dims else level.expand_dims({schema.MEMBER: [0]}, -1)


def label_projection(
    parts: list[np.ndarray], observations: xr.Dataset, *, issue_times: np.ndarray
) -> xr.DataArray:
    """Return simulated levels after issue times with their labels.

    Parameters
    ----------
    parts : list of numpy.ndarray
        One for each issue time, shape (well, lead_time, weather, member), m. Where an issue time
        has fewer weathers than another, the rest is NaN.
    observations : xarray.Dataset
        With the wells and the time axis.
    issue_times : numpy.ndarray
        Shape (issue_time,).

    Returns
    -------
    xarray.DataArray
        Dimensions (well, issue_time, lead_time, weather, member), m.
    """
    most = max(part.shape[2] for part in parts)
    filled = [
        np.pad(part, ((0, 0), (0, 0), (0, most - part.shape[2]), (0, 0)), constant_values=np.nan)
        for part in parts
    ]
    wells, _, _, members = filled[0].shape
    flat = np.stack(filled, axis=1).reshape(wells, len(parts), -1, most * members)
    labelled = schema.label_forecast(
        flat,
        wells=observations[schema.WELL].values.tolist(),
        issue_times=issue_times,
        frequency=timeline.infer_frequency(observations[schema.TIME].values),
    )[schema.LEVEL]
    dims = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME, schema.WEATHER, schema.MEMBER)
    coords = labelled.drop_vars(schema.MEMBER).coords
    return xr.DataArray(
        flat.reshape(*flat.shape[:3], most, members), coords, dims, attrs=labelled.attrs
    )


def gather_forecast(level: xr.DataArray, *, issue_times: np.ndarray, horizon: int) -> xr.Dataset:
    """Return the rows of a simulation that lie after each issue time, as a forecast.

    Parameters
    ----------
    level : xarray.DataArray
        Dimensions (well, time) or (well, time, member), m.
    issue_times : numpy.ndarray
        Shape (issue_time,), steps of the time axis.
    horizon : int
        Number of lead times.

    Returns
    -------
    xarray.Dataset
        ``level`` (well, issue_time, lead_time[, member]), m; NaN beyond the end of the time axis.
    """
    times = level[schema.TIME].values
    issued = timeline.time_positions(times, issue_times, name="issue time")
    positions = issued[:, None] + np.arange(1, horizon + 1)
    inside = positions < times.size
    values = level.values[:, np.where(inside, positions, 0)]
    values[:, ~inside] = np.nan
    return schema.label_forecast(
        values,
        wells=level[schema.WELL].values.tolist(),
        issue_times=issue_times,
        frequency=timeline.infer_frequency(times),
    )
