"""The window generator in the hands of Keras."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.sequences.windows import sequence_windows

STEPS = 260


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    """Weekly levels of two wells that are the rain of two steps before, with gaps."""
    rng = np.random.default_rng(3)
    rain = rng.gamma(1, 5, (2, STEPS))
    level = 5 + 0.1 * np.roll(rain, 2, axis=1)
    level[:, rng.integers(0, STEPS, 30)] = np.nan
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, level, {"units": "m"}), "rain": (dims, rain, {"units": "mm"})},
        {"well": ["a", "b"], "time": pd.date_range("2001-01-01", periods=STEPS, freq="W-MON")},
    )


@pytest.mark.parametrize("targets", [1, 6])
def test_keras_fits_evaluates_and_predicts_from_it(observations: xr.Dataset, targets: int) -> None:
    keras.utils.set_random_seed(1)
    split = gw.split_by_fraction(observations)
    given = {"split": split, "lookback": 4, "targets": targets, "batch_size": 16}
    train, held_out, test = (
        gw.WindowGenerator(observations, period=period, **given)
        for period in ("train", "validation", "test")
    )
    network = keras.Sequential([
        keras.Input(train.shapes["future"]),
        keras.layers.Conv1D(targets > 1 or 1, 5) if targets > 1 else keras.layers.Flatten(),
        keras.layers.Dense(1),
    ])  # fmt: skip
    network.compile("adam", "mse", weighted_metrics=["mae"])
    network.optimizer.learning_rate = 0.05
    history = network.fit(train, validation_data=held_out, epochs=60, verbose=0)
    assert history.history["val_loss"][-1] < 0.05 * history.history["val_loss"][0]
    for generator, period in ((train, "train"), (test, "test")):  # the one is in a random order
        predicted = generator.to_levels(network.predict(generator, verbose=0), model="mine")
        scores = gw.score_table(predicted, observations, split, metrics=["rmse", "nse"])
        found = scores[scores["period"] == period].set_index(["well", "metric"])["value"]
        assert found["a", "nse"] > 0.95
        assert found["b", "nse"] > 0.95
    loss, mean = network.evaluate(test, verbose=0)
    assert np.isfinite([loss, mean]).all()


def test_the_networks_of_the_package_see_the_same_windows(observations: xr.Dataset) -> None:
    split = gw.split_by_fraction(observations)
    own = gw.LSTM(units=2, members=1, epochs=1, lookback=6, targets=5, features=(), workers=1)
    own.folds = 1
    own.fit(observations, split=split)
    data = own._data(observations, split.rows(observations, "train"), split)
    generator = gw.WindowGenerator(
        observations, split=split, lookback=6, targets=5, shuffle=False, pad=True, batch_size=10**6
    )
    inputs, targets, weights = generator[0]
    rows = np.isfinite(data.targets)
    windows = sequence_windows(rows, lookback=6, targets=5)
    np.testing.assert_array_equal(inputs, windows.gather(data.inputs))
    theirs = windows.gather_targets(data.targets)
    np.testing.assert_array_equal(weights, np.isfinite(theirs))
    np.testing.assert_array_equal(targets[..., 0], np.nan_to_num(theirs))
