"""Malformed files: each is refused with rule, what was received and fix, in words of the field."""

# ruff: noqa: E501  (a kind and its message side by side)

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast import SchemaError
from gwforecast.schema import COMMON_MISSING_CODES

DAYS = pd.date_range("2020-01-06", periods=12, freq="W-MON")
FORBIDDEN = re.compile(
    r"pandas says|C error|[Tt]okeniz|ParserError|Traceback|numpy\.|KeyError|openpyxl\.|dtype='"
)


def table(head: str = "date,level", *, cell: str | None = None, date: str | None = None) -> str:
    """A table of twelve weeks, with another cell or date in its third row (line 4)."""
    mark = ";" if ";" in head else ","
    columns = head.count(mark)
    body = []
    for k, day in enumerate(DAYS):
        values = [f"{12 + k / 100:.2f}"] * columns
        if k == 2 and cell is not None:
            values[0] = cell
        stamp = date if k == 2 and date is not None else f"{day:%Y-%m-%d}"
        body.append(mark.join([stamp, *values]))
    return "\n".join([head, *body]) + "\n"


# What is written: kind -> text or bytes, settings, message ----------------------------------------

Kind = tuple[str | bytes, dict[str, object], str]

NO_NUMBERS = [
    "broken", "12m", "1.2.3", "1e", "+-3", "12:30", "ten", "5%", "(12)", "[3]", "ca. 5", "0x1F",
    "12 34", "1/2", ">20", "<0.1", "~", "~3", "approx", "12.5a", "a12", "12..5", "--5", "1_000",
    "12.5 m", "=A1", "#BEZUG!", "defekt", "gestoort", "en panne", "averiado", "guasto", "12°",
    "3 ft", "12'6", "1,5 m", "unter Pumpe", "O", "l2.0",
]  # fmt: skip
CELLS: dict[str, Kind] = {
    f"cell {cell!r}": (
        table(cell=f'"{cell}"'), {}, rf"numbers only.*{re.escape(repr(cell))} in line 4, column 'level'"
    )
    for cell in NO_NUMBERS
}  # fmt: skip

NO_DATES = [
    "2020-13-01", "2020-02-30", "2020-00-10", "2020-01-00", "2020-01-32", "yesterday", "0000-00-00",
    "2020_01_01", "20.01.2020", "01/20/2020", "2020-01-20T25:00", "2020-01-20 10:61", "20 Foo 2020",
    "20200120", "2020-1", "Montag", "1.1", "2020", "2020-01-20x", "x2020-01-20", "20-01",
    "2020-01-20 10:00 Uhr", "2020-W03", "Q1", "?", "n/a", "2020-01-20T10:00Z",
]  # fmt: skip
DATES: dict[str, Kind] = {
    f"date {date!r}": (table(date=date), {}, rf"(?:in line 4|'{re.escape(date)}')")
    for date in NO_DATES
}

DEPTHS = [
    "DTW", "depth", "depth to water (ft)", "Depth_to_Groundwater", "dtw [m]", "level (m bgl)",
    "level (m b.g.l.)", "water level (ft below TOC)", "level (m bgs)", "level (ft bls)",
    "level (m below ground)", "level (m below measuring point)", "Grundwasserstand [m u. GOK]",
    "Grundwasserstand [m unter GOK]", "Grundwasserstand [m u. MP]", "Abstich (m)", "Flurabstand",
    "Grundwasserflurabstand [m]", "grondwaterstand (cm -mv)", "grondwaterstand (m onder maaiveld)",
    "profondeur", "profondeur_nappe", "Profondeur relative/repère de mesure", "profundidad (m)",
    "Profundidade (m)", "Soggiacenza (m)", "nivel (m bajo el suelo)", "Grundvattennivå (m under markyta)",
    "Vandstand (m under terræn)", "lev_va", "Level Depth To Water (ft)", "DTWBelowCasing",
    "stand (m t.o.v. MV)", "water level (m rel. to TOC)", "level (m mbgl)", "lichtlotmessung",
]  # fmt: skip
WITHOUT_HEIGHT: dict[str, Kind] = {
    f"depth {name!r}": (table(f"date,{name}"), {}, r"reference_level=.*--reference-level|unit")
    for name in DEPTHS
}

UNITS: dict[str, Kind] = {
    f"unit {unit!r}": (table(f"date,level ({unit})"), {}, r"Received.*(?:units=|datum=)")
    for unit in ("yd", "km", "psi", "kPa", "mbar", "cmH2O", "l/s", "m3", "m3/d", "degC", "%", "mg/l",
                 "fathoms", "m foo", "ft bar baz", "Ohm", "µS/cm", "V", "chain", "rod")
}  # fmt: skip

CODES: dict[str, Kind] = {
    f"code {code:g}": (table(cell=f"{code:g}"), {}, r"looks like a code.*missing_values=\[")
    for code in (*COMMON_MISSING_CODES, 1e20, -1e30, 3.4e38)
}

HEADERS: dict[str, Kind] = {
    "no times": ("a,b\n1,2\n3,4\n", {}, "column of times.*time_column="),
    "two columns of times": (table("date,time").replace("12.00", "2020-01-06"), {}, "one column of times|numbers"),
    "a name twice": ("date,level,level\n2020-01-01,1,2\n", {}, "'level' twice.*Rename"),
    "text only": ("date,remark\n2020-01-01,dry\n", {}, "column of numbers"),
    "rain only": (table("date,rain"), {}, "'rain', which names a covariate"),
    "rain and temperature only": (table("date,Niederschlag,Lufttemperatur"), {}, "'Niederschlag'.*level_column="),
    "river only": (table("date,river stage"), {}, "'river stage'.*level_column="),
    "a pressure only": (table("date,Abs Pres (kPa)"), {}, "pressure is none.*barometer="),
    "a pressure in hPa": (table("date,Druck [hPa]"), {}, "pressure is none.*sensor_depth="),
    "two levels": (table("date,head,gwl"), {}, "2 that could be.*level_column="),
    "two levels of two datums": (table("date,level (m NAP),head (m TAW)"), {}, "2 that could be"),
    "two depths": (table("date,DTW,depth"), {}, "2 that could be"),
    "units in some headers": (table("date,w1 [cm],w2"), {}, "same units"),
    "datums that differ": (table("date,w1 [m NAP],w2 [m TAW]"), {}, "same datum|2 that could be"),
    "two columns of one well": (table("date,W1 [m],W1 [cm]"), {}, "'W1'.*Rename"),
    "a long table with two numbers": (
        "well,date,a,b\n" + "".join(f"{w},{d:%Y-%m-%d},1.5,2.5\n" for w in "xy" for d in DAYS), {},
        "column of numbers that is the level.*level_column="),
    "wells that cross": (
        "site,well,date,level\n" + "".join(f"{s},{w},{d:%Y-%m-%d},1.5\n" for s in "xy" for w in "12" for d in DAYS),
        {}, "name the well.*well_column="),
    "a row without a well": ("well,date,level\na,2020-01-01,1\n,2020-01-02,2\n", {}, "needs a well"),
    "numbers with two decimal marks": ("date;a;b\n2020-01-01;1,5;2.5x\n2020-01-02;1,6;2.6x\n", {}, "numbers"),
    "several units in a column": (
        "well,date,level,unit\na,2020-01-01,1,m\na,2020-01-02,2,ft\n", {}, "same units.*Read them apart"),
    "several datums in a column": (
        "well,date,level,vertical_datum\na,2020-01-01,1,NAP\na,2020-01-02,2,TAW\n", {}, "same datum"),
    "parameters without a level": (
        "well,date,parameter,value\na,2020-01-01,rain,1\na,2020-01-01,ph,2\n", {}, "parameter must be the level"),
    "one parameter that is rain": (
        "well,date,parameter,value\na,2020-01-01,rain,1\na,2020-01-02,rain,2\n", {}, "'rain'"),
}  # fmt: skip

TEXTS: dict[str, Kind] = {
    "empty": ("", {}, "empty file"),
    "blank lines": ("\n\n \n", {}, "empty file"),
    "a header only": ("date,level\n", {}, "header only"),
    "bytes": (b"\x00\x01PK\x03\x04" * 20, {}, "binary content"),
    "one word": ("hello\n", {}, "separated by|column of times"),
    "rows of other widths": ("date,level\n2020-01-01,1,2,3\n2020-01-02,1\n", {}, "columns of the header"),
    "a late row with more cells": (table() + "2020-05-01,1,2,3\n", {}, "4 cells in line 14"),
    "a decimal comma between commas": (
        "date,level\n" + "".join(f"{d:%Y-%m-%d},12,5\n" for d in DAYS), {}, "columns of the header.*decimal mark"),
    "thousands that could be decimals": ('date,head\n2020-01-01,"1,234"\n2020-01-02,"1,235"\n', {}, "without it"),
    "only remarks": ("# one\n# two\n# three\n", {}, "remarks|separated"),
    "dates of both orders": ("date,level\n13/01/2020,1\n01/14/2020,2\n", {}, "days first and months first"),
    "dates of no order": ("date,level\n01/02/2020,1\n02/03/2020,2\n", {}, "day_first=True or False"),
    "no date in a row": ("date,level\n2020-01-01,1\n,2\n2020-01-03,3\n", {}, "none in line 3"),
    "days of the year": ("#Datum;Wert\nT2016004;1,5\nT2016005;1,6\n", {}, "'T2016004' in line 2.*date_format="),
    "a header that stands lower": (
        "Bericht;x\nStelle;4\n\nDatum;Stand [m]\n2016/4;1,5\n2016/5;1,6\n", {}, "in line 5"),
    "out of order": ("date,level\n2020-01-02,1\n2020-01-01,2\n", {}, "sort=True"),
    "two values of a time": ("date,level\n2020-01-01,1\n2020-01-01,2\n", {}, "duplicates="),
    "a year far ahead": ("date,level\n2020-01-01,1\n3020-01-02,2\n", {}, "2300"),
    "a year far back": ("date,level\n1020-01-01,1\n2020-01-02,2\n", {}, "between 1700"),
    "one row": ("date,level\n2020-01-01,1\n", {}, "at least two times"),
    "hours that differ": ("date,level\n2020-01-01 10:30,1\n2020-01-03 09:00,2\n", {}, "at_step="),
    "zones in some rows": ("date,level\n2020-01-01T00:00Z,1\n2020-01-02T00:00,2\n", {}, "time zone, or none"),
    "no values": ("date,level\n2020-01-01,\n2020-01-02,\n", {}, "column of numbers|at least"),
}  # fmt: skip

SETTINGS: dict[str, Kind] = {
    "decimal": (table(), {"decimal": ";"}, "decimal mark must be"),
    "delimiter": (table(), {"delimiter": ", "}, "one character"),
    "delimiter not there": (table(), {"delimiter": "|"}, "not in the header"),
    "encoding": (table(), {"encoding": "klingon"}, "encoding must be a name"),
    "encoding that is another": ("date,level\n2020-01-01,1 ü\n", {"encoding": "ascii"}, "byte 0xc3"),
    "header_row beyond the end": (table(), {"header_row": 99}, "line 99"),
    "header_row of zero": (table(), {"header_row": 0}, "1 or more"),
    "skip_rows below zero": (table(), {"skip_rows": -1}, "0 or more"),
    "skip_rows and header_row": (table(), {"skip_rows": 1, "header_row": 2}, "Received both"),
    "a sheet of a text": (table(), {"sheet": "A"}, "part of a workbook"),
    "at_step": (table(), {"at_step": "median"}, "at_step must be one of"),
    "duplicates": (table(), {"duplicates": "max"}, "duplicates must be one of"),
    "depth_sign": (table(), {"depth_sign": "down"}, "depth_sign must be one of"),
    "level_column": (table(), {"level_column": "head"}, "level_column must be a column"),
    "well_column": (table(), {"well_column": "site"}, "well_column must be a column"),
    "time_column": (table(), {"time_column": "when"}, "time_column must be a column"),
    "three time columns": (table(), {"time_column": ["a", "b", "c"]}, "at most two"),
    "date_format": (table(), {"date_format": "%d.%m.%Y"}, "by date_format="),
    "units": (table(), {"units": "yd"}, "units of a level must be one of"),
    "a datum that is a point": (table(), {"datum": "m u. GOK"}, "names a point"),
    "another datum": (table("date,level (m NAP)"), {"datum": "TAW"}, "one vertical datum"),
    "wells as text": (table(), {"wells": "x"}, "list of names"),
    "a well that is not there": (table(), {"wells": ["nobody"]}, "'nobody'"),
    "a name for two wells": (table("date,a,b"), {"well": "x"}, "one well only"),
    "heights without a well": (table("date,DTW"), {"reference_level": {"other": 1.0}}, "reference level"),
    "a height that is none": (table("date,DTW"), {"reference_level": float("nan")}, "finite height"),
    "a barometer without depth": (table("date,pressure (kPa)"), {"barometer": "x.csv"}, "sensor_depth="),
    "a sensor without pressure": (table("date,rain"), {"sensor_depth": 1.0}, "height of water|pressure"),
    "a sensor depth of another well": (table("date,level"), {"sensor_depth": {"b": 1.0}}, "depth of its sensor"),
}  # fmt: skip

PI = '<?xml version="1.0"?><TimeSeries xmlns="http://www.wldelft.nl/fews/PI">{}</TimeSeries>'
HEAD = "<header><locationId>a</locationId><parameterId>GW</parameterId></header>"
OTHERS: dict[str, tuple[str, str | bytes, str]] = {
    "xml cut off": ("x.xml", "<TimeSeries><series>", "well-formed"),
    "xml with entities": ("x.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "must not define entities"),
    "another xml": ("x.xml", "<html><body/></html>", "'html'"),
    "pi-xml without series": ("x.xml", PI.format(""), "series with values"),
    "pi-xml without a location": ("x.xml", PI.format("<series><header/></series>"), "location and parameter"),
    "pi-xml without events": ("x.xml", PI.format(f"<series>{HEAD}</series>"), "series with values"),
    "pi-xml with a bad date": (
        "x.xml", PI.format(f"<series>{HEAD}<event date='x' time='y' value='1'/></series>"), "date and a time"),
    "pi-xml with a bad zone": ("x.xml", PI.format(f"<timeZone>MEZ</timeZone><series>{HEAD}</series>"), "number of hours"),
    "pi-xml with two levels": (
        "x.xml", PI.format("".join(
            f"<series>{HEAD.replace('GW', p)}<event date='2020-01-0{k}' time='00:00:00' value='1'/></series>"
            for k, p in ((1, "GW.a"), (2, "GW.b")))), "One parameter must be the level"),
    "xle without channels": ("x.xle", "<Body_xle/>", "channels and readings"),
    "mon without data": ("x.mon", "[Channel 1]\nIdentification =LEVEL\n[Data]\n0\n", "readings below"),
    "mon with a short row": (
        "x.mon", "[Channel 1]\nIdentification =LEVEL\n[Data]\n1\n2020/01/01 00:00:00 1.0 2.0\n", "date, time and 1 channels"),
    "no workbook": ("x.xlsx", "date,level\n", "must be a workbook"),
    "an old workbook": ("x.xls", "x", "Save it as .xlsx"),
    "no parquet": ("x.parquet", "x", "readable as Parquet"),
    "no netcdf": ("x.nc", "x", "readable as NetCDF"),
    "a knmi file of two stations": (
        "x.txt", "# STN,YYYYMMDD,RH\n260,20200101,1\n270,20200101,2\n", "one station"),
    "a usgs file of two datums": (
        "x.txt", ("agency_cd\tsite_no\tlev_dt\tlev_va\tsl_lev_va\tsl_datum_cd\n5s\t15s\t10d\t12s\t12s\t10s\n"
        "U\t1\t2020-01-01\t1\t2\tNAVD88\nU\t1\t2020-01-02\t1\t2\tNGVD29\n"), "same datum"),
}  # fmt: skip

KINDS = {**CELLS, **DATES, **WITHOUT_HEIGHT, **UNITS, **CODES, **HEADERS, **TEXTS, **SETTINGS}


def assert_clear(message: str) -> None:
    """Rule, what was received, fix; and no words of the libraries beneath."""
    assert "Received" in message, message
    assert len(re.split(r"(?<=[.:)])\s+(?=[A-Z('])", message)) >= 3, message
    assert not FORBIDDEN.search(message), message


def refused(path: Path, settings: dict[str, object]) -> str:
    with pytest.raises((SchemaError, ValueError)) as error:
        gw.read_observations(path, **settings)
    return str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_file_is_refused(kind: str, tmp_path: Path) -> None:
    content, settings, message = KINDS[kind]
    path = tmp_path / "x.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    said = refused(path, settings)
    assert re.search(message, said, re.DOTALL), said
    assert_clear(said)


@pytest.mark.parametrize("kind", OTHERS)
def test_a_malformed_file_of_another_format_is_refused(kind: str, tmp_path: Path) -> None:
    name, content, message = OTHERS[kind]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    said = refused(path, {})
    assert re.search(message, said, re.DOTALL), said
    assert_clear(said)


COVARIATES: dict[str, tuple[str, dict[str, object], str]] = {
    "the level as a covariate": (table("date,level"), {}, "can't be named like the level"),
    "text": ("date,soil\n" + "".join(f"{d:%Y-%m-%d},clay\n" for d in DAYS), {}, "column of numbers"),
    **{
        f"rain {cell!r}": (table("date,rain", cell=f'"{cell}"'), {}, rf"numbers only.*{re.escape(repr(cell))}")
        for cell in NO_NUMBERS[:18]
    },
    "irregular": (table("date,rain").replace("2020-01-20", "2020-01-21"), {}, "must be regular"),
    "hourly": ("date,rain\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n", {}, "step='D'"),
    "two values of a time": (table("date,rain") + "2020-03-23,9\n", {}, "duplicates="),
    "a code": (table("date,rain", cell="-9999"), {}, "looks like a code"),
    "out of order": (table("date,rain") + "2020-01-01,9\n", {}, "sort=True"),
    "one row": ("date,rain\n2020-01-06,1\n", {}, "at least two steps"),
    "no columns": ("date\n2020-01-06\n2020-01-13\n", {}, "separated by"),
    "units of another name": (table("date,rain"), {"covariate_units": {"snow": "mm"}}, "'snow'"),
    "a step that is none": (table("date,rain"), {"step": "fortnight"}, "must be 'D'"),
    "a stamp that is none": (table("date,rain"), {"step_stamp": "middle"}, "step_stamp must be one of"),
}  # fmt: skip


@pytest.mark.parametrize("kind", COVARIATES)
def test_malformed_covariates_are_refused(kind: str, tmp_path: Path) -> None:
    content, settings, message = COVARIATES[kind]
    (tmp_path / "levels.csv").write_text(table())
    (tmp_path / "weather.csv").write_text(content)
    with pytest.raises((SchemaError, ValueError)) as error:
        gw.read_observations(tmp_path / "levels.csv", tmp_path / "weather.csv", **settings)
    assert re.search(message, str(error.value), re.DOTALL), str(error.value)
    assert_clear(str(error.value))


def test_malformed_workbooks_are_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["nothing", "here"])
    book.save(tmp_path / "a.xlsx")
    assert "table with a column of dates" in refused(tmp_path / "a.xlsx", {})
    book = openpyxl.Workbook()
    for line in (["date", "level", "level"], ["2020-01-01", 1, 2], ["2020-01-02", 1, 2]):
        book.active.append(line)
    book.save(tmp_path / "b.xlsx")
    assert "'level' twice" in refused(tmp_path / "b.xlsx", {})
    assert "'nope'" in refused(tmp_path / "b.xlsx", {"sheet": "nope"})


def test_malformed_grids_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(table())
    (tmp_path / "wells.csv").write_text("well,longitude,latitude\nx,5,52\n")
    times = pd.date_range("2020-01-01", periods=100)
    values = np.ones((100, 3, 3))
    grids = {
        "no latitude": ({"rr": (("time", "y", "x"), values)}, {"time": times}, "need latitude"),
        "no time": ({"rr": (("lat", "lon"), values[0])}, {}, "needs a dimension time"),
        "no variable": ({"rr": (("time",), values[:, 0, 0])}, {"time": times}, "over time, latitude"),
        "the sea": (
            {"rr": (("time", "lat", "lon"), values * np.nan)},
            {"time": times, "lat": [51.0, 52.0, 53.0], "lon": [4.0, 5.0, 6.0]}, "in the sea"),
    }  # fmt: skip
    for name, (variables, coords, message) in grids.items():
        path = tmp_path / f"{name}.nc"
        xr.Dataset(variables, coords).to_netcdf(path, engine="h5netcdf")
        with pytest.raises(SchemaError, match=message) as error:
            gw.read_observations(tmp_path / "x.csv", path, attributes=tmp_path / "wells.csv")
        assert_clear(str(error.value))


def test_there_are_many_kinds() -> None:
    assert len(KINDS) + len(OTHERS) + len(COVARIATES) >= 250
