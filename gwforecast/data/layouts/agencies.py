"""Tables as services of groundwater levels give them, brought into the form of any table.

Known by their columns are the long tables of USGS (``monitoring_location_id``, ``parameter_code``,
``value``, ...; https://api.waterdata.usgs.gov/ogcapi/v0/collections/daily), the readings of the
Environment Agency's Hydrology API (``measure``, ``dateTime``, ``value``, ``quality``, ...;
https://environment.data.gov.uk/hydrology/doc/reference) and the series of the Dutch BRO
(``Tijdstip``, ``Beoordeelde Waarde [m]``, ...; https://publiek.broservices.nl/gm/gld/v1). Any other
table is given back as it is.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gwforecast.schema import SchemaError

__all__ = ["OF_CODES", "Meaning", "plain_table", "stated_code"]


MEAN = "00003"  # USGS' code of a daily mean
_MEASURE = re.compile(
    r"^(?P<station>.+?)-(?:gw-(?:logged|dipped)-.*?(?P<units>m[A-Z]*)-|"
    r"groundwater-i-.*?-(?P<unit>m[A-Z]*)$)"
)
_LONG = {"monitoring_location_id", "parameter_code", "value"}


@dataclass(frozen=True)
class Meaning:
    """What the values of a USGS parameter code are: units, and datum or depth."""

    units: str
    datum: str | None
    is_depth: bool = False


OF_CODES = {
    "72019": Meaning("ft", None, is_depth=True), "61055": Meaning("ft", None, is_depth=True),
    "30210": Meaning("m", None, is_depth=True), "62610": Meaning("ft", "NGVD29"),
    "62611": Meaning("ft", "NAVD88"), "62612": Meaning("m", "NGVD29"),
    "62613": Meaning("m", "NAVD88"), "72020": Meaning("ft", "NGVD29"),
    "72150": Meaning("ft", "MSL"),
}  # fmt: skip
"""USGS' parameter codes of groundwater levels (https://help.waterdata.usgs.gov/codes-and-parameters)."""


def plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of a known service as any table of levels; others as they are.

    Raises
    ------
    SchemaError
        If the table holds several parameters or statistics, something else than groundwater
        levels, or units that are not those of its parameter.

    Examples
    --------
    >>> measure = "http://environment.data.gov.uk/hydrology/id/measures/7a-gw-dipped-i-mAOD-qualified"
    >>> table = pd.DataFrame({"measure": [measure], "date": ["2020-01-31"], "value": [55.1]})
    >>> plain_table(table).columns.tolist(), plain_table(table)["measure"].item()
    (['measure', 'date', 'level [m ODN]'], '7a')
    """
    names = {str(column).strip().lower(): column for column in table.columns}
    if set(names) >= _LONG:
        _check_usgs(table, names)
    elif {"measure", "value"} <= set(names) and {"datetime", "date"} & set(names):
        return _readings(table, names)
    elif "tijdstip" in names and any("waarde [m]" in name for name in names):
        return _series_of_bro(table, names)
    return table


def stated_code(table: pd.DataFrame, names: dict[str, Any]) -> str | None:
    """Return the USGS parameter code that a checked long table states, or None."""
    if not set(names) >= _LONG:
        return None
    return _code(table[names["parameter_code"]].iloc[0])


def _code(value: object) -> str:
    return str(value).strip().removesuffix(".0").zfill(5)


def _check_usgs(table: pd.DataFrame, names: dict[str, Any]) -> None:
    codes = list(dict.fromkeys(map(_code, table[names["parameter_code"]])))
    if len(codes) > 1:
        raise SchemaError(
            f"A USGS table must hold one parameter. Received the codes {codes}, which differ in "
            "meaning or datum. Keep the rows of one parameter_code."
        )
    for code in codes:
        if code not in OF_CODES:
            raise SchemaError(
                f"A USGS table of levels must hold groundwater levels, parameter codes "
                f"{sorted(OF_CODES)}. Received {code!r}. Ask the service for one of these."
            )
        _check_units(table, names, code)
    if "statistic_id" in names:
        given = table[names["statistic_id"]].dropna()
        statistics = sorted(set(map(_code, given)))
        if len(statistics) > 1:
            raise SchemaError(
                f"A USGS table must hold one statistic. Received {statistics}. Keep the rows of "
                f"one statistic_id, {MEAN} for daily means."
            )


def _check_units(table: pd.DataFrame, names: dict[str, Any], code: str) -> None:
    if "unit_of_measure" not in names:
        return
    stated = table[names["unit_of_measure"]].dropna().astype(str).str.strip()
    wrong = stated[stated.str.lower() != OF_CODES[code].units]
    if len(wrong):
        raise SchemaError(
            f"Levels of USGS parameter {code} are in {OF_CODES[code].units}. Received "
            f"{wrong.iloc[0]!r} in row {wrong.index[0]}. Correct unit_of_measure or the code."
        )


def _readings(table: pd.DataFrame, names: dict[str, Any]) -> pd.DataFrame:
    """Return readings of the Environment Agency: a well for each station, levels above Newlyn."""
    measures = table[names["measure"]].astype(str)
    notation = measures.str.rsplit("/", n=1).str[-1]
    stations: dict[str, str] = {}
    for name in notation.unique():
        found = _MEASURE.match(name)
        if found is None and "/" not in measures.iloc[0]:
            return table  # a column of that name in some other table
        if found is None or "mAOD" not in (found["units"], found["unit"]):
            raise SchemaError(
                "Readings of the Environment Agency must be groundwater levels in mAOD, measures "
                "named ...-gw-logged-...-mAOD-..., ...-gw-dipped-... or ...-groundwater-...-mAOD. "
                f"Received {name!r}. Keep the rows of such measures."
            )
        stations[name] = found["station"]
    # dips and a logger of one station are two series
    shared = {s for s in stations.values() if list(stations.values()).count(s) > 1}
    wells = {name: name if station in shared else station for name, station in stations.items()}
    _warn_of_suspects(table, names, notation)
    plain = table.drop(columns=names["date"]) if {"datetime", "date"} <= set(names) else table
    return plain.assign(**{names["measure"]: notation.map(wells)}).rename(
        columns={names["value"]: "level [m ODN]"}
    )


def _warn_of_suspects(table: pd.DataFrame, names: dict[str, Any], notation: pd.Series) -> None:
    if "quality" not in names:
        return
    suspect = (table[names["quality"]].astype(str) == "Suspect") & table[names["value"]].notna()
    if suspect.any():
        row = int(suspect.to_numpy().argmax())
        time = table[names.get("datetime", names.get("date"))].iloc[row]
        warnings.warn(
            f"Levels should be sound. Received {int(suspect.sum())} of {len(table)} whose quality "
            f"is 'Suspect', first of {notation.iloc[row]!r} at {time}; they are kept. Empty their "
            "cells to leave them out.",
            stacklevel=6,
        )


def _series_of_bro(table: pd.DataFrame, names: dict[str, Any]) -> pd.DataFrame:
    """Return a series of the BRO: times in UTC, values by state of assessment, no remarks."""
    stamps = table[names["tijdstip"]]
    if pd.api.types.is_numeric_dtype(stamps.dtype):
        stamps = pd.to_datetime(stamps, unit="ms")
    values = {
        c: table[c] for name, c in names.items() if "waarde" in name and table[c].notna().any()
    }
    if not values:
        raise SchemaError(
            "A series of the BRO must hold values, in a column named '... Waarde [m]'. Received "
            f"the columns {list(map(str, table.columns))} without any. Check the dossier."
        )
    return pd.DataFrame({"time": stamps, **values})
