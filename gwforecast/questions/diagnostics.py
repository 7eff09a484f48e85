"""What the residuals of a simulation say: tests and what they mean, as a short table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from gwforecast import schema, timeline
from gwforecast.quality.changes import find_shift, monthly_means
from gwforecast.runs.results import Evaluation
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Period

__all__ = ["evaluation_residuals", "residual_diagnostics"]


SIGNIFICANT = 0.05
FEWEST = 30
UNSEEN: tuple[Period, ...] = ("validation", "test")
LARGE, SOME = 0.7, 0.3  # sizes of correlations that are called strong and some


def evaluation_residuals(
    evaluation: Evaluation, *, model: str, well: str
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return residuals and predictions of a model in the validation and test periods of a well.

    Parameters
    ----------
    evaluation : Evaluation
        With its observations.
    model, well : str
        Names in the evaluation.

    Returns
    -------
    xarray.DataArray
        Predicted - observed, dims (time,), m; NaN where either is missing, and in the train period.
    xarray.DataArray
        Predicted, dims (time,), m.

    Raises
    ------
    ValueError
        If the evaluation has no observations, as of a run in shards.
    """
    if evaluation.observations is None:
        raise ValueError(
            "Residuals need the observations. Received an evaluation without them, as of a run in "
            "shards. Pass predicted - observed to residual_diagnostics."
        )
    chosen = {schema.MODEL: model, schema.WELL: well, schema.QUANTILE: 0.5}
    predicted = evaluation.predictions[schema.LEVEL].sel(chosen, drop=True)
    observed = evaluation.split.levels(evaluation.observations, *UNSEEN)
    return predicted - observed.sel({schema.WELL: well}, drop=True), predicted


def residual_diagnostics(residuals: xr.DataArray, predicted: xr.DataArray) -> pd.DataFrame:
    """Return tests of the residuals of one well, each with a sentence of what it means.

    Parameters
    ----------
    residuals : xarray.DataArray
        Predicted - observed, dims (time,), m; NaN where unknown.
    predicted : xarray.DataArray
        Dimensions (time,), m.

    Returns
    -------
    pandas.DataFrame
        Columns diagnostic, value, p_value (NaN where there is no test), passed, and meaning. The
        rows: mean (m), deviation (m), autocorrelation (of neighbouring levels), ljung_box (ten lags
        [1]_), runs (Wald and Wolfowitz [2]_), normality (Jarque and Bera [3]_), level (rank
        correlation with the predicted level), season (share of the variance that a yearly wave
        explains), spread (rank correlation of the absolute residuals with the predicted level) and
        shift (largest shift of the levels against the predictions, m). Tests of mean, level, season
        and spread allow for the autocorrelation by the effective number of residuals.

    Raises
    ------
    SchemaError
        If there are fewer than 30 residuals.

    References
    ----------
    .. [1] Ljung, G. M., and Box, G. E. P. (1978). On a measure of lack of fit in time series
       models. Biometrika 65, 297-303. https://doi.org/10.1093/biomet/65.2.297
    .. [2] Wald, A., and Wolfowitz, J. (1940). On a test whether two samples are from the same
       population. Annals of Mathematical Statistics 11, 147-162.
       https://doi.org/10.1214/aoms/1177731909
    .. [3] Jarque, C. M., and Bera, A. K. (1987). A test for normality of observations and
       regression residuals. International Statistical Review 55, 163-172. https://doi.org/10.2307/1403192
    """
    known = residuals.notnull() & predicted.notnull()
    errors, levels = residuals.values[known.values], predicted.values[known.values]
    if errors.size < FEWEST:
        raise SchemaError(
            f"Diagnostics need at least {FEWEST} residuals. Received {errors.size}. Use a longer "
            "period."
        )
    times = residuals[schema.TIME].values[known.values]
    lag_one = _correlation(errors)
    effective = float(np.clip(errors.size * (1 - lag_one) / (1 + lag_one), 5.0, errors.size))
    rows = [
        _mean(errors, effective),
        ("deviation", float(errors.std()), np.nan, True, "standard deviation of the residuals, m"),
        _autocorrelation(lag_one, times),
        _ljung_box(errors),
        _runs(errors),
        _normality(errors),
        _related("level", errors, levels, effective),
        _season(errors, times, effective),
        _related("spread", np.abs(errors - errors.mean()), levels, effective),
        _shift(residuals),
    ]
    return pd.DataFrame(rows, columns=["diagnostic", "value", "p_value", "passed", "meaning"])


Row = tuple[str, float, float, bool, str]


def _mean(errors: np.ndarray, effective: float) -> Row:
    mean = float(errors.mean())
    ratio = abs(mean) / max(errors.std(ddof=1) / np.sqrt(effective), 1e-12)
    p_value = float(2 * stats.t.sf(ratio, effective - 1))
    side = "too high" if mean > 0 else "too low"
    meaning = f"predictions are {side} by {abs(mean):.3g} m on average"
    passed = p_value > SIGNIFICANT
    return "mean", mean, p_value, passed, "no bias is evident" if passed else meaning


def _autocorrelation(lag_one: float, times: np.ndarray) -> Row:
    step = float(np.median(np.diff(times)) / np.timedelta64(1, "D"))
    days = -step / np.log(lag_one) if 0 < lag_one < 1 else 0.0
    meaning = f"an error lasts about {days:.0f} days" if days else "errors do not last"
    return "autocorrelation", lag_one, np.nan, lag_one < LARGE, meaning


def _ljung_box(errors: np.ndarray) -> Row:
    from statsmodels.stats.diagnostic import acorr_ljungbox  # slow to import

    found = acorr_ljungbox(errors, lags=[10]).iloc[0]
    passed = bool(found["lb_pvalue"] > SIGNIFICANT)
    meaning = "residuals look independent" if passed else (
        "residuals are not independent, as is usual of simulations: recent errors help forecasts"
    )  # fmt: skip
    return "ljung_box", float(found["lb_stat"]), float(found["lb_pvalue"]), passed, meaning


def _runs(errors: np.ndarray) -> Row:
    from statsmodels.sandbox.stats.runs import runstest_1samp  # slow to import

    statistic, p_value = runstest_1samp(errors, cutoff="median", correction=False)
    passed = bool(p_value > SIGNIFICANT)
    meaning = "signs change as often as by chance" if passed else (
        "residuals stay longer on one side than by chance" if statistic < 0
        else "signs change more often than by chance"
    )  # fmt: skip
    return "runs", float(statistic), float(p_value), passed, meaning


def _normality(errors: np.ndarray) -> Row:
    found = stats.jarque_bera(errors)
    skew, tails = float(stats.skew(errors)), float(stats.kurtosis(errors))
    passed = bool(found.pvalue > SIGNIFICANT)
    side = "large residuals are above" if skew > 0 else "large residuals are below"
    meaning = "residuals look normal" if passed else (
        f"not normal: {side} zero (skewness {skew:.1f}), excess kurtosis {tails:.1f}; intervals of "
        "this package do not assume it"
    )  # fmt: skip
    return "normality", float(found.statistic), float(found.pvalue), passed, meaning


def _related(name: str, values: np.ndarray, levels: np.ndarray, effective: float) -> Row:
    found = float(stats.spearmanr(values, levels).statistic)
    found = found if np.isfinite(found) else 0.0
    ratio = abs(found) * np.sqrt((effective - 2) / max(1 - found**2, 1e-12))
    p_value = float(2 * stats.t.sf(ratio, effective - 2))
    passed = p_value > SIGNIFICANT or abs(found) < SOME
    high = "high" if found > 0 else "low"
    meanings = {
        "level": f"predictions of high levels are too {high}: the range of levels is "
        + ("too large" if found > 0 else "too small"),
        "spread": f"residuals are larger at {high} levels",
    }
    good = {"level": "no dependence on the level", "spread": "as large at all levels"}
    return name, found, p_value, passed, good[name] if passed else meanings[name]


def _season(errors: np.ndarray, times: np.ndarray, effective: float) -> Row:
    angle = 2 * np.pi * timeline.day_of_year(times) / timeline.DAYS
    columns = np.stack([np.ones(angle.size), np.sin(angle), np.cos(angle)], axis=1)
    fitted = np.linalg.lstsq(columns, errors, rcond=None)[0]
    share = 1 - float(np.var(errors - columns @ fitted) / max(np.var(errors), 1e-30))
    freedom = max(effective - 3, 1.0)
    ratio = share / 2 / (max(1 - share, 1e-12) / freedom)
    p_value = float(stats.f.sf(ratio, 2, freedom))
    peak = (np.arctan2(fitted[1], fitted[2]) / (2 * np.pi) * 12) % 12
    month = pd.Timestamp(2001, int(peak) % 12 + 1, 1).month_name()
    passed = p_value > SIGNIFICANT or share < SOME**2
    size = float(np.hypot(fitted[1], fitted[2]))
    meaning = "no season is left" if passed else (
        f"a season of {size:.2g} m is left: predictions are highest against the levels in {month}"
    )  # fmt: skip
    return "season", share, p_value, passed, meaning


def _shift(residuals: xr.DataArray) -> Row:
    months, means = monthly_means(residuals.values[None], residuals[schema.TIME].values)
    known = np.flatnonzero(np.isfinite(means[0]))
    try:
        found = find_shift(-means[0, known[0] : known[-1] + 1])
    except ValueError:
        return "shift", np.nan, np.nan, True, "too few months to look for a shift"
    passed = found.p_value > SIGNIFICANT
    date = pd.Timestamp(months[known[0] + found.position])
    meaning = f"levels moved by {found.size:+.2g} m against the predictions in {date:%Y-%m}"
    return "shift", found.size, found.p_value, passed, "no shift is evident" if passed else meaning


def _correlation(errors: np.ndarray) -> float:
    centred = errors - errors.mean()
    return float((centred[1:] * centred[:-1]).sum() / max((centred**2).sum(), 1e-30))
