import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwforecast import timeline
from gwforecast.timeline import SchemaError

FREQUENCIES = ["D", "W-MON", "W-TUE", "W-WED", "W-THU", "W-FRI", "W-SAT", "W-SUN", "MS", "ME"]


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(FREQUENCIES),
    st.datetimes(pd.Timestamp("1850-01-01"), pd.Timestamp("2150-01-01")),
    st.integers(2, 60),
)
def test_regular_times_have_their_frequency_and_steps_add_up(frequency, start, n):
    end = start + pd.Timedelta(days=40 * n)
    start, end = pd.Timestamp(start).normalize(), pd.Timestamp(end).normalize()
    times = timeline.regular_times(start, end, frequency)
    assert times.dtype == np.dtype("datetime64[us]")
    assert timeline.infer_frequency(times) == frequency
    k = min(n, times.size - 1)
    assert timeline.add_steps(times[0], k, frequency) == times[k]
    assert timeline.add_steps(times[k], -k, frequency) == times[0]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_unit_and_zone_are_naive_utc(unit):
    index = pd.date_range("2020-01-01", periods=3, tz="America/New_York").as_unit(unit)
    times = timeline.to_times(index)
    assert times.dtype == np.dtype("datetime64[us]")
    assert times[0] == np.datetime64("2020-01-01T05:00")
    assert (timeline.to_times(times) == times).all()


def test_weeks_keep_a_clock_time_and_months_do_not_mix():
    weekly = np.datetime64("2020-01-06T12:00", "us") + 7 * np.arange(4).astype("timedelta64[D]")
    assert timeline.infer_frequency(weekly) == "W-MON"
    assert timeline.format_time(weekly[0]) == "2020-01-06 12:00:00"
    february = np.array(["2021-01-31", "2021-02-28", "2021-03-31"], "datetime64[D]")
    assert timeline.infer_frequency(february) == "ME"
    assert timeline.add_steps(np.datetime64("2020-12-31"), 2, "ME") == np.datetime64("2021-02-28")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (np.arange(3), "dtype int64"),
        (np.array(["2020-01-01"], "datetime64[D]"), r"at least two steps\. Received 1"),
        (np.array(["2020-01-01", "NaT"], "datetime64[D]"), "NaT at position 1"),
        (
            np.array(["2020-01-02", "2020-01-01", "2020-01-03"], "datetime64[D]"),
            "increasing. Received 2020-01-01",
        ),
        (np.array(["2020-01-01", "2020-01-01"], "datetime64[D]"), "increasing. Rec"),
        (
            np.array(["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-06"], "datetime64[D]"),
            "step of 3 days 00:00:00 before 2020-01-06",
        ),
        (np.arange(5).astype("datetime64[h]"), "must be regular"),
        (np.array(["2020-01-15", "2020-02-15", "2020-03-15"], "datetime64[D]"), "first or last"),
        (np.array(["2020-01-01", "2020-03-01", "2020-04-01"], "datetime64[D]"), "must be regular"),
    ],
)
def test_messages(times, message):
    with pytest.raises(SchemaError, match=message):
        timeline.infer_frequency(times)


def test_steps_per_year():
    assert timeline.steps_per_year("D") == 365.25
    assert timeline.steps_per_year("W-SUN") * 7 == pytest.approx(365.25)
    assert timeline.steps_per_year("ME") == timeline.steps_per_year("MS") == 12


@pytest.mark.parametrize("first_day", [0, 1])
def test_harmonics_are_waves_of_one_year(first_day):
    times = np.datetime64("2001-01-01", "D") + np.arange(1461)
    waves = timeline.harmonics(times, 2, first_day=first_day)
    day = pd.DatetimeIndex(times).day_of_year.to_numpy() - 1 + first_day
    for k, (sine, cosine) in enumerate([waves.T[:2], waves.T[2:]], start=1):
        np.testing.assert_allclose(sine, np.sin(2 * np.pi * k * day / 365.25), atol=1e-12)
        np.testing.assert_allclose(sine**2 + cosine**2, 1.0)
    assert np.abs(waves.mean(axis=0)).max() < 2e-3
    assert timeline.harmonics(times, 0).shape == (1461, 0)
