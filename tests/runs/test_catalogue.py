"""Default models: those that suit the data, and what is said of those that do not."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.config.load import settings_from
from gwforecast.networks.shared import FEWEST_WELLS
from gwforecast.runs.catalogue import (
    DEFAULT_BACKTEST,
    DEFAULT_MODELS,
    DEFAULT_OF_SHARDS,
    DEFAULT_SCHEDULE,
    make_forecasters,
    suited,
)
from gwforecast.runs.inputs import evaluation_arguments


def record(wells: int) -> xr.Dataset:
    times = pd.date_range("2010-01-04", periods=60, freq="7D")
    shape = (wells, times.size)
    weather = {
        "rain": (("well", "time"), np.ones(shape)),
        "temperature": (("well", "time"), np.ones(shape)),
    }
    level = {"level": (("well", "time"), np.ones(shape))}
    return xr.Dataset(level | weather, {"well": [f"w{n}" for n in range(wells)], "time": times})


def test_a_network_for_all_wells_is_a_default_from_twenty_wells_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="gwforecast"):
        assert "global_lstm" not in suited(DEFAULT_MODELS, record(FEWEST_WELLS - 1))
    assert "from 20 wells on" in caplog.text
    assert tuple(suited(DEFAULT_MODELS, record(20))) == DEFAULT_MODELS


def test_models_that_somebody_names_are_kept() -> None:
    named = ["lstm", "global_lstm"]
    assert suited(named, record(1)) == named


def test_shards_drop_what_does_not_suit_as_well() -> None:
    local = DEFAULT_OF_SHARDS
    assert "global_lstm" not in local
    assert "pastas" not in suited(local, record(30).drop_vars("rain"))


def test_without_weather_no_default_needs_it() -> None:
    level = record(1)[["level"]]
    assert suited(DEFAULT_SCHEDULE, level) == ["lstm", "mlp"]
    assert not {"kernel_ridge", "additive", "pastas"} & set(
        map(str, suited(DEFAULT_BACKTEST, level))
    )
    season = level.assign(season=level["level"].assign_attrs(kind="season"))
    assert suited(DEFAULT_SCHEDULE, season) == ["lstm", "mlp"]


def test_a_default_that_is_left_out_is_none_of_the_users_settings() -> None:
    given = evaluation_arguments(settings_from({"data": {"levels": "levels.csv"}}))
    names = suited(given["models"], record(1))
    made = make_forecasters(names, settings=given["settings"], shared={})
    assert list(made) == names
    assert "global_lstm" not in made
    with pytest.raises(ValueError, match="Received settings for 'gru'"):
        make_forecasters(["lstm"], settings={"gru": {"units": 4}}, shared={})


def test_a_name_alone_is_one_model() -> None:
    observations = gw.load_sample().isel(well=[0], time=slice(3000, 4500))
    assert list(make_forecasters("linear", settings={}, shared={})) == ["linear"]
    evaluation = gw.evaluate(observations, models="climatology")
    assert evaluation.predictions["model"].values.tolist() == ["climatology"]
    with pytest.raises(TypeError, match=r"Received a str\. Use split_by_fraction"):
        gw.evaluate(observations, models="climatology", split="2010-01-01")
    with pytest.raises(TypeError, match=r"number of steps\. Received '90D'"):
        gw.backtest(observations, models="climatology", baselines=[], horizon="90D")
