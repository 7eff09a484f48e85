"""Small real files, and the real command line."""

from __future__ import annotations

import contextlib
import gc
import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[1]


def _weather(weeks: int = 600) -> pd.DataFrame:
    """Return weekly rain, mm, and temperature, degC, from a Monday."""
    generator = np.random.default_rng(11)
    times = pd.date_range("2001-01-01", periods=weeks, freq="W-MON", name="date")
    season = np.cos(2 * np.pi * (np.arange(weeks) - 3) / 52.18)
    rain = generator.gamma(1.2, 12.0, weeks) * (1 + 0.3 * season)
    temperature = 9.0 - 8.0 * season + generator.normal(0, 1.5, weeks)
    return pd.DataFrame({"rain": rain.round(2), "temperature": temperature.round(2)}, index=times)


def _level(covariates: pd.DataFrame, *, memory: float = 12.0, base: float = 40.0) -> pd.Series:
    """Return the level of a linear reservoir under recharge, m: its truth is known."""
    recharge = covariates["rain"] - 1.3 * covariates["temperature"].clip(lower=0)
    kept, stored = np.exp(-1 / memory), np.zeros(len(covariates))
    for step in range(1, stored.size):
        stored[step] = kept * stored[step - 1] + (1 - kept) * recharge.iloc[step]
    return pd.Series((base + stored / 20).round(3), covariates.index, name="level")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``levels.csv`` of 480 of the 600 weeks of ``weather.csv``."""
    return _write_files(tmp_path)


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``folder``, once for all tests of a module; nothing may change its files."""
    return _write_files(tmp_path_factory.mktemp("shared"))


def _write_files(folder: Path) -> Path:
    covariates = _weather()
    covariates.to_csv(folder / "weather.csv")
    _level(covariates).iloc[:480].to_csv(folder / "levels.csv")
    return folder


@pytest.fixture(scope="session")
def truth() -> pd.Series:
    """The level of all 600 weeks."""
    return _level(_weather())


@pytest.fixture(scope="session")
def gwforecast() -> Command:
    """Run the command line in this process; fail where it does not end with the code."""
    return _run


def _run(*arguments: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    from gwforecast.cli import app, console

    given, out, err = [sys.argv[0], *map(str, arguments)], io.StringIO(), io.StringIO()
    returned: object = 0
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", given)
        patch.setenv("COLUMNS", "160")
        patch.setattr(console.errors, "width", 160)
        warnings.simplefilter("default")
        for one in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", one)
        try:
            app.main()
        except SystemExit as end:
            returned = 0 if end.code is None else end.code
        finally:
            gc.unfreeze()
            console.LOG.handlers[:], console.LOG.propagate = [], True
    assert returned == code, out.getvalue() + err.getvalue()
    return subprocess.CompletedProcess(given, code, out.getvalue(), err.getvalue())
