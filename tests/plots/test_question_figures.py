"""Figures of the next questions: what they draw is what was given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt

from gwforecast import plots

TIME = pd.date_range("2010-01-01", periods=400, freq="7D")
WAVE = 10 + np.sin(np.arange(400) / 8)
QUANTILES = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]
OFFSETS = np.array([-2.0, -1.3, -0.7, 0.0, 0.7, 1.3, 2.0])


@pytest.fixture
def filled() -> xr.Dataset:
    flag = np.zeros(400, np.int8)
    flag[100:120] = 1
    dims = ("well", "time")
    spread = np.where(flag == 1, 0.1, 0.0)[:, None] * OFFSETS
    return xr.Dataset(
        {
            "level": (dims, WAVE[None], {"units": "m"}),
            "level_flag": (dims, flag[None]),
            "level_quantiles": ((*dims, "quantile"), (WAVE[:, None] + spread)[None]),
            "simulation": (dims, WAVE[None] + 0.2),
        },
        {"well": ["a"], "time": TIME, "quantile": QUANTILES},
    )


def changed(filled: xr.Dataset) -> xr.Dataset:
    """Return levels under a reference and 0.5 m below it."""
    level = filled["level_quantiles"]
    both = xr.concat([level, level - 0.5], xr.DataArray(["reference", "dry"], dims="scenario"))
    data = xr.Dataset({"level": both, "difference": level * 0 - 0.5})
    return data.assign_coords(scenario=["reference", "dry"])


def explained() -> xr.Dataset:
    """Return the contributions of rain and pumping to a level."""
    dims = ("covariate", "well", "time")
    parts = np.stack([WAVE - 10, -0.5 * np.ones(400)])[:, None]
    return xr.Dataset(
        {
            "contribution": (dims, parts),
            "base": (dims[1:], np.full((1, 400), 10.0)),
            "level": (dims[1:], 10 + parts.sum(axis=0), {"units": "m"}),
        },
        {"covariate": ["rain", "pumping"], "well": ["a"], "time": TIME},
    )


def responses() -> xr.Dataset:
    """Return a rise to 1 m with an interval."""
    lags = np.arange(200.0)
    rise = 1 - np.exp(-lags / 40)
    values = (rise[:, None] * (1 + 0.1 * OFFSETS))[None, None]
    dims = ("covariate", "well", "lag", "quantile")
    coords = {"covariate": ["rain"], "well": ["a"], "lag": lags, "quantile": QUANTILES}
    coords["covariate_units"] = ("covariate", ["mm"])
    return xr.Dataset({"response": (dims, values, {"units": "m"})}, coords)


def declining() -> tuple[xr.Dataset, pd.DataFrame, pd.DataFrame]:
    """Return levels that decline by 0.1 m a year, the trends and a shift."""
    years = np.arange(400) * 7 / 365.25
    level = xr.DataArray([5 - 0.1 * years], {"well": ["a"], "time": TIME}, ("well", "time"))
    level.attrs["units"] = "m"
    row = {"well": "a", "slope": -0.1, "lower": -0.2, "upper": 0.0, "p_value": 0.01, "reason": ""}
    trends = pd.DataFrame([{**row, "series": s} for s in ("observed", "weather-corrected")])
    shift = {"well": "a", "date": TIME[200], "size": -0.3, "p_value": 0.02, "reason": ""}
    return xr.Dataset({"observed": level, "corrected": level}), trends, pd.DataFrame([shift])


def projected() -> xr.Dataset:
    """Return three climate projections of a level."""
    level = xr.DataArray(
        np.stack([WAVE, WAVE + 1, WAVE + 5])[:, None],
        {"projection": ["a", "b", "c"], "well": ["w"], "time": TIME},
        ("projection", "well", "time"),
        attrs={"units": "m"},
    )
    return level.to_dataset(name="level")


def errors() -> tuple[xr.DataArray, xr.DataArray]:
    """Return residuals and predicted levels."""
    noise = np.random.default_rng(0).normal(0, 0.1, 400)
    of_time = {"time": TIME}
    return xr.DataArray(noise, of_time, "time"), xr.DataArray(WAVE, of_time, "time")


DRAWN: dict[str, Callable[[xr.Dataset], Any]] = {
    "contributions": lambda _: plots.contributions(explained()),
    "filled_record": lambda filled: [plots.filled_record(filled)],
    "projections": lambda _: plots.projections(projected()),
    "residual_diagnostics": lambda _: plots.residual_diagnostics(*errors()),
    "scenario": lambda filled: plots.scenario(changed(filled)),
    "step_responses": lambda _: plots.step_responses(responses()),
    "trend": lambda _: plots.trend(*declining()),
}


@pytest.mark.parametrize("name", DRAWN)
def test_rules_for_every_figure(name: str, filled: xr.Dataset, tmp_path: Path) -> None:
    before, copied = dict(mpl.rcParams), filled.copy(deep=True)
    drawn = DRAWN[name](filled)
    figure = np.ravel(drawn)[0].figure
    assert dict(mpl.rcParams) == before
    assert filled.equals(copied)
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text()]
    assert {text.get_fontsize() for text in texts} <= {8.0, 9.0}
    assert figure.get_figwidth() <= 7.1
    figure.savefig(tmp_path / "figure.svg")
    assert "<image" not in (tmp_path / "figure.svg").read_text("utf-8")
    plt.close(figure)


def lines_of(ax) -> dict[str, np.ndarray]:
    return {str(line.get_label()): np.asarray(line.get_ydata(), float) for line in ax.lines}


def test_filled_levels_are_drawn_in_gaps_alone_and_meet_the_record(filled: xr.Dataset) -> None:
    lines = lines_of(plots.filled_record(filled))
    drawn = np.isfinite(lines["filled"])
    assert np.flatnonzero(drawn).tolist() == list(range(99, 121))
    assert not np.isfinite(lines["observed"][100:120]).any()


def test_a_scenario_shows_the_difference(filled: xr.Dataset) -> None:
    above, below = plots.scenario(changed(filled))
    assert np.allclose(lines_of(below)["dry"], -0.5)
    assert np.allclose(lines_of(above)["reference"] - lines_of(above)["dry"], 0.5)


def test_contributions_are_stacked_and_their_sum_is_drawn() -> None:
    _, below = plots.contributions(explained())
    assert np.allclose(lines_of(below)["sum"], WAVE - 10.5)


def test_the_trend_line_has_the_slope() -> None:
    above, below = plots.trend(*declining())
    line = lines_of(above)["trend"]
    assert (line[-1] - line[0]) / (399 * 7 / 365.25) == pytest.approx(-0.1)
    assert any("shift of -0.30 m" in label for label in lines_of(below))


def test_projections_show_their_median() -> None:
    lines = lines_of(plots.projections(projected()))
    assert np.allclose(lines["median"] - lines["a projection"], 1.0)
