"""Trends that the weather does not explain, and indices in closed form."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.questions.trend import drought_table, gxg_table, trend

TIME = pd.date_range("1990-01-01", "2013-12-31", freq="7D")


def labelled(values: np.ndarray, time: pd.DatetimeIndex = TIME) -> xr.DataArray:
    return xr.DataArray(
        [values], {"well": ["a"], "time": time}, ("well", "time"), attrs={"units": "m"}
    )


@pytest.fixture(scope="module")
def declining() -> xr.Dataset:
    """A reservoir under rain, with a decline of 3 cm a year that the weather does not explain."""
    rng = np.random.default_rng(6)
    season = 1 + 0.5 * np.cos(2 * np.pi * TIME.day_of_year.to_numpy() / 365.25)
    rain = rng.gamma(1.0, 10.0, TIME.size) * season
    level = 20 + pd.Series(rain).ewm(halflife=8).mean().to_numpy() / 20
    level = level - 0.03 * np.arange(TIME.size) / 52.18 + rng.normal(0, 0.01, TIME.size)
    data = labelled(level).to_dataset(name="level")
    return data.assign(rain=labelled(rain).assign_attrs(units="mm/week", kind="rain"))


def test_the_weather_corrected_trend_is_surer_than_the_observed(declining: xr.Dataset) -> None:
    found = trend(declining, models=["linear"], draws=199)
    table = found.trends.set_index("series")
    assert table["slope"].tolist() == pytest.approx([-0.03, -0.03], abs=0.012)
    width = table["upper"] - table["lower"]
    assert width["weather-corrected"] < width["observed"]
    assert table.loc["weather-corrected", "p_value"] < 0.05
    assert found.levels["corrected"].dims == ("well", "time")


def test_mean_highest_lowest_and_spring_levels_of_a_wave() -> None:
    days = pd.date_range("2000-04-01", "2012-03-31")
    phase = 2 * np.pi * (days.day_of_year.to_numpy() - 80) / 365.25
    table = gxg_table(labelled(50 + np.cos(phase), days)).iloc[0]
    assert table["ghg"] == pytest.approx(51, abs=0.06)
    assert table["glg"] == pytest.approx(49, abs=0.06)
    assert table["gvg"] == pytest.approx(51, abs=0.1)
    assert table["years"] == 12
    short = gxg_table(labelled(50 + np.cos(phase), days).isel(time=slice(1000))).iloc[0]
    assert np.isnan(short["ghg"])
    assert "8 are needed" in short["reason"]


def test_a_drought_has_onset_duration_and_severity() -> None:
    days = pd.date_range("1995-01-01", "2014-12-31")
    level = (
        np.random.default_rng(3).normal(0, 0.001, days.size) + 10 + days.year.to_numpy() % 7 * 0.1
    )
    dry = (days >= "2003-05-01") & (days < "2003-11-01")
    table = drought_table(labelled(np.where(dry, 5.0, level), days))
    longest = table.loc[table["severity"].idxmax()]
    own = table[table["onset"] == pd.Timestamp("2003-05-01")].iloc[0]
    assert own["months"] == 6
    assert own["end"] == pd.Timestamp("2003-10-01")
    assert own["severity"] == pytest.approx(6 * 1.96, abs=0.05)
    assert not own["lasts"]
    assert longest["severity"] >= own["severity"]
