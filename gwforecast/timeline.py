"""Time steps and frequencies, lead times, and days and years of the calendar.

The arithmetic of forecasts is issue_time + lead_time = valid_time.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = [
    "DAYS", "SchemaError", "YEAR", "add_steps", "calendar_frequency", "circular_sum",
    "day_of_year", "days_per_step",
    "days_since_epoch", "format_time", "frequency_of", "harmonics", "infer_frequency", "lead_times",
    "regular_times", "step_at_or_before", "steps_per_year", "steps_since_epoch", "time_positions",
    "to_times", "valid_times", "years_back",
]  # fmt: skip

_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
YEAR = 365.25  # days
_STEPS_PER_YEAR = {"D": YEAR, "W": YEAR / 7.0, "MS": 12.0, "ME": 12.0, "QS": 4.0, "QE": 4.0}


class SchemaError(ValueError):
    """Raised for data without the required form; the message states rule, data and remedy."""


def to_times(times: object) -> np.ndarray:
    """Return times as naive UTC ``datetime64[us]``.

    Raises ValueError if a value is not a time.

    Parameters
    ----------
    times : array_like
        Anything that :class:`pandas.DatetimeIndex` accepts, in any unit; times with a time zone
        are converted to UTC.

    Examples
    --------
    >>> to_times(pd.DatetimeIndex(["2020-01-01 02:00"], tz="Europe/Amsterdam"))
    array(['2020-01-01T01:00:00.000000'], dtype='datetime64[us]')
    """
    if isinstance(times, np.ndarray) and times.dtype == "datetime64[us]" and times.ndim == 1:
        return times.copy()
    try:
        index = times if isinstance(times, pd.DatetimeIndex) else pd.DatetimeIndex(times)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        given = times[0] if isinstance(times, list) and len(times) == 1 else times
        raise ValueError(
            "A time must be a date that exists, with or without the time of day. Received "
            f"{given!r}. Write it like 2024-01-31 or 2024-01-31T12:00."
        ) from None
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    return np.asarray(index.values).astype("datetime64[us]")


def format_time(time: np.datetime64 | pd.Timestamp) -> str:
    """Return a time as ISO text, without the time of day at midnight.

    Examples
    --------
    >>> format_time(np.datetime64("2020-01-01T00:00", "us"))
    '2020-01-01'
    """
    stamp = pd.Timestamp(time)
    return stamp.strftime("%Y-%m-%d" if stamp == stamp.normalize() else "%Y-%m-%d %H:%M:%S")


def infer_frequency(times: np.ndarray) -> str:
    """Return the frequency of regular times: ``D``, ``W-MON`` ..., ``MS``, ``ME``, ``QS``, ``QE``.

    Quarters that do not begin in January have the month behind it, e.g. ``QS-FEB``.

    Raises SchemaError if there are fewer than two times, a time is NaT, or the times are not
    strictly increasing or not daily, weekly, monthly or quarterly; the first bad time is named.

    Parameters
    ----------
    times : numpy.ndarray
        Shape (time,), ``datetime64``, naive, strictly increasing.

    Examples
    --------
    >>> infer_frequency(np.array(["2020-01-06", "2020-01-13"], "datetime64[D]"))
    'W-MON'
    """
    stamps = _checked_order(np.asarray(times))
    steps = np.diff(stamps)
    day = np.timedelta64(1, "D")
    if (steps == day).all():
        return "D"
    if (steps == 7 * day).all():
        return f"W-{_WEEKDAYS[pd.Timestamp(stamps[0]).weekday()]}"
    index = pd.DatetimeIndex(stamps)
    apart = np.unique(np.diff(index.year * 12 + index.month))
    if apart.size == 1 and apart[0] in (1, 3):
        calendar = calendar_frequency(index, months=int(apart[0]))
        if calendar is not None:
            return calendar
    usual = pd.Series(steps).mode()[0]
    first = int(np.flatnonzero(steps != usual)[0]) if (steps != usual).any() else 0
    raise SchemaError(
        "Times must be regular: daily, weekly, monthly or quarterly (first or last day of each). "
        f"Received a step of {pd.Timedelta(steps[first])} before "
        f"{format_time(stamps[first + 1])}. Put the series on a regular axis, with NaN where no "
        "level was observed."
    )


def frequency_of(times: np.ndarray) -> str | None:
    """Return the frequency of times, see :func:`infer_frequency`; None if they are not regular."""
    try:
        return infer_frequency(times)
    except SchemaError:
        return None


def _checked_order(times: np.ndarray) -> np.ndarray:
    """Return times as ``datetime64[us]``, or raise if they are not strictly increasing."""
    if times.dtype.kind != "M":
        raise SchemaError(
            f"Times must be datetime64. Received dtype {times.dtype}. "
            "Convert them with pandas.to_datetime."
        )
    if times.size < 2:
        raise SchemaError(
            f"A time axis needs at least two steps. Received {times.size}. "
            "Check that the file holds more than one row of data."
        )
    if np.isnat(times).any():
        position = int(np.flatnonzero(np.isnat(times))[0])
        raise SchemaError(
            f"Times must not be missing. Received NaT at position {position}. "
            "Remove the row or give its date."
        )
    stamps = times.astype("datetime64[us]")
    late = np.diff(stamps) <= np.timedelta64(0, "us")
    if late.any():
        bad = stamps[1:][late][0]
        raise SchemaError(
            f"Times must be strictly increasing. Received {format_time(bad)} after an equal or "
            "later time. Sort the rows, and keep one for each time."
        )
    return stamps


def calendar_frequency(index: pd.DatetimeIndex, *, months: int) -> str | None:
    """Return the frequency of the first or last days of months (1) or quarters (3), else None."""
    if not bool((index == index.normalize()).all()):
        return None
    place = (int(index.month[0]) - 1) % 3
    if bool(index.is_month_start.all()):
        return "MS" if months == 1 else ("QS", "QS-FEB", "QS-MAR")[place]
    if bool(index.is_month_end.all()):
        return "ME" if months == 1 else ("QE-JAN", "QE-FEB", "QE")[place]
    return None


def _months(frequency: str) -> int:
    """Return the number of months in a step, 0 for steps of days or weeks."""
    return {"MS": 1, "ME": 1, "QS": 3, "QE": 3}.get(frequency.split("-")[0], 0)


def regular_times(
    start: np.datetime64 | pd.Timestamp, end: np.datetime64 | pd.Timestamp, frequency: str
) -> np.ndarray:
    """Return the regular times from start to end, both included, as ``datetime64[us]``."""
    return pd.date_range(start, end, freq=frequency).to_numpy().astype("datetime64[us]")


def step_at_or_before(times: np.ndarray, moment: object) -> np.datetime64:
    """Return the last step of a regular time axis, or of its continuation, at or before a moment.

    A ValueError is raised if the moment is before the first step.

    Examples
    --------
    >>> weeks = to_times(["2024-01-01", "2024-01-08"])
    >>> step_at_or_before(weeks, "2024-01-18")
    np.datetime64('2024-01-15T00:00:00.000000')
    """
    wanted = to_times([moment])[0]
    axis = regular_times(times[0], wanted, infer_frequency(times))
    if not axis.size:
        raise ValueError(
            f"An issue time must not be before the data, which begin on {format_time(times[0])}. "
            f"Received {format_time(wanted)}. Choose a later one."
        )
    return np.datetime64(axis[-1])


def add_steps(time: np.datetime64 | pd.Timestamp, steps: int, frequency: str) -> np.datetime64:
    """Return the time a number of steps after a time, or before it if the number is negative.

    Examples
    --------
    >>> add_steps(np.datetime64("2020-01-31"), 1, "ME")
    np.datetime64('2020-02-29T00:00:00.000000')
    """
    offset = pd.tseries.frequencies.to_offset(frequency)
    return np.datetime64(pd.Timestamp(time) + steps * offset, "us")


def steps_per_year(frequency: str) -> float:
    """Return the mean number of steps in a year, e.g. 365.25 for ``"D"``."""
    return _STEPS_PER_YEAR[frequency.split("-")[0]]


def days_per_step(frequency: str) -> float:
    """Return the mean length of a step in days, e.g. 7 for ``"W-MON"``.

    Examples
    --------
    >>> days_per_step("W-MON"), days_per_step("MS")
    (7.0, 30.4375)
    """
    return YEAR / steps_per_year(frequency)


def steps_since_epoch(time: np.datetime64 | pd.Timestamp, frequency: str) -> int:
    """Return the number of whole steps from 1 January 1970 to a time.

    Examples
    --------
    >>> steps_since_epoch(np.datetime64("1970-01-08"), "W-THU")
    1
    >>> steps_since_epoch(np.datetime64("1971-01-31"), "ME")
    12
    """
    stamp = pd.Timestamp(time)
    if _months(frequency):
        return ((stamp.year - 1970) * 12 + stamp.month - 1) // _months(frequency)
    days = (stamp - pd.Timestamp("1970-01-01")).days
    return int(days if frequency == "D" else days // 7)


def lead_times(steps: np.ndarray, frequency: str) -> tuple[np.ndarray, dict[str, str]]:
    """Return timedeltas for numbers of steps (lead_time,), and their attributes.

    For monthly steps, which vary in length, they are numbers of months, with ``units``.

    Examples
    --------
    >>> lead_times(np.array([2]), "W-MON")[0].astype("timedelta64[D]")
    array([14], dtype='timedelta64[D]')
    """
    attrs = {"long_name": "time from issue to valid time"}
    if _months(frequency):
        unit = "months" if _months(frequency) == 1 else "quarters"
        return np.asarray(steps), attrs | {"units": unit}
    days = 1 if frequency == "D" else 7
    return (np.asarray(steps) * days).astype("timedelta64[D]").astype("timedelta64[us]"), attrs


def valid_times(issue_times: np.ndarray, steps: np.ndarray, frequency: str) -> np.ndarray:
    """Return the valid times at some steps after each issue time, (issue_time, lead_time).

    Examples
    --------
    >>> valid_times(np.array(["2020-01-31"], "datetime64[us]"), np.array([1, 2]), "ME")
    array([['2020-02-29T00:00:00.000000', '2020-03-31T00:00:00.000000']],
          dtype='datetime64[us]')
    """
    if _months(frequency):
        rows = [[add_steps(t, int(step), frequency) for step in steps] for t in issue_times]
        return np.array(rows, "datetime64[us]").reshape(len(issue_times), len(steps))
    return np.asarray(to_times(issue_times)[:, None] + lead_times(steps, frequency)[0])


def time_positions(times: np.ndarray, wanted: np.ndarray, *, name: str) -> np.ndarray:
    """Return the positions of some times on an increasing time axis, shape (wanted,).

    A SchemaError names the first time that is not on the axis, and by ``name`` what it is.
    """
    axis, wanted = to_times(times), to_times(wanted)
    positions = np.searchsorted(axis, wanted)
    found = axis[np.minimum(positions, axis.size - 1)] == wanted
    if not found.all():
        raise SchemaError(
            f"Each {name} must be a step of the observations, {format_time(axis[0])} to "
            f"{format_time(axis[-1])}. Received {format_time(wanted[~found][0])}. Choose a step of "
            "the time axis."
        )
    return np.asarray(positions)


_DAY = np.timedelta64(1, "D").astype("timedelta64[us]").astype(np.int64)
DAYS = 366
"""Number of days in a calendar that includes 29 February."""


def days_since_epoch(times: np.ndarray) -> np.ndarray:
    """Return days since 1 January 1970, including fractions."""
    return np.asarray(times.astype("datetime64[us]").astype(np.int64) / _DAY)


def day_of_year(times: np.ndarray) -> np.ndarray:
    """Return positions 0 to 365 in a calendar that includes 29 February."""
    index = pd.DatetimeIndex(times)
    skips_leap_day = ~index.is_leap_year & (index.month > 2)
    return np.asarray(index.day_of_year) - 1 + np.asarray(skips_leap_day)


def harmonics(times: np.ndarray, pairs: int, *, first_day: int = 1) -> np.ndarray:
    """Return sines and cosines of the day of the year, shape (time, 2 * pairs).

    Harmonic k has k cycles in a year of 365.25 days; its sine is followed by its cosine. The number
    of 1 January is 1 as in a calendar, or 0, which shifts the phase by one day.

    Examples
    --------
    >>> harmonics(np.array(["2001-01-01", "2001-07-02"], "datetime64[us]"), 1, first_day=0).round(2)
    array([[ 0.  ,  1.  ],
           [ 0.01, -1.  ]])
    """
    days = pd.DatetimeIndex(times).day_of_year.to_numpy() - 1 + first_day
    angle = 2 * np.pi * days / 365.25
    waves = [wave(k * angle) for k in range(1, pairs + 1) for wave in (np.sin, np.cos)]
    return np.stack(waves, axis=-1) if waves else np.empty((days.size, 0))


def circular_sum(values: np.ndarray, window: int) -> np.ndarray:
    """Return the sum over the 2 * window + 1 days around each of the 366, each day once."""
    if 2 * window + 1 >= DAYS:
        return np.broadcast_to(values.sum(axis=1, keepdims=True), values.shape)
    wrapped = np.concatenate([values[:, -window:] if window else values[:, :0], values,
                              values[:, :window]], axis=1)  # fmt: skip
    sums = np.lib.stride_tricks.sliding_window_view(wrapped, 2 * window + 1, axis=1)
    return np.asarray(sums.sum(axis=2))


def years_back(times: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the latest same dates in earlier years at or before each end, (well, time)."""
    index, stops = pd.DatetimeIndex(times), pd.DatetimeIndex(ends)
    month_end = bool(index.is_month_end.all())
    source = np.broadcast_to(times, (ends.size, times.size)).copy()
    furthest = int(index.year.max() - stops.year.min()) + 1
    for years in range(1, max(furthest, 0) + 1):
        shifted = index - pd.DateOffset(years=years)
        if month_end:
            shifted = shifted + pd.offsets.MonthEnd(0)
        still_after = source > ends[:, None]
        source = np.where(still_after, shifted.to_numpy().astype("datetime64[us]"), source)
    return source
