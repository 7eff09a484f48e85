"""No forecast knows what came after its issue time. Append a factory to have it proved."""

import json
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.calibration.calibrated import Calibrated
from gwforecast.calibration.forecaster import Corrected, as_forecasting
from gwforecast.forcings.base import ObservedWeather
from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.forcings.scenario import Scenario
from gwforecast.models.additive import Additive
from gwforecast.models.ardl import ARDL
from gwforecast.models.base import Forecaster
from gwforecast.models.bundle import describe
from gwforecast.models.kernel_ridge import KernelRidge
from gwforecast.models.linear import Linear
from gwforecast.models.naive import Climatology, Persistence, RandomWalkDrift, SeasonalNaive
from gwforecast.models.pastas import Pastas
from gwforecast.models.state_space import ETS, ARMARegression, UnobservedComponents
from gwforecast.networks.cnn import CNN
from gwforecast.networks.gru import GRU
from gwforecast.networks.lstm import LSTM, GlobalLSTM
from gwforecast.networks.mlp import MLP
from gwforecast.networks.pretrained import PretrainedLSTM
from gwforecast.runs import out_of_sample
from gwforecast.runs.catalogue import BLEND, DEFAULT_BACKTEST, DEFAULT_MODELS, blended_among
from gwforecast.runs.hindcasts import Hindcasts
from gwforecast.runs.results import Origins
from gwforecast.sequences.audit import REPLACEMENTS, replaced, rows_after
from gwforecast.sequences.origins import issue_times_of
from gwforecast.sequences.split import Split, split_by_date, split_by_fraction

SMALL = {"members": 2, "epochs": 2, "lookback": 12, "targets": 20, "workers": 1}
FORECASTERS = {
    "persistence": Persistence,
    "drift": RandomWalkDrift,
    "climatology": Climatology,
    "seasonal_naive": SeasonalNaive,
    "linear": lambda: Linear(lookbacks=(8,), strengths=(0.1,)),
    "additive": Additive,
    "arma_regression": lambda: ARMARegression(orders=((1, 0), (1, 1))),
    "ardl": lambda: ARDL(lookbacks=(4,)),
    "ets": ETS,
    "unobserved_components": lambda: UnobservedComponents(harmonics=1),
    "pastas": lambda: Pastas(
        noise=False, recharge="linear"
    ),  # all candidates take four times as long
    "kernel_ridge": lambda: KernelRidge(rows=60),
    "pretrained_lstm": PretrainedLSTM,
    "lstm": lambda: LSTM(units=(4,), **SMALL),
    "global_lstm": lambda: GlobalLSTM(units=(4,), **SMALL),
    "gru": lambda: GRU(units=(4,), **SMALL),
    "cnn": lambda: CNN(units=4, **SMALL),
    "mlp": lambda: MLP(units=(4,), members=2, epochs=2, lookback=12, workers=1),
    "blend": lambda: Corrected([FORECASTERS[one]() for one in ("lstm", "kernel_ridge")]),
}
every_forecaster = pytest.mark.parametrize("name", sorted(FORECASTERS))
HORIZON = 6


STEPS = 320


def aquifer(seed: int = 0) -> xr.Dataset:
    """Two wells, weekly, whose level answers to rain and temperature, with gaps."""
    rng = np.random.default_rng(seed)
    rain = rng.gamma(0.7, 10.0, (2, STEPS))
    warm = 10 + 8 * np.sin(2 * np.pi * np.arange(STEPS) / 52.18) + rng.normal(0, 2, (2, STEPS))
    level = np.zeros((2, STEPS))
    for step in range(1, STEPS):
        level[:, step] = 0.9 * level[:, step - 1] + 0.02 * rain[:, step] - 0.01 * warm[:, step]
    level += rng.normal(0, 0.01, level.shape) + 20
    level[rng.random(level.shape) < 0.1] = np.nan
    times = pd.date_range("2004-01-05", periods=STEPS, freq="W-MON")
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, level), "rr": (dims, rain), "tg": (dims, warm)},
        {"well": ["a", "b"], "time": times},
    )


def periods(observations: xr.Dataset) -> Split:
    return split_by_date(observations, validation_start="2007-09-10", test_start="2008-12-01")


def after(observations: xr.Dataset, issue_time: np.datetime64) -> xr.DataArray:
    rows = xr.ones_like(observations["level"], dtype=bool)
    return rows & (observations["time"] > issue_time)


def fitted(name: str, observations: xr.Dataset, split: Split) -> Forecaster:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning of a fit is no leak
        return as_forecasting(FORECASTERS[name]()).fit(observations, split=split)


@cache
def fitted_once(name: str) -> Forecaster:
    """Return the fit on the unchanged record, which the tests of this file share."""
    return fitted(name, aquifer(), periods(aquifer()))


def calibrated(one: Forecaster, observations: xr.Dataset, split: Split, forcing) -> Calibrated:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Calibrated(one, horizon=HORIZON, forcing=forcing)
        return made.calibrate(observations, split=split)


@cache
def calibrated_once(name: str, origin: str) -> Calibrated:
    observations = aquifer()
    split = periods(observations)
    return calibrated(fitted_once(name), observations, split, FORCINGS[origin])


FORCINGS = {"observed": ObservedWeather(), "climatology": ClimatologyWeather(fewest=2)}


@every_forecaster
@pytest.mark.parametrize("origin", FORCINGS)
def test_nothing_after_the_issue_time_changes_a_forecast(name: str, origin: str) -> None:
    observations = aquifer()
    model = calibrated_once(name, origin)
    issued = observations["time"].values[[265, 290]]
    expected = model.forecast(observations, issue_times=issued)
    assert np.isfinite(expected["level"].values).any()
    changing = ["level"] if origin == "observed" else ["level", "rr", "tg"]
    for number, issue_time in enumerate(issued):
        for by in REPLACEMENTS:
            changed = replaced(
                observations, changing, rows=after(observations, issue_time), by=by, seed=1
            )
            # quantiles follow the outcomes of the earlier issue times, which are the same
            found = model.forecast(changed, issue_times=issued[: number + 1])
            found, one = (made.isel(issue_time=[number]) for made in (found, expected))
            assert found["level"].values.tobytes() == one["level"].values.tobytes()
            assert found["last_observation"].equals(one["last_observation"])


def test_each_default_model_is_proved() -> None:
    assert set(FORECASTERS) >= {*DEFAULT_MODELS, *DEFAULT_BACKTEST, BLEND}


def stored(forecaster: Forecaster) -> dict[str, object]:
    """Return all that a fitted forecaster has learnt, weights of a blend included, as bytes."""
    description, arrays = describe(forecaster)
    learnt = {key: array.tobytes() for key, array in arrays.items()}
    return {"description": json.dumps(description, default=str), **learnt}


@every_forecaster
def test_a_fit_and_its_intervals_know_nothing_after_the_validation_period(name: str) -> None:
    observations = aquifer()
    split = periods(observations)
    issued = split.end_through("validation").values.min()[None]
    expected = calibrated_once(name, "climatology")
    level = expected.forecast(observations, issue_times=issued)["level"].values
    later = rows_after(observations, split, "validation")
    for by in REPLACEMENTS:
        changed = replaced(observations, ["level", "rr", "tg"], rows=later, by=by, seed=2)
        one = fitted(name, changed, split)
        found = calibrated(one, changed, split, FORCINGS["climatology"])
        assert stored(found.forecaster) == stored(expected.forecaster)
        made = found.forecast(changed, issue_times=issued)["level"].values
        assert made.tobytes() == level.tobytes()
        ours, theirs = expected.interval_.to_arrays(), found.interval_.to_arrays()
        assert all(theirs[key].tobytes() == ours[key].tobytes() for key in ("widths", "error"))


def test_an_evaluation_knows_no_later_level_and_no_later_weather() -> None:
    """All default models and their blend, in each period: levels, intervals and weights."""
    observations = aquifer()
    split = split_by_fraction(observations, gap=2)

    def predict(data: xr.Dataset) -> dict[str, xr.DataArray]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # without later levels there is no later fit
            found = {
                name: out_of_sample.predict(FORECASTERS[name](), data, split=split)
                for name in DEFAULT_MODELS
            }
        blended = [found[name] for name in blended_among(found)]
        assert len(blended) == 6
        found[BLEND] = out_of_sample.blend(blended, data, split=split)
        return {name: one.level for name, one in found.items()}

    expected = predict(observations)
    after_fit = rows_after(observations, split, "validation")
    for period, by in (("validation", "missing"), ("test", "huge"), ("test", "noise")):
        after_rows = rows_after(observations, split, period)
        changed = replaced(observations, ["level"], rows=after_fit, by=by, seed=3)
        changed = replaced(changed, ["rr", "tg"], rows=after_rows, by=by, seed=4)
        for name, level in predict(changed).items():
            one, other = (x.where(~after_rows).values for x in (level, expected[name]))
            assert one.tobytes() == other.tobytes(), (name, by)


@pytest.mark.parametrize("name", ["linear", "persistence", "arma_regression", "lstm", "blend"])
@pytest.mark.parametrize("refit_every", [None, 4])
def test_hindcasts_know_nothing_after_their_issue_times(name: str, refit_every) -> None:
    observations = aquifer()
    split = periods(observations)
    issued = issue_times_of(observations, split, period="test", stride=5)
    origins = Origins(issued, HORIZON, refit_every=refit_every)
    one = fitted_once(name)
    expected = Hindcasts(observations, split, origins).of(one)["level"]
    cut = issued[7]
    for by in REPLACEMENTS:
        changed = replaced(observations, ["level"], rows=after(observations, cut), by=by, seed=3)
        found = Hindcasts(changed, split, origins).of(one)["level"]
        kept = {"issue_time": slice(None, cut)}
        assert found.sel(kept).values.tobytes() == expected.sel(kept).values.tobytes()


def test_weather_after_the_issue_time_reaches_a_scenario_by_its_base_only() -> None:
    observations = aquifer()
    model = calibrated_once("linear", "climatology")
    dry = Scenario("dry", ClimatologyWeather(fewest=2), factors={"rr": 0.5})
    issued = observations["time"].values[[290]]
    expected = model.forecast(observations, issue_times=issued, forcing=dry)["level"]
    normal = model.forecast(observations, issue_times=issued)["level"]
    middle = {"quantile": 0.5, "lead_time": expected["lead_time"][-1]}
    assert (expected.sel(middle) < normal.sel(middle)).all()
    rows = after(observations, issued[0])
    changed = replaced(observations, ["level", "rr", "tg"], rows=rows, by="huge", seed=4)
    found = model.forecast(changed, issue_times=issued, forcing=dry)["level"]
    assert found.values.tobytes() == expected.values.tobytes()
