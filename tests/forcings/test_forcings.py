"""Weather after an issue time: past years, forecasts as they were issued, scenarios."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.forcings.base import ObservedWeather, continue_weather
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.forcings.scenario import Scenario, make_forcing
from gwforecast.forcings.weather_forecast import WeatherForecast
from gwforecast.schema import SchemaError
from gwforecast.sequences.audit import replaced


def record(freq: str = "D", steps: int = 4000, start: str = "2004-01-01") -> xr.Dataset:
    """The value of each step of the rain is its position; the temperature is minus that."""
    times = pd.date_range(start, periods=steps, freq=freq)
    values = np.arange(float(len(times)))
    dims = ("well", "time")
    return xr.Dataset(
        {
            "level": (dims, np.stack([values, values])),
            "rr": (dims, np.stack([values, values + 0.5]), {"units": "mm"}),
            "tg": (dims, np.stack([-values, -values]), {"units": "degC"}),
        },
        {"well": ["a", "b"], "time": times},
    )


def futures(forcing, observations, issued, horizon=10):
    return forcing.futures(
        observations, issue_time=np.datetime64(issued, "us"), horizon=horizon,
        covariates=["rr", "tg"],
    )  # fmt: skip


def test_observed_weather_is_that_of_the_steps_after() -> None:
    found = futures(ObservedWeather(), record(), "2010-03-01")
    assert found["forcing_member"].values.tolist() == ["observed"]
    first = (np.datetime64("2010-03-02") - np.datetime64("2004-01-01")).astype(int)
    np.testing.assert_array_equal(found["rr"].values[0, 0], first + np.arange(10))
    assert found["rr"].attrs["units"] == "mm"


def test_climatology_is_what_followed_the_same_day_of_each_year() -> None:
    observations = record()
    found = futures(ClimatologyWeather(fewest=2), observations, "2010-06-15")
    assert found["forcing_member"].values.tolist() == [str(year) for year in range(2004, 2010)]
    for number, year in enumerate(range(2004, 2010)):
        first = (np.datetime64(f"{year}-06-16") - np.datetime64("2004-01-01")).astype(int)
        np.testing.assert_array_equal(found["rr"].values[1, number], first + 0.5 + np.arange(10))
    assert found["time"].values[0] == np.datetime64("2010-06-16")


def test_a_year_takes_part_only_where_all_its_steps_were_known() -> None:
    found = futures(ClimatologyWeather(fewest=2), record(), "2010-06-15", horizon=400)
    assert found["forcing_member"].values.tolist() == [str(year) for year in range(2004, 2009)]


def test_the_29th_of_february_is_the_28th_in_other_years() -> None:
    found = futures(ClimatologyWeather(fewest=2), record(), "2012-02-29", horizon=3)
    year = found["forcing_member"].values.tolist().index("2005")
    first = (np.datetime64("2005-03-01") - np.datetime64("2004-01-01")).astype(int)
    np.testing.assert_array_equal(found["rr"].values[0, year], first + np.arange(3))


@pytest.mark.parametrize("freq", ["W-WED", "MS", "ME"])
def test_steps_of_weeks_and_months_follow_the_nearest_step(freq: str) -> None:
    observations = record(freq, 400)
    issued = observations["time"].values[300]
    found = futures(ClimatologyWeather(), observations, issued, horizon=5)
    assert (np.diff(found["rr"].values, axis=-1) == 1).all()
    for number, year in enumerate(found["forcing_member"].values):
        position = int(found["rr"].values[0, number, 0]) - 1
        stamp = pd.Timestamp(observations["time"].values[position])
        wanted = pd.Timestamp(issued).replace(year=int(year), day=min(pd.Timestamp(issued).day, 28))
        assert abs(stamp - wanted) <= pd.Timedelta(days=4)


def test_years_with_a_gap_are_left_out_and_named() -> None:
    observations = record()
    observations["tg"].loc[{"well": "b", "time": "2007-06-20"}] = np.nan
    found = futures(ClimatologyWeather(fewest=2), observations, "2010-06-15")
    assert "2007" not in found["forcing_member"].values
    assert found.attrs["left_out"] == ["2007"]


def test_only_the_most_recent_years_where_that_is_asked_for() -> None:
    found = futures(ClimatologyWeather(years=3, fewest=2), record(), "2010-06-15")
    assert found["forcing_member"].values.tolist() == ["2007", "2008", "2009"]


def climate(*, slope: float, noise: float, years: int = 15) -> xr.Dataset:
    """Temperature, humidity and rain that rise alike, along a wave of the season."""
    times = pd.date_range("2000-01-01", periods=round(365.25 * years))
    age = np.arange(times.size) / 365
    series = 50 + 9 * np.sin(2 * np.pi * times.day_of_year.to_numpy() / 365.25) + slope * age
    series = series + np.random.default_rng(0).normal(scale=noise, size=(2, times.size))
    data = dict.fromkeys(("level", "rr", "tg", "hu", "nitrate"), (("well", "time"), series))
    return xr.Dataset(data, {"well": ["a", "b"], "time": times})


def moved(observations: xr.Dataset, issued: str = "2013-06-15") -> xr.Dataset:
    """By how much each version of the weather is moved."""
    names = ["rr", "tg", "hu", "nitrate"]
    with_trend, without = (
        ClimatologyWeather(trend=trend).futures(
            observations, issue_time=np.datetime64(issued, "us"), horizon=30, covariates=names
        )
        for trend in (True, False)
    )
    return with_trend - without


def test_past_weather_is_moved_to_the_climate_of_today() -> None:
    found = moved(climate(slope=0.1, noise=0.0))
    ago = 2013 - found["forcing_member"].values.astype(int)
    for name in ("tg", "hu"):
        by = found[name].transpose("well", "time", "forcing_member").values
        np.testing.assert_allclose(by, np.broadcast_to(0.1 * ago, by.shape), atol=2e-3)
    assert (found[["rr", "nitrate"]] == 0).all().to_array().all()


def test_weather_without_a_trend_stays_as_it_was() -> None:
    found = moved(climate(slope=0.0, noise=3.0))
    # the means of 13 years differ by chance, by 0.16 each
    assert float(abs(found["tg"]).max()) < 0.5
    assert (moved(climate(slope=0.1, noise=0.0, years=9), "2008-06-15") == 0).all().to_array().all()


def test_moved_weather_stays_within_what_was_observed() -> None:
    observations = climate(slope=1.0, noise=0.0)
    observations["hu"] = observations["hu"].clip(max=60.0)
    issued = np.datetime64("2013-06-15", "us")
    found = ClimatologyWeather().futures(
        observations, issue_time=issued, horizon=30, covariates=["hu"]
    )
    assert float(found["hu"].max()) == 60.0


def test_years_with_gaps_do_not_make_a_trend() -> None:
    observations = climate(slope=0.1, noise=0.0)
    gappy = observations["time"].dt.year.isin([2001, 2004])
    observations["tg"] = observations["tg"].where(~(gappy & (observations["time"].dt.month == 7)))
    found = moved(observations)
    at_2002 = found["tg"].sel(forcing_member="2002").values
    np.testing.assert_allclose(at_2002, 1.1, atol=2e-3)


def test_too_few_years_are_an_error() -> None:
    with pytest.raises(SchemaError, match=r"at least 5 past years .* Received 2 before 2006-06-15"):
        futures(ClimatologyWeather(), record(), "2006-06-15")


def ensemble(*, members: int | None, vintages: tuple[str, ...], steps: int = 15) -> xr.Dataset:
    """Each vintage holds the steps after it; the value is 100 vintage + member."""
    times = pd.date_range(vintages[0], periods=steps + 40)
    data = np.full((len(vintages), members or 1, times.size), np.nan)
    for number, vintage in enumerate(vintages):
        inside = (times > vintage) & (times <= pd.Timestamp(vintage) + pd.Timedelta(days=steps))
        data[number][:, inside] = 100 * number + np.arange(members or 1)[:, None]
    dims, coords = ("vintage", "member", "time"), {
        "vintage": pd.DatetimeIndex(vintages), "time": times,
    }  # fmt: skip
    dataset = xr.Dataset({"rr": (dims, data), "tg": (dims, data)}, coords)
    if members is None:
        return dataset.isel(member=0)
    return dataset.assign_coords(member=[f"m{i}" for i in range(members)])


def test_the_newest_vintage_at_or_before_the_issue_time_is_used() -> None:
    weather = ensemble(members=None, vintages=("2010-06-01", "2010-06-10", "2010-06-20"))
    forcing = WeatherForecast(weather)
    assert forcing.origin == "forecast"
    for issued, vintage in (("2010-06-10", 1), ("2010-06-12", 1), ("2010-06-20", 2)):
        found = futures(forcing, record(), issued, horizon=5)
        assert (found["rr"].values == 100 * vintage).all()
    # what a later vintage says is not known yet
    changed = weather.copy(deep=True)
    changed["rr"][2] = 1e6
    again = futures(WeatherForecast(changed), record(), "2010-06-12", horizon=5)
    assert again["rr"].equals(futures(forcing, record(), "2010-06-12", horizon=5)["rr"])


def test_before_the_first_vintage_there_is_no_forecast() -> None:
    forcing = WeatherForecast(ensemble(members=None, vintages=("2010-06-10",)))
    with pytest.raises(SchemaError, match="issued at or before the issue time"):
        futures(forcing, record(), "2010-06-09")


def test_an_old_vintage_is_refused_where_that_is_asked_for() -> None:
    weather = ensemble(members=None, vintages=("2010-06-10",))
    forcing = WeatherForecast(weather, oldest=pd.Timedelta(days=2))
    futures(forcing, record(), "2010-06-12", horizon=3)
    with pytest.raises(SchemaError, match="at most 2 days"):
        futures(forcing, record(), "2010-06-13", horizon=3)


def test_members_keep_their_names_and_those_that_end_early_are_reported() -> None:
    weather = ensemble(members=4, vintages=("2010-06-10",))
    weather["rr"].loc[{"member": "m2", "time": "2010-06-15"}] = np.nan
    forcing = WeatherForecast(weather)
    assert forcing.origin == "ensemble"
    with pytest.warns(UserWarning, match=r"1 of 4 members .* first 'm2'"):
        found = futures(forcing, record(), "2010-06-10", horizon=8)
    assert found["forcing_member"].values.tolist() == ["m0", "m1", "m3"]
    assert found.attrs["left_out"] == ["m2"]


def test_a_forecast_that_ends_early_names_series_and_date() -> None:
    forcing = WeatherForecast(ensemble(members=2, vintages=("2010-06-10",), steps=6))
    with pytest.raises(SchemaError, match=r"'rr' at well 'a' without a value at 2010-06-17"):
        futures(forcing, record(), "2010-06-10", horizon=9)


def test_a_fallback_goes_on_where_the_forecast_ends_and_is_stated() -> None:
    weather = ensemble(members=2, vintages=("2010-06-10",), steps=6)
    forcing = WeatherForecast(weather, fallback=ClimatologyWeather(fewest=2))
    observations = record()
    found = futures(forcing, observations, "2010-06-10", horizon=9)
    past = futures(ClimatologyWeather(fewest=2), observations, "2010-06-10", horizon=9)
    assert found.sizes["forcing_member"] == past.sizes["forcing_member"] == 6
    np.testing.assert_array_equal(found["rr"].values[0, :, 5], [0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(found["rr"].values[0, :, 6:], past["rr"].values[0, :, 6:])
    assert found.attrs["fallback"] == "climatology"
    assert found.attrs["fallback_from"] == "2010-06-17"


def test_other_units_and_missing_series_are_refused() -> None:
    weather = ensemble(members=None, vintages=("2010-06-10",))
    weather["rr"].attrs["units"] = "cm"
    with pytest.raises(SchemaError, match="'rr' in 'cm', observed in 'mm'"):
        futures(WeatherForecast(weather), record(), "2010-06-10")
    with pytest.raises(SchemaError, match=r"lacks \['tg'\]"):
        futures(WeatherForecast(weather.drop_vars("tg")), record(), "2010-06-10")
    with pytest.raises(SchemaError, match="dimensions vintage and time"):
        WeatherForecast(weather.isel(vintage=0))


def test_a_scenario_changes_its_base() -> None:
    base = ClimatologyWeather(fewest=2)
    scenario = Scenario("dry", base, factors={"rr": 0.5}, shifts={"tg": 2.0})
    found, before = (futures(f, record(), "2010-06-15") for f in (scenario, base))
    np.testing.assert_allclose(found["rr"], 0.5 * before["rr"])
    np.testing.assert_allclose(found["tg"], before["tg"] + 2)
    assert found.attrs["scenario"] == "dry"
    with pytest.raises(SchemaError, match="a change of 'snow' in 'wet'"):
        futures(Scenario("wet", base, factors={"snow": 2.0}), record(), "2010-06-15")


def test_forcings_have_names() -> None:
    assert make_forcing("observed").origin == "observed"
    assert make_forcing("climatology").origin == "climatology"
    base = ClimatologyWeather(years=3)
    assert make_forcing(base) is base
    with pytest.raises(ValueError, match="Received 'oracle'"):
        make_forcing("oracle")


def test_history_and_future_are_joined() -> None:
    observations = record()
    found = continue_weather(
        observations, issue_time=np.datetime64("2010-06-15"), horizon=4,
        forcing=ClimatologyWeather(fewest=2), covariates=["rr"], history=7,
    )  # fmt: skip
    assert found["rr"].dims == ("well", "forcing_member", "time")
    assert found.sizes["time"] == 11
    assert (np.diff(found["time"].values) == np.timedelta64(1, "D")).all()
    assert np.isnan(found["level"].values[:, 7:]).all()
    last = (np.datetime64("2010-06-15") - np.datetime64("2004-01-01")).astype(int)
    assert (found["rr"].values[0, :, 6] == last).all()


def test_observed_weather_must_reach_the_issue_time() -> None:
    observations = record()
    observations["rr"].loc[{"well": "b", "time": slice("2010-06-11", None)}] = np.nan
    with pytest.raises(SchemaError, match="'rr' at well 'b', which ends 2010-06-10"):
        continue_weather(
            observations, issue_time=np.datetime64("2010-06-15"), horizon=4,
            forcing=ClimatologyWeather(fewest=2), covariates=["rr"], history=7,
        )  # fmt: skip


@pytest.mark.parametrize("by", ["missing", "noise", "huge"])
@pytest.mark.parametrize("issued", ["2010-06-15", "2014-06-15"], ids=["few years", "a trend"])
def test_nothing_after_the_issue_time_changes_climatology(by: str, issued: str) -> None:
    observations = record()
    after = observations["time"] > np.datetime64(issued)
    rows = xr.ones_like(observations["level"], dtype=bool) & after
    changed = replaced(observations, ["level", "rr", "tg"], rows=rows, by=by, seed=0)
    found, expected = (
        futures(ClimatologyWeather(fewest=2), data, issued, horizon=60)
        for data in (changed, observations)
    )
    assert found.identical(expected)


def test_a_forecast_from_levels_alone_needs_no_years_of_weather() -> None:
    short = record(steps=900)[["level"]]
    made = continue_weather(
        short, issue_time=np.datetime64("2006-05-01", "us"), horizon=30,
        forcing=ClimatologyWeather(), covariates=[], history=20,
    )  # fmt: skip
    assert made.sizes == {"well": 2, "time": 50, "forcing_member": 1}
    with pytest.raises(SchemaError, match="at least 5 past years"):
        futures(ClimatologyWeather(), record(steps=900), "2006-05-01")
