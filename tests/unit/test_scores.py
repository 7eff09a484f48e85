"""Score tables: same rows, skill, periods, and what is not predicted."""

import numpy as np
import pytest
import xarray as xr

from gwforecast.sequences.split import Split, split_by_fraction
from gwforecast.verification.scores import DEFINITIONS, score_table, summary

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
    assert list(table) == ["model", "well", "period", "metric", "value", "n"]
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
    table = summary(
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
    with pytest.raises(ValueError, match="exact"):
        score_table(made.isel(time=slice(1, None)), observations, split)
