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
