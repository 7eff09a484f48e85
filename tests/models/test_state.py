"""Every forecaster without a network is stored as JSON and arrays, and predicts the same again."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.calibration.cross_validation import LeaveWellsOut
from gwforecast.forcings.base import ObservedWeather
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.models.additive import Additive
from gwforecast.models.ardl import ARDL
from gwforecast.models.base import Forecaster
from gwforecast.models.kernel_ridge import KernelRidge
from gwforecast.models.linear import Linear
from gwforecast.models.naive import Climatology, Persistence, RandomWalkDrift, SeasonalNaive
from gwforecast.models.pastas import Pastas
from gwforecast.models.state import read_number, read_text, read_texts, read_whole
from gwforecast.models.state_space import ETS, ARMARegression, UnobservedComponents
from gwforecast.sequences.split import split_by_fraction

STEPS = 400
MAKERS: list[Callable[[], Any]] = [
    lambda: Linear(lookbacks=[16], harmonics=1),
    lambda: KernelRidge(rows=60),
    lambda: Additive(harmonics=1),
    lambda: ARDL(lookbacks=[8], harmonics=1),
    lambda: ARMARegression(orders=[(1, 0), (1, 1)]),
    ETS,
    lambda: UnobservedComponents(harmonics=1),
    lambda: Pastas(noise=False),
    lambda: Climatology(window=10),
    lambda: SeasonalNaive(tolerance=3),
    Persistence,
    RandomWalkDrift,
]
NAMES = [make().name for make in MAKERS]


def record() -> xr.Dataset:
    """Return weekly levels of two wells that follow rain and temperature, with gaps."""
    rng = np.random.default_rng(1)
    times = pd.date_range("2000-01-03", periods=STEPS, freq="W-MON")
    rain = rng.gamma(2.0, 5.0, (2, STEPS))
    temperature = 10 + 8 * np.sin(2 * np.pi * np.arange(STEPS) / 52.18) + rng.normal(0, 1, STEPS)
    recharge = rain - 0.3 * temperature
    level = np.full((2, STEPS), 100.0)
    for step in range(1, STEPS):
        level[:, step] = 100 + 0.9 * (level[:, step - 1] - 100) + 0.01 * (recharge[:, step] - 7)
    level += rng.normal(0, 0.01, level.shape)
    level[0, 60:70] = np.nan
    return xr.Dataset(
        {
            "level": (("well", "time"), level),
            "rain": (("well", "time"), rain),
            "temperature": (("well", "time"), np.broadcast_to(temperature, rain.shape).copy()),
        },
        {"well": np.array(["a", "b"], dtype=object), "time": times},
    )


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    return record()


@pytest.fixture(scope="module", params=MAKERS, ids=NAMES)
def fitted(request: pytest.FixtureRequest, observations: xr.Dataset) -> Any:
    return request.param().fit(observations, split=split_by_fraction(observations))


def through_files(one: Forecaster) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the state as it comes back from JSON text and an ``.npz`` file."""
    description, arrays = one.to_state()
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    buffer.seek(0)
    return json.loads(json.dumps(description)), dict(np.load(buffer, allow_pickle=False))


def predictions(one: Any, observations: xr.Dataset) -> dict[str, bytes]:
    """Return the bytes of simulations and forecasts, under observed and other weather."""
    found = {}
    if one.name not in ("ets", "unobserved_components"):
        found["simulate"] = one.simulate(observations)["level"].values.tobytes()
    for forcing in (ObservedWeather(), ClimatologyWeather()):
        given = {"issue_times": observations["time"].values[[300, 380]], "horizon": 4}
        if type(one).forecast is not Forecaster.forecast:
            level = one.forecast(observations, forcing=forcing, **given)["level"]
            found[f"forecast {forcing.origin}"] = level.values.tobytes()
        elif one.name in ("linear", "kernel_ridge", "additive", "pastas"):
            level = one.project(observations, forcing=forcing, **given)
            found[f"project {forcing.origin}"] = level.values.tobytes()
    return found


def test_a_restored_forecaster_predicts_the_same(fitted: Any, observations: xr.Dataset) -> None:
    restored = type(fitted).from_state(*through_files(fitted))
    expected = predictions(fitted, observations)
    assert len(expected) > 1
    assert predictions(restored, observations) == expected
    assert [str(well) for well in restored.wells_] == ["a", "b"]


def test_its_state_is_the_same_again(fitted: Any) -> None:
    description, arrays = through_files(fitted)
    again, again_arrays = type(fitted).from_state(description, arrays).to_state()
    assert json.loads(json.dumps(again)) == description
    assert {name: a.tobytes() for name, a in again_arrays.items()} == {
        name: a.tobytes() for name, a in arrays.items()
    }


def test_a_name_of_ones_own_is_kept(fitted: Any) -> None:
    own = copy.copy(fitted)
    own.name = "mine"
    assert type(own).from_state(*through_files(own)).name == "mine"
    assert type(own).from_state(*through_files(fitted)).name == fitted.name


def test_what_is_missing_or_damaged_is_refused(fitted: Any) -> None:
    description, arrays = through_files(fitted)
    cls = type(fitted)
    with pytest.raises(KeyError):
        cls.from_state({k: v for k, v in description.items() if k != "wells"}, arrays)
    optional = {"last"} if isinstance(fitted, Persistence) else set()
    later = (".root_zone", ".drivers", ".usual")  # not in old bundles
    optional |= {name for name in arrays if name.endswith(later)}
    for name in set(arrays) - optional:
        with pytest.raises(KeyError):
            cls.from_state(description, {k: v for k, v in arrays.items() if k != name})
    for name, value in arrays.items():
        with pytest.raises((ValueError, TypeError)):
            cls.from_state(description, {**arrays, name: value[..., None]})
        with pytest.raises((ValueError, TypeError)):
            cls.from_state(description, {**arrays, name: value.astype(str)})


@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_fits_that_are_not_finite_are_refused(damage: float) -> None:
    observations = record()
    one = Linear(lookbacks=[4]).fit(observations, split=split_by_fraction(observations))
    description, arrays = through_files(one)
    arrays["0.coefficients"][0] = damage
    with pytest.raises(ValueError, match="must be finite"):
        Linear.from_state(description, arrays)
    description["regressions"]["b"]["intercept"] = damage
    with pytest.raises((TypeError, ValueError)):
        Linear.from_state(description, through_files(one)[1])


def test_a_state_of_other_columns_is_refused() -> None:
    observations = record()
    one = Linear(lookbacks=[4]).fit(observations, split=split_by_fraction(observations))
    description, arrays = through_files(one)
    with pytest.raises(ValueError, match="columns"):
        Linear.from_state({**description, "harmonics": 1}, arrays)
    with pytest.raises(ValueError, match="at least 0"):
        Linear.from_state({**description, "harmonics": -1}, arrays)
    with pytest.raises(ValueError, match="none of the wells"):
        Linear.from_state({**description, "wells": ["c", "b"]}, arrays)


def test_the_layout_of_linear_is_that_of_old_bundles() -> None:
    observations = record()
    one = Linear(lookbacks=[4]).fit(observations, split=split_by_fraction(observations))
    description, arrays = one.to_state()
    assert list(description) == ["wells", "covariates", "harmonics", "frequency", "regressions"]
    assert set(description["regressions"]["a"]) == {
        "lookback", "strength", "intercept", "n_rows", "n_without_level", "n_without_covariates",
    }  # fmt: skip
    names = ("before", "center", "scale", "coefficients")
    assert set(arrays) == {f"{number}.{name}" for number in (0, 1) for name in names}


def test_the_layout_of_climatology_and_persistence_is_that_of_old_bundles() -> None:
    observations = record()
    split = split_by_fraction(observations)
    climatology = Climatology().fit(observations, split=split)
    persistence = Persistence().fit(observations, split=split)
    assert set(climatology.to_state()[0]) == set(persistence.to_state()[0]) == {"wells"}
    assert set(climatology.to_state()[1]) == {"climatology", "end"}
    old = {"end": persistence.to_state()[1]["end"]}
    restored = Persistence.from_state({"wells": ["a", "b"]}, old)
    given = {"issue_times": observations["time"].values[[300]], "horizon": 3}
    issued = restored.forecast(observations, forcing=ObservedWeather(), **given)
    assert issued.equals(persistence.forecast(observations, forcing=ObservedWeather(), **given))


def test_whether_a_class_can_be_stored_is_known_before_a_fit() -> None:
    assert all(type(make()).storable for make in MAKERS)
    assert not LeaveWellsOut.storable

    class Silent(Forecaster):
        name = "silent"

        def fit(self, observations: Any, **_: Any) -> Any: ...

        def refit(self, observations: Any, **_: Any) -> Any: ...

    assert not Silent.storable
    with pytest.raises(NotImplementedError, match="'silent'"):
        Silent().to_state()
    with pytest.raises(NotImplementedError, match="'Silent'"):
        Silent.from_state({}, {})


def test_no_restored_forecaster_needs_tensorflow_or_pastas() -> None:
    observations = record()
    one = Pastas(noise=False).fit(observations, split=split_by_fraction(observations))
    description, arrays = one.to_state()
    lists = {name: value.tolist() for name, value in arrays.items() if value.size}
    code = (
        "import sys, json, numpy as np\n"
        "from gwforecast.models import additive, ardl, linear, naive, pastas, state_space\n"
        "description, lists = json.loads(sys.stdin.read())\n"
        "arrays = {name: np.array(value) for name, value in lists.items()}\n"
        "pastas.Pastas.from_state(description, arrays)\n"
        "print([n for n in ('tensorflow', 'keras', 'pastas') if n in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([description, lists]),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        (read_number, True), (read_number, np.nan), (read_number, "1"), (read_whole, 1.0),
        (read_whole, 0), (read_text, ""), (read_texts, ["a", "a"]), (read_texts, "ab"),
    ],
)  # fmt: skip
def test_stored_values_of_another_type_are_refused(read: Callable[[Any], Any], wrong: Any) -> None:
    with pytest.raises(TypeError, match="is no"):
        read(wrong)
