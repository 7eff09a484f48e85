"""Status of monthly levels against normal: percentile, class and index, observed or forecast.

The reference of a month is the mean levels of the same calendar month in past years. The percentile
of a level is interpolated linearly between their Weibull plotting positions i / (n + 1); beyond the
lowest and the highest of them it stays at theirs, as the record does not reach further. The
standardised index has plotting positions of its own, (i - 0.5) / n, as in the paper that defines
it.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri

from gwforecast import schema
from gwforecast.schema import SchemaError
from gwforecast.verification.distribution import cdf

__all__ = ["CLASS_LIMITS", "OUTLOOK_CLASSES", "LevelStatus", "monthly_means"]


OUTLOOK_CLASSES = (
    "exceptionally low", "notably low", "below normal", "normal", "above normal", "notably high",
    "exceptionally high",
)  # fmt: skip
CLASS_LIMITS = (5.0, 13.0, 28.0, 72.0, 87.0, 95.0)
"""Percentiles between the classes: those of the UK Hydrological Outlook and of the monthly
Hydrological Summary of UKCEH and BGS."""
TERCILES = ("below", "near", "above")
FEWEST_YEARS = 8
FEWEST_SHARE = 0.5  # of the usual number of levels in a month, below which it has no mean
MONTH = "month"


def monthly_means(level: xr.DataArray) -> xr.DataArray:
    """Return the mean of levels (well, time) in each month, dims (well, month), m.

    A month with fewer than half of the well's usual number of levels in a month is NaN. ``month``
    is the first day of each calendar month from the first to the last.
    """
    level = level.transpose(schema.WELL, schema.TIME)
    sums, counts, months = _by_month(level.values, level[schema.TIME].values)
    usual = np.array([np.median(c[c > 0]) if (c > 0).any() else np.inf for c in counts])
    enough = (counts >= FEWEST_SHARE * usual[:, None]) & (counts > 0)
    means = np.where(enough, sums / np.maximum(counts, 1), np.nan)
    coords = {schema.WELL: level[schema.WELL].values, MONTH: months}
    return xr.DataArray(means, coords, (schema.WELL, MONTH), attrs=dict(level.attrs))


class LevelStatus:
    """Percentile, class and standardised index of monthly levels against a reference.

    Attributes
    ----------
    wells_ : list of str
        Wells of the reference.
    reference_ : list of list of numpy.ndarray
        Sorted mean levels of each calendar month by well, m.

    Examples
    --------
    >>> time = pd.date_range("2000-01-01", "2019-12-31")
    >>> level = xr.DataArray(
    ...     time.year.to_numpy(float)[None], {"well": ["a"], "time": time}, ("well", "time")
    ... )
    >>> rows = xr.ones_like(level, dtype=bool)
    >>> status = LevelStatus().fit(level.to_dataset(name="level"), rows=rows)
    >>> table = status.table(level.to_dataset(name="level"))
    >>> table["class"].iloc[-1]
    'exceptionally high'
    """

    wells_: list[str]
    reference_: list[list[np.ndarray]]

    def fit(self, observations: xr.Dataset, *, rows: xr.DataArray) -> Self:
        """Learn the reference from the levels of some rows.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        rows : xarray.DataArray
            Reference levels, boolean, dims (well, time).

        Returns
        -------
        LevelStatus
            Itself.

        Raises
        ------
        SchemaError
            If a well has fewer than eight years of any calendar month.
        """
        means = monthly_means(observations[schema.LEVEL].where(rows))
        calendar = means[MONTH].dt.month.values
        self.wells_ = schema.well_names(means)
        self.reference_ = []
        for well, row in zip(self.wells_, means.values, strict=True):
            months = [np.sort(row[(calendar == m) & np.isfinite(row)]) for m in range(1, 13)]
            fewest = min(range(12), key=lambda m: months[m].size)
            if months[fewest].size < FEWEST_YEARS:
                raise SchemaError(
                    f"The normal of a month needs at least {FEWEST_YEARS} years of it. Well "
                    f"{well!r} has {months[fewest].size} of month {fewest + 1}. Use a longer "
                    "reference, or leave the well out."
                )
            self.reference_.append(months)
        return self

    def percentile(self, level: np.ndarray, *, well: str, month: int) -> np.ndarray:
        """Return the percentile of levels among those of a calendar month, 0 to 100.

        Parameters
        ----------
        level : numpy.ndarray
            Any shape, m.
        well : str
            A well of the reference.
        month : int
            1 to 12.

        Returns
        -------
        numpy.ndarray
            The same shape: 50 is the median of the month. NaN stays NaN; a level beyond all of n
            years has the percentile 100 / (n + 1) or 100 n / (n + 1).

        Raises
        ------
        SchemaError
            If the well is not in the reference.
        """
        known = self._of(well)[month - 1]
        return _percentile(level, known, np.arange(1, known.size + 1) / (known.size + 1))

    def level_at(self, percentile: np.ndarray, *, well: str, month: int) -> np.ndarray:
        """Return the levels of percentiles of a calendar month: the inverse of percentile.

        Parameters
        ----------
        percentile : numpy.ndarray
            Any shape, 0 to 100.
        well, month
            As for :meth:`percentile`.

        Returns
        -------
        numpy.ndarray
            The same shape, m; never beyond the levels of the reference.

        Raises
        ------
        SchemaError
            If the well is not in the reference.
        """
        known = self._of(well)[month - 1]
        positions = 100 * np.arange(1, known.size + 1) / (known.size + 1)
        return np.asarray(np.interp(percentile, positions, known))

    def index(self, level: np.ndarray, *, well: str, month: int) -> np.ndarray:
        """Return the standardised groundwater index of monthly levels of a calendar month.

        The normal score of the plotting position (i - 0.5) / n [1]_: 0 is the median of the month,
        -1 a level as low as in one year of six. Of 20 years, the lowest has -1.96 and the highest
        1.96; levels beyond them have no other index, as the record does not reach further.

        Parameters
        ----------
        level, well, month
            As for :meth:`percentile`.

        Returns
        -------
        numpy.ndarray
            The same shape, dimensionless; NaN stays NaN.

        Raises
        ------
        SchemaError
            If the well is not in the reference.

        References
        ----------
        .. [1] Bloomfield and Marchant (2013), doi:10.5194/hess-17-4769-2013.
        """
        known = self._of(well)[month - 1]
        percentile = _percentile(level, known, (np.arange(known.size) + 0.5) / known.size)
        return np.asarray(ndtri(percentile / 100))

    def table(
        self,
        observations: xr.Dataset,
        forecast: xr.Dataset | None = None,
        *,
        latest: bool = False,
    ) -> pd.DataFrame:
        """Return the status of each month, observed or forecast.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time). With a forecast, levels up to its issue time are used.
        forecast : xarray.Dataset, optional
            ``level`` (well, issue_time, lead_time, quantile), m, of one issue time. Each quantile
            of a month's mean is the mean of that quantile over the month, as if the levels of a
            month were low or high together; the uncertainty of the months is therefore rather too
            large. The mean of the month of the issue time is of observed and forecast levels.
        latest : bool
            Only the last observed month of each well, and those of the forecast.

        Returns
        -------
        pandas.DataFrame
            Columns well, time (first day of the month), level (m, the median where it is forecast),
            percentile, class, tercile (``"below"``, ``"near"``, ``"above"``), index (standardised),
            source (``"observed"`` or ``"forecast"``), and for forecast months the probability of
            each tercile (``p_below`` ...) and each class (``p_exceptionally_low`` ...).
        """
        level = observations[schema.LEVEL]
        rows = []
        if forecast is not None:
            issue_time = forecast[schema.ISSUE_TIME].values[0]
            level = level.where(level[schema.TIME] <= issue_time)
        means = monthly_means(level)
        last = None if forecast is None else _month_of(forecast[schema.ISSUE_TIME].values[:1])[0]
        for well in schema.well_names(means):
            of_well = means.sel({schema.WELL: well})
            months = of_well[MONTH].values
            known = np.isfinite(of_well.values) & (True if last is None else months < last)
            for place in np.flatnonzero(known)[-1 if latest else None :]:
                value = float(of_well.values[place])
                rows.append(self._row(well, months[place], value, "observed"))
            if forecast is not None:
                rows += self._forecast_rows(well, level, forecast)
        return pd.DataFrame(rows)

    def _forecast_rows(
        self, well: str, level: xr.DataArray, forecast: xr.Dataset
    ) -> list[dict[str, object]]:
        chosen = forecast[schema.LEVEL].sel({schema.WELL: well}).isel({schema.ISSUE_TIME: 0})
        values = chosen.transpose(schema.LEAD_TIME, schema.QUANTILE).values
        quantiles = forecast[schema.QUANTILE].values
        valid = _month_of(forecast[schema.VALID_TIME].values[0])
        observed = level.sel({schema.WELL: well})
        past = _month_of(level[schema.TIME].values)
        rows = []
        for month in np.unique(valid):
            ahead = values[valid == month]
            known = observed.values[past == month]
            known = known[np.isfinite(known)]
            whole = np.concatenate([np.repeat(known[:, None], quantiles.size, axis=1), ahead])
            if not np.isfinite(whole).all() or not _reaches_end(month, valid, forecast):
                continue
            mean = whole.mean(axis=0)
            median = float(mean[int(np.argmin(np.abs(quantiles - 0.5)))])
            row = self._row(well, month, median, "forecast")
            rows.append(row | self._chances(well, month, mean, quantiles))
        return rows

    def _row(self, well: str, month: np.datetime64, level: float, source: str) -> dict[str, object]:
        number = pd.Timestamp(month).month
        value = np.array([level])
        percentile = float(self.percentile(value, well=well, month=number)[0])
        return {
            schema.WELL: well,
            "time": pd.Timestamp(month),
            "level": level,
            "percentile": percentile,
            "class": OUTLOOK_CLASSES[int(np.searchsorted(CLASS_LIMITS, percentile))],
            "tercile": TERCILES[int(np.searchsorted((100 / 3, 200 / 3), percentile))],
            "index": float(self.index(value, well=well, month=number)[0]),
            "source": source,
        }

    def _chances(
        self, well: str, month: np.datetime64, mean: np.ndarray, quantiles: np.ndarray
    ) -> dict[str, object]:
        """Return the probability of each tercile and class of a month's mean level."""
        number = pd.Timestamp(month).month
        found: dict[str, object] = {}
        for names, limits in ((TERCILES, (100 / 3, 200 / 3)), (OUTLOOK_CLASSES, CLASS_LIMITS)):
            at = self.level_at(np.array(limits), well=well, month=number)
            below = cdf(np.repeat(mean[None], at.size, axis=0), at, quantiles)[0]
            steps = np.diff(np.concatenate([[0.0], below, [1.0]]))
            found |= {
                f"p_{name.replace(' ', '_')}": float(step)
                for name, step in zip(names, steps, strict=True)
            }
        return found

    def _of(self, well: str) -> list[np.ndarray]:
        if well not in self.wells_:
            raise SchemaError(
                f"The status of a well needs a reference of that well. Received {well!r}, which is "
                f"none of the {len(self.wells_)} that were fitted. Fit it with this well."
            )
        return self.reference_[self.wells_.index(well)]


def _percentile(level: np.ndarray, known: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return percentiles of levels by the plotting positions, 0 to 1, of sorted known levels."""
    # equal levels share the mean of their positions; a level beyond all has the outermost one
    unique, where = np.unique(known, return_inverse=True)
    shared = np.bincount(where, 100 * positions) / np.bincount(where)
    low, high = 100 * positions[[0, -1]]
    found = np.interp(level, unique, shared, left=low, right=high)
    return np.asarray(np.where(np.isfinite(level), found, np.nan))


def _month_of(times: np.ndarray) -> np.ndarray:
    return np.asarray(times).astype("datetime64[M]").astype("datetime64[us]")


def _reaches_end(month: np.datetime64, valid: np.ndarray, forecast: xr.Dataset) -> bool:
    """Return whether a forecast reaches the end of a month, to within one of its steps."""
    if (valid > month).any():
        return True
    times = forecast[schema.VALID_TIME].values[0]
    step = times[-1] - forecast[schema.ISSUE_TIME].values[0]
    step = step / times.size
    following = (month.astype("datetime64[M]") + 1).astype("datetime64[us]")
    return bool(times[-1] + step >= following)


def _by_month(values: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sums and counts of levels (well, time) by month, and the months."""
    number = times.astype("datetime64[M]").astype(int)
    months = np.arange(number[0], number[-1] + 1).astype("datetime64[M]")
    known = np.isfinite(values)
    place = number - number[0]
    sums, counts = np.zeros((2, len(values), months.size))
    for well in range(len(values)):
        sums[well] = np.bincount(place, np.where(known[well], values[well], 0.0), months.size)
        counts[well] = np.bincount(place, known[well], months.size)
    return sums, counts, months.astype("datetime64[us]")
