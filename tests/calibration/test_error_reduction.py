"""Errors of fits that have seen less are larger than those to come."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import split_by_date
from gwforecast.calibration.errors import decorrelation_time, error_reduction
from gwforecast.sequences.split import PERIODS


def errors_of(lasting_days: float, *, step: int = 7, years: int = 20) -> np.ndarray:
    """Return errors that decay with a time constant."""
    noise = np.random.default_rng(0).normal(size=round(years * 365.25 / step))
    kept = np.exp(-step / lasting_days)
    errors = [noise[0]]
    for shock in noise[1:]:
        errors.append(kept * errors[-1] + np.sqrt(1 - kept**2) * shock)
    return np.array(errors)


def times_of(rows: int, step: int) -> np.ndarray:
    return np.datetime64("1600-01-01", "s") + np.arange(rows) * np.timedelta64(step, "D")


def frame(*rows: np.ndarray) -> xr.DataArray:
    time = pd.date_range("1990-01-01", periods=rows[0].size, freq="7D")
    wells = [f"w{i}" for i in range(len(rows))]
    return xr.DataArray(np.stack(rows), {"well": wells, "time": time}, ("well", "time"))


@pytest.mark.parametrize("step", [1, 7])
def test_errors_last_as_long_as_those_of_the_process_at_daily_and_weekly_steps(step: int) -> None:
    errors = np.stack([errors_of(days, step=step, years=400) for days in (40, 150)])
    found = decorrelation_time(errors, times_of(errors.shape[1], step))
    np.testing.assert_allclose(found * 365.25, [80, 300], rtol=0.25)


def test_errors_with_gaps_last_as_long_and_none_do_not_last() -> None:
    whole = errors_of(150, years=400)
    gaps = np.where(np.random.default_rng(1).random(whole.size) < 0.5, whole, np.nan)
    times = times_of(whole.size, 7)
    found = decorrelation_time(np.stack([whole, gaps, np.full(whole.size, np.nan)]), times)
    assert found[1] == pytest.approx(found[0], rel=0.1)
    assert found[2] == 0


def test_errors_of_a_record_shorter_than_the_lags_last() -> None:
    short = np.stack([errors_of(30, years=1), errors_of(30, years=1)[::-1]])
    assert (decorrelation_time(short, times_of(short.shape[1], 7)) > 0).all()


def test_errors_count_for_less_the_less_their_fit_had_seen_and_the_longer_they_last() -> None:
    errors = frame(errors_of(20), errors_of(300))
    split = split_by_date(
        errors.to_dataset(name="level"), validation_start="2002-01-01", test_start="2006-01-01"
    )
    factor = error_reduction(errors, split, PERIODS)
    assert (factor <= 1).all()
    rows = [split.rows(errors.to_dataset(name="level"), period) for period in PERIODS]
    of_train, of_validation, of_test = (factor.where(row).mean("time") for row in rows)
    assert (of_train < of_validation).all()
    assert (of_validation < of_test).all()
    assert (factor[1] < factor[0]).all()
    # a fit that does not see the test period gains less
    before = error_reduction(errors, split, PERIODS[:-1])
    assert (before.where(rows[0]).mean("time") > of_train).all()
    assert (before.where(rows[2], 1.0) == 1.0).all()


def test_what_leaves_no_fold_out_is_not_scaled() -> None:
    errors = frame(errors_of(300))
    data = errors.to_dataset(name="level")
    split = split_by_date(data, validation_start="2002-01-01", test_start="2006-01-01")
    assert (error_reduction(errors.where(~split.rows(data, "train")), split, PERIODS) == 1).all()


@pytest.mark.parametrize("later", [np.nan, 1e6])
def test_errors_after_the_periods_change_nothing(later: float) -> None:
    errors = frame(errors_of(100))
    data = errors.to_dataset(name="level")
    split = split_by_date(data, validation_start="2002-01-01", test_start="2006-01-01")
    changed = errors.where(~split.rows(data, "test"), later)
    first, again = (error_reduction(e, split, PERIODS[:-1]) for e in (errors, changed))
    assert again.identical(first)
