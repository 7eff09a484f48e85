"""Rain that hangs from the top of the axes of levels, and the room that it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.prepare import View

__all__ = ["any_in", "hang_rain", "level_limits"]

RAIN_SHARE = 0.27
"""Share of the height that hanging rain may take."""

LATER = "#B5E1E1"
"""Paler turquoise: rain after the issue time, which a forecast may not have known."""


def any_in(rain: xr.DataArray, *, view: View) -> bool:
    """Return whether any rain of a view is known; an axis without bars looks like none fell."""
    return bool(rain.sel({schema.TIME: slice(*view)}).notnull().any())


def level_limits(ax: Axes, low: float, high: float, *, rain: bool) -> None:
    """Show levels from low to high, with room for the rain above, so that neither hides the other.

    Ticks end where the levels end.
    """
    span = max(high - low, 0.01)
    room = 1.15 * span * RAIN_SHARE / (1 - RAIN_SHARE) if rain else 0.0
    bottom, top = low - 0.06 * span, high + 0.08 * span
    ax.set_ylim(bottom, top + room)
    ticks = np.asarray(MaxNLocator(7, steps=style.STEPS).tick_values(bottom, top))
    ax.set_yticks(ticks[(ticks >= bottom) & (ticks <= top)])
    style.plain_numbers(ax.yaxis)


def hang_rain(
    ax: Axes,
    rain: xr.DataArray,
    *,
    view: View,
    issue_time: np.datetime64 | None = None,
    later: str = "rain after issue",
) -> list[Any]:
    """Draw rain as bars from the top on an axis of their own; return what the legend shows.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes of the levels.
    rain : xarray.DataArray
        Dims (time,), with ``attrs["units"]``.
    view : tuple of numpy.datetime64
        What is shown.
    issue_time : numpy.datetime64, optional
        Bars that begin after it are paler.
    later : str
        What the paler bars are called.
    """
    bars, label = prepare.rain_bars(rain, view=view)
    hung = ax.twinx()
    width = bars["end"] - bars["start"]
    after = bars["start"] > view[1] if issue_time is None else bars["start"] > issue_time
    handles: list[Any] = []
    for part, colour, name in ((~after, style.RAIN, "rain"), (after, LATER, later)):
        if bars.loc[part, "amount"].notna().any() or (name == "rain" and not after.any()):
            shown = bars[part]
            handles.append(
                hung.bar(
                    shown["start"], shown["amount"], width[part], align="edge", color=colour,
                    label=name,
                )
            )  # fmt: skip
    most = float(bars["amount"].max())
    most = most if np.isfinite(most) and most > 0 else 1.0
    hung.set_ylim(most / RAIN_SHARE, 0)
    ticks = np.asarray(MaxNLocator(4, steps=style.STEPS).tick_values(0, most))
    hung.set_yticks(ticks[ticks <= most * 1.05])
    hung.set_ylabel(label, loc="top")
    lacking = bars[bars["missing"]]
    if len(lacking):
        handles.append(
            hung.bar(
                lacking["start"], 0.03 * most / RAIN_SHARE, width[bars["missing"]], align="edge",
                color=style.SPARE, label="rain missing",
            )
        )  # fmt: skip
    style.finish(hung)
    return handles
