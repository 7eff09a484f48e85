"""Coverage by year: counts by hand, and ranges that hold the truth."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from gwforecast import schema
from gwforecast.verification.probabilistic import (
    coverage_by_lead,
    coverage_by_year,
    coverage_note,
    coverage_of_blocks,
    coverage_range,
)

Q = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]
NORMAL = stats.norm.ppf(Q)


def lasting(wells: int, n: int, memory: float) -> np.ndarray:
    rng, share = np.random.default_rng(0), np.exp(-1 / memory)
    steps = rng.normal(size=(n, wells)) * np.sqrt(1 - share**2)
    steps[0] = rng.normal(size=wells)
    for step in range(1, n):
        steps[step] += share * steps[step - 1]
    return steps.T


def reliable(errors: np.ndarray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return quantiles of a standard normal distribution, and levels of given errors, weekly."""
    wells, n = errors.shape
    time = pd.date_range("2001-01-01", periods=n, freq="W-MON")
    coords = {"well": [f"w{k}" for k in range(wells)], "time": time}
    observed = xr.DataArray(errors, coords, ("well", "time"))
    level = np.broadcast_to(NORMAL, (1, wells, n, len(Q)))
    dims = ("model", "well", "time", "quantile")
    return xr.DataArray(level, {"model": ["m"], **coords, "quantile": Q}, dims), observed


def test_years_are_counted() -> None:
    predictions, observed = reliable(lasting(2, 120, 0.3))
    observed[0, 30:40] = np.nan
    table = coverage_by_year(predictions, observed)
    assert sorted(table["nominal"].unique()) == [50, 80, 95]
    row = table.query("well == 'w0' and year == '2002' and nominal == 80").iloc[0]
    of_year = observed.sel(well="w0", time="2002").dropna("time")
    assert row["n"] == of_year.size
    assert row["value"] == float((np.abs(of_year) <= NORMAL[-2]).mean())
    whole = table.query("well == 'w0' and year == 'all' and nominal == 95").iloc[0]
    assert whole["n"] == 110
    assert whole["lower"] < whole["value"] < whole["upper"]


def test_blocks_of_years_add_up() -> None:
    predictions, observed = reliable(lasting(2, 5 * 52, 2.0))
    observed[1, :60] = np.nan  # the second well begins in 2002
    table = coverage_by_year(predictions, observed)
    each = coverage_of_blocks(table)
    assert each["years"].tolist() == ["2001", "2002", "2003", "2004", "2005", "all"]
    first = table.query("nominal == 95 and year == '2001'")
    assert each.iloc[0][["value", "lower", "upper"]].tolist() == pytest.approx(
        first[["value", "lower", "upper"]].iloc[0].tolist(),
        rel=1e-2,  # the number of independent errors in the table is rounded
    )
    joined = coverage_of_blocks(table.query("well == 'w0'"), most=2, nominal=80)
    assert joined["years"].tolist() == ["2001-03", "2004-05", "all"]
    own = observed.sel(well="w0")
    inside = np.abs(own) <= NORMAL[-2]
    for years, value, n in zip(joined["years"], joined["value"], joined["n"], strict=True):
        part = {"2001-03": slice("2001", "2003"), "2004-05": slice("2004", "2005")}.get(years)
        chosen = inside if part is None else inside.sel(time=part)
        assert (value, n) == (pytest.approx(float(chosen.mean())), chosen.size)


def test_ranges_hold_the_nominal_coverage_of_reliable_intervals() -> None:
    for memory in (0.3, 4.0, 13.0):
        predictions, observed = reliable(lasting(300, 4 * 52, memory))
        table = coverage_by_year(predictions, observed).query("year == 'all'")
        for nominal, part in table.groupby("nominal"):
            held = (part["lower"] <= nominal / 100) & (part["upper"] >= nominal / 100)
            assert held.mean() > 0.92
    narrow = part["upper"] - part["lower"]
    alone = coverage_by_year(*reliable(lasting(300, 4 * 52, 0.3))).query("year == 'all'")
    assert narrow.mean() > 1.5 * (alone["upper"] - alone["lower"])[alone["nominal"] == 95].mean()


def test_the_range_is_the_binomial_one() -> None:
    expected = stats.binomtest(19, 20).proportion_ci(method="exact")
    np.testing.assert_allclose(coverage_range(0.95, 20.0), [expected.low, expected.high])
    np.testing.assert_allclose(coverage_range(1.0, 10.0)[1], 1.0)
    np.testing.assert_allclose(coverage_range(0.0, 10.0)[0], 0.0)


def test_lead_times_are_those_of_the_issues() -> None:
    predictions, observed = reliable(lasting(1, 100, 0.3))
    issued = observed["time"].values
    frame = schema.label_forecast(
        np.zeros((1, 100, 10)), wells=["w0"], issue_times=issued, frequency="W-MON"
    )
    level = predictions.rename(time="issue_time").expand_dims({"lead_time": 10}, axis=3)
    dims = ("model", "well", "issue_time", "lead_time", "quantile")
    hindcasts = frame.drop_vars("level").assign(level=level.transpose(*dims))
    truth = frame["level"] + observed.values[..., None]
    table = coverage_by_lead(hindcasts, truth)
    assert table["lead"].unique().tolist() == [1, 3, 10]
    alone = coverage_by_year(predictions, observed)
    for _, part in table.groupby("lead"):
        np.testing.assert_allclose(part["value"], alone["value"])
    assert "95 % confidence interval" in coverage_note(table)
    assert coverage_note(pd.DataFrame()) == ""
