"""Figures of a run, and the files that they are written to."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.networks.shared import ALL_WELLS
from gwforecast.progress import DETAIL, Progress
from gwforecast.runs.catalogue import BLEND, neural_among
from gwforecast.runs.files import file_names
from gwforecast.runs.hindcasts import last_complete_issue, main_model
from gwforecast.sequences.split import PERIODS, Period
from gwforecast.verification.distribution import pit_values
from gwforecast.verification.probabilistic import coverage_note
from gwforecast.writing import write_atomically

if TYPE_CHECKING:
    from gwforecast.runs.results import Backtest, Evaluation

__all__ = ["draw_backtest", "draw_each", "draw_evaluation", "draw_tuning"]


DPI = 200
MANY_WELLS = 5
"""Number of wells from which on figures of many wells are drawn."""

MOST_ATTRIBUTES = 12
"""Largest number of static attributes with a figure of scores."""

MOST_MODELS = 5
"""Largest number of models in the figure of coverage by year."""

MONTHS_SHOWN = 12
"""Observed months shown before the forecast ones."""

Draw = Callable[[], Any]


def draw_evaluation(
    evaluation: Evaluation,
    observations: xr.Dataset,
    *,
    folder: Path,
    wells: int,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Draw the figures of an evaluation, as :func:`draw_each` does.

    The first ``wells``, in the order of the observations, have figures of their own; 0 for no
    figures at all.
    """
    if wells == 0:
        return {}
    chosen = observations.isel({schema.WELL: slice(wells)})
    drawn = _of_evaluation(evaluation, chosen, observations)
    return draw_each(drawn, folder=folder, progress=progress)


def draw_each(
    figures: Iterable[tuple[str, Draw]], *, folder: Path, progress: Progress | None = None
) -> dict[str, Path]:
    """Draw figures as PNG files of the subfolder ``figures``; warn if one cannot be drawn.

    Figures are names without the suffix and functions that draw axes. Paths are returned by their
    names relative to the folder.
    """
    from gwforecast import plots  # loads matplotlib

    drawn: dict[str, Path] = {}
    listed = list(figures)
    for number, (stem, draw) in enumerate(listed):
        if progress is not None:
            progress(f"figures{DETAIL}{stem}", number, len(listed))
        name = f"figures/{stem}.png"
        try:
            axes = draw()
        except Exception as error:
            warnings.warn(
                f"Figure {name} could not be drawn: {type(error).__name__}: {error}", stacklevel=2
            )
            continue
        ax = axes[0] if isinstance(axes, list) else axes
        drawn[name] = write_atomically(folder / name, _saver(ax.figure))
        plots.close(ax)
    if progress is not None and listed:
        progress("figures", len(listed), len(listed))
    return drawn


def draw_backtest(
    result: Backtest, observations: xr.Dataset, *, folder: Path, progress: Progress | None = None
) -> dict[str, Path]:
    """Draw a backtest as :func:`draw_each` does, with figures of the wells of the data."""
    return draw_each(_of_backtest(result, observations), folder=folder, progress=progress)


def draw_tuning(
    trials: pd.DataFrame,
    *,
    folder: Path,
    space: Mapping[str, Sequence[Any]],
    metric: str,
    model: str,
) -> Path:
    """Draw the trials of a hyperparameter search to the file ``tuning.png``; return its path.

    Arguments are those of :func:`gwforecast.plots.training.tuning`, and the folder of the search.
    """
    from gwforecast import plots  # loads matplotlib

    ax = plots.tuning(trials, space=space, metric=metric, model=model)[0]
    path = write_atomically(folder / "tuning.png", _saver(ax.figure))
    plots.close(ax)
    return path


def _saver(figure: Any) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        figure.savefig(path, dpi=DPI, format="png", bbox_inches="tight")

    return save


def _of_evaluation(
    evaluation: Evaluation, observations: xr.Dataset, all_wells: xr.Dataset
) -> Iterator[tuple[str, Draw]]:
    """Yield name and callable of each figure, for the chosen wells and for all wells."""
    from gwforecast import plots

    scores, period = evaluation.scores, _last_period(evaluation.scores)
    emphasis = _emphasis(scores[schema.MODEL])
    yield "gaps", partial(plots.gaps, observations)
    for metric in ("nse", "rmse"):
        draw = partial(plots.score_comparison, scores, metric=metric, period=period)
        yield f"scores_{metric}", draw
    yield (
        "interval_coverage",
        partial(
            plots.interval_coverage,
            scores,
            period=period,
            emphasis=emphasis,
            note=coverage_note(evaluation.coverage),
        ),
    )
    if len(evaluation.coverage):
        models = list(emphasis or dict.fromkeys(evaluation.coverage[schema.MODEL]))[:MOST_MODELS]
        of_years = partial(plots.coverage_by_year, evaluation.coverage, models=models)
        yield "coverage_by_year", partial(of_years, note="test period, bars: 95 % range of a well")
    if scores[schema.WELL].nunique() >= MANY_WELLS:
        yield from _of_many_wells(evaluation, all_wells, period)
    for name, history in evaluation.history.groupby(schema.MODEL, sort=False):
        if set(history[schema.WELL]) == {ALL_WELLS}:
            draw = partial(plots.training_history, history, well=ALL_WELLS, model=str(name))
            yield f"training_{name}", draw
    for well, file in file_names(schema.well_names(observations)).items():
        yield from _of_well(evaluation, observations, well=well, file=file)


def _of_many_wells(
    evaluation: Evaluation, observations: xr.Dataset, period: Period
) -> Iterator[tuple[str, Draw]]:
    """Yield the figures of the scores of many wells, of the blend or else the first model."""
    from gwforecast import plots

    scores = evaluation.scores
    models = list(dict.fromkeys(scores.loc[scores["value"].notna(), "model"]))
    model = BLEND if BLEND in models else models[0]
    emphasis = _emphasis(models)
    yield (
        "wells_distribution",
        partial(plots.score_distribution, scores, period=period, emphasis=emphasis),
    )
    beside = next((name for name in ("climatology", "persistence") if name in models), None)
    yield (
        "wells_extremes",
        partial(plots.extreme_wells, scores, model=model, baseline=beside, period=period),
    )
    of_wells = partial(
        partial, scores=scores, observations=observations, model=model, period=period
    )
    names = schema.coordinate_names(observations)
    if names is not None:
        yield "wells_map", of_wells(plots.score_map)
    others = [name for name in schema.attribute_names(observations) if name not in (names or ())]
    for number, attribute in enumerate(others[:MOST_ATTRIBUTES], 1):
        draw = of_wells(plots.score_by_attribute, attribute=attribute)
        yield f"wells_by_{number}_{file_names([attribute])[attribute]}", draw


def _of_well(
    evaluation: Evaluation, observations: xr.Dataset, *, well: str, file: str
) -> Iterator[tuple[str, Draw]]:
    from gwforecast import plots

    model = _main_model(evaluation, well)
    if model is None:
        return
    predictions, split = evaluation.predictions, evaluation.split
    models = _by_score(evaluation, well)
    notes = {m: _note(evaluation, m, well) for m in models}
    shown = partial(partial, observations=observations, predictions=predictions, well=well)
    yield (
        f"hydrograph_{file}",
        shown(plots.hydrograph, model=model, split=split, note=notes[model]),
    )
    yield f"all_models_{file}", shown(plots.all_models, split=split, models=models, notes=notes)
    for draw in (plots.observed_predicted, plots.residuals):
        yield f"{draw.__name__}_{file}", shown(draw, model=model, split=split)
    of_well = evaluation.scores[evaluation.scores["well"] == well]
    by_season = shown(plots.residuals_by_season, model=model, split=split)
    yield f"residuals_by_season_{file}", partial(by_season, period=_last_period(of_well))
    for name, history in evaluation.history.groupby(schema.MODEL, sort=False):
        if well in set(history[schema.WELL]):
            draw = partial(plots.training_history, history, well=well, model=str(name))
            yield f"training_{name}_{file}", draw


def _has(evaluation: Evaluation, model: str, well: str) -> bool:
    level = evaluation.predictions[schema.LEVEL].sel({schema.MODEL: model, schema.WELL: well})
    return bool(level.notnull().any())


def _main_model(evaluation: Evaluation, well: str) -> str | None:
    """Return the model shown at a well: the blend, or else the first with a prediction."""
    models = list(map(str, evaluation.predictions[schema.MODEL].values))
    ordered = sorted(models, key=lambda model: model != BLEND)
    return next((model for model in ordered if _has(evaluation, model, well)), None)


def _emphasis(models: Iterable[str]) -> list[str] | None:
    """Return the models drawn in strong colours: the blend and the neural networks, if any."""
    neural = neural_among(map(str, models))
    return [BLEND, *neural] if neural else None


def _by_score(evaluation: Evaluation, well: str) -> list[str]:
    """Return the models with a prediction at a well, by their NSE in the last scored period."""
    models = [str(m) for m in evaluation.predictions[schema.MODEL].values]
    scores = evaluation.scores[evaluation.scores[schema.WELL] == well]
    chosen = (scores["period"] == _last_period(scores)) & (scores["metric"] == "nse")
    nse = scores[chosen].set_index(schema.MODEL)["value"].fillna(-np.inf).to_dict()
    ordered = sorted(models, key=lambda model: -nse.get(model, -np.inf))
    return [model for model in ordered if _has(evaluation, model, well)]


def _last_period(scores: pd.DataFrame) -> Period:
    """Return the last period with scores; the test period without scores."""
    scored = set(scores.loc[scores["value"].notna(), "period"])
    return next((period for period in reversed(PERIODS) if period in scored), "test")


def _note(evaluation: Evaluation, model: str, well: str) -> str:
    """Return the scores of the last scored period in one line; empty without scores."""
    scores = evaluation.scores
    of_model = scores[(scores["model"] == model) & (scores["well"] == well)]
    period = _last_period(of_model)
    chosen = of_model[of_model["period"] == period].set_index("metric")["value"].dropna()
    if not {"nse", "rmse"} <= set(chosen.index):
        return ""
    note = f"{period}: NSE {chosen['nse']:.2f}, RMSE {chosen['rmse']:.3f} m"
    return note.replace("-", "\N{MINUS SIGN}")


def _of_backtest(result: Backtest, observations: xr.Dataset) -> Iterator[tuple[str, Draw]]:
    from gwforecast import plots  # loads matplotlib
    from gwforecast.plots.prepare import WEATHER, model_label

    hindcasts, scores = result.hindcasts, result.scores
    scored = observations.assign({schema.LEVEL: result.split.levels(observations, "test")})
    hindcasts = hindcasts.sel({schema.WELL: observations[schema.WELL].values})
    emphasis = _emphasis(scores[schema.MODEL])
    note = WEATHER.get(result.origins.forcing.origin, result.origins.forcing.label)
    skills = [m for m in scores["metric"].unique() if str(m).startswith("skill_crps_")]
    for metric in ("crps", "rmse", "coverage_95", *skills):
        draw = partial(plots.scores_by_lead, scores, metric=metric, emphasis=emphasis, note=note)
        yield f"{metric}_by_lead", draw
    model = main_model(hindcasts)
    label = f"{model_label(model)}, bars: 95 % range of a well"
    if len(years := result.verification.coverage):
        yield "coverage_by_year", partial(plots.coverage_by_year, years, models=[model], note=label)
    table = result.verification.reliability
    if len(table):
        shown = table[table[schema.MODEL] == model]
        count = scores[schema.WELL].nunique()
        wells = str(scores[schema.WELL].iloc[0]) if count == 1 else f"{count} wells"
        event = f"{result.verification.event}; {note}"
        yield "reliability", partial(plots.reliability, shown, well=wells, note=event)
    pit = pit_values(hindcasts.sel({schema.MODEL: [model]}), scored)
    yield "pit", partial(plots.pit, pit, note=note)
    status = result.status_forecast.status
    if len(status):
        yield "status", partial(_draw_status, status, observations[schema.WELL].values, model)
    for well, file in file_names(schema.well_names(observations)).items():
        yield (
            f"hindcasts_{file}",
            partial(plots.hindcasts, hindcasts, observations, well=well, model=model),
        )
        issue_time = last_complete_issue(hindcasts, model=model, well=well)
        yield (
            f"fan_{file}",
            partial(
                plots.fan, hindcasts, observations, well=well, model=model, issue_time=issue_time
            ),
        )


def _draw_status(status: pd.DataFrame, wells: np.ndarray, model: str) -> Any:
    """Draw the status of the last observed months and of the forecast ones."""
    from gwforecast import plots
    from gwforecast.plots.prepare import model_label

    shown = status[status[schema.WELL].isin(wells)]
    issued = shown["issue_time"].max()
    first = issued.to_period("M").to_timestamp() - pd.DateOffset(months=MONTHS_SHOWN)
    shown = shown[shown["time"] >= first]
    note = f"{model_label(model)}: percentiles of the same months of past years"
    return plots.status_strip(shown, issue_time=issued, note=note)
