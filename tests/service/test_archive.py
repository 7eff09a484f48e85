"""The archive: whole, idempotent, and never read where it is damaged."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.service.archive import Archive, ArchiveBusyError, ArchiveError
from gwforecast.service.archive.catalogue import CATALOGUE

DAYS = pd.date_range("2020-01-01", periods=4)


def product(day: object = "2020-01-06", *, add: float = 0.0) -> xr.Dataset:
    level = np.random.default_rng(0).normal(size=(3, 1, 20)) + add
    level[1] = np.nan
    made = schema.label_forecast(
        level, wells=["a", "ü", "<b>"], frequency="D", issue_times=np.array([day], "datetime64[us]")
    )
    seen = np.array(["2020-01-06", "NaT", "2020-01-01"], "datetime64[us]")
    return made.assign(
        status=("well", np.array(["ok", "no_data", "stale"], object)),
        last_observation=("well", seen),
    ).assign_attrs(title="of a test")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    filled = Archive(tmp_path / "archive")
    for day in DAYS:
        filled.publish(product(day))
    return filled


def test_what_is_read_is_what_was_published(archive: Archive) -> None:
    for day in DAYS:
        xr.testing.assert_identical(archive.read(day), product(day))
    assert archive.problems() == []
    with pytest.raises(KeyError, match="not in"):
        archive.read("1999-01-01")


def test_the_same_forecast_has_the_same_bytes_at_another_time_and_is_added_once(
    archive: Archive, tmp_path: Path
) -> None:
    time.sleep(1.1)
    again = Archive(tmp_path / "other")
    again.publish(product(DAYS[0]))
    assert again.issues() == archive.issues()[:1]
    assert archive.publish(archive.read(DAYS[0]))[1] == "unchanged"
    assert len(archive.issues()) == len(DAYS)


def test_another_forecast_of_the_same_time_is_a_revision_or_nothing(archive: Archive) -> None:
    other = product(DAYS[0], add=1.0)
    assert archive.publish(other)[1] == "kept"
    xr.testing.assert_identical(archive.read(DAYS[0]), product(DAYS[0]))
    issue, outcome = archive.publish(other, revise=True)
    assert (issue.revision, outcome) == (2, "revised")
    xr.testing.assert_identical(archive.read(DAYS[0]), other)
    xr.testing.assert_identical(archive.read(DAYS[0], revision=1), product(DAYS[0]))


def test_several_issue_times_are_no_product(archive: Archive) -> None:
    both = schema.label_forecast(
        np.zeros((1, 2, 3)), wells=["a"], frequency="D", issue_times=DAYS[:2].to_numpy()
    )
    with pytest.raises(ValueError, match="Received 2"):
        archive.publish(both)


def test_a_held_archive_is_busy(archive: Archive) -> None:
    with archive.locked(), pytest.raises(ArchiveBusyError, match="another run"):
        Archive(archive.folder).publish(product())
    assert Archive(archive.folder).publish(product())[1] == "new"


def damage(whole: bytes, kind: str, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(len(whole)))
    if kind == "cut":
        return whole[:place]
    return whole[:place] + bytes([whole[place] ^ 1 << int(rng.integers(8))]) + whole[place + 1 :]


@pytest.mark.parametrize("kind", ["flip", "cut"])
def test_no_damaged_file_is_read_as_a_forecast(archive: Archive, kind: str) -> None:
    issue, rng = archive.issues()[1], np.random.default_rng(1)
    path = archive.folder / issue.file
    whole = path.read_bytes()
    for _ in range(300):
        path.write_bytes(damage(whole, kind, rng))
        with pytest.raises(ArchiveError, match=r"20200102T000000\.nc"):
            archive.open(issue)
    assert len(archive.problems()) == 1


@pytest.mark.parametrize("kind", ["flip", "cut"])
def test_a_damaged_catalogue_shows_its_lines_as_they_were_or_none(
    archive: Archive, kind: str
) -> None:
    path, rng = archive.folder / CATALOGUE, np.random.default_rng(1)
    whole, lines = path.read_bytes(), archive.issues()
    noticed = 0
    for _ in range(300):
        path.write_bytes(damage(whole, kind, rng))
        try:
            read = archive.issues()
        except ArchiveError:
            noticed += 1
        else:
            assert read == lines[: len(read)]
            assert read == lines or archive.problems()  # files without a line
    path.write_bytes(whole)
    assert noticed > (200 if kind == "cut" else 8)  # most bytes of its pages are unused


def test_lines_cannot_be_changed_or_left_out_unnoticed(archive: Archive) -> None:
    path = archive.folder / CATALOGUE
    whole = path.read_bytes()
    for change in (
        "UPDATE issues SET sha256 = 'x' WHERE rowid = 2",
        "UPDATE issues SET issue_time = '2020-01-09T00:00:00' WHERE rowid = 3",
        "DELETE FROM issues WHERE rowid = 2",
    ):
        with closing(sqlite3.connect(path)) as catalogue, catalogue:
            catalogue.execute(change)
        with pytest.raises(ArchiveError, match=r"entry 2|entry 3"):
            archive.issues()
        path.write_bytes(whole)
    with closing(sqlite3.connect(path)) as catalogue, catalogue:
        catalogue.execute("DELETE FROM issues WHERE rowid = 4")
    assert "20200104T000000.nc" in archive.problems()[0]


def test_a_missing_file_is_named(archive: Archive) -> None:
    shutil.rmtree(archive.folder / "2020")
    with pytest.raises(ArchiveError, match=r"20200101T000000\.nc, which is missing"):
        archive.read(DAYS[0])


WRITER = """
import sys, numpy as np, pandas as pd
from gwforecast import schema
from gwforecast.service.archive import Archive
archive = Archive(sys.argv[1])
print("ready", flush=True)
for day in pd.date_range("2000-01-01", periods=2000):
    level = np.full((2, 1, 30), float(day.day_of_year))
    archive.publish(schema.label_forecast(level, wells=["a", "b"], frequency="D",
                    issue_times=np.array([day], "datetime64[us]")), timeout=5)
    print(day.date(), flush=True)
"""


@pytest.mark.slow
def test_kills_lose_no_published_issue(tmp_path: Path) -> None:
    rng, archive = np.random.default_rng(2), Archive(tmp_path)
    for _ in range(12):
        run = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        time.sleep(float(rng.uniform(0.0, 0.4)))
        run.kill()
        told = run.stdout.read().split("\n")[:-1]  # the last line may be broken off
        run.wait()
        run.stdout.close()
        there = {issue.issue_time[:10]: archive.open(issue) for issue in archive.issues()}
        assert set(told) <= set(there)
        for day, read in there.items():
            assert (read["level"] == pd.Timestamp(day).day_of_year).all()
    archive.publish(product("2030-01-01"))
    assert not list(tmp_path.rglob(".*.tmp"))


def test_simultaneous_runs_publish_once(tmp_path: Path) -> None:
    code = WRITER.replace("periods=2000", "periods=1").replace("timeout=5", "timeout=60")
    code = code.replace("print(day.date(), flush=True)", "").replace(
        "archive.publish(", "print(archive.publish("
    )
    code = code.replace(", timeout=60)", ", timeout=60)[1])")
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    told = [run.communicate()[0].split() for run in runs]
    assert sorted(words[1] for words in told) == ["new", "unchanged", "unchanged", "unchanged"]
