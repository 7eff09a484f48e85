"""The regular time axis of observations, and levels of any cadence on it.

One series in order, each time once, with codes for a missing value named as such.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError

__all__ = [
    "STAMP", "AtStep", "Cleaning", "Duplicates", "StepStamp", "check_choice", "checked_sentinels",
    "covariate_axis", "frequency_of_step", "hour_of", "level_axis", "on_axis", "span_of",
    "step_stamp", "times_a_day", "weather_steps", "with_missing_steps",
]  # fmt: skip

Duplicates = Literal["first", "last", "mean"]
EARLIEST, LATEST = np.datetime64("1700-01-01"), np.datetime64("2300-12-31")
HUGE = 1e20
SMALLEST_CODE = 0.99 * min(abs(code) for code in schema.COMMON_MISSING_CODES)
NO_TIME = np.timedelta64(0, "us")
DAY = np.timedelta64(1, "D")


def check_choice(name: str, value: object, choices: object) -> None:
    """Raise a ValueError if a value is given that is none of the choices of a ``Literal``."""
    if value is not None and value not in get_args(choices):
        raise ValueError(
            f"{name} must be one of {list(get_args(choices))}. Received {value!r}. Correct it."
        )


def checked_sentinels(missing_values: object) -> tuple[float, ...]:
    """Return the numbers among what stands for a missing value; one is as good as a list."""
    single = isinstance(missing_values, int | float | str)
    listed: list[Any] = [missing_values] if single else list(missing_values)  # type: ignore[call-overload]
    return tuple(float(value) for value in listed if not isinstance(value, str))


@dataclass(frozen=True)
class Cleaning:
    """How series are put in order, and notes of what was done to them."""

    sort: bool  # times that are not in order
    sentinels: tuple[float, ...]  # numbers that stand for a missing value
    duplicates: Duplicates | None  # which of different values of one time is taken
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_choice("duplicates", self.duplicates, Duplicates)

    def series(self, series: pd.Series, what: str) -> pd.Series:
        """Return a series of float64 over naive times, in order, each time once and codes NaN.

        Raises SchemaError if times are missing, out of order, repeated or impossible, or a value
        looks like a code.
        """
        times = timeline.to_times(series.index)
        _check_times(times, what)
        values = series.to_numpy(float)
        for code in self.sentinels:
            values = np.where(np.isclose(values, code, rtol=1e-6, atol=0.0), np.nan, values)
        _refuse_sentinels(values, times, what)
        shortest = _shortest(times)
        if self.sort and shortest < NO_TIME:
            order = np.argsort(times, kind="stable")
            times, values = times[order], values[order]
            shortest = _shortest(times)
        if shortest < NO_TIME:
            backward = int(np.flatnonzero(np.diff(times) < NO_TIME)[0])
            before, after = (timeline.format_time(times[backward + k]) for k in (0, 1))
            raise SchemaError(
                f"Times must be in order. Received {after} after {before} in the {what}. Sort the "
                "rows, or read them with sort=True."
            )
        clean = pd.Series(values, pd.DatetimeIndex(times, copy=False), copy=False)
        return clean if shortest > NO_TIME else self._once(clean, what)

    def _once(self, series: pd.Series, what: str) -> pd.Series:
        """Return a series with each time once: equal values by themselves, others as chosen."""
        groups = series.groupby(level=0)
        low, high = groups.min(), groups.max()
        differ = low.index[(low != high) & low.notna()]
        if len(differ) == 0:
            surplus = len(series) - len(low)
            self.notes.append(
                f"duplicates: {surplus} rows of the {what} repeat time and value; one kept"
            )
            return low
        if self.duplicates is None:
            values = series[differ[0]].dropna().to_numpy()
            raise SchemaError(
                f"A time must have one value. Received {values[0]} and "
                f"{values[values != values[0]][0]} at {timeline.format_time(differ[0])} in the "
                f"{what}, and {len(differ) - 1} more such times. Remove one, or choose with "
                "duplicates='first', 'last' or 'mean'."
            )
        self.notes.append(
            f"duplicates: {len(differ)} times of the {what} have several values; the "
            f"{self.duplicates} is taken"
        )
        return groups.agg(self.duplicates)


def _shortest(times: np.ndarray) -> np.timedelta64:
    """Return the shortest step between times, none of which is missing; below 0 if unordered."""
    if times.size < 2:
        return DAY
    return np.timedelta64(int(np.diff(times.view(np.int64)).min()), "us")


def _check_times(times: np.ndarray, what: str) -> None:
    if not times.size:
        return
    low, high = (times.view(np.int64).min(), times.view(np.int64).max())  # NaT is the least
    if np.isnat(low.view("M8[us]")):
        row = int(np.flatnonzero(np.isnat(times))[0])
        raise SchemaError(
            f"Every row needs a time. Received none at row {row} of the {what}. Give the date or "
            "remove the row."
        )
    if low.view("M8[us]") < EARLIEST or high.view("M8[us]") > LATEST:
        odd = (times < EARLIEST) | (times > LATEST)
        raise SchemaError(
            f"Times must lie between {EARLIEST} and {LATEST}. Received "
            f"{timeline.format_time(times[odd][0])} in the {what}. Correct the date, or the unit "
            "of the times; convert years of the Persian or Buddhist calendar."
        )


def _refuse_sentinels(values: np.ndarray, times: np.ndarray, what: str) -> None:
    largest = max(np.nanmax(values, initial=0.0), -np.nanmin(values, initial=0.0))
    if not largest >= SMALLEST_CODE:
        return
    coded = np.zeros(values.shape, bool)
    for code in schema.COMMON_MISSING_CODES:
        coded |= np.isclose(values, code, rtol=1e-6, atol=0.0)
    usual = values[~coded & np.isfinite(values)]
    # 9999 can be a measured value, e.g. of millimetres, where others of its sign are near it
    coded &= np.abs(values) > 2 * np.where(
        values < 0, -usual.min(initial=0.0), np.abs(usual).max(initial=0.0)
    )
    suspect = coded | (np.abs(values) >= HUGE)
    if suspect.any():
        first = int(np.flatnonzero(suspect)[0])
        raise SchemaError(
            f"A missing value must be NaN or empty. Received {values[first]:.9g}, which looks like "
            f"a code for it, at {timeline.format_time(times[first])} in the {what} "
            f"({suspect.sum()} in all). If it is one, read the data with "
            f"missing_values=[{values[first]:.9g}]."
        )


AtStep = Literal["mean", "last", "first", "nearest"]
StepStamp = Literal["begin", "end"]
DAY_US = 86_400_000_000

STAMP = "step_stamp"
"""Attribute of observations that holds the choice whether a step begins or ends at its stamp."""


def step_stamp(frequency: str, given: StepStamp | None = None) -> StepStamp:
    """Return whether a stamp stands at the beginning or the end of its step.

    By default a day, and a month or quarter that is stamped with its first day, begin at the
    stamp; weeks, and months or quarters that are stamped with their last day, end at it.

    Raises ValueError if the choice is none, or days and first days of months are said to end a
    step.

    Examples
    --------
    >>> step_stamp("MS"), step_stamp("W-MON"), step_stamp("W-MON", "begin")
    ('begin', 'end', 'begin')
    """
    check_choice("step_stamp", given, StepStamp)
    if given is not None:
        return given
    return "begin" if frequency.split("-")[0] in ("D", "MS", "QS") else "end"


def weather_steps(observations: xr.Dataset) -> dict[str, str]:
    """Return which steps of weather a prediction may see, for records and audits.

    Examples
    --------
    >>> weeks = pd.date_range("2020-01-06", periods=5, freq="W-MON")
    >>> weather_steps(xr.Dataset(coords={"time": weeks}))["seen"]
    'steps stamped up to the time of the level; a stamp ends its step, so all of it is earlier'
    """
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    side = step_stamp(frequency, observations.attrs.get(STAMP))
    seen = "steps stamped up to the time of the level; a stamp "
    if side == "end":
        seen += "ends its step, so all of it is earlier"
    else:
        seen += (
            "begins its step, so the last one reaches to the next stamp: weather known as observed "
            "at an issue time is complete one step later"
        )
    return {"step": frequency, "stamp": side, "seen": seen}


def covariate_axis(
    covariates: Iterable[pd.DatetimeIndex],
    levels: Iterable[pd.DatetimeIndex],
    *,
    stamp: StepStamp | None = None,
    reduced: bool = False,
) -> np.ndarray:
    """Return the regular axis of the covariates, extended by whole steps to hold all levels.

    The axis is ``datetime64[us]``; times of each frame of covariates and of each well's levels are
    sorted. Raises SchemaError if the covariates are not regular, or not of one frequency.
    """
    axes = [timeline.to_times(index) for index in covariates]
    frequencies = {timeline.infer_frequency(axis) for axis in axes}
    if len(frequencies) > 1:
        raise SchemaError(
            f"All covariates must have one frequency. Received {sorted(frequencies)}. Resample "
            "them to the same steps, with a sum for rain and a mean for temperature."
        )
    first, last = min(a[0] for a in axes), max(a[-1] for a in axes)
    axis = timeline.regular_times(first, last, frequency := frequencies.pop())
    for other in axes:
        apart = ~np.isin(other, axis)
        if apart.any():
            raise SchemaError(
                "All covariates must have the same steps. Received "
                f"{timeline.format_time(other[apart][0])} in one frame, which lies between the "
                f"steps of another, e.g. {timeline.format_time(axis[0])}. Put them on one axis."
            )
    stamps = [timeline.to_times(index) for index in levels if len(index)]
    if not stamps:
        return axis
    inside = reduced and frequency != "D" and step_stamp(frequency, stamp) == "begin"
    first, last = min(s[0] for s in stamps), max(s[-1] for s in stamps)
    return _extended(axis, first, last, frequency, inside=inside)


def _extended(
    axis: np.ndarray, first: np.datetime64, last: np.datetime64, frequency: str, *, inside: bool
) -> np.ndarray:
    """Return the axis from the step at or before the first level to that at or after the last.

    Where the last level lies inside the step that begins before it, that step is the last.
    """
    span = max(axis[0] - first, last - axis[-1], np.timedelta64(0, "us"))
    steps = int(span / DAY) + 40  # enough for any frequency of a day or more
    parts = [axis]
    if first < axis[0]:
        earlier = pd.date_range(end=axis[0], periods=steps, freq=frequency).to_numpy()[:-1]
        parts.insert(0, earlier[int(np.searchsorted(earlier, first, side="right")) - 1 :])
    if last > axis[-1]:
        later = pd.date_range(start=axis[-1], periods=steps, freq=frequency).to_numpy()[1:]
        if inside:
            parts.append(later[: int(np.searchsorted(later, last, side="right"))])
        else:
            parts.append(later[: int(np.searchsorted(later, last)) + 1])
    return np.concatenate([part.astype(schema.TIME_DTYPE) for part in parts])


def level_axis(levels: Iterable[pd.DatetimeIndex], *, at_step: AtStep | None = None) -> np.ndarray:
    """Return the regular axis that holds all levels: monthly, weekly, else daily.

    Times of each well's levels are sorted. Raises SchemaError if they have no common hour, and no
    way to put them on a step is given.

    Examples
    --------
    >>> level_axis([pd.DatetimeIndex(["2020-01-06", "2020-01-20"])]).astype("M8[D]").tolist()
    [datetime.date(2020, 1, 6), datetime.date(2020, 1, 13), datetime.date(2020, 1, 20)]
    """
    stamps = _united([timeline.to_times(index) for index in levels])
    if stamps.size < 2:
        raise SchemaError(
            f"Levels without covariates must have at least two times. Received {stamps.size}. Give "
            "covariates, whose axis is taken, or more levels."
        )
    if _off_days(stamps[:100]).any() or _off_days(stamps).any():
        if at_step is None:
            bad = timeline.format_time(stamps[_off_days(stamps)][0])
            raise SchemaError(
                "Levels without covariates must fall on regular steps of a day or more. Received "
                f"{bad}, at another hour than {timeline.format_time(stamps[0])}. Put them on days "
                "with at_step= (--at-step): mean, last, first or nearest."
            )
        first, last = stamps[[0, -1]].astype("datetime64[D]")
        return timeline.regular_times(first, last + DAY, "D")
    frequency = _calendar(pd.DatetimeIndex(stamps))
    if frequency is not None:
        return timeline.regular_times(stamps[0], stamps[-1], frequency)
    if ((stamps - stamps[0]) % (7 * DAY) == NO_TIME).all():
        return timeline.regular_times(stamps[0], stamps[-1], "7D")
    return timeline.regular_times(stamps[0], stamps[-1], "D")


def _off_days(stamps: np.ndarray) -> np.ndarray:
    """Return which stamps are at another hour than the first."""
    return np.asarray((stamps - stamps[0]) % DAY != NO_TIME)


def _united(parts: list[np.ndarray]) -> np.ndarray:
    """Return all times of several sorted axes, each once and in order."""
    stamps = parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts), kind="stable")
    new = stamps[1:] > stamps[:-1]
    return stamps if bool(new.all()) else stamps[np.append(True, new)]


def _calendar(index: pd.DatetimeIndex) -> str | None:
    """Return the frequency of levels on first or last days of months, gaps between them or not."""
    apart = np.diff(index.year * 12 + index.month)
    if (apart < 1).any():
        return None
    quarters = bool((apart % 3 == 0).all()) and len(index) > 4
    return timeline.calendar_frequency(index, months=3 if quarters else 1)


def on_axis(
    levels: pd.Series,
    times: np.ndarray,
    *,
    well: str,
    at_step: AtStep | None = None,
    stamp: StepStamp | None = None,
) -> np.ndarray:
    """Return the levels of a well on a regular axis, (time,), NaN where there is none.

    The axis reaches from at or before the first level to at or after the last. Raises SchemaError
    if a level does not fall on a step and ``at_step`` is not given, and ValueError if it is
    unknown.
    """
    check_choice("at_step", at_step, AtStep)
    stamps, values = timeline.to_times(levels.index), levels.to_numpy(float)
    known = np.isfinite(values)
    if not known.all():
        stamps, values = stamps[known], values[known]
    made = np.full(times.size, np.nan)
    frequency = timeline.infer_frequency(times)
    reduced = at_step in ("mean", "first", "last")
    if reduced and not np.isin(stamps[:100], times).all():  # the rest need not be looked up
        return _reduced(
            stamps, values, times, frequency, str(at_step), step_stamp(frequency, stamp)
        )
    following = _following(times, stamps, frequency)
    fits = times[following] == stamps
    if fits.all():
        made[following] = values
        return made
    if at_step is None:
        raise SchemaError(
            f"Levels must fall on the steps of the axis ({frequency}). Received "
            f"{timeline.format_time(stamps[~fits][0])} for well {well!r}, and "
            f"{int((~fits).sum()) - 1} more that do not. Choose with at_step= (--at-step): the "
            "mean, last or first of the levels of each step, or the nearest to its stamp."
        )
    if at_step == "nearest":
        before = np.maximum(following - 1, 0)
        step = np.where(stamps - times[before] < times[following] - stamps, before, following)
        order = np.argsort(-np.abs(times[step] - stamps), kind="stable")  # the nearest comes last
        made[step[order]] = values[order]
        return made
    return _reduced(stamps, values, times, frequency, at_step, step_stamp(frequency, stamp))


def _following(times: np.ndarray, stamps: np.ndarray, frequency: str) -> np.ndarray:
    """Return for each stamp the step at it, or the next one, or the last."""
    if frequency == "D":  # by arithmetic: a search takes long for millions of stamps
        step = -((times[0] - stamps).view(np.int64) // DAY_US)
        if step.size and (step[0] < 0 or step[-1] >= times.size):  # stamps are sorted
            step = step.clip(0, times.size - 1)
        return np.asarray(step)
    return np.asarray(np.minimum(np.searchsorted(times, stamps), times.size - 1))


def _reduced(
    stamps: np.ndarray,
    values: np.ndarray,
    times: np.ndarray,
    frequency: str,
    how: str,
    stamp: StepStamp,
) -> np.ndarray:
    """Return the mean, first or last of the values of each step, shape (time,)."""
    made = np.full(times.size, np.nan)
    edges = times.astype("datetime64[D]").astype(times.dtype) if frequency == "D" else times
    if stamp == "begin":  # a day, whatever the hour of its stamp
        starts = np.searchsorted(stamps, edges)
        last = np.searchsorted(stamps, edges[-1:] + DAY) if frequency == "D" else [stamps.size]
        stops = np.append(starts[1:], last)
    else:
        stops = np.searchsorted(stamps, times, side="right")
        starts = np.append(0, stops[:-1])
    filled = np.flatnonzero(stops > starts)
    if filled.size and how == "mean":
        first, stop = starts[filled[0]], stops[filled[-1]]
        sums = np.add.reduceat(values[first:stop], starts[filled] - first)
        made[filled] = sums / (stops - starts)[filled]
    elif filled.size:
        made[filled] = values[(starts if how == "first" else stops - 1)[filled]]
    return made


_STEPS = {"D": "D", "W": "W", "M": "MS", "MS": "MS", "ME": "ME", "Q": "QS", "QS": "QS", "QE": "QE"}


def hour_of(index: pd.Index) -> pd.Timedelta | None:
    """Return the time of day of stamps that all have the same; None for others."""
    times = pd.DatetimeIndex(index)
    hours = (times - times.normalize()).unique()
    return hours[0] if len(hours) == 1 else None


def times_a_day(amounts: pd.Series, usual: int) -> int | None:
    """Return how often a day amounts are given at fixed hours, if less often than rows are.

    Amounts of 12 hours beside the temperature of each third hour are no gaps in the rain.
    """
    known = amounts.dropna()
    index = pd.DatetimeIndex(known.index)
    hours = (index - index.normalize()).nunique()
    often = known.resample("D").size().mode()
    return hours if len(often) and often.iloc[0] == hours < usual else None


def span_of(step: np.timedelta64) -> str:
    """Return a time step in words."""
    hours = pd.Timedelta(step) / pd.Timedelta(1, "h")
    number, unit = (hours / 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{number:g} {unit}{'s' * (number != 1)}"


def frequency_of_step(step: str) -> str:
    """Return the frequency of pandas of a step as users write it; raise ValueError for others."""
    known = step.upper()
    base, _, anchor = known.partition("-")
    if base not in _STEPS:
        raise ValueError(
            "step (--step) must be 'D', 'W-SUN' (or another day), 'MS', 'ME', 'QS' or 'QE'. "
            f"Received {step!r}. Correct it."
        )
    return f"{_STEPS[base]}-{anchor}" if anchor else ("W-SUN" if base == "W" else _STEPS[base])


MOST_STEPS = 0.9
"""Share of the steps that a table must have for the others to be missing values."""


def with_missing_steps(frame: pd.DataFrame, what: str, notes: list[str]) -> pd.DataFrame:
    """Return a frame with the few steps that it lacks, without values; others as they are."""
    index = pd.DatetimeIndex(frame.index)
    if len(index) < 2 or not len(frame.columns) or timeline.frequency_of(index.to_numpy()):
        return frame
    try:
        times = pd.DatetimeIndex(level_axis([index]))
    except SchemaError:
        return frame
    lacking = times.difference(index)
    if len(index) < MOST_STEPS * len(times):
        return frame
    notes.append(
        f"gaps: the {what} have no row for {len(lacking)} of {len(times)} steps, first "
        f"{timeline.format_time(lacking[0])}; they are missing values"
    )
    return frame.reindex(times)
