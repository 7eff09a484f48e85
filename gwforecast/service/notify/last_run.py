"""Record of the last scheduled forecast, so that a bulletin can say that a later run failed.

The archive cannot tell: a run that fails publishes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import pandas as pd

from gwforecast.runs.files import now
from gwforecast.writing import write_text

__all__ = ["LastRun", "read_last_run", "recorded"]


NAME = "last_run.json"
PUBLISHED = (0, 5)
"""Codes of a run that published its forecast."""


@dataclass
class LastRun:
    """How a scheduled forecast ended."""

    # times, ISO 8601 in UTC
    started: str = ""
    ended: str = ""
    code: int = 0  # exit code
    message: str = ""  # message of the error, or the outcome
    issue_time: str = ""  # issue time of the forecast, if there is one
    # when a run last published a forecast, or found that it had been published
    last_success: str = ""
    keep: bool = field(default=True, repr=False)

    @property
    def failed(self) -> bool:
        """Whether the run published nothing."""
        return self.code not in PUBLISHED


def read_last_run(archive: Path) -> LastRun | None:
    """Return the record of the last run; None if there is none that can be read."""
    try:
        given = json.loads((archive / NAME).read_text("utf-8"))
        names = {one.name for one in fields(LastRun)} - {"keep"}
        found = LastRun(**{name: value for name, value in given.items() if name in names})
        pd.Timestamp(found.ended)
        return found if isinstance(found.code, int) else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


@contextmanager
def recorded(archive: Path) -> Iterator[LastRun]:
    """Yield a record to fill in, and write it when the run ends, however it ends.

    A record that cannot be written, e.g. on a full disk, does not change how the run ends. Where
    ``keep`` is False nothing is written.
    """
    run = LastRun(started=_stamp(), code=70)
    try:
        yield run
    finally:
        run.ended = _stamp()
        before = read_last_run(archive)
        run.last_success = "" if before is None else before.last_success
        if not run.failed:
            run.last_success = run.ended
        if run.keep:
            values = {name: value for name, value in asdict(run).items() if name != "keep"}
            with suppress(OSError):
                write_text(archive / NAME, json.dumps(values, indent=1) + "\n")


def _stamp() -> str:
    return now().isoformat(timespec="seconds")
