"""Time series of the Published Interface: read from PI-XML and NetCDF, ensembles included; written.

PI-XML is written in the order that the published schema asks for, straight to the file: a forecast
of many wells has millions of events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.data.layouts.records import parse_xml, strip
from gwforecast.data.stores import open_netcdf
from gwforecast.schema import SchemaError
from gwforecast.writing import write_atomically

__all__ = ["PiSeries", "read_netcdf", "read_pi", "write_netcdf", "write_pi"]


NAMESPACE = "http://www.wldelft.nl/fews/PI"
SCHEMAS = "https://fewsdocs.deltares.nl/schemas/version1.0/pi-schemas"
VERSION = "1.10"
PLACE = ("longName", "stationName", "lat", "lon", "x", "y", "z", "units")
"""Elements of a header after missVal, in the order of the schema."""


@dataclass(frozen=True, eq=False)
class PiSeries:
    """One time series."""

    # locationId and parameterId
    location: str
    parameter: str
    times: np.ndarray  # shape (event,), in the time zone of the file
    values: np.ndarray  # shape (event,); NaN where missing
    qualifiers: tuple[str, ...] = ()  # further identification
    member: int | None = None  # ensembleMemberIndex
    ensemble: str | None = None  # ensembleId
    kind: str = "instantaneous"  # ``"instantaneous"``, ``"accumulative"`` or ``"mean"``
    issued: np.datetime64 | None = None  # forecastDate
    # further elements of the header: units, stationName, x, y, lat, lon, ..
    about: Mapping[str, str] = field(default_factory=dict)
    flag: int = 0  # quality of all events, 0 reliable, 3 doubtful

    def shifted(self, hours: float) -> PiSeries:
        """Return the series with its times moved to another time zone."""
        if not hours:
            return self
        step = np.timedelta64(round(hours * 3600), "s")
        issued = None if self.issued is None else self.issued + step
        return replace(self, times=self.times + step, issued=issued)

    def between(
        self, first: np.datetime64 | None = None, last: np.datetime64 | None = None
    ) -> PiSeries:
        """Return the events after ``first`` and up to ``last``."""
        kept = np.ones(self.times.size, bool)
        if first is not None:
            kept &= self.times > first
        if last is not None:
            kept &= self.times <= last
        return replace(self, times=self.times[kept], values=self.values[kept])


def read_pi(path: Path, *, zone: float) -> list[PiSeries]:
    """Read the series of a PI-XML file.

    ``zone``: time zone of the result, hours ahead of UTC; a file without one has it as well.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    SchemaError
        If it can't be read as PI-XML.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"An input of the run must exist. Received {str(path)!r}, which does not. Check the "
            "export activities of the General Adapter."
        )
    root = parse_xml(path)
    if strip(root.tag) != "TimeSeries":
        raise SchemaError(
            f"Time series of PI-XML have the root element TimeSeries. Received "
            f"{strip(root.tag)!r} in {path}. Export them as PI-XML."
        )
    given = next((e.text for e in root if strip(e.tag) == "timeZone"), None)
    try:
        hours = zone - (zone if given is None else float(given or 0.0))
    except ValueError:
        raise SchemaError(
            f"The time zone of PI-XML is a number of hours. Received {given!r} in {path}. Export "
            "it again."
        ) from None
    series = [one for one in root if strip(one.tag) == "series"]
    return [_series(one, path).shifted(hours) for one in series]


def _series(element: Any, path: Path) -> PiSeries:
    header = next((e for e in element if strip(e.tag) == "header"), ())
    said = {strip(e.tag): (e.text or "").strip() for e in header}
    if not said.get("locationId") or not said.get("parameterId"):
        raise SchemaError(
            "A series of PI-XML must name its location and parameter. Received "
            f"{sorted(said)} in {path}. Export it again."
        )
    events = [e.attrib for e in element if strip(e.tag) == "event"]
    if not events and path.with_suffix(".bin").is_file():
        raise SchemaError(
            f"Events of PI-XML must be in the XML file. Received {path} with a binary file. Leave "
            "exportBinFiles (piTimeSeriesAsBin) out in the General Adapter."
        )
    stamps = [f"{e.get('date', '')}T{e.get('time', '00:00:00')}" for e in events]
    try:
        times = np.array(stamps, "datetime64[s]")
        values = np.array([float(e.get("value", "nan")) for e in events], float)
        missing = float(said.get("missVal") or "nan")
        member = int(said["ensembleMemberIndex"]) if said.get("ensembleMemberIndex") else None
    except ValueError as error:
        raise SchemaError(
            "Events of PI-XML have dates like 2024-01-31, times like 00:00:00 and numbers. "
            f"Received {error} in the series {said['parameterId']!r} of {said['locationId']!r} of "
            f"{path}. Export it again."
        ) from None
    values = np.where(np.isclose(values, missing), np.nan, values)
    doubtful = np.array([e.get("flag", "0") in UNRELIABLE for e in events], bool)
    issued = next((e for e in header if strip(e.tag) == "forecastDate"), None)
    return PiSeries(
        said["locationId"],
        said["parameterId"],
        times,
        np.where(doubtful, np.nan, values),
        qualifiers=tuple((e.text or "").strip() for e in header if strip(e.tag) == "qualifierId"),
        member=member,
        ensemble=said.get("ensembleId") or None,
        kind=said.get("type") or "instantaneous",
        issued=None if issued is None else _stamp(issued),
        about={name: said[name] for name in PLACE if said.get(name)},
    )


UNRELIABLE = frozenset({"6", "7", "8"})
"""Quality flags of values that FEWS marks as unreliable: original, corrected and completed."""


def _stamp(element: Any) -> np.datetime64 | None:
    try:
        return np.datetime64(f"{element.get('date')}T{element.get('time', '00:00:00')}", "s")
    except ValueError:
        return None


def read_netcdf(path: Path, *, zone: float) -> list[PiSeries]:
    """Read the scalar time series of a NetCDF file as the General Adapter exports it.

    ``path``: variables over (time, station), and realization for an ensemble; ``station_id`` names
    the locations; ``zone``: time zone of the result; times in the file are UTC.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    SchemaError
        If it has no stations or no series.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"An input of the run must exist. Received {str(path)!r}, which does not. Check the "
            "export activities of the General Adapter."
        )
    data = _dataset(path)
    if "station_id" not in data or "time" not in data:
        raise SchemaError(
            "NetCDF of Delft-FEWS has the variables station_id and time. Received "
            f"{sorted(map(str, data.variables))[:12]} in {path}. Export scalar time series."
        )
    station = next(iter(data["station_id"].dims))
    names = [_plain(name) for name in data["station_id"].values]
    found: list[PiSeries] = []
    for variable, values in data.data_vars.items():
        if not {"time", station} <= set(values.dims) or values.dtype.kind not in "fi":
            continue
        whole = values.astype(float)
        members = "realization" in whole.dims
        whole = whole if members else whole.expand_dims("realization")
        whole = whole.transpose("realization", station, "time")
        about = _about(data, values, len(names))
        for member, part in enumerate(whole.values):
            for place, row in enumerate(part):
                found.append(
                    PiSeries(
                        names[place], str(variable), whole["time"].values.astype("datetime64[s]"),
                        row, member=member if members else None, about=about[place],
                    ).shifted(zone)
                )  # fmt: skip
    if not found:
        raise SchemaError(
            f"NetCDF of Delft-FEWS holds series over time and {station}. Received none in {path}. "
            "Export scalar time series."
        )
    return found


def _dataset(path: Path) -> xr.Dataset:
    """Return a NetCDF file; Delft-FEWS writes the classic format by default."""
    with path.open("rb") as file:
        classic = file.read(3) == b"CDF"
    if not classic:
        return open_netcdf(path)
    try:
        with xr.open_dataset(path, engine="scipy") as opened:
            return opened.load()
    except Exception as error:  # SciPy raises many kinds for damaged files
        raise SchemaError(
            f"A NetCDF file must be readable. Received {path}: {error}. Export it again."
        ) from None


def _plain(name: Any) -> str:
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return text.strip("\x00 ")


def _about(data: xr.Dataset, values: xr.DataArray, stations: int) -> list[dict[str, str]]:
    units = {"units": str(values.attrs["units"])} if values.attrs.get("units") else {}
    places = {name: data[name].values for name in ("lat", "lon", "x", "y") if name in data}
    return [
        units | {name: repr(float(v[k])) for name, v in places.items() if np.isfinite(v[k])}
        for k in range(stations)
    ]


def write_pi(path: Path, series: Iterable[PiSeries], *, zone: float) -> Path:
    """Write series as PI-XML.

    ``path``: the file; complete or absent; ``series``: times in the given zone; ``zone``: hours
    ahead of UTC.
    """

    def write(target: Path) -> None:
        with target.open("w", encoding="utf-8", newline="\n") as out:
            out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
            out.write(f"{root_tag('TimeSeries', 'pi_timeseries.xsd', VERSION)}\n")
            out.write(f"<timeZone>{zone:g}</timeZone>\n" if zone % 1 else f"<timeZone>{zone:.1f}"
                      "</timeZone>\n")  # fmt: skip
            for one in series:
                _write_series(out, one)
            out.write("</TimeSeries>\n")

    return write_atomically(path, write)


def root_tag(name: str, schema_file: str, version: str) -> str:
    """Return the opening tag of a file of the Published Interface."""
    return (
        f'<{name} xmlns="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{NAMESPACE} {SCHEMAS}/{schema_file}" version="{version}">'
    )


def _write_series(out: TextIO, one: PiSeries) -> None:
    out.write("<series>\n<header>\n")
    for name, value in _header(one):
        out.write(f"<{name}{value}/>\n" if value.startswith(" ") else f"<{name}>{value}</{name}>\n")
    out.write("</header>\n")
    stamps = np.datetime_as_string(one.times.astype("datetime64[s]"))
    for stamp, value in zip(stamps.tolist(), one.values.tolist(), strict=True):
        number = "NaN" if value != value else repr(value)  # NaN differs from itself
        out.write(
            f'<event date="{stamp[:10]}" time="{stamp[11:]}" value="{number}" flag="{one.flag}"/>\n'
        )
    out.write("</series>\n")


def _header(one: PiSeries) -> Iterator[tuple[str, str]]:
    """Yield the elements of a header in the order of the schema: text, or attributes."""
    yield "type", one.kind
    yield "locationId", escape(one.location)
    yield "parameterId", escape(one.parameter)
    for qualifier in one.qualifiers:
        yield "qualifierId", escape(qualifier)
    if one.ensemble is not None:
        yield "ensembleId", escape(one.ensemble)
    if one.member is not None:
        yield "ensembleMemberIndex", str(one.member)
    yield "timeStep", _step(one.times)
    first, last = (one.times[0], one.times[-1]) if one.times.size else (one.issued, one.issued)
    yield "startDate", _date(first)
    yield "endDate", _date(last)
    if one.issued is not None:
        yield "forecastDate", _date(one.issued)
    yield "missVal", "NaN"
    for name in PLACE:
        if one.about.get(name):
            yield name, escape(one.about[name])


def _date(time: Any) -> str:
    stamp = str(np.datetime64(time, "s"))
    return f" date={quoteattr(stamp[:10])} time={quoteattr(stamp[11:])}"


def _step(times: np.ndarray) -> str:
    """Return the step of regular times in seconds; months and years are no such step."""
    steps = np.unique(np.diff(times.astype("datetime64[s]")))
    if steps.size != 1:
        return ' unit="nonequidistant"'
    return f' unit="second" multiplier="{int(steps[0].astype(int))}"'


def write_netcdf(path: Path, series: Sequence[PiSeries], *, zone: float) -> Path:
    """Write series of equal times as NetCDF: (time, realization, stations) by parameter.

    ``path``: the file; complete or absent; ``series``: of one ensemble, or with a single series for
    each location; ``zone``: hours that their times are ahead of UTC; the file has UTC.
    """
    locations = list(dict.fromkeys(one.location for one in series))
    members = sorted({one.member or 0 for one in series})
    times = series[0].shifted(-zone).times
    data = xr.Dataset(
        coords={
            "time": ("time", times.astype(schema.TIME_DTYPE)),
            "realization": ("realization", np.array(members), {"standard_name": "realization"}),
        },
        attrs={"Conventions": "CF-1.6", "featureType": "timeSeries"},
    )
    data["station_id"] = ("stations", np.array(locations, object), {"cf_role": "timeseries_id"})
    for parameter in dict.fromkeys(one.parameter for one in series):
        values = np.full((times.size, len(members), len(locations)), np.nan)
        for one in series:
            if one.parameter == parameter:
                place = members.index(one.member or 0), locations.index(one.location)
                values[:, place[0], place[1]] = one.values
        units = next((one.about["units"] for one in series if "units" in one.about), "m")
        dims = ("time", "realization", "stations")
        data[parameter] = (dims, values, {"units": units, "coordinates": "station_id"})
    issued = series[0].shifted(-zone).issued
    if issued is not None:
        data["analysis_time"] = ((), issued.astype(schema.TIME_DTYPE))
    since = {"units": "minutes since 1970-01-01 00:00:00", "dtype": "float64"}
    encoding = {name: since for name in ("time", "analysis_time") if name in data.variables}
    return write_atomically(
        path, lambda target: data.to_netcdf(target, engine="h5netcdf", encoding=encoding)
    )
