"""Scheduled runs: train, forecast, go back over missed days, and tell a monitor how it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.service import issue
from gwforecast.service import train as training
from gwforecast.service.archive import Archive, Issue
from gwforecast.service.champions import Champions
from gwforecast.service.intake import Intake, read_each
from gwforecast.service.readiness import FORECAST

__all__ = [
    "EXIT_CODES",
    "Issued",
    "Standing",
    "backfill",
    "forecast",
    "stand",
    "step_back",
    "train",
]


EXIT_CODES = {
    0: "all went well",
    2: "options or settings are wrong",
    3: "another run holds the archive or the models",
    4: "inputs are missing or too old for all wells",
    5: "more wells than 'failed_share' allows are not forecast as they should be",
    6: "nothing was published, or not to the database",
    7: "the archive or the models are damaged",
    70: "an error of gwforecast itself",
}
"""What the commands of scheduled runs end with."""


@dataclass(frozen=True, eq=False)
class Issued:
    """A forecast and what became of it.

    Parameters
    ----------
    product : xarray.Dataset
        The forecast, whether it was published or not.
    outcome : str
        ``"new"``, ``"unchanged"``, ``"kept"``, ``"revised"``; ``"dry"`` where it was only tried,
        ``"empty"`` where no well has a forecast.
    issue : Issue or None
        Its line in the catalogue.
    code : int
        One of :data:`EXIT_CODES`.
    """

    product: xr.Dataset
    outcome: str
    issue: Issue | None
    code: int


@dataclass(frozen=True, eq=False)
class Standing:
    """How scheduled forecasts stand.

    Parameters
    ----------
    issue : Issue or None
        The last one.
    age : pandas.Timedelta or None
        From its issue time to the present.
    wells : pandas.DataFrame
        Columns well, status, reason and model of the last issue.
    problems : list of str
        What is wrong with the archive.
    code : int
        One of :data:`EXIT_CODES`.
    """

    issue: Issue | None
    age: pd.Timedelta | None
    wells: pd.DataFrame
    problems: list[str]
    code: int


def train(
    settings: Settings,
    *,
    through: object = None,
    replace: bool = False,
    now: pd.Timestamp,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train champions on what is known, as the settings say.

    Parameters
    ----------
    settings : Settings
        Those of a configuration.
    through : time, optional
        Last step that is used; by default the last one that is complete.
    replace : bool
        Let new models take the place of champions without a comparison.
    now : pandas.Timestamp
        The present moment, naive UTC.
    progress : Progress, optional
        Told of members and wells done.

    Returns
    -------
    pandas.DataFrame
        As of :func:`gwforecast.service.train.train`, with the wells that could not be read.
    """
    champions = Champions(settings.schedule.bundles)
    if settings.cluster.asked:
        from gwforecast.shards import schedule  # loaded only where it is used

        return schedule.train(
            settings, champions, through=through, replace=replace, now=now, progress=progress
        )
    intake = read_each(settings.data)
    if intake.observations is None:
        return issue.failed_rows(intake.refused)
    end = issue.settle_moment(through, intake.observations, now)
    known = issue.known_to_train(intake.observations, end, settings)
    table = training.train(
        known,
        recipe=issue.recipe_of(settings, known, workers=settings.models.workers),
        champions=champions,
        group=settings.schedule.group,
        replace=replace,
        progress=progress,
    )
    if not intake.refused:
        return table
    return pd.concat([table, issue.failed_rows(intake.refused)], ignore_index=True)


def step_back(settings: Settings) -> list[str]:
    """Give each well, or those that are asked for, the champion before its own; return them."""
    champions = Champions(settings.schedule.bundles)
    with champions.locked():
        held = champions.table()
        wells = settings.data.wells or [well for well, pair in held.items() if pair.previous]
        champions.step_back(wells)
    return wells


def forecast(
    settings: Settings,
    *,
    issue_time: object = None,
    force: bool = False,
    dry: bool = False,
    wait: float = 0.0,
    now: pd.Timestamp,
) -> Issued:
    """Forecast from what was known at an issue time, and publish it to the archive.

    Parameters
    ----------
    settings : Settings
        Those of a configuration.
    issue_time : time, optional
        By default the last step that is complete.
    force : bool
        Publish a revision where another forecast of the issue time is in the archive.
    dry : bool
        Publish nothing.
    wait : float
        Seconds to wait for another run that holds the archive.
    now : pandas.Timestamp
        The present moment, naive UTC.

    Raises
    ------
    FileNotFoundError, SchemaError, ValueError
        If data or settings cannot be used at all.
    ArchiveBusyError, ArchiveError
        If the archive is held by another run, or damaged.
    """
    make, _ = _maker(settings, wait=wait, now=now)
    return _publish(make(issue_time), settings, force=force, dry=dry, wait=wait)


def backfill(
    settings: Settings,
    *,
    start: object,
    end: object,
    stride: int = 1,
    force: bool = False,
    wait: float = 0.0,
    now: pd.Timestamp,
    progress: Progress | None = None,
) -> Iterator[Issued]:
    """Yield forecasts of the issue times from start to end that the archive does not have.

    Models are those of today. Where one was trained on levels after an issue time, the well is
    ``"degraded"`` and says so. Broken off, it goes on where it was.

    Parameters
    ----------
    settings, force, wait, now
        As of :func:`forecast`.
    start, end : time
        First and last issue time, both included.
    stride : int
        Steps from one issue time to the next.
    progress : Progress, optional
        Told of issue times done.
    """
    make, read = _maker(settings, wait=wait, now=now)
    times = issue.the_observations(read(), "A backfill")[schema.TIME].values
    first, last = timeline.to_times([start, end])
    axis = timeline.regular_times(times[0], max(last, times[0]), timeline.infer_frequency(times))
    wanted = axis[(axis >= first) & (axis <= last)][::stride]
    if not wanted.size:
        raise ValueError(
            "A backfill is of at least one step. Received none from "
            f"{timeline.format_time(first)} to {timeline.format_time(last)}; the data begin "
            f"{timeline.format_time(times[0])}. Choose other dates."
        )
    made = {issue.issue_time for issue in Archive(settings.schedule.archive).issues()}
    for number, time in enumerate(wanted):
        if force or pd.Timestamp(time).isoformat() not in made:
            yield _publish(make(time), settings, force=force, dry=False, wait=wait)
        if progress is not None:
            progress("issue times", number + 1, wanted.size)


def stand(
    archive: Path, *, max_age: pd.Timedelta | None, failed_share: float, now: pd.Timestamp
) -> Standing:
    """Say how scheduled forecasts stand: the age of the last issue, its wells, damage.

    Parameters
    ----------
    archive : pathlib.Path
        Folder of the archive.
    max_age : pandas.Timedelta, optional
        Greatest age of the last issue time; an older one, or none, gives the code 4.
    failed_share : float
        Share of wells that may not be as they should be; more give the code 5.
    now : pandas.Timestamp
        The present moment, naive UTC.
    """
    kept = Archive(archive)
    problems = kept.problems()
    empty = pd.DataFrame(columns=["well", "status", "reason", "model"])
    issues = [] if problems else kept.issues()
    if problems or not issues:
        return Standing(None, None, empty, problems, 7 if problems else 4)
    last = max(issues, key=lambda issue: (issue.issue_time, issue.revision))
    product = kept.open(last)
    wells = product[["status", "reason", "model"]].to_dataframe().reset_index()
    age = now - pd.Timestamp(last.issue_time)
    code = 4 if max_age is not None and age > max_age else _code(product, failed_share)
    return Standing(last, age, wells[empty.columns], [], code)


def _maker(
    settings: Settings, *, wait: float, now: pd.Timestamp
) -> tuple[Callable[[object], xr.Dataset], Callable[[], Intake]]:
    """Return what makes the forecast of an issue time, and what gives data with its axis."""
    if settings.cluster.asked:
        from gwforecast.shards import schedule  # loaded only where it is used

        made = partial(schedule.make_product, settings, wait=wait, now=now)
        return made, partial(schedule.first_intake, settings)
    intake = read_each(settings.data)
    return partial(issue.make_product, intake, settings, now=now), lambda: intake


def _publish(
    made: xr.Dataset, settings: Settings, *, force: bool, dry: bool, wait: float
) -> Issued:
    wanted = settings.schedule
    code = _code(made, wanted.failed_share)
    if not np.isfinite(made[schema.LEVEL]).any():
        return Issued(made, "empty", None, 4 if code == 4 else 6)
    if dry:
        return Issued(made, "dry", None, code)
    line, outcome = Archive(wanted.archive).publish(made, revise=force, timeout=wait)
    if wanted.sql is not None:
        _copy(Archive(wanted.archive), line, wanted.sql)
    return Issued(made, outcome, line, code)


def _copy(archive: Archive, issue: Issue, url: str) -> None:
    """Write what the archive holds to the database, so that one that was away is made good."""
    from gwforecast.service.database import (
        write_forecast,  # SQLAlchemy is loaded only where it is used
    )

    write_forecast(archive.open(issue), url)


def _code(product: xr.Dataset, failed_share: float) -> int:
    status = product["status"].values
    failed = ~np.isin(status, FORECAST)
    if np.isin(status, ("stale", "no_data")).all():
        return 4
    return 5 if failed.mean() > failed_share else 0
