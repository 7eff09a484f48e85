"""Cross-validation over blocks of years: each level is simulated by a fit that has not seen it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.blending import blend_simulations, blend_weights
from gwforecast.calibration.held_out import SPREAD, center_and_spread
from gwforecast.models.base import Forecaster
from gwforecast.progress import Progress, further
from gwforecast.sequences.split import split_by_fraction

__all__ = [
    "BLOCKS",
    "blocks_of_years",
    "fit_all",
    "fits_without_blocks",
    "mean_of_models",
    "simulate_left_out",
]


BLOCKS = 5
"""Number of blocks where none is given."""


TRAIN, VALIDATION = 0.75, 0.25  # shares of the levels of a fit: the second are for its choices


def blocks_of_years(observations: xr.Dataset, *, blocks: int = BLOCKS) -> xr.DataArray:
    """Return the block to which each row belongs, with equal numbers of levels of a well.

    Blocks are contiguous in time, because errors of neighbouring steps are correlated (Roberts et
    al. 2017, doi:10.1111/ecog.02881).

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    blocks : int
        Number of blocks, at least 2.

    Returns
    -------
    xarray.DataArray
        Number of the block from 0, int, dims (well, time). Rows before the first level belong to
        the first block, rows after the last level to the last.

    Raises
    ------
    ValueError
        If there are fewer than two blocks, or more than levels.

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
    :func:`gwforecast.calibration.held_out.center_and_spread`.

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
