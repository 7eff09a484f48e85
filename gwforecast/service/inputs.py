"""Inputs of a scheduled run: what could be read, what was known at the issue time, and weather.

All wells are read together. Where that fails they are read one by one, so that only the wells at
fault are lost.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.tables import DataSettings
from gwforecast.data.covariates import derive_features, fill_covariates
from gwforecast.data.layouts.files import READABLE
from gwforecast.data.readers import list_wells
from gwforecast.data.stores import is_store
from gwforecast.runs.inputs import latest_complete_step, read_data
from gwforecast.runs.outcomes import one_by_one
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import known_at, snap_issue_time

__all__ = [
    "Inputs", "check_clock", "known_and_filled", "read_wells", "requested_wells",
    "require_observations", "resolve_issue_time",
]  # fmt: skip


_NAMING = (
    "well", "level_column", "well_column", "time_column", "day_first", "date_format", "decimal",
    "delimiter", "encoding", "sheet", "skip_rows", "header_row", "missing_values", "sensor_depth",
    "barometer",
)  # fmt: skip


READING = (SchemaError, OSError, UnicodeError, EOFError, MemoryError)  # errors of damaged files
BEYOND_STEPS, BEYOND = 2, np.timedelta64(10, "D")  # an issue time further beyond is an error


@dataclass(frozen=True, eq=False)
class Inputs:
    """Observations that could be read, and the wells that could not."""

    observations: xr.Dataset | None  # dimensions (well, time); None if no well could be read
    refused: dict[str, tuple[str, str]]  # status and reason of each well that could not be read


def read_wells(data: DataSettings) -> Inputs:
    """Read all wells together, or one by one if that fails.

    Raises
    ------
    FileNotFoundError
        If the levels do not exist.
    SchemaError
        If not even the names of the wells can be read.
    """
    broken = _broken_files(data)
    if broken and data.wells is None:  # the names of files may not even be text
        kept = [w for w in requested_wells(data) if w not in broken and _clean(w) == w]
        data = data.model_copy(update={"wells": kept}) if kept else data
    try:
        together = _sound_names(read_data(data))
        return Inputs(together.observations, {**broken, **together.refused})
    except READING as error:
        if any(not path.exists() for path in data.files()):
            raise
        if data.database is not None and isinstance(error, ConnectionError):
            raise SchemaError(str(error)) from None
        names = requested_wells(data)
    attempt = one_by_one(lambda wells: read_data(data, wells=wells), names, errors=Exception)
    refused = {well: ("check_failed", _in_words(error)) for well, error in attempt.failed.items()}
    results, unlike = _alike(attempt.results)
    refused |= unlike
    if not results:
        return Inputs(None, {**broken, **_clean_names(refused)})
    joined = xr.concat(results, schema.WELL, join="outer", combine_attrs="drop_conflicts")
    sound = _sound_names(schema.validate_observations(joined))
    return Inputs(sound.observations, {**broken, **_clean_names(refused), **sound.refused})


def _broken_files(data: DataSettings) -> dict[str, tuple[str, str]]:
    """Return the wells of a folder whose entry is no file: a dangling link, or a folder."""
    folder = data.levels
    if data.database is not None or not folder.is_dir() or is_store(folder):
        return {}
    found = {}
    for path in sorted(folder.iterdir()):
        named = data.wells is None or path.stem in data.wells
        if path.suffix.lower() in READABLE and not path.name.startswith((".", "~")) and named:
            what = "a folder" if path.is_dir() else "not a file that can be read"
            if path.is_symlink() and not path.exists():
                what = f"a link to {os.readlink(path)}, which does not exist"
            if _clean(path.name) != path.name:
                what = "not text in UTF-8"
            if not path.is_file() or _clean(path.name) != path.name:
                found[path.stem] = (
                    "check_failed",
                    f"Each well needs a file. Received {str(path)!r}, which is {what}. Replace it.",
                )
    return _clean_names(found)


def _sound_names(observations: xr.Dataset) -> Inputs:
    """Leave out wells whose names cannot be written: with NUL, or not in UTF-8."""
    names = [str(well) for well in observations[schema.WELL].values]
    bad = {
        name: (
            "check_failed",
            f"Names of wells are text in UTF-8 without NUL. Received {name!r}. Rename it.",
        )
        for name in names
        if _clean(name) != name
    }
    if not bad:
        return Inputs(observations, {})
    kept = observations.drop_sel({schema.WELL: list(bad)})
    return Inputs(kept if kept.sizes[schema.WELL] else None, _clean_names(bad))


def _clean_names(refused: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return refused wells with names and reasons that can be written to any file."""
    return {_clean(name): (status, _clean(reason)) for name, (status, reason) in refused.items()}


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


def _in_words(error: Exception) -> str:
    """Return the message of an error; an unexpected one is named by its type."""
    return str(error) if isinstance(error, SchemaError) else f"{type(error).__name__}: {error}"


def _alike(parts: list[xr.Dataset]) -> tuple[list[xr.Dataset], dict[str, tuple[str, str]]]:
    """Return the wells with the covariates and steps of most wells, and why others are not used."""
    forms = [
        (tuple(sorted(schema.covariate_names(p))), timeline.infer_frequency(p[schema.TIME].values))
        for p in parts
    ]
    if not forms:
        return [], {}
    usual = max(dict.fromkeys(forms), key=forms.count)
    unlike = {}
    for part, form in zip(parts, forms, strict=True):
        if form != usual:
            well = str(part[schema.WELL].values[0])
            message = (
                "All wells must have the same covariates and time steps. Received "
                f"{_form(form)} at {well!r}, but {_form(usual)} at most wells. Bring them to one "
                "form."
            )
            unlike[well] = "check_failed", message
    return [p for p, form in zip(parts, forms, strict=True) if form == usual], unlike


def require_observations(inputs: Inputs, what: str) -> xr.Dataset:
    """Return the observations that could be read.

    ``what``: subject of the message, e.g. ``"A forecast"``.

    Raises
    ------
    SchemaError
        If no well could be read.
    """
    if inputs.observations is None:
        refused = list(inputs.refused.items())[:3]
        reasons = " ".join(f"{well}: {reason}" for well, (_, reason) in refused)
        raise SchemaError(f"{what} needs the data of at least one well. {reasons}")
    return inputs.observations


def requested_wells(data: DataSettings) -> list[str]:
    """Return the requested wells, by default all in the data, without opening files of a folder."""
    if data.wells:
        return data.wells
    if data.database is not None:
        from gwforecast.data.database import list_wells_sql

        return list_wells_sql(data.database, str(data.levels))
    naming: dict[str, Any] = {n: v for n, v in data.reading().items() if n in _NAMING}
    return list_wells(data.levels, data.covariates, **naming)


def resolve_issue_time(given: object, observations: xr.Dataset, now: pd.Timestamp) -> np.datetime64:
    """Return the requested time, by default the last complete time step.

    A time that is no step becomes the last step before it, and a warning says so.

    ``observations``: dimensions (well, time).

    Raises
    ------
    ValueError
        If the requested time is not a time, is before the data, or is not complete yet.
    """
    latest = latest_complete_step(observations, now)
    if given is None:
        return latest
    moment = snap_issue_time(observations[schema.TIME].values, given, stacklevel=4)
    if moment > latest:
        raise ValueError(
            "An issue time must be a complete time step. Received "
            f"{timeline.format_time(moment)}, but the last complete step is "
            f"{timeline.format_time(latest)} UTC. Choose an earlier issue time."
        )
    return moment


def check_clock(observations: xr.Dataset, moment: np.datetime64, *, now: pd.Timestamp) -> None:
    """Raise if an issue time is beyond all data, as of a clock that is ahead or a dead feed.

    ``observations``: dimensions (well, time).

    Raises
    ------
    SchemaError
        If it is beyond the last value of all wells by more than two steps and ten days.
    """
    names = [schema.LEVEL, *schema.covariate_names(observations)]
    known = np.zeros(observations.sizes[schema.TIME], bool)
    for name in names:
        known |= observations[name].notnull().any(schema.WELL).values
    times = observations[schema.TIME].values
    if not known.any():
        return  # each well has this as its status
    end = times[np.flatnonzero(known)[-1]]
    step = (times[-1] - times[0]) / (times.size - 1)
    most = max(BEYOND_STEPS * step, BEYOND)
    if moment - end > most:
        raise SchemaError(
            f"An issue time must not be beyond the data. Received {timeline.format_time(moment)}, "
            f"but the last value of all wells is of {timeline.format_time(end)}, and the clock "
            f"says {now:%Y-%m-%d %H:%M} UTC. Check the clock and the delivery of the data, or give "
            "--issue-time."
        )


def known_and_filled(
    observations: xr.Dataset,
    issue_time: np.datetime64,
    data: DataSettings,
    *,
    keep_weather: bool = False,
) -> xr.Dataset:
    """Return what was known at the issue time, with gaps in covariates filled as requested.

    Covariates that end before the issue time are not filled there: the forcing continues them.

    ``observations``: dimensions (well, time); ``issue_time``: a step of the time axis or of its
    continuation. Nothing is filled from later values.
    """
    known = known_at(observations, issue_time, keep_weather=keep_weather, extend=True)
    if data.fill is None:
        return derive_features(known, data.derive)
    filled = fill_covariates(known, rules=data.fill)
    for name in schema.covariate_names(known):
        missing = known[name].isnull().transpose(schema.WELL, schema.TIME).values
        ended = np.logical_and.accumulate(missing[:, ::-1], axis=1)[:, ::-1]
        values = np.where(ended, np.nan, filled[name].values)
        filled[name] = filled[name].copy(data=values)
    return derive_features(filled, data.derive)


def _form(form: tuple[tuple[str, ...], str]) -> str:
    return f"{', '.join(form[0]) or 'no covariates'} and {form[1]!r}"
