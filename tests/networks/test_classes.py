"""What is normal, and networks that class levels against it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.networks.classes import NormalClassifier
from gwforecast.networks.lstm import LSTM
from gwforecast.networks.mlp import MLP
from gwforecast.runs.saved import load
from gwforecast.schema import SchemaError
from gwforecast.sequences.scale import Normal
from gwforecast.sequences.split import split_by_fraction


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    """Return eight years of weekly levels that are the mean of the last rains."""
    rng = np.random.default_rng(1)
    time = pd.date_range("2000-01-03", periods=420, freq="W-MON").to_numpy()
    rain = rng.gamma(2, 8, 420)
    level = pd.Series(rain).ewm(halflife=3).mean().to_numpy() / 10
    return xr.Dataset(
        {
            "level": (("well", "time"), level[None]),
            "rain": (("well", "time"), rain[None], {"kind": "rain"}),
        },
        {"well": ["a"], "time": time.astype("datetime64[us]")},
    )


def test_a_third_of_the_fitted_levels_is_in_each_class(observations: xr.Dataset) -> None:
    rows = xr.ones_like(observations["level"], dtype=bool)
    classes = Normal().fit(observations, rows=rows).classify(observations["level"])
    share = [float((classes == k).mean()) for k in range(3)]
    np.testing.assert_allclose(share, 1 / 3, atol=0.03)


def test_normal_is_learnt_from_the_rows_alone(observations: xr.Dataset) -> None:
    rows = xr.zeros_like(observations["level"], dtype=bool)
    rows[:, :200] = True
    changed = observations.copy(deep=True)
    changed["level"][:, 200:] = 1e6
    first, second = (Normal().fit(o, rows=rows).limits_ for o in (observations, changed))
    assert first.identical(second)


def test_missing_levels_have_no_class(observations: xr.Dataset) -> None:
    level = observations["level"].copy()
    level[:, ::3] = np.nan
    rows = xr.ones_like(level, dtype=bool)
    classes = Normal().fit(level.to_dataset(name="level"), rows=rows).classify(level)
    assert (classes.isnull() == level.isnull()).all()


def test_too_few_levels_are_refused(observations: xr.Dataset) -> None:
    rows = xr.zeros_like(observations["level"], dtype=bool)
    rows[:, :4] = True
    with pytest.raises(SchemaError, match=r"at least 9 levels\. Received 4 for well 'a'"):
        Normal().fit(observations, rows=rows)


@pytest.mark.parametrize("network", [LSTM(members=2, epochs=80, lookback=12, targets=40,
                                          learning_rate=0.01),
                                     MLP(members=2, epochs=30, lookback=12)])  # fmt: skip
def test_networks_class_better_than_chance_and_are_saved(
    network: LSTM, observations: xr.Dataset, tmp_path: Path
) -> None:
    split = split_by_fraction(observations)
    classifier = NormalClassifier(network).fit(observations, split=split)
    probability = classifier.predict_probabilities(observations)
    assert probability.dims == ("well", "time", "class")
    assert probability["class"].values.tolist() == ["below", "near", "above"]
    np.testing.assert_allclose(probability.sum("class"), 1.0, atol=1e-5)
    classes = classifier.predict_classes(observations)
    observed = classifier.normal_.classify(split.levels(observations, "test"))
    both = observed.notnull().values & classes.notnull().values
    right = float((observed.values == classes.values)[both].mean())
    usual = float(observed.groupby(observed).count().max() / observed.count())
    assert right > usual + 0.1

    again = load(classifier.save(tmp_path, observations=observations))
    assert isinstance(again, NormalClassifier)
    assert again.predict_classes(observations).identical(classes)
    assert again.normal_.limits_.identical(classifier.normal_.limits_)
    description, arrays = classifier.to_state()
    for limits in (arrays["limits"][:, :6], arrays["limits"][..., ::-1], arrays["limits"] * np.nan):
        with pytest.raises(ValueError, match="limits must be"):
            NormalClassifier.from_state(description, {"limits": limits}, parts=again.parts)
    plain = MLP(members=1, epochs=1, lookback=2).fit(observations, split=split)
    with pytest.raises(ValueError, match="an output for each of"):
        NormalClassifier.from_state(description, arrays, parts=[plain])


def test_a_classifier_must_be_fitted_before_it_is_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be fitted .* 'classes by lstm', .* Call .* fit"):
        NormalClassifier(LSTM()).save(tmp_path)
