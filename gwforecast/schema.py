"""Names of dimensions, variables and units, and the form of the two data objects.

Data are validated here on entry to the package; functions further down rely on their form.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from gwforecast import timeline
from gwforecast.timeline import SchemaError

__all__ = [
    "BY_MODEL", "KINDS", "WELL_STATUSES", "SchemaError", "attribute_names", "coordinate_names",
    "covariate_kind", "covariate_names", "label_forecast", "validate_forecast",
    "validate_observations", "validate_simulation", "well_names",
]  # fmt: skip

LEVEL = "level"
WELL = "well"
TIME = "time"
MEMBER = "member"
QUANTILE = "quantile"
MODEL = "model"
ISSUE_TIME = "issue_time"
LEAD_TIME = "lead_time"
VALID_TIME = "valid_time"
FORCING_MEMBER = "forcing_member"
NETWORK = "network"
LEVEL_UNITS = "m"
TIME_DTYPE = np.dtype("datetime64[us]")
PLACES = (("longitude", "latitude"), ("lon", "lat"), ("x", "y"))

COMMON_MISSING_CODES = (
    *(-9999.0, -999.0, -999.9, -99999.0, -9999.9, 9999.0, 99999.0, 999999.0, -999999.0),
    *(999999999.0, -999999999.0, 32700.0, 32744.0, 32766.0),  # the last of China's CMA
)
"""Numbers that many files contain for missing values; readers do not accept them as data."""

MISSING_CODES = (
    *COMMON_MISSING_CODES,
    *(999.0, 999.9, 9999.9, -999.99, 999.99, -99.9, 99.9, -99.99, 99.99, -999999.0, 999999.0),
    *(-99.0, 99.0, -32768.0, 32767.0, -32767.0),
    *(-3.4028235e38, 9.96921e36, 1e20, -1e20, 1e30, -1e30, 1e31),
)
"""All numbers that loggers, archives and file formats are known to write for missing values.

Many of these can also be measured, so that the quality check only reports those that lie far from
all other values of a series.
"""

KINDS: dict[str, tuple[str, ...]] = {
    "rain": ("rr", "p", "rain", "rainfall", "precip", "precipitation", "prcp", "prec", "pr", "tp",
             "rd", "hyras_pr"),
    "temperature": ("tg", "t", "tas", "temp", "temperature", "t2m", "tmean", "tavg", "hyras_tas"),
    "temperature_min": ("tn", "tmin", "tasmin", "hyras_tasmin"),
    "temperature_max": ("tx", "tmax", "tasmax", "hyras_tasmax"),
    "evapotranspiration": ("et", "et0", "pet", "epot", "ev24", "evap", "evaporation",
                           "evapotranspiration", "dwd_evapo_fao"),
    "humidity": ("hu", "rh", "hurs", "humidity", "relative_humidity", "hyras_hurs"),
    "radiation": ("qq", "rsds", "ssrd", "radiation", "srad", "hyras_rsds"),
    "wind": ("fg", "wind", "sfcwind", "wind_speed"),
    "pressure": ("pp", "psl", "pressure", "msl"),
    "season": ("tsin", "sin_season", "cos_season"),
    "snow": ("snow", "snwd", "snow_depth", "swe", "era5_sdwe"),
    "stage": ("stage", "stage_m", "river_stage", "river_level", "waterlevel"),
    "pumping": ("pumping", "abstraction", "extraction", "well_discharge"),
}  # fmt: skip
"""Kinds of covariates and their usual names, lower case: E-OBS, HYRAS, ERA5, CMIP, KNMI, GHCN."""


def covariate_kind(name: str, attrs: dict[str, object] | None = None) -> str:
    """Return the kind of a covariate: ``attrs["kind"]``, the kind of its name, or ``"other"``.

    Examples
    --------
    >>> covariate_kind("rr"), covariate_kind("TX"), covariate_kind("nitrate")
    ('rain', 'temperature_max', 'other')
    """
    if attrs and attrs.get("kind"):
        return str(attrs["kind"])
    lowered = name.lower()
    return next((kind for kind, names in KINDS.items() if lowered in names), "other")


def well_names(labelled: xr.Dataset | xr.DataArray) -> list[str]:
    """Return the names of the wells, in their order."""
    return [str(well) for well in labelled[WELL].values]


def covariate_names(observations: xr.Dataset) -> list[str]:
    """Return the names of the covariates: variables over (well, time) except level and flags."""
    return [
        str(name)
        for name, variable in observations.data_vars.items()
        if variable.dims == (WELL, TIME) and name != LEVEL and not str(name).endswith("_flag")
    ]


def attribute_names(observations: xr.Dataset) -> list[str]:
    """Return the names of the static attributes: variables over (well,)."""
    return [str(n) for n, variable in observations.data_vars.items() if variable.dims == (WELL,)]


def coordinate_names(observations: xr.Dataset) -> tuple[str, str] | None:
    """Return the names of the two attributes with the location of the wells, or None."""
    there = set(attribute_names(observations))
    return next((names for names in PLACES if set(names) <= there), None)


def validate_observations(
    observations: xr.Dataset, *, covariates: Iterable[str] = ()
) -> xr.Dataset:
    """Check the form of an observations Dataset and return it unchanged.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time). ``level`` (well, time) in m above a datum, NaN where nothing was
        observed; covariates (well, time), static attributes (well,). ``time`` is naive UTC,
        strictly increasing and regular: daily, weekly or monthly.
    covariates : iterable of str, optional
        Covariates that must be present.

    Returns
    -------
    xarray.Dataset
        The same object.

    Raises
    ------
    SchemaError
        If the data do not have this form; the message states rule, data and remedy.
    """
    if not isinstance(observations, xr.Dataset):
        raise SchemaError(
            f"Observations must be an xarray.Dataset. Received {type(observations).__name__}. "
            "Build one with gwforecast.observations_from_frames(levels, covariates)."
        )
    for dimension in (WELL, TIME):
        if dimension not in observations.coords:
            raise SchemaError(
                f"Observations need the coordinates 'well' and 'time'. Received "
                f"{sorted(map(str, observations.coords))}. Rename the dimension that holds "
                f"{dimension!r} with Dataset.rename, or assign it with Dataset.assign_coords."
            )
    _check_wells(observations[WELL].values)
    timeline.infer_frequency(observations[TIME].values)
    if LEVEL not in observations:
        raise SchemaError(
            f"Observations need a variable 'level' (well, time) in m above a datum. Received the "
            f"variables {sorted(map(str, observations.data_vars))}. Rename the level with "
            "Dataset.rename; a depth to water is converted with gwforecast.level_from_depth."
        )
    _check_variable(observations[LEVEL])
    if observations[LEVEL].attrs.get("units", LEVEL_UNITS) != LEVEL_UNITS:
        raise SchemaError(
            f"'level' must be in m. Received units "
            f"{observations[LEVEL].attrs['units']!r}. Convert the values and set "
            "level.attrs['units'] = 'm'."
        )
    for name in covariate_names(observations):
        _check_variable(observations[name])
    missing = [name for name in covariates if name not in covariate_names(observations)]
    if missing:
        raise SchemaError(
            f"Every requested covariate must be in the observations. Received "
            f"{covariate_names(observations)}, which lacks {missing}. Add the series, or remove "
            "the name from the settings."
        )
    return observations


def validate_simulation(simulation: xr.Dataset) -> xr.Dataset:
    """Check the form of a simulation, ``level`` (well, time[, member | quantile]); return it.

    Raises SchemaError if the dimensions differ, or the quantiles are not increasing within (0, 1).
    """
    allowed = [(WELL, TIME), (WELL, TIME, MEMBER), (WELL, TIME, QUANTILE)]
    dims = tuple(map(str, simulation[LEVEL].dims)) if LEVEL in simulation else None
    if dims not in allowed:
        raise SchemaError(
            f"A simulation holds 'level' over (well, time), with member or quantile last. "
            f"Received dims {dims}. Transpose it with Dataset.transpose."
        )
    _check_quantiles(simulation)
    return simulation


def label_forecast(
    level: np.ndarray, *, wells: Iterable[str], issue_times: np.ndarray, frequency: str
) -> xr.Dataset:
    """Return forecast levels as a Dataset, ``level`` (well, issue_time, lead_time[, member]), m.

    Lead times are the steps 1, 2, ... after the issue time: timedeltas, or the number of months for
    monthly steps. The coordinate ``valid_time`` (issue_time, lead_time) is the time that is
    forecast.

    Examples
    --------
    >>> issue = np.array(["2020-01-06"], "datetime64[us]")
    >>> forecast = label_forecast(np.zeros((1, 1, 2)), wells=["a"], issue_times=issue,
    ...                           frequency="W-MON")
    >>> forecast["valid_time"].values.astype("datetime64[D]").tolist()
    [[datetime.date(2020, 1, 13), datetime.date(2020, 1, 20)]]
    """
    dims = (WELL, ISSUE_TIME, LEAD_TIME, MEMBER)[: level.ndim]
    steps = np.arange(1, level.shape[2] + 1)
    issue_times = timeline.to_times(issue_times)
    coords: dict[str, object] = {
        WELL: np.asarray(list(wells), dtype=object),
        ISSUE_TIME: issue_times,
        LEAD_TIME: (LEAD_TIME, *timeline.lead_times(steps, frequency)),
        VALID_TIME: (
            (ISSUE_TIME, LEAD_TIME),
            timeline.valid_times(issue_times, steps, frequency),
        ),
    }
    if level.ndim == 4:
        coords[MEMBER] = np.arange(level.shape[3])
    attrs = {"units": LEVEL_UNITS, "long_name": "forecast level"}
    return xr.Dataset({LEVEL: (dims, level, attrs)}, coords)


def validate_forecast(forecast: xr.Dataset) -> xr.Dataset:
    """Check the form of a forecast and return it unchanged.

    ``level`` (well, issue_time, lead_time), with member or quantile last, and ``valid_time``
    (issue_time, lead_time), each of which lies after its issue time.

    Raises SchemaError if the data do not have this form; the message states rule, data and remedy.
    """
    base = (WELL, ISSUE_TIME, LEAD_TIME)
    dims = tuple(map(str, forecast[LEVEL].dims)) if LEVEL in forecast else None
    if dims not in (base, (*base, MEMBER), (*base, QUANTILE)):
        raise SchemaError(
            "A forecast holds 'level' over (well, issue_time, lead_time), with member or quantile "
            f"last. Received dims {dims}. Transpose it with Dataset.transpose."
        )
    if VALID_TIME not in forecast.coords or forecast[VALID_TIME].dims != (ISSUE_TIME, LEAD_TIME):
        raise SchemaError(
            "A forecast needs the coordinate 'valid_time' (issue_time, lead_time). Received the "
            f"coordinates {sorted(map(str, forecast.coords))}. Make it with schema.label_forecast."
        )
    early = forecast[VALID_TIME] <= forecast[ISSUE_TIME]
    if early.any():
        bad = forecast[ISSUE_TIME].values[early.any(LEAD_TIME).values][0]
        raise SchemaError(
            "Valid times must lie after the issue time. Received a valid_time at or before the "
            f"issue time {timeline.format_time(bad)}. Use lead times of at least one step."
        )
    _check_quantiles(forecast)
    return forecast


def _check_quantiles(dataset: xr.Dataset) -> None:
    if QUANTILE not in dataset[LEVEL].dims:
        return
    quantiles = dataset[QUANTILE].values
    if not (np.all(np.diff(quantiles) > 0) and quantiles[0] > 0 and quantiles[-1] < 1):
        raise SchemaError(
            f"Quantiles must increase inside (0, 1). Received {quantiles.tolist()}. "
            "Sort them with Dataset.sortby('quantile')."
        )


def _check_wells(wells: np.ndarray) -> None:
    if wells.size == 0:
        raise SchemaError(
            "Observations need at least one well. Received none. Check the filter, or the folder "
            "from which the wells were read."
        )
    for name in wells.tolist():
        if not isinstance(name, str) or not name.strip():
            raise SchemaError(
                f"Names of wells must be non-empty text. Received {name!r}. "
                "Convert numbers with dataset.assign_coords(well=dataset.well.astype(str)), and "
                "name wells without a name."
            )
    unique, counts = np.unique(wells.astype(str), return_counts=True)
    if (counts > 1).any():
        raise SchemaError(
            f"Names of wells must be unique. Received {str(unique[counts > 1][0])!r} "
            f"{counts.max()} times. Rename or merge these wells."
        )


def _check_variable(variable: xr.DataArray) -> None:
    name = variable.name
    if tuple(variable.dims) != (WELL, TIME):
        raise SchemaError(
            f"{name!r} must have the dimensions (well, time). Received {tuple(variable.dims)}. "
            "Use Dataset.transpose or Dataset.expand_dims."
        )
    if variable.dtype.kind != "f":
        raise SchemaError(
            f"{name!r} must hold floating point numbers. Received dtype {variable.dtype}. "
            "Convert it with astype(float); encode categories as static attributes."
        )
    infinite = np.isinf(variable.values)
    if infinite.any():
        well, time = (int(index[0]) for index in np.nonzero(infinite))
        raise SchemaError(
            f"{name!r} must be finite or NaN. Received {variable.values[well, time]} at well "
            f"{str(variable[WELL].values[well])!r}, "
            f"{timeline.format_time(variable[TIME].values[time])}. Replace it with NaN or "
            "with the measured value."
        )


WELL_STATUSES = {
    "ok": "forecast by its champion model from recent data",
    "degraded": "forecast by its model with a limitation that is given as the reason",
    "stale": "levels or weather are too old; forecast by climatology",
    "no_data": "no levels",
    "check_failed": "levels or weather failed a check; forecast by climatology where possible",
    "model_missing": "no model was trained; forecast by climatology",
    "model_invalid": "the model cannot be read or does not match the data; forecast by climatology",
    "error": "the model failed; forecast by climatology",
}
"""Status of the forecast of a well, and its meaning."""

BY_MODEL = ("ok", "degraded")
"""Statuses of wells that a trained model forecasts."""
