"""Simulations by models that have not seen the levels of the block of years that they simulate."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import xarray as xr

from gwforecast import schema
from gwforecast.calibration.blending import SPREAD
from gwforecast.calibration.cross_validation import (
    BLOCKS,
    blocks_of_years,
    mean_of_models,
    simulate_left_out,
)
from gwforecast.models.base import Forecaster
from gwforecast.models.requirements import require_inputs
from gwforecast.progress import Progress
from gwforecast.runs.catalogue import make_forecasters
from gwforecast.runs.one_by_one import select_wells, together_or_one_by_one

__all__ = ["DEFAULT_MODELS", "LeftOut", "left_out_simulation", "usable_inputs"]


DEFAULT_MODELS = ("kernel_ridge",)
"""Models of a question where none are named."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """A simulation of each row by fits that have not seen the levels around it.

    Parameters
    ----------
    level, spread : xarray.DataArray
        Mean of the models, and standard deviation of all their members, dims (well, time), m.
    block : xarray.DataArray
        Number of the block of years of each row, dims (well, time).
    failed : dict of str to str
        Wells without a simulation, and why.
    model : str
        Name of the model, or the number of models, for figures.
    """

    level: xr.DataArray
    spread: xr.DataArray
    block: xr.DataArray
    failed: dict[str, str] = field(default_factory=dict)
    model: str = ""


def usable_inputs(
    observations: xr.Dataset,
    *,
    models: Sequence[str | Forecaster],
    settings: Mapping[str, Mapping[str, object]] | None,
    shared: Mapping[str, object],
    without_weather: bool,
) -> tuple[dict[str, Forecaster], xr.Dataset, dict[str, str]]:
    """Return forecasters, the wells that they can be fitted on, and why the others cannot be used.

    Raises SchemaError if the observations are not valid, or no well can be used; ValueError or
    TypeError if a model or a setting is unknown.
    """
    schema.validate_observations(observations)
    forecasters = make_forecasters(models, settings=settings or {}, shared=shared)
    used, failed = require_inputs(
        forecasters, observations, simulates=True, without_weather=without_weather, stacklevel=5
    )
    return forecasters, used, failed


def left_out_simulation(
    observations: xr.Dataset,
    *,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    blocks: int = BLOCKS,
    without_weather: bool = False,
    progress: Progress | None = None,
) -> LeftOut:
    """Simulate each block of years by models fitted on the levels of all other blocks.

    Several models are averaged. At each well and block a model is weighted by the inverse square of
    its mean squared error in the other blocks. Arguments are those of :func:`gwforecast.fill`.

    Raises SchemaError if the observations are not valid, or no well can be used; RuntimeError if no
    model can simulate any well.
    """
    forecasters, used, failed = usable_inputs(
        observations, models=models, settings=settings, without_weather=without_weather,
        shared={"seed": seed, "members": members, "workers": workers},
    )  # fmt: skip
    wells = schema.well_names(used)
    simulations, reasons = [], dict(failed)
    for name, forecaster in forecasters.items():

        def work(some: list[str], one: Forecaster = forecaster) -> xr.Dataset:
            return simulate_left_out(
                one, select_wells(used, some), blocks=blocks, progress=progress
            )

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="All-NaN")
            attempt = together_or_one_by_one(work, wells, divisible=not forecaster.pooled)
        reasons |= {well: f"{name}: {reason}" for well, reason in attempt.reasons.items()}
        if attempt.done:
            joined = xr.concat(attempt.results, schema.WELL)
            simulations.append(joined.reindex({schema.WELL: used[schema.WELL].values}))
    if not simulations:
        raise RuntimeError(
            "A simulation needs one model that can be fitted. Received none. "
            f"{next(iter(reasons.values()))}"
        )
    block = blocks_of_years(used, blocks=blocks)
    whole = mean_of_models(simulations, used[schema.LEVEL], block)
    every = {schema.WELL: observations[schema.WELL].values}
    known = whole[schema.LEVEL].notnull().any(schema.TIME)
    works = {str(well) for well in whole[schema.WELL].values[known.values]}
    missing = {str(w) for w in observations[schema.WELL].values} - works
    return LeftOut(
        whole[schema.LEVEL].reindex(every),
        whole[SPREAD].reindex(every),
        blocks_of_years(observations, blocks=blocks),
        {well: reasons.get(well, "the models have no simulation") for well in sorted(missing)},
        next(iter(forecasters)) if len(forecasters) == 1 else f"{len(forecasters)} models",
    )
