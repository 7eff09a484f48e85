"""In a forked process compiled kernels train; TensorFlow would hang and is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gwforecast.networks.engines import compiled

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import multiprocessing as mp
import numpy as np, pandas as pd, xarray as xr
import gwforecast as gw
from gwforecast.sequences.split import split_by_fraction

def job(engine):
    times = pd.date_range("2005-01-03", periods=160, freq="W-MON")
    rain = np.random.default_rng(0).gamma(1.2, 12.0, (1, 160))
    level = 40 + pd.DataFrame(rain.T).ewm(com=6).mean().to_numpy().T / 20
    data = xr.Dataset(
        {"level": (("well", "time"), level), "rain": (("well", "time"), rain)},
        {"well": ["a"], "time": times},
    )
    one = gw.MLP(members=1, epochs=1, lookback=4, targets=4, engine=engine)
    one.fit(data, split=split_by_fraction(data))
    return one.name

if __name__ == "__main__":
    print(job("auto"))
    with mp.get_context("fork").Pool(1) as pool:
        print(pool.apply(job, ("auto",)))
    print(job("keras"))
    with mp.get_context("fork").Pool(1) as pool:
        try:
            pool.apply_async(job, ("keras",)).get(timeout=60)
        except RuntimeError as error:
            print(error)
"""


@pytest.mark.skipif(not compiled.is_available(), reason="the kernels are not compiled")
@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")
def test_a_forked_process_names_spawn() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    *trained, refused = done.stdout.splitlines()
    assert trained == ["mlp", "mlp", "mlp"]
    assert "cannot be trained in a forked process" in refused
    assert "multiprocessing.get_context('spawn')" in refused
