"""Messages are sentences: no words of the system, of pydantic or of pandas reach the user."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast import schema, timeline
from gwforecast.cli.console import in_words, log_as, show_warning
from gwforecast.config.load import load_settings
from gwforecast.sequences.origins import snap_issue_time
from gwforecast.service.archive import Archive
from gwforecast.service.inputs import resolve_issue_time

WEEKS = pd.date_range("2024-01-01", periods=4, freq="W-MON").to_numpy()


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.ENOENT, "no such file or directory. Correct the path."),
        (errno.EACCES, "permission denied. Change the permissions, or choose another place."),
        (errno.ENOSPC, "no space left on device. Free some space, or choose another disk."),
        (errno.EIO, "Check the path and the disk."),
    ],
)
def test_errors_of_the_system_are_sentences(number: int, fix: str) -> None:
    text = in_words(OSError(number, os.strerror(number), "heads.csv"))
    assert text.startswith("Files of a run must be readable and writable. Received 'heads.csv': ")
    assert text.endswith(fix)
    assert "Errno" not in text


def test_other_errors_keep_their_message() -> None:
    assert in_words(ValueError("A rule. Received 1. Fix it.")) == "A rule. Received 1. Fix it."
    assert in_words(FileNotFoundError("A file must exist.")) == "A file must exist."
    assert "--shard" in in_words(MemoryError("Unable to allocate 3 TiB"))


def test_warnings_for_programmers_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    show_warning("In a future version of xarray", FutureWarning, "x.py", 1)
    assert capsys.readouterr().err == ""


def test_a_warning_is_printed_once_in_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        log_as("text")
        for _ in range(3):
            show_warning("Values should be sound.", UserWarning, "x.py", 1)
        assert capsys.readouterr().err == "warning: Values should be sound.\n"


@pytest.mark.parametrize("given", ["foo", "2024-13-45", "2024-02-30"])
def test_a_time_that_does_not_exist(given: str) -> None:
    with pytest.raises(ValueError, match=rf"Received '{given}'\. Write it like 2024-01-31"):
        timeline.to_times([given])


def test_an_issue_time_between_steps_is_the_step_before_it_and_said() -> None:
    with pytest.warns(UserWarning, match=r"Received 2024-01-11 .* 2024-01-08, is used"):
        step = snap_issue_time(WEEKS, "2024-01-11")
    assert step == np.datetime64("2024-01-08")
    assert snap_issue_time(WEEKS, "2024-02-05") == np.datetime64("2024-02-05")
    with pytest.raises(ValueError, match=r"begin on 2024-01-01\. Received 2023-12-31"):
        snap_issue_time(WEEKS, "2023-12-31")


def test_scheduled_issue_times_are_snapped_before_they_are_compared_with_the_clock() -> None:
    data = xr.Dataset({"level": (("well", "time"), np.zeros((1, 4)))}, {"time": WEEKS})
    now = pd.Timestamp("2024-01-12")
    with pytest.warns(UserWarning, match="2024-01-08, is used"):
        assert resolve_issue_time("2024-01-13", data, now) == np.datetime64("2024-01-08")
    with pytest.raises(ValueError, match="must be a complete time step"):
        resolve_issue_time("2024-01-15", data, now)


def test_a_forecast_from_between_two_steps(recwarn: pytest.WarningsRecorder) -> None:
    times = pd.date_range("2015-01-05", periods=300, freq="W-MON")
    wave = 10 + np.sin(2 * np.pi * np.arange(300) / 52.18)
    data = xr.Dataset({"level": (("well", "time"), wave[None])}, {"well": ["a"], "time": times})
    between = times[250] + pd.Timedelta("2D")
    issued = gw.forecast(data, models=["climatology"], issue_time=between, horizon=3)
    assert issued["issue_time"].values == [times[250].to_datetime64()]
    assert any("the last step before it" in str(one.message) for one in recwarn)


def test_an_unknown_issue_time_lists_what_is_in_the_archive(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    with pytest.raises(KeyError, match="issue times: there is none"):
        archive.read("2024-01-01")
    days = pd.date_range("2024-01-01", periods=12)
    for number, day in enumerate(days):
        if number == 3:
            with pytest.raises(KeyError, match="times: 2024-01-01, 2024-01-02, 2024-01-03"):
                archive.read("2024-01-05")
        archive.publish(
            schema.label_forecast(
                np.zeros((1, 1, 2)), wells=["a"], frequency="D", issue_times=np.array([day])
            )
        )
    with pytest.raises(KeyError) as raised:
        archive.read("2024-01-08T12:00")
    text = raised.value.args[0]
    assert "2024-01-08, 2024-01-09" in text
    assert "(12 from 2024-01-01 to 2024-01-12)" in text


@pytest.mark.parametrize("value", [3, True, [3], {"a": 1}])
def test_a_setting_of_several_types_has_one_message(value: object) -> None:
    with pytest.raises(ValueError, match="1 setting is wrong") as raised:
        load_settings(overrides={"data": {"levels": "a.csv", "covariates": value}})
    assert "data.covariates must be a path in quotes" in str(raised.value)
    assert "union" not in str(raised.value)


def test_the_horizon_of_a_configuration_has_a_limit() -> None:
    for table in ("backtest", "schedule"):
        with pytest.raises(ValueError, match="must be at most 10000"):
            load_settings(overrides={"data": {"levels": "a.csv"}, table: {"horizon": 10_001}})
