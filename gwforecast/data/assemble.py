"""Observations from what people hold in memory: Series, DataFrames wide and long, dicts of them.

Levels keep their own cadence: they are put on the regular axis of the covariates where they fall on
one of its steps, and NaN stands wherever nothing was observed. What does not fit is an error, and
each mend is a setting that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.depth import level_from_depth
from gwforecast.data.series import series_by_well
from gwforecast.schema import SchemaError

__all__ = ["AtStep", "Duplicates", "observations_from_frames"]

AtStep = Literal["mean", "last", "first", "nearest"]
Duplicates = Literal["first", "last", "mean"]
TO_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048}
SENTINELS = (-9999.0, -999.0, -999.9, -99999.0, -9999.9, 9999.0, 99999.0)
UNITS_BY_KIND = {"rain": "mm", "evapotranspiration": "mm", "temperature": "degC",
                 "temperature_min": "degC", "temperature_max": "degC", "humidity": "%",
                 "radiation": "W/m2", "wind": "m/s", "pressure": "hPa"}  # fmt: skip


def observations_from_frames(
    levels: pd.Series | pd.DataFrame | Mapping[str, pd.Series | pd.DataFrame],
    covariates: pd.DataFrame | Mapping[str, pd.DataFrame] | None = None,
    *,
    attributes: pd.DataFrame | None = None,
    well: str | None = None,
    level_column: str | None = None,
    reference_level: float | Mapping[str, float] | None = None,
    datum: str | None = None,
    units: str | None = None,
    covariate_units: Mapping[str, str] | None = None,
    at_step: AtStep | None = None,
    duplicates: Duplicates | None = None,
    sort: bool = False,
    missing_values: Iterable[float] = (),
) -> xr.Dataset:
    """Return levels and weather as observations, dims (well, time).

    Parameters
    ----------
    levels : pandas.Series, pandas.DataFrame, or mapping of str to these
        A Series of one well; a DataFrame with a column for each well, or long with columns of
        well, time and level; a frame of hydropandas or of USGS dataretrieval.
    covariates : pandas.DataFrame or mapping of str to pandas.DataFrame, optional
        A column for each covariate over regular times, shared by all wells or one frame by well.
    attributes : pandas.DataFrame, optional
        Static attributes, a row for each well.
    well : str, optional
        Name of the only well, where the data do not hold one.
    level_column : str, optional
        Column of the level, where several could be it.
    reference_level : float or mapping of str to float, optional
        Height of the measuring point in m above the datum: the values are depths to water below
        it, positive down.
    datum : str, optional
        Vertical datum of the levels, e.g. ``"NAP"``.
    units : {"m", "cm", "mm", "ft"}, optional
        Units of the levels; by default those that the data state, or m.
    covariate_units : mapping of str to str, optional
        Units by covariate.
    at_step : {"mean", "last", "first", "nearest"}, optional
        What to do with levels that do not fall on a step: the mean, last or first level since the
        step before, or the level that is nearest to the step.
    duplicates : {"first", "last", "mean"}, optional
        What to do with several levels of one time.
    sort : bool
        Sort times that are not in order.
    missing_values : iterable of float
        Numbers that stand for a missing value, e.g. -9999.

    Raises
    ------
    SchemaError
        If the data do not have their form; the message names well, variable and time.

    Examples
    --------
    >>> time = pd.date_range("2020-01-01", periods=4)
    >>> weather = pd.DataFrame({"rain": [0.0, 3.0, 1.0, 0.0]}, index=time)
    >>> level = pd.Series([4.0, 4.1], index=time[[0, 2]], name="ridge")
    >>> observations_from_frames(level, weather, datum="NAP")["level"].values
    array([[4. , nan, 4.1, nan]])
    """
    sentinels = tuple(float(v) for v in missing_values)
    found = series_by_well(levels, well=well, level_column=level_column)
    cleaned = {
        name: _clean(series, f"level of well {name!r}", duplicates, sort, sentinels)
        for name, series in found.series.items()
    }
    weather = _weather(covariates, list(cleaned), sort, sentinels)
    times = _axis(cleaned, weather)
    frequency = timeline.infer_frequency(times)
    stacked = np.stack([_on_axis(s, n, times, frequency, at_step) for n, s in cleaned.items()])
    factor = _factor(units or found.units)
    level = xr.DataArray(
        stacked * factor,
        {schema.WELL: list(cleaned), schema.TIME: times},
        (schema.WELL, schema.TIME),
        attrs=_level_attrs(datum, found.source, found.time_zone, at_step),
    )
    if reference_level is not None:
        level = level_from_depth(level, reference_level=reference_level, datum=datum)
    elif found.is_depth:
        raise SchemaError(
            f"A depth to water needs the height it is measured from. Received the column "
            f"{found.source!r} without one. Give reference_level= in m above the datum, or 0 for "
            "levels relative to the measuring point."
        )
    dataset = level.to_dataset(name=schema.LEVEL)
    dataset = dataset.assign(_covariates(weather, list(cleaned), times, covariate_units or {}))
    if attributes is not None:
        dataset = dataset.assign(_attributes(attributes, list(cleaned)))
    return schema.validate_observations(dataset)


def _clean(
    series: pd.Series,
    what: str,
    duplicates: Duplicates | None,
    sort: bool,
    sentinels: tuple[float, ...],
) -> pd.Series:
    """Return a sorted series without missing rows, or say what is wrong with it."""
    times = timeline.to_times(series.index)
    values = series.to_numpy(float)
    values = np.where(np.isin(values, sentinels), np.nan, values)
    if np.isnat(times).any():
        row = int(np.flatnonzero(np.isnat(times))[0])
        raise SchemaError(
            f"Every row needs a time. Received none at row {row} of the {what}. Give the date or "
            "remove the row."
        )
    _refuse_sentinels(values, times, what)
    if sort:
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    backward = np.flatnonzero(np.diff(times) < np.timedelta64(0, "us"))
    if backward.size:
        before, after = (timeline.format_time(times[backward[0] + k]) for k in (0, 1))
        raise SchemaError(
            f"Times must be in order. Received {after} after {before} in the {what}. Sort the "
            "rows, or read them with sort=True."
        )
    same = np.flatnonzero(np.diff(times) == np.timedelta64(0, "us"))
    clean = pd.Series(values, index=pd.DatetimeIndex(times))
    if same.size == 0:
        return clean
    if duplicates is None:
        raise SchemaError(
            f"A time must have one value. Received {values[same[0]]} and {values[same[0] + 1]} at "
            f"{timeline.format_time(times[same[0]])} in the {what}, and {same.size - 1} more such "
            "pairs. Remove one, or choose with duplicates='first', 'last' or 'mean'."
        )
    return clean.groupby(level=0).agg(duplicates)


def _refuse_sentinels(values: np.ndarray, times: np.ndarray, what: str) -> None:
    with np.errstate(invalid="ignore"):
        suspect = np.isin(values, SENTINELS) | (np.abs(values) >= 1e20)
    if suspect.any():
        first = int(np.flatnonzero(suspect)[0])
        raise SchemaError(
            f"A missing value must be NaN or empty. Received {values[first]:g}, which looks like a "
            f"code for it, at {timeline.format_time(times[first])} in the {what} ({suspect.sum()} "
            f"in all). If it is one, read the data with missing_values=[{values[first]:g}]."
        )


def _weather(
    covariates: pd.DataFrame | Mapping[str, pd.DataFrame] | None,
    wells: list[str],
    sort: bool,
    sentinels: tuple[float, ...],
) -> dict[str, pd.DataFrame]:
    """Return a frame of covariates for each well; all have the same columns."""
    if covariates is None:
        return {}
    if isinstance(covariates, pd.DataFrame):
        frame = _clean_frame(covariates, "covariates", sort, sentinels)
        return dict.fromkeys(wells, frame)
    without = [name for name in wells if name not in covariates]
    if without:
        raise SchemaError(
            f"Each well needs covariates. Received none for {len(without)} of {len(wells)} wells, "
            f"{without[0]!r} among them; there are some for {sorted(map(str, covariates))[:5]}. "
            "Add them, or choose wells with wells=[...]."
        )
    frames = {
        name: _clean_frame(covariates[name], f"covariates of well {name!r}", sort, sentinels)
        for name in wells
    }
    columns = {tuple(frame.columns) for frame in frames.values()}
    if len(columns) > 1:
        first, second = sorted(columns)[:2]
        raise SchemaError(
            f"All wells need the same covariates. Received {list(first)} and {list(second)}. "
            "Add what is missing, or leave it out everywhere."
        )
    return frames


def _clean_frame(
    frame: pd.DataFrame, what: str, sort: bool, sentinels: tuple[float, ...]
) -> pd.DataFrame:
    columns = {}
    for name in map(str, frame.columns):
        values = frame[name]
        if not pd.api.types.is_numeric_dtype(values.dtype):
            raise SchemaError(
                f"Covariates must be numbers. Received {name!r} of dtype {values.dtype} in the "
                f"{what}, first value {values.iloc[0]!r}. Convert it, or leave the column out; "
                "text belongs to static attributes."
            )
        columns[name] = _clean(values, f"{what}, {name!r},", None, sort, sentinels)
    return pd.DataFrame(columns)


def _axis(levels: dict[str, pd.Series], weather: dict[str, pd.DataFrame]) -> np.ndarray:
    """Return the regular axis of the covariates, extended to hold all levels."""
    if not weather:
        return _levels_axis(levels)
    axes = [timeline.to_times(frame.index) for frame in weather.values()]
    frequencies = {timeline.infer_frequency(axis) for axis in axes}
    if len(frequencies) > 1:
        raise SchemaError(
            f"All covariates must have one frequency. Received {sorted(frequencies)}. Resample "
            "them to the same steps, with a sum for rain and a mean for temperature."
        )
    frequency = frequencies.pop()
    first, last = min(a[0] for a in axes), max(a[-1] for a in axes)
    stamps = [timeline.to_times(s.index) for s in levels.values() if len(s)]
    axis = timeline.regular_times(first, last, frequency)
    return _extended(axis, stamps, frequency) if stamps else axis


def _extended(axis: np.ndarray, stamps: list[np.ndarray], frequency: str) -> np.ndarray:
    """Return the axis with steps added so that it holds the first and the last level."""
    first, last = min(s[0] for s in stamps), max(s[-1] for s in stamps)
    span = max(axis[0] - first, last - axis[-1], np.timedelta64(0, "us"))
    steps = int(span / np.timedelta64(1, "D")) + 2  # enough for any frequency of a day or more
    earlier = pd.date_range(end=axis[0], periods=steps, freq=frequency).to_numpy()[:-1]
    later = pd.date_range(start=axis[-1], periods=steps, freq=frequency).to_numpy()[1:]
    parts = [earlier[earlier >= first], axis]
    if last > axis[-1]:
        parts.append(later[: int(np.searchsorted(later, last)) + 1])
    return np.concatenate([part.astype(schema.TIME_DTYPE) for part in parts])


def _levels_axis(levels: dict[str, pd.Series]) -> np.ndarray:
    stamps = np.unique(np.concatenate([timeline.to_times(s.index) for s in levels.values()]))
    try:
        timeline.infer_frequency(stamps)
    except SchemaError:
        days = stamps.astype("datetime64[D]")
        if stamps.size < 2 or (days != stamps).any():
            raise
        return timeline.regular_times(stamps[0], stamps[-1], "D")
    return stamps


def _on_axis(
    series: pd.Series, well: str, times: np.ndarray, frequency: str, at_step: AtStep | None
) -> np.ndarray:
    """Return the levels of a well on the axis, NaN where there is none."""
    series = series.dropna()
    stamps = timeline.to_times(series.index)
    values = np.full(times.size, np.nan)
    if stamps.size == 0:
        return values
    position = np.searchsorted(times, stamps)
    inside = position < times.size
    fits = inside & (times[np.minimum(position, times.size - 1)] == stamps)
    if fits.all():
        values[position] = series.to_numpy()
        return values
    if at_step is None:
        first = stamps[~fits][0]
        raise SchemaError(
            f"Levels must fall on the steps of the covariates ({frequency}). Received "
            f"{timeline.format_time(first)} for well {well!r}, and {int((~fits).sum()) - 1} more "
            "that do not. Choose with at_step='mean', 'last' or 'first' of the levels since the "
            "step before, or 'nearest'."
        )
    step = position
    if at_step == "nearest":
        before = np.maximum(position - 1, 0)
        after = np.minimum(position, times.size - 1)
        step = np.where(stamps - times[before] < times[after] - stamps, before, after)
    elif frequency == "D":  # a day's step holds the levels of that day
        step = np.searchsorted(times, stamps.astype("datetime64[D]").astype(times.dtype))
    kept = (step >= 0) & (step < times.size)
    groups = pd.Series(series.to_numpy()[kept]).groupby(step[kept])
    made = groups.agg("last" if at_step == "nearest" else at_step)
    values[made.index.to_numpy()] = made.to_numpy()
    return values


def _factor(units: str | None) -> float:
    stated = (units or "m").strip()
    if stated.lower() not in TO_METRES:
        raise SchemaError(
            f"The units of a level must be one of {sorted(TO_METRES)}. Received {units!r}. Give "
            "them with units=, or convert the values to m."
        )
    return TO_METRES[stated.lower()]


def _level_attrs(
    datum: str | None, source: str, time_zone: str | None, at_step: str | None
) -> dict[str, str]:
    attrs = {"units": schema.LEVEL_UNITS, "long_name": "groundwater level", "source_name": source}
    optional = {"vertical_datum": datum, "time_zone_in": time_zone, "at_step": at_step}
    return attrs | {name: text for name, text in optional.items() if text}


def _covariates(
    weather: dict[str, pd.DataFrame], wells: list[str], times: np.ndarray, units: Mapping[str, str]
) -> dict[str, xr.Variable]:
    if not weather:
        return {}
    index = pd.DatetimeIndex(times)
    on_axis = {id(frame): frame.reindex(index) for frame in weather.values()}
    made = {}
    for name in next(iter(weather.values())).columns:
        stacked = np.stack([on_axis[id(weather[w])][name].to_numpy(float) for w in wells])
        label, stated = _split_units(name)
        kind = schema.covariate_kind(label)
        attrs = {"kind": kind, "long_name": label}
        known = units.get(label) or stated or UNITS_BY_KIND.get(kind)
        made[label] = xr.Variable(
            (schema.WELL, schema.TIME), stacked, attrs | ({"units": known} if known else {})
        )
    return made


def _split_units(name: str) -> tuple[str, str | None]:
    """Return name and units of a header such as ``rain [mm/d]``."""
    label, bracket, rest = name.replace("(", "[").replace(")", "]").partition("[")
    return (label.strip(), rest.rstrip("] ").strip()) if bracket and label.strip() else (name, None)


def _attributes(attributes: pd.DataFrame, wells: list[str]) -> dict[str, xr.Variable]:
    table = attributes.set_axis([str(name) for name in attributes.index])
    without = [name for name in wells if name not in table.index]
    if without:
        raise SchemaError(
            f"Each well needs a row of static attributes. Received none for {without[0]!r}. Add "
            "the row, or leave the attributes out."
        )
    made = {}
    for name in map(str, table.columns):
        values = table.loc[wells, name]
        if values.isna().any():
            raise SchemaError(
                f"Static attributes must have no gaps. Received none for {name!r} of well "
                f"{str(values.index[values.isna()][0])!r}. Give the value, or leave out the column."
            )
        numeric = pd.api.types.is_numeric_dtype(values.dtype)
        made[name] = xr.Variable(
            (schema.WELL,),
            values.to_numpy(float) if numeric else values.astype(str).to_numpy(object),
        )
    return made
