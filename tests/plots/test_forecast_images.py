"""The figures of forecasts against committed images.

After a wanted change: look at each, then ``pytest tests/plots/test_forecast_images.py --mpl
--mpl-generate-path=tests/plots/baseline``.
"""

from __future__ import annotations

import numpy as np
import pytest

from gwforecast import plots

image = pytest.mark.mpl_image_compare(
    baseline_dir="baseline",
    tolerance=10,
    style="default",
    backend="agg",
    savefig_kwargs={"dpi": 100, "metadata": {"Software": None}},
)

ISSUES = ["2014-03-01", "2014-06-01", "2014-09-01"]


@image
def test_image_of_a_fan(observations, make):
    return plots.fan(make["forecast"](observations, ISSUES), observations, normal=True).figure


@image
def test_image_of_a_fan_of_weekly_dips(make):
    dips = make["dips"]()
    late = dips["time"] > np.datetime64("2014-08-20")
    forecast = make["forecast"](dips, ISSUES)
    forecast["level"][..., 20:24, :] = np.nan
    dips = dips.assign(level=dips["level"].where(~late))
    return plots.fan(forecast, dips, history=300).figure


@image
def test_image_of_a_fan_of_one_lead_time(observations, make):
    return plots.fan(make["forecast"](observations, ISSUES, leads=1), observations).figure


@image
def test_image_of_hindcasts(observations, make):
    issues = observations["time"].values[500:1900:10]
    return plots.hindcasts(make["forecast"](observations, issues), observations).figure


@image
def test_image_of_scores_by_lead(make):
    return plots.scores_by_lead(make["lead_scores"]()).figure


@image
def test_image_of_skill_by_lead(make):
    metric = "skill_crps_persistence"
    return plots.scores_by_lead(make["lead_scores"](metric=metric), metric=metric).figure


@image
def test_image_of_reliability(make):
    return plots.reliability(make["bins"](models=("lstm", "mlp", "climatology"))).figure


@image
def test_image_of_pit(make):
    return plots.pit(make["pit"]()).figure


@image
def test_image_of_pit_of_several_models(make):
    return plots.pit(make["pit"](models=("blend", "lstm", "persistence"))).figure


@image
def test_image_of_states(make):
    return plots.status_strip(make["status"](), issue_time="2023-03-15").figure


@image
def test_image_of_states_of_few_months(make):
    return plots.status_strip(make["status"](wells=5, months=14), issue_time="2020-12-15").figure
