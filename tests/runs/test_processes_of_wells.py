"""Wells that are fitted in several processes: the same predictions, in any kind of script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import contextlib, warnings
import numpy as np
import xarray as xr
from gwforecast.data.samples import DEFAULT_SAMPLE, load_sample
from gwforecast.models.kernel_ridge import KernelRidge
from gwforecast.models.linear import Linear
from gwforecast.runs import out_of_sample
from gwforecast.sequences.split import Split, split_by_fraction

used, mapped = [], out_of_sample.map_in_processes

def counted(task, parts, **others):
    used.append(len(parts))
    return mapped(task, parts, **others)

out_of_sample.map_in_processes = counted
observations = load_sample(DEFAULT_SAMPLE).isel(well=slice(3), time=slice(-900, None))
split = split_by_fraction(observations)
observations["level"][1, 5:] = np.nan  # too few levels: it fails
found = []
for workers in (1, 2, 3):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = out_of_sample.predict_all(
            {"kernel_ridge": KernelRidge(), "linear": Linear()}, observations, split, excluded={},
            workers=workers, watch=contextlib.nullcontext,
        )
    found.append((*run, sorted({str(one.message) for one in caught})))
first = found[0]
assert any("could not be fitted at well" in one for one in first[2]), first[2]
for predicted, outcomes, warned in found[1:]:
    assert warned == first[2], warned
    assert outcomes.equals(first[1])
    for name, one in predicted.items():
        assert one.level.identical(first[0][name].level)
        assert one.held_out.identical(first[0][name].held_out)
        assert one.spread.identical(first[0][name].spread)
print(*used)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_predictions_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"  # without a guard of __main__
    script.write_text(SCRIPT, "utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "1", "2", "2", "3", "3"]
