"""The network that comes with the package: short records, leakage, storage, and its checksum."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast import SchemaError
from gwforecast.networks import pretrained
from gwforecast.networks.pretrained import PretrainedLSTM
from gwforecast.runs.catalogue import DEFAULT_MODELS, suited


def well(*, years: int, freq: str = "W-MON", name: str = "a") -> xr.Dataset:
    """Return weather of 25 years, and the last years of levels that rain and warmth explain."""
    rng = np.random.default_rng(5)
    times = pd.date_range("1990-01-01", periods=52 * 25, freq=freq)
    season = np.sin(2 * np.pi * (times.day_of_year.to_numpy() - 110) / 365.25)
    rain = rng.gamma(1.2, 12.0, times.size)
    warmth = 9 + 9 * season + rng.normal(0, 2, times.size)
    excess = pd.Series(np.maximum(rain - 1.2 * np.maximum(warmth, 0), -5.0))
    level = 40 + 0.08 * excess.ewm(com=12).mean().to_numpy() + rng.normal(0, 0.03, times.size)
    level[times < times[-1] - pd.Timedelta(days=365 * years)] = np.nan
    dims = ("well", "time")
    return xr.Dataset(
        {
            "level": (dims, level[None]),
            "rain": (dims, rain[None], {"units": "mm"}),
            "temperature": (dims, warmth[None], {"units": "degC"}),
        },
        {"well": [name], "time": times},
    )


def nse(model: gw.Forecaster, observations: xr.Dataset, split: gw.Split) -> float:
    seen = split.levels(observations, "test")
    error = model.simulate(observations)["level"].squeeze(drop=True) - seen
    return float(1 - (error**2).mean() / seen.var())


def test_two_years_of_levels_are_enough_for_it() -> None:
    observations = well(years=4)
    split = gw.split_by_fraction(observations, train=0.4, validation=0.1)
    fitted = PretrainedLSTM().fit(observations, split=split).refit(observations, split=split)
    assert nse(fitted, observations, split) > 0.7
    plain = gw.Climatology().fit(observations, split=split)
    assert nse(plain, observations, split) < 0.5


def test_its_inputs_are_those_that_the_networks_were_trained_with() -> None:
    observations = well(years=25)
    split = gw.split_by_fraction(observations)
    fitted = PretrainedLSTM().fit(observations, split=split)
    ours = fitted.weather_of(observations.expand_dims("forcing_member"))[0, 0]
    theirs = gw.derive_features(observations, ("season", "snow"))
    names = [name for name in theirs.data_vars if name != "level"]
    np.testing.assert_allclose(ours, np.stack([theirs[n].values[0] for n in names], axis=-1))


def test_levels_and_weather_after_the_split_change_nothing() -> None:
    observations = well(years=6)
    split = gw.split_by_fraction(observations)
    start = split.start("test").values[0]
    before = observations["time"] < start
    expected = PretrainedLSTM().fit(observations, split=split)
    for value in (np.nan, 1e6):
        spoilt = observations.where(before, value)
        spoilt["level"] = observations["level"].where(before, 1e6)
        found = PretrainedLSTM().fit(spoilt, split=split)
        for name in ("center", "scale", "weights"):
            np.testing.assert_array_equal(
                getattr(found.fits_["a"], name), getattr(expected.fits_["a"], name)
            )
        refitted = found.refit(spoilt, split=split)
        np.testing.assert_array_equal(
            refitted.simulate(observations)["level"].where(before),
            expected.refit(observations, split=split).simulate(observations)["level"].where(before),
        )


def test_forecasts_follow_the_simulation_and_a_stored_model_gives_the_same(tmp_path: Path) -> None:
    observations = well(years=6)
    split = gw.split_by_fraction(observations)
    fitted = PretrainedLSTM().fit(observations, split=split)
    issued = observations["time"].values[[1100]]
    again = gw.load(fitted.save(tmp_path / "model"))
    np.testing.assert_array_equal(
        again.simulate(observations)["level"], fitted.simulate(observations)["level"]
    )
    projected = fitted.project(
        observations, issue_times=issued, horizon=8, forcing=gw.ClimatologyWeather()
    )
    assert projected.shape[:3] == (1, 1, 8)
    assert np.isfinite(projected).all()
    gw.check_forecaster(PretrainedLSTM())


def test_it_is_a_default_for_short_weekly_records_alone() -> None:
    assert "pretrained_lstm" in suited(DEFAULT_MODELS, well(years=3))
    assert "pretrained_lstm" not in suited(DEFAULT_MODELS, well(years=25))
    assert "pretrained_lstm" not in suited(DEFAULT_MODELS, well(years=3, freq="D"))
    assert "pretrained_lstm" not in suited(DEFAULT_MODELS, well(years=3).drop_vars("rain"))


@pytest.mark.parametrize(
    ("observations", "message"),
    [
        (well(years=6).drop_vars("temperature"), "needs rain and temperature"),
        (well(years=6, freq="D"), "trained with weekly steps"),
    ],
)
def test_other_data_are_refused(observations: xr.Dataset, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        PretrainedLSTM().fit(observations, split=gw.split_by_fraction(observations))


def test_a_changed_file_of_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(pretrained.__file__).parent / pretrained.FOLDER
    described = json.loads((folder / "weights.json").read_text("utf-8"))
    assert len(described["wells"]) == 59
    assert (folder / "weights.npz").stat().st_size < 2e6
    shutil.copytree(folder, tmp_path / pretrained.FOLDER)
    content = bytearray((folder / "weights.npz").read_bytes())
    content[5000] ^= 1
    (tmp_path / pretrained.FOLDER / "weights.npz").write_bytes(content)
    monkeypatch.setattr(pretrained.resources, "files", lambda _: tmp_path)
    pretrained.shipped.cache_clear()
    try:
        with pytest.raises(SchemaError, match="Install gwforecast again"):
            pretrained.shipped()
    finally:
        pretrained.shipped.cache_clear()
