"""Damage is reported beside the standing forecast and repaired where possible; withdrawals."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.config.load import Settings, load_settings
from gwforecast.service import monitor, schedule
from gwforecast.service.archive import Archive, ArchiveBusyError, ArchiveError, Issue
from gwforecast.service.archive import catalogue as catalogues
from gwforecast.service.archive.catalogue import CATALOGUE
from gwforecast.service.archive.repair import find_damage, repair
from gwforecast.service.archive.sealed import followed_from_bytes

DAYS = pd.date_range("2020-01-01", periods=4)
NOW = pd.Timestamp("2020-01-10")
CONFIG = """
[data]
levels = "wells"
covariates = "weather.csv"
[schedule]
models = ["linear"]
horizon = 8
"""


def product(day: object, *, add: float = 0.0) -> xr.Dataset:
    level = np.random.default_rng(0).normal(size=(2, 1, 20)) + add
    made = schema.label_forecast(
        level, wells=["a", "b"], frequency="D", issue_times=np.array([day], "datetime64[us]")
    )
    day = np.datetime64(day, "us")
    return made.assign(
        {name: ("well", np.array([text] * 2, object)) for name, text in (
            ("status", "ok"), ("reason", ""), ("model", "linear"))}
        | {name: ("well", np.array([day, day])) for name in (
            "last_observation", "last_covariate", "trained_through")}
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "run.toml").write_text(CONFIG, "utf-8")
    archive = Archive(tmp_path / "archive")
    for day in DAYS:
        archive.publish(product(day))
    return load_settings(tmp_path / "run.toml")


def file(archive: Archive, number: int) -> Path:
    return archive.folder / archive.issues()[number].file


def test_a_lost_file_is_reported_and_the_forecast_stands(settings: Settings) -> None:
    archive = Archive(settings.schedule.archive)
    file(archive, 1).unlink()
    health = monitor.check_health(settings, now=NOW)
    assert health.code == 7
    assert "20200102T000000.nc, which is missing" in health.problems[0]
    assert health.issue == archive.issues()[-1]
    file(archive, 3).unlink()
    health = monitor.check_health(settings, now=NOW)
    assert (len(health.problems), health.issue) == (2, archive.issues()[2])


@pytest.mark.parametrize("spoil", [Path.unlink, lambda p: p.write_bytes(p.read_bytes()[:-9])])
def test_issuing_again_restores_the_same_bytes(settings: Settings, spoil: Callable) -> None:
    archive = Archive(settings.schedule.archive)
    path = file(archive, 1)
    whole = path.read_bytes()
    spoil(path)
    assert archive.publish(product(DAYS[1]))[1] == "restored"
    assert path.read_bytes() == whole
    spoil(path)
    assert archive.publish(product(DAYS[1], add=1.0))[1] == "kept"
    assert find_damage(settings)
    assert archive.publish(product(DAYS[1], add=1.0), revise=True)[1] == "revised"


@pytest.mark.parametrize("how", ["lost", "empty", "no rows"])
def test_a_lost_catalogue_beside_files_is_no_new_beginning(settings: Settings, how: str) -> None:
    archive = Archive(settings.schedule.archive)
    before, path = archive.chain(), archive.folder / CATALOGUE
    archive.withdraw(DAYS[2], "a test", now=NOW)
    if how == "lost":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    else:
        with closing(sqlite3.connect(path)) as catalogue, catalogue:
            catalogue.execute("DELETE FROM issues")
    for call in (archive.issues, lambda: archive.publish(product("2020-02-01"))):
        with pytest.raises(ArchiveError, match="lacks the entries of 4 files"):
            call()
    health = monitor.check_health(settings, now=NOW)
    assert (health.code, health.issue) == (7, before[-1].issue)
    with pytest.raises(ArchiveError, match="--from-files"):
        repair(settings, now=NOW)
    done = repair(settings, from_files=True, now=NOW)
    assert not done.left
    assert archive.chain() == before
    assert len(archive.withdrawals()) == (how == "no rows")
    assert not find_damage(settings)
    assert archive.publish(product("2020-02-01"))[1] == "new"


def test_a_catalogue_without_one_file_is_rebuilt_from_the_others(settings: Settings) -> None:
    archive = Archive(settings.schedule.archive)
    file(archive, 1).unlink()
    bad = file(archive, 2)
    bad.write_bytes(bad.read_bytes()[:-100])
    (archive.folder / CATALOGUE).unlink()
    done = repair(settings, from_files=True, now=NOW)
    assert any("lost+found" in line for line in done.done)
    assert any("1 entries follow one that is lost" in line for line in done.done)
    assert [issue.issue_time[:10] for issue in archive.issues()] == ["2020-01-01", "2020-01-04"]
    assert archive.problems() == []


def test_an_interrupted_first_run_is_no_damage(tmp_path: Path, monkeypatch) -> None:
    archive = Archive(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(catalogues.Catalogue, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            archive.publish(product(DAYS[0]))
    assert len(archive.files()) == 1
    assert archive.issues() == []
    assert archive.problems() == []
    assert archive.publish(product(DAYS[1]))[1] == "new"
    assert len(archive.files()) == 1  # what was not published is gone


def test_an_archive_of_an_earlier_version_goes_on(settings: Settings) -> None:
    archive = Archive(settings.schedule.archive)
    with closing(sqlite3.connect(archive.folder / CATALOGUE)) as catalogue, catalogue:
        catalogue.execute("DROP TABLE pending")
        catalogue.execute("DROP TABLE withdrawals")
    assert len(archive.standing()) == 4
    assert archive.problems() == []
    assert archive.publish(product("2020-02-01"))[1] == "new"


def test_a_withdrawn_issue_stays_but_does_not_stand(settings: Settings) -> None:
    archive = Archive(settings.schedule.archive)
    with pytest.raises(ValueError, match="needs a reason"):
        archive.withdraw(DAYS[3], " ", now=NOW)
    archive.withdraw(DAYS[3], "the clock was ahead", now=NOW)
    assert [issue.issue_time for issue in archive.standing()][-1].startswith("2020-01-03")
    with pytest.raises(KeyError, match="the clock was ahead"):
        archive.read(DAYS[3])
    xr.testing.assert_identical(archive.read(DAYS[3], revision=1), product(DAYS[3]))
    assert monitor.check_health(settings, now=NOW).issue.issue_time.startswith("2020-01-03")
    assert archive.publish(product(DAYS[3]))[1] == "kept"
    assert archive.publish(product(DAYS[3]), revise=True)[1] == "revised"
    assert archive.standing()[-1].revision == 2
    with closing(sqlite3.connect(archive.folder / CATALOGUE)) as catalogue, catalogue:
        catalogue.execute("UPDATE withdrawals SET reason = 'other'")
    with pytest.raises(ArchiveError, match="withdrawal 1"):
        archive.standing()


def test_an_issue_in_the_future_is_an_error(settings: Settings) -> None:
    health = monitor.check_health(settings, now=pd.Timestamp("2020-01-02"))
    assert health.code == 4
    assert "gwforecast withdraw" in health.problems[0]


def test_a_catalogue_that_is_locked_is_busy_and_no_damage(settings: Settings, monkeypatch) -> None:
    monkeypatch.setattr(catalogues, "PATIENCE", 0.1)
    archive = Archive(settings.schedule.archive)
    with closing(sqlite3.connect(archive.folder / CATALOGUE)) as backup:
        backup.execute("BEGIN EXCLUSIVE")
        for call in (archive.issues, lambda: archive.publish(product("2020-02-01"))):
            with pytest.raises(ArchiveBusyError, match="such as a backup"):
                call()
        backup.rollback()
    assert archive.publish(product("2020-02-01"))[1] == "new"


def test_the_forms_for_monitors(settings: Settings) -> None:
    health = monitor.check_health(settings, now=NOW)
    plain = json.loads(json.dumps(monitor.as_json(health)))
    assert (plain["code"], plain["issues"], plain["wells"]["ok"]) == (0, 4, 2)
    assert plain["age_seconds"]["level"] == plain["age_seconds"]["issue"] == 6 * 86400
    text = monitor.as_prometheus(health)
    assert 'gwforecast_wells{status="ok"} 2\n' in text
    assert "gwforecast_issue_age_seconds 518400\n" in text
    for line in text.splitlines():
        assert line.startswith("# ") or len(line.rsplit(" ", 1)) == 2
        assert not line.startswith("# ") or line.split()[1] in ("HELP", "TYPE")


def test_status_reads_one_file_however_long_the_archive_is(settings: Settings, monkeypatch) -> None:
    read: list[str] = []
    content = Archive.content

    def counted(self: Archive, issue: Issue) -> bytes:
        read.append(issue.file)
        return content(self, issue)

    monkeypatch.setattr(Archive, "content", counted)
    monitor.check_health(settings, now=NOW)
    assert set(read) == {"2020/20200104T000000.nc"}
    find_damage(settings)
    assert len(set(read)) == 4


def test_a_repair_issues_lost_forecasts_again_from_the_data(
    tmp_path: Path, shared_folder: Path, gwforecast
) -> None:
    place = tmp_path / "place"
    (place / "wells").mkdir(parents=True)
    for number in range(2):
        shutil.copy(shared_folder / "levels.csv", place / "wells" / f"w{number}.csv")
    shutil.copy(shared_folder / "weather.csv", place / "weather.csv")
    (place / "run.toml").write_text(CONFIG, "utf-8")
    made = load_settings(place / "run.toml")
    late = pd.Timestamp("2009-03-01")
    schedule.train(made, through="2008-06-30", now=late)
    for _ in schedule.backfill(made, start="2009-01-05", end="2009-02-02", now=late):
        pass
    archive = Archive(place / "archive")
    whole = {issue.file: archive.content(issue) for issue in archive.issues()}
    for number in (1, 3):
        file(archive, number).unlink()
    assert gwforecast("fsck", "run.toml", cwd=place, code=7).stderr.count("missing") == 2
    assert gwforecast("repair", "run.toml", cwd=place).stdout.count("again") == 2
    assert {issue.file: archive.content(issue) for issue in archive.issues()} == whole
    gwforecast("fsck", "run.toml", cwd=place)
    file(archive, 2).unlink()
    levels = pd.read_csv(place / "wells" / "w1.csv")
    levels["level"] += 0.01
    levels.to_csv(place / "wells" / "w1.csv", index=False)
    done = gwforecast("repair", "run.toml", cwd=place, code=7)
    assert "would be another" in done.stderr
    gwforecast("withdraw", "run.toml", "2009-02-02", "--reason", "a test", cwd=place)
    plain = json.loads(gwforecast("status", "run.toml", "--json", cwd=place, code=7).stdout)
    assert plain["issue_time"] == "2009-01-26T00:00:00"
    assert len(plain["problems"]) == 1
    gwforecast("withdraw", "run.toml", "1999-01-04", "--reason", "a test", cwd=place, code=2)


def test_what_is_followed_is_read_as_it_was_published(settings: Settings) -> None:
    archive = Archive(settings.schedule.archive)
    made = product("2020-03-01")
    level = made["level"].expand_dims({"quantile": [0.1, 0.5, 0.9]}, axis=-1).copy()
    never = np.array(["2019-05-06T07:00", "NaT"], "datetime64[us]")
    made = made.assign(level=level, trained_through=("well", never),
                       bundle=("well", np.array(["ü" * 3, ""], object)))  # fmt: skip
    issue, _ = archive.publish(made)
    read = followed_from_bytes(archive.content(issue))
    whole = archive.open(issue)
    for name in ("level", "bundle", "trained_through", "valid_time", "issue_time", "well"):
        assert read[name].dtype.kind == whole[name].dtype.kind
        np.testing.assert_array_equal(read[name].values, whole[name].values)
