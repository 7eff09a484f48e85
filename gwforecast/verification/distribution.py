"""The predictive distribution: F from quantiles, probabilities of events and crossings, the PIT.

F is linear between the quantiles. Beyond the outermost quantile on either side it is the normal
distribution through the outermost two, so that no level has probability 0 or 1. Equal quantiles
make F a step. A forecast with a median alone is a step at the median: its probabilities are 0 and
1. Quantiles that cross are sorted.

:class:`Thresholds` are levels of alert by well, whose crossing has a probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from gwforecast import schema
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import observed_at
from gwforecast.verification.lead_scoring import shared_pairs

__all__ = [
    "Thresholds", "crossing_table", "crossings", "event_probability", "events", "on_pairs",
    "pit_values",
]  # fmt: skip


PAIR = (schema.WELL, schema.ISSUE_TIME, schema.LEAD_TIME)
DIMS = (schema.MODEL, *PAIR)


def event_probability(
    hindcasts: xr.Dataset, threshold: float | xr.DataArray, *, above: bool = False
) -> xr.DataArray:
    """Return the forecast probability of a level below (or above) a threshold.

    Hindcasts have ``level`` (model, well, issue_time, lead_time, quantile), m, with ``valid_time``.
    The threshold, m, is a number or has some of the dims (well, issue_time, lead_time); NaN where
    there is none. The result is (model, well, issue_time, lead_time), from 0 to 1; NaN without
    forecast or threshold.

    Raises SchemaError if the threshold has other dims or labels than the hindcasts.

    Examples
    --------
    >>> forecast = schema.label_forecast(
    ...     np.zeros((1, 1, 1)), wells=["a"], frequency="D",
    ...     issue_times=np.array(["2020-01-01"], "datetime64[us]"),
    ... )
    >>> spread = xr.DataArray([-1.0, 0.0, 1.0], {"quantile": [0.1, 0.5, 0.9]}, "quantile")
    >>> hindcasts = (forecast + spread).expand_dims(model=["m"])
    >>> event_probability(hindcasts, 0.5).values.ravel()
    array([0.7])
    """
    at = on_pairs(threshold, hindcasts, name="threshold")
    below, through = _distribution(hindcasts, at)
    return (1 - through if above else below).rename("probability")


def pit_values(
    hindcasts: xr.Dataset, observations: xr.Dataset, *, seed: int | None = None
) -> xr.DataArray:
    """Return the value of the forecast distribution at each observed level.

    These probability integral transforms (PIT) are uniform where forecasts are calibrated.
    Hindcasts have ``level`` (model, well, issue_time, lead_time, quantile), m, with ``valid_time``,
    and the result the dims (model, well, issue_time, lead_time), from 0 to 1; NaN where there is no
    level, no forecast, or only a median.

    A seed is that of the randomized transform, which draws within the step where the distribution
    has one at the observed level; by default the middle of the step is returned.

    References
    ----------
    Dawid (1984), doi:10.2307/2981683; Czado, Gneiting and Held (2009),
    doi:10.1111/j.1541-0420.2009.01191.x.
    """
    observed = observed_at(observations[schema.LEVEL], hindcasts).drop_vars(schema.VALID_TIME)
    below, through = _distribution(hindcasts, observed)
    share = 0.5 if seed is None else np.random.default_rng(seed).random(below.shape)
    values = below + share * (through - below)
    whole = hindcasts[schema.LEVEL].notnull().all(schema.QUANTILE).transpose(*DIMS)
    return values.where(whole.drop_vars(schema.VALID_TIME)).rename("pit")


def events(
    hindcasts: xr.Dataset, observations: xr.Dataset, threshold: float | xr.DataArray, *, above: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities, events (1, 0, NaN), scored models, and the pairs common to them.

    Shapes (model, well, issue_time, lead_time), (well, issue_time, lead_time),
    (model, well, lead_time) and (well, issue_time, lead_time).
    """
    limit = on_pairs(threshold, hindcasts, name="threshold").values
    observed = observed_at(observations[schema.LEVEL], hindcasts).transpose(*PAIR).values
    happened = observed > limit if above else observed < limit
    event = np.where(np.isnan(observed) | np.isnan(limit), np.nan, happened.astype(float))
    used, common = shared_pairs(hindcasts, np.where(np.isnan(event), np.nan, observed))
    return event_probability(hindcasts, threshold, above=above).values, event, used, common


def on_pairs(value: float | xr.DataArray, hindcasts: xr.Dataset, *, name: str) -> xr.DataArray:
    """Return a value for each pair, dims (well, issue_time, lead_time), under an exact join."""
    coords = {dim: hindcasts[dim].variable for dim in PAIR}
    pairs = xr.DataArray(np.zeros([hindcasts.sizes[dim] for dim in PAIR]), coords, PAIR)
    given = xr.DataArray(value).reset_coords(drop=True)
    try:
        result = pairs + xr.align(pairs, given, join="exact")[1]
    except ValueError as error:
        raise SchemaError(
            f"A {name} has the labels of the hindcasts, in their order. Received sizes "
            f"{dict(given.sizes)} that differ. Select the same wells and times of both."
        ) from error
    if set(result.dims) != set(PAIR):
        raise SchemaError(
            f"A {name} is a number, or has some of the dims {PAIR}. Received dims {given.dims}. "
            "Rename or select the others."
        )
    return result.transpose(*PAIR)


def _distribution(hindcasts: xr.Dataset, at: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return P(level < at) and P(level <= at), dims (model, well, issue_time, lead_time)."""
    level = hindcasts[schema.LEVEL].transpose(*DIMS, schema.QUANTILE).values
    quantiles = hindcasts[schema.QUANTILE].values
    below, through = np.empty(level.shape[:-1]), np.empty(level.shape[:-1])
    for place in np.ndindex(level.shape[:2]):
        below[place], through[place] = cdf(level[place], at.values[place[1]], quantiles)
    coords = {dim: hindcasts[dim].variable for dim in DIMS}
    return xr.DataArray(below, coords, DIMS), xr.DataArray(through, coords, DIMS)


def cdf(level: np.ndarray, at: np.ndarray, quantiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return F at a level, as the limits from the left and from the right, shape (...).

    ``level`` is (..., quantile), ``at`` (...).
    """
    middle = level[..., int(np.argmin(np.abs(quantiles - 0.5)))]
    below, through = (middle < at).astype(float), (middle <= at).astype(float)
    whole = np.isfinite(level).all(axis=-1)
    if quantiles.size > 1 and whole.any():
        v, x = np.sort(level[whole], axis=-1), at[whole]
        below[whole], through[whole] = (
            _left(v, x, quantiles),
            1 - _left(-v[:, ::-1], -x, 1 - quantiles[::-1]),
        )
    missing = np.isnan(middle) | np.isnan(at)
    below[missing], through[missing] = np.nan, np.nan
    return below, through


def _left(v: np.ndarray, x: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return P(X < x), shape (row,), of ordered quantiles v, (row, quantile)."""
    rows = np.arange(x.size)
    start = np.clip((v < x[:, None]).sum(axis=1) - 1, 0, quantiles.size - 2)
    low, high = v[rows, start], v[rows, start + 1]
    width = high - low
    share = np.divide(x - low, width, out=np.where(x > low, np.inf, 0.0), where=width > 0)
    result = quantiles[start] + (quantiles[start + 1] - quantiles[start]) * np.clip(share, 0, 1)
    scores = special.ndtri(quantiles)
    for outside, first in ((x <= v[:, 0], 0), (x > v[:, -1], quantiles.size - 2)):
        step = scores[first + 1] - scores[first]
        spread = v[outside, first + 1] - v[outside, first]
        away = x[outside] - v[outside, first]
        jump = np.where(away > 0, np.inf, -np.inf)
        z = scores[first] + step * np.divide(away, spread, out=jump, where=spread > 0)
        result[outside] = special.ndtr(z)
    return np.asarray(result)


CHANCES = (0.1, 0.5, 0.9)


def crossing_table(
    forecast: xr.Dataset, thresholds: float | Mapping[str, float], *, above: bool = False
) -> pd.DataFrame:
    """Return the probability of a crossing within the horizon, and the time of the first one.

    Of members, the share that cross is counted. Of quantiles, each is taken as a trajectory: the
    probability of a crossing by some time is the highest probability of a level beyond the
    threshold up to then, which is a lower bound of what independent time steps would give.

    Parameters
    ----------
    forecast : xarray.Dataset
        ``level`` (well, issue_time, lead_time, quantile | member), m, with ``valid_time``.
    thresholds : float or mapping
        m, for all wells or by well.
    above : bool
        A crossing is a level above the threshold; by default one below it.

    Returns
    -------
    pandas.DataFrame
        A row for each well and issue time: columns well, issue_time, threshold, above, probability
        (of a crossing within the horizon), and first_10, first_50, first_90: the first valid time
        by which a crossing has that probability, NaT where it does not reach it.

    Raises
    ------
    SchemaError
        If a well has no finite threshold, or the forecast has neither members nor quantiles.
    """
    level = forecast[schema.LEVEL]
    rows = []
    for number, well in enumerate(schema.well_names(forecast)):
        threshold = _threshold(thresholds, well)
        crossed = _crossed(level.isel({schema.WELL: number}), threshold, above=above)
        for issue, (chances, times) in enumerate(
            zip(crossed, forecast[schema.VALID_TIME].values, strict=True)
        ):
            row: dict[str, object] = {
                schema.WELL: well,
                schema.ISSUE_TIME: forecast[schema.ISSUE_TIME].values[issue],
                "threshold": threshold,
                "above": above,
                "probability": float(chances[-1]),
            }
            for chance in CHANCES:
                reached = np.flatnonzero(chances >= chance)
                first = times[reached[0]] if reached.size else np.datetime64("NaT")
                row[f"first_{round(100 * chance)}"] = first
            rows.append(row)
    return pd.DataFrame(rows)


def _threshold(thresholds: float | Mapping[str, float], well: str) -> float:
    given = thresholds.get(well) if isinstance(thresholds, Mapping) else thresholds
    if given is None:
        raise SchemaError(
            f"Each well of the forecast needs a threshold. Received none for {well!r}. Add it, or "
            "select the other wells."
        )
    if not np.isfinite(given):
        raise SchemaError(
            f"A threshold is a finite level, m. Received {given} for {well!r}. Correct it."
        )
    return float(given)


def _crossed(level: xr.DataArray, threshold: float, *, above: bool) -> np.ndarray:
    """Return the probability of a crossing by each lead time, shape (issue_time, lead_time)."""
    if schema.MEMBER in level.dims:
        values = level.transpose(schema.ISSUE_TIME, schema.LEAD_TIME, schema.MEMBER).values
        beyond = values > threshold if above else values < threshold
        ever = np.logical_or.accumulate(beyond, axis=1).mean(axis=-1)
        return np.asarray(np.where(np.isfinite(values).all(axis=(1, 2))[:, None], ever, np.nan))
    if schema.QUANTILE not in level.dims:
        raise SchemaError(
            "The probability of a crossing needs a forecast with members or quantiles. Received "
            f"the dims {level.dims}. Calibrate the forecast first."
        )
    values = level.transpose(schema.ISSUE_TIME, schema.LEAD_TIME, schema.QUANTILE).values
    at = np.full(values.shape[:2], threshold)
    below, through = cdf(values, at, level[schema.QUANTILE].values)
    return np.asarray(np.maximum.accumulate(1 - through if above else below, axis=1))


COLUMNS = ["well", "side", "threshold", "probability", "by", "ends"]


@dataclass(frozen=True)
class Thresholds:
    """Levels whose crossing matters.

    Parameters
    ----------
    below, above : float or mapping, optional
        A level below or above these is an event, m: one for all wells, or by well.

    Examples
    --------
    >>> Thresholds(below={"MW-7": 27.1}, above=30.0).of("MW-7")
    {'below': 27.1, 'above': 30.0}
    >>> Thresholds(below={"MW-7": 27.1}).of("MW-8")
    {}
    """

    below: float | Mapping[str, float] | None = None
    above: float | Mapping[str, float] | None = None

    def of(self, well: str) -> dict[str, float]:
        """Return the thresholds of a well, m, by side: ``"below"`` and ``"above"``."""
        given = (("below", self.below), ("above", self.above))
        found = {side: one.get(well) if isinstance(one, Mapping) else one for side, one in given}
        return {side: float(level) for side, level in found.items() if level is not None}

    def __bool__(self) -> bool:
        """Whether there is a threshold."""
        return any(one is not None and one != {} for one in (self.below, self.above))


def crossings(product: xr.Dataset, thresholds: Thresholds) -> pd.DataFrame:
    """Return the probability that each well crosses its thresholds within the horizon.

    ``product`` is a forecast of one issue time; a well without a threshold or a forecast has no
    row. Columns well, side (``"below"`` or ``"above"``), threshold (m), probability (see
    :func:`gwforecast.verification.distribution.crossing_table`), by (first valid time by which the
    crossing is as likely as not, NaT if it never is) and ends (the last valid time).
    """
    rows: list[dict[str, object]] = []
    ends = product[schema.VALID_TIME].values[0, -1]
    for well in product[schema.WELL].values.tolist():
        given = thresholds.of(well)
        if not given:
            continue
        one = product.sel({schema.WELL: [well]})
        if not np.isfinite(one[schema.LEVEL].values).all():
            continue
        for side, level in given.items():
            row = crossing_table(one, level, above=side == "above").iloc[0]
            rows.append(
                {
                    "well": well,
                    "side": side,
                    "threshold": level,
                    "probability": float(row["probability"]),
                    "by": row["first_50"],
                    "ends": ends,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)
