"""Time to train an ensemble: this package against loops of Keras and of PyTorch.

Three comparisons, each in one run on the same data, features, split, members and hidden size:

1. Netherlands, daily, lookback 365: networks trained until the validation loss is at its best.
   Keras and PyTorch train one window for each target, one member after another, and the time of a
   member is that to its best epoch. Ours is the whole training of all members, compilation
   included, and must end at an equal or better validation NSE.
2. The same for weekly wells of Germany, lookback 52; ours for half of its usual epochs, which is
   enough to be as good as the others.
3. One epoch of the very same windows (one target each) at hidden 64.

Keras and PyTorch loops are timed on ``--timed`` members (and wells), whose median is multiplied by
the number of members: their members do not know of each other. Repetitions are interleaved.

    python benchmarks/training.py ../shared/data [--timed 3] [--wells 20] [--only Germany]

needs ``pip install 'gwforecast[benchmark]'``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gwforecast.networks.engines.jobs import Data, Job

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import torch
import xarray as xr

import gwforecast
from gwforecast.networks import training
from gwforecast.networks.engines.jobs import Recipe
from gwforecast.networks.lstm import LSTM
from gwforecast.networks.training import LOSSES
from gwforecast.sequences.windows import epoch_starts, value_windows

MEMBERS = 10
HIDDEN = 32
BATCH = 32
RATE = 1e-3
OURS = {"Netherlands": LSTM.epochs, "Germany": LSTM.epochs // 2}
LIMITS = {"Netherlands": (20.0, 5.0), "Germany": (15.0, 4.0), "epoch": (4.0, None)}


@dataclass(frozen=True)
class Arrays:
    """One well: scaled inputs (time, input), train and validation targets (time,)."""

    inputs: np.ndarray
    targets: np.ndarray
    held_out: np.ndarray

    def windows(self, rows: np.ndarray, lookback: int) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs (window, lookback + 1, input) and targets (window,), cut out."""
        chosen = value_windows(np.isfinite(rows)[None], lookback=lookback)
        return chosen.gather(self.inputs[None]), chosen.gather_targets(rows[None])[:, 0]


def arrays_of(observations: xr.Dataset) -> list[Arrays]:
    """Return the arrays that our own forecaster trains on, for each well."""
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


def best_of(
    epoch: Callable[[], None], validate: Callable[[], float], *, epochs: int, patience: int
) -> tuple[float, float]:
    """Train by epochs; return the seconds to the best epoch and its validation loss."""
    best, at, since, start = np.inf, 0.0, 0, time.perf_counter()
    for _ in range(epochs):
        epoch()
        loss = validate()
        if loss < best:
            best, at, since = loss, time.perf_counter() - start, 0
        else:
            since += 1
        if since >= patience:
            break
    return at, best


def keras_member(
    well: Arrays, lookback: int, *, hidden: int, epochs: int, patience: int, seed: int = 0
) -> tuple[float, float]:
    """Train one Keras network on windows; return seconds to its best epoch and the loss there."""
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


class TorchNetwork(torch.nn.Module):
    """An LSTM and a linear head on its last state."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(inputs, hidden, batch_first=True)
        self.head = torch.nn.Linear(hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the level of the last step, (window,)."""
        return self.head(self.lstm(x)[0][:, -1])[:, 0]


def torch_member(
    well: Arrays, lookback: int, *, hidden: int, epochs: int, patience: int, seed: int = 0
) -> tuple[float, float]:
    """Train one PyTorch network on windows; return seconds to its best epoch and the loss there."""
    torch.manual_seed(seed)
    x, y = (torch.from_numpy(a) for a in well.windows(well.targets, lookback))
    x_held, y_held = (torch.from_numpy(a) for a in well.windows(well.held_out, lookback))
    network = TorchNetwork(x.shape[-1], hidden)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)

    def epoch() -> None:
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(x[batch]), y[batch]).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()

    def validate() -> float:
        with torch.no_grad():
            parts = [network(part) for part in x_held.split(256)]
        return float(torch.nn.functional.mse_loss(torch.cat(parts), y_held)) if parts else 0.0

    return best_of(epoch, validate, epochs=epochs, patience=patience)


def ours(observations: xr.Dataset, lookback: int, epochs: int) -> tuple[float, np.ndarray]:
    """Train all members of all wells; return seconds and the validation NSE (well, member)."""
    split = gwforecast.split_by_fraction(observations)
    # every network starts from the memory that Keras' layers start from
    forecaster = LSTM(
        members=MEMBERS,
        units=(HIDDEN,),
        lookback=lookback,
        epochs=epochs,
        forget_bias=(1.0,),
        folds=1,  # all are trained on all of the train period
    )
    start = time.perf_counter()
    forecaster.fit(observations, split=split)
    seconds = time.perf_counter() - start
    lowest = forecaster.history_.groupby(["well", "member"], sort=False)["validation_loss"].min()
    losses = lowest.to_numpy().reshape(-1, MEMBERS)
    held_out = [a.held_out for a in arrays_of(observations)]
    nse = [[nse_of(loss, well) for loss in row] for row, well in zip(losses, held_out, strict=True)]
    return seconds, np.array(nse)


def compare(
    name: str, observations: xr.Dataset, lookback: int, *, timed: int, epochs: int, patience: int
) -> bool:
    """Print the comparison of a data set; return whether the stated ratios hold."""
    wells = arrays_of(observations)
    chosen = wells[:: max(1, len(wells) // timed)][:timed] if len(wells) > 1 else wells * timed
    times: dict[str, list[float]] = {"Keras": [], "PyTorch": []}
    reached: dict[str, list[float]] = {"Keras": [], "PyTorch": []}
    mine, nse = [], np.zeros(0)
    for number, well in enumerate(chosen):
        for label, member in (("Keras", keras_member), ("PyTorch", torch_member)):
            seconds, loss = member(
                well, lookback, hidden=HIDDEN, epochs=epochs, patience=patience, seed=number
            )
            times[label].append(seconds)
            reached[label].append(nse_of(loss, well.held_out))
        if number < 3:
            seconds, nse = ours(observations, lookback, OURS[name])
            mine.append(seconds)
    index = [next(i for i, w in enumerate(wells) if w is c) for c in chosen]
    total = float(np.median(mine))
    print(f"\n{name}: {len(wells)} wells x {MEMBERS} members, hidden {HIDDEN}, lookback {lookback}")
    print(f"{'':10s}{'seconds in all':>16s}{'validation NSE':>16s}{'ratio':>8s}")
    mean_nse = float(np.mean(nse[index]))
    print(f"{'ours':10s}{total:16.1f}{mean_nse:16.3f}{1.0:8.1f}")
    holds = True
    for label, limit in zip(("Keras", "PyTorch"), LIMITS[name], strict=True):
        all_of_them = float(np.median(times[label])) * MEMBERS * len(wells)
        theirs = float(np.mean(reached[label]))
        print(f"{label:10s}{all_of_them:16.1f}{theirs:16.3f}{all_of_them / total:8.1f}", flush=True)
        holds &= all_of_them / total >= limit and mean_nse >= theirs
    return holds


def compare_epoch(well: Arrays, lookback: int = 52, hidden: int = 64) -> bool:
    """Print the time of an epoch of the same windows; return whether the stated ratio holds."""
    row = np.isfinite(well.targets)
    architecture = LSTM(units=(hidden,), dropout=0, noise=0)._describe_network(well.inputs.shape[1])
    recipe = Recipe(LOSSES["mse"], "adam", 0.0, 1.0, 9, lookback=lookback, targets=1)
    data = Data(well.inputs[None], well.targets[None], np.full_like(well.targets, np.nan)[None])

    def jobs(epochs: int) -> list[Job]:
        starts = epoch_starts(row, targets=1, batch_size=BATCH, epochs=epochs, seed=0)
        rates = np.full(starts.shape[0] * starts.shape[1], RATE, "float32")
        return [
            Job(0, architecture.build(seed=m).get_weights(), starts, rates,
                         np.zeros(0, "int32"), m)
            for m in range(MEMBERS)
        ]  # fmt: skip

    workers = training.choose_workers(None)
    training.train(architecture, recipe, data, jobs(1)[:1], workers=workers)  # compiles
    ratios: dict[str, list[float]] = {"Keras": [], "PyTorch": []}
    for seed in range(3):
        given = jobs(4)
        start = time.perf_counter()
        training.train(architecture, recipe, data, given, workers=workers)
        mine = (time.perf_counter() - start) / 4
        empty = Arrays(well.inputs, well.targets, np.full_like(well.targets, np.nan))
        for label, member in (("Keras", keras_member), ("PyTorch", torch_member)):
            start = time.perf_counter()
            member(empty, lookback, hidden=hidden, epochs=3, patience=9, seed=seed)
            three = time.perf_counter() - start
            start = time.perf_counter()
            member(empty, lookback, hidden=hidden, epochs=1, patience=9, seed=seed)
            one = three - (time.perf_counter() - start)  # set-up and compilation cancel
            ratios[label].append(one / 2 * MEMBERS / mine)
    print(
        f"\nOne epoch of {int(row.sum())} windows x {MEMBERS} members, hidden {hidden}: ours 1.0",
        end="",
    )
    for label, values in ratios.items():
        print(f", {label} {np.median(values):.1f}", end="")
    print(" times as long", flush=True)
    return float(np.median(ratios["Keras"])) >= LIMITS["epoch"][0]


def main() -> int:
    """Run the comparisons and return 0 where all stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--timed", type=int, default=3)
    parser.add_argument("--wells", type=int, default=20)
    parser.add_argument("--only", choices=list(LIMITS))
    arguments = parser.parse_args()
    training.choose_workers(None)
    well = arguments.data / "challenge" / "Netherlands"
    netherlands = gwforecast.read_observations(well / "heads.csv", well / "input_data.csv").sel(
        time=slice("1996", None)
    )
    germany = gwforecast.read_observations(
        arguments.data / "germany_weekly" / "gw", arguments.data / "germany_weekly" / "hyras"
    )
    germany = germany.isel(well=slice(0, arguments.wells)).sel(time=slice("1985", "2011"))
    timed = arguments.timed
    comparisons = {
        "epoch": lambda: compare_epoch(arrays_of(germany)[0]),
        "Germany": lambda: compare("Germany", germany, 52, timed=timed, epochs=60, patience=8),
        "Netherlands": lambda: compare(
            "Netherlands", netherlands, 365, timed=timed, epochs=30, patience=4
        ),
    }
    holds = {n: c() for n, c in comparisons.items() if arguments.only in (None, n)}
    failed = [name for name, held in holds.items() if not held]
    print(f"\n{'all stated ratios hold' if not failed else 'missed: ' + ', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
