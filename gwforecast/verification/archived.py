"""Scores of archived forecasts whose levels have been observed since, added up issue by issue.

Only sums are kept, by well, model, bundle and lead time, so that the memory needed does not grow
with the archive. Metrics that need the whole series (such as the non-parametric KGE) are therefore
not in the table; all other metrics of :data:`gwforecast.verification.metrics.METRICS` are.

**Drift** of a forecaster shows in coverage, skill, range and steps of its errors. Coverage and
skill are tested at each look, with as many independent outcomes as the errors have
(:func:`gwforecast.calibration.errors.independent_number`). The level of the tests allows for a year
of weekly looks: in simulations with errors that last from less than one step to half a year, at
most one in a hundred wells whose forecasts are reliable and skilful is recommended for a new
training in a year. The price is that a loss of coverage shows late where errors last: with errors
that are twice as large as they were, in the first year at all wells if errors last for two steps,
at 85 % if for four, and at a quarter if for eight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import betainc

from gwforecast import schema, timeline
from gwforecast.calibration.errors import independent_number
from gwforecast.models.naive import Climatology
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import observed_at
from gwforecast.sequences.split import split_by_fraction
from gwforecast.verification.averages import Averages, Metric, Pairs, score_pairs
from gwforecast.verification.metrics import METRICS
from gwforecast.verification.scoring import SKILLS, available, metric_definitions, skill_against
from gwforecast.verification.significance import cosine_count, skill_range

__all__ = [
    "BASELINES", "VerifiedForecast", "coverage_limit", "drift", "outside", "pairs_of", "recommend",
    "statistics_of", "step_in", "verified_columns", "verified_forecasts", "verified_scores",
]  # fmt: skip


BASELINES = ("persistence", "climatology")
FIRST = (
    "rmse", "mae", "bias", "crps", "coverage_80", "coverage_95", "width_95",
    "skill_rmse_persistence", "skill_rmse_climatology",
)  # fmt: skip
"""Scores that lead the table; the other metrics follow."""
FORECASTS_AT_ONCE = 50


@dataclass(frozen=True, eq=False)
class VerifiedForecast:
    """The part of an archived forecast of one well whose levels have been observed."""

    well: str
    model: str
    bundle: str  # of fitted models, that made the forecast
    issue_time: np.datetime64
    lead: np.ndarray  # lead times in steps, shape (pair,)
    observed: np.ndarray  # shape (pair,), m
    level: np.ndarray  # shape (pair, quantile), m
    persistence: np.ndarray  # last level at the issue time, shape (pair,), m; NaN for none
    # mean of the time of the year in the years before the first issue, as persistence
    climatology: np.ndarray
    prior: float = np.nan  # mean of the levels up to the first issue, m; NaN for none


def verified_forecasts(
    forecasts: Iterable[xr.Dataset], observations: xr.Dataset
) -> Iterator[VerifiedForecast]:
    """Yield the observed part of each forecast and well.

    Forecasts are in the order of their issue times, each of one issue time; one is held in memory
    at a time. Observations (well, time) are those up to now. Forecasts by a model that was trained
    on levels after the issue time, as a backfill makes them, are left out: they had seen the levels
    that they forecast.
    """
    usual: xr.DataArray | None = None
    prior: dict[str, float] = {}
    levels = observations[schema.LEVEL].transpose(schema.WELL, schema.TIME)
    for forecast in forecasts:
        issue_time = forecast[schema.ISSUE_TIME].values[0]
        if usual is None:
            usual = _climatology(observations, issue_time)
            prior = _prior_means(levels, issue_time)
        wells = [w for w in forecast[schema.WELL].values if w in levels[schema.WELL].values]
        part = forecast.sel({schema.WELL: wells})
        outcome = observed_at(levels, part).values[:, 0]
        reference = observed_at(usual, part).values[:, 0]
        for number, well in enumerate(wells):
            level = part[schema.LEVEL].values[number, 0]
            fair = not part["trained_through"].values[number] > issue_time
            known = np.isfinite(outcome[number]) & np.isfinite(level).all(axis=-1)
            if fair and known.any():
                yield VerifiedForecast(
                    well=str(well),
                    model=str(part["model"].values[number]),
                    bundle=str(part["bundle"].values[number]),
                    issue_time=issue_time,
                    lead=np.flatnonzero(known) + 1,
                    observed=outcome[number][known],
                    level=level[known],
                    persistence=np.full(known.sum(), _last(levels, str(well), issue_time)),
                    climatology=reference[number][known],
                    prior=prior[str(well)],
                )


def verified_columns() -> list[str]:
    """Return the columns of :func:`verified_scores`: labels, the usual scores, further metrics."""
    metrics = [name for name in metric_definitions() if METRICS[name].averaged]
    skills = [f"{skill}_{baseline}" for skill in SKILLS for baseline in BASELINES]
    scores = dict.fromkeys([*FIRST, *metrics, *skills])
    return ["well", "model", "bundle", "lead", "n", *scores]


def verified_scores(
    forecasts: Iterable[VerifiedForecast], *, quantiles: np.ndarray
) -> pd.DataFrame:
    """Return scores by well, model, bundle and lead time; models of other bundles are kept apart.

    Parameters
    ----------
    forecasts : iterable of VerifiedForecast
        As of :func:`verified_forecasts`; sums are kept, not pairs.
    quantiles : numpy.ndarray
        Shape (quantile,).

    Returns
    -------
    pandas.DataFrame
        Columns :func:`verified_columns`: errors are predicted - observed, m; the skill is 1 - score
        / score of the baseline, on the same pairs. A metric whose quantiles are not given is NaN.
    """
    metrics = {
        name: metric
        for name, metric in available(metric_definitions(), quantiles).items()
        if metric.averaged
    }
    held: dict[tuple[str, str, str], Averages | None] = {}
    waiting: dict[tuple[str, str, str], list[VerifiedForecast]] = defaultdict(list)
    for forecast in forecasts:
        key = forecast.well, forecast.model, forecast.bundle
        waiting[key].append(forecast)
        held.setdefault(key, None)  # the table has the order of the first forecasts
        if len(waiting[key]) >= FORECASTS_AT_ONCE:
            held[key] = _added(held[key], waiting.pop(key), quantiles, metrics)
    for key, rest in waiting.items():
        held[key] = _added(held[key], rest, quantiles, metrics)
    columns = verified_columns()
    tables = [_table(key, averages) for key, averages in held.items() if averages is not None]
    if not tables:
        return pd.DataFrame(columns=columns)
    return pd.concat(tables, ignore_index=True).reindex(columns=columns)


def pairs_of(forecasts: list[VerifiedForecast], quantiles: np.ndarray, *, leads: int) -> Pairs:
    """Return forecasts of one well as pairs, shape (lead, issue).

    ``level`` is (3, lead, issue, quantile): the forecast, persistence and climatology, which have a
    median alone.
    """
    shape = leads, len(forecasts)
    observed = np.full(shape, np.nan)
    level = np.full((1 + len(BASELINES), *shape, quantiles.size), np.nan)
    middle = int(np.argmin(np.abs(quantiles - 0.5)))
    for issue, forecast in enumerate(forecasts):
        at = forecast.lead - 1
        observed[at, issue] = forecast.observed
        level[0, at, issue] = forecast.level
        level[1, at, issue, middle] = forecast.persistence
        level[2, at, issue, middle] = forecast.climatology
    prior = np.full(leads, forecasts[0].prior)
    return Pairs(observed, level, quantiles, np.isfinite(observed), prior=prior)


def _added(
    averages: Averages | None,
    forecasts: list[VerifiedForecast],
    quantiles: np.ndarray,
    metrics: dict[str, Metric],
) -> Averages:
    """Return the averages over the pairs so far and those of further forecasts."""
    leads = max(int(forecast.lead.max()) for forecast in forecasts)
    if averages is None:
        return Averages.of(pairs_of(forecasts, quantiles, leads=leads), metrics)
    leads = max(leads, averages.n.size)
    return averages.padded(leads).extended(pairs_of(forecasts, quantiles, leads=leads))


def _table(key: tuple[str, str, str], averages: Averages) -> pd.DataFrame:
    """Return the rows of one series: those lead times that have pairs."""
    some = averages.n > 0
    values = averages.values()
    columns: dict[str, object] = {
        "well": key[0],
        "model": key[1],
        "bundle": key[2],
        "lead": np.flatnonzero(some) + 1,
        "n": averages.n[some].astype(int),
    }
    columns |= {name: value[0][some] for name, value in values.items()}
    for skill, metric in SKILLS.items():
        for number, baseline in enumerate(BASELINES, start=1):
            score, reference = values[metric][0], values[metric][number]
            columns[f"{skill}_{baseline}"] = skill_against(score, reference)[some]
    return pd.DataFrame(columns)


def _prior_means(levels: xr.DataArray, until: np.datetime64) -> dict[str, float]:
    """Return the mean of the levels of each well up to a time, m."""
    means = levels.sel({schema.TIME: slice(None, until)}).mean(schema.TIME)
    return {str(well): float(m) for well, m in zip(levels.well.values, means.values, strict=True)}


def _climatology(observations: xr.Dataset, until: np.datetime64) -> xr.DataArray:
    """Return the climatology of the levels before the first issue, (well, time), m."""
    past = observations[[schema.LEVEL]].sel({schema.TIME: slice(None, until)})
    found = []
    for well in observations[schema.WELL].values:
        one = past.sel({schema.WELL: [well]})
        axis = observations[[schema.LEVEL]].sel({schema.WELL: [well]})
        try:
            split = split_by_fraction(one, train=0.75, validation=0.25)
            fitted = Climatology().fit(one, split=split).refit(one, split=split)
            found.append(fitted.simulate(axis)[schema.LEVEL])
        except SchemaError:
            found.append(xr.full_like(axis[schema.LEVEL], np.nan))
    return xr.concat(found, schema.WELL, coords="minimal", compat="override")


def _last(levels: xr.DataArray, well: str, issue_time: np.datetime64) -> float:
    until = {schema.TIME: slice(None, timeline.to_times([issue_time])[0])}
    past = levels.sel({schema.WELL: well}).sel(until).values
    known = past[np.isfinite(past)]
    return float(known[-1]) if known.size else np.nan


DRIFT_COLUMNS = ["well", "statistic", "value", "threshold", "n", "since", "drifts"]
LATEST = 104  # valid times that are examined
FEWEST = 20
LEVEL = 0.001  # of one test: at most one false alarm in a hundred over a year of weekly looks
STEP = 6.0  # of a step, in units of the spread of the errors
FARTHER = 1.8  # times the next greatest error is the least step
BACK = 3  # errors within which a spike goes back
OUTSIDE = 0.05  # share of covariate values out of the range of training
COVERAGE = "coverage_80"


def drift(
    forecasts: Iterable[VerifiedForecast], observations: xr.Dataset, *, quantiles: np.ndarray
) -> pd.DataFrame:
    """Return the statistics of drift of each well.

    Of each valid time the forecast with the shortest lead is taken, so that no outcome counts
    twice; of these the latest.

    Parameters
    ----------
    forecasts : iterable of VerifiedForecast
        As of :func:`verified_forecasts`.
    observations : xarray.Dataset
        Dimensions (well, time); only its time axis is used.
    quantiles : numpy.ndarray
        Shape (quantile,).

    Returns
    -------
    pandas.DataFrame
        Columns well, statistic, value, threshold, n, since (first time that is examined, or of a
        step), drifts. ``coverage_80``: share of outcomes inside; ``skill_climatology``: of the
        RMSE, which drifts where it is significantly below 0; both with thresholds that allow for
        the autocorrelation of errors and for a year of weekly looks. ``step``: see :func:`step_in`.
    """
    latest: dict[str, dict[np.datetime64, tuple[int, VerifiedForecast, int]]] = defaultdict(dict)
    axis = observations[schema.TIME].values
    for forecast in forecasts:
        at = np.searchsorted(axis, forecast.issue_time) + forecast.lead
        for number, place in enumerate(at):
            lead, kept = int(forecast.lead[number]), latest[forecast.well].get(axis[place])
            if kept is None or lead <= kept[0]:
                latest[forecast.well][axis[place]] = lead, forecast, number
    rows: list[dict[str, object]] = []
    for well, found in latest.items():
        times = np.array(sorted(found))[-LATEST:]
        if times.size >= FEWEST:
            rows += statistics_of(well, times, _pairs([found[t][1:] for t in times], quantiles))
    return pd.DataFrame(rows, columns=DRIFT_COLUMNS)


def _pairs(found: list[tuple[VerifiedForecast, int]], quantiles: np.ndarray) -> Pairs:
    """Return pairs of one well in the order of time; ``level`` is (2, row, quantile).

    The second model is the climatology, which has a median alone.
    """
    level = np.full((2, len(found), quantiles.size), np.nan)
    level[0] = [forecast.level[number] for forecast, number in found]
    middle = int(np.argmin(np.abs(quantiles - 0.5)))
    level[1, :, middle] = [forecast.climatology[number] for forecast, number in found]
    observed = np.array([forecast.observed[number] for forecast, number in found])
    return Pairs(observed, level, quantiles, np.isfinite(observed))


def outside(observations: xr.Dataset, trained_through: xr.DataArray) -> pd.DataFrame:
    """Return the share of covariate values of the last year outside the range seen in training.

    Training ended at each well at a time, dims (well,).
    """
    rows = []
    times = observations[schema.TIME].values
    year = times >= times[-1] - np.timedelta64(365, "D")
    for well in trained_through[schema.WELL].values:
        through = trained_through.sel({schema.WELL: well}).values
        for name in schema.covariate_names(observations):
            values = observations[name].sel({schema.WELL: well}).values
            seen, new = values[times <= through], values[year & (times > through)]
            seen, new = seen[np.isfinite(seen)], new[np.isfinite(new)]
            if seen.size and new.size >= FEWEST:
                low, high = np.quantile(seen, [0.001, 0.999])
                share = float(((new < low) | (new > high)).mean())
                rows.append(
                    _row(str(well), f"outside {name}", share, OUTSIDE, new.size, times[year][0])
                    | {"drifts": share > OUTSIDE}
                )
    return pd.DataFrame(rows, columns=DRIFT_COLUMNS)


def step_in(errors: np.ndarray) -> tuple[int, float]:
    """Return the position of a lasting step, and its size in units of the spread of the errors.

    A forecast from recent levels is wrong once where a logger or its datum was changed, and right
    again from the new level on. A step is therefore an error far beyond all others that the next
    errors do not reverse, as they would after a spike. Its size is the error in units of the spread
    of the others, and smaller where the next greatest is near to it; 0 where there is no step.
    Errors (time,), m, are those of the shortest leads, without NaN.

    Examples
    --------
    >>> errors = np.tile([0.1, -0.1, 0.05, 0.0], 10)
    >>> errors[25] = 2.0
    >>> step_in(errors)
    (25, 26.98)
    >>> errors[26] = -2.0
    >>> step_in(errors)[1]
    0.0
    """
    at = int(np.argmax(np.abs(errors)))
    others = np.delete(np.abs(errors), at)
    following = errors[at + 1 : at + 1 + BACK]
    reversed_after = (following * np.sign(errors[at]) < -0.5 * abs(errors[at])).any()
    reversed_before = (
        errors[max(0, at - BACK) : at] * np.sign(errors[at]) < -0.5 * abs(errors[at])
    ).any()
    if following.size < BACK or reversed_after or reversed_before:
        return at, 0.0
    spread = max(1.4826 * float(np.median(others)), FARTHER * float(others.max()) / STEP, 1e-9)
    return at, round(abs(float(errors[at])) / spread, 2)


def recommend(table: pd.DataFrame) -> pd.DataFrame:
    """Return one recommendation for each well: columns well, recommendation, reason.

    From :func:`drift` and :func:`outside`: ``"check the sensor"`` where the errors step, as the
    levels changed from one time step to the next; else ``"retrain"`` where a model has lost its
    skill or coverage, or meets covariates out of its range; else ``"nothing"``.
    """
    rows = []
    for well, part in table.groupby("well", sort=False):
        drifting = part[part["drifts"].astype(bool)]
        names = drifting["statistic"].tolist()
        choice = "check the sensor" if "step" in names else "retrain" if names else "nothing"
        shown = drifting[drifting["statistic"] == "step"] if "step" in names else drifting
        reason = "; ".join(
            f"{name} {value:.2f}, threshold {limit:.2f}, since {str(since)[:10]}"
            for name, value, limit, since in zip(
                shown["statistic"], shown["value"], shown["threshold"], shown["since"], strict=True
            )
        )
        rows.append({"well": well, "recommendation": choice, "reason": reason})
    return pd.DataFrame(rows, columns=["well", "recommendation", "reason"])


def statistics_of(well: str, times: np.ndarray, pairs: Pairs) -> list[dict[str, object]]:
    """Return the rows of one well from pairs (row,) of the forecast and the climatology."""
    value = float(score_pairs(pairs, {COVERAGE: METRICS[COVERAGE]})[COVERAGE][0])
    n, since = times.size, times[0]
    errors = pairs.error[0]
    independent = float(independent_number(errors[None, :, None], sizes=True)[0, 0])
    limit = coverage_limit(independent)
    rows = [_row(well, COVERAGE, value, limit, n, since) | {"drifts": bool(value < limit)}]
    both = np.isfinite(pairs.predicted[1])
    if both.sum() >= FEWEST:
        losses = np.where(both, np.square(pairs.error), np.nan)
        skill, limit = _skill_and_limit(*losses, span=n / independent)
        rows.append(
            _row(well, "skill_climatology", skill, limit, int(both.sum()), since)
            | {"drifts": bool(skill < limit)}
        )
    at, size = step_in(pairs.error[0])
    rows.append(
        _row(well, "step", abs(size), STEP, n, times[at]) | {"drifts": bool(abs(size) > STEP)}
    )
    return rows


def _row(
    well: str, statistic: str, value: float, threshold: float, n: int, since: np.datetime64
) -> dict[str, object]:
    return {
        "well": well,
        "statistic": statistic,
        "value": float(value),
        "threshold": threshold,
        "n": n,
        "since": pd.Timestamp(since),
    }


def coverage_limit(independent: float) -> float:
    """Return the coverage below which an 80 % interval covers too little, at the level of one test.

    The largest share of ``independent`` outcomes (not necessarily whole) that has a probability
    below the level; 0 for so few that even none inside would not be significant.

    Examples
    --------
    >>> round(coverage_limit(100.0), 2), coverage_limit(3.0)
    (0.66, 0.0)
    """
    shares = np.linspace(0.0, 0.8, 801)
    inside = shares * independent
    chances = betainc(np.maximum(independent - inside, 1e-9), inside + 1, 1 - 0.8)
    rare = np.flatnonzero(chances < LEVEL)
    return float(shares[rare[-1]]) if rare.size else 0.0


def _skill_and_limit(ours: np.ndarray, theirs: np.ndarray, *, span: float) -> tuple[float, float]:
    """Return the skill of the RMSE, and the limit below which it is significantly lost.

    The arguments are squared errors, shape (row,), whose skill is proportional to the statistic of
    the test.
    """
    from scipy import stats  # slow to load, and not for bulletins

    known = np.isfinite(ours) & np.isfinite(theirs)
    skill = float(skill_against(ours[known].mean(), np.maximum(theirs[known].mean(), 1e-18)))
    p_value = float(skill_range(ours, theirs, span=max(span, 1.0))[2])
    if not np.isfinite(p_value):
        return 1 - np.sqrt(1 - skill), 0.0
    freedom = cosine_count(int(known.sum()), span=max(span, 1.0))
    statistic = max(float(stats.t.isf(p_value / 2, freedom)), 1e-9)
    limit = -abs(skill) * float(stats.t.isf(LEVEL, freedom)) / statistic
    return 1 - np.sqrt(1 - skill), 1 - np.sqrt(1 - limit)
