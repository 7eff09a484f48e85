"""A file or a bundle that is broken costs its own well, and no other."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gwforecast.config.load import load_settings
from gwforecast.service import inputs, schedule
from gwforecast.service.archive import Archive
from gwforecast.service.champions import Champions

CONFIG = """
[data]
levels = "wells"
covariates = "weather.csv"
[schedule]
models = ["linear"]
horizon = 8
"""
TRAINED, ISSUED, NOW = "2008-06-30", "2009-02-02", pd.Timestamp("2009-02-10")


@pytest.fixture(scope="module")
def trained(shared_folder: Path) -> Path:
    levels = pd.read_csv(shared_folder / "levels.csv")
    (shared_folder / "wells").mkdir()
    for number in range(3):
        levels.assign(level=levels["level"] + number).to_csv(
            shared_folder / "wells" / f"w{number}.csv", index=False
        )
    (shared_folder / "run.toml").write_text(CONFIG, "utf-8")
    schedule.train(load_settings(shared_folder / "run.toml"), through=TRAINED, now=NOW)
    return shared_folder


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def issue(place: Path) -> tuple[schedule.Issued, dict[str, str]]:
    made = schedule.forecast(load_settings(place / "run.toml"), issue_time=ISSUED, now=NOW)
    wells = zip(made.product["well"].values, made.product["status"].values, strict=True)
    return made, dict(wells)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.csv")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 3] + b"\xff\xfe")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(4096))


def other_steps(path: Path) -> None:
    times = pd.date_range("2001-01-31", periods=90, freq="ME")
    pd.DataFrame({"date": times, "level": 20 + np.sin(np.arange(90))}).to_csv(path, index=False)


@pytest.mark.parametrize(
    "spoil", [dangling, folder, loop, half, empty, zeros, other_steps], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("well", ["w0", "w1"])
def test_a_broken_file_costs_its_well(place: Path, spoil, well: str) -> None:
    spoil(place / "wells" / f"{well}.csv")
    made, found = issue(place)
    assert found.pop(well) in ("check_failed", "stale")
    assert set(found.values()) == {"ok"}
    assert (made.code, made.outcome) == (5, "new")


def test_a_file_that_vanishes_while_it_is_read_costs_its_well(place: Path, monkeypatch) -> None:
    read = inputs.read_data

    def vanishing(data, **changes):
        if changes.get("wells") in (None, ["w1"]):
            raise FileNotFoundError(2, "No such file or directory", "wells/w1.csv")
        return read(data, **changes)

    monkeypatch.setattr(inputs, "read_data", vanishing)
    made, found = issue(place)
    assert found == {"w0": "ok", "w1": "check_failed", "w2": "ok"}
    assert made.code == 5


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux only")
def test_a_name_in_latin_1_costs_its_well(place: Path) -> None:
    whole = place / "wells" / "w1.csv"
    os.rename(os.fsencode(whole), os.fsencode(place / "wells") + b"/w\xfc1.csv")
    made, found = issue(place)
    assert found == {"w0": "ok", "w1": "no_data", "w\\udcfc1": "check_failed", "w2": "ok"}
    assert made.code == 5
    again = Archive(place / "archive").read(ISSUED)
    assert list(again["status"].values) == list(made.product["status"].values)


def test_a_name_with_nul_costs_its_well(place: Path) -> None:
    parts = [
        pd.read_csv(path).assign(well=path.stem) for path in sorted((place / "wells").glob("*.csv"))
    ]
    parts[1]["well"] = "w\x001"
    pd.concat(parts).to_parquet(place / "levels.parquet")
    (place / "run.toml").write_text(CONFIG.replace('"wells"', '"levels.parquet"'), "utf-8")
    made, found = issue(place)
    assert found["w0"] == found["w2"] == "ok"
    assert found["w\\x001"] == "check_failed"
    assert made.code == 5


def spoilt_bundle(place: Path, edit) -> None:
    """Change the manifest of the only bundle, with right sums."""
    champions = Champions(place / "models")
    (name,) = {pair.bundle for pair in champions.table().values()}
    path = champions.path(name)
    manifest = json.loads((path / "manifest.json").read_text("utf-8"))
    text = json.dumps(edit(manifest))
    total = hashlib.sha256(text.encode()).hexdigest()
    new = path.with_name(total[:16])
    path.rename(new)
    (new / "manifest.json").write_text(text, "utf-8")
    sums = (new / "SHA256SUMS").read_text("utf-8").split("\n", 1)[1]
    (new / "SHA256SUMS").write_text(f"{total}  manifest.json\n{sums}", "utf-8")
    with champions.locked():
        champions.promote(["w1"], total)


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: {k: v for k, v in m.items() if k != "schema"},
        lambda m: m | {"schema": {"covariates": ["rain"], "frequency": 1, "vertical_datum": None}},
        lambda m: m | {"ranges": {"wells": 7, "variables": None}},
        lambda m: m | {"ranges": {"wells": ["w1"], "variables": ["level"]}},
        lambda m: m | {"forecaster": []},
        lambda m: m | {"forecaster": {"kind": "lstm", "horizon": 10**9}},
        lambda m: m | {"arrays": {"x": {"shape": [10**12], "dtype": "<f8"}}},
        lambda m: m | {"arrays": "none"},
        lambda m: [m],
    ],
)
def test_a_malformed_bundle_with_right_sums_costs_its_wells(place: Path, edit) -> None:
    spoilt_bundle(place, edit)
    _, found = issue(place)
    assert found["w1"] in ("degraded", "model_invalid", "model_missing")
