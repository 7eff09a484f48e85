"""Has a forecaster come away from its well? Coverage, skill, range and steps, and what to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.verification.lead_scoring import Matured

__all__ = ["drift", "outside", "recommend", "step_in"]


COLUMNS = ["well", "statistic", "value", "threshold", "n", "since", "drifts"]
LATEST = 60  # valid times that are looked at
FEWEST = 20
NORMAL = 2.6  # standard errors: one false alarm in a hundred
STEP = 6.0  # of a step, in units of the spread of the errors
FARTHER = 1.8  # times the next greatest error is the least step
BACK = 3  # errors within which a spike goes back
OUTSIDE = 0.05  # share of covariate values out of the range of training


def drift(
    pairs: Iterable[Matured], observations: xr.Dataset, *, quantiles: np.ndarray
) -> pd.DataFrame:
    """Return the statistics of drift of each well.

    Of each valid time the forecast with the shortest lead is taken, so that no outcome counts
    twice; of these the latest.

    Parameters
    ----------
    pairs : iterable of Matured
        As of :func:`gwforecast.verification.lead_scoring.matured`.
    observations : xarray.Dataset
        Dimensions (well, time), up to now.
    quantiles : numpy.ndarray
        Shape (quantile,).

    Returns
    -------
    pandas.DataFrame
        Columns well, statistic, value, threshold, n, since (first time that is looked at, or of a
        step), drifts. ``coverage_80``: share of outcomes inside, with a threshold that allows for
        outcomes that follow each other; ``skill_climatology``: of the RMSE, where it is below 0;
        ``step``: see :func:`step_in`.
    """
    latest: dict[str, dict[np.datetime64, tuple[int, float, bool, float]]] = defaultdict(dict)
    low, high = (int(np.argmin(np.abs(quantiles - q))) for q in (0.1, 0.9))
    middle = int(np.argmin(np.abs(quantiles - 0.5)))
    axis = observations[schema.TIME].values
    for pair in pairs:
        at = np.searchsorted(axis, pair.issue_time) + pair.lead
        for number, place in enumerate(at):
            lead, kept = int(pair.lead[number]), latest[pair.well].get(axis[place])
            if kept is None or lead <= kept[0]:
                observed, level = pair.observed[number], pair.level[number]
                inside = bool(level[low] <= observed <= level[high])
                error = float(level[middle] - observed)
                reference = float(pair.climatology[number] - observed)
                latest[pair.well][axis[place]] = (lead, error, inside, reference)
    rows: list[dict[str, object]] = []
    for well, found in latest.items():
        times = np.array(sorted(found))[-LATEST:]
        if times.size >= FEWEST:
            rows += _statistics(well, times, np.array([found[time] for time in times]))
    return pd.DataFrame(rows, columns=COLUMNS)


def outside(observations: xr.Dataset, trained_through: xr.DataArray) -> pd.DataFrame:
    """Return the share of covariate values of the last year that training had not seen the like of.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    trained_through : xarray.DataArray
        Dims (well,), ``datetime64``.
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
    return pd.DataFrame(rows, columns=COLUMNS)


def step_in(errors: np.ndarray) -> tuple[int, float]:
    """Return where the levels step and stay, and the size in units of the spread of the errors.

    A forecast from recent levels is wrong once where a logger or its datum was changed, and right
    again from the new level on. So a step is an error far beyond all others that is not taken back
    by the errors after it, as that of a spike is. Its size is the error itself in units of the
    spread of the others, and less where the next greatest is near to it; 0 where there is no step.

    Parameters
    ----------
    errors : numpy.ndarray
        Shape (time,), m, of the shortest leads, without NaN.

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
    taken_back = (following * np.sign(errors[at]) < -0.5 * abs(errors[at])).any()
    before = (errors[max(0, at - BACK) : at] * np.sign(errors[at]) < -0.5 * abs(errors[at])).any()
    if following.size < BACK or taken_back or before:
        return at, 0.0
    spread = max(1.4826 * float(np.median(others)), FARTHER * float(others.max()) / STEP, 1e-9)
    return at, round(abs(float(errors[at])) / spread, 2)


def recommend(table: pd.DataFrame) -> pd.DataFrame:
    """Return one recommendation for each well: well, recommendation, reason.

    Parameters
    ----------
    table : pandas.DataFrame
        As of :func:`drift` and :func:`outside`.

    Returns
    -------
    pandas.DataFrame
        ``"check the sensor"`` where the errors step, as the levels changed from one day to the
        next; else ``"retrain"`` where a model has lost its skill, its coverage or its range; else
        ``"nothing"``.
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


def _statistics(well: str, times: np.ndarray, found: np.ndarray) -> list[dict[str, object]]:
    """Return the rows of one well from (lead, error, inside, error of climatology) by time."""
    errors, inside, reference = found[:, 1], found[:, 2], found[:, 3]
    n, since = times.size, times[0]
    error = np.sqrt(0.16 / n) * _inflation(inside - inside.mean())
    limit = 0.8 - NORMAL * error
    rows = [
        _row(well, "coverage_80", inside.mean(), limit, n, since)
        | {"drifts": bool(inside.mean() < limit)}
    ]
    both = np.isfinite(reference)
    if both.sum() >= FEWEST:
        ratio = np.sqrt((errors[both] ** 2).mean() / max((reference[both] ** 2).mean(), 1e-18))
        rows.append(
            _row(well, "skill_climatology", 1 - ratio, 0.0, int(both.sum()), since)
            | {"drifts": bool(ratio > 1)}
        )
    at, size = step_in(errors)
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


def _inflation(values: np.ndarray) -> float:
    """Return by how much values that follow each other widen the error of their mean."""
    variance = float((values**2).mean())
    if variance <= 0 or values.size < 3:
        return 1.0
    together = float((values[1:] * values[:-1]).mean()) / variance
    together = min(max(together, 0.0), 0.9)
    return float(np.sqrt((1 + together) / (1 - together)))
