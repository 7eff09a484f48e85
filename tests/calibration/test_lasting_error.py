"""Errors that last for years are carried on; those that pass are not."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast.calibration.lasting_error as module
from gwforecast.calibration.lasting_error import lasting_error

TIMES = pd.date_range("1990-01-01", "2019-12-31", freq="7D")
KNOWN = TIMES < "2010-01-01"


def both(errors: np.ndarray, known: np.ndarray = KNOWN) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected error and the relative deviation from it, (well, time)."""
    rows = np.atleast_2d(errors)
    wells = {"well": [f"w{n}" for n in range(len(rows))], "time": TIMES}
    found = lasting_error(xr.DataArray(np.where(known, rows, np.nan), wells, ("well", "time")))
    return found["expected"].values, found["deviation"].values


def carried(errors: np.ndarray, known: np.ndarray = KNOWN) -> np.ndarray:
    return both(errors, known)[0]


def ornstein_uhlenbeck(years: float, wells: int, *, seed: int) -> np.ndarray:
    """Return processes of unit variance with this time of correlation, shape (well, time)."""
    random = np.random.default_rng(seed)
    keep = np.exp(-7 / 365.25 / years)
    found = random.normal(size=(wells, TIMES.size))
    for step in range(1, TIMES.size):
        found[:, step] = keep * found[:, step - 1] + np.sqrt(1 - keep**2) * found[:, step]
    return found


@pytest.mark.parametrize(("memory", "most"), [(0.02, 1.03), (0.3, 1.03), (10.0, 0.75), (30.0, 0.6)])
def test_squared_errors_become_smaller_where_they_last_and_hardly_larger_where_they_pass(
    memory: float, most: float
) -> None:
    errors = ornstein_uhlenbeck(memory, 60, seed=3)
    errors -= 0.5 * errors[:, KNOWN].mean(axis=1, keepdims=True)  # a fit takes a part away
    ahead = (TIMES >= "2010-01-01") & (TIMES < "2014-01-01")
    left = errors - carried(errors)
    assert np.mean(left[:, ahead] ** 2) < most * np.mean(errors[:, ahead] ** 2)


def test_the_future_changes_nothing_and_known_rows_are_not_moved() -> None:
    errors = ornstein_uhlenbeck(10.0, 3, seed=4)
    first = carried(errors)
    assert (first[:, KNOWN] == 0).all()
    assert (first[:, ~KNOWN] != 0).any()
    errors[:, ~KNOWN] = 1e6
    np.testing.assert_array_equal(carried(errors), first)


def test_units_sign_and_other_wells_do_not_matter() -> None:
    errors = ornstein_uhlenbeck(10.0, 3, seed=5)
    np.testing.assert_allclose(carried(-100 * errors), -100 * carried(errors))
    np.testing.assert_array_equal(carried(errors)[1], carried(errors[1])[0])


def test_the_expected_error_fades() -> None:
    errors = np.where(TIMES < "2000-01-01", -1.0, 1.0) + 0.1 * ornstein_uhlenbeck(0.1, 1, seed=6)
    later = carried(errors)[0, ~KNOWN]
    assert 0.6 < later[0] < 1.2
    assert (np.diff(later) <= 1e-9).all()
    assert later[-1] < 0.8 * later[0]


@pytest.mark.parametrize("known", [np.zeros(TIMES.size, bool), TIMES < "1990-09-01"])
def test_nothing_is_carried_on_from_less_than_a_year(known: np.ndarray) -> None:
    assert (carried(np.ones(TIMES.size), known) == 0).all()


def test_perfect_simulations_have_no_error() -> None:
    assert (carried(np.zeros(TIMES.size)) == 0).all()
    assert (both(np.zeros(TIMES.size))[1] == 1).all()


@pytest.mark.parametrize(
    ("memory", "most"), [(0.02, 1.05), (0.3, 1.05), (2.0, 1.15), (10.0, 1.4), (30.0, 1.5)]
)
def test_errors_are_about_as_large_as_said(memory: float, most: float) -> None:
    errors = ornstein_uhlenbeck(memory, 50, seed=7)
    known = np.sqrt(np.square(errors[:, KNOWN]).mean(axis=1, keepdims=True))
    expected, size = both(errors)
    scaled = (errors - expected) / (size * known)
    for first, last in (("2010", "2011"), ("2012", "2015"), ("2016", "2020")):
        rows = (first <= TIMES) & (last > TIMES)
        assert 0.75 < np.sqrt(np.square(scaled[:, rows]).mean()) < most


def test_errors_that_last_are_small_first_and_grow() -> None:
    lasting, passing = (
        both(ornstein_uhlenbeck(years, 40, seed=8))[1].mean(axis=0) for years in (10.0, 0.02)
    )
    assert (lasting[KNOWN] == 1).all()
    later = lasting[~KNOWN]
    assert later[0] < 0.4
    assert later[-1] > 2 * later[0]
    assert (np.diff(later) >= -1e-9).all()
    assert np.abs(passing - 1).max() < 0.1


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_wells_divided_among_processes_have_the_same_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors = ornstein_uhlenbeck(10.0, 7, seed=9)
    alone = both(errors)
    monkeypatch.setattr(module, "count_processes", lambda *_, **__: 3)
    for divided, expected in zip(both(errors), alone, strict=True):
        assert divided.tobytes() == expected.tobytes()
