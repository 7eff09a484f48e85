"""Reports of an evaluation or a backtest: one page for a well, one for all wells."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.progress import DETAIL, ProgressOption, as_callback
from gwforecast.questions.diagnostics import evaluation_residuals, residual_diagnostics
from gwforecast.questions.explain import contributions
from gwforecast.questions.files import Answer
from gwforecast.questions.fits import fit_models
from gwforecast.reports.pages import DPI, Figure, Report, Section
from gwforecast.runs.catalogue import BLEND
from gwforecast.runs.check import check
from gwforecast.runs.files import RECORD, file_names
from gwforecast.runs.results import Backtest, Evaluation
from gwforecast.schema import SchemaError
from gwforecast.verification.distribution import pit_values
from gwforecast.verification.lead_scoring import forecast_summary, lead_definitions, scored_pairs
from gwforecast.verification.scoring import definitions, score_summary
from gwforecast.writing import load_json

__all__ = ["network_report", "well_report", "write_reports"]


COLUMNS = {
    "nse": "NSE", "kge_anomaly": "KGE", "rmse": "RMSE, m", "bias": "bias, m",
    "coverage_95": "coverage of 95 %", "skill_rmse": "skill",
}  # fmt: skip
BY_LEAD = {
    "crps": "CRPS, m", "rmse": "RMSE, m", "bias": "Bias, m", "coverage_95": "Coverage of 95 %",
}  # fmt: skip
COVERED = {"value": "observed", "lower": "lower 95 %", "upper": "upper 95 %"}
DRAWN = ("rmse", "coverage_95", "skill_crps_")  # scores by lead time with a figure
EXAMPLES = 3
LEADS = 6
EXTREME = 5
EXPLAINED_BY = "linear"

Result = Evaluation | Backtest


def well_report(result: Result | Answer, *, well: str, model: str | None = None) -> Report:
    """Return the report of a well, from an evaluation, a backtest or the answer to a question.

    Of an evaluation: hydrograph, scores beside the baselines, coverage, diagnostics of the
    residuals, contributions of the covariates (by the model linear, as it is fast), findings in the
    data, periods and models. Of a backtest: hindcasts, examples of forecasts, scores and skill by
    lead time, reliability, coverage, findings, periods, and how the forecasts were issued. Of an
    answer, such as filled gaps: its summary and its figures.

    Parameters
    ----------
    result : Evaluation, Backtest or Answer
        An evaluation or a backtest needs its observations.
    well : str
        Name of the well.
    model : str, optional
        Model that is shown; by default the blend, or the model with the best score. An answer has
        its own.

    Returns
    -------
    Report
        Its method ``write`` writes it as HTML or PDF, by the end of the file's name.

    Raises
    ------
    ValueError
        If the result has no observations, as of a run in shards, or the well is unknown.
    """
    if isinstance(result, Answer):
        return _of_answer(result, well)
    observations = _checked(result, well)
    if isinstance(result, Backtest):
        return _of_backtest(result, observations, well, model)
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

    Returns
    -------
    Report
        Its method ``write`` writes it as HTML or PDF, by the end of the file's name.

    Raises
    ------
    ValueError
        If the evaluation has no observations, as of a run in shards.
    """
    observations, scores = _checked(evaluation, None), evaluation.scores
    model = _best(scores)
    from gwforecast import plots  # loads matplotlib

    drawn = []
    if schema.coordinate_names(observations) is not None:
        drawn = _draw(plots.score_map, "map of the NSE", scores, observations, model=model)
    drawn += _draw(plots.score_distribution, "distribution of the NSE over the wells", scores)
    table = _by_well(scores, model)
    ranked = table.sort_values("NSE")
    ends = pd.concat([ranked.head(EXTREME), ranked.tail(EXTREME)]).drop_duplicates()
    summary = score_summary(scores, metrics=COLUMNS).rename(columns=COLUMNS).reset_index()
    sections = [
        Section("Scores of the test period, median of the wells", [_skill(evaluation)], summary),
        Section("Where and how", [], None, drawn),
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


def write_reports(
    result: Result, folder: Path, *, wells: int = 12, progress: ProgressOption = None
) -> dict[str, Path]:
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
    progress : bool or Progress, optional
        Whether progress is shown, or a callback: reports written.

    Returns
    -------
    dict of str to pathlib.Path
        Paths by name.
    """
    names = sorted(set(result.scores[schema.WELL]), key=list(result.scores[schema.WELL]).index)
    paths: dict[str, Path] = {}
    links: dict[str, str] = {}
    report_progress, shown = as_callback(progress), names[:wells]
    for number, (well, stem) in enumerate(file_names(shown).items()):
        if report_progress is not None:
            report_progress(f"reports{DETAIL}well {well!r}", number, len(shown))
        report = well_report(result, well=well)
        for suffix in ("html", "pdf"):
            name = f"reports/{stem}.{suffix}"
            paths[name] = report.write(folder / name)
        links[well] = f"reports/{stem}.html"
    if len(names) > 1 and isinstance(result, Evaluation):
        paths["report.html"] = network_report(result, links=links).write(folder / "report.html")
    if report_progress is not None:
        report_progress("reports", len(shown), len(shown))
    return paths


def _checked(result: Result, well: str | None) -> xr.Dataset:
    """Return the observations of a result; raise a ValueError if it has none, or not the well."""
    if result.observations is None:
        raise ValueError(
            "A report needs the observations. Received a result without them, as of a run in "
            "shards. Run the wells of the report without shards."
        )
    if well is not None:
        _require_well(well, list(dict.fromkeys(map(str, result.scores[schema.WELL]))))
    return result.observations


def _require_well(well: str, known: list[str]) -> None:
    if well not in known:
        raise ValueError(
            f"A report is of a well of the result: {', '.join(known[:10])}. Received {well!r}. "
            "Correct the name."
        )


def _best(scores: pd.DataFrame) -> str:
    """Return the blend if there is one, or the model with the best median score."""
    if BLEND in set(scores[schema.MODEL]):
        return BLEND
    return str(score_summary(scores, metrics=["nse"]).index[0])


def _draw(draw: Callable[..., object], text: str, *given: object, **more: object) -> list[Figure]:
    """Return a figure, none with a warning if it cannot be drawn."""
    from gwforecast.plots import style  # loads matplotlib

    try:
        axes = draw(*given, **more)
    except (ValueError, SchemaError) as error:
        warnings.warn(f"A figure could not be drawn: {text}. {error}", stacklevel=3)
        return []
    ax = axes[0] if isinstance(axes, list) else axes
    content, width, height = style.picture(ax, dpi=DPI)  # type: ignore[arg-type]
    return [Figure(content, width, height, text)]


def _of_answer(answer: Answer, well: str) -> Report:
    _require_well(well, answer.answered)
    figures = [one for draw in answer.figures().values() for one in _draw(draw, well, well=well)]
    summary = answer.summary()
    table = summary if summary.index.names == [None] else summary.reset_index()
    sections = [Section("Figures", [], None, figures), Section("Summary", [], table)]
    return Report(f"Groundwater level at {well}", answer.title(), sections)


def _of_evaluation(evaluation: Evaluation, well: str, model: str | None) -> Report:
    from gwforecast import plots  # loads matplotlib
    from gwforecast.plots.prepare import whose

    scores = evaluation.scores[evaluation.scores[schema.WELL] == well]
    model = model or _best(scores)
    shown = f"hydrograph of {well}, {model}"
    hydrograph = _draw(evaluation.plot, shown, well=well, model=model)
    sections = [
        Section("Level and prediction", [], None, hydrograph),
        *_score_sections(scores, _skill(evaluation)),
        Section("Coverage of intervals by year", [], _coverage(evaluation, well, model)),
    ]
    try:
        residuals, predicted = evaluation_residuals(evaluation, model=model, well=well)
        table = residual_diagnostics(residuals, predicted).replace({"ljung_box": "Ljung-Box"})
        drawn = _draw(
            plots.residual_diagnostics, "diagnostics of the residuals", residuals, predicted,
            name=whose(well, model),
        )  # fmt: skip
        sections.append(Section("Residuals of the validation and test periods", [], table, drawn))
    except SchemaError as error:
        sections.append(Section("Residuals", [str(error)]))
    sections += _contribution_sections(evaluation, well)
    sections += _closing(evaluation, well, evaluation.findings)
    subtitle = f"Evaluation, {_span(evaluation.predictions)}; shown: {model}"
    return Report(f"Groundwater level of {well}", subtitle, sections)


def _skill(evaluation: Evaluation) -> str:
    return f"Skill is {definitions(evaluation.baseline)['skill_rmse']}."


def _closing(result: Result, well: str, findings: pd.DataFrame) -> list[Section]:
    """Return findings in the data, periods, and settings of the models."""
    own = findings[(findings["well"] == well) & (findings["severity"] != "ok")]
    columns = [name for name in ("severity", "check", "message") if name in own]
    none = ["The checks of the data found nothing."]
    periods = result.split.to_frame(result.observations)
    return [
        Section("Findings in the data", *(([], own[columns]) if len(own) else (none, None))),
        Section("Periods", [], periods[periods[schema.WELL] == well].drop(columns=schema.WELL)),
        *_settings(result),
    ]


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


def _score_sections(scores: pd.DataFrame, skill: str) -> Iterator[Section]:
    periods = [p for p in ("test", "validation", "cross-validation") if p in set(scores["period"])]
    for period in periods:
        table = score_summary(scores, period=period, metrics=COLUMNS).rename(columns=COLUMNS)
        if not table["n"].any():
            continue
        name = "cross-validation" if period == "cross-validation" else f"{period} period"
        yield Section(f"Scores, {name}", [skill], table.dropna(axis=1, how="all").reset_index())


def _coverage(evaluation: Evaluation, well: str, model: str) -> pd.DataFrame | None:
    table = evaluation.coverage
    if not len(table):
        return None
    chosen = table[(table[schema.WELL] == well) & (table[schema.MODEL] == model)]
    chosen = chosen[chosen["nominal"] == chosen["nominal"].max()].rename(columns=COVERED)
    chosen = chosen.round({"independent": 0})
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
    drawn = _draw(plots.contributions, "contributions of covariates over time", found)
    said = f"By the model {EXPLAINED_BY}; Shapley values, which add up to its simulation."
    return [Section("Contributions of covariates", [said], table, drawn)]


def _of_backtest(
    result: Backtest, observations: xr.Dataset, well: str, model: str | None
) -> Report:
    scores = result.scores[result.scores[schema.WELL] == well]
    chosen = model or str(forecast_summary(scores, metric="rmse").mean(axis=1).idxmin())
    weather = f"weather after the issue time: {result.origins.forcing.label}"
    hindcasts = _draw(result.plot, "hindcasts", well=well, model=chosen)
    sections = [
        Section("Hindcasts", [], None, hindcasts),
        Section(
            "Examples",
            ["Issue times are spread evenly over the test period, and not chosen by their error."],
            None,
            list(_examples(result, observations, well, chosen)),
        ),
        *_lead_sections(scores),
        *_comparison(result, well),
        *_calibration(result, observations, well, chosen),
        *_coverage_sections(result, well, chosen),
    ]
    checked = check(observations.sel({schema.WELL: [well]}), changes=False)
    sections += [_issued(result), *_closing(result, well, checked)]
    issued = result.origins.issue_times
    subtitle = (
        f"Backtest, {issued.size} issue times from {timeline.format_time(issued[0])} to "
        f"{timeline.format_time(issued[-1])}, {weather}; shown: {chosen}"
    )
    return Report(f"Forecasts of the level of {well}", subtitle, sections)


def _examples(
    result: Backtest, observations: xr.Dataset, well: str, model: str
) -> Iterator[Figure]:
    """Yield fan charts of issue times with a complete forecast, or else with any."""
    from gwforecast import plots  # loads matplotlib

    one = {schema.WELL: well, schema.MODEL: model, schema.QUANTILE: 0.5}
    known = result.hindcasts[schema.LEVEL].sel(one).notnull()
    rows = known.all(schema.LEAD_TIME) if known.all(schema.LEAD_TIME).any() else known.any(
        schema.LEAD_TIME
    )  # fmt: skip
    times = known[schema.ISSUE_TIME].values[rows.values]
    places = (np.arange(EXAMPLES) + 0.5) / EXAMPLES * times.size
    for time in times[np.unique(places.astype(int))] if times.size else ():
        text = f"forecast of {model} issued {timeline.format_time(time)}"
        yield from _draw(
            plots.fan, text, result.hindcasts, observations, well=well, model=model,
            issue_time=time,
        )  # fmt: skip


def _lead_sections(scores: pd.DataFrame) -> Iterator[Section]:
    """Yield each score by lead time, its definition, and the pairs that it rests on."""
    from gwforecast import plots  # loads matplotlib
    from gwforecast.plots.prepare import lead_label

    metrics = list(dict.fromkeys(scores["metric"]))
    skills = [name for name in metrics if name.startswith("skill_crps_")]
    baselines = [name.removeprefix("skill_crps_") for name in skills]
    texts = lead_definitions(baselines)
    headings = {f"skill_crps_{name}": f"Skill against {name}" for name in baselines}
    for metric, heading in (BY_LEAD | headings).items():
        known = scores[(scores["metric"] == metric) & scores["value"].notna()]
        if known.empty:
            continue
        whole = forecast_summary(known, metric=metric)
        wanted = np.geomspace(1, whole.shape[1], LEADS).round().astype(int) - 1
        shown = whole.iloc[:, np.unique(wanted)].astype(object)
        shown.loc["n"] = [int(n) for n in scored_pairs(known)["n"].loc[shown.columns]]
        times = known.drop_duplicates("lead").set_index("lead")["lead_time"]
        shown.columns = [lead_label(times[lead]) for lead in shown.columns]
        drawn: list[Figure] = []
        if metric.startswith(DRAWN):
            drawn = _draw(plots.scores_by_lead, f"{heading}, by lead time", scores, metric=metric)
        table = shown.rename_axis(schema.MODEL).reset_index()
        yield Section(
            f"{heading}, by lead time",
            [f"{texts[metric][0].upper()}{texts[metric][1:]}; n: pairs."],
            table,
            drawn,
        )


def _comparison(result: Backtest, well: str) -> Iterator[Section]:
    """Yield the test of the networks or the blend against the best other model."""
    table = result.verification.comparison
    if not len(table):
        return
    own = table[table[schema.WELL] == well]
    if len(own):
        wanted = np.geomspace(1, len(own), LEADS).round().astype(int) - 1
        columns = ["lead", "skill", "lower", "upper", "p_value", "n"]
        said = (
            "Skill is 1 - CRPS / CRPS on the same pairs, with its 95 % interval; p is that of no "
            "difference."
        )
        heading = f"{own['model'].iloc[0]} against {own['baseline'].iloc[0]}"
        yield Section(heading, [said], own[columns].iloc[np.unique(wanted)])


def _calibration(
    result: Backtest, observations: xr.Dataset, well: str, model: str
) -> Iterator[Section]:
    """Yield the reliability of the event, of all wells, and the PIT histogram of the well."""
    from gwforecast import plots  # loads matplotlib

    table = result.verification.reliability
    table = table[table[schema.MODEL] == model] if len(table) else table
    if len(table):
        who = well if len(result.wells) == 1 else f"{len(result.wells)} wells"
        event = result.verification.event
        drawn = _draw(plots.reliability, f"reliability, {event}", table, well=who, note=event)
        columns = ["probability", "frequency", "lower", "upper", "n"]
        said = f"Event: {event}. Forecasts of {who} and all lead times are pooled."
        yield Section("Reliability", [said], table[columns], drawn)
    chosen = result.hindcasts.sel({schema.WELL: [well], schema.MODEL: [model]})
    levels = result.split.levels(observations, "test").sel({schema.WELL: [well]})
    values = pit_values(chosen, levels.to_dataset(name=schema.LEVEL))
    if values.notnull().any():
        drawn = _draw(plots.pit, "histogram of the PIT", values)
        said = "Bars of equal height: calibrated. High ends: intervals are too narrow."
        yield Section("Calibration", [said], None, drawn)


def _coverage_sections(result: Backtest, well: str, model: str) -> Iterator[Section]:
    """Yield the coverage of the widest interval by lead time, for all years and for each."""
    table = result.verification.coverage
    if not len(table):
        return
    own = table[(table[schema.WELL] == well) & (table[schema.MODEL] == model)]
    own = own[own["nominal"] == own["nominal"].max()]
    if len(own):
        name = f"Coverage of the {own['nominal'].iloc[0]:g} % interval"
        years = own["year"].astype(str)
        columns = ["lead", "value", "lower", "upper", "n"]
        said = "Lower and upper are the 95 % range of the coverage, as errors persist for weeks."
        yield Section(name, [said], own.loc[years == "all", columns].rename(columns=COVERED))
        by_year = own[years != "all"].pivot_table("value", index="year", columns="lead")
        by_year.columns = [f"lead {lead}" for lead in by_year]
        yield Section(f"{name}, by year", [], by_year.reset_index())


def _issued(result: Backtest) -> Section:
    """Return how the forecasts were issued and verified."""
    origins = result.origins
    every = origins.refit_every
    refits = "none" if every is None else f"every {every} issue times"
    rows = {
        "issue times": str(origins.issue_times.size),
        "lead times": str(origins.horizon),
        "weather after the issue time": origins.forcing.label,
        "refits after the first": refits,
        "window of refits": "of constant length" if origins.sliding else "all earlier levels",
        "event": result.verification.event,
    }
    table = pd.DataFrame(rows.items(), columns=["setting", "value"])
    return Section("How the forecasts were issued", [], table)


def _by_well(scores: pd.DataFrame, model: str) -> pd.DataFrame:
    chosen = scores[(scores["period"] == "test") & (scores[schema.MODEL] == model)]
    table = chosen.pivot_table(
        index=schema.WELL, columns="metric", values="value", dropna=False, sort=False
    )
    return table.reindex(columns=list(COLUMNS)).rename(columns=COLUMNS).reset_index()


def _span(predictions: xr.Dataset) -> str:
    times = predictions[schema.TIME].values
    return f"{timeline.format_time(times[0])} to {timeline.format_time(times[-1])}"
