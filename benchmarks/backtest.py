"""Time of a backtest of one well: 1,000 origins, 10 networks, 90 lead times, without refit.

The network is fitted first, which is timed apart: it is what `benchmarks/training.py` measures. The
backtest itself is the hindcasts that calibrate the intervals, the forecasts at all origins, their
intervals, and the scores by lead time.

    python benchmarks/backtest.py ../shared/data [--origins 1000] [--members 10]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import gwforecast
from gwforecast.calibration.calibrated import Calibrated
from gwforecast.forcings.base import ObservedWeather
from gwforecast.sequences.origins import issue_times_of, mask_to_period, observed_at

MOST_SECONDS = 60.0
HORIZON = 90


def main() -> int:
    """Time fit and backtest; return 0 where the backtest is quick enough."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--origins", type=int, default=1000)
    parser.add_argument("--members", type=int, default=10)
    arguments = parser.parse_args()
    folder = arguments.data / "challenge" / "Netherlands"
    observations = gwforecast.read_observations(
        folder / "heads_full.csv", folder / "input_data.csv"
    )
    split = gwforecast.split_by_fraction(observations)
    start = time.perf_counter()
    network = gwforecast.LSTM(members=arguments.members)
    forecaster = gwforecast.Corrected([network]).fit(observations, split=split)
    fitted = time.perf_counter()
    calibrated = Calibrated(forecaster, horizon=HORIZON, forcing=ObservedWeather())
    calibrated.calibrate(observations, split=split)
    ready = time.perf_counter()
    issued = issue_times_of(observations, split, period="test")[: arguments.origins]
    hindcasts = forecaster.forecast(
        observations, issue_times=issued, horizon=HORIZON, forcing=ObservedWeather()
    )
    hindcasts = mask_to_period(hindcasts, split, period="test")
    levels = split.levels(observations, "test")
    outcome = observed_at(levels, hindcasts)
    quantiles = calibrated.interval_.apply(hindcasts, observed=outcome)
    forecast = time.perf_counter()
    scores = gwforecast.lead_scores(
        quantiles.expand_dims(model=["lstm"]), observations.assign(level=levels), baselines=()
    )
    scored = time.perf_counter()
    seconds = {
        "fit (not counted)": fitted - start,
        "calibration": ready - fitted,
        "forecasts and intervals": forecast - ready,
        "scores": scored - forecast,
    }
    print(f"{issued.size} origins x {hindcasts.sizes['member']} members x {HORIZON} lead times, "
          f"{len(scores)} scores")  # fmt: skip
    for name, value in seconds.items():
        print(f"{name:28s}{value:8.1f} s")
    total = scored - fitted
    holds = total < MOST_SECONDS and issued.size >= min(arguments.origins, 1000)
    print(f"\nbacktest {total:.1f} s, {'below' if holds else 'not below'} {MOST_SECONDS:.0f} s")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
