"""What commands print of the data and of failures: what was understood, findings, failed models."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gwforecast.cli.console import clean, print_table, screen
from gwforecast.cli.options import DATA

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AllowErrors", "print_coverage", "print_failures", "print_findings", "print_understood",
    "refuse_errors", "say_in_one_line",
]  # fmt: skip


WIDTH = 79
NAMED = 4  # wells that are named of a finding
ORDER = ("error", "warning", "note")

AllowErrors = Annotated[
    bool,
    typer.Option(
        "--allow-errors",
        help="Exit with 0 even if the data checks report errors.",
        rich_help_panel=DATA,
    ),
]


def print_understood(stored: str) -> None:
    """Print what was understood (an attribute of the observations), a topic a line."""
    lines = json.loads(stored) if stored else []
    if not lines:
        return
    screen.print("What was understood")
    width = min(max(len(about) for about, _ in lines), 36)
    before = None
    for about, what in lines:
        shown = "" if about == before else about
        before = about
        for k, part in enumerate(_wrapped(f"{what}", width + 4)):
            screen.print(clean(f"  {shown if k == 0 else '':<{width}}  {part}"), soft_wrap=True)
    screen.print()


def say_in_one_line(stored: str) -> None:
    """Print the main points of what was understood in one line."""
    listed = json.loads(stored) if stored else []
    lines = dict(reversed(listed)) | {k: v for k, v in listed if k == "wells"}  # count and names
    names = {"wells": "wells", "unit": "levels in", "read as": "read as", "axis": "time steps"}
    parts = [f"{said} {lines[about]}" for about, said in names.items() if about in lines]
    if parts:
        screen.print(clean("Understood: " + "; ".join(parts) + "\n"), soft_wrap=True)


def print_findings(findings: pd.DataFrame, *, least: str = "note") -> int:
    """Print findings by check, with their wells and the first message; return the number of errors.

    ``least`` is the mildest severity that is printed.
    """
    wanted = ORDER[: ORDER.index(least) + 1]
    shown = findings[findings["severity"].isin(wanted)]
    for line in _lines(shown):
        screen.print(clean(line), soft_wrap=True)
    if len(shown):
        screen.print()
    return int((findings["severity"] == "error").sum())


def print_failures(outcomes: pd.DataFrame) -> None:
    """Print the models and wells of a run that failed, and exit with code 1 if there are any."""
    failed = outcomes[outcomes["status"] == "failed"]
    if len(failed):
        names = failed["well"].groupby(failed["model"], sort=False).agg(", ".join)
        print_table("Failed; the reasons are in run.json", names.reset_index())
        raise typer.Exit(1)


def print_coverage(table: pd.DataFrame, *, by: Literal["model", "lead"]) -> None:
    """Print the coverage of the 95 % interval by blocks of years, with its range; none if empty.

    With ``by="lead"`` all rows are of one model.
    """
    from gwforecast.verification.probabilistic import coverage_note, coverage_of_blocks

    note = coverage_note(table)
    if not note:
        return
    found = coverage_of_blocks(table, by=by)
    shown = found.pivot_table("value", by, "years", sort=False, observed=True)
    whole = found[found["years"] == "all"].set_index(by).loc[shown.index]
    shown["its 95 % range"] = [
        f"{low:.2f} to {high:.2f}" for low, high in zip(whole["lower"], whole["upper"], strict=True)
    ]
    shown["n"] = whole["n"].tolist()
    wells = table["well"].nunique()
    of = f"median of {wells} wells" if wells > 1 else "1 well"
    model = f" of {table['model'].iloc[0]}" if by == "lead" else ""
    print_table(
        f"95 % interval{model}: share of levels inside, test period, {of}", shown.reset_index()
    )
    screen.print(clean(note), soft_wrap=True)


def refuse_errors(count: int, *, allowed: bool) -> None:
    """Exit with code 1 if the data have findings of severity error, unless these are allowed."""
    if not count or allowed:
        return
    findings = "1 finding" if count == 1 else f"{count} findings"
    screen.print(
        f"The data have {findings} of severity error, see above. Correct the data, or accept "
        f"{'it' if count == 1 else 'them'} with --allow-errors.",
        soft_wrap=True,
    )
    raise typer.Exit(1)


def _lines(findings: pd.DataFrame) -> Iterator[str]:
    for severity in ORDER:
        of_severity = findings[findings["severity"] == severity]
        for (check, variable), group in of_severity.groupby(["check", "variable"], sort=False):
            wells = [str(well) for well in group["well"].drop_duplicates() if str(well)]
            named = ", ".join(wells[:NAMED]) + (", ..." if len(wells) > NAMED else "")
            count = f"{len(wells)} wells: " if len(wells) > 1 else ""
            of = f" of {variable}" if variable else ""
            yield f"{severity:<8} {check}{of}" + (f"  {count}{named}" if wells else "")
            yield from (f"         {part}" for part in _wrapped(str(group["message"].iloc[0]), 9))
            if (more := len(group) - 1) > 0:
                yield f"         ... and {more} more finding{'s' * (more > 1)} of this check"


def _wrapped(text: str, used: int) -> list[str]:
    return textwrap.wrap(text, WIDTH - used, break_long_words=False, break_on_hyphens=False) or [""]
