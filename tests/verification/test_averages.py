"""Averages of chunks add up to those of the whole, and a metric is in every table of scores."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gwforecast import schema
from gwforecast.sequences.split import split_by_fraction
from gwforecast.verification.archived import VerifiedForecast, verified_scores
from gwforecast.verification.averages import Averages, Pairs, score_pairs
from gwforecast.verification.lead_scoring import lead_definitions, lead_scores
from gwforecast.verification.metrics import METRICS, level_metrics, metric
from gwforecast.verification.scoring import definitions, score_table

QUANTILES = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
Z = np.array([-1.96, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.96])
AVERAGED = {name: metric for name, metric in METRICS.items() if metric.averaged}
WHOLE = {"kgenp", "mae_low", "mae_high", "persistency_index"}


def random_pairs(n: int = 60, *, seed: int = 0, datum: float = 0.0) -> Pairs:
    """Two models of three series, with gaps; all at or above a datum."""
    rng = np.random.default_rng(seed)
    observed = datum + 3 + rng.normal(size=(3, n)).cumsum(axis=1)
    level = observed[..., None] + rng.normal(0.1, 0.4, size=(2, 3, n, 1)) + 0.5 * Z
    observed[1, ::5] = np.nan
    return Pairs(observed, level, QUANTILES, np.isfinite(observed), prior=np.full(3, datum + 2.5))


def part(pairs: Pairs, rows: slice) -> Pairs:
    chosen = pairs.observed[:, rows], pairs.level[:, :, rows]
    return Pairs(*chosen, QUANTILES, pairs.rows[:, rows], prior=pairs.prior)


@pytest.mark.parametrize("name", AVERAGED)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=4), st.integers(0, 99), st.sampled_from([0, 1e4]))
def test_chunks_add_up_to_the_whole(name: str, cuts: list[int], seed: int, datum: float) -> None:
    pairs = random_pairs(seed=seed, datum=datum)
    chosen = {name: AVERAGED[name]}
    whole = Averages.of(pairs, chosen).values()[name]
    bounds = [0, *sorted(cuts), 60]
    chunks = [part(pairs, slice(a, b)) for a, b in itertools.pairwise(bounds)]
    added = Averages.of(chunks[0], chosen)
    for chunk in chunks[1:]:
        added = added.extended(chunk)
    assert whole.shape == (2, 3)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(added.values()[name], whole, rtol=1e-9)
    np.testing.assert_array_equal(added.n, pairs.rows.sum(axis=-1))


@pytest.mark.parametrize("name", AVERAGED)
def test_shards_with_one_origin_add_up_in_any_order(name: str) -> None:
    pairs = random_pairs()
    chosen = {name: AVERAGED[name]}
    first, second, third = (part(pairs, slice(k, k + 20)) for k in (0, 20, 40))
    origin = first.about
    second.origin, third.origin = origin, origin
    a, b, c = (Averages.of(shard, chosen) for shard in (first, second, third))
    whole = Averages.of(pairs, chosen).values()[name]
    np.testing.assert_allclose((c + (a + b)).values()[name], whole, rtol=1e-9)


@pytest.mark.parametrize("name", level_metrics())
def test_the_engine_gives_the_value_of_the_metric_alone(name: str) -> None:
    pairs = random_pairs(datum=20.0)
    found = score_pairs(pairs, {name: METRICS[name]})[name]
    extra = {"reference": 22.5} if name == "nse_reference" else {}
    for model, series in np.ndindex(2, 3):
        alone = METRICS[name].function(
            observed=pairs.observed[series], predicted=pairs.level[model, series, :, 3], **extra
        )
        assert found[model, series] == pytest.approx(alone, rel=1e-10)


@pytest.mark.parametrize("name", sorted(set(METRICS) - set(level_metrics())))
def test_the_engine_gives_the_value_of_metrics_of_quantiles(name: str) -> None:
    pairs = random_pairs()
    found = score_pairs(pairs, {name: METRICS[name]})[name]
    alone = METRICS[name].function(
        observed=pairs.observed[1], predicted=pairs.level[0, 1], quantiles=QUANTILES
    )
    assert found[0, 1] == pytest.approx(alone, rel=1e-12)


def test_metrics_of_whole_series_say_so() -> None:
    assert set(METRICS) - set(AVERAGED) == WHOLE
    for name in WHOLE:
        assert METRICS[name].definition.endswith("of whole series only"), name


def test_no_digits_are_lost_high_above_the_datum() -> None:
    low, high = random_pairs(seed=3), random_pairs(seed=3, datum=2.0**20)
    free = {name: metric for name, metric in AVERAGED.items() if metric.datum_free}
    at_datum, above = score_pairs(low, free), score_pairs(high, free)
    for name in free:
        np.testing.assert_allclose(above[name], at_datum[name], rtol=1e-7, err_msg=name)


def test_equal_levels_have_no_efficiency_in_chunks_either() -> None:
    level = np.random.default_rng(0).normal(size=(1, 1, 20, 7))
    flat = Pairs(np.full((1, 20), 0.1), level, QUANTILES, np.ones((1, 20), bool),
                 prior=np.array([0.3]))  # fmt: skip
    values = score_pairs(flat, METRICS)
    for name, metric_ in level_metrics().items():
        assert np.isnan(values[name]).all() == (metric_.perfect == 1), name


def test_averages_about_other_levels_are_not_added() -> None:
    chosen = {"nse": METRICS["nse"]}
    one, other = (Averages.of(random_pairs(seed=seed), chosen) for seed in (0, 1))
    with pytest.raises(ValueError, match=r"Received nse and nse, about other levels\. Use Aver"):
        one + other
    with pytest.raises(ValueError, match="Received nse and rmse"):
        one + Averages.of(random_pairs(), {"rmse": METRICS["rmse"]})


def test_further_lead_times_start_from_nothing() -> None:
    pairs = random_pairs()
    two = Pairs(pairs.observed[:2, :30], pairs.level[:, :2, :30], QUANTILES, pairs.rows[:2, :30])
    rest = Pairs(pairs.observed[:, 30:], pairs.level[:, :, 30:], QUANTILES, pairs.rows[:, 30:])
    added = Averages.of(two, AVERAGED).padded(3).extended(rest)
    assert added.n[2] == 30
    found, alone = added.values(), score_pairs(pairs, AVERAGED)
    last = score_pairs(rest, AVERAGED)
    for name in set(AVERAGED) - {"nse_reference"}:
        np.testing.assert_allclose(found[name][:, :2], alone[name][:, :2], rtol=1e-9)
        np.testing.assert_allclose(found[name][:, 2], last[name][:, 2], rtol=1e-9)


@pytest.fixture
def within_10_cm() -> Iterator[str]:
    """A metric that is registered while a program runs."""

    @metric("within 10 cm", "share of levels predicted to 10 cm", units="1", perfect=1)
    def within_10_cm(pairs: Pairs) -> np.ndarray:
        """Return the share of levels predicted to 10 cm."""
        return pairs.absolute_error <= 0.1

    yield "within_10_cm"
    del METRICS["within_10_cm"]


def test_a_metric_is_one_function_and_is_in_every_table(within_10_cm: str) -> None:
    time = pd.date_range("2020-01-01", periods=60)
    level = np.random.default_rng(0).normal(size=(1, 60)).cumsum(axis=1)
    observations = xr.Dataset({"level": (("well", "time"), level)}, {"well": ["a"], "time": time})
    error = np.where(np.arange(60) % 4, 0.05, 0.2)  # 3 of 4 levels within 10 cm

    # evaluate: periods
    simulated = observations["level"] + xr.DataArray(error, {"time": time})
    predictions = simulated.expand_dims(model=["m"]).expand_dims(quantile=[0.5], axis=-1)
    split = split_by_fraction(observations)
    scores = score_table(predictions.to_dataset(name="level"), observations, split)
    found = scores[scores["metric"] == within_10_cm].set_index("period")
    assert found.loc["train", "value"] == pytest.approx(0.75)
    assert found["n"].tolist() == [36, 12, 12]
    assert definitions()[within_10_cm] == "share of levels predicted to 10 cm"

    # backtest: lead times
    hindcasts = schema.label_forecast(
        (level + error)[:, 1:41, None], wells=["a"], issue_times=time.values[:40], frequency="D"
    )
    hindcasts = hindcasts.expand_dims(model=["m"]).expand_dims(quantile=[0.5], axis=-1)
    scores = lead_scores(hindcasts, observations, baselines=())
    found = scores[scores["metric"] == within_10_cm]
    assert found["value"].tolist() == [0.75]
    assert within_10_cm in lead_definitions()

    # verify: archived forecasts
    forecasts = [
        VerifiedForecast(
            "a", "m", "x", time.values[at], np.array([1]), level[0, [at + 1]],
            level[0, [at + 1], None] + error[at + 1] + 0 * Z, level[0, [at]], np.zeros(1),
        )
        for at in range(40)
    ]  # fmt: skip
    assert verified_scores(forecasts, quantiles=QUANTILES)[within_10_cm].tolist() == [0.75]


def test_archived_forecasts_have_the_scores_of_all_pairs_together() -> None:
    rng = np.random.default_rng(0)
    time = pd.date_range("2020-01-01", periods=130).to_numpy()
    observed = 100 + rng.normal(size=(130, 3))
    level = observed[..., None] + rng.normal(0, 0.3, size=(130, 3, 1)) + 0.4 * Z
    forecasts = []
    for at in range(130):
        n = 1 + min(at, 2)  # the first forecasts are shorter
        baselines = np.full(n, 100.0), np.full(n, 99.5)
        forecasts.append(
            VerifiedForecast(
                "a",
                "m",
                "x",
                time[at],
                np.arange(1, n + 1),
                observed[at, :n],
                level[at, :n],
                *baselines,
                prior=99.0,
            )
        )
    table = verified_scores(forecasts, quantiles=QUANTILES).set_index("lead")
    assert table["n"].tolist() == [130, 129, 128]
    for lead in (1, 2, 3):
        rows = slice(lead - 1, None)
        pairs = Pairs(observed[rows, lead - 1], level[rows, lead - 1], QUANTILES,
                      np.ones(131 - lead, bool), prior=np.array(99.0))  # fmt: skip
        for name, value in score_pairs(pairs, AVERAGED).items():
            assert table.loc[lead, name] == pytest.approx(float(value), rel=1e-9), name
        rmse = np.sqrt(np.mean((99.5 - observed[rows, lead - 1]) ** 2))
        assert table.loc[lead, "skill_rmse_climatology"] == pytest.approx(
            1 - table.loc[lead, "rmse"] / rmse
        )
    assert not WHOLE & set(table)


def test_lead_scores_against_the_mean_before() -> None:
    time = pd.date_range("2020-01-01", periods=30)
    level = np.random.default_rng(0).normal(size=(1, 30))
    observations = xr.Dataset({"level": (("well", "time"), level)}, {"well": ["a"], "time": time})
    hindcasts = schema.label_forecast(
        level[:, 1:21, None] + 0.5, wells=["a"], issue_times=time.values[:20], frequency="D"
    )
    hindcasts = hindcasts.expand_dims(model=["m"]).expand_dims(quantile=[0.5], axis=-1)
    reference = xr.DataArray([0.7], {"well": ["a"]}, ("well",))
    table = lead_scores(hindcasts, observations, baselines=(), reference=reference)
    value = table.loc[table["metric"] == "nse_reference", "value"].item()
    assert value == pytest.approx(1 - 0.25 / np.mean((level[0, 1:21] - 0.7) ** 2))
    with pytest.raises(schema.SchemaError, match="exact join"):
        lead_scores(
            hindcasts, observations, baselines=(), reference=reference.assign_coords(well=["b"])
        )
