"""Whether and when a forecast level crosses a threshold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError
from gwforecast.verification.distribution import cdf

__all__ = ["crossing_table"]

CHANCES = (0.1, 0.5, 0.9)


def crossing_table(
    forecast: xr.Dataset, thresholds: float | Mapping[str, float], *, above: bool = False
) -> pd.DataFrame:
    """Return how probable a crossing is within the horizon, and when it comes first.

    From members the crossings are counted. From quantiles, each is taken as a course of its own:
    the probability of a crossing by some time is then the highest probability of a level beyond the
    threshold until then, which is a lower bound of what independent days would give.

    Parameters
    ----------
    forecast : xarray.Dataset
        ``level`` (well, issue_time, lead_time, quantile | member), m, with ``valid_time``.
    thresholds : float or mapping
        m, for all wells or by well.
    above : bool
        A crossing is a level above the threshold; by default one below it.

    Returns
    -------
    pandas.DataFrame
        A row for each well and issue time: columns well, issue_time, threshold, above, probability
        (of a crossing within the horizon), and first_10, first_50, first_90: the first valid time
        by which a crossing has that probability, NaT where it does not reach it.

    Raises
    ------
    SchemaError
        If a well has no threshold, or the forecast has neither members nor quantiles.
    """
    level = forecast[schema.LEVEL]
    rows = []
    for number, well in enumerate(map(str, forecast[schema.WELL].values)):
        threshold = _threshold(thresholds, well)
        crossed = _crossed(level.isel({schema.WELL: number}), threshold, above=above)
        for issue, (chances, times) in enumerate(
            zip(crossed, forecast[schema.VALID_TIME].values, strict=True)
        ):
            row: dict[str, object] = {
                schema.WELL: well,
                schema.ISSUE_TIME: forecast[schema.ISSUE_TIME].values[issue],
                "threshold": threshold,
                "above": above,
                "probability": float(chances[-1]),
            }
            for chance in CHANCES:
                reached = np.flatnonzero(chances >= chance)
                first = times[reached[0]] if reached.size else np.datetime64("NaT")
                row[f"first_{round(100 * chance)}"] = first
            rows.append(row)
    return pd.DataFrame(rows)


def _threshold(thresholds: float | Mapping[str, float], well: str) -> float:
    if not isinstance(thresholds, Mapping):
        return float(thresholds)
    if well not in thresholds:
        raise SchemaError(
            f"Each well of the forecast needs a threshold. Received none for {well!r}. Add it, or "
            "select the other wells."
        )
    return float(thresholds[well])


def _crossed(level: xr.DataArray, threshold: float, *, above: bool) -> np.ndarray:
    """Return the probability of a crossing by each lead time, shape (issue_time, lead_time)."""
    if schema.MEMBER in level.dims:
        values = level.transpose(schema.ISSUE_TIME, schema.LEAD_TIME, schema.MEMBER).values
        beyond = values > threshold if above else values < threshold
        ever = np.logical_or.accumulate(beyond, axis=1).mean(axis=-1)
        return np.asarray(np.where(np.isfinite(values).all(axis=(1, 2))[:, None], ever, np.nan))
    if schema.QUANTILE not in level.dims:
        raise SchemaError(
            "A crossing has a probability where a forecast has members or quantiles. Received "
            f"the dims {level.dims}. Calibrate the forecast first."
        )
    values = level.transpose(schema.ISSUE_TIME, schema.LEAD_TIME, schema.QUANTILE).values
    at = np.full(values.shape[:2], threshold)
    below, through = cdf(values, at, level[schema.QUANTILE].values)
    return np.asarray(np.maximum.accumulate(1 - through if above else below, axis=1))
