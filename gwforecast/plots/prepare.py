"""What the figures show, computed apart from drawing it.

What figures of level and weather show, apart from drawing it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.sequences.split import PERIODS, Period, Split

__all__ = [
    "Interval",
    "View",
    "central",
    "interval",
    "is_sparse",
    "lag_correlations",
    "limits_of",
    "only_well",
    "period_spans",
    "prediction_of",
    "rain_bars",
    "rain_name",
    "rainfall_departure",
    "residual",
    "runs",
    "view_of",
]


View = tuple[np.datetime64, np.datetime64]
"""First and last time that is shown."""

_CALENDAR = (("M", 30.4, "month"), ("Q", 91.3, "3 months"), ("Y", 365.2, "year"))
_BINS: dict[str, tuple[tuple[int | str, float, str], ...]] = {
    "D": ((1, 1, "d"), (7, 7, "week"), *_CALENDAR),
    "W": ((1, 7, "week"), (4, 28, "4 weeks"), (13, 91, "13 weeks"), (52, 364, "52 weeks")),
    "M": _CALENDAR,
}
"""Widths of rain bars by step: number of steps or calendar period, days, name."""

_DEPTH = re.compile(r"^\s*(mm|cm|m|in|inch)(?:\s*/\s*|\s+|$)")
_SECOND = re.compile(r"\bs(?:-1)?$|/s(?:ec)?")


@dataclass(frozen=True)
class Interval:
    """A central prediction interval: its bounds, m, dims (time,), and its nominal coverage."""

    lower: xr.DataArray
    upper: xr.DataArray
    coverage: float


def only_well(data: xr.Dataset | xr.DataArray, well: str | None) -> str:
    """Return the name of the well to show: the one asked for, or the only one.

    Raises
    ------
    ValueError
        If there are several wells and none is asked for, or there is none of this name.
    """
    wells = [str(name) for name in np.atleast_1d(data[schema.WELL].values)]
    some = ", ".join(wells[:5]) + (", ..." if len(wells) > 5 else "")
    if well is None and len(wells) != 1:
        raise ValueError(
            f"A figure of levels shows one well. Received {len(wells)} wells: {some}. Name one "
            "with well=..."
        )
    if well is not None and well not in wells:
        raise ValueError(
            f"A figure shows a well that the data hold. Received well {well!r}; there are {some}. "
            "Choose one of them."
        )
    return wells[0] if well is None else well


def prediction_of(predictions: xr.Dataset, *, well: str, model: str) -> xr.DataArray:
    """Return the predicted levels of a well by a model, dims (time, quantile), m.

    Parameters
    ----------
    predictions : xarray.Dataset
        ``level`` over (model, well, time, quantile), m. Without ``model`` it is the simulation of
        that model; without ``quantile`` it is the central prediction.
    well, model : str
        Which of them.

    Raises
    ------
    ValueError
        If there is no such well or model.
    """
    level = predictions[schema.LEVEL]
    if schema.MODEL in level.dims:
        models = [str(name) for name in level[schema.MODEL].values]
        if model not in models:
            raise ValueError(
                f"A figure shows a model that the predictions hold. Received model {model!r}; "
                f"there are {', '.join(models)}. Choose one of them."
            )
        level = level.sel({schema.MODEL: model}, drop=True)
    level = level.sel({schema.WELL: only_well(predictions, well)}, drop=True)
    if schema.QUANTILE not in level.dims:
        level = level.expand_dims({schema.QUANTILE: [0.5]})
    return level.transpose(schema.TIME, schema.QUANTILE)


def central(level: xr.DataArray) -> xr.DataArray:
    """Return the central prediction, quantile 0.5, dims (time,), m.

    Raises
    ------
    ValueError
        If there is no quantile 0.5.
    """
    quantiles = level[schema.QUANTILE].values
    nearest = int(np.argmin(np.abs(quantiles - 0.5)))
    if not np.isclose(quantiles[nearest], 0.5):
        raise ValueError(
            f"The central prediction is quantile 0.5. Received the quantiles {quantiles.tolist()}. "
            "Add quantile 0.5 to the predictions."
        )
    return level.isel({schema.QUANTILE: nearest}, drop=True)


def interval(level: xr.DataArray) -> Interval | None:
    """Return the widest interval of two quantiles q and 1 - q, None where there is none.

    Parameters
    ----------
    level : xarray.DataArray
        Dims (time, quantile), m.
    """
    quantiles = level[schema.QUANTILE].values
    for low in np.flatnonzero(quantiles < 0.5):
        high = int(np.argmin(np.abs(quantiles - (1 - quantiles[low]))))
        bounds = level.isel({schema.QUANTILE: [int(low), high]})
        if np.isclose(quantiles[high], 1 - quantiles[low]) and bounds.notnull().any():
            lower, upper = (bounds.isel({schema.QUANTILE: k}, drop=True) for k in (0, 1))
            return Interval(lower, upper, float(quantiles[high] - quantiles[low]))
    return None


def residual(
    observations: xr.Dataset, predictions: xr.Dataset, *, well: str, model: str
) -> xr.Dataset:
    """Return ``observed``, ``predicted`` and ``residual`` (predicted - observed), dims (time,), m.

    Raises
    ------
    ValueError
        If observations and predictions are not on the same times.
    """
    observed = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    predicted = central(prediction_of(predictions, well=well, model=model))
    if not np.array_equal(observed[schema.TIME].values, predicted[schema.TIME].values):
        axes = (a[schema.TIME].values for a in (observed, predicted))
        spans = [
            f"{timeline.format_time(a[0])} to {timeline.format_time(a[-1])}, {a.size} steps"
            for a in axes
        ]
        raise ValueError(
            "Residuals need observations and predictions on the same times. Received "
            f"{spans[0]}, and {spans[1]}. Choose the same times with Dataset.sel."
        )
    pair = xr.Dataset({"observed": observed, "predicted": predicted})
    return pair.assign(residual=pair["predicted"] - pair["observed"])


def is_sparse(values: np.ndarray) -> bool:
    """Return whether levels usually have steps without a level between them, shape (time,)."""
    positions = np.flatnonzero(np.isfinite(values))
    return positions.size < 2 or float(np.median(np.diff(positions))) > 1


def runs(present: np.ndarray, *, longest: int = 1) -> list[tuple[int, int]]:
    """Return first and last position of each run of present steps.

    Parameters
    ----------
    present : numpy.ndarray
        Boolean, shape (time,).
    longest : int
        Distance in steps that two present steps of a run may have.

    Examples
    --------
    >>> runs(np.array([True, True, False, True]))
    [(0, 1), (3, 3)]
    """
    positions = np.flatnonzero(present)
    if positions.size == 0:
        return []
    breaks = np.flatnonzero(np.diff(positions) > longest)
    firsts = positions[np.concatenate([[0], breaks + 1])]
    lasts = positions[np.concatenate([breaks, [positions.size - 1]])]
    return [(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True)]


def view_of(
    series: list[xr.DataArray],
    *,
    period: Period | tuple[object, object] | None,
    split: Split | None,
    well: str,
) -> View:
    """Return what is shown: a period of the split, given dates, or all that the series hold.

    Raises
    ------
    ValueError
        If a period is asked for by name without a split, or nothing is left to show.
    """
    if isinstance(period, str):
        spans = {} if split is None else period_spans(split, well=well)
        if period not in spans:
            raise ValueError(
                "A period is shown by the name that it has in a split. Received period="
                f"{period!r} and {', '.join(spans) or 'no split'}. Give split=..., or two dates."
            )
        return spans[period]
    if period is not None:
        start, end = (np.datetime64(time) for time in timeline.to_times(list(period)))
        if start < end:
            return start, end
        raise ValueError(
            f"A view starts before it ends. Received {timeline.format_time(start)} to "
            f"{timeline.format_time(end)}. Exchange the dates."
        )
    times = np.concatenate([s[schema.TIME].values[s.notnull().values] for s in series])
    if times.size == 0:
        raise ValueError(
            f"A figure needs an observed or predicted level. Received none for well {well!r}. "
            "Choose another well."
        )
    return times.min(), times.max()


def limits_of(series: list[xr.DataArray], *, view: View) -> tuple[float, float]:
    """Return the lowest and highest value in the view.

    Where the view holds none, they are those of all times, and 0 and 1 where there is none at all.
    """
    shown = np.concatenate([s.sel({schema.TIME: slice(*view)}).values for s in series])
    known = shown[np.isfinite(shown)]
    if known.size == 0:
        every = np.concatenate([s.values for s in series])
        known = every[np.isfinite(every)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def period_spans(split: Split, *, well: str, view: View | None = None) -> dict[Period, View]:
    """Return first and last step of each period of a well that exists and lies in the view."""
    found: dict[Period, View] = {}
    for period in PERIODS:
        span = split.bounds[period].sel({schema.WELL: well, "edge": ["start", "end"]}).values
        if view is not None:
            first, last = np.array(view, span.dtype)
            span = np.array([np.maximum(span[0], first), np.minimum(span[1], last)])
        if span[0] <= span[1]:  # never for NaT
            found[period] = (span[0], span[1])
    return found


def rain_name(observations: xr.Dataset) -> str | None:
    """Return the name of the first covariate whose kind is rain, None where there is none."""
    names = schema.covariate_names(observations)
    kinds = {name: schema.covariate_kind(name, observations[name].attrs) for name in names}
    return next((name for name in names if kinds[name] == "rain"), None)


def rain_bars(rain: xr.DataArray, *, view: View, most: int = 400) -> tuple[pd.DataFrame, str]:
    """Return rain in bars that are wide enough to be seen, and the label of their axis.

    Parameters
    ----------
    rain : xarray.DataArray
        Dims (time,), with ``attrs["units"]``.
    view : tuple of numpy.datetime64
        What is shown.
    most : int
        Number of bars that may be shown; above it, steps are summed to weeks, months, ....

    Returns
    -------
    bars : pandas.DataFrame
        Columns start, end, amount, missing. A bar of which a step is missing or outside the data
        has the amount NaN: missing rain is not zero.
    label : str
        Such as ``"rain [mm/month]"``; rates that are no depth per step are averaged, not summed.
    """
    times = pd.DatetimeIndex(rain[schema.TIME].values)
    frequency = timeline.infer_frequency(times.to_numpy())
    if frequency == "ME":
        times, frequency = times.to_period("M").to_timestamp(), "MS"
    widths = _BINS[frequency[0]]
    days = (view[1] - view[0]) / np.timedelta64(1, "D")
    width, _, name = next((w for w in widths if days / w[1] <= most), widths[-1])
    units = str(rain.attrs.get("units", "")).strip()
    depth = None if _SECOND.search(units) else _DEPTH.match(units)
    native = width == widths[0][0]

    step = pd.tseries.frequencies.to_offset(frequency)
    if isinstance(width, int):
        first = times[np.arange(times.size) // width * width]
        start = first.unique()
        end = start + width * step
    else:
        first = times.to_period(width).to_timestamp()
        start = first.unique()
        end = (start.to_period(width) + 1).to_timestamp()
    groups = pd.Series(rain.values, times).groupby(first)
    amount = (groups.sum() if native or depth else groups.mean()).to_numpy()
    missing = rain.isnull().to_series().groupby(first).any().to_numpy()
    partial = (start < times[0]) | (end > times[-1] + step)
    amount = np.where(missing | partial, np.nan, amount)
    bars = pd.DataFrame({"start": start, "end": end, "amount": amount, "missing": missing})
    shown = bars[(bars["end"] > view[0]) & (bars["start"] <= view[1])].reset_index(drop=True)
    return shown, _rain_label(units, depth, name, native=native)


def _rain_label(units: str, depth: re.Match[str] | None, name: str, *, native: bool) -> str:
    units = units or "unit not given"
    if native:
        return f"rain [{units}]"
    if depth:
        return f"rain [{depth[1]}/{name}]" if name[0].isalpha() else f"rain [{depth[1]} in {name}]"
    return f"rain, mean of {name} [{units}]"


LEAST = 20
"""Pairs that a correlation needs."""


def rainfall_departure(rain: xr.DataArray) -> xr.DataArray:
    """Return how much more rain has fallen since the start than its mean would have given.

    A level that follows it owes its course to the weather; one that leaves it may be pumped or fed
    (Weber and Stewart 2004, Ground Water 42(6), 935-938, on its use and limits). It ends at zero.

    Parameters
    ----------
    rain : xarray.DataArray
        Rain of each step, dims (time).

    Returns
    -------
    xarray.DataArray
        Dims (time), in the units of the rain times a step. Steps without rain data are NaN, and
        count as the mean, so that the curve goes on level behind them.

    Examples
    --------
    >>> rain = xr.DataArray([3.0, 1.0, np.nan, 2.0], dims="time")
    >>> rainfall_departure(rain).values
    array([ 1.,  0., nan,  0.])
    """
    away = (rain - rain.mean(schema.TIME)).fillna(0.0)
    return away.cumsum(schema.TIME).where(rain.notnull())


def lag_correlations(
    level: xr.DataArray, covariates: xr.Dataset, *, names: Sequence[str], most: int
) -> pd.DataFrame:
    """Return the correlation of the level with the mean of each covariate over the steps before.

    Parameters
    ----------
    level : xarray.DataArray
        Dims (time), m; NaN where nothing was observed.
    covariates : xarray.Dataset
        On the same times, dims (time).
    names : sequence of str
        Which covariates.
    most : int
        Most steps that a mean reaches back, the level's own step included.

    Returns
    -------
    pandas.DataFrame
        Columns covariate, steps, correlation (Pearson; NaN below 20 pairs), n; some forty numbers
        of steps from 1 to the most, evenly spread by their ratios.
    """
    steps = np.unique(np.geomspace(1, most, 40).round().astype(int))
    target = level.to_series()
    rows = []
    for name in names:
        series = covariates[name].to_series()
        for step in steps:
            mean = series.rolling(int(step)).mean()
            both = mean.notna() & target.notna()
            n = int(both.sum())
            varied = n >= LEAST and mean[both].std() > 0 and target[both].std() > 0
            rows.append((name, step, mean[both].corr(target[both]) if varied else np.nan, n))
    return pd.DataFrame(rows, columns=["covariate", "steps", "correlation", "n"])
