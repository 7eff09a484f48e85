"""Weather after an issue time: where it comes from, and its values for a horizon.

A forecaster asks a :class:`Forcing` for the covariates of the steps after an issue time. Each kind
answers from what was known then, or says that it does not (``"observed"``: perfect foresight, for
research).
"""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError

__all__ = ["Forcing", "ObservedWeather", "complete_futures", "continue_weather"]


class Forcing(abc.ABC):
    """Covariates after an issue time.

    Attributes
    ----------
    origin : str
        ``"observed"``, ``"forecast"``, ``"ensemble"``, ``"climatology"`` or ``"scenario"``.
    """

    origin: str

    @abc.abstractmethod
    def futures(
        self,
        observations: xr.Dataset,
        *,
        issue_time: np.datetime64,
        horizon: int,
        covariates: Sequence[str],
    ) -> xr.Dataset:
        """Return the covariates of the steps after an issue time.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time); nothing after the issue time is read but by
            :class:`ObservedWeather`.
        issue_time : numpy.datetime64
            A step of the time axis.
        horizon : int
            Number of steps.
        covariates : sequence of str
            Names of the covariates that are wanted.

        Returns
        -------
        xarray.Dataset
            Each covariate over (well, weather, time), without NaN; ``weather`` names the versions
            of the future, ``time`` holds the ``horizon`` steps after the issue time.

        Raises
        ------
        SchemaError
            If a series ends before the horizon does; series, well and date are named.
        """


class ObservedWeather(Forcing):
    """The weather that was observed: perfect foresight, which no real forecast has."""

    origin = "observed"

    def futures(
        self,
        observations: xr.Dataset,
        *,
        issue_time: np.datetime64,
        horizon: int,
        covariates: Sequence[str],
    ) -> xr.Dataset:
        """Return the observed covariates of the steps after an issue time, one version."""
        times = observations[schema.TIME].values
        frequency = timeline.infer_frequency(times)
        wanted = timeline.valid_times(
            timeline.to_times([issue_time]), np.arange(1, horizon + 1), frequency
        )[0]
        after = observations[list(covariates)].reindex({schema.TIME: wanted})
        return complete_futures(
            after.expand_dims({schema.WEATHER: ["observed"]}, axis=1), issue_time=issue_time
        )


def continue_weather(
    observations: xr.Dataset,
    *,
    issue_time: np.datetime64,
    horizon: int,
    forcing: Forcing,
    covariates: Sequence[str],
    history: int,
) -> xr.Dataset:
    """Return the observed weather up to an issue time, and each version of it from there on.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    issue_time : numpy.datetime64
        A step of the time axis.
    horizon : int
        Number of steps after it.
    forcing : Forcing
        Weather of these steps.
    covariates : sequence of str
        Names of the covariates.
    history : int
        Number of steps up to the issue time, which is one of them; fewer where the record starts
        later.

    Returns
    -------
    xarray.Dataset
        Covariates (well, weather, time); ``level`` (well, time), NaN after the issue time; static
        attributes as they are.

    Raises
    ------
    SchemaError
        If a covariate ends before the issue time; series, well and date are named.
    """
    times = timeline.to_times(observations[schema.TIME].values)
    issued = int(timeline.time_positions(times, np.array([issue_time]), name="issue time")[0])
    past = observations.isel({schema.TIME: slice(max(0, issued + 1 - history), issued + 1)})
    _check_present(past, covariates)
    futures = forcing.futures(
        observations, issue_time=times[issued], horizon=horizon, covariates=covariates
    )
    joined = {name: _join(past[name], futures[name]) for name in covariates}
    level = past[schema.LEVEL].transpose(schema.WELL, schema.TIME).values
    level = np.pad(level, ((0, 0), (0, horizon)), constant_values=np.nan)
    static = {n: observations[n] for n in schema.attribute_names(observations)}
    return xr.Dataset(
        {
            schema.LEVEL: (
                (schema.WELL, schema.TIME),
                level,
                dict(observations[schema.LEVEL].attrs),
            ),
            **joined,
            **static,
        },
        {
            schema.WELL: observations[schema.WELL].values,
            schema.WEATHER: futures[schema.WEATHER].values,
            schema.TIME: np.concatenate([past[schema.TIME].values, futures[schema.TIME].values]),
        },
    )


def _join(past: xr.DataArray, future: xr.DataArray) -> xr.Variable:
    """Return past values (well, time) and each version of the future (well, weather, time)."""
    dims = (schema.WELL, schema.WEATHER, schema.TIME)
    before = past.transpose(schema.WELL, schema.TIME).values[:, None]
    after = future.transpose(*dims).values
    whole = np.concatenate([np.repeat(before, after.shape[1], axis=1), after], axis=-1)
    return xr.Variable(dims, whole, dict(past.attrs))


def _check_present(past: xr.Dataset, covariates: Sequence[str]) -> None:
    for name in covariates:
        missing = past[name].isel({schema.TIME: -1}).isnull().values
        if missing.any():
            well = str(past[schema.WELL].values[missing.argmax()])
            known = past[name].sel({schema.WELL: well}).dropna(schema.TIME)[schema.TIME].values
            ends = timeline.format_time(known[-1]) if known.size else "before the history"
            raise SchemaError(
                "Observed weather must reach the issue time. Received "
                f"{name!r} at well {well!r}, which ends {ends}, and the issue time "
                f"{timeline.format_time(past[schema.TIME].values[-1])}. Bring the series up to "
                "date, or forecast from an earlier issue time."
            )


def complete_futures(futures: xr.Dataset, *, issue_time: np.datetime64) -> xr.Dataset:
    """Check that no value is missing in covariates (well, weather, time); return them unchanged.

    Raises
    ------
    SchemaError
        If a value is missing; the covariate, well, version and first time are named.
    """
    for name in futures.data_vars:
        values = futures[name].transpose(schema.WELL, schema.WEATHER, schema.TIME)
        missing = np.argwhere(values.isnull().values)
        if missing.size:
            well, weather, time = (
                values[dim].values[i] for dim, i in zip(values.dims, missing[0], strict=True)
            )
            raise SchemaError(
                "Weather after the issue time must reach the end of the horizon. Received "
                f"{str(name)!r} at well {str(well)!r} without a value at "
                f"{timeline.format_time(time)} (version {str(weather)!r}, issue time "
                f"{timeline.format_time(issue_time)}). Shorten the horizon, bring the series up to "
                "date, or use another forcing, such as climatology."
            )
    return futures
