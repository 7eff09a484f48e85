"""What a run needs before anything is fitted: weather, possible levels and possible settings.

One rule holds for all models: a gap in a covariate that a model uses is an error that names the
covariate, the well and the dates, unless the user has chosen how to fill it. A well that cannot be
used is left out with its reason, and where no well remains the run is refused.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.covariates import gaps_in_covariates
from gwforecast.forcings.base import check_present
from gwforecast.models.base import Forecaster
from gwforecast.models.state import LONGEST_HORIZON
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import PERIODS, Period, Split

__all__ = [
    "HIGHEST_LEVEL", "check_horizon", "check_lookbacks", "check_memory", "impossible_levels",
    "memory", "missing_weather", "require_inputs", "require_weather", "require_weather_at",
    "usable_wells", "used_covariates", "warn_of_short_weather", "with_weather_to_the_end",
]  # fmt: skip

HIGHEST_LEVEL = 20_000.0
"""Greatest distance of a groundwater level from its datum, m."""
_DIMS = (schema.WELL, schema.TIME)
_STEPS = ("lookback", "lookbacks", "targets")
_COPIES = 3  # of the forecasts of all models that are in memory at once


def require_inputs(
    forecasters: Mapping[str, Forecaster],
    observations: xr.Dataset,
    split: Split | None = None,
    *,
    simulates: bool = False,
    without_weather: bool = False,
    stacklevel: int = 4,
) -> tuple[xr.Dataset, dict[str, str]]:
    """Check all that a run needs; return the wells that can be used, and why the others cannot.

    The observations contain only what the run may see. ``simulates`` says that levels are
    simulated, ``without_weather`` that a run without weather is requested.

    Raises SchemaError if a model needs weather and there is none, or no well can be used, and
    ValueError if a lookback is longer than the record.
    """
    require_weather(forecasters, observations, simulates=simulates, without_weather=without_weather)
    check_lookbacks(forecasters, observations)
    models = list(forecasters.values())
    used, excluded = usable_wells(models, observations, split, stacklevel=stacklevel)
    if simulates and split is not None:
        warn_of_short_weather(models, used, split, stacklevel=stacklevel)
    return used, excluded


def used_covariates(forecasters: Iterable[Forecaster], observations: xr.Dataset) -> list[str]:
    """Return the covariates that any of some forecasters would be fitted on, in their order."""
    used: set[str] = set()
    for forecaster in forecasters:
        try:
            used |= set(forecaster.covariates_to_fit(observations))
        except SchemaError:  # reported as the failure of this forecaster
            continue
    return [name for name in schema.covariate_names(observations) if name in used]


def require_weather(
    forecasters: Mapping[str, Forecaster],
    observations: xr.Dataset,
    *,
    simulates: bool,
    without_weather: bool,
) -> None:
    """Refuse forecasters that need the weather if there is none, unless this is requested.

    Forecasters of recent levels need it as well where levels are simulated. A SchemaError is raised
    if there is no covariate but the season, and a forecaster needs one.
    """
    names = schema.covariate_names(observations)
    kinds = {schema.covariate_kind(name, observations[name].attrs) for name in names}
    if without_weather or kinds - {"season"}:
        return
    needs = ("always", "simulation") if simulates else ("always",)
    refused = [name for name, one in forecasters.items() if one.needs_weather in needs]
    if not refused:
        return
    raise SchemaError(
        f"Models that derive levels from the weather need at least one covariate. Received none, "
        f"with the models {', '.join(refused)}: they would repeat the season. Add the weather "
        "(--covariates weather.csv), choose other models, or request it: --without-weather, in "
        "Python without_weather=True."
    )


def usable_wells(
    forecasters: Iterable[Forecaster],
    observations: xr.Dataset,
    split: Split | None = None,
    *,
    stacklevel: int = 3,
) -> tuple[xr.Dataset, dict[str, str]]:
    """Return the wells that can be used, and why the others cannot; warn of these.

    Each period of a split needs levels with all covariates. A SchemaError with the reason of the
    first well is raised if no well can be used.
    """
    reasons = impossible_levels(observations)
    reasons |= missing_weather(forecasters, observations, split)
    wells = schema.well_names(observations)
    if not reasons:
        return observations, {}
    first = next(well for well in wells if well in reasons)
    if len(reasons) == len(wells):
        raise SchemaError(reasons[first])
    warnings.warn(
        f"{len(reasons)} of {len(wells)} wells cannot be used and are left out, the first for this "
        f"reason: {reasons[first]}",
        stacklevel=stacklevel,
    )
    return observations.drop_sel({schema.WELL: list(reasons)}), reasons


def impossible_levels(observations: xr.Dataset) -> dict[str, str]:
    """Return the wells with a level that no aquifer has, and the message for each."""
    level = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME)
    beyond = np.abs(level.values) > HIGHEST_LEVEL
    found = {}
    for row in np.flatnonzero(beyond.any(axis=1)):
        well, at = str(level[schema.WELL].values[row]), int(beyond[row].argmax())
        when = timeline.format_time(level[schema.TIME].values[at])
        found[well] = (
            f"A groundwater level must lie within {HIGHEST_LEVEL:g} m of its datum. Received "
            f"{level.values[row, at]:g} m at well {well!r} on {when}, and {beyond[row].sum() - 1} "
            "others. Correct the values, state their unit, or name the number that stands for a "
            "missing level in the setting 'missing_values'."
        )
    return found


def missing_weather(
    forecasters: Iterable[Forecaster], observations: xr.Dataset, split: Split | None = None
) -> dict[str, str]:
    """Return the wells whose weather has a gap or misses a period, and the message for each.

    Only covariates that the forecasters use are checked.
    """
    names = used_covariates(forecasters, observations)
    found = gaps_in_covariates(observations, names=names)
    if split is None or not names:
        return found
    for well, period, _, lacking in _without_covariates(observations, split, names):
        if lacking.all():
            found.setdefault(well, _misses(observations, split, names, well, period))
    return found


def _complete(observations: xr.Dataset, names: list[str]) -> np.ndarray:
    """Return where all covariates are known, shape (well, time)."""
    known = [observations[name].notnull().transpose(*_DIMS).values for name in names]
    return np.asarray(np.logical_and.reduce(known))


def _without_covariates(
    observations: xr.Dataset, split: Split, names: list[str]
) -> Iterator[tuple[str, Period, np.ndarray, np.ndarray]]:
    """Yield well, period, its levels (as positions in time), and which of them lack a covariate."""
    dims, complete = _DIMS, _complete(observations, names)
    level = observations[schema.LEVEL].notnull().transpose(*dims).values
    for period in PERIODS:
        rows = split.rows(observations, period).transpose(*dims).values & level
        for number, well in enumerate(observations[schema.WELL].values):
            positions = np.flatnonzero(rows[number])
            if positions.size:
                yield str(well), period, positions, ~complete[number, positions]


def _misses(
    observations: xr.Dataset, split: Split, names: list[str], well: str, period: Period
) -> str:
    of_well = observations.sel({schema.WELL: well})
    times = observations[schema.TIME].values
    start, end = (
        timeline.format_time(bound(period).sel({schema.WELL: [well]}).values[0])
        for bound in (split.start, split.end)
    )
    spans: dict[str, list[str]] = {}
    for name in names:
        known = np.flatnonzero(of_well[name].notnull().values)
        first, last = (timeline.format_time(times[known[at]]) for at in (0, -1))
        spans.setdefault(f"is known from {first} to {last}", []).append(repr(name))
    said = " and ".join(f"{', '.join(alike)} {span}" for span, alike in spans.items())
    return (
        f"The weather must cover levels of each period. Received well {well!r}, where {said}, but "
        f"the {period} period is {start} to {end}. Add the weather, choose other periods "
        "(--test-start), or leave the covariate out."
    )


def warn_of_short_weather(
    forecasters: Iterable[Forecaster],
    observations: xr.Dataset,
    split: Split,
    *,
    stacklevel: int = 3,
) -> None:
    """Warn of levels of the test period that are not scored, as the weather does not cover them."""
    names = used_covariates(forecasters, observations)
    if not names:
        return
    lost = [
        (well, positions, lacking)
        for well, period, positions, lacking in _without_covariates(observations, split, names)
        if period == "test" and lacking.any()
    ]
    if not lost:
        return
    well, positions, lacking = lost[0]
    when = timeline.format_time(observations[schema.TIME].values[positions[lacking][0]])
    more = f" {len(lost) - 1} more wells are affected." if len(lost) > 1 else ""
    warnings.warn(
        f"The weather must cover the levels that are scored. Received well {well!r} with "
        f"{lacking.sum()} of {positions.size} levels of the test period without all of "
        f"{', '.join(names)}, the first on {when}; these levels are not scored.{more} Add the "
        "weather.",
        stacklevel=stacklevel,
    )


def with_weather_to_the_end(
    forecasters: Iterable[Forecaster], observations: xr.Dataset, *, stacklevel: int = 3
) -> xr.Dataset:
    """Return the observations without the levels after the last weather of their well; warn."""
    names = used_covariates(forecasters, observations)
    if not names:
        return observations
    dims, complete = _DIMS, _complete(observations, names)
    covered = np.logical_or.accumulate(complete[:, ::-1], axis=1)[:, ::-1]
    level = observations[schema.LEVEL].transpose(*dims)
    late = level.notnull().values & ~covered
    affected = np.flatnonzero(late.any(axis=1) & covered.any(axis=1))
    if not affected.size:
        return observations
    times, first = observations[schema.TIME].values, int(affected[0])
    ends = timeline.format_time(times[np.flatnonzero(covered[first])[-1]])
    more = f" The same holds for {affected.size - 1} more wells." if affected.size > 1 else ""
    warnings.warn(
        "Models are trained on the steps that have both level and weather. Received well "
        f"{str(level[schema.WELL].values[first])!r}, whose levels end on "
        f"{timeline.format_time(times[np.flatnonzero(late[first])[-1]])} and whose weather "
        f"({', '.join(names)}) ends on {ends}: it is trained through {ends}.{more} Update the "
        "weather, or state the last step with the option --through.",
        stacklevel=stacklevel,
    )
    kept = xr.DataArray(covered, dims=dims)
    return observations.assign({schema.LEVEL: level.where(kept)})


def require_weather_at(
    forecasters: Iterable[Forecaster], observations: xr.Dataset, issue_time: np.datetime64
) -> None:
    """Refuse an issue time after the end of the weather, before anything is fitted."""
    known = observations.sel({schema.TIME: slice(None, issue_time)})
    check_present(known, used_covariates(forecasters, known))


def check_lookbacks(forecasters: Mapping[str, Forecaster], observations: xr.Dataset) -> None:
    """Refuse lookbacks and target steps, where they are set, that are longer than the record."""
    steps = observations.sizes[schema.TIME]
    for name, forecaster in forecasters.items():
        one = getattr(forecaster, "forecaster", forecaster)  # of wells left out in turn
        for field in fields(one) if is_dataclass(one) else ():
            value = getattr(one, field.name) if field.name in _STEPS else None
            if value is None or value == field.default:
                continue
            longest = max(value) if isinstance(value, tuple | list) else value
            if longest > steps:
                raise ValueError(
                    f"The setting {field.name!r} of {name!r} must not be longer than the record. "
                    f"Received {longest} steps, where the record has {steps}. Give a smaller "
                    "number."
                )


def check_horizon(horizon: int, *, available: int | None = None, what: str = "") -> None:
    """Refuse a horizon below 1, above 10,000 steps, or above those available in ``what``."""
    if not isinstance(horizon, int | np.integer):
        raise TypeError(
            f"The horizon of a forecast is a number of steps. Received {horizon!r}. Give for "
            "example 90."
        )
    if horizon < 1:
        raise ValueError(
            f"The horizon of a forecast is at least 1 step. Received {horizon}. Correct it."
        )
    if horizon > LONGEST_HORIZON:
        raise ValueError(
            f"The horizon of a forecast is at most {LONGEST_HORIZON} steps. Received {horizon}. "
            "Give a smaller number."
        )
    if available is not None and horizon > available:
        raise ValueError(
            f"The horizon must not be longer than {what}. Received {horizon} steps, where {what} "
            f"has {available}. Give a smaller number, or a longer record."
        )


def memory() -> int | None:
    """Return the memory of this machine in bytes, None if it is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on this system
        return None


def check_memory(values: Mapping[str, int]) -> None:
    """Refuse hindcasts, by the size of each dimension, of which three copies do not fit."""
    needed = 8 * _COPIES * int(np.prod([float(size) for size in values.values()]))
    available = memory()
    if available is not None and needed > available:
        sizes = " x ".join(f"{size} {name}" for name, size in values.items())
        raise ValueError(
            f"Hindcasts must fit into memory. Received {sizes}, which need "
            f"{needed / 2**30:.3g} GiB of {available / 2**30:.3g} GiB. Choose a smaller horizon, a "
            "longer stride or fewer models, or divide the wells into shards (--shard)."
        )
