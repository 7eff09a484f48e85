"""What the figures show, against brute force."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gwforecast.plots import prepare
from gwforecast.plots.scores import coverages


def series(values, *, start="2001-01-01", frequency="D", **attrs) -> xr.DataArray:
    times = pd.date_range(start, periods=len(values), freq=frequency)
    stamps = times.to_numpy().astype("datetime64[us]")
    return xr.DataArray(np.asarray(values, float), {"time": stamps}, ("time",), attrs=attrs)


def whole(data: xr.DataArray):
    return data["time"].values[0], data["time"].values[-1]


def test_daily_rain_is_summed_to_whole_months():
    rain = series(np.arange(900.0), start="2001-01-15", units="mm/d")
    bars, label = prepare.rain_bars(rain, view=whole(rain), most=40)
    stamps = pd.DatetimeIndex(rain["time"].values)
    for _, bar in bars.iterrows():
        inside = (stamps >= bar["start"]) & (stamps < bar["end"])
        if inside.sum() == (bar["end"] - bar["start"]).days:
            assert bar["amount"] == rain.values[inside].sum()
        else:
            assert np.isnan(bar["amount"])
    assert label == "rain [mm/month]"
    assert bars["amount"].isna().to_numpy().nonzero()[0].tolist() == [0, len(bars) - 1]
    assert not bars["missing"].any()


def test_missing_rain_is_not_zero():
    values = np.ones(900)
    values[100] = np.nan
    rain = series(values, units="mm/d")
    bars, _ = prepare.rain_bars(rain, view=whole(rain), most=40)
    lacking = bars[bars["missing"]]
    assert lacking["start"].tolist() == [pd.Timestamp("2001-04-01")]
    assert lacking["amount"].isna().all()


@pytest.mark.parametrize(
    ("frequency", "units", "steps", "most", "label"),
    [
        ("D", "mm/d", 300, 400, "rain [mm/d]"),
        ("D", "mm/d", 1500, 400, "rain [mm/week]"),
        ("D", "mm", 8000, 400, "rain [mm/month]"),
        ("D", "mm d-1", 22000, 400, "rain [mm in 3 months]"),
        ("D", "mm/d", 22000, 70, "rain [mm/year]"),
        ("D", "kg m-2 s-1", 1500, 400, "rain, mean of week [kg m-2 s-1]"),
        ("D", "mm/s", 1500, 400, "rain, mean of week [mm/s]"),
        ("D", "", 300, 400, "rain [unit not given]"),
        ("D", "", 1500, 400, "rain, mean of week [unit not given]"),
        ("W-MON", "mm/week", 300, 400, "rain [mm/week]"),
        ("W-MON", "mm/week", 1500, 400, "rain [mm in 4 weeks]"),
        ("MS", "mm/month", 120, 400, "rain [mm/month]"),
        ("ME", "mm/month", 720, 400, "rain [mm in 3 months]"),
    ],
)
def test_bars_are_as_wide_as_they_must_be_and_say_it(frequency, units, steps, most, label):
    rain = series(np.ones(steps), frequency=frequency, units=units)
    bars, said = prepare.rain_bars(rain, view=whole(rain), most=most)
    assert said == label
    assert len(bars) <= most + 2
    assert (bars["end"].to_numpy()[:-1] == bars["start"].to_numpy()[1:]).all()
    total = np.nansum(bars["amount"])
    longest = {"D": 366, "W": 13, "M": 3}[frequency[0]]
    if "mean" in label:
        assert set(bars["amount"].dropna()) == {1.0}
    else:
        assert steps - 2 * longest <= total <= steps


def test_rain_at_ends_of_months_lies_in_its_month():
    rain = series([1.0, 2.0, 3.0], start="2001-01-31", frequency="ME", units="mm/month")
    bars, _ = prepare.rain_bars(rain, view=whole(rain))
    assert bars["start"].tolist() == list(pd.date_range("2001-01-01", periods=3, freq="MS"))
    assert bars["amount"].tolist() == [1.0, 2.0, 3.0]


def test_weeks_of_rain_end_at_their_time_stamps():
    rain = series([1.0, 2.0, 3.0], start="2001-01-08", frequency="W-MON", units="mm/week")
    bars, _ = prepare.rain_bars(rain, view=whole(rain))
    assert bars["end"].tolist() == list(pd.date_range("2001-01-15", periods=2, freq="7D"))
    assert bars["amount"].tolist() == [2.0, 3.0]


@pytest.mark.parametrize(("steps", "most"), [(300, 400), (300, 50)])
def test_rain_known_at_the_issue_time_is_before_it(steps, most):
    rain = series(np.arange(float(steps)), units="mm/d")
    issue = rain["time"].values[200]
    bars, _ = prepare.rain_bars(rain, view=whole(rain), most=most, issue_time=issue)
    known = bars["end"] <= issue
    assert (known | (bars["start"] >= issue)).all()
    assert bars.loc[known, "end"].max() == issue
    first = bars[bars["amount"].notna() & known].iloc[0]["start"]
    inside = rain["time"].values[(rain["time"].values > first) & (rain["time"].values <= issue)]
    assert bars.loc[known, "amount"].sum() == rain.sel(time=inside).sum()


def test_rain_is_found_by_its_kind(observations):
    assert prepare.rain_name(observations) == "rain"
    named = observations.rename(rain="station_a")
    assert prepare.rain_name(named) is None
    named["station_a"].attrs["kind"] = "rain"
    assert prepare.rain_name(named) == "station_a"


@given(arrays.arrays(bool, st.integers(0, 40)), st.integers(1, 5))
def test_runs_hold_what_is_present_and_are_apart(present, longest):
    found = prepare.runs(present, longest=longest)
    positions = np.flatnonzero(present)
    inside = [p for first, last in found for p in positions if first <= p <= last]
    assert inside == positions.tolist()
    for first, last in found:
        assert present[first]
        assert present[last]
        steps = np.diff(positions[(positions >= first) & (positions <= last)])
        assert (steps <= longest).all()
    gaps = [b[0] - a[1] for a, b in pairwise(found)]
    assert all(gap > longest for gap in gaps)


def test_the_widest_whole_interval_is_chosen(predictions):
    level = prepare.prediction_of(predictions, well="well 1", model="lstm")
    bounds, *_ = prepare.intervals(level)
    assert bounds.coverage == pytest.approx(0.95)
    np.testing.assert_array_equal(bounds.lower, level.sel(quantile=0.025))
    np.testing.assert_array_equal(bounds.upper, level.sel(quantile=0.975))
    (inner,) = prepare.intervals(level.sel(quantile=[0.1, 0.5, 0.9, 0.975]))
    assert inner.coverage == pytest.approx(0.8)
    assert not prepare.intervals(level.sel(quantile=[0.5]))
    assert not prepare.intervals(level.where(level["quantile"] == 0.5))


def test_residuals_are_predicted_minus_observed(observations, predictions):
    raised = predictions.copy()
    raised["level"] = 0.25 + observations["level"].expand_dims(
        model=["lstm"], quantile=[0.5]
    ).transpose("model", "well", "time", "quantile")
    found = prepare.residual(observations, raised, well="well 1", model="lstm")["residual"]
    np.testing.assert_allclose(found.dropna("time"), 0.25)
    assert found.isnull().sum() == observations["level"].isnull().sum()


def test_levels_are_sparse_where_steps_lie_between_them(observations, dips):
    assert not prepare.is_sparse(observations["level"].values[0])
    assert prepare.is_sparse(dips["level"].values[0])
    assert prepare.is_sparse(np.array([np.nan, 1.0, np.nan]))


def test_periods_are_cut_to_the_view(split):
    whole_spans = prepare.period_spans(split, well="well 1")
    start, end = whole_spans["validation"]
    middle = start + (end - start) // 2
    cut = prepare.period_spans(split, well="well 1", view=(middle, end))
    assert cut == {"validation": (middle, end)}


def test_coverage_of_wells_is_that_of_their_levels_together():
    scores = pd.DataFrame(
        {
            "model": "lstm",
            "well": ["a", "b", "a", "a"],
            "period": ["test", "test", "train", "test"],
            "metric": ["coverage_95", "coverage_95", "coverage_95", "nse"],
            "value": [1.0, 0.5, 0.1, 0.9],
            "n": [300, 100, 100, 100],
        }
    )
    found = coverages(scores, period="test")
    assert found.to_dict("records") == [{"model": "lstm", "nominal": 0.95, "observed": 0.875}]


def test_messages_say_what_there_is(observations, predictions, split, make):
    many = make["observations"](wells=7)
    cases = [
        (lambda: prepare.only_well(many, None), "Received 7 wells: well 1, .*Choose one"),
        (lambda: prepare.only_well(many, "x"), "Received well 'x'; there are well 1"),
        (
            lambda: prepare.prediction_of(predictions, well="well 1", model="mlp"),
            "Received model 'mlp'; there are lstm",
        ),
        (
            lambda: prepare.central(predictions["level"].sel(quantile=[0.1, 0.9])),
            r"Received the quantiles \[0.1, 0.9\]",
        ),
        (
            lambda: prepare.residual(
                observations.isel(time=slice(10)), predictions, well="well 1", model="lstm"
            ),
            "2010-01-01 to 2010-01-10, 10 steps, and 2010-01-01 to 2015-06-23, 2000 steps",
        ),
        (
            lambda: prepare.view_of([], period="test", split=None, well="a"),
            "Received period='test' and no split",
        ),
        (
            lambda: prepare.view_of([], period=("2011", "2010"), split=split, well="well 1"),
            "Received 2011-01-01 to 2010-01-01",
        ),
        (
            lambda: prepare.view_of([series([np.nan])], period=None, split=None, well="a"),
            "Received none for well 'a'",
        ),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
