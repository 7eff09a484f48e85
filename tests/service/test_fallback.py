"""The climatology that forecasts a well without a model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.service.readiness import forecast_by_climatology

ISSUED = np.datetime64("2012-05-28")


def a_well(spread: np.ndarray | float = 0.0) -> xr.Dataset:
    """Twelve years of weekly levels with a season, and what is added to them."""
    times = pd.date_range("2000-01-03", ISSUED, freq="W-MON")
    level = 20 + np.sin(2 * np.pi * times.day_of_year / 365.25) + spread * np.ones(times.size)
    return xr.Dataset(
        {schema.LEVEL: ((schema.WELL, schema.TIME), np.asarray(level)[None])},
        {schema.WELL: ["MW-1"], schema.TIME: times.to_numpy().astype(schema.TIME_DTYPE)},
    )


def between_years() -> np.ndarray:
    """Return years far apart at first and alike in the end, where the errors are learnt."""
    years = np.asarray(a_well()[schema.TIME].dt.year)
    return np.where(years < 2008, 2.0 * (-1.0) ** years, 0.05 * (-1.0) ** years)


def test_bands_are_no_narrower_than_past_years_were_at_the_date() -> None:
    observations = a_well(between_years())
    level, _ = forecast_by_climatology(observations, ISSUED, horizon=8)
    past = observations[schema.LEVEL][0]
    june = past.where(past[schema.TIME].dt.month == 6).dropna(schema.TIME)
    lower, upper = level[:4].mean(axis=0)[[0, -1]]
    assert float(((june >= lower) & (june <= upper)).mean()) > 0.9
    assert upper - lower > 3.5


def test_quantiles_rise_and_the_median_follows_the_season() -> None:
    level, through = forecast_by_climatology(a_well(between_years()), ISSUED, horizon=26)
    assert level.shape == (26, len(QUANTILES))
    assert (np.diff(level, axis=1) >= 0).all()
    assert level[-8, QUANTILES.index(0.5)] < level[0, QUANTILES.index(0.5)] - 0.7
    assert through <= ISSUED


@pytest.mark.parametrize("after", [np.nan, 1e6])
def test_nothing_after_the_issue_time_counts(after: float) -> None:
    observations = a_well(between_years())
    issued = observations[schema.TIME].values[-60]
    changed = observations.copy(deep=True)
    changed[schema.LEVEL][0, -59:] = after
    ours, theirs = (
        forecast_by_climatology(one, issued, horizon=8)[0] for one in (observations, changed)
    )
    assert ours.tobytes() == theirs.tobytes()


def test_too_few_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="too few past errors"):
        forecast_by_climatology(a_well().isel({schema.TIME: slice(-5, None)}), ISSUED, horizon=8)
