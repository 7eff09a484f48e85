"""Cross-validation over blocks of years and over wells: each is predicted without being seen."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.blending import (
    SPREAD,
    blend_simulations,
    blend_weights,
    center_and_spread,
)
from gwforecast.models.base import Forecaster, NeedOfWeather
from gwforecast.progress import Progress, ProgressOption, as_callback, further
from gwforecast.sequences.split import Period, Split, split_by_fraction, through_periods

__all__ = [
    "BLOCKS", "LeaveWellsOut", "blocks_of_years", "fit_all", "fits_without_blocks",
    "folds_of_wells", "mean_of_models", "simulate_left_out",
]  # fmt: skip


BLOCKS = 5
"""Number of blocks where none is given."""


TRAIN, VALIDATION = 0.75, 0.25  # shares of the levels of a fit: the second are for its choices


def blocks_of_years(observations: xr.Dataset, *, blocks: int = BLOCKS) -> xr.DataArray:
    """Return the block to which each row belongs, with equal numbers of levels of a well.

    Blocks are contiguous in time, because errors of neighbouring steps are correlated (Roberts et
    al. 2017, doi:10.1111/ecog.02881). They are numbered from 0, dims (well, time). Rows before the
    first level belong to the first block, rows after the last level to the last.

    Raises ValueError if there are fewer than two blocks, or more than levels.

    Examples
    --------
    >>> import pandas as pd
    >>> level = [np.nan, 1.0, 2.0, np.nan, 3.0, 4.0]
    >>> record = xr.Dataset(
    ...     {"level": (("well", "time"), [level])},
    ...     {"well": ["a"], "time": pd.date_range("2020-01-01", periods=6)},
    ... )
    >>> blocks_of_years(record, blocks=2).values
    array([[0, 0, 0, 0, 1, 1]])
    """
    if blocks < 2:
        raise ValueError(
            f"Cross-validation needs at least 2 blocks of years. Received {blocks}. Choose e.g. "
            f"{BLOCKS}."
        )
    level = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME)
    known = level.notnull().values
    most = int(known.sum(axis=1).max(initial=0))
    if blocks > most:
        raise ValueError(
            f"Each block of a cross-validation needs a level. Received {blocks} blocks, and at "
            f"most {most} levels of a well. Choose e.g. {BLOCKS}."
        )
    before = np.maximum(known.cumsum(axis=1) - 1, 0)
    of_all = np.maximum(known.sum(axis=1, keepdims=True), 1)
    return level.copy(data=before * blocks // of_all).drop_attrs().rename("block")


def fit_all(
    forecaster: Forecaster, observations: xr.Dataset, *, progress: Progress | None = None
) -> Forecaster:
    """Return a copy fitted on all levels, of which the last quarter serves its choices.

    A SchemaError is raised if a well has too few levels.
    """
    return _fit(forecaster, observations, progress)


def fits_without_blocks(
    forecaster: Forecaster,
    observations: xr.Dataset,
    *,
    blocks: int = BLOCKS,
    progress: Progress | None = None,
) -> Iterator[tuple[xr.DataArray, Forecaster]]:
    """Yield the rows of each block, boolean (well, time), and a fit on all other blocks."""
    block = blocks_of_years(observations, blocks=blocks)
    for number in range(blocks):
        rows = block == number
        masked = observations.assign({schema.LEVEL: observations[schema.LEVEL].where(~rows)})
        yield rows, _fit(forecaster, masked, further(progress, number, blocks))
        if progress is not None:
            progress(f"{forecaster.name}: blocks of years", number + 1, blocks)


def simulate_left_out(
    forecaster: Forecaster,
    observations: xr.Dataset,
    *,
    blocks: int = BLOCKS,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return the simulation of each row by a forecaster that was fitted without its block.

    The result holds ``level`` and ``spread`` of the members (well, time), m, as that of
    :func:`gwforecast.calibration.blending.center_and_spread`.

    Examples
    --------
    >>> import pandas as pd
    >>> from gwforecast.models.naive import Climatology
    >>> time = pd.date_range("2000-01-01", "2009-12-31")
    >>> level = np.where(time.year < 2002, 5.0, 1.0)[None]
    >>> record = xr.Dataset({"level": (("well", "time"), level)}, {"well": ["a"], "time": time})
    >>> left_out = simulate_left_out(Climatology(), record)
    >>> float(left_out["level"].sel(time="2001-07-01").item())
    1.0
    """
    empty = xr.full_like(observations[schema.LEVEL], np.nan, dtype=float).drop_attrs()
    whole = xr.Dataset({schema.LEVEL: empty, SPREAD: empty})
    for rows, fitted in fits_without_blocks(
        forecaster, observations, blocks=blocks, progress=progress
    ):
        whole = whole.where(~rows, center_and_spread(fitted.simulate(observations)))
    return whole


def mean_of_models(
    simulations: Sequence[xr.Dataset], observed: xr.DataArray, block: xr.DataArray
) -> xr.Dataset:
    """Return the weighted mean of simulations of several models, and the spread of all members.

    At each well and block, a model is weighted by the inverse square of its mean squared error in
    the other blocks. ``simulations`` are as of :func:`simulate_left_out`, ``observed`` levels are
    (well, time), m, and ``block`` is as of :func:`blocks_of_years`.
    """
    if len(simulations) == 1:
        return simulations[0]
    levels = [one[schema.LEVEL] for one in simulations]
    whole = xr.full_like(simulations[0], np.nan)
    for number in np.unique(block.values):
        weights = blend_weights(levels, observed.where(block != number))
        whole = whole.where(block != number, blend_simulations(simulations, weights))
    return whole.transpose(*observed.dims).drop_attrs()


def _fit(forecaster: Forecaster, observations: xr.Dataset, progress: Progress | None) -> Forecaster:
    split = split_by_fraction(observations, train=TRAIN, validation=VALIDATION)
    fitted = copy.copy(forecaster).fit(observations, split=split, progress=progress)
    return fitted.refit(observations, split=split, progress=progress)


def folds_of_wells(wells: Sequence[str], *, folds: int, seed: int = 0) -> list[list[str]]:
    """Return the wells in random groups of nearly equal size, each to be left out once.

    Raises ValueError if there are fewer than two groups, or fewer wells than groups.

    Examples
    --------
    >>> folds_of_wells(["a", "b", "c", "d", "e"], folds=2)
    [['c', 'd', 'e'], ['a', 'b']]
    """
    if not 2 <= folds <= len(wells):
        raise ValueError(
            f"Wells are left out in at least 2 groups and at most as many as there are wells. "
            f"Received {folds} groups of {len(wells)} wells. Choose 2 to {len(wells)} groups."
        )
    shuffled = np.random.default_rng(seed).permutation(np.array(sorted(map(str, wells))))
    return [sorted(group.tolist()) for group in np.array_split(shuffled, folds)]


class LeaveWellsOut(Forecaster):
    """A global forecaster, trained once without each group of wells and evaluated at these.

    Of the levels of a left-out well only their mean and standard deviation on the fitted rows are
    used.

    Parameters
    ----------
    forecaster : Forecaster
        With a method ``with_wells``, as the global networks have.
    folds : int
        Number of groups.
    seed : int
        Seed of the groups.

    Attributes
    ----------
    fitted_ : list of (list of str, Forecaster)
        The wells of each group, and the forecaster that was trained without them.
    """

    pooled = True
    needs_weather: ClassVar[NeedOfWeather] = "always"
    fitted_: list[tuple[list[str], Any]]

    def __init__(self, forecaster: Forecaster, *, folds: int, seed: int = 0) -> None:
        if not hasattr(forecaster, "with_wells"):
            raise TypeError(
                "Wells are left out of the training of a global forecaster. Received "
                f"{forecaster.name!r}, which is fitted well by well. Use e.g. 'global_lstm'."
            )
        self.forecaster = forecaster
        self.folds = folds
        self.seed = seed
        self.name = forecaster.name

    def covariates_to_fit(self, observations: xr.Dataset) -> list[str]:
        """Return the names of the covariates that a fit would use."""
        return self.forecaster.covariates_to_fit(observations)

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: ProgressOption = None
    ) -> Self:
        """Train without each group of wells, and estimate the scales of its wells."""
        wells = schema.well_names(observations)
        self.fitted_, progress = [], as_callback(progress)
        groups = folds_of_wells(wells, folds=self.folds, seed=self.seed)
        for number, out in enumerate(groups):
            others = observations.drop_sel({schema.WELL: out})
            one = copy.copy(self.forecaster).fit(
                others, split=split, progress=further(progress, number, len(groups))
            )
            self.fitted_.append((out, self._serving(one, observations, out, split, "train")))
        return self

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: ProgressOption = None,
    ) -> Self:
        """Return a new forecaster, trained on all rows of the other wells through a period."""
        again = copy.copy(self)
        again.fitted_, progress = [], as_callback(progress)
        for number, (out, one) in enumerate(self.fitted_):
            others = observations.drop_sel({schema.WELL: out})
            report = further(progress, number, len(self.fitted_))
            trained = one.refit(others, split=split, through=through, progress=report)
            again.fitted_.append((out, self._serving(trained, observations, out, split, through)))
        return again

    def save(self, path: Path | str, *, observations: xr.Dataset | None = None) -> Path:
        """Raise NotImplementedError: an experiment with many networks is no model of new levels."""
        raise NotImplementedError(
            "A saved model serves all of its wells with one fit. Received a cross-validation over "
            f"wells of {self.name!r}, which has {self.folds} fits, and none for new wells. Save "
            "one of them, fitted_[0][1].save(path), or fit the model to all wells and save that."
        )

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of each well by the networks that were trained without it."""
        held = set(observations[schema.WELL].values.tolist())
        parts = []
        for out, one in self.fitted_:
            wells = [well for well in out if well in held]
            if wells:
                parts.append(one.simulate(observations.sel({schema.WELL: wells})))
        whole: xr.Dataset = xr.concat(parts, schema.WELL)
        return whole.reindex({schema.WELL: observations[schema.WELL].values})

    def _serving(
        self, one: Any, observations: xr.Dataset, out: list[str], split: Split, through: Period
    ) -> Any:
        new = observations.sel({schema.WELL: out})
        rows = split.rows(new, *through_periods(through))
        levels = new[schema.LEVEL].where(rows).count(schema.TIME).values
        served = new.isel({schema.WELL: np.flatnonzero(levels)})
        return one.with_wells(served, split=split, through=through)
