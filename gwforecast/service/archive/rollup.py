"""Roll up the files of past years, and prune old forecasts, so that an archive stays small.

Both are safe against interruptions at any moment: a file is removed only once its pack has been
read back, or once the catalogue says that it was pruned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gwforecast.service.archive import Archive, ArchiveError, Issue
from gwforecast.service.archive.sealed import pack_of, packed_files, read_packed, write_pack

__all__ = ["Keep", "Packed", "prune", "roll_up", "to_prune"]


@dataclass(frozen=True)
class Packed:
    """A pack that was written."""

    year: str  # its year
    files: int  # files that it holds
    # bytes of these files, and of the pack
    before: int
    after: int


@dataclass(frozen=True)
class Keep:
    """Which forecasts are kept; the others are pruned. What any rule keeps is kept."""

    days: int | None = None  # those of the last days before the last issue time
    last: int | None = None  # the last so many issue times
    # the first of each month or year
    monthly: bool = False
    yearly: bool = False

    def keeps(self, issues: Sequence[Issue]) -> set[str]:
        """Return the issue times that are kept; the last one always is."""
        times = sorted({issue.issue_time for issue in issues})
        kept = {times[-1]}
        if self.days is not None:
            since = pd.Timestamp(times[-1]) - pd.Timedelta(days=self.days)
            kept |= {time for time in times if pd.Timestamp(time) > since}
        if self.last is not None:
            kept |= set(times[-self.last :])
        for wanted, length in ((self.monthly, len("2024-01")), (self.yearly, len("2024"))):
            if wanted:
                first = {time[:length]: time for time in reversed(times)}
                kept |= set(first.values())
        return kept


def roll_up(archive: Archive, *, before: int, timeout: float = 0.0) -> list[Packed]:
    """Put the files of each year before a given one into a pack, a zip file.

    The catalogue is not changed, and forecasts are read from packs as from files.

    Raises
    ------
    ArchiveError
        If a file is damaged: repair the archive first. Nothing of its year is changed.
    """
    made = []
    with archive.locked(timeout=timeout):
        archive.sweep()
        years: dict[str, list[Issue]] = {}
        for issue in archive.issues():
            if int(issue.issue_time[:4]) < before:
                years.setdefault(issue.file.partition("/")[0], []).append(issue)
        for year, issues in sorted(years.items()):
            if any((archive.folder / issue.file).exists() for issue in issues):
                made.append(_pack(archive, year, issues))
    return made


def _pack(archive: Archive, year: str, issues: Sequence[Issue]) -> Packed:
    path = pack_of(archive.folder, issues[0].file)
    issues = sorted(issues, key=lambda issue: issue.file)

    def contents() -> Iterator[tuple[str, bytes]]:
        for issue in issues:
            yield issue.file, archive.content(issue)

    write_pack(path, contents())
    for issue in issues:
        content = read_packed(archive.folder, issue.file, size=issue.bytes)
        if content is None or hashlib.sha256(content).hexdigest() != issue.sha256:
            raise ArchiveError(
                f"A pack must hold its files as they are. Received {path}, which differs at "
                f"{issue.file}. Check the disk; no file was removed."
            )
    for issue in issues:
        _remove(archive.folder / issue.file)
    before = sum(issue.bytes for issue in issues)
    return Packed(year, len(issues), before, path.stat().st_size)


def to_prune(archive: Archive, keep: Keep) -> list[Issue]:
    """Return the forecasts that :func:`prune` would remove, all revisions of their issue times."""
    issues = archive.issues()
    if not issues:
        return []
    kept = keep.keeps(issues)
    return [issue for issue in issues if issue.issue_time not in kept]


def prune(archive: Archive, keep: Keep, *, now: pd.Timestamp, timeout: float = 0.0) -> list[Issue]:
    """Remove the files of old forecasts; their entries and seals stay in the catalogue."""
    with archive.locked(timeout=timeout):
        archive.sweep()
        gone = to_prune(archive, keep)
        archive.note_pruned(gone, now=now)
        clear_pruned(archive)
    return gone


def clear_pruned(archive: Archive) -> None:
    """Remove the files of pruned forecasts, also those that an interrupted run left."""
    names = {issue.file for issue in archive.pruned()}
    for name in names:
        _remove(archive.folder / name)
    packed = packed_files(archive.folder)
    rest: dict[Path, list[str]] = {}
    for name in packed:
        rest.setdefault(pack_of(archive.folder, name), []).append(name)
    for path, there in rest.items():
        left = [name for name in there if name not in names]
        if not left:
            path.unlink(missing_ok=True)
        elif len(left) < len(there):
            contents = ((n, read_packed(archive.folder, n, size=packed[n]) or b"") for n in left)
            write_pack(path, contents)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent.exists() and not any(path.parent.iterdir()):
        path.parent.rmdir()
