"""Forecasts from simulations: what the weather says, corrected by the levels at the issue time.

A forecaster with calibrated intervals: what is fitted once and issued from many times.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.correction import STATES, ErrorModel
from gwforecast.calibration.lead_intervals import LeadInterval
from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.models.base import Forecaster
from gwforecast.progress import Progress
from gwforecast.sequences.origins import mask_to_period, observed_at, spread_issue_times
from gwforecast.sequences.split import Period, Split

__all__ = ["Calibrated", "Corrected", "as_forecasting"]


HORIZON_YEARS = 0.5  # up to which lead time the error model is chosen


class Corrected(Forecaster):
    """Forecast by one or more forecasters that simulate, and a model of their recent error.

    The simulations of several are averaged, which is better than most of them alone (Bates and
    Granger 1969, doi:10.1057/jors.1969.103). The error model is chosen on the validation period,
    which the simulations were not fitted on, and kept through refits.

    Parameters
    ----------
    parts : sequence of Forecaster
        Forecasters that simulate.
    name : str, optional
        By default that of the only part, else ``"blend"``.

    Attributes
    ----------
    error_model_ : ErrorModel
        One for all parts together.
    since_ : numpy.ndarray
        Shape (well,): end of the period that the parts are fitted on. Their errors up to it would
        look smaller than they are, and are not used.
    known_ : numpy.ndarray
        Shape (well, 24): what was known of the error at ``since_``, from earlier fits.

    Examples
    --------
    >>> import pandas as pd
    >>> from gwforecast.forcings.base import ObservedWeather
    >>> from gwforecast.models.naive import Climatology
    >>> from gwforecast.sequences.split import split_by_fraction
    >>> time = pd.date_range("2000-01-01", "2009-12-31")
    >>> wave = np.sin(2 * np.pi * np.arange(time.size) / 365.25) + 0.1 * np.arange(time.size) / 365
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), wave[None])}, {"well": ["a"], "time": time}
    ... )
    >>> split = split_by_fraction(observations)
    >>> model = Corrected([Climatology()]).fit(observations, split=split)
    >>> ahead = model.forecast(
    ...     observations, issue_times=time[[3000]], horizon=10, forcing=ObservedWeather()
    ... )
    >>> error = ahead["level"].values[0, 0, :, 0] - wave[3001:3011]
    >>> bool(np.abs(error).max() < 0.1)
    True
    """

    error_model_: ErrorModel
    wells_: list[str]
    since_: np.ndarray
    known_: np.ndarray

    def __init__(self, parts: Sequence[Forecaster], *, name: str | None = None) -> None:
        self.parts = list(parts)
        self.name = name or (self.parts[0].name if len(self.parts) == 1 else "blend")

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Fit the parts on the train rows, and the error model on the validation rows."""
        for part in self.parts:
            part.fit(observations, split=split, progress=progress)
        return self.calibrate(observations, split=split)

    def calibrate(self, observations: xr.Dataset, *, split: Split) -> Self:
        """Fit the error model on the validation rows, with parts that are fitted already."""
        levels = split.levels(observations, "validation")
        central = self._central(observations)
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        horizon = max(1, round(HORIZON_YEARS * timeline.steps_per_year(frequency)))
        self.error_model_ = ErrorModel().fit(central, levels, horizon=horizon)
        self.wells_ = [str(well) for well in observations[schema.WELL].values]
        self.since_ = _ends(split, self.wells_, "train")
        self.known_ = np.full((len(self.wells_), 2 * STATES), np.nan)
        return self

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster whose parts are fitted on all rows through a period."""
        parts = [
            part.refit(observations, split=split, through=through, progress=progress)
            for part in self.parts
        ]
        return self.with_parts(parts, observations, split=split, through=through)

    def update(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster whose networks go on with new rows; other parts are refitted."""
        parts = [
            part.update(observations, split=split, through=through, progress=progress)
            for part in self.parts
        ]
        return self.with_parts(parts, observations, split=split, through=through)

    def with_parts(
        self,
        parts: Sequence[Forecaster],
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
    ) -> Self:
        """Return a new forecaster with later fits of the parts, and the same error model.

        Parameters
        ----------
        parts : sequence of Forecaster
            Refits of the parts through the end of a period.
        observations : xarray.Dataset
            Dimensions (well, time), of the refits.
        split : Split
            The periods of the refits.
        through : {"train", "validation", "test"}
            Last period whose rows the refits have seen. What is known of the error at its end is
            taken from the fits until now, which had not seen the last of these rows.
        """
        again = copy.copy(self)
        again.parts = list(parts)
        ends = np.maximum(_ends(split, self.wells_, through), self.since_)
        states = self._states(observations, self._central(observations))
        at_end = np.searchsorted(observations[schema.TIME].values, ends, side="right") - 1
        index = {str(well): number for number, well in enumerate(observations[schema.WELL].values)}
        again.known_ = np.stack(
            [states[index[well], at_end[number]] for number, well in enumerate(self.wells_)]
        )
        again.since_ = ends
        return again

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather before a level it may depend on."""
        return max(part.memory(frequency) for part in self.parts)

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step without correction, (well, time, member), m."""
        return self.simulate_from(observations, 0)

    def simulate_from(self, observations: xr.Dataset, first: int) -> xr.Dataset:
        """Return the simulation of the steps from a position on; earlier ones may be NaN."""
        levels = [part.simulate_from(observations, first)[schema.LEVEL] for part in self.parts]
        return _together(levels).to_dataset(name=schema.LEVEL)

    def forecast(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
    ) -> xr.Dataset:
        """Return the levels after each issue time, (well, issue_time, lead_time, member), m.

        The members are the networks under each weather; the coordinates ``network`` and ``weather``
        of the members tell them apart.
        """
        recent, first = self._recent(observations, issue_times)
        history = self.simulate_from(recent, first)[schema.LEVEL]
        projected = _together([
            part.project(observations, issue_times=issue_times, horizon=horizon, forcing=forcing)
            for part in self.parts
        ])  # fmt: skip
        times = recent[schema.TIME].values
        issued = timeline.time_positions(times, issue_times, name="issue time")
        states = self._states(recent, history)[:, issued]
        weathers = projected.sizes[schema.WEATHER]
        # every network has its own error, whatever the weather after the issue time
        flat = projected.values.reshape(*projected.shape[:3], -1)
        level = self.error_model_.correct(
            flat,
            states=np.tile(states, (1, 1, weathers, 1)),
            wells=[str(well) for well in observations[schema.WELL].values],
            frequency=timeline.infer_frequency(times),
        )
        forecast = schema.label_forecast(
            level,
            wells=observations[schema.WELL].values.tolist(),
            issue_times=issue_times,
            frequency=timeline.infer_frequency(times),
        )
        networks = projected.sizes[schema.MEMBER]
        return forecast.assign_coords(
            {
                schema.WEATHER: (schema.MEMBER, np.repeat(np.arange(weathers), networks)),
                schema.NETWORK: (schema.MEMBER, np.tile(np.arange(networks), weathers)),
            }
        )

    def _recent(self, observations: xr.Dataset, issue_times: np.ndarray) -> tuple[xr.Dataset, int]:
        """Return rows whose errors are known behind those that they depend on, and the first."""
        index = {well: number for number, well in enumerate(self.wells_)}
        since = self.since_[[index[str(well)] for well in observations[schema.WELL].values]]
        if np.isnat(since).any():
            return observations, 0
        times = observations[schema.TIME].values
        first = int(np.searchsorted(times, min(since.min(), timeline.to_times(issue_times)[0])))
        start = max(0, first - self.memory(timeline.infer_frequency(times)))
        return observations.isel({schema.TIME: slice(start, None)}), first - start

    def _states(self, observations: xr.Dataset, history: xr.DataArray) -> np.ndarray:
        """Return what is known of the error at each step, shape (well, time[, member], 24)."""
        index = {well: number for number, well in enumerate(self.wells_)}
        rows = [index[str(well)] for well in observations[schema.WELL].values]
        return self.error_model_.filter(
            history,
            observations[schema.LEVEL].transpose(schema.WELL, schema.TIME),
            since=self.since_[rows],
            start=self.known_[rows],
        )

    def _central(self, observations: xr.Dataset) -> xr.DataArray:
        level = self.simulate(observations)[schema.LEVEL]
        return level.median(schema.MEMBER)


def _ends(split: Split, wells: Sequence[str], through: Period) -> np.ndarray:
    return timeline.to_times(split.end_through(through).sel({schema.WELL: list(wells)}).values)


def _together(levels: Sequence[xr.DataArray]) -> xr.DataArray:
    """Return the members of all, moved so that their median is the mean of the parts' medians."""
    member = schema.MEMBER
    levels = [lev if member in lev.dims else lev.expand_dims({member: [0]}, -1) for lev in levels]
    if len(levels) == 1:
        return levels[0]
    center = sum(level.median(member, skipna=False) for level in levels) / len(levels)
    joined = xr.concat([level.drop_vars(member, errors="ignore") for level in levels], member)
    joined = joined.transpose(*levels[0].dims).assign_coords(
        {member: np.arange(joined.sizes[member])}
    )
    return joined + (center - joined.median(member, skipna=False))


CALIBRATION_ORIGINS = 300  # issue times of a well in the validation period, at most
CALIBRATION_ORIGINS_OF_ENSEMBLES = 60  # where each has many weathers


def as_forecasting(forecaster: Forecaster) -> Forecaster:
    """Return a forecaster that forecasts: itself, or its simulation corrected by recent levels."""
    forecasts = type(forecaster).forecast is not Forecaster.forecast
    return forecaster if forecasts else Corrected([forecaster])


class Calibrated:
    """A forecaster and the intervals that were learnt from its hindcasts of the validation period.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted on the train period, with a method ``forecast``.
    horizon : int
        Lead times that intervals are learnt for; farther ones have the last one's widths.
    forcing : Forcing
        Weather of the hindcasts, which is that of the forecasts.

    Attributes
    ----------
    interval_ : LeadInterval
        The intervals.
    trained_through_ : xarray.DataArray
        Last step that the forecaster was fitted on, dims (well,), ``datetime64``.
    hindcasts_ : list of xarray.Dataset
        What the intervals were learnt from, with them: ``level`` (well, issue_time, lead_time,
        quantile), m, NaN outside the validation period; one for the wells of each set of issue
        times. Empty after a refit.
    """

    interval_: LeadInterval
    trained_through_: xr.DataArray

    def __init__(self, forecaster: Forecaster, *, horizon: int, forcing: Forcing) -> None:
        self.forecaster = forecaster
        self.horizon = horizon
        self.forcing = forcing
        self.hindcasts_: list[xr.Dataset] = []

    @property
    def name(self) -> str:
        """Name of the forecaster."""
        return self.forecaster.name

    def trained_through(self, well: str) -> np.datetime64:
        """Return the last step that the forecaster was fitted on at a well."""
        position = self.trained_through_.indexes[schema.WELL].get_loc(well)
        return np.datetime64(timeline.to_times(self.trained_through_.values[[position]])[0])

    def calibrate(self, observations: xr.Dataset, *, split: Split) -> Self:
        """Learn the intervals from hindcasts of the validation period.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        split : Split
            The periods of the fit.
        """
        single = isinstance(self.forcing, ObservedWeather)
        most = CALIBRATION_ORIGINS if single else CALIBRATION_ORIGINS_OF_ENSEMBLES
        parts = []
        self.hindcasts_ = []
        for wells, issued in spread_issue_times(
            observations, split, period="validation", most=most
        ):
            chosen = observations.sel({schema.WELL: wells})
            past = self.forecaster.forecast(
                chosen, issue_times=issued, horizon=self.horizon, forcing=self.forcing
            )
            past = mask_to_period(schema.validate_forecast(past), split, period="validation")
            levels = split.levels(chosen, "validation")
            parts.append(LeadInterval().fit(past, observed_at(levels, past)))
            self.hindcasts_.append(parts[-1].apply(past))  # members would take too much memory
        self.interval_ = LeadInterval.together(parts)
        self.trained_through_ = split.end_through("train")
        return self

    def refit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Return it with the forecaster refitted through the validation period."""
        again = copy.copy(self)
        again.forecaster = self.forecaster.refit(
            observations, split=split, through="validation", progress=progress
        )
        again.trained_through_ = split.end_through("validation")
        again.hindcasts_ = []
        return again

    def update(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Return it with the forecaster's training gone on through the validation period."""
        again = copy.copy(self)
        again.forecaster = self.forecaster.update(
            observations, split=split, through="validation", progress=progress
        )
        again.trained_through_ = split.end_through("validation")
        again.hindcasts_ = []
        return again

    def forecast(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int | None = None,
        forcing: Forcing | None = None,
        members: bool = False,
    ) -> xr.Dataset:
        """Return the forecasts of some issue times, and what they were made from.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        issue_times : numpy.ndarray
            Shape (issue_time,), steps of the time axis.
        horizon : int, optional
            Number of lead times; by default that of the calibration.
        forcing : Forcing, optional
            Weather after the issue times; by default the kind of the calibration.
        members : bool
            Return the members, networks under each weather, in the place of quantiles.

        Returns
        -------
        xarray.Dataset
            ``level`` (well, issue_time, lead_time, quantile | member), m; ``last_observation``
            (well, issue_time), the time of the last level that was used, NaT where none was; the
            attribute ``forcing``.
        """
        forcing = forcing or self.forcing
        issued = self.forecaster.forecast(
            observations,
            issue_times=issue_times,
            horizon=horizon or self.horizon,
            forcing=forcing,
        )
        schema.validate_forecast(issued)
        found = issued if members else self.interval_.apply(issued)
        last = last_observations(observations, found[schema.ISSUE_TIME].values)
        return found.assign(last_observation=last).assign_attrs(
            forcing=forcing.origin, model=self.name
        )


def last_observations(observations: xr.Dataset, issue_times: np.ndarray) -> xr.DataArray:
    """Return the time of the last level at or before each issue time, (well, issue_time)."""
    times = timeline.to_times(observations[schema.TIME].values)
    levels = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME).values
    place = np.where(np.isfinite(levels), np.arange(times.size), -1)
    place = np.maximum.accumulate(place, axis=1)
    issued = timeline.time_positions(times, issue_times, name="issue time")
    at = place[:, issued]
    found = np.where(at >= 0, times[np.maximum(at, 0)], np.datetime64("NaT"))
    return xr.DataArray(
        found.astype(schema.TIME_DTYPE),
        {schema.WELL: observations[schema.WELL].values, schema.ISSUE_TIME: issue_times},
        (schema.WELL, schema.ISSUE_TIME),
        attrs={"long_name": "time of the last level that was used"},
    )
