"""Packs: the files of a year of an archive in one zip file.

A pack holds the files byte for byte, so that their checksums and the seals of the catalogue remain
valid. Files outside of packs take precedence.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from gwforecast.writing import write_atomically

__all__ = ["pack_of", "packed_files", "read_packed", "write_pack"]


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

    Parameters
    ----------
    name : str
        Path of the file, relative to the archive.
    size : int
        Size that it must have; nothing else is read.

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

    Parameters
    ----------
    files : iterable of (str, bytes)
        Names and contents, in the order in which they are stored.
    """

    def write(target: Path) -> None:
        with zipfile.ZipFile(target, "w", allowZip64=True) as pack:
            for name, content in files:
                info = zipfile.ZipInfo(name, DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                pack.writestr(info, content, compresslevel=9)

    return write_atomically(path, write)
