"""One forecast of the archive as the bytes of a NetCDF file, with its checksums and seals.

The bytes depend only on the forecast, its revision and the seal of the entry before it. The files
of a past year may lie in a pack, a zip file that holds them byte for byte, so that checksums and
seals remain valid; files outside of packs take precedence.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pandas as pd
import xarray as xr
from xarray.backends import H5NetCDFStore

from gwforecast import schema
from gwforecast.runs import files
from gwforecast.writing import dump_json, write_atomically

__all__ = [
    "ArchiveError", "Issue", "Sealed", "Withdrawal", "as_bytes", "checksum", "content_of",
    "damaged", "file_of", "followed_from_bytes", "from_bytes", "iso", "pack_of", "packed_files",
    "read_packed", "read_sealed", "seal_after", "stamp_of", "write_pack",
]  # fmt: skip


SEALS = ("archive_revision", "archive_content", "archive_previous")  # attributes of a file


class ArchiveError(RuntimeError):
    """The archive is damaged."""


@dataclass(frozen=True)
class Issue:
    """One entry of the catalogue."""

    issue_time: str  # last time whose level was known, ISO 8601, naive UTC
    revision: int  # 1, or more if the forecast was published again with ``--force``
    file: str  # path of the file, relative to the archive
    bytes: int  # size of the file
    sha256: str  # checksum of the file
    # checksum of names, values and attributes, independent of the library that wrote the file
    content: str


@dataclass(frozen=True)
class Withdrawal:
    """An issue that was taken out of the standing forecasts."""

    # of the issue
    issue_time: str
    revision: int
    reason: str  # why it was withdrawn
    made: str  # when, UTC


@dataclass(frozen=True)
class Sealed:
    """An entry of the catalogue with the seals before and after it."""

    issue: Issue
    previous: str
    seal: str


def damaged(folder: Path, what: str) -> ArchiveError:
    """Return the error for an archive that is not as it was written."""
    return ArchiveError(
        f"Archived forecasts must be as they were written. Received {str(folder)!r} with damage at "
        f"{what}. Restore it from a backup; the other forecasts can still be read."
    )


def seal_after(previous: str, issue: Issue) -> str:
    """Return the seal of an entry that follows another seal."""
    return checksum([previous, *astuple(issue)])


def read_sealed(written: bytes, name: str) -> Sealed:
    """Return the entry of a file from the seal in the file itself.

    Raises
    ------
    ArchiveError
        If it cannot be read, or its content is not the sealed one.
    """
    try:
        with xr.open_dataset(io.BytesIO(written), engine="h5netcdf") as opened:
            attrs = dict(opened.attrs)
        product = from_bytes(io.BytesIO(written))
        stamp, content = stamp_of(product), content_of(product)
        revision = int(attrs.get(SEALS[0], _revision_of(name)))
        sealed = str(attrs.get(SEALS[1], content))
    except Exception as error:  # libraries raise many kinds for damaged files
        raise ArchiveError(f"{name} cannot be read: {type(error).__name__}: {error}") from None
    if sealed != content or file_of(stamp, revision) != name:
        raise ArchiveError(f"{name} has another content or name than it was sealed with")
    sha256 = hashlib.sha256(written).hexdigest()
    issue = Issue(stamp, revision, name, len(written), sha256, content)
    previous = str(attrs.get(SEALS[2], ""))
    return Sealed(issue, previous, seal_after(previous, issue))


def _revision_of(name: str) -> int:
    found = re.search(r"\.r(\d+)\.nc$", name)
    return int(found[1]) if found else 1


def checksum(values: list[Any]) -> str:
    """Return the sha256 of plain values."""
    text = json.dumps(values, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def stamp_of(product: xr.Dataset) -> str:
    """Return the only issue time of a forecast, ISO 8601."""
    times = product[schema.ISSUE_TIME].values
    if times.size != 1:
        raise ValueError(
            f"Each file of an archive has one issue time. Received {times.size}. Publish them one "
            "by one: product.isel(issue_time=[k])."
        )
    return iso(times[0])


def iso(time: np.datetime64) -> str:
    """Return a time as ISO 8601."""
    return pd.Timestamp(time).isoformat()


def file_of(stamp: str, revision: int) -> str:
    """Return the file of an issue, relative to the archive."""
    compact = pd.Timestamp(stamp).strftime("%Y%m%dT%H%M%S")
    later = "" if revision == 1 else f".r{revision}"
    return f"{stamp[:4]}/{compact}{later}.nc"


def content_of(product: xr.Dataset) -> str:
    """Return the checksum of names, values and attributes of a forecast."""
    attrs = {str(name): _ordered(value.attrs) for name, value in product.variables.items()}
    described = dump_json({"attrs": _ordered(product.attrs), "variables": _ordered(attrs)})
    text = files.dataset_sha256(product.transpose(*sorted(map(str, product.dims)))) + described
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _ordered(attrs: Mapping[Any, object]) -> dict[str, object]:
    return {str(name): attrs[name] for name in sorted(attrs, key=str)}


def as_bytes(product: xr.Dataset, revision: int, content: str, previous: str) -> bytes:
    """Return NetCDF whose bytes depend only on the forecast and its seals.

    It is made in memory, because HDF5 does not survive a disk that is full. HDF5 would add the time
    of writing.
    """
    encoding: dict[str, dict[str, object]] = {}
    for label, variable in product.variables.items():
        if variable.dtype.kind == "f" and variable.ndim:
            encoding[str(label)] = {"zlib": True, "complevel": 4, "shuffle": True}
        elif variable.dtype.kind == "M":
            encoding[str(label)] = {"dtype": "int64", "units": "seconds since 1970-01-01"}
    product = product.assign_attrs(zip(SEALS, (revision, content, previous), strict=True))
    created = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    created.set_obj_track_times(False)
    created.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)
    opened = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    opened.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_LATEST)
    buffer = io.BytesIO()
    opened.set_fileobj_driver(h5py.h5fd.fileobj_driver, buffer)
    name = repr(buffer).encode("ascii")  # h5py wants a name that differs between open files
    with h5py.File(h5py.h5f.create(name, h5py.h5f.ACC_TRUNC, created, opened)) as file:
        store = H5NetCDFStore(h5netcdf.File(file, "w"))
        product.dump_to_store(store, encoding=encoding)
        store.close()  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def from_bytes(source: io.BytesIO) -> xr.Dataset:
    """Return a forecast as it was before writing: times in microseconds, text as objects."""
    with xr.open_dataset(source, engine="h5netcdf") as opened:
        product = opened.load().drop_encoding()
    for seal in SEALS:
        product.attrs.pop(seal, None)
    for name, variable in product.variables.items():
        if variable.dtype.kind == "M":
            product[name] = product[name].astype(schema.TIME_DTYPE)
        elif variable.dtype.kind == "U":
            product[name] = product[name].astype(object)
    return product


def followed_from_bytes(written: bytes) -> xr.Dataset:
    """Return what is followed of a forecast: levels, valid times, bundles, ends of the training.

    It takes a thirtieth of the time of :func:`from_bytes`, for archives of many years.
    """
    with h5py.File(io.BytesIO(written)) as file:
        texts = {name: file[name].asstr()[()] for name in (schema.WELL, "bundle")}
        times = {
            name: _times(file[name][()])
            for name in (schema.ISSUE_TIME, schema.VALID_TIME, "trained_through")
        }
        level, quantiles = file[schema.LEVEL][()], file[schema.QUANTILE][()]
    dims = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME, schema.QUANTILE)
    return xr.Dataset(
        {
            schema.LEVEL: (dims, level),
            "bundle": (schema.WELL, texts["bundle"]),
            "trained_through": (schema.WELL, times["trained_through"]),
        },
        {
            schema.WELL: texts[schema.WELL],
            schema.ISSUE_TIME: times[schema.ISSUE_TIME],
            schema.VALID_TIME: (dims[1:3], times[schema.VALID_TIME]),
            schema.QUANTILE: quantiles,
        },
    )


def _times(stored: np.ndarray) -> np.ndarray:
    """Return times of stored seconds since 1970; the least integer is NaT."""
    seconds = stored.astype("int64")
    never = seconds == np.iinfo("int64").min
    times = np.where(never, 0, seconds).astype("datetime64[s]").astype(schema.TIME_DTYPE)
    return np.where(never, np.datetime64("NaT", "us"), times)


SUFFIX = ".zip"
DATE = (1980, 1, 1, 0, 0, 0)  # of all members, so that equal files give equal packs


BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError, EOFError)


def pack_of(folder: Path, name: str) -> Path:
    """Return the pack of a file, whose path in the archive begins with its year.

    Examples
    --------
    >>> pack_of(Path("archive"), "2023/20230102T000000.nc").as_posix()
    'archive/2023.zip'
    """
    return folder / f"{name.partition('/')[0]}{SUFFIX}"


def packed_files(folder: Path) -> dict[str, int]:
    """Return the names of the files in the packs of an archive, and their sizes.

    Packs that cannot be read are left out; their files are missing then.
    """
    found: dict[str, int] = {}
    for path in sorted(folder.glob(f"[0-9][0-9][0-9][0-9]{SUFFIX}")):
        try:
            with zipfile.ZipFile(path) as pack:
                found |= {info.filename: info.file_size for info in pack.infolist()}
        except (OSError, *BROKEN):
            continue
    return found


def read_packed(folder: Path, name: str, *, size: int) -> bytes | None:
    """Return a file from its pack.

    ``name``: path of the file, relative to the archive; ``size``: size that it must have; nothing
    else is read.

    Returns
    -------
    bytes or None
        None if there is no pack, the pack does not have the file in this size, or is damaged.
    """
    try:
        with zipfile.ZipFile(pack_of(folder, name)) as pack:
            if pack.getinfo(name).file_size != size:
                return None
            return pack.read(name)
    except (OSError, *BROKEN):
        return None


def write_pack(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """Write a pack; it is complete or absent.

    ``files``: names and contents, in the order in which they are stored.
    """

    def write(target: Path) -> None:
        with zipfile.ZipFile(target, "w", allowZip64=True) as pack:
            for name, content in files:
                info = zipfile.ZipInfo(name, DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                pack.writestr(info, content, compresslevel=9)

    return write_atomically(path, write)
