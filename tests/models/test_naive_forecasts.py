"""Forecasts of the naive baselines, from the levels up to each issue time."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.forcings.base import ObservedWeather
from gwforecast.models.naive import Climatology, Persistence, RandomWalkDrift, SeasonalNaive
from gwforecast.schema import SchemaError, validate_forecast
from gwforecast.sequences.split import split_by_fraction

EVERY = [Persistence, RandomWalkDrift, Climatology, SeasonalNaive]


def record(freq: str = "D", *, steps: int = 1500, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    level = rng.normal(size=(2, steps)).cumsum(axis=1) + 50
    level[rng.random(level.shape) < 0.3] = np.nan
    times = pd.date_range("2001-01-01", periods=steps, freq=freq)
    return xr.Dataset({"level": (("well", "time"), level)}, {"well": ["a", "b"], "time": times})


def forecast(forecaster, observations, issued, horizon=20):
    split = split_by_fraction(observations)
    fitted = forecaster().fit(observations, split=split)
    return fitted.forecast(
        observations, issue_times=issued, horizon=horizon, forcing=ObservedWeather()
    )


def test_persistence_holds_the_last_level_however_old() -> None:
    observations = record()
    observations["level"][:, 1190:1210] = np.nan
    issued = observations["time"].values[[1000, 1205, 1400]]
    found = validate_forecast(forecast(Persistence, observations, issued))["level"]
    for number, issue_time in enumerate(issued):
        for well in ("a", "b"):
            past = observations["level"].sel(well=well, time=slice(None, issue_time))
            assert (found.sel(well=well).values[number] == past.dropna("time").values[-1]).all()


def test_before_the_first_level_there_is_no_persistence() -> None:
    observations = record()
    observations["level"][1, :700] = np.nan
    found = forecast(Persistence, observations, observations["time"].values[[650]])["level"]
    assert np.isfinite(found.values[0]).all()
    assert np.isnan(found.values[1]).all()


def test_drift_goes_on_along_the_line() -> None:
    observations = record()
    line = 3 + 0.5 * np.arange(observations.sizes["time"])
    observations["level"][:] = line
    found = forecast(RandomWalkDrift, observations, observations["time"].values[[1000]])["level"]
    np.testing.assert_allclose(found.values[:, 0], np.broadcast_to(line[1001:1021], (2, 20)))


def test_seasonal_naive_repeats_the_year_before_the_issue_time() -> None:
    observations = record()
    observations["level"][:] = np.arange(1500.0)
    found = forecast(SeasonalNaive, observations, observations["time"].values[[1300]])["level"]
    # the year before holds 29 February 2004
    np.testing.assert_array_equal(found.values[0, 0], np.arange(1301, 1321) - 366.0)


def test_climatology_stays_as_it_was_fitted() -> None:
    observations = record()
    fitted = Climatology().fit(observations, split=split_by_fraction(observations))
    issued = observations["time"].values[[1300, 1400]]
    found = fitted.forecast(observations, issue_times=issued, horizon=9, forcing=ObservedWeather())[
        "level"
    ]
    whole = fitted.simulate(observations)["level"]
    for number, position in enumerate((1300, 1400)):
        np.testing.assert_array_equal(
            found.values[:, number], whole.values[:, position + 1 : position + 10]
        )


@pytest.mark.parametrize("forecaster", EVERY)
@pytest.mark.parametrize("freq", ["D", "W-WED", "MS", "ME"])
def test_a_level_after_the_issue_time_changes_nothing(forecaster, freq: str) -> None:
    observations = record(freq, steps=900)
    issued = observations["time"].values[[700, 860]]
    expected = forecast(forecaster, observations, issued)["level"].values
    assert np.isfinite(expected).any()
    for later in (np.nan, 1e6, 7.0):
        for number, issue_time in enumerate(issued):
            changed = observations.copy(deep=True)
            changed["level"] = changed["level"].where(changed["time"] <= issue_time, later)
            found = _fitted(forecaster, observations).forecast(
                changed, issue_times=issued[[number]], horizon=20, forcing=ObservedWeather()
            )
            assert found["level"].values[:, 0].tobytes() == expected[:, number].tobytes()


def _fitted(forecaster, observations):
    return forecaster().fit(observations, split=split_by_fraction(observations))


@pytest.mark.parametrize("forecaster", EVERY)
def test_an_issue_time_must_be_a_step(forecaster) -> None:
    observations = record()
    with pytest.raises(SchemaError, match="Each issue time must be a step"):
        forecast(forecaster, observations, np.array(["2001-06-01T12:00"], "datetime64[us]"))
