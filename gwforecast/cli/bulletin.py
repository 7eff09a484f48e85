"""The command ``gwforecast bulletin``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gwforecast.cli import options, schedule
from gwforecast.cli.console import clean, errors, screen

__all__ = ["bulletin"]


Out = Annotated[Path | None, typer.Option(help="HTML file to write. Default: bulletin.html.")]
Title = Annotated[str, typer.Option(help="Heading of the page.")]
Cards = Annotated[
    int, typer.Option(min=0, help="Greatest number of wells shown with a figure and a table.")
]


def bulletin(
    context: typer.Context,
    config: schedule.Config,
    issue_time: schedule.IssueTime = None,
    out: Out = None,
    title: Title = "Groundwater levels",
    cards: Cards = 40,
) -> None:
    """Write the bulletin of an archived forecast, by default the latest, as one HTML file.

    Example: gwforecast bulletin run.toml --out bulletin.html
    """
    settings = options.load(context)
    with schedule.codes():
        from gwforecast.reports.bulletin import bulletin as page
        from gwforecast.runs.files import write_text
        from gwforecast.service.archive import Archive
        from gwforecast.service.inputs import read_wells
        from gwforecast.service.verify import verify

        archive = Archive(settings.schedule.archive)
        issues = archive.issues()
        if not issues and issue_time is None:
            errors.print("A bulletin needs a forecast. The archive contains none.")
            raise typer.Exit(4)
        try:
            last = max((issue.issue_time for issue in issues), default=None)
            product = archive.read(issue_time or last)
        except KeyError as error:
            raise ValueError(error.args[0]) from None
        observations = read_wells(settings.data).observations
        scores = None if observations is None else verify(archive, observations).scores
        text = page(
            product,
            observations=observations,
            verification=scores,
            title=title,
            most_cards=cards,
        )
        path = write_text(out or Path("bulletin.html"), text)
    screen.print(clean(str(path)), soft_wrap=True)
