"""How much each member of an ensemble is trusted, where members start in several ways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["centre_by_trust", "learn_trust", "share_of", "trust_at"]

LEAST_LOSS = 1e-6  # of scaled levels, which keeps the trust in a perfect fit finite


def learn_trust(losses: np.ndarray, starts: np.ndarray) -> np.ndarray | None:
    """Return the trust in each member, from losses of levels that it was not fitted on.

    Members that start alike share one weight: that of the inverse square of their mean loss
    (Bates and Granger 1969, doi:10.1057/jors.1969.103).

    Parameters
    ----------
    losses : numpy.ndarray
        Shape (well, member); NaN where a network has none.
    starts : numpy.ndarray
        Shape (member,), which of the ways each starts in.

    Returns
    -------
    numpy.ndarray or None
        Shape (well, member), sums 1; None where all start alike.

    Examples
    --------
    >>> learn_trust(np.array([[0.1, 0.2, 0.1]]), np.array([0, 1, 0]))
    array([[0.4, 0.2, 0.4]])
    """
    ways = np.unique(starts)
    if ways.size == 1:
        return None
    trust = np.empty(losses.shape)
    for way in ways:
        alike = starts == way
        loss = np.maximum(losses[:, alike].mean(axis=1, keepdims=True), LEAST_LOSS)
        trust[:, alike] = np.nan_to_num(loss**-2.0) / alike.sum()
    return share_of(trust)


def share_of(trust: np.ndarray) -> np.ndarray:
    """Return trust (well, member) as shares of 1, equal ones where no member has any."""
    trust = np.where((trust == 0).all(axis=1, keepdims=True), 1.0, trust)
    return np.asarray(trust / trust.sum(axis=1, keepdims=True))


def trust_at(
    wells: Sequence[str], trust: np.ndarray | None, *, fitted: Sequence[str]
) -> np.ndarray | None:
    """Return the rows of some wells of a trust (well, member); members are alike at new wells."""
    if trust is None:
        return None
    alike = np.full(trust.shape[1], 1 / trust.shape[1])
    known = dict(zip(fitted, trust, strict=True))
    return np.stack([known.get(well, alike) for well in wells])


def centre_by_trust(values: np.ndarray, trust: np.ndarray | None) -> np.ndarray:
    """Return members, moved so that their median is the mean weighted by trust.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (well, ..., member).
    trust : numpy.ndarray or None
        Shape (well, member), sums 1; None leaves the members as they are.

    Examples
    --------
    >>> centre_by_trust(np.array([[0.0, 1.0, 4.0]]), np.array([[0.25, 0.25, 0.5]]))
    array([[1.25, 2.25, 5.25]])
    """
    if trust is None:
        return values
    mean = np.einsum("w...m,wm->w...", values, trust)
    return np.asarray(values + (mean - np.median(values, axis=-1))[..., None])
