"""Signs that recent values are not what was measured.

They hardly move, repeat themselves, are no longer those of the training, or leave what the weather
explains. None of them is proof, so that they lower the status of a forecast but do not prevent it.
The limits were set on 75 real wells in Germany, Switzerland, Sweden and the Netherlands, of which
they flag one in a hundred (``benchmarks/false_alarms.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gwforecast import timeline
from gwforecast.quality.checks import EXPLAINING, explaining
from gwforecast.quality.faults import quantile
from gwforecast.quality.gates import Ranges
from gwforecast.quality.rules import Finding, Series

__all__ = [
    "MEASURED", "Record", "find_other_record", "find_repeated", "find_still", "find_unlikely",
    "repeats",
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
Record = tuple[Series, Sequence[Series]]  # the level of a well and its covariates
Errors = Callable[[int], np.ndarray]  # one of the five kinds of errors, (well, window, width)


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
    records: Sequence[Record], *, trained_through: Sequence[np.datetime64]
) -> list[list[Finding]]:
    """Return findings of recent levels that are not what earlier levels and the weather lead to.

    Levels, and their steps, are explained by season, weather and the level before, by least squares
    on the training. Each of :data:`STATISTICS` of the last values is compared with those of all
    earlier periods of that length. The records have one time axis; those with levels at the same
    times and with the same weather are explained together.
    """
    found: list[list[Finding]] = [[] for _ in records]
    alike: dict[Hashable, list[int]] = {}
    values = np.full((len(records), records[0][0].times.size if records else 0), np.nan)
    positions = []
    for number, (level, covariates) in enumerate(records):
        # recent spikes are what is looked for
        kept = np.union1d(level.clean, level.measured[-RECENT:])
        values[number, kept] = level.values[kept]
        known = np.isfinite(values[number])
        rows = np.flatnonzero(known[2:] & known[1:-1] & known[:-2]) + 2
        early = int(np.searchsorted(level.times[rows], trained_through[number], side="right"))
        weather = tuple(id(_anomaly(one)) for one in _weather(covariates))
        positions.append((rows, early))
        if weather and early >= LEAST_LEVELS:
            alike.setdefault((weather, early, rows.tobytes()), []).append(number)
    for numbers in alike.values():
        rows, early = positions[numbers[0]]
        errors = _errors(values[numbers], _basis(*records[numbers[0]]), rows, early)
        for statistic in STATISTICS:
            for at, now, received in _unlike_before(statistic, errors):
                level, _ = records[numbers[at]]
                finding = level.finding(
                    statistic.check, "warning", positions=rows[-statistic.width :], value=now,
                    rule="Levels change as season, weather and the levels before lead to.",
                    received=received,
                    fix="Check the sensor for drift, the file for values of two sensors, in "
                    "another order, interpolated or modelled, the weather, and the well for "
                    "pumping; if the change is real, train the model again.",
                )  # fmt: skip
                found[numbers[at]].append(finding)
    return found


def _weather(covariates: Sequence[Series]) -> list[Series]:
    return [one for one in covariates if one.kind in EXPLAINING and one.known.size]


def _anomaly(covariate: Series) -> np.ndarray:
    """Return the deviations of a covariate from its mean, 0 where it is missing, (time, 1)."""
    values = covariate.values
    return covariate.once(
        "anomaly", lambda: np.asarray(np.nan_to_num(values - np.nanmean(values)))[:, None]
    )


def _basis(level: Series, covariates: Sequence[Series]) -> np.ndarray:
    """Return season, means of weather and weather, which explain levels, (time, column)."""
    weather = _weather(covariates)
    length = float(level.days[-1] - level.days[0]) / (level.days.size - 1)
    return np.hstack([explaining(level, weather, length), *map(_anomaly, weather)])


def _errors(values: np.ndarray, basis: np.ndarray, rows: np.ndarray, early: int) -> np.ndarray:
    """Return the errors of levels (well, time) at some rows, (5, well, row), m.

    The errors are of the level, explained by season and weather; of the step to it, explained by
    these and the level before; and of the same explained by the step before too. Then come the
    steps that the second were to be, and the differences of each step from the one before. The
    first, early rows are those of the training.
    """
    steps, before = (values[:, at] - values[:, at - 1] for at in (rows, rows - 1))
    centre = values[:, rows[:early]].mean(axis=1, keepdims=True)
    targets = np.stack([values[:, rows] - centre, steps, steps], axis=1)
    own = np.stack([values[:, rows - 1] - centre, before], axis=1)  # columns of each well
    shared = basis[rows]
    first = shared[:early]
    of_own = own[..., :early]
    number = shared.shape[1]
    products = np.empty((len(values), number + 2, number + 2))
    products[:, :number, :number] = first.T @ first
    products[:, number:, :number] = of_own @ first
    products[:, :number, number:] = products[:, number:, :number].transpose(0, 2, 1)
    products[:, number:, number:] = of_own @ of_own.transpose(0, 2, 1)
    scale = np.sqrt(np.diagonal(products, axis1=1, axis2=2) / early)  # columns are made alike
    scale = np.where(scale == 0, 1.0, scale)
    products /= scale[:, None] * scale[..., None]
    products += 1e-6 * early * np.eye(number + 2)
    of_targets = targets[..., :early]
    right = np.concatenate([of_targets @ first, of_targets @ of_own.transpose(0, 2, 1)], axis=2)
    right /= scale[:, None]
    explained = []
    for which in range(3):
        size = number + which
        weights = np.linalg.solve(products[:, :size, :size], right[:, which, :size, None])
        weights = weights[..., 0] / scale[:, :size]
        of_well = weights[:, None, number:] @ own[:, :which]
        explained.append(weights[:, :number] @ shared.T + of_well[:, 0])
    errors = [targets[:, which] - explained[which] for which in range(3)]
    return np.array([*errors, explained[1], steps - before])


def _unlike_before(statistic: Statistic, errors: np.ndarray) -> Iterator[tuple[int, float, str]]:
    """Yield well, value and description of a statistic that is not what it was before."""
    _, width, compute, low, high, received, least = statistic
    size = errors.shape[-1]
    ends = np.r_[np.arange(size - width, width - 1, -width // 2), size]
    if ends.size <= LEAST_PERIODS:
        return
    values = compute(lambda kind: sliding_window_view(errors[kind], width, axis=1)[:, ends - width])
    before, now = values[:, :-1], values[:, -1]
    usual, spread = before.mean(axis=1), np.maximum(before.std(axis=1), least)
    for well in np.flatnonzero((now < usual + low * spread) | (now > usual + high * spread)):
        pair = float(now[well]), float(usual[well])
        yield int(well), pair[0], received.format(width=width, now=pair[0], size=np.exp(pair))


def _uneven(of: Errors) -> np.ndarray:
    """Return the errors of steps around their median, so that a steady rise is not uneven."""
    errors = of(2)
    return np.asarray(errors - np.median(errors, axis=-1, keepdims=True))


def _rms(errors: np.ndarray) -> np.ndarray:
    """Return log root mean squares, (well, window)."""
    return np.asarray(np.log(np.sqrt(np.mean(errors**2, axis=-1)) + TINY))


def _usual(errors: np.ndarray) -> np.ndarray:
    """Return log upper quartiles of sizes, which one large error does not change."""
    at = 3 * errors.shape[-1] // 4
    return np.asarray(np.log(np.partition(np.abs(errors), at, axis=-1)[..., at] + TINY))


class Statistic(NamedTuple):
    """A statistic of the last errors, (well, window), which earlier ones are compared with."""

    check: str
    width: int  # number of values
    compute: Callable[[Errors], np.ndarray]
    low: float  # limits, in standard deviations of those of earlier periods
    high: float
    received: str
    least: float = 0.2  # such a deviation is at least this


STEPS = (
    "{width} steps that differ by {size[0]:.3g} m from the expected ones, usually {size[1]:.3g} m,"
)
STATISTICS = (
    Statistic("uneven", 20, lambda of: _usual(_uneven(of)), -np.inf, 3.5, received=STEPS),
    Statistic("uneven", 12, lambda of: _rms(_uneven(of)), -np.inf, 3.65, received=STEPS),
    Statistic(
        "smooth", 20, lambda of: _usual(of(4)), -4.5, np.inf,
        received="{width} levels that bend by {size[0]:.2g} m a step, usually by {size[1]:.2g} m,",
    ),
    Statistic(
        "against", 20, lambda of: _rms(of(1) + 2 * of(3)) - _rms(of(1)),
        -3.7, np.inf,
        received="{width} steps that are the opposite of the expected ones, as never before,",
    ),
    Statistic(
        "unexplained", 12, lambda of: of(0).mean(axis=-1), -5.5, 5.5, least=0.0,
        received="{width} levels that are {now:+.3g} m on average from what season and weather "
        "explain, more than ever,",
    ),
)  # fmt: skip
