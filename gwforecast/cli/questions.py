"""The commands of the next questions: ``gwforecast fill``, ``extend`` and others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli.console import clean, print_paths, print_table, progress_bars, screen
from gwforecast.cli.options import FITTING, INPUTS, MODELS, READING, RESULTS, load, takes

if TYPE_CHECKING:
    import pandas as pd

    from gwforecast.questions.run import Question

__all__ = ["explain", "extend", "fill", "simulate", "trend", "whatif"]


SCENARIO = "Scenario"

SIMULATION = ("config", *INPUTS, "fill", "models", *FITTING, *READING)
QUESTION = (*SIMULATION, "figures")
Blocks = Annotated[
    int,
    typer.Option(
        help="Blocks of years; each is simulated by models that have not seen its levels.",
        rich_help_panel=MODELS,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder of the results. Default: the name of the command.",
        rich_help_panel=RESULTS,
    ),
]
Longest = Annotated[
    int | None,
    typer.Option(
        help="Longest gap that is filled, in time steps; by default all gaps are filled.",
        rich_help_panel=MODELS,
    ),
]


Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--change",
        help="Change of a covariate: rain=*0.8, temperature=+2, pumping=0, rain=*0.8@6-8. May be "
        "repeated.",
        rich_help_panel=SCENARIO,
    ),
]
Name = Annotated[
    str,
    typer.Option(help="Name of the scenario in tables and figures.", rich_help_panel=SCENARIO),
]
Projections = Annotated[
    list[Path] | None,
    typer.Option(
        help="NetCDF file of climate projections: covariates over time, and any of well, member, "
        "model. May be repeated.",
        rich_help_panel=SCENARIO,
    ),
]
Reference = Annotated[
    str, typer.Option(help="Reference period of projections.", rich_help_panel=SCENARIO)
]
Period = Annotated[
    list[str] | None,
    typer.Option(
        help="Period compared with the reference; may be repeated. Default: 2071-2100.",
        rich_help_panel=SCENARIO,
    ),
]


@takes(*QUESTION)
def fill(
    context: typer.Context,
    blocks: Blocks = 5,
    longest: Longest = None,
    out: Out = None,
) -> None:
    """Fill the gaps of records from the weather and the levels on both sides of each gap.

    Each filled level has a flag and an interval, and the filling is scored by artificial gaps of
    1 week to 1 year, beside linear interpolation, the simulation alone and climatology. By default
    the model is kernel_ridge; --models linear is faster.

    Example: gwforecast fill --levels heads.csv --covariates weather.csv --out filled

    The exit code is 0 if all went well, 1 if a well could not be filled, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run

    with _asked(context, out or Path("filled"), blocks) as question:
        filled = run.fill(question, longest=longest)
    if len(filled.scores):
        table = filled.scores.pivot_table(index="gap_weeks", columns="method", values="rmse")
        covered = filled.scores.groupby("gap_weeks")["coverage_95"].median()
        table = table.assign(**{"cover 95 of fill": covered}).reset_index()
        wells = filled.scores["well"].nunique()
        print_table(f"Artificial gaps, RMSE in m, mean of {wells} wells", table)
    _print_flags(filled.levels["level_flag"].to_series())
    _finish(question.folder, filled.failed)


@takes(*QUESTION)
def extend(
    context: typer.Context,
    blocks: Blocks = 5,
    out: Out = None,
) -> None:
    """Extend records to all times with weather: before the first level and after the last.

    The interval is narrow next to the record, where the error of the simulation is known, and
    grows to that of the simulation.

    Example: gwforecast extend --levels heads.csv --covariates weather.csv --out extended

    The exit code is 0 if all went well, 1 if a well could not be extended, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run

    with _asked(context, out or Path("extended"), blocks) as question:
        extended = run.extend(question)
    _print_flags(extended.levels["level_flag"].to_series())
    _finish(question.folder, extended.failed)


@takes(*SIMULATION)
def simulate(
    context: typer.Context,
    blocks: Blocks = 5,
    out: Out = None,
) -> None:
    """Simulate levels for all times with weather, by models fitted on all levels.

    Unlike evaluate, no level is kept back for scores. Intervals come from errors in blocks of years
    that fits had not seen.

    Example: gwforecast simulate --levels heads.csv --covariates weather.csv --out simulated

    The exit code is 0 if all went well, 1 if a well could not be simulated, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run

    with _asked(context, out or Path("simulated"), blocks) as question:
        simulated, path = run.simulate(question)
    screen.print(clean(str(path)), soft_wrap=True)
    _finish(question.folder, simulated.failed)


@takes(*QUESTION)
def whatif(
    context: typer.Context,
    blocks: Blocks = 5,
    change: Changes = None,
    name: Name = "scenario",
    projections: Projections = None,
    reference: Reference = "1981-2010",
    period: Period = None,
    out: Out = None,
) -> None:
    """Simulate levels under changed covariates or climate projections, with the difference.

    Changes are written rain=*0.8 (factor), temperature=+2 (shift) or pumping=0 (value), with months
    behind an at sign: rain=*0.8@6-8. A covariate is named, or its kind. The difference has an
    interval from the spread of members, models and fits. Where covariates leave the range that the
    models were fitted on, there is a warning. By default the models are kernel_ridge and linear.

    Example: gwforecast whatif --levels heads.csv --covariates weather.csv --change rain=*0.9

    Example: gwforecast whatif run.toml --projections rcp85.nc --reference 1981-2010 --period
    2071-2100

    The exit code is 0 if all went well, 1 if a well could not be simulated, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run
    from gwforecast.questions.changes import parse_change
    from gwforecast.questions.whatif import DEFAULT_MODELS

    if bool(change) == bool(projections):
        raise ValueError(
            "A scenario is made by --change, or given by --projections. Received "
            f"{'both' if change else 'neither'}. Write for example --change rain=*0.9."
        )
    folder = out or Path("whatif")
    with _asked(context, folder, blocks, defaults=DEFAULT_MODELS) as question:
        if change:
            changes = [parse_change(text) for text in change]
            screen.print(clean("Scenario: " + "; ".join(map(str, changes))), soft_wrap=True)
            answer = run.what_if(question, changes=changes, name=name)
            table = answer.summary.replace({"month": {0: "year"}})
            print_table(f"{name}: mean difference of the level, m", table[table.month == "year"])
            failed = answer.failed
        else:
            projected = run.project(
                question,
                files=list(projections or []),
                reference=_years(reference, "--reference"),
                periods=[_years(one, "--period") for one in period or ["2071-2100"]],
            )
            print_table(f"Change of the mean level from {reference}, m", projected.summary)
            failed = projected.failed
    _finish(folder, failed)


@takes(*QUESTION)
def explain(
    context: typer.Context,
    blocks: Blocks = 5,
    out: Out = None,
) -> None:
    """Explain levels: contributions of covariates over time, step responses and memory.

    Contributions are Shapley values and add up to the simulation. The step response is the answer
    of the level to a lasting rise of a covariate by one unit, with days to 50 and 90 % of it.

    Example: gwforecast explain --levels heads.csv --covariates weather.csv --models lstm

    The exit code is 0 if all went well, 1 if a well could not be explained, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run

    with _asked(context, out or Path("explained"), blocks) as question:
        answer = run.explain(question)
    columns = ["well", "covariate", "response", "error", "days_50", "days_90"]
    print_table("Response to one unit, m, and days to 50 and 90 % of it", answer.memory[columns])
    _finish(question.folder, answer.failed)


@takes(*QUESTION)
def trend(
    context: typer.Context,
    blocks: Blocks = 5,
    out: Out = None,
) -> None:
    """Test for trends and shifts, as observed and corrected for the weather; compute indices.

    Slopes are seasonal Sen slopes, tests allow for autocorrelation. GHG, GLG and GVG, and droughts
    by the standardised groundwater index, are written as tables.

    Example: gwforecast trend --levels heads.csv --covariates weather.csv --out trend

    The exit code is 0 if all went well, 1 if a well could not be simulated, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run

    with _asked(context, out or Path("trend"), blocks) as question:
        answer = run.trend(question)
    columns = ["well", "series", "slope", "lower", "upper", "p_value", "reason"]
    print_table("Trend, m a year", answer.trends.reindex(columns=columns))
    columns = ["well", "date", "size", "p_value", "reason"]
    shifts = answer.shifts.reindex(columns=columns)
    shifts["date"] = [f"{date:%Y-%m}" if date == date else "" for date in shifts["date"]]
    print_table(
        "Largest shift of the weather-corrected level, m; chance if p is above 0.05", shifts
    )
    _finish(question.folder, answer.failed)


def _years(text: str, option: str) -> tuple[int, int]:
    """Return first and last year of text like 1981-2010."""
    first, _, last = text.partition("-")
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise ValueError(
            f"{option} takes the first and the last year of a period. Received {text!r}. Write for "
            f"example {option} 1981-2010."
        )
    return int(first), int(last)


@contextmanager
def _asked(
    context: typer.Context, folder: Path, blocks: int, *, defaults: Sequence[str] = ()
) -> Iterator[Question]:
    """Yield a question with progress bars."""
    from gwforecast.questions.run import Question

    with progress_bars() as progress:
        question = Question(load(context), folder, blocks, progress=progress)
        if defaults:
            question = replace(question, defaults=tuple(defaults))
        yield question


def _print_flags(flags: pd.Series) -> None:
    """Print how many steps have each flag."""
    from gwforecast.questions.fill import FLAGS

    counts = flags.value_counts()
    said = [f"{counts[number]} {word}" for word, number in FLAGS.items() if number in counts]
    screen.print(clean(f"Time steps: {', '.join(said)}.".replace("_", " ")), soft_wrap=True)


def _finish(folder: Path, failed: Mapping[str, str]) -> None:
    """Print figures, the folder and failures; exit with 1 if there are failures."""
    pictures = sorted((folder / "figures").glob("*.png"))
    screen.print()
    if pictures:
        print_paths({f"figures/{path.name}": path for path in pictures})
    screen.print(clean(f"Results: {folder}"), soft_wrap=True)
    for well, reason in failed.items():
        screen.print(clean(f"failed: {well}: {reason}"), soft_wrap=True)
    if failed:
        raise typer.Exit(1)
