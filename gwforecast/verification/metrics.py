"""Metrics of predicted levels, each written once, as functions of two arrays, and their registry.

Every metric takes ``observed``, shape (time,), and ``predicted``, shape (..., time), by keyword, in
m above the same datum; it returns a float, or an array (...) where there are several series. Rows
in which either is NaN are left out; infinite values are refused. With fewer than two pairs the
result is NaN, and so it is where a metric divides by a spread and the levels are all equal; errors
in m of such levels are defined.

Most metrics are averaged statistics with a last transform (see
:mod:`gwforecast.verification.averages`), written with the decorator :func:`metric`. Metrics of
ranks or quantiles of the levels need the whole series; they are written with :func:`whole_series`.
Either enters the metric into :data:`METRICS`, and with that into the scores of evaluations,
backtests and archived forecasts. Metrics that hydroeval has are computed by hydroeval for single
series, and from averages in tables; both agree to 1e-12.

Some metrics change when the datum is moved, though no error does; :attr:`Metric.datum_free` says
which do not.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

import hydroeval
import numpy as np

from gwforecast.verification.averages import (
    Averages,
    Kernel,
    Metric,
    Moments,
    Pairs,
    Statistics,
    Values,
    as_series,
    pairs,
    score_series,
)

__all__ = [
    "METRICS", "Kernel", "Metric", "Values", "as_series", "bias", "kge", "kge_anomaly", "kgenp",
    "kgeprime", "level_metrics", "mae", "mae_high", "mae_low", "mare", "metric", "nse",
    "nse_reference", "pairs", "pbias", "persistency_index", "r2", "rmse", "score_series",
    "whole_series",
]  # fmt: skip


METRICS: dict[str, Metric] = {}
"""All metrics by name: of the central prediction, and of the distribution (those of
:mod:`gwforecast.verification.probabilistic`)."""

PARAMETERS = """Parameters
----------
observed : numpy.ndarray
    Shape (time,), m.
predicted : numpy.ndarray
    Shape (..., time), m.
"""

RETURNS = """
Returns
-------
float or numpy.ndarray
    Of several series their values, shape (...); NaN with fewer pairs than the metric needs.
"""

REFERENCE = """reference : float
    Mean level before the scored rows, m; where it is NaN the result is NaN.
"""


def level_metrics() -> dict[str, Metric]:
    """Return the metrics of a central prediction.

    Returns
    -------
    dict of str to Metric
        By name; without those of quantiles and members.
    """
    return {name: metric for name, metric in METRICS.items() if metric.kind == "level"}


@dataclass(frozen=True)
class metric:  # noqa: N801  (a decorator)
    """Enter a function of pairs into :data:`METRICS`, and return the public metric.

    The function takes :class:`~gwforecast.verification.averages.Pairs` and returns one statistic of
    each pair, or several. Its name is that of the metric.

    Parameters
    ----------
    label, definition, units, perfect, larger_is_better, datum_free, varying, fewest
        As in :class:`~gwforecast.verification.averages.Metric`.
    last : callable, optional
        Takes the means of the statistics, and returns the value; by default the mean itself.
    reference : bool
        Whether the metric takes the mean level before the scored rows.
    library : callable, optional
        A library's metric of arrays without NaN, which computes the value of single series.

    Examples
    --------
    >>> @metric("within 10 cm", "share of levels predicted to 10 cm", units="1", perfect=1)
    ... def within_10_cm(pairs):
    ...     return pairs.absolute_error <= 0.1
    >>> within_10_cm(observed=np.array([1.0, 2.0]), predicted=np.array([1.05, 2.5]))
    0.5
    >>> del METRICS["within_10_cm"]
    """

    label: str
    definition: str
    units: str = "m"
    perfect: float = 0.0
    larger_is_better: bool | None = None
    datum_free: bool = True
    varying: bool = False
    fewest: int = 1
    last: Callable[..., np.ndarray] | None = None
    reference: bool = False
    library: Kernel | None = None

    def __call__(self, statistics: Statistics) -> Callable[..., Values]:
        """Return the public function of a metric, entered into the registry."""

        def evaluate(observed: np.ndarray, predicted: np.ndarray, prior: float | None) -> Values:
            def kernel(o: np.ndarray, p: np.ndarray) -> np.ndarray:
                found = Pairs(
                    o, p[..., None], np.array([0.5]), np.ones(o.shape, dtype=bool),
                    prior=None if prior is None else np.asarray(prior),
                )  # fmt: skip
                return Averages.of(found, {name: METRICS[name]}).values()[name]

            return score_series(
                self.library or kernel, observed=observed, predicted=predicted,
                fewest=max(self.fewest, 2), varying=self.varying,
            )  # fmt: skip

        def scored(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
            return evaluate(observed, predicted, None)

        def scored_by(*, observed: np.ndarray, predicted: np.ndarray, reference: float) -> Values:
            return evaluate(observed, predicted, reference)

        name = statistics.__name__
        function: Callable[..., Values] = scored_by if self.reference else scored
        parameters = PARAMETERS + (REFERENCE if self.reference else "")
        _name(function, statistics, parameters)
        METRICS[name] = Metric(
            function, self.label, self.units, self.perfect, self.definition, self.datum_free,
            self.larger_is_better, statistics=statistics, last=self.last, varying=self.varying,
            fewest=self.fewest,
        )  # fmt: skip
        return function


@dataclass(frozen=True)
class whole_series:  # noqa: N801  (a decorator)
    """Enter a function of whole series into :data:`METRICS`, and return the public metric.

    The function takes observed levels (time,) and predicted ones (series, time), without NaN, and
    returns (series,). Sums of such a metric do not exist: it is in the scores of evaluations and
    backtests, and not in those of archived forecasts, of which only sums are kept. Settings are as
    in :class:`~gwforecast.verification.averages.Metric`.
    """

    label: str
    definition: str
    units: str = "m"
    perfect: float = 0.0
    larger_is_better: bool | None = None
    datum_free: bool = True
    varying: bool = False
    fewest: int = 2

    def __call__(self, kernel: Kernel) -> Callable[..., Values]:
        """Return the public function of a metric, entered into the registry."""

        def function(*, observed: np.ndarray, predicted: np.ndarray) -> Values:
            return score_series(
                kernel, observed=observed, predicted=predicted, fewest=max(self.fewest, 2),
                varying=self.varying,
            )  # fmt: skip

        _name(function, kernel, PARAMETERS)
        METRICS[kernel.__name__] = Metric(
            function, self.label, self.units, self.perfect,
            f"{self.definition}; of whole series only", self.datum_free, self.larger_is_better,
            kernel=kernel, varying=self.varying, fewest=self.fewest,
        )  # fmt: skip
        return function


def _name(function: Callable[..., Values], written: Callable[..., object], parameters: str) -> None:
    """Give a function the name and docstring of what was decorated, and its parameters."""
    function.__name__ = function.__qualname__ = written.__name__
    function.__module__ = written.__module__
    text = inspect.cleandoc(written.__doc__ or "")
    section = re.search(r"^(References|Examples)\n-+$", text, re.MULTILINE)
    at = section.start() if section else len(text)
    function.__doc__ = f"{text[:at].rstrip()}\n\n{parameters}{RETURNS}\n{text[at:]}".rstrip()


def _hydroeval(function: Callable[..., np.ndarray]) -> Kernel:
    """Return a metric of hydroeval, which takes the simulation first, as a kernel."""

    def kernel(o: np.ndarray, p: np.ndarray) -> np.ndarray:
        return function(p.T, o[:, None])

    return kernel


def _hydroeval_kge(function: Callable[..., np.ndarray]) -> Kernel:
    """Return a Kling-Gupta efficiency of hydroeval, whose components are behind the score."""

    def kernel(o: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.where(np.ptp(p, axis=-1) > 0, function(p.T, o[:, None])[0], np.nan)

    return kernel


def _kling_gupta(correlation: np.ndarray, variability: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return 1 - the distance of the three components from their perfect values 1, 1, 0."""
    return np.asarray(1 - np.sqrt((correlation - 1) ** 2 + (variability - 1) ** 2 + bias**2))


@metric(
    "NSE", "1 - squared error / variance of the scored levels",
    units="1", perfect=1, larger_is_better=True, varying=True,
    last=lambda error, *moments: 1 - error / Moments(*moments).variance,
    library=_hydroeval(hydroeval.nse),
)  # fmt: skip
def nse(pairs: Pairs) -> tuple[np.ndarray, ...]:
    """Return the Nash-Sutcliffe efficiency against the mean of the scored levels.

    ``1 - sum((p - o)^2) / sum((o - mean(o))^2)``. Units 1; -inf to 1; 1 is perfect, 0 is as good
    as the mean of the very rows that are scored. Free of the datum.

    References
    ----------
    Nash and Sutcliffe (1970), doi:10.1016/0022-1694(70)90255-6.

    Examples
    --------
    >>> nse(observed=np.array([1.0, 2.0, 3.0]), predicted=np.array([1.0, 2.0, 4.0]))
    0.5
    """
    return pairs.squared_error, *pairs.moments


@metric(
    "NSE (prior mean)", "as NSE, against the mean of the levels before the scored period",
    units="1", perfect=1, larger_is_better=True, varying=True, reference=True,
    last=lambda error, prior: 1 - error / prior,
)  # fmt: skip
def nse_reference(pairs: Pairs) -> tuple[np.ndarray, ...]:
    """Return the NSE against a mean that was known before, e.g. of the levels before the test.

    ``1 - sum((p - o)^2) / sum((o - reference)^2)``. Units 1; -inf to 1; 1 is perfect, 0 is as good
    as the reference. Never smaller than :func:`nse`. Free of the datum, if the reference is moved
    with it.

    References
    ----------
    Wunsch et al. (2021), doi:10.5194/hess-25-1671-2021.
    """
    return pairs.squared_error, pairs.prior_squared_error


def _last_kge_anomaly(*means: np.ndarray) -> np.ndarray:
    m = Moments(*means)
    shift = (m.predicted_mean - m.mean) / np.sqrt(m.variance)
    return _kling_gupta(m.correlation, np.sqrt(m.predicted_variance / m.variance), shift)


@metric(
    "KGE''", "Kling-Gupta with the bias in standard deviations (Tang 2021)",
    units="1", perfect=1, larger_is_better=True, varying=True, last=_last_kge_anomaly,
)  # fmt: skip
def kge_anomaly(pairs: Pairs) -> tuple[np.ndarray, ...]:
    """Return a Kling-Gupta efficiency that is free of the datum.

    ``1 - sqrt((r - 1)^2 + (sd(p) / sd(o) - 1)^2 + ((mean(p) - mean(o)) / sd(o))^2)``: the ratio of
    the means is replaced by their difference in units of the observed standard deviation. Units 1;
    -inf to 1; 1 is perfect. NaN where all predicted levels are equal.

    References
    ----------
    Tang et al. (2021), doi:10.1175/JCLI-D-21-0067.1, where it is KGE''.

    Examples
    --------
    >>> o = np.array([1.0, 2.0, 3.0])
    >>> round(kge_anomaly(observed=o + 100, predicted=o + 100.5), 3)
    0.388
    """
    return pairs.moments


def _last_kge(*means: np.ndarray) -> np.ndarray:
    m = Moments(*means)
    variability = np.sqrt(m.predicted_variance / m.variance)
    return _kling_gupta(m.correlation, variability, m.predicted_mean / m.mean - 1)


@metric(
    "KGE", "Kling-Gupta 2009; changes with the datum",
    units="1", perfect=1, larger_is_better=True, varying=True, datum_free=False, last=_last_kge,
    library=_hydroeval_kge(hydroeval.kge),
)  # fmt: skip
def kge(pairs: Pairs) -> tuple[np.ndarray, ...]:
    """Return the Kling-Gupta efficiency of 2009. It changes with the datum.

    ``1 - sqrt((r - 1)^2 + (sd(p) / sd(o) - 1)^2 + (mean(p) / mean(o) - 1)^2)``. Units 1; -inf to
    1; 1 is perfect. NaN where all predicted levels are equal.

    References
    ----------
    Gupta et al. (2009), doi:10.1016/j.jhydrol.2009.08.003.
    """
    return pairs.moments


def _last_kgeprime(*means: np.ndarray) -> np.ndarray:
    m = Moments(*means)
    ratio = m.predicted_mean / m.mean
    variability = np.sqrt(m.predicted_variance / m.variance) / ratio
    return _kling_gupta(m.correlation, variability, ratio - 1)


@metric(
    "KGE'", "Kling-Gupta 2012; changes with the datum",
    units="1", perfect=1, larger_is_better=True, varying=True, datum_free=False,
    last=_last_kgeprime, library=_hydroeval_kge(hydroeval.kgeprime),
)  # fmt: skip
def kgeprime(pairs: Pairs) -> tuple[np.ndarray, ...]:
    """Return the Kling-Gupta efficiency of 2012. It changes with the datum.

    As :func:`kge`, with ``(sd(p) / mean(p)) / (sd(o) / mean(o))`` in the place of the ratio of the
    standard deviations. Units 1; -inf to 1; 1 is perfect. NaN where all predicted levels are equal.

    References
    ----------
    Kling et al. (2012), doi:10.1016/j.jhydrol.2012.01.011.
    """
    return pairs.moments


@whole_series(
    "KGE-np", "non-parametric Kling-Gupta; changes with the datum",
    units="1", perfect=1, larger_is_better=True, varying=True, datum_free=False,
)  # fmt: skip
def kgenp(o: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the non-parametric Kling-Gupta efficiency. It changes with the datum.

    As :func:`kge`, with Spearman's correlation, and ``1 - 0.5 sum(|sorted(p / sum(p)) -
    sorted(o / sum(o))|)`` in the place of the ratio of the standard deviations. Units 1; -inf to 1;
    1 is perfect. NaN where all predicted levels are equal. hydroeval gives equal levels different
    ranks, so that with ties the value depends a little on the order of the rows.

    References
    ----------
    Pool et al. (2018), doi:10.1080/02626667.2018.1552002.
    """
    return _hydroeval_kge(hydroeval.kgenp)(o, p)


@metric(
    "R2", "squared Pearson correlation; blind to bias",
    units="1", perfect=1, larger_is_better=True, varying=True,
    last=lambda *moments: Moments(*moments).correlation ** 2,
)  # fmt: skip
def r2(pairs: Pairs) -> tuple[np.ndarray, ...]:
    """Return the squared Pearson correlation, blind to bias and scale (closed form).

    Units 1; 0 to 1; 1 is perfect, and so is any straight line of the levels, a falling one too.
    NaN where all predicted levels are equal. Free of the datum.
    """
    return pairs.moments


@metric(
    "RMSE", "root mean squared error", larger_is_better=False, last=np.sqrt,
    library=_hydroeval(hydroeval.rmse),
)  # fmt: skip
def rmse(pairs: Pairs) -> np.ndarray:
    """Return the root mean squared error, ``sqrt(mean((p - o)^2))`` (closed form).

    Units m; 0 to inf; 0 is perfect. Free of the datum.

    Examples
    --------
    >>> rmse(observed=np.array([1.0, 2.0]), predicted=np.array([[2.0, 3.0], [1.0, 2.0]]))
    array([1., 0.])
    """
    return pairs.squared_error


@metric("MAE", "mean absolute error", larger_is_better=False)
def mae(pairs: Pairs) -> np.ndarray:
    """Return the mean absolute error, ``mean(|p - o|)`` (closed form).

    Units m; 0 to inf; 0 is perfect. Free of the datum.
    """
    return pairs.absolute_error


@metric("bias", "mean of predicted - observed")
def bias(pairs: Pairs) -> np.ndarray:
    """Return the mean of predicted - observed: positive where predictions are too high.

    ``mean(p - o)`` (closed form). Units m; -inf to inf; 0 is perfect. Free of the datum. The sign
    is the reverse of :func:`pbias`.

    Examples
    --------
    >>> bias(observed=np.array([1.0, 2.0]), predicted=np.array([1.5, 2.5]))
    0.5
    """
    return pairs.error


@whole_series("MAE low", "MAE in the lowest fifth of the levels", larger_is_better=False, fewest=5)
def mae_low(o: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the mean absolute error where the observed level is in its lowest fifth.

    ``mean(|p - o|)`` over the rows with ``o <= quantile(o, 0.2)`` of the scored rows. Units m; 0 to
    inf; 0 is perfect. Free of the datum. Needs five pairs.

    References
    ----------
    Collenteur et al. (2024), doi:10.5194/hess-28-5193-2024.
    """
    return np.asarray(np.abs(p - o)[:, o <= np.quantile(o, 0.2)].mean(axis=-1))


@whole_series(
    "MAE high", "MAE in the highest fifth of the levels", larger_is_better=False, fewest=5
)
def mae_high(o: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the mean absolute error where the observed level is in its highest fifth.

    ``mean(|p - o|)`` over the rows with ``o >= quantile(o, 0.8)`` of the scored rows. Units m; 0 to
    inf; 0 is perfect. Free of the datum. Needs five pairs.

    References
    ----------
    Collenteur et al. (2024), doi:10.5194/hess-28-5193-2024.
    """
    return np.asarray(np.abs(p - o)[:, o >= np.quantile(o, 0.8)].mean(axis=-1))


@whole_series(
    "PI", "efficiency against the level observed before",
    units="1", perfect=1, larger_is_better=True, varying=True, fewest=3,
)  # fmt: skip
def persistency_index(o: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the efficiency against the level observed before each one.

    ``1 - sum((p - o)^2) / sum((previous o - o)^2)``, over the observed levels in their own cadence,
    the first left out. Units 1; -inf to 1; 1 is perfect; below 0 a forecast that repeats the last
    level is better. Free of the datum. Needs three pairs; the order of the rows matters. Among
    forecasts of one lead time, the level before is that of the issue time before.

    References
    ----------
    Kitanidis and Bras (1980), doi:10.1029/WR016i006p01034.
    """
    error = np.sum((p[:, 1:] - o[1:]) ** 2, axis=-1)
    return np.asarray(1 - error / np.sum(np.diff(o) ** 2))


@metric(
    "MARE", "sum of errors / sum of levels; changes with the datum", units="1", datum_free=False,
    last=lambda error, *moments: error / Moments(*moments).mean,
    library=_hydroeval(hydroeval.mare),
)  # fmt: skip
def mare(pairs: Pairs) -> tuple[np.ndarray, ...]:
    """Return hydroeval's mean absolute relative error, ``sum(|p - o|) / sum(o)`` (closed form).

    Units 1; 0 is perfect; 0 to inf, but negative where the levels lie below the datum. It changes
    with the datum. NaN where the levels sum to 0.
    """
    return pairs.absolute_error, *pairs.moments


@metric(
    "PBIAS", "hydroeval's: 100 (observed - predicted) / observed; changes with the datum",
    units="%", datum_free=False,
    last=lambda error, *moments: -100 * error / Moments(*moments).mean,
    library=_hydroeval(hydroeval.pbias),
)  # fmt: skip
def pbias(pairs: Pairs) -> tuple[np.ndarray, ...]:
    """Return hydroeval's percent bias, of observed - predicted: positive where too low.

    ``100 sum(o - p) / sum(o)``. Units %; -inf to inf; 0 is perfect. It changes with the datum, and
    its sign is the reverse of :func:`bias`. NaN where the levels sum to 0.

    References
    ----------
    Gupta et al. (1999), doi:10.1061/(ASCE)1084-0699(1999)4:2(135).

    Examples
    --------
    >>> pbias(observed=np.array([1.0, 3.0]), predicted=np.array([1.0, 2.0]))
    25.0
    """
    return pairs.error, *pairs.moments
