"""Metrics of uncertain predictions: intervals, quantiles, ensembles and classes.

Rows in which a value is NaN are left out; with no row left the result is NaN.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "accuracy",
    "brier_score",
    "coverage",
    "crps_ensemble",
    "crps_quantiles",
    "interval_score",
    "interval_width",
    "pinball_loss",
    "ranked_probability_score",
]


def _rows(*arrays: np.ndarray) -> np.ndarray:
    """Return which rows (first axis) are finite in all arrays."""
    shapes = [np.shape(a)[:1] for a in arrays]
    if len(set(shapes)) != 1:
        raise ValueError(
            f"All arrays of a metric have the same number of rows. Received {shapes}. Align them."
        )
    finite = [np.isfinite(a).all(axis=tuple(range(1, np.ndim(a)))) for a in arrays]
    return np.asarray(np.logical_and.reduce(finite))


def coverage(*, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """Return the share of observed levels inside the interval, bounds included; 0 to 1.

    It is called PICP as well. A calibrated 95 % interval has 0.95.

    References
    ----------
    Khosravi et al. (2011), doi:10.1109/TNN.2010.2096824.

    Examples
    --------
    >>> coverage(observed=np.array([1.0, 5.0]), lower=np.zeros(2), upper=np.full(2, 2.0))
    0.5
    """
    rows = _rows(observed, lower, upper)
    inside = (observed >= lower) & (observed <= upper)
    return float(inside[rows].mean()) if rows.any() else np.nan


def interval_width(*, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """Return the mean width of the interval over the observed rows, m (closed form)."""
    rows = _rows(observed, lower, upper)
    return float((upper - lower)[rows].mean()) if rows.any() else np.nan


def interval_score(
    *, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray, alpha: float = 0.05
) -> float:
    """Return the interval (Winkler) score, m: width, and ``2 / alpha`` times the distance outside.

    Parameters
    ----------
    observed, lower, upper : numpy.ndarray
        Shape (time,), m.
    alpha : float
        1 - nominal coverage.

    References
    ----------
    Gneiting and Raftery (2007), doi:10.1198/016214506000001437, equation 43.
    """
    rows = _rows(observed, lower, upper)
    outside = np.maximum(lower - observed, 0) + np.maximum(observed - upper, 0)
    score = upper - lower + 2 / alpha * outside
    return float(score[rows].mean()) if rows.any() else np.nan


def pinball_loss(*, observed: np.ndarray, predicted: np.ndarray, quantile: float) -> float:
    """Return the mean quantile loss, m.

    References
    ----------
    Koenker and Bassett (1978), doi:10.2307/1913643.

    Examples
    --------
    >>> pinball_loss(observed=np.array([1.0]), predicted=np.array([0.0]), quantile=0.75)
    0.75
    """
    rows = _rows(observed, predicted)
    error = (observed - predicted)[rows]
    return (
        float(np.maximum(quantile * error, (quantile - 1) * error).mean())
        if rows.any()
        else (np.nan)
    )


def crps_quantiles(*, observed: np.ndarray, predicted: np.ndarray, quantiles: np.ndarray) -> float:
    """Return the continuous ranked probability score from quantiles, m.

    Twice the pinball loss, integrated over the quantiles by the trapezoid rule; the outermost loss
    is carried to 0 and 1. Exact as the quantiles grow dense.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (time, quantile), m.
    quantiles : numpy.ndarray
        Increasing, inside (0, 1).

    References
    ----------
    Gneiting and Ranjan (2011), doi:10.1198/jbes.2010.08110.
    """
    rows = _rows(observed, predicted)
    if not rows.any():
        return np.nan
    quantiles = np.asarray(quantiles, float)
    error = observed[rows, None] - predicted[rows]
    loss = np.maximum(quantiles * error, (quantiles - 1) * error).mean(axis=0)
    inner = np.trapezoid(loss, quantiles)
    return float(2 * (inner + loss[0] * quantiles[0] + loss[-1] * (1 - quantiles[-1])))


def crps_ensemble(*, observed: np.ndarray, members: np.ndarray, fair: bool = True) -> float:
    """Return the CRPS of an ensemble, m.

    ``mean|x - o| - sum|x_i - x_j| / (2 m (m - 1))``; with ``m^2`` where it is not the fair one.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    members : numpy.ndarray
        Shape (time, member), m.
    fair : bool
        Score the distribution that the members were drawn from, not the members.

    References
    ----------
    Ferro (2014), doi:10.1002/qj.2270; Hersbach (2000),
    doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2.
    """
    rows = _rows(observed, members)
    if not rows.any():
        return np.nan
    x = np.sort(members[rows], axis=1)
    m = x.shape[1]
    if fair and m < 2:
        return np.nan
    weights = 2 * np.arange(1, m + 1) - m - 1
    spread = (x * weights).sum(axis=1) / (m * (m - 1) if fair else m**2)
    return float((np.abs(x - observed[rows, None]).mean(axis=1) - spread).mean())


def brier_score(*, observed: np.ndarray, probability: np.ndarray) -> float:
    """Return the mean squared error of the probability of an event; 0 to 1, 0 is perfect.

    Parameters
    ----------
    observed : numpy.ndarray
        1 where the event happened, 0 where not, shape (time,).
    probability : numpy.ndarray
        Shape (time,).

    References
    ----------
    Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    rows = _rows(observed, probability)
    return float(((probability - observed)[rows] ** 2).mean()) if rows.any() else np.nan


def accuracy(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the share of classes that are right; 0 to 1 (closed form)."""
    rows = _rows(observed, predicted)
    return float((observed == predicted)[rows].mean()) if rows.any() else np.nan


def ranked_probability_score(*, observed: np.ndarray, probability: np.ndarray) -> float:
    """Return the ranked probability score of ordered classes; 0 is perfect.

    ``sum_k (P(class <= k) - [observed <= k])^2 / (classes - 1)``, averaged over time; 0 to 1.

    Parameters
    ----------
    observed : numpy.ndarray
        Number of the observed class, shape (time,).
    probability : numpy.ndarray
        Shape (time, class).

    References
    ----------
    Epstein (1969), doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2.
    """
    rows = _rows(observed, probability)
    if not rows.any():
        return np.nan
    classes = np.arange(probability.shape[1])
    happened = (observed[rows, None] <= classes).astype(float)
    difference = np.cumsum(probability[rows], axis=1) - happened
    return float(((difference**2).sum(axis=1) / (classes.size - 1)).mean())
