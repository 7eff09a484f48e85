"""Find the levels in what people hold: a Series for each well, units, level or depth.

What the header of a column says: level or depth, units, datum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import pandas as pd

from gwforecast.data.layouts.agencies import OF_CODES, plain_table, stated_code
from gwforecast.schema import SchemaError, covariate_kind

__all__ = [
    "DEPTH_NAMES",
    "LEVEL_NAMES",
    "TIME_NAMES",
    "UNITS",
    "Levels",
    "bare_name",
    "bracketed",
    "datum_of_name",
    "datum_of_units",
    "is_below",
    "names_depth",
    "names_level",
    "series_by_well",
]


LEVEL_NAMES = (
    "head", "level", "gwl", "value", "values", "stand_m_tov_nap", "water_level_masl_m", "wl",
    "niveau_nappe_eau", "water_level_above_navd88_ft", "water_level_above_site_datum_ft",
    "groundwater_level", "water_level", "hydraulic_head", "gw_level", "grundwasserstand",
    "grundwasserspiegel", "gw_stand", "grondwaterstand", "stijghoogte", "niveau",
    "beoordeelde waarde", "voorlopige waarde", "controle waarde", "onbekend waarde",
    *(code for code, meaning in OF_CODES.items() if not meaning.is_depth),
)  # fmt: skip
DEPTH_NAMES = (
    "depth_to_water", "depth_to_groundwater", "depth_to_water_level", "dtw", "depth",
    "water_level_below_ground_m", "water_level_below_surface_m", "profondeur_nappe", "profondeur",
    "abstich", "flurabstand", "grundwasserflurabstand",
    *(code for code, meaning in OF_CODES.items() if meaning.is_depth),
)  # fmt: skip
UNITS = ("m", "cm", "mm", "ft")
DATUMS = {
    "stand_m_tov_nap": "NAP",
    "beoordeelde waarde": "NAP",
    "voorlopige waarde": "NAP",
    "controle waarde": "NAP",
    "onbekend waarde": "NAP",
    "water_level_above_navd88_ft": "NAVD88",
}
_LEVELS, _DEPTHS = (
    {name.replace("_", " ") for name in names} for names in (LEVEL_NAMES, DEPTH_NAMES)
)
BELOW = ("bgl", "bgs", "btoc", "bmp", "bls")  # m below ground level, surface, top of casing, ...


def datum_of_name(name: str) -> str | None:
    """Return the datum of a header: ``level [m NAP]`` is above ``NAP``; None where none is."""
    bare = bare_name(name)
    if bare in OF_CODES:
        return OF_CODES[bare].datum
    if bare in DATUMS:
        return DATUMS[bare]
    return None if is_below(name) else datum_of_units(_inside(name))


def datum_of_units(text: str) -> str | None:
    """Return the datum that stands behind units: ``m NAP`` is above ``NAP``; None where none."""
    words = text.split()
    return words[1] if len(words) == 2 and words[0] in UNITS else None


def names_level(name: str) -> bool:
    """Return whether a header is one of those that levels have."""
    return bare_name(name).replace("_", " ") in _LEVELS


def names_depth(name: str) -> bool:
    """Return whether a header is one of those that depths to water have."""
    return bare_name(name).replace("_", " ") in _DEPTHS


def is_below(name: str) -> bool:
    """Return whether a header such as ``level [m bgl]`` says that it is a depth."""
    return _inside(name).lower().partition(" ")[2] in BELOW


def bracketed(name: str) -> str | None:
    """Return the units of a header: ``level [m NAP]`` is in ``m``; None without brackets."""
    return _inside(name).split(" ")[0] or None


def _inside(name: str) -> str:
    return name.replace("(", "[").partition("[")[2].strip(" ])")


def bare_name(name: str) -> str:
    """Return a header without units, statistic and case: ``72019_Mean`` is ``72019``."""
    bare = name.replace("(", "[").partition("[")[0].strip().lower()
    code = bare.partition("_")[0]
    return code if code.isdigit() and len(code) == 5 else bare


WELL_NAMES = (
    "well", "well_id", "site_no", "monitoring_location_id", "station_id", "unique_id", "station",
    "mw_id", "borehole", "site", "code_bss", "measure",
)  # fmt: skip
TIME_NAMES = (
    "time", "date", "datetime", "ds", "observation_date", "date_mesure", "timestamp", "dates",
    "yyyymmdd",
)  # fmt: skip


@dataclass(frozen=True)
class Levels:
    """Levels as found, not yet checked.

    Parameters
    ----------
    series : dict of str to pandas.Series
        By well.
    source : str
        Name of the column that they were taken from.
    units : str, optional
        Units that the data state.
    is_depth : bool
        Whether the values are depths, positive down.
    time_zone : str, optional
        Time zone of the stamps before they became UTC.
    datum : str, optional
        Vertical datum that the data state.
    above : frozenset of str
        Wells whose values are levels, where those of the others are depths.
    """

    series: dict[str, pd.Series]
    source: str
    units: str | None = None
    is_depth: bool = False
    time_zone: str | None = None
    datum: str | None = None
    above: frozenset[str] = frozenset()


def series_by_well(
    levels: pd.Series | pd.DataFrame | Mapping[str, pd.Series | pd.DataFrame],
    *,
    well: str | None = None,
    default: str = "well",
    level_column: str | None = None,
) -> Levels:
    """Return a Series for each well from a Series, a frame wide or long, or a mapping.

    Frames of hydropandas (``GroundwaterObs``, ``ObsCollection``) and of USGS dataretrieval are
    known by their attributes and columns.

    Parameters
    ----------
    levels : pandas.Series, pandas.DataFrame, or mapping of str to these
        Levels of one or more wells; the keys of a mapping are the names of the wells.
    well : str, optional
        Name of the only well, whatever the data call it.
    default : str
        Name of the only well, where the data do not name it.
    level_column : str, optional
        Column of the level.

    Raises
    ------
    SchemaError
        If no column or more than one could be the level, the index holds no times, or a name is
        given for more than one well.
    """
    if isinstance(levels, pd.Series):
        label = "" if levels.name is None else str(levels.name)
        known = names_level(label) or names_depth(label)
        found = Levels(
            {well or (default if known or not label else label): levels},
            label or "unnamed",
            bracketed(label) if known else None,
            names_depth(label) or is_below(label),
            datum=datum_of_name(label) if known else None,
        )
        return _checked(found, well)
    if isinstance(levels, pd.DataFrame):
        return _checked(_from_frame(levels, default, level_column), well)
    if isinstance(levels, Mapping) and levels:
        parts = {
            str(name): series_by_well(part, well=str(name), level_column=level_column)
            for name, part in levels.items()
        }
        return _checked(_merged(parts), well)
    raise SchemaError(
        "Levels must be a Series, a DataFrame, or a mapping of well to Series, and not empty. "
        f"Received {type(levels).__name__}. Read files with gwforecast.read_observations."
    )


def _merged(parts: dict[str, Levels]) -> Levels:
    """Return wells that agree in units and datum; some may be levels and the others depths."""
    above = {name: part for name, part in parts.items() if not part.is_depth}
    _refuse_differing("units", {n: (p.units or "m", p.source) for n, p in parts.items()})
    _refuse_differing("datum", {n: (str(p.datum), p.source) for n, p in above.items()})
    series = {name: part.series[name] for name, part in parts.items()}
    zones = [part.time_zone for part in parts.values() if part.time_zone]
    depths = len(above) < len(parts)
    return replace(
        next(iter((above or parts).values())),
        series=series,
        is_depth=depths,
        time_zone=zones[0] if zones else None,
        above=frozenset(above if depths else ()),
    )


def _refuse_differing(what: str, said: Mapping[str, tuple[str, str]]) -> None:
    """Refuse wells of which something is said, by a column, that differs from the first's."""
    for name, (value, source) in said.items():
        first = next(iter(said))
        if value != said[first][0]:
            raise SchemaError(
                f"All wells must have the same {what}. Received {said[first][0]} of well {first!r} "
                f"by {said[first][1]!r} and {value} of well {name!r} by {source!r}. Convert one of "
                "them, or read them apart."
            )


def _from_frame(frame: pd.DataFrame, default: str, level_column: str | None) -> Levels:
    if "obs" in frame.columns:  # an ObsCollection of hydropandas
        parts = {str(n): o for n, o in zip(frame.index, frame["obs"], strict=True)}
        return series_by_well(cast("Mapping[str, pd.DataFrame]", parts), level_column=level_column)
    _refuse_repeated(frame)
    frame = plain_table(frame)
    names = {bare_name(str(c)): c for c in frame.columns}
    time = None
    if not isinstance(frame.index, pd.DatetimeIndex):
        time = next((names[n] for n in TIME_NAMES if n in names), None)
        if time is None:
            raise SchemaError(
                "A table of levels needs times as its index, a DatetimeIndex, or in a column named "
                f"{', '.join(TIME_NAMES[:4])}, ... Received the columns "
                f"{list(map(str, frame.columns))}. Set the index with pandas.to_datetime."
            )
    wells = next((names[n] for n in WELL_NAMES if n in names), None)
    column = _level_column(frame, level_column, {time, wells}, long=wells is not None)
    table = frame if time is None else frame.set_index(time)
    if not isinstance(table.index, pd.DatetimeIndex):
        table = table.set_axis(_parsed(table.index), axis=0)
    if column is None:
        return _wide(table, frame, {time, wells})
    units = _units(frame, names, column)
    depth = _is_depth(frame, names, column)
    datum = None if depth else _datum(frame, names, column)
    if wells is None:
        own = getattr(frame, "name", None)  # GroundwaterObs has a name
        name = own if isinstance(own, str) and own else default
        return Levels({name: table[column]}, str(column), units, depth, datum=datum)
    if table[wells].isna().any():
        row = int(table[wells].isna().to_numpy().argmax())
        raise SchemaError(
            f"Each row of a long table needs a well. Received none in column {str(wells)!r} at row "
            f"{row}, {table.index[row]}. Give the name of the well, or remove the row."
        )
    grouped = {str(key): group[column] for key, group in table.groupby(wells, sort=False)}
    return Levels(grouped, str(column), units, depth, datum=datum)


def _refuse_repeated(frame: pd.DataFrame) -> None:
    repeated = frame.columns[frame.columns.map(str).duplicated()]
    if len(repeated):
        raise SchemaError(
            f"Columns must have names of their own. Received {str(repeated[0])!r} twice. Rename "
            "one with DataFrame.set_axis."
        )


def _wide(table: pd.DataFrame, frame: pd.DataFrame, taken: set[Any]) -> Levels:
    """Return the levels of a table with a column for each well, units in the headers or not."""
    columns = [c for c in table.columns if c not in taken]
    weather = [
        c
        for c in columns
        if bare_name(str(c)) not in ("p", "t") and covariate_kind(bare_name(str(c))) != "other"
    ]
    if weather:
        raise SchemaError(
            "A table with a column for each well must hold levels only. Received "
            f"{str(weather[0])!r}, which names a covariate; the columns are "
            f"{list(map(str, frame.columns))}. Choose the level with level_column=, and give the "
            "weather as covariates."
        )
    units = {c: bracketed(str(c)) for c in columns}
    units = {c: unit if unit in UNITS else None for c, unit in units.items()}
    if len(set(units.values())) > 1:
        raise SchemaError(
            f"All levels must have the same units. Received {list(map(str, columns))}. Convert "
            "them, and name the units in every header or in none."
        )
    named = {str(c).split("[")[0].strip() if units[c] else str(c): table[c] for c in columns}
    return Levels(named, "one column for each well", next(iter(units.values())))


def _level_column(frame: pd.DataFrame, wanted: str | None, taken: set[Any], *, long: bool) -> Any:
    """Return the column of the level, or None for a table with a column for each well."""
    if wanted is not None:
        if wanted not in frame.columns:
            raise SchemaError(
                f"level_column must be a column of the table. Received {wanted!r}; the columns are "
                f"{list(map(str, frame.columns))}. Correct the name."
            )
        return wanted
    candidates = [c for c in frame.columns if c not in taken and not str(c).endswith("_cd")]
    found = [c for c in candidates if names_level(str(c)) or names_depth(str(c))]
    if len(found) > 1:
        raise SchemaError(
            f"One column must be the level. Received {len(found)} that could be: "
            f"{list(map(str, found))}. Choose one with level_column=."
        )
    if found:
        return found[0]
    rest = [c for c in frame.columns if c not in taken]
    numeric = [c for c in rest if pd.api.types.is_numeric_dtype(frame[c].dtype)]
    if not numeric or (long and len(numeric) != 1):
        raise SchemaError(
            "A table of levels needs a column of numbers that is the level. Received the columns "
            f"{list(map(str, frame.columns))}. Choose one with level_column=."
        )
    text = [c for c in rest if c not in numeric]
    if text and not long:
        value = frame[text[0]].dropna()
        raise SchemaError(
            f"Columns of levels must be numbers. Received {str(text[0])!r} with the value "
            f"{value.iloc[0] if len(value) else None!r}. Correct it, drop the column, or choose "
            "the level with level_column=."
        )
    return numeric[0] if long else None


def _units(frame: pd.DataFrame, names: Mapping[str, Any], column: Any) -> str | None:
    """Return units from the header ``level [cm]``, a column of units, or the object itself."""
    header = bracketed(str(column))
    if header:
        return header
    if "unit_of_measure" in names:
        stated = frame[names["unit_of_measure"]].dropna().astype(str).unique()
        if len(stated) > 1:
            raise SchemaError(
                f"All levels must have the same units. Received {sorted(stated)}. Read them apart."
            )
        return str(stated[0]) if len(stated) else None
    if str(column).endswith("_ft"):
        return "ft"
    code = stated_code(frame, dict(names)) or bare_name(str(column))
    if code in OF_CODES:
        return OF_CODES[code].units
    own = getattr(frame, "unit", None)
    return own.split(" ")[0] if isinstance(own, str) and own else None


def _is_depth(frame: pd.DataFrame, names: Mapping[str, Any], column: Any) -> bool:
    code = stated_code(frame, dict(names))
    if code is not None:
        return OF_CODES[code].is_depth
    return names_depth(str(column)) or is_below(str(column))


def _datum(frame: pd.DataFrame, names: Mapping[str, Any], column: Any) -> str | None:
    """Return the datum from a code, a column of datums, the header, or the object itself."""
    code = stated_code(frame, dict(names))
    if code is not None:
        return OF_CODES[code].datum
    for name in ("monitoring_location_vertical_datum", "vertical_datum"):
        if name in names:
            stated = frame[names[name]].dropna().astype(str).unique()
            if len(stated) > 1:
                raise SchemaError(
                    f"All levels must have the same datum. Received {sorted(stated)} in column "
                    f"{name!r}. Read them apart."
                )
            if len(stated):
                return str(stated[0])
    own = getattr(frame, "unit", None)  # GroundwaterObs has units such as "m NAP"
    of_object = datum_of_units(own) if isinstance(own, str) else None
    return datum_of_name(str(column)) or of_object


def _parsed(index: pd.Index) -> pd.DatetimeIndex:
    try:
        return pd.DatetimeIndex(pd.to_datetime(index))
    except (ValueError, TypeError) as error:
        raise SchemaError(
            f"Times of levels must be dates. Received {index[0]!r} first, which pandas can't read "
            f"({error}). Convert them with pandas.to_datetime and its format."
        ) from None


def _checked(found: Levels, well: str | None) -> Levels:
    series = found.series
    if well is not None and len(series) > 1:
        raise SchemaError(
            f"A name can be given to one well only. Received {well!r} for {len(series)} wells, "
            f"{list(series)[:3]} first. Leave it out, or choose the level with level_column=."
        )
    zone = found.time_zone
    for name, values in series.items():
        if not isinstance(values.index, pd.DatetimeIndex):
            raise SchemaError(
                f"Levels need a DatetimeIndex. Received {type(values.index).__name__} for well "
                f"{name!r}. Set it with pandas.to_datetime."
            )
        kind = values.dtype
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
            example = next(iter(values.dropna()), None)
            raise SchemaError(
                f"Levels must be numbers. Received {example!r} of dtype {kind} for well {name!r}, "
                f"column {found.source!r}. Convert them with pandas.to_numeric; in a file, check "
                "the decimal mark."
            )
        if values.index.tz is not None:
            zone = str(values.index.tz)
    if not series or all(len(values) == 0 for values in series.values()):
        raise SchemaError("Levels must hold at least one row. Received none. Check the source.")
    if well is not None:
        series = {well: next(iter(series.values()))}
    return replace(found, series=series, time_zone=zone)
