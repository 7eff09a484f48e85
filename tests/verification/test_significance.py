"""Tests of differences: closed forms, the size under the null, gaps, and the bootstrap."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.verification.lead_scoring import lead_scores
from gwforecast.verification.significance import (
    block_weights,
    compare,
    issue_steps,
    skill_range,
    steps_to_valid,
)

ISSUES, LEADS = 120, 4


def moving_sums(rng: np.random.Generator, *, series: int, n: int, span: int) -> np.ndarray:
    """Return sums of ``span`` independent numbers: what errors of forecasts of that lead are."""
    steps = rng.normal(size=(series, n + span))
    return np.stack([steps[:, k : k + n] for k in range(span)]).sum(axis=0)


def test_samples_have_the_length_and_mean_of_the_record() -> None:
    weights = block_weights(50, block=5, draws=4000, seed=0)
    assert (weights.sum(axis=1) == 50).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.08)
    assert (weights == block_weights(50, block=5, draws=4000, seed=0)).all()


@pytest.mark.parametrize("block", [1, 4, 10])
def test_variance_of_the_bootstrap_is_that_of_politis_and_romano(block: int) -> None:
    x = moving_sums(np.random.default_rng(7), series=1, n=60, span=3)[0]
    n, e, p = x.size, x - x.mean(), 1 / block
    circular = [np.mean(e * np.roll(e, -k)) for k in range(n)]
    share = [(1 - k / n) * (1 - p) ** k + k / n * (1 - p) ** (n - k) for k in range(n)]
    exact = (circular[0] + sum(b * c for b, c in zip(share[1:], circular[1:], strict=True))) / n
    means = block_weights(n, block=block, draws=40000, seed=1) @ x / n
    assert means.var() == pytest.approx(exact, rel=0.05)


def lasting_errors(
    rng: np.random.Generator, *, kind: str, series: int, n: int, span: int
) -> np.ndarray:
    """Return errors of variance 1: moving sums over a span, or with a memory of that span."""
    if kind == "moving sums":
        return moving_sums(rng, series=series, n=n, span=span) / np.sqrt(span)
    share = np.exp(-1 / span)
    steps = rng.normal(size=(n, series)) * np.sqrt(1 - share**2)
    steps[0] = rng.normal(size=series)
    for step in range(1, n):
        steps[step] += share * steps[step - 1]
    return steps.T


@pytest.mark.parametrize("kind", ["moving sums", "memory"])
@pytest.mark.parametrize(("n", "span"), [(150, 1), (150, 4), (150, 13), (300, 26)])
def test_bounds_of_the_skill_cover_it(kind: str, n: int, span: int) -> None:
    rng = np.random.default_rng(8)
    errors = (lasting_errors(rng, kind=kind, series=1500, n=n, span=span) for _ in range(2))
    ours, theirs = errors
    theirs = 0.5 * ours + np.sqrt(0.75) * theirs
    for loss, skill in ((np.square, 0.36), (np.abs, 0.2)):
        lower, upper, p_value = skill_range(loss(0.8 * ours), loss(theirs), span=span)
        bounded = np.isfinite(lower)
        assert bounded.mean() > 0.85
        assert np.mean((lower <= skill) & (upper >= skill), where=bounded) > 0.92
        excluded = (lower > 0) | (upper < 0)
        np.testing.assert_array_equal(excluded[bounded], (p_value < 0.05)[bounded])
    _, _, p_value = skill_range(np.square(ours), np.square(theirs), span=span)
    assert 0.03 < np.mean(p_value < 0.05) < 0.08
    alone = skill_range(loss(0.8 * ours[0]), loss(theirs[0]), span=span)
    np.testing.assert_allclose(alone[:2], (lower[0], upper[0]))


def test_bounds_of_the_skill_are_those_of_ratios_that_are_not_rejected() -> None:
    rng = np.random.default_rng(10)
    ours, theirs = rng.exponential(0.8, 120), rng.exponential(1.0, 120)
    lower, upper, _ = skill_range(ours, theirs, span=3)
    for bound in (lower, upper):
        assert skill_range(ours, (1 - bound) * theirs, span=3)[2] == pytest.approx(0.05)


def test_bounds_of_known_skills() -> None:
    theirs = np.random.default_rng(9).exponential(size=40)
    assert skill_range(0.7 * theirs, theirs, span=3)[:2] == pytest.approx((0.3, 0.3))
    assert np.isnan(skill_range(theirs, 0 * theirs, span=3)[:2]).all()
    assert np.isnan(skill_range(theirs[:9], theirs[:9], span=3)).all()
    holed = np.where(np.arange(40) % 4, theirs, np.nan)
    assert skill_range(holed, 2 * theirs, span=3)[:2] == pytest.approx((0.5, 0.5))
    framed = np.concatenate([np.full(30, np.nan), theirs, np.full(9, np.nan)])
    np.testing.assert_allclose(
        skill_range(framed**2, framed, span=2), skill_range(theirs**2, theirs, span=2)
    )
    with pytest.raises(ValueError, match="span=0"):
        skill_range(theirs, theirs, span=0)


def make(seed: int = 0) -> tuple[xr.Dataset, xr.Dataset]:
    """Return hindcasts of three models, the second of which has errors twice as large."""
    rng = np.random.default_rng(seed)
    level = 5 + rng.normal(size=(2, ISSUES + LEADS)).cumsum(axis=1)
    time = np.datetime64("2020-01-06", "us") + np.arange(ISSUES + LEADS) * np.timedelta64(7, "D")
    observations = xr.Dataset({"level": (("well", "time"), level)},
                              {"well": ["a", "b"], "time": time})  # fmt: skip
    truth = np.stack([level[:, k : k + ISSUES] for k in range(1, LEADS + 1)], axis=-1)
    error = rng.normal(size=(3, *truth.shape)) * np.array([1.0, 2.0, 1.0])[:, None, None, None]
    frame = schema.label_forecast(
        truth, wells=["a", "b"], issue_times=time[:ISSUES], frequency="W-MON"
    ).drop_vars("level")
    dims = ("model", "well", "issue_time", "lead_time", "quantile")
    spread = np.array([-2.0, -1.3, -0.7, 0.0, 0.7, 1.3, 2.0])
    values = (truth + error)[..., None] + spread
    coords = {"model": ["good", "bad", "same"],
              "quantile": [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]}  # fmt: skip
    return frame.assign_coords(coords).assign(level=(dims, values)), observations


@pytest.mark.parametrize(
    ("loss", "metric", "power"),
    [("crps", "crps", 1), ("absolute", "mae", 1), ("squared", "rmse", 2)],
)
def test_a_comparison_is_that_of_the_scores(loss: str, metric: str, power: int) -> None:
    hindcasts, observations = make()
    table = compare(hindcasts, observations, model="good", baseline="bad", loss=loss)
    assert table[["well", "lead"]].drop_duplicates().shape[0] == len(table) == 2 * LEADS
    scores = lead_scores(hindcasts, observations, baselines=())
    means = scores[scores["metric"] == metric].pivot_table(
        "value", index=["lead", "well"], columns="model"
    )
    good, bad = means["good"].to_numpy() ** power, means["bad"].to_numpy() ** power
    found = table.sort_values(["lead", "well"])
    np.testing.assert_allclose(found["difference"], good - bad)
    np.testing.assert_allclose(found["ratio"], good / bad)
    np.testing.assert_allclose(found["skill"], 1 - good / bad)
    assert (found["n"] == ISSUES).all()
    assert (found["p_value"] < 0.01).all()
    assert (found["lower"] > 0).all()
    assert ((found["lower"] < found["skill"]) & (found["skill"] < found["upper"])).all()


def test_a_model_does_not_differ_from_itself() -> None:
    hindcasts, observations = make()
    twin = hindcasts.isel(model=[0, 0]).assign_coords(model=["good", "twin"])
    table = compare(twin, observations, model="good", baseline="twin")
    assert (table["difference"] == 0).all()
    assert (table[["skill", "lower", "upper"]] == 0).all(axis=None)
    assert table["p_value"].isna().all()


def test_exchanged_models_have_the_same_p_value() -> None:
    hindcasts, observations = make()
    there = compare(hindcasts, observations, model="good", baseline="same")
    back = compare(hindcasts.isel(model=[2, 1, 0]), observations, model="same", baseline="good")
    np.testing.assert_allclose(there["p_value"], back["p_value"])
    np.testing.assert_allclose(there["difference"], -back["difference"])
    assert there["p_value"].median() > 0.1


def test_a_comparison_is_free_of_the_datum_and_of_the_unit() -> None:
    hindcasts, observations = make()
    table = compare(hindcasts, observations, model="good", baseline="bad")
    moved = compare(10 * hindcasts + 50, 10 * observations + 50, model="good", baseline="bad")
    columns = ["skill", "lower", "upper", "p_value", "n"]
    pd.testing.assert_frame_equal(table[columns], moved[columns])


def test_rows_of_one_model_alone_have_no_part() -> None:
    hindcasts, observations = make()
    holed = hindcasts["level"].copy(deep=True)
    holed[0, 0, 10:20] = np.nan
    holed[1, 1] = np.nan
    table = compare(hindcasts.assign(level=holed), observations, model="good", baseline="bad")
    assert set(table["well"]) == {"a"}  # the baseline has nothing at b
    assert (table["n"] == ISSUES - 10).all()
    spoilt = holed.copy(deep=True)
    spoilt[1, 0, 10:20] = 1e6
    spoilt[2] = 1e6
    again = compare(hindcasts.assign(level=spoilt), observations, model="good", baseline="bad")
    pd.testing.assert_frame_equal(table, again)


def test_issue_times_that_are_left_out_are_gaps() -> None:
    hindcasts, observations = make()
    kept = np.r_[0:30, 45:ISSUES]
    cut = compare(hindcasts.isel(issue_time=kept), observations, model="good", baseline="bad")
    level = hindcasts["level"].copy(deep=True)
    level[:, :, 30:45] = np.nan
    holed = compare(hindcasts.assign(level=level), observations, model="good", baseline="bad")
    pd.testing.assert_frame_equal(cut, holed)


@pytest.mark.parametrize(
    ("frequency", "stride", "expected"),
    [("D", 1, [1, 2, 3, 4]), ("D", 3, [1, 1, 1, 2]), ("W-MON", 2, [1, 1, 2, 2]),
     ("MS", 1, [1, 2, 3, 4]), ("MS", 3, [1, 1, 1, 2])],
)  # fmt: skip
def test_how_long_errors_last(frequency: str, stride: int, expected: list[int]) -> None:
    time = pd.date_range("2001-01-01", periods=120, freq=frequency).to_numpy()[::stride]
    frame = schema.label_forecast(
        np.zeros((1, time.size, 4)), wells=["a"], issue_times=time, frequency=frequency
    )
    assert steps_to_valid(frame).tolist() == expected
    assert issue_steps(frame).tolist() == list(range(time.size))
    assert issue_steps(frame.isel(issue_time=[0])).tolist() == [0]
