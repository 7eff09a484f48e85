"""What the figures of forecasts show: rain, normal levels, members, and places of names."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from gwforecast.calibration.intervals import QUANTILES
from gwforecast.plots import forecasts
from gwforecast.plots.skill import spread_apart

ISSUES = ["2014-03-01", "2014-06-01", "2014-09-01"]


def test_the_weather_after_the_issue_time_is_never_that_of_the_observations(observations):
    issue = np.datetime64(ISSUES[-1])
    ahead = observations[["rain"]].sel(time=slice("2014-09-05", "2014-09-10"))
    joined, label = forecasts.rain_through(observations, ahead, well="well 1", issue_time=issue)
    assert label == "rain, forecast"
    assert joined.sel(time=slice("2014-09-02", "2014-09-04")).isnull().all()
    assert joined["time"].values[-1] == np.datetime64("2014-09-10")


def test_normal_levels_are_those_of_past_years_only(observations):
    level = observations["level"][0]
    times = observations["time"].values[1700:1750]
    usual = forecasts.usual_levels(level, times, before=times[0])
    changed = level.where(level["time"] <= times[0], 1e6)
    assert usual.equals(forecasts.usual_levels(changed, times, before=times[0]))
    near = [
        value
        for time, value in level.sel(time=slice(None, times[0])).to_series().items()
        if min(abs(time.day_of_year - pd.Timestamp(times[0]).day_of_year), 365) <= 15
        and np.isfinite(value)
    ]
    assert_allclose(usual.values[0], np.quantile(near, [0.1, 0.5, 0.9]))
    assert forecasts.usual_levels(level[:700], times, before=times[0]) is None


def test_members_are_shown_by_their_quantiles(observations, make):
    members = make["forecast"](observations, ISSUES).rename(quantile="member")
    shown = forecasts.issues_of(members, well="well 1", model=None)
    expected = np.quantile(members["level"].values[0], QUANTILES, axis=-1)
    assert_allclose(np.moveaxis(shown.values, -1, 0), expected)
    members["level"][..., 5:, 0] = np.nan
    shown = forecasts.issues_of(members, well="well 1", model=None)
    assert shown[:, 5:].isnull().all()
    assert shown[:, :5].notnull().all()


@given(
    heights=st.lists(st.floats(0, 1), min_size=1, max_size=15), gap=st.floats(0.0, 0.2)
)  # fmt: skip
def test_labels_are_spread_in_order_and_inside(heights, gap):
    heights = np.array(heights)
    placed = spread_apart(heights, gap=gap, low=0.0, high=1.0)
    room = min(gap, 1 / max(heights.size - 1, 1))
    order = np.argsort(heights, kind="stable")
    assert (np.diff(placed[order]) >= room - 1e-6).all()
    assert placed.min() >= -1e-6
    assert placed.max() <= 1 + 1e-6
    if (np.diff(heights[order]) >= room).all():
        assert_allclose(placed, heights)
