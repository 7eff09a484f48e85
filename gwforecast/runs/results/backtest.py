"""The result of a backtest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.runs.results.record import split_and_outcomes
from gwforecast.runs.results.shown import Result, one_or_all, prediction_table, span_of
from gwforecast.sequences.origins import observed_at
from gwforecast.sequences.split import Split
from gwforecast.verification.lead_scoring import forecast_summary

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
        The blend, first network or first model against the best other one, by well and lead time:
        skill in CRPS with its 95 % range, as of
        :func:`gwforecast.verification.significance.compare`.
    reliability : pandas.DataFrame
        Forecast probability and observed frequency of the event, by model and bin.
    event : str
        Definition of the event.
    coverage : pandas.DataFrame
        Coverage by year and lead time with its range, as of
        :func:`gwforecast.verification.probabilistic.coverage_by_lead`.
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


@dataclass(frozen=True, eq=False, repr=False)
class Backtest(Result):
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
    observations : xarray.Dataset, optional
        The data that were used; not kept by a run in shards.
    """

    hindcasts: xr.Dataset
    verification: Verification
    outcomes: pd.DataFrame
    split: Split
    origins: Origins
    seconds: dict[str, float]
    status_forecast: StatusForecast = field(default_factory=StatusForecast)
    paths: dict[str, Path] = field(default_factory=dict)
    observations: xr.Dataset | None = None

    @property
    def wells(self) -> list[str]:
        """Names of the wells."""
        return schema.well_names(self.hindcasts)

    def title(self) -> str:
        """Return models, issue times, horizon and weather in one line."""
        level = self.hindcasts[schema.LEVEL]
        issued = level[schema.ISSUE_TIME].values
        weather = self.origins.forcing.label
        return (
            f"Backtest of {level.sizes[schema.MODEL]} models, {issued.size} issue times, "
            f"{span_of(issued)}, {self.origins.horizon} lead times, weather after the issue time: "
            f"{weather}; RMSE in m by lead "
            f"time, {one_or_all(level.sizes[schema.WELL])}"
        )

    def summary(self, *, metric: str = "rmse", leads: int = 6) -> pd.DataFrame:
        """Return a score by model and lead time, a row for each model; median over wells.

        Parameters
        ----------
        metric : str
            Name from :func:`gwforecast.verification.lead_scoring.lead_definitions`.
        leads : int
            Number of lead times, from the first to the last.
        """
        table = forecast_summary(self.scores, metric=metric)
        wanted = np.geomspace(1, table.shape[1], min(leads, table.shape[1])).round().astype(int) - 1
        return table.iloc[:, np.unique(wanted)]

    def to_dataframe(self) -> pd.DataFrame:
        """Return the hindcasts as a table.

        Returns
        -------
        pandas.DataFrame
            Columns model, well, issue_time, lead_time, valid_time, predicted, lower_95, upper_95
            and, where the observations are known, observed; m. Then the origin of the weather,
            forcing, and the name of a scenario.
        """
        level, known = self.hindcasts[schema.LEVEL], None
        if self.observations is not None:
            known = observed_at(self.observations[schema.LEVEL], self.hindcasts)
        by = [schema.MODEL, schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME, schema.VALID_TIME]
        table = prediction_table(level, known, by=by)
        named = {k: v for k, v in self.hindcasts.attrs.items() if k in ("forcing", "scenario")}
        return table.assign(**named)

    def plot(
        self,
        *,
        well: str | None = None,
        model: str | None = None,
        note: str | None = None,
        ax: Any = None,
    ) -> Any:
        """Draw the hindcasts of a well, see :func:`gwforecast.plots.hindcasts`.

        Parameters
        ----------
        well, model : str, optional
            By default the first well, and the model with the lowest mean RMSE.
        note : str, optional
            Text above the axes at the right.
        ax : matplotlib.axes.Axes, optional
            Axes to draw in; by default those of a new figure.
        """
        from gwforecast import plots

        if self.observations is None:
            raise ValueError(
                "A plot needs the observations. Received a backtest without them, as of a run in "
                "shards. Use gwforecast.plots.hindcasts(self.hindcasts, observations)."
            )
        well = str(self.hindcasts[schema.WELL].values[0]) if well is None else well
        of_well = self.scores[self.scores[schema.WELL] == well]
        best = model or str(forecast_summary(of_well, metric="rmse").mean(axis=1).idxmin())
        return plots.hindcasts(
            self.hindcasts, self.observations, well=well, model=best, note=note, ax=ax
        )

    @property
    def scores(self) -> pd.DataFrame:
        """Scores by model, well, lead time and metric."""
        return self.verification.scores

    def entries(self) -> dict[str, object]:
        """Return periods and outcomes for the record of the run."""
        return split_and_outcomes(self.split, self.outcomes)
