"""Diagnostics find what residuals have been given, and nothing in noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast.questions.diagnostics import residual_diagnostics
from gwforecast.schema import SchemaError

DAYS = pd.date_range("2005-01-01", periods=2922)
RNG = np.random.default_rng(4)
NOISE = RNG.normal(0, 0.1, DAYS.size)
LEVEL = np.cumsum(RNG.normal(size=DAYS.size)) / 20


def table_of(values: np.ndarray) -> pd.DataFrame:
    series = [xr.DataArray(v, {"time": DAYS}, ("time",)) for v in (values, LEVEL)]
    return residual_diagnostics(*series).set_index("diagnostic")


def test_noise_passes_all() -> None:
    table = table_of(NOISE)
    assert table["passed"].all(), table
    assert table.loc["deviation", "value"] == pytest.approx(0.1, rel=0.05)
    assert table["meaning"].str.len().gt(10).all()


@pytest.mark.parametrize(
    ("added", "diagnostic", "said"),
    [
        (0.05, "mean", "too high by 0.05"),
        (pd.Series(NOISE).rolling(30, min_periods=1).mean().to_numpy() * 8, "ljung_box", "not ind"),
        (pd.Series(NOISE).rolling(30, min_periods=1).mean().to_numpy() * 8, "runs", "one side"),
        (2 * np.abs(NOISE) ** 1.5, "normality", "above"),
        (0.3 * LEVEL, "level", "high levels are too high: the range of levels is too large"),
        (0.1 * np.cos(2 * np.pi * (DAYS.day_of_year - 100) / 365.25), "season", "in April"),
        (NOISE * np.exp(2 * (LEVEL - LEVEL.mean())), "spread", "larger at high levels"),
        (
            0.2 * (DAYS >= "2009-06-01"),
            "shift",
            "moved by -0.19 m against the predictions in 2009-06",
        ),
    ],
)
def test_each_defect_is_found(added: object, diagnostic: str, said: str) -> None:
    row = table_of(NOISE + np.asarray(added)).loc[diagnostic]
    assert not row["passed"]
    assert said in row["meaning"]


def test_few_residuals_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"at least 30 residuals. Received 10"):
        table_of(np.where(np.arange(DAYS.size) < 10, NOISE, np.nan))


def test_residuals_of_an_evaluation_are_of_unseen_periods() -> None:
    observations = gw.load_sample().sel(well=["ridge"])
    evaluation = gw.evaluate(observations, models=["climatology"])
    residuals, predicted = gw.evaluation_residuals(evaluation, model="climatology", well="ridge")
    start = evaluation.split.start("validation").item()
    assert residuals.dropna("time")["time"].values[0] >= np.datetime64(start, "ns")
    assert predicted.notnull().any()
    assert len(gw.plots.residual_diagnostics(residuals, predicted, name="ridge")) == 6
