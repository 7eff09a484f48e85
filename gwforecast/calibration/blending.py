"""Centre and spread of simulations of held-out rows, and the weights of models and members.

The mean of several simulations is better than most of them (Bates and Granger 1969,
doi:10.1057/jors.1969.103). A model that fails at a well would spoil it there, so each model is
weighted, at each well, by the inverse square of its mean squared error on rows that it was not
fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.models.base import Forecaster
from gwforecast.sequences.split import Split

__all__ = [
    "SPREAD", "WEIGHT_POWER", "blend_members", "blend_simulations", "blend_weights",
    "center_and_spread", "centre_members", "learn_member_weights", "member_weights_at",
    "normalised", "read_weights", "simulate_held_out",
]  # fmt: skip


LEAST_LOSS = 1e-6  # of scaled levels; keeps the weight of a perfect fit finite
SPREAD = "spread"
"""Name of the variable that holds the standard deviation of the members of a simulation, m."""


def simulate_held_out(
    forecaster: Forecaster,
    observations: xr.Dataset,
    *,
    split: Split,
    simulation: xr.Dataset | None = None,
) -> xr.Dataset:
    """Return the simulated levels of rows on which a forecaster was not fitted.

    The forecaster was fitted on the train period of the split. A simulation by it that there is
    already, or the result of :func:`center_and_spread` for it, need not be made again. ``level``
    and ``spread`` of the members are (well, time), m; NaN for rows that were not held out, which
    include all rows after the validation period.
    """
    nothing = xr.full_like(observations[schema.LEVEL], np.nan, dtype=float).drop_attrs()
    unseen = xr.Dataset({schema.LEVEL: nothing, SPREAD: nothing})
    for rows, part in forecaster.held_out(observations, split):
        made = simulation if part is forecaster else None
        made = part.simulate(observations) if made is None else made
        unseen = unseen.where(~rows, center_and_spread(made))
    return unseen


def center_and_spread(simulation: xr.Dataset) -> xr.Dataset:
    """Return ``level`` and ``spread``, median and standard deviation of members, (well, time), m.

    The ``level`` of the simulation is (well, time) or (well, time, member), m. Without members its
    ``spread`` (well, time), m, may hold their standard deviation; it is 0 if it is not known.
    """
    level = simulation[schema.LEVEL].transpose(schema.WELL, schema.TIME, ...)
    if schema.MEMBER in level.dims:
        freedom = min(1, level.sizes[schema.MEMBER] - 1)
        spread = level.std(schema.MEMBER, ddof=freedom)
        level = level.median(schema.MEMBER, keep_attrs=True)
    else:
        spread = simulation.get(SPREAD, xr.zeros_like(level))
    return xr.Dataset({schema.LEVEL: level, SPREAD: spread})


WEIGHT_POWER = 2.0
"""Power of the inverse mean squared error that weights a model."""


def blend_weights(held_out: Sequence[xr.DataArray], observed: xr.DataArray) -> xr.DataArray:
    """Return the weight of each model at each well, dims (model, well); they add up to 1.

    Levels are (well, time), m. Those of each model are held out: it predicted them without having
    been fitted on them; NaN elsewhere. A model without any level at a well, which has failed there,
    has no weight. Weights are equal at a well where none of the models has one.

    Examples
    --------
    >>> observed = xr.DataArray([[1.0, 2, 3]], {"well": ["a"]}, ("well", "time"))
    >>> blend_weights([observed + 1.0, observed - 2.0], observed).values.round(3)
    array([[0.941],
           [0.059]])
    """
    levels = xr.concat(held_out, schema.MODEL, join="exact")
    known = levels.notnull() & observed.notnull()
    works = known.any(schema.TIME)
    works = works | ~works.any(schema.MODEL)
    incomplete = (~known & works).sum(schema.MODEL) > 0
    squared = ((levels - observed).where(known & ~incomplete) ** 2).mean(schema.TIME)
    inverse = squared.clip(min=1e-12 * squared.max(schema.MODEL)) ** -WEIGHT_POWER
    weights = xr.ones_like(inverse).where(~np.isfinite(inverse), inverse).where(works, 0.0)
    return weights / weights.sum(schema.MODEL)


def blend_simulations(simulations: Sequence[xr.Dataset], weights: xr.DataArray) -> xr.Dataset:
    """Return the weighted mean of models and the spread of all members.

    Each simulation has ``level`` and ``spread`` (well, time), m, and so has the result; NaN where a
    model that has a weight (model, well) is NaN. The variance of all members is the sum of the
    variances within and between models.
    """
    each = xr.concat(simulations, schema.MODEL, join="exact")
    each = each.transpose(..., schema.WELL, schema.TIME).where(weights > 0, 0.0)
    level = (weights * each[schema.LEVEL]).sum(schema.MODEL, skipna=False)
    within = (weights * each[SPREAD] ** 2).sum(schema.MODEL, skipna=False)
    between = (weights * (each[schema.LEVEL] - level) ** 2).sum(schema.MODEL, skipna=False)
    return xr.Dataset({schema.LEVEL: level, SPREAD: np.sqrt(within + between)})


def blend_members(levels: Sequence[xr.DataArray], weights: np.ndarray | None) -> xr.DataArray:
    """Return the members of all models around the weighted mean of the models' medians.

    The levels of each model are (well, ..., member), m; without members a model is one member. The
    distance of a member from the mean is scaled so that each model has its weight (model, well) in
    the variance of all members, however many members it has; weights add up to 1. Without weights
    they are equal, and members are not scaled. The median of the result is the weighted mean of the
    medians.
    """
    member = schema.MEMBER
    levels = [one if member in one.dims else one.expand_dims({member: [0]}, -1) for one in levels]
    if len(levels) == 1:
        return levels[0]
    first = levels[0].drop_vars(member, errors="ignore")
    xr.align(
        *(one.drop_vars(member, errors="ignore").isel({member: 0}) for one in levels), join="exact"
    )
    axis, along = first.get_axis_num(member), first.get_axis_num(schema.WELL)
    values = [one.transpose(*first.dims).values for one in levels]
    medians = [np.median(one, axis=axis, keepdims=True) for one in values]
    if weights is None:
        center = np.mean(medians, axis=0)
    else:
        shape = [-1 if number == along else 1 for number in range(first.ndim)]
        shares = [one.reshape(shape) for one in weights]
        members = sum(one.shape[axis] for one in values)
        center = np.zeros_like(medians[0])
        for share, median in zip(shares, medians, strict=True):
            center = center + share * np.where(share > 0, median, 0.0)
        scales = [
            (share * members / one.shape[axis]) ** 0.5
            for share, one in zip(shares, values, strict=True)
        ]
        values = [
            center + np.where(scale > 0, scale * (one - center), 0.0)
            for scale, one in zip(scales, values, strict=True)
        ]
    joined = np.concatenate(values, axis=axis)
    joined = joined + (center - np.median(joined, axis=axis, keepdims=True))
    coords = {name: one for name, one in first.coords.items() if member not in one.dims}
    coords[member] = np.arange(joined.shape[axis])
    return xr.DataArray(joined, coords, first.dims)


def read_weights(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return stored weights (model, well).

    Raises ValueError if they have another shape, are negative or do not add up to 1 at each well.
    """
    if values.shape != shape:
        raise ValueError(f"the weights of a blend must have the shape {shape}, not {values.shape}")
    if not (values >= 0).all() or not np.allclose(values.sum(axis=0), 1.0):
        raise ValueError("the weights of a blend must not be negative and must add up to 1")
    return values.astype(float)


def learn_member_weights(losses: np.ndarray, starts: np.ndarray) -> np.ndarray | None:
    """Return the weight of each member, (well, member), from losses of levels it was not fitted on.

    Members that start in the same way share one weight: that of the inverse square of their mean
    loss (Bates and Granger 1969, doi:10.1057/jors.1969.103). ``losses`` (well, member) are NaN
    where a network has none, ``starts`` (member,) the number of the way in which each member
    starts. The result is None where all members start in the same way.

    Examples
    --------
    >>> learn_member_weights(np.array([[0.1, 0.2, 0.1]]), np.array([0, 1, 0]))
    array([[0.4, 0.2, 0.4]])
    """
    ways = np.unique(starts)
    if ways.size == 1:
        return None
    weights = np.empty(losses.shape)
    for way in ways:
        same = starts == way
        loss = np.maximum(losses[:, same].mean(axis=1, keepdims=True), LEAST_LOSS)
        weights[:, same] = np.nan_to_num(loss**-2.0) / same.sum()
    return normalised(weights)


def normalised(weights: np.ndarray) -> np.ndarray:
    """Return weights (well, member) that sum to 1, equal ones where all are zero."""
    weights = np.where((weights == 0).all(axis=1, keepdims=True), 1.0, weights)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def member_weights_at(
    wells: Sequence[str], weights: np.ndarray | None, *, fitted: Sequence[str]
) -> np.ndarray | None:
    """Return the rows (well, member) of some wells; equal weights at wells that were not fitted."""
    if weights is None:
        return None
    equal = np.full(weights.shape[1], 1 / weights.shape[1])
    known = dict(zip(fitted, weights, strict=True))
    return np.stack([known.get(well, equal) for well in wells])


def centre_members(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return members (well, ..., member) shifted so that their median is their weighted mean.

    Weights None leave the members as they are.

    Examples
    --------
    >>> centre_members(np.array([[0.0, 1.0, 4.0]]), np.array([[0.25, 0.25, 0.5]]))
    array([[1.25, 2.25, 5.25]])
    """
    if weights is None:
        return values
    mean = np.einsum("w...m,wm->w...", values, weights)
    return np.asarray(values + (mean - np.median(values, axis=-1))[..., None])
