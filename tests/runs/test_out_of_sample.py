"""Three fits for one prediction: no row comes from a fit that had seen its level or a later one."""

from __future__ import annotations

import copy
import dataclasses
from typing import Self

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.calibration.intervals import SimulationInterval
from gwforecast.calibration.lasting_error import lasting_error
from gwforecast.models.base import Forecaster
from gwforecast.models.naive import Climatology, Persistence
from gwforecast.runs import out_of_sample
from gwforecast.sequences.split import split_by_date, split_by_fraction, through_periods

TIMES = pd.date_range("2000-01-01", "2009-12-31")


class LastSeen(Forecaster):
    """Predicts the number of days between the first step and the last level that it was shown."""

    name = "last_seen"

    def fit(self, observations, *, split, progress=None) -> Self:
        return self.refit(observations, split=split, through="train", progress=progress)

    def refit(self, observations, *, split, through="validation", progress=None) -> Self:
        seen = split.levels(observations, *through_periods(through)).notnull()
        fitted = copy.copy(self)
        days = xr.DataArray(np.arange(seen.sizes["time"], dtype=float), dims="time")
        fitted.last_ = days.where(seen.drop_vars("time")).max("time")
        if progress is not None:
            progress("fit", 1, 1)
        return fitted

    def simulate(self, observations) -> xr.Dataset:
        level = self.last_ + 0.0 * xr.zeros_like(observations["level"]).fillna(0.0)
        return level.transpose("well", "time").to_dataset(name="level")


class FailsAt(LastSeen):
    """Fails where one of the wells is among those that it is fitted on."""

    def __init__(self, well: str = "") -> None:
        self.well = well

    def fit(self, observations, *, split, progress=None) -> Self:
        if self.well in observations["well"].values:
            raise ValueError(f"no luck with {self.well}")
        return super().fit(observations, split=split, progress=progress)


@pytest.fixture
def observations() -> xr.Dataset:
    level = np.random.default_rng(5).normal(10, 1, (3, TIMES.size))
    level[0, 3000:] = np.nan
    level[1, :1000] = np.nan
    level[1, 3300:] = np.nan
    return xr.Dataset(
        {"level": (("well", "time"), level, {"units": "m"})},
        {"well": ["a", "b", "c"], "time": TIMES},
    )


def test_each_row_comes_from_a_fit_on_the_periods_before_it(observations: xr.Dataset) -> None:
    split = split_by_fraction(observations)
    level = out_of_sample.predict(LastSeen(), observations, split=split).level
    seen = level.sel(quantile=0.5)
    day = xr.DataArray(np.arange(TIMES.size), dims="time", coords={"time": TIMES})
    held_out = ~split.rows(observations, "train")
    assert (seen < day).where(held_out, True).all()
    source = out_of_sample.fitted_through(observations, split)
    for through in ("train", "validation", "test"):
        end = split.end_through(through)
        expected = (end - day["time"][0].drop_vars("time")) / np.timedelta64(1, "D")
        rows = source == through
        np.testing.assert_array_equal(
            seen.where(rows, drop=False).max("time").dropna("well"),
            expected.where(rows.any("time")).dropna("well"),
        )


def test_rows_after_the_last_level_are_fitted_through_the_test_period(
    observations: xr.Dataset,
) -> None:
    split = split_by_fraction(observations)
    source = out_of_sample.fitted_through(observations, split)
    assert (source.sel(well="a")[3000:] == "test").all()
    assert (source.sel(well="a")[2999] == "validation").all()
    assert not (source.sel(well="c") == "test").any()


@pytest.mark.parametrize("forecaster", [Climatology(), Persistence()])
@pytest.mark.parametrize("period", ["validation", "test"])
def test_levels_of_a_period_change_nothing_before_its_end(
    observations: xr.Dataset, forecaster: Forecaster, period: str
) -> None:
    split = split_by_date(observations, validation_start="2006-01-01", test_start="2007-01-01")
    before = out_of_sample.predict(forecaster, observations, split=split).level.sel(quantile=0.5)
    rows = split.rows(observations, period)
    changed = observations.assign(level=observations["level"] + 100.0 * rows)
    after = out_of_sample.predict(forecaster, changed, split=split).level.sel(quantile=0.5)
    past = observations["time"] <= split.end(period)
    xr.testing.assert_allclose(after.where(past), before.where(past))


def test_one_failing_well_leaves_the_others_as_they_are(observations: xr.Dataset) -> None:
    split = split_by_fraction(observations)
    whole = out_of_sample.predict(LastSeen(), observations, split=split)
    part = out_of_sample.predict(FailsAt("b"), observations, split=split)
    assert part.failed == {"b": "ValueError: no luck with b"}
    assert part.level["well"].values.tolist() == ["a", "b", "c"]
    assert part.level.sel(well="b").isnull().all()
    xr.testing.assert_allclose(
        part.level.sel(well=["a", "c"], quantile=0.5).drop_attrs(),
        whole.level.sel(well=["a", "c"], quantile=0.5).drop_attrs(),
    )


def test_what_fails_everywhere_is_raised(observations: xr.Dataset) -> None:
    one = observations.sel(well=["b"])
    with pytest.raises(ValueError, match="no luck"):
        out_of_sample.predict(FailsAt("b"), one, split=split_by_fraction(one))


def test_without_a_validation_period_there_is_no_interval_through_the_test_period(
    observations: xr.Dataset,
) -> None:
    split = split_by_fraction(observations, train=0.8, validation=0.0)
    level = out_of_sample.predict(LastSeen(), observations, split=split).level
    assert np.isfinite(level.sel(quantile=0.5)).all()
    later = out_of_sample.fitted_through(observations, split) == "test"
    bounds = level.drop_sel(quantile=0.5)
    assert bounds.where(~later).isnull().all()
    assert np.isfinite(bounds.where(later, 0.0)).all()  # the test period has told by then


def test_intervals_through_the_test_period_know_nothing_of_its_levels(
    observations: xr.Dataset,
) -> None:
    split = split_by_date(observations, validation_start="2006-01-01", test_start="2007-01-01")
    before = out_of_sample.predict(Climatology(), observations, split=split).level
    later = observations["time"] >= np.datetime64("2007-01-01")
    wild = xr.where(later, 1e6, observations["level"]).transpose("well", "time")
    changed = observations.assign(level=wild.where(observations["level"].notnull()))
    after = out_of_sample.predict(Climatology(), changed, split=split).level
    through = out_of_sample.fitted_through(observations, split) != "test"
    assert through.any("time").all()
    assert after.where(through).values.tobytes() == before.where(through).values.tobytes()


def test_intervals_after_the_test_period_have_learnt_from_its_errors(
    observations: xr.Dataset,
) -> None:
    split = split_by_date(
        observations, validation_start="2004-01-01", test_start="2005-01-01", test_end="2007-12-31"
    )
    rows = split.rows(observations, "test")
    noise = np.random.default_rng(6).normal(0, 5, rows.shape)
    changed = observations.assign(level=observations["level"] + noise * rows)
    later = out_of_sample.fitted_through(observations, split) == "test"
    records = observations, changed
    alone = [out_of_sample.predict(Climatology(), data, split=split) for data in records]
    blended = [
        out_of_sample.blend([part, part], data, split=split)
        for part, data in zip(alone, records, strict=True)
    ]
    for found in (alone, blended):
        widths = [
            (one.level.sel(quantile=0.975) - one.level.sel(quantile=0.025))
            .where(later).mean("time")
            for one in found
        ]  # fmt: skip
        known = later.any("time")
        assert (widths[1] > 1.5 * widths[0]).where(known, True).all()


def test_without_a_validation_period_years_that_were_left_out_give_an_interval(
    observations: xr.Dataset,
) -> None:
    split = split_by_fraction(observations, train=0.8, validation=0.0)
    level = out_of_sample.predict(Climatology(), observations, split=split).level
    assert np.isfinite(level).all()


def test_errors_that_last_are_reduced_where_folds_were_left_out(observations: xr.Dataset) -> None:
    years = np.random.default_rng(7).normal(size=(3, 11)).repeat(366, axis=1)[:, : TIMES.size]
    lasting = observations.assign(level=observations["level"] + 3 * years)
    split = split_by_fraction(lasting)
    rows = split.rows(lasting, "test")
    for forecaster, low, high in ((Climatology(), 0.6, 0.99), (Persistence(), 1.0, 1.0)):
        made = out_of_sample.predict(forecaster, lasting, split=split)
        known = split.rows(lasting, "train", "validation")
        as_known = (
            SimulationInterval().fit(made.held_out, lasting, rows=known).apply(made.simulation)
        )
        width, width_as_known = (
            (level.sel(quantile=0.975) - level.sel(quantile=0.025)).where(rows).mean("time")
            for level in (made.unscaled, as_known["level"])
        )
        assert (
            (width / width_as_known >= low - 1e-9) & (width / width_as_known <= high + 1e-9)
        ).all()


def test_intervals_widen_with_the_years_since_errors_that_last(observations: xr.Dataset) -> None:
    years = np.random.default_rng(7).normal(size=(3, 11)).cumsum(axis=1)
    drifting = 5 * years.repeat(366, axis=1)[:, : TIMES.size]
    last = []
    for added in (0.0, drifting):
        changed = observations.assign(level=observations["level"] + added)
        split = split_by_fraction(changed)
        made = out_of_sample.predict(Climatology(), changed, split=split)
        test = split.rows(changed, "test")
        np.testing.assert_array_equal(made.size.where(split.rows(changed, "train"), 1.0), 1.0)
        width, plain = (
            (one.sel(quantile=0.975) - one.sel(quantile=0.025)).where(test).mean("time")
            for one in (made.level, made.unscaled)
        )
        np.testing.assert_allclose(width / plain, made.size.where(test).mean("time"), rtol=0.1)
        last.append(made.size.where(test).ffill("time").isel(time=-1))
    assert (abs(last[0] - 1) < 0.2).all()
    assert (last[1] > last[0]).all()


def test_quantiles_do_not_cross(observations: xr.Dataset) -> None:
    split = split_by_fraction(observations)
    level = out_of_sample.predict(Climatology(), observations, split=split).level
    assert (level.diff("quantile") >= 0).all()


def test_progress_is_told_of_each_fit(observations: xr.Dataset) -> None:
    told = []
    split = split_by_fraction(observations)
    out_of_sample.predict(LastSeen(), observations, split=split, progress=lambda *a: told.append(a))
    assert told == [
        ("last_seen: train", 1, 1),
        ("last_seen: refit through validation", 1, 1),
        ("last_seen: refit through test", 1, 1),
    ]


def test_no_refit_where_the_weather_ends_before_its_rows(observations: xr.Dataset) -> None:
    split = split_by_fraction(observations)
    ends = split.end_through("test")
    rain = xr.ones_like(observations["level"]).where(observations["time"] <= ends.min("well"))

    class Driven(LastSeen):
        def simulate(self, observations) -> xr.Dataset:
            return super().simulate(observations).where(observations["rain"].notnull())

    told: list[str] = []
    for weather in (rain, rain.fillna(1.0)):
        out_of_sample.predict(
            Driven(),
            observations.assign(rain=weather),
            split=split,
            progress=lambda task, *_: told.append(task),
        )
    assert told == [
        "last_seen: train",
        "last_seen: refit through validation",
        "last_seen: train",
        "last_seen: refit through validation",
        "last_seen: refit through test",
    ]


def test_the_blend_is_the_mean_of_its_parts_with_an_interval_of_its_own(
    observations: xr.Dataset,
) -> None:
    split = split_by_fraction(observations)
    parts = [
        out_of_sample.predict(forecaster, observations, split=split)
        for forecaster in (Climatology(), Persistence(), LastSeen())
    ]
    blended = out_of_sample.blend(parts, observations, split=split).level
    centers = np.stack([part.level.sel(quantile=0.5).values for part in parts])
    level = observations["level"].values
    rows = split.rows(observations, "train", "validation").values
    held_out = np.stack([part.held_out["level"].values for part in parts])
    shared = rows & np.isfinite(level) & np.isfinite(held_out).all(axis=0)
    squared = np.where(shared, (held_out - level) ** 2, 0.0).sum(axis=-1) / shared.sum(axis=-1)
    weights = squared**-2.0 / (squared**-2.0).sum(axis=0)
    expected = (weights[..., None] * centers).sum(axis=0)
    lasting = (blended.sel(quantile=0.5) - expected).fillna(0.0)
    train = split.rows(observations, "train")
    np.testing.assert_allclose(lasting.where(train, 0.0), 0.0, atol=1e-9)
    errors = (level - (weights[..., None] * held_out).sum(axis=0)) * np.where(rows, 1.0, np.nan)
    found = lasting_error(observations["level"].copy(data=errors))
    carried = found["expected"]
    test = split.rows(observations, "test")
    np.testing.assert_allclose(lasting.where(test, 0.0), carried.where(test, 0.0), atol=1e-9)
    assert 0 < float(abs(carried).max()) < 1
    assert blended.dims == ("well", "time", "quantile")
    inside = blended.sel(quantile=0.025) <= blended.sel(quantile=0.975)
    assert inside.where(blended.sel(quantile=0.5).notnull(), True).all()


def test_the_blend_learns_nothing_after_the_validation_period(observations: xr.Dataset) -> None:
    split = split_by_date(observations, validation_start="2004-01-01", test_start="2006-01-01")
    parts = [
        out_of_sample.predict(f, observations, split=split) for f in (Climatology(), Persistence())
    ]
    changed = observations.copy(deep=True)
    changed["level"].loc[{"time": slice("2006-01-01", None)}] = 1e6
    first, second = (
        out_of_sample.blend(parts, o, split=split).level for o in (observations, changed)
    )
    through = out_of_sample.fitted_through(observations, split) != "test"
    assert first.where(through).identical(second.where(through))


def test_the_spread_of_a_blend_is_that_of_all_members(observations: xr.Dataset) -> None:
    split = split_by_fraction(observations)
    random = np.random.default_rng(8)
    members = random.normal(size=(2, 5, *observations["level"].shape))
    members[1] += np.linspace(0, 3, TIMES.size)
    parts = [
        out_of_sample.Prediction(
            xr.zeros_like(observations["level"])
            .copy(data=own.mean(axis=0))
            .expand_dims(quantile=[0.5], axis=-1),
            pd.DataFrame(columns=out_of_sample.HISTORY_COLUMNS),
            spread=xr.zeros_like(observations["level"]).copy(data=own.std(axis=0)),
        )
        for own in members
    ]
    blended = out_of_sample.blend(parts, observations, split=split)
    np.testing.assert_allclose(blended.spread, members.std(axis=(0, 1)))
    np.testing.assert_allclose(blended.level.sel(quantile=0.5), members.mean(axis=(0, 1)))
    assert blended.level.drop_sel(quantile=0.5).isnull().all()  # nothing was left out by a fit


def test_the_interval_of_a_blend_is_between_those_of_its_models_and_of_its_own_errors(
    observations: xr.Dataset,
) -> None:
    split = split_by_fraction(observations)
    one = out_of_sample.predict(Climatology(), observations, split=split)
    middle = one.level.sel(quantile=0.5)
    winter = observations["time"].dt.month.isin([12, 1, 2])
    wide = middle + (one.level - middle) * xr.where(winter, 3.0, 1.0)
    unsure = dataclasses.replace(one, level=wide.transpose(*one.level.dims))
    level = out_of_sample.blend([one, unsure], observations, split=split).level
    ratio = (level - level.sel(quantile=0.5)) / (one.level - middle)
    errors = (observations["level"] - one.held_out["level"]).where(
        split.rows(observations, "train", "validation")
    )
    found = lasting_error(errors)
    relative = found["deviation"] / found["size"]  # in the test period
    expected = xr.where(winter, (2 * 2.0 + 1.0) / 3, 1.0)
    for quantile in (0.025, 0.975):
        own = ratio.sel(quantile=quantile, drop=True)
        for period, wider in (("train", 1.0), ("test", relative)):
            rows = split.rows(observations, period) & own.notnull()
            assert rows.any()
            np.testing.assert_allclose((own / (expected * wider)).where(rows, 1.0), 1.0)


def test_a_model_that_fails_at_a_well_does_not_take_the_blend_with_it(
    observations: xr.Dataset,
) -> None:
    split = split_by_fraction(observations)
    good = out_of_sample.predict(Climatology(), observations, split=split)
    first = observations["well"].values[0]
    elsewhere = observations["well"] != first
    failed = dataclasses.replace(
        good,
        level=good.level.where(elsewhere),
        spread=good.spread.where(elsewhere),
        held_out=good.held_out.where(elsewhere),
    )
    blended = out_of_sample.blend([good, failed], observations, split=split)
    alone = out_of_sample.blend([good, good], observations, split=split).level
    np.testing.assert_allclose(blended.level.sel(quantile=0.5), alone.sel(quantile=0.5))
    assert first not in blended.failed


def test_a_model_that_is_far_worse_in_years_not_fitted_hardly_counts(
    observations: xr.Dataset,
) -> None:
    split = split_by_fraction(observations)
    good = out_of_sample.predict(Climatology(), observations, split=split)
    poor = dataclasses.replace(
        good,
        level=good.level + 50.0,
        held_out=good.held_out.assign(level=good.held_out["level"] + 50),
    )
    blended = out_of_sample.blend([good, poor], observations, split=split).level
    alone = out_of_sample.blend([good, good], observations, split=split).level
    difference = abs(blended - alone).sel(quantile=0.5)
    assert float(difference.max()) < 0.1


def test_a_model_without_errors_on_unseen_rows_is_left_out_of_a_blend_of_others(
    observations: xr.Dataset,
) -> None:
    split = split_by_fraction(observations)
    one, two = (
        out_of_sample.predict(f, observations, split=split) for f in (Climatology(), Persistence())
    )
    unknown = dataclasses.replace(one, level=one.level + 7.0, held_out=None)
    alone, blended = (
        out_of_sample.blend(parts, observations, split=split).level
        for parts in ([one, two], [one, unknown, two])
    )
    assert blended.identical(alone)
