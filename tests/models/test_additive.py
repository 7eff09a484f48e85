"""The additive model: curves, what it needs, and how it says so."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.models import additive
from gwforecast.models.additive import Additive
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import split_by_fraction


def record(steps: int = 600) -> xr.Dataset:
    """One well whose weekly level is a fading memory of its rain."""
    rain = np.random.default_rng(0).gamma(0.7, 10.0, steps)
    level = 20 + pd.Series(rain).ewm(com=9).mean().to_numpy() / 5
    times = pd.date_range("2000-01-03", periods=steps, freq="W-MON")
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, level[None]), "rr": (dims, rain[None])}, {"well": ["a"], "time": times}
    )


def test_an_additive_curve_is_found() -> None:
    rng = np.random.default_rng(2)
    observations = record(1500)
    rain = rng.uniform(0, 10, 1500)
    observations["rr"][:] = rain
    # the level answers to the mean rain of the last five weeks, less and less so
    mean = pd.Series(rain).rolling(5).mean().bfill().to_numpy()
    level = np.sqrt(mean)
    observations["level"][:] = level + rng.normal(0, 0.01, 1500)
    fitted = Additive(penalty=0.01).fit(observations, split=split_by_fraction(observations))
    found = fitted.simulate(observations)["level"].values[0]
    test = slice(1250, 1500)
    explained = 1 - np.var(found[test] - level[test]) / np.var(level[test])
    assert explained > 0.9


def test_an_additive_model_without_weather_or_with_a_short_record_says_so() -> None:
    observations = record()
    split = split_by_fraction(observations)
    short = observations.copy(deep=True)
    short["level"][:, 40:] = np.nan
    with pytest.warns(UserWarning, match="at least 60 levels"):
        fitted = Additive().fit(short, split=split)
    assert set(fitted.failed_) == {"a"}
    with pytest.warns(UserWarning, match="needs a covariate"):
        Additive().fit(observations[["level"]], split=split)
    with pytest.warns(UserWarning, match="different values"):
        Additive().fit(observations.assign(rr=observations["rr"] * 0), split=split)


def test_a_level_that_stays_is_predicted_as_it_is() -> None:
    observations = record()
    observations["level"][:] = 12.3
    fitted = Additive().fit(observations, split=split_by_fraction(observations))
    assert fitted.constant_ == {"a": 12.3}
    assert not fitted.failed_
    again = Additive.from_state(*fitted.to_state())
    for model in (fitted, again):
        assert (model.simulate(observations)["level"].values == 12.3).all()


def test_an_additive_model_needs_the_covariates_of_its_fit() -> None:
    observations = record()
    fitted = Additive().fit(observations, split=split_by_fraction(observations))
    with pytest.raises(SchemaError, match="'rr'"):
        fitted.simulate(observations[["level"]])


def test_columns_that_hardly_vary_or_follow_from_others_are_left_out_by_name() -> None:
    observations = record()
    rain = observations["rr"]
    snow = xr.where(np.arange(600) % 52 < 8, rain, 1e-7 * rain)  # almost none for most of the year
    observations = observations.assign(snow=snow, liquid=2 * rain + 3)
    split = split_by_fraction(observations)
    fitted = Additive().fit(observations, split=split)
    assert not fitted.failed_
    dropped = fitted.dropped_["a"]
    assert {name.split(",")[0] for name in dropped} == {"snow", "liquid"}
    assert "snow, 0 to 4 steps before" in dropped
    assert sum(name.startswith("liquid") for name in dropped) == 4
    alone = Additive().fit(observations[["level", "rr"]], split=split)
    assert alone.dropped_ == {"a": []}
    errors = [
        float(np.sqrt(((one.simulate(data)["level"] - data["level"]) ** 2).mean()))
        for one, data in ((fitted, observations), (alone, observations[["level", "rr"]]))
    ]
    assert errors[0] < 1.2 * errors[1]


def test_a_fit_worse_than_the_mean_of_its_levels_has_failed() -> None:
    level = np.array([1.0, 2.0, 3.0])
    additive._check_error(level, np.array([1.0, 2.0, 2.9]))
    with pytest.raises(ValueError, match=r"Received an error of 2 m, where .* is 0.816 m"):
        additive._check_error(level, level + 2)
