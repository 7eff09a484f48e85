"""How far the climate has moved since a past year: trends of yearly means, where they stand out."""

from __future__ import annotations

import numpy as np

__all__ = ["TRENDING", "yearly_trends"]

FEWEST_YEARS = 10  # whole years, without which there is no trend

TRENDING = frozenset(
    {
        "temperature",
        "temperature_min",
        "temperature_max",
        "evapotranspiration",
        "humidity",
        "radiation",
        "wind",
        "pressure",
    }
)
"""Kinds of covariates that are moved. Rain is not: its trends are small beside its chance."""


def yearly_trends(values: np.ndarray, *, year: int) -> np.ndarray:
    """Return by how much each series changes from year to year, less the more uncertain that is.

    A line is fitted to the means of whole years, counted back from the last step (Livezey et al.
    2007, doi:10.1175/2007JAMC1666.1). Its slope is taken by the share ``1 - 1 / t**2``, at least 0,
    where ``t`` is the slope in units of its standard error: the empirical Bayes estimate of one
    that is as likely to be up as down (Efron and Morris 1973, doi:10.1080/01621459.1973.10481350).

    Parameters
    ----------
    values : numpy.ndarray
        Shape (..., time), the last step being the newest. A year with a NaN does not count.
    year : int
        Steps of a year.

    Returns
    -------
    numpy.ndarray
        Shape (...,), in units of the values; 0 where fewer than ten years are whole.

    Examples
    --------
    >>> warming = 9.0 + 0.03 * np.arange(20 * 365) / 365
    >>> yearly_trends(np.stack([warming, np.zeros(20 * 365)]), year=365).round(6)
    array([0.03, 0.  ])
    """
    count = values.shape[-1] // year
    whole = values[..., values.shape[-1] - count * year :]
    means = whole.reshape(*values.shape[:-1], count, year).mean(axis=-1)
    known = np.isfinite(means)
    years = known.sum(axis=-1)
    at = np.where(known, np.arange(float(count)), 0.0)
    means = np.where(known, means, 0.0)
    share = np.where(known, 1 / np.maximum(years, 1)[..., None], 0.0)
    at = np.where(known, at - (at * share).sum(axis=-1, keepdims=True), 0.0)
    means = np.where(known, means - (means * share).sum(axis=-1, keepdims=True), 0.0)
    spread = np.maximum((at**2).sum(axis=-1), 1.0)
    slope = (at * means).sum(axis=-1) / spread
    left = ((means - slope[..., None] * at) ** 2).sum(axis=-1)
    variance = left / np.maximum(years - 2, 1) / spread
    certain = (years >= FEWEST_YEARS) & (slope**2 > variance)
    return np.where(certain, slope - variance / np.where(certain, slope, 1.0), 0.0)
