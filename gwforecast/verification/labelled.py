"""Metrics over labelled levels, under an exact join."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError
from gwforecast.verification.metrics import METRICS

__all__ = ["aligned", "score_along_time"]


def aligned(predicted: xr.DataArray, observed: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return both unchanged, if the labels of the dimensions that they share are the same.

    Raises
    ------
    SchemaError
        If labels, their order or the sizes differ.
    """
    try:
        return xr.align(predicted, observed, join="exact")
    except ValueError as error:
        raise SchemaError(
            "Levels are scored under an exact join: predicted and observed have the same labels, "
            f"in the same order. Received sizes {dict(predicted.sizes)} and {dict(observed.sizes)} "
            f"({str(error).splitlines()[0].rstrip(' .:')}). Select the same wells and times of "
            "both."
        ) from error


def score_along_time(
    metric_name: str,
    *,
    observed: xr.DataArray,
    predicted: xr.DataArray,
    reference: xr.DataArray | float | None = None,
) -> xr.DataArray:
    """Score labelled levels along time, under an exact join.

    Parameters
    ----------
    metric_name : str
        A name of :data:`gwforecast.verification.metrics.METRICS`.
    observed : xarray.DataArray
        Dimensions (..., time), m; NaN where nothing was observed.
    predicted : xarray.DataArray
        The dimensions of ``observed`` and any others, such as model or member, m.
    reference : xarray.DataArray or float, optional
        Mean level before the scored rows, m, for ``nse_reference`` alone; the dimensions of
        ``observed`` without time.

    Returns
    -------
    xarray.DataArray
        The score over all dimensions but time, with label, units and definition in its attrs.

    Raises
    ------
    SchemaError
        If labels differ, or ``observed`` has a dimension that ``predicted`` lacks.
    ValueError
        If the metric is unknown, or the reference is missing or not for this metric.

    Examples
    --------
    >>> observed = xr.DataArray([[1.0, 2.0, 3.0]], {"well": ["a"], "time": [0, 1, 2]})
    >>> score_along_time("bias", observed=observed, predicted=observed + 0.5).item()
    0.5
    """
    metric = METRICS.get(metric_name)
    if metric is None or (metric_name == "nse_reference") != (reference is not None):
        raise ValueError(
            f"A score along time takes a metric of {', '.join(METRICS)}, and a reference for "
            f"nse_reference alone. Received {metric_name!r} with reference {reference}. "
            "Correct the name, or the reference."
        )
    if schema.TIME not in observed.dims or not set(observed.dims) <= set(predicted.dims):
        raise SchemaError(
            "Levels are scored along time: predicted has every dimension of observed, and time is "
            f"one. Received dims {observed.dims} and {predicted.dims}. Rename or drop the others."
        )
    predicted, observed = aligned(predicted, observed)
    shared = [dim for dim in observed.dims if dim != schema.TIME]
    further = [dim for dim in predicted.dims if dim not in observed.dims]
    predicted = predicted.transpose(*shared, *further, schema.TIME)
    o, p = observed.transpose(*shared, schema.TIME).values, predicted.values
    extra: list[dict[str, float]] = [{}] * int(np.prod(o.shape[:-1]))
    if reference is not None:
        means = xr.zeros_like(observed.isel({schema.TIME: 0}, drop=True)).transpose(*shared)
        _, given = aligned(means, means.copy() + reference)
        extra = [{"reference": mean} for mean in given.transpose(*shared).values.ravel()]
    values = np.full(p.shape[:-1], np.nan)
    for at, more in zip(np.ndindex(o.shape[:-1]), extra, strict=True):
        values[at] = metric.function(observed=o[at], predicted=p[at], **more)
    score = predicted.isel({schema.TIME: 0}, drop=True).copy(data=values).rename(metric_name)
    return score.assign_attrs(
        long_name=metric.label, units=metric.units, definition=metric.definition
    )
