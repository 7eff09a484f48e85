"""Databases: a real PostgreSQL in another time zone, and SQLite."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.data.database import connect, list_wells_sql, read_sql, without_password
from gwforecast.service.database import read_forecast, write_forecast

sqlalchemy = pytest.importorskip("sqlalchemy")
NAMES = ["a", "'; DROP TABLE forecast_wells; --", 'quo"te', "ü \u202e", "%s", "100%", "a.b"]


def _program(name: str) -> str | None:
    found = shutil.which(name)
    others = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found or (str(others[-1]) if others else None)


def execute(url: str, *statements: str, **values: object) -> None:
    engine = connect(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement), values)
    engine.dispose()


def write_observations(observations: xr.Dataset, url: str, *, levels: str, covariates: str) -> None:
    """Write levels and covariates (well, time) as two long tables, which must not exist."""
    engine = connect(url)
    try:
        with engine.begin() as connection:
            for name, columns in (
                (levels, [schema.LEVEL]),
                (covariates, schema.covariate_names(observations)),
            ):
                frame = observations[columns].to_dataframe().reset_index()
                kept = frame[["well", "time", *columns]].dropna(subset=columns, how="all")
                kept.to_sql(name, connection, index=False, chunksize=5000)
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server of our own, in the time zone of New York."""
    initdb, server = _program("initdb"), _program("postgres")
    if initdb is None or server is None:
        pytest.skip("needs PostgreSQL")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="gwforecast-"))  # a socket's path is short
    user = {}
    if os.getuid() == 0:  # the server refuses to be run by root
        import pwd

        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    subprocess.run(
        [initdb, "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True, capture_output=True, cwd=folder, **user,
    )  # fmt: skip
    running = subprocess.Popen(
        [server, "-D", data, "-p", str(port), "-k", str(folder), "-c", "fsync=off",
         "-c", "timezone=America/New_York", "-c", "listen_addresses=127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **user,
    )  # fmt: skip
    url = f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"
    try:
        for _ in range(100):
            try:
                execute(url, "SELECT 1")
                break
            except sqlalchemy.exc.OperationalError:
                time.sleep(0.1)
        yield url
    finally:
        running.send_signal(signal.SIGINT)  # without waiting for clients
        running.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'wells.db'}"
    return str(request.getfixturevalue("postgres"))


def product(*, add: float = 0.0) -> xr.Dataset:
    values = np.random.default_rng(0).normal(size=(len(NAMES), 1, 9, 3)) + add
    values[1] = np.nan
    issued = np.array(["2020-01-06"], "datetime64[us]")
    made = schema.label_forecast(values[..., 0], wells=NAMES, frequency="W-MON", issue_times=issued)
    dims = ("well", "issue_time", "lead_time", "quantile")
    made = made.assign_coords(quantile=[0.1, 0.5, 0.9]).assign(level=(dims, values, {"units": "m"}))
    for text in ("status", "reason", "model", "forcing", "bundle"):
        made[text] = ("well", np.array(NAMES, object), {"long_name": text})
    for stamp in ("last_observation", "last_covariate", "trained_through"):
        times = np.array([*["2020-01-06"] * (len(NAMES) - 1), "NaT"], "datetime64[us]")
        made[stamp] = ("well", times)
    return made.assign_attrs(title="of a test", source="'")


def test_a_forecast_comes_back_as_it_was_and_is_replaced_as_a_whole(database: str) -> None:
    write_forecast(product(), database)
    xr.testing.assert_identical(read_forecast(database, "2020-01-06"), product())
    write_forecast(product(add=1.0), database)
    assert write_forecast(product(add=1.0), database) == len(NAMES) * 27
    xr.testing.assert_identical(read_forecast(database, "2020-01-06"), product(add=1.0))
    with pytest.raises(KeyError, match="2020-01-13"):
        read_forecast(database, "2020-01-13")
    with pytest.raises(ValueError, match="NUL"):
        write_forecast(product().assign_coords(well=["a\x00b", *NAMES[1:]]), database)
    xr.testing.assert_identical(read_forecast(database, "2020-01-06"), product(add=1.0))


def observed() -> xr.Dataset:
    time = pd.date_range("2019-10-01", periods=120)
    level = np.random.default_rng(1).normal(size=(2, 120)).round(3)
    level[1, 5:60] = np.nan
    rain = np.abs(np.random.default_rng(2).normal(size=(2, 120))).round(2)
    return xr.Dataset(
        {"level": (("well", "time"), level), "rain": (("well", "time"), rain)},
        {"well": np.array(NAMES[:2], object), "time": time},
    )


def test_observations_come_back_as_they_were(database: str) -> None:
    execute(database, "DROP TABLE IF EXISTS heads", "DROP TABLE IF EXISTS weather")
    write_observations(observed(), database, levels="heads", covariates="weather")
    read = read_sql(database, "heads", "weather", datum="NAP")
    for name in ("level", "rain"):
        xr.testing.assert_equal(
            read[name].sel(well=NAMES[:2]).drop_vars("well"), observed()[name].drop_vars("well")
        )
    assert read["level"].attrs["vertical_datum"] == "NAP"
    assert sorted(list_wells_sql(database, "heads")) == sorted(NAMES[:2])
    one = read_sql(database, "heads", "weather", wells=NAMES[1:2])
    assert list(one["well"].values) == NAMES[1:2]
    with pytest.raises(schema.SchemaError, match="does not have"):
        read_sql(database, "nothing")
    with pytest.raises(schema.SchemaError, match="'none'"):
        read_sql(database, "heads", wells=["none"])
    with pytest.raises(ValueError, match="exists"):
        write_observations(observed(), database, levels="heads", covariates="weather")


def test_stamps_with_a_time_zone_become_utc(postgres: str) -> None:
    execute(
        postgres,
        "DROP TABLE IF EXISTS zoned",
        "CREATE TABLE zoned (well text, time timestamptz, level numeric)",
    )
    for day in pd.date_range("2020-03-01", "2020-04-30"):  # a clock changes in between
        insert = "INSERT INTO zoned VALUES ('a', :time, :level)"
        execute(postgres, insert, time=f"{day.date()} 00:00:00+00", level=day.day)
    execute(postgres, "UPDATE zoned SET level = NULL WHERE level = 7")
    read = read_sql(postgres, "zoned")
    assert list(read["time"].values) == list(pd.date_range("2020-03-01", "2020-04-30").to_numpy())
    assert float(read["level"].sel(well="a", time="2020-04-30").item()) == 30
    assert int(read["level"].isnull().sum()) == 2


def test_a_password_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "p@ss/w#rd:hunter2"  # noqa: S105 - of nobody
    monkeypatch.setenv("SECRET", secret)
    url = connect("postgresql+psycopg://me:$SECRET@host/wells").url
    assert (url.host, url.password, url.database) == ("host", secret, "wells")
    monkeypatch.delenv("SECRET")
    for bad, says in (
        ("me:hunter2@host", "cannot read"),
        ("postgresql+psycopg://me:$SECRET@h/w", "not set"),
    ):
        with pytest.raises(ValueError, match=says) as error:
            connect(bad)
        assert "hunter2" not in str(error.value)
    written = "postgresql+psycopg://me:hunter2@host/wells"
    assert without_password(written) == written.replace("hunter2", "$PASSWORD")
    named = written.replace("hunter2", "$SECRET")
    assert without_password(named) == named


def test_rows_without_a_well_are_refused_and_wells_may_be_numbers(database: str) -> None:
    execute(
        database,
        "DROP TABLE IF EXISTS numbers",
        "CREATE TABLE numbers (site integer, date timestamp, level float)",
    )
    for day in range(1, 9):
        insert = "INSERT INTO numbers VALUES (:site, :date, 1.5)"
        execute(database, insert, site=day % 2, date=f"2020-01-0{day} 00:00:00")
    assert read_sql(database, "numbers", wells=["1"])["well"].values.tolist() == ["1"]
    execute(database, "INSERT INTO numbers VALUES (NULL, '2020-01-03 00:00:00', 2.5)")
    with pytest.raises(schema.SchemaError, match="NULL in 'site' of 'numbers'"):
        read_sql(database, "numbers")


def test_simultaneous_writers_and_readers_see_whole_forecasts(postgres: str) -> None:
    names = [f"together_{part}" for part in ("issues", "wells", "levels")]
    execute(postgres, *(f"DROP TABLE IF EXISTS {name}" for name in names))
    both = [product(), product(add=1.0)]
    torn = []

    def write(number: int) -> None:
        for turn in range(4):
            write_forecast(both[(number + turn) % 2], postgres, table="together")
            seen = read_forecast(postgres, "2020-01-06", table="together")
            torn.append(not any(seen.identical(one) for one in both))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len(torn) == 16
    assert not any(torn)


def test_an_unreachable_database_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="issue it again when the database can be reached"):
        write_forecast(product(), f"sqlite:///{tmp_path / 'nowhere' / 'wells.db'}")


def test_weather_by_station_is_read_for_the_wells_that_name_it(tmp_path: Path) -> None:
    url, time = f"sqlite:///{tmp_path / 'wells.db'}", pd.date_range("2020-01-01", periods=5)
    engine = connect(url)
    levels = pd.DataFrame({"time": time, "level": 1.0})
    rain = pd.DataFrame({"time": time, "rain": 1.0})
    sites = pd.DataFrame({"well": ["a", "b", "c"], "gauge": [7, 8, 7]})
    with engine.begin() as connection:
        pd.concat([levels.assign(well=w) for w in "abc"]).to_sql("levels", connection)
        weather = [rain.assign(station=k, rain=float(k)) for k in (7, 8)]
        pd.concat(weather).to_sql("weather", connection, index=False)
        sites.to_sql("sites", connection, index=False)
    engine.dispose()
    for wells, expected in ((None, [7.0, 8.0, 7.0]), (["b", "c"], [8.0, 7.0])):
        made = read_sql(
            url, "levels", "weather", attributes="sites", wells=wells, level_column="level",
            datum="NAP",
        )  # fmt: skip
        assert made["rain"].values[:, 0].tolist() == expected
