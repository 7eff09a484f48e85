"""``gwforecast backtest`` in a real process, and ``forecast`` and ``backtest`` from Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast import SchemaError

FILES = ["--levels", "levels.csv", "--covariates", "weather.csv"]
CONFIG = """
[data]
levels = 'levels.csv'
covariates = 'weather.csv'
[models]
members = 2
[lstm]
epochs = 3
units = [4]
lookback = 26
[backtest]
models = ['lstm', 'linear', 'climatology', 'persistence']
forcing = 'climatology'
horizon = 6
stride = 4
refit_every = 6
sliding = true
folder = 'hindcasts'
"""


def test_hindcasts_scores_and_figures_are_written(folder: Path, gwforecast) -> None:
    done = gwforecast(
        "backtest", *FILES, "--models", "linear,arma_regression,climatology,persistence",
        "--horizon", 13, "--out", "out", "--threshold", 40.5, cwd=folder,
    )  # fmt: skip
    assert done.stderr == ""
    assert "weather after the issue time: observed" in done.stdout
    assert "rmse by lead time in weeks: root mean squared error, m" in done.stdout
    assert "Skill in CRPS of linear against arma_regression by lead time in weeks" in done.stdout
    assert "95 % interval of linear: share of levels inside, test period, 1 well" in done.stdout
    assert "its 95 % range" in done.stdout
    out = folder / "out"
    compared = pd.read_csv(out / "comparison.csv")
    assert (compared["lower"] <= compared["skill"]).all()
    assert (compared["skill"] <= compared["upper"]).all()
    with xr.open_dataset(out / "hindcasts.nc") as hindcasts:
        assert hindcasts["level"].dims == (
            "model", "well", "issue_time", "lead_time", "quantile"
        )  # fmt: skip
        valid = hindcasts["issue_time"] + hindcasts["lead_time"]
        np.testing.assert_array_equal(valid.values, hindcasts["valid_time"].values)
        assert hindcasts.attrs["forcing"] == "observed"
    scores = pd.read_csv(out / "scores_by_lead.csv")
    rmse = scores[scores["metric"] == "rmse"].set_index(["model", "lead"])["value"]
    # the truth is a linear reservoir, so that the regression knows nearly all of it
    assert rmse["linear", 1] < 0.5 * rmse["persistence", 1]
    assert rmse["linear", 13] < 0.3 * rmse["persistence", 13]
    coverage = scores[(scores["metric"] == "coverage_95") & (scores["model"] == "linear")]["value"]
    assert 0.8 < coverage.mean() <= 1.0
    run = json.loads((out / "run.json").read_text())
    assert run["origins"]["horizon"] == 13
    assert run["event"] == "level below 40.5 m"
    assert {entry["status"] for entry in run["outcomes"]} == {"ok"}
    for name in run["outputs"]:
        assert (out / name).stat().st_size > 0
    drawn = " ".join(path.name for path in (out / "figures").iterdir())
    for name in ("fan_", "hindcasts_", "crps_by_lead", "coverage_by_year", "reliability", "pit"):
        assert name in drawn


def test_a_configuration_with_refits_and_climatological_weather(folder: Path, gwforecast) -> None:
    (folder / "run.toml").write_text(CONFIG)
    done = gwforecast("backtest", "run.toml", "--figures", 0, cwd=folder)
    assert done.returncode == 0, done.stderr
    run = json.loads((folder / "hindcasts" / "run.json").read_text())
    assert run["origins"]["forcing"] == "climatology"
    assert run["origins"]["refit_every"] == 6
    assert run["origins"]["sliding"] is True
    scores = pd.read_csv(folder / "hindcasts" / "scores_by_lead.csv")
    assert set(scores["model"]) == {"lstm", "linear", "climatology", "persistence"}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--forcing", "oracle"], "--forcing must be one of 'observed' or 'climatology'"),
        (
            ["--horizon", "0"],
            "--horizon must be at least 1. Received 0. Correct the option --horizon.",
        ),
        (["--start", "2050-01-01"], "needs at least one issue time in the test period"),
        (["--models", "lstn"], "must be one of"),
    ],
)
def test_wrong_options_say_what_to_mend(folder: Path, gwforecast, option, message: str) -> None:
    done = gwforecast("backtest", *FILES, *option, cwd=folder, code=2)
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def record(wells: int = 2, steps: int = 520) -> xr.Dataset:
    rng = np.random.default_rng(0)
    rain = rng.gamma(0.8, 10.0, (wells, steps))
    level = np.zeros((wells, steps))
    for step in range(1, steps):
        level[:, step] = 0.93 * level[:, step - 1] + 0.01 * (rain[:, step] - 8)
    time = pd.date_range("2005-01-03", periods=steps, freq="W-MON")
    dims, names = ("well", "time"), [f"w{i}" for i in range(wells)]
    return xr.Dataset(
        {"level": (dims, level + 10), "rr": (dims, rain, {"units": "mm"})},
        {"well": names, "time": time},
    )


def test_a_failing_well_or_model_costs_only_itself() -> None:
    observations = record(3)
    observations["level"][1, 12:] = np.nan  # too short for any model
    with pytest.warns(UserWarning, match="w1"):
        result = gw.backtest(
            observations, models=["linear", "unobserved_components", "persistence"], horizon=4
        )
    ok = result.outcomes[result.outcomes["status"] == "ok"]
    assert {"w0", "w2"} <= set(ok[ok["model"] == "linear"]["well"])
    assert set(result.outcomes["model"]) == {"linear", "unobserved_components", "persistence"}
    level = result.hindcasts["level"].sel(model="linear", well=["w0", "w2"], quantile=0.5)
    assert np.isfinite(level.values).any(axis=(1, 2)).all()


def test_a_forecast_tells_what_it_was_made_from() -> None:
    observations = record(1)
    issued = observations["time"].values[480]
    observations["level"][0, 475:481] = np.nan
    found = gw.forecast(observations, issue_time=issued, models=["linear"], horizon=8)
    assert found.attrs["forcing"] == "climatology"
    assert found.attrs["model"] == "linear"
    assert found["last_observation"].values[0, 0] == observations["time"].values[474]
    assert found["level"].dims == ("well", "issue_time", "lead_time", "quantile")
    members = gw.forecast(
        observations, issue_time=issued, models=["linear"], horizon=8, as_members=True
    )
    assert members.sizes["member"] == len(np.unique(members["forcing_member"])) > 5
    assert (np.diff(found["level"].values, axis=-1) >= 0).all()


def test_what_comes_after_the_issue_time_does_not_change_a_forecast() -> None:
    observations = record(1)
    issued = observations["time"].values[400]
    expected = gw.forecast(observations, issue_time=issued, models=["linear"], horizon=8)
    for later in (np.nan, 1e6):
        changed = observations.where(observations["time"] <= issued, later)
        changed["rr"].attrs["units"] = "mm"
        found = gw.forecast(changed, issue_time=issued, models=["linear"], horizon=8)
        assert found["level"].values.tobytes() == expected["level"].values.tobytes()


def test_the_default_issue_time_is_the_last_that_is_complete() -> None:
    observations = record(1)
    observations["rr"][0, 515:] = np.nan
    found = gw.forecast(observations, models=["climatology"], horizon=3)
    assert found["issue_time"].values[0] == observations["time"].values[514]


def test_the_status_of_the_months_ahead_and_crossings_are_reported(tmp_path: Path) -> None:
    observations = record(2, steps=1040)
    observations["level"][1, :700] = np.nan  # too short to say what is normal
    threshold = float(observations["level"].sel(well="w0").quantile(0.3))
    result = gw.backtest(
        observations, models=["linear", "persistence"], horizon=13, threshold=threshold,
        out=tmp_path, figures=2,
    )  # fmt: skip
    status = result.status_forecast.status
    assert set(status["well"]) == {"w0"}
    assert "at least 8 years" in result.status_forecast.missing["w1"]
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["without_status"] == result.status_forecast.missing
    ahead = status[status["source"] == "forecast"]
    assert (ahead["time"] >= ahead["issue_time"].dt.to_period("M").dt.to_timestamp()).all()
    chances = ahead[["p_below", "p_near", "p_above"]]
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert len(ahead) >= 2
    # the same state as by hand, from the forecast alone
    one = result.hindcasts.sel(model="linear", well=["w0"], drop=True).sel(
        issue_time=[ahead["issue_time"].iloc[0]]
    )
    rows = result.split.rows(observations, "train", "validation").sel(well=["w0"])
    fitted = gw.LevelStatus().fit(observations.sel(well=["w0"]), rows=rows)
    by_hand = fitted.table(observations.sel(well=["w0"]), one)
    pd.testing.assert_frame_equal(status.drop(columns="issue_time").reset_index(drop=True), by_hand)
    crossings = pd.read_csv(tmp_path / "crossings.csv")
    assert len(crossings) == 2 * result.hindcasts.sizes["issue_time"]
    assert crossings["probability"].dropna().between(0, 1).all()
    for name in ("status.csv", "crossings.csv", "figures/status.png"):
        assert name in run["outputs"]


def test_without_a_threshold_nothing_is_said_of_crossings(tmp_path: Path) -> None:
    result = gw.backtest(record(1), models=["linear"], horizon=4, out=tmp_path, figures=0)
    assert not len(result.status_forecast.crossings)
    assert not (tmp_path / "crossings.csv").exists()


@pytest.mark.parametrize("forcing", ["observed", "climatology"])
def test_forecasts_are_issued_as_far_as_the_weather_goes(forcing: str) -> None:
    observations = record(2)
    observations["rr"][:, 490:] = np.nan  # levels go on
    last = observations["time"].values[489]
    with pytest.warns(UserWarning, match=r"issue times are later and left out"):
        result = gw.backtest(
            observations, models=["linear", "persistence"], horizon=4, forcing=forcing
        )
    assert result.hindcasts["issue_time"].values[-1] <= last
    assert set(result.outcomes["status"]) == {"ok"}
    rmse = result.scores.query("metric == 'rmse'")
    assert set(rmse["model"]) == {"linear", "persistence"}
    observations["rr"][:, 300:] = np.nan
    with pytest.raises(SchemaError, match="weather must cover levels of each period"):
        gw.backtest(observations, models=["linear"], horizon=4, forcing=forcing)


def test_the_last_step_is_the_issue_time_by_default() -> None:
    data = gw.load_sample().sel(well=["fen"]).sel(time=slice("2006", "2018"))
    found = gw.forecast(data, models=["linear"], horizon=3)
    assert found["issue_time"].values[0] == data["time"].values[-1]
    assert found["level"].notnull().all()


def test_issue_times_of_daily_levels_are_on_all_days_of_the_week() -> None:
    time = pd.date_range("2010-01-01", "2013-12-31", name="time")
    rain = np.random.default_rng(0).gamma(0.3, 8.0, time.size)
    level = 50 + pd.Series(rain).ewm(halflife=40).mean().to_numpy() + 0.3 * (time.day_of_week < 5)
    observations = xr.Dataset(
        {"level": (("well", "time"), level[None]), "rain": (("well", "time"), rain[None])},
        {"well": ["a"], "time": time},
    )
    result = gw.backtest(observations, models=["linear", "persistence"], horizon=7)
    issued = pd.DatetimeIndex(result.hindcasts["issue_time"].values)
    # on a single weekday the next day would be like all others, or the only one that is not
    assert set(issued.day_of_week) == set(range(7))
    assert set(np.diff(issued).astype("timedelta64[D]").astype(int)) == {8}
