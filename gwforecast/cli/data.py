"""The commands about data: ``gwforecast datasets``, ``check`` and ``init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gwforecast.cli.console import clean, progress_bars, screen
from gwforecast.cli.findings import print_findings, print_understood
from gwforecast.cli.options import INPUTS, READING, RESULTS, load, takes

__all__ = ["check", "datasets", "init"]


Name = Annotated[
    str | None, typer.Argument(help="Data set to download; without a name, all are listed.")
]
To = Annotated[
    Path | None, typer.Option(help="Folder for the files; by default the name of the data set.")
]
Home = Annotated[
    str | None, typer.Option(help="Download from this address instead, e.g. a mirror.")
]
Registry = Annotated[
    Path | None, typer.Option(help="File of names and checksums, instead of the known ones.")
]
File = Annotated[
    Path,
    typer.Option("--file", help="Configuration to write.", rich_help_panel=RESULTS),
]


def datasets(
    name: Name = None, to: To = None, home: Home = None, registry: Registry = None
) -> None:
    """List public data sets, or download one from its publisher.

    Each file is verified by its checksum.

    Example: gwforecast datasets nl --to data/nl
    """
    from gwforecast.data.samples import fetch_public, list_public

    if name is None:
        for row in list_public().to_dict("records"):
            files = f"{row['files']} files" if row["files"] else "by hand, or with --registry"
            lines = (
                f"{row['name']}: {row['title']}",
                f"  {row['citation']}, https://doi.org/{row['doi']}",
                f"  {row['licence']}; {files}",
            )
            screen.print("\n".join(map(clean, lines)), soft_wrap=True)
        return
    folder = Path(name) if to is None else to
    with progress_bars() as progress:
        found = fetch_public(name, folder, home=home, registry=registry, progress=progress)
    screen.print(clean(f"{len(found)} files, all verified: {folder}"), soft_wrap=True)


@takes("config", *INPUTS, *READING)
def check(context: typer.Context) -> None:
    """Check the data: gaps, duplicates, spikes, flat lines, level shifts, units and datum.

    What was understood of the files is printed first: layout, wells, units, datum, times, and what
    was left out. Then findings are printed, by check; no file is changed or written.

    Example: gwforecast check --levels heads.csv --covariates weather.csv

    The exit code is 0 if there is no error among the findings, 1 if there is one, and 2 if the data
    cannot be read.
    """
    from gwforecast import jobs

    checked = jobs.check(load(context))
    print_understood(str(checked.attrs.get("understood", "")))
    findings = checked[checked["severity"] != "ok"]
    print_findings(findings)
    count = f"{len(findings)} finding" + ("" if len(findings) == 1 else "s")
    screen.print(f"{count}; nothing was changed.")
    needed = findings["message"].str.contains("height it is measured from", regex=False)
    if needed.any():
        raise ValueError(str(findings.loc[needed, "message"].iloc[0]))
    raise typer.Exit(1 if (findings["severity"] == "error").any() else 0)


@takes(*INPUTS, *READING)
def init(context: typer.Context, file: File = Path("run.toml")) -> None:
    """Read the data, and write a configuration with what was understood as comments.

    Example: gwforecast init --levels heads.csv --covariates weather.csv

    The exit code is 2 if the data cannot be read; the message says which option is needed.
    """
    from gwforecast import jobs

    settings = load(context)
    stored = jobs.write_configuration(settings, file)
    print_understood(stored)
    screen.print(
        clean(f"Written: {file}. Next: gwforecast check {file}, gwforecast evaluate {file}"),
        soft_wrap=True,
    )
