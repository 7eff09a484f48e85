"""Decide whether a well can be forecast: age of its data, and checks of the recent levels.

A well without a usable model is forecast from the climatology of its levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.models.naive import Climatology
from gwforecast.quality import checks
from gwforecast.quality.faults import quantile
from gwforecast.quality.gates import LevelRange, forecast_gate, physical_limits, plausible_range
from gwforecast.quality.rules import Finding, Series
from gwforecast.runs.forecast import fit_calibrated
from gwforecast.schema import BY_MODEL, SchemaError
from gwforecast.sequences.origins import known_at
from gwforecast.service.wells.acknowledge import Acknowledgement, is_acknowledged
from gwforecast.timeline import DAYS, day_of_year

__all__ = [
    "FALLBACK", "RECENT", "AgeLimits", "WellForecast", "check_well", "clean_levels",
    "find_jump", "forecast_by_climatology", "without_faults",
]  # fmt: skip


CHECKED = np.timedelta64(3 * 365, "D")  # length of the record that is checked
RECENT = np.timedelta64(365, "D")  # an error in this period prevents a forecast by a model
LATE = np.timedelta64(45, "D")  # forecasts start from the levels of this period
DISQUALIFYING = ("spikes", "unit")
SUSPICIOUS = ("flat_line", "shift")
JUMP = 3.0  # a step larger than this multiple of the largest earlier step is a fault
UNUSUAL, RARE = 1.5, 0.001  # a lasting step is larger than this times all but such a share before
HELD = 5  # levels whose median shows whether a jump has lasted
OVERDUE = 3.0  # times the usual wait for the next value
PATIENCE = 1.5  # the same for series whose usual wait is longer than the limit in days
NEVER = np.datetime64("NaT", "us")


@dataclass(frozen=True)
class AgeLimits:
    """Greatest age of data that a model may forecast from."""

    # days from the last level, or from the last step with all covariates, to the issue time. A
    # series with longer waits between its values may be one and a half of these old
    level_age: float = 45.0
    weather_age: float = 45.0


@dataclass
class WellForecast:
    """Forecast of one well at one issue time, and how it was made."""

    name: str
    status: str = "ok"  # one of WELL_STATUSES
    reasons: list[str] = field(default_factory=list)
    # forecaster, origin of the future weather and checksum of the bundle; empty if unused
    model: str = ""
    forcing: str = ""
    bundle: str = ""
    # last level, last step with all covariates, and end of the levels that the model was fitted on;
    # NaT if there is none
    last_observation: np.datetime64 = NEVER
    last_covariate: np.datetime64 = NEVER
    trained_through: np.datetime64 = NEVER
    # step that the model forecasts from: the end of the weather, at most the issue time
    origin: np.datetime64 = NEVER
    level: np.ndarray | None = None  # shape (lead_time, quantile), m
    # levels (m) and covariates up to the issue time; None before the well is checked
    series: Series | None = None
    covariates: list[Series] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)  # findings about the last three years
    # times of levels that failed a check. No forecast uses them
    rejected: np.ndarray = field(default_factory=lambda: np.empty(0, "datetime64[us]"))
    # whether the inputs failed a check, so that no model may forecast the well
    barred: bool = False
    changes: Sequence[Acknowledgement] = ()  # acknowledged changes of its levels

    def reject(self, times: np.ndarray) -> None:
        """Leave the levels at some times out of all forecasts."""
        self.rejected = np.union1d(self.rejected, times)

    def bar(self, reason: str) -> None:
        """Keep every model from forecasting the well, because its inputs failed a check."""
        self.lower("check_failed", reason)
        self.barred = True

    def lower(self, status: str, reason: str) -> None:
        """Lower the status of a well that could still be forecast by a model, and add a reason."""
        if self.status in BY_MODEL:
            self.status = status
        self.reasons.append(reason)


def check_well(
    level: Series,
    covariates: list[Series],
    *,
    issue_time: np.datetime64,
    limits: AgeLimits,
    changes: Sequence[Acknowledgement] = (),
) -> WellForecast:
    """Return a well with the ages of its data and the status that they allow.

    ``level``, ``covariates``: levels (m) and covariates of the well up to the issue time;
    ``changes``: changes of the levels that a person has acknowledged; they are not flagged.
    """
    well = WellForecast(level.well, series=level, covariates=covariates, changes=changes)
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
    _check_findings(well, level, issue_time)
    _check_last_step(well, level, issue_time)
    return well


def _check_ages(well: WellForecast, issue_time: np.datetime64, limits: AgeLimits) -> None:
    """Lower the status for old data: by the limits in days, and by the usual wait of the series."""
    assert well.series is not None  # noqa: S101 - set by check_well
    step = float(np.median(np.diff(well.series.days[-20:]))) if well.series.days.size > 1 else 1.0
    usual = _usual_wait(well.series)
    for what, last, most, wait in (
        ("the last level is from", well.last_observation, limits.level_age, usual),
        ("the weather ends on", well.origin, limits.weather_age, step),
    ):
        days = float((issue_time - last) / np.timedelta64(1, "D"))
        most = max(most, PATIENCE * wait) if most > 0 else most
        age = f"{what} {timeline.format_time(last)}, {days:g} days ({days / step:.0f} steps)"
        if days > most:
            well.lower("stale", f"{age} before the issue time; the limit is {most:g} days")
        elif days > 0 and last is well.origin:
            well.lower(
                "degraded",
                f"{what} {timeline.format_time(last)}, and the model forecasts from that step",
            )
        elif days > OVERDUE * wait + 0.5 * step:
            well.lower(
                "degraded",
                f"{age} before the issue time; its values usually follow within {wait:g} days",
            )


def _usual_wait(series: Series) -> float:
    """Return the time within which nine of ten values of the last years were followed, d."""
    waits = np.diff(series.days[series.known[-400:]])
    if waits.size < HELD:
        return float(np.median(np.diff(series.days))) if series.days.size > 1 else 1.0
    return quantile(waits, 0.9, method="higher")


def _check_findings(well: WellForecast, level: Series, issue_time: np.datetime64) -> None:
    """Lower the status for errors in the last year and for suspicious recent levels."""
    start = int(np.searchsorted(level.times, issue_time - CHECKED))
    recent = level.since(start)
    try:
        found = checks.well_findings(
            recent, [covariate.since(start) for covariate in well.covariates]
        )
    except (SchemaError, ValueError) as error:
        well.bar(str(error))
        return
    well.reject(recent.times[np.union1d(recent.coded, recent.spikes)])
    found = [
        row
        for row in found
        if not is_acknowledged(row, well.changes)
        and not (row.check == "shift" and _usual(row, level))
    ]
    well.found = found
    late = [row for row in found if row.variable == schema.LEVEL and row.last >= issue_time - LATE]
    stuck = [row for row in found if row.check == "flat_line" and row.last >= issue_time - LATE]
    wrong = [
        row
        for row in found
        if (row.severity == "error" and row.last >= issue_time - RECENT)
        or (row in late and row.check in DISQUALIFYING)
    ]
    for status, rows in (
        ("check_failed", wrong),
        ("degraded", [row for row in late if row.check in SUSPICIOUS and row not in stuck] + stuck),
    ):
        if rows:
            well.lower(status, " ".join(row.message for row in rows))
        if rows and status == "check_failed":
            well.barred = True
    for row in wrong:
        if row.variable == schema.LEVEL and row.check in DISQUALIFYING:
            well.reject(recent.times[row.positions])


def _usual(shift: Finding, level: Series) -> bool:
    """Return whether the record before a shift has steps of its size, as of quick recharge."""
    known = level.clean
    speeds = np.abs(np.diff(level.values[known])) / np.sqrt(np.diff(level.days[known]))
    at = int(np.searchsorted(level.times[known][1:], shift.first))
    if at >= speeds.size or at < 1:
        return False
    largest = quantile(speeds[:at], 1 - RARE, method="higher")
    return bool(speeds[at] <= UNUSUAL * largest)


def _check_last_step(well: WellForecast, level: Series, issue_time: np.datetime64) -> None:
    """Lower the status for a jump in the last levels, where a spike cannot be recognised yet."""
    jump = find_jump(level, issue_time - LATE, lasting=False, changes=well.changes)
    if jump is not None:
        well.bar(jump.message)
        well.reject(level.times[jump.positions])


def find_jump(
    level: Series, since: np.datetime64, *, lasting: bool, changes: Sequence[Acknowledgement] = ()
) -> Finding | None:
    """Return a finding of the largest step that no earlier levels explain, None without one.

    Steps are compared after division by the square root of their durations, because a level can
    change more in a longer time.

    ``since``: steps from this time on are compared with those before it; ``lasting``: only find a
    jump after which the levels have not returned; ``changes``: changes whose steps are not jumps.

    Returns
    -------
    Finding or None
        Its positions are those of the levels after the jump.
    """
    known = level.measured
    values, times = level.values[known], level.times[known]
    late, early = times[1:] >= since, times[1:] < since
    for change in changes:
        known_since = (times[1:] >= change.first) & (times[1:] <= change.last)
        late, early = late & ~known_since, early & ~known_since
    if not late.any() or not early.any():
        return None
    steps = np.diff(values)
    speeds = np.abs(steps) / np.sqrt(np.diff(level.days[known]))
    most = float(speeds[early].max())
    at = int(np.argmax(np.where(late, speeds, -1.0)))
    if speeds[at] <= JUMP * most:
        return None
    before = np.median(values[max(0, at + 1 - HELD) : at + 1])
    if lasting and abs(np.median(values[at + 1 :][-HELD:]) - before) < 0.5 * abs(steps[at]):
        return None
    largest = float(np.abs(steps[early]).max())
    return level.finding(
        "jump", "error", positions=known[at + 1 :], value=steps[at],
        rule="Levels change little from one to the next.",
        received=f"a step of {abs(steps[at]):.3g} m to {values[at + 1]:.6g} m on "
        f"{timeline.format_time(times[at + 1])}; the largest step before was {largest:.3g} m;",
        fix="Check the sensor. If the step is real or a new datum, run gwforecast acknowledge, or "
        "train the model again.",
    )  # fmt: skip


def clean_levels(data: xr.Dataset, rejected: np.ndarray) -> xr.Dataset:
    """Return the data of one well without levels that were rejected or are far from all others.

    ``data``: dimensions (well, time), of one well; ``rejected``: times of levels that failed a
    check.
    """
    ((level, _),) = checks.series_of(data[[schema.LEVEL]])
    good = np.zeros(level.values.size, bool)
    good[level.clean] = True
    good &= ~np.isin(level.times, rejected)
    low, high = physical_limits("level", 1.0)
    good &= (level.values >= low) & (level.values <= high)
    usual = plausible_range(replace(level, values=np.where(good, level.values, np.nan)))
    if usual is not None:
        good &= (level.values >= usual.low) & (level.values <= usual.high)
    kept = data[schema.LEVEL].copy(data=np.where(good, level.values, np.nan)[None])
    return data.assign({schema.LEVEL: kept})


def without_faults(observations: xr.Dataset, wells: Sequence[str]) -> xr.Dataset:
    """Return observations without the levels of some wells that are codes or far from all others.

    ``observations``: dimensions (well, time). No page may show such levels as measured.
    """
    level = observations[schema.LEVEL].copy(deep=True)
    for well in wells:
        at = {schema.WELL: [well]}
        level.loc[at] = clean_levels(observations.sel(at), level[schema.TIME].values[:0])[
            level.name
        ]
    return observations.assign({schema.LEVEL: level})


FALLBACK = Climatology.name
NEAR = 15  # days before and after a date whose past levels belong to its season


def forecast_by_climatology(
    observations: xr.Dataset, issue_time: np.datetime64, *, horizon: int
) -> tuple[np.ndarray, np.datetime64]:
    """Return a forecast from climatology, and the time of the last level it was fitted on.

    The interval is as wide as the past errors of the climatology, and at each date it also covers
    the levels of all years in that season.

    ``observations``: dimensions (well, time), of one well.

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
    known = past[schema.LEVEL].values[np.isfinite(past[schema.LEVEL].values)]
    status, reason = forecast_gate(wide, LevelRange(float(known.min()), float(known.max())))
    if status == "check_failed":
        raise ValueError(reason)
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
