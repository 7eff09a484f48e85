"""The published forecast of one issue time as an ``xarray.Dataset``: how it is laid out and joined.

Neither the clock nor the machine enters it: equal inputs give an equal Dataset.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import __version__, schema
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.config.load import Settings
from gwforecast.runs import files
from gwforecast.service.readiness import WellForecast
from gwforecast.writing import clause, dump_json

__all__ = ["checksum_inputs", "checksum_settings", "join_products", "to_product"]


# settings that cannot change a forecast: locations of files, and how many processes work
WITHOUT_EFFECT = (
    "database", "levels", "covariates", "attributes", "folder", "bundles", "archive", "sql",
    "head",
    "weather_forecast", "workers",
)  # fmt: skip
TABLES_WITHOUT_EFFECT = {"cluster", "bulletin", "alerts"}


def to_product(
    wells: Sequence[WellForecast], issue_time: np.datetime64, *, horizon: int, frequency: str
) -> xr.Dataset:
    """Return the forecasts of some wells as one Dataset.

    ``wells``: forecasts of one issue time, some of them possibly without levels.

    Returns
    -------
    xarray.Dataset
        ``level`` (well, issue_time, lead_time, quantile), m, NaN without a forecast; over (well,)
        ``status``, ``reason``, ``model``, ``forcing``, ``bundle``, ``last_observation``,
        ``last_covariate`` and ``trained_through``.
    """
    level = np.full((len(wells), 1, horizon, len(QUANTILES)), np.nan)
    for number, well in enumerate(wells):
        if well.level is not None:
            level[number, 0] = well.level
    labelled = schema.label_forecast(
        level[..., 0],
        wells=[well.name for well in wells],
        issue_times=np.array([issue_time]),
        frequency=frequency,
    )
    dims = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME, schema.QUANTILE)
    product = labelled.assign_coords({schema.QUANTILE: list(QUANTILES)}).assign(
        {schema.LEVEL: (dims, level, labelled[schema.LEVEL].attrs)}
    )
    texts = {
        "status": ("status of the forecast", [w.status for w in wells]),
        "reason": ("reason for the status", ["; ".join(map(clause, w.reasons)) for w in wells]),
        "model": ("forecaster", [w.model for w in wells]),
        "forcing": ("origin of the weather after the issue time", [w.forcing for w in wells]),
        "bundle": ("sha256 of the bundle", [w.bundle for w in wells]),
    }
    times = {
        "last_observation": ("last level", [w.last_observation for w in wells]),
        "last_covariate": ("last step with all covariates", [w.last_covariate for w in wells]),
        "trained_through": (
            "last step of the levels that the model was fitted on",
            [w.trained_through for w in wells],
        ),
    }
    for name, (long_name, values) in texts.items():
        product[name] = (schema.WELL, np.array(values, object), {"long_name": long_name})
    for name, (long_name, stamps) in times.items():
        array = np.array([pd.Timestamp(t).to_datetime64() for t in stamps], schema.TIME_DTYPE)
        product[name] = (schema.WELL, array, {"long_name": long_name})
    return product


def join_products(
    parts: Sequence[xr.Dataset],
    *,
    frequency: str,
    refused: Mapping[str, tuple[str, str]] | None = None,
    checksums: Mapping[str, str] | None = None,
    attrs: Mapping[str, object] | None = None,
) -> xr.Dataset:
    """Join forecasts of one issue time, sorted by well.

    ``parts``: forecasts of different wells as :func:`to_product` returns them; ``checksums``:
    checksum of each well's inputs, see :func:`checksum_inputs`.

    Returns
    -------
    xarray.Dataset
        The forecast of all wells, independent of how they were divided into parts.
    """
    issue_time, horizon = parts[0][schema.ISSUE_TIME].values[0], parts[0].sizes[schema.LEAD_TIME]
    without = [WellForecast(n, status, [reason]) for n, (status, reason) in (refused or {}).items()]
    if without:
        parts = [*parts, to_product(without, issue_time, horizon=horizon, frequency=frequency)]
    product = xr.concat(
        parts,
        schema.WELL,
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )
    names = product[schema.WELL].values.tolist()
    order = sorted(range(len(names)), key=names.__getitem__)
    listed = json.dumps(sorted((checksums or {}).items()))
    described = {
        "title": "Groundwater level forecast",
        "source": f"gwforecast {__version__}",
        "inputs_sha256": hashlib.sha256(listed.encode("utf-8", "surrogatepass")).hexdigest(),
        **(attrs or {}),
    }
    return schema.validate_forecast(product.isel({schema.WELL: order}).assign_attrs(described))


def checksum_inputs(observations: xr.Dataset) -> dict[str, str]:
    """Return the sha256 of the observations of each well, from its first value on.

    ``observations``: dimensions (well, time).
    """
    over_time = [v for v in observations.data_vars.values() if schema.TIME in v.dims]
    known = xr.concat([v.notnull() for v in over_time], "variable").any("variable")
    starts = known.transpose(schema.WELL, schema.TIME).values.argmax(axis=1)
    arrays = {name: (v.dims, v.values) for name, v in observations.variables.items()}
    found = {}
    for row, well in enumerate(observations[schema.WELL].values.tolist()):
        part = {schema.WELL: slice(row, row + 1), schema.TIME: slice(int(starts[row]), None)}
        found[well] = files.arrays_sha256(
            {
                name: (dims, values[tuple(part.get(str(dim), slice(None)) for dim in dims)])
                for name, (dims, values) in arrays.items()
            }
        )
    return found


def checksum_settings(settings: Settings) -> str:
    """Return the sha256 of the settings that can change a forecast."""
    given = settings.model_dump(exclude_unset=True, mode="json", exclude=TABLES_WITHOUT_EFFECT)
    for table in given.values():
        for name in WITHOUT_EFFECT:
            table.pop(name, None)
    return hashlib.sha256(dump_json(given).encode("utf-8")).hexdigest()
