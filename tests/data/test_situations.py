"""Situations of real files: each gives its right value, or the one line that fixes it."""

# ruff: noqa: E501  (a situation and its right value side by side)

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast import SchemaError

DAYS = pd.date_range("2016-01-04", periods=40, freq="W-MON")
LEVELS = np.round(12 + np.sin(np.arange(40) / 5), 2)
Row = Callable[[pd.Timestamp, float], str]
LONG = pd.date_range("2016-01-01", periods=300)


def comma(value: float) -> str:
    return f"{value:.2f}".replace(".", ",")


def rows(form: Row, *head: str, foot: str = "") -> str:
    body = [form(day, level) for day, level in zip(DAYS, LEVELS, strict=True)]
    return "\n".join([*head, *body, *([foot] if foot else [])]) + "\n"


def name_of(day: pd.Timestamp, one: str, two: str) -> str:
    return one if day.week % 2 else two


def plain(head: str, *, level: Callable[[float], str] = str, form: str = "%Y-%m-%d") -> str:
    mark = ";" if ";" in head else ","
    return rows(lambda d, v: f"{d.strftime(form)}{mark}{level(v)}", head)


# name: text, settings, first level by well, datum
READ: dict[str, tuple[str, dict[str, object], dict[str, float], str | None]] = {
    # 1. wells of a long table
    "an id and a name": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{name_of(d, 'A1,Alpha', 'B2,Beta')},{v}",
             "date,SiteNo,SiteName,level"), {}, {"A1": 12, "B2": 12.2}, None),
    "a municipality beside": (
        rows(lambda d, v: f"{d:%Y-%m-%d};{name_of(d, 'A1', 'B2')};Dorf;{comma(v)}",
             "Datum;Messstelle;Gemeinde;Grundwasserstand (m NHN)"),
        {}, {"A1": 12, "B2": 12.2}, "NHN"),
    "a name that is not known": (
        rows(lambda d, v: f"{d:%d.%m.%Y};{name_of(d, 'Nord', 'Sued')};{comma(v)}",
             "Datum;Ort;Wasserstand [mNN]"), {}, {"Nord": 12, "Sued": 12.2}, "NN"),
    "a level column that is given": (
        rows(lambda d, v: f"{d:%d.%m.%Y};{name_of(d, 'Nord', 'Sued')};{comma(v)}",
             "Datum;Ort;Wert"), {"level_column": "Wert"}, {"Nord": 12, "Sued": 12.2}, None),
    "codes, times repeated": (
        "date,nummer,level\n" + "".join(
            f"{d:%Y-%m-%d},{k},{v + k - 1001:.2f}\n"
            for k in (1001, 1002) for d, v in zip(DAYS, LEVELS, strict=True)),
        {}, {"1001": 12, "1002": 13}, None),
    "codes that are given": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{name_of(d, '0101', '0102')},{v}",
             "date,Kennziffer,level"),
        {"well_column": "Kennziffer"}, {"0101": 12, "0102": 12.2}, None),
    "two columns, one chosen": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{name_of(d, 'A', 'B')},{1 + (d.week % 4 < 2)},{v}",
             "date,Site,Well ID,level"), {"well_column": "Site"}, {"A": 12, "B": 12.2}, None),
    "several parameters": (
        "station,date,parameter,value,unit\n" + "".join(
            f"S1,{d:%Y-%m-%d},{p},{v if p[0] == 'g' else 9.5},{u}\n"
            for d, v in zip(DAYS, LEVELS, strict=True)
            for p, u in (("groundwater level", "m"), ("water temperature", "degC"))),
        {}, {"S1": 12}, None),
    # 2. other columns of a wide table
    "river and weather beside": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v},{v + 1},3.2,9.1", "Date,BH1,BH2,River level,Air temp"),
        {}, {"BH1": 12, "BH2": 13}, None),
    "a code of quality": (
        rows(lambda d, v: f"{d:%Y-%m-%d};{comma(v)};{40 if d.week % 3 else 80}",
             "Datum;Wert;Qualitätscode"), {}, {"Wert": 12}, None),
    "a flag": (
        rows(lambda d, v: f"{d:%Y-%m-%d};{comma(v)};{'g' if d.week % 3 else 'x'}",
             "Datum;Wert;Flag"), {}, {"Wert": 12}, None),
    "remarks": ("date,w1,note\n2020-01-01,1,x\n2020-01-02,2,y\n", {}, {"w1": 1}, None),
    "words for levels and names of wells": (
        rows(lambda d, v: f"{d:%Y-%m-%d};{comma(v)};{comma(v + 1)};{comma(9)}",
             "Datum;Grundwasserstand BR1;Grundwasserstand BR2;Lufttemperatur"),
        {}, {"BR1": 12, "BR2": 13}, None),
    "a well called long": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v},{v + 1}", "date,long,short"),
        {}, {"long": 12, "short": 13}, None),
    # 3. depths and heights
    "m u. terraen": (plain("Dato;Vandspejl (m u. terræn)", level=comma, form="%d-%m-%Y"),
                     {"reference_level": 20}, {"x": 8}, None),
    "m under markytan": (plain("Datum;Grundvattennivå (m under markytan)", level=comma),
                         {"reference_level": 20}, {"x": 8}, None),
    "profondeur": (plain("Date;Profondeur (m)", level=comma, form="%d/%m/%Y"),
                   {"reference_level": 20}, {"x": 8}, None),
    "profundidade": (plain("Data;Profundidade (m)", level=comma, form="%d/%m/%Y"),
                     {"reference_level": 20}, {"x": 8}, None),
    "da p.c.": (plain("Data;Soggiacenza (m da p.c.)", level=comma, form="%d/%m/%Y"),
                {"reference_level": 20}, {"x": 8}, None),
    "m -mv": (plain("datum;grondwaterstand (m -mv)", level=comma, form="%d-%m-%Y"),
              {"reference_level": 20}, {"x": 8}, None),
    "DTW": (plain("date,DTW (m)"), {"reference_level": 20}, {"x": 8}, None),
    "depth, negative down": (plain("date,DTW (m)", level=lambda v: str(-v)),
                             {"reference_level": 20}, {"x": 8}, None),
    "t.o.v. maaiveld, negative down": (
        plain("datum;grondwaterstand (m t.o.v. maaiveld)", level=lambda v: comma(-v)),
        {"reference_level": 20, "depth_sign": "negative_down"}, {"x": 8}, None),
    "a reduced level beside its depth": (
        rows(lambda d, v: f"{d:%d/%m/%Y},{v},{20 - v:.2f}", "Date,RSWL (mAHD),SWL (m)"),
        {}, {"x": 12}, "AHD"),
    "an elevation beside its depth": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{20 - v:.2f},{v}",
             "Date,Depth to water (m),Water level elevation (m)"), {}, {"x": 12}, None),
    # 4. units and datum
    **{f"unit {unit}": (plain(f"date,level ({unit})"), {}, {"x": 12 * factor}, datum)
       for unit, factor, datum in (
           ("ft", 0.3048, None), ("FEET", 0.3048, None), ("in", 0.0254, None),
           ("inch", 0.0254, None), ("CM", 0.01, None), ("mm", 0.001, None), ("dm", 0.1, None),
           ("m+NAP", 1, "NAP"), ("mNAP", 1, "NAP"), ("m ü. NN", 1, "NN"), ("müNN", 1, "NN"),
           ("m ü.M.", 1, "MSL"), ("m a.s.l.", 1, "MSL"), ("masl", 1, "MSL"),
           ("m s.l.m.", 1, "MSL"), ("m.s.n.m.", 1, "MSL"), ("m ö.h.", 1, "MSL"),
           ("m AHD", 1, "AHD"), ("mAOD", 1, "ODN"), ("ft NAVD88", 0.3048, "NAVD88"),
           ("feet relative to NGVD29", 0.3048, "NGVD29"), ("m DVR90", 1, "DVR90"),
           ("m RH2000", 1, "RH2000"), ("m TAW", 1, "TAW"), ("m NGF", 1, "NGF"))},
    "a unit between the words": (plain("date,water_level_ft_navd88"), {}, {"x": 3.6576}, "NAVD88"),
    "a unit behind the words": (plain("date,GW level m a.s.l."), {}, {"x": 12}, "MSL"),
    "a row of units": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v * 100:.0f},{v * 100:.0f}", "Date,W1,W2",
             "yyyy-mm-dd,cm,cm"), {}, {"W1": 12, "W2": 12}, None),
    "units that differ by column": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v * 100:.0f},{v}", "Date,W1 [cm],W2 [m]"),
        {}, {"W1": 12, "W2": 12}, None),
    # 5. times
    "two digits of a year": (plain("Datum;Stand", level=comma, form="%d.%m.%y"), {}, {"x": 12}, None),
    "names of months": (plain("Date,Head (m)", form="%d-%b-%Y"), {}, {"x": 12}, None),
    "24:00": (plain("Date,Head (m)", form="%Y-%m-%d 24:00"), {}, {"x": 12}, None),
    "serial numbers": (
        rows(lambda d, v: f"{(d - pd.Timestamp('1899-12-30')).days},{v}", "Date,Head (m)"),
        {}, {"x": 12}, None),
    "date and clock": (
        rows(lambda d, v: f"{d:%d.%m.%Y};07:30;{comma(v)}", "Datum;Uhrzeit;Wasserstand [m NHN]"),
        {"at_step": "mean"}, {"x": 12}, "NHN"),
    "year, month and day": (
        rows(lambda d, v: f"{d.year},{d.month},{d.day},{v}", "Year,Month,Day,Head"),
        {}, {"x": 12}, None),
    "a form that is given": (plain("Date,Head", form="%m|%d|%Y"), {"date_format": "%m|%d|%Y",
                             "time_column": "Date"}, {"x": 12}, None),
    "a time column that is given": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{d:%Y-%m-%d},{v}", "sampled on,date entered,head"),
        {"time_column": "sampled on"}, {"x": 12}, None),
    # 6. artefacts
    "delimiters at the end": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v},{v + 1},", "date,A,B"), {}, {"A": 12, "B": 13}, None),
    "delimiters at the end of all": (
        rows(lambda d, v: f"{d:%Y-%m-%d};{comma(v)};;", "Datum;Stand;;"), {}, {"x": 12}, None),
    "a delimiter in a quoted header": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v}", 'date,"level; m NAP"'), {}, {"x": 12}, "NAP"),
    "lines of remarks": (plain("# a, remark\n# another\ndate,level"), {}, {"x": 12}, None),
    "a footer": (rows(lambda d, v: f"{d:%Y-%m-%d},{v}", "date,level",
                      foot="Source: Agency 2024, all rights reserved"), {}, {"x": 12}, None),
    "columns of fixed width": (
        rows(lambda d, v: f"{d:%Y-%m-%d}   {v:8.2f}    {v + 1:8.2f}", "date         A         B"),
        {}, {"A": 12, "B": 13}, None),
    "thousands by a blank": (
        "date;head [mm]\n2020-01-01;1 234,5\n2020-01-02;1 235,5\n", {}, {"x": 1.2345}, None),
    "thousands by an apostrophe": (
        "date;head\n2020-01-01;1'234.5\n2020-01-02;1'235.5\n", {}, {"x": 1234.5}, None),
    "thousands by a point": (
        "date;head\n2020-01-01;1.234,5\n2020-01-02;1.235,5\n", {}, {"x": 1234.5}, None),
    "a header that is given": (
        plain("x,1,2\ny,2,3\ndate,level"), {"header_row": 3}, {"x": 12}, None),
    "rows that are skipped": (plain("x,1,2\ny,2,3\ndate,level"), {"skip_rows": 2}, {"x": 12}, None),
    "a line of Excel": ("sep=;\n" + plain("Datum;Wert", level=comma), {}, {"Wert": 12}, None),
    "blank rows": ("date,level\n\n" + "".join(
        f"{d:%Y-%m-%d},{v}\n\n" for d, v in zip(DAYS, LEVELS, strict=True)), {}, {"x": 12}, None),
    "hard spaces": (plain("Datum;Grundwasserstand\u00a0[m\u00a0ü.\u00a0NN]", level=comma), {}, {"x": 12}, "NN"),
    "a row of units and a row of remarks": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v},{v + 1}", "Date,MW-1,MW-2", ",m AHD,m AHD", ",logger,manual"),
        {}, {"MW-1": 12, "MW-2": 13}, "AHD"),
    "a name and units above": (
        plain("Station Name: Hill 5\nUnits: feet above NAVD88\n\nDate,Value"), {}, {"Hill 5": 3.6576}, "NAVD88"),
    "heights of wells below the header": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v},{v + 1}", "Date,P1,P2", "Elevation (m),45.2,46.1"),
        {}, {"P1": 12, "P2": 13}, None),
    "a mean with its year below the table": (
        rows(lambda d, v: f"{d:%d.%m.%Y};{comma(v)}", "Datum;Stand [m NHN]", foot="Mittelwert 2016;12,5"),
        {}, {"x": 12}, "NHN"),
    "a second header": (
        "date,level\n2020-01-01,12\n2020-01-02,12.1\ndate,level\n2020-01-03,12.2\n", {}, {"x": 12}, None),
    "blanks and a decimal comma": (
        rows(lambda d, v: f"{d:%d.%m.%Y} 00:00 {comma(v)}", "Datum Uhrzeit Stand[mNN]"), {}, {"x": 12}, "NN"),
    "thousands with and without decimals": (
        "date;head\n2020-01-01;1.234\n2020-01-02;1.235,5\n", {}, {"x": 1234}, None),
    "whole thousands": ("date;head;t\n2020-01-01;1.234;1,5\n2020-01-02;1.235;1,5\n",
                        {"decimal": ",", "level_column": "head"}, {"x": 1234}, None),
    "depth, level and ground beside each other": (
        rows(lambda d, v: f"S,{d:%Y-%m-%d},{20 - v:.2f},20,{v}", "SITE,DATE,DTW (m),LSE (m NAP),GWE (m NAP)"),
        {}, {"S": 12}, "NAP"),
    # 7. duplicates
    "equal values twice": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v}\n{d:%Y-%m-%d},{v}", "date,level"), {}, {"x": 12}, None),
}  # fmt: skip


@pytest.mark.parametrize("situation", READ)
def test_a_situation_is_read_right(situation: str, tmp_path: Path) -> None:
    text, settings, expected, datum = READ[situation]
    path = tmp_path / "x.csv"
    path.write_text(text, "utf-8")
    made = gw.read_observations(path, **settings)
    first = {
        str(name): round(float(made["level"].sel(well=name).dropna("time")[0]), 4)
        for name in made["well"].values
    }
    assert first == {name: round(value, 4) for name, value in expected.items()}
    assert made["level"].attrs.get("vertical_datum") == datum


REFUSED: dict[str, tuple[str, dict[str, object], str]] = {
    "two columns that cross": (READ["two columns, one chosen"][0], {}, r"'Well ID'.*well_column="),
    "codes beside a level": (READ["codes that are given"][0], {}, r"'Kennziffer'.*well_column="),
    "a depth of a sign that is not known": (
        READ["t.o.v. maaiveld, negative down"][0], {"reference_level": 20}, "depth_sign="),
    "a depth without height": (READ["m -mv"][0], {}, "height it is measured from"),
    "a height for a level above a datum": (READ["unit mNAP"][0], {"reference_level": 20}, "NAP"),
    "b.g.l. as a datum": (READ["unit ft"][0], {"datum": "b.g.l."}, "names a point that depths"),
    "below a limit": (plain("date,level").replace("12.2\n", "<0.1\n"), {}, r"missing_values=\['<0.1'\]"),
    "an unknown word behind the unit": (plain("date,level (m foo)"), {}, "'foo'.*datum="),
    "a unit of something else": (plain("date,level (psi)"), {}, "'psi'.*units="),
    "wells in m below ground": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v},{v}", "date,MW1 (m bgl),MW2 (m bgl)"), {}, "MW1.*reference_level"),
    "a parameter above that is a depth": (
        plain("Parameter;Abstich [m]\n\nDatum;Wert", level=comma), {}, "reference_level"),
    "a parameter above that is rain": (
        plain("Parameter;Niederschlag\n\nDatum;Wert", level=comma), {}, "'Niederschlag'.*covariates"),
    "a unit above that is below": (
        plain("Einheit;m u. GOK\n\nDatum;Wert", level=comma), {}, "reference_level"),
    "a unit in a column that is below": (
        rows(lambda d, v: f"A,{d:%Y-%m-%d},{v},ft below land surface", "site,date,value,unit"), {}, "reference_level"),
    "a direction that is down": (
        rows(lambda d, v: f"A,{d:%Y-%m-%d},{v},Down", "site,date,value,direction"), {}, "reference_level"),
    "a point in a column": (
        rows(lambda d, v: f"A,{d:%Y-%m-%d},{v},TOC", "site,date,reading,reference"), {}, "reference_level"),
    "observed and simulated": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v},{v}", "date,Observed (m),Simulated (m)"), {}, "level_column="),
    "raw and corrected": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v},{v}", "date,Raw,Corrected"), {}, "level_column="),
    "an anomaly": (plain("date,GWL anomaly (m)"), {}, "column of numbers that is the level"),
    "a head above ground": (plain("date,Head above ground (m)"), {}, "datum="),
    "names of wells in merged cells": (
        "Well,Date,Head\n" + "".join(f"{'' if k % 20 else k},{d:%Y-%m-%d},{v}\n" for k, (d, v) in enumerate(
            zip(DAYS, LEVELS, strict=True))), {}, "needs a well. Received none in column 'Well'"),
    "a point of thousands or of decimals": (
        plain("date,level (mm)", level=lambda v: f"{v:.3f}"), {}, r"'12\.000'.*decimal="),
    "a point among decimal commas": (
        "date;head\n2020-01-01;131,5\n2020-01-02;1.235\n2020-01-03;131,5\n", {}, r"'1\.235'.*decimal="),
    "a compressed file": ("PK\x03\x04abc", {}, "compressed file"),
    "a height that stands beside a depth": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v},1250.25", "date,DTW (m),TOC elev (m)"), {}, "1250.25 m stands beside"),
    "mostly negative depths": (
        plain("date,DTW (m)", level=lambda v: f"{12.1 - v:.2f}"), {"reference_level": 1}, "both signs"),
    "depths that change their sign": (
        rows(lambda d, v: f"{d:%Y-%m-%d},{v if d.day > 9 else -v}", "date,DTW (m)"), {"reference_level": 20},
        "all in one way.*values, the first on.*depth_sign='positive_down'"),
}  # fmt: skip


@pytest.mark.parametrize("situation", REFUSED)
def test_a_situation_is_refused(situation: str, tmp_path: Path) -> None:
    text, settings, message = REFUSED[situation]
    path = tmp_path / "x.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(SchemaError, match=f"(?s){message}"):
        gw.read_observations(path, **settings)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252", "latin-1", "cp850"])
def test_any_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(plain("Datum;Grundwasserstand [m ü. NN]", level=comma).encode(encoding))
    assert gw.read_observations(path)["level"].attrs["vertical_datum"] == "NN"


def test_a_level_may_pass_the_point_that_depths_are_measured_from(tmp_path: Path) -> None:
    days = pd.date_range("2001-01-01", periods=400)
    depths = 0.3 + np.sin(np.arange(400) / 20)
    (tmp_path / "x.csv").write_text(
        "date,DTW (m)\n"
        + "".join(f"{d:%Y-%m-%d},{v:.2f}\n" for d, v in zip(days, depths, strict=True))
    )
    made = gw.read_observations(tmp_path / "x.csv", reference_level=1.0)
    np.testing.assert_allclose(made["level"].values[0], 1 - depths.round(2), atol=1e-9)


def test_dry_is_a_flag(tmp_path: Path) -> None:
    text = rows(lambda d, v: f"{d:%Y-%m-%d},{'dry' if d.week == 6 else v}", "date,level")
    (tmp_path / "x.csv").write_text(text)
    made = gw.read_observations(tmp_path / "x.csv")
    assert int(made["dry_flag"].sum()) == 1
    assert made["level"].where(made["dry_flag"] == 1, drop=True).isnull().all()
    assert int(made["level"].count()) == 39


# times -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["mean", "first", "last", "nearest", None])
def test_local_midnight_is_that_local_day(step: str | None) -> None:
    days = pd.date_range("2012-01-01", "2012-12-31")
    weather = pd.DataFrame({"rain": np.arange(days.size) % 7.0}, index=days)
    local = pd.Series(10 + days.day_of_year / 1000, index=days.tz_localize("Europe/Amsterdam"))
    made = gw.observations_from_frames(local, weather, at_step=step)
    np.testing.assert_allclose(made["level"].values[0], local.to_numpy())
    said = gw.understood(made)
    assert "local days" in " ".join(said["what"])


def test_hours_of_a_zone_are_put_on_local_days(tmp_path: Path) -> None:
    text = "".join(
        f"{d:%Y-%m-%d}T{hour:02d}:00:00+10:00,{v}\n"
        for d, v in zip(DAYS, LEVELS, strict=True) for hour in (0, 12)
    )  # fmt: skip
    (tmp_path / "x.csv").write_text("time,level\n" + text)
    made = gw.read_observations(tmp_path / "x.csv", at_step="mean")["level"]
    np.testing.assert_allclose(made.sel(time=DAYS.to_numpy()).values[0], LEVELS)


@pytest.mark.parametrize("step", ["mean", "first", "last"])
def test_a_month_start_is_the_month_it_begins(step: str) -> None:
    days = pd.date_range("2008-01-01", "2019-12-31")
    level = pd.Series(10.0 + days.month, index=days)
    rain = pd.DataFrame({"rain": 1.0}, index=days)
    for frequency, stamp in (("MS", "2012-03-01"), ("ME", "2012-03-31")):
        made = gw.observations_from_frames(level, rain.resample(frequency).sum(), at_step=step)
        assert made["level"].sel(time=stamp).item() == 13.0


def test_weekly_stamps_begin_or_end_their_week() -> None:
    days = pd.date_range("2016-01-04", periods=70)
    level = pd.Series(np.arange(70.0), days)
    rain = pd.DataFrame({"rain": 1.0}, pd.date_range("2016-01-11", periods=8, freq="W-MON"))
    end = gw.observations_from_frames(level, rain, at_step="mean")["level"]
    begin = gw.observations_from_frames(level, rain, at_step="mean", step_stamp="begin")["level"]
    assert end.sel(time="2016-01-11").item() == 4.0
    assert begin.sel(time="2016-01-11").item() == 10.0


def test_periods_and_dates_are_times() -> None:
    periods = pd.Series(LEVELS, pd.period_range("2010-01", periods=40, freq="M"), name="w")
    assert gw.observations_from_frames(periods)["time"].values[0] == np.datetime64("2010-01-01")
    dates = pd.Series(LEVELS, [d.date() for d in DAYS], name="w")
    assert gw.observations_from_frames(dates)["time"].values[0] == DAYS[0].to_datetime64()


def test_quarters(tmp_path: Path) -> None:
    quarters = pd.date_range("2010-01-01", periods=40, freq="QS")
    text = "".join(f"{d.year}-Q{d.quarter},{v}\n" for d, v in zip(quarters, LEVELS, strict=True))
    (tmp_path / "x.csv").write_text("Quarter,Head\n" + text)
    made = gw.read_observations(tmp_path / "x.csv")
    np.testing.assert_array_equal(made["time"].values, quarters.to_numpy())


# weather -----------------------------------------------------------------------------------------


def weather(folder: Path, head: str, *cells: object, step: str = "D", periods: int = 300) -> Path:
    path = folder / "weather.csv"
    times = pd.date_range("2016-01-01", periods=periods, freq=step)
    body = ",".join(map(str, cells))
    path.write_text(head + "\n" + "".join(f"{t:%Y-%m-%d %H:%M},{body}\n" for t in times))
    return path


@pytest.fixture
def levels(tmp_path: Path) -> Path:
    (tmp_path / "levels.csv").write_text(plain("date,level"))
    return tmp_path / "levels.csv"


@pytest.mark.parametrize(
    ("header", "value", "expected", "unit"),
    [
        ("rain (in)", 0.5, 12.7, "mm"), ("rain [0.1 mm]", 30, 3.0, "mm"), ("rain (m)", 0.003, 3, "mm"),
        ("pr [kg m-2 s-1]", 0.0001, 8.64, "mm"), ("rain (mm/h)", 0.5, 12, "mm"),
        ("Niederschlag [mm]", 3, 3, "mm"), ("pluie (cm)", 0.3, 3, "mm"),
        ("temp (F)", 50, 10, "degC"), ("tas [K]", 283.15, 10, "degC"),
        ("temperatuur [0.1 °C]", 100, 10, "degC"), ("Lufttemperatur [°C]", 10, 10, None),
        ("radiation (J/cm2)", 864, 100, "W/m2"), ("Luftdruck [kPa]", 101, 1010, "hPa"),
        ("wind (km/h)", 36, 10, "m/s"),
    ],
)  # fmt: skip
def test_units_of_weather(
    header: str, value: float, expected: float, unit: str | None, levels: Path
) -> None:
    made = gw.read_observations(levels, weather(levels.parent, f"date,{header}", value))
    name = next(n for n in made.data_vars if n != "level")
    np.testing.assert_allclose(made[name].dropna("time").values, expected, rtol=1e-6)
    assert unit is None or made[name].attrs["units"] == unit
    assert made[name].attrs["kind"] != "other"


def test_hourly_weather_is_aggregated_by_kind(levels: Path) -> None:
    path = weather(levels.parent, "date,rain,temperature", 0.1, 8, step="h", periods=24 * 290)
    with pytest.raises(SchemaError, match=r"(?s)0 days 01:00:00.*step='D'"):
        gw.read_observations(levels, path)
    made = gw.read_observations(levels, path, step="D")
    assert made["rain"].values[0, 5] == pytest.approx(2.4)
    assert made["temperature"].values[0, 5] == pytest.approx(8)
    assert "sum of rain, mean of temperature" in " ".join(gw.understood(made)["what"])


def test_the_codes_of_the_dwd(levels: Path) -> None:
    head = "STATIONS_ID;MESS_DATUM;QN_3;FX;QN_4;RSK;RSKF;TMK;TXK;TNK;eor"
    lines = [f"   44;{d:%Y%m%d};10;-999;3;{-999 if k == 2 else 1.5};6;9.1;12.1;3.2;eor"
             for k, d in enumerate(LONG)]  # fmt: skip
    path = levels.parent / "produkt_klima_tag.txt"
    path.write_text("\n".join([head, *lines]) + "\n")
    made = gw.read_observations(levels, path)
    assert set(made) == {"level", "RSK", "TMK", "TXK", "TNK"}
    assert made["RSK"].attrs["kind"] == "rain"
    assert np.isnan(made["RSK"].values[0, 2])


def test_weather_in_a_workbook(levels: Path) -> None:
    sheet = [["Datum", "Niederschlag (cm)"], *[[d.to_pydatetime(), 0.3] for d in LONG]]
    path = workbook(levels.parent / "w.xlsx", S=sheet)
    made = gw.read_observations(levels, path)
    np.testing.assert_allclose(made["Niederschlag"].values[0], 3.0)


def test_files_of_weather_are_joined(levels: Path) -> None:
    first = weather(levels.parent, "date,rain", 1).rename(levels.parent / "rain.csv")
    second = weather(levels.parent, "date,pet", 2)
    made = gw.read_observations(levels, [first, second])
    assert made["rain"].values[0, 0] == 1
    assert made["pet"].values[0, 0] == 2
    with pytest.raises(SchemaError, match=r"names of their own.*'pet'.*Rename"):
        gw.read_observations(levels, [second, second])


def test_columns_without_values_are_left_out(tmp_path: Path) -> None:
    text = "STN,YYYYMMDD,   RD,   SX,\n" + "".join(f"999,{d:%Y%m%d},   11,     ,\n" for d in LONG)
    (tmp_path / "weather.csv").write_text(text)
    (tmp_path / "x.csv").write_text(plain("date,level").replace(",12.2\n", ",     \n"))
    made = gw.read_observations(tmp_path / "x.csv", tmp_path / "weather.csv")
    assert set(made) == {"level", "RD"}
    assert made["RD"].values[0, 0] == pytest.approx(1.1)
    assert int(made["level"].count()) == 39
    left = gw.understood(made).query("about == 'left out'")["what"]
    assert "column 'SX' (no values)" in list(left)


def test_files_that_are_not_read_are_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(plain("date,level"))
    for name in ("readme.txt", "notes.docx"):
        (tmp_path / name).write_text("x")
    left = " ".join(gw.understood(gw.read_observations(tmp_path))["what"])
    assert "'readme.txt'" in left
    assert "'notes.docx'" in left


# workbooks ---------------------------------------------------------------------------------------


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for line in lines:
            sheet.append(line)
    book.save(path)
    return path


def lines(*head: list[object], text: bool = False) -> list[list[object]]:
    pairs = zip(DAYS, LEVELS, strict=True)
    if text:
        return [*head, *[[f"{d:%d.%m.%Y}", comma(v), comma(v + 1)] for d, v in pairs]]
    return [*head, *[[d.to_pydatetime(), float(v)] for d, v in pairs]]


def test_a_workbook_with_a_header_block(tmp_path: Path) -> None:
    head: list[list[object]] = [["Messstelle:", "Au 3"], [], ["Datum", "Stand"], ["", "m NHN"]]
    path = workbook(tmp_path / "x.xlsx", Info=[["Bericht"]], Daten=lines(*head))
    level = gw.read_observations(path)["level"]
    assert level["well"].item() == "Au 3"
    assert level.attrs["vertical_datum"] == "NHN"
    np.testing.assert_allclose(level.values[0], LEVELS)


def test_wells_in_sheets_or_columns(tmp_path: Path) -> None:
    sheets = {name: lines(["Date", "Level (ft)"]) for name in ("W1", "W2")}
    path = workbook(tmp_path / "x.xlsx", **sheets)
    made = gw.read_observations(path)
    assert made["well"].values.tolist() == ["W1", "W2"]
    np.testing.assert_allclose(made["level"].values[0], LEVELS * 0.3048)
    assert gw.read_observations(path, sheet="W2").sizes["well"] == 1
    with pytest.raises(SchemaError, match=r"'W3'.*\['W1', 'W2'\]"):
        gw.read_observations(path, sheet="W3")
    columns = workbook(tmp_path / "y.xlsx", T=lines(["Datum", "B1", "B2"], text=True))
    np.testing.assert_allclose(gw.read_observations(columns)["level"].values[1], LEVELS + 1)


# grids -------------------------------------------------------------------------------------------


def grid(path: Path, name: str, unit: str) -> Path:
    lat, lon = np.arange(50, 54, 0.25), np.arange(4, 8, 0.25)
    values = np.broadcast_to(lat[None, :, None], (300, lat.size, lon.size)).copy()
    coords = {"time": LONG, "latitude": lat, "longitude": lon}
    array = (("time", "latitude", "longitude"), values, {"units": unit})
    xr.Dataset({name: array}, coords).to_netcdf(path, engine="h5netcdf")
    return path


def test_grids_are_read_at_the_wells(levels: Path) -> None:
    folder = levels.parent / "eobs"
    os.makedirs(folder)
    grid(folder / "rr.nc", "rr", "mm")
    grid(folder / "tg.nc", "tg", "Celsius")
    places = levels.parent / "wells.csv"
    places.write_text(f"well,longitude,latitude\n{levels.parent.name},5.1,52.3\n")
    made = gw.read_observations(levels, folder, attributes=places)
    assert made["rr"].values[0, 0] == 52.25
    assert made["tg"].attrs["kind"] == "temperature"
    assert "8.8 km away" in " ".join(gw.understood(made)["what"])
    between = gw.read_observations(levels, folder / "rr.nc", attributes=places, grid="bilinear")
    assert between["rr"].values[0, 0] == pytest.approx(52.3)
    with pytest.raises(SchemaError, match="coordinates of the wells"):
        gw.read_observations(levels, folder)
    places.write_text(f"well,longitude,latitude\n{levels.parent.name},15.1,52.3\n")
    with pytest.raises(SchemaError, match="must lie on the grid"):
        gw.read_observations(levels, folder, attributes=places)
