"""The command line: one entry point for all commands."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from gwforecast import __version__
from gwforecast.cli import archive
from gwforecast.cli.console import exit_with, log_as, lose, screen, show_tracebacks, show_warning
from gwforecast.cli.options import Command
from gwforecast.cli.publish import FEWS_CODES, alerts, bulletin, fews, verify
from gwforecast.cli.questions import explain, extend, fill, simulate, trend, whatif
from gwforecast.cli.runs import backtest, check, datasets, demo, evaluate, init, tune
from gwforecast.cli.schedule import CODES, backfill, forecast, status, train

__all__ = ["app", "main"]

app: typer.Typer = typer.Typer(
    help="Model and forecast groundwater levels with neural networks and baselines.\n\n"
    "Example: gwforecast evaluate --levels heads.csv --covariates weather.csv\n\n"
    "Each command explains its options: gwforecast evaluate --help",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


class LogFormat(StrEnum):
    """Forms of the log."""

    TEXT = "text"
    JSON = "json"


def _print_version(wanted: bool) -> None:
    if wanted:
        screen.print(f"gwforecast {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    show_traceback: Annotated[
        bool, typer.Option("--traceback", help="Print the traceback of an error.")
    ] = False,
    log_format: Annotated[
        LogFormat,
        typer.Option(
            help="Form of events, warnings and errors on standard error: text, or a JSON object in "
            "each line with its time."
        ),
    ] = LogFormat.TEXT,
) -> None:
    show_tracebacks(show_traceback)
    log_as(log_format)


START: tuple[Callable[..., None], ...] = (demo, datasets)
MODEL: tuple[Callable[..., None], ...] = (init, check, evaluate, tune, backtest)
QUESTIONS: tuple[Callable[..., None], ...] = (
    simulate, fill, extend, whatif, explain, trend,
)  # fmt: skip
SCHEDULE: tuple[Callable[..., None], ...] = (
    train, forecast, bulletin, alerts, verify, status, backfill, archive.acknowledge,
    archive.withdraw, archive.fsck, archive.repair,
)  # fmt: skip
ARCHIVE: tuple[Callable[..., None], ...] = (
    archive.rollup, archive.prune, archive.backup, archive.restore, archive.head,
)  # fmt: skip
of_archive: typer.Typer = typer.Typer(
    help="Keep the archive of forecasts for years: roll up, prune, back up, restore.\n\n"
    "Example: gwforecast archive backup run.toml --to backup.zip",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
METRICS = "Metrics in scores.csv: {metrics}."

for command in START:
    app.command(cls=Command, rich_help_panel="Getting started")(command)
for command in MODEL:
    epilog = METRICS if command is evaluate else None
    app.command(cls=Command, rich_help_panel="Data and models", epilog=epilog)(command)
for command in QUESTIONS:
    app.command(cls=Command, rich_help_panel="Questions")(command)
for command in SCHEDULE:
    app.command(cls=Command, rich_help_panel="Scheduled forecasts", epilog=CODES)(command)
app.command(cls=Command, rich_help_panel="Scheduled forecasts", epilog=FEWS_CODES)(fews)
for command in ARCHIVE:
    of_archive.command(cls=Command, epilog=CODES)(command)
app.add_typer(of_archive, name="archive", rich_help_panel="Scheduled forecasts")


def main() -> None:
    """Run the command line. An error of the user is one message, and the exit code is 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MPLBACKEND", "agg")
    warnings.showwarning = show_warning
    try:
        app()
    except BrokenPipeError:  # the reader of the output has gone
        lose(standard_error=False)
        sys.exit(0)
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        sys.exit(exit_with(error, 2))
    except RuntimeError as error:
        sys.exit(exit_with(error, 1))
    finally:
        gc.freeze()  # a garbage collection at exit would take a fifth of the time of a forecast
