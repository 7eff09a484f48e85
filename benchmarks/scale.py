"""Time and memory of evaluations and forecasts in shards, by one or two workers of Dask.

Synthetic weekly wells in one NetCDF file; shards of 50 wells are handed to workers, each a process
of its own, which read, work and write. `evaluate` trains, simulates and scores from tens to a
thousand wells; `forecast` forecasts from stored models up to ten thousand wells. There are as many
networks as by default, trained briefly: how time and memory grow is measured, not how good they
are. The models of the forecasts were trained at a hundred wells and serve all others under their
names.

    python benchmarks/scale.py [--only evaluate|forecast] [--wells 10 100 1000] [--members 10]

Stated: seconds for each well at the most wells at most 1.3 times those at a hundred; memory of a
worker at the most wells at most 1.3 times that at a hundred; two workers 1.7 times as fast as one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import xarray as xr
from scipy.signal import lfilter

from gwforecast.calibration.calibrated import Calibrated
from gwforecast.runs.saved import restore
from gwforecast.service.champions import Champions

ROOT = Path(__file__).resolve().parents[1]
SHARD, WEEKS, TRAINED = 50, 800, 100
START = np.datetime64("2001-01-01", "us")
END = START + (WEEKS - 1) * np.timedelta64(7, "D")
GROWTH, GAIN = 1.3, 1.7
SIZES = {"evaluate": [10, 100, 1000], "forecast": [10, 100, 1000, 10000]}
ENVIRONMENT = {
    **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
}  # fmt: skip


def write_network(path: Path, wells: int) -> None:
    """Write wells whose level is a fading memory of their rain."""
    rng = np.random.default_rng(0)
    rain = rng.gamma(1.2, 12.0, (wells, WEEKS))
    level = 40 + lfilter([0.05], [1, -0.95], rain, axis=1) + rng.normal(0, 0.02, rain.shape)
    xr.Dataset(
        {
            "level": (("well", "time"), level, {"units": "m"}),
            "rain": (("well", "time"), rain, {"units": "mm"}),
            "temperature": (("well", "time"), rng.normal(9, 6, rain.shape), {"units": "degC"}),
        },
        {
            "well": [f"w{k:05d}" for k in range(wells)],
            "time": START + np.arange(WEEKS) * np.timedelta64(7, "D"),
        },
    ).to_netcdf(path, engine="h5netcdf")


def configuration(workers: int, arguments: argparse.Namespace) -> str:
    """Return a configuration of the run."""
    models = ", ".join(f'"{model}"' for model in arguments.models)
    tables = "".join(f"[{model}]\nepochs = {arguments.epochs}\n" for model in arguments.models)
    return (
        f'[data]\nlevels = "network.nc"\n[models]\nuse = [{models}, "climatology"]\n'
        f'members = {arguments.members}\nworkers = 1\n{tables}[cluster]\ndask = "local"\n'
        f'shard = {SHARD}\nworkers = {workers}\n[output]\nfolder = "out-{workers}"\nfigures = 0\n'
        f'[schedule]\nmodels = [{models}]\nhorizon = 13\narchive = "archive-{workers}"\n'
    )


def train_models(folder: Path, wells: int, arguments: argparse.Namespace) -> None:
    """Train models of the first wells; further wells get copies of them under their own names."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_network(place / "network.nc", TRAINED)
        (place / "run.toml").write_text(configuration(os.cpu_count() or 1, arguments), "utf-8")
        subprocess.run(
            [sys.executable, "-m", "gwforecast", "train", "run.toml"],
            cwd=place, env=ENVIRONMENT, check=True, capture_output=True,
        )  # fmt: skip
        trained, copied = Champions(place / "models"), Champions(folder / "models")
        table = trained.table()
        with xr.open_dataset(place / "network.nc") as observations:
            for bundle in sorted({pair.bundle for pair in table.values()}):
                fitted, manifest = trained.open(bundle)
                names = [name for name, pair in table.items() if pair.bundle == bundle]
                for offset in range(0, wells, TRAINED):
                    again = under_other_names(fitted, offset)
                    stored = copied.add(again, observations, card=manifest["card"])
                    there = [rename(name, offset) for name in names]
                    copied.promote([name for name in there if int(name[1:]) < wells], stored)


def under_other_names(fitted: Calibrated, offset: int) -> Calibrated:
    """Return the models of some wells as those of the wells that lie so much further on."""
    description, arrays = fitted.whole_state()
    text = re.sub(r"w\d{5}", lambda found: rename(found[0], offset), json.dumps(description))
    for name in [name for name in arrays if name.endswith("wells")]:
        arrays[name] = np.array([rename(well, offset) for well in arrays[name]])
    return cast("Calibrated", restore(json.loads(text), arrays))


def rename(well: str, offset: int) -> str:
    """Return the name of the well that lies so much further on."""
    return f"w{int(well[1:]) + offset:05d}"


def measure(folder: Path, command: str, workers: int) -> tuple[float, float, float]:
    """Return seconds, and the most MiB that a worker held and that the first process held."""
    options = ["--issue-time", str(END)] if command == "forecast" else []
    start, worker, first = time.perf_counter(), 0, 0
    with (folder / "log").open("w") as log:
        process = psutil.Popen(
            [sys.executable, "-m", "gwforecast", command, f"run-{workers}.toml", *options],
            cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log,
        )  # fmt: skip
        while process.poll() is None:
            for one in (process, *process.children(recursive=True)):
                try:
                    held = one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                worker, first = (worker, max(first, held)) if one is process else (
                    max(worker, held), first)  # fmt: skip
            time.sleep(0.2)
    if process.returncode:
        raise RuntimeError((folder / "log").read_text()[-2000:])
    return time.perf_counter() - start, worker / 2**20, first / 2**20


def run(command: str, sizes: list[int], arguments: argparse.Namespace) -> bool:
    """Print the table of a command; return whether the stated figures hold."""
    found: dict[tuple[int, int], tuple[float, float, float]] = {}
    print(f"{command}\n{'wells':>6}{'workers':>9}{'seconds':>9}{'a well':>9}{'MiB of a worker':>17}"
          f"{'of the first':>14}", flush=True)  # fmt: skip
    for wells in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_network(folder / "network.nc", wells)
            if command == "forecast":
                train_models(folder, wells, arguments)
            for workers in (1, 2):
                text = configuration(workers, arguments)
                (folder / f"run-{workers}.toml").write_text(text, "utf-8")
                seconds, *memory = found[wells, workers] = measure(folder, command, workers)
                print(f"{wells:6d}{workers:9d}{seconds:9.1f}{seconds / wells:9.3f}"
                      f"{memory[0]:17.0f}{memory[1]:14.0f}", flush=True)  # fmt: skip
    few, many = sorted(sizes)[-2:] if len(sizes) < 3 else (sorted(sizes)[1], max(sizes))
    time_growth = found[many, 2][0] / many * few / found[few, 2][0]
    memory_growth = found[many, 2][1] / found[few, 2][1]
    gain = found[many, 1][0] / found[many, 2][0]
    holds = time_growth <= GROWTH and memory_growth <= GROWTH and gain >= GAIN
    print(
        f"{many} wells against {few}: {time_growth:.2f} of the time of a well, {memory_growth:.2f} "
        f"of the memory; two workers {gain:.2f} times as fast as one: "
        f"{'holds' if holds else 'missed'}\n"
    )
    return holds


def main() -> int:
    """Return 0 where the stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(SIZES))
    parser.add_argument("--wells", type=int, nargs="+")
    parser.add_argument("--models", nargs="+", default=["lstm"])
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    commands = [arguments.only] if arguments.only else list(SIZES)
    held = {c: run(c, arguments.wells or SIZES[c], arguments) for c in commands}
    print("; ".join(f"{command}: {'holds' if h else 'missed'}" for command, h in held.items()))
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
