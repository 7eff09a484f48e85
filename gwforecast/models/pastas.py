"""Transfer function noise models, fitted by pastas: an optional extra.

The response of a level to recharge: its convolution, and the scales that it is found in.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.models.base import Forecaster, through_periods, well_positions
from gwforecast.progress import Progress
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Period, Split, require_sequential

__all__ = ["RESPONSES", "Pastas", "Response", "Scales"]


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


RESPONSES = {"gamma": "Gamma", "exponential": "Exponential", "four_param": "FourParam"}
"""Response functions by name, and what pastas calls them."""

_STEPS = {"D": "D", "W": "7D"}
_USED = ("rain", "evapotranspiration", "temperature", "temperature_min", "temperature_max")
_FEWEST = 20


class Pastas(Forecaster):
    """Fit a transfer function of recharge to the level of each well, with pastas [1]_.

    Recharge is rain plus a factor times the potential evapotranspiration, or times the mean
    temperature where there is none; the level is its convolution with a response function [2]_. The
    parameters are found by least squares, and again with an autoregressive noise model from there;
    of the two the one with the smaller error on the validation rows is kept, with noise where there
    are no validation levels. The simulation takes the fitted response alone, so that a forecaster
    that is fitted needs pastas no longer.

    Parameters
    ----------
    response : {"gamma", "exponential", "four_param"}
        Response function.
    noise : bool, optional
        Fit with a noise model, or without; by default what is better on the validation rows.

    Attributes
    ----------
    wells_ : numpy.ndarray of str
        The wells that were given.
    responses_ : dict of str to Response
        The fitted response of each well.
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

    name = "pastas"
    wells_: np.ndarray
    responses_: dict[str, Response]
    failed_: dict[str, str]
    _frequency: str
    _attrs: dict[str, object]

    def __init__(self, *, response: str = "gamma", noise: bool | None = None) -> None:
        if response not in RESPONSES:
            raise ValueError(
                f"A response must be one of {', '.join(RESPONSES)}. Received {response!r}. Correct "
                "the setting 'response' of 'pastas'."
            )
        self.response = response
        self.noise = noise

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Fit on the train rows, with or without noise by the validation rows.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), daily or weekly, with rain and evapotranspiration or
            temperature.
        split : Split
            The periods of each well.
        progress : Progress, optional
            Told of wells done.

        Raises
        ------
        ImportError
            If pastas is not installed.
        SchemaError
            If the weather or frequency is not what it needs. A well that cannot be fitted warns.
        """
        return self._learn(observations, split, ("train",), {}, progress)

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster, fitted on all rows through the end of a period.

        With noise or without is kept for each well. The arguments are those of :meth:`fit`.
        """
        chosen = {well: found.noise for well, found in self.responses_.items()}
        periods = through_periods(through)
        return copy.copy(self)._learn(observations, split, periods, chosen, progress)

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step whose weather exists within the response.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time). Before the first step recharge is taken to be the mean of the
            fitted rows. No level is used.

        Raises
        ------
        SchemaError
            If a well was not fitted, weather is missing, or the frequency is another.
        """
        well_positions(observations, self.wells_, name=self.name)
        self._check_frequency(observations, of_fit=self._frequency)
        rain, demand = _weather(observations)
        values = np.full(rain.shape, np.nan)
        for i, well in enumerate(map(str, observations[schema.WELL].values)):
            if well in self.responses_:
                values[i] = self.responses_[well].levels(rain[i], demand[i])
        coords = {name: observations[name] for name in (schema.WELL, schema.TIME)}
        level = xr.DataArray(values, coords, (schema.WELL, schema.TIME), attrs=self._attrs)
        return level.to_dataset(name=schema.LEVEL)

    def memory(self, frequency: str) -> int:  # noqa: ARG002 - that of the fit
        """Return the longest response of the wells, in steps."""
        return max((found.weights.size for found in self.responses_.values()), default=1)

    def covariates_of(self, observations: xr.Dataset) -> list[str]:
        """Return the names of the covariates that are used."""
        return [
            name
            for name in schema.covariate_names(observations)
            if schema.covariate_kind(name, observations[name].attrs) in _USED
        ]

    def _learn(
        self,
        observations: xr.Dataset,
        split: Split,
        periods: tuple[Period, ...],
        chosen: dict[str, bool],
        progress: Progress | None,
    ) -> Self:
        split = require_sequential(split)
        self._frequency = self._check_frequency(observations)
        self._attrs = dict(observations[schema.LEVEL].attrs)
        self.wells_ = observations[schema.WELL].values
        self.responses_, self.failed_ = {}, {}
        levels = split.levels(observations, *periods).values
        judges = split.levels(observations, "validation").values
        weather = _weather(observations)
        for i, well in enumerate(map(str, self.wells_)):
            times = observations[schema.TIME].values
            try:
                kept = chosen.get(well, self.noise)
                judge = judges[i] if kept is None else np.full(times.size, np.nan)
                of_well = (weather[0][i], weather[1][i])
                self.responses_[well] = self._fit_well(times, levels[i], of_well, kept, judge)
            except (SchemaError, ValueError, np.linalg.LinAlgError) as error:
                self.failed_[well] = str(error)
                warnings.warn(
                    f"{self.name!r} could not be fitted at well {well!r}, whose levels are NaN "
                    f"now: {error}",
                    stacklevel=3,
                )
            if progress is not None:
                progress(f"fit {self.name}", i + 1, self.wells_.size)
        return self

    def _fit_well(
        self,
        times: np.ndarray,
        level: np.ndarray,
        weather: tuple[np.ndarray, np.ndarray],
        noise: bool | None,
        judge: np.ndarray,
    ) -> Response:
        """Return the response of a well, from levels (time,), NaN where a row is not fitted."""
        rows = np.flatnonzero(np.isfinite(level))
        if rows.size < _FEWEST:
            raise SchemaError(
                f"A transfer function needs at least {_FEWEST} levels. Received {rows.size}. Give "
                "the well a longer record."
            )
        first, last = _known_span(weather, rows, times)
        index = pd.DatetimeIndex(times[first:last])
        inputs = [pd.Series(values[first:last], index) for values in weather]
        head = pd.Series(level[first:last], index, name="level").dropna()
        found = list(self._solve(head, *inputs, noise=noise))
        errors = [np.square(one.levels(*weather) - judge) for one in found]
        usable = [np.isfinite(error) for error in errors]
        if len(found) == 1 or not usable[-1].any():
            return found[-1]
        means = [float(e[u].mean()) for e, u in zip(errors, usable, strict=True)]
        return found[int(np.argmin(means))]

    def _solve(
        self, head: pd.Series, rain: pd.Series, demand: pd.Series, *, noise: bool | None
    ) -> Iterator[Response]:
        """Yield the responses that are asked for: without noise, then with.

        pastas' search begins at, and is bounded by, numbers that suit mm and m: it is given scaled
        series, so that units and datum do not matter.
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

    def _check_frequency(self, observations: xr.Dataset, of_fit: str | None = None) -> str:
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        if frequency[0] not in _STEPS or (of_fit is not None and frequency != of_fit):
            wanted = "daily or weekly" if of_fit is None else of_fit
            raise SchemaError(
                f"A transfer function is fitted to and simulates {wanted} steps. Received the "
                f"frequency {frequency}. Use another model, or data of this frequency."
            )
        return frequency


def _response(model: Any, *, noise: bool) -> Response:
    optimal = model.parameters["optimal"].astype(float)
    weights = model.get_block_response("recharge").to_numpy(float)
    factor, base = float(optimal["recharge_f"]), float(optimal["constant_d"])
    if not (np.isfinite(weights).all() and np.isfinite([factor, base]).all()):
        raise SchemaError(
            "A transfer function needs finite parameters. Received some that are not: the search "
            "did not converge. Use a longer record, or response='exponential'."
        )
    return Response(weights, factor, base, 0.0, noise)


def _weather(observations: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return rain and what takes from it, each (well, time)."""
    by_kind = {
        schema.covariate_kind(name, observations[name].attrs): observations[name]
        for name in reversed(schema.covariate_names(observations))
    }
    taking = by_kind.get("evapotranspiration", by_kind.get("temperature"))
    if taking is None and {"temperature_min", "temperature_max"} <= set(by_kind):
        taking = 0.5 * (by_kind["temperature_min"] + by_kind["temperature_max"])
    if "rain" not in by_kind or taking is None:
        raise SchemaError(
            "A transfer function needs rain, and evapotranspiration or temperature. Received the "
            f"covariates {schema.covariate_names(observations)}. Add the series, or set "
            "attrs['kind'] of those that they are."
        )
    dims = (schema.WELL, schema.TIME)
    return by_kind["rain"].transpose(*dims).values, taking.transpose(*dims).values


def _known_span(
    weather: tuple[np.ndarray, np.ndarray], rows: np.ndarray, times: np.ndarray
) -> tuple[int, int]:
    """Return the steps from the first weather to the last fitted level; refuse gaps among them."""
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
    """Keep pastas' log and warnings to itself: what matters is told by the forecaster."""
    log = logging.getLogger("pastas")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
