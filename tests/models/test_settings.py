"""Settings are fields with bounds, and a wrong one is refused by its name."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import numpy as np
import pytest

from gwforecast.models.additive import Additive
from gwforecast.models.ardl import ARDL
from gwforecast.models.linear import Linear
from gwforecast.models.naive import Climatology, Persistence, RandomWalkDrift, SeasonalNaive
from gwforecast.models.pastas import Pastas
from gwforecast.models.state import settings_table
from gwforecast.models.state_space import ETS, ARMARegression, UnobservedComponents

MODELS = [
    Linear, Additive, ARDL, ARMARegression, ETS, UnobservedComponents, Pastas, Climatology,
    SeasonalNaive, Persistence, RandomWalkDrift,
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_is_a_documented_keyword_with_a_default(model: Any) -> None:
    for name, parameter in inspect.signature(model).parameters.items():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert f"    {name} : " in model.__doc__
    assert model(name="mine").name == "mine"
    assert model().name == model.name


@pytest.mark.parametrize("model", MODELS)
def test_the_default_lies_within_the_range_of_a_search(model: Any) -> None:
    for field in dataclasses.fields(model):
        search = field.metadata.get("search")
        if search and search[0] in ("int", "log", "float"):
            assert search[1] <= field.default <= search[2]
        if search and search[0] == "choice":
            default = field.default
            assert (list(default) if isinstance(default, tuple) else default) in search[1:]


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (Linear, {"harmonics": 1.5}, "a whole number"),
        (Linear, {"harmonics": True}, "a whole number"),
        (Linear, {"strengths": [np.inf]}, "each element must be a finite number"),
        (Linear, {"strengths": 0.1}, "be a list"),
        (Linear, {"covariates": [1]}, "each element must be a text"),
        (Linear, {"covariates": "rain"}, "be a list"),
        (Additive, {"penalty": -1.0}, "at least 0"),
        (ARMARegression, {"orders": [(1, -1)]}, "at least 0"),
        (UnobservedComponents, {"harmonics": 0}, "at least 1. Received 0. The default is 2"),
        (
            Pastas,
            {"response": "hantush"},
            "be one of 'gamma', 'exponential', 'double_exponential', 'four_param'",
        ),
        (Pastas, {"noise": "yes"}, "true or false"),
        (SeasonalNaive, {"tolerance": -1}, "'tolerance' of 'seasonal_naive'"),
        (ETS, {"name": 3}, "a text"),
    ],
)
def test_a_wrong_setting_is_refused(model: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**given)


def test_lists_become_tuples_and_numbers_of_numpy_are_numbers() -> None:
    assert Linear(lookbacks=[1, 2]).lookbacks == (1, 2)
    assert ARMARegression(orders=[[1, 0]]).orders == ((1, 0),)
    assert Climatology(window=np.int64(3)).window == 3
    assert Linear(strengths=[np.float64(0.1), 0]).strengths == (0.1, 0)


def test_a_table_shows_settings_beside_their_defaults() -> None:
    assert settings_table(Climatology(window=3)).loc["window"].tolist() == [3, 15]
