"""Backups of an archive and its models in one file, their restoration, and the head of the chain.

A backup is made while no run writes. Each of its files has a checksum, and a backup is restored
only if all of them and the seals of the catalogue are right. The head of the chain, kept elsewhere,
shows that an old copy was restored: such a copy is sound in itself, but lacks the last entries.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from gwforecast.service.archive import Archive, ArchiveError
from gwforecast.service.archive.archive import LOCK
from gwforecast.service.archive.catalogue import CATALOGUE
from gwforecast.service.archive.sealed import BROKEN, checksum
from gwforecast.writing import write_atomically, write_text

__all__ = [
    "Backup", "Head", "back_up", "check_head", "head_kept", "head_of", "read_head", "restore",
    "write_head",
]  # fmt: skip


MANIFEST = "manifest.json"
ARCHIVE, MODELS = "archive", "models"
LEFT_OUT = (LOCK, "alerts.lock")


@dataclass(frozen=True)
class Backup:
    """What a backup holds."""

    path: Path  # the file, or the folder that was restored
    files: int  # files in it
    entries: int  # entries of the catalogue
    issue_time: str  # issue time of the last one
    bytes: int  # size of the file


def back_up(
    archive: Archive, models: Path, target: Path, *, now: pd.Timestamp, timeout: float = 0.0
) -> Backup:
    """Write archive and models to one file, a zip.

    ``archive``: the archive; its lock is held meanwhile; ``target``: the file; complete or absent.

    Raises
    ------
    ArchiveError
        If the archive is damaged, as a backup would hide that.
    """
    sums: dict[str, str] = {}
    with archive.locked(timeout=timeout):
        problems = archive.problems()
        if problems:
            raise ArchiveError(f"Only a sound archive is backed up. {problems[0]}")
        head = head_of(archive)

        def write(path: Path) -> None:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as packed:
                for name, source in _sources(archive.folder, models):
                    content = _content(source)
                    sums[name] = hashlib.sha256(content).hexdigest()
                    packed.writestr(name, content)
                manifest = {"made": now.isoformat(), "head": asdict(head), "files": sums}
                packed.writestr(MANIFEST, json.dumps(manifest, indent=1))

        write_atomically(target, write)
    return Backup(target, len(sums), head.entries, head.issue_time, target.stat().st_size)


def _sources(archive: Path, models: Path) -> Iterator[tuple[str, Path]]:
    for name, folder in ((ARCHIVE, archive), (MODELS, models)):
        for path in sorted(folder.rglob("*")):
            hidden = path.name.startswith(".") or path.name in LEFT_OUT or path.suffix == ".lock"
            if path.is_file() and not path.is_symlink() and not hidden:
                yield f"{name}/{path.relative_to(folder).as_posix()}", path


def _content(path: Path) -> bytes:
    """Return a file; of a catalogue a consistent copy, whoever else has it open."""
    if path.name != CATALOGUE:
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / CATALOGUE
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        return copy.read_bytes()


def restore(
    source: Path, archive: Path, models: Path, *, now: pd.Timestamp, replace: bool = False
) -> Backup:
    """Restore archive and models from a backup.

    Everything is checked before anything is replaced; what was there is kept beside it under a
    name that ends with ``.before-restore-`` and the time.

    ``replace``: replace folders that have files; by default they must be empty or absent.

    Raises
    ------
    ArchiveError
        If the backup is damaged.
    FileExistsError
        If a folder has files and ``replace`` is False.
    """
    for there in (archive, models):
        if there.exists() and any(there.iterdir()) and not replace:
            raise FileExistsError(
                f"A backup is restored into empty folders. Received {str(there)!r}, which has "
                "files. Move them, or keep them beside the restored ones with --replace."
            )
    stamp = now.strftime("%Y%m%dT%H%M%S_%f")
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=_parent(archive)) as folder:
        manifest = _extract(source, Path(folder))
        restored = Archive(Path(folder) / ARCHIVE)
        problems = restored.problems()
        if problems:
            raise ArchiveError(f"The archive of a backup must be sound. {problems[0]}")
        head = head_of(restored)
        if asdict(head) != asdict(head) | dict(manifest["head"]):
            raise _damaged(source, "its catalogue is not that of the manifest")
        for name, target in ((ARCHIVE, archive), (MODELS, models)):
            made = restored.folder.with_name(name)
            made.mkdir(exist_ok=True)
            _parent(target)
            if target.exists():
                os.rename(target, target.with_name(f"{target.name}.before-restore-{stamp}"))
            shutil.move(str(made), str(target))  # also to another disk
    files = len(manifest["files"])
    return Backup(archive, files, head.entries, head.issue_time, source.stat().st_size)


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent


def _extract(source: Path, folder: Path) -> dict[str, dict[str, object]]:
    """Extract a backup whose names and sums are right; return its manifest."""
    try:
        with zipfile.ZipFile(source) as packed:
            manifest = json.loads(packed.read(MANIFEST))
            sums = dict(manifest["files"])
            names = [info.filename for info in packed.infolist() if info.filename != MANIFEST]
            if sorted(names) != sorted(sums):
                raise _damaged(source, "its files are not those of the manifest")
            for name in names:
                _check_name(source, name)
                content = packed.read(name)
                if hashlib.sha256(content).hexdigest() != sums[name]:
                    raise _damaged(source, name)
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    except (*BROKEN, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, ArchiveError):
            raise
        raise _damaged(source, str(error)) from None
    return dict(manifest)


def _check_name(source: Path, name: str) -> None:
    parts = PurePosixPath(name).parts
    if "\\" in name or ":" in name or ".." in parts or parts[:1] not in ((ARCHIVE,), (MODELS,)):
        raise _damaged(source, f"the name {name!r}")


def _damaged(source: Path, what: str) -> ArchiveError:
    return ArchiveError(
        f"A backup must be as it was written. Received {str(source)!r} with damage: {what}. "
        "Nothing was restored; use another backup."
    )


@dataclass(frozen=True)
class Head:
    """The last entry of a catalogue, and what was withdrawn."""

    entries: int = 0  # number of entries
    seal: str = ""  # seal of the last one
    issue_time: str = ""  # its issue time
    withdrawals: int = 0  # number of withdrawals
    withdrawn: str = ""  # checksum of them


def head_of(archive: Archive) -> Head:
    """Return the head of an archive."""
    chain, gone = archive.chain(), len(archive.withdrawals())
    if not chain:
        return Head()
    last = chain[-1]
    return Head(len(chain), last.seal, last.issue.issue_time, gone, _withdrawn(archive, gone))


def _withdrawn(archive: Archive, number: int) -> str:
    """Return the checksum of the first withdrawals, empty for none."""
    rows = archive.withdrawals()[:number]
    return checksum([part for row in rows for part in astuple(row)]) if rows else ""


@contextmanager
def head_kept(archive: Archive, path: Path | None) -> Iterator[None]:
    """Compare an archive with its head before it is changed, and write the head afterwards."""
    if path is not None:
        check_head(archive, path)
    yield
    if path is not None:
        write_head(archive, path)


def write_head(archive: Archive, path: Path) -> Head:
    """Write the head of an archive to a file; return it."""
    head = head_of(archive)
    write_text(path, json.dumps(asdict(head), indent=1) + "\n")
    return head


def read_head(path: Path) -> Head | None:
    """Return a head that was written; None if there is none.

    Raises
    ------
    ArchiveError
        If the file cannot be understood.
    """
    try:
        given = json.loads(path.read_text("utf-8"))
        head = Head(
            int(given["entries"]), str(given["seal"]), str(given["issue_time"]),
            int(given.get("withdrawals", 0)), str(given.get("withdrawn", "")),
        )  # fmt: skip
        names = list(asdict(head))
        if set(given) not in (set(names), set(names[:3])):  # earlier versions wrote three
            raise ValueError(f"its entries are {sorted(given)}")
        if head != Head() and (head.entries < 1 or not head.seal):
            raise ValueError("its entries and its seal contradict each other")
        if (head.withdrawals > 0) != bool(head.withdrawn):
            raise ValueError("its withdrawals and their checksum contradict each other")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(
            f"The head of an archive is a JSON file of gwforecast. Received {str(path)!r}, which "
            f"cannot be read: {error}. Compare the archive with a backup, and rewrite the head: "
            "gwforecast archive head run.toml --accept."
        ) from None
    return head


def check_head(archive: Archive, path: Path) -> None:
    """Raise if an archive lacks entries that it had when its head was written.

    Raises
    ------
    ArchiveError
        If it has fewer entries, or another entry in the place of the head.
    """
    head = read_head(path)
    if head is None or head.entries == 0:
        return
    chain = archive.chain()
    there = chain[head.entries - 1] if len(chain) >= head.entries else None
    same = there is not None and (there.seal, there.issue.issue_time) == (
        head.seal,
        head.issue_time,
    )
    if same and _withdrawn(archive, head.withdrawals) == head.withdrawn:
        return
    if same:
        received = f"other withdrawals than the {head.withdrawals} that were made"
    elif len(chain) < head.entries:
        last = chain[-1].issue.issue_time if chain else "none"
        received = f"{len(chain)} entries, the last of {last}"
    else:
        received = f"another entry in place {head.entries}"
    raise ArchiveError(
        f"An archive must have all entries up to its head in {str(path)!r}: {head.entries}, the "
        f"last of {head.issue_time}. Received {received}: an old backup was restored, or the "
        "archive was replaced. Restore a newer backup; or accept the loss with gwforecast archive "
        "head run.toml --accept."
    )
