"""A finding, the series that it is about, and the checks that suit any series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from gwforecast import timeline
from gwforecast.data import faults

__all__ = ["Finding", "Series", "coded_findings", "flat_findings"]

GAUGES = ("level", "pressure", "stage")  # kinds whose value is not 0 in practice


@dataclass(frozen=True, eq=False)
class Finding:
    """One doubt about one series.

    Parameters
    ----------
    well, variable, check : str
        Where, and by which check.
    severity : str
        ``"ok"``, ``"note"``, ``"warning"`` or ``"error"``.
    n : int
        Number of values, or of gaps, that it is about.
    first, last : numpy.datetime64
        First and last of their times; NaT where the whole series is meant.
    value : float
        The number that decided.
    message : str
        The rule, what was received, the mend.
    positions : numpy.ndarray of int
        Steps that a flag belongs to.
    """

    well: str
    variable: str
    check: str
    severity: str
    n: int
    first: np.datetime64
    last: np.datetime64
    value: float
    message: str
    positions: np.ndarray = field(default_factory=lambda: np.empty(0, int))


@dataclass(frozen=True, eq=False)
class Series:
    """One variable of one well: values (time,) on the axis of the observations.

    Parameters
    ----------
    well, variable, kind : str
        ``kind`` is ``"level"`` or the kind of a covariate.
    times : numpy.ndarray
        Shape (time,), ``datetime64[us]``.
    values : numpy.ndarray
        Shape (time,), NaN where missing.
    """

    well: str
    variable: str
    kind: str
    times: np.ndarray
    values: np.ndarray

    @cached_property
    def days(self) -> np.ndarray:
        """Times in days, (time,)."""
        return np.asarray(self.times.astype("datetime64[s]").astype(float) / 86400.0)

    @cached_property
    def known(self) -> np.ndarray:
        """Positions of the values that are there."""
        return np.flatnonzero(np.isfinite(self.values))

    @cached_property
    def coded(self) -> np.ndarray:
        """Positions of the values that are codes for missing ones."""
        return np.asarray(self.known[self._are_codes])

    @cached_property
    def measured(self) -> np.ndarray:
        """Positions of the values that are no codes."""
        return np.asarray(self.known[~self._are_codes])

    @cached_property
    def spikes(self) -> np.ndarray:
        """Positions of the measured values that leap away and back."""
        return np.asarray(self.measured[self._are_spikes])

    @cached_property
    def clean(self) -> np.ndarray:
        """Positions of the values that are neither codes nor spikes."""
        return np.asarray(self.measured[~self._are_spikes])

    @cached_property
    def _are_codes(self) -> np.ndarray:
        return faults.find_sentinels(self.values[self.known], zero=self.kind in GAUGES)

    @cached_property
    def _are_spikes(self) -> np.ndarray:
        return faults.find_spikes(self.days[self.measured], self.values[self.measured])

    def since(self, start: int) -> Series:
        """Return what is left from a position on."""
        return replace(self, times=self.times[start:], values=self.values[start:])

    def finding(
        self, check: str, severity: str, *, rule: str, received: str, mend: str,
        value: float = np.nan, positions: np.ndarray | None = None, n: int | None = None,
        flagged: bool = True,
    ) -> Finding:  # fmt: skip
        """Return a finding about this series; its message has three beats."""
        places = np.empty(0, int) if positions is None else np.asarray(positions)
        nat = np.datetime64("NaT", "us")
        first, last = (self.times[places[[0, -1]]]) if places.size else (nat, nat)
        when = f" from {timeline.format_time(first)}" if places.size else ""
        return Finding(
            self.well, self.variable, check, severity, places.size if n is None else n,
            first, last, float(value),
            f"{rule} Received {received}{when} in {self.variable!r} of well {self.well!r}. {mend}",
            places if flagged else np.empty(0, int),
        )  # fmt: skip


def coded_findings(series: Series) -> Iterator[Finding]:
    """Yield the codes for missing values that were left among the numbers."""
    coded = series.coded
    if coded.size:
        yield series.finding(
            "sentinel", "error", positions=coded, value=series.values[coded[0]],
            rule="What was not measured must be missing, not a number.",
            received=f"{coded.size} values like {series.values[coded[0]]:g}",
            mend="Replace them by NaN when the file is read.",
        )  # fmt: skip


def flat_findings(series: Series) -> Iterator[Finding]:
    """Yield the stretches that stay at one value for too long."""
    steps = series.clean if series.kind == "level" else series.known
    flat = steps[faults.find_flat_lines(series.values[steps])]
    if not flat.size or np.ptp(series.values[steps]) == 0:
        return
    starts, lengths = faults.longest_runs(series.values[flat])
    yield series.finding(
        "flat_line", "warning", positions=flat, value=lengths[0],
        rule="A series should not stay at one value longer than it does elsewhere.",
        received=f"{flat.size} steps in {starts.size} stretches, the longest {lengths[0]} at "
        f"{series.values[flat[starts[0]]]:.6g},",
        mend="Look for a stuck or frozen logger, a dry well or a filled gap, and set these "
        "values to NaN.",
    )  # fmt: skip
