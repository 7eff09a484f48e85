"""The commands that keep scheduled runs in order: acknowledge, withdraw, fsck and repair."""

from __future__ import annotations

from typing import Annotated

import typer

from gwforecast.cli import options
from gwforecast.cli.console import clean, errors, screen
from gwforecast.cli.schedule import Config, codes

__all__ = ["acknowledge", "fsck", "repair", "withdraw"]


WellName = Annotated[str, typer.Argument(help="Name of the well.", metavar="WELL")]
NewDatum = Annotated[
    float | None,
    typer.Option(
        help="The datum has changed, and levels are higher by this much since then, m.",
        callback=options.finite,
    ),
]
Real = Annotated[bool, typer.Option("--real", help="The level itself has changed.")]
Since = Annotated[
    str | None,
    typer.Option(help="First level after the change; by default that after the largest jump."),
]


def acknowledge(
    context: typer.Context,
    config: Config,
    well: WellName,
    new_datum: NewDatum = None,
    real: Real = False,
    since: Since = None,
) -> None:
    """Acknowledge a jump in the levels of a well, which is flagged until then.

    Example: gwforecast acknowledge run.toml MW1 --new-datum 2.0
    """
    settings = options.load(context)
    with codes():
        from gwforecast.runs.files import Stopwatch
        from gwforecast.service import schedule

        if real == (new_datum is not None):
            raise ValueError(
                "A change is either a new datum or real. Received "
                f"{'both' if real else 'neither'}. Give --new-datum or --real."
            )
        made = schedule.acknowledge(
            settings, well, shift=new_datum, since=since, now=Stopwatch().started
        )
    what = "as real" if made.kind == "real" else f"as a datum that moved by {made.shift:+g} m"
    screen.print(
        clean(f"{made.well}: the change on {made.since[:10]} is acknowledged {what}."),
        soft_wrap=True,
    )


Issued = Annotated[str, typer.Argument(help="Issue time of the forecast.", metavar="ISSUE")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the archive.")]
Revision = Annotated[int | None, typer.Option(min=1, help="By default the last one that stands.")]
FromFiles = Annotated[
    bool,
    typer.Option("--from-files", help="Rebuild the catalogue from the seals in the files first."),
]


def withdraw(
    context: typer.Context,
    config: Config,
    issue: Issued,
    reason: Reason,
    revision: Revision = None,
) -> None:
    """Take an issue out of the standing forecasts; nothing is deleted.

    Example: gwforecast withdraw run.toml 2024-03-04 --reason "clock was ahead"
    """
    settings = options.load(context)
    with codes():
        from gwforecast.runs.files import Stopwatch
        from gwforecast.service.archive import Archive
        from gwforecast.service.archive.backup import head_kept

        archive, moment = Archive(settings.schedule.archive), Stopwatch().started
        try:
            with head_kept(archive, settings.schedule.head):
                found = archive.withdraw(issue, reason, now=moment, revision=revision)
        except KeyError as error:
            raise ValueError(error.args[0]) from None
        standing = archive.standing()
    screen.print(f"Issue time {found.issue_time}, revision {found.revision}: withdrawn.")
    last = standing[-1].issue_time if standing else "none"
    screen.print(f"The standing forecast is that of {last}.")


def fsck(context: typer.Context, config: Config) -> None:
    """Read every file of the archive and of the models, and report all damage.

    Example: gwforecast fsck run.toml
    """
    settings = options.load(context)
    with codes():
        from gwforecast.service.archive.repair import find_damage

        found = find_damage(settings)
        for problem in found:
            errors.print(clean(problem), soft_wrap=True)
        screen.print("No damage was found." if not found else f"Damage: {len(found)}.")
        raise typer.Exit(7 if found else 0)


def repair(context: typer.Context, config: Config, from_files: FromFiles = False) -> None:
    """Repair the archive: lost files are issued again where their bytes come out the same.

    Example: gwforecast repair run.toml
    """
    settings = options.load(context)
    with codes():
        from gwforecast.runs.files import Stopwatch
        from gwforecast.service.archive import repair as repairs

        made = repairs.repair(settings, from_files=from_files, now=Stopwatch().started)
        for line in made.done:
            screen.print(clean(line), soft_wrap=True)
        for line in made.left:
            errors.print(clean(line), soft_wrap=True)
        if not (made.done or made.left):
            screen.print("There is nothing to repair.")
        raise typer.Exit(7 if made.left else 0)
