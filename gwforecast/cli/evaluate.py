"""The commands ``gwforecast evaluate`` and ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import console, findings, options
from gwforecast.cli.console import clean, print_paths, print_table, screen
from gwforecast.cli.options import CLUSTER, FITTING, INPUTS, READING, SPLIT

if TYPE_CHECKING:
    import pandas as pd

    from gwforecast.runs.results import Evaluation

__all__ = ["demo", "evaluate"]

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
    typer.Option(
        help="Folder of the results. Default: demo-results.", rich_help_panel=options.RESULTS
    ),
]


@options.takes(
    "config", *INPUTS, "fill", *SPLIT, "models", *FITTING, "leave_wells_out", "cross_validate",
    *CLUSTER, "out", "figures", *READING,
)  # fmt: skip
def evaluate(
    context: typer.Context,
    report: options.Report = False,
    allow_errors: findings.AllowErrors = False,
) -> None:
    """Simulate levels from the weather, and score each model against a baseline.

    The models are fitted on past levels and simulate later ones. Scores, predictions with
    intervals, figures and a record of the run are written to a folder.

    Example: gwforecast evaluate --levels heads.csv --covariates weather.csv --models lstm,linear

    The exit code is 0 if all went well, 1 if a model or well failed or the data have errors, and 2
    if the data or settings cannot be used.
    """
    from gwforecast import jobs

    settings = options.load(context)
    with console.progress_bars() as progress:
        evaluation = jobs.evaluate(settings, progress=progress)
    findings.say_in_one_line(str(evaluation.findings.attrs.get("understood", "")))
    errors = findings.print_findings(evaluation.findings, least="warning")
    try:
        _print_evaluation(evaluation, settings.output.folder)
    finally:
        if report:
            console.print_reports(evaluation, settings.output.folder, wells=settings.output.figures)
    findings.refuse_errors(errors, allowed=allow_errors)


def demo(out: DemoOut = None, members: options.Members = None, seed: options.Seed = None) -> None:
    """Evaluate the default models on a well of the embedded, synthetic data set.

    It takes a minute or two.

    Example: gwforecast demo --out demo-results
    """
    from gwforecast import jobs

    folder = Path("demo-results") if out is None else out
    screen.print("The data are synthetic: a seeded physical model whose truth is known.")
    with console.progress_bars() as progress:
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
    from gwforecast.verification.scoring import definitions, score_summary, scored_levels

    crossed = (evaluation.scores["period"] == "cross-validation").any()
    for period in ("validation", "test", *(["cross-validation"] if crossed else [])):
        table = score_summary(evaluation.scores, period=period, metrics=COLUMNS)
        scored = evaluation.scores.query("period == @period and n > 0")
        wells = scored["well"].nunique()
        name = "Cross-validation, whole record, " if period == "cross-validation" else None
        title = (name or f"{period} period, ") + (
            f"median of {wells} wells" if wells > 1 else "1 well"
        )
        print_table(title, table.rename(columns=COLUMNS).reset_index())
        screen.print(clean(_coverage(scored_levels(evaluation.scores, period=period))))
        same = scored.query("metric == 'nse'").groupby("well", sort=False)["value"].count()
        equal = [str(well) for well in same.index[same == 0]]
        if equal:
            shown = ", ".join(equal[:3]) + (f" and {len(equal) - 3} more" if equal[3:] else "")
            screen.print(clean(f"NSE and KGE are not defined for equal levels: {shown}."))
        screen.print()
    texts = definitions(evaluation.baseline)
    for metric, column in COLUMNS.items():
        screen.print(clean(f"  {column:<11} {texts[metric]}"))
    screen.print()
    findings.print_coverage(evaluation.coverage, by="model")
    screen.print(SEEN + SEEN_CROSSED * bool(crossed), soft_wrap=True)
    choice = evaluation.choice
    if len(choice) > 1:
        counts = ", ".join(f"{m} {n}" for m, n in choice["model"].value_counts(sort=False).items())
        screen.print(clean(f"\nBest model by validation RMSE, number of wells: {counts}"))
    screen.print()
    print_paths(evaluation.paths)
    screen.print(clean(f"Scores, predictions and the record of the run: {folder}"), soft_wrap=True)
    findings.print_failures(evaluation.outcomes)
