"""Gaps in covariates: refused, or filled by the rules that are named, and by nothing later."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gwforecast.data.assemble import observations_from_frames
from gwforecast.data.covariates import fill_covariates, require_covariates

RNG = np.random.default_rng(0)
DAYS = pd.date_range("2020-01-01", periods=60)
VALUES = np.round(10 + np.cumsum(RNG.normal(size=60)) * 0.05, 3)


def weather(index: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    rng = np.random.default_rng(len(index))
    rain, temperature = rng.gamma(1, 3, len(index)), rng.normal(8, 4, len(index))
    return pd.DataFrame({"rr": np.round(rain, 1), "tg": np.round(temperature, 1)}, index)


def holed(start: int = 20, stop: int = 23) -> xr.Dataset:
    made = observations_from_frames(pd.Series(VALUES, DAYS), weather())
    for name in ("rr", "tg"):
        made[name][0, start:stop] = np.nan
    return made


def test_filling_by_kind_is_flagged_and_never_sets_rain_to_zero() -> None:
    made = holed()
    filled = fill_covariates(made, rules="by_kind")
    require_covariates(filled)
    assert (filled["rr"].values[0, 20:23] > 0).all()
    line = np.interp([20, 21, 22], [19, 23], made["tg"].values[0, [19, 23]])
    np.testing.assert_allclose(filled["tg"].values[0, 20:23], line)
    assert filled["rr_flag"].values[0].nonzero()[0].tolist() == [20, 21, 22]
    assert made["rr"].isnull().sum() == 3


@given(st.integers(1, 50), st.integers(1, 8), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_causal_rules_use_nothing_after_the_gap(start: int, length: int, seed: int) -> None:
    made = holed(start, start + length)
    changed = made.copy(deep=True)
    changed["rr"][0, start + length :] = np.random.default_rng(seed).normal(
        size=60 - start - length
    )
    for rule in ("climatology", "forward"):
        one, two = (fill_covariates(d, rules={"rr": rule})["rr"] for d in (made, changed))
        np.testing.assert_array_equal(one[0, : start + length], two[0, : start + length])


def test_interpolation_does_not_cross_a_boundary() -> None:
    made = holed()
    changed = made.copy(deep=True)
    changed["tg"][0, 23:] = 1e6
    cut = [DAYS[22]]
    one, two = (
        fill_covariates(d, rules={"tg": "interpolate"}, boundaries=cut)["tg"]
        for d in (made, changed)
    )
    np.testing.assert_array_equal(one[0, :23], two[0, :23])


def test_values_may_be_missing_at_the_start_and_the_end() -> None:
    made = holed(0, 19)
    made["tg"][0, 50:] = np.nan
    assert require_covariates(made) is made
    xr.testing.assert_identical(fill_covariates(made, rules="by_kind"), made)


def test_a_covariate_without_any_value_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'tg' of well 'well' is missing at 60 of 60"):
        require_covariates(holed().assign(tg=holed()["tg"] * np.nan), names=["tg"])


def test_long_gaps_are_not_interpolated() -> None:
    made = holed(20, 28)
    by_line, by_days = (
        fill_covariates(made, rules={"tg": rule})["tg"].values
        for rule in ("interpolate", "climatology")
    )
    np.testing.assert_array_equal(by_line, by_days)


def test_climatology_is_the_mean_of_the_same_days_before() -> None:
    times = pd.date_range("2018-01-01", periods=900)
    year = np.sin(2 * np.pi * times.day_of_year / 366)
    frame = pd.DataFrame({"tg": 10 * year}, times)
    made = observations_from_frames(pd.Series(np.zeros(900), times), frame)
    gap = slice(500, 520)
    made["tg"][0, gap] = np.nan
    filled = fill_covariates(made, rules={"temperature": "climatology"})["tg"].values[0]
    first = times.day_of_year[500]
    apart = np.abs(times.day_of_year[:500] - first)
    near = np.minimum(apart, 366 - apart) <= 15
    np.testing.assert_allclose(filled[500], frame["tg"].to_numpy()[:500][near].mean())
    np.testing.assert_allclose(filled[gap], frame["tg"].to_numpy()[gap], atol=1.5)


def test_zero_fills_only_the_named_covariate() -> None:
    made = holed().rename(rr="rain").assign(rr=holed()["rr"])
    filled = fill_covariates(made, rules={"rain": "zero"})
    assert (filled["rain"].values[0, 20:23] == 0).all()
    assert filled["rr"].isnull().sum() == 3


def test_a_covariate_without_a_rule_is_left_unchanged() -> None:
    made = holed()
    filled = fill_covariates(made, rules={"tg": "forward"}, boundaries=DAYS[:2])
    np.testing.assert_array_equal(filled["tg"].values[0, 20:23], made["tg"].values[0, 19])
    xr.testing.assert_identical(filled["rr"], made["rr"])
    assert "rr_flag" not in filled
    assert filled["tg_flag"].dtype == np.int8
