"""Skill of the default forecasts by lead time on real wells, against persistence and baselines.

Backtests of the test periods with default settings: each model is fitted on the train period,
calibrated on the validation period, refitted through it, and issues forecasts at rolling origins.
Perfect foresight of the weather and climatological weather are separate. The default forecaster
is the blend of LSTM, MLP and kernel regression, corrected by the last levels.

    python benchmarks/forecast_skill.py ../shared/data [--wells 20] [--members 10]
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
import xarray as xr

import gwforecast

DEFAULT = "blend"
OURS = (DEFAULT, "lstm", "mlp", "kernel_ridge")  # the others are baselines
FORCINGS = ("observed", "climatology")
SHOWN = {"daily": (1, 2, 7, 14, 30, 60, 90), "weekly": (1, 2, 4, 8, 13, 26)}
HORIZON = {"daily": 90, "weekly": 26}
WORSE_THAN_PERSISTENCE = 1.02
"""Stated for wells in lowlands; Swiss ones that are beyond are printed by name."""
COVERAGE_POINTS = 0.03


def daily(folder: Path) -> list[xr.Dataset]:
    """Return the two wells of the challenge and those of Switzerland, on daily axes."""
    challenge, swiss = folder / "challenge", folder / "swiss_daily"
    pairs = [
        (challenge / name / "heads_full.csv", challenge / name / "input_data.csv")
        for name in ("Netherlands", "Sweden_2")
    ]
    pairs += [
        (levels, swiss / "weather" / levels.name)
        for levels in sorted((swiss / "levels").glob("*.csv"))
    ]
    return [gwforecast.read_observations(levels, weather) for levels, weather in pairs]


def weekly(folder: Path, wells: int) -> list[xr.Dataset]:
    """Return German wells, spread over the list of all."""
    observations = gwforecast.read_observations(folder / "gw", folder / "hyras")
    count = observations.sizes["well"]
    chosen = np.unique(np.linspace(0, count - 1, min(wells, count)).round().astype(int))
    return [observations.isel(well=chosen)]


def scores_of(
    data: list[xr.Dataset], *, forcing: str, horizon: int, members: int, stride: int | None
) -> pd.DataFrame:
    """Return the scores by model, well and lead time of backtests of all data."""
    tables = []
    for observations in data:
        start = time.perf_counter()
        result = gwforecast.backtest(
            observations, forcing=forcing, horizon=horizon, members=members, stride=stride
        )
        wells = ", ".join(map(str, observations["well"].values[:2]))
        print(f"  {wells}{' ...' if observations.sizes['well'] > 2 else ''}: "
              f"{result.hindcasts.sizes['issue_time']} issue times, "
              f"{time.perf_counter() - start:.0f} s", flush=True)  # fmt: skip
        failed = result.outcomes[result.outcomes["status"] == "failed"]
        for row in failed.itertuples():
            print(f"    {row.model} failed at {row.well}: {row.reason[:120]}", flush=True)
        tables.append(result.scores)
    return pd.concat(tables, ignore_index=True)


Coverages = dict[tuple[str, int], list[float]]


def show(
    scores: pd.DataFrame,
    *,
    cadence: str,
    forcing: str,
    coverages: Coverages,
    swiss: list[str],
) -> dict[str, bool]:
    """Print the tables of one kind of well and weather; return which stated figures hold.

    The coverage of each well is added to the others', as it is judged over all of them.
    """
    leads = list(SHOWN[cadence])
    table = scores.pivot_table(index=["model", "well"], columns=["metric", "lead"], values="value")
    # CRPS in units of persistence's RMSE at the well, so that wells of any range count alike
    unit = table["rmse"].xs("persistence", level="model")
    crps = table["crps"].div(unit, level="well").groupby(level="model", sort=False).mean()
    print(f"\n{cadence}, weather: {forcing}; mean over wells of CRPS / RMSE of persistence")
    print(f"{'lead':24s}" + "".join(f"{lead:>8d}" for lead in leads))
    for model in crps.mean(axis=1).sort_values().index:
        print(f"{model:24s}" + "".join(f"{crps.loc[model, lead]:8.3f}" for lead in leads))
    others = crps.drop(index=[model for model in OURS if model in crps.index])
    ratio = crps.loc[DEFAULT] / others.min()
    worst = (table["rmse"].loc[DEFAULT] / unit).max()
    print(f"{'worst RMSE / persistence':24s}" + "".join(f"{worst[lead]:8.3f}" for lead in leads))
    for well, own in (table["rmse"].loc[DEFAULT] / unit)[leads].iterrows():
        if (own > WORSE_THAN_PERSISTENCE).any():
            print(f"{well:>24s}" + "".join(f"{own[lead]:8.3f}" for lead in leads))
    lowland = (table["rmse"].loc[DEFAULT] / unit).drop(index=swiss, errors="ignore")
    holds = {
        f"{cadence} {forcing} CRPS": bool((ratio <= 1).all()),
        f"{cadence} {forcing} persistence": bool(
            (lowland <= WORSE_THAN_PERSISTENCE).all(axis=None)
        ),
    }
    for level in (80, 95):
        by_well = table[f"coverage_{level}"].loc[DEFAULT]
        covered = by_well.mean()
        print(f"{f'coverage {level} %':24s}" + "".join(f"{covered[lead]:8.3f}" for lead in leads)
              + f"   all leads {covered.mean():.3f}")  # fmt: skip
        coverages.setdefault((forcing, level), []).extend(by_well.mean(axis=1))
    lost = ratio[ratio > 1]
    if len(lost):
        print(f"behind the best baseline at leads {[int(lead) for lead in lost.index]}, "
              f"at most by {100 * (lost.max() - 1):.1f} %")  # fmt: skip
    return holds


def main() -> int:
    """Run all backtests and return 0 where all stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--wells", type=int, default=20)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--stride", type=int, help="steps between issue times")
    parser.add_argument("--only", choices=("daily", "weekly"))
    parser.add_argument("--forcing", choices=FORCINGS)
    arguments = parser.parse_args()
    sets = {
        "daily": lambda: daily(arguments.data),
        "weekly": lambda: weekly(arguments.data / "germany_weekly", arguments.wells),
    }
    swiss = [levels.stem for levels in (arguments.data / "swiss_daily" / "levels").glob("*.csv")]
    holds: dict[str, bool] = {}
    coverages: Coverages = {}
    for cadence, read in sets.items():
        if arguments.only not in (None, cadence):
            continue
        data = read()
        for forcing in FORCINGS if arguments.forcing is None else (arguments.forcing,):
            print(f"\n{cadence}, {forcing}", flush=True)
            scores = scores_of(
                data,
                forcing=forcing,
                horizon=HORIZON[cadence],
                members=arguments.members,
                stride=arguments.stride,
            )
            holds |= show(
                scores, cadence=cadence, forcing=forcing, coverages=coverages, swiss=swiss
            )
    print()
    for (forcing, level), values in coverages.items():
        mean = float(np.mean(values))
        print(f"{forcing}: coverage of the {level} % interval, {len(values)} wells: {mean:.3f}")
        holds[f"{forcing} coverage {level}"] = abs(mean - level / 100) <= COVERAGE_POINTS
    missed = [name for name, held in holds.items() if not held]
    print(f"\n{'missed: ' + ', '.join(missed) if missed else 'all stated figures hold'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
