"""The water of the land surface: snow, soils, and potential evapotranspiration by pyet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import xarray as xr

from gwforecast import timeline
from gwforecast.schema import SchemaError

__all__ = [
    "INPUTS", "METHODS", "EvapotranspirationMethod", "potential_evapotranspiration",
    "root_zone_recharge", "snow_and_liquid_water", "soil_recharge",
]  # fmt: skip

EvapotranspirationMethod = Literal["oudin", "hargreaves", "makkink", "penman_monteith"]

INPUTS: dict[str, tuple[str, ...]] = {
    "oudin": ("temperature", "latitude"),
    "hargreaves": ("temperature", "temperature_min", "temperature_max", "latitude"),
    "makkink": ("temperature", "radiation", "elevation"),
    "penman_monteith": (
        *("temperature", "temperature_min", "temperature_max", "radiation", "humidity", "wind"),
        *("latitude", "elevation"),
    ),
}
"""Kinds of covariates and static attributes that each method needs."""

METHODS: dict[str, str] = {
    "oudin": "Oudin et al. 2005",
    "hargreaves": "Hargreaves and Samani 1985",
    "makkink": "Makkink 1957",
    "penman_monteith": "Penman-Monteith, FAO 56",
}
"""Methods by name, with their sources."""

ARGUMENTS: dict[str, str] = {
    "temperature": "tmean", "temperature_min": "tmin", "temperature_max": "tmax",
    "radiation": "rs", "humidity": "rh", "wind": "wind", "latitude": "lat",
    "elevation": "elevation",
}  # fmt: skip
"""Names of the inputs in pyet."""

WATT_TO_MEGAJOULE = 0.0864  # W/m2 to MJ/m2/d
WIND_AT_TWO_METRES = 0.748  # FAO 56, equation 47, for wind measured at 10 m


def potential_evapotranspiration(
    inputs: Mapping[str, xr.DataArray], *, method: EvapotranspirationMethod = "oudin"
) -> xr.DataArray:
    """Return the potential evapotranspiration of each step, (well, time), mm per step.

    Raises ValueError if the method is unknown, and SchemaError if an input of the method is
    missing, or a maximum temperature is below the minimum.

    Parameters
    ----------
    inputs : mapping of str to xarray.DataArray
        Covariates (well, time) by kind: ``temperature``, ``temperature_min`` and
        ``temperature_max`` in degC, ``radiation`` in W/m2 (attribute ``units`` with ``W``) or
        MJ/m2/d, ``humidity`` in %, ``wind`` in m/s at 10 m; static attributes (well,):
        ``latitude`` in degrees north, ``elevation`` in m. :data:`INPUTS` says which a method needs.
    method : {"oudin", "hargreaves", "makkink", "penman_monteith"}
        The method.

    References
    ----------
    Oudin et al. (2005), doi:10.1016/j.jhydrol.2004.08.026. Hargreaves and Samani (1985),
    doi:10.13031/2013.26773. Makkink (1957), J. Inst. Water Eng. 11, 277-288. Allen et al. (1998),
    FAO Irrigation and Drainage Paper 56. Computed by pyet: Vremec et al. (2024),
    doi:10.5194/gmd-17-7083-2024.
    """
    import pyet  # loaded only where it is used

    if method not in INPUTS:
        raise ValueError(
            f"A method of evapotranspiration must be one of {', '.join(INPUTS)}. Received "
            f"{method!r}. Correct the name."
        )
    missing = [name for name in INPUTS[method] if name not in inputs]
    if missing:
        raise SchemaError(
            f"Evapotranspiration by {method!r} needs {', '.join(INPUTS[method])}. Received no "
            f"{', '.join(missing)}. Add these covariates or static attributes, or use 'oudin', "
            "which needs temperature and latitude."
        )
    temperature = inputs["temperature"]
    if "temperature_min" in INPUTS[method]:
        _check_range(inputs["temperature_min"], inputs["temperature_max"])
    given = {name: _in_units_of_pyet(name, inputs[name]) for name in INPUTS[method]}
    function = {
        "oudin": pyet.oudin,
        "hargreaves": pyet.hargreaves,
        "makkink": pyet.makkink,
        "penman_monteith": pyet.pm_fao56,
    }[method]
    daily = xr.full_like(temperature, np.nan, dtype=float)
    for i in range(temperature.sizes["well"]):  # pyet takes series and numbers of one place
        of_well = {ARGUMENTS[name]: value.isel(well=i) for name, value in given.items()}
        daily[i] = function(**{
            name: value.to_series() if value.ndim else float(value)
            for name, value in of_well.items()
        }).to_numpy()  # fmt: skip
    frequency = timeline.infer_frequency(temperature["time"].values)
    amount = daily * (timeline.days_per_step(frequency))
    amount = amount.where(np.isfinite(temperature)).drop_attrs()
    amount.attrs = {
        "units": "mm",
        "long_name": f"potential evapotranspiration, {METHODS[method]}",
        "kind": "evapotranspiration",
    }
    return amount.rename("potential_evapotranspiration")


def _check_range(low: xr.DataArray, high: xr.DataArray) -> None:
    wrong = np.argwhere((low > high).transpose("well", "time").values)
    if len(wrong):
        well, step = wrong[0]
        time = timeline.format_time(low["time"].values[step])
        raise SchemaError(
            f"A maximum temperature must not be below the minimum. Received {len(wrong)} steps "
            f"where it is, the first at well {str(low['well'].values[well])!r}, {time}. Correct "
            f"{low.name!r} or {high.name!r} there, or swap the columns."
        )


def _in_units_of_pyet(name: str, value: xr.DataArray) -> xr.DataArray:
    if name == "latitude":
        return value * (np.pi / 180.0)
    if name == "wind":
        return value * WIND_AT_TWO_METRES
    if name == "radiation" and "MJ" not in str(value.attrs.get("units", "W/m2")):
        return value * WATT_TO_MEGAJOULE
    return value


DEGREE_DAY_FACTOR = 3.0  # mm/degC/d, the middle of the usual range for lowlands

SNOW_RANGE = (-1.0, 1.0)  # degC, between which the share of snow falls from 1 to 0

EVAPORATION_FACTOR = 0.16  # mm/degC/d, about that of Oudin et al. (2005) at middle latitudes

FEW_SERIES = 4  # up to which plain numbers are faster than arrays of one value a series

SOIL_DRY = 0.6  # relative moisture below which evapotranspiration is less than potential


def snow_and_liquid_water(
    rain: np.ndarray,
    temperature: np.ndarray,
    *,
    days: float,
    degree_day_factor: float = DEGREE_DAY_FACTOR,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return snow storage, and rain and melt water, both (series, time), mm.

    Precipitation is in mm a step, temperature in degC, both (series, time), the degree-day factor
    in mm/degC/d; ``start`` is the storage before the first step, (series,), by default 0.
    """
    low, high = SNOW_RANGE
    frozen = np.clip((high - temperature) / (high - low), 0.0, 1.0)
    melt_limit = degree_day_factor * days * np.maximum(temperature, 0.0)
    return snow_balance(rain * frozen, rain * (1 - frozen), melt_limit, start=start)


def snow_balance(
    snowfall: np.ndarray,
    rainfall: np.ndarray,
    melt_limit: np.ndarray,
    *,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return storage after each step and the water that leaves it, both (series, time), mm.

    The storage before the first step is ``start``, shape (series,), by default 0. Steps with a
    missing input are missing in the results and leave the storage as it was.

    Examples
    --------
    >>> snow_balance(np.array([[4.0, 0, 0]]), np.array([[0.0, 1, 0]]), np.array([[0.0, 3, 3]]))
    (array([[4., 1., 0.]]), array([[0., 4., 1.]]))
    """
    known = np.isfinite(snowfall) & np.isfinite(rainfall) & np.isfinite(melt_limit)
    snow, limit = np.where(known, snowfall, 0.0), np.where(known, melt_limit, 0.0)
    held = np.zeros(snow.shape[0]) if start is None else start
    if len(snow) <= FEW_SERIES:
        storage, melted = np.empty_like(snow), np.empty_like(snow)
        for number, first in enumerate(held.tolist()):
            storage[number], melted[number] = _one_snow(snow[number], limit[number], first)
        return np.where(known, storage, np.nan), np.where(known, melted + rainfall, np.nan)
    by_step = np.empty((2, *snow.T.shape))  # the values of a step side by side in memory
    steps = zip(*by_step, np.ascontiguousarray(snow.T), np.ascontiguousarray(limit.T), strict=True)
    for stored, melt, fallen, most in steps:
        held = held + fallen
        np.minimum(held, most, out=melt)
        held = np.subtract(held, melt, out=stored)
    storage, melted = by_step.swapaxes(1, 2)
    return np.where(known, storage, np.nan), np.where(known, melted + rainfall, np.nan)


def _one_snow(snow: np.ndarray, limit: np.ndarray, held: float) -> tuple[list[float], list[float]]:
    """Return storage and melt of one series, in the order of snow_balance."""
    storage, melted = [], []
    for fallen, most in zip(snow.tolist(), limit.tolist(), strict=True):
        held += fallen
        melt = min(held, most)
        held -= melt
        storage.append(held)
        melted.append(melt)
    return storage, melted


def soil_recharge(
    water: np.ndarray,
    demand: np.ndarray,
    *,
    capacities: Sequence[float],
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the recharge below soils of several capacities, and their moisture.

    The soil of the HBV model [1]_: the share of the water that passes grows with the square of the
    relative moisture, what the soil cannot hold passes too, and evapotranspiration is potential
    above 60 % moisture.

    Rain and melt water, and the demand (potential evapotranspiration), are mm a step, (series,
    time); ``start`` is the moisture before the first step, (soil, series), mm, by default half of
    the capacities, mm. Recharge and moisture after each step have the shape (soil, series, time),
    mm; a step with a missing input has no recharge and leaves the soils as they were.

    References
    ----------
    .. [1] Lindstrom et al. (1997). Development and test of the distributed HBV-96 hydrological
       model. Journal of Hydrology 201, 272-288. https://doi.org/10.1016/S0022-1694(97)00041-3

    Examples
    --------
    >>> rain = np.array([[8.0, 4, 0]])
    >>> recharge, moisture = soil_recharge(rain, np.zeros_like(rain), capacities=[10.0])
    >>> recharge[0, 0].tolist(), moisture[0, 0].tolist()
    ([3.0, 4.0, 0.0], [10.0, 10.0, 10.0])
    """
    known = np.isfinite(water) & np.isfinite(demand)
    rain, potential = np.where(known, water, 0.0), np.where(known, demand, 0.0)
    full = np.array(capacities)[:, None]
    held = np.repeat(0.5 * full, len(water), axis=1) if start is None else start
    if len(water) <= FEW_SERIES:
        soils = [
            [_one_soil(*one, capacity) for one in zip(rain, potential, of_soil, strict=True)]
            for capacity, of_soil in zip(full[:, 0].tolist(), held.tolist(), strict=True)
        ]
        passed, moisture = np.moveaxis(np.array(soils), 2, 0)
        return np.where(known, passed, np.nan), moisture
    passed = np.empty((water.shape[1], *held.shape))
    moisture = np.empty_like(passed)
    for step in range(water.shape[1]):
        through = rain[:, step] * np.square(held / full)
        held = held + (rain[:, step] - through)
        excess = np.maximum(held - full, 0.0)
        held = held - excess
        passed[step] = through + excess
        drawn = potential[:, step] * np.minimum(held / (SOIL_DRY * full), 1.0)
        held = moisture[step] = held - np.minimum(drawn, held)
    recharge = np.where(known, np.moveaxis(passed, 0, -1), np.nan)
    return recharge, np.moveaxis(moisture, 0, -1)


def _one_soil(
    rain: np.ndarray, potential: np.ndarray, held: float, capacity: float
) -> tuple[list[float], list[float]]:
    """Return recharge and moisture of one soil under one series, in the order of soil_recharge."""
    passed, moisture = [], []
    for fallen, wanted in zip(rain.tolist(), potential.tolist(), strict=True):
        through = fallen * ((held / capacity) * (held / capacity))
        held += fallen - through
        excess = max(held - capacity, 0.0)
        held -= excess
        passed.append(through + excess)
        held -= min(wanted * min(held / (SOIL_DRY * capacity), 1.0), held)
        moisture.append(held)
    return passed, moisture


def root_zone_recharge(
    rain: np.ndarray, demand: np.ndarray, temperature: np.ndarray | None, parameters: np.ndarray
) -> np.ndarray:
    """Return the recharge below the root zone by the model FlexModel of pastas [1]_, (time,), mm.

    Snow melts by degree days [2]_, rain and melt water fill the interception and then the root
    zone, and the recharge is a power of the relative moisture of the root zone.

    Rain and demand (potential evapotranspiration) are mm a step, the temperature degC, all (time,)
    and finite; without temperature all precipitation is rain. Parameters are in the order of
    pastas: capacity of the root zone (mm), relative moisture below which evapotranspiration is less
    than potential, saturated recharge (mm per step), its exponent, factor of the demand, capacity
    of the interception (mm) and, with a temperature, that below which snow falls (degC) and the
    degree-day factor (mm/degC per step).

    References
    ----------
    .. [1] Collenteur et al. (2021). Estimation of groundwater recharge from groundwater levels
       using nonlinear transfer function noise models and comparison to lysimeter data. Hydrology
       and Earth System Sciences 25, 2931-2949. https://doi.org/10.5194/hess-25-2931-2021
    .. [2] Kavetski and Kuczera (2007). Model smoothing strategies to remove microscale
       discontinuities in conceptual hydrological models. Water Resources Research 43.
       https://doi.org/10.1029/2006WR005195
    """
    capacity, dry, fastest, exponent, factor, canopy = parameters[:6].tolist()
    frost, degree_days = parameters[6:].tolist() if temperature is not None else (0.0, 0.0)
    warmth = [1.0] * rain.size if temperature is None else temperature.tolist()
    snow, leaves, moisture = 0.0, 0.0, 0.5 * capacity
    recharge = []
    for fallen, potential, warm in zip(
        rain.tolist(), (factor * demand).tolist(), warmth, strict=True
    ):
        falling, melted = (fallen, 0.0) if warm <= frost else (0.0, 0.0)
        if warm > frost and snow > 0:
            melted = min(degree_days * (warm - frost) * (1.0 - math.exp(-snow / 1.5)), snow)
        snow += falling - melted
        evaporated = min(potential, leaves)
        leaves += fallen - falling - evaporated
        water = max(leaves - canopy, 0.0)
        leaves -= water
        moisture = min(max(moisture, 0.0), capacity)
        drawn = (potential - evaporated) * min(moisture / (dry * capacity), 1.0)
        passed = min(fastest * (moisture / capacity) ** exponent, moisture)
        recharge.append(passed)
        moisture += water + melted - passed - drawn
    return np.array(recharge)
