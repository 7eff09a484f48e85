"""Kernel ridge regression of the level on exponential memories of the weather.

The inputs of a step are means of each covariate with exponentially fading weights, with memories
from days to years, and the season. Nonlinear and linear kernels of these inputs are
combined, and which memories a well needs is chosen by years that a fit has not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr
from annotated_types import Ge, Gt
from scipy.linalg import cho_factor, cho_solve
from scipy.signal import lfilter
from threadpoolctl import threadpool_limits

from gwforecast import schema, timeline
from gwforecast.data.covariates import find_covariate
from gwforecast.data.water_balance import EVAPORATION_FACTOR, snow_and_liquid_water, soil_recharge
from gwforecast.models.base import setting
from gwforecast.models.per_well import PerWell, WellRecord, require_varying
from gwforecast.models.state import Shape, lacks_covariate
from gwforecast.processes import one_blas_thread
from gwforecast.schema import SchemaError

__all__ = ["KernelRegression", "KernelRidge"]

MEMORY_DAYS = (2.0, 7.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 1000.0, 2000.0, 4000.0)
LONGEST_DAYS = (120.0, 480.0, 1000.0, 4000.0)  # longest memories to choose from
LENGTHS = (0.7, 1.5)  # of the Gaussian kernel, in root mean square distances of inputs
LINEAR_SHARES = (0.05, 0.5)
STRENGTHS = 10.0 ** np.arange(-5.5, -0.9, 0.5)  # ridge, relative to the number of rows
FOLDS = 5
JUDGED_ROWS = 400  # rows that kernels are chosen on, at most
KEPT = 6  # kernels that are averaged
SHARPNESS = 4.0  # weights are the mean squared error to the power of minus this
TEMPERATURES = ("temperature", "temperature_min", "temperature_max")
SOILS = (50.0, 200.0)  # capacities in mm of the soils below which recharge is computed
FARTHEST = 5.0  # standard deviations at which inputs are held
FEWEST_LEVELS = 40
HISTORY_YEARS = 30.0
ROWS_AT_ONCE = 256  # rows that are predicted at once: what they need stays in the processor's cache


class Kernel(NamedTuple):
    """A kernel and its ridge strength: what is chosen."""

    longest: float
    length: float
    linear: float
    strength: float
    weight: float


class Storages(NamedTuple):
    """What snow and soils hold after each step, mm: (well and version, time), (soil, ..., time)."""

    snow: np.ndarray
    moisture: np.ndarray

    def at(self, step: int, versions: int) -> Storages:
        """Return what is held after a step, once for each of several versions of later weather.

        Where weather is missing at the step, snow is that after the last step with weather.
        """
        known = np.isfinite(self.snow[:, : step + 1])
        last = step - np.argmax(known[:, ::-1], axis=1)
        snow = np.nan_to_num(self.snow[np.arange(len(known)), last])
        return Storages(
            np.repeat(snow, versions), np.repeat(self.moisture[..., step], versions, axis=-1)
        )


@dataclass(frozen=True, eq=False)
class KernelRegression:
    """The fitted regression of one well: a weighted mean of kernel regressions on the same rows.

    Parameters
    ----------
    before : numpy.ndarray
        Mean of each input series on the fitted rows, shape (series,).
    center, scale, support : numpy.ndarray
        Mean and standard deviation of the features on the fitted rows, shape (feature,), and the
        standardised features of these rows, shape (row, feature).
    longest, length, linear, strength, weight : numpy.ndarray
        Of each kernel, see :class:`Kernel`, shape (kernel,).
    coefficients, intercept
        Shape (kernel, row), m, and mean fitted level, m.
    """

    before: Annotated[np.ndarray, Shape("series")]
    center: Annotated[np.ndarray, Shape("feature")]
    scale: Annotated[np.ndarray, Shape("feature")]
    support: Annotated[np.ndarray, Shape("row", "feature")]
    longest: Annotated[np.ndarray, Shape("kernel")]
    length: Annotated[np.ndarray, Shape("kernel")]
    linear: Annotated[np.ndarray, Shape("kernel")]
    strength: Annotated[np.ndarray, Shape("kernel")]
    weight: Annotated[np.ndarray, Shape("kernel")]
    coefficients: Annotated[np.ndarray, Shape("kernel", "row")]
    intercept: float

    def kernels(self) -> list[Kernel]:
        """Return the kernels that are averaged."""
        columns = (self.longest, self.length, self.linear, self.strength, self.weight)
        return [Kernel(*map(float, row)) for row in zip(*columns, strict=True)]

    def predict(self, features: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return the level of rows (row, feature) with memories of some days (feature,), m."""
        rows = standardised(features, self.center, self.scale)
        level = np.full(len(rows), self.intercept)
        shared = self.weight[:, None] * self.coefficients
        for longest in np.unique(self.longest):
            used, own = days <= longest, self.longest == longest
            own_rows, support = rows[:, used], self.support[:, used]
            level += own_rows @ (support.T @ (self.linear[own] @ shared[own])) / used.sum()
            bumps = {
                float(length): (1.0 - self.linear[own & same]) @ shared[own & same]
                for length, same in ((one, self.length == one) for one in set(self.length[own]))
            }
            for first in range(0, len(rows), ROWS_AT_ONCE):
                part = slice(first, first + ROWS_AT_ONCE)
                distances = squared_distances(own_rows[part], support)
                for length in sorted(bumps):
                    gaussian = distances / (-2.0 * length**2)
                    level[part] += np.exp(gaussian, out=gaussian) @ bumps[length]
        return level


@dataclass(kw_only=True, eq=False)
class KernelRidge(PerWell[KernelRegression]):
    """Regress the level of each well on exponential memories of its covariates, with kernels.

    The features of a step are means of each covariate with exponentially fading weights, whose
    memories last from two days to eleven years, two harmonics of the year and, where there are rain
    and temperature, the same means of snow storage, of liquid water and of the recharge below two
    soils, see :func:`gwforecast.data.water_balance.soil_recharge`. A kernel is a mixture of a
    Gaussian and a linear one [1]_. The longest memory, the length scale, the share of the linear
    kernel and the ridge strength are judged by leaving out fifths of the fitted years in turn, in
    closed form; the regressions of the best kernels are averaged, each weighted by the inverse
    fourth power of its error on the years left out.

    Parameters
    ----------
    rows : int
        Levels of a well that the regression is fitted on, at most; of longer records every second,
        third, ... level is taken.
    longest : float
        Longest memory to choose from, in days.
    snow : bool
        Add snow storage and liquid water of a degree-day model, and the recharge below soils of 50
        and 200 mm, where there are rain and temperature. What the soils lose is the covariate of
        potential evapotranspiration, or, without one, is estimated from the temperature.
    name : str
        Name in tables and files.

    References
    ----------
    .. [1] Saunders, C., Gammerman, A., and Vovk, V. (1998). Ridge regression learning algorithm in
       dual variables. Proceedings of the 15th International Conference on Machine Learning.
       The error of left-out blocks: Cawley, G. C., and Talbot, N. L. C. (2003), Pattern Recognition
       36, 2585-2592. https://doi.org/10.1016/S0031-3203(03)00136-5
    """

    rows: Annotated[int, Ge(FEWEST_LEVELS)] = 800
    longest: Annotated[float, Gt(0)] = setting(max(LONGEST_DAYS), search=("choice", *LONGEST_DAYS))
    snow: bool = True
    name: str = "kernel_ridge"

    quick = True
    blended = True
    harmonics = 2
    fit_type = KernelRegression
    stored_settings = ("snow",)

    @classmethod
    def unsuited(cls, observations: xr.Dataset) -> str:
        """Return that a covariate is missing, where there is none but the season."""
        return lacks_covariate(observations)

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather a level depends on: those of thirty years."""
        return round(HISTORY_YEARS * timeline.steps_per_year(frequency))

    def choose_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:
        """Return all covariates except those of kind ``"season"``."""
        chosen = super().choose_covariates(observations)
        if not chosen:
            raise SchemaError(
                f"{self.name!r} needs a covariate. Received none. Add the weather, or leave the "
                "model out."
            )
        return chosen

    def weather_of(self, observations: xr.Dataset) -> np.ndarray:
        """Return the input series (well, version, time, series): covariates, snow, water, soils."""
        return self._inputs(observations)[0]

    def _inputs(
        self, observations: xr.Dataset, start: Storages | None = None
    ) -> tuple[np.ndarray, Storages | None]:
        """Return the input series, and what snow and soils hold after each step."""
        weather = super().weather_of(observations)
        one = observations.isel({schema.FORCING_MEMBER: 0})
        kinds = ("rain", "evapotranspiration", *TEMPERATURES)
        names = [find_covariate(one, kind) for kind in kinds]
        place = [self.covariates_.index(n) if n in self.covariates_ else None for n in names]
        rain, demand, mean, low, high = (None if k is None else weather[..., k] for k in place)
        if mean is None and low is not None and high is not None:
            mean = 0.5 * (low + high)
        if not self.snow or rain is None or mean is None:
            return weather, None
        days = timeline.days_per_step(self._frequency)
        if demand is None:
            demand = EVAPORATION_FACTOR * days * np.maximum(mean, 0.0)
        rain, mean, demand = (v.reshape(-1, v.shape[-1]) for v in (rain, mean, demand))
        snow, moisture = (None, None) if start is None else (start.snow, start.moisture)
        storage, water = snow_and_liquid_water(rain, mean, days=days, start=snow)
        recharge, moisture = soil_recharge(water, demand, capacities=SOILS, start=moisture)
        added = [one.reshape(*weather.shape[:-1], 1) for one in (storage, water, *recharge)]
        return np.concatenate([weather, *added], axis=-1), Storages(storage, moisture)

    def simulate_from(self, observations: xr.Dataset, first: int) -> xr.Dataset:
        """Return the simulation from a position of the time axis on; earlier steps are NaN."""
        self._check_simulated(observations)
        one = observations.expand_dims({schema.FORCING_MEMBER: 1})
        times = observations[schema.TIME].values

        def simulate(well: str, weather: np.ndarray) -> np.ndarray:
            features = self._features(weather, times, self.fits_[well].before)
            later = self._levels(self.fits_[well], features[:, first:])
            return np.pad(later, ((0, 0), (first, 0)), constant_values=np.nan)

        weather = self.weather_of(one)
        values = self._levels_by_well(one, weather, simulate)
        values = np.where(np.isfinite(weather).all(axis=-1), values, np.nan)
        return self._labelled(values[:, 0], observations)

    def history(self, frequency: str) -> int:  # noqa: ARG002
        """Return one step: earlier weather is in the state at the issue time."""
        return 1

    def states_at(
        self, observations: xr.Dataset, issue_times: np.ndarray
    ) -> list[tuple[int, Storages | None, dict[str, np.ndarray]]]:
        """Return the position of each issue time, and what soils and memories hold there.

        The weather before the issue times is run through once, whatever their number.
        """
        self._check_simulated(observations)
        times = observations[schema.TIME].values
        issued = timeline.time_positions(times, issue_times, name="issue time")
        past = observations.isel({schema.TIME: slice(0, int(issued.max()) + 1)})
        histories, held = self._inputs(past.expand_dims({schema.FORCING_MEMBER: 1}))
        memories = {
            well: self._memories_at(history, past[schema.TIME].values, issued, self.fits_[well])
            for well, history in zip(schema.well_names(observations), histories, strict=True)
            if well in self.fits_
        }
        return [
            (at, held, {well: state[:, [number]] for well, state in memories.items()})
            for number, at in enumerate(issued.tolist())
        ]

    def continue_from(
        self,
        state: tuple[int, Storages | None, dict[str, np.ndarray]],
        continued: xr.Dataset,
        horizon: int,  # noqa: ARG002
    ) -> np.ndarray:
        """Return the levels after an issue time, (well, lead_time, forcing_member, 1), m."""
        at, held, memories = state
        later = continued.isel({schema.TIME: slice(1, None)})
        times = later[schema.TIME].values
        weather, _ = self._inputs(later, held and held.at(at, later.sizes[schema.FORCING_MEMBER]))

        def simulate(well: str, own: np.ndarray) -> np.ndarray:
            start = np.repeat(memories[well], len(own), axis=1)
            fit = self.fits_[well]
            return self._levels(fit, self._features(own, times, fit.before, start))

        levels = self._levels_by_well(later, weather, simulate)
        levels = np.where(np.isfinite(weather).all(axis=-1), levels, np.nan)
        return np.asarray(levels.transpose(0, 2, 1)[..., None])

    def _memories_at(
        self, history: np.ndarray, times: np.ndarray, rows: np.ndarray, fit: KernelRegression
    ) -> np.ndarray:
        """Return the state of the memories behind some rows, shape (memory, row, series)."""
        return self._state(self._features(history, times, fit.before)[0, rows], fit.before.size)

    def fit_well(self, record: WellRecord, previous: KernelRegression | None) -> KernelRegression:
        """Return the regression of one well; in a refit the kernels and their weights are kept."""
        known = record.rows & np.isfinite(record.weather).all(axis=1)
        before = record.weather[known].mean(axis=0) if known.any() else np.array([])
        usable = np.flatnonzero(known & np.isfinite(record.level))
        _check_enough(record.level[usable])
        with threadpool_limits(1, user_api="blas"):  # small matrices, and the same bits anywhere
            return self._fit(record, usable, before, previous)

    def _fit(
        self,
        record: WellRecord,
        usable: np.ndarray,
        before: np.ndarray,
        previous: KernelRegression | None,
    ) -> KernelRegression:
        features = self._features(record.weather[None], record.times, before)
        usable = usable[:: -(-usable.size // self.rows)]
        center, scale = features[0, usable].mean(axis=0), features[0, usable].std(axis=0)
        scale = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(center)), scale, 1.0)
        support = standardised(features[0, usable], center, scale)
        days = self._days(before.size)
        intercept = float(record.level[usable].mean())
        target = record.level[usable] - intercept
        kernels = (
            previous.kernels()
            if previous is not None
            else choose_kernels(support, target, days, longest=self.longest)
        )
        return KernelRegression(
            before=before,
            center=center,
            scale=scale,
            support=support,
            longest=np.array([one.longest for one in kernels]),
            length=np.array([one.length for one in kernels]),
            linear=np.array([one.linear for one in kernels]),
            strength=np.array([one.strength for one in kernels]),
            weight=np.array([one.weight for one in kernels]),
            coefficients=dual_coefficients(support, target, days, kernels),
            intercept=intercept,
        )

    def simulate_well(
        self, fit: KernelRegression, weather: np.ndarray, times: np.ndarray
    ) -> np.ndarray:
        """Return the levels of one well, shape (version, time), m.

        Steps at which all versions are the same are computed once.
        """
        differ = (weather != weather[:1]) & ~(np.isnan(weather) & np.isnan(weather[:1]))
        parting = int(np.argmax(differ.any(axis=(0, 2)))) if differ.any() else times.size
        levels = np.empty(weather.shape[:2])
        shared = self._features(weather[:1, :parting], times[:parting], fit.before)
        levels[:, :parting] = self._levels(fit, shared)
        if parting < times.size:
            state = None
            if parting:
                state = self._state(shared[0, [parting - 1]], fit.before.size)
                state = np.repeat(state, len(weather), axis=1)
            own = self._features(weather[:, parting:], times[parting:], fit.before, state)
            levels[:, parting:] = self._levels(fit, own)
        return np.where(np.isfinite(weather).all(axis=-1), levels, np.nan)

    def check_fit(self, fit: KernelRegression) -> None:
        """Raise a ValueError if a stored regression does not match its covariates."""
        extra = fit.before.size - len(self.covariates_)
        features = self._days(fit.before.size).size
        if extra not in ((0, 2 + len(SOILS)) if self.snow else (0,)) or fit.center.size != features:
            raise ValueError("a kernel regression does not match its covariates")
        if not (fit.scale > 0).all() or not (fit.length > 0).all():
            raise ValueError("scales and lengths of a kernel regression must be positive")

    def _memories(self) -> np.ndarray:
        """Return the memories in steps: those of at least about one step."""
        step = timeline.days_per_step(self._frequency)
        days = np.array(MEMORY_DAYS)
        return np.asarray(days[days >= 0.9 * step] / step)

    def _days(self, series: int) -> np.ndarray:
        """Return the memory of each feature in days, 0 for the harmonics, shape (feature,)."""
        step = timeline.days_per_step(self._frequency)
        return np.concatenate([np.repeat(self._memories() * step, series), [0.0] * 4])

    def _features(
        self,
        weather: np.ndarray,
        times: np.ndarray,
        before: np.ndarray,
        state: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the features (version, time, feature), from a state of the memories on.

        Weather before the first step is taken to be the mean of the fitted rows, and so is weather
        that is missing.
        """
        deviations = np.where(np.isfinite(weather), weather - before, 0.0)
        memories = self._memories()
        if state is None:
            state = np.zeros((memories.size, len(weather), before.size))
        parts = []
        for number, memory in enumerate(memories):
            kept = np.exp(-1.0 / memory)
            first = state[number][:, None]
            part, _ = lfilter([1.0 - kept], [1.0, -kept], deviations, axis=1, zi=first)
            parts.append(part)
        season = timeline.harmonics(times, self.harmonics)
        parts.append(np.broadcast_to(season, (len(weather), *season.shape)))
        return np.concatenate(parts, axis=-1)

    def _state(self, features: np.ndarray, series: int) -> np.ndarray:
        """Return the state behind rows of features (row, feature), shape (memory, row, series)."""
        memories = self._memories()
        means = features[:, : memories.size * series].reshape(-1, memories.size, series)
        return np.asarray(np.exp(-1.0 / memories)[:, None, None] * means.transpose(1, 0, 2))

    def _levels(self, fit: KernelRegression, features: np.ndarray) -> np.ndarray:
        """Return the levels of features (version, time, feature), m, shape (version, time)."""
        flat = features.reshape(-1, features.shape[-1])
        with one_blas_thread():
            levels = fit.predict(flat, self._days(fit.before.size))
        return levels.reshape(features.shape[:-1])


def standardised(features: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return features (row, feature) in standard deviations, held within bounds."""
    return np.asarray(np.clip((features - center) / scale, -FARTHEST, FARTHEST))


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return mean squared distances of rows, shape (row of a, row of b)."""
    found = a @ (b.T * (-2.0 / a.shape[1]))
    found += np.square(b).mean(axis=1)
    found += np.square(a).mean(axis=1)[:, None]
    return np.asarray(np.maximum(found, 0.0, out=found))


def products_and_distances(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean products and mean squared distances of rows, each (row, row)."""
    products = rows @ rows.T / rows.shape[1]
    squares = np.square(rows).mean(axis=1)
    return products, np.maximum(squares[:, None] + squares - 2.0 * products, 0.0)


def mixed(products: np.ndarray, distances: np.ndarray, length: float, linear: float) -> np.ndarray:
    """Return a mixture of a Gaussian kernel and a linear one."""
    gaussian = np.exp(-distances / (2.0 * length**2))
    return np.asarray((1.0 - linear) * gaussian + linear * products)


def dual_coefficients(
    support: np.ndarray, target: np.ndarray, days: np.ndarray, kernels: Sequence[Kernel]
) -> np.ndarray:
    """Return the coefficients of the rows for each kernel, m, shape (kernel, row)."""
    found = np.empty((len(kernels), len(target)))
    for longest in {one.longest for one in kernels}:
        used = support[:, days <= longest]
        products, distances = products_and_distances(used)
        for number, kernel in enumerate(kernels):
            if kernel.longest == longest:
                matrix = mixed(products, distances, kernel.length, kernel.linear)
                matrix[np.diag_indices_from(matrix)] += kernel.strength * len(target)
                factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
                found[number] = cho_solve(factor, target, check_finite=False)
    return found


def choose_kernels(
    support: np.ndarray, target: np.ndarray, days: np.ndarray, *, longest: float
) -> list[Kernel]:
    """Return the best kernels by the error on blocks of rows left out, with their weights.

    Standardised features (row, feature) are in the order of time, levels (row,) less their mean, m;
    ``days`` are the memory of each feature and ``longest`` the longest one to choose from.
    """
    thinned = slice(None, None, -(-len(target) // JUDGED_ROWS))
    support, target = support[thinned], target[thinned]
    block = np.arange(len(target)) * FOLDS // len(target)
    found: list[tuple[float, float, float, float, float]] = []
    for limit in sorted({min(one, longest) for one in LONGEST_DAYS}):
        used = support[:, days <= limit]
        products, distances = products_and_distances(used)
        for length in LENGTHS:
            for linear in LINEAR_SHARES:
                matrix = mixed(products, distances, length, linear)
                errors = dict(_errors_left_out(matrix, target, block))
                strength = min(errors, key=lambda one: errors[one])
                found.append((errors[strength], limit, length, linear, strength))
    found = sorted(found)[:KEPT]
    weights = np.array([max(error, 1e-12) for error, *_ in found]) ** -SHARPNESS
    shares = weights / weights.sum()
    return [Kernel(*one[1:], float(share)) for one, share in zip(found, shares, strict=True)]


def _errors_left_out(
    matrix: np.ndarray, target: np.ndarray, block: np.ndarray
) -> Iterator[tuple[float, float]]:
    """Yield each ridge strength with the mean squared error of blocks that are left out in turn.

    One decomposition of the kernel matrix serves all strengths and blocks.
    """
    values, vectors = np.linalg.eigh(matrix)
    rotated = vectors.T @ target
    for strength in STRENGTHS:
        shrunk = np.maximum(values, 0.0)
        shrunk = shrunk / (shrunk + strength * len(target))
        residual = target - vectors @ (shrunk * rotated)
        total = 0.0
        for number in range(FOLDS):
            rows = block == number
            hat = (vectors[rows] * shrunk) @ vectors[rows].T
            error = np.linalg.solve(np.eye(rows.sum()) - hat, residual[rows])
            total += float(error @ error)
        yield float(strength), total / len(target)


def _check_enough(level: np.ndarray) -> None:
    if level.size < FEWEST_LEVELS:
        raise ValueError(
            f"A kernel regression needs at least {FEWEST_LEVELS} levels with weather. Received "
            f"{level.size}. Use a longer record, or leave the model out."
        )
    require_varying(level, "A kernel regression needs")
