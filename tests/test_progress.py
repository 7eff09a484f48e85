"""Progress as bars or log lines, and the names, parts and details that are reported."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.networks.engines import jobs
from gwforecast.progress import DETAIL, as_callback

Reports = list[tuple[str, float, int]]


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    return gw.load_sample().isel(well=[0, 2], time=slice(3000, 4500))


def collect() -> tuple[Reports, object]:
    reports: Reports = []
    return reports, lambda task, done, total: reports.append((task, done, total))


SMALL = {"members": 2, "epochs": 1, "workers": 1, "lookback": 8}


def names_of(reports: Reports) -> list[str]:
    return list(dict.fromkeys(task.partition(DETAIL)[0] for task, _, _ in reports))


def test_an_evaluation_reports_model_stage_well_and_member(observations: xr.Dataset) -> None:
    reports, progress = collect()
    settings = {"mlp": {k: v for k, v in SMALL.items() if k not in ("members", "workers")}}
    gw.evaluate(
        observations, models=["mlp", "climatology"], settings=settings, members=2, workers=1,
        progress=progress,
    )  # fmt: skip
    stages = ["mlp: train", "mlp: refit through validation"]
    assert [name for name in names_of(reports) if name.startswith("mlp")][:2] == stages
    train = [report for report in reports if report[0].startswith("mlp: train")]
    assert [done for _, done, _ in train] == [1, 2, 3, 4]
    assert train[2][0] == f"mlp: train{DETAIL}well 'ridge', member 0"


@pytest.mark.parametrize("engine", ["compiled", "keras"])
def test_epochs_are_reported_within_a_network(
    engine: str, observations: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "REPORTED_EVERY", 0.001)
    reports, progress = collect()
    model = gw.LSTM(units=8, members=1, epochs=40, workers=1, lookback=60, engine=engine)
    model.fit(observations, split=gw.split_by_fraction(observations), progress=progress)
    within = [(task, done) for task, done, _ in reports if done % 1]
    assert within, reports
    for task, done in within:
        well = str(observations["well"].values[int(done)])
        epoch = round(done % 1 * 40)
        assert task == f"networks{DETAIL}well {well!r}, member 0, epoch {epoch} of 40"
    counts = [done for _, done, _ in reports]
    assert counts == sorted(counts)
    assert counts[-1] == 2


def test_hindcasts_and_refits_are_reported(observations: xr.Dataset) -> None:
    reports, progress = collect()
    gw.backtest(
        observations, models=["linear", "climatology"], horizon=5, stride=60, refit_every=2,
        progress=progress,
    )  # fmt: skip
    names = names_of(reports)
    assert {"linear: train", "linear: refit 1", "linear: refit 2", "linear: hindcasts"} <= set(
        names
    )
    counts = {(done, total) for task, done, total in reports if task == "linear: hindcasts"}
    assert counts == {(n, len(counts)) for n in range(1, len(counts) + 1)}


def test_a_forecast_reports_its_parts(observations: xr.Dataset) -> None:
    reports, progress = collect()
    weather = gw.ClimatologyWeather(fewest=2)
    gw.forecast(
        observations, models=["linear", "climatology"], horizon=3, forcing=weather,
        progress=progress,
    )  # fmt: skip
    assert {"linear: train", "linear: refit through validation"} <= set(names_of(reports))


def test_true_shows_bars_and_log_lines_without_a_terminal(
    observations: xr.Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    split = gw.split_by_fraction(observations)
    with caplog.at_level(logging.INFO, logger="gwforecast.progress"):
        gw.Linear(lookbacks=(8,)).fit(observations, split=split, progress=True)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[-1].startswith("linear: 2 of 2 in 00:0")


def test_log_lines_say_what_is_being_done(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gwforecast.progress.LOGGED_EVERY", 0.0)
    report = as_callback(True)
    assert report is not None
    with caplog.at_level(logging.INFO, logger="gwforecast.progress"):
        report(f"lstm: train{DETAIL}well 'fen', member 1, epoch 4 of 10", 5, 10)
    assert caplog.records[-1].getMessage().startswith("lstm: train:  50% 5 of 10 [00:0")
    assert "well 'fen', member 1, epoch 4 of 10" in caplog.records[-1].getMessage()


def test_false_and_none_are_silent(
    observations: xr.Dataset, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    split = gw.split_by_fraction(observations)
    for progress in (False, None):
        assert as_callback(progress) is None
        gw.Climatology().fit(observations, split=split, progress=progress)
    assert not caplog.records
    assert capsys.readouterr() == ("", "")


FIT = """
import gwforecast as gw
data = gw.load_sample().isel(well=[0], time=slice(3000, 4500))
gw.MLP(units=2, members=1, epochs=1, workers=1, lookback=8, engine="keras").fit(
    data, split=gw.split_by_fraction(data), progress={}
)
"""


@pytest.mark.parametrize("progress", [False, True])
def test_tensorflow_starts_quietly_and_progress_reaches_standard_error(
    progress: bool, tmp_path: Path
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-c", FIT.format(progress)], env=environment, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == progress, done.stderr
    assert not progress or lines[0].startswith("networks: 1 of 1 in 00:0")
