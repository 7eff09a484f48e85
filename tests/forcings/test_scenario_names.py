"""The name of a scenario goes with its forecasts: attributes, bundles, tables and figures."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr
from matplotlib import pyplot as plt

import gwforecast as gw
from gwforecast.forcings.scenario import forcing_from_state, forcing_to_state

WEATHER = gw.ClimatologyWeather(fewest=2)
DRY = gw.Scenario("dry <1>", WEATHER, factors={"rain": 0.5}, shifts={"temperature": 2.0})


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    return gw.load_sample().isel(well=[0, 2], time=slice(3000, 4500))


@pytest.fixture(scope="module")
def fitted(observations: xr.Dataset):
    return gw.fit_calibrated([gw.Linear(lookbacks=(8,))], observations, horizon=5, forcing=DRY)


def test_a_forecast_has_the_name_in_attributes_and_figure(fitted, observations: xr.Dataset) -> None:
    ahead = fitted.forecast(observations, issue_times=observations["time"].values[[-1]])
    assert ahead.attrs["forcing"] == "scenario"
    assert ahead.attrs["scenario"] == "dry <1>"
    assert ahead.attrs["scenario_of"] == "climatology"
    ax = gw.plots.fan(ahead, observations, well="scarp")
    assert "scenario 'dry <1>'" in "".join(ax.get_title(loc=side) for side in ("left", "center"))
    plt.close("all")


def test_a_bundle_keeps_the_scenario(fitted, observations: xr.Dataset, tmp_path: Path) -> None:
    again = gw.load(fitted.save(tmp_path))
    assert again.forcing.label == "scenario 'dry <1>' of climatology"
    assert (again.forcing.factors, again.forcing.shifts) == (DRY.factors, DRY.shifts)


def test_a_backtest_has_it_in_title_and_table(observations: xr.Dataset) -> None:
    result = gw.backtest(
        observations, models=["linear"], horizon=5, stride=60, forcing=DRY,
        settings={"linear": {"lookbacks": [8]}},
    )  # fmt: skip
    assert "scenario 'dry <1>' of climatology" in repr(result)
    assert set(result.to_dataframe()["scenario"]) == {"dry <1>"}
    assert result.hindcasts.attrs["scenario"] == "dry <1>"


def test_other_forcings_are_stored_by_their_origin() -> None:
    assert forcing_to_state(WEATHER) == {"forcing": "climatology"}
    assert forcing_from_state({"forcing": "observed"}).label == "observed"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "", "factors": {}, "shifts": {}},
        {"name": 3, "factors": {}, "shifts": {}},
        {"name": "x", "factors": {"rain": float("nan")}, "shifts": {}},
        {"name": "x", "factors": {"rain": "much"}, "shifts": {}},
        {"name": "x", "factors": []},
        {"name": "x"},
    ],
)
def test_a_damaged_scenario_is_refused(changes: dict) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        forcing_from_state({"forcing": "climatology", "scenario": changes})
