"""The head of the chain of an archive, kept elsewhere: an old copy of an archive is noticed by it.

The seals of a catalogue prove that nothing was changed or left out before its last entry, but not
that nothing is missing after it: an old backup that was restored as a whole is sound in itself.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from gwforecast.service.archive import Archive, ArchiveError
from gwforecast.writing import write_text

__all__ = ["Head", "check_head", "head_of", "read_head", "write_head"]


@dataclass(frozen=True)
class Head:
    """The last entry of a catalogue."""

    entries: int = 0  # number of entries
    seal: str = ""  # seal of the last one
    issue_time: str = ""  # its issue time


def head_of(archive: Archive) -> Head:
    """Return the head of an archive."""
    chain = archive.chain()
    if not chain:
        return Head()
    return Head(len(chain), chain[-1].seal, chain[-1].issue.issue_time)


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
        head = Head(int(given["entries"]), str(given["seal"]), str(given["issue_time"]))
        if head != Head() and (head.entries < 1 or not head.seal):
            raise ValueError("its entries and its seal contradict each other")
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
    if there is not None and (there.seal, there.issue.issue_time) == (head.seal, head.issue_time):
        return
    received = (
        f"{len(chain)} entries, the last of {chain[-1].issue.issue_time if chain else 'none'}"
        if len(chain) < head.entries
        else f"another entry in place {head.entries}"
    )
    raise ArchiveError(
        f"An archive must have all entries up to its head in {str(path)!r}: {head.entries}, the "
        f"last of {head.issue_time}. Received {received}: an old backup was restored, or the "
        "archive was replaced. Restore a newer backup; or accept the loss with gwforecast archive "
        "head run.toml --accept."
    )
