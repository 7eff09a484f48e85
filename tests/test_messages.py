"""Malformed input: each kind is refused, and the message says the rule, what was received, and the fix."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.data.assemble import level_from_depth, observations_from_frames
from gwforecast.data.covariates import derive_features, fill_covariates, require_covariates
from gwforecast.schema import SchemaError, validate_observations, validate_simulation
from gwforecast.sequences.split import split_by_date, split_by_fraction

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
        lambda: observations_from_frames(level(), weather().drop(DAYS[1::2])), r"regular.*2 days.*before"),
    "hourly covariates": (
        lambda: observations_from_frames(
            level(), weather().set_axis(pd.date_range("2020", periods=40, freq="h"))),
        r"daily, weekly, monthly or quarterly.*0 days 01:00:00.*step='D'"),
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
    "an infinite attribute": (
        lambda: observations_from_frames(
            level(), weather(), attributes=pd.DataFrame({"kf": [np.inf]}, index=["a"])), r"'kf'.*'a'"),
    "attributes twice": (
        lambda: observations_from_frames(
            level(), weather(), attributes=pd.DataFrame({"kf": [1.0, 2.0]}, index=["a", "a"])),
        r"one row.*several for 'a'.*Remove"),
    "an attribute named as the level": (
        lambda: observations_from_frames(
            level(), weather(), attributes=pd.DataFrame({"level": [1.0]}, index=["a"])),
        r"no other variable has.*'level'.*Rename"),
    "attributes as a Series": (
        lambda: observations_from_frames(level(), weather(), attributes=pd.Series([1.0], ["a"])),
        r"must be a DataFrame.*Series.*to_frame"),
    "the level among the covariates": (
        lambda: observations_from_frames(level(), weather(level=1.0)), r"input to itself.*'level'.*Leave"),
    "the level's column among the covariates": (
        lambda: observations_from_frames(level(), weather(a=1.0)), r"input to itself.*'a'.*Leave"),
    "a flag among the covariates": (
        lambda: observations_from_frames(level(), weather(rain_flag=1.0)), r"'rain_flag'.*rename"),
    "a covariate twice": (
        lambda: observations_from_frames(level(), pd.concat([weather(), weather()], axis=1)),
        r"names of their own.*'rain' twice.*Rename"),
    "covariates without times": (
        lambda: observations_from_frames(level(), weather().reset_index()),
        r"DatetimeIndex.*DataFrame with RangeIndex.*set_index"),
    "covariates as a Series": (
        lambda: observations_from_frames(level(), weather()["rain"]), r"Received Series.*to_frame"),
    "covariates unsorted": (
        lambda: observations_from_frames(level(), weather().iloc[::-1]),
        r"2020-02-08 after 2020-02-09 in the covariates, column 'rain'.*sort=True"),
    "covariates at other hours": (
        lambda: observations_from_frames(
            {"a": level(), "b": level()},
            {"a": weather(), "b": weather().set_axis(DAYS + pd.Timedelta(hours=12))}),
        r"same steps.*2020-01-01 12:00:00.*one axis"),
    "units of no covariate": (
        lambda: observations_from_frames(level(), weather(), covariate_units={"wind": "m/s"}),
        r"by their names. Received 'wind'.*Correct"),
    "a well's column twice": (
        lambda: observations_from_frames(pd.concat([level(), level()], axis=1), weather()),
        r"names of their own.*'a' twice"),
    "two wells under one key": (
        lambda: observations_from_frames({"a": pd.DataFrame({"x": level(), "y": level()})}),
        r"one well only. Received 'a' for 2 wells"),
    "wells in other units": (
        lambda: observations_from_frames(
            {"a": pd.DataFrame({"head": level()}), "b": pd.DataFrame({"head [cm]": level()})}),
        r"same units.*m of well 'a' by 'head' and cm of well 'b'.*Convert"),
    "a depth beside levels": (
        lambda: observations_from_frames(
            {"a": pd.DataFrame({"head": level()}), "b": pd.DataFrame({"dtw": level()})}),
        r"none for well 'b', whose column names a depth.*reference_level=\{'b'"),
    "a height for a level": (
        lambda: observations_from_frames(
            {"a": pd.DataFrame({"head": level()}), "b": pd.DataFrame({"dtw": level()})},
            reference_level=12.0),
        r"no height.*Received one for well 'a'.*reference_level=\{'b'"),
    "true and false": (
        lambda: observations_from_frames(level([True] * 40), weather()), r"numbers.*True of dtype bool"),
    "a height that is none": (
        lambda: level_from_depth(dataset()["level"], reference_level=np.nan), r"finite height.*nan for 'a'"),
    "NaT": (
        lambda: observations_from_frames(level([1.0, 2.0], pd.DatetimeIndex(["2020-01-01", None]))),
        r"needs a time. Received none at row 1"),
    "furlongs": (
        lambda: observations_from_frames(level(), weather(), units="furlong"), r"'furlong'.*convert"),
    "no reference for a well": (
        lambda: level_from_depth(dataset()["level"], reference_level={"b": 1.0}), r"none for 'a'"),
    "mixed units of USGS": (
        lambda: observations_from_frames(pd.DataFrame(
            {"time": DAYS[:2], "value": [1.0, 2.0], "monitoring_location_id": ["a", "a"],
             "unit_of_measure": ["ft", "m"], "parameter_code": ["62611"] * 2})),
        r"62611 are in ft.*'m' in row 1"),
    "depth of USGS": (
        lambda: observations_from_frames(pd.DataFrame(
            {"time": DAYS[:2], "value": [1.0, 2.0], "monitoring_location_id": ["a", "a"],
             "unit_of_measure": ["ft", "ft"], "parameter_code": ["72019"] * 2})),
        r"depth to water.*reference_level"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FRAMES)
def test_malformed_frames_are_refused(kind: str) -> None:
    make, message = FRAMES[kind]
    with pytest.raises(SchemaError, match=f"(?s){message}") as refused:
        make()
    assert_three_beats(str(refused.value))


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
    "an unknown covariate to require": (
        lambda: require_covariates(dataset(), names=["wind"]), SchemaError, r"Received 'wind'.*Correct"),
    "no filling rules": (
        lambda: fill_covariates(dataset(), rules=None), ValueError, r"'by_kind', or a mapping.*None.*Write"),
    "a rule for all that is none": (
        lambda: fill_covariates(dataset(), rules="zero"), ValueError, r"Received 'zero'"),
    "an unknown way to a step": (
        lambda: observations_from_frames(level(), weather(), at_step="median"),
        ValueError, r"at_step must be one of.*'median'.*Correct"),
    "an unknown choice of duplicates": (
        lambda: observations_from_frames(level(), weather(), duplicates="max"),
        ValueError, r"duplicates must be one of.*'max'.*Correct"),
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
    with pytest.raises(error, match=f"(?s){message}") as refused, np.errstate(all="ignore"):
        make()
    assert_three_beats(str(refused.value))


def test_there_are_many_kinds() -> None:
    assert len(FRAMES) + len(DATASETS) >= 60
