"""Gates: ranges of the training, widened by kind, and physical limits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.quality.checks import series_of
from gwforecast.quality.gates import (
    LevelRange,
    Ranges,
    allowed_levels,
    covariate_gate,
    forecast_gate,
    level_gate,
    physical_limits,
    record_gate,
    training_ranges,
)

TIMES = pd.date_range("2001-01-01", "2008-12-29", freq="W-MON")
ISSUED = TIMES[-1].to_datetime64()


def well(**changes: np.ndarray) -> xr.Dataset:
    """One well whose level follows the temperature."""
    season = np.sin(2 * np.pi * TIMES.day_of_year.to_numpy() / 365.25)
    rng = np.random.default_rng(0)
    values = {
        "level": 20 + 0.5 * season + rng.normal(0, 0.02, TIMES.size),
        "temperature": 10 + 9 * season,
        "rain": rng.gamma(1.0, 15.0, TIMES.size),
        "tsin": season,
    } | changes
    return xr.Dataset(
        {name: (("well", "time"), one[None]) for name, one in values.items()},
        {"well": ["a"], "time": TIMES},
    )


TRAINED = training_ranges(well())


def test_the_training_data_pass_their_own_gates() -> None:
    ((level, covariates),) = series_of(well())
    assert level_gate(level, TRAINED.level("a"), since=TIMES[0].to_datetime64()) == []
    for one in (level, *covariates):
        assert record_gate(one, TRAINED) == []
    for one in covariates:
        assert covariate_gate(one, TRAINED.of("a", one.variable), issue_time=ISSUED) == []


def test_ranges_are_stored_and_restored() -> None:
    again = Ranges.from_state(*TRAINED.to_state())
    np.testing.assert_allclose(again.bounds, TRAINED.bounds, rtol=1e-6)
    np.testing.assert_array_equal(again.samples, TRAINED.samples)
    description, arrays = TRAINED.to_state()
    for name in arrays:
        with pytest.raises(ValueError, match="shapes"):
            Ranges.from_state(description, arrays | {name: arrays[name][:0]})


def test_codes_and_impossible_values_do_not_widen_the_range() -> None:
    data = well()
    data["level"][0, 50] = 999.9
    data["rain"][0, 60] = 1e6
    spoilt = training_ranges(data)
    assert spoilt.level("a").high == pytest.approx(TRAINED.level("a").high)
    assert np.nanmax(spoilt.of("a", "rain")[0]) < 200


@pytest.mark.parametrize(
    ("name", "value"),
    [("rain", 600.0), ("temperature", 45.0), ("temperature", -25.0), ("tsin", 1.5)],
)
def test_values_far_outside_are_found(name: str, value: float) -> None:
    data = well()
    data[name][0, -3] = value
    ((_, covariates),) = series_of(data)
    one = next(c for c in covariates if c.variable == name)
    (found,) = covariate_gate(one, TRAINED.of("a", name), issue_time=ISSUED)
    assert "are accepted" in found.message or "lie between" in found.message


@pytest.mark.parametrize(("name", "factor"), [("rain", 1.6), ("temperature", 1.1)])
def test_a_record_year_passes(name: str, factor: float) -> None:
    data = well()
    data[name][0, -52:] *= factor
    ((_, covariates),) = series_of(data)
    one = next(c for c in covariates if c.variable == name)
    assert covariate_gate(one, TRAINED.of("a", name), issue_time=ISSUED) == []


def test_a_seasonal_covariate_may_have_any_amplitude() -> None:
    data = well(tsin=9.3 * np.sin(2 * np.pi * TIMES.day_of_year.to_numpy() / 365.25))
    ((_, covariates),) = series_of(data)
    bounds = training_ranges(data).of("a", "tsin")
    assert covariate_gate(covariates[-1], bounds, issue_time=ISSUED) == []


def test_weather_that_ends_has_no_means_after_its_end() -> None:
    data = well()
    data["temperature"][0, -10:] = np.nan  # a year without its autumn is warmer
    data["tsin"][0, -10:] = np.nan
    ((_, covariates),) = series_of(data)
    for one in covariates:
        assert covariate_gate(one, TRAINED.of("a", one.variable), issue_time=ISSUED) == []


def test_the_temperature_is_that_of_the_month() -> None:
    data = well()
    data["temperature"][0, -20:] = 10.0 + 9  # summer in December
    ((_, covariates),) = series_of(data)
    bounds = TRAINED.of("a", "temperature")
    assert covariate_gate(covariates[0], bounds, issue_time=ISSUED)
    assert covariate_gate(covariates[0], None, issue_time=ISSUED) == []  # a model without ranges


def test_a_forecast_stays_near_the_levels() -> None:
    observed = LevelRange(19.0, 21.0, bottom=17.5, top=23.0)
    assert allowed_levels(observed) == (17.5, 23.0)
    steps = np.linspace(-0.3, 0.3, 9)
    assert forecast_gate(20 + np.tile(steps, (4, 1)), observed) == ("ok", "")
    assert forecast_gate(24 + np.tile(steps, (4, 1)), observed)[0] == "check_failed"
    assert forecast_gate(20 + 60 * np.tile(steps, (4, 1)), observed)[0] == "check_failed"
    assert forecast_gate(20 - np.tile(steps, (4, 1)), observed)[0] == "check_failed"
    assert forecast_gate(20 + 10 * np.tile(steps, (4, 1)), observed)[0] == "degraded"
    assert forecast_gate(20 + np.tile(steps, (4, 1)), observed, last=17.9)[0] == "degraded"


def test_the_greatest_rain_grows_with_the_step() -> None:
    assert physical_limits("rain", 7.0)[1] == pytest.approx(2000 * np.sqrt(7))
    assert physical_limits("nitrate", 1.0) == (-np.inf, np.inf)
