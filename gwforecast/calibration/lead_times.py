"""Statistics of errors by lead time that neighbouring lead times share."""

from __future__ import annotations

import numpy as np

__all__ = ["independent_number", "pooled_quantile", "pooled_sum", "pooling_reach", "smoothed"]


LAGS = (0, *range(1, 8), *range(8, 16, 2), *range(16, 32, 4), *range(32, 64, 8),
        *range(64, 257, 16))  # fmt: skip
LEAST_CORRELATION = 0.1  # below it errors count as independent
NEIGHBOURS = 6  # a lead time is averaged with those within a sixth of it


def pooling_reach(count: np.ndarray, *, fewest: int) -> np.ndarray:
    """Return how many lead times on each side must be pooled to have enough errors.

    ``count`` is the number of errors, (well, lead_time), like the result, which is 0 where a lead
    time has ``fewest`` errors itself.

    Examples
    --------
    >>> pooling_reach(np.array([[10, 0, 10, 10]]), fewest=10)
    array([[0, 1, 0, 0]])
    """
    reach = np.zeros_like(count)
    for _ in range(count.shape[1]):
        few = pooled_sum(count, reach) < fewest
        if not few.any():
            break
        reach[few] += 1
    return reach


def pooled_sum(values: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Return sums of values (well, lead_time) over the lead times within reach."""
    total = np.pad(values.cumsum(axis=1), ((0, 0), (1, 0)))
    lead = np.arange(values.shape[1])
    stop = np.minimum(lead + reach + 1, lead.size)
    pooled = np.take_along_axis(total, stop, 1)
    pooled = pooled - np.take_along_axis(total, np.maximum(lead - reach, 0), 1)
    return np.where(reach > 0, pooled, values)


def pooled_quantile(
    ratio: np.ndarray, probability: float, *, count: np.ndarray, reach: np.ndarray
) -> np.ndarray:
    """Return a quantile over issue times, and over lead times within reach where there are few.

    ``ratio`` is (well, issue_time, lead_time), NaN where unknown; ``count`` of its known values,
    ``reach`` of :func:`pooling_reach` and the result are (well, lead_time), 0 without values.
    """
    found = _quantile(ratio, probability, count)
    for well, lead in np.argwhere(reach > 0):
        near = ratio[well, :, max(lead - reach[well, lead], 0) : lead + reach[well, lead] + 1]
        near = near[np.isfinite(near)]
        if near.size:
            found[well, lead] = np.quantile(near, probability)
    return found


def smoothed(values: np.ndarray, *, count: np.ndarray | None = None) -> np.ndarray:
    """Return means of values (well, lead_time, quantile) over neighbouring lead times.

    Lead times are ignored that have no value by ``count`` (well, lead_time), or are NaN.
    """
    known = np.isfinite(values[..., :1]) if count is None else count[..., None] > 0
    lead = np.arange(values.shape[1])
    reach = (lead + 1) // NEIGHBOURS
    first, stop = np.maximum(lead - reach, 0), np.minimum(lead + reach + 1, lead.size)
    total, number = (
        np.pad(part.cumsum(axis=1), ((0, 0), (1, 0), (0, 0)))
        for part in (np.where(known, values, 0.0), known.astype(float))
    )
    number = number[:, stop] - number[:, first]
    mean = (total[:, stop] - total[:, first]) / np.maximum(number, 1.0)
    return np.where(number > 0, mean, np.nan)


def independent_number(errors: np.ndarray, *, sizes: bool = False) -> np.ndarray:
    """Return to how many independent errors those of each lead time are equivalent, at least 1.

    Their number is divided by the integral of their autocorrelation (Bayley and Hammersley 1946,
    doi:10.2307/2983560), which is estimated from their signs, whatever their distribution. Lead
    times share the mean of their neighbours.

    Parameters
    ----------
    errors : numpy.ndarray
        Shape (well, issue_time, lead_time), at regular issue times; NaN where unknown.
    sizes : bool
        Count independent sizes of the errors, whatever their signs: the autocorrelation of squares
        is the square of that of the errors, exactly for a normal distribution.

    Returns
    -------
    numpy.ndarray
        Shape (well, lead_time).

    Examples
    --------
    >>> errors = np.random.default_rng(0).normal(size=(1, 4000, 1))
    >>> independent_number(errors).round()
    array([[4000.]])
    >>> bool(independent_number(np.repeat(errors, 8, axis=1)) < 5000)
    True
    """
    known = np.isfinite(errors)
    side = np.where(known, np.sign(errors), 0.0)
    count = known.sum(axis=1)
    correlations = np.zeros((len(LAGS), *count.shape))
    correlations[0] = 1.0
    for number, lag in enumerate(LAGS[1:], start=1):
        if lag >= errors.shape[1]:
            break
        pairs = (known[:, lag:] & known[:, :-lag]).sum(axis=1)
        agreement = (side[:, lag:] * side[:, :-lag]).sum(axis=1) / np.maximum(pairs, 1)
        correlations[number] = np.sin(np.pi / 2 * agreement)  # exact for a normal distribution
    lasting = np.logical_and.accumulate(correlations > LEAST_CORRELATION, axis=0)
    correlations = np.where(lasting, correlations ** (2 if sizes else 1), 0.0)
    time = 2 * np.trapezoid(correlations, LAGS, axis=0)
    number = np.maximum(count / np.maximum(time, 1.0), 1.0)
    return np.asarray(smoothed(number[..., None], count=count)[..., 0])


def _quantile(ratio: np.ndarray, probability: float, count: np.ndarray) -> np.ndarray:
    """Return a quantile over the issue times, shape (well, lead_time); 0 without values."""
    ordered = np.sort(np.where(np.isfinite(ratio), ratio, np.inf), axis=1)
    rank = probability * np.maximum(count - 1, 0)
    low = np.floor(rank).astype(int)
    part = rank - low
    below, above = (
        np.take_along_axis(ordered, np.minimum(at, np.maximum(count - 1, 0))[:, None], axis=1)[:, 0]
        for at in (low, low + 1)
    )
    finite = np.isfinite(below) & np.isfinite(above)
    gap = np.where(finite, above, 0.0) - np.where(finite, below, 0.0)
    return np.asarray(np.where(finite, below, 0.0) + part * gap)
