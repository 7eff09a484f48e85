"""Changes of levels that a person has acknowledged: a new datum, or a step that is real.

A jump in the levels stays flagged until it is acknowledged here, or a model is trained on the new
levels. The file lies in the archive and is written completely or not at all.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.service.archive import Archive, ArchiveError
from gwforecast.writing import write_text

if TYPE_CHECKING:
    from gwforecast.quality.rules import Finding

__all__ = [
    "Acknowledgement", "acknowledge", "datum_since", "in_new_datum", "is_acknowledged",
    "read_acknowledgements",
]  # fmt: skip


FILE = "acknowledged.json"
LOG = logging.getLogger(__name__)
STEP_CHECKS = ("jump", "shift", "unit_change", "range", "spikes")


@dataclass(frozen=True)
class Acknowledgement:
    """A change of the levels of a well that a person has acknowledged."""

    well: str  # name of the well
    kind: Literal["datum", "real"]  # whether the datum changed or the level itself
    # first level after the change, and last level that was known when it was acknowledged; ISO
    # 8601, naive UTC
    since: str
    until: str
    shift: float  # change of the levels by the new datum, m; 0 for a real change
    made: str  # when it was acknowledged, UTC

    @property
    def first(self) -> np.datetime64:
        """First level after the change."""
        return np.datetime64(pd.Timestamp(self.since).to_datetime64().astype(schema.TIME_DTYPE))

    @property
    def last(self) -> np.datetime64:
        """Last level that was known when the change was acknowledged."""
        return np.datetime64(pd.Timestamp(self.until).to_datetime64().astype(schema.TIME_DTYPE))


Acknowledged = Mapping[str, Sequence[Acknowledgement]]
"""Acknowledgements by well, in the order in which they were made."""


def read_acknowledgements(archive: Path | str, *, strict: bool = False) -> Acknowledged:
    """Return the acknowledgements of an archive by well.

    ``strict``: raise if the file is damaged; by default that is logged, and no change is
    acknowledged.

    Raises
    ------
    ArchiveError
        If the file is damaged.
    """
    path = Path(archive) / FILE
    if not path.exists():
        return {}
    found: dict[str, list[Acknowledgement]] = {}
    try:
        stored = json.loads(path.read_text("utf-8"))
        rows = [Acknowledgement(**row) for row in stored["acknowledged"]]
        if stored["sha256"] != _sum(rows):
            raise ValueError("its checksum is another")
        for row in rows:
            found.setdefault(row.well, []).append(row)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"Acknowledged changes must be as they were written. Received {str(path)!r}, which is "
            f"damaged ({error}). Restore it from a backup, or remove it and acknowledge again."
        )
        if strict:
            raise ArchiveError(message) from None
        LOG.warning("%s", message)
        return {}
    return found


def acknowledge(
    archive: Path | str,
    observations: xr.Dataset,
    well: str,
    *,
    shift: float | None,
    since: object = None,
    jump: Finding | None = None,
    now: pd.Timestamp,
) -> Acknowledgement:
    """Acknowledge a change of the levels of a well.

    ``observations``: dimensions (well, time); ``shift``: change of the levels by the new datum, m;
    None if the level itself has changed; ``since``: first level after the change; by default that
    after the jump.

    Raises
    ------
    ValueError
        If the well is not in the data, the shift is not finite, or there is no jump.
    """
    names = [str(name) for name in observations[schema.WELL].values]
    if well not in names:
        raise ValueError(
            f"A well must be in the data to be acknowledged. Received {well!r}; there are "
            f"{', '.join(names[:6])}. Correct the name."
        )
    if shift is not None and not np.isfinite(shift):
        raise ValueError(f"A change of datum is a number of metres. Received {shift}. Correct it.")
    if since is None and jump is None:
        raise ValueError(
            f"A change needs a date. Received none, and the levels of {well!r} have no jump. Give "
            "the first level after the change with --since."
        )
    level = observations[schema.LEVEL].sel({schema.WELL: well}).dropna(schema.TIME)
    times = level[schema.TIME].values.astype(schema.TIME_DTYPE)
    first = timeline.to_times([since])[0] if since is not None else jump.first  # type: ignore[union-attr]
    if not times.size or first > times[-1]:
        raise ValueError(
            f"A change begins with a level. Received {timeline.format_time(first)} for {well!r}, "
            "which has none from then on. Correct --since."
        )
    made = Acknowledgement(
        well, "real" if shift is None else "datum", _iso(first), _iso(times[-1]),
        0.0 if shift is None else float(shift), now.floor("s").isoformat(),
    )  # fmt: skip
    with Archive(archive).locked():
        rows = [
            row for kept in read_acknowledgements(archive, strict=True).values() for row in kept
        ]
        rows.append(made)
        stored = {"acknowledged": [asdict(row) for row in rows], "sha256": _sum(rows)}
        write_text(Path(archive) / FILE, json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    return made


def in_new_datum(observations: xr.Dataset, acknowledged: Acknowledged) -> xr.Dataset:
    """Return observations whose levels are all in the newest acknowledged datum of their well."""
    level = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME)
    values, times = level.values, observations[schema.TIME].values.astype(schema.TIME_DTYPE)
    moved = None
    for row, well in enumerate(map(str, observations[schema.WELL].values)):
        for change in acknowledged.get(well, ()):
            if change.shift:
                moved = values.copy() if moved is None else moved
                moved[row, times < change.first] += change.shift
    if moved is None:
        return observations
    return observations.assign({schema.LEVEL: level.copy(data=moved)})


def datum_since(changes: Sequence[Acknowledgement], trained_through: np.datetime64) -> float:
    """Return the change of the datum since a model was trained, m."""
    return float(sum(c.shift for c in changes if c.first > trained_through))


def is_acknowledged(finding: Finding, changes: Sequence[Acknowledgement]) -> bool:
    """Return whether a finding about a step in the levels has been acknowledged."""
    if finding.variable != schema.LEVEL or finding.check not in STEP_CHECKS:
        return False
    return any(c.first <= finding.first <= c.last for c in changes)


def _sum(rows: Sequence[Acknowledgement]) -> str:
    text = json.dumps([asdict(row) for row in rows], sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _iso(time: np.datetime64) -> str:
    return pd.Timestamp(time).isoformat()
