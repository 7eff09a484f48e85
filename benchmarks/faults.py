"""Faults of scheduled runs: kills, failing writes, damage, crowds, and a year of bad data.

    python benchmarks/faults.py [--quick]

Prints a table and a line with the result; ends with 0 where nothing was corrupt, lost or silently
wrong. Real processes run the real command line on a synthetic network of wells.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from gwforecast.models.bundle import BundleError
from gwforecast.service.archive import CATALOGUE, Archive, ArchiveError
from gwforecast.service.champions import Champions

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """
[data]
levels = "wells"
covariates = "weather.csv"
[schedule]
models = ["linear"]
horizon = 8
"""
START, ISSUED = "2001-01-01", pd.date_range("2009-01-05", periods=60, freq="W-MON")
Row = tuple[str, int, int, str]

# Fails the k-th write, fsync or replace of a run.
INJECT = """
import builtins, errno, os, sys
from pathlib import Path
which, number, code = int(sys.argv[1]), 0, int(sys.argv[2])
def failing(call):
    def wrapped(*args, **kwargs):
        global number
        number += 1
        if number == which:
            raise OSError(code, os.strerror(code))
        return call(*args, **kwargs)
    return wrapped
from gwforecast.ops import atomic, archive
import sqlite3
os.fsync, os.replace = failing(os.fsync), failing(os.replace)
archive._write = failing(archive._write)
archive.Archive._add = failing(archive.Archive._add)
from gwforecast.cli.app import app
try:
    app(sys.argv[3:], standalone_mode=True)
except SystemExit as end:
    Path("calls").write_text(str(number))
    sys.exit(end.code)
"""


def make_place(folder: Path, *, freq: str = "W-MON") -> None:
    """Write three wells with a known response to rain, and their configuration."""
    days = 1 if freq == "D" else 7
    times = pd.date_range(START, periods=540 * 7 // days, freq=freq, name="date")
    rng = np.random.default_rng(0)
    rain = rng.gamma(1.2, 12.0 * days / 7, times.size).round(2)
    pd.DataFrame({"rain": rain}, index=times).to_csv(folder / "weather.csv")
    (folder / "wells").mkdir(parents=True)
    for number in range(3):
        memory = (6 + 4 * number) * 7 / days
        level = pd.Series(rain).ewm(halflife=memory).mean() * 7 / days / 20 + number
        noisy = (level + rng.normal(scale=0.01, size=times.size)).round(3)
        frame = pd.DataFrame({"level": noisy.to_numpy()}, index=times)
        frame.to_csv(folder / "wells" / f"w{number}.csv")
    (folder / "run.toml").write_text(CONFIG, "utf-8")


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gwforecast", *arguments],
        cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(folder: Path, *arguments: str) -> int:
    process = start(folder, *arguments)
    process.communicate()
    return process.returncode


def sound(archive: Archive) -> bool:
    """Return whether all that the catalogue names can be read."""
    try:
        return all(archive.open(issue).sizes["well"] == 3 for issue in archive.issues())
    except ArchiveError:
        return False


def kills(folder: Path, number: int) -> Row:
    """Kill runs of a backfill at random moments; what was said to be published must be there."""
    rng = np.random.default_rng(1)
    archive, corrupt, lost, made = Archive(folder / "archive"), 0, 0, set()
    for _ in range(number):
        process = start(folder, "backfill", "run.toml", "2009-01-05", "2010-03-01", "--force")
        time.sleep(float(rng.uniform(0.6, 2.2)))
        process.send_signal(signal.SIGKILL)
        printed = process.communicate()[0].split("\n")[:-1]
        made |= {line[11:21] for line in printed if "published" in line}
        corrupt += not sound(archive)
        there = {issue.issue_time[:10] for issue in archive.issues()}
        lost += len(made - there)
        shutil.rmtree(folder / "archive", ignore_errors=True) if len(there) > 55 else None
        made = set() if len(there) > 55 else made
    after = run(folder, "forecast", "run.toml", "--issue-time", "2010-04-05")
    litter = len(list((folder / "archive").rglob(".*.tmp")))
    wrong = corrupt + lost + (after != 0) + litter
    return (
        f"{number} kills",
        number,
        wrong,
        f"{corrupt} corrupt, {lost} lost, next ended with {after}",
    )


def failing_writes(folder: Path) -> Row:
    """Fail each write, fsync, replace and line of the catalogue in turn, with three errors."""
    import errno

    wrong = cases = 0
    for code in (errno.ENOSPC, errno.EIO, errno.EACCES):
        for which in range(1, 30):
            shutil.rmtree(folder / "archive", ignore_errors=True)
            run(folder, "forecast", "run.toml", "--issue-time", "2009-01-05")
            before = Archive(folder / "archive").issues()
            done = subprocess.run(
                [sys.executable, "-c", INJECT, str(which), str(code),
                 "forecast", "run.toml", "--issue-time", "2009-01-12"],
                cwd=folder, env=environment(), capture_output=True, check=False,
            )  # fmt: skip
            calls = int((folder / "calls").read_text())
            if calls < which:
                break
            cases += 1
            archive = Archive(folder / "archive")
            kept = archive.issues()[: len(before)] == before
            published = len(archive.issues()) > len(before)
            right = done.returncode == (0 if published else 6)
            again = run(folder, "forecast", "run.toml", "--issue-time", "2009-01-12") == 0
            wrong += not (kept and sound(archive) and right and again)
    wrong += not cases  # none failed: the run ended before it wrote
    return (
        f"{cases} failing writes",
        cases,
        wrong,
        "right code, nothing corrupt, next run publishes",
    )


def damage(folder: Path, number: int) -> list[Row]:
    """Flip bits and cut every kind of stored file; what is read must be right or refused."""
    run(folder, "forecast", "run.toml", "--issue-time", "2009-01-05")
    run(folder, "forecast", "run.toml", "--issue-time", "2009-01-12")
    archive, champions = Archive(folder / "archive"), Champions(folder / "models")
    lines, table = archive.issues(), champions.table()
    product = archive.open(lines[0])
    bundle = champions.path(table["w0"].bundle)

    def catalogue() -> bool:
        read = archive.issues()
        return read == lines or (read == lines[: len(read)] and bool(archive.problems()))

    def forecast() -> bool:
        return bool(archive.open(lines[0]).identical(product))

    def model() -> bool:
        champions.open(table["w0"].bundle)
        return True  # the same sums, so the same content

    def names() -> bool:
        return champions.table() == table

    rows = []
    files: list[tuple[Path, Callable[[], bool]]] = [
        (archive.folder / CATALOGUE, catalogue),
        (archive.folder / lines[0].file, forecast),
        (bundle / "arrays.npz", model),
        (bundle / "manifest.json", model),
        (bundle / "SHA256SUMS", model),
        (champions.folder / "champions.json", names),
    ]
    rng = np.random.default_rng(2)
    for path, right in files:
        whole, silent, refused = path.read_bytes(), 0, 0
        for turn in range(2 * number):
            spoilt = bytearray(whole)
            place = int(rng.integers(len(whole)))
            if turn % 2:
                del spoilt[place:]
            else:
                spoilt[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(spoilt)
            try:
                silent += not right()
            except (ArchiveError, BundleError, FileNotFoundError):
                refused += 1
        path.write_bytes(whole)
        rows.append((f"damage to {path.name}", 2 * number, silent, f"{refused} refused"))
    return rows


def crowd(folder: Path, runs: int, rounds: int) -> Row:
    """Start many runs at once: one publishes, the others find it there or the archive held."""
    wrong = 0
    for number in range(rounds):
        day = str(ISSUED[number].date())
        crowd = [start(folder, "forecast", "run.toml", "--issue-time", day) for _ in range(runs)]
        archive, torn = Archive(folder / "archive"), 0
        while any(process.poll() is None for process in crowd):
            torn += not sound(archive)
        ends = [process.communicate()[0] for process in crowd]
        codes = [process.returncode for process in crowd]
        made = sum(": published" in text for text in ends)
        wrong += made != 1 or torn > 0 or not set(codes) <= {0, 3}
    return f"{rounds} x {runs} runs at once", rounds, wrong, "one publishes, no torn reads"


def year(folder: Path, issued: pd.DatetimeIndex) -> Row:
    """Run at each issue time by a simulated clock, with faults in the data; labels are checked."""
    from gwforecast.config.load import load_settings
    from gwforecast.service import schedule

    rng, wrong, sizes = np.random.default_rng(3), 0, []
    settings = load_settings(folder / "run.toml")
    path = folder / "wells" / "w1.csv"
    whole = path.read_text("utf-8")
    for day in issued:
        fault = rng.choice(["none", "none", "old", "broken", "gone", "spike"])
        table = pd.read_csv(path)
        if fault == "old":
            kept = table["date"] < str((day - pd.Timedelta("80D")).date())
            table[kept].to_csv(path, index=False)
        elif fault == "spike":
            table.loc[table["date"] == str(day.date()), "level"] = 500.0
            table.to_csv(path, index=False)
        elif fault == "broken":
            path.write_text("date,level\n2001-01-01,one\n", "utf-8")
        elif fault == "gone":
            path.unlink()
        made = schedule.forecast(settings, issue_time=day, now=day + pd.Timedelta("30h"))
        found = dict(zip(made.product["well"].values, made.product["status"].values, strict=True))
        expected = {"none": "ok", "old": "stale", "broken": "check_failed", "gone": "no_data",
                    "spike": "check_failed"}[fault]  # fmt: skip
        right = found == {"w0": "ok", "w1": expected, "w2": "ok"} and made.outcome == "new"
        if not right:
            print("wrong label:", day.date(), fault, found, made.outcome)
        wrong += not right
        path.write_text(whole, "utf-8")
        files = Archive(folder / "archive").folder.rglob("*")
        sizes.append(sum(file.stat().st_size for file in files if file.is_file()))
    growth = np.diff(sizes)
    linear = growth[-len(growth) // 3 :].mean() / growth[: len(growth) // 3].mean()
    wrong += not 0.7 < linear < 1.4
    cadence = "daily" if issued[1] - issued[0] == pd.Timedelta("1D") else "weekly"
    return (
        f"{len(issued)} {cadence} runs with faults",
        len(issued),
        wrong,
        f"growth late / early {linear:.2f}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    parser.add_argument("--only", choices=("year",), help="the runs by a simulated clock")
    quick = parser.parse_args().quick
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        make_place(base)
        if run(base, "train", "run.toml", "--through", "2008-12-29") != 0:
            return 1
        jobs: list[Callable[[Path], Row | list[Row]]] = [
            lambda folder: kills(folder, 50 if quick else 500),
            failing_writes,
            lambda folder: damage(folder, 30 if quick else 300),
            lambda folder: crowd(folder, 6 if quick else 20, 2 if quick else 10),
            lambda folder: year(folder, ISSUED[: 12 if quick else 52]),
        ]
        if parser.parse_args().only == "year":
            jobs = jobs[-1:]
        for number, job in enumerate(jobs):
            folder = base.parent / f"{base.name}-{number}"
            shutil.copytree(base, folder)
            try:
                found = job(folder)
            finally:
                shutil.rmtree(folder)
            for row in found if isinstance(found, list) else [found]:
                rows.append(row)
                print(f"{row[0]:<28} {row[1]:>5} cases {row[2]:>3} wrong   {row[3]}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        make_place(base, freq="D")
        if run(base, "train", "run.toml", "--through", "2008-12-29") != 0:
            return 1
        rows.append(year(base, pd.date_range("2009-01-05", periods=36 if quick else 365)))
        print(f"{rows[-1][0]:<28} {rows[-1][1]:>5} cases {rows[-1][2]:>3} wrong   {rows[-1][3]}")
    wrong = sum(row[2] for row in rows)
    print(f"{sum(row[1] for row in rows)} faults, {wrong} wrong")
    return 0 if wrong == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
