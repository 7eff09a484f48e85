"""Find damage of scheduled forecasts; repair it from the data, and from the seals in the files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import warnings
from contextlib import closing
from dataclasses import astuple, dataclass
from typing import Any

import pandas as pd

from gwforecast.config.load import Settings
from gwforecast.models.bundle import BundleError
from gwforecast.service.archive.archive import LOST, Archive
from gwforecast.service.archive.backup import check_head
from gwforecast.service.archive.catalogue import CATALOGUE, TABLES
from gwforecast.service.archive.sealed import (
    ArchiveError,
    Issue,
    Sealed,
    checksum,
    packed_files,
    read_packed,
    read_sealed,
    seal_after,
)
from gwforecast.service.champions import Champions
from gwforecast.service.schedule import Products, products_here
from gwforecast.service.wells.acknowledge import read_acknowledgements
from gwforecast.writing import clause

__all__ = ["Repaired", "find_damage", "rebuild_catalogue", "repair"]


@dataclass(frozen=True)
class Repaired:
    """What a repair did, and the damage that it left."""

    # messages
    done: list[str]
    left: list[str]


def find_damage(settings: Settings) -> list[str]:
    """Return messages about all damage of the archive and of the models; every file is read."""
    archive, champions = Archive(settings.schedule.archive), Champions(settings.schedule.bundles)
    found = archive.problems()
    if not found:
        found += [message for issue in archive.issues() if (message := _unlike(archive, issue))]
    try:
        read_acknowledgements(archive.folder, strict=True)
        if settings.schedule.head is not None and not found:
            check_head(archive, settings.schedule.head)
    except ArchiveError as error:
        found.append(str(error))
    try:
        table = champions.table()
    except BundleError as error:
        return [*found, str(error)]
    names = {name for pair in table.values() for name in (pair.bundle, pair.previous) if name}
    for name in sorted(names):
        try:
            champions.open(name)
        except (BundleError, OSError) as error:
            wells = sorted(well for well, pair in table.items() if pair.bundle == name)
            found.append(f"{error} It is the champion of {len(wells)} wells.")
    return found


def repair(
    settings: Settings,
    *,
    from_files: bool = False,
    now: pd.Timestamp,
    products: Products | None = None,
) -> Repaired:
    """Repair an archive: issue again what is lost, and set aside what no one has published.

    A forecast is written again only if its bytes have the checksum of its entry in the catalogue.

    ``from_files``: rebuild the catalogue from the seals in the files first; ``products``: where
    forecasts come from; by default they are made here.

    Raises
    ------
    ArchiveError
        If the catalogue is damaged and is not to be rebuilt.
    ArchiveBusyError
        If another run holds the lock of the archive.
    """
    archive = Archive(settings.schedule.archive)
    done: list[str] = []
    with archive.locked():
        if from_files:
            done += rebuild_catalogue(archive)
        try:
            issues = archive.issues()
        except ArchiveError as error:
            raise ArchiveError(
                f"{error} Without a backup, gwforecast repair --from-files rebuilds the catalogue."
            ) from None
        done += [f"removed {path.name}, left by an interrupted run" for path in archive.sweep()]
        for name in sorted(archive.files() - {issue.file for issue in issues}):
            archive.set_aside(name)
            done.append(f"moved {name}, which is in no catalogue, to lost+found")
    damaged = [issue for issue in issues if _damage(archive, issue)]
    left: list[str] = []
    if damaged:
        makes = products or products_here(settings, now=now)
        for issue in sorted(damaged, key=lambda i: (i.issue_time, i.revision)):
            message = _issue_again(archive, issue, makes)
            (left if message else done).append(message or f"issued {issue.file} again")
    return Repaired(done, [*left, *(_damage(archive, i) for i in damaged if _damage(archive, i))])


def _issue_again(archive: Archive, issue: Issue, products: Products) -> str:
    """Issue a forecast again; return why that does not give its bytes, empty if it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = archive.publish(products.make(issue.issue_time))[1]
    except Exception as error:  # the other forecasts are repaired nevertheless
        return f"{issue.file} cannot be issued again: {error}"
    if outcome == "restored":
        return ""
    return (
        f"{issue.file} cannot be issued again: data, settings or models have changed since, and "
        "the forecast would be another. Restore it from a backup."
    )


def _damage(archive: Archive, issue: Issue) -> str:
    try:
        archive.content(issue)
    except ArchiveError as error:
        return str(error)
    return ""


def _unlike(archive: Archive, issue: Issue) -> str:
    """Return a message if the content of a file is not the one in the catalogue."""
    try:
        sealed = read_sealed(archive.content(issue), issue.file)
    except ArchiveError as error:
        return str(error)
    return "" if sealed.issue == issue else f"{issue.file} is not the forecast of its entry"


def rebuild_catalogue(archive: Archive) -> list[str]:
    """Write a new catalogue from the seals in the files; return what was done.

    The old catalogue is kept beside it. Files that cannot be read are moved to ``lost+found``. The
    lock must be held.
    """
    done, entries = [], []
    for name in sorted(archive.files()):
        try:
            entries.append(read_sealed((archive.folder / name).read_bytes(), name))
        except (ArchiveError, OSError) as error:
            done.append(f"{clause(error)}; it was moved to {LOST}")
            archive.set_aside(name)
    loose = archive.files()
    for name, size in packed_files(archive.folder).items():
        if name in loose:
            continue
        try:
            entries.append(read_sealed(read_packed(archive.folder, name, size=size) or b"", name))
        except (ArchiveError, OSError) as error:
            done.append(str(error))
    chain, renewed = _chained(entries)
    withdrawn = _kept_withdrawals(archive)
    old = archive.folder / CATALOGUE
    fresh = archive.folder / f".{CATALOGUE}.{os.getpid()}.tmp"
    fresh.unlink(missing_ok=True)
    with closing(sqlite3.connect(fresh)) as catalogue, catalogue:
        for table in TABLES:
            catalogue.execute(table)
        rows = [(*astuple(one.issue), one.seal) for one in chain]
        catalogue.executemany("INSERT INTO issues VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        catalogue.executemany("INSERT INTO withdrawals VALUES (?, ?, ?, ?, ?)", withdrawn)
    if old.exists():
        kept = old.with_name(f"{CATALOGUE}.damaged")
        shutil.copy2(old, kept)  # the old one stays in place, so that an interrupted repair is too
        done.append(f"the old catalogue is now {kept.name}")
    os.replace(fresh, old)
    done.append(f"the catalogue has {len(chain)} entries and {len(withdrawn)} withdrawals")
    if renewed:
        done.append(
            f"{renewed} entries follow one that is lost, so that their seals and the head of the "
            "chain are new"
        )
    return done


def _kept_withdrawals(archive: Archive) -> list[tuple[Any, ...]]:
    """Return the withdrawals of a catalogue that may be damaged, as far as their seals hold."""
    path = archive.folder / CATALOGUE
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(path)) as catalogue:
            rows = catalogue.execute("SELECT * FROM withdrawals ORDER BY rowid").fetchall()
    except sqlite3.DatabaseError:
        return []
    kept, seal = [], ""
    for *values, given in rows:
        seal = checksum([seal, *values])
        if seal != given:
            break
        kept.append((*values, given))
    return kept


def _chained(entries: list[Sealed]) -> tuple[list[Sealed], int]:
    """Return entries in the order of their seals, and how many of them have new seals.

    Where an entry is lost, those after it follow in the order of issue times and revisions.
    """
    after: dict[str, list[Sealed]] = {}
    for one in sorted(entries, key=lambda e: (e.issue.issue_time, e.issue.revision)):
        after.setdefault(one.previous, []).append(one)
    chain: list[Sealed] = []
    renewed, seal = 0, ""
    while after:
        key = seal if seal in after else next(iter(after))
        follower = after[key].pop(0)
        if not after[key]:
            del after[key]
        new = seal_after(seal, follower.issue)
        renewed += new != follower.seal
        if new != follower.seal and follower.seal in after:  # those after it keep their order
            after[new] = after.pop(follower.seal)
        chain.append(Sealed(follower.issue, seal, new))
        seal = new
    return chain, renewed
