"""What a prediction owes to its covariates: by covariate, and by lag."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from gwforecast import schema
from gwforecast.plots import style

__all__ = ["attribution", "importance"]


MOST = 6
COLOURS = (style.RAIN, style.PREDICTED, style.OBSERVED, "#009E73", "#CC79A7", "#8A6D00")


@style.styled
def importance(table: pd.DataFrame, *, note: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw by how much the NSE drops with the weather of other years, the greatest first.

    Parameters
    ----------
    table : pandas.DataFrame
        As of :func:`gwforecast.verification.importance.permutation_importance`.
    note : str, optional
        Text at the right above the axes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: a bar to the median of each covariate, a dot for each repeat and well.

    Raises
    ------
    ValueError
        If the table is empty.
    """
    if not len(table):
        raise ValueError(
            "A figure of importance needs a table with rows. Received none. Make it with "
            "permutation_importance."
        )
    medians = table.groupby("covariate")["drop"].median().sort_values(ascending=False)
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=0.9 + 0.3 * len(medians))
    ax.axvline(0.0, color=style.SPARE, lw=0.8, zorder=1)
    for row, name in enumerate(medians.index):
        drops = table.loc[table["covariate"] == name, "drop"].to_numpy(float)
        ax.barh(row, medians[name], height=0.55, color=style.INTERVAL, zorder=2)
        heights = row + 0.18 * np.resize([0.0, 1.0, -1.0, 0.5, -0.5], drops.size)
        ax.plot(drops, heights, "o", ms=3, mew=0, color=style.PREDICTED, alpha=0.6, zorder=3)
    ax.set_yticks(range(len(medians)), [style.model_label(str(name)) for name in medians.index])
    ax.set(
        ylim=(len(medians) - 0.4, -0.6), xlabel="drop of NSE with the weather of other years [-]"
    )
    wells = table["well"].unique()
    style.title(ax, str(wells[0]) if wells.size == 1 else f"{wells.size} wells", note)
    style.finish(ax, grid="x").tick_params(axis="y", length=0)
    return ax


@style.styled
def attribution(
    explained: xr.Dataset,
    *,
    well: str | None = None,
    step: str = "steps",
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how much inputs add to the level by lag, from the present back.

    Parameters
    ----------
    explained : xarray.Dataset
        As of :func:`gwforecast.networks.attribution.integrated_gradients`.
    well : str, optional
        Which well; may be left out where there is one.
    step : str
        What a lag is counted in, e.g. ``"days"``.
    note : str, optional
        Text at the right above the axes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: for each of the inputs that add most, the share of all that is added by it up to a
        lag, in the mean of the absolute attribution over times.

    Raises
    ------
    ValueError
        If the well is not there.
    """
    wells = [str(name) for name in explained[schema.WELL].values]
    chosen = wells[0] if well is None and len(wells) == 1 else well
    if chosen not in wells:
        raise ValueError(
            f"A figure of attribution shows one well. Received {well!r}; there are "
            f"{', '.join(wells)}. Name one with well=..."
        )
    size: xr.DataArray = abs(explained["attribution"].sel({schema.WELL: chosen}))
    size = size.mean(schema.TIME)
    order = np.argsort(-size.sum("lag").values)
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=3.0)
    names = size["input"].values
    lags = size["lag"].values + 1
    total = float(size.sum())
    for number, place in enumerate(order[:MOST]):
        share = 100 * size.isel(input=place).values.cumsum() / total
        ax.plot(lags, share, color=COLOURS[number], lw=1.5, label=str(names[place]))
    if order.size > MOST:
        rest = 100 * size.isel(input=order[MOST:]).sum("input").values.cumsum() / total
        label = f"{order.size - MOST} others"
        ax.plot(lags, rest, color=style.SPARE, lw=1.2, ls=(0, (4, 2)), label=label)
    ax.set(
        xlim=(1, max(2, int(lags[-1]))),
        xlabel=f"steps seen, from the present back [{step}]",
        ylabel="share of all that is added [%]",
    )
    ax.set_ylim(bottom=0)
    style.title(ax, str(chosen), note)
    style.legend_below(ax, columns=4, below=34)
    return style.finish(ax, grid="y")
