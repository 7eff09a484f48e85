"""Observations from frames: every level where it belongs, in m, or an error."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.data.assemble import observations_from_frames
from gwforecast.data.covariates import require_covariates

RNG = np.random.default_rng(0)
DAYS = pd.date_range("2020-01-01", periods=60)
VALUES = np.round(10 + np.cumsum(RNG.normal(size=60)) * 0.05, 3)


def weather(index: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    rng = np.random.default_rng(len(index))
    rain, temperature = rng.gamma(1, 3, len(index)), rng.normal(8, 4, len(index))
    return pd.DataFrame({"rr": np.round(rain, 1), "tg": np.round(temperature, 1)}, index)


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
def test_levels_between_the_steps_are_aggregated_as_requested(rule: str, expected: float) -> None:
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


def test_missing_codes_order_and_duplicates_are_handled_on_request() -> None:
    series = pd.Series([-9999.0, 2.0, 1.0, 3.0], DAYS[[3, 1, 0, 1]])
    made = observations_from_frames(
        series, weather(), missing_values=[-9999], sort=True, duplicates="mean"
    )
    assert made["level"].values[0, :4].tolist()[:2] == [1.0, 2.5]
    assert made["level"].count() == 2


def test_at_step_nearest_takes_the_level_nearest_to_the_step() -> None:
    hours = pd.date_range("2020-01-01", periods=72, freq="h")
    made = observations_from_frames(pd.Series(np.arange(72.0), hours), weather(), at_step="nearest")
    assert made["level"].values[0, :4].tolist() == [0.0, 24.0, 48.0, 71.0]


def test_a_day_before_the_weather_keeps_its_level() -> None:
    stamps = pd.DatetimeIndex(["2019-12-31 10:30", "2020-01-03 10:30", "2020-03-02 23:00"])
    made = observations_from_frames(pd.Series([1.0, 2.0, 3.0], stamps), weather(), at_step="mean")
    known = made["level"].dropna("time")
    assert known.values[0].tolist() == [1.0, 2.0, 3.0]
    expected = np.array(["2019-12-31", "2020-01-03", "2020-03-02"], "M8[us]")
    np.testing.assert_array_equal(known["time"].values, expected)


@pytest.mark.parametrize("rule", ["mean", "last", "first"])
@pytest.mark.parametrize("frequency", ["W-MON", "MS", "ME", "QS", "QE"])
def test_longer_steps_hold_their_levels(rule: str, frequency: str) -> None:
    steps = pd.date_range("2020-01-06", periods=10, freq=frequency)
    daily = pd.Series(np.arange(120.0), pd.date_range("2020-01-20", periods=120))
    made = observations_from_frames(daily, weather(steps), at_step=rule)
    times = pd.DatetimeIndex(made["time"].values)
    begin = frequency in ("MS", "QS")
    values = made["level"].values[0, :-1] if begin else made["level"].values[0, 1:]
    for before, step, value in zip(times[:-1], times[1:], values, strict=True):
        inside = daily[(daily.index > before) & (daily.index <= step)]
        if frequency in ("MS", "QS"):
            inside = daily[(daily.index >= before) & (daily.index < step)]
        expected = getattr(inside, rule)() if rule == "mean" else (
            inside.iloc[{"first": 0, "last": -1}[rule]] if len(inside) else np.nan
        )  # fmt: skip
        np.testing.assert_equal(value, expected)


@pytest.mark.parametrize(
    ("frequency", "steps"), [("D", 30), ("W-TUE", 30), ("MS", 30), ("ME", 30), ("7D", 30)]
)
def test_levels_without_covariates_get_a_regular_axis(frequency: str, steps: int) -> None:
    times = pd.date_range("2019-03-05", periods=steps, freq=frequency)
    made = observations_from_frames(pd.Series(np.arange(30.0), times).drop(times[7]))
    assert made.sizes["time"] == steps
    assert np.flatnonzero(made["level"].isnull().values[0]).tolist() == [7]


def test_hourly_levels_are_put_on_days_on_request() -> None:
    stamps = pd.DatetimeIndex(["2020-01-01 10:30", "2020-01-04 23:30"])
    made = observations_from_frames(pd.Series([1.0, 2.0], stamps), at_step="mean")
    assert made["level"].sel(time="2020-01-04").item() == 2.0


@pytest.mark.parametrize(
    ("header", "factor"), [("head [m NAP]", 1), ("head [cm]", 0.01), ("head (mm)", 0.001)]
)
def test_units_of_a_header_are_used(header: str, factor: float) -> None:
    for levels in (pd.Series(VALUES, DAYS, name=header), pd.DataFrame({header: VALUES}, DAYS)):
        made = observations_from_frames(levels, weather())
        np.testing.assert_allclose(made["level"].values[0], VALUES * factor)
        assert made["level"].attrs["units"] == "m"


def test_units_of_a_wide_table_are_used() -> None:
    wide = pd.DataFrame({"w1 [cm]": VALUES, "w2 [cm]": VALUES}, DAYS)
    made = observations_from_frames(wide, weather())
    assert made["well"].values.tolist() == ["w1", "w2"]
    np.testing.assert_allclose(made["level"].values[0], VALUES / 100)


def test_the_keys_of_a_mapping_name_the_wells() -> None:
    made = observations_from_frames(
        {"a": pd.DataFrame({"B12": VALUES}, DAYS), "b": pd.Series(VALUES, DAYS, name="head")},
        {"a": weather(), "b": weather() + 1},
    )
    assert made["well"].values.tolist() == ["a", "b"]
    np.testing.assert_allclose(made["rr"].values[1], made["rr"].values[0] + 1)


def test_daily_values_of_usgs_are_known_beside_their_codes() -> None:
    frame = pd.DataFrame({"site_no": "0123", "72019_Mean": VALUES, "72019_Mean_cd": "A"}, DAYS)
    made = observations_from_frames(frame, weather(), reference_level=0.0, units="ft")
    assert made["well"].values.tolist() == ["0123"]
    np.testing.assert_allclose(made["level"].values[0], -VALUES * 0.3048)


def test_units_of_covariates_are_stated_only_where_known() -> None:
    frame = weather().assign(pressure=1.0).rename(columns={"tg": "warmth [K]"})
    made = observations_from_frames(
        pd.Series(VALUES, DAYS), frame, covariate_units={"warmth": "degC"}
    )
    assert made["rr"].attrs == {"kind": "rain", "long_name": "rr", "units": "mm"}
    assert made["warmth"].attrs["units"] == "degC"
    assert "units" not in made["pressure"].attrs


def test_9999_is_a_level_if_others_are_close_to_it() -> None:
    millimetres = pd.Series(9990 + np.arange(60.0), DAYS)
    made = observations_from_frames(millimetres, weather(), units="mm")
    assert made["level"].values[0, 9] == 9.999


def test_a_missing_code_of_single_precision_is_recognised() -> None:
    series = pd.Series(np.where(np.arange(60) == 3, -999.9, VALUES).astype(np.float32), DAYS)
    made = observations_from_frames(series, weather(), missing_values=-999.9)
    assert made["level"].isnull().values[0].nonzero()[0].tolist() == [3]


def test_nothing_that_is_given_is_changed() -> None:
    levels, frame = pd.Series(VALUES[::-1], DAYS[::-1]), weather()
    before = levels.copy(), frame.copy()
    observations_from_frames(levels, frame, sort=True, missing_values=[VALUES[0]])
    pd.testing.assert_series_equal(levels, before[0])
    pd.testing.assert_frame_equal(frame, before[1])


def test_attributes_are_unchanged() -> None:
    table = pd.DataFrame(
        {"kf": [2, 1], "geo": pd.Categorical(["b", "a"]), "code": ["007", "1"]}, ["w2", "w1"]
    )
    made = observations_from_frames(
        pd.DataFrame({"w1": VALUES, "w2": VALUES}, DAYS), weather(), attributes=table
    )
    assert made["kf"].values.tolist() == [1.0, 2.0]
    assert made["geo"].values.tolist() == ["a", "b"]
    assert made["code"].dtype == object
    assert made["code"].values.tolist() == ["1", "007"]
