"""The commands ``gwforecast evaluate``, ``check`` and ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gwforecast.cli import options
from gwforecast.cli.console import clean, print_table, progress_bars, screen

if TYPE_CHECKING:
    from gwforecast.runs.results import Evaluation

__all__ = ["check", "demo", "evaluate"]

COLUMNS = {
    "nse": "NSE",
    "nse_reference": "NSE before",
    "kge_anomaly": "KGE",
    "rmse": "RMSE",
    "mae": "MAE",
    "bias": "bias",
    "coverage_95": "cover 95",
    "skill_rmse": "skill",
}
"""Metrics of the printed table and the heads of their columns."""


def evaluate(
    context: typer.Context,
    config: options.Config = None,
    levels: options.Levels = None,
    covariates: options.Covariates = None,
    attributes: options.Attributes = None,
    well: options.Well = None,
    day_first: options.DayFirst = None,
    datum: options.Datum = None,
    reference_level: options.Height = None,
    fill: options.Fill = None,
    shares: options.Shares = None,
    validation_start: options.Start = None,
    test_start: options.Start = None,
    gap: options.Gap = None,
    models: options.Models = None,
    members: options.Members = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    leave_wells_out: options.LeaveOut = None,
    dask: options.Dask = None,
    shard: options.Size = None,
    out: options.Out = None,
    figures: options.Figures = None,
) -> None:
    """Fit the models on past levels, predict later ones from the weather, and score them.

    Ends with 0 if all went well, 1 if a model or well failed, 2 if data or settings are unusable.
    """
    from gwforecast import jobs
    from gwforecast.config import load as settings_file
    from gwforecast.runs.catalogue import import_tensorflow

    settings = settings_file.load_settings(config, overrides=options.overrides(context.params))
    if settings.cluster.dask is None:  # else only workers import the models
        import_tensorflow(settings.models.use)
    with progress_bars() as progress:
        evaluation = jobs.evaluate(settings, progress=progress)
    _print_evaluation(evaluation, settings.output.folder)


def check(
    context: typer.Context,
    config: options.Config = None,
    levels: options.Levels = None,
    covariates: options.Covariates = None,
    attributes: options.Attributes = None,
    well: options.Well = None,
    day_first: options.DayFirst = None,
    datum: options.Datum = None,
    reference_level: options.Height = None,
) -> None:
    """Print what is doubtful in the data; nothing is changed or written.

    Ends with 0 if nothing is wrong, 1 if there is a finding of severity error, 2 if the data cannot
    be read.
    """
    from gwforecast import jobs
    from gwforecast.config import load as settings_file

    settings = settings_file.load_settings(config, overrides=options.overrides(context.params))
    findings = jobs.check(settings)
    doubts = findings[findings["severity"] != "ok"]
    print_table("Findings", doubts.drop(columns=["value"]))
    screen.print(f"{len(doubts)} findings; nothing was changed.")
    raise typer.Exit(1 if (doubts["severity"] == "error").any() else 0)


def demo(
    out: options.Out = None, members: options.Members = None, seed: options.Seed = None
) -> None:
    """Evaluate all models on a well of the embedded data set, which is synthetic."""
    from gwforecast import jobs
    from gwforecast.runs.catalogue import import_tensorflow

    folder = Path("demo-results") if out is None else out
    screen.print("The data are synthetic: a seeded physical model whose truth is known.")
    import_tensorflow(jobs.DEFAULT_MODELS)
    with progress_bars() as progress:
        evaluation = jobs.demo(folder, members=members, seed=seed or 0, progress=progress)
    _print_evaluation(evaluation, folder)


def _print_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Print scores, definitions, failures and paths; end with 1 if there are failures."""
    from gwforecast.verification.scoring import definitions, score_summary

    for period in ("validation", "test"):
        table = score_summary(evaluation.scores, period=period, metrics=COLUMNS)
        wells = evaluation.scores["well"].nunique()
        title = f"{period} period, " + (f"median of {wells} wells" if wells > 1 else "1 well")
        print_table(title, table.rename(columns=COLUMNS).reset_index())
    texts = definitions()
    for metric, column in COLUMNS.items():
        screen.print(clean(f"  {column:<11} {texts[metric]}"))
    choice = evaluation.choice
    if len(choice) > 1:
        counts = ", ".join(f"{m} {n}" for m, n in choice["model"].value_counts(sort=False).items())
        screen.print(clean(f"\nBest by the RMSE of the validation period, wells: {counts}"))
    figures = [str(path) for name, path in evaluation.paths.items() if name.endswith(".png")]
    screen.print("\n".join(["", *map(clean, figures)]), soft_wrap=True)
    screen.print(clean(f"Scores, predictions and the record of the run: {folder}"), soft_wrap=True)
    failed = evaluation.outcomes[evaluation.outcomes["status"] == "failed"]
    if len(failed):
        names = failed["well"].groupby(failed["model"], sort=False).agg(", ".join)
        print_table("Failed; the reasons are in run.json", names.reset_index())
        raise typer.Exit(1)
