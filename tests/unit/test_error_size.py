"""The size of errors by season and level is found, and not made up where years are few."""

import numpy as np
import pytest

from gwforecast.models.error_size import ErrorSize

YEARS = 20
TIMES = np.datetime64("1990-01-01", "us") + np.arange(YEARS * 365) * np.timedelta64(1, "D")
ANGLE = 2 * np.pi * np.arange(TIMES.size) / 365.25
LEVEL = 50 + np.sin(2 * np.pi * np.arange(TIMES.size) / 1100)


def errors(logarithm: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return errors whose size has a logarithm."""
    return np.random.default_rng(seed).normal(size=TIMES.size) * np.exp(logarithm)


def test_finds_season_and_level() -> None:
    score = (LEVEL - LEVEL.mean()) / LEVEL.std()
    true = 0.3 * np.cos(ANGLE) - 0.25 * score
    found = ErrorSize().fit(errors(true), LEVEL, TIMES, years=YEARS).relative(LEVEL, TIMES)
    shift = np.log(found) - true
    assert np.ptp(shift) < 0.3
    assert np.mean(found) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("years", [0.1, 1.0])
def test_few_years_say_little(years: float) -> None:
    true = np.cos(ANGLE)
    few = ErrorSize().fit(errors(true), LEVEL, TIMES, years=years).relative(LEVEL, TIMES)
    many = ErrorSize().fit(errors(true), LEVEL, TIMES, years=YEARS).relative(LEVEL, TIMES)
    assert np.ptp(np.log(few)) < 0.6 * np.ptp(np.log(many))


def test_stays_the_same_beyond_the_levels_that_were_seen() -> None:
    size = ErrorSize().fit(errors(LEVEL - 50), LEVEL, TIMES, years=YEARS)
    beyond = size.relative(np.array([LEVEL.max(), 60.0, LEVEL.min(), -60.0]), TIMES[[0] * 4])
    assert beyond[0] == beyond[1]
    assert beyond[2] == beyond[3]


@pytest.mark.parametrize(
    ("level", "scale"),
    [(np.full(TIMES.size, 3.0), 1.0), (LEVEL, 0.0), (LEVEL, 1e-9), (LEVEL * 1e6, 1e6)],
)
def test_constant_levels_and_perfect_fits_are_no_trouble(level: np.ndarray, scale: float) -> None:
    size = ErrorSize().fit(errors(LEVEL * 0) * scale, level, TIMES, years=YEARS)
    factor = size.relative(level, TIMES)
    assert np.isfinite(factor).all()
    assert (factor > 0).all()


def test_units_and_a_single_wild_error_do_not_matter_much() -> None:
    plain = errors(LEVEL * 0)
    one = ErrorSize().fit(plain, LEVEL, TIMES, years=YEARS)
    feet = ErrorSize().fit(plain / 0.3048, LEVEL / 0.3048, TIMES, years=YEARS)
    np.testing.assert_allclose(one.coefficients_, feet.coefficients_, atol=1e-6)
    wild = plain.copy()
    wild[100] = 1e3
    factor = ErrorSize().fit(wild, LEVEL, TIMES, years=YEARS).relative(LEVEL, TIMES)
    assert np.isfinite(factor).all()


def test_nan_stays_nan() -> None:
    size = ErrorSize().fit(errors(LEVEL * 0), LEVEL, TIMES, years=YEARS)
    assert np.isnan(size.relative(np.array([np.nan, 50.0]), TIMES[:2])).tolist() == [True, False]
