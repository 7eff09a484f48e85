"""An archive over years: packs, pruning, backups, and a head elsewhere that notices old copies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.config.load import settings_from
from gwforecast.service.archive import Archive, ArchiveError
from gwforecast.service.archive.backup import (
    back_up,
    check_head,
    head_kept,
    head_of,
    read_head,
    restore,
    write_head,
)
from gwforecast.service.archive.repair import find_damage, rebuild_catalogue
from gwforecast.service.archive.rollup import Keep, prune, roll_up, to_prune
from gwforecast.service.archive.sealed import packed_files, read_packed
from gwforecast.service.monitor import check_health
from gwforecast.service.schedule import _publish

ROOT = Path(__file__).resolve().parents[2]
NOW = pd.Timestamp("2025-01-01")
TIMES = pd.date_range("2022-11-07", "2024-02-26", freq="W-MON")


def forecast(time: pd.Timestamp, level: float = 10.0) -> xr.Dataset:
    ahead = level + np.linspace(-0.3, 0.3, len(QUANTILES)) * np.ones((2, 1, 4, 1))
    made = schema.label_forecast(
        ahead[..., 0], wells=["a", "b"], frequency="W-MON", issue_times=np.array([time], "M8[us]")
    )
    dims = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME, schema.QUANTILE)
    made = made.assign_coords({schema.QUANTILE: list(QUANTILES)}).assign({"level": (dims, ahead)})
    for name in ("status", "reason", "model", "forcing", "bundle"):
        made[name] = ("well", np.array(["ok", "ok"], object))
    for name in ("last_observation", "last_covariate", "trained_through"):
        made[name] = ("well", np.array([time, time], "M8[us]"))
    return made


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("years") / "archive"
    archive = Archive(folder)
    for number, moment in enumerate(TIMES):
        archive.publish(forecast(moment, 10.0 + number / 10))
    archive.publish(forecast(TIMES[3], 99.0), revise=True)
    return folder


@pytest.fixture
def archive(full: Path, tmp_path: Path) -> Archive:
    shutil.copytree(full, tmp_path / "archive")
    return Archive(tmp_path / "archive")


def contents(archive: Archive) -> dict[str, bytes]:
    return {issue.file: archive.content(issue) for issue in archive.issues()}


def test_past_years_are_one_file_each_and_read_as_before(archive: Archive) -> None:
    before, head = contents(archive), head_of(archive)
    made = roll_up(archive, before=2024)
    assert [(one.year, one.files) for one in made] == [("2022", 9), ("2023", 52)]
    assert all(one.after < one.before for one in made)
    assert {p.relative_to(archive.folder).parts[0] for p in archive.folder.rglob("*.nc")} == {
        "2024"
    }
    assert contents(archive) == before
    assert head_of(archive) == head
    assert archive.problems() == []
    assert roll_up(archive, before=2024) == []
    # a later revision of a packed year is a file of its own, and joins the pack at the next time
    archive.publish(forecast(TIMES[20], 77.0), revise=True)
    assert float(archive.read(TIMES[20])["level"].max()) > 77
    assert [one.files for one in roll_up(archive, before=2024)] == [53]
    assert archive.problems() == []
    assert archive.publish(forecast(TIMES[5], 10.5))[1] == "unchanged"
    same = Archive(archive.folder.with_name("again"))
    for number, moment in enumerate(TIMES):
        same.publish(forecast(moment, 10.0 + number / 10))
    roll_up(same, before=2023)
    roll_up(archive, before=2023)
    with zipfile.ZipFile(same.folder / "2022.zip") as pack:
        assert len(pack.namelist()) == 8


def test_a_damaged_file_is_not_packed_and_a_damaged_pack_is_damage(archive: Archive) -> None:
    issue = archive.issues()[12]
    path = archive.folder / issue.file
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    with pytest.raises(ArchiveError, match=issue.file):
        roll_up(archive, before=2024)
    assert not (archive.folder / "2023.zip").exists()
    path.write_bytes(sound)
    roll_up(archive, before=2024)
    pack = archive.folder / "2023.zip"
    whole = pack.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 25):
        broken = bytearray(whole)
        broken[place] ^= 1 << int(rng.integers(8))
        pack.write_bytes(bytes(broken))
        for one in archive.issues():
            content = read_packed(archive.folder, one.file, size=one.bytes)
            if content is not None and one.file.startswith("2023"):
                with suppress(ArchiveError):
                    assert archive.content(one) == content  # its checksum was compared
    pack.unlink()
    assert len(archive.problems()) == 52


def test_keep_rules_add_up() -> None:
    archive_issues = [type("I", (), {"issue_time": time.isoformat()})() for time in TIMES]
    last = TIMES[-1].isoformat()
    assert Keep().keeps(archive_issues) == {last}
    assert len(Keep(last=3).keeps(archive_issues)) == 3
    assert len(Keep(days=14).keeps(archive_issues)) == 2
    monthly = Keep(monthly=True).keeps(archive_issues)
    assert len(monthly) == 16 + 1
    assert Keep(yearly=True, last=2).keeps(archive_issues) == {
        TIMES[0].isoformat(), "2023-01-02T00:00:00", "2024-01-01T00:00:00",
        TIMES[-2].isoformat(), last,
    }  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
def test_pruned_forecasts_are_gone_and_the_seals_stay(archive: Archive, packed: bool) -> None:
    if packed:
        roll_up(archive, before=2024)
    head, keep = head_of(archive), Keep(days=100, yearly=True)
    wanted = to_prune(archive, keep)
    assert prune(archive, keep, now=NOW) == wanted
    assert len(wanted) == len(TIMES) + 1 - len(archive.issues())
    assert {issue.issue_time for issue in archive.issues()} == keep.keeps(archive.issues())
    assert head_of(archive) == head
    assert archive.problems() == []
    kept = {issue.file for issue in archive.issues()}
    loose = {p.relative_to(archive.folder).as_posix() for p in archive.folder.rglob("*.nc")}
    assert loose | set(packed_files(archive.folder)) == kept
    with pytest.raises(KeyError):
        archive.read(TIMES[4])
    assert archive.publish(forecast(TIMES[-1] + pd.Timedelta(weeks=1)))[1] == "new"
    assert len(prune(archive, keep, now=NOW)) == 1  # the days count from the last issue time
    assert prune(archive, keep, now=NOW) == to_prune(archive, keep) == []


def test_a_backup_is_restored_as_it_was(archive: Archive, tmp_path: Path) -> None:
    roll_up(archive, before=2023)
    models = tmp_path / "models"
    models.mkdir()
    (models / "a.npz").write_bytes(b"weights")
    made = back_up(archive, models, tmp_path / "b.zip", now=NOW)
    assert made.entries == len(TIMES) + 1
    before = contents(archive)
    with pytest.raises(FileExistsError, match="--replace"):
        restore(made.path, archive.folder, models, now=NOW)
    shutil.rmtree(archive.folder)
    shutil.rmtree(models)
    restore(made.path, archive.folder, models, now=NOW)
    assert contents(archive) == before
    assert archive.problems() == []
    assert (models / "a.npz").read_bytes() == b"weights"
    (models / "a.npz").write_bytes(b"other")
    restore(made.path, archive.folder, models, now=NOW, replace=True)
    kept = tmp_path / "models.before-restore-20250101T000000_000000"
    assert (kept / "a.npz").read_bytes() == b"other"
    assert not list(tmp_path.glob(".restore-*"))


def test_damaged_and_hostile_backups_restore_nothing(archive: Archive, tmp_path: Path) -> None:
    made = back_up(archive, tmp_path / "none", tmp_path / "b.zip", now=NOW)
    whole = made.path.read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(whole), 30):
        broken = bytearray(whole)
        broken[place] ^= 1 << int(rng.integers(8))
        made.path.write_bytes(bytes(broken))
        target = tmp_path / "new"
        try:
            restore(made.path, target, tmp_path / "models", now=NOW)
        except ArchiveError:
            assert not target.exists()
        else:  # a bit that carries nothing, such as a date in the directory of the zip
            assert contents(Archive(target)) == contents(archive)
            shutil.rmtree(target)
            shutil.rmtree(tmp_path / "models")
    made.path.write_bytes(whole)
    for name in ("../evil", "/evil", "archive/../../evil", "archive\\..\\evil", "C:evil"):
        shutil.copy(made.path, tmp_path / "h.zip")
        with zipfile.ZipFile(tmp_path / "h.zip", "a") as packed:
            packed.writestr(name, b"x")
        with pytest.raises(ArchiveError):
            restore(tmp_path / "h.zip", tmp_path / "new", tmp_path / "m", now=NOW)
        assert not (tmp_path / "new").exists()
    assert not list(tmp_path.rglob("evil"))


def test_an_old_copy_of_the_archive_is_noticed(archive: Archive, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "head.json"
    check_head(archive, place)  # none yet
    write_head(archive, place)
    old = tmp_path / "old"
    shutil.copytree(archive.folder, old)
    archive.publish(forecast(TIMES[-1] + pd.Timedelta(weeks=1)))
    check_head(archive, place)  # newer than its head
    write_head(archive, place)
    assert Archive(old).problems() == []  # sound in itself
    with pytest.raises(ArchiveError, match="old backup was restored"):
        check_head(Archive(old), place)
    Archive(old).publish(forecast(TIMES[-1] + pd.Timedelta(weeks=1), 12.0))
    with pytest.raises(ArchiveError, match="another entry in place"):
        check_head(Archive(old), place)
    with pytest.raises(ArchiveError, match="0 entries"):
        check_head(Archive(tmp_path / "empty"), place)
    whole = place.read_text("utf-8")
    entries = f'"entries": {head_of(archive).entries}'
    later = head_of(archive).issue_time
    for damaged in (
        "{",
        whole.replace(entries, '"entries": 0'),
        whole.replace(later, "2030-01-01"),
        whole.replace('"withdrawals"', '"withdrawalt"'),
        whole.replace('"withdrawals": 0', '"withdrawals": 1'),
    ):
        assert damaged != whole
        place.write_text(damaged, "utf-8")
        with pytest.raises(ArchiveError, match="--accept"):
            check_head(archive, place)


def test_nothing_is_published_into_an_old_copy(archive: Archive, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "head.json"
    settings = settings_from(
        {"data": {"levels": Path("x.csv")}, "schedule": {"archive": archive.folder, "head": place}}
    )
    shutil.copytree(archive.folder, tmp_path / "old")
    later = forecast(TIMES[-1] + pd.Timedelta(weeks=1))
    assert _publish(later, settings, force=False, dry=False, wait=0.0).outcome == "new"
    check_head(archive, place)
    assert head_of(archive) == read_head(place)
    shutil.rmtree(archive.folder)
    shutil.copytree(tmp_path / "old", archive.folder)
    with pytest.raises(ArchiveError, match="old backup was restored"):
        _publish(later, settings, force=False, dry=False, wait=0.0)
    assert head_of(archive).entries == len(TIMES) + 1


def test_a_withdrawal_that_an_old_copy_lacks_is_noticed(archive: Archive, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "head.json"
    schedule = {"archive": archive.folder, "bundles": tmp_path / "models", "head": place}
    settings = settings_from({"data": {"levels": Path("x.csv")}, "schedule": schedule})
    shutil.copytree(archive.folder, tmp_path / "old")
    back_up(archive, tmp_path / "models", tmp_path / "b.zip", now=NOW)
    with head_kept(archive, place):
        archive.withdraw(TIMES[-1], "the clock was ahead", now=NOW)
    assert check_health(settings, now=NOW).code == 0
    assert not find_damage(settings)
    shutil.rmtree(archive.folder)
    shutil.copytree(tmp_path / "old", archive.folder)
    assert archive.standing()[-1].issue_time == TIMES[-1].isoformat()  # withdrawn, it stands again
    with pytest.raises(ArchiveError, match="other withdrawals than the 1 that were made"):
        check_head(archive, place)
    health = check_health(settings, now=NOW)
    assert health.code == 7
    assert health.issue is not None
    assert "old backup was restored" in health.problems[0] == find_damage(settings)[0]


def test_a_lost_catalogue_is_rebuilt_from_packs_too(archive: Archive) -> None:
    roll_up(archive, before=2024)
    head, before = head_of(archive), contents(archive)
    (archive.folder / "catalogue.sqlite").unlink()
    assert "lacks the entries" in archive.problems()[0]
    with archive.locked():
        rebuild_catalogue(archive)
    assert head_of(archive) == head
    assert contents(archive) == before


def test_kills_lose_nothing(archive: Archive) -> None:
    before = contents(archive)
    code = (
        "import sys; from pathlib import Path; import pandas as pd\n"
        "from gwforecast.service.archive import Archive\n"
        "from gwforecast.service.archive.rollup import Keep, prune, roll_up\n"
        "a = Archive(Path(sys.argv[1])); print('go', flush=True)\n"
        "roll_up(a, before=2024)\n"
        "prune(a, Keep(days=100), now=pd.Timestamp('2025-01-01'))\n"
    )
    rng = np.random.default_rng(2)
    for number in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(archive.folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(float(rng.uniform(0, 0.4)))
        if number < 7:
            process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert archive.problems() == []
        left = contents(archive)
        assert left.items() <= before.items()
    assert len(left) == 15
    assert not list(archive.folder.rglob(".*.tmp"))


def test_the_commands(full: Path, tmp_path: Path, gwforecast) -> None:
    shutil.copytree(full, tmp_path / "archive")
    (tmp_path / "run.toml").write_text(
        '[data]\nlevels = "x.csv"\n[schedule]\nhead = "safe/head.json"\n', "utf-8"
    )

    def call(*given: str, code: int = 0) -> str:
        done = gwforecast("archive", *given, cwd=tmp_path, code=code)
        return " ".join((done.stdout + done.stderr).split())

    assert f"{len(TIMES) + 1} entries" in call("head", "run.toml", "--accept")
    assert "2023: 52 files" in call("rollup", "run.toml")
    assert "Nothing to roll up" in call("rollup", "run.toml")
    call("backup", "run.toml", "--to", "b.zip")
    assert "at least one rule" in call("prune", "run.toml", code=2)
    assert "61 forecasts would be pruned" in call(
        "prune", "run.toml", "--keep-last", "9", "--dry-run"
    )
    assert "61 forecasts were pruned" in call("prune", "run.toml", "--keep-last", "9")
    assert "empty folders" in call("restore", "run.toml", "--from", "b.zip", code=6)
    call("restore", "run.toml", "--from", "b.zip", "--replace")
    Archive(tmp_path / "archive").publish(forecast(TIMES[-1] + pd.Timedelta(weeks=1)))
    call("head", "run.toml", "--accept")
    assert "old backup" in call("restore", "run.toml", "--from", "b.zip", "--replace", code=7)
    assert "old backup" in call("head", "run.toml", code=7)
