"""The states of wrappers: what is stored beside their parts, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.forecaster import Corrected
from gwforecast.forcings.base import ObservedWeather
from gwforecast.models.naive import Climatology
from gwforecast.sequences.split import split_by_fraction


@pytest.fixture(scope="module")
def fitted() -> tuple[Calibrated, xr.Dataset]:
    time = np.datetime64("2000-01-03", "us") + np.arange(600) * np.timedelta64(7, "D")
    level = np.sin(np.arange(600) / 8.3) + np.random.default_rng(0).normal(0, 0.1, (2, 600))
    data = xr.Dataset({"level": (("well", "time"), level)}, {"well": ["a", "b"], "time": time})
    split = split_by_fraction(data)
    model = Corrected([Climatology()], name="wave").fit(data, split=split)
    calibrated = Calibrated(model, horizon=6, forcing=ObservedWeather())
    return calibrated.calibrate(data, split=split), data


def test_a_restored_wrapper_forecasts_the_same(fitted) -> None:
    calibrated, data = fitted
    inner = calibrated.forecaster
    model = Corrected.from_state(*inner.to_state(), parts=inner.parts)
    again = Calibrated.from_state(*calibrated.to_state(), forecaster=model)
    issued = data["time"].values[[500, 560]]
    made = (one.forecast(data, issue_times=issued) for one in (again, calibrated))
    xr.testing.assert_identical(*made)
    assert again.name == "wave"
    assert again.trained_through("b") == calibrated.trained_through("b")


@pytest.mark.parametrize(("key", "change"), [
    ("error.wells", lambda a: a[:1]),
    ("error.doubt", lambda a: a[:, :1]),
    ("error.center", lambda a: a * np.nan),
    ("since", lambda a: a[:1]),
    ("known", lambda a: a[:, :5]),
    ("known", lambda a: np.full_like(a, np.inf)),
])  # fmt: skip
def test_a_damaged_state_of_a_correction_is_refused(fitted, key, change) -> None:
    inner = fitted[0].forecaster
    description, arrays = inner.to_state()
    with pytest.raises(ValueError, match=r"other wells|must"):
        Corrected.from_state(description, arrays | {key: change(arrays[key])}, parts=inner.parts)


@pytest.mark.parametrize(("key", "value", "error"), [
    ("horizon", 0, TypeError),
    ("horizon", True, TypeError),
    ("forcing", "scenario", ValueError),
])  # fmt: skip
def test_a_damaged_description_of_a_calibration_is_refused(fitted, key, value, error) -> None:
    description, arrays = fitted[0].to_state()
    with pytest.raises(error):
        Calibrated.from_state(description | {key: value}, arrays, forecaster=fitted[0].forecaster)


def test_widths_of_another_shape_are_refused(fitted) -> None:
    description, arrays = fitted[0].to_state()
    arrays["interval.widths"] = arrays["interval.widths"][..., :3]
    with pytest.raises(ValueError, match="expected"):
        Calibrated.from_state(description, arrays, forecaster=fitted[0].forecaster)
