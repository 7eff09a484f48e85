"""Efficiencies: metrics without units, 1 where the prediction is perfect.

``observed`` has the shape (time,), ``predicted`` (..., time), both in m above the same datum. Rows
in which either is NaN are left out. With fewer than two pairs, or levels that are all equal, there
is no efficiency: NaN. What hydroeval has, hydroeval computes.
"""

from __future__ import annotations

from collections.abc import Callable

import hydroeval
import numpy as np

from gwforecast.verification.series import Values, score_series

__all__ = [
    "kge",
    "kge_anomaly",
    "kgenp",
    "kgeprime",
    "nse",
    "nse_reference",
    "persistency_index",
    "r2",
]


def nse(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the Nash-Sutcliffe efficiency against the mean of the scored levels.

    ``1 - sum((p - o)^2) / sum((o - mean(o))^2)``. Units 1; -inf to 1; 1 is perfect, 0 is as good
    as the mean of the very rows that are scored. Free of the datum.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Nash and Sutcliffe (1970), doi:10.1016/0022-1694(70)90255-6.

    Examples
    --------
    >>> nse(observed=np.array([1.0, 2.0, 3.0]), predicted=np.array([1.0, 2.0, 4.0]))
    0.5
    """
    return score_series(
        lambda o, p: hydroeval.nse(p.T, o[:, None]),
        observed=observed, predicted=predicted, varying=True,
    )  # fmt: skip


def nse_reference(*, observed: np.ndarray, predicted: np.ndarray, reference: float) -> Values:
    """Return the NSE against a mean that was known before, e.g. of the levels before the test.

    ``1 - sum((p - o)^2) / sum((o - reference)^2)``. Units 1; -inf to 1; 1 is perfect, 0 is as good
    as the reference. Never smaller than :func:`nse`. Free of the datum, if the reference is moved
    with it.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.
    reference : float
        Mean level before the scored rows, m; where it is NaN the result is NaN.

    References
    ----------
    Wunsch et al. (2021), doi:10.5194/hess-25-1671-2021.
    """

    def kernel(o: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.asarray(1 - np.sum((p - o) ** 2, axis=-1) / np.sum((o - reference) ** 2))

    return score_series(kernel, observed=observed, predicted=predicted, varying=True)


def kge(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the Kling-Gupta efficiency of 2009. It changes with the datum.

    ``1 - sqrt((r - 1)^2 + (sd(p) / sd(o) - 1)^2 + (mean(p) / mean(o) - 1)^2)``. Units 1; -inf to
    1; 1 is perfect. NaN where all predicted levels are equal.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Gupta et al. (2009), doi:10.1016/j.jhydrol.2009.08.003.
    """
    return _kge(hydroeval.kge, observed, predicted)


def kgeprime(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the Kling-Gupta efficiency of 2012. It changes with the datum.

    As :func:`kge`, with ``(sd(p) / mean(p)) / (sd(o) / mean(o))`` in the place of the ratio of the
    standard deviations. Units 1; -inf to 1; 1 is perfect. NaN where all predicted levels are equal.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Kling et al. (2012), doi:10.1016/j.jhydrol.2012.01.011.
    """
    return _kge(hydroeval.kgeprime, observed, predicted)


def kgenp(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the non-parametric Kling-Gupta efficiency. It changes with the datum.

    As :func:`kge`, with Spearman's correlation, and ``1 - 0.5 sum(|sorted p / sum(p) -
    sorted o / sum(o)|)`` in the place of the ratio of the standard deviations. Units 1; -inf to 1;
    1 is perfect. NaN where all predicted levels are equal. hydroeval ranks equal levels in the
    order of the record, so that with ties the value depends a little on the order of the rows.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Pool et al. (2018), doi:10.1080/02626667.2018.1552002.
    """
    return _kge(hydroeval.kgenp, observed, predicted)


def _kge(
    function: Callable[..., np.ndarray], observed: np.ndarray, predicted: np.ndarray
) -> Values:
    def kernel(o: np.ndarray, p: np.ndarray) -> np.ndarray:
        # hydroeval takes the simulation first, and returns the components behind the score
        return np.where(np.ptp(p, axis=-1) > 0, function(p.T, o[:, None])[0], np.nan)

    return score_series(kernel, observed=observed, predicted=predicted, varying=True)


def kge_anomaly(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return a Kling-Gupta efficiency that is free of the datum.

    ``1 - sqrt((r - 1)^2 + (sd(p) / sd(o) - 1)^2 + ((mean(p) - mean(o)) / sd(o))^2)``: the ratio of
    the means is replaced by their difference in units of the observed standard deviation. Units 1;
    -inf to 1; 1 is perfect. NaN where all predicted levels are equal.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Tang et al. (2021), doi:10.1175/JCLI-D-21-0067.1, where it is KGE''.

    Examples
    --------
    >>> o = np.array([1.0, 2.0, 3.0])
    >>> round(kge_anomaly(observed=o + 100, predicted=o + 100.5), 3)
    0.388
    """

    def kernel(o: np.ndarray, p: np.ndarray) -> np.ndarray:
        spread, shift = p.std(axis=-1) / o.std(), (p.mean(axis=-1) - o.mean()) / o.std()
        distance = (_correlation(o, p) - 1) ** 2 + (spread - 1) ** 2 + shift**2
        return np.asarray(1 - np.sqrt(distance))

    return score_series(kernel, observed=observed, predicted=predicted, varying=True)


def r2(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the squared Pearson correlation, blind to bias and scale (closed form).

    Units 1; 0 to 1; 1 is perfect, and so is any straight line of the levels, a falling one too.
    NaN where all predicted levels are equal. Free of the datum.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.
    """
    return score_series(
        lambda o, p: _correlation(o, p) ** 2, observed=observed, predicted=predicted, varying=True
    )


def _correlation(o: np.ndarray, p: np.ndarray) -> np.ndarray:
    o_, p_ = o - o.mean(), p - p.mean(axis=-1, keepdims=True)
    r = np.sum(o_ * p_, axis=-1) / np.sqrt(np.sum(o_**2) * np.sum(p_**2, axis=-1))
    return np.where(np.ptp(p, axis=-1) > 0, np.clip(r, -1, 1), np.nan)


def persistency_index(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the efficiency against the level observed before each one.

    ``1 - sum((p - o)^2) / sum((previous o - o)^2)``, over the observed levels in their own cadence,
    the first left out. Units 1; -inf to 1; 1 is perfect; below 0 a forecast that repeats the last
    level is better. Free of the datum. Needs three pairs; the order of the rows matters.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Kitanidis and Bras (1980), doi:10.1029/WR016i006p01034.
    """

    def kernel(o: np.ndarray, p: np.ndarray) -> np.ndarray:
        error = np.sum((p[:, 1:] - o[1:]) ** 2, axis=-1)
        return np.asarray(1 - error / np.sum(np.diff(o) ** 2))

    return score_series(kernel, observed=observed, predicted=predicted, fewest=3, varying=True)
