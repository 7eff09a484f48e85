"""Training that goes on with new levels, from where it was."""

import numpy as np
import pytest
import xarray as xr

from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.forecaster import Corrected
from gwforecast.forcings.base import ObservedWeather
from gwforecast.models.linear import Linear
from gwforecast.networks.lstm import LSTM
from gwforecast.networks.mlp import MLP
from gwforecast.sequences.origins import extend_split
from gwforecast.sequences.split import split_by_fraction

SMALL = {"members": 2, "epochs": 30, "workers": 1}


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    rng = np.random.default_rng(0)
    steps = 400
    rain = rng.gamma(0.7, 10.0, (2, steps))
    level = np.zeros((2, steps))
    for step in range(1, steps):
        level[:, step] = 0.9 * level[:, step - 1] + 0.02 * rain[:, step]
    level[:, 300:] += 0.5  # after the first fit something changes for good
    time = np.datetime64("2005-01-03", "us") + np.arange(steps) * np.timedelta64(7, "D")
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, level), "rr": (dims, rain)}, {"well": ["a", "b"], "time": time}
    )


@pytest.mark.parametrize("factory", [
    lambda: LSTM(units=(6,), lookback=20, targets=20, **SMALL),
    lambda: MLP(units=(8,), lookback=20, **SMALL),
])  # fmt: skip
def test_an_update_moves_towards_the_new_levels_and_starts_from_the_old(factory, record) -> None:
    split = split_by_fraction(record, train=0.5, validation=0.2)
    before = factory().fit(record, split=split)
    later = extend_split(split, record["time"].values[-1])
    after = before.update(record, split=later, epochs=10)
    new = record["time"] > record["time"][320]

    def error(forecaster) -> float:
        simulated = forecaster.simulate(record)["level"].median("member")
        return float(np.abs(simulated - record["level"]).where(new).mean())

    assert error(after) < error(before)
    fresh = factory().fit(record, split=split)
    apart = [np.abs(a - b).mean() for a, b in zip(after.weights_, before.weights_, strict=True)]
    assert max(apart) > 0
    # the old forecaster is as it was
    for kept, again in zip(before.weights_, fresh.weights_, strict=True):
        np.testing.assert_array_equal(kept, again)
    assert after.scaler_ is before.scaler_
    assert after.epochs == before.epochs


def test_an_update_is_the_same_for_one_well_as_for_all(record) -> None:
    split = split_by_fraction(record, train=0.5, validation=0.2)
    before = LSTM(units=(4,), lookback=20, targets=20, members=2, epochs=3, workers=1).fit(
        record, split=split
    )
    both = before.update(record, split=split)
    alone = before.update(record.sel(well=["b"]), split=split)
    for many, one in zip(both.weights_, alone.weights_, strict=True):
        np.testing.assert_array_equal(many[1], one[0])
    assert alone.wells_ == ["b"]


def test_a_calibrated_forecaster_is_updated_with_its_parts(record) -> None:
    split = split_by_fraction(record, train=0.5, validation=0.2)
    network = LSTM(units=(4,), lookback=20, targets=20, members=2, epochs=3, workers=1)
    one = Corrected([network, Linear(lookbacks=(8,))]).fit(record, split=split)
    calibrated = Calibrated(one, horizon=5, forcing=ObservedWeather())
    calibrated.calibrate(record, split=split)
    later = extend_split(split, record["time"].values[-10])
    updated = calibrated.update(record, split=later)
    assert (updated.trained_through_.values == record["time"].values[-10]).all()
    issued = record["time"].values[[-8]]
    made = updated.forecast(record, issue_times=issued)["level"]
    assert np.isfinite(made.values).all()
    assert updated.interval_ is calibrated.interval_
