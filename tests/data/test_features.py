"""Derived covariates: closed forms, mass balance, causality, and what they leave alone."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.data import water_balance
from gwforecast.data.covariates import (
    FEATURES,
    add_evapotranspiration,
    add_snow,
    derive_features,
    find_covariate,
    mean_temperature,
)
from gwforecast.data.water_balance import snow_and_liquid_water, snow_balance, soil_recharge
from gwforecast.schema import SchemaError, covariate_names

RNG = np.random.default_rng(0)


def observations(frequency: str = "D", steps: int = 800, **covariates: np.ndarray) -> xr.Dataset:
    time = pd.date_range("2001-01-01", periods=steps, freq=frequency).to_numpy()
    made = {"rr": RNG.gamma(0.5, 6, (2, steps)), "tg": RNG.normal(3, 7, (2, steps)), **covariates}
    dataset = xr.Dataset(
        {"level": (("well", "time"), RNG.normal(size=(2, steps)))},
        {"well": ["a", "b"], "time": time.astype("datetime64[us]")},
    )
    return dataset.assign({name: (("well", "time"), v) for name, v in made.items()})


def test_snow_keeps_the_mass() -> None:
    snowfall, rainfall = RNG.gamma(0.5, 4, (2, 3, 500))
    storage, liquid = snow_balance(snowfall, rainfall, RNG.gamma(0.5, 8, (3, 500)))
    np.testing.assert_allclose(
        np.cumsum(snowfall + rainfall, axis=1), np.cumsum(liquid, axis=1) + storage, rtol=1e-9
    )
    assert (storage >= 0).all()


def test_without_frost_the_liquid_water_is_the_rain() -> None:
    warm = observations(tg=np.full((2, 800), 12.0))
    derived = add_snow(warm)
    np.testing.assert_array_equal(derived["liquid_water"], warm["rr"])
    assert (derived["snow_storage"] == 0).all()


def test_missing_weather_is_missing_in_the_snow_and_keeps_the_storage() -> None:
    data = observations(tg=np.full((2, 800), -5.0))
    data["rr"][:, 10] = np.nan
    storage = add_snow(data)["snow_storage"]
    assert storage[:, 10].isnull().all()
    expected = float(data["rr"][0].sum())
    assert float(storage[0, -1]) == pytest.approx(expected)


@pytest.mark.parametrize("frequency", ["D", "W-MON", "MS"])
@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_looks_at_no_later_step(feature: str, frequency: str) -> None:
    weather = {
        "tn": RNG.uniform(-9, 0, (2, 200)), "tx": RNG.uniform(0, 25, (2, 200)),
        "qq": RNG.gamma(4, 30, (2, 200)), "hu": RNG.uniform(40, 95, (2, 200)),
        "fg": RNG.gamma(2, 1, (2, 200)), "rr": RNG.gamma(0.5, 6, (2, 200)),
        "tg": RNG.normal(6, 5, (2, 200)),
    }  # fmt: skip
    data = observations(frequency, 200, **weather)
    data = data.assign(latitude=("well", [50.0, 51.0]), elevation=("well", [9.0, 80.0]))
    changed = data.copy(deep=True)
    for name in ("rr", "tg", "level"):
        changed[name][:, 120:] = 1e6 if name != "tg" else 25.0
    before, after = (FEATURES[feature](d).isel(time=slice(0, 120)) for d in (data, changed))
    xr.testing.assert_identical(before, after)


def test_the_given_covariates_are_untouched() -> None:
    data = observations()
    kept = data.copy(deep=True)
    derived = derive_features(data, ("season", "snow", "antecedent"))
    xr.testing.assert_identical(data, kept)
    xr.testing.assert_identical(derived[list(kept.data_vars)], kept)
    assert len(covariate_names(derived)) == 8


def test_minimum_and_maximum_stand_in_for_the_mean() -> None:
    data = observations().drop_vars("tg")
    data["tn"], data["tx"] = xr.full_like(data["rr"], 2.0), xr.full_like(data["rr"], 8.0)
    temperature = mean_temperature(data)
    assert temperature is not None
    assert (temperature == 5.0).all()
    assert "snow_storage" in add_snow(data)


def test_without_temperature_there_is_no_snow() -> None:
    data = observations().drop_vars("tg")
    assert add_snow(data) is data
    assert find_covariate(data, "temperature") is None


def test_kelvin_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"degC. Received 'tg' with a median of 28\d.*273.15"):
        add_snow(observations(tg=RNG.normal(283, 5, (2, 800))))


def test_an_unknown_feature_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of .*'snow'.*Received 'tides'"):
        derive_features(observations(), ("tides",))


def test_evapotranspiration_is_that_of_oudin_in_summer() -> None:
    data = observations(tg=np.full((2, 800), 17.0)).assign(latitude=("well", [52.0, 52.0]))
    amount = add_evapotranspiration(data)["potential_evapotranspiration"]
    june = amount.sel(time="2001-06-21")
    # radiation above the atmosphere at 52 degrees north in late June is 41.7 MJ/m2/d (FAO 56)
    np.testing.assert_allclose(june, 41.7 / 2.45 * 22 / 100, rtol=0.01)


def test_water_of_a_soil_is_neither_made_nor_lost() -> None:
    rain = RNG.gamma(0.5, 8.0, (3, 4000))
    (passed,), (held,) = soil_recharge(rain, np.zeros_like(rain), capacities=[80.0])
    np.testing.assert_allclose(held, 40.0 + np.cumsum(rain - passed, axis=1), atol=1e-9)
    assert held.min() >= 0
    assert held.max() <= 80.0 + 1e-9
    (drawn,), _ = soil_recharge(rain, np.full_like(rain, 2.0), capacities=[80.0])
    assert (drawn <= passed + 1e-9).all()
    assert drawn.sum() < passed.sum()


def test_a_larger_soil_passes_less() -> None:
    rain = RNG.gamma(0.5, 8.0, (1, 4000))
    (small, large), _ = soil_recharge(rain, np.full_like(rain, 3.0), capacities=[50.0, 200.0])
    assert 0 < large.mean() < small.mean() < rain.mean()


def test_missing_weather_is_missing_in_the_recharge_and_keeps_the_soil() -> None:
    rain = np.full((1, 10), 8.0)
    rain[0, 4] = np.nan
    (passed,), _ = soil_recharge(rain, np.ones_like(rain), capacities=[50.0])
    (short,), _ = soil_recharge(np.delete(rain, 4, axis=1), np.ones((1, 9)), capacities=[50.0])
    assert np.isnan(passed[0, 4])
    np.testing.assert_array_equal(np.delete(passed, 4, axis=1), short)


def test_snow_and_soil_continue_from_a_state() -> None:
    rain, warm = RNG.gamma(0.5, 8.0, (2, 600)), RNG.normal(1.0, 5.0, (2, 600))
    thirst = np.maximum(warm, 0.0)
    storage, water = snow_and_liquid_water(rain, warm, days=1.0)
    recharge, moisture = soil_recharge(water, thirst, capacities=[50.0, 200.0])
    later, flow = snow_and_liquid_water(
        rain[:, 300:], warm[:, 300:], days=1.0, start=storage[:, 299]
    )
    again, held = soil_recharge(
        flow, thirst[:, 300:], capacities=[50.0, 200.0], start=moisture[..., 299]
    )
    np.testing.assert_array_equal(later, storage[:, 300:])
    np.testing.assert_array_equal(again, recharge[..., 300:])
    np.testing.assert_array_equal(held, moisture[..., 300:])


@pytest.mark.parametrize("wells", [1, 3])
def test_few_series_and_many_have_the_same_water_balance_to_the_last_digit(wells: int) -> None:
    rng = np.random.default_rng(wells)
    fallen, other, melt = rng.gamma(0.5, 8.0, (3, wells, 400))
    fallen[0, 50:60] = np.nan
    start = np.linspace(0.0, 9.0, wells)

    def repeated(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values] * (water_balance.FEW_SERIES + 1))

    few = water_balance.snow_balance(fallen, other, melt, start=start)
    many = water_balance.snow_balance(*map(repeated, (fallen, other, melt)), start=repeated(start))
    for one, of_many in zip(few, many, strict=True):
        np.testing.assert_array_equal(of_many[:wells], one)
    few = water_balance.soil_recharge(fallen, melt, capacities=[20.0, 90.0])
    many = water_balance.soil_recharge(repeated(fallen), repeated(melt), capacities=[20.0, 90.0])
    for one, of_many in zip(few, many, strict=True):
        np.testing.assert_array_equal(of_many[:, :wells], one)
