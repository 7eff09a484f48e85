"""A constant level is found, predicted as it is, and has a stated band."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.calibration.forecaster import as_forecasting
from gwforecast.forcings.base import ObservedWeather
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.models.base import Forecaster
from gwforecast.models.per_well import PerWell
from gwforecast.runs.catalogue import MODELS, model_class
from gwforecast.runs.evaluate import evaluate


def constant() -> xr.Dataset:
    rng = np.random.default_rng(0)
    time = pd.date_range("2000-01-03", periods=420, freq="W-MON")
    rain, level = rng.gamma(1.0, 5.0, (1, 420)), np.full((1, 420), 7.25)
    warm = 10 + 8 * np.sin(2 * np.pi * time.day_of_year.to_numpy() / 365.25)[None]
    dims = ("well", "time")
    series = {"level": (dims, level), "rain": (dims, rain), "temperature": (dims, warm)}
    return xr.Dataset(series, {"well": ["a"], "time": time})


PER_WELL = [name for name in MODELS if issubclass(model_class(name), PerWell)]


@pytest.mark.parametrize("forcing", [ObservedWeather(), ClimatologyWeather(fewest=2)])
@pytest.mark.parametrize("name", PER_WELL)
@pytest.mark.filterwarnings("error:.*could not be fitted")
def test_each_model_of_single_wells_predicts_it(
    name: str, forcing: gw.forcings.base.Forcing
) -> None:
    observations = constant()
    split = gw.split_by_fraction(observations)
    fitted = model_class(name)().fit(observations, split=split)
    fitted = fitted.refit(observations, split=split)
    assert fitted.failed_ == {}
    assert fitted.constant_["a"] in (0.0, 7.25)  # 0 is the error of a mean
    if type(fitted).simulate is not Forecaster.simulate:
        np.testing.assert_allclose(fitted.simulate(observations)["level"], 7.25)
    given = {"horizon": 3, "forcing": forcing, "issue_times": observations["time"].values[[400]]}
    again = type(fitted).from_state(*fitted.to_state())
    for one in (fitted, again):
        made = as_forecasting(one)
        if made is not one:
            made.calibrate(observations, split=split)
        np.testing.assert_allclose(made.forecast(observations, **given)["level"], 7.25)


@pytest.mark.parametrize("models", [("linear", "additive", "climatology"), ("mlp",)])
def test_an_evaluation_predicts_the_level_with_a_band_of_a_centimetre(
    models: tuple[str, ...],
) -> None:
    settings = {"mlp": {"epochs": 3, "units": [4], "members": 2}} if "mlp" in models else {}
    with np.errstate(all="ignore"):
        made = evaluate(constant(), models=list(models), settings=settings)
    assert (made.outcomes["status"] == "ok").all()
    assert "constant" in set(made.findings["check"])
    test = made.predictions["level"].dropna("time", how="any")
    assert test.sizes["time"] > 50
    np.testing.assert_allclose(test.sel(quantile=0.5).values, 7.25, atol=1e-3)
    for quantile, sign in ((0.025, -1), (0.975, 1)):
        np.testing.assert_allclose(
            test.sel(quantile=quantile).values, 7.25 + sign * 0.01, atol=1e-3
        )


def test_a_forecast_has_the_same_band() -> None:
    made = gw.forecast(constant(), models=["linear"], horizon=5)["level"]
    np.testing.assert_allclose(made.sel(quantile=0.5).values, 7.25, atol=1e-6)
    np.testing.assert_allclose(made.sel(quantile=0.975).values, 7.26, atol=1e-6)
    np.testing.assert_allclose(made.sel(quantile=0.025).values, 7.24, atol=1e-6)
