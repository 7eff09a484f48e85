"""What if: levels under changed covariates, and their difference to the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.cross_validation import BLOCKS
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.models.base import Forecaster
from gwforecast.progress import ProgressOption, as_callback
from gwforecast.questions.changes import Change, apply_changes, trained_ranges, warn_of_ranges
from gwforecast.questions.files import Answer
from gwforecast.questions.fits import Estimate, Fits, fit_models
from gwforecast.runs.results.shown import prediction_table
from gwforecast.schema import SchemaError

__all__ = ["REFERENCE", "Simulated", "WhatIf", "simulate", "whatif"]


REFERENCE = "reference"
"""Name of the simulation with the covariates as they are."""

SCENARIO = "scenario"
NORMAL_95 = 1.959964

DEFAULT_MODELS = ("kernel_ridge", "linear")
"""Models of a scenario where none are named: one that bends and one that is straight."""


@dataclass(frozen=True, eq=False, repr=False)
class Simulated(Answer):
    """Levels simulated for all times with covariates.

    Parameters
    ----------
    levels : xarray.Dataset
        ``level`` (well, time, quantile), m.
    observations : xarray.Dataset
        The data that the models were fitted on.
    failed : dict of str to str
        Wells that could not be simulated, and why.
    """

    levels: xr.Dataset
    observations: xr.Dataset
    failed: dict[str, str] = field(default_factory=dict)

    about = "Simulated levels: mean, lowest and highest of each well, m"

    def summary(self) -> pd.DataFrame:
        """Return mean, lowest and highest level of each well."""
        level = self.to_dataframe().groupby("well")["predicted"]
        return level.agg(["mean", "min", "max"])

    def to_dataframe(self) -> pd.DataFrame:
        """Return the levels with their 95 % interval, m, by well and time."""
        return prediction_table(self.levels[schema.LEVEL], None, by=[schema.WELL, schema.TIME])

    def files(self) -> dict[str, pd.DataFrame | xr.Dataset]:
        """Return the levels."""
        return {"simulation.csv": self.to_dataframe(), "simulation.nc": self.levels}

    def figures(self) -> dict[str, Callable[..., Any]]:
        """Return the drawing of the levels."""
        from gwforecast import plots  # loads matplotlib

        named = self.levels.expand_dims({schema.MODEL: ["simulation"]})
        return {"": partial(plots.hydrograph, self.observations, named)}


@dataclass(frozen=True, eq=False, repr=False)
class WhatIf(Answer):
    """The answer to what if.

    Parameters
    ----------
    name : str
        Name of the scenario.
    levels : xarray.Dataset
        ``level`` (scenario, well, time, quantile), m, of ``"reference"`` and the scenario;
        ``difference`` (well, time, quantile), m, scenario - reference by the same fits. The
        attribute ``scenario`` is the name.
    differences : pandas.DataFrame
        Mean difference with its 95 % interval, m, by well and month; month 0 is the whole year.
    ranges : pandas.DataFrame
        As of :func:`gwforecast.questions.changes.trained_ranges`.
    observed : xarray.DataArray
        Observed levels, dims (well, time), m.
    failed : dict of str to str
        Wells without an answer, and why.
    """

    name: str
    levels: xr.Dataset
    differences: pd.DataFrame
    ranges: pd.DataFrame
    observed: xr.DataArray
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def about(self) -> str:  # type: ignore[override]
        """What the summary shows, with units."""
        return f"What if, {self.name}: mean difference of the level with its 95 % interval, m"

    def summary(self) -> pd.DataFrame:
        """Return the mean difference of the whole year at each well."""
        table = self.differences[self.differences["month"] == 0]
        return table.drop(columns="month").set_index("well")

    def to_dataframe(self) -> pd.DataFrame:
        """Return the levels with their 95 % interval, m, by scenario, well and time."""
        by = [SCENARIO, schema.WELL, schema.TIME]
        return prediction_table(self.levels[schema.LEVEL], None, by=by)

    def files(self) -> dict[str, pd.DataFrame | xr.Dataset]:
        """Return differences by month, ranges and levels."""
        return {
            "summary.csv": self.differences,
            "ranges.csv": self.ranges,
            "whatif.nc": self.levels,
        }

    def figures(self) -> dict[str, Callable[..., Any]]:
        """Return the drawing of scenario and difference."""
        from gwforecast import plots  # loads matplotlib

        return {"": partial(plots.scenario, self.levels, self.observed)}


def simulate(
    observations: xr.Dataset,
    *,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    blocks: int = BLOCKS,
    without_weather: bool = False,
    progress: ProgressOption = None,
) -> Simulated:
    """Simulate levels for all times with covariates, by models fitted on all levels.

    To know how good the simulation is, see :func:`gwforecast.evaluate`; here no level is kept back,
    except for the intervals, which come from errors in blocks of years that fits had not seen.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    models, settings, seed, members, workers, blocks, without_weather, progress
        As of :func:`gwforecast.fill`.

    Returns
    -------
    Simulated
        Levels with intervals.
    """
    fits = fit_models(
        observations, models=models, settings=settings, seed=seed, members=members,
        workers=workers, blocks=blocks, without_weather=without_weather,
        progress=as_callback(progress),
    )  # fmt: skip
    level = fits.with_interval(fits.simulate(fits.observations))
    levels = level.assign_attrs(units="m").to_dataset(name=schema.LEVEL)
    return Simulated(levels, fits.observations, fits.failed)


def whatif(
    observations: xr.Dataset,
    changes: Sequence[Change] | xr.Dataset,
    *,
    name: str = SCENARIO,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    blocks: int = BLOCKS,
    without_weather: bool = False,
    progress: ProgressOption = None,
) -> WhatIf:
    """Simulate levels under changed covariates, and their difference to the reference.

    Reference and scenario are simulated by the same fits on all levels, so that most of their error
    cancels in the difference. Its interval follows from how much it varies between the members of a
    model, between models, and between fits that have each left out a block of years, see
    :mod:`gwforecast.questions.fits`. It does not contain what all models leave out.

    Raises SchemaError if a covariate, well or time does not match the observations; ValueError if
    changed rain is negative, or a changed covariate infinite.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    changes : sequence of Change or xarray.Dataset
        Changes of covariates, or observations of the same wells and times with other covariates.
    name : str
        Name of the scenario, which figures, tables and attributes carry.
    models, settings, seed, members, workers, blocks, without_weather, progress
        As of :func:`gwforecast.fill`. ``linear`` and networks continue beyond the range that they
        were fitted on, each in its own way; ``kernel_ridge`` falls back to what it knows.

    Returns
    -------
    WhatIf
        Levels, difference, summary by month, and how far covariates leave the trained range.

    Warns
    -----
    UserWarning
        If changed covariates leave the range that the models were fitted on.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> time = pd.date_range("2000-01-03", periods=700, freq="7D")
    >>> rain = rng.gamma(1.0, 10.0, time.size)
    >>> level = 20 + pd.Series(rain).ewm(halflife=10).mean().to_numpy() / 10
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), level[None]), "rain": (("well", "time"), rain[None])},
    ...     {"well": ["a"], "time": time},
    ... )
    >>> drier = Change("rain", factor=0.9, months=(6,))
    >>> answer = whatif(observations, [drier], name="dry Junes", models=["linear"])
    >>> mean = answer.summary().loc["a", "difference"]
    >>> bool(abs(mean + 0.1 / 12) < 0.001)  # 10 % of 10 mm in a month of twelve, by 0.1 m/mm
    True
    """
    if isinstance(changes, xr.Dataset):
        scenario = _matching(changes, observations)
    else:
        scenario = apply_changes(observations, changes)
    fits = fit_models(
        observations, models=models, settings=settings, seed=seed, members=members,
        workers=workers, blocks=blocks, without_weather=without_weather,
        progress=as_callback(progress),
    )  # fmt: skip
    used = fits.observations
    scenario = scenario.sel({schema.WELL: used[schema.WELL].values})
    ranges = trained_ranges(used, scenario)
    moved = [n for n in schema.covariate_names(used) if not scenario[n].equals(used[n])]
    warn_of_ranges(ranges[ranges["covariate"].isin(moved)])
    levels, by_month = _compare(fits, scenario, name)
    return WhatIf(name, levels, _differences(by_month), ranges, used[schema.LEVEL], fits.failed)


def _matching(scenario: xr.Dataset, observations: xr.Dataset) -> xr.Dataset:
    """Return a scenario after checking that it has the wells, times and covariates of the data."""
    schema.validate_observations(scenario, covariates=schema.covariate_names(observations))
    same = all(
        np.array_equal(scenario[axis].values, observations[axis].values)
        for axis in (schema.WELL, schema.TIME)
    )
    if not same:
        raise SchemaError(
            "A scenario has the wells and times of the observations. Received "
            f"{dict(scenario.sizes)} for {dict(observations.sizes)}. Select the same wells and "
            "times, or use gwforecast.project for a climate projection."
        )
    return scenario


def _compare(fits: Fits, scenario: xr.Dataset, name: str) -> tuple[xr.Dataset, Estimate]:
    """Return levels of both with their difference, and the mean difference of each month."""
    reference = fits.observations

    kept: dict[int, xr.DataArray] = {}

    def difference(model: Forecaster) -> xr.DataArray:
        if id(model) not in kept:  # simulations take most of the time
            changed = model.simulate(scenario)[schema.LEVEL]
            kept[id(model)] = changed - model.simulate(reference)[schema.LEVEL]
        return kept[id(model)]

    month = reference[schema.TIME].dt.month

    def monthly(model: Forecaster) -> xr.DataArray:
        found = difference(model)
        parts = [found.mean(schema.TIME)]
        parts += [found.where(month == number).mean(schema.TIME) for number in range(1, 13)]
        return xr.concat(parts, xr.DataArray(np.arange(13), dims="month", name="month"))

    both = [fits.with_interval(fits.simulate(one)) for one in (reference, scenario)]
    level = xr.concat(both, xr.DataArray([REFERENCE, name], dims=SCENARIO, name=SCENARIO))
    level.attrs = {**reference[schema.LEVEL].attrs, "units": schema.LEVEL_UNITS}
    change = fits.estimate(difference).quantiles().transpose(..., schema.QUANTILE)
    change.attrs = {"units": "m", "long_name": f"difference of the level, {name} - {REFERENCE}"}
    levels = xr.Dataset(
        {schema.LEVEL: level, "difference": change},
        {schema.QUANTILE: list(QUANTILES)},
        {"scenario": name, "model": fits.name},
    )
    return levels, fits.estimate(monthly)


def _differences(by_month: Estimate) -> pd.DataFrame:
    """Return the mean difference of each month as a table, month 0 for the whole year."""
    value, reach = by_month.value, NORMAL_95 * by_month.error
    table = xr.Dataset({"difference": value, "lower_95": value - reach, "upper_95": value + reach})
    frame = table.to_dataframe().reset_index()
    columns = ["well", "month", "difference", "lower_95", "upper_95"]
    return frame[columns].sort_values(["well", "month"]).reset_index(drop=True)
