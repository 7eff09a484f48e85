"""Files and frames as people have them: what was written is what is read."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gwforecast.data.assemble import observations_from_frames
from gwforecast.data.covariates import fill_covariates, require_covariates
from gwforecast.data.readers import read_observations

RNG = np.random.default_rng(0)
DAYS = pd.date_range("2020-01-01", periods=60)
VALUES = np.round(10 + np.cumsum(RNG.normal(size=60)) * 0.05, 3)
REAL = Path(__file__).parents[2].parent / "shared" / "data"


def weather(index: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    rng = np.random.default_rng(len(index))
    rain, temperature = rng.gamma(1, 3, len(index)), rng.normal(8, 4, len(index))
    return pd.DataFrame({"rr": np.round(rain, 1), "tg": np.round(temperature, 1)}, index)


@pytest.fixture
def covariates(tmp_path: Path) -> Path:
    weather().to_csv(tmp_path / "weather.csv", index_label="time")
    return tmp_path / "weather.csv"


LAYOUTS: dict[str, tuple[str, str, str, str]] = {
    # header, row template, suffix, name of the file
    "unnamed first column": (",head", "{d:%Y-%m-%d},{v}", "", "heads.csv"),
    "an index column more": (",date,head", "{k},{d:%Y-%m-%d},{v}", "", "heads.csv"),
    "day first, dotted": ("Date,GWL", "{d:%d.%m.%Y 00:00:00},{v}", "", "w_GW-Data.csv"),
    "day first, slashed": ("Date,GWL", "{d:%d/%m/%Y},{v}", "", "w.csv"),
    "month first": ("Date,GWL", "{d:%m/%d/%Y},{v}", "", "w.csv"),
    "decimal comma": ("date;head", "{d:%Y-%m-%d};{c}", "", "w.csv"),
    "tabs": ("date\thead", "{d:%Y-%m-%d}\t{v}", "", "w.txt"),
    "bars": ("date|head", "{d:%Y-%m-%d}|{v}", "", "w.csv"),
    "byte order mark": ("\ufeffdate,head", "{d:%Y-%m-%d},{v}", "", "w.csv"),
    "a time zone": ("date,head", "{d:%Y-%m-%dT00:00:00Z},{v}", "", "w.csv"),
    "another zone": ("date,head", "{d:%Y-%m-%dT02:00:00+02:00},{v}", "", "w.csv"),
    "windows line ends": ("date,head\r", "{d:%Y-%m-%d},{v}\r", "\r", "w.csv"),
    "compact dates": ("YYYYMMDD,head", "{d:%Y%m%d},{v}", "", "w.csv"),
    "quoted decimal comma": ("date,head", '{d:%Y-%m-%d},"{c}"', "", "w.csv"),
    "twelve hours": ("date,head", "{d:%m/%d/%Y} 12:00:00 AM,{v}", "", "w.csv"),
    "fractions of seconds": ("date,head", "{d:%Y-%m-%dT00:00:00.000},{v}", "", "w.csv"),
    "spaces around names": (" Date , Head ", "{d:%Y-%m-%d},{v}", "", "w.csv"),
    "an empty last column": ("date,head,", "{d:%Y-%m-%d},{v},", "", "w.csv"),
    "a flag beside": ("date,head,flag", "{d:%Y-%m-%d},{v},ok", "", "w.csv"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_one_well(layout: str, covariates: Path, tmp_path: Path) -> None:
    header, row, _, name = LAYOUTS[layout]
    lines = [
        row.format(d=d, v=v, c=str(v).replace(".", ","), k=k)
        for k, (d, v) in enumerate(zip(DAYS, VALUES, strict=True))
    ]
    path = tmp_path / name
    path.write_bytes("\n".join([header, *lines, ""]).encode())
    made = read_observations(path, covariates)
    np.testing.assert_allclose(made["level"].values[0], VALUES)
    assert made["time"].values[0] == np.datetime64("2020-01-01")
    assert made["time"].dtype == np.dtype("datetime64[us]")
    assert made["level"].attrs["units"] == "m"
    assert made["rr"].attrs["kind"] == "rain"


def test_wide_and_long_tables_are_the_same(covariates: Path, tmp_path: Path) -> None:
    wide = pd.DataFrame({"0012": VALUES, "b": VALUES + 1}, DAYS)
    wide.to_csv(tmp_path / "wide.csv", index_label="date")
    long = wide.rename_axis("date").reset_index().melt("date", var_name="well", value_name="head")
    long.to_csv(tmp_path / "long.csv", index=False)
    long.to_parquet(tmp_path / "long.parquet")
    first, second, third = (
        read_observations(tmp_path / name, covariates)
        for name in ("wide.csv", "long.csv", "long.parquet")
    )
    assert first["well"].values.tolist() == ["0012", "b"]
    for other in (second, third):
        xr.testing.assert_equal(first, other)


def test_a_folder_of_wells_is_paired_with_a_folder_of_weather(tmp_path: Path) -> None:
    weeks = pd.date_range("2020-01-06", periods=50, freq="W-MON")
    for folder, ending in (("gw", "_GW-Data"), ("hyras", "_weeklyData_HYRAS")):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(("BB_1", "BB_2")):
            frame = (
                weather(weeks) if folder == "hyras" else pd.DataFrame({"GWL": 40.0 + number}, weeks)
            )
            frame.index = frame.index.strftime("%d.%m.%Y %H:%M:%S")
            frame.to_csv(tmp_path / folder / f"{name}{ending}.csv", index_label="Date")
    made = read_observations(tmp_path / "gw", tmp_path / "hyras")
    assert made["well"].values.tolist() == ["BB_1", "BB_2"]
    assert made["level"].values[:, 0].tolist() == [40.0, 41.0]
    chosen = read_observations(tmp_path / "gw", tmp_path / "hyras", wells=["BB_2"])
    xr.testing.assert_equal(chosen, made.sel(well=["BB_2"]))


@pytest.mark.parametrize(
    ("levels", "weathers", "expected"),
    [
        (["BB_1_GW-Data"], ["BB_1_weekly", "BB_2_weekly"], ["BB_1"]),
        (["BB_1_GW-Data"], ["BB_1_weekly"], ["BB_1"]),
        (["BB_1_GW", "NW_1_GW"], ["BB_1_rain", "BB_2_rain", "NW_1_rain"], ["BB_1", "NW_1"]),
        (["0012", "0013"], ["0012", "0013", "0014"], ["0012", "0013"]),
        (["w10", "w20"], ["w10", "w20"], ["w10", "w20"]),
    ],
)
def test_files_of_two_folders_are_paired_by_name(
    levels: list[str], weathers: list[str], expected: list[str], tmp_path: Path
) -> None:
    for folder, names in (("gw", levels), ("rain", weathers)):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(names):
            frame = weather() if folder == "rain" else pd.DataFrame({"GWL": VALUES + number}, DAYS)
            frame.to_csv(tmp_path / folder / f"{name}.csv", index_label="date")
    made = read_observations(tmp_path / "gw", tmp_path / "rain")
    assert made["well"].values.tolist() == expected
    np.testing.assert_allclose(made["level"].values[-1], VALUES + len(levels) - 1)


def test_one_file_can_hold_level_and_weather(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    weather().assign(head=VALUES).to_csv(path, index_label="date")
    for made in (read_observations(path, path), read_observations(path)):
        assert set(made) == {"level", "rr", "tg"}
        np.testing.assert_array_equal(made["level"].values[0], VALUES)


def test_files_of_a_folder_can_hold_level_and_weather(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        table = weather().assign(head=VALUES + number)
        table.to_csv(tmp_path / f"{name}.csv", index_label="date")
    made = read_observations(tmp_path, tmp_path)
    assert set(made) == {"level", "rr", "tg"}
    np.testing.assert_allclose(made["level"].values[1], VALUES + 1)


def test_flags_survive_netcdf(tmp_path: Path) -> None:
    made = observations_from_frames(pd.Series(VALUES, DAYS), weather())
    made["tg"][0, 5] = np.nan
    filled = fill_covariates(made, rules="by_kind")
    filled.to_netcdf(tmp_path / "o.nc", engine="h5netcdf")
    assert read_observations(tmp_path / "o.nc").identical(filled)


def test_ids_of_attributes_stay_text(covariates: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id;kf\n0012;1\n27381010;2\n")
    wide = pd.DataFrame({"27381010": VALUES, "0012": VALUES}, DAYS)
    wide.to_csv(tmp_path / "l.csv", index_label="date")
    made = read_observations(tmp_path / "l.csv", covariates, attributes=tmp_path / "a.csv")
    assert made["kf"].values.tolist() == [2.0, 1.0]


@given(
    st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%Y/%m/%d"]),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([".", ","]),
    st.integers(0, 3000),
)
@settings(max_examples=60, deadline=None)
def test_every_dialect_is_read_as_written(
    form: str, delimiter: str, decimal: str, shift: int
) -> None:
    times = DAYS + pd.Timedelta(days=shift)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.csv"
        table = pd.DataFrame({"date": times.strftime(form), "head": VALUES})
        table.to_csv(path, sep=delimiter, decimal=decimal, index=False)
        made = read_observations(path)
    np.testing.assert_array_equal(made["level"].values[0], VALUES)
    np.testing.assert_array_equal(made["time"].values, times.to_numpy())


def test_netcdf_is_read_as_written(tmp_path: Path) -> None:
    made = observations_from_frames({"a": pd.Series(VALUES, DAYS)}, weather(), datum="NAP")
    made.to_netcdf(tmp_path / "o.nc", engine="h5netcdf")
    xr.testing.assert_equal(read_observations(tmp_path / "o.nc"), made)
    made.rename(well="station").transpose("time", "station").to_netcdf(
        tmp_path / "s.nc", engine="h5netcdf"
    )
    xr.testing.assert_equal(read_observations(tmp_path / "s.nc"), made)


def test_static_attributes_keep_numbers_and_text(covariates: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("well,depth,aquifer\nw1,12.5,sand\nw2,3,chalk\n")
    pd.DataFrame({"w1": VALUES, "w2": VALUES}, DAYS).to_csv(tmp_path / "l.csv", index_label="date")
    made = read_observations(tmp_path / "l.csv", covariates, attributes=tmp_path / "a.csv")
    assert made["depth"].values.tolist() == [12.5, 3.0]
    assert made["aquifer"].values.tolist() == ["sand", "chalk"]


# real data ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.exists(), reason="the real wells in ../shared/data are not here")
def test_real_wells_are_read_without_options() -> None:
    for name, count in (("Netherlands", 5696), ("Sweden_2", 783)):
        folder = REAL / "challenge" / name
        made = read_observations(folder / "heads.csv", folder / "input_data.csv")
        assert made["well"].values.tolist() == [name]
        assert int(made["level"].count()) == count
        require_covariates(made)
    made = read_observations(REAL / "germany_weekly" / "gw", REAL / "germany_weekly" / "hyras")
    assert made.sizes["well"] == 59
    assert made["level"].sel(well="BB_27381010", time="1997-04-14").item() == 48.52


def test_levels_beside_depths_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "wells"
    folder.mkdir()
    (folder / "brunnen 12.csv").write_text("Date,Level (m)\n2020-01-06,48.5\n2020-01-13,48.4\n")
    (folder / "MW-7.csv").write_text("Datum;Abstich (m)\n06.01.2020;2,29\n13.01.2020;2,22\n")
    found = read_observations(folder, reference_level={"MW-7": 27.1}, datum="NHN", day_first=True)
    assert found["well"].values.tolist() == ["MW-7", "brunnen 12"]
    np.testing.assert_allclose(found["level"], [[24.81, 24.88], [48.5, 48.4]])
    assert found["level"].attrs["vertical_datum"] == "NHN"
