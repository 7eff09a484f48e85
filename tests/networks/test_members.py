"""Members that start in several ways are weighted by their validation losses, well by well."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from gwforecast.calibration.blending import centre_members, learn_member_weights, member_weights_at
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.networks.gru import GRU
from gwforecast.networks.lstm import LSTM, GlobalLSTM
from gwforecast.sequences.split import Split, split_by_fraction

SMALL = {"members": 4, "epochs": 60, "lookback": 30, "targets": 30, "units": (4,)}


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    """Return a well that forgets within days, and one that remembers for months."""
    rng = np.random.default_rng(5)
    rain = rng.gamma(0.4, 8.0, size=(2, 1100))
    level = np.zeros_like(rain)
    for step in range(1, rain.shape[1]):
        level[:, step] = np.array([0.5, 0.98]) * level[:, step - 1] + 0.02 * rain[:, step]
    return xr.Dataset(
        {
            "level": (("well", "time"), level + 40.0, {"units": "m"}),
            "rain": (("well", "time"), rain, {"units": "mm/d", "kind": "rain"}),
        },
        {
            "well": ["quick", "slow"],
            "time": np.datetime64("2010-01-01", "us") + np.arange(1100) * np.timedelta64(1, "D"),
        },
    )


@pytest.fixture(scope="module")
def split(data: xr.Dataset) -> Split:
    return split_by_fraction(data)


@pytest.fixture(scope="module")
def fitted(data: xr.Dataset, split: Split) -> LSTM:
    return LSTM(**SMALL, forget_bias=(-1.0, 4.0)).fit(data, split=split)


def test_those_with_half_the_loss_have_four_times_the_weight() -> None:
    weights = learn_member_weights(np.array([[1.0, 2.0], [3.0, 3.0]]), np.array([0, 1]))
    np.testing.assert_allclose(weights, [[0.8, 0.2], [0.5, 0.5]])


def test_members_that_start_alike_share_one_weight() -> None:
    losses = np.array([[0.1, 0.5, 0.3, 0.5, 0.2]])
    weights = learn_member_weights(losses, np.array([0, 1, 0, 1, 0]))
    assert weights is not None
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights[0, [0, 2, 4]], weights[0, 0])
    np.testing.assert_allclose(weights[0, [1, 3]], weights[0, 1])
    # the ways as wholes: 0.2 against 0.5
    assert weights[0, [0, 2, 4]].sum() / weights[0, [1, 3]].sum() == pytest.approx((0.5 / 0.2) ** 2)


def test_a_perfect_fit_and_a_loss_without_levels_leave_the_weights_finite() -> None:
    losses = np.array([[0.0, 1.0], [-11.0, -11.0], [np.nan, 0.3], [np.nan, np.nan]])
    weights = learn_member_weights(losses, np.array([0, 1]))
    np.testing.assert_allclose(weights, [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.5, 0.5]], atol=1e-9)


def test_one_way_of_starting_needs_no_weights(data: xr.Dataset, split: Split) -> None:
    assert learn_member_weights(np.ones((2, 3)), np.zeros(3, int)) is None
    assert GRU(**{**SMALL, "epochs": 1}).fit(data, split=split).member_weights_ is None


def test_the_median_becomes_the_mean_and_distances_stay() -> None:
    rng = np.random.default_rng(0)
    members = rng.normal(size=(3, 5, 2, 7))
    weights = rng.dirichlet(np.ones(7), size=3)
    moved = centre_members(members, weights)
    mean = (members * weights[:, None, None]).sum(axis=-1)
    np.testing.assert_allclose(np.median(moved, axis=-1), mean)
    np.testing.assert_allclose(np.diff(moved), np.diff(members))


def test_wells_are_found_by_name_and_new_ones_weight_all_alike() -> None:
    weights = np.array([[0.9, 0.1], [0.2, 0.8]])
    np.testing.assert_array_equal(
        member_weights_at(["c", "b", "a"], weights, fitted=["a", "b"]),
        [[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]],
    )


def test_weights_are_those_of_the_validation_losses_of_each_well(fitted: LSTM) -> None:
    last = fitted.history_.groupby(["well", "member"])["validation_loss"].last().unstack()
    for number, well in enumerate(fitted.wells_):
        short, long = last.loc[well, [0, 2]].mean(), last.loc[well, [1, 3]].mean()
        expected = short**-2 / (short**-2 + long**-2)
        assert fitted.member_weights_[number, [0, 2]].sum() == pytest.approx(expected)
    quick, slow = fitted.member_weights_[:, [1, 3]].sum(axis=1)
    assert slow > quick  # a long memory is of use where the well has one


def test_the_prediction_is_the_weighted_mean_of_the_networks(
    fitted: LSTM, data: xr.Dataset
) -> None:
    scaled = fitted.outputs(data).isel(output=0)
    mean = (scaled * xr.DataArray(fitted.member_weights_, dims=("well", "member"))).sum("member")
    expected = fitted.scaler_.inverse(mean, "level")
    np.testing.assert_allclose(fitted.simulate(data)["level"].median("member"), expected, atol=1e-6)
    # and so it is under weather that is not known
    ahead = fitted.project(
        data,
        issue_times=data["time"].values[[900]],
        horizon=3,
        forcing=ClimatologyWeather(fewest=2),
    )
    assert (ahead.std("member") > 0).all()


def test_member_weights_are_kept_by_name_through_refits_and_updates(
    fitted: LSTM, data: xr.Dataset, split: Split
) -> None:
    turned = data.isel(well=[1, 0])
    again = fitted.refit(turned, split=split_by_fraction(turned))
    np.testing.assert_array_equal(again.member_weights_, fitted.member_weights_[::-1])
    later = fitted.update(data.isel(well=[1]), split=split, epochs=1)
    np.testing.assert_array_equal(later.member_weights_, fitted.member_weights_[1:])


def test_levels_after_the_validation_period_do_not_change_the_member_weights(
    fitted: LSTM, data: xr.Dataset, split: Split
) -> None:
    level = data["level"].where(~split.rows(data, "test"), 1e6)
    other = LSTM(**SMALL, forget_bias=(-1.0, 4.0)).fit(data.assign(level=level), split=split)
    np.testing.assert_array_equal(other.member_weights_, fitted.member_weights_)


def test_a_global_lstm_may_start_in_several_ways(data: xr.Dataset, split: Split) -> None:
    """All wells share the networks and the member weights."""
    settings = {**SMALL, "epochs": 2, "attributes": (), "forget_bias": (1.0, 3.0)}
    shared = GlobalLSTM(**settings).fit(data, split=split)
    assert shared.member_weights_.shape == (2, 4)
    np.testing.assert_array_equal(shared.member_weights_[0], shared.member_weights_[1])
    assert np.isfinite(shared.simulate(data)["level"].values[:, 40:]).all()
