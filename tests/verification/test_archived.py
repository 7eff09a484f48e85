"""Scores of archived forecasts against a plain loop, and drift that is found only where it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from gwforecast import schema
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.verification.archived import (
    VerifiedForecast,
    coverage_limit,
    drift,
    outside,
    recommend,
    statistics_of,
    step_in,
    verified_forecasts,
    verified_scores,
)
from gwforecast.verification.averages import Pairs

Q = np.array(QUANTILES)
Z = np.array([-1.96, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.96])


def observations(days: int = 1500) -> xr.Dataset:
    time = pd.date_range("2000-01-01", periods=days)
    rng = np.random.default_rng(0)
    level = np.cumsum(rng.normal(size=(2, days)), axis=1)
    level[0, ::3] = np.nan
    rain = rng.gamma(1.0, 2.0, size=(2, days))
    return xr.Dataset(
        {"level": (("well", "time"), level), "rain": (("well", "time"), rain)},
        {"well": np.array(["a", "b"], object), "time": time},
    )


def products(data: xr.Dataset, *, first: int = 1200, n: int = 40, leads: int = 5):
    times = data["time"].values
    for number in range(n):
        at = first + 2 * number
        level = np.random.default_rng(at).normal(size=(2, 1, leads, 1)) + Z
        made = schema.label_forecast(
            level[..., 0], wells=["a", "b"], issue_times=times[[at]], frequency="D"
        )
        dims = ("well", "issue_time", "lead_time", "quantile")
        through = np.array([times[1000], times[1240]])
        yield made.assign_coords(quantile=Q).assign(
            level=(dims, level),
            model=("well", np.array(["blend", "blend"], object)),
            bundle=("well", np.array(["x", "y"], object)),
            trained_through=("well", through),
        )


def test_scores_are_those_of_a_plain_loop_and_unfair_forecasts_do_not_count() -> None:
    data = observations()
    table = verified_scores(verified_forecasts(products(data), data), quantiles=Q)
    level, times = data["level"], data["time"].values
    for well, bundle in (("a", "x"), ("b", "y")):
        for lead in (1, 5):
            errors, inside, held = [], [], []
            for product in products(data):
                issued = product["issue_time"].values[0]
                if product["trained_through"].sel(well=well).values > issued:
                    continue
                row = product["level"].sel(well=well).values[0, lead - 1]
                at = int(np.searchsorted(times, issued))
                truth = float(level.sel(well=well)[at + lead])
                if np.isfinite(truth):
                    errors.append(row[3] - truth)
                    inside.append(row[1] <= truth <= row[5])
                    past = level.sel(well=well).values[: at + 1]
                    held.append(past[np.isfinite(past)][-1] - truth)
            found = table[(table["well"] == well) & (table["lead"] == lead)].iloc[0]
            assert found["bundle"] == bundle
            assert found["n"] == len(errors)
            rmse = np.sqrt(np.mean(np.square(errors)))
            assert found["rmse"] == pytest.approx(rmse)
            assert found["bias"] == pytest.approx(np.mean(errors))
            assert found["coverage_80"] == pytest.approx(np.mean(inside))
            skill = 1 - rmse / np.sqrt(np.mean(np.square(held)))
            assert found["skill_rmse_persistence"] == pytest.approx(skill)


def pairs(errors: np.ndarray, *, spread: float = 1.0) -> tuple[list[VerifiedForecast], xr.Dataset]:
    """One-step forecasts of a level of 0 whose errors are given, with intervals of a spread."""
    time = pd.date_range("2000-01-01", periods=errors.size + 1)
    level = xr.DataArray(np.zeros((1, time.size)), {"well": ["a"], "time": time}, ("well", "time"))
    made = [
        VerifiedForecast(
            "a", "blend", "x", time.values[number], np.array([1]), np.zeros(1),
            (error + spread * Z)[None], np.zeros(1), np.array([3.0]),
        )
        for number, error in enumerate(errors)
    ]  # fmt: skip
    return made, level.to_dataset(name="level")


def judged(errors: np.ndarray, *, spread: float = 1.0) -> str:
    made, data = pairs(errors, spread=spread)
    return str(recommend(drift(made, data, quantiles=Q))["recommendation"].iloc[0])


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_a_forecaster_as_good_as_it_says_is_left_alone(memory: float) -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        noise = rng.normal(size=70) * np.sqrt(1 - memory**2)
        for step in range(1, 70):
            noise[step] += memory * noise[step - 1]
        alarms += judged(noise) != "nothing"
    assert alarms / 200 <= 0.05


def retrained_in_a_year(errors: np.ndarray, *, climatology: float, stride: int = 1) -> bool:
    """Return whether any of 53 weekly looks finds that coverage or skill has drifted."""
    level = np.full((2, errors.size, Q.size), np.nan)
    level[0] = errors[:, None] + Z  # of a level of 0
    level[1, :, 3] = climatology
    days = np.arange(errors.size) * np.timedelta64(7 // stride, "D")
    times = np.datetime64("2000-01-03", "us") + days
    for look in range(53):
        part = slice(look * stride, look * stride + 104)
        rows = np.ones(104, bool)
        pairs = Pairs(np.zeros(104), level[:, part], Q, rows)
        if any(row["drifts"] for row in statistics_of("a", times[part], pairs)):
            return True
    return False


@pytest.mark.parametrize(("memory", "stride"), [(0.3, 1), (8.0, 1), (8.0, 7)])
def test_a_year_of_weekly_looks_leaves_reliable_wells_alone(memory: float, stride: int) -> None:
    rng, share, n = np.random.default_rng(6), np.exp(-1 / memory), 104 + 52 * stride
    alarms = 0
    for _ in range(20):
        errors = rng.normal(size=n) * np.sqrt(1 - share**2)
        errors[0] = rng.normal()
        for step in range(1, n):
            errors[step] += share * errors[step - 1]
        alarms += retrained_in_a_year(errors, climatology=1.6, stride=stride)
    assert alarms <= 1  # one in a hundred


def test_coverage_of_few_independent_outcomes_cannot_drift() -> None:
    limits = [coverage_limit(n) for n in (3.0, 10.0, 30.0, 100.0, 1000.0)]
    assert limits[0] == 0.0
    assert limits == sorted(limits)
    for n, limit in ((30, limits[2]), (100, limits[3])):
        assert stats.binom.cdf(np.floor(n * limit), n, 0.8) < 0.001


def test_a_step_is_the_sensors_and_a_wide_error_the_models() -> None:
    rng = np.random.default_rng(2)
    steps = [rng.normal(size=70) for _ in range(50)]
    for errors in steps:
        errors[rng.integers(20, 60)] = rng.choice([-9.0, 9.0])
    assert np.mean([judged(errors) == "check the sensor" for errors in steps]) > 0.9
    worse = [judged(rng.normal(size=70) * 2.0) for _ in range(50)]
    assert np.mean([found == "retrain" for found in worse]) > 0.9
    spike = rng.normal(size=70)
    spike[40:42] = 9.0, -9.0
    assert step_in(spike)[1] == 0.0


def test_weather_beyond_that_of_training_is_noticed() -> None:
    data = observations()
    through = xr.DataArray(data["time"].values[[1200, 1200]], {"well": ["a", "b"]}, ("well",))
    assert not outside(data, through)["drifts"].any()
    data["rain"][0, 1250:] *= 5
    found = outside(data, through).set_index("well")["drifts"]
    assert found["a"]
    assert not found["b"]
