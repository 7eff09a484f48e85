"""Files that hold levels and weather together: sheets of one workbook, series of one UVF file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast import SchemaError
from gwforecast.data.samples import sample_path


def _book(folder: Path, **sheets: tuple[str, ...]) -> Path:
    """Write a workbook: by sheet the columns, a level or weather each."""
    days = pd.date_range("2016-01-04", periods=60)
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, columns in sheets.items():
        sheet = book.create_sheet(name)
        sheet.append(["Date", *columns])
        for k, day in enumerate(days):
            sheet.append([day.to_pydatetime(), *(k + len(column) for column in columns)])
    book.save(folder / "x.xlsx")
    return folder / "x.xlsx"


LEVEL = ("Level (mAOD)",)


@pytest.mark.parametrize(
    ("sheets", "wells"),
    [
        ({"Levels": LEVEL, "Weather": ("Rain (mm)", "Temp (°C)")}, ["x"]),
        ({"A": LEVEL, "B": LEVEL, "Weather": ("Rain (mm)", "Temp (°C)")}, ["A", "B"]),
        ({"Levels": LEVEL, "Rain": ("Rain (mm)",), "T": ("Temp (°C)",)}, ["x"]),
    ],
)
@pytest.mark.parametrize("again", [True, False])
def test_levels_and_weather_are_sheets_of_one_workbook(
    sheets: dict[str, tuple[str, ...]], wells: list[str], again: bool, tmp_path: Path
) -> None:
    path = _book(tmp_path, **sheets)
    made = gw.read_observations(path, path if again else None)
    assert made["well"].values.tolist() == wells
    assert made["Rain"].values[0, 1] == 10.0
    assert made["Temp"].attrs["kind"] == "temperature"
    if len(wells) == 1:
        chosen = gw.read_observations(path, path, sheet="Levels")
        xr.testing.assert_allclose(chosen["level"], made["level"])
        assert chosen["Rain"].values[0, 1] == 10.0


def _uvf(parameter: str, unit: str, centuries: str, *rows: str) -> str:
    head = [f"{parameter:<15}{unit:<15}{centuries}", f"{'H1':<15}2516360.005678290.00"]
    return "\n".join(["*Z", *head, "86110100150001010000", *rows, ""])


def test_series_of_uvf_are_levels_and_weather(tmp_path: Path) -> None:
    path = tmp_path / "x.uvf"
    level = _uvf("Grundwasserst", "m NN", "1900 2000", "9912300000 10.5", "9912312400  -777",
                 "0001020000 11.0")  # fmt: skip
    rain = _uvf("Niederschlag", "mm", "1900 2000", *(f"99123{k}0000 {k}" for k in range(2)),
                *(f"00010{k}0000 5" for k in range(1, 4)))  # fmt: skip
    path.write_text(level + rain)
    made = gw.read_observations(path)
    assert made["well"].values.tolist() == ["H1"]
    assert str(made["time"].values[0])[:10] == "1999-12-30"
    assert made["level"].sel(time="2000-01-02").item() == 11.0
    assert np.isnan(made["level"].sel(time="2000-01-01").item())
    assert made["Niederschlag"].values[0].tolist() == [0.0, 1.0, 5.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_uvf("GW", "m", "", "8611010000 10.5", "yesterday 1"), "YYMMDDhhmm and a value.*line 6"),
        (_uvf("GW", "m", "", "8613010000 10.5", "8613020000 1"), "is YYMMDDhhmm.*'8613010000'"),
        (_uvf("GW", "m", "", "$ no row"), "must hold values"),
        ("*Z\nGW\n", "header of four lines"),
    ],
)
def test_damaged_uvf_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.uvf").write_text(text)
    with pytest.raises(SchemaError, match=said):
        gw.read_observations(tmp_path / "x.uvf")


def test_the_weather_of_a_well_is_that_of_the_station_in_its_attributes() -> None:
    folder = sample_path()
    made = gw.read_observations(
        folder / "levels.csv", folder / "weather.csv", attributes=folder / "attributes.csv"
    )
    expected = gw.load_sample()
    for name in ("level", "rain", "temperature", "evapotranspiration"):
        np.testing.assert_array_equal(made[name].values, expected[name].values)
    assert made["station"].values.tolist() == expected["station"].values.tolist()
    said = gw.understood(made).query("about == 'covariates'")["what"].tolist()
    assert "each well has those of its 'station' in the static attributes" in said


def _of_stations(folder: Path, *, folders: bool) -> tuple[pd.DataFrame, list[Path]]:
    """Write the rain of two stations and the pumping of two wells; return levels and paths."""
    days = pd.date_range("2020-01-01", periods=40, name="date")
    level = pd.DataFrame({"w1": 10.0 + np.arange(40) / 100, "w2": 20.0}, index=days)
    rain = {code: pd.DataFrame({"rain": float(code)}, index=days) for code in (17, 18)}
    (folder / "rain").mkdir()
    for code, table in rain.items():
        table.to_csv(folder / "rain" / f"{code}.csv")
    pd.concat(rain, names=["station"]).to_csv(folder / "rain.csv")
    pumping = {well: pd.DataFrame({"pumping": k}, days) for k, well in enumerate(level, 1)}
    pd.concat(pumping, names=["well"]).to_csv(folder / "pumping.csv")
    return level, [folder / ("rain" if folders else "rain.csv"), folder / "pumping.csv"]


@pytest.mark.parametrize("folders", [True, False])
def test_covariates_by_station_and_by_well_are_joined(folders: bool, tmp_path: Path) -> None:
    level, paths = _of_stations(tmp_path, folders=folders)
    (tmp_path / "attributes.csv").write_text("well,gauge\nw1,18\nw2,17\n")
    level.to_csv(tmp_path / "levels.csv")
    made = gw.read_observations(
        tmp_path / "levels.csv", paths, attributes=tmp_path / "attributes.csv", datum="NAP"
    )
    assert made["rain"].values[:, 0].tolist() == [18.0, 17.0]
    assert made["pumping"].values[:, 0].tolist() == [1.0, 2.0]


def test_the_error_of_missing_covariates_says_how_a_station_is_named(tmp_path: Path) -> None:
    level, paths = _of_stations(tmp_path, folders=False)
    level.to_csv(tmp_path / "levels.csv")
    with pytest.raises(SchemaError, match=r"Received none for 2 of 2 wells.*--attributes"):
        gw.read_observations(tmp_path / "levels.csv", paths[0], datum="NAP")
    attributes = tmp_path / "attributes.csv"
    attributes.write_text("well,gauge\nw1,18\nw2,19\n")
    with pytest.raises(SchemaError, match=r"'w2' among them; its 'gauge' is '19'; there are some"):
        gw.read_observations(tmp_path / "levels.csv", paths[0], attributes=attributes, datum="NAP")
    attributes.write_text("well,gauge,other\nw1,18,17\nw2,17,18\n")
    with pytest.raises(SchemaError, match=r"Received 'gauge' and 'other', which differ"):
        gw.read_observations(tmp_path / "levels.csv", paths[0], attributes=attributes, datum="NAP")
