"""False alarms: how often the gates of scheduled forecasts flag wells whose data are as they were.

    python benchmarks/false_alarms.py [DATA] [--times 20] [--show] [--absurd]

Wells of Germany (weekly), Switzerland (daily) and the 2022 challenge are checked at random issue
times, as on the morning of a scheduled run: with levels and weather up to the issue time, and the
ranges of a training that ended one to 36 months before it. No model is needed. The data are not
free of faults, so that some flags are right; ``--show`` prints each. Stated: fewer than 1 % of the
checks bar a well (``check_failed``), and fewer than 3 % lower it for anything but missing data. The
weather that followed is checked as a weather forecast: fewer than 1 % may be refused as it is, and
the share that is refused with two covariates exchanged is printed.

``--absurd`` changes the data of each check in the ways of :func:`absurdities` instead, which leave
them within their natural range, and prints the share of each that is not ``ok``, by time step.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import gwforecast
from gwforecast import schema
from gwforecast.quality.checks import series_of
from gwforecast.quality.gates import Ranges, training_ranges
from gwforecast.sequences.origins import known_at
from gwforecast.service.readiness import AgeLimits, WellForecast, check_well
from gwforecast.service.wells.gate import Gate

BARRED, LOWERED, REFUSED = 0.01, 0.03, 0.01
DAY, YEAR = np.timedelta64(1, "D"), np.timedelta64(365, "D")
STEPS = 10  # of a weather forecast
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


def check(
    observations: xr.Dataset, issue: np.datetime64, trained: np.datetime64, ranges: Ranges
) -> list[str]:
    """Return the status of a well at an issue time, and the reasons."""
    past = known_at(observations, issue)
    ((level, covariates),) = series_of(past)
    well = check_well(level, covariates, issue_time=issue, limits=AgeLimits())
    Gate(ranges, issue, {}).check([well], trained_through={well.name: trained})
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


def absurdities(
    rng: np.random.Generator, other: xr.Dataset
) -> dict[str, Callable[[xr.Dataset], xr.Dataset]]:
    """Return changes of the observations of one well, by what they do; ``other`` is another one."""

    def levels(edit: Callable[[np.ndarray], np.ndarray], last: int) -> Callable[..., xr.Dataset]:
        def change(past: xr.Dataset) -> xr.Dataset:
            level = past[schema.LEVEL].copy(deep=True)
            at = np.flatnonzero(np.isfinite(level.values[0]))[-last:]
            level.values[0, at] = edit(level.values[0, at])
            return past.assign({schema.LEVEL: level})

        return change

    def weather(
        kind: str, edit: Callable[[xr.DataArray, slice], np.ndarray], days: int
    ) -> Callable[..., xr.Dataset]:
        def change(past: xr.Dataset) -> xr.Dataset:
            times = past[schema.TIME].values
            late = slice(int(np.searchsorted(times, times[-1] - days * DAY)), None)
            made = past.copy(deep=True)
            for name in schema.covariate_names(past):
                if kind in schema.covariate_kind(name, past[name].attrs):
                    made[name].values[:, late] = edit(past[name], late)
            return made

        return change

    def earlier(values: xr.DataArray, late: slice, days: int) -> np.ndarray:
        times = values[schema.TIME].values
        return values.values[:, np.searchsorted(times, times[late] - days * DAY)]

    def delayed(past: xr.Dataset, days: int = 21) -> xr.Dataset:
        level = past[schema.LEVEL].copy(deep=True)
        late = slice(int(np.searchsorted(level[schema.TIME], level[schema.TIME][-1] - YEAR)), None)
        level.values[:, late] = earlier(past[schema.LEVEL], late, days)
        return past.assign({schema.LEVEL: level})

    def there(values: xr.DataArray, late: slice) -> np.ndarray:
        found = other[values.name].reindex({schema.TIME: values[schema.TIME][late]}).values
        return np.where(np.isfinite(found), found, values.values[:, late])

    return {
        "noise of 10 cm, last 10 levels": levels(lambda x: x + rng.normal(0, 0.1, x.size), 10),
        "noise of 10 cm, last 30 levels": levels(lambda x: x + rng.normal(0, 0.1, x.size), 30),
        "random order, last 30 levels": levels(rng.permutation, 30),
        "reverse order, last 30 levels": levels(lambda x: x[::-1], 30),
        "mirrored, last 30 levels": levels(lambda x: 2 * x.mean() - x, 30),
        "mirrored, last 90 levels": levels(lambda x: 2 * x.mean() - x, 90),
        "doubled, last 30 levels": levels(lambda x: 2 * x - x.mean(), 30),
        "doubled, last 90 levels": levels(lambda x: 2 * x - x.mean(), 90),
        "levels of a year, three weeks late": delayed,
        "rain halved, 180 d": weather("rain", lambda x, at: x.values[:, at] / 2, 180),
        "rain doubled, 180 d": weather("rain", lambda x, at: x.values[:, at] * 2, 180),
        "temperature constant, 180 d": weather(
            "temperature", lambda x, at: np.full_like(x.values[:, at], 7.3), 180
        ),
        "weather of a year before, 200 d": weather("", lambda x, at: earlier(x, at, 364), 200),
        "weather 30 d late, a year": weather("", lambda x, at: earlier(x, at, 30), 365),
        "weather of another well, a year": weather("", there, 365),
        "weather of another well, all": weather("", there, 99_999),
    }


def print_caught(data: Path, times: int) -> None:
    """Print the share of each kind of absurd data that is not ``ok``."""
    rng, rows = np.random.default_rng(1), []
    wells = list(read(data))
    for group, observations in wells:
        others = [own for name, own in wells if name == group and own is not observations]
        for issue, trained in _checks(np.random.default_rng(0), observations, times):
            past = known_at(observations, issue).sel({schema.TIME: slice(None, issue)})
            ranges = training_ranges(known_at(observations, trained))
            other = others[int(rng.integers(len(others)))]
            if check(past, issue, trained, ranges)[0] != "ok":
                continue
            for what, change in absurdities(rng, other).items():
                status = check(change(past), issue, trained, ranges)[0]
                rows.append((what, "daily" if group == "Switzerland" else "weekly", status))
    table = pd.DataFrame(rows, columns=["change", "step", "status"])
    table["share"] = 100.0 * (table["status"] != "ok")
    print(table.pivot_table(index="change", columns="step", values="share", sort=False).round(0))


def kind_of(found: list[str]) -> str:
    """Return the kind of the status: that of old data is no alarm of a gate."""
    old = ("last level is from", "weather ends on", "there is no")
    alarms = [reason for reason in found[1:] if not any(text in reason for text in old)]
    return found[0] if alarms else ("ok" if found[0] == "ok" else "old data")


def _checks(
    rng: np.random.Generator, observations: xr.Dataset, times: int
) -> Iterator[tuple[np.datetime64, np.datetime64]]:
    """Yield random issue times of a well, and the ends of the trainings before them."""
    known = observations[schema.LEVEL][0].dropna(schema.TIME)[schema.TIME].values
    usable = known[known > known[0] + LEAST * DAY]
    for issue in rng.choice(usable, min(times, usable.size), replace=False):
        trained = issue - int(rng.integers(30, 3 * 365)) * DAY
        yield issue, known[max(np.searchsorted(known, trained) - 1, 0)]


def main() -> int:
    """Return 0 where the stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--absurd", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.absurd:
        print_caught(arguments.data, arguments.times)
        return 0
    weather, swaps = [], []
    rng, counts, wells = np.random.default_rng(0), {}, Counter()
    for group, observations in read(arguments.data):
        wells[group] += 1
        of_group = counts.setdefault(group, Counter())
        flags: dict[str, list[str]] = {}
        for issue, trained in _checks(rng, observations, arguments.times):
            found = check(
                observations, issue, trained, training_ranges(known_at(observations, trained))
            )
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
