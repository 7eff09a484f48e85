"""Metrics of predicted levels, as functions of two arrays, and what a table says of each.

Every metric takes ``observed``, shape (time,), and ``predicted``, shape (..., time), by keyword, in
m above the same datum; it returns a float, or an array (...) where there are several series. Rows
in which either is NaN are left out; infinite values are refused. With fewer than two pairs the
result is NaN, and so it is where a metric divides by a spread and the levels are all equal; errors
in m of such levels are what they are. What hydroeval has, hydroeval computes.

Some metrics change when the datum is moved, though no error does; :attr:`Metric.datum_free` says
which do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import hydroeval
import numpy as np

from gwforecast.verification.efficiency import (
    kge,
    kge_anomaly,
    kgenp,
    kgeprime,
    nse,
    nse_reference,
    persistency_index,
    r2,
)
from gwforecast.verification.series import Values, pairs, score_series

__all__ = [
    "METRICS",
    "Metric",
    "bias",
    "kge",
    "kge_anomaly",
    "kgenp",
    "kgeprime",
    "mae",
    "mae_high",
    "mae_low",
    "mare",
    "nse",
    "nse_reference",
    "pairs",
    "pbias",
    "persistency_index",
    "r2",
    "rmse",
]


def rmse(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the root mean squared error, ``sqrt(mean((p - o)^2))`` (closed form).

    Units m; 0 to inf; 0 is perfect. Free of the datum.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    Examples
    --------
    >>> rmse(observed=np.array([1.0, 2.0]), predicted=np.array([[2.0, 3.0], [1.0, 2.0]]))
    array([1., 0.])
    """
    return score_series(
        lambda o, p: hydroeval.rmse(p.T, o[:, None]), observed=observed, predicted=predicted
    )


def mae(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the mean absolute error, ``mean(|p - o|)`` (closed form).

    Units m; 0 to inf; 0 is perfect. Free of the datum.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.
    """
    return score_series(
        lambda o, p: np.mean(np.abs(p - o), axis=-1), observed=observed, predicted=predicted
    )


def bias(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the mean of predicted - observed: positive where predictions are too high.

    ``mean(p - o)`` (closed form). Units m; -inf to inf; 0 is perfect. Free of the datum. The sign
    is the reverse of :func:`pbias`.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    Examples
    --------
    >>> bias(observed=np.array([1.0, 2.0]), predicted=np.array([1.5, 2.5]))
    0.5
    """
    return score_series(
        lambda o, p: np.mean(p - o, axis=-1), observed=observed, predicted=predicted
    )


def pbias(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return hydroeval's percent bias, of observed - predicted: positive where too low.

    ``100 sum(o - p) / sum(o)``. Units %; -inf to inf; 0 is perfect. It changes with the datum, and
    its sign is the reverse of :func:`bias`. NaN where the levels sum to 0.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Gupta et al. (1999), doi:10.1061/(ASCE)1084-0699(1999)4:2(135).

    Examples
    --------
    >>> pbias(observed=np.array([1.0, 3.0]), predicted=np.array([1.0, 2.0]))
    25.0
    """
    return score_series(
        lambda o, p: hydroeval.pbias(p.T, o[:, None]), observed=observed, predicted=predicted
    )


def mare(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return hydroeval's mean absolute relative error, ``sum(|p - o|) / sum(o)`` (closed form).

    Units 1; 0 is perfect; 0 to inf, but negative where the levels lie below the datum. It changes
    with the datum. NaN where the levels sum to 0.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.
    """
    return score_series(
        lambda o, p: hydroeval.mare(p.T, o[:, None]), observed=observed, predicted=predicted
    )


def mae_low(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the mean absolute error where the observed level is in its lowest fifth.

    ``mean(|p - o|)`` over the rows with ``o <= quantile(o, 0.2)`` of the scored rows. Units m; 0 to
    inf; 0 is perfect. Free of the datum. Needs five pairs.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Collenteur et al. (2024), doi:10.5194/hess-28-5193-2024.
    """

    def kernel(o: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(p - o)[:, o <= np.quantile(o, 0.2)].mean(axis=-1))

    return score_series(kernel, observed=observed, predicted=predicted, fewest=5)


def mae_high(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the mean absolute error where the observed level is in its highest fifth.

    ``mean(|p - o|)`` over the rows with ``o >= quantile(o, 0.8)`` of the scored rows. Units m; 0 to
    inf; 0 is perfect. Free of the datum. Needs five pairs.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Collenteur et al. (2024), doi:10.5194/hess-28-5193-2024.
    """

    def kernel(o: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(p - o)[:, o >= np.quantile(o, 0.8)].mean(axis=-1))

    return score_series(kernel, observed=observed, predicted=predicted, fewest=5)


@dataclass(frozen=True)
class Metric:
    """A metric and what a table says of it.

    Parameters
    ----------
    function : callable
        Takes ``observed`` and ``predicted``.
    label : str
        Name in tables and figures.
    units : str
        Units of the value.
    perfect : float
        Value of a perfect prediction.
    definition : str
        One line beside the number.
    datum_free : bool
        Whether the value stays the same when the datum is moved.
    larger_is_better : bool or None
        None where the nearer to ``perfect`` is the better, from either side.
    """

    function: Callable[..., Values]
    label: str
    units: str
    perfect: float
    definition: str
    datum_free: bool = True
    larger_is_better: bool | None = None


def _efficiency(
    function: Callable[..., Values], label: str, definition: str, *, datum_free: bool = True
) -> Metric:
    return Metric(function, label, "1", 1, definition, datum_free, larger_is_better=True)


def _error(function: Callable[..., Values], label: str, definition: str) -> Metric:
    return Metric(function, label, "m", 0, definition, larger_is_better=False)


METRICS: dict[str, Metric] = {
    "nse": _efficiency(nse, "NSE", "1 - squared error / variance of the scored levels"),
    "nse_reference": _efficiency(
        nse_reference, "NSE (prior mean)",
        "as NSE, against the mean of the levels before the scored period",
    ),
    "kge_anomaly": _efficiency(
        kge_anomaly, "KGE''", "Kling-Gupta with the bias in standard deviations (Tang 2021)"
    ),
    "kge": _efficiency(
        kge, "KGE", "Kling-Gupta 2009; changes with the datum", datum_free=False
    ),
    "kgeprime": _efficiency(
        kgeprime, "KGE'", "Kling-Gupta 2012; changes with the datum", datum_free=False
    ),
    "kgenp": _efficiency(
        kgenp, "KGE-np", "non-parametric Kling-Gupta; changes with the datum", datum_free=False
    ),
    "r2": _efficiency(r2, "R2", "squared Pearson correlation; blind to bias"),
    "rmse": _error(rmse, "RMSE", "root mean squared error"),
    "mae": _error(mae, "MAE", "mean absolute error"),
    "bias": Metric(bias, "bias", "m", 0, "mean of predicted - observed"),
    "mae_low": _error(mae_low, "MAE low", "MAE in the lowest fifth of the levels"),
    "mae_high": _error(mae_high, "MAE high", "MAE in the highest fifth of the levels"),
    "persistency_index": _efficiency(
        persistency_index, "PI", "efficiency against the level observed before"
    ),
    "mare": Metric(
        mare, "MARE", "1", 0, "sum of errors / sum of levels; changes with the datum", False
    ),
    "pbias": Metric(
        pbias, "PBIAS", "%", 0,
        "hydroeval's: 100 (observed - predicted) / observed; changes with the datum", False,
    ),
}  # fmt: skip
"""Metrics of a single predicted level, by name."""
