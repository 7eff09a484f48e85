"""The size of errors by season and level is found, and not made up where years are few."""

import numpy as np
import pytest

from gwforecast.calibration.errors import ErrorSize

YEARS = np.array([20.0])
TIMES = np.datetime64("1990-01-01", "us") + np.arange(20 * 365) * np.timedelta64(1, "D")
ANGLE = 2 * np.pi * np.arange(TIMES.size) / 365.25
LEVEL = 50 + np.sin(2 * np.pi * np.arange(TIMES.size) / 1100)[None]


def errors(logarithm: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return errors whose size has a logarithm, (1, row)."""
    return np.random.default_rng(seed).normal(size=(1, TIMES.size)) * np.exp(logarithm)


def test_finds_season_and_level() -> None:
    score = (LEVEL - LEVEL.mean()) / LEVEL.std()
    true = 0.3 * np.cos(ANGLE) - 0.25 * score
    found = ErrorSize().fit(errors(true), LEVEL, TIMES, years=YEARS).relative(LEVEL, TIMES)
    assert np.ptp(np.log(found) - true) < 0.3
    assert np.mean(found) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("years", [0.1, 1.0])
def test_few_years_say_little(years: float) -> None:
    made = errors(np.cos(ANGLE))
    few, many = (
        np.ptp(np.log(ErrorSize().fit(made, LEVEL, TIMES, years=y).relative(LEVEL, TIMES)))
        for y in (np.array([years]), YEARS)
    )
    assert few < 0.6 * many


def test_stays_the_same_at_levels_far_out() -> None:
    size = ErrorSize().fit(errors(LEVEL - 50), LEVEL, TIMES, years=YEARS)
    levels = np.array([[60.0, 1e6, -60.0, -1e6]])
    highest, above, lowest, below = size.relative(levels, TIMES[[0] * 4])[0]
    assert highest == above
    assert lowest == below
    assert highest > 1.3 * lowest


def test_a_single_wild_level_makes_no_wild_size() -> None:
    level = LEVEL.copy()
    level[0, 100] += 500
    made = errors(LEVEL * 0)
    made[0, 100] = 500
    relative = ErrorSize().fit(made, level, TIMES, years=YEARS).relative(level, TIMES)
    assert relative.max() < 5
    assert 0.5 < np.median(relative) < 2


@pytest.mark.parametrize(
    ("level", "scale"),
    [(np.full(LEVEL.shape, 3.0), 1.0), (LEVEL, 0.0), (LEVEL, 1e-9), (LEVEL * 1e6, 1e6)],
)
def test_constant_levels_and_perfect_fits_are_no_trouble(level: np.ndarray, scale: float) -> None:
    size = ErrorSize().fit(errors(LEVEL * 0) * scale, level, TIMES, years=YEARS)
    relative = size.relative(level, TIMES)
    assert np.isfinite(relative).all()
    assert (relative > 0).all()


def test_units_do_not_matter_and_a_single_wild_error_not_much() -> None:
    plain = errors(LEVEL * 0)
    one = ErrorSize().fit(plain, LEVEL, TIMES, years=YEARS)
    feet = ErrorSize().fit(plain / 0.3048, LEVEL / 0.3048, TIMES, years=YEARS)
    np.testing.assert_allclose(one.coefficients_, feet.coefficients_, atol=1e-6)
    wild = plain.copy()
    wild[0, 100] = 100
    relative = ErrorSize().fit(wild, LEVEL, TIMES, years=YEARS).relative(LEVEL, TIMES)
    np.testing.assert_allclose(relative, one.relative(LEVEL, TIMES), rtol=0.15)


def test_wells_do_not_know_of_each_other_and_one_without_errors_is_constant() -> None:
    made = np.concatenate([errors(np.cos(ANGLE)), LEVEL * np.nan, errors(LEVEL - 50, seed=1)])
    level = np.concatenate([LEVEL, LEVEL * np.nan, LEVEL + 3])
    years = np.array([20.0, 0.0, 10.0])
    together = ErrorSize().fit(made, level, TIMES, years=years)
    for well in (0, 2):
        part = slice(well, well + 1)
        alone = ErrorSize().fit(made[part], level[part], TIMES, years=years[part])
        np.testing.assert_array_equal(alone.coefficients_, together.coefficients_[part])
        np.testing.assert_array_equal(alone.levels_, together.levels_[part])
    assert (together.relative(level[[0, 0, 0]], TIMES)[1] == 1).all()
    some = together.of_wells([2, -1])
    np.testing.assert_array_equal(
        some.relative(level[[2, 2]], TIMES)[0], together.relative(level, TIMES)[2]
    )
    assert (some.relative(level[[2, 2]], TIMES)[1] == 1).all()


def test_nan_stays_nan() -> None:
    size = ErrorSize().fit(errors(LEVEL * 0), LEVEL, TIMES, years=YEARS)
    assert np.isnan(size.relative(np.array([[np.nan, 50.0]]), TIMES[:2])).tolist() == [
        [True, False]
    ]
