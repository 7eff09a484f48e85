from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gwforecast import timeline
from gwforecast.sequences.split import PERIODS, split_by_date, split_by_fraction

FREQUENCIES = st.sampled_from(["D", "W-MON", "W-SUN", "MS", "ME"])


@st.composite
def wells(draw, least=10):
    """Observations of a few wells with gaps anywhere, each with at least some levels."""
    n_wells = draw(st.integers(1, 3))
    n_times = draw(st.integers(30, 80))
    share = draw(st.floats(0.3, 1.0))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    levels = np.where(random.random((n_wells, n_times)) < share, 1.0, np.nan)
    assume((np.isfinite(levels).sum(axis=1) >= least).all())
    times = pd.date_range("2001-01-31", periods=n_times, freq=draw(FREQUENCIES))
    return xr.Dataset(
        {"level": (("well", "time"), levels)},
        {"well": [f"w{i}" for i in range(n_wells)], "time": times.to_numpy()},
    )


@settings(deadline=None, max_examples=60)
@given(wells(), st.floats(0.3, 0.7), st.floats(0.12, 0.2))
def test_periods_are_disjoint_and_hold_every_level_by_its_share(observations, train, validation):
    split = split_by_fraction(observations, train=train, validation=validation)
    rows = [split.rows(observations, p).values for p in PERIODS]
    assert (sum(r.astype(int) for r in rows) <= 1).all()
    observed = observations.level.notnull().values
    assert (np.logical_or.reduce(rows) | ~observed).all()
    n = observed.sum(axis=1)
    for row, share in zip(rows, (train, validation, 1 - train - validation), strict=True):
        assert (np.abs((row & observed).sum(axis=1) - share * n) <= 1.0).all()


@settings(deadline=None, max_examples=60)
@given(wells(least=20), st.integers(0, 3))
def test_periods_are_in_order_and_the_gap_is_kept(observations, gap):
    levels = observations.level.fillna(1.0)
    observations = observations.assign(level=levels)
    split = split_by_fraction(observations, gap=gap)
    step = timeline.infer_frequency(observations.time.values)
    for before, after in pairwise(PERIODS):
        for end, start in zip(split.end(before).values, split.start(after).values, strict=True):
            assert start == timeline.add_steps(end, 1 + gap, step)
    position = np.arange(observations.sizes["time"])
    rows = [np.where(split.rows(observations, p).values[0])[0] for p in PERIODS]
    for before, after in pairwise(rows):
        assert position[after[0]] - position[before[-1]] == 1 + gap


@settings(deadline=None, max_examples=40)
@given(wells(), st.integers(1, 20), st.sampled_from([np.nan, 1e6]))
def test_rows_after_the_test_period_change_nothing(observations, extra, value):
    times = observations.time.values
    frequency = timeline.infer_frequency(times)
    dates = {"validation_start": times[15], "test_start": times[22], "test_end": times[-1]}
    assume(observations.level.values[:, :15].any())
    assume(np.isfinite(observations.level.values[:, :15]).any(axis=1).all())
    later = timeline.regular_times(
        timeline.add_steps(times[-1], 1, frequency),
        timeline.add_steps(times[-1], extra, frequency),
        frequency,
    )
    longer = observations.reindex(time=np.concatenate([times, later]))
    longer["level"] = longer.level.where(longer.time <= times[-1], value)
    short, long = (split_by_date(o, **dates) for o in (observations, longer))
    xr.testing.assert_identical(short.bounds, long.bounds)
    if np.isnan(value):
        xr.testing.assert_identical(
            split_by_fraction(observations).bounds, split_by_fraction(longer).bounds
        )


@settings(deadline=None, max_examples=40)
@given(wells())
def test_each_well_is_split_alone_and_a_row_lies_in_one_period(observations):
    together = split_by_fraction(observations)
    for well in observations.well.values:
        one = observations.sel(well=[well])
        xr.testing.assert_identical(split_by_fraction(one).bounds, together.bounds.sel(well=[well]))
    rows = sum(together.rows(observations, period).astype(int) for period in PERIODS)
    assert int(rows.max()) <= 1
    table = together.to_frame(observations)
    assert table["levels"].sum() == int(observations.level.notnull().sum())
