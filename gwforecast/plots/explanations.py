"""Explanations of a prediction: importance of covariates, and attribution by lag."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.labels import covariate_label

__all__ = ["attribution", "importance"]


MOST = 6
"""Number of inputs with a line of their own; the others are summed."""
COLOURS = (style.RAIN, style.PREDICTED, style.OBSERVED, "#009E73", "#CC79A7", "#8A6D00")


@style.styled
def importance(table: pd.DataFrame, *, note: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the permutation importance of covariates, the most important first.

    Parameters
    ----------
    table : pandas.DataFrame
        As returned by :func:`gwforecast.verification.importance.permutation_importance`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with a bar for the median decrease in NSE of each covariate, and a dot for each
        repeat and well.

    Raises
    ------
    ValueError
        If the table is empty.
    """
    if not len(table):
        raise ValueError(
            "The table of importance must have rows. Received none. Compute it with "
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
    ax.set_yticks(range(len(medians)), [covariate_label(str(name)) for name in medians.index])
    ax.set(ylim=(len(medians) - 0.4, -0.6), xlabel="decrease in NSE with values of other years")
    wells = table["well"].unique()
    name = str(wells[0]) if wells.size == 1 else f"{wells.size} wells"
    said = note or "bar: median; dot: weather of one other year"
    style.title(ax, prepare.whose(name, table.attrs.get("model")), said)
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
    """Draw the cumulative contribution of inputs to the simulated level by lag.

    Parameters
    ----------
    explained : xarray.Dataset
        As returned by :func:`gwforecast.networks.attribution.integrated_gradients`.
    step : str
        Unit of the lags, e.g. ``"days"``.

    Returns
    -------
    matplotlib.axes.Axes
        The axes. For each of the inputs with the largest contributions, a line shows the mean
        absolute attribution up to a lag, as a percentage of the total of all inputs and lags.

    Raises
    ------
    ValueError
        If the well is unknown.
    """
    wells = [str(name) for name in explained[schema.WELL].values]
    chosen = wells[0] if well is None and len(wells) == 1 else well
    if chosen not in wells:
        raise ValueError(
            f"An attribution is drawn for one well. Received {well!r}; there are "
            f"{', '.join(wells)}. Choose one with well=..."
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
        ax.plot(
            lags, share, color=COLOURS[number], lw=1.5, label=covariate_label(str(names[place]))
        )
    if order.size > MOST:
        rest = 100 * size.isel(input=order[MOST:]).sum("input").values.cumsum() / total
        label = f"{order.size - MOST} others"
        ax.plot(lags, rest, color=style.SPARE, lw=1.2, ls=(0, (4, 2)), label=label)
    ax.set(
        xlim=(1, max(2, int(lags[-1]))),
        xlabel=f"lag before the level [{step}]",
        ylabel="cumulative share of attribution [%]",
    )
    ax.set_ylim(bottom=0)
    style.title(ax, prepare.whose(str(chosen), explained.attrs.get("model")), note)
    style.legend_below(ax, columns=4, below=34)
    return style.finish(ax, grid="y")
