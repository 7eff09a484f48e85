"""Transfer functions: a known response is found, and the simulation is that of pastas."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import SchemaError, backtest, evaluate, load, split_by_fraction
from gwforecast.models import pastas_objective
from gwforecast.models.pastas import Pastas, Response

ps = pytest.importorskip("pastas")
SHARE, DAYS, BASE = 0.6, 90.0, 20.0


def aquifer(*, noise: float = 0.0, freq: str = "7D", steps: int = 700) -> xr.Dataset:
    """A well whose level is an exponential response to rain less 0.6 of evapotranspiration."""
    rng = np.random.default_rng(3)
    times = pd.date_range("2004-01-05", periods=steps, freq=freq)
    step = pd.Timedelta(freq).days
    rain = rng.gamma(0.7, 20.0, steps)
    evap = 10 * (1 + np.sin(2 * np.pi * np.arange(steps) * step / 365.25))
    lags = np.arange(600) * step
    # the block response of an exponential: the step response at the end less that at the start
    weights = 0.02 * (np.exp(-lags / DAYS) - np.exp(-(lags + step) / DAYS)) * DAYS
    recharge = rain - SHARE * evap
    before = np.full(600, recharge.mean())
    level = BASE + np.convolve(np.concatenate([before, recharge]), weights)[600 : 600 + steps]
    level = level + rng.normal(0, noise, steps) if noise else level
    dims = ("well", "time")
    return xr.Dataset(
        {"level": (dims, level[None]), "rr": (dims, rain[None]), "et": (dims, evap[None])},
        {"well": ["a"], "time": times},
    )


@pytest.mark.parametrize("freq", ["7D", "1D"])
def test_a_known_response_is_found(freq: str) -> None:
    observations = aquifer(freq=freq, steps=1500 if freq == "1D" else 700)
    split = split_by_fraction(observations)
    fitted = Pastas(response="exponential").fit(observations, split=split)
    assert fitted.fits_["a"].factor == pytest.approx(-SHARE, rel=0.05)
    test = split.levels(observations, "test")
    error = fitted.simulate(observations)["level"] - test
    assert float(np.abs(error).max()) < 0.1 * float(test.std())


def test_the_simulation_is_that_of_pastas() -> None:
    observations = aquifer(noise=0.05)
    split = split_by_fraction(observations)
    fitted = Pastas(noise=False).fit(observations, split=split)
    frame = observations.isel(well=0).to_dataframe()
    rows = split.rows(observations, "train").values[0]
    last = np.flatnonzero(rows)[-1] + 1
    part = frame.iloc[:last]
    centre, height = part["level"].mean(), part["level"].std()
    rain = part["rr"] / part["rr"].std()
    evap = (part["et"] - part["et"].mean()) / part["et"].std()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ps.Model((part["level"] - centre) / height, freq="7D")
        model.add_stressmodel(ps.RechargeModel(rain, evap, rfunc=ps.Gamma(), name="recharge"))
        model.solve(report=False)
        theirs = centre + height * model.simulate()
    ours = fitted.simulate(observations)["level"].isel(well=0).to_series()
    np.testing.assert_allclose(ours.loc[theirs.index], theirs, atol=1e-9)


def with_snow() -> xr.Dataset:
    """Return the aquifer with a temperature, with winters below 0 degC."""
    observations = aquifer(noise=0.05)
    days = 7 * np.arange(observations.sizes["time"])
    warmth = 6.0 + 10.0 * np.sin(2 * np.pi * days / 365.25)
    return observations.assign(tg=(("well", "time"), warmth[None], {"units": "degC"}))


def driven(*, effect: float = 1.0) -> xr.Dataset:
    """Return the aquifer beside a river, with a well that began to pump halfway."""
    observations = aquifer(noise=0.02)
    steps = observations.sizes["time"]
    rng = np.random.default_rng(7)
    river = 100 + pd.Series(rng.normal(0, 2.0, steps)).ewm(com=6).mean().to_numpy()
    pumped = np.where(np.arange(steps) > 0.4 * steps, 500.0, 0.0) * rng.uniform(0.5, 1.0, steps)
    lags = np.arange(200)
    quick, slow = (np.exp(-lags / m) * (1 - np.exp(-1 / m)) for m in (3.0, 20.0))
    change = effect * np.convolve(river - river.mean(), 0.5 * quick)[:steps]
    change -= effect * np.convolve(pumped, 0.004 * slow)[:steps]
    dims = ("well", "time")
    return observations.assign(
        level=observations["level"] + change,
        river=(dims, river[None], {"kind": "stage", "units": "m"}),
        pumping=(dims, pumped[None], {"units": "m3/d"}),
        works=(dims, np.zeros((1, steps)), {"kind": "pumping"}),  # never in use
    )


def test_rivers_and_pumping_act_beside_the_recharge() -> None:
    observations = driven()
    split = split_by_fraction(observations)
    fitted = Pastas(response="exponential", recharge="linear").fit(observations, split=split)
    river, pumping, works = fitted.fits_["a"].drivers.sum(axis=1)
    assert river == pytest.approx(0.5, rel=0.15)
    assert pumping == pytest.approx(-0.004, rel=0.15)
    assert works == 0.0
    test = split.levels(observations, "test")
    error = fitted.simulate(observations)["level"] - test
    assert float((error**2).mean()) < 0.05 * float(test.var())
    without = observations.drop_vars(["river", "pumping", "works"])
    plain = Pastas(response="exponential", recharge="linear").fit(without, split=split)
    assert float((error**2).mean()) < 0.5 * float(
        ((plain.simulate(without)["level"] - test) ** 2).mean()
    )
    again = fitted.refit(observations, split=split)
    assert again.fits_["a"].drivers.sum(axis=1) == pytest.approx([0.5, -0.004, 0.0], rel=0.15)


def test_drivers_that_do_not_help_on_unseen_rows_are_left_out() -> None:
    observations = driven(effect=0.0)
    split = split_by_fraction(observations)
    fitted = Pastas(response="exponential", recharge="linear").fit(observations, split=split)
    assert not fitted.fits_["a"].drivers.any()
    assert not fitted.refit(observations, split=split).fits_["a"].drivers.any()


@pytest.mark.filterwarnings("ignore")  # of pastas and pandas
def test_levels_with_drivers_are_those_of_pastas_and_are_stored(tmp_path: Path) -> None:
    observations = driven().drop_vars("works")
    split = split_by_fraction(observations)
    fitted = Pastas(response="exponential", recharge="linear", noise=False)
    fitted = fitted.fit(observations, split=split)
    frame = observations.isel(well=0).to_dataframe()
    last = np.flatnonzero(split.rows(observations, "train").values[0])[-1] + 1
    part = frame.iloc[:last]
    model = ps.Model(part["level"], freq="7D")
    for stress in (
        ps.RechargeModel(part["rr"], part["et"], rfunc=ps.Exponential(), name="recharge"),
        ps.StressModel(
            part["river"] - part["river"].mean(), rfunc=ps.Exponential(), name="river", up=None,
            settings="waterlevel",
        ),
        ps.StressModel(
            part["pumping"] - part["pumping"].mean(), rfunc=ps.Hantush(), name="pumping", up=False,
            settings="waterlevel",
        ),
    ):  # fmt: skip
        model.add_stressmodel(stress)
    model.solve(report=False)
    theirs = model.simulate(tmin=frame.index[0], tmax=frame.index[last - 1])
    ours = fitted.simulate(observations)["level"].values[0].squeeze()[:last]
    assert np.sqrt(np.mean((ours - theirs.to_numpy())[100:] ** 2)) < 0.02
    again = load(fitted.save(tmp_path / "model"))
    np.testing.assert_array_equal(
        again.simulate(observations)["level"], fitted.simulate(observations)["level"]
    )


def test_a_root_zone_with_snow_is_that_of_pastas() -> None:
    observations = with_snow()
    split = split_by_fraction(observations)
    fitted = Pastas(noise=False, recharge="flex").fit(observations, split=split)
    found = fitted.fits_["a"]
    assert found.root_zone.size == 8
    frame = observations.isel(well=0).to_dataframe()
    last = np.flatnonzero(split.rows(observations, "train").values[0])[-1] + 1
    part = frame.iloc[:last]
    theirs = ps.rch.FlexModel(snow=True).simulate(
        *(part[name].to_numpy() for name in ("rr", "et", "tg")), found.root_zone
    )
    ours = found.recharge(
        fitted.weather_of(observations.expand_dims("forcing_member"))[0, 0, :last]
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_recharge_is_chosen_by_the_validation_rows_and_kept() -> None:
    observations = with_snow()
    split = split_by_fraction(observations)
    fitted = Pastas(noise=False).fit(observations, split=split)
    assert fitted.fits_["a"].root_zone.size == 0  # the truth is linear
    assert fitted.refit(observations, split=split).fits_["a"].root_zone.size == 0


def test_noise_is_chosen_by_the_validation_rows_and_kept() -> None:
    observations = aquifer(noise=0.05)
    split = split_by_fraction(observations)
    fitted = Pastas().fit(observations, split=split)
    judge = split.levels(observations, "validation")

    def error(noise: bool) -> float:
        one = Pastas(noise=noise).fit(observations, split=split)
        return float(np.square(one.simulate(observations)["level"] - judge).mean())

    assert fitted.fits_["a"].noise is bool(error(True) < error(False))
    again = fitted.refit(observations, split=split)
    assert again.fits_["a"].noise is fitted.fits_["a"].noise
    assert again is not fitted


def test_missing_weather_is_missing_within_the_response_only() -> None:
    found = Response(np.array([0.5, 0.3, 0.2]), -1.0, 10.0, 2.0, noise=False)
    rain, demand = np.array([1.0, np.nan, 3.0, 4.0, 5.0, 6.0]), np.zeros(6)
    levels = found.levels(np.stack([rain, demand], axis=1))
    np.testing.assert_allclose(levels[[0, 4, 5]], [11.5, 14.3, 15.3])
    assert np.isnan(levels[1:4]).all()


def test_a_gap_in_the_weather_costs_the_well_and_says_where() -> None:
    observations = aquifer()
    observations["rr"][0, 40] = np.nan
    with pytest.warns(UserWarning, match=r"at every step.*2004-10-11.*fill_covariates"):
        fitted = Pastas().fit(observations, split=split_by_fraction(observations))
    assert list(fitted.failed_) == ["a"]
    assert fitted.simulate(observations)["level"].isnull().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o: o.drop_vars("rr"), "needs rain"),
        (lambda o: o.drop_vars("et"), "evapotranspiration or temperature"),
        (lambda o: o.assign_coords(time=pd.date_range("1950", periods=700, freq="MS")), "daily or"),
    ],
)
def test_what_cannot_be_fitted_says_why(change, message: str) -> None:
    observations = change(aquifer())
    with pytest.raises(SchemaError, match=message):
        Pastas().fit(observations, split=split_by_fraction(observations))


def test_without_the_library_the_fix_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pastas", None)
    observations = aquifer()
    with pytest.raises(ImportError, match=r"pip install pastas"):
        Pastas().fit(observations, split=split_by_fraction(observations))


def test_a_wrong_response_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of 'gamma'"):
        Pastas(response="hantush")


def test_it_stands_beside_the_others() -> None:
    observations = aquifer(noise=0.05)
    evaluation = evaluate(observations, models=["pastas", "climatology"])
    scores = evaluation.scores.query("period == 'test' and metric == 'rmse'").set_index("model")
    assert scores.loc["pastas", "value"] < 0.5 * scores.loc["climatology", "value"]
    result = backtest(observations, models=["pastas", "persistence"], horizon=8)
    rmse = result.scores.query("metric == 'rmse'").set_index(["model", "lead"])["value"]
    assert rmse["pastas", 8] < rmse["persistence", 8]


@pytest.mark.filterwarnings("ignore")  # of pastas and pandas
@pytest.mark.parametrize("response", ["Gamma", "Exponential", "DoubleExponential", "FourParam"])
@pytest.mark.parametrize("zone", [False, True], ids=["linear", "flex"])
@pytest.mark.parametrize("pumped", [False, True], ids=["plain", "pumped"])
def test_estimating_on_arrays_gives_the_parameters_of_pastas_to_the_last_digit(
    response: str, *, zone: bool, pumped: bool
) -> None:
    frame = aquifer(noise=0.05, steps=300).isel(well=0).to_dataframe()
    frame["temperature"] = 8 + 12 * np.sin(2 * np.pi * np.arange(300) / 52.18)
    head = frame["level"].drop(frame.index[100:120]) - BASE

    def made() -> Any:
        model = ps.Model(head, freq="7D")
        kind = ps.rch.FlexModel(snow=True) if zone else ps.rch.Linear()
        extra = {"temp": frame["temperature"]} if zone else {}
        ps.RechargeModel(
            model, frame["rr"], frame["et"], rfunc=getattr(ps, response)(), recharge=kind,
            name="recharge", **extra,
        )  # fmt: skip
        if pumped:
            ps.StressModel(
                model, frame["rr"] - 10.0, rfunc=ps.Hantush(), name="pumping", up=False,
                settings="waterlevel",
            )  # fmt: skip
        return model

    expected, model = made(), made()
    most = {"max_nfev": 4}  # the path is the same from the first step on
    expected.solve(report=False, **most)
    pastas_objective.solve(model, **most)
    for one in (expected, model):
        one.add_noisemodel(ps.ArNoiseModel())
    expected.solve(report=False, initial=False, **most)
    pastas_objective.solve(model, initial=False, **most)
    pd.testing.assert_series_equal(
        model.parameters["optimal"], expected.parameters["optimal"], check_exact=True
    )
    weights = pastas_objective.block_response(model, "recharge")
    np.testing.assert_array_equal(weights, expected.get_block_response("recharge").to_numpy())


@pytest.mark.filterwarnings("ignore")  # of pastas and pandas
def test_a_model_that_the_arrays_do_not_suit_is_estimated_by_pastas() -> None:
    frame = aquifer(noise=0.05, steps=300).isel(well=0).to_dataframe()
    head = frame["level"] - BASE
    head.index = head.index + pd.Timedelta(days=2)  # between the steps: pastas interpolates
    found = []
    for ours in (True, False):
        model = ps.Model(head, freq="7D")
        model.add_stressmodel(
            ps.RechargeModel(frame["rr"], frame["et"], rfunc=ps.Exponential(), name="recharge")
        )
        pastas_objective.solve(model) if ours else model.solve(report=False)
        found.append(model.parameters["optimal"])
    pd.testing.assert_series_equal(*found, check_exact=True)
