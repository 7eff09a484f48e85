"""The figures against committed images.

After a wanted change: look at each, then ``pytest tests/plots/test_images.py --mpl
--mpl-generate-path=tests/plots/baseline``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import plots
from gwforecast.sequences.split import split_by_fraction

image = pytest.mark.mpl_image_compare(
    baseline_dir="baseline",
    tolerance=10,
    style="default",
    backend="agg",
    savefig_kwargs={"dpi": 100, "metadata": {"Software": None}},
)

MODELS = ("lstm", "mlp", "climatology")


@image
def test_hydrograph_daily(observations, predictions, split):
    note = "test: NSE 0.91, RMSE 0.13 m"
    return plots.hydrograph(observations, predictions, split=split, note=note).figure


@image
def test_hydrograph_of_dips_with_missing_rain(dips, make):
    dips["rain"][:, 700:900] = np.nan
    predictions = make["predictions"](dips)
    return plots.hydrograph(dips, predictions, split=split_by_fraction(dips)).figure


@image
def test_hydrograph_of_sixty_years(make):
    observations = make["observations"](start="1961-01-01", steps=21900)
    return plots.hydrograph(
        observations, make["predictions"](observations), split=split_by_fraction(observations)
    ).figure


@image
def test_hydrograph_of_a_short_view(observations, predictions, split):
    period = ("2014-05-01", "2014-08-31")
    return plots.hydrograph(observations, predictions, split=split, period=period).figure


@image
def test_hydrograph_without_rain(make):
    observations = make["observations"](steps=400, frequency="W-MON")
    return plots.hydrograph(observations.drop_vars("rain")).figure


@image
def test_observed_predicted(observations, predictions, split):
    return plots.observed_predicted(observations, predictions, split=split).figure


@image
def test_residuals(observations, predictions, split):
    return plots.residuals(observations, predictions, split=split).figure


@image
def test_residuals_by_season(observations, predictions, split):
    return plots.residuals_by_season(observations, predictions, split=split, period="train").figure


@image
def test_all_models(dips, make):
    predictions = make["predictions"](dips, models=MODELS)
    axes = plots.all_models(
        dips, predictions, split=split_by_fraction(dips), best="lstm", notes={"lstm": "NSE 0.91"}
    )
    return axes[0].figure


@image
def test_training_history(make):
    return plots.training_history(make["history"]()).figure


@image
def test_score_comparison_of_one_well(make):
    return plots.score_comparison(make["scores"](wells=1)).figure


@image
def test_score_comparison_of_many_wells(make):
    return plots.score_comparison(make["scores"](wells=40)).figure


@image
def test_classes(dips, make):
    probability, observed = make["probability"](dips)
    return plots.classes(probability, observed=observed).figure


@image
def test_gaps(make):
    observations = make["observations"](wells=3)
    observations["level"][1, :600] = np.nan
    observations["rain"][2, 1000:1200] = np.nan
    return plots.gaps(observations).figure


@image
def test_gaps_of_many_wells(make):
    observations = make["observations"](wells=150)
    late = xr.DataArray(np.arange(150) * 7 % 90 * 12, dims="well")
    observed = observations["level"].where(xr.DataArray(np.arange(2000), dims="time") >= late)
    return plots.gaps(observations.assign(level=observed.transpose("well", "time"))).figure


@image
def test_interval_coverage():
    nominal = np.array([0.5, 0.8, 0.95])
    tables = [
        pd.DataFrame({"model": model, "nominal": nominal, "observed": nominal**power})
        for model, power in (("lstm", 1.0), ("mlp", 1.5), ("linear", 0.7))
    ]
    return plots.interval_coverage(pd.concat(tables)).figure


@image
def test_tuning(make):
    trials, space = make["trials"]()
    return plots.tuning(trials, space=space, model="lstm")[0].figure
