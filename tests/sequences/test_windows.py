"""Windows hold the rows that they should, whatever the gaps."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwforecast.sequences.windows import (
    WindowBatches,
    Windows,
    epoch_starts,
    sequence_windows,
    value_windows,
)

rows = st.lists(st.booleans(), min_size=3, max_size=60).map(np.array).filter(np.any)


@given(rows, st.integers(0, 9))
def test_value_windows_hold_each_target_once(row: np.ndarray, lookback: int) -> None:
    windows = value_windows(row[None], lookback=lookback)
    assert windows.target_start.tolist() == np.flatnonzero(row).tolist()
    assert (windows.input_start == windows.target_start - lookback).all()
    assert (windows.input_stop == windows.target_start + 1).all()


@given(rows, st.integers(0, 9), st.integers(1, 20))
def test_sequence_windows_hold_each_target_once(
    row: np.ndarray, lookback: int, targets: int
) -> None:
    windows = sequence_windows(row[None], lookback=lookback, targets=targets)
    levels = np.where(row, np.arange(row.size, dtype=float), np.nan)
    gathered = windows.gather_targets(levels[None])
    assert sorted(gathered[np.isfinite(gathered)]) == np.flatnonzero(row).tolist()


@given(rows, st.integers(1, 20), st.integers(1, 8), st.integers(0, 99))
@settings(max_examples=60)
def test_each_epoch_sees_each_target(
    row: np.ndarray, targets: int, batch_size: int, seed: int
) -> None:
    starts = epoch_starts(row, targets=targets, batch_size=batch_size, epochs=3, seed=seed)
    for epoch in starts:
        seen = {int(s) + k for s in epoch.ravel() for k in range(targets)}
        assert set(np.flatnonzero(row)) <= seen
    assert starts.shape[2] <= batch_size
    again = epoch_starts(row, targets=targets, batch_size=batch_size, epochs=3, seed=seed)
    assert (starts == again).all()


def test_gather_equals_slices_and_fills_outside() -> None:
    values = np.arange(24.0).reshape(2, 12, 1)
    windows = Windows(np.array([0, 1, 1]), np.array([1, 6, 11]), lookback=3, targets=2)
    gathered = windows.gather(values, fill=-1.0)
    assert gathered.shape == (3, 5, 1)
    assert gathered[0, :, 0].tolist() == [-1.0, -1.0, 0.0, 1.0, 2.0]
    assert gathered[1, :, 0].tolist() == values[1, 3:8, 0].tolist()
    assert gathered[2, :, 0].tolist() == [20.0, 21.0, 22.0, 23.0, -1.0]


def test_batches_mask_missing_levels_and_hide_past_covariates() -> None:
    levels = np.array([[np.nan, 1.0, np.nan, 3.0, 4.0, np.nan]])
    past, future = np.arange(6.0).reshape(1, 6, 1), -np.arange(6.0).reshape(1, 6, 1)
    windows = sequence_windows(np.isfinite(levels), lookback=2, targets=2)
    batches = WindowBatches(
        windows, levels, past=past, future=future, static=np.array([[7.0]]), batch_size=2
    )
    (inputs, targets, weights) = next(iter(batches))
    assert len(batches) == 1
    assert inputs["past"].shape == (2, 2, 1)
    assert inputs["future"].shape == (2, 4, 1)
    assert inputs["static"].tolist() == [[7.0], [7.0]]
    assert targets[..., 0].tolist() == [[1.0, 0.0], [3.0, 4.0]]
    assert weights.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    # the past ends before the first target: nothing known later is shown
    assert inputs["past"][1, :, 0].tolist() == [1.0, 2.0]


def test_batches_do_not_copy_the_data() -> None:
    levels = np.zeros((1, 100_000))
    future = np.zeros((1, 100_000, 8), dtype=np.float32)
    windows = value_windows(np.isfinite(levels), lookback=365)
    batches = WindowBatches(windows, levels, future=future, batch_size=4, seed=1)
    inputs, _, _ = next(iter(batches))
    assert batches.covariates["future"] is future
    assert inputs["future"].nbytes == 4 * 366 * 8 * 4


@pytest.mark.parametrize(("lookback", "targets"), [(-1, 1), (3, 0)])
def test_impossible_windows_are_refused(lookback: int, targets: int) -> None:
    with pytest.raises(ValueError, match=f"lookback={lookback}, targets={targets}"):
        Windows(np.array([0]), np.array([0]), lookback, targets)


def test_keras_fits_on_batches() -> None:
    rng = np.random.default_rng(0)
    future = rng.normal(size=(1, 300, 2)).astype("float32")
    levels = future[..., 0].copy()
    levels[:, ::5] = np.nan
    windows = sequence_windows(np.isfinite(levels), lookback=5, targets=10)
    batches = WindowBatches(windows, levels, future=future, batch_size=4, seed=1)
    inputs = keras.Input((15, 2), name="future")
    network = keras.Model({"future": inputs}, keras.layers.Dense(1)(inputs)[:, -10:])
    network.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse")
    losses = []
    for _ in range(15):
        one_pass = network.fit(
            iter(batches), steps_per_epoch=len(batches), shuffle=False, verbose=0
        )
        losses += one_pass.history["loss"]
    assert losses[-1] < 0.05 * losses[0]
