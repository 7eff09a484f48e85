"""What all results have in common: a summary, a table, a plot and a page."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.display import Displayed

__all__ = ["Result", "one_or_all", "prediction_table", "span_of"]


DPI = 70  # of the small picture in a notebook


class Result(Displayed):
    """The result of a run: the same words for each of them.

    ``summary()`` is a short table, ``to_dataframe()`` a long one, and ``plot()`` the most telling
    figure. Notebooks show the summary and a small picture.
    """

    has_page_of_all: ClassVar[bool] = False

    def to_dataframe(self) -> pd.DataFrame:
        """Return the result as one long table."""
        raise NotImplementedError

    plot: Callable[..., Any]
    """Draws the most telling figure and returns its axes."""

    def report(self, path: Path | str, *, well: str | None = None) -> Path:
        """Write the page of a well, or of all wells of an evaluation, as one file.

        Of an answer, such as filled gaps, it has the summary and the figures.

        Parameters
        ----------
        path : pathlib.Path or str
            File that ends in ``.html`` or ``.pdf``.
        well : str, optional
            By default the only well. Where there are several, the page of an evaluation is of all
            wells, and that of other results of the first.

        Returns
        -------
        pathlib.Path
            The file.
        """
        # pages are made by a room above this one, which the table of public names knows
        public = import_module(__name__.partition(".")[0])
        if not self.wells:
            raise ValueError(
                "A report is of wells. Received a result without any, of the class "
                f"{type(self).__name__}. Use its methods summary and plot."
            )
        if well is None and len(self.wells) > 1 and self.has_page_of_all:
            page = public.network_report(self)
        else:
            page = public.well_report(self, well=self.wells[0] if well is None else well)
        return Path(page.write(Path(path)))

    @property
    def wells(self) -> list[str]:
        """Names of the wells; none where there are none of its own."""
        return []

    def picture(self) -> bytes | None:
        """Return the plot as a small PNG, or None if it cannot be drawn."""
        from gwforecast.plots import style

        try:
            axes = self.plot()
            return style.picture(axes[0] if isinstance(axes, list) else axes, dpi=DPI)[0]
        except (ValueError, KeyError):  # e.g. a result that was joined from shards
            return None


def prediction_table(
    level: xr.DataArray, observed: xr.DataArray | None, *, by: list[str]
) -> pd.DataFrame:
    """Return predictions as a long table, without rows that have none.

    Parameters
    ----------
    level : xarray.DataArray
        Quantiles of levels, m, with dimension quantile.
    observed : xarray.DataArray, optional
        Observed levels at the same labels, m.
    by : list of str
        Dimensions and coordinates that identify a row.

    Returns
    -------
    pandas.DataFrame
        The columns ``by``, predicted, lower_95, upper_95 and observed, m.
    """
    quantiles = level[schema.QUANTILE].values
    columns = {"predicted": level.sel({schema.QUANTILE: 0.5}, drop=True)}
    for name, quantile in (("lower_95", 0.025), ("upper_95", 0.975)):
        at = np.flatnonzero(np.isclose(quantiles, quantile))
        if at.size:
            columns[name] = level.isel({schema.QUANTILE: int(at[0])}, drop=True)
    if observed is not None:
        columns["observed"] = observed
    table = xr.Dataset(columns).to_dataframe().dropna(subset=["predicted"]).reset_index()
    return table[[*by, *columns]]


def span_of(times: np.ndarray) -> str:
    """Return the first and the last time in words."""
    first, last = (timeline.format_time(time) for time in timeline.to_times(times)[[0, -1]])
    return f"{first} to {last}"


def one_or_all(wells: int) -> str:
    """Return how the scores of some wells are summarised."""
    return "1 well" if wells == 1 else f"median of {wells} wells"
