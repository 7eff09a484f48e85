"""One forecaster over all issue times of a backtest: fitted, calibrated, refitted, issued."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.data.forcing import Forcing, ObservedWeather
from gwforecast.models.base import Forecaster, Progress
from gwforecast.models.calibrated import Calibrated
from gwforecast.models.corrected import Corrected
from gwforecast.sequences.origins import (
    extend_split,
    mask_to_period,
    observed_at,
)
from gwforecast.sequences.split import Split

__all__ = ["Origins", "hindcast"]


@dataclass(frozen=True, eq=False)
class Origins:
    """When forecasts of a backtest are issued, and on what.

    Parameters
    ----------
    issue_times : numpy.ndarray
        Shape (issue_time,), increasing.
    horizon : int
        Number of lead times.
    forcing : Forcing
        Weather after each issue time.
    refit_every : int, optional
        Issue times from one refit to the next; by default the fit at the start serves all.
    sliding : bool
        A refit sees a window of the same length, not all that came before.
    """

    issue_times: np.ndarray
    horizon: int
    forcing: Forcing = field(default_factory=ObservedWeather)
    refit_every: int | None = None
    sliding: bool = False

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the issue times that one fit serves."""
        every = self.refit_every or len(self.issue_times)
        for first in range(0, len(self.issue_times), every):
            yield self.issue_times[first : first + every]


def hindcast(
    forecaster: Forecaster,
    observations: xr.Dataset,
    *,
    split: Split,
    origins: Origins,
    refitted: dict[tuple[int, int], Forecaster] | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return the forecasts that would have been issued in the test period.

    The forecaster comes fitted on the train period. Its intervals are learnt from hindcasts of the
    validation period; then it is refitted through the validation period, and again where that is
    asked for, each time on what was known at the first issue time that the refit serves.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted, with a method ``forecast``.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods of each well.
    origins : Origins
        When, how far and on what weather.
    refitted : dict, optional
        Refits that are shared with other forecasters of the same parts, by the identity of the part
        and the number of the refit; new ones are added.
    progress : Progress, optional
        Told of refits done.

    Returns
    -------
    xarray.Dataset
        ``level`` (well, issue_time, lead_time, quantile), m; NaN where there is no forecast.
    """
    calibrated = Calibrated(forecaster, horizon=origins.horizon, forcing=origins.forcing)
    interval = calibrated.calibrate(observations, split=split).interval_
    refitted = {} if refitted is None else refitted
    parts, first = [], forecaster
    blocks = list(origins.blocks())
    for number, issue_times in enumerate(blocks):
        known = split
        if number:
            known = extend_split(split, issue_times[0], sliding=origins.sliding)
        forecaster = _refit(
            forecaster, first, observations, split=known, number=number, refitted=refitted
        )
        parts.append(_issue(forecaster, observations, issue_times=issue_times, origins=origins))
        if progress is not None:
            progress("refits", number + 1, len(blocks))
    issued = xr.concat(parts, schema.ISSUE_TIME) if len(parts) > 1 else parts[0]
    issued = mask_to_period(issued, split, period="test")
    outcome = observed_at(split.levels(observations, "test"), issued)
    return interval.apply(issued, observed=outcome)


def _refit(
    forecaster: Forecaster,
    first: Forecaster,
    observations: xr.Dataset,
    *,
    split: Split,
    number: int,
    refitted: dict[tuple[int, int], Forecaster],
) -> Forecaster:
    """Return a refit through the validation period; parts that are refitted already are taken."""
    if isinstance(forecaster, Corrected) and isinstance(first, Corrected):
        parts = [
            _refit(part, origin, observations, split=split, number=number, refitted=refitted)
            for part, origin in zip(forecaster.parts, first.parts, strict=True)
        ]
        return forecaster.with_parts(parts, observations, split=split)
    key = (id(first), number)
    if key not in refitted:
        refitted[key] = forecaster.refit(observations, split=split, through="validation")
    return refitted[key]


def _issue(
    forecaster: Forecaster, observations: xr.Dataset, *, issue_times: np.ndarray, origins: Origins
) -> xr.Dataset:
    forecast = forecaster.forecast(
        observations,
        issue_times=issue_times,
        horizon=origins.horizon,
        forcing=origins.forcing,
    )
    return schema.validate_forecast(forecast)
