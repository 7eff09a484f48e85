"""Windows of labelled observations for networks of one's own, and the way back to levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.sequences.generator import LEVEL_OBSERVED, LabelledWindows

STEPS = 300


@pytest.fixture
def observations() -> xr.Dataset:
    """Weekly levels of two wells, with gaps, and two covariates."""
    rng = np.random.default_rng(0)
    level = 10 + rng.normal(0, 1, (2, STEPS)).cumsum(axis=1) * 0.1
    level[:, rng.integers(0, STEPS, 40)] = np.nan
    dims = ("well", "time")
    return xr.Dataset(
        {
            "level": (dims, level, {"units": "m", "vertical_datum": "NAP"}),
            "rain": (dims, rng.gamma(1, 5, (2, STEPS)), {"units": "mm"}),
            "temperature": (dims, rng.normal(9, 5, (2, STEPS)), {"units": "degC"}),
            "aquifer": ("well", ["sand", "chalk"]),
            "depth": ("well", [3.0, 20.0]),
        },
        {"well": ["a", "b"], "time": pd.date_range("2001-01-01", periods=STEPS, freq="W-MON")},
    )


@pytest.fixture
def split(observations: xr.Dataset) -> gw.Split:
    return gw.split_by_fraction(observations)


def all_targets(windows: LabelledWindows) -> np.ndarray:
    return np.concatenate([batch[1] for batch in windows])


@pytest.mark.parametrize("targets", [1, 7])
@pytest.mark.parametrize("period", ["train", "validation", "test"])
def test_targets_are_the_levels_of_the_period_once(
    observations: xr.Dataset, split: gw.Split, period: str, targets: int
) -> None:
    windows = LabelledWindows(
        observations, split=split, period=period, lookback=10, targets=targets, pad=True
    )
    weights = np.concatenate([batch[2] for batch in windows])
    expected = split.levels(observations, period)
    assert weights.sum() == expected.notnull().sum()
    found = windows.to_levels(all_targets(windows))["level"].isel(model=0, quantile=0)
    np.testing.assert_allclose(found.where(expected.notnull()).values, expected.values, atol=1e-5)
    inside = split.rows(observations, period)
    assert not found.where(~inside).notnull().any()


@pytest.mark.parametrize("targets", [1, 7])
def test_later_rows_change_nothing_in_the_windows_of_the_train_period(
    observations: xr.Dataset, split: gw.Split, targets: int
) -> None:
    later = ~split.rows(observations, "train")
    moved = observations.copy()
    for name in ("level", "rain", "temperature"):
        moved[name] = observations[name].where(~later, observations[name] * 3 + 100)
    given = {"split": split, "lookback": 10, "targets": targets, "past_covariates": ["level"]}
    one, other = (LabelledWindows(data, **given) for data in (observations, moved))
    for (a, y, w), (b, z, v) in zip(one, other, strict=True):
        last = one.windows_.lookback + (w.shape[1] if w.ndim > 1 else 1)
        known = np.ones((len(y), last), bool)
        if targets > 1:  # weather of steps without a level is an input only
            known[:, one.windows_.lookback :] = w > 0
        np.testing.assert_array_equal(a["past"], b["past"])
        np.testing.assert_array_equal(a["future"][known], b["future"][known])
        np.testing.assert_array_equal(y, z)
        np.testing.assert_array_equal(w, v)


def test_earlier_levels_end_before_the_first_target(
    observations: xr.Dataset, split: gw.Split
) -> None:
    windows = LabelledWindows(
        observations, split=split, period="test", lookback=8, covariates=["rain"],
        past_covariates=["level", "temperature"],
    )  # fmt: skip
    assert windows.names == {"past": ["level", LEVEL_OBSERVED, "temperature"], "future": ["rain"]}
    assert windows.shapes == {"past": (8, 3), "future": (9, 1)}
    scaled = windows.scaler_.transform(observations["level"]).values
    observed = np.isfinite(scaled)
    number = 0
    for inputs, _, _ in windows:
        for past in inputs["past"]:
            well = windows.windows_.well[number]
            steps = windows.windows_.target_start[number] + np.arange(-8, 0)
            np.testing.assert_array_equal(past[:, 1], observed[well, steps])
            last = [np.flatnonzero(observed[well, : step + 1])[-1] for step in steps]
            np.testing.assert_allclose(past[:, 0], scaled[well, last], atol=1e-5)
            number += 1
    assert number == len(windows.windows_)


def test_missing_levels_have_no_weight(observations: xr.Dataset, split: gw.Split) -> None:
    windows = LabelledWindows(observations, split=split, targets=20, lookback=5, shuffle=False)
    for _, targets, weights in windows:
        assert targets.shape == (*weights.shape, 1)
        assert set(np.unique(weights)) <= {0.0, 1.0}
        assert (targets[weights == 0] == 0).all()
    every = LabelledWindows(
        observations, split=split, period=None, lookback=5, every_step=True, pad=True
    )
    assert len(every.windows_) == 2 * STEPS
    assert sum(w.sum() for _, _, w in every) == observations["level"].notnull().sum()


def test_attributes_are_encoded(observations: xr.Dataset, split: gw.Split) -> None:
    windows = LabelledWindows(
        observations, split=split, lookback=4, static_attributes=["aquifer", "depth"]
    )
    inputs, _, _ = windows[0]
    assert windows.names["static"] == ["aquifer", "depth"]
    of = {"a": [2.0, -1.0], "b": [1.0, 1.0]}
    np.testing.assert_array_equal(inputs["static"], [of[well] for well in windows.wells[:32]])


def test_windows_are_in_a_table_with_their_times(observations: xr.Dataset, split: gw.Split) -> None:
    windows = LabelledWindows(observations, split=split, period="test", lookback=4, targets=3)
    frame = windows.to_frame()
    assert list(frame) == ["well", "first_input", "first_target", "last_target"]
    assert (frame["first_target"] - frame["first_input"] == pd.Timedelta(weeks=4)).all()
    assert windows.times.shape == (len(frame), 3)


def test_the_scaler_that_is_given_stays_as_it_is(observations: xr.Dataset, split: gw.Split) -> None:
    scaler = gw.Scaler(methods={"rain": "minmax"})
    windows = LabelledWindows(observations, split=split, lookback=4, scaler=scaler)
    assert not hasattr(scaler, "center_")
    rain = windows.names["future"].index("rain")
    lowest = min(inputs[..., rain].min() for inputs, _, _ in windows)
    assert lowest >= 0


def test_messages(observations: xr.Dataset, split: gw.Split) -> None:
    with pytest.raises(gw.SchemaError, match=r"Received none with 500 steps before a target"):
        LabelledWindows(observations, split=split, lookback=500)
    windows = LabelledWindows(observations, split=split, lookback=4)
    with pytest.raises(ValueError, match=r"Received the shape \(3, 1\)\. Predict with this"):
        windows.to_levels(np.zeros((3, 1)))
    with pytest.raises(IndexError, match=f"from 0 to {len(windows) - 1}"):
        windows[len(windows)]
