"""Models fitted on all levels, and again without each block of years: what they agree on.

What a scenario or a covariate changes is the difference of two simulations by the same fit. How
sure it is follows from how much this difference varies between fits: between the members of a
model, between models, and between fits that have each left out a block of years (delete-a-group
jackknife: Quenouille 1956, doi:10.1093/biomet/43.3-4.353; for dependent data Kuensch 1989,
doi:10.1214/aos/1176347265).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.blending import (
    SPREAD,
    blend_simulations,
    blend_weights,
    center_and_spread,
)
from gwforecast.calibration.cross_validation import (
    BLOCKS,
    blocks_of_years,
    fit_all,
    fits_without_blocks,
    mean_of_models,
    simulate_left_out,
)
from gwforecast.calibration.intervals import OF_NORMAL, QUANTILES, SimulationInterval
from gwforecast.models.base import Forecaster, with_members
from gwforecast.models.requirements import require_inputs
from gwforecast.progress import Progress
from gwforecast.runs.catalogue import make_forecasters
from gwforecast.runs.outcomes import select_wells, together_or_one_by_one

__all__ = [
    "DEFAULT_MODELS", "Estimate", "Fits", "LeftOut", "fit_models", "left_out_simulation",
    "usable_inputs",
]  # fmt: skip


DEFAULT_MODELS = ("kernel_ridge",)
"""Models of a question where none are named."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """A simulation of each row by fits that have not seen the levels around it."""

    level: xr.DataArray  # mean of the models, (well, time), m
    spread: xr.DataArray  # standard deviation of all their members, (well, time), m
    block: xr.DataArray  # number of the block of years of each row, (well, time)
    failed: dict[str, str] = field(default_factory=dict)  # why, by well
    model: str = ""  # its name, or the number of models, for figures


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


FEWEST_LEVELS = 60


@dataclass(frozen=True, eq=False)
class Estimate:
    """A quantity that follows from simulations, and its standard error, of the same dimensions."""

    value: xr.DataArray
    error: xr.DataArray

    def quantiles(self) -> xr.DataArray:
        """Return the normal quantiles of the estimate, with the dimension quantile last."""
        normal = xr.DataArray(OF_NORMAL, {schema.QUANTILE: list(QUANTILES)}, (schema.QUANTILE,))
        return self.value + self.error * normal


@dataclass(frozen=True, eq=False)
class Fits:
    """Fitted models of some wells."""

    observations: xr.Dataset  # of the wells that were fitted, (well, time)
    models: dict[str, Forecaster]  # fitted on all levels
    without: dict[str, list[Forecaster]]  # fits that have each left out one block of years
    weights: xr.DataArray  # of each model at each well, (model, well), which add up to 1
    left_out: xr.Dataset  # level and spread (well, time), m, without the block of each row
    failed: dict[str, str] = field(default_factory=dict)  # why, by well

    @property
    def name(self) -> str:
        """Name of the model, or the number of models, for figures."""
        return next(iter(self.models)) if len(self.models) == 1 else f"{len(self.models)} models"

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the weighted mean of the models (``level``) and the ``spread`` of members, m.

        Covariates (well, time) of the observations are used, levels are not.
        """
        parts = [center_and_spread(one.simulate(observations)) for one in self.models.values()]
        return blend_simulations(parts, self.weights)

    def with_interval(self, simulation: xr.Dataset) -> xr.DataArray:
        """Return a simulation with intervals, (well, time, quantile), m.

        Their widths come from the errors of simulations that had not seen the years around.
        """
        observed = self.observations[schema.LEVEL]
        rows = xr.ones_like(observed, dtype=bool)
        interval = SimulationInterval().fit(self.left_out, self.observations, rows=rows)
        level = interval.apply(simulation)[schema.LEVEL]
        return level.transpose(schema.WELL, schema.TIME, schema.QUANTILE)

    def estimate(self, quantity: Callable[[Forecaster], xr.DataArray]) -> Estimate:
        """Return a quantity by all models, and its standard error.

        ``quantity`` takes a fitted forecaster and returns an array with the dimension well, and
        with the dimension member where the forecaster has members.
        """
        values, errors = [], []
        for name, model in self.models.items():
            members = with_members(quantity(model))
            whole = members.median(schema.MEMBER)
            others = xr.concat(
                [with_members(quantity(one)).median(schema.MEMBER) for one in self.without[name]],
                "block",
            )
            count = others.sizes["block"]
            jackknife = (count - 1) / count * ((others - others.mean("block")) ** 2).sum("block")
            freedom = min(1, members.sizes[schema.MEMBER] - 1)
            values.append(whole)
            errors.append(jackknife + members.var(schema.MEMBER, ddof=freedom))
        each = xr.concat(values, self.weights[schema.MODEL])
        value = (self.weights * each).sum(schema.MODEL, skipna=False)
        within = xr.concat(errors, self.weights[schema.MODEL]) + (each - value) ** 2
        variance = (self.weights * within).sum(schema.MODEL, skipna=False)
        order = values[0].dims
        return Estimate(value.transpose(*order), (variance**0.5).transpose(*order))


def fit_models(
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
) -> Fits:
    """Fit models on all levels, and again without each block of years.

    The weight of a model is the inverse square of its mean squared error in the blocks that it has
    not seen. Arguments are those of :func:`gwforecast.fill`.

    Raises SchemaError if the observations are not valid, or no well can be used; ValueError if no
    well has enough levels.
    """
    forecasters, used, failed = usable_inputs(
        observations, models=models, settings=settings, without_weather=without_weather,
        shared={"seed": seed, "members": members, "workers": workers},
    )  # fmt: skip
    used, few = _with_levels(used)
    whole: dict[str, Forecaster] = {}
    without: dict[str, list[Forecaster]] = {}
    left_out = []
    for name, forecaster in forecasters.items():
        whole[name] = fit_all(forecaster, used, progress=progress)
        made = xr.full_like(used[schema.LEVEL], np.nan, dtype=float).drop_attrs()
        unseen = xr.Dataset({schema.LEVEL: made, SPREAD: made})
        without[name] = []
        for rows, one in fits_without_blocks(forecaster, used, blocks=blocks, progress=progress):
            unseen = unseen.where(~rows, center_and_spread(one.simulate(used)))
            without[name].append(one)
        left_out.append(unseen)
    weights = blend_weights([one[schema.LEVEL] for one in left_out], used[schema.LEVEL])
    weights = weights.assign_coords({schema.MODEL: list(forecasters)})
    return Fits(
        used, whole, without, weights, blend_simulations(left_out, weights), {**failed, **few}
    )


def _with_levels(observations: xr.Dataset) -> tuple[xr.Dataset, dict[str, str]]:
    """Return the wells with enough levels, and why the others are left out."""
    counts = observations[schema.LEVEL].count(schema.TIME)
    few = {
        str(well): f"a fit without a block of years needs {FEWEST_LEVELS} levels, there are {n}"
        for well, n in zip(counts[schema.WELL].values, counts.values, strict=True)
        if n < FEWEST_LEVELS
    }
    kept = observations.isel({schema.WELL: np.flatnonzero(counts.values >= FEWEST_LEVELS)})
    if not kept.sizes[schema.WELL]:
        raise ValueError(
            f"A question about a model needs a well with at least {FEWEST_LEVELS} levels. Received "
            f"{int(counts.max())} at most. Use longer records."
        )
    return kept, few
