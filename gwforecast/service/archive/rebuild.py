"""Rebuild the catalogue of an archive from the seals in its files."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import astuple
from typing import Any

from gwforecast.service.archive.archive import LOST, Archive
from gwforecast.service.archive.catalogue import CATALOGUE, TABLES
from gwforecast.service.archive.packs import packed_files, read_packed
from gwforecast.service.archive.sealed import (
    ArchiveError,
    Sealed,
    checksum,
    read_sealed,
    seal_after,
)

__all__ = ["rebuild_catalogue"]


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
            done.append(f"{error}; it was moved to {LOST}")
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
