"""Spaces of a search, and the settings that it writes."""

from __future__ import annotations

import re
import tomllib

import numpy as np
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.config.load import dump_toml
from gwforecast.config.space import RESERVED, check_space, default_space, start
from gwforecast.runs.catalogue import MODELS

pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def fen() -> xr.Dataset:
    """A well of the sample, six years."""
    return gw.load_sample().sel(well=["fen"], time=slice("2008", "2013"))


WITHOUT = {
    "persistence",
    "drift",
    "arma_regression",
    "ets",
    "unobserved_components",
    "pretrained_lstm",
}


@pytest.mark.parametrize("model", sorted(set(MODELS) - WITHOUT))
@pytest.mark.parametrize("frequency", ["D", "W-MON", "MS"])
def test_default_spaces_are_of_known_settings_and_hold_the_defaults(model, frequency) -> None:
    space = default_space(model, frequency)
    checked = check_space(space, model=model, fixed={})
    assert set(start(model, checked, frequency)) == set(space)
    assert not set(space) & set(RESERVED)


BAD_SPACES = [
    ({"window": ("int", 5, 1)}, ValueError, "whole numbers, low <= high"),
    ({"window": ("int", 1.5, 3)}, ValueError, "whole numbers"),
    ({"window": ("int", 1, 3, 0)}, ValueError, "whole numbers"),
    ({"window": ("float", 0.0)}, ValueError, "two finite numbers"),
    ({"window": ("float", 0.0, np.inf)}, ValueError, "two finite numbers"),
    ({"window": ("log", 0.0, 1.0)}, ValueError, "above 0"),
    ({"window": ("choice",)}, ValueError, "one or more plain values"),
    ({"window": ("choice", 1, 1)}, ValueError, "one or more plain values"),
    ({"window": ("choice", object())}, ValueError, "one or more plain values"),
    ({"window": ("normal", 0, 1)}, ValueError, "begin with int, float, log or choice"),
    ({"window": 3}, ValueError, "begin with int"),
    ({"window": "int"}, ValueError, "begin with int"),
    ({"windows": ("int", 0, 3)}, TypeError, "The settings of 'climatology' are window"),
    ({"members": ("int", 1, 3)}, ValueError, "A search does not choose members"),
    ({}, ValueError, "needs a setting to choose"),
]


@pytest.mark.parametrize(("space", "error", "rule"), BAD_SPACES)
def test_spaces_that_cannot_be_searched_are_refused(fen, space, error, rule) -> None:
    with pytest.raises(error, match="Received") as caught:
        gw.tune(fen, model="climatology", space=space)
    assert rule in str(caught.value)
    assert len(re.split(r"(?<=[.:)])\s+(?=[A-Z('])", str(caught.value))) >= 3


@pytest.mark.parametrize(
    "value", ['a "quoted" \\ text\n\x7f é', 1, 0.1, 1e-30, True, [1, [2.5]], {"a b": "c", "d": 1}]
)
def test_settings_survive_toml(value) -> None:
    assert tomllib.loads(dump_toml({"x": {"name": value, "no": None}})) == {"x": {"name": value}}


def test_what_toml_has_not_is_refused() -> None:
    with pytest.raises(TypeError, match=r"A setting in TOML is .* Received 1j\. Give"):
        dump_toml({"x": {"name": 1j}})
