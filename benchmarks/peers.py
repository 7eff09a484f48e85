"""Default forecasts beside those of neuralforecast and pastas, at weekly German wells.

Every fourth week of 2012 to 2015 a forecast of 13 weeks is issued from the levels and the weather
up to then; nobody knows the weather after it. Ours is `backtest` with its default networks and
kernel regression, fitted through 2007, calibrated on 2008 to 2011 and refitted through 2011, and
`pastas` corrected by the last levels in the same way. The peers are LSTM and NHITS with a quantile
loss, one network for all wells, with the same weather as past inputs and the season as a future
one, levels scaled window by window, trained through 2007 and stopped early by 2008 to 2011.

The peers run in a process of their own, by an interpreter that has neuralforecast:

    pip install torch==2.13.0 neuralforecast==3.3.0
    python benchmarks/peers.py ../shared/data [--wells 12] [--members 10] [--python PATH]

The stated figures: mean quantile loss of `blend` at most 0.75 of that of NHITS at every lead time,
and a coverage of 94 to 96 % by its 95 % interval. Without neuralforecast the script says so and
ends with 0.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
HORIZON, STRIDE, LOOKBACK = 13, 4, 52
VALIDATION, TEST, END = "2008-01-01", "2012-01-01", "2015-12-31"
SHOWN = (1, 2, 4, 8, 13)
RATIO, COVERAGE = 0.75, (0.94, 0.96)
OURS = ("lstm", "mlp", "kernel_ridge", "pastas", "climatology", "persistence")
STEPS = 1000  # updates of a peer's network, at most
WEATHER = ["rain", "humidity", "temperature"]
SEASON = ["sine", "cosine"]


def peers(folder: Path) -> None:
    """Train the peers and write their quantiles; runs by the interpreter that has them."""
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import LSTM, NHITS

    table = pd.read_csv(folder / "table.csv", parse_dates=["ds"])
    last = table[table["unique_id"] == table["unique_id"].iloc[0]]["ds"]
    of_test, of_validation = ((last >= TEST).sum(), ((last >= VALIDATION) & (last < TEST)).sum())
    shared = {
        "h": HORIZON,
        "input_size": LOOKBACK,
        "hist_exog_list": WEATHER,
        "futr_exog_list": SEASON,
        "scaler_type": "standard",
        "max_steps": STEPS,
        "val_check_steps": 50,
        "early_stop_patience_steps": 5,
        "random_seed": 0,
        "enable_progress_bar": False,
        "logger": False,
    }
    found = []
    for network in (LSTM, NHITS):
        before = resource.getrusage(resource.RUSAGE_SELF)
        model = network(loss=MQLoss(quantiles=list(QUANTILES)), **shared)
        forecasts = NeuralForecast([model], freq="7D").cross_validation(
            table, n_windows=None, test_size=int(of_test), val_size=int(of_validation),
            step_size=STRIDE,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_SELF)
        name = network.__name__
        columns = [c for c in forecasts if c.startswith(name)]
        quantiles = np.sort(forecasts[columns].to_numpy(), axis=1)
        keys = forecasts[["unique_id", "cutoff", "ds"]].reset_index(drop=True)
        numbers = pd.DataFrame(quantiles, columns=[str(q) for q in QUANTILES])
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found.append(pd.concat([keys, numbers], axis=1).assign(model=name, seconds=seconds))
    pd.concat(found).to_csv(folder / "peers.csv", index=False)


def read(data: Path, wells: int) -> object:
    """Return German wells, spread over the list of all, to the end of the test period."""
    import gwforecast

    observations = gwforecast.read_observations(data / "gw", data / "hyras")
    count = observations.sizes["well"]
    chosen = np.unique(np.linspace(0, count - 1, min(wells, count)).round().astype(int))
    return observations.isel(well=chosen).sel(time=slice(None, END))


def write_table(observations, folder: Path) -> None:
    """Write the observations in the form of the peers, from the first level of each well on."""
    names = dict(zip(("P", "rH", "T"), WEATHER, strict=True))
    table = observations[["level", *names]].to_dataframe().reset_index().dropna()
    table = table.rename(columns={"well": "unique_id", "time": "ds", "level": "y", **names})
    angle = 2 * np.pi * table["ds"].dt.day_of_year / 365.25
    table = table.assign(sine=np.sin(angle), cosine=np.cos(angle))
    table[["unique_id", "ds", "y", *WEATHER, *SEASON]].to_csv(folder / "table.csv", index=False)


def own(observations, issued: pd.DatetimeIndex, members: int) -> pd.DataFrame:
    """Return the quantiles of our models, in the form of the peers."""
    import gwforecast

    split = gwforecast.split_by_date(
        observations, validation_start=VALIDATION, test_start=TEST, test_end=END
    )
    before = os.times()
    result = gwforecast.backtest(
        observations, split=split, models=OURS, forcing="climatology", horizon=HORIZON,
        issue_times=issued.to_numpy(), members=members,
    )  # fmt: skip
    after = os.times()
    seconds = after.user + after.system - before.user - before.system
    seconds += after.children_user + after.children_system
    level = result.hindcasts["level"].reset_coords(drop=True)
    frame = level.to_dataset("quantile").to_dataframe().reset_index()
    frame = frame.rename(columns=str)
    valid = frame["issue_time"] + frame["lead_time"]
    frame = frame.assign(ds=valid, seconds=seconds).drop(columns="lead_time")
    return frame.rename(columns={"well": "unique_id", "issue_time": "cutoff"})


def judge(forecasts: pd.DataFrame, observations) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return scores by model and lead, averaged over wells, on the rows that all models have."""
    level = observations["level"].to_series().rename("y").reset_index()
    level = level.rename(columns={"well": "unique_id", "time": "ds"})
    rows = forecasts.merge(level, on=["unique_id", "ds"]).dropna(subset=["y", "0.5"])
    lead = ((rows["ds"] - rows["cutoff"]) / pd.Timedelta("7D")).round().astype(int)
    key = ["unique_id", "cutoff", "ds"]
    complete = rows.groupby(key)["model"].transform("nunique") == rows["model"].nunique()
    rows = rows.assign(lead=lead)[complete]
    error = rows["y"].to_numpy()[:, None] - rows[[str(q) for q in QUANTILES]].to_numpy()
    loss = np.maximum(np.array(QUANTILES) * error, (np.array(QUANTILES) - 1) * error).mean(axis=1)
    rows = rows.assign(
        loss=loss, square=error[:, 3] ** 2, inside=(error[:, 0] >= 0) & (error[:, -1] <= 0)
    )
    by_well = rows.pivot_table(
        index=["lead", "unique_id"], columns="model", values=["loss", "square", "inside"]
    )
    rmse = np.sqrt(by_well["square"])
    unit = rmse["persistence"]
    losses = by_well["loss"].div(unit, axis=0).groupby("lead").mean()
    ratios = rmse.div(unit, axis=0).groupby("lead").mean()
    covered = by_well["inside"].groupby("lead").mean().mean()
    count = rows.groupby(["model", "lead"]).size().min()
    print(f"\n{rows['unique_id'].nunique()} wells, at least {count} forecasts of each lead time")
    return losses, pd.concat({"rmse": ratios, "covered": covered.to_frame().T}, names=["kind"])


def main() -> int:
    """Return 0 where the stated figures hold, or where there are no peers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--wells", type=int, default=12)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--python", default=sys.executable, help="interpreter with neuralforecast")
    parser.add_argument("--peers", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peers:
        peers(arguments.peers)
        return 0
    there = subprocess.run(
        [arguments.python, "-c", "import neuralforecast"], capture_output=True, check=False
    )
    if there.returncode:
        print("neuralforecast is not installed for this interpreter: nothing was compared")
        return 0
    observations = read(arguments.data / "germany_weekly", arguments.wells)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_table(observations, folder)
        subprocess.run(
            [arguments.python, __file__, "--peers", str(folder)], check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        theirs = pd.read_csv(folder / "peers.csv", parse_dates=["cutoff", "ds"])
    issued = pd.DatetimeIndex(sorted(theirs["cutoff"].unique()))
    forecasts = pd.concat([own(observations, issued, arguments.members), theirs])
    losses, others = judge(forecasts, observations)
    seconds = forecasts.groupby("model")["seconds"].first()
    print("mean over wells of quantile loss / RMSE of persistence, by lead in weeks; RMSE over "
          "that of persistence;\ncoverage of 95 % over all leads; seconds of the processor (ours: "
          "all models together)")  # fmt: skip
    print(f"{'':14s}" + "".join(f"{lead:>8d}" for lead in SHOWN)
          + f"{'RMSE 13':>10s}{'cover 95':>10s}{'seconds':>9s}")  # fmt: skip
    rmse, covered = others.loc["rmse"].loc[HORIZON], others.loc["covered"].iloc[0]
    for model in losses.mean().sort_values().index:
        print(f"{model:14s}" + "".join(f"{losses.loc[lead, model]:8.3f}" for lead in SHOWN)
              + f"{rmse[model]:10.3f}{covered[model]:10.3f}{seconds[model]:9.0f}")  # fmt: skip
    ratio = losses["blend"] / losses["NHITS"]
    print("blend / NHITS " + "".join(f"{ratio[lead]:8.3f}" for lead in SHOWN))
    holds = ratio.max() <= RATIO and COVERAGE[0] <= covered["blend"] <= COVERAGE[1]
    print(f"quantile loss at most {ratio.max():.3f} of NHITS (stated {RATIO}), coverage "
          f"{covered['blend']:.3f}: {'holds' if holds else 'missed'}")  # fmt: skip
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
