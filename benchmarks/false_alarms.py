"""False alarms: how often the gates of scheduled forecasts flag wells whose data are as they were.

    python benchmarks/false_alarms.py [DATA] [--times 20] [--show]

Wells of Germany (weekly), Switzerland (daily) and the 2022 challenge are checked at random issue
times, as on the morning of a scheduled run: with levels and weather up to the issue time, and the
ranges of a training that ended one to 36 months before it. No model is needed. The data are not
free of faults, so that some flags are right; ``--show`` prints each. Stated: fewer than 1 % of the
checks bar a well (``check_failed``), and fewer than 3 % lower it for anything but missing data. The
weather that followed is checked as a weather forecast: fewer than 1 % may be refused as it is, and
the share that is refused with two covariates exchanged is printed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import gwforecast
from gwforecast import schema
from gwforecast.quality.checks import series_of
from gwforecast.quality.gates import training_ranges
from gwforecast.sequences.origins import known_at
from gwforecast.service.readiness import AgeLimits, WellForecast, check_well
from gwforecast.service.wells.gate import Gate

BARRED, LOWERED, REFUSED = 0.01, 0.03, 0.01
DAY, STEPS = np.timedelta64(1, "D"), 10  # of a weather forecast
LEAST = 5 * 365  # d of levels before the first issue time


def read(folder: Path) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield the name of each set of wells, and the observations of one well."""
    for path in sorted((folder / "germany_weekly" / "gw").glob("*.csv")):
        well = path.name.removesuffix("_GW-Data.csv")
        weather = folder / "germany_weekly" / "hyras" / f"{well}_weeklyData_HYRAS.csv"
        yield "Germany", gwforecast.read_observations(path, weather)
    for path in sorted((folder / "swiss_daily" / "levels").glob("*.csv")):
        weather = folder / "swiss_daily" / "weather" / path.name
        yield "Switzerland", gwforecast.read_observations(path, weather)
    for name in ("Netherlands", "Sweden_2"):
        place = folder / "challenge" / name
        yield (
            "challenge",
            gwforecast.read_observations(place / "heads_full.csv", place / "input_data.csv"),
        )


def check(observations: xr.Dataset, issue: np.datetime64, trained: np.datetime64) -> list[str]:
    """Return the status of a well at an issue time, and the reasons."""
    ranges = training_ranges(known_at(observations, trained))
    past = known_at(observations, issue)
    ((level, covariates),) = series_of(past)
    well = check_well(level, covariates, issue_time=issue, limits=AgeLimits())
    Gate(ranges, issue, {}).check(well, trained_through=trained)
    return [well.status, *well.reasons]


def check_weather(
    observations: xr.Dataset, issue: np.datetime64, trained: np.datetime64
) -> tuple[str, list[str]]:
    """Return why the weather after an issue time is refused as a forecast, and with names swapped.

    Empty texts where it is not refused.
    """
    past = known_at(observations, issue)
    ((level, covariates),) = series_of(past)
    well = WellForecast(level.well, series=level, covariates=covariates)
    gate = Gate(training_ranges(known_at(observations, trained)), issue, {})
    days = int((past[schema.TIME].values[-1] - past[schema.TIME].values[-2]) / DAY)
    times = observations[schema.TIME].values
    there = (times > issue) & (times <= issue + STEPS * max(days, 1) * DAY)
    given = [replace(c, times=times[there], values=observations[c.variable].values[0][there])
             for c in covariates]  # fmt: skip
    if not there.any() or not all(np.isfinite(one.values).all() for one in given):
        return "", []
    swapped = []
    for one, other in combinations(range(len(given)), 2):
        moved = list(given)
        moved[one] = replace(given[one], values=given[other].values)
        moved[other] = replace(given[other], values=given[one].values)
        swapped.append(gate.check_ahead(well, [[m] for m in moved]))
    return gate.check_ahead(well, [[one] for one in given]), swapped


def kind_of(found: list[str]) -> str:
    """Return the kind of the status: that of old data is no alarm of a gate."""
    old = ("last level is from", "weather ends on", "there is no")
    alarms = [reason for reason in found[1:] if not any(text in reason for text in old)]
    return found[0] if alarms else ("ok" if found[0] == "ok" else "old data")


def main() -> int:
    """Return 0 where the stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    weather, swaps = [], []
    rng, counts, wells = np.random.default_rng(0), {}, Counter()
    for group, observations in read(arguments.data):
        wells[group] += 1
        of_group = counts.setdefault(group, Counter())
        known = observations[schema.LEVEL][0].dropna(schema.TIME)[schema.TIME].values
        first = known[0] + np.timedelta64(LEAST, "D")
        usable = known[known > first]
        flags: dict[str, list[str]] = {}
        for issue in rng.choice(usable, min(arguments.times, usable.size), replace=False):
            trained = issue - np.timedelta64(int(rng.integers(30, 3 * 365)), "D")
            trained = known[max(np.searchsorted(known, trained) - 1, 0)]
            found = check(observations, issue, trained)
            kind = kind_of(found)
            reason, swapped = check_weather(observations, issue, trained)
            weather.append(reason)
            swaps += swapped
            if reason and arguments.show:
                print("weather:", observations[schema.WELL].values[0], str(issue)[:10], reason)
            of_group[kind] += 1
            if kind not in ("ok", "old data"):
                flags.setdefault(" ".join(found[1:]), []).append(str(issue)[:10])
        if arguments.show and flags:
            print(observations[schema.WELL].values[0])
            for reason, times in flags.items():
                print("   ", len(times), min(times), reason[:300])
    total = sum(counts.values(), Counter())
    names = ["ok", "old data", "degraded", "check_failed"]
    print(pd.DataFrame({**counts, "all": total}).T.reindex(columns=names).fillna(0).astype(int))
    number = sum(total.values())
    barred = total["check_failed"] / number
    lowered = (total["check_failed"] + total["degraded"]) / number
    refused = np.mean([bool(reason) for reason in weather])
    caught = np.mean([bool(reason) for reason in swaps])
    print(
        f"{len(weather)} weather forecasts: {100 * refused:.2f} % refused (stated "
        f"{100 * REFUSED:g}); of {len(swaps)} with two covariates exchanged {100 * caught:.1f} %"
    )
    holds = barred < BARRED and lowered < LOWERED and refused < REFUSED
    print(
        f"{sum(wells.values())} wells, {number} checks: {100 * barred:.2f} % barred (stated "
        f"{100 * BARRED:g}), {100 * lowered:.2f} % flagged (stated {100 * LOWERED:g}): "
        f"{'holds' if holds else 'missed'}"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
