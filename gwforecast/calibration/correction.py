"""What is known at an issue time beside the weather: a simulation's error, and the level's way.

A simulation from covariates alone is off by days to years at a time: the last observed levels show
by how much. The error is taken as the sum of a slow and a fast part that both fade exponentially,
of a slope of the slow part that fades as well, and of noise that belongs to one observation only. A
Kalman filter tells the parts at each step from the levels up to it, whatever gaps they have, so
that one pass serves every issue time, and a forecast tends to the simulation at long lead times.

The level itself is filtered in the same way, as if there were no simulation. Its forecast is often
the better one for the next days, so the two are averaged, with a weight that fades with lead time.

The exponentially fading error is that of transfer function noise models (von Asmuth et al. 2002,
doi:10.1029/2001WR001136), its damped slope that of Gardner and McKenzie (1985,
doi:10.1287/mnsc.31.10.1237), the filter that of Durbin and Koopman (2012,
doi:10.1093/acprof:oso/9780199641178.001.0001).
"""

from __future__ import annotations

import itertools
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline

__all__ = ["ErrorModel"]


SLOW_YEARS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
FAST_YEARS = (0.02, 0.1)
FAST_SHARES = (0.0, 0.3, 0.6)
NOISES = (1e-4, 0.1, 0.5)
SLOPES = (0.1, 1.0, 10.0)
SLOPE_YEARS = (0.03, 0.1)
DOUBTS = (0.0, 0.25, 0.5, 0.75, 1.0)
DOUBT_YEARS = (0.01, 0.03, 0.1, 0.3, 1.0)
FADING = (0.5, 0.1, 0.3, 0.1, 0.0, 0.1)
"""Of a well with too few levels to choose by: fading times of the slow and the fast part, share of
the fast part, noise, slope and its fading time."""

STATES = 12  # slow, fast, slope, and their covariance
MOST_ORIGINS = 200
MOST_LEADS = 12
FEWEST_PAIRS = 20
KEPT = 5  # of the first numbers, with which slope and doubt are tried


class ErrorModel:
    """Correct a simulation by the levels up to an issue time.

    Attributes
    ----------
    wells_ : list of str
        Wells that were fitted.
    error_, level_ : numpy.ndarray
        Shape (well, 6), of the simulation's error and of the level: fading times of the slow and
        the fast part in years, share of the fast part in the variance of the changes, variance of
        the noise in units of it, variance of the slope per step in the same units and its fading
        time in years.
    doubt_ : numpy.ndarray
        Shape (well, 2): weight of the level's own forecast at the issue time, and the time in years
        along which it fades.
    center_ : numpy.ndarray
        Shape (well,), mean level, m, to which the level's own forecast tends.

    Examples
    --------
    A simulation that is always 1 m too low is corrected at once:

    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-01", periods=800)
    >>> coords = {"well": ["a"], "time": time}
    >>> level = xr.DataArray(np.sin(np.arange(800) / 58.0)[None], coords, ("well", "time"))
    >>> model = ErrorModel().fit(level - 1.0, level, horizon=30)
    >>> states = model.filter(level - 1.0, level)
    >>> ahead = model.correct(
    ...     level.values[:, 701:731][:, None] - 1, states=states[:, [700]], wells=["a"],
    ...     frequency="D",
    ... )
    >>> bool(np.abs(ahead[0, 0, 0] - level.values[0, 701]) < 0.02)
    True
    """

    wells_: list[str]
    error_: np.ndarray
    level_: np.ndarray
    doubt_: np.ndarray
    center_: np.ndarray

    def fit(self, simulated: xr.DataArray, levels: xr.DataArray, *, horizon: int) -> Self:
        """Choose the numbers that give the best forecasts of some levels.

        For each well, numbers of a fixed grid are tried: with each, forecasts are issued at the
        steps with a level, and the ratio of their RMSE to that of persistence is averaged over lead
        times that are ever further apart, with weights 1 / lead time: the shortest, where
        persistence is hardest to beat, count most. Fading times, shares and noise come first, then
        the slope with the best few of these, then the weights of the two forecasts.

        Parameters
        ----------
        simulated : xarray.DataArray
            Dimensions (well, time), m, of a forecaster that was not fitted on these levels.
        levels : xarray.DataArray
            Dimensions (well, time), m, on the same axes: those to choose by, NaN elsewhere.
        horizon : int
            Longest lead time in steps.
        """
        times = levels[schema.TIME].values
        year = timeline.steps_per_year(timeline.infer_frequency(times))
        self.wells_ = [str(well) for well in levels[schema.WELL].values]
        count = len(self.wells_)
        self.error_, self.level_ = np.tile(FADING, (count, 1)), np.tile(FADING, (count, 1))
        self.doubt_ = np.tile([0.0, DOUBT_YEARS[0]], (count, 1))
        self.center_ = np.zeros(count)
        for well, (sim, level) in enumerate(zip(simulated.values, levels.values, strict=True)):
            trial = _Trial(level, sim, horizon=horizon, year=year)
            self.center_[well] = trial.center
            if trial.used.any():
                self.error_[well] = trial.best_fading(trial.errors)
                self.level_[well] = trial.best_fading(trial.level)
                self.doubt_[well] = trial.best_doubt(self.error_[well], self.level_[well])
        return self

    def filter(
        self,
        simulated: xr.DataArray,
        levels: xr.DataArray,
        *,
        since: np.ndarray | None = None,
        start: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return what is known of error and level at each step, from the levels up to it.

        Parameters
        ----------
        simulated : xarray.DataArray
            Dimensions (well, time) or (well, time, member), m.
        levels : xarray.DataArray
            Dimensions (well, time), m; NaN where nothing was observed.
        since : numpy.ndarray, optional
            Shape (well,), ``datetime64``: levels up to this time are not used; by default all are.
        start : numpy.ndarray, optional
            Shape (well, 24): what was known at ``since``; by default nothing.

        Returns
        -------
        numpy.ndarray
            Shape (well, time[, member], 24): of the error and then of the level, slow part, fast
            part and slope, m, and their covariance in units of the variance of the changes. Before
            ``since`` the parts are 0.
        """
        times = timeline.to_times(levels[schema.TIME].values)
        year = timeline.steps_per_year(timeline.infer_frequency(times))
        rows = self._rows(levels[schema.WELL].values)
        values = simulated.values if simulated.ndim == 3 else simulated.values[..., None]
        begin = np.full(len(rows), -1)
        if since is not None:
            begin = np.searchsorted(times, timeline.to_times(since), side="right") - 1
        known = np.full((len(rows), 2 * STATES), np.nan) if start is None else start
        observed = levels.values[..., None]
        parts = [
            _filter(
                np.moveaxis(series, 1, 0),
                fading[rows][:, None],
                year=year,
                begin=begin[:, None],
                start=known[:, None, part * STATES : (part + 1) * STATES],
            )
            for part, (series, fading) in enumerate(
                ((observed - values, self.error_),
                 (observed - self.center_[rows][:, None, None], self.level_))
            )
        ]  # fmt: skip
        found = np.concatenate(
            [np.broadcast_to(part, (*parts[0].shape[:-1], STATES)) for part in parts], axis=-1
        ).swapaxes(0, 1)
        return found if simulated.ndim == 3 else found[:, :, 0]

    def correct(
        self, forecast: np.ndarray, *, states: np.ndarray, wells: list[str], frequency: str
    ) -> np.ndarray:
        """Return simulated levels after an issue time, corrected by what was known then.

        Parameters
        ----------
        forecast : numpy.ndarray
            Shape (well, issue_time, lead_time[, member]), m, lead times 1, 2, ...
        states : numpy.ndarray
            Shape (well, issue_time[, member], 24): what is known at the issue times, as of
            :meth:`filter`.
        wells : list of str
            Names of the wells.
        frequency : str
            Of the time axis.
        """
        year = timeline.steps_per_year(frequency)
        rows = self._rows(np.array(wells))
        steps = np.arange(1, forecast.shape[2] + 1)
        members = (None,) * (forecast.ndim - 3)
        of_level = np.broadcast_to(
            self.center_[rows].reshape(-1, *[1] * (forecast.ndim - 1)), forecast.shape
        )
        of_error = forecast
        for part in range(3):
            for_error, for_level = (
                _left(fading[rows], steps, year)[:, None, :, *members, part]
                for fading in (self.error_, self.level_)
            )
            of_error = of_error + for_error * states[..., part][:, :, None]
            of_level = of_level + for_level * states[..., STATES + part][:, :, None]
        weight, fades = (number[rows][:, None, None, *members] for number in self.doubt_.T)
        weight = weight * np.exp(-steps.reshape(-1, *[1] * len(members)) / (fades * year))
        return np.asarray((1 - weight) * of_error + weight * of_level)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the state as plain arrays, for :meth:`from_arrays`."""
        return {
            "wells": np.array(self.wells_, dtype=str),
            "error": self.error_,
            "level": self.level_,
            "doubt": self.doubt_,
            "center": self.center_,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Return the model whose state :meth:`to_arrays` gave."""
        model = cls()
        model.wells_ = [str(well) for well in arrays["wells"]]
        model.error_, model.level_, model.doubt_, model.center_ = (
            np.asarray(arrays[name], float) for name in ("error", "level", "doubt", "center")
        )
        return model

    def _rows(self, wells: np.ndarray) -> np.ndarray:
        index = {well: number for number, well in enumerate(self.wells_)}
        return np.array([index[str(well)] for well in wells], int)


def _left(fading: np.ndarray, steps: np.ndarray, year: float) -> np.ndarray:
    """Return what is left of slow part, fast part and slope, (..., lead_time, 3)."""
    slow, fast, _, _, _, slope = np.moveaxis(fading[..., None, :], -1, 0)
    decay, decline = np.exp(-1 / (slow * year)), np.exp(-1 / (slope * year))
    # the slope's changes add up while the slow part fades
    same = np.isclose(decay, decline)
    added = (decay**steps - decline**steps) / np.where(same, 1.0, decay - decline)
    added = np.where(same, steps * decay ** (steps - 1), added)
    parts = np.exp(-steps / (slow * year)), np.exp(-steps / (fast * year)), added
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def _filter(
    errors: np.ndarray,
    fading: np.ndarray,
    *,
    year: float,
    begin: np.ndarray | int = -1,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Return the states (time, ..., 12) of errors (time, ...), NaN where not observed.

    The fading is (..., 6) and the start (..., 12), known at the step ``begin``; the result has
    the shape to which all broadcast behind time.
    """
    shape = np.broadcast_shapes(errors.shape[1:], fading.shape[:-1], np.shape(begin))
    slow, fast, share, noise, slope, slope_years = np.moveaxis(fading, -1, 0)
    decays = np.stack([np.exp(-1 / (years * year)) for years in (slow, fast, slope_years)], axis=-1)
    move = decays[..., None] * np.eye(3)
    move[..., 0, 2] = np.where(slope > 0, 1.0, 0.0)
    grows = np.stack([1 - share, share, slope * (1 - decays[..., 2] ** 2)], axis=-1)
    known = np.zeros((*fading.shape[:-1], STATES))
    known[..., 3:] = ((grows / (1 - decays**2))[..., None] * np.eye(3)).reshape(*slow.shape, 9)
    if start is not None:
        known = np.where(np.isfinite(start), start, known)
    known = np.broadcast_to(known, (*shape, STATES))
    state, spread = known[..., :3], known[..., 3:].reshape(*shape, 3, 3)
    states = np.empty((len(errors), *shape, STATES))
    for step, error in enumerate(errors):
        # what is known at the beginning fades from then on; before it nothing moves
        moves = np.broadcast_to(step > begin, shape)
        if moves.any():
            moved = np.matmul(move, state[..., None])[..., 0]
            state = np.where(moves[..., None], moved, state)
            grown = np.matmul(np.matmul(move, spread), move.swapaxes(-1, -2))
            spread = np.where(moves[..., None, None], grown + grows[..., None] * np.eye(3), spread)
        seen = np.isfinite(error) & moves
        if seen.any():
            shared = spread[..., 0] + spread[..., 1]  # with the error that is observed
            total = shared[..., 0] + shared[..., 1] + noise
            gain = np.where(seen[..., None], shared / total[..., None], 0.0)
            surprise = np.where(seen, error, 0.0) - state[..., 0] - state[..., 1]
            state = state + gain * surprise[..., None]
            spread = spread - gain[..., None] * shared[..., None, :]
        states[step, ..., :3] = np.where((step >= np.asarray(begin))[..., None], state, 0.0)
        states[step, ..., 3:] = spread.reshape(*shape, 9)
    return states


class _Trial:
    """Forecasts of one well's levels from past origins, and how good they are."""

    def __init__(
        self, level: np.ndarray, simulated: np.ndarray, *, horizon: int, year: float
    ) -> None:
        known = np.flatnonzero(np.isfinite(level) & np.isfinite(simulated))
        self.center = float(level[known].mean()) if known.size else 0.0
        self.year = year
        self.used = np.zeros(1, bool)
        if known.size < FEWEST_PAIRS:
            return
        level, simulated = (v[known[0] : known[-1] + 1] for v in (level, simulated))
        origins = known - known[0]
        self.origins = origins[:: -(-origins.size // MOST_ORIGINS)]
        self.leads = _leads(level, self.origins, most=min(horizon, level.size - 1))
        ahead = self.origins[:, None] + self.leads
        self.inside = ahead < level.size
        self.ahead = np.where(self.inside, ahead, 0)
        self.level, self.errors = level - self.center, level - simulated
        persisted = self._ahead(level) - level[self.origins][:, None]
        self.used = (np.isfinite(persisted).sum(axis=0) >= FEWEST_PAIRS) & (_rms(persisted) > 0)
        self.scale = np.where(self.used, _rms(persisted), 1.0)

    def _ahead(self, series: np.ndarray) -> np.ndarray:
        return np.where(self.inside, series[self.ahead], np.nan)

    def loss(self, errors: np.ndarray) -> float:
        """Return the mean ratio of the errors (origin, lead_time) to those of persistence."""
        ratio = (_rms(errors) / self.scale)[self.used]
        return float(np.average(ratio, weights=1 / self.leads[self.used]))

    def missed(self, series: np.ndarray, fading: np.ndarray) -> np.ndarray:
        """Return the errors of forecasts of a series with fadings (..., 6)."""
        states = _filter(series.reshape(-1, *[1] * (fading.ndim - 1)), fading, year=self.year)
        states = states[self.origins][..., :3]
        left = _left(fading, self.leads, self.year)
        return np.asarray(self._ahead(series) - np.einsum("o...s,...ls->...ol", states, left))

    def best_fading(self, series: np.ndarray) -> np.ndarray:
        """Return the fading with the best forecasts of a series (time,)."""
        grid = itertools.product(SLOW_YEARS, FAST_YEARS, FAST_SHARES, NOISES)
        first = np.array([(*numbers, *FADING[4:]) for numbers in grid])
        losses = [self.loss(errors) for errors in self.missed(series, first)]
        best = first[np.argsort(losses, kind="stable")[:KEPT]]
        slopes = [FADING[4:], *itertools.product(SLOPES, SLOPE_YEARS)]
        second = np.array([(*numbers[:4], *slope) for numbers in best for slope in slopes])
        losses = [self.loss(errors) for errors in self.missed(series, second)]
        return np.asarray(second[int(np.argmin(losses))])

    def best_doubt(self, error: np.ndarray, level: np.ndarray) -> tuple[float, float]:
        """Return the weight of the level's own forecast and its fading time."""
        of_error, of_level = self.missed(self.errors, error), self.missed(self.level, level)
        choices = [(0.0, DOUBT_YEARS[0]), *itertools.product(DOUBTS[1:], DOUBT_YEARS)]
        losses = []
        for doubt, years in choices:
            weight = doubt * np.exp(-self.leads / (years * self.year))
            losses.append(self.loss((1 - weight) * of_error + weight * of_level))
        return choices[int(np.argmin(losses))]


def _leads(level: np.ndarray, origins: np.ndarray, *, most: int) -> np.ndarray:
    """Return lead times, ever further apart, at which levels follow many of the origins.

    Weekly levels on a daily axis follow each other after 7, 14, 21 ... days, at no others.
    """
    leads = np.arange(1, most + 1)
    wanted = np.geomspace(1, most, MOST_LEADS).astype(int)
    seen = np.append(np.isfinite(level), np.zeros(most, bool))
    there = leads[seen[origins[:, None] + leads].sum(axis=0) >= FEWEST_PAIRS]
    if not there.size:
        return np.unique(wanted)
    nearest = np.abs(there - wanted[:, None]).argmin(axis=1)
    return np.unique(there[nearest])


def _rms(errors: np.ndarray) -> np.ndarray:
    known = np.isfinite(errors)
    count = np.maximum(known.sum(axis=0), 1)
    root: np.ndarray = np.sqrt((np.where(known, errors, 0.0) ** 2).sum(axis=0) / count)
    return root
