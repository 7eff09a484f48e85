"""Forecasts kept for years: one NetCDF file for each issue, and a catalogue that vouches for it.

A file is whole or not there, and an issue exists from the moment that its line stands in the
catalogue. Each line carries a seal that depends on the line and on all lines before it, and the
sum of its file; both are checked on every read, so that nothing damaged is read as a forecast.
"""

from __future__ import annotations

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
    """An archive that is damaged: rule, what was received, mend."""


class ArchiveBusyError(RuntimeError):
    """An archive that another run holds."""


@dataclass(frozen=True)
class Issue:
    """One line of the catalogue.

    Parameters
    ----------
    issue_time : str
        Last moment whose level was known, ISO, naive UTC.
    revision : int
        1, or more where an issue was made again with ``--force``.
    file : str
        The file, relative to the archive.
    bytes : int
        Its size.
    sha256 : str
        Its sum.
    content : str
        Sum of names, values and attributes, whichever library wrote the file.
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
        Made by the first publication.

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
        """Hold the archive; the lock ends with its process, however that ends.

        Who holds it may take it again, and publish.

        Parameters
        ----------
        timeout : float
            Seconds to wait for another run.

        Raises
        ------
        ArchiveBusyError
            If another run holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock.acquire(timeout=timeout):
                yield
        except Timeout:
            raise ArchiveBusyError(
                f"One run at a time writes to an archive. Received {str(self.folder)!r}, which "
                "another run holds. Wait for it to end, or give it more time with --wait."
            ) from None

    def publish(
        self, product: xr.Dataset, *, revise: bool = False, timeout: float = 0.0
    ) -> tuple[Issue, Outcome]:
        """Add a forecast; nothing that is there is ever changed.

        Parameters
        ----------
        product : xarray.Dataset
            A forecast of one issue time.
        revise : bool
            Add a revision where another forecast of the same issue time is there.
        timeout : float
            Seconds to wait for another run.

        Returns
        -------
        Issue
            The line of the catalogue that holds for the issue time.
        str
            ``"new"``; ``"unchanged"`` where the same forecast was there; ``"kept"`` where another
            one was and stays; ``"revised"``.

        Raises
        ------
        ArchiveBusyError
            If another run holds the archive.
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
        """Return the lines of the catalogue in the order of their publication.

        Raises
        ------
        ArchiveError
            If a line is not as it was written, or lines are missing before another.
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
                return []  # a run ended between making the file and its first line
            raise self._damaged(f"{CATALOGUE}: {error}") from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise self._damaged(f"{CATALOGUE}: {error}") from None
        found: list[Issue] = []
        seal = ""
        for *values, given in rows:
            issue = Issue(*values)
            seal = _seal(seal, issue)
            if seal != given:
                raise self._damaged(f"line {len(found) + 1} of {CATALOGUE}")
            found.append(issue)
        return found

    def read(self, issue_time: object, *, revision: int | None = None) -> xr.Dataset:
        """Return a forecast as it was published.

        Parameters
        ----------
        issue_time : time
            Of the forecast.
        revision : int, optional
            By default the last one.

        Raises
        ------
        KeyError
            If there is none.
        ArchiveError
            If its file is missing or is not as it was written.
        """
        stamp = _iso(timeline.to_times([issue_time])[0])
        made = [
            i for i in self.issues() if i.issue_time == stamp and revision in (None, i.revision)
        ]
        if not made:
            raise KeyError(
                f"A forecast must be in the archive to be read. Received {stamp}, revision "
                f"{revision or 'last'}, which is not in {str(self.folder)!r}."
            )
        return self.open(made[-1])

    def open(self, issue: Issue) -> xr.Dataset:
        """Return the forecast of a line of the catalogue."""
        path = self.folder / issue.file
        try:
            written = path.read_bytes()
        except FileNotFoundError:
            raise self._damaged(f"{issue.file}, which is missing") from None
        if len(written) != issue.bytes or hashlib.sha256(written).hexdigest() != issue.sha256:
            raise self._damaged(issue.file)
        return _read(io.BytesIO(written))

    def sweep(self) -> list[Path]:
        """Remove what broken runs have left behind; the archive must be held."""
        litter = sorted(self.folder.rglob(".*.tmp"))
        for path in litter:
            path.unlink(missing_ok=True)
        return litter

    def problems(self) -> list[str]:
        """Return what is wrong with the archive, in words: damage, and files that no line names."""
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
            f"A file of an archive is named in its catalogue. Received {name} in "
            f"{str(self.folder)!r}, which is not: a run was broken off, or lines were lost. Issue "
            "the forecast again, or bring back the catalogue."
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
            f"An archive is read only as it was written. Received {str(self.folder)!r} with "
            f"damage at {what}. Bring it back from a copy; the other issues can be read."
        )


def _seal(before: str, issue: Issue) -> str:
    text = json.dumps([before, *astuple(issue)], ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _stamp(product: xr.Dataset) -> str:
    times = product[schema.ISSUE_TIME].values
    if times.size != 1:
        raise ValueError(
            f"A file of an archive holds one issue time. Received {times.size}. Publish each of "
            "them: product.isel(issue_time=[k])."
        )
    return _iso(times[0])


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
    """Write NetCDF whose bytes depend on the forecast alone; HDF5 would note when it was."""
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
    """Return a forecast as it was before it was written: times in our unit, text as objects."""
    with xr.open_dataset(source, engine="h5netcdf") as opened:
        product = opened.load().drop_encoding()
    for name, variable in product.variables.items():
        if variable.dtype.kind == "M":
            product[name] = product[name].astype(schema.TIME_DTYPE)
        elif variable.dtype.kind == "U":
            product[name] = product[name].astype(object)
    return product
