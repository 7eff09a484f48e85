"""Tables of agencies and portals that are known by their columns, and what these columns are.

Only what a table does not say itself stands here: units, datum, columns that repeat the time. The
layouts are those that the providers publish:

- USGS RDB: https://help.waterdata.usgs.gov/faq/about-tab-delimited-output
- NGWMN: https://cida.usgs.gov/ngwmn/
- California DWR: https://data.cnra.ca.gov/dataset/periodic-groundwater-level-measurements
- British Columbia PGOWN: https://www2.gov.bc.ca/gov/content/environment/air-land-water/water
- Utah Geological Survey: https://apps.geology.utah.gov/gwdp/
- Hub'Eau: https://hubeau.eaufrance.fr/page/api-piezometrie
- SGU: https://www.sgu.se/grundvatten/grundvattennivaer/
- DINOloket: https://www.dinoloket.nl/
- GKD Bavaria: https://www.gkd.bayern.de/, eHYD: https://ehyd.gv.at/
- KiWIS: https://www.kisters.net/wiski/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from gwforecast.data.layouts.base import Known, RawTable
from gwforecast.data.layouts.climate import WEATHER, of_one_station
from gwforecast.data.terms.units import compact, parse_length
from gwforecast.data.terms.vocabulary import Header, read_header, tokens
from gwforecast.schema import SchemaError

__all__ = ["KNOWN", "recognise"]


_FEET = "ft NAVD88"
KNOWN: tuple[Known, ...] = (
    Known(
        "USGS RDB, field measurements",
        ("agency cd", "site no", "lev dt", "lev va"),
        {"lev va": ("depth", "ft below land surface"), "sl lev va": ("level", "ft"),
         "lev dt": ("time", None), "lev tm": ("clock", None), "lev tz cd": ("zone", None),
         "sl datum cd": ("datum", None), "lev status cd": ("quality", None),
         "lev agency cd": ("quality", None), "parameter cd": ("quality", None)},
    ),
    *(
        Known(
            "NGWMN portal", (site, "original value", "original unit"),
            {"original value": ("copy", None), "original parameter": ("quality", None),
             "original direction": ("quality", None), "original unit": ("quality", None),
             "accuracy value": ("quality", None), "observation method": ("quality", None)},
        )
        for site in ("siteno", "site no")
    ),
    Known(
        "California DWR, periodic measurements", ("site code", "msmt date", "gse wse"),
        {"wse": ("level", _FEET), "gse wse": ("depth", "ft below ground"),
         "rpe wse": ("depth", "ft below measuring point"), "wlm rpe": ("place", "ft"),
         "wlm gse": ("place", "ft"), "stn id": ("quality", None), "wlm id": ("index", None),
         "rpe gse": ("place", "ft"), "site code": ("well", None)},
    ),
    Known(
        "California DWR, continuous measurements", ("station", "msmt date", "gse wse"),
        {"wse": ("level", _FEET), "gse wse": ("depth", "ft below ground"),
         "rpe wse": ("depth", "ft below measuring point"), "wlm rpe": ("place", "ft"),
         "wlm gse": ("place", "ft")},
    ),
    Known(
        "British Columbia PGOWN", ("time", "value", "approval", "my location"),
        {"value": ("depth", "m below ground"), "my location": ("well", None)},
        note="values are depths below ground, m, as the provider says",
    ),
    *(
        Known(
            "Utah Geological Survey, manual measurements", (depth,),
            {"dtwbelowcasing": ("depth", "ft below casing"), "waterelevation": ("level", _FEET),
             "dtwbelowgroundsurface": ("depth", "ft below ground")},
        )
        for depth in ("dtwbelowcasing", "dtwbelowgroundsurface")
    ),
    Known(
        "Hub'Eau", ("code bss", "date mesure", "niveau nappe eau"),
        {"niveau nappe eau": ("level", "m NGF"), "profondeur nappe": ("depth", "m below point"),
         "code bss": ("well", None), "mode obtention": ("quality", None)},
        drop=("timestamp mesure", "urn bss", "bss id", "code producteur", "nom producteur"),
    ),
    Known(
        "DINOloket", ("locatie", "filternummer", "peildatum"),
        {"stand cm tov nap": ("level", "cm NAP"), "stand cm t o v mp": ("depth", "cm below MP"),
         "stand cm t o v mv": ("depth", "cm below MV"), "stand cm t o v nap": ("level", "cm NAP"),
         "filternummer": ("screen", None), "locatie": ("well", None)},
    ),
    Known(
        "Texas TWDB", ("statewellnumber", "measurementdate", "depthfromlsd"),
        {"depthfromlsd": ("depth", "ft below land surface"), "waterelevation": ("level", "ft"),
         "changeinwaterlevel": ("quality", None), "measurementdate": ("time", None),
         **dict.fromkeys(("measurementmonth", "measurementday", "measurementyear",
                          "measurementnumber"), ("quality", None))},
        note="depths and elevations in feet, as the provider says",
    ),
    Known(
        "Kansas WIZARD", ("usgs id", "measurement date and time", "depth to water"),
        {"depth to water": ("depth", "ft below land surface"), "usgs id": ("well", None)},
        note="depths in feet below land surface, as the provider says",
    ),
    Known(
        "Arizona GWSI", ("wlwa measurement date", "wlwa depth to water"),
        {"wlwa depth to water": ("depth", "ft below land surface"),
         "wlwa water level elevation": ("level", "ft"), "wlwa measurement date": ("time", None)},
        note="depths and elevations in feet, as the provider says",
    ),
    Known(
        "OpenHygrisC (North Rhine-Westphalia)", ("messstelle id", "datum messung", "wasserstd m"),
        {"wasserstd m": ("level", "m NHN"), "abstich m": ("depth", "m below MP"),
         "messstelle id": ("well", None), "datum messung": ("time", None)},
        note="wasserstd_m is a height above NHN, as the provider says",
    ),
    Known(
        "KiWIS", ("timestamp", "value", "quality code"),
        {"value": ("value", None), "interpolation type": ("quality", None)},
    ),
)  # fmt: skip
"""Layouts that say less than all."""


def recognise(raw: RawTable) -> RawTable:
    """Return a table with the meaning of the columns that its provider publishes.

    Raises
    ------
    SchemaError
        If its columns contradict each other, e.g. several stations of weather in one table.
    """
    names = {compact(str(c)): str(c) for c in raw.frame.columns}
    names |= {" ".join(tokens(str(c))): str(c) for c in raw.frame.columns}
    for known in (*KNOWN, *WEATHER):
        if set(known.needs) <= set(names):
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
    frame = raw.frame.drop(columns=[names[w] for w in known.drop if w in names])
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
