"""Probabilities of a level below, near and above normal."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.sequences.normal import CLASSES

__all__ = ["classes"]

COLOURS = ("#E9A36A", "#DEDEDE", "#7FBCE0")
EDGES = ("#B8560B", "#7A7A7A", style.OBSERVED)
"""Dry orange, grey and wet blue: areas, and the dots of observed classes."""

_ROWS = (1.08, 1.19, 1.3)
"""Heights of the three rows of dots, above a probability of 1."""


@style.styled
def classes(
    probability: xr.DataArray,
    *,
    observed: xr.DataArray | None = None,
    well: str | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the probabilities of three classes as stacked areas, the observed class as dots above.

    Parameters
    ----------
    probability : xarray.DataArray
        Dims (well, time, class), three ordered classes, such as below, near and above normal.
    observed : xarray.DataArray, optional
        Number of the observed class, 0 to 2, NaN where none, dims (well, time).
    well : str, optional
        Which well; may be left out where there is one.
    note : str, optional
        Text at the right above the axes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the well is not there, there are not three classes, or there is no probability.
    """
    well = prepare.only_well(probability, well)
    shares = probability.sel({schema.WELL: well}, drop=True).transpose(schema.TIME, "class")
    names = [str(name) for name in shares["class"].values]
    if len(names) != len(COLOURS):
        raise ValueError(
            f"Classes are three, from low to high. Received {len(names)}: {', '.join(names)}. "
            "Merge classes, or draw them in another figure."
        )
    known = shares.notnull().all("class")
    view = prepare.view_of([shares[:, 0].where(known)], period=None, split=None, well=well)
    ax = style.new_axes(ax, width=style.WIDE, height=2.6)
    times = shares[schema.TIME].values
    tops = np.concatenate([np.zeros((times.size, 1)), np.cumsum(shares.values, axis=1)], axis=1)
    for k, name in enumerate(names):
        ax.fill_between(
            times, tops[:, k], tops[:, k + 1], where=known.values, color=COLOURS[k], lw=0,
            label=f"{name} normal" if name in CLASSES else name,
        )  # fmt: skip
    if observed is not None:
        _draw_observed(ax, observed.sel({schema.WELL: well}, drop=True), names=names)
    style.date_axis(ax, view)
    ax.set(ylim=(0, 1.0 if observed is None else 1.38), ylabel="probability")
    ax.set_yticks(np.linspace(0, 1, 5))
    style.title(ax, well, note)
    style.legend_below(ax)
    return style.finish(ax)


def _draw_observed(ax: Axes, observed: xr.DataArray, *, names: list[str]) -> None:
    times, values = observed[schema.TIME].values, observed.values
    ax.axhline(1.0, color=style.INK, lw=0.6)
    for k, name in enumerate(names):
        here = values == k
        ax.plot(times[here], np.full(here.sum(), _ROWS[k]), "o", ms=2.6, mew=0, color=EDGES[k])
        ax.annotate(
            name, (1, _ROWS[k]), xycoords=ax.get_yaxis_transform(), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=8, color=EDGES[k],
            annotation_clip=False,
        )  # fmt: skip
    ax.annotate(
        "observed", (0, _ROWS[1]), xycoords=ax.get_yaxis_transform(), xytext=(-4, 0),
        textcoords="offset points", ha="right", va="center", fontsize=8, annotation_clip=False,
    )  # fmt: skip
