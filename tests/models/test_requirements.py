"""What a run needs is checked before anything is fitted: weather, levels and settings."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.data.covariates import fill_covariates
from gwforecast.models import requirements
from gwforecast.models.base import Forecaster
from gwforecast.runs.catalogue import MODELS, model_class
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import split_by_fraction

DAYS = pd.date_range("2008-01-01", "2012-12-31")
SCORED = ["linear", "climatology"]


def daily(*wells: str) -> xr.Dataset:
    """Return levels that follow the rain of the last two months."""
    rng = np.random.default_rng(0)
    rain = rng.gamma(0.5, 4.0, (len(wells), DAYS.size))
    level = 20 + pd.DataFrame(rain.T).ewm(com=60).mean().to_numpy().T
    return xr.Dataset(
        {"level": (("well", "time"), level), "rain": (("well", "time"), rain)},
        {"well": list(wells), "time": DAYS},
    )


def without_rain(data: xr.Dataset, start: str, end: str, *, well: int = 0) -> xr.Dataset:
    made = data.copy(deep=True)
    inside = (data["time"] >= np.datetime64(start)) & (data["time"] <= np.datetime64(end))
    made["rain"][well] = made["rain"][well].where(~inside)
    return made


@pytest.fixture
def never_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a forecaster is fitted."""

    def fit(*_: object, **__: object) -> None:
        raise AssertionError("fitted")

    for name in MODELS:
        monkeypatch.setattr(model_class(name), "fit", fit)


def test_a_well_without_levels_in_the_test_period_is_not_ok() -> None:
    data = daily("a", "b")
    data["level"][1] = data["level"][1].where(data["time"] < np.datetime64("2010-03-01"))
    dates = {"validation_start": "2010-01-01", "test_start": "2012-01-01"}
    split = gw.split_by_date(data, **dates)
    models = ["persistence", "climatology"]
    for run, settings in ((gw.evaluate, {}), (gw.backtest, {"horizon": 20})):
        with pytest.warns(
            UserWarning, match=r"none at 1 of 2 wells, the first 'b', whose .* 2010-02-28"
        ):
            made = run(data, split=split, models=models, **settings)
        outcomes = made.outcomes.set_index(["well", "model"])
        assert (outcomes.loc["a", "status"] == "ok").all()
        assert (outcomes.loc["b", "status"] == "failed").all()
        assert set(outcomes.loc["b", "reason"]) == {"no level was observed in the test period"}
        assert made.scores.query("well == 'a' and n > 0")["value"].notna().any()
    validated = gw.split_by_fraction(data, train=0.7, validation=0.3)  # without a test period
    assert (gw.evaluate(data, split=validated, models=models).outcomes["status"] == "ok").all()


# missing weather ---------------------------------------------------------------------------------


RAIN_IS_NOT_ENOUGH = {"pastas", "pretrained_lstm"}


@pytest.mark.parametrize("model", [name for name in MODELS if name not in RAIN_IS_NOT_ENOUGH])
def test_a_gap_is_one_error_for_every_model_that_uses_weather(model: str, never_fitted) -> None:
    data = without_rain(daily("MW7"), "2012-08-01", "2012-08-03")
    forecaster = model_class(model)()
    found = requirements.missing_weather([forecaster], data)
    if not forecaster.covariates_to_fit(data):
        assert found == {}
        return
    for run in (gw.evaluate, gw.backtest):
        with pytest.raises(SchemaError) as raised:
            run(data, models=[model, "climatology"])
        text = str(raised.value)
        assert "'rain' of well 'MW7' is missing at 3 of" in text
        assert "from 2012-08-01 to 2012-08-03" in text
        assert "--fill by_kind" in text


def test_search_and_forecast_refuse_the_same_gap(never_fitted) -> None:
    data = without_rain(daily("MW7"), "2009-08-01", "2009-08-03")
    with pytest.raises(SchemaError, match="'rain' of well 'MW7' is missing at 3"):
        gw.forecast(data, models=["linear"])
    pytest.importorskip("optuna")
    with pytest.raises(SchemaError, match="'rain' of well 'MW7' is missing at 3"):
        gw.tune(data, model="linear", trials=1)


def test_the_filling_that_the_user_chose_keeps_all_rows() -> None:
    data = without_rain(daily("MW7"), "2012-08-01", "2012-08-03")
    whole = gw.evaluate(daily("MW7"), models=SCORED)
    filled = gw.evaluate(fill_covariates(data, rules="by_kind"), models=SCORED)
    for evaluation in (whole, filled):
        test = evaluation.scores.query("period == 'test' and metric == 'nse'")
        assert test["n"].tolist() == [365, 365]
        assert test["not_scored"].tolist() == [0, 0]
    nse = [
        one.scores.query("period == 'test' and metric == 'nse' and model == 'climatology'")["value"]
        for one in (whole, filled)
    ]
    assert nse[0].item() == nse[1].item()


def test_models_that_use_no_weather_need_none_without_gaps() -> None:
    data = without_rain(daily("MW7"), "2012-08-01", "2012-08-03")
    evaluation = gw.evaluate(data, models=["climatology", "persistence"])
    assert set(evaluation.outcomes["status"]) == {"ok"}


def test_covariates_that_a_model_does_not_use_may_have_gaps() -> None:
    data = daily("MW7").assign(other=lambda d: d["rain"].where(d["rain"] > 1.0))
    evaluation = gw.evaluate(data, models=["linear"], settings={"linear": {"covariates": ["rain"]}})
    assert set(evaluation.outcomes["status"]) == {"ok"}


def test_only_the_well_with_a_gap_is_left_out() -> None:
    data = without_rain(daily("a", "b"), "2012-08-01", "2012-08-03", well=1)
    with pytest.warns(UserWarning, match=r"1 of 2 wells cannot be used .* 'rain' of well 'b'"):
        evaluation = gw.evaluate(data, models=SCORED)
    outcomes = evaluation.outcomes.set_index(["model", "well"])
    assert outcomes.loc[("linear", "a"), "status"] == "ok"
    assert outcomes.loc[("linear", "b"), "status"] == "failed"
    assert "2012-08-01 to 2012-08-03" in outcomes.loc[("climatology", "b"), "reason"]
    assert evaluation.predictions["well"].values.tolist() == ["a"]


def test_weather_that_ends_before_the_test_period_is_an_error(never_fitted) -> None:
    data = without_rain(daily("MW7"), "2011-07-01", "2012-12-31")
    split = split_by_fraction(data)
    start = str(split.start("test").values[0])[:10]
    with pytest.raises(SchemaError) as raised:
        gw.evaluate(data, models=SCORED)
    text = str(raised.value)
    assert "'rain' is known from 2008-01-01 to 2011-06-30" in text
    assert f"the test period is {start} to 2012-12-31" in text


def test_weather_that_ends_within_the_test_period_is_said_and_counted() -> None:
    data = without_rain(daily("MW7"), "2012-12-01", "2012-12-31")
    with pytest.warns(UserWarning, match=r"31 of 365 levels .* the first on 2012-12-01"):
        evaluation = gw.evaluate(data, models=SCORED)
    test = evaluation.scores.query("period == 'test' and metric == 'nse'").set_index("model")
    assert test["n"].tolist() == [334, 334]
    assert test["not_scored"].tolist() == [31, 31]


class Silent(Forecaster):
    """A forecaster that predicts nothing in the test period."""

    name = "silent"

    def fit(self, observations, *, split, progress=None):  # noqa: ARG002
        self.split = split
        return self

    def refit(self, observations, *, split, through="validation", progress=None):  # noqa: ARG002
        return self.fit(observations, split=split)

    def simulate(self, observations):
        seen = self.split.rows(observations, "train", "validation")
        return observations[["level"]].where(seen)


def test_a_model_without_rows_in_the_test_period_is_not_ok() -> None:
    with pytest.warns(UserWarning, match="none of the 365 levels of the test period"):
        evaluation = gw.evaluate(daily("a"), models=[Silent(), "climatology"])
    outcomes = evaluation.outcomes.set_index("model")["status"]
    assert outcomes.to_dict() == {"silent": "failed", "climatology": "ok"}


def test_hindcasts_count_the_pairs_that_are_not_scored() -> None:
    data = without_rain(daily("a"), "2012-12-25", "2012-12-31")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = gw.backtest(
            data, models=["linear", "persistence"], baselines=["persistence"], horizon=10, stride=5
        )
    rows = result.scores.query("metric == 'rmse' and model == 'linear'").set_index("lead")
    issues = result.origins.issue_times + np.arange(1, 11)[:, None] * np.timedelta64(1, "D")
    covered = (issues <= np.datetime64("2012-12-24")).sum(axis=1)
    assert rows["n"].tolist() == covered.tolist()
    assert (rows["n"] + rows["not_scored"]).tolist() == [len(result.origins.issue_times)] * 10


# no weather --------------------------------------------------------------------------------------


def test_models_that_need_weather_are_refused_without_it(never_fitted) -> None:
    data = daily("a").drop_vars("rain")
    for run, models in (
        (gw.evaluate, ["lstm", "climatology"]),
        (gw.evaluate, ["linear"]),
        (gw.evaluate, ["arma_regression"]),
        (gw.evaluate, ["global_mlp"]),
        (gw.backtest, ["additive", "ets"]),
        (gw.forecast, ["mlp"]),
    ):
        with pytest.raises(SchemaError, match=re.escape(f"the models {models[0]}:")) as raised:
            run(data, models=models)
        assert "--covariates weather.csv" in str(raised.value)
        assert "--without-weather" in str(raised.value)
    pytest.importorskip("optuna")
    with pytest.raises(SchemaError, match="need at least one covariate"):
        gw.tune(data, model="linear", trials=1)


def test_the_season_alone_is_no_weather() -> None:
    season = np.sin(2 * np.pi * np.arange(DAYS.size) / 365.25)[None]
    data = daily("a").drop_vars("rain").assign(season_sin=(("well", "time"), season))
    data["season_sin"].attrs["kind"] = "season"
    with pytest.raises(SchemaError, match="need at least one covariate"):
        gw.evaluate(data, models=["linear"])


def test_a_run_without_weather_can_be_requested() -> None:
    data = daily("a").drop_vars("rain")
    evaluation = gw.evaluate(data, models=["linear"], without_weather=True, baseline="linear")
    assert set(evaluation.outcomes["status"]) == {"ok"}


def test_forecasters_of_recent_levels_need_no_weather_to_forecast() -> None:
    data = daily("a").drop_vars("rain")
    result = gw.backtest(
        data, models=["arma_regression", "persistence"], baselines=["persistence"],
        horizon=5, stride=60,
    )  # fmt: skip
    assert set(result.outcomes["status"]) == {"ok"}


# settings and levels that are impossible ---------------------------------------------------------


@pytest.mark.parametrize("model", ["lstm", "mlp", "global_gru"])
def test_a_lookback_longer_than_the_record_is_refused(model: str, never_fitted) -> None:
    with pytest.raises(ValueError, match=r"'lookback' of '\w+' .* Received 100000 steps") as raised:
        gw.evaluate(daily("a"), models=[model], settings={model: {"lookback": 100_000}})
    assert "the record has 1827" in str(raised.value)


def test_lookbacks_of_a_regression_longer_than_the_record_are_refused(never_fitted) -> None:
    with pytest.raises(ValueError, match=r"'lookbacks' of 'linear' .* Received 5000 steps"):
        gw.evaluate(daily("a"), models=["linear"], settings={"linear": {"lookbacks": [30, 5000]}})


@pytest.mark.parametrize(
    ("horizon", "message"),
    [
        (0, "at least 1 step"),
        (400, r"longer than the test period\. Received 400 steps, where the test period has 365"),
        (10_001, "at most 10000 steps. Received 10001"),
    ],
)
def test_an_impossible_horizon_is_refused(horizon: int, message: str, never_fitted) -> None:
    with pytest.raises(ValueError, match=message):
        gw.backtest(daily("a"), models=["persistence"], baselines=[], horizon=horizon)


def test_a_forecast_has_at_most_ten_thousand_steps(never_fitted) -> None:
    with pytest.raises(ValueError, match="at most 10000 steps"):
        gw.forecast(daily("a"), models=["linear"], horizon=20_000)


def test_the_horizon_is_limited_by_memory(monkeypatch: pytest.MonkeyPatch, never_fitted) -> None:
    monkeypatch.setattr(requirements, "memory", lambda: 2**20)
    with pytest.raises(ValueError, match=r"300 lead times x 7 quantiles, which need .* GiB"):
        gw.backtest(daily("a"), models=["persistence"], baselines=[], horizon=300, stride=1)


def test_a_stride_that_leaves_one_issue_time_is_refused(never_fitted) -> None:
    with pytest.raises(ValueError, match=r"at least two issue times.*stride of 5000 steps"):
        gw.backtest(daily("a"), models=["persistence"], baselines=[], horizon=5, stride=5000)


def test_a_stride_that_leaves_each_well_one_issue_time_is_refused(never_fitted) -> None:
    data = daily("a", "b")
    data["level"][1] = data["level"][1].where(data["time"] < np.datetime64("2010-01-01"))
    with pytest.raises(ValueError, match=r"two issue times of a well.*stride of 360 steps"):
        gw.backtest(data, models=["persistence"], baselines=[], horizon=5, stride=360)


@pytest.mark.parametrize("level", [1e15, -25_000.0])
def test_levels_that_no_aquifer_has_are_refused(level: float, never_fitted) -> None:
    data = daily("MW7")
    data["level"][0, 100] = level
    for run in (gw.evaluate, gw.backtest, gw.forecast):
        with pytest.raises(SchemaError, match=re.escape(f"Received {level:g} m at well 'MW7' on")):
            run(data, models=["climatology"])


def test_weather_past_its_end_is_refused_before_a_forecast_is_fitted(never_fitted) -> None:
    data = without_rain(daily("a"), "2012-07-01", "2012-12-31")
    with pytest.raises(SchemaError, match="'rain' at well 'a', which ends 2012-06-30"):
        gw.forecast(data, models=["linear"], issue_time="2012-08-01")


def test_the_default_horizon_may_reach_beyond_a_short_test_period() -> None:
    data = daily("a").isel(time=slice(400))
    result = gw.backtest(data, models=["persistence"], baselines=[])
    assert result.origins.horizon == 91
    assert result.scores["lead"].max() <= 80
