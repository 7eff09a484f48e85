"""What will the level be: a calibrated forecast in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.forecaster import Corrected, as_forecasting
from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.forcings.scenario import make_forcing
from gwforecast.models.base import Forecaster
from gwforecast.models.requirements import check_horizon, require_inputs, require_weather_at
from gwforecast.progress import ProgressOption, as_callback
from gwforecast.runs.catalogue import (
    BLEND,
    DEFAULT_SCHEDULE,
    make_forecasters,
    model_class,
    suited,
)
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import known_at, snap_issue_time
from gwforecast.sequences.split import Split, split_by_fraction

__all__ = [
    "TRAIN", "VALIDATION", "calibrate", "default_horizon", "fit_calibrated", "forecast",
    "latest_issue_time",
]  # fmt: skip


HORIZON_YEARS = 0.25
TRAIN, VALIDATION = 0.75, 0.25  # shares of the levels up to the issue time


def forecast(
    observations: xr.Dataset,
    *,
    issue_time: str | pd.Timestamp | np.datetime64 | None = None,
    horizon: int | None = None,
    forcing: str | Forcing = "climatology",
    models: Sequence[str | Forecaster] = DEFAULT_SCHEDULE,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    without_weather: bool = False,
    as_members: bool = False,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Forecast the levels after an issue time, from what was known then.

    The models are fitted on the first three quarters of the levels up to the issue time, their
    intervals are calibrated by hindcasts of the last quarter, and they are refitted on all of them.
    Several models are averaged, weighted by well. To issue many forecasts from one fit, use
    :func:`fit_calibrated`.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time). Levels after the issue time are not used, and covariates after it
        only with the forcing ``"observed"``.
    issue_time : time, optional
        A step of the time axis, or a time after one, which then counts; by default the last step
        with all covariates and a level of any well.
    horizon : int, optional
        Number of lead times; by default a quarter of a year.
    forcing : str or Forcing
        Weather after the issue time: ``"climatology"`` (that of each past year), ``"observed"``, or
        a weather forecast, ensemble or scenario from ``gwforecast.data``.
    as_members : bool
        Return members, one for each network and weather, instead of quantiles.
    models, settings, seed, members, workers, without_weather, progress
        As of :func:`gwforecast.evaluate`.

    Returns
    -------
    xarray.Dataset
        ``level`` (well, issue_time, lead_time, quantile | member), m; ``valid_time``;
        ``last_observation`` (well, issue_time); attributes ``forcing`` and ``model``.

    Raises
    ------
    SchemaError
        If the observations are not valid, the weather has gaps, or it ends before the issue time.
    ValueError
        If the horizon is more than 10,000 steps, or a lookback longer than the record.

    Examples
    --------
    >>> times = pd.date_range("2010-01-01", "2015-12-31")
    >>> wave = 10 + np.sin(2 * np.pi * np.arange(times.size) / 365.25)
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), wave[None])}, {"well": ["a"], "time": times}
    ... )
    >>> issued = forecast(observations, models=["climatology"], issue_time="2015-06-30", horizon=30)
    >>> dict(issued["level"].sizes)
    {'well': 1, 'issue_time': 1, 'lead_time': 30, 'quantile': 7}
    """
    schema.validate_observations(observations)
    times = observations[schema.TIME].values
    known = latest_issue_time(observations) if issue_time is None else issue_time
    issued = np.array([snap_issue_time(times, known)])
    weather = make_forcing(forcing)
    past = known_at(observations, issued[0], keep_weather=isinstance(weather, ObservedWeather))
    shared = {"seed": seed, "members": members, "workers": workers}
    forecasters = make_forecasters(
        suited(models, observations), settings=settings or {}, shared=shared
    )
    past, _ = require_inputs(forecasters, past, without_weather=without_weather)
    check_horizon(horizon or default_horizon(past))
    require_weather_at(forecasters.values(), past, issued[0])
    fitted = fit_calibrated(
        list(forecasters.values()),
        past,
        horizon=horizon,
        forcing=weather,
        progress=as_callback(progress),
    )
    return fitted.forecast(past, issue_times=issued, members=as_members)


def fit_calibrated(
    forecasters: Sequence[str | Forecaster],
    observations: xr.Dataset,
    *,
    horizon: int | None = None,
    forcing: str | Forcing = "climatology",
    progress: ProgressOption = None,
) -> Calibrated:
    """Fit, calibrate and refit on all levels; return a forecaster that issues forecasts.

    Parameters
    ----------
    forecasters : sequence of str or Forecaster
        One, or several that simulate, which are averaged; names as in :func:`forecast`.
    observations : xarray.Dataset
        Dimensions (well, time), up to the time of the fit.
    horizon : int, optional
        Lead times that intervals are estimated for; by default a quarter of a year.
    forcing : str or Forcing
        Weather after the issue times, as in :func:`forecast`.
    progress : bool or Progress, optional
        True shows bars with stage, well, member and time left; or a callback of your own.

    Returns
    -------
    Calibrated
        Its method ``forecast`` issues forecasts with quantiles, ``update`` uses new levels, and
        ``save`` stores it.
    """
    progress = as_callback(progress)
    chosen = [model_class(one)() if isinstance(one, str) else one for one in forecasters]
    weather = make_forcing(forcing)
    fitted, split = calibrate(
        chosen, observations, horizon=horizon, forcing=weather, progress=progress
    )
    return fitted.refit(observations, split=split, progress=progress)


def calibrate(
    forecasters: Sequence[Forecaster],
    observations: xr.Dataset,
    *,
    horizon: int | None = None,
    forcing: Forcing,
    progress: ProgressOption = None,
) -> tuple[Calibrated, Split]:
    """Fit and calibrate without the refit of :func:`fit_calibrated`; also return the periods."""
    one = as_forecasting(forecasters[0])
    if len(forecasters) > 1:
        one = Corrected(forecasters, name=BLEND)
    split = split_by_fraction(observations, train=TRAIN, validation=VALIDATION)
    one.fit(observations, split=split, progress=progress)
    fitted = Calibrated(one, horizon=horizon or default_horizon(observations), forcing=forcing)
    return fitted.calibrate(observations, split=split), split


def default_horizon(observations: xr.Dataset) -> int:
    """Return the number of steps in a quarter of a year."""
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    return max(1, round(HORIZON_YEARS * timeline.steps_per_year(frequency)))


def latest_issue_time(observations: xr.Dataset) -> np.datetime64:
    """Return the last step with a level of any well and all covariates of all wells.

    Raises SchemaError if there is no such step.
    """
    known = observations[schema.LEVEL].notnull().any(schema.WELL)
    for name in schema.covariate_names(observations):
        known = known & observations[name].notnull().all(schema.WELL)
    if not bool(known.any()):
        raise SchemaError(
            "A forecast needs a step with a level and all covariates. Received none. Bring the "
            "series to a common period."
        )
    return np.datetime64(observations[schema.TIME].values[np.flatnonzero(known.values)[-1]])
