"""The error model: a Kalman filter against closed forms and a dense brute force, and its choice."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast.models import correction
from gwforecast.models.correction import ErrorModel


def series(values: np.ndarray, freq: str = "D") -> xr.DataArray:
    values = np.atleast_2d(values)
    time = pd.date_range("2000-01-03", periods=values.shape[1], freq=freq)
    wells = [f"w{i}" for i in range(values.shape[0])]
    return xr.DataArray(values, {"well": wells, "time": time}, ("well", "time"), name="level")


def model(**settings: float) -> ErrorModel:
    names = ("slow", "fast", "share", "noise", "doubt", "doubt_years")
    fixed = dict(zip(names, correction.DEFAULT, strict=True)) | settings
    made = ErrorModel()
    made.wells_ = ["w0"]
    made.settings_ = np.array([list(fixed.values())])
    return made


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
    states = made.filter(series(errors))
    assert states.shape == (1, 60, 5)
    np.testing.assert_allclose(
        states[0, :, :2], dense_states(errors, made.settings_[0], 365.25), atol=1e-9
    )


def test_members_are_filtered_each_for_itself() -> None:
    rng = np.random.default_rng(1)
    errors = rng.normal(size=(1, 50, 3))
    errors[0, 10:20] = np.nan
    time = pd.date_range("2000-01-03", periods=50)
    stacked = xr.DataArray(errors, {"well": ["w0"], "time": time}, ("well", "time", "member"))
    states = model().filter(stacked)
    for member in range(3):
        alone = model().filter(series(errors[:, :, member]))
        np.testing.assert_array_equal(states[:, :, member], alone)


def test_errors_after_a_step_change_nothing_at_it() -> None:
    rng = np.random.default_rng(2)
    errors = rng.normal(size=200)
    expected = model().filter(series(errors))[:, :120]
    for later in (np.nan, 1e6):
        changed = errors.copy()
        changed[120:] = later
        assert model().filter(series(changed))[:, :120].tobytes() == expected.tobytes()


@pytest.mark.parametrize("cut", [0, 40, 99])
def test_a_filter_goes_on_from_what_was_known(cut: int) -> None:
    rng = np.random.default_rng(9)
    errors = series(rng.normal(size=(2, 100)))
    made = ErrorModel()
    made.wells_, made.settings_ = ["w0", "w1"], np.array([correction.DEFAULT] * 2)
    whole = made.filter(errors)
    since = np.repeat(errors["time"].values[cut], 2)
    # what came before must not matter any more
    later = errors.where(errors["time"] > since[0], 1e6)
    resumed = made.filter(later, since=since, start=whole[:, cut])
    np.testing.assert_allclose(resumed[:, cut:], whole[:, cut:], rtol=1e-12)
    assert (resumed[:, :cut, :2] == 0).all()


def test_a_correction_fades_towards_the_simulation() -> None:
    made = model(slow=0.5, fast=0.05)
    forecast = np.zeros((1, 1, 3650))
    ahead = made.correct(
        forecast, states=np.array([[[1.0, 2.0]]]), simulated=np.zeros((1, 1)), wells=["w0"],
        frequency="D",
    )  # fmt: skip
    assert (np.diff(ahead[0, 0]) < 0).all()
    years = np.arange(1, 3651) / 365.25
    expected = np.exp(-years / 0.5) + 2 * np.exp(-years / 0.05)
    np.testing.assert_allclose(ahead[0, 0], expected)
    assert ahead[0, 0, -1] < 1e-6


def test_full_doubt_without_fading_is_persistence() -> None:
    made = model(doubt=1.0, doubt_years=1e9, slow=1e9)
    rng = np.random.default_rng(3)
    forecast, at_issue = rng.normal(size=(1, 1, 30)), rng.normal(size=(1, 1))
    ahead = made.correct(
        forecast, states=np.array([[[0.7, 0.0]]]), simulated=at_issue, wells=["w0"], frequency="D"
    )
    np.testing.assert_allclose(ahead[0, 0], np.full(30, at_issue[0, 0] + 0.7), atol=1e-6)


def test_a_useless_simulation_is_doubted_and_a_perfect_one_is_not() -> None:
    rng = np.random.default_rng(4)
    level = rng.normal(size=900).cumsum() * 0.02
    noise = rng.normal(size=900)
    perfect, useless = (
        ErrorModel().fit(series(sim), series(level), horizon=30).settings_[0]
        for sim in (level + 1.0, noise)
    )
    assert perfect[4] == 0.0
    assert useless[4] == max(correction.DOUBTS)


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
        chosen[name] = made.settings_[0][0]
    assert chosen["fast"] < chosen["slow"]


@pytest.mark.parametrize("known", [0, 5])
def test_too_few_levels_give_the_default(known: int) -> None:
    level = np.full(400, np.nan)
    level[:known] = 1.0
    made = ErrorModel().fit(series(np.zeros(400)), series(level), horizon=30)
    assert tuple(made.settings_[0]) == correction.DEFAULT


def test_a_constant_level_gives_the_default() -> None:
    made = ErrorModel().fit(series(np.zeros(400)), series(np.ones(400)), horizon=30)
    assert tuple(made.settings_[0]) == correction.DEFAULT


def test_wells_are_chosen_each_for_itself_and_kept_as_arrays() -> None:
    rng = np.random.default_rng(6)
    level = rng.normal(size=(2, 300)).cumsum(axis=1)
    simulated = rng.normal(size=(2, 300))
    both = ErrorModel().fit(series(simulated, "W-MON"), series(level, "W-MON"), horizon=13)
    one = series(simulated, "W-MON")[[1]], series(level, "W-MON")[[1]]
    alone = ErrorModel().fit(*one, horizon=13)
    np.testing.assert_array_equal(both.settings_[1], alone.settings_[0])
    again = ErrorModel.from_arrays(both.to_arrays())
    assert again.wells_ == both.wells_
    np.testing.assert_array_equal(again.settings_, both.settings_)
