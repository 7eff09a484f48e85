"""Whether one model's forecasts are better than another's by more than chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from gwforecast import schema
from gwforecast.verification.forecasts import forecast_losses

__all__ = ["block_bootstrap", "compare", "diebold_mariano"]

FEWEST_PAIRS = 10


def diebold_mariano(differences: np.ndarray, *, lags: int) -> tuple[float, float]:
    """Return statistic and two-sided p value of the test that a mean difference is zero.

    The variance allows for autocorrelation up to some lags with Bartlett weights, and the statistic
    is corrected for short samples.

    Parameters
    ----------
    differences : numpy.ndarray
        Loss of one model minus that of another, shape (issue_time,), in their order; NaN where
        either is missing.
    lags : int
        Issue times that a forecast's errors may last: the lead time in units of the stride, less 1.

    Returns
    -------
    statistic : float
        Below 0 where the first is better; NaN for fewer than ten pairs or a constant difference.
    p_value : float
        From Student's t distribution.

    References
    ----------
    Diebold and Mariano (1995), doi:10.1080/07350015.1995.10524599; Harvey, Leybourne and Newbold
    (1997), doi:10.1016/S0169-2070(96)00719-4; Newey and West (1987), doi:10.2307/1913610.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> diebold_mariano(rng.normal(1, 1, 100), lags=0)[1] < 0.001
    True
    """
    d = np.asarray(differences, float)
    known = np.isfinite(d)
    n = int(known.sum())
    if n < FEWEST_PAIRS or float(np.ptp(d[known])) == 0.0:
        return float("nan"), float("nan")
    deviation = np.where(known, d - d[known].mean(), 0.0)
    lags = min(lags, n // 2)
    # products of pairs that a gap divides are left out, and so is their count
    variance = float(deviation @ deviation) / n
    for lag in range(1, lags + 1):
        product = float(deviation[lag:] @ deviation[:-lag]) / n
        variance += 2 * (1 - lag / (lags + 1)) * product
    correction = (n + 1 - 2 * (lags + 1) + lags * (lags + 1) / n) / n
    statistic = d[known].mean() / np.sqrt(variance / n) * np.sqrt(max(correction, 0.0))
    return float(statistic), float(2 * stats.t.sf(abs(statistic), n - 1))


def block_bootstrap(
    losses: np.ndarray, baseline: np.ndarray, *, block: int, draws: int = 500, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % range of the skill, from samples of whole blocks of issue times.

    Parameters
    ----------
    losses, baseline : numpy.ndarray
        Losses of a model and of a baseline, shape (issue_time,), in their order, without NaN.
    block : int
        Mean length of a block, in issue times.
    draws : int
        Number of samples.
    seed : int
        Seed of the samples.

    Returns
    -------
    lower, upper : float
        Of ``1 - mean(losses) / mean(baseline)``.

    References
    ----------
    Politis and Romano (1994), doi:10.1080/01621459.1994.10476870.
    """
    n = losses.size
    if n < FEWEST_PAIRS or not baseline.any():
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    begins = rng.random((draws, n)) < 1 / max(block, 1)
    begins[:, 0] = True
    starts = rng.integers(n, size=(draws, n))
    number = np.maximum.accumulate(np.where(begins, np.arange(n), 0), axis=1)
    rows = (np.take_along_axis(starts, number, axis=1) + np.arange(n) - number) % n
    skill = 1 - losses[rows].mean(axis=1) / baseline[rows].mean(axis=1)
    lower, upper = np.quantile(skill, [0.025, 0.975])
    return float(lower), float(upper)


def compare(
    hindcasts: xr.Dataset,
    observations: xr.Dataset,
    *,
    model: str,
    baseline: str,
    loss: str = "crps",
) -> pd.DataFrame:
    """Hold one model's forecasts against another's, by well and lead time.

    Parameters
    ----------
    hindcasts : xarray.Dataset
        ``level`` (model, well, issue_time, lead_time, quantile), m.
    observations : xarray.Dataset
        Dimensions (well, time): levels to score by.
    model, baseline : str
        Names of two models.
    loss : {"crps", "absolute", "squared"}
        What is compared.

    Returns
    -------
    pandas.DataFrame
        Columns model, baseline, loss, well, lead, lead_time, difference (mean loss of the model
        minus that of the baseline), skill (1 - ratio of the mean losses), lower and upper (its 95 %
        range by a bootstrap of blocks as long as the lead time), p_value (Diebold-Mariano), n.
    """
    losses = forecast_losses(
        hindcasts.sel({schema.MODEL: [model, baseline]}), observations, loss=loss
    )
    issued = hindcasts[schema.ISSUE_TIME].values
    stride = np.median(np.diff(issued)) if issued.size > 1 else np.timedelta64(1, "D")
    valid = hindcasts[schema.VALID_TIME].values
    rows = []
    for lead in range(hindcasts.sizes[schema.LEAD_TIME]):
        lasting = max(1, int(np.ceil(np.median(valid[:, lead] - issued) / stride)))
        for number, well in enumerate(hindcasts[schema.WELL].values):
            ours, theirs = losses.values[:, number, :, lead]
            known = np.isfinite(ours) & np.isfinite(theirs)
            if not known.any():
                continue
            difference = np.where(known, ours - theirs, np.nan)
            _, p_value = diebold_mariano(difference, lags=lasting - 1)
            lower, upper = block_bootstrap(ours[known], theirs[known], block=lasting)
            mean = float(theirs[known].mean())
            skill = 1 - float(ours[known].mean()) / mean if mean > 0 else float("nan")
            rows.append(
                (model, baseline, loss, str(well), lead + 1,
                 hindcasts[schema.LEAD_TIME].values[lead], float(difference[known].mean()), skill,
                 lower, upper, p_value, int(known.sum()))
            )  # fmt: skip
    columns = [schema.MODEL, "baseline", "loss", schema.WELL, "lead", schema.LEAD_TIME,
               "difference", "skill", "lower", "upper", "p_value", "n"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
