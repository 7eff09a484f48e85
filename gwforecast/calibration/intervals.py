"""Calibrated prediction intervals for any forecaster, from its errors on rows it was not fitted on.

Split conformal prediction (Lei et al. 2018, doi:10.1080/01621459.2017.1307116) takes the quantiles
of past errors as the widths of future intervals. Its guarantee needs exchangeable errors; those of
a groundwater model are not: they last for months, so some years hold only a few independent ones,
and later years hold errors that they do not. So errors are taken from as many years as can be:
those of the validation period, and those of the train period by fits that have not seen them, each
year in its turn (cross-conformal prediction: Vovk 2015, doi:10.1007/s10472-013-9368-4; by members
that serve for both: Kim et al. 2020, arXiv:2002.09025). Wells and climates change, so recent errors
count more (Barber et al. 2023, doi:10.1214/23-AOS2276). Errors of fits that have seen less than the
one that predicts are larger, and are scaled down (:mod:`gwforecast.calibration.errors`). And the
widths are enlarged, the more the fewer the years that they were learnt from, as quantiles of
Student's t are beside those of a normal distribution: by more, the farther they lie out.

Errors are taken in units of a scale that grows with the spread of the members, and with how large
errors are in the season and at the level (Lei et al. 2018, section 5.2): where the networks
disagree, or have been wrong before, the interval is wider.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.errors import SHORTEST_YEARS, ErrorSize
from gwforecast.models.base import Forecaster
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Split

__all__ = [
    "OF_NORMAL",
    "QUANTILES",
    "SPREAD",
    "ConformalInterval",
    "center_and_spread",
    "simulate_held_out",
]


QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""Quantiles of a calibrated prediction: the median, and the bounds of the 50, 80, 95 % interval."""

OF_NORMAL = np.array([NormalDist().inv_cdf(q) for q in QUANTILES])
"""These quantiles of a standard normal distribution."""

SPREAD = "spread"
"""Variable of a simulation: how far apart its members lie, m."""

ENLARGEMENT_YEARS = 1.0  # a 95 % interval from n years is 1 + ENLARGEMENT_YEARS / n times wider
HALF_LIFE_YEARS = 10.0  # an error of so many years ago counts half
FEWEST_ERRORS = 10
SMALLEST = 1e-12  # m2, which keeps the scale of a perfect fit positive

# first term of Student's t (Fisher and Cornish 1960, doi:10.1080/00401706.1960.10489895)
_ENLARGEMENT = ENLARGEMENT_YEARS * (OF_NORMAL**2 + 1) / (OF_NORMAL.max() ** 2 + 1)


class ConformalInterval:
    """Symmetric intervals around the median of the members.

    The constants were chosen together, over wells with daily and weekly levels, by coverage and
    interval score in years after the validation period.

    Attributes
    ----------
    widths_ : xarray.DataArray
        Half widths in units of the scale, dims (well, quantile); NaN for a well with too few
        errors, whose intervals are NaN.
    error_ : xarray.DataArray
        Mean squared error of the rows, recent ones counting more, m2, dims (well,).
    sizes_ : ErrorSize
        How large errors are by season and level.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-01", periods=1461)
    >>> level = xr.DataArray(
    ...     np.random.default_rng(0).normal(size=(1, time.size)),
    ...     {"well": ["a"], "time": time}, ("well", "time"),
    ... )
    >>> simulation = xr.zeros_like(level).to_dataset(name="level")
    >>> rows = xr.ones_like(level, dtype=bool)
    >>> interval = ConformalInterval().fit(simulation, level.to_dataset(name="level"), rows=rows)
    >>> interval.apply(simulation)["level"].sel(quantile=[0.025, 0.975]).values[0, 0].round(1)
    array([-2.4,  2.4])
    """

    widths_: xr.DataArray
    error_: xr.DataArray
    sizes_: ErrorSize

    def fit(
        self,
        simulation: xr.Dataset,
        observations: xr.Dataset,
        *,
        rows: xr.DataArray,
        reduction: xr.DataArray | None = None,
    ) -> Self:
        """Learn the widths from the errors of some rows.

        Parameters
        ----------
        simulation : xarray.Dataset
            ``level`` (well, time) or (well, time, member), m, of a forecaster that was not fitted
            on these rows; without members, ``spread`` (well, time), m, may tell of them.
        observations : xarray.Dataset
            ``level`` (well, time), m; NaN where nothing was observed.
        rows : xarray.DataArray
            Which rows to learn from, boolean, dims (well, time): those that were held out of the
            fit, none of those whose intervals are to be honest.
        reduction : xarray.DataArray, optional
            By what factor errors to come are smaller than those of each row, dims (well, time), as
            of :func:`gwforecast.calibration.errors.error_reduction`; 1 by default.

        Raises
        ------
        SchemaError
            If simulation and observations do not have the same wells and times.
        """
        given = center_and_spread(simulation)
        center, spread = given[schema.LEVEL], given[SPREAD]
        observed = observations[schema.LEVEL]
        if not (center.indexes["time"].equals(observed.indexes["time"])
                and center.indexes["well"].equals(observed.indexes["well"])):  # fmt: skip
            raise SchemaError(
                "Intervals are learnt from a simulation and observations of the same wells and "
                f"times. Received {dict(center.sizes)} and {dict(observed.sizes)} that differ. "
                "Simulate with these observations."
            )
        factor = xr.ones_like(center) if reduction is None else reduction
        errors = (factor * (observed - center)).where(rows).values
        known = np.isfinite(errors)
        enough = known.sum(axis=1) >= FEWEST_ERRORS
        known &= enough[:, None]
        errors = np.where(known, errors, np.nan)
        times = observed[schema.TIME].values
        weights, years = _weights(times, known)
        coords = {schema.WELL: observed[schema.WELL].values}
        mean_square = np.nansum(weights * errors**2, axis=1) / np.maximum(weights.sum(axis=1), 1.0)
        self.error_ = xr.DataArray(mean_square, coords, (schema.WELL,)).where(enough)
        self.sizes_ = ErrorSize().fit(errors, center.values, times, years=years)
        scaled = np.abs(errors) / self._scale(center, factor * spread).values
        widths = _half_widths(scaled, known, weights, years)
        signs = np.sign(np.array(QUANTILES) - 0.5)
        self.widths_ = xr.DataArray(
            np.where(signs == 0, 0.0, widths * signs),
            {**coords, schema.QUANTILE: list(QUANTILES)},
            (schema.WELL, schema.QUANTILE),
        )
        return self

    def apply(self, simulation: xr.Dataset) -> xr.Dataset:
        """Return a simulation with quantiles in the place of its members.

        Parameters
        ----------
        simulation : xarray.Dataset
            As in :meth:`fit`.

        Returns
        -------
        xarray.Dataset
            ``level`` (well, time, quantile), m. The quantile 0.5 is the median of the members; the
            others are NaN for a well with too few errors.
        """
        given = center_and_spread(simulation)
        center, spread = given[schema.LEVEL], given[SPREAD]
        wells = {schema.WELL: center[schema.WELL].values}
        scale = self._scale(center, spread)
        level = center + scale.fillna(0.0) * self.widths_.reindex(wells).where(
            scale.notnull() | (self.widths_[schema.QUANTILE] == 0.5)
        )
        level = level.transpose(schema.WELL, schema.TIME, schema.QUANTILE)
        level.attrs = dict(simulation[schema.LEVEL].attrs)
        return level.to_dataset(name=schema.LEVEL)

    def _scale(self, center: xr.DataArray, spread: xr.DataArray) -> xr.DataArray:
        """Return what errors are told in units of, (well, time), m."""
        wells = center.indexes[schema.WELL]
        sizes = self.sizes_.of_wells(self.error_.indexes[schema.WELL].get_indexer(wells))
        relative = center.copy(data=sizes.relative(center.values, center[schema.TIME].values))
        error = np.maximum(self.error_.reindex({schema.WELL: wells}), SMALLEST)
        scale: xr.DataArray = np.sqrt(error * relative**2 + spread**2)
        return scale


def simulate_held_out(
    forecaster: Forecaster,
    observations: xr.Dataset,
    *,
    split: Split,
    simulation: xr.Dataset | None = None,
) -> xr.Dataset:
    """Return the levels of rows that a forecaster was not fitted on.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted on the train period.
    observations : xarray.Dataset
        Dimensions (well, time), of the fit.
    split : Split
        The periods of the fit.
    simulation : xarray.Dataset, optional
        That of the forecaster, where it was made already, or its :func:`center_and_spread`.

    Returns
    -------
    xarray.Dataset
        ``level`` and ``spread`` of the members, (well, time), m; NaN for rows that were not held
        out, among them all after the validation period.
    """
    nothing = xr.full_like(observations[schema.LEVEL], np.nan, dtype=float).drop_attrs()
    unseen = xr.Dataset({schema.LEVEL: nothing, SPREAD: nothing})
    for rows, part in forecaster.held_out(observations, split):
        made = simulation if part is forecaster else None
        made = part.simulate(observations) if made is None else made
        unseen = unseen.where(~rows, center_and_spread(made))
    return unseen


def center_and_spread(simulation: xr.Dataset) -> xr.Dataset:
    """Return the median of the members, and their standard deviation.

    Parameters
    ----------
    simulation : xarray.Dataset
        As of :meth:`ConformalInterval.fit`.

    Returns
    -------
    xarray.Dataset
        ``level`` and ``spread`` (well, time), m; the spread is 0 where nothing tells of it.
    """
    level = simulation[schema.LEVEL].transpose(schema.WELL, schema.TIME, ...)
    if schema.MEMBER in level.dims:
        freedom = min(1, level.sizes[schema.MEMBER] - 1)
        spread = level.std(schema.MEMBER, ddof=freedom)
        level = level.median(schema.MEMBER, keep_attrs=True)
    else:
        spread = simulation.get(SPREAD, xr.zeros_like(level))
    return xr.Dataset({schema.LEVEL: level, SPREAD: spread})


def _half_widths(
    scaled: np.ndarray, known: np.ndarray, weights: np.ndarray, years: np.ndarray
) -> np.ndarray:
    """Return the weighted quantiles of absolute errors, enlarged; (well, quantile), NaN if none."""
    coverage = np.abs(2 * np.array(QUANTILES) - 1)
    widths = np.full((known.shape[0], len(QUANTILES)), np.nan)
    for well in np.flatnonzero(known.any(axis=1)):
        own = known[well]
        widths[well] = np.quantile(
            scaled[well, own], coverage, weights=weights[well, own], method="inverted_cdf"
        )
    enlarged: np.ndarray = widths * (1 + _ENLARGEMENT / np.maximum(years, SHORTEST_YEARS)[:, None])
    return enlarged


def _weights(times: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how much each error counts, at most 1, and how many years they are worth.

    Parameters
    ----------
    times : numpy.ndarray
        Shape (row,), ``datetime64``.
    known : numpy.ndarray
        Which errors there are, boolean, shape (well, row).

    Returns
    -------
    tuple of numpy.ndarray
        Shapes (well, row), 0 where there is no error, and (well,): the years that the errors span,
        fewer as some count less (effective sample size: Kish 1965).
    """
    age = (times.max() - times) / np.timedelta64(1, "D") / 365.25
    weights, years = np.zeros(known.shape), np.zeros(known.shape[0])
    for well in np.flatnonzero(known.any(axis=1)):
        own = age[known[well]]
        part = 0.5 ** ((own - own.min()) / HALF_LIFE_YEARS)
        weights[well, known[well]] = part
        years[well] = np.ptp(own) * part.sum() ** 2 / np.sum(part**2) / own.size
    return weights, years
