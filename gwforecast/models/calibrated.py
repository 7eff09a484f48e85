"""A forecaster with calibrated intervals: what is fitted once and issued from many times."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.forcing import Forcing, ObservedWeather
from gwforecast.models.base import Forecaster, Progress
from gwforecast.models.corrected import Corrected
from gwforecast.models.lead_intervals import LeadInterval
from gwforecast.sequences.origins import mask_to_period, observed_at, spread_issue_times
from gwforecast.sequences.split import Split

__all__ = ["Calibrated", "as_forecasting"]

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
