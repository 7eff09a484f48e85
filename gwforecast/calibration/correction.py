"""A model of the recent error of a simulation, from the levels observed up to an issue time.

The error of a simulation from covariates alone persists for days to years, so that recent levels
show what it will be next. It is modelled as the sum of a slow and a fast component, which both
decay exponentially, a damped slope of the slow component, and noise that affects one observation
only. A Kalman filter estimates the components at each step from the levels up to that step,
whatever their gaps, so that a single pass serves all issue times. At long lead times a forecast
tends to the simulation.

The level itself is filtered in the same way, without the simulation. Its forecast is often better
for the next few days, so the two forecasts are averaged with a weight that decays with lead time.
It is chosen again for the weather that forecasts are issued with: where that is not known, the
simulation says less.

The exponentially decaying error is that of transfer function noise models (von Asmuth et al. 2002,
doi:10.1029/2001WR001136), the damped slope that of Gardner and McKenzie (1985,
doi:10.1287/mnsc.31.10.1237), and the filter that of Durbin and Koopman (2012,
doi:10.1093/acprof:oso/9780199641178.001.0001).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline

__all__ = ["ErrorModel"]


SLOW_YEARS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
FAST_YEARS = (0.02, 0.1)
FAST_SHARES = (0.0, 0.3, 0.6)
NOISES = (1e-4, 0.1, 0.5)
SLOPES = (0.1, 1.0, 10.0, 100.0)
SLOPE_YEARS = (0.01, 0.03, 0.1, 0.3)
FACTORS = ((1, 2.0), (3, 5.0), (4, 3.0), (5, 2.0))
"""Position among the parameters, and the factor by which it is varied at first: decay time of the
fast component, noise, slope and its decay time."""
SHARE_STEP, HIGHEST_SHARE = 0.2, 0.95  # the share of the fast component is varied by steps
SMALLEST = 1e-6  # noise, and decay time in years
REFINEMENTS = 6
LEVEL_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0)
"""Weights of the forecast from levels alone at the issue time; above 1 they decay from 1 later."""
LEVEL_WEIGHT_YEARS = (0.01, 0.03, 0.1, 0.3, 1.0)
DEFAULT = (0.5, 0.1, 0.3, 0.1, 0.0, 0.1)
"""Parameters of a well with too few levels: decay times of the slow and the fast component, share
of the fast component, noise, slope and its decay time."""

STATES = 12  # slow component, fast component, slope, and their covariance
MOST_ORIGINS = 2000
MOST_LEADS = 12
FEWEST_PAIRS = 20
KEPT = 5  # best parameters of the first grid, tried with each slope


class ErrorModel:
    """Correct a simulation with the levels observed up to an issue time.

    Attributes
    ----------
    wells_ : list of str
        Wells that were fitted.
    error_, level_ : numpy.ndarray
        Shape (well, 6), parameters for the error of the simulation and for the level: decay times
        of the slow and the fast component in years, share of the fast component in the variance of
        the changes, variance of the noise in units of that variance, variance of the slope per step
        in the same units, and its decay time in years.
    level_weight_ : numpy.ndarray
        Shape (well, 2): weight at the issue time of the forecast from levels alone, and the decay
        time of this weight in years.
    center_ : numpy.ndarray
        Shape (well,), mean level, m, to which the forecast from levels alone tends.

    Examples
    --------
    A simulation that is always 1 m too low is corrected immediately:

    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-01", periods=800)
    >>> coords = {"well": ["a"], "time": time}
    >>> level = xr.DataArray(np.sin(np.arange(800) / 58.0)[None], coords, ("well", "time"))
    >>> model = ErrorModel().fit(level - 1.0, level, horizon=30)
    >>> states = model.filter(level - 1.0, level)
    >>> ahead, _ = model.forecasts(
    ...     level.values[:, 701:731][:, None] - 1, states=states[:, [700]], wells=["a"],
    ...     frequency="D",
    ... )
    >>> bool(np.abs(ahead[0, 0, 0] - level.values[0, 701]) < 0.02)
    True
    """

    wells_: list[str]
    error_: np.ndarray
    level_: np.ndarray
    level_weight_: np.ndarray
    center_: np.ndarray

    def fit(self, simulated: xr.DataArray, levels: xr.DataArray, *, horizon: int) -> Self:
        """Choose the parameters that give the best forecasts of the given levels.

        For each well the parameters of a fixed grid are tried. Forecasts are issued at the steps
        with a level, and the ratio of their RMSE to that of persistence is averaged over lead times
        up to a horizon in steps, which are increasingly far apart, with weights 1 / lead time,
        because persistence is hardest to beat at the shortest lead times. Decay times, shares and
        noise are chosen first, then the slope for the best few of these, then the weights of the
        two forecasts.

        Both series are (well, time), m, on the same axes: simulated by a forecaster that was not
        fitted on these levels, and the levels to use, NaN elsewhere.
        """
        times = levels[schema.TIME].values
        year = timeline.steps_per_year(timeline.infer_frequency(times))
        self.wells_ = [str(well) for well in levels[schema.WELL].values]
        count = len(self.wells_)
        self.error_, self.level_ = np.tile(DEFAULT, (count, 1)), np.tile(DEFAULT, (count, 1))
        self.level_weight_ = np.tile([0.0, LEVEL_WEIGHT_YEARS[0]], (count, 1))
        self.center_ = np.zeros(count)
        for well, (sim, level) in enumerate(zip(simulated.values, levels.values, strict=True)):
            trial = _Trial(level, sim, horizon=horizon, year=year)
            self.center_[well] = trial.center
            if trial.used.any():
                self.error_[well], self.level_[well] = both = trial.best_parameters()
                self.level_weight_[well] = trial.best_level_weight(both)
        return self

    def filter(
        self,
        simulated: xr.DataArray,
        levels: xr.DataArray,
        *,
        since: np.ndarray | None = None,
        start: np.ndarray | None = None,
        at: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the state of error and level at some steps, given the levels up to each.

        Simulated levels are (well, time) or (well, time, member), m, observed ones (well, time),
        NaN where there is none. Levels up to a time ``since`` (well,) are ignored, and ``start``
        (well, 24) is the state then; by default unknown. The positions of the steps ``at`` are by
        default all.

        The result has the shape (well, time[, member], 24), first for the error and then for the
        level: slow component, fast component and slope, m, and their covariance in units of the
        variance of the changes. Before ``since`` the components are 0.
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
                parameters[rows][:, None],
                year=year,
                begin=begin[:, None],
                start=known[:, None, part * STATES : (part + 1) * STATES],
                at=at,
            )
            for part, (series, parameters) in enumerate(
                ((observed - values, self.error_),
                 (observed - self.center_[rows][:, None, None], self.level_))
            )
        ]  # fmt: skip
        found = np.concatenate(
            [np.broadcast_to(part, (*parts[0].shape[:-1], STATES)) for part in parts], axis=-1
        ).swapaxes(0, 1)
        return found if simulated.ndim == 3 else found[:, :, 0]

    def forecasts(
        self, simulated: np.ndarray, *, states: np.ndarray, wells: list[str], frequency: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return simulated levels after an issue time, corrected, and forecasts of levels alone.

        Parameters
        ----------
        simulated : numpy.ndarray
            Shape (well, issue_time, lead_time[, member]), m, lead times 1, 2, ...
        states : numpy.ndarray
            Shape (well, issue_time[, member], 24): states at the issue times from :meth:`filter`.
        wells : list of str
            Names of the wells.
        frequency : str
            Of the time axis.

        Returns
        -------
        tuple of numpy.ndarray
            Shapes (well, issue_time, lead_time[, member]) and (well, issue_time, lead_time), m.
        """
        rows = self._rows(np.array(wells))
        of_errors, of_levels = (
            _remaining(numbers[rows], np.arange(1, simulated.shape[2] + 1), year)[:, None]
            for numbers in (self.error_, self.level_)
            for year in [timeline.steps_per_year(frequency)]
        )
        members = (None,) * (simulated.ndim - 3)
        alone = states[:, :, 0] if members else states  # no member has levels of its own
        corrected = simulated
        of_level = np.broadcast_to(self.center_[rows][:, None, None], simulated.shape[:3])
        for part in range(3):
            of_error = of_errors[..., part]
            corrected = corrected + of_error[..., *members] * states[..., part][:, :, None]
            of_level = of_level + of_levels[..., part] * alone[..., STATES + part][:, :, None]
        return corrected, of_level

    def average(
        self, corrected: np.ndarray, of_level: np.ndarray, *, wells: list[str], frequency: str
    ) -> np.ndarray:
        """Return the mean of the two :meth:`forecasts`, with the weights of the wells."""
        weights = self.level_weight_[self._rows(np.array(wells))]
        steps = np.arange(1, corrected.shape[2] + 1)
        weight = _weights_of_level(weights, steps, timeline.steps_per_year(frequency))[:, None]
        members = (None,) * (corrected.ndim - 3)
        weight, of_level = weight[..., *members], of_level[..., *members]
        return np.asarray((1 - weight) * corrected + weight * of_level)

    def weigh(
        self,
        corrected: np.ndarray,
        of_level: np.ndarray,
        observed: np.ndarray,
        *,
        wells: list[str],
        frequency: str,
    ) -> Self:
        """Return a copy with the weights that suit some hindcasts best.

        Where the weather after the issue time is not known, the forecast from levels alone has a
        larger share than where it is.

        Parameters
        ----------
        corrected, of_level : numpy.ndarray
            The two :meth:`forecasts`, shape (well, issue_time, lead_time), m.
        observed : numpy.ndarray
            Levels at the valid times, of the same shape; NaN where unknown or not to be used.
        wells : list of str
            Names of the wells; the others keep their weights.
        frequency : str
            Of the time axis.
        """
        again = copy.copy(self)
        again.level_weight_ = self.level_weight_.copy()
        year = timeline.steps_per_year(frequency)
        leads = np.unique(np.geomspace(1, observed.shape[2], MOST_LEADS).astype(int))
        for row, *own in zip(
            self._rows(np.array(wells)), corrected, of_level, observed, strict=True
        ):
            simulated, alone, truth = (values[:, leads - 1] for values in own)
            errors = np.stack([truth - simulated, truth - alone])
            enough = np.isfinite(errors).all(axis=0).sum(axis=0) >= FEWEST_PAIRS
            if enough.any():
                again.level_weight_[row] = _best_weight(
                    *errors[..., enough], leads=leads[enough], year=year
                )
        return again

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the state as plain arrays, for :meth:`from_arrays`."""
        return {
            "wells": np.array(self.wells_, dtype=str),
            "error": self.error_,
            "level": self.level_,
            "doubt": self.level_weight_,
            "center": self.center_,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the model whose state :meth:`to_arrays` returned.

        Raises KeyError or ValueError if an array is missing, has another shape or is not finite.
        """
        model = cls()
        model.wells_ = [str(well) for well in arrays["wells"]]
        model.error_, model.level_, model.level_weight_, model.center_ = (
            np.asarray(arrays[name], float) for name in ("error", "level", "doubt", "center")
        )
        wells = len(model.wells_)
        shapes = {"error": (wells, 6), "level": (wells, 6), "doubt": (wells, 2), "center": (wells,)}
        for name, shape in shapes.items():
            if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
                raise ValueError(
                    f"{name} of an error model must be finite with shape {shape}, not "
                    f"{arrays[name].shape}"
                )
        return model

    def _rows(self, wells: np.ndarray) -> np.ndarray:
        index = {well: number for number, well in enumerate(self.wells_)}
        return np.array([index[str(well)] for well in wells], int)


def _remaining(parameters: np.ndarray, steps: np.ndarray, year: float) -> np.ndarray:
    """Return the share of each component that remains at each lead time, (..., lead_time, 3)."""
    slow, fast, _, _, _, slope = np.moveaxis(parameters[..., None, :], -1, 0)
    decay, decline = np.exp(-1 / (slow * year)), np.exp(-1 / (slope * year))
    # the slope adds to the slow component, which decays meanwhile
    same = np.isclose(decay, decline)
    added = (decay**steps - decline**steps) / np.where(same, 1.0, decay - decline)
    added = np.where(same, steps * decay ** (steps - 1), added)
    parts = np.exp(-steps / (slow * year)), np.exp(-steps / (fast * year)), added
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def _filter(
    errors: np.ndarray,
    parameters: np.ndarray,
    *,
    year: float,
    begin: np.ndarray | int = -1,
    start: np.ndarray | None = None,
    at: np.ndarray | None = None,
) -> np.ndarray:
    """Return the states (time, ..., 12) of errors (time, ...), NaN where not observed.

    They are those at all steps, or at some positions.

    The parameters have shape (..., 6), and the start, the state at the step ``begin``, (..., 12).
    The result has the shape to which all broadcast after time.
    """
    shape = np.broadcast_shapes(errors.shape[1:], parameters.shape[:-1], np.shape(begin))
    slow, fast, share, noise, slope, slope_years = np.moveaxis(parameters, -1, 0)
    decays = np.stack([np.exp(-1 / (years * year)) for years in (slow, fast, slope_years)], axis=-1)
    move = decays[..., None] * np.eye(3)
    move[..., 0, 2] = np.where(slope > 0, 1.0, 0.0)
    grows = np.stack([1 - share, share, slope * (1 - decays[..., 2] ** 2)], axis=-1)
    known = np.zeros((*parameters.shape[:-1], STATES))
    known[..., 3:] = ((grows / (1 - decays**2))[..., None] * np.eye(3)).reshape(*slow.shape, 9)
    if start is not None:
        known = np.where(np.isfinite(start), start, known)
    known = np.broadcast_to(known, (*shape, STATES))
    state, spread = known[..., :3], known[..., 3:].reshape(*shape, 3, 3)
    kept, again = np.unique(np.arange(len(errors)) if at is None else at, return_inverse=True)
    place = {int(step): number for number, step in enumerate(kept)}
    states = np.empty((kept.size, *shape, STATES))
    still = min(max(int(np.min(begin)), 0), len(errors))  # steps before any state changes
    states[kept < still, ..., :3], states[kept < still, ..., 3:] = 0.0, spread.reshape(*shape, 9)
    for step, error in enumerate(errors[still : kept.max(initial=-1) + 1], start=still):
        # the state at the beginning decays from then on, and does not change before
        moves = np.broadcast_to(step > begin, shape)
        if moves.any():
            moved = np.matmul(move, state[..., None])[..., 0]
            state = np.where(moves[..., None], moved, state)
            grown = np.matmul(np.matmul(move, spread), move.swapaxes(-1, -2))
            spread = np.where(moves[..., None, None], grown + grows[..., None] * np.eye(3), spread)
        seen = np.isfinite(error) & moves
        if seen.any():
            shared = (
                spread[..., 0] + spread[..., 1]
            )  # covariance of the states with the observed error
            total = shared[..., 0] + shared[..., 1] + noise
            gain = np.where(seen[..., None], shared / total[..., None], 0.0)
            surprise = np.where(seen, error, 0.0) - state[..., 0] - state[..., 1]
            state = state + gain * surprise[..., None]
            spread = spread - gain[..., None] * shared[..., None, :]
        if step in place:
            found = states[place[step]]
            found[..., :3] = np.where((step >= np.asarray(begin))[..., None], state, 0.0)
            found[..., 3:] = spread.reshape(*shape, 9)
    return states if at is None else states[again]


class _Trial:
    """Forecasts of the levels of one well from past issue times, and their errors."""

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
        self.series = np.stack([level - simulated, level - self.center], axis=1)
        self.outcomes = np.where(self.inside, np.moveaxis(self.series[self.ahead], -1, 0), np.nan)
        persisted = self.outcomes[1] - self.series[self.origins, 1][:, None]
        self.used = (np.isfinite(persisted).sum(axis=0) >= FEWEST_PAIRS) & (_rms(persisted) > 0)
        self.scale = np.where(self.used, _rms(persisted), 1.0)

    def errors_of(self, parameters: np.ndarray) -> np.ndarray:
        """Return the errors of forecasts of both series, (2, candidate, origin, lead_time).

        The parameters have the shape (2, candidate, 6).
        """
        states = _filter(self.series[..., None], parameters, year=self.year, at=self.origins)
        left = _remaining(parameters, self.leads, self.year)
        forecasts = np.einsum("opcs,pcls->pcol", states[..., :3], left)
        return np.asarray(self.outcomes[:, None] - forecasts)

    def losses(self, parameters: np.ndarray) -> np.ndarray:
        """Return the mean ratio of the errors to those of persistence, (2, candidate)."""
        ratio = (_rms(self.errors_of(parameters)) / self.scale)[..., self.used]
        return np.asarray(np.average(ratio, weights=1 / self.leads[self.used], axis=-1))

    def best_parameters(self) -> np.ndarray:
        """Return the parameters with the best forecasts of error and level, shape (2, 6)."""
        grid = itertools.product(SLOW_YEARS, FAST_YEARS, FAST_SHARES, NOISES)
        first = np.tile([(*numbers, *DEFAULT[4:]) for numbers in grid], (2, 1, 1))
        kept = np.argsort(self.losses(first), axis=1, kind="stable")[:, :KEPT, None]
        best = np.take_along_axis(first, kept, 1)[..., :4]
        slopes = np.array([DEFAULT[4:], *itertools.product(SLOPES, SLOPE_YEARS)])
        second = np.concatenate(
            [np.repeat(best, len(slopes), axis=1), np.tile(slopes, (2, KEPT, 1))], axis=2
        )
        losses = self.losses(second)
        chosen = losses.argmin(axis=1)
        return self._refined(second[[0, 1], chosen], losses[[0, 1], chosen])

    def _refined(self, parameters: np.ndarray, losses: np.ndarray) -> np.ndarray:
        """Return parameters near the given ones, (2, 6), with smaller losses, (2,).

        One parameter at a time is varied, less and less. The decay time of the slow component stays
        as it is: forecasts for long lead times depend on it, and have few independent errors.
        """
        size = np.ones(2)
        for _ in range(REFINEMENTS):
            near = np.array([_neighbours(*one) for one in zip(parameters, size, strict=True)])
            found = self.losses(near)
            better = found.min(axis=1) < losses
            parameters = np.where(better[:, None], near[[0, 1], found.argmin(axis=1)], parameters)
            losses = np.minimum(losses, found.min(axis=1))
            size = np.where(better, size, size / 2)
        return parameters

    def best_level_weight(self, parameters: np.ndarray) -> tuple[float, float]:
        """Return the weight of the forecast from levels alone, and its decay time."""
        errors = self.errors_of(parameters[:, None])[:, 0][..., self.used]
        return _best_weight(*errors, leads=self.leads[self.used], year=self.year)


def _neighbours(parameters: np.ndarray, size: float) -> np.ndarray:
    """Return parameters, shape (neighbour, 6), that differ from the given ones in one number."""
    found = []
    for sign in (-size, size):
        for number, factor in FACTORS:
            near = parameters.copy()
            near[number] = max(near[number] * factor**sign, SMALLEST)
            found.append(near)
        near = parameters.copy()
        near[2] = np.clip(near[2] + sign * SHARE_STEP, 0.0, HIGHEST_SHARE)
        found.append(near)
    return np.array(found)


def _best_weight(
    corrected: np.ndarray, of_level: np.ndarray, *, leads: np.ndarray, year: float
) -> tuple[float, float]:
    """Return the weight of the forecast from levels alone, and its decay time in years.

    The errors have shape (origin, lead_time). The mean absolute error, in units of that of the
    corrected simulation, is averaged over lead times with weights 1 / lead time. Squares would be
    those of a few events.
    """
    choices = np.array(
        [(0.0, LEVEL_WEIGHT_YEARS[0]), *itertools.product(LEVEL_WEIGHTS[1:], LEVEL_WEIGHT_YEARS)]
    )
    weights = _weights_of_level(choices, leads, year)
    sizes = [np.nanmean(np.abs((1 - w) * corrected + w * of_level), axis=0) for w in weights]
    ratios = sizes / np.maximum(sizes[0], np.finfo(float).tiny)
    start, years = choices[int(np.argmin(np.average(ratios, weights=1 / leads, axis=1)))]
    return float(start), float(years)


def _weights_of_level(parameters: np.ndarray, leads: np.ndarray, year: float) -> np.ndarray:
    """Return the weight of the forecast from levels alone, (..., lead_time), of (..., 2)."""
    start, years = np.moveaxis(parameters[..., None, :], -1, 0)
    return np.asarray(np.minimum(start * np.exp(-leads / (years * year)), 1.0))


def _leads(level: np.ndarray, origins: np.ndarray, *, most: int) -> np.ndarray:
    """Return lead times, increasingly far apart, that have levels after many of the origins.

    Weekly levels on a daily axis follow each other after 7, 14, 21, ... days only.
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
    count = np.maximum(known.sum(axis=-2), 1)
    root: np.ndarray = np.sqrt((np.where(known, errors, 0.0) ** 2).sum(axis=-2) / count)
    return root
