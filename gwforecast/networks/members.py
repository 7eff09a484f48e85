"""Weights of the members of an ensemble, where members start in different ways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["centre_members", "learn_member_weights", "member_weights_at", "normalised"]

LEAST_LOSS = 1e-6  # of scaled levels; keeps the weight of a perfect fit finite


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
