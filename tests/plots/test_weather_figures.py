from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import plots
from gwforecast.plots.prepare import lag_correlations, rainfall_departure


@pytest.fixture(autouse=True)
def _close():
    yield
    mpl.pyplot.close("all")


@pytest.fixture
def observations() -> xr.Dataset:
    """A level that is the mean rain of the last 30 days."""
    rng = np.random.default_rng(2)
    time = pd.date_range("2001-01-01", periods=1500)
    rain = pd.Series(rng.gamma(0.5, 4.0, time.size))
    level = 10 + rain.rolling(30).mean().to_numpy()
    return xr.Dataset(
        {
            "level": (("well", "time"), level[None], {"units": "m"}),
            "rain": (("well", "time"), rain.to_numpy()[None], {"units": "mm/d", "kind": "rain"}),
            "pumping": (("well", "time"), np.zeros((1, time.size))),
        },
        {"well": ["a"], "time": time},
    )


def test_the_correlation_is_one_where_the_memory_is(observations) -> None:
    one = observations.isel(well=0)
    table = lag_correlations(one["level"], one, names=["rain", "pumping"], most=30)
    rain = table[table["covariate"] == "rain"].set_index("steps")
    assert rain.loc[30, "correlation"] == pytest.approx(1.0)
    assert rain.loc[1, "correlation"] < 0.5
    assert rain.loc[30, "n"] == 1500 - 29
    assert table.loc[table["covariate"] == "pumping", "correlation"].isna().all()


def test_the_departure_ends_at_zero_and_goes_on_behind_gaps() -> None:
    rain = xr.DataArray([4.0, 0.0, np.nan, 2.0, 2.0, 0.0, 4.0], dims="time")
    np.testing.assert_allclose(rainfall_departure(rain), [2, 0, np.nan, 0, 0, -2, 0])


def test_axes_say_what_is_drawn(observations) -> None:
    ax = plots.lag_correlation(observations, most=100)
    assert ax.get_xlabel() == "averaging window before the level [days]"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["rain", "pumping (constant)"]
    departure = plots.rain_departure(observations)
    beside = next(other for other in departure.figure.axes if other is not departure)
    assert beside.get_ylabel() == "cumulative departure of rain [mm]"


def test_what_is_not_there_is_an_error(observations) -> None:
    with pytest.raises(ValueError, match=r"needs rain.*pumping.*attrs"):
        plots.rain_departure(observations.drop_vars("rain"))
    with pytest.raises(ValueError, match=r"Received \['snow'\].*Choose others"):
        plots.lag_correlation(observations, covariates=["snow"])
