"""Which levels and covariates exist when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from gwforecast import schema
from gwforecast.plots import prepare, style

__all__ = ["gaps"]


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
        Where to draw; by default in a new figure, the higher the more rows there are.

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
    ax = style.new_axes(ax, width=style.WIDE, height=0.65 + 0.2 * len(rows))
    for height, row in enumerate(rows):
        spans = prepare.runs(row.present, longest=row.longest)
        bars = [(edges[first], edges[last + 1] - edges[first]) for first, last in spans]
        if bars:
            ax.broken_barh(bars, (height - 0.32, 0.64), facecolors=row.colour, lw=0)
        ax.annotate(
            row.count, (1, height), xycoords=ax.get_yaxis_transform(), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=8, annotation_clip=False,
        )  # fmt: skip
    style.date_axis(ax, (edges[0], edges[-1]))
    ax.set_yticks(range(len(rows)), [row.name for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    if observations.sizes[schema.WELL] == 1:
        style.title(ax, str(observations[schema.WELL].values[0]), None)
    style.finish(ax, grid="x").tick_params(axis="y", length=0)
    return ax


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
