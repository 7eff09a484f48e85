"""Baselines that use no weather: persistence, drift, climatology, seasonal naive.

A simulation uses no level of the simulated rows. Persistence, drift and seasonal naive therefore
continue from the end of the fitted rows, however far, and are NaN up to that end. A forecast
continues from the levels up to its issue time.
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import xarray as xr
from annotated_types import Ge

from gwforecast import schema, timeline
from gwforecast.forcings.base import Forcing
from gwforecast.models.base import setting
from gwforecast.models.per_well import FittedOnRows
from gwforecast.models.state import Shape, read_array, well_positions
from gwforecast.progress import Progress
from gwforecast.sequences.split import Period, Split, require_sequential, through_periods
from gwforecast.timeline import day_of_year, days_since_epoch

__all__ = ["Climatology", "Persistence", "RandomWalkDrift", "SeasonalNaive"]


class _Naive(FittedOnRows):
    """The base of the naive forecasters, which are fitted to all wells at once.

    ``end_`` is the last step of the fitted rows of each well.
    """

    end_: np.ndarray
    stored_arrays: ClassVar[dict[str, Shape]]
    """Stored arrays by name, whose attributes end in an underscore; NaN where a well failed."""
    _recent = True  # continues from recent levels

    def covariates_to_fit(self, observations: xr.Dataset) -> list[str]:  # noqa: ARG002
        """Return no name: these models use no weather."""
        return []

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step, (well, time), m; NaN where the forecaster has none.

        Only wells and times of the observations are used.
        """
        positions = well_positions(observations, self.wells_, name=self.name)
        times = observations[schema.TIME].values.astype(schema.TIME_DTYPE)
        return self._labelled(self._levels(positions, times), observations)

    def forecast(
        self, observations: xr.Dataset, *, issue_times: np.ndarray, horizon: int, forcing: Forcing
    ) -> xr.Dataset:
        """Return the levels after each issue time, (well, issue_time, lead_time), m.

        Forecasters that continue from recent levels use those up to the issue time; climatology
        stays as it was fitted. The forcing is not used.
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
                known._learn_levels(levels[:, :stop], times[:stop])
            found[:, number] = known._levels(rows, valid[number])
        return schema.label_forecast(
            found,
            wells=observations[schema.WELL].values.tolist(),
            issue_times=issue_times,
            frequency=frequency,
        )

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the fitted forecaster as plain JSON values and arrays by name."""
        arrays = {name: np.asarray(getattr(self, f"{name}_")) for name in self.stored_arrays}
        arrays["end"] = self.end_.astype(schema.TIME_DTYPE)
        wells = [str(well) for well in self.wells_]
        return {"wells": wells, **self._settings_to_state()}, arrays

    @classmethod
    def from_state(cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the fitted forecaster that :meth:`to_state` described."""
        one = cls._settings_from_state(description)
        sizes = {"well": one.wells_.size, "day": timeline.DAYS}
        for name, shape in cls.stored_arrays.items():
            setattr(one, f"{name}_", read_array(arrays, name, shape, sizes=sizes))
        one.end_ = read_array(arrays, "end", Shape("well", kind="M", gaps=True), sizes=sizes)
        return one

    def _learn(
        self,
        observations: xr.Dataset,
        split: Split,
        *,
        through: Period,
        previous: Self | None,
        progress: Progress | None,
    ) -> None:
        del previous
        rows = require_sequential(split).levels(observations, *through_periods(through))
        levels = rows.transpose(schema.WELL, schema.TIME).values.astype(float)
        times = observations[schema.TIME].values.astype(schema.TIME_DTYPE)
        self._start_learning(observations)
        ends = split.end_through(through).sel({schema.WELL: self.wells_})
        self.end_ = ends.values.astype(schema.TIME_DTYPE)
        needed = self._needed()
        count = np.isfinite(levels).sum(axis=1)
        for well, n in zip(self.wells_, count, strict=True):
            if n < needed:
                self._fail(
                    str(well),
                    f"It needs at least {needed} levels to be fitted on. Received {n}. Leave the "
                    "well out, or move the split.",
                )
        self._learn_levels(levels, times)
        if progress is not None:
            progress(self.name, self.wells_.size, self.wells_.size)

    def _after_end(self, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
        return np.asarray(times[None, :] > self.end_[positions][:, None])

    def _needed(self) -> int:
        return 1

    @abc.abstractmethod
    def _learn_levels(self, levels: np.ndarray, times: np.ndarray) -> None:
        """Learn from levels (well, time), NaN outside the fitted rows."""

    @abc.abstractmethod
    def _levels(self, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return levels (well, time) of the wells at these positions among the fitted ones."""


@dataclass(kw_only=True, eq=False)
class Persistence(_Naive):
    """Hold the last fitted level.

    In a simulation the level of the last fitted row is held for every later step; NaN up to the end
    of the fitted rows. Known as the naive or random walk forecast
    (Hyndman and Athanasopoulos 2021, section 5.2, https://otexts.com/fpp3/simple-methods.html).

    Parameters
    ----------
    name : str
        Name in tables and files.
    """

    name: str = "persistence"
    last_: np.ndarray = field(init=False, repr=False)  # last fitted level, shape (well,), m

    stored_arrays: ClassVar[dict[str, Shape]] = {"last": Shape("well", gaps=True)}

    @classmethod
    def from_state(cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the fitted forecaster that :meth:`to_state` described.

        States of version 0.1 have no last level, which forecasts do not need: a simulation is NaN.
        """
        without = {"last": np.full(len(description["wells"]), np.nan)}
        return super().from_state(description, without | dict(arrays))

    def _learn_levels(self, levels: np.ndarray, times: np.ndarray) -> None:
        last = _last_finite(levels)
        del times
        self.last_ = levels[np.arange(last.size), last]

    def _levels(self, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
        return np.where(self._after_end(positions, times), self.last_[positions][:, None], np.nan)


@dataclass(kw_only=True, eq=False)
class RandomWalkDrift(_Naive):
    """Extend the line through the first and the last fitted level.

    NaN up to the end of the fitted rows. A well needs two fitted levels
    (Hyndman and Athanasopoulos 2021, section 5.2, https://otexts.com/fpp3/simple-methods.html).

    Parameters
    ----------
    name : str
        Name in tables and files.
    """

    name: str = "drift"
    last_: np.ndarray = field(init=False, repr=False)  # last fitted level, shape (well,), m
    last_day_: np.ndarray = field(init=False, repr=False)  # its days since 1 January 1970
    slope_: np.ndarray = field(init=False, repr=False)  # m per day

    stored_arrays: ClassVar[dict[str, Shape]] = {
        name: Shape("well", gaps=True) for name in ("last", "last_day", "slope")
    }

    def _needed(self) -> int:
        return 2

    def _learn_levels(self, levels: np.ndarray, times: np.ndarray) -> None:
        well = np.arange(levels.shape[0])
        first, last = np.isfinite(levels).argmax(axis=1), _last_finite(levels)
        days = days_since_epoch(times)
        span = np.where(last > first, days[last] - days[first], np.nan)
        self.last_, self.last_day_ = levels[well, last], days[last]
        self.slope_ = (self.last_ - levels[well, first]) / span

    def _levels(self, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
        ahead = days_since_epoch(times)[None, :] - self.last_day_[positions][:, None]
        line = self.last_[positions][:, None] + self.slope_[positions][:, None] * ahead
        return np.where(self._after_end(positions, times), line, np.nan)


@dataclass(kw_only=True, eq=False)
class Climatology(_Naive):
    """Predict the mean fitted level of the days around each day of the year [1]_.

    For each day of a calendar of 366 days (29 February has its own place) it is the mean over all
    fitted levels within ``window`` days of it, also across the turn of the year. Where there is
    none, the window is doubled until there is one, at most to the whole year. Fitted rows have a
    prediction as well. ``climatology_`` has the shape (well, 366), m.

    Parameters
    ----------
    window : int
        Days before and after the day of the year, 0 or more.
    name : str
        Name in tables and files.

    References
    ----------
    .. [1] Pappenberger, F., et al. (2015), https://doi.org/10.1016/j.jhydrol.2015.01.024.
    """

    window: Annotated[int, Ge(0)] = setting(15, search=("int", 0, 60))
    name: str = "climatology"
    climatology_: np.ndarray = field(init=False, repr=False)

    quick = True
    stored_arrays: ClassVar[dict[str, Shape]] = {"climatology": Shape("well", "day", gaps=True)}
    _recent = False

    def _learn_levels(self, levels: np.ndarray, times: np.ndarray) -> None:
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


@dataclass(kw_only=True, eq=False)
class SeasonalNaive(_Naive):
    """Repeat the last fitted year (Hyndman and Athanasopoulos 2021, section 5.2).

    Each step is given the level of the same date, the fewest years back that lie in the fitted
    rows; where that date has no level (weekly or irregular levels, gaps), the nearest fitted level
    within the tolerance. It is NaN up to the end of the fitted rows and where no level is near
    enough.

    Parameters
    ----------
    tolerance : int
        Days before or after the date, 0 or more. Monthly levels always match their month.
    name : str
        Name in tables and files.
    """

    tolerance: Annotated[int, Ge(0)] = setting(15, search=("int", 0, 60))
    name: str = "seasonal_naive"
    times_: np.ndarray = field(init=False, repr=False)
    levels_: np.ndarray = field(init=False, repr=False)

    stored_settings = ("tolerance",)
    stored_arrays: ClassVar[dict[str, Shape]] = {
        "times": Shape("time", kind="M"),
        "levels": Shape("well", "time", gaps=True),
    }

    def _learn_levels(self, levels: np.ndarray, times: np.ndarray) -> None:
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
