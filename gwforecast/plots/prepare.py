"""Data and texts of figures, prepared apart from drawing them.

Texts are the names of models, wells, covariates and scores, units, lead times and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.sequences.split import PERIODS, Period, Split
from gwforecast.verification.metrics import METRICS

__all__ = [
    "MINUS", "WEATHER", "Interval", "View", "by_error", "central", "covariate_label", "intervals",
    "is_sparse", "isolated", "lag_correlations", "lead_label", "lead_numbers", "level_label",
    "limits_of", "metric_label", "model_label", "only_model", "only_well", "perfect_value",
    "period_spans", "prediction_of", "rain_bars", "rain_name", "rainfall_departure", "residual",
    "runs", "shortened", "thousands", "units_label", "view_of", "wells_label", "whose",
]  # fmt: skip


MINUS = "\N{MINUS SIGN}"

_KINDS = {
    "temperature_min": "minimum temperature",
    "temperature_max": "maximum temperature",
    "stage": "river stage",
}
"""Kinds of covariates whose name in figures is not the word itself."""

WEATHER = {
    "observed": "with observed weather",
    "climatology": "with weather of past years",
    "forecast": "with a weather forecast",
    "ensemble": "with a weather forecast",
}
"""Origin of the weather after an issue time, by forcing."""

_UNITS = {"degC": "°C", "m3/d": "m³/d", "W/m2": "W/m²", "W m-2": "W/m²"}


def shortened(name: str, *, most: int) -> str:
    """Return a name of at most ``most`` letters, with an ellipsis in the middle of a longer one.

    The end is kept, because wells often differ by it.

    Examples
    --------
    >>> shortened("municipal well 12, deep", most=11)
    'munic…deep'
    """
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return name[: most - 1 - tail].rstrip() + "\N{HORIZONTAL ELLIPSIS}" + name[-tail:].lstrip()


def level_label(level: xr.DataArray) -> str:
    """Return the label of an axis of levels, such as ``"level [m above NAP]"``."""
    units = str(level.attrs.get("units", schema.LEVEL_UNITS))
    datum = str(level.attrs.get("vertical_datum", "")).strip()
    return f"level [{units} above {datum}]" if datum else f"level [{units}]"


def model_label(model: str) -> str:
    """Return the name of a model as it is written in figures.

    Words of up to three letters are acronyms, and so are words of four letters that begin with a
    vowel or have none. Names with capital letters are left as they are.

    Examples
    --------
    >>> [model_label(name) for name in ("lstm", "arma_regression", "global_gru", "blend", "wide")]
    ['LSTM', 'ARMA regression', 'global GRU', 'blend', 'wide']
    """
    if model != model.lower():
        return model.replace("_", " ")
    return " ".join(word.upper() if _is_acronym(word) else word for word in model.split("_"))


def _is_acronym(word: str) -> bool:
    if not word.isalpha() or len(word) > 4:
        return False
    return len(word) <= 3 or word[0] in "aeiou" or not set(word) & set("aeiouy")


def covariate_label(name: str, attrs: Mapping[str, Any] | None = None) -> str:
    """Return the name of a covariate in words, with the provider's code behind it.

    Examples
    --------
    >>> covariate_label("rr"), covariate_label("TX"), covariate_label("snow_storage")
    ('rain (rr)', 'maximum temperature (TX)', 'snow storage')
    """
    kind = schema.covariate_kind(name, dict(attrs or {}))
    words = name.replace("_", " ")
    spoken = _KINDS.get(kind, kind.replace("_", " "))
    is_code = len(name) <= 4 and name.lower() not in (kind, "rain", "snow", "wind")
    if kind not in ("other", "season") and is_code:
        return f"{spoken} ({name})"
    return words


def units_label(attrs: Mapping[str, Any]) -> str:
    """Return the units in brackets as they follow a name, such as ``" [mm/d]"``; empty for none.

    Examples
    --------
    >>> units_label({"units": "degC"}), units_label({"units": "1"})
    (' [°C]', '')
    """
    units = str(attrs.get("units", "")).strip()
    return "" if units in ("", "1", "-") else f" [{_UNITS.get(units, units)}]"


def wells_label(wells: Iterable[object], several: str = "") -> str:
    """Return the name of the only well, or the number of wells behind a text.

    Examples
    --------
    >>> wells_label(["fen", "fen"]), wells_label(["fen", "scarp"], "mean of ")
    ('fen', 'mean of 2 wells')
    """
    names = list(dict.fromkeys(map(str, wells)))
    return names[0] if len(names) == 1 else f"{several}{len(names)} wells"


def thousands(count: int) -> str:
    """Return a number with thin spaces between the thousands."""
    return f"{count:,}".replace(",", "\N{THIN SPACE}")


def perfect_value(metric: str) -> float:
    """Return the value of a metric for a perfect prediction."""
    if metric in METRICS:
        return float(METRICS[metric].perfect)
    if metric.startswith("coverage_"):
        return float(metric.removeprefix("coverage_")) / 100
    return 1.0 if metric.startswith("skill") else 0.0


def metric_label(metric: str) -> str:
    """Return the label of an axis of a metric, such as ``"RMSE [m]"``.

    Examples
    --------
    >>> metric_label("width_95"), metric_label("skill_crps_persistence")
    ('width of the 95 % interval [m]', 'CRPS skill relative to persistence')
    """
    if metric in METRICS:
        units = METRICS[metric].units
        return METRICS[metric].label + ("" if units == "1" else f" [{units}]")
    what, _, level = metric.rpartition("_")
    if level.isdigit():
        units = "" if what == "coverage" else " [m]"
        return f"{what.replace('_', ' ')} of the {level} % interval{units}"
    if metric.startswith("skill_"):
        score, _, baseline = metric.removeprefix("skill_").partition("_")
        relative = f" relative to {model_label(baseline)}" if baseline else ""
        return f"{score.upper()} skill{relative}"
    return "CRPS [m]" if metric == "crps" else metric


def lead_numbers(lead_time: np.ndarray) -> tuple[np.ndarray, str]:
    """Return lead times as numbers, and their unit; numbers without a unit are months.

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


def lead_label(lead_time: object) -> str:
    """Return one lead time in words.

    Examples
    --------
    >>> lead_label(np.timedelta64(7, "D")), lead_label(3)
    ('1 week', '3 months')
    """
    numbers, unit = lead_numbers(pd.Index([lead_time]).to_numpy())
    return f"{numbers[0]:g} {unit if numbers[0] != 1 else unit[:-1]}"


View = tuple[np.datetime64, np.datetime64]
"""First and last time shown."""

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
    """A central prediction interval: bounds, m, dims (time,), and nominal coverage."""

    lower: xr.DataArray
    upper: xr.DataArray
    coverage: float


def only_well(data: xr.Dataset | xr.DataArray, well: str | None) -> str:
    """Return the name of the well to show: the given one, or the only one."""
    wells = [str(name) for name in np.atleast_1d(data[schema.WELL].values)]
    some = ", ".join(wells[:5]) + (", ..." if len(wells) > 5 else "")
    if well is None and len(wells) != 1:
        raise ValueError(
            f"The figure shows one well. Received {len(wells)} wells: {some}. Choose one with "
            "well=..."
        )
    if well is not None and well not in wells:
        raise ValueError(
            f"The well must be in the data. Received well {well!r}; there are {some}. Choose one "
            "of them."
        )
    return wells[0] if well is None else well


def only_model(
    data: xr.Dataset | xr.DataArray, model: str | None, *, well: str | None = None
) -> str:
    """Return the name of the model to show: the given one, or the only one; empty for none.

    Where each well has a model of its own, it is that of the well.
    """
    if schema.MODEL not in data.coords:
        return model or str(data.attrs.get("model", ""))
    if schema.WELL in data[schema.MODEL].dims:
        named = "" if well is None else str(data[schema.MODEL].sel({schema.WELL: well}).values)
        return model or named
    models = [str(name) for name in np.atleast_1d(data[schema.MODEL].values)]
    if model in models:
        return str(model)
    if len(models) == 1 and (model is None or not data[schema.MODEL].dims):
        return models[0] if model is None else str(model)
    what = f"{len(models)} models" if model is None else f"model {model!r}"
    raise ValueError(
        f"The figure shows one model of the predictions. Received {what}; there are "
        f"{', '.join(models)}. Choose one with model=..."
    )


def whose(well: str, model: str | None, *, of: xr.Dataset | None = None) -> str:
    """Return the title of a figure of a well, a model, and the scenario of their levels."""
    scenario = None if of is None else of.attrs.get("scenario")
    parts = [well, model and model_label(model), scenario and f"scenario {scenario!r}"]
    return ", ".join(str(part) for part in parts if part)


def prediction_of(predictions: xr.Dataset, *, well: str, model: str | None) -> xr.DataArray:
    """Return the predicted levels of a well by a model, dims (time, quantile), m.

    Levels without quantiles are the central prediction.
    """
    level = predictions[schema.LEVEL]
    if schema.MODEL in level.dims:
        level = level.sel({schema.MODEL: only_model(level, model)}, drop=True)
    level = level.sel({schema.WELL: only_well(predictions, well)}, drop=True)
    if schema.QUANTILE not in level.dims:
        level = level.expand_dims({schema.QUANTILE: [0.5]})
    return level.transpose(schema.TIME, schema.QUANTILE)


def central(level: xr.DataArray) -> xr.DataArray:
    """Return the central prediction, quantile 0.5, dims (time,), m."""
    quantiles = level[schema.QUANTILE].values
    nearest = int(np.argmin(np.abs(quantiles - 0.5)))
    if not np.isclose(quantiles[nearest], 0.5):
        raise ValueError(
            "The predictions must have the quantile 0.5. Received the quantiles "
            f"{quantiles.tolist()}. Add 0.5 to them."
        )
    return level.isel({schema.QUANTILE: nearest}, drop=True)


def intervals(level: xr.DataArray) -> list[Interval]:
    """Return the intervals between quantiles q and 1 - q with known levels, the widest first."""
    quantiles, found = level[schema.QUANTILE].values, []
    for low in np.flatnonzero(quantiles < 0.5):
        high = int(np.argmin(np.abs(quantiles - (1 - quantiles[low]))))
        bounds = level.isel({schema.QUANTILE: [int(low), high]})
        if np.isclose(quantiles[high], 1 - quantiles[low]) and bounds.notnull().any():
            lower, upper = (bounds.isel({schema.QUANTILE: k}, drop=True) for k in (0, 1))
            found.append(Interval(lower, upper, float(quantiles[high] - quantiles[low])))
    return found


def residual(
    observations: xr.Dataset, predictions: xr.Dataset, *, well: str, model: str | None
) -> xr.Dataset:
    """Return observed, predicted and residual (predicted - observed), dims (time,), m."""
    observed = observations[schema.LEVEL].sel({schema.WELL: well}, drop=True)
    predicted = central(prediction_of(predictions, well=well, model=model))
    if not np.array_equal(observed[schema.TIME].values, predicted[schema.TIME].values):
        axes = (a[schema.TIME].values for a in (observed, predicted))
        spans = [
            f"{timeline.format_time(a[0])} to {timeline.format_time(a[-1])}, {a.size} steps"
            for a in axes
        ]
        raise ValueError(
            "Observations and predictions must be on the same time steps. Received "
            f"{spans[0]}, and {spans[1]}. Select the same times with Dataset.sel."
        )
    pair = xr.Dataset({"observed": observed, "predicted": predicted})
    return pair.assign(residual=pair["predicted"] - pair["observed"])


def by_error(level: xr.DataArray, predictions: xr.Dataset, *, well: str) -> list[str]:
    """Return all models, in the order of their root mean square error from observed levels."""
    errors = {}
    for model in np.atleast_1d(predictions[schema.MODEL].values):
        predicted = central(prediction_of(predictions, well=well, model=str(model)))
        observed = level.reindex({schema.TIME: predicted[schema.TIME].values})
        error = float(np.sqrt(((predicted - observed) ** 2).mean()))
        errors[str(model)] = error if np.isfinite(error) else np.inf
    return sorted(errors, key=lambda name: errors[name])


def is_sparse(values: np.ndarray) -> bool:
    """Return whether a series, shape (time,), usually has empty steps between its values."""
    positions = np.flatnonzero(np.isfinite(values))
    return positions.size < 2 or float(np.median(np.diff(positions))) > 1


def isolated(known: np.ndarray) -> np.ndarray:
    """Return where a known step, shape (time,), has no known one beside it.

    Examples
    --------
    >>> isolated(np.array([True, True, False, True]))
    array([False, False, False,  True])
    """
    padded = np.pad(known, 1)
    return np.asarray(known & ~padded[:-2] & ~padded[2:])


def runs(present: np.ndarray, *, longest: int = 1) -> list[tuple[int, int]]:
    """Return first and last position of each run of present steps, at most ``longest`` apart.

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
    """Return the first and last time shown: of a period, of two dates, or of all known values."""
    if isinstance(period, str):
        spans = {} if split is None else period_spans(split, well=well)
        if period not in spans:
            raise ValueError(
                f"A period given by its name must be in the split. Received period={period!r} and "
                f"{', '.join(spans) or 'no split'}. Give split=..., or two dates."
            )
        return spans[period]
    if period is not None:
        start, end = (np.datetime64(time) for time in timeline.to_times(list(period)))
        if start < end:
            return start, end
        raise ValueError(
            f"A period must start before it ends. Received {timeline.format_time(start)} to "
            f"{timeline.format_time(end)}. Swap the dates."
        )
    times = np.concatenate([s[schema.TIME].values[s.notnull().values] for s in series])
    if times.size == 0:
        raise ValueError(
            "The figure needs an observed or predicted level. Received none for well "
            f"{well!r}. Choose another well."
        )
    return times.min(), times.max()


def limits_of(series: list[xr.DataArray], *, view: View) -> tuple[float, float]:
    """Return the lowest and highest value in the view.

    Without values in the view, they are those of all times; without any values, 0 and 1.
    """
    shown = np.concatenate([s.sel({schema.TIME: slice(*view)}).values for s in series])
    known = shown[np.isfinite(shown)]
    if known.size == 0:
        every = np.concatenate([s.values for s in series])
        known = every[np.isfinite(every)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def period_spans(split: Split, *, well: str, view: View | None = None) -> dict[Period, View]:
    """Return the first and last step of each period of a well, cut to the view."""
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
    """Return the name of the first covariate of the kind rain, or None."""
    names = schema.covariate_names(observations)
    kinds = {name: schema.covariate_kind(name, observations[name].attrs) for name in names}
    return next((name for name in names if kinds[name] == "rain"), None)


def rain_bars(
    rain: xr.DataArray, *, view: View, most: int = 400, issue_time: np.datetime64 | None = None
) -> tuple[pd.DataFrame, str]:
    """Return rain as bars wide enough to be visible, and the label of their axis.

    Of more than ``most`` bars, steps are summed to weeks, months, ...; rates that are not a depth
    per step are averaged. With an issue time, bars of daily and weekly steps end at their time
    stamps, and one of them ends at the issue time, so that rain known at the issue time is before
    it. The table has the columns start, end, amount and missing. The amount is NaN if a step of the
    bar is missing or outside the data, as missing rain is not zero.
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
        known = 0 if issue_time is None else int((times <= issue_time).sum())
        group = (np.arange(times.size) - known % width) // width
        span = pd.Timedelta(days=7 if frequency[0] == "W" else 1)
        if issue_time is not None or frequency[0] == "W":  # bars end at their time stamps
            times = times - span
        numbers = np.unique(group) * width + known % width
        start = pd.DatetimeIndex(times[0] + pd.to_timedelta(numbers * span.days, unit="D"))
        first, end = start[group - group[0]], start + width * span
    else:
        first = times.to_period(width).to_timestamp()
        start = first.unique()
        end = (start.to_period(width) + 1).to_timestamp()
    groups = pd.Series(rain.values, times).groupby(first)
    amount = (groups.sum() if native or depth else groups.mean()).to_numpy()
    missing = pd.Series(rain.isnull().values, times).groupby(first).any().to_numpy()
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
"""Smallest number of pairs of a correlation."""


def rainfall_departure(rain: xr.DataArray) -> xr.DataArray:
    """Return the cumulative rainfall departure: the cumulative sum of rain minus its mean.

    A level that follows the curve is controlled by the weather; a level that leaves it may be
    influenced by pumping or artificial recharge (Weber and Stewart 2004, Ground Water
    42(6), 935-938, on use and limits). Steps without rain are NaN and count as the mean; the curve
    ends at zero.

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
    """Return the correlation of the level with the mean of each covariate over preceding steps.

    The table has the columns covariate, steps, correlation (Pearson; NaN for fewer than 20 pairs)
    and n; for up to 40 numbers of steps from 1 to ``most``, evenly spaced on a logarithmic scale.
    A mean includes the step of the level.
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
