"""The command ``gwforecast verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import options, schedule
from gwforecast.cli.console import clean, errors, print_table, screen

if TYPE_CHECKING:
    from gwforecast.service.verify import Verification

__all__ = ["verify"]


Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the tables; by default 'verification' in the archive."),
]
First = Annotated[
    bool, typer.Option("--first", help="Score first issues instead of later revisions.")
]
LEADS = 4  # lead times that are printed
SHOWN = {  # scores that are printed, and their headers
    "rmse": "RMSE",
    "bias": "bias",
    "coverage_95": "in 95 %",
    "width_95": "width",
    "skill_rmse_persistence": "skill: persistence",
    "skill_rmse_climatology": "climatology",
}


def verify(
    context: typer.Context, config: schedule.Config, out: Out = None, first: First = False
) -> None:
    """Score archived forecasts whose levels have since been observed, and recommend what to do.

    The scores are checked for drift: forecasts that have become worse than at training.

    Example: gwforecast verify run.toml
    """
    settings = options.load(context)
    with schedule.codes():
        from gwforecast.schema import SchemaError
        from gwforecast.service.archive import Archive
        from gwforecast.service.inputs import read_wells
        from gwforecast.service.verify import verify as verified
        from gwforecast.service.verify import write_verification

        inputs = read_wells(settings.data)
        if inputs.observations is None:
            raise SchemaError(next(iter(inputs.refused.values()))[1])
        found = verified(
            Archive(settings.schedule.archive), inputs.observations, first_revisions=first
        )
        folder = out or settings.schedule.archive / "verification"
        write_verification(found, folder)
        scores = found.scores
        _print_counts(found)
        if len(scores):
            leads = scores["lead"].drop_duplicates().sort_values()
            shown = leads.iloc[:: max(1, len(leads) // LEADS)]
            table = scores[scores["lead"].isin(shown)][["model", "lead", "n", *SHOWN]]
            groups = table.groupby(["model", "lead"], as_index=False)
            means = groups.mean(numeric_only=True)
            means["n"] = groups["n"].sum()["n"]  # pairs of all wells and bundles
            means = means.astype({"lead": int, "n": int})
            title = "Means over wells and bundles, by lead time in steps; RMSE and width in m"
            print_table(title, means.rename(columns=SHOWN))
        if len(found.recommendations):
            print_table("Recommendations", found.recommendations)
        screen.print(clean(str(folder)), soft_wrap=True)
        for problem in found.damaged:
            errors.print(clean(problem), soft_wrap=True)
        raise typer.Exit(7 if found.damaged else 0)


def _print_counts(found: Verification) -> None:
    """Print how many forecasts are scored, and why others are not."""
    reasons = found.unscored["reason"].value_counts()
    scored = found.issues - int((~found.unscored["reason"].str.startswith("it was w")).sum())
    screen.print(f"{found.issues} issue times in the archive, {scored} of them scored.")
    for reason, number in reasons.items():
        screen.print(clean(f"  {number} not scored: {reason}"), soft_wrap=True)
    if not scored:
        screen.print("No forecast can be scored yet.")
