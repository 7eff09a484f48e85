"""Statistical baselines: closed forms, gaps, failures, several weathers."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import xarray as xr

from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.models.additive import Additive
from gwforecast.models.linear import Linear
from gwforecast.models.state_space import ETS, ARMARegression, UnobservedComponents
from gwforecast.schema import SchemaError, validate_forecast
from gwforecast.sequences.split import split_by_fraction
from gwforecast.timeline import infer_frequency, steps_per_year

STATE_SPACE = [
    lambda: ARMARegression(orders=((1, 0),)),
    ETS,
    lambda: UnobservedComponents(harmonics=1),
]
NAMES = ["arma_regression", "ets", "unobserved_components"]
every_model = pytest.mark.parametrize("make", STATE_SPACE, ids=NAMES)
HORIZON = 12


def record(steps: int = 600, *, freq: str = "W-MON", seed: int = 0) -> xr.Dataset:
    """One well whose level is a reservoir of rain, with noise that remembers."""
    rng = np.random.default_rng(seed)
    rain = rng.gamma(0.7, 10.0, steps)
    level, noise = np.zeros(steps), np.zeros(steps)
    for step in range(1, steps):
        level[step] = 0.9 * level[step - 1] + 0.02 * rain[step]
        noise[step] = 0.8 * noise[step - 1] + rng.normal(0, 0.05)
    times = pd.date_range("2000-01-03", periods=steps, freq=freq)
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, (20 + level + noise)[None]), "rr": (dims, rain[None])},
        {"well": ["a"], "time": times},
    )


def issue(fitted, observations: xr.Dataset, positions, forcing=None) -> xr.Dataset:
    return validate_forecast(
        fitted.forecast(
            observations,
            issue_times=observations["time"].values[positions],
            horizon=HORIZON,
            forcing=forcing or ObservedWeather(),
        )
    )


class Versions(Forcing):
    """The weather that was observed, times a factor for each version."""

    origin = "ensemble"

    def __init__(self, *factors: float) -> None:
        self.factors = factors

    def futures(self, observations, *, issue_time, horizon, covariates):
        one = ObservedWeather().futures(
            observations, issue_time=issue_time, horizon=horizon, covariates=covariates
        )
        versions = [one.isel(forcing_member=0, drop=True) * factor for factor in self.factors]
        joined = xr.concat(versions, pd.Index(range(len(versions)), name="forcing_member"))
        return joined.transpose("well", "forcing_member", "time")


class Fixed(Forcing):
    """Weather that is known beforehand, whatever was observed."""

    origin = "ensemble"

    def futures(self, observations, *, issue_time, horizon, covariates):
        times = observations["time"].values
        at = int(np.searchsorted(times, issue_time))
        values = np.arange(2.0 * horizon).reshape(1, 2, horizon)
        wells = observations.sizes["well"]
        return xr.Dataset(
            {
                name: (("well", "forcing_member", "time"), np.repeat(values, wells, axis=0))
                for name in covariates
            },
            {
                "well": observations["well"].values,
                "forcing_member": [0, 1],
                "time": times[at + 1 : at + 1 + horizon],
            },
        )


def test_an_error_of_order_one_fades_as_its_powers() -> None:
    observations = record()
    fitted = ARMARegression(orders=((1, 0),)).fit(
        observations, split=split_by_fraction(observations)
    )
    phi = fitted.fits_["a"].parameters[0]
    assert 0.7 < phi < 1
    mean = fitted.simulate(observations)["level"].values[0]
    level = observations["level"].values[0]
    found = issue(fitted, observations, [480, 500])["level"].values[0]
    for row, at in enumerate((480, 500)):
        expected = mean[at + 1 : at + 1 + HORIZON] + (level[at] - mean[at]) * phi ** np.arange(
            1, HORIZON + 1
        )
        np.testing.assert_allclose(found[row], expected, atol=1e-10)


def test_after_a_gap_an_error_of_order_one_has_faded_by_the_length_of_the_gap() -> None:
    observations = record()
    fitted = ARMARegression(orders=((1, 0),)).fit(
        observations, split=split_by_fraction(observations)
    )
    phi = fitted.fits_["a"].parameters[0]
    mean = fitted.simulate(observations)["level"].values[0]
    level = observations["level"].values[0].copy()
    observations["level"][:, 496:501] = np.nan  # the last level is that of step 495
    found = issue(fitted, observations, [500])["level"].values[0, 0]
    expected = mean[501] + (level[495] - mean[495]) * phi**6
    assert found[0] == pytest.approx(expected, abs=1e-10)


def test_a_season_of_harmonics_is_forecast() -> None:
    times = pd.date_range("2000-01-03", periods=700, freq="W-MON")
    phase = 2 * np.pi * np.arange(700) / 52.1775
    rng = np.random.default_rng(1)
    level = 5 + np.sin(phase) + rng.normal(0, 0.02, 700)
    observations = xr.Dataset(
        {"level": (("well", "time"), level[None])}, {"well": ["a"], "time": times}
    )
    fitted = UnobservedComponents().fit(observations, split=split_by_fraction(observations))
    found = issue(fitted, observations, [600, 620, 640])["level"].values[0]
    for row, at in enumerate((600, 620, 640)):
        truth = 5 + np.sin(phase[at + 1 : at + 1 + HORIZON])
        assert np.abs(found[row] - truth).max() < 0.06


def test_smoothing_continues_a_line() -> None:
    observations = record()
    observations["level"][:] = 3 + 0.01 * np.arange(600)
    observations["level"][:] += np.random.default_rng(0).normal(0, 1e-4, 600)
    fitted = ETS().fit(observations, split=split_by_fraction(observations))
    found = issue(fitted, observations, [500])["level"].values[0, 0]
    damping = fitted.fits_["a"].parameters[2]
    # each step adds the damped trend
    assert found[0] == pytest.approx(3 + 0.01 * 501, abs=0.002)
    np.testing.assert_allclose(np.diff(found)[1:] / np.diff(found)[:-1], damping, rtol=1e-6)


@every_model
def test_it_is_the_forecast_of_statsmodels(make) -> None:
    observations = record()
    observations["level"][:, ::7] = np.nan
    fitted = make().fit(observations, split=split_by_fraction(observations))
    series = fitted.target_of(observations).values[0]
    year = steps_per_year(infer_frequency(observations["time"].values))
    mean = np.zeros(600)
    if isinstance(fitted, ARMARegression):
        mean = fitted.simulate(observations)["level"].values[0]
    found = issue(fitted, observations, [450, 490])["level"].values[0]
    for row, at in enumerate((450, 490)):
        first = int(np.flatnonzero(np.isfinite(series))[0])
        model = fitted._model(series[first : at + 1], fitted.fits_["a"].order, year=year)
        expected = model.smooth(fitted.fits_["a"].parameters).forecast(HORIZON)
        np.testing.assert_allclose(
            found[row], expected + mean[at + 1 : at + 1 + HORIZON], atol=1e-9
        )


@every_model
def test_an_issue_time_alone_has_the_forecast_that_it_has_among_others(make) -> None:
    observations = record()
    fitted = make().fit(observations, split=split_by_fraction(observations))
    together = issue(fitted, observations, [430, 480, 560])["level"].values
    for row, at in enumerate((430, 480, 560)):
        alone = issue(fitted, observations, [at])["level"].values
        assert alone[:, 0].tobytes() == together[:, row].tobytes()


@every_model
def test_levels_of_each_week_on_days(make) -> None:
    observations = record(2200, freq="D")
    observations["level"] = observations["level"].where(np.arange(2200) % 7 == 0)
    fitted = make().fit(observations, split=split_by_fraction(observations))
    assert fitted.failed_ == {}
    found = issue(fitted, observations, [2000, 2003])["level"].values
    assert np.isfinite(found).all()
    spread = float(observations["level"].std())
    assert np.abs(found - observations["level"].values[0, 1995]).max() < 4 * spread


@every_model
def test_before_the_first_level_there_is_no_forecast(make) -> None:
    observations = record()
    observations["level"][:, :100] = np.nan
    fitted = make().fit(observations, split=split_by_fraction(observations))
    found = issue(fitted, observations, [50, 99, 100])["level"].values[0]
    assert np.isnan(found[:2]).all()
    assert np.isfinite(found[2]).all()


def test_a_well_that_cannot_be_fitted_does_not_stop_another() -> None:
    good = record()
    wells = xr.concat(
        [good, good.assign_coords(well=["short"]), good.assign_coords(well=["level"])], "well"
    )
    split = split_by_fraction(wells)
    wells["level"][1, 25:] = np.nan  # the split of a longer record is kept
    wells["level"][2, :] = 12.3
    for make in (ETS, UnobservedComponents):
        with pytest.warns(UserWarning, match="could not be fitted at well") as caught:
            fitted = make().fit(wells, split=split)
        assert len(caught) == 1
        assert "at least 30 levels. Received 25" in fitted.failed_["short"]
        found = issue(fitted, wells, [500])["level"].values
        assert np.isfinite(found[0]).all()
        assert np.isnan(found[1]).all()
        np.testing.assert_allclose(found[2], 12.3)


def test_a_mean_that_fails_is_reported_once_with_its_reason() -> None:
    good = record()
    wells = xr.concat([good, good.assign_coords(well=["short"])], "well")
    split = split_by_fraction(wells)
    wells["level"][1, 15:] = np.nan
    with pytest.warns(UserWarning, match="'arma_regression' could not be fitted") as caught:
        fitted = ARMARegression(orders=((1, 0),)).fit(wells, split=split)
    assert len(caught) == 1
    assert "at least 20 fitted rows" in fitted.failed_["short"]
    assert np.isfinite(issue(fitted, wells, [500])["level"].values[0]).all()


def test_a_fit_without_a_maximum_fails_by_name(monkeypatch) -> None:
    monkeypatch.setattr("gwforecast.models.state_space.ITERATIONS", 1)
    observations = record()
    with pytest.warns(UserWarning, match="maximum"):
        fitted = UnobservedComponents().fit(observations, split=split_by_fraction(observations))
    assert set(fitted.failed_) == {"a"}
    assert np.isnan(issue(fitted, observations, [500])["level"].values).all()


def test_orders_are_those_with_the_smallest_criterion() -> None:
    observations = record(1500)
    rng = np.random.default_rng(3)
    error = np.zeros(1500)
    for step in range(2, 1500):
        error[step] = 1.4 * error[step - 1] - 0.6 * error[step - 2] + rng.normal(0, 0.05)
    observations["level"][:] = 20 + error
    split = split_by_fraction(observations)
    fitted = ARMARegression(orders=((1, 0), (2, 0))).fit(observations, split=split)
    assert fitted.fits_["a"].order == (2, 0)
    np.testing.assert_allclose(fitted.fits_["a"].parameters, [1.4, -0.6], atol=0.12)
    assert fitted.refit(observations, split=split).fits_["a"].order == (2, 0)


def test_orders_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="each element must have 2 elements"):
        ARMARegression(orders=((1,),))


def test_only_the_requested_covariates_are_used() -> None:
    observations = record()
    observations["noise"] = observations["rr"] * 0 + np.random.default_rng(5).normal(size=600)
    split = split_by_fraction(observations)
    fitted = ARMARegression(orders=((1, 0),), covariates=["rr"]).fit(observations, split=split)
    assert fitted.covariates_of(observations) == ["rr"]
    found = issue(fitted, observations, [500])["level"].values
    changed = observations.assign(noise=observations["noise"] * np.nan)
    assert issue(fitted, changed, [500])["level"].values.tobytes() == found.tobytes()


@pytest.mark.parametrize("model", [ETS(), UnobservedComponents()])
def test_a_model_without_weather_says_so(model) -> None:
    assert model.covariates_of(record()) == []
    assert "uses no weather" in type(model).__doc__


@pytest.mark.parametrize(
    "make",
    [lambda: ARMARegression(orders=((1, 0),)), Linear, Additive],
    ids=["arma_regression", "linear", "additive"],
)
def test_observed_weather_in_versions_is_observed_weather(make) -> None:
    observations = record(700)
    fitted = make().fit(observations, split=split_by_fraction(observations))
    issued = observations["time"].values[[500, 560]]
    known = {"issue_times": issued, "horizon": HORIZON}
    if isinstance(fitted, ARMARegression):
        one = fitted.forecast(observations, forcing=ObservedWeather(), **known)["level"]
        three = fitted.forecast(observations, forcing=Versions(1.0, 0.0, 1.0), **known)["level"]
        assert one.dims == ("well", "issue_time", "lead_time")
        versions = three.values
    else:
        one = fitted.project(observations, forcing=ObservedWeather(), **known)[..., 0, 0]
        versions = fitted.project(observations, forcing=Versions(1.0, 0.0, 1.0), **known).values
        versions = versions[..., 0]
    np.testing.assert_allclose(versions[..., 0], one.values, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(versions[..., 0], versions[..., 2])
    assert (versions[..., 1] < versions[..., 0]).mean() > 0.9  # no rain, lower levels


@pytest.mark.parametrize("make", [Linear, Additive], ids=["linear", "additive"])
@pytest.mark.parametrize("later", [np.nan, 1e6, 7.0])
def test_a_projection_reads_no_weather_after_the_issue_time(make, later: float) -> None:
    observations = record(700)
    fitted = make().fit(observations, split=split_by_fraction(observations))
    issued = observations["time"].values[[500]]
    known = {"issue_times": issued, "horizon": HORIZON, "forcing": Fixed()}
    expected = fitted.project(observations, **known).values
    assert np.isfinite(expected).all()
    past = observations["time"] <= issued[0]
    changed = observations.assign(
        {name: observations[name].where(past, later) for name in ("level", "rr")}
    )
    assert fitted.project(changed, **known).values.tobytes() == expected.tobytes()


@every_model
def test_another_frequency_or_well_is_refused(make) -> None:
    observations = record()
    fitted = make().fit(observations, split=split_by_fraction(observations))
    days = observations.assign_coords(time=pd.date_range("2000-01-03", periods=600))
    with pytest.raises(SchemaError, match="frequency it was fitted on"):
        issue(fitted, days, [500])
    with pytest.raises(SchemaError, match="'b'"):
        issue(fitted, observations.assign_coords(well=["b"]), [500])


def test_no_warning_of_statsmodels_reaches_the_user() -> None:
    observations = record()
    split = split_by_fraction(observations)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for make in STATE_SPACE:
            issue(make().fit(observations, split=split), observations, [500])
    assert [str(one.message) for one in caught] == []


def test_statsmodels_agrees_on_the_criterion() -> None:
    observations = record()
    split = split_by_fraction(observations)
    fitted = ARMARegression(orders=((1, 0), (2, 0), (1, 1))).fit(observations, split=split)
    error = fitted.target_of(observations).where(split.rows(observations, "train")).values[0]
    error = error[np.isfinite(error)]
    found = {
        (p, q): sm.tsa.SARIMAX(error, order=(p, 0, q)).fit(disp=False).aic
        for p, q in ((1, 0), (2, 0), (1, 1))
    }
    assert fitted.fits_["a"].order == min(found, key=found.get)
