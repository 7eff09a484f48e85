"""Weather of past years as an ensemble of future weather, adjusted for trends in the climate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.forcings.base import Forcing, times_after
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import known_at

__all__ = ["TRENDING", "ClimatologyWeather", "yearly_trends"]

FEWEST_YEARS_OF_TREND = 10  # complete years needed to estimate a trend

TRENDING = ("temperature", "temperature_min", "temperature_max", "evapotranspiration", "humidity",
            "radiation", "wind", "pressure")  # fmt: skip
"""Kinds of covariates with a trend. Trends in rain are small compared with its variability."""


def yearly_trends(values: np.ndarray, *, year: int) -> np.ndarray:
    """Return the trend of each series per year, shrunk towards 0 by its uncertainty.

    A line is fitted to the means of complete years, counted back from the last step (Livezey et al.
    2007, doi:10.1175/2007JAMC1666.1). Its slope is multiplied by ``1 - 1 / t**2``, at least 0,
    where ``t`` is the ratio of the slope to its standard error: the empirical Bayes estimate for a
    prior mean of 0 (Efron and Morris 1973, doi:10.1080/01621459.1973.10481350).

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
    certain = (years >= FEWEST_YEARS_OF_TREND) & (slope**2 > variance)
    return np.where(certain, slope - variance / np.where(certain, slope, 1.0), 0.0)


FEWEST_YEARS = 5


@dataclass(frozen=True)
class ClimatologyWeather(Forcing):
    """The weather after the same day of each past year, as one ensemble member per year.

    This is ensemble streamflow prediction (Day 1985, doi:10.1061/(ASCE)0733-9496(1985)111:2(157)).
    A past year is used if all its steps lie at or before the issue time.

    The climate and the stations of a past year differ from those at the issue time. Each member is
    therefore adjusted by the trend of its covariate since then, see :func:`yearly_trends`, and
    limited to the observed range. Rain, and covariates other than weather, are not adjusted.

    Parameters
    ----------
    years : int, optional
        Largest number of years, of which the most recent are used; by default all.
    fewest : int
        Smallest number of years.
    trend : bool
        Adjust the weather of past years to the climate of the issue time.
    """

    years: int | None = None
    fewest: int = FEWEST_YEARS
    trend: bool = True
    origin = "climatology"

    def futures(
        self,
        observations: xr.Dataset,
        *,
        issue_time: np.datetime64,
        horizon: int,
        covariates: Sequence[str],
    ) -> xr.Dataset:
        """Return the covariates of each complete past year as one member.

        Years with a gap are left out, and listed in the attribute ``left_out``.
        """
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        past = known_at(observations, issue_time)
        times = timeline.to_times(past[schema.TIME].values)
        issued = times.size - 1
        starts, names = _same_days(times, times[issued], frequency)
        before = starts + horizon <= issued
        starts, names = starts[before], names[before]
        positions = starts[:, None] + np.arange(1, horizon + 1)
        known = {name: past[name].transpose(schema.WELL, schema.TIME).values for name in covariates}
        found = {name: values[:, positions] for name, values in known.items()}
        # years with a gap at any well are left out for all, to keep their weather consistent
        whole = [np.isfinite(values).all(axis=(0, 2)) for values in found.values()]
        sound = np.logical_and.reduce([np.ones(len(starts), bool), *whole])
        kept = np.flatnonzero(sound)[-self.years if self.years else None :]
        members = names[kept]
        if covariates:
            self._check_years(kept.size, horizon=horizon, issue_time=times[issued])
        else:  # a forecast from levels alone needs no weather
            members = np.array(["none"], dtype=object)
        coords = {
            schema.WELL: observations[schema.WELL].values,
            schema.FORCING_MEMBER: members,
            schema.TIME: times_after(observations, times[issued], horizon),
        }
        futures = xr.Dataset(
            {n: (tuple(coords), v[:, kept], observations[n].attrs) for n, v in found.items()},
            coords,
            {"left_out": [str(name) for name in names[~sound]]},
        )
        year = round(timeline.steps_per_year(frequency))
        ago = (issued - starts[kept]) / year
        return _as_today(futures, known, ago=ago, year=year) if self.trend else futures

    def _check_years(self, years: int, *, horizon: int, issue_time: np.datetime64) -> None:
        if years < self.fewest:
            raise SchemaError(
                f"Climatological weather needs at least {self.fewest} past years with weather for "
                f"{horizon} steps. Received {years} before {timeline.format_time(issue_time)}. "
                "Provide a longer record of the weather, shorten the horizon, or allow fewer years "
                "with ClimatologyWeather(fewest=...)."
            )


def _as_today(
    futures: xr.Dataset, known: Mapping[str, np.ndarray], *, ago: np.ndarray, year: int
) -> xr.Dataset:
    """Return the weather of past years, adjusted by its trend since then."""
    moved = {}
    for name, values in known.items():
        if schema.covariate_kind(name, futures[name].attrs) not in TRENDING:
            continue
        by = yearly_trends(values, year=year)[:, None, None] * ago[:, None]
        low, high = (f(values, axis=1)[:, None, None] for f in (np.nanmin, np.nanmax))
        moved[name] = futures[name].copy(
            deep=False, data=np.clip(futures[name].values + by, low, high)
        )
    return futures.assign(moved)


def _same_days(
    times: np.ndarray, issue_time: np.datetime64, frequency: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions nearest to the same date in each past year, and the years."""
    stamp = pd.Timestamp(issue_time)
    first = pd.Timestamp(times[0]).year
    positions, names = [], []
    for year in range(first, stamp.year):
        # 29 February becomes 28 February
        day = stamp.day if stamp.month != 2 or stamp.day != 29 else 28
        if frequency == "ME":
            same = np.datetime64(pd.Timestamp(year, stamp.month, 1) + pd.offsets.MonthEnd(0), "us")
        else:
            same = np.datetime64(stamp.replace(year=year, day=day), "us")
        after = int(np.searchsorted(times, same))
        near = [i for i in (after - 1, after) if 0 <= i < times.size]
        nearest = min(near, key=lambda i: abs(times[i] - same))
        if abs(times[nearest] - same) <= np.timedelta64(16, "D"):
            positions.append(nearest)
            names.append(str(year))
    return np.array(positions, int), np.array(names, dtype=object)
