"""The state of scheduled forecasts for a monitor: ages, statuses of the wells, damage, last run.

Only the catalogue, the sizes of the files and the last forecast are read, so that it takes the same
time however long the archive is. :func:`gwforecast.service.archive.repair.find_damage` reads all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast.config.load import Settings
from gwforecast.config.tables import CHAMPIONS
from gwforecast.runs.files import now
from gwforecast.schema import BY_MODEL, WELL_STATUSES
from gwforecast.service.archive import Archive, ArchiveError, Issue
from gwforecast.service.archive.backup import check_head
from gwforecast.service.archive.sealed import read_sealed
from gwforecast.service.wells.acknowledge import read_acknowledgements
from gwforecast.writing import write_text

__all__ = [
    "Health", "LastRun", "as_json", "as_prometheus", "check_health", "exit_code",
    "read_last_run", "recorded",
]  # fmt: skip


COLUMNS = ["well", "status", "reason", "model"]
AGES = {
    "issue": "since the issue time of the standing forecast",
    "level": "since the newest level of any well",
    "oldest_level": "since the last level of the well with the oldest data",
    "weather": "since the newest step with all covariates",
    "feed": "since the last change of the files of levels and covariates",
    "champions": "since the last level that the newest champion was trained on",
    "training": "since the last change of the table of champions",
    "last_success": "since the last run that published a forecast, or found it published",
}


@dataclass(frozen=True, eq=False)
class Health:
    """Health of the scheduled forecasts."""

    issue: Issue | None  # the standing forecast
    age: pd.Timedelta | None  # time from its issue time to now
    wells: pd.DataFrame  # columns well, status, reason and model of the standing forecast
    problems: list[str]  # damage found in the archive, and an issue time in the future
    code: int  # exit code
    issues: int = 0  # number of forecasts in the archive
    # seconds, by the names of AGES; those that are unknown are left out
    ages: dict[str, float] = field(default_factory=dict)


def check_health(
    settings: Settings, *, max_age: pd.Timedelta | None = None, now: pd.Timestamp
) -> Health:
    """Report ages, the statuses of the wells and damage; the standing forecast is always given.

    ``max_age``: greatest age of the last issue time; if it is older, or there is none, the code is
    4.
    """
    archive = Archive(settings.schedule.archive)
    problems = archive.problems(deep=False)
    try:
        read_acknowledgements(archive.folder, strict=True)
        if settings.schedule.head is not None and not problems:
            check_head(archive, settings.schedule.head)
    except ArchiveError as error:
        problems.append(str(error))
    found, number = _standing(archive)
    ages = dict(_ages(settings, found[1] if found else None, now))
    if found is None:
        empty = pd.DataFrame(columns=COLUMNS)
        return Health(None, None, empty, problems, 7 if problems else 4, number, ages)
    issue, product = found
    wells = product[COLUMNS[1:]].to_dataframe().reset_index()[COLUMNS]
    age = now - pd.Timestamp(issue.issue_time)
    code = exit_code(product, settings.schedule.failed_share)
    if age < pd.Timedelta(0):
        problems.append(
            f"An issue time is before the current time. Received {issue.issue_time}, and the clock "
            f"says {now:%Y-%m-%d %H:%M} UTC. Check the clock, and withdraw the issue with "
            "gwforecast withdraw."
        )
        code = 4
    elif problems:
        code = 7
    elif max_age is not None and age > max_age:
        code = 4
    return Health(issue, age, wells, problems, code, number, ages)


def exit_code(product: xr.Dataset, failed_share: float) -> int:
    """Return the exit code of a forecast: 0, 4 if all wells lack data, 5 if too many failed."""
    status = product["status"].values
    failed = ~np.isin(status, BY_MODEL)
    if np.isin(status, ("stale", "no_data")).all():
        return 4
    return 5 if failed.mean() > failed_share else 0


def as_json(health: Health) -> dict[str, Any]:
    """Return the health as plain values; ages in seconds."""
    issue = health.issue
    return {
        "code": health.code,
        "issue_time": None if issue is None else issue.issue_time,
        "revision": None if issue is None else issue.revision,
        "issues": health.issues,
        "age_seconds": {name: round(value, 1) for name, value in health.ages.items()},
        "wells": _counts(health),
        "not_ok": [
            {name: str(row[name]) for name in COLUMNS}
            for row in health.wells[health.wells["status"] != "ok"].to_dict("records")
        ],
        "problems": health.problems,
    }


def as_prometheus(health: Health) -> str:
    """Return the health in the text format of Prometheus, version 0.0.4."""
    lines = []

    def add(name: str, meaning: str, values: dict[str, float]) -> None:
        lines.append(f"# HELP gwforecast_{name} {meaning}")
        lines.append(f"# TYPE gwforecast_{name} gauge")
        lines.extend(f"gwforecast_{name}{labels} {value:.10g}" for labels, value in values.items())

    for name, value in health.ages.items():
        add(f"{name}_age_seconds", f"Time {AGES[name]}.", {"": value})
    counts = {f'{{status="{status}"}}': float(n) for status, n in _counts(health).items()}
    add("wells", "Wells of the standing forecast by status.", counts)
    add("issues", "Forecasts in the archive.", {"": float(health.issues)})
    add("problems", "Damage that was found.", {"": float(len(health.problems))})
    add("exit_code", "Exit code of gwforecast status.", {"": float(health.code)})
    return "\n".join(lines) + "\n"


def _counts(health: Health) -> dict[str, int]:
    found = health.wells["status"].value_counts()
    return {status: int(found.get(status, 0)) for status in WELL_STATUSES}


def _standing(archive: Archive) -> tuple[tuple[Issue, xr.Dataset] | None, int]:
    """Return the last forecast that stands and can be read, and the number of all."""
    try:
        number, standing = len(archive.issues()), archive.standing()
    except ArchiveError:  # without a catalogue, the files still have their own seals
        names = sorted(archive.files())
        for name in reversed(names):
            try:
                issue = read_sealed((archive.folder / name).read_bytes(), name).issue
                return (issue, archive.open(issue)), len(names)
            except (ArchiveError, OSError):
                continue
        return None, len(names)
    for issue in reversed(standing):
        try:
            return (issue, archive.open(issue)), number
        except ArchiveError:
            continue
    return None, number


def _ages(
    settings: Settings, product: xr.Dataset | None, now: pd.Timestamp
) -> Iterator[tuple[str, float]]:
    """Yield the ages that are known, s."""
    moments: dict[str, object] = {}
    if product is not None:
        moments["issue"] = product["issue_time"].values[0]
        for name, variable, last in (
            ("level", "last_observation", True),
            ("oldest_level", "last_observation", False),
            ("weather", "last_covariate", True),
            ("champions", "trained_through", True),
        ):
            times = product[variable].values
            times = times[~np.isnat(times)]
            if times.size:
                moments[name] = times.max() if last else times.min()
    feed = [_changed(path) for path in settings.data.files()]
    if any(feed):
        moments["feed"] = pd.Timestamp(max(feed), unit="s")
    trained = _changed(settings.schedule.bundles / CHAMPIONS)
    if trained:
        moments["training"] = pd.Timestamp(trained, unit="s")
    run = read_last_run(settings.schedule.archive)
    if run is not None and run.last_success:
        stamp = pd.Timestamp(run.last_success)
        moments["last_success"] = stamp.tz_convert(None) if stamp.tz is not None else stamp
    for name in AGES:
        if name in moments:
            yield name, (now - pd.Timestamp(moments[name])).total_seconds()  # type: ignore[arg-type]


def _changed(path: Path) -> float:
    """Return the time of the last change of a file, or of a file in a folder; 0 without one."""
    try:
        inside = path.iterdir() if path.is_dir() else iter([path])
        return max((file.stat().st_mtime for file in inside if file.exists()), default=0.0)
    except OSError:
        return 0.0


LAST_RUN = "last_run.json"
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
        given = json.loads((archive / LAST_RUN).read_text("utf-8"))
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
                write_text(archive / LAST_RUN, json.dumps(values, indent=1) + "\n")


def _stamp() -> str:
    return now().isoformat(timespec="seconds")
