"""Time and memory of evaluations and forecasts in shards, by one or two workers of Dask.

Synthetic weekly wells in one NetCDF file; shards of 50 wells are handed to workers, each a process
of its own, which read, work and write. `evaluate` trains, simulates and scores from tens to a
thousand wells; `forecast` forecasts from stored models up to ten thousand wells. There are as many
networks as by default, trained briefly: how time and memory grow is measured, not their
skill. The models of the forecasts were trained at a hundred wells and serve all others under their
names.

    python benchmarks/scale.py [--only evaluate|forecast] [--wells 10 100 1000] [--members 10]
    python benchmarks/scale.py --against 5f174c5 [--wells 4 12] [--turns 1]

Stated: seconds for each well at the most wells at most 1.3 times those at a hundred; memory of a
worker at the most wells at most 1.3 times that at a hundred; two workers 1.8 times as fast as one.

``--against`` compares with an earlier commit instead, the last one before the compiled kernels:
both evaluate the same wells, in turn, with the default networks, kernel regression and baselines
of that commit, trained in full, in one process. The time of 1,000 wells is *extrapolated* from two
numbers of wells, in seconds of the processor, which a busy machine hardly changes. Stated: at most
0.45 of the time. Both commits are checked out in temporary worktrees of the repository.
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
from gwforecast.networks.engines import compiled
from gwforecast.runs.saved import restore
from gwforecast.service.champions import Champions

ROOT = Path(__file__).resolve().parents[1]
SHARD, WEEKS, TRAINED = 50, 800, 100
START = np.datetime64("2001-01-01", "us")
END = START + (WEEKS - 1) * np.timedelta64(7, "D")
GROWTH, GAIN, SHARE = 1.3, 1.8, 0.45
COMPARED = ("lstm", "mlp", "kernel_ridge", "linear", "climatology", "seasonal_naive", "persistence")
MANY = 1000
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


def against(commit: str, sizes: list[int], turns: int) -> bool:
    """Print the times of two commits and their extrapolation; return whether ours is short."""
    seconds: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        places = {"now": ROOT, commit: Path(name) / "earlier"}
        git = ("git", "-C", str(ROOT), "worktree")
        subprocess.run([*git, "add", "--detach", str(places[commit]), commit], check=True,
                       capture_output=True)  # fmt: skip
        try:
            print(f"{'commit':>10}{'wells':>7}{'seconds':>9}{'of the processor':>18}", flush=True)
            for wells in sizes * turns:
                write_network(Path(name) / "network.nc", wells)
                for code, place in places.items():
                    found = _evaluate_once(Path(name), place)
                    seconds.setdefault((code, wells), []).append(found)
                    print(f"{code:>10}{wells:7d}{found[0]:9.1f}{found[1]:18.1f}", flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(places[commit])], check=False)
    few, many = min(sizes), max(sizes)
    total = {}
    for code in places:
        first, last = (min(used for _, used in seconds[code, n]) for n in (few, many))
        total[code] = first + (last - first) / (many - few) * (MANY - few)
        print(f"{code}: {total[code]:.0f} s of the processor for {MANY} wells, extrapolated from "
              f"{few} and {many}")  # fmt: skip
    share = total["now"] / total[commit]
    print(f"{share:.2f} of the time; stated {SHARE}: {'holds' if share <= SHARE else 'missed'}")
    return share <= SHARE


def _evaluate_once(folder: Path, code: Path) -> tuple[float, float]:
    """Return seconds, and seconds of the processor, of an evaluation by some code."""
    models = ", ".join(f'"{model}"' for model in COMPARED)
    text = f'[data]\nlevels = "network.nc"\n[models]\nuse = [{models}]\n[output]\nfigures = 0\n'
    (folder / "run.toml").write_text(text, "utf-8")
    before, start = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "gwforecast", "evaluate", "run.toml"], cwd=folder,
        env={**ENVIRONMENT, "PYTHONPATH": str(code)}, check=True, capture_output=True,
    )  # fmt: skip
    after = os.times()
    used = after.children_user + after.children_system
    return time.perf_counter() - start, used - before.children_user - before.children_system


def main() -> int:
    """Return 0 where the stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(SIZES))
    parser.add_argument("--wells", type=int, nargs="+")
    parser.add_argument("--models", nargs="+", default=["lstm"])
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--against", metavar="COMMIT")
    parser.add_argument("--turns", type=int, default=1)
    arguments = parser.parse_args()
    if not compiled.is_available():
        parser.error(compiled.MISSING)
    print(f"compiled kernels: {compiled.instruction_sets()[-1]}")
    if arguments.against:
        held = against(arguments.against, arguments.wells or [4, 12], arguments.turns)
        return 0 if held else 1
    commands = [arguments.only] if arguments.only else list(SIZES)
    holding = {c: run(c, arguments.wells or SIZES[c], arguments) for c in commands}
    print("; ".join(f"{command}: {'holds' if h else 'missed'}" for command, h in holding.items()))
    return 0 if all(holding.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
