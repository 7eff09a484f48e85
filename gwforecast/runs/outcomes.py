"""The outcome of each model at each well: a table for the record, a warning for the user."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.sequences.split import Split

__all__ = [
    "OUTCOME_COLUMNS",
    "outcome_rows",
    "outcome_table",
    "warn_of_failures",
    "wells_without_scores",
    "wells_without_values",
]


OUTCOME_COLUMNS = [schema.MODEL, schema.WELL, "status", "reason"]
LONGEST_REASON = 400  # characters of a reason in a warning; run.json has the full text
Row = tuple[str, str, str, str]


def outcome_rows(model: str, wells: Iterable[str], failed: Mapping[str, str]) -> list[Row]:
    """Return model, well, status (``"ok"`` or ``"failed"``) and reason; failed wells come first.

    Parameters
    ----------
    model : str
        Name of the model.
    wells : iterable of str
        The wells it was run for.
    failed : mapping of str to str
        Why it failed, by well; may name further wells.
    """
    return [
        *((model, well, "failed", reason) for well, reason in failed.items()),
        *((model, well, "ok", "") for well in wells if well not in failed),
    ]


def outcome_table(rows: Iterable[Row]) -> pd.DataFrame:
    """Return outcomes as a table with the columns model, well, status and reason."""
    return pd.DataFrame(list(rows), columns=OUTCOME_COLUMNS)


def warn_of_failures(model: str, failed: Mapping[str, str], *, stacklevel: int = 4) -> None:
    """Warn that a model failed, with the first well and its reason; nothing if none failed."""
    if not failed:
        return
    well, reason = next(iter(failed.items()))
    more = f" So did {len(failed) - 1} more wells." if len(failed) > 1 else ""
    short = textwrap.shorten(reason, LONGEST_REASON, placeholder=" ...")
    warnings.warn(f"Model {model!r} failed at well {well!r}: {short}{more}", stacklevel=stacklevel)


def wells_without_values(level: xr.DataArray, *, what: str = "prediction") -> dict[str, str]:
    """Return the wells at which no level is finite, with this as the reason.

    Parameters
    ----------
    level : xarray.DataArray
        Levels over well and any other dimensions, m.
    what : str
        What the levels are, for the message.
    """
    empty = level.isnull().all([dim for dim in level.dims if dim != schema.WELL]).values
    wells = np.asarray(level[schema.WELL].values)[empty]
    return {str(well): f"no {what} is finite" for well in wells}


def wells_without_scores(
    level: xr.DataArray, observations: xr.Dataset, split: Split
) -> dict[str, str]:
    """Return the wells with no prediction of any observed level of the test period, and why.

    Parameters
    ----------
    level : xarray.DataArray
        Predicted levels, dims (well, time, quantile), m.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods; a well without a test period is not among the wells.
    """
    observed = split.levels(observations, "test").notnull()
    known = level.sel({schema.QUANTILE: 0.5}, drop=True).notnull()
    counts, found = observed.sum(schema.TIME), (observed & known).any(schema.TIME)
    return {
        str(well): f"none of the {int(n)} levels of the test period is predicted"
        for well, n, some in zip(
            observations[schema.WELL].values, counts.values, found.values, strict=True
        )
        if n and not some
    }
