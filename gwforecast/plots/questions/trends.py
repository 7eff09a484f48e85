"""Trends of levels as observed and corrected for the weather, and the largest shift."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.labels import level_label

__all__ = ["trend"]


PANELS = (("observed", "observed"), ("corrected", "weather-corrected"))
SIGNIFICANT = 0.05


@style.styled
def trend(
    levels: xr.Dataset, trends: pd.DataFrame, shifts: pd.DataFrame, *, well: str | None = None
) -> list[Axes]:
    """Draw the level as observed and corrected for the weather, each with its trend.

    Parameters
    ----------
    levels : xarray.Dataset
        Attribute ``levels`` of a :class:`gwforecast.questions.trend.Trends`.
    trends, shifts : pandas.DataFrame
        Its tables of trends and shifts.
    well : str, optional
        Name of the well; may be omitted where there is only one.

    Returns
    -------
    list of matplotlib.axes.Axes
        Axes of both series. The line is dashed where the trend is not significant at 5 %; a shift
        of the corrected level that is significant is marked.
    """
    well = prepare.only_well(levels, well)
    one = levels.sel({schema.WELL: well}, drop=True)
    figure, axes = plt.subplots(2, 1, figsize=(style.WIDE, 4.6), sharex=True, layout="constrained")
    figure.supylabel(level_label(one["observed"]), fontsize=9, color=style.INK)
    view = prepare.view_of([one["observed"]], period=None, split=None, well=well)
    for ax, (name, series) in zip(axes, PANELS, strict=True):
        level = one[name]
        style.draw_levels(ax, level, label="level")
        chosen = trends[(trends[schema.WELL] == well) & (trends["series"] == series)]
        note = "no trend computed" if not len(chosen) else _line(ax, level, chosen.iloc[0])
        style.title(ax, f"{well}, {series}", note)
        style.plain_numbers(ax.yaxis)
        style.finish(ax, grid="y")
    own = shifts[(shifts[schema.WELL] == well) & (shifts.get("p_value", np.nan) <= SIGNIFICANT)]
    for row in own.itertuples():
        axes[1].axvline(
            row.date, color=style.INK, lw=1.0, ls=(0, (2, 2)),
            label=f"shift of {row.size:+.2f} m (p = {row.p_value:.3f})",
        )  # fmt: skip
    style.date_axis(axes[1], view)
    handles = {label: handle for ax in axes for handle, label in
               zip(*ax.get_legend_handles_labels(), strict=True)}  # fmt: skip
    style.legend_below(axes[1], handles=list(handles.values()), below=style.below_dates(view))
    return list(axes)


def _line(ax: Axes, level: xr.DataArray, found: pd.Series) -> str | None:
    """Draw the Sen slope through the median of level and time; return its note."""
    if not np.isfinite(found.get("slope", np.nan)):
        return str(found["reason"])
    series = level.to_series().dropna()
    years = (series.index - series.index[0]).days.to_numpy() / 365.25
    line = series.median() + found["slope"] * (years - np.median(years))
    sure = found["p_value"] <= SIGNIFICANT
    ax.plot(
        series.index, line, color=style.PREDICTED, lw=1.6, ls="-" if sure else (0, (5, 3)),
        label="trend" if sure else "trend, not significant", zorder=4,
    )  # fmt: skip
    reach = f"{100 * found['lower']:+.1f} to {100 * found['upper']:+.1f}"
    return f"{100 * found['slope']:+.1f} cm a year ({reach}), p = {found['p_value']:.3f}"
