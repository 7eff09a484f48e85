"""Scheduled forecasts have the intervals that a backtest of the same issue times judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.config.load import Settings, load_settings
from gwforecast.data.readers import read_observations
from gwforecast.runs.backtest import backtest
from gwforecast.runs.forecast import TRAIN, VALIDATION
from gwforecast.sequences.split import Split, split_by_fraction
from gwforecast.service import schedule
from gwforecast.service.archive import Archive
from gwforecast.service.champions import Champions
from gwforecast.service.verify import verify

CONFIG = """
[data]
levels = "wells"
covariates = "weather.csv"
[schedule]
models = ["linear"]
horizon = 6
"""
TRAINED, FIRST, LAST = "2007-12-31", "2007-12-31", "2008-12-29"
NOW = pd.Timestamp("2010-01-01")


@pytest.fixture(scope="module")
def filled(shared_folder: Path) -> tuple[Path, Settings]:
    """Two wells, trained through 2007 and forecast each week of a year."""
    levels = pd.read_csv(shared_folder / "levels.csv")
    (shared_folder / "wells").mkdir()
    rng = np.random.default_rng(0)
    for number, well in enumerate(("a", "b")):
        noise = rng.exponential(0.02, len(levels))  # errors that are skewed, and grow with time
        noise *= 1 + 4 * (pd.to_datetime(levels.iloc[:, 0]) > TRAINED)
        levels.assign(level=levels["level"] + number + noise).to_csv(
            shared_folder / "wells" / f"{well}.csv", index=False
        )
    (shared_folder / "run.toml").write_text(CONFIG, "utf-8")
    settings = load_settings(shared_folder / "run.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(shared_folder)
        schedule.train(settings, through=TRAINED, now=NOW)
        for _ in schedule.backfill(settings, start=FIRST, end=LAST, now=NOW):
            pass
    return shared_folder, settings


def read(folder: Path) -> xr.Dataset:
    return read_observations(folder / "wells", covariates=folder / "weather.csv")


def split_of(observations: xr.Dataset) -> Split:
    """Return the periods of the training, and the rest as test period."""
    known = observations.sel(time=slice(None, TRAINED))
    bounds = split_by_fraction(known, train=TRAIN, validation=VALIDATION).bounds.copy(deep=True)
    time = observations["time"].values
    after = time[time > np.datetime64(TRAINED)]
    bounds["test"] = bounds["test"].copy(data=np.array([[after[0], after[-1]]] * 2))
    return Split(bounds)


def test_a_backtest_judges_the_forecasts_that_are_issued(
    filled: tuple[Path, Settings], tmp_path: Path
) -> None:
    folder, settings = filled
    observations = read(folder)
    archive = Archive(folder / settings.schedule.archive)
    products = [archive.open(issue) for issue in archive.issues()]
    issued = np.concatenate([product["issue_time"].values for product in products])
    assert issued.size > 50
    judged = backtest(
        observations,
        models=["linear"],
        split=split_of(observations),
        issue_times=issued,
        horizon=6,
        forcing="climatology",
    )
    hindcasts = judged.hindcasts["level"].sel(model="linear").transpose("well", "issue_time", ...)
    archived = np.concatenate([product["level"].values for product in products], axis=1)
    assert np.isfinite(archived).all()
    assert archived.tobytes() == hindcasts.values.tobytes()
    width = archived[..., -1] - archived[..., 0]
    assert width[:, -1, 0].min() > 1.2 * width[:, 0, 0].max()  # they did follow the outcomes

    known = observations.sel(time=slice(None, "2008-06-30"))
    assert set(verify(archive, known).unscored["reason"]) == {
        "its first valid time is after the last level"
    }
    for product in products:  # as a backfill makes them, with models that had seen the levels
        product["trained_through"] = product["trained_through"] + np.timedelta64(400, "D")
        Archive(tmp_path).publish(product)
    later = verify(Archive(tmp_path), observations)
    assert set(later.unscored["reason"]) == {"its models were trained on later levels"}
    assert len(later.unscored) == len(products)
    assert later.scores.empty
    verified = verify(archive, observations).scores.set_index(["well", "lead"])
    scores = judged.scores.query("model == 'linear'").pivot_table(
        "value", index=["well", "lead"], columns="metric"
    )
    for metric in ("coverage_80", "coverage_95", "crps", "rmse", "bias", "width_95"):
        expected = scores[metric].loc[verified.index].to_numpy()
        np.testing.assert_allclose(verified[metric].to_numpy(), expected, rtol=1e-14, atol=1e-16)


def test_a_forecast_is_reproducible_from_archive_and_levels(
    filled: tuple[Path, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, settings = filled
    monkeypatch.chdir(folder)
    again = schedule.forecast(settings, issue_time=LAST, now=NOW)
    assert again.outcome == "unchanged"


def test_one_fit_that_issues_many_forecasts_follows_them(filled: tuple[Path, Settings]) -> None:
    folder, settings = filled
    observations = read(folder)
    champions = Champions(folder / settings.schedule.bundles)
    archive = Archive(folder / settings.schedule.archive)
    products = [archive.open(issue) for issue in archive.issues()]
    issued = np.concatenate([product["issue_time"].values for product in products])
    for well in "ab":
        fitted, _ = champions.open(champions.table()[well].bundle)
        made = fitted.forecast(observations.sel({schema.WELL: [well]}), issue_times=issued)
        archived = np.concatenate([p["level"].sel(well=[well]).values for p in products], axis=1)
        assert made["level"].values.tobytes() == archived.tobytes()
