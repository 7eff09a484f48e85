"""Intervals by lead time cover what they should, follow the errors, and know no future."""

import numpy as np
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.calibration import tracking
from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.intervals import QUANTILES, ForecastInterval
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.models.naive import Climatology
from gwforecast.sequences.origins import observed_at
from gwforecast.sequences.split import split_by_fraction

LEADS = 6


def forecast_of(level: np.ndarray, *, start: str = "2000-01-01", stride: int = 1) -> xr.Dataset:
    issued = np.datetime64(start, "us") + np.arange(level.shape[1]) * np.timedelta64(stride, "D")
    wells = [f"w{i}" for i in range(level.shape[0])]
    return schema.label_forecast(level, wells=wells, issue_times=issued, frequency="D")


def outcome(forecast: xr.Dataset, errors: np.ndarray) -> xr.DataArray:
    level = forecast["level"]
    center = level.median("member") if "member" in level.dims else level
    return center + errors


def covered(made: xr.Dataset, observed: xr.DataArray, low: float, high: float) -> np.ndarray:
    level = made["level"]
    inside = (observed >= level.sel(quantile=low)) & (observed <= level.sel(quantile=high))
    return inside.where(observed.notnull()).mean(["well", "issue_time"]).values


@pytest.mark.parametrize("kind", ["normal", "laplace"])
def test_coverage_is_nominal_at_each_lead_time(kind: str) -> None:
    rng = np.random.default_rng(0)
    spread = np.arange(1, LEADS + 1)
    errors = getattr(rng, kind)(size=(1, 9_000, LEADS)) * spread
    past, later = forecast_of(np.zeros((1, 6_000, LEADS))), forecast_of(np.zeros((1, 3_000, LEADS)))
    made = ForecastInterval().fit(past, outcome(past, errors[:, :6_000])).apply(later)
    for low, high in ((0.025, 0.975), (0.1, 0.9), (0.25, 0.75)):
        share = covered(made, outcome(later, errors[:, 6_000:]), low, high)
        np.testing.assert_allclose(share, high - low, atol=0.04)


def test_an_interval_leans_to_the_side_on_which_the_members_lie() -> None:
    rng = np.random.default_rng(1)
    members = rng.exponential(size=(1, 800, LEADS, 40))
    forecast = forecast_of(members)
    drawn = rng.exponential(size=(1, 800, LEADS))
    center = forecast["level"].median("member")
    made = ForecastInterval().fit(forecast, xr.zeros_like(center) + drawn).apply(forecast)["level"]
    upper = (made.sel(quantile=0.975) - made.sel(quantile=0.5)).mean()
    lower = (made.sel(quantile=0.5) - made.sel(quantile=0.025)).mean()
    assert float(upper) > 1.5 * float(lower)


def test_quantiles_are_sorted_around_the_median() -> None:
    rng = np.random.default_rng(2)
    forecast = forecast_of(rng.normal(size=(2, 300, LEADS, 7)))
    observed = outcome(forecast, rng.normal(size=(2, 300, LEADS)))
    made = ForecastInterval().fit(forecast, observed).apply(forecast, observed=observed)
    assert (np.diff(made["level"].values, axis=-1) >= 0).all()
    np.testing.assert_allclose(
        made["level"].sel(quantile=0.5).values, forecast["level"].median("member").values
    )
    schema.validate_forecast(made)
    assert made["quantile"].values.tolist() == list(QUANTILES)


def test_widths_follow_errors_that_grow() -> None:
    rng = np.random.default_rng(3)
    past = forecast_of(np.zeros((1, 400, LEADS)))
    interval = ForecastInterval().fit(past, outcome(past, rng.normal(size=(1, 400, LEADS))))
    later = forecast_of(np.zeros((1, 2_000, LEADS)), start="2005-01-01")
    observed = outcome(later, 3 * rng.normal(size=(1, 2_000, LEADS)))
    fixed, tracked = interval.apply(later), interval.apply(later, observed=observed)
    assert (covered(fixed, observed, 0.1, 0.9) < 0.55).all()
    assert (covered(tracked, observed, 0.1, 0.9) > 0.75).all()


def brute_force_track(observed, made, base, forecast):
    """Follow one lead and pair of quantiles at a time, by a plain loop over what was known."""
    issued, valid = forecast["issue_time"].values, forecast["valid_time"].values
    result = np.empty_like(base)
    for lead in range(base.shape[2]):
        for number, quantile in enumerate(QUANTILES):
            other, sign = len(QUANTILES) - 1 - number, np.sign(quantile - 0.5)
            rate = min(quantile, 1 - quantile)
            for i in range(issued.size):
                moved = 0.0
                for j in range(i):
                    level = observed.values[0, j, lead]
                    if valid[j, lead] <= issued[i] and np.isfinite(level):
                        own, mirrored = made[0, j, lead, number], made[0, j, lead, other]
                        moved += (1 + tracking.SIDE) * ((level - own) * sign > 0)
                        moved += (1 - tracking.SIDE) * ((mirrored - level) * sign > 0)
                        moved -= 2 * rate
                step = np.exp(tracking.STEP * moved)
                result[0, i, lead, number] = base[0, i, lead, number] * step
    return result


@pytest.mark.parametrize("stride", [1, 4])
def test_tracking_is_that_of_a_plain_loop(stride: int) -> None:
    rng = np.random.default_rng(4)
    forecast = forecast_of(rng.normal(size=(1, 40, 3)), stride=stride)
    errors = rng.normal(size=(1, 40, 3))
    errors[rng.random(errors.shape) < 0.3] = np.nan
    observed = outcome(forecast, errors)
    interval = ForecastInterval().fit(forecast, observed)
    base = np.abs(interval.apply(forecast)["level"].values - forecast["level"].values[..., None])
    made = interval.apply(forecast, observed=observed)["level"].values
    expected = brute_force_track(observed, made, base, forecast)
    found = np.abs(made - forecast["level"].values[..., None])
    outer = [0, -1]  # inner quantiles may be kept inside outer ones
    np.testing.assert_allclose(found[..., outer], expected[..., outer], rtol=1e-9)


def two_sided(normal: np.ndarray) -> np.ndarray:
    """Return skewed errors: half of those of a normal distribution below 0, twice those above."""
    return np.where(normal > 0, 2.0 * normal, 0.5 * normal)


def share_below(made: xr.Dataset, observed: xr.DataArray) -> np.ndarray:
    return (observed <= made["level"]).mean(["well", "issue_time", "lead_time"]).values


@pytest.mark.parametrize("members", [51, 0])
def test_each_quantile_of_skewed_errors_is_exceeded_as_often_as_it_says(members: int) -> None:
    rng = np.random.default_rng(9)
    wells, issues, leads = 20, 700, 3
    shape = (wells, issues, leads, members) if members else (wells, issues, leads)
    forecast = forecast_of(two_sided(rng.normal(size=shape)) if members else np.zeros(shape))
    errors = two_sided(rng.normal(size=(wells, issues, leads)))
    level = forecast["level"]
    observed = xr.zeros_like(level.isel(member=0, drop=True) if members else level) + errors
    past, later = {"issue_time": slice(0, 500)}, {"issue_time": slice(500, None)}
    interval = ForecastInterval().fit(forecast.isel(past), observed.isel(past))
    fixed = interval.apply(forecast.isel(later))
    tracked = interval.apply(forecast.isel(later), observed=observed.isel(later))
    for made in (fixed, tracked):
        np.testing.assert_allclose(share_below(made, observed.isel(later)), QUANTILES, atol=0.02)
    if members:
        bounds = fixed["level"].sel(quantile=[0.025, 0.975]).mean(["well", "issue_time"]).values
        np.testing.assert_allclose(bounds.mean(axis=0), [-0.98, 3.92], rtol=0.1)


def test_tracking_moves_the_bound_on_the_side_of_the_error() -> None:
    rng = np.random.default_rng(10)
    past = forecast_of(np.zeros((1, 400, LEADS)))
    interval = ForecastInterval().fit(past, outcome(past, rng.normal(size=(1, 400, LEADS))))
    later = forecast_of(np.zeros((10, 1500, LEADS)), start="2005-01-01")
    later = later.assign_coords(well=[f"w{i}" for i in range(10)])
    interval = ForecastInterval.together([interval] + [_renamed(interval, i) for i in range(1, 10)])
    observed = outcome(later, two_sided(rng.normal(size=(10, 1500, LEADS))))
    made = interval.apply(later, observed=observed).isel(issue_time=slice(500, None))
    share = share_below(made, observed.isel(issue_time=slice(500, None)))
    np.testing.assert_allclose(share, QUANTILES, atol=0.02)


def _renamed(interval: ForecastInterval, number: int) -> ForecastInterval:
    return ForecastInterval.from_arrays(interval.to_arrays() | {"wells": np.array([f"w{number}"])})


@pytest.mark.parametrize("later", [np.nan, 1e6])
def test_outcomes_after_an_issue_time_change_nothing_at_it(later: float) -> None:
    rng = np.random.default_rng(5)
    forecast = forecast_of(rng.normal(size=(1, 200, LEADS)))
    observed = outcome(forecast, rng.normal(size=(1, 200, LEADS)))
    interval = ForecastInterval().fit(forecast, observed)
    cut = forecast["issue_time"].values[120]
    changed = observed.where(observed["valid_time"] <= cut, later)
    expected = interval.apply(forecast, observed=observed)["level"].values[:, :121]
    found = interval.apply(forecast, observed=changed)["level"].values[:, :121]
    assert found.tobytes() == expected.tobytes()


def test_a_well_with_too_few_errors_has_a_median_only() -> None:
    forecast = forecast_of(np.zeros((2, 50, LEADS)))
    errors = np.random.default_rng(6).normal(size=(2, 50, LEADS))
    errors[1, 5:] = np.nan
    made = ForecastInterval().fit(forecast, outcome(forecast, errors)).apply(forecast)["level"]
    assert np.isfinite(made.values[0]).all()
    assert np.isfinite(made.sel(quantile=0.5).values[1]).all()
    assert np.isnan(made.drop_sel(quantile=0.5).values[1]).all()


def test_lead_times_with_few_errors_share_them_with_their_neighbours() -> None:
    rng = np.random.default_rng(5)
    forecast = forecast_of(np.zeros((1, 60, 30)))
    kept = rng.permuted(np.tile(np.arange(60) < 3, (30, 1)), axis=1).T  # 3 of 60 origins each
    errors = np.where(kept, rng.normal(size=(1, 60, 30)), np.nan)
    interval = ForecastInterval().fit(forecast, outcome(forecast, errors))
    widths = interval.widths_[0, :, -1] * np.sqrt(interval.error_[0])
    assert np.isfinite(widths).all()
    assert 1.2 < widths.mean() < 6


def test_other_wells_and_longer_horizons_are_told_apart() -> None:
    rng = np.random.default_rng(7)
    past = forecast_of(np.zeros((1, 300, 2)))
    interval = ForecastInterval().fit(past, outcome(past, rng.normal(size=(1, 300, 2)) * [1, 5]))
    longer = forecast_of(np.zeros((2, 3, 4)))
    made = interval.apply(longer)["level"].sel(quantile=0.975).values
    np.testing.assert_allclose(made[0, :, 1], made[0, :, 3])
    assert np.isnan(made[1]).all()


def test_the_state_is_kept_as_arrays() -> None:
    rng = np.random.default_rng(8)
    forecast = forecast_of(rng.normal(size=(1, 100, LEADS)))
    interval = ForecastInterval().fit(forecast, outcome(forecast, rng.normal(size=(1, 100, LEADS))))
    again = ForecastInterval.from_arrays(interval.to_arrays())
    expected, found = interval.apply(forecast), again.apply(forecast)
    assert found["level"].values.tobytes() == expected["level"].values.tobytes()


def test_observed_levels_stand_at_their_valid_times() -> None:
    time = np.datetime64("2000-01-01", "us") + np.arange(30) * np.timedelta64(1, "D")
    levels = xr.DataArray(
        np.arange(30.0)[None], {"well": ["w0"], "time": time}, ("well", "time"), name="level"
    )
    forecast = forecast_of(np.zeros((1, 28, 5)))
    found = observed_at(levels, forecast)
    np.testing.assert_array_equal(found.values[0, 3], [4, 5, 6, 7, 8])
    np.testing.assert_array_equal(found.values[0, 27], [28, 29, np.nan, np.nan, np.nan])


def test_wells_are_calibrated_as_if_each_were_alone() -> None:
    rng = np.random.default_rng(3)
    times = np.datetime64("2001-01-01", "us") + np.arange(900) * np.timedelta64(7, "D")
    rain = rng.gamma(1.2, 12.0, (3, times.size))
    level = 40 + np.cumsum(rain - rain.mean(axis=1, keepdims=True), axis=1) / 500
    level[1, :300] = np.nan  # other periods than the first
    level[2, 700:] = np.nan
    observations = xr.Dataset(
        {"level": (("well", "time"), level), "rain": (("well", "time"), rain)},
        {"well": ["a", "b", "c"], "time": times},
    )
    split = split_by_fraction(observations, train=0.75, validation=0.25)

    def learnt(wells: list[str]) -> dict[str, np.ndarray]:
        chosen = observations.sel(well=wells)
        model = Calibrated(
            Climatology().fit(chosen, split=split), horizon=9, forcing=ClimatologyWeather()
        )
        interval = model.calibrate(chosen, split=split).interval_
        return dict(zip(interval.wells_, interval.widths_, strict=True))

    together = learnt(["a", "b", "c"])
    assert np.isfinite(together["b"]).all()
    for well in "abc":
        np.testing.assert_array_equal(learnt([well])[well], together[well])
