"""One series in order, each time once, with codes for a missing value named as such."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np
import pandas as pd

from gwforecast import timeline
from gwforecast.schema import SchemaError

__all__ = ["Duplicates", "SENTINELS", "checked_duplicates", "checked_sentinels", "clean_series"]

Duplicates = Literal["first", "last", "mean"]
EARLIEST, LATEST = np.datetime64("1700-01-01"), np.datetime64("2300-12-31")
HUGE = 1e20
SENTINELS = (-9999.0, -999.0, -999.9, -99999.0, -9999.9, 9999.0, 99999.0)
"""Numbers that stand for a missing value in many files."""


def checked_duplicates(duplicates: Duplicates | None) -> Duplicates | None:
    """Return the choice, or raise a ValueError if it is none."""
    if duplicates is not None and duplicates not in get_args(Duplicates):
        raise ValueError(
            f"duplicates must be one of {list(get_args(Duplicates))}. Received {duplicates!r}. "
            "Correct it."
        )
    return duplicates


def checked_sentinels(missing_values: Iterable[float] | float) -> tuple[float, ...]:
    """Return numbers that stand for a missing value; one number is as good as a list of one."""
    listed = [missing_values] if isinstance(missing_values, int | float) else list(missing_values)
    return tuple(float(value) for value in listed)


def clean_series(
    series: pd.Series,
    what: str,
    *,
    sort: bool,
    sentinels: tuple[float, ...],
    duplicates: Duplicates | None = None,
    choosable: bool = False,
) -> pd.Series:
    """Return a series in order, each time once and codes NaN, or say what is wrong with it.

    Parameters
    ----------
    series : pandas.Series
        Numbers over times.
    what : str
        Its name in messages.
    sort : bool
        Sort times that are not in order.
    sentinels : tuple of float
        Numbers that become NaN.
    duplicates : {"first", "last", "mean"}, optional
        What to do with several values of one time.
    choosable : bool
        Whether the message may offer ``duplicates``.

    Returns
    -------
    pandas.Series
        float64 over naive UTC times.

    Raises
    ------
    SchemaError
        If times are missing, out of order, repeated or impossible, or a value looks like a code.
    """
    times = timeline.to_times(series.index)
    _check_times(times, what)
    values = series.to_numpy(float)
    for code in sentinels:
        values = np.where(np.isclose(values, code, rtol=1e-6, atol=0.0), np.nan, values)
    _refuse_sentinels(values, times, what)
    if sort:
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    backward = np.flatnonzero(np.diff(times) < np.timedelta64(0, "us"))
    if backward.size:
        before, after = (timeline.format_time(times[backward[0] + k]) for k in (0, 1))
        raise SchemaError(
            f"Times must be in order. Received {after} after {before} in the {what}. Sort the "
            "rows, or read them with sort=True."
        )
    same = np.flatnonzero(np.diff(times) == np.timedelta64(0, "us"))
    clean = pd.Series(values, index=pd.DatetimeIndex(times))
    if same.size == 0:
        return clean
    if duplicates is None:
        mend = ", or choose with duplicates='first', 'last' or 'mean'" if choosable else ""
        raise SchemaError(
            f"A time must have one value. Received {values[same[0]]} and {values[same[0] + 1]} at "
            f"{timeline.format_time(times[same[0]])} in the {what}, and {same.size - 1} more such "
            f"pairs. Remove one{mend}."
        )
    return clean.groupby(level=0).agg(duplicates)


def _check_times(times: np.ndarray, what: str) -> None:
    if np.isnat(times).any():
        row = int(np.flatnonzero(np.isnat(times))[0])
        raise SchemaError(
            f"Every row needs a time. Received none at row {row} of the {what}. Give the date or "
            "remove the row."
        )
    odd = (times < EARLIEST) | (times > LATEST)
    if odd.any():
        raise SchemaError(
            f"Times must lie between {EARLIEST} and {LATEST}. Received "
            f"{timeline.format_time(times[odd][0])} in the {what}. Correct the date, or the unit "
            "of the times."
        )


def _refuse_sentinels(values: np.ndarray, times: np.ndarray, what: str) -> None:
    coded = np.zeros(values.shape, bool)
    for code in SENTINELS:
        coded |= np.isclose(values, code, rtol=1e-6, atol=0.0)
    usual = np.abs(values[~coded & np.isfinite(values)])
    # 9999 can be a measured value, e.g. of millimetres, where others are near it
    coded &= (values < 0) | (np.abs(values) > 2 * usual.max(initial=0.0))
    suspect = coded | (np.abs(values) >= HUGE)
    if suspect.any():
        first = int(np.flatnonzero(suspect)[0])
        raise SchemaError(
            f"A missing value must be NaN or empty. Received {values[first]:g}, which looks like a "
            f"code for it, at {timeline.format_time(times[first])} in the {what} ({suspect.sum()} "
            f"in all). If it is one, read the data with missing_values=[{values[first]:g}]."
        )
