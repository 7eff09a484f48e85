"""Files and frames as people have them: what was written is what is read."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gwforecast.data.assemble import observations_from_frames
from gwforecast.data.fill import fill_covariates, require_covariates
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


def test_a_folder_of_wells_meets_a_folder_of_weather(tmp_path: Path) -> None:
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


def test_netcdf_gives_back_what_was_written(tmp_path: Path) -> None:
    made = observations_from_frames({"a": pd.Series(VALUES, DAYS)}, weather(), datum="NAP")
    made.to_netcdf(tmp_path / "o.nc", engine="h5netcdf")
    xr.testing.assert_equal(read_observations(tmp_path / "o.nc"), made)
    made.rename(well="station").transpose("time", "station").to_netcdf(
        tmp_path / "s.nc", engine="h5netcdf"
    )
    xr.testing.assert_equal(read_observations(tmp_path / "s.nc"), made)


def test_weekly_levels_sit_on_the_daily_axis() -> None:
    weekly = pd.Series(VALUES[::7], DAYS[::7], name="w")
    made = observations_from_frames(weekly, weather())
    assert made.sizes == {"well": 1, "time": 60}
    assert made["level"].count() == 9
    np.testing.assert_array_equal(made["level"].dropna("time").values[0], VALUES[::7])


def test_levels_before_and_after_the_weather_are_kept() -> None:
    early = pd.Series(VALUES, DAYS)
    made = observations_from_frames(early, weather().iloc[20:40])
    assert made["level"].count() == 60
    assert made["rr"].count() == 20
    require_covariates(made)


@pytest.mark.parametrize(("rule", "expected"), [("mean", 2.0), ("last", 3.0), ("first", 1.0)])
def test_levels_between_the_steps_are_reduced_as_asked(rule: str, expected: float) -> None:
    stamps = pd.DatetimeIndex(["2020-01-05 06:00", "2020-01-05 12:00", "2020-01-05 18:00"])
    made = observations_from_frames(pd.Series([1.0, 2.0, 3.0], stamps), weather(), at_step=rule)
    assert made["level"].sel(time="2020-01-05").item() == expected
    assert made["level"].count() == 1
    assert made["level"].attrs["at_step"] == rule


def test_depth_becomes_level_with_its_datum() -> None:
    depth = pd.DataFrame({"depth_to_water": VALUES}, DAYS)
    made = observations_from_frames(depth, weather(), reference_level=30.0, datum="NAP", well="a")
    np.testing.assert_allclose(made["level"].values[0], 30 - VALUES)
    assert made["level"].attrs["vertical_datum"] == "NAP"
    relative = observations_from_frames(depth, weather(), reference_level=0.0)
    assert relative["level"].attrs["vertical_datum"] == "relative"


def test_feet_of_usgs_become_metres() -> None:
    frame = pd.DataFrame(
        {
            "time": DAYS.tz_localize("UTC"),
            "monitoring_location_id": "USGS-1",
            "parameter_code": "72019",
            "value": VALUES,
            "unit_of_measure": "ft",
            "approval_status": "Approved",
        }
    )
    made = observations_from_frames(frame, weather(), reference_level=100.0, datum="NAVD88")
    assert made["well"].values.tolist() == ["USGS-1"]
    np.testing.assert_allclose(made["level"].values[0], 100 - VALUES * 0.3048)
    assert made["level"].attrs["time_zone_in"] == "UTC"


def test_hydropandas_objects_are_known_by_their_form() -> None:
    class GroundwaterObs(pd.DataFrame):
        """A frame with metadata in attributes, as hydropandas has."""

        _metadata: ClassVar[list[str]] = ["name", "unit", "tube_nr"]

    observed = GroundwaterObs({"values": VALUES, "qualifier": "goedgekeurd"}, DAYS)
    observed.name, observed.unit, observed.tube_nr = "GMW1_1", "m NAP", 1
    made = observations_from_frames(observed, weather())
    assert made["well"].values.tolist() == ["GMW1_1"]
    assert made["level"].attrs["source_name"] == "values"
    collection = pd.DataFrame({"obs": [observed]}, index=["GMW1_1"])
    xr.testing.assert_equal(observations_from_frames(collection, weather()), made)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_of_the_index_changes_nothing(unit: str) -> None:
    expected = observations_from_frames(
        pd.Series(VALUES, DAYS), weather().iloc[:, :0].assign(x=1.0)
    )
    made = observations_from_frames(
        pd.Series(VALUES, DAYS.as_unit(unit)),
        weather().iloc[:, :0].assign(x=1.0).set_axis(DAYS.as_unit(unit)),
    )
    assert made.identical(expected)


def test_sentinels_sorting_and_duplicates_are_mended_when_asked() -> None:
    series = pd.Series([-9999.0, 2.0, 1.0, 3.0], DAYS[[3, 1, 0, 1]])
    made = observations_from_frames(
        series, weather(), missing_values=[-9999], sort=True, duplicates="mean"
    )
    assert made["level"].values[0, :4].tolist()[:2] == [1.0, 2.5]
    assert made["level"].count() == 2


def test_static_attributes_keep_numbers_and_text(covariates: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("well,depth,aquifer\nw1,12.5,sand\nw2,3,chalk\n")
    pd.DataFrame({"w1": VALUES, "w2": VALUES}, DAYS).to_csv(tmp_path / "l.csv", index_label="date")
    made = read_observations(tmp_path / "l.csv", covariates, attributes=tmp_path / "a.csv")
    assert made["depth"].values.tolist() == [12.5, 3.0]
    assert made["aquifer"].values.tolist() == ["sand", "chalk"]


# filling -----------------------------------------------------------------------------------------


def holed(start: int = 20, stop: int = 23) -> xr.Dataset:
    made = observations_from_frames(pd.Series(VALUES, DAYS), weather())
    for name in ("rr", "tg"):
        made[name][0, start:stop] = np.nan
    return made


def test_filling_by_kind_is_never_zero_rain_and_is_flagged() -> None:
    made = holed()
    filled = fill_covariates(made, rules="by_kind")
    require_covariates(filled)
    assert (filled["rr"].values[0, 20:23] > 0).all()
    line = np.interp([20, 21, 22], [19, 23], made["tg"].values[0, [19, 23]])
    np.testing.assert_allclose(filled["tg"].values[0, 20:23], line)
    assert filled["rr_flag"].values[0].nonzero()[0].tolist() == [20, 21, 22]
    assert made["rr"].isnull().sum() == 3


@given(st.integers(1, 50), st.integers(1, 8), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_causal_rules_use_nothing_after_the_gap(start: int, length: int, seed: int) -> None:
    made = holed(start, start + length)
    changed = made.copy(deep=True)
    changed["rr"][0, start + length :] = np.random.default_rng(seed).normal(
        size=60 - start - length
    )
    for rule in ("climatology", "forward"):
        one, two = (fill_covariates(d, rules={"rr": rule})["rr"] for d in (made, changed))
        np.testing.assert_array_equal(one[0, : start + length], two[0, : start + length])


def test_interpolation_does_not_cross_a_boundary() -> None:
    made = holed()
    changed = made.copy(deep=True)
    changed["tg"][0, 23:] = 1e6
    cut = [DAYS[22]]
    one, two = (
        fill_covariates(d, rules={"tg": "interpolate"}, boundaries=cut)["tg"]
        for d in (made, changed)
    )
    np.testing.assert_array_equal(one[0, :23], two[0, :23])


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
