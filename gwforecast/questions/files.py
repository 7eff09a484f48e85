"""What the answers to all questions have in common: their words, and the files of a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import xarray as xr

from gwforecast import __version__, schema
from gwforecast.progress import ProgressOption, as_callback
from gwforecast.runs.figures import draw_each
from gwforecast.runs.files import file_names, write_table
from gwforecast.runs.results import Result, span_of
from gwforecast.writing import write_atomically

__all__ = ["Answer"]


class Answer(Result):
    """The answer to a question, with the words of every result: it is shown, drawn and written.

    A subclass has the attributes ``levels``, a Dataset over (well, time), and ``failed``.
    """

    levels: xr.Dataset
    failed: dict[str, str]

    about: str
    """What the summary shows, with units."""

    written: ClassVar[Mapping[str, str]] = {}
    """Attribute of each file, by its name."""

    drawn: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Function of ``plots`` and the attributes that it draws, by the end of the name of a file."""

    def files(self) -> dict[str, pd.DataFrame | xr.Dataset]:
        """Return tables and Datasets by the names of their files.

        Returns
        -------
        dict of str to (pandas.DataFrame or xarray.Dataset)
            What :meth:`write` writes, as CSV and NetCDF.
        """
        return {name: getattr(self, attribute) for name, attribute in self.written.items()}

    def figures(self) -> dict[str, Callable[..., Any]]:
        """Return functions that draw the figures of a well.

        Returns
        -------
        dict of str to callable
            By the end of the name of the file; each is called with ``well`` and returns axes.
        """
        from gwforecast import plots  # loads matplotlib

        return {
            end: partial(getattr(plots, name), *(getattr(self, one) for one in attributes))
            for end, (name, *attributes) in self.drawn.items()
        }

    @property
    def answered(self) -> list[str]:
        """Wells with an answer."""
        return [well for well in schema.well_names(self.levels) if well not in self.failed]

    @property
    def wells(self) -> list[str]:
        """Wells with an answer, which a report may be of."""
        return self.answered

    def title(self) -> str:
        """Return what it is, its models, its wells and its span in one line."""
        wells = self.answered
        named = wells[0] if len(wells) == 1 else f"{len(wells)} wells"
        made = f"by {self.levels.attrs['model']}, {named}"
        return f"{self.about}; {made}, {span_of(self.levels[schema.TIME].values)}"

    def plot(self, *, well: str | None = None) -> Any:
        """Draw the most telling figure of a well.

        Parameters
        ----------
        well : str, optional
            By default the first well with an answer.

        Returns
        -------
        matplotlib.axes.Axes or list of matplotlib.axes.Axes
            The axes.
        """
        return next(iter(self.figures().values()))(well=well or self.answered[0])

    def write(
        self, folder: Path | str, *, figures: int = 12, progress: ProgressOption = None
    ) -> dict[str, Path]:
        """Write tables as CSV, Datasets as NetCDF and figures as PNG.

        Parameters
        ----------
        folder : pathlib.Path or str
            Folder to write to; it is made where it does not exist, and files of the same names are
            replaced.
        figures : int
            Number of wells to draw.
        progress : bool or Progress, optional
            Whether progress is shown, or a callback: figures drawn.

        Returns
        -------
        dict of str to pathlib.Path
            Files written, by their names in the folder.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = {
            name: write_table(one, folder / name)
            if isinstance(one, pd.DataFrame)
            else _write(one, folder / name)
            for name, one in self.files().items()
        }
        drawn = (
            (f"{stem}{end}", partial(draw, well=well))
            for well, stem in file_names(self.answered[:figures]).items()
            for end, draw in self.figures().items()
        )
        return paths | draw_each(drawn, folder=folder, progress=as_callback(progress))


def _write(dataset: xr.Dataset, path: Path) -> Path:
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
