"""Hostile strings as names of wells and notes: nothing of them is live in tables, logs or paths."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

# no NUL: a table with one is refused as binary
NAMES = [
    name
    for name in json.loads((Path(__file__).parents[1] / "hostile.json").read_text("utf-8"))
    if "\x00" not in name and name.strip() == name
]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
RESERVED = {"con", "nul", "aux", "prn", "com1", "lpt1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long table of wells with such names, and their notes; weekly."""
    folder = tmp_path_factory.mktemp("hostile") / "deep" / "down"
    folder.mkdir(parents=True)
    times = pd.date_range("2010-01-04", periods=150, freq="W-MON")
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(150) / 52.18)
    with (folder / "levels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["well", "date", "level"])
        for name in NAMES:
            for time, level in zip(times, wave + rng.normal(0, 0.1, 150), strict=True):
                writer.writerow([name, str(time.date()), f"{level:.3f}"])
    with (folder / "notes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["well", "note"])
        writer.writerows([name, note] for name, note in zip(NAMES, reversed(NAMES), strict=True))
    return folder


@pytest.fixture(scope="module")
def run(place: Path, gwforecast):
    before = set(place.parents[1].rglob("*"))
    done = gwforecast(
        "evaluate", "--levels", "levels.csv", "--attributes", "notes.csv",
        "--models", "climatology,persistence", "--out", "out", "--figures", 3, cwd=place,
    )  # fmt: skip
    return done, before


def test_at_least_sixty_are_tried() -> None:
    assert len(NAMES) >= 60


def test_no_file_lies_elsewhere_or_has_a_name_of_theirs(place: Path, run) -> None:
    _, before = run
    made = set(place.parents[1].rglob("*")) - before
    assert made
    for path in made:
        assert path.resolve().is_relative_to((place / "out").resolve()), path
        assert not set(path.name) & set("<>:\"|?*\\\x1b\x07\n\r\t`$'"), path.name
        assert path.stem.lower() not in RESERVED
        assert not path.name.startswith(("-", "~"))
        assert len(path.name.encode()) <= 255
    assert len(list((place / "out" / "predictions" / "climatology").iterdir())) == len(NAMES)


def test_no_cell_is_a_formula(place: Path, run) -> None:
    for path in (place / "out").rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                for cell in row:
                    if not cell.startswith(FORMULA):
                        continue
                    float(cell)  # a negative number is none


def test_no_control_character_reaches_the_terminal(run) -> None:
    done, _ = run
    text = done.stdout + done.stderr
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert "Traceback" not in text


def test_each_name_is_whole_in_the_record_and_the_predictions(place: Path, run) -> None:
    import xarray as xr

    with xr.open_dataset(place / "out" / "predictions.nc") as predictions:
        assert predictions["well"].values.tolist() == NAMES
    record = json.loads((place / "out" / "run.json").read_text("utf-8"))
    assert {row["well"] for row in record["outcomes"]} == set(NAMES)


def test_errors_show_names_without_their_control_characters(place: Path, gwforecast) -> None:
    done = gwforecast(
        "evaluate", "--levels", "levels.csv", "--wells", "\x1b]0;owned\x07",
        "--models", "climatology", "--out", "none", cwd=place, code=2,
    )  # fmt: skip
    assert not [c for c in done.stderr if not c.isprintable() and c != "\n"]
