"""Metrics of predicted levels, as functions of two arrays, and what a table says of each.

Every metric takes ``observed``, shape (time,), and ``predicted``, shape (..., time), by keyword, in
m above the same datum; it returns a float, or an array (...) where there are several series. Rows
in which either is NaN are left out; infinite values are refused. With fewer than two pairs the
result is NaN, and so it is where a metric divides by a spread and the levels are all equal; errors
in m of such levels are what they are. What hydroeval has, hydroeval computes.

Some metrics change when the datum is moved, though no error does; :attr:`Metric.datum_free` says
which do not.

Pairs of observed and predicted levels, and metrics over one series or many at once.

Efficiencies: metrics without units, 1 where the prediction is perfect.

``observed`` has the shape (time,), ``predicted`` (..., time), both in m above the same datum. Rows
in which either is NaN are left out. With fewer than two pairs, or levels that are all equal, there
is no efficiency: NaN. What hydroeval has, hydroeval computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import hydroeval
import numpy as np

__all__ = [
    "METRICS",
    "Kernel",
    "Metric",
    "Values",
    "as_series",
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
    "score_series",
]


Values: TypeAlias = float | np.ndarray
"""A float for one predicted series, an array of shape (...) for predicted (..., time)."""

Kernel: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes observed (time,) and predicted (series, time), both without NaN; returns (series,)."""


def as_series(
    observed: np.ndarray, predicted: np.ndarray, *, trailing: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return both as floating point arrays whose rows belong to each other.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,).
    predicted : numpy.ndarray
        Shape (..., time), with so many axes behind time as ``trailing`` says.
    trailing : int
        Axes behind time: 1 where there are quantiles, members or classes.

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
                f"What is scored must be finite or NaN. Received {array[where]} in {name} at "
                f"position {where}. Mend the prediction, or set NaN where there is none."
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

    Parameters
    ----------
    kernel : callable
        The metric of arrays without NaN; see :data:`Kernel`.
    observed : numpy.ndarray
        Shape (time,).
    predicted : numpy.ndarray
        Shape (..., time); each series leaves out its own missing rows.
    fewest : int
        With fewer pairs the value is NaN.
    varying : bool
        Whether the value is NaN where all observed values are equal.

    Returns
    -------
    float or numpy.ndarray
        A float for predicted (time,), else shape (...). What can't be divided is NaN, never
        infinite.
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
    """Return which series are scored at once, since they know the same rows, and these rows."""
    if known.all():
        return [(slice(None), slice(None))]
    if (known == known[0]).all():
        return [(slice(None), known[0])]
    return [(slice(i, i + 1), rows) for i, rows in enumerate(known)]


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
