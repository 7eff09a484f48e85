"""Peak memory of training many weekly wells: the data are held once, whatever the lookback.

Synthetic wells (a fading memory of random rain), 15 covariates, lookback 52; windows cut out and
stacked would take 15 GB. One member and few epochs: more of them take no more memory.

    python benchmarks/memory.py [--wells 3000] [--weeks 1600] [--covariates 15] [--epochs 2]
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import xarray as xr
from scipy.signal import lfilter

import gwforecast
from gwforecast.networks.lstm import LSTM

LIMIT = 2.0  # GiB in all


def network_of_wells(wells: int, weeks: int, covariates: int) -> xr.Dataset:
    """Return wells whose level is a fading memory of their rain, with a tenth of it missing."""
    rng = np.random.default_rng(0)
    time_axis = np.datetime64("1990-01-01", "us") + np.arange(weeks) * np.timedelta64(7, "D")
    data = {}
    for number in range(covariates):
        name = "rain" if number == 0 else f"covariate_{number}"
        values = (
            rng.gamma(0.5, 20, (wells, weeks)) if number == 0 else rng.normal(size=(wells, weeks))
        )
        data[name] = (("well", "time"), values, {"kind": "rain" if number == 0 else "other"})
    level = lfilter([0.05], [1, -0.95], data["rain"][1], axis=1) + 100
    level[rng.uniform(size=level.shape) < 0.1] = np.nan
    return xr.Dataset(
        {"level": (("well", "time"), level, {"units": "m"}), **data},
        {"well": [f"w{k:05d}" for k in range(wells)], "time": time_axis},
    )


def peak() -> float:
    """Return the peak resident memory of this process so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> int:
    """Train once and return 0 where the peak is below the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=3000)
    parser.add_argument("--weeks", type=int, default=1600)
    parser.add_argument("--covariates", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    observations = network_of_wells(arguments.wells, arguments.weeks, arguments.covariates)
    held = observations.nbytes / 2**30
    before = peak()
    split = gwforecast.split_by_fraction(observations)
    start = time.perf_counter()
    LSTM(members=1, epochs=arguments.epochs, lookback=52).fit(observations, split=split)
    seconds = time.perf_counter() - start
    names = ("wells", "weeks", "covariates", "data GiB", "before", "peak GiB", "seconds")
    print("".join(f"{name:>11s}" for name in names))
    print(
        f"{arguments.wells:11d}{arguments.weeks:11d}{arguments.covariates:11d}{held:11.2f}"
        f"{before:11.2f}{peak():11.2f}{seconds:11.0f}"
    )
    holds = peak() < LIMIT
    print(f"peak {peak():.2f} GiB is {'below' if holds else 'NOT below'} {LIMIT} GiB")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
