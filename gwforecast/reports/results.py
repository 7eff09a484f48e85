"""Reports of an evaluation or a backtest: one page for a well, one for all wells."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.questions.diagnostics import evaluation_residuals, residual_diagnostics
from gwforecast.questions.explain import contributions
from gwforecast.questions.fits import fit_models
from gwforecast.reports.pages import Figure, Report, Section
from gwforecast.runs.catalogue import BLEND
from gwforecast.runs.files import RECORD, file_names, load_json
from gwforecast.runs.results import Backtest, Evaluation
from gwforecast.schema import SchemaError
from gwforecast.verification.lead_scoring import forecast_summary
from gwforecast.verification.scoring import score_summary

__all__ = ["network_report", "well_report", "write_reports"]


COLUMNS = {
    "nse": "NSE", "kge_anomaly": "KGE", "rmse": "RMSE, m", "bias": "bias, m",
    "coverage_95": "coverage of 95 %", "skill_rmse": "skill",
}  # fmt: skip
DPI = 180
LEADS = 5
EXTREME = 5
EXPLAINED_BY = "linear"

Result = Evaluation | Backtest


def well_report(result: Result, *, well: str, model: str | None = None) -> Report:
    """Return the report of a well, from an evaluation or a backtest.

    Of an evaluation: hydrograph, scores beside the baselines, coverage, diagnostics of the
    residuals, contributions of the covariates (by the model linear, as it is fast), findings in the
    data, periods and models. Of a backtest: hindcasts, scores by lead time, coverage.

    Parameters
    ----------
    result : Evaluation or Backtest
        With observations.
    well : str
        Name of the well.
    model : str, optional
        Model that is shown; by default the blend, or the model with the best score.

    Raises
    ------
    ValueError
        If the result has no observations, as of a run in shards, or the well is unknown.
    """
    _check(result, well)
    if isinstance(result, Backtest):
        return _of_backtest(result, well, model)
    return _of_evaluation(result, well, model)


def network_report(evaluation: Evaluation, *, links: dict[str, str] | None = None) -> Report:
    """Return the report of all wells of an evaluation.

    It has a map where coordinates are known, the distribution of the scores, the worst and the
    best wells, and a table that sorts by a click.

    Parameters
    ----------
    evaluation : Evaluation
        With observations.
    links : dict of str to str, optional
        Addresses of the pages of wells.
    """
    _check(evaluation, None)
    scores, observations = evaluation.scores, evaluation.observations
    model = _best(scores)
    from gwforecast import plots  # loads matplotlib

    drawn = [
        _draw(lambda: plots.score_distribution(scores), "distribution of the NSE over the wells")
    ]
    if observations is not None and schema.coordinate_names(observations) is not None:
        drawn.insert(
            0,
            _draw(lambda: plots.score_map(scores, observations, model=model), "map of the NSE"),
        )
    table = _by_well(scores, model)
    ranked = table.sort_values("NSE")
    ends = pd.concat([ranked.head(EXTREME), ranked.tail(EXTREME)]).drop_duplicates()
    summary = score_summary(scores, metrics=COLUMNS).rename(columns=COLUMNS).reset_index()
    sections = [
        Section("Scores of the test period, median of the wells", [], summary),
        Section("Where and how", [], None, [one for one in drawn if one is not None]),
        Section("Worst and best wells", [f"By the NSE of {model}."], ends, links=links or {}),
        Section(
            "All wells", ["A click on the head of a column sorts the table."], table, sorts=True,
            links=links or {},
        ),
    ]  # fmt: skip
    failed = evaluation.outcomes[evaluation.outcomes["status"] == "failed"]
    if len(failed):
        sections.append(Section("Failed", [], failed[["model", "well", "reason"]]))
    wells = scores[schema.WELL].nunique()
    subtitle = f"{wells} wells, {_span(evaluation.predictions)}; best model: {model}"
    return Report("Groundwater levels of many wells", subtitle, sections)


def write_reports(result: Result, folder: Path, *, wells: int = 12) -> dict[str, Path]:
    """Write the report of each well as HTML and PDF, and one of all wells if there are several.

    Parameters
    ----------
    result : Evaluation or Backtest
        With observations.
    folder : pathlib.Path
        Folder of the run. The reports of wells are written to its subfolder ``reports``; that of an
        evaluation of several wells is ``report.html``.
    wells : int
        Number of wells with a report, in the order of the observations.

    Returns
    -------
    dict of str to pathlib.Path
        Paths by name.
    """
    names = sorted(set(result.scores[schema.WELL]), key=list(result.scores[schema.WELL]).index)
    paths: dict[str, Path] = {}
    links: dict[str, str] = {}
    for well, stem in file_names(names[:wells]).items():
        report = well_report(result, well=well)
        for suffix in ("html", "pdf"):
            name = f"reports/{stem}.{suffix}"
            paths[name] = report.write(folder / name)
        links[well] = f"reports/{stem}.html"
    if len(names) > 1 and isinstance(result, Evaluation):
        paths["report.html"] = network_report(result, links=links).write(folder / "report.html")
    return paths


def _check(result: Result, well: str | None) -> None:
    if result.observations is None:
        raise ValueError(
            "A report needs the observations. Received a result without them, as of a run in "
            "shards. Run the wells of the report without shards."
        )
    known = list(dict.fromkeys(result.scores[schema.WELL]))
    if well is not None and well not in known:
        raise ValueError(
            f"A report is of a well of the result: {', '.join(map(str, known[:10]))}. Received "
            f"{well!r}. Correct the name."
        )


def _best(scores: pd.DataFrame) -> str:
    """Return the blend if there is one, or the model with the best median score."""
    if BLEND in set(scores[schema.MODEL]):
        return BLEND
    return str(score_summary(scores, metrics=["nse"]).index[0])


def _draw(draw: Callable[[], object], text: str) -> Figure | None:
    """Return a figure, None with a warning if it cannot be drawn."""
    from gwforecast.plots import style  # loads matplotlib

    try:
        axes = draw()
    except (ValueError, SchemaError) as error:
        warnings.warn(f"A figure could not be drawn: {text}. {error}", stacklevel=3)
        return None
    ax = axes[0] if isinstance(axes, list) else axes
    content, width, height = style.picture(ax, dpi=DPI)  # type: ignore[arg-type]
    return Figure(content, width, height, text)


def _figures(*drawn: Figure | None) -> list[Figure]:
    return [one for one in drawn if one is not None]


def _of_evaluation(evaluation: Evaluation, well: str, model: str | None) -> Report:
    from gwforecast import plots  # loads matplotlib

    scores = evaluation.scores[evaluation.scores[schema.WELL] == well]
    model = model or _best(scores)
    hydrograph = _draw(
        lambda: evaluation.plot(well=well, model=model), f"hydrograph of {well}, {model}"
    )
    sections = [
        Section("Level and prediction", [], None, _figures(hydrograph)),
        *_score_sections(scores),
        Section("Coverage of intervals by year", [], _coverage(evaluation, well, model)),
    ]
    try:
        residuals, predicted = evaluation_residuals(evaluation, model=model, well=well)
        table = residual_diagnostics(residuals, predicted)
        drawn = _draw(
            lambda: plots.residual_diagnostics(residuals, predicted, name=f"{well}, {model}"),
            "diagnostics of the residuals",
        )
        sections.append(
            Section("Residuals of the validation and test periods", [], table, _figures(drawn))
        )
    except SchemaError as error:
        sections.append(Section("Residuals", [str(error)]))
    sections += _contribution_sections(evaluation, well)
    findings = evaluation.findings
    own = findings[(findings["well"] == well) & (findings["severity"] != "ok")]
    columns = [name for name in ("severity", "check", "message") if name in own]
    none = ["The checks of the data found nothing."]
    sections.append(Section("Findings in the data", [] if len(own) else none,
                            own[columns] if len(own) else None))  # fmt: skip
    periods = evaluation.split.to_frame(evaluation.observations)
    own = periods[periods[schema.WELL] == well].drop(columns=schema.WELL)
    sections += [Section("Periods", [], own), *_settings(evaluation)]
    subtitle = f"Evaluation, {_span(evaluation.predictions)}; shown: {model}"
    return Report(f"Groundwater level of {well}", subtitle, sections)


def _settings(result: Result) -> list[Section]:
    """Return the settings of the models, where a record of the run was written."""
    path = result.paths.get(RECORD)
    if path is None or not path.is_file():
        return []
    models = load_json(path).get("models", {})
    rows = [
        (name, ", ".join(f"{key} = {value}" for key, value in settings.items()))
        for name, settings in models.items()
        if isinstance(settings, dict)
    ]
    return [
        Section("Settings of the models", [], pd.DataFrame(rows, columns=["model", "settings"]))
    ]


def _score_sections(scores: pd.DataFrame) -> Iterable[Section]:
    periods = [p for p in ("test", "validation", "cross-validation") if p in set(scores["period"])]
    for period in periods:
        table = score_summary(scores, period=period, metrics=COLUMNS).rename(columns=COLUMNS)
        if not table["n"].any():
            continue
        name = "cross-validation" if period == "cross-validation" else f"{period} period"
        yield Section(f"Scores, {name}", [], table.dropna(axis=1, how="all").reset_index())


def _coverage(evaluation: Evaluation, well: str, model: str) -> pd.DataFrame | None:
    table = evaluation.coverage
    if not len(table):
        return None
    chosen = table[(table[schema.WELL] == well) & (table[schema.MODEL] == model)]
    chosen = chosen[chosen["nominal"] == chosen["nominal"].max()]
    return chosen.drop(columns=[schema.WELL, schema.MODEL]) if len(chosen) else None


def _contribution_sections(evaluation: Evaluation, well: str) -> list[Section]:
    """Return the contributions of covariates by a fast model; none without covariates."""
    from gwforecast import plots  # loads matplotlib

    observations = evaluation.observations
    if observations is None or not schema.covariate_names(observations):
        return []
    try:
        fits = fit_models(observations.sel({schema.WELL: [well]}), models=[EXPLAINED_BY], blocks=2)
        found = contributions(fits)
        moves = (found["contribution"].std([schema.WELL, schema.TIME]) > 0).values
        found = found.isel(covariate=np.flatnonzero(moves))
    except (ValueError, SchemaError):
        return []
    deviation = found["contribution"].isel({schema.WELL: 0}).std(schema.TIME).to_series()
    table = deviation.rename("standard deviation, m").reset_index()
    drawn = _draw(lambda: plots.contributions(found), "contributions of covariates over time")
    said = f"By the model {EXPLAINED_BY}; Shapley values, which add up to its simulation."
    return [Section("Contributions of covariates", [said], table, _figures(drawn))]


def _of_backtest(result: Backtest, well: str, model: str | None) -> Report:
    from gwforecast import plots  # loads matplotlib

    scores = result.scores[result.scores[schema.WELL] == well]
    rmse = forecast_summary(scores, metric="rmse")
    chosen = model or str(rmse.mean(axis=1).idxmin())
    sections = [
        Section(
            "Hindcasts", [], None,
            _figures(_draw(lambda: result.plot(well=well, model=chosen), "hindcasts")),
        )
    ]  # fmt: skip
    for metric, heading in (("rmse", "RMSE, m"), ("coverage_95", "coverage of 95 %")):
        if not (scores["metric"] == metric).any():
            continue
        table = forecast_summary(scores, metric=metric)
        wanted = np.unique(np.linspace(0, table.shape[1] - 1, LEADS).round().astype(int))
        shown = table.iloc[:, wanted].rename(columns=lambda lead: f"lead {lead}").reset_index()
        figures = []
        if metric == "rmse":
            figures = _figures(
                _draw(lambda: plots.scores_by_lead(scores, metric="rmse"), "RMSE by lead time")
            )
        sections.append(Section(f"{heading}, by lead time", [], shown, figures))
    issued = result.origins.issue_times
    subtitle = (
        f"Backtest, {issued.size} issue times from {timeline.format_time(issued[0])} to "
        f"{timeline.format_time(issued[-1])}; shown: {chosen}"
    )
    return Report(f"Forecasts of the level of {well}", subtitle, sections)


def _by_well(scores: pd.DataFrame, model: str) -> pd.DataFrame:
    chosen = scores[(scores["period"] == "test") & (scores[schema.MODEL] == model)]
    table = chosen.pivot_table(
        index=schema.WELL, columns="metric", values="value", dropna=False, sort=False
    )
    return table.reindex(columns=list(COLUMNS)).rename(columns=COLUMNS).reset_index()


def _span(predictions: xr.Dataset) -> str:
    times = predictions[schema.TIME].values
    return f"{timeline.format_time(times[0])} to {timeline.format_time(times[-1])}"
