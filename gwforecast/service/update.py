"""Update champions: continue their training with the levels known since they were trained.

An update starts from the stored weights, keeps the scales, the intervals and the error correction,
and takes a tenth of the time of a training. Models that are not networks are refitted.

Whether it helps is decided by levels that neither version has seen: the champion is updated with
the first part of the new levels, and both forecast the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.forecaster import Corrected
from gwforecast.models.bundle import BundleError, check_fits
from gwforecast.progress import Progress
from gwforecast.runs.forecast import TRAIN, VALIDATION
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import split_by_fraction
from gwforecast.service.champions import Champion, Champions
from gwforecast.service.recipe import FEWEST_ORIGINS, TrainingRecipe, compare, issue_times_after

__all__ = ["TrainingJob", "update_champions"]


ERRORS = (SchemaError, ValueError, RuntimeError, KeyError)


@dataclass(frozen=True)
class TrainingJob:
    """What is trained, and the stores of old and new champions."""

    recipe: TrainingRecipe
    champions: Champions  # only read
    target: Champions
    replace: bool  # without a comparison with the champions
    progress: Progress | None


def update_champions(observations: xr.Dataset, job: TrainingJob) -> list[dict[str, object]]:
    """Update the champions of the wells that have one; return the rows of the training table.

    The wells of one bundle are updated together. Half of the issue times since the champion was
    trained, and at least 20, are kept for the comparison; if there are not more than 20, the
    champion stays as it is. Where the updated version has the lower mean CRPS, the champion is
    updated with all levels. The observations (well, time) hold only what is known at the time of
    the update, and the recipe must be that of the champions.
    """
    held = job.champions.table()
    bundles: dict[str, list[str]] = {}
    for well in observations[schema.WELL].values.tolist():
        if well in held:
            bundles.setdefault(held[well].bundle, []).append(well)
    rows: list[dict[str, object]] = []
    for name, wells in bundles.items():
        rows += _update_bundle(observations.sel({schema.WELL: wells}), name, job, held)
    return rows


def _update_bundle(
    part: xr.Dataset, name: str, job: TrainingJob, held: Mapping[str, Champion]
) -> list[dict[str, object]]:
    """Update the wells of one bundle, and store those that became better as a new bundle."""
    wells = [str(well) for well in part[schema.WELL].values]
    rows: dict[str, dict[str, object]] = {
        well: {"well": well, "decision": "kept", "reason": "", "bundle": held[well].bundle}
        for well in wells
    }
    try:
        champion, manifest = job.champions.open(name)
        check_fits(manifest, part)
        _check_recipe(champion, manifest, job.recipe)
        wanted = _wells_to_update(champion, part, job, rows)
        if not wanted:
            return list(rows.values())
        fitted = _update(champion, part.sel({schema.WELL: wanted}), job.progress)
        card = _card(manifest, wanted, name)
        new = job.target.add(fitted, part.sel({schema.WELL: wanted}), card=card)
    except (BundleError, OSError) as error:
        reason = f"the champion cannot be used: {error}"
        return [row | {"reason": reason} for row in rows.values()]
    except ERRORS as error:
        return [
            row | {"decision": "kept", "reason": f"the update failed: {error}"}
            for row in rows.values()
        ]
    job.target.promote(wanted, new)
    for well in wanted:
        rows[well] |= {"decision": "updated", "bundle": new}
    return list(rows.values())


def _wells_to_update(
    champion: Calibrated, part: xr.Dataset, job: TrainingJob, rows: dict[str, dict[str, object]]
) -> list[str]:
    """Return the wells to update, and write into the rows why others are not."""
    chosen: dict[str, tuple[np.datetime64, np.ndarray]] = {}
    for well, row in rows.items():
        data = part.sel({schema.WELL: [well]})
        issued = issue_times_after(data, champion.trained_through(well))
        most = issued.size - max(FEWEST_ORIGINS, issued.size // 2)
        if not job.replace and most < 1:
            row |= {
                "reason": f"the champion has seen all but {issued.size} issue times; more than "
                f"{FEWEST_ORIGINS} are needed to update it and to compare",
                "origins": int(issued.size),
            }
        elif issued.size:
            chosen[well] = issued[max(most, 0)], issued[max(most, 0) :]
        else:
            row["reason"] = "there is no level that the champion has not seen"
    if job.replace or not chosen:
        return list(chosen)
    known = part.sel({schema.WELL: list(chosen)})
    ends = xr.DataArray(
        np.array([end for end, _ in chosen.values()]), {schema.WELL: list(chosen)}, (schema.WELL,)
    )
    level = known[schema.LEVEL].where(known[schema.TIME] <= ends)
    earlier = known.assign({schema.LEVEL: level.transpose(*known[schema.LEVEL].dims)})
    updated = _update(champion, earlier, job.progress)
    return [
        well
        for well, (_, issued) in chosen.items()
        if _is_better(updated, champion, known.sel({schema.WELL: [well]}), issued, job, rows[well])
    ]


def _is_better(
    updated: Calibrated,
    champion: Calibrated,
    data: xr.Dataset,
    issued: np.ndarray,
    job: TrainingJob,
    row: dict[str, object],
) -> bool:
    """Compare an updated version with its champion, and write the result into the row."""
    crps, crps_champion = compare(updated, champion, data, issue_times=issued, recipe=job.recipe)
    row |= {"crps": crps, "crps_champion": crps_champion, "origins": int(issued.size)}
    if crps < crps_champion:
        return True
    row["reason"] = "the updated champion is not better on the last levels"
    return False


def _update(champion: Calibrated, known: xr.Dataset, progress: Progress | None) -> Calibrated:
    """Return the champion of some wells, its training continued with all known levels."""
    split = split_by_fraction(known, train=TRAIN, validation=VALIDATION)
    return champion.update(known, split=split, progress=progress)


def _check_recipe(
    champion: Calibrated, manifest: Mapping[str, Any], recipe: TrainingRecipe
) -> None:
    """Raise if the champion was trained with other models or settings than those of the recipe."""
    card = manifest["card"]
    settings = json.loads(json.dumps({name: dict(v) for name, v in recipe.settings.items()}))
    trained = card.get("models"), card.get("settings"), champion.horizon
    if trained != (recipe.names, settings, recipe.horizon):
        raise ValueError(
            "the models, their settings or the horizon have changed since the champion was "
            "trained; train without --update"
        )
    one = champion.forecaster
    for part in one.parts if isinstance(one, Corrected) else [one]:
        if hasattr(part, "workers"):  # how many processes train is a matter of the machine
            part.workers = recipe.workers


def _card(manifest: Mapping[str, Any], wells: Sequence[str], name: str) -> dict[str, object]:
    """Return the card of the champion that was updated, of some of its wells."""
    card = dict(manifest["card"])
    scores = card.get("scores", {})
    return card | {
        "scores": {well: scores[well] for well in wells if well in scores},
        "updated_from": name,
    }
