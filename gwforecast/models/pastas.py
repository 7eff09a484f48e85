"""Transfer function noise models, fitted by the library pastas.

A fitted response is plain arrays, so that simulating does not need pastas.
"""

from __future__ import annotations

import importlib.util
import itertools
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.water_balance import EVAPORATION_FACTOR, root_zone_recharge
from gwforecast.models import pastas_objective
from gwforecast.models.base import setting
from gwforecast.models.per_well import PerWell, WellRecord
from gwforecast.models.state import Shape
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Period, Split

__all__ = ["RESPONSES", "Pastas", "Response", "Scales"]

_none, _no_drivers = partial(np.empty, 0), partial(np.empty, (0, 0))


@dataclass(frozen=True, eq=False)
class Response:
    """A fitted transfer function: ``base`` plus the responses to recharge and to each driver.

    Recharge is rain plus a factor times the demand, or that of a root zone, see
    :func:`gwforecast.data.water_balance.root_zone_recharge`.
    """

    weights: Annotated[np.ndarray, Shape("lag")]  # response to one unit of recharge
    factor: float  # of the demand in linear recharge, negative; 0 with a root zone
    base: float  # level without recharge, m
    before: float  # mean recharge of the fitted rows, for the time before the data
    noise: bool  # whether it was fitted with a noise model
    # parameters of the root zone; empty for linear recharge
    root_zone: Annotated[np.ndarray, Shape("parameter")] = field(default_factory=_none)
    # response to one unit of each driver by lag; 0 for one without effect
    drivers: Annotated[np.ndarray, Shape("driver", "step")] = field(default_factory=_no_drivers)
    # mean of each driver over the fitted rows, from which its effect is counted
    usual: Annotated[np.ndarray, Shape("driver")] = field(default_factory=_none)

    @property
    def memory(self) -> int:
        """Number of steps of the longest response."""
        return max(len(self.weights), len(self.drivers.T))

    def recharge(self, weather: np.ndarray) -> np.ndarray:
        """Return the recharge of weather without gaps (time, series), shape (time,)."""
        rain, demand = weather[:, 0], weather[:, 1]
        if not self.root_zone.size:
            return np.asarray(rain + self.factor * demand)
        temperature = weather[:, 3] if weather.shape[1] > 3 else None
        return root_zone_recharge(rain, weather[:, 2], temperature, self.root_zone)

    def levels(self, weather: np.ndarray) -> np.ndarray:
        """Return the levels under weather (time, series), shape (time,), m.

        The last series are the drivers. NaN where the weather is missing within the response.
        """
        known = np.isfinite(weather).all(axis=1)
        lags = self.weights.size
        recharge = np.full(lags + known.size, self.before)
        drivers = np.zeros((self.usual.size, known.size))
        if known.any():
            filled = np.where(known[:, None], weather, np.nanmean(weather[known], axis=0))
            water, other = np.split(filled, [weather.shape[1] - self.usual.size], axis=1)
            recharge[lags:] = np.where(known, self.recharge(water), 0.0)
            drivers = np.where(known, other.T - self.usual[:, None], 0.0)
        levels = np.convolve(recharge, self.weights)[lags : lags + known.size] + self.base
        for series, weights in zip(drivers, self.drivers, strict=True):
            if weights.any():
                levels += np.convolve(series, weights)[: known.size]
        if not known.all():
            missing = np.concatenate([[0], np.cumsum(~known)])
            ends = np.arange(1, known.size + 1)
            levels[missing[ends] > missing[np.maximum(ends - self.memory, 0)]] = np.nan
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


RESPONSES = {
    "gamma": "Gamma",
    "exponential": "Exponential",
    "double_exponential": "DoubleExponential",
    "four_param": "FourParam",
}
"""Response functions by name, and what pastas calls them."""

_STEPS = {"D": "D", "W": "7D"}
_DEMANDS = (("evapotranspiration",), ("temperature",), ("temperature_min", "temperature_max"))
_FEWEST = 20
DRIVERS = {"stage": ("Exponential", None), "pumping": ("Hantush", False)}
"""Kinds of series that act beside recharge: their response function, that of Hantush for a well in
a leaky aquifer, and whether levels rise with them, None for either."""
LONGEST = 1000.0  # days, mean memory of the effect of a stage; without it a trend can pass for one
_ROOT_ZONE = ("srmax", "lp", "ks", "gamma", "kv", "simax", "tt", "k")


@dataclass(kw_only=True, eq=False)
class Pastas(PerWell[Response]):
    """Fit a transfer function of recharge to the level of each well, with pastas [1]_.

    The level is the convolution of recharge with a response function [2]_. Linear recharge is rain
    plus a factor times the potential evapotranspiration, or times the mean temperature where there
    is none. Nonlinear recharge is that below a root zone, with snow where there is temperature
    [3]_. Stages of rivers and the sea, and pumping, act through responses of their own, which are
    kept only where the validation rows are better with them. The parameters are estimated by least
    squares, and then, starting from these, with an autoregressive noise model. Of the candidates
    the one with the smallest error on the validation rows is kept; where there are no validation
    levels, the last one. The simulation uses the response alone.

    Parameters
    ----------
    response : {"gamma", "exponential", "double_exponential", "four_param"}
        Response function.
    recharge : {"linear", "flex"}, optional
        Linear or nonlinear recharge; by default both are candidates.
    noise : bool, optional
        Estimate with a noise model, or without; by default both are candidates.
    name : str
        Name in tables and files.

    References
    ----------
    .. [1] Collenteur et al. (2019), https://doi.org/10.1111/gwat.12925.
    .. [2] Von Asmuth et al. (2002), https://doi.org/10.1029/2001WR001136.
    .. [3] Collenteur et al. (2021), https://doi.org/10.5194/hess-25-2931-2021.
    """

    response: Literal["gamma", "exponential", "double_exponential", "four_param"] = setting(
        "gamma", search=("choice", "gamma", "exponential", "double_exponential", "four_param")
    )
    recharge: Literal["linear", "flex"] | None = None
    noise: bool | None = None
    name: str = "pastas"

    quick = True
    blended = True
    fit_type = Response
    _kinds: list[str] = field(init=False, repr=False, default_factory=list)  # of the drivers

    def memory(self, frequency: str) -> int:  # noqa: ARG002 - that of the fit
        """Return the longest response of the wells, in steps."""
        return max((fit.memory for fit in self.fits_.values()), default=1)

    def choose_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:
        """Return the names of rain, of evapotranspiration or temperature, and of drivers.

        Raises SchemaError if one of them is missing.
        """
        names = schema.covariate_names(observations)
        by_kind = self._by_kind(observations, names)
        for demand in _DEMANDS:
            if "rain" in by_kind and set(demand) <= set(by_kind):
                warmth = next((t for t in _DEMANDS[1:] if set(t) <= set(by_kind)), ())
                chosen = [by_kind[kind] for kind in dict.fromkeys(("rain", *demand, *warmth))]
                return (*chosen, *self._drivers(observations, names))
        raise SchemaError(
            "A transfer function needs rain, and evapotranspiration or temperature. Received the "
            f"covariates {schema.covariate_names(observations)}. Add the series, or set "
            "attrs['kind'] of series with other names."
        )

    def _by_kind(self, observations: xr.Dataset, names: Sequence[str]) -> dict[str, str]:
        """Return the first covariate of each kind."""
        kinds = {name: schema.covariate_kind(name, observations[name].attrs) for name in names}
        return {kind: name for name, kind in reversed(kinds.items()) if kind is not None}

    def _drivers(self, observations: xr.Dataset, names: Sequence[str]) -> list[str]:
        """Return the names of all series that act beside recharge."""
        return [
            name
            for name in names
            if schema.covariate_kind(name, observations[name].attrs) in DRIVERS
        ]

    def weather_of(self, observations: xr.Dataset) -> np.ndarray:
        """Return the series (well, version, time, series) of recharge and drivers.

        They are rain, its demand, the potential evapotranspiration, the temperature if it is known,
        and the drivers.
        """
        given = super().weather_of(observations)
        by_kind = self._by_kind(observations, self.covariates_)
        series = {k: given[..., self.covariates_.index(name)] for k, name in by_kind.items()}
        mean = series.get("temperature")
        if mean is None and "temperature_min" in series:
            mean = 0.5 * (series["temperature_min"] + series["temperature_max"])
        drivers = self._drivers(observations, self.covariates_)
        others = [given[..., self.covariates_.index(name)] for name in drivers]
        if mean is None:
            demand = series["evapotranspiration"]
            return np.stack([series["rain"], demand, demand, *others], axis=-1)
        days = timeline.days_per_step(self._frequency)
        potential = EVAPORATION_FACTOR * days * np.maximum(mean, 0.0)
        demand, potential = (series.get("evapotranspiration", v) for v in (mean, potential))
        return np.stack([series["rain"], demand, potential, mean, *others], axis=-1)

    def fit_well(self, record: WellRecord, previous: Response | None) -> Response:
        """Return the response with the smallest error on the validation rows.

        In a refit it is estimated with the recharge, with or without noise, and with or without
        drivers as before.
        """
        noise, recharge = self.noise, [self.recharge] if self.recharge else ["linear", "flex"]
        driven = [False, True] if self._kinds else [False]
        if previous is not None:
            noise, driven = previous.noise, [bool(previous.drivers.any())]
            recharge = ["flex" if previous.root_zone.size else "linear"]
        rows = np.flatnonzero(np.isfinite(record.level))
        if rows.size < _FEWEST:
            raise ValueError(
                f"A transfer function needs at least {_FEWEST} levels. Received {rows.size}. Give "
                "the well a longer record."
            )
        first, last = _known_span(record.weather, rows, record.times)
        index = pd.DatetimeIndex(record.times[first:last])
        weather = pd.DataFrame(record.weather[first:last], index)
        head = pd.Series(record.level[first:last], index, name="level").dropna()
        found = [
            one
            for kind, drive in itertools.product(recharge, driven)
            for one in self._solve(head, weather, kind, noise=noise, driven=drive)
        ]
        errors = [np.square(one.levels(record.weather) - record.validation) for one in found]
        usable = [np.isfinite(error) for error in errors]
        if len(found) == 1 or not usable[-1].any():
            return found[-1]
        means = [float(e[u].mean()) for e, u in zip(errors, usable, strict=True)]
        return found[int(np.argmin(means))]

    @classmethod
    def unsuited(cls, observations: xr.Dataset) -> str:
        """Return what is missing: rain, demand, daily or weekly steps, or the library."""
        if importlib.util.find_spec("pastas") is None:
            return "the library pastas is not installed"
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        if frequency[0] not in _STEPS:
            return f"its steps are daily or weekly, not {frequency}"
        names = schema.covariate_names(observations)
        kinds = {schema.covariate_kind(name, observations[name].attrs) for name in names}
        if "rain" not in kinds or not any(set(one) <= kinds for one in _DEMANDS):
            return "it needs rain, and evapotranspiration or temperature"
        return ""

    def simulate_well(self, fit: Response, weather: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the levels of one well, shape (version, time), m."""
        del times
        return np.stack([fit.levels(version) for version in weather])

    def prepare(
        self, observations: xr.Dataset, split: Split, *, through: Period, previous: Self | None
    ) -> None:
        """Check that pastas is installed and that the steps are daily or weekly."""
        del split, through, previous
        _pastas()
        self._kinds = [
            schema.covariate_kind(name, observations[name].attrs)
            for name in self._drivers(observations, self.covariates_)
        ]
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
        self,
        head: pd.Series,
        weather: pd.DataFrame,
        recharge: str,
        *,
        noise: bool | None,
        driven: bool,
    ) -> Iterator[Response]:
        """Yield the requested responses: without noise, then with it.

        The initial values and bounds of pastas suit series in mm and m. Drivers and the series of
        linear recharge are scaled, so that units and datum do not matter.
        """
        ps = _pastas()
        water = weather.iloc[:, : weather.shape[1] - len(self._kinds)]
        drivers = weather.iloc[:, water.shape[1] :]
        usual, spread = drivers.mean().to_numpy(), drivers.std().to_numpy()
        acting = [k for k, one in enumerate(spread) if driven and one > 0]
        scales = Scales.of(head, water[0], water[1])
        scaled = scales.apply(head, water[0], water[1])

        def response(*, noise: bool) -> Response:
            found = self._response(model, scales, water, noise=noise, linear=recharge == "linear")
            blocks = {
                k: scales.level[1] / spread[k] * pastas_objective.block_response(model, _driver(k))
                for k in acting
            }
            length = max((one.size for one in blocks.values()), default=1)
            padded = np.zeros((usual.size, length))
            for k, one in blocks.items():
                padded[k, : one.size] = one
            return replace(found, drivers=padded, usual=usual)

        with _quiet():
            model = ps.Model(scaled[0], freq=_STEPS[self._frequency[0]])
            self._add_recharge(model, water, scaled[1:] if recharge == "linear" else None)
            for k in acting:
                self._add_driver(model, (drivers.iloc[:, k] - usual[k]) / spread[k], k)
            pastas_objective.solve(model)
            if not noise:
                yield response(noise=False)
            if noise is not False:
                model.add_noisemodel(ps.ArNoiseModel())
                pastas_objective.solve(model, initial=False)
                yield response(noise=True)

    def _add_recharge(
        self, model: Any, weather: pd.DataFrame, linear: Sequence[pd.Series] | None
    ) -> None:
        """Add the recharge: linear of scaled rain and demand, or that of a root zone."""
        ps = _pastas()
        snow = weather.shape[1] > 3 and linear is None
        rain, demand = (weather[0], weather[2]) if linear is None else linear
        stress = ps.RechargeModel(
            rain,
            demand,
            temp=weather[3] if snow else None,
            rfunc=getattr(ps, RESPONSES[self.response])(),
            recharge=ps.rch.FlexModel(snow=snow) if linear is None else ps.rch.Linear(),
            name="recharge",
        )
        model.add_stressmodel(stress)
        # the degree-day factor of pastas is that of a day
        days = timeline.days_per_step(self._frequency)
        if snow and days > 1:
            initial, low, high = (days * value for value in (2.0, 1.0, 20.0))
            model.set_parameter("recharge_k", initial=initial, pmin=low, pmax=high)

    def _add_driver(self, model: Any, series: pd.Series, number: int) -> None:
        """Add the response to a driver, scaled."""
        ps = _pastas()
        shape, rises = DRIVERS[self._kinds[number]]
        stress = ps.StressModel(
            series,
            rfunc=getattr(ps, shape)(),
            name=_driver(number),
            up=rises,
            settings="waterlevel",  # the mean before the series
        )
        model.add_stressmodel(stress)
        if shape == "Exponential":
            model.set_parameter(f"{_driver(number)}_a", pmax=LONGEST)

    def _response(
        self, model: Any, scales: Scales, weather: pd.DataFrame, *, noise: bool, linear: bool
    ) -> Response:
        optimal = model.parameters["optimal"].astype(float)
        weights = pastas_objective.block_response(model, "recharge")
        base = float(optimal["constant_d"])
        if not (np.isfinite(weights).all() and np.isfinite(base)):
            raise SchemaError(
                "A transfer function needs finite parameters. Received some that are not: the "
                "estimation did not converge. Use a longer record, or response='exponential'."
            )
        if linear:
            return scales.undo(Response(weights, float(optimal["recharge_f"]), base, 0.0, noise))
        mean, height = scales.level
        names = [n for n in optimal.index if n.removeprefix("recharge_") in _ROOT_ZONE]
        zone = optimal[names].to_numpy()
        found = Response(weights * height, 0.0, mean + height * base, 0.0, noise, zone)
        return replace(found, before=float(found.recharge(weather.to_numpy()).mean()))


def _driver(number: int) -> str:
    """Return the name of a driver in a model of pastas."""
    return f"driver {number}"


def _known_span(weather: np.ndarray, rows: np.ndarray, times: np.ndarray) -> tuple[int, int]:
    """Return the steps from the first weather to the last fitted level, which must have no gap."""
    known = np.isfinite(weather).all(axis=1)
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
            "pip install pastas."
        ) from error
    pastas_objective.keep_compiled()
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
