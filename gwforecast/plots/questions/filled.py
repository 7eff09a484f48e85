"""Filled and extended records: what was observed, what was filled, and how sure it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.labels import level_label
from gwforecast.plots.levels import level_limits

__all__ = ["filled_record"]


_EXTENDED = (2, 3)
FILLED_FLAGS = (1, *_EXTENDED)


@style.styled
def filled_record(
    filled: xr.Dataset,
    *,
    well: str | None = None,
    period: tuple[str | pd.Timestamp, str | pd.Timestamp] | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a filled or extended record: observed and filled levels, interval and simulation.

    Parameters
    ----------
    filled : xarray.Dataset
        Attribute ``levels`` of a :class:`gwforecast.questions.fill.Filled`.
    well : str, optional
        Name of the well; may be omitted where there is only one.
    period : tuple, optional
        First and last date shown; by default all levels.
    note : str, optional
        Text above the axes at the right, such as the scores of artificial gaps.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the well is unknown, or there is no level to show.
    """
    well = prepare.only_well(filled, well)
    one = filled.sel({schema.WELL: well}, drop=True)
    flag = one["level_flag"]
    observed = one[schema.LEVEL].where(flag == 0)
    made = flag.isin(FILLED_FLAGS)
    view = prepare.view_of([one[schema.LEVEL]], period=period, split=None, well=well)
    bounds = one["level_quantiles"].where(made)
    lower, upper = bounds.isel({schema.QUANTILE: 0}), bounds.isel({schema.QUANTILE: -1})
    simulated = one["simulation"].where(one[schema.LEVEL].notnull())

    ax = style.new_axes(ax, width=style.WIDE, height=2.9)
    times = one[schema.TIME].values
    ax.fill_between(
        times, lower.values, upper.values, color=style.INTERVAL, lw=0, label="95 % interval",
        zorder=1.5,
    )  # fmt: skip
    ax.plot(times, simulated.values, color=style.SPARE, lw=0.8, label="simulation alone", zorder=2)
    name = "extended" if flag.isin(_EXTENDED).any() else "filled"
    joined = _with_neighbours(one[schema.LEVEL].values, made.values)
    ax.plot(times, joined, color=style.PREDICTED, lw=1.4, label=name, zorder=2.5)
    style.draw_levels(ax, observed, label="observed")
    limits = prepare.limits_of([one[schema.LEVEL], lower, upper], view=view)
    level_limits(ax, *limits, rain=False)
    style.date_axis(ax, view)
    ax.set_ylabel(level_label(one[schema.LEVEL]))
    style.title(ax, well, note)
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    order = ("observed", name, "95 % interval", "simulation alone")
    style.legend_below(
        ax, handles=[handles[one] for one in order if one in handles],
        below=style.below_dates(view),
    )  # fmt: skip
    return style.finish(ax)


def _with_neighbours(level: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return filled levels with the observed ones next to them, so that lines meet."""
    near = made.copy()
    near[1:] |= made[:-1]
    near[:-1] |= made[1:]
    return np.where(near, level, np.nan)
