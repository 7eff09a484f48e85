"""Files that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["write_atomically", "write_text"]


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file under a temporary name beside it, then put it in its place in one step.

    A reader sees the old file or the new one, never a part; a failure leaves the old one.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder is made where it is not there.
    write : callable
        Writes the whole file to the path that it is given.

    Returns
    -------
    pathlib.Path
        ``path``.

    Raises
    ------
    OSError
        If the folder cannot be made or the file not be written, e.g. on a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        _flush(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush(path.parent)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write text as UTF-8 with newlines as they are, atomically; return the path."""
    return write_atomically(path, lambda target: target.write_bytes(text.encode("utf-8")))


def _flush(path: Path) -> None:
    """Ask the system to bring a file, or the names in a folder, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open folders, and needs no flush of names
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
