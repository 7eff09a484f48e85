"""The base of forecasters that are fitted well by well.

:class:`PerWell` loops over the wells, keeps why a well could not be fitted, reports progress,
checks later data against the fitted ones, labels the results, and stores and restores the fits. A
subclass is a dataclass of settings with two methods on plain arrays: ``fit_well`` and
``simulate_well``.

Examples
--------
A whole new baseline, the level as a straight line of the rain of the last steps:

>>> from dataclasses import dataclass
>>> from typing import Annotated
>>> import numpy as np
>>> from annotated_types import Ge
>>> from gwforecast.models import state
>>> from gwforecast.models.base import setting
>>> from gwforecast.models.per_well import PerWell
>>> @dataclass(frozen=True, eq=False)
... class Line:
...     intercept: float
...     slopes: Annotated[np.ndarray, state.Shape("covariate")]
>>> @dataclass(kw_only=True, eq=False)
... class RecentMean(PerWell[Line]):
...     name: str = "recent_mean"
...     window: Annotated[int, Ge(1)] = setting(4, search=("int", 1, 52))
...     fit_type = Line
...     stored_settings = ("window",)
...
...     def fit_well(self, record, previous):
...         means = self._means(record.weather)
...         known = np.isfinite(record.level) & np.isfinite(means).all(axis=-1)
...         if known.sum() < 20:
...             raise ValueError(f"It needs 20 levels. Received {known.sum()}.")
...         columns = np.column_stack([np.ones(known.sum()), means[known]])
...         found = np.linalg.lstsq(columns, record.level[known])[0]
...         return Line(float(found[0]), found[1:])
...
...     def simulate_well(self, fit, weather, times):
...         return fit.intercept + self._means(weather) @ fit.slopes
...
...     def _means(self, weather):
...         rolled = [np.roll(weather, k, axis=-2) for k in range(self.window)]
...         means = np.mean(rolled, axis=0)
...         means[..., : self.window - 1, :] = np.nan
...         return means
"""

from __future__ import annotations

import abc
import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import xarray as xr
from annotated_types import Ge

from gwforecast import schema, timeline
from gwforecast.models import state
from gwforecast.models.base import Forecaster, NeedOfWeather, check_settings
from gwforecast.models.state import well_positions
from gwforecast.progress import DETAIL, Progress, ProgressOption, as_callback
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import Period, Split, require_sequential, through_periods
from gwforecast.sequences.windows import antecedent_columns, lag_edges

__all__ = ["FittedOnRows", "PerWell", "WellRecord", "require_varying"]

Fit = TypeVar("Fit")
FEWEST_CONSTANT = 20
SMALLEST_SPAN = 1e-9  # m


@dataclass(frozen=True, eq=False)
class WellRecord:
    """The arrays on which one well is fitted."""

    well: str
    times: np.ndarray  # shape (time,), ``datetime64``
    level: np.ndarray  # of the fitted rows, shape (time,), m; NaN elsewhere
    rows: np.ndarray  # whether a row is of the fitted periods, shape (time,)
    weather: np.ndarray  # shape (time, covariate)
    validation: np.ndarray  # levels for choosing, not for fitting, shape (time,), m
    refit: bool  # whether it is a refit, in which nothing new is chosen

    def mean_weather(self) -> np.ndarray:
        """Return the mean of each covariate on the fitted rows, 0 without any, (covariate,)."""
        known = self.rows & np.isfinite(self.weather).all(axis=1)
        return np.asarray(
            self.weather[known].mean(axis=0) if known.any() else np.zeros(self.weather.shape[1])
        )

    def is_constant(self) -> bool:
        """Return whether there are enough levels, all of them the same."""
        known = self.level[np.isfinite(self.level)]
        return bool(known.size >= FEWEST_CONSTANT and np.ptp(known) <= SMALLEST_SPAN)


def require_varying(level: np.ndarray, what: str, *, where: str = "") -> None:
    """Refuse levels that are constant, for a model that ``what`` names."""
    span = float(np.nanmax(level) - np.nanmin(level))
    if span < SMALLEST_SPAN:
        raise ValueError(
            f"{what} levels that vary. Received a span of {span:g} m{where}. Leave the model out "
            "at this well."
        )


class FittedOnRows(Forecaster):
    """A forecaster that is fitted on all rows through the end of a period, by one method.

    ``wells_`` are the wells of the data, ``failed_`` those that could not be fitted and why; their
    levels are NaN. Wells in ``constant_`` have one level on the fitted rows, and are simulated and
    forecast as that level, m.
    """

    stored_settings: ClassVar[tuple[str, ...]] = ()  # on which predictions of a fit depend
    wells_: np.ndarray
    failed_: dict[str, str]
    constant_: dict[str, float]
    _attrs: dict[str, Any]

    def __post_init__(self) -> None:
        check_settings(self)

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: ProgressOption = None
    ) -> Self:
        """Fit on the train rows; where there is a choice, the validation rows decide.

        A well that cannot be fitted is a warning, and its reason is in ``failed_``.
        """
        self._learn(
            observations, split, through="train", previous=None, progress=as_callback(progress)
        )
        return self

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: ProgressOption = None,
    ) -> Self:
        """Return a new forecaster, fitted through a period with the choices of the first fit."""
        fitted = copy.copy(self)
        fitted._learn(
            observations, split, through=through, previous=self, progress=as_callback(progress)
        )
        return fitted

    @abc.abstractmethod
    def _learn(
        self,
        observations: xr.Dataset,
        split: Split,
        *,
        through: Period,
        previous: Self | None,
        progress: Progress | None,
    ) -> None:
        """Fit on the rows through a period; ``previous`` is the forecaster that is refitted."""

    def _start_learning(self, observations: xr.Dataset) -> None:
        self.wells_ = observations[schema.WELL].values
        self.failed_, self.constant_ = {}, {}
        self._attrs = dict(observations[schema.LEVEL].attrs)

    def _fail(self, well: str, reason: str) -> None:
        """Keep why a well could not be fitted, and warn in the caller of fit or refit."""
        self.failed_[well] = reason
        warnings.warn(
            f"{self.name!r} could not be fitted at well {well!r}, so its levels are NaN: {reason}",
            stacklevel=4,
        )

    def _labelled(self, values: np.ndarray, observations: xr.Dataset) -> xr.Dataset:
        """Return simulated levels (well, time), m, with the labels of the observations."""
        dims = (schema.WELL, schema.TIME)
        coords = {name: observations[name] for name in dims}
        return xr.DataArray(values, coords, dims, attrs=self._attrs).to_dataset(name=schema.LEVEL)

    def _settings_to_state(self) -> dict[str, Any]:
        """Return the settings that matter, and the name if it is not that of the class."""
        own = {} if self.name == type(self).name else {"name": self.name}
        return own | {name: getattr(self, name) for name in self.stored_settings}

    @classmethod
    def _settings_from_state(cls, description: Mapping[str, Any]) -> Self:
        """Return a forecaster with the stored settings and wells, not yet fitted."""
        given = {name: description[name] for name in cls.stored_settings}
        make: Any = cls  # a dataclass of settings
        one: Self = make(**given, name=description.get("name", cls.name))
        one.wells_ = np.array(state.read_texts(description["wells"]), dtype=object)
        one.failed_, one._attrs = {}, {"units": schema.LEVEL_UNITS}
        given = description.get("constant", {})
        one.constant_ = {str(well): state.read_number(level) for well, level in given.items()}
        return one


class PerWell(FittedOnRows, Generic[Fit]):
    """A forecaster that is fitted to one well after the other, from arrays of that well.

    A subclass is a dataclass of settings that defines ``fit_type``, :meth:`fit_well` and
    :meth:`simulate_well`, and ``stored_settings`` if simulations depend on settings.
    """

    fit_type: ClassVar[type]  # of the fit of one well, a frozen dataclass
    fits_key: ClassVar[str] = "fits"  # their name in the stored description
    needs_weather: ClassVar[NeedOfWeather] = "always"
    covariates: Sequence[str] | None = None
    harmonics: Annotated[int, Ge(0)] = 0
    covariates_: tuple[str, ...]  # those that are used
    fits_: dict[str, Fit]  # of each well that could be fitted
    _frequency: str

    @abc.abstractmethod
    def fit_well(self, record: WellRecord, previous: Fit | None) -> Fit:
        """Return the fit of one well; in a refit the choices of the previous fit are kept.

        Parameters
        ----------
        record : WellRecord
            Levels and weather of the well.
        previous : fit_type or None
            In a refit, the earlier fit of this well, unless it failed; None in a first fit.

        Returns
        -------
        fit_type
            What :meth:`simulate_well` needs, without labels.

        Raises
        ------
        ValueError, RuntimeError
            If the well cannot be fitted: the rule, what was received, how to fix it. The others are
            fitted, and the message is kept in ``failed_``.
        """

    @abc.abstractmethod
    def simulate_well(self, fit: Fit, weather: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the levels of one well under one or several versions of the weather.

        Parameters
        ----------
        fit : fit_type
            Result of :meth:`fit_well`.
        weather : numpy.ndarray
            Shape (version, time, covariate), in the units of the observations; NaN in gaps.
        times : numpy.ndarray
            Shape (time,), ``datetime64``.

        Returns
        -------
        numpy.ndarray
            Shape (version, time), m; NaN where there is none.
        """

    def choose_covariates(self, observations: xr.Dataset) -> tuple[str, ...]:
        """Return the covariates to use: those of the setting, or by default all.

        Covariates of kind ``"season"`` are left out by default where there are harmonics.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).

        Returns
        -------
        tuple of str
            Names in the order of the columns that :meth:`fit_well` receives.

        Raises
        ------
        SchemaError
            If the model needs a covariate that there is not.
        """
        if self.covariates is not None:
            return tuple(self.covariates)
        return tuple(
            name
            for name in schema.covariate_names(observations)
            if not self.harmonics
            or schema.covariate_kind(name, observations[name].attrs) != "season"
        )

    def weather_of(self, observations: xr.Dataset) -> np.ndarray:
        """Return the weather as an array, a series for each covariate that is used.

        Parameters
        ----------
        observations : xarray.Dataset
            Covariates (well, forcing_member, time).

        Returns
        -------
        numpy.ndarray
            Shape (well, version, time, covariate).
        """
        dims = (schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        series = [observations[name].transpose(*dims).values for name in self.covariates_]
        shape = tuple(observations.sizes[dim] for dim in dims)
        return np.stack(series, axis=-1).astype(float) if series else np.empty((*shape, 0))

    def antecedent(
        self, weather: np.ndarray, times: np.ndarray, lookback: int, before: np.ndarray
    ) -> np.ndarray:
        """Return lagged means of the weather, and harmonics of the year.

        Parameters
        ----------
        weather : numpy.ndarray
            Shape (version, time, covariate).
        times : numpy.ndarray
            Shape (time,), ``datetime64``.
        lookback : int
            Steps of weather that the means cover, the present one included.
        before : numpy.ndarray
            Shape (covariate,), weather that stands for the steps before the first one.

        Returns
        -------
        numpy.ndarray
            Shape (version, time, column), by
            :func:`gwforecast.sequences.windows.antecedent_columns`.
        """
        return antecedent_columns(
            weather, times, lookback=lookback, before=before, harmonics=self.harmonics
        )

    def antecedent_count(self, lookback: int) -> int:
        """Return the number of columns of :meth:`antecedent`.

        Parameters
        ----------
        lookback : int
            Steps of weather.

        Returns
        -------
        int
            Means of all covariates, and two columns for each harmonic.
        """
        return (lag_edges(lookback).size - 1) * len(self.covariates_) + 2 * self.harmonics

    def target_of(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the series that is fitted, here the levels.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).

        Returns
        -------
        xarray.DataArray
            Dimensions (well, time), m.
        """
        return observations[schema.LEVEL].transpose(schema.WELL, schema.TIME)

    def prepare(
        self, observations: xr.Dataset, split: Split, *, through: Period, previous: Self | None
    ) -> None:
        """Prepare what all wells share before they are fitted; here nothing.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        split : Split
            The periods of each well.
        through : {"train", "validation", "test"}
            Last period whose rows may be used.
        previous : forecaster or None
            In a refit, the forecaster whose choices are kept.

        Raises
        ------
        SchemaError
            If the data do not suit the model.
        """

    def fit_without(self, observations: xr.Dataset, split: Split) -> Self:
        """Return a fit to observations of which levels are left out, with the choices of this fit.

        Choosing again in each part would take several times as long.
        """
        one = copy.copy(self)
        one._learn(observations, split, through="train", previous=self, progress=None)
        return one

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step, (well, time), m; NaN where the weather is not known."""
        values = self._simulate_arrays(observations.expand_dims({schema.FORCING_MEMBER: 1}))
        return self._labelled(values[:, 0], observations)

    def simulate_versions(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the levels under each of several versions of the weather, all at once."""
        dims = (schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        values = self._simulate_arrays(observations)
        coords = {name: observations[name] for name in dims if name in observations.coords}
        level = xr.DataArray(values, coords, dims)
        return level.transpose(schema.WELL, schema.TIME, schema.FORCING_MEMBER).expand_dims(
            {schema.MEMBER: [0]}, -1
        )

    def covariates_to_fit(self, observations: xr.Dataset) -> list[str]:
        """Return the names of the covariates that a fit would use."""
        return list(self.choose_covariates(observations))

    def covariates_of(self, observations: xr.Dataset) -> list[str]:  # noqa: ARG002
        """Return the names of the covariates that are used."""
        return list(self.covariates_)

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return plain JSON values and arrays, those of the first fitted well named ``0.``..."""
        arrays: dict[str, np.ndarray] = {}
        fits = {}
        for number, (well, fit) in enumerate(self.fits_.items()):
            fits[well], parts = state.fit_to_state(fit)
            arrays |= state.with_prefix(str(number), parts)
        description = {
            "wells": [str(well) for well in self.wells_],
            "covariates": list(self.covariates_),
            **self._settings_to_state(),
            "frequency": self._frequency,
            self.fits_key: fits,
        }
        if self.constant_:
            description["constant"] = dict(self.constant_)
        return description, arrays

    @classmethod
    def from_state(cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the fitted forecaster that :meth:`to_state` described."""
        one = cls._settings_from_state(description)
        one.covariates_ = tuple(state.read_texts(description["covariates"]))
        one._frequency = state.read_text(description["frequency"])
        timeline.steps_per_year(one._frequency)  # refuses an unknown frequency
        one.fits_ = {}
        wells = set(one.wells_.tolist())
        for number, (well, values) in enumerate(description[cls.fits_key].items()):
            if well not in wells:
                raise ValueError(f"the fit of {well!r} is of none of the wells")
            parts = state.without_prefix(str(number), arrays)
            sizes = {"covariate": len(one.covariates_)}
            fit: Fit = state.fit_from_state(cls.fit_type, values, parts, sizes=sizes)
            one.check_fit(fit)
            one.fits_[well] = fit
        return one

    def check_fit(self, fit: Fit) -> None:
        """Refuse a stored fit that does not match the settings; here each does.

        Parameters
        ----------
        fit : fit_type
            A fit that was read back, whose entries have the declared types and shapes.

        Raises
        ------
        ValueError
            If numbers of columns, covariates or harmonics differ.
        """

    def _learn(
        self,
        observations: xr.Dataset,
        split: Split,
        *,
        through: Period,
        previous: Self | None,
        progress: Progress | None,
    ) -> None:
        split = require_sequential(split)
        self._start_learning(observations)
        self._frequency = timeline.infer_frequency(observations[schema.TIME].values)
        self.covariates_ = self.choose_covariates(observations)
        self._check_like_fitted(observations)
        self.prepare(observations, split, through=through, previous=previous)
        periods = through_periods(through)
        records = self._records(observations, split, periods, refit=previous is not None)
        before = {} if previous is None else getattr(previous, "fits_", {})
        self.fits_ = {}
        for number, record in enumerate(records):
            if record.is_constant():
                self.constant_[record.well] = float(np.nanmean(record.level))
            else:
                try:
                    self.fits_[record.well] = self.fit_well(record, before.get(record.well))
                except (ValueError, RuntimeError) as error:
                    self._fail(record.well, str(error))
            if progress is not None:
                task = f"{self.name}{DETAIL}well {record.well!r}"
                progress(task, number + 1, self.wells_.size)

    def _records(
        self, observations: xr.Dataset, split: Split, periods: tuple[Period, ...], *, refit: bool
    ) -> list[WellRecord]:
        dims = (schema.WELL, schema.TIME)
        rows = split.rows(observations, *periods)
        levels = self.target_of(observations).where(rows).transpose(*dims).values
        validation = split.levels(observations, "validation").transpose(*dims).values
        weather = self.weather_of(observations.expand_dims({schema.FORCING_MEMBER: 1}))[:, 0]
        inside = rows.transpose(*dims).values
        times = observations[schema.TIME].values
        return [
            WellRecord(str(well), times, levels[i], inside[i], weather[i], validation[i], refit)
            for i, well in enumerate(self.wells_.tolist())
        ]

    def _simulate_arrays(self, observations: xr.Dataset) -> np.ndarray:
        """Return the levels under covariates (well, forcing_member, time), of the same shape, m."""
        self._check_simulated(observations)
        times = observations[schema.TIME].values
        return self._levels_by_well(
            observations,
            self.weather_of(observations),
            lambda well, weather: self.simulate_well(self.fits_[well], weather, times),
        )

    def _levels_by_well(
        self,
        observations: xr.Dataset,
        weather: np.ndarray,
        simulate: Callable[[str, np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Return the levels (well, version, time), m, by a function of a well and its weather."""
        values = np.full(weather.shape[:-1], np.nan)
        for i, well in enumerate(schema.well_names(observations)):
            if well in self.fits_:
                values[i] = simulate(well, weather[i])
            elif well in self.constant_:
                values[i] = self.constant_[well]
        return values

    def _check_simulated(self, observations: xr.Dataset) -> None:
        """Check that the wells were fitted, and the data are like the fitted ones."""
        well_positions(observations, self.wells_, name=self.name)
        self._check_like_fitted(observations)

    def _check_like_fitted(self, observations: xr.Dataset) -> None:
        """Check that data have the covariates and the frequency that were fitted."""
        missing = [name for name in self.covariates_ if name not in observations]
        if missing:
            held = [
                name
                for name, series in observations.data_vars.items()
                if schema.TIME in series.dims and name != schema.LEVEL
            ]
            raise SchemaError(
                f"{self.name!r} needs the covariates {list(self.covariates_)}. Received {held}, "
                f"which lacks {missing}. Add the series, or fit without it."
            )
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        if frequency != self._frequency:
            raise SchemaError(
                f"{self.name!r} predicts at the frequency it was fitted on, {self._frequency}. "
                f"Received {frequency}. Fit it on data of this frequency."
            )
