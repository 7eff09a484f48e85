"""Checked series of observed and predicted levels: shapes, finite values, and rows that both have.

``observed`` has the shape (time,), ``predicted`` (..., time), both in m above the same datum.
"""

from __future__ import annotations

import numpy as np

from gwforecast.verification.averages import Kernel, Values

__all__ = ["as_series", "pairs", "score_series"]


def as_series(
    observed: np.ndarray, predicted: np.ndarray, *, trailing: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return both as floating point arrays, after a check of shapes and finite values.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,).
    predicted : numpy.ndarray
        Shape (..., time), with ``trailing`` axes after time.
    trailing : int
        Number of axes after time: 1 for quantiles, members or classes.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a value is infinite.
    """
    observed, predicted = np.asarray(observed, float), np.asarray(predicted, float)
    axis = predicted.ndim - 1 - trailing
    if observed.ndim != 1 or axis < 0 or predicted.shape[axis] != observed.size:
        behind = " and one axis behind it" if trailing else ""
        raise ValueError(
            "A metric takes a one-dimensional observed array, and predictions whose time axis"
            f"{behind} has the same length. Received shapes {observed.shape} and "
            f"{predicted.shape}. Align them, and score one observed series at a time."
        )
    for name, array in (("observed", observed), ("predicted", predicted)):
        if np.isinf(array).any():
            where = tuple(int(i) for i in np.argwhere(np.isinf(array))[0])
            raise ValueError(
                f"Scored levels must be finite or NaN. Received {array[where]} in {name} at "
                f"position {where}. Correct the prediction, or set NaN where there is none."
            )
    return observed, predicted


def pairs(*, observed: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs in which neither value is NaN.

    Parameters
    ----------
    observed, predicted : numpy.ndarray
        Shape (time,), m.

    Raises
    ------
    ValueError
        If the arrays are not one-dimensional and of one length, or a value is infinite.

    Examples
    --------
    >>> pairs(observed=np.array([1.0, np.nan, 3.0]), predicted=np.array([1.0, 2.0, 4.0]))
    (array([1., 3.]), array([1., 4.]))
    """
    if np.ndim(predicted) != 1:
        raise ValueError(
            "Pairs are made of two one-dimensional arrays of the same length. Received shapes "
            f"{np.shape(observed)} and {np.shape(predicted)}. Take one series at a time."
        )
    observed, predicted = as_series(observed, predicted)
    known = ~(np.isnan(observed) | np.isnan(predicted))
    return observed[known], predicted[known]


def score_series(
    kernel: Kernel,
    *,
    observed: np.ndarray,
    predicted: np.ndarray,
    fewest: int = 2,
    varying: bool = False,
) -> Values:
    """Apply a metric to each predicted series, over the rows in which neither value is NaN.

    ``observed`` is (time,), ``predicted`` (..., time); the result is a float or (...). NaN for
    fewer than ``fewest`` pairs, where ``varying`` and all observed levels are equal, and where not
    finite.
    """
    observed, predicted = as_series(observed, predicted)
    series = predicted.reshape(int(np.prod(predicted.shape[:-1])), observed.size)
    values = np.full(len(series), np.nan)
    for chosen, rows in _alike(~(np.isnan(series) | np.isnan(observed))):
        o, p = observed[rows], series[chosen][:, rows]
        if o.size < fewest or (varying and np.ptp(o) == 0):
            continue
        with np.errstate(all="ignore"):
            values[chosen] = kernel(o, p)
    values[~np.isfinite(values)] = np.nan
    return float(values[0]) if predicted.ndim == 1 else values.reshape(predicted.shape[:-1])


def _alike(known: np.ndarray) -> list[tuple[slice, slice | np.ndarray]]:
    """Return groups of series with the same known rows, which are scored at once, and the rows."""
    if known.all():
        return [(slice(None), slice(None))]
    if (known == known[0]).all():
        return [(slice(None), known[0])]
    return [(slice(i, i + 1), rows) for i, rows in enumerate(known)]
