"""Signs that recent values are not what was measured.

They hardly move, repeat themselves, are no longer those of the training, or leave what the weather
explains. None of them is proof, so that they lower the status of a forecast but do not prevent it.
The limits were set on 75 real wells in Germany, Switzerland, Sweden and the Netherlands, of which
they flag one in a hundred (``benchmarks/false_alarms.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from gwforecast import timeline
from gwforecast.quality.checks import EXPLAINING, MEMORIES
from gwforecast.quality.faults import quantile
from gwforecast.quality.gates import Ranges
from gwforecast.quality.rules import Finding, Series

__all__ = [
    "MEASURED", "find_other_record", "find_repeated", "find_still", "find_uneven",
    "find_unexplained", "repeats",
]  # fmt: skip

MEASURED = ("level", "rain", "temperature", "temperature_min", "temperature_max")  # not computed
STILL_DAYS, STILL_STEPS = (84.0, 182.0), 12
STILL = 0.25  # times the small range of earlier periods of the same length
SMALLEST = 0.05  # quantile of their ranges that is small; the sensor may have been stuck for longer
LEAST_PERIODS = 20
ROUGH, SMOOTH = 1.75, 0.1  # times the largest and the small roughness of earlier periods
WINDOWS = ((10, 7), (20, 4))  # values that are repeated, and different steps among them
SAME = 1e-3  # share of the range: levels that differ by less are the same
LEAST_SAME = 0.2  # share of the levels of the training that are still the same
PERIOD = 90.0  # d; errors of levels explained by the weather are means over this
UNEXPLAINED = 2.5  # times the largest mean error of the training
LEAST_YEARS, LEAST_LEVELS = 4.0, 100


def find_still(series: Series) -> Finding | None:
    """Return a finding if recent values move far less than in earlier periods of that length."""
    known = series.measured
    if series.kind not in MEASURED or known.size < 2 * LEAST_PERIODS:
        return None
    values = series.values[known]
    step = max(float(np.median(np.diff(series.days[known[-400:]]))), 1e-3)
    for days in STILL_DAYS:
        width = max(STILL_STEPS, round(days / step))
        before, recent = values[:-width], values[-width:]
        if before.size < LEAST_PERIODS * width:
            continue
        ranges = [
            np.ptp(part[: part.size // width * width].reshape(-1, width), axis=1)
            for part in (before, before[width // 2 :])
        ]
        least = quantile(np.concatenate(ranges), SMALLEST, method="lower")
        if least > 0 and np.ptp(recent) < STILL * least:
            return series.finding(
                "still", "warning", positions=known[-width:], value=float(np.ptp(recent)),
                rule="A series moves on.",
                received=f"{width} values that differ by at most {np.ptp(recent):.3g}, where "
                f"nearly all earlier periods of this length had {least:.3g} or more,",
                fix="Check whether the sensor is stuck or clogged, or the values were filled in.",
            )  # fmt: skip
    return None


def find_uneven(level: Series) -> Finding | None:
    """Return a finding if recent levels are far rougher or smoother than ever before.

    Values of two sensors in turn are rougher, interpolated ones smoother. The roughness of a period
    is its mean absolute second difference.
    """
    known = level.measured
    bends = np.abs(np.diff(level.values[known], 2))
    width = STILL_STEPS
    if bends.size < (LEAST_PERIODS + 1) * width:
        return None
    before, recent = bends[:-width], float(bends[-width:].mean())
    rough = np.concatenate(
        [
            part[: part.size // width * width].reshape(-1, width).mean(axis=1)
            for part in (before, before[width // 2 :])
        ]
    )
    most, least = float(rough.max()), quantile(rough, SMALLEST, method="lower")
    if recent > ROUGH * most:
        how, limit = "more", most
    elif recent < SMOOTH * least and np.ptp(level.values[known[-width:]]) > 0:
        how, limit = "less", least
    else:
        return None
    return level.finding(
        "uneven", "warning", positions=known[-width:], value=recent,
        rule="Levels are as smooth as before.",
        received=f"{width} values that bend by {recent:.3g} m from step to step, far {how} than "
        f"the {limit:.3g} m of earlier periods,",
        fix="Check the sensor, and whether the file holds values of two sensors, interpolated or "
        "model values.",
    )  # fmt: skip


def find_repeated(series: Series) -> Finding | None:
    """Return a finding if the last values are exactly those of an earlier time."""
    if series.kind not in MEASURED:
        return None
    known = series.measured
    values = series.values[known]
    for width, kinds in WINDOWS:
        at = repeats(values, values[-width:], kinds=kinds) if values.size > 2 * width else None
        if at is not None:
            return series.finding(
                "repeated", "warning", positions=known[-width:], n=width,
                rule="Measurements do not repeat themselves exactly.",
                received=f"{width} values that are those from "
                f"{timeline.format_time(series.times[known[at]])} on,",
                fix="Check whether old values were delivered again, or gaps filled with them.",
            )  # fmt: skip
    return None


def repeats(values: np.ndarray, last: np.ndarray, *, kinds: int) -> int | None:
    """Return where some values occur before the last of a series; None if they do not.

    Examples
    --------
    >>> rain = np.array([0.0, 3.1, 0.4, 7.5, 2.2, 0.0, 9.3])
    >>> repeats(rain, rain[1:5], kinds=3)
    1
    >>> repeats(rain, np.zeros(4), kinds=3) is None
    True
    """
    steps = np.diff(last)
    if np.unique(np.round(steps[steps != 0], 6)).size < kinds or values.size <= last.size:
        return None
    values, last = values.astype(np.float32), last.astype(np.float32)  # as files may hold them
    starts = np.flatnonzero(values[: values.size - last.size] == last[0])
    for start in starts.tolist():
        if np.array_equal(values[start : start + last.size], last):
            return start
    return None


def find_other_record(level: Series, ranges: Ranges, *, moved: float = 0.0) -> Finding | None:
    """Return a finding if hardly any of the levels of the training is still the same.

    The datum may have moved since then by an acknowledged difference, m.
    """
    trained, known = ranges.level(level.well), ranges.of_training(level)
    if trained is None or known is None:
        return None
    at, before = known
    change = np.abs(level.values[at] - before - moved)
    share = float((change <= SAME * trained.span + 1e-9).mean())
    if share >= LEAST_SAME:
        return None
    return level.finding(
        "record", "warning", positions=at, value=share,
        rule="The levels that a model was trained on stay as they are.",
        received=f"other values at {100 * (1 - share):.0f} % of {at.size} of these times",
        fix="Check whether the stamps have moved or the whole record was processed again; in that "
        "case, train the model again.",
    )  # fmt: skip


def find_unexplained(
    level: Series, covariates: Sequence[Series], *, trained_through: np.datetime64
) -> Finding | None:
    """Return a finding if recent levels are farther from what the weather explains than ever.

    Levels of the training are explained by season and exponential means of the weather, by least
    squares.
    """
    known = level.clean
    early = known[level.times[known] <= trained_through]
    if early.size < LEAST_LEVELS or np.ptp(level.days[early]) < LEAST_YEARS * 365.25:
        return None
    basis = _explaining(level, covariates)
    if basis is None:
        return None
    if known[-1] == early[-1]:
        return None
    basis = basis[known]
    columns = basis[: early.size]
    products = columns.T @ columns
    scale = np.sqrt(np.diag(products) / early.size)  # of columns that are made alike in size
    scale[scale == 0] = 1.0
    products = products / np.outer(scale, scale) + 1e-6 * early.size * np.eye(scale.size)
    weights = np.linalg.solve(products, columns.T @ level.values[early] / scale) / scale
    errors = level.values[known] - basis @ weights
    days = level.days[known]
    last = errors[days > days[-1] - PERIOD]
    period = np.floor((days[: early.size] - days[0]) / PERIOD).astype(int)
    count = np.bincount(period)
    means = np.bincount(period, errors[: early.size])[count > 0] / count[count > 0]
    most, size = float(np.abs(means).max()), float(last.mean())
    if last.size < 2 or abs(size) <= UNEXPLAINED * most:
        return None
    return level.finding(
        "unexplained", "warning", positions=known[days > days[-1] - PERIOD], value=size,
        rule="Levels stay near what season and weather explain.",
        received=f"levels that are {size:+.3g} m from it on average in {PERIOD:.0f} days; the most "
        f"in the training was {most:.3g} m;",
        fix="Check the sensor for drift, and the well for pumping; if the change is real, train "
        "the model again.",
    )  # fmt: skip


def _explaining(level: Series, covariates: Sequence[Series]) -> np.ndarray | None:
    """Return intercept, season and means of the weather, (time, k); None without weather."""
    times = level.times
    columns = [
        np.ones((times.size, 1)),
        level.once_for_times("harmonics", lambda: timeline.harmonics(times, 2)),
    ]
    step = float(level.days[-1] - level.days[0]) / max(level.days.size - 1, 1)
    columns += [
        covariate.once(("explaining", step), partial(_means, covariate, step))
        for covariate in covariates
        if covariate.kind in EXPLAINING and covariate.known.size
    ]
    return np.hstack(columns) if len(columns) > 2 else None


def _means(covariate: Series, step: float) -> np.ndarray:
    """Return exponential means of deviations from the mean, (time, memory)."""
    centred = covariate.values - float(np.mean(covariate.values[covariate.known]))
    centred = np.r_[0.0, np.where(np.isfinite(centred), centred, 0.0)]
    keep = [np.exp(-step / memory) for memory in MEMORIES]
    means = [pd.Series(centred).ewm(alpha=1 - one, adjust=False).mean() for one in keep]
    return np.column_stack([mean.to_numpy()[1:] for mean in means])
