"""Scheduled runs of a network of wells in shards, by the real command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.service.archive import Archive
from gwforecast.service.champions import Champions

pytest.importorskip("distributed")

ROOT = Path(__file__).resolve().parents[2]
NUMBER = 5
CONFIG = """
[data]
levels = "network.nc"
[models]
members = 1
[mlp]
units = [4]
epochs = 3
[schedule]
models = ["mlp", "linear"]
horizon = 6
archive = "{archive}"
bundles = "{bundles}"
failed_share = 0.5
"""
TRAINED, ISSUED = "2011-01-03", "2012-01-02"
FIELDS = ("status", "reason", "model", "forcing", "last_observation", "trained_through")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wells whose records begin and end apart; ``w3`` has no level."""
    folder = tmp_path_factory.mktemp("schedule")
    rng = np.random.default_rng(5)
    weeks = 620
    rain = rng.gamma(1.2, 12.0, (NUMBER, weeks)).round(2)
    level = np.stack(
        [
            40 + pd.Series(row).ewm(com=5 + 3 * k).mean().to_numpy() / 20
            for k, row in enumerate(rain)
        ]
    )
    level += rng.normal(0, 0.02, level.shape)
    level[3] = np.nan
    level[0, 560:] = np.nan
    level[1, :30] = rain[1, :30] = np.nan
    dims = ("well", "time")
    xr.Dataset(
        {"level": (dims, level, {"units": "m"}), "rain": (dims, rain, {"units": "mm"})},
        {
            "well": np.array([f"w{k}" for k in range(NUMBER)]),
            "time": pd.date_range("2001-01-01", periods=weeks, freq="W-MON"),
        },
    ).to_netcdf(folder / "network.nc", engine="h5netcdf")
    return folder


def configured(place: Path, archive: str, bundles: str) -> str:
    name = f"{archive}-{bundles}.toml"
    (place / name).write_text(CONFIG.format(archive=archive, bundles=bundles), "utf-8")
    return name


@pytest.fixture(scope="module")
def whole(place: Path, gwforecast) -> xr.Dataset:
    """The forecast of one run over all wells, by models of one run."""
    config = configured(place, "whole", "models")
    gwforecast("train", config, "--through", TRAINED, cwd=place, code=5)
    gwforecast("forecast", config, "--issue-time", ISSUED, cwd=place)
    return Archive(place / "whole").read(ISSUED)


def alike(one: xr.Dataset, other: xr.Dataset) -> None:
    np.testing.assert_allclose(one["level"], other["level"], rtol=1e-6)
    assert one["well"].values.tolist() == other["well"].values.tolist()
    for name in FIELDS:
        assert one[name].equals(other[name]), name


def test_forecasts_in_shards_are_those_of_one_run(
    place: Path, whole: xr.Dataset, gwforecast
) -> None:
    config = configured(place, "shards", "models")
    done = gwforecast("forecast", config, "--issue-time", ISSUED, "--shard", 2, cwd=place)
    assert "published" in done.stdout
    shards = Archive(place / "shards").read(ISSUED)
    alike(whole, shards)
    assert whole.attrs == shards.attrs  # sums of inputs and settings among them
    assert whole["level"].attrs == shards["level"].attrs
    assert dict(zip(shards["well"].values, shards["status"].values, strict=True)) == {
        "w0": "stale", "w1": "ok", "w2": "ok", "w3": "no_data", "w4": "ok",
    }  # fmt: skip
    again = gwforecast(
        "forecast", config, "--issue-time", ISSUED, "--shard", 2, "--dask", "local", cwd=place
    )
    assert "the same" in again.stdout
    assert not Archive(place / "shards").problems()
    assert not (place / "shards" / "shards").exists()


def test_models_trained_in_shards_forecast_like_those_of_one_run(
    place: Path, whole: xr.Dataset, gwforecast
) -> None:
    config = configured(place, "trained", "models-of-shards")
    done = gwforecast(
        "train", config, "--through", TRAINED, "--shard", 2, "--dask", "local", cwd=place, code=5
    )
    assert done.stdout.count("first") == NUMBER - 1
    folder = place / "models-of-shards"
    assert set(Champions(folder).table()) == {"w0", "w1", "w2", "w4"}
    assert {p.name for p in folder.iterdir()} <= {"bundles", "champions.json", "champions.lock"}
    gwforecast("forecast", config, "--issue-time", ISSUED, cwd=place)
    alike(whole, Archive(place / "trained").read(ISSUED))
    kept = gwforecast("train", config, "--through", TRAINED, "--shard", 3, cwd=place, code=5)
    assert kept.stdout.count("kept") == NUMBER - 1
    assert "has seen all but" in " ".join(kept.stdout.split())


def test_training_that_is_killed_goes_on_where_it_was(
    place: Path, whole: xr.Dataset, gwforecast
) -> None:
    config = configured(place, "killed", "killed-models")
    command = [sys.executable, "-m", "gwforecast", "train", config, "--through", TRAINED]
    process = subprocess.Popen(
        [*command, "--shard", "1"], cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    table, end = place / "killed-models" / "champions.json", time.monotonic() + 120
    while not table.exists() and process.poll() is None:
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)
    process.kill()
    process.wait()
    before = set(json.loads(table.read_text("utf-8"))["wells"])
    assert 0 < len(before) < NUMBER - 1, "the run was over before it could be killed"
    again = gwforecast(*command[3:], "--shard", 1, cwd=place, code=5)
    assert again.stdout.count("kept") == len(before)
    gwforecast("forecast", config, "--issue-time", ISSUED, cwd=place)
    alike(whole, Archive(place / "killed").read(ISSUED))


def test_a_shard_that_fails_costs_only_its_wells(place: Path, gwforecast) -> None:
    config = configured(place, "spoiled", "spoiled-models")
    text = (place / config).read_text("utf-8").replace('"network.nc"', '"apart"')
    (place / config).write_text(text.replace('"mlp", ', ""), "utf-8")
    (place / "apart").mkdir()
    with xr.open_dataset(place / "network.nc") as stored:
        for well in ("w1", "w2", "w4"):
            frame = stored.sel(well=well).to_dataframe()[["level", "rain"]].dropna(how="all")
            frame.to_csv(place / "apart" / f"{well}.csv")
    gwforecast("train", config, "--through", TRAINED, cwd=place)
    frame.index += pd.Timedelta(2, "D")  # no longer on the Mondays of the others
    frame.to_csv(place / "apart" / "w4.csv")
    done = gwforecast("forecast", config, "--issue-time", ISSUED, "--shard", 2, cwd=place)
    assert "the shard failed" in " ".join(done.stdout.split())
    product = Archive(place / "spoiled").read(ISSUED)
    found = dict(zip(product["well"].values, product["status"].values, strict=True))
    assert found == {"w1": "ok", "w2": "ok", "w4": "error"}


@pytest.mark.usefixtures("whole")  # which trains the models
def test_a_backfill_in_shards_fills_what_is_missed(place: Path, gwforecast) -> None:
    together = configured(place, "backfilled-together", "models")
    gwforecast("backfill", together, "2011-12-19", ISSUED, cwd=place)
    config = configured(place, "backfilled", "models")
    text = (place / config).read_text("utf-8") + "\n[cluster]\nshard = 3\n"
    (place / config).write_text(text, "utf-8")
    gwforecast("backfill", config, "2011-12-19", ISSUED, cwd=place)
    issues = Archive(place / "backfilled").issues()
    assert [issue.issue_time[:10] for issue in issues] == ["2011-12-19", "2011-12-26", ISSUED]
    whole = Archive(place / "backfilled-together").read(ISSUED)  # it follows the same outcomes
    alike(whole, Archive(place / "backfilled").read(ISSUED))


def test_a_network_of_all_wells_is_one_bundle(place: Path, gwforecast) -> None:
    config = configured(place, "global", "global-models")
    text = (place / config).read_text("utf-8").replace('["mlp", "linear"]', '["global_mlp"]')
    tables = "group = 2\n[global_mlp]\nunits = [4]\nepochs = 3\n"
    (place / config).write_text(text + tables, "utf-8")
    refused = gwforecast("train", config, "--through", TRAINED, "--shard", 2, cwd=place, code=2)
    assert "'global_mlp', which all wells share" in " ".join(refused.stderr.split())
    gwforecast("train", config, "--through", TRAINED, cwd=place, code=5)
    table = Champions(place / "global-models").table()
    assert len(table) == NUMBER - 1
    assert len({pair.bundle for pair in table.values()}) == 1
    kept = gwforecast("train", config, "--through", "2011-06-06", cwd=place, code=5)
    assert "use --replace to make it the champion" in " ".join(kept.stdout.split())
    gwforecast("forecast", config, "--issue-time", ISSUED, "--shard", 2, cwd=place)
    product = Archive(place / "global").read(ISSUED)
    found = dict(zip(product["well"].values, product["model"].values, strict=True))
    assert {found[well] for well in ("w1", "w2", "w4")} == {"global_mlp"}
