"""Accuracy of the defaults on real wells, from the weather alone: one setting for all.

The figures that are held against the stated ones are those of the blend, which ``evaluate`` gives
as the prediction of a well.

*Challenge* (Collenteur et al. 2024, doi:10.5194/hess-28-5193-2024): ``evaluate`` sees the levels of
the calibration period with its default split; the organisers' test period is predicted as any later
period is, and scored here against the levels that were hidden.

*Germany* (Heudorfer et al. 2024, doi:10.5194/hess-28-525-2024): training before 2008, validation
2008 to 2011, test 2012 to 2015; NSE against the mean of the levels before the test period. Once by
networks of one well each, and once with a network for all wells and their static attributes.

*Switzerland*: daily levels of alpine to lowland wells, the default split, rain and temperature
alone; NSE against the mean of the scored levels. Baselines are all models but the networks, the
kernel regression and the blend.

    python benchmarks/accuracy.py ../shared/data [--members 10] [--seed 0] [--only GROUP]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from network import CATEGORIES, with_attributes

import gwforecast
from gwforecast.verification import metrics, probabilistic

TEST = {"Netherlands": ("2016-09-23", "2020-11-27"), "Sweden_2": ("2016-01-05", "2020-12-29")}
PUBLISHED = {"Netherlands": 0.885, "Sweden_2": 0.660}
WANTED = {"Netherlands": 0.885, "Sweden_2": 0.78}
COVERAGE = (0.90, 0.98)
GERMANY = ("lstm", "mlp", "kernel_ridge", "pastas", "linear", "climatology")
GERMAN_MEANS = {"local": 0.87, "local and global": 0.89}
OURS = {"lstm", "mlp", "kernel_ridge", "blend"}
SWISS_MEDIAN = 0.447  # 0.10 above the blend of November 2026
SWISS_AHEAD, SWISS_FAR_BEHIND = 10, 2  # wells ahead of all baselines, wells 0.05 behind one
SWISS_COVERAGE = (0.92, 0.97)


def challenge(folder: Path, name: str, *, members: int, seed: int) -> bool:
    """Print the scores of the hidden test period; return whether the stated figures hold."""
    start = time.perf_counter()
    observations = gwforecast.read_observations(
        folder / name / "heads.csv", folder / name / "input_data.csv"
    )
    evaluation = gwforecast.evaluate(observations, members=members, seed=seed)
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


def germany(folder: Path, kind: str, *, wells: int, members: int, seed: int) -> float:
    """Print the scores of the paper's test period; return the blend's mean NSE."""
    observations = gwforecast.read_observations(folder / "gw", folder / "hyras")
    models = list(GERMANY)
    if kind != "local":
        observations = with_attributes(observations, folder)
        models.append("global_lstm")
    observations = observations.isel(well=slice(0, wells))
    split = gwforecast.split_by_date(
        observations, validation_start="2008-01-01", test_start="2012-01-01", test_end="2015-12-31"
    )
    print(f"\nGermany, {observations.sizes['well']} wells, {kind} models, test 2012 to 2015")
    print(f"{'':12s}{'mean':>7s}{'median':>8s}{'> 0.5':>7s}{'cover 95':>10s}{'width/sd':>10s}"
          f"{'seconds':>9s}")  # fmt: skip
    means: dict[str, float] = {}
    deviation = split.levels(observations, "test").std("time").to_series()
    evaluation = gwforecast.evaluate(
        observations, split=split, models=models, members=members, seed=seed,
        settings={"global_lstm": {"categories": CATEGORIES}} if kind != "local" else None,
    )  # fmt: skip
    test = evaluation.scores[evaluation.scores["period"] == "test"]
    for model, of_model in test.groupby("model", sort=False):
        table = of_model.pivot_table(index="well", columns="metric", values="value", dropna=False)
        nse = table["nse_reference"]
        means[str(model)] = float(nse.mean())
        width = float((table["width_95"] / deviation).mean())
        seconds = evaluation.seconds.get(f"fit {model}", 0.0)
        print(f"{model:12s}{nse.mean():7.3f}{nse.median():8.3f}{np.mean(nse > 0.5):7.2f}"
              f"{table['coverage_95'].mean():10.3f}{width:10.2f}{seconds:9.0f}",
              flush=True)  # fmt: skip
    return means["blend"]


def switzerland(folder: Path, *, members: int, seed: int) -> dict[str, bool]:
    """Print the NSE of each model at each well; return which of the stated figures hold."""
    nse, covered = {}, {}
    for path in sorted((folder / "levels").glob("*.csv")):
        observations = gwforecast.read_observations(
            path, folder / "weather" / path.name, well=path.stem
        )
        scores = gwforecast.evaluate(observations, members=members, seed=seed).scores
        test = scores[scores["period"] == "test"].set_index(["metric", "model"])["value"]
        nse[path.stem], covered[path.stem] = test["nse"], test["coverage_95"]
        if len(nse) == 1:
            print("\nSwitzerland, default test period, NSE")
            print(f"{'':16s}" + "".join(f"{model[:10]:>12s}" for model in test["nse"].index))
        row = "".join(f"{value:12.3f}" for value in test["nse"])
        print(f"{path.stem:16s}{row}", flush=True)
    table, coverage = pd.DataFrame(nse).T, pd.DataFrame(covered).T["blend"]
    for name, row in (("mean", table.mean()), ("median", table.median())):
        print(f"{name:16s}" + "".join(f"{value:12.3f}" for value in row))
    best = table[[model for model in table if model not in OURS]].max(axis=1)
    ahead = int((table["blend"] > best).sum())
    behind = int((table["blend"] < best - 0.05).sum())
    print(f"blend ahead of all baselines at {ahead} of {len(table)} wells, 0.05 behind the "
          f"best at {behind}; its 95 % interval covers {coverage.mean():.3f}")  # fmt: skip
    return {
        f"Swiss median {SWISS_MEDIAN}": table["blend"].median() >= SWISS_MEDIAN,
        f"Swiss wells ahead {SWISS_AHEAD}": ahead >= SWISS_AHEAD,
        f"Swiss wells far behind {SWISS_FAR_BEHIND}": behind <= SWISS_FAR_BEHIND,
        "Swiss coverage": SWISS_COVERAGE[0] <= coverage.mean() <= SWISS_COVERAGE[1],
    }


def main() -> int:
    """Run all groups and return 0 where all stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--wells", type=int, default=59)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("challenge", "germany", "switzerland"))
    arguments = parser.parse_args()
    only, holds = arguments.only, {}
    shared = {"members": arguments.members, "seed": arguments.seed}
    if only in (None, "challenge"):
        for name in TEST:
            holds[name] = challenge(arguments.data / "challenge", name, **shared)
    if only in (None, "switzerland"):
        holds |= switzerland(arguments.data / "swiss_daily", **shared)
    if only in (None, "germany"):
        folder = arguments.data / "germany_weekly"
        for kind, wanted in GERMAN_MEANS.items():
            mean = germany(folder, kind, wells=arguments.wells, **shared)
            holds[f"Germany, {kind} (mean {wanted})"] = mean >= wanted
    missed = [name for name, held in holds.items() if not held]
    print(f"\n{'missed: ' + ', '.join(missed) if missed else 'all stated figures hold'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
