"""Weather of past years in the place of weather that is not known yet.

How far the climate has moved since a past year: trends of yearly means, where they stand out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.forcings.base import Forcing
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import known_at

__all__ = ["TRENDING", "ClimatologyWeather", "yearly_trends"]


FEWEST_YEARS_OF_TREND = 10  # whole years, without which there is no trend

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
    certain = (years >= FEWEST_YEARS_OF_TREND) & (slope**2 > variance)
    return np.where(certain, slope - variance / np.where(certain, slope, 1.0), 0.0)


FEWEST_YEARS = 5


@dataclass(frozen=True)
class ClimatologyWeather(Forcing):
    """The weather that followed the same day of each past year, as one version a year.

    This is ensemble streamflow prediction (Day 1985, doi:10.1061/(ASCE)0733-9496(1985)111:2(157)).
    A past year takes part where all its steps lie at or before the issue time.

    The climate of a past year is not that of today, and neither are the stations that observed it.
    So each version is moved by the trend of its covariate since then, as far as the trend is more
    than chance, see :func:`gwforecast.forcings.climatology.yearly_trends`, and stays within the
    range of
    what was observed. Rain, and covariates that are not weather, are not moved.

    Parameters
    ----------
    years : int, optional
        Most recent years that take part, at most; by default all.
    fewest : int
        Years without which there is no ensemble.
    trend : bool
        Move the weather of past years to the climate of the issue time.
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
        """Return a version of the weather for each past year; years with a gap are left out.

        The years that are left out are named in the attribute ``left_out``.
        """
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        past = known_at(observations, issue_time)
        times = timeline.to_times(past[schema.TIME].values)
        issued = times.size - 1
        starts, names = _same_days(times, times[issued], frequency)
        whole = starts + horizon <= issued
        starts, names = starts[whole], names[whole]
        positions = starts[:, None] + np.arange(1, horizon + 1)
        known = {name: past[name].transpose(schema.WELL, schema.TIME).values for name in covariates}
        found = {name: values[:, positions] for name, values in known.items()}
        sound = _sound(found, len(starts))
        kept = np.flatnonzero(sound)[-self.years if self.years else None :]
        self._check_years(kept.size, horizon=horizon, issue_time=times[issued])
        valid = timeline.valid_times(times[[issued]], np.arange(1, horizon + 1), frequency)[0]
        coords = {
            schema.WELL: observations[schema.WELL].values,
            schema.FORCING_MEMBER: names[kept],
            schema.TIME: valid,
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
                "Give a longer record of the weather, a shorter horizon, or allow fewer years with "
                "ClimatologyWeather(fewest=...)."
            )


def _sound(found: Mapping[str, np.ndarray], years: int) -> np.ndarray:
    """Return which years have no gap, shape (year,), in covariates (well, year, step).

    One with a gap in one covariate of one well is left out for all, as the weather of wells belongs
    together.
    """
    sound = np.ones(years, bool)
    for values in found.values():
        sound &= np.isfinite(values).all(axis=(0, 2))
    return sound


def _as_today(
    futures: xr.Dataset, known: Mapping[str, np.ndarray], *, ago: np.ndarray, year: int
) -> xr.Dataset:
    """Return the weather of past years, moved by its trend since then.

    Parameters
    ----------
    futures : xarray.Dataset
        Covariates (well, forcing_member, time) of past years.
    known : mapping
        Each covariate up to the issue time, shape (well, time).
    ago : numpy.ndarray
        Shape (forcing_member,), years since each version of the weather.
    year : int
        Steps of a year.
    """
    moved = {}
    for name, values in known.items():
        if schema.covariate_kind(name, futures[name].attrs) not in TRENDING:
            continue
        by = yearly_trends(values, year=year)[:, None, None] * ago[:, None]
        low, high = (f(values, axis=1)[:, None, None] for f in (np.nanmin, np.nanmax))
        moved[name] = futures[name].copy(data=np.clip(futures[name].values + by, low, high))
    return futures.assign(moved)


def _same_days(
    times: np.ndarray, issue_time: np.datetime64, frequency: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions nearest to the same day of each past year, and the years."""
    stamp = pd.Timestamp(issue_time)
    first = pd.Timestamp(times[0]).year
    positions, names = [], []
    for year in range(first, stamp.year):
        # 29 February is 28 February in other years
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
