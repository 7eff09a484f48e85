"""The commands of data and models: datasets, init, check, evaluate, demo, backtest and tune."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gwforecast.cli.console import (
    clean,
    print_coverage,
    print_failures,
    print_findings,
    print_paths,
    print_reports,
    print_table,
    print_understood,
    progress_bars,
    refuse_errors,
    say_in_one_line,
    screen,
)
from gwforecast.cli.options import (
    CLUSTER,
    FITTING,
    INPUTS,
    MODELS,
    READING,
    RESULTS,
    SPLIT,
    AllowErrors,
    Members,
    Report,
    Seed,
    option,
    takes,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from gwforecast.config.load import Settings
    from gwforecast.runs.results import Backtest, Evaluation, Tuning
    from gwforecast.sequences.split import Period

__all__ = ["backtest", "check", "datasets", "demo", "evaluate", "init", "tune"]


Name = Annotated[
    str | None, typer.Argument(help="Data set to download; without a name, all are listed.")
]
To = Annotated[
    Path | None, typer.Option(help="Folder for the files; by default the name of the data set.")
]
Home = Annotated[
    str | None, typer.Option(help="Download from this address instead, e.g. a mirror.")
]
Registry = Annotated[
    Path | None, typer.Option(help="File of names and checksums, instead of the known ones.")
]
File = Annotated[
    Path,
    typer.Option("--file", help="Configuration to write.", rich_help_panel=RESULTS),
]


def datasets(
    name: Name = None, to: To = None, home: Home = None, registry: Registry = None
) -> None:
    """List public data sets, or download one from its publisher.

    Each file is verified by its checksum.

    Example: gwforecast datasets nl --to data/nl
    """
    from gwforecast.data.samples import fetch_public, list_public

    if name is None:
        for row in list_public().to_dict("records"):
            files = f"{row['files']} files" if row["files"] else "by hand, or with --registry"
            lines = (
                f"{row['name']}: {row['title']}",
                f"  {row['citation']}, https://doi.org/{row['doi']}",
                f"  {row['licence']}; {files}",
            )
            screen.say("\n".join(lines))
        return
    folder = Path(name) if to is None else to
    with progress_bars() as progress:
        found = fetch_public(name, folder, home=home, registry=registry, progress=progress)
    screen.say(f"{len(found)} files, all verified: {folder}")


@takes("config", *INPUTS, *READING)
def check(settings: Settings) -> None:
    """Check the data: gaps, duplicates, spikes, flat lines, level shifts, units and datum.

    What was understood of the files is printed first: layout, wells, units, datum, times, and what
    was left out. Then findings are printed, by check; no file is changed or written.

    Example: gwforecast check --levels heads.csv --covariates weather.csv

    The exit code is 0 if there is no error among the findings, 1 if there is one, and 2 if the data
    cannot be read.
    """
    from gwforecast import jobs

    checked = jobs.check(settings)
    print_understood(str(checked.attrs.get("understood", "")))
    findings = checked[checked["severity"] != "ok"]
    print_findings(findings)
    count = f"{len(findings)} finding" + ("" if len(findings) == 1 else "s")
    screen.print(f"{count}; nothing was changed.")
    needed = findings["message"].str.contains("height it is measured from", regex=False)
    if needed.any():
        raise ValueError(str(findings.loc[needed, "message"].iloc[0]))
    raise typer.Exit(1 if (findings["severity"] == "error").any() else 0)


@takes(*INPUTS, *READING)
def init(settings: Settings, file: File = Path("run.toml")) -> None:
    """Read the data, and write a configuration with what was understood as comments.

    Example: gwforecast init --levels heads.csv --covariates weather.csv

    The exit code is 2 if the data cannot be read; the message says which option is needed.
    """
    from gwforecast import jobs

    stored = jobs.write_configuration(settings, file)
    print_understood(stored)
    screen.say(f"Written: {file}. Next: gwforecast check {file}, gwforecast evaluate {file}")


COLUMNS = {
    "nse": "NSE",
    "nse_reference": "NSE ref.",
    "kge_anomaly": "KGE",
    "rmse": "RMSE",
    "bias": "bias",
    "coverage_95": "cover 95",
    "skill_rmse": "skill",
}
"""Metrics of the printed table and the headings of their columns."""

SEEN = (
    "Validation scores are of models fitted on the train period. Settings were chosen by them, so "
    "they are optimistic. Test scores are of models fitted on the train and validation periods; no "
    "level of the test period was used."
)
SEEN_CROSSED = (
    " Cross-validation scores are of models fitted on all other blocks of years; only the weights "
    "of the blend come from fits that have seen the block."
)

DemoOut = Annotated[
    Path | None,
    typer.Option(help="Folder of the results. Default: demo-results.", rich_help_panel=RESULTS),
]


@takes(
    "config", *INPUTS, "fill", *SPLIT, "models", *FITTING, "leave_wells_out", "cross_validate",
    *CLUSTER, "out", "figures", *READING,
)  # fmt: skip
def evaluate(
    settings: Settings,
    report: Report = False,
    allow_errors: AllowErrors = False,
) -> None:
    """Simulate levels from the weather, and score each model against a baseline.

    The models are fitted on past levels and simulate later ones. Scores, predictions with
    intervals, figures and a record of the run are written to a folder.

    Example: gwforecast evaluate --levels heads.csv --covariates weather.csv --models lstm,linear

    The exit code is 0 if all went well, 1 if a model or well failed or the data have errors, and 2
    if the data or settings cannot be used.
    """
    from gwforecast import jobs

    with progress_bars() as progress:
        evaluation = jobs.evaluate(settings, progress=progress)
    say_in_one_line(str(evaluation.findings.attrs.get("understood", "")))
    errors = print_findings(evaluation.findings, least="warning")
    try:
        _print_evaluation(evaluation, settings.output.folder)
    finally:
        if report:
            print_reports(evaluation, settings.output.folder, wells=settings.output.figures)
    refuse_errors(errors, allowed=allow_errors)


def demo(out: DemoOut = None, members: Members = None, seed: Seed = None) -> None:
    """Evaluate the default models on a well of the embedded, synthetic data set.

    It takes a minute or two.

    Example: gwforecast demo --out demo-results
    """
    from gwforecast import jobs

    folder = Path("demo-results") if out is None else out
    screen.print("The data are synthetic: a seeded physical model whose truth is known.")
    with progress_bars() as progress:
        evaluation = jobs.demo(folder, members=members, seed=seed or 0, progress=progress)
    _print_evaluation(evaluation, folder)


def _coverage(counts: pd.DataFrame) -> str:
    """Return how many observed levels are scored; ``counts`` has the columns n and not_scored."""
    levels = int(counts.sum(axis=1).max()) if len(counts) else 0
    models: dict[int, list[str]] = {}
    for model, n in counts["n"].items():
        models.setdefault(int(n), []).append(str(model))
    if len(models) == 1:
        (n,) = models
        return f"{n} of {levels} observed levels are scored, by all models."
    parts = [f"{n} by {', '.join(some)}" for n, some in models.items()]
    return f"Of {levels} observed levels are scored: {'; '.join(parts)}."


def _print_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Print scores, definitions, failures and paths; exit with 1 if there are failures."""
    from gwforecast.runs.results import one_or_all, span_of_period
    from gwforecast.verification.scoring import definitions, score_summary, scored_levels

    crossed = (evaluation.scores["period"] == "cross-validation").any()
    for period in ("validation", "test", *(["cross-validation"] if crossed else [])):
        table = score_summary(evaluation.scores, period=period, metrics=COLUMNS)
        scored = evaluation.scores.query("period == @period and n > 0")
        wells = scored["well"].nunique()
        title = "Cross-validation, whole record"
        if period != "cross-validation":
            title = f"{period} period, {span_of_period(evaluation.split, cast('Period', period))}"
        print_table(f"{title}, {one_or_all(wells)}", table.rename(columns=COLUMNS).reset_index())
        screen.say(_coverage(scored_levels(evaluation.scores, period=period)))
        same = scored.query("metric == 'nse'").groupby("well", sort=False)["value"].count()
        equal = [str(well) for well in same.index[same == 0]]
        if equal:
            shown = ", ".join(equal[:3]) + (f" and {len(equal) - 3} more" if equal[3:] else "")
            screen.say(f"NSE and KGE are not defined for equal levels: {shown}.")
        screen.print()
    texts = definitions(evaluation.baseline)
    for metric, column in COLUMNS.items():
        screen.say(f"  {column:<11} {texts[metric]}")
    screen.print()
    print_coverage(evaluation.coverage, by="model")
    screen.print(SEEN + SEEN_CROSSED * bool(crossed), soft_wrap=True)
    choice = evaluation.choice
    if len(choice) > 1:
        counts = ", ".join(f"{m} {n}" for m, n in choice["model"].value_counts(sort=False).items())
        screen.say(f"\nBest model by validation RMSE, number of wells: {counts}")
    screen.print()
    print_paths(evaluation.paths)
    screen.say(f"Scores, predictions and the record of the run: {folder}")
    print_failures(evaluation.outcomes)


BY_LEAD = ("rmse", "skill_crps_persistence", "skill_crps_climatology", "coverage_95")
LEADS = 8  # lead times that are printed
SEEN_BY_LEAD = (
    "Each forecast uses levels up to its issue time, and models fitted through the validation "
    "period{refits}. All scores are of the test period, by which nothing was chosen."
)

ORIGINS = "Issue times and lead times"

BACKTEST = {
    "models": option("backtest.models", panel=MODELS, note="Separate them by commas."),
    "forcing": option("backtest.forcing", panel=ORIGINS),
    "horizon": option("backtest.horizon", int, panel=ORIGINS),
    "stride": option("backtest.stride", int, panel=ORIGINS),
    "start": option("backtest.start", panel=ORIGINS),
    "end": option("backtest.end", panel=ORIGINS),
    "refit_every": option("backtest.refit_every", int, panel=ORIGINS),
    "sliding": option("backtest.sliding", bool, panel=ORIGINS, flag="--sliding/--expanding"),
    "threshold": option("backtest.threshold", float, panel=RESULTS),
    "out": option("backtest.folder", Path, panel=RESULTS, flag="--out"),
}
"""Options that only this command has, or that stand for another setting than elsewhere."""


@takes("config", *INPUTS, "fill", *SPLIT, *FITTING, *CLUSTER, "figures", *READING, **BACKTEST)
def backtest(
    settings: Settings,
    report: Report = False,
    allow_errors: AllowErrors = False,
) -> None:
    """Issue hindcasts at past times, with what was known then, and score them by lead time.

    Example: gwforecast backtest run.toml --forcing climatology --horizon 13 --stride 4

    The exit code is 0 if all went well, 1 if a model or well failed or the data have errors, and 2
    if the data or settings cannot be used.
    """
    from gwforecast import jobs

    with progress_bars() as progress:
        result = jobs.backtest(settings, progress=progress)
    checked = jobs.check(settings)
    say_in_one_line(str(checked.attrs.get("understood", "")))
    errors = print_findings(checked, least="warning")
    if report:
        print_reports(result, settings.backtest.folder, wells=settings.output.figures)
    _print_backtest(result, settings.backtest.folder)
    refuse_errors(errors, allowed=allow_errors)


def _print_backtest(result: Backtest, folder: Path) -> None:
    """Print scores by lead time, failures and paths; exit with 1 if there are failures."""
    from gwforecast.runs.hindcasts import main_model

    scores, origins = result.scores, result.origins
    wells = scores["well"].nunique()
    screen.print(
        f"{origins.issue_times.size} issue times, {str(origins.issue_times[0])[:10]} to "
        f"{str(origins.issue_times[-1])[:10]}, {origins.horizon} lead times, weather after the "
        f"issue time: {origins.forcing.label}. Scores: "
        + (f"median of {wells} wells." if wells > 1 else "1 well."),
        soft_wrap=True,
    )
    times = scores.drop_duplicates("lead").set_index("lead")["lead_time"]
    _print_scores(scores, times)
    _print_comparison(result.verification.comparison, times)
    coverage = result.verification.coverage
    if len(coverage):
        print_coverage(coverage[coverage["model"] == main_model(result.hindcasts)], by="lead")
    refits = " or, later, through the last refit" if origins.refit_every else ""
    screen.print(SEEN_BY_LEAD.format(refits=refits), soft_wrap=True)
    print_paths(result.paths)
    screen.say(f"Scores, hindcasts and the record of the run: {folder}")
    print_failures(result.outcomes)


def _print_scores(scores: pd.DataFrame, times: pd.Series) -> None:
    """Print the scores of some lead times, best model first, with the pairs that they rest on."""
    from gwforecast.verification.lead_scoring import (
        forecast_summary,
        lead_definitions,
        scored_pairs,
    )

    definitions = lead_definitions(("persistence", "climatology"))
    order = forecast_summary(scores, metric="rmse").mean(axis=1).sort_values().index
    for metric in BY_LEAD:
        if not (scores["metric"] == metric).any():
            continue
        table = forecast_summary(scores, metric=metric).reindex(order)
        known = table.columns[table.notna().any()].to_numpy()
        if not known.size:
            continue
        shown = table[_some(known)].astype(object)
        pairs = scored_pairs(scores[scores["metric"] == metric]).loc[shown.columns]
        for name, heading in (("n", "n"), ("not_scored", "not scored")):
            shown.loc[heading] = [int(number) for number in pairs[name]]
        shown.columns, unit = _lead_numbers(times, shown.columns)
        shown = shown.rename_axis("model").reset_index()
        print_table(f"{metric} by lead time in {unit}: {definitions[metric]}", shown)


def _lead_numbers(times: pd.Series, leads: Iterable[Any]) -> tuple[list[str], str]:
    """Return lead times, given in steps, as numbers in a unit; ``times`` by step."""
    import pandas as pd

    from gwforecast.plots.prepare import lead_numbers

    numbers, unit = lead_numbers(pd.Index(times.loc[list(leads)]).to_numpy())
    return [f"{number:g}" for number in numbers], unit


def _some(leads: np.ndarray) -> list[int]:
    """Return the lead times that are printed."""
    import numpy as np

    wanted = np.geomspace(leads[0], leads[-1], LEADS)
    nearest = np.abs(leads[:, None] - wanted).argmin(axis=0)
    return [int(lead) for lead in leads[np.unique(nearest)]]


def _print_comparison(table: pd.DataFrame, times: pd.Series) -> None:
    """Print the skill against the best other model by lead time, with its 95 % range."""
    if table.empty:
        return
    table = table.assign(better=table["lower"] > 0, worse=table["upper"] < 0)
    by_lead = table.groupby("lead")
    shown = by_lead[["skill", "lower", "upper"]].median()
    shown = shown.rename(columns={"lower": "its 95 % range: from", "upper": "to"})
    shown["wells better"], shown["worse"] = by_lead["better"].sum(), by_lead["worse"].sum()
    shown["n"] = by_lead["n"].sum()
    wells = table["well"].nunique()
    of = f", median of {wells} wells" if wells > 1 else ""
    first = table.iloc[0]
    shown = shown.loc[_some(shown.index.to_numpy())].reset_index()
    shown["lead"], unit = _lead_numbers(times, shown["lead"].tolist())
    print_table(
        f"Skill in CRPS of {first['model']} against {first['baseline']} by lead time in {unit}{of}",
        shown,
    )


SHOWN = 10  # trials that are printed
SEARCH = "Hyperparameter search"

TUNE = {
    "model": option("tune.model", panel=SEARCH),
    "trials": option("tune.trials", int, panel=SEARCH),
    "metric": option("tune.metric", panel=SEARCH),
    "timeout": option("tune.timeout", float, panel=SEARCH),
    "out": option("tune.folder", Path, panel=RESULTS, flag="--out"),
}
"""Options that only this command has, or that stand for another setting than elsewhere."""


@takes("config", *INPUTS, "fill", *SPLIT, *FITTING, *READING, **TUNE)
def tune(settings: Settings) -> None:
    """Search for the hyperparameters of a model that score best in the validation period.

    The levels of the test period are not used. Interrupted searches resume with the same command.

    Example: gwforecast tune run.toml --model lstm --trials 30

    The exit code is 0 if all went well, 1 if no trial could be completed, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast import jobs

    with progress_bars() as progress:
        tuning = jobs.tune(settings, progress=progress)
    _print_tuning(tuning)


def _print_tuning(tuning: Tuning) -> None:
    """Print the best trials, the best settings, and what to run next."""
    from gwforecast.verification.metrics import METRICS

    counts = tuning.trials["state"].value_counts()
    states = ", ".join(f"{n} {state}" for state, n in counts.items())
    table = tuning.to_dataframe().head(SHOWN).drop(columns=["reason"])
    for name in table.columns.drop(["number", "state", "value", "seconds"]):
        table[name] = [f"{v:.4g}" if isinstance(v, float) else v for v in table[name]]
    label = METRICS[tuning.metric].label
    print_table(
        f"{tuning.model}: best of {len(tuning.trials)} trials ({states}), {tuning.n} levels of the "
        "validation period, by which the settings are chosen",
        table.rename(columns={"value": label}),
    )
    failed = tuning.trials[tuning.trials["state"] == "failed"]
    if len(failed):
        screen.say(f"{len(failed)} failed, the first: {failed['reason'].iloc[0]}\n")
    screen.print(f"Best settings, {label} {tuning.value:.3f}:")
    for name, value in tuning.best.items():
        screen.say(f"  {name} = {value}")
    path = clean(str(tuning.paths["best.toml"]))
    following = f"gwforecast evaluate {shlex.quote(path)}"
    screen.print(f"\n{path}\nNext, evaluate them in the test period: {following}", soft_wrap=True)
