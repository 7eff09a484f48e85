"""Findings of severity error end evaluate, backtest and train with code 1, unless allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from gwforecast.cli.app import app

CONFIG = """
[data]
levels = "levels.csv"
covariates = "weather.csv"
datum = "NAP"
[models]
use = ["climatology"]
[backtest]
models = ["climatology"]
horizon = 4
stride = 20
[output]
figures = 0
[schedule]
models = ["linear"]
horizon = 4
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weekly levels with rain, one value of which is negative: a finding of severity error."""
    folder = tmp_path_factory.mktemp("errors")
    weeks = pd.date_range("2000-01-03", periods=700, freq="W-MON", name="date")
    rain = pd.Series(np.random.default_rng(0).gamma(1.2, 12.0, 700).round(2), weeks, name="rain")
    (rain.ewm(halflife=9).mean() / 20 + 5).rename("level").round(3).to_csv(folder / "levels.csv")
    rain.iloc[400] = -4.0
    rain.to_csv(folder / "weather.csv")
    (folder / "run.toml").write_text(CONFIG, "utf-8")
    return folder


@pytest.mark.parametrize("command", ["evaluate", "backtest", "train"])
def test_an_error_of_a_check_ends_with_code_1(
    command: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    done = CliRunner().invoke(app, [command, "run.toml"])
    assert done.exit_code == 1, done.output
    assert "negative of rain" in done.output
    assert "1 finding of severity error" in done.output
    assert "--allow-errors" in done.output
    allowed = CliRunner().invoke(app, [command, "run.toml", "--allow-errors"])
    assert allowed.exit_code == 0, allowed.output
    assert "negative of rain" in allowed.output
