"""Archive of forecasts: one NetCDF file for each issue time, and a catalogue with checksums.

A file is either complete or absent, and a forecast is published once its entry is in the catalogue.
Each entry contains the checksum of its file, and a seal: a checksum of this entry and all entries
before it. Both are verified on every read, so nothing damaged is read as a forecast. Each file
holds the seal before it, so that a lost catalogue can be rebuilt from the files.

An issue that is withdrawn stays in the archive, but no longer stands: it is not shown, followed or
scored.
"""

from __future__ import annotations

import bisect
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pandas as pd
import xarray as xr
from filelock import FileLock, Timeout

from gwforecast import timeline
from gwforecast.service.archive.catalogue import CATALOGUE, ArchiveBusyError, Catalogue
from gwforecast.service.archive.sealed import (
    ArchiveError,
    Issue,
    Sealed,
    Withdrawal,
    as_bytes,
    content_of,
    damaged,
    file_of,
    from_bytes,
    iso,
    packed_files,
    read_packed,
    seal_after,
    stamp_of,
)
from gwforecast.writing import write_atomically

__all__ = ["LOCK", "LOST", "Archive"]


SHOWN = 8  # issue times that a message lists
LOCK = "archive.lock"
LOST = "lost+found"  # folder of files that are in no catalogue
Outcome = Literal["new", "unchanged", "kept", "revised", "restored"]


class Archive:
    """An archive of forecasts in a folder.

    Parameters
    ----------
    folder : pathlib.Path or str
        Created by the first publication.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from gwforecast import schema
    >>> level = schema.label_forecast(
    ...     np.zeros((1, 1, 2)), wells=["a"], frequency="D",
    ...     issue_times=np.array(["2020-01-06"], "datetime64[us]"),
    ... )
    >>> archive = Archive(tempfile.mkdtemp())
    >>> archive.publish(level)[1], archive.publish(level)[1]
    ('new', 'unchanged')
    >>> archive.publish(level + 1)[1], archive.publish(level + 1, revise=True)[1]
    ('kept', 'revised')
    >>> float(archive.read("2020-01-06")["level"].max())
    1.0
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._catalogue = Catalogue(self.folder)
        self._lock = FileLock(self.folder / LOCK)

    @contextmanager
    def locked(self, *, timeout: float = 0.0) -> Iterator[None]:
        """Hold the lock of the archive; it is released when the process ends, however it ends.

        The holder may acquire the lock again, for example to publish.

        Parameters
        ----------
        timeout : float
            Seconds to wait for another run.

        Yields
        ------
        None
            Use it as ``with archive.locked():``.

        Raises
        ------
        ArchiveBusyError
            If another run holds the lock.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock.acquire(timeout=timeout):
                yield
        except Timeout:
            raise ArchiveBusyError(
                f"Only one run at a time may write to an archive. Received {str(self.folder)!r}, "
                "whose lock another run holds. Wait for it to end, or wait longer with --wait."
            ) from None

    def publish(
        self, product: xr.Dataset, *, revise: bool = False, timeout: float = 0.0
    ) -> tuple[Issue, Outcome]:
        """Add a forecast to the archive; published forecasts never change.

        Parameters
        ----------
        product : xarray.Dataset
            A forecast of one issue time.
        revise : bool
            Add a revision if the archive has another forecast of the same issue time.
        timeout : float
            Seconds to wait for another run.

        Returns
        -------
        Issue
            The entry of the catalogue that applies to the issue time.
        str
            ``"new"``; ``"unchanged"`` if the archive had the same forecast; ``"restored"`` if it
            had it and its file was missing or damaged; ``"kept"`` if it had another one, or one
            that was withdrawn; ``"revised"`` if a revision was added.

        Raises
        ------
        ArchiveBusyError
            If another run holds the lock of the archive.
        ArchiveError
            If the catalogue is damaged.
        """
        stamp = stamp_of(product)
        content = content_of(product)
        with self.locked(timeout=timeout):
            chain = self.chain()
            self.sweep()
            made = [one for one in chain if one.issue.issue_time == stamp]
            last = made[-1].issue if made else None
            if last is not None and last in self.pruned() and not revise:
                return last, "kept"
            if last is not None and last.content == content and last not in self._withdrawn():
                return last, self._restored(made[-1], product)
            if last is not None and not revise:
                return last, "kept"
            revision = 1 if last is None else last.revision + 1
            previous = chain[-1].seal if chain else ""
            name = file_of(stamp, revision)
            self._catalogue.begin(name)
            written = as_bytes(product, revision, content, previous)
            write_bytes(self.folder / name, written)
            sha256 = hashlib.sha256(written).hexdigest()
            issue = Issue(stamp, revision, name, len(written), sha256, content)
            self._catalogue.add(Sealed(issue, previous, seal_after(previous, issue)))
        return issue, "new" if last is None else "revised"

    def withdraw(
        self, issue_time: object, reason: str, *, now: pd.Timestamp, revision: int | None = None
    ) -> Issue:
        """Take an issue out of the standing forecasts; its file and its entry stay.

        Parameters
        ----------
        issue_time : time
            Issue time of the forecast.
        reason : str
            Why; it is kept, and shown by those who read the archive.
        now : pandas.Timestamp
            The current time, naive UTC.
        revision : int, optional
            By default the last revision that stands.

        Returns
        -------
        Issue
            The entry that no longer stands.

        Raises
        ------
        KeyError
            If there is no such forecast.
        ValueError
            If no reason is given.
        """
        if not reason.strip():
            raise ValueError(
                "A withdrawal needs a reason, which is kept. Received none. Give --reason."
            )
        with self.locked():
            issue = self._chosen(issue_time, revision)
            made = now.floor("s").isoformat()
            row = Withdrawal(issue.issue_time, issue.revision, reason.strip(), made)
            self._catalogue.note("withdrawals", [row])
        return issue

    def withdrawals(self) -> list[Withdrawal]:
        """Return what was withdrawn, in that order.

        Returns
        -------
        list of Withdrawal
            Issue time, revision, reason and when it was made.

        Raises
        ------
        ArchiveError
            If an entry was changed, or an earlier one is missing.
        """
        return self._catalogue.notes("withdrawals")

    def pruned(self) -> set[Issue]:
        """Return the issues whose files were removed; their entries and seals stay.

        Returns
        -------
        set of Issue
            Empty where nothing was pruned.
        """
        rows = {(row.issue_time, row.revision) for row in self._catalogue.notes("pruned")}
        if not rows:
            return set()
        entries = (one.issue for one in self.chain())
        return {issue for issue in entries if (issue.issue_time, issue.revision) in rows}

    def note_pruned(self, issues: Iterable[Issue], *, now: pd.Timestamp) -> None:
        """Note that the files of some issues are removed; the lock must be held.

        Parameters
        ----------
        issues : iterable of Issue
            Their entries.
        now : pandas.Timestamp
            The current time, naive UTC.
        """
        made = now.floor("s").isoformat()
        rows = [Withdrawal(issue.issue_time, issue.revision, "pruned", made) for issue in issues]
        self._catalogue.note("pruned", rows)

    def standing(self) -> list[Issue]:
        """Return the last revision of each issue time that was not withdrawn.

        Returns
        -------
        list of Issue
            In order of issue time; neither withdrawn nor pruned ones.
        """
        out = self._withdrawn()
        last = {issue.issue_time: issue for issue in self.issues() if issue not in out}
        return [last[time] for time in sorted(last)]

    def issues(self) -> list[Issue]:
        """Return the entries of the catalogue, without those pruned.

        Returns
        -------
        list of Issue
            In order of publication; revisions and withdrawn ones are included.

        Raises
        ------
        ArchiveError
            If an entry was changed, or an earlier entry is missing.
        """
        gone = self.pruned()
        return [one.issue for one in self.chain() if one.issue not in gone]

    def chain(self) -> list[Sealed]:
        """Return the entries of the catalogue with their seals.

        Returns
        -------
        list of Sealed
            In order of publication; each has the seal before it and its own.

        Raises
        ------
        ArchiveError
            If an entry was changed, an earlier entry is missing, or there are files but no entries.
        """
        found = self._catalogue.chain()
        packed = packed_files(self.folder) if not found else {}
        if not found and (there := (self.files() | set(packed)) - self._catalogue.pending()):
            raise damaged(
                self.folder, f"{CATALOGUE}, which lacks the entries of {len(there)} files"
            )
        return found

    def files(self) -> set[str]:
        """Return the files of forecasts that are in no pack.

        Returns
        -------
        set of str
            Paths relative to the archive, with ``/``.
        """
        names = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.nc"))
        return {name for name in names if not name.startswith((LOST, "."))}

    def read(self, issue_time: object, *, revision: int | None = None) -> xr.Dataset:
        """Return a forecast as it was published.

        Parameters
        ----------
        issue_time : time
            Issue time of the forecast.
        revision : int, optional
            By default the last revision that was not withdrawn.

        Returns
        -------
        xarray.Dataset
            ``level`` (well, issue_time, lead_time, quantile), m, and what was stored with it.

        Raises
        ------
        KeyError
            If there is no such forecast, or it was withdrawn and no revision is given.
        ArchiveError
            If its file is missing or was changed.
        """
        return self.open(self._chosen(issue_time, revision))

    def _chosen(self, issue_time: object, revision: int | None) -> Issue:
        """Return an issue; without a revision the last one that was not withdrawn."""
        stamp = iso(timeline.to_times([issue_time])[0])
        issues, out = self.issues(), self._withdrawn()
        made = [i for i in issues if i.issue_time == stamp and revision in (None, i.revision)]
        if revision is None and made:
            standing = [issue for issue in made if issue not in out]
            if not standing:
                raise KeyError(
                    f"Only forecasts that were not withdrawn can be read without a revision. "
                    f"Received the issue time {stamp}, which was withdrawn: {out[made[-1]]}. Give "
                    "the revision, or another issue time."
                )
            made = standing
        if not made:
            raise KeyError(
                f"Only archived forecasts can be read. Received the issue time {stamp}, revision "
                f"{revision or 'last'}, which is not in {str(self.folder)!r}. Choose one of its "
                f"issue times: {_listed(issues, stamp)}."
            )
        return made[-1]

    def _withdrawn(self) -> dict[Issue, str]:
        """Return the issues that were withdrawn, and why."""
        reasons = {(row.issue_time, row.revision): row.reason for row in self.withdrawals()}
        if not reasons:
            return {}
        found = {(i.issue_time, i.revision): i for i in self.issues()}
        return {found[key]: reason for key, reason in reasons.items() if key in found}

    def open(self, issue: Issue) -> xr.Dataset:
        """Return the forecast of an entry of the catalogue.

        Parameters
        ----------
        issue : Issue
            An entry, as of :meth:`issues`.

        Returns
        -------
        xarray.Dataset
            As of :meth:`read`.

        Raises
        ------
        ArchiveError
            If its file is missing, cannot be read or was changed.
        """
        return from_bytes(io.BytesIO(self.content(issue)))

    def content(self, issue: Issue) -> bytes:
        """Return the file of an entry of the catalogue.

        Parameters
        ----------
        issue : Issue
            An entry, as of :meth:`issues`.

        Returns
        -------
        bytes
            A NetCDF file whose checksum is that of the entry.

        Raises
        ------
        ArchiveError
            If it is missing, cannot be read or was changed.
        """
        path = self.folder / issue.file
        try:
            written = path.read_bytes()
        except FileNotFoundError:
            packed = read_packed(self.folder, issue.file, size=issue.bytes)
            if packed is None:
                raise damaged(self.folder, f"{issue.file}, which is missing") from None
            written = packed
        except OSError as error:
            raise damaged(self.folder, f"{issue.file}: {error.strerror}") from None
        if len(written) != issue.bytes or hashlib.sha256(written).hexdigest() != issue.sha256:
            raise damaged(self.folder, issue.file)
        return written

    def sweep(self) -> list[Path]:
        """Remove what interrupted runs left: temporary files, and files without an entry.

        The lock must be held.

        Returns
        -------
        list of pathlib.Path
            The files that were removed.
        """
        litter = sorted(self.folder.rglob(".*.tmp"))
        pending = self._catalogue.pending()
        litter += [self.folder / name for name in sorted(pending)]
        for path in litter:
            path.unlink(missing_ok=True)
        if pending:
            self._catalogue.forget_pending()
        return litter

    def problems(self, *, deep: bool = True) -> list[str]:
        """Return messages about damage, and about files that are not in the catalogue.

        Parameters
        ----------
        deep : bool
            Read every file and compare its checksum; otherwise only that of the last one, and the
            sizes of all files.

        Returns
        -------
        list of str
            A message for each of them; empty if the archive is sound.
        """
        try:
            issues = self.issues()
            self.withdrawals()
        except ArchiveError as error:
            return [str(error)]
        found, packed = [], packed_files(self.folder)
        for issue in issues:
            try:
                if deep or issue is issues[-1]:
                    self.content(issue)
                else:
                    self._check_size(issue, packed)
            except ArchiveError as error:
                found.append(str(error))
        named = {one.issue.file for one in self.chain()}
        found += [
            f"Each file of an archive must be in its catalogue. Received {name} in "
            f"{str(self.folder)!r}, which is not: entries were lost. Run gwforecast repair, or "
            "restore the catalogue."
            for name in sorted(self.files() - self._catalogue.pending() - named)
        ]
        return found

    def _check_size(self, issue: Issue, packed: Mapping[str, int]) -> None:
        try:
            size = (self.folder / issue.file).stat().st_size
        except OSError:
            size = packed.get(issue.file, -1)
        if size != issue.bytes:
            raise damaged(self.folder, f"{issue.file}{', which is missing' if size < 0 else ''}")

    def set_aside(self, name: str) -> None:
        """Move a file to the folder ``lost+found``; the lock must be held.

        Parameters
        ----------
        name : str
            Path of the file, relative to the archive.
        """
        target = self.folder / LOST / name.replace("/", "_")
        target.parent.mkdir(exist_ok=True)
        number = 1
        while target.exists():
            number += 1
            target = target.with_name(f"{name.replace('/', '_')}.{number}")
        os.replace(self.folder / name, target)

    def _restored(self, entry: Sealed, product: xr.Dataset) -> Outcome:
        """Write a file again that is missing or damaged, if its bytes are those of its entry."""
        issue = entry.issue
        try:
            self.content(issue)
        except ArchiveError as error:
            written = as_bytes(product, issue.revision, issue.content, entry.previous)
            if hashlib.sha256(written).hexdigest() == issue.sha256:
                write_bytes(self.folder / issue.file, written)
                return "restored"
            raise ArchiveError(
                f"{error} The forecast is the same, but its bytes would be others, as of another "
                "version of a library: --force adds a revision."
            ) from None
        return "unchanged"


def _listed(issues: list[Issue], wanted: str) -> str:
    """Return the issue times of an archive as text; of many, those next to the wanted one."""
    times = sorted({timeline.format_time(pd.Timestamp(issue.issue_time)) for issue in issues})
    if len(times) <= SHOWN:
        return ", ".join(times) or "there is none"
    after = bisect.bisect(times, timeline.format_time(pd.Timestamp(wanted)))
    first = min(max(after - SHOWN // 2, 0), len(times) - SHOWN)
    near = ", ".join(times[first : first + SHOWN])
    return f"{near} ({len(times)} from {times[0]} to {times[-1]})"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    write_atomically(path, lambda target: target.write_bytes(content))
