"""Malformed files: each kind is refused, and the message says the rule, what was received, and the fix."""

# ruff: noqa: E501  (a kind and its message side by side)

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.data.assemble import observations_from_frames
from gwforecast.data.readers import read_observations
from gwforecast.schema import SchemaError

DAYS = pd.date_range("2020-01-01", periods=40)
RNG = np.random.default_rng(0)


def assert_three_beats(message: str) -> None:
    """Rule, what was received, fix: sentences in this order, and the fix says what to do."""
    beats = re.split(r"(?<=[.:)])\s+(?=[A-Z('])", message)
    assert len(beats) >= 3, message
    assert re.search(r"Received|is missing|Well '|has \d+ ", " ".join(beats[1:])), message


def weather(**columns: object) -> pd.DataFrame:
    given = {"rain": RNG.gamma(1, 3, 40), "temperature": RNG.normal(8, 4, 40), **columns}
    return pd.DataFrame(given, index=DAYS)


def level(values: object = None, index: pd.Index = DAYS) -> pd.Series:
    return pd.Series(
        10 + RNG.normal(size=len(index)) if values is None else values, index, name="a"
    )


def dataset() -> xr.Dataset:
    return observations_from_frames(level(), weather())


# files -------------------------------------------------------------------------------------------

ROWS = "\n".join(f"{d:%Y-%m-%d},{10 + k / 100}" for k, d in enumerate(DAYS))
FILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "empty file"),
    "blank lines": ("\n\n", "empty file"),
    "header only": ("date,head\n", r"hold rows.*header only in .*levels.csv.*Check the export"),
    "binary": (b"\x00\x01PK\x03\x04", r"text or .parquet.*binary content.*UTF-8"),
    "latin 1": ("date,head\n2020-01-01,1.0\n2020-01-02,1.1 m\xfc\n".encode("latin-1"), "'1.1 mü' in line 3"),
    "no delimiter": ("dates_and_heads\n20200101\n20200102\n", r"separated by.*Name the delimiter"),
    "ragged rows": ("date,head\n2020-01-01,1,2,3\n2020-01-02,1\n", "columns of the header"),
    "two columns of one name": ("date,head,head\n2020-01-01,1,2\n", r"'head' twice.*Rename one"),
    "no times": ("head,other\n1.0,2.0\n", r"column of times.*Name it 'date'"),
    "two columns of times": ("date,time,head\n2020-01-01,2020-01-01,1\n", r"\['date', 'time'\]"),
    "a row without a date": ("date,head\n2020-01-01,1\n,2\n", r"none in line 3 .*Give the date"),
    "text among the numbers": (
        "date,head\n2020-01-01,1.0\n2020-01-02,broken\n",
        r"'broken' in line 3, column 'head' of .*levels.csv.*correct the cell",
    ),
    "a row of units": ("date,head\n2020-01-01,m\n2020-01-02,1\n", "row of units under the header"),
    "decimal comma mixed": ("date;head\n2020-01-01;1,5\n2020-01-02;x\n", "decimal mark ','"),
    "ambiguous dates": ("date,head\n01/02/2020,1\n02/02/2020,2\n", r"both.*day_first=True or False"),
    "both orders of dates": ("date,head\n13/01/2020,1\n01/14/2020,2\n", r"days first and months"),
    "two forms of dates": ("date,head\n2020-01-01,1\n02.01.2020,2\n", r"'02.01.2020' in line 3"),
    "a date that is none": ("date,head\n2020-02-28,1\n2020-02-30,2\n", r"'2020-02-30' in line 3"),
    "two levels": ("date,head,gwl\n2020-01-01,1,2\n", r"2 that could be.*level_column="),
    "text only": ("date,note\n2020-01-01,dry\n2020-01-02,wet\n", r"column of numbers"),
    "a depth without its reference": (f"date,dtw\n{ROWS}", r"height it is measured.*reference_level"),
    "a sentinel": ("date,head\n2020-01-01,1\n2020-01-02,-9999\n", r"-9999.*missing_values=\[-9999\]"),
    "a huge sentinel": ("date,head\n2020-01-01,1\n2020-01-02,1e20\n", r"1e\+20, which looks"),
    "conflicting duplicates": ("date,head\n2020-01-01,1\n2020-01-01,2\n", r"1.0 and 2.0.*duplicates="),
    "unsorted": ("date,head\n2020-01-02,1\n2020-01-01,2\n", r"2020-01-01 after 2020-01-02.*sort=True"),
    "a clock time": ("date,head\n2020-01-01 10:30,1\n2020-01-02 09:00,1\n", r"2020-01-01 10:30.*at_step"),
    "a blank well": ("well,date,head\na,2020-01-01,1\n,2020-01-02,2\n", r"needs a well.*at row 1, 2020-01-02"),
    "zones for some times": ("date,head\n2020-01-01T00:00Z,1\n2020-01-02T00:00,2\n", r"or none.*line 3.*in UTC"),
    "names that differ in case": ("date,Head,head\n2020-01-01,1,2\n", r"\['Head', 'head'\].*level_column"),
    "weather as wells": ("date,rain,temp\n2020-01-01,1,2\n", r"'rain', which names a covariate.*level_column"),
    "units in some headers": ("date,w1 [cm],w2\n2020-01-01,1,2\n", r"same units.*'w1 \[cm\]'"),
    "a year far ahead": ("date,head\n2020-01-01,1\n3020-01-02,2\n", r"1700-01-01 and 2300-12-31.*3020-01-02.*Correct"),
    "quoted thousands": ('date,head\n2020-01-01,"1,234"\n2020-01-02,"1,235"\n', r"'1,234' in line 2.*without it"),
    "below a detection limit": ("date,head\n2020-01-01,<1\n2020-01-02,2\n", r"'<1' in line 2, column 'head'"),
    "infinity": ("date,head\n2020-01-01,inf\n2020-01-02,2\n", r"inf, which looks.*missing_values="),
    "unknown units": ("date,head [yd]\n2020-01-01,1\n", r"one of \['cm', 'dm', 'ft', 'in', 'm', 'mm'\].*'yd'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_malformed_level_files_are_refused(kind: str, tmp_path: Path) -> None:
    content, message = FILES[kind]
    path = tmp_path / "levels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    weather().to_csv(tmp_path / "weather.csv")
    with pytest.raises(SchemaError, match=f"(?s){message}") as refused:
        read_observations(path, tmp_path / "weather.csv")
    assert_three_beats(str(refused.value))


def _folder(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "gw"
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f"date,head\n{ROWS}\n")
    return folder


def missing_file(tmp_path: Path) -> None:
    read_observations(tmp_path / "none.csv")


def missing_netcdf(tmp_path: Path) -> None:
    read_observations(tmp_path / "none.nc")


@pytest.mark.parametrize("read", [missing_file, missing_netcdf])
def test_missing_files_are_refused(read: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"must exist. Received .*none.*Correct the path"):
        read(tmp_path)


def empty_folder(tmp_path: Path) -> None:
    read_observations(_folder(tmp_path))


def well_without_weather(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "w1_gw.csv", "w2_gw.csv")
    other = tmp_path / "weather"
    other.mkdir()
    for name in ("w1_hyras.csv", "w3_hyras.csv"):
        weather().to_csv(other / name)
    read_observations(folder, other)


def unknown_well(tmp_path: Path) -> None:
    read_observations(_folder(tmp_path, "w1_gw.csv", "w2_gw.csv"), wells=["w9"])


def text_as_parquet(tmp_path: Path) -> None:
    (tmp_path / "levels.parquet").write_text("date,head\n")
    read_observations(tmp_path / "levels.parquet")


def text_as_netcdf(tmp_path: Path) -> None:
    (tmp_path / "levels.nc").write_text("date,head\n")
    read_observations(tmp_path / "levels.nc")


def two_files_of_one_well(tmp_path: Path) -> None:
    read_observations(_folder(tmp_path, "a.csv", "a.txt"))


def bytes_late_in_a_file(tmp_path: Path) -> None:
    rows = "\n".join(f"{d:%Y-%m-%d},1.0" for d in pd.date_range("1990-01-01", periods=9000))
    (tmp_path / "l.csv").write_bytes(f"date,head\n{rows}\n2020-01-01,".encode() + b"\xfc\n")
    read_observations(tmp_path / "l.csv")


def delimiter_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text(f"date,head\n{ROWS}\n")
    read_observations(tmp_path / "l.csv", delimiter=";")


def other_hours_without_weather(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("date,head\n2020-01-01 10:30,1\n2020-01-03 09:00,2\n")
    read_observations(tmp_path / "l.csv")


def one_time_without_weather(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("date,head\n2020-01-01,1\n")
    read_observations(tmp_path / "l.csv")


def netcdf_without_wells(tmp_path: Path) -> None:
    dataset().isel(well=0, drop=True).to_netcdf(tmp_path / "l.nc", engine="h5netcdf")
    read_observations(tmp_path / "l.nc")


def attributes_without_a_well(tmp_path: Path) -> None:
    (tmp_path / "attributes.csv").write_text("well,aquifer\nother,sand\n")
    weather().to_csv(tmp_path / "weather.csv")
    (tmp_path / "a.csv").write_text(f"date,head\n{ROWS}\n")
    read_observations(
        tmp_path / "a.csv", tmp_path / "weather.csv", attributes=tmp_path / "attributes.csv"
    )


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (empty_folder, r"must hold tables.*Received none.*Check the path"),
        (well_without_weather, r"none for 1 of 2 wells.*'w2'.*wells=\["),
        (unknown_well, r"Requested wells must be in the data.*'w9'.*Correct the name"),
        (text_as_parquet, r"readable as Parquet.*levels.parquet"),
        (text_as_netcdf, r"readable as NetCDF 4.*levels.nc"),
        (two_files_of_one_well, r"one file for each well.*'a'.*Leave only one"),
        (bytes_late_in_a_file, r"numbers only.*'ü' in line 9002.*correct the cell"),
        (delimiter_that_is_not_there, r"';', which is not in the header 'date,head'.*Correct"),
        (other_hours_without_weather, r"2020-01-03 09:00:00, at another hour.*at_step="),
        (one_time_without_weather, r"at least two times. Received 1.*Give covariates"),
        (netcdf_without_wells, r"dimensions time and one of.*Rename"),
        (attributes_without_a_well, r"row of static attributes.*none for 'a'.*Add the row"),
    ],
)
def test_malformed_sets_of_files_are_refused(
    read: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SchemaError, match=f"(?s){message}") as refused:
        read(tmp_path)
    assert_three_beats(str(refused.value))


def unknown_decimal(tmp_path: Path) -> None:
    read_observations(tmp_path / "l.csv", decimal=";")


def long_delimiter(tmp_path: Path) -> None:
    read_observations(tmp_path / "l.csv", delimiter=", ")


def wells_as_text(tmp_path: Path) -> None:
    read_observations(tmp_path / "l.csv", wells="0012")


def weather_beside_netcdf(tmp_path: Path) -> None:
    dataset().to_netcdf(tmp_path / "l.nc", engine="h5netcdf")
    read_observations(tmp_path / "l.nc", tmp_path / "weather.csv")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (unknown_decimal, r"'\.' or ','. Received ';'. Correct"),
        (long_delimiter, r"one character.*', '. Correct"),
        (wells_as_text, r"list of names. Received '0012'. Write \['0012'\]"),
        (weather_beside_netcdf, r"weather.csv.*change nothing. Leave it out"),
    ],
)
def test_malformed_settings_of_reading_are_refused(
    read: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"(?s){message}") as refused:
        read(tmp_path)
    assert_three_beats(str(refused.value))


def test_there_are_many_kinds() -> None:
    assert len(FILES) >= 34
