"""Which steps of weather a prediction may see is said: in audits and in records."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.data.time_axis import weather_steps
from gwforecast.models.linear import Linear
from gwforecast.runs.evaluate import evaluate
from gwforecast.sequences.audit import audit_forecaster
from gwforecast.sequences.split import split_by_fraction


def record(frequency: str = "W-MON", steps: int = 400) -> xr.Dataset:
    rng = np.random.default_rng(0)
    rain = rng.gamma(1.0, 5.0, (1, steps))
    level = 10 + pd.DataFrame(rain.T).ewm(com=6).mean().to_numpy().T / 5
    time = pd.date_range("2000-01-03", periods=steps, freq=frequency)
    dims = ("well", "time")
    return xr.Dataset({"level": (dims, level), "rain": (dims, rain)}, {"well": ["a"], "time": time})


@pytest.mark.parametrize(
    ("frequency", "given", "side"),
    [("W-MON", None, "end"), ("W-MON", "begin", "begin"), ("D", None, "begin"),
     ("MS", None, "begin"), ("ME", None, "end")],
)  # fmt: skip
def test_the_side_of_a_stamp_is_said(frequency: str, given: str | None, side: str) -> None:
    observations = record(frequency, 60)
    if given:
        observations.attrs["step_stamp"] = given
    found = weather_steps(observations)
    assert (found["step"], found["stamp"]) == (frequency, side)
    assert ("one step later" in found["seen"]) == (side == "begin")


def test_a_level_depends_on_weather_up_to_its_own_stamp_and_no_later() -> None:
    observations = record()
    model = Linear().fit(observations, split=split_by_fraction(observations))
    level = model.simulate(observations)["level"].values[0]
    for step, changes in ((300, True), (301, False)):
        other = observations.copy(deep=True)
        other["rain"][0, step] += 50.0
        assert (model.simulate(other)["level"].values[0, 300] != level[300]) == changes


def test_audit_and_record_say_it(tmp_path: Path) -> None:
    observations = record()
    shown = str(audit_forecaster(Linear, observations, split=split_by_fraction(observations)))
    assert "a stamp ends its step, so all of it is earlier" in shown
    evaluate(observations, models=["linear", "climatology"], out=tmp_path, figures=0)
    written = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert written["observations"]["weather_steps"]["stamp"] == "end"
    assert (tmp_path / "coverage.csv").is_file()
