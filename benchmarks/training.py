"""Time to train an ensemble: this package against loops of Keras and of PyTorch.

Three comparisons, each in one run on the same data, features, split, members and hidden size:

1. Netherlands, daily, lookback 365: networks trained until the validation loss is at its best.
   Keras and PyTorch train one window for each target, one member after another, and the time of a
   member is that to its best epoch. Ours is the whole training of all members, and must end at an
   equal or better validation NSE.
2. The same for weekly wells of Germany, lookback 52; ours for half of its usual epochs, which is
   enough to be as good as the others.
3. One epoch of the very same windows (one target each) at hidden 64.

Keras and PyTorch loops are timed on ``--timed`` members (and wells), whose median is multiplied by
the number of members: their members do not know of each other. Repetitions are interleaved. Each
engine runs in a process of its own, because PyTorch and TensorFlow in one process can crash; the
clock starts after imports and compilation. Each row is printed as soon as it is known.

On a machine that others use at the same time, ``--threads 1`` gives Keras and PyTorch one thread,
so that they wait for nobody, and counts seconds of the processor, for all engines. Their loops are
then as fast as on both cores at once without any loss.

    python benchmarks/training.py ../shared/data [--timed 3] [--wells 20] [--only Germany]

needs ``pip install 'gwforecast[benchmark]'``. The versions that the figures are for are printed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MEMBERS = 10
HIDDEN = 32
BATCH = 32
RATE = 1e-3
LOOKBACK = {"Netherlands": 365, "Germany": 52, "epoch": 52}
EPOCHS = {"Netherlands": (30, 4), "Germany": (60, 8)}  # of the others, and their patience
OURS = {"Netherlands": 100, "Germany": 75}
LIMITS = {"Netherlands": (150.0, 15.0), "Germany": (90.0, 12.0), "epoch": (8.0, None)}


THREADS = int(os.environ.get("BENCHMARK_THREADS", "0"))
clock = time.process_time if THREADS else time.perf_counter


@dataclass(frozen=True)
class Arrays:
    """One well: scaled inputs (time, input), train and validation targets (time,)."""

    inputs: np.ndarray
    targets: np.ndarray
    held_out: np.ndarray

    def windows(self, rows: np.ndarray, lookback: int) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs (window, lookback + 1, input) and targets (window,), cut out."""
        at = np.flatnonzero(np.isfinite(rows))
        padded = np.pad(self.inputs, ((lookback, 0), (0, 0)))
        return padded[at[:, None] + np.arange(lookback + 1)], rows[at]


def observations_of(name: str, data: Path, wells: int):
    """Return the wells of a comparison."""
    import gwforecast

    if name == "Netherlands":
        well = data / "challenge" / "Netherlands"
        found = gwforecast.read_observations(well / "heads.csv", well / "input_data.csv")
        return found.sel(time=slice("1996", None))
    found = gwforecast.read_observations(
        data / "germany_weekly" / "gw", data / "germany_weekly" / "hyras"
    )
    return found.isel(well=slice(0, wells)).sel(time=slice("1985", "2011"))


def arrays_of(observations) -> list[Arrays]:
    """Return the arrays that our own forecaster trains on, for each well."""
    import gwforecast
    from gwforecast.networks.lstm import LSTM

    forecaster = LSTM(members=1, epochs=1, targets=2, lookback=2, folds=1)
    split = gwforecast.split_by_fraction(observations)
    forecaster.fit(observations, split=split)
    data = forecaster._data(observations, split.rows(observations, "train"), split)
    return [
        Arrays(*well)
        for well in zip(data.inputs, data.targets, data.validation_targets, strict=True)
    ]


def nse_of(loss: float, held_out: np.ndarray) -> float:
    """Return the NSE that a validation loss (scaled mean squared error) stands for."""
    return 1 - loss / float(np.nanvar(held_out))


EPOCH_SECONDS: list[float] = []  # of the epochs of this process, without validation


def best_of(
    epoch: Callable[[], None], validate: Callable[[], float], *, epochs: int, patience: int
) -> tuple[float, float]:
    """Train by epochs; return the seconds to the best epoch and its validation loss."""
    best, at, since, start = np.inf, 0.0, 0, clock()
    for _ in range(epochs):
        before = clock()
        epoch()
        EPOCH_SECONDS.append(clock() - before)
        loss = validate()
        if loss < best:
            best, at, since = loss, clock() - start, 0
        else:
            since += 1
        if since >= patience:
            break
    return at, best


def keras_member(
    well: Arrays, lookback: int, *, hidden: int, epochs: int, patience: int, seed: int = 0
) -> tuple[float, float]:
    """Train one Keras network on windows; return seconds to its best epoch and the loss there."""
    import keras
    import tensorflow as tf

    if THREADS:
        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    keras.utils.set_random_seed(seed)
    x, y = well.windows(well.targets, lookback)
    x_held, y_held = well.windows(well.held_out, lookback)
    network = keras.Sequential(
        [keras.Input(x.shape[1:]), keras.layers.LSTM(hidden), keras.layers.Dense(1)]
    )
    network.compile(optimizer=keras.optimizers.Adam(RATE, clipnorm=1.0), loss="mse")
    network.train_on_batch(x[:BATCH], y[:BATCH])  # compiled before the clock starts

    def epoch() -> None:
        network.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)

    def validate() -> float:
        if x_held.size == 0:
            return 0.0
        return float(np.mean((network.predict(x_held, 256, verbose=0)[:, 0] - y_held) ** 2))

    return best_of(epoch, validate, epochs=epochs, patience=patience)


def torch_member(
    well: Arrays, lookback: int, *, hidden: int, epochs: int, patience: int, seed: int = 0
) -> tuple[float, float]:
    """Train one PyTorch network on windows; return seconds to its best epoch and the loss there."""
    import torch

    if THREADS:
        torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    x, y = (torch.from_numpy(a) for a in well.windows(well.targets, lookback))
    x_held, y_held = (torch.from_numpy(a) for a in well.windows(well.held_out, lookback))
    lstm, head = torch.nn.LSTM(x.shape[-1], hidden, batch_first=True), torch.nn.Linear(hidden, 1)
    weights = [*lstm.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(weights, lr=RATE)

    def network(part: torch.Tensor) -> torch.Tensor:
        return head(lstm(part)[0][:, -1])[:, 0]

    def epoch() -> None:
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(x[batch]), y[batch]).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()

    def validate() -> float:
        if len(x_held) == 0:
            return 0.0
        with torch.no_grad():
            parts = [network(part) for part in x_held.split(256)]
        return float(torch.nn.functional.mse_loss(torch.cat(parts), y_held))

    return best_of(epoch, validate, epochs=epochs, patience=patience)


def our_members(name: str, data: Path, wells: int) -> tuple[float, list[list[float]]]:
    """Train all members of all wells; return seconds and the validation NSE (well, member)."""
    import gwforecast
    from gwforecast.networks.lstm import LSTM

    observations = observations_of(name, data, wells)
    split = gwforecast.split_by_fraction(observations)
    # every network starts from the memory that Keras' layers start from
    forecaster = LSTM(
        members=MEMBERS,
        units=(HIDDEN,),
        lookback=LOOKBACK[name],
        epochs=OURS[name],
        forget_bias=(1.0,),
        folds=1,  # all are trained on all of the train period
    )
    start = clock()
    forecaster.fit(observations, split=split)
    seconds = clock() - start
    lowest = forecaster.history_.groupby(["well", "member"], sort=False)["validation_loss"].min()
    losses = lowest.to_numpy().reshape(-1, MEMBERS)
    held_out = [a.held_out for a in arrays_of(observations)]
    pairs = zip(losses, held_out, strict=True)
    return seconds, [[nse_of(float(loss), well) for loss in row] for row, well in pairs]


def our_epoch(well: Arrays, hidden: int = 64, epochs: int = 4) -> float:
    """Return the seconds of an epoch of one window for each target, all members."""
    from gwforecast.networks import engines
    from gwforecast.networks.engines.jobs import Data, Job, Recipe
    from gwforecast.networks.lstm import LSTM
    from gwforecast.sequences.windows import epoch_starts

    architecture = LSTM(units=(hidden,), dropout=0, noise=0)._describe_network(well.inputs.shape[1])
    recipe = Recipe("mse", "adam", 0.0, 1.0, 9, lookback=LOOKBACK["epoch"], targets=1)
    rows = np.isfinite(well.targets)
    starts = epoch_starts(rows, targets=1, batch_size=BATCH, epochs=epochs, seed=0)
    rates = np.full(starts.shape[0] * starts.shape[1], RATE, "float32")
    jobs = [
        Job(0, architecture.first_weights(seed=m), starts, rates, np.zeros(0, "int32"), m)
        for m in range(MEMBERS)
    ]
    data = Data(well.inputs[None], well.targets[None], np.full_like(well.targets, np.nan)[None])
    start = clock()
    engines.train(architecture, recipe, data, jobs)
    return (clock() - start) / epochs


def epoch_of(member: Callable[..., tuple[float, float]], well: Arrays) -> float:
    """Return the seconds of an epoch of one member, the median of five after the first."""
    empty = Arrays(well.inputs, well.targets, np.full_like(well.targets, np.nan))
    member(empty, LOOKBACK["epoch"], hidden=64, epochs=6, patience=9)
    return float(np.median(EPOCH_SECONDS[1:]))


PEERS: dict[str, Callable[..., tuple[float, float]]] = {
    "Keras": keras_member,
    "PyTorch": torch_member,
}


def work(engine: str, task: dict) -> object:
    """Return the result of a task, in a process of its own."""
    name = task["name"]
    if engine == "ours" and name != "epoch":
        return our_members(name, Path(task["data"]), task["wells"])
    with np.load(task["well"]) as stored:
        well = Arrays(**stored)
    if name == "epoch":
        return our_epoch(well) if engine == "ours" else epoch_of(PEERS[engine], well)
    epochs, patience = EPOCHS[name]
    return PEERS[engine](
        well, LOOKBACK[name], hidden=HIDDEN, epochs=epochs, patience=patience, seed=task["seed"]
    )


def apart(arguments: argparse.Namespace, engine: str, **task: object):
    """Run a task of an engine in a new process, and return its result."""
    done = subprocess.run(
        [sys.executable, __file__, "--work", engine, json.dumps(task)],
        capture_output=True,
        text=True,
        env={**os.environ, "BENCHMARK_THREADS": str(arguments.threads)},
    )
    if done.returncode:
        raise SystemExit(f"{engine} failed with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def stored(wells: list[Arrays], folder: str) -> list[str]:
    """Store each well in a file, and return the paths."""
    paths = [str(Path(folder, f"{number}.npz")) for number in range(len(wells))]
    for path, well in zip(paths, wells, strict=True):
        np.savez(path, inputs=well.inputs, targets=well.targets, held_out=well.held_out)
    return paths


def compare(name: str, arguments: argparse.Namespace) -> bool:
    """Print the comparison of a data set; return whether the stated ratios hold."""
    wells = arrays_of(observations_of(name, arguments.data, arguments.wells))
    several = len(wells) > 1
    index = [n * max(1, len(wells) // arguments.timed) * several for n in range(arguments.timed)]
    print(f"\n{name}: {len(wells)} wells x {MEMBERS} members, hidden {HIDDEN}, {LOOKBACK[name]}")
    times: dict[str, list[float]] = {engine: [] for engine in ("ours", *PEERS)}
    reached: dict[str, list[float]] = {engine: [] for engine in times}
    with tempfile.TemporaryDirectory() as folder:
        paths = stored(wells, folder)
        for seed, number in enumerate(index):
            seconds, nse = apart(
                arguments, "ours", name=name, data=str(arguments.data), wells=arguments.wells
            )
            times["ours"].append(seconds)
            reached["ours"].append(float(np.mean(nse[number])))
            print(f"  ours, all: {seconds:.1f} s", flush=True)
            for engine in PEERS:
                seconds, loss = apart(arguments, engine, name=name, well=paths[number], seed=seed)
                times[engine].append(seconds * MEMBERS * len(wells))
                reached[engine].append(nse_of(loss, wells[number].held_out))
                print(f"  {engine}, one member: {seconds:.1f} s", flush=True)
    total, mean_nse = float(np.median(times["ours"])), float(np.mean(reached["ours"]))
    holds = True
    print(f"{'':10s}{'seconds in all':>16s}{'validation NSE':>16s}{'ratio':>8s}")
    for engine, limit in zip(times, (1.0, *LIMITS[name]), strict=True):
        seconds, theirs = float(np.median(times[engine])), float(np.mean(reached[engine]))
        print(f"{engine:10s}{seconds:16.1f}{theirs:16.3f}{seconds / total:8.1f}", flush=True)
        holds &= seconds / total >= limit and mean_nse >= theirs
    return holds


def compare_epoch(arguments: argparse.Namespace) -> bool:
    """Print the time of an epoch of the same windows; return whether the stated ratio holds."""
    well = arrays_of(observations_of("Germany", arguments.data, 1))[0]
    print(f"\nOne epoch of {np.isfinite(well.targets).sum()} windows x {MEMBERS}, hidden 64")
    ratios: dict[str, list[float]] = {engine: [] for engine in PEERS}
    with tempfile.TemporaryDirectory() as folder:
        (path,) = stored([well], folder)
        for _ in range(arguments.timed):
            mine = apart(arguments, "ours", name="epoch", well=path)
            for engine in PEERS:
                one = apart(arguments, engine, name="epoch", well=path)
                ratios[engine].append(one * MEMBERS / mine)
            print("  " + ", ".join(f"{k} {v[-1]:.1f}" for k, v in ratios.items()), flush=True)
    medians = {engine: float(np.median(values)) for engine, values in ratios.items()}
    print(", ".join(f"{k} {v:.1f}" for k, v in medians.items()), "times as long as ours")
    return medians["Keras"] >= LIMITS["epoch"][0]


def main() -> int:
    """Run the comparisons and return 0 where all stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--timed", type=int, default=3)
    parser.add_argument("--wells", type=int, default=20)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--only", choices=list(LIMITS))
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        engine, task = arguments.work
        print(json.dumps(work(engine, json.loads(task))))
        return 0
    if importlib.util.find_spec("torch") is None:
        parser.error("PyTorch is missing: pip install 'gwforecast[benchmark]'")
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "torch")}
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    print("seconds of the processor" if arguments.threads else "seconds by the clock")
    failed = [
        name
        for name in ("epoch", "Germany", "Netherlands")
        if arguments.only in (None, name)
        and not (compare_epoch(arguments) if name == "epoch" else compare(name, arguments))
    ]
    print(f"\n{'all stated ratios hold' if not failed else 'missed: ' + ', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
