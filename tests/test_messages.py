"""Malformed input: each kind is refused, and the message says rule, what was received, and mend."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.data.assemble import observations_from_frames
from gwforecast.data.depth import level_from_depth
from gwforecast.data.features import derive_features
from gwforecast.data.fill import fill_covariates, require_covariates
from gwforecast.data.readers import read_observations
from gwforecast.schema import SchemaError, validate_observations, validate_simulation
from gwforecast.sequences.split import split_by_date, split_by_fraction

DAYS = pd.date_range("2020-01-01", periods=40)
RNG = np.random.default_rng(0)


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
    "latin 1": ("date,head\n2020-01-01,1.0\n2020-01-02,1.1 m\xfc\n".encode("latin-1"), "0xfc"),
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
    "units at dates": ("date,head\nd,m\n2020-01-02,1\n", "line 2"),
    "thousands by a blank": ("date;head\n2020-01-01;1 234,5\n2020-01-02;1 235,5\n", "without it"),
    "thousands by an apostrophe": ("date;head\n2020-01-01;1'234.5\n2020-01-02;9.5\n", "without it"),
    "decimal comma mixed": ("date;head\n2020-01-01;1,5\n2020-01-02;x\n", "decimal mark ','"),
    "ambiguous dates": ("date,head\n01/02/2020,1\n02/02/2020,2\n", r"both.*day_first=True or False"),
    "both orders of dates": ("date,head\n13/01/2020,1\n01/14/2020,2\n", r"days first and months"),
    "two forms of dates": ("date,head\n2020-01-01,1\n02.01.2020,2\n", r"'02.01.2020' in line 3"),
    "a date that is none": ("date,head\n2020-02-28,1\n2020-02-30,2\n", r"'2020-02-30' in line 3"),
    "two levels": ("date,head,gwl\n2020-01-01,1,2\n", r"2 that could be.*level_column="),
    "text only": ("date,note\n2020-01-01,dry\n2020-01-02,wet\n", r"column of numbers"),
    "text beside wells": ("date,w1,note\n2020-01-01,1,x\n2020-01-02,2,y\n", r"'note'.*level_column"),
    "a depth without its reference": (f"date,dtw\n{ROWS}", r"height it is measured.*reference_level"),
    "a sentinel": ("date,head\n2020-01-01,1\n2020-01-02,-9999\n", r"-9999.*missing_values=\[-9999\]"),
    "a huge sentinel": ("date,head\n2020-01-01,1\n2020-01-02,1e20\n", r"1e\+20, which looks"),
    "equal duplicates": ("date,head\n2020-01-01,1\n2020-01-01,1\n", r"1.0 and 1.0 at 2020-01-01"),
    "conflicting duplicates": ("date,head\n2020-01-01,1\n2020-01-01,2\n", r"1.0 and 2.0.*duplicates="),
    "unsorted": ("date,head\n2020-01-02,1\n2020-01-01,2\n", r"2020-01-01 after 2020-01-02.*sort=True"),
    "a clock time": ("date,head\n2020-01-01 10:30,1\n2020-01-02 09:00,1\n", r"2020-01-01 10:30.*at_step"),
    "unknown units": ("date,head [yd]\n2020-01-01,1\n", r"one of \['cm', 'ft', 'm', 'mm'\].*'yd'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_malformed_level_files_are_refused(kind: str, tmp_path: Path) -> None:
    content, message = FILES[kind]
    path = tmp_path / "levels.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    weather().to_csv(tmp_path / "weather.csv")
    with pytest.raises(SchemaError, match=f"(?s){message}"):
        read_observations(path, tmp_path / "weather.csv")


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
        (unknown_well, r"asked for must be in the data.*'w9'.*Correct the name"),
        (text_as_parquet, r"readable as Parquet.*levels.parquet"),
        (text_as_netcdf, r"readable as NetCDF 4.*levels.nc"),
        (netcdf_without_wells, r"dimensions time and one of.*Rename"),
        (attributes_without_a_well, r"row of static attributes.*none for 'a'.*Add the row"),
    ],
)
def test_malformed_sets_of_files_are_refused(
    read: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SchemaError, match=f"(?s){message}"):
        read(tmp_path)


# frames ------------------------------------------------------------------------------------------

FRAMES: dict[str, tuple[Callable[[], object], str]] = {
    "a list": (lambda: observations_from_frames([1, 2]), r"Series, a DataFrame.*Received list"),
    "no wells": (lambda: observations_from_frames({}), r"not empty"),
    "an index of numbers": (
        lambda: observations_from_frames(pd.Series([1.0, 2.0])), r"DatetimeIndex.*to_datetime"),
    "levels as text": (
        lambda: observations_from_frames(level(["x"] * 40), weather()), r"must be numbers.*'a'"),
    "no rows": (
        lambda: observations_from_frames(level(np.zeros(0), DAYS[:0]), weather()), r"at least one row"),
    "a column that is not there": (
        lambda: observations_from_frames(
            pd.DataFrame({"x": level()}), weather(), level_column="head"), r"Received 'head'.*\['x'\]"),
    "covariates as text": (
        lambda: observations_from_frames(level(), weather(soil="clay")), r"'soil'.*static attributes"),
    "irregular covariates": (
        lambda: observations_from_frames(level(), weather().drop(DAYS[3])), r"regular.*2 days.*before"),
    "hourly covariates": (
        lambda: observations_from_frames(
            level(), weather().set_axis(pd.date_range("2020", periods=40, freq="h"))),
        r"daily, weekly, or monthly"),
    "one step of weather": (
        lambda: observations_from_frames(level(), weather().iloc[:1]), r"at least two steps"),
    "duplicate weather": (
        lambda: observations_from_frames(level(), pd.concat([weather().iloc[:1], weather()])),
        r"one value.*covariates"),
    "covariates of other wells": (
        lambda: observations_from_frames(level(), {"b": weather()}), r"none for 1 of 1.*'a'"),
    "wells with other covariates": (
        lambda: observations_from_frames(
            {"a": level(), "b": level()}, {"a": weather(), "b": weather(wind=1.0)}),
        r"the same covariates.*wind"),
    "wells with other frequencies": (
        lambda: observations_from_frames(
            {"a": level(), "b": level()},
            {"a": weather(), "b": weather().set_axis(pd.date_range("2020", periods=40, freq="W"))}),
        r"one frequency.*'D', 'W-SUN'"),
    "another anchor of the week": (
        lambda: observations_from_frames(
            level(index=pd.date_range("2020-01-01", periods=5, freq="W-WED")),
            weather().set_axis(pd.date_range("2020-01-06", periods=40, freq="W-MON"))),
        r"steps of the axis \(W-MON\).*2020-01-01.*at_step"),
    "a sentinel in the rain": (
        lambda: observations_from_frames(level(), weather(rain=[-999.0] * 40)), r"-999.*'rain'"),
    "a missing attribute": (
        lambda: observations_from_frames(
            level(), weather(), attributes=pd.DataFrame({"kf": [np.nan]}, index=["a"])), r"'kf'.*'a'"),
    "furlongs": (
        lambda: observations_from_frames(level(), weather(), units="furlong"), r"'furlong'.*convert"),
    "no reference for a well": (
        lambda: level_from_depth(dataset()["level"], reference_level={"b": 1.0}), r"none for 'a'"),
    "mixed units of USGS": (
        lambda: observations_from_frames(pd.DataFrame(
            {"time": DAYS[:2], "value": [1.0, 2.0], "monitoring_location_id": ["a", "a"],
             "unit_of_measure": ["ft", "m"], "parameter_code": ["62611"] * 2})),
        r"same units.*'ft', 'm'"),
    "depth of USGS": (
        lambda: observations_from_frames(pd.DataFrame(
            {"time": DAYS[:2], "value": [1.0, 2.0], "monitoring_location_id": ["a", "a"],
             "unit_of_measure": ["ft", "ft"], "parameter_code": ["72019"] * 2})),
        r"depth to water.*reference_level"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FRAMES)
def test_malformed_frames_are_refused(kind: str) -> None:
    make, message = FRAMES[kind]
    with pytest.raises(SchemaError, match=f"(?s){message}"):
        make()


# datasets, covariates, splits --------------------------------------------------------------------


def holed() -> xr.Dataset:
    made = dataset()
    made["rain"][0, 5:8] = np.nan
    return made


DATASETS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "a frame": (
        lambda: validate_observations(weather()), SchemaError, r"xarray.Dataset.*DataFrame.*Build"),
    "no well": (
        lambda: validate_observations(dataset().isel(well=0, drop=True)), SchemaError, r"'well'"),
    "no level": (
        lambda: validate_observations(dataset().drop_vars("level")), SchemaError, r"variable 'level'"),
    "level in feet": (
        lambda: validate_observations(dataset().assign(
            level=dataset()["level"].assign_attrs(units="ft"))), SchemaError, r"in m.*'ft'"),
    "turned dimensions": (
        lambda: validate_observations(dataset().transpose("time", "well")), SchemaError, r"transpose"),
    "integers": (
        lambda: validate_observations(dataset().assign(level=dataset()["level"].astype(int))),
        SchemaError, r"floating point.*int64"),
    "infinity": (
        lambda: validate_observations(dataset().assign(level=dataset()["level"] / 0)),
        SchemaError, r"finite or NaN.*inf at well 'a', 2020-01-01"),
    "a number as a name": (
        lambda: validate_observations(dataset().assign_coords(well=[1])), SchemaError, r"text"),
    "a well twice": (
        lambda: validate_observations(xr.concat([dataset(), dataset()], "well")),
        SchemaError, r"unique.*'a' 2 times"),
    "no wells at all": (
        lambda: validate_observations(dataset().isel(well=[])), SchemaError, r"at least one well"),
    "times as text": (
        lambda: validate_observations(dataset().assign_coords(time=[str(k) for k in range(40)])),
        SchemaError, r"datetime64"),
    "times backwards": (
        lambda: validate_observations(dataset().isel(time=slice(None, None, -1))), SchemaError,
        r"strictly increasing.*Sort"),
    "a lacking covariate": (
        lambda: validate_observations(dataset(), covariates=["wind"]), SchemaError, r"lacks \['wind'\]"),
    "a simulation over time alone": (
        lambda: validate_simulation(dataset().isel(well=0)), SchemaError, r"\(well, time\)"),
    "quantiles out of order": (
        lambda: validate_simulation(
            dataset()[["level"]].expand_dims({"quantile": [0.9, 0.1]}, axis=-1)),
        SchemaError, r"increase inside \(0, 1\).*sortby"),
    "a gap in the rain": (
        lambda: require_covariates(holed()), SchemaError,
        r"'rain' of well 'a'.*3 of 40 steps, from 2020-01-06 to 2020-01-08.*filling rule"),
    "an unknown filling rule": (
        lambda: fill_covariates(holed(), rules={"rain": "guess"}), ValueError, r"'guess' for 'rain'"),
    "an unknown covariate to fill": (
        lambda: fill_covariates(holed(), rules={"sun": "zero"}), ValueError, r"Received 'sun'"),
    "zero for a kind": (
        lambda: fill_covariates(
            holed().rename(rain="P"), rules={"rain": "zero"}), ValueError, r"not zero.*Name the cov"),
    "an unknown feature": (
        lambda: derive_features(dataset(), ["tide"]), ValueError, r"Received 'tide'"),
    "fractions above one": (
        lambda: split_by_fraction(dataset(), train=0.9, validation=0.2), ValueError, r"at most 1"),
    "too few levels to split": (
        lambda: split_by_fraction(dataset().isel(time=slice(0, 2))), SchemaError, r"has 2 levels"),
    "dates of a split out of order": (
        lambda: split_by_date(dataset(), validation_start="2020-02-01", test_start="2020-01-10"),
        SchemaError, r"in order"),
    "a negative gap": (lambda: split_by_fraction(dataset(), gap=-1), ValueError, r"at least 0"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DATASETS)
def test_malformed_datasets_are_refused(kind: str) -> None:
    make, error, message = DATASETS[kind]
    with pytest.raises(error, match=f"(?s){message}"), np.errstate(all="ignore"):
        make()


def test_there_are_many_kinds() -> None:
    assert len(FILES) + len(FRAMES) + len(DATASETS) + 9 >= 80
