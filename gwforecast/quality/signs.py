"""Signs that recent values are not what was measured.

They hardly move, repeat themselves, are no longer those of the training, or leave what the weather
explains. None of them is proof, so that they lower the status of a forecast but do not prevent it.
The limits were set on 75 real wells in Germany, Switzerland, Sweden and the Netherlands, of which
they flag one in a hundred (``benchmarks/false_alarms.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gwforecast import timeline
from gwforecast.quality.checks import EXPLAINING, explaining
from gwforecast.quality.faults import quantile
from gwforecast.quality.gates import Ranges
from gwforecast.quality.rules import Finding, Series

__all__ = [
    "MEASURED", "find_other_record", "find_repeated", "find_still", "find_unlikely", "repeats",
]  # fmt: skip

MEASURED = ("level", "rain", "temperature", "temperature_min", "temperature_max")  # not computed
STILL_DAYS, STILL_STEPS = (84.0, 182.0), 12
STILL = 0.25  # times the small range of earlier periods of the same length
SMALLEST = 0.05  # quantile of their ranges that is small; the sensor may have been stuck for longer
LEAST_PERIODS = 20
WINDOWS = ((10, 7), (20, 4))  # values that are repeated, and different steps among them
SAME = 1e-3  # share of the range: levels that differ by less are the same
LEAST_SAME = 0.2  # share of the levels of the training that are still the same
LEAST_LEVELS = 150  # of the training, for a regression
RECENT = 30
TINY = 1e-6  # m


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


def find_unlikely(
    level: Series, covariates: Sequence[Series], *, trained_through: np.datetime64
) -> Iterator[Finding]:
    """Yield findings of recent levels that are not what earlier levels and the weather lead to.

    Levels, and their steps, are explained by season, weather and the level before, by least squares
    on the training. Each of :data:`STATISTICS` of the last values is compared with those of all
    earlier periods of that length.
    """
    found = _errors(level, covariates, trained_through)
    if found is None:
        return
    rows, errors = found
    for check, width, compute, low, high, received, least in STATISTICS:
        ends = np.r_[np.arange(rows.size - width, width - 1, -width // 2), rows.size]
        if ends.size <= LEAST_PERIODS:
            continue
        *before, now = compute(sliding_window_view(errors, width, axis=1)[:, ends - width])
        usual, spread = float(np.mean(before)), max(float(np.std(before)), least)
        if now < usual + low * spread or now > usual + high * spread:
            yield level.finding(
                check, "warning", positions=rows[-width:], value=now,
                rule="Levels change as season, weather and the levels before lead to.",
                received=received.format(width=width, now=now, size=np.exp([now, usual])),
                fix="Check the sensor for drift, the file for values of two sensors, in another "
                "order, interpolated or modelled, the weather, and the well for pumping; if the "
                "change is real, train the model again.",
            )  # fmt: skip


def _errors(
    level: Series, covariates: Sequence[Series], trained_through: np.datetime64
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return positions of levels (row,) and their errors (5, row), m; None if they are too few.

    The errors are of the level, explained by season and weather; of the step to it, explained by
    these and the level before; and of the same explained by the step before too. Then come the
    steps that the second were to be, and the differences of each step from the one before.
    """
    weather = [c for c in covariates if c.kind in EXPLAINING and c.known.size]
    values = np.full(level.values.size, np.nan)
    kept = np.union1d(level.clean, level.measured[-RECENT:])  # recent spikes are what is looked for
    values[kept] = level.values[kept]
    steps = np.append(np.nan, np.diff(values))
    rows = np.flatnonzero(np.isfinite(steps[1:] + steps[:-1])) + 1
    early = int(np.searchsorted(level.times[rows], trained_through, side="right"))
    if not weather or early < LEAST_LEVELS:
        return None
    length = float(level.days[-1] - level.days[0]) / (level.days.size - 1)
    basis = np.hstack([explaining(level, weather, length), *(_anomaly(c) for c in weather)])
    centre = float(values[rows[:early]].mean())
    columns = np.column_stack([basis[rows], values[rows - 1] - centre, steps[rows - 1]])
    targets = np.array([values[rows] - centre, steps[rows], steps[rows]])
    products = columns[:early].T @ columns[:early]
    scale = np.sqrt(np.diag(products) / early)  # of columns that are made alike in size
    scale[scale == 0] = 1.0
    products = products / np.outer(scale, scale) + 1e-6 * early * np.eye(scale.size)
    right = targets[:, :early] @ columns[:early] / scale
    explained = []
    for own, number in zip(right, basis.shape[1] + np.arange(3), strict=True):
        weights = np.linalg.solve(products[:number, :number], own[:number]) / scale[:number]
        explained.append(columns[:, :number] @ weights)
    return rows, np.array([*(targets - explained), explained[1], steps[rows] - steps[rows - 1]])


def _anomaly(covariate: Series) -> np.ndarray:
    """Return the deviations of a covariate from its mean, 0 where it is missing, (time, 1)."""
    return np.asarray(np.nan_to_num(covariate.values - np.nanmean(covariate.values)))[:, None]


def _uneven(errors: np.ndarray) -> np.ndarray:
    """Return the errors of steps around their median, so that a steady rise is not uneven."""
    return np.asarray(errors[2] - np.median(errors[2], axis=-1, keepdims=True))


def _rms(errors: np.ndarray) -> np.ndarray:
    """Return log root mean squares, (window,)."""
    return np.asarray(np.log(np.sqrt(np.mean(errors**2, axis=-1)) + TINY))


def _usual(errors: np.ndarray) -> np.ndarray:
    """Return log upper quartiles of sizes, (window,), which one large error does not change."""
    at = 3 * errors.shape[-1] // 4
    return np.asarray(np.log(np.partition(np.abs(errors), at, axis=-1)[..., at] + TINY))


class Statistic(NamedTuple):
    """A statistic of the last errors (5, window, width), which earlier ones are compared with."""

    check: str
    width: int  # number of values
    compute: Callable[[np.ndarray], np.ndarray]
    low: float  # limits, in standard deviations of those of earlier periods
    high: float
    received: str
    least: float = 0.2  # such a deviation is at least this


STEPS = (
    "{width} steps that differ by {size[0]:.3g} m from the expected ones, usually {size[1]:.3g} m,"
)
STATISTICS = (
    Statistic("uneven", 20, lambda errors: _usual(_uneven(errors)), -np.inf, 3.5, received=STEPS),
    Statistic("uneven", 12, lambda errors: _rms(_uneven(errors)), -np.inf, 3.65, received=STEPS),
    Statistic(
        "smooth", 20, lambda errors: _usual(errors[4]), -4.5, np.inf,
        received="{width} levels that bend by {size[0]:.2g} m a step, usually by {size[1]:.2g} m,",
    ),
    Statistic(
        "against", 20, lambda errors: _rms(errors[1] + 2 * errors[3]) - _rms(errors[1]),
        -3.7, np.inf,
        received="{width} steps that are the opposite of the expected ones, as never before,",
    ),
    Statistic(
        "unexplained", 12, lambda errors: errors[0].mean(axis=-1), -5.5, 5.5, least=0.0,
        received="{width} levels that are {now:+.3g} m on average from what season and weather "
        "explain, more than ever,",
    ),
)  # fmt: skip
