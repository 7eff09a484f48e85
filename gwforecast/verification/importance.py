"""How much a prediction owes to each covariate: scores with the weather of other years."""

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
    """Return by how much the NSE drops where a covariate is that of other years.

    A covariate is moved by whole years, around the end of the record, so that its season and its
    memory stay and only what happened in which year is lost. Days in any order would be weather
    that no network has seen, and would make the importance too great [1]_. What a season alone
    explains is therefore no importance of a covariate.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted, with a method ``simulate``.
    observations : xarray.Dataset
        Dimensions (well, time).
    split : Split
        The periods.
    period : {"validation", "train", "test"}
        Rows that are scored.
    covariates : sequence of str, optional
        By default all, one after the other.
    repeats : int
        Numbers of years that each is moved by, at most those of the record.
    seed : int
        Seed of their choice.

    Returns
    -------
    pandas.DataFrame
        Columns well, covariate, repeat, years (moved by), nse, nse_intact, drop (nse_intact - nse).
        A covariate that the forecaster does not use has a drop of exactly 0.

    Raises
    ------
    ValueError
        If the record has fewer than two years, or a covariate is unknown.

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
    times = observations[schema.TIME].values
    year = timeline.steps_per_year(timeline.infer_frequency(times))
    most = int(times.size // year)
    if most < 2:
        raise ValueError(
            "The weather of other years takes a record of at least two. Received "
            f"{times.size / year:.1f}. Give a longer one."
        )
    rng = np.random.default_rng(seed)
    shifts = rng.permutation(np.arange(1, most))[:repeats]
    levels = split.levels(observations, period)
    intact = _scores(forecaster.simulate(observations), levels)
    rows = []
    for name in wanted:
        for repeat, years in enumerate(shifts):
            moved = np.roll(
                observations[name].values, round(years * year), axis=_axis(observations, name)
            )
            changed = observations.assign({name: observations[name].copy(data=moved)})
            found = _scores(forecaster.simulate(changed), levels)
            for well, nse in found.items():
                rows.append((well, name, repeat, int(years), nse, intact[well], intact[well] - nse))
    return pd.DataFrame(rows, columns=COLUMNS)


def _axis(observations: xr.Dataset, name: str) -> int:
    return observations[name].dims.index(schema.TIME)


def _scores(simulation: xr.Dataset, levels: xr.DataArray) -> dict[str, float]:
    """Return the NSE of each well on the rows that are observed and simulated."""
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
