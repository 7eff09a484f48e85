"""Kernel ridge regression: closed forms, brute force, memories that are found, and failures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.forcings.climatology import ClimatologyWeather
from gwforecast.models.base import Forecaster
from gwforecast.models.kernel_ridge import (
    FOLDS,
    STRENGTHS,
    Kernel,
    KernelRidge,
    _errors_left_out,
    choose_kernels,
    dual_coefficients,
    mixed,
    products_and_distances,
)
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import split_by_fraction

RNG = np.random.default_rng(7)
STEPS = 900


def response(rain: np.ndarray, memory: float) -> np.ndarray:
    """Return a level that remembers rain exponentially, with a memory in steps, m."""
    smooth = pd.DataFrame(rain.T).ewm(alpha=1 - np.exp(-1 / memory), adjust=False).mean()
    return 20.0 + 0.1 * smooth.to_numpy().T


def observations(*memories: float, noise: float = 0.0) -> xr.Dataset:
    """Return weekly levels, one well for each memory in weeks, with rain and temperature."""
    time = pd.date_range("1995-01-02", periods=STEPS, freq="W-MON")
    rain = RNG.gamma(1.0, 15.0, (len(memories), STEPS))
    level = np.concatenate([response(r[None], m) for r, m in zip(rain, memories, strict=True)])
    warm = 10.0 + 8.0 * np.sin(2 * np.pi * np.arange(STEPS) / 52.18)
    series = {
        "level": level + noise * RNG.normal(size=level.shape),
        "rain": rain,
        "temperature": np.tile(warm + 5.0, (len(memories), 1)),
    }
    return xr.Dataset(
        {name: (("well", "time"), values) for name, values in series.items()},
        {"well": [f"w{k}" for k in range(len(memories))], "time": time},
    )


def nse(data: xr.Dataset, simulated: xr.Dataset, rows: xr.DataArray) -> np.ndarray:
    error = (simulated["level"] - data["level"]).where(rows)
    return 1.0 - ((error**2).mean("time") / data["level"].where(rows).var("time")).values


def test_levels_of_quick_and_slow_wells_are_recovered_in_years_not_fitted() -> None:
    data = observations(3.0, 60.0)
    split = split_by_fraction(data)
    fitted = KernelRidge().fit(data, split=split)
    assert (nse(data, fitted.simulate(data), split.rows(data, "test")) > 0.97).all()


def test_a_slow_well_is_given_longer_memories_than_a_quick_one() -> None:
    data = observations(3.0, 150.0)
    fitted = KernelRidge().fit(data, split=split_by_fraction(data))
    quick, slow = (
        np.average(fit.longest, weights=fit.weight)
        for fit in (fitted.fits_[w] for w in ("w0", "w1"))
    )
    assert slow > quick


def test_the_error_of_blocks_left_out_is_that_of_fits_without_them() -> None:
    support, target = RNG.normal(size=(60, 5)), RNG.normal(size=60)
    block = np.arange(60) * FOLDS // 60
    matrix = mixed(*products_and_distances(support), 1.0, 0.3)
    for strength, found in _errors_left_out(matrix, target, block):
        expected = 0.0
        for number in range(FOLDS):
            out, kept = block == number, block != number
            penalty = strength * len(target) * np.eye(kept.sum())
            coefficients = np.linalg.solve(matrix[np.ix_(kept, kept)] + penalty, target[kept])
            expected += np.sum((target[out] - matrix[np.ix_(out, kept)] @ coefficients) ** 2)
        assert found == pytest.approx(expected / 60, rel=1e-6)
    assert strength == STRENGTHS[-1]


def test_weights_of_kernels_add_up_to_one_and_the_best_has_the_largest() -> None:
    support, target = RNG.normal(size=(80, 3)), RNG.normal(size=80)
    kernels = choose_kernels(support, target, np.array([0.0, 30.0, 900.0]), longest=4000.0)
    weights = [one.weight for one in kernels]
    assert sum(weights) == pytest.approx(1.0)
    assert weights == sorted(weights, reverse=True)


def test_a_linear_kernel_is_ridge_regression() -> None:
    support, target = RNG.normal(size=(50, 4)), RNG.normal(size=50)
    kernel = Kernel(longest=10.0, length=1.0, linear=1.0, strength=0.02, weight=1.0)
    dual = support.T @ dual_coefficients(support, target, np.zeros(4), [kernel])[0] / 4
    primal = np.linalg.solve(support.T @ support / 4 + 50 * 0.02 * np.eye(4), support.T @ target)
    np.testing.assert_allclose(dual, primal / 4, rtol=1e-9)


def test_versions_of_the_weather_are_simulated_as_if_each_were_alone() -> None:
    data = observations(8.0)
    fitted = KernelRidge(rows=200).fit(data, split=split_by_fraction(data))
    wet = data.assign(rain=data["rain"].where(np.arange(STEPS) < 700, 2 * data["rain"]))
    both = xr.concat([data, wet], pd.Index([0, 1], name="forcing_member"))
    both = both.assign(level=data["level"])
    versions = fitted.simulate_versions(both).isel(member=0)
    for number, one in enumerate((data, wet)):
        alone = fitted.simulate(one)["level"]
        np.testing.assert_allclose(
            versions.isel(forcing_member=number).transpose("well", "time"), alone, atol=1e-9
        )


def test_a_refit_keeps_the_kernels_and_learns_from_more_levels() -> None:
    data = observations(8.0, noise=0.05)
    split = split_by_fraction(data)
    fitted = KernelRidge(rows=300).fit(data, split=split)
    again = fitted.refit(data, split=split, through="test")
    assert again.fits_["w0"].kernels() == fitted.fits_["w0"].kernels()
    assert again.fits_["w0"].intercept != fitted.fits_["w0"].intercept


def test_a_restored_model_simulates_the_same() -> None:
    data = observations(8.0)
    fitted = KernelRidge(rows=100).fit(data, split=split_by_fraction(data))
    restored = KernelRidge.from_state(*fitted.to_state())
    np.testing.assert_array_equal(restored.simulate(data)["level"], fitted.simulate(data)["level"])


def test_snow_water_and_recharge_are_inputs_where_there_is_temperature() -> None:
    data = observations(8.0)
    split = split_by_fraction(data)
    series = {"rain", "temperature", "snow", "water", "soil of 50 mm", "soil of 200 mm"}
    fitted = KernelRidge(rows=100).fit(data, split=split)
    assert fitted.fits_["w0"].before.size == len(series)
    assert KernelRidge(rows=100, snow=False).fit(data, split=split).fits_["w0"].before.size == 2
    dry = KernelRidge(rows=100).fit(data.drop_vars("temperature"), split=split)
    assert dry.fits_["w0"].before.size == 1


def test_evapotranspiration_that_is_given_draws_on_the_soils() -> None:
    data = observations(8.0)
    split = split_by_fraction(data)
    thirst = data["rain"].copy(data=np.full(data["rain"].shape, 500.0))
    thirst.attrs = {"units": "mm", "kind": "evapotranspiration"}
    fitted = KernelRidge(rows=100).fit(data.assign(et=thirst), split=split)
    assert fitted.fits_["w0"].before[-1] < 0.1 * fitted.fits_["w0"].before[0]


def test_steps_without_weather_have_no_level() -> None:
    data = observations(8.0)
    fitted = KernelRidge(rows=100).fit(data, split=split_by_fraction(data))
    short = data.assign(rain=data["rain"].where(np.arange(STEPS) < 800))
    level = fitted.simulate(short)["level"].values[0]
    assert np.isfinite(level[:800]).all()
    assert np.isnan(level[800:]).all()


def test_a_well_that_cannot_be_fitted_says_why_and_does_not_stop_another() -> None:
    data = observations(8.0, 8.0)
    data["level"][0] = data["level"][0].where(np.arange(STEPS) % 30 == 0)
    with pytest.warns(UserWarning, match=r"needs at least 40 levels with weather\. Received 18"):
        fitted = KernelRidge(rows=100).fit(data, split=split_by_fraction(data))
    assert list(fitted.failed_) == ["w0"]
    assert np.isfinite(fitted.simulate(data)["level"][1]).all()


def test_a_constant_level_is_simulated_as_it_is() -> None:
    data = observations(8.0)
    data["level"][:] = 5.0
    fitted = KernelRidge(rows=100).fit(data, split=split_by_fraction(data))
    assert fitted.constant_ == {"w0": 5.0}
    assert (fitted.simulate(data)["level"] == 5.0).all()


def test_without_a_covariate_it_is_refused() -> None:
    data = observations(8.0).drop_vars(["rain", "temperature"])
    with pytest.raises(SchemaError, match=r"needs a covariate\. Received none"):
        KernelRidge().fit(data, split=split_by_fraction(data))


def test_many_issue_times_are_projected_as_each_alone() -> None:
    """The weather before the issue times is run through once; the base class does it each time."""
    data = observations(8.0, 30.0)
    fitted = KernelRidge(rows=100).fit(data, split=split_by_fraction(data))
    given = {"issue_times": data["time"].values[[700, 801]], "horizon": 6}
    given["forcing"] = ClimatologyWeather()
    quick, slow = fitted.project(data, **given), Forecaster.project(fitted, data, **given)
    xr.testing.assert_allclose(quick, slow, rtol=1e-9)
    assert quick.sizes["forcing_member"] > 1


def test_a_simulation_from_a_step_on_is_the_end_of_the_whole() -> None:
    data = observations(8.0)
    fitted = KernelRidge(rows=100).fit(data, split=split_by_fraction(data))
    later = fitted.simulate_from(data, 500)["level"].values[0]
    np.testing.assert_allclose(later[500:], fitted.simulate(data)["level"].values[0, 500:])
    assert np.isnan(later[:500]).all()
