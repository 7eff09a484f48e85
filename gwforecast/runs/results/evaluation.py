"""The result of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import xarray as xr

from gwforecast.runs.results.record import split_and_outcomes
from gwforecast.sequences.split import Split
from gwforecast.verification.scoring import choose_models

__all__ = ["Evaluation"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of an evaluation.

    Parameters
    ----------
    predictions : xarray.Dataset
        ``level`` (model, well, time, quantile), m, NaN where a model has no prediction; the central
        prediction is quantile 0.5. ``fitted_through`` (well, time): the last period that the fit
        behind each row was fitted on.
    scores : pandas.DataFrame
        Columns model, well, period, metric, value, n, not_scored.
    history : pandas.DataFrame
        Columns model, well, member, epoch, loss, validation_loss.
    findings : pandas.DataFrame
        Findings of the data checks.
    outcomes : pandas.DataFrame
        Columns model, well, status (``"ok"`` or ``"failed"``), reason.
    split : Split
        The periods.
    seconds : dict of str to float
        Duration of each stage.
    coverage : pandas.DataFrame
        Coverage of the test period by year with its range, as of
        :func:`gwforecast.verification.coverage.coverage_by_year`.
    paths : dict of str to pathlib.Path
        Files written, by their names in the folder.
    """

    predictions: xr.Dataset
    scores: pd.DataFrame
    history: pd.DataFrame
    findings: pd.DataFrame
    outcomes: pd.DataFrame
    split: Split
    seconds: dict[str, float]
    coverage: pd.DataFrame = field(default_factory=pd.DataFrame)
    paths: dict[str, Path] = field(default_factory=dict)

    @property
    def choice(self) -> pd.DataFrame:
        """The best model for each well, by the RMSE of the validation period."""
        return choose_models(self.scores)

    def entries(self) -> dict[str, object]:
        """Return periods and outcomes for the record of the run."""
        return split_and_outcomes(self.split, self.outcomes)
