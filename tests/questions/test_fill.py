"""Filled gaps and extended records: exact where the process is known, honest where truth is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.calibration.cross_validation import blocks_of_years, simulate_left_out
from gwforecast.models.linear import Linear
from gwforecast.questions.fill import FLAGS, Filled, extend, fill, score_gaps
from gwforecast.questions.fits import left_out_simulation
from gwforecast.questions.smoother import ErrorSmoother

WEEKS = np.datetime64("2000-01-03", "us") + np.arange(200) * np.timedelta64(7, "D")


@pytest.fixture(scope="module")
def valley() -> xr.Dataset:
    """The well fen, which has gaps of 16 days to 15 months."""
    return gw.load_sample().sel(well=["fen"])


@pytest.fixture(scope="module")
def filled(valley: xr.Dataset) -> Filled:
    return fill(valley, models=["linear"], gap_weeks=(4, 26))


def dense_answer(smoother: ErrorSmoother, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation by the covariance matrix of the whole process."""
    time = np.arange(level.size, dtype=float)
    lag = np.abs(time[:, None] - time)
    smooth_time, smooth, rough_time, rough, measured = np.exp(smoother.parameters_)
    root = np.sqrt(3) * lag / smooth_time
    columns = smoother._design[:, :6]
    prior = np.square([1.0, 0.5, 0.2, 0.1, smoother._season, smoother._season])
    cov = smooth**2 * (1 + root) * np.exp(-root) + rough**2 * np.exp(-lag / rough_time)
    cov = cov + (columns * prior) @ columns.T
    known = np.isfinite(level)
    mean = columns @ np.array([0.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    scaled = (level - smoother.center_) / smoother.scale_
    inner = cov[np.ix_(known, known)] + measured**2 * np.eye(known.sum())
    gain = np.linalg.solve(inner, cov[known]).T
    mean = mean + gain @ (scaled - mean)[known]
    variance = np.diag(cov - gain @ cov[known]) + measured**2
    return smoother.center_ + smoother.scale_ * mean, smoother.scale_ * np.sqrt(variance)


def test_the_smoother_gives_the_exact_mean_and_deviation() -> None:
    rng = np.random.default_rng(3)
    simulation = np.cumsum(rng.normal(size=WEEKS.size))
    level = 5 + simulation + np.cumsum(rng.normal(scale=0.3, size=WEEKS.size))
    level[60:90] = np.nan
    level[150:155] = np.nan
    smoother = ErrorSmoother(simulation, WEEKS, 52.18).fit(level)
    found = smoother.condition(level)
    mean, deviation = dense_answer(smoother, level)
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)
    np.testing.assert_allclose(found.deviation, deviation, atol=1e-6)


def test_a_simulation_of_noise_gives_nearly_linear_interpolation() -> None:
    rng = np.random.default_rng(1)
    level = np.cumsum(rng.normal(size=WEEKS.size))
    smoother = ErrorSmoother(rng.normal(size=WEEKS.size), WEEKS, 52.18).fit(level)
    block = np.zeros(WEEKS.size, int)
    table = score_gaps(smoother, level, block=block, weeks=(1, 4)).set_index(
        ["gap_weeks", "method"]
    )["rmse"]
    for weeks in (1, 4):
        assert table[weeks, "fill"] < 1.1 * table[weeks, "linear_interpolation"]
        assert table[weeks, "fill"] < table[weeks, "simulation"]


def test_a_level_does_not_change_the_simulation_of_its_block(valley: xr.Dataset) -> None:
    changed = valley.copy(deep=True)
    block = blocks_of_years(valley)
    changed["level"] = changed["level"] + 100 * (block == 2)
    before = simulate_left_out(Linear(), valley)["level"].where(block == 2)
    after = simulate_left_out(Linear(), changed)["level"].where(block == 2)
    np.testing.assert_allclose(before, after, atol=1e-8)
    assert before.notnull().any()


def test_filled_levels_are_near_the_truth_and_intervals_cover_it(
    valley: xr.Dataset, filled: Filled
) -> None:
    level = filled.levels["level"].isel(well=0)
    truth = gw.load_truth()["level"].sel(well="fen").reindex(time=level["time"])
    inside = filled.levels["level_flag"].isel(well=0) == FLAGS["filled"]
    assert int(inside.sum()) > 800
    straight = valley["level"].isel(well=0).interpolate_na("time")
    error = float(np.sqrt(((level - truth).where(inside) ** 2).mean()))
    simple = float(np.sqrt(((straight - truth).where(inside) ** 2).mean()))
    assert error < 0.6 * simple
    quantiles = filled.levels["level_quantiles"].isel(well=0)
    covered = (truth >= quantiles[:, 0]) & (truth <= quantiles[:, -1])
    assert float(covered.where(inside).mean()) > 0.85


def test_observed_levels_stay_and_all_values_have_flags(valley: xr.Dataset, filled: Filled) -> None:
    observed = valley["level"].notnull()
    flag = filled.levels["level_flag"]
    assert bool((flag.where(observed, 0) == FLAGS["observed"]).all())
    np.testing.assert_array_equal(
        filled.levels["level"].where(observed), valley["level"].where(observed)
    )
    known = filled.levels["level"].notnull()
    assert bool((known == (flag != FLAGS["missing"])).all())
    assert set(filled.to_dataframe()["flag"]) == {"observed", "filled"}
    gw.validate_observations(filled.levels)


def test_the_longest_gap_that_is_filled(valley: xr.Dataset) -> None:
    some = fill(valley, models=["linear"], longest=30, gap_weeks=())
    flag = some.levels["level_flag"].isel(well=0)
    assert (flag.sel(time="2010-02-20") == FLAGS["filled"]).all()
    assert (flag.sel(time="2007-01-20") == FLAGS["missing"]).all()


def test_scores_are_better_than_the_simple_ways(filled: Filled) -> None:
    table = filled.scores.pivot_table(index="gap_weeks", columns="method", values="rmse")
    for method in ("linear_interpolation", "simulation", "climatology"):
        assert (table["fill"] < table[method]).all()
    covered = filled.scores.loc[filled.scores["method"] == "fill", "coverage_95"]
    assert covered.between(0.85, 1.0).all()


def test_the_interval_of_an_extension_grows_to_that_of_the_simulation(valley: xr.Dataset) -> None:
    extended = extend(valley, models=["linear"])
    quantiles = extended.levels["level_quantiles"].isel(well=0)
    width = (quantiles[:, -1] - quantiles[:, 0]).to_series()
    flag = extended.levels["level_flag"].isel(well=0).to_series()
    on = width[flag == FLAGS["extended_on"]].to_numpy()
    back = width[flag == FLAGS["extended_back"]].to_numpy()[::-1]
    for away in (on, back):
        assert away[0] < 0.5 * away[-1]
        yearly = pd.Series(away[:365]).rolling(30).mean().dropna().to_numpy()
        assert (np.diff(yearly) > -0.02 * yearly[:-1]).all()
    truth = gw.load_truth()["level"].sel(well="fen").reindex(time=quantiles["time"])
    covered = (truth >= quantiles[:, 0]) & (truth <= quantiles[:, -1])
    assert float(covered[flag.isin([2, 3]).to_numpy()].sel(time=slice("2002", None)).mean()) > 0.8


def test_a_short_record_fails_with_its_reason(valley: xr.Dataset) -> None:
    short = valley.assign(level=valley["level"].where(valley["time"] < np.datetime64("2003-03-30")))
    both = xr.concat(
        [valley, short.assign_coords(well=["short"])], "well", data_vars="all", coords="minimal"
    )
    result = fill(both, models=["linear"], gap_weeks=())
    assert list(result.failed) == ["short"]
    assert result.levels["level"].sel(well="fen").notnull().any()


def test_blocks_must_be_at_least_two(valley: xr.Dataset) -> None:
    with pytest.raises(ValueError, match=r"at least 2 blocks of years. Received 1"):
        blocks_of_years(valley, blocks=1)


def test_several_models_are_weighted_by_their_errors_in_other_blocks(valley: xr.Dataset) -> None:
    linear = left_out_simulation(valley, models=["linear"]).level
    season = left_out_simulation(valley, models=["climatology"]).level
    both = left_out_simulation(valley, models=["linear", "climatology"])
    block = both.block.values[0]
    squares = [((one - valley["level"]) ** 2).values[0] for one in (linear, season)]
    for number in np.unique(block):
        mean = np.array([np.nanmean(square[block != number]) for square in squares])
        weights = mean**-2 / (mean**-2).sum()
        expected = weights[0] * linear.values[0] + weights[1] * season.values[0]
        inside = (block == number) & np.isfinite(expected)
        np.testing.assert_allclose(both.level.values[0, inside], expected[inside], atol=1e-8)


def test_a_longest_gap_of_no_step_is_refused(valley: xr.Dataset) -> None:
    with pytest.raises(ValueError, match=r"at least 1 step. Received -1\. Give a number"):
        fill(valley, longest=-1)
