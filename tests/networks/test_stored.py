"""Networks that are read back forecast without TensorFlow, and can be trained further."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr

from gwforecast.networks.cnn import CNN, GlobalCNN
from gwforecast.networks.forecaster import NeuralForecaster
from gwforecast.networks.gru import GRU, GlobalGRU
from gwforecast.networks.lstm import LSTM, GlobalLSTM
from gwforecast.networks.mlp import MLP, GlobalMLP
from gwforecast.sequences.split import Split, split_by_fraction

SMALL: dict[str, Any] = {
    "members": 2, "epochs": 3, "lookback": 6, "targets": 8, "batch_size": 4, "learning_rate": 0.01,
    "loss": "huber",
}  # fmt: skip
FORECASTERS = [LSTM, GRU, CNN, MLP, GlobalLSTM, GlobalGRU, GlobalCNN, GlobalMLP]


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    rng = np.random.default_rng(1)
    rain = rng.gamma(0.7, 4.0, (2, 160))
    level = np.zeros((2, 160))
    for step in range(1, 160):
        level[:, step] = 0.9 * level[:, step - 1] + 0.02 * rain[:, step]
    time = np.datetime64("2001-01-01", "us") + np.arange(160) * np.timedelta64(7, "D")
    return xr.Dataset(
        {
            "level": (("well", "time"), level + 30, {"units": "m"}),
            "rain": (("well", "time"), rain, {"units": "mm", "kind": "rain"}),
            "depth": ("well", np.array([3.0, 8.0])),
        },
        {"well": ["a", "b"], "time": time},
    )


@pytest.fixture(scope="module")
def split(data: xr.Dataset) -> Split:
    return split_by_fraction(data)


def stored(one: NeuralForecaster) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the state of a forecaster after its description was text."""
    description, arrays = one.to_state()
    return json.loads(json.dumps(description, allow_nan=False)), arrays


@pytest.mark.parametrize("cls", FORECASTERS)
def test_a_forecaster_that_is_read_back_is_as_it_was(
    cls: type[NeuralForecaster], data: xr.Dataset, split: Split
) -> None:
    units: Any = 4 if issubclass(cls, CNN) else (4, 3)
    one = cls(name="small", units=units, **SMALL).fit(data, split=split)
    again = cls.from_state(*stored(one))
    assert type(again) is cls
    assert again.name == "small"
    xr.testing.assert_identical(again.simulate(data), one.simulate(data))
    # training continues in the same way, and so does a new training
    for how in ("update", "refit"):
        ours, theirs = (getattr(f, how)(data, split=split) for f in (again, one))
        for a, b in zip(ours.weights_, theirs.weights_, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_description_has_the_keys_of_earlier_files(data: xr.Dataset, split: Split) -> None:
    description, arrays = stored(LSTM(**SMALL).fit(data, split=split))
    assert set(description) == {
        "name", "shared", "lagged", "architecture", "covariates", "features", "lookback",
        "targets", "wells", "inputs", "seeds", "settings",
    }  # fmt: skip
    assert description["architecture"]["kind"] == "lstm"
    assert {"weights.0", "weights.4", "trust"} <= set(arrays)


def test_a_description_without_settings_is_trained_with_defaults_and_a_warning(
    data: xr.Dataset, split: Split
) -> None:
    one = LSTM(units=5, **SMALL).fit(data, split=split)
    description, arrays = stored(one)
    del description["settings"]
    again = LSTM.from_state(description, arrays)
    assert (again.units, again.lookback, again.members, again.seed) == ((5,), 6, 2, 0)
    assert again.learning_rate == LSTM.learning_rate
    xr.testing.assert_identical(again.simulate(data), one.simulate(data))
    with pytest.warns(UserWarning, match="Received 'lstm' from a file without them"):
        again.update(data, split=split, epochs=1)


BROKEN = {
    "another kind": lambda d, _: d["architecture"].update(kind="gru"),
    "an unknown setting": lambda d, _: d["settings"].update(code="x"),
    "a setting out of bounds": lambda d, _: d["settings"].update(epochs=0),
    "a setting of another type": lambda d, _: d["settings"].update(forget_bias="os"),
    "a loss that is unknown": lambda d, _: d["settings"].update(loss="eval"),
    "settings that are no table": lambda d, _: d.update(settings=[1]),
    "shared networks": lambda d, _: d.update(shared=True),
    "lagged inputs": lambda d, _: d.update(lagged=True),
    "no seeds": lambda d, _: d.update(seeds=[]),
    "a feature that is unknown": lambda d, _: d.update(features=["moon"]),
    "a missing array": lambda _, a: a.pop("weights.0"),
    "an array of another shape": lambda _, a: a.update({"weights.0": a["weights.0"][:1]}),
    "an array that is not finite": lambda _, a: a.update({"weights.0": a["weights.0"] * np.nan}),
    "member weights that do not add up": lambda _, a: a.update(trust=a["trust"] * 2),
}


@pytest.fixture(scope="module")
def fitted(data: xr.Dataset, split: Split) -> LSTM:
    return LSTM(**{**SMALL, "epochs": 1}).fit(data, split=split)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_as_it_must_be_is_refused(name: str, fitted: LSTM) -> None:
    description, arrays = stored(fitted)
    BROKEN[name](description, arrays)
    with pytest.raises((KeyError, TypeError, ValueError)):
        LSTM.from_state(description, arrays)


def test_further_wells_need_the_encoding_of_attributes(data: xr.Dataset, split: Split) -> None:
    one = GlobalMLP(**SMALL).fit(data, split=split)
    with pytest.raises(ValueError, match="Received 'global_mlp' without it"):
        GlobalMLP.from_state(*stored(one)).with_wells(data, split=split)


def test_a_number_of_units_is_one_layer_and_a_name_is_a_setting(
    data: xr.Dataset, split: Split
) -> None:
    wide = LSTM(name="wide", units=4, **SMALL)
    assert wide.name == "wide"
    one, other = (
        LSTM(units=units, **SMALL).fit(data, split=split).simulate(data) for units in (4, (4,))
    )
    xr.testing.assert_identical(one, other)


def test_tensorflow_is_imported_by_a_fit_only() -> None:
    program = """
import sys
import gwforecast.networks.attribution, gwforecast.networks.classes
from gwforecast.networks import cnn, gru, lstm, mlp
cnn.CNN(), gru.GRU(), lstm.LSTM(units=64), mlp.GlobalMLP()
assert not {"tensorflow", "keras", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
