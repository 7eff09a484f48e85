"""Deterministic and ensemble weather forecasts as they were issued."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.forcings.base import Forcing, complete_futures, times_after
from gwforecast.schema import SchemaError

__all__ = ["WeatherForecast"]


@dataclass(frozen=True, eq=False)
class WeatherForecast(Forcing):
    """Deterministic or ensemble weather forecasts, issued at one or more times.

    For each issue time the latest weather forecast issued at or before it is used.

    Parameters
    ----------
    weather : xarray.Dataset
        Covariates over (vintage, time), and ``well`` and ``member`` if they vary with these;
        ``vintage`` is the time at which a weather forecast was issued. NaN after its end.
    fallback : Forcing, optional
        Weather after the end of the weather forecast: each member continues with one member of the
        fallback in turn. By default a weather forecast that ends early is an error.
    oldest : pandas.Timedelta, optional
        Largest age of a weather forecast at the issue time; by default unlimited.
    """

    weather: xr.Dataset
    fallback: Forcing | None = None
    oldest: pd.Timedelta | None = None
    origin: str = field(init=False, default="forecast")

    def __post_init__(self) -> None:
        if "vintage" not in self.weather.dims or schema.TIME not in self.weather.dims:
            raise SchemaError(
                "A weather forecast needs the dimensions vintage and time, and member for an "
                f"ensemble. Received {tuple(map(str, self.weather.dims))}. Add the time of issue "
                "with Dataset.expand_dims(vintage=[...])."
            )
        if self.weather.sizes.get(schema.MEMBER, 1) > 1:
            object.__setattr__(self, "origin", "ensemble")

    def futures(
        self,
        observations: xr.Dataset,
        *,
        issue_time: np.datetime64,
        horizon: int,
        covariates: Sequence[str],
    ) -> xr.Dataset:
        """Return the members of the latest weather forecast that reach the end of the horizon.

        The attributes hold the ``vintage``, the members that were ``left_out`` and, if there is a
        fallback, its origin and the first time for which it is used.
        """
        self._check_names(observations, covariates)
        vintage = self._newest(issue_time)
        valid = times_after(observations, issue_time, horizon)
        chosen = self.weather[list(covariates)].sel(vintage=vintage, drop=True)
        chosen = chosen.reindex({schema.TIME: valid})
        if schema.MEMBER not in chosen.dims:
            chosen = chosen.expand_dims({schema.MEMBER: ["forecast"]})
        if schema.WELL not in chosen.dims:
            chosen = chosen.expand_dims({schema.WELL: observations[schema.WELL].values})
        chosen = chosen.sel({schema.WELL: observations[schema.WELL].values})
        names = [str(name) for name in chosen[schema.MEMBER].values]
        chosen = chosen.rename({schema.MEMBER: schema.FORCING_MEMBER}).assign_coords(
            {schema.FORCING_MEMBER: np.array(names, dtype=object)}
        )
        dims = (schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        chosen = chosen.broadcast_like(chosen).transpose(*dims)
        attrs: dict[str, object] = {"vintage": timeline.format_time(vintage)}
        if self.fallback is None:
            chosen, left_out = _without_short(chosen, issue_time=issue_time)
            attrs["left_out"] = left_out
        else:
            rest = self.fallback.futures(
                observations, issue_time=issue_time, horizon=horizon, covariates=covariates
            )
            chosen, begins = _prolonged(chosen, rest)
            attrs |= {"fallback": self.fallback.origin, "fallback_from": begins, "left_out": []}
        return complete_futures(chosen.assign_attrs(attrs), issue_time=issue_time)

    def _newest(self, issue_time: np.datetime64) -> np.datetime64:
        vintages = timeline.to_times(self.weather["vintage"].values)
        issue_time = timeline.to_times([issue_time])[0]
        earlier = vintages[vintages <= issue_time]
        if earlier.size == 0:
            raise SchemaError(
                "A weather forecast must be issued at or before the issue time. Received "
                f"vintages from {timeline.format_time(vintages.min())} onwards, and the issue time "
                f"{timeline.format_time(issue_time)}. Add an earlier vintage."
            )
        newest = earlier.max()
        if self.oldest is not None and issue_time - newest > self.oldest.to_timedelta64():
            raise SchemaError(
                f"A weather forecast must be at most {self.oldest} old. Received one of "
                f"{timeline.format_time(newest)} for the issue time "
                f"{timeline.format_time(issue_time)}. Update it, or use climatology."
            )
        return np.datetime64(newest)

    def _check_names(self, observations: xr.Dataset, covariates: Sequence[str]) -> None:
        missing = [name for name in covariates if name not in self.weather]
        if missing:
            raise SchemaError(
                f"A weather forecast must contain every covariate of the model. Received "
                f"{sorted(map(str, self.weather.data_vars))}, which lacks {missing}. Add the "
                "series, or fit the model without it."
            )
        for name in covariates:
            ours, theirs = (d[name].attrs.get("units") for d in (observations, self.weather))
            if ours and theirs and ours != theirs:
                raise SchemaError(
                    f"A weather forecast must have the units of the observations. Received "
                    f"{name!r} in {theirs!r}, observed in {ours!r}. Convert it."
                )


def _without_short(
    futures: xr.Dataset, *, issue_time: np.datetime64
) -> tuple[xr.Dataset, list[str]]:
    """Return the members that reach the end of the horizon, or all if none does, and the others."""
    whole = np.ones(futures.sizes[schema.FORCING_MEMBER], bool)
    for name in futures.data_vars:
        whole &= futures[name].notnull().all([schema.WELL, schema.TIME]).values
    left_out = [str(name) for name in futures[schema.FORCING_MEMBER].values[~whole]]
    if not whole.any():
        return futures, []
    if left_out:
        warnings.warn(
            f"{len(left_out)} of {whole.size} members of the weather ensemble do not reach the end "
            f"of the horizon from {timeline.format_time(issue_time)} and are left out, the "
            f"first {left_out[0]!r}. Shorten the horizon, or add a fallback.",
            stacklevel=3,
        )
    return futures.isel({schema.FORCING_MEMBER: np.flatnonzero(whole)}), left_out


def _prolonged(futures: xr.Dataset, rest: xr.Dataset) -> tuple[xr.Dataset, str]:
    """Return members continued with those of a fallback in turn, and the first such time."""
    members = futures.sizes[schema.FORCING_MEMBER]
    most = max(members, rest.sizes[schema.FORCING_MEMBER])
    first = futures.isel({schema.FORCING_MEMBER: np.arange(most) % members})
    later = rest.isel({schema.FORCING_MEMBER: np.arange(most) % rest.sizes[schema.FORCING_MEMBER]})
    pairs = zip(
        first[schema.FORCING_MEMBER].values, later[schema.FORCING_MEMBER].values, strict=True
    )
    labels = np.array([f"{one}+{other}" for one, other in pairs], dtype=object)
    first, later = (d.assign_coords({schema.FORCING_MEMBER: labels}) for d in (first, later))
    missing = np.zeros(futures.sizes[schema.TIME], bool)
    for name in futures.data_vars:
        missing |= first[name].isnull().any([schema.WELL, schema.FORCING_MEMBER]).values
    times = futures[schema.TIME].values
    begins = timeline.format_time(times[missing.argmax()]) if missing.any() else ""
    return first.fillna(later), begins
