"""Is my data fit to model: data checks as of today."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.config.load import dump_toml
from gwforecast.config.tables import DataSettings
from gwforecast.data.readers import read_levels
from gwforecast.data.understood import ATTRIBUTE
from gwforecast.quality import checks
from gwforecast.runs.files import now
from gwforecast.runs.inputs import read_data, relative_paths
from gwforecast.schema import SchemaError

__all__ = ["check", "check_data", "check_levels", "write_template"]

_NAMING = (
    "well", "level_column", "well_column", "time_column", "day_first", "date_format", "decimal",
    "delimiter", "encoding", "sheet", "skip_rows", "header_row", "missing_values", "sensor_depth",
    "barometer",
)  # fmt: skip


def check(observations: xr.Dataset, *, changes: bool = True) -> pd.DataFrame:
    """Check observations as of today and return the findings; nothing is changed.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    changes : bool
        Look for shifts and trends that the weather does not explain, which takes up to a quarter of
        a second a well.

    Returns
    -------
    pandas.DataFrame
        The findings of :func:`gwforecast.quality.checks.check_observations`.
    """
    found = checks.check_observations(observations, now=now(), changes=changes)
    found.attrs[ATTRIBUTE] = observations.attrs.get(ATTRIBUTE, "")
    return found


def check_levels(levels: pd.Series | pd.DataFrame) -> pd.DataFrame:
    """Check the times of levels as they were read, in any order, as of today."""
    return checks.check_levels(levels, now=now())


def check_data(data: DataSettings) -> pd.DataFrame:
    """Return the findings of the checks of the data that the settings name.

    Data that ``evaluate`` would refuse are a finding here. They are then read as leniently as
    possible, so the other checks run as well.

    Raises FileNotFoundError if a file is not there; SchemaError if a file cannot be read as data at
    all.
    """
    given = data.reading()
    naming = {n: v for n, v in given.items() if n in _NAMING}
    with warnings.catch_warnings():  # the second reading warns
        warnings.simplefilter("ignore")
        raw = {} if data.database else read_levels(data.levels, **naming)
    wanted = set(raw) if data.wells is None else set(data.wells)
    tables = [check_levels(series.rename(w)) for w, series in raw.items() if w in wanted]
    observations, refusals = _as_lenient_as_needed(data, given)
    tables = [*map(_as_finding, refusals), *tables, check(observations)]
    found = pd.concat([table for table in tables if len(table)], ignore_index=True)
    found.attrs[ATTRIBUTE] = observations.attrs.get(ATTRIBUTE, "")
    return found


def _as_lenient_as_needed(
    data: DataSettings, given: dict[str, Any]
) -> tuple[xr.Dataset, list[SchemaError]]:
    """Return the observations, and what had to be overlooked to read them."""
    changes: dict[str, Any] = {}
    refusals: list[SchemaError] = []
    while True:
        try:
            return read_data(data, **changes), refusals
        except SchemaError as error:
            lenient: dict[str, Any] = {"sort": True, "duplicates": "first", "at_step": "nearest"}
            lenient |= {**changes, **given}
            lenient["missing_values"] = [*data.missing_values, *schema.COMMON_MISSING_CODES]
            lenient = _lenient_depths(lenient, str(error))
            if lenient == changes or len(refusals) > 3:
                raise
            refusals.append(error)
            changes = lenient


def _lenient_depths(given: dict[str, Any], refusal: str) -> dict[str, Any]:
    """Return settings that read depths without their height as levels relative to the point."""
    if "height it is measured from" in refusal and given.get("reference_level") is None:
        return given | {"reference_level": 0.0, "depth_sign": given.get("depth_sign")}
    if "Covariates must be daily" in refusal:
        return given | {"step": "D"}
    return given


def _as_finding(error: SchemaError) -> pd.DataFrame:
    row = {"well": "", "variable": "", "check": "form", "severity": "error", "n": 1}
    empty = {"first": pd.NaT, "last": pd.NaT, "value": np.nan}
    return pd.DataFrame([row | empty | {"message": str(error)}], columns=checks.COLUMNS)


_NEXT = """
# [split]                        # by default 60 % train, 20 % validation, 20 % test
# validation_start = "2012-01-01"
# test_start = "2016-01-01"

# [models]
# use = ["lstm", "linear", "climatology"]
# seed = 0

# [output]
# folder = "results"

# [schedule]                     # for gwforecast train, forecast, bulletin
# models = ["lstm", "mlp", "kernel_ridge"]
# horizon = 90                   # time steps; by default a quarter of a year
"""


def write_template(data: DataSettings, file: Path) -> str:
    """Read data and write a configuration; return what was understood, which are comments in it.

    Raises FileExistsError if the file exists. Raises SchemaError if the data can't be read; the
    message names the setting that is needed.
    """
    if file.exists():
        raise FileExistsError(
            f"A configuration is written to a new file. Received {file}, which exists. Choose "
            "another name with --file, or move it away."
        )
    stored = str(read_data(data).attrs.get(ATTRIBUTE, ""))
    lines = json.loads(stored) if stored else []
    remarks = "\n".join(f"# {about}: {what}" for about, what in lines)
    tables = {"data": relative_paths(data, file.parent)}
    file.parent.mkdir(parents=True, exist_ok=True)
    text = f"# What was understood of the data:\n{remarks}\n\n{dump_toml(tables)}{_NEXT}"
    file.write_text(text, "utf-8")
    return stored
