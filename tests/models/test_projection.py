"""Simulations beyond an issue time: the same whichever way the weather is continued."""

import numpy as np
import pytest
import xarray as xr

from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.models.kernel_ridge import KernelRidge
from gwforecast.models.linear import Linear
from gwforecast.networks.cnn import CNN
from gwforecast.networks.gru import GRU
from gwforecast.networks.lstm import LSTM
from gwforecast.networks.mlp import MLP
from gwforecast.sequences.split import split_by_fraction

SMALL = {"members": 2, "epochs": 2, "workers": 1, "lookback": 16}
FORECASTERS = {
    "lstm": lambda: LSTM(units=(5,), targets=24, **SMALL),
    "deep lstm": lambda: LSTM(units=(4, 3), targets=7, **SMALL),
    "gru": lambda: GRU(units=(5,), targets=24, **SMALL),
    "cnn": lambda: CNN(units=4, targets=24, **SMALL),
    "mlp": lambda: MLP(units=(6,), **SMALL),
    "kernel_ridge": lambda: KernelRidge(rows=60),
    "linear": lambda: Linear(lookbacks=(16,), strengths=(0.1,)),
}


class Repeated(Forcing):
    """The observed weather, several times under other names."""

    origin = "ensemble"

    def futures(self, observations, *, issue_time, horizon, covariates):
        one = ObservedWeather().futures(
            observations, issue_time=issue_time, horizon=horizon, covariates=covariates
        )
        return one.isel(forcing_member=[0, 0, 0]).assign_coords(forcing_member=["a", "b", "c"])


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    rng = np.random.default_rng(0)
    rain, warm = rng.gamma(0.7, 10.0, (2, 300)), rng.normal(8, 6, (2, 300))
    level = np.cumsum(rain - rain.mean(axis=1, keepdims=True), axis=1) * 0.01
    time = np.datetime64("2005-01-03", "us") + np.arange(300) * np.timedelta64(7, "D")
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, level), "rr": (dims, rain), "tg": (dims, warm)},
        {"well": ["a", "b"], "time": time},
    )


@pytest.mark.parametrize("name", sorted(FORECASTERS))
def test_the_observed_weather_gives_the_simulation_in_either_way(name: str, record) -> None:
    fitted = FORECASTERS[name]().fit(record, split=split_by_fraction(record))
    issued = record["time"].values[[200, 215, 223, 260]]
    chosen = {"issue_times": issued, "horizon": 20}
    gathered = fitted.project(record, forcing=ObservedWeather(), **chosen)
    continued = fitted.project(record, forcing=Repeated(), **chosen)
    assert continued.dims == ("well", "issue_time", "lead_time", "forcing_member", "member")
    assert continued.sizes["forcing_member"] == 3
    for version in range(3):
        np.testing.assert_allclose(
            continued.isel(forcing_member=version).values,
            gathered.isel(forcing_member=0).values,
            atol=2e-5,
        )


@pytest.mark.parametrize("name", ["lstm", "cnn", "mlp"])
def test_a_simulation_is_the_same_however_much_of_the_record_is_given(name: str, record) -> None:
    fitted = FORECASTERS[name]().fit(record, split=split_by_fraction(record))
    whole = fitted.simulate(record)["level"]
    memory = fitted.memory("W-MON")
    cut = fitted.simulate(record.isel(time=slice(100, None)))["level"]
    np.testing.assert_allclose(cut.values[:, memory:], whole.values[:, 100 + memory :], atol=2e-5)


@pytest.mark.parametrize("name", sorted(FORECASTERS))
def test_a_simulation_may_begin_late(name: str, record) -> None:
    fitted = FORECASTERS[name]().fit(record, split=split_by_fraction(record))
    whole = fitted.simulate(record)["level"]
    for first in (0, 1, 130, 299):
        late = fitted.simulate_from(record, first)["level"]
        assert late.dims == whole.dims
        np.testing.assert_allclose(late.values[:, first:], whole.values[:, first:], atol=2e-5)
        assert np.isfinite(late.values[:, first:]).all()
