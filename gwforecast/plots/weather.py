"""Level and weather beside each other: what a level may owe to rain and the other covariates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from gwforecast import schema, timeline
from gwforecast.plots import prepare, style
from gwforecast.plots.prepare import lag_correlations, rainfall_departure

__all__ = ["lag_correlation", "rain_departure"]


@style.styled
def rain_departure(
    observations: xr.Dataset, *, well: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the level, and below it how much more rain has fallen than its mean would have given.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` and a covariate of kind rain, dims (well, time).
    well : str, optional
        Which well; may be left out where there is one.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure. The departure gets an axis on its right.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the levels.

    Raises
    ------
    ValueError
        If the well is not there, has no level, or no covariate is rain.
    """
    well = prepare.only_well(observations, well)
    name = prepare.rain_name(observations)
    if name is None:
        raise ValueError(
            f"The departure of rain needs rain. Received {schema.covariate_names(observations)}, "
            "none of which is of that kind. Set attrs['kind'] = 'rain' of the one that is."
        )
    one = observations.sel({schema.WELL: well}, drop=True)
    view = prepare.view_of([one[schema.LEVEL]], period=None, split=None, well=well)
    ax = style.new_axes(ax, width=style.WIDE, height=3.0)
    departure = rainfall_departure(one[name])
    beside = ax.twinx()
    units = str(one[name].attrs.get("units", "")).split("/")[0]
    beside.plot(departure[schema.TIME], departure, color=style.RAIN, lw=1.2)
    beside.axhline(0.0, color=style.SPARE, lw=0.6)
    suffix = f" [{units}]" if units else ""
    beside.set_ylabel(f"cumulative departure of {name.replace('_', ' ')}{suffix}", color="#1F7F7F")
    beside.tick_params(labelsize=8)
    style.draw_levels(ax, one[schema.LEVEL], label="observed")
    ax.set_zorder(beside.get_zorder() + 1)
    ax.patch.set_visible(False)
    style.date_axis(ax, view)
    ax.set_ylabel(style.level_label(one[schema.LEVEL]))
    style.title(ax, well, "sum of rain less its mean since the start")
    style.finish(ax)
    return ax


@style.styled
def lag_correlation(
    observations: xr.Dataset,
    *,
    well: str | None = None,
    covariates: Sequence[str] | None = None,
    most: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how the level goes with the mean of each covariate over ever more steps before it.

    Where the curve of rain peaks tells how long the memory of an aquifer is.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` and covariates, dims (well, time).
    well : str, optional
        Which well; may be left out where there is one.
    covariates : sequence of str, optional
        Which; by default all.
    most : int, optional
        Most steps that a mean reaches back; by default two years.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Raises
    ------
    ValueError
        If the well or a covariate is not there, or no correlation has 20 pairs.
    """
    well = prepare.only_well(observations, well)
    there = schema.covariate_names(observations)
    names = list(covariates) if covariates is not None else there
    lacking = [name for name in names if name not in there]
    one = observations.sel({schema.WELL: well}, drop=True)
    frequency = timeline.infer_frequency(one[schema.TIME].values)
    unit, year = {"D": ("days", 365), "W": ("weeks", 52)}.get(frequency[0], ("months", 12))
    table = lag_correlations(
        one[schema.LEVEL], one, names=[] if lacking else names, most=most or 2 * year
    )
    if lacking or not table["correlation"].notna().any():
        raise ValueError(
            f"Level and covariates are correlated where 20 pairs are. Received {lacking or names}, "
            f"of which there are {there} at {well!r}. Choose others, or a smaller most."
        )
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=3.2)
    ax.axhline(0.0, color=style.SPARE, lw=0.8, zorder=1)
    for number, (name, rows) in enumerate(table.groupby("covariate", sort=False)):
        dash = "-" if number < 7 else (0, (4, 1.5))
        unknown = not rows["correlation"].notna().any()
        label = str(name).replace("_", " ") + (" (constant)" if unknown else "")
        color = style.RAIN if name == prepare.rain_name(observations) else None
        ax.plot(rows["steps"], rows["correlation"], lw=1.4, ls=dash, label=label, color=color)
    _logarithmic(ax, most=int(table["steps"].max()))
    highest = float(np.nanmax(np.abs(table["correlation"])))
    edge = min(1.0, highest + 0.1)
    ax.set(xlabel=f"mean over the last ... {unit}", ylabel="correlation with the level")
    ax.set_ylim(-edge, edge)
    style.title(ax, well, f"n = {style.thousands(int(table['n'].max()))}")
    style.legend_below(ax, columns=4, below=36)
    return style.finish(ax)


def _logarithmic(ax: Axes, *, most: int) -> None:
    ax.set_xscale("log")
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= most]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
