"""Tables of agencies, portals and weather services, known by their columns, as any table.

Only what a table does not say itself stands here: units, datum, columns that repeat the time. Any
other table is given back as it is, and those with dates in columns, or pairs of columns, as long
ones. The layouts are those that the providers publish.

- USGS: https://api.waterdata.usgs.gov/ogcapi/v0/collections/daily, RDB:
  https://help.waterdata.usgs.gov/faq/about-tab-delimited-output
- Environment Agency: https://environment.data.gov.uk/hydrology/doc/reference
- BRO: https://publiek.broservices.nl/gm/gld/v1, DINOloket: https://www.dinoloket.nl/
- NGWMN: https://cida.usgs.gov/ngwmn/
- California DWR: https://data.cnra.ca.gov/dataset/periodic-groundwater-level-measurements
- British Columbia PGOWN: https://www2.gov.bc.ca/gov/content/environment/air-land-water/water
- Utah Geological Survey: https://apps.geology.utah.gov/gwdp/
- Hub'Eau: https://hubeau.eaufrance.fr/page/api-piezometrie
- SGU: https://www.sgu.se/grundvatten/grundvattennivaer/
- GKD Bavaria: https://www.gkd.bayern.de/, eHYD: https://ehyd.gv.at/
- KiWIS: https://www.kisters.net/wiski/

Weather: KNMI (https://www.knmi.nl/nederland-nu/klimatologie/daggegevens), DWD
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from gwforecast.data.layouts.base import Known, RawTable, meanings
from gwforecast.data.terms.headers import Header, read_header, tokens
from gwforecast.data.terms.units import compact, parse_length
from gwforecast.data.text.block import is_date
from gwforecast.schema import SchemaError

__all__ = [
    "OF_CODES", "plain_table", "recognise", "series_of_pairs", "stated_code",
]  # fmt: skip

MEAN = "00003"  # USGS' code of a daily mean
_MEASURE = re.compile(
    r"^(?P<station>.+?)-(?:gw-(?:logged|dipped)-.*?(?P<units>m[A-Z]*)-|"
    r"groundwater-i-.*?-(?P<unit>m[A-Z]*)$)"
)
_OTHER_MEASURE = re.compile(r"-(?P<what>rainfall|level|flow)-.*?-(?P<unit>mm|m3s|m(?:AOD)?)(?:-|$)")
_OF_MEASURES = {"rainfall": "rain", "level": "stage", "flow": "discharge"}
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
    other = _OTHER_MEASURE.search(notation.iloc[0]) if len(set(notation)) == 1 else None
    if other:
        time = names.get("date", names.get("datetime"))
        if "datetime" in names and table[time].duplicated().any():
            time = names["datetime"]
        name = f"{_OF_MEASURES[other['what']]} [{other['unit']}]"
        return pd.DataFrame({"time": table[time], name: table[names["value"]]})
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
    plain = table.drop(columns=names["date"]) if {"datetime", "date"} <= set(names) else table
    return plain.assign(**{names["measure"]: notation.map(wells)}).rename(
        columns={names["value"]: "level [m ODN]"}
    )


def _series_of_bro(table: pd.DataFrame, names: dict[str, Any]) -> pd.DataFrame:
    """Return a series of the BRO: times in UTC, values by state of assessment, no remarks."""
    stamps = table[names["tijdstip"]]
    if pd.api.types.is_numeric_dtype(stamps.dtype):
        stamps = pd.to_datetime(stamps, unit="ms")
    values = {
        name: table[c] for name, c in names.items() if "waarde" in name and table[c].notna().any()
    }
    if not values:
        raise SchemaError(
            "A series of the BRO must hold values, in a column named '... Waarde [m]'. Received "
            f"the columns {list(map(str, table.columns))} without any. Check the dossier."
        )
    states = [n for state in ("beoordeeld", "voorlopig", "onbekend") for n in values if state in n]
    known = pd.DataFrame({name: values[name] for name in states})
    if len(states) < 2 or (known.max(axis=1) > known.min(axis=1)).any():  # which is right?
        return pd.DataFrame({"time": stamps, **{str(names[n]): c for n, c in values.items()}})
    best = values[states[0]]
    for state in states[1:]:
        best = best.fillna(values[state])
    others = {
        str(names[n]): c for n, c in values.items() if n not in states and "controle" not in n
    }
    said = ", else ".join(n.removesuffix(" waarde [m]") for n in states)
    return pd.DataFrame({"time": stamps, f"waterstand, {said} [m NAP]": best, **others})


_STATION = {
    "station": "stn, stations id, station abbr, station, staid, num poste, id, station code, "
               "station location",
}  # fmt: skip
_GHCN = {
    "rain 0.1 mm": "prcp", "temperature_max 0.1 degC": "tmax", "temperature_min 0.1 degC": "tmin",
    "temperature 0.1 degC": "tavg", "snow mm": "snwd, snow", "wind 0.1 m/s": "awnd",
    "time": "date",
}  # fmt: skip
WEATHER: tuple[Known, ...] = (
    Known("KNMI daily weather", "stn, yyyymmdd | station code, date, rh | station code, date, tg",
          {"rain 0.1 mm": "rh, rd", "evapotranspiration 0.1 mm": "ev24",
           "temperature 0.1 degC": "tg, t", "temperature_min 0.1 degC": "tn",
           "temperature_max 0.1 degC": "tx", "radiation J/cm2": "q", "humidity %": "ug",
           "pressure 0.1 hPa": "pg, p", "wind 0.1 m/s": "fg, fh", "snow cm": "sx",
           "time": "yyyymmdd, date", "clock": "hh", "other": "dr, rhx", **_STATION},
          note="units by KNMI's codes (0.1 mm, 0.1 degC); rain of -1 is below 0.05 mm, read as 0"),
    Known("DWD Climate Data Center", "stations id, mess datum",
          {"rain mm": "rsk, rs, r1", "temperature degC": "tmk, tt tu",
           "temperature_max degC": "txk", "temperature_min degC": "tnk",
           "humidity %": "upm, rf tu", "wind m/s": "fm, f", "pressure hPa": "pm, p",
           "time": "mess datum", "evapotranspiration mm": "vpgfao", **_STATION},
          others="quality", missing=(-999.0,),
          note="columns by the codes of the DWD; -999 is missing"),
    Known("MeteoSwiss",
          "station abbr, reference timestamp | rre150d0 | tre200d0",
          {"rain mm": "rre150d0, rka150d0", "temperature degC": "tre200d0",
           "temperature_min degC": "tre200dn", "temperature_max degC": "tre200dx",
           "humidity %": "ure200d0", "pressure hPa": "prestad0", "radiation W/m2": "gre000d0",
           "evapotranspiration mm": "erefaod0", "wind m/s": "fkl010d0", "snow cm": "htoautd0",
           "time": "time, date, reference timestamp", **_STATION},
          others="quality", note="columns by the codes of MeteoSwiss; others are left out"),
    Known("NOAA GSOD", "station, date, temp, prcp attributes, frshtt",
          {"temperature degF": "temp", "temperature_max degF": "max",
           "temperature_min degF": "min", "rain in": "prcp", "wind knots": "wdsp",
           "snow in": "sndp", "time": "date", **_STATION},
          others="quality", missing=(99.99, 999.9, 9999.9),
          note="units as NOAA publishes them (degF, inches); 99.99, 999.9 and 9999.9 are missing"),
    Known("GHCN-Daily by year", "station, date, element, value, q flag",
          {"parameter": "element", "value": "value", "time": "date", "quality": "obs time",
           **_STATION},
          others="quality", missing=(-9999.0,),
          note="tenths of mm and degC, as GHCN publishes them"),
    Known("GHCN-Daily",
          "station, date, prcp, prcp attributes | station, date, tmax, tmax attributes | "
          "station, date, tavg, tavg attributes",
          {**_GHCN, **_STATION},
          others="quality", missing=(-9999.0,)),
    Known("FMI (Finland)", "havaintoasema, vuosi, kuukausi",
          {"rain mm": "sademaeaerae mm, vuorokauden sademaeaerae mm", "station": "havaintoasema"},
          note="rain of -1 is none, read as 0"),
    Known("rp5", "t, po, p, u, rrr",
          {"temperature degC": "t", "humidity %": "u", "rain mm": "rrr", "pressure mmHg": "po"},
          drop="p", note="columns by the codes of rp5; P is the pressure at sea level"),
    Known("ECA&D", "souid, date",
          {"rain 0.1 mm": "rr", "temperature 0.1 degC": "tg", "temperature_min 0.1 degC": "tn",
           "temperature_max 0.1 degC": "tx", "humidity %": "hu", "radiation W/m2": "qq",
           "wind 0.1 m/s": "fg", "pressure 0.1 hPa": "pp", "snow cm": "sd", "time": "date",
           **_STATION},
          others="quality", missing=(-9999.0,),
          note="units by the codes of ECA&D (0.1 mm, 0.1 degC); -9999 is missing"),
    Known("Meteostat", "date, prcp, wspd, tsun",
          {"temperature degC": "tavg", "temperature_min degC": "tmin",
           "temperature_max degC": "tmax", "rain mm": "prcp", "snow mm": "snow",
           "wind km/h": "wspd", "pressure hPa": "pres", "time": "date"},
          others="quality", note="units as Meteostat publishes them"),
    Known("Meteo-France", "num poste, aaaammjj",
          {"rain mm": "rr", "temperature degC": "tm", "temperature_min degC": "tn",
           "temperature_max degC": "tx", "evapotranspiration mm": "etpmon", "time": "aaaammjj",
           **_STATION},
          others="quality", note="columns by the codes of Meteo-France; others are left out"),
    Known("GeoSphere Austria", "time, station, rr | time, station, tl mittel",
          {"rain mm": "rr", "temperature degC": "tl mittel", "temperature_min degC": "tlmin",
           "temperature_max degC": "tlmax", "time": "time", **_STATION},
          note="units as GeoSphere Austria publishes them"),
    Known("SILO", "daily rain, daily rain source",
          {"rain mm": "daily rain", "temperature_max degC": "max temp",
           "temperature_min degC": "min temp",
           "evapotranspiration mm": "evap pan, et morton wet, et short crop",
           "time": "yyyymmdd, yyyy mm dd"},
          others="quality", note="units as SILO publishes them; other columns are left out"),
    Known("SILO", "t max, t min, rain, srn",
          {"rain mm": "rain", "temperature_max degC": "t max", "temperature_min degC": "t min",
           "evapotranspiration mm": "evap", "time": "date"},
          others="quality", note="units as SILO publishes them; other columns are left out"),
    Known("NASA POWER", "year, mo, dy",
          {"rain mm": "prectotcorr", "temperature degC": "t2m", "temperature_max degC": "t2m max",
           "temperature_min degC": "t2m min", "humidity %": "rh2m", "wind m/s": "ws2m"},
          missing=(-999.0,), note="units as NASA POWER publishes them; -999 is missing"),
    Known("IMGW-PIB", "station, year, month, day, status smdb",
          {"rain mm": "smdb", "temperature degC": "std", "snow cm": "pksn",
           "temperature_max degC": "tmax", "temperature_min degC": "tmin",
           "time": "year, month, day", **_STATION},
          others="quality", note="columns as IMGW-PIB publishes them; a status of 8 is missing"),
    Known("ERA5", "valid time, tp | t2m, tp | temperature 2m, total precipitation sum",
          {"temperature K": "t2m, temperature 2m", "rain m": "tp, total precipitation sum",
           "temperature_max K": "temperature 2m max", "temperature_min K": "temperature 2m min",
           "evapotranspiration m": "pev, potential evaporation sum, total evaporation sum",
           "pressure Pa": "sp", "radiation J/m2": "ssrd", "other K": "d2m"}),
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
            for code, (meaning, unit) in meanings(_GHCN).items()
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
        stations = frame[station].dropna().astype(str).str.strip().str.removesuffix(".0").unique()
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
    if known.name.startswith(("KNMI", "FMI")):
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
        upward = [
            n
            for n in columns
            if raw.header(n).meaning == "evapotranspiration" and values[n].median() < 0
        ]
        if upward:
            raw.notes.append(f"sign: {', '.join(upward)} turned; ERA5 counts evaporation below 0")
            raw = raw.changed(frame=raw.frame.assign(**(-values[upward])))
    headers = {
        name: replace(header, unit=None, length=None) if name in others else header
        for name, header in raw.headers.items()
    }
    return raw.changed(headers=headers)


KNOWN: tuple[Known, ...] = (
    Known("USGS RDB, field measurements", "agency cd, site no, lev dt, lev va",
          {"depth ft below land surface": "lev va", "level ft": "sl lev va", "time": "lev dt",
           "clock": "lev tm", "zone": "lev tz cd", "datum": "sl datum cd",
           "quality": "lev status cd, lev agency cd, parameter cd"}),
    Known("NGWMN portal",
          "siteno, original value, original unit | site no, original value, original unit",
          {"copy": "original value",
           "quality": "original parameter, original direction, original unit, accuracy value, "
                      "observation method"}),
    Known("California DWR, periodic measurements", "site code, msmt date, gse wse",
          {"level ft NAVD88": "wse, gwe", "depth ft below ground": "gse wse",
           "depth ft below measuring point": "rpe wse", "place ft": "wlm rpe, wlm gse, rpe gse",
           "quality": "stn id", "index": "wlm id", "well": "site code"}),
    Known("California DWR, continuous measurements", "station, msmt date, gse wse",
          {"level ft NAVD88": "wse", "depth ft below ground": "gse wse",
           "depth ft below measuring point": "rpe wse", "place ft": "wlm rpe, wlm gse"}),
    Known("British Columbia PGOWN", "time, value, approval, my location",
          {"depth m below ground": "value", "well": "my location"},
          note="values are depths below ground, m, as the provider says"),
    Known("Utah Geological Survey, manual measurements", "dtwbelowcasing | dtwbelowgroundsurface",
          {"depth ft below casing": "dtwbelowcasing", "level ft NAVD88": "waterelevation",
           "depth ft below ground": "dtwbelowgroundsurface"}),
    Known("Hub'Eau", "code bss, date mesure, niveau nappe eau",
          {"level m NGF": "niveau nappe eau", "depth m below point": "profondeur nappe",
           "well": "code bss", "quality": "mode obtention"},
          drop="timestamp mesure, urn bss, bss id, code producteur, nom producteur"),
    Known("DINOloket", "locatie, filternummer, peildatum",
          {"level cm NAP": "stand cm tov nap, stand cm t o v nap",
           "depth cm below MP": "stand cm t o v mp", "depth cm below MV": "stand cm t o v mv",
           "screen": "filternummer", "well": "locatie"}),
    Known("Texas TWDB", "statewellnumber, measurementdate, depthfromlsd",
          {"depth ft below land surface": "depthfromlsd",
           "level ft": "waterelevation, waterlevelelevation",
           "quality": "changeinwaterlevel, measurementmonth, measurementday, measurementyear, "
                      "measurementnumber",
           "time": "measurementdate"},
          note="depths and elevations in feet, as the provider says"),
    Known("Kansas WIZARD", "usgs id, measurement date and time, depth to water",
          {"depth ft below land surface": "depth to water", "well": "usgs id"},
          note="depths in feet below land surface, as the provider says"),
    Known("Arizona GWSI", "wlwa measurement date, wlwa depth to water",
          {"depth ft below land surface": "wlwa depth to water",
           "level ft": "wlwa water level elevation", "time": "wlwa measurement date"},
          note="depths and elevations in feet, as the provider says"),
    Known("OpenHygrisC (North Rhine-Westphalia)", "messstelle id, datum messung, wasserstd m",
          {"level m NHN": "wasserstd m", "depth m below MP": "abstich m", "well": "messstelle id",
           "time": "datum messung"},
          note="wasserstd_m is a height above NHN, as the provider says"),
    Known("KiWIS", "timestamp, value, quality code",
          {"value": "value", "quality": "interpolation type"}),
)  # fmt: skip
"""Layouts that say less than all."""


def recognise(raw: RawTable) -> RawTable:
    """Return a table with the meaning of the columns that its provider publishes.

    Raises SchemaError if its columns contradict each other, e.g. several stations of weather in
    one table.
    """
    names = {compact(str(c)): str(c) for c in raw.frame.columns}
    names |= {" ".join(tokens(str(c))): str(c) for c in raw.frame.columns}
    for known in (*KNOWN, *WEATHER):
        if any(set(needed.split(", ")) <= set(names) for needed in known.needs.split(" | ")):
            return _as_known(raw, known, names)
    named = _by_facts(raw)
    return raw.changed(layout=named) if named else raw


def _by_facts(raw: RawTable) -> str | None:
    above = raw.facts.get("above", "").lower()
    if "gkd.bayern" in above or ("messstellen-nr" in above and "quelle" in above):
        return "GKD Bavaria"
    if "hzb-nummer" in above:
        return "eHYD Austria"
    if "#ts_id" in above or "#station_no" in above or "#station_name" in above:
        return "KiWIS"
    if "zrx" in above or "#rexchange" in above:
        return "WISKI export"
    return None


def _as_known(raw: RawTable, known: Known, names: Mapping[str, str]) -> RawTable:
    headers = dict(raw.headers)
    for words, (meaning, unit) in known.columns.items():
        if words in names:
            name = names[words]
            own = read_header(name)
            made = Header(name, own.label, meaning, unit or own.unit, own.length, "")
            if unit is not None:
                made = replace(made, length=parse_length(unit))
            headers[name] = made
    if known.others is not None:
        for name in map(str, raw.frame.columns):
            headers.setdefault(name, Header(name, name, known.others))
    frame = raw.frame.drop(columns=[names[w] for w in known.drop.split(", ") if w and w in names])
    raw = raw.changed(frame=frame, headers=headers, layout=known.name)
    if known.note:
        raw.notes.append(f"layout: {known.note}")
    raw = of_one_station(raw, known)
    return _usgs_levels(raw) if known.name.startswith("USGS") else raw


def _usgs_levels(raw: RawTable) -> RawTable:
    """Return field measurements with the datum that their column of datums names."""
    datums = [n for n, h in raw.headers.items() if h.meaning == "datum" and n in raw.frame]
    levels = [n for n, h in raw.headers.items() if h.meaning == "level" and n in raw.frame]
    frame = raw.frame
    if datums and levels:
        known = frame.loc[pd.notna(frame[levels[0]]), datums[0]].dropna().unique()
        if len(known) > 1:
            raise SchemaError(
                f"All levels must have the same datum. Received {sorted(map(str, known))} in "
                f"column {datums[0]!r} of {raw.path}. Read them apart."
            )
        if len(known):
            header = raw.headers[levels[0]]
            raw.headers[levels[0]] = replace(header, length=parse_length(f"ft {known[0]}"))
    return raw.changed(frame=frame.drop(columns=datums))


def series_of_pairs(raw: RawTable) -> list[RawTable]:
    """Return the tables of a file in which each well has its own column of dates."""
    names = [str(name) for name in raw.frame.columns]
    dates = [
        k for k, name in enumerate(names)  # B1 Datum
        if any(read_header(text).meaning == "time" for text in (name, name.split()[-1]))
    ]  # fmt: skip
    dates = [k for k in dates if _holds_dates(raw.frame.iloc[:, k])]
    ends = [*dates[1:], len(names)]
    counters = [n.startswith("Unnamed") or read_header(n).meaning == "index" for n in names]
    if (
        len(dates) < 2
        or not all(counters[: dates[0]])
        or any(b - a < 2 for a, b in zip(dates, ends, strict=True))
    ):
        return [raw]
    values = [names[a + 1] for a in dates]
    if any(read_header(value).meaning in ("quality", "time", "clock") for value in values):
        return [raw]
    parts = list(_parts(raw, names, dates, ends))
    return parts if len({part.part for part in parts}) == len(parts) else [raw]


def _holds_dates(column: pd.Series) -> bool:
    known = column.head(1000).dropna().head(20).astype(str)
    return len(known) > 0 and bool(known.map(is_date).all())


def _parts(
    raw: RawTable, names: list[str], dates: list[int], ends: list[int]
) -> Iterator[RawTable]:
    line = raw.line
    for start, end in zip(dates, ends, strict=True):
        frame = raw.frame.iloc[:, start:end].dropna(how="all")
        rows = frame.index.to_numpy()
        header = read_header(names[start + 1])
        well = header.rest or header.label
        frame = frame.reset_index(drop=True).set_axis(["date", *names[start + 1 : end]], axis=1)
        yield raw.changed(
            frame=frame, part=well, dry={}, facts=raw.facts | {"well": well},
            notes=[*raw.notes, "layout: each well has its own column of dates"],
            line=lambda row, rows=rows: line(int(rows[row])),
        )  # fmt: skip
