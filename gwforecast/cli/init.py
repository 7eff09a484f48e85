"""The command ``gwforecast init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gwforecast.cli import options
from gwforecast.cli.console import clean, screen
from gwforecast.cli.findings import print_understood

__all__ = ["init"]

File = Annotated[
    Path,
    typer.Option("--file", help="Configuration to write.", rich_help_panel=options.RESULTS),
]


@options.takes(*options.INPUTS, *options.READING)
def init(context: typer.Context, file: File = Path("run.toml")) -> None:
    """Read the data, and write a configuration with what was understood as comments.

    Example: gwforecast init --levels heads.csv --covariates weather.csv

    The exit code is 2 if the data cannot be read; the message says which option is needed.
    """
    from gwforecast import jobs

    settings = options.load(context)
    stored = jobs.write_configuration(settings, file)
    print_understood(stored)
    screen.print(clean(f"Written: {file}. Run it: gwforecast evaluate {file}"), soft_wrap=True)
