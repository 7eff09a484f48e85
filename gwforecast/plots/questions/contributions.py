"""Contributions of covariates to the level, and step responses of models."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.labels import covariate_label, level_label, units_label

__all__ = ["contributions", "step_responses"]


COLOURS = {
    "rain": style.RAIN,
    "temperature": style.PREDICTED,
    "evapotranspiration": "#009E73",
    "pumping": "#882255",
    "snow": "#56B4E9",
    "stage": style.OBSERVED,
}
SPARE = ("#CC79A7", "#8A6D00", "#332288", "#6699CC", "#117733")


@style.styled
def contributions(explained: xr.Dataset, *, well: str | None = None) -> list[Axes]:
    """Draw the contributions of covariates, stacked under the simulated level.

    Parameters
    ----------
    explained : xarray.Dataset
        Attribute ``contributions`` of a :class:`gwforecast.questions.explain.Explained`.

    Returns
    -------
    list of matplotlib.axes.Axes
        Axes of the level, with the level at the reference, and of the contributions. Positive
        contributions are stacked upwards from zero and negative ones downwards.
    """
    well = prepare.only_well(explained, well)
    one = explained.sel({schema.WELL: well}, drop=True)
    times = one[schema.TIME].values
    above, below = plt.subplots(
        2, 1, figsize=(style.WIDE, 5.4), sharex=True, layout="constrained",
        gridspec_kw={"height_ratios": [4, 5]},
    )[1]  # fmt: skip
    above.plot(times, one[schema.LEVEL].values, color=style.OBSERVED, lw=1.0, label="simulated")
    above.plot(
        times, one["base"].values, color=style.SPARE, lw=1.0, label="covariates at their reference"
    )
    above.set_ylabel(level_label(explained[schema.LEVEL]))
    style.plain_numbers(above.yaxis)
    names = [str(name) for name in one["covariate"].values]
    values = np.nan_to_num(one["contribution"].transpose("covariate", schema.TIME).values)
    spare = iter(SPARE)
    colours = [COLOURS[name] if name in COLOURS else next(spare, style.SPARE) for name in names]
    labels = [covariate_label(name) for name in names]
    for part, shown in ((np.maximum(values, 0), labels), (np.minimum(values, 0), None)):
        below.stackplot(times, part, colors=colours, labels=shown or (), lw=0, alpha=0.85)
    below.plot(times, values.sum(axis=0), color=style.INK, lw=0.8, label="sum")
    below.axhline(0.0, color=style.INK, lw=0.6)
    below.set_ylabel("contribution [m]")
    view = prepare.view_of([one[schema.LEVEL]], period=None, split=None, well=well)
    style.date_axis(below, view)
    style.title(above, well, "contributions of covariates")
    handles = [
        *above.get_legend_handles_labels()[0],
        *below.get_legend_handles_labels()[0],
    ]
    style.legend_below(below, handles=handles, below=style.below_dates(view), columns=4)
    style.finish(above)
    return [above, style.finish(below, grid="y")]


@style.styled
def step_responses(responses: xr.Dataset, *, well: str | None = None) -> list[Axes]:
    """Draw the response of the level to a lasting rise of each covariate by one unit.

    Parameters
    ----------
    responses : xarray.Dataset
        Attribute ``responses`` of a :class:`gwforecast.questions.explain.Explained`.

    Returns
    -------
    list of matplotlib.axes.Axes
        Axes of each covariate, with the 95 % interval from members, models and fits. Days to 50 and
        90 % of the response are marked where its sign is known.
    """
    well = prepare.only_well(responses, well)
    one = responses["response"].sel({schema.WELL: well}, drop=True)
    names = [str(name) for name in one["covariate"].values]
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(style.WIDE, 0.5 + 2.0 * rows), squeeze=False, sharex=True,
        layout="constrained",
    )  # fmt: skip
    for spare in grid.ravel()[len(names) :]:
        figure.delaxes(spare)
    panels = list(grid.ravel()[: len(names)])
    for ax, name in zip(panels, names, strict=True):
        _respond(ax, one.sel(covariate=name), name)
    for column in range(columns):
        bottom = grid[(len(names) - 1 - column) // columns, column]
        bottom.set_xlabel("time since the rise began [days]")
        bottom.tick_params(labelbottom=True)
    figure.suptitle(well, fontsize=9, fontweight="bold", color=style.INK, x=0.01, ha="left")
    return panels


def _respond(ax: Axes, response: xr.DataArray, name: str) -> None:
    days = response["lag"].values
    middle = response.sel({schema.QUANTILE: 0.5}).values
    lower, upper = (response.isel({schema.QUANTILE: end}).values for end in (0, -1))
    ax.fill_between(days, lower, upper, color=style.INTERVAL, lw=0)
    ax.axhline(0.0, color=style.INK, lw=0.6)
    ax.plot(days, middle, color=style.PREDICTED, lw=1.4)
    known = lower[-1] * upper[-1] > 0  # otherwise the response may be of either sign
    for share in (0.5, 0.9) if known else ():
        at = int(np.argmax(middle / middle[-1] >= share)) if middle[-1] else 0
        ax.plot(days[at], middle[at], "o", ms=4, mew=0, color=style.INK, zorder=4)
        ax.annotate(
            f"{100 * share:.0f} %: {days[at]:.0f} d", (days[at], middle[at]), xytext=(6, -4),
            textcoords="offset points", fontsize=8, va="top" if middle[-1] > 0 else "bottom",
        )  # fmt: skip
    units = units_label({"units": str(response["covariate_units"].values)}).strip(" []")
    ax.set_ylabel(f"m for 1 {units}" if units else "m for one unit")
    ax.set_xlim(0, days[-1])
    kind = response.coords.get("covariate_kind")
    attrs = None if kind is None else {"kind": str(kind.values)}
    style.title(ax, covariate_label(name, attrs), None)
    style.finish(ax, grid="y")
