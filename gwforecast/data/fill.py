"""Missing covariates: refused by default, filled only by rules that are asked for.

A missing level is masked and never filled. A missing covariate has no such way out, because every
later prediction depends on it; so it is an error that names it, and filling is a setting. Rain that
is missing is not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError

__all__ = ["BY_KIND", "RULES", "fill_covariates", "require_covariates"]

LONGEST_INTERPOLATED = 7  # steps
CLIMATOLOGY_WINDOW = 15  # days before and after a day of the year

BY_KIND: dict[str, str] = {
    "rain": "climatology",
    **dict.fromkeys(
        ("temperature", "temperature_min", "temperature_max", "humidity", "pressure", "wind",
         "radiation", "evapotranspiration", "stage", "season"),
        "interpolate",
    ),
}  # fmt: skip
"""Rule of each kind of covariate under ``rules="by_kind"``; kinds not named take climatology."""


def require_covariates(
    observations: xr.Dataset, *, names: Iterable[str] | None = None
) -> xr.Dataset:
    """Return the observations if no covariate has a gap between its first and its last value.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    names : iterable of str, optional
        Covariates; by default all.

    Raises
    ------
    SchemaError
        If a value is missing inside a covariate's span, or all of them are: names the covariate,
        the well, the number of steps and the dates. A covariate may start late or end early.
    """
    there = schema.covariate_names(observations)
    for name in there if names is None else list(names):
        if name not in there:
            raise SchemaError(
                f"Every covariate that is asked for must be in the observations. Received "
                f"{name!r}; there are {there}. Correct the name, or add the series."
            )
        missing = _missing_inside(observations[name].values)
        if not missing.any():
            continue
        well = int(np.flatnonzero(missing.any(axis=1))[0])
        steps = np.flatnonzero(missing[well])
        times = observations[schema.TIME].values
        raise SchemaError(
            f"Covariates must have no gaps. {name!r} of well "
            f"{str(observations[schema.WELL].values[well])!r} is missing at {steps.size} of "
            f"{times.size} steps, from {timeline.format_time(times[steps[0]])} to "
            f"{timeline.format_time(times[steps[-1]])}. Give the values, leave the covariate out, "
            "or ask for a filling rule: fill_covariates(observations, rules='by_kind'), on the "
            "command line --fill by_kind."
        )
    return observations


def _missing_inside(values: np.ndarray) -> np.ndarray:
    """Return which values are NaN between the first and the last finite one, or all of them."""
    known = np.isfinite(values)
    begun = np.logical_or.accumulate(known, axis=1)
    goes_on = np.logical_or.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    inside: np.ndarray = ~known & begun & goes_on
    inside[~known.any(axis=1)] = True
    return inside


def fill_covariates(
    observations: xr.Dataset,
    *,
    rules: Mapping[str, str] | str,
    boundaries: Iterable[object] = (),
) -> xr.Dataset:
    """Return the observations with gaps in covariates filled by the rules that are given.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    rules : mapping of str to str, or "by_kind"
        Rule by the name or the kind of a covariate, a name before a kind: ``"interpolate"``
        (linear in time, gaps of up to 7 steps, longer ones by climatology), ``"climatology"``
        (mean of the same days of the year, within 15 days, in the years before the gap; all that is
        before it where there is no such day), ``"forward"`` (the last value), ``"zero"``, only by
        name. ``"by_kind"`` is :data:`BY_KIND`, in which rain is never zero. A covariate without a
        rule is left as it is.
    boundaries : iterable of datetime-like
        Times that an interpolation may not cross, e.g. the starts of validation and test period:
        it would take a value from after the split. Gaps across them are filled by climatology.

    Returns
    -------
    xarray.Dataset
        With ``<name>_flag`` (well, time) for each covariate that had a gap: 0 as given, 1 filled.

    Raises
    ------
    ValueError
        If a rule is unknown, or ``"zero"`` is asked for by a kind.
    """
    chosen = dict(BY_KIND) if rules == "by_kind" else _checked_rules(observations, rules)
    cuts = timeline.to_times(list(boundaries))
    times = observations[schema.TIME].values
    filled = {}
    for name in schema.covariate_names(observations):
        kind = schema.covariate_kind(name, observations[name].attrs)
        default = "climatology" if rules == "by_kind" else None
        of_kind = chosen.get(kind, default)
        rule = chosen.get(name, of_kind if of_kind != "zero" else None)  # zero is by name only
        missing = _missing_inside(observations[name].values)
        if rule is None or not missing.any():
            continue
        values = np.stack(
            [
                _fill(row, gaps, times, cuts, RULES[rule])
                for row, gaps in zip(observations[name].values, missing, strict=True)
            ]
        )
        filled[name] = observations[name].copy(data=values)
        flag = (missing & np.isfinite(values)).astype(np.int8)
        filled[f"{name}_flag"] = xr.DataArray(
            flag,
            dims=(schema.WELL, schema.TIME),
            attrs={"flag_values": [0, 1], "flag_meanings": "as_given filled", "rule": rule},
        )
    return observations.assign(filled)


def _checked_rules(observations: xr.Dataset, rules: Mapping[str, str] | str) -> dict[str, str]:
    if not isinstance(rules, Mapping):
        raise ValueError(
            f"Filling rules must be 'by_kind', or a mapping from covariate or kind to one of "
            f"{sorted(RULES)}. Received {rules!r}. Write e.g. {{'rain': 'climatology'}}."
        )
    names = schema.covariate_names(observations)
    for name, rule in rules.items():
        if rule not in RULES:
            raise ValueError(
                f"A gap is filled by one of {sorted(RULES)}, or all by 'by_kind'. Received "
                f"{rule!r} for {name!r}. Correct the rule."
            )
        if name not in names and name not in schema.KINDS:
            raise ValueError(
                f"A filling rule is for a covariate ({names}) or a kind ({sorted(schema.KINDS)}). "
                f"Received {name!r}. Correct the name."
            )
        if rule == "zero" and name not in names:
            raise ValueError(
                f"Zero is a rule for a covariate by its name, because missing rain is not zero. "
                f"Received it for the kind {name!r}. Name the covariate."
            )
    return dict(rules)


Filler = Callable[[np.ndarray, int, int, np.ndarray, bool], np.ndarray]


def _fill(
    row: np.ndarray, gaps: np.ndarray, times: np.ndarray, cuts: np.ndarray, fill: Filler
) -> np.ndarray:
    values = row.copy()
    if not np.isfinite(row).any():
        return values
    edges = np.diff(np.concatenate([[False], gaps, [False]]).astype(np.int8))
    starts, stops = (np.flatnonzero(edges == sign).tolist() for sign in (1, -1))
    for start, stop in zip(starts, stops, strict=True):
        after = times[min(stop, times.size - 1)]
        crossed = bool(((cuts > times[max(start - 1, 0)]) & (cuts <= after)).any())
        values[start:stop] = fill(row, start, stop, times, crossed)
    return values


def _climatology(
    row: np.ndarray, start: int, stop: int, times: np.ndarray, crossed: bool
) -> np.ndarray:
    del crossed  # looks back only
    days = pd.DatetimeIndex(times[:stop]).day_of_year.to_numpy()
    before, known = days[:start], np.isfinite(row[:start])
    made = np.full(stop - start, np.nan)
    for step, day in enumerate(days[start:stop]):
        apart = np.abs(before - day)
        near = known & (np.minimum(apart, 366 - apart) <= CLIMATOLOGY_WINDOW)
        used = near if near.any() else known
        if used.any():
            made[step] = row[:start][used].mean()
    return made


def _interpolate(
    row: np.ndarray, start: int, stop: int, times: np.ndarray, crossed: bool
) -> np.ndarray:
    if crossed or stop - start > LONGEST_INTERPOLATED:
        return _climatology(row, start, stop, times, crossed)
    stamps = times.astype("datetime64[s]").astype(np.int64)
    ends = [start - 1, stop]
    return np.asarray(np.interp(stamps[start:stop], stamps[ends], row[ends]))


def _forward(
    row: np.ndarray, start: int, stop: int, times: np.ndarray, crossed: bool
) -> np.ndarray:
    del times, crossed
    return np.full(stop - start, row[start - 1])


def _zero(row: np.ndarray, start: int, stop: int, times: np.ndarray, crossed: bool) -> np.ndarray:
    del row, times, crossed
    return np.zeros(stop - start)


RULES: dict[str, Filler] = {
    "interpolate": _interpolate,
    "climatology": _climatology,
    "forward": _forward,
    "zero": _zero,
}
"""Filling rules by name."""
