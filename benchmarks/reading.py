"""Time of reading a million levels every 15 minutes, beside ``pandas.read_csv`` of the same file.

    python benchmarks/reading.py [--rows 1000000] [--repeats 9]

Both are run in turn, and the medians are compared: reading, with the layout, the times and the
daily means, is to take at most twice the time of ``pandas.read_csv``, which leaves the times as
text.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import gwforecast as gw

MOST = 2.0
FORMS = {"2020-01-31 00:15:00": "%Y-%m-%d %H:%M:%S", "31/01/2020 00:15": "%d/%m/%Y %H:%M"}


def seconds(call: Callable[[], object]) -> float:
    """Return the time that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Print a table of medians; exit with 1 if a ratio is above two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    times = pd.date_range("1995-01-01", periods=given.rows, freq="15min")
    levels = np.round(10 + np.sin(np.arange(given.rows) / 1e4), 3)
    worst = 0.0
    print(f"{'times':<22}{'pandas s':>10}{'read s':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for shown, form in FORMS.items():
            path = Path(folder) / "levels.csv"
            pd.DataFrame({"time": times.strftime(form), "level": levels}).to_csv(path, index=False)
            gw.read_observations(path, at_step="mean")
            pairs = [
                (
                    seconds(lambda path=path: pd.read_csv(path)),  # type: ignore[misc]
                    seconds(lambda path=path: gw.read_observations(path, at_step="mean")),  # type: ignore[misc]
                )
                for _ in range(given.repeats)
            ]
            plain, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
            worst = max(worst, ours / plain)
            print(f"{shown:<22}{plain:>10.3f}{ours:>10.3f}{ours / plain:>8.2f}")
    print(f"at most {MOST:g} times pandas.read_csv: {worst <= MOST} ({worst:.2f})")
    raise SystemExit(worst > MOST)


if __name__ == "__main__":
    main()
