"""Metrics of intervals, quantiles, ensembles and classes, against a library or a closed form."""

import numpy as np
import pytest
import scoringrules
from scipy import stats

from gwforecast.verification import probabilistic

RNG = np.random.default_rng(5)
OBSERVED = 20 + np.cumsum(RNG.normal(size=300)) * 0.1
PREDICTED = OBSERVED + RNG.normal(0.05, 0.2, size=300)

SEVEN = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])


def crps(observed: object, predicted: object, quantiles: object = SEVEN) -> object:
    return probabilistic.crps_quantiles(
        observed=np.asarray(observed, float),
        predicted=np.asarray(predicted, float),
        quantiles=np.asarray(quantiles, float),
    )


def brute_force(o: float, p: np.ndarray, quantiles: np.ndarray) -> float:
    """Return the integral of (F - [x >= o])^2 on a fine grid, F linear between the quantiles."""
    low, high = min(o, p[0]) - 1, max(o, p[-1]) + 1
    x = np.linspace(low, high, 400_001)
    f = np.interp(x, p, quantiles, left=0.0, right=1.0)
    return float(np.mean((f - (x >= o)) ** 2) * (high - low))


@pytest.mark.parametrize("o", [-3.0, -1.0, 0.2, 0.5, 0.9, 2.0, 7.5])
def test_crps_of_quantiles_is_the_integral(o: float) -> None:
    p = np.array([-1.0, -0.4, 0.2, 0.5, 0.7, 1.1, 3.0])
    assert crps([o], [p]) == pytest.approx(brute_force(o, p, SEVEN), abs=1e-4)


def test_crps_of_equal_quantiles_is_the_absolute_error() -> None:
    p = np.tile(PREDICTED[:, None], 7)
    mae = np.abs(PREDICTED - OBSERVED).mean()
    assert crps(OBSERVED, p) == pytest.approx(mae, rel=1e-12)
    assert crps(OBSERVED, p[:, :1], [0.5]) == pytest.approx(mae, rel=1e-12)


@pytest.mark.parametrize(
    ("mean", "deviation", "within"),
    [(0.0, 1.0, 0.003), (0.0, 0.5, 0.003), (1.0, 1.0, 0.003), (3.0, 1.0, 0.003), (0.0, 2.0, 0.016)],
)
def test_seven_quantiles_come_as_near_to_the_normal_distribution_as_is_said(
    mean: float, deviation: float, within: float
) -> None:
    observed = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    p = np.tile(stats.norm.ppf(SEVEN, mean, deviation), (observed.size, 1))
    theirs = scoringrules.crps_normal(observed, mean, deviation).mean()
    assert crps(observed, p) == pytest.approx(float(theirs), rel=within)


def test_quantiles_that_cross_are_put_in_order() -> None:
    p = OBSERVED[:, None] + np.array([-2.0, -1.3, -0.7, 0.0, 0.7, 1.3, 2.0])
    mixed = p[:, [1, 0, 2, 3, 6, 5, 4]].copy()
    kept = mixed.copy()
    assert crps(PREDICTED, mixed) == crps(PREDICTED, p)
    np.testing.assert_array_equal(mixed, kept)


def test_a_row_with_a_missing_quantile_is_left_out() -> None:
    p = OBSERVED[:, None] + np.linspace(-1, 1, 7)
    p[::3, 2] = np.nan
    known = np.isfinite(p).all(axis=1)
    assert crps(PREDICTED, p) == pytest.approx(crps(PREDICTED[known], p[known]), rel=1e-12)


def test_many_series_at_once() -> None:
    rng = np.random.default_rng(2)
    p = np.sort(OBSERVED[:, None] + rng.normal(size=(3, OBSERVED.size, 7)))
    p[1, ::4] = np.nan
    bounds = {"lower": p[..., 0], "upper": p[..., 6]}
    for function in (
        probabilistic.coverage, probabilistic.interval_width, probabilistic.interval_score
    ):  # fmt: skip
        alone = [
            function(observed=OBSERVED, **{name: b[k] for name, b in bounds.items()})
            for k in range(3)
        ]
        np.testing.assert_allclose(function(observed=OBSERVED, **bounds), alone)
    np.testing.assert_allclose(crps(OBSERVED, p), [crps(OBSERVED, one) for one in p])


def test_crps_of_quantiles_is_that_of_the_normal_distribution() -> None:
    quantiles = (np.arange(1, 4000) - 0.5) / 3999
    predicted = np.tile(stats.norm.ppf(quantiles, 1.0, 2.0), (OBSERVED.size, 1))
    observed = OBSERVED - 20
    ours = probabilistic.crps_quantiles(observed=observed, predicted=predicted, quantiles=quantiles)
    assert ours == pytest.approx(scoringrules.crps_normal(observed, 1.0, 2.0).mean(), rel=1e-3)


def test_interval_scores_agree_with_a_second_library() -> None:
    lower, upper = PREDICTED - 0.3, PREDICTED + 0.3
    ours = probabilistic.interval_score(observed=OBSERVED, lower=lower, upper=upper, alpha=0.05)
    theirs = scoringrules.interval_score(OBSERVED, lower, upper, 0.05).mean()
    assert ours == pytest.approx(float(theirs), rel=1e-9)


def test_coverage_of_the_true_interval_is_nominal() -> None:
    z = np.random.default_rng(1).normal(size=20_000)
    bound = np.full_like(z, stats.norm.ppf(0.975))
    assert probabilistic.coverage(observed=z, lower=-bound, upper=bound) == pytest.approx(
        0.95, abs=0.005
    )
    width = probabilistic.interval_width(observed=z, lower=-bound, upper=bound)
    assert width == pytest.approx(2 * 1.96, abs=0.001)


def test_nothing_to_score_is_nan() -> None:
    empty = np.full(4, np.nan)
    assert np.isnan(probabilistic.coverage(observed=empty, lower=empty, upper=empty))
    assert np.isnan(crps(empty, np.zeros((4, 7))))


ZERO, ONE = np.zeros(3), np.ones(3)
MALFORMED = {
    "other lengths": (
        lambda: probabilistic.coverage(observed=ZERO, lower=ONE[:2], upper=ONE),
        r"same length\. Received shapes \(3,\) and \(2,\)\. Align"),
    "bounds exchanged": (
        lambda: probabilistic.interval_width(observed=ZERO, lower=ONE, upper=ZERO),
        r"not lie above.*Received 1\.0 above 0\.0 at position \(0,\)\. Exchange"),
    "alpha in percent": (
        lambda: probabilistic.interval_score(observed=ZERO, lower=ZERO, upper=ONE, alpha=5),
        r"alpha must lie inside \(0, 1\)\. Received 5"),
    "an infinite bound": (
        lambda: probabilistic.coverage(observed=ZERO, lower=ZERO, upper=ONE * np.inf),
        r"finite or NaN\. Received inf in predicted at position \(0,\)\. Correct"),
    "falling quantiles": (
        lambda: crps(ZERO, np.zeros((3, 2)), [0.9, 0.1]),
        r"increase inside \(0, 1\).*Received \[0\.9 0\.1\] for 2 values\. Sort"),
    "other quantiles": (
        lambda: crps(ZERO, np.zeros((3, 2)), [0.5]), r"one for each value.*\[0\.5\] for 2"),
    "quantiles on the wrong axis": (
        lambda: crps(ZERO, np.zeros((7, 3))), r"one axis behind it.*\(3,\) and \(7, 3\)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_input_is_refused(kind: str) -> None:
    call, message = MALFORMED[kind]
    with pytest.raises(ValueError, match=message):
        call()
