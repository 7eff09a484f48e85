"""The commands of the next questions: ``gwforecast fill``, ``extend`` and others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import options
from gwforecast.cli.console import clean, print_table, progress_bars, screen

if TYPE_CHECKING:
    import pandas as pd

    from gwforecast.config.load import Settings

__all__ = ["extend", "fill"]


Blocks = Annotated[
    int,
    typer.Option(
        min=2,
        help="Blocks of years; each is simulated by models that have not seen its levels.",
        rich_help_panel=options.MODELS,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder of the results. Default: the name of the command.",
        rich_help_panel=options.RESULTS,
    ),
]
Longest = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Longest gap that is filled, in time steps; by default all gaps are filled.",
        rich_help_panel=options.MODELS,
    ),
]


def fill(
    context: typer.Context,
    config: options.Config = None,
    levels: options.Levels = None,
    covariates: options.Covariates = None,
    attributes: options.Attributes = None,
    well: options.Well = None,
    day_first: options.DayFirst = None,
    datum: options.Datum = None,
    reference_level: options.ReferenceLevel = None,
    fill: options.Fill = None,
    models: options.Models = None,
    members: options.Members = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    without_weather: options.WithoutWeather = None,
    blocks: Blocks = 5,
    longest: Longest = None,
    out: Out = None,
    figures: options.Figures = None,
) -> None:
    """Fill the gaps of records from the weather and the levels on both sides of each gap.

    Each filled level has a flag and an interval, and the filling is scored by artificial gaps of
    1 week to 1 year, beside linear interpolation, the simulation alone and climatology. By default
    the model is kernel_ridge, which takes about a second for each well and block.

    Example: gwforecast fill --levels heads.csv --covariates weather.csv --out filled

    The exit code is 0 if all went well, 1 if a well could not be filled, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast import jobs

    settings, folder = _start(context, out or Path("filled"))
    with progress_bars() as progress:
        filled = jobs.fill(
            settings, blocks=blocks, longest=longest, folder=folder, progress=progress
        )
    if len(filled.scores):
        table = filled.scores.pivot_table(index="gap_weeks", columns="method", values="rmse")
        covered = filled.scores.groupby("gap_weeks")["coverage_95"].median()
        table = table.assign(**{"cover 95 of fill": covered}).reset_index()
        wells = filled.scores["well"].nunique()
        print_table(f"Artificial gaps, RMSE in m, mean of {wells} wells", table)
    _print_flags(filled.levels["level_flag"].to_series())
    _finish(filled.paths, folder, filled.failed)


def extend(
    context: typer.Context,
    config: options.Config = None,
    levels: options.Levels = None,
    covariates: options.Covariates = None,
    attributes: options.Attributes = None,
    well: options.Well = None,
    day_first: options.DayFirst = None,
    datum: options.Datum = None,
    reference_level: options.ReferenceLevel = None,
    fill: options.Fill = None,
    models: options.Models = None,
    members: options.Members = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    without_weather: options.WithoutWeather = None,
    blocks: Blocks = 5,
    out: Out = None,
    figures: options.Figures = None,
) -> None:
    """Extend records to all times with weather: before the first level and after the last.

    The interval is narrow next to the record, where the error of the simulation is known, and
    grows to that of the simulation.

    Example: gwforecast extend --levels heads.csv --covariates weather.csv --out extended

    The exit code is 0 if all went well, 1 if a well could not be extended, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast import jobs

    settings, folder = _start(context, out or Path("extended"))
    with progress_bars() as progress:
        extended = jobs.extend(settings, blocks=blocks, folder=folder, progress=progress)
    _print_flags(extended.levels["level_flag"].to_series())
    _finish(extended.paths, folder, extended.failed)


def _start(context: typer.Context, folder: Path) -> tuple[Settings, Path]:
    """Return the settings and the folder of results."""
    return options.load(context), folder


def _print_flags(flags: pd.Series) -> None:
    """Print how many steps have each flag."""
    from gwforecast.questions.fill import FLAGS

    counts = flags.value_counts()
    said = [f"{counts[number]} {word}" for word, number in FLAGS.items() if number in counts]
    screen.print(clean(f"Time steps: {', '.join(said)}.".replace("_", " ")), soft_wrap=True)


def _finish(paths: Mapping[str, Path], folder: Path, failed: Mapping[str, str]) -> None:
    """Print figures, the folder and failures; exit with 1 if there are failures."""
    pictures = [str(path) for name, path in paths.items() if name.endswith(".png")]
    screen.print("\n".join(["", *map(clean, pictures)]), soft_wrap=True)
    tables = ", ".join(name for name in paths if not name.endswith(".png"))
    screen.print(clean(f"{tables}: {folder}"), soft_wrap=True)
    for well, reason in failed.items():
        screen.print(clean(f"failed: {well}: {reason}"), soft_wrap=True)
    if failed:
        raise typer.Exit(1)
