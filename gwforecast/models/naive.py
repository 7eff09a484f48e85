"""Baselines that look at no weather: persistence, drift, climatology, seasonal naive.

A simulation gets no level of the rows that it simulates. Persistence, drift and seasonal naive
therefore continue from the end of the fitted rows, however far, and are NaN up to that end. A
forecast continues from the levels up to its issue time.
"""

from __future__ import annotations

import abc
import copy
import warnings
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.forcings.base import Forcing
from gwforecast.models.base import Forecaster, through_periods, well_positions
from gwforecast.progress import Progress
from gwforecast.sequences.split import Period, Split, require_sequential
from gwforecast.timeline import day_of_year, days_since_epoch

__all__ = ["Climatology", "Persistence", "RandomWalkDrift", "SeasonalNaive"]


class _Naive(Forecaster):
    """What the naive forecasters share: fitted rows in, one array of levels out.

    Attributes
    ----------
    wells_ : numpy.ndarray of str
        The fitted wells.
    end_ : numpy.ndarray
        Last step of the fitted rows, shape (well,), ``datetime64``.
    failed_ : dict of str to str
        Wells that could not be fitted and why; their levels are NaN.
    """

    wells_: np.ndarray
    end_: np.ndarray
    failed_: dict[str, str]
    _attrs: dict[str, object]
    _recent = True  # continues from recent levels

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Fit on the train rows; there is no choice to make on the validation rows.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        split : Split
            The periods of each well.
        progress : Progress, optional
            Told when all wells are done.
        """
        self._fit_through(observations, split, "train", progress)
        return self

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster, fitted on all rows through the end of a period.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        split : Split
            The periods of each well.
        through : {"train", "validation", "test"}
            Last period whose rows are used.
        progress : Progress, optional
            Told when all wells are done.
        """
        fitted = copy.copy(self)
        fitted._fit_through(observations, split, through, progress)
        return fitted

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step, NaN where the forecaster has none.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time); only the wells and the times are used.

        Returns
        -------
        xarray.Dataset
            ``level`` (well, time), m above the datum of the levels that were fitted.

        Raises
        ------
        SchemaError
            If a well was not fitted.
        """
        positions = well_positions(observations, self.wells_, name=self.name)
        times = observations[schema.TIME].values.astype(schema.TIME_DTYPE)
        level = xr.DataArray(
            self._levels(positions, times),
            {schema.WELL: observations[schema.WELL], schema.TIME: observations[schema.TIME]},
            (schema.WELL, schema.TIME),
            attrs=self._attrs,
        )
        return level.to_dataset(name=schema.LEVEL)

    def forecast(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
    ) -> xr.Dataset:
        """Return the levels after each issue time, (well, issue_time, lead_time), m.

        Those that continue from recent levels use the ones up to the issue time; climatology stays
        as it was fitted. The forcing is not used: no weather goes in.
        """
        del forcing
        times = timeline.to_times(observations[schema.TIME].values)
        timeline.time_positions(times, issue_times, name="issue time")
        issue_times = timeline.to_times(issue_times)
        frequency = timeline.infer_frequency(times)
        valid = timeline.valid_times(issue_times, np.arange(1, horizon + 1), frequency)
        levels = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME).values
        positions = well_positions(observations, self.wells_, name=self.name)
        found = np.empty((len(levels), issue_times.size, horizon))
        for number, issue_time in enumerate(issue_times):
            known, rows = self, positions
            if self._recent:
                known, rows = copy.copy(self), np.arange(len(levels))
                known.end_ = np.full(len(levels), issue_time)
                stop = int(np.searchsorted(times, issue_time, side="right"))
                known._learn(levels[:, :stop], times[:stop])
            found[:, number] = known._levels(rows, valid[number])
        return schema.label_forecast(
            found,
            wells=observations[schema.WELL].values.tolist(),
            issue_times=issue_times,
            frequency=frequency,
        )

    def _fit_through(
        self,
        observations: xr.Dataset,
        split: Split,
        through: Period,
        progress: Progress | None,
    ) -> None:
        rows = require_sequential(split).levels(observations, *through_periods(through))
        levels = rows.transpose(schema.WELL, schema.TIME).values.astype(float)
        times = observations[schema.TIME].values.astype(schema.TIME_DTYPE)
        self.wells_ = observations[schema.WELL].values
        ends = split.end_through(through).sel({schema.WELL: self.wells_})
        self.end_ = ends.values.astype(schema.TIME_DTYPE)
        self._attrs = dict(observations[schema.LEVEL].attrs)
        self.failed_ = {}
        count = np.isfinite(levels).sum(axis=1)
        enough = count >= self._needed()
        for well, n in zip(self.wells_[~enough], count[~enough], strict=True):
            self.failed_[str(well)] = f"{n} levels on the fitted rows"
            warnings.warn(
                f"{self.name!r} needs at least {self._needed()} levels to be fitted on. Received "
                f"{n} at well {str(well)!r}, whose levels are NaN now. Leave the well out, or "
                "move the split.",
                stacklevel=3,
            )
        self._learn(levels, times)
        if progress is not None:
            progress(f"fit {self.name}", self.wells_.size, self.wells_.size)

    def _after_end(self, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
        return np.asarray(times[None, :] > self.end_[positions][:, None])

    def _needed(self) -> int:
        return 1

    @abc.abstractmethod
    def _learn(self, levels: np.ndarray, times: np.ndarray) -> None:
        """Learn from levels (well, time), NaN outside the fitted rows."""

    @abc.abstractmethod
    def _levels(self, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return levels (well, time) of the wells at these positions among the fitted ones."""


class Persistence(_Naive):
    """Hold the last fitted level.

    In a simulation the level of the last fitted row is held for every later step; NaN up to the end
    of the fitted rows. Known as the naive or random walk forecast [1]_.

    Attributes
    ----------
    last_ : numpy.ndarray
        Last fitted level, shape (well,), m.
    last_time_ : numpy.ndarray
        Its time, shape (well,).

    References
    ----------
    .. [1] Hyndman, R. J., and Athanasopoulos, G. (2021). Forecasting: principles and practice, 3rd
       edition, section 5.2. https://otexts.com/fpp3/simple-methods.html
    """

    name = "persistence"
    last_: np.ndarray
    last_time_: np.ndarray

    def _learn(self, levels: np.ndarray, times: np.ndarray) -> None:
        last = _last_finite(levels)
        self.last_, self.last_time_ = levels[np.arange(last.size), last], times[last]

    def _levels(self, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
        return np.where(self._after_end(positions, times), self.last_[positions][:, None], np.nan)


class RandomWalkDrift(_Naive):
    """Extend the line through the first and the last fitted level [1]_.

    NaN up to the end of the fitted rows. A well needs two fitted levels.

    Attributes
    ----------
    last_ : numpy.ndarray
        Last fitted level, shape (well,), m.
    slope_ : numpy.ndarray
        Slope of the line, shape (well,), m per day.

    References
    ----------
    .. [1] Hyndman, R. J., and Athanasopoulos, G. (2021). Forecasting: principles and practice, 3rd
       edition, section 5.2. https://otexts.com/fpp3/simple-methods.html
    """

    name = "drift"
    last_: np.ndarray
    slope_: np.ndarray
    _last_time: np.ndarray

    def _needed(self) -> int:
        return 2

    def _learn(self, levels: np.ndarray, times: np.ndarray) -> None:
        well = np.arange(levels.shape[0])
        first, last = np.isfinite(levels).argmax(axis=1), _last_finite(levels)
        days = days_since_epoch(times)
        span = np.where(last > first, days[last] - days[first], np.nan)
        self.last_, self._last_time = levels[well, last], days[last]
        self.slope_ = (self.last_ - levels[well, first]) / span

    def _levels(self, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
        ahead = days_since_epoch(times)[None, :] - self._last_time[positions][:, None]
        line = self.last_[positions][:, None] + self.slope_[positions][:, None] * ahead
        return np.where(self._after_end(positions, times), line, np.nan)


class Climatology(_Naive):
    """Give the mean fitted level of the days around each day of the year.

    Each day of a calendar of 366 days (29 February has its own place) gets the mean over all fitted
    levels within ``window`` days of it, around the turn of the year. Where there is none, the
    window is doubled until there is one, to the whole year in the end. Fitted rows get it as well.

    Parameters
    ----------
    window : int
        Days before and after the day of the year, 0 or more.

    Attributes
    ----------
    climatology_ : numpy.ndarray
        Shape (well, 366), m; first 1 January, last 31 December.

    References
    ----------
    .. [1] Pappenberger, F., et al. (2015). How do I know if my forecasts are better? Using
       benchmarks in hydrological ensemble prediction. Journal of Hydrology 522, 697-713.
       https://doi.org/10.1016/j.jhydrol.2015.01.024
    """

    name = "climatology"
    quick = True
    climatology_: np.ndarray
    _recent = False

    def __init__(self, *, window: int = 15) -> None:
        if window < 0:
            raise ValueError(
                f"The window of a climatology is 0 days or more. Received {window}. "
                "The usual choice is 15."
            )
        self.window = window

    def _learn(self, levels: np.ndarray, times: np.ndarray) -> None:
        day = day_of_year(times)
        n_wells = levels.shape[0]
        finite = np.isfinite(levels)
        count = np.zeros((n_wells, timeline.DAYS))
        total = np.zeros((n_wells, timeline.DAYS))
        # About its own first level each well's sum keeps its digits, whatever the datum.
        origin = levels[np.arange(n_wells), finite.argmax(axis=1)][:, None]
        deviation = np.where(finite, levels - origin, 0.0)
        np.add.at(count.T, day, finite.T.astype(float))
        np.add.at(total.T, day, deviation.T)
        mean = np.full((n_wells, timeline.DAYS), np.nan)
        window = self.window
        while np.isnan(mean).any():
            n = timeline.circular_sum(count, window)
            fill = np.isnan(mean) & (n > 0.5)
            mean[fill] = timeline.circular_sum(total, window)[fill] / n[fill]
            if window >= timeline.DAYS // 2:
                break
            window = max(1, 2 * window)
        self.climatology_ = mean + origin

    def _levels(self, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
        return np.asarray(self.climatology_[positions][:, day_of_year(times)])


class SeasonalNaive(_Naive):
    """Repeat the last fitted year [1]_.

    Each step takes the level of the same date, as few years back as reaches the fitted rows; where
    that date has no level (weekly or irregular levels, gaps), the fitted level nearest to it within
    the tolerance. NaN up to the end of the fitted rows and where no level is near enough.

    Parameters
    ----------
    tolerance : int
        Days before or after the date, 0 or more. Monthly levels always fit their month.

    Attributes
    ----------
    times_, levels_ : numpy.ndarray
        The time axis and the fitted levels, NaN outside the fitted rows, shape (well, time), m.

    References
    ----------
    .. [1] Hyndman, R. J., and Athanasopoulos, G. (2021). Forecasting: principles and practice, 3rd
       edition, section 5.2. https://otexts.com/fpp3/simple-methods.html
    """

    name = "seasonal_naive"
    times_: np.ndarray
    levels_: np.ndarray

    def __init__(self, *, tolerance: int = 15) -> None:
        if tolerance < 0:
            raise ValueError(
                f"The tolerance of seasonal naive is 0 days or more. Received {tolerance}. "
                "The usual choice is 15."
            )
        self.tolerance = tolerance

    def _learn(self, levels: np.ndarray, times: np.ndarray) -> None:
        self.times_, self.levels_ = times, levels

    def _levels(self, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
        levels, n_times = self.levels_[positions], self.times_.size
        well = np.arange(positions.size)[:, None]
        after = self._after_end(positions, times)
        source = days_since_epoch(timeline.years_back(times, self.end_[positions]))
        days = days_since_epoch(self.times_)
        finite = np.isfinite(levels)
        place = np.arange(n_times)
        before = np.maximum.accumulate(np.where(finite, place, -1), axis=1)
        behind = np.where(finite, place, n_times)[:, ::-1]
        behind = np.minimum.accumulate(behind, axis=1)[:, ::-1]
        at = np.clip(np.searchsorted(days, source, side="right") - 1, 0, n_times - 1)
        earlier, later = before[well, at], behind[well, at]
        # A date that is not on the axis lies after the step at `at`, whose level is then earlier.
        later = np.where(later == at, behind[well, np.minimum(at + 1, n_times - 1)], later)
        gap_before = np.where(earlier >= 0, source - days[earlier], np.inf)
        gap_behind = np.where(
            later < n_times, days[np.minimum(later, n_times - 1)] - source, np.inf
        )
        gap_behind = np.where(gap_behind < 0, np.inf, gap_behind)
        nearest = np.where(gap_before <= gap_behind, earlier, np.minimum(later, n_times - 1))
        near = np.minimum(np.abs(gap_before), gap_behind) <= self.tolerance
        return np.where(after & near, levels[well, nearest], np.nan)


def _last_finite(levels: np.ndarray) -> np.ndarray:
    finite = np.isfinite(levels)
    return np.asarray(levels.shape[1] - 1 - finite[:, ::-1].argmax(axis=1))
