"""Find the levels in what people hold: a Series for each well, units, level or depth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from gwforecast.schema import SchemaError

__all__ = ["DEPTH_NAMES", "LEVEL_NAMES", "Levels", "TIME_NAMES", "series_by_well"]

LEVEL_NAMES = (
    "head", "level", "gwl", "value", "values", "stand_m_tov_nap", "water_level_masl_m", "wl",
    "niveau_nappe_eau", "water_level_above_navd88_ft", "groundwater_level", "62611", "62610",
)  # fmt: skip
DEPTH_NAMES = (
    "depth_to_water", "dtw", "depth", "water_level_below_ground_m", "water_level_below_surface_m",
    "water_level_above_site_datum_ft", "72019", "profondeur_nappe",
)  # fmt: skip
WELL_NAMES = (
    "well", "well_id", "site_no", "monitoring_location_id", "station_id", "unique_id", "station",
    "mw_id", "borehole", "site", "code_bss", "measure",
)  # fmt: skip
TIME_NAMES = (
    "time", "date", "datetime", "ds", "observation_date", "date_mesure", "timestamp", "dates",
)  # fmt: skip
USGS_DEPTH = "72019"


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
    """

    series: dict[str, pd.Series]
    source: str
    units: str | None = None
    is_depth: bool = False
    time_zone: str | None = None


def series_by_well(
    levels: pd.Series | pd.DataFrame | Mapping[str, pd.Series | pd.DataFrame],
    *,
    well: str | None = None,
    level_column: str | None = None,
) -> Levels:
    """Return a Series for each well from a Series, a frame wide or long, or a mapping.

    Frames of hydropandas (``GroundwaterObs``, ``ObsCollection``) and of USGS dataretrieval are
    known by their attributes and columns.

    Raises
    ------
    SchemaError
        If no column or more than one could be the level, or the index holds no times.
    """
    if isinstance(levels, pd.Series):
        name = well or (str(levels.name) if levels.name not in (None, "") else "well")
        name = "well" if well is None and _base(name) in (*LEVEL_NAMES, *DEPTH_NAMES) else name
        depth = _base(str(levels.name)) in DEPTH_NAMES
        return _checked({name: levels}, str(levels.name), None, depth)
    if isinstance(levels, pd.DataFrame):
        return _from_frame(levels, well, level_column)
    if isinstance(levels, Mapping) and levels:
        found = [
            series_by_well(part, well=str(name), level_column=level_column)
            for name, part in levels.items()
        ]
        merged = {name: series for part in found for name, series in part.series.items()}
        return Levels(merged, found[0].source, found[0].units, found[0].is_depth,
                      found[0].time_zone)  # fmt: skip
    raise SchemaError(
        "Levels must be a Series, a DataFrame, or a mapping of well to Series, and not empty. "
        f"Received {type(levels).__name__}. Read files with gwforecast.read_observations."
    )


def _from_frame(frame: pd.DataFrame, well: str | None, level_column: str | None) -> Levels:
    if "obs" in frame.columns:  # an ObsCollection of hydropandas
        parts = {str(n): o for n, o in zip(frame.index, frame["obs"], strict=True)}
        return series_by_well(cast("Mapping[str, pd.DataFrame]", parts), well=well)
    names = {_base(str(c)): c for c in frame.columns}
    time = None
    if not isinstance(frame.index, pd.DatetimeIndex):
        time = next((names[n] for n in TIME_NAMES if n in names), None)
        if time is None:
            raise SchemaError(
                "A table of levels needs times as its index or in a column named "
                f"{', '.join(TIME_NAMES[:4])}, ... Received the columns "
                f"{list(map(str, frame.columns))}. Set the index to pandas.to_datetime(...)."
            )
    wells = next((names[n] for n in WELL_NAMES if n in names), None)
    column = _level_column(frame, names, level_column, {time, wells}, long=wells is not None)
    table = frame if time is None else frame.set_index(time)
    if not isinstance(table.index, pd.DatetimeIndex):
        table = table.set_axis(_parsed(table.index), axis=0)
    if column is None:
        used = {str(c): table[c] for c in table.columns if c not in (time, wells)}
        return _checked(used, "one column for each well", None, False)
    units = _units(frame, names, column)
    depth = _is_depth(frame, names, column)
    if wells is None:
        own = getattr(frame, "name", None)  # GroundwaterObs has a name
        name = well or (own if isinstance(own, str) and own else "well")
        return _checked({name: table[column]}, str(column), units, depth)
    grouped = {
        str(key): group[column] for key, group in table.groupby(wells, sort=False, dropna=False)
    }
    return _checked(grouped, str(column), units, depth)


def _level_column(
    frame: pd.DataFrame,
    names: Mapping[str, Any],
    wanted: str | None,
    taken: set[Any],
    *,
    long: bool,
) -> Any:
    """Return the column of the level, or None for a table with a column for each well."""
    if wanted is not None:
        if wanted not in frame.columns:
            raise SchemaError(
                f"level_column must be a column of the table. Received {wanted!r}; the columns are "
                f"{list(map(str, frame.columns))}. Correct the name."
            )
        return wanted
    found = [names[n] for n in (*LEVEL_NAMES, *DEPTH_NAMES) if n in names and names[n] not in taken]
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
    header = str(column).replace("(", "[")
    if "[" in header:
        return header.partition("[")[2].rstrip("]) ").split(" ")[0]
    if "unit_of_measure" in names:
        stated = frame[names["unit_of_measure"]].dropna().astype(str).unique()
        if len(stated) > 1:
            raise SchemaError(
                f"All levels must have the same units. Received {sorted(stated)}. Read them apart."
            )
        return str(stated[0]) if len(stated) else None
    if str(column).endswith("_ft"):
        return "ft"
    own = getattr(frame, "unit", None)
    return own.split(" ")[0] if isinstance(own, str) and own else None


def _is_depth(frame: pd.DataFrame, names: Mapping[str, Any], column: Any) -> bool:
    if "parameter_code" in names:
        codes = frame[names["parameter_code"]].astype(str)
        if codes.str.startswith(USGS_DEPTH).any():
            return True
    return _base(str(column)) in DEPTH_NAMES


def _base(name: str) -> str:
    """Return a header without units, statistic and case: ``72019_Mean`` is ``72019``."""
    bare = name.replace("(", "[").partition("[")[0].strip().lower()
    code = bare.partition("_")[0]
    return code if code.isdigit() and len(code) == 5 else bare


def _parsed(index: pd.Index) -> pd.DatetimeIndex:
    try:
        return pd.DatetimeIndex(pd.to_datetime(index))
    except (ValueError, TypeError) as error:
        raise SchemaError(
            f"Times of levels must be dates. Received {index[0]!r} first, which pandas can't read "
            f"({error}). Convert them with pandas.to_datetime and its format."
        ) from None


def _checked(
    series: dict[str, pd.Series], source: str, units: str | None, is_depth: bool
) -> Levels:
    zone = None
    made = {}
    for name, values in series.items():
        if not isinstance(values.index, pd.DatetimeIndex):
            raise SchemaError(
                f"Levels need a DatetimeIndex. Received {type(values.index).__name__} for well "
                f"{name!r}. Set it with pandas.to_datetime."
            )
        if not pd.api.types.is_numeric_dtype(values.dtype):
            raise SchemaError(
                f"Levels must be numbers. Received dtype {values.dtype} for well {name!r}. Convert "
                "them with pandas.to_numeric."
            )
        if values.index.tz is not None:
            zone = str(values.index.tz)
        made[name] = values
    if not made or all(len(values) == 0 for values in made.values()):
        raise SchemaError("Levels must hold at least one row. Received none. Check the source.")
    return Levels(made, source, units, is_depth, zone)
