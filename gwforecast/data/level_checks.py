"""Checks of the level of one well."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gwforecast.data import faults
from gwforecast.data.findings import Finding, Series, coded_findings, flat_findings

__all__ = ["level_findings", "shift_findings"]

MIN_LEVELS = 100
MIN_YEARS = 3.0
LONG_GAP = 365.0  # d
HIGHEST, LOWEST, WIDEST = 9000.0, -1000.0, 100.0  # m: above any land, below any land, range


def level_findings(level: Series, *, now: np.datetime64 | None = None) -> Iterator[Finding]:
    """Yield what is doubtful in a level by itself, shifts apart."""
    yield from _amount(level)
    if not level.known.size:
        return
    if now is not None and (level.times[level.known] > now).any():
        ahead = level.known[level.times[level.known] > now]
        yield level.finding(
            "future", "error", positions=ahead, value=level.values[ahead[0]],
            rule="A level can't be observed after today.",
            received=f"{ahead.size} later values",
            mend="Check the order of day and month and the clock of the logger.",
        )  # fmt: skip
    yield from _gaps(level)
    yield from coded_findings(level)
    yield from _level_size(level)
    yield from _spikes(level)
    yield from flat_findings(level)


def shift_findings(level: Series, explain: Callable[[], np.ndarray]) -> Iterator[Finding]:
    """Yield the changes of unit and the shifts of a level.

    Parameters
    ----------
    level : Series
        The level.
    explain : callable
        Returns what a level follows without a fault, shape (time, k), finite.
    """
    steps = level.clean
    days, values = level.days[steps], level.values[steps]
    changes = faults.find_unit_changes(days, values)
    for change, name in changes:
        place = steps[[change.position]]
        yield level.finding(
            "unit_change", "error", positions=place, value=change.size,
            rule="A series must keep its unit and sign.",
            received=f"a step of {change.size:.6g} m, as from {name},",
            mend="Convert one of the two parts; the check can't know which of them is right.",
        )  # fmt: skip
    if changes:
        return
    for shift in faults.find_shifts(days, values, lambda: explain()[steps]):
        yield level.finding(
            "shift", "warning", positions=steps[[shift.position]], value=shift.size,
            rule="A level should not step and stay without a cause in weather or pumping.",
            received=f"a lasting step of {shift.size:+.3g} m",
            mend="Look for a new logger, datum or cable length there and correct one part; if it "
            "is real, add its cause as a covariate.",
        )  # fmt: skip


def _amount(level: Series) -> Iterator[Finding]:
    count = level.known.size
    years = float(np.ptp(level.days[level.known])) / 365.25 if count else 0.0
    if count == 0:
        yield level.finding(
            "few_levels", "error", n=0, value=0,
            rule="A well needs levels to be modelled.", received="none",
            mend="Read the well's file again, or leave the well out.",
        )  # fmt: skip
    elif count < MIN_LEVELS or years < MIN_YEARS:
        yield level.finding(
            "few_levels", "warning", n=count, value=count,
            rule=f"A model of one well needs about {MIN_LEVELS} levels over {MIN_YEARS:g} years.",
            received=f"{count} over {years:.1f} years",
            mend="Add older records, or model the well together with others.",
        )  # fmt: skip
    if count > 1 and np.ptp(level.values[level.known]) == 0:
        yield level.finding(
            "constant", "error", positions=level.known, value=level.values[level.known[0]],
            rule="A level must vary to be modelled.",
            received=f"one value, {level.values[level.known[0]]:g}, {count} times",
            mend="Check that the column holds levels, and not the well's height.",
        )  # fmt: skip


def _gaps(level: Series) -> Iterator[Finding]:
    waits = np.diff(level.days[level.known])
    if waits.size < 10:
        return
    usual = float(np.median(waits))
    wide = waits > 3 * usual
    if not wide.any():
        return
    longest = float(waits.max())
    share = float((waits[wide] - usual).sum() / waits.sum())
    edges = level.known[np.append(np.flatnonzero(wide), np.flatnonzero(wide)[-1] + 1)]
    yield level.finding(
        "gaps", "warning" if longest > LONG_GAP else "note", positions=edges, value=share,
        n=int(wide.sum()), flagged=False,
        rule="Gaps in the levels stay gaps, and are neither trained on nor scored.",
        received=f"{int(wide.sum())} with {100 * share:.1f} % of the time, the longest "
        f"{longest:.0f} days,",
        mend="Add the missing records if there are any.",
    )  # fmt: skip


def _level_size(level: Series) -> Iterator[Finding]:
    steps = level.clean
    if not steps.size:
        return
    values = level.values[steps]
    low, high = np.quantile(values, [0.01, 0.99])
    outside = steps[(values > HIGHEST) | (values < LOWEST)]
    if outside.size or high - low > WIDEST:
        yield level.finding(
            "unit", "warning", positions=outside, value=high - low, n=outside.size or steps.size,
            rule=f"Levels lie from {LOWEST:g} to {HIGHEST:g} m and seldom range over "
            f"{WIDEST:g} m.",
            received=f"{values.min():g} to {values.max():g}",
            mend="Check whether they are in cm, mm or feet, and convert them to m.",
        )  # fmt: skip


def _spikes(level: Series) -> Iterator[Finding]:
    spikes = level.spikes
    if spikes.size:
        yield level.finding(
            "spikes", "warning", positions=spikes, value=level.values[spikes[0]],
            rule="A level should not leap away and back within a few steps.",
            received=f"{spikes.size} such values, the first {level.values[spikes[0]]:.6g} m,",
            mend="Compare them with the field book and set errors to NaN; pumping tests and "
            "sampling cause true ones.",
        )  # fmt: skip
