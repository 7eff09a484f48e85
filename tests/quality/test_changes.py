"""Tests of trends and shifts hold their size on autoregressions, and find what is there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.quality.changes import (
    _series,
    find_shift,
    find_trend,
    shift_table,
    trend_table,
    unexplained_changes,
)
from gwforecast.quality.rules import Series

SERIES, MONTHS = 100, 180


@pytest.mark.parametrize("keep", [0.0, 0.7, 0.9])
def test_the_tests_hold_their_size_on_autoregressions(keep: float) -> None:
    random = _series(keep, MONTHS, SERIES, seed=11)
    random[:, 40:50] = np.nan
    found = [find_trend(one, draws=99, seed=i) for i, one in enumerate(random)]
    trends = [one.p_value for one in found]
    # of 100 intervals of 95 %, 89 and fewer hold the truth in 1 of 100 cases
    assert np.mean([one.lower <= 0 <= one.upper for one in found]) >= 0.89
    shifts = [find_shift(one, draws=99, seed=i).p_value for i, one in enumerate(random)]
    for found in (trends, shifts):  # of 100 tests at 5 %, 11 and more in 1 of 35 cases
        assert np.mean(np.array(found) <= 0.05) <= 0.10
        assert np.mean(np.array(found) <= 0.5) > 0.2


def test_the_usual_test_would_not_hold_it() -> None:
    """Without autocorrelation in the null, most series of long memory would have a trend."""
    from scipy.stats import kendalltau

    random = _series(0.9, MONTHS, SERIES, seed=11)
    naive = [kendalltau(np.arange(MONTHS), one).pvalue for one in random]
    assert np.mean(np.array(naive) <= 0.05) > 0.4


def test_a_trend_is_found_with_its_slope_and_interval() -> None:
    season = np.cos(2 * np.pi * np.arange(MONTHS) / 12)
    noise = 0.3 * _series(0.6, MONTHS, 1, seed=2)[0]
    found = find_trend(season + noise - 0.08 * np.arange(MONTHS) / 12)
    assert found.lower < -0.08 < found.upper
    assert found.p_value < 0.05
    assert found.slope == pytest.approx(-0.08, abs=0.03)


def test_a_shift_is_found_with_date_and_size() -> None:
    time = pd.date_range("2000-01-01", "2014-12-31")
    noise = np.repeat(_series(0.5, MONTHS, 1, seed=4)[0], 31)[: time.size] * 0.05
    later = time >= "2008-07-01"
    errors = xr.DataArray(
        [noise + 0.3 * later, np.where(time < "2002", noise, np.nan)],
        {"well": ["moved", "short"], "time": time},
        ("well", "time"),
    )
    table = shift_table(errors, draws=199).set_index("well")
    moved = table.loc["moved"]
    assert abs((moved["date"] - pd.Timestamp("2008-07-01")).days) < 62
    assert moved["size"] == pytest.approx(0.3, abs=0.05)
    assert moved["p_value"] < 0.02
    assert "at least 60 months" in table.loc["short", "reason"]
    assert trend_table(errors, draws=99)["well"].tolist() == ["moved", "short"]


def test_results_are_the_same_at_each_call_and_of_any_unit() -> None:
    values = _series(0.5, MONTHS, 1, seed=9)[0]
    assert find_trend(values) == find_trend(values)
    assert find_shift(100 + 7 * values).p_value == find_shift(values).p_value
    assert find_trend(7 * values).slope == pytest.approx(7 * find_trend(values).slope)


def weekly(years: int = 20, seed: int = 0) -> tuple[pd.DatetimeIndex, np.ndarray, np.ndarray]:
    """Return times, rain, and a level that a memory of the rain explains but for small errors."""
    rng = np.random.default_rng(seed)
    times = pd.date_range("2000-01-03", periods=52 * years, freq="W-MON")
    rain = rng.gamma(1.5, 10.0, times.size)
    memory = pd.Series(rain).ewm(com=13).mean().to_numpy()
    errors = pd.Series(rng.normal(0, 0.02, times.size)).ewm(com=4).mean().to_numpy()
    return times, rain, 20 + 0.05 * memory + errors


CHANGED = {
    "none": lambda years: 0.0 * years,
    "shift": lambda years: np.where(years < 2015.5, 0.0, -0.4),
    "trend": lambda years: -0.03 * (years - 2000),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_changes_against_a_prediction_are_findings_with_date_and_size(kind: str) -> None:
    times, _, level = weekly()
    years = 2000 + (times - times[0]).days.to_numpy() / 365.25
    values = level + CHANGED[kind](years)
    stamps = times.to_numpy().astype("datetime64[us]")
    series = Series("a", "level", "level", stamps, values)
    found = unexplained_changes(series, values - level, by="the truth", draws=199)
    assert [row.check for row in found] == ([] if kind == "none" else [f"unexplained_{kind}"])
    for row in found:
        assert row.value == pytest.approx({"shift": -0.4, "trend": -0.03}[kind], rel=0.05)
        assert row.severity == "warning"
        assert not row.positions.size
        assert f"a {kind} of -0." in row.message
        assert "against the truth (p 0.005) from 20" in row.message
    if kind == "shift":
        assert abs(found[0].first - np.datetime64("2015-07-01")) < np.timedelta64(45, "D")


@pytest.mark.parametrize(("shift", "severity"), [(-0.05, "note"), (-0.4, "warning")])
def test_changes_that_are_small_beside_the_levels_are_notes(shift: float, severity: str) -> None:
    times, _, level = weekly()
    stamps = times.to_numpy().astype("datetime64[us]")
    change = np.where(np.arange(level.size) < 600, 0.0, shift)
    series = Series("a", "level", "level", stamps, level + change)
    (found,) = unexplained_changes(series, change + 0.01 * np.sin(np.arange(level.size)), by="it")
    assert (found.check, found.severity) == ("unexplained_shift", severity)


@pytest.mark.parametrize("kind", CHANGED)
def test_checks_and_evaluations_report_levels_that_the_weather_does_not_explain(kind: str) -> None:
    times, rain, level = weekly()
    years = 2000 + (times - times[0]).days.to_numpy() / 365.25
    # a change within a year is no step that the other check would find
    values = pd.Series(level + CHANGED[kind](years))
    values = values.rolling(40, min_periods=1).mean() if kind == "shift" else values
    observations = gw.observations_from_frames(
        pd.Series(values.to_numpy(), times, name="a"), pd.DataFrame({"rain": rain}, times)
    )
    expected = [] if kind == "none" else [f"unexplained_{kind}"]
    if kind != "trend":  # a part of which the regression takes for a slow answer to the rain
        checked = gw.check(observations)
        assert [one for one in checked["check"] if one.startswith("unexplained")] == expected
    evaluation = gw.evaluate(observations, models=["linear", "climatology"])
    found = evaluation.findings[evaluation.findings["check"].str.startswith("unexplained")]
    assert found["check"].tolist() == expected
    assert all("against the model 'linear'" in message for message in found["message"])
