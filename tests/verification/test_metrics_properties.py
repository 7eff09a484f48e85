"""What must not change a metric, and what must, for any levels."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis.extra.numpy import arrays

from gwforecast.verification import probabilistic
from gwforecast.verification.metrics import METRICS, level_metrics

LEVEL = level_metrics()
SEVEN = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
FREE = [name for name, metric in LEVEL.items() if metric.datum_free]
EFFICIENCIES = [name for name, metric in LEVEL.items() if metric.units != "m"]
ERRORS = [name for name, metric in LEVEL.items() if metric.units == "m"]
IN_ANY_ORDER = [name for name in LEVEL if name != "persistency_index"]

proven = settings(max_examples=60, deadline=None)


def value(name: str, o: np.ndarray, p: np.ndarray, *, reference: float = 0.3) -> float:
    extra = {"reference": reference} if name == "nse_reference" else {}
    return METRICS[name].function(observed=o, predicted=p, **extra)


@st.composite
def levels(draw: st.DrawFn, *, fewest: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return observed and predicted levels of 5 to 40 rows, without ties, of a usual size."""
    seed = draw(st.integers(0, 2**32 - 1))
    n = draw(st.integers(fewest, 40))
    rng = np.random.default_rng(seed)
    o = draw(st.floats(0.01, 10)) * rng.normal(size=n)
    p = draw(st.floats(-1, 1)) * o + draw(st.floats(0.01, 10)) * rng.normal(size=n)
    return o, p + draw(st.floats(-5, 5))


anything = arrays(
    float,
    st.integers(0, 12),
    elements=st.one_of(st.just(np.nan), st.sampled_from([0.0, 0.1, -0.1]), st.floats(-1e6, 1e6)),
)


@pytest.mark.parametrize("name", LEVEL)
@proven
@given(o=anything, seed=st.integers(0, 1000), alike=st.booleans())
def test_no_levels_give_an_infinity_or_a_warning(
    name: str, o: np.ndarray, seed: int, alike: bool
) -> None:
    rng = np.random.default_rng(seed)
    p = np.full(o.size, 0.1) if alike else rng.choice([0.0, 0.1, -0.1, 5.0, np.nan], size=o.size)
    score = value(name, o, p)
    assert isinstance(score, float)
    assert not np.isinf(score)
    if METRICS[name].larger_is_better:
        assert not score > 1 + 1e-12


@pytest.mark.parametrize("name", LEVEL)
@proven
@given(levels())
def test_no_prediction_is_better_than_perfect(
    name: str, pair: tuple[np.ndarray, np.ndarray]
) -> None:
    o, p = pair
    perfect = METRICS[name].perfect
    assert value(name, o, o) == pytest.approx(perfect, abs=1e-9)
    if METRICS[name].larger_is_better is not None:
        score = value(name, o, p)
        assert score <= perfect if METRICS[name].larger_is_better else score >= perfect


@pytest.mark.parametrize("name", FREE)
@proven
@given(levels(), st.floats(-1000, 1000))
def test_the_datum_is_free_where_it_is_said_to_be(
    name: str, pair: tuple[np.ndarray, np.ndarray], shift: float
) -> None:
    o, p = pair
    moved = value(name, o + shift, p + shift, reference=0.3 + shift)
    assert moved == pytest.approx(value(name, o, p), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", sorted(set(LEVEL) - set(FREE)))
@proven
@given(levels(), st.floats(20, 1000))
def test_the_other_metrics_hide_errors_high_above_the_datum(
    name: str, pair: tuple[np.ndarray, np.ndarray], shift: float
) -> None:
    o, _ = pair
    # the same shape, so that the bias is all that is wrong
    low, high = (value(name, o + s, o + s + 1.0) for s in (60 + shift, 60 + 10 * shift))
    assert abs(high - METRICS[name].perfect) < abs(low - METRICS[name].perfect)


@pytest.mark.parametrize("name", LEVEL)
@proven
@given(levels(), st.floats(1e-3, 1e3))
def test_units_scale_errors_and_leave_efficiencies(
    name: str, pair: tuple[np.ndarray, np.ndarray], factor: float
) -> None:
    o, p = pair
    # near a mean of zero the relative metrics are nothing but rounding
    assume(abs(o.sum()) > 1e-3 * np.abs(o).sum())
    score = value(name, o, p)
    scaled = value(name, factor * o, factor * p, reference=factor * 0.3)
    assert scaled == pytest.approx(score * (factor if name in ERRORS else 1.0), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", IN_ANY_ORDER)
@proven
@given(levels(), st.randoms(use_true_random=False))
def test_the_order_of_rows_is_free_where_no_step_is_taken(
    name: str, pair: tuple[np.ndarray, np.ndarray], random: object
) -> None:
    o, p = pair
    assume(abs(o.sum()) > 1e-3 * np.abs(o).sum())
    order = list(range(o.size))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert value(name, o[order], p[order]) == pytest.approx(value(name, o, p), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", LEVEL)
@proven
@given(levels(), st.data())
def test_rows_with_nan_change_nothing(
    name: str, pair: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    o, p = pair
    at = data.draw(st.lists(st.integers(0, o.size), max_size=8))
    first = data.draw(st.booleans())
    fill = (np.nan, 9.0) if first else (7.0, np.nan)
    longer = [np.insert(series, at, new) for series, new in zip(pair, fill, strict=True)]
    assert value(name, *longer) == value(name, o, p)


@proven
@given(levels())
def test_identities_between_metrics(pair: tuple[np.ndarray, np.ndarray]) -> None:
    o, p = pair
    mean = float(o.mean())
    rmse, mae, bias = (value(name, o, p) for name in ("rmse", "mae", "bias"))
    assert abs(bias) <= mae * (1 + 1e-12)
    assert mae <= rmse * (1 + 1e-12)
    assert value("nse", o, p) == pytest.approx(1 - rmse**2 / o.var(), rel=1e-6, abs=1e-9)
    assert value("nse", o, p) <= value("nse_reference", o, p, reference=mean + 0.7) + 1e-12
    if abs(o.sum()) > 1e-3 * np.abs(o).sum():
        assert value("pbias", o, p) == pytest.approx(-100 * bias / mean, rel=1e-6)
        assert value("mare", o, p) == pytest.approx(mae / mean, rel=1e-6)
    assert value("r2", o, p) == pytest.approx(value("r2", p, o), rel=1e-6, abs=1e-9)
    assert value("bias", o, p) == -value("bias", p, o)


@proven
@given(levels(), st.floats(0.01, 5))
def test_crps_grows_with_units_and_lies_between_its_bounds(
    pair: tuple[np.ndarray, np.ndarray], spread: float
) -> None:
    o, center = pair
    p = center[:, None] + spread * np.array([-2.0, -1.3, -0.7, 0.0, 0.7, 1.3, 2.0])
    one = {"observed": o, "predicted": p, "quantiles": SEVEN}
    crps = probabilistic.crps_quantiles(**one)
    assert 0 <= crps <= np.abs(o[:, None] - p).max(axis=1).mean() + 1e-12
    moved = one | {"observed": 3 * o + 50, "predicted": 3 * p + 50}
    assert probabilistic.crps_quantiles(**moved) == pytest.approx(3 * crps, rel=1e-6, abs=1e-9)
    mirrored = one | {"observed": -o, "predicted": -p[:, ::-1]}
    assert probabilistic.crps_quantiles(**mirrored) == pytest.approx(crps, rel=1e-6, abs=1e-9)


@proven
@given(levels(), st.floats(0.01, 5), st.floats(0.01, 0.5))
def test_the_interval_score_is_that_of_its_two_quantiles(
    pair: tuple[np.ndarray, np.ndarray], half: float, alpha: float
) -> None:
    o, p = pair
    score = probabilistic.interval_score(observed=o, lower=p - half, upper=p + half, alpha=alpha)
    losses = [
        np.maximum(quantile * (o - bound), (quantile - 1) * (o - bound)).mean()
        for bound, quantile in ((p - half, alpha / 2), (p + half, 1 - alpha / 2))
    ]
    assert score == pytest.approx(2 / alpha * sum(losses), rel=1e-9)
    width = probabilistic.interval_width(observed=o, lower=p - half, upper=p + half)
    assert score >= width - 1e-12
