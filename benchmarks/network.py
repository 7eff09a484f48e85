"""Local and global networks beside each other at the 59 weekly wells in Germany, with baselines.

The paper's split (Heudorfer et al. 2024, doi:10.5194/hess-28-525-2024): training before 2008,
validation 2008 to 2011, test 2012 to 2015; NSE against the mean of the levels before the test
period. Each row is a process of its own, so that its seconds (reading, three fits, predictions of
all rows, scores) and its peak memory are its own.

    python benchmarks/network.py [DATA] [--members 10] [--wells 59] [--rows local global ...]

Stated: all local LSTM with 10 members in under 10 minutes on two cores, and a mean NSE of 0.80 by
at least one row. Runs with fewer members or wells print the table and cannot hold.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
import xarray as xr

CATEGORIES = ["hyraum_gr", "huek250_ha", "clc2018"]
ROWS: dict[str, tuple[str, dict[str, object], int | None]] = {
    "local LSTM": ("lstm", {}, None),
    "local MLP": ("mlp", {}, None),
    "local CNN": ("cnn", {}, None),
    "local GRU": ("gru", {}, None),
    "global LSTM": ("global_lstm", {"attributes": []}, None),
    "global LSTM, attributes": ("global_lstm", {"categories": CATEGORIES}, None),
    "global LSTM, wells left out": ("global_lstm", {"categories": CATEGORIES}, 5),
    "linear": ("linear", {}, None),
    "climatology": ("climatology", {}, None),
}
SECONDS, NSE = 600.0, 0.80


def with_attributes(observations: xr.Dataset, folder: Path) -> xr.Dataset:
    """Return the wells with their static attributes; categories are texts."""
    table = pd.read_csv(folder / "features" / "envfeat.csv", sep=";", index_col=0)
    found = observations.copy()
    for name in table:
        of_wells = table[name].reindex(observations["well"].values)
        text = of_wells.where(of_wells.isna(), of_wells.astype(str)).fillna("unknown")
        chosen = text.to_numpy(str) if name in CATEGORIES else of_wells.to_numpy(float)
        found[name] = ("well", chosen)
    return found


def measure(row: str, folder: Path, wells: int, members: int) -> dict[str, float]:
    """Return scores, seconds and peak memory of a row, in this process."""
    import gwforecast

    model, settings, folds = ROWS[row]
    start = time.perf_counter()
    observations = gwforecast.read_observations(folder / "gw", folder / "hyras")
    if settings.get("attributes", True):
        observations = with_attributes(observations, folder)
    observations = observations.isel(well=slice(0, wells))
    split = gwforecast.split_by_date(
        observations, validation_start="2008-01-01", test_start="2012-01-01", test_end="2015-12-31"
    )
    evaluation = gwforecast.evaluate(
        observations, split=split, models=[model], settings={model: settings}, members=members,
        leave_wells_out=folds,
    )  # fmt: skip
    scores = evaluation.scores[evaluation.scores["period"] == "test"]
    nse = scores.loc[scores["metric"] == "nse_reference", "value"]
    covered = scores.loc[scores["metric"] == "coverage_95", "value"]
    return {
        "mean": float(nse.mean()),
        "median": float(nse.median()),
        "good": float(np.mean(nse > 0.5)),
        "covered": float(covered.mean()),
        "seconds": time.perf_counter() - start,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> int:
    """Return 0 where the stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--wells", type=int, default=59)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), help="parts of the rows' names")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.data / "germany_weekly"
    if arguments.one:
        print(json.dumps(measure(arguments.one, folder, arguments.wells, arguments.members)))
        return 0
    print(f"{arguments.wells} wells, {arguments.members} members, test 2012 to 2015")
    print(f"{'':<28}{'mean':>7}{'median':>8}{'> 0.5':>7}{'cover 95':>10}{'seconds':>9}{'MiB':>7}")
    found: dict[str, dict[str, float]] = {}
    for row in ROWS:
        if not any(part in row for part in arguments.rows):
            continue
        given = ["--wells", str(arguments.wells), "--members", str(arguments.members)]
        command = [sys.executable, __file__, str(arguments.data), "--one", row, *given]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        one = found[row] = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{row:<28}{one['mean']:7.3f}{one['median']:8.3f}{one['good']:7.2f}"
            f"{one['covered']:10.3f}{one['seconds']:9.0f}{one['memory']:7.0f}",
            flush=True,
        )
    seconds = found.get("local LSTM", {}).get("seconds", np.inf)
    whole = arguments.wells >= 59 and arguments.members >= 10
    holds = whole and seconds < SECONDS and max(one["mean"] for one in found.values()) >= NSE
    print(f"local LSTM in {seconds:.0f} s, stated {SECONDS:.0f}: {'holds' if holds else 'missed'}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
