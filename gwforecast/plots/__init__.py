"""Figures of levels, predictions, forecasts and scores.

Functions take data and return :class:`matplotlib.axes.Axes`, or a list of them; they neither show
nor save figures. Each draws in the given ``ax``, or in a new figure. Save a figure with
``ax.figure.savefig(path, dpi=200)``, and close it with :func:`close` when many are made.
"""

from gwforecast.plots.answers import (
    attribution,
    contributions,
    filled_record,
    importance,
    projections,
    scenario,
    step_responses,
    trend,
)
from gwforecast.plots.errors import (
    observed_predicted,
    residual_diagnostics,
    residuals,
    residuals_by_season,
)
from gwforecast.plots.forecasts import fan, hindcasts
from gwforecast.plots.levels import all_models, gaps, hydrograph, lag_correlation, rain_departure
from gwforecast.plots.scores import coverage_by_year, interval_coverage, score_comparison
from gwforecast.plots.skill import pit, reliability, scores_by_lead
from gwforecast.plots.status import classes, status_strip
from gwforecast.plots.style import close
from gwforecast.plots.training import training_history, tuning
from gwforecast.plots.wells import extreme_wells, score_by_attribute, score_distribution, score_map

__all__ = [
    "all_models", "attribution", "classes", "close", "contributions", "coverage_by_year",
    "extreme_wells", "fan", "filled_record", "gaps", "hindcasts", "hydrograph", "importance",
    "interval_coverage", "lag_correlation", "observed_predicted", "pit", "projections",
    "rain_departure", "reliability", "residual_diagnostics", "residuals", "residuals_by_season",
    "scenario", "score_by_attribute", "score_comparison", "score_distribution", "score_map",
    "scores_by_lead", "status_strip", "step_responses", "training_history", "trend", "tuning",
]  # fmt: skip
