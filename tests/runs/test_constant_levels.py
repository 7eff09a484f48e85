"""A constant level is found, predicted as it is, and has a stated band."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.runs.evaluate import evaluate


def constant() -> xr.Dataset:
    rng = np.random.default_rng(0)
    time = pd.date_range("2000-01-03", periods=420, freq="W-MON")
    rain, level = rng.gamma(1.0, 5.0, (1, 420)), np.full((1, 420), 7.25)
    dims = ("well", "time")
    return xr.Dataset({"level": (dims, level), "rain": (dims, rain)}, {"well": ["a"], "time": time})


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
