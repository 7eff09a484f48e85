"""Which levels and covariates exist when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from gwforecast import schema
from gwforecast.plots import prepare, style

__all__ = ["gaps"]

MOST_NAMED = 45
"""Wells up to which each has a line and a name; of more, every second, third, ... is named."""


@dataclass(frozen=True)
class _Row:
    name: str
    present: np.ndarray
    colour: str
    count: str
    longest: int = 1


@style.styled
def gaps(observations: xr.Dataset, *, well: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw when the level of each well and each covariate exist, as broken bars.

    Levels with steps between them, such as weekly levels on daily steps, are one bar as long as
    they lie at most twice their usual distance apart.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` and covariates, dims (well, time).
    well : str, optional
        Show one well only; by default all, with a covariate where all wells have it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure, the higher the more rows there are, up to a
        page. Of more wells than that, every second, third, ... is named.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; the numbers at the right are levels, and shares of the steps with a covariate.

    Raises
    ------
    ValueError
        If the well is not there.
    """
    if well is not None:
        chosen = prepare.only_well(observations, well)
        observations = observations.sel({schema.WELL: [chosen]})
    rows = _rows(observations)
    times = observations[schema.TIME].values
    edges = np.append(times, times[-1] + (times[-1] - times[-2]))
    wells = observations.sizes[schema.WELL]
    named, centres, heights = _places(wells, covariates=len(rows) - wells)
    ax = style.new_axes(ax, width=style.WIDE, height=0.65 + 0.2 * len(named))
    for row, centre, height in zip(rows, centres, heights, strict=True):
        spans = prepare.runs(row.present, longest=row.longest)
        bars = [(edges[first], edges[last + 1] - edges[first]) for first, last in spans]
        if bars:
            ax.broken_barh(bars, (centre - height / 2, height), facecolors=row.colour, lw=0)
    for number in named:
        ax.annotate(
            rows[number].count, (1, centres[number]), xycoords=ax.get_yaxis_transform(),
            xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
            annotation_clip=False,
        )  # fmt: skip
    style.date_axis(ax, (edges[0], edges[-1]))
    names = [style.shortened(rows[number].name, most=30) for number in named]
    ax.set_yticks([centres[number] for number in named], names)
    ax.set_ylim(centres[-1] + 1.9 * heights[-1] / 2, -0.6)
    if wells == 1:
        style.title(ax, str(observations[schema.WELL].values[0]), None)
    style.finish(ax, grid="x").tick_params(axis="y", length=0)
    return ax


def _places(wells: int, *, covariates: int) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Return the numbers of the rows that are named, and the centres and heights of all bars.

    Bars of many wells are thin and touch; a covariate keeps the height of a line of text.
    """
    every = -(-wells // MOST_NAMED)
    named = [*range(0, wells, every), *range(wells, wells + covariates)]
    steps = np.repeat([1.0, every], [wells, covariates])
    centres = np.cumsum(steps) - 0.5 * steps - 0.5
    heights = np.where(np.arange(steps.size) < wells, 0.64 if every == 1 else 1.0, 0.64 * steps)
    return named, centres, heights


def _rows(observations: xr.Dataset) -> list[_Row]:
    wells = [str(name) for name in observations[schema.WELL].values]
    rows = []
    for well, values in zip(wells, observations[schema.LEVEL].values, strict=True):
        present = np.isfinite(values)
        usual = np.median(np.diff(np.flatnonzero(present))) if present.sum() > 1 else 1
        name = "level" if len(wells) == 1 else well
        count = f"n = {style.thousands(int(present.sum()))}"
        rows.append(_Row(name, present, style.OBSERVED, count, max(1, int(2 * usual) - 1)))
    for name in schema.covariate_names(observations):
        variable = observations[name]
        present = variable.notnull().all(schema.WELL).values
        rain = schema.covariate_kind(name, variable.attrs) == "rain"
        share = 100 * present.mean()
        text = f"{share:.0f} %" if share in (0, 100) else f"{min(max(share, 0.1), 99.9):.1f} %"
        rows.append(_Row(name, present, style.RAIN if rain else style.SPARE, text))
    return rows
