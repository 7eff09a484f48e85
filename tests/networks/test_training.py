"""The engine: jobs are independent, reproducible and equal to Keras' own training."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.networks import training
from gwforecast.networks.cnn import CNN
from gwforecast.networks.engines.jobs import Data, Job, Recipe
from gwforecast.networks.gru import GRU
from gwforecast.networks.lstm import LSTM, LSTMArchitecture
from gwforecast.networks.mlp import MLP
from gwforecast.networks.training import LOSSES
from gwforecast.sequences.split import Split, split_by_fraction

SMALL = {"members": 2, "epochs": 3, "lookback": 6, "targets": 8}


def observations(wells: int = 2, steps: int = 160) -> xr.Dataset:
    """Return wells whose level is a fading memory of the rain, with gaps."""
    rng = np.random.default_rng(3)
    rain = rng.gamma(0.4, 8.0, size=(wells, steps))
    level = np.zeros((wells, steps))
    for step in range(1, steps):
        level[:, step] = 0.8 * level[:, step - 1] + 0.02 * rain[:, step]
    level += 40.0 + np.arange(wells)[:, None]
    level[:, ::7] = np.nan
    return xr.Dataset(
        {
            "level": (("well", "time"), level, {"units": "m"}),
            "rain": (("well", "time"), rain, {"units": "mm/d", "kind": "rain"}),
        },
        {
            "well": [f"w{i}" for i in range(wells)],
            "time": np.datetime64("2010-01-01", "us") + np.arange(steps) * np.timedelta64(1, "D"),
        },
    )


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return observations()


@pytest.fixture(scope="module")
def split(data: xr.Dataset) -> Split:
    return split_by_fraction(data)


@pytest.mark.parametrize("kind", [LSTM, MLP, GRU, CNN])
def test_groups_order_and_workers_change_nothing(
    kind: type, data: xr.Dataset, split: Split
) -> None:
    together = kind(**SMALL, workers=2).fit(data, split=split).simulate(data)["level"]
    turned = data.isel(well=[1, 0])
    other = kind(**SMALL, workers=1).fit(turned, split=split_by_fraction(turned))
    alone = data.isel(well=[1])
    single = kind(**SMALL, workers=1).fit(alone, split=split_by_fraction(alone))
    assert together.dims == ("well", "time", "member")
    np.testing.assert_array_equal(together, other.simulate(data)["level"])
    np.testing.assert_array_equal(together[1:], single.simulate(alone)["level"])


def test_members_equal_networks_trained_one_by_one(data: xr.Dataset, split: Split) -> None:
    together = LSTM(**SMALL).fit(data, split=split)
    second = LSTM(**{**SMALL, "members": 1}, seed=1).fit(data, split=split)
    for ours, theirs in zip(together.weights_, second.weights_, strict=True):
        np.testing.assert_allclose(ours[:, 1:], theirs, atol=1e-6)


def test_members_start_from_forget_biases_in_turn(data: xr.Dataset, split: Split) -> None:
    """Without a step of training the weights are the first ones."""
    settings = {**SMALL, "units": (4, 3), "members": 3, "epochs": 1}
    still = LSTM(**settings, learning_rate=1e-12, forget_bias=(0.5, 2.0)).fit(data, split=split)
    for layer, units in enumerate(still.units):
        kernel, _, bias = still.weights_[3 * layer : 3 * layer + 3]
        input_gate, forget_gate, cell, output_gate = np.split(bias, 4, axis=-1)
        np.testing.assert_allclose(forget_gate[:, :, 0], [[0.5, 2.0, 0.5]] * 2, atol=1e-6)
        np.testing.assert_allclose(np.ptp(forget_gate, axis=-1), 0.0, atol=1e-6)
        np.testing.assert_allclose([input_gate, cell, output_gate], 0.0, atol=1e-6)
        assert kernel.shape[-1] == 4 * units
    later = LSTM(**{**settings, "members": 1}, learning_rate=1e-12, forget_bias=(0.5, 2.0), seed=1)
    later = later.fit(data, split=split)
    for several, one in zip(still.weights_, later.weights_, strict=True):
        np.testing.assert_allclose(several[:, 1:2], one, atol=1e-6)


def test_training_equals_that_of_keras() -> None:
    """Without dropout the engine takes the same steps as ``model.fit`` with Keras' own Adam."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(1, 40, 3)).astype("float32")
    targets = rng.normal(size=(1, 40)).astype("float32")
    architecture = LSTMArchitecture.of(3, {"units": (4,), "activation": "tanh"})
    first = architecture.build().get_weights()
    starts = rng.integers(0, 32, size=(5, 2, 4)).astype("int32")
    job = Job(
        well=0,
        weights=first,
        starts=starts,
        rates=np.full(10, 1e-2, "float32"),
        validation=np.zeros(0, "int32"),
        seed=0,
    )
    recipe = Recipe("mse", "adam", 0.0, 1e9, 99, lookback=5, targets=8)
    missing = np.full_like(targets, np.nan)
    (ours,) = training.train(architecture, recipe, Data(inputs, targets, missing), [job])

    theirs = architecture.build()
    theirs.set_weights(first)
    theirs.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
    padded = np.pad(inputs[0], ((5, 8), (0, 0)))
    scored = np.pad(targets[0], (5, 8), constant_values=np.nan)
    for batch in starts.reshape(-1, 4):
        positions = batch[:, None] + np.arange(13)
        y, mask = scored[positions], np.arange(13) >= 5
        weight = (mask & np.isfinite(y)).astype("float32")
        weight *= weight.size / weight.sum()  # Keras divides by all steps, the engine by the scored
        theirs.train_on_batch(padded[positions], np.nan_to_num(y)[..., None], weight)
    for a, b in zip(ours.weights, theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_the_last_weights_are_kept_so_that_validation_levels_choose_nothing(
    data: xr.Dataset, split: Split
) -> None:
    settings = {**SMALL, "epochs": 6, "learning_rate": 0.05, "forget_bias": (1.0,)}
    fitted = LSTM(**settings).fit(data, split=split)
    assert (fitted.best_epochs_ == 6).all()
    noise = np.random.default_rng(0).normal(size=data["level"].shape)
    changed = data.assign(
        level=data["level"].where(~split.rows(data, "validation"), 5.0 + 3.0 * noise)
    )
    again = LSTM(**settings).fit(changed, split=split)
    for one, other in zip(fitted.weights_, again.weights_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_with_patience_the_weights_of_the_best_validation_epoch_are_kept(
    data: xr.Dataset, split: Split
) -> None:
    settings = {
        **SMALL, "epochs": 12, "patience": 12, "learning_rate": 0.05, "forget_bias": (1.0,),
    }  # fmt: skip
    forecaster = LSTM(**settings).fit(data, split=split)
    for (well, member), rows in forecaster.history_.groupby(["well", "member"]):
        best = int(rows.loc[rows["validation_loss"].idxmin(), "epoch"])
        assert int(forecaster.best_epochs_.sel(well=well, member=member)) == best
    scaled = forecaster.scaler_.transform(data["level"])
    simulated = forecaster.scaler_.transform(forecaster.simulate(data)["level"])
    error = (simulated - scaled).where(split.rows(data, "validation"))
    expected = (error**2).mean("time").values
    lowest = forecaster.history_.groupby(["well", "member"])["validation_loss"].min()
    # windows of the simulation and of the validation start at other steps: nearly the same warm-up
    np.testing.assert_allclose(lowest.to_numpy().reshape(expected.shape), expected, rtol=0.2)


def test_patience_stops_early(data: xr.Dataset, split: Split) -> None:
    settings = {**SMALL, "epochs": 40}
    patient = LSTM(**settings, learning_rate=0.1).fit(data, split=split)
    hasty = LSTM(**settings, learning_rate=0.1, patience=2).fit(data, split=split)
    assert patient.history_.groupby(["well", "member"]).size().eq(40).all()
    lengths = hasty.history_.groupby(["well", "member"]).size()
    best = hasty.best_epochs_.to_series()
    assert ((lengths - best) <= 3).all()
    assert lengths.max() < 40


def test_same_seed_gives_the_same_result_in_another_process(data: xr.Dataset, split: Split) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r});"
        "from test_training import observations, SMALL;"
        "from gwforecast.networks.lstm import LSTM;"
        "from gwforecast.sequences.split import split_by_fraction;"
        "data = observations(); split = split_by_fraction(data);"
        "level = LSTM(**SMALL).fit(data, split=split).simulate(data)['level'];"
        "sys.stdout.buffer.write(level.values.tobytes())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    other = np.frombuffer(done.stdout).reshape(2, 160, 2)
    here = LSTM(**SMALL).fit(data, split=split).simulate(data)["level"]
    np.testing.assert_allclose(other, here, atol=1e-5)


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_losses_mask_missing_targets(name: str) -> None:
    targets = np.array([[1.0, np.nan, -2.0]], "float32")
    outputs = np.array([[[0.5], [9.0], [0.0]]], "float32")
    error = np.array([0.5, 2.0])
    expected = {
        "mse": np.mean(error**2),
        "mae": np.mean(error),
        "huber": np.mean([0.125, 1.5]),
    }
    assert float(LOSSES[name](targets, outputs)) == pytest.approx(expected[name])


def test_a_gap_has_no_gradient(data: xr.Dataset, split: Split) -> None:
    """A level that is missing weighs nothing, whatever its neighbours are."""
    history = LSTM(**SMALL).fit(data, split=split).history_
    assert np.isfinite(history[["loss", "validation_loss"]]).all(axis=None)


def test_a_constant_level_is_simulated_as_constant(split: Split, data: xr.Dataset) -> None:
    still = data.assign(level=data["level"].where(data["level"].isnull(), 5.0))
    simulated = LSTM(**SMALL).fit(still, split=split).simulate(still)["level"]
    assert float(abs(simulated - 5.0).max()) < 2.0


def test_a_record_shorter_than_the_lookback_is_modelled(data: xr.Dataset) -> None:
    short = data.isel(time=slice(0, 60))
    simulated = LSTM(members=1, epochs=2).fit(short, split=split_by_fraction(short)).simulate(short)
    assert simulated["level"].notnull().all()


def test_a_well_without_levels_is_left_out_and_named(data: xr.Dataset, split: Split) -> None:
    empty = data.copy(deep=True)
    empty["level"][0] = np.nan
    with pytest.warns(UserWarning, match="'w0' has 0 and is left out of 'lstm'"):
        fitted = LSTM(**SMALL).fit(empty, split=split)
    simulated = fitted.simulate(empty)["level"]
    assert simulated[0].isnull().all()
    assert simulated[1].notnull().all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"loss": "rmse"}, "'loss' of 'lstm' must be one of .* Received 'rmse'"),
        ({"optimizer": "lion"}, "'optimizer' of 'lstm' must be one of .* Received 'lion'"),
        (
            {"forget_bias": ()},
            r"'forget_bias' of 'lstm' must have 1 or more elements. Received \(\)",
        ),
        ({"members": 0}, "'members' of 'lstm' must be at least 1. Received 0"),
        ({"epochs": 0}, "'epochs' of 'lstm' must be at least 1. Received 0"),
        ({"epochs": 1.5}, "'epochs' of 'lstm' must be a whole number. Received 1.5"),
        ({"units": (4, 0)}, r"'units' of 'lstm' must .* at least 1. Received \(4, 0\)"),
        ({"units": "8"}, "'units' of 'lstm' must be a whole number or be a list. Received '8'"),
        ({"dropout": 1.0}, "'dropout' of 'lstm' must be below 1. Received 1.0"),
        ({"activation": "swish"}, "'activation' of 'lstm' must be one of .* Received 'swish'"),
        ({"features": ("moon",)}, "derived feature must be one of .* Received 'moon'"),
    ],
)
def test_impossible_settings_are_refused(
    setting: dict[str, object], message: str, data: xr.Dataset, split: Split
) -> None:
    with pytest.raises(ValueError, match=message):
        LSTM(**{**SMALL, **setting}).fit(data, split=split)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_optimizers_lower_the_loss(optimizer: str, data: xr.Dataset, split: Split) -> None:
    settings = {**SMALL, "epochs": 30, "dropout": 0.0, "noise": 0.0}
    fitted = LSTM(**settings, optimizer=optimizer, learning_rate=0.01).fit(data, split=split)
    losses = fitted.history_.groupby("epoch")["loss"].mean()
    assert losses.iloc[-1] < 0.7 * losses.iloc[0]


def test_progress_counts_networks(data: xr.Dataset, split: Split) -> None:
    seen: list[tuple[str, int, int]] = []
    LSTM(**SMALL).fit(data, split=split, progress=lambda *done: seen.append(done))
    assert [report[1:] for report in seen] == [(k, 4) for k in range(1, 5)]
    last = str(data["well"].values[-1])
    assert seen[-1][0] == f"networks · well {last!r}, member {SMALL['members'] - 1}"


def test_a_fit_does_not_depend_on_how_far_the_axis_reaches_beyond_the_well() -> None:
    rng = np.random.default_rng(4)
    times = pd.date_range("2003-01-06", periods=150, freq="W-MON")
    alone = xr.Dataset(
        {
            "level": (("well", "time"), np.cumsum(rng.normal(size=(1, 150)), 1), {"units": "m"}),
            "rain": (("well", "time"), rng.gamma(1.0, 5.0, (1, 150)), {"units": "mm"}),
        },
        {"well": ["a"], "time": times},
    )
    longer = alone.reindex(time=pd.date_range("2002-01-07", periods=260, freq="W-MON"))
    settings = {"members": 1, "epochs": 3, "features": (), "lookback": 8, "targets": 12}
    for batch_size in (2, 8):
        one, other = (
            LSTM(**settings, batch_size=batch_size).fit(data, split=split_by_fraction(data))
            for data in (alone, longer)
        )
        for a, b in zip(one.weights_, other.weights_, strict=True):
            assert np.array_equal(a, b)
