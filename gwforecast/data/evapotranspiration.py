"""Potential evapotranspiration by named methods, computed by pyet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import timeline
from gwforecast.schema import SchemaError

__all__ = ["INPUTS", "METHODS", "EvapotranspirationMethod", "potential_evapotranspiration"]

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
    "temperature": "tmean",
    "temperature_min": "tmin",
    "temperature_max": "tmax",
    "radiation": "rs",
    "humidity": "rh",
    "wind": "wind",
    "latitude": "lat",
    "elevation": "elevation",
}
"""Names of the inputs in pyet."""

WATT_TO_MEGAJOULE = 0.0864  # W/m2 to MJ/m2/d
WIND_AT_TWO_METRES = 0.748  # FAO 56, equation 47, for wind measured at 10 m


def potential_evapotranspiration(
    inputs: Mapping[str, xr.DataArray], *, method: EvapotranspirationMethod = "oudin"
) -> xr.DataArray:
    """Return the potential evapotranspiration of each step, (well, time), mm per step.

    Parameters
    ----------
    inputs : mapping of str to xarray.DataArray
        Covariates (well, time) by kind: ``temperature``, ``temperature_min`` and
        ``temperature_max`` in degC, ``radiation`` in W/m2 (attribute ``units`` with ``W``) or
        MJ/m2/d, ``humidity`` in %, ``wind`` in m/s at 10 m; static attributes (well,):
        ``latitude`` in degrees north, ``elevation`` in m. :data:`INPUTS` says which a method needs.
    method : {"oudin", "hargreaves", "makkink", "penman_monteith"}
        The method.

    Raises
    ------
    ValueError
        If the method is unknown.
    SchemaError
        If an input of the method is missing, or a maximum temperature is below the minimum.

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
    for i in range(temperature.sizes["well"]):  # pyet takes the series of one place
        daily[i] = function(**_arguments({n: v.isel(well=i) for n, v in given.items()})).to_numpy()
    frequency = timeline.infer_frequency(temperature["time"].values)
    amount = daily * (365.25 / timeline.steps_per_year(frequency))
    amount = amount.where(np.isfinite(temperature)).drop_attrs()
    amount.attrs = {
        "units": "mm",
        "long_name": f"potential evapotranspiration, {METHODS[method]}",
        "kind": "evapotranspiration",
    }
    return amount.rename("potential_evapotranspiration")


def _arguments(of_well: Mapping[str, xr.DataArray]) -> dict[str, pd.Series | float]:
    """Return the inputs of one well under pyet's names: series over time, or numbers."""
    return {
        ARGUMENTS[name]: value.to_series() if value.ndim else float(value)
        for name, value in of_well.items()
    }


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
