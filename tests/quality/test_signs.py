"""Signs of values that were not measured, in a series whose faults are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.quality.checks import series_of
from gwforecast.quality.gates import training_ranges
from gwforecast.quality.rules import Series
from gwforecast.quality.signs import (
    find_other_record,
    find_repeated,
    find_still,
    find_uneven,
    find_unexplained,
)

TIMES = pd.date_range("2001-01-01", periods=600, freq="W-MON")
TRAINED = TIMES[500].to_datetime64()
RNG = np.random.default_rng(0)
RAIN = RNG.gamma(2.0, 7.0, TIMES.size).round(1)
LEVEL = 20 + (pd.Series(RAIN).ewm(halflife=12).mean() / 10).to_numpy()
LEVEL = (LEVEL + RNG.normal(0, 0.02, TIMES.size)).round(3)
DATA = xr.Dataset(
    {"level": (("well", "time"), LEVEL[None]), "rain": (("well", "time"), RAIN[None])},
    {"well": ["a"], "time": TIMES},
)
((level, (rain,)),) = series_of(DATA)


def changed(series: Series, values: np.ndarray, last: int) -> Series:
    """Return a series with other last values."""
    return replace(series, values=np.append(series.values[:-last], values))


def test_measurements_have_no_sign() -> None:
    for one in (level, rain):
        assert find_still(one) is None
        assert find_repeated(one) is None
    assert find_uneven(level) is None
    assert find_other_record(level, training_ranges(DATA)) is None
    assert find_unexplained(level, [rain], trained_through=TRAINED) is None


@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_a_sensor_that_hardly_moves_is_found(noise: float) -> None:
    stuck = changed(level, level.values[-30] + noise * (np.arange(30) % 2), 30)
    found = find_still(stuck)
    assert found is not None
    assert "earlier periods of this length had" in found.message


def test_levels_that_are_rougher_or_smoother_than_ever_are_found() -> None:
    last = level.values[-20:]
    two_sensors = find_uneven(changed(level, last + np.arange(20) % 2, 20))
    interpolated = find_uneven(changed(level, np.linspace(last[0], last[-1], 20).round(3), 20))
    assert two_sensors is not None
    assert "far more than" in two_sensors.message
    assert interpolated is not None
    assert "far less than" in interpolated.message
    assert find_uneven(level.since(400)) is None  # too few earlier periods


def test_values_that_were_delivered_again_are_found() -> None:
    found = find_repeated(changed(rain, rain.values[500:520], 20))
    assert found is not None
    assert f"those from {TIMES[510]:%Y-%m-%d} on" in found.message
    assert find_repeated(changed(replace(rain, kind="season"), rain.values[500:520], 20)) is None
    assert find_repeated(changed(rain, np.zeros(20), 20)) is None  # dry weeks recur


def test_a_record_with_other_stamps_is_found_and_an_acknowledged_datum_is_none() -> None:
    ranges = training_ranges(DATA)
    found = find_other_record(replace(level, values=np.roll(level.values, 4)), ranges)
    assert found is not None
    assert "other values at" in found.message
    moved = replace(level, values=level.values + 2.0)
    assert find_other_record(moved, ranges) is not None
    assert find_other_record(moved, ranges, moved=2.0) is None


def test_a_slow_drift_is_found_and_a_wet_year_is_none() -> None:
    ramp = changed(level, level.values[-40:] + 0.03 * np.arange(40), 40)
    found = find_unexplained(ramp, [rain], trained_through=TRAINED)
    assert found is not None
    assert found.value > 0.5
    wet = np.append(RAIN[:-60], RAIN[-60:] * 2)
    higher = 20 + (pd.Series(wet).ewm(halflife=12).mean() / 10).to_numpy()
    wet_level = replace(level, values=higher)
    assert find_unexplained(wet_level, [replace(rain, values=wet)], trained_through=TRAINED) is None
    assert find_unexplained(ramp, [], trained_through=TRAINED) is None  # no weather
    early = TIMES[20].to_datetime64()
    assert find_unexplained(ramp, [rain], trained_through=early) is None  # too short a training
