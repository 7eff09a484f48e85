"""Answers: filled records, scenarios, projections, trends, and what explains simulated levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gwforecast import schema
from gwforecast.plots import prepare, style
from gwforecast.plots.levels import frame
from gwforecast.plots.prepare import MINUS, covariate_label, level_label, units_label, wells_label

__all__ = [
    "attribution", "contributions", "filled_record", "importance", "projections", "scenario",
    "step_responses", "trend",
]  # fmt: skip


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
    note: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a filled or extended record: observed and filled levels, interval and simulation.

    Parameters
    ----------
    filled : xarray.Dataset
        Attribute ``levels`` of a :class:`gwforecast.questions.fill.Filled`.
    note : str, optional
        Text above the axes at the right, such as the scores of artificial gaps.
    """
    well = prepare.only_well(filled, well)
    one = filled.sel({schema.WELL: well}, drop=True)
    flag = one["level_flag"]
    observed = one[schema.LEVEL].where(flag == 0)
    made = flag.isin(FILLED_FLAGS)
    view = prepare.view_of([one[schema.LEVEL]], period=None, split=None, well=well)
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


MOST = 6
"""Number of inputs with a line of their own; the others are summed."""

COLOURS = {
    "rain": style.RAIN,
    "temperature": style.PREDICTED,
    "evapotranspiration": "#009E73",
    "pumping": "#882255",
    "snow": "#56B4E9",
    "stage": style.OBSERVED,
}
SPARE = ("#CC79A7", "#8A6D00", "#332288", "#6699CC", "#117733")


def _colours(names: list[str]) -> list[str]:
    """Return the colours of covariates: those of their kinds, and others in turn."""
    spare = iter(SPARE)
    kinds = [schema.covariate_kind(name, {}) for name in names]
    own = [COLOURS.get(kind) if kinds.count(kind) == 1 else None for kind in kinds]
    return [colour or next(spare, style.SPARE) for colour in own]


@style.styled
def importance(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the permutation importance of covariates, the most important first.

    A bar shows the median decrease in NSE of each covariate, and a dot each repeat and well.

    Parameters
    ----------
    table : pandas.DataFrame
        As returned by :func:`gwforecast.verification.importance.permutation_importance`.
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
        heights = row + style.jitter(drops.size, 0.18)
        ax.plot(drops, heights, "o", ms=3, mew=0, color=style.PREDICTED, alpha=0.6, zorder=3)
    ax.set_yticks(range(len(medians)), [covariate_label(str(name)) for name in medians.index])
    ax.set(ylim=(len(medians) - 0.4, -0.6), xlabel="decrease in NSE with values of other years")
    said = "bar: median; dot: weather of one other year"
    style.title(ax, prepare.whose(wells_label(table["well"]), table.attrs.get("model")), said)
    style.finish(ax, grid="x").tick_params(axis="y", length=0)
    return ax


@style.styled
def attribution(
    explained: xr.Dataset,
    *,
    well: str | None = None,
    step: str = "steps",
    ax: Axes | None = None,
) -> Axes:
    """Draw the cumulative contribution of inputs to the simulated level by lag.

    For each of the inputs with the largest contributions, a line shows the mean absolute
    attribution up to a lag, as a percentage of the total of all inputs and lags.

    Parameters
    ----------
    explained : xarray.Dataset
        As returned by :func:`gwforecast.networks.attribution.integrated_gradients`.
    step : str
        Unit of the lags, e.g. ``"days"``.
    """
    well = prepare.only_well(explained, well)
    size: xr.DataArray = abs(explained["attribution"].sel({schema.WELL: well})).mean(schema.TIME)
    size = size.transpose("input", "lag")
    size = size[np.argsort(-size.sum("lag").values)]
    shares = 100 * size.values.cumsum(axis=1) / float(size.sum())
    lags, names = size["lag"].values + 1, [str(name) for name in size["input"].values]
    ax = style.new_axes(ax, width=style.WIDE * 0.75, height=3.0)
    for name, share, colour in zip(names, shares, _colours(names[:MOST]), strict=False):
        ax.plot(lags, share, color=colour, lw=1.5, label=covariate_label(name))
    if len(names) > MOST:
        ax.plot(lags, shares[MOST:].sum(axis=0), color=style.SPARE, lw=1.2, ls=(0, (4, 2)),
                label=f"{len(names) - MOST} others")  # fmt: skip
    ax.set(
        xlim=(1, max(2, int(lags[-1]))), ylim=(0, None), xlabel=f"lag before the level [{step}]",
        ylabel="cumulative attribution [%]",
    )  # fmt: skip
    style.title(ax, prepare.whose(well, explained.attrs.get("model")), None)
    style.legend_below(ax)
    return style.finish(ax, grid="y")


@style.styled
def contributions(explained: xr.Dataset, *, well: str | None = None) -> list[Axes]:
    """Draw the contributions of covariates, stacked under the simulated level.

    The level at the reference is drawn beside it. Positive contributions are stacked upwards from
    zero and negative ones downwards.

    Parameters
    ----------
    explained : xarray.Dataset
        Attribute ``contributions`` of a :class:`gwforecast.questions.explain.Explained`.
    """
    well = prepare.only_well(explained, well)
    one = explained.sel({schema.WELL: well}, drop=True)
    times = one[schema.TIME].values
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(style.WIDE, 5.4), sharex=True, layout="constrained",
        gridspec_kw={"height_ratios": [1, 1]},
    )  # fmt: skip
    for level, colour, label in (
        (one[schema.LEVEL], style.OBSERVED, "simulated"),
        (one["base"], style.SPARE, "covariates at their reference"),
    ):
        above.plot(times, level.values, color=colour, lw=1.0, label=label)
    above.set_ylabel(level_label(explained[schema.LEVEL]))
    style.plain_numbers(above.yaxis)
    names = [str(name) for name in one["covariate"].values]
    values = np.nan_to_num(one["contribution"].transpose("covariate", schema.TIME).values)
    labels = [covariate_label(name) for name in names]
    for part, shown in ((np.maximum(values, 0), labels), (np.minimum(values, 0), [])):
        below.stackplot(times, part, colors=_colours(names), labels=shown, lw=0, alpha=0.85)
    below.plot(times, values.sum(axis=0), color=style.INK, lw=0.6, label="sum of contributions")
    below.axhline(0.0, color=style.INK, lw=0.6)
    below.set_ylabel("contribution [m]")
    style.date_axis(below, prepare.view_of([one[schema.LEVEL]], period=None, split=None, well=well))
    style.label_figure(figure, prepare.whose(well, explained.attrs.get("model")))
    return [style.finish(above), style.finish(below, grid="y")]


@style.styled
def step_responses(responses: xr.Dataset, *, well: str | None = None) -> list[Axes]:
    """Draw the response of the level to a lasting rise of each covariate by one unit.

    The 95 % interval is that from members, models and fits. Days to 50 and 90 % of the response are
    marked where its sign is known.

    Parameters
    ----------
    responses : xarray.Dataset
        Attribute ``responses`` of a :class:`gwforecast.questions.explain.Explained`.
    """
    well = prepare.only_well(responses, well)
    one = responses["response"].sel({schema.WELL: well}, drop=True)
    names = [str(name) for name in one["covariate"].values]
    figure, panels = style.panels(len(names), height=2.0)
    for ax, name in zip(panels, names, strict=True):
        _respond(ax, one.sel(covariate=name), name)
    for ax in panels[-min(2, len(panels)) :]:
        ax.set_xlabel("time since the rise began [days]")
    style.label_figure(figure, prepare.whose(well, responses.attrs.get("model")))
    return panels


def _respond(ax: Axes, response: xr.DataArray, name: str) -> None:
    days = response["lag"].values
    middle = response.sel({schema.QUANTILE: 0.5}).values
    lower, upper = (response.isel({schema.QUANTILE: end}).values for end in (0, -1))
    ax.plot(days, middle, color=style.PREDICTED, lw=1.4, label="response of the level, median")
    ax.fill_between(days, lower, upper, color=style.INTERVAL, lw=0, label="95 % interval")
    ax.axhline(0.0, color=style.INK, lw=0.6)
    known = lower[-1] * upper[-1] > 0  # otherwise the response may be of either sign
    for share in (0.5, 0.9) if known else ():
        at = int(np.argmax(middle / middle[-1] >= share)) if middle[-1] else 0
        ax.plot(days[at], middle[at], "o", ms=4, mew=0, color=style.INK, zorder=4)
        ax.annotate(
            f"{100 * share:.0f} %: {days[at]:.0f} d", (days[at], middle[at]), xytext=(6, -4),
            textcoords="offset points", fontsize=8, va="top" if middle[-1] > 0 else "bottom",
        )  # fmt: skip
    units = units_label({"units": str(response["covariate_units"].values)}).strip(" []")
    ax.set(ylabel=f"m for 1 {units}" if units else "m for one unit", xlim=(0, days[-1]))
    kind = response.coords.get("covariate_kind")
    attrs = None if kind is None else {"kind": str(kind.values)}
    style.title(ax, covariate_label(name, attrs), None)
    style.finish(ax, grid="y")
