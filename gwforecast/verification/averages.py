"""Averaged statistics of pairs of levels, from which metrics follow, and which add up over chunks.

A metric is one or more statistics of each pair of an observed and a predicted level, their means
over the pairs, and a last transform of these means to the value: the RMSE is the square root of the
mean squared error, the NSE is 1 minus the ratio of two means. Sums and counts of chunks of pairs
(issues of an archive, parts of a long record) can be added, and the value then is that of all pairs
together. The design is that of WeatherBench-X (Google Research), where it serves petabytes.

Moments are taken about the first scored level of each series, so that levels far above the datum
lose no digits, and so that the variance of levels that are all equal is exactly 0.

Single series come as arrays, ``observed`` (time,) and ``predicted`` (..., time), in m above the
same datum; their shapes and values are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

__all__ = [
    "Averages", "Kernel", "Metric", "Moments", "Pairs", "Statistics", "Values", "as_series",
    "pairs", "score_pairs", "score_series",
]  # fmt: skip


Values: TypeAlias = float | np.ndarray
"""A float for one predicted series, an array of shape (...) for predicted (..., time)."""

Kernel: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes observed (time,) and predicted (series, time), both without NaN; returns (series,)."""

Origin: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Levels that the moments of observed and of predicted levels are taken about, m."""


@dataclass(eq=False)
class Pairs:
    """Observed levels and the predictions of the same rows, and statistics of each pair.

    Parameters
    ----------
    observed : numpy.ndarray
        Shape (..., row), m.
    level : numpy.ndarray
        Predicted quantiles, shape (..., row, quantile), m; it may have further axes before those
        of ``observed``, such as one of models.
    quantiles : numpy.ndarray
        Shape (quantile,), increasing; 0.5 is the central prediction.
    rows : numpy.ndarray
        Boolean, the shape of ``observed``: the pairs that are scored.
    prior : numpy.ndarray, optional
        Mean level before the scored rows, m, the shape of ``observed`` without rows.
    origin : tuple of numpy.ndarray, optional
        Levels that moments are taken about: those of :attr:`Averages.origin`, if the averages are
        to be added to these. By default the first scored levels of each series.
    """

    observed: np.ndarray
    level: np.ndarray
    quantiles: np.ndarray
    rows: np.ndarray
    prior: np.ndarray | None = None
    origin: Origin | None = None

    @cached_property
    def about(self) -> Origin:
        """Levels that the moments of observed and predicted levels are taken about, m."""
        if self.origin is not None:
            return self.origin
        of_predicted = np.broadcast_to(self.rows, self.predicted.shape)
        return _first(self.observed, self.rows), _first(self.predicted, of_predicted)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The central prediction, shape (..., row), m."""
        return np.asarray(self.level[..., int(np.argmin(np.abs(self.quantiles - 0.5)))])

    @cached_property
    def error(self) -> np.ndarray:
        """Predicted - observed, m."""
        return np.asarray(self.predicted - self.observed)

    @cached_property
    def absolute_error(self) -> np.ndarray:
        """Absolute error, m."""
        return np.asarray(np.abs(self.error))

    @cached_property
    def squared_error(self) -> np.ndarray:
        """Squared error, m2."""
        return np.asarray(self.error**2)

    @cached_property
    def prior_squared_error(self) -> np.ndarray:
        """Squared error of the mean level before the scored rows, m2; NaN where it is unknown."""
        if self.prior is None:
            return np.full(self.observed.shape, np.nan)
        return np.asarray((self.observed - np.asarray(self.prior)[..., None]) ** 2)

    @cached_property
    def moments(self) -> tuple[np.ndarray, ...]:
        """Statistics whose means make :class:`Moments`, in its order."""
        origins = [np.asarray(origin)[..., None] for origin in self.about]
        o, p = self.observed - origins[0], self.predicted - origins[1]
        constants = (
            np.broadcast_to(origins[0], self.observed.shape),
            np.broadcast_to(origins[1], self.predicted.shape),
        )
        return o, p, o * o, p * p, o * p, *constants

    @cached_property
    def ordered(self) -> np.ndarray:
        """Quantiles in increasing order, NaN last, shape (..., row, quantile), m."""
        return np.asarray(np.sort(self.level, axis=-1))

    @cached_property
    def complete(self) -> np.ndarray:
        """Which predictions have all quantiles and more than a median, shape (..., row)."""
        known = np.isfinite(self.ordered[..., -1])
        return known if self.quantiles.size > 1 else np.zeros_like(known)

    def quantile(self, quantile: float) -> np.ndarray:
        """Return one predicted quantile, NaN where any quantile is missing, shape (..., row), m."""
        at = int(np.flatnonzero(np.isclose(self.quantiles, quantile))[0])
        return np.asarray(np.where(self.complete, self.ordered[..., at], np.nan))


def _first(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the first value of each series in the rows that count, 0 where there is none."""
    if not values.shape[-1]:
        return np.zeros(values.shape[:-1])
    at = np.argmax(rows, axis=-1)[..., None]
    first = np.where(np.take_along_axis(rows, at, -1), np.take_along_axis(values, at, -1), 0.0)
    return np.asarray(np.nan_to_num(first[..., 0], nan=0.0))


Statistics: TypeAlias = Callable[[Pairs], "np.ndarray | tuple[np.ndarray, ...]"]
"""Takes pairs; returns one or more statistics of each, shape (..., row)."""


class Moments(NamedTuple):
    """Means of the statistics of :attr:`Pairs.moments`, and what follows from them."""

    anomaly: np.ndarray
    predicted_anomaly: np.ndarray
    square: np.ndarray
    predicted_square: np.ndarray
    product: np.ndarray
    origin: np.ndarray
    predicted_origin: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean of the observed levels, m."""
        return np.asarray(self.origin + self.anomaly)

    @property
    def predicted_mean(self) -> np.ndarray:
        """Mean of the predicted levels, m."""
        return np.asarray(self.predicted_origin + self.predicted_anomaly)

    @property
    def variance(self) -> np.ndarray:
        """Variance of the observed levels, m2."""
        return np.asarray(np.maximum(self.square - self.anomaly**2, 0.0))

    @property
    def predicted_variance(self) -> np.ndarray:
        """Variance of the predicted levels, m2."""
        return np.asarray(np.maximum(self.predicted_square - self.predicted_anomaly**2, 0.0))

    @property
    def correlation(self) -> np.ndarray:
        """Pearson correlation of observed and predicted levels, NaN where either is constant."""
        covariance = self.product - self.anomaly * self.predicted_anomaly
        found = covariance / np.sqrt(self.variance * self.predicted_variance)
        return np.asarray(np.where(np.isfinite(found), np.clip(found, -1, 1), np.nan))


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric, how it is computed, and what a table reports beside it.

    Parameters
    ----------
    function : callable
        The public function. It takes ``observed`` and ``predicted``; of a metric of the
        distribution, ``predicted`` has a last axis of quantiles, and ``quantiles`` are given too.
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
    kind : {"level", "distribution"}
        Whether the central prediction is scored or the quantiles.
    needs : tuple of float
        Quantiles without which there is no value.
    statistics : callable, optional
        Statistics of each pair, whose means are averaged; see :data:`Statistics`.
    last : callable, optional
        Takes the means in the order of the statistics, and returns the value.
    kernel : callable, optional
        For a metric of whole series, which is no transform of means: the metric of arrays without
        NaN; see :data:`Kernel`. Such a metric has no statistics, and chunks of it don't add up.
    varying : bool
        Whether the value is NaN where all observed levels are equal.
    fewest : int
        With fewer pairs the value is NaN.
    """

    function: Callable[..., Values]
    label: str
    units: str
    perfect: float
    definition: str
    datum_free: bool = True
    larger_is_better: bool | None = None
    kind: Literal["level", "distribution"] = "level"
    needs: tuple[float, ...] = ()
    statistics: Statistics | None = None
    last: Callable[..., np.ndarray] | None = None
    kernel: Kernel | None = None
    varying: bool = False
    fewest: int = 1

    @property
    def averaged(self) -> bool:
        """Whether the metric is a transform of means, so that chunks of pairs add up."""
        return self.statistics is not None


@dataclass(frozen=True, eq=False)
class Averages:
    """Sums of the statistics of metrics over pairs, and the number of pairs.

    Parameters
    ----------
    metrics : mapping of str to Metric
        Metrics that are averages.
    n : numpy.ndarray
        Number of pairs of each series, shape (...).
    sums : dict of str to tuple of numpy.ndarray
        Sums of the statistics of each metric, shape (...).
    moments : tuple of numpy.ndarray
        Sums of the moments, shape (...).
    origin : tuple of numpy.ndarray
        Levels that moments are taken about, m.

    Examples
    --------
    >>> from gwforecast.verification.metrics import METRICS
    >>> def pairs(observed, predicted, origin=None):
    ...     o, p = np.array(observed), np.array(predicted)[:, None]
    ...     return Pairs(o, p, np.array([0.5]), np.isfinite(o), origin=origin)
    >>> first = Averages.of(pairs([1.0, 2.0], [1.0, 2.0]), {"nse": METRICS["nse"]})
    >>> second = Averages.of(pairs([3.0], [4.0], first.origin), {"nse": METRICS["nse"]})
    >>> round(float((first + second).values()["nse"]), 9)
    0.5
    """

    metrics: Mapping[str, Metric]
    n: np.ndarray
    sums: dict[str, tuple[np.ndarray, ...]]
    moments: tuple[np.ndarray, ...]
    origin: Origin

    @classmethod
    def of(cls, pairs: Pairs, metrics: Mapping[str, Metric]) -> Averages:
        """Return the sums over the scored pairs; metrics of whole series are left out."""
        whole = bool(pairs.rows.all())
        kept: dict[int, np.ndarray] = {}

        def total(values: np.ndarray) -> np.ndarray:
            counted = values if whole else np.where(pairs.rows, values, 0.0)
            return np.asarray(counted.sum(axis=-1))

        def total_once(values: np.ndarray) -> np.ndarray:
            # statistics that the pairs hold belong to several metrics
            if not any(values is held for held in (*vars(pairs).values(), *pairs.moments)):
                return total(values)
            if id(values) not in kept:
                kept[id(values)] = total(values)
            return kept[id(values)]

        sums = {}
        for name, metric in metrics.items():
            if metric.statistics is not None:
                found = metric.statistics(pairs)
                parts = found if isinstance(found, tuple) else (found,)
                sums[name] = tuple(total_once(part) for part in parts)
        moments = tuple(total_once(part) for part in pairs.moments)
        averaged = {name: metrics[name] for name in sums}
        return cls(averaged, np.asarray(pairs.rows.sum(axis=-1)), sums, moments, pairs.about)

    def padded(self, size: int) -> Averages:
        """Return the averages with empty series added, so that the last axis has a size."""
        more = max(size - self.n.shape[-1], 0)

        def longer(values: np.ndarray) -> np.ndarray:
            return np.pad(values, [*[(0, 0)] * (values.ndim - 1), (0, more)])

        sums = {name: tuple(map(longer, parts)) for name, parts in self.sums.items()}
        observed, predicted = map(longer, self.origin)
        moments = tuple(map(longer, self.moments))
        return Averages(self.metrics, longer(self.n), sums, moments, (observed, predicted))

    def extended(self, pairs: Pairs) -> Averages:
        """Return the averages over these pairs and further ones of the same series."""
        observed, predicted = (
            np.where(self.n > 0, ours, theirs)
            for ours, theirs in zip(self.origin, pairs.about, strict=True)
        )
        return self + Averages.of(replace(pairs, origin=(observed, predicted)), self.metrics)

    def __add__(self, other: Averages) -> Averages:
        """Return the averages over the pairs of both.

        Raises ValueError if the moments of both are not about the same levels, or the metrics
        differ.
        """
        both = (self.n > 0) & (other.n > 0)
        origins = list(zip(self.origin, other.origin, strict=True))
        same = all(np.array_equal(np.where(both, a, b), b) for a, b in origins)
        if not same or list(self.metrics) != list(other.metrics):
            raise ValueError(
                "Averages can be added if they are of the same metrics, with moments about the "
                f"same levels. Received {', '.join(self.metrics)} and {', '.join(other.metrics)}, "
                f"about {'the same' if same else 'other'} levels. Use Averages.extended, or make "
                "the later pairs with the origin of the first averages."
            )
        sums = {
            name: tuple(a + b for a, b in zip(parts, other.sums[name], strict=True))
            for name, parts in self.sums.items()
        }
        moments = tuple(a + b for a, b in zip(self.moments, other.moments, strict=True))
        observed, predicted = (np.where(self.n > 0, a, b) for a, b in origins)
        return Averages(self.metrics, self.n + other.n, sums, moments, (observed, predicted))

    def values(self) -> dict[str, np.ndarray]:
        """Return the value of each metric, shape (...), NaN where there are too few pairs."""
        with np.errstate(all="ignore"):
            means = {name: [part / self.n for part in parts] for name, parts in self.sums.items()}
            varying = Moments(*(part / self.n for part in self.moments)).variance > 0
            values = {}
            for name, metric in self.metrics.items():
                value = means[name][0] if metric.last is None else metric.last(*means[name])
                known = np.isfinite(value) & (self.n >= metric.fewest)
                known &= varying if metric.varying else True
                found = np.where(known, value, np.nan)
                values[name] = np.broadcast_to(found, self.origin[1].shape)
        return values


def score_pairs(pairs: Pairs, metrics: Mapping[str, Metric]) -> dict[str, np.ndarray]:
    """Return the value of each metric over the scored pairs, in the order of the metrics.

    Metrics are averages and such of whole series; values have the shape of ``pairs.predicted``
    without rows.
    """
    averaged = any(metric.averaged for metric in metrics.values())
    values = Averages.of(pairs, metrics).values() if averaged else {}
    for name, metric in metrics.items():
        if metric.kernel is not None:
            values[name] = _of_whole_series(pairs, metric, metric.kernel)
    return {name: values[name] for name in metrics}


def _of_whole_series(pairs: Pairs, metric: Metric, kernel: Kernel) -> np.ndarray:
    """Return the value of a metric of whole series, shape (...)."""
    values = np.full(pairs.predicted.shape[:-1], np.nan)
    for series in np.ndindex(pairs.observed.shape[:-1]):
        rows = pairs.rows[series]
        observed = pairs.observed[series][rows]
        few = observed.size < max(metric.fewest, 1)
        if few or (metric.varying and np.ptp(observed) == 0):
            continue
        predicted = pairs.predicted[(..., *series, slice(None))][..., rows]
        shape = predicted.shape[:-1]
        table = predicted.reshape(-1, observed.size)
        known = np.isfinite(table).all(axis=-1)
        found = np.full(len(table), np.nan)
        if known.any():
            with np.errstate(all="ignore"):
                found[known] = kernel(observed, table[known])
        values[(..., *series)] = np.where(np.isfinite(found), found, np.nan).reshape(shape)
    return values


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
        1 for quantiles, members or classes.

    Returns
    -------
    numpy.ndarray
        Observed, float64.
    numpy.ndarray
        Predicted, float64.

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
    """Return the pairs of levels (time,), m, in which neither value is NaN.

    Parameters
    ----------
    observed, predicted : numpy.ndarray
        Shape (time,), m.

    Returns
    -------
    numpy.ndarray
        Observed, shape (pair,), m.
    numpy.ndarray
        Predicted, shape (pair,), m.

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
        Takes observed (time,) and predicted (series, time) without NaN, and returns (series,).
    observed : numpy.ndarray
        Shape (time,).
    predicted : numpy.ndarray
        Shape (..., time).
    fewest : int
        Smallest number of pairs.
    varying : bool
        Whether the metric needs observed levels that are not all equal.

    Returns
    -------
    float or numpy.ndarray
        Shape (...); NaN for fewer pairs, equal levels where they must vary, and where not finite.
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
