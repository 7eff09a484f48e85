"""Figures of the next questions: what they draw is what was given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

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


def lines_of(ax) -> dict[str, np.ndarray]:
    return {str(line.get_label()): np.asarray(line.get_ydata(), float) for line in ax.lines}


def test_filled_levels_are_drawn_in_gaps_alone_and_meet_the_record(filled: xr.Dataset) -> None:
    lines = lines_of(plots.filled_record(filled))
    drawn = np.isfinite(lines["filled"])
    assert np.flatnonzero(drawn).tolist() == list(range(99, 121))
    assert not np.isfinite(lines["observed"][100:120]).any()


def test_a_scenario_shows_the_difference(filled: xr.Dataset) -> None:
    level = filled["level_quantiles"]
    both = xr.concat([level, level - 0.5], xr.DataArray(["reference", "dry"], dims="scenario"))
    data = xr.Dataset({"level": both, "difference": level * 0 - 0.5}).assign_coords(
        scenario=["reference", "dry"]
    )
    above, below = plots.scenario(data)
    assert np.allclose(lines_of(below)["dry"], -0.5)
    assert np.allclose(lines_of(above)["reference"] - lines_of(above)["dry"], 0.5)


def test_contributions_are_stacked_and_their_sum_is_drawn() -> None:
    dims = ("covariate", "well", "time")
    parts = np.stack([WAVE - 10, -0.5 * np.ones(400)])[:, None]
    data = xr.Dataset(
        {
            "contribution": (dims, parts),
            "base": (dims[1:], np.full((1, 400), 10.0)),
            "level": (dims[1:], 10 + parts.sum(axis=0), {"units": "m"}),
        },
        {"covariate": ["rain", "pumping"], "well": ["a"], "time": TIME},
    )
    _, below = plots.contributions(data)
    assert np.allclose(lines_of(below)["sum"], WAVE - 10.5)


def test_the_trend_line_has_the_slope() -> None:
    years = np.arange(400) * 7 / 365.25
    level = xr.DataArray([5 - 0.1 * years], {"well": ["a"], "time": TIME}, ("well", "time"))
    level.attrs["units"] = "m"
    levels = xr.Dataset({"observed": level, "corrected": level})
    row = {"well": "a", "slope": -0.1, "lower": -0.2, "upper": 0.0, "p_value": 0.01, "reason": ""}
    trends = pd.DataFrame([{**row, "series": s} for s in ("observed", "weather-corrected")])
    shifts = pd.DataFrame(
        [{"well": "a", "date": TIME[200], "size": -0.3, "p_value": 0.02, "reason": ""}]
    )
    above, below = plots.trend(levels, trends, shifts)
    line = lines_of(above)["trend"]
    assert (line[-1] - line[0]) / years[-1] == pytest.approx(-0.1)
    assert any("shift of -0.30 m" in label for label in lines_of(below))


def test_projections_show_their_median() -> None:
    level = xr.DataArray(
        np.stack([WAVE, WAVE + 1, WAVE + 5])[:, None],
        {"projection": ["a", "b", "c"], "well": ["w"], "time": TIME},
        ("projection", "well", "time"),
        attrs={"units": "m"},
    )
    lines = lines_of(plots.projections(level.to_dataset(name="level")))
    assert np.allclose(lines["median"] - lines["a projection"], 1.0)
