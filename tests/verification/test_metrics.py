"""Metrics against a second library, a closed form, and what must not change them."""

import hydroeval
import numpy as np
import pytest
import scores.continuous
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from gwforecast.verification import metrics, probabilistic
from gwforecast.verification.metrics import METRICS, level_metrics

LEVEL = level_metrics()
RNG = np.random.default_rng(5)
OBSERVED = 20 + np.cumsum(RNG.normal(size=300)) * 0.1
PREDICTED = OBSERVED + RNG.normal(0.05, 0.2, size=300)
EFFICIENCIES = [name for name, metric in LEVEL.items() if metric.perfect == 1]
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


@pytest.mark.parametrize("name", LEVEL)
def test_a_perfect_prediction_has_the_perfect_value(name: str) -> None:
    assert value(name, OBSERVED, OBSERVED) == pytest.approx(METRICS[name].perfect, abs=1e-12)


@pytest.mark.parametrize("name", LEVEL)
def test_the_datum_matters_where_it_is_said_to(name: str) -> None:
    extra = {"reference": 119.0} if name == "nse_reference" else {}
    moved = METRICS[name].function(observed=OBSERVED + 100, predicted=PREDICTED + 100, **extra)
    same = moved == pytest.approx(value(name, OBSERVED, PREDICTED), rel=1e-6)
    assert same == METRICS[name].datum_free


@pytest.mark.parametrize("name", LEVEL)
def test_missing_values_are_left_out_by_pairs(name: str) -> None:
    observed, predicted = OBSERVED.copy(), PREDICTED.copy()
    observed[::7], predicted[::5] = np.nan, np.nan
    known = np.isfinite(observed) & np.isfinite(predicted)
    kept = value(name, observed[known], predicted[known])
    assert value(name, observed, predicted) == pytest.approx(kept, rel=1e-12)


@pytest.mark.parametrize("name", LEVEL)
@pytest.mark.parametrize("n", [0, 1])
def test_too_few_pairs_give_nan(name: str, n: int) -> None:
    assert np.isnan(value(name, OBSERVED[:n], PREDICTED[:n]))


@pytest.mark.parametrize("name", LEVEL)
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
    with pytest.raises(ValueError, match="one-dimensional observed"):
        metrics.nse(observed=np.zeros((2, 3)), predicted=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="two one-dimensional"):
        metrics.pairs(observed=np.zeros(3), predicted=np.zeros((2, 3)))


@pytest.mark.parametrize("name", LEVEL)
def test_infinite_predictions_are_refused_and_not_left_out(name: str) -> None:
    predicted = PREDICTED.copy()
    predicted[7] = np.inf
    with pytest.raises(ValueError, match=r"Received inf in predicted at position \(7,\)"):
        value(name, OBSERVED, predicted)


@pytest.mark.parametrize("name", LEVEL)
def test_many_series_at_once_are_each_alone(name: str) -> None:
    rng = np.random.default_rng(3)
    predicted = OBSERVED + rng.normal(size=(2, 3, OBSERVED.size))
    for missing in (0.0, 0.2):
        predicted[rng.uniform(size=predicted.shape) < missing] = np.nan
        together = value(name, OBSERVED, predicted)
        assert np.shape(together) == (2, 3)
        for at in np.ndindex(2, 3):
            assert together[at] == pytest.approx(value(name, OBSERVED, predicted[at]), rel=1e-12)
    assert np.shape(value(name, OBSERVED, predicted[:0])) == (0, 3)


def test_the_datum_free_kge_is_that_of_anomalies_one_deviation_above_the_datum() -> None:
    lift = OBSERVED.std() - OBSERVED.mean()
    theirs = hydroeval.evaluator(hydroeval.kge, PREDICTED + lift, OBSERVED + lift)[0, 0]
    assert value("kge_anomaly", OBSERVED, PREDICTED) == pytest.approx(theirs, rel=1e-12)


def test_nse_against_the_scored_mean_is_nse() -> None:
    ours = metrics.nse_reference(
        observed=OBSERVED, predicted=PREDICTED, reference=float(OBSERVED.mean())
    )
    assert ours == pytest.approx(value("nse", OBSERVED, PREDICTED), rel=1e-12)
    assert np.isnan(metrics.nse_reference(observed=OBSERVED, predicted=PREDICTED, reference=np.nan))


def test_equal_levels_have_errors_and_no_efficiency() -> None:
    flat = np.full(9, 0.1)  # whose mean is not 0.1 in floating point
    for name in EFFICIENCIES:
        assert np.isnan(value(name, flat, PREDICTED[:9])), name
        assert np.isnan(value(name, flat, flat)), name
    for name in ("rmse", "mae", "bias", "mae_low", "mae_high"):
        assert value(name, flat, flat + 0.5) == pytest.approx(0.5), name
    for name in ("kge", "kgeprime", "kgenp", "kge_anomaly", "r2"):
        assert np.isnan(value(name, OBSERVED[:9], flat)), name
    for name in ("pbias", "mare"):
        assert np.isnan(value(name, np.array([-1.0, 1.0]), np.array([0.0, 1.0]))), name


def test_what_is_better_agrees_with_what_is_perfect() -> None:
    rough, fine = OBSERVED + 3 * (PREDICTED - OBSERVED), PREDICTED
    for name, metric in LEVEL.items():
        worse, better = value(name, OBSERVED, rough), value(name, OBSERVED, fine)
        assert abs(worse - metric.perfect) > abs(better - metric.perfect), name
        if metric.larger_is_better is not None:
            assert metric.larger_is_better == (better > worse), name


def test_every_metric_names_its_source() -> None:
    for name, metric in LEVEL.items():
        text = metric.function.__doc__ or ""
        assert "doi:" in text or "losed form" in text, name
        assert metric.definition
        assert "Units" in text, name
    for name in ("coverage", "crps_quantiles", "interval_score", "interval_width"):
        text = getattr(probabilistic, name).__doc__ or ""
        assert "doi:" in text or "losed form" in text, name
        assert "Units" in text, name
