"""The command ``gwforecast fews``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gwforecast.cli.console import clean, errors, in_words, screen

__all__ = ["CODES", "fews"]


CODES = """Exit codes, as the General Adapter of Delft-FEWS expects them: 0 if the forecast was
written, also where some wells have only the normal levels of the season; 1 if the run failed. The
diagnostics file says why."""
RunFile = Annotated[
    Path, typer.Argument(help="Run file of the General Adapter.", metavar="RUN_INFO.XML")
]


def fews(run_info: RunFile) -> None:
    """Forecast for Delft-FEWS: read a run file and its series, write series and diagnostics.

    Models are those that gwforecast train has stored; TensorFlow is not needed.

    Example: gwforecast fews run_info.xml
    """
    from gwforecast.service.fews.adapter import run
    from gwforecast.service.fews.diagnostics import ERROR, WARNING

    code, messages = run(run_info, describe=in_words)
    for level, text in messages.lines:
        where = errors if level <= WARNING else screen
        kind = "error: " if level <= ERROR else "warning: " if level == WARNING else ""
        where.print(clean(f"{kind}{text}"), soft_wrap=True)
    raise typer.Exit(code)
