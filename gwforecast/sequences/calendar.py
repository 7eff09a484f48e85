"""Days and years of a calendar, on plain arrays of times."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gwforecast import schema

__all__ = ["DAYS", "circular_sum", "day_of_year", "days_since_epoch", "years_back"]

_DAY = np.timedelta64(1, "D").astype("timedelta64[us]").astype(np.int64)
DAYS = 366
"""Days of a calendar that always has a 29 February."""


def days_since_epoch(times: np.ndarray) -> np.ndarray:
    """Return days since 1 January 1970, with their fractions."""
    return np.asarray(times.astype(schema.TIME_DTYPE).astype(np.int64) / _DAY)


def day_of_year(times: np.ndarray) -> np.ndarray:
    """Return places 0 to 365 in a calendar that always has a 29 February."""
    index = pd.DatetimeIndex(times)
    skips_leap_day = ~index.is_leap_year & (index.month > 2)
    return np.asarray(index.day_of_year) - 1 + np.asarray(skips_leap_day)


def circular_sum(values: np.ndarray, window: int) -> np.ndarray:
    """Return the sum over 2 * window + 1 days around each of the 366, no day twice."""
    if 2 * window + 1 >= DAYS:
        return np.broadcast_to(values.sum(axis=1, keepdims=True), values.shape)
    wrapped = np.concatenate([values[:, -window:] if window else values[:, :0], values,
                              values[:, :window]], axis=1)  # fmt: skip
    sums = np.lib.stride_tricks.sliding_window_view(wrapped, 2 * window + 1, axis=1)
    return np.asarray(sums.sum(axis=2))


def years_back(times: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the same dates as few years back as reaches each end, shape (well, time)."""
    index, stops = pd.DatetimeIndex(times), pd.DatetimeIndex(ends)
    month_end = bool(index.is_month_end.all())
    source = np.broadcast_to(times, (ends.size, times.size)).copy()
    furthest = int(index.year.max() - stops.year.min()) + 1
    for years in range(1, max(furthest, 0) + 1):
        shifted = index - pd.DateOffset(years=years)
        if month_end:
            shifted = shifted + pd.offsets.MonthEnd(0)
        still_after = source > ends[:, None]
        source = np.where(still_after, shifted.to_numpy().astype(schema.TIME_DTYPE), source)
    return source
