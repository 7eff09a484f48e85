"""Full disks, limits, closed streams and databases that fail, by the real command line."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from gwforecast.config.load import load_settings
from gwforecast.data.database import shown, without_password
from gwforecast.service import schedule
from gwforecast.service.archive import Archive
from gwforecast.writing import redact

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
[data]
levels = "wells"
covariates = "weather.csv"
[schedule]
models = ["linear"]
horizon = 8
"""
TRAINED, ISSUED, NOW = "2008-06-30", "2009-02-02", pd.Timestamp("2009-02-10")
SECRET = "s3cr3t"  # noqa: S105 - of no one


@pytest.fixture(scope="module")
def trained(shared_folder: Path) -> Path:
    (shared_folder / "wells").mkdir()
    for number in range(2):
        shutil.copy(shared_folder / "levels.csv", shared_folder / "wells" / f"w{number}.csv")
    (shared_folder / "run.toml").write_text(CONFIG, "utf-8")
    schedule.train(load_settings(shared_folder / "run.toml"), through=TRAINED, now=NOW)
    return shared_folder


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(place: Path, shell: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell; ``gw`` is the command line."""
    line = f'gw() {{ "{sys.executable}" -m gwforecast "$@"; }}\n{shell}'
    return subprocess.run(
        ["bash", "-c", line],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


FORECAST = f"gw forecast run.toml --issue-time {ISSUED}"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a shell and /dev/full")
@pytest.mark.parametrize(
    "shell",
    [
        f"{FORECAST} >&-",
        f"{FORECAST} >&- 2>&- <&-",
        f"{FORECAST} >/dev/full",
        f"set -o pipefail; {FORECAST} | true",
    ],
)
def test_a_lost_output_does_not_end_a_run(place: Path, shell: str) -> None:
    done = run(place, shell)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert len(Archive(place / "archive").issues()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs ulimit")
@pytest.mark.parametrize("blocks", [1, 8, 20])
def test_a_limit_of_the_size_of_files_publishes_nothing(place: Path, blocks: int) -> None:
    done = run(place, f"ulimit -f {blocks}; {FORECAST}")
    assert done.returncode == 6, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert Archive(place / "archive").issues() == []
    assert run(place, FORECAST).returncode == 0


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="mounts a file system")
def test_a_full_disk_publishes_nothing(place: Path) -> None:
    disk = place / "archive"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        (disk / "filler").write_bytes(bytes(1024 * 196))
        for kilobytes in (196, 186, 178):
            os.truncate(disk / "filler", 1024 * kilobytes)
            done = run(place, FORECAST)
            assert done.returncode == 6, done.stdout + done.stderr
            assert "no space left on device" in done.stderr
        (disk / "filler").unlink()
        assert run(place, FORECAST).returncode == 0
        assert len(Archive(disk).issues()) == 1
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_log_is_json_on_request(place: Path) -> None:
    (place / "wells" / "w1.csv").write_text("date,level\n2001-01-01,one\n", "utf-8")
    done = run(place, FORECAST.replace("gw ", "gw --log-format json "))
    assert done.returncode == 5
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"time", "level", "message"} <= set(lines[-1])
    assert [line["status"] for line in lines if line["message"] == "well"] == ["check_failed"]
    assert lines[-1] | {"time": ""} == {
        "time": "", "level": "info", "message": "forecast", "issue_time": "2009-02-02T00:00:00",
        "outcome": "new", "code": 5, "wells": 2,
    }  # fmt: skip
    done = run(place, "gw --log-format json forecast run.toml --issue-time 2999-01-01")
    assert json.loads(done.stderr.splitlines()[-1])["level"] == "error"


def database(place: Path, url: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("sqlalchemy")
    text = CONFIG.replace("[data]", f'[data]\ndatabase = "{url}"')
    text = text.replace('"wells"', '"heads"').replace('"weather.csv"', '"weather"')
    (place / "run.toml").write_text(text, "utf-8")
    return run(place, FORECAST)


def silent_server() -> tuple[socket.socket, int]:
    """Return a server that accepts connections and never answers."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server, server.getsockname()[1]


def test_databases_that_fail_are_missing_inputs(place: Path) -> None:
    pytest.importorskip("psycopg")
    server, port = silent_server()

    def cut() -> None:
        for _ in range(9):
            try:
                server.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=cut, daemon=True).start()
    with closing(server):
        for url, word in (
            (f"postgresql+psycopg://me:{SECRET}@127.0.0.1:{port}/wells", "OperationalError"),
            (f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/wells", "OperationalError"),
            (f"postgresql+psycopg://127.0.0.1:1/wells?user=me&password={SECRET}", "Operational"),
            ("sqlite:///nowhere.db", "does not"),
            ("sqlite:///weather.csv", "DatabaseError"),
        ):
            done = database(place, url)
            assert done.returncode == 4, done.stdout + done.stderr
            assert word in done.stderr
            assert SECRET not in done.stdout + done.stderr
            assert "Traceback" not in done.stderr
    assert not (place / "nowhere.db").exists()


@pytest.mark.parametrize(
    "given",
    [
        f'["postgresql://me:{SECRET}@host/db"]',
        f'"postgresql://me:{SECRET}@host:port/db"',
        f'"postgresql://me:a/{SECRET}@host/db"',
        f'"nonsense+none://me:{SECRET}@host/db"',
        f'"mssql+pyodbc://?odbc_connect=Driver=x;PWD={SECRET}"',
        f'{{ url = "postgresql://me:{SECRET}@host/db" }}',
    ],
)
@pytest.mark.parametrize("setting", ["database", "sql"])
def test_no_message_shows_a_password(place: Path, given: str, setting: str) -> None:
    pytest.importorskip("sqlalchemy")
    if setting == "database":
        text = CONFIG.replace("[data]", f"[data]\ndatabase = {given}")
    else:
        text = f"{CONFIG}sql = {given}\n"
    (place / "run.toml").write_text(text, "utf-8")
    done = run(place, FORECAST)
    assert done.returncode in (2, 4, 6), done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    for path in (place / "archive").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_addresses_are_shown_without_passwords() -> None:
    pytest.importorskip("sqlalchemy")
    url = f"postgresql+psycopg://me:{SECRET}@host/db?sslpassword={SECRET}&sslmode=require"
    assert SECRET not in shown(url)
    assert without_password(url).count("$PASSWORD") == 2
    assert "sslmode=require" in without_password(url)
    assert SECRET not in redact(f"failed at {url} (password = '{SECRET}')")
    assert redact("postgresql://me:$PASSWORD@host/db") == "postgresql://me:$PASSWORD@host/db"
