"""What is known of a simulation's error at an issue time, and how it fades with lead time.

A simulation from covariates alone is off by days to years at a time: the last observed levels show
by how much. The error is taken as the sum of a slow and a fast part that both fade exponentially
and of noise that belongs to one observation only. A Kalman filter tells the parts at each step from
the levels up to it, whatever gaps they have, so that one pass serves every issue time, and a
forecast tends to the simulation at long lead times. Where a simulation's own changes are
doubtful at short lead times, they are damped there, and the forecast stays near the last level.

The exponentially fading error is that of transfer function noise models (von Asmuth et al. 2002,
doi:10.1029/2001WR001136); the filter that of Durbin and Koopman (2012,
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
NOISE_SHARES = (1e-4, 0.1, 0.5)
DOUBTS = (0.0, 0.2, 0.4, 0.6, 0.8)
DOUBT_YEARS = (0.01, 0.03, 0.1, 0.3)
DEFAULT = (0.5, 0.1, 0.3, 0.1, 0.0, 0.1)
"""Fading times of the slow and fast part, share of the fast part in the variance of the error's
changes, noise in units of it, doubt and its fading time: for a well with too few levels to choose
by."""

MOST_ORIGINS = 200
MOST_LEADS = 12
FEWEST_PAIRS = 20


class ErrorModel:
    """Fading error of a simulation, with six numbers for each well.

    Attributes
    ----------
    wells_ : list of str
        Wells that were fitted.
    settings_ : numpy.ndarray
        Shape (well, 6): fading times of the slow and the fast part in years, share of the fast part
        in the variance of the error's changes, variance of the noise in units of it, share of the
        simulated change since the issue time that is left out at first, and the time in years
        along which that fades.

    Examples
    --------
    A simulation that is always 1 m too low is corrected at once:

    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-01", periods=800)
    >>> coords = {"well": ["a"], "time": time}
    >>> level = xr.DataArray(np.sin(np.arange(800) / 58.0)[None], coords, ("well", "time"))
    >>> model = ErrorModel().fit(level - 1.0, level, horizon=30)
    >>> states = model.filter(xr.ones_like(level))
    >>> ahead = model.correct(
    ...     level.values[:, 701:731][:, None] - 1, states=states[:, [700]],
    ...     simulated=level.values[:, [700]] - 1, wells=["a"], frequency="D",
    ... )
    >>> bool(np.abs(ahead[0, 0, 0] - level.values[0, 701]) < 0.02)
    True
    """

    wells_: list[str]
    settings_: np.ndarray

    def fit(self, simulated: xr.DataArray, levels: xr.DataArray, *, horizon: int) -> Self:
        """Choose the numbers that give the best forecasts of some levels.

        For each well, all of a fixed grid of numbers are tried: with each, forecasts are issued at
        the steps with a level, and the ratio of their RMSE to that of persistence is averaged over
        lead times with weights 1 / lead time.

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
        self.settings_ = np.array([
            _best_settings(sim, level, year=year, horizon=horizon)
            for sim, level in zip(simulated.values, levels.values, strict=True)
        ])  # fmt: skip
        return self

    def filter(
        self,
        errors: xr.DataArray,
        *,
        since: np.ndarray | None = None,
        start: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return what is known of the error at each step, from the levels up to it.

        Parameters
        ----------
        errors : xarray.DataArray
            Observed minus simulated level, dims (well, time) or (well, time, member), m; NaN where
            nothing was observed.
        since : numpy.ndarray, optional
            Shape (well,), ``datetime64``: errors up to this time are not used; by default all are.
        start : numpy.ndarray, optional
            Shape (well, 5): what was known at ``since``; by default nothing.

        Returns
        -------
        numpy.ndarray
            Shape (well, time[, member], 5): the slow and the fast part in m, their variances and
            covariance (in units of the variance of the error's changes) as slow, both, fast.
            Before ``since`` the parts are 0.
        """
        times = timeline.to_times(errors[schema.TIME].values)
        year = timeline.steps_per_year(timeline.infer_frequency(times))
        settings = self._of(errors[schema.WELL].values)
        values = errors.values if errors.ndim == 3 else errors.values[..., None]
        known = _nothing(settings, year=year)
        begin = np.full(len(settings), -1)
        if since is not None:
            begin = np.searchsorted(times, timeline.to_times(since), side="right") - 1
        if start is not None:
            known = np.where(np.isfinite(start), start, known)
        found = _filter(
            np.moveaxis(values, 1, 0),
            np.moveaxis(settings[:, None], -1, 0),
            year=year,
            begin=begin[:, None],
            start=np.moveaxis(known[:, None], -1, 0),
        )
        found = found.swapaxes(0, 1)
        return found if errors.ndim == 3 else found[:, :, 0]

    def correct(
        self,
        forecast: np.ndarray,
        *,
        states: np.ndarray,
        simulated: np.ndarray,
        wells: list[str],
        frequency: str,
    ) -> np.ndarray:
        """Return simulated levels after an issue time, corrected by what was known then.

        Parameters
        ----------
        forecast : numpy.ndarray
            Shape (well, issue_time, lead_time[, member]), m, lead times 1, 2, ...
        states : numpy.ndarray
            Shape (well, issue_time[, member], 2 or more), m: the slow and the fast part of the
            error at the issue times, as of :meth:`filter`.
        simulated : numpy.ndarray
            Shape (well, issue_time[, member]), m: the simulation at the issue times.
        wells : list of str
            Names of the wells.
        frequency : str
            Of the time axis.
        """
        settings = np.moveaxis(self._of(np.array(wells)), -1, 0)
        years = np.arange(1, forecast.shape[2] + 1) / timeline.steps_per_year(frequency)
        slow, fast, doubt = (
            weight[:, None, :, None] if forecast.ndim == 4 else weight[:, None, :]
            for weight in _weights(settings, years)
        )
        change = forecast - simulated[:, :, None]
        corrected: np.ndarray = (
            forecast - doubt * change
            + slow * states[..., 0][:, :, None] + fast * states[..., 1][:, :, None]
        )  # fmt: skip
        return corrected

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the state as plain arrays, for :meth:`from_arrays`."""
        return {"wells": np.array(self.wells_, dtype=str), "settings": self.settings_}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Return the model whose state :meth:`to_arrays` gave."""
        model = cls()
        model.wells_ = [str(well) for well in arrays["wells"]]
        model.settings_ = np.asarray(arrays["settings"], float)
        return model

    def _of(self, wells: np.ndarray) -> np.ndarray:
        index = {well: number for number, well in enumerate(self.wells_)}
        return np.array([
            self.settings_[index[str(well)]] if str(well) in index else DEFAULT for well in wells
        ])  # fmt: skip


def _weights(settings: np.ndarray, years: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what is left of the slow and fast part and of the doubt, each (..., lead_time)."""
    slow, fast, _, _, doubt, doubt_years = (s[..., None] for s in settings)
    return np.exp(-years / slow), np.exp(-years / fast), doubt * np.exp(-years / doubt_years)


def _nothing(settings: np.ndarray, *, year: float) -> np.ndarray:
    """Return what is known before the first error, shape (well, 5), for settings (well, 6)."""
    slow, fast, share = np.moveaxis(settings, -1, 0)[:3]
    variances = (1 - share) / -np.expm1(-2 / (slow * year)), share / -np.expm1(-2 / (fast * year))
    zero = np.zeros_like(slow)
    return np.stack([zero, zero, variances[0], zero, variances[1]], axis=-1)


def _filter(
    errors: np.ndarray,
    settings: np.ndarray,
    *,
    year: float,
    begin: np.ndarray | int = -1,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Return the states (time, ..., 5) of errors (time, ...), NaN where not observed.

    The settings are (6, ...) and the start (5, ...), known at the step ``begin``; the result has
    the shape to which all broadcast behind time.
    """
    decay_1, decay_2 = np.exp(-1 / (settings[0] * year)), np.exp(-1 / (settings[1] * year))
    change_1, change_2, noise = 1 - settings[2], settings[2], settings[3]
    if start is None:
        start = np.moveaxis(_nothing(np.moveaxis(settings, 0, -1), year=year), -1, 0)
    shape = np.broadcast_shapes(errors.shape[1:], settings.shape[1:], np.shape(begin))
    states = np.empty((len(errors), 5, *shape))
    first, second, p11, p12, p22 = (np.broadcast_to(part, shape) for part in start)
    for step, error in enumerate(errors):
        moves = step > begin
        # what is known at the beginning fades from then on; before it nothing moves
        first, second = np.where(moves, decay_1, 1) * first, np.where(moves, decay_2, 1) * second
        p11 = np.where(moves, decay_1**2 * p11 + change_1, p11)
        p22 = np.where(moves, decay_2**2 * p22 + change_2, p22)
        p12 = np.where(moves, decay_1 * decay_2 * p12, p12)
        known = np.isfinite(error) & moves
        if known.any():
            total = p11 + 2 * p12 + p22 + noise
            gain_1 = np.where(known, (p11 + p12) / total, 0.0)
            gain_2 = np.where(known, (p12 + p22) / total, 0.0)
            surprise = np.where(known, error, 0.0) - first - second
            first, second = first + gain_1 * surprise, second + gain_2 * surprise
            p11, p12, p22 = (
                p11 - gain_1 * (p11 + p12),
                p12 - gain_1 * (p12 + p22),
                p22 - gain_2 * (p12 + p22),
            )
        states[step] = first, second, p11, p12, p22
        states[step, :2] = np.where(step >= begin, states[step, :2], 0.0)
    return np.moveaxis(states, 1, -1)


def _best_settings(
    simulated: np.ndarray, levels: np.ndarray, *, year: float, horizon: int
) -> tuple[float, ...]:
    """Return the numbers of the grid with the best forecasts of one well's levels (time,)."""
    known = np.flatnonzero(np.isfinite(levels) & np.isfinite(simulated))
    if known.size < FEWEST_PAIRS:
        return DEFAULT
    level, simulated = (v[known[0] : known[-1] + 1] for v in (levels, simulated))
    leads = np.unique(np.geomspace(1, min(horizon, level.size - 1), MOST_LEADS).astype(int))
    origins = known - known[0]
    origins = origins[:: -(-origins.size // MOST_ORIGINS)]
    ahead = origins[:, None] + leads
    inside = ahead < level.size
    ahead = np.where(inside, ahead, 0)
    target = np.where(inside, level[ahead], np.nan)
    pairs = np.isfinite(target).sum(axis=0)
    persisted = _rms(target - level[origins][:, None])
    used = (pairs >= FEWEST_PAIRS) & (persisted > 0)
    if not used.any():
        return DEFAULT
    fading = np.array(list(itertools.product(SLOW_YEARS, FAST_YEARS, FAST_SHARES, NOISE_SHARES))).T
    states = _filter((level - simulated)[:, None], np.pad(fading, ((0, 2), (0, 0))), year=year)
    slow, fast = states[..., 0], states[..., 1]
    doubts = [(0.0, DEFAULT[5]), *itertools.product(DOUBTS[1:], DOUBT_YEARS)]
    change = simulated[ahead] - simulated[origins][:, None]
    weight = used / leads
    best: tuple[float, tuple[float, ...]] = (np.inf, DEFAULT)
    years = leads / year
    for number in range(fading.shape[1]):
        left = [np.exp(-years / fading[part, number]) for part in (0, 1)]
        plain = target - simulated[ahead]
        plain = plain - left[0] * slow[origins, number][:, None]
        plain = plain - left[1] * fast[origins, number][:, None]
        for doubt, doubt_years in doubts:
            ratio = _rms(plain + doubt * np.exp(-years / doubt_years) * change)
            loss = np.average((ratio / np.where(used, persisted, 1.0))[used], weights=weight[used])
            if loss < best[0]:
                best = (loss, (*map(float, fading[:, number]), doubt, doubt_years))
    return best[1]


def _rms(errors: np.ndarray) -> np.ndarray:
    known = np.isfinite(errors)
    count = np.maximum(known.sum(axis=0), 1)
    root: np.ndarray = np.sqrt((np.where(known, errors, 0.0) ** 2).sum(axis=0) / count)
    return root
