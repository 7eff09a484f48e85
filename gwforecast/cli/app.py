"""The command line: one entry point for all commands."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

from gwforecast import __version__
from gwforecast.cli.backtest import backtest
from gwforecast.cli.bulletin import bulletin
from gwforecast.cli.console import exit_with, screen, show_tracebacks, show_warning
from gwforecast.cli.datasets import datasets
from gwforecast.cli.evaluate import check, demo, evaluate
from gwforecast.cli.schedule import CODES, backfill, forecast, status, train
from gwforecast.cli.tune import tune
from gwforecast.cli.verify import verify

__all__ = ["app", "main"]

app: typer.Typer = typer.Typer(
    help="Model groundwater levels: LSTM and MLP networks beside honest baselines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
        bool, typer.Option("--traceback", help="Show where in the code an error arose.")
    ] = False,
) -> None:
    show_tracebacks(show_traceback)


RUNS: tuple[Callable[..., None], ...] = (check, evaluate, backtest, tune, demo, datasets)
SCHEDULED: tuple[Callable[..., None], ...] = (train, forecast, bulletin, verify, status, backfill)

for command in RUNS:
    app.command()(command)
for command in SCHEDULED:
    app.command(epilog=CODES)(command)


def main() -> None:
    """Run the command line; a user's error is one message, and ends with 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MPLBACKEND", "agg")
    warnings.showwarning = show_warning
    try:
        app()
    except (ValueError, TypeError, OSError, ImportError) as error:
        sys.exit(exit_with(error, 2))
    except RuntimeError as error:
        sys.exit(exit_with(error, 1))
    finally:
        gc.freeze()  # the process ends; looking for garbage would take a fifth of a forecast
