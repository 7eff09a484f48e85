"""A network of wells in shards: by the real command line, over a real cluster of Dask."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

pytest.importorskip("distributed")

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
NUMBER = 6
FILES = ["--levels", "network.nc"]
QUICK = ["--models", "linear,climatology", "--figures", "1"]


def _network(weeks: int = 420) -> xr.Dataset:
    """Return wells that answer weekly rain with memories of their own; ``w4`` has no level."""
    rng = np.random.default_rng(5)
    times = pd.date_range("2001-01-01", periods=weeks, freq="W-MON")
    rain = rng.gamma(1.2, 12.0, (NUMBER, weeks)).round(2)
    level = np.stack(
        [
            40 + pd.Series(row).ewm(com=5 + 3 * k).mean().to_numpy() / 20
            for k, row in enumerate(rain)
        ]
    )
    level += rng.normal(0, 0.02, level.shape)
    level[4] = np.nan
    return xr.Dataset(
        {
            "level": (("well", "time"), level, {"units": "m"}),
            "rain": (("well", "time"), rain, {"units": "mm"}),
        },
        {"well": np.array([f"w{k}" for k in range(NUMBER)]), "time": times},
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    _network().to_netcdf(folder / "network.nc", engine="h5netcdf")
    return folder


@pytest.fixture(scope="module")
def undisturbed(place: Path, gwforecast) -> Path:
    gwforecast("evaluate", *FILES, *QUICK, "--shard", 2, "--out", "undisturbed", cwd=place, code=1)
    return place / "undisturbed"


def _same(one: Path, other: Path) -> None:
    """Hold that two runs gave the same, to the last bit."""
    for name in ("scores.csv", "choice.csv", "findings.csv", "history.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    with (
        xr.open_dataset(one / "predictions.nc") as a,
        xr.open_dataset(other / "predictions.nc") as b,
    ):
        xr.testing.assert_identical(a.load(), b.load())
    records = [json.loads((folder / "run.json").read_text()) for folder in (one, other)]
    for part in ("outcomes", "split"):
        assert records[0][part] == records[1][part]


def test_shards_give_what_one_run_gives(place: Path, undisturbed: Path, gwforecast) -> None:
    gwforecast("evaluate", *FILES, *QUICK, "--out", "whole", cwd=place, code=1)
    whole = pd.read_csv(place / "whole" / "scores.csv")
    keys = ["model", "well", "period", "metric"]
    shards = pd.read_csv(undisturbed / "scores.csv")
    joined = whole.merge(shards, on=keys, how="outer", suffixes=("", "_shards"), indicator=True)
    assert (joined["_merge"] == "both").all()
    assert (joined["n"] == joined["n_shards"]).all()
    np.testing.assert_allclose(joined["value"], joined["value_shards"], rtol=1e-6, atol=1e-9)
    with (
        xr.open_dataset(place / "whole" / "predictions.nc") as one,
        xr.open_dataset(undisturbed / "predictions.nc") as other,
    ):
        wells = one["well"].values
        xr.testing.assert_allclose(one["level"], other["level"].sel(well=wells), rtol=1e-6)
    assert not (undisturbed / "shards").exists()
    _same_record(place / "whole", undisturbed)


def _same_record(whole: Path, shards: Path) -> None:
    """Hold that the records have the same entries, and describe the same observations."""
    one, other = (json.loads((folder / "run.json").read_text()) for folder in (whole, shards))
    assert set(other) == set(one) | {"cluster", "warnings"}
    for entry in ("models", "baseline"):
        assert other.get(entry) == one.get(entry), entry
    assert sorted(other["outputs"]) == sorted(one["outputs"])
    given, joined = (run["observations"] for run in (one, other))
    assert set(joined) == set(given)
    for entry in ("wells", "start", "end", "covariates", "attributes", "weather_steps"):
        assert joined[entry] == given[entry], entry


def test_a_well_without_levels_costs_only_itself(undisturbed: Path) -> None:
    run = json.loads((undisturbed / "run.json").read_text())
    failed = {(row["model"], row["well"]) for row in run["outcomes"] if row["status"] != "ok"}
    assert failed == {("linear", "w4"), ("climatology", "w4")}
    assert run["cluster"]["shards"] == 3
    scores = pd.read_csv(undisturbed / "scores.csv")
    assert set(scores["well"]) == {"w0", "w1", "w2", "w3", "w5"}


def test_two_local_workers_give_the_same(place: Path, undisturbed: Path, gwforecast) -> None:
    gwforecast(
        "evaluate", *FILES, *QUICK, "--shard", 2, "--dask", "local", "--out", "local",
        cwd=place, code=1,
    )  # fmt: skip
    _same(undisturbed, place / "local")


def _port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, each a process of its own."""
    address = f"tcp://127.0.0.1:{_port()}"
    dask = [sys.executable, "-m", "dask"]

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*dask, *arguments], cwd=tmp_path, env=ENVIRONMENT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    scheduler = start(
        "scheduler", "--host", address.rsplit(":", 1)[0], "--port", address.rsplit(":", 1)[1],
        "--no-dashboard", "--no-show",
    )  # fmt: skip
    workers = [
        start("worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
              "--local-directory", str(tmp_path / f"worker-{number}"))
        for number in range(2)
    ]  # fmt: skip
    try:
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def _wait(until, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def test_a_worker_that_is_killed_changes_nothing(place: Path, undisturbed: Path, cluster) -> None:
    address, workers = cluster
    out = place / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "gwforecast", "evaluate", *FILES, *QUICK, "--shard", "2",
         "--dask", address, "--out", str(out)],
        cwd=place, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    # both workers are at a shard, whose results so far lie in folders that are not whole yet
    _wait(lambda: len(list(out.glob("shards/*.part"))) == 2 or process.poll() is not None)
    assert process.poll() is None, process.stdout.read() if process.stdout else ""
    workers[0].send_signal(signal.SIGKILL)
    told, _ = process.communicate(timeout=240)
    assert process.returncode == 1, told  # the well without levels, and nothing else
    _same(undisturbed, out)


def test_a_run_that_is_killed_goes_on_where_it_was(place: Path, undisturbed: Path) -> None:
    out = place / "resumed"
    command = [sys.executable, "-m", "gwforecast", "evaluate", *FILES, *QUICK, "--shard", "2",
               "--out", str(out)]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=place, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    first = out / "shards" / "evaluate-00000" / "done.json"
    _wait(lambda: first.exists() or process.poll() is not None)
    process.kill()
    process.wait()
    assert first.exists(), "the run was over before it could be killed"
    assert not (out / "run.json").exists()
    again = subprocess.run(
        command, cwd=place, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1, again.stderr
    _same(undisturbed, out)


def test_networks_that_all_wells_share_are_trained_once(place: Path, gwforecast) -> None:
    tables = """
[data]
levels = "network.nc"
[models]
use = ["global_mlp", "linear"]
members = 1
[global_mlp]
units = [4]
epochs = 2
lookback = 12
[output]
figures = 0
"""
    (place / "shared.toml").write_text(tables, "utf-8")
    gwforecast("evaluate", "shared.toml", "--out", "shared", cwd=place, code=1)
    gwforecast("evaluate", "shared.toml", "--shard", 2, "--out", "in-shards", cwd=place, code=1)
    one, other = (pd.read_csv(place / name / "scores.csv") for name in ("shared", "in-shards"))
    keys = ["model", "well", "period", "metric"]
    joined = one.merge(other, on=keys, how="outer", indicator=True)
    assert (joined["_merge"] == "both").all()
    np.testing.assert_allclose(joined["value_x"], joined["value_y"], rtol=1e-4, atol=1e-5)
    history = pd.read_csv(place / "in-shards" / "history.csv")
    assert set(history["well"]) == {"all wells"}
