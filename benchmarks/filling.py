"""Filled gaps of real wells, beside linear interpolation, the simulation alone and climatology.

Artificial gaps of 1, 4, 13, 26 and 52 weeks are taken out of German weekly wells (from 1980 on) and
of the two wells of the challenge, and filled by models that have not seen the levels of the same
block of years. The root mean square error is divided by the standard deviation of the levels of a
well and averaged over wells.

    python benchmarks/filling.py ../shared/data [--every 1] [--models kernel_ridge]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pandas as pd
import xarray as xr

import gwforecast
from gwforecast.questions.fill import fill

LENGTHS = (1, 4, 13, 26, 52)
DEMANDED = (4, 13, 26, 52)
WITHIN = 0.02  # of 0.95


def records(folder: Path, every: int) -> list[xr.Dataset]:
    """Return the observations of each group of wells."""
    german = folder / "germany_weekly"
    germany = gwforecast.read_observations(german / "gw", german / "hyras")
    germany = germany.isel(well=slice(0, None, every)).sel(time=slice("1980", None))
    challenge = [
        gwforecast.read_observations(path / "heads.csv", path / "input_data.csv")
        for path in (folder / "challenge" / name for name in ("Netherlands", "Sweden_2"))
    ]
    return [*challenge, germany]


def main() -> int:
    """Print the table; return 0 where filling is best at every length and covers 95 %."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--every", type=int, default=1, help="every n-th German well")
    parser.add_argument("--models", default="kernel_ridge")
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"There are no data in {given.data}; nothing was measured.")
        return 0
    warnings.simplefilter("ignore")
    start, parts = time.perf_counter(), []
    for observations in records(given.data, given.every):
        result = fill(observations, models=given.models.split(","), gap_weeks=LENGTHS)
        deviation = observations["level"].std("time").to_series()
        scores = result.scores.assign(deviation=result.scores["well"].map(deviation))
        parts.append(scores.assign(relative=scores["rmse"] / scores["deviation"]))
        print(f"{observations.sizes['well']} wells, {time.perf_counter() - start:.0f} s; failed: "
              f"{result.failed or 'none'}", flush=True)  # fmt: skip
    whole = pd.concat(parts)
    table = whole.pivot_table(index="gap_weeks", columns="method", values="relative")
    covered = whole[whole["method"] == "fill"].groupby("gap_weeks")["coverage_95"].mean()
    wells = whole.pivot_table(index=["gap_weeks", "well"], columns="method", values="rmse")
    others = wells.drop(columns="fill").min(axis=1)
    best = (wells["fill"] <= others).groupby("gap_weeks").mean()
    print(f"\nRMSE / standard deviation, mean of {whole['well'].nunique()} wells")
    print(table.assign(coverage_95=covered, best_of_four=best).round(3).to_string())
    demanded = table.loc[list(DEMANDED)]
    better = demanded.drop(columns="fill").gt(demanded["fill"], axis=0).all(axis=None)
    mean = covered.loc[list(DEMANDED)].mean()
    print(f"mean coverage of 4 to 52 weeks {mean:.3f}")
    return 0 if better and abs(mean - 0.95) <= WITHIN else 1


if __name__ == "__main__":
    sys.exit(main())
