"""The result of a backtest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.runs.results.record import split_and_outcomes
from gwforecast.sequences.split import Split

__all__ = ["Backtest", "Origins", "StatusForecast", "Verification"]


@dataclass(frozen=True, eq=False)
class Origins:
    """When the forecasts of a backtest are issued, and with which weather and refits.

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
        Refits use a window of constant length rather than all earlier levels.
    """

    issue_times: np.ndarray
    horizon: int
    forcing: Forcing = field(default_factory=ObservedWeather)
    refit_every: int | None = None
    sliding: bool = False

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the issue times that share a fit."""
        every = self.refit_every or len(self.issue_times)
        for first in range(0, len(self.issue_times), every):
            yield self.issue_times[first : first + every]


@dataclass(frozen=True, eq=False)
class Verification:
    """Verification of the hindcasts of a backtest.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, lead, lead_time, metric, value, n, not_scored.
    comparison : pandas.DataFrame
        The networks against the best other model, by well and lead time, with a significance test.
    reliability : pandas.DataFrame
        Forecast probability and observed frequency of the event, by model and bin.
    event : str
        Definition of the event.
    coverage : pandas.DataFrame
        Coverage by year and lead time with its range, as of
        :func:`gwforecast.verification.coverage.coverage_by_lead`.
    """

    scores: pd.DataFrame
    comparison: pd.DataFrame
    reliability: pd.DataFrame
    event: str
    coverage: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, eq=False)
class StatusForecast:
    """Status against normal in the months ahead, from the hindcasts of a backtest.

    Parameters
    ----------
    status : pandas.DataFrame
        Status of each month by well as in :meth:`gwforecast.verification.status.LevelStatus.table`:
        observed up to the last issue time with a complete forecast (column ``issue_time``),
        forecast after it. The reference is the train and validation periods.
    crossings : pandas.DataFrame
        Probability and time of the first crossing for each well and issue time, as in
        :func:`gwforecast.verification.distribution.crossing_table`; empty without a threshold.
    missing : dict of str to str
        Wells without a status, and why.
    """

    status: pd.DataFrame = field(default_factory=pd.DataFrame)
    crossings: pd.DataFrame = field(default_factory=pd.DataFrame)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Backtest:
    """The result of a backtest.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m, NaN where a model has no
        forecast; ``valid_time`` (issue_time, lead_time). The attribute ``forcing`` names the origin
        of the weather after the issue times.
    verification : Verification
        Scores by lead time, a test of differences, reliability for an event.
    outcomes : pandas.DataFrame
        Columns model, well, status (``"ok"`` or ``"failed"``), reason.
    split : Split
        The periods.
    origins : Origins
        Issue times, horizon, weather and refits.
    seconds : dict of str to float
        Duration of each stage.
    status_forecast : StatusForecast
        Status of the months against normal, and crossings of the threshold.
    paths : dict of str to pathlib.Path
        Files written, by their names in the folder.
    """

    hindcasts: xr.Dataset
    verification: Verification
    outcomes: pd.DataFrame
    split: Split
    origins: Origins
    seconds: dict[str, float]
    status_forecast: StatusForecast = field(default_factory=StatusForecast)
    paths: dict[str, Path] = field(default_factory=dict)

    @property
    def scores(self) -> pd.DataFrame:
        """Scores by model, well, lead time and metric."""
        return self.verification.scores

    def entries(self) -> dict[str, object]:
        """Return periods and outcomes for the record of the run."""
        return split_and_outcomes(self.split, self.outcomes)
