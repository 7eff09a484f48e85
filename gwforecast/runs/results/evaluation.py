"""The result of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.runs.results.record import split_and_outcomes
from gwforecast.runs.results.shown import Result, one_or_all, prediction_table, span_of
from gwforecast.sequences.split import Period, Split
from gwforecast.verification.scoring import choose_models, score_summary

__all__ = ["Evaluation"]


SUMMARY = ("nse", "kge_anomaly", "rmse", "bias", "coverage_95", "skill_rmse")


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Result):
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
        :func:`gwforecast.verification.probabilistic.coverage_by_year`.
    paths : dict of str to pathlib.Path
        Files written, by their names in the folder.
    observations : xarray.Dataset, optional
        The data that were used; not kept by a run in shards.
    baseline : str
        The model that skill is measured against.
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
    observations: xr.Dataset | None = None
    baseline: str = "climatology"
    has_page_of_all: ClassVar[bool] = True

    @property
    def wells(self) -> list[str]:
        """Names of the wells."""
        return schema.well_names(self.predictions)

    def title(self) -> str:
        """Return models, wells and span in one line."""
        level = self.predictions[schema.LEVEL]
        models, wells = level.sizes[schema.MODEL], level.sizes[schema.WELL]
        return (
            f"Evaluation of {models} models, {span_of(level[schema.TIME].values)}; scores of the "
            f"test period, {one_or_all(wells)}"
        )

    def summary(self, *, period: Period = "test", metrics: Sequence[str] = SUMMARY) -> pd.DataFrame:
        """Return the scores of a period, a row for each model, best first; median over wells.

        The definitions are :func:`gwforecast.verification.scoring.definitions`.
        """
        return score_summary(self.scores, period=period, metrics=metrics)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the predictions as a table.

        Returns
        -------
        pandas.DataFrame
            Columns model, well, time, predicted, lower_95, upper_95 and, where the observations are
            known, observed; m.
        """
        known = None if self.observations is None else self.observations[schema.LEVEL]
        by = [schema.MODEL, schema.WELL, schema.TIME]
        return prediction_table(self.predictions[schema.LEVEL], known, by=by)

    def plot(
        self,
        *,
        well: str | None = None,
        model: str | None = None,
        period: Period | None = None,
        ax: Any = None,
    ) -> Any:
        """Draw the hydrograph of a well, see :func:`gwforecast.plots.hydrograph`.

        Parameters
        ----------
        well, model : str, optional
            By default the first well, and the model with the best score of the test period.
        period : {"train", "validation", "test"}, optional
            Period shown; by default all levels.
        ax : matplotlib.axes.Axes, optional
            Axes to draw in; by default those of a new figure.
        """
        from gwforecast import plots

        if self.observations is None:
            raise ValueError(
                "A plot needs the observations. Received an evaluation without them, as of a run "
                "in shards. Use gwforecast.plots.hydrograph(observations, self.predictions)."
            )
        well = str(self.predictions[schema.WELL].values[0]) if well is None else well
        of_well = self.scores[self.scores[schema.WELL] == well]
        best = model or str(score_summary(of_well, metrics=["nse"]).index[0])
        return plots.hydrograph(
            self.observations, self.predictions, well=well, model=best, split=self.split,
            period=period, ax=ax,
        )  # fmt: skip

    @property
    def choice(self) -> pd.DataFrame:
        """The best model for each well, by the RMSE of the validation period."""
        return choose_models(self.scores)

    def entries(self) -> dict[str, object]:
        """Return periods and outcomes for the record of the run."""
        return split_and_outcomes(self.split, self.outcomes)
