"""Attributions add up to the level, and importance ranks the causes, where the truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.models.linear import Linear
from gwforecast.networks.attribution import integrated_gradients
from gwforecast.networks.lstm import LSTM
from gwforecast.networks.mlp import MLP
from gwforecast.sequences.split import split_by_fraction
from gwforecast.verification.importance import permutation_importance

MOST, LESS, NONE = "rain", "temperature", "wind"


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    """A level of 3 parts rain and 1 part temperature of the last ten weeks, and no wind."""
    time = pd.date_range("2000-01-03", periods=700, freq="W-MON")
    rng = np.random.default_rng(0)
    weather = {name: rng.normal(size=time.size) for name in (MOST, LESS, NONE)}
    means = {n: pd.Series(v).rolling(10, min_periods=1).mean() for n, v in weather.items()}
    level = 3 * means[MOST] + means[LESS] + rng.normal(scale=0.05, size=time.size)
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, level.to_numpy()[None])}
        | {name: (dims, values[None]) for name, values in weather.items()},
        {"well": ["a"], "time": time},
    )


@pytest.mark.parametrize("network", [LSTM, MLP])
def test_attributions_add_up_to_the_level(observations: xr.Dataset, network: type) -> None:
    split = split_by_fraction(observations)
    fitted = network(members=2, epochs=60, lookback=26, features=())
    fitted.fit(observations, split=split)
    times = observations["time"].values[[300, 400, 500]]
    explained = integrated_gradients(fitted, observations, times=times)
    assert explained["attribution"].dims == ("well", "time", "lag", "input")
    assert explained.sizes["lag"] == 27
    total = explained["attribution"].sum(["lag", "input"])
    np.testing.assert_allclose(total, explained["difference"], atol=0.02)
    size = abs(explained["attribution"]).sum(["well", "time", "lag"]).to_series()
    assert size[MOST] > size[LESS] > size[NONE]
    recent = abs(explained["attribution"]).sel(input=MOST).mean(["well", "time"])
    assert recent[:10].sum() > recent[12:].sum()
    with pytest.raises(ValueError, match="later times"):
        integrated_gradients(fitted, observations, times=observations["time"].values[:1])


def test_importance_ranks_as_the_truth_does(observations: xr.Dataset) -> None:
    split = split_by_fraction(observations)
    fitted = Linear().fit(observations, split=split)
    before = observations.copy(deep=True)
    table = permutation_importance(fitted, observations, split=split, repeats=5)
    xr.testing.assert_identical(observations, before)
    drops = table.groupby("covariate")["drop"].median()
    assert drops[MOST] > 3 * drops[LESS] > 0
    assert abs(drops[NONE]) < 0.02
    again = permutation_importance(fitted, observations, split=split, repeats=5)
    pd.testing.assert_frame_equal(again, table)
    assert table["years"].nunique() == 5
    with pytest.raises(ValueError, match="'snow'"):
        permutation_importance(fitted, observations, split=split, covariates=["snow"])


def test_a_covariate_that_is_not_used_has_no_importance(observations: xr.Dataset) -> None:
    split = split_by_fraction(observations)
    fitted = Linear(covariates=[MOST, LESS]).fit(observations, split=split)
    table = permutation_importance(fitted, observations, split=split, covariates=[NONE])
    assert (table["drop"] == 0.0).all()


def test_weather_that_ends_before_the_levels_is_shifted_within_its_own_record(
    observations: xr.Dataset,
) -> None:
    split = split_by_fraction(observations)
    fitted = Linear().fit(observations, split=split)
    last = split.end("validation").values.min()
    ended = observations.copy(deep=True)
    ended[MOST] = ended[MOST].where(ended["time"] <= last)
    table = permutation_importance(fitted, ended, split=split, covariates=[MOST], repeats=4)
    assert (table["drop"] > 0.3).all()
    whole = permutation_importance(fitted, observations, split=split, covariates=[MOST])
    assert table["nse_intact"].unique() == pytest.approx(whole["nse_intact"].unique())
    ended[MOST] = ended[MOST].where(ended["time"] < ended["time"].values[80])
    with pytest.raises(ValueError, match=r"two years\. Received 1\.5"):
        permutation_importance(fitted, ended, split=split, covariates=[MOST])


def test_the_season_of_a_covariate_stays(observations: xr.Dataset) -> None:
    times = observations["time"]
    wave = np.sin(2 * np.pi * np.arange(times.size) / (365.25 / 7))[None]
    seasonal = observations.assign({NONE: (("well", "time"), wave)})
    split = split_by_fraction(seasonal)
    fitted = Linear().fit(seasonal, split=split)
    table = permutation_importance(fitted, seasonal, split=split, period="train", covariates=[NONE])
    assert table["years"].nunique() == 10
    assert (table["drop"].abs() < 1e-3).all()
