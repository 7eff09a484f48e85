"""Covariates derived from covariates: season, snow, evapotranspiration, antecedent means.

Every function returns a new Dataset with covariates added and the old ones untouched. Each derived
value depends on its own step and on those before it only, so that nothing after a split or an
issue time can leak through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError

__all__ = [
    "DEFAULT_FEATURES",
    "FEATURES",
    "add_antecedent",
    "add_evapotranspiration",
    "add_season",
    "add_snow",
    "derive_features",
    "find_covariate",
]

DEFAULT_FEATURES = ("season", "snow")

DEGREE_DAY_FACTOR = 3.0  # mm/degC/d, the middle of the usual range for lowlands
SNOW_RANGE = (-1.0, 1.0)  # degC, between which the share of snow falls from 1 to 0


def find_covariate(observations: xr.Dataset, kind: str) -> str | None:
    """Return the name of the first covariate of a kind, or None where there is none."""
    names = schema.covariate_names(observations)
    return next((n for n in names if schema.covariate_kind(n, observations[n].attrs) == kind), None)


def derive_features(
    observations: xr.Dataset, features: Iterable[str] = DEFAULT_FEATURES
) -> xr.Dataset:
    """Return the observations with derived covariates added.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    features : iterable of str
        Names from :data:`FEATURES`. ``"snow"`` is left out where there is no rain or temperature.

    Raises
    ------
    ValueError
        If a feature is not known.
    """
    for feature in features:
        if feature not in FEATURES:
            raise ValueError(
                f"A derived feature must be one of {sorted(FEATURES)}. Received {feature!r}. "
                "Correct the name in the setting 'features'."
            )
        observations = FEATURES[feature](observations)
    return observations


def add_season(observations: xr.Dataset) -> xr.Dataset:
    """Add ``season_sin`` and ``season_cos``, the day of the year on a circle (dimensionless)."""
    days = pd.DatetimeIndex(observations[schema.TIME].values).day_of_year.to_numpy()
    angle = 2 * np.pi * days / 365.25
    shape = observations[schema.LEVEL].shape
    return observations.assign(
        {
            name: _covariate(np.broadcast_to(curve(angle), shape).copy(), "1", long, "season")
            for name, curve, long in (
                ("season_sin", np.sin, "sine of the day of the year"),
                ("season_cos", np.cos, "cosine of the day of the year"),
            )
        }
    )


def mean_temperature(observations: xr.Dataset) -> xr.DataArray | None:
    """Return the mean temperature, or that of minimum and maximum, (well, time), degC.

    Raises
    ------
    SchemaError
        If the median of its first year lies outside -60 to 60 degC.
    """
    name = find_covariate(observations, "temperature")
    low = find_covariate(observations, "temperature_min")
    high = find_covariate(observations, "temperature_max")
    if name is not None:
        temperature = observations[name]
    elif low is not None and high is not None:
        temperature = (0.5 * (observations[low] + observations[high])).rename(f"{low}, {high}")
    else:
        return None
    # the first year alone: what comes after a split must not decide what is done before it
    year = round(timeline.steps_per_year(timeline.infer_frequency(temperature["time"].values)))
    first = float(temperature.isel({schema.TIME: slice(0, year)}).median())
    if abs(first) > 60:
        raise SchemaError(
            f"Temperature must be in degC. Received {temperature.name!r} with a median of "
            f"{first:.1f} in its first year. Subtract 273.15 from kelvin, or divide tenths of a "
            "degree by 10."
        )
    return temperature


def add_snow(
    observations: xr.Dataset, *, degree_day_factor: float = DEGREE_DAY_FACTOR
) -> xr.Dataset:
    """Add ``snow_storage`` and ``liquid_water`` (rain and melt) by a degree-day model.

    Precipitation falls as snow below -1 degC and as rain above 1 degC, in between in proportion.
    The storage starts empty; it melts by ``degree_day_factor`` mm for each degC and day above 0.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time), with a covariate of kind rain (an amount for each step) and of kind
        temperature. Without them the observations are returned as they are.
    degree_day_factor : float
        mm/degC/d.

    References
    ----------
    Hock (2003), J. Hydrol. 282, doi:10.1016/S0022-1694(03)00257-9.
    """
    rain_name, temperature = find_covariate(observations, "rain"), mean_temperature(observations)
    if rain_name is None or temperature is None:
        return observations
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    days = 365.25 / timeline.steps_per_year(frequency)
    rain = observations[rain_name].values
    low, high = SNOW_RANGE
    frozen = np.clip((high - temperature.values) / (high - low), 0.0, 1.0)
    melt_limit = degree_day_factor * days * np.maximum(temperature.values, 0.0)
    storage, liquid = snow_balance(rain * frozen, rain * (1 - frozen), melt_limit)
    units = observations[rain_name].attrs.get("units", "mm")
    return observations.assign(
        snow_storage=_covariate(storage, "mm", "snow storage, degree-day model", "snow"),
        liquid_water=_covariate(liquid, units, "rain and melt water, degree-day model", "water"),
    )


def snow_balance(
    snowfall: np.ndarray, rainfall: np.ndarray, melt_limit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return storage after each step and the water that leaves it, both (well, time).

    Steps with a missing input are missing in the results and leave the storage as it was.

    Examples
    --------
    >>> snow_balance(np.array([[4.0, 0, 0]]), np.array([[0.0, 1, 0]]), np.array([[0.0, 3, 3]]))
    (array([[4., 1., 0.]]), array([[0., 4., 1.]]))
    """
    known = np.isfinite(snowfall) & np.isfinite(rainfall) & np.isfinite(melt_limit)
    snow, limit = np.where(known, snowfall, 0.0), np.where(known, melt_limit, 0.0)
    storage = np.empty_like(snow)
    melted = np.empty_like(snow)
    held = np.zeros(snow.shape[0])
    for step in range(snow.shape[1]):
        held = held + snow[:, step]
        melted[:, step] = np.minimum(held, limit[:, step])
        held = held - melted[:, step]
        storage[:, step] = held
    return np.where(known, storage, np.nan), np.where(known, melted + rainfall, np.nan)


def add_evapotranspiration(observations: xr.Dataset) -> xr.Dataset:
    """Add ``potential_evapotranspiration`` from temperature and latitude.

    Where a covariate of kind evapotranspiration is there already, or temperature or the static
    attribute ``latitude`` (degrees north) is not, the observations are returned as they are.

    References
    ----------
    Oudin et al. (2005), J. Hydrol. 303, doi:10.1016/j.jhydrol.2004.08.026; extraterrestrial
    radiation after Allen et al. (1998), FAO Irrigation and Drainage Paper 56, equation 21.
    """
    temperature = mean_temperature(observations)
    if (
        find_covariate(observations, "evapotranspiration") is not None
        or temperature is None
        or "latitude" not in observations
    ):
        return observations
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    days = 365.25 / timeline.steps_per_year(frequency)
    day = pd.DatetimeIndex(observations[schema.TIME].values).day_of_year.to_numpy()
    radiation = extraterrestrial_radiation(day, observations["latitude"].values[:, None])
    amount = days * radiation / 2.45 * np.maximum(temperature.values + 5.0, 0.0) / 100.0
    long_name = "potential evapotranspiration, Oudin et al. 2005"
    return observations.assign(
        potential_evapotranspiration=_covariate(amount, "mm", long_name, "evapotranspiration")
    )


def extraterrestrial_radiation(day: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Return the daily radiation above the atmosphere, MJ/m2/d, by FAO 56 equation 21.

    Parameters
    ----------
    day : numpy.ndarray
        Day of the year, 1 to 366.
    latitude : numpy.ndarray
        Degrees north.

    Examples
    --------
    FAO 56, example 8: 3 September at 20 degrees south.

    >>> float(extraterrestrial_radiation(np.array(246), np.array(-20.0)).round(1))
    32.2
    """
    angle = 2 * np.pi * day / 365
    declination = 0.409 * np.sin(angle - 1.39)
    distance = 1 + 0.033 * np.cos(angle)
    phi = np.radians(latitude)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1.0, 1.0))
    return np.asarray(
        24 * 60 / np.pi * 0.0820 * distance
        * (
            sunset * np.sin(phi) * np.sin(declination)
            + np.cos(phi) * np.cos(declination) * np.sin(sunset)
        )
    )  # fmt: skip


def add_antecedent(observations: xr.Dataset, *, years: Iterable[float] = (0.25, 1.0)) -> xr.Dataset:
    """Add means of the rain with an exponentially fading memory, ``rain_<years>y``.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time). Without a covariate of kind rain it is returned as it is.
    years : iterable of float
        Time constants of the memory.
    """
    rain = find_covariate(observations, "rain")
    if rain is None:
        return observations
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    frame = pd.DataFrame(observations[rain].values.T)
    added = {}
    for span in years:
        constant = span * timeline.steps_per_year(frequency)
        mean = frame.ewm(alpha=1 - np.exp(-1 / constant), adjust=True).mean().where(frame.notna())
        added[f"rain_{span:g}y"] = _covariate(
            mean.to_numpy().T,
            str(observations[rain].attrs.get("units", "mm")),
            f"mean rain with a memory of {span:g} years",
            "antecedent",
        )
    return observations.assign(added)


def _covariate(values: np.ndarray, units: str, long_name: str, kind: str) -> xr.Variable:
    attrs = {"units": units, "long_name": long_name, "kind": kind}
    return xr.Variable((schema.WELL, schema.TIME), np.asarray(values, float), attrs)


FEATURES: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "season": add_season,
    "snow": add_snow,
    "evapotranspiration": add_evapotranspiration,
    "antecedent": add_antecedent,
}
"""Derived features by name."""
