"""The catalogue of an archive: a SQLite file of entries, each sealed over all entries before it."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gwforecast.service.archive.sealed import (
    Issue,
    Sealed,
    Withdrawal,
    checksum,
    damaged,
    seal_after,
)

__all__ = ["CATALOGUE", "TABLES", "ArchiveBusyError", "Catalogue"]


CATALOGUE = "catalogue.sqlite"
PATIENCE = 30.0  # s to wait for a catalogue that another program has locked
NOTES = {"withdrawals": "withdrawal", "pruned": "pruned entry"}
TABLES = (
    """
CREATE TABLE IF NOT EXISTS issues (
    issue_time TEXT NOT NULL,
    revision INTEGER NOT NULL,
    file TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    content TEXT NOT NULL,
    seal TEXT NOT NULL,
    PRIMARY KEY (issue_time, revision)
)
""",
    "CREATE TABLE IF NOT EXISTS pending (file TEXT PRIMARY KEY)",
    *(
        f"""
CREATE TABLE IF NOT EXISTS {table} (
    issue_time TEXT NOT NULL,
    revision INTEGER NOT NULL,
    reason TEXT NOT NULL,
    made TEXT NOT NULL,
    seal TEXT NOT NULL
)
"""
        for table in NOTES
    ),
)


class ArchiveBusyError(RuntimeError):
    """Another run holds the lock of the archive."""


class Catalogue:
    """The catalogue of an archive.

    Every method that reads raises :class:`ArchiveError` if an entry was changed or an earlier entry
    is missing. The lock of the archive must be held to write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / CATALOGUE

    def chain(self) -> list[Sealed]:
        """Return the entries with their seals, in order of publication."""
        found: list[Sealed] = []
        seal = ""
        for *values, given in self._rows("issues", Issue):
            issue, previous = Issue(*values), seal
            seal = seal_after(previous, issue)
            if seal != given:
                raise damaged(self.folder, f"entry {len(found) + 1} of {CATALOGUE}")
            found.append(Sealed(issue, previous, seal))
        return found

    def notes(self, table: str) -> list[Withdrawal]:
        """Return the rows of ``withdrawals`` or ``pruned``, oldest first."""
        found: list[Withdrawal] = []
        seal = ""
        for *values, given in self._rows(table, Withdrawal):
            row = Withdrawal(*values)
            seal = checksum([seal, *astuple(row)])
            if seal != given:
                raise damaged(self.folder, f"{NOTES[table]} {len(found) + 1} of {CATALOGUE}")
            found.append(row)
        return found

    def pending(self) -> set[str]:
        """Return the files of publications that were interrupted."""
        if self._is_empty():
            return set()
        try:
            with self._open() as catalogue:
                return {row[0] for row in catalogue.execute("SELECT file FROM pending")}
        except sqlite3.DatabaseError:
            return set()  # of an earlier version, or damaged, which chain reports

    def begin(self, name: str) -> None:
        """Note the file that will be written, which explains it if the run is interrupted."""
        with self._written() as catalogue:
            catalogue.execute("INSERT OR REPLACE INTO pending VALUES (?)", (name,))

    def add(self, entry: Sealed) -> None:
        """Add an entry: its file is complete, and the forecast is published."""
        with self._written() as catalogue:
            catalogue.execute(
                "INSERT INTO issues VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*astuple(entry.issue), entry.seal),
            )
            catalogue.execute("DELETE FROM pending WHERE file = ?", (entry.issue.file,))

    def note(self, table: str, rows: Iterable[Withdrawal]) -> None:
        """Add rows to ``withdrawals`` or ``pruned``."""
        with self._written() as catalogue:
            query = f"SELECT seal FROM {table} ORDER BY rowid DESC LIMIT 1"  # noqa: S608 - constants
            found = catalogue.execute(query).fetchone()
            seal = found[0] if found else ""
            for row in rows:
                seal = checksum([seal, *astuple(row)])
                query = f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - constants
                catalogue.execute(query, (*astuple(row), seal))

    def forget_pending(self) -> None:
        """Remove the notes of interrupted publications, whose files are gone."""
        with self._open() as catalogue, catalogue:
            catalogue.execute("DELETE FROM pending")

    def _is_empty(self) -> bool:
        return not self.path.exists() or self.path.stat().st_size == 0

    def _rows(self, table: str, kind: type) -> list[tuple[Any, ...]]:
        """Return the rows of a table in order; none where catalogue or table do not exist."""
        if self._is_empty():
            return []
        self._check_pages()
        columns = ", ".join([*(field.name for field in fields(kind)), "seal"])
        try:
            with self._open() as catalogue:
                sound = catalogue.execute("PRAGMA integrity_check(1)").fetchone()[0]
                if sound != "ok":
                    raise damaged(self.folder, f"{CATALOGUE}: {sound}")
                query = f"SELECT {columns} FROM {table} ORDER BY rowid"  # noqa: S608 - constants
                return catalogue.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if f"no such table: {table}" in str(error) and table != "issues":
                return []  # of an earlier version
            raise damaged(self.folder, f"{CATALOGUE}: {error}") from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise damaged(self.folder, f"{CATALOGUE}: {error}") from None

    def _check_pages(self) -> None:
        """Raise if the last page of the catalogue was cut off, which SQLite reads as zeros."""
        try:
            with self.path.open("rb") as file:
                header = file.read(100)
        except OSError as error:
            raise damaged(self.folder, f"{CATALOGUE}: {error.strerror}") from None
        size, whole = int.from_bytes(header[16:18], "big"), self.path.stat().st_size
        if len(header) < 100 or size == 0 or whole % (65536 if size == 1 else size):
            raise damaged(self.folder, f"{CATALOGUE}, whose last page is incomplete")

    @contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        """Open the catalogue for one durable transaction, with all its tables."""
        with self._open() as catalogue, catalogue:
            catalogue.execute("PRAGMA synchronous = FULL")
            for table in TABLES:
                catalogue.execute(table)
            yield catalogue

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the catalogue; a lock and a full disk are not reported as damage."""
        uri = f"file:{quote(str(self.path))}?mode=rwc"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE)) as catalogue:
                yield catalogue
        except sqlite3.OperationalError as error:
            self._no_damage(error)
            raise

    def _no_damage(self, error: sqlite3.OperationalError) -> None:
        """Raise the error of the system behind an error of SQLite, if there is one."""
        text, path = str(error), str(self.path)
        if "locked" in text or "busy" in text:
            raise ArchiveBusyError(
                f"The catalogue of an archive must not be locked for longer than {PATIENCE:g} s. "
                f"Received {path!r}, which another program has locked, such as a backup. Run again "
                "when it has ended."
            ) from None
        for part, number in (
            ("full", errno.ENOSPC),
            ("readonly", errno.EACCES),
            ("disk I/O", errno.EIO),
        ):
            if part in text:
                raise OSError(number, os.strerror(number), path) from None
