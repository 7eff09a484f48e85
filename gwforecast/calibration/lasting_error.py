"""The part of the error of a simulation that lasts for years, and is expected to go on.

Where pumping changes, a river cuts deeper or a logger is moved, the levels of a well depart from
all that the weather explains, for years. A simulation of the years to come does better if it
starts from the last errors on levels that the models had not seen. How far they may be trusted
differs from well to well: at most wells errors are forgotten within months, at some they stay.

Quarterly mean errors of a well are taken as a Gaussian process, the sum of one that lasts for years
and one that lasts for months, both with exponential correlation, and noise (Rasmussen and Williams
2006, ISBN 0-262-18253-X, chapters 2 and 4). The variance is integrated out, and the expected errors
are averaged over the times and the share of the lasting part with their probabilities given the
errors of the well, so that nothing is carried on where nothing shows that errors last. The same
average says how large the errors will be: small soon after the last known one, where errors last,
and larger than those between known years in the years to come.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.processes import count_processes, map_in_processes, one_blas_thread

__all__ = ["lasting_error"]


LASTING_YEARS = (8.0, 16.0, 32.0)  # times of correlation, equally probable beforehand
PASSING_YEARS = (0.1, 0.3, 1.0)
SHARES = (0.0, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Shares of the variance that last; none is as probable beforehand as some."""
NOISE = 0.1  # share of the remaining variance, in a quarter with the usual number of errors
BINS_PER_YEAR = 4
FEWEST_BINS = 4
WELLS_PER_PROCESS = 20  # starting a process takes as long as the lasting errors of a few wells


def lasting_error(errors: xr.DataArray, *, workers: int | None = None) -> xr.Dataset:
    """Return the error that is expected after the last known one, and how large errors will be.

    The errors, observed less simulated levels, (well, time), m, are of rows that the simulation was
    not fitted on; NaN elsewhere. The result has the same dims. ``expected``: m, 0 up to the last
    known error of a well. ``deviation`` and ``size``: the root mean square of the errors around it,
    and around 0, relative to that of the known errors around 0; 1 up to the last known error. They
    are 0, 1 and 1 at wells whose errors are known in fewer than four quarters of a year. Many wells
    are divided among at most ``workers`` processes, by default as many as there are cores.

    Examples
    --------
    Errors that have lasted for six years are carried on; those of white noise are not.

    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-03", periods=700, freq="7D")
    >>> noise = np.random.default_rng(0).normal(size=time.size)
    >>> shift = np.where(time.year < 2004, -1.0, 1.0)
    >>> both = np.stack([shift + 0.1 * noise, noise])
    >>> known = xr.DataArray(both, {"well": ["a", "b"], "time": time}, ("well", "time"))
    >>> found = lasting_error(known.where(known["time"] < pd.Timestamp("2010-01-01")))
    >>> found["expected"].sel(time="2011-01-03").values.round(1) + 0.0
    array([0.9, 0. ])
    >>> found["deviation"].sel(time="2011-01-03").values.round(1)
    array([0.6, 1. ])
    """
    by_well = errors.transpose(schema.WELL, schema.TIME)
    times = by_well[schema.TIME].values
    days = (times - times[0]) / np.timedelta64(1, "D")
    bins = (days / timeline.YEAR * BINS_PER_YEAR).astype(int)
    number = count_processes(len(by_well), least=WELLS_PER_PROCESS, most=workers)
    shares = np.array_split(by_well.values, number)
    parts = map_in_processes(lambda share: _lasting(share, bins), shares)
    found = np.concatenate(parts, axis=1)
    names = ("expected", "deviation", "size")
    each = {name: by_well.copy(data=one) for name, one in zip(names, found, strict=True)}
    return xr.Dataset(each).transpose(*errors.dims).drop_attrs()


def _lasting(errors: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Return what :func:`lasting_error` does, (3, well, time), from errors (well, time)."""
    found = np.stack([np.zeros(errors.shape), *np.ones((2, *errors.shape))])
    for number, own in enumerate(errors):
        known = np.isfinite(own)
        if np.unique(bins[known]).size < FEWEST_BINS:
            continue
        after = np.arange(own.size) > np.flatnonzero(known)[-1]
        if after.any() and own[known].any():
            with one_blas_thread():
                found[:, number, after] = _ahead(own[known], bins[known], bins[after])
    return found


def _ahead(errors: np.ndarray, bins: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return what :func:`lasting_error` does, (3, row), from errors and the bin of each."""
    from scipy.linalg import cholesky, solve_triangular  # slow to load, and not for forecasts

    given, position, count = np.unique(bins, return_inverse=True, return_counts=True)
    mean = np.bincount(position, errors) / count
    targets, back = np.unique(wanted, return_inverse=True)
    apart = np.abs(given[:, None] - given) / BINS_PER_YEAR
    ahead = np.abs(targets[:, None] - given) / BINS_PER_YEAR
    noise = NOISE * np.median(count) / count
    evidence, centers, variances = [], [], []
    for passing, lasting, share in product(PASSING_YEARS, LASTING_YEARS, SHARES):
        rest = (1 - share) * (1 - NOISE)
        covariance = share * np.exp(-apart / lasting) + rest * np.exp(-apart / passing)
        covariance[np.diag_indices_from(covariance)] += (1 - share) * noise
        factor = cholesky(covariance, lower=True)
        whitened = solve_triangular(factor, mean, lower=True)
        squares = float(whitened @ whitened)
        before = 0.0 if share else np.log(len(SHARES) - 1)
        likelihood = -np.log(np.diag(factor)).sum() - mean.size / 2 * np.log(squares)
        evidence.append(before + likelihood)
        cross = share * np.exp(-ahead / lasting) + rest * np.exp(-ahead / passing)
        known = solve_triangular(factor, cross.T, lower=True)
        centers.append(whitened @ known)
        variances.append(squares / mean.size * (1.0 - np.square(known).sum(axis=0)))
    probability = np.exp(np.array(evidence) - max(evidence))
    probability /= probability.sum()
    expected: np.ndarray = probability @ np.array(centers)
    between = np.square(np.array(centers) - expected)
    variance = probability @ (np.array(variances) + between)
    within = float(np.square(errors - mean[position]).mean())  # a quarter of a year
    known_size = np.sqrt(np.square(errors).mean())
    deviation = np.sqrt(variance + within) / known_size
    size = np.sqrt(variance + within + np.square(expected)) / known_size
    return np.stack([expected, deviation, size])[:, back]
