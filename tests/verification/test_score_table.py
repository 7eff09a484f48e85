"""Score tables: same rows, skill, periods, and what is not predicted."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.schema import SchemaError
from gwforecast.sequences.split import PERIODS, Split, split_by_date, split_by_fraction
from gwforecast.verification import probabilistic
from gwforecast.verification.metrics import METRICS, level_metrics
from gwforecast.verification.scoring import definitions, score_summary, score_table

DEFINITIONS = definitions()
QUANTILES = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]


@pytest.fixture
def observations() -> xr.Dataset:
    rng = np.random.default_rng(0)
    level = 10 + rng.normal(size=(2, 200))
    level[0, ::9] = np.nan
    time = np.datetime64("2000-01-01", "us") + np.arange(200) * np.timedelta64(1, "D")
    return xr.Dataset({"level": (("well", "time"), level)}, {"well": ["a", "b"], "time": time})


@pytest.fixture
def split(observations: xr.Dataset) -> Split:
    return split_by_fraction(observations)


def predictions(observations: xr.Dataset, **models: xr.DataArray) -> xr.Dataset:
    """Return each model's level with an interval of +-2 around it."""
    offsets = xr.DataArray(
        [-2.0, -1.3, -0.7, 0.0, 0.7, 1.3, 2.0], {"quantile": QUANTILES}, "quantile"
    )
    level = xr.concat([m + offsets for m in models.values()], "model")
    level = level.assign_coords(model=list(models)).transpose("model", "well", "time", "quantile")
    return level.to_dataset(name="level")


def get(table: object, **keys: str) -> tuple[float, int]:
    for name, key in keys.items():
        table = table[table[name] == key]  # type: ignore[index]
    (row,) = table.itertuples()  # type: ignore[attr-defined]
    return row.value, row.n


def test_perfect_and_useless_models(observations: xr.Dataset, split: Split) -> None:
    level = observations["level"].fillna(0.0)
    mean = xr.full_like(level, 10.0)
    table = score_table(
        predictions(observations, perfect=level, climatology=mean), observations, split
    )
    assert list(table) == ["model", "well", "period", "metric", "value", "n", "not_scored"]
    assert set(table["metric"]) <= set(DEFINITIONS)
    n = int(split.levels(observations, "test")[0].notnull().sum())
    assert get(table, model="perfect", well="a", period="test", metric="nse") == (1.0, n)
    assert get(table, model="perfect", well="b", period="test", metric="skill_rmse")[0] == 1.0
    assert get(table, model="climatology", well="b", period="test", metric="skill_rmse")[0] == 0.0
    assert get(table, model="perfect", well="a", period="test", metric="coverage_95")[0] == 1.0
    assert get(table, model="perfect", well="a", period="test", metric="width_95")[0] == (
        pytest.approx(4.0)
    )


def test_all_models_are_scored_on_the_same_rows(observations: xr.Dataset, split: Split) -> None:
    level = observations["level"]
    holes = level.where(level["time"].dt.day != 1)
    table = score_table(
        predictions(observations, whole=level.fillna(0.0) + 0.1, climatology=holes),
        observations,
        split,
    )
    counts = table.groupby(["well", "period"])["n"].nunique()
    assert (counts == 1).all()
    rows = split.rows(observations, "train").sel(well="b") & (observations["time"].dt.day != 1)
    assert get(table, model="whole", well="b", period="train", metric="mae")[1] == int(rows.sum())


def test_a_model_without_a_period_takes_no_row(observations: xr.Dataset, split: Split) -> None:
    level = observations["level"].fillna(0.0)
    later = level.where(split.rows(observations, "test"))
    table = score_table(
        predictions(observations, whole=level, persistence=later), observations, split
    )
    value, n = get(table, model="persistence", well="b", period="train", metric="rmse")
    assert (np.isnan(value), n) == (True, 0)
    assert get(table, model="whole", well="b", period="train", metric="rmse")[1] == 120
    assert get(table, model="persistence", well="b", period="test", metric="rmse")[1] == 40


def test_the_reference_of_a_period_is_the_mean_before_it(
    observations: xr.Dataset, split: Split
) -> None:
    predicted = observations["level"].fillna(0.0) + 0.5
    table = score_table(predictions(observations, m=predicted), observations, split)
    test = split.levels(observations, "test").sel(well="b")
    before = float(split.levels(observations, "train", "validation").sel(well="b").mean())
    expected = 1 - float((0.25 * test.notnull()).sum() / ((test - before) ** 2).sum())
    value, _ = get(table, model="m", well="b", period="test", metric="nse_reference")
    assert value == pytest.approx(expected)
    assert np.isnan(get(table, model="m", well="b", period="train", metric="nse_reference")[0])


def test_summary_is_a_row_for_each_model(observations: xr.Dataset, split: Split) -> None:
    level = observations["level"].fillna(0.0)
    table = score_summary(
        score_table(
            predictions(observations, climatology=xr.full_like(level, 10.0), best=level),
            observations,
            split,
        )
    )
    assert table.index.tolist() == ["best", "climatology"]
    assert table.loc["best", "nse"] == 1.0
    assert table.loc["best", "n"] == int(split.levels(observations, "test").notnull().sum())


def test_predictions_of_other_times_are_refused(observations: xr.Dataset, split: Split) -> None:
    made = predictions(observations, m=observations["level"])
    with pytest.raises(SchemaError, match=r"exact join.*'time': 199.*'time': 200.*Select"):
        score_table(made.isel(time=slice(1, None)), observations, split)
    with pytest.raises(SchemaError, match="exact join"):
        score_table(made.isel(well=[1, 0]), observations, split)


def test_predictions_of_another_form_are_refused(observations: xr.Dataset, split: Split) -> None:
    made = predictions(observations, m=observations["level"])
    with pytest.raises(SchemaError, match=r"dims \('model', 'well', 'time'\).*expand_dims"):
        score_table(made.sel(quantile=0.5, drop=True), observations, split)
    with pytest.raises(SchemaError, match=r"quantile 0\.5\. Received.*\[0\.1, 0\.9\]\. Add it"):
        score_table(made.sel(quantile=[0.1, 0.9]), observations, split)
    with pytest.raises(ValueError, match=r"knows the metrics nse.*Received 'NSE'\. Choose"):
        score_table(made, observations, split, metrics=["NSE"])


def test_the_order_of_dimensions_is_free(observations: xr.Dataset, split: Split) -> None:
    made = predictions(observations, m=observations["level"].fillna(0.0) + 0.1)
    turned = score_table(made.transpose(), observations.transpose(), split)
    pd.testing.assert_frame_equal(turned, score_table(made, observations, split))


def test_every_value_is_that_of_the_metric_alone(observations: xr.Dataset, split: Split) -> None:
    rng = np.random.default_rng(1)
    level = observations["level"].fillna(10.0)
    noisy = {name: level + rng.normal(size=level.shape) for name in ("climatology", "lstm")}
    noisy["lstm"] = noisy["lstm"].where(rng.uniform(size=level.shape) > 0.1)
    made = predictions(observations, **noisy)
    table = score_table(made, observations, split).set_index(["model", "well", "period", "metric"])
    before = split.levels(observations, "train").mean("time")
    for name, well in (("climatology", "a"), ("lstm", "b")):
        o = split.levels(observations, "validation").sel(well=well)
        rows = (o.notnull() & noisy["lstm"].sel(well=well).notnull()).values
        p = made["level"].sel(model=name, well=well).values[rows]
        for metric, entry in level_metrics().items():
            extra = {"reference": float(before.sel(well=well))} if "reference" in metric else {}
            alone = entry.function(observed=o.values[rows], predicted=p[:, 3], **extra)
            value, n, _ = table.loc[(name, well, "validation", metric)]
            assert value == pytest.approx(alone, rel=1e-9), metric
            assert n == rows.sum()
        crps = probabilistic.crps_quantiles(
            observed=o.values[rows], predicted=p, quantiles=np.array(QUANTILES)
        )
        value, *_ = table.loc[(name, well, "validation", "crps")]
        assert value == pytest.approx(crps, rel=1e-9)


def test_a_model_without_an_interval_takes_no_row_from_the_intervals(
    observations: xr.Dataset, split: Split
) -> None:
    level = observations["level"].fillna(0.0)
    made = predictions(observations, bare=level, climatology=level + 1, lstm=level + 0.5)
    made["level"].loc[{"model": "bare", "quantile": [q for q in QUANTILES if q != 0.5]}] = np.nan
    made["level"].values[2, :, ::2, 0] = np.nan
    table = score_table(made, observations, split)
    test = {"well": "b", "period": "test"}
    value, n = get(table, model="bare", metric="crps", **test)
    assert (np.isnan(value), n) == (True, 0)
    assert np.isnan(get(table, model="bare", metric="skill_crps", **test)[0])
    assert get(table, model="bare", metric="nse", **test) == (1.0, 40)
    # the baseline is scored on the rows that the other interval has, too
    assert get(table, model="climatology", metric="crps", **test)[1] == 20
    assert get(table, model="lstm", metric="skill_crps", **test)[1] == 20
    assert get(table, model="climatology", metric="skill_crps", **test)[0] == 0.0
    assert get(table, model="climatology", metric="rmse", **test)[1] == 40


def test_intervals_are_scored_on_rows_of_the_central_prediction(
    observations: xr.Dataset, split: Split
) -> None:
    level = observations["level"].fillna(0.0)
    made = predictions(observations, bare=level, climatology=level + 1)
    made["level"].values[0, :, :, [0, 1, 2, 4, 5, 6]] = np.nan
    made["level"].values[0, :, ::4] = np.nan
    table = score_table(made, observations, split)
    for metric in ("rmse", "coverage_95", "crps"):
        n = get(table, model="climatology", well="b", period="test", metric=metric)[1]
        assert n == 30, metric


def test_infinite_predictions_are_not_scored_and_warn(
    observations: xr.Dataset, split: Split
) -> None:
    level = observations["level"].fillna(0.0)
    made = predictions(observations, climatology=level + 1, lstm=level)
    made["level"].values[1, 1, -1] = np.inf
    with pytest.warns(UserWarning, match=r"Received infinite ones of 'lstm' for well 'b' in the"):
        table = score_table(made, observations, split)
    value, n = get(table, model="lstm", well="b", period="test", metric="rmse")
    assert (np.isnan(value), n) == (True, 0)
    assert get(table, model="climatology", well="b", period="test", metric="rmse") == (1.0, 40)
    assert get(table, model="lstm", well="a", period="test", metric="nse")[0] == 1.0


def test_a_period_without_levels_has_no_rows(observations: xr.Dataset) -> None:
    split = split_by_date(observations, validation_start="2000-05-01", test_start="2000-06-01")
    observations["level"].values[0, 121:152] = np.nan
    made = predictions(observations, climatology=observations["level"].fillna(0.0))
    table = score_table(made, observations, split)
    gone = table[(table["well"] == "a") & (table["period"] == "validation")]
    assert len(gone) == len(DEFINITIONS)
    assert (gone["n"] == 0).all()
    assert gone["value"].isna().all()
    assert (table.loc[table["well"] == "b", "n"] > 0).all()


def test_the_reference_leaves_the_gap_out_and_needs_no_validation_period(
    observations: xr.Dataset,
) -> None:
    dates = {"validation_start": "2000-05-01", "test_start": "2000-06-01"}
    same = dates | {"validation_start": "2000-06-01"}
    for split in (
        split_by_date(observations, **dates, gap=7),
        split_by_date(observations, **same),
    ):
        made = predictions(observations, m=observations["level"] + 0.5)
        table = score_table(made, observations, split)
        test = split.levels(observations, "test").sel(well="a")
        before = float(split.levels(observations, "train", "validation").sel(well="a").mean())
        expected = 1 - float((0.25 * test.notnull()).sum() / ((test - before) ** 2).sum())
        value, _ = get(table, model="m", well="a", period="test", metric="nse_reference")
        assert value == pytest.approx(expected)


def test_chosen_metrics_are_those_of_the_whole_table(
    observations: xr.Dataset, split: Split
) -> None:
    made = predictions(observations, climatology=observations["level"].fillna(0.0) + 1)
    whole = score_table(made, observations, split)
    few = score_table(made, observations, split, metrics=["skill_crps", "nse"])
    assert few["metric"].unique().tolist() == ["skill_crps", "nse"]
    for name in ("skill_crps", "nse"):
        pd.testing.assert_frame_equal(
            few[few["metric"] == name].reset_index(drop=True),
            whole[whole["metric"] == name].reset_index(drop=True),
        )


def test_scores_that_cannot_be_are_left_out(observations: xr.Dataset, split: Split) -> None:
    level = observations["level"].fillna(0.0)
    made = predictions(observations, lstm=level, climatology=level + 1)
    central = score_table(made.sel(quantile=[0.5]), observations, split)
    assert set(DEFINITIONS) - set(central["metric"]) == {
        "coverage_95", "width_95", "interval_score_95",
        "coverage_80", "width_80", "interval_score_80", "crps", "skill_crps",
    }  # fmt: skip
    alone = score_table(made, observations, split, baseline="drift")
    assert set(DEFINITIONS) - set(alone["metric"]) == {"skill_rmse", "skill_crps"}


def test_every_metric_is_defined_and_skill_names_its_baseline() -> None:
    assert set(METRICS) <= set(DEFINITIONS)
    assert all(DEFINITIONS.values())
    assert DEFINITIONS["rmse"] == "root mean squared error, m"
    assert DEFINITIONS["nse"] == METRICS["nse"].definition  # no unit
    assert definitions("drift")["skill_crps"] == "1 - CRPS / CRPS of drift on the same rows"
    assert list(definitions("drift")) == list(DEFINITIONS)


def test_wells_are_summarised_by_median_or_mean(observations: xr.Dataset, split: Split) -> None:
    level = observations["level"].fillna(0.0)
    table = score_table(predictions(observations, climatology=level + 1), observations, split)
    table.loc[(table["well"] == "b") & (table["metric"] == "bias"), "value"] = 4.0
    assert score_summary(table, over_wells="mean").loc["climatology", "bias"] == pytest.approx(2.5)
    table = pd.concat([table, table[table["well"] == "b"].assign(well="c")])
    assert score_summary(table, metrics=["bias"]).loc["climatology", "bias"] == 4.0
    assert score_summary(table, metrics=["bias"], over_wells="mean").loc["climatology", "n"] == (
        table[(table["metric"] == "bias") & (table["period"] == "test")]["n"].sum()
    )
    with pytest.raises(ValueError, match="Received 'max'"):
        score_summary(table, over_wells="max")  # type: ignore[arg-type]


def test_periods_are_in_the_order_of_time(observations: xr.Dataset, split: Split) -> None:
    table = score_table(
        predictions(observations, m=observations["level"]), observations, split, metrics=["mae"]
    )
    assert table["period"].tolist() == [*PERIODS, *PERIODS]


def test_last_years_level_with_few_rows_does_not_reduce_those_of_others(
    observations: xr.Dataset, split: Split
) -> None:
    level = observations["level"].fillna(0.0)
    n = int(split.levels(observations, "test")[1].notnull().sum())
    late = xr.where(observations["time"] >= observations["time"][-3], level, np.nan)
    made = {"linear": level + 0.1, "climatology": xr.full_like(level, 10.0)}
    few = score_table(predictions(observations, **made, seasonal_naive=late), observations, split)
    assert get(few, model="linear", well="b", period="test", metric="rmse")[1] == n
    assert get(few, model="seasonal_naive", well="b", period="test", metric="rmse")[1] == 0
    other = score_table(predictions(observations, **made, drift=late), observations, split)
    assert get(other, model="linear", well="b", period="test", metric="rmse")[1] == 3
