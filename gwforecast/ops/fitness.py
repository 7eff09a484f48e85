"""Is a well fit to be forecast? Ages of its data, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gwforecast import schema, timeline
from gwforecast.data import quality
from gwforecast.data.findings import Series
from gwforecast.schema import SchemaError

__all__ = ["FORECAST", "STATUSES", "Limits", "Well", "look"]

STATUSES = {
    "ok": "forecast by its champion from data that are up to date",
    "degraded": "forecast by a network, but not as it should be; the reason says how",
    "stale": "levels or weather are too old; forecast by climatology",
    "no_data": "no levels",
    "check_failed": "levels or weather are wrong; forecast by climatology where that is possible",
    "model_missing": "no model was trained; forecast by climatology",
    "model_invalid": "no model can be read or fits the data; forecast by climatology",
    "error": "the model failed; forecast by climatology",
}
"""Statuses of a well and what they mean."""

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
        found = quality.well_findings(
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
