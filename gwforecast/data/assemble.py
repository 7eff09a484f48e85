"""Observations from what people hold in memory: Series, DataFrames wide and long, dicts of them.

Levels keep their own cadence: they are put on the regular axis of the covariates where they fall on
one of its steps, and NaN stands wherever nothing was observed. What does not fit is an error, and
each mend is a setting that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.axis import AtStep, covariate_axis, level_axis, on_axis
from gwforecast.data.depth import level_from_depth
from gwforecast.data.series import Levels, series_by_well
from gwforecast.schema import SchemaError

__all__ = ["AtStep", "Duplicates", "observations_from_frames"]

Duplicates = Literal["first", "last", "mean"]
TO_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048}
EARLIEST, LATEST = np.datetime64("1700-01-01"), np.datetime64("2300-12-31")
HUGE = 1e20
SENTINELS = (-9999.0, -999.0, -999.9, -99999.0, -9999.9, 9999.0, 99999.0)
UNITS_BY_KIND = {"rain": "mm", "evapotranspiration": "mm", "temperature": "degC",
                 "temperature_min": "degC", "temperature_max": "degC", "humidity": "%",
                 "radiation": "W/m2", "wind": "m/s", "pressure": "hPa"}  # fmt: skip


def observations_from_frames(
    levels: pd.Series | pd.DataFrame | Mapping[str, pd.Series | pd.DataFrame] | Levels,
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
    missing_values: Iterable[float] | float = (),
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
    missing_values : float or iterable of float
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
    sentinels = tuple(float(v) for v in np.atleast_1d(np.asarray(missing_values, float)))
    _check_duplicates(duplicates)
    found = levels
    if not isinstance(found, Levels):
        found = series_by_well(found, well=well, level_column=level_column)
    cleaned = {
        name: _clean(
            series,
            f"level of well {name!r}",
            sort=sort,
            sentinels=sentinels,
            duplicates=duplicates,
            choosable=True,
        )
        for name, series in found.series.items()
    }
    weather = _weather(covariates, list(cleaned), found.source, sort, sentinels)
    indexes = [pd.DatetimeIndex(series.index) for series in cleaned.values()]
    if weather:
        unique = {id(frame): pd.DatetimeIndex(frame.index) for frame in weather.values()}
        times = covariate_axis(unique.values(), indexes)
    else:
        times = level_axis(indexes, at_step=at_step)
    stacked = np.stack(
        [on_axis(s, times, well=name, at_step=at_step) for name, s in cleaned.items()]
    )
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
        dataset = dataset.assign(_attributes(attributes, list(cleaned), list(map(str, dataset))))
    return schema.validate_observations(dataset)


def _check_duplicates(duplicates: str | None) -> None:
    if duplicates is not None and duplicates not in get_args(Duplicates):
        raise ValueError(
            f"duplicates must be one of {list(get_args(Duplicates))}. Received {duplicates!r}. "
            "Correct it."
        )


def _clean(
    series: pd.Series,
    what: str,
    *,
    sort: bool,
    sentinels: tuple[float, ...],
    duplicates: Duplicates | None = None,
    choosable: bool = False,
) -> pd.Series:
    """Return a series in order, each time once and codes NaN, or say what is wrong with it."""
    times = timeline.to_times(series.index)
    _check_times(times, what)
    values = series.to_numpy(float)
    for code in sentinels:
        values = np.where(np.isclose(values, code, rtol=1e-6, atol=0.0), np.nan, values)
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
        mend = ", or choose with duplicates='first', 'last' or 'mean'" if choosable else ""
        raise SchemaError(
            f"A time must have one value. Received {values[same[0]]} and {values[same[0] + 1]} at "
            f"{timeline.format_time(times[same[0]])} in the {what}, and {same.size - 1} more such "
            f"pairs. Remove one{mend}."
        )
    return clean.groupby(level=0).agg(duplicates)


def _check_times(times: np.ndarray, what: str) -> None:
    if np.isnat(times).any():
        row = int(np.flatnonzero(np.isnat(times))[0])
        raise SchemaError(
            f"Every row needs a time. Received none at row {row} of the {what}. Give the date or "
            "remove the row."
        )
    odd = (times < EARLIEST) | (times > LATEST)
    if odd.any():
        raise SchemaError(
            f"Times must lie between {EARLIEST} and {LATEST}. Received "
            f"{timeline.format_time(times[odd][0])} in the {what}. Correct the date, or the unit "
            "of the times."
        )


def _refuse_sentinels(values: np.ndarray, times: np.ndarray, what: str) -> None:
    coded = np.zeros(values.shape, bool)
    for code in SENTINELS:
        coded |= np.isclose(values, code, rtol=1e-6, atol=0.0)
    usual = np.abs(values[~coded & np.isfinite(values)])
    # 9999 can be a measured value, e.g. of millimetres, where others are near it
    coded &= (values < 0) | (np.abs(values) > 2 * usual.max(initial=0.0))
    suspect = coded | (np.abs(values) >= HUGE)
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
    source: str,
    sort: bool,
    sentinels: tuple[float, ...],
) -> dict[str, pd.DataFrame]:
    """Return a frame of covariates for each well; all have the same columns."""
    if covariates is None:
        return {}
    if not isinstance(covariates, Mapping):
        frame = _clean_frame(covariates, "covariates", source, sort, sentinels)
        return dict.fromkeys(wells, frame)
    without = [name for name in wells if name not in covariates]
    if without:
        raise SchemaError(
            f"Each well needs covariates. Received none for {len(without)} of {len(wells)} wells, "
            f"{without[0]!r} among them; there are some for {sorted(map(str, covariates))[:5]}. "
            "Add them, or choose wells with wells=[...]."
        )
    frames = {
        name: _clean_frame(
            covariates[name], f"covariates of well {name!r}", source, sort, sentinels
        )
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
    frame: object, what: str, source: str, sort: bool, sentinels: tuple[float, ...]
) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame) or not isinstance(frame.index, pd.DatetimeIndex):
        index = getattr(frame, "index", None)
        kind = type(frame).__name__ + (f" with {type(index).__name__}" if index is not None else "")
        raise SchemaError(
            f"Covariates must be a DataFrame with a DatetimeIndex and a column for each. Received "
            f"{kind} as {what}. Use Series.to_frame, or set_index with pandas.to_datetime."
        )
    labels = [_split_units(str(name))[0] for name in frame.columns]
    repeated = pd.Index(labels)[pd.Index(labels).duplicated()]
    if len(repeated):
        raise SchemaError(
            f"Covariates must have names of their own. Received {repeated[0]!r} twice in the "
            f"{what}. Rename one."
        )
    columns = {}
    for label, name in zip(labels, frame.columns, strict=True):
        _check_covariate(frame[name], label, what, source)
        columns[str(name)] = _clean(
            frame[name], f"{what}, column {label!r}", sort=sort, sentinels=sentinels
        )
    return pd.DataFrame(columns, index=None if columns else frame.index)


def _check_covariate(values: pd.Series, label: str, what: str, source: str) -> None:
    if label in (schema.LEVEL, schema.WELL, schema.TIME, source) or label.endswith("_flag"):
        raise SchemaError(
            "A covariate can't be named like the level, a coordinate or a flag, because the level "
            f"may not be an input to itself. Received {label!r} in the {what}. Leave the column "
            "out, or rename it if it is another series."
        )
    if not pd.api.types.is_numeric_dtype(values.dtype):
        raise SchemaError(
            f"Covariates must be numbers. Received {label!r} of dtype {values.dtype} in the "
            f"{what}, first value {next(iter(values), None)!r}. Convert it, set times as the "
            "index, or leave the column out; text belongs to static attributes."
        )


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


def _attributes(
    attributes: pd.DataFrame, wells: list[str], taken: list[str]
) -> dict[str, xr.Variable]:
    if not isinstance(attributes, pd.DataFrame):
        raise SchemaError(
            "Static attributes must be a DataFrame with a row for each well. Received "
            f"{type(attributes).__name__}. Use Series.to_frame."
        )
    named = [c for c in attributes.columns if str(c) == schema.WELL]
    table = attributes.set_index(named[0]) if named else attributes
    table = table.set_axis([str(name) for name in table.index])
    without = [name for name in wells if name not in table.index]
    if without:
        raise SchemaError(
            f"Each well needs a row of static attributes. Received none for {without[0]!r}; there "
            f"are rows for {list(table.index[:3])} first. Add the row, or leave the attributes out."
        )
    several = table.index[table.index.duplicated()].intersection(wells)
    if len(several):
        raise SchemaError(
            f"Each well has one row of static attributes. Received several for {several[0]!r}. "
            "Remove all but one."
        )
    clash = [str(c) for c in table.columns if str(c) in (*taken, schema.WELL, schema.TIME)]
    if clash:
        raise SchemaError(
            "A static attribute needs a name that no other variable has. Received "
            f"{clash[0]!r}, which is a variable over time. Rename the column."
        )
    return {str(name): _attribute(table.loc[wells, name], str(name)) for name in table.columns}


def _attribute(values: pd.Series, name: str) -> xr.Variable:
    numeric = pd.api.types.is_numeric_dtype(values.dtype)
    bad = values.isna() | (np.isinf(values.to_numpy(float, na_value=np.nan)) if numeric else False)
    if bad.any():
        raise SchemaError(
            f"Static attributes must have no gaps and be finite. Received {values[bad].iloc[0]} "
            f"for {name!r} of well {str(values.index[bad][0])!r}. Give the value, leave out the "
            "column, or leave out the well with wells=[...]."
        )
    made = values.to_numpy(float) if numeric else values.astype(str).to_numpy(object)
    return xr.Variable((schema.WELL,), made)
