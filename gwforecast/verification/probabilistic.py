"""Metrics of uncertain predictions: intervals, quantiles, ensembles and classes.

``observed`` has the shape (time,); predictions may have axes before time, (..., time), for
several series at once: the result is a float, or an array (...). Each value is a mean over the
rows, of which those with a NaN are left out; with no row left it is NaN. Infinite values are
refused. All but the classes are free of the datum.

The intervals of :data:`INTERVALS` and the CRPS are entered into
:data:`gwforecast.verification.metrics.METRICS`, and with that are in every table of scores. A
further metric of the predicted quantiles is one call of :func:`register`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from gwforecast.verification.averages import Metric, Pairs, Values
from gwforecast.verification.metrics import METRICS
from gwforecast.verification.series import as_series

__all__ = [
    "INTERVALS",
    "accuracy",
    "brier_score",
    "coverage",
    "crps_ensemble",
    "crps_quantiles",
    "interval_score",
    "interval_width",
    "pinball_loss",
    "ranked_probability_score",
    "register",
]


INTERVALS: dict[str, tuple[float, float]] = {"95": (0.025, 0.975), "80": (0.1, 0.9)}
"""Central intervals that are scored, as lower and upper quantile, by nominal coverage in %."""


def _mean(row_scores: np.ndarray, missing: np.ndarray) -> Values:
    """Return the mean over the last axis of the rows that are not missing, NaN without any."""
    known = ~missing
    total = np.where(known, row_scores, 0.0).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        mean = total / known.sum(axis=-1)
    return float(mean) if mean.ndim == 0 else mean


def _interval(
    observed: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return checked arrays, and which rows miss any of the three."""
    observed, lower = as_series(observed, lower)
    observed, upper = as_series(observed, upper)
    missing = np.isnan(observed) | np.isnan(lower) | np.isnan(upper)
    crossed = lower > upper
    if crossed.any():
        where = tuple(int(i) for i in np.argwhere(crossed)[0])
        raise ValueError(
            "The lower bound of an interval must not lie above the upper one. Received "
            f"{lower[where]} above {upper[where]} at position {where}. Exchange the bounds, or "
            "sort the quantiles."
        )
    return observed, lower, upper, missing


def _inside(o: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return 1 where a level is inside its interval, 0 where not."""
    return ((o >= low) & (o <= high)).astype(float)


def _interval_scores(o: np.ndarray, low: np.ndarray, high: np.ndarray, alpha: float) -> np.ndarray:
    """Return the interval score of each row."""
    outside = np.maximum(low - o, 0) + np.maximum(o - high, 0)
    return np.asarray(high - low + 2 / alpha * outside)


def _check_share(share: float, *, name: str) -> None:
    if not 0 < share < 1:
        raise ValueError(
            f"{name} must lie inside (0, 1). Received {share}. A 95 % interval has alpha 0.05 and "
            "the quantiles 0.025 and 0.975."
        )


def coverage(*, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Values:
    """Return the share of observed levels inside the interval, bounds included.

    ``mean(lower <= o <= upper)``, also called PICP (prediction interval coverage probability).
    Units 1; 0 to 1; the nominal coverage is perfect: 0.95 for a 95 % interval.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    lower, upper : numpy.ndarray
        Shape (..., time), m.

    References
    ----------
    Khosravi et al. (2011), doi:10.1109/TNN.2010.2096824.

    Examples
    --------
    >>> coverage(observed=np.array([1.0, 5.0]), lower=np.zeros(2), upper=np.full(2, 2.0))
    0.5
    """
    o, low, high, missing = _interval(observed, lower, upper)
    return _mean(_inside(o, low, high), missing)


def interval_width(*, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Values:
    """Return the mean width of the interval over the observed rows (closed form).

    ``mean(upper - lower)``. Units m; 0 to inf; the narrower the better, at the same coverage.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m; says which rows count.
    lower, upper : numpy.ndarray
        Shape (..., time), m.
    """
    _, low, high, missing = _interval(observed, lower, upper)
    return _mean(high - low, missing)


def interval_score(
    *, observed: np.ndarray, lower: np.ndarray, upper: np.ndarray, alpha: float = 0.05
) -> Values:
    """Return the interval (Winkler) score: width, and ``2 / alpha`` times the distance outside.

    ``mean(upper - lower + 2 / alpha * (max(lower - o, 0) + max(o - upper, 0)))``. Units m; 0 to
    inf; 0 is perfect. Proper for the central interval.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    lower, upper : numpy.ndarray
        Shape (..., time), m.
    alpha : float
        1 - nominal coverage.

    References
    ----------
    Gneiting and Raftery (2007), doi:10.1198/016214506000001437, equation 43.
    """
    _check_share(alpha, name="alpha")
    o, low, high, missing = _interval(observed, lower, upper)
    return _mean(_interval_scores(o, low, high, alpha), missing)


def pinball_loss(*, observed: np.ndarray, predicted: np.ndarray, quantile: float) -> Values:
    """Return the mean quantile (pinball) loss.

    ``mean(max(q (o - p), (q - 1) (o - p)))``. Units m; 0 to inf; 0 is perfect. Half the mean
    absolute error for the quantile 0.5.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        The predicted quantile, shape (..., time), m.
    quantile : float
        Which quantile, inside (0, 1).

    References
    ----------
    Koenker and Bassett (1978), doi:10.2307/1913643.

    Examples
    --------
    >>> pinball_loss(observed=np.array([1.0]), predicted=np.array([0.0]), quantile=0.75)
    0.75
    """
    _check_share(quantile, name="quantile")
    o, p = as_series(observed, predicted)
    error = o - p
    return _mean(np.maximum(quantile * error, (quantile - 1) * error), np.isnan(error))


def crps_quantiles(*, observed: np.ndarray, predicted: np.ndarray, quantiles: np.ndarray) -> Values:
    """Return the continuous ranked probability score from quantiles.

    ``mean(integral (F(x) - [x >= o])^2 dx)``, exact for the distribution whose F is linear between
    the quantiles and jumps to 0 and 1 at the outermost ones. Units m; 0 to inf; 0 is perfect; the
    mean absolute error where all quantiles are equal. With the seven quantiles of this package it
    is within 0.3 % of the score of a calibrated or biased normal distribution, and 1.5 % above that
    of one that is twice too wide; the mean of the pinball losses would be up to 24 % too low.
    Quantiles that cross are put in order first (Chernozhukov et al. 2010).

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    predicted : numpy.ndarray
        Shape (..., time, quantile), m.
    quantiles : numpy.ndarray
        Shape (quantile,), increasing, inside (0, 1), in any spacing.

    References
    ----------
    Hersbach (2000), doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2; Gneiting and Ranjan
    (2011), doi:10.1198/jbes.2010.08110; Chernozhukov et al. (2010), doi:10.3982/ECTA7880.

    Examples
    --------
    >>> quantiles = np.array([0.25, 0.75])
    >>> crps_quantiles(observed=np.array([2.0]), predicted=np.array([[0, 1]]), quantiles=quantiles)
    1.27083...
    """
    levels = np.asarray(quantiles, float)
    o, p = as_series(observed, predicted, trailing=1)
    increasing = levels.ndim == 1 and levels.size > 0 and bool((np.diff(levels) > 0).all())
    inside = increasing and levels[0] > 0 and levels[-1] < 1
    if not inside or levels.size != p.shape[-1]:
        raise ValueError(
            "Quantiles must increase inside (0, 1), one for each value of the last axis. Received "
            f"{np.array2string(levels, threshold=9)} for {p.shape[-1]} values. Sort them, and the "
            "predictions with them."
        )
    missing = np.isnan(o) | np.isnan(p).any(axis=-1)
    return _mean(crps_of_rows(o, np.sort(p, axis=-1), levels), missing)


def crps_of_rows(o: np.ndarray, p: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the score of each row: (F(x) - [x >= o])^2 over each segment, below and above o.

    Parameters
    ----------
    o : numpy.ndarray
        Shape (time,), without NaN.
    p : numpy.ndarray
        Shape (..., time, quantile), in order, without NaN.
    levels : numpy.ndarray
        Shape (quantile,).
    """
    start, end, s, t = p[..., :-1], p[..., 1:], levels[:-1], levels[1:]
    cut = np.clip(o[:, None], start, end)
    width = end - start
    share = np.divide(cut - start, width, out=np.zeros_like(width), where=width > 0)
    u = s + (t - s) * share  # F at the cut
    below = (cut - start) * (s**2 + s * u + u**2)
    above = (end - cut) * ((1 - u) ** 2 + (1 - u) * (1 - t) + (1 - t) ** 2)
    outside = np.maximum(p[..., 0] - o, 0) + np.maximum(o - p[..., -1], 0)
    return np.asarray((below + above).sum(axis=-1) / 3 + outside)


def crps_ensemble(*, observed: np.ndarray, members: np.ndarray, fair: bool = True) -> Values:
    """Return the continuous ranked probability score of an ensemble.

    ``mean|x - o| - sum|x_i - x_j| / (2 m (m - 1))``; with ``m^2`` in the place of ``m (m - 1)``
    where it is not the fair one. Units m; 0 is perfect; 0 to inf, though the fair one can fall
    below 0 by chance. The fair one needs two members.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (time,), m.
    members : numpy.ndarray
        Shape (..., time, member), m; a row with a missing member is left out.
    fair : bool
        Score the distribution that the members were drawn from, not the members themselves.

    References
    ----------
    Ferro (2014), doi:10.1002/qj.2270; Hersbach (2000),
    doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2.
    """
    o, x = as_series(observed, members, trailing=1)
    m = x.shape[-1]
    missing = np.isnan(o) | np.isnan(x).any(axis=-1)
    if m < (2 if fair else 1):
        missing = np.ones_like(missing)
    weights = 2 * np.arange(1, m + 1) - m - 1
    pairs = max(m * (m - 1), 1) if fair else max(m**2, 1)
    spread = (np.sort(x, axis=-1) * weights).sum(axis=-1) / pairs
    return _mean(np.abs(x - o[:, None]).sum(axis=-1) / max(m, 1) - spread, missing)


def brier_score(*, observed: np.ndarray, probability: np.ndarray) -> Values:
    """Return the mean squared error of the probability of an event.

    ``mean((P - [event])^2)``. Units 1; 0 to 1; 0 is perfect.

    Parameters
    ----------
    observed : numpy.ndarray
        1 where the event happened, 0 where not, NaN where unknown, shape (time,).
    probability : numpy.ndarray
        Shape (..., time), from 0 to 1.

    References
    ----------
    Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    o, p = as_series(observed, probability)
    _check_probability(p)
    other = ~np.isnan(o) & (o != 0) & (o != 1)
    if other.any():
        raise ValueError(
            "An event is 1 where it happened and 0 where not. Received "
            f"{o[other][0]}. Compare the levels with the threshold first."
        )
    return _mean((p - o) ** 2, np.isnan(p) | np.isnan(o))


def accuracy(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
    """Return the share of classes that are right (closed form).

    ``mean(predicted == observed)``. Units 1; 0 to 1; 1 is perfect.

    Parameters
    ----------
    observed : numpy.ndarray
        Number of the observed class, NaN where unknown, shape (time,).
    predicted : numpy.ndarray
        Number of the predicted class, shape (..., time).
    """
    o, p = as_series(observed, predicted)
    return _mean((o == p).astype(float), np.isnan(o) | np.isnan(p))


def ranked_probability_score(*, observed: np.ndarray, probability: np.ndarray) -> Values:
    """Return the ranked probability score of ordered classes, such as below, near, above normal.

    ``sum_k (P(class <= k) - [observed <= k])^2 / (classes - 1)``, averaged over time. Units 1; 0 to
    1; 0 is perfect.

    Parameters
    ----------
    observed : numpy.ndarray
        Number of the observed class, from 0, NaN where unknown, shape (time,).
    probability : numpy.ndarray
        Shape (..., time, class), from 0 to 1; at least two classes.

    References
    ----------
    Epstein (1969), doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2.
    """
    o, p = as_series(observed, probability, trailing=1)
    _check_probability(p)
    number = p.shape[-1]
    if number < 2 or (o < 0).any() or (o >= number).any():
        raise ValueError(
            "A ranked probability score needs two classes or more, numbered from 0. Received "
            f"{number} classes, and observed numbers {np.unique(o[~np.isnan(o)])[:9].tolist()}. "
            "Number the classes in their order from 0, as the last axis of the probabilities."
        )
    happened = (o[:, None] <= np.arange(number)).astype(float)
    difference = (np.cumsum(p, axis=-1) - happened) ** 2
    missing = np.isnan(o) | np.isnan(p).any(axis=-1)
    return _mean(difference.sum(axis=-1) / (number - 1), missing)


def _check_probability(probability: np.ndarray) -> None:
    wrong = (probability < 0) | (probability > 1 + 1e-6)  # a softmax is rounded
    if wrong.any():
        raise ValueError(
            "Probabilities lie between 0 and 1. Received "
            f"{probability[wrong][0]}. Divide percentages by 100, and take the output behind the "
            "softmax."
        )


def register(
    name: str,
    statistics: Callable[[Pairs], np.ndarray],
    *,
    label: str,
    definition: str,
    units: str = "m",
    perfect: float = 0.0,
    larger_is_better: bool | None = None,
    needs: tuple[float, ...] = (),
    doc: str | None = None,
) -> None:
    """Enter a metric of the predicted quantiles, a mean over pairs, into the registry.

    Parameters
    ----------
    name : str
        Name in tables.
    statistics : callable
        Takes :class:`~gwforecast.verification.averages.Pairs`; returns the statistic of each.
    label, definition, units, perfect, larger_is_better, needs
        As in :class:`~gwforecast.verification.averages.Metric`.
    doc : str, optional
        Docstring; by default that of ``statistics``.
    """

    def function(*, observed: np.ndarray, predicted: np.ndarray, quantiles: np.ndarray) -> Values:
        o, p = as_series(observed, predicted, trailing=1)
        found = Pairs(o, p, np.asarray(quantiles, float), np.ones(o.shape, dtype=bool))
        values = statistics(found)
        return _mean(values, np.isnan(o) | np.isnan(p).any(axis=-1) | np.isnan(values))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc or statistics.__doc__
    METRICS[name] = Metric(
        function, label, units, perfect, definition, larger_is_better=larger_is_better,
        kind="distribution", needs=needs, statistics=statistics,
    )  # fmt: skip


def crps_of_pairs(pairs: Pairs) -> np.ndarray:
    """Return the CRPS of each pair, m, and the absolute error where there is only a median.

    Parameters
    ----------
    pairs : Pairs
        Observed levels (..., row) and predicted quantiles (..., row, quantile).
    """
    result = pairs.absolute_error.copy()
    observed = np.broadcast_to(pairs.observed, result.shape)
    scored = pairs.complete & np.isfinite(observed)
    result[scored] = crps_of_rows(observed[scored], pairs.ordered[scored], pairs.quantiles)
    return result


def _inside_of_pairs(pairs: Pairs, *, lower: float, upper: float) -> np.ndarray:
    low, high = pairs.quantile(lower), pairs.quantile(upper)
    return np.where(pairs.complete, _inside(pairs.observed, low, high), np.nan)


def _width_of_pairs(pairs: Pairs, *, lower: float, upper: float) -> np.ndarray:
    return np.asarray(pairs.quantile(upper) - pairs.quantile(lower))


def _interval_score_of_pairs(pairs: Pairs, *, lower: float, upper: float) -> np.ndarray:
    low, high = pairs.quantile(lower), pairs.quantile(upper)
    return _interval_scores(pairs.observed, low, high, 1 - (upper - lower))


for _level, (_lower, _upper) in INTERVALS.items():
    register(
        f"coverage_{_level}", partial(_inside_of_pairs, lower=_lower, upper=_upper),
        label=f"coverage of the {_level} % interval", units="1", perfect=round(_upper - _lower, 9),
        definition=f"share of levels inside the {_level} % interval",
        needs=(_lower, _upper), doc=coverage.__doc__,
    )  # fmt: skip
    register(
        f"width_{_level}", partial(_width_of_pairs, lower=_lower, upper=_upper),
        label=f"width of the {_level} % interval", larger_is_better=False,
        definition=f"mean width of the {_level} % interval",
        needs=(_lower, _upper), doc=interval_width.__doc__,
    )  # fmt: skip
    register(
        f"interval_score_{_level}", partial(_interval_score_of_pairs, lower=_lower, upper=_upper),
        label=f"interval score of the {_level} % interval", larger_is_better=False,
        definition=f"width of the {_level} % interval, and a penalty for levels outside",
        needs=(_lower, _upper), doc=interval_score.__doc__,
    )  # fmt: skip

register(
    "crps", crps_of_pairs, label="CRPS", larger_is_better=False,
    definition="continuous ranked probability score from the quantiles; the MAE of a median alone",
    doc=crps_quantiles.__doc__,
)  # fmt: skip
