import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.models.naive import Climatology, Persistence, RandomWalkDrift, SeasonalNaive
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import split_by_date, split_by_fraction


def observed(levels, *, start="2001-01-01", freq="D"):
    levels = np.atleast_2d(np.asarray(levels, float))
    times = pd.date_range(start, periods=levels.shape[1], freq=freq).to_numpy()
    wells = [f"w{i}" for i in range(levels.shape[0])]
    attrs = {"units": "m", "vertical_datum": "NAP"}
    return xr.Dataset({"level": (("well", "time"), levels, attrs)}, {"well": wells, "time": times})


def by_date(observations, first, second):
    return split_by_date(observations, validation_start=first, test_start=second)


def simulated(forecaster, observations, split):
    return forecaster.fit(observations, split=split).simulate(observations)["level"]


def seasonal(times):
    index = pd.DatetimeIndex(times)
    return np.cos(2 * np.pi * (index.day_of_year - 1) / 365.25).to_numpy()


def test_persistence_holds_the_last_fitted_level():
    observations = observed([[1, 2, 3, np.nan, 5, 6, 7, 8, 9, 10]])
    level = simulated(
        Persistence(), observations, by_date(observations, "2001-01-05", "2001-01-08")
    )
    np.testing.assert_array_equal(level.values[0], [np.nan] * 4 + [3.0] * 6)
    assert level.attrs["vertical_datum"] == "NAP"


def test_drift_goes_on_along_a_straight_line_whatever_the_step():
    for freq in ("D", "W-MON", "MS"):
        observations = observed(np.zeros(40), freq=freq)
        days = (observations.time - observations.time[0]) / np.timedelta64(1, "D")
        observations["level"] = (observations.level + 3 + 0.25 * days).where(days != days[5])
        split = split_by_fraction(observations)
        level = simulated(RandomWalkDrift(), observations, split)
        later = ~split.rows(observations, "train")
        np.testing.assert_allclose(
            level.where(later), (3 + 0.25 * days).where(later).transpose("well", "time")
        )
        assert level.where(~later).isnull().all()


def test_drift_needs_two_levels():
    observations = observed([[1, np.nan, np.nan, 4, 5, 6.0]])
    with pytest.warns(
        UserWarning, match="'drift' could not be fitted at well 'w0'.*at least 2 levels.*Received 1"
    ):
        level = simulated(
            RandomWalkDrift(), observations, by_date(observations, "2001-01-04", "2001-01-05")
        )
    assert level.isnull().all()


@pytest.mark.parametrize("freq", ["D", "W-MON", "W-SUN", "MS", "ME"])
def test_climatology_finds_a_season_at_every_step(freq):
    steps = {"D": 3653, "W": 522, "M": 120}[freq[0]]
    observations = observed(np.zeros(steps), freq=freq)
    observations["level"][0] = 7 + seasonal(observations.time)
    level = simulated(Climatology(), observations, split_by_fraction(observations))
    assert level.notnull().all()
    np.testing.assert_allclose(level, observations.level, atol=0.08)


def test_climatology_is_the_mean_within_the_window_by_hand():
    random = np.random.default_rng(0)
    observations = observed(random.normal(size=(2, 1500)), start="2003-01-01")
    observations["level"][1, ::3] = np.nan
    split = split_by_fraction(observations)
    level = simulated(Climatology(window=4), observations, split)
    fitted = split.levels(observations, "train").values
    index = pd.DatetimeIndex(observations.time.values)
    calendar = pd.to_datetime("2004-" + index.strftime("%m-%d")).day_of_year.to_numpy()
    for t in (0, 3, 57, 58, 59, 60, 364, 365, 423, 1400):
        apart = np.abs(calendar - calendar[t])
        near = np.minimum(apart, 366 - apart) <= 4
        np.testing.assert_allclose(level.values[:, t], np.nanmean(fitted[:, near], axis=1))


def test_climatology_widens_the_window_where_nothing_is_near():
    levels = np.full(800, np.nan)
    levels[[0, 31, 500, 600, 700]] = [1.0, 5.0, 2.0, 3.0, 4.0]
    observations = observed(levels)
    split = by_date(observations, "2001-03-01", "2002-10-01")
    level = simulated(Climatology(window=0), observations, split).values[0]
    assert level[0] == 1.0
    assert level[31] == 5.0
    assert level[4] == 1.0  # 4 days from the one, 27 from the other
    assert level[20] == 5.0
    assert level[15] == 3.0  # no level within 8 days, both within 16
    assert np.isfinite(level).all()
    assert set(np.round(level, 9)) == {1.0, 3.0, 5.0}


def test_climatology_of_a_constant_is_that_constant_exactly():
    observations = observed(np.full(800, 347.1234567))
    level = simulated(Climatology(), observations, split_by_fraction(observations))
    np.testing.assert_array_equal(level, 347.1234567)


@pytest.mark.parametrize(("freq", "per_year"), [("MS", 12), ("ME", 12)])
def test_seasonal_naive_repeats_the_last_year_of_months(freq, per_year):
    levels = np.arange(60.0)
    observations = observed(levels, freq=freq)
    split = split_by_fraction(observations, train=0.4)
    level = simulated(SeasonalNaive(tolerance=3), observations, split).values[0]
    assert np.isnan(level[:24]).all()
    np.testing.assert_array_equal(level[24:], levels[12 + np.arange(36) % per_year])


def test_seasonal_naive_takes_the_same_date_of_the_last_fitted_year():
    observations = observed(np.arange(4 * 365 + 1.0), start="2001-01-01")
    split = by_date(observations, "2003-01-01", "2004-01-01")
    level = simulated(SeasonalNaive(), observations, split)
    source = observations.level.sel(time="2002").values[0]
    np.testing.assert_array_equal(level.sel(time="2003").values[0], source)
    leap = level.sel(time="2004").values[0]
    np.testing.assert_array_equal(leap[:59], source[:59])
    assert leap[59] == source[58]
    np.testing.assert_array_equal(leap[60:], source[59:])
    assert level.sel(time=slice("2002")).isnull().all()


def test_seasonal_naive_takes_the_nearest_level_within_the_tolerance():
    random = np.random.default_rng(1)
    levels = np.where(random.random(1200) < 0.06, np.arange(1200.0), np.nan)
    observations = observed(levels)
    split = by_date(observations, "2003-01-01", "2003-10-01")
    level = simulated(SeasonalNaive(tolerance=6), observations, split).values[0]
    places = np.flatnonzero(np.isfinite(levels[:730]))
    for t in range(730, 1095):
        gaps = np.abs(places - (t - 365))
        if gaps.min() > 6:
            assert np.isnan(level[t])
        else:
            assert np.abs(level[t] - (t - 365)) == gaps.min()


def test_seasonal_naive_of_a_weekly_season_is_nearly_that_season():
    observations = observed(np.zeros(520), freq="W-TUE")
    observations["level"][0] = seasonal(observations.time)
    split = split_by_fraction(observations)
    level = simulated(SeasonalNaive(), observations, split)
    later = ~split.rows(observations, "train")
    assert level.where(later).notnull().sum() == later.sum()
    assert np.abs(level - observations.level).max() < 0.08


def test_a_well_that_was_not_fitted_is_refused():
    observations = observed(np.ones((2, 20)))
    fitted = Persistence().fit(observations, split=split_by_fraction(observations))
    with pytest.raises(SchemaError, match="Received 'new', which is not one of them"):
        fitted.simulate(observations.assign_coords(well=["w0", "new"]))
    one = fitted.simulate(observations.drop_vars("level").isel(well=[1]))
    assert one["level"].sizes == {"well": 1, "time": 20}


def test_settings_and_progress():
    with pytest.raises(ValueError, match=r"at least 0\. Received -1"):
        Climatology(window=-1)
    with pytest.raises(ValueError, match=r"at least 0\. Received -2"):
        SeasonalNaive(tolerance=-2)
    observations = observed(np.ones((3, 20)))
    reported = []
    Persistence().fit(
        observations,
        split=split_by_fraction(observations),
        progress=lambda task, done, total: reported.append((task, done, total)),
    )
    assert reported == [("persistence", 3, 3)]
