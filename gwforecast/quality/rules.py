"""Checks of the level and the covariates of one well, and the findings they report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from gwforecast import timeline
from gwforecast.quality import faults

__all__ = [
    "Finding", "Series", "coded_findings", "covariate_findings", "coverage_findings",
    "flat_findings", "level_findings", "shift_findings",
]  # fmt: skip

Found = TypeVar("Found")
GAUGES = ("level", "pressure", "stage")  # kinds whose values are not 0 in practice


@dataclass(frozen=True, eq=False)
class Finding:
    """A finding about one series."""

    well: str
    variable: str
    check: str  # the check that found it
    severity: str  # ``"ok"``, ``"note"``, ``"warning"`` or ``"error"``
    n: int  # number of values, or of gaps, concerned
    first: np.datetime64  # first and last time concerned; NaT for the whole series
    last: np.datetime64
    value: float  # value of the statistic that was compared with a limit
    message: str  # the rule, what was received, and how to fix it
    positions: np.ndarray = field(default_factory=lambda: np.empty(0, int))  # steps to flag


@dataclass(frozen=True, eq=False)
class Series:
    """One variable of one well: values (time,) on the axis of the observations."""

    well: str
    variable: str
    kind: str  # ``kind`` is ``"level"`` or the kind of a covariate
    times: np.ndarray  # shape (time,), ``datetime64[us]``
    values: np.ndarray  # shape (time,), NaN where missing
    # what was computed from the times alone, and from times and values: shared by all series with
    # the same ones, as of wells with one weather station
    _of_times: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)
    _of_values: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: Any, compute: Callable[[], Found]) -> Found:
        """Return what is computed once for all series with these times and values."""
        if key not in self._of_values:
            self._of_values[key] = compute()
        found: Found = self._of_values[key]
        return found

    def once_for_times(self, key: Any, compute: Callable[[], Found]) -> Found:
        """Return what is computed once for all series with these times."""
        if key not in self._of_times:
            self._of_times[key] = compute()
        found: Found = self._of_times[key]
        return found

    def findings(self, key: Any, find: Callable[[], Iterable[Finding]]) -> list[Finding]:
        """Return findings; none at once where a series with the same values had none."""
        if self._of_values.get(("none", key)):
            return []
        found = list(find())
        self._of_values["none", key] = not found
        return found

    def of_well(self, well: str) -> Series:
        """Return the same times and values as the series of another well."""
        other = self.with_values(self.values, well=well)
        object.__setattr__(other, "_of_values", self._of_values)
        return other

    def with_values(
        self,
        values: np.ndarray,
        *,
        well: str | None = None,
        variable: str | None = None,
        kind: str | None = None,
    ) -> Series:
        """Return another series at the same times."""
        other = Series(
            self.well if well is None else well,
            variable or self.variable, kind or self.kind, self.times, values,
        )  # fmt: skip
        object.__setattr__(other, "_of_times", self._of_times)
        return other

    def since(self, start: int) -> Series:
        """Return the series from a position onwards."""

        def axis() -> Series:
            return replace(self, times=self.times[start:], values=np.empty(0))

        def cut() -> Series:
            values = self.values[start:]
            return self.once_for_times(("since", start), axis).with_values(
                values, variable=self.variable, kind=self.kind
            )

        return self.once(("since", start), cut).of_well(self.well)

    @property
    def days(self) -> np.ndarray:
        """Times in days, (time,)."""
        return self.once_for_times(
            "days", lambda: self.times.astype("datetime64[s]").astype(float) / 86400.0
        )

    @property
    def known(self) -> np.ndarray:
        """Positions of values that are not missing."""
        return self.once("known", lambda: np.flatnonzero(np.isfinite(self.values)))

    @property
    def coded(self) -> np.ndarray:
        """Positions of codes for missing values."""
        return np.asarray(self.known[self._are_codes])

    @property
    def measured(self) -> np.ndarray:
        """Positions of measured values."""
        return self.once("measured", lambda: self.known[~self._are_codes])

    @property
    def spikes(self) -> np.ndarray:
        """Positions of spikes among the measured values."""
        return np.asarray(self.measured[self._are_spikes])

    @property
    def clean(self) -> np.ndarray:
        """Positions of measured values that are not spikes."""
        return self.once("clean", lambda: self.measured[~self._are_spikes])

    @property
    def _are_codes(self) -> np.ndarray:
        zero = self.kind in GAUGES
        return self.once(
            ("codes", zero), lambda: faults.find_sentinels(self.values[self.known], zero=zero)
        )

    @property
    def _are_spikes(self) -> np.ndarray:
        return self.once(
            "spikes",
            lambda: faults.find_spikes(self.days[self.measured], self.values[self.measured]),
        )

    def finding(
        self, check: str, severity: str, *, rule: str, received: str, fix: str,
        value: float = np.nan, positions: np.ndarray | None = None, n: int | None = None,
        flagged: bool = True,
    ) -> Finding:  # fmt: skip
        """Return a finding about this series; its message states rule, data and fix."""
        places = np.empty(0, int) if positions is None else np.asarray(positions)
        nat = np.datetime64("NaT", "us")
        first, last = (self.times[places[[0, -1]]]) if places.size else (nat, nat)
        when = f" from {timeline.format_time(first)}" if places.size else ""
        return Finding(
            self.well, self.variable, check, severity, places.size if n is None else n,
            first, last, float(value),
            f"{rule} Received {received}{when} in {self.variable!r} of well {self.well!r}. {fix}",
            places if flagged else np.empty(0, int),
        )  # fmt: skip


def coded_findings(series: Series) -> Iterator[Finding]:
    """Yield findings of codes for missing values among the data."""
    coded = series.coded
    if coded.size:
        yield series.finding(
            "sentinel", "error", positions=coded, value=series.values[coded[0]],
            rule="A value that was not measured must be missing, not a number.",
            received=f"{coded.size} values like {series.values[coded[0]]:g}",
            fix="Replace them with NaN when the file is read.",
        )  # fmt: skip


def flat_findings(series: Series) -> Iterator[Finding]:
    """Yield findings of periods with an unusually long constant value."""
    steps = series.clean if series.kind == "level" else series.known
    flat = steps[faults.find_flat_lines(series.values[steps])]
    if not flat.size or np.ptp(series.values[steps]) == 0:
        return
    starts, lengths = faults.longest_runs(series.values[flat])
    yield series.finding(
        "flat_line", "warning", positions=flat, value=lengths[0],
        rule="A series should not stay constant longer than it does elsewhere.",
        received=f"{flat.size} steps in {starts.size} periods, the longest {lengths[0]} at "
        f"{series.values[flat[starts[0]]]:.6g},",
        fix="Check for a stuck or frozen logger, a dry well or a filled gap, and set these "
        "values to NaN.",
    )  # fmt: skip


MIN_LEVELS = 100
MIN_YEARS = 3.0
LONG_GAP = 365.0  # d
HIGHEST, LOWEST, WIDEST = 9000.0, -1000.0, 100.0  # m: limits of land, largest usual range


def level_findings(level: Series, *, now: np.datetime64 | None = None) -> Iterator[Finding]:
    """Yield findings about a level, except for shifts."""
    yield from _amount(level)
    if not level.known.size:
        return
    if now is not None and (level.times[level.known] > now).any():
        ahead = level.known[level.times[level.known] > now]
        yield level.finding(
            "future", "error", positions=ahead, value=level.values[ahead[0]],
            rule="A level can't be observed in the future.",
            received=f"{ahead.size} later values",
            fix="Check the order of day and month, and the clock of the logger.",
        )  # fmt: skip
    yield from _gaps(level)
    yield from coded_findings(level)
    yield from _level_size(level)
    yield from _spikes(level)
    yield from flat_findings(level)


def shift_findings(level: Series, explain: Callable[[], np.ndarray]) -> Iterator[Finding]:
    """Yield findings of changes of unit and of shifts in a level.

    ``explain`` returns variables that explain a level without faults, (time, k), finite.
    """
    steps = level.clean
    days, values = level.days[steps], level.values[steps]
    changes = faults.find_unit_changes(days, values)
    for change, name in changes:
        place = steps[[change.position]]
        yield level.finding(
            "unit_change", "error", positions=place, value=change.size,
            rule="A series must keep its unit and sign throughout.",
            received=f"a step of {change.size:.6g} m, as from {name},",
            fix="Convert one of the two parts; the check can't tell which one is correct.",
        )  # fmt: skip
    if changes:
        return
    for shift in faults.find_shifts(days, values, lambda: explain()[steps]):
        yield level.finding(
            "shift", "warning", positions=steps[[shift.position]], value=shift.size,
            rule="A level should not shift permanently without a cause in weather or pumping.",
            received=f"a lasting step of {shift.size:+.3g} m",
            fix="Check for a new logger, datum or cable length and correct one part; if the shift "
            "is real, add its cause as a covariate.",
        )  # fmt: skip


def _amount(level: Series) -> Iterator[Finding]:
    count = level.known.size
    years = float(np.ptp(level.days[level.known])) / 365.25 if count else 0.0
    if count == 0:
        yield level.finding(
            "few_levels", "error", n=0, value=0,
            rule="A well needs levels to be modelled.", received="none",
            fix="Read the well's file again, or leave the well out.",
        )  # fmt: skip
    elif count < MIN_LEVELS or years < MIN_YEARS:
        yield level.finding(
            "few_levels", "warning", n=count, value=count,
            rule=f"A model of one well needs about {MIN_LEVELS} levels over {MIN_YEARS:g} years.",
            received=f"{count} over {years:.1f} years",
            fix="Add older records, or fit one model to several wells.",
        )  # fmt: skip
    if count > 1 and np.ptp(level.values[level.known]) == 0:
        yield level.finding(
            "constant", "error", positions=level.known, value=level.values[level.known[0]],
            rule="A level must vary to be modelled.",
            received=f"one value, {level.values[level.known[0]]:g}, {count} times",
            fix="Check that the column holds levels, and not the elevation of the well: it is "
            "predicted as constant, with a band of 0.01 m on each side.",
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
        rule="Gaps in the levels remain gaps and are used neither for training nor for scores.",
        received=f"{int(wide.sum())} gap{'s' * (int(wide.sum()) > 1)}, {100 * share:.1f} % of the "
        f"record, the longest {longest:.0f} days,",
        fix="Add the missing records if they exist.",
    )  # fmt: skip


def _level_size(level: Series) -> Iterator[Finding]:
    steps = level.clean
    if not steps.size:
        return
    values = level.values[steps]
    low, high = faults.quantile(values, 0.01), faults.quantile(values, 0.99)
    outside = steps[(values > HIGHEST) | (values < LOWEST)]
    if outside.size or high - low > WIDEST:
        yield level.finding(
            "unit", "warning", positions=outside, value=high - low, n=outside.size or steps.size,
            rule=f"Levels lie between {LOWEST:g} and {HIGHEST:g} m, and rarely vary by more than "
            f"{WIDEST:g} m.",
            received=f"{values.min():g} to {values.max():g}",
            fix="Check whether the unit is cm, mm or feet, and convert to m.",
        )  # fmt: skip


def _spikes(level: Series) -> Iterator[Finding]:
    spikes = level.spikes
    if spikes.size:
        yield level.finding(
            "spikes", "warning", positions=spikes, value=level.values[spikes[0]],
            rule="A level should not jump and return within a few steps.",
            received=f"{spikes.size} such values, the first {level.values[spikes[0]]:.6g} m,",
            fix="Compare them with the field notes and set errors to NaN; pumping tests and "
            "sampling cause real ones.",
        )  # fmt: skip


FLAT_KINDS = (
    "temperature", "temperature_min", "temperature_max", "humidity", "pressure", "wind", "stage",
)  # fmt: skip
TRACE = 0.2  # mm; equal amounts up to this are common
NOT_NEGATIVE = ("rain", "humidity", "radiation", "wind", "snow", "pressure", "antecedent")


def covariate_findings(covariate: Series, *, step: float) -> Iterator[Finding]:
    """Yield findings about the values of one covariate."""
    if not covariate.known.size:
        yield covariate.finding(
            "empty", "error", n=0,
            rule="A covariate must have values.", received="none",
            fix="Read the series again, or leave this covariate out.",
        )  # fmt: skip
        return
    yield from coded_findings(covariate)
    yield from _negative(covariate)
    yield from _covariate_size(covariate, step)
    if covariate.kind == "rain":
        yield from _dry(covariate, step)
    elif covariate.kind in FLAT_KINDS:
        yield from flat_findings(covariate)


def coverage_findings(covariates: list[Series], span: slice) -> Iterator[Finding]:
    """Yield findings of missing covariates; one for all that lack the same values."""
    alike: dict[bytes, list[Series]] = {}
    for covariate in covariates:
        if covariate.known.size:
            alike.setdefault(np.isnan(covariate.values).tobytes(), []).append(covariate)
    latest = max((group[0].known[-1] for group in alike.values()), default=0)
    for group in alike.values():
        names = ", ".join(covariate.variable for covariate in group)
        yield from _coverage(replace(group[0], variable=names), span)
        yield from _shorter(replace(group[0], variable=names), span, int(latest))


def _coverage(covariate: Series, span: slice) -> Iterator[Finding]:
    known = covariate.known
    inside = np.arange(len(covariate.values))[span]
    # Gaps before the first and after the last level count: lookbacks and predictions use them.
    within = np.arange(known[0], known[-1] + 1)
    missing = within[np.isnan(covariate.values[within])]
    if missing.size:
        fix = (
            "Fill them from a nearby station, or choose how to fill this kind of covariate; "
            "missing rain is not zero."
        )
        if (
            covariate.kind == "rain"
            and missing.size > 0.2 * within.size
            and bool((covariate.values[known] > 0).all())
        ):
            fix = (
                "None of its values is 0: where an empty cell means a step without rain, use "
                f"--fill {covariate.variable}=zero (fill)."
            )
        yield covariate.finding(
            "covariate_gaps", "warning", positions=missing, value=missing.size / within.size,
            rule="Covariates must be complete between their first and last value.",
            flagged=False, received=f"{missing.size} missing values", fix=fix,
        )  # fmt: skip
    for check, late, word in (
        ("covariate_ends_early", inside[inside > known[-1]], "after its last value"),
        ("covariate_starts_late", inside[inside < known[0]], "before its first value"),
    ):
        if late.size:
            yield covariate.finding(
                check, "warning", positions=late, value=late.size, flagged=False,
                rule="Covariates must cover the levels.",
                received=f"{late.size} steps with levels {word}",
                fix="Extend the series; levels in that period can't be modelled.",
            )  # fmt: skip


def _shorter(covariate: Series, span: slice, latest: int) -> Iterator[Finding]:
    """Yield a note where a covariate ends after the levels, but before other covariates."""
    end = int(covariate.known[-1])
    if span.stop is not None and span.stop - 1 <= end < latest:
        yield covariate.finding(
            "covariate_ends_early", "note", positions=np.arange(end + 1, latest + 1),
            value=latest - end, flagged=False,
            rule="Levels are predicted up to the end of the shortest covariate.",
            received=f"{latest - end} steps of other covariates after its last value",
            fix="Extend the series to predict further.",
        )  # fmt: skip


def _negative(covariate: Series) -> Iterator[Finding]:
    below = covariate.measured[covariate.values[covariate.measured] < 0]
    if below.size and covariate.kind in NOT_NEGATIVE:
        yield covariate.finding(
            "negative", "error", positions=below, value=covariate.values[below].min(),
            rule=f"Values of {covariate.kind} can't be negative.",
            received=f"{below.size} values down to {covariate.values[below].min():g}",
            fix="Correct the sign, or set codes for missing values to NaN.",
        )  # fmt: skip


def _covariate_size(covariate: Series, step: float) -> Iterator[Finding]:
    values = covariate.values[covariate.measured]
    if not values.size:
        return
    mean, high = float(values.mean()), float(values.max())
    other_unit = _suspected_unit(covariate.kind, mean, high, step)
    if other_unit:
        rule, fix = other_unit
        yield covariate.finding(
            "unit", "warning", value=mean, n=values.size, rule=rule,
            received=f"a mean of {mean:.4g} and a maximum of {high:.4g}", fix=fix,
        )  # fmt: skip
    if covariate.kind == "humidity" and high > 1.5:
        over = covariate.known[covariate.values[covariate.known] > 101]
        if over.size:
            yield covariate.finding(
                "range", "error", positions=over, value=covariate.values[over].max(),
                rule="Relative humidity lies between 0 and 100 %.",
                received=f"{over.size} values up to {covariate.values[over].max():g}",
                fix="Set them to 100 or to NaN.",
            )  # fmt: skip


def _suspected_unit(kind: str, mean: float, high: float, step: float) -> tuple[str, str] | None:
    """Return rule and fix if mean and maximum suggest another unit."""
    if kind in ("rain", "evapotranspiration"):
        rule = f"Daily {kind} is usually 0.05 to 15 mm on average, and at most 1000 mm."
        if mean / step < 0.05:
            return rule, "Multiply metres by 1000, or kg m-2 s-1 by 86400 s/d."
        if mean / step > 15 or high > 1000 * max(step / 7, 1):
            return (
                rule,
                "Divide tenths of a mm by 10; provide amounts for each step, not cumulative sums.",
            )
    if kind.startswith("temperature"):
        rule = "Temperature must be in degC, with a mean below 40 and a maximum below 60."
        if mean > 150 and high < 340:
            return rule, "Subtract 273.15 from kelvin."
        if high > 100:
            return rule, "Divide tenths of a degree by 10."
        if mean > 40 or high > 60:
            return rule, "Convert degrees Fahrenheit to degC."
    if kind == "humidity" and 0 < high <= 1.5:
        return "Relative humidity must be in %.", "Multiply a fraction by 100."
    return None


def _dry(rain: Series, step: float) -> Iterator[Finding]:
    known = rain.known
    starts, lengths = faults.longest_runs(rain.values[known])
    zero = rain.values[known[starts]] == 0
    starts, lengths = starts[zero], lengths[zero]
    if lengths.size > 1 and lengths[0] > 3 * lengths[1] and lengths[0] * step > 60:
        dry = known[starts[0] : starts[0] + lengths[0]]
        yield rain.finding(
            "flat_line", "warning", positions=dry, value=dry.size,
            rule="A dry spell is rarely three times as long as the next longest.",
            received=f"{dry.size} steps without rain",
            fix="Check whether missing rain was recorded as zero, and set it to NaN.",
        )  # fmt: skip
    same = [
        known[s : s + n]
        for s, n in zip(*faults.longest_runs(rain.values[known]), strict=True)
        if n >= 5 and rain.values[known[s]] > TRACE
    ]
    if same:
        yield rain.finding(
            "flat_line", "warning", positions=same[0], value=same[0].size,
            rule="Equal amounts of rain in five consecutive steps are rare.",
            received=f"{same[0].size} steps of {rain.values[same[0][0]]:g}",
            fix="Check for totals distributed over several days, or a stuck gauge.",
        )  # fmt: skip
