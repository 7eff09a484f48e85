"""Train champions for scheduled forecasts, and compare challengers with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.config.load import Settings
from gwforecast.models.bundle import BundleError, check_fits
from gwforecast.models.requirements import (
    check_horizon,
    check_lookbacks,
    impossible_levels,
    missing_weather,
    require_weather,
    with_weather_to_the_end,
)
from gwforecast.progress import Progress
from gwforecast.runs.catalogue import suited
from gwforecast.runs.forecast import TRAIN, VALIDATION, calibrate, fit_calibrated
from gwforecast.runs.outcomes import select_wells, together_or_one_by_one
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import split_by_fraction
from gwforecast.service.champions import Champion, Champions
from gwforecast.service.inputs import known_and_filled
from gwforecast.service.recipe import (
    FEWEST_ORIGINS,
    TrainingRecipe,
    card_of,
    compare,
    issue_times_after,
    scores_for_card,
)
from gwforecast.service.update import TrainingJob, update_champions
from gwforecast.service.wells.acknowledge import in_new_datum, read_acknowledgements

__all__ = ["COLUMNS", "DECISIONS", "known_for_training", "refused_rows", "train", "train_into"]


DECISIONS = ("first", "better", "updated", "replaced", "kept", "failed")
"""Outcome for a well: its first champion, a better challenger, the champion updated with new
levels, a new one without a comparison, the champion as it was, no champion."""
COLUMNS = ["well", "decision", "reason", "bundle", "crps", "crps_champion", "origins"]
NOT_COMPARED = (
    "a model of all wells is not compared well by well; use --replace to make it the champion"
)
ERRORS = (SchemaError, ValueError, RuntimeError)  # errors of a well, not of the program
WINDOW = np.timedelta64(365, "D")  # last levels that champion and challenger are compared on


def train(
    observations: xr.Dataset,
    *,
    recipe: TrainingRecipe,
    champions: Champions,
    group: int = 50,
    replace: bool = False,
    update: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train a champion for each well that has none, and challengers for the others.

    A challenger is first fitted without the last year of levels, or without the levels that the
    champion has not seen if these are fewer. Both forecast that period. If the mean CRPS of the
    challenger is lower, it is trained on all levels and becomes the champion; the previous champion
    is kept, and :meth:`Champions.step_back` returns to it.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time), containing only what is known at the time of training.
    group : int
        Greatest number of wells that are trained together and share a bundle. A model of all wells
        is always trained on all of them.
    replace : bool
        Make the new models champions without a comparison.
    update : bool
        Continue the training of the champions with the levels known since, instead of fitting
        challengers, see :func:`gwforecast.service.update.update_champions`.

    Returns
    -------
    pandas.DataFrame
        Columns well, decision (one of :data:`DECISIONS`), reason, bundle, crps and crps_champion
        (m, on the same issue times) and origins, the number of these issue times.

    Raises
    ------
    TypeError, ValueError
        If the models cannot be stored or averaged; nothing is fitted then.
    """
    with champions.locked():
        table = train_into(
            champions,
            observations,
            recipe=recipe,
            champions=champions,
            group=group,
            replace=replace,
            update=update,
            progress=progress,
        )
        champions.sweep()
    return table


def train_into(
    target: Champions,
    observations: xr.Dataset,
    *,
    recipe: TrainingRecipe,
    champions: Champions,
    group: int = 50,
    replace: bool = False,
    update: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train as :func:`train` does, and store new champions elsewhere; nothing is locked.

    ``target``: where new champions are stored; ``observations``, ``recipe``, ``champions``,
    ``group``, ``replace``, ``update``, ``progress``: see :func:`train`; ``champions`` is only read.
    """
    recipe = dataclasses.replace(recipe, models=suited(recipe.models, observations))
    recipe.check()
    held = champions.table()
    observations, rows = _usable(observations, recipe, held)
    job = TrainingJob(recipe, champions, target, replace, progress)
    if update and observations.sizes[schema.WELL]:
        rows += update_champions(observations, job)
        new = [str(well) for well in observations[schema.WELL].values if str(well) not in held]
        observations = observations.sel({schema.WELL: new})
    group = max(1, observations.sizes[schema.WELL]) if recipe.pooled else group
    rows += [row for part in _groups(observations, group) for row in _train_group(part, job, held)]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("well", ignore_index=True)


def _usable(
    observations: xr.Dataset, recipe: TrainingRecipe, held: Mapping[str, Champion]
) -> tuple[xr.Dataset, list[dict[str, object]]]:
    """Return the wells that can be trained, through their last weather, and rows of the others."""
    models = {forecaster.name: forecaster for forecaster in recipe.forecasters()}
    require_weather(models, observations, simulates=False, without_weather=recipe.without_weather)
    check_lookbacks(models, observations)
    check_horizon(
        recipe.horizon,
        available=int(VALIDATION * observations.sizes[schema.TIME]),
        what="the last quarter of the record, in which intervals are estimated",
    )
    reasons = impossible_levels(observations) | missing_weather(models.values(), observations)
    rows: list[dict[str, object]] = [
        {
            "well": well,
            "decision": "kept" if well in held else "failed",
            "reason": f"not trained: {reason}",
            "bundle": held[well].bundle if well in held else None,
        }
        for well, reason in reasons.items()
    ]
    usable = observations.drop_sel({schema.WELL: list(reasons)})
    return with_weather_to_the_end(models.values(), usable, stacklevel=5), rows


def known_for_training(
    observations: xr.Dataset, moment: np.datetime64, settings: Settings
) -> xr.Dataset:
    """Return the observations up to a time step, with gaps in covariates filled as requested."""
    moved = in_new_datum(observations, read_acknowledgements(settings.schedule.archive))
    past = moved.sel({schema.TIME: slice(None, moment)})
    return known_and_filled(past, past[schema.TIME].values[-1], settings.data)


def refused_rows(refused: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Return the rows of a training table for wells that could not be read."""
    rows = [
        {"well": well, "decision": "failed", "reason": reason}
        for well, (_, reason) in refused.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _groups(observations: xr.Dataset, size: int) -> Iterator[xr.Dataset]:
    for first in range(0, observations.sizes[schema.WELL], size):
        yield observations.isel({schema.WELL: slice(first, first + size)})


def _train_group(
    part: xr.Dataset, job: TrainingJob, held: Mapping[str, Champion]
) -> list[dict[str, object]]:
    """Train the wells of a group together, or one by one if that fails."""
    wells = [str(well) for well in part[schema.WELL].values]
    judge = _judge_pooled if job.recipe.pooled else _judge
    rows = {well: judge(part.sel({schema.WELL: [well]}), job, held) for well in wells}
    wanted = [well for well in wells if rows[well]["decision"] not in ("kept", "failed")]
    if not wanted:
        return list(rows.values())
    attempt = together_or_one_by_one(
        lambda names: _store(select_wells(part, names), job),
        wanted,
        errors=ERRORS,
        divisible=not job.recipe.pooled,
    )
    for names, name in attempt.done:
        job.target.promote(names, name)
        for well in names:
            rows[well]["bundle"] = name
    for well, error in attempt.failed.items():
        decision = "kept" if well in held else "failed"
        rows[well] |= {"decision": decision, "reason": f"training failed: {error}"}
    return list(rows.values())


def _judge(data: xr.Dataset, job: TrainingJob, held: Mapping[str, Champion]) -> dict[str, object]:
    """Return the row of a well, whose decision says whether to train a model."""
    well = str(data[schema.WELL].values[0])
    if well in held and not job.replace:
        return _challenge(data, job, held[well])
    return {"well": well, "decision": "replaced" if well in held else "first", "reason": ""}


def _judge_pooled(
    data: xr.Dataset, job: TrainingJob, held: Mapping[str, Champion]
) -> dict[str, object]:
    """Return the row of a well for models of all wells, which one bad well must not stop."""
    well = str(data[schema.WELL].values[0])
    if held and not job.replace:
        row: dict[str, object] = {"well": well, "reason": NOT_COMPARED}
        if well not in held:
            return row | {"decision": "failed"}
        return row | {"decision": "kept", "bundle": held[well].bundle}
    try:
        split_by_fraction(data, train=TRAIN, validation=VALIDATION)
    except SchemaError as error:
        return {"well": well, "decision": "failed", "reason": f"training failed: {error}"}
    return {"well": well, "decision": "replaced" if well in held else "first", "reason": ""}


def _store(part: xr.Dataset, job: TrainingJob) -> str:
    """Fit wells, store the bundle with its model card and return its checksum."""
    recipe = job.recipe
    calibrated, split = calibrate(
        recipe.forecasters(),
        part,
        horizon=recipe.horizon,
        forcing=recipe.weather(),
        progress=job.progress,
    )
    scores = scores_for_card(calibrated, part, split, recipe=recipe)
    unfit = [well for well, scored in scores.items() if not scored]
    if unfit:
        raise SchemaError(
            f"A champion needs hindcasts that can be scored. Received none for {unfit[0]!r}: it "
            "could not be fitted, or has no levels to compare with. Provide a longer record."
        )
    fitted = calibrated.refit(part, split=split, progress=job.progress)
    return job.target.add(fitted, part, card=card_of(recipe, scores))


def _challenge(data: xr.Dataset, job: TrainingJob, held: Champion) -> dict[str, object]:
    """Compare the champion with a challenger that has not seen the last levels."""
    recipe = job.recipe
    well = str(data[schema.WELL].values[0])
    row: dict[str, object] = {"well": well, "decision": "kept", "bundle": held.bundle}
    try:
        champion, manifest = job.champions.open(held.bundle)
        check_fits(manifest, data)
    except (BundleError, OSError) as error:
        return row | {"decision": "replaced", "reason": f"the champion cannot be used: {error}"}
    observed = data[schema.TIME].values[data[schema.LEVEL].notnull().values[0]]
    start = max(champion.trained_through(well), observed[-1] - WINDOW)
    issued = issue_times_after(data, start)
    if issued.size < FEWEST_ORIGINS:
        return row | {
            "reason": f"the champion has seen all but {issued.size} issue times; "
            f"{FEWEST_ORIGINS} are needed to compare",
            "origins": int(issued.size),
        }
    try:
        challenger = fit_calibrated(
            recipe.forecasters(),
            data.sel({schema.TIME: slice(None, start)}),
            horizon=recipe.horizon,
            forcing=recipe.weather(),
        )
        crps, crps_champion = compare(challenger, champion, data, issue_times=issued, recipe=recipe)
    except ERRORS as error:
        return row | {"reason": f"the challenger failed: {error}"}
    row |= {"crps": crps, "crps_champion": crps_champion, "origins": issued.size}
    if crps < crps_champion:
        return row | {"decision": "better", "reason": ""}
    return row | {"reason": "the challenger is not better on the last levels"}
