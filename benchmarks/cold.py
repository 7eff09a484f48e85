"""Time and memory of a scheduled forecast in a cold process, beside the import of TensorFlow.

    python benchmarks/cold.py [--wells 1] [--repeats 5]

A network of wells of synthetic weekly levels is trained for one epoch (how good it is does not
matter here) with 10 LSTM and 10 MLP; then `gwforecast forecast --force` and `import tensorflow` are
run in turn, each in a new process whose modules are compiled already, as those of an installed
package are, and the medians are compared. One well is to take at most a
quarter of the time and of the memory of the import, 500 wells at most its time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """
[data]
levels = "levels.csv"
covariates = "weather.csv"
[lstm]
epochs = 1
[mlp]
epochs = 1
[schedule]
models = ["lstm", "mlp"]
horizon = 13
"""


def write_place(folder: Path, wells: int) -> None:
    """Write the levels of some wells and their weather."""
    rng = np.random.default_rng(0)
    time_axis = pd.date_range("2005-01-03", periods=780, freq="W-MON", name="date")
    rain = pd.Series(rng.gamma(1.2, 12.0, time_axis.size).round(2), time_axis)
    warm = 10 - 9 * np.cos(2 * np.pi * np.arange(time_axis.size) / 52.18)
    pd.DataFrame({"rain": rain, "temperature": warm.round(2)}).to_csv(folder / "weather.csv")
    levels = {
        f"w{number}": rain.ewm(halflife=5 + number % 20).mean() / 20
        + rng.normal(scale=0.02, size=time_axis.size)
        for number in range(wells)
    }
    pd.DataFrame(levels).round(3).to_csv(folder / "levels.csv")
    (folder / "run.toml").write_text(CONFIG, "utf-8")


def measure(*arguments: str, cwd: Path) -> tuple[float, float]:
    """Return seconds and MiB of a process."""
    # without their bytecode only the modules of this package would be compiled at each start
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=cwd, env={**kept, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with {process.returncode}")
    return time.perf_counter() - start, used.ru_maxrss / 1024


def main() -> int:
    """Return 0 where the stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {"forecast": [], "import tensorflow": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_place(folder, arguments.wells)
        measure("-m", "gwforecast", "train", "run.toml", "--through", "2019-06-03", cwd=folder)
        forecast = ("-m", "gwforecast", "forecast", "run.toml", "--issue-time", "2019-09-02",
                    "--force")  # fmt: skip
        for _ in range(arguments.repeats):
            found["forecast"].append(measure(*forecast, cwd=folder))
            found["import tensorflow"].append(measure("-c", "import tensorflow", cwd=folder))
    medians = {name: np.median(values, axis=0) for name, values in found.items()}
    for name, (seconds, memory) in medians.items():
        print(f"{name:<20} {seconds:6.2f} s {memory:6.0f} MiB")
    ratio = medians["forecast"] / medians["import tensorflow"]
    most = (0.25, 0.25) if arguments.wells == 1 else (1.0, np.inf)
    holds = bool((ratio <= most).all())
    print(
        f"{arguments.wells} wells: {ratio[0]:.2f} of the time and {ratio[1]:.2f} of the memory "
        f"of the import; stated {most[0]:g} and {most[1]:g}: {'holds' if holds else 'missed'}"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
