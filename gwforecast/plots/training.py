"""The training of networks: loss by epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from gwforecast.plots import style

__all__ = ["training_history"]

_SERIES = {"loss": ("train", style.OBSERVED), "validation_loss": ("validation", style.PREDICTED)}
_LOG_FROM = 10.0
"""Ratio of the highest to the lowest loss from which the axis is logarithmic."""


@style.styled
def training_history(
    history: pd.DataFrame, *, well: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the loss of each member by epoch, the median of the members, and their best epochs.

    Parameters
    ----------
    history : pandas.DataFrame
        Columns well, member, epoch, loss, validation_loss. The median is drawn while at least half
        of the members are trained, so that it does not jump where members stop.
    well : str, optional
        Which well; may be left out where there is one.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; a dot marks the epoch of the lowest validation loss of each member.

    Raises
    ------
    ValueError
        If the well is not there, or several are and none is asked for.
    """
    table = _of_well(history, well)
    members = table["member"].nunique()
    ax = style.new_axes(ax, width=style.NARROW * 1.2, height=2.8)
    for column, (name, colour) in _SERIES.items():
        losses = table.pivot_table(index="epoch", columns="member", values=column)
        _draw_losses(ax, losses, members=members, name=name, color=colour)
    best = _best_epochs(table)
    if len(best):
        label = "best epoch" if members == 1 else "best epochs"
        ax.plot(best["epoch"], best["validation_loss"], "o", ms=4, mfc="white", mec=style.INK,
                mew=0.9, label=label, zorder=5)  # fmt: skip
    values = table[list(_SERIES)].to_numpy(float)
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() / values.min() > _LOG_FROM:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    ax.set(xlabel="epoch", ylabel="loss")
    style.title(ax, str(table["well"].iloc[0]), f"{members} member{'s'[: members > 1]}")
    style.legend_below(ax, columns=3, below=36)
    return style.finish(ax, grid="y")


def _draw_losses(ax: Axes, losses: pd.DataFrame, *, members: int, name: str, color: str) -> None:
    """Draw the losses (epoch, member) as thin lines under their median, or as one line."""
    several = members > 1
    width, alpha = (0.6, 0.45) if several else (1.6, 1.0)
    for number, member in enumerate(losses):
        label = name if number == 0 and not several else None
        ax.plot(losses.index, losses[member], color=color, lw=width, alpha=alpha, label=label)
    if several and len(losses):
        trained = losses.notna().sum(axis=1) >= members / 2
        median = losses.median(axis=1).where(trained)
        ax.plot(median.index, median, color=color, lw=1.8, label=f"{name}, median")


def _of_well(history: pd.DataFrame, well: str | None) -> pd.DataFrame:
    wells = [str(name) for name in history["well"].unique()]
    chosen = wells[0] if well is None and len(wells) == 1 else well
    if chosen not in wells:
        raise ValueError(
            f"A training history is drawn for one well. Received well={well!r}; there are "
            f"{', '.join(wells[:5]) or 'none'}. Choose one of them."
        )
    return history[history["well"].astype(str) == chosen]


def _best_epochs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the lowest validation loss of each member."""
    known = table[table["validation_loss"].notna()].reset_index(drop=True)
    return known.loc[known.groupby("member")["validation_loss"].idxmin()]
