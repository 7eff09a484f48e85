"""What a scheduled run makes of the wells that it has read: champions, or a forecast."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.load import Settings
from gwforecast.runs import files
from gwforecast.runs.forecast import default_horizon
from gwforecast.runs.inputs import latest_complete_step
from gwforecast.schema import SchemaError
from gwforecast.service import product as products
from gwforecast.service import train as training
from gwforecast.service.bundle import BundleError
from gwforecast.service.champions import Champions
from gwforecast.service.intake import Intake, known_and_filled, read_forcing
from gwforecast.service.processes import count_processes, run_in_processes
from gwforecast.service.readiness import Limits

__all__ = [
    "failed_rows",
    "forecast_wells",
    "join_products",
    "known_to_train",
    "make_product",
    "recipe_of",
    "settle_moment",
    "the_observations",
]


WELLS_PER_PROCESS = 20  # a process begins in the time that a few wells take
# where files lie, and how many work on them
WITHOUT_EFFECT = (
    "database", "levels", "covariates", "attributes", "folder", "bundles", "archive", "sql",
    "weather_forecast", "workers",
)  # fmt: skip


def settle_moment(given: object, observations: xr.Dataset, now: pd.Timestamp) -> np.datetime64:
    """Return the moment that was asked for, or the last step that is complete.

    Parameters
    ----------
    given : time or None
        What was asked for.
    observations : xarray.Dataset
        Dimensions (well, time).
    now : pandas.Timestamp
        The present moment, naive UTC.

    Raises
    ------
    ValueError
        If the step is not over.
    """
    latest = latest_complete_step(observations, now)
    if given is None:
        return latest
    moment = np.datetime64(timeline.to_times([given])[0])
    if moment > latest:
        raise ValueError(
            "A forecast is issued from a step that is over. Received "
            f"{timeline.format_time(moment)}; the last one is {timeline.format_time(latest)} UTC. "
            "Choose an earlier issue time."
        )
    return moment


def the_observations(intake: Intake, what: str) -> xr.Dataset:
    """Return what could be read.

    Raises
    ------
    SchemaError
        If it is nothing.
    """
    if intake.observations is None:
        refused = list(intake.refused.items())[:3]
        reasons = " ".join(f"{well}: {reason}" for well, (_, reason) in refused)
        raise SchemaError(f"{what} needs data. {reasons}")
    return intake.observations


def known_to_train(
    observations: xr.Dataset, moment: np.datetime64, settings: Settings
) -> xr.Dataset:
    """Return the observations through a moment, with gaps filled as is asked for."""
    past = observations.sel({schema.TIME: slice(None, moment)})
    return known_and_filled(past, past[schema.TIME].values[-1], settings.data)


def recipe_of(
    settings: Settings, observations: xr.Dataset, *, workers: int | None
) -> training.Recipe:
    """Return how the settings want forecasters to be made."""
    wanted = settings.schedule
    return training.Recipe(
        models=wanted.models,
        settings={name: settings.of_model(name) for name in wanted.models},
        horizon=wanted.horizon or default_horizon(observations),
        forcing=wanted.forcing,
        seed=settings.models.seed,
        members=settings.models.members,
        workers=workers,
    )


def failed_rows(refused: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Return the rows of a table of training for wells that could not be read."""
    rows = [
        {"well": well, "decision": "failed", "reason": reason}
        for well, (_, reason) in refused.items()
    ]
    return pd.DataFrame(rows, columns=training.COLUMNS)


def forecast_wells(
    observations: xr.Dataset, moment: np.datetime64, settings: Settings
) -> tuple[xr.Dataset, dict[str, str]]:
    """Return the forecast of wells that were read, and the sum of what each was made from."""
    wanted = settings.schedule
    forcing = read_forcing(wanted)
    known = known_and_filled(
        observations, moment, settings.data, keep_weather=forcing.origin == "observed"
    )
    made = products.issue(
        known,
        issue_time=moment,
        champions=Champions(wanted.bundles),
        horizon=wanted.horizon or default_horizon(known),
        forcing=forcing,
        limits=Limits(wanted.level_age, wanted.weather_age),
    )
    return made, products.input_sums(known)


def make_product(
    intake: Intake, settings: Settings, issue_time: object, *, now: pd.Timestamp
) -> xr.Dataset:
    """Return the forecast of all wells; many are divided among processes.

    Parameters
    ----------
    intake : Intake
        What could be read, and what could not.
    settings : Settings
        Those of a configuration.
    issue_time : time or None
        By default the last step that is complete.
    now : pandas.Timestamp
        The present moment, naive UTC.
    """
    observations = the_observations(intake, "A forecast")
    moment = settle_moment(issue_time, observations, now)
    wells = np.arange(observations.sizes[schema.WELL])
    number = count_processes(wells.size, least=WELLS_PER_PROCESS, most=settings.models.workers)
    made = run_in_processes(
        lambda part: forecast_wells(observations.isel({schema.WELL: part}), moment, settings),
        np.array_split(wells, number),
    )
    return join_products(
        [part for part, _ in made],
        settings,
        refused=intake.refused,
        sums={well: digest for _, sums in made for well, digest in sums.items()},
        frequency=timeline.infer_frequency(observations[schema.TIME].values),
    )


def join_products(
    parts: list[xr.Dataset],
    settings: Settings,
    *,
    refused: Mapping[str, tuple[str, str]],
    sums: Mapping[str, str],
    frequency: str,
) -> xr.Dataset:
    """Bring the forecasts of all wells together, with those that have none."""
    there = {str(well) for part in parts for well in part[schema.WELL].values}
    return products.join(
        parts,
        frequency=frequency,
        refused={**refused, **_untold(there | set(refused), settings)},
        sums=sums,
        attrs={"config_sha256": _config_sha256(settings)},
    )


def _untold(told: Iterable[str], settings: Settings) -> dict[str, tuple[str, str]]:
    """Return wells that have a model but are not in the data."""
    try:
        trained = set(Champions(settings.schedule.bundles).table())
    except BundleError:
        return {}  # each well says so itself
    wanted = trained if settings.data.wells is None else trained & set(settings.data.wells)
    reason = "the well has a model, but is not in the data"
    return dict.fromkeys(sorted(wanted - set(told)), ("no_data", reason))


def _config_sha256(settings: Settings) -> str:
    """Return the sum of what was set; where files lie and who works on them is no part of it."""
    given = settings.model_dump(exclude_unset=True, mode="json", exclude={"cluster"})
    for table in given.values():
        for name in WITHOUT_EFFECT:
            table.pop(name, None)
    return hashlib.sha256(files.dump_json(given).encode("utf-8")).hexdigest()
