"""Folds of the train period: years that a fit leaves out, so that its errors there are honest."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.sequences.split import Split

__all__ = ["FOLDS", "train_folds", "without_folds"]

FOLDS = 5


def train_folds(observations: xr.Dataset, split: Split, *, folds: int = FOLDS) -> xr.DataArray:
    """Return which fold of the train period each row lies in.

    Folds follow each other in time and have equally many levels of a well: errors of neighbouring
    steps are alike, so that rows drawn at random would tell of each other (Roberts et al. 2017,
    doi:10.1111/ecog.02881).

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time); levels after the train period are not read.
    split : Split
        The periods of each well.
    folds : int
        Number of folds.

    Returns
    -------
    xarray.DataArray
        Number of the fold from 0, int, dims (well, time); -1 outside the train period. The
        attribute ``folds`` is their number.

    Examples
    --------
    >>> import pandas as pd
    >>> from gwforecast.sequences.split import split_by_fraction
    >>> times = pd.date_range("2020-01-01", periods=10)
    >>> record = xr.Dataset(
    ...     {"level": (("well", "time"), np.arange(10.0)[None])}, {"well": ["a"], "time": times}
    ... )
    >>> train_folds(record, split_by_fraction(record), folds=3).values
    array([[ 0,  0,  1,  1,  2,  2, -1, -1, -1, -1]])
    """
    rows = split.rows(observations, "train")
    level = observations[schema.LEVEL].transpose(*rows.dims)
    known = level.notnull().values & rows.values
    before = np.maximum(known.cumsum(axis=1) - 1, 0)
    of_all = np.maximum(known.sum(axis=1, keepdims=True), 1)
    fold = rows.copy(data=np.where(rows.values, before * folds // of_all, -1)).rename("fold")
    return fold.assign_attrs(folds=folds)


def without_folds(targets: np.ndarray, fold: xr.DataArray) -> np.ndarray:
    """Return targets without those of each fold in turn.

    Parameters
    ----------
    targets : numpy.ndarray
        Shape (well, time), NaN where there is none.
    fold : xarray.DataArray
        As of :func:`train_folds`.

    Returns
    -------
    numpy.ndarray
        Shape (well * fold, time), the rows of a well behind each other. A well whose targets all
        lie in one fold keeps them.
    """
    left_out = fold.values[:, None] == np.arange(fold.attrs["folds"])[:, None]
    kept = np.where(left_out, np.nan, targets[:, None])
    alone = ~np.isfinite(kept).any(axis=2, keepdims=True)
    kept = np.where(alone, targets[:, None], kept).astype(targets.dtype)
    return np.asarray(kept.reshape(-1, targets.shape[1]))
