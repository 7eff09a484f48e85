"""Detection of faults in a series: codes for missing values, spikes, flat lines and shifts.

Times are days (n,), strictly increasing but not necessarily evenly spaced; values (n,) are finite.
The natural change of a series is the 90 % quantile of its absolute steps, each divided by the
square root of its duration, because steps of a random walk grow with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from gwforecast import schema

__all__ = [
    "Step", "find_flat_lines", "find_sentinels", "find_shifts", "find_spikes", "find_unit_changes",
    "longest_runs", "natural_change", "quantile", "resolution",
]  # fmt: skip

SCALES = {
    100.0: "m to cm", 0.01: "cm to m", 1000.0: "m to mm", 0.001: "mm to m", 3.28084: "m to ft",
    0.3048: "ft to m", -1.0: "level to depth to water, or back",
}  # fmt: skip
"""Ratios of the levels after and before a change of unit or sign."""

MAX_SPIKE = 3  # steps; a longer change is an event or a shift
SPIKE = 5.0  # times natural change; the largest steps of most wells are 1 to 4
SHIFT = 4.0  # times natural change
PERSISTENT = 3.5  # times the usual difference between the means of successive years
YEAR = 365.0
MIN_FLAT = 7  # steps
LONG_RUN = 12  # steps


@dataclass(frozen=True)
class Step:
    """A lasting step: position of the first value after it, and its size."""

    position: int
    size: float


def quantile(
    values: np.ndarray, share: float, *, method: Literal["linear", "lower", "higher"] = "linear"
) -> float:
    """Return a quantile of finite values, to the last bit that of NumPy, which is 20 times as slow.

    Examples
    --------
    >>> quantile(np.array([4.0, 1.0, 2.0]), 0.25)
    1.5
    """
    place = share * (values.size - 1)
    below, above = math.floor(place), math.ceil(place)
    ordered = np.partition(values, (below, above))
    low, high = float(ordered[below]), float(ordered[above])
    if method != "linear":
        return low if method == "lower" else high
    part = place - below
    return high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part


def resolution(values: np.ndarray) -> float:
    """Return the smallest usual step between values, 0 for a constant series.

    Examples
    --------
    >>> round(resolution(np.array([1.00, 1.02, 1.02, 1.05, 1.03])), 3)
    0.02
    """
    steps = np.abs(np.diff(values))
    steps = steps[steps > 1e-9]
    return quantile(steps, 0.02, method="higher") if steps.size else 0.0


def natural_change(days: np.ndarray, values: np.ndarray) -> float:
    """Return the natural change of a series in one day, in its units; robust to faults."""
    if values.size < 2:
        return 0.0
    return quantile(np.abs(np.diff(values)) / np.sqrt(np.diff(days)), 0.9)


def find_sentinels(values: np.ndarray, *, zero: bool = False) -> np.ndarray:
    """Return which values are codes for missing values that lie far from all other values.

    Examples
    --------
    >>> find_sentinels(np.array([98.2, 99.0, 99.9, -9999.0, 98.7])).tolist()
    [False, False, False, True, False]
    """
    codes = np.sort([*schema.MISSING_CODES, 0.0] if zero else schema.MISSING_CODES)
    above = np.clip(np.searchsorted(codes, values), 1, codes.size - 1)
    coded = np.zeros(values.size, bool)
    for near in (codes[above], codes[above - 1]):
        coded |= np.abs(values - near) <= 1e-9 + 1e-6 * np.abs(near)
    if not coded.any() or coded.sum() > values.size - 2:
        return np.asarray(coded & (np.abs(values) > 9000))
    while True:
        low, high = values[~coded].min(), values[~coded].max()
        far = 2 * max(high - low, 1e-6)
        kept = coded & ((values < low - far) | (values > high + far))
        if (kept == coded).all():
            return np.asarray(kept)
        coded = kept  # codes that are not far from the others widen their range


def find_spikes(days: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return which values are spikes of at most three steps.

    Both the step to the spike and the step back must exceed five times the natural change, scaled
    by the square root of their durations, so that sampling may be irregular. The values before and
    after must agree. These are the additive outliers of Chen and Liu (1993, doi:10.2307/2290724),
    for a random walk.

    Examples
    --------
    >>> level = np.sin(np.arange(100) / 9.0)
    >>> level[40] += 3
    >>> np.flatnonzero(find_spikes(np.arange(100.0), level)).tolist()
    [40]
    """
    found = np.zeros(values.size, bool)
    if values.size < 10:
        return found
    steps = np.diff(values)
    speeds = steps / np.sqrt(np.diff(days))
    limit = SPIKE * natural_change(days, values)
    if (np.abs(speeds) > limit).sum() < 2:  # a step to the spike and one back
        return found
    least = 3 * resolution(values)
    for width in range(1, MAX_SPIKE + 1):
        out, back = steps[: steps.size - width], steps[width:]
        size = np.minimum(np.abs(out), np.abs(back))
        speed = np.minimum(np.abs(speeds[: steps.size - width]), np.abs(speeds[width:]))
        apart = np.abs(values[1 + width :] - values[: values.size - 1 - width])
        sharp = (np.sign(out) * np.sign(back) < 0) & (speed > limit) & (size > least)
        for start in np.flatnonzero(sharp & (apart < 0.5 * size)):
            inside = slice(start + 1, start + 1 + width)
            # a spike that was already found must not become part of a wider one
            if not found[start : start + width + 2].any():
                away = np.abs(values[inside] - 0.5 * (values[start] + values[start + 1 + width]))
                found[inside] = away > 0.5 * size[start]
    return found


def longest_runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and lengths of runs of equal values, longest first.

    Examples
    --------
    >>> starts, lengths = longest_runs(np.array([1.0, 2, 2, 2, 3]))
    >>> starts.tolist(), lengths.tolist()
    ([1, 0, 4], [3, 1, 1])
    """
    edges = np.flatnonzero(np.concatenate([[True], np.diff(values) != 0, [True]]))
    lengths = np.diff(edges)
    order = np.argsort(-lengths, kind="stable")
    return edges[:-1][order], lengths[order]


def find_flat_lines(values: np.ndarray) -> np.ndarray:
    """Return which values belong to unusually long runs of a constant value.

    A run is too long if, elsewhere in the series, the range of 99 % of the windows of the same
    length is at least six times the resolution of the series and 3 % of its spread. It is also too
    long if it has at least twelve steps and three times the length expected by chance, given how
    often values are repeated around it.
    """
    found = np.zeros(values.size, bool)
    starts, lengths = longest_runs(values)
    if not values.size or lengths[0] < MIN_FLAT:
        return found
    fine = resolution(values)
    series = pd.Series(values)
    spread = quantile(values, 0.95) - quantile(values, 0.05)
    for start, length in zip(starts[:20].tolist(), lengths[:20].tolist(), strict=True):
        if length < MIN_FLAT:
            break
        if _improbable(values, start, length):
            found[start : start + length] = True
            continue
        window = series.rolling(length)
        ranges = (window.max() - window.min()).to_numpy()[length - 1 :]
        first = np.arange(ranges.size)
        apart = (first + length <= start) | (first >= start + length)
        apart &= ~found[first] & ~found[first + length - 1]
        if apart.sum() < 50:
            continue
        usual = quantile(ranges[apart], 0.01)
        if usual >= max(6 * fine, 0.03 * spread) and usual > 0:
            found[start : start + length] = True
    return found


def _improbable(values: np.ndarray, start: int, length: int) -> bool:
    """Return whether a run of this length is improbable given the repeated values around it."""
    before = np.diff(values[max(start - length, 0) : start]) == 0
    after = np.diff(values[start + length : start + 2 * length]) == 0
    repeats, steps = int(before.sum() + after.sum()), before.size + after.size
    if length < LONG_RUN or steps < LONG_RUN:
        return False
    chance = (repeats + 1) / (steps + 2)
    return bool(length > 3 * np.log(values.size) / -np.log(chance))


def find_unit_changes(days: np.ndarray, values: np.ndarray) -> list[tuple[Step, str]]:
    """Return the steps at which a level changes by the ratio of two units, or its sign."""
    changes = []
    for position in _steps(days, values, limit=2 * SHIFT, most=10):
        before = float(np.median(values[max(position - 5, 0) : position]))
        after = float(np.median(values[position : position + 5]))
        spread = np.ptp(values[max(position - 5, 0) : position]) if before else np.inf
        for ratio, name in SCALES.items():
            expected = ratio * before
            far = abs(expected - before) > 3 * spread
            if far and abs(after - expected) < 0.05 * abs(expected):
                changes.append((Step(position, after - before), name))
                break
    return changes


def find_shifts(
    days: np.ndarray, values: np.ndarray, explain: Callable[[], np.ndarray]
) -> list[Step]:
    """Return lasting steps that the explanatory variables do not account for.

    The largest steps are candidates. Each is added as a step function to a regression on the
    explanatory variables. It is a shift if the mean residual of the year after it differs from that
    of the year before by 0.6 to 1.5 times the step, and by 3.5 times the usual difference.

    ``explain`` returns the explanatory variables, shape (n, k): intercept, season, antecedent
    weather. It is only called if there are candidates.

    The level shifts of Chen and Liu (1993), J. Am. Stat. Assoc. 88, doi:10.2307/2290724; means
    before and after as in Alexandersson (1986), J. Climatol. 6, doi:10.1002/joc.3370060607.
    """
    shifts: list[Step] = []
    steps = _steps(days, values, limit=SHIFT, most=5)
    if not steps:
        return shifts
    basis = _basis(explain())
    unexplained = values - basis @ (basis.T @ values)
    for position in steps:
        size = float(values[position] - values[position - 1])
        held = np.median(values[position : position + 4]) - np.median(
            values[max(position - 4, 0) : position]
        )
        if held / size < 0.6 or any(abs(s.position - position) < 4 for s in shifts):
            continue
        after = (np.arange(values.size) >= position).astype(float)
        own = after - basis @ (basis.T @ after)
        if own @ own < 1e-6 * (after @ after):
            continue  # the explanatory variables contain this step
        weight = float(own @ unexplained / (own @ own))
        noise = unexplained - weight * own
        elsewhere = np.abs(_year_differences(days, noise))
        lasting = _year_differences(days, noise + weight * after)[position - 1]
        if np.isnan(lasting):
            continue
        usual = 1.4826 * float(np.nanmedian(elsewhere))
        if abs(lasting) > PERSISTENT * usual and 0.6 < lasting / size < 1.5:
            shifts.append(Step(position, size))
    return sorted(shifts, key=lambda shift: shift.position)


def _basis(explaining: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis (n, rank) of columns (n, k), which may be dependent."""
    size = np.sqrt((explaining**2).sum(axis=0))
    scaled = explaining[:, size > 0] / size[size > 0]
    powers, axes = np.linalg.eigh(scaled.T @ scaled)
    kept = powers > 1e-9 * powers[-1]
    return np.asarray(scaled @ (axes[:, kept] / np.sqrt(powers[kept])))


def _steps(days: np.ndarray, values: np.ndarray, *, limit: float, most: int) -> list[int]:
    """Return the positions after the largest steps, largest first."""
    if values.size < 10:
        return []
    speeds = np.abs(np.diff(values)) / np.sqrt(np.diff(days))
    large = np.flatnonzero(speeds > limit * natural_change(days, values))
    return [int(p) + 1 for p in large[np.argsort(-speeds[large], kind="stable")][:most]]


def _year_differences(days: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean of the year after each step (n - 1,) minus that of the year before.

    It is NaN if either year has fewer than 8 values.
    """
    total = np.concatenate([[0.0], np.cumsum(values)])
    middle = np.arange(1, values.size)
    first = np.searchsorted(days, days[1:] - YEAR)
    last = np.searchsorted(days, days[:-1] + YEAR, side="right")
    before, after = middle - first, last - middle
    difference = (total[last] - total[middle]) / np.maximum(after, 1)
    difference -= (total[middle] - total[first]) / np.maximum(before, 1)
    return np.where((before >= 8) & (after >= 8), difference, np.nan)
