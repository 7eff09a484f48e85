"""Accuracy of the defaults on real wells, from the weather alone: one setting for all.

The figures that are held against the stated ones are those of the blend, which ``evaluate`` gives
as the prediction of a well.

*Challenge* (Collenteur et al. 2024, doi:10.5194/hess-28-5193-2024): ``evaluate`` sees the levels of
the calibration period with its default split; the organisers' test period is predicted as any later
period is, and scored here against the levels that were hidden.

*Germany* (Heudorfer et al. 2024, doi:10.5194/hess-28-525-2024): training before 2008, validation
2008 to 2011, test 2012 to 2015; NSE against the mean of the levels before the test period.

    python benchmarks/accuracy.py ../shared/data [--wells 59] [--members 10]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

import gwforecast
from gwforecast.runs.catalogue import DEFAULT_MODELS
from gwforecast.verification import metrics, probabilistic

TEST = {"Netherlands": ("2016-09-23", "2020-11-27"), "Sweden_2": ("2016-01-05", "2020-12-29")}
PUBLISHED = {"Netherlands": 0.885, "Sweden_2": 0.660}
WANTED = {"Netherlands": 0.885, "Sweden_2": 0.60}
COVERAGE = (0.90, 0.98)
PASTAS = ("pastas",) if find_spec("pastas") else ()  # an extra: its rows are there where it is
GERMANY = (("linear", "climatology", *PASTAS), ("lstm", "mlp"), ("cnn",), ("gru",))


def challenge(folder: Path, name: str, members: int) -> bool:
    """Print the scores of the hidden test period; return whether the stated figures hold."""
    start = time.perf_counter()
    observations = gwforecast.read_observations(
        folder / name / "heads.csv", folder / name / "input_data.csv"
    )
    evaluation = gwforecast.evaluate(
        observations, models=(*DEFAULT_MODELS, *PASTAS), members=members
    )
    seconds = time.perf_counter() - start
    full = pd.read_csv(folder / name / "heads_full.csv", index_col=0, parse_dates=True).iloc[:, 0]
    hidden = full.loc[slice(*TEST[name])]
    print(f"\n{name}: hidden test {TEST[name][0]} to {TEST[name][1]}, {len(hidden)} levels, "
          f"evaluate in {seconds:.0f} s")  # fmt: skip
    print(f"{'':16s}{'NSE':>8s}{'RMSE m':>8s}{'KGE ':>8s}{'cover 95':>10s}{'width m':>9s}")
    values = {}
    for model in evaluation.predictions["model"].values:
        level = evaluation.predictions["level"].sel(model=model).isel(well=0)
        level = level.sel(time=hidden.index.to_numpy())
        pair = {"observed": hidden.to_numpy(), "predicted": level.sel(quantile=0.5).values}
        bounds = {
            "observed": hidden.to_numpy(),
            "lower": level.sel(quantile=0.025).values,
            "upper": level.sel(quantile=0.975).values,
        }
        values[model] = metrics.nse(**pair), probabilistic.coverage(**bounds)
        print(f"{model:16s}{values[model][0]:8.3f}{metrics.rmse(**pair):8.3f}"
              f"{metrics.kge_anomaly(**pair):8.3f}{values[model][1]:10.3f}"
              f"{probabilistic.interval_width(**bounds):9.2f}", flush=True)  # fmt: skip
    print(f"{'best published':16s}{PUBLISHED[name]:8.3f}")
    nse, covered = values["blend"]
    return nse >= WANTED[name] and COVERAGE[0] <= covered <= COVERAGE[1]


def germany(folder: Path, wells: int, members: int) -> float:
    """Print the scores of the paper's test period; return the blend's mean NSE."""
    observations = gwforecast.read_observations(folder / "gw", folder / "hyras")
    observations = observations.isel(well=slice(0, wells))
    split = gwforecast.split_by_date(
        observations, validation_start="2008-01-01", test_start="2012-01-01", test_end="2015-12-31"
    )
    print(f"\nGermany, {observations.sizes['well']} wells, test 2012 to 2015")
    print(f"{'':12s}{'mean':>7s}{'median':>8s}{'> 0.5':>7s}{'cover 95':>10s}{'width/sd':>10s}"
          f"{'seconds':>9s}")  # fmt: skip
    means: dict[str, float] = {}
    deviation = split.levels(observations, "test").std("time").to_series()
    for together in GERMANY:
        evaluation = gwforecast.evaluate(
            observations, split=split, models=list(together), members=members
        )
        test = evaluation.scores[evaluation.scores["period"] == "test"]
        for model, of_model in test.groupby("model", sort=False):
            table = of_model.pivot_table(
                index="well", columns="metric", values="value", dropna=False
            )
            nse = table["nse_reference"]
            means[str(model)] = float(nse.mean())
            width = float((table["width_95"] / deviation).mean())
            seconds = evaluation.seconds.get(f"fit {model}", 0.0)
            print(f"{model:12s}{nse.mean():7.3f}{nse.median():8.3f}{np.mean(nse > 0.5):7.2f}"
                  f"{table['coverage_95'].mean():10.3f}{width:10.2f}{seconds:9.0f}",
                  flush=True)  # fmt: skip
    return means["blend"]


def main() -> int:
    """Run both and return 0 where all stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--wells", type=int, default=59)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--only", choices=("challenge", "germany"))
    arguments = parser.parse_args()
    holds = {}
    if arguments.only != "germany":
        for name in TEST:
            holds[name] = challenge(arguments.data / "challenge", name, arguments.members)
    if arguments.only != "challenge":
        mean = germany(arguments.data / "germany_weekly", arguments.wells, arguments.members)
        holds["Germany (mean 0.80)"] = mean >= 0.80
    missed = [name for name, held in holds.items() if not held]
    print(f"\n{'missed: ' + ', '.join(missed) if missed else 'all stated figures hold'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
