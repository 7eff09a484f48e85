"""Terciles: the probability of a level below, near and above normal, and how good it is."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.sequences.normal import CLASSES, Normal
from gwforecast.verification.distribution import event_probability, events
from gwforecast.verification.forecasts import long_scores, mean_of_pairs, skill_against

__all__ = ["tercile_limits", "tercile_probabilities", "tercile_scores"]

PAIR = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME)
CATEGORY = "category"
TERCILE = "tercile"


def tercile_limits(
    observations: xr.Dataset,
    hindcasts: xr.Dataset,
    *,
    rows: xr.DataArray,
    by: Literal["month", "all"] = "month",
) -> xr.DataArray:
    """Return the terciles of the reference levels, at each valid time.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    hindcasts : xarray.Dataset
        With ``valid_time`` (issue_time, lead_time).
    rows : xarray.DataArray
        Which levels are the reference, boolean, dims (well, time): those before the issue times.
    by : {"month", "all"}
        Terciles of each calendar month (:class:`gwforecast.sequences.normal.Normal`), or of all.

    Returns
    -------
    xarray.DataArray
        Dims (tercile, well, issue_time, lead_time), m.

    Raises
    ------
    SchemaError
        If a well has fewer than nine reference levels.
    ValueError
        If ``by`` is neither.
    """
    if by not in ("month", "all"):
        raise ValueError(
            f"Terciles are taken by 'month' or of 'all' levels. Received {by!r}. Choose one."
        )
    monthly = Normal().fit(observations, rows=rows).limits_.sel(
        {schema.WELL: hindcasts[schema.WELL].values}
    )  # fmt: skip
    if by == "month":
        limits = monthly.sel(month=hindcasts[schema.VALID_TIME].dt.month).drop_vars("month")
    else:
        levels = observations[schema.LEVEL].where(rows).sel({schema.WELL: monthly[schema.WELL]})
        thirds = levels.quantile(monthly[TERCILE].values, dim=schema.TIME)
        thirds = thirds.rename({schema.QUANTILE: TERCILE})
        limits = thirds.broadcast_like(hindcasts[schema.VALID_TIME])
    return limits.drop_vars(schema.VALID_TIME, errors="ignore").transpose(TERCILE, *PAIR)


def tercile_probabilities(hindcasts: xr.Dataset, limits: xr.DataArray) -> xr.DataArray:
    """Return the forecast probability of a level below, near and above normal.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m.
    limits : xarray.DataArray
        Of :func:`tercile_limits`.

    Returns
    -------
    xarray.DataArray
        Dims (model, well, issue_time, lead_time, category), the sum over categories is 1.
    """
    low = event_probability(hindcasts, limits.isel({TERCILE: 0}, drop=True))
    high = event_probability(hindcasts, limits.isel({TERCILE: 1}, drop=True), above=True)
    # where both limits are equal, a step on them is counted near normal
    parts = [low, (1 - low - high).clip(0.0, 1.0), high]
    names = pd.Index(CLASSES, name=CATEGORY, dtype=object)
    return xr.concat(parts, names).transpose(schema.MODEL, *PAIR, CATEGORY).rename("probability")


def tercile_scores(
    hindcasts: xr.Dataset, observations: xr.Dataset, limits: xr.DataArray
) -> pd.DataFrame:
    """Return the ranked probability score of the terciles by model, well and lead time.

    Parameters
    ----------
    hindcasts, observations : xarray.Dataset
        As in :func:`gwforecast.verification.reliability.brier_scores`.
    limits : xarray.DataArray
        Of :func:`tercile_limits`.

    Returns
    -------
    pandas.DataFrame
        Columns model, well, lead, lead_time, metric (``rps``, ``skill_rps``), value, n.

    References
    ----------
    Epstein (1969), doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2.
    """
    first, second = (limits.isel({TERCILE: number}, drop=True) for number in (0, 1))
    below, event_low, used, common = events(hindcasts, observations, first, above=False)
    above, event_high, *_ = events(hindcasts, observations, second, above=True)
    climatology = _rps((np.full_like(event_low, 1 / 3), np.full_like(event_high, 1 / 3)),
                       (event_low, event_high), common)  # fmt: skip
    scores = {name: np.full(used.shape, np.nan) for name in ("rps", "skill_rps")}
    for model, chances in enumerate(zip(below, above, strict=True)):
        rps = _rps(chances, (event_low, event_high), common)
        scores["rps"][model], scores["skill_rps"][model] = rps, skill_against(rps, climatology)
    return long_scores(scores, used=used, n=common.sum(axis=1), hindcasts=hindcasts)


def _rps(
    chances: tuple[np.ndarray, np.ndarray],
    events: tuple[np.ndarray, np.ndarray],
    common: np.ndarray,
) -> np.ndarray:
    # of three classes: the mean of the Brier scores of the two limits
    parts = [(p - o) ** 2 for p, o in zip(chances, events, strict=True)]
    return mean_of_pairs(sum(parts[1:], parts[0]) / 2, common)
