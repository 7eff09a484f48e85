"""A run owns its folder: one run at a time, and nothing of an earlier run remains."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.runs import files

TIMES = pd.date_range("2010-01-04", periods=260, freq="W-MON")


def observations(*wells: str) -> xr.Dataset:
    wave = 10 + np.sin(2 * np.pi * np.arange(TIMES.size) / 52.18)
    return xr.Dataset(
        {"level": (("well", "time"), np.tile(wave, (len(wells), 1)))},
        {"well": list(wells), "time": TIMES},
    )


def listed(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_second_run_leaves_nothing_of_the_first_and_keeps_foreign_files(tmp_path: Path) -> None:
    out = tmp_path / "o"
    gw.evaluate(observations("MW7"), models=["climatology"], out=out, figures=1)
    assert (out / "predictions.csv").is_file()
    assert list((out / "figures").glob("*.png"))
    (out / "notes.txt").write_text("mine")
    (out / "predictions" / "climatology" / "mine.csv").write_text("mine")
    gw.evaluate(observations("A", "B"), models=["persistence"], out=out, figures=0)
    record = json.loads((out / "run.json").read_text())
    foreign = {"notes.txt", "predictions/climatology/mine.csv"}
    assert listed(out) == set(record["outputs"]) | foreign
    assert not (out / "figures").exists()
    assert not (out / "predictions.csv").exists()


def test_a_backtest_removes_its_own_earlier_files(tmp_path: Path) -> None:
    data = observations("a")
    for models, figures in ((["climatology", "persistence"], 1), (["persistence"], 0)):
        gw.backtest(
            data, models=models, baselines=["persistence"], horizon=4, out=tmp_path, figures=figures
        )
    assert listed(tmp_path) == set(json.loads((tmp_path / "run.json").read_text())["outputs"])


def test_a_record_cannot_remove_files_outside_its_folder(tmp_path: Path) -> None:
    out = tmp_path / "o"
    out.mkdir()
    (tmp_path / "precious.txt").write_text("keep")
    (out / "sub").mkdir()
    names = ["../precious.txt", str(tmp_path / "precious.txt"), "sub", "run.json"]
    (out / "run.json").write_text(json.dumps({"outputs": names}))
    files.begin_record(out)
    assert (tmp_path / "precious.txt").read_text() == "keep"
    assert (out / "sub").is_dir()


@pytest.mark.parametrize("record", ["", "[]", "{", '{"outputs": 3}', '{"other": []}'])
def test_a_record_that_cannot_be_read_lists_nothing(tmp_path: Path, record: str) -> None:
    (tmp_path / "run.json").write_text(record)
    files.begin_record(tmp_path)
    assert listed(tmp_path) == set()


def test_a_failed_run_leaves_the_earlier_results_whole(tmp_path: Path) -> None:
    gw.evaluate(observations("a"), models=["climatology"], out=tmp_path, figures=0)
    before = listed(tmp_path)
    with pytest.raises(ValueError, match="A model must be one of"):
        gw.evaluate(observations("a"), models=["unknown"], out=tmp_path)
    assert listed(tmp_path) == before


def test_two_runs_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    running, done = threading.Event(), threading.Event()

    def hold() -> None:
        with files.own_folder(tmp_path):
            running.set()
            done.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    running.wait(60)
    try:
        with pytest.raises(files.FolderBusyError, match=r"another run writes\. Wait for it"):
            gw.evaluate(observations("a"), models=["climatology"], out=tmp_path)
        with pytest.raises(files.FolderBusyError, match="Only one run at a time"):
            gw.backtest(observations("a"), models=["persistence"], out=tmp_path)
    finally:
        done.set()
        other.join()
    gw.evaluate(observations("a"), models=["climatology"], out=tmp_path, figures=0)


def test_a_folder_that_is_a_file_is_refused_before_anything_is_fitted(tmp_path: Path) -> None:
    (tmp_path / "o").write_text("")
    with pytest.raises(NotADirectoryError, match=r"which is a file\. Choose another folder"):
        gw.evaluate(observations("a"), models=["climatology"], out=tmp_path / "o")
