"""The error model: a Kalman filter against closed forms and a dense brute force, and its choice."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.calibration import correction
from gwforecast.calibration.correction import ErrorModel


def series(values: np.ndarray, freq: str = "D") -> xr.DataArray:
    values = np.atleast_2d(values)
    time = pd.date_range("2000-01-03", periods=values.shape[1], freq=freq)
    wells = [f"w{i}" for i in range(values.shape[0])]
    return xr.DataArray(values, {"well": wells, "time": time}, ("well", "time"), name="level")


NAMES = ("slow", "fast", "share", "noise", "slope", "slope_years")


def model(
    *, wells: int = 1, level_weight: tuple[float, float] = (0.0, 0.1), **fading: float
) -> ErrorModel:
    numbers = list((dict(zip(NAMES, correction.DEFAULT, strict=True)) | fading).values())
    made = ErrorModel()
    made.wells_ = [f"w{number}" for number in range(wells)]
    made.error_ = made.level_ = np.tile(numbers, (wells, 1))
    made.level_weight_, made.center_ = np.tile(level_weight, (wells, 1)), np.zeros(wells)
    return made


def known(slow: float = 0.0, fast: float = 0.0, slope: float = 0.0) -> np.ndarray:
    """Return what is known of the error at one issue time, shape (1, 1, 24)."""
    states = np.zeros((1, 1, 24))
    states[..., :3] = slow, fast, slope
    return states


def states_of(made: ErrorModel, errors: xr.DataArray) -> np.ndarray:
    """Filter errors of a simulation of zero; the level's own states are those of the errors."""
    return made.filter(xr.zeros_like(errors), errors)


def dense_states(errors: np.ndarray, settings: np.ndarray, year: float) -> np.ndarray:
    """Condition the joint normal distribution of both parts on the errors so far, step by step."""
    slow, fast, share, noise = settings[:4]
    steps = np.arange(errors.size)
    apart = np.abs(steps[:, None] - steps)
    covariances = []
    for years, change in ((slow, 1 - share), (fast, share)):
        decay = np.exp(-1 / (years * year))
        covariances.append(change / (1 - decay**2) * decay**apart)
    result = np.zeros((errors.size, 2))
    for step in steps:
        seen = np.flatnonzero(np.isfinite(errors[: step + 1]))
        if seen.size:
            total = sum(c[np.ix_(seen, seen)] for c in covariances) + noise * np.eye(seen.size)
            weights = np.linalg.solve(total, errors[seen])
            result[step] = [c[step, seen] @ weights for c in covariances]
    return result


@pytest.mark.parametrize("gaps", [False, True])
def test_the_filter_is_the_conditional_mean(gaps: bool) -> None:
    rng = np.random.default_rng(0)
    errors = rng.normal(size=60).cumsum() / 5
    if gaps:
        errors[rng.random(60) < 0.5] = np.nan
    made = model(slow=0.3, fast=0.02, share=0.4, noise=0.2)
    states = states_of(made, series(errors))
    assert states.shape == (1, 60, 24)
    np.testing.assert_allclose(
        states[0, :, :2], dense_states(errors, made.error_[0], 365.25), atol=1e-9
    )


def test_members_are_filtered_each_for_itself() -> None:
    rng = np.random.default_rng(1)
    level = series(rng.normal(size=50)).where(rng.random(50) > 0.3)
    simulated = level.copy(data=rng.normal(size=(1, 50))).expand_dims(member=3, axis=-1)
    simulated = simulated + xr.DataArray([0.0, 1.0, 5.0], dims="member")
    states = model().filter(simulated, level)
    for member in range(3):
        alone = model().filter(simulated.isel(member=member), level)
        np.testing.assert_array_equal(states[:, :, member], alone)


def test_errors_after_a_step_change_nothing_at_it() -> None:
    rng = np.random.default_rng(2)
    errors = rng.normal(size=200)
    expected = states_of(model(), series(errors))[:, :120]
    for later in (np.nan, 1e6):
        changed = errors.copy()
        changed[120:] = later
        assert states_of(model(), series(changed))[:, :120].tobytes() == expected.tobytes()


@pytest.mark.parametrize("cut", [0, 40, 99])
def test_a_filter_goes_on_from_what_was_known(cut: int) -> None:
    rng = np.random.default_rng(9)
    errors = series(rng.normal(size=(2, 100)))
    made = model(wells=2)
    whole = states_of(made, errors)
    since = np.repeat(errors["time"].values[cut], 2)
    # what came before must not matter any more
    later = errors.where(errors["time"] > since[0], 1e6)
    resumed = made.filter(xr.zeros_like(later), later, since=since, start=whole[:, cut])
    np.testing.assert_allclose(resumed[:, cut:], whole[:, cut:], rtol=1e-12)
    assert (resumed[:, :cut, :3] == 0).all()


def ahead_of(made: ErrorModel, forecast: np.ndarray, states: np.ndarray) -> np.ndarray:
    parts = made.forecasts(forecast, states=states, wells=["w0"], frequency="D")
    return made.average(*parts, wells=["w0"], frequency="D")[0, 0]


def test_a_correction_fades_towards_the_simulation() -> None:
    ahead = ahead_of(model(slow=0.5, fast=0.05), np.zeros((1, 1, 3650)), known(1.0, 2.0))
    assert (np.diff(ahead) < 0).all()
    years = np.arange(1, 3651) / 365.25
    np.testing.assert_allclose(ahead, np.exp(-years / 0.5) + 2 * np.exp(-years / 0.05))
    assert ahead[-1] < 1e-6


def test_full_level_weight_is_the_forecast_of_the_level_alone() -> None:
    made = model(level_weight=(1.0, 1e9), slow=1e9)
    made.center_[:] = 20.0
    states = known(0.3)
    states[..., 12] = 0.7
    simulated = np.random.default_rng(3).normal(size=(1, 1, 30))
    np.testing.assert_allclose(ahead_of(made, simulated, states), np.full(30, 20.7), atol=1e-6)


def test_a_useless_simulation_is_ignored_and_a_perfect_one_is_not() -> None:
    rng = np.random.default_rng(4)
    level = rng.normal(size=900).cumsum() * 0.02
    noise = rng.normal(size=900)
    perfect, useless = (
        ErrorModel().fit(series(sim), series(level), horizon=30).level_weight_[0, 0]
        for sim in (level + 1.0, noise)
    )
    assert perfect == 0.0
    assert useless > 0.0


def test_levels_alone_get_the_weight_that_suits_the_hindcasts_of_their_well() -> None:
    rng = np.random.default_rng(8)
    observed = rng.normal(size=(2, 200, 40))
    noisy = observed + np.array([0.1, 10.0])[:, None, None] * rng.normal(size=observed.shape)
    of_level = observed + rng.normal(size=observed.shape)
    observed[:, 100:] = np.nan  # unknown outcomes do not count
    made = model(wells=3, level_weight=(0.5, 0.1))
    again = made.weigh(noisy, of_level, observed, wells=["w2", "w0"], frequency="D")
    assert again.level_weight_[2, 0] == 0.0
    assert again.level_weight_[0, 0] >= 1.0
    assert again.level_weight_[1].tolist() == [0.5, 0.1]
    assert made.level_weight_[:, 0].tolist() == [0.5] * 3
    none = made.weigh(noisy, of_level, np.full_like(observed, np.nan), wells=["w2", "w0"],
                      frequency="D")  # fmt: skip
    np.testing.assert_array_equal(none.level_weight_, made.level_weight_)


def test_a_well_without_simulation_keeps_its_weight() -> None:
    of_level = np.random.default_rng(3).normal(size=(1, 60, 10))
    made = model(level_weight=(0.5, 0.1))
    again = made.weigh(np.full_like(of_level, np.nan), of_level, of_level + 1.0, wells=["w0"],
                       frequency="D")  # fmt: skip
    assert again.level_weight_.tolist() == [[0.5, 0.1]]


def test_refined_parameters_are_never_worse_and_recover_a_noise_off_the_grid() -> None:
    rng = np.random.default_rng(9)
    level = rng.normal(size=3000).cumsum() * 0.1 + rng.normal(size=3000) * 0.2
    trial = correction._Trial(level, np.zeros(3000), horizon=10, year=365.25)
    found = trial.best_parameters()
    grid = np.array([[4.0, fast, share, noise, 0.0, 0.1]
                     for fast in correction.FAST_YEARS for share in correction.FAST_SHARES
                     for noise in correction.NOISES])  # fmt: skip
    best = trial.losses(np.tile(grid, (2, 1, 1))).min(axis=1)
    assert (trial.losses(found[:, None])[:, 0] < best).all()
    assert 1.0 < found[1, 3] < 20.0  # the variance of the noise is 4 times that of the changes


def test_the_settings_of_a_slow_error_fade_slowly() -> None:
    rng = np.random.default_rng(5)
    wave = np.sin(np.arange(2000) / 58)
    decays = {"fast": np.exp(-1 / 8.0), "slow": np.exp(-1 / 700.0)}
    chosen = {}
    for name, decay in decays.items():
        error = np.zeros(2000)
        for step in range(1, 2000):
            error[step] = decay * error[step - 1] + rng.normal() * 0.1
        made = ErrorModel().fit(series(wave), series(wave + error), horizon=60)
        chosen[name] = made.error_[0, 0]
    assert chosen["fast"] < chosen["slow"]


@pytest.mark.parametrize("known", [0, 5])
def test_too_few_levels_give_the_default(known: int) -> None:
    level = np.full(400, np.nan)
    level[:known] = 1.0
    made = ErrorModel().fit(series(np.zeros(400)), series(level), horizon=30)
    assert tuple(made.error_[0]) == correction.DEFAULT
    assert made.level_weight_[0, 0] == 0


def test_a_constant_level_gives_the_default() -> None:
    made = ErrorModel().fit(series(np.zeros(400)), series(np.ones(400)), horizon=30)
    assert tuple(made.error_[0]) == correction.DEFAULT
    assert made.level_weight_[0, 0] == 0


def test_a_slope_goes_on_and_fades() -> None:
    made = model(slow=1.0, slope=1.0, slope_years=0.1)
    ahead = ahead_of(made, np.zeros((1, 1, 400)), known(slope=1.0))
    value, slope, expected = 0.0, 1.0, []
    for _ in range(400):
        value = np.exp(-1 / 365.25) * value + slope
        slope *= np.exp(-1 / 36.525)
        expected.append(value)
    np.testing.assert_allclose(ahead, expected)


def test_an_error_with_momentum_gets_a_slope() -> None:
    rng = np.random.default_rng(7)
    slope = np.zeros(1500)
    for step in range(1, 1500):
        slope[step] = 0.97 * slope[step - 1] + rng.normal() * 0.01
    error = slope.cumsum()
    made = ErrorModel().fit(series(np.zeros(1500)), series(error), horizon=30)
    assert made.error_[0, 4] > 0


def test_wells_are_chosen_each_for_itself_and_kept_as_arrays() -> None:
    rng = np.random.default_rng(6)
    level = rng.normal(size=(2, 300)).cumsum(axis=1)
    simulated = rng.normal(size=(2, 300))
    both = ErrorModel().fit(series(simulated, "W-MON"), series(level, "W-MON"), horizon=13)
    one = series(simulated, "W-MON")[[1]], series(level, "W-MON")[[1]]
    alone = ErrorModel().fit(*one, horizon=13)
    for name in ("error_", "level_", "level_weight_", "center_"):
        np.testing.assert_array_equal(getattr(both, name)[1], getattr(alone, name)[0])
    again = ErrorModel.from_arrays(both.to_arrays())
    assert again.wells_ == both.wells_
    for name, kept in again.to_arrays().items():
        np.testing.assert_array_equal(kept, both.to_arrays()[name])


def test_weekly_levels_on_a_daily_axis_are_judged_at_the_weeks() -> None:
    """An error that swings within months is told from noise, though no two days have levels."""
    days = 7 * np.arange(200)
    error = np.sin(2 * np.pi * days / 120.0)
    values = np.full(days[-1] + 1, np.nan)
    values[days] = error
    levels = series(values)
    made = ErrorModel().fit(xr.zeros_like(levels), levels, horizon=182)
    states = states_of(made, levels)[:, days]
    parts = made.forecasts(np.zeros((1, days.size, 7)), states=states, wells=["w0"], frequency="D")
    missed = made.average(*parts, wells=["w0"], frequency="D")[0, :-1, 6] - error[1:]
    persisted = error[:-1] - error[1:]
    assert np.square(missed[20:]).mean() < 0.9 * np.square(persisted[20:]).mean()
