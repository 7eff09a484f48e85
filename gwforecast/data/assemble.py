"""Observations from what people hold in memory: Series, DataFrames wide and long, dicts of them.

Levels keep their own cadence: they are put on the regular axis of the covariates where they fall on
one of its steps, and NaN stands wherever nothing was observed. What does not fit is an error, and
each fix is a setting.

A depth to water becomes a level above a stated datum, once, on entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.columns import Levels, series_by_well
from gwforecast.data.layouts.base import RawTable
from gwforecast.data.terms.units import TO_METRES, parse_length
from gwforecast.data.time_axis import (
    STAMP,
    AtStep,
    Cleaning,
    Duplicates,
    StepStamp,
    check_choice,
    checked_sentinels,
    covariate_axis,
    level_axis,
    on_axis,
    step_stamp,
)
from gwforecast.data.understood import (
    ASSUMED,
    ATTRIBUTE,
    Understood,
    assumptions,
    describe,
    ground_of,
)
from gwforecast.data.weather import Weather, covariate_variables, weather_by_well
from gwforecast.schema import SchemaError

__all__ = [
    "AtStep", "DepthSign", "Duplicates", "StepStamp", "level_from_depth",
    "observations_from_frames",
]  # fmt: skip

DepthSign = Literal["positive_down", "negative_down"]
LEVEL_ATTRS = {"units": schema.LEVEL_UNITS, "long_name": "groundwater level"}


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

    Returns
    -------
    xarray.DataArray
        ``level``, the same dims, m above the datum: reference level - depth; NaN stays NaN. The
        conversion and the datum are in the attributes.

    Raises
    ------
    SchemaError
        If a well has no reference level, or one that is not finite.

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
        **LEVEL_ATTRS,
        "converted_from": "depth to water, positive down: reference level - depth",
        **({"vertical_datum": stated} if stated else {}),
    }
    return level.rename(schema.LEVEL)


WITHOUT_DATUM = ("water_level_above_site_datum_ft",)


def observations_from_frames(
    levels: pd.Series | pd.DataFrame | RawTable | Mapping[str, object] | Levels,
    covariates: pd.DataFrame | RawTable | Mapping[str, pd.DataFrame | RawTable] | None = None,
    *,
    attributes: pd.DataFrame | None = None,
    well: str | None = None,
    level_column: str | None = None,
    well_column: str | None = None,
    reference_level: float | Mapping[str, float] | None = None,
    depth_sign: DepthSign | None = None,
    datum: str | None = None,
    units: str | None = None,
    covariate_units: Mapping[str, str] | None = None,
    at_step: AtStep | None = None,
    step: str | None = None,
    step_stamp: StepStamp | None = None,
    covariate_stamp: StepStamp | None = None,
    duplicates: Duplicates | None = None,
    sort: bool = False,
    missing_values: Iterable[float | str] | float | str = (),
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
    level_column, well_column : str, optional
        Column of the level, and of the names of the wells, where several could be it.
    reference_level : float or mapping of str to float, optional
        Height of the measuring point in m above the datum: the values are depths to water below
        it.
    depth_sign : {"positive_down", "negative_down"}, optional
        Sign of depths. By default depths none of which is positive are negative down, and others
        positive down, where the data say that they are depths.
    datum : str, optional
        Vertical datum of the levels, e.g. ``"NAP"``; by default the one that the data state.
    units : {"m", "cm", "mm", "dm", "ft", "in"}, optional
        Units of the levels; by default those that the data state, or m.
    covariate_units : mapping of str to str, optional
        Units by covariate.
    at_step : {"mean", "last", "first", "nearest"}, optional
        What to do with levels that do not fall on a step: the mean, last or first level of each
        step, or the level that is nearest to its stamp.
    step : str, optional
        Step of the axis, ``"D"``, ``"W-MON"``, ``"MS"``, ``"ME"``, ``"QS"``, ``"QE"``: covariates
        of shorter steps are aggregated to it, rain by its sum and temperature by its mean.
    step_stamp : {"begin", "end"}, optional
        Whether a stamp stands at the beginning or the end of its step; by default days and the
        first days of months begin, weeks and the last days of months end.
    covariate_stamp : {"begin", "end"}, optional
        Whether the stamps of covariates that are aggregated with ``step``, e.g. of hourly rain,
        stand at the beginning of their own steps (default) or at the end: rain stamped 00:00 is
        then that of the day before.
    duplicates : {"first", "last", "mean"}, optional
        What to do with different values of one time; equal ones are kept once.
    sort : bool
        Sort times that are not in order.
    missing_values : float, str or iterable of these
        Numbers that stand for a missing value, e.g. -9999; texts matter for files.

    Returns
    -------
    xarray.Dataset
        ``level`` (well, time), m, NaN where nothing was observed; each covariate (well, time), NaN
        in its gaps; static attributes (well,). What was understood (units, signs, steps) is in the
        attribute ``understood``, read with ``gwforecast.understood``.

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
        found = series_by_well(found, well=well, level_column=level_column, well_column=well_column)
    said = Understood()
    said.take([f"layout: {found.layout}"] if found.layout not in ("table", "DataFrame") else [])
    said.take(found.notes)
    cleaning = Cleaning(sort, checked_sentinels(missing_values), duplicates)
    cleaned = {
        name: cleaning.series(series, f"level of well {name!r}")
        for name, series in found.series.items()
    }
    wells, notes = list(cleaned), cleaning.notes
    weather = weather_by_well(
        covariates, wells, source=found.source, cleaning=cleaning, attributes=attributes,
        units=covariate_units, step=step, stamp=step_stamp, own_stamp=covariate_stamp,
    )  # fmt: skip
    weather.to_days_of(cleaned.values())
    level = _stacked(cleaned, _axis(cleaned, weather, at_step, step_stamp), at_step, step_stamp)
    level = level * _factor(units, found)
    datum = _settled_datum(datum, found)
    stated = {"source_name": found.source, "vertical_datum": datum,
              "time_zone_in": found.time_zone, "at_step": at_step}  # fmt: skip
    level.attrs = LEVEL_ATTRS | {name: text for name, text in stated.items() if text}
    assumed = assumptions(
        level, found, _columns(found), units=units, grounds=[found.ground, ground_of(attributes)],
        stated=datum is not None or reference_level is not None,
    )  # fmt: skip
    level = _above_datum(level, found, reference_level, datum, depth_sign, notes)
    level.attrs |= {ASSUMED: " ".join(assumed)} if assumed else {}
    dataset = _joined(level, found, weather)
    if attributes is not None:
        dataset = dataset.assign(_attributes(attributes, wells, list(map(str, dataset))))
    checked = schema.validate_observations(dataset)
    _say(said, checked, found, weather, notes, units, at_step, step_stamp)
    chosen_stamp = {} if step_stamp is None else {STAMP: step_stamp}
    return checked.assign_attrs({ATTRIBUTE: said.to_json(), **chosen_stamp})


def _joined(level: xr.DataArray, found: Levels, weather: Weather) -> xr.Dataset:
    """Return levels, flags of dry wells and covariates as one Dataset."""
    dataset = level.to_dataset(name=schema.LEVEL)
    times = dataset[schema.TIME].values
    wells = [str(name) for name in dataset[schema.WELL].values]
    if found.dry:
        dataset = dataset.assign(dry_flag=_dry_flag(found.dry, wells, times))
    return dataset.assign(covariate_variables(weather, wells, times))


def _dry_flag(
    dry: Mapping[str, pd.DatetimeIndex], wells: list[str], times: np.ndarray
) -> xr.Variable:
    """Return where the data say that a well had no water, (well, time)."""
    flags = np.zeros((len(wells), times.size), np.int8)
    for name, stamps in dry.items():
        if name in wells:
            step = np.searchsorted(times, timeline.to_times(stamps), side="right") - 1
            flags[wells.index(name), step[step >= 0]] = 1
    attrs = {"long_name": "well without water", "flag_values": [0, 1], "flag_meanings": "no dry"}
    return xr.Variable((schema.WELL, schema.TIME), flags, attrs)


def _axis(
    levels: dict[str, pd.Series], weather: Weather, at_step: AtStep | None, stamp: StepStamp | None
) -> np.ndarray:
    indexes = [pd.DatetimeIndex(series.index) for series in levels.values()]
    if not weather.frames:
        return level_axis(indexes, at_step=at_step)
    unique = {id(frame): pd.DatetimeIndex(frame.index) for frame in weather.frames.values()}
    reduced = at_step in ("mean", "first", "last")
    return covariate_axis(unique.values(), indexes, stamp=stamp, reduced=reduced)


def _stacked(
    levels: dict[str, pd.Series], times: np.ndarray, at_step: AtStep | None, stamp: StepStamp | None
) -> xr.DataArray:
    rows = [
        on_axis(series, times, well=name, at_step=at_step, stamp=stamp)
        for name, series in levels.items()
    ]
    coords = {schema.WELL: list(levels), schema.TIME: times}
    return xr.DataArray(np.stack(rows), coords, (schema.WELL, schema.TIME))


def _above_datum(
    values: xr.DataArray,
    found: Levels,
    reference_level: float | Mapping[str, float] | None,
    datum: str | None,
    sign: DepthSign | None,
    notes: list[str],
) -> xr.DataArray:
    """Return levels above a datum; depths only with the height that they are measured from."""
    check_choice("depth_sign", sign, DepthSign)
    if found.above:
        return _above_datum_by_well(values, found, reference_level, datum, sign, notes)
    point = f", measured from {found.point!r}" if found.point else ""
    if reference_level is not None:
        if found.stated_above and found.datum:
            raise SchemaError(
                "A level has no height that it is measured from. Received reference_level= for "
                f"levels above {found.datum} (column {found.source!r}). Leave it out, or choose "
                "the column of a depth with level_column=."
            )
        down = _positive_down(values, found, sign, notes)
        return level_from_depth(down, reference_level=reference_level, datum=datum)
    if found.is_depth:
        beside = f"; {found.ground:g} m stands beside it" if found.ground is not None else ""
        raise SchemaError(
            f"A depth to water needs the height it is measured from. Received the column "
            f"{_columns(found)}{point} without one{beside}. Give reference_level= "
            "(--reference-level) in m above the datum, or 0 for levels relative to the measuring "
            "point."
        )
    known = values.values[np.isfinite(values.values)]
    if found.is_generic and not datum and known.size and (known < 0).all():
        raise SchemaError(
            "Values without a name or a datum that are all negative may be depths. Received "
            f"{known.min():g} to {known.max():g} m in the column {found.source!r}. If they are "
            "depths, give the height they are measured from with reference_level= "
            "(--reference-level); if they are heights, name the datum with datum= (--datum)."
        )
    if found.relative:
        raise SchemaError(
            "A level must be above a datum, or a depth with the height it is measured from. "
            f"Received the column {found.source!r}{point} without one. Give reference_level= "
            "(--reference-level) in m above the datum, or 0 for levels relative to that point."
        )
    return values


def _columns(found: Levels) -> str:
    """Return the column of the levels for a message, or the first ones and the wells."""
    if len(found.columns) > 1 and found.source not in found.columns:
        names = ", ".join(repr(name) for name in found.columns[:3])
        wells = ", ".join(list(found.series)[:4])
        return f"{names} (wells {wells})"
    return repr(found.source)


FEWEST_FLIPPED = 3
"""Depths of the other sign in a record; fewer are spikes, which the checks report."""


def _refuse_flipped(depths: xr.DataArray) -> None:
    """Raise SchemaError if some depths (time,) continue the others with their sign turned.

    A level that passes the point goes through 0 in usual steps; a turned sign is a leap to the same
    distance on the other side.
    """
    negative, sizes = depths.values < 0, np.abs(depths.values)
    turns = np.diff(negative.astype(int)) != 0
    if not turns.any():
        return
    usual = max(float(np.quantile(np.abs(np.diff(sizes)), 0.75)), 0.01)
    leaps = np.abs(np.diff(depths.values)) > 10 * usual
    at = np.flatnonzero(turns & leaps & (np.abs(np.diff(sizes)) < 3 * usual))
    # values are turned if the run of negative ones that they belong to begins or ends with a leap
    runs = np.concatenate([[0], np.cumsum(turns)])
    flipped = negative & np.isin(runs, np.concatenate([runs[at], runs[at + 1]]))
    if flipped.sum() >= FEWEST_FLIPPED:
        first = str(depths[schema.TIME].values[flipped][0])[:10]
        raise SchemaError(
            "Depths must be positive down or negative down, all in one way. Received both for well "
            f"{str(depths[schema.WELL].item())!r}: {int(flipped.sum())} of {flipped.size} values, "
            f"the first on {first}, continue the others if their sign is turned. Correct it, or "
            "say depth_sign='positive_down' (--depth-sign positive_down) if the water did stand "
            "above the point."
        )


def _positive_down(
    values: xr.DataArray, found: Levels, sign: DepthSign | None, notes: list[str]
) -> xr.DataArray:
    """Return depths positive down; the sign is that of the values where it is certain."""
    turned = []
    for k, name in enumerate(schema.well_names(values)):
        row = values.values[k]
        known = row[np.isfinite(row)]
        negative = bool(known.size and (known <= 0).all() and (known < 0).any())
        if sign is None and negative and name in found.relative:
            raise SchemaError(
                "Depths need their sign. Received values from "
                f"{known.min():g} to {known.max():g} m for well {name!r}, of which the column "
                f"{found.source!r} does not say whether they are negative down. Say depth_sign="
                "'negative_down' (--depth-sign negative_down), or 'positive_down' if the water "
                "stands above the point."
            )
        if sign is None and not negative and known.size and np.median(known) < 0:
            raise SchemaError(
                "Depths must be positive down or negative down. Received values of both signs for "
                f"well {name!r}, {known.min():g} to {known.max():g} m, most of them negative. Say "
                "depth_sign='negative_down' (--depth-sign negative_down) or 'positive_down'."
            )
        if sign is None:
            _refuse_flipped(values.isel({schema.WELL: k}).dropna(schema.TIME))
        if sign == "negative_down" or (sign is None and negative):
            turned.append(k)
    if not turned:
        notes.append("depth: positive down; level = reference level - depth")
        return values
    factors = np.ones((values.shape[0], 1))
    factors[turned] = -1.0
    notes.append(
        "depth: negative down "
        + ("(given)" if sign else "(no value is positive)")
        + "; level = reference level + value"
    )
    return values.copy(data=values.values * factors)


def _above_datum_by_well(
    values: xr.DataArray,
    found: Levels,
    reference_level: float | Mapping[str, float] | None,
    datum: str | None,
    sign: DepthSign | None,
    notes: list[str],
) -> xr.DataArray:
    """Return levels above a datum where some wells are levels and the others depths."""
    above = found.above
    wells = schema.well_names(values)
    depths, levels = ([w for w in wells if (w in above) == is_level] for is_level in (False, True))
    fix = (
        "Give heights by well, in m above the datum, of those whose columns name a depth: "
        f"reference_level={{{depths[0]!r}: ...}}, or --reference-level {depths[0]}=..."
    )
    if reference_level is None:
        raise SchemaError(
            "A depth to water needs the height it is measured from. Received none for well "
            f"{depths[0]!r}, whose column names a depth. {fix}"
        )
    named = reference_level if isinstance(reference_level, Mapping) else wells
    if not above.isdisjoint(named):
        raise SchemaError(
            "A level has no height that it is measured from. Received one for well "
            f"{min(above.intersection(named))!r}, whose column names a level. {fix}"
        )
    of_depths = _positive_down(values.sel({schema.WELL: depths}), found, sign, notes)
    converted = level_from_depth(of_depths, reference_level=reference_level, datum=datum)
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
    if given:
        length = parse_length("m " + given)
        if length is not None and length.sense == "below":
            raise SchemaError(
                f"A vertical datum is a height that levels are above. Received datum={given!r}, "
                "which names a point that depths are below. Give the height of that point with "
                "reference_level=, and the datum of this height."
            )
    if found.source in WITHOUT_DATUM and not (given or stated):
        raise SchemaError(
            f"Heights above the datum of a site need its name. Received the column "
            f"{found.source!r} without one. Give it with datum=, e.g. datum='NAVD88'."
        )
    return given or stated


def _factor(units: str | None, found: Levels) -> float:
    """Return the factor to metres: of the units that are given, stated, or m."""
    if units is None and found.unclear and found.units is None:
        raise SchemaError(
            f"The units of a level must be one of {sorted(TO_METRES)}. Received "
            f"{found.unclear!r} for the column {found.source!r}. Give them with units= (--units), "
            "or convert the values to m."
        )
    if units is None and found.unclear:
        raise SchemaError(
            "What stands behind the unit of a level is a vertical datum or the point that depths "
            f"are below. Received {found.unclear!r} in the column {found.source!r}, which is not "
            f"known. Give units={found.units!r} with datum= or with reference_level=."
        )
    stated = (units or found.units or "m").strip()
    length = parse_length(stated)
    if length is None or length.sense:
        raise SchemaError(
            f"The units of a level must be one of {sorted(TO_METRES)}. Received {units!r}. Give "
            "them with units=, or convert the values to m."
        )
    return length.factor


def _say(
    said: Understood,
    observations: xr.Dataset,
    found: Levels,
    weather: Weather,
    notes: list[str],
    units: str | None,
    at_step: AtStep | None,
    stamp: StepStamp | None,
) -> None:
    """Say what was understood of levels and covariates."""
    said.say("level column", found.source)
    unit = units or found.units
    factor = TO_METRES.get(str(unit).strip().lower(), 1.0)
    given = "stated" if found.units else "assumed; no unit is stated"
    if units:
        other = bool(found.units) and found.units != units.strip().lower()
        given = f"given; the data say {found.units}" if other else "given"
    times = "" if factor == 1 else f", times {factor:g} to m"
    said.say("unit", f"{unit or 'm'} ({given}){times}")
    depth = "depth to water" if found.is_depth or "converted_from" in observations[
        schema.LEVEL].attrs else "height"  # fmt: skip
    point = f" {found.point}" if found.point else ""
    datum = observations[schema.LEVEL].attrs.get("vertical_datum", "not stated")
    assumed = "height" in str(observations[schema.LEVEL].attrs.get(ASSUMED, "")).split()
    taken = " (assumed; the data do not say so)" if assumed else ""
    said.say("read as", f"{depth}{point}{taken}; vertical datum {datum}")
    if found.time_zone:
        said.say("time zone", found.time_zone)
    if found.time_zone and weather.frames and not weather.zone:
        said.say("time zone", "the covariates have none; their days are taken as local days")
    elif weather.zone and weather.zone != found.time_zone:
        said.say("time zone", f"covariates {weather.zone}")
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    if at_step and at_step != "nearest":
        said.say("step", f"{at_step} of the levels of each step")
    elif at_step:
        said.say("step", "level nearest to each stamp")
    if frequency != "D" and (at_step or weather.frames):
        side = {"begin": "beginning", "end": "end"}[step_stamp(frequency, stamp)]
        said.say("step", f"each stamp marks the {side} of its step")
    for column, why in found.left.items():
        said.say("left out", f"column {column!r} ({why})")
    names = schema.covariate_names(observations)
    for column in found.covariates:
        used = any(column == name or column.startswith(f"{name} ") for name in names)
        if column not in weather.headers and not used:
            said.say("left out", f"column {column!r} (no level: a covariate)")
    said.take(notes)
    said.take(weather.notes)
    describe(observations, said)


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
