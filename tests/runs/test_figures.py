"""Figures of a run: which model is shown, in which order and colours, and the files."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import evaluate, load_sample
from gwforecast.runs import figures
from gwforecast.runs.results import Evaluation

mpl.use("agg")


@pytest.fixture(scope="module")
def run() -> tuple[Evaluation, xr.Dataset]:
    """An evaluation of two models, of which the second is stored as ``blend``."""
    observations = load_sample().sel(well=["fen"], time=slice("2008", None))
    made = evaluate(observations, models=["climatology", "linear"])
    names = {"climatology": "climatology", "linear": "blend"}
    predictions = made.predictions.assign_coords(
        model=[names[str(model)] for model in made.predictions["model"].values]
    )
    scores = made.scores.assign(model=made.scores["model"].map(names))
    changed = {"predictions": predictions, "scores": scores}
    return type(made)(**{**vars(made), **changed}), observations


def test_the_blend_is_shown_where_it_is_the_prediction(run):
    evaluation, _ = run
    assert [str(m) for m in evaluation.predictions["model"].values] == ["climatology", "blend"]
    assert figures._main_model(evaluation, "fen") == "blend"
    unknown = evaluation.predictions.where(evaluation.predictions["model"] != "blend")
    alone = type(evaluation)(**{**vars(evaluation), "predictions": unknown})
    assert figures._main_model(alone, "fen") == "climatology"


def test_models_are_ordered_by_their_score(run):
    evaluation, _ = run
    assert figures._by_score(evaluation, "fen") == ["blend", "climatology"]
    nse = evaluation.scores["metric"] == "nse"
    turned = evaluation.scores.assign(
        value=np.where(nse, -evaluation.scores["value"], evaluation.scores["value"])
    )
    other = type(evaluation)(**{**vars(evaluation), "scores": turned})
    assert figures._by_score(other, "fen") == ["climatology", "blend"]


def test_neural_networks_and_their_blend_are_emphasised():
    models = pd.Series(["linear", "gru", "lstm", "blend", "gru"])
    assert figures._emphasis(models) == ["blend", "lstm", "gru"]
    assert figures._emphasis(["linear", "climatology"]) is None


def test_every_figure_of_a_run_is_written(run, tmp_path: Path):
    evaluation, observations = run
    files = figures.draw_evaluation(evaluation, observations, folder=tmp_path, wells=1)
    expected = {
        "gaps", "scores_nse", "scores_rmse", "interval_coverage", "coverage_by_year",
        "hydrograph_fen", "all_models_fen", "observed_predicted_fen", "residuals_fen",
        "residuals_by_season_fen",
    }  # fmt: skip
    assert {Path(name).stem for name in files} == expected
    assert all(path.stat().st_size > 10_000 for path in files.values())
    assert figures.draw_evaluation(evaluation, observations, folder=tmp_path, wells=0) == {}
