"""Covariates after an issue time: their origin, and their values up to a horizon.

A forecaster obtains the covariates of the steps after an issue time from a :class:`Forcing`. All
forcings use only what was known at the issue time, except for :class:`ObservedWeather`, which is
perfect foresight for research.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import known_at

__all__ = [
    "Continued", "Forcing", "ObservedWeather", "check_present", "complete_futures",
    "continuation", "continue_weather", "times_after",
]  # fmt: skip


class Forcing(abc.ABC):
    """Covariates after an issue time.

    Their origin is ``"observed"``, ``"forecast"``, ``"ensemble"``, ``"climatology"`` or
    ``"scenario"``.
    """

    origin: str

    @property
    def label(self) -> str:
        """The forcing in words, for tables and figures: its origin, and the name of a scenario."""
        return self.origin

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes of forecasts with this forcing."""
        return {"forcing": self.origin}

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
            Dimensions (well, time); only :class:`ObservedWeather` uses values after the issue time.
        issue_time : numpy.datetime64
            A step of the time axis.
        horizon : int
            Number of steps.
        covariates : sequence of str
            Names of the covariates.

        Returns
        -------
        xarray.Dataset
            Each covariate over (well, forcing_member, time), without NaN. ``forcing_member``
            identifies the members of a weather ensemble, ``time`` holds the ``horizon`` steps after
            the issue time.

        Raises
        ------
        SchemaError
            If a series ends before the horizon; series, well and date are named.
        """


def times_after(observations: xr.Dataset, issue_time: np.datetime64, horizon: int) -> np.ndarray:
    """Return the times of the steps after an issue time, shape (horizon,)."""
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    steps = np.arange(1, horizon + 1)
    return np.asarray(timeline.valid_times(timeline.to_times([issue_time]), steps, frequency)[0])


@dataclass(frozen=True)
class ObservedWeather(Forcing):
    """Observed weather after the issue time: perfect foresight, not available in operation."""

    origin = "observed"

    def futures(
        self,
        observations: xr.Dataset,
        *,
        issue_time: np.datetime64,
        horizon: int,
        covariates: Sequence[str],
    ) -> xr.Dataset:
        """Return the observed covariates of the steps after an issue time, as one member."""
        wanted = times_after(observations, issue_time, horizon)
        after = observations[list(covariates)].reindex({schema.TIME: wanted})
        return complete_futures(
            after.expand_dims({schema.FORCING_MEMBER: ["observed"]}, axis=1), issue_time=issue_time
        )


Continued = Callable[[np.datetime64, tuple[str, ...], int], xr.Dataset]
"""Weather continued after an issue time, of some covariates, with some steps before it."""


def continuation(observations: xr.Dataset, *, horizon: int, forcing: Forcing) -> Continued:
    """Return :func:`continue_weather` of observations, which remembers the last result.

    The models of a blend mostly ask for the same weather, with longer and shorter histories, and
    none of them changes it.
    """
    held: dict[tuple[np.datetime64, tuple[str, ...]], tuple[int, xr.Dataset]] = {}

    def continued(
        issue_time: np.datetime64, covariates: tuple[str, ...], history: int
    ) -> xr.Dataset:
        longest, found = held.get((issue_time, covariates), (-1, observations))
        if longest < history:
            held.clear()
            found = continue_weather(
                observations,
                issue_time=issue_time,
                horizon=horizon,
                forcing=forcing,
                covariates=covariates,
                history=history,
            )
            held[issue_time, covariates] = history, found
        return found.isel({schema.TIME: slice(-history - horizon, None)})

    return continued


def continue_weather(
    observations: xr.Dataset,
    *,
    issue_time: np.datetime64,
    horizon: int,
    forcing: Forcing,
    covariates: Sequence[str],
    history: int,
) -> xr.Dataset:
    """Return observed covariates up to an issue time, followed by those of each forcing member.

    Covariates become (well, forcing_member, time); ``level`` (well, time) is NaN after the issue
    time; static attributes are unchanged. Raises SchemaError if a covariate ends before the issue
    time; series, well and date are named.
    """
    issue_time = np.datetime64(timeline.to_times([issue_time])[0])
    past = known_at(observations, issue_time)
    past = past.isel({schema.TIME: slice(max(0, past.sizes[schema.TIME] - history), None)})
    check_present(past, covariates)
    futures = forcing.futures(
        observations, issue_time=issue_time, horizon=horizon, covariates=covariates
    )
    joined = {name: _join(past[name], futures[name]) for name in covariates}
    level = past[schema.LEVEL].transpose(schema.WELL, schema.TIME).values
    level = np.pad(level, ((0, 0), (0, horizon)), constant_values=np.nan)
    static = {n: observations[n] for n in schema.attribute_names(observations)}
    return xr.Dataset(
        {
            schema.LEVEL: ((schema.WELL, schema.TIME), level, observations[schema.LEVEL].attrs),
            **joined,
            **static,
        },
        {
            schema.WELL: observations[schema.WELL].values,
            schema.FORCING_MEMBER: futures[schema.FORCING_MEMBER].values,
            schema.TIME: np.concatenate([past[schema.TIME].values, futures[schema.TIME].values]),
        },
    )


def _join(past: xr.DataArray, future: xr.DataArray) -> xr.Variable:
    """Return past values (well, time) joined to future ones (well, forcing_member, time)."""
    dims = (schema.WELL, schema.FORCING_MEMBER, schema.TIME)
    before = past.transpose(schema.WELL, schema.TIME).values[:, None]
    after = future.transpose(*dims).values
    whole = np.concatenate([np.repeat(before, after.shape[1], axis=1), after], axis=-1)
    return xr.Variable(dims, whole, dict(past.attrs))


def check_present(past: xr.Dataset, covariates: Sequence[str]) -> None:
    """Raise SchemaError if a covariate (well, time) lacks its last step, the issue time."""
    for name in covariates:
        missing = past[name].isel({schema.TIME: -1}).isnull().values
        if missing.any():
            well = str(past[schema.WELL].values[missing.argmax()])
            known = past[name].sel({schema.WELL: well}).dropna(schema.TIME)[schema.TIME].values
            ends = timeline.format_time(known[-1]) if known.size else "before the history"
            raise SchemaError(
                "Observed weather must reach the issue time. Received "
                f"{name!r} at well {well!r}, which ends {ends}, and the issue time "
                f"{timeline.format_time(past[schema.TIME].values[-1])}. Update the series, or "
                "use an earlier issue time."
            )


def complete_futures(futures: xr.Dataset, *, issue_time: np.datetime64) -> xr.Dataset:
    """Check that covariates (well, forcing_member, time) are complete; return them unchanged.

    Raises SchemaError if a value is missing; covariate, well, member and first time are named.
    """
    for name in futures.data_vars:
        values = futures[name].transpose(schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        missing = np.argwhere(values.isnull().values)
        if missing.size:
            well, member, time = (
                values[dim].values[i] for dim, i in zip(values.dims, missing[0], strict=True)
            )
            raise SchemaError(
                "Weather after the issue time must reach the end of the horizon. Received "
                f"{str(name)!r} at well {str(well)!r} without a value at "
                f"{timeline.format_time(time)} (member {str(member)!r}, issue time "
                f"{timeline.format_time(issue_time)}). Shorten the horizon, update the series, or "
                "use another forcing, such as climatology."
            )
    return futures
