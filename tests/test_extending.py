"""Adding a model or a derived covariate takes one file or function, as in CONTRIBUTING.md.

Each is added to a copy of the package, which runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]

BASELINE = '''
"""The level as a straight line of the weather of the last steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from gwforecast.models.base import setting
from gwforecast.models.per_well import PerWell
from gwforecast.models.state import Shape

__all__ = ["RecentMean"]


@dataclass(frozen=True, eq=False)
class Line:
    intercept: float
    slopes: Annotated[np.ndarray, Shape("covariate")]


@dataclass(kw_only=True, eq=False)
class RecentMean(PerWell[Line]):
    """Regression on the mean weather of the last steps.

    Parameters
    ----------
    window : int
        Steps that the mean is taken over.
    """

    name: str = "recent_mean"
    window: Annotated[int, Ge(1)] = setting(4, search=("int", 1, 20))
    fit_type = Line
    stored_settings = ("window",)

    def fit_well(self, record, previous):
        means = self._means(record.weather)
        known = np.isfinite(record.level) & np.isfinite(means).all(axis=-1)
        columns = np.column_stack([np.ones(known.sum()), means[known]])
        found = np.linalg.lstsq(columns, record.level[known])[0]
        return Line(float(found[0]), found[1:])

    def simulate_well(self, fit, weather, times):
        return fit.intercept + self._means(weather) @ fit.slopes

    def _means(self, weather):
        means = np.mean([np.roll(weather, k, axis=-2) for k in range(self.window)], axis=0)
        means[..., : self.window - 1, :] = np.nan
        return means
'''

NETWORK = '''
"""A network of one dense layer: Keras model, forward pass in NumPy, and the forecaster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gwforecast.models.base import setting
from gwforecast.networks import parts
from gwforecast.networks.forecaster import NeuralForecaster
from gwforecast.networks.parts import Architecture, Positive

__all__ = ["Perceptron"]


@dataclass(frozen=True)
class PerceptronArchitecture(Architecture):
    kind = "perceptron"

    def hidden_shapes(self, width):
        units = self.setting("units")
        return [(width, units), (units,)], units

    def hidden_layers(self, x, seed):
        import keras

        return keras.layers.Dense(self.setting("units"), activation="tanh")(x)

    def run_hidden(self, weights, inputs, state):
        kernel, bias = weights
        return parts.activate(parts.dense(inputs, kernel, bias), "tanh"), []


@dataclass(kw_only=True, eq=False)
class Perceptron(NeuralForecaster):
    """Networks of one dense layer on means of the covariates over lags.

    Parameters
    ----------
    units : int
        Units of the layer.
    """

    architecture: ClassVar[type[Architecture]] = PerceptronArchitecture
    lagged = True
    name: str = "perceptron"
    units: Positive = setting(8, search=("choice", 4, 8))

    def network_settings(self):
        return {"units": self.units}
'''

COVARIATE = '''

def add_wetness(observations: xr.Dataset) -> xr.Dataset:
    """Add ``wetness``, the square root of the rain."""
    rain = observations[find_covariate(observations, "rain")]
    return observations.assign(
        wetness=_covariate(np.sqrt(rain.values), "mm0.5", "square root of the rain", "wetness")
    )


FEATURES["wetness"] = add_wetness
'''


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the copy of the package that lies beside the data."""
    shutil.copytree(
        ROOT / "gwforecast", tmp_path / "copy" / "gwforecast",
        ignore=shutil.ignore_patterns("__pycache__"),
    )  # fmt: skip
    shutil.copytree(ROOT / "datasets", tmp_path / "copy" / "datasets")

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "gwforecast", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "copy"), "COLUMNS": "160"},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return call


def add(folder: Path, file: str, source: str, *, line: str) -> None:
    """Add a file to the copy of the package, and a line to its catalogue."""
    package = folder / "copy" / "gwforecast"
    (package / file).write_text(source.lstrip())
    catalogue = package / "runs" / "catalogue.py"
    text = catalogue.read_text("utf-8")
    start = "MODELS: dict[str, str] = {\n"
    assert start in text
    catalogue.write_text(text.replace(start, f"{start}    {line}\n"))


def add_covariate(folder: Path) -> None:
    file = folder / "copy" / "gwforecast" / "data" / "covariates.py"
    file.write_text(file.read_text("utf-8") + COVARIATE)


def write(folder: Path, *tables: str) -> None:
    data = "[data]\nlevels = 'levels.csv'\ncovariates = 'weather.csv'\n"
    (folder / "run.toml").write_text(data + "\n".join(tables))


def test_a_baseline_is_one_file_and_one_line(folder: Path, run: Run) -> None:
    line = '"recent_mean": "gwforecast.models.recent_mean:RecentMean",'
    add(folder, "models/recent_mean.py", BASELINE, line=line)
    write(folder, "[models]\nuse = ['recent_mean', 'climatology']", "[recent_mean]\nwindow = 12")
    run("evaluate", "run.toml", "--out", "out", "--figures", 0)
    scores = pd.read_csv(folder / "out" / "scores.csv")
    assert set(scores["model"]) == {"recent_mean", "climatology"}
    record = json.loads((folder / "out" / "run.json").read_text("utf-8"))
    assert record["models"]["recent_mean"]["window"] == 12
    write(folder)
    done = run("tune", "run.toml", "--model", "recent_mean", "--trials", 2, "--out", "tuned")
    assert "recent_mean: best of 2 trials" in done.stdout
    assert "recent_mean" in run("evaluate", "--help").stdout


def test_a_network_is_one_file_and_one_line(folder: Path, run: Run) -> None:
    line = '"perceptron": "gwforecast.networks.perceptron:Perceptron",'
    add(folder, "networks/perceptron.py", NETWORK, line=line)
    few = "epochs = 1\nmembers = 2\nlookback = 26"
    write(folder, "[models]\nuse = ['perceptron', 'drift']\nbaseline = 'drift'",
          f"[perceptron]\nunits = 4\n{few}")  # fmt: skip
    run("evaluate", "run.toml", "--out", "out", "--figures", 0)
    scores = pd.read_csv(folder / "out" / "scores.csv").query("model == 'perceptron'")
    assert scores["value"].notna().any()
    record = json.loads((folder / "out" / "run.json").read_text("utf-8"))
    assert record["models"]["perceptron"]["units"] == 4


def test_a_derived_covariate_is_one_function_for_all_models(folder: Path, run: Run) -> None:
    add_covariate(folder)
    models = "[models]\nuse = ['linear', 'climatology']"
    write(folder, models)
    run("evaluate", "run.toml", "--out", "without", "--figures", 0)
    write(folder, "derive = ['wetness']", models)
    run("evaluate", "run.toml", "--out", "with", "--figures", 0)
    scores = [
        pd.read_csv(folder / out / "scores.csv").set_index(["model", "period", "metric"])["value"]
        for out in ("without", "with")
    ]
    assert scores[0]["climatology", "test", "nse"] == scores[1]["climatology", "test", "nse"]
    assert scores[0]["linear", "test", "nse"] != scores[1]["linear", "test", "nse"]
