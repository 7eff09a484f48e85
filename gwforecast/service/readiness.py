"""Decide whether a well can be forecast: age of its data, and checks of the recent levels.

A well without a usable model is forecast from the climatology of its levels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.models.naive import Climatology
from gwforecast.quality import checks
from gwforecast.quality.rules import Series
from gwforecast.runs.forecast import fit_calibrated
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import known_at
from gwforecast.timeline import DAYS, day_of_year

__all__ = [
    "BY_MODEL",
    "FALLBACK",
    "RECENT",
    "AgeLimits",
    "WellForecast",
    "check_well",
    "forecast_by_climatology",
]


BY_MODEL = ("ok", "degraded")  # statuses of wells that a trained model forecasts
CHECKED = np.timedelta64(3 * 365, "D")  # length of the record that is checked
RECENT = np.timedelta64(365, "D")  # an error in this period prevents a forecast by a model
LATE = np.timedelta64(45, "D")  # forecasts start from the levels of this period
DISQUALIFYING = ("spikes", "unit")
SUSPICIOUS = ("flat_line", "shift")
JUMP = 3.0  # a step larger than this multiple of the largest earlier step is a fault
NEVER = np.datetime64("NaT", "us")


@dataclass(frozen=True)
class AgeLimits:
    """Greatest age of data that a model may forecast from.

    Parameters
    ----------
    level_age, weather_age : float
        Days from the last level, or from the last step with all covariates, to the issue time.
    """

    level_age: float = 45.0
    weather_age: float = 45.0


@dataclass
class WellForecast:
    """Forecast of one well at one issue time, and how it was made.

    Parameters
    ----------
    name : str
        Name of the well.
    status : str
        One of :data:`gwforecast.schema.WELL_STATUSES`.
    reasons : list of str
        Reasons for the status.
    model, forcing, bundle : str
        Forecaster, origin of the future weather and checksum of the bundle; empty if unused.
    last_observation, last_covariate, trained_through : numpy.datetime64
        Last level, last step with all covariates, and end of the levels that the model was fitted
        on; NaT if there is none.
    origin : numpy.datetime64
        Step that the model forecasts from: the end of the weather, at most the issue time.
    level : numpy.ndarray or None
        Shape (lead_time, quantile), m.
    """

    name: str
    status: str = "ok"
    reasons: list[str] = field(default_factory=list)
    model: str = ""
    forcing: str = ""
    bundle: str = ""
    last_observation: np.datetime64 = NEVER
    last_covariate: np.datetime64 = NEVER
    trained_through: np.datetime64 = NEVER
    origin: np.datetime64 = NEVER
    level: np.ndarray | None = None

    def lower(self, status: str, reason: str) -> None:
        """Lower the status of a well that could still be forecast by a model, and add a reason."""
        if self.status in BY_MODEL:
            self.status = status
        self.reasons.append(reason)


def check_well(
    level: Series, covariates: list[Series], issue_time: np.datetime64, *, limits: AgeLimits
) -> WellForecast:
    """Return a well with the ages of its data and the status that they allow.

    Parameters
    ----------
    level, covariates : Series
        Levels (m) and covariates of the well up to the issue time.
    issue_time : numpy.datetime64
        Issue time of the forecast.
    limits : AgeLimits
        Greatest age of levels and weather.
    """
    well = WellForecast(level.well)
    observed = level.known
    if not observed.size:
        well.lower("no_data", "there is no level up to the issue time")
        return well
    well.last_observation = level.times[observed[-1]]
    complete = np.ones(level.times.size, bool)
    for covariate in covariates:
        complete &= ~np.isnan(covariate.values)
    if not complete.any():
        well.lower("no_data", "there is no time step with all covariates")
        return well
    well.origin = level.times[np.flatnonzero(complete)[-1]]
    well.last_covariate = well.origin if covariates else NEVER
    _check_ages(well, issue_time, limits)
    _check_findings(well, level, covariates, issue_time)
    _check_last_step(well, level, issue_time)
    return well


def _check_ages(well: WellForecast, issue_time: np.datetime64, limits: AgeLimits) -> None:
    for what, last, most in (
        ("the last level is from", well.last_observation, limits.level_age),
        ("the weather ends on", well.origin, limits.weather_age),
    ):
        days = float((issue_time - last) / np.timedelta64(1, "D"))
        if days > most:
            well.lower(
                "stale",
                f"{what} {timeline.format_time(last)}, {days:g} days before the issue time; the "
                f"limit is {most:g} days",
            )
        elif days > 0 and last is well.origin:
            well.lower(
                "degraded",
                f"{what} {timeline.format_time(last)}, and the model forecasts from that step",
            )


def _check_findings(
    well: WellForecast, level: Series, covariates: list[Series], issue_time: np.datetime64
) -> None:
    """Lower the status for errors in the last year and for suspicious recent levels."""
    start = int(np.searchsorted(level.times, issue_time - CHECKED))
    try:
        found = checks.well_findings(
            level.since(start), [covariate.since(start) for covariate in covariates]
        )
    except (SchemaError, ValueError) as error:
        well.lower("check_failed", str(error))
        return
    late = [row for row in found if row.variable == schema.LEVEL and row.last >= issue_time - LATE]
    wrong = [
        row
        for row in found
        if (row.severity == "error" and row.last >= issue_time - RECENT)
        or (row in late and row.check in DISQUALIFYING)
    ]
    for status, rows in (
        ("check_failed", wrong),
        ("degraded", [row for row in late if row.check in SUSPICIOUS]),
    ):
        if rows:
            well.lower(status, " ".join(row.message for row in rows))


def _check_last_step(well: WellForecast, level: Series, issue_time: np.datetime64) -> None:
    """Lower the status for a jump in the last levels, where a spike cannot be recognised yet."""
    values = level.values[level.known]
    times, steps = level.times[level.known][1:], np.abs(np.diff(values))
    late = times >= issue_time - LATE
    if late.any() and not late.all():
        most = float(steps[~late].max())
        at = int(np.argmax(np.where(late, steps, -1.0)))
        if steps[at] > JUMP * most:
            well.lower(
                "check_failed",
                f"Levels change little from one to the next. Received a step of "
                f"{steps[at]:.3g} m to {values[at + 1]:.6g} m on "
                f"{timeline.format_time(times[at])}; the largest step before was {most:.3g} m. "
                "Check the sensor.",
            )


FALLBACK = Climatology.name
NEAR = 15  # days before and after a date whose past levels belong to its season


def forecast_by_climatology(
    observations: xr.Dataset, issue_time: np.datetime64, *, horizon: int
) -> tuple[np.ndarray, np.datetime64]:
    """Return a forecast from climatology, and the time of the last level it was fitted on.

    The interval is as wide as the past errors of the climatology, and at each date it also covers
    the levels of all years in that season.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time), of one well.
    issue_time : numpy.datetime64
        Later values are not used.
    horizon : int
        Number of lead times.

    Returns
    -------
    numpy.ndarray
        Shape (lead_time, quantile), m; quantiles in the order of ``QUANTILES``.
    numpy.datetime64
        Time of the last level.

    Raises
    ------
    SchemaError, ValueError
        If there are too few levels.
    """
    past = known_at(observations[[schema.LEVEL]], issue_time)
    fitted = fit_calibrated([Climatology()], past, horizon=horizon, forcing=ClimatologyWeather())
    issued = fitted.forecast(past, issue_times=np.array([issue_time]))
    level = issued[schema.LEVEL].values[0, 0]
    if not np.isfinite(level).all():
        raise ValueError("there are too few past errors to calibrate its interval")
    (name,) = past[schema.WELL].values
    seen = _seasonal_quantiles(past, issued[schema.VALID_TIME].values[0])
    side = np.sign(np.array(QUANTILES) - 0.5)
    wide = np.select([side < 0, side > 0], [np.fmin(level, seen), np.fmax(level, seen)], level)
    return wide, fitted.trained_through(str(name))


def _seasonal_quantiles(past: xr.Dataset, valid: np.ndarray) -> np.ndarray:
    """Return quantiles of past levels near each date, (date, quantile), m; NaN without levels."""
    known = past[schema.LEVEL][0].dropna(schema.TIME)
    levels, days = known.values, day_of_year(known[schema.TIME].values)
    found = np.full((valid.size, len(QUANTILES)), np.nan)
    for row, day in enumerate(day_of_year(valid)):
        apart = np.abs(days - day)
        near = levels[np.minimum(apart, DAYS - apart) <= NEAR]
        if near.size:
            found[row] = np.quantile(near, QUANTILES)
    return found
