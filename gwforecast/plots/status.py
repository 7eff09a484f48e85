"""Groundwater status: class of each month, and probabilities of a level below or above normal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, Rectangle

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.prepare import shortened, wells_label
from gwforecast.sequences.scale import CLASSES
from gwforecast.verification.status import OUTLOOK_CLASSES

__all__ = ["classes", "status_strip"]


TERCILE_COLOURS = ("#E9A36A", "#DEDEDE", "#7FBCE0")
EDGES = ("#B8560B", "#7A7A7A", style.OBSERVED)
"""Orange for dry, grey, and blue for wet: areas, and dots of the observed classes."""

_ROWS = (1.08, 1.19, 1.3)
"""Heights of the three rows of dots above the probabilities."""


@style.styled
def classes(
    probability: xr.DataArray,
    *,
    observed: xr.DataArray | None = None,
    well: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the probabilities of three classes as stacked areas, with the observed class above.

    Parameters
    ----------
    probability : xarray.DataArray
        Dims (well, time, class), with three ordered classes, such as below, near and above normal.
    observed : xarray.DataArray, optional
        Number of the observed class, from 0 to 2 or NaN, dims (well, time).
    """
    well = prepare.only_well(probability, well)
    shares = probability.sel({schema.WELL: well}, drop=True).transpose(schema.TIME, "class")
    names = [str(name) for name in shares["class"].values]
    if len(names) != len(TERCILE_COLOURS):
        raise ValueError(
            f"There must be three classes, from low to high. Received {len(names)}: "
            f"{', '.join(names)}. Merge classes."
        )
    known = shares.notnull().all("class")
    view = prepare.view_of([shares[:, 0].where(known)], period=None, split=None, well=well)
    ax = style.new_axes(ax, width=style.WIDE, height=2.6)
    times = shares[schema.TIME].values
    tops = np.concatenate([np.zeros((times.size, 1)), np.cumsum(shares.values, axis=1)], axis=1)
    for k, name in enumerate(names):
        ax.fill_between(
            times, tops[:, k], tops[:, k + 1], where=known.values, color=TERCILE_COLOURS[k], lw=0,
            label=f"{name} normal" if name in CLASSES else name,
        )  # fmt: skip
    if observed is not None:
        _draw_observed(ax, observed.sel({schema.WELL: well}, drop=True), names=names)
    style.date_axis(ax, view)
    ax.set(ylim=(0, 1.0 if observed is None else 1.38), ylabel="probability")
    ax.set_yticks(np.linspace(0, 1, 5))
    style.title(ax, well, None)
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


COLOURS = (
    "#7F3B08", "#D0731B", "#F6BE7A", "#E8E8E8", "#A6D0EA", "#3D8FCB", "#0B3C78",
)  # fmt: skip
"""Brown for dry to blue for wet, darker further from normal, and so legible in grey as well."""

_DARK = (True, False, False, False, False, True, True)

MOST_NAMED = 45
"""Up to this number of wells each is labelled; of more, every second, third, ... is."""

_MOST_NUMBERED = 18
"""Up to this number of months, percentiles are written in the cells."""


@style.styled
def status_strip(
    status: pd.DataFrame,
    *,
    issue_time: str | np.datetime64 | pd.Timestamp | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the status of each well by month, as a row of coloured cells.

    With up to 18 months, the percentile is written in the cells.

    Parameters
    ----------
    status : pandas.DataFrame
        Columns well, time, percentile (0 to 100) and class, one of the seven classes of the
        hydrological outlook: exceptionally low, notably low, below normal, normal, above normal,
        notably high, exceptionally high; missing where there is no level. One row for each well
        and month.
    issue_time : str, numpy.datetime64 or pandas.Timestamp, optional
        Months after that of the issue time are forecast; they are hatched and framed.
    """
    months = _months_of(status, issue_time=issue_time)
    wells, count = months.classes.shape
    every = -(-wells // MOST_NAMED)
    named = list(range(0, wells, every))
    ax = style.new_axes(ax, width=style.WIDE, height=max(1.65, 1.05 + 0.2 * len(named)))
    edges = np.arange(count + 1) - 0.5
    line = 0.6 if count <= 120 and every == 1 else 0.0
    ax.pcolormesh(
        edges, np.arange(wells + 1) - 0.5, np.ma.masked_invalid(months.classes), vmin=-0.5,
        vmax=6.5, cmap=ListedColormap(list(COLOURS)), linewidth=line,
        edgecolors="white" if line else "face",
    )  # fmt: skip
    if count <= _MOST_NUMBERED and every == 1:
        _write_percentiles(ax, months)
    if months.forecast:
        _mark_forecast(ax, first=count - months.forecast, months=months, wells=wells)
    below = _month_axis(ax, months)
    names = [shortened(months.wells[number], most=26) for number in named]
    ax.set_yticks(named, names)
    ax.set(xlim=(-0.5, count - 0.5), ylim=(wells - 0.5, -0.5))
    room = style.points_across(ax) - max(0.0, max(map(style.text_width, names)) - 30)
    note = note or "status of each month against the same months of past years"
    style.title(ax, wells_label(months.wells), note, pad=16 if months.forecast else 5, width=room)
    _legend(ax, months, below=below, width=room)
    style.finish(ax).tick_params(axis="y", length=0)
    return ax


@dataclass(frozen=True)
class _Months:
    """Class numbers and percentiles, shape (well, month), and the number of forecast months."""

    wells: list[str]
    times: list[pd.Timestamp]
    classes: np.ndarray
    percentiles: np.ndarray
    forecast: int


def _months_of(
    status: pd.DataFrame, *, issue_time: str | np.datetime64 | pd.Timestamp | None
) -> _Months:
    """Return class numbers and percentiles by well and month."""
    if status.empty:
        raise ValueError(
            "The table of status must have rows. Received none. Choose wells and months with "
            "levels."
        )
    period = pd.DatetimeIndex(status["time"]).to_period("M")
    rows = status.assign(month=period)
    names = rows["class"].dropna().astype(str)
    strange = names[~names.isin(OUTLOOK_CLASSES)]
    if len(strange):
        raise ValueError(
            f"A class must be one of {', '.join(OUTLOOK_CLASSES)}. Received {strange.iloc[0]!r}. "
            "Rename it."
        )
    twice = rows[rows.duplicated(["well", "month"])]
    if len(twice):
        raise ValueError(
            "There must be one status for each well and month. Received two of well "
            f"{twice['well'].iloc[0]!r} in {twice['month'].iloc[0]}. Keep one of them."
        )
    times = pd.period_range(period.min(), period.max(), freq="M")
    numbers = dict(zip(OUTLOOK_CLASSES, map(float, range(7)), strict=True))
    rows = rows.assign(number=rows["class"].map(numbers).astype(float))
    wells = [str(name) for name in rows["well"].unique()]
    place = pd.MultiIndex.from_product([rows["well"].unique(), times])
    found = rows.set_index(["well", "month"])[["number", "percentile"]].reindex(place)
    issued_in = None if issue_time is None else pd.Timestamp(issue_time).to_period("M")
    return _Months(
        wells,
        list(times.to_timestamp()),
        found["number"].to_numpy(float).reshape(len(wells), -1),
        found["percentile"].to_numpy(float).reshape(len(wells), -1),
        0 if issued_in is None else int((times > issued_in).sum()),
    )


def _write_percentiles(ax: Axes, months: _Months) -> None:
    for row, column in zip(*np.nonzero(np.isfinite(months.percentiles)), strict=True):
        number = months.classes[row, column]
        dark = np.isfinite(number) and _DARK[int(number)]
        ax.text(
            column, row, f"{months.percentiles[row, column]:.0f}", ha="center", va="center",
            fontsize=8, color="white" if dark else style.INK,
        )  # fmt: skip


def _mark_forecast(ax: Axes, *, first: int, months: _Months, wells: int) -> None:
    """Hatch and frame the forecast months."""
    corner, size = (first - 0.5, -0.5), (months.forecast, wells)
    if months.classes.shape[1] > _MOST_NUMBERED:  # hatching would hide numbers
        ax.add_patch(Rectangle(corner, *size, fill=False, hatch="//", ec="white", lw=0))
    ax.add_patch(
        Rectangle(corner, *size, fill=False, ec=style.INK, lw=1.6, clip_on=False, zorder=4)
    )
    ax.annotate(
        "forecast", (months.classes.shape[1] - 0.5, 1.0),
        xycoords=ax.get_xaxis_transform(), xytext=(0, 3), textcoords="offset points", ha="right",
        fontsize=8, annotation_clip=False,
    )  # fmt: skip


def _month_axis(ax: Axes, months: _Months) -> float:
    """Label months where there are few, otherwise years; return the distance of the legend."""
    count = len(months.times)
    if count <= 2 * _MOST_NUMBERED:
        step = 1 if count <= _MOST_NUMBERED else 3
        shown = [k for k in range(count) if (months.times[k].month - 1) % step == 0]
        named = {k for k in shown if k == shown[0] or months.times[k].month == 1}
        labels = [
            f"{months.times[k]:%b}" + (f"\n{months.times[k].year}" if k in named else "")
            for k in shown
        ]
        ax.set_xticks(shown, labels)
        return 34
    years = sorted({month.year for month in months.times})
    step = next(s for s in (1, 2, 5, 10, 20, 50) if len(years) / s <= 14)
    shown = [
        k for k, month in enumerate(months.times) if month.month == 1 and month.year % step == 0
    ]
    ax.set_xticks(np.array(shown) - 0.5, [str(months.times[k].year) for k in shown])
    return 22


def _legend(ax: Axes, months: _Months, *, below: float, width: float) -> None:
    handles: list[Any] = [
        Patch(fc=colour, ec="#BBBBBB", lw=0.4, label=name)
        for colour, name in zip(COLOURS, OUTLOOK_CLASSES, strict=True)
    ]
    if not np.isfinite(months.classes).all():
        handles.append(Patch(fc="white", ec="#BBBBBB", lw=0.4, label="no level"))
    style.legend_below(ax, handles=handles, below=below, width=width)
