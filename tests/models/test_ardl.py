"""Distributed lags: recovered coefficients, gaps, forecasts, several weathers."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from statsmodels.tsa import ardl as statsmodels_ardl

from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.models.ardl import ARDL, autoregress
from gwforecast.schema import SchemaError, validate_forecast
from gwforecast.sequences.split import split_by_fraction

PHI, MEAN, SLOPE = 0.9, 20.0, 0.02
HORIZON = 10


def record(steps: int = 800, *, noise: float = 0.02, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    rain = rng.gamma(0.7, 10.0, steps)
    level = np.full(steps, MEAN)
    for step in range(1, steps):
        drive = SLOPE * (rain[step] - 7.0) + rng.normal(0, noise)
        level[step] = MEAN + PHI * (level[step - 1] - MEAN) + drive
    times = pd.date_range("2000-01-03", periods=steps, freq="W-MON")
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, level[None]), "rr": (dims, rain[None])}, {"well": ["a"], "time": times}
    )


def made(observations: xr.Dataset, **settings) -> ARDL:
    given = {"lookbacks": (1,), "harmonics": 0, **settings}
    return ARDL(**given).fit(observations, split=split_by_fraction(observations))


class Given(Forcing):
    """Weather that is the same whatever was observed."""

    origin = "ensemble"

    def __init__(self, rain: np.ndarray) -> None:
        self.rain = rain  # (version, horizon)

    def futures(self, observations, *, issue_time, horizon, covariates):
        times = observations["time"].values
        at = int(np.searchsorted(times, issue_time))
        dims = ("well", "forcing_member", "time")
        wells = observations["well"].values
        values = np.broadcast_to(self.rain, (wells.size, *self.rain.shape)).copy()
        return xr.Dataset(
            dict.fromkeys(covariates, (dims, values)),
            {
                "well": wells,
                "forcing_member": np.arange(len(self.rain)),
                "time": times[at + 1 : at + 1 + horizon],
            },
        )


@pytest.mark.parametrize("every", [1, 3, 7])
def test_gaps_between_levels_do_not_bias_the_coefficients(every: int) -> None:
    observations = record(3000)
    observations["level"] = observations["level"].where(np.arange(3000) % every == 0)
    fit = made(observations).fits_["a"]
    assert fit.phi == pytest.approx(PHI, abs=0.01)
    assert fit.coefficients[0] == pytest.approx(SLOPE, abs=0.001)


def test_without_gaps_it_is_the_regression_of_statsmodels() -> None:
    observations = record(300)
    level, rain = observations["level"].values[0], observations["rr"].values[0]
    fit = autoregress(rain[:, None], level, longest=520.0, lookback=1, before=np.zeros(1))
    expected = (
        statsmodels_ardl.ARDL(level, 1, rain[:, None], {0: [0]}).fit().params
    )  # constant, phi, slope
    assert fit.phi == pytest.approx(expected[1], abs=2e-4)
    assert fit.coefficients[0] == pytest.approx(expected[2], abs=2e-5)
    mean = (expected[0] + expected[2] * fit.center[0]) / (1 - expected[1])
    assert fit.mean == pytest.approx(mean, abs=2e-2)


def test_a_forecast_follows_the_recursion_from_the_last_level() -> None:
    observations = record()
    fitted = made(observations)
    fit = fitted.fits_["a"]
    issued = [500, 610]
    observations["level"][:, 607:611] = np.nan  # at 610 the last level is that of step 606
    found = validate_forecast(
        fitted.forecast(
            observations,
            issue_times=observations["time"].values[issued],
            horizon=HORIZON,
            forcing=ObservedWeather(),
        )
    )["level"]
    assert found.dims == ("well", "issue_time", "lead_time")
    rain = observations["rr"].values[0]
    for row, (at, last) in enumerate(((500, 500), (610, 606))):
        level = float(observations["level"].values[0, last])
        for step in range(last + 1, at + 1 + HORIZON):
            drive = fit.coefficients[0] * (rain[step] - fit.center[0])
            level = fit.mean + fit.phi * (level - fit.mean) + drive
            if step > at:
                assert found.values[0, row, step - at - 1] == pytest.approx(level, abs=1e-9)


def test_each_version_of_the_weather_is_a_member() -> None:
    observations = record()
    fitted = made(observations, lookbacks=(4,), harmonics=1)
    rain = observations["rr"].values[0, 501 : 501 + HORIZON]
    issue = {"issue_times": observations["time"].values[[500]], "horizon": HORIZON}
    observed = fitted.forecast(observations, forcing=ObservedWeather(), **issue)["level"].values
    versions = fitted.forecast(
        observations, forcing=Given(np.array([rain, 0 * rain, rain])), **issue
    )["level"]
    assert versions.dims == ("well", "issue_time", "lead_time", "member")
    np.testing.assert_allclose(versions.values[..., 0], observed, atol=1e-9)
    np.testing.assert_array_equal(versions.values[..., 0], versions.values[..., 2])
    assert (versions.values[..., -1, 1] < observed[..., -1]).all()


@pytest.mark.parametrize("later", [np.nan, 1e6, 7.0])
def test_nothing_after_the_issue_time_is_read(later: float) -> None:
    observations = record()
    observations["level"][:, ::5] = np.nan
    fitted = made(observations, lookbacks=(4,), harmonics=1)
    issued = observations["time"].values[[500, 610]]
    rain = np.arange(2.0 * HORIZON).reshape(2, HORIZON)
    known = {"horizon": HORIZON, "forcing": Given(rain)}
    expected = fitted.forecast(observations, issue_times=issued, **known)["level"].values
    assert np.isfinite(expected).all()
    for row in range(2):
        past = observations["time"] <= issued[row]
        changed = observations.assign(
            {name: observations[name].where(past, later) for name in ("level", "rr")}
        )
        found = fitted.forecast(changed, issue_times=issued[[row]], **known)["level"].values
        assert found[:, 0].tobytes() == expected[:, row].tobytes()


def test_a_gap_in_the_weather_is_nan_until_it_is_forgotten() -> None:
    observations = record()
    fitted = made(observations)
    whole = fitted.simulate(observations)["level"].values[0]
    observations["rr"][:, 400] = np.nan
    level = fitted.simulate(observations)["level"].values[0]
    phi = fitted.fits_["a"].phi
    faded = int(np.ceil(np.log(0.01) / np.log(phi)))
    assert np.isnan(level[400 : 401 + faded]).all()
    assert np.isfinite(level[401 + faded :]).all()
    np.testing.assert_array_equal(level[:400], whole[:400])
    np.testing.assert_allclose(level[401 + faded :], whole[401 + faded :], atol=0.01)


def test_the_lookback_that_made_the_levels_is_chosen_and_kept() -> None:
    observations = record()
    rain = observations["rr"].values[0]
    late = np.r_[np.zeros(5), rain[:-5]]
    rng = np.random.default_rng(4)
    for step in range(1, 800):
        level = observations["level"].values[0, step - 1]
        drive = SLOPE * (late[step] - 7) + rng.normal(0, 0.02)
        observations["level"][0, step] = MEAN + PHI * (level - MEAN) + drive
    split = split_by_fraction(observations)
    fitted = ARDL(lookbacks=(1, 8)).fit(observations, split=split)
    assert fitted.fits_["a"].lookback == 8
    again = fitted.refit(observations, split=split)
    assert again.fits_["a"].lookback == 8
    assert again.fits_["a"].phi != fitted.fits_["a"].phi


def test_a_well_that_cannot_be_fitted_does_not_stop_another() -> None:
    good = record()
    wells = xr.concat(
        [good, good.assign_coords(well=["short"]), good.assign_coords(well=["level"])], "well"
    )
    split = split_by_fraction(wells)
    wells["level"][1, 20:] = np.nan
    wells["level"][2, :] = 12.3
    with pytest.warns(UserWarning, match="'ardl' could not be fitted") as caught:
        fitted = ARDL(lookbacks=(1,)).fit(wells, split=split)
    assert len(caught) == 1
    assert "at least 30 pairs of levels" in fitted.failed_["short"]
    found = fitted.forecast(
        wells,
        issue_times=wells["time"].values[[500]],
        horizon=3,
        forcing=ObservedWeather(),
    )["level"].values
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], 12.3)


def test_without_weather_it_is_an_autoregression() -> None:
    observations = record(noise=0.2)[["level"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = made(observations)
        found = fitted.forecast(
            observations,
            issue_times=observations["time"].values[[500]],
            horizon=HORIZON,
            forcing=ObservedWeather(),
        )["level"].values[0, 0]
    fit = fitted.fits_["a"]
    level = float(observations["level"].values[0, 500])
    expected = fit.mean + (level - fit.mean) * fit.phi ** np.arange(1, HORIZON + 1)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_refusals() -> None:
    observations = record()
    fitted = made(observations)
    with pytest.raises(SchemaError, match="'rr'"):
        fitted.simulate(observations[["level"]])
    with pytest.raises(SchemaError, match="'b'"):
        fitted.simulate(observations.assign_coords(well=["b"]))
    days = observations.assign_coords(time=pd.date_range("2000-01-03", periods=800))
    with pytest.raises(SchemaError, match="frequency it was fitted on"):
        fitted.simulate(days)
    with pytest.raises(ValueError, match="at least 1"):
        ARDL(lookbacks=(0,))
    with pytest.raises(ValueError, match="at least 0"):
        ARDL(harmonics=-1)
