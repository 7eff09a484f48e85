"""Importance is that of a known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.models.linear import Linear
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
