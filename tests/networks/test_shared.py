"""Global networks: shared by all wells, told apart by attributes, served at wells never seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.calibration.cross_validation import LeaveWellsOut, folds_of_wells
from gwforecast.networks.cnn import GlobalCNN
from gwforecast.networks.gru import GlobalGRU
from gwforecast.networks.inference import run_networks
from gwforecast.networks.lstm import LSTM, GlobalLSTM
from gwforecast.networks.mlp import GlobalMLP
from gwforecast.networks.shared import ALL_WELLS
from gwforecast.runs.evaluate import evaluate
from gwforecast.sequences.split import split_by_fraction
from gwforecast.sequences.windows import pooled_starts

SMALL = {"members": 2, "epochs": 4, "features": (), "lookback": 8, "targets": 12, "batch_size": 8}


@pytest.fixture(scope="module")
def network() -> xr.Dataset:
    """Return weekly levels that rain drives with a sign that only the soil tells."""
    rng = np.random.default_rng(0)
    times = pd.date_range("2000-01-03", periods=260, freq="W-MON")
    wells = [f"w{n}" for n in range(8)]
    rain = rng.gamma(1.0, 5.0, (8, 260))
    store = np.zeros((8, 260))
    for step in range(1, 260):
        store[:, step] = 0.8 * store[:, step - 1] + rain[:, step] - 5
    soils = np.array(["sand", "clay"] * 4, dtype=object)
    level = 30 + np.arange(8)[:, None] + np.where(soils == "sand", 0.02, -0.02)[:, None] * store
    level[3, 100:120] = np.nan
    return xr.Dataset(
        {
            "level": (("well", "time"), level, {"units": "m"}),
            "rain": (("well", "time"), rain, {"units": "mm", "kind": "rain"}),
            "soil": ("well", soils),
            "depth": ("well", np.array([1.0, 2, 3, np.nan, 5, 6, 7, 8])),
        },
        {"well": wells, "time": times},
    )


@pytest.fixture(scope="module")
def fitted(network: xr.Dataset) -> GlobalLSTM:
    """Return a global LSTM that has learnt what the soil does."""
    settings = {**SMALL, "epochs": 60, "dropout": 0.0, "noise": 0.0, "weight_decay": 0.0}
    return GlobalLSTM(units=(16,), learning_rate=0.01, **settings).fit(
        network, split=split_by_fraction(network)
    )


def error(one: object, network: xr.Dataset, wells: list[str] | None = None) -> float:
    """Return the root mean squared error of the last 50 weeks, in standard deviations."""
    part = network if wells is None else network.sel(well=wells)
    level = one.simulate(part)["level"].median("member")  # type: ignore[attr-defined]
    last = {"time": slice(-50, None)}
    gap = (level - part["level"]).isel(last)
    return float((gap.std("time") / part["level"].std("time")).mean())


def test_attributes_tell_wells_apart_that_answer_rain_in_opposite_ways(
    fitted: GlobalLSTM, network: xr.Dataset
) -> None:
    settings = {**SMALL, "epochs": 60, "dropout": 0.0, "noise": 0.0, "weight_decay": 0.0}
    blind = GlobalLSTM(units=(16,), learning_rate=0.01, attributes=(), **settings).fit(
        network, split=split_by_fraction(network)
    )
    assert error(fitted, network) < 0.5
    assert error(blind, network) > 0.8


def test_all_wells_share_one_set_of_weights(fitted: GlobalLSTM) -> None:
    assert {weights.shape[:2] for weights in fitted.weights_} == {(1, 2)}
    assert set(fitted.history_["well"]) == {ALL_WELLS}
    assert fitted.encoder_.columns_ == ("soil=clay", "soil=sand", "depth", "depth missing")


def test_a_learnt_vector_tells_wells_apart_too(network: xr.Dataset) -> None:
    settings = {**SMALL, "epochs": 80, "dropout": 0.0, "noise": 0.0, "weight_decay": 0.0}
    one = GlobalLSTM(units=(16,), learning_rate=0.01, attributes=(), embedding=3, **settings)
    one.fit(network, split=split_by_fraction(network))
    assert error(one, network) < 0.5
    vectors = one.weights_[0]
    assert vectors.shape == (1, 2, 9, 3)
    assert np.array_equal(vectors[:, :, 8], vectors[:, :, :8].mean(axis=2))


@pytest.mark.parametrize("kind", [GlobalLSTM, GlobalGRU, GlobalCNN, GlobalMLP])
@pytest.mark.parametrize("embedding", [0, 2])
def test_numpy_gives_what_keras_gives(kind: type, embedding: int, network: xr.Dataset) -> None:
    one = kind(**SMALL, embedding=embedding).fit(network, split=split_by_fraction(network))
    rng = np.random.default_rng(1)
    windows = rng.normal(size=(5, 20, one.architecture_.inputs)).astype(np.float32)
    if embedding:
        windows[..., -1] = rng.integers(9, size=(5, 1))
    model = one.architecture_.build()
    ours, _ = run_networks(one.architecture_, one.weights_of("w0"), windows[None])
    for member in range(2):
        for variable, weights in zip(model.trainable_variables, one.weights_, strict=True):
            assert variable.shape == weights.shape[2:]
            variable.assign(weights[0, member])
        theirs = np.asarray(model(windows, training=False))
        np.testing.assert_allclose(ours[member], theirs, atol=1e-5)


def test_the_order_of_the_wells_does_not_matter(network: xr.Dataset) -> None:
    one, other = (
        GlobalLSTM(**SMALL).fit(part, split=split_by_fraction(part)).simulate(network)
        for part in (network, network.isel(well=[5, 2, 7, 0, 1, 6, 3, 4]))
    )
    xr.testing.assert_identical(one, other)


def test_the_number_of_workers_does_not_matter(network: xr.Dataset) -> None:
    split = split_by_fraction(network)
    one, other = (
        GlobalLSTM(**SMALL, workers=workers).fit(network, split=split).simulate(network)
        for workers in (1, 2)
    )
    xr.testing.assert_identical(one, other)


@pytest.mark.parametrize("future", [np.nan, 1e6])
def test_nothing_after_the_split_reaches_a_fit(network: xr.Dataset, future: float) -> None:
    split = split_by_fraction(network)
    kept = ~split.rows(network, "test")
    changed = network.assign(level=network["level"].where(kept, future))
    one, other = (GlobalLSTM(**SMALL).fit(data, split=split) for data in (network, changed))
    assert all(np.array_equal(a, b) for a, b in zip(one.weights_, other.weights_, strict=True))


def test_a_well_that_was_not_trained_on_is_served(fitted: GlobalLSTM, network: xr.Dataset) -> None:
    split = split_by_fraction(network)
    new = network.isel(well=[0, 1]).assign_coords(well=["new sand", "new clay"])
    new = new.assign(level=new["level"] * 3 - 500)
    served = fitted.with_wells(new, split=split_by_fraction(new), through="train")
    level = served.simulate(new)["level"]
    known = fitted.simulate(network.isel(well=[0, 1]))["level"]
    np.testing.assert_allclose(level.values, known.values * 3 - 500, rtol=1e-6)
    assert served.trained_at_ == fitted.trained_at_ == fitted.wells_
    assert served.wells_ == [*fitted.wells_, "new sand", "new clay"]
    assert fitted.with_wells(network, split=split).wells_ == fitted.wells_


def test_a_category_that_no_training_well_has_is_neither(
    fitted: GlobalLSTM, network: xr.Dataset
) -> None:
    new = network.isel(well=[0]).assign_coords(well=["peat"])
    new["soil"] = ("well", np.array(["peat"], dtype=object))
    served = fitted.with_wells(new, split=split_by_fraction(new))
    assert served.attributes_ is not None
    assert served.attributes_[-1].tolist()[:2] == [0.0, 0.0]


def test_fine_tuning_starts_at_the_shared_weights_and_helps_a_blind_network(
    network: xr.Dataset,
) -> None:
    split = split_by_fraction(network)
    settings = {**SMALL, "epochs": 30, "dropout": 0.0, "noise": 0.0, "weight_decay": 0.0}
    blind = GlobalLSTM(units=(16,), learning_rate=0.01, attributes=(), **settings)
    blind.fit(network, split=split)
    tuned = blind.fine_tuned(network, split=split, epochs=60)
    assert tuned.weights_[0].shape[:2] == (8, 2)
    assert error(tuned, network) < 0.8 * error(blind, network)
    still = blind.fine_tuned(network.isel(well=[2]), split=split, epochs=1)
    assert still.wells_ == ["w2"]
    moved = max(
        float(np.abs(a[0] - b[0]).max())
        for a, b in zip(still.weights_, blind.weights_, strict=True)
    )
    assert 0 < moved < 0.05


def test_fine_tuning_is_part_of_a_fit_where_it_is_set(network: xr.Dataset) -> None:
    split = split_by_fraction(network)
    one = GlobalLSTM(**SMALL, fine_tune=2).fit(network, split=split)
    alone = GlobalLSTM(**SMALL).fit(network, split=split)
    expected = alone.fine_tuned(network, split=split, epochs=2).simulate(network)
    xr.testing.assert_identical(one.simulate(network), expected)


def test_a_vector_for_each_well_and_fine_tuning_exclude_each_other(network: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="Set one of the two to 0"):
        GlobalLSTM(**SMALL, embedding=2, fine_tune=2).fit(network, split=split_by_fraction(network))


def test_fine_tuned_networks_serve_no_further_wells(network: xr.Dataset) -> None:
    split = split_by_fraction(network)
    one = GlobalLSTM(**SMALL, fine_tune=1).fit(network, split=split)
    with pytest.raises(ValueError, match="fine-tuned well by well"):
        one.with_wells(network, split=split)


def test_an_update_goes_on_from_the_shared_weights(fitted: GlobalLSTM, network: xr.Dataset) -> None:
    again = fitted.update(network, split=split_by_fraction(network), epochs=1)
    moved = [np.abs(a - b).max() for a, b in zip(again.weights_, fitted.weights_, strict=True)]
    assert 0 < max(moved) < 0.1
    assert again.wells_ == fitted.wells_


def test_a_well_whose_weather_has_a_gap_does_not_take_the_others_with_it(
    network: xr.Dataset,
) -> None:
    rain = network["rain"].copy()
    rain[2, 50] = np.nan
    one = GlobalLSTM(**SMALL).fit(network.assign(rain=rain), split=split_by_fraction(network))
    assert list(one.failed_) == ["w2"]
    assert "no gaps" in one.failed_["w2"]
    assert len(one.wells_) == 7


def test_a_global_network_is_stored_and_read_back(fitted: GlobalLSTM, network: xr.Dataset) -> None:
    described, arrays = fitted.to_state()
    restored = GlobalLSTM.from_state(described, arrays)
    xr.testing.assert_identical(fitted.simulate(network), restored.simulate(network))
    arrays["attributes"] = arrays["attributes"][:, :-1]
    with pytest.raises(ValueError, match="attributes of"):
        GlobalLSTM.from_state(described, arrays)


def test_a_shared_network_of_many_wells_is_the_local_one_of_a_single_well(
    network: xr.Dataset,
) -> None:
    alone = network.isel(well=[4])
    split = split_by_fraction(alone)
    settings = {**SMALL, "dropout": 0.0, "noise": 0.0, "forget_bias": (1.0,)}
    shared = GlobalLSTM(units=(8,), attributes=(), **settings).fit(alone, split=split)
    local = LSTM(units=(8,), **settings).fit(alone, split=split)
    assert [w.shape for w in shared.weights_] == [w.shape for w in local.weights_]
    # the same windows in other batches: the same losses to begin with
    first = [one.history_["loss"].iloc[0] for one in (shared, local)]
    assert first[0] == pytest.approx(first[1], rel=0.5)


def test_each_well_is_left_out_once() -> None:
    wells = [f"w{n}" for n in range(13)]
    folds = folds_of_wells(wells, folds=5, seed=3)
    assert sorted(well for fold in folds for well in fold) == sorted(wells)
    assert {len(fold) for fold in folds} == {2, 3}
    assert folds == folds_of_wells(wells[::-1], folds=5, seed=3)


@pytest.mark.parametrize("folds", [1, 14])
def test_folds_that_cannot_be_are_refused(folds: int) -> None:
    with pytest.raises(ValueError, match="Choose 2 to 13 groups"):
        folds_of_wells([f"w{n}" for n in range(13)], folds=folds)


def test_a_well_is_simulated_by_networks_that_never_saw_its_answers(network: xr.Dataset) -> None:
    split = split_by_fraction(network)
    one = LeaveWellsOut(GlobalLSTM(**SMALL), folds=4).fit(network, split=split)
    out = one.fitted_[1][0]
    # levels of the same mean and deviation, turned upside down: the scaled simulation is the same
    level = network["level"].copy()
    rows = split.rows(network, "train")
    for well in out:
        mean = float(network["level"].sel(well=well).where(rows.sel(well=well)).mean())
        level.loc[{"well": well}] = 2 * mean - network["level"].sel(well=well)
    turned = network.assign(level=level)
    with pytest.raises(NotImplementedError, match=r"has 4 fits.* fitted_\[0\]\[1\]\.save"):
        one.save("nowhere")
    again = LeaveWellsOut(GlobalLSTM(**SMALL), folds=4).fit(turned, split=split)
    a, b = (each.simulate(network)["level"].sel(well=out) for each in (one, again))
    np.testing.assert_allclose(a.values, b.values, rtol=1e-6)


def test_only_global_forecasters_leave_wells_out() -> None:
    with pytest.raises(TypeError, match="global_lstm"):
        LeaveWellsOut(LSTM(), folds=3)


def test_windows_of_all_wells_are_seen_once_an_epoch() -> None:
    rows = np.zeros((3, 40), bool)
    rows[0, 5:35] = rows[1, :12] = rows[2, 30:] = True
    wells, starts = pooled_starts(rows, targets=1, batch_size=4, epochs=3, seed=1)
    assert wells.shape == starts.shape == (3, 13, 4)
    for epoch in range(3):
        seen = set(zip(wells[epoch].ravel(), starts[epoch].ravel(), strict=True))
        assert seen == set(zip(*np.nonzero(rows), strict=True))


def test_an_evaluation_takes_a_global_network_beside_a_local_one(network: xr.Dataset) -> None:
    settings = {"global_lstm": SMALL, "lstm": SMALL}
    evaluation = evaluate(network, models=["global_lstm", "lstm", "climatology"], settings=settings)
    assert set(evaluation.scores["model"]) == {"global_lstm", "lstm", "blend", "climatology"}
    assert (evaluation.outcomes["status"] == "ok").all()


def test_an_evaluation_leaves_wells_out_of_global_networks_only(network: xr.Dataset) -> None:
    given = {"models": ["global_lstm", "climatology"], "settings": {"global_lstm": SMALL}}
    whole = evaluate(network, **given)
    left_out = evaluate(network, leave_wells_out=4, **given)
    a, b = (one.predictions["level"] for one in (whole, left_out))
    xr.testing.assert_identical(a.sel(model="climatology"), b.sel(model="climatology"))
    assert not np.array_equal(a.sel(model="global_lstm"), b.sel(model="global_lstm"))
    assert (left_out.outcomes["status"] == "ok").all()


def test_a_global_network_that_fails_is_not_tried_at_each_well_alone(network: xr.Dataset) -> None:
    settings = {"global_lstm": {**SMALL, "attributes": ["geology"]}}
    with pytest.warns(UserWarning, match="geology"):
        evaluation = evaluate(network, models=["global_lstm", "climatology"], settings=settings)
    failed = evaluation.outcomes[evaluation.outcomes["model"] == "global_lstm"]
    assert (failed["status"] == "failed").all()
    assert len(failed) == 8
