"""Forecasts from simulations: what the weather says, corrected by the levels at the issue time."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.forcing import Forcing
from gwforecast.models.base import Forecaster, Progress
from gwforecast.models.correction import ErrorModel
from gwforecast.sequences.split import Period, Split

__all__ = ["Corrected"]

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
    past_errors_ : xarray.DataArray
        Observed minus simulated levels of the validation period, (well, time), m, from the fits on
        the train period: after a refit these rows would look better than they are.

    Examples
    --------
    >>> import pandas as pd
    >>> from gwforecast.data.forcing import ObservedWeather
    >>> from gwforecast.models.naive import DayOfYearClimatology
    >>> from gwforecast.sequences.split import split_by_fraction
    >>> time = pd.date_range("2000-01-01", "2009-12-31")
    >>> wave = np.sin(2 * np.pi * np.arange(time.size) / 365.25) + 0.1 * np.arange(time.size) / 365
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), wave[None])}, {"well": ["a"], "time": time}
    ... )
    >>> split = split_by_fraction(observations)
    >>> model = Corrected([DayOfYearClimatology()]).fit(observations, split=split)
    >>> ahead = model.forecast(
    ...     observations, issue_times=time[[3000]], horizon=10, forcing=ObservedWeather()
    ... )
    >>> error = ahead["level"].values[0, 0, :, 0] - wave[3001:3011]
    >>> bool(np.abs(error).max() < 0.1)
    True
    """

    error_model_: ErrorModel
    past_errors_: xr.DataArray

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
        self.past_errors_ = (levels - central).rename("error")
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
            Last period whose rows the refits have seen. Where they reach beyond the errors that are
            known, those of the fits until now are added, which had not seen these rows.
        """
        again = copy.copy(self)
        again.parts = list(parts)
        time = observations[schema.TIME]
        newer = (time > self._last_error()) & (time <= split.end_through(through))
        if bool(newer.any()):
            errors = (observations[schema.LEVEL] - self._central(observations)).where(newer)
            again.past_errors_ = self.past_errors_.reindex_like(errors).fillna(errors)
        return again

    def _last_error(self) -> xr.DataArray:
        """Return the time of the last error that is known, dims (well,)."""
        time = self.past_errors_[schema.TIME]
        last: xr.DataArray = time.where(self.past_errors_.notnull()).max(schema.TIME)
        return last

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather before a level it may depend on."""
        return max(part.memory(frequency) for part in self.parts)

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step without correction, (well, time, member), m."""
        levels = [part.simulate(observations)[schema.LEVEL] for part in self.parts]
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
        history = self.simulate(observations)[schema.LEVEL]
        projected = _together([
            part.project(observations, issue_times=issue_times, horizon=horizon, forcing=forcing)
            for part in self.parts
        ])  # fmt: skip
        times = observations[schema.TIME].values
        issued = timeline.time_positions(times, issue_times, name="issue time")
        states = self._states(observations, history)[:, issued]
        weathers = projected.sizes[schema.WEATHER]
        # every network has its own error, whatever the weather after the issue time
        flat = projected.values.reshape(*projected.shape[:3], -1)
        level = self.error_model_.correct(
            flat,
            states=np.tile(states, (1, 1, weathers, 1)),
            simulated=np.tile(history.values[:, issued], (1, 1, weathers)),
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

    def _states(self, observations: xr.Dataset, history: xr.DataArray) -> np.ndarray:
        """Return the error's parts at each step, shape (well, time, member, 2), m."""
        past = self.past_errors_.reindex(
            {dim: observations[dim].values for dim in (schema.WELL, schema.TIME)}
        )
        error = observations[schema.LEVEL] - history
        # rows that a refit has seen: the errors of the fit that had not
        error = error.where(~self._refitted_rows(observations), past)
        error = error.transpose(schema.WELL, schema.TIME, schema.MEMBER)
        return self.error_model_.states(error)

    def _refitted_rows(self, observations: xr.Dataset) -> xr.DataArray:
        last = self._last_error().reindex({schema.WELL: observations[schema.WELL].values})
        return observations[schema.TIME] <= last

    def _central(self, observations: xr.Dataset) -> xr.DataArray:
        level = self.simulate(observations)[schema.LEVEL]
        return level.median(schema.MEMBER)


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
