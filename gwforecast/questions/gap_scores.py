"""Scores of filled gaps: levels are taken out of a record in artificial gaps and put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from gwforecast.questions.smoother import ErrorSmoother
from gwforecast.timeline import DAYS, YEAR, day_of_year

__all__ = ["GAP_WEEKS", "METHODS", "score_gaps"]


GAP_WEEKS = (1, 4, 13, 26, 52)
"""Lengths of artificial gaps, in weeks."""

METHODS = ("fill", "linear_interpolation", "simulation", "climatology")
OFFSETS = 3  # times that gaps are placed, each time elsewhere
FEWEST_SHARE = 0.3  # of the usual number of levels, below which a gap is not artificial
HARMONICS = 2
NORMAL_95 = 1.959964


def score_gaps(
    smoother: ErrorSmoother,
    level: np.ndarray,
    *,
    block: np.ndarray,
    weeks: Sequence[int] = GAP_WEEKS,
) -> pd.DataFrame:
    """Score the levels of artificial gaps by each way of filling them, on the same levels.

    Each gap lies within one block of years, whose levels the simulation has not seen. The five
    parameters of the error are those of the whole record; the state of the error, the factors and
    the season are estimated without the levels of the gaps.

    Parameters
    ----------
    smoother : ErrorSmoother
        Fitted.
    level : numpy.ndarray
        Shape (time,), m; NaN where nothing was observed.
    block : numpy.ndarray
        Number of the block of years of each step, shape (time,).
    weeks : sequence of int
        Lengths of the gaps.

    Returns
    -------
    pandas.DataFrame
        Columns gap_weeks, method (one of :data:`METHODS`; climatology is the mean and two harmonics
        of the year of all levels outside the gaps), rmse (m), coverage_95 (of ``fill``) and n, the
        number of levels.
    """
    rows: list[dict[str, object]] = []
    for length in weeks:
        steps = round(length * smoother.steps_per_year * 7 / YEAR)
        if steps < 1:
            continue
        errors: dict[str, list[np.ndarray]] = {method: [] for method in METHODS}
        ratios = []
        for hidden in _gaps(level, block, steps):
            scored = hidden & np.isfinite(smoother.simulation)
            if not scored.any():
                continue
            rest = np.where(hidden, np.nan, level)
            found = smoother.condition(rest)
            ways = (found.mean, _straight(rest), smoother.simulation, _season(rest, smoother.times))
            for method, filled in zip(METHODS, ways, strict=True):
                errors[method].append((filled - level)[scored])
            ratios.append(((level - found.mean) / found.deviation)[scored])
        if not ratios:
            continue
        covered = float(np.mean(np.abs(np.concatenate(ratios)) <= NORMAL_95))
        for method, parts in errors.items():
            every = np.concatenate(parts)
            rows.append(
                {
                    "gap_weeks": length,
                    "method": method,
                    "rmse": float(np.sqrt(np.mean(every**2))),
                    "coverage_95": covered if method == "fill" else np.nan,
                    "n": every.size,
                }
            )
    return pd.DataFrame(rows, columns=["gap_weeks", "method", "rmse", "coverage_95", "n"])


def _gaps(level: np.ndarray, block: np.ndarray, steps: int) -> Iterator[np.ndarray]:
    """Yield which levels lie in gaps of a length, boolean, shape (time,), at several places."""
    known = np.isfinite(level)
    places = np.flatnonzero(known)
    first, last = int(places[0]), int(places[-1])
    usual = steps * known[first : last + 1].mean()
    apart = 3 * steps + 1
    for number in range(OFFSETS):
        hidden = np.zeros(level.size, bool)
        for start in range(first + 1 + number * apart // OFFSETS, last - steps, apart):
            inside = slice(start, start + steps)
            if block[start - 1] != block[start + steps]:
                continue
            if known[inside].sum() >= max(1.0, FEWEST_SHARE * usual):
                hidden[inside] = True
        yield hidden & known


def _straight(level: np.ndarray) -> np.ndarray:
    """Return levels interpolated linearly in time."""
    known = np.flatnonzero(np.isfinite(level))
    return np.asarray(np.interp(np.arange(level.size), known, level[known]))


def _season(level: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mean level of the season, fitted by harmonics of the year."""
    angle = 2 * np.pi * day_of_year(times) / DAYS
    terms = [np.ones(angle.size)]
    for order in range(1, HARMONICS + 1):
        terms += [np.sin(order * angle), np.cos(order * angle)]
    columns = np.stack(terms, axis=1)
    known = np.isfinite(level)
    found = np.linalg.lstsq(columns[known], level[known], rcond=None)[0]
    return np.asarray(columns @ found)
