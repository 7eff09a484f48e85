"""Metrics of uncertain predictions: intervals and quantiles.

``observed`` has the shape (time,); predictions may have axes before time, (..., time), for
several series at once: the result is a float, or an array (...). Each value is a mean over the
rows, of which those with a NaN are left out; with no row left it is NaN. Infinite values are
refused. All are free of the datum.

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
    "INTERVALS", "coverage", "crps_quantiles", "interval_score", "interval_width", "register",
]  # fmt: skip


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
    if not 0 < alpha < 1:
        raise ValueError(
            f"alpha must lie inside (0, 1). Received {alpha}. A 95 % interval has alpha 0.05."
        )
    o, low, high, missing = _interval(observed, lower, upper)
    return _mean(_interval_scores(o, low, high, alpha), missing)


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
