"""The whole path in a real process on real files: outputs in form and number, and failures."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

ROOT = Path(__file__).resolve().parents[2]
BASELINES = "linear,climatology,seasonal_naive,persistence,drift"
FILES = ["--levels", "levels.csv", "--covariates", "weather.csv"]
QUANTILES = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]


@pytest.fixture(scope="module")
def results(shared_folder: Path, gwforecast) -> Path:
    gwforecast("evaluate", *FILES, "--models", BASELINES, "--out", "out", cwd=shared_folder)
    return shared_folder / "out"


def test_every_output_has_its_form(results: Path) -> None:
    scores = pd.read_csv(results / "scores.csv")
    assert scores.columns.tolist() == [
        "model",
        "well",
        "period",
        "metric",
        "value",
        "n",
        "not_scored",
    ]
    assert scores["model"].unique().tolist() == BASELINES.split(",")
    assert set(scores["period"]) == {"train", "validation", "test"}
    with xr.open_dataset(results / "predictions.nc") as predictions:
        assert predictions["level"].dims == ("model", "well", "time", "quantile")
        assert predictions["quantile"].values.tolist() == QUANTILES
        assert predictions["level"].attrs["units"] == "m"
        assert predictions.sizes["time"] == 600
    for model in BASELINES.split(","):
        (table,) = (results / "predictions" / model).glob("*.csv")
        assert len(pd.read_csv(table)) == 600
    assert (results / "findings.csv").is_file()
    assert (results / "history.csv").is_file()
    assert list((results / "figures").glob("*.png"))
    assert not list(results.rglob("*.tmp"))


def test_scores_can_be_recomputed_from_the_predictions(results: Path, truth) -> None:
    observed = truth.iloc[:480]
    with xr.open_dataset(results / "predictions.nc") as predictions:
        central = predictions["level"].sel(model="linear", quantile=0.5).isel(well=0).to_series()
    scores = pd.read_csv(results / "scores.csv").set_index(["model", "period", "metric"])
    rows = slice(384, 480)
    error = central.iloc[rows].to_numpy() - observed.iloc[rows].to_numpy()
    spread = observed.iloc[rows] - observed.iloc[rows].mean()
    value = scores["value"]
    assert scores.loc[("linear", "test", "nse"), "n"] == 96
    assert value["linear", "test", "rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert value["linear", "test", "bias"] == pytest.approx(error.mean())
    expected = 1 - np.sum(error**2) / np.sum(spread.to_numpy() ** 2)
    assert value["linear", "test", "nse"] == pytest.approx(expected)
    assert value["linear", "test", "nse"] > value["climatology", "test", "nse"]


def test_a_hidden_period_is_predicted_and_close_to_the_truth(results: Path, truth) -> None:
    table = pd.read_csv(results / "predictions.csv", index_col="Date", parse_dates=True)
    assert table.index.equals(truth.index.rename("Date"))
    hidden = table.iloc[480:]
    assert hidden.notna().all().all()
    error = hidden["Simulated Head"] - truth.iloc[480:]
    assert np.sqrt(np.mean(error**2)) < truth.iloc[480:].std()
    assert (hidden["95% Lower Bound"] < hidden["Simulated Head"]).all()
    assert (hidden["Simulated Head"] < hidden["95% Upper Bound"]).all()
    with xr.open_dataset(results / "predictions.nc") as predictions:
        source = predictions["fitted_through"].isel(well=0).values.astype(str)
    assert source.tolist() == ["train"] * 384 + ["validation"] * 96 + ["test"] * 120


def test_the_record_is_strict_json_and_complete(shared_folder: Path, results: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    run = json.loads((results / "run.json").read_text("utf-8"), parse_constant=refuse)
    digest = hashlib.sha256((shared_folder / "levels.csv").read_bytes()).hexdigest()
    assert digest in {item["sha256"] for item in run["inputs"]}
    assert {"check", "split", "fit linear", "score", "write", "draw"} <= set(run["seconds"])
    assert {item["status"] for item in run["outcomes"]} == {"ok"}
    assert run["versions"]["gwforecast"]
    for name in run["outputs"]:
        assert (results / name).is_file(), name


def test_two_runs_write_the_same_numbers(folder: Path, gwforecast) -> None:
    for out in ("a", "b"):
        gwforecast("evaluate", *FILES, "--models", "linear,drift", "--out", out, cwd=folder)
    for name in ("scores.csv", "predictions.csv", "findings.csv"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()


def test_the_table_is_printed_and_nothing_else_on_standard_error(folder: Path, gwforecast) -> None:
    done = gwforecast("evaluate", *FILES, "--models", "linear,climatology", cwd=folder)
    assert "NSE" in done.stdout
    assert "climatology" in done.stdout
    assert "test period" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert "refit" not in done.stderr
    assert (folder / "results" / "scores.csv").is_file()


def test_progress_is_drawn_on_a_terminal(folder: Path) -> None:
    pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
    reader, writer = pty.openpty()
    call = [sys.executable, "-m", "gwforecast", "evaluate", *FILES, "--models", "linear"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        call, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=writer
    ) as process:
        os.close(writer)
        drawn = b""
        with contextlib.suppress(OSError):  # the end of a pseudo-terminal
            while chunk := os.read(reader, 65536):
                drawn += chunk
        os.close(reader)
    assert process.returncode == 0, drawn.decode()
    assert b"models" in drawn
    assert b"linear: refit through test" in drawn


@pytest.mark.slow
def test_networks_run_end_to_end(folder: Path, gwforecast) -> None:
    (folder / "run.toml").write_text(
        "[data]\nlevels = 'levels.csv'\ncovariates = 'weather.csv'\n"
        "[models]\nuse = ['lstm', 'mlp', 'climatology']\nmembers = 2\nseed = 3\n"
        "[lstm]\nunits = [8]\nepochs = 4\nlookback = 26\ntargets = 26\n"
        "[mlp]\nepochs = 4\n[output]\nfolder = 'out'\n"
    )
    done = gwforecast("evaluate", "run.toml", cwd=folder)
    assert done.stderr == ""
    history = pd.read_csv(folder / "out" / "history.csv")
    assert history.groupby("model").size().to_dict() == {"lstm": 8, "mlp": 8}
    run = json.loads((folder / "out" / "run.json").read_text("utf-8"))
    assert run["models"]["lstm"]["units"] == [8]
    assert run["models"]["lstm"]["seed"] == run["models"]["mlp"]["seed"] == 3
    table = pd.read_csv(folder / "out" / "predictions.csv")
    lead = pd.read_csv(next((folder / "out" / "predictions" / "blend").glob("*.csv")))
    pd.testing.assert_frame_equal(table, lead)
    assert table["Simulated Head"].notna().all()


def test_a_failing_model_leaves_the_others(folder: Path, gwforecast) -> None:
    (folder / "run.toml").write_text(
        "[data]\nlevels = 'levels.csv'\ncovariates = 'weather.csv'\n"
        "[models]\nuse = ['linear', 'climatology']\n[linear]\ncovariates = ['radiation']\n"
        "[output]\nfolder = 'out'\n"
    )
    done = gwforecast("evaluate", "run.toml", cwd=folder, code=1)
    assert "radiation" in done.stderr
    assert "Traceback" not in done.stderr
    run = json.loads((folder / "out" / "run.json").read_text("utf-8"))
    status = {item["model"]: item["status"] for item in run["outcomes"]}
    assert status == {"linear": "failed", "climatology": "ok"}
    assert set(pd.read_csv(folder / "out" / "scores.csv")["model"]) == {"climatology"}


def test_a_well_that_is_too_short_leaves_the_others(folder: Path, gwforecast) -> None:
    levels = pd.read_csv(folder / "levels.csv", index_col=0, parse_dates=True)
    levels = levels.rename(columns={"level": "long"})
    levels["short"] = levels["long"].iloc[:2]
    levels.to_csv(folder / "levels.csv")
    done = gwforecast(
        "evaluate", *FILES, "--models", "climatology", "--out", "out", cwd=folder, code=1
    )
    assert "short" in done.stdout
    run = json.loads((folder / "out" / "run.json").read_text("utf-8"))
    assert {i["well"]: i["status"] for i in run["outcomes"]} == {"short": "failed", "long": "ok"}
    assert not (folder / "out" / "predictions.csv").exists() or run["observations"]["wells"] == 2


BAD_CALLS = [
    (["evaluate"], "--levels must be given"),
    (["evaluate", "--levels", "nowhere.csv"], "nowhere.csv"),
    (["evaluate", "nowhere.toml"], "nowhere.toml"),
    (["evaluate", *FILES, "--models", "arima"], "--models must be one of"),
    (["evaluate", *FILES, "--split", "0.6"], "--split 0.6,0.2"),
    (["evaluate", *FILES, "--split", "0.9,0.3", "--models", "drift"], "sum to at most 1"),
    (["evaluate", *FILES, "--fill", "rain"], "--fill temperature=interpolate"),
    (["evaluate", *FILES, "--test-start", "tomorrow"], "--test-start must be a date"),
    (["backtest", *FILES, "--threshold", "nan"], "--threshold must be a height in m"),
    (["evaluate", *FILES, "--reference-level", "inf"], "--reference-level must be a height in m"),
    (["evaluate", *FILES, "--cross-validate", "100000", "--models", "drift"], "needs a level"),
    (["status", "run.toml", "--json", "--prometheus"], "Received both --json and --prometheus"),
    (["status", "run.toml", "--max-age", "48"], "--max-age needs a number and a unit"),
    (["status", "run.toml", "--max-age", "nan"], "--max-age needs a number and a unit"),
    (["train", "run.toml", "--step-back", "--update"], "--step-back trains nothing"),
    (["forecast", "run.toml", "--wait", "nan"], "--wait"),
    (["acknowledge", "run.toml", "a", "--new-datum", "inf"], "takes a finite one. Received inf"),
    (["evaluate", *FILES, "--well", "x\x1b[31m", "--models", "drift"], "\\x1b[31m"),
    (["check", "--levels", "broken.csv"], "broken.csv"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_CALLS)
def test_what_a_user_got_wrong_is_one_message(
    folder: Path, arguments: list[str], message: str, gwforecast
) -> None:
    (folder / "broken.csv").write_bytes(b"\x00\x01\x02")
    (folder / "run.toml").write_text("[data]\nlevels = 'heads.csv'\n")
    done = gwforecast(*arguments, cwd=folder, code=2)
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr


def test_check_prints_and_changes_nothing(folder: Path, gwforecast) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    done = gwforecast("check", *FILES, cwd=folder)
    assert "nothing was changed" in done.stdout
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_check_ends_with_one_where_something_is_wrong(folder: Path, gwforecast) -> None:
    levels = pd.read_csv(folder / "levels.csv", index_col=0)
    levels.iloc[100:103] = -9999.0
    levels.to_csv(folder / "levels.csv")
    done = gwforecast("check", *FILES, cwd=folder, code=1)
    assert "-9999" in done.stdout


def test_heights_of_some_wells_on_the_command_line(folder: Path, gwforecast) -> None:
    levels = pd.read_csv(folder / "levels.csv")
    (folder / "wells").mkdir()
    levels.to_csv(folder / "wells" / "a.csv", index=False)
    depth = pd.DataFrame({"Datum": levels["date"], "Abstich (m)": 60 - levels["level"]})
    depth.to_csv(folder / "wells" / "b=1.csv", index=False)
    files = ["--levels", "wells", "--covariates", "weather.csv", "--models", "linear,climatology"]
    told = gwforecast("evaluate", *files, cwd=folder, code=2).stderr
    assert "whose column names a depth" in " ".join(told.split())
    gwforecast("evaluate", *files, "--reference-level", "b=1=60", "--out", "out", cwd=folder)
    scores = pd.read_csv(folder / "out" / "scores.csv").query("metric == 'nse'")
    a, b = (scores[scores["well"] == well]["value"].to_numpy() for well in ("a", "b=1"))
    np.testing.assert_allclose(a, b, rtol=1e-6)
    wrong = gwforecast("evaluate", *files, "--reference-level", "b:60", cwd=folder, code=2).stderr
    assert "--reference-level MW-7=27.1" in " ".join(wrong.split())


def test_a_depth_to_water_is_told_its_height_on_the_command_line(folder: Path, gwforecast) -> None:
    levels = pd.read_csv(folder / "levels.csv")
    depth = levels.assign(depth_to_water=60 - levels["level"]).drop(columns="level")
    depth.to_csv(folder / "depth.csv", index=False)
    files = ["--levels", "depth.csv", "--covariates", "weather.csv"]
    assert "reference_level" in gwforecast("check", *files, cwd=folder, code=2).stderr
    options = ["--reference-level", 60, "--models", "linear,climatology", "--out", "out"]
    gwforecast("evaluate", *files, *options, cwd=folder)
    scores = pd.read_csv(folder / "out" / "scores.csv")
    nse = scores.query("model == 'linear' and period == 'test' and metric == 'nse'")["value"]
    assert nse.iloc[0] > 0.9


@pytest.mark.parametrize("shards", [False, True])
def test_a_scheduled_forecast_imports_no_library_that_it_does_not_use(folder, shards) -> None:
    cluster = "[cluster]\nshard = 2\n" if shards else ""
    (folder / "run.toml").write_text(f"[data]\nlevels = 'no.csv'\n[lstm]\nepochs = 1\n{cluster}")
    code = (
        "import sys; from gwforecast.cli.app import app\n"
        "sys.argv = ['gwforecast', 'forecast', 'run.toml']\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('dask', 'pyarrow', 'keras', 'matplotlib') if sys.modules.get(m)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = done.stdout.strip().splitlines()[-1]
    assert found == "[]" if not shards else "keras" not in found
