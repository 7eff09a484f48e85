"""Columns of regressions on the weather before each step, and on the season."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gwforecast.sequences.lags import lag_edges, lagged_means

__all__ = ["antecedent_columns"]


def antecedent_columns(
    weather: np.ndarray,
    times: np.ndarray,
    *,
    lookback: int,
    before: np.ndarray,
    harmonics: int,
) -> np.ndarray:
    """Return means of the weather over lags of 0, 1, 2-3, 4-7, ... steps, and waves of the year.

    Parameters
    ----------
    weather : numpy.ndarray
        Shape (version, time, variable).
    times : numpy.ndarray
        Shape (time,), ``datetime64``.
    lookback : int
        Steps of weather seen, the present one among them.
    before : numpy.ndarray
        What each variable is taken to be before the first step, shape (variable,).
    harmonics : int
        Pairs of sine and cosine of the year.

    Returns
    -------
    numpy.ndarray
        Shape (version, time, column); NaN where a step of the lag is missing.

    Examples
    --------
    >>> times = np.array(["2001-01-01", "2001-01-02", "2001-01-03"], "datetime64[us]")
    >>> rain = np.array([[[4.0], [0.0], [2.0]]])
    >>> antecedent_columns(rain, times, lookback=2, before=np.zeros(1), harmonics=0)[0]
    array([[4., 0.],
           [0., 4.],
           [2., 0.]])
    """
    versions = np.broadcast_to(before, (len(weather), before.size))
    lagged = lagged_means(weather, lag_edges(lookback), before=versions)
    angle = 2 * np.pi * (pd.DatetimeIndex(times).day_of_year.to_numpy() - 1) / 365.25
    season = [f(k * angle) for k in range(1, harmonics + 1) for f in (np.sin, np.cos)]
    waves = np.stack(season, axis=-1) if season else np.empty((times.size, 0))
    waves = np.broadcast_to(waves, (*lagged.shape[:2], waves.shape[-1]))
    return np.concatenate([lagged, waves], axis=-1)
