"""What a run works on: observations and periods, as the settings say."""

from __future__ import annotations

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

__all__ = ["files_of", "latest_complete_step", "make_split", "prepare", "read_data"]


_TEXT = ("well", "day_first", "decimal", "delimiter")


COMPLETE = np.timedelta64(1, "D")  # after its stamp a step is complete


def read_data(data: DataSettings, **changes: Any) -> xr.Dataset:
    """Read observations from files or from a database, as the settings say.

    Parameters
    ----------
    data : DataSettings
        Where the data are.
    **changes
        Settings of the reader that go before those that were given.
    """
    given = data.reading() | changes
    if data.database is None:
        return read_observations(data.levels, data.covariates, **given)
    from gwforecast.data.database import read_sql  # SQLAlchemy is loaded only where it is used

    idle = [name for name in _TEXT if name in given]
    if idle:
        raise ValueError(
            f"How text is written is no matter of a database. Received {idle[0]!r} beside "
            "'database'. Leave it out."
        )
    others = (data.covariates, given.pop("attributes", None))
    covariates, attributes = (None if name is None else str(name) for name in others)
    return read_sql(data.database, str(data.levels), covariates, attributes=attributes, **given)


def latest_complete_step(observations: xr.Dataset, now: pd.Timestamp) -> np.datetime64:
    """Return the last step of the axis, or of where it goes on to, that is over.

    A step is over a day after its stamp: the level of a day or week is stamped with its date.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    now : pandas.Timestamp
        The present moment, naive UTC.

    Raises
    ------
    SchemaError
        If the data begin later.
    """
    times = observations[schema.TIME].values
    frequency = timeline.infer_frequency(times)
    axis = timeline.regular_times(times[0], now.to_datetime64() - COMPLETE, frequency)
    if not axis.size:
        raise SchemaError(
            f"Data begin before they are forecast. Received {timeline.format_time(times[0])} as "
            f"their first step, and {now} as the present. Check the clock and the dates."
        )
    return np.datetime64(axis[-1])


_DATES = ("validation_start", "test_start", "test_end")


def make_split(observations: xr.Dataset, settings: SplitSettings) -> Split | None:
    """Return the periods that the settings ask for; None for the default of an evaluation.

    Raises
    ------
    ValueError
        If only one of the two dates is given, or shares and dates are.
    SchemaError
        If a well has no level in a period.
    """
    given = settings.given()
    shares = {name: given[name] for name in ("train", "validation", "gap") if name in given}
    dates = {name: given[name] for name in _DATES if name in given}
    if not dates:
        return split_by_fraction(observations, **shares) if shares else None
    mixed = {"train", "validation"} & set(given)
    if mixed or settings.validation_start is None or settings.test_start is None:
        raise ValueError(
            "A split is by shares (train, validation) or by dates (validation_start and "
            f"test_start, test_end if wanted). Received {', '.join(given)}. Give the one or the "
            "other."
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


def files_of(data: DataSettings) -> list[Path]:
    """Return the files that are read; a database has none."""
    paths = (data.levels, data.covariates, data.attributes)
    return [] if data.database else [path for path in paths if path]


def _boundaries(observations: xr.Dataset, split: Split | None) -> list[np.datetime64]:
    """Return the starts of the validation and test periods, which no filling may look across."""
    bounds = split_by_fraction(observations) if split is None else split
    starts = [bounds.start(period).values for period in ("validation", "test")]
    unique = np.unique(np.concatenate(starts))
    return list(unique[~np.isnat(unique)])
