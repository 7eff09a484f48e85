"""Observations from what people hold in memory: Series, DataFrames wide and long, dicts of them.

Levels keep their own cadence: they are put on the regular axis of the covariates where they fall on
one of its steps, and NaN stands wherever nothing was observed. What does not fit is an error, and
each mend is a setting that is asked for.

Depth to water becomes level above a stated datum, once, at the door.

Covariates from frames: checked, on the axis, with kind and units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.data.columns import Levels, series_by_well
from gwforecast.data.time_axis import (
    AtStep,
    Duplicates,
    checked_duplicates,
    checked_sentinels,
    clean_series,
    covariate_axis,
    level_axis,
    on_axis,
)
from gwforecast.schema import SchemaError

__all__ = [
    "AtStep",
    "Duplicates",
    "covariate_variables",
    "level_from_depth",
    "observations_from_frames",
    "weather_by_well",
]


def level_from_depth(
    depth_to_water: xr.DataArray,
    *,
    reference_level: float | Mapping[str, float],
    datum: str | None = None,
) -> xr.DataArray:
    """Return the level above a datum from the depth to water below a reference level.

    Parameters
    ----------
    depth_to_water : xarray.DataArray
        Dims (well, ...), m, positive down.
    reference_level : float or mapping of str to float
        Height of the measuring point, m above the datum, for all wells or by well.
    datum : str, optional
        The vertical datum; ``"relative"`` is written where it is not given and the reference is 0.

    Examples
    --------
    >>> depth = xr.DataArray([[1.5]], {"well": ["a"], "time": [0]}, ("well", "time"))
    >>> level_from_depth(depth, reference_level=20.0, datum="NAP").item()
    18.5
    """
    wells = [str(name) for name in depth_to_water[schema.WELL].values]
    if isinstance(reference_level, Mapping):
        without = [name for name in wells if name not in reference_level]
        if without:
            raise SchemaError(
                "Each well needs a reference level for its depth to water. Received none for "
                f"{without[0]!r}. Add it in m above the datum."
            )
        heights = np.array([float(reference_level[name]) for name in wells])
    else:
        heights = np.full(len(wells), float(reference_level))
    if not np.isfinite(heights).all():
        bad = int(np.flatnonzero(~np.isfinite(heights))[0])
        raise SchemaError(
            f"A reference level must be a finite height in m above the datum. Received "
            f"{heights[bad]} for {wells[bad]!r}. Give the surveyed height of the measuring point."
        )
    reference = xr.DataArray(heights, {schema.WELL: wells}, (schema.WELL,))
    level = (reference - depth_to_water).transpose(*depth_to_water.dims)
    stated = datum or ("relative" if not heights.any() else None)
    level.attrs = {
        **depth_to_water.attrs,
        "units": schema.LEVEL_UNITS,
        "long_name": "groundwater level",
        "converted_from": "depth to water, positive down: reference level - depth",
        **({"vertical_datum": stated} if stated else {}),
    }
    return level.rename(schema.LEVEL)


KNOWN_UNITS = {
    "rr": "mm", "tg": "degC", "tn": "degC", "tx": "degC", "pp": "hPa", "hu": "%", "fg": "m/s",
    "qq": "W/m2", "hyras_pr": "mm", "hyras_tas": "degC", "hyras_tasmin": "degC",
    "hyras_tasmax": "degC", "hyras_hurs": "%", "hyras_rsds": "W/m2",
}  # fmt: skip
"""Units of the names that E-OBS and HYRAS use, and nobody else; other names have none."""


def weather_by_well(
    covariates: pd.DataFrame | Mapping[str, pd.DataFrame] | None,
    wells: list[str],
    *,
    source: str,
    sort: bool,
    sentinels: tuple[float, ...],
) -> dict[str, pd.DataFrame]:
    """Return a frame of covariates for each well; all have the same columns.

    Parameters
    ----------
    covariates : pandas.DataFrame or mapping of str to pandas.DataFrame, optional
        Shared by all wells (each then has the same object), or by well.
    wells : list of str
        Wells that need covariates.
    source : str
        Column of the level, which may not be a covariate.
    sort : bool
        Sort times that are not in order.
    sentinels : tuple of float
        Numbers that become NaN.

    Raises
    ------
    SchemaError
        If a well has none, wells have different ones, or a column is not a covariate.
    """
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
        columns[str(name)] = clean_series(
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


def covariate_variables(
    weather: dict[str, pd.DataFrame], wells: list[str], times: np.ndarray, units: Mapping[str, str]
) -> dict[str, xr.Variable]:
    """Return the covariates on the axis with kind, name and units, dims (well, time).

    Raises
    ------
    SchemaError
        If units are given for a name that is no covariate.
    """
    columns = list(next(iter(weather.values())).columns) if weather else []
    labels = [_split_units(name)[0] for name in columns]
    unknown = [name for name in units if name not in labels]
    if unknown:
        raise SchemaError(
            f"Units of covariates are given by their names. Received {unknown[0]!r}; there are "
            f"{labels}. Correct the name."
        )
    index = pd.DatetimeIndex(times)
    on_axis = {id(frame): frame.reindex(index) for frame in weather.values()}
    made = {}
    for name in columns:
        stacked = np.stack([on_axis[id(weather[w])][name].to_numpy(float) for w in wells])
        label, stated = _split_units(name)
        kind = schema.covariate_kind(label)
        attrs = {"kind": kind, "long_name": label}
        known = units.get(label) or stated or KNOWN_UNITS.get(label.lower())
        made[label] = xr.Variable(
            (schema.WELL, schema.TIME), stacked, attrs | ({"units": known} if known else {})
        )
    return made


def _split_units(name: str) -> tuple[str, str | None]:
    """Return name and units of a header such as ``rain [mm/d]``."""
    label, bracket, rest = name.replace("(", "[").replace(")", "]").partition("[")
    return (label.strip(), rest.rstrip("] ").strip()) if bracket and label.strip() else (name, None)


WITHOUT_DATUM = ("water_level_above_site_datum_ft",)
TO_METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048}


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
        Vertical datum of the levels, e.g. ``"NAP"``; by default the one that the data state.
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
    found = levels
    if not isinstance(found, Levels):
        found = series_by_well(found, well=well, level_column=level_column)
    sentinels = checked_sentinels(missing_values)
    chosen = checked_duplicates(duplicates)
    cleaned = {
        name: clean_series(
            series, f"level of well {name!r}", sort=sort, sentinels=sentinels,
            duplicates=chosen, choosable=True,
        )
        for name, series in found.series.items()
    }  # fmt: skip
    wells = list(cleaned)
    weather = weather_by_well(
        covariates, wells, source=found.source, sort=sort, sentinels=sentinels
    )
    level = _stacked(cleaned, _axis(cleaned, weather, at_step), at_step)
    level = level * _factor(units or found.units)
    datum = _settled_datum(datum, found)
    level.attrs = _level_attrs(datum, found, at_step)
    dataset = _above_datum(level, found, reference_level, datum).to_dataset(name=schema.LEVEL)
    times = dataset[schema.TIME].values
    dataset = dataset.assign(covariate_variables(weather, wells, times, covariate_units or {}))
    if attributes is not None:
        dataset = dataset.assign(_attributes(attributes, wells, list(map(str, dataset))))
    return schema.validate_observations(dataset)


def _axis(
    levels: dict[str, pd.Series], weather: dict[str, pd.DataFrame], at_step: AtStep | None
) -> np.ndarray:
    indexes = [pd.DatetimeIndex(series.index) for series in levels.values()]
    if not weather:
        return level_axis(indexes, at_step=at_step)
    unique = {id(frame): pd.DatetimeIndex(frame.index) for frame in weather.values()}
    return covariate_axis(unique.values(), indexes)


def _stacked(
    levels: dict[str, pd.Series], times: np.ndarray, at_step: AtStep | None
) -> xr.DataArray:
    rows = [on_axis(series, times, well=name, at_step=at_step) for name, series in levels.items()]
    coords = {schema.WELL: list(levels), schema.TIME: times}
    return xr.DataArray(np.stack(rows), coords, (schema.WELL, schema.TIME))


def _above_datum(
    values: xr.DataArray,
    found: Levels,
    reference_level: float | Mapping[str, float] | None,
    datum: str | None,
) -> xr.DataArray:
    """Return levels above a datum; depths only with the height that they are measured from."""
    if found.above:
        return _above_datum_by_well(values, found.above, reference_level, datum)
    if reference_level is not None:
        return level_from_depth(values, reference_level=reference_level, datum=datum)
    if found.is_depth:
        raise SchemaError(
            f"A depth to water needs the height it is measured from. Received the column "
            f"{found.source!r} without one. Give reference_level= in m above the datum, or 0 for "
            "levels relative to the measuring point."
        )
    return values


def _above_datum_by_well(
    values: xr.DataArray,
    above: frozenset[str],
    reference_level: float | Mapping[str, float] | None,
    datum: str | None,
) -> xr.DataArray:
    """Return levels above a datum where some wells are levels and the others depths."""
    wells = [str(well) for well in values[schema.WELL].values]
    depths, levels = ([w for w in wells if (w in above) == is_level] for is_level in (False, True))
    mend = (
        "Give heights by well, in m above the datum, of those whose columns name a depth: "
        f"reference_level={{{depths[0]!r}: ...}}, or --reference-level {depths[0]}=..."
    )
    if reference_level is None:
        raise SchemaError(
            "A depth to water needs the height it is measured from. Received none for well "
            f"{depths[0]!r}, whose column names a depth. {mend}"
        )
    named = reference_level if isinstance(reference_level, Mapping) else wells
    if not above.isdisjoint(named):
        raise SchemaError(
            "A level has no height that it is measured from. Received one for well "
            f"{min(above.intersection(named))!r}, whose column names a level. {mend}"
        )
    converted = level_from_depth(
        values.sel({schema.WELL: depths}), reference_level=reference_level, datum=datum
    )
    joined = xr.concat([converted, values.sel({schema.WELL: levels})], schema.WELL)
    return joined.sel({schema.WELL: wells}).assign_attrs(converted.attrs)


def _settled_datum(given: str | None, found: Levels) -> str | None:
    """Return the datum that is given or stated; refuse two, and heights above an unnamed one."""
    stated = found.datum
    if given and stated and given.strip().lower() != stated.lower():
        raise SchemaError(
            f"Levels have one vertical datum. Received datum={given!r}, and {stated!r} by the "
            f"column {found.source!r}. Leave datum= out, or correct the column's name."
        )
    if found.source in WITHOUT_DATUM and not (given or stated):
        raise SchemaError(
            f"Heights above the datum of a site need its name. Received the column "
            f"{found.source!r} without one. Give it with datum=, e.g. datum='NAVD88'."
        )
    return given or stated


def _factor(units: str | None) -> float:
    stated = (units or "m").strip()
    if stated.lower() not in TO_METRES:
        raise SchemaError(
            f"The units of a level must be one of {sorted(TO_METRES)}. Received {units!r}. Give "
            "them with units=, or convert the values to m."
        )
    return TO_METRES[stated.lower()]


def _level_attrs(datum: str | None, found: Levels, at_step: str | None) -> dict[str, str]:
    attrs = {
        "units": schema.LEVEL_UNITS,
        "long_name": "groundwater level",
        "source_name": found.source,
    }
    optional = {"vertical_datum": datum, "time_zone_in": found.time_zone, "at_step": at_step}
    return attrs | {name: text for name, text in optional.items() if text}


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
    """Return an attribute of the wells; a gap stays one: NaN, or the empty text."""
    if not pd.api.types.is_numeric_dtype(values.dtype):
        text = values.astype(object).where(values.notna(), "").astype(str)
        return xr.Variable((schema.WELL,), text.to_numpy(object))
    made = values.to_numpy(float, na_value=np.nan)
    if np.isinf(made).any():
        raise SchemaError(
            f"Numeric static attributes must be finite or missing. Received "
            f"{made[np.isinf(made)][0]} for {name!r} of well "
            f"{str(values.index[np.isinf(made)][0])!r}. Give the value, or leave the cell empty."
        )
    return xr.Variable((schema.WELL,), made)
