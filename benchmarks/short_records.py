"""Accuracy with few years of levels: German wells whose levels begin 2 to 20 years before the test.

Each record is cut to its last years before 2012; the last fifth of these years is the validation
period, and 2012 to 2015 is the test period. The weather is given from 1951 on. NSE against the mean
of the test levels, so that it does not depend on the length of the record.

The stated figures: with three years the blend is at least 0.15 above the LSTM alone, or at least
0.75; with twenty years it is not below the LSTM by more than 0.005.

    python benchmarks/short_records.py ../shared/data [--every 4] [--members 10]
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
import xarray as xr

import gwforecast

TEST, END = np.datetime64("2012-01-01"), "2015-12-31"
YEARS = (2, 3, 5, 10, 20)
MODELS = ("lstm", "mlp", "kernel_ridge", "pastas", "linear", "climatology")
VALIDATION = 0.2
GAIN, ENOUGH, LOSS = 0.15, 0.75, 0.005


def scores(observations: xr.Dataset, years: int, members: int) -> pd.DataFrame:
    """Return the NSE of the test period by well and model, with the last years of levels."""
    length = np.timedelta64(round(365.25 * years), "D")
    begin, validation = (
        TEST - length,
        TEST - np.timedelta64(round(365.25 * years * VALIDATION), "D"),
    )
    cut = observations.assign(level=observations["level"].where(observations["time"] >= begin))
    split = gwforecast.split_by_date(
        cut, validation_start=str(validation), test_start=str(TEST), test_end=END
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short records are what is tested
        evaluation = gwforecast.evaluate(cut, split=split, models=MODELS, members=members)
    table = evaluation.scores
    table = table[(table["period"] == "test") & (table["metric"] == "nse")]
    return table.pivot_table(index="well", columns="model", values="value", sort=False)


def main() -> int:
    """Print the mean NSE by model and years; return 0 where the stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--every", type=int, default=4, help="take every n-th well")
    parser.add_argument("--members", type=int, default=10)
    arguments = parser.parse_args()
    folder = arguments.data / "germany_weekly"
    observations = gwforecast.read_observations(folder / "gw", folder / "hyras")
    observations = observations.isel(well=slice(None, None, arguments.every))
    names = (*MODELS, "blend")
    print(f"mean NSE of {observations.sizes['well']} wells, test 2012 to 2015 (an NSE below -1 "
          "counts as -1)")  # fmt: skip
    print(f"{'years of levels':16s}" + "".join(f"{name:>14s}" for name in names))
    means: dict[int, pd.Series] = {}
    for years in YEARS:
        table = scores(observations, years, arguments.members).clip(lower=-1.0)
        means[years] = table.mean().reindex(list(names))
        print(f"{years:16d}" + "".join(f"{value:14.3f}" for value in means[years]), flush=True)
    short, long = means[3], means[YEARS[-1]]
    missed = []
    if not short["blend"] >= min(short["lstm"] + GAIN, ENOUGH):
        missed.append("three years")
    if not long["blend"] >= long["lstm"] - LOSS:
        missed.append("twenty years")
    print("missed: " + ", ".join(missed) if missed else "all stated figures hold")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
