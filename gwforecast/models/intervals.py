"""Calibrated prediction intervals for any forecaster, from its errors on rows it was not fitted on.

Split conformal prediction (Lei et al. 2018, doi:10.1080/01621459.2017.1307116) takes the quantiles
of past errors as the widths of future intervals. Its guarantee needs exchangeable errors; those of
a groundwater model are not: they last for months, so some years hold only a few independent ones,
and later years hold errors that they do not. So errors are taken from as many years as can be:
those of the validation period, and those of the train period by fits that have not seen them, each
year in its turn (cross-conformal prediction: Vovk 2015, doi:10.1007/s10472-013-9368-4; by members
that serve for both: Kim et al. 2020, arXiv:2002.09025). And the widths are enlarged by the number
of years that they were learnt from.

Errors are taken in units of a scale that grows with the spread of the members: where the networks
disagree the interval is wider.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.models.base import Forecaster
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Split

__all__ = ["QUANTILES", "SPREAD", "ConformalInterval", "simulate_held_out"]

QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""Quantiles of a calibrated prediction: the median, and the bounds of the 50, 80, 95 % interval."""

SPREAD = "spread"
"""Variable of a simulation: how far apart its members lie, m."""

SPREAD_WEIGHT = 2.0
ENLARGEMENT_YEARS = 2.0  # an interval learnt from n years is 1 + ENLARGEMENT_YEARS / n times wider
FEWEST_ERRORS = 10


class ConformalInterval:
    """Symmetric intervals around the median of the members.

    The two constants were chosen together, over wells with daily and weekly levels, so that the
    mean coverage of the 95 % interval in the years after the validation period is 95 %.

    Attributes
    ----------
    widths_ : xarray.DataArray
        Half widths in units of the scale, dims (well, quantile); NaN for a well with too few
        errors, whose intervals are NaN.
    error_ : xarray.DataArray
        Mean squared error of the rows, m2, dims (well,).

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
    array([-2.9,  2.9])
    """

    widths_: xr.DataArray
    error_: xr.DataArray

    def fit(self, simulation: xr.Dataset, observations: xr.Dataset, *, rows: xr.DataArray) -> Self:
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
            fit, none after the validation period.

        Raises
        ------
        SchemaError
            If simulation and observations do not have the same wells and times.
        """
        center, spread = _center_and_spread(simulation)
        observed = observations[schema.LEVEL]
        if not (center.indexes["time"].equals(observed.indexes["time"])
                and center.indexes["well"].equals(observed.indexes["well"])):  # fmt: skip
            raise SchemaError(
                "Intervals are learnt from a simulation and observations of the same wells and "
                f"times. Received {dict(center.sizes)} and {dict(observed.sizes)} that differ. "
                "Simulate with these observations."
            )
        errors = (observed - center).where(rows).values
        known = np.isfinite(errors)
        enough = known.sum(axis=1) >= FEWEST_ERRORS
        safe = np.where(enough[:, None], errors, np.nan)
        count = np.where(enough, known.sum(axis=1), 1)
        mean_square = np.where(enough, np.nansum(safe**2, axis=1) / count, np.nan)
        coords = {schema.WELL: observed[schema.WELL].values}
        self.error_ = xr.DataArray(mean_square, coords, (schema.WELL,))
        scaled = np.abs(safe) / _scale(self.error_, spread).values
        coverage = np.abs(2 * np.array(QUANTILES) - 1)
        widths = np.full((enough.size, len(QUANTILES)), np.nan)
        factor = 1 + ENLARGEMENT_YEARS / np.maximum(_years(observed, known), 0.5)
        for well in np.flatnonzero(enough):
            widths[well] = factor[well] * np.nanquantile(scaled[well], coverage)
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
        center, spread = _center_and_spread(simulation)
        wells = {schema.WELL: center[schema.WELL].values}
        scale = _scale(self.error_.reindex(wells), spread)
        level = center + scale.fillna(0.0) * self.widths_.reindex(wells).where(
            scale.notnull() | (self.widths_[schema.QUANTILE] == 0.5)
        )
        level = level.transpose(schema.WELL, schema.TIME, schema.QUANTILE)
        level.attrs = dict(simulation[schema.LEVEL].attrs)
        return level.to_dataset(name=schema.LEVEL)


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
        That of the forecaster, where it was made already.

    Returns
    -------
    xarray.Dataset
        ``level`` and ``spread`` of the members, (well, time), m; NaN for rows that were not held
        out, among them all after the validation period.
    """
    level = xr.full_like(observations[schema.LEVEL], np.nan, dtype=float).drop_attrs()
    spread = level
    for rows, part in forecaster.held_out(observations, split):
        made = simulation if part is forecaster else None
        center, apart = _center_and_spread(part.simulate(observations) if made is None else made)
        level, spread = level.where(~rows, center), spread.where(~rows, apart)
    return xr.Dataset({schema.LEVEL: level, SPREAD: spread})


def _center_and_spread(simulation: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    level = simulation[schema.LEVEL]
    if schema.MEMBER in level.dims:
        freedom = min(1, level.sizes[schema.MEMBER] - 1)
        return level.median(schema.MEMBER), level.std(schema.MEMBER, ddof=freedom)
    return level, simulation.get(SPREAD, xr.zeros_like(level))


def _scale(error: xr.DataArray, spread: xr.DataArray) -> xr.DataArray:
    # the floor keeps the scale of a perfect fit positive
    scale: xr.DataArray = np.sqrt(np.maximum(error, 1e-12) + (SPREAD_WEIGHT * spread) ** 2)
    return scale


def _years(observed: xr.DataArray, known: np.ndarray) -> np.ndarray:
    times = observed[schema.TIME].values
    span = [
        (times[row].max() - times[row].min()) / np.timedelta64(1, "D") if row.any() else 0.0
        for row in known
    ]
    return np.array(span) / 365.25
