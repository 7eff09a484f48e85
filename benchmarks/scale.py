"""Time and memory of an evaluation in shards, from tens to a thousand wells, by one or two workers.

Synthetic weekly wells in one NetCDF file; `gwforecast evaluate --dask local` hands shards of 50
wells to workers, each a process of its own, and reads, trains, scores and joins. Networks are small
and trained briefly: how time and memory grow is what is measured, not how good they are.

    python benchmarks/scale.py [--wells 10 100 1000] [--models lstm] [--members 2] [--epochs 5]

Stated: seconds for each well at the most wells at most 1.3 times those at a hundred; memory of a
worker at the most wells at most 1.3 times that at a hundred; two workers 1.7 times as fast as one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import xarray as xr
from scipy.signal import lfilter

ROOT = Path(__file__).resolve().parents[1]
SHARD, WEEKS = 50, 800
GROWTH, GAIN = 1.3, 1.7


def write_network(path: Path, wells: int) -> None:
    """Write wells whose level is a fading memory of their rain."""
    rng = np.random.default_rng(0)
    rain = rng.gamma(1.2, 12.0, (wells, WEEKS))
    level = 40 + lfilter([0.05], [1, -0.95], rain, axis=1) + rng.normal(0, 0.02, rain.shape)
    start = np.datetime64("2001-01-01", "us")
    xr.Dataset(
        {
            "level": (("well", "time"), level, {"units": "m"}),
            "rain": (("well", "time"), rain, {"units": "mm"}),
            "temperature": (("well", "time"), rng.normal(9, 6, rain.shape), {"units": "degC"}),
        },
        {
            "well": [f"w{k:05d}" for k in range(wells)],
            "time": start + np.arange(WEEKS) * np.timedelta64(7, "D"),
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
    )


def measure(folder: Path, workers: int, arguments: argparse.Namespace) -> tuple[float, float]:
    """Return seconds, and the most MiB that a process beside the first one held."""
    config = folder / f"run-{workers}.toml"
    config.write_text(configuration(workers, arguments), "utf-8")
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
    }  # fmt: skip
    start, most = time.perf_counter(), 0
    with (folder / "log").open("w") as log:
        process = psutil.Popen(
            [sys.executable, "-m", "gwforecast", "evaluate", config.name],
            cwd=folder, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        while process.poll() is None:
            for child in process.children(recursive=True):
                try:
                    most = max(most, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.2)
    if process.returncode:
        raise RuntimeError((folder / "log").read_text()[-2000:])
    return time.perf_counter() - start, most / 2**20


def main() -> int:
    """Return 0 where the stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--models", nargs="+", default=["lstm"])
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    found: dict[tuple[int, int], tuple[float, float]] = {}
    print(f"{'wells':>6}{'workers':>9}{'seconds':>9}{'a well':>9}{'MiB of a worker':>17}")
    for wells in arguments.wells:
        with tempfile.TemporaryDirectory() as name:
            write_network(Path(name) / "network.nc", wells)
            for workers in (1, 2):
                seconds, memory = found[wells, workers] = measure(Path(name), workers, arguments)
                print(f"{wells:6d}{workers:9d}{seconds:9.1f}{seconds / wells:9.3f}{memory:17.0f}",
                      flush=True)  # fmt: skip
    few, many = sorted(arguments.wells)[-2:]
    time_growth = found[many, 2][0] / many * few / found[few, 2][0]
    memory_growth = found[many, 2][1] / found[few, 2][1]
    gain = found[many, 1][0] / found[many, 2][0]
    holds = time_growth <= GROWTH and memory_growth <= GROWTH and gain >= GAIN
    print(
        f"{many} wells against {few}: {time_growth:.2f} of the time of a well, {memory_growth:.2f} "
        f"of the memory; two workers {gain:.2f} times as fast as one: "
        f"{'holds' if holds else 'missed'}"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
