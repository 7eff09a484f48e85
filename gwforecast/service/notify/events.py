"""Events of a forecast: a level of alert likely to be crossed, a change of status, a failed run.

An event occurs once: what has been reported is remembered, and a crossing is over only once its
probability is clearly below the limit, so that a probability close to it is not an event each day.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.service.monitor import LastRun
from gwforecast.timeline import format_time
from gwforecast.verification.distribution import Thresholds, crossings

__all__ = ["Event", "Reported", "in_lines", "new_events"]


WELLS_NAMED = 8  # in a sentence about several wells
OVER = 0.8
"""Share of the limit below which the probability of a crossing must fall for it to be over."""


@dataclass(frozen=True)
class Event:
    """Something to report."""

    # ``"crossing"``, ``"crossing_over"``, ``"status"``, ``"run_failed"`` or ``"run_recovered"``
    kind: str
    text: str  # one sentence
    issue_time: str  # issue time of the forecast, or the start of the run
    well: str = ""  # well; empty for a run
    # numbers and words: threshold, probability, status, reason ..
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Checksum that identifies the event, also if it is sent again."""
        state = self.details.get("side", self.details.get("status", ""))
        given = [self.kind, self.well, self.issue_time, state]
        return hashlib.sha256(json.dumps(given).encode("ascii")).hexdigest()[:32]

    def as_json(self) -> dict[str, Any]:
        """Return the event as it is sent and stored."""
        return {"id": self.key, **asdict(self)}


def in_lines(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one sentence for each event, and one for all wells whose status changed alike."""
    alike: dict[tuple[bool, str], list[str]] = {}
    for event in events:
        well, text, changed = event["well"], str(event["text"]), event["kind"] == "status"
        key = changed, text.removeprefix(f"{well} ") if changed else text
        alike.setdefault(key, []).append(str(well))
    lines = []
    for (changed, text), wells in alike.items():
        more = ", ..." if len(wells) > WELLS_NAMED else ""
        names = f"{len(wells)} wells ({', '.join(wells[:WELLS_NAMED])}{more})"
        lines.append(f"{names if len(wells) > 1 else wells[0]} {text}" if changed else text)
    return lines


@dataclass
class Reported:
    """What has been reported."""

    # by well and side, the issue time since which a crossing is likely
    crossings: dict[str, dict[str, str]] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)  # last status of each well
    failed: str = ""  # start of the run whose failure was reported, empty if the last one succeeded


def new_events(
    product: xr.Dataset | None,
    reported: Reported,
    *,
    thresholds: Thresholds,
    chance: float,
    statuses: bool = True,
    last_run: LastRun | None = None,
) -> list[Event]:
    """Return the events that have not been reported, and note them as reported.

    Parameters
    ----------
    product : xarray.Dataset, optional
        The last forecast; None if there is none.
    reported : Reported
        Changed in place.
    thresholds : Thresholds
        Levels of alert.
    chance : float
        Probability of a crossing within the horizon from which it is an event.
    statuses : bool
        Whether changes of status are events. In the first forecast those are that are not ``ok``.
    last_run : LastRun, optional
        Record of the last run.
    """
    found: list[Event] = []
    if product is not None:
        found += _crossing_events(product, reported, thresholds, chance)
        found += _status_events(product, reported) if statuses else ()
    found += _run_events(reported, last_run)
    return found


def _crossing_events(
    product: xr.Dataset, reported: Reported, thresholds: Thresholds, chance: float
) -> Iterator[Event]:
    issue_time = format_time(product[schema.ISSUE_TIME].values[0])
    for row in crossings(product, thresholds).to_dict("records"):
        well, side, probability = str(row["well"]), str(row["side"]), float(row["probability"])
        level, ends = float(row["threshold"]), _time(row["ends"])
        active = reported.crossings.setdefault(well, {})
        details = {
            "side": side, "threshold": level, "probability": round(probability, 4),
            "by": None if pd.isna(row["by"]) else _time(row["by"]), "ends": ends,
        }  # fmt: skip
        likely = f"is forecast {side} {level:.2f} m with a probability of {100 * probability:.0f} %"
        if probability >= chance and side not in active:
            active[side] = issue_time
            yield Event("crossing", f"{well} {likely} by {ends}.", issue_time, well, details)
        elif probability < OVER * chance and side in active:
            del active[side]
            text = f"{well} {likely} only by {ends}: no longer an alert."
            yield Event("crossing_over", text, issue_time, well, details)


def _status_events(product: xr.Dataset, reported: Reported) -> Iterator[Event]:
    issue_time = format_time(product[schema.ISSUE_TIME].values[0])
    for well, status, reason in zip(
        product[schema.WELL].values.tolist(),
        product["status"].values.tolist(),
        product["reason"].values.tolist(),
        strict=True,
    ):
        before = reported.statuses.get(well, "ok")
        reported.statuses[well] = status
        if status != before:
            because = f": {reason}" if reason else ""
            words = f"{before.replace('_', ' ')} to {status.replace('_', ' ')}"
            details = {"status": status, "previous": before, "reason": reason}
            text = f"{well} changed from {words}{because}".rstrip(".") + "."
            yield Event("status", text, issue_time, well, details)


def _run_events(reported: Reported, run: LastRun | None) -> Iterator[Event]:
    if run is None:
        return
    if run.failed and not reported.failed:
        reported.failed = run.started
        text = f"The run of {run.started} UTC failed with code {run.code}: {run.message}"
        yield Event("run_failed", text, run.started, details={"code": run.code})
    elif not run.failed and reported.failed:
        since, reported.failed = reported.failed, ""
        text = f"The run of {run.started} UTC succeeded, after failures since {since} UTC."
        yield Event("run_recovered", text, run.started, details={"since": since})


def _time(value: Any) -> str:
    return format_time(np.datetime64(value))
