"""A backtest of a network of wells in shards, by the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

pytest.importorskip("distributed")

NUMBER = 5
GIVEN = [
    "--levels", "network.nc", "--models", "mlp,linear,climatology,persistence", "--members", 1,
    "--horizon", 6, "--stride", 5, "--figures", 2, "--threshold", 40.5,
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wells that answer weekly rain, whose records end apart; ``w3`` has no level."""
    folder = tmp_path_factory.mktemp("backtest")
    rng = np.random.default_rng(5)
    weeks = 620
    times = pd.date_range("2001-01-01", periods=weeks, freq="W-MON")
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
    level[1, :30] = np.nan
    rain[:, 610:] = np.nan  # levels go on
    dims = ("well", "time")
    xr.Dataset(
        {"level": (dims, level, {"units": "m"}), "rain": (dims, rain, {"units": "mm"})},
        {"well": np.array([f"w{k}" for k in range(NUMBER)]), "time": times},
    ).to_netcdf(folder / "network.nc", engine="h5netcdf")
    return folder


@pytest.fixture(scope="module")
def whole(place: Path, gwforecast) -> Path:
    gwforecast("backtest", *GIVEN, "--out", "whole", cwd=place, code=1)
    return place / "whole"


@pytest.fixture(scope="module")
def shards(place: Path, gwforecast) -> Path:
    gwforecast("backtest", *GIVEN, "--shard", 2, "--out", "shards", cwd=place, code=1)
    return place / "shards"


def test_shards_give_what_one_run_gives(whole: Path, shards: Path) -> None:
    with (
        xr.open_dataset(whole / "hindcasts.nc") as one,
        xr.open_dataset(shards / "hindcasts.nc") as other,
    ):
        assert one.sizes == other.sizes
        xr.testing.assert_allclose(one.load(), other.load(), rtol=1e-5)
    keys = {
        "scores_by_lead.csv": ["model", "well", "lead", "metric"],
        "comparison.csv": ["model", "baseline", "well", "lead"],
        "reliability.csv": ["model", "bin"],
        "status.csv": ["well", "time", "source"],
        "crossings.csv": ["well", "issue_time"],
    }
    for name, key in keys.items():
        a, b = (pd.read_csv(folder / name) for folder in (whole, shards))
        assert list(a.columns) == list(b.columns), name
        a, b = (t.sort_values(key, ignore_index=True) for t in (a, b))
        pd.testing.assert_frame_equal(a, b, rtol=1e-3, atol=1e-4, obj=name)
    one, other = (json.loads((folder / "run.json").read_text()) for folder in (whole, shards))
    assert set(other) == set(one) | {"cluster", "warnings"}
    assert set(other["observations"]) == set(one["observations"])
    for part in ("wells", "start", "end", "covariates", "weather_steps"):
        assert other["observations"][part] == one["observations"][part], part
    for part in ("origins", "event", "without_status", "models"):
        assert one[part] == other[part], part
    sets = [{(r["model"], r["well"], r["status"]) for r in run["outcomes"]} for run in (one, other)]
    assert sets[0] == sets[1]
    assert {p.name for p in (whole / "figures").iterdir()} == {
        p.name for p in (shards / "figures").iterdir()
    }
    assert not (shards / "shards").exists()


def test_two_workers_give_the_same_and_finished_shards_are_kept(
    place: Path, shards: Path, gwforecast
) -> None:
    gwforecast(
        "backtest", *GIVEN, "--shard", 2, "--dask", "local", "--out", "local", cwd=place, code=1
    )
    for name in ("scores_by_lead.csv", "comparison.csv", "reliability.csv", "status.csv"):
        assert (shards / name).read_bytes() == (place / "local" / name).read_bytes(), name


def test_models_of_all_wells_are_refused(place: Path, gwforecast) -> None:
    done = gwforecast(
        "backtest", "--levels", "network.nc", "--models", "global_mlp", "--shard", 2, "--out", "no",
        cwd=place, code=2,
    )  # fmt: skip
    assert "'global_mlp', which all wells share" in " ".join(done.stderr.split())
