"""Signs of values that were not measured, in a series whose faults are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.quality.checks import series_of
from gwforecast.quality.gates import training_ranges
from gwforecast.quality.rules import Finding, Series
from gwforecast.quality.signs import (
    find_other_record,
    find_repeated,
    find_still,
    find_unlikely,
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


def unlikely(
    one: Series, covariates: list[Series], through: np.datetime64 = TRAINED
) -> list[Finding]:
    """Return the findings of one well; beside other wells they are the same."""
    (found,) = find_unlikely([(one, covariates)], trained_through=[through])
    beside = [(one.with_values(np.roll(one.values, 3)), covariates), (one, covariates)]
    assert [
        (row.check, row.message) for row in find_unlikely(beside, trained_through=[through] * 2)[1]
    ] == [(row.check, row.message) for row in found]
    return found


def changed(series: Series, values: np.ndarray, last: int) -> Series:
    """Return a series with other last values."""
    return replace(series, values=np.append(series.values[:-last], values))


def test_measurements_have_no_sign() -> None:
    for one in (level, rain):
        assert find_still(one) is None
        assert find_repeated(one) is None
    assert find_other_record(level, training_ranges(DATA)) is None
    assert not unlikely(level, [rain])


@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_a_sensor_that_hardly_moves_is_found(noise: float) -> None:
    stuck = changed(level, level.values[-30] + noise * (np.arange(30) % 2), 30)
    found = find_still(stuck)
    assert found is not None
    assert "earlier periods of this length had" in found.message


NOISE = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("check", "last", "change"),
    [
        ("uneven", 20, lambda part: part + np.arange(20) % 2),  # two sensors in turn
        ("smooth", 20, lambda part: np.linspace(part[0], part[-1], 20).round(3)),  # interpolated
        ("uneven", 10, lambda part: part + NOISE.normal(0, 0.1, 10)),
        ("uneven", 30, NOISE.permutation),
        ("uneven", 30, lambda part: part.mean() + 3.0 * (part - part.mean())),
        ("against", 30, lambda part: 2 * part.mean() - part),
        ("unexplained", 30, lambda part: part + 0.03 * np.arange(30)),
    ],
)
def test_levels_that_do_not_follow_from_levels_and_weather_are_found(
    check: str, last: int, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    doubtful = changed(level, change(level.values[-last:]), last)
    found = unlikely(doubtful, [rain])
    assert check in [row.check for row in found]
    assert "Check the sensor for drift" in found[0].message
    late = doubtful.since(400)  # too few earlier periods
    assert not unlikely(late, [rain.since(400)])


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


def test_a_wet_year_is_no_sign() -> None:
    wet = np.append(RAIN[:-60], RAIN[-60:] * 1.5)
    noise = np.random.default_rng(1).normal(0, 0.02, TIMES.size)
    wet_level = 20 + (pd.Series(wet).ewm(halflife=12).mean() / 10).to_numpy() + noise
    wet_rain = replace(rain, values=wet)
    wetter = replace(level, values=wet_level)
    assert not unlikely(wetter, [wet_rain])
    assert not unlikely(wetter, [])  # no weather
    early = TIMES[20].to_datetime64()
    assert not unlikely(wetter, [rain], early)  # too short a training
