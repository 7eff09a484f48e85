"""Checks of levels as they were read: stamps, duplicates, and values that are no levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gwforecast.quality.checks import COLUMNS, check_levels, check_series
from gwforecast.schema import SchemaError


def test_raw_stamps() -> None:
    text = (
        "2020-01-01 2020-01-03 2020-01-02 2020-01-04 2020-01-04 2020-01-05 2020-01-05 NaT "
        "2031-01-01 2020-01-07"
    )
    days = pd.DatetimeIndex(text.split())
    levels = pd.Series([1.0, 1, 1, 1, 1, 1, 2, 1, 1, np.inf], days, name="A")
    table = check_levels(levels, now="2026-01-01").set_index("check")
    assert table["n"].to_dict() == {
        "missing_stamp": 1,
        "duplicates_conflicting": 2,
        "duplicates_equal": 2,
        "unsorted": 2,
        "future": 1,
        "infinite": 1,
    }
    assert (table["well"] == "A").all()
    assert table.loc["unsorted", "first"] == pd.Timestamp("2020-01-02")
    assert table.loc["duplicates_conflicting", "first"] == pd.Timestamp("2020-01-05")


def test_sorted_levels_of_several_wells_have_no_raw_findings() -> None:
    days = pd.date_range("2020-01-01", periods=4, tz="Europe/Berlin")
    frame = pd.DataFrame({"A": [1.0, np.nan, 2, 3], "B": [2.0, 2, 2, 2]}, index=days)
    assert check_levels(frame, now="2026-01-01").empty
    assert list(check_levels(frame).columns) == COLUMNS


def test_the_wells_of_a_frame_are_checked_one_by_one() -> None:
    days = pd.DatetimeIndex(["2020-01-01", "2020-01-03", "2020-01-02", "2020-01-02"])
    frame = pd.DataFrame({"A": [1.0, 2, 3, 3], "B": [1.0, np.nan, 2, 3]}, index=days)
    before = frame.copy()
    parts = [check_series(frame[w], well=w, now="2026-01-01") for w in frame]
    whole = check_levels(frame, now="2026-01-01")
    pd.testing.assert_frame_equal(whole, pd.concat(parts, ignore_index=True))
    assert whole.groupby("well")["check"].agg(list).to_dict() == {
        "A": ["duplicates_equal", "unsorted"],
        "B": ["duplicates_conflicting"],
    }
    pd.testing.assert_frame_equal(frame, before)


def test_raw_levels_that_are_text_are_refused() -> None:
    days = pd.date_range("2020-01-01", periods=2)
    with pytest.raises(SchemaError, match=r"numbers. Received 'dry' of well 'A' at 2020-01-02"):
        check_series(pd.Series([1.0, "dry"], days), well="A")
    with pytest.raises(TypeError, match=r"pandas Series. Received DataFrame"):
        check_series(pd.DataFrame({"A": [1.0, 2.0]}, days), well="A")


def test_raw_levels_of_another_form_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Series or DataFrame. Received list"):
        check_levels([1.0, 2.0])  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match=r"must hold times. Received RangeIndex"):
        check_levels(pd.Series([1.0, 2.0]))
