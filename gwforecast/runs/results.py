"""What all results have in common: a summary, a table, a plot and a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.display import Displayed
from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.sequences.origins import observed_at
from gwforecast.sequences.split import Period, Split
from gwforecast.verification.lead_scoring import forecast_summary, scored_pairs
from gwforecast.verification.metrics import METRICS
from gwforecast.verification.scoring import choose_models, score_summary

__all__ = [
    "Backtest", "Evaluation", "Origins", "Result", "StatusForecast", "Tuning", "Verification",
    "one_or_all", "prediction_table", "span_of", "span_of_period",
]  # fmt: skip


DPI = 70  # of the small picture in a notebook


class Result(Displayed):
    """The result of a run: the same words for each of them.

    ``summary()`` is a short table, ``to_dataframe()`` a long one, and ``plot()`` the most telling
    figure. Notebooks show the summary and a small picture.
    """

    has_page_of_all: ClassVar[bool] = False

    def to_dataframe(self) -> pd.DataFrame:
        """Return the result as one long table, for any other tool.

        Returns
        -------
        pandas.DataFrame
            A row for each value, with plain columns instead of an index; levels in m.
        """
        raise NotImplementedError

    plot: Callable[..., Any]
    """Draws the most telling figure and returns its axes."""

    def report(self, path: Path | str, *, well: str | None = None) -> Path:
        """Write the page of a well, or of all wells of an evaluation, as one file.

        Of an answer, such as filled gaps, it has the summary and the figures.

        Parameters
        ----------
        path : pathlib.Path or str
            File that ends in ``.html`` or ``.pdf``.
        well : str, optional
            By default the only well. Where there are several, the page of an evaluation is of all
            wells, and that of other results of the first.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        ValueError
            If the result has no wells or, of a run in shards, no observations.
        """
        # pages are made by a room above this one, which the table of public names knows
        public = import_module(__name__.partition(".")[0])
        if not self.wells:
            raise ValueError(
                "A report is of wells. Received a result without any, of the class "
                f"{type(self).__name__}. Use its methods summary and plot."
            )
        if well is None and len(self.wells) > 1 and self.has_page_of_all:
            page = public.network_report(self)
        else:
            page = public.well_report(self, well=self.wells[0] if well is None else well)
        return Path(page.write(Path(path)))

    @property
    def wells(self) -> list[str]:
        """Names of the wells; none where there are none of its own."""
        return []

    def picture(self) -> bytes | None:
        """Return the plot as a small PNG, or None if it cannot be drawn."""
        from gwforecast.plots import style

        try:
            axes = self.plot()
            return style.picture(axes[0] if isinstance(axes, list) else axes, dpi=DPI)[0]
        except (ValueError, KeyError):  # e.g. a result that was joined from shards
            return None


def prediction_table(
    level: xr.DataArray, observed: xr.DataArray | None, *, by: list[str]
) -> pd.DataFrame:
    """Return quantiles of levels, m, as a long table, without rows that have none.

    Its columns are dimensions and coordinates that identify a row (``by``), predicted, lower_95,
    upper_95, and observed where that is known.
    """
    quantiles = level[schema.QUANTILE].values
    columns = {"predicted": level.sel({schema.QUANTILE: 0.5}, drop=True)}
    for name, quantile in (("lower_95", 0.025), ("upper_95", 0.975)):
        at = np.flatnonzero(np.isclose(quantiles, quantile))
        if at.size:
            columns[name] = level.isel({schema.QUANTILE: int(at[0])}, drop=True)
    if observed is not None:
        columns["observed"] = observed
    table = xr.Dataset(columns).to_dataframe().dropna(subset=["predicted"]).reset_index()
    return table[[*by, *columns]]


def span_of(times: np.ndarray) -> str:
    """Return the first and the last time in words."""
    first, last = (timeline.format_time(time) for time in timeline.to_times(times)[[0, -1]])
    return f"{first} to {last}"


def span_of_period(split: Split, period: Period) -> str:
    """Return the first start and the last end of a period over the wells in words."""
    bounds = np.concatenate([split.start(period).values, split.end(period).values])
    known = np.sort(bounds[~np.isnat(bounds)])
    return span_of(known) if known.size else "without a date"


def _range_of(counts: pd.Series) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low}" if low == high else f"{low} to {high}"


def one_or_all(wells: int) -> str:
    """Return how the scores of some wells are summarised."""
    return "1 well" if wells == 1 else f"median of {wells} wells"


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
            f"test period, {span_of_period(self.split, 'test')}, {one_or_all(wells)}: rmse and "
            f"bias in m, skill against {self.baseline}, n levels of all wells"
        )

    def summary(self, *, period: Period = "test", metrics: Sequence[str] = SUMMARY) -> pd.DataFrame:
        """Return the scores of a period, median over the wells.

        Parameters
        ----------
        period : {"train", "validation", "test"}
            Where the levels are scored; those of the other periods were fitted.
        metrics : sequence of str
            Names from :func:`gwforecast.verification.scoring.definitions`.

        Returns
        -------
        pandas.DataFrame
            A row for each model, best first, and a column for each metric.
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

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
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
            f"{weather}; RMSE in m by lead time, {one_or_all(level.sizes[schema.WELL])}, "
            f"{_range_of(scored_pairs(self.scores)['n'])} levels at each lead time"
        )

    def summary(self, *, metric: str = "rmse", leads: int = 6) -> pd.DataFrame:
        """Return a score by model and lead time, median over the wells.

        Parameters
        ----------
        metric : str
            Name from :func:`gwforecast.verification.lead_scoring.lead_definitions`.
        leads : int
            Number of lead times shown, from the first to the last, closer at the start.

        Returns
        -------
        pandas.DataFrame
            A row for each model, and a column for each lead time, in steps.
        """
        table = forecast_summary(self.scores, metric=metric)
        known = METRICS.get(metric)
        label = metric if known is None else known.label
        label += f" [{known.units}]" if known and known.units != "1" else ""
        table.columns.name = f"{label}, steps ahead"
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
        ax: Any = None,
    ) -> Any:
        """Draw the hindcasts of a well, see :func:`gwforecast.plots.hindcasts`.

        Parameters
        ----------
        well, model : str, optional
            By default the first well, and the model with the lowest mean RMSE.
        ax : matplotlib.axes.Axes, optional
            Axes to draw in; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
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
        return plots.hindcasts(self.hindcasts, self.observations, well=well, model=best, ax=ax)

    @property
    def scores(self) -> pd.DataFrame:
        """Scores by model, well, lead time and metric."""
        return self.verification.scores


@dataclass(frozen=True, eq=False, repr=False)
class Tuning(Result):
    """The result of a hyperparameter search.

    Parameters
    ----------
    model : str
        The model whose hyperparameters were searched.
    metric : str
        The metric that was optimised in the validation period.
    best : dict of str to object
        Settings of the best complete trial, including the fixed ones, for
        ``evaluate(..., settings={model: best})``.
    value : float
        Its score, the mean over the wells.
    trials : pandas.DataFrame
        Columns number, state (``"complete"``, ``"pruned"``, ``"failed"``), value (of the members
        that were trained), seconds, reason, and one for each searched setting.
    paths : dict of str to pathlib.Path
        The files written, by their names in the folder.
    seconds : dict of str to float
        Duration of the search.
    space : dict of str to list
        Range of each searched setting.
    n : int
        Number of levels of the validation period that each trial is scored on.
    """

    model: str
    metric: str
    best: dict[str, Any]
    value: float
    trials: pd.DataFrame
    paths: dict[str, Path] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    space: dict[str, list[Any]] = field(default_factory=dict)
    n: int = 0

    def title(self) -> str:
        """Return model, number of trials and the best score in one line."""
        return (
            f"Search of {self.model!r}: {len(self.trials)} trials, best {self.metric} of the "
            f"validation period {self.value:.3f} (n = {self.n}), with {self.best}"
        )

    def summary(self) -> pd.DataFrame:
        """Return the five best trials, with their settings.

        Returns
        -------
        pandas.DataFrame
            A row for each trial, by number: state, score, seconds and the searched settings.
        """
        table = self.to_dataframe().head(5).drop(columns=["reason"]).set_index("number")
        return table.rename(columns={"value": self.metric})

    def to_dataframe(self) -> pd.DataFrame:
        """Return all trials from best to worst: complete, then pruned, then failed ones."""
        order = {"complete": 0, "pruned": 1, "failed": 2}
        sign = -1 if METRICS[self.metric].larger_is_better else 1
        keys = self.trials.assign(state=self.trials["state"].map(order))
        keys["value"] = sign * keys["value"]
        return self.trials.loc[keys.sort_values(["state", "value", "number"]).index]

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the score of each trial, see :func:`gwforecast.plots.tuning`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw in: then only the trials are drawn, and not the score by setting.

        Returns
        -------
        matplotlib.axes.Axes
            The axes of the trials.
        """
        from gwforecast import plots

        axes = None if ax is None else [ax]
        space = {} if ax is not None else self.space
        return plots.tuning(
            self.trials, space=space, metric=self.metric, model=self.model, axes=axes
        )[0]
