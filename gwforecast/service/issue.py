"""Issue the forecast of one issue time: each well on its own, with a status that says how.

A well is forecast by the first of these that succeeds: its champion, the previous champion, the
climatology of its levels. A failure at one well never affects another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.config.load import Settings
from gwforecast.models.bundle import BundleError, check_fits
from gwforecast.processes import count_processes, map_in_processes
from gwforecast.quality.checks import series_of
from gwforecast.runs.forecast import default_horizon
from gwforecast.runs.outcomes import together_or_one_by_one
from gwforecast.schema import BY_MODEL, SchemaError
from gwforecast.sequences.origins import known_at
from gwforecast.service.archive import Archive
from gwforecast.service.champions import Champions
from gwforecast.service.following import Following, Shifts
from gwforecast.service.inputs import (
    Inputs,
    check_clock,
    known_and_filled,
    require_observations,
    resolve_issue_time,
)
from gwforecast.service.product import checksum_inputs, checksum_settings, join_products, to_product
from gwforecast.service.readiness import (
    FALLBACK,
    RECENT,
    AgeLimits,
    WellForecast,
    check_well,
    clean_levels,
    forecast_by_climatology,
)
from gwforecast.service.wells.acknowledge import (
    Acknowledged,
    datum_since,
    in_new_datum,
    read_acknowledgements,
)
from gwforecast.service.wells.gate import Gate, well_limits
from gwforecast.service.wells.weather import Weather, read_weather

__all__ = ["finish_product", "follow_archive", "forecast_wells", "issue", "make_product"]


WELLS_PER_PROCESS = 20  # starting a process takes as long as the forecasts of a few wells


def make_product(
    inputs: Inputs,
    settings: Settings,
    issue_time: object,
    *,
    following: Following | None = None,
    now: pd.Timestamp,
) -> xr.Dataset:
    """Return the forecast of all wells; many wells are divided among processes.

    ``issue_time``: by default the last complete time step; ``following``: replays of the archived
    forecasts; by default new ones.
    """
    observations = require_observations(inputs, "A forecast")
    moment = resolve_issue_time(issue_time, observations, now)
    check_clock(observations, moment, now=now)
    wells = np.arange(observations.sizes[schema.WELL])
    number = count_processes(wells.size, least=WELLS_PER_PROCESS, most=settings.models.workers)
    shifts = (following or follow_archive(settings, observations)).at(moment)
    made = map_in_processes(
        lambda part: forecast_wells(
            observations.isel({schema.WELL: part}), moment, settings=settings, shifts=shifts
        ),
        np.array_split(wells, number),
    )
    return finish_product(
        [part for part, _ in made],
        settings,
        refused=inputs.refused,
        checksums={well: digest for _, sums in made for well, digest in sums.items()},
        frequency=timeline.infer_frequency(observations[schema.TIME].values),
    )


def follow_archive(settings: Settings, observations: xr.Dataset) -> Following:
    """Return replays of the archived forecasts of some wells."""
    wanted = settings.schedule
    return Following(Archive(wanted.archive), Champions(wanted.bundles), observations)


def forecast_wells(
    observations: xr.Dataset, issue_time: np.datetime64, *, settings: Settings, shifts: Shifts
) -> tuple[xr.Dataset, dict[str, str]]:
    """Return the forecast of some wells, and the checksum of each well's inputs."""
    wanted = settings.schedule
    acknowledged = read_acknowledgements(wanted.archive)
    known = known_and_filled(
        in_new_datum(observations, acknowledged),
        issue_time,
        settings.data,
        keep_weather=wanted.weather_forecast is None and wanted.forcing == "observed",
    )
    made = issue(
        known,
        issue_time=issue_time,
        champions=Champions(wanted.bundles),
        horizon=wanted.horizon or default_horizon(known),
        weather=read_weather(wanted, issue_time=issue_time, observations=known),
        ages=AgeLimits(wanted.level_age, wanted.weather_age),
        shifts=shifts,
        acknowledged=acknowledged,
        limits=wanted.limits,
    )
    return made, checksum_inputs(known)


def finish_product(
    parts: Sequence[xr.Dataset],
    settings: Settings,
    *,
    refused: dict[str, tuple[str, str]],
    checksums: dict[str, str],
    frequency: str,
) -> xr.Dataset:
    """Join the forecasts of all wells, and add the wells that have none."""
    listed = {str(well) for part in parts for well in part[schema.WELL].values} | set(refused)
    return join_products(
        parts,
        frequency=frequency,
        refused={**refused, **_missing_wells(listed, settings)},
        checksums=checksums,
        attrs={"config_sha256": checksum_settings(settings)},
    )


def issue(
    observations: xr.Dataset,
    *,
    issue_time: np.datetime64,
    champions: Champions,
    horizon: int,
    weather: Weather,
    ages: AgeLimits | None = None,
    shifts: Shifts | None = None,
    acknowledged: Acknowledged | None = None,
    limits: Mapping[str, Sequence[float]] | None = None,
) -> xr.Dataset:
    """Forecast every well from what was known at the issue time.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time), as returned by
        :func:`gwforecast.sequences.origins.known_at`.
    issue_time : numpy.datetime64
        A step of the time axis.
    shifts : dict, optional
        Shifts of the quantiles by bundle and well, from the outcomes of archived forecasts.
    acknowledged : mapping, optional
        Changes of the levels that a person has acknowledged, by well.
    limits : mapping, optional
        Bottom and top of wells, m above the datum.
    """
    past, changes = known_at(observations, issue_time), acknowledged or {}
    wells = [
        check_well(
            level,
            covariates,
            issue_time=issue_time,
            limits=ages or AgeLimits(),
            changes=changes.get(level.well, ()),
        )
        for level, covariates in series_of(past)
    ]
    if weather.reason:
        for well in wells:
            well.lower("degraded", weather.reason)
    request = _Request(
        observations, issue_time, horizon, weather, shifts or {}, changes,
        well_limits(observations, limits),
    )  # fmt: skip
    _forecast_by_models(wells, request, champions)
    for well in wells:
        if well.level is None and well.status != "no_data":
            _fall_back(well, observations.sel({schema.WELL: [well.name]}), issue_time, horizon)
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    product = to_product(wells, issue_time, horizon=horizon, frequency=frequency)
    datum = observations[schema.LEVEL].attrs.get("vertical_datum")
    if datum:
        product[schema.LEVEL].attrs["vertical_datum"] = datum
    if weather.forecast is not None:
        product.attrs["weather_vintage"] = timeline.format_time(weather.vintage)
    return product


@dataclass(frozen=True)
class _Request:
    """What all wells are forecast from, and for how many lead times."""

    observations: xr.Dataset
    issue_time: np.datetime64
    horizon: int
    weather: Weather
    shifts: Shifts
    changes: Acknowledged
    limits: Mapping[str, tuple[float, float]]

    def run(
        self, fitted: Calibrated, wells: Sequence[WellForecast], bundle: str, *, usable: bool
    ) -> xr.Dataset:
        """Forecast from the end of the weather, and keep the steps after the issue time."""
        times, names = self.observations[schema.TIME].values, [well.name for well in wells]
        origin = wells[0].origin
        ends = np.array([origin, self.issue_time])
        first, last = timeline.time_positions(times, ends, name="issue time")
        missing = int(last - first)
        moved = np.array([self.moved(well.name, fitted) for well in wells])[:, None]
        made = fitted.forecast(
            self._inputs(wells, moved),
            issue_times=ends[:1],
            horizon=self.horizon + missing,
            forcing=self.weather.at(origin) if usable else self.weather.forcing,
            shift=self._shift(names, bundle, missing),
        ).isel({schema.LEAD_TIME: slice(missing, None)})
        return made.assign({schema.LEVEL: made[schema.LEVEL] + moved[..., None, None]})

    def moved(self, well: str, fitted: Calibrated) -> float:
        """Return the acknowledged change of the datum of a well since its training, m."""
        changes = self.changes.get(well, ())
        return datum_since(changes, fitted.trained_through(well)) if changes else 0.0

    def _inputs(self, wells: Sequence[WellForecast], moved: np.ndarray) -> xr.Dataset:
        """Return the data of some wells, without rejected levels and in the datum of the model."""
        data = self.observations.sel({schema.WELL: [well.name for well in wells]})
        out = [np.isin(data[schema.TIME].values, well.rejected) for well in wells]
        if not moved.any() and not any(one.any() for one in out):
            return data
        level = data[schema.LEVEL].transpose(schema.WELL, schema.TIME)
        values = np.where(np.array(out), np.nan, level.values - moved)
        return data.assign({schema.LEVEL: level.copy(data=values)})

    def _shift(self, wells: list[str], bundle: str, missing: int) -> np.ndarray:
        """Return the shifts of some wells, 0 where no outcome is known, (well, lead, quantile)."""
        shift = np.zeros((len(wells), missing + self.horizon, len(QUANTILES)))
        for number, well in enumerate(wells):
            own = self.shifts.get(bundle, {}).get(well)
            if own is not None:
                leads = min(len(own), self.horizon)
                shift[number, missing : missing + leads] = own[:leads]
        return shift


def _forecast_by_models(
    wells: Sequence[WellForecast], request: _Request, champions: Champions
) -> None:
    """Forecast the wells by their champions, or by the previous ones where these fail."""
    wanted = [well for well in wells if well.status in BY_MODEL]
    try:
        table = champions.table()
    except BundleError as error:
        for well in wanted:
            well.lower("model_invalid", str(error))
        return
    for well in wanted:
        if well.name not in table:
            well.lower("model_missing", "no model was trained for this well")
    trained = [well for well in wanted if well.name in table]
    others = [w for w in wells if w not in wanted and w.series is not None and w.name in table]
    _gate_others(others, request, champions, {name: pair.bundle for name, pair in table.items()})
    for rank in ("bundle", "previous"):
        groups: dict[tuple[str, np.datetime64], list[WellForecast]] = {}
        for well in trained:
            name = getattr(table[well.name], rank)
            if name and well.level is None and not well.barred:
                groups.setdefault((name, well.origin), []).append(well)
        for (name, _), group in groups.items():
            _forecast_group(group, request, champions, name)


def _gate_others(
    wells: Sequence[WellForecast], request: _Request, champions: Champions, names: Mapping[str, str]
) -> None:
    """Reject impossible levels of wells that no model forecasts, for their climatology."""
    bundles: dict[str, list[WellForecast]] = {}
    for well in wells:
        bundles.setdefault(names[well.name], []).append(well)
    for name, group in bundles.items():
        try:
            fitted, manifest = champions.open(name)
        except Exception:  # noqa: S112 - reported where a model is to forecast
            continue
        gate = Gate(manifest.get("ranges"), request.issue_time, request.limits)
        gate.check(group, trained_through=fitted.trained_through_by_well())


def _forecast_group(
    group: Sequence[WellForecast], request: _Request, champions: Champions, name: str
) -> None:
    """Forecast wells of one bundle and origin together, or one by one if that fails."""
    try:
        fitted, manifest = champions.open(name)
        check_fits(manifest, request.observations)
    except Exception as error:  # whatever is wrong with a bundle, it concerns only its wells
        missing = isinstance(error, FileNotFoundError)
        for well in group:
            well.lower("model_missing" if missing else "model_invalid", str(error))
        return
    gate = Gate(manifest.get("ranges"), request.issue_time, request.limits)
    gate.check(group, trained_through=fitted.trained_through_by_well())
    good = [well for well in group if not well.barred]
    for usable, part in _by_weather(good, request, gate):
        _forecast_part(part, request, fitted, name=name, gate=gate, usable=usable)


def _by_weather(
    group: Sequence[WellForecast], request: _Request, gate: Gate
) -> list[tuple[bool, list[WellForecast]]]:
    """Divide wells by whether their weather forecast is possible; lower the status of the others.

    Returns
    -------
    list of (bool, list of WellForecast)
        Wells whose weather forecast is used, and the others.
    """
    if request.weather.forecast is None:
        return [(True, list(group))] if group else []
    names = schema.covariate_names(request.observations)
    kinds = [schema.covariate_kind(n, request.observations[n].attrs) for n in names]
    parts: dict[bool, list[WellForecast]] = {}
    for well in group:
        ahead = request.weather.ahead(
            well.name, issue_time=request.issue_time, covariates=names, kinds=kinds
        )
        reason = gate.check_ahead(well, ahead)
        if reason:
            well.lower(
                "degraded", f"the weather forecast is not used, climatology instead: {reason}"
            )
        parts.setdefault(not reason, []).append(well)
    return list(parts.items())


def _forecast_part(
    group: Sequence[WellForecast],
    request: _Request,
    fitted: Calibrated,
    *,
    name: str,
    gate: Gate,
    usable: bool,
) -> None:
    """Forecast wells of one bundle, origin and kind of weather, together or one by one."""
    wells = {well.name: well for well in group}
    attempt = together_or_one_by_one(
        lambda names: request.run(fitted, [wells[n] for n in names], name, usable=usable),
        list(wells),
    )
    for made in attempt.results:
        levels = made[schema.LEVEL].values[:, 0]
        for well_name, level in zip(made[schema.WELL].values.tolist(), levels, strict=True):
            well = wells[well_name]
            if not np.isfinite(level).all():
                reason = _why_missing(request.observations, well, level)
                well.lower("error", reason)
                continue
            reason = gate.check_forecast(well, level, moved=request.moved(well_name, fitted))
            if reason:
                well.lower("check_failed", reason)
                continue
            well.level, well.model, well.bundle = level, fitted.name, name
            well.forcing = str(made.attrs["forcing"])
            well.trained_through = fitted.trained_through(well.name)
            _note_shortcomings(well, request.issue_time)
    for well_name, reason in attempt.reasons.items():
        wells[well_name].lower("error", reason)


def _note_shortcomings(well: WellForecast, issue_time: np.datetime64) -> None:
    """Lower the status of a well forecast by its previous champion or by a later model."""
    if well.status not in BY_MODEL:
        well.status = "degraded"
        well.reasons.append("forecast by the previous champion")
    if well.trained_through > issue_time:
        well.lower(
            "degraded",
            f"the model was trained through {timeline.format_time(well.trained_through)}, after "
            "the issue time",
        )


def _why_missing(observations: xr.Dataset, well: WellForecast, level: np.ndarray) -> str:
    if np.isfinite(level[:, len(QUANTILES) // 2]).all():
        return "there are too few past errors to calibrate its interval"
    year = slice(well.origin - RECENT, well.origin)
    for name in schema.covariate_names(observations):
        values = observations[name].sel({schema.WELL: well.name, schema.TIME: year})
        if values.isnull().any():
            first = values[schema.TIME].values[values.isnull().values.argmax()]
            return f"{name!r} has a gap at {timeline.format_time(first)}, which the model needs"
    return "the model returned no level"


def _fall_back(
    well: WellForecast, data: xr.Dataset, issue_time: np.datetime64, horizon: int
) -> None:
    """Forecast a well by the climatology of its levels, if there are enough of them."""
    try:
        well.level, well.trained_through = forecast_by_climatology(
            clean_levels(data, well.rejected), issue_time, horizon=horizon
        )
    except (SchemaError, ValueError) as error:
        well.reasons.append(f"there is no forecast by {FALLBACK} either: {error}")
        return
    well.model = FALLBACK
    well.reasons.append(f"forecast by {FALLBACK}")


def _missing_wells(listed: set[str], settings: Settings) -> dict[str, tuple[str, str]]:
    """Return the wells that have a model but are not in the data."""
    try:
        trained = set(Champions(settings.schedule.bundles).table())
    except BundleError:
        return {}  # every well already has this as its reason
    wanted = trained if settings.data.wells is None else trained & set(settings.data.wells)
    reason = "the well has a model but is not in the data"
    return dict.fromkeys(sorted(wanted - listed), ("no_data", reason))
