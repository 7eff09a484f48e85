"""Importance of covariates: the loss of skill when one is replaced by that of other years."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.models.base import Forecaster
from gwforecast.sequences.split import Period, Split
from gwforecast.verification import metrics

__all__ = ["permutation_importance"]


COLUMNS = ["well", "covariate", "repeat", "years", "nse", "nse_intact", "drop"]


def permutation_importance(
    forecaster: Forecaster,
    observations: xr.Dataset,
    *,
    split: Split,
    period: Period = "validation",
    covariates: Sequence[str] | None = None,
    repeats: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the drop in NSE when a covariate is replaced by that of other years.

    A covariate is shifted by whole years, wrapping around at the ends of its record: its season and
    autocorrelation stay, and only the order of the years is lost. Days in random order would be
    weather unlike any in training, and would exaggerate the importance [1]_. The season that a
    covariate explains is therefore not part of its importance.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted, with a method ``simulate``.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods.
    period : {"validation", "train", "test"}
        The scored period.
    covariates : sequence of str, optional
        Covariates that are shifted, one at a time; by default all.
    repeats : int
        Number of shifts of each covariate, at most the years of the shortest record minus one.
    seed : int
        Seed of the choice of shifts.

    Returns
    -------
    pandas.DataFrame
        Columns well, covariate, repeat, years (of the shift), nse, nse_intact, drop (nse_intact -
        nse). A covariate that the forecaster does not use has a drop of exactly 0.

    Raises
    ------
    ValueError
        If a covariate has a record of fewer than two years, or is unknown.

    References
    ----------
    .. [1] Hooker, G., Mentch, L., and Zhou, S. (2021). Unrestricted permutation forces
       extrapolation. Statistics and Computing 31, 82. https://doi.org/10.1007/s11222-021-10057-z
    """
    names = schema.covariate_names(observations)
    wanted = names if covariates is None else list(covariates)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ValueError(
            f"Covariates must be among {', '.join(names)}. Received {unknown[0]!r}. Correct it."
        )
    year = timeline.steps_per_year(timeline.infer_frequency(observations[schema.TIME].values))
    most = min((_years(observations[name], year) for name in wanted), default=2.0)
    if most < 2:
        raise ValueError(
            "Covariates of other years need a record of at least two years. Received "
            f"{most:.1f}. Use a longer record."
        )
    rng = np.random.default_rng(seed)
    shifts = rng.permutation(np.arange(1, int(most)))[:repeats]
    levels = split.levels(observations, period)
    intact = _scores(forecaster.simulate(observations), levels)
    rows = []
    for name in wanted:
        for repeat, years in enumerate(shifts):
            own = observations[name]
            axis = own.dims.index(schema.TIME)
            moved = np.apply_along_axis(_of_other_years, axis, own.values, int(years), year)
            changed = observations.assign({name: own.copy(data=moved)})
            found = _scores(forecaster.simulate(changed), levels)
            for well, nse in found.items():
                rows.append((well, name, repeat, int(years), nse, intact[well], intact[well] - nse))
    table = pd.DataFrame(rows, columns=COLUMNS)
    table.attrs["model"] = forecaster.name
    return table


def _years(series: xr.DataArray, year: float) -> float:
    """Return the years of the shortest record of a covariate, from first to last value."""
    known = series.notnull()
    steps = xr.DataArray(np.arange(known.sizes[schema.TIME]), dims=schema.TIME)
    spans = steps.where(known).max(schema.TIME) - steps.where(known).min(schema.TIME) + 1
    return float(spans.min()) / year if known.any() else 0.0


def _of_other_years(series: np.ndarray, years: int, year: float) -> np.ndarray:
    """Return a series (time,) with the values of some years before, of later years at its start."""
    known = np.flatnonzero(np.isfinite(series))
    if not known.size:
        return series
    span = slice(known[0], known[-1] + 1)
    own = series[span]
    source = np.arange(own.size) - round(years * year)
    source[source < 0] += round(own.size // year * year)
    moved = series.copy()
    moved[span] = own[source]
    return moved


def _scores(simulation: xr.Dataset, levels: xr.DataArray) -> dict[str, float]:
    """Return the NSE of each well over the observed and simulated rows."""
    level = simulation[schema.LEVEL]
    if schema.MEMBER in level.dims:
        level = level.median(schema.MEMBER)
    found = {}
    for well in levels[schema.WELL].values:
        observed = levels.sel({schema.WELL: well}).values
        predicted = level.sel({schema.WELL: well}).values
        known = np.isfinite(observed) & np.isfinite(predicted)
        found[str(well)] = float(metrics.nse(observed=observed[known], predicted=predicted[known]))
    return found
