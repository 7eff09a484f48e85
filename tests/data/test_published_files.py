"""Files as providers publish them: what is right is stated, and what is left out is said.

Each test stands for a kind of file, not for one provider: footers, facts below the names of
columns, columns parted by blanks, other calendars, archives, codes that look like numbers.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.schema import SchemaError

DAYS = pd.date_range("2015-01-01", periods=90, freq="D")
LEVELS = "date,level (m asl)\n" + "".join(
    f"{d:%Y-%m-%d},{40 + k / 100:.2f}\n" for k, d in enumerate(DAYS)
)
RAIN = [(k * 7 % 5) / 2 for k in range(len(DAYS))]


def levels_of(
    folder: Path, text: str | bytes, name: str = "well.csv", **settings: object
) -> xr.Dataset:
    """Read a file of levels."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return gw.read_observations(path, **settings)  # type: ignore[arg-type]


def weather_of(folder: Path, text: str | bytes, name: str, **settings: object) -> xr.Dataset:
    """Read a file of weather beside plain levels."""
    (folder / "w.csv").write_text(LEVELS)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return gw.read_observations(folder / "w.csv", folder / name, **settings)  # type: ignore[arg-type]


def said(made: xr.Dataset) -> str:
    """Return what was understood, as one text."""
    return "\n".join(f"{a}: {b}" for a, b in gw.understood(made).itertuples(index=False))


def test_a_field_that_is_null_in_all_records(tmp_path: Path) -> None:
    records = [
        {"code_bss": "07548X0009/F", "date_mesure": f"{d:%Y-%m-%d}", "niveau_nappe_eau": 40.0 + k,
         "code_nature_mesure": None, "profondeur_nappe": 9.0 - k}
        for k, d in enumerate(DAYS[:5])
    ]  # fmt: skip
    made = levels_of(tmp_path, json.dumps({"count": 5, "data": records}), "nappe.json")
    assert made["level"].values[0].tolist() == [40, 41, 42, 43, 44]


def test_a_rule_between_header_and_values(tmp_path: Path) -> None:
    text = "# SOURCE: KNMI\n# RH : Daily precipitation (in 0.1 mm)\n# STN,YYYYMMDD,   TG,   RH\n#\n"
    text += "".join(
        f"  260,{d:%Y%m%d},   57,{10 * r:5.0f}\n" for d, r in zip(DAYS, RAIN, strict=True)
    )
    made = weather_of(tmp_path, text, "etmgeg_260.txt")
    np.testing.assert_allclose(made["RH"].values[0], RAIN)
    assert made["RH"].attrs["kind"] == "rain"
    assert made["TG"].values[0, 0] == pytest.approx(5.7)


def test_records_of_knmi_are_in_tenths(tmp_path: Path) -> None:
    records = [
        {"station_code": 260, "date": f"{d:%Y-%m-%d}T00:00:00.000Z", "TG": 57, "RH": int(10 * r)}
        for d, r in zip(DAYS, RAIN, strict=True)
    ]
    made = weather_of(tmp_path, json.dumps(records), "knmi.json")
    np.testing.assert_allclose(made["RH"].values[0], RAIN)
    assert made["RH"].attrs["kind"] == "rain"
    assert "station: 260 " in said(made)


def test_lines_below_a_table_whose_dates_are_numbers(tmp_path: Path) -> None:
    text = "Rain: Daily\nStation\tDate(NZST)\tTime(NZST)\tAmount(mm)\tSofG\tPeriod(Hrs)\tFreq\n"
    text += "".join(
        f"17603\t{d:%Y%m%d}\t0900\t{r}\t-\t24\tD\n" for d, r in zip(DAYS, RAIN, strict=True)
    )
    text += "\n\nUserName is = someone\nTotal number of rows output = 90\nCopyright NIWA 2019\n"
    made = weather_of(tmp_path, text, "cliflo.txt")
    np.testing.assert_allclose(made["Amount"].values[0], RAIN)
    assert made["Amount"].attrs["kind"] == "rain"
    assert "3 lines below the table" in said(made)


def test_periods_of_several_values_may_have_one_name(tmp_path: Path) -> None:
    text = "Station\tDate(NZST)\tTmax(C)\tPeriod(Hrs)\tTmin(C)\tPeriod(Hrs)\n"
    text += "".join(f"17603\t{d:%Y%m%d}\t15.0\t24\t5.0\t24\n" for d in DAYS)
    assert {"Tmax", "Tmin"} <= set(weather_of(tmp_path, text, "t.txt").data_vars)


def test_rain_of_several_days_is_a_warning(tmp_path: Path) -> None:
    text = "Year,Month,Day,Rainfall amount (millimetres),"
    text += "Period over which rainfall was measured (days)\n"
    text += "".join(f"{d.year},{d.month},{d.day},{r},{3 if k == 7 else 1}\n"
                    for k, (d, r) in enumerate(zip(DAYS, RAIN, strict=True)))  # fmt: skip
    with pytest.warns(
        UserWarning, match=r"Received 1 of 90 of another period than 1, the first 3 at 2015-01-08"
    ):
        weather_of(tmp_path, text, "IDCJAC0009.csv")


STATIONS = (
    "codigo_estacion,330001,330002\ninstitucion,DGA,DMC\nnombre,Visviri,Otra\naltura,4080,4000\n"
    "latitud,-17.5,-17.6\ninicio_observaciones,1968-12-01,1969-01-01\n"
)


def test_facts_of_stations_below_their_codes(tmp_path: Path) -> None:
    rows = "".join(f"{d:%Y-%m-%d},{r},{r + 1}\n" for d, r in zip(DAYS, RAIN, strict=True))
    with pytest.raises(
        SchemaError, match=r"columns called by numbers, e.g. '330001', '330002'.*one station"
    ):
        weather_of(tmp_path, STATIONS + rows, "cr2_pr.txt")
    one = "\n".join(line.rpartition(",")[0] for line in (STATIONS + rows).splitlines())
    made = weather_of(tmp_path, one.replace("330001", "rain", 1), "one.txt")
    np.testing.assert_allclose(made["rain"].values[0], RAIN)


@pytest.mark.parametrize("gap", [" ", "\t", "   "])
def test_years_months_and_days_parted_by_blanks(tmp_path: Path, gap: str) -> None:
    text = f"47.23\n250.31\n2252681472\nYear Mnth Day Hr{gap}PRCP(mm/day){gap}Tmax(C){gap}Tmin(C)\n"
    text += "".join(f"{d.year} {d.month:02d} {d.day:02d} 12{gap}{r:.2f}{gap}15.00{gap}5.00\n"
                    for d, r in zip(DAYS, RAIN, strict=True))  # fmt: skip
    made = weather_of(tmp_path, text, "01013500_forcing.txt")
    np.testing.assert_allclose(made["PRCP"].values[0], RAIN)
    assert made["Tmax"].values[0, 0] == 15


def test_a_day_above_31_is_that_of_the_year(tmp_path: Path) -> None:
    text = "[weather.met.weather]\n!station = 31011\ntav = 24.8 (oC)\n\n"
    text += "  year  day  maxt   mint  rain\n"
    text += "   ()   ()   (oC)   (oC)  (mm)\n"
    text += "".join(
        f"  {d.year}   {d.day_of_year}   30.0   20.0  {r}\n"
        for d, r in zip(DAYS, RAIN, strict=True)
    )
    made = weather_of(tmp_path, text, "silo.met")
    np.testing.assert_allclose(made["rain"].values[0], RAIN)
    assert made["maxt"].attrs["kind"] == "temperature_max"


@pytest.mark.parametrize(
    "form", ["{d:02d}/{m:02d}/{y}", "{y}-{m:02d}-{d:02d}", "{y}{m:02d}{d:02d}"]
)
def test_years_of_the_buddhist_calendar(tmp_path: Path, form: str) -> None:
    days = pd.date_range("2016-02-01", "2016-03-31", freq="D")  # with a 29 February
    rows = "".join(
        f"{form.format(d=t.day, m=t.month, y=t.year + 543)},{k}.5\n" for k, t in enumerate(days)
    )
    made = levels_of(tmp_path, "date,depth to water (m)\n" + rows, reference_level=100)
    assert pd.DatetimeIndex(made["time"].values).equals(days)
    assert made["level"].values[0, 28] == 71.5
    assert "Buddhist" in said(made)


def test_columns_of_buddhist_years(tmp_path: Path) -> None:
    rows = "".join(f"{d.year + 543},{d.month},{d.day},40.{k:02d}\n" for k, d in enumerate(DAYS))
    made = levels_of(tmp_path, "Year,Month,Day,Level (m asl)\n" + rows)
    assert pd.DatetimeIndex(made["time"].values).equals(DAYS)
    assert "Buddhist" in said(made)


def test_other_years_after_2300_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="between 1700-01-01 and 2300-12-31"):
        levels_of(tmp_path, "date,level (m asl)\n2015-01-01,40\n2558-01-02,41\n")


def test_months_of_hydrological_years(tmp_path: Path) -> None:
    months = ["Nov", "Dec", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct"]
    rows = "".join(f"{y}," + ",".join(f"{40 + k}" for k in range(12)) + "\n" for y in (2016, 2017))
    made = levels_of(tmp_path, f"Hydrological year,{','.join(months)}\n{rows}")
    assert str(made["time"].values[0])[:10] == "2015-11-01"
    assert made["level"].sel(time="2016-10").item() == 51
    assert "of the year before" in said(made)
    with pytest.raises(SchemaError, match=r"'Year' before months from 'Nov' on.*hydrological year"):
        levels_of(tmp_path, f"Year,{','.join(months)}\n{rows}")


def test_days_called_by_ordinal_numbers(tmp_path: Path) -> None:
    text = "rok;měsíc;" + ";".join(f"{k}." for k in range(1, 32)) + "\n"
    for month, days in ((1, 31), (2, 28)):
        text += f"2015;{month};" + ";".join(["0,5"] * days + [""] * (31 - days)) + "\n"
    made = levels_of(tmp_path, text, datum="local")
    assert made.sizes["time"] == 59


def test_packed_files(tmp_path: Path) -> None:
    made = levels_of(tmp_path, gzip.compress(LEVELS.encode()), "p1.csv.gz")
    assert made["well"].values.tolist() == ["p1"]
    assert float(made["level"][0, 0]) == 40
    with zipfile.ZipFile(tmp_path / "p2.zip", "w") as archive:
        archive.writestr("Metadaten.txt", "Station;Name\n1;Dorf\n")
        archive.writestr("produkt.txt", LEVELS)
    made = gw.read_observations(tmp_path / "p2.zip")
    assert "left out: Metadaten.txt of p2.zip (a smaller file)" in said(made)
    with zipfile.ZipFile(tmp_path / "p3.zip", "w") as archive:
        for name in "abc":
            archive.writestr(f"{name}.csv", LEVELS)
    with pytest.raises(SchemaError, match=r"one larger than all others.*'a.csv'.*Unpack it"):
        gw.read_observations(tmp_path / "p3.zip")
    (tmp_path / "p4.csv.gz").write_bytes(gzip.compress(LEVELS.encode())[:40])
    with pytest.raises(SchemaError, match=r"must be readable.*p4.csv.gz"):
        gw.read_observations(tmp_path / "p4.csv.gz")


def test_a_message_names_the_archive(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"'abc' in line 4, column .*p5.csv.gz"):
        levels_of(tmp_path, gzip.compress(LEVELS.replace("40.02", "abc").encode()), "p5.csv.gz")


@pytest.mark.parametrize("name", ["Pump_Ind", "Anomalous_Ind"])
def test_levels_that_are_marked_by_yes_are_a_warning(tmp_path: Path, name: str) -> None:
    rows = "".join(f"{d:%Y-%m-%d},{40 + k},{'Y' if k == 3 else 'N'}\n" for k, d in enumerate(DAYS))
    with pytest.warns(UserWarning, match=r"Received 1 of 90 whose quality is 'Y'.*2015-01-04"):
        levels_of(tmp_path, f"date,level (m asl),{name}\n{rows}")


def test_screens_alone_tell_wells_apart(tmp_path: Path) -> None:
    rows = "".join(f"{1 + k % 2},{d:%d.%m.%Y},{40 + 5 * (k % 2)}\n" for k, d in enumerate(DAYS))
    made = levels_of(tmp_path, f"Filter,Datum,Grundwasserstand [mNHN]\n{rows}")
    assert made["well"].values.tolist() == ["1", "2"]
    assert float(made["level"][1].max()) == float(made["level"][1].min()) == 45


def test_codes_of_wells_that_look_like_thousands(tmp_path: Path) -> None:
    rows = "".join(
        f"09.609.001;{d:%d/%m/%Y};5,{k:02d};44,{99 - k:02d}\n" for k, d in enumerate(DAYS)
    )
    made = levels_of(tmp_path, f"COD_PIEZOMETRO;FECHA;PROFUNDIDAD_AGUA;COTA_PIEZOMETRICA\n{rows}")
    assert made["well"].values.tolist() == ["09.609.001"]
    assert float(made["level"][0, 0]) == 44.99


def test_states_of_assessment_that_agree_are_one_series(tmp_path: Path) -> None:
    header = "Tijdstip,Voorlopige Waarde [m],Beoordeelde Waarde [m],Controle Waarde [m]\n"
    rows = [f"{d:%Y-%m-%d}T12:00:00+01:00,{'1.20' if k > 40 else ''},{'1.20' if k < 50 else ''},"
            f"{'1.3' if k == 9 else ''}" for k, d in enumerate(DAYS)]  # fmt: skip
    made = levels_of(tmp_path, header + "\n".join(rows), "GLD000000012345.csv")
    assert int(made["level"].notnull().sum()) == 90
    assert float(made["level"].max()) == 1.2
    assert made["level"].attrs["vertical_datum"] == "NAP"
    assert "beoordeelde, else voorlopige" in said(made)


@pytest.mark.parametrize("mark", [",", "."])
def test_millimetres_with_three_decimals_may_be_thousands(tmp_path: Path, mark: str) -> None:
    rows = "".join(f"{d:%Y-%m-%d};44{mark}{740 + k}\n" for k, d in enumerate(DAYS))
    other = "," if mark == "." else "."
    text = f"date;Water level (mm above datum)\n{rows}"
    with pytest.raises(SchemaError, match="may be one of thousands"):
        levels_of(tmp_path, text)
    made = levels_of(tmp_path, text, decimal=other)
    assert float(made["level"][0, 0]) == pytest.approx(44.74)


def test_times_of_years_of_365_days(tmp_path: Path) -> None:
    def grid(calendar: str) -> Path:
        count = 120
        time = (
            "time",
            365 * 1.0 + np.arange(count) + 0.5,
            {"units": "days since 2015-01-01", "calendar": calendar},
        )
        place = {
            "lat": ("lat", [52.0, 53.0], {"units": "degrees_north"}),
            "lon": ("lon", [9.0, 10.0]),
        }
        rain = np.full((count, 2, 2), 2 / 86_400) * (1 + np.arange(count))[:, None, None]
        made = xr.Dataset(
            {"pr": (("time", "lat", "lon"), rain, {"units": "kg m-2 s-1"})}, {"time": time, **place}
        )
        made.to_netcdf(tmp_path / "pr.nc")
        return tmp_path / "pr.nc"

    (tmp_path / "well.csv").write_text(LEVELS.replace("2015", "2016"))
    (tmp_path / "places.csv").write_text("well,latitude,longitude\nwell,52.1,9.1\n")
    places = tmp_path / "places.csv"
    made = gw.read_observations(tmp_path / "well.csv", grid("noleap"), attributes=places)
    rain = made["pr"].isel(well=0)
    assert float(rain.sel(time="2016-02-28").item()) == pytest.approx(2 * 59)
    assert np.isnan(rain.sel(time="2016-02-29").item())
    assert float(rain.sel(time="2016-03-01").item()) == pytest.approx(2 * 60)
    with pytest.raises(SchemaError, match=r"Received '360_day'.*convert_calendar"):
        gw.read_observations(tmp_path / "well.csv", grid("360_day"), attributes=places)


@pytest.mark.parametrize("word", ["欠測", "brak danych", "n.d.", "Eqp", "\u2013"])
def test_words_for_a_missing_value(tmp_path: Path, word: str) -> None:
    made = levels_of(tmp_path, LEVELS.replace("40.05", word))
    assert int(made["level"].isnull().sum()) == 1


def test_values_named_by_the_lines_above(tmp_path: Path) -> None:
    text = "Sachgebiet: ;NLV\nExportzeitreihe: ;N-Tagessummen\nEinheit: ;mm\nWerte:\n"
    text += "".join(
        f"{d:%d.%m.%Y} 07:00:00 ;  {str(r).replace('.', ',')}\n"
        for d, r in zip(DAYS, RAIN, strict=True)
    )
    made = weather_of(tmp_path, text, "rain.csv")
    assert made["N-Tagessummen"].attrs["kind"] == "rain"
    assert made["N-Tagessummen"].attrs["units"] == "mm"
    np.testing.assert_allclose(made["N-Tagessummen"].values[0], RAIN)


def test_a_column_of_yes_and_no_names_no_well(tmp_path: Path) -> None:
    rows = "".join(
        f"{d:%Y-%m-%d},{40 + k},{'yes' if k < 30 else 'no'}\n" for k, d in enumerate(DAYS)
    )
    made = levels_of(tmp_path, f"date,level (m asl),checked\n{rows}")
    assert made["well"].values.tolist() == ["well"]


def test_the_number_for_missing_values_of_json(tmp_path: Path) -> None:
    series = [
        {"sourceInfo": {"siteName": f"Well {k}"},
         "variable": {"variableName": "Depth to water level, ft below land surface",
                      "unit": {"unitCode": "ft"}, "noDataValue": -999999.0},
         "values": [{"value": [{"value": "-999999" if j == 3 else f"{10 + k}.00",
                                "dateTime": f"{d:%Y-%m-%d}T00:00:00.000"}
                               for j, d in enumerate(DAYS)]}],
         "name": f"USGS:{k}"}
        for k in (1, 2)
    ]  # fmt: skip
    text = json.dumps({"name": "response", "value": {"timeSeries": series}})
    made = levels_of(tmp_path, text, "nwis.json", reference_level=100)
    assert made.sizes["well"] == 2
    assert np.isnan(made["level"].values[:, 3]).all()
    assert float(made["level"][0, 0]) == pytest.approx(100 - 11 * 0.3048)


def test_lines_of_remarks_among_the_rows(tmp_path: Path) -> None:
    lines = LEVELS.splitlines()
    text = "\n".join([*lines[:40], "# logger replaced", *lines[40:]])
    made = levels_of(tmp_path, text)
    assert int(made["level"].notnull().sum()) == 90
    assert "1 lines of remarks" in said(made)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Jahr;Grundwasserstand [m NHN]\n1990;45,1\n1991;45,2\n1992;45,3\n", "years only, 'Jahr'"),
        ("Well,NE_2012,NE_2013,NE_2014\nA,100,101,102\nB,90,91,92\n", "years only, 'NE_2012'"),
        ("2015 01 01 00  -3  101\n2015 01 01 01  -4  102\n2015 01 01 02  -5  100\n", "a header"),
        ('"24919","B","2015","01","01",5.4\n"24919","B","2015","01","02",1.4\n', "a header"),
    ],
)
def test_tables_without_dates_or_header(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        levels_of(tmp_path, text)


def test_korean_beyond_the_sample(tmp_path: Path) -> None:
    days = pd.date_range("2015-01-01", periods=1200, freq="D")
    rows = "".join(f"가평가평,{d:%Y%m%d},{40 + k / 100:.2f}\n" for k, d in enumerate(days))
    made = levels_of(tmp_path, ("관측소명,관측일자,수위(el.m)\n" + rows).encode("cp949"))
    assert made["well"].values.tolist() == ["가평가평"]


def test_values_named_by_the_file(tmp_path: Path) -> None:
    rows = "".join(f"{d:%Y-%m-%d},{r}\n" for d, r in zip(DAYS, RAIN, strict=True))
    made = weather_of(tmp_path, "date,value\n" + rows, "rain.csv")
    assert made["rain"].attrs["kind"] == "rain"


@pytest.mark.parametrize("turned", [False, True])
def test_gridded_steps_are_stamped_by_their_bounds(tmp_path: Path, turned: bool) -> None:
    ends = np.arange(1, 91.0)  # days since the first, each value of the day before
    rain = np.array(RAIN)[:, None, None].repeat(2, 1).repeat(2, 2)
    order = slice(None, None, -1) if turned else slice(None)
    time = {"units": "days since 2015-01-01", "bounds": "time_bnds"}
    dataset = xr.Dataset(
        {"rain": (("time", "lat", "lon"), rain[order], {"units": "mm"}),
         "time_bnds": (("time", "bnds"), np.c_[ends - 1, ends][order])},
        {"time": ("time", ends[order], time), "lat": [52.0, 53.0], "lon": [9.0, 10.0]},
    )  # fmt: skip
    dataset.to_netcdf(tmp_path / "rain.nc")
    (tmp_path / "places.csv").write_text("well,latitude,longitude\nw,52.1,9.1\n")
    (tmp_path / "w.csv").write_text(LEVELS)
    made = gw.read_observations(
        tmp_path / "w.csv", tmp_path / "rain.nc", attributes=tmp_path / "places.csv"
    )
    np.testing.assert_allclose(made["rain"].values[0], RAIN)
    assert "beginnings of its time bounds" in said(made)


def test_a_store_from_the_last_time_to_the_first(tmp_path: Path) -> None:
    level = np.arange(90.0)
    made = xr.Dataset(
        {"level": (("time", "well"), level[::-1, None], {"units": "m"})},
        {"time": DAYS[::-1], "well": ["a"]},
    )
    made.to_netcdf(tmp_path / "levels.nc")
    read = gw.read_observations(tmp_path / "levels.nc")
    assert read["level"].values[0].tolist() == level.tolist()


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    """Write a workbook of rows by sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def test_a_sheet_of_years_and_months_with_a_mean(tmp_path: Path) -> None:
    rows = [["Year", *MONTHS], *([y, *range(40, 52)] for y in (2015, 2016)), ["Mean", *[45] * 12]]
    made = gw.read_observations(workbook(tmp_path / "w.xlsx", S=rows))
    assert made["level"].values[0].tolist() == [*range(40, 52)] * 2
    text = "\n".join(",".join(map(str, row)) for row in rows)
    assert levels_of(tmp_path, text)["level"].equals(made["level"].assign_coords(well=["well"]))
    assert "1 rows of all years" in said(made)


@pytest.mark.parametrize("as_text", [True, False])
def test_a_sheet_with_dates_in_its_header(tmp_path: Path, as_text: bool) -> None:
    dates = [f"{d:%Y-%m-%d}" if as_text else d.to_pydatetime() for d in DAYS[::30]]
    dates += ["2015-06-30" if as_text else pd.Timestamp("2015-06-30").to_pydatetime()]
    rows = [["Well", *dates], ["A", 40, 41, 42, 43], ["B", 50, 51, 52, 53]]
    made = gw.read_observations(workbook(tmp_path / "w.xlsx", S=rows))
    assert made["well"].values.tolist() == ["A", "B"]
    assert float(made["level"].sel(well="B", time="2015-06-30").item()) == 53


def test_a_sheet_of_a_summary_is_left_out(tmp_path: Path) -> None:
    levels = [["Date", "Level (m asl)"], *([d.to_pydatetime(), 40.0] for d in DAYS)]
    path = workbook(tmp_path / "w.xlsx", Levels=levels, Summary=[["Month", *MONTHS], ["mean", 1]])
    assert "left out: sheet 'Summary'" in said(gw.read_observations(path))


def test_pairs_of_columns_behind_a_counter(tmp_path: Path) -> None:
    rows: list[list[object]] = [[None, "P1", None, "P2", None]]
    rows += [[None, "Datum", "Abstich [m]", "Datum", "Abstich [m]"]]
    rows += [[k, d.to_pydatetime(), 5.0, d.to_pydatetime(), 6.0] for k, d in enumerate(DAYS)]
    made = gw.read_observations(workbook(tmp_path / "w.xlsx", S=rows), reference_level=100)
    assert made["well"].values.tolist() == ["P1", "P2"]
    assert made["level"].values[:, 0].tolist() == [95, 94]


def test_a_header_behind_a_mark_of_remarks_parted_by_blanks(tmp_path: Path) -> None:
    rows = "".join(f"{d:%Y-%m-%dT%H:%M:%S} {40 + k}.5\n" for k, d in enumerate(DAYS))
    made = levels_of(tmp_path, "# time level\n" + rows, "w.dat")
    assert made["level"].values[0, :2].tolist() == [40.5, 41.5]


def test_the_minus_of_typesetting(tmp_path: Path) -> None:
    rows = "".join(f"{d:%d.%m.%Y};\u22125,{k:02d}\n" for k, d in enumerate(DAYS))
    made = levels_of(tmp_path, "Datum;Flurabstand [m]\n" + rows, reference_level=50)
    assert float(made["level"][0, 1]) == pytest.approx(44.99)


def test_days_without_their_zero_in_a_form_of_digits(tmp_path: Path) -> None:
    rows = "".join(f"{d:%d%m%Y},{40 + k}\n" for k, d in enumerate(DAYS))
    made = levels_of(tmp_path, "Date,Level (m asl)\n" + rows, date_format="%d%m%Y")
    assert pd.DatetimeIndex(made["time"].values).equals(DAYS)


def test_cumulative_rain_is_taken_by_its_rises(tmp_path: Path) -> None:
    total = np.cumsum(RAIN)
    total[45:] -= total[44]  # emptied
    rows = "".join(f"{d:%Y-%m-%d},{t}\n" for d, t in zip(DAYS, total, strict=True))
    made = weather_of(tmp_path, "date,cumulative rainfall (mm)\n" + rows, "r.csv")
    np.testing.assert_allclose(made["cumulative rainfall"].values[0], [np.nan, *RAIN[1:]])
    assert "begins anew 1 times" in said(made)
    rows = "".join(f"{d:%Y-%m-%d},{r}\n" for d, r in zip(DAYS, RAIN, strict=True))
    made = weather_of(tmp_path, "date,24 h accumulated rain (mm)\n" + rows, "r.csv")
    np.testing.assert_allclose(made["24 h accumulated rain"].values[0], RAIN)


def wave(label: str, texts: list[str]) -> str:
    """Return a table of one slow wave with a column of texts."""
    rows = [f"{d:%Y-%m-%d},{40 + np.sin(k / 20):.2f},{texts[k]}" for k, d in enumerate(DAYS)]
    return f"date,level (m asl),{label}\n" + "\n".join(rows) + "\n"


def test_ways_of_measuring_name_no_well(tmp_path: Path) -> None:
    texts = ["Manual" if k % 7 == 0 else "Logger" for k in range(90)]
    assert levels_of(tmp_path, wave("kind", texts))["well"].values.tolist() == ["well"]


def test_words_beside_a_level_that_goes_on_are_asked_for(tmp_path: Path) -> None:
    texts = ["Smith"] * 40 + ["Jones"] * 50
    with pytest.raises(SchemaError, match=r"'by' with 'Smith', 'Jones'.*well_column='by'"):
        levels_of(tmp_path, wave("by", texts))
    made = levels_of(tmp_path, wave("by", texts), well_column="by")
    assert made["well"].values.tolist() == ["Smith", "Jones"]
    plain = "\n".join(line.rpartition(",")[0] for line in wave("by", texts).splitlines())
    assert levels_of(tmp_path, plain).sizes["well"] == 1


def test_words_beside_levels_apart_are_wells(tmp_path: Path) -> None:
    rows = "".join(
        f"{d:%Y-%m-%d},{50 if k % 2 else 40}.{k:02d},{'North' if k % 2 else 'South'}\n"
        for k, d in enumerate(DAYS)
    )
    made = levels_of(tmp_path, "date,level (m asl),where\n" + rows)
    assert set(made["well"].values.tolist()) == {"North", "South"}


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        ("Water level in m below ground", 1), ("Groundwater level in cm below top of casing", 0.01),
        ("Wasserstand in cm unter GOK", 0.01), ("Depth to water in inches below ground", 0.0254),
        ("Levels in centimeters below surface", 0.01), ("Depth to water (in)", 0.0254),
    ],
)  # fmt: skip
def test_in_before_a_unit_is_no_inch(tmp_path: Path, header: str, factor: float) -> None:
    rows = "".join(f"{d:%Y-%m-%d},{500 + k}\n" for k, d in enumerate(DAYS))
    made = levels_of(tmp_path, f"date,{header}\n{rows}", reference_level=0)
    assert float(made["level"][0, 0]) == pytest.approx(-500 * factor)
    above = levels_of(tmp_path, f"{header}\ndate,A,B\n{rows.replace(chr(10), ',1' + chr(10))}",
                      reference_level=0)  # fmt: skip
    assert float(above["level"].sel(well="A")[0]) == pytest.approx(-500 * factor)
