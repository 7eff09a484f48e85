"""Scheduled runs: train, forecast, backfill missed issue times, and step back.

In the whole service ``now`` is the current time, naive UTC, and ``wait`` or ``timeout`` are the
seconds to wait for another run that holds a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.quality.checks import series_of
from gwforecast.service import train as training
from gwforecast.service.archive import Archive, Issue
from gwforecast.service.archive.backup import head_kept
from gwforecast.service.champions import Champions
from gwforecast.service.inputs import Inputs, read_wells, require_observations, resolve_issue_time
from gwforecast.service.issue import follow_archive, make_product
from gwforecast.service.monitor import exit_code
from gwforecast.service.readiness import RECENT, find_jump
from gwforecast.service.recipe import recipe_of
from gwforecast.service.wells import acknowledge as acknowledgements
from gwforecast.service.wells.acknowledge import Acknowledgement

__all__ = [
    "EXIT_CODES", "Issued", "Products", "acknowledge", "backfill", "forecast", "products_here",
    "step_back", "train",
]  # fmt: skip


EXIT_CODES = {
    0: "success",
    1: "models were trained, but the checks found errors in the data",
    2: "options or settings are wrong",
    3: "another run holds the lock of the archive or of the models",
    4: "inputs are missing or too old for all wells",
    5: "the share of wells without a forecast by a model exceeds 'failed_share'",
    6: "nothing was published, or not to the database",
    7: "the archive or the models are damaged",
    70: "an internal error of gwforecast",
}
"""Exit codes of the commands of scheduled runs."""


@dataclass(frozen=True, eq=False)
class Issued:
    """A forecast and the result of publishing it."""

    product: xr.Dataset  # the forecast, whether it was published or not
    # ``"new"``, ``"unchanged"``, ``"kept"`` or ``"revised"``, see :meth:`Archive.publish`;
    # ``"dry"`` for a dry run, ``"empty"`` if no well has a forecast
    outcome: str
    issue: Issue | None  # its entry in the catalogue
    code: int  # one of EXIT_CODES


@dataclass(frozen=True, eq=False)
class Products:
    """Where the forecasts of a run come from."""

    # takes an issue time, None for the last complete step, and returns the forecast of all wells
    make: Callable[[object], xr.Dataset]
    inputs: Callable[[], Inputs]  # returns data with the time axis of the wells


def products_here(settings: Settings, *, now: pd.Timestamp) -> Products:
    """Return forecasts made in this process and its forks, from data that are read once."""
    inputs = read_wells(settings.data)
    following = None
    if inputs.observations is not None:
        following = follow_archive(settings, inputs.observations)
    made = partial(make_product, inputs, settings, following=following, now=now)
    return Products(made, lambda: inputs)


def train(
    settings: Settings,
    *,
    through: object = None,
    replace: bool = False,
    update: bool = False,
    now: pd.Timestamp,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train champions on what is known, as the settings describe.

    ``through``: last time step that is used; by default the last complete one; ``replace``: make
    new models champions without a comparison; ``update``: continue the training of the champions
    instead of fitting new models.

    Returns
    -------
    pandas.DataFrame
        See :func:`gwforecast.service.train.train`; wells that could not be read are included.
    """
    inputs = read_wells(settings.data)
    if inputs.observations is None:
        return training.refused_rows(inputs.refused)
    end = resolve_issue_time(through, inputs.observations, now)
    known = training.known_for_training(inputs.observations, end, settings)
    table = training.train(
        known,
        recipe=recipe_of(settings, known, workers=settings.models.workers),
        champions=Champions(settings.schedule.bundles),
        group=settings.schedule.group,
        replace=replace,
        update=update,
        progress=progress,
    )
    if not inputs.refused:
        return table
    return pd.concat([table, training.refused_rows(inputs.refused)], ignore_index=True)


def step_back(settings: Settings) -> list[str]:
    """Return each well, or the requested ones, to its previous champion; return their names."""
    champions = Champions(settings.schedule.bundles)
    with champions.locked():
        held = champions.table()
        wells = settings.data.wells or [well for well, pair in held.items() if pair.previous]
        champions.step_back(wells)
    return wells


def acknowledge(
    settings: Settings, well: str, *, shift: float | None, since: object = None, now: pd.Timestamp
) -> Acknowledgement:
    """Acknowledge a change of the levels of a well: a new datum, or a step that is real.

    ``shift``: change of the levels by the new datum, m; None for a real step; ``since``: first
    level after the change; by default that after the largest jump of the last year.

    Raises
    ------
    ValueError, SchemaError
        If the well is not in the data, or there is neither a date nor a jump.
    """
    inputs = read_wells(settings.data.model_copy(update={"wells": [well]}))
    data = require_observations(inputs, "An acknowledgement")
    ((level, _),) = series_of(data)
    jump = None
    if level.known.size:
        last = level.times[level.known[-1]]
        jump = find_jump(level, last - RECENT, lasting=True)
    return acknowledgements.acknowledge(
        settings.schedule.archive, data, well, shift=shift, since=since, jump=jump, now=now
    )


def forecast(
    settings: Settings,
    *,
    issue_time: object = None,
    force: bool = False,
    dry: bool = False,
    wait: float = 0.0,
    now: pd.Timestamp,
    products: Products | None = None,
) -> Issued:
    """Forecast from what was known at an issue time, and publish the forecast to the archive.

    ``issue_time``: by default the last complete time step; ``force``: publish a revision if the
    archive has another forecast of the issue time; ``products``: where forecasts come from; by
    default they are made here.

    Raises
    ------
    FileNotFoundError, SchemaError, ValueError
        If data or settings cannot be used at all.
    ArchiveBusyError, ArchiveError
        If another run holds the lock of the archive, or the archive is damaged.
    """
    products = products or products_here(settings, now=now)
    return _publish(products.make(issue_time), settings, force=force, dry=dry, wait=wait)


def backfill(
    settings: Settings,
    *,
    start: object,
    end: object,
    stride: int = 1,
    force: bool = False,
    wait: float = 0.0,
    now: pd.Timestamp,
    products: Products | None = None,
    progress: Progress | None = None,
) -> Iterator[Issued]:
    """Yield forecasts of the issue times from start to end that the archive does not have.

    The current models are used. Where a model was trained on levels after the issue time, the
    status of the well is ``"degraded"`` and the reason says so. Interrupted runs resume.

    ``settings``, ``force``, ``wait``, ``now``, ``products``: see :func:`forecast`; ``start``,
    ``end``: first and last issue time, both included; ``stride``: time steps from one issue time to
    the next.
    """
    products = products or products_here(settings, now=now)
    times = require_observations(products.inputs(), "A backfill")[schema.TIME].values
    first, last = timeline.to_times([start, end])
    axis = timeline.regular_times(times[0], max(last, times[0]), timeline.infer_frequency(times))
    wanted = axis[(axis >= first) & (axis <= last)][::stride]
    if not wanted.size:
        raise ValueError(
            "A backfill needs at least one issue time. Received none from "
            f"{timeline.format_time(first)} to {timeline.format_time(last)}; the data begin on "
            f"{timeline.format_time(times[0])}. Choose other dates."
        )
    made = {issue.issue_time for issue in Archive(settings.schedule.archive).issues()}
    for number, time in enumerate(wanted):
        if force or pd.Timestamp(time).isoformat() not in made:
            yield _publish(products.make(time), settings, force=force, dry=False, wait=wait)
        if progress is not None:
            progress("issue times", number + 1, wanted.size)


def _publish(
    made: xr.Dataset, settings: Settings, *, force: bool, dry: bool, wait: float
) -> Issued:
    wanted = settings.schedule
    code = exit_code(made, wanted.failed_share)
    if not np.isfinite(made[schema.LEVEL]).any():
        return Issued(made, "empty", None, 4 if code == 4 else 6)
    if dry:
        return Issued(made, "dry", None, code)
    archive = Archive(wanted.archive)
    with head_kept(archive, wanted.head):
        line, outcome = archive.publish(made, revise=force, timeout=wait)
    if wanted.sql is not None:
        _copy(Archive(wanted.archive), line, wanted.sql)
    return Issued(made, outcome, line, code)


def _copy(archive: Archive, issue: Issue, url: str) -> None:
    """Write the archived forecast to the database, also if an earlier run could not reach it."""
    from gwforecast.service.database import (
        write_forecast,  # SQLAlchemy is loaded only where it is used
    )

    write_forecast(archive.open(issue), url)
