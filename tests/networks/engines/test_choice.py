"""Which engine trains: the compiled one on a CPU where it can, otherwise Keras, to the same end."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from gwforecast.networks import engines
from gwforecast.networks.engines import build, compiled
from gwforecast.networks.gru import GRU
from gwforecast.networks.lstm import LSTM, GlobalLSTM
from gwforecast.networks.mlp import MLP
from gwforecast.sequences.split import split_by_fraction

ROOT = Path(__file__).resolve().parents[3]
SMALL = {"members": 2, "epochs": 3, "lookback": 6, "targets": 8, "dropout": 0.0, "noise": 0.0}
needs_kernels = pytest.mark.skipif(
    not compiled.is_available(), reason="the kernels are not compiled"
)


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    """Return two wells whose level is a fading memory of the rain, with gaps."""
    rng = np.random.default_rng(3)
    rain = rng.gamma(0.4, 8.0, size=(2, 160))
    level = np.zeros_like(rain)
    for step in range(1, 160):
        level[:, step] = 0.8 * level[:, step - 1] + 0.02 * rain[:, step]
    level[:, ::7] = np.nan
    return xr.Dataset(
        {
            "level": (("well", "time"), level, {"units": "m"}),
            "rain": (("well", "time"), rain, {"units": "mm/d", "kind": "rain"}),
        },
        {
            "well": ["a", "b"],
            "time": np.datetime64("2010-01-01", "us") + np.arange(160) * np.timedelta64(1, "D"),
        },
    )


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(compiled, "_library", lambda: None)
    engines._report_missing.cache_clear()
    yield
    engines._report_missing.cache_clear()


@pytest.fixture
def trained_by_keras(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    from gwforecast.networks import training

    seen: list[int] = []
    before = training.train

    def train(*arguments: object, **options: object) -> object:
        seen.append(1)
        return before(*arguments, **options)

    monkeypatch.setattr(training, "train", train)
    return seen


def test_an_installation_with_a_compiler_has_the_kernels() -> None:
    if not any(map(shutil.which, ("gcc", "clang", "cc"))):
        pytest.skip("there is no compiler")
    assert compiled.is_available(), "run python gwforecast/networks/engines/build.py"


@needs_kernels
@pytest.mark.parametrize("kind", [LSTM, GRU, MLP, GlobalLSTM])
def test_both_engines_train_the_same_networks(kind: type, data: xr.Dataset) -> None:
    split = split_by_fraction(data)
    ours, theirs = (
        kind(**SMALL, engine=engine).fit(data, split=split) for engine in ("compiled", "keras")
    )
    np.testing.assert_allclose(
        ours.history_["validation_loss"], theirs.history_["validation_loss"], rtol=1e-3
    )
    for one, other in zip(ours.weights_, theirs.weights_, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)
    ours, theirs = (one.refit(data, split=split) for one in (ours, theirs))
    np.testing.assert_allclose(
        ours.simulate(data)["level"], theirs.simulate(data)["level"], atol=2e-3
    )


@pytest.mark.usefixtures("no_library")
def test_without_the_kernels_keras_trains_and_it_is_said_once(
    data: xr.Dataset, trained_by_keras: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            MLP(**SMALL).fit(data, split=split_by_fraction(data))
    assert len(trained_by_keras) == 2
    (said,) = [r.getMessage() for r in caplog.records if r.name == engines.LOG.name]
    assert "trained by Keras, several times as slowly" in said
    assert "Install a C compiler" in said


@pytest.mark.usefixtures("no_library")
def test_the_compiled_engine_is_not_replaced_where_it_is_chosen(data: xr.Dataset) -> None:
    with pytest.raises(RuntimeError, match=r"needs its kernels, .* Install a C compiler"):
        MLP(**SMALL, engine="compiled").fit(data, split=split_by_fraction(data))


@needs_kernels
def test_networks_that_it_does_not_support_are_refused(data: xr.Dataset) -> None:
    split = split_by_fraction(data)
    with pytest.raises(
        ValueError, match=r"trains LSTM, GRU and dense networks .* Choose engine='auto' or"
    ):
        MLP(**SMALL, activation="gelu", engine="compiled").fit(data, split=split)
    MLP(**SMALL, activation="gelu").fit(data, split=split)


def test_a_gpu_is_used_by_keras(
    data: xr.Dataset, trained_by_keras: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_has_gpu", lambda: True)
    MLP(**SMALL).fit(data, split=split_by_fraction(data))
    assert trained_by_keras


@needs_kernels
def test_a_default_fit_does_not_import_tensorflow() -> None:
    program = (
        "import sys, numpy as np, pandas as pd, xarray as xr;"
        "from gwforecast.networks.lstm import LSTM;"
        "from gwforecast.networks.mlp import MLP;"
        "from gwforecast.sequences.split import split_by_fraction;"
        "rng = np.random.default_rng(0);"
        "times = pd.date_range('2005-01-03', periods=160, freq='W-MON');"
        "rain = rng.gamma(1.2, 12.0, (1, 160));"
        "data = xr.Dataset({'level': (('well', 'time'), np.cumsum(rain - 14, 1)),"
        "'rain': (('well', 'time'), rain)}, {'well': ['a'], 'time': times});"
        "split = split_by_fraction(data);"
        "[k(members=1, epochs=1).fit(data, split=split).simulate(data) for k in (LSTM, MLP)];"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_build_without_a_compiler_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "library_path", lambda: tmp_path / "kernels-0.so")
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build.build() == (
        None, "no C compiler was found (gcc, clang or cc, or the one that CC names)"
    )  # fmt: skip


def test_a_failed_build_leaves_no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build, "library_path", lambda: tmp_path / "kernels-0.so")
    monkeypatch.setenv("CC", "false")
    library, reason = build.build()
    assert library is None
    assert "failed" in reason
    assert not list(tmp_path.iterdir())


def test_a_library_of_other_sources_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(build.SOURCES, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    same = build.library_path().name
    with (tmp_path / "train.c").open("a") as source:
        source.write("\n")
    assert build.library_path().name != same
