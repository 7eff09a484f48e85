"""Is a well fit to be forecast? Ages of its data, and what is wrong with them.

What forecasts a well that no model can forecast: the climatology of its levels.
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
from gwforecast.timeline import DAYS, day_of_year

__all__ = ["FALLBACK", "FORECAST", "Limits", "Well", "by_climatology", "look"]


FORECAST = ("ok", "degraded")  # statuses of a well that a network forecasts
CHECKED = np.timedelta64(3 * 365, "D")  # before the issue time, as checks look at years
RECENT = np.timedelta64(365, "D")  # in which a fault spoils a forecast
LATE = np.timedelta64(45, "D")  # in which a doubtful level is one that forecasts start from
SPOILING = ("spikes", "unit")
DOUBTFUL = ("flat_line", "shift")
JUMP = 3.0  # times the greatest step before it is no step of groundwater
NEVER = np.datetime64("NaT", "us")


@dataclass(frozen=True)
class Limits:
    """How old data may be.

    Parameters
    ----------
    level_age, weather_age : float
        Days from the last level, or the last step with all covariates, to the issue time.
    """

    level_age: float = 45.0
    weather_age: float = 45.0


@dataclass
class Well:
    """What becomes of one well."""

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
    level: np.ndarray | None = None  # (lead_time, quantile)

    def doubt(self, status: str, reason: str) -> None:
        """Lower the status, and say why."""
        if self.status in FORECAST:
            self.status = status
        self.reasons.append(reason)


def look(
    level: Series, covariates: list[Series], issue_time: np.datetime64, limits: Limits
) -> Well:
    """Return a well with the ages of its data, and a status if they forbid a forecast.

    Parameters
    ----------
    level, covariates : Series
        Of the well, up to the issue time.
    issue_time : numpy.datetime64
        From which it is to be forecast.
    limits : Limits
        How old levels and weather may be.
    """
    well = Well(level.well)
    observed = level.known
    if not observed.size:
        well.doubt("no_data", "no level up to the issue time")
        return well
    well.last_observation = level.times[observed[-1]]
    complete = np.ones(level.times.size, bool)
    for covariate in covariates:
        complete &= ~np.isnan(covariate.values)
    if not complete.any():
        well.doubt("no_data", "no step with all covariates")
        return well
    well.origin = level.times[np.flatnonzero(complete)[-1]]
    well.last_covariate = well.origin if covariates else NEVER
    _judge_ages(well, issue_time, limits)
    _judge_checks(well, level, covariates, issue_time)
    _judge_last(well, level, issue_time)
    return well


def _judge_ages(well: Well, issue_time: np.datetime64, limits: Limits) -> None:
    for what, last, most in (
        ("the last level is of", well.last_observation, limits.level_age),
        ("weather ends", well.origin, limits.weather_age),
    ):
        days = float((issue_time - last) / np.timedelta64(1, "D"))
        if days > most:
            well.doubt(
                "stale",
                f"{what} {timeline.format_time(last)}, {days:g} days ago; {most:g} are allowed",
            )
        elif days > 0 and last is well.origin:
            well.doubt("degraded", f"{what} {timeline.format_time(last)}: forecast from there")


def _judge_checks(
    well: Well, level: Series, covariates: list[Series], issue_time: np.datetime64
) -> None:
    """Lower the status for errors of the last year, and for doubts about the last levels."""
    start = int(np.searchsorted(level.times, issue_time - CHECKED))
    try:
        found = checks.well_findings(
            level.since(start), [covariate.since(start) for covariate in covariates]
        )
    except (SchemaError, ValueError) as error:
        well.doubt("check_failed", str(error))
        return
    late = [row for row in found if row.variable == schema.LEVEL and row.last >= issue_time - LATE]
    wrong = [
        row
        for row in found
        if (row.severity == "error" and row.last >= issue_time - RECENT)
        or (row in late and row.check in SPOILING)
    ]
    for status, rows in (
        ("check_failed", wrong),
        ("degraded", [row for row in late if row.check in DOUBTFUL]),
    ):
        if rows:
            well.doubt(status, " ".join(row.message for row in rows))


def _judge_last(well: Well, level: Series, issue_time: np.datetime64) -> None:
    """Lower the status for a jump to the last levels, which no later level can show as a spike."""
    values = level.values[level.known]
    times, steps = level.times[level.known][1:], np.abs(np.diff(values))
    late = times >= issue_time - LATE
    if late.any() and not late.all():
        most = float(steps[~late].max())
        at = int(np.argmax(np.where(late, steps, -1.0)))
        if steps[at] > JUMP * most:
            well.doubt(
                "check_failed",
                f"A level changes by little from one to the next. Received a step of "
                f"{steps[at]:.3g} m to {values[at + 1]:.6g} m on "
                f"{timeline.format_time(times[at])}; the greatest before was {most:.3g} m. Check "
                "the sensor.",
            )


FALLBACK = Climatology.name
NEAR = 15  # days before and after a date whose past levels are those of its season


def by_climatology(
    observations: xr.Dataset, issue_time: np.datetime64, horizon: int
) -> tuple[np.ndarray, np.datetime64]:
    """Return the forecast of a well that has no other, and the end of the levels it knows.

    Its bands are those of a year without any news: as wide as the errors of the climatology in the
    past, and at no date narrower than the levels that all years had about that date.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time), of one well.
    issue_time : numpy.datetime64
        What comes after it is not looked at.
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
    past = observations[[schema.LEVEL]].sel({schema.TIME: slice(None, issue_time)})
    fitted = fit_calibrated([Climatology()], past, horizon=horizon, forcing=ClimatologyWeather())
    issued = fitted.forecast(past, issue_times=np.array([issue_time]))
    level = issued[schema.LEVEL].values[0, 0]
    if not np.isfinite(level).all():
        raise ValueError("too few errors in the past to tell the width of its interval")
    (name,) = past[schema.WELL].values
    seen = _quantiles_of_season(past, issued[schema.VALID_TIME].values[0])
    side = np.sign(np.array(QUANTILES) - 0.5)
    wide = np.select([side < 0, side > 0], [np.fmin(level, seen), np.fmax(level, seen)], level)
    return wide, fitted.trained_through(str(name))


def _quantiles_of_season(past: xr.Dataset, valid: np.ndarray) -> np.ndarray:
    """Return quantiles of the past levels about each date, (date, quantile); NaN without any."""
    known = past[schema.LEVEL][0].dropna(schema.TIME)
    levels, days = known.values, day_of_year(known[schema.TIME].values)
    found = np.full((valid.size, len(QUANTILES)), np.nan)
    for row, day in enumerate(day_of_year(valid)):
        apart = np.abs(days - day)
        near = levels[np.minimum(apart, DAYS - apart) <= NEAR]
        if near.size:
            found[row] = np.quantile(near, QUANTILES)
    return found
