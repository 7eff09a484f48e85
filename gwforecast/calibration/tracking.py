"""Quantiles of forecasts that follow the outcomes, as these become known.

Each quantile has a shift: the change in the logarithm of its distance from the median. An outcome
beyond the quantile, on its side of the median, widens it; an outcome within narrows it by less, so
that the changes cancel where the quantile is exceeded as often as its probability says (Gibbs and
Candes 2021, arXiv:2106.00170; Angelopoulos et al. 2023, arXiv:2307.16895). The two quantiles that
bound a central interval move together, and by a smaller part apart, according to the side of the
outcome: their mean follows the coverage of the interval quickly, and their difference follows the
skewness of the errors slowly, because errors of one sign can last for a year.

The state depends on nothing but the issued quantiles, their outcomes, and the order of the issue
times. A backtest and a replay of archived forecasts therefore give the same state.
"""

from __future__ import annotations

import numpy as np

from gwforecast.calibration.errors import smoothed

__all__ = ["LARGEST", "STEP", "Tracker"]


STEP = 0.05  # change in the shifts after an outcome outside a central interval
SIDE = 0.2  # of this change: how much more the bound moves that was exceeded than the other one
LARGEST = 3.0  # a shift stays within minus and plus this


class Tracker:
    """Shifts of the quantiles, by their probabilities (quantile,), of some wells and lead times.

    Examples
    --------
    An outcome above an interval moves its upper bound more than its lower one:

    >>> tracker = Tracker(np.array([0.1, 0.5, 0.9]), wells=1, leads=1)
    >>> tracker.add(np.array([[[-1.0, 0.0, 1.0]]]), outcome=np.array([[5.0]]), valid=np.array([2]))
    >>> tracker.advance(1)[0, 0].tolist()
    [0.0, 0.0, 0.0]
    >>> tracker.advance(2)[0, 0].round(3).tolist()
    [0.03, 0.0, 0.05]
    """

    def __init__(self, probabilities: np.ndarray, *, wells: int, leads: int) -> None:
        self._upper = probabilities > 0.5
        self._rate = np.where(self._upper, 1 - probabilities, probabilities)
        self._moves = ~np.isclose(probabilities, 0.5)
        self._now = np.zeros((wells, leads, probabilities.size))
        self._beyond: list[np.ndarray] = []
        self._known: list[np.ndarray] = []
        self._valid: list[np.ndarray] = []
        self._waits: list[np.ndarray] = []

    def add(self, issued: np.ndarray, *, outcome: np.ndarray, valid: np.ndarray) -> None:
        """Add an issued forecast, after those of earlier issue times.

        The quantiles as issued are (well, lead_time, quantile), m, observed levels (well,
        lead_time), m, NaN where there is none. An outcome is used from its valid time (lead_time,)
        on.
        """
        level = outcome[..., None]
        self._beyond.append(np.where(self._upper, level > issued, level < issued))
        self._known.append(np.isfinite(outcome) & np.isfinite(issued).all(axis=-1))
        self._valid.append(valid)
        self._waits.append(np.ones(valid.size, bool))

    def advance(self, issue_time: np.datetime64 | int) -> np.ndarray:
        """Return the shifts at an issue time, shape (well, lead_time, quantile).

        The issue times of consecutive calls increase, and each forecast that is added was issued at
        the time of the last call.
        """
        if self._valid:
            arrived = np.stack(self._waits) & (np.stack(self._valid) <= issue_time)
            if arrived.any():
                self._move(*np.nonzero(arrived))
                self._drop(arrived)
        return self._now.copy()

    def _move(self, origin: np.ndarray, lead: np.ndarray) -> None:
        """Change the shifts by the outcomes of some issue times and lead times."""
        known = np.stack([self._known[o][:, k] for o, k in zip(origin, lead, strict=True)])
        beyond = np.stack([self._beyond[o][:, k] for o, k in zip(origin, lead, strict=True)])
        change = np.where(known[..., None], beyond - self._rate, 0.0)
        # the mirrored quantile is the other bound of the same central interval
        change = (1 + SIDE) * change + (1 - SIDE) * change[..., ::-1]
        wells, leads, quantiles = self._now.shape
        total, count = np.zeros((leads, wells, quantiles)), np.zeros((leads, wells))
        np.add.at(total, lead, change)
        np.add.at(count, lead, known.astype(float))
        mean = smoothed(total.swapaxes(0, 1), count=count.T)
        moved = np.clip(self._now + STEP * np.nan_to_num(mean), -LARGEST, LARGEST)
        self._now = np.where(self._moves, moved, 0.0)

    def _drop(self, arrived: np.ndarray) -> None:
        """Forget the outcomes that were used, and forecasts without further outcomes."""
        waits = np.stack(self._waits) & ~arrived
        kept = np.flatnonzero(waits.any(axis=1))
        self._waits = [waits[number] for number in kept]
        self._valid = [self._valid[number] for number in kept]
        self._beyond = [self._beyond[number] for number in kept]
        self._known = [self._known[number] for number in kept]
