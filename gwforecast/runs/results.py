"""What a run gives: evaluations, backtests and what is said of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.sequences.split import Split
from gwforecast.verification.scoring import choose_models

__all__ = ["Backtest", "Evaluation", "Judgement", "Origins", "Outlook"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation gives.

    Parameters
    ----------
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, NaN where a model has none; the central
        prediction is quantile 0.5. ``fitted_through`` (well, time): the last period whose levels
        the fit behind each row had seen.
    scores : pandas.DataFrame
        Columns model, well, period, metric, value, n.
    history : pandas.DataFrame
        Columns model, well, member, epoch, loss, validation_loss.
    findings : pandas.DataFrame
        What is doubtful in the observations.
    outcomes : pandas.DataFrame
        Columns model, well, status (``"ok"`` or ``"failed"``), reason.
    split : Split
        The periods.
    seconds : dict of str to float
        Duration of each stage.
    paths : dict of str to pathlib.Path
        The files that were written, by their names in the folder.
    """

    predictions: xr.Dataset
    scores: pd.DataFrame
    history: pd.DataFrame
    findings: pd.DataFrame
    outcomes: pd.DataFrame
    split: Split
    seconds: dict[str, float]
    paths: dict[str, Path] = field(default_factory=dict)

    @property
    def choice(self) -> pd.DataFrame:
        """The model to take for each well, by the RMSE of the validation period."""
        return choose_models(self.scores)


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


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is said about the hindcasts of a backtest.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns model, well, lead, lead_time, metric, value, n.
    comparison : pandas.DataFrame
        The networks' model against the best other one, by well and lead time.
    reliability : pandas.DataFrame
        Forecast probability and observed frequency of the event, by model and bin.
    event : str
        What the event is.
    """

    scores: pd.DataFrame
    comparison: pd.DataFrame
    reliability: pd.DataFrame
    event: str


@dataclass(frozen=True, eq=False)
class Outlook:
    """What the forecasts of a backtest's lead model say of the months ahead.

    Parameters
    ----------
    status : pandas.DataFrame
        State of each month by well as in :meth:`gwforecast.verification.status.LevelStatus.table`,
        observed up to the last issue time whose forecast is whole (column ``issue_time``), forecast
        after it. The reference is the train and validation periods.
    crossings : pandas.DataFrame
        Probability and time of the first crossing for each well and issue time, as in
        :func:`gwforecast.verification.distribution.crossing_table`; empty without a threshold.
    without : dict of str to str
        Why a well has no state, by well.
    """

    status: pd.DataFrame = field(default_factory=pd.DataFrame)
    crossings: pd.DataFrame = field(default_factory=pd.DataFrame)
    without: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a backtest gives.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m, NaN where a model has none;
        ``valid_time`` (issue_time, lead_time). The attribute ``forcing`` names the origin of the
        weather after the issue times.
    judgement : Judgement
        Scores by lead time, a test of differences, reliability of an event.
    outcomes : pandas.DataFrame
        Columns model, well, status (``"ok"`` or ``"failed"``), reason.
    split : Split
        The periods.
    origins : Origins
        Issue times, horizon, weather and refits.
    seconds : dict of str to float
        Duration of each stage.
    outlook : Outlook
        State of the months against normal, and crossings of the threshold.
    paths : dict of str to pathlib.Path
        The files that were written, by their names in the folder.
    """

    hindcasts: xr.Dataset
    judgement: Judgement
    outcomes: pd.DataFrame
    split: Split
    origins: Origins
    seconds: dict[str, float]
    outlook: Outlook = field(default_factory=Outlook)
    paths: dict[str, Path] = field(default_factory=dict)

    @property
    def scores(self) -> pd.DataFrame:
        """Scores by model, well, lead time and metric."""
        return self.judgement.scores
