"""Faults of scheduled runs: kills, failing writes, damage, crowds, and a year of bad data.

    python benchmarks/faults.py [--quick]

Prints a table and a line with the result; ends with 0 where nothing was corrupt, lost or silently
wrong. Real processes run the real command line on a synthetic network of wells.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import databases
import hostile
import implausible as kinds
import kills
import numpy as np
import pandas as pd
import year

from gwforecast.models.bundle import BundleError
from gwforecast.service.archive import Archive, ArchiveError
from gwforecast.service.archive.backup import back_up, check_head, read_head, restore, write_head
from gwforecast.service.archive.catalogue import CATALOGUE
from gwforecast.service.archive.rollup import roll_up
from gwforecast.service.champions import Champions
from gwforecast.service.wells.acknowledge import read_acknowledgements

KILLS = {
    kills.of_publication: 650,
    kills.of_backfill: 40,
    kills.of_training: 160,
    kills.of_repair: 100,
    kills.of_retention: 60,
}
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
import errno, os, sys
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
from gwforecast.service.archive import archive, catalogue
os.fsync, os.replace = failing(os.fsync), failing(os.replace)
archive.as_bytes = failing(archive.as_bytes)
for name in ("begin", "add"):
    setattr(catalogue.Catalogue, name, failing(getattr(catalogue.Catalogue, name)))
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


def implausible(folder: Path) -> Row:
    """Forecast from each kind of implausible input; none may be ok, and no other well may fail."""
    from gwforecast.config.load import load_settings
    from gwforecast.schema import SchemaError
    from gwforecast.service import schedule

    now, wrong = pd.Timestamp("2010-03-03"), 0
    place = folder / "implausible"
    place.mkdir()
    kinds.make_place(place)
    schedule.train(load_settings(place / "run.toml"), through="2009-06-29", now=now)
    for kind, change in kinds.KINDS.items():
        with tempfile.TemporaryDirectory() as name:
            here = Path(name) / "place"
            shutil.copytree(place, here)
            change(here)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    made = schedule.forecast(
                        load_settings(here / "run.toml"), issue_time=kinds.ISSUED, dry=True, now=now
                    ).product
                except SchemaError:  # nothing is published, with a message
                    continue
            found = dict(zip(made["well"].values, made["status"].values, strict=True))
            bad = {"w1"} if kind in kinds.LEVELS else set(found)
            level = made["level"].values
            possible = (np.isnan(level) | ((level > 40) & (level < 60))).all()
            right = all((status == "ok") != (well in bad) for well, status in found.items())
            if not (right and possible):
                print("wrong:", kind, found, level.min(), level.max(), flush=True)
            wrong += not (right and possible)
    return f"{len(kinds.KINDS)} kinds of nonsense", len(kinds.KINDS), wrong, "none is ok"


AWAY = "postgresql+psycopg://me:s3cr3t@127.0.0.1:1/x"
SOCKET = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"


def real_faults(folder: Path) -> Row:
    """Break files, streams, limits and databases; the exit code must be the documented one."""
    cases: list[tuple[str, str, int]] = []
    well, forecast = "wells/w1.csv", f"gw forecast run.toml --issue-time {ISSUED[0].date()}"
    for name, spoil in (
        ("dangling link", f"rm {well}; ln -s nowhere.csv {well}"),
        ("link to itself", f"rm {well}; ln -s w1.csv {well}"),
        ("folder named .csv", f"rm {well}; mkdir {well}"),
        ("empty file", f": > {well}"),
        ("half written", f"head -c 5003 {well} > x; mv x {well}; printf '\\377\\376' >> {well}"),
        ("zeros", f"head -c 9000 /dev/zero > {well}"),
        ("random bytes", f"head -c 9000 /dev/urandom > {well}"),
        ("a program", f"cp /bin/true {well}"),
        ("no rows", f"head -n 1 {well} > x; mv x {well}"),
        ("one row", f"head -n 2 {well} > x; mv x {well}"),
        ("file gone", f"rm {well}"),
        ("name in Latin-1", f"mv {well} $(printf 'wells/w\\374.csv')"),
        ("pipe", f"rm {well}; mkfifo {well}"),
        ("socket", f'rm {well}; python3 -c "{SOCKET}" {well}'),
    ):
        cases.append((name, f"{spoil}; {forecast}", 5))
    cases += [
        ("no weather", f"rm weather.csv; {forecast}", 4),
        ("weather a folder", f"rm weather.csv; mkdir weather.csv; {forecast}", 4),
        ("weather empty", f": > weather.csv; {forecast}", 4),
        ("weather half", f"head -c 5003 weather.csv > x; mv x weather.csv; {forecast}", 4),
        ("no wells", f"rm -r wells; {forecast}", 4),
        ("wells a file", f"rm -r wells; cp weather.csv wells; {forecast}", 4),
        ("stdout closed", f"{forecast} >&-", 0),
        ("all streams closed", f"{forecast} >&- 2>&- <&-", 0),
        ("stdout full", f"{forecast} > /dev/full", 0),
        ("stderr full", f"{forecast} 2> /dev/full", 0),
        ("reader gone", f"set -o pipefail; {forecast} | true", 0),
        ("limit of 1 kB", f"ulimit -f 1; {forecast}", 6),
        ("limit of 8 kB", f"ulimit -f 8; {forecast}", 6),
        ("limit of 20 kB", f"ulimit -f 20; {forecast}", 6),
        ("archive a file", f": > archive; {forecast}", 6),
        ("models gone", f"rm -r models; {forecast}", 5),
        ("models a file", f"rm -r models; : > models; {forecast}", 5),
        ("champions damaged", f"truncate -s 40 models/champions.json; {forecast}", 5),
        ("catalogue lost", f"{forecast}; rm archive/{CATALOGUE}; {forecast}", 7),
        ("catalogue empty", f"{forecast}; : > archive/{CATALOGUE}; {forecast}", 7),
        ("catalogue a folder",
         f"{forecast}; rm archive/{CATALOGUE}; mkdir archive/{CATALOGUE}; {forecast}", 7),
        ("catalogue of zeros",
         f"{forecast}; head -c 8192 /dev/zero > archive/{CATALOGUE}; {forecast}", 7),
        ("file lost, status", f"{forecast}; rm archive/2009/*.nc; gw status run.toml", 7),
        ("file lost, issued again", f"{forecast}; rm archive/2009/*.nc; {forecast}", 0),
        ("file lost, repaired", f"{forecast}; rm archive/2009/*.nc; gw repair run.toml", 0),
        ("settings gone", f"rm run.toml; {forecast}", 2),
        ("settings not TOML", f"echo '[[' > run.toml; {forecast}", 2),
        ("clock ahead", "gw forecast run.toml", 4),
        ("database away",
         f"{_with_database(AWAY)}; {forecast}", 4),
        ("database not there", f"{_with_database('sqlite:///nowhere.db')}; {forecast}", 4),
        ("database a text", f"{_with_database('sqlite:///weather.csv')}; {forecast}", 4),
        ("database unknown", f"{_with_database('none://me:s3cr3t@host/x')}; {forecast}", 2),
        ("output database away",
         f"echo 'sql = \"{AWAY}\"' >> run.toml; {forecast}", 6),
    ]  # fmt: skip
    wrong = sum(not _as_documented(folder, *case) for case in cases)
    return f"{len(cases)} real faults", len(cases), wrong, "documented code, no traceback"


HASTY = (
    "import gwforecast.data.database as database; database.QUERY = database.CONNECT = 5; "
    "from gwforecast.cli.app import main; main()"
)


def _as_documented(folder: Path, name: str, line: str, code: int, text: str | None = None) -> bool:
    """Return whether a line of the shell in a copy of a place ends as documented, within 60 s."""
    with tempfile.TemporaryDirectory() as here:
        place = Path(here) / "place"
        shutil.copytree(folder, place)
        if text is not None:
            (place / "run.toml").write_text(text, "utf-8")
        program = (
            f'"{sys.executable}" -c "{HASTY}"' if text else f'"{sys.executable}" -m gwforecast'
        )
        script = f'gw() {{ {program} "$@"; }}; {line}'
        done = subprocess.run(
            ["bash", "-c", script], cwd=place, env=environment(), capture_output=True,
            check=False, timeout=300,
        )  # fmt: skip
    printed = done.stdout + done.stderr
    right = done.returncode == code
    right &= not any(word in printed for word in (b"Traceback", b"s3cr3t", b"Segmentation"))
    if not right:
        print("wrong:", name, done.returncode, "not", code, printed[-400:], flush=True)
    return right


def postgres(folder: Path) -> Row:
    """Break a real PostgreSQL in the middle of forecasts that read from it or write to it."""
    if databases.program("initdb") is None:
        return "PostgreSQL is not installed", 0, 0, ""
    wrong, forecast = 0, f"gw forecast run.toml --issue-time {ISSUED[0].date()}"
    with databases.server() as (port, running):
        owner = f"postgresql+psycopg://owner:{databases.SECRET}@127.0.0.1:{port}/postgres"
        databases.fill(owner, folder)
        cases = databases.cases(port, running)
        for name, url, levels, code, meanwhile in cases:
            if meanwhile is not None:
                threading.Thread(target=meanwhile, daemon=True).start()
            text = databases.settings(CONFIG, url, levels)
            wrong += not _as_documented(folder, name, forecast, code, text)
    return f"{len(cases)} faults of PostgreSQL", len(cases), wrong, "documented code"


def _with_database(url: str) -> str:
    return f"sed -i 's#^levels#database = \"{url}\"\\nlevels#' run.toml"


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

    def record() -> bool:
        return read_acknowledgements(archive.folder, strict=True) == changes

    def head() -> bool:
        check_head(archive, folder / "head.json")
        return read_head(folder / "head.json") == first_head

    def rolled() -> bool:
        return all(packed.open(one).identical(kept) for one, kept in packed_products)

    def backup() -> bool:
        again = folder / "again"
        shutil.rmtree(again, ignore_errors=True)
        restore(folder / "backup.zip", archive=again / "a", models=again / "m", now=kinds_now)
        return Archive(again / "a").chain() == archive.chain()

    kinds_now = pd.Timestamp("2010-03-03")
    run(folder, "acknowledge", "run.toml", "w1", "--real", "--since", "2009-01-05")
    changes = read_acknowledgements(archive.folder, strict=True)
    first_head = write_head(archive, folder / "head.json")
    packed = Archive(folder / "packed")
    shutil.copytree(archive.folder, packed.folder)
    roll_up(packed, before=2010)
    packed_products = [(one, packed.open(one)) for one in packed.issues()]
    back_up(archive, folder / "models", folder / "backup.zip", now=kinds_now)
    rows = []
    files: list[tuple[Path, Callable[[], bool]]] = [
        (archive.folder / "acknowledged.json", record),
        (folder / "head.json", head),
        (packed.folder / "2009.zip", rolled),
        (folder / "backup.zip", backup),
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
                silent += not right() and bytes(spoilt) != whole
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    parser.add_argument(
        "--only", choices=("year", "nonsense", "real", "kills", "damage", "hostile"),
        help="the runs by a simulated clock, implausible input, real faults, kills, flipped bits "
        "or hostile files",
    )  # fmt: skip
    quick = parser.parse_args().quick
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        make_place(base)
        if run(base, "train", "run.toml", "--through", "2008-12-29") != 0:
            return 1
        jobs: list[Callable[[Path], Row | list[Row]]] = [
            *(
                lambda folder, work=work, number=number: work(
                    folder, number // 10 if quick else number
                )
                for work, number in KILLS.items()
            ),
            implausible,
            real_faults,
            postgres,
            hostile.run,
            failing_writes,
            lambda folder: damage(folder, 30 if quick else 300),
            lambda folder: crowd(folder, 6 if quick else 20, 2 if quick else 10),
            lambda folder: year.run(folder / "year", 36 if quick else 365),
        ]
        chosen = parser.parse_args().only
        if chosen is not None:
            number = len(KILLS)
            jobs = {
                "year": jobs[-1:], "nonsense": [implausible], "real": [real_faults, postgres],
                "kills": jobs[:number], "damage": jobs[number + 5 : number + 6],
                "hostile": [hostile.run],
            }[chosen]  # fmt: skip
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
    return _ended(rows)


def _ended(rows: list[Row]) -> int:
    wrong = sum(row[2] for row in rows)
    print(f"{sum(row[1] for row in rows)} faults, {wrong} wrong")
    return 0 if wrong == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
