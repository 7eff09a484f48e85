"""Gates: whether the inputs of a scheduled forecast, and the forecast itself, are possible.

Checks compare a series with itself; gates compare it with what the model was trained on, widened
generously by the kind of the variable, and with physical limits. What fails is never forecast from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.quality.checks import series_of
from gwforecast.quality.faults import quantile
from gwforecast.quality.rules import Finding, Series

__all__ = [
    "LevelRange", "Ranges", "allowed_levels", "covariate_gate", "forecast_gate", "level_gate",
    "physical_limits", "plausible_range", "record_gate", "training_ranges",
]  # fmt: skip

WINDOWS = (0, 30, 90, 365)  # d; means over these periods have ranges, 0 is a single step
SPREAD, ENDING = 11, 6  # steps of the training, and its last ones, that are compared later
SAMPLES = SPREAD + ENDING
CHECKED = np.timedelta64(2 * 365, "D")  # means are compared in this period before the issue time
LEAST_MARGIN = 0.5  # m; levels may always be this far outside their earlier range
MOVED = 0.1, 0.03  # share of the range, and m: a record that is moved by more is another record
OTHER = 0.2  # share of the range: the same for a record that differs to both sides
CHANGED = 0.6  # times the mean deviation: weather that differs more is that of another station
WIDEST_BAND = 8.0  # times the range of the levels
TEMPERATURES = ("temperature", "temperature_min", "temperature_max")
BY_MONTH = (*TEMPERATURES, "evapotranspiration", "radiation")
NEVER = np.datetime64("NaT", "us")


@dataclass(frozen=True)
class LevelRange:
    """Lowest and highest level, m, and the bottom and the top that no level can pass."""

    low: float
    high: float
    bottom: float = -np.inf
    top: float = np.inf

    @property
    def span(self) -> float:
        """Difference of the highest and the lowest level, m."""
        return self.high - self.low


@dataclass(frozen=True, eq=False)
class Ranges:
    """What the series of some wells were like in training."""

    wells: list[str]
    variables: list[str]  # the level and the covariates
    # shape (well, variable, window, month, 2): lowest and highest mean over each of
    # :data:`WINDOWS`, in the calendar month and those beside it; NaN where there is none
    bounds: np.ndarray
    times: np.ndarray  # shape (well, sample): times of some levels, NaT where there are fewer
    samples: np.ndarray  # shape (well, variable, sample): levels and covariates at these times

    def level(self, well: str) -> LevelRange | None:
        """Return the range of the levels of a well; None without levels."""
        return self.levels.get(well)

    def of(self, well: str, variable: str) -> np.ndarray | None:
        """Return the bounds of a variable, (window, month, 2); None if it is unknown."""
        if well not in self.rows or variable not in self.variables:
            return None
        return np.asarray(self.bounds[self.rows[well], self.variables.index(variable)])

    @cached_property
    def levels(self) -> dict[str, LevelRange]:
        """Range of the levels of each well that has some."""
        if schema.LEVEL not in self.variables:
            return {}
        bounds = self.bounds[:, self.variables.index(schema.LEVEL), 0]
        low, high = (f.reduce(bounds, axis=(1, 2)).tolist() for f in (np.fmin, np.fmax))
        ranges = dict(zip(self.wells, map(LevelRange, low, high), strict=True))
        return {well: one for well, one in ranges.items() if not np.isnan(one.low)}

    @cached_property
    def rows(self) -> dict[str, int]:
        """Position of each well."""
        return {well: row for row, well in enumerate(self.wells)}

    def of_training(self, series: Series) -> tuple[np.ndarray, np.ndarray] | None:
        """Return where a series has the times of its samples, and the samples; None if few."""
        if series.well not in self.rows or series.variable not in self.variables:
            return None
        row, column = self.rows[series.well], self.variables.index(series.variable)
        times, samples = self.times[row], self.samples[row, column]
        there = ~np.isnat(times) & np.isfinite(samples)
        times, samples = times[there], samples[there]
        at = np.minimum(np.searchsorted(series.times, times), series.times.size - 1)
        same = (series.times[at] == times) & np.isfinite(series.values[at])
        return (at[same], samples[same]) if same.sum() >= SAMPLES // 2 else None

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return names as plain JSON, and arrays by name."""
        arrays = {
            "bounds": self.bounds.astype(np.float32),
            "times": self.times.astype(schema.TIME_DTYPE),
            "samples": self.samples.astype(float),
        }
        return {"wells": self.wells, "variables": self.variables}, arrays

    @classmethod
    def from_state(cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the ranges whose state :meth:`to_state` returned.

        Raises KeyError, TypeError or ValueError if an entry is missing, or has another type or
        shape.
        """
        wells = [str(well) for well in description["wells"]]
        variables = [str(name) for name in description["variables"]]
        bounds, times, samples = (arrays[name] for name in ("bounds", "times", "samples"))
        both = len(wells), len(variables)
        shapes = (*both, len(WINDOWS), 12, 2), (both[0], SAMPLES), (*both, SAMPLES)
        if (bounds.shape, times.shape, samples.shape) != shapes:
            raise ValueError(f"ranges must have the shapes {shapes}")
        if np.isinf(bounds).any() or np.isinf(samples).any() or times.dtype.kind != "M":
            raise ValueError("ranges must not be infinite")
        return cls(wells, variables, bounds.astype(float), times, samples)


def training_ranges(observations: xr.Dataset) -> Ranges:
    """Return the ranges of all variables of observations (well, time) that are trained on.

    Codes, spikes and impossible values do not count.
    """
    names = [schema.LEVEL, *schema.covariate_names(observations)]
    times = observations[schema.TIME].values
    step = _step(times)
    wells = schema.well_names(observations)
    bounds = np.full((len(wells), len(names), len(WINDOWS), 12, 2), np.nan)
    sampled = np.full((len(wells), SAMPLES), NEVER)
    samples = np.full((len(wells), len(names), SAMPLES), np.nan)
    for row, (level, covariates) in enumerate(series_of(observations)):
        for column, series in enumerate((level, *covariates)):
            good = level.clean if series is level else series.measured
            values = np.full(series.values.size, np.nan)
            values[good] = series.values[good]
            low, high = physical_limits(series.kind, step)
            values[(values < low) | (values > high)] = np.nan
            windows = WINDOWS[:1] if series is level else WINDOWS
            for number, window in enumerate(windows):
                bounds[row, column, number] = _by_month(_mean(values, window, step), times)
        known = level.clean
        if known.size:
            spread = np.linspace(0, known.size - 1, SPREAD).astype(int)
            chosen = known[np.union1d(spread, np.arange(known.size)[-ENDING:])]
            sampled[row, : chosen.size] = level.times[chosen]
            for column, series in enumerate((level, *covariates)):
                samples[row, column, : chosen.size] = series.values[chosen]
    return Ranges(wells, names, bounds, sampled, samples)


def physical_limits(kind: str, step: float) -> tuple[float, float]:
    """Return the least and the greatest possible value of a kind of variable."""
    if kind in TEMPERATURES:
        return -95.0, 65.0
    limits = {
        "rain": (-0.5, 2000.0 * np.sqrt(step)),
        "evapotranspiration": (-10.0 * step, 30.0 * step),
        "humidity": (-1.0, 110.0),
        "level": (-5000.0, 9000.0),
        "wind": (-0.1, 150.0),
        "snow": (-1.0, np.inf),
    }
    return limits.get(kind, (-np.inf, np.inf))


def covariate_gate(
    series: Series, bounds: np.ndarray | None, *, issue_time: np.datetime64, ahead: bool = False
) -> list[Finding]:
    """Return the findings of impossible values of a covariate, at most one for each window.

    The bounds (window, month, 2) are those of :class:`Ranges`, None where they are unknown.
    """
    if not series.known.size:
        return []
    step = _step(series.times)
    low, high = physical_limits(series.kind, step)
    found = _outside(series, series.values, np.array([[low, high]]), "", slice(None))
    if found or bounds is None:
        return found
    month = _months(series.times)
    late = slice(int(np.searchsorted(series.times, issue_time - CHECKED)), None)
    for number, window in enumerate(WINDOWS):
        if window and (ahead or window <= step):
            continue
        allowed = _widened(series.kind, bounds[number], window, step)[month]
        part = slice(None) if window == 0 else late
        means = _mean(series.values, window, step)
        what = f"a mean over {window} days of " if window else ""
        found += _outside(series, means, allowed, what, part, trained=bounds[number][month])
        if found:
            return found
    return found


def plausible_range(level: Series) -> LevelRange | None:
    """Return the range of the clean levels of a record, widened; None with fewer than 10.

    Values far from the bulk of the record do not widen it.
    """
    values = level.values[level.clean]
    if values.size < 10:
        return None
    low, high = quantile(values, 0.02), quantile(values, 0.98)
    margin = max(2.0 * (high - low), LEAST_MARGIN)
    return LevelRange(float(low - margin), float(high + margin))


def allowed_levels(trained: LevelRange) -> tuple[float, float]:
    """Return the lowest and the highest level that a gate lets pass, m."""
    margin = max(trained.span, LEAST_MARGIN)
    low, high = max(trained.low - margin, trained.bottom), min(trained.high + margin, trained.top)
    # a well that has been above its top before is artesian, or the top is wrong
    return min(low, trained.low), max(high, trained.high)


def level_gate(level: Series, trained: LevelRange, *, since: np.datetime64) -> list[Finding]:
    """Return findings of levels that are too far outside the range of those of the training."""
    low, high = allowed_levels(trained)
    late = np.flatnonzero(level.times > since)
    bad = late[(level.values[late] < low) | (level.values[late] > high)]
    if not bad.size:
        return []
    return [
        level.finding(
            "range", "error", positions=bad, value=level.values[bad[-1]],
            rule=f"Levels stay near the range of the training, {trained.low:.6g} to "
            f"{trained.high:.6g} m; {low:.6g} to {high:.6g} m are accepted.",
            received=f"{bad.size} values, the last {level.values[bad[-1]]:.6g} m,",
            fix="Check the sensor, the unit, the datum and the file of the well; if the change is "
            "real, train the model again.",
        )
    ]  # fmt: skip


def record_gate(series: Series, ranges: Ranges, *, moved: float = 0.0) -> list[Finding]:
    """Return a finding if the values of the training have changed in a record.

    That is the record of another well or station, or one in another unit or datum. The datum of
    levels may have moved since then by an acknowledged difference, m.
    """
    known = ranges.of_training(series)
    if known is None:
        return []
    at, before = known[0], known[1] + moved
    signed = series.values[at] - before
    change = np.abs(signed)
    if series.kind == "level":
        trained = ranges.level(series.well)
        span = trained.span if trained is not None else 0.0
        one_sided = abs(float(np.median(signed))) > 0.5 * float(np.median(change))
        size = float(np.median(change))
        most = max((MOVED[0] if one_sided else OTHER) * span, MOVED[1])
        ending = float(np.median(change[-ENDING:]))
        if ending > max(MOVED[0] * span, MOVED[1]):  # the last levels of the training have moved
            size, most = max(size, ending), 0.0
    else:
        size = float(change.mean())
        most = CHANGED * float(np.abs(before - np.median(before)).mean())
        most = most if most > 0 else np.inf
    if size <= most:
        return []
    return [
        series.finding(
            "record", "error", positions=at, value=size,
            rule="The values that a model was trained on do not change afterwards.",
            received=f"values that differ from them by {size:.4g} on average",
            fix="Check whether the file holds another well or station, unit or datum; if the "
            "record is right, train the model again.",
        )
    ]  # fmt: skip


def forecast_gate(
    level: np.ndarray, observed: LevelRange, *, last: float | None = None
) -> tuple[str, str]:
    """Return the status that a forecast allows, and the reason; ``("ok", "")`` if it is possible.

    The forecast has the shape (lead_time, quantile), m, the median in the middle; ``last`` is the
    last known level, m.
    """
    low, high = allowed_levels(observed)
    middle = level[:, level.shape[1] // 2]
    received = f"{middle.min():.6g} to {middle.max():.6g} m"
    if (middle < low).any() or (middle > high).any():
        return "check_failed", (
            f"A forecast stays near the range of the observed levels, {observed.low:.6g} to "
            f"{observed.high:.6g} m; {low:.6g} to {high:.6g} m are accepted. The model gave a "
            f"median of {received}. Check the weather, or train the model again."
        )
    width = float((level[:, -1] - level[:, 0]).max())
    widest = WIDEST_BAND * max(observed.span, LEAST_MARGIN)
    if width > widest or (np.diff(level, axis=1) < -1e-6).any():
        return "check_failed", (
            f"An interval of a forecast is at most {widest:.3g} m wide, and its quantiles rise. "
            f"The model gave one of {width:.3g} m. Train the model again."
        )
    if (level[:, 0] < observed.bottom).any() or (level[:, -1] > observed.top).any():
        return "degraded", (
            f"the interval passes the bottom ({observed.bottom:.6g} m) or the top "
            f"({observed.top:.6g} m) of the well"
        )
    jump = max(0.75 * observed.span, LEAST_MARGIN)
    if last is not None and abs(middle[0] - last) > jump:
        return "degraded", (
            f"the first forecast level is {middle[0] - last:+.3g} m from the last known level"
        )
    return "ok", ""


def _outside(
    series: Series,
    values: np.ndarray,
    allowed: np.ndarray,
    what: str,
    part: slice,
    trained: np.ndarray | None = None,
) -> list[Finding]:
    """Return a finding of the values (time,) outside the allowed ones (time or 1, 2)."""
    low, high = np.broadcast_to(allowed, (values.size, 2)).T
    bad = (values < low) | (values > high)
    places = np.arange(values.size)[part][bad[part]]
    if not places.size:
        return []
    over = np.maximum(low[places] - values[places], values[places] - high[places])
    worst = places[np.argmax(over)]
    rule = f"Values of {series.kind} lie between {low[worst]:.4g} and {high[worst]:.4g}."
    if trained is not None:
        rule = (
            f"Values of {series.kind} stay near those of the training, "
            f"{trained[worst, 0]:.4g} to {trained[worst, 1]:.4g}; {low[worst]:.4g} to "
            f"{high[worst]:.4g} are accepted."
        )
    return [
        series.finding(
            "range", "error", positions=places, value=values[worst], rule=rule,
            received=f"{what}{values[worst]:.6g} on {timeline.format_time(series.times[worst])}, "
            f"and {places.size} such steps",
            fix="Check unit, station and codes for missing values.",
        )
    ]  # fmt: skip


def _widened(kind: str, bounds: np.ndarray, window: int, step: float) -> np.ndarray:
    """Return the accepted values (month, 2) for the range of the training (month, 2)."""
    least, most = np.nanmin(bounds[:, 0]), np.nanmax(bounds[:, 1])
    if kind not in BY_MONTH:
        bounds = np.array([[least, most]] * 12)
    low, high = bounds.T
    if kind in TEMPERATURES:
        margin = {0: 10.0, 30: 6.0, 90: 5.0, 365: 4.0}[window]
        return np.stack([low - margin, high + margin], axis=1)
    if kind == "rain":
        if window == 0:
            return np.stack([low - 0.5, 2.5 * high + 25 * np.sqrt(step)], axis=1)
        lowest = 0.25 * low if window >= 90 else np.full(12, -0.5)
        return np.stack([lowest, 2 * high + step], axis=1)
    if kind == "evapotranspiration":
        lowest = low - 2 * step if window == 0 else np.minimum(0.3 * low, low - 0.5 * step)
        return np.stack([lowest, (2.0 if window == 0 else 1.7) * high + step], axis=1)
    span = max(float(most - least), 1e-3 * abs(float(most)), 1e-9)
    margin_low, margin_high = {
        "humidity": (30.0, 30.0),
        "pressure": (0.06 * abs(float(most)), 0.06 * abs(float(most))),
        "radiation": (0.25 * span, 0.7 * span),
        "wind": (span, 2 * span + 5.0),
        "snow": (0.1 * span, 4 * span),
        "season": (0.1, 0.1),
        "pumping": (2 * span, 5 * span),
    }.get(kind, (2 * span, 2 * span))
    return np.stack([low - margin_low, high + margin_high], axis=1)


def _mean(values: np.ndarray, window: int, step: float) -> np.ndarray:
    """Return means (time,) over the days up to each value; NaN where a tenth or more is missing."""
    width = max(1, round(window / step))
    if width == 1:
        return values
    means = pd.Series(values).rolling(width, min_periods=int(0.9 * width) + 1).mean()
    return np.where(np.isfinite(values), means, np.nan)


def _by_month(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the lowest and highest value of each month and those beside it, (month, 2)."""
    known = np.isfinite(values)
    found = np.full((12, 2), np.nan)
    if not known.any():
        return found
    whole = values[known].min(), values[known].max()
    months = _months(times)
    single = np.full((12, 2), np.nan)
    for month in range(12):
        own = values[known & (months == month)]
        if own.size:
            single[month] = own.min(), own.max()
    for month in range(12):
        near = single[[month - 1, month, (month + 1) % 12]]
        found[month] = whole if np.isnan(near).any() else (near[:, 0].min(), near[:, 1].max())
    return found


def _months(times: np.ndarray) -> np.ndarray:
    return np.asarray(times.astype("datetime64[M]").astype(int) % 12)


def _step(times: Sequence[np.datetime64] | np.ndarray) -> float:
    """Return the mean length of a step, d."""
    if len(times) < 2:
        return 1.0
    return float((times[-1] - times[0]) / np.timedelta64(1, "D")) / (len(times) - 1)
