"""The module of Delft-FEWS by the real command line, on a run file with an ensemble.

The published XSD cannot be kept here. Required elements, names, enumerations and forms are those of
its published JSON form (Deltares, HYDROLIB-core, ``rtc/pi_timeseries``), the order that of the
description of the Published Interface, and ``fewsxml`` of Deltares reads the result.
With the environment variable ``PI_SCHEMAS``, a folder with ``pi_timeseries.xsd`` and so on, the
files are validated against the schemas too.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import fewsxml
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.calibration.intervals import QUANTILES
from gwforecast.data.layouts.records import parse_xml, read_pi_xml
from gwforecast.schema import SchemaError
from gwforecast.service.archive import Archive
from gwforecast.service.fews.series import PiSeries, read_netcdf, read_pi, write_netcdf, write_pi

NS = "{http://www.wldelft.nl/fews/PI}"
ORDER = [
    "type", "locationId", "parameterId", "qualifierId", "ensembleId",
    "ensembleMemberIndex", "timeStep", "startDate", "endDate", "forecastDate", "missVal",
    "longName", "stationName", "lat", "lon", "x", "y", "z", "units",
]  # fmt: skip
"""Elements of a header in the order of HeaderComplexType of pi_timeseries.xsd, 1.2 to 1.14.

Names, required ones and enumerations were compared with the JSON form of that schema which Deltares
publishes in HYDROLIB-core (``io/rtc/pi_timeseries/generated/pi_timeseries.json``).
"""
REQUIRED = {
    "type", "locationId", "parameterId", "timeStep", "startDate", "endDate", "missVal",
}  # fmt: skip
XSI = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
DATE, TIME = re.compile(r"\d{4}-\d\d-\d\d"), re.compile(r"\d\d:\d\d:\d\d")
CONFIG = """
[data]
levels = "train.xml"
covariates = "train.xml"
datum = "NAP"
[schedule]
models = ["linear"]
horizon = 8
"""
NOW = "2009-02-02"
RUN = """<?xml version="1.0" encoding="UTF-8"?>
<Run xmlns="http://www.wldelft.nl/fews/PI" version="1.5">
<timeZone>1.0</timeZone>
<startDateTime date="2001-01-01" time="00:00:00"/>
<endDateTime date="2009-03-30" time="00:00:00"/>
<time0 date="2009-02-02" time="06:00:00"/>
<workDir>{work}</workDir>
{state}
{inputs}
<outputDiagnosticFile>log/diag.xml</outputDiagnosticFile>
<outputStateDescriptionFile>states/out.xml</outputStateDescriptionFile>
{outputs}
<properties>{properties}</properties>
</Run>
"""


def events(name: str, unit: str, place: str, values: pd.Series, **more: object) -> PiSeries:
    about = {"units": unit, "x": "155000.0", "y": "463000.0", "stationName": f"Well {place} & co"}
    stamps = values.index.to_numpy().astype("datetime64[s]")
    return PiSeries(place, name, stamps, values.to_numpy(float), about=about, **more)


@pytest.fixture(scope="module")
def place(shared_folder: Path, gwforecast) -> Path:
    """Models that were trained on an export of Delft-FEWS, and the inputs of a run."""
    weather = pd.read_csv(shared_folder / "weather.csv", index_col=0, parse_dates=True)
    level = pd.read_csv(shared_folder / "levels.csv", index_col=0, parse_dates=True)["level"]
    past = weather[:NOW]
    observed = [
        events("GW.meting", "m NAP", "GW1", level[:NOW]),
        events("GW.meting", "m NAP", "GW2", level[:NOW] + 1.0),
        events("P.obs", "mm", "W1", past["rain"]),
        events("T.obs", "degC", "W1", past["temperature"]),
    ]
    write_pi(shared_folder / "train.xml", observed, zone=1.0)
    (shared_folder / "run.toml").write_text(CONFIG, "utf-8")
    gwforecast("train", "run.toml", "--through", "2008-06-30", cwd=shared_folder)
    ahead = weather["2009-02-09":"2009-05-04"]
    issued = np.datetime64(NOW, "s")
    ensemble = [
        events(name, unit, "W1", (ahead[column] * factor + shift).clip(lower=low), member=k,
               ensemble="ENS", issued=issued)
        for k, (factor, shift) in enumerate(((1.0, 0.0), (1.5, 1.0), (0.5, -1.0)))
        for name, unit, column, low in (
            ("P.obs", "mm", "rain", 0.0), ("T.obs", "degC", "temperature", None),
        )
    ]  # fmt: skip
    shifted = [one.shifted(-1.0) for one in ensemble]  # in another time zone than the run
    write_pi(shared_folder / "ensemble.xml", shifted, zone=0.0)
    return shared_folder


def write_run(place: Path, name: str = "run_info.xml", **given: str) -> Path:
    inputs = ("train.xml", "ensemble.xml")
    values = {
        "work": str(place),
        "state": "",
        "inputs": "".join(f"<inputTimeSeriesFile>{n}</inputTimeSeriesFile>" for n in inputs),
        "outputs": r"<outputTimeSeriesFile>out\forecast.xml</outputTimeSeriesFile>",
        "properties": '<string key="config" value="run.toml"/>',
        **given,
    }
    path = place / name
    path.write_text(RUN.format(**values), "utf-8")
    return path


def lines(place: Path) -> list[tuple[int, str]]:
    root = ET.parse(place / "log" / "diag.xml").getroot()  # noqa: S314 - our own file
    assert root.tag == f"{NS}Diag"
    assert root.get("version") == "1.2"
    found = [(int(e.get("level", "")), e.get("description", "")) for e in root]
    assert all(e.tag == f"{NS}line" for e in root)
    assert all(0 <= level <= 4 and text for level, text in found)
    return found


def check_series(path: Path) -> list[ET.Element]:
    """Check a file as the Published Interface describes it; return its series."""
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    assert root.tag == f"{NS}TimeSeries"
    assert root.get("version") in {f"1.{k}" for k in range(2, 15)}
    assert set(root.attrib) <= {"version", XSI}
    assert root[0].tag == f"{NS}timeZone"
    float(root[0].text or "x")
    series = list(root)[1:]
    assert series
    assert all(one.tag == f"{NS}series" for one in series)
    for one in series:
        header, rest = one[0], list(one)[1:]
        names = [e.tag.removeprefix(NS) for e in header]
        assert set(names) >= REQUIRED
        assert [ORDER.index(name) for name in names] == sorted(map(ORDER.index, names))
        assert header.find(f"{NS}type").text in ("instantaneous", "accumulative", "mean")
        step = header.find(f"{NS}timeStep").attrib
        assert step["unit"] in ("second", "nonequidistant")
        assert ("multiplier" in step) == (step["unit"] == "second")
        assert int(step.get("multiplier", 1)) > 0
        if "ensembleId" in names:
            assert int(header.find(f"{NS}ensembleMemberIndex").text) >= 0
        for name in ("missVal", "lat", "lon", "x", "y", "z"):
            float(header.findtext(f"{NS}{name}", "0"))
        assert all(names.count(name) == 1 for name in set(names) - {"qualifierId"})
        for name in ("startDate", "endDate", "forecastDate"):
            stamp = header.find(f"{NS}{name}").attrib
            assert DATE.fullmatch(stamp["date"])
            assert TIME.fullmatch(stamp["time"])
        assert rest
        assert all(e.tag == f"{NS}event" for e in rest)
        for event in rest:
            assert set(event.attrib) == {"date", "time", "value", "flag"}
            assert DATE.fullmatch(event.get("date"))
            assert TIME.fullmatch(event.get("time"))
            float(event.get("value"))
            int(event.get("flag"))
    validate(path, "pi_timeseries.xsd")
    return series


def validate(path: Path, schema: str) -> None:
    folder = os.environ.get("PI_SCHEMAS")
    if folder:
        xmlschema = pytest.importorskip("xmlschema")
        xmlschema.XMLSchema(str(Path(folder) / schema)).validate(str(path))


def test_an_ensemble_becomes_quantiles(place: Path, gwforecast) -> None:
    properties = '<string key="config" value="run.toml"/><string key="archive" value="members"/>'
    run = write_run(place, properties=properties)
    done = gwforecast("fews", run, cwd=place)
    product = Archive(place / "members").read(NOW)
    assert (product["forcing"] == "ensemble").all()
    assert (product["status"] == "ok").all()
    assert "2 of 2 wells are forecast by a model" in done.stdout
    messages = lines(place)
    assert not [text for level, text in messages if level < 3]
    assert any("weather after it: 3 member(s)" in text for _, text in messages)
    check_series(place / "out" / "forecast.xml")
    made = fewsxml.read(str(place / "out" / "forecast.xml"))
    assert made.timeZone == 1.0
    assert len(made.series) == 2 * len(QUANTILES)
    headers = [one.header for one in made.series]
    assert {h.locationId for h in headers} == {"GW1", "GW2"}
    assert {h.parameterId for h in headers} == {"GW.meting"}
    assert {h.qualifierId[0] for h in headers} == {f"q{q:g}" for q in QUANTILES}
    assert {h.forecastDate.date for h in headers} == {NOW}
    assert headers[0].stationName == "Well GW1 & co"
    assert headers[0].timeStep.multiplier == 7 * 86400
    first = made.series[0].event
    assert [(e.date, e.time) for e in first][:2] == [
        ("2009-02-09", "00:00:00"), ("2009-02-16", "00:00:00"),
    ]  # fmt: skip
    assert len(first) == 8  # up to endDateTime, which is the horizon
    by_quantile = np.array([[e.value for e in one.event] for one in made.series[:7]])
    assert (np.diff(by_quantile, axis=0) >= 0).all()
    other = np.array([[e.value for e in one.event] for one in made.series[7:]])
    np.testing.assert_allclose(other - by_quantile, 1.0, atol=0.02)  # GW2 lies 1 m above GW1


def test_the_forecast_is_that_of_the_service_on_the_same_data(place: Path, gwforecast) -> None:
    properties = '<string key="config" value="run.toml"/><string key="archive" value="from_fews"/>'
    inputs = "<inputTimeSeriesFile>train.xml</inputTimeSeriesFile>"
    gwforecast("fews", write_run(place, inputs=inputs, properties=properties), cwd=place)
    gwforecast("forecast", "run.toml", "--issue-time", NOW, cwd=place)
    ours = Archive(place / "archive").read(NOW)
    theirs = Archive(place / "from_fews").read(NOW)
    np.testing.assert_array_equal(ours["level"].values, theirs["level"].values)
    assert (theirs["forcing"] == "climatology").all()
    assert (theirs["status"] == "ok").all()


def test_members_states_and_netcdf(place: Path, gwforecast) -> None:
    weather = [one for one in read_pi(place / "ensemble.xml", zone=0.0) if one.member is not None]
    rain = [one for one in weather if one.parameter == "P.obs"]
    both = write_netcdf(place / "weather.nc", weather, zone=0.0)
    assert rain
    assert both.exists()
    run = write_run(
        place,
        inputs="<inputTimeSeriesFile>train.xml</inputTimeSeriesFile>"
        "<inputNetcdfFile>weather.nc</inputNetcdfFile>",
        state="<inputStateDescriptionFile>states/out.xml</inputStateDescriptionFile>",
        outputs="<outputTimeSeriesFile>out/members.xml</outputTimeSeriesFile>"
        "<outputNetcdfFile>out/members.nc</outputNetcdfFile>",
        properties='<string key="config" value="run.toml"/>'
        '<string key="output" value="ensemble"/><string key="members" value="11"/>'
        '<string key="output_parameter" value="GW.forecast"/>',
    )
    gwforecast("fews", run, cwd=place)
    series = check_series(place / "out" / "members.xml")
    assert len(series) == 22
    made = fewsxml.read(str(place / "out" / "members.xml"))
    assert [one.header.ensembleMemberIndex for one in made.series[:11]] == list(range(11))
    assert {one.header.ensembleId for one in made.series} == {"gwforecast"}
    middle = [e.value for e in made.series[5].event]
    with xr.open_dataset(place / "out" / "members.nc", engine="h5netcdf") as stored:
        assert dict(stored.sizes) == {"time": 8, "realization": 11, "stations": 2}
        np.testing.assert_allclose(stored["GW.forecast"].values[:, 5, 0], middle, rtol=1e-5)
        assert stored["time"].values[0] == np.datetime64("2009-02-08T23:00")  # UTC
    # the same weather as NetCDF gives the same forecast: its median is the middle member
    gwforecast("fews", write_run(place, "again.xml"), cwd=place)
    quantiles = fewsxml.read(str(place / "out" / "forecast.xml"))
    np.testing.assert_allclose([e.value for e in quantiles.series[3].event], middle, rtol=1e-6)
    state = ET.parse(place / "states" / "out.xml").getroot()  # noqa: S314 - our own file
    assert [e.tag.removeprefix(NS) for e in state] == [
        "stateId", "timeZone", "dateTime", "stateLoc",
    ]  # fmt: skip
    location = state.find(f"{NS}stateLoc")
    assert location.get("type") == "file"
    assert [e.tag.removeprefix(NS) for e in location] == ["readLocation", "writeLocation"]
    stored = json.loads((place / "states" / location[1].text).read_text("utf-8"))
    assert set(stored["bundles"]) == {"GW1", "GW2"}
    validate(place / "states" / "out.xml", "pi_state.xsd")
    validate(place / "log" / "diag.xml", "pi_diag.xsd")


def test_names_may_differ_from_those_of_the_training(place: Path, gwforecast) -> None:
    text = (place / "train.xml").read_text("utf-8")
    (place / "other.xml").write_text(text.replace("P.obs", "Neerslag"), "utf-8")
    inputs = "<inputTimeSeriesFile>other.xml</inputTimeSeriesFile>"
    properties = (
        '<string key="models" value="models"/><string key="level_parameter" value="GW.meting"/>'
        '<string key="rename" value="Neerslag=P.obs"/>'
    )
    gwforecast("fews", write_run(place, inputs=inputs, properties=properties), cwd=place)
    assert any("2 of 2 wells are forecast by a model" in text for _, text in lines(place))


FAULTS = {
    "missing input": (
        {"inputs": "<inputTimeSeriesFile>gone.xml</inputTimeSeriesFile>"}, "gone.xml"
    ),
    "no input": ({"inputs": ""}, "no inputTimeSeriesFile"),
    "unknown property": ({"properties": '<string key="modells" value="x"/>'}, "'modells'"),
    "wrong output": (
        {"properties": '<string key="config" value="run.toml"/><string key="output" value="x"/>'},
        "'quantiles' or 'ensemble'",
    ),
    "no config": ({"properties": '<string key="config" value="none.toml"/>'}, "none.toml"),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_failed_run_ends_with_1_and_says_why(place: Path, gwforecast, fault: str) -> None:
    given, message = FAULTS[fault]
    gwforecast("fews", write_run(place, **given), cwd=place, code=1)
    assert any(level == 1 and message in text for level, text in lines(place))


def test_a_run_file_that_is_not_there_or_not_xml_ends_with_1(place: Path, gwforecast) -> None:
    assert "gone.xml" in gwforecast("fews", "gone.xml", cwd=place, code=1).stderr
    (place / "broken.xml").write_text("<Run>", "utf-8")
    assert "well-formed" in gwforecast("fews", "broken.xml", cwd=place, code=1).stderr


def test_wells_without_a_model_are_warnings_and_the_run_goes_on(place: Path, gwforecast) -> None:
    properties = '<string key="models" value="nothing"/>'
    gwforecast("fews", write_run(place, properties=properties), cwd=place)
    messages = lines(place)
    assert sum(level == 2 and "model missing" in text for level, text in messages) == 2
    series = check_series(place / "out" / "forecast.xml")
    assert {e.get("flag") for one in series for e in one.findall(f"{NS}event")} == {"3"}


def test_tensorflow_is_not_imported(place: Path) -> None:
    run = write_run(place)
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "from pathlib import Path\nfrom gwforecast.service.fews.adapter import run\n"
        f"code, messages = run(Path({str(run)!r}))\nsys.exit(code)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_scripts_of_the_zip_start_the_module(place: Path, tmp_path: Path) -> None:
    source = Path(__file__).resolve().parents[2]
    spec = importlib.util.spec_from_file_location(
        "make_fews_zip", source / "docs" / "templates" / "make_fews_zip.py"
    )
    zipped = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(zipped)
    needed = {re.split(r"[<>=\[; ]", item)[0] for item in zipped.wanted(source)}
    assert {"numpy", "xarray", "h5netcdf", "defusedxml"} <= needed
    assert not needed & {"tensorflow", "keras"}
    folder = tmp_path / "made"
    shutil.copytree(source / "gwforecast", folder / "lib" / "gwforecast")
    for name, text in (("start.py", zipped.START), ("run.sh", zipped.SHELL)):
        (folder / name).write_text(text, "utf-8")
    (folder / "run.sh").chmod(0o755)
    zipped.pack(folder, tmp_path / "fews.zip")
    subprocess.run(["unzip", "-q", tmp_path / "fews.zip", "-d", tmp_path], check=True)
    start = tmp_path / "gwforecast_fews" / "run.sh"
    environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable}
    for run, code in ((write_run(place), 0), (place / "gone.xml", 1)):
        done = subprocess.run(
            [start, run], cwd="/", env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr


def test_netcdf_of_both_formats_is_read_and_a_cut_file_is_an_error(tmp_path: Path) -> None:
    index = pd.date_range("2020-01-01", periods=4)
    made = [
        events("P", "mm", name, pd.Series([0.5, np.nan, 2.0, 3.0], index) + number, member=member)
        for number, (name, member) in enumerate((n, m) for n in ("Ü1", "B") for m in (0, 1))
    ]
    path = write_netcdf(tmp_path / "new.nc", made, zone=1.0)
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        opened.to_netcdf(tmp_path / "old.nc", engine="scipy", format="NETCDF3_64BIT")
    for name in ("new.nc", "old.nc"):
        again = {(one.location, one.member): one for one in read_netcdf(tmp_path / name, zone=1.0)}
        assert set(again) == {("Ü1", 0), ("Ü1", 1), ("B", 0), ("B", 1)}
        for one in made:
            found = again[one.location, one.member]
            np.testing.assert_array_equal(found.values, one.values)
            np.testing.assert_array_equal(found.times, one.times)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / "cut.nc").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(SchemaError, match=r"cut\.nc"):
            read_netcdf(tmp_path / "cut.nc", zone=1.0)


def test_series_come_back_as_they_were_written(tmp_path: Path) -> None:
    index = pd.date_range("2020-01-01", periods=5)
    values = pd.Series([1.0, np.nan, 3.25, -4.0, 0.0], index)
    first = events("H", "m", "<a>&\"", values, member=3, ensemble="E", qualifiers=("x", "y"),
                   issued=np.datetime64("2019-12-31T12:00:00", "s"), flag=3)  # fmt: skip
    path = write_pi(tmp_path / "x.xml", [first], zone=5.5)
    (again,) = read_pi(path, zone=5.5)
    assert (again.location, again.member, again.qualifiers) == ('<a>&"', 3, ("x", "y"))
    assert again.issued == first.issued
    np.testing.assert_array_equal(again.values, first.values)
    (utc,) = read_pi(path, zone=0.0)
    assert utc.times[0] == np.datetime64("2019-12-31T18:30:00")
    text = path.read_text("utf-8").replace('value="3.25" flag="3"', 'value="3.25" flag="6"')
    path.write_text(text.replace("NaN</missVal>", "-4</missVal>"), "utf-8")
    (kept,) = read_pi(path, zone=5.5)
    np.testing.assert_array_equal(kept.values, [1.0, np.nan, np.nan, np.nan, 0.0])


def test_the_place_of_a_location_is_that_of_its_grid_or_of_the_globe(tmp_path: Path) -> None:
    about = {"lat": "52.1", "lon": "5.4", "x": "155000.0", "y": "463000.0"}
    times = np.arange("2020-01-01", "2020-01-04", dtype="datetime64[D]").astype("datetime64[s]")
    for given, expected in (
        (about, ("155000.0", "463000.0")),
        ({n: about[n] for n in ("lat", "lon", "x")}, ("5.4", "52.1")),
    ):
        path = tmp_path / "levels.xml"
        write_pi(path, [PiSeries("W1", "GW.meting", times, np.arange(3.0), about=given)], zone=1.0)
        (table,) = read_pi_xml(path, parse_xml(path))
        assert (table.facts["easting"], table.facts["northing"]) == expected
