"""Contributions add up to the simulation, and step responses are those of a known reservoir."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.questions.explain import Explained, contributions, explain, step_responses
from gwforecast.questions.fits import fit_models

WEEKS = pd.date_range("1995-01-02", periods=1300, freq="7D")
PER_MM, PER_PUMPED, MEMORY = 0.05, -0.002, 10.0


def reservoir(inflow: np.ndarray) -> np.ndarray:
    kept = np.exp(-1 / MEMORY)
    return pd.Series(inflow).ewm(alpha=1 - kept, adjust=False).mean().to_numpy()


@pytest.fixture(scope="module")
def observations() -> xr.Dataset:
    rng = np.random.default_rng(8)
    rain = rng.gamma(1.5, 10.0, WEEKS.size)
    pumping = np.repeat(rng.choice([0.0, 150.0, 400.0], WEEKS.size // 20), 20)
    level = 30 + PER_MM * reservoir(rain) + PER_PUMPED * reservoir(pumping)
    level[1200:] = np.nan
    dims = ("well", "time")
    return xr.Dataset(
        {
            "level": (dims, (level + rng.normal(0, 0.005, WEEKS.size))[None]),
            "rain": (dims, rain[None], {"units": "mm/week", "kind": "rain"}),
            "pumping": (dims, pumping[None], {"units": "m3/d", "kind": "pumping"}),
        },
        {"well": ["a"], "time": WEEKS},
    )


@pytest.fixture(scope="module")
def explained(observations: xr.Dataset) -> Explained:
    return explain(observations, models=["linear"], settings={"linear": {"lookbacks": [104]}})


@pytest.mark.parametrize("models", [["linear"], ["kernel_ridge", "linear"]])
def test_contributions_add_up_to_the_simulation(
    observations: xr.Dataset, models: list[str]
) -> None:
    fits = fit_models(observations, models=models, blocks=2)
    found = contributions(fits)
    whole = found["base"] + found["contribution"].sum("covariate")
    assert float(abs(whole - found["level"]).max()) < 1e-9
    simulated = fits.simulate(observations)["level"]
    np.testing.assert_allclose(found["level"], simulated, atol=1e-12)


def test_the_contribution_of_pumping_is_the_drawdown(
    observations: xr.Dataset, explained: Explained
) -> None:
    part = explained.contributions["contribution"].sel(covariate="pumping").isel(well=0)
    true = PER_PUMPED * reservoir(observations["pumping"].values[0])
    assert np.abs(part.values[150:] - true[150:]).mean() < 0.03
    assert "Shapley" in explained.contributions["contribution"].attrs["method"]
    rain = explained.contributions["contribution"].sel(covariate="rain").isel(well=0)
    moves = PER_MM * (reservoir(observations["rain"].values[0]) - 15.0)
    assert np.abs(rain.values[150:] - moves[150:]).mean() < 0.03


def test_step_responses_are_those_of_the_reservoir(explained: Explained) -> None:
    table = explained.memory.set_index("covariate")
    for name, final in (("rain", PER_MM), ("pumping", PER_PUMPED)):
        assert table.loc[name, "response"] == pytest.approx(final, rel=0.1)
        assert abs(table.loc[name, "response"] - final) < 4 * table.loc[name, "error"]
        assert table.loc[name, "days_50"] == pytest.approx(7 * MEMORY * np.log(2), abs=21)
        assert table.loc[name, "days_90"] == pytest.approx(7 * MEMORY * np.log(10), rel=0.35)
        assert (
            table.loc[name, "days_50_lowest"]
            <= table.loc[name, "days_50"]
            <= table.loc[name, "days_50_highest"]
        )
    response = explained.responses["response"].sel(covariate="rain", quantile=0.5).isel(well=0)
    true = PER_MM * (1 - np.exp(-(np.arange(response.size) + 1) / MEMORY))
    assert np.abs(response.values - true).max() < 0.1 * PER_MM
    assert response["lag"].values[:2].tolist() == [7.0, 14.0]


def test_the_synthetic_valley_answers_as_its_equations_say() -> None:
    """The tolerance is 20 % of the final response: the truth is a soil and two reservoirs."""
    works = gw.load_sample().sel(well=["works"])
    fits = fit_models(works, models=["linear"])
    _, memory = step_responses(fits)
    table = memory.set_index("covariate")
    assert table.loc["pumping", "response"] == pytest.approx(-0.0012, rel=0.2)
    assert table.loc["rain", "response"] == pytest.approx(0.905, rel=0.2)
    assert table.loc["rain", "days_50"] == pytest.approx(91, rel=0.2)
    assert table.loc["rain", "days_90"] == pytest.approx(287, rel=0.2)


@pytest.mark.slow
def test_a_network_answers_as_the_equations_say_to_within_a_third() -> None:
    works = gw.load_sample().sel(well=["works"])
    fits = fit_models(works, models=["mlp"], members=5, blocks=2)
    table = step_responses(fits)[1].set_index("covariate")
    assert table.loc["pumping", "response"] == pytest.approx(-0.0012, rel=0.34)
    assert table.loc["rain", "response"] == pytest.approx(0.905, rel=0.34)
    assert table.loc["rain", "days_50"] == pytest.approx(91, rel=0.34)
    found = contributions(fits)
    whole = found["base"] + found["contribution"].sum("covariate")
    assert float(abs(whole - found["level"]).max()) < 1e-6


def test_groups_are_checked(observations: xr.Dataset) -> None:
    fits = fit_models(observations, models=["linear"], blocks=2)
    joined = contributions(fits, groups={"all": ["rain", "pumping"]})
    assert joined["covariate"].values.tolist() == ["all"]
    alone = contributions(fits, groups={"wells": "pumping", "rest": ["rain"]})
    assert alone["covariate"].values.tolist() == ["wells", "rest"]
    with pytest.raises(TypeError, match="Groups are a dictionary"):
        contributions(fits, groups=["rain"])
    with pytest.raises(ValueError, match="Groups are of the covariates rain, pumping"):
        contributions(fits, groups={"x": ["snow"]})
    with pytest.raises(ValueError, match="at most 6 groups"):
        contributions(fits, groups={str(n): ["rain"] for n in range(7)})
