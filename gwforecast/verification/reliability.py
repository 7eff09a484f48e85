"""Whether forecast probabilities of an event are right: Brier score, its parts, reliability.

How the probabilities come from the quantiles is told in
:mod:`gwforecast.verification.distribution`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.verification.distribution import event_probability, events, on_pairs, pit_values
from gwforecast.verification.forecasts import long_scores, mean_of_pairs, skill_against
from gwforecast.verification.significance import block_weights, issue_steps, steps_to_valid
from gwforecast.verification.terciles import tercile_limits, tercile_probabilities, tercile_scores

__all__ = [
    "brier_scores",
    "event_probability",
    "pit_values",
    "probability_definitions",
    "reliability_counts",
    "reliability_of_counts",
    "reliability_table",
    "tercile_limits",
    "tercile_probabilities",
    "tercile_scores",
]


def probability_definitions() -> dict[str, str]:
    """Return what each metric of :func:`brier_scores` and :func:`tercile_scores` is, by name."""
    return {
        "brier": "mean squared error of the probability of the event, 1",
        "skill_brier": "1 - Brier score / that of the climatological frequency on the same pairs",
        "reliability": "mean squared distance of probability and frequency within bins, 1; 0 best",
        "resolution": "variance of the frequency between bins less that within them, 1",
        "uncertainty": "frequency times 1 - frequency, 1; brier = reliability - resolution + it",
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
    :func:`gwforecast.verification.forecasts.lead_scores`. The Brier score is decomposed over bins
    of equal width exactly: the variance and covariance within bins are part of the resolution.

    Parameters
    ----------
    hindcasts, observations : xarray.Dataset
        As in :func:`event_probability` and :func:`pit_values`.
    threshold : float or xarray.DataArray
        m, as in :func:`event_probability`.
    above : bool
        Whether the event is a level above the threshold.
    frequency : float or xarray.DataArray, optional
        Climatological frequency of the event, known before, e.g. dims (well,); by default that of
        the scored pairs, which is a harder reference as it knows the outcome.
    bins : int
        Number of bins of the probability.

    Returns
    -------
    pandas.DataFrame
        Columns model, well, lead, lead_time, metric, value, n; metrics of
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
    return long_scores(scores, used=used, n=n, hindcasts=hindcasts)


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
    """Return how often an event was observed by how probable it was said to be.

    Wells and lead times are taken together; select some of the hindcasts to have them apart.

    Parameters
    ----------
    hindcasts, observations, threshold, above, bins
        As in :func:`brier_scores`.
    draws : int
        Number of samples of the bootstrap.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        A row for each model and bin with forecasts: columns model, bin (its number), probability
        (mean), frequency, n, lower and upper (95 % range of the frequency, from samples of whole
        blocks of issue times as long as the longest lead time, with all their wells and leads).

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
    """Return what a table of reliability is made of, so that those of parts of the wells add up.

    Parameters
    ----------
    hindcasts, observations, threshold, above, bins
        As in :func:`brier_scores`.

    Returns
    -------
    xarray.Dataset
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
    return np.asarray(np.minimum((chances * bins).astype(int), bins - 1))


def _check_bins(bins: int) -> None:
    if bins < 1:
        raise ValueError(f"Probabilities are put into bins. Received bins={bins}. Give 1 or more.")
