"""The bulletin by the real command line: also after a run that failed."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

CONFIG = """
[data]
levels = "wells"
covariates = "weather.csv"
[schedule]
models = ["linear"]
horizon = 8
[bulletin]
title = "Wells of the fen"
contact = "desk@example.org"
max_age = "8d"
[alerts]
below = {brook = 100.0}
"""


@pytest.fixture(scope="module")
def place(shared_folder: Path, gwforecast) -> Path:
    levels = pd.read_csv(shared_folder / "levels.csv")
    (shared_folder / "wells").mkdir()
    for number, well in enumerate(("brook", "=1+1")):
        levels.assign(level=levels["level"] + number).to_csv(
            shared_folder / "wells" / f"{well}.csv", index=False
        )
    (shared_folder / "run.toml").write_text(CONFIG, "utf-8")
    gwforecast("train", "run.toml", cwd=shared_folder)
    gwforecast("forecast", "run.toml", "--issue-time", "2010-03-01", cwd=shared_folder)
    return shared_folder


def test_page_and_pages_of_the_wells(place: Path, gwforecast) -> None:
    gwforecast("bulletin", "run.toml", "--out", "page.html", "--pages", cwd=place)
    page = (place / "page.html").read_text("utf-8")
    assert "Wells of the fen" in page
    assert "This page is old." in page  # its forecast is of 2010
    assert "failed:" not in page
    assert "below 100.00 m: already now" in page
    assert sorted(path.name for path in (place / "page_wells").iterdir()) == [
        "_1_1.html", "brook.html",
    ]  # fmt: skip
    assert "data:image/png" in (place / "page_wells" / "brook.html").read_text("utf-8")


def test_a_level_that_failed_a_check_is_not_shown_as_measured(place: Path, gwforecast) -> None:
    path = place / "wells" / "brook.csv"
    before = path.read_bytes()
    levels = pd.read_csv(path)
    at = levels.index[levels["date"] <= "2010-03-08"][-1]
    levels.loc[at, "level"] += 300.0
    levels.to_csv(path, index=False)
    try:
        gwforecast("forecast", "run.toml", "--issue-time", "2010-03-08", cwd=place, code=5)
        gwforecast("bulletin", "run.toml", "--out", "code.html", cwd=place)
    finally:
        path.write_bytes(before)
    page = (place / "code.html").read_text("utf-8")
    assert "the measurements did not pass a check" in page
    assert f"{levels['level'][at]:.2f} m" not in page
    assert f"<strong>{levels['level'][at - 1]:.2f} m</strong> ({levels['date'][at - 1]})" in page


def test_a_failed_run_is_recorded_and_on_the_page(place: Path, gwforecast) -> None:
    gwforecast("forecast", "run.toml", "--issue-time", "2010-03-01", cwd=place)
    good = json.loads((place / "archive" / "last_run.json").read_text("utf-8"))
    assert good["code"] == 0
    assert good["last_success"] == good["ended"]
    (place / "wells").rename(place / "gone")
    try:
        gwforecast("forecast", "run.toml", cwd=place, code=4)
        bad = json.loads((place / "archive" / "last_run.json").read_text("utf-8"))
        assert bad["code"] == 4
        assert bad["last_success"] == good["ended"]
        done = gwforecast("bulletin", "run.toml", "--out", "failed.html", cwd=place)
        assert "warning: the page has no figures and no map" in done.stderr
        page = (place / "failed.html").read_text("utf-8")
        assert "failed:</strong> inputs are missing or too old for all wells" in page
        assert "brook" in page
    finally:
        (place / "gone").rename(place / "wells")
