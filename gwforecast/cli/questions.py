"""The commands of the next questions: ``gwforecast fill``, ``extend`` and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from gwforecast.cli.console import print_paths, print_table, progress_bars, screen
from gwforecast.cli.options import FITTING, INPUTS, MODELS, READING, RESULTS, option, takes

if TYPE_CHECKING:
    import pandas as pd

    from gwforecast.config.load import Settings
    from gwforecast.jobs import Answered
    from gwforecast.questions.files import Answer
    from gwforecast.questions.fill import Filled

__all__ = ["explain", "extend", "fill", "simulate", "trend", "whatif"]


Given = TypeVar("Given", bound="Answer")
SCENARIO = "Scenario"

QUESTION = ("config", *INPUTS, "fill", *FITTING, "figures", *READING)
COMMAS = "Separate them by commas. Default:"
OWN = {
    "models": option("models.use", panel=MODELS, flag="--models", note=f"{COMMAS} kernel_ridge."),
    "blocks": option("questions.blocks", int, panel=MODELS),
    "out": option("questions.folder", Path, panel=RESULTS, flag="--out"),
}
"""Options that all questions have, and that stand for another setting elsewhere."""

WHATIF = {
    "models": option(
        "models.use", panel=MODELS, flag="--models", note=f"{COMMAS} kernel_ridge, linear."
    ),
    "change": option("questions.changes", list[str], panel=SCENARIO, note="May be repeated."),
    "name": option("questions.name", panel=SCENARIO),
    "projections": option(
        "questions.projections", list[Path], panel=SCENARIO, note="May be repeated."
    ),
    "reference": option("questions.reference", panel=SCENARIO),
    "period": option("questions.periods", list[str], panel=SCENARIO, note="May be repeated."),
}


@takes(*QUESTION, **OWN, longest=option("questions.longest", int, panel=MODELS))
def fill(settings: Settings) -> None:
    """Fill the gaps of records from the weather and the levels on both sides of each gap.

    Each filled level has a flag and an interval, and the filling is scored by artificial gaps of
    1 week to 1 year, beside linear interpolation, the simulation alone and climatology. By default
    the model is kernel_ridge; --models linear is faster.

    Example: gwforecast fill --levels heads.csv --covariates weather.csv --out filled

    The exit code is 0 if all went well, 1 if a well could not be filled, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions.fill import fill as ask

    filled, paths = _answer(settings, "filled", ask, longest=settings.questions.longest)
    if len(filled.scores):
        headings = {"gap_weeks": "weeks", "fill": "filled", "simulation": "simulation alone",
                    "coverage_95": "cover 95"}  # fmt: skip
        table = filled.summary().reset_index().rename(columns=headings)
        table.columns = table.columns.str.replace("_", " ")
        print_table(filled.title(), table)
    _print_flags(filled)
    _finish(settings, "filled", filled, paths)


@takes(*QUESTION, **OWN)
def extend(settings: Settings) -> None:
    """Extend records to all times with weather: before the first level and after the last.

    The interval is narrow next to the record, where the error of the simulation is known, and
    grows to that of the simulation.

    Example: gwforecast extend --levels heads.csv --covariates weather.csv --out extended

    The exit code is 0 if all went well, 1 if a well could not be extended, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions.fill import extend as ask

    extended, paths = _answer(settings, "extended", ask)
    _print_flags(extended)
    _finish(settings, "extended", extended, paths)


@takes(*QUESTION, **OWN)
def simulate(settings: Settings) -> None:
    """Simulate levels for all times with weather, by models fitted on all levels.

    Unlike evaluate, no level is kept back for scores. Intervals come from errors in blocks of years
    that fits had not seen.

    Example: gwforecast simulate --levels heads.csv --covariates weather.csv --out simulated

    The exit code is 0 if all went well, 1 if a well could not be simulated, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions.whatif import simulate as ask

    simulated, paths = _answer(settings, "simulated", ask)
    print_table(simulated.title(), simulated.summary().reset_index())
    _finish(settings, "simulated", simulated, paths)


@takes(*QUESTION, **OWN | WHATIF)
def whatif(settings: Settings) -> None:
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
    from gwforecast import jobs
    from gwforecast.questions.whatif import parse_change

    chosen = settings.questions
    if bool(chosen.changes) == bool(chosen.projections):
        raise ValueError(
            "A scenario is made by --change, or given by --projections. Received "
            f"{'both' if chosen.changes else 'neither'}. Write for example --change rain=*0.9."
        )
    if chosen.changes:
        screen.say("Scenario: " + "; ".join(str(parse_change(text)) for text in chosen.changes))
    with progress_bars() as progress:
        answer, paths = jobs.what_if(
            settings, folder=_folder(settings, "whatif"), progress=progress
        )
    print_table(answer.title(), answer.summary().reset_index())
    _finish(settings, "whatif", answer, paths)


@takes(*QUESTION, **OWN)
def explain(settings: Settings) -> None:
    """Explain levels: contributions of covariates over time, step responses and memory.

    Contributions are Shapley values and add up to the simulation. The step response is the answer
    of the level to a lasting rise of a covariate by one unit, with days to 50 and 90 % of it.

    Example: gwforecast explain --levels heads.csv --covariates weather.csv --models lstm

    The exit code is 0 if all went well, 1 if a well could not be explained, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions.explain import explain as ask

    answer, paths = _answer(settings, "explained", ask)
    table = answer.summary().reset_index()
    uncertain = table["response"].abs() < 2 * table["error"]
    for name in ("response", "error"):
        table[name] = table[name].map("{:.3g}".format)
    for name in ("days_50", "days_90"):
        days = table.pop(name).map("{:.0f}".format)
        table[name.replace("_", " to ") + " %"] = days.where(~uncertain, "-")
    print_table(answer.title(), table)
    if uncertain.any():
        screen.print("- : the response is below twice its standard error.\n")
    _finish(settings, "explained", answer, paths)


@takes(*QUESTION, **OWN)
def trend(settings: Settings) -> None:
    """Test for trends and shifts, as observed and corrected for the weather; compute indices.

    Slopes are seasonal Sen slopes, tests allow for autocorrelation. GHG, GLG and GVG, and droughts
    by the standardised groundwater index, are written as tables.

    Example: gwforecast trend --levels heads.csv --covariates weather.csv --out trend

    The exit code is 0 if all went well, 1 if a well could not be simulated, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast.questions.trend import trend as ask

    answer, paths = _answer(settings, "trend", ask)
    columns = ["well", "series", "slope", "lower", "upper", "p_value", "months", "reason"]
    print_table(answer.title(), _with_reasons(answer.trends, columns))
    shifts = answer.shifts.copy()
    shifts["date"] = [f"{date:%Y-%m}" if date == date else "" for date in shifts["date"]]
    columns = ["well", "date", "size", "p_value", "reason"]
    title = "Largest shift of the weather-corrected level, m; not significant where p is above 0.05"
    print_table(title, _with_reasons(shifts, columns))
    _finish(settings, "trend", answer, paths)


def _with_reasons(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return the columns of a table; reasons only where there are some."""
    known = "reason" in table and table["reason"].astype(bool).any()
    return table.reindex(columns=columns if known else columns[:-1])


def _folder(settings: Settings, named: str) -> Path:
    return settings.questions.folder or Path(named)


def _answer(
    settings: Settings, named: str, ask: Callable[..., Given], **more: Any
) -> Answered[Given]:
    """Answer a question with progress bars; the results are written to a folder of this name."""
    from gwforecast import jobs

    with progress_bars() as progress:
        return jobs.answer(
            settings, ask, folder=_folder(settings, named), progress=progress, **more
        )


def _print_flags(filled: Filled) -> None:
    """Print how many steps have each flag."""
    from gwforecast.questions.fill import FLAGS

    counts = filled.levels["level_flag"].to_series().value_counts()
    said = [f"{counts[number]} {word}" for word, number in FLAGS.items() if number in counts]
    text = ", ".join(said).replace("_", " ").replace("missing", "without a level")
    screen.say(f"Time steps: {text}.")


def _finish(settings: Settings, named: str, answer: Answer, paths: Mapping[str, Path]) -> None:
    """Print figures, the folder and failures; exit with 1 if there are failures."""
    print_paths(paths)
    screen.say(f"Results: {_folder(settings, named)}")
    for well, reason in answer.failed.items():
        screen.say(f"failed: {well}: {reason}")
    if answer.failed:
        raise typer.Exit(1)
