"""The forecast of one issue time: each well by itself, with a status that says how it was made.

What forecasts a well is the first of these that can: its champion; the champion before that one;
the climatology of its levels; nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import __version__, schema, timeline
from gwforecast.calibration.forecaster import Calibrated
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.forcings.base import Forcing
from gwforecast.quality.checks import series_of
from gwforecast.runs import files
from gwforecast.schema import SchemaError
from gwforecast.service import bundle
from gwforecast.service.bundle import BundleError
from gwforecast.service.champions import Champions
from gwforecast.service.readiness import (
    FALLBACK,
    FORECAST,
    RECENT,
    Limits,
    Well,
    by_climatology,
    look,
)

__all__ = ["input_sums", "issue", "join", "known_until"]


def known_until(
    observations: xr.Dataset, issue_time: np.datetime64, *, keep_weather: bool = False
) -> xr.Dataset:
    """Return the observations on an axis that ends at the issue time, or goes on with weather.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time), whose axis may end earlier.
    issue_time : numpy.datetime64
        On the axis, or where it goes on to.
    keep_weather : bool
        Keep covariates after it, with levels that are NaN.

    Raises
    ------
    SchemaError
        If the issue time is no step of the axis, or before it.
    """
    times = observations[schema.TIME].values
    frequency = timeline.infer_frequency(times)
    end = max(times[-1], issue_time) if keep_weather else issue_time
    axis = timeline.regular_times(times[0], end, frequency)
    timeline.time_positions(axis, np.array([issue_time]), name="issue time")
    known = observations.reindex({schema.TIME: axis})
    late = known[schema.TIME] > issue_time
    level = known[schema.LEVEL].where(~late).assign_attrs(known[schema.LEVEL].attrs)
    return known.assign({schema.LEVEL: level})


def issue(
    observations: xr.Dataset,
    *,
    issue_time: np.datetime64,
    champions: Champions,
    horizon: int,
    forcing: Forcing,
    limits: Limits | None = None,
) -> xr.Dataset:
    """Forecast every well from what was known at the issue time; no well stops another.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time), as :func:`known_until` returns them.
    issue_time : numpy.datetime64
        A step of the axis.
    champions : Champions
        Bundles by well.
    horizon : int
        Number of lead times.
    forcing : Forcing
        Weather after the issue time.
    limits : Limits, optional
        How old data may be.

    Returns
    -------
    xarray.Dataset
        ``level`` (well, issue_time, lead_time, quantile), m, NaN without a forecast; over (well,)
        ``status`` of :data:`gwforecast.schema.WELL_STATUSES`, ``reason``, ``model``, ``forcing``,
        ``bundle``, ``last_observation``, ``last_covariate`` and ``trained_through``. Neither
        clock nor machine is in it: the same inputs give the same Dataset.
    """
    past = observations.sel({schema.TIME: slice(None, issue_time)})
    wells = [
        look(level, covariates, issue_time, limits or Limits())
        for level, covariates in series_of(past)
    ]
    _forecast_all(wells, _Asked(observations, issue_time, horizon, forcing), champions)
    for well in wells:
        if well.level is None and well.status != "no_data":
            _fall_back(well, observations.sel({schema.WELL: [well.name]}), issue_time, horizon)
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    product = _assemble(wells, issue_time, horizon, frequency)
    datum = observations[schema.LEVEL].attrs.get("vertical_datum")
    if datum:
        product[schema.LEVEL].attrs["vertical_datum"] = datum
    return product


def join(
    parts: Sequence[xr.Dataset],
    *,
    frequency: str,
    refused: Mapping[str, tuple[str, str]] | None = None,
    sums: Mapping[str, str] | None = None,
    attrs: Mapping[str, object] | None = None,
) -> xr.Dataset:
    """Bring forecasts of one issue time together, sorted by well.

    Parameters
    ----------
    parts : sequence of xarray.Dataset
        Forecasts of different wells, as :func:`issue` returns them.
    frequency : str
        That of the lead times.
    refused : mapping, optional
        Wells without a forecast, with a status and the reason.
    sums : mapping, optional
        Sums of what each well was forecast from, as of :func:`input_sums`.
    attrs : mapping, optional
        Attributes to add.

    Returns
    -------
    xarray.Dataset
        The forecast of all wells; how they were divided does not show.
    """
    issue_time, horizon = parts[0][schema.ISSUE_TIME].values[0], parts[0].sizes[schema.LEAD_TIME]
    without = [Well(n, status, [reason]) for n, (status, reason) in (refused or {}).items()]
    if without:
        parts = [*parts, _assemble(without, issue_time, horizon, frequency)]
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
    listed = json.dumps(sorted((sums or {}).items()))
    described = {
        "title": "Groundwater level forecast",
        "source": f"gwforecast {__version__}",
        "inputs_sha256": hashlib.sha256(listed.encode("utf-8", "surrogatepass")).hexdigest(),
        **(attrs or {}),
    }
    return schema.validate_forecast(product.isel({schema.WELL: order}).assign_attrs(described))


def input_sums(observations: xr.Dataset) -> dict[str, str]:
    """Return the sum of the observations of each well, from its first value on.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    """
    known = xr.concat(
        [v.notnull() for v in observations.data_vars.values() if schema.TIME in v.dims], "variable"
    ).any("variable")
    starts = known.transpose(schema.WELL, schema.TIME).values.argmax(axis=1)
    wells = observations[schema.WELL].values.tolist()
    return {
        name: files.dataset_sha256(
            observations.isel({schema.WELL: [number], schema.TIME: slice(start, None)})
        )
        for number, (name, start) in enumerate(zip(wells, starts, strict=True))
    }


@dataclass(frozen=True)
class _Asked:
    """What all wells are forecast from, and how far."""

    observations: xr.Dataset
    issue_time: np.datetime64
    horizon: int
    forcing: Forcing

    def run(self, fitted: Calibrated, wells: list[str], origin: np.datetime64) -> xr.Dataset:
        """Forecast from the end of the weather, and keep what lies after the issue time."""
        times = self.observations[schema.TIME].values
        ends = np.array([origin, self.issue_time])
        first, last = timeline.time_positions(times, ends, name="issue time")
        missing = int(last - first)
        return fitted.forecast(
            self.observations.sel({schema.WELL: wells}),
            issue_times=ends[:1],
            horizon=self.horizon + missing,
            forcing=self.forcing,
        ).isel({schema.LEAD_TIME: slice(missing, None)})


def _forecast_all(wells: Sequence[Well], asked: _Asked, champions: Champions) -> None:
    """Forecast the wells by their champions, and where these fail by those before them."""
    wanted = [well for well in wells if well.status in FORECAST]
    try:
        table = champions.table()
    except BundleError as error:
        for well in wanted:
            well.doubt("model_invalid", str(error))
        return
    for well in wanted:
        if well.name not in table:
            well.doubt("model_missing", "no model was trained for it")
    trained = [well for well in wanted if well.name in table]
    for rank in ("bundle", "previous"):
        groups: dict[tuple[str, np.datetime64], list[Well]] = {}
        for well in trained:
            name = getattr(table[well.name], rank)
            if name and well.level is None:
                groups.setdefault((name, well.origin), []).append(well)
        for (name, _), group in groups.items():
            _forecast_group(group, asked, champions, name)


def _forecast_group(group: Sequence[Well], asked: _Asked, champions: Champions, name: str) -> None:
    """Forecast wells of one bundle and one origin together, and one by one where that fails."""
    try:
        fitted, manifest = champions.open(name)
        bundle.check_fits(manifest, asked.observations)
    except (BundleError, OSError) as error:
        missing = isinstance(error, FileNotFoundError)
        for well in group:
            well.doubt("model_missing" if missing else "model_invalid", str(error))
        return
    together: xr.Dataset | None = None
    with suppress(Exception):  # then one by one, to find out whose it is
        together = asked.run(fitted, [well.name for well in group], group[0].origin)
    levels = {} if together is None else _levels_by_well(together)
    for well in group:
        try:
            made = asked.run(fitted, [well.name], well.origin) if together is None else together
            level = (levels or _levels_by_well(made))[well.name]
            if not np.isfinite(level).all():
                raise ValueError(_why_empty(asked.observations, well, level))
        except Exception as error:  # whatever it is, it is this well's alone
            well.doubt("error", f"{type(error).__name__}: {error}")
            continue
        well.level, well.model, well.bundle = level, fitted.name, name
        well.forcing = str(made.attrs["forcing"])
        well.trained_through = fitted.trained_through(well.name)
        _explain_doubts(well, asked.issue_time)


def _levels_by_well(made: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the levels (lead_time, quantile) of each well of a forecast from one issue time."""
    return dict(
        zip(made[schema.WELL].values.tolist(), made[schema.LEVEL].values[:, 0], strict=True)
    )


def _explain_doubts(well: Well, issue_time: np.datetime64) -> None:
    """Lower the status of a well that has a forecast, but not the one that it should have."""
    if well.status not in FORECAST:
        well.status = "degraded"
        well.reasons.append("forecast by the champion before")
    if well.trained_through > issue_time:
        well.doubt(
            "degraded",
            f"the model was trained through {timeline.format_time(well.trained_through)}, after "
            "the issue time",
        )


def _why_empty(observations: xr.Dataset, well: Well, level: np.ndarray) -> str:
    if np.isfinite(level[:, len(QUANTILES) // 2]).all():
        return "too few errors in the past to tell the width of its interval"
    year = slice(well.origin - RECENT, well.origin)
    for name in schema.covariate_names(observations):
        values = observations[name].sel({schema.WELL: well.name, schema.TIME: year})
        if values.isnull().any():
            first = values[schema.TIME].values[values.isnull().values.argmax()]
            return f"{name!r} has a gap at {timeline.format_time(first)}, which the model looks at"
    return "the model gave no level"


def _fall_back(well: Well, data: xr.Dataset, issue_time: np.datetime64, horizon: int) -> None:
    """Forecast a well by the climatology of its levels, if there are enough of them."""
    try:
        well.level, well.trained_through = by_climatology(data, issue_time, horizon)
    except (SchemaError, ValueError) as error:
        well.reasons.append(f"and by climatology neither: {error}")
        return
    well.model = FALLBACK
    well.reasons.append(f"forecast by {FALLBACK}")


def _assemble(
    wells: Sequence[Well], issue_time: np.datetime64, horizon: int, frequency: str
) -> xr.Dataset:
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
        "reason": ("reason of the status", ["; ".join(w.reasons) for w in wells]),
        "model": ("forecaster", [w.model for w in wells]),
        "forcing": ("origin of the weather after the issue time", [w.forcing for w in wells]),
        "bundle": ("sha256 of the bundle", [w.bundle for w in wells]),
    }
    times = {
        "last_observation": ("last level", [w.last_observation for w in wells]),
        "last_covariate": ("last step with all covariates", [w.last_covariate for w in wells]),
        "trained_through": (
            "end of the levels that were fitted",
            [w.trained_through for w in wells],
        ),
    }
    for name, (long_name, values) in texts.items():
        product[name] = (schema.WELL, np.array(values, object), {"long_name": long_name})
    for name, (long_name, stamps) in times.items():
        array = np.array([pd.Timestamp(t).to_datetime64() for t in stamps], schema.TIME_DTYPE)
        product[name] = (schema.WELL, array, {"long_name": long_name})
    return product
