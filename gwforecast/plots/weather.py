"""Levels and weather: cumulative rainfall departure, and correlation with past covariates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from gwforecast import schema, timeline
from gwforecast.plots import prepare, style
from gwforecast.plots.labels import covariate_label, level_label, thousands, units_label
from gwforecast.plots.prepare import lag_correlations, rainfall_departure

__all__ = ["lag_correlation", "rain_departure"]


@style.styled
def rain_departure(
    observations: xr.Dataset, *, well: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the level and the cumulative rainfall departure.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` and a covariate of kind rain, dims (well, time).
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure. The departure has an axis of its own at
        the right.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the levels.

    Raises
    ------
    ValueError
        If the well is unknown or has no level, or no covariate is rain.
    """
    well = prepare.only_well(observations, well)
    name = prepare.rain_name(observations)
    if name is None:
        raise ValueError(
            "The cumulative rainfall departure needs rain. Received the covariates "
            f"{schema.covariate_names(observations)}, none of them rain. Set attrs['kind'] = "
            "'rain' of the one that is."
        )
    one = observations.sel({schema.WELL: well}, drop=True)
    view = prepare.view_of([one[schema.LEVEL]], period=None, split=None, well=well)
    ax = style.new_axes(ax, width=style.WIDE, height=3.0)
    departure = rainfall_departure(one[name])
    beside = ax.twinx()
    units = units_label({"units": str(one[name].attrs.get("units", "")).split("/")[0]})
    beside.plot(departure[schema.TIME], departure, color=style.RAIN, lw=1.2)
    beside.axhline(0.0, color=style.SPARE, lw=0.6)
    what = covariate_label(name, one[name].attrs)
    beside.set_ylabel(f"cumulative departure of {what}{units}", color="#1F7F7F")
    beside.tick_params(labelsize=8)
    style.draw_levels(ax, one[schema.LEVEL], label="observed")
    ax.set_zorder(beside.get_zorder() + 1)
    ax.patch.set_visible(False)
    style.date_axis(ax, view)
    ax.set_ylabel(level_label(one[schema.LEVEL]))
    style.title(ax, well, "cumulative sum of rain minus its mean")
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
    """Draw the correlation of the level with the mean of each covariate over preceding steps.

    The number of steps at which the curve of rain peaks indicates the memory of the aquifer.

    Parameters
    ----------
    observations : xarray.Dataset
        ``level`` and covariates, dims (well, time).
    covariates : sequence of str, optional
        Names of covariates; by default all.
    most : int, optional
        Largest number of steps in a mean; by default two years.

    Raises
    ------
    ValueError
        If the well or a covariate is unknown, or no correlation has 20 pairs.
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
            "A correlation needs a covariate and at least 20 pairs. Received "
            f"{lacking or names}; well {well!r} has {there}. Choose others, or a smaller most."
        )
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=3.2)
    ax.axhline(0.0, color=style.SPARE, lw=0.8, zorder=1)
    for number, (name, rows) in enumerate(table.groupby("covariate", sort=False)):
        dash = "-" if number < 7 else (0, (4, 1.5))
        unknown = not rows["correlation"].notna().any()
        label = covariate_label(str(name), one[name].attrs) + (" (constant)" if unknown else "")
        color = style.RAIN if name == prepare.rain_name(observations) else None
        ax.plot(rows["steps"], rows["correlation"], lw=1.4, ls=dash, label=label, color=color)
    _logarithmic(ax, most=int(table["steps"].max()))
    highest = float(np.nanmax(np.abs(table["correlation"])))
    edge = min(1.0, highest + 0.1)
    ax.set(
        xlabel=f"averaging window before the level [{unit}]", ylabel="correlation with the level"
    )
    ax.set_ylim(-edge, edge)
    style.title(ax, well, f"n = {thousands(int(table['n'].max()))}")
    style.legend_below(ax, columns=4, below=36)
    return style.finish(ax)


def _logarithmic(ax: Axes, *, most: int) -> None:
    ax.set_xscale("log")
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= most]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
