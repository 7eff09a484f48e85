"""Checks of the covariates of one well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gwforecast.data import faults
from gwforecast.data.findings import Finding, Series, coded_findings, flat_findings

__all__ = ["coverage_findings", "covariate_findings"]

FLAT_KINDS = (
    "temperature", "temperature_min", "temperature_max", "humidity", "pressure", "wind", "stage",
)  # fmt: skip
NOT_NEGATIVE = ("rain", "humidity", "radiation", "wind", "snow", "pressure", "antecedent")


def covariate_findings(covariate: Series, *, step: float) -> Iterator[Finding]:
    """Yield what is doubtful in the values of one covariate.

    Parameters
    ----------
    covariate : Series
        The covariate.
    step : float
        Mean length of a step, d.
    """
    if not covariate.known.size:
        yield covariate.finding(
            "empty", "error", n=0,
            rule="A covariate must have values.", received="none",
            mend="Read the series again, or leave this covariate out.",
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
    """Yield where covariates of one well are missing; one finding for those that lack the same.

    Parameters
    ----------
    covariates : list of Series
        The covariates.
    span : slice
        Steps from the first to the last observed level.
    """
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
    # Gaps before the first and after the last level count: lookbacks and predictions need them.
    within = np.arange(known[0], known[-1] + 1)
    missing = within[np.isnan(covariate.values[within])]
    if missing.size:
        yield covariate.finding(
            "covariate_gaps", "warning", positions=missing, value=missing.size / within.size,
            rule="Covariates must be complete from their first to their last value.",
            flagged=False, received=f"{missing.size} missing values",
            mend="Fill them from a station nearby, or state how to fill this kind of covariate; "
            "missing rain is not zero.",
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
                mend="Extend the series; levels there can't be modelled.",
            )  # fmt: skip


def _shorter(covariate: Series, span: slice, latest: int) -> Iterator[Finding]:
    """Yield a note where a covariate reaches beyond the levels, but not as far as another does."""
    end = int(covariate.known[-1])
    if span.stop is not None and span.stop - 1 <= end < latest:
        yield covariate.finding(
            "covariate_ends_early", "note", positions=np.arange(end + 1, latest + 1),
            value=latest - end, flagged=False,
            rule="Levels are predicted as far as all covariates reach.",
            received=f"{latest - end} steps that others have after its last value",
            mend="Extend the series to predict further.",
        )  # fmt: skip


def _negative(covariate: Series) -> Iterator[Finding]:
    below = covariate.measured[covariate.values[covariate.measured] < 0]
    if below.size and covariate.kind in NOT_NEGATIVE:
        yield covariate.finding(
            "negative", "error", positions=below, value=covariate.values[below].min(),
            rule=f"Values of {covariate.kind} can't be negative.",
            received=f"{below.size} down to {covariate.values[below].min():g}",
            mend="Correct the sign, or set codes for missing values to NaN.",
        )  # fmt: skip


def _covariate_size(covariate: Series, step: float) -> Iterator[Finding]:
    values = covariate.values[covariate.measured]
    if not values.size:
        return
    mean, high = float(values.mean()), float(values.max())
    doubt = _unit_doubt(covariate.kind, mean, high, step)
    if doubt:
        yield covariate.finding(
            "unit", "warning", value=mean, n=values.size, rule=doubt[0],
            received=f"a mean of {mean:.4g} and a maximum of {high:.4g}", mend=doubt[1],
        )  # fmt: skip
    if covariate.kind == "humidity" and high > 1.5:
        over = covariate.known[covariate.values[covariate.known] > 101]
        if over.size:
            yield covariate.finding(
                "range", "error", positions=over, value=covariate.values[over].max(),
                rule="Relative humidity lies from 0 to 100 %.",
                received=f"{over.size} values up to {covariate.values[over].max():g}",
                mend="Set them to 100 or NaN.",
            )  # fmt: skip


def _unit_doubt(kind: str, mean: float, high: float, step: float) -> tuple[str, str] | None:
    """Return rule and mend where mean and maximum speak for another unit."""
    if kind in ("rain", "evapotranspiration"):
        rule = f"Daily {kind} is mostly 0.05 to 15 mm on average, at most 1000 mm."
        if mean / step < 0.05:
            return rule, "Convert metres by 1000, or kg m-2 s-1 by 86400 s/d."
        if mean / step > 15 or high > 1000 * max(step / 7, 1):
            return rule, "Divide tenths of a mm by 10; give amounts for each step, not sums."
    if kind.startswith("temperature"):
        rule = "Temperature is in degC, its mean below 40 and its maximum below 60."
        if mean > 150 and high < 340:
            return rule, "Subtract 273.15 from kelvin."
        if high > 100:
            return rule, "Divide tenths of a degree by 10."
        if mean > 40 or high > 60:
            return rule, "Convert degrees Fahrenheit to degC."
    if kind == "humidity" and 0 < high <= 1.5:
        return "Relative humidity is in %.", "Multiply a fraction by 100."
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
            rule="A dry spell is seldom three times as long as the next longest.",
            received=f"{dry.size} steps of zero",
            mend="Check that missing rain was not written as zero, and set it to NaN.",
        )  # fmt: skip
    same = [
        known[s : s + n]
        for s, n in zip(*faults.longest_runs(rain.values[known]), strict=True)
        if n >= 5 and rain.values[known[s]] > 0
    ]
    if same:
        yield rain.finding(
            "flat_line", "warning", positions=same[0], value=same[0].size,
            rule="Rain seldom falls in the same amount on five days.",
            received=f"{same[0].size} steps of {rain.values[same[0][0]]:g}",
            mend="Look for sums spread over days or a stuck gauge.",
        )  # fmt: skip
