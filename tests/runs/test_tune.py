"""Hyperparameter search: nothing after validation is read, and interrupted searches resume."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.config.load import load_settings
from gwforecast.runs import tune as module
from gwforecast.runs.catalogue import make_forecasters
from gwforecast.runs.results import Tuning
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import split_by_fraction
from gwforecast.verification.metrics import METRICS

optuna = pytest.importorskip("optuna")

TINY = {"epochs": 3, "units": [4], "lookback": 30, "features": ["season"], "batch_size": 128}
RATES = {"learning_rate": ("log", 1e-4, 1e-1), "dropout": ("float", 0.0, 0.5)}


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    """Two wells of the sample, six years."""
    return gw.load_sample().sel(well=["fen", "terrace"], time=slice("2008", "2013"))


@pytest.fixture(scope="module")
def fen(observations: xr.Dataset) -> xr.Dataset:
    return observations.sel(well=["fen"])


def told(tuning: Tuning) -> str:
    """Return the trials without their seconds, with every digit."""
    return tuning.trials.drop(columns="seconds").to_json(double_precision=15, orient="split")


# the test period ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["linear", "mlp"])
@pytest.mark.parametrize("instead", [np.nan, 1e6])
def test_levels_of_the_test_period_change_nothing(fen, tmp_path, model, instead) -> None:
    split = split_by_fraction(fen)
    hidden = fen.assign(level=fen["level"].where(~split.rows(fen, "test"), instead))
    given = {"space": RATES, "settings": TINY, "members": 2} if model == "mlp" else {}
    runs = [
        gw.tune(data, model=model, split=split, trials=4, out=tmp_path / str(number), **given)
        for number, data in enumerate((fen, hidden))
    ]
    assert told(runs[0]) == told(runs[1])
    best = [run.paths["best.toml"].read_bytes() for run in runs]
    assert best[0] == best[1]
    kept = [json.loads(run.paths["tuning.json"].read_text("utf-8")) for run in runs]
    for clock in ("started", "finished", "seconds"):
        assert [record.pop(clock) is not None for record in kept] == [True, True]
    assert kept[0] == kept[1]


def test_weather_after_validation_changes_nothing(fen) -> None:
    split = split_by_fraction(fen)
    later = fen["time"] > split.end("validation").max()
    other = fen.assign(rain=fen["rain"].where(~later, 0.0))
    runs = [gw.tune(data, model="linear", split=split, trials=3) for data in (fen, other)]
    assert told(runs[0]) == told(runs[1])


def test_levels_of_validation_do_change_the_scores(fen) -> None:
    split = split_by_fraction(fen)
    other = fen.assign(level=fen["level"].where(~split.rows(fen, "validation"), fen["level"] * 2))
    runs = [gw.tune(data, model="linear", split=split, trials=2) for data in (fen, other)]
    assert told(runs[0]) != told(runs[1])


def test_observations_are_not_changed(fen) -> None:
    before = fen.copy(deep=True)
    gw.tune(fen, model="climatology", trials=2)
    xr.testing.assert_identical(fen, before)


# scores ------------------------------------------------------------------------------------------


def test_the_score_is_that_of_an_evaluation(observations) -> None:
    tuning = gw.tune(observations, model="climatology", trials=3)
    evaluation = gw.evaluate(
        observations, models=["climatology"], settings={"climatology": tuning.best}
    )
    scores = evaluation.scores.query("period == 'validation' and metric == 'nse'")
    assert tuning.value == pytest.approx(scores["value"].mean(), rel=1e-9)


@pytest.mark.parametrize("metric", ["nse", "rmse", "kge_anomaly"])
def test_the_best_is_the_best_of_all_by_brute_force(fen, metric) -> None:
    space = {"window": ("choice", 0, 3, 10, 40)}
    tuning = gw.tune(fen, model="climatology", space=space, metric=metric, trials=12)
    split = split_by_fraction(fen)
    observed = split.levels(fen, "validation").values[0]
    found = {}
    for window in (0, 3, 10, 40):
        fitted = gw.Climatology(window=window).fit(fen, split=split)
        predicted = fitted.simulate(fen)["level"].values[0]
        found[window] = METRICS[metric].function(observed=observed, predicted=predicted)
    for window, value in tuning.trials[["window", "value"]].itertuples(index=False):
        assert value == pytest.approx(found[window], rel=1e-12)
    tried = {window: found[window] for window in tuning.trials["window"]}
    chosen = (max if METRICS[metric].larger_is_better else min)(tried, key=tried.get)
    assert tuning.best == {"window": chosen}
    assert tuning.to_dataframe()["value"].iloc[0] == tuning.value


@pytest.mark.parametrize("model", ["mlp", "lstm"])
def test_members_trained_in_steps_are_the_ensemble_of_an_evaluation(fen, model: str) -> None:
    settings = TINY if model == "mlp" else {"units": [4], "epochs": 3, "lookback": 30}
    tuning = gw.tune(fen, model=model, settings=settings, space=RATES, members=4, seed=5, trials=1)
    assert tuning.best["members"] == 4
    split = split_by_fraction(fen)
    made = make_forecasters([model], settings={model: tuning.best}, shared={"seed": 5})[model]
    level = made.fit(fen, split=split).simulate(fen)["level"].median("member").values[0]
    observed = split.levels(fen, "validation").values[0]
    expected = METRICS["nse"].function(observed=observed, predicted=level)
    assert tuning.value == pytest.approx(expected, rel=1e-6)


def test_the_first_trial_has_the_defaults(fen) -> None:
    tuning = gw.tune(fen, model="linear", trials=1)
    split = split_by_fraction(fen)
    level = gw.Linear().fit(fen, split=split).simulate(fen)["level"].values[0]
    observed = split.levels(fen, "validation").values[0]
    expected = METRICS["nse"].function(observed=observed, predicted=level)
    assert tuning.value == pytest.approx(expected, rel=1e-9)


def test_a_level_that_cannot_be_scored_is_left_out_of_the_mean(observations) -> None:
    flat = observations.copy(deep=True)
    flat["level"][1] = flat["level"][1] * 0 + 7.0
    split = split_by_fraction(flat)
    both = gw.tune(flat, model="climatology", split=split, trials=2)
    one = gw.tune(flat.isel(well=[0]), model="climatology", split=split, trials=2)
    assert told(both) == told(one)
    with pytest.raises(SchemaError, match="A search needs a well whose levels NSE"):
        gw.tune(flat.isel(well=[1]), model="climatology", split=split)
    assert gw.tune(
        flat.isel(well=[1]), model="climatology", split=split, metric="rmse", trials=1
    ).value == pytest.approx(0.0, abs=1e-12)


# interrupted, pruned, failed ----------------------------------------------------------------------


def test_pruned_trials_were_worse_after_one_member_and_cost_no_more(fen) -> None:
    tuning = gw.tune(fen, model="mlp", settings=TINY, space=RATES, members=4, trials=12)
    pruned = tuning.trials[tuning.trials["state"] == "pruned"]
    complete = tuning.trials[tuning.trials["state"] == "complete"]
    assert len(pruned) >= 1
    assert len(complete) >= 5
    assert len(tuning.trials) == 12
    assert set(pruned["reason"]) <= {f"stopped after {n} of 4 members" for n in (1, 3)}
    assert pruned["value"].max() <= complete["value"].max()
    assert pruned["number"].min() >= 5
    row = pruned[pruned["reason"].str.contains("after 1")].iloc[0]
    alone = {**TINY, "learning_rate": row["learning_rate"], "dropout": row["dropout"]}
    split = split_by_fraction(fen)
    level = gw.MLP(**alone, members=1).fit(fen, split=split).simulate(fen)["level"]
    observed = split.levels(fen, "validation").values[0]
    one = METRICS["nse"].function(observed=observed, predicted=level.values[0, :, 0])
    assert row["value"] == pytest.approx(one, rel=1e-6)


def test_a_search_that_was_broken_off_gives_the_same_trials(fen, tmp_path) -> None:
    given = {"model": "mlp", "settings": TINY, "space": RATES, "members": 4}
    whole = gw.tune(fen, trials=10, **given)

    def broken(after: int):
        def progress(task: str, done: int, total: int) -> None:
            nonlocal after
            after -= task != "trials"
            if after < 0:
                raise KeyboardInterrupt

        return progress

    for calls in (0, 9, 14):  # within the first trial, and within later ones
        with pytest.raises(KeyboardInterrupt):
            gw.tune(fen, trials=10, out=tmp_path, progress=broken(calls), **given)
    gw.tune(fen, trials=7, out=tmp_path, **given)
    resumed = gw.tune(fen, trials=10, out=tmp_path, **given)
    assert told(resumed) == told(whole)
    again = gw.tune(fen, trials=10, out=tmp_path, **given)
    assert again.trials.equals(resumed.trials)  # nothing was run: the seconds are the same
    assert not list(tmp_path.glob("*.tmp"))


def test_a_killed_search_goes_on_with_the_trial_that_it_was_in(fen, tmp_path) -> None:
    gw.tune(fen, model="climatology", trials=3, out=tmp_path)
    study = optuna.load_study(
        study_name="gwforecast", storage=f"sqlite:///{(tmp_path / 'study.db').as_posix()}"
    )
    study.ask()  # stays in the state of a trial that runs
    study._storage.remove_session()
    study._storage._backend.engine.dispose()
    resumed = gw.tune(fen, model="climatology", trials=6, out=tmp_path)
    assert told(resumed) == told(gw.tune(fen, model="climatology", trials=6))


def test_a_search_that_was_killed_before_its_first_trial_begins_once(fen, tmp_path) -> None:
    gw.tune(fen, model="climatology", trials=1, out=tmp_path / "whole")
    whole = gw.tune(fen, model="climatology", trials=4, out=tmp_path / "whole")
    storage = f"sqlite:///{(tmp_path / 'study.db').as_posix()}"
    study = optuna.create_study(study_name="gwforecast", storage=storage, direction="maximize")
    study.enqueue_trial({"window": 15})
    study._storage.remove_session()
    study._storage._backend.engine.dispose()
    assert told(gw.tune(fen, model="climatology", trials=4, out=tmp_path)) == told(whole)


def test_another_seed_gives_other_trials(fen) -> None:
    runs = [gw.tune(fen, model="linear", trials=4, seed=seed) for seed in (1, 2)]
    assert told(runs[0]) != told(runs[1])


def test_a_trial_that_fails_is_kept_with_its_reason(fen, tmp_path) -> None:
    space = {"window": ("int", -20, 20)}
    tuning = gw.tune(fen, model="climatology", space=space, trials=6, out=tmp_path)
    failed = tuning.trials[tuning.trials["window"] < 0]
    assert len(failed) >= 1
    assert set(failed["state"]) == {"failed"}
    assert failed["value"].isna().all()
    assert (
        failed["reason"]
        .str.match(r"ValueError: The setting 'window' of 'climatology' must be at least 0")
        .all()
    )
    assert (tuning.trials["state"] == "complete").sum() == 6
    assert tuning.best["window"] >= 0
    assert tuning.paths["tuning.png"].stat().st_size > 10_000


def test_where_all_trials_fail_the_first_reason_is_told(fen) -> None:
    space = {"window": ("int", -20, -1)}
    with pytest.raises(
        RuntimeError, match=r"Received 5, and none is: ValueError: The setting 'window'"
    ):
        gw.tune(fen, model="climatology", space=space, trials=40)


def test_a_trial_that_leaves_levels_unpredicted_fails(fen) -> None:
    gap = fen.copy(deep=True)
    split = split_by_fraction(fen)
    first = split.start("validation").values[0]
    position = int(np.flatnonzero(gap["time"].values == first)[0])
    gap["level"][:, position - 60 : position - 50] = np.nan
    given = {"tolerance": ("choice", 0, 45)}
    tuning = gw.tune(gap, model="seasonal_naive", space=given, trials=3, split=split)
    failed = tuning.trials[tuning.trials["state"] == "failed"]
    assert set(failed["tolerance"]) == {0}
    assert failed["reason"].str.contains("must predict every level").all()
    assert tuning.best == {"tolerance": 45}


def test_a_timeout_ends_the_search_after_a_trial(fen) -> None:
    tuning = gw.tune(fen, model="linear", trials=1000, timeout=0.01)
    assert 1 <= len(tuning.trials) < 20


OTHERS = {
    "model": {"model": "seasonal_naive", "space": {"tolerance": ("int", 5, 20)}},
    "metric": {"metric": "rmse"},
    "space": {"space": {"window": ("int", 0, 21)}},
    "seed": {"seed": 1},
    "split": {},
    "data": {},
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_search_does_not_go_on_as_another(fen, tmp_path, other) -> None:
    given = {"model": "climatology", "space": {"window": ("int", 0, 20)}, "trials": 1}
    gw.tune(fen, out=tmp_path, **given)
    before = (tmp_path / "trials.csv").read_bytes()
    data, changed = fen, dict(OTHERS[other])
    if other == "split":  # the same rows in all, others in train
        changed["split"] = split_by_fraction(fen, train=0.5, validation=0.3)
    if other == "data":
        data = fen.assign(level=fen["level"] + 1)
    with pytest.raises(ValueError, match=f"resumes with the {other} that it") as caught:
        gw.tune(data, out=tmp_path, **given | changed)
    assert re.search(
        r"Received .*; the study in .* has .*\. Give another folder", str(caught.value)
    )
    assert (tmp_path / "trials.csv").read_bytes() == before


# files -------------------------------------------------------------------------------------------


def test_files_hold_what_was_found(fen, tmp_path) -> None:
    folder = tmp_path / "new" / "folder"
    settings = {"harmonics": 1}
    tuning = gw.tune(fen, model="linear", settings=settings, trials=3, seed=7, out=folder)
    names = {"study.db", "trials.csv", "best.toml", "tuning.json", "tuning.png"}
    assert set(tuning.paths) == names == {path.name for path in folder.iterdir()}
    read = load_settings(folder / "best.toml", overrides={"data": {"levels": Path("a.csv")}})
    assert read.of_model("linear") == tuning.best
    assert tuning.best["harmonics"] == 1
    assert (read.models.use, read.models.seed) == (["linear"], 7)
    table = pd.read_csv(folder / "trials.csv")
    assert table["value"].tolist() == pytest.approx(tuning.trials["value"].tolist(), rel=1e-9)
    assert table.columns.tolist() == [*module.TRIAL_COLUMNS, "strengths", "lookbacks"]
    kept = json.loads((folder / "tuning.json").read_text("utf-8"))
    assert kept["best"] == {"value": tuning.value, "settings": tuning.best}
    assert kept["versions"]["optuna"] == optuna.__version__
    assert kept["seed"] == 7
    assert len(kept["data"]) == 64
    assert set(kept["space"]) == {"strengths", "lookbacks"}
    assert {item["period"] for item in kept["periods"]} == {"train", "validation"}
    assert (folder / "tuning.png").read_bytes().startswith(b"\x89PNG")


def test_best_settings_of_a_network_are_a_configuration(fen, tmp_path) -> None:
    space = {**RATES, "units": ("choice", [4], [4, 2])}
    given = {name: value for name, value in TINY.items() if name != "units"}
    tuning = gw.tune(fen, model="lstm", settings=given, space=space, members=1, trials=2,
                     out=tmp_path)  # fmt: skip
    read = load_settings(tmp_path / "best.toml", overrides={"data": {"levels": Path("a.csv")}})
    assert read.of_model("lstm") == tuning.best
    assert set(tuning.trials["units"]) <= {"[4]", "[4, 2]"}


def test_loggers_of_optuna_are_as_before(fen, capfd) -> None:
    before = optuna.logging.get_verbosity()
    gw.tune(fen, model="climatology", trials=2)
    assert optuna.logging.get_verbosity() == before
    assert "rial" not in "".join(capfd.readouterr())


BAD_CALLS = [
    ({"model": ["lstm"]}, TypeError, "A search is for one model, by its name"),
    ({"model": "arima"}, ValueError, "A search is for one of the models"),
    ({"model": "drift"}, ValueError, "A search needs a model with settings"),
    ({"metric": "bias"}, ValueError, "must be one of nse"),
    ({"metric": "nse_reference"}, ValueError, "must be one of nse"),
    ({"trials": 0}, ValueError, "at least 1 trial"),
    ({"timeout": 0}, ValueError, "a timeout above 0 s"),
    ({"settings": {"window": 3}}, ValueError, "needs a setting to choose"),
    ({"settings": {"windows": 3}}, TypeError, "The settings of 'climatology' are window"),
    ({"settings": {"window": 3}, "space": {"window": ("int", 0, 3)}}, ValueError, "either fixed"),
]


@pytest.mark.parametrize(("given", "error", "rule"), BAD_CALLS)
def test_calls_that_cannot_be_are_refused(fen, given, error, rule) -> None:
    with pytest.raises(error, match="Received") as caught:
        gw.tune(fen, **{"model": "climatology"} | given)
    assert rule in str(caught.value)


def test_without_optuna_the_message_says_how_to_install_it(fen, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"needs optuna\. Received .*pip install"):
        gw.tune(fen, model="climatology")


def test_importing_the_search_does_not_import_optuna() -> None:
    import subprocess

    code = "import sys, gwforecast.runs.tune; print('optuna' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "False"
