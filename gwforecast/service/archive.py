"""Archive of forecasts: one NetCDF file for each issue time, and a catalogue with checksums.

A file is either complete or absent, and a forecast is published once its entry is in the catalogue.
Each entry contains the checksum of its file, and a seal: a checksum of this entry and all entries
before it. Both are verified on every read, so nothing damaged is read as a forecast.
"""

from __future__ import annotations

import bisect
import hashlib
import io
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import h5netcdf
import h5py
import numpy as np
import pandas as pd
import xarray as xr
from filelock import FileLock, Timeout
from xarray.backends import H5NetCDFStore

from gwforecast import schema, timeline
from gwforecast.runs import files
from gwforecast.runs.files import write_atomically

__all__ = ["Archive", "ArchiveBusyError", "ArchiveError", "Issue", "Outcome"]


SHOWN = 8  # issue times that a message lists
CATALOGUE, LOCK = "catalogue.sqlite", "archive.lock"
Outcome = Literal["new", "unchanged", "kept", "revised"]
_TABLE = """
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
"""


class ArchiveError(RuntimeError):
    """The archive is damaged."""


class ArchiveBusyError(RuntimeError):
    """Another run holds the lock of the archive."""


@dataclass(frozen=True)
class Issue:
    """One entry of the catalogue.

    Parameters
    ----------
    issue_time : str
        Last time whose level was known, ISO 8601, naive UTC.
    revision : int
        1, or more if the forecast was published again with ``--force``.
    file : str
        Path of the file, relative to the archive.
    bytes : int
        Size of the file.
    sha256 : str
        Checksum of the file.
    content : str
        Checksum of names, values and attributes, independent of the library that wrote the file.
    """

    issue_time: str
    revision: int
    file: str
    bytes: int
    sha256: str
    content: str


class Archive:
    """An archive of forecasts in a folder.

    Parameters
    ----------
    folder : pathlib.Path or str
        Created by the first publication.

    Examples
    --------
    >>> import tempfile
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
        self._lock = FileLock(self.folder / LOCK)

    @contextmanager
    def locked(self, *, timeout: float = 0.0) -> Iterator[None]:
        """Hold the lock of the archive; it is released when the process ends, however it ends.

        The holder may acquire the lock again, for example to publish.

        Parameters
        ----------
        timeout : float
            Seconds to wait for another run.

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
            ``"new"``; ``"unchanged"`` if the archive had the same forecast; ``"kept"`` if it had
            another one, which was kept; ``"revised"`` if a revision was added.

        Raises
        ------
        ArchiveBusyError
            If another run holds the lock of the archive.
        ArchiveError
            If the catalogue is damaged.
        """
        stamp = _stamp(product)
        content = _content(product)
        with self.locked(timeout=timeout):
            self.sweep()
            made = [issue for issue in self.issues() if issue.issue_time == stamp]
            if made and made[-1].content == content:
                return made[-1], "unchanged"
            if made and not revise:
                return made[-1], "kept"
            revision = made[-1].revision + 1 if made else 1
            name = _file(stamp, revision)
            path = write_atomically(self.folder / name, lambda target: _write(product, target))
            written = path.read_bytes()
            sha256 = hashlib.sha256(written).hexdigest()
            issue = Issue(stamp, revision, name, len(written), sha256, content)
            self._add(issue)
        return issue, "revised" if made else "new"

    def issues(self) -> list[Issue]:
        """Return the entries of the catalogue in order of publication.

        Raises
        ------
        ArchiveError
            If an entry was changed, or an earlier entry is missing.
        """
        path = self.folder / CATALOGUE
        if not path.exists():
            return []
        try:
            uri = f"file:{quote(str(path))}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=30)) as catalogue:
                sound = catalogue.execute("PRAGMA integrity_check(1)").fetchone()[0]
                if sound != "ok":
                    raise self._damaged(f"{CATALOGUE}: {sound}")
                rows = catalogue.execute(
                    "SELECT issue_time, revision, file, bytes, sha256, content, seal FROM issues "
                    "ORDER BY rowid"
                ).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error) and path.stat().st_size == 0:
                return []  # a run ended after creating the file and before its first entry
            raise self._damaged(f"{CATALOGUE}: {error}") from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise self._damaged(f"{CATALOGUE}: {error}") from None
        found: list[Issue] = []
        seal = ""
        for *values, given in rows:
            issue = Issue(*values)
            seal = _seal(seal, issue)
            if seal != given:
                raise self._damaged(f"entry {len(found) + 1} of {CATALOGUE}")
            found.append(issue)
        return found

    def read(self, issue_time: object, *, revision: int | None = None) -> xr.Dataset:
        """Return a forecast as it was published.

        Parameters
        ----------
        issue_time : time
            Issue time of the forecast.
        revision : int, optional
            By default the last revision.

        Raises
        ------
        KeyError
            If there is no such forecast.
        ArchiveError
            If its file is missing or was changed.
        """
        stamp = _iso(timeline.to_times([issue_time])[0])
        issues = self.issues()
        made = [i for i in issues if i.issue_time == stamp and revision in (None, i.revision)]
        if not made:
            raise KeyError(
                f"Only archived forecasts can be read. Received the issue time {stamp}, revision "
                f"{revision or 'last'}, which is not in {str(self.folder)!r}. Choose one of its "
                f"issue times: {_listed(issues, stamp)}."
            )
        return self.open(made[-1])

    def open(self, issue: Issue) -> xr.Dataset:
        """Return the forecast of an entry of the catalogue."""
        path = self.folder / issue.file
        try:
            written = path.read_bytes()
        except FileNotFoundError:
            raise self._damaged(f"{issue.file}, which is missing") from None
        if len(written) != issue.bytes or hashlib.sha256(written).hexdigest() != issue.sha256:
            raise self._damaged(issue.file)
        return _read(io.BytesIO(written))

    def sweep(self) -> list[Path]:
        """Remove temporary files of interrupted runs; the lock must be held."""
        litter = sorted(self.folder.rglob(".*.tmp"))
        for path in litter:
            path.unlink(missing_ok=True)
        return litter

    def problems(self) -> list[str]:
        """Return messages about damage, and about files that are not in the catalogue."""
        try:
            issues = self.issues()
        except ArchiveError as error:
            return [str(error)]
        found = []
        for issue in issues:
            try:
                self.open(issue)
            except ArchiveError as error:
                found.append(str(error))
        named = {issue.file for issue in issues}
        files = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.nc"))
        found += [
            f"Each file of an archive must be in its catalogue. Received {name} in "
            f"{str(self.folder)!r}, which is not: a run was interrupted, or entries were lost. "
            "Issue the forecast again, or restore the catalogue."
            for name in sorted(set(files) - named)
        ]
        return found

    def _add(self, issue: Issue) -> None:
        path = self.folder / CATALOGUE
        with closing(sqlite3.connect(path, timeout=30)) as catalogue, catalogue:
            catalogue.execute("PRAGMA synchronous = FULL")
            catalogue.execute(_TABLE)
            last = catalogue.execute(
                "SELECT seal FROM issues ORDER BY rowid DESC LIMIT 1"
            ).fetchone()
            seal = _seal(last[0] if last else "", issue)
            catalogue.execute(
                "INSERT INTO issues VALUES (?, ?, ?, ?, ?, ?, ?)", (*astuple(issue), seal)
            )

    def _damaged(self, what: str) -> ArchiveError:
        return ArchiveError(
            f"Archived forecasts must be as they were written. Received {str(self.folder)!r} with "
            f"damage at {what}. Restore it from a backup; the other forecasts can still be read."
        )


def _seal(before: str, issue: Issue) -> str:
    text = json.dumps([before, *astuple(issue)], ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _stamp(product: xr.Dataset) -> str:
    times = product[schema.ISSUE_TIME].values
    if times.size != 1:
        raise ValueError(
            f"Each file of an archive has one issue time. Received {times.size}. Publish them one "
            "by one: product.isel(issue_time=[k])."
        )
    return _iso(times[0])


def _listed(issues: list[Issue], wanted: str) -> str:
    """Return the issue times of an archive as text; of many, those next to the wanted one."""
    times = sorted({timeline.format_time(pd.Timestamp(issue.issue_time)) for issue in issues})
    if len(times) <= SHOWN:
        return ", ".join(times) or "there is none"
    after = bisect.bisect(times, timeline.format_time(pd.Timestamp(wanted)))
    first = min(max(after - SHOWN // 2, 0), len(times) - SHOWN)
    near = ", ".join(times[first : first + SHOWN])
    return f"{near} ({len(times)} from {times[0]} to {times[-1]})"


def _iso(time: np.datetime64) -> str:
    return pd.Timestamp(time).isoformat()


def _file(stamp: str, revision: int) -> str:
    compact = pd.Timestamp(stamp).strftime("%Y%m%dT%H%M%S")
    later = "" if revision == 1 else f".r{revision}"
    return f"{stamp[:4]}/{compact}{later}.nc"


def _content(product: xr.Dataset) -> str:
    attrs = {str(name): _ordered(value.attrs) for name, value in product.variables.items()}
    described = files.dump_json({"attrs": _ordered(product.attrs), "variables": _ordered(attrs)})
    text = files.dataset_sha256(product.transpose(*sorted(map(str, product.dims)))) + described
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _ordered(attrs: Mapping[Any, object]) -> dict[str, object]:
    return {str(name): attrs[name] for name in sorted(attrs, key=str)}


def _write(product: xr.Dataset, target: Path) -> None:
    """Write NetCDF whose bytes depend only on the forecast; HDF5 would add the time of writing."""
    encoding: dict[str, dict[str, object]] = {}
    for name, variable in product.variables.items():
        if variable.dtype.kind == "f" and variable.ndim:
            encoding[str(name)] = {"zlib": True, "complevel": 4, "shuffle": True}
        elif variable.dtype.kind == "M":
            encoding[str(name)] = {"dtype": "int64", "units": "seconds since 1970-01-01"}
    created = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    created.set_obj_track_times(False)
    created.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)
    opened = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    opened.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_LATEST)
    name = os.fsencode(target)
    with h5py.File(h5py.h5f.create(name, h5py.h5f.ACC_TRUNC, created, opened)) as file:
        store = H5NetCDFStore(h5netcdf.File(file, "w"))
        product.dump_to_store(store, encoding=encoding)
        store.close()  # type: ignore[no-untyped-call]


def _read(source: io.BytesIO) -> xr.Dataset:
    """Return a forecast as it was before writing: times in microseconds, text as objects."""
    with xr.open_dataset(source, engine="h5netcdf") as opened:
        product = opened.load().drop_encoding()
    for name, variable in product.variables.items():
        if variable.dtype.kind == "M":
            product[name] = product[name].astype(schema.TIME_DTYPE)
        elif variable.dtype.kind == "U":
            product[name] = product[name].astype(object)
    return product
