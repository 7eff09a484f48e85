"""The commands that keep scheduled runs in order: acknowledge."""

from __future__ import annotations

from typing import Annotated

import typer

from gwforecast.cli import options
from gwforecast.cli.console import clean, screen
from gwforecast.cli.schedule import Config, codes

__all__ = ["acknowledge"]


WellName = Annotated[str, typer.Argument(help="Name of the well.", metavar="WELL")]
NewDatum = Annotated[
    float | None,
    typer.Option(help="The datum has changed, and levels are higher by this much since then, m."),
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
