"""The same words on every result, and what a notebook shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.display import Displayed


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    return gw.load_sample().isel(well=[0, 2], time=slice(3000, 4500))


@pytest.fixture(scope="module")
def evaluation(observations: xr.Dataset) -> gw.Evaluation:
    return gw.evaluate(observations, models=["linear", "climatology"])


@pytest.fixture(scope="module")
def backtest(observations: xr.Dataset) -> gw.Backtest:
    return gw.backtest(observations, models=["linear", "persistence"], horizon=10, stride=60)


def test_an_evaluation_is_a_short_table(evaluation: gw.Evaluation) -> None:
    text = repr(evaluation)
    assert text.startswith("Evaluation of 2 models, 2006-03-20 to 2010-04-27; scores of the test")
    assert "median of 2 wells: rmse and bias in m, skill against climatology, n levels" in text
    assert len(text.splitlines()) <= 6
    assert list(evaluation.summary(period="train", metrics=["nse"]).columns) == ["nse", "n"]


def test_its_predictions_are_a_table(evaluation: gw.Evaluation, observations: xr.Dataset) -> None:
    table = evaluation.to_dataframe()
    columns = ["model", "well", "time", "predicted", "lower_95", "upper_95", "observed"]
    assert list(table) == columns
    row = table.iloc[[700]].iloc[0]
    labels = {name: row[name] for name in ("model", "well", "time")}
    level = evaluation.predictions["level"].sel(labels)
    assert row["predicted"] == float(level.sel(quantile=0.5))
    assert row["lower_95"] == float(level.sel(quantile=0.025))
    of_time = observations["level"].sel(well=row["well"], time=row["time"])
    assert row["observed"] == pytest.approx(float(of_time), nan_ok=True)
    assert table["predicted"].notna().all()


def test_a_backtest_has_the_same_words(backtest: gw.Backtest) -> None:
    assert repr(backtest).startswith("Backtest of 2 models, ")
    title, table = repr(backtest).split("\n", 1)
    assert "weather after the issue time: observed; RMSE in m by lead time, median of 2" in title
    n = backtest.scores.query("metric == 'rmse' and model == 'linear'").groupby("lead")["n"].sum()
    assert set(n) == {10}
    assert title.endswith("wells, 10 levels at each lead time")
    assert table.startswith("RMSE [m], steps ahead")
    assert list(backtest.summary().columns) == [1, 2, 3, 4, 6, 10]
    assert backtest.summary(metric="coverage_95").columns.name.startswith("coverage of the 95 %")
    table = backtest.to_dataframe()
    assert list(table)[:5] == ["model", "well", "issue_time", "lead_time", "valid_time"]
    at = table["valid_time"] == table["issue_time"] + table["lead_time"]
    assert at.all()
    assert table["observed"].notna().any()


@pytest.mark.parametrize("name", ["evaluation", "backtest"])
def test_a_notebook_shows_table_and_picture(name: str, request: pytest.FixtureRequest) -> None:
    result = request.getfixturevalue(name)
    from matplotlib import pyplot as plt

    before = plt.get_fignums()
    page = result._repr_html_()
    assert "<table" in page
    assert 'src="data:image/png;base64,' in page
    assert plt.get_fignums() == before  # nothing is left open
    ax = result.plot(well="ridge")
    assert "ridge" in ax.get_title(loc="left") + ax.get_title() + str(ax.figure._suptitle)
    plt.close("all")


def test_a_result_without_observations_says_so(evaluation: gw.Evaluation) -> None:
    without = replace(evaluation, observations=None)
    with pytest.raises(ValueError, match=r"needs the observations\. Received an evaluation"):
        without.plot()
    page = without._repr_html_()
    assert "<table" in page
    assert "base64" not in page
    assert "observed" not in without.to_dataframe()


def test_models_show_the_settings_that_were_changed(observations: xr.Dataset) -> None:
    assert repr(gw.LSTM()) == "LSTM(), not fitted"
    assert repr(gw.LSTM(units=64, name="wide")) == "LSTM(name='wide', units=64), not fitted"
    model = gw.Linear(lookbacks=(8,))
    model.fit(observations, split=gw.split_by_fraction(observations))
    assert repr(model) == "Linear(lookbacks=(8,)), fitted at 2 wells"
    assert model.title() == "Linear 'linear', fitted at 2 wells"
    assert "lookbacks" in model._repr_html_()


def test_small_numbers_are_not_shown_as_zero() -> None:
    class Sample(Displayed):
        def summary(self) -> pd.DataFrame:
            return pd.DataFrame({"response": [0.83512, -6.14e-5], "days": [84.0, 27.0]})

    lines = [line.split() for line in repr(Sample()).splitlines()]
    assert lines == [["Sample"], ["response", "days"], ["0", "0.835", "84.0"],
                     ["1", "-6.14e-05", "27.0"]]  # fmt: skip


def test_names_are_escaped() -> None:
    page = gw.LSTM(name="<b>x</b>")._repr_html_()
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x" in page


@pytest.mark.parametrize("well", [None, "ridge"])
def test_a_result_is_written_as_a_page(
    evaluation: gw.Evaluation, backtest: gw.Backtest, tmp_path: Path, well: str | None
) -> None:
    for result in (evaluation, backtest):
        page = result.report(tmp_path / "page.html", well=well)
        text = page.read_text("utf-8")
        assert text.lstrip().startswith("<!")
        assert (well or "") in text


def test_a_search_has_no_page() -> None:
    tuning = gw.Tuning("linear", "nse", {}, 0.5, pd.DataFrame())
    with pytest.raises(ValueError, match=r"A report is of wells\. Received a result without any"):
        tuning.report("page.html")


def test_answers_have_the_same_words(observations: xr.Dataset, tmp_path: Path) -> None:
    drier = [gw.Change("rain", factor=0.9)]
    shared = {"models": ["linear"], "blocks": 2}
    with pytest.warns(UserWarning, match="tested within the range"):
        answers = [gw.whatif(observations, drier, name="drier", **shared)]
    answers += [gw.fill(observations, gap_weeks=(4,), **shared), gw.extend(observations, **shared)]
    answers += [ask(observations, **shared) for ask in (gw.simulate, gw.explain)]
    answers += [gw.trend(observations, draws=19, **shared)]
    for answer in answers:
        text = repr(answer)
        assert "by linear, 2 wells, 2006-03-20 to 2010-04-27" in text
        assert len(text.splitlines()) <= 11
        assert {"well", "time"} <= set(answer.to_dataframe())
        assert "<img" in answer._repr_html_()
        page = answer.report(tmp_path / "page.html", well="ridge").read_text("utf-8")
        assert "Groundwater level at ridge" in page
        assert page.count("<img") == len(answer.figures())


def test_a_split_is_shown_as_dates(observations: xr.Dataset) -> None:
    split = gw.split_by_fraction(observations)
    title, header, _, first, _ = repr(split).splitlines()
    assert title == "Periods of 2 wells"
    assert header.split() == ["train", "validation", "test"]
    start, end = (f"{split.bounds['test'].values[0][k]:.10}" for k in (0, 1))
    assert first.endswith(f"{start} to {end}")
    with pytest.warns(UserWarning, match="leaks"):
        at_random = repr(gw.random_split(observations)).splitlines()
    known = int(observations["level"].isel(well=0).notnull().sum())
    assert sum(map(int, at_random[-2].split()[1:])) == known
    assert repr(gw.ObservedWeather()) == "ObservedWeather()"


def test_what_has_no_settings_is_shown(observations: xr.Dataset) -> None:
    assert repr(gw.Persistence()) == "Persistence(), not fitted"
    assert repr(gw.Corrected(gw.Linear())) == "Corrected(parts=[Linear(), not fitted]), not fitted"
    fitted = gw.fit_calibrated(["linear"], observations, horizon=5, forcing="observed")
    assert "5 lead times, weather after the issue time: observed" in repr(fitted)
    windows = gw.WindowGenerator(observations, split=gw.split_by_fraction(observations), lookback=9)
    assert "future" in repr(windows)
    assert "not fitted" in repr(gw.NormalClassifier(gw.MLP()))
