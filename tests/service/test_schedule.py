"""Scheduled runs by the real command line: trained, issued, gone back over, watched."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.data.readers import read_observations
from gwforecast.service.archive import Archive
from gwforecast.service.champions import Champions

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
[data]
levels = "wells"
covariates = "weather.csv"
datum = "NAP"
[schedule]
models = ["linear"]
horizon = 8
"""
TRAINED, ISSUED = "2008-06-30", "2009-02-02"


@pytest.fixture(scope="module")
def trained(shared_folder: Path, gwforecast) -> Path:
    """Three wells, their models trained through the middle of 2008."""
    levels = pd.read_csv(shared_folder / "levels.csv")
    (shared_folder / "wells").mkdir()
    for number, well in enumerate(("brook", "ü well", "=1+1")):
        levels.assign(level=levels["level"] + number).to_csv(
            shared_folder / "wells" / f"{well}.csv", index=False
        )
    (shared_folder / "run.toml").write_text(CONFIG, "utf-8")
    done = gwforecast("train", "run.toml", "--through", TRAINED, cwd=shared_folder)
    assert "first" in done.stdout
    return shared_folder


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    for path in sorted(trained.rglob("*")):
        target = tmp_path / path.relative_to(trained)
        if path.is_dir():
            target.mkdir()
        else:
            target.write_bytes(path.read_bytes())
    return tmp_path


def statuses(place: Path, issue_time: str = ISSUED) -> dict[str, str]:
    product = Archive(place / "archive").read(issue_time)
    return dict(zip(product["well"].values, product["status"].values, strict=True))


def change(place: Path, well: str, edit) -> None:
    path = place / "wells" / f"{well}.csv"
    edit(pd.read_csv(path)).to_csv(path, index=False)


def call(
    place: Path, code: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_publishes_once_and_needs_no_tensorflow(place: Path, gwforecast) -> None:
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, "--dry-run", cwd=place)
    assert not (place / "archive").exists()
    done = gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place)
    assert "published" in done.stdout
    first = (place / "archive" / "2009" / "20090202T000000.nc").read_bytes()
    product = Archive(place / "archive").read(ISSUED)
    assert set(product["status"].values) == {"ok"}
    assert product["level"].notnull().all()
    assert product["level"].attrs["vertical_datum"] == "NAP"
    assert (product["trained_through"] <= np.datetime64(TRAINED)).all()
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles"):
        code = (
            "import sys; from gwforecast.cli.app import app\n"
            "try: app(['forecast', 'run.toml', '--issue-time', sys.argv[1]])\n"
            "except SystemExit as end: code = end.code\n"
            "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
            "assert not any(sys.modules.get(name) for name in ('dask', 'pyarrow', 'scipy'))\n"
            "sys.exit(code)"
        )
        again = call(place, code, ISSUED, TZ=zone)
        assert again.returncode == 0, again.stderr
        assert "the same" in again.stdout
    assert (place / "archive" / "2009" / "20090202T000000.nc").read_bytes() == first
    assert len(Archive(place / "archive").issues()) == 1


def test_a_process_of_ones_own_may_call_the_command(place: Path) -> None:
    code = (
        "import sys, xarray\n"
        "from gwforecast.cli.app import app\n"
        "try: app(['forecast', 'run.toml', '--issue-time', sys.argv[1]])\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "import dask.array, pyarrow"
    )
    done = call(place, code, ISSUED)
    assert done.returncode == 0, done.stderr
    assert "published" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_many_wells_are_divided_among_processes_and_it_does_not_show(
    place: Path, gwforecast
) -> None:
    levels = pd.read_csv(place / "wells" / "brook.csv")
    for number in range(40):
        levels.assign(level=levels["level"] + 0.1 * number).to_csv(
            place / "wells" / f"new {number}.csv", index=False
        )
    alone = CONFIG + "[models]\nworkers = 1\n"
    (place / "run.toml").write_text(alone, "utf-8")
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place, code=5)
    first = (place / "archive" / "2009" / "20090202T000000.nc").read_bytes()
    counted = (
        "import os, signal, sys\n"
        "from multiprocessing import process\n"
        "from gwforecast.cli.app import app\n"
        "killed = sys.argv[2] == 'killed'\n"
        "run = process.BaseProcess.run\n"
        "def told(self):\n"
        "    os.write(1, b'a process begins ')\n"
        "    if killed: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    run(self)\n"
        "process.BaseProcess.run = told\n"
        "app(['forecast', 'run.toml', '--issue-time', sys.argv[1], '--force'])"
    )
    (place / "run.toml").write_text(alone.replace("= 1", "= 2"), "utf-8")
    for fate in ("whole", "killed"):
        again = call(place, counted, ISSUED, fate)
        assert again.returncode == 5, again.stderr
        assert again.stdout.count("a process begins") == 1
        assert "the same" in again.stdout
    assert (place / "archive" / "2009" / "20090202T000000.nc").read_bytes() == first


@pytest.mark.parametrize("kind", ["parquet", "zarr", "nc"])
def test_the_same_product_comes_of_other_forms_of_the_data(
    place: Path, gwforecast, kind: str
) -> None:
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place)
    first = Archive(place / "archive").read(ISSUED)
    if kind == "parquet":
        for path in (place / "wells").glob("*.csv"):
            pd.read_csv(path, parse_dates=["date"]).to_parquet(path.with_suffix(".parquet"))
            path.unlink()
    else:
        network = read_observations(place / "wells", place / "weather.csv", datum="NAP")
        for variable in network.variables.values():
            variable.encoding.clear()
        if kind == "zarr":
            network.to_zarr(place / "network.zarr", zarr_format=2)
        else:
            network.to_netcdf(place / "network.nc")
        config = CONFIG.replace('"wells"', f'"network.{kind}"')
        config = config.replace('covariates = "weather.csv"\n', "").replace('datum = "NAP"\n', "")
        (place / "run.toml").write_text(config, "utf-8")
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, "--force", cwd=place)
    again = Archive(place / "archive").read(ISSUED)
    xr.testing.assert_equal(again["level"], first["level"])
    assert set(again["status"].values) == {"ok"}


@pytest.mark.parametrize("later", [np.nan, 1e6, "noise"])
def test_what_is_later_than_the_issue_time_changes_nothing(
    place: Path, gwforecast, later: object
) -> None:
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place)
    rng = np.random.default_rng(0)

    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        late = table["date"] > ISSUED
        for name in table.columns.drop("date"):
            noise = table[name][late] + rng.normal(size=late.sum()).round(2)
            table.loc[late, name] = noise if later == "noise" else later
        return table

    for well in ("brook", "ü well", "=1+1"):
        change(place, well, spoil)
    weather = place / "weather.csv"
    spoil(pd.read_csv(weather)).to_csv(weather, index=False)
    done = gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place)
    assert "the same" in done.stdout


def test_each_well_has_its_own_fate(place: Path, gwforecast) -> None:
    change(place, "brook", lambda t: t[t["date"] < "2008-11-01"])
    change(
        place, "=1+1", lambda t: t.assign(level=t["level"].where(t["date"] != "2009-01-05", 9e3))
    )
    (place / "wells" / "broken.csv").write_text("date,level\n2001-01-01,one\n", "utf-8")
    (place / "wells" / "new.csv").write_bytes((place / "wells" / "ü well.csv").read_bytes())
    done = gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place, code=5)
    assert statuses(place) == {
        "brook": "stale",
        "ü well": "ok",
        "=1+1": "check_failed",
        "broken": "check_failed",
        "new": "model_missing",
    }
    assert "2008-10-27" in done.stdout
    product = Archive(place / "archive").read(ISSUED)
    level = product["level"].sel(well=["brook", "ü well", "new"])
    assert level.notnull().all()
    assert product["level"].sel(well="broken").isnull().all()
    assert list(product["model"].sel(well=["brook", "new"]).values) == ["climatology"] * 2
    # without news a band is wider
    width = level.sel(quantile=0.975) - level.sel(quantile=0.025)
    assert (width.sel(well="new") > width.sel(well="ü well")).all()


def test_a_jump_and_a_well_that_is_gone_are_told(place: Path, gwforecast) -> None:
    change(place, "brook", lambda t: t.assign(level=t["level"].where(t["date"] != ISSUED, 9e2)))
    (place / "wells" / "=1+1.csv").unlink()
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place, code=5)
    assert statuses(place) == {"brook": "check_failed", "ü well": "ok", "=1+1": "no_data"}
    reasons = Archive(place / "archive").read(ISSUED)["reason"]
    assert "900 m on 2009-02-02" in str(reasons.sel(well="brook").values)


def test_weather_that_ends_early_is_said_and_the_forecast_goes_on_from_there(
    place: Path, gwforecast
) -> None:
    weather = pd.read_csv(place / "weather.csv")
    weather[weather["date"] <= "2009-01-19"].to_csv(place / "weather.csv", index=False)
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place)
    assert set(statuses(place).values()) == {"degraded"}
    early = Archive(place / "archive").read(ISSUED)
    assert (early["last_covariate"] == np.datetime64("2009-01-19")).all()
    assert early.sizes["lead_time"] == 8
    gwforecast("forecast", "run.toml", "--issue-time", "2009-01-19", cwd=place)
    whole = Archive(place / "archive").read("2009-01-19")["level"].values[:, 0]
    np.testing.assert_allclose(early["level"].values[:, 0, :6], whole[:, 2:])


def test_a_spoilt_bundle_is_not_used(place: Path, gwforecast) -> None:
    champions = Champions(place / "models")
    held = next(iter(champions.table().values()))
    gwforecast("train", "run.toml", "--through", "2008-12-29", "--replace", cwd=place)
    arrays = champions.path(next(iter(champions.table().values())).bundle) / "arrays.npz"
    spoilt = bytearray(arrays.read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    arrays.write_bytes(spoilt)
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place)
    product = Archive(place / "archive").read(ISSUED)
    assert set(product["status"].values) == {"degraded"}
    assert set(product["bundle"].values) == {held.bundle}
    assert all("previous champion" in reason for reason in product["reason"].values)
    gwforecast("train", "run.toml", "--step-back", cwd=place)
    assert {pair.bundle for pair in champions.table().values()} == {held.bundle}
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, "--force", cwd=place)
    assert set(statuses(place).values()) == {"ok"}
    assert Archive(place / "archive").issues()[-1].revision == 2


def test_a_challenger_must_be_better(place: Path, gwforecast) -> None:
    before = Champions(place / "models").table()
    done = gwforecast("train", "run.toml", "--through", "2008-08-25", cwd=place)
    assert done.stdout.count("kept") == 3
    assert "needed to compare" in done.stdout
    assert Champions(place / "models").table() == before
    card = json.loads((Champions(place / "models").path(before["brook"].bundle) / "manifest.json")
                      .read_text())["card"]  # fmt: skip
    assert card["scores"]["brook"]["8"]["skill_rmse_persistence"] > 0


def test_missed_days_are_made_good_and_a_monitor_is_told(place: Path, gwforecast) -> None:
    assert "No forecast" in gwforecast("status", "run.toml", cwd=place, code=4).stdout
    gwforecast("forecast", "run.toml", "--issue-time", "2009-01-12", cwd=place)
    done = gwforecast("backfill", "run.toml", "2009-01-05", "2009-01-26", cwd=place)
    assert done.stdout.count(": published") == 3
    done = gwforecast("backfill", "run.toml", "2009-01-05", "2009-01-26", cwd=place)
    assert "0 issue times" in done.stdout
    assert "2009-01-26" in gwforecast("status", "run.toml", cwd=place).stdout
    gwforecast("status", "run.toml", "--max-age", "8d", cwd=place, code=4)
    gwforecast("status", "run.toml", "--max-age", "soon", cwd=place, code=2)
    gwforecast("backfill", "run.toml", "2007-01-01", "2007-01-01", cwd=place)
    assert set(statuses(place, "2007-01-01").values()) == {"degraded"}  # trained on later levels


@pytest.mark.parametrize(
    ("name", "code"),
    [("archive/catalogue.sqlite", 7), ("archive/2009/20090202T000000.nc", 7)],
)
def test_damage_is_told(place: Path, gwforecast, name: str, code: int) -> None:
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place)
    (place / name).write_bytes((place / name).read_bytes()[:-500])
    gwforecast("status", "run.toml", cwd=place, code=code)


def test_codes_tell_what_is_wrong(place: Path, gwforecast) -> None:
    with Archive(place / "archive").locked():
        gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place, code=3)
    with Champions(place / "models").locked():
        gwforecast("train", "run.toml", cwd=place, code=3)
    gwforecast("forecast", "run.toml", "--issue-time", "2999-01-01", cwd=place, code=2)
    gwforecast("forecast", "none.toml", cwd=place, code=2)
    gwforecast("forecast", "run.toml", cwd=place, code=4)  # all are stale by now
    (place / "weather.csv").unlink()
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place, code=4)


def test_a_damaged_table_of_champions_is_no_model(place: Path, gwforecast) -> None:
    path = place / "models" / "champions.json"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(path.read_text("utf-8").replace("brook", "broom"), "utf-8")
    assert hashlib.sha256(path.read_bytes()).hexdigest() != digest
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place, code=5)
    assert set(statuses(place).values()) == {"model_invalid"}


def test_verified_forecasts_are_scored_and_damage_does_not_stop_it(place: Path, gwforecast) -> None:
    gwforecast("backfill", "run.toml", "2008-07-07", "2009-12-28", "--stride", "2", cwd=place)
    done = gwforecast("verify", "run.toml", "--out", "scores", cwd=place)
    assert "Recommendations" in done.stdout
    scores = pd.read_csv(place / "scores" / "verification.csv")
    assert set(scores["well"]) == {"brook", "ü well", "'=1+1"}  # a formula is text in a CSV file
    assert scores["coverage_95"].mean() > 0.8
    assert (scores.loc[scores["lead"] == 8, "skill_rmse_climatology"] > 0).all()
    recommended = pd.read_csv(place / "scores" / "recommendations.csv")
    assert set(recommended["recommendation"]) <= {"nothing", "retrain"}
    path = next((place / "archive" / "2009").glob("*.nc"))
    path.write_bytes(path.read_bytes()[:-1])
    done = gwforecast("verify", "run.toml", cwd=place, code=7)
    assert path.name in done.stderr
    assert len(pd.read_csv(place / "archive" / "verification" / "verification.csv")) == len(scores)


def test_a_bulletin_is_one_file(place: Path, gwforecast) -> None:
    gwforecast("bulletin", "run.toml", cwd=place, code=4)
    gwforecast("forecast", "run.toml", "--issue-time", ISSUED, cwd=place)
    gwforecast("bulletin", "run.toml", "--title", "Wells <of> a brook", cwd=place)
    page = (place / "bulletin.html").read_text("utf-8")
    assert "<h1>Wells &lt;of&gt; a brook</h1>" in page
    assert page.count("<img") == 3
    assert "mean absolute error" in page
    gwforecast("bulletin", "run.toml", "--issue-time", "1999-01-04", cwd=place, code=2)


def test_levels_come_from_a_database_and_forecasts_go_into_it(place: Path, gwforecast) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(f"sqlite:///{place / 'wells.db'}")
    parts = [pd.read_csv(path).assign(well=path.stem) for path in (place / "wells").glob("*.csv")]
    pd.concat(parts).to_sql("heads", engine, index=False)
    pd.read_csv(place / "weather.csv").to_sql("weather", engine, index=False)
    text = CONFIG.replace("[data]", '[data]\ndatabase = "sqlite:///wells.db"')
    text = text.replace('"wells"', '"heads"').replace('"weather.csv"', '"weather"')
    (place / "sql.toml").write_text(text + 'sql = "sqlite:///none/wells.db"\n', "utf-8")
    gwforecast("forecast", "sql.toml", "--issue-time", ISSUED, cwd=place, code=6)
    (place / "sql.toml").write_text(text + 'sql = "sqlite:///wells.db"\n', "utf-8")
    done = gwforecast("forecast", "sql.toml", "--issue-time", ISSUED, cwd=place)
    assert "the same" in done.stdout  # it was published; now it is in the database as well
    assert set(statuses(place).values()) == {"ok"}
    from gwforecast.service.database import read_forecast

    stored = read_forecast(f"sqlite:///{place / 'wells.db'}", ISSUED)
    np.testing.assert_array_equal(
        stored["level"].values, Archive(place / "archive").read(ISSUED)["level"].values
    )
    pd.DataFrame({"well": ["brook"], "date": ["2009-01-05"], "level": [1.0]}).to_sql(
        "heads", engine, index=False, if_exists="append"
    )
    engine.dispose()
    gwforecast("forecast", "sql.toml", "--issue-time", ISSUED, "--force", cwd=place, code=5)
    assert statuses(place) == {"brook": "check_failed", "ü well": "ok", "=1+1": "ok"}
