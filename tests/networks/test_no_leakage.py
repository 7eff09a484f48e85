"""No network knows what it must not know: the proofs of test_no_leakage.py, with small networks."""

from functools import partial

import numpy as np
import pytest
import xarray as xr

from gwforecast.networks.classes import NormalClassifier
from gwforecast.networks.cnn import CNN
from gwforecast.networks.gru import GRU
from gwforecast.networks.lstm import LSTM
from gwforecast.networks.mlp import MLP
from gwforecast.sequences.audit import audit_forecaster, replaced, rows_after
from gwforecast.sequences.split import split_by_fraction

SMALL = {"members": 1, "epochs": 2, "lookback": 6, "targets": 12}
NETWORKS = [
    pytest.param(partial(LSTM, units=(3,), **SMALL), id="lstm"),
    pytest.param(partial(MLP, units=(3,), **SMALL), id="mlp"),
    pytest.param(partial(GRU, units=(3,), **SMALL), id="gru"),
    pytest.param(partial(CNN, units=3, **SMALL), id="cnn"),
]
every_network = pytest.mark.parametrize("factory", NETWORKS)


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    rng = np.random.default_rng(7)
    rain = rng.gamma(0.7, 4.0, (2, 150))
    level = np.zeros((2, 150))
    for step in range(1, 150):
        level[:, step] = 0.9 * level[:, step - 1] + 0.02 * rain[:, step]
    level[:, ::6] = np.nan
    time = np.datetime64("2001-01-01", "us") + np.arange(150) * np.timedelta64(7, "D")
    dims = ("well", "time")
    return xr.Dataset(
        {
            "level": (dims, level + 30),
            "rr": (dims, rain),
            "tg": (dims, rng.normal(9, 5, (2, 150))),
        },
        {"well": ["a", "b"], "time": time},
    )


@every_network
def test_the_audit_finds_no_leak(factory: partial, observations: xr.Dataset) -> None:
    result = audit_forecaster(factory, observations, split_by_fraction(observations, gap=2))
    assert result.passed, str(result)


@every_network
@pytest.mark.parametrize("by", ["missing", "noise", "huge"])
def test_covariates_after_a_time_change_nothing_before_it(
    factory: partial, by: str, observations: xr.Dataset
) -> None:
    split = split_by_fraction(observations)
    fitted = factory().fit(observations, split=split)
    later = xr.ones_like(observations["level"], dtype=bool) & (
        observations["time"] > observations["time"][100]
    )
    changed = replaced(observations, ["rr"], rows=later, by=by, seed=1)
    expected, found = (
        fitted.simulate(o)["level"].isel(time=slice(101)) for o in (observations, changed)
    )
    assert found.values.tobytes() == expected.values.tobytes()


@every_network
def test_no_level_enters_a_simulation(factory: partial, observations: xr.Dataset) -> None:
    fitted = factory().fit(observations, split=split_by_fraction(observations))
    blank = observations.assign(level=xr.full_like(observations["level"], np.nan))
    expected, found = (fitted.simulate(o)["level"] for o in (observations, blank))
    assert found.values.tobytes() == expected.values.tobytes()


@every_network
def test_another_datum_moves_the_simulation_alike(
    factory: partial, observations: xr.Dataset
) -> None:
    split = split_by_fraction(observations)
    moved = observations.assign(level=observations["level"] + 812.5)
    expected = factory().fit(observations, split=split).simulate(observations)["level"] + 812.5
    found = factory().fit(moved, split=split).simulate(moved)["level"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("by", ["missing", "noise", "huge"])
def test_the_classifier_knows_nothing_after_the_validation(
    by: str, observations: xr.Dataset
) -> None:
    split = split_by_fraction(observations)
    later = rows_after(observations, split, "validation")
    changed = replaced(observations, ["level"], rows=later, by=by, seed=2)
    expected, found = (
        NormalClassifier(LSTM(units=(3,), **SMALL))
        .fit(o, split=split)
        .predict_probabilities(observations)
        for o in (observations, changed)
    )
    assert found.values.tobytes() == expected.values.tobytes()
