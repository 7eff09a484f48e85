"""Bounds that a record shows, and predictions within them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.calibration.calibrated import Calibrated, bounds_of_record, within_bounds
from gwforecast.forcings.base import ObservedWeather
from gwforecast.models.naive import Climatology, Persistence
from gwforecast.runs import out_of_sample
from gwforecast.sequences.split import split_by_fraction

TIMES = pd.date_range("2000-01-03", periods=800, freq="7D")
ANGLE = 2 * np.pi * np.arange(TIMES.size) / 52.18


def record(*levels: np.ndarray) -> xr.DataArray:
    wells = [f"w{n}" for n in range(len(levels))]
    return xr.DataArray(np.stack(levels), {"well": wells, "time": TIMES}, ("well", "time"))


@pytest.mark.parametrize("decimals", [2, 3, 6])
def test_levels_that_move_freely_show_no_bounds(decimals: int) -> None:
    random = np.random.default_rng(1)
    slow = pd.Series(random.normal(size=TIMES.size)).ewm(com=20).mean().to_numpy() * 3
    quick = random.normal(size=TIMES.size)
    levels = record(*(one.round(decimals) for one in (np.sin(ANGLE), slow, quick, slow + ANGLE)))
    found = bounds_of_record(levels)
    assert np.isinf(found["lower"]).all()
    assert np.isinf(found["upper"]).all()


def test_a_well_that_falls_dry_and_one_that_overflows_show_theirs() -> None:
    wave = np.sin(ANGLE) + 0.1 * np.random.default_rng(2).normal(size=TIMES.size)
    found = bounds_of_record(record(np.maximum(wave, -0.6), np.minimum(wave, 0.7)))
    np.testing.assert_array_equal(found["lower"], [-0.6, -np.inf])
    np.testing.assert_array_equal(found["upper"], [np.inf, 0.7])


@pytest.mark.parametrize(
    "level",
    [
        np.where(np.arange(TIMES.size) < 40, -2.0, np.sin(ANGLE)),  # once: a logger that hung
        np.ones(TIMES.size),
        np.full(TIMES.size, np.nan),
    ],
)
def test_one_dry_spell_and_levels_that_never_change_show_none(level: np.ndarray) -> None:
    found = bounds_of_record(record(level))
    assert np.isinf(found["lower"]).all()
    assert np.isinf(found["upper"]).all()


def test_predictions_and_their_quantiles_keep_within_the_bounds_of_what_they_were_fitted_on() -> (
    None
):
    wave = np.sin(ANGLE) + 0.3 * np.random.default_rng(3).normal(size=TIMES.size)
    levels = record(np.maximum(wave, -0.5), wave)
    observations = levels.to_dataset(name="level")
    split = split_by_fraction(observations)
    later = split.rows(observations, "test")
    changed = observations.assign(level=levels.where(~later, -9.0))
    for data in (observations, changed):  # a test period that passes the bound changes nothing
        one = out_of_sample.predict(Climatology(), data, split=split)
        two = out_of_sample.predict(Persistence(), data, split=split)
        assert float(one.level.where(later).sel(well="w0").min()) == -0.5
        assert float(one.level.where(later).sel(well="w1").min()) < -0.9
        both = out_of_sample.blend([one, two], data, split=split)
        assert float(both.level.where(later).sel(well="w0").min()) >= -0.5


def test_forecasts_keep_within_them_as_well() -> None:
    wave = np.sin(ANGLE) + 0.3 * np.random.default_rng(4).normal(size=TIMES.size)
    observations = record(np.maximum(wave, -0.5), wave).to_dataset(name="level")
    split = split_by_fraction(observations)
    fitted = Climatology().fit(observations, split=split)
    calibrated = Calibrated(fitted, horizon=26, forcing=ObservedWeather())
    calibrated.calibrate(observations, split=split)
    for issued in (TIMES[[700]], TIMES[[650, 700]]):
        found = calibrated.forecast(observations, issue_times=issued.to_numpy())["level"]
        assert float(found.sel(well="w0").min()) == -0.5
        assert float(found.sel(well="w1").min()) < -0.9


def test_names_dims_and_attributes_stay() -> None:
    levels = record(ANGLE, -ANGLE).assign_attrs(units="m")
    bounds = xr.Dataset(
        {"lower": ("well", [-1.0, -np.inf, 0.0]), "upper": ("well", [np.inf, np.inf, 0.0])},
        {"well": ["w1", "w0", "other"]},
    )
    found = within_bounds(levels, bounds)
    assert found.dims == levels.dims
    assert found.attrs == levels.attrs
    np.testing.assert_array_equal(found.sel(well="w0"), ANGLE)
    np.testing.assert_array_equal(found.sel(well="w1"), np.maximum(-ANGLE, -1.0))
