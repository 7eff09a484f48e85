"""Cross-validation over blocks of years, beside the scores of the split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.calibration.cross_validation import blocks_of_years, simulate_left_out
from gwforecast.models.linear import Linear

TIMES = pd.date_range("2000-01-03", periods=800, freq="7D")


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    rng = np.random.default_rng(2)
    rain = rng.gamma(1.0, 10.0, TIMES.size)
    level = 20 + pd.Series(rain).ewm(halflife=8).mean().to_numpy() / 10
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, level[None]), "rain": (dims, rain[None], {"units": "mm", "kind": "rain"})},
        {"well": ["a"], "time": TIMES},
    )


def test_its_scores_stand_beside_those_of_the_split(observations: xr.Dataset) -> None:
    models = ["linear", "climatology"]
    plain = gw.evaluate(observations, models=models)
    crossed = gw.evaluate(observations, models=models, cross_validate=4)
    both = ["model", "well", "period", "metric"]
    shared = crossed.scores[crossed.scores["period"] != "cross-validation"]
    pd.testing.assert_frame_equal(shared.reset_index(drop=True), plain.scores)
    own = crossed.scores[crossed.scores["period"] == "cross-validation"].set_index(both)["value"]
    left_out = simulate_left_out(Linear(), observations, blocks=4)["level"]
    errors = (left_out - observations["level"]).values
    rmse = own["linear", "a", "cross-validation", "rmse"]
    assert rmse == pytest.approx(np.sqrt(np.nanmean(errors**2)))
    skill = 1 - rmse / own["climatology", "a", "cross-validation", "rmse"]
    assert own["linear", "a", "cross-validation", "skill_rmse"] == pytest.approx(skill)


def test_every_year_is_predicted_by_a_model_that_has_not_seen_it(observations: xr.Dataset) -> None:
    block = blocks_of_years(observations, blocks=4)
    spoilt = observations.assign(level=observations["level"] + 50.0 * (block == 1))
    before, after = (
        simulate_left_out(Linear(), one, blocks=4)["level"].where(block == 1)
        for one in (observations, spoilt)
    )
    np.testing.assert_allclose(before, after, atol=1e-8)
