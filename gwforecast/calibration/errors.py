"""How large the errors of a forecaster are: by season, level, lead time and length of record.

**Season and level.** The errors of a well vary through the year: recharge occurs in winter, snow
melts in spring, and high levels can be harder or easier to predict than low ones. The mean absolute
error is modelled as the exponential of a linear function of the day of the year and of the
predicted level (multiplicative heteroscedasticity: Harvey 1976, doi:10.2307/1913974; based on
absolute errors, which are less sensitive to outliers than squares: Davidian and Carroll 1987,
doi:10.1080/01621459.1987.10478543). A ridge penalty shrinks it towards a constant, more strongly
for shorter records.

**Length of record.** The errors used for intervals come from fits with less data than the final
fit: some left out a fold of the train period, others ended before a later period. The expected
squared error on new rows is 1 + p / n times that of the noise, where n independent rows determine p
parameters (final prediction error: Akaike 1969, doi:10.1007/BF02532251). Errors of levels persist
for weeks to years, so rows are not independent: the effective size of a record is its length
divided by the decorrelation time of the errors (Bayley and Hammersley 1946, doi:10.2307/2983560).
The longer errors persist, the more a fit improves with each additional year.

**Lead time.** Neighbouring lead times share their statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.sequences.split import FOLDS, Period, Split
from gwforecast.timeline import DAYS, day_of_year

__all__ = [
    "SHORTEST_YEARS", "ErrorSize", "decorrelation_time", "error_reduction", "independent_number",
    "pooled_quantile", "pooled_sum", "pooling_reach", "smoothed", "years_spanned",
]  # fmt: skip


LAGS = (0, *range(1, 8), *range(8, 16, 2), *range(16, 32, 4), *range(32, 64, 8),
        *range(64, 257, 16))  # fmt: skip
LEAST_CORRELATION = 0.1  # below it errors count as independent
NEIGHBOURS = 6  # a lead time is averaged with those within a sixth of it


def pooling_reach(count: np.ndarray, *, fewest: int) -> np.ndarray:
    """Return how many lead times on each side must be pooled to have enough errors.

    ``count`` is the number of errors, (well, lead_time), like the result, which is 0 where a lead
    time has ``fewest`` errors itself.

    Examples
    --------
    >>> pooling_reach(np.array([[10, 0, 10, 10]]), fewest=10)
    array([[0, 1, 0, 0]])
    """
    reach = np.zeros_like(count)
    for _ in range(count.shape[1]):
        few = pooled_sum(count, reach) < fewest
        if not few.any():
            break
        reach[few] += 1
    return reach


def pooled_sum(values: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Return sums of values (well, lead_time) over the lead times within reach."""
    total = np.pad(values.cumsum(axis=1), ((0, 0), (1, 0)))
    lead = np.arange(values.shape[1])
    stop = np.minimum(lead + reach + 1, lead.size)
    pooled = np.take_along_axis(total, stop, 1)
    pooled = pooled - np.take_along_axis(total, np.maximum(lead - reach, 0), 1)
    return np.where(reach > 0, pooled, values)


def pooled_quantile(
    ratio: np.ndarray, probability: float, *, count: np.ndarray, reach: np.ndarray
) -> np.ndarray:
    """Return a quantile over issue times, and over lead times within reach where there are few.

    ``ratio`` is (well, issue_time, lead_time), NaN where unknown; ``count`` of its known values,
    ``reach`` of :func:`pooling_reach` and the result are (well, lead_time), 0 without values.
    """
    found = _quantile(ratio, probability, count)
    for well, lead in np.argwhere(reach > 0):
        near = ratio[well, :, max(lead - reach[well, lead], 0) : lead + reach[well, lead] + 1]
        near = near[np.isfinite(near)]
        if near.size:
            found[well, lead] = np.quantile(near, probability)
    return found


def smoothed(values: np.ndarray, *, count: np.ndarray | None = None) -> np.ndarray:
    """Return means of values (well, lead_time, quantile) over neighbouring lead times.

    Lead times are ignored that have no value by ``count`` (well, lead_time), or are NaN.
    """
    known = np.isfinite(values[..., :1]) if count is None else count[..., None] > 0
    lead = np.arange(values.shape[1])
    reach = (lead + 1) // NEIGHBOURS
    first, stop = np.maximum(lead - reach, 0), np.minimum(lead + reach + 1, lead.size)
    total, number = (
        np.pad(part.cumsum(axis=1), ((0, 0), (1, 0), (0, 0)))
        for part in (np.where(known, values, 0.0), known.astype(float))
    )
    number = number[:, stop] - number[:, first]
    mean = (total[:, stop] - total[:, first]) / np.maximum(number, 1.0)
    return np.where(number > 0, mean, np.nan)


def independent_number(errors: np.ndarray, *, sizes: bool = False) -> np.ndarray:
    """Return to how many independent errors those of each lead time are equivalent, at least 1.

    Errors are (well, issue_time, lead_time), at regular issue times, NaN where unknown; the result
    is (well, lead_time). Their number is divided by the integral of their autocorrelation (Bayley
    and Hammersley 1946, doi:10.2307/2983560), which is estimated from their signs, whatever their
    distribution. Lead times share the mean of their neighbours.

    With ``sizes``, independent sizes of the errors are counted, whatever their signs: the
    autocorrelation of squares is the square of that of the errors, exactly for a normal
    distribution.

    Examples
    --------
    >>> errors = np.random.default_rng(0).normal(size=(1, 4000, 1))
    >>> independent_number(errors).round()
    array([[4000.]])
    >>> bool(independent_number(np.repeat(errors, 8, axis=1)) < 5000)
    True
    """
    known = np.isfinite(errors)
    side = np.where(known, np.sign(errors), 0.0)
    count = known.sum(axis=1)
    correlations = np.zeros((len(LAGS), *count.shape))
    correlations[0] = 1.0
    for number, lag in enumerate(LAGS[1:], start=1):
        if lag >= errors.shape[1]:
            break
        pairs = (known[:, lag:] & known[:, :-lag]).sum(axis=1)
        agreement = (side[:, lag:] * side[:, :-lag]).sum(axis=1) / np.maximum(pairs, 1)
        correlations[number] = np.sin(np.pi / 2 * agreement)  # exact for a normal distribution
    lasting = np.logical_and.accumulate(correlations > LEAST_CORRELATION, axis=0)
    correlations = np.where(lasting, correlations ** (2 if sizes else 1), 0.0)
    time = 2 * np.trapezoid(correlations, LAGS, axis=0)
    number = np.maximum(count / np.maximum(time, 1.0), 1.0)
    return np.asarray(smoothed(number[..., None], count=count)[..., 0])


def _quantile(ratio: np.ndarray, probability: float, count: np.ndarray) -> np.ndarray:
    """Return a quantile over the issue times, shape (well, lead_time); 0 without values."""
    ordered = np.sort(np.where(np.isfinite(ratio), ratio, np.inf), axis=1)
    rank = probability * np.maximum(count - 1, 0)
    low = np.floor(rank).astype(int)
    part = rank - low
    below, above = (
        np.take_along_axis(ordered, np.minimum(at, np.maximum(count - 1, 0))[:, None], axis=1)[:, 0]
        for at in (low, low + 1)
    )
    finite = np.isfinite(below) & np.isfinite(above)
    gap = np.where(finite, above, 0.0) - np.where(finite, below, 0.0)
    return np.asarray(np.where(finite, below, 0.0) + part * gap)


ERRORS_PER_YEAR = 4.0  # effective number of independent errors in a year
PRIOR_DEVIATION = 0.25  # of a coefficient, in units of the logarithm of the size
TERMS = 5
FARTHEST = 2.0  # standard deviations of the level beyond which the size is constant
STEPS = 100
TOLERANCE = 1e-8
SMALLEST = 1e-12


class ErrorSize:
    """The size of the errors of each well, relative to their mean.

    The constants were selected by the interval score in the years after the errors, for wells with
    daily and weekly levels.

    Attributes
    ----------
    coefficients_ : numpy.ndarray
        Shape (well, term): constant, sine and cosine of the year, level and squared level; zero for
        a well without errors.
    levels_ : numpy.ndarray
        Shape (well, 2): mean and standard deviation of the predicted levels, m.

    Examples
    --------
    >>> times = np.datetime64("2000-01-01", "us") + np.arange(7305) * np.timedelta64(1, "D")
    >>> level = np.sin(2 * np.pi * np.arange(times.size) / 500)[None]
    >>> errors = np.random.default_rng(0).normal(size=level.shape) * np.exp(0.4 * level)
    >>> size = ErrorSize().fit(errors, level, times, years=np.array([20.0]))
    >>> size.relative(np.array([[-1.0, 1.0]]), times[:2]).round(1)
    array([[0.7, 1.3]])
    """

    coefficients_: np.ndarray
    levels_: np.ndarray

    def fit(
        self, errors: np.ndarray, level: np.ndarray, times: np.ndarray, *, years: np.ndarray
    ) -> Self:
        """Estimate the dependence on season and level.

        Errors (observed - predicted, m or in other units of the well, NaN where nothing was
        observed) and predicted levels, m, have the shape (well, row), times (row,), and the years
        that the errors span (well,); the penalty is weaker for longer spans.
        """
        season = _season(times)
        self.coefficients_ = np.zeros((errors.shape[0], TERMS))
        self.levels_ = np.tile([0.0, 1.0], (errors.shape[0], 1))
        for well, known in enumerate(np.isfinite(errors)):
            if not known.any():
                continue
            seen = level[well, known]
            self.levels_[well] = seen.mean(), max(seen.std(), SMALLEST)
            terms = np.stack([*season[:, known], *_level_terms(seen, self.levels_[well])], axis=1)
            sizes = np.abs(errors[well, known])
            self.coefficients_[well] = _regress(
                terms,
                sizes / max(float(sizes.mean()), SMALLEST),
                effective=ERRORS_PER_YEAR * float(years[well]),
            )
        return self

    def relative(self, level: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the size of the errors in units of their mean; NaN where the level is."""
        season = _season(times)
        found = np.empty(level.shape)
        for well, (own, seen) in enumerate(zip(self.coefficients_, self.levels_, strict=True)):
            score, square = _level_terms(level[well], seen)
            found[well] = np.exp(own[:3] @ season + own[3] * score + own[4] * square)
        return found

    def of_wells(self, rows: Sequence[int]) -> Self:
        """Return the sizes for wells given by position; -1 stands for a well without errors."""
        some = type(self)()
        known = np.array(rows) >= 0
        some.coefficients_ = np.where(known[:, None], self.coefficients_[rows], 0.0)
        some.levels_ = self.levels_[rows]
        return some


def _season(times: np.ndarray) -> np.ndarray:
    """Return constant, sine and cosine of the year, shape (3, row)."""
    angle = 2 * np.pi * day_of_year(times) / DAYS
    return np.stack([np.ones(angle.shape), np.sin(angle), np.cos(angle)])


def _level_terms(level: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the standardised level, limited to a fixed range, and its square less 1.

    Without the limit an extreme level would make the interval arbitrarily wide.
    """
    mean, deviation = seen
    score = np.clip((level - mean) / deviation, -FARTHEST, FARTHEST)
    return score, score**2 - 1


def _regress(terms: np.ndarray, sizes: np.ndarray, *, effective: float) -> np.ndarray:
    """Return the coefficients of the logarithm of the mean size, by Newton's method.

    The loss is the negative log-likelihood of an exponential distribution, scaled to an effective
    number of errors, plus a ridge penalty. It is convex; a step that does not reduce it is halved.
    """
    rows, count = terms.shape
    weight, ridge = effective / rows, np.eye(count) / PRIOR_DEVIATION**2

    def loss(at: np.ndarray) -> float:
        logarithm = terms @ at
        misfit = np.sum(logarithm + sizes * np.exp(-logarithm))
        return float(weight * misfit + at @ ridge @ at / 2)

    found = np.zeros(count)
    reached = loss(found)
    for _ in range(STEPS):
        ratio = sizes * np.exp(-(terms @ found))
        slope = weight * terms.T @ (1 - ratio) + ridge @ found
        curvature = weight * (terms.T * ratio) @ terms + ridge
        step = np.linalg.solve(curvature, slope)
        while (after := loss(found - step)) > reached and np.abs(step).max() > TOLERANCE:
            step = step / 2
        if np.abs(step).max() <= TOLERANCE:
            break
        found, reached = found - step, after
    return found


SHORTEST_YEARS = 0.5
"""Lower limit on the number of years of errors wherever something is divided by it."""

PARAMETERS = 5.0  # of a fit, as a number of independent rows needed to determine them
LAG_DAYS = (0, 14, 28, 56, 84, 126, 182, 273, 364, 546, 728, 1092)  # days
LEAST = 0.2  # an autocorrelation below this, and all at longer lags, are taken as 0
FEWEST_PAIRS = 30
DAY = np.timedelta64(1, "D")
YEAR = 365.25  # days


def decorrelation_time(errors: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the integral of the autocorrelation of errors (well, row) over all lags, in years.

    Errors are NaN where unknown, and ``times`` (row,) have equal steps. The result (well,) is 0 for
    a well without errors.

    Examples
    --------
    >>> of_half_years = np.random.default_rng(0).normal(size=(1, 200))
    >>> errors = np.repeat(of_half_years, 182, axis=1)
    >>> days = np.datetime64("1900-01-01", "s") + np.arange(36_400) * np.timedelta64(1, "D")
    >>> decorrelation_time(errors, days).round(1)
    array([0.5])
    """
    step = (times[1] - times[0]) / DAY
    correlations = np.stack([_correlation(errors, round(lag / step)) for lag in LAG_DAYS], axis=1)
    lasting = np.logical_and.accumulate(correlations > LEAST, axis=1)
    time: np.ndarray = (
        2 * np.trapezoid(np.where(lasting, correlations, 0.0), LAG_DAYS, axis=1) / YEAR
    )
    return time


def error_reduction(errors: xr.DataArray, split: Split, periods: Sequence[Period]) -> xr.DataArray:
    """Return the expected ratio of the errors of a fit on all periods to the given errors.

    Errors (observed - predicted, m, dims (well, time)) are, in the train period, those by fits that
    left out the fold of the row, in later periods those by fits that ended before the period; NaN
    where unknown, and not used in other periods than those of the fit, which are in order.

    The ratio is at most 1, dims (well, time). It is 1 for a well without errors in the train
    period, because a forecaster that is not refitted without folds may not improve with additional
    years.
    """
    errors = errors.transpose(schema.WELL, schema.TIME)
    data = errors.to_dataset(name=schema.LEVEL)
    times = errors[schema.TIME].values
    lasting = decorrelation_time(split.levels(data, *periods).values, times)
    rows = {period: split.rows(data, period).values for period in periods}
    known = errors.notnull().values
    years = {period: years_spanned(times, rows[period] & known) for period in periods}
    smallest = _growth(lasting, sum(years.values(), np.zeros(lasting.size)))
    folded = years["train"] > 0
    factor = np.ones(errors.shape)
    before = np.zeros(lasting.size)
    for period in periods:
        seen = (1 - 1 / FOLDS) * years[period] if period == "train" else before
        relative = np.sqrt(smallest / _growth(lasting, seen))
        factor = np.where(rows[period] & folded[:, None], relative[:, None], factor)
        before = before + years[period]
    return errors.copy(data=factor).drop_attrs()


def years_spanned(times: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the years (well,) from the first to the last known error; 0 without errors.

    ``times`` are (...), and ``known`` says which errors are, (well, ...).

    Examples
    --------
    >>> times = np.array(["2000-01-01", "2001-01-01", "2002-01-01"], "datetime64[us]")
    >>> years_spanned(times, np.array([[True, False, True], [False, True, False]])).round(2)
    array([2., 0.])
    """
    spans = []
    for well in known:
        own = times[well]
        spans.append((own.max() - own.min()) / DAY if own.size else 0.0)
    return np.array(spans) / YEAR


def _growth(lasting: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Return the expected squared error in units of that of the noise, shape (well,)."""
    growth: np.ndarray = 1 + PARAMETERS * lasting / np.maximum(years, SHORTEST_YEARS)
    return growth


def _correlation(errors: np.ndarray, lag: int) -> np.ndarray:
    """Return the autocorrelation of the errors, shape (well,); 0 where there are few pairs."""
    pairs = errors[:, lag:] * errors[:, : max(errors.shape[1] - lag, 0)]
    known = np.isfinite(pairs)
    enough = known.sum(axis=1) >= FEWEST_PAIRS
    product = np.where(known, pairs, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    square = np.nansum(errors**2, axis=1) / np.maximum(np.isfinite(errors).sum(axis=1), 1)
    return np.where(enough, product / np.maximum(square, np.finfo(float).tiny), 0.0)
