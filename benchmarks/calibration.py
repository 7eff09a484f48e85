"""Simulations of intervals, of the range of skill, and of drift alarms, against stated figures.

Run with ``python benchmarks/calibration.py``; ``--quick`` uses a tenth of the wells, whose
chance alone can break a stated figure. The exit code
is 0 where all stated figures hold. Errors are those of weekly levels; a memory is the time in steps
in which their autocorrelation falls to 1 / e.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.intervals import QUANTILES, ForecastInterval, SimulationInterval
from gwforecast.verification.archived import statistics_of
from gwforecast.verification.averages import Pairs
from gwforecast.verification.probabilistic import coverage_by_year
from gwforecast.verification.significance import skill_range

YEAR = 52
LATER = 8  # years that are judged
LEVELS = (50, 80, 95)
SPAN = 13  # lead time of forecasts, steps
NORMAL = {0.025: -1.95996, 0.1: -1.28155, 0.25: -0.67449, 0.5: 0.0}
Z = np.array([NORMAL[q] if q <= 0.5 else -NORMAL[round(1 - q, 3)] for q in QUANTILES])


def lasting(rng: np.random.Generator, series: int, n: int, memory: float) -> np.ndarray:
    """Return autoregressive errors of variance 1, shape (series, n)."""
    share = np.exp(-1 / memory)
    steps = rng.normal(size=(n, series)) * np.sqrt(1 - share**2)
    steps[0] = rng.normal(size=series)
    for step in range(1, n):
        steps[step] += share * steps[step - 1]
    return steps.T


def moving_sums(rng: np.random.Generator, series: int, n: int, span: int) -> np.ndarray:
    """Return sums of independent numbers over a span, of variance 1, shape (series, n)."""
    steps = rng.normal(size=(series, n + span))
    return np.stack([steps[:, k : k + n] for k in range(span)]).sum(axis=0) / np.sqrt(span)


def skewed(normal: np.ndarray) -> np.ndarray:
    """Return errors that are half those of a normal distribution below 0, and twice above."""
    return np.where(normal > 0, 2.0 * normal, 0.5 * normal)


def forecast_of(level: np.ndarray) -> xr.Dataset:
    """Return weekly forecasts, level (well, issue_time, lead_time[, member])."""
    weeks = np.arange(level.shape[1]) * np.timedelta64(7, "D")
    return schema.label_forecast(
        level,
        wells=[f"w{number}" for number in range(level.shape[0])],
        issue_times=np.datetime64("1980-01-07", "us") + weeks,
        frequency="W-MON",
    )


def inside(quantiles: np.ndarray, observed: np.ndarray) -> list[float]:
    """Return the coverage of the 50, 80 and 95 % intervals, %."""
    low = (observed >= quantiles[..., 3 - k] for k in (1, 2, 3))
    high = (observed <= quantiles[..., 3 + k] for k in (1, 2, 3))
    return [100 * float((a & b).mean()) for a, b in zip(low, high, strict=True)]


def reliability(rng: np.random.Generator, wells: int) -> bool:
    """Judge each quantile of reliable, and of overconfident, skewed ensembles."""
    print("\nShare of outcomes below each quantile of skewed ensembles, within 0.02 of nominal")
    print(f"{'':44s}" + "".join(f"{q:8g}" for q in QUANTILES))
    good = True
    cut, n, leads = 6 * YEAR, 12 * YEAR, 3
    for name, share in (("reliable ensemble", 1.0), ("half the spread", 0.5), ("no ensemble", 0.0)):
        members = share * skewed(rng.normal(size=(wells, n, leads, 51)))
        forecast = forecast_of(members if share else members[..., 0])
        observed = xr.zeros_like(forecast_of(members[..., 0])["level"])
        observed = observed + skewed(rng.normal(size=(wells, n, leads)))
        past, later = ({"issue_time": part} for part in (slice(0, cut), slice(cut, None)))
        interval = ForecastInterval().fit(forecast.isel(past), observed.isel(past))
        truth = observed.isel(later)
        for follows in (False, True):
            made = interval.apply(forecast.isel(later), observed=truth if follows else None)
            found = (truth <= made["level"]).mean(["well", "issue_time", "lead_time"]).values
            holds = bool((np.abs(found - QUANTILES) <= 0.02).all())
            good &= holds
            what = f"{name}, {'followed' if follows else 'as calibrated'}"
            print(f"{what:44s}" + "".join(f"{share_:8.3f}" for share_ in found), _mark(holds))
    return good


def coverage_of_simulations(rng: np.random.Generator, memory: int, years: int, wells: int) -> list:
    """Return the coverage of intervals of simulations in the years after the calibration, %."""
    n = YEAR * years
    errors = lasting(rng, wells, n + YEAR * LATER, memory)
    weeks = np.arange(errors.shape[1]) * np.timedelta64(7, "D")
    coords = {"well": [f"w{k}" for k in range(wells)],
              "time": np.datetime64("1980-01-07", "us") + weeks}  # fmt: skip
    observed = xr.Dataset({"level": (("well", "time"), errors)}, coords)
    rows = xr.ones_like(observed["level"], dtype=bool)
    rows[:, n:] = False
    simulation = xr.zeros_like(observed)
    made = SimulationInterval().fit(simulation, observed, rows=rows).apply(simulation)
    return inside(made["level"].values[:, n:], errors[:, n:])


def coverage_of_forecasts(
    rng: np.random.Generator, memory: int, years: int, wells: int, *, corrected: bool
) -> list[list[float]]:
    """Return the coverage of intervals of forecasts, %, as calibrated and followed.

    Corrected forecasts know the error at the issue time; the others do not, as a climatology.
    """
    leads = np.array([1, 4, SPAN])
    n = YEAR * years
    errors = lasting(rng, wells, n + YEAR * LATER + SPAN, memory)
    total = n + YEAR * LATER
    now = errors[:, :total] if corrected else np.zeros((wells, total))
    share = np.exp(-1 / memory)
    ahead = np.stack([errors[:, k : k + total] - share**k * now for k in leads], axis=-1)
    forecast = forecast_of(np.zeros((wells, total, SPAN)))
    forecast = forecast.isel(lead_time=leads - 1)
    observed = forecast["level"] + ahead
    past, later = {"issue_time": slice(0, n - SPAN)}, {"issue_time": slice(n, None)}
    interval = ForecastInterval().fit(forecast.isel(past), observed.isel(past))
    truth = observed.isel(later)
    return [
        inside(interval.apply(forecast.isel(later), **known)["level"].values, truth.values)
        for known in ({}, {"observed": truth})
    ]


def coverages(rng: np.random.Generator, wells: int) -> bool:
    """Judge the coverage of intervals with errors that last."""
    print("\nCoverage, %, of 50, 80 and 95 % intervals in 8 years after the calibration: within 2 "
          "points of nominal from 8 years on, within 4 from 3 years")  # fmt: skip
    good = True
    for memory in (4, 13, 26, 52):
        for years in (3, 8, 24):
            more = wells * (3 if memory > 13 else 1)  # few independent errors in each
            rows = {"simulation": coverage_of_simulations(rng, memory, years, more)}
            for name, corrected in (("corrected forecast", True), ("uncorrected forecast", False)):
                made = coverage_of_forecasts(rng, memory, years, more // 3, corrected=corrected)
                rows |= {name: made[0], f"{name}, followed": made[1]}
            for name, found in rows.items():
                away = np.abs(np.subtract(found, LEVELS)).max()
                holds = bool(away <= (2 if years >= 8 else 4))
                good &= holds
                shown = "".join(f"{value:7.1f}" for value in found)
                what = f"memory {memory:2d}, {years:2d} years, {name:31s}"
                print(f"{what}{shown}", _mark(holds), flush=True)
    return good


def skills(rng: np.random.Generator, series: int) -> bool:
    """Judge how often the 95 % range of skill holds the true skill."""
    print("\nShare of records whose 95 % range of skill holds it: 0.92 or more from n = 150, for "
          "10 spans or more (and, in brackets, records whose range is not bounded)")  # fmt: skip
    good = True
    for kind, make in (("moving sums", moving_sums), ("memory", lasting)):
        for n, span in ((150, 1), (150, 4), (150, 13), (150, 26), (300, 26), (600, 26)):
            errors, other = make(rng, series, n, span), make(rng, series, n, span)
            theirs = 0.5 * errors + np.sqrt(0.75) * other
            lower, upper, _ = skill_range(np.square(0.8 * errors), np.square(theirs), span=span)
            bounded = np.isfinite(lower)
            held = np.mean((lower <= 0.36) & (upper >= 0.36), where=bounded)
            stated = n >= 10 * span
            holds = bool(held >= 0.92)
            good &= holds or not stated
            print(f"{kind:12s} n = {n}, span {span:2d}: {held:.3f} ({1 - bounded.mean():.3f})",
                  _mark(holds) if stated else "not stated")  # fmt: skip
    return good


def ranges(rng: np.random.Generator, wells: int) -> bool:
    """Judge how often the range of a well's coverage holds the nominal one."""
    print("\nShare of wells whose range of coverage holds the nominal 95 %, 4 years: 0.92 or more")
    good = True
    for memory in (0.3, 4, 13, 26):
        errors = lasting(rng, wells, 4 * YEAR, memory)
        forecast = np.broadcast_to(Z, (1, *errors.shape, Z.size))
        weeks = np.datetime64("2001-01-01", "us") + np.arange(4 * YEAR) * np.timedelta64(7, "D")
        coords = {"well": np.arange(wells).astype(str), "time": weeks}
        dims = ("model", "well", "time", "quantile")
        level = xr.DataArray(
            forecast, {"model": ["m"], **coords, "quantile": list(QUANTILES)}, dims
        )
        table = coverage_by_year(level, xr.DataArray(errors, coords, ("well", "time")))
        whole = table[(table["year"] == "all") & (table["nominal"] == 95)]
        held = ((whole["lower"] <= 0.95) & (whole["upper"] >= 0.95)).mean()
        usual = whole["value"].between(0.90, 0.98).mean()
        good &= bool(held >= 0.92)
        print(f"memory {memory:4g}: {held:.3f}; between 90 and 98 %: {usual:.2f}",
              _mark(held >= 0.92))  # fmt: skip
    return good


def alarms(rng: np.random.Generator, wells: int) -> bool:
    """Judge the share of good wells with an alarm in a year, and of those that became worse."""
    print("\nShare of wells with an alarm in a year of weekly looks: 0.01 or less if reliable, "
          "within the error of the simulation")  # fmt: skip
    good = True
    for memory in (0.3, 2, 8, 26):
        found = [_alarm_share(rng, wells, memory, size) for size in (1.0, 2.0)]
        holds = found[0] <= 0.01 + 2 * np.sqrt(0.01 / wells)
        good &= holds
        print(f"memory {memory:4g}: reliable {found[0]:.3f}, errors twice as large {found[1]:.2f}",
              _mark(holds), flush=True)  # fmt: skip
    return good


def _alarm_share(rng: np.random.Generator, wells: int, memory: float, size: float) -> float:
    window, n = 104, 104 + YEAR
    errors = size * lasting(rng, wells, n, memory)
    usual = 1.6 * size * lasting(rng, wells, n, memory)
    weeks = np.datetime64("2001-01-01", "us") + np.arange(n) * np.timedelta64(7, "D")
    alarmed = 0
    for own, climatology in zip(errors, usual, strict=True):
        level = np.full((2, n, Z.size), np.nan)
        level[0], level[1, :, 3] = own[:, None] + Z, climatology
        for look in range(YEAR + 1):
            part = slice(look, look + window)
            pairs = Pairs(np.zeros(window), level[:, part], np.array(QUANTILES),
                          np.ones(window, bool))  # fmt: skip
            if any(row["drifts"] for row in statistics_of("well", weeks[part], pairs)):
                alarmed += 1
                break
    return alarmed / wells


def _mark(holds: bool) -> str:
    return "" if holds else "  <- not as stated"


def main() -> int:
    """Run all simulations; return 0 where all stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the wells")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    part = 0.1 if given.quick else 1.0
    good = True
    for judge, wells in (
        (reliability, 20), (coverages, 900), (skills, 4000), (ranges, 1000), (alarms, 200),
    ):  # fmt: skip
        start = time.perf_counter()
        number = wells if judge is reliability else max(20, round(part * wells))
        good &= judge(np.random.default_rng(given.seed), number)
        print(f"{time.perf_counter() - start:.0f} s", flush=True)
    print("\nAll stated figures hold." if good else "\nNot all stated figures hold.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
