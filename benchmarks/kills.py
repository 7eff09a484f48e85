"""Kills aimed at publication, training, repair and retention: nothing may be corrupt or lost.

Each kill is a real SIGKILL of a real process, a fork of one that has imported everything, so that
nearly every kill hits the work itself. Half of them come after a random processor time, half at a
random moment where a file is opened, renamed or removed, which random times seldom hit.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast.cli.app import app
from gwforecast.models.bundle import BundleError
from gwforecast.service.archive import Archive, ArchiveError
from gwforecast.service.archive.catalogue import CATALOGUE
from gwforecast.service.archive.rollup import Keep, prune, roll_up
from gwforecast.service.archive.sealed import content_of
from gwforecast.service.champions import Champions

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "sqlite3.connect")
NOW = pd.Timestamp("2010-03-03")
Row = tuple[str, int, int, str]


class Killer:
    """Runs work in forks that are killed, aimed by the time and the events of a whole run."""

    def __init__(self, work: Callable[[Path], object], folder: Path, *, seed: int) -> None:
        self.work, self.folder = work, folder
        self.rng = np.random.default_rng(seed)
        self.said = folder / "said"
        if failed := [line for line in self.run() if line.startswith("failed")]:
            raise RuntimeError(failed[0])
        self.events = max(int(self.said.read_text().splitlines()[-1]), 1)

    def run(self, *, at: int = 0, after: float = 0.0) -> list[str]:
        """Run the work in a fork, killed at an event or after some seconds of its processor time.

        The time is the fork's own, so that a busy machine moves no kill. Returns what it said.
        """
        self.said.write_bytes(b"")
        child = os.fork()
        if child == 0:
            self._in_child(at)
        if after:
            ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
            while time.clock_gettime(~child << 3 | 2) < after and not os.waitid(
                os.P_PID, child, ended
            ):
                time.sleep(0.001)
            os.kill(child, signal.SIGKILL)
        _, _, used = os.wait4(child, 0)
        if not (at or after):
            self.seconds = used.ru_utime + used.ru_stime
        return [line for line in self.said.read_text().split("\n")[:-1] if line]

    def kill(self) -> list[str]:
        """Kill a run of the work at a random moment; return what it said before."""
        chance = self.rng.random()
        if chance < 0.5:  # half of these at the last events, where results take their place
            first = 1 if chance < 0.25 else max(1, self.events - 15)
            return self.run(at=int(self.rng.integers(first, self.events + 1)))
        return self.run(after=float(self.rng.uniform(0.002, max(self.seconds, 0.01))))

    def _in_child(self, at: int) -> None:
        inside, count, said = str(self.folder), 0, os.open(self.said, os.O_WRONLY | os.O_APPEND)

        def listen(event: str, given: tuple[object, ...]) -> None:
            nonlocal count
            if event in EVENTS and inside in os.path.abspath(str(given[0])):
                count += 1
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.chdir(self.folder)
        sys.addaudithook(listen)
        try:
            self.work(said)  # type: ignore[arg-type]
        except SystemExit:
            pass
        except Exception as error:
            os.write(said, f"failed: {error!r}\n".encode())
        finally:
            os.write(said, f"{count}\n".encode())
            os._exit(0)


def command(*arguments: str) -> Callable[[object], None]:
    """Return the work of a command line."""
    return lambda _: app(list(arguments), standalone_mode=True)


def of_publication(folder: Path, number: int) -> Row:
    """Kill processes that publish, revise and withdraw; what was said to be there must be there."""
    forecast = ["forecast", "run.toml", "--issue-time", "2009-01-05"]
    Killer(command(*forecast), folder, seed=0)
    first = Archive(folder / "archive").read("2009-01-05")
    shutil.rmtree(folder / "archive")
    weeks = pd.date_range("2009-01-05", periods=9, freq="7D").to_numpy()
    products = [_moved(first, week) for week in weeks]
    archive = Archive(folder / "archive")

    def work(said: int) -> None:
        """Publish what is not there; revise every third, withdraw every fifth."""
        archive = Archive(folder / "archive")  # a lock is not inherited by a fork
        for turn, product in enumerate(products):
            known = archive.publish(product)
            _say(said, "published", known[0].issue_time, known[0].revision, known[0].content)
            if turn % 3 == 2 and known[1] != "kept" and known[0].revision == 1:
                made, _ = archive.publish(product.assign(level=product["level"] + 1.0), revise=True)
                _say(said, "published", made.issue_time, made.revision, made.content)
            if turn % 5 == 4 and known[0] not in archive._withdrawn():
                gone = archive.withdraw(known[0].issue_time, "test", now=NOW)
                _say(said, "withdrawn", gone.issue_time, gone.revision, gone.content)

    killer = Killer(work, folder, seed=1)  # type: ignore[arg-type]
    shutil.rmtree(folder / "archive")
    corrupt = lost = blocked = 0
    said: set[tuple[object, ...]] = set()
    for turn in range(number):
        said |= {tuple(json.loads(line)) for line in killer.kill() if line.startswith("[")}
        try:
            issues, out = archive.issues(), archive._withdrawn()
            corrupt += bool(archive.problems())
            for issue in issues[-2:]:
                corrupt += content_of(archive.open(issue)) != issue.content
        except (ArchiveError, KeyError):
            corrupt += 1
            continue
        entries = {("published", i.issue_time, i.revision, i.content) for i in issues}
        entries |= {("withdrawn", i.issue_time, i.revision, i.content) for i in out}
        lost += len(said - entries)
        if len(archive.standing()) > 6 or turn % 40 == 39:
            killer.run()  # no lock and no litter keeps a whole run from ending
            blocked += len(Archive(folder / "archive").standing()) < len(products) - 3
            blocked += bool(list(archive.folder.rglob(".*.tmp")))
            shutil.rmtree(folder / "archive")
            said = set()
    wrong = corrupt + lost + blocked
    return (
        f"{number} kills of publication", number, wrong,
        f"{corrupt} corrupt, {lost} lost, {blocked} blocked; {killer.events} events",
    )  # fmt: skip


def of_backfill(folder: Path, number: int) -> Row:
    """Kill the command itself; each line that was printed is an issue that is there."""
    work = command("backfill", "run.toml", "2009-01-05", "2009-02-23", "--force")
    killer = Killer(work, folder, seed=2)
    archive, wrong, before = Archive(folder / "archive"), 0, 0
    shutil.rmtree(archive.folder)
    for _ in range(number):
        killer.kill()
        try:
            wrong += bool(archive.problems())
            there = len(archive.issues())
        except ArchiveError:
            wrong += 1
            continue
        wrong += there < before
        before = there if there < 8 else 0
        if there >= 8:
            shutil.rmtree(archive.folder)
    killer.run()
    wrong += len(archive.issues()) != 8
    return f"{number} kills of backfill", number, wrong, f"{killer.seconds:.1f} s a run"


def of_training(folder: Path, number: int) -> Row:
    """Kill trainings; the champions must be the old or the new ones, and open."""
    ends = ("2008-12-29", "2008-12-22")  # in turn, so that each training makes another bundle
    killers = [
        Killer(command("train", "run.toml", "--through", end, "--replace"), folder, seed=3 + k)
        for k, end in enumerate(ends)
    ]
    champions, wrong, changed = Champions(folder / "models"), 0, 0
    before = champions.table()
    for turn in range(number):
        killers[turn % 2].kill()
        try:
            table = champions.table()
            names = {n for pair in table.values() for n in (pair.bundle, pair.previous) if n}
            for name in names:
                champions.open(name)
            wrong += len(table) != 3 or len({pair.bundle for pair in table.values()}) != 1
            changed += table != before
            before = table
        except (BundleError, OSError) as error:
            print(error)
            wrong += 1
        if turn % 25 == 24:
            killers[0].run()
            wrong += len(list((folder / "models" / "bundles").iterdir())) > 2
    return (
        f"{number} kills of training", number, wrong,
        f"{changed} had changed the champions, all open; {killers[0].events} events",
    )  # fmt: skip


def of_repair(folder: Path, number: int) -> Row:
    """Kill repairs of an archive whose catalogue is damaged; the next repair completes them."""
    Killer(command("backfill", "run.toml", "2009-01-05", "2009-02-02"), folder, seed=5)
    archive = Archive(folder / "archive")
    archive.withdraw("2009-01-19", "clock", now=NOW)
    chain, out = archive.chain(), archive.withdrawals()
    whole = archive.folder.with_name("whole")
    with closing(sqlite3.connect(archive.folder / CATALOGUE)) as opened, opened:
        opened.execute("UPDATE issues SET sha256 = 'x' WHERE rowid = 3")
    (archive.folder / chain[1].issue.file).write_bytes(b"spoilt")  # and a file
    shutil.copytree(archive.folder, whole)
    work = command("repair", "run.toml", "--from-files")
    killer = Killer(work, folder, seed=6)
    wrong = complete = 0
    for _ in range(number):
        shutil.rmtree(archive.folder)
        shutil.copytree(whole, archive.folder)
        killer.kill()
        with suppress(ArchiveError):  # reported as damage, which it still is
            complete += len(archive.chain()) > 0
        killer.run()
        try:
            there = {entry.issue for entry in archive.chain()}
            wrong += there != {e.issue for e in chain if e is not chain[1]}
            wrong += archive.withdrawals() != out or bool(archive.problems())
        except ArchiveError:
            wrong += 1
    return (
        f"{number} kills of repair", number, wrong,
        f"{complete} were complete, all others after the next repair",
    )  # fmt: skip


def of_retention(folder: Path, number: int) -> Row:
    """Kill roll-ups and prunings; every forecast that is kept must be there all the time."""
    Killer(command("backfill", "run.toml", "2009-11-30", "2010-02-08"), folder, seed=7)
    archive = Archive(folder / "archive")
    chain = archive.chain()
    whole = archive.folder.with_name("whole")
    shutil.copytree(archive.folder, whole)

    def work(_: object) -> None:
        archive = Archive(folder / "archive")
        roll_up(archive, before=2010)
        prune(archive, Keep(days=45), now=NOW)

    killer = Killer(work, folder, seed=8)
    kept = {issue.issue_time for issue in archive.issues()}
    wrong = 0
    for _ in range(number):
        shutil.rmtree(archive.folder)
        shutil.copytree(whole, archive.folder)
        killer.kill()
        wrong += bool(archive.problems()) or archive.chain() != chain
        killer.run()
        wrong += bool(archive.problems()) or archive.chain() != chain
        wrong += {issue.issue_time for issue in archive.issues()} != kept
    return f"{number} kills of retention", number, wrong, f"{len(kept)} of {len(chain)} are kept"


def _moved(product: xr.Dataset, week: np.datetime64) -> xr.Dataset:
    """Return the same forecast for another issue time."""
    made = product.copy(deep=True)
    by = week - made["issue_time"].values[0]
    return made.assign_coords(
        issue_time=made["issue_time"] + by, valid_time=made["valid_time"] + by
    ).assign(level=made["level"] + float(by / np.timedelta64(7, "D")) / 100)


def _say(said: int, *words: object) -> None:
    os.write(said, (json.dumps(words) + "\n").encode())
