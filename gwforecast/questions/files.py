"""The files of an answer: tables, levels and figures in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from gwforecast import __version__, schema
from gwforecast.runs.figures import draw_each
from gwforecast.runs.files import file_names, write_atomically, write_table

__all__ = ["write_answer", "write_dataset"]


def write_dataset(dataset: xr.Dataset, path: Path) -> Path:
    """Write a Dataset as compressed NetCDF-4; return the path."""
    kept = dataset.assign_attrs(source=f"gwforecast {__version__}")
    encoding: dict[str, dict[str, object]] = {
        str(name): {"zlib": True, "complevel": 4, "shuffle": True}
        for name, variable in kept.data_vars.items()
        if variable.dtype.kind in "fi"
    }
    if schema.TIME in kept.coords:
        encoding[schema.TIME] = {"dtype": "int64", "units": "seconds since 1970-01-01"}
    return write_atomically(
        path, lambda target: kept.to_netcdf(target, engine="h5netcdf", encoding=encoding)
    )


def write_answer(
    folder: Path,
    *,
    tables: Mapping[str, pd.DataFrame],
    datasets: Mapping[str, xr.Dataset],
    figures: Mapping[str, Callable[..., Any]],
    wells: Sequence[str],
) -> dict[str, Path]:
    """Write tables as CSV, Datasets as NetCDF and figures as PNG; return the paths by name.

    Parameters
    ----------
    folder : pathlib.Path
        Folder to write to; it is made where it does not exist, and files of the same names are
        replaced.
    tables, datasets : mapping
        Tables and Datasets by the names of their files.
    figures : mapping of str to callable
        Functions that draw the axes of a ``well``, by the end of the name of the file.
    wells : sequence of str
        Wells that are drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: write_table(table, folder / name) for name, table in tables.items()}
    paths |= {name: write_dataset(dataset, folder / name) for name, dataset in datasets.items()}
    drawn = (
        (f"{stem}{end}", partial(draw, well=well))
        for well, stem in file_names(wells).items()
        for end, draw in figures.items()
    )
    return paths | draw_each(drawn, folder=folder)
