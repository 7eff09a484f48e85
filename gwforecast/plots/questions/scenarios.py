"""Scenarios: levels under changed covariates, their difference, and climate projections."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.labels import level_label
from gwforecast.plots.levels import level_limits

__all__ = ["projections", "scenario"]


SHARES = (0.05, 0.95)


@style.styled
def scenario(
    levels: xr.Dataset, observed: xr.DataArray | None = None, *, well: str | None = None
) -> list[Axes]:
    """Draw a scenario: levels of reference and scenario above, their difference below.

    Parameters
    ----------
    levels : xarray.Dataset
        Attribute ``levels`` of a :class:`gwforecast.questions.whatif.WhatIf`.
    observed : xarray.DataArray, optional
        Observed levels, dims (well, time), m.
    well : str, optional
        Name of the well; may be omitted where there is only one.

    Returns
    -------
    list of matplotlib.axes.Axes
        Axes of the levels and of the difference.
    """
    well = prepare.only_well(levels, well)
    one = levels.sel({schema.WELL: well}, drop=True)
    reference, changed = (one[schema.LEVEL].isel(scenario=number) for number in (0, 1))
    name = str(one["scenario"].values[1])
    times = one[schema.TIME].values
    above, below = plt.subplots(
        2, 1, figsize=(style.WIDE, 4.6), sharex=True, layout="constrained",
        gridspec_kw={"height_ratios": [3, 2]},
    )[1]  # fmt: skip
    if observed is not None:
        style.draw_levels(
            above, observed.sel({schema.WELL: well}, drop=True), label="observed", color=style.SPARE
        )
    middle = prepare.central(reference)
    above.plot(times, middle, color=style.OBSERVED, lw=1.1, label="reference", zorder=2.6)
    _band(above, changed, name=name)
    view = prepare.view_of([middle], period=None, split=None, well=well)
    edges = [changed.isel({schema.QUANTILE: 0}), changed.isel({schema.QUANTILE: -1})]
    level_limits(above, *prepare.limits_of([middle, *edges], view=view), rain=False)
    above.set_ylabel(level_label(levels[schema.LEVEL]))
    style.title(above, well, f"what if: {name}")
    below.axhline(0.0, color=style.INK, lw=0.6)
    _band(below, one["difference"], name=name)
    below.set_ylabel("difference [m]")
    style.date_axis(below, view)
    handles = above.get_legend_handles_labels()[0]
    style.legend_below(below, handles=handles, below=style.below_dates(view))
    style.finish(above)
    return [above, style.finish(below, grid="y")]


def _band(ax: Axes, quantiles: xr.DataArray, *, name: str) -> None:
    times = quantiles[schema.TIME].values
    middle = quantiles.sel({schema.QUANTILE: 0.5}).values
    ax.plot(times, middle, color=style.PREDICTED, lw=1.2, label=name, zorder=2.8)
    lower, upper = (quantiles.isel({schema.QUANTILE: end}).values for end in (0, -1))
    ax.fill_between(
        times,
        lower,
        upper,
        color=style.INTERVAL,
        lw=0,
        label="95 % interval",
        zorder=1.5,
        alpha=0.8,
    )


@style.styled
def projections(levels: xr.Dataset, *, well: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw yearly mean levels under climate projections: each, their median and their range.

    Parameters
    ----------
    levels : xarray.Dataset
        Attribute ``levels`` of a :class:`gwforecast.questions.projections.Projected`.
    well : str, optional
        Name of the well; may be omitted where there is only one.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    well = prepare.only_well(levels, well)
    level = levels[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    yearly = level.groupby(level[schema.TIME].dt.year).mean().transpose("projection", "year")
    years, values = yearly["year"].values, yearly.values
    ax = style.new_axes(ax, width=style.WIDE, height=3.0)
    for number, row in enumerate(values):
        ax.plot(
            years, row, color=style.SPARE, lw=0.5, alpha=0.6, zorder=1.6,
            label="a projection" if number == 0 else None,
        )  # fmt: skip
    if len(values) > 2:
        low, high = np.nanquantile(values, SHARES, axis=0)
        ax.fill_between(
            years, low, high, color=style.INTERVAL, lw=0, label="90 % of projections", zorder=1.5
        )
        ax.plot(years, np.nanmedian(values, axis=0), color=style.PREDICTED, lw=1.5, label="median")
    ax.set(xlabel="year", ylabel=level_label(level), xlim=(years[0], years[-1]))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    style.plain_numbers(ax.xaxis, ax.yaxis)
    count = len(values)
    style.title(ax, well, f"yearly means, {count} projection{'s' if count > 1 else ''}")
    style.legend_below(ax, below=34)
    return style.finish(ax, grid="y")
