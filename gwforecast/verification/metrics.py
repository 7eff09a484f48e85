"""Metrics of predicted levels, as functions of two arrays.

Every metric takes ``observed`` and ``predicted`` by keyword: one-dimensional, in m above the same
datum. Pairs in which either is NaN are left out. With fewer than two pairs, or where a metric
divides by a variance that is zero, the result is NaN. What hydroeval has, hydroeval computes.

Some metrics change when the datum is moved, though no error does; :attr:`Metric.datum_free` says
which do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import hydroeval
import numpy as np

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


def pairs(*, observed: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs in which both values are finite.

    Raises
    ------
    ValueError
        If the arrays are not one-dimensional and of one length.

    Examples
    --------
    >>> pairs(observed=np.array([1.0, np.nan, 3.0]), predicted=np.array([1.0, 2.0, 4.0]))
    (array([1., 3.]), array([1., 4.]))
    """
    observed, predicted = np.asarray(observed, float), np.asarray(predicted, float)
    if observed.ndim != 1 or observed.shape != predicted.shape:
        raise ValueError(
            "A metric takes two one-dimensional arrays of the same length. Received shapes "
            f"{observed.shape} and {predicted.shape}. Align them, and score one series at a time."
        )
    known = np.isfinite(observed) & np.isfinite(predicted)
    return observed[known], predicted[known]


def _by_hydroeval(function: Callable[..., np.ndarray], o: np.ndarray, p: np.ndarray) -> float:
    # hydroeval takes the simulation first; its KGEs return their components behind the score
    return float(np.ravel(hydroeval.evaluator(function, p, o))[0])


def _scorable(o: np.ndarray) -> bool:
    return o.size >= 2 and bool(np.ptp(o) > 0)


def nse(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the Nash-Sutcliffe efficiency against the mean of the scored levels.

    ``1 - sum((p - o)^2) / sum((o - mean(o))^2)``; -inf to 1, 1 is perfect, 0 is as good as the
    mean of the very rows that are scored. Free of the datum.

    References
    ----------
    Nash and Sutcliffe (1970), doi:10.1016/0022-1694(70)90255-6.

    Examples
    --------
    >>> nse(observed=np.array([1.0, 2.0, 3.0]), predicted=np.array([1.0, 2.0, 4.0]))
    0.5
    """
    o, p = pairs(observed=observed, predicted=predicted)
    return _by_hydroeval(hydroeval.nse, o, p) if _scorable(o) else np.nan


def nse_reference(*, observed: np.ndarray, predicted: np.ndarray, reference: float) -> float:
    """Return the NSE against a mean that was known before, e.g. of the levels before the test.

    ``1 - sum((p - o)^2) / sum((o - reference)^2)``; the definition of Wunsch et al. (2021) and
    Heudorfer et al. (2024), never smaller than :func:`nse`.

    Parameters
    ----------
    observed, predicted : numpy.ndarray
        Shape (time,), m.
    reference : float
        Mean level before the scored rows, m.

    References
    ----------
    Wunsch et al. (2021), doi:10.5194/hess-25-1671-2021.
    """
    o, p = pairs(observed=observed, predicted=predicted)
    spread = np.sum((o - reference) ** 2)
    if o.size < 2 or not spread > 0:
        return np.nan
    return float(1 - np.sum((p - o) ** 2) / spread)


def kge(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the Kling-Gupta efficiency of 2009; -inf to 1. It changes with the datum.

    References
    ----------
    Gupta et al. (2009), doi:10.1016/j.jhydrol.2009.08.003.
    """
    return _kge(hydroeval.kge, observed, predicted)


def kgeprime(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the Kling-Gupta efficiency of 2012; -inf to 1. It changes with the datum.

    References
    ----------
    Kling et al. (2012), doi:10.1016/j.jhydrol.2012.01.011.
    """
    return _kge(hydroeval.kgeprime, observed, predicted)


def kgenp(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the non-parametric Kling-Gupta efficiency; -inf to 1. It changes with the datum.

    References
    ----------
    Pool et al. (2018), doi:10.1080/02626667.2018.1552002.
    """
    return _kge(hydroeval.kgenp, observed, predicted)


def _kge(function: Callable[..., np.ndarray], observed: np.ndarray, predicted: np.ndarray) -> float:
    o, p = pairs(observed=observed, predicted=predicted)
    # without a spread there is no correlation, without a mean no ratio of means
    if not (_scorable(o) and _scorable(p)) or o.mean() == 0 or p.mean() == 0:
        return np.nan
    return _by_hydroeval(function, o, p)


def kge_anomaly(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return a Kling-Gupta efficiency that is free of the datum.

    ``1 - sqrt((r - 1)^2 + (sd(p) / sd(o) - 1)^2 + ((mean(p) - mean(o)) / sd(o))^2)``: the ratio of
    the means is replaced by their difference in units of the observed standard deviation.

    References
    ----------
    Tang et al. (2021), doi:10.1175/JCLI-D-21-0067.1, where it is KGE''.

    Examples
    --------
    >>> o = np.array([1.0, 2.0, 3.0])
    >>> round(kge_anomaly(observed=o + 100, predicted=o + 100.5), 3)
    0.388
    """
    o, p = pairs(observed=observed, predicted=predicted)
    if not (_scorable(o) and _scorable(p)):
        return np.nan
    r = np.corrcoef(o, p)[0, 1]
    shift = (p.mean() - o.mean()) / o.std()
    return float(1 - np.sqrt((r - 1) ** 2 + (p.std() / o.std() - 1) ** 2 + shift**2))


def r2(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the squared Pearson correlation; 0 to 1, blind to bias and scale (closed form)."""
    o, p = pairs(observed=observed, predicted=predicted)
    if not (_scorable(o) and _scorable(p)):
        return np.nan
    return float(np.corrcoef(o, p)[0, 1] ** 2)


def rmse(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the root mean squared error, m; 0 is perfect (closed form)."""
    o, p = pairs(observed=observed, predicted=predicted)
    return _by_hydroeval(hydroeval.rmse, o, p) if o.size >= 2 else np.nan


def mae(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean absolute error, m; 0 is perfect (closed form)."""
    o, p = pairs(observed=observed, predicted=predicted)
    return float(np.mean(np.abs(p - o))) if o.size >= 2 else np.nan


def bias(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean of predicted - observed, m: positive where predictions are too high.

    Closed form. The sign is the reverse of hydroeval's PBIAS.
    """
    o, p = pairs(observed=observed, predicted=predicted)
    return float(np.mean(p - o)) if o.size >= 2 else np.nan


def pbias(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return hydroeval's percent bias, ``100 sum(o - p) / sum(o)``: positive where too low.

    It changes with the datum, and its sign is the reverse of :func:`bias`.

    References
    ----------
    Gupta et al. (1999), doi:10.1061/(ASCE)1084-0699(1999)4:2(135).
    """
    o, p = pairs(observed=observed, predicted=predicted)
    if o.size < 2 or o.sum() == 0:
        return np.nan
    return _by_hydroeval(hydroeval.pbias, o, p)


def mare(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean absolute relative error, ``sum(|o - p|) / sum(o)``.

    It changes with the datum (closed form).
    """
    o, p = pairs(observed=observed, predicted=predicted)
    if o.size < 2 or o.sum() == 0:
        return np.nan
    return _by_hydroeval(hydroeval.mare, o, p)


def persistency_index(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the efficiency against the level observed before each one; -inf to 1.

    ``1 - sum((p - o)^2) / sum((previous o - o)^2)``, over the observed levels in their own cadence,
    the first left out. Below 0 a forecast that repeats the last level is better.

    References
    ----------
    Kitanidis and Bras (1980), doi:10.1029/WR016i006p01034.
    """
    o, p = pairs(observed=observed, predicted=predicted)
    steps = np.sum(np.diff(o) ** 2)
    if o.size < 3 or not steps > 0:
        return np.nan
    return float(1 - np.sum((p[1:] - o[1:]) ** 2) / steps)


def mae_low(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean absolute error where the observed level is in its lowest fifth, m.

    References
    ----------
    Collenteur et al. (2024), doi:10.5194/hess-28-5193-2024.
    """
    o, p = pairs(observed=observed, predicted=predicted)
    if o.size < 5:
        return np.nan
    chosen = o <= np.quantile(o, 0.2)
    return float(np.mean(np.abs(p - o)[chosen]))


def mae_high(*, observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean absolute error where the observed level is in its highest fifth, m.

    References
    ----------
    Collenteur et al. (2024), doi:10.5194/hess-28-5193-2024.
    """
    o, p = pairs(observed=observed, predicted=predicted)
    if o.size < 5:
        return np.nan
    chosen = o >= np.quantile(o, 0.8)
    return float(np.mean(np.abs(p - o)[chosen]))


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
    """

    function: Callable[..., float]
    label: str
    units: str
    perfect: float
    definition: str
    datum_free: bool = True


METRICS: dict[str, Metric] = {
    "nse": Metric(nse, "NSE", "1", 1, "1 - squared error / variance of the scored levels"),
    "nse_reference": Metric(
        nse_reference, "NSE (prior mean)", "1", 1,
        "as NSE, against the mean of the levels before the scored period",
    ),
    "kge_anomaly": Metric(
        kge_anomaly, "KGE''", "1", 1, "Kling-Gupta with the bias in standard deviations (Tang 2021)"
    ),
    "kge": Metric(kge, "KGE", "1", 1, "Kling-Gupta 2009; changes with the datum", False),
    "kgeprime": Metric(
        kgeprime, "KGE'", "1", 1, "Kling-Gupta 2012; changes with the datum", False
    ),
    "kgenp": Metric(
        kgenp, "KGE-np", "1", 1, "non-parametric Kling-Gupta; changes with the datum", False
    ),
    "r2": Metric(r2, "R2", "1", 1, "squared Pearson correlation; blind to bias"),
    "rmse": Metric(rmse, "RMSE", "m", 0, "root mean squared error"),
    "mae": Metric(mae, "MAE", "m", 0, "mean absolute error"),
    "bias": Metric(bias, "bias", "m", 0, "mean of predicted - observed"),
    "mae_low": Metric(mae_low, "MAE low", "m", 0, "MAE in the lowest fifth of the levels"),
    "mae_high": Metric(mae_high, "MAE high", "m", 0, "MAE in the highest fifth of the levels"),
    "persistency_index": Metric(
        persistency_index, "PI", "1", 1, "efficiency against the level observed before"
    ),
    "mare": Metric(mare, "MARE", "1", 0, "sum of errors / sum of levels; changes with the datum",
                   False),
    "pbias": Metric(
        pbias, "PBIAS", "%", 0,
        "hydroeval's: 100 (observed - predicted) / observed; changes with the datum", False,
    ),
}  # fmt: skip
"""Metrics of a single predicted level, by name."""
