"""How the errors of a fit shrink with the years that it has seen.

Errors that intervals are learnt from were made by fits that had seen less than the one that
predicts: folds were left out of some, later periods of others. The expected square of an error on
new rows is 1 + p / n times that of the noise, where n independent rows determine p parameters
(final prediction error: Akaike 1969, doi:10.1007/BF02532251). Errors of levels last for weeks to
years, so rows are not independent: a record is worth its years over the decorrelation time of the
errors (Bayley and Hammersley 1946, doi:10.2307/2983560). The longer errors last, the more a fit
gains from a year.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.sequences.folds import FOLDS
from gwforecast.sequences.split import Period, Split

__all__ = ["SHORTEST_YEARS", "decorrelation_time", "error_reduction"]

SHORTEST_YEARS = 0.5
"""Fewer years of errors than these are taken for as many: what is divided by them has a bound."""

PARAMETERS = 5.0  # of a fit, as many as independent rows would have to determine
LAGS = (0, 14, 28, 56, 84, 126, 182, 273, 364, 546, 728, 1092)  # days
LEAST = 0.2  # an autocorrelation below this is none, nor are later ones
FEWEST_PAIRS = 30
DAY = np.timedelta64(1, "D")
YEAR = 365.25  # days


def decorrelation_time(errors: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return how long errors last: the integral of their autocorrelation over all lags, in years.

    Parameters
    ----------
    errors : numpy.ndarray
        Observed - predicted, m, shape (well, row); NaN where nothing was observed.
    times : numpy.ndarray
        Shape (row,), ``datetime64`` of equal steps.

    Returns
    -------
    numpy.ndarray
        Shape (well,); 0 for a well without errors.

    Examples
    --------
    >>> of_half_years = np.random.default_rng(0).normal(size=(1, 200))
    >>> errors = np.repeat(of_half_years, 182, axis=1)
    >>> days = np.datetime64("1900-01-01", "s") + np.arange(36_400) * np.timedelta64(1, "D")
    >>> decorrelation_time(errors, days).round(1)
    array([0.5])
    """
    step = (times[1] - times[0]) / DAY
    correlations = np.stack([_correlation(errors, round(lag / step)) for lag in LAGS], axis=1)
    lasting = np.logical_and.accumulate(correlations > LEAST, axis=1)
    time: np.ndarray = 2 * np.trapezoid(np.where(lasting, correlations, 0.0), LAGS, axis=1) / YEAR
    return time


def error_reduction(errors: xr.DataArray, split: Split, periods: Sequence[Period]) -> xr.DataArray:
    """Return by what factor the errors of a fit to all of some periods are smaller than known ones.

    Parameters
    ----------
    errors : xarray.DataArray
        Observed - predicted, m, dims (well, time): in the train period by fits that left out a
        fold, in later ones by fits through the period before; NaN where there is none.
    split : Split
        The periods of each well.
    periods : sequence of str
        Those that the fit has seen, in their order; no error of others is read.

    Returns
    -------
    xarray.DataArray
        At most 1, dims (well, time). It is 1 for a well without errors in the train period: what
        leaves no folds out need not learn from years.
    """
    errors = errors.transpose(schema.WELL, schema.TIME)
    data = errors.to_dataset(name=schema.LEVEL)
    times = errors[schema.TIME].values
    lasting = decorrelation_time(split.levels(data, *periods).values, times)
    rows = {period: split.rows(data, period).values for period in periods}
    years = {period: _years(rows[period] & errors.notnull().values, times) for period in periods}
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


def _growth(lasting: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Return the expected square of an error in units of that of the noise, shape (well,)."""
    growth: np.ndarray = 1 + PARAMETERS * lasting / np.maximum(years, SHORTEST_YEARS)
    return growth


def _years(known: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the years from the first to the last error of each well, shape (well,)."""
    first, last = known.argmax(axis=1), known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.where(known.any(axis=1), (times[last] - times[first]) / DAY / YEAR, 0.0)


def _correlation(errors: np.ndarray, lag: int) -> np.ndarray:
    """Return the autocorrelation of the errors of each well, (well,); 0 where few tell of it."""
    pairs = errors[:, lag:] * errors[:, : max(errors.shape[1] - lag, 0)]
    known = np.isfinite(pairs)
    enough = known.sum(axis=1) >= FEWEST_PAIRS
    product = np.where(known, pairs, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    square = np.nansum(errors**2, axis=1) / np.maximum(np.isfinite(errors).sum(axis=1), 1)
    return np.where(enough, product / np.maximum(square, np.finfo(float).tiny), 0.0)
