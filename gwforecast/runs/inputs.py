"""Observations, periods and arguments of a run, as the settings say."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.load import Settings
from gwforecast.config.tables import DataSettings, SplitSettings
from gwforecast.data.covariates import derive_features, fill_covariates
from gwforecast.data.readers import read_observations
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Split, split_by_date, split_by_fraction

__all__ = [
    "backtest_arguments", "evaluation_arguments", "fitting_arguments", "latest_complete_step",
    "make_split", "model_arguments", "prepare", "read_data", "relative_paths", "tables_of_search",
]  # fmt: skip


TEXT_OPTIONS = (
    "well", "day_first", "decimal", "delimiter", "encoding", "date_format", "sheet", "skip_rows",
    "header_row", "time_column", "barometer", "sensor_depth", "grid",
)  # fmt: skip
DATES = ("validation_start", "test_start", "test_end")
COMPLETE = np.timedelta64(1, "D")  # a step is complete this long after its time stamp


def read_data(data: DataSettings, **changes: Any) -> xr.Dataset:
    """Read observations from files or from a database, as the settings say.

    ``changes`` are options of the reader that override the settings.

    Raises ValueError if options of text files are given for a database.
    """
    given = data.reading() | changes
    if data.database is None:
        return read_observations(data.levels, data.covariates, **given)
    from gwforecast.data.database import read_sql  # SQLAlchemy is loaded only if it is used

    idle = [name for name in TEXT_OPTIONS if name in given]
    if idle:
        raise ValueError(
            f"Options of text files do not apply to a database. Received {idle[0]!r} together with "
            "'database'. Leave it out."
        )
    if isinstance(data.covariates, list):
        raise ValueError(
            "Covariates of a database are one table. Received a list. Join them in a view."
        )
    others = (data.covariates, given.pop("attributes", None))
    covariates, attributes = (None if name is None else str(name) for name in others)
    return read_sql(data.database, str(data.levels), covariates, attributes=attributes, **given)


def latest_complete_step(observations: xr.Dataset, now: pd.Timestamp) -> np.datetime64:
    """Return the last complete step of the time axis, extended to the present (naive UTC).

    A step is complete one day after its time stamp, as daily and weekly levels are stamped with a
    date.

    Raises SchemaError if the data begin after the current time.
    """
    times = observations[schema.TIME].values
    frequency = timeline.infer_frequency(times)
    axis = timeline.regular_times(times[0], now.to_datetime64() - COMPLETE, frequency)
    if not axis.size:
        raise SchemaError(
            "Data must begin before the current time. Received the first step "
            f"{timeline.format_time(times[0])} and the current time {now}. Check the clock and the "
            "dates."
        )
    return np.datetime64(axis[-1])


def make_split(observations: xr.Dataset, settings: SplitSettings) -> Split | None:
    """Return the periods in the settings; None for the default periods.

    Raises ValueError if only one of the two dates is given, or both fractions and dates;
    SchemaError if a well has no level in a period.
    """
    given = settings.given()
    fractions = {name: given[name] for name in ("train", "validation", "gap") if name in given}
    dates = {name: given[name] for name in DATES if name in given}
    if not dates:
        return split_by_fraction(observations, **fractions) if fractions else None
    mixed = {"train", "validation"} & set(given)
    if mixed or settings.validation_start is None or settings.test_start is None:
        raise ValueError(
            "A split is by fractions (train, validation; --split) or by dates (validation_start "
            "and test_start, optionally test_end; --validation-start and --test-start). Received "
            f"{', '.join(given)}. Give one or the other."
        )
    return split_by_date(observations, **dates, gap=settings.gap)


def prepare(observations: xr.Dataset, settings: Settings) -> tuple[xr.Dataset, Split | None]:
    """Return observations, with gaps filled and covariates derived if requested, and periods."""
    data = settings.data
    split = make_split(observations, settings.split)
    if data.fill is not None:
        observations = fill_covariates(
            observations, rules=data.fill, boundaries=_boundaries(observations, split)
        )
    return derive_features(observations, data.derive), split


def fitting_arguments(settings: Settings) -> dict[str, Any]:
    """Return the arguments that all fits share, as the settings say."""
    return settings.models.model_dump(include={"seed", "members", "workers", "without_weather"})


def model_arguments(settings: Settings, models: Sequence[str]) -> dict[str, Any]:
    """Return models, their settings and what their fits share, as arguments of a run."""
    given = {name: settings.of_model(name) for name in models}
    return {"models": models, "settings": given, **fitting_arguments(settings)}


def evaluation_arguments(settings: Settings, models: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the arguments of an evaluation of some models, by default those of the settings."""
    chosen = settings.models
    return model_arguments(settings, chosen.use if models is None else models) | {
        "baseline": chosen.baseline,
        "leave_wells_out": chosen.leave_wells_out,
        "cross_validate": chosen.cross_validate,
    }


def backtest_arguments(settings: Settings) -> dict[str, Any]:
    """Return the arguments of a backtest, without horizon and issue times."""
    wanted = settings.backtest
    return model_arguments(settings, wanted.models) | {
        "forcing": wanted.forcing,
        "refit_every": wanted.refit_every,
        "sliding": wanted.sliding,
        "threshold": wanted.threshold,
    }


def _boundaries(observations: xr.Dataset, split: Split | None) -> list[np.datetime64]:
    """Return the starts of the validation and test periods, which filling must not cross."""
    bounds = split_by_fraction(observations) if split is None else split
    starts = [bounds.start(period).values for period in ("validation", "test")]
    unique = np.unique(np.concatenate(starts))
    return list(unique[~np.isnat(unique)])


def relative_paths(data: DataSettings, folder: Path) -> dict[str, Any]:
    """Return the given settings of data, with paths that start at a folder."""
    given = data.given()
    start = folder.resolve()
    for name in ("levels", "covariates", "attributes", "barometer"):
        if data.database is None and given.get(name) is not None:
            several = given[name] if isinstance(given[name], list) else [given[name]]
            paths = [Path(os.path.relpath(path.resolve(), start)) for path in several]
            given[name] = paths if isinstance(given[name], list) else paths[0]
    return given


def tables_of_search(settings: Settings) -> dict[str, Mapping[str, object]]:
    """Return the given settings of data and periods, with paths relative to a search's folder."""
    data = relative_paths(settings.data, settings.tune.folder)
    if settings.data.database is not None:
        from gwforecast.data.database import without_password  # loads SQLAlchemy

        data["database"] = without_password(settings.data.database)
    use = list(dict.fromkeys([settings.tune.model, settings.models.baseline]))
    models = {"use": use, "baseline": settings.models.baseline, "seed": settings.models.seed}
    split, output = settings.split.given(), {"folder": "evaluation"}
    tables = {"data": data, "split": split, "models": models, "output": output}
    return {name: table for name, table in tables.items() if table}
