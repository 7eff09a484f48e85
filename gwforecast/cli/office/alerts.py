"""The command ``gwforecast alerts``."""

from __future__ import annotations

from typing import Annotated

import typer

from gwforecast.cli import options, schedule
from gwforecast.cli.console import clean, errors, screen

__all__ = ["alerts"]


DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print new events, but neither send nor note them.")
]


def alerts(context: typer.Context, config: schedule.Config, dry_run: DryRun = False) -> None:
    """Report levels of alert likely to be crossed, changes of status and failed runs, each once.

    By webhook and mail, as the table [alerts] says; without a channel events are printed only.

    Example: gwforecast alerts run.toml
    """
    settings = options.load(context)
    with schedule.codes():
        from gwforecast.service.notify.alerts import send_alerts

        found = send_alerts(settings, dry=dry_run)
        for event in found.events:
            screen.print(clean(event.text), soft_wrap=True)
        for name, number in found.sent.items():
            screen.print(f"{number} events sent by {name}.")
        for message in found.errors:
            errors.print(f"error: {clean(message)}", soft_wrap=True)
        if not found.events and not found.sent and not found.errors:
            screen.print("No new events.")
        if found.errors:
            raise typer.Exit(6)
