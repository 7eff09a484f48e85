"""Levels that answer a question: filled, under scenarios and projections, and with their trend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.labels import MINUS, level_label
from gwforecast.plots.levels import frame

__all__ = ["filled_record", "projections", "scenario", "trend"]


EXTENDED = (2, 3)  # values of level_flag
FILLED_FLAGS = (1, *EXTENDED)
SHARES = (0.05, 0.95)
PANELS = (("observed", "observed"), ("corrected", "weather-corrected"))
SIGNIFICANT = 0.05


@style.styled
def filled_record(
    filled: xr.Dataset,
    *,
    well: str | None = None,
    period: tuple[str | pd.Timestamp, str | pd.Timestamp] | None = None,
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a filled or extended record: observed and filled levels, interval and simulation.

    Parameters
    ----------
    filled : xarray.Dataset
        Attribute ``levels`` of a :class:`gwforecast.questions.fill.Filled`.
    period : tuple, optional
        First and last date shown; by default all levels.
    note : str, optional
        Text above the axes at the right, such as the scores of artificial gaps.
    """
    well = prepare.only_well(filled, well)
    one = filled.sel({schema.WELL: well}, drop=True)
    flag = one["level_flag"]
    observed = one[schema.LEVEL].where(flag == 0)
    made = flag.isin(FILLED_FLAGS)
    view = prepare.view_of([one[schema.LEVEL]], period=period, split=None, well=well)
    bounds = one["level_quantiles"].where(made)
    lower, upper = bounds.isel({schema.QUANTILE: 0}), bounds.isel({schema.QUANTILE: -1})
    simulated = one["simulation"].where(one[schema.LEVEL].notnull())

    ax = style.new_axes(ax, width=style.WIDE, height=2.9)
    times = one[schema.TIME].values
    ax.fill_between(
        times, lower.values, upper.values, color=style.INTERVAL, lw=0, label="95 % interval",
        zorder=1.5,
    )  # fmt: skip
    ax.plot(times, simulated.values, color=style.SPARE, lw=0.8, label="simulation alone", zorder=2)
    name = "extended" if flag.isin(EXTENDED).any() else "filled"
    joined = _with_neighbours(one[schema.LEVEL].values, made.values)
    ax.plot(times, joined, color=style.PREDICTED, lw=1.4, label=name, zorder=2.5)
    style.draw_levels(ax, observed, label="observed")
    frame(ax, prepare.limits_of([one[schema.LEVEL], lower, upper], view=view), None, view=view)
    ax.set_ylabel(level_label(one[schema.LEVEL]))
    style.title(ax, prepare.whose(well, filled.attrs.get("model")), note)
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    order = ("observed", name, "95 % interval", "simulation alone")
    shown = [handles[label] for label in order if label in handles]
    style.legend_below(ax, handles=shown, below=style.date_axis(ax, view))
    return style.finish(ax)


def _with_neighbours(level: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return filled levels with the observed ones next to them, so that lines meet."""
    padded = np.pad(made, 1)
    return np.where(made | padded[:-2] | padded[2:], level, np.nan)


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
    """
    well = prepare.only_well(levels, well)
    one = levels.sel({schema.WELL: well}, drop=True)
    reference, changed = (one[schema.LEVEL].isel(scenario=number) for number in (0, 1))
    name = str(one["scenario"].values[1])
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(style.WIDE, 4.6), sharex=True, layout="constrained",
        gridspec_kw={"height_ratios": [3, 2]},
    )  # fmt: skip
    middle = prepare.central(reference)
    series = [middle, changed.isel({schema.QUANTILE: 0}), changed.isel({schema.QUANTILE: -1})]
    if observed is not None:
        series.append(observed.sel({schema.WELL: well}, drop=True))
        style.draw_levels(above, series[-1], label="observed", color=style.SPARE)
    above.plot(
        one[schema.TIME].values, middle, color=style.OBSERVED, lw=1.1, label="reference", zorder=2.6
    )
    _band(above, changed, name=name)
    view = prepare.view_of([middle], period=None, split=None, well=well)
    frame(above, prepare.limits_of(series, view=view), None, view=view)
    above.set_ylabel(level_label(levels[schema.LEVEL]))
    below.axhline(0.0, color=style.INK, lw=0.6)
    _band(below, one["difference"], name=name)
    below.set_ylabel("difference [m]")
    style.date_axis(below, view)
    who = prepare.whose(well, levels.attrs.get("model"))
    style.label_figure(figure, f"{who}, what if: {name}")
    return [style.finish(above), style.finish(below, grid="y")]


def _band(ax: Axes, quantiles: xr.DataArray, *, name: str) -> None:
    times = quantiles[schema.TIME].values
    middle = quantiles.sel({schema.QUANTILE: 0.5}).values
    ax.plot(times, middle, color=style.PREDICTED, lw=1.2, label=name, zorder=2.8)
    lower, upper = (quantiles.isel({schema.QUANTILE: end}).values for end in (0, -1))
    ax.fill_between(times, lower, upper, color=style.INTERVAL, lw=0, label="95 % interval",
                    zorder=1.5, alpha=0.8)  # fmt: skip


@style.styled
def projections(levels: xr.Dataset, *, well: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw yearly mean levels under climate projections: each, their median and their range.

    Parameters
    ----------
    levels : xarray.Dataset
        Attribute ``levels`` of a :class:`gwforecast.questions.projections.Projected`.
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
    name = prepare.whose(well, levels.attrs.get("model"))
    style.title(ax, name, f"yearly means, {count} projection{'s' if count > 1 else ''}")
    style.legend_below(ax)
    return style.finish(ax, grid="y")


@style.styled
def trend(
    levels: xr.Dataset, trends: pd.DataFrame, shifts: pd.DataFrame, *, well: str | None = None
) -> list[Axes]:
    """Draw the level as observed and corrected for the weather, each with its trend.

    The line is dashed where the trend is not significant at 5 %; a shift of the corrected level
    that is significant is marked.

    Parameters
    ----------
    levels : xarray.Dataset
        Attribute ``levels`` of a :class:`gwforecast.questions.trend.Trends`.
    trends, shifts : pandas.DataFrame
        Its tables of trends and shifts.
    """
    well = prepare.only_well(levels, well)
    one = levels.sel({schema.WELL: well}, drop=True)
    figure, axes = plt.subplots(2, 1, figsize=(style.WIDE, 4.6), sharex=True, layout="constrained")
    view = prepare.view_of([one["observed"]], period=None, split=None, well=well)
    for ax, (name, series) in zip(axes, PANELS, strict=True):
        level = one[name]
        style.draw_levels(ax, level, label="level")
        chosen = trends[(trends[schema.WELL] == well) & (trends["series"] == series)]
        note = "no trend computed" if not len(chosen) else _line(ax, level, chosen.iloc[0])
        style.title(ax, f"{series} level", note)
        style.plain_numbers(ax.yaxis)
        style.finish(ax, grid="y")
    own = shifts[(shifts[schema.WELL] == well) & (shifts.get("p_value", np.nan) <= SIGNIFICANT)]
    for row in own.to_dict("records"):
        label = f"shift of {row['size']:+.2f} m ({_probability(row['p_value'])})"
        axes[1].axvline(row["date"], color=style.INK, lw=1.0, ls=(0, (2, 2)),
                        label=label.replace("-", MINUS))  # fmt: skip
    style.date_axis(axes[1], view)
    who = prepare.whose(well, levels.attrs.get("model"))
    style.label_figure(figure, who, ylabel=level_label(one["observed"]))
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
    slope, lower, upper = (f"{100 * found[key]:+.1f}" for key in ("slope", "lower", "upper"))
    note = f"{slope} cm a year ({lower} to {upper}), {_probability(found['p_value'])}"
    return note.replace("-", MINUS)


def _probability(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
