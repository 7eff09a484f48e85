"""The commands of the next questions: ``gwforecast fill``, ``extend`` and others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gwforecast.cli.console import clean, print_paths, print_table, progress_bars, screen
from gwforecast.cli.options import FITTING, INPUTS, MODELS, READING, RESULTS, load, option, takes

if TYPE_CHECKING:
    import pandas as pd

    from gwforecast.questions.run import Question

__all__ = ["explain", "extend", "fill", "simulate", "trend", "whatif"]


SCENARIO = "Scenario"

SIMULATION = ("config", *INPUTS, "fill", "models", *FITTING, *READING)
QUESTION = (*SIMULATION, "figures")
OWN = {
    "blocks": option("questions.blocks", int, panel=MODELS),
    "out": option("questions.folder", Path, panel=RESULTS, flag="--out"),
}
"""Options that all questions have, and that stand for another setting elsewhere."""

WHATIF = {
    "change": option("questions.changes", list[str], panel=SCENARIO, note="May be repeated."),
    "name": option("questions.name", panel=SCENARIO),
    "projections": option(
        "questions.projections", list[Path], panel=SCENARIO, note="May be repeated."
    ),
    "reference": option("questions.reference", panel=SCENARIO),
    "period": option("questions.periods", list[str], panel=SCENARIO, note="May be repeated."),
}


@takes(*QUESTION, **OWN, longest=option("questions.longest", int, panel=MODELS))
def fill(context: typer.Context) -> None:
    """Fill the gaps of records from the weather and the levels on both sides of each gap.

    Each filled level has a flag and an interval, and the filling is scored by artificial gaps of
    1 week to 1 year, beside linear interpolation, the simulation alone and climatology. By default
    the model is kernel_ridge; --models linear is faster.

    Example: gwforecast fill --levels heads.csv --covariates weather.csv --out filled

    The exit code is 0 if all went well, 1 if a well could not be filled, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run

    with _asked(context, "filled") as question:
        filled = run.fill(question)
    if len(filled.scores):
        table = filled.scores.pivot_table(index="gap_weeks", columns="method", values="rmse")
        covered = filled.scores.groupby("gap_weeks")["coverage_95"].median()
        table = table.assign(**{"cover 95 of fill": covered}).reset_index()
        wells = filled.scores["well"].nunique()
        print_table(f"Artificial gaps, RMSE in m, mean of {wells} wells", table)
    _print_flags(filled.levels["level_flag"].to_series())
    _finish(question.folder, filled.failed)


@takes(*QUESTION, **OWN)
def extend(context: typer.Context) -> None:
    """Extend records to all times with weather: before the first level and after the last.

    The interval is narrow next to the record, where the error of the simulation is known, and
    grows to that of the simulation.

    Example: gwforecast extend --levels heads.csv --covariates weather.csv --out extended

    The exit code is 0 if all went well, 1 if a well could not be extended, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run

    with _asked(context, "extended") as question:
        extended = run.extend(question)
    _print_flags(extended.levels["level_flag"].to_series())
    _finish(question.folder, extended.failed)


@takes(*SIMULATION, **OWN)
def simulate(context: typer.Context) -> None:
    """Simulate levels for all times with weather, by models fitted on all levels.

    Unlike evaluate, no level is kept back for scores. Intervals come from errors in blocks of years
    that fits had not seen.

    Example: gwforecast simulate --levels heads.csv --covariates weather.csv --out simulated

    The exit code is 0 if all went well, 1 if a well could not be simulated, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run

    with _asked(context, "simulated") as question:
        simulated, path = run.simulate(question)
    screen.print(clean(str(path)), soft_wrap=True)
    _finish(question.folder, simulated.failed)


@takes(*QUESTION, **OWN, **WHATIF)
def whatif(context: typer.Context) -> None:
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
    from gwforecast.questions.whatif import DEFAULT_MODELS

    with _asked(context, "whatif", defaults=DEFAULT_MODELS) as question:
        chosen = question.settings.questions
        if bool(chosen.changes) == bool(chosen.projections):
            raise ValueError(
                "A scenario is made by --change, or given by --projections. Received "
                f"{'both' if chosen.changes else 'neither'}. Write for example --change rain=*0.9."
            )
        if chosen.changes:
            said = "; ".join(map(str, question.changes))
            screen.print(clean(f"Scenario: {said}"), soft_wrap=True)
            answer = run.what_if(question)
            table = answer.summary.replace({"month": {0: "year"}})
            table = table[table.month == "year"]
            print_table(f"{chosen.name}: mean difference of the level, m", table)
            failed = answer.failed
        else:
            projected = run.project(question)
            said = f"Change of the mean level from {chosen.reference}, m"
            print_table(said, projected.summary)
            failed = projected.failed
    _finish(question.folder, failed)


@takes(*QUESTION, **OWN)
def explain(context: typer.Context) -> None:
    """Explain levels: contributions of covariates over time, step responses and memory.

    Contributions are Shapley values and add up to the simulation. The step response is the answer
    of the level to a lasting rise of a covariate by one unit, with days to 50 and 90 % of it.

    Example: gwforecast explain --levels heads.csv --covariates weather.csv --models lstm

    The exit code is 0 if all went well, 1 if a well could not be explained, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run

    with _asked(context, "explained") as question:
        answer = run.explain(question)
    columns = ["well", "covariate", "response", "error", "days_50", "days_90"]
    print_table("Response to one unit, m, and days to 50 and 90 % of it", answer.memory[columns])
    _finish(question.folder, answer.failed)


@takes(*QUESTION, **OWN)
def trend(context: typer.Context) -> None:
    """Test for trends and shifts, as observed and corrected for the weather; compute indices.

    Slopes are seasonal Sen slopes, tests allow for autocorrelation. GHG, GLG and GVG, and droughts
    by the standardised groundwater index, are written as tables.

    Example: gwforecast trend --levels heads.csv --covariates weather.csv --out trend

    The exit code is 0 if all went well, 1 if a well could not be simulated, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions import run

    with _asked(context, "trend") as question:
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


@contextmanager
def _asked(
    context: typer.Context, named: str, *, defaults: tuple[str, ...] = ()
) -> Iterator[Question]:
    """Yield a question with progress bars."""
    from gwforecast.questions.run import Question
    from gwforecast.questions.simulation import DEFAULT_MODELS

    with progress_bars() as progress:
        yield Question(load(context), named, defaults or DEFAULT_MODELS, progress)


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
