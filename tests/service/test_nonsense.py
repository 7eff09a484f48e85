"""Implausible input is never forecast from with the status ``ok``, and spoils no other well."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.config.load import load_settings
from gwforecast.data.readers import read_observations
from gwforecast.quality.checks import series_of
from gwforecast.schema import SchemaError
from gwforecast.service import schedule
from gwforecast.service.readiness import find_jump
from gwforecast.service.wells.acknowledge import acknowledge, read_acknowledgements

ROOT = Path(__file__).resolve().parents[2]
NOW = pd.Timestamp("2010-03-03")
POSSIBLE = 40.0, 60.0  # m; the levels of the three wells are from 45 to 55 m


def _kinds() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "implausible", ROOT / "benchmarks" / "implausible.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["implausible"] = module
    spec.loader.exec_module(module)
    return module


IMPLAUSIBLE = _kinds()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nonsense")
    IMPLAUSIBLE.make_place(folder)
    settings = load_settings(folder / "run.toml")
    schedule.train(settings, through="2009-06-29", now=NOW)
    return folder


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def issue(place: Path) -> schedule.Issued:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = load_settings(place / "run.toml")
        return schedule.forecast(settings, issue_time=IMPLAUSIBLE.ISSUED, dry=True, now=NOW)


def test_good_data_are_ok_with_and_without_a_weather_forecast(place: Path) -> None:
    made = issue(place).product
    assert set(made["status"].values) == {"ok"}, made["reason"].values
    IMPLAUSIBLE.weather_forecast(place)
    ahead = issue(place).product
    assert set(ahead["status"].values) == {"ok"}, ahead["reason"].values
    assert set(ahead["forcing"].values) == {"ensemble"}
    assert ahead.attrs["weather_vintage"] == IMPLAUSIBLE.ISSUED


@pytest.mark.parametrize("kind", list(IMPLAUSIBLE.KINDS))
def test_it_is_never_ok(place: Path, kind: str) -> None:
    IMPLAUSIBLE.KINDS[kind](place)
    made, refused = None, ""
    try:
        made = issue(place).product
    except SchemaError as error:  # the reader refuses codes for missing values, for all wells
        refused = str(error)
    if made is None:
        assert "looks like a code" in refused or "must be dates" in refused
        return
    status = dict(zip(made["well"].values, made["status"].values, strict=True))
    reason = dict(zip(made["well"].values, made["reason"].values, strict=True))
    wanted = {"w1"} if kind in IMPLAUSIBLE.LEVELS else set(status)
    for well, found in status.items():
        if well in wanted:
            assert found in ("check_failed", "degraded", "stale", "no_data"), (found, reason[well])
            assert reason[well]
        else:
            assert found == "ok", reason[well]
    level = made["level"].values
    known = level[np.isfinite(level)]
    assert known.min() > POSSIBLE[0]
    assert known.max() < POSSIBLE[1]


def statuses(product: xr.Dataset) -> dict[str, str]:
    return dict(zip(product["well"].values, product["status"].values, strict=True))


def confirm(place: Path, *, shift: float | None) -> None:
    """Acknowledge the change of w1, as the command does."""
    data = read_observations(place / "wells", place / "weather.csv")
    data = data.sel(time=slice(None, IMPLAUSIBLE.ISSUED))
    ((level, _),) = series_of(data.sel(well=["w1"]))
    jump = find_jump(level, level.times[-200], lasting=True)
    made = acknowledge(place / "archive", data, "w1", shift=shift, jump=jump, now=NOW)
    assert read_acknowledgements(place / "archive") == {"w1": [made]}


def test_an_acknowledged_datum_moves_the_forecast_and_nothing_else(place: Path) -> None:
    before = issue(place).product
    IMPLAUSIBLE.KINDS["datum moved by 2 m, last ten"](place)
    assert statuses(issue(place).product)["w1"] == "check_failed"
    confirm(place, shift=2.0)
    after = issue(place).product
    assert set(statuses(after).values()) == {"ok"}, after["reason"].values
    moved = (after["level"] - before["level"]).sel(well="w1")
    np.testing.assert_allclose(moved, 2.0, atol=1e-9)
    xr.testing.assert_equal(
        after["level"].sel(well=["w0", "w2"]), before["level"].sel(well=["w0", "w2"])
    )


def test_a_real_step_is_forecast_as_degraded_until_the_model_knows_it(place: Path) -> None:
    IMPLAUSIBLE.KINDS["datum moved by 2 m, last ten"](place)
    confirm(place, shift=None)
    made = issue(place).product
    assert statuses(made) == {"w0": "ok", "w1": "degraded", "w2": "ok"}
    assert "acknowledged as real" in str(made["reason"].sel(well="w1").values)
    assert made["model"].sel(well="w1") == "linear"


def test_a_damaged_file_of_acknowledgements_acknowledges_nothing(place: Path) -> None:
    IMPLAUSIBLE.KINDS["datum moved by 2 m, last ten"](place)
    confirm(place, shift=2.0)
    path = place / "archive" / "acknowledged.json"
    path.write_text(path.read_text("utf-8").replace("2.0", "3.0"), "utf-8")
    assert read_acknowledgements(place / "archive") == {}
    assert statuses(issue(place).product) == {"w0": "ok", "w1": "check_failed", "w2": "ok"}


def test_levels_and_forecasts_do_not_pass_the_ends_of_a_well(place: Path) -> None:
    text = (place / "run.toml").read_text("utf-8")
    for limits, found in (
        ("w1 = [40.0, 60.0]", "ok"),
        ("w1 = [49.9, 50.0]", "degraded"),
    ):
        (place / "run.toml").write_text(f"{text}[schedule.limits]\n{limits}\n", "utf-8")
        assert statuses(issue(place).product) == {"w0": "ok", "w1": found, "w2": "ok"}
    (place / "run.toml").write_text(f"{text}limits = {{w1 = [3, 2]}}\n", "utf-8")
    with pytest.raises(ValueError, match=r"\[bottom, top\] by well"):
        issue(place)


def test_a_clock_that_is_ahead_is_an_error(place: Path) -> None:
    settings = load_settings(place / "run.toml")
    end = pd.Timestamp("2010-12-27")  # the last step of the data
    assert schedule.forecast(settings, dry=True, now=end + pd.Timedelta("3D")).code == 0
    for ahead in ("20D", "1826D"):
        with pytest.raises(SchemaError, match="must not be beyond the data"):
            schedule.forecast(
                settings, dry=True, now=end + pd.Timedelta("3D") + pd.Timedelta(ahead)
            )


def test_ages_count_by_the_rhythm_of_the_well(place: Path) -> None:
    path = place / "wells" / "w1.csv"
    table = pd.read_csv(path)
    monthly = table[table["date"].str[8:10].astype(int) <= 7]  # one level a month
    monthly[monthly["date"] < "2010-02-08"].to_csv(path, index=False)
    made = issue(place).product
    assert statuses(made) == {"w0": "ok", "w1": "ok", "w2": "ok"}, made["reason"].values
    table[table["date"] < "2010-02-01"].to_csv(path, index=False)
    made = issue(place).product
    assert statuses(made) == {"w0": "ok", "w1": "degraded", "w2": "ok"}
    assert "35 days (5 steps)" in str(made["reason"].sel(well="w1").values)
