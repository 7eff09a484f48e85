"""The command ``gwforecast datasets``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gwforecast.cli.console import clean, progress_bars, screen

__all__ = ["datasets"]


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


def datasets(
    name: Name = None, to: To = None, home: Home = None, registry: Registry = None
) -> None:
    """List public data sets, or download one from its publisher.

    Each file is verified by its checksum.

    Example: gwforecast datasets nl --to data/nl
    """
    from gwforecast.data.public import fetch_public, list_public

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
