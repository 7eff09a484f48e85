"""Years that the members of a first fit leave out, and the errors of levels nobody has seen."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from gwforecast.calibration.blending import simulate_held_out
from gwforecast.models.base import Forecaster
from gwforecast.models.linear import Linear
from gwforecast.models.naive import Climatology, Persistence
from gwforecast.networks.forecaster import NeuralForecaster, without_folds
from gwforecast.networks.lstm import LSTM
from gwforecast.networks.mlp import GlobalMLP
from gwforecast.sequences.split import Split, split_by_fraction, train_folds

SMALL = {"members": 6, "epochs": 4, "lookback": 30, "targets": 30, "units": (4,), "folds": 3}


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    """Return two wells with gaps whose levels are eighths of a metre, so that sums are exact."""
    rng = np.random.default_rng(3)
    time = np.datetime64("2010-01-01", "us") + np.arange(1200) * np.timedelta64(1, "D")
    rain = rng.gamma(0.4, 8.0, size=(2, time.size))
    level = np.zeros_like(rain)
    for step in range(1, time.size):
        level[:, step] = 0.97 * level[:, step - 1] + 0.1 * rain[:, step]
    level = np.round(8 * level) / 8
    level[1, rng.random(time.size) < 0.4] = np.nan
    return xr.Dataset(
        {
            "level": (("well", "time"), level, {"units": "m"}),
            "rain": (("well", "time"), rain, {"units": "mm/d", "kind": "rain"}),
        },
        {"well": ["a", "b"], "time": time},
    )


@pytest.fixture(scope="module")
def split(data: xr.Dataset) -> Split:
    return split_by_fraction(data)


@pytest.fixture(scope="module")
def fitted(data: xr.Dataset, split: Split) -> LSTM:
    return LSTM(**SMALL).fit(data, split=split)


def _permuted(data: xr.Dataset, rows: xr.DataArray) -> xr.Dataset:
    """Return the data with the levels of some rows of each well in another order."""
    level = data["level"].copy(deep=True)
    for values, chosen in zip(level.values, rows.values, strict=True):
        at = np.flatnonzero(chosen & np.isfinite(values))
        values[at] = values[at[::-1]]
    return data.assign(level=level)


def _same(first: NeuralForecaster, second: NeuralForecaster) -> list[bool]:
    """Return of each member whether both have the same weights, to the last byte."""
    pairs = list(zip(first.weights_, second.weights_, strict=True))
    return [
        all(np.array_equal(a[:, m], b[:, m]) for a, b in pairs) for m in range(len(first.seeds_))
    ]


def test_folds_hold_equally_many_levels_behind_each_other(data: xr.Dataset, split: Split) -> None:
    fold = train_folds(data, split, folds=4)
    assert ((fold >= 0) == split.rows(data, "train")).all()
    for well in data["well"].values:
        of_well = fold.sel(well=well)
        known = of_well.where(data["level"].sel(well=well).notnull(), -1).values
        counts = np.bincount(known[known >= 0], minlength=4)
        assert counts.max() - counts.min() <= 1
        assert (np.diff(of_well.values[of_well.values >= 0]) >= 0).all()


def test_folds_do_not_depend_on_levels_after_the_train_period(
    data: xr.Dataset, split: Split
) -> None:
    later = data["level"].where(split.rows(data, "train"))
    assert train_folds(data.assign(level=later), split).identical(train_folds(data, split))


def test_targets_lack_one_fold_each(data: xr.Dataset, split: Split) -> None:
    targets = split.levels(data, "train").values
    fold = train_folds(data, split, folds=3)
    kept = without_folds(targets, fold).reshape(2, 3, -1)
    for number in range(3):
        left = np.where(fold == number, np.nan, targets)
        np.testing.assert_array_equal(kept[:, number], left)
    everything = without_folds(targets, train_folds(data, split, folds=1))
    np.testing.assert_array_equal(everything, targets)  # there is no other fold to keep


def test_members_of_all_starts_leave_each_fold_out(fitted: LSTM) -> None:
    assert fitted.starts == 2
    np.testing.assert_array_equal(fitted.left_out_, [0, 0, 1, 1, 2, 2])


def test_a_member_does_not_know_the_levels_that_it_left_out(
    data: xr.Dataset, split: Split, fitted: LSTM
) -> None:
    fold = train_folds(data, split, folds=3)
    again = LSTM(**SMALL).fit(_permuted(data, fold == 1), split=split)
    same = [
        all(
            np.array_equal(a[:, m], b[:, m])
            for a, b in zip(fitted.weights_, again.weights_, strict=True)
        )
        for m in range(6)
    ]
    assert same == [False, False, True, True, False, False]


def test_networks_of_all_wells_leave_folds_out_too(data: xr.Dataset, split: Split) -> None:
    settings = {"members": 3, "epochs": 3, "lookback": 30, "units": (4,), "folds": 3}
    fold = train_folds(data, split, folds=3)
    first, again = (
        GlobalMLP(**settings).fit(d, split=split) for d in (data, _permuted(data, fold == 2))
    )
    same = [
        all(
            np.array_equal(a[:, m], b[:, m])
            for a, b in zip(first.weights_, again.weights_, strict=True)
        )
        for m in range(3)
    ]
    assert same == [False, False, True]


def test_members_are_the_same_whether_trained_together_or_in_steps(
    data: xr.Dataset, split: Split, fitted: LSTM
) -> None:
    steps = [
        LSTM(**{**SMALL, "members": 2, "seed": seed}).fit(data, split=split) for seed in (0, 2, 4)
    ]
    joined = steps[0].join_members(steps)
    np.testing.assert_array_equal(joined.left_out_, fitted.left_out_)
    for a, b in zip(joined.weights_, fitted.weights_, strict=True):
        np.testing.assert_array_equal(a, b)
    first, second = (simulate_held_out(f, data, split=split) for f in (joined, fitted))
    xr.testing.assert_allclose(first, second)


def test_a_refit_leaves_nothing_out(data: xr.Dataset, split: Split, fitted: LSTM) -> None:
    again = fitted.refit(data, split=split, through="validation")
    whole = LSTM(**{**SMALL, "folds": 1}).refit(data, split=split, through="validation")
    for a, b in zip(again.weights_, whole.weights_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.left_out_ is None
    assert len(again.held_out(data, split)) == 1
    assert fitted.update(data, split=split).left_out_ is None


def test_the_held_out_simulation_is_that_of_members_without_the_row(
    data: xr.Dataset, split: Split, fitted: LSTM
) -> None:
    held_out = simulate_held_out(fitted, data, split=split)
    rows = split.rows(data, "train", "validation")
    assert (held_out["level"].notnull() == rows).all()
    fold = train_folds(data, split, folds=3)
    alone = fitted.select_members(fitted.left_out_ == 1).simulate(data)["level"]
    np.testing.assert_array_equal(
        held_out["level"].where(fold == 1), alone.median("member").where(fold == 1)
    )
    assert alone.sizes["member"] == 2
    np.testing.assert_allclose(
        fitted.select_members(fitted.left_out_ == 1).member_weights_.sum(axis=1), 1
    )


@pytest.mark.parametrize("forecaster", [Climatology(), Linear(lookbacks=[30])])
def test_a_quick_forecaster_is_fitted_without_each_fold(
    data: xr.Dataset, split: Split, forecaster: Forecaster
) -> None:
    (_, itself), *folds = forecaster.fit(data, split=split).held_out(data, split)
    assert itself is forecaster
    assert len(folds) == 5
    unseen = folds[2].rows & data["level"].notnull()
    changed = data.assign(level=data["level"].where(~unseen, 1e6))
    _, *others = forecaster.held_out(changed, split)
    same = []
    for (rows, one), (other_rows, other) in zip(folds, others, strict=True):
        assert rows.identical(other_rows)
        assert np.isfinite(one.simulate(data)["level"].where(rows, 0.0)).all()
        same.append(one.simulate(data).identical(other.simulate(data)))
    assert same == [False, False, True, False, False]


def test_what_leaves_nothing_out_is_judged_by_the_validation_period(
    data: xr.Dataset, split: Split
) -> None:
    ((rows, one),) = Persistence().fit(data, split=split).held_out(data, split)
    assert rows.identical(split.rows(data, "validation"))
    assert isinstance(one, Persistence)


def test_folds_are_of_levels_that_have_weather(data: xr.Dataset, split: Split) -> None:
    late = data.assign(rain=data["rain"].where(data["time"] >= np.datetime64("2011-08-01")))
    fitted = LSTM(**SMALL).fit(late, split=split)
    held_out = simulate_held_out(fitted, late, split=split)["level"]
    rows = split.rows(late, "train", "validation") & late["rain"].notnull()
    assert (held_out.notnull() == rows).all()
    (_, *folds) = fitted.held_out(late, split)
    usable = late["level"].notnull() & late["rain"].notnull()
    counts = [int((rows & usable).sum()) for rows, _ in folds]
    assert max(counts) - min(counts) <= 2


def test_a_well_that_was_not_fitted_has_no_folds(
    data: xr.Dataset, split: Split, fitted: LSTM
) -> None:
    alone = LSTM(**SMALL).fit(data.isel(well=[1]), split=split)
    held_out = simulate_held_out(alone, data, split=split)["level"]
    assert held_out.isel(well=0).isnull().all()
    of_both = simulate_held_out(fitted, data, split=split)["level"]
    np.testing.assert_array_equal(held_out.isel(well=1), of_both.isel(well=1))
