"""``gwforecast tune`` in a real process: from files to settings that ``evaluate`` takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from gwforecast.config.load import load_settings

pytest.importorskip("optuna")

ROOT = Path(__file__).resolve().parents[2]
FILES = ["--levels", "levels.csv", "--covariates", "weather.csv"]
CONFIG = """
[data]
levels = 'levels.csv'
covariates = 'weather.csv'
[split]
train = 0.5
validation = 0.25
[models]
seed = 4
members = 2
[mlp]
epochs = 2
units = [4]
lookback = 26
[tune]
model = 'mlp'
trials = 3
metric = 'rmse'
folder = 'found'
[tune.space]
learning_rate = ["log", 1e-3, 1e-1]
features = ["choice", ["season"], ["season", "antecedent"]]
"""


def test_what_is_found_can_be_evaluated(folder: Path, gwforecast) -> None:
    out = folder / "out"
    done = gwforecast("tune", *FILES, "--model", "linear", "--trials", 5, "--out", "out",
                      "--seed", 2, cwd=folder)  # fmt: skip
    assert done.stderr == ""
    assert "linear: best of 5 trials (5 complete), " in done.stdout
    assert "Best settings, NSE 0.9" in done.stdout
    assert "gwforecast evaluate out/best.toml" in done.stdout
    assert "\x1b" not in done.stdout
    settings = load_settings(out / "best.toml")
    assert settings.data.levels.resolve() == (folder / "levels.csv").resolve()
    assert settings.models.seed == 2
    gwforecast("evaluate", "out/best.toml", cwd=folder)
    scores = pd.read_csv(out / "evaluation" / "scores.csv")
    reached = scores.query("model == 'linear' and period == 'validation' and metric == 'nse'")
    kept = json.loads((out / "tuning.json").read_text("utf-8"))
    assert reached["value"].item() == pytest.approx(kept["best"]["value"], rel=1e-9)
    assert reached["n"].item() == kept["n"]
    assert f"{kept['n']} levels of the validation period" in " ".join(done.stdout.split())


def test_a_configuration_is_searched_in_another_folder(folder: Path, gwforecast) -> None:
    (folder / "run.toml").write_text(CONFIG)
    elsewhere = folder / "else" / "where"
    elsewhere.mkdir(parents=True)
    done = gwforecast("tune", "../../run.toml", "--trials", 2, cwd=elsewhere)
    assert "mlp: best of 2 trials" in done.stdout
    assert "RMSE" in done.stdout
    best = load_settings(folder / "found" / "best.toml")
    assert best.split.train == 0.5
    assert best.models.use == ["mlp", "climatology"]
    assert (best.mlp.members, best.mlp.epochs, best.mlp.units) == (2, 2, [4])
    assert best.mlp.learning_rate is not None
    assert best.mlp.features in (["season"], ["season", "antecedent"])
    gwforecast("evaluate", folder / "found" / "best.toml", cwd=elsewhere)
    assert (folder / "found" / "evaluation" / "scores.csv").is_file()


@pytest.mark.parametrize("seconds", [0.0, 1.5])
def test_a_search_that_is_killed_resumes(folder: Path, seconds: float, gwforecast) -> None:
    call = ["tune", *FILES, "--model", "linear", "--trials", "8"]
    gwforecast(*call, "--out", "whole", cwd=folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "gwforecast", *call, "--out", "killed"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    database = folder / "killed" / "study.db"
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline and not database.exists():
        time.sleep(0.05)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL) if hasattr(signal, "SIGKILL") else process.terminate()
    process.wait(timeout=60)
    gwforecast(*call, "--out", "killed", cwd=folder)
    tables = [
        pd.read_csv(folder / out / "trials.csv").drop(columns="seconds")
        for out in ("whole", "killed")
    ]
    pd.testing.assert_frame_equal(*tables)


BAD_CALLS = [
    (["--model", "drift"], "A search needs a model with settings. Received 'drift'"),
    (["--model", "arima"], "--model must be one of"),
    (["--metric", "bias"], "must be one of nse"),
    (["--timeout", "-1"], "--timeout must be greater than 0"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_CALLS)
def test_what_a_user_got_wrong_is_one_message(folder, arguments, message, gwforecast) -> None:
    done = gwforecast("tune", *FILES, *arguments, cwd=folder, code=2)
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert not (folder / "tuning").exists()


def test_another_search_in_the_folder_is_refused(folder: Path, gwforecast) -> None:
    call = ["tune", *FILES, "--model", "climatology", "--trials", 1]
    gwforecast(*call, cwd=folder)
    done = gwforecast(*call, "--metric", "rmse", cwd=folder, code=2)
    assert "A search resumes with the metric that it began with. Received 'rmse'" in done.stderr


def test_a_search_in_which_all_fails_ends_with_one(folder: Path, gwforecast) -> None:
    (folder / "run.toml").write_text(
        "[data]\nlevels = 'levels.csv'\n[tune]\nmodel = 'climatology'\n"
        "[tune.space]\nwindow = ['int', -9, -1]\n"
    )
    done = gwforecast("tune", "run.toml", cwd=folder, code=1)
    assert "A search needs one trial that is complete" in done.stderr
    assert "The setting 'window' of 'climatology' must be at least 0" in done.stderr
