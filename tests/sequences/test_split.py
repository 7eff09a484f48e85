import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.schema import SchemaError
from gwforecast.sequences.split import (
    PERIODS,
    RandomSplit,
    Split,
    random_split,
    require_sequential,
    split_by_date,
    split_by_fraction,
)


def observed(levels, *, start="2020-01-01", freq="D"):
    levels = np.atleast_2d(np.asarray(levels, float))
    times = pd.date_range(start, periods=levels.shape[1], freq=freq)
    wells = [f"w{i}" for i in range(levels.shape[0])]
    return xr.Dataset(
        {"level": (("well", "time"), levels)}, {"well": wells, "time": times.to_numpy()}
    )


def bounds(rows):
    edges = np.array(rows, dtype="datetime64[us]")
    return xr.Dataset(
        {p: (("well", "edge"), edges[:, i]) for i, p in enumerate(PERIODS)},
        {"well": [f"w{i}" for i in range(len(rows))], "edge": ["start", "end"]},
    )


def test_fractions_count_observed_levels_of_each_well_apart():
    levels = np.full((2, 100), np.nan)
    levels[0] = 1.0
    levels[1, 50:60] = 1.0
    observations = observed(levels)
    table = split_by_fraction(observations).to_frame(observations)
    assert table["levels"].tolist() == [60, 20, 20, 6, 2, 2]
    assert table.loc[3, "start"] == pd.Timestamp("2020-01-01")
    assert table.loc[5, "end"] == pd.Timestamp("2020-02-29")


def test_each_row_up_to_the_last_level_lies_in_a_period_or_a_gap():
    levels = np.append(np.ones(10), [np.nan, np.nan])
    observations = observed(levels)
    split = split_by_fraction(observations, gap=1)
    rows = {p: np.flatnonzero(split.rows(observations, p).values[0]).tolist() for p in PERIODS}
    assert rows == {"train": [0, 1, 2, 3, 4, 5], "validation": [7], "test": [9]}


def test_without_validation_the_test_period_follows_training():
    observations = observed(np.ones(10))
    split = split_by_fraction(observations, train=0.7, validation=0.0)
    assert np.isnat(split.start("validation").values).all()
    assert split.start("test").values[0] == np.datetime64("2020-01-08")
    assert split.end_through("validation").values[0] == np.datetime64("2020-01-07")
    assert not split.rows(observations, "validation").any()


def test_dates_between_steps_fall_to_the_next_step():
    observations = observed(np.ones(10), start="2020-01-06", freq="W-MON")
    split = split_by_date(observations, validation_start="2020-01-21", test_start="2020-02-10")
    assert split.end("train").values[0] == np.datetime64("2020-01-20")
    assert split.start("validation").values[0] == np.datetime64("2020-01-27")
    assert split.end("validation").values[0] == np.datetime64("2020-02-03")
    assert split.start("test").values[0] == np.datetime64("2020-02-10")


def test_a_test_period_that_is_not_observed_yet_does_not_exist():
    levels = np.append(np.ones(8), [np.nan, np.nan])
    split = split_by_date(observed(levels), validation_start="2020-01-06", test_start="2020-01-09")
    assert np.isnat(split.bounds["test"].values).all()
    assert split.end_through("test").values[0] == np.datetime64("2020-01-08")


def test_dates_with_a_time_zone_are_utc():
    observations = observed(np.ones(10))
    split = split_by_date(
        observations,
        validation_start=pd.Timestamp("2020-01-05 01:00", tz="Europe/Amsterdam"),
        test_start="2020-01-08",
    )
    assert split.start("validation").values[0] == np.datetime64("2020-01-05")


def test_rows_follow_the_order_of_the_observations():
    levels = np.full((2, 10), np.nan)
    levels[0], levels[1, :5] = 1.0, 1.0
    observations = observed(levels)
    split = split_by_fraction(observations)
    turned = observations.isel(well=[1, 0])
    xr.testing.assert_equal(
        split.rows(turned, "train"), split.rows(observations, "train").isel(well=[1, 0])
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda o: split_by_fraction(o, train=0.9, validation=0.2), ValueError, "at most 1"),
        (lambda o: split_by_fraction(o, train=0.0), ValueError, "must be positive"),
        (lambda o: split_by_fraction(o, gap=-1), ValueError, "at least 0 steps. Received -1"),
        (lambda o: split_by_fraction(o, gap=3), SchemaError, "'w0' has none left in validation"),
        (lambda o: split_by_fraction(o * np.nan), SchemaError, "has 0 levels"),
        (
            lambda o: split_by_date(o, validation_start="2020-01-08", test_start="2020-01-05"),
            SchemaError,
            "must be in order",
        ),
        (
            lambda o: split_by_date(o, validation_start="2021-01-08", test_start="2021-05-05"),
            SchemaError,
            "in order and within the data",
        ),
        (
            lambda o: split_by_date(o, validation_start="2020-01-04", test_start="2050-01-01"),
            SchemaError,
            "in order and within the data",
        ),
        (
            lambda o: split_by_date(
                o, validation_start="2020-01-04", test_start="2020-01-08", test_end="2020-01-07"
            ),
            SchemaError,
            "2020-01-07",
        ),
        (
            lambda o: split_by_date(
                o.where(o.time > np.datetime64("2020-01-05")),
                validation_start="2020-01-05",
                test_start="2020-01-08",
            ),
            SchemaError,
            "needs a level before validation_start, 2020-01-05. Well 'w0'",
        ),
        (
            lambda o: split_by_fraction(o).rows(o.assign_coords(well=["other"]), "train"),
            SchemaError,
            "Received well 'other'",
        ),
    ],
)
def test_messages(call, error, message):
    with pytest.raises(error, match=message):
        call(observed(np.ones(10)))


@pytest.mark.parametrize(
    "row",
    [
        [["NaT", "NaT"], ["2020-01-02", "2020-01-03"], ["2020-01-04", "2020-01-05"]],
        [["2020-01-01", "2020-01-02"], ["2020-01-02", "2020-01-03"], ["NaT", "NaT"]],
        [["2020-01-03", "2020-01-02"], ["NaT", "NaT"], ["NaT", "NaT"]],
        [["2020-01-04", "2020-01-05"], ["NaT", "NaT"], ["2020-01-01", "2020-01-02"]],
    ],
)
def test_bounds_out_of_order_are_refused(row):
    with pytest.raises(SchemaError, match=r"(?s)be in order and not overlap.*'w0'"):
        Split(bounds([row]))


def test_bounds_without_a_period_are_refused():
    row = [["2020-01-01", "2020-01-02"]] * 3
    with pytest.raises(SchemaError, match="are the variables train, validation, test"):
        Split(bounds([row]).drop_vars("test"))


def test_a_random_split_warns_draws_all_levels_and_refuses_sequences():
    observations = observed(np.where(np.arange(200) % 2, 1.0, np.nan))
    with pytest.warns(UserWarning, match="random split of a time series leaks") as caught:
        split = random_split(observations, seed=3)
    assert caught[0].filename == __file__
    counts = [int(split.levels(observations, p).notnull().sum()) for p in PERIODS]
    assert counts == [60, 20, 20]
    assert not (split.rows(observations, *PERIODS) & observations.level.isnull()).any()
    for refused in (lambda: require_sequential(split), lambda: split.start("train"),
                    lambda: split.end("test")):  # fmt: skip
        with pytest.raises(TypeError, match=r"in time\. Received a RandomSplit"):
            refused()


@pytest.mark.filterwarnings("ignore:A random split of a time series")
def test_a_random_draw_of_a_well_does_not_depend_on_its_neighbours():
    observations = observed(np.ones((3, 50)))
    together = random_split(observations).periods.sel(well="w1")
    alone = random_split(observations.sel(well=["w1"])).periods.sel(well="w1")
    assert isinstance(random_split(observations), RandomSplit)
    xr.testing.assert_identical(together, alone)
    with pytest.raises(SchemaError, match="'w0' has none"):
        random_split(observations.where(observations.well != "w0"))
