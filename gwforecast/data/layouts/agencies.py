"""Tables as services of groundwater levels give them, brought into the form of any table.

Known by their columns are the long tables of USGS (``monitoring_location_id``, ``parameter_code``,
``value``, ...; https://api.waterdata.usgs.gov/ogcapi/v0/collections/daily), the readings of the
Environment Agency's Hydrology API (``measure``, ``dateTime``, ``value``, ``quality``, ...;
https://environment.data.gov.uk/hydrology/doc/reference) and the series of the Dutch BRO
(``Tijdstip``, ``Beoordeelde Waarde [m]``, ...; https://publiek.broservices.nl/gm/gld/v1). Any
other table is given back as it is. The layouts and units of weather services are those that they
publish: KNMI (https://www.knmi.nl/nederland-nu/klimatologie/daggegevens), DWD
(https://opendata.dwd.de/climate_environment/CDC/), MeteoSwiss
(https://opendatadocs.meteoswiss.ch/), GHCN-Daily
(https://www.ncei.noaa.gov/products/land-based-station), ECA&D (https://www.ecad.eu/dailydata/),
Meteostat (https://dev.meteostat.net/), Meteo-France (https://meteo.data.gouv.fr/), GeoSphere
Austria (https://data.hub.geosphere.at/), SILO (https://www.longpaddock.qld.gov.au/silo/), NASA
POWER (https://power.larc.nasa.gov/), ERA5 (https://cds.climate.copernicus.eu/), IMGW-PIB
(https://danepubliczne.imgw.pl/).
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from gwforecast.data.layouts.base import Known, RawTable
from gwforecast.data.terms.headers import Header
from gwforecast.schema import SchemaError

__all__ = ["Meaning", "OF_CODES", "WEATHER", "of_one_station", "plain_table", "stated_code"]

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

    Raises SchemaError if the table holds several parameters or statistics, something else than
    groundwater levels, or units that are not those of its parameter.

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


_STATION: dict[str, tuple[str, str | None]] = dict.fromkeys(
    ("stn", "stations id", "station abbr", "station", "staid", "num poste", "id"), ("station", None)
)
_GHCN = {
    "prcp": ("rain", "0.1 mm"), "tmax": ("temperature_max", "0.1 degC"),
    "tmin": ("temperature_min", "0.1 degC"), "tavg": ("temperature", "0.1 degC"),
    "snwd": ("snow", "mm"), "snow": ("snow", "mm"), "awnd": ("wind", "0.1 m/s"),
    "date": ("time", None),
}  # fmt: skip
_SWISS = {
    "rre150d0": ("rain", "mm"), "rka150d0": ("rain", "mm"), "tre200d0": ("temperature", "degC"),
    "tre200dn": ("temperature_min", "degC"), "tre200dx": ("temperature_max", "degC"),
    "ure200d0": ("humidity", "%"), "prestad0": ("pressure", "hPa"),
    "gre000d0": ("radiation", "W/m2"), "erefaod0": ("evapotranspiration", "mm"),
    "fkl010d0": ("wind", "m/s"), "htoautd0": ("snow", "cm"),
    "time": ("time", None), "reference timestamp": ("time", None), **_STATION,
}  # fmt: skip
_ECAD = {
    "rr": ("rain", "0.1 mm"), "tg": ("temperature", "0.1 degC"),
    "tn": ("temperature_min", "0.1 degC"), "tx": ("temperature_max", "0.1 degC"),
    "hu": ("humidity", "%"), "qq": ("radiation", "W/m2"), "fg": ("wind", "0.1 m/s"),
    "pp": ("pressure", "0.1 hPa"), "sd": ("snow", "cm"), "date": ("time", None), **_STATION,
}  # fmt: skip
_ERA5 = {
    "t2m": ("temperature", "K"), "tp": ("rain", "m"), "pev": ("evapotranspiration", "m"),
    "sp": ("pressure", "Pa"), "ssrd": ("radiation", "J/m2"), "d2m": ("other", "K"),
}  # fmt: skip
WEATHER: tuple[Known, ...] = (
    Known(
        "KNMI daily weather", ("stn", "yyyymmdd"),
        {"rh": ("rain", "0.1 mm"), "rd": ("rain", "0.1 mm"),
         "ev24": ("evapotranspiration", "0.1 mm"),
         "tg": ("temperature", "0.1 degC"), "tn": ("temperature_min", "0.1 degC"),
         "tx": ("temperature_max", "0.1 degC"), "q": ("radiation", "J/cm2"),
         "ug": ("humidity", "%"), "pg": ("pressure", "0.1 hPa"), "fg": ("wind", "0.1 m/s"),
         "sx": ("snow", "cm"), "yyyymmdd": ("time", None), "hh": ("clock", None),
         "t": ("temperature", "0.1 degC"), "p": ("pressure", "0.1 hPa"),
         "fh": ("wind", "0.1 m/s"), "dr": ("other", None), "rhx": ("other", None), **_STATION},
        note="units by KNMI's codes (0.1 mm, 0.1 degC); rain of -1 is below 0.05 mm, read as 0",
    ),
    Known(
        "DWD Climate Data Center", ("stations id", "mess datum"),
        {"rsk": ("rain", "mm"), "rs": ("rain", "mm"), "r1": ("rain", "mm"),
         "tmk": ("temperature", "degC"), "tt tu": ("temperature", "degC"),
         "txk": ("temperature_max", "degC"), "tnk": ("temperature_min", "degC"),
         "upm": ("humidity", "%"), "rf tu": ("humidity", "%"), "fm": ("wind", "m/s"),
         "f": ("wind", "m/s"), "pm": ("pressure", "hPa"), "p": ("pressure", "hPa"),
         "mess datum": ("time", None), "vpgfao": ("evapotranspiration", "mm"), **_STATION},
        others="quality", missing=(-999.0,),
        note="columns by the codes of the DWD; -999 is missing",
    ),
    Known("MeteoSwiss", ("station abbr", "reference timestamp"), _SWISS, others="quality",
          note="columns by the codes of MeteoSwiss; others are left out"),
    *(
        Known("MeteoSwiss", ("stn", "time", code), _SWISS, others="quality",
              note="columns by the codes of MeteoSwiss; others are left out")
        for code in ("rre150d0", "tre200d0")
    ),
    Known(
        "NOAA GSOD", ("station", "date", "temp", "prcp attributes", "frshtt"),
        {"temp": ("temperature", "degF"), "max": ("temperature_max", "degF"),
         "min": ("temperature_min", "degF"), "prcp": ("rain", "in"), "wdsp": ("wind", "knots"),
         "sndp": ("snow", "in"), "date": ("time", None), **_STATION},
        others="quality", missing=(99.99, 999.9, 9999.9),
        note="units as NOAA publishes them (degF, inches); 99.99, 999.9 and 9999.9 are missing",
    ),
    Known(
        "GHCN-Daily by year", ("station", "date", "element", "value", "q flag"),
        {"element": ("parameter", None), "value": ("value", None), "date": ("time", None),
         "obs time": ("quality", None), **_STATION},
        others="quality", missing=(-9999.0,),
        note="tenths of mm and degC, as GHCN publishes them",
    ),
    *(
        Known("GHCN-Daily", ("station", "date", code, f"{code} attributes"),
              {**_GHCN, **_STATION}, others="quality", missing=(-9999.0,))
        for code in ("prcp", "tmax", "tavg")
    ),
    Known("ECA&D", ("souid", "date"), _ECAD, others="quality", missing=(-9999.0,),
          note="units by the codes of ECA&D (0.1 mm, 0.1 degC); -9999 is missing"),
    Known(
        "Meteostat", ("date", "prcp", "wspd", "tsun"),
        {"tavg": ("temperature", "degC"), "tmin": ("temperature_min", "degC"),
         "tmax": ("temperature_max", "degC"), "prcp": ("rain", "mm"), "snow": ("snow", "mm"),
         "wspd": ("wind", "km/h"), "pres": ("pressure", "hPa"), "date": ("time", None)},
        others="quality", note="units as Meteostat publishes them",
    ),
    Known(
        "Meteo-France", ("num poste", "aaaammjj"),
        {"rr": ("rain", "mm"), "tm": ("temperature", "degC"), "tn": ("temperature_min", "degC"),
         "tx": ("temperature_max", "degC"), "etpmon": ("evapotranspiration", "mm"),
         "aaaammjj": ("time", None), **_STATION},
        others="quality", note="columns by the codes of Meteo-France; others are left out",
    ),
    *(
        Known("GeoSphere Austria", ("time", "station", code),
              {"rr": ("rain", "mm"), "tl mittel": ("temperature", "degC"),
               "tlmin": ("temperature_min", "degC"), "tlmax": ("temperature_max", "degC"),
               "time": ("time", None), **_STATION},
              note="units as GeoSphere Austria publishes them")
        for code in ("rr", "tl mittel")
    ),
    Known(
        "SILO", ("daily rain", "daily rain source"),
        {"daily rain": ("rain", "mm"), "max temp": ("temperature_max", "degC"),
         "min temp": ("temperature_min", "degC"), "evap pan": ("evapotranspiration", "mm"),
         "et morton wet": ("evapotranspiration", "mm"), "yyyymmdd": ("time", None),
         "yyyy mm dd": ("time", None), "et short crop": ("evapotranspiration", "mm")},
        others="quality", note="units as SILO publishes them; other columns are left out",
    ),
    Known(
        "SILO", ("t max", "t min", "rain", "srn"),
        {"rain": ("rain", "mm"), "t max": ("temperature_max", "degC"),
         "t min": ("temperature_min", "degC"), "evap": ("evapotranspiration", "mm"),
         "date": ("time", None)},
        others="quality", note="units as SILO publishes them; other columns are left out",
    ),
    Known(
        "NASA POWER", ("year", "mo", "dy"),
        {"prectotcorr": ("rain", "mm"), "t2m": ("temperature", "degC"),
         "t2m max": ("temperature_max", "degC"), "t2m min": ("temperature_min", "degC"),
         "rh2m": ("humidity", "%"), "ws2m": ("wind", "m/s")},
        missing=(-999.0,), note="units as NASA POWER publishes them; -999 is missing",
    ),
    Known(
        "IMGW-PIB", ("station", "year", "month", "day", "status smdb"),
        {"smdb": ("rain", "mm"), "std": ("temperature", "degC"), "pksn": ("snow", "cm"),
         "tmax": ("temperature_max", "degC"), "tmin": ("temperature_min", "degC"), **_STATION,
         **dict.fromkeys(("year", "month", "day"), ("time", None))},
        others="quality", note="columns as IMGW-PIB publishes them; a status of 8 is missing",
    ),
    Known("ERA5", ("valid time", "tp"), _ERA5),
    Known("ERA5", ("t2m", "tp"), _ERA5),
)  # fmt: skip
"""Layouts of weather that say less than all."""


def of_one_station(raw: RawTable, known: Known) -> RawTable:
    """Return the weather of one station, without codes for missing values and for traces of rain.

    Raises SchemaError if the table holds several stations.
    """
    frame = raw.frame
    if known.missing:
        numbers = frame.select_dtypes("number")
        frame = frame.assign(**numbers.mask(numbers.isin(known.missing)))
    if known.name == "GHCN-Daily by year":
        raw.headers.update({
            code.upper(): Header(code, code, meaning, unit)
            for code, (meaning, unit) in _GHCN.items()
        })  # fmt: skip
    if known.name == "GHCN-Daily by year" and "Q FLAG" in frame and frame["Q FLAG"].notna().any():
        failed = frame["Q FLAG"].notna()
        raw.notes.append(f"missing values: {int(failed.sum())} rows with a flag of quality")
        frame = frame.assign(VALUE=frame["VALUE"].mask(failed))
    if known.name == "IMGW-PIB":
        for name in [n for n in frame if f"status {n}" in frame]:
            status = pd.to_numeric(frame[f"status {name}"], errors="coerce")
            frame = frame.assign(**{str(name): frame[name].mask(status == 8)})
    station = next((n for n, h in raw.headers.items() if h.meaning == "station"), None)
    if station in frame.columns and known in WEATHER:
        stations = frame[station].dropna().astype(str).str.strip().unique()
        if len(stations) > 1:
            raise SchemaError(
                f"A table of weather must hold one station. Received {len(stations)} in column "
                f"{station!r} of {raw.path}: {', '.join(stations[:4])}. Keep the rows of one, or "
                "write a file for each well."
            )
        name = stations[0] if len(stations) else ""
        raw.notes.append(f"station: {name} (column {station!r})")
        frame = frame.drop(columns=station)
    if known.name.startswith("ERA5") or any(h.meaning == "clock" for h in raw.headers.values()):
        raw.facts["stamp"] = "end"  # amounts of ERA5, and hour 1 of KNMI is that from 0 to 1
    if known.name.startswith("KNMI"):
        for name in frame.columns:
            if raw.header(name).meaning == "rain":
                frame[name] = frame[name].where(frame[name] != -1, 0.0)
    raw = raw.changed(frame=frame)
    return _in_stated_units(raw, known)


def _in_stated_units(raw: RawTable, known: Known) -> RawTable:
    """Return a table of GHCN or ERA5 without units that its values contradict."""
    if known.name not in ("GHCN-Daily", "ERA5"):
        return raw
    columns = [n for n in map(str, raw.frame.columns) if raw.header(n).kind]
    values = raw.frame[columns].apply(pd.to_numeric, errors="coerce")
    if known.name == "GHCN-Daily":
        whole = bool(((values % 1 == 0) | values.isna()).all(axis=None))
        others = set() if whole else set(columns)
        said = "whole numbers are tenths of mm and degC, as GHCN publishes them"
        raw.notes.append(f"layout: {said if whole else 'values with decimals are not in tenths'}")
    else:
        limits = {"temperature": (150.0, 400.0), "rain": (-1.0, 1.0),
                  "evapotranspiration": (-1.0, 1.0)}  # fmt: skip
        others = {
            n for n in columns if (limit := limits.get(raw.header(n).meaning))
            and not values[n].dropna().between(*limit).all()
        }  # fmt: skip
        raw.notes.append("layout: kelvin and metres, as ERA5 has them, where the values are such")
    headers = {
        name: replace(header, unit=None, length=None) if name in others else header
        for name, header in raw.headers.items()
    }
    return raw.changed(headers=headers)
