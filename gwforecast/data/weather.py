"""Covariates of tables, by well: checked, on one axis, with kind and units, steps aggregated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.layouts.base import RawTable
from gwforecast.data.roles import (
    REASONS,
    is_code,
    is_constant,
    is_numeric,
    refuse_numbers_as_text,
    refuse_stations,
    text_of,
)
from gwforecast.data.terms.headers import Header, read_header, tokens
from gwforecast.data.terms.units import convert_weather, fold, is_rate
from gwforecast.data.terms.words import CALENDAR_WORDS
from gwforecast.data.text.dated import times_of_index
from gwforecast.data.text.stamps import local_times
from gwforecast.data.time_axis import (
    Cleaning,
    StepStamp,
    frequency_of_step,
    hour_of,
    span_of,
    step_stamp,
    times_a_day,
    with_missing_steps,
)
from gwforecast.schema import SchemaError

__all__ = [
    "Weather", "covariate_variables", "of_each_well", "table_of_covariates", "weather_by_well",
]  # fmt: skip

_CUMULATIVE = r"cumul|kumul|acumul|accumulat|aufsummiert|running total|since"
MOST_RESETS = 0.02  # of the steps of cumulative rain, as each year or at an emptied gauge
MOST_PARAMETERS = 30
"""Texts of a column that names the covariates of rows."""

Covariates = pd.DataFrame | RawTable | Mapping[str, pd.DataFrame | RawTable]

KNOWN_UNITS = {
    "rr": "mm", "tg": "degC", "tn": "degC", "tx": "degC", "pp": "hPa", "hu": "%", "fg": "m/s",
    "qq": "W/m2", "hyras_pr": "mm", "hyras_tas": "degC", "hyras_tasmin": "degC",
    "hyras_tasmax": "degC", "hyras_hurs": "%", "hyras_rsds": "W/m2",
}  # fmt: skip
"""Units of the names of E-OBS and HYRAS; tables of other services with such names are known."""

AGGREGATED: dict[str, str] = {
    "rain": "sum", "evapotranspiration": "sum", "temperature_min": "min", "temperature_max": "max",
}  # fmt: skip
"""How covariates of a kind are aggregated to longer steps; all others by their mean."""

HOTTEST = 58.0
"""Highest temperature, degC, that a place on Earth can have."""
MOST_FAHRENHEIT = 140.0
_FAHRENHEIT = convert_weather("temperature", "degF")


@dataclass
class Weather:
    """Covariates by well, and what their columns are."""

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)  # one object where shared
    headers: dict[str, Header] = field(default_factory=dict)  # of columns a layout explains
    notes: list[str] = field(default_factory=list)  # what was decided, and what was left out
    units: Mapping[str, str] = field(default_factory=dict)  # by name, as they are given
    zone: str | None = None  # time zone of the stamps
    own_stamp: StepStamp | None = None  # where stamps stand in their steps, as the layout says

    def to_days_of(self, levels: Iterable[pd.Series]) -> None:
        """Stamp steps of days at one hour with their days, where levels are of days."""
        frames = {id(frame): frame for frame in self.frames.values()}
        hours = {hour_of(frame.index) for frame in frames.values() if len(frame)}
        if len(hours) != 1 or not (hour := hours.pop()):
            return
        if all(hour_of(series.index) == pd.Timedelta(0) for series in levels):
            moved = {
                key: frame.set_axis(pd.DatetimeIndex(frame.index).normalize(), axis=0)
                for key, frame in frames.items()
            }
            self.frames = {well: moved[id(frame)] for well, frame in self.frames.items()}
            self.notes.append(f"time: stamps of the weather at {str(hour)[7:12]} are taken as days")


def weather_by_well(
    covariates: Covariates | None,
    wells: list[str],
    *,
    source: str,
    cleaning: Cleaning,
    attributes: pd.DataFrame | None = None,
    units: Mapping[str, str] | None = None,
    step: str | None = None,
    stamp: StepStamp | None = None,
    own_stamp: StepStamp | None = None,
) -> Weather:
    """Return a frame of covariates for each well; all have the same columns.

    Covariates by station are those of the wells whose static attributes name the station.

    Raises SchemaError if a well has none, wells have different ones, or a column is not a
    covariate.
    """
    made = Weather(units=units or {})
    if covariates is None:
        return made
    given: dict[str, Any] = dict.fromkeys(wells, covariates)
    if by_well := isinstance(covariates, Mapping):
        given = of_each_well(covariates, wells, attributes, made.notes)
    cleaning, cleaned = replace(cleaning, notes=made.notes), {}
    for name, part in given.items():
        if id(part) not in cleaned:
            what = f"covariates of well {name!r}" if by_well else "covariates"
            frame = _amounts(_clean_frame(_table(part, made), what, source, cleaning), made)
            frame = _aggregated(frame, step, stamp, own_stamp, made)
            cleaned[id(part)] = with_missing_steps(frame, what, made.notes)
    columns = sorted({tuple(frame.columns) for frame in cleaned.values()})
    if len(columns) > 1:
        raise SchemaError(
            f"All wells need the same covariates. Received {list(columns[0])} and "
            f"{list(columns[1])}. Add what is missing, or leave it out everywhere."
        )
    made.frames = {name: cleaned[id(part)] for name, part in given.items()}
    return made


def of_each_well(
    given: Mapping[str, Any],
    wells: Sequence[str],
    attributes: pd.DataFrame | None,
    notes: list[str],
) -> dict[str, Any]:
    """Return the covariates of each well: those with its name, or with that of its station.

    The station stands in the column of the static attributes whose names all have covariates; a
    note is added that says which.

    Raises SchemaError if a well has none, or several columns name different ones.
    """
    without = [name for name in wells if name not in given]
    if not without:
        return {name: given[name] for name in wells}
    stations = {} if attributes is None else _stations(attributes, wells)
    known = {label: names for label, names in stations.items() if set(names) <= set(given)}
    label, names = next(iter(known.items()), ("", ()))
    other = next((one for one, found in known.items() if found != names), None)
    if other is not None:
        raise SchemaError(
            "One column of the static attributes says which covariates a well has. Received "
            f"{label!r} and {other!r}, which differ. Remove or rename one of them."
        )
    if known:
        notes.append(f"covariates: each well has those of its {label!r} in the static attributes")
        return dict(zip(wells, (given[name] for name in names), strict=True))
    there = sorted(map(str, given))
    part = next((f for f in stations.items() if set(f[1]) & set(given)), None)
    missing = (
        [] if part is None else [n for n in zip(wells, part[1], strict=True) if n[1] not in given]
    )
    found = f"; its {part[0]!r} is {missing[0][1]!r}" if part and missing else ""
    raise SchemaError(
        f"Each well needs covariates. Received none for {len(without)} of {len(wells)} wells, "
        f"{(missing[0][0] if missing else without[0])!r} among them{found}; there are some for "
        f"{there[:5]}. Name them as the wells, or give static attributes with attributes= "
        "(--attributes): a row for each well, and a column with the name of its covariates, such "
        "as a station. Or choose other wells with wells=[...] (--well)."
    )


def _stations(attributes: pd.DataFrame, wells: Sequence[str]) -> dict[str, list[str]]:
    """Return what each column of static attributes says of the wells, as text."""
    table = attributes.set_axis([str(name) for name in attributes.index])
    table = table[~table.index.duplicated()].reindex(list(wells))
    return {str(name): [text_of(value) for value in table[name]] for name in table.columns}


def _table(part: object, made: Weather) -> object:
    """Return the frame of a part, its times naive; headers and notes go to the weather."""
    frame = part
    if isinstance(part, RawTable):
        frame = part.frame
        made.headers.update(part.headers)
        made.notes.extend(note for note in part.notes if note not in made.notes)
        made.zone = made.zone or part.zone
        if part.facts.get("stamp") == "end":
            made.own_stamp = "end"
    if isinstance(frame, pd.DataFrame):
        times = times_of_index(frame.index)
        if times is not None:
            local, zone = local_times(times)
            made.zone = made.zone or zone
            frame = frame.set_axis(local, axis=0)
    return frame


def _clean_frame(frame: object, what: str, source: str, cleaning: Cleaning) -> pd.DataFrame:
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
        columns[str(name)] = cleaning.series(frame[name], f"{what}, column {label!r}")
    return pd.DataFrame(columns, index=None if columns else frame.index)


def _amounts(frame: pd.DataFrame, made: Weather) -> pd.DataFrame:
    """Return rain that its header calls cumulative, and that hardly ever falls, by step."""
    amounts = {}
    for name in map(str, frame.columns):
        rises = frame[name].diff()
        rare = (rises < 0).mean() < MOST_RESETS
        if kind_of(name, made.headers) == "rain" and re.search(_CUMULATIVE, fold(name)) and rare:
            amounts[name] = rises.where(rises.isna() | (rises >= 0), frame[name])
            made.notes.append(
                f"rain: {name} adds up to {frame[name].max():.6g} and begins anew "
                f"{int((rises < 0).sum())} times; its rises are taken as the amounts of the steps"
            )
    return frame.assign(**amounts)


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


def _aggregated(
    frame: pd.DataFrame,
    step: str | None,
    stamp: StepStamp | None,
    own: StepStamp | None,
    made: Weather,
) -> pd.DataFrame:
    """Return a frame of shorter steps than wanted, aggregated by kind; others as they are."""
    if len(frame) < 2:
        return frame
    shortest = np.diff(frame.index.to_numpy()).min()
    if step is None:
        if shortest < np.timedelta64(1, "D"):
            raise SchemaError(
                "Covariates must be daily, weekly, monthly or quarterly. Received steps of "
                f"{pd.Timedelta(shortest)} from {timeline.format_time(frame.index[0])}. Aggregate "
                "them by kind (sum of rain, mean of temperature) with step='D' (--step D)."
            )
        return _not_aggregated(frame, own)
    frequency = frequency_of_step(step)
    there = timeline.frequency_of(frame.index.to_numpy()) or ""
    if there.split("-")[0] == frequency.split("-")[0]:
        return _not_aggregated(frame, own)
    own = own or made.own_stamp or "begin"
    if own == "end":
        frame = frame.set_axis(frame.index - shortest, axis=0)
    begins = step_stamp(frequency, stamp) == "begin"
    side: Literal["left", "right"] = "left" if begins else "right"
    groups = frame.resample(frequency, closed=side, label=side)
    usual = int(groups.size().mode().iloc[0])
    hows = {name: _how(name, made) for name in frame.columns}
    least = usual if frequency == "D" else 0.9 * usual
    sums = [name for name, how in hows.items() if how == "sum" and frequency == "D"]
    rare = {name: often for name in sums if (often := times_a_day(frame[name], usual))}
    made.notes += [f"step: {name} is given {n} times a day" for name, n in rare.items()]
    listed = ", ".join(f"{how} of {name}" for name, how in hows.items())
    made.notes.append(
        f"step: covariates aggregated from {span_of(shortest)} to {frequency}: {listed}; "
        f"steps with fewer than {least:g} values are missing"
    )
    sides = {"begin": "beginning", "end": "end"}
    other = "end" if own == "begin" else "begin"
    made.notes.append(
        f"step: the stamps of the steps of {span_of(shortest)} are their {sides[own]}; say "
        f"covariate_stamp={other!r} if they are their {sides[other]}"
    )
    aggregated: pd.DataFrame = groups.agg(hows)
    return aggregated.where(groups.count() >= pd.Series(dict.fromkeys(hows, least) | rare))


def _how(name: str, made: Weather) -> str:
    """Return how a covariate is aggregated to longer steps: amounts by sums, rates by means."""
    kind = kind_of(name, made.headers)
    unit = _stated_unit(name, made)
    if unit and convert_weather(kind, unit) and kind in ("rain", "evapotranspiration", "radiation"):
        return "mean" if is_rate(kind, unit) else "sum"
    return AGGREGATED.get(kind, "mean")


def _not_aggregated(frame: pd.DataFrame, own: StepStamp | None) -> pd.DataFrame:
    """Return a frame as it is; refuse a choice that would change nothing."""
    if own is not None:
        raise ValueError(
            "covariate_stamp says where the stamps of covariates stand that are aggregated to a "
            f"longer step. Received {own!r} for covariates that are not. Leave it out, or give the "
            "step with step=."
        )
    return frame


def kind_of(name: str, headers: Mapping[str, Header]) -> str:
    """Return the kind of a covariate by its column: as the layout says, else by its name."""
    header = headers.get(name)
    if header is not None and header.kind:
        return header.kind
    label = _split_units(name)[0]
    exact = schema.covariate_kind(label)
    return exact if exact != "other" else (read_header(name).kind or "other")


def covariate_variables(
    weather: Weather, wells: list[str], times: np.ndarray
) -> dict[str, xr.Variable]:
    """Return the covariates on the axis with kind, name and units, dims (well, time).

    Raises SchemaError if units are given for a name that is no covariate.
    """
    frames = weather.frames
    columns = list(next(iter(frames.values())).columns) if frames else []
    labels = [_split_units(name)[0] for name in columns]
    unknown = [name for name in weather.units if name not in labels]
    if unknown:
        raise SchemaError(
            f"Units of covariates are given by their names. Received {unknown[0]!r}; there are "
            f"{labels}. Correct the name."
        )
    index = pd.DatetimeIndex(times)
    unique = {id(frame): frame for frame in frames.values()}
    on_axis = {key: frame.reindex(index) for key, frame in unique.items()}
    days = timeline.days_per_step(timeline.infer_frequency(times)) if columns else 1.0
    made = {}
    stated = {name: _stated_unit(name, weather) for name in columns}
    american = any(convert_weather("temperature", u or "") == _FAHRENHEIT for u in stated.values())
    for name in columns:
        stacked = np.stack([on_axis[id(frames[w])][name].to_numpy(float) for w in wells])
        label = _split_units(name)[0]
        kind, known = kind_of(name, weather.headers), stated[name]
        if known is None and kind.startswith("temperature"):
            known = _unit_of_temperature(stacked, label)
        if known is None and kind == "rain" and american:
            raise SchemaError(
                "Rain beside temperatures in degF needs its unit, because it may be in inches. "
                f"Received none for {label!r}. Say covariate_units={{{label!r}: 'in'}} "
                f"(--covariate-unit {label}=in), or mm, or write it into the header."
            )
        if known:
            stacked, known = _converted(stacked, kind, label, known, days, weather.notes)
        attrs = {"kind": kind, "long_name": label}
        made[label] = xr.Variable(
            (schema.WELL, schema.TIME), stacked, attrs | ({"units": known} if known else {})
        )
    return made


def _stated_unit(name: str, weather: Weather) -> str | None:
    """Return the unit of a covariate as given, or as its header has it; None without any.

    What stands in brackets behind a temperature and is no unit, e.g. ``(daily)``, says none.
    """
    label = _split_units(name)[0]
    unit = (weather.headers.get(name) or read_header(name)).unit
    kind = kind_of(name, weather.headers)
    if unit and kind.startswith("temperature") and convert_weather(kind, unit) is None:
        unit = None
    return weather.units.get(label) or unit or KNOWN_UNITS.get(label.lower())


def _unit_of_temperature(values: np.ndarray, label: str) -> str | None:
    """Return ``"K"`` for values that can only be kelvin; refuse those that may well be degF.

    Single values that no place has are left to the checks.
    """
    known = values[np.isfinite(values)]
    if known.size and known.min() > 150 and known.max() < 400:
        return "K"
    hot = known > HOTTEST
    if known.size and hot.mean() > 0.02 and known.max() < MOST_FAHRENHEIT:
        raise SchemaError(
            f"A temperature without a unit is taken as degC. Received {known.max():g} for "
            f"{label!r}, which is none. Say its unit with covariate_units={{{label!r}: 'degF'}}, "
            "write it into the header, or correct the value."
        )
    return None


def _converted(
    values: np.ndarray, kind: str, label: str, unit: str, days: float, notes: list[str]
) -> tuple[np.ndarray, str]:
    """Return values in the usual unit of their kind, and that unit."""
    conversion = convert_weather(kind, unit, days=days)
    if conversion is None or conversion[:2] == (1.0, 0.0):
        return values, unit
    factor, offset, usual = conversion
    shift = f", then {offset:+.4g}" if offset else ""
    notes.append(f"unit: {label} from {unit} to {usual} (times {factor:.6g}{shift})")
    return values * factor + offset, usual


def _split_units(name: str) -> tuple[str, str | None]:
    """Return name and units of a header such as ``rain [mm/d]``; the last bracket of several."""
    found = re.match(r"^(.*\S)\s*[\[(]([^\[\]()]*)[\])]?\s*$", name)
    if found is None:
        label, bracket, rest = name.replace("(", "[").replace(")", "]").partition("[")
        plain = (label.strip(), rest.rstrip("] ").strip())
        return plain if bracket and label.strip() and "]" not in rest else (name, None)
    return found[1].strip(), found[2].strip()


def table_of_covariates(
    raw: RawTable, *, drop: tuple[str, ...] = (), wells: Sequence[str] = ()
) -> Covariates:
    """Return the covariates of a file: its columns of numbers, by well where it names wells.

    Raises SchemaError if no column is a covariate, or columns have no names.
    """
    frame = raw.frame.drop(columns=[c for c in drop if c in raw.frame])
    raw = _one_column_each(raw.changed(frame=frame))
    frame = raw.frame
    by_well, kept = None, []
    for name in map(str, frame.columns):
        header, column = raw.header(name), frame[name]
        if re.sub(r"[_ ](?:q|qc|j|flag|f|c)$", "", name, flags=re.I) in set(frame) - {name}:
            header = replace(header, meaning="quality")  # prcp_amt_q beside prcp_amt
        if header.meaning == "well" and not is_constant(column) and by_well is None:
            by_well = name
            continue
        reason = _no_covariate(name, header, column)
        if reason is None:
            kept.append(name)
        else:
            unread = header.meaning in ("unknown", "value") or header.kind
            if unread and not is_numeric(column) and column.notna().any():
                refuse_numbers_as_text(raw, name)
            raw.notes.append(f"left out: column {name!r} ({reason})")
    if not kept:
        raise SchemaError(
            "A table of covariates needs a column of numbers. Received the columns "
            f"{list(map(str, raw.frame.columns))[:12]} in {raw.path}. Check the file and the "
            "decimal mark."
        )
    refuse_stations(raw, kept, wells)
    unnamed = [n for n in map(str, frame.columns) if re.fullmatch(r"value(?: \d+)?", n)]
    if len(unnamed) > 1:
        raise SchemaError(
            f"Covariates need names. Received {len(unnamed)} columns without a header in "
            f"{raw.path}. Write the names into the first line, e.g. date,rain,temperature."
        )
    if by_well is None:
        return _of_named_wells(raw.changed(frame=frame[kept]), wells)
    keys = frame[by_well].map({v: text_of(v) for v in frame[by_well].unique()})
    raw.notes.append(f"covariates: by column {by_well!r}")
    return {
        str(key): raw.changed(frame=frame[kept].iloc[rows])
        for key, rows in keys.reset_index(drop=True).groupby(keys.to_numpy()).indices.items()
    }


def _no_covariate(name: str, header: Header, column: pd.Series) -> str | None:
    """Return why a column is no covariate; None where it is one."""
    if not column.notna().any():
        return "no values"
    reason = REASONS.get(header.meaning, "text")
    if not is_numeric(column):
        return reason
    if header.meaning == "well":
        return "station"
    if " ".join(tokens(name)) in CALENDAR_WORDS:
        return "another time"
    if header.meaning in ("pressure", "value"):
        return None
    if header.meaning in ("place", "other", "column"):
        return reason if is_constant(column) else None
    if header.meaning in REASONS:
        return reason
    constant = header.meaning == "unknown" and is_code(column)
    return "a code, the same in all rows" if constant else None


def _one_column_each(raw: RawTable) -> RawTable:
    """Return a table of parameters below each other with a column for each."""
    frame = raw.frame
    values = [n for n in map(str, frame.columns) if raw.header(n).meaning == "value"]
    if len(values) != 1 or not is_numeric(frame[values[0]]):
        return raw
    if not frame.index.has_duplicates:
        return _of_one_parameter(raw, values[0])
    for name in map(str, frame.columns):
        column = frame[name]
        if raw.header(name).meaning not in ("parameter", "unknown") or is_numeric(column):
            continue
        if is_constant(column) or column.nunique() > MOST_PARAMETERS:
            continue
        parts = {str(k): part[values[0]] for k, part in frame.groupby(column, sort=False)}
        if any(part.index.has_duplicates for part in parts.values()):
            continue
        raw.notes.append(f"covariates: one for each text of the column {name!r}")
        wide = pd.DataFrame(parts)
        headers = {name: raw.headers[name] for name in parts if name in raw.headers}
        return raw.changed(frame=wide, headers=headers, times=pd.DatetimeIndex(wide.index), dry={})
    return raw


def _of_one_parameter(raw: RawTable, values: str) -> RawTable:
    """Return a table whose column of values has the name of the only parameter, where one is."""
    frame = raw.frame
    named = [n for n in map(str, frame.columns) if raw.header(n).meaning == "parameter"]
    units = [n for n in map(str, frame.columns) if raw.header(n).meaning == "unit"]
    unit = str(frame[units[0]].dropna().iloc[0]) if units and is_constant(frame[units[0]]) else None
    said = [raw.facts.get(fact, "") for fact in ("parameter", "series")]
    said.append(raw.path.stem if raw.path else "")
    name = next((text for text in said if read_header(text).kind and not named), "")
    if name:
        unit = unit or raw.facts.get("unit")
    elif named and not is_numeric(frame[named[0]]) and is_constant(frame[named[0]]):
        name = str(frame[named[0]].dropna().iloc[0]).strip()
    else:
        return raw
    header = raw.headers.get(name, read_header(name)).with_unit(unit)
    return raw.changed(
        frame=frame.rename(columns={values: name}), headers={**raw.headers, name: header}
    )


def _of_named_wells(raw: RawTable, wells: Sequence[str]) -> Covariates:
    """Return one covariate by well where the columns are named after the wells."""
    names = list(map(str, raw.frame.columns))
    by_well = {raw.header(n).rest or raw.header(n).label: n for n in names}
    if len(names) < 2 or len(by_well) < len(names) or not wells or not set(wells) <= set(by_well):
        return raw
    kinds = {raw.header(n).kind for n in names}
    kind = next(iter(kinds)) or read_header(raw.path.stem if raw.path else "").kind
    if len(kinds) > 1 or kind is None:
        raise SchemaError(
            "Columns named after the wells are one covariate, whose kind the header or the name of "
            f"the file must say. Received {names[:4]} in {raw.path}. Call the file rain.csv, or "
            f"the columns 'rain {names[0]}' and so on."
        )
    raw.notes.append(f"covariates: {kind}, a column for each well")
    return {
        well: raw.changed(
            frame=raw.frame[[by_well[well]]].set_axis([kind], axis=1),
            headers={kind: replace(raw.header(by_well[well]), meaning=kind)},
        )
        for well in wells
    }
