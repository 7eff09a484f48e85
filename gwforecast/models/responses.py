"""The response of a level to recharge: its convolution, and the scales that it is found in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gwforecast.schema import SchemaError

__all__ = ["Response", "Scales"]


@dataclass(frozen=True, eq=False)
class Response:
    """A fitted transfer function: ``level = base + sum of response * (rain + factor * demand)``.

    Parameters
    ----------
    weights : numpy.ndarray
        Response to one unit of recharge by lag in steps, from 0; shape (lag,).
    factor : float
        Share of the demand that is taken from the rain, negative.
    base : float
        m.
    before : float
        Mean recharge of the fitted rows, which stands for the time before the data.
    noise : bool
        Whether it was fitted with a noise model.
    """

    weights: np.ndarray
    factor: float
    base: float
    before: float
    noise: bool

    def levels(self, rain: np.ndarray, demand: np.ndarray) -> np.ndarray:
        """Return the levels under weather, all of shape (time,), m.

        NaN where the weather is missing within the response.
        """
        recharge = rain + self.factor * demand
        lags = self.weights.size
        known = np.isfinite(recharge)
        padded = np.concatenate([np.full(lags, self.before), np.where(known, recharge, 0.0)])
        levels = np.convolve(padded, self.weights)[lags : lags + recharge.size] + self.base
        if not known.all():
            missing = np.concatenate([[0], np.cumsum(~known)])
            ends = np.arange(1, recharge.size + 1)
            levels[missing[ends] > missing[np.maximum(ends - lags, 0)]] = np.nan
        return np.asarray(levels)


@dataclass(frozen=True)
class Scales:
    """Centres and spreads of level and demand, and the spread of rain, which stays positive."""

    level: tuple[float, float]
    rain: tuple[float, float]
    demand: tuple[float, float]

    @classmethod
    def of(cls, *series: pd.Series) -> Scales:
        """Return those of level, rain and demand; refuse what does not vary."""
        found = [(float(values.mean()), float(values.std())) for values in series]
        for (_, spread), what in zip(found, ("level", "rain", "demand"), strict=True):
            if not spread > 0:
                raise SchemaError(
                    f"A transfer function needs series that vary. Received a {what} that is the "
                    "same at all fitted steps. Check the series."
                )
        return cls(*found)

    def apply(
        self, head: pd.Series, rain: pd.Series, demand: pd.Series
    ) -> tuple[pd.Series, pd.Series, pd.Series]:
        """Return the series, scaled."""
        (base, height), (_, amount), (usual, spread) = self.level, self.rain, self.demand
        return (head - base) / height, rain / amount, (demand - usual) / spread

    def undo(self, found: Response) -> Response:
        """Return a response of scaled series in the units of the data."""
        (base, height), (mean, amount), (usual, spread) = self.level, self.rain, self.demand
        weights = found.weights * height / amount
        factor = found.factor * amount / spread
        base += height * found.base - float(weights.sum()) * factor * usual
        return Response(weights, factor, base, mean + factor * usual, found.noise)
