"""Months against what is normal for them, and thresholds: counted by hand."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.schema import SchemaError
from gwforecast.verification.distribution import crossing_table
from gwforecast.verification.status import OUTLOOK_CLASSES, LevelStatus, monthly_means


def levels(start: str = "2000-01-01", end: str = "2019-12-31", seed: int = 0) -> xr.Dataset:
    time = pd.date_range(start, end)
    rng = np.random.default_rng(seed)
    years = rng.normal(size=(2, time.year.max() + 1))[:, time.year]
    values = 10 + np.sin(2 * np.pi * time.day_of_year.to_numpy() / 365.25) + 0.3 * years
    return xr.Dataset({"level": (("well", "time"), values)}, {"well": ["a", "b"], "time": time})


def everything(observations: xr.Dataset) -> xr.DataArray:
    return xr.ones_like(observations["level"], dtype=bool)


def fitted(observations: xr.Dataset) -> LevelStatus:
    return LevelStatus().fit(observations, rows=everything(observations))


def test_monthly_means_are_those_of_pandas() -> None:
    observations = levels()
    found = monthly_means(observations["level"])
    expected = observations["level"].sel(well="b").to_series().resample("MS").mean()
    np.testing.assert_allclose(found.sel(well="b").values, expected.to_numpy())
    np.testing.assert_array_equal(found["month"].values, expected.index.to_numpy())


def test_a_month_with_few_of_its_usual_levels_has_no_mean() -> None:
    observations = levels()
    days = observations["time"].dt.day.values
    in_may = (observations["time"].dt.strftime("%Y-%m") == "2005-05").values
    observations["level"].values[0, in_may & (days > 14)] = np.nan
    found = monthly_means(observations["level"]).sel(month="2005-05-01").values
    assert np.isnan(found[0])
    assert np.isfinite(found[1])
    weekly = observations["level"].where(observations["time"].dt.dayofweek == 0)
    assert np.isfinite(monthly_means(weekly).values[1]).all()


def test_percentiles_are_weibulls_positions_of_the_same_month() -> None:
    observations = levels()
    status = fitted(observations)
    means = monthly_means(observations["level"]).sel(well="a")
    june = means[means["month"].dt.month == 6].values
    found = status.percentile(june, well="a", month=6)
    rank = june.argsort().argsort() + 1
    np.testing.assert_allclose(found, 100 * rank / 21)
    beyond = status.percentile(np.array([-99.0, 99.0, np.nan]), well="a", month=6)
    np.testing.assert_allclose(beyond[:2], [100 / 21, 2000 / 21])
    assert np.isnan(beyond[2])
    np.testing.assert_allclose(status.level_at(found, well="a", month=6), june)


def test_equal_levels_share_a_percentile() -> None:
    observations = levels()
    observations["level"][:] = 5.0
    found = fitted(observations).percentile(np.array([5.0]), well="a", month=1)
    np.testing.assert_allclose(found, 50.0)


def test_levels_beyond_equal_ones_are_beyond_them() -> None:
    observations = levels()
    observations["level"][:] = 5.0
    status = fitted(observations)
    beyond = {"level": np.array([4.0, 6.0]), "well": "a", "month": 1}
    np.testing.assert_allclose(status.percentile(**beyond), [100 / 21, 2000 / 21])
    np.testing.assert_allclose(status.index(**beyond), [-1.96, 1.96], atol=1e-3)


@pytest.mark.parametrize(
    ("percentile", "name"),
    [(3, "exceptionally low"), (10, "notably low"), (20, "below normal"), (50, "normal"),
     (80, "above normal"), (90, "notably high"), (97, "exceptionally high")],
)  # fmt: skip
def test_classes_are_those_of_the_outlooks(percentile: float, name: str) -> None:
    observations = levels("1900-01-01", "1999-12-31")
    status = fitted(observations)
    value = status.level_at(np.array([percentile]), well="a", month=3)
    assert (
        status._row("a", np.datetime64("2000-03-01"), float(value[0]), "observed")["class"] == name
    )


def test_a_shift_of_the_datum_changes_no_state() -> None:
    observations = levels()
    shifted = observations.assign(level=observations["level"] + 1000)
    one, other = (fitted(data).table(data) for data in (observations, shifted))
    for column in ("percentile", "index"):
        np.testing.assert_allclose(one[column], other[column], atol=1e-6)
    assert (one["class"] == other["class"]).all()


def test_the_index_is_that_of_pastas_on_monthly_means() -> None:
    pastas = pytest.importorskip("pastas")
    time = pd.date_range("2000-01-01", "2019-12-31")
    level = 10 + np.random.default_rng(4).normal(size=(1, time.size)).cumsum(axis=1) / 50
    observations = xr.Dataset({"level": (("well", "time"), level)}, {"well": ["a"], "time": time})
    status = LevelStatus().fit(observations, rows=xr.ones_like(observations["level"], dtype=bool))
    found = status.table(observations).set_index("time")["index"]
    means = pd.Series(level[0], time).resample("MS").mean()
    expected = pastas.stats.sgi(means)
    np.testing.assert_allclose(found.to_numpy(), expected.loc[found.index].to_numpy(), atol=1e-9)
    assert found.min() == pytest.approx(-1.96, abs=0.001)  # one of 20 years
    assert found.max() == pytest.approx(1.96, abs=0.001)


def test_the_index_is_standard_normal_in_the_reference() -> None:
    observations = levels("1960-01-01", "2019-12-31")
    table = fitted(observations).table(observations)
    for _, of_month in table[table["well"] == "a"].groupby(table["time"].dt.month):
        assert abs(of_month["index"].mean()) < 1e-6
        assert 0.9 < of_month["index"].std() < 1.0


def test_levels_after_the_reference_change_no_percentile() -> None:
    observations = levels()
    rows = everything(observations) & (observations["time"] < np.datetime64("2015-01-01"))
    changed = observations.assign(level=observations["level"].where(rows, 1e6))
    one, other = (LevelStatus().fit(data, rows=rows) for data in (observations, changed))
    for ours, theirs in zip(one.reference_, other.reference_, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_short_reference_is_refused() -> None:
    observations = levels("2013-01-01", "2019-12-31")
    with pytest.raises(SchemaError, match=r"at least 8 years .* 'a' has 7 of month 1"):
        fitted(observations)


def forecast_of(values: np.ndarray, issued: str = "2019-06-15") -> xr.Dataset:
    """Return a forecast of both wells, shape (lead_time, quantile)."""
    level = np.broadcast_to(values, (2, 1, *values.shape))
    empty = schema.label_forecast(
        level[..., 0], wells=["a", "b"], issue_times=np.array([issued], "datetime64[us]"),
        frequency="D",
    )  # fmt: skip
    dims = ("well", "issue_time", "lead_time", "quantile")
    return empty.assign_coords(quantile=list(QUANTILES)).assign(level=(dims, level.copy()))


def test_the_month_of_the_issue_time_is_observed_and_forecast() -> None:
    observations = levels()
    status = fitted(observations)
    spread = np.linspace(-0.1, 0.1, len(QUANTILES))
    table = status.table(observations, forecast_of(np.full((46, 7), 9.0) + spread))
    ahead = table[(table["source"] == "forecast") & (table["well"] == "a")].set_index("time")
    assert ahead.index.strftime("%m-%d").tolist() == ["06-01", "07-01"]
    past = observations["level"].sel(well="a", time=slice("2019-06-01", "2019-06-15")).values
    expected = (past.sum() + 15 * 9.0) / 30
    assert ahead.loc["2019-06-01", "level"] == pytest.approx(expected)
    assert ahead.loc["2019-07-01", "level"] == pytest.approx(9.0)
    # nothing observed after the issue time is in the table
    assert table[table["source"] == "observed"]["time"].max() == pd.Timestamp("2019-05-01")


def test_probabilities_of_classes_add_up_and_tell_low_from_high() -> None:
    observations = levels()
    status = fitted(observations)
    spread = np.linspace(-0.1, 0.1, len(QUANTILES))
    for height, sure in ((-50.0, OUTLOOK_CLASSES[0]), (99.0, OUTLOOK_CLASSES[-1])):
        table = status.table(observations, forecast_of(np.full((46, 7), height) + spread))
        july = table[(table["time"] == "2019-07-01") & (table["well"] == "b")].iloc[0]
        chances = [july[f"p_{name.replace(' ', '_')}"] for name in OUTLOOK_CLASSES]
        assert sum(chances) == pytest.approx(1.0)
        assert july[f"p_{sure.replace(' ', '_')}"] == pytest.approx(1.0)
        assert july[["p_below", "p_near", "p_above"]].sum() == pytest.approx(1.0)


def test_a_month_that_is_not_reached_to_its_end_has_no_state() -> None:
    observations = levels()
    table = fitted(observations).table(observations, forecast_of(np.full((30, 7), 9.0)))
    assert table[table["source"] == "forecast"]["time"].unique().tolist() == [
        pd.Timestamp("2019-06-01")
    ]


def test_crossings_of_members_are_counted() -> None:
    rng = np.random.default_rng(0)
    members = rng.normal(size=(2, 3, 20, 400)).cumsum(axis=2)
    issued = np.array(["2019-01-01", "2019-02-01", "2019-03-01"], "datetime64[us]")
    forecast = schema.label_forecast(members, wells=["a", "b"], issue_times=issued, frequency="D")
    table = crossing_table(forecast, {"a": -2.0, "b": -4.0})
    for row in table.itertuples():
        well, issue = (
            ["a", "b"].index(row.well),
            issued.tolist().index(row.issue_time.to_pydatetime()),
        )
        below = (members[well, issue] < row.threshold).any(axis=0)
        assert row.probability == pytest.approx(below.mean())
        by = [(members[well, issue, : n + 1] < row.threshold).any(axis=0).mean() for n in range(20)]
        first = next((n for n, share in enumerate(by) if share >= 0.1), None)
        expected = forecast["valid_time"].values[issue, first]
        assert row.first_10 == pd.Timestamp(expected)


def test_crossings_of_quantiles_follow_the_lowest_course() -> None:
    center = np.linspace(10, 8, 40)[:, None]
    forecast = forecast_of(center + np.linspace(-1, 1, 7))
    table = crossing_table(forecast, 8.5)
    assert table["probability"].between(0.5, 1).all()
    middle = forecast["valid_time"].values[0][center[:, 0] < 8.5][0]
    assert (table["first_50"] == middle).all()
    assert (table["first_10"] < table["first_50"]).all()
    assert crossing_table(forecast, -100.0)["first_10"].isna().all()
    high = crossing_table(forecast, 10.5, above=True)
    assert high["probability"].between(0.05, 0.5).all()


def test_each_well_needs_a_threshold() -> None:
    with pytest.raises(SchemaError, match="Received none for 'b'"):
        crossing_table(forecast_of(np.zeros((5, 7))), {"a": 1.0})
