"""Covariates derived from covariates: season, snow, evapotranspiration, antecedent means.

Every function returns a new Dataset with covariates added; the others are unchanged. Each derived
value depends only on its own step and on earlier ones, so no information from after a split or an
issue time can leak through it.

Gaps in covariates are an error by default, and are filled only by the requested rules. A missing
level is masked and never filled. A missing covariate cannot be masked, because every later
prediction depends on it. Missing rain is not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.water_balance import (
    DEGREE_DAY_FACTOR,
    EvapotranspirationMethod,
    potential_evapotranspiration,
    snow_and_liquid_water,
)
from gwforecast.schema import SchemaError

__all__ = [
    "BY_KIND", "DEFAULT_FEATURES", "FEATURES", "RULES", "add_antecedent", "add_evapotranspiration",
    "add_season", "add_snow", "derive_features", "fill_covariates", "find_covariate",
    "gaps_in_covariates", "mean_temperature", "require_covariates",
]  # fmt: skip

DEFAULT_FEATURES = ("season", "snow")


def find_covariate(observations: xr.Dataset, kind: str) -> str | None:
    """Return the name of the first covariate of a kind, or None where there is none."""
    names = schema.covariate_names(observations)
    return next((n for n in names if schema.covariate_kind(n, observations[n].attrs) == kind), None)


def derive_features(
    observations: xr.Dataset, features: Iterable[str] = DEFAULT_FEATURES
) -> xr.Dataset:
    """Return the observations with derived covariates added.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    features : iterable of str
        Names from :data:`FEATURES`. ``"snow"`` is left out where there is no rain or temperature.

    Returns
    -------
    xarray.Dataset
        The observations with new variables (well, time): ``season_sin`` and ``season_cos``
        (dimensionless), ``snow_storage`` (mm), ``liquid_water`` (rain and melt, in the units of the
        rain), ``potential_evapotranspiration`` (mm a step), ``rain_0.25y`` and ``rain_1y`` (means
        of rain with a fading memory). NaN at steps at which a covariate that they need is missing.

    Raises
    ------
    ValueError
        If a feature is not known.
    """
    for feature in features:
        if feature not in FEATURES:
            raise ValueError(
                f"A derived feature must be one of {sorted(FEATURES)}. Received {feature!r}. "
                "Correct the name in the setting 'features'."
            )
        observations = FEATURES[feature](observations)
    return observations


def add_season(observations: xr.Dataset) -> xr.Dataset:
    """Add ``season_sin`` and ``season_cos``, the day of the year on a circle (dimensionless)."""
    waves = timeline.harmonics(observations[schema.TIME].values, 1)
    shape = observations[schema.LEVEL].shape
    sine, cosine = (np.broadcast_to(wave, shape).copy() for wave in waves.T)
    return observations.assign(
        season_sin=_covariate(sine, "1", "sine of the day of the year", "season"),
        season_cos=_covariate(cosine, "1", "cosine of the day of the year", "season"),
    )


def mean_temperature(observations: xr.Dataset) -> xr.DataArray | None:
    """Return the mean temperature, or that of minimum and maximum, (well, time), degC.

    Raises SchemaError if the median of its first year lies outside -60 to 60 degC.
    """
    name = find_covariate(observations, "temperature")
    low = find_covariate(observations, "temperature_min")
    high = find_covariate(observations, "temperature_max")
    if name is not None:
        temperature = observations[name]
    elif low is not None and high is not None:
        temperature = (0.5 * (observations[low] + observations[high])).rename(f"{low}, {high}")
    else:
        return None
    # the first year alone: what comes after a split must not decide what is done before it
    year = round(timeline.steps_per_year(timeline.infer_frequency(temperature["time"].values)))
    first = float(temperature.isel({schema.TIME: slice(0, year)}).median())
    if abs(first) > 60:
        raise SchemaError(
            f"Temperature must be in degC. Received {temperature.name!r} with a median of "
            f"{first:.1f} in its first year. Subtract 273.15 from kelvin, or divide tenths of a "
            "degree by 10."
        )
    return temperature


def add_snow(
    observations: xr.Dataset, *, degree_day_factor: float = DEGREE_DAY_FACTOR
) -> xr.Dataset:
    """Add ``snow_storage`` and ``liquid_water`` (rain and melt) by a degree-day model.

    Precipitation falls as snow below -1 degC and as rain above 1 degC, in between in proportion.
    The storage starts empty; it melts by ``degree_day_factor`` mm for each degC and day above 0.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time), with a covariate of kind rain (an amount for each step) and of kind
        temperature. Without them the observations are returned as they are.
    degree_day_factor : float
        mm/degC/d.

    References
    ----------
    Hock (2003), J. Hydrol. 282, doi:10.1016/S0022-1694(03)00257-9.
    """
    rain_name, temperature = find_covariate(observations, "rain"), mean_temperature(observations)
    if rain_name is None or temperature is None:
        return observations
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    days = timeline.days_per_step(frequency)
    storage, liquid = snow_and_liquid_water(
        observations[rain_name].values, temperature.values, days=days,
        degree_day_factor=degree_day_factor,
    )  # fmt: skip
    units = observations[rain_name].attrs.get("units", "mm")
    return observations.assign(
        snow_storage=_covariate(storage, "mm", "snow storage, degree-day model", "snow"),
        liquid_water=_covariate(liquid, units, "rain and melt water, degree-day model", "water"),
    )


def add_evapotranspiration(
    observations: xr.Dataset, *, method: EvapotranspirationMethod | None = None
) -> xr.Dataset:
    """Add ``potential_evapotranspiration`` from the covariates and static attributes there are.

    Raises SchemaError if a method is named and an input of it is missing.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    method : {"oudin", "hargreaves", "makkink", "penman_monteith"}, optional
        The method; see :func:`gwforecast.data.water_balance.potential_evapotranspiration`. By
        default ``"oudin"``; the observations are then returned as they are where they have a
        covariate of kind evapotranspiration already, or no temperature or latitude.
    """
    inputs = {
        kind: observations[name]
        for kind in ("temperature_min", "temperature_max", "radiation", "humidity", "wind")
        if (name := find_covariate(observations, kind)) is not None
    }
    inputs |= {n: observations[n] for n in ("latitude", "elevation") if n in observations}
    temperature = mean_temperature(observations)
    if temperature is not None:
        inputs["temperature"] = temperature
    if method is None:
        present = find_covariate(observations, "evapotranspiration") is not None
        if present or not {"temperature", "latitude"} <= set(inputs):
            return observations
    amount = potential_evapotranspiration(inputs, method=method or "oudin")
    return observations.assign(potential_evapotranspiration=amount)


def add_antecedent(observations: xr.Dataset, *, years: Iterable[float] = (0.25, 1.0)) -> xr.Dataset:
    """Add means of the rain with an exponentially fading memory, ``rain_<years>y``.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time). Without a covariate of kind rain it is returned as it is.
    """
    rain = find_covariate(observations, "rain")
    if rain is None:
        return observations
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    frame = pd.DataFrame(observations[rain].values.T)
    added = {}
    for span in years:
        constant = span * timeline.steps_per_year(frequency)
        mean = frame.ewm(alpha=1 - np.exp(-1 / constant), adjust=True).mean().where(frame.notna())
        added[f"rain_{span:g}y"] = _covariate(
            mean.to_numpy().T,
            str(observations[rain].attrs.get("units", "mm")),
            f"mean rain with a memory of {span:g} years",
            "antecedent",
        )
    return observations.assign(added)


def _covariate(values: np.ndarray, units: str, long_name: str, kind: str) -> xr.Variable:
    attrs = {"units": units, "long_name": long_name, "kind": kind}
    return xr.Variable((schema.WELL, schema.TIME), np.asarray(values, float), attrs)


FEATURES: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "season": add_season,
    "snow": add_snow,
    "evapotranspiration": add_evapotranspiration,
    "oudin": partial(add_evapotranspiration, method="oudin"),
    "hargreaves": partial(add_evapotranspiration, method="hargreaves"),
    "makkink": partial(add_evapotranspiration, method="makkink"),
    "penman_monteith": partial(add_evapotranspiration, method="penman_monteith"),
    "antecedent": add_antecedent,
}
"""Derived features by name."""

LONGEST_INTERPOLATED = 7  # steps
CLIMATOLOGY_WINDOW = 15  # days before and after a day of the year

RULES = ("interpolate", "climatology", "forward", "zero")
"""Filling rules, see :func:`fill_covariates`."""
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

    Returns
    -------
    xarray.Dataset
        The same observations. A covariate may start late or end early.

    Raises
    ------
    SchemaError
        If a value is missing inside a covariate's span, or all of them are: names the covariate,
        the well, the number of steps and the dates.
    """
    found = gaps_in_covariates(observations, names=names)
    if found:
        raise SchemaError(next(iter(found.values())))
    return observations


def gaps_in_covariates(
    observations: xr.Dataset, *, names: Iterable[str] | None = None
) -> dict[str, str]:
    """Return the wells with a gap in a covariate, and the message for each.

    Raises SchemaError if a covariate is not in the observations.
    """
    there = schema.covariate_names(observations)
    found: dict[str, str] = {}
    for name in there if names is None else list(names):
        if name not in there:
            raise SchemaError(
                f"Every requested covariate must be in the observations. Received "
                f"{name!r}; there are {there}. Correct the name, or add the series."
            )
        missing = _missing_inside(observations[name].transpose(schema.WELL, schema.TIME).values)
        for number in np.flatnonzero(missing.any(axis=1)):
            well = str(observations[schema.WELL].values[number])
            found.setdefault(well, _gap(name, well, missing[number], observations))
    return found


def _gap(name: str, well: str, missing: np.ndarray, observations: xr.Dataset) -> str:
    steps, times = np.flatnonzero(missing), observations[schema.TIME].values
    return (
        f"Covariates must have no gaps. {name!r} of well {well!r} is missing at {steps.size} of "
        f"{times.size} steps, from {timeline.format_time(times[steps[0]])} to "
        f"{timeline.format_time(times[steps[-1]])}. Give the values, leave the covariate out, "
        "or ask for a filling rule: fill_covariates(observations, rules='by_kind'), on the "
        "command line --fill by_kind."
    )


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
        If a rule is unknown, or ``"zero"`` is given for a kind.
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
        rows = zip(observations[name].values, missing, strict=True)
        values = np.stack([_fill(row, gaps, times, cuts, rule) for row, gaps in rows])
        filled[name] = observations[name].copy(data=values)
        flag = (missing & np.isfinite(values)).astype(np.int8)
        attrs = {"flag_values": [0, 1], "flag_meanings": "as_given filled", "rule": rule}
        filled[f"{name}_flag"] = xr.DataArray(flag, dims=(schema.WELL, schema.TIME), attrs=attrs)
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


def _fill(
    row: np.ndarray, gaps: np.ndarray, times: np.ndarray, cuts: np.ndarray, rule: str
) -> np.ndarray:
    """Return a series (time,) whose gaps are filled by a rule; cuts are not interpolated across."""
    values = row.copy()
    if not np.isfinite(row).any():
        return values
    edges = np.diff(np.concatenate([[False], gaps, [False]]).astype(np.int8))
    starts, stops = (np.flatnonzero(edges == sign).tolist() for sign in (1, -1))
    for start, stop in zip(starts, stops, strict=True):
        after = times[min(stop, times.size - 1)]
        crossed = bool(((cuts > times[max(start - 1, 0)]) & (cuts <= after)).any())
        short = stop - start <= LONGEST_INTERPOLATED and not crossed
        if rule == "zero":
            values[start:stop] = 0.0
        elif rule == "forward":
            values[start:stop] = row[start - 1]
        elif rule == "interpolate" and short:
            stamps = times.astype("datetime64[s]").astype(np.int64)
            ends = [start - 1, stop]
            values[start:stop] = np.interp(stamps[start:stop], stamps[ends], row[ends])
        else:
            values[start:stop] = _climatology(row, start, stop, times)
    return values


def _climatology(row: np.ndarray, start: int, stop: int, times: np.ndarray) -> np.ndarray:
    """Return the mean of the same days of the year before a gap, for each step of the gap."""
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
