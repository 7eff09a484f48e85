"""Metrics against a second library, a closed form, and what must not change them."""

import hydroeval
import numpy as np
import pytest
import scores.continuous
import scores.probability
import scoringrules
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gwforecast.verification import metrics, probabilistic
from gwforecast.verification.metrics import METRICS

RNG = np.random.default_rng(5)
OBSERVED = 20 + np.cumsum(RNG.normal(size=300)) * 0.1
PREDICTED = OBSERVED + RNG.normal(0.05, 0.2, size=300)
EXTRA = {"nse_reference": {"reference": 19.0}}


def value(name: str, observed: np.ndarray, predicted: np.ndarray) -> float:
    return METRICS[name].function(observed=observed, predicted=predicted, **EXTRA.get(name, {}))


@pytest.mark.parametrize("name", ["nse", "kge", "kgeprime", "kgenp", "rmse", "mare", "pbias"])
def test_hydroeval_gives_what_hydroeval_has(name: str) -> None:
    theirs = np.ravel(hydroeval.evaluator(getattr(hydroeval, name), PREDICTED, OBSERVED))[0]
    assert value(name, OBSERVED, PREDICTED) == theirs


def test_a_second_library_agrees() -> None:
    forecast, observed = xr.DataArray(PREDICTED, dims="t"), xr.DataArray(OBSERVED, dims="t")
    pairs = {
        "nse": scores.continuous.nse(forecast, observed),
        "rmse": scores.continuous.rmse(forecast, observed),
        "mae": scores.continuous.mae(forecast, observed),
        "bias": scores.continuous.additive_bias(forecast, observed),
        "kge": scores.continuous.kge(forecast, observed),
        "r2": scores.continuous.correlation.pearsonr(forecast, observed) ** 2,
    }
    for name, theirs in pairs.items():
        assert value(name, OBSERVED, PREDICTED) == pytest.approx(float(theirs), rel=1e-9), name
    # percent bias of the second library is predicted - observed, hydroeval's the reverse
    theirs = float(scores.continuous.pbias(forecast, observed))
    assert value("pbias", OBSERVED, PREDICTED) == pytest.approx(-theirs, rel=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_prediction_has_the_perfect_value(name: str) -> None:
    assert value(name, OBSERVED, OBSERVED) == pytest.approx(METRICS[name].perfect, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_the_datum_matters_where_it_is_said_to(name: str) -> None:
    extra = {"reference": 119.0} if name == "nse_reference" else {}
    moved = METRICS[name].function(observed=OBSERVED + 100, predicted=PREDICTED + 100, **extra)
    same = moved == pytest.approx(value(name, OBSERVED, PREDICTED), rel=1e-6)
    assert same == METRICS[name].datum_free


@pytest.mark.parametrize("name", METRICS)
def test_missing_values_are_left_out_by_pairs(name: str) -> None:
    observed, predicted = OBSERVED.copy(), PREDICTED.copy()
    observed[::7], predicted[::5] = np.nan, np.nan
    known = np.isfinite(observed) & np.isfinite(predicted)
    kept = value(name, observed[known], predicted[known])
    assert value(name, observed, predicted) == pytest.approx(kept, rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("n", [0, 1])
def test_too_few_pairs_give_nan(name: str, n: int) -> None:
    assert np.isnan(value(name, OBSERVED[:n], PREDICTED[:n]))


@pytest.mark.parametrize("name", METRICS)
def test_constant_levels_give_no_infinity(name: str) -> None:
    assert not np.isinf(value(name, np.full(9, 3.0), PREDICTED[:9]))
    assert not np.isinf(value(name, OBSERVED[:9], np.full(9, 3.0)))


@given(st.integers(2, 40), st.floats(0.01, 100), st.integers(0, 10_000))
def test_efficiencies_are_free_of_units(n: int, factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    o, p = rng.normal(size=n), rng.normal(size=n)
    for name in ("nse", "kge_anomaly", "r2", "persistency_index"):
        ours, scaled = value(name, o, p), value(name, factor * o, factor * p)
        assert scaled == pytest.approx(ours, rel=1e-6, abs=1e-9, nan_ok=True)
    assert value("rmse", factor * o, factor * p) == pytest.approx(factor * value("rmse", o, p))


def test_closed_forms() -> None:
    o, p = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([2.0, 2.0, 3.0, 4.0, 3.0])
    assert value("bias", o, p) == pytest.approx(-0.2)
    assert value("mae_low", o, p) == 1.0
    assert value("mae_high", o, p) == 2.0
    assert value("persistency_index", o, p) == pytest.approx(1 - 4 / 4)
    assert metrics.nse_reference(observed=o, predicted=p, reference=0.0) == 1 - 5 / 55
    lagged = np.concatenate([[np.nan], o[:-1]])
    assert metrics.persistency_index(observed=o[1:], predicted=lagged[1:]) == 0.0


def test_a_mean_has_nse_zero_and_its_bias_shows_in_the_datum_free_kge() -> None:
    mean = np.full_like(OBSERVED, OBSERVED.mean())
    assert value("nse", OBSERVED, mean) == pytest.approx(0.0)
    shifted = OBSERVED + OBSERVED.std()
    assert value("kge_anomaly", OBSERVED, shifted) == pytest.approx(0.0)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same length. Received shapes \(3,\) and \(2,\)"):
        metrics.nse(observed=np.zeros(3), predicted=np.zeros(2))
    with pytest.raises(ValueError, match="same number of rows"):
        probabilistic.coverage(observed=np.zeros(3), lower=np.zeros(2), upper=np.zeros(2))


def test_crps_of_quantiles_is_that_of_the_normal_distribution() -> None:
    quantiles = (np.arange(1, 4000) - 0.5) / 3999
    predicted = np.tile(stats.norm.ppf(quantiles, 1.0, 2.0), (OBSERVED.size, 1))
    observed = OBSERVED - 20
    ours = probabilistic.crps_quantiles(observed=observed, predicted=predicted, quantiles=quantiles)
    assert ours == pytest.approx(scoringrules.crps_normal(observed, 1.0, 2.0).mean(), rel=1e-3)


@pytest.mark.parametrize(("fair", "estimator"), [(True, "fair"), (False, "nrg")])
def test_crps_of_an_ensemble(fair: bool, estimator: str) -> None:
    members = OBSERVED[:, None] + RNG.normal(0.1, 0.3, size=(300, 11))
    ours = probabilistic.crps_ensemble(observed=OBSERVED, members=members, fair=fair)
    theirs = scoringrules.crps_ensemble(OBSERVED, members, estimator=estimator).mean()
    assert ours == pytest.approx(float(theirs), rel=1e-9)


def test_crps_of_one_member_is_the_absolute_error() -> None:
    ours = probabilistic.crps_ensemble(observed=OBSERVED, members=PREDICTED[:, None], fair=False)
    assert ours == pytest.approx(value("mae", OBSERVED, PREDICTED))


def test_interval_scores_agree_with_a_second_library() -> None:
    lower, upper = PREDICTED - 0.3, PREDICTED + 0.3
    ours = probabilistic.interval_score(observed=OBSERVED, lower=lower, upper=upper, alpha=0.05)
    theirs = scoringrules.interval_score(OBSERVED, lower, upper, 0.05).mean()
    assert ours == pytest.approx(float(theirs), rel=1e-9)
    ours = probabilistic.pinball_loss(observed=OBSERVED, predicted=lower, quantile=0.1)
    assert ours == pytest.approx(float(scoringrules.quantile_score(OBSERVED, lower, 0.1).mean()))


def test_coverage_of_the_true_interval_is_nominal() -> None:
    z = np.random.default_rng(1).normal(size=20_000)
    bound = np.full_like(z, stats.norm.ppf(0.975))
    assert probabilistic.coverage(observed=z, lower=-bound, upper=bound) == pytest.approx(
        0.95, abs=0.005
    )
    width = probabilistic.interval_width(observed=z, lower=-bound, upper=bound)
    assert width == pytest.approx(2 * 1.96, abs=0.001)


def test_scores_of_events_and_classes() -> None:
    event = (OBSERVED > 20).astype(float)
    chance = RNG.uniform(size=event.size)
    theirs = scoringrules.brier_score(event, chance).mean()
    assert probabilistic.brier_score(observed=event, probability=chance) == pytest.approx(theirs)
    classes = RNG.integers(0, 3, 300).astype(float)
    p = RNG.dirichlet([1, 1, 1], 300)
    theirs = scoringrules.rps_score(classes + 1, p).mean() / 2
    ours = probabilistic.ranked_probability_score(observed=classes, probability=p)
    assert ours == pytest.approx(float(theirs))
    right = np.eye(3)[classes.astype(int)]
    assert probabilistic.ranked_probability_score(observed=classes, probability=right) == 0
    assert probabilistic.accuracy(observed=classes, predicted=p.argmax(1)) == np.mean(
        classes == p.argmax(1)
    )


def test_nothing_to_score_is_nan() -> None:
    empty = np.full(4, np.nan)
    assert np.isnan(probabilistic.coverage(observed=empty, lower=empty, upper=empty))
    assert np.isnan(probabilistic.crps_ensemble(observed=empty, members=np.zeros((4, 2))))


def test_every_metric_names_its_source() -> None:
    for name, metric in METRICS.items():
        text = metric.function.__doc__ or ""
        assert "doi:" in text or "losed form" in text, name
        assert metric.definition
    for name in probabilistic.__all__:
        text = getattr(probabilistic, name).__doc__ or ""
        assert "doi:" in text or "losed form" in text, name
