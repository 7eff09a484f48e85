"""Time of one training step of a recurrent network: our kernels, XLA's and PyTorch's.

Each engine takes the same steps on one core: a batch of eight sequences of 104 steps with 12
inputs, a target at each of the last 52 steps, forward and backward pass with the gradients of all
weights, clipping, and Adam. Ours and XLA's are the engines of this package as they are; PyTorch's
is a loop of ``nn.LSTM`` or ``nn.GRU`` with a linear layer. Each runs in a process of its own,
because PyTorch and TensorFlow in one process can crash, and the processes take turns.

Seconds are those of the processor, so that other programs on the machine disturb little; each is
the median over the turns. Operations are those of the matrix products of the layer: forward pass,
gradients of the weights and of the states. The peak of the core is measured in turn with them.

    python benchmarks/kernels.py [--turns 15] [--units 32 64]

needs a C compiler, and ``pip install 'gwforecast[benchmark]'`` for PyTorch's rows.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

INPUTS, STEPS, TARGETS, BATCH, UPDATES = 12, 104, 52, 8, 100
GATES = {"lstm": 4, "gru": 3}
FEWEST = {"xla": 3.0, "peak": 0.45}  # of the LSTM


@dataclass(frozen=True)
class Case:
    """A layer to train: its kind and units."""

    kind: str
    units: int

    @property
    def operations(self) -> int:
        """Multiplications and additions of a step of one sequence."""
        gates = GATES[self.kind] * self.units
        return 2 * (2 * (INPUTS + self.units) * gates + self.units * gates)


def our_job(case: Case) -> tuple[object, ...]:
    """Return the arguments of an engine of this package."""
    from gwforecast.networks.engines.jobs import Data, Job, Recipe
    from gwforecast.networks.gru import GRUArchitecture
    from gwforecast.networks.lstm import LSTMArchitecture

    kind = {"lstm": LSTMArchitecture, "gru": GRUArchitecture}[case.kind]
    plain = {"dropout": 0.0, "noise": 0.0, "l2": 0.0, "outputs": 1, "output_activation": "linear"}
    architecture = kind.of(INPUTS, {**plain, "units": (case.units,), "activation": "tanh"})
    rng = np.random.default_rng(0)
    series = rng.normal(size=(1, 1500, INPUTS)).astype("f4")
    level = rng.normal(size=(1, 1500)).astype("f4")
    recipe = Recipe("mse", "adam", 0.0, 1.0, 9, STEPS - TARGETS, TARGETS, stops_early=False)
    starts = rng.integers(60, 1400, size=(1, UPDATES, BATCH)).astype("i4")
    job = Job(
        0,
        architecture.first_weights(),
        starts,
        np.full(UPDATES, 1e-3, "f4"),
        np.zeros(0, "i4"),
        seed=0,
    )
    return architecture, recipe, Data(series, level, np.full_like(level, np.nan)), [job]


def ours(case: Case, instructions: str) -> Callable[[], object]:
    """Return the training of some updates by the compiled engine."""
    from gwforecast.networks.engines import compiled

    arguments = our_job(case)
    return lambda: compiled.train(*arguments, instructions=instructions)  # type: ignore[arg-type]


def xla(case: Case) -> Callable[[], object]:
    """Return the training of some updates by TensorFlow's XLA."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from gwforecast.networks import training

    training.choose_workers(1)
    arguments = our_job(case)
    return lambda: training.train(*arguments)  # type: ignore[arg-type]


def pytorch(case: Case) -> Callable[[], object]:
    """Return the training of some updates by PyTorch."""
    import torch

    torch.set_num_threads(1)
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[case.kind]
    layer, head = kind(INPUTS, case.units, batch_first=True), torch.nn.Linear(case.units, 1)
    weights = [*layer.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-3)
    x, y = torch.randn(BATCH, STEPS, INPUTS), torch.randn(BATCH, TARGETS)

    def run() -> None:
        for _ in range(UPDATES):
            optimizer.zero_grad()
            outputs = head(layer(x)[0][:, -TARGETS:])[..., 0]
            torch.nn.functional.mse_loss(outputs, y).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()

    return run


def peak() -> tuple[Callable[[], object], int]:
    """Return a loop that a core cannot do faster, and its operations."""
    from gwforecast.networks.engines import build, compiled

    options = build.INSTRUCTION_SETS[compiled.instruction_sets()[-1]]
    compiler = next(filter(None, map(shutil.which, ("gcc", "clang", "cc"))))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "peak.so")
        source = Path(__file__).with_name("peak.c")
        command = [compiler, *build.FLAGS, *options, "-shared", str(source), "-o", str(path)]
        subprocess.run(command, check=True)
        library = ctypes.CDLL(str(path))
    steps = 4_000_000
    library.operations_of_a_step.restype = ctypes.c_int64
    operations = library.operations_of_a_step() * steps
    return lambda: library.multiply_and_add(ctypes.c_int64(steps)), operations


def serve(engine: str, cases: list[Case]) -> None:
    """Time each case once for each line on standard input; print the seconds as JSON."""
    if engine == "peak":
        run, operations = peak()
        runs = {"peak": run}
        print(json.dumps({"operations": operations}), flush=True)
    else:
        name, _, instructions = engine.partition(":")
        make = {"xla": xla, "pytorch": pytorch}.get(name)
        runs = {
            f"{case.kind} {case.units}": make(case) if make else ours(case, instructions)
            for case in cases
        }
        print(json.dumps({"operations": 0}), flush=True)
    for run in runs.values():
        run()  # compiles
    for _ in sys.stdin:
        seconds = {}
        for name, run in runs.items():
            start = time.process_time()
            run()
            seconds[name] = time.process_time() - start
        print(json.dumps(seconds), flush=True)


def start(engine: str, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    """Start the process of an engine."""
    command = [sys.executable, __file__, "--serve", engine, "--units", *map(str, arguments.units)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def measure(engines: list[str], arguments: argparse.Namespace) -> tuple[dict, int]:
    """Return the seconds of each engine and case, a list over turns; and the peak's operations."""
    processes = {engine: start(engine, arguments) for engine in engines}
    operations, seconds = 0, {engine: {} for engine in engines}
    for engine, process in processes.items():
        first = process.stdout.readline()
        if not first:
            raise SystemExit(f"{engine} did not start: python {__file__} --serve {engine} says why")
        operations = max(operations, json.loads(first)["operations"])
    for _ in range(arguments.turns):
        for engine, process in processes.items():
            process.stdin.write("\n")
            process.stdin.flush()
            for name, value in json.loads(process.stdout.readline()).items():
                seconds[engine].setdefault(name, []).append(value)
    for process in processes.values():
        process.stdin.close()
        process.wait()
    return seconds, operations


def report(seconds: dict, operations: int, cases: list[Case]) -> bool:
    """Print the table; return whether the stated figures hold."""
    best = operations / statistics.median(seconds["peak"]["peak"]) / 1e9
    print(f"peak of the core {best:.0f} GFLOP/s")
    print(f"{'':22s}{'µs a sample-step':>18s}{'GFLOP/s':>10s}{'of the peak':>13s}{'ratio':>8s}")
    holds = True
    ours_name = next(engine for engine in seconds if engine.startswith("ours"))
    for case in cases:
        name = f"{case.kind} {case.units}"
        mine = statistics.median(seconds[ours_name][name])
        for engine in seconds:
            if engine == "peak":
                continue
            median = statistics.median(seconds[engine][name])
            each = median / (UPDATES * BATCH * STEPS)
            rate = case.operations / each / 1e9
            print(
                f"{name:9s}{engine:13s}{each * 1e6:18.3f}{rate:10.1f}{rate / best:13.0%}"
                f"{median / mine:8.1f}",
                flush=True,
            )
        if case.kind == "lstm":
            holds &= statistics.median(seconds["xla"][name]) / mine >= FEWEST["xla"]
            reached = case.operations * UPDATES * BATCH * STEPS / mine / 1e9
            holds &= reached / best >= FEWEST["peak"]
    return holds


def main() -> int:
    """Measure all engines in turn, and return 0 where the stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--units", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cases = [Case(kind, units) for units in arguments.units for kind in GATES]
    if arguments.serve:
        serve(arguments.serve, cases)
        return 0
    from gwforecast.networks.engines import compiled

    engines = [f"ours:{name}" for name in reversed(compiled.instruction_sets())]
    engines += ["xla", "pytorch"] if importlib.util.find_spec("torch") else ["xla"]
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("tensorflow", "torch")
        if importlib.util.find_spec(name)
    ]
    print(f"{platform.machine()}, one core, {', '.join(versions)}, {arguments.turns} turns")
    seconds, operations = measure([*engines, "peak"], arguments)
    holds = report(seconds, operations, cases)
    print("all stated figures hold" if holds else "missed: 3 times XLA, or 45 % of the peak")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
