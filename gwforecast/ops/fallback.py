"""What forecasts a well that no model can forecast: the climatology of its levels."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.data.climatology import ClimatologyWeather
from gwforecast.models.intervals import QUANTILES
from gwforecast.models.naive import DayOfYearClimatology
from gwforecast.ops.forecast import fit_calibrated
from gwforecast.sequences.calendar import DAYS, day_of_year

__all__ = ["FALLBACK", "by_climatology"]

FALLBACK = DayOfYearClimatology.name
NEAR = 15  # days before and after a date whose past levels are those of its season


def by_climatology(
    observations: xr.Dataset, issue_time: np.datetime64, horizon: int
) -> tuple[np.ndarray, np.datetime64]:
    """Return the forecast of a well that has no other, and the end of the levels it knows.

    Its bands are those of a year without any news: as wide as the errors of the climatology in the
    past, and at no date narrower than the levels that all years had about that date.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time), of one well.
    issue_time : numpy.datetime64
        What comes after it is not looked at.
    horizon : int
        Number of lead times.

    Returns
    -------
    numpy.ndarray
        Shape (lead_time, quantile), m; quantiles in the order of ``QUANTILES``.
    numpy.datetime64
        Time of the last level.

    Raises
    ------
    SchemaError, ValueError
        If there are too few levels.
    """
    past = observations[[schema.LEVEL]].sel({schema.TIME: slice(None, issue_time)})
    fitted = fit_calibrated(
        [DayOfYearClimatology()], past, horizon=horizon, forcing=ClimatologyWeather()
    )
    issued = fitted.forecast(past, issue_times=np.array([issue_time]))
    level = issued[schema.LEVEL].values[0, 0]
    if not np.isfinite(level).all():
        raise ValueError("too few errors in the past to tell the width of its interval")
    (name,) = past[schema.WELL].values
    seen = _quantiles_of_season(past, issued[schema.VALID_TIME].values[0])
    side = np.sign(np.array(QUANTILES) - 0.5)
    wide = np.select([side < 0, side > 0], [np.fmin(level, seen), np.fmax(level, seen)], level)
    return wide, fitted.trained_through(str(name))


def _quantiles_of_season(past: xr.Dataset, valid: np.ndarray) -> np.ndarray:
    """Return quantiles of the past levels about each date, (date, quantile); NaN without any."""
    known = past[schema.LEVEL][0].dropna(schema.TIME)
    levels, days = known.values, day_of_year(known[schema.TIME].values)
    found = np.full((valid.size, len(QUANTILES)), np.nan)
    for row, day in enumerate(day_of_year(valid)):
        apart = np.abs(days - day)
        near = levels[np.minimum(apart, DAYS - apart) <= NEAR]
        if near.size:
            found[row] = np.quantile(near, QUANTILES)
    return found
