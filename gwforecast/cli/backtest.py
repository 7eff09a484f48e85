"""The command ``gwforecast backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import options
from gwforecast.cli.console import clean, print_table, progress_bars, screen

if TYPE_CHECKING:
    from gwforecast.runs.results import Backtest

__all__ = ["backtest"]


_SETTINGS = {
    "forcing": "forcing",
    "horizon": "horizon",
    "stride": "stride",
    "start": "start",
    "end": "end",
    "refit_every": "refit_every",
    "sliding": "sliding",
    "threshold": "threshold",
    "models": "models",
    "out": "folder",
}
"""Setting in the table ``backtest`` that each option goes before."""

METRICS = ("crps", "skill_crps_persistence", "skill_crps_climatology", "rmse", "coverage_95")
COLUMNS = 8  # lead times that are printed

Forcing = Annotated[
    str | None, typer.Option(help="Weather after the issue time: observed or climatology.")
]
Horizon = Annotated[int | None, typer.Option(min=1, help="Lead times, in steps.")]
Stride = Annotated[int | None, typer.Option(min=1, help="Steps from issue time to issue time.")]
First = Annotated[str | None, typer.Option(help="First issue time, e.g. 2015-01-01.")]
Last = Annotated[str | None, typer.Option(help="Last issue time.")]
RefitEvery = Annotated[int | None, typer.Option(min=1, help="Issue times from refit to refit.")]
Sliding = Annotated[
    bool | None, typer.Option("--sliding/--expanding", help="Window of the later refits.")
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Level, m, whose undercutting is scored as an event; by default a tercile."),
]
Folder = Annotated[Path | None, typer.Option(help="Folder of the results; 'backtest' by default.")]


def backtest(
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
    forcing: Forcing = None,
    horizon: Horizon = None,
    stride: Stride = None,
    start: First = None,
    end: Last = None,
    refit_every: RefitEvery = None,
    sliding: Sliding = None,
    threshold: Threshold = None,
    members: options.Members = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    dask: options.Dask = None,
    shard: options.Size = None,
    out: Folder = None,
    figures: options.Figures = None,
) -> None:
    """Issue forecasts at many past moments with what was known then, and score them by lead time.

    Ends with 0 if all went well, 1 if a model or well failed, 2 if data or settings are unusable.
    """
    from gwforecast import jobs
    from gwforecast.config import load as settings_file
    from gwforecast.runs.catalogue import import_tensorflow

    given = dict(context.params)
    wanted = {name: given.pop(option) for option, name in _SETTINGS.items()}
    if wanted["models"] is not None:
        wanted["models"] = [name.strip() for name in wanted["models"].split(",")]
    overrides = options.overrides(given)
    overrides["backtest"] = {name: value for name, value in wanted.items() if value is not None}
    settings = settings_file.load_settings(config, overrides=overrides)
    if settings.cluster.dask is None:  # else only workers import the models
        import_tensorflow(settings.backtest.models)
    with progress_bars() as progress:
        result = jobs.backtest(settings, progress=progress)
    _print_backtest(result, settings.backtest.folder)


def _print_backtest(result: Backtest, folder: Path) -> None:
    """Print scores by lead time, definitions, failures and paths; end with 1 if there are any."""
    import numpy as np

    from gwforecast.verification.lead_scoring import forecast_summary, lead_definitions

    scores, origins = result.scores, result.origins
    wells = scores["well"].nunique()
    screen.print(
        f"{origins.issue_times.size} issue times, {str(origins.issue_times[0])[:10]} to "
        f"{str(origins.issue_times[-1])[:10]}, {origins.horizon} lead times, weather after the "
        f"issue time: {origins.forcing.origin}. Scores: "
        + (f"median of {wells} wells." if wells > 1 else "1 well."),
        soft_wrap=True,
    )
    definitions = lead_definitions(("persistence", "climatology"))
    for metric in METRICS:
        if (scores["metric"] == metric).any():
            table = forecast_summary(scores, metric=metric)
            known = table.columns[table.notna().any()].to_numpy()
            wanted = np.geomspace(known[0], known[-1], COLUMNS)
            nearest = np.abs(known[:, None] - wanted).argmin(axis=0)
            shown = table[known[np.unique(nearest)].tolist()]
            shown = shown.rename(columns=str).reset_index()
            print_table(f"{metric} by lead time: {definitions[metric]}", shown)
    figures = [str(path) for name, path in result.paths.items() if name.endswith(".png")]
    screen.print("\n".join(map(clean, figures)), soft_wrap=True)
    screen.print(clean(f"Scores, hindcasts and the record of the run: {folder}"), soft_wrap=True)
    failed = result.outcomes[result.outcomes["status"] == "failed"]
    if len(failed):
        names = failed["well"].groupby(failed["model"], sort=False).agg(", ".join)
        print_table("Failed; the reasons are in run.json", names.reset_index())
        raise typer.Exit(1)
