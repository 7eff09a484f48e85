"""Tables of agencies and portals that are known by their columns, and what these columns are.

Only what a table does not say itself stands here: units, datum, columns that repeat the time. The
layouts are those that the providers publish. Below stand tables of other shapes, with dates in
columns or pairs of columns.

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

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd

from gwforecast.data.layouts.agencies import WEATHER, of_one_station
from gwforecast.data.layouts.base import Known, RawTable
from gwforecast.data.terms.headers import Header, read_header, tokens
from gwforecast.data.terms.units import compact, fold, parse_length
from gwforecast.data.terms.words import CALENDAR
from gwforecast.data.text.block import is_date
from gwforecast.data.text.stamps import month_of
from gwforecast.schema import SchemaError

__all__ = ["KNOWN", "as_rows_of_times", "recognise", "series_of_pairs"]

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
          {"level ft NAVD88": "wse", "depth ft below ground": "gse wse",
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
          {"depth ft below land surface": "depthfromlsd", "level ft": "waterelevation",
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


_OF_YEARS = ("annual", "total", "sum", "mean", "average", "jahr", "anual", "annuel", "summe",
             "mittel", "moyenne", "media", "ann")  # fmt: skip
LEAST_DATES = 4  # columns named by dates of a table that has dates in its header


def as_rows_of_times(raw: RawTable) -> RawTable:
    """Return a table whose columns are dates as a long one; others as they are."""
    names = [str(name) for name in raw.frame.columns]
    by_year = _of_months(raw, names)
    if by_year is not None:
        return by_year
    dates = [name for name in names if is_date(name)]
    if len(dates) < LEAST_DATES or any(read_header(name).meaning == "time" for name in names):
        return raw
    others = [name for name in names if name not in dates]
    long = raw.frame.melt(id_vars=others, value_vars=dates, var_name="time", value_name="value")
    known = long[long["value"].notna()].reset_index(drop=True)
    raw.notes.append(f"layout: {len(dates)} columns are dates, each row a well")
    return raw.changed(frame=known.astype({"time": "str"}), line=lambda _: 1, dry={})


def _of_months(raw: RawTable, names: list[str]) -> RawTable | None:
    """Return a table of a row a year and a column a month as a long one; None for any other."""
    months = {name: number for name in names if (number := month_of(name))}
    years = [name for name in names if fold(name).strip() in CALENDAR["year"]]
    if sorted(months.values()) != list(range(1, 13)) or len(years) != 1:
        return None
    year = pd.to_numeric(raw.frame[years[0]], errors="coerce")
    if year.isna().any() or (year % 1 != 0).any():
        return None
    others = [n for n in names if n not in (*months, years[0]) and fold(n).strip() not in _OF_YEARS]
    long = raw.frame.melt(id_vars=[years[0], *others], value_vars=list(months))
    month = long["variable"].map(months)
    stamps = long[years[0]].astype(int).map("{:04d}".format) + month.map("-{:02d}-01".format)
    value = raw.facts.get("parameter") or "value"
    made = long[others].assign(time=stamps.astype("str"), **{value: long["value"]})
    made = made[made[value].notna()].sort_values("time", kind="stable").reset_index(drop=True)
    raw.notes.append("layout: a row for each year and a column for each month")
    return raw.changed(frame=made, line=lambda _: 1, dry={})


def series_of_pairs(raw: RawTable) -> list[RawTable]:
    """Return the tables of a file in which each well has its own column of dates."""
    names = [str(name) for name in raw.frame.columns]
    dates = [
        k for k, name in enumerate(names)  # B1 Datum
        if any(read_header(text).meaning == "time" for text in (name, name.split()[-1]))
    ]  # fmt: skip
    dates = [k for k in dates if _holds_dates(raw.frame.iloc[:, k])]
    ends = [*dates[1:], len(names)]
    if len(dates) < 2 or dates[0] != 0 or any(b - a < 2 for a, b in zip(dates, ends, strict=True)):
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
