"""Probabilities of events and terciles: closed forms, exact parts, calibrated and useless cases."""

import numpy as np
import pandas as pd
import pytest
import scoringrules
import xarray as xr
from scipy import stats

from gwforecast import schema
from gwforecast.schema import SchemaError
from gwforecast.verification.events import (
    brier_scores,
    event_probability,
    pit_values,
    probability_definitions,
    reliability_table,
    tercile_limits,
    tercile_scores,
)

QUANTILES = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
Z = stats.norm.ppf(QUANTILES)
ISSUES, LEADS = 600, 2
DIMS = ("model", "well", "issue_time", "lead_time", "quantile")


def label(values: np.ndarray, models: list[str], wells: list[str]) -> xr.Dataset:
    """Return hindcasts of values (model, well, issue_time, lead_time, quantile)."""
    time = np.datetime64("2000-01-01", "us") + np.arange(values.shape[2]) * np.timedelta64(1, "D")
    frame = schema.label_forecast(
        np.zeros(values.shape[1:4]), wells=wells, issue_times=time, frequency="D"
    ).drop_vars("level")
    return frame.assign_coords(model=models, quantile=QUANTILES).assign(level=(DIMS, values))


def one(values: np.ndarray) -> xr.Dataset:
    """Return a single forecast with these quantiles."""
    return label(np.asarray(values, float)[None, None, None, None], ["m"], ["a"])


@pytest.fixture
def observations() -> xr.Dataset:
    """Return levels of signal and noise, the first of which a forecast knows."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(2, ISSUES + LEADS))
    time = np.datetime64("2000-01-01", "us") + np.arange(ISSUES + LEADS) * np.timedelta64(1, "D")
    data = {"level": (("well", "time"), signal + rng.normal(size=signal.shape)),
            "signal": (("well", "time"), signal)}  # fmt: skip
    return xr.Dataset(data, {"well": ["a", "b"], "time": time})


@pytest.fixture
def hindcasts(observations: xr.Dataset) -> xr.Dataset:
    signal, level = (
        np.stack([observations[name].values[:, k : k + ISSUES] for k in (1, 2)], axis=-1)[..., None]
        for name in ("signal", "level")
    )
    climate = np.sqrt(2) * Z + np.zeros_like(signal)
    return label(
        np.stack([signal + Z, signal + 0.3 * Z, climate, level + 0 * Z]),
        ["calibrated", "narrow", "climatology", "perfect"],
        ["a", "b"],
    )


def values(table: pd.DataFrame, model: str, metric: str) -> np.ndarray:
    chosen = table[(table["model"] == model) & (table["metric"] == metric)]
    return chosen["value"].to_numpy()


@pytest.mark.parametrize("threshold", [-6.0, -2.5, -1.96, 0.0, 0.67449, 1.5, 3.0, 6.0])
def test_probabilities_of_a_normal_forecast(threshold: float) -> None:
    below = event_probability(one(Z), threshold).item()
    above = event_probability(one(Z), threshold, above=True).item()
    assert below + above == pytest.approx(1)
    exact = stats.norm.cdf(threshold)
    if abs(threshold) >= 1.96:  # the tails are those of the normal distribution
        assert below == pytest.approx(exact, rel=1e-4)
    assert below == pytest.approx(exact, abs=0.012)
    assert 0 < below < 1


def test_the_quantiles_are_where_they_are_said_to_be() -> None:
    level = np.array([0.0, 1.0, 4.0, 5.0, 5.5, 9.0, 12.0])
    for threshold, quantile in zip(level, QUANTILES, strict=True):
        assert event_probability(one(level), threshold).item() == pytest.approx(quantile)
    assert event_probability(one(level), 2.5).item() == pytest.approx(0.175)
    crossed = level[[0, 2, 1, 3, 4, 6, 5]]
    assert event_probability(one(crossed), 2.5).item() == pytest.approx(0.175)


def test_probabilities_grow_with_the_threshold() -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        forecast = one(np.sort(rng.normal(size=7).round(1)))  # some are equal
        chances = [event_probability(forecast, t).item() for t in np.arange(-4, 4, 0.1)]
        assert (np.diff(chances) >= 0).all()
        assert chances[0] >= 0
        assert chances[-1] <= 1


def test_a_step_is_below_only_what_lies_above_it() -> None:
    for forecast in (one(np.full(7, 2.0)), one([np.nan] * 3 + [2.0] + [np.nan] * 3)):
        at = {t: event_probability(forecast, t).item() for t in (1.9, 2.0, 2.1)}
        assert at == {1.9: 0.0, 2.0: 0.0, 2.1: 1.0}
        above = {t: event_probability(forecast, t, above=True).item() for t in (1.9, 2.0, 2.1)}
        assert above == {1.9: 1.0, 2.0: 0.0, 2.1: 0.0}
    partly = one([1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0])  # a quarter of the weight is on 1
    assert event_probability(partly, 1.0).item() == 0
    assert event_probability(partly, 1.0, above=True).item() == pytest.approx(0.75)


def test_no_forecast_or_threshold_gives_no_probability(hindcasts: xr.Dataset) -> None:
    assert np.isnan(event_probability(one(np.full(7, np.nan)), 0.0)).all()
    limits = xr.DataArray([0.0, np.nan], {"well": ["a", "b"]}, "well")
    chances = event_probability(hindcasts, limits)
    assert chances.dims == DIMS[:-1]
    assert chances.sel(well="a").notnull().all()
    assert chances.sel(well="b").isnull().all()


def test_thresholds_by_well_are_those_of_each(hindcasts: xr.Dataset) -> None:
    limits = xr.DataArray([0.3, -0.5], {"well": ["a", "b"]}, "well")
    chances = event_probability(hindcasts, limits)
    for well in ("a", "b"):
        alone = event_probability(hindcasts.sel(well=[well]), float(limits.sel(well=well)))
        xr.testing.assert_equal(chances.sel(well=[well]), alone)
    with pytest.raises(SchemaError, match="labels of the hindcasts"):
        event_probability(hindcasts, limits.assign_coords(well=["a", "z"]))
    with pytest.raises(SchemaError, match="has some of the dims"):
        event_probability(hindcasts, xr.DataArray([0.0, 1.0], dims="month"))


def test_pit_of_calibrated_and_other_forecasts(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    pit = pit_values(hindcasts, observations)
    calibrated = pit.sel(model="calibrated", lead_time=pit["lead_time"][0]).values.ravel()
    assert stats.kstest(calibrated, "uniform").pvalue > 0.01
    narrow = pit.sel(model="narrow").values
    assert np.mean((narrow < 0.025) | (narrow > 0.975)) > 0.4
    assert (pit.sel(model="perfect") == 0.5).all()  # the middle of the step
    drawn = pit_values(hindcasts, observations, seed=0).sel(model="perfect").values.ravel()
    assert stats.kstest(drawn[::2], "uniform").pvalue > 0.01
    median = hindcasts.where(hindcasts["quantile"] == 0.5)
    assert pit_values(median, observations).isnull().all()


def test_the_brier_score_and_its_parts(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    holed = observations.assign(level=observations["level"].where(observations["level"] < 2.5))
    table = brier_scores(hindcasts, holed, -0.4)
    assert list(table) == [
        "model",
        "well",
        "lead",
        "lead_time",
        "metric",
        "value",
        "n",
        "not_scored",
    ]
    assert set(table["metric"]) <= set(probability_definitions())
    chances = event_probability(hindcasts, -0.4)
    for (model, well, lead), part in table.groupby(["model", "well", "lead"]):
        level = holed["level"].sel(well=well).values[lead : lead + ISSUES]
        known = np.isfinite(level)
        p = chances.sel(model=model, well=well).values[known, lead - 1]
        o = (level[known] < -0.4).astype(float)
        found = part.set_index("metric")["value"]
        assert (part["n"] == known.sum()).all()
        assert found["brier"] == pytest.approx(scoringrules.brier_score(o, p).mean())
        assert found["frequency"] == pytest.approx(o.mean())
        assert found["skill_brier"] == pytest.approx(1 - found["brier"] / o.var())
        whole = found["reliability"] - found["resolution"] + found["uncertainty"]
        assert whole == pytest.approx(found["brier"])
        bins = np.minimum((p * 10).astype(int), 9)
        parts = [(bins == k).mean() * (p[bins == k].mean() - o[bins == k].mean()) ** 2
                 for k in np.unique(bins)]  # fmt: skip
        assert found["reliability"] == pytest.approx(sum(parts))


def test_brier_scores_of_perfect_and_useless_forecasts(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    table = brier_scores(hindcasts, observations, 0.2, above=True)
    assert (values(table, "perfect", "brier") == 0).all()
    assert (values(table, "perfect", "skill_brier") == 1).all()
    np.testing.assert_allclose(values(table, "climatology", "resolution"), 0, atol=1e-12)
    np.testing.assert_allclose(values(table, "climatology", "skill_brier"), 0, atol=0.02)
    assert (values(table, "calibrated", "reliability") < 0.01).all()
    assert (values(table, "narrow", "reliability") > 0.02).all()
    # what lies outside the scored event is the complement, with the same score
    below = brier_scores(hindcasts, observations, 0.2)
    np.testing.assert_allclose(values(below, "narrow", "brier"), values(table, "narrow", "brier"))


def test_a_known_frequency_is_the_reference(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    given = brier_scores(hindcasts, observations, 0.0, frequency=0.9)
    found = brier_scores(hindcasts, observations, 0.0)
    happened = values(found, "narrow", "frequency")
    reference = happened * (1 - happened) + (0.9 - happened) ** 2
    np.testing.assert_allclose(
        values(given, "narrow", "skill_brier"), 1 - values(found, "narrow", "brier") / reference
    )


def test_rows_without_level_have_no_part(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    level = hindcasts["level"].copy(deep=True)
    level[0, 0, 50:90] = np.nan
    spoilt = level.copy(deep=True)
    spoilt[1:, 0, 50:90] = 1e6
    pair = [hindcasts.assign(level=one) for one in (level, spoilt)]
    tables = [brier_scores(each, observations, 0.0) for each in pair]
    pd.testing.assert_frame_equal(*tables)
    assert set(tables[0].loc[tables[0]["well"] == "a", "n"]) == {ISSUES - 40}
    pd.testing.assert_frame_equal(*(reliability_table(each, observations, 0.0) for each in pair))
    silent = hindcasts.assign(level=hindcasts["level"].where(hindcasts["model"] != "narrow"))
    assert "narrow" not in set(brier_scores(silent, observations, 0.0)["model"])


def test_scores_are_free_of_the_datum_and_the_order(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    keys = ["model", "well", "lead", "metric"]
    table = brier_scores(hindcasts, observations, 0.25).set_index(keys)
    moved = brier_scores(
        hindcasts.assign(level=hindcasts["level"] + 64), observations + 64, 64.25
    ).set_index(keys)
    some = table.index.get_level_values("model") != "perfect"
    pd.testing.assert_frame_equal(table[some], moved[some], rtol=1e-6, atol=1e-9)
    turned = brier_scores(hindcasts.isel(model=[3, 1, 0, 2], well=[1, 0]), observations, 0.25)
    pd.testing.assert_frame_equal(table, turned.set_index(keys).reindex(table.index))


def test_the_table_of_bins(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    table = reliability_table(hindcasts, observations, 0.0)
    assert list(table) == ["model", "bin", "probability", "frequency", "n", "lower", "upper"]
    assert (table.groupby("model")["n"].sum() == 2 * ISSUES * LEADS).all()
    calibrated = table[table["model"] == "calibrated"]
    within = (calibrated["lower"] <= calibrated["probability"] + 0.02) & (
        calibrated["upper"] >= calibrated["probability"] - 0.02
    )
    assert within.mean() >= 0.9
    assert (calibrated["probability"] * 10).astype(int).tolist() == calibrated["bin"].tolist()
    assert calibrated["bin"].tolist() == list(range(10))
    assert (table["lower"] <= table["frequency"]).all()
    assert (table["frequency"] <= table["upper"]).all()
    perfect = table[table["model"] == "perfect"]
    assert perfect["frequency"].tolist() == [0.0, 1.0]
    assert (perfect["upper"] == perfect["lower"]).all()
    narrow = table[table["model"] == "narrow"].set_index("bin")["frequency"]
    assert narrow[0] > 0.08  # said to be next to impossible
    with pytest.raises(ValueError, match="bins=0"):
        reliability_table(hindcasts, observations, 0.0, bins=0)


def test_no_pair_gives_an_empty_table(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    assert reliability_table(hindcasts, observations * np.nan, 0.0).empty
    assert brier_scores(hindcasts, observations * np.nan, 0.0).empty


@pytest.mark.parametrize("by", ["month", "all"])
def test_limits_part_the_reference_levels_in_thirds(
    hindcasts: xr.Dataset, observations: xr.Dataset, by: str
) -> None:
    rows = xr.ones_like(observations["level"], dtype=bool)
    limits = tercile_limits(observations, hindcasts, rows=rows, by=by)  # type: ignore[arg-type]
    assert limits.dims == ("tercile", "well", "issue_time", "lead_time")
    level = observations["level"].values[:, 1 : ISSUES + 1]
    low, high = limits.isel(lead_time=0).values
    assert np.mean(level < low) == pytest.approx(1 / 3, abs=0.02)
    assert np.mean(level > high) == pytest.approx(1 / 3, abs=0.02)
    if by == "month":
        month = hindcasts["valid_time"].isel(lead_time=0).dt.month.values
        january = observations["level"].values[0][observations["time"].dt.month.values == 1]
        expected = np.quantile(january, [1 / 3, 2 / 3])
        np.testing.assert_allclose([low[0, month == 1][0], high[0, month == 1][0]], expected)


def test_limits_know_the_chosen_rows_only(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    rows = observations["time"] < observations["time"].values[400]
    rows = rows & xr.ones_like(observations["level"], dtype=bool)
    spoilt = observations.assign(level=observations["level"].where(rows, 1e6))
    for by in ("month", "all"):
        pair = [
            tercile_limits(each, hindcasts, rows=rows, by=by) for each in (observations, spoilt)
        ]  # type: ignore[arg-type]
        xr.testing.assert_identical(*pair)
    with pytest.raises(ValueError, match="Received 'week'"):
        tercile_limits(observations, hindcasts, rows=rows, by="week")  # type: ignore[arg-type]


def test_terciles_are_scored(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    rows = xr.ones_like(observations["level"], dtype=bool)
    limits = tercile_limits(observations, hindcasts, rows=rows, by="all")
    below = event_probability(hindcasts, limits.isel(tercile=0, drop=True))
    above = event_probability(hindcasts, limits.isel(tercile=1, drop=True), above=True)
    chances = xr.concat([below, 1 - below - above, above], "category").transpose(..., "category")
    np.testing.assert_allclose(chances.sel(model="climatology"), 1 / 3, atol=0.04)
    table = tercile_scores(hindcasts, observations, limits)
    level = observations["level"].values[:, 1 : ISSUES + 1]
    low, high = limits.isel(lead_time=0).values
    for well in (0, 1):
        o = (level[well] >= low[well]).astype(float) + (level[well] > high[well])
        p = chances.sel(model="narrow").isel(well=well, lead_time=0).values
        expected = scoringrules.rps_score(o + 1, p).mean() / 2
        found = table[(table["lead"] == 1) & (table["well"] == "ab"[well])]
        assert values(found, "narrow", "rps").item() == pytest.approx(expected)
        third = np.full_like(p, 1 / 3)
        reference = scoringrules.rps_score(o + 1, third).mean() / 2
        assert values(found, "narrow", "skill_rps").item() == (
            pytest.approx(1 - expected / reference)
        )
    assert (values(table, "perfect", "rps") == 0).all()
    assert (values(table, "perfect", "skill_rps") == 1).all()
    assert (values(table, "calibrated", "skill_rps") > values(table, "narrow", "skill_rps")).all()
    np.testing.assert_allclose(values(table, "climatology", "skill_rps"), 0, atol=0.03)
