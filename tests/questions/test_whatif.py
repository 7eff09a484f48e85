"""Scenarios: what is asked is what is changed, and answers agree with a known linear truth."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.questions.projections import project, read_projections
from gwforecast.questions.whatif import (
    Change,
    WhatIf,
    apply_changes,
    parse_change,
    simulate,
    trained_ranges,
    whatif,
)
from gwforecast.schema import SchemaError

DAYS = pd.date_range("2000-01-01", "2009-12-31")
PER_MM = 0.05  # m of level for each mm/d of mean rain: the truth of the reservoir
MEMORY = 40.0


def reservoir(rain: np.ndarray) -> np.ndarray:
    kept = np.exp(-1 / MEMORY)
    return 30 + PER_MM * pd.Series(rain).ewm(alpha=1 - kept, adjust=False).mean().to_numpy()


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    rng = np.random.default_rng(5)
    rain = rng.gamma(0.5, 6.0, DAYS.size) * (1 + 0.3 * np.cos(np.arange(DAYS.size) / 58.1))
    temperature = 10 - 8 * np.cos(np.arange(DAYS.size) / 58.1) + rng.normal(0, 2, DAYS.size)
    level = reservoir(rain) + rng.normal(0, 0.002, DAYS.size)
    dims = ("well", "time")
    return xr.Dataset(
        {
            "level": (dims, level[None]),
            "rain": (dims, rain[None], {"units": "mm/d", "kind": "rain"}),
            "temperature": (dims, temperature[None], {"units": "degC", "kind": "temperature"}),
        },
        {"well": ["a"], "time": DAYS},
    )


@pytest.fixture(scope="module")
def answer(observations: xr.Dataset) -> WhatIf:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return whatif(observations, [Change("rain", factor=0.8)], name="drier", models=["linear"])


def test_the_difference_is_that_of_the_truth(observations: xr.Dataset, answer: WhatIf) -> None:
    rain = observations["rain"].values[0]
    true = reservoir(0.8 * rain) - reservoir(rain)
    found = answer.levels["difference"].isel(well=0)
    assert np.abs(found.sel(quantile=0.5).values[400:] - true[400:]).max() < 0.01
    year = answer.differences.set_index("month").loc[0]
    assert year["lower_95"] < true[1461:].mean() < year["upper_95"]
    assert year["upper_95"] < 0


def test_the_scenario_carries_its_name_and_no_change_is_no_difference(
    observations: xr.Dataset, answer: WhatIf
) -> None:
    assert answer.levels.attrs["scenario"] == "drier"
    assert answer.levels["scenario"].values.tolist() == ["reference", "drier"]
    same = whatif(observations, [Change("rain")], models=["linear"])
    np.testing.assert_array_equal(same.levels["difference"].values, 0.0)
    known = answer.levels["level"].sel(scenario="reference", quantile=0.5)
    whole = simulate(observations, models=["linear"]).levels["level"].sel(quantile=0.5)
    np.testing.assert_allclose(known, whole)


def test_changes_hold_for_their_months_and_kinds(observations: xr.Dataset) -> None:
    changed = apply_changes(observations, [parse_change("rain=*0.5@6-8"), parse_change("rain=+1")])
    ratio = (changed["rain"] - 1) / observations["rain"].where(observations["rain"] > 0)
    summer = observations["time"].dt.month.isin([6, 7, 8])
    assert np.allclose(ratio.where(summer, drop=True), 0.5)
    assert np.allclose(ratio.where(~summer, drop=True), 1.0)
    assert changed["temperature"].equals(observations["temperature"])
    xr.testing.assert_identical(
        changed, apply_changes(observations, ["rain=*0.5@6-8", Change("rain", shift=1.0)])
    )
    xr.testing.assert_identical(
        apply_changes(observations, "rain=+1"), apply_changes(observations, Change("rain", 1, 1.0))
    )
    zero = apply_changes(observations, [Change("rain", value=0.0)])
    assert (zero["rain"] == 0).all()


@pytest.mark.parametrize("text", ["rain", "rain=", "rain=x0.8", "rain=*0.8@13", "rain=*1@a"])
def test_a_change_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Received|numbers from 1 to 12"):
        parse_change(text)


def test_an_unknown_covariate_is_refused(observations: xr.Dataset) -> None:
    with pytest.raises(SchemaError, match="changes covariates of the data: rain, temperature"):
        apply_changes(observations, [Change("river")])


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (Change("rain", factor=-3.0), "Changed rain is not negative"),
        (Change("rain", shift=-1.0), "Changed rain is not negative"),
        (Change("temperature", factor=1e308), "Changed covariates are finite"),
    ],
)
def test_impossible_weather_is_refused_before_a_fit(
    observations: xr.Dataset, change: Change, rule: str
) -> None:
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=rule):
        whatif(observations, [change], models=["none, as nothing is fitted"])


def test_leaving_the_trained_range_is_warned_of(observations: xr.Dataset) -> None:
    with pytest.warns(UserWarning, match="leaves it for rain; most of all the mean of a year"):
        whatif(observations, [Change("rain", factor=2.0)], models=["linear"])
    ranges = trained_ranges(observations, observations)
    assert (ranges["share_outside"] == 0).all()


def test_projections_of_many_members_and_models_from_netcdf(
    observations: xr.Dataset, tmp_path: Path
) -> None:
    one = observations[["rain", "temperature"]].isel(well=0, drop=True)
    factors = xr.DataArray([1.0, 0.9], {"member": [1, 2]}, ("member",))
    late = xr.where(one["time"].dt.year >= 2006, factors, 1.0)
    tiled = xr.Dataset(
        {
            "pr": (one["rain"] * late / 86400).assign_attrs(units="kg m-2 s-1"),
            "tas": (one["temperature"] + 273.15).assign_attrs(units="K"),
        }
    ).expand_dims(model=["x", "y"])
    tiled.to_netcdf(tmp_path / "rcp.nc", engine="h5netcdf")
    read = read_projections(tmp_path / "rcp.nc", observations)
    assert dict(read.sizes) == {"projection": 4, "time": DAYS.size}
    np.testing.assert_allclose(read["rain"].isel(projection=0).values, one["rain"].values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = project(
            observations, read, reference=(2001, 2005), periods=[(2007, 2009)], models=["linear"]
        )
    change = found.changes.set_index("projection")["change"]
    rain = one["rain"].values
    level = [reservoir(f * rain) for f in (1.0, 0.9)]
    years = DAYS.year.to_numpy()
    for number, name in enumerate(("x 1", "x 2")):
        true = level[number][years > 2006].mean()
        true -= level[0][(years > 2000) & (years < 2006)].mean()
        assert abs(change[name] - true) < 0.01
    assert found.summary()["projections"].tolist() == [4]
    assert found.levels["level"].dims == ("projection", "well", "time")


def test_a_projection_without_a_covariate_is_refused(observations: xr.Dataset) -> None:
    with pytest.raises(SchemaError, match="without 'temperature'"):
        project(observations, observations[["rain"]], reference=(2001, 2002), periods=[])


def test_spellings_of_units_of_projections_are_the_same(
    observations: xr.Dataset, tmp_path: Path
) -> None:
    data = observations.copy()
    data["temperature"] = data["temperature"].assign_attrs(units="°C")
    data.isel(well=0, drop=True).drop_vars("level").to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    for given in (data, observations):
        read = read_projections(tmp_path / "a.nc", given)
        np.testing.assert_array_equal(read["temperature"][0], data["temperature"][0])
