"""Scores of forecast probabilities of events: Brier score, its parts, reliability, terciles.

Probabilities are computed from quantiles in :mod:`gwforecast.verification.distribution`. Terciles
are the events of a level below, near and above normal.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.sequences.scale import Normal
from gwforecast.verification.distribution import event_probability, events, on_pairs, pit_values
from gwforecast.verification.lead_scoring import long_scores, mean_of_pairs, observed_pairs
from gwforecast.verification.scoring import skill_against
from gwforecast.verification.significance import block_weights, issue_steps, steps_to_valid

__all__ = [
    "brier_scores", "event_probability", "pit_values", "probability_definitions",
    "reliability_counts", "reliability_of_counts", "reliability_table", "tercile_limits",
    "tercile_scores",
]  # fmt: skip


PAIR = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME)
TERCILE = "tercile"


def tercile_limits(
    observations: xr.Dataset,
    hindcasts: xr.Dataset,
    *,
    rows: xr.DataArray,
    by: Literal["month", "all"] = "month",
) -> xr.DataArray:
    """Return the terciles of the reference levels at each valid time.

    Reference levels are those of some rows, boolean, (well, time), before the issue times of the
    hindcasts. Terciles are of each calendar month (:class:`gwforecast.sequences.scale.Normal`), or
    of all levels; dims (tercile, well, issue_time, lead_time), m.

    Raises SchemaError if a well has fewer than nine reference levels, and ValueError if ``by`` is
    neither.
    """
    if by not in ("month", "all"):
        raise ValueError(
            f"Terciles are computed by 'month' or of 'all' levels. Received {by!r}. Choose one."
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


def tercile_scores(
    hindcasts: xr.Dataset, observations: xr.Dataset, limits: xr.DataArray
) -> pd.DataFrame:
    """Return the ranked probability score of the terciles by model, well and lead time.

    Parameters
    ----------
    hindcasts, observations : xarray.Dataset
        As in :func:`gwforecast.verification.events.brier_scores`.
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
    levels = observed_pairs(hindcasts, observations)
    return long_scores(scores, used=used, n=common.sum(axis=1), levels=levels, hindcasts=hindcasts)


def _rps(
    chances: tuple[np.ndarray, np.ndarray],
    events: tuple[np.ndarray, np.ndarray],
    common: np.ndarray,
) -> np.ndarray:
    # of three classes: the mean of the Brier scores of the two limits
    parts = [(p - o) ** 2 for p, o in zip(chances, events, strict=True)]
    return mean_of_pairs(sum(parts[1:], parts[0]) / 2, common)


def probability_definitions() -> dict[str, str]:
    """Return the definition of each metric of events and terciles, by name."""
    return {
        "brier": "mean squared error of the probability of the event, 1",
        "skill_brier": "1 - Brier score / that of the climatological frequency on the same pairs",
        "reliability": "mean squared distance of probability and frequency within bins, 1; 0 best",
        "resolution": "variance of the frequency between bins minus that within them, 1",
        "uncertainty": "frequency (1 - frequency), 1; Brier = reliability - resolution + this",
        "frequency": "share of the pairs in which the event was observed, 1",
        "rps": "ranked probability score of the terciles, 0 to 1",
        "skill_rps": "1 - RPS / that of a third for each tercile on the same pairs",
    }


def brier_scores(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    threshold: float | xr.DataArray,
    *,
    above: bool = False,
    frequency: float | xr.DataArray | None = None,
    bins: int = 10,
) -> pd.DataFrame:
    """Score the probability of an event by model, well and lead time.

    All models are scored on the same pairs, as in
    :func:`gwforecast.verification.lead_scoring.lead_scores`. The decomposition of the Brier score
    over bins of equal width is exact: the variance and covariance within bins are part of the
    resolution.

    Parameters
    ----------
    hindcasts, observations : xarray.Dataset
        As in :func:`event_probability` and :func:`pit_values`.
    threshold : float or xarray.DataArray
        m, as in :func:`event_probability`.
    above : bool
        Whether the event is a level above the threshold.
    frequency : float or xarray.DataArray, optional
        Climatological frequency of the event from earlier levels, e.g. dims (well,); by default
        that of the scored pairs, a harder reference, as it uses the outcomes.
    bins : int
        Number of bins of the probability.

    Returns
    -------
    pandas.DataFrame
        Columns model, well, lead, lead_time, metric, value, n, not_scored; metrics of
        :func:`probability_definitions`.

    References
    ----------
    Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2; Murphy (1973),
    doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; Stephenson, Coelho and Jolliffe (2008),
    doi:10.1175/2007WAF2006116.1.
    """
    _check_bins(bins)
    given = on_pairs(np.nan if frequency is None else frequency, hindcasts, name="frequency")
    probability, event, used, common = events(hindcasts, observations, threshold, above=above)
    n = common.sum(axis=1)
    happened = mean_of_pairs(event, common)
    reference = np.where(np.isnan(given.values), happened[:, None], given.values)
    climatology = mean_of_pairs((reference - event) ** 2, common)
    names = ("brier", "skill_brier", "reliability", "resolution", "uncertainty", "frequency")
    scores = {name: np.full(used.shape, np.nan) for name in names}
    for model, chances in enumerate(probability):
        brier = mean_of_pairs((chances - event) ** 2, common)
        scores["brier"][model] = brier
        scores["skill_brier"][model] = skill_against(brier, climatology)
        reliability = _reliability(chances, event, common, bins)
        scores["reliability"][model] = reliability
        scores["resolution"][model] = reliability + happened * (1 - happened) - brier
        scores["uncertainty"][model] = happened * (1 - happened)
        scores["frequency"][model] = happened
    levels = observed_pairs(hindcasts, observations)
    return long_scores(scores, used=used, n=n, levels=levels, hindcasts=hindcasts)


def reliability_table(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    threshold: float | xr.DataArray,
    *,
    above: bool = False,
    bins: int = 10,
    draws: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the observed frequency of an event by its forecast probability.

    Wells and lead times are pooled; select from the hindcasts for a table of some of them.
    Arguments are those of :func:`brier_scores`, and number of samples and seed of the bootstrap.

    There is a row for each model and bin with forecasts: columns model, bin (its number),
    probability (mean), frequency, n, lower and upper (95 % range of the frequency, from samples of
    whole blocks of issue times as long as the longest lead time, with all their wells and leads).

    References
    ----------
    Murphy and Winkler (1977), doi:10.2307/2346866; Politis and Romano (1994),
    doi:10.1080/01621459.1994.10476870.
    """
    counts = reliability_counts(hindcasts, observations, threshold, above=above, bins=bins)
    return reliability_of_counts(counts, draws=draws, seed=seed)


def reliability_counts(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    threshold: float | xr.DataArray,
    *,
    above: bool = False,
    bins: int = 10,
) -> xr.Dataset:
    """Return the counts behind a table of reliability, which add up over groups of wells.

    ``n``, ``hits`` (events that were observed) and ``chances`` (sum of the probabilities), dims
    (model, issue_time, bin); the attribute ``block`` is the longest lead time in strides.
    """
    _check_bins(bins)
    probability, event, _, common = events(hindcasts, observations, threshold, above=above)
    issues = np.broadcast_to(np.arange(event.shape[1])[:, None], event.shape)
    parts = []
    for chances in probability:
        rows = common & np.isfinite(chances)
        cell = issues[rows] * bins + _bin(chances[rows], bins)
        parts.append(
            [
                np.bincount(cell, weights=w, minlength=event.shape[1] * bins).reshape(-1, bins)
                for w in (None, event[rows], chances[rows])
            ]
        )
    dims = (schema.MODEL, schema.ISSUE_TIME, "bin")
    values = np.asarray(parts, float)
    return xr.Dataset(
        {name: (dims, values[:, k]) for k, name in enumerate(("n", "hits", "chances"))},
        {name: hindcasts[name].values for name in (schema.MODEL, schema.ISSUE_TIME)},
        {"block": int(steps_to_valid(hindcasts).max())},
    )


def reliability_of_counts(counts: xr.Dataset, *, draws: int = 500, seed: int = 0) -> pd.DataFrame:
    """Return the table of :func:`reliability_table` from :func:`reliability_counts`."""
    steps = issue_steps(counts)
    weights = block_weights(
        int(steps[-1]) + 1, block=counts.attrs["block"], draws=draws, seed=seed
    )[:, steps]
    tables = []
    for model in counts[schema.MODEL].values:
        of_model = counts.sel({schema.MODEL: model})
        numbers, hits, sums = (of_model[name].values for name in ("n", "hits", "chances"))
        filled = np.flatnonzero(numbers.sum(axis=0))
        drawn = weights @ numbers[:, filled]
        shares = np.full(drawn.shape, np.nan)
        np.divide(weights @ hits[:, filled], drawn, out=shares, where=drawn > 0)
        n = numbers.sum(axis=0)[filled].astype(int)
        lower, upper = np.nanquantile(shares, [0.025, 0.975], axis=0) if n.size else (n, n)
        columns = {"bin": filled, "probability": sums.sum(axis=0)[filled] / n,
                   "frequency": hits.sum(axis=0)[filled] / n, "n": n,
                   "lower": lower, "upper": upper}  # fmt: skip
        tables.append(pd.DataFrame(columns).assign(model=str(model)))
    order = [schema.MODEL, "bin", "probability", "frequency", "n", "lower", "upper"]
    return pd.concat(tables, ignore_index=True)[order]


def _reliability(
    chances: np.ndarray, event: np.ndarray, common: np.ndarray, bins: int
) -> np.ndarray:
    """Return the reliability term by well and lead, from arrays (well, issue_time, lead_time)."""
    wells, _, leads = event.shape
    rows = common & np.isfinite(chances)  # NaN of a model that is not scored here
    well, _, lead = np.nonzero(rows)
    cell = (well * leads + lead) * bins + _bin(chances[rows], bins)
    counts, hits, sums = (
        np.bincount(cell, weights=w, minlength=wells * leads * bins).reshape(wells, leads, bins)
        for w in (None, event[rows], chances[rows])
    )
    distance = (sums - hits) ** 2 / np.maximum(counts, 1)  # n_k (p_k - o_k)^2
    total = counts.sum(axis=-1)
    return np.asarray(np.where(total > 0, distance.sum(axis=-1) / np.maximum(total, 1), np.nan))


def _bin(chances: np.ndarray, bins: int) -> np.ndarray:
    # 1 - 0.9 belongs to the bin that begins at 0.1
    return np.asarray(np.minimum(np.round(chances * bins, 9).astype(int), bins - 1))


def _check_bins(bins: int) -> None:
    if bins < 1:
        raise ValueError(
            f"Probabilities are grouped in bins. Received bins={bins}. Give 1 or more."
        )
