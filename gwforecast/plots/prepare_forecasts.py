"""What the figures of forecasts show, computed apart from drawing it.

What the figures of scores and of states show, computed apart from drawing it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.plots import prepare
from gwforecast.plots.prepare import Interval, View
from gwforecast.verification.status import OUTLOOK_CLASSES

__all__ = [
    "OUTLOOK_CLASSES",
    "Curves",
    "Issued",
    "Months",
    "curves",
    "fan_view",
    "intervals",
    "issued",
    "issues_of",
    "lead_numbers",
    "months_of",
    "rain_through",
    "spread_apart",
    "usual_levels",
]


NORMAL_QUANTILES = (0.1, 0.5, 0.9)
NORMAL_DAYS = 15.0
"""Days of the year around a date of which the levels are usual."""


@dataclass(frozen=True)
class Issued:
    """The forecast of one well and model from one issue time: levels, dims (time, quantile), m."""

    time: np.datetime64
    level: xr.DataArray


def issues_of(forecast: xr.Dataset, *, well: str, model: str | None) -> xr.DataArray:
    """Return the forecasts of a well and model, dims (issue_time, lead_time, quantile), m.

    Members become the quantiles of :data:`gwforecast.calibration.intervals.QUANTILES`, NaN where a
    member is missing; a forecast without either is the median. A dimension of which one value was
    selected may be a scalar coordinate.

    Parameters
    ----------
    forecast : xarray.Dataset
        ``level`` ([model,] well, issue_time, lead_time[, quantile | member]), m.
    well : str
        Which well.
    model : str, optional
        Which model; may be left out where there is one.

    Raises
    ------
    ValueError
        If there is no such well or model, or there are several models and none is asked for.
    """
    level = forecast[schema.LEVEL]
    if schema.MODEL in level.dims:
        level = level.sel({schema.MODEL: _only_model(level, model)}, drop=True)
    prepare.only_well(level, well)
    if schema.WELL in level.dims:
        level = level.sel({schema.WELL: well}, drop=True)
    for dimension in (schema.ISSUE_TIME, schema.LEAD_TIME):
        if dimension not in level.dims:
            level = level.expand_dims(dimension)
    if schema.MEMBER in level.dims:
        level = level.quantile(list(QUANTILES), schema.MEMBER, skipna=False)
    if schema.QUANTILE not in level.dims:
        level = level.expand_dims({schema.QUANTILE: [0.5]})
    valid = forecast[schema.VALID_TIME]
    for dimension in (schema.ISSUE_TIME, schema.LEAD_TIME):
        if dimension not in valid.dims:
            valid = valid.expand_dims(dimension)
    order = (schema.ISSUE_TIME, schema.LEAD_TIME)
    level = level.assign_coords({schema.VALID_TIME: (order, valid.transpose(*order).values)})
    return level.transpose(*order, schema.QUANTILE)


def _only_model(level: xr.DataArray, model: str | None) -> str:
    models = [str(name) for name in level[schema.MODEL].values]
    if model in models:
        return str(model)
    if model is None and len(models) == 1:
        return models[0]
    what = f"{len(models)} models" if model is None else f"model {model!r}"
    raise ValueError(
        f"A figure of forecasts shows one model that they hold. Received {what}; there are "
        f"{', '.join(models)}. Name one with model=..."
    )


def issued(
    forecast: xr.Dataset, *, well: str, issue_time: object | None, model: str | None
) -> Issued:
    """Return the forecast from one issue time, by default the last.

    Raises
    ------
    ValueError
        If the well, the model or the issue time is not there, or the forecast holds no level.
    """
    level = issues_of(forecast, well=well, model=model)
    times = level[schema.ISSUE_TIME].values
    wanted = times[-1] if issue_time is None else timeline.to_times([issue_time])[0]
    places = np.flatnonzero(times == wanted)
    if places.size == 0:
        raise ValueError(
            "A figure shows an issue time that the forecast holds. Received "
            f"{timeline.format_time(wanted)}; there are {times.size}, "
            f"{timeline.format_time(times[0])} to {timeline.format_time(times[-1])}. Choose one "
            "of them."
        )
    one = level.isel({schema.ISSUE_TIME: int(places[0])}, drop=True)
    if not prepare.central(one).notnull().any():
        raise ValueError(
            f"A figure of a forecast needs a predicted level. Received none for well {well!r} "
            f"from {timeline.format_time(wanted)}. Choose another issue time or model."
        )
    valid = one[schema.VALID_TIME].values
    one = one.drop_vars([schema.VALID_TIME, schema.LEAD_TIME])
    one = one.rename({schema.LEAD_TIME: schema.TIME}).assign_coords({schema.TIME: valid})
    return Issued(np.datetime64(wanted), one)


def intervals(level: xr.DataArray) -> list[Interval]:
    """Return the intervals between quantiles q and 1 - q that hold levels, the widest first.

    Parameters
    ----------
    level : xarray.DataArray
        Dims (time, quantile), m.
    """
    quantiles = level[schema.QUANTILE].values
    found = []
    for low in quantiles[quantiles < 0.5]:
        pair = quantiles[np.isclose(quantiles, low) | np.isclose(quantiles, 1 - low)]
        bounds = prepare.interval(level.sel({schema.QUANTILE: pair}))
        if bounds is not None:
            found.append(bounds)
    return found


def fan_view(forecast: Issued, observations: xr.Dataset, *, history: int | None) -> View:
    """Return what a fan shows: steps before the issue time, and all valid times.

    Without ``history`` these are twice as many as the steps ahead, and half a year at least.

    Raises
    ------
    ValueError
        If ``history`` is negative.
    """
    if history is not None and history < 0:
        raise ValueError(
            f"The history is a number of steps, 0 at least. Received history={history}. Leave it "
            "out for a usual one."
        )
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    half = round(timeline.steps_per_year(frequency) / 2)
    steps = max(2 * forecast.level.sizes[schema.TIME], half) if history is None else history
    start = timeline.add_steps(forecast.time, -steps, frequency)
    first = observations[schema.TIME].values[0]
    start, end = max(start, min(first, forecast.time)), forecast.level[schema.TIME].values[-1]
    if end - forecast.time < 0.05 * (end - start):  # a short forecast isn't set on the edge
        end = end + (end - start) // 40
    return start, end


def rain_through(
    observations: xr.Dataset, weather: xr.Dataset | None, *, well: str, issue_time: np.datetime64
) -> tuple[xr.DataArray | None, str]:
    """Return rain, dims (time,): observed up to the issue time and what is known of it after.

    After the issue time it is that of ``weather``, the mean of its members, else the observed.

    Returns
    -------
    rain : xarray.DataArray or None
        None where the observations hold no rain.
    later : str
        What the rain after the issue time is called.

    Raises
    ------
    ValueError
        If the weather holds no rain of this name.
    """
    name = prepare.rain_name(observations)
    if name is None:
        return None, ""
    observed = observations[name].sel({schema.WELL: well}, drop=True)
    if weather is None:
        return observed, "rain, observed later"
    if name not in weather:
        raise ValueError(
            f"The weather of a forecast holds the rain of the observations. Received "
            f"{sorted(map(str, weather.data_vars))}, without {name!r}. Rename it, or leave the "
            "weather out."
        )
    ahead = weather[name]
    if schema.WELL in ahead.dims:
        ahead = ahead.sel({schema.WELL: well}, drop=True)
    label = "rain, forecast"
    if schema.MEMBER in ahead.dims:
        ahead, label = ahead.mean(schema.MEMBER, skipna=False), "rain, forecast (mean)"
    before = observed[observed[schema.TIME].values <= issue_time]
    joined = xr.concat([before, ahead[ahead[schema.TIME].values > issue_time]], schema.TIME)
    frequency = timeline.infer_frequency(observed[schema.TIME].values)
    times = joined[schema.TIME].values
    every = timeline.regular_times(times[0], times[-1], frequency)
    return joined.reindex({schema.TIME: every}).assign_attrs(observed.attrs), label


def usual_levels(
    level: xr.DataArray, times: np.ndarray, *, before: np.datetime64
) -> xr.DataArray | None:
    """Return quantiles 0.1, 0.5 and 0.9 of the levels around the same day of all past years.

    Parameters
    ----------
    level : xarray.DataArray
        Dims (time,), m.
    times : numpy.ndarray
        Shape (time,), for which they are wanted.
    before : numpy.datetime64
        Levels up to it are used.

    Returns
    -------
    xarray.DataArray or None
        Dims (time, quantile), m; None where there are levels of fewer than three years.
    """
    past = level.where(level[schema.TIME] <= before).dropna(schema.TIME)
    if np.unique(past[schema.TIME].dt.year).size < 3:
        return None
    days = pd.DatetimeIndex(past[schema.TIME].values).day_of_year.to_numpy()
    wanted = pd.DatetimeIndex(times).day_of_year.to_numpy()
    rows = np.full((366, len(NORMAL_QUANTILES)), np.nan)
    for day in np.unique(wanted):
        apart = np.abs(days - day)
        near = np.minimum(apart, 365.25 - apart) <= NORMAL_DAYS
        if near.any():
            rows[day - 1] = np.quantile(past.values[near], NORMAL_QUANTILES)
    coords = {schema.TIME: times, schema.QUANTILE: list(NORMAL_QUANTILES)}
    return xr.DataArray(rows[wanted - 1], coords, (schema.TIME, schema.QUANTILE))


def lead_numbers(lead_time: np.ndarray) -> tuple[np.ndarray, str]:
    """Return lead times as numbers, and their unit; plain numbers are months.

    Examples
    --------
    >>> lead_numbers(np.array([7, 14], "timedelta64[D]"))
    (array([1., 2.]), 'weeks')
    """
    lead_time = np.asarray(lead_time)
    if lead_time.dtype.kind != "m":
        return lead_time.astype(float), "months"
    days = lead_time / np.timedelta64(1, "D")
    return (days / 7, "weeks") if (days % 7 == 0).all() else (days, "days")


@dataclass(frozen=True)
class Curves:
    """Means over wells of a score by lead time.

    Attributes
    ----------
    values : pandas.DataFrame
        Index lead time as a number, one column for each model.
    unit : str
        Of the lead time.
    wells : int
        Number of wells of which the means are taken; the largest where it differs by lead time.
    pairs : tuple of int
        Fewest and most pairs of a lead time.
    without : list of str
        Models without a score.
    """

    values: pd.DataFrame
    unit: str
    wells: int
    pairs: tuple[int, int]
    without: list[str]


@dataclass(frozen=True)
class Months:
    """Numbers of classes and percentiles, (well, month), and how many last months are forecast."""

    wells: list[str]
    times: list[pd.Timestamp]
    classes: np.ndarray
    percentiles: np.ndarray
    forecast: int


def curves(
    scores: pd.DataFrame,
    *,
    metric: str,
    wells: Iterable[str] | None,
    models: Iterable[str] | None,
) -> Curves:
    """Return the mean of a score over wells by model and lead time.

    At each lead time it is of the wells in which all models have one that have any there, so that
    the models are compared on the same wells.

    Raises
    ------
    ValueError
        If a well or model is not there, or there is no score of this metric.
    """
    chosen = _chosen(scores, wells=wells, models=models)
    table = chosen[chosen["metric"] == metric]
    known = table[table["value"].notna()]
    if known.empty:
        there = chosen.loc[chosen["value"].notna(), "metric"].unique()
        raise ValueError(
            f"Scores by lead time are drawn of a metric that there is. Received {metric!r}; there "
            f"are {', '.join(map(str, there)) or 'none'}. Choose another metric."
        )
    names = [str(model) for model in table["model"].unique()]
    with_scores = known.groupby("lead")["model"].nunique()
    complete = known.groupby(["lead", "well"])["model"].nunique()
    full = complete[complete == with_scores.reindex(complete.index.get_level_values("lead")).values]
    rows = pd.MultiIndex.from_frame(known[["lead", "well"]]).isin(full.index)
    common = known[rows]
    values = common.pivot_table("value", index="lead", columns="model", aggfunc="mean")
    numbers, unit = _leads(table, values.index)
    pairs = common.groupby(["lead", "well"])["n"].min().groupby("lead").sum()
    return Curves(
        values.set_axis(pd.Index(numbers, name="lead"))[[m for m in names if m in values]],
        unit,
        int(common.groupby("lead")["well"].nunique().max()),
        (int(pairs.min()), int(pairs.max())),
        [m for m in names if m not in values],
    )


def _chosen(
    scores: pd.DataFrame, *, wells: Iterable[str] | None, models: Iterable[str] | None
) -> pd.DataFrame:
    for column, wanted in (("well", wells), ("model", models)):
        if wanted is None:
            continue
        names = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
        there = [str(name) for name in scores[column].unique()]
        lacking = [name for name in names if name not in there]
        if lacking:
            raise ValueError(
                f"A figure shows {column}s that the scores hold. Received {lacking[0]!r}; there "
                f"are {', '.join(there[:8])}. Choose some of them."
            )
        scores = scores[scores[column].isin(names)]
    return scores


def _leads(table: pd.DataFrame, steps: pd.Index) -> tuple[np.ndarray, str]:
    if "lead_time" not in table:
        return steps.to_numpy(float), "steps"
    times = table.drop_duplicates("lead").set_index("lead")["lead_time"].reindex(steps)
    return lead_numbers(times.to_numpy())


def spread_apart(heights: np.ndarray, *, gap: float, low: float, high: float) -> np.ndarray:
    """Return heights that lie ``gap`` apart at least, near to those given, in their order.

    Heights that belong together are moved as a block around their mean, so that no one of them
    moves further than it must; where there is no room, they share what there is.

    Parameters
    ----------
    heights : numpy.ndarray
        Shape (label,).
    gap, low, high : float
        Least distance, and between what all lie.

    Examples
    --------
    >>> spread_apart(np.array([5.0, 5.0, 9.0]), gap=2.0, low=0.0, high=10.0)
    array([4., 6., 9.])
    """
    if heights.size < 2:
        return np.asarray(np.clip(heights, low, high))
    gap = min(gap, (high - low) / (heights.size - 1))
    order = np.argsort(heights, kind="stable")
    blocks: list[tuple[float, int]] = []  # lowest height and number of labels of each
    for height in np.clip(heights[order], low, high).tolist():
        blocks.append((height, 1))
        while len(blocks) > 1 and blocks[-1][0] < blocks[-2][0] + gap * blocks[-2][1] - 1e-9:
            (before, number), (start, more) = blocks.pop(-2), blocks.pop()
            total = number + more
            moved = (before * number + (start - gap * number) * more) / total
            blocks.append((min(max(moved, low), high - gap * (total - 1)), total))
    placed = np.concatenate([start + gap * np.arange(number) for start, number in blocks])
    return np.asarray(placed[np.argsort(order)])


def months_of(
    status: pd.DataFrame, *, issue_time: str | np.datetime64 | pd.Timestamp | None
) -> Months:
    """Return the numbers of the classes and the percentiles by well and month.

    Raises
    ------
    ValueError
        If there is no row, a class is another, or a well has two rows for a month.
    """
    if status.empty:
        raise ValueError(
            "A strip of states needs a row for each well and month. Received none. Choose wells "
            "and months with levels."
        )
    period = pd.DatetimeIndex(status["time"]).to_period("M")
    rows = status.assign(month=period)
    names = rows["class"].dropna().astype(str)
    strange = names[~names.isin(OUTLOOK_CLASSES)]
    if len(strange):
        raise ValueError(
            f"A class is one of {', '.join(OUTLOOK_CLASSES)}. Received {strange.iloc[0]!r}. "
            "Rename it."
        )
    twice = rows[rows.duplicated(["well", "month"])]
    if len(twice):
        raise ValueError(
            "A strip shows one state for each well and month. Received two of well "
            f"{twice['well'].iloc[0]!r} in {twice['month'].iloc[0]}. Keep one of them."
        )
    times = pd.period_range(period.min(), period.max(), freq="M")
    numbers = dict(zip(OUTLOOK_CLASSES, map(float, range(7)), strict=True))
    rows = rows.assign(number=rows["class"].map(numbers).astype(float))
    wells = [str(name) for name in rows["well"].unique()]
    place = pd.MultiIndex.from_product([rows["well"].unique(), times])
    found = rows.set_index(["well", "month"])[["number", "percentile"]].reindex(place)
    issued_in = None if issue_time is None else pd.Timestamp(issue_time).to_period("M")
    return Months(
        wells,
        list(times.to_timestamp()),
        found["number"].to_numpy(float).reshape(len(wells), -1),
        found["percentile"].to_numpy(float).reshape(len(wells), -1),
        0 if issued_in is None else int((times > issued_in).sum()),
    )
