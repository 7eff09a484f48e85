"""Tables of weather services that are known by their columns, and what these columns are.

The layouts and units are those that the services publish:

- KNMI: https://www.knmi.nl/nederland-nu/klimatologie/daggegevens
- DWD: https://opendata.dwd.de/climate_environment/CDC/
- MeteoSwiss: https://opendatadocs.meteoswiss.ch/
- GHCN-Daily: https://www.ncei.noaa.gov/products/land-based-station/global-historical-climatology-network-daily
- ECA&D: https://www.ecad.eu/dailydata/
- Meteostat: https://dev.meteostat.net/
- Meteo-France: https://meteo.data.gouv.fr/
- GeoSphere Austria: https://data.hub.geosphere.at/
- SILO: https://www.longpaddock.qld.gov.au/silo/
- NASA POWER: https://power.larc.nasa.gov/
- ERA5: https://cds.climate.copernicus.eu/
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from gwforecast.data.layouts.base import Known, RawTable
from gwforecast.data.terms.vocabulary import Header
from gwforecast.schema import SchemaError

__all__ = ["WEATHER", "of_one_station"]


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

    Raises
    ------
    SchemaError
        If the table holds several stations.
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
