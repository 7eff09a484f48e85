"""The objective of pastas' least squares, evaluated on arrays.

pastas evaluates a model on series with time axes, which are checked and aligned each time; an
estimation evaluates it thousands of times with the same axes. :class:`ArrayObjective` reads the
arrays once, calls the same response functions and recharge models, and keeps what depends on
parameters that have not changed, as most of them in a numerical derivative. The values are those of
pastas to the last digit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import fftconvolve

__all__ = ["ArrayObjective", "block_response", "keep_compiled", "solve"]

DAY = pd.Timedelta(1, "D")
KEPT = 16  # results for recent parameters
Key = tuple[float, ...]


def solve(model: Any, *, initial: bool = True, max_nfev: int | None = None) -> None:
    """Estimate the parameters of a model as its method ``solve`` does.

    It has a stress model of recharge and then any of single series, a constant, and an
    ``ArNoiseModel`` or none. ``initial=False`` begins with the last optimal values; numerical
    derivatives do not count as evaluations.
    """
    import pastas as ps

    solver = ps.LeastSquares(model=model)
    solver.objfunction = ArrayObjective(model, solver.objfunction)
    # the forecaster judges the response itself, and this takes a quarter of a short series' time
    model._generate_warnings_report = lambda **_: []
    model.solve(report=False, initial=initial, max_nfev=max_nfev)


def block_response(model: Any, name: str) -> np.ndarray:
    """Return the response of a solved model to one unit of a stress model, shape (lag,)."""
    response = model.stressmodels[name].rfunc
    optimal = model.get_parameters(name)[: response.nparam]
    found: np.ndarray = response.block(optimal, _step(model))
    return found


def _step(model: Any) -> float:
    """Return the length of the steps of a model, days."""
    first, second = model.sim_index[:2]
    return float((second - first) / DAY)


class ArrayObjective:
    """The residuals, or the weighted noise, of a model by its parameters, see :func:`solve`.

    It evaluates the model by pastas too when it is first called, and goes on with arrays only if
    both give the same.
    """

    def __init__(self, model: Any, by_pastas: Callable[..., np.ndarray]) -> None:
        self.model, self.by_pastas = model, by_pastas
        self.by_arrays: Callable[[np.ndarray], np.ndarray] | None = None
        self.is_compared = False

    def __call__(
        self, p: np.ndarray, *, initial: np.ndarray, vary: np.ndarray, **others: Any
    ) -> np.ndarray:
        """Return the residuals or the weighted noise, shape (level,)."""
        if self.is_compared and self.by_arrays is None:
            return self.by_pastas(p, initial=initial, vary=vary, **others)
        parameters = np.array(initial, dtype=float)
        parameters[vary] = p
        if self.by_arrays is not None:
            found = self.by_arrays(parameters)
            if np.isfinite(found).all():
                return found
        expected = self.by_pastas(p, initial=initial, vary=vary, **others)
        if not self.is_compared:
            self.is_compared = True
            tried = _on_arrays(self.model)
            if tried is not None and np.array_equal(tried(parameters), expected):
                self.by_arrays = tried
        return expected


def _on_arrays(model: Any) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return the objective of a model that pastas has just evaluated; None for other models."""
    observed, axis = model.observations(), model.sim_index
    rows = axis.get_indexer(observed.index)
    if axis.size < 2 or (rows < 0).any():
        return None
    stress, *others = model.stressmodels.values()
    step, span = _step(model), (model.settings["tmax"] - axis[0]) / DAY
    rain, demand, *warmth = (one.series.to_numpy() for one in stress.stresses)
    response, zone = stress.rfunc.nparam, stress.nparam - stress.recharge.nparam
    passed = np.diff(observed.index.to_numpy()) / DAY
    driven = [(_effect(one, step, span), one.nparam) for one in others]

    @lru_cache(KEPT)
    def block(parameters: Key) -> np.ndarray:
        found: np.ndarray = stress.rfunc.block(np.array(parameters), step, maxtmax=span)
        return found

    @lru_cache(KEPT)
    def recharge(parameters: Key) -> np.ndarray:
        p, temperature = np.array(parameters), warmth[0] if warmth else None
        found: np.ndarray = stress.recharge.simulate(rain, demand, temp=temperature, p=p)
        return found

    @lru_cache(KEPT)
    def contribution(shape: Key, water: Key) -> np.ndarray:
        infiltrated = recharge(water)
        return np.asarray(fftconvolve(infiltrated, block(shape))[: infiltrated.size])

    def residuals(p: np.ndarray) -> np.ndarray:
        own = tuple(p[: stress.nparam].tolist())
        simulated = contribution(own[:response], own[zone:])
        first = stress.nparam
        for effect, count in driven:
            simulated = simulated + effect(tuple(p[first : first + count].tolist()))
            first += count
        return np.asarray(observed.to_numpy() - (simulated + p[first])[rows])

    def noise(p: np.ndarray) -> np.ndarray:
        return _weighted_noise(residuals(p), passed, float(p[-1]))

    return residuals if model.noisemodel is None else noise


def _effect(stress: Any, step: float, span: float) -> Callable[[Key], np.ndarray]:
    """Return the contribution of a single series by the parameters of its response."""
    series = stress.stress.series.to_numpy()

    @lru_cache(KEPT)
    def effect(shape: Key) -> np.ndarray:
        weights = stress.rfunc.block(np.array(shape), step, maxtmax=span)
        return np.asarray(fftconvolve(series, weights)[: series.size])

    return effect


def _weighted_noise(residual: np.ndarray, days: np.ndarray, alpha: float) -> np.ndarray:
    """Return the noise of pastas' ArNoiseModel times its weights, shape (level,)."""
    noise = np.append(residual[0], residual[1:] - np.exp(-days / alpha) * residual[:-1])
    decay = np.exp(-2.0 / alpha * np.append(1e12, days))
    weights = 1 / np.sqrt(1.0 - decay)
    weights *= np.exp(1.0 / (2.0 * decay.size) * np.sum(np.log(1.0 - decay)))
    return np.asarray(noise * weights)


@cache
def keep_compiled() -> None:
    """Let Numba keep what it compiles of pastas on the disk, which takes seconds in each process.

    The files are in Numba's cache, see its setting ``NUMBA_CACHE_DIR``.
    """
    from pastas import recharge

    for name in ("get_root_zone_balance", "get_interception_balance", "get_snow_balance"):
        function = getattr(recharge.FlexModel, name, None)
        with contextlib.suppress(AttributeError, RuntimeError, OSError):
            function.enable_caching()  # type: ignore[union-attr]  # no Numba, or no folder for it
