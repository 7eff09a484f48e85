"""Weather that ends before the levels do: models are trained through the last step with both."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.schema import SchemaError
from gwforecast.service.champions import Champions
from gwforecast.service.recipe import TrainingRecipe
from gwforecast.service.train import train

TIMES = pd.date_range("2005-01-03", periods=400, freq="W-MON")
RECIPE = TrainingRecipe(["linear"], {}, horizon=8)


def weekly(*ends: int) -> xr.Dataset:
    """Return wells whose rain ends this many weeks before the levels do."""
    rain = np.random.default_rng(0).gamma(0.5, 20.0, (len(ends), TIMES.size))
    level = 20 + pd.DataFrame(rain.T).ewm(com=10).mean().to_numpy().T / 10
    for row, end in enumerate(ends):
        rain[row, TIMES.size - end :] = np.nan
    wells = [f"MW{number}" for number in range(len(ends))]
    return xr.Dataset(
        {"level": (("well", "time"), level), "rain": (("well", "time"), rain)},
        {"well": wells, "time": TIMES},
    )


def test_training_ends_with_the_weather_and_says_so(tmp_path: Path) -> None:
    champions = Champions(tmp_path)
    last = TIMES[-31]
    with pytest.warns(UserWarning, match="Models are trained") as caught:
        table = train(weekly(30), recipe=RECIPE, champions=champions)
    text = str(caught[0].message)
    assert f"levels end on {TIMES[-1].date()}" in text
    assert f"(rain) ends on {last.date()}: it is trained through {last.date()}" in text
    assert "--through" in text
    assert table["decision"].tolist() == ["first"]
    fitted, _ = champions.open(table["bundle"][0])
    assert fitted.trained_through("MW0") == last.to_datetime64()


def test_each_well_is_trained_through_its_own_weather(tmp_path: Path) -> None:
    champions = Champions(tmp_path)
    with pytest.warns(UserWarning, match="'MW1', whose levels end on"):
        table = train(weekly(0, 20), recipe=RECIPE, champions=champions)
    assert table["decision"].tolist() == ["first", "first"]
    ends = [
        champions.open(bundle)[0].trained_through(well)
        for well, bundle in zip(table["well"], table["bundle"], strict=True)
    ]
    assert ends == [TIMES[-1].to_datetime64(), TIMES[-21].to_datetime64()]


def test_nothing_is_said_where_the_weather_covers_the_levels(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(weekly(0), recipe=RECIPE, champions=Champions(tmp_path))


def test_a_gap_fails_its_well_before_training(tmp_path: Path, monkeypatch) -> None:
    data = weekly(0, 0)
    data["rain"][1, 50:53] = np.nan
    table = train(data, recipe=RECIPE, champions=Champions(tmp_path)).set_index("well")
    assert table["decision"].to_dict() == {"MW0": "first", "MW1": "failed"}
    assert "'rain' of well 'MW1' is missing at 3 of 400 steps" in table.loc["MW1", "reason"]

    def fit(*_: object, **__: object) -> None:
        raise AssertionError("fitted")

    monkeypatch.setattr("gwforecast.models.linear.Linear.fit", fit)
    again = train(data.sel(well=["MW1"]), recipe=RECIPE, champions=Champions(tmp_path / "b"))
    assert again["decision"].tolist() == ["failed"]


def test_training_without_weather_must_be_requested(tmp_path: Path) -> None:
    data = weekly(0).drop_vars("rain")
    with pytest.raises(SchemaError, match="need at least one covariate"):
        train(data, recipe=RECIPE, champions=Champions(tmp_path))
    asked = TrainingRecipe(["linear"], {}, horizon=8, without_weather=True)
    table = train(data, recipe=asked, champions=Champions(tmp_path))
    assert table["decision"].tolist() == ["first"]


def test_a_horizon_longer_than_the_calibration_period_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has 100\. Give a smaller number"):
        train(
            weekly(0),
            recipe=TrainingRecipe(["linear"], {}, horizon=101),
            champions=Champions(tmp_path),
        )
