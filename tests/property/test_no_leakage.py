"""No forecaster knows what it must not know. Append a factory to FORECASTERS to have it proved."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gwforecast.models.base import Forecaster
from gwforecast.models.kernel_ridge import KernelRidge
from gwforecast.models.linear import Linear
from gwforecast.models.naive import Climatology, Persistence, RandomWalkDrift, SeasonalNaive
from gwforecast.models.pastas import Pastas
from gwforecast.sequences.audit import audit, audit_forecaster, replaced, rows_after
from gwforecast.sequences.scale import Scaler
from gwforecast.sequences.split import split_by_date, split_by_fraction, through_periods
from gwforecast.sequences.windows import sequence_windows, value_windows


def transfer_function():
    # the noise model would double the time, and all recharge models take four times as long
    return Pastas(noise=False, recharge="linear")


FORECASTERS = [
    pytest.param(Persistence, id="persistence"),
    pytest.param(RandomWalkDrift, id="drift"),
    pytest.param(Climatology, id="climatology"),
    pytest.param(SeasonalNaive, id="seasonal_naive"),
    pytest.param(transfer_function, id="pastas"),
    pytest.param(lambda: Linear(lookbacks=(8, 16), strengths=(0.0, 0.1)), id="linear"),
    pytest.param(lambda: KernelRidge(rows=60), id="kernel_ridge"),
]
every_forecaster = pytest.mark.parametrize("factory", FORECASTERS)


def aquifer(*, n_wells=3, n_times=240, freq="W-MON", seed=0, missing=0.1):
    """Wells whose level answers to rain and temperature, with gaps, on one axis."""
    random = np.random.default_rng(seed)
    rain = random.gamma(0.7, 4.0, (n_wells, n_times))
    warm = 10 + random.normal(0, 3, (n_wells, n_times))
    level = np.zeros((n_wells, n_times))
    for i in range(1, n_times):
        level[:, i] = 0.9 * level[:, i - 1] + 0.02 * rain[:, i] - 0.005 * warm[:, i]
    level += 50 * np.arange(1, n_wells + 1)[:, None] + random.normal(0, 0.01, level.shape)
    level[random.random(level.shape) < missing] = np.nan
    dims = ("well", "time")
    times = pd.date_range("2001-01-01", periods=n_times, freq=freq).to_numpy()
    return xr.Dataset(
        {"level": (dims, level), "rr": (dims, rain), "tg": (dims, warm)},
        {"well": [f"w{i}" for i in range(n_wells)], "time": times},
    )


def simulated(forecaster, observations):
    return forecaster.simulate(observations)["level"]


@every_forecaster
@pytest.mark.parametrize("freq", ["D", "W-MON", "MS"])
def test_the_audit_finds_no_leak(factory, freq):
    if factory is transfer_function and freq == "MS":
        pytest.skip("a transfer function is daily or weekly")
    observations = aquifer(freq=freq)
    result = audit_forecaster(factory, observations, split_by_fraction(observations, gap=2))
    assert result.passed, str(result)
    assert len(result.table) == 3 * 7


def test_the_audit_finds_no_leak_in_the_choice_of_a_recharge_model():
    observations = aquifer(n_wells=1)
    split = split_by_fraction(observations, gap=2)
    result = audit_forecaster(lambda: Pastas(noise=False), observations, split)
    assert result.passed, str(result)


@cache
def fitted_once(factory):
    """Return a fit on the record of :func:`aquifer`."""
    observations = aquifer()
    return factory().fit(observations, split=split_by_fraction(observations))


@every_forecaster
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 1000), cut=st.integers(20, 239))
def test_covariates_after_a_time_change_nothing_before_it(factory, seed, cut):
    observations, fitted = aquifer(seed=seed), fitted_once(factory)
    later = xr.ones_like(observations.level, dtype=bool) & (
        observations.time > observations.time[cut]
    )
    expected = simulated(fitted, observations).isel(time=slice(cut + 1))
    for by in ("missing", "noise", "huge"):
        changed = replaced(observations, ["rr", "tg"], rows=later, by=by, seed=seed)
        found = simulated(fitted, changed).isel(time=slice(cut + 1))
        assert found.values.tobytes() == expected.values.tobytes()


@every_forecaster
def test_a_longer_record_gives_the_same_levels(factory):
    observations = aquifer(missing=0.0)
    dates = {"validation_start": "2003-06-01", "test_start": "2004-02-01", "test_end": "2004-06-01"}
    short = observations.sel(time=slice("2004-06-01"))
    long_fit = factory().fit(observations, split=split_by_date(observations, **dates))
    short_fit = factory().fit(short, split=split_by_date(short, **dates))
    xr.testing.assert_allclose(simulated(long_fit, short), simulated(short_fit, short), rtol=1e-12)


@every_forecaster
@pytest.mark.parametrize(("factor", "shift"), [(1.0, 812.5), (100.0, 0.0), (-1.0, 3.0)])
def test_another_datum_or_unit_of_the_level_moves_the_simulation_alike(factory, factor, shift):
    if factory is transfer_function and factor < 0:
        pytest.skip("its response to recharge is upward")
    observations = aquifer()
    split = split_by_fraction(observations)
    moved = observations.assign(level=observations.level * factor + shift)
    expected = simulated(factory().fit(observations, split=split), observations) * factor + shift
    found = simulated(factory().fit(moved, split=split), moved)
    np.testing.assert_allclose(found, expected, atol=1e-7 * abs(factor))
    assert found.notnull().any("time").all()


@every_forecaster
def test_units_of_the_covariates_do_not_matter(factory):
    observations = aquifer()
    split = split_by_fraction(observations)
    other = observations.assign(rr=observations.rr / 1000, tg=observations.tg * 1.8 + 32)
    first, second = factory(), factory()
    for one in (first, second):  # snow, soils and root zones are in mm and degC
        if isinstance(one, KernelRidge):
            one.snow = False
        if isinstance(one, Pastas):
            one.recharge = "linear"
    np.testing.assert_allclose(
        simulated(first.fit(other, split=split), other),
        simulated(second.fit(observations, split=split), observations),
        atol=1e-7,
    )


@every_forecaster
def test_wells_are_independent_and_their_order_is_irrelevant(factory):
    observations = aquifer()
    split = split_by_fraction(observations)
    together = simulated(factory().fit(observations, split=split), observations)
    turned = observations.isel(well=[2, 0, 1])
    again = simulated(factory().fit(turned, split=split), turned).isel(well=[1, 2, 0])
    np.testing.assert_allclose(again, together, rtol=1e-12)
    for well in observations.well.values:
        one = observations.sel(well=[well])
        alone = simulated(factory().fit(one, split=split), one)
        np.testing.assert_allclose(alone, together.sel(well=[well]), rtol=1e-12)
    fitted = factory().fit(observations, split=split)
    np.testing.assert_array_equal(simulated(fitted, turned), together.isel(well=[2, 0, 1]))


@every_forecaster
def test_a_well_that_fails_leaves_the_others_alone(factory):
    observations = aquifer()
    split = split_by_fraction(observations)
    broken = observations.assign(level=observations.level.where(observations.well != "w1"))
    with pytest.warns(UserWarning, match="'w1'") as caught:
        fitted = factory().fit(broken, split=split)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="'w1'"):
        again = fitted.refit(broken, split=split)
    assert "w1" in fitted.failed_
    found = simulated(fitted, observations)
    expected = simulated(factory().fit(observations, split=split), observations)
    assert found.sel(well="w1").isnull().all()
    assert again.simulate(observations)["level"].sel(well="w0").notnull().any()
    rest = ["w0", "w2"]
    np.testing.assert_allclose(found.sel(well=rest), expected.sel(well=rest), rtol=1e-12)


@every_forecaster
def test_refit_returns_a_new_forecaster_and_leaves_the_old_one(factory):
    observations = aquifer()
    split = split_by_fraction(observations)
    fitted = factory().fit(observations, split=split)
    before = simulated(fitted, observations)
    again = fitted.refit(observations, split=split, through="test")
    assert again is not fitted
    xr.testing.assert_identical(simulated(fitted, observations), before)
    same = simulated(fitted.refit(observations, split=split, through="train"), observations)
    np.testing.assert_array_equal(same, before)


class CentredMean(Forecaster):
    """Leaks on purpose: the level follows covariates by a centred moving average."""

    name = "centred"

    def fit(self, observations, *, split, progress=None):  # noqa: ARG002
        return self.refit(observations, split=split, through="train")

    def refit(self, observations, *, split, through="validation", progress=None):  # noqa: ARG002
        fitted = type(self)()
        fitted.mean_ = split.levels(observations, *through_periods(through)).mean("time")
        return fitted

    def simulate(self, observations):
        centred = observations["rr"].rolling(time=5, center=True, min_periods=1).mean()
        return (self.mean_ + centred.fillna(0.0)).to_dataset(name="level")


class MeanOfAllRows(CentredMean):
    """Leaks on purpose: its mean is over all rows."""

    def refit(self, observations, *, split, through="validation", progress=None):  # noqa: ARG002
        fitted = type(self)()
        fitted.mean_ = observations["level"].mean("time")
        return fitted

    def simulate(self, observations):
        return (self.mean_ + 0.0 * observations["rr"].fillna(0.0)).to_dataset(name="level")


class Parrot(MeanOfAllRows):
    """Leaks on purpose: says the level that it is given."""

    def simulate(self, observations):
        return observations[["level"]]


@pytest.mark.parametrize(
    ("leaky", "rule"),
    [
        (CentredMean, {"no value depends on later rows"}),
        (MeanOfAllRows, {"no level outside the fitted periods is used"}),
        (Parrot, {"no level outside the fitted periods is used", "a simulation uses no level"}),
    ],
)
def test_the_audit_catches_a_forecaster_that_leaks(leaky, rule):
    observations = aquifer()
    result = audit_forecaster(leaky, observations, split_by_fraction(observations), name="leaky")
    assert not result.passed
    assert set(result.failures["rule"]) == rule
    assert "BROKEN" in str(result)
    assert "LEAK" in str(result)


def test_the_audit_catches_a_scaler_over_other_rows():
    observations = aquifer()
    split = split_by_fraction(observations)
    honest = Scaler().fit(observations, rows=split.rows(observations, "train"))
    assert audit(observations, split, scaler=honest).passed
    everything = xr.ones_like(observations.level, dtype=bool)
    for rows in (everything, split.rows(observations, "train", "validation")):
        for per_well in (True, False):
            leaky = Scaler(per_well=per_well).fit(observations, rows=rows)
            result = audit(observations, split, scaler=leaky)
            assert not result.table["passed"].any()
    assert audit(observations, split, scaler=leaky, through="validation").passed


def test_the_audit_catches_statistics_that_are_not_those_of_the_recorded_rows():
    observations = aquifer()
    split = split_by_fraction(observations)
    scaler = Scaler().fit(observations, rows=split.rows(observations, "train"))
    scaler.center_[1, 0] += 0.1
    failures = audit(observations, split, scaler=scaler).failures
    assert failures[["well", "name"]].to_numpy().tolist() == [["w1", "level"]]


def test_the_audit_catches_features_that_look_ahead_or_at_levels():
    observations = aquifer()
    split = split_by_fraction(observations)
    features = {
        "trailing": lambda o: o["rr"].rolling(time=5).mean(),
        "centred": lambda o: o["rr"].rolling(time=5, center=True).mean(),
        "anomaly": lambda o: o["rr"] - o["rr"].mean("time"),
        "last_level": lambda o: o["level"].shift(time=1),
        "trained": lambda o: o["rr"] * split.levels(o, "train").mean("time"),
    }
    failures = audit(observations, split, features=features).failures
    assert set(failures["name"]) == {"centred", "anomaly", "last_level"}
    levels = failures[failures["name"] == "last_level"]
    assert set(levels["rule"]) == {"no level outside the fitted periods is used"}


class Cut:
    """Windows of one target, each with the steps before it."""

    def __init__(self, well, target, lookback, *, ahead=0, length=1):
        self.lookback = lookback
        self.well = np.asarray(well)
        self.target_start = np.asarray(target)
        self.target_stop = self.target_start + length
        self.input_start = self.target_start - lookback + 1
        self.input_stop = self.target_stop + ahead


def test_the_audit_judges_windows_by_their_targets_and_inputs():
    observations = aquifer(n_wells=2, missing=0.0)
    split = split_by_fraction(observations)
    rows = split.rows(observations, "train").values
    validation = split.rows(observations, "validation").values
    train = Cut(*np.nonzero(rows), 10)
    later = Cut(*np.nonzero(validation), 10)
    sound = audit(observations, split, windows={"train": train, "validation": later})
    assert sound.passed, str(sound)
    assert "9 extend back before the period" in sound.table["note"].iloc[-1]
    assert sound.table["n"].tolist() == [144] * 4 + [48] * 4
    stray = audit(observations, split, windows=Cut(*np.nonzero(rows), 10, length=2))
    assert set(stray.failures["rule"]) == {"targets lie in their own period"}
    assert set(stray.failures["note"]) == {"1 windows with a target outside"}
    ahead = audit(observations, split, windows=Cut(*np.nonzero(rows), 10, ahead=1))
    assert set(ahead.failures["rule"]) == {"inputs end with their target at the latest"}
    assert not (sound + stray).passed


def test_the_packages_own_windows_are_sound_with_their_masked_targets():
    observations = aquifer()
    split = split_by_fraction(observations)
    targets = split.levels(observations, "train")
    rows = targets.notnull().values
    values = value_windows(rows, lookback=12)
    sequences = sequence_windows(rows, lookback=12, targets=50)
    assert audit(observations, split, windows=values).passed
    assert audit(observations, split, windows=sequences, targets=targets).passed
    unmasked = audit(observations, split, windows=sequences)
    assert set(unmasked.failures["rule"]) == {"targets lie in their own period"}


def test_rows_after_a_period_follow_each_wells_own_end():
    observations = aquifer(n_wells=2, missing=0.0)
    observations["level"][1, 100:] = np.nan
    split = split_by_fraction(observations)
    later = rows_after(observations, split, "train").values
    assert later.sum(axis=1).tolist() == [240 - 144, 240 - 60]


def test_perturbing_nothing_changes_nothing():
    observations = aquifer()
    none = xr.zeros_like(observations.level, dtype=bool)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for by in ("missing", "noise", "huge"):
            same = replaced(observations, ["level", "rr"], rows=none, by=by)
            xr.testing.assert_identical(same, observations)
