"""Scores by lead time: definitions, the same pairs, baselines, invariances, a second library."""

import numpy as np
import pandas as pd
import pytest
import scores as second
import scoringrules
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError
from gwforecast.verification import probabilistic
from gwforecast.verification.lead_scoring import (
    forecast_losses,
    forecast_summary,
    lead_definitions,
    lead_scores,
    mean_of_pairs,
    shared_pairs,
)
from gwforecast.verification.metrics import METRICS

QUANTILES = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
ISSUES, LEADS = 40, 3


@pytest.fixture
def observations() -> xr.Dataset:
    rng = np.random.default_rng(0)
    level = 10 + rng.normal(size=(2, ISSUES + LEADS + 5)).cumsum(axis=1)
    level[0, 7] = np.nan
    time = np.datetime64("2020-01-01", "us") + np.arange(level.shape[1]) * np.timedelta64(1, "D")
    return xr.Dataset({"level": (("well", "time"), level)}, {"well": ["a", "b"], "time": time})


def outcome(observations: xr.Dataset) -> np.ndarray:
    """Return the level at each valid time, shape (well, issue_time, lead_time)."""
    level = observations["level"].values
    return np.stack([level[:, lead : lead + ISSUES] for lead in range(1, LEADS + 1)], axis=-1)


def hindcasts_of(observations: xr.Dataset, **models: np.ndarray) -> xr.Dataset:
    """Return models given as (well, issue_time, lead_time), or with quantile last."""
    stack = []
    for values in models.values():
        whole = np.full((2, ISSUES, LEADS, QUANTILES.size), np.nan)
        if values.ndim == 3:
            whole[..., 3] = values
        else:
            whole[:] = values
        stack.append(whole)
    frame = schema.label_forecast(
        np.zeros((2, ISSUES, LEADS)), wells=["a", "b"], frequency="D",
        issue_times=observations["time"].values[:ISSUES],
    ).drop_vars("level")  # fmt: skip
    dims = ("model", "well", "issue_time", "lead_time", "quantile")
    return frame.assign_coords(model=list(models), quantile=QUANTILES).assign(
        level=(dims, np.stack(stack))
    )


@pytest.fixture
def hindcasts(observations: xr.Dataset) -> xr.Dataset:
    rng = np.random.default_rng(1)
    observed = np.nan_to_num(outcome(observations), nan=10.0)
    now = np.nan_to_num(observations["level"].values[:, :ISSUES, None], nan=10.0)
    noisy = observed + rng.normal(size=observed.shape)
    spread = 1.2 * (QUANTILES - 0.5)
    return hindcasts_of(
        observations,
        model=noisy[..., None] + spread,
        persistence=now + np.zeros(LEADS),
        climatology=np.full(observed.shape, 10.0)[..., None] + 6 * spread,
    )


def value(table: pd.DataFrame, **keys: object) -> float:
    for name, key in keys.items():
        table = table[table[name] == key]
    (found,) = table["value"]
    return float(found)


def test_scores_are_those_of_each_series(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    table = lead_scores(hindcasts, observations)
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
    known = set(lead_definitions(["persistence", "climatology"]))
    assert set(table["metric"]) == known - {"nse_reference"}
    observed = outcome(observations)
    for (name, well, lead), part in table.groupby(["model", "well", "lead"]):
        at = ["a", "b"].index(well), slice(None), lead - 1
        known = np.isfinite(observed[at])
        o = observed[at][known]
        p = hindcasts["level"].sel(model=name).values[at][known]
        error = p[:, 3] - o
        found = part.set_index("metric")["value"]
        assert (part["n"] == known.sum()).all()
        assert found["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
        assert found["mae"] == pytest.approx(np.mean(np.abs(error)))
        assert found["bias"] == pytest.approx(np.mean(error))
        assert found["nse"] == pytest.approx(1 - np.sum(error**2) / np.sum((o - o.mean()) ** 2))
        if name == "persistence":
            continue
        crps = probabilistic.crps_quantiles(observed=o, predicted=p, quantiles=QUANTILES)
        assert found["crps"] == pytest.approx(crps)
        for label, low, high in (("80", 1, 5), ("95", 0, 6)):
            inside = (o >= p[:, low]) & (o <= p[:, high])
            assert found[f"coverage_{label}"] == pytest.approx(inside.mean())
            assert found[f"width_{label}"] == pytest.approx((p[:, high] - p[:, low]).mean())


def test_errors_agree_with_a_second_library(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    whole = observations.fillna(11.0)
    table = lead_scores(hindcasts, whole, baselines=())
    forecast = hindcasts["level"].sel(quantile=0.5)
    truth = xr.DataArray(outcome(whole), dims=forecast.dims[1:])
    for metric, function in (
        ("rmse", second.continuous.rmse),
        ("mae", second.continuous.mae),
        ("bias", second.continuous.additive_bias),
    ):
        expected = function(forecast, truth, reduce_dims="issue_time")
        found = table[table["metric"] == metric]["value"].to_numpy()
        np.testing.assert_allclose(found, expected.transpose("model", "well", ...).values.ravel())


def test_crps_is_near_that_of_the_normal_distribution(observations: xr.Dataset) -> None:
    whole = observations.fillna(11.0)
    observed = outcome(whole)
    mean = observed + np.random.default_rng(2).normal(size=observed.shape)
    z = np.array([-1.959964, -1.281552, -0.67449, 0.0, 0.67449, 1.281552, 1.959964])
    table = lead_scores(hindcasts_of(whole, normal=mean[..., None] + z), whole, baselines=())
    exact = scoringrules.crps_normal(observed, mean, 1.0).mean(axis=1)
    found = table[table["metric"] == "crps"]["value"].to_numpy()
    np.testing.assert_allclose(found, exact.ravel(), rtol=0.02)


def test_a_perfect_forecast(observations: xr.Dataset) -> None:
    whole = observations.fillna(11.0)
    observed = outcome(whole)
    found = hindcasts_of(whole, perfect=observed[..., None] + 0 * QUANTILES,
                         persistence=observed + 1.0)  # fmt: skip
    table = lead_scores(found, whole, baselines=["persistence"])
    for metric, best in (("rmse", 0), ("crps", 0), ("nse", 1), ("coverage_95", 1),
                         ("width_80", 0), ("skill_crps_persistence", 1)):  # fmt: skip
        assert value(table, model="perfect", well="a", lead=2, metric=metric) == best
    for metric in ("mae", "rmse", "bias", "crps"):  # of a median alone
        assert value(table, model="persistence", well="b", lead=1, metric=metric) == (
            pytest.approx(1.0)
        )
    assert np.isnan(value(table, model="persistence", well="b", lead=1, metric="coverage_80"))
    # nothing is better than perfect, not even by a ratio of zeros
    against = lead_scores(found, whole, baselines=["perfect"])
    assert against[against["metric"] == "skill_rmse_perfect"]["value"].isna().all()


def test_a_baseline_has_no_skill_against_itself(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    table = lead_scores(hindcasts, observations)
    for baseline in ("persistence", "climatology"):
        for metric in ("rmse", "crps"):
            chosen = table[
                (table["model"] == baseline) & (table["metric"] == f"skill_{metric}_{baseline}")
            ]
            assert (chosen["value"] == 0).all()


def test_models_are_scored_on_the_same_pairs(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    level = hindcasts["level"].copy(deep=True)
    level[0, 1, 5:9, 2] = np.nan  # the model has no forecast at well b, lead 3
    level[1, 0] = np.nan  # persistence has none at well a at all
    holed = hindcasts.assign(level=level)
    table = lead_scores(holed, observations)
    counts = table.groupby(["well", "lead"])["n"].agg(["min", "max"])
    assert (counts["min"] == counts["max"]).all()
    assert counts.loc[("b", 3), "min"] == ISSUES - 4
    assert counts.loc[("a", 1), "min"] == ISSUES - 1
    assert not ((table["model"] == "persistence") & (table["well"] == "a")).any()
    # what is forecast and observed where it is not scored has no part in any score
    spoilt = level.copy(deep=True)
    spoilt[1:, 1, 5:9, 2] = 1e6
    again = lead_scores(hindcasts.assign(level=spoilt), observations)
    pd.testing.assert_frame_equal(table, again)


def test_a_missing_baseline_leaves_its_skill_unknown(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    level = hindcasts["level"].copy(deep=True)
    level[1, 0] = np.nan
    table = lead_scores(hindcasts.assign(level=level), observations)
    assert np.isnan(value(table, model="model", well="a", lead=1, metric="skill_rmse_persistence"))


def test_scores_are_free_of_the_datum_and_the_order(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    keys = ["model", "well", "lead", "metric"]
    table = lead_scores(hindcasts, observations)
    bound = [name for name, metric in METRICS.items() if not metric.datum_free]
    table = table[~table["metric"].isin(bound)].set_index(keys)
    moved = lead_scores(
        hindcasts.assign(level=hindcasts["level"] + 100),
        observations.assign(level=observations["level"] + 100),
    )
    moved = moved.set_index(keys).reindex(table.index)
    pd.testing.assert_frame_equal(table, moved, rtol=1e-9, atol=1e-9)
    turned = lead_scores(hindcasts.isel(model=[2, 0, 1], well=[1, 0]), observations)
    pd.testing.assert_frame_equal(table, turned.set_index(keys).reindex(table.index))
    crossed = hindcasts.assign(level=hindcasts["level"].copy(deep=True))
    crossed["level"][{"model": 0, "quantile": [0, 1]}] = hindcasts["level"][
        {"model": 0, "quantile": [1, 0]}
    ].values
    ordered = lead_scores(crossed, observations).set_index(keys).reindex(table.index)
    pd.testing.assert_frame_equal(table, ordered)


def test_levels_that_are_all_equal_have_no_nse(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    flat = observations.assign(level=xr.full_like(observations["level"], 0.1))
    table = lead_scores(hindcasts, flat)
    assert table[table["metric"] == "nse"]["value"].isna().all()


def test_no_level_gives_no_score(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    table = lead_scores(hindcasts, observations.assign(level=observations["level"] * np.nan))
    assert table.empty


def test_an_infinite_forecast_is_not_scored(
    hindcasts: xr.Dataset, observations: xr.Dataset
) -> None:
    level = hindcasts["level"].copy(deep=True)
    level[0, 0, 3, 1, 6] = np.inf
    with pytest.warns(UserWarning, match=r"infinite ones of 'model' for well 'a'"):
        table = lead_scores(hindcasts.assign(level=level), observations)
    assert not ((table["model"] == "model") & (table["well"] == "a")).any()
    assert (table[table["well"] == "a"].loc[table["lead"] == 2, "n"] == ISSUES - 1).all()


def test_metrics_are_chosen(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    table = lead_scores(hindcasts, observations, metrics=["crps", "skill_rmse_persistence"])
    assert set(table["metric"]) == {"crps", "skill_rmse_persistence"}
    whole = lead_scores(hindcasts, observations)
    part = whole[whole["metric"].isin(["crps", "skill_rmse_persistence"])]
    pd.testing.assert_frame_equal(
        table.sort_values(["model", "well", "lead", "metric"], ignore_index=True),
        part.sort_values(["model", "well", "lead", "metric"], ignore_index=True),
    )


def test_refusals(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="must be one of the models: model"):
        lead_scores(hindcasts, observations, baselines=["drift"])
    with pytest.raises(ValueError, match=r"know the metrics nse, .*Received 'NSE'\. Choose"):
        lead_scores(hindcasts, observations, metrics=["NSE"])
    with pytest.raises(ValueError, match="A loss is one of"):
        forecast_losses(hindcasts, observations, loss="cubed")
    with pytest.raises(SchemaError, match=r"is the quantile 0\.5"):
        lead_scores(hindcasts.isel(quantile=[0, 6]), observations)


def test_losses_have_the_scores_as_means(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    table = lead_scores(hindcasts, observations)
    for loss, metric, power in (
        ("crps", "crps", 1),
        ("absolute", "mae", 1),
        ("squared", "rmse", 2),
    ):
        means = forecast_losses(hindcasts, observations, loss=loss).mean("issue_time")
        found = table[table["metric"] == metric]["value"].to_numpy() ** power
        np.testing.assert_allclose(found, means.values.ravel())


def test_pairs_and_means_by_hand() -> None:
    common = np.array([[[True], [False], [True]]])
    assert mean_of_pairs(np.array([[[1.0], [9.0], [3.0]]]), common).tolist() == [[2.0]]
    assert np.isnan(mean_of_pairs(np.ones((1, 3, 1)), np.zeros((1, 3, 1), bool))).all()


def test_shared_pairs(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    used, common = shared_pairs(hindcasts, outcome(observations))
    assert used.all()
    assert (common == np.isfinite(outcome(observations))).all()


def test_summary_over_wells(hindcasts: xr.Dataset, observations: xr.Dataset) -> None:
    table = lead_scores(hindcasts, observations)
    median = forecast_summary(table, metric="crps")
    wells = [value(table, model="model", well=w, lead=2, metric="crps") for w in ("a", "b")]
    assert median.loc["model", 2] == pytest.approx(np.median(wells))
    assert list(median) == [1, 2, 3]


def test_months_as_lead_times() -> None:
    time = pd.date_range("2000-01-01", periods=30, freq="MS").to_numpy().astype("datetime64[us]")
    level = np.arange(30.0)[None]
    observations = xr.Dataset({"level": (("well", "time"), level)}, {"well": ["a"], "time": time})
    frame = schema.label_forecast(
        np.broadcast_to(np.arange(20.0)[None, :, None], (1, 20, 2)), wells=["a"], frequency="MS",
        issue_times=time[:20],
    )  # fmt: skip
    hindcasts = frame.expand_dims(model=["persistence"]).expand_dims(quantile=[0.5], axis=-1)
    table = lead_scores(hindcasts, observations, baselines=())
    assert table[table["metric"] == "bias"]["value"].tolist() == [-1.0, -2.0]
    assert table["lead_time"].unique().tolist() == [1, 2]
