"""Models that are saved to a folder and read back with ``gwforecast.load``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.models.bundle import check_fits, kind_of, read_bundle
from gwforecast.runs.catalogue import MODELS, model_class
from gwforecast.runs.saved import restore

SMALL = {"members": 2, "epochs": 2, "workers": 1, "lookback": 16}


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    return gw.load_sample().isel(well=[0, 2], time=slice(3000, 4200))


@dataclass(kw_only=True, eq=False)
class MeanLevel(gw.Forecaster):
    """The mean level of the fitted rows."""

    name: str = "mean"

    def fit(self, observations: xr.Dataset, *, split: gw.Split, progress: Any = None) -> Self:  # noqa: ARG002
        self.mean_ = split.levels(observations, "train").mean("time")
        return self

    def refit(self, observations: xr.Dataset, *, split: gw.Split, **_: Any) -> Self:
        return replace(self).fit(observations, split=split)

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        level = self.mean_ + xr.zeros_like(observations["level"]).fillna(0.0)
        return level.transpose("well", "time").to_dataset(name="level")

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"wells": [str(w) for w in self.mean_["well"].values]}, {"mean": self.mean_.values}

    @classmethod
    def from_state(cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        one = cls()
        one.mean_ = xr.DataArray(arrays["mean"], {"well": description["wells"]}, ("well",))
        return one


MODELS_MADE = {
    "linear": lambda: gw.Linear(lookbacks=(8,), strengths=(0.1,)),
    "climatology": gw.Climatology,
    "lstm": lambda: gw.LSTM(units=4, targets=20, **SMALL),
    "global_mlp": lambda: gw.GlobalMLP(units=4, **SMALL),
    "corrected": lambda: gw.Corrected([gw.Climatology(), gw.Linear(lookbacks=(8,))]),
}


@pytest.mark.parametrize("name", MODELS_MADE)
def test_a_loaded_model_simulates_the_same(
    name: str, observations: xr.Dataset, tmp_path: Path
) -> None:
    split = gw.split_by_fraction(observations)
    model = MODELS_MADE[name]().fit(observations, split=split)
    assert model.save(tmp_path / "x") == tmp_path / "x"
    again = gw.load(tmp_path / "x")
    assert type(again) is type(model)
    assert again.name == model.name
    found, expected = (one.simulate(observations)["level"] for one in (again, model))
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-6)


def test_a_calibrated_model_keeps_its_intervals(observations: xr.Dataset, tmp_path: Path) -> None:
    fitted = gw.fit_calibrated(["climatology"], observations, horizon=6, forcing="climatology")
    fitted.save(tmp_path, observations=observations)
    again, manifest = read_bundle(tmp_path, restore=restore)
    check_fits(manifest, observations)
    with pytest.raises(gw.BundleError, match="the form it was trained on"):
        check_fits(manifest, observations.drop_vars(list(manifest["schema"]["covariates"])))
    issued = observations["time"].values[[-1]]
    found, expected = (one.forecast(observations, issue_times=issued) for one in (again, fitted))
    assert found["level"].equals(expected["level"])


def test_a_model_of_ones_own_is_loaded_where_its_class_is_given(
    observations: xr.Dataset, tmp_path: Path
) -> None:
    model = MeanLevel().fit(observations, split=gw.split_by_fraction(observations))
    model.save(tmp_path)
    with pytest.raises(gw.BundleError, match=r"gwforecast\.load\(path, classes=\[\.\.\.\]\)"):
        gw.load(tmp_path)
    again = gw.load(tmp_path, classes=[MeanLevel])
    assert again.simulate(observations).equals(model.simulate(observations))


def test_a_model_that_is_not_fitted_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be fitted before it is saved\. Received 'linear'"):
        gw.Linear().save(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_scheduled_forecasts_need_a_calibrated_model(
    observations: xr.Dataset, tmp_path: Path
) -> None:
    from gwforecast.service.champions import load_bundle

    gw.Climatology().fit(observations, split=gw.split_by_fraction(observations)).save(tmp_path)
    with pytest.raises(gw.BundleError, match="holds 'climatology' without intervals"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_each_class_is_stored_under_its_name_in_the_catalogue(name: str) -> None:
    assert kind_of(model_class(name)) == name
