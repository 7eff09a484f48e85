"""Potential evapotranspiration against the worked examples of FAO 56, and what is asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.data.covariates import add_evapotranspiration, derive_features
from gwforecast.data.water_balance import INPUTS
from gwforecast.schema import SchemaError

TIMES = pd.date_range("2001-01-01", "2002-12-31")


def observations(frequency: str = "D", **covariates: float) -> xr.Dataset:
    """Return a well at 50.8 degrees north, 100 m, whose covariates are constant."""
    times = TIMES if frequency == "D" else pd.date_range("2001-01-01", "2002-12-31", freq=frequency)
    units = {"tg": "degC", "tn": "degC", "tx": "degC", "qq": "MJ/m2/d", "hu": "%", "fg": "m/s"}
    values = {
        name: (("well", "time"), np.full((1, times.size), value), {"units": units[name]})
        for name, value in covariates.items()
    }
    level = {"level": (("well", "time"), np.zeros((1, times.size)))}
    data = xr.Dataset(level | values, {"well": ["a"], "time": times.to_numpy()})
    return data.assign(latitude=("well", [50.8]), elevation=("well", [100.0]))


ALL = {"tg": 16.9, "tn": 12.3, "tx": 21.5, "qq": 22.07, "hu": 73.5, "fg": 2.78}


def on(data: xr.Dataset, day: str) -> float:
    return float(data["potential_evapotranspiration"].sel(time=day).squeeze())


def test_penman_monteith_gives_the_worked_example_of_fao_56() -> None:
    # example 18: Uccle, 6 July, wind of 10 km/h at 10 m, 3.9 mm/d from the extremes of humidity,
    # of which the mean is given here
    data = derive_features(observations(**ALL), ("penman_monteith",))
    assert on(data, "2001-07-06") == pytest.approx(3.9, abs=0.15)


def test_hargreaves_is_its_formula() -> None:
    data = derive_features(observations(**ALL), ("hargreaves",))
    radiation = 41.1 / (2.501 - 0.002361 * 16.9)  # above the atmosphere at 50.8 N on 6 July, mm/d
    expected = 0.0023 * radiation * (16.9 + 17.8) * np.sqrt(21.5 - 12.3)
    assert on(data, "2001-07-06") == pytest.approx(expected, rel=0.02)


def test_makkink_does_not_depend_on_latitude_and_is_proportional_to_radiation() -> None:
    one = derive_features(observations(**ALL), ("makkink",))
    two = derive_features(observations(**{**ALL, "qq": 2 * ALL["qq"]}), ("makkink",))
    assert on(two, "2001-07-06") == pytest.approx(2 * on(one, "2001-07-06"))
    assert on(one, "2001-01-06") == on(one, "2001-07-06")
    # 0.65 * slope / (slope + psychrometric constant) * radiation / latent heat, FAO 56 at 16.9 degC
    assert on(one, "2001-07-06") == pytest.approx(0.65 * 0.646 * 22.07 / 2.461, rel=0.02)


def test_radiation_in_watts_is_the_same_as_in_megajoules() -> None:
    data = observations(**ALL)
    watts = data.assign(qq=(data["qq"] / 0.0864).assign_attrs(units="W/m2"))
    for method in ("makkink", "penman_monteith"):
        one, two = (derive_features(d, (method,)) for d in (data, watts))
        assert on(one, "2001-07-06") == pytest.approx(on(two, "2001-07-06"))


def test_an_amount_is_that_of_the_step() -> None:
    daily = derive_features(observations(**ALL), ("makkink",))
    weekly = derive_features(observations("W-MON", **ALL), ("makkink",))
    assert on(weekly, "2001-07-09") == pytest.approx(7 * on(daily, "2001-07-09"))


@pytest.mark.parametrize("method", sorted(INPUTS))
def test_a_named_method_says_which_inputs_are_missing(method: str) -> None:
    data = observations(tg=10.0).drop_vars(["latitude", "elevation"])
    with pytest.raises(SchemaError, match=rf"by '{method}' needs .* Received no .*latitude|elev"):
        add_evapotranspiration(data, method=method)  # type: ignore[arg-type]


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of oudin.*Received 'turc'"):
        add_evapotranspiration(observations(**ALL), method="turc")  # type: ignore[arg-type]


def test_without_a_method_what_is_there_is_kept() -> None:
    present = observations(tg=10.0).assign(et=(("well", "time"), np.ones((1, TIMES.size))))
    assert "potential_evapotranspiration" not in add_evapotranspiration(present)
    assert "potential_evapotranspiration" in add_evapotranspiration(present, method="oudin")


def test_a_missing_input_stays_missing() -> None:
    data = observations(**ALL)
    data["tg"][0, 5] = np.nan
    amount = derive_features(data, ("oudin",))["potential_evapotranspiration"]
    assert int(np.isnan(amount).sum()) == 1


def test_a_maximum_below_the_minimum_is_refused_with_its_place() -> None:
    data = observations(**ALL)
    data["tx"][0, 7] = 0.0
    with pytest.raises(SchemaError, match=r"1 steps where it is, .*'a', 2001-01-08"):
        add_evapotranspiration(data, method="hargreaves")
