"""The weather forecast of a scheduled run: used if it is recent and complete, else climatology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.config.tables import ScheduleSettings
from gwforecast.data.stores import open_netcdf
from gwforecast.forcings.base import Forcing
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.forcings.scenario import make_forcing
from gwforecast.forcings.weather_forecast import WeatherForecast
from gwforecast.quality.rules import Series
from gwforecast.schema import SchemaError

__all__ = ["Weather", "read_weather"]


@dataclass(frozen=True, eq=False)
class Weather:
    """Weather after the issue time."""

    forcing: Forcing  # where the weather comes from if no weather forecast is used
    # the newest weather forecast issued up to the issue time: covariates over time, and well and
    # member if they vary with these
    forecast: xr.Dataset | None = None
    # when it was issued; NaT without one
    vintage: np.datetime64 = np.datetime64("NaT", "us")  # noqa: RUF009 - immutable
    # why a weather forecast that the settings name is not used, or only a part of its members
    reason: str = ""

    def at(self, origin: np.datetime64) -> Forcing:
        """Return the weather after a step, the end of the observed weather.

        ``origin``: a weather forecast may have been issued after it, but not after the issue time.
        """
        if self.forecast is None:
            return self.forcing
        vintage = min(self.vintage, origin)
        dated = self.forecast.expand_dims(vintage=[vintage])
        return WeatherForecast(dated, fallback=ClimatologyWeather())

    def ahead(
        self,
        well: str,
        *,
        issue_time: np.datetime64,
        covariates: Sequence[str],
        kinds: Sequence[str],
    ) -> list[list[Series]]:
        """Return the members of the weather forecast of a well after a time, by covariate."""
        if self.forecast is None:
            return []
        times = timeline.to_times(self.forecast[schema.TIME].values)
        later = times > issue_time
        found = []
        for name, kind in zip(covariates, kinds, strict=True):
            values = self.forecast[name]
            if schema.WELL in values.dims:
                values = values.sel({schema.WELL: well})
            members = values.transpose(..., schema.TIME).values.reshape(-1, times.size)[:, later]
            found.append([Series(well, name, kind, times[later], one) for one in members])
        return found


def read_weather(
    schedule: ScheduleSettings, *, issue_time: np.datetime64, observations: xr.Dataset
) -> Weather:
    """Return the weather after an issue time; without a usable weather forecast, climatology.

    ``observations``: dimensions (well, time), whose covariates the weather forecast must continue.
    """
    path = schedule.weather_forecast
    if path is None:
        return Weather(make_forcing(schedule.forcing))
    try:
        if not path.is_file():
            raise FileNotFoundError(f"{str(path)!r} does not exist")
        weather = open_netcdf(path)
        chosen, vintage = _newest(weather, issue_time, oldest=schedule.oldest)
        _check(chosen, observations, issue_time)
        chosen, reason = _complete_members(chosen, schema.covariate_names(observations), issue_time)
    except Exception as error:  # climatology replaces a file that cannot be used
        reason = f"the weather forecast is not used, and climatology takes its place: {error}"
        return Weather(ClimatologyWeather(), reason=reason)
    return Weather(ClimatologyWeather(), chosen, vintage, reason)


def _complete_members(
    chosen: xr.Dataset, names: Sequence[str], issue_time: np.datetime64
) -> tuple[xr.Dataset, str]:
    """Return a weather forecast with its complete members only, and why others are left out.

    A member is complete if it has values wherever any member has some.
    """
    if "member" not in chosen.dims:
        return chosen, ""
    later = timeline.to_times(chosen[schema.TIME].values) > issue_time
    complete = np.ones(chosen.sizes["member"], bool)
    for name in names:
        if "member" in chosen[name].dims:
            known = chosen[name].notnull().transpose("member", schema.TIME, ...).values[:, later]
            lacking = known.any(axis=0) & ~known
            complete &= ~lacking.reshape(complete.size, -1).any(axis=1)
    if complete.all():
        return chosen, ""
    if not complete.any():
        raise SchemaError("A weather forecast has complete members. Received none without gaps.")
    reason = (
        f"{int((~complete).sum())} of {complete.size} members of the weather forecast have gaps, "
        "and are left out"
    )
    return chosen.isel(member=np.flatnonzero(complete)), reason


def _newest(
    weather: xr.Dataset, issue_time: np.datetime64, *, oldest: float
) -> tuple[xr.Dataset, np.datetime64]:
    """Return the newest weather forecast that was issued up to a time, and its vintage."""
    forcing = WeatherForecast(weather)  # checks the dimensions
    vintages = timeline.to_times(forcing.weather["vintage"].values)
    known = vintages[vintages <= issue_time]
    if not known.size:
        raise SchemaError(
            "A weather forecast is issued up to the issue time. Received vintages from "
            f"{timeline.format_time(vintages.min())} on."
        )
    vintage = np.datetime64(known.max())
    age = float((issue_time - vintage) / np.timedelta64(1, "D"))
    if age > oldest:
        raise SchemaError(
            f"A weather forecast is at most {oldest:g} days old ('oldest' in the table "
            f"[schedule]). Received one of {timeline.format_time(vintage)}, {age:g} days before "
            "the issue time."
        )
    return weather.isel(vintage=int(np.flatnonzero(vintages == vintage)[0]), drop=True), vintage


def _check(chosen: xr.Dataset, observations: xr.Dataset, issue_time: np.datetime64) -> None:
    """Raise if a weather forecast lacks a covariate, a well or a value after the issue time."""
    names = schema.covariate_names(observations)
    missing = [name for name in names if name not in chosen]
    if missing:
        raise SchemaError(
            f"A weather forecast has every covariate of the observations. Received none of "
            f"{', '.join(missing)}."
        )
    later = timeline.to_times(chosen[schema.TIME].values) > issue_time
    for name in names:
        ours, theirs = (part[name].attrs.get("units") for part in (observations, chosen))
        if ours and theirs and ours != theirs:
            raise SchemaError(
                f"A weather forecast has the units of the observations. Received {name!r} in "
                f"{theirs!r}, observed in {ours!r}."
            )
        values = chosen[name].transpose(schema.TIME, ...).values[later]
        if not np.isfinite(values).any():
            raise SchemaError(
                f"A weather forecast has values after the issue time. Received none of {name!r}."
            )
        if np.isinf(values).any():
            raise SchemaError(f"A weather forecast is finite. Received infinity in {name!r}.")
    if schema.WELL in chosen.dims:
        wells = [str(w) for w in observations[schema.WELL].values]
        lacking = sorted(set(wells) - set(map(str, chosen[schema.WELL].values)))
        if lacking:
            raise SchemaError(
                f"A weather forecast has every well. Received none for {lacking[0]!r}."
            )
