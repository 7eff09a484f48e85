"""Names of dimensions, variables and units, and the form of the two data objects.

Everything that enters the package is checked here once, at the door. Below the door the form is
taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from gwforecast import timeline
from gwforecast.timeline import SchemaError

__all__ = [
    "KINDS",
    "SchemaError",
    "attribute_names",
    "covariate_kind",
    "covariate_names",
    "validate_observations",
    "validate_simulation",
]

LEVEL = "level"
WELL = "well"
TIME = "time"
MEMBER = "member"
QUANTILE = "quantile"
MODEL = "model"
LEVEL_UNITS = "m"
TIME_DTYPE = np.dtype("datetime64[us]")

KINDS: dict[str, tuple[str, ...]] = {
    "rain": (
        "rr",
        "p",
        "rain",
        "rainfall",
        "precip",
        "precipitation",
        "prcp",
        "prec",
        "pr",
        "tp",
        "rd",
        "hyras_pr",
    ),
    "temperature": ("tg", "t", "tas", "temp", "temperature", "t2m", "tmean", "tavg", "hyras_tas"),
    "temperature_min": ("tn", "tmin", "tasmin", "hyras_tasmin"),
    "temperature_max": ("tx", "tmax", "tasmax", "hyras_tasmax"),
    "evapotranspiration": (
        "et",
        "et0",
        "pet",
        "epot",
        "ev24",
        "evap",
        "evaporation",
        "evapotranspiration",
        "dwd_evapo_fao",
    ),
    "humidity": ("hu", "rh", "hurs", "humidity", "relative_humidity", "hyras_hurs"),
    "radiation": ("qq", "rsds", "ssrd", "radiation", "srad", "hyras_rsds"),
    "wind": ("fg", "wind", "sfcwind", "wind_speed"),
    "pressure": ("pp", "psl", "pressure", "msl"),
    "season": ("tsin", "sin_season", "cos_season"),
    "snow": ("snow", "snwd", "snow_depth", "swe", "era5_sdwe"),
    "stage": ("stage", "stage_m", "river_stage", "river_level", "waterlevel"),
    "pumping": ("pumping", "abstraction", "extraction", "well_discharge"),
}
"""Kind of a covariate by its usual names (lower case): E-OBS, HYRAS, ERA5, CMIP, KNMI, GHCN."""


def covariate_kind(name: str, attrs: dict[str, object] | None = None) -> str:
    """Return the kind of a covariate: ``attrs["kind"]``, else by its name, else ``"other"``.

    Examples
    --------
    >>> covariate_kind("rr"), covariate_kind("TX"), covariate_kind("nitrate")
    ('rain', 'temperature_max', 'other')
    """
    if attrs and attrs.get("kind"):
        return str(attrs["kind"])
    lowered = name.lower()
    return next((kind for kind, names in KINDS.items() if lowered in names), "other")


def covariate_names(observations: xr.Dataset) -> list[str]:
    """Return the names of the covariates: every variable over (well, time) but level and flags."""
    return [
        str(name)
        for name, variable in observations.data_vars.items()
        if variable.dims == (WELL, TIME) and name != LEVEL and not str(name).endswith("_flag")
    ]


def attribute_names(observations: xr.Dataset) -> list[str]:
    """Return the names of the static attributes: every data variable over (well,) alone."""
    return [str(n) for n, variable in observations.data_vars.items() if variable.dims == (WELL,)]


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

    Raises
    ------
    SchemaError
        If the form does not hold; the message names the rule, what was received and the mend.
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
            f"Every covariate that is asked for must be in the observations. Received "
            f"{covariate_names(observations)}, which lacks {missing}. Add the series, or take the "
            "name from the setting."
        )
    return observations


def validate_simulation(simulation: xr.Dataset) -> xr.Dataset:
    """Check the form of a simulation, ``level`` (well, time[, member | quantile]); return it.

    Raises
    ------
    SchemaError
        If the dimensions are others, or the quantiles are not sorted and inside (0, 1).
    """
    allowed = [(WELL, TIME), (WELL, TIME, MEMBER), (WELL, TIME, QUANTILE)]
    dims = tuple(map(str, simulation[LEVEL].dims)) if LEVEL in simulation else None
    if dims not in allowed:
        raise SchemaError(
            f"A simulation holds 'level' over (well, time), with member or quantile last. "
            f"Received dims {dims}. Transpose it with Dataset.transpose."
        )
    if QUANTILE in dims:
        quantiles = simulation[QUANTILE].values
        if not (np.all(np.diff(quantiles) > 0) and quantiles[0] > 0 and quantiles[-1] < 1):
            raise SchemaError(
                f"Quantiles must increase inside (0, 1). Received {quantiles.tolist()}. "
                "Sort them with Dataset.sortby('quantile')."
            )
    return simulation


def _check_wells(wells: np.ndarray) -> None:
    if wells.size == 0:
        raise SchemaError(
            "Observations need at least one well. Received none. Check the filter or the folder "
            "that the wells were read from."
        )
    for name in wells.tolist():
        if not isinstance(name, str) or not name.strip():
            raise SchemaError(
                f"Names of wells must be non-empty text. Received {name!r}. "
                "Convert numbers with dataset.assign_coords(well=dataset.well.astype(str)), and "
                "give empty ones a name."
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
            f"{timeline.format_time(variable[TIME].values[time])}. Replace it by NaN or "
            "the measured value."
        )
