"""Apply the gates to the wells of one bundle: before its model runs, and to what it forecasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.quality.gates import (
    TEMPERATURES,
    LevelRange,
    Ranges,
    covariate_gate,
    forecast_gate,
    level_gate,
    plausible_range,
    record_gate,
)
from gwforecast.quality.rules import Finding, Series
from gwforecast.quality.signs import (
    MEASURED,
    find_other_record,
    find_repeated,
    find_still,
    find_unlikely,
    repeats,
)
from gwforecast.service.readiness import LATE, WellForecast, find_jump
from gwforecast.service.wells.acknowledge import datum_since, is_acknowledged

__all__ = ["Gate", "well_limits"]


GATE_OFF = (
    "the model was stored by an earlier version without the range of its training data, so that "
    "only physical limits were checked; train it again"
)
BOTTOMS = ("well_bottom", "bottom", "screen_bottom", "filter_bottom")
TOPS = ("ground_level", "ground_elevation", "surface_level", "top")
ARTESIAN = 5.0  # m above the ground that levels may stand, where the top is only the ground


def well_limits(
    observations: xr.Dataset, given: Mapping[str, Sequence[float]] | None
) -> dict[str, tuple[float, float]]:
    """Return the bottom and the top that the levels of each well cannot pass, m above the datum.

    ``observations``: its attributes ``well_bottom`` (or ``screen_bottom``) and ``ground_level`` are
    used; levels may stand 5 m above the ground, in artesian wells; ``given``: bottom and top by
    well; these are used as they are.
    """
    found = {}
    names = {name.lower(): name for name in schema.attribute_names(observations)}
    for row, well in enumerate(map(str, observations[schema.WELL].values)):
        bottom, top = -np.inf, np.inf
        for wanted, upper in ((BOTTOMS, False), (TOPS, True)):
            name = next((names[n] for n in wanted if n in names), None)
            if name is None or observations[name].dtype.kind not in "fiu":
                continue
            value = float(observations[name].values[row])
            if upper:
                top = value + ARTESIAN if np.isfinite(value) else top
            else:
                bottom = value if np.isfinite(value) else bottom
        if given and well in given:
            bottom, top = (float(value) for value in given[well])
        if bottom < top:
            found[well] = (bottom, top)
    return found


@dataclass(frozen=True)
class Gate:
    """The gate of one bundle."""

    ranges: Ranges | None  # of the training data; None for bundles of earlier versions
    issue_time: np.datetime64  # issue time of the forecasts
    limits: Mapping[str, tuple[float, float]]  # bottom and top by well, m

    def check(
        self, wells: Sequence[WellForecast], *, trained_through: Mapping[str, np.datetime64]
    ) -> None:
        """Bar wells whose inputs are impossible, and reject the levels that no one may use.

        Wells that are not in ``trained_through`` are left as they are.
        """
        checked = [
            well for well in wells if well.series is not None and well.name in trained_through
        ]
        for well in checked:
            self._check_inputs(well, trained_through[well.name])
        kept = [well for well in checked if not well.barred]
        self._check_signs(kept, [trained_through[well.name] for well in kept])

    def _check_inputs(self, well: WellForecast, trained_through: np.datetime64) -> None:
        if self.ranges is None:
            well.reasons.append(GATE_OFF)
        self._check_covariates(well)
        self._check_record(well, trained_through)
        self._check_levels(well, trained_through)
        self._check_steps(well, trained_through)

    def check_forecast(self, well: WellForecast, level: np.ndarray, *, moved: float) -> str:
        """Return why a forecast (lead_time, quantile), m, is impossible; empty if it is possible.

        A forecast that is possible, but doubtful, lowers the status of the well.
        """
        observed = self.observed(well, moved=moved)
        if observed is None or well.series is None:
            return ""
        good = self._good(well)
        last = float(good.values[good.known[-1]]) if good.known.size else None
        status, reason = forecast_gate(level, observed, last=last)
        if status == "check_failed":
            return reason
        if status == "degraded":
            well.lower("degraded", reason)
        return ""

    def check_ahead(self, well: WellForecast, ahead: Sequence[Sequence[Series]]) -> str:
        """Return why the weather forecast of a well is impossible; empty if it is possible.

        ``ahead`` holds the members of each covariate after the issue time.
        """
        past = {series.variable: series for series in well.covariates}
        for members in ahead:
            values = np.array([one.values for one in members])
            bounds = None
            if self.ranges is not None:
                bounds = self.ranges.of(well.name, members[0].variable)
            totals = np.nansum(values, axis=1)
            for member in {int(totals.argmin()), int(totals.argmax())}:  # means over periods
                found = covariate_gate(members[member], bounds, issue_time=self.issue_time)
                if found:
                    return found[0].message
            for extreme in (np.fmin.reduce(values), np.fmax.reduce(values))[: len(members)]:
                series = replace(members[0], values=extreme)
                found = covariate_gate(series, bounds, issue_time=self.issue_time, ahead=True)
                if found:
                    return found[0].message
                if reason := _unlike_the_past(series, past[series.variable]):
                    return reason
        return _exchanged(ahead, past)

    def observed(self, well: WellForecast, *, moved: float = 0.0) -> LevelRange | None:
        """Return the range of the levels of the training and of the accepted levels since, m."""
        trained = self._trained(well, moved)
        good = self._good(well)
        if trained is None or not good.known.size:
            return trained
        values = good.values[good.known]
        return replace(
            trained,
            low=min(trained.low, float(values.min())),
            high=max(trained.high, float(values.max())),
        )

    def _trained(self, well: WellForecast, moved: float) -> LevelRange | None:
        found = None if self.ranges is None else self.ranges.level(well.name)
        if found is not None:
            found = replace(found, low=found.low + moved, high=found.high + moved)
        elif well.series is not None and (usual := plausible_range(well.series)) is not None:
            margin = 0.25 * usual.span  # what plausible_range added
            found = LevelRange(usual.low + margin, usual.high - margin)
        if found is None:
            return None
        bottom, top = self.limits.get(well.name, (-np.inf, np.inf))
        return replace(found, bottom=bottom, top=top)

    def _good(self, well: WellForecast) -> Series:
        """Return the levels that were not rejected."""
        assert well.series is not None  # noqa: S101 - set by check_well
        out = np.isin(well.series.times, well.rejected)
        if not out.any():
            return well.series
        return well.series.with_values(np.where(out, np.nan, well.series.values))

    def _check_covariates(self, well: WellForecast) -> None:
        for covariate in well.covariates:
            bounds = None if self.ranges is None else self.ranges.of(well.name, covariate.variable)
            key = "gate", self.issue_time, None if bounds is None else bounds.tobytes()
            found = covariate.findings(
                key,
                partial(covariate_gate, covariate, bounds, issue_time=self.issue_time),
            )
            for row in found:
                well.bar(row.message)

    def _check_record(self, well: WellForecast, trained_through: np.datetime64) -> None:
        if self.ranges is None or well.series is None:
            return
        moved = datum_since(well.changes, trained_through)
        for row in record_gate(well.series, self.ranges, moved=moved):
            well.bar(row.message)
            well.reject(well.series.times)  # which part of the record is right is not known
        for covariate in well.covariates:
            for row in record_gate(covariate, self.ranges):
                well.bar(row.message)

    def _check_levels(self, well: WellForecast, trained_through: np.datetime64) -> None:
        """Reject levels outside the accepted range; recent ones bar the well."""
        assert well.series is not None  # noqa: S101 - set by check_well
        trained = self._trained(well, datum_since(well.changes, trained_through))
        if trained is None:
            return
        real = [c for c in well.changes if c.kind == "real"]
        accepted = np.zeros(well.series.times.size, bool)
        for change in real:
            accepted |= (well.series.times >= change.first) & (well.series.times <= change.last)
        if accepted.any() and np.isfinite(well.series.values[accepted]).any():
            values = well.series.values[accepted]
            low, high = np.nanquantile(values, [0.02, 0.98])
            trained = replace(
                trained, low=min(trained.low, float(low)), high=max(trained.high, float(high))
            )
        late = min(trained_through, self.issue_time - LATE)
        for row in level_gate(well.series, trained, since=np.datetime64(0, "us") - _CENTURIES):
            times = well.series.times[row.positions]
            well.reject(times)
            if (times > late).any():
                well.bar(row.message)

    def _check_steps(self, well: WellForecast, trained_through: np.datetime64) -> None:
        """Bar a well for a jump since the training, for as long as no one has acknowledged it."""
        assert well.series is not None  # noqa: S101 - set by check_well
        if trained_through < self.issue_time - LATE:
            jump = find_jump(well.series, trained_through, lasting=True, changes=well.changes)
            if jump is not None:
                well.bar(jump.message)
                well.reject(well.series.times[jump.positions])
            old = [r for r in well.found if trained_through < r.last < self.issue_time - LATE]
            for row in old:
                if row.check == "shift" and not is_acknowledged(row, well.changes):
                    well.lower("degraded", row.message)
        for change in well.changes:
            if change.kind == "real" and change.first > trained_through:
                well.lower(
                    "degraded",
                    f"the levels changed on {change.since[:10]}, which was acknowledged as real, "
                    "and the model was trained before that; train it again",
                )

    def _check_signs(
        self, wells: Sequence[WellForecast], trained_through: Sequence[np.datetime64]
    ) -> None:
        """Lower the status of wells for signs that recent values are no measurements."""
        records = [(self._good(well), well.covariates) for well in wells]
        unlikely = find_unlikely(records, trained_through=trained_through)
        for well, (level, covariates), own, through in zip(
            wells, records, unlikely, trained_through, strict=True
        ):
            found = [
                row
                for one in (level, *covariates)
                for row in one.findings("signs", partial(_signs, one))
            ]
            found += [r for r in own if not (well.changes and r.check == "unexplained")][:1]
            if self.ranges is not None:
                moved = datum_since(well.changes, through)
                other = find_other_record(level, self.ranges, moved=moved)
                found += [] if other is None else [other]
            for row in found:
                well.lower("degraded", row.message)


def _signs(series: Series) -> Iterator[Finding]:
    """Yield the findings of one series alone."""
    for sign in (find_still, find_repeated):
        found = sign(series)
        if found is not None:
            yield found


def _unlike_the_past(ahead: Series, past: Series) -> str:
    """Return why a weather forecast cannot follow the weather before; empty if it can."""
    before = past.values[past.measured]
    coming = ahead.values[ahead.known]
    if ahead.kind not in MEASURED or before.size < 100 or coming.size < 3:
        return ""
    at = repeats(np.append(before, np.nan), coming[:REPEATED], kinds=3)
    if at is not None and coming.size > REPEATED // 2:
        return (
            f"the forecast of {ahead.variable!r} is exactly what was observed from "
            f"{timeline.format_time(past.times[past.measured[at]])} on"
        )
    if ahead.kind in TEMPERATURES:
        usual = float(np.abs(np.diff(before)).max())
        most = float(np.abs(np.diff(coming)).max())
        if most > STEPS * usual:
            return (
                f"the forecast of {ahead.variable!r} changes by {most:.3g} in one step; the most "
                f"that was observed is {usual:.3g}"
            )
    return ""


def _exchanged(ahead: Sequence[Sequence[Series]], past: Mapping[str, Series]) -> str:
    """Return which two covariates of a weather forecast are exchanged; empty if none are.

    Two are if their values are far more likely with the names exchanged, in that season.
    """
    coming = {m[0].variable: m for m in ahead if m[0].kind != "season"}
    seasons = {name: _of_season(past[name], m[0].times) for name, m in coming.items()}
    for one, other in combinations(coming, 2):
        pair = seasons[one], seasons[other]
        if min(known.size for known in pair) < LEAST_OF_SEASON:
            continue
        chances = [
            _chance(coming[a], seasons[b], np.concatenate(pair))
            for a, b in ((one, other), (other, one), (one, one), (other, other))
        ]
        if chances[0] + chances[1] - chances[2] - chances[3] > EXCHANGED:
            return (
                f"the values of {one!r} and {other!r} in the forecast are far more likely with "
                "their names exchanged"
            )
    return ""


def _of_season(past: Series, times: np.ndarray) -> np.ndarray:
    """Return the values within 45 days of the season of some times, in all years."""
    known = past.measured
    apart = np.abs(timeline.day_of_year(past.times[known]) - timeline.day_of_year(times[:1]))
    near = np.minimum(apart, timeline.DAYS - apart) <= SEASON
    return np.asarray(past.values[known][near][-MOST_OF_SEASON:])


def _chance(members: Sequence[Series], known: np.ndarray, scale: np.ndarray) -> float:
    """Return the mean log density of the members' values among known ones, times the steps.

    The density is that of a Gaussian kernel (Silverman 1986, ISBN 978-0-412-24620-3), with a small
    share spread evenly. No more steps count than are independent of each other.
    """
    values = np.array([one.values for one in members[:MOST_MEMBERS]])
    values = values[:, np.isfinite(values).all(axis=0)]
    width = max(1.06 * float(known.std()) * known.size**-0.2, 1e-3 * float(np.ptp(scale)), 1e-9)
    z = (values[..., None] - known) / width
    density = np.exp(-0.5 * z**2).mean(axis=-1) / (width * np.sqrt(2 * np.pi))
    least = 0.01 / max(float(np.ptp(scale)), 1e-9)
    mean = float(np.log(density + least).mean())
    return mean * min(int(values.shape[1]), MOST_STEPS)


EXCHANGED = 6.0  # log of how much more likely two covariates are with their names exchanged
SEASON, LEAST_OF_SEASON, MOST_OF_SEASON = 45, 30, 400
MOST_MEMBERS, MOST_STEPS = 10, 6
REPEATED = 8  # steps of a weather forecast that are compared with the past
STEPS = 1.5  # times the largest step that was observed
_CENTURIES = np.timedelta64(500 * 365, "D")
