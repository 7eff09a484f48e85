"""Transfer function noise models, fitted by the library pastas, an optional dependency.

A fitted response is plain arrays, so that simulating does not need pastas.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.models.base import setting
from gwforecast.models.per_well import PerWell, WellRecord
from gwforecast.models.state import Shape
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Period, Split

__all__ = ["RESPONSES", "Pastas", "Response", "Scales"]


@dataclass(frozen=True, eq=False)
class Response:
    """A fitted transfer function: ``level = base + sum of response * (rain + factor * demand)``.

    Demand is the potential evapotranspiration, or the mean temperature where there is none.

    Parameters
    ----------
    weights : numpy.ndarray
        Response to one unit of recharge by lag in steps, from 0; shape (lag,).
    factor : float
        Share of the demand that is taken from the rain, negative.
    base : float
        m.
    before : float
        Mean recharge of the fitted rows, used for the time before the data.
    noise : bool
        Whether it was fitted with a noise model.
    """

    weights: Annotated[np.ndarray, Shape("lag")]
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
        """Return the scales of level, rain and demand, each of which must vary."""
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


RESPONSES = {"gamma": "Gamma", "exponential": "Exponential", "four_param": "FourParam"}
"""Response functions by name, and what pastas calls them."""

_STEPS = {"D": "D", "W": "7D"}
_DEMANDS = (("evapotranspiration",), ("temperature",), ("temperature_min", "temperature_max"))
_FEWEST = 20


@dataclass(kw_only=True, eq=False)
class Pastas(PerWell[Response]):
    """Fit a transfer function of recharge to the level of each well, with pastas [1]_.

    Recharge is rain plus a factor times the potential evapotranspiration, or times the mean
    temperature where there is none; the level is its convolution with a response function [2]_. The
    parameters are estimated by least squares, and then, starting from these, with an autoregressive
    noise model. The estimate with the smaller error on the validation rows is kept; where there are
    no validation levels, the one with noise. The simulation uses the response alone.

    Parameters
    ----------
    response : {"gamma", "exponential", "four_param"}
        Response function.
    noise : bool, optional
        Estimate with a noise model, or without; by default both, of which the better one on the
        validation rows is kept.
    name : str
        Name in tables and files.

    Attributes
    ----------
    wells_ : numpy.ndarray of str
        The wells of the data it was fitted to.
    covariates_ : tuple of str
        The covariates that are used.
    fits_ : dict of str to Response
        The response of each well.
    failed_ : dict of str to str
        Wells that could not be fitted and why; their levels are NaN.

    References
    ----------
    .. [1] Collenteur et al. (2019). Pastas: open source software for the analysis of groundwater
       time series. Groundwater 57, 877-885. https://doi.org/10.1111/gwat.12925
    .. [2] Von Asmuth et al. (2002). Transfer function-noise modeling in continuous time using
       predefined impulse response functions. Water Resources Research 38, 1287.
       https://doi.org/10.1029/2001WR001136
    """

    response: Literal["gamma", "exponential", "four_param"] = setting(
        "gamma", search=("choice", "gamma", "exponential", "four_param")
    )
    noise: bool | None = None
    name: str = "pastas"

    fit_type = Response

    def memory(self, frequency: str) -> int:  # noqa: ARG002 - that of the fit
        """Return the longest response of the wells, in steps."""
        return max((fit.weights.size for fit in self.fits_.values()), default=1)

    def choose_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:
        """Return the names of rain and of evapotranspiration or temperature.

        Raises
        ------
        SchemaError
            If one of them is missing.
        """
        by_kind = {
            schema.covariate_kind(name, observations[name].attrs): name
            for name in reversed(schema.covariate_names(observations))
        }
        for demand in _DEMANDS:
            if "rain" in by_kind and set(demand) <= set(by_kind):
                return tuple(by_kind[kind] for kind in ("rain", *demand))
        raise SchemaError(
            "A transfer function needs rain, and evapotranspiration or temperature. Received the "
            f"covariates {schema.covariate_names(observations)}. Add the series, or set "
            "attrs['kind'] of series with other names."
        )

    def weather_of(self, observations: xr.Dataset) -> np.ndarray:
        """Return rain and demand as an array (well, version, time, 2)."""
        series = super().weather_of(observations)
        if series.shape[-1] == 2:
            return series
        return np.stack([series[..., 0], 0.5 * (series[..., 1] + series[..., 2])], axis=-1)

    def fit_well(self, record: WellRecord, previous: Response | None) -> Response:
        """Return the response with the smaller error on the validation rows.

        In a refit it is estimated with or without noise as before.
        """
        noise = self.noise if previous is None else previous.noise
        rain, demand = record.weather[:, 0], record.weather[:, 1]
        rows = np.flatnonzero(np.isfinite(record.level))
        if rows.size < _FEWEST:
            raise ValueError(
                f"A transfer function needs at least {_FEWEST} levels. Received {rows.size}. Give "
                "the well a longer record."
            )
        first, last = _known_span((rain, demand), rows, record.times)
        index = pd.DatetimeIndex(record.times[first:last])
        inputs = [pd.Series(values[first:last], index) for values in (rain, demand)]
        head = pd.Series(record.level[first:last], index, name="level").dropna()
        found = list(self._solve(head, *inputs, noise=noise))
        errors = [np.square(one.levels(rain, demand) - record.validation) for one in found]
        usable = [np.isfinite(error) for error in errors]
        if len(found) == 1 or not usable[-1].any():
            return found[-1]
        means = [float(e[u].mean()) for e, u in zip(errors, usable, strict=True)]
        return found[int(np.argmin(means))]

    def simulate_well(self, fit: Response, weather: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the levels of one well, shape (version, time), m."""
        del times
        return np.stack([fit.levels(version[:, 0], version[:, 1]) for version in weather])

    def prepare(
        self, observations: xr.Dataset, split: Split, *, through: Period, previous: Self | None
    ) -> None:
        """Check that pastas is installed and that the steps are daily or weekly."""
        del observations, split, through, previous
        _pastas()
        if self._frequency[0] not in _STEPS:
            raise SchemaError(
                "A transfer function is fitted to daily or weekly steps. Received the frequency "
                f"{self._frequency}. Use another model, or data of such a frequency."
            )

    def check_fit(self, fit: Response) -> None:
        """Raise a ValueError if a stored response has no lag."""
        if not fit.weights.size:
            raise ValueError("a response has at least one lag")

    def _solve(
        self, head: pd.Series, rain: pd.Series, demand: pd.Series, *, noise: bool | None
    ) -> Iterator[Response]:
        """Yield the requested responses: without noise, then with it.

        The initial values and bounds of pastas suit series in mm and m. Scaled series are used, so
        that units and datum do not matter.
        """
        ps = _pastas()
        scales = Scales.of(head, rain, demand)
        head, rain, demand = scales.apply(head, rain, demand)
        with _quiet():
            model = ps.Model(head, freq=_STEPS[self._frequency[0]])
            response = getattr(ps, RESPONSES[self.response])()
            recharge = ps.rch.Linear()
            model.add_stressmodel(
                ps.RechargeModel(rain, demand, rfunc=response, recharge=recharge, name="recharge")
            )
            model.solve(report=False)
            if not noise:
                yield scales.undo(_response(model, noise=False))
            if noise is not False:
                model.add_noisemodel(ps.ArNoiseModel())
                model.solve(report=False, initial=False)
                yield scales.undo(_response(model, noise=True))


def _response(model: Any, *, noise: bool) -> Response:
    optimal = model.parameters["optimal"].astype(float)
    weights = model.get_block_response("recharge").to_numpy(float)
    factor, base = float(optimal["recharge_f"]), float(optimal["constant_d"])
    if not (np.isfinite(weights).all() and np.isfinite([factor, base]).all()):
        raise SchemaError(
            "A transfer function needs finite parameters. Received some that are not: the "
            "estimation did not converge. Use a longer record, or response='exponential'."
        )
    return Response(weights, factor, base, 0.0, noise)


def _known_span(
    weather: tuple[np.ndarray, np.ndarray], rows: np.ndarray, times: np.ndarray
) -> tuple[int, int]:
    """Return the steps from the first weather to the last fitted level, which must have no gap."""
    known = np.isfinite(weather[0]) & np.isfinite(weather[1])
    first, last = int(known.argmax()), int(rows[-1]) + 1
    gaps = np.flatnonzero(~known[first:last])
    if not known.any() or gaps.size:
        at = timeline.format_time(times[first + (gaps[0] if gaps.size else 0)])
        raise SchemaError(
            f"A transfer function needs weather at every step up to the last level that is fitted. "
            f"Received none at {at}. Fill it with gwforecast.fill_covariates."
        )
    return first, last


def _pastas() -> Any:
    try:
        import pastas
    except ImportError as error:
        raise ImportError(
            "The model 'pastas' needs the library pastas. Received none. Install it with "
            "pip install 'gwforecast[pastas]'."
        ) from error
    return pastas


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the log and warnings of pastas; the forecaster reports what matters."""
    log = logging.getLogger("pastas")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
