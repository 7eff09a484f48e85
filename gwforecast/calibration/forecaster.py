"""Forecast from one or several simulations and a model of their recent errors."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.blending import (
    blend_members,
    blend_weights,
    read_weights,
    simulate_held_out,
)
from gwforecast.calibration.correction import STATES, ErrorModel
from gwforecast.forcings.base import Forcing, continuation
from gwforecast.models.base import Forecaster
from gwforecast.models.state import read_text, with_prefix, without_prefix
from gwforecast.progress import ProgressOption, as_callback, stage
from gwforecast.sequences.origins import observed_at
from gwforecast.sequences.split import Period, Split

__all__ = ["Corrected", "as_forecasting"]


HORIZON_YEARS = 0.5  # longest lead time for which the error model is chosen


@dataclass(eq=False)
class Corrected(Forecaster):
    """Forecast from one or more simulations and a model of their recent errors.

    Several simulations are averaged, each with a weight at each well, see
    :mod:`gwforecast.calibration.blending`. Weights and error model are estimated on rows that the
    simulations were not fitted on, and are kept when the parts are refitted.

    Parameters
    ----------
    parts : sequence of Forecaster
        Forecasters that can simulate.
    name : str, optional
        By default the name of the only part, or ``"blend"`` for several.

    Attributes
    ----------
    error_model_ : ErrorModel
        One model for the average of all parts.
    weights_ : numpy.ndarray or None
        Weight of each part, shape (part, well); None for equal weights.
    wells_ : list of str
        Wells that were fitted.
    since_ : numpy.ndarray
        Shape (well,): end of the period used to fit the parts; errors up to then are not used.
    known_ : numpy.ndarray
        Shape (well, 24): state of the error model at ``since_``, from the previous fit.

    Examples
    --------
    >>> import pandas as pd
    >>> from gwforecast.forcings.base import ObservedWeather
    >>> from gwforecast.models.naive import Climatology
    >>> from gwforecast.sequences.split import split_by_fraction
    >>> time = pd.date_range("2000-01-01", "2009-12-31")
    >>> wave = np.sin(2 * np.pi * np.arange(time.size) / 365.25) + 0.1 * np.arange(time.size) / 365
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), wave[None])}, {"well": ["a"], "time": time}
    ... )
    >>> split = split_by_fraction(observations)
    >>> model = Corrected([Climatology()]).fit(observations, split=split)
    >>> ahead = model.forecast(
    ...     observations, issue_times=time[[3000]], horizon=10, forcing=ObservedWeather()
    ... )
    >>> error = ahead["level"].values[0, 0, :, 0] - wave[3001:3011]
    >>> bool(np.abs(error).max() < 0.1)
    True
    """

    parts: Sequence[Forecaster]
    name: str = field(default="", kw_only=True)
    kind: ClassVar[str] = "corrected"

    error_model_: ErrorModel = field(init=False, repr=False)
    weights_: np.ndarray | None = field(init=False, repr=False, default=None)
    wells_: list[str] = field(init=False, repr=False)
    since_: np.ndarray = field(init=False, repr=False)
    known_: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.parts = [self.parts] if isinstance(self.parts, Forecaster) else list(self.parts)
        self.name = self.name or (self.parts[0].name if len(self.parts) == 1 else "blend")

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: ProgressOption = None
    ) -> Self:
        """Fit the parts on the train rows, and the error model on the validation rows."""
        for part, report in self._staged(progress, "train"):
            part.fit(observations, split=split, progress=report)
        return self.calibrate(observations, split=split)

    def _staged(self, progress: ProgressOption, what: str) -> list[tuple[Forecaster, Any]]:
        """Return each part with a callback that reports under its name."""
        report = as_callback(progress)
        return [(part, stage(report, f"{part.name}: {what}")) for part in self.parts]

    def calibrate(self, observations: xr.Dataset, *, split: Split) -> Self:
        """Estimate weights and fit the error model, with parts that are already fitted.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), as the parts were fitted on.
        split : Split
            The periods of the fit; no level after the validation period is used.

        Returns
        -------
        Corrected
            Itself.
        """
        self.wells_ = [str(well) for well in observations[schema.WELL].values]
        unseen = [
            simulate_held_out(part, observations, split=split)[schema.LEVEL] for part in self.parts
        ]
        levels = split.levels(observations, "train", "validation")
        if len(self.parts) > 1:
            self.weights_ = blend_weights(unseen, levels).values
        central = self._blended(unseen, observations).median(schema.MEMBER)
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        horizon = max(1, round(HORIZON_YEARS * timeline.steps_per_year(frequency)))
        self.error_model_ = ErrorModel().fit(central, levels, horizon=horizon)
        self.since_ = _ends(split, self.wells_, "train")
        self.known_ = np.full((len(self.wells_), 2 * STATES), np.nan)
        return self

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: ProgressOption = None,
    ) -> Self:
        """Return a new forecaster whose parts are fitted on all rows through a period."""
        parts = [
            part.refit(observations, split=split, through=through, progress=report)
            for part, report in self._staged(progress, f"refit through {through}")
        ]
        return self.with_parts(parts, observations, split=split, through=through)

    def update(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: ProgressOption = None,
    ) -> Self:
        """Return a new forecaster with networks trained further on new rows, others refitted."""
        parts = [
            part.update(observations, split=split, through=through, progress=report)
            for part, report in self._staged(progress, f"update through {through}")
        ]
        return self.with_parts(parts, observations, split=split, through=through)

    def with_parts(
        self,
        parts: Sequence[Forecaster],
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
    ) -> Self:
        """Return a new forecaster with later fits of the parts and the same error model.

        Parameters
        ----------
        parts : sequence of Forecaster
            Refits of the parts through the end of a period.
        observations : xarray.Dataset
            Dimensions (well, time), used for the refits. Other wells are left out.
        split : Split
            The periods of the refits.
        through : {"train", "validation", "test"}
            Last period used by the refits. The state of the error model at its end is computed with
            the previous parts, which were not fitted on the latest rows.

        Returns
        -------
        Corrected
            This one is not changed.
        """
        again = self._of_wells(observations)
        again.parts = list(parts)
        ends = np.maximum(_ends(split, again.wells_, through), again.since_)
        states = self._states(observations, self._central(observations))
        at_end = np.searchsorted(observations[schema.TIME].values, ends, side="right") - 1
        wells = [str(well) for well in observations[schema.WELL].values]
        rows = [wells.index(well) for well in again.wells_]
        again.known_ = states[rows, at_end]
        again.since_ = ends
        return again

    def _of_wells(self, observations: xr.Dataset) -> Self:
        """Return a copy for those of the fitted wells that the observations have."""
        again = copy.copy(self)
        names = {str(well) for well in observations[schema.WELL].values}
        rows = [number for number, well in enumerate(self.wells_) if well in names]
        if len(rows) < len(self.wells_):
            again.wells_ = [self.wells_[number] for number in rows]
            again.since_, again.known_ = self.since_[rows], self.known_[rows]
            again.weights_ = None if self.weights_ is None else self.weights_[:, rows]
            again.error_model_ = ErrorModel.from_arrays(
                {name: values[rows] for name, values in self.error_model_.to_arrays().items()}
            )
        return again

    def memory(self, frequency: str) -> int:
        """Return the number of steps of past weather on which a level can depend."""
        return max(part.memory(frequency) for part in self.parts)

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step without correction, (well, time, member), m."""
        return self.simulate_from(observations, 0)

    def simulate_from(self, observations: xr.Dataset, first: int) -> xr.Dataset:
        """Return the simulation from a position onwards; earlier steps may be NaN."""
        levels = [part.simulate_from(observations, first)[schema.LEVEL] for part in self.parts]
        return self._blended(levels, observations).to_dataset(name=schema.LEVEL)

    def _blended(self, levels: Sequence[xr.DataArray], observations: xr.Dataset) -> xr.DataArray:
        weights = None if self.weights_ is None else self.weights_[:, self._rows(observations)]
        return blend_members(levels, weights)

    def _rows(self, observations: xr.Dataset) -> list[int]:
        """Return where the wells of the observations stand among the fitted wells."""
        index = {well: number for number, well in enumerate(self.wells_)}
        return [index[str(well)] for well in observations[schema.WELL].values]

    def forecast(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
    ) -> xr.Dataset:
        """Return the levels after each issue time, (well, issue_time, lead_time, member), m.

        There is one member for each network and each version of the weather; the coordinates
        ``network`` and ``forcing_member`` of the members identify them.
        """
        corrected, of_level = self._forecasts(
            observations, issue_times=issue_times, horizon=horizon, forcing=forcing
        )
        return self._average(corrected, of_level, observations)

    def weighed(
        self,
        observations: xr.Dataset,
        levels: xr.DataArray,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
    ) -> tuple[Self, xr.Dataset]:
        """Return a copy whose forecasts of some levels are best, and these forecasts.

        A forecast is the mean of the corrected simulation and of a forecast from the levels alone,
        whose weight is larger where the weather after the issue time is not known.

        Parameters
        ----------
        observations, issue_times, horizon, forcing
            As for :meth:`forecast`.
        levels : xarray.DataArray
            Dimensions (well, time), m; NaN where unknown or not to be used.

        Returns
        -------
        Corrected
            With the weights; this one is not changed.
        xarray.Dataset
            Forecasts of :meth:`forecast` with these weights.
        """
        corrected, of_level = self._forecasts(
            observations, issue_times=issue_times, horizon=horizon, forcing=forcing
        )
        again = copy.copy(self)
        again.error_model_ = self.error_model_.weigh(
            corrected[schema.LEVEL].median(schema.MEMBER).values,
            of_level,
            observed_at(levels, corrected).values,
            wells=schema.well_names(observations),
            frequency=timeline.infer_frequency(observations[schema.TIME].values),
        )
        return again, again._average(corrected, of_level, observations)

    def _average(
        self, corrected: xr.Dataset, of_level: np.ndarray, observations: xr.Dataset
    ) -> xr.Dataset:
        """Return the mean of the two :meth:`_forecasts`."""
        level = self.error_model_.average(
            corrected[schema.LEVEL].values,
            of_level,
            wells=schema.well_names(observations),
            frequency=timeline.infer_frequency(observations[schema.TIME].values),
        )
        return corrected.assign({schema.LEVEL: corrected[schema.LEVEL].copy(data=level)})

    def _forecasts(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
    ) -> tuple[xr.Dataset, np.ndarray]:
        """Return corrected simulations after each issue time, and forecasts from levels alone.

        The first is ``level`` (well, issue_time, lead_time, member), the other has the shape (well,
        issue_time, lead_time), m.
        """
        recent, first = self._recent(observations, issue_times)
        history = self.simulate_from(recent, first)[schema.LEVEL]
        continued = continuation(observations, horizon=horizon, forcing=forcing)
        each = [
            part.project(
                observations,
                issue_times=issue_times,
                horizon=horizon,
                forcing=forcing,
                continued=continued,
            )
            for part in self.parts
        ]
        projected = self._blended(each, observations)
        frequency = timeline.infer_frequency(recent[schema.TIME].values)
        issued = timeline.time_positions(recent[schema.TIME].values, issue_times, name="issue time")
        states = self._states(recent, history, at=issued)
        weathers = projected.sizes[schema.FORCING_MEMBER]
        # the error of a network at the issue time is the same for every version of the weather
        corrected, of_level = self.error_model_.forecasts(
            projected.values.reshape(*projected.shape[:3], -1),
            states=np.tile(states, (1, 1, weathers, 1)),
            wells=schema.well_names(observations),
            frequency=frequency,
        )
        forecast = schema.label_forecast(
            corrected,
            wells=observations[schema.WELL].values.tolist(),
            issue_times=issue_times,
            frequency=frequency,
        )
        networks = projected.sizes[schema.MEMBER]
        members = {
            schema.FORCING_MEMBER: (schema.MEMBER, np.repeat(np.arange(weathers), networks)),
            schema.NETWORK: (schema.MEMBER, np.tile(np.arange(networks), weathers)),
        }
        return forecast.assign_coords(members), of_level

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the fitted state without that of the parts, for :meth:`from_state`.

        The parts are stored by :func:`gwforecast.models.bundle.describe`.

        Returns
        -------
        dict
            ``name`` and ``wells``, plain JSON.
        dict of str to numpy.ndarray
            Arrays of the error model (``error.*``), ``since``, ``known`` and, unless equal,
            ``weights``.
        """
        arrays = with_prefix("error", self.error_model_.to_arrays())
        arrays["since"] = self.since_.astype(schema.TIME_DTYPE)
        arrays["known"] = self.known_
        if self.weights_ is not None:
            arrays["weights"] = self.weights_
        return {"name": self.name, "wells": list(self.wells_)}, arrays

    @classmethod
    def from_state(
        cls,
        description: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        *,
        parts: Sequence[Forecaster] = (),
    ) -> Self:
        """Return the forecaster whose state :meth:`to_state` returned.

        Parameters
        ----------
        description, arrays
            As returned by :meth:`to_state`.
        parts : sequence of Forecaster
            The restored parts, in order.

        Returns
        -------
        Corrected
            It simulates and forecasts as the original does.

        Raises
        ------
        KeyError, TypeError, ValueError
            If an entry is missing, or has another type or shape.
        """
        restored = cls(parts, name=read_text(description["name"]))
        restored.wells_ = [read_text(well) for well in description["wells"]]
        restored.error_model_ = ErrorModel.from_arrays(without_prefix("error", arrays))
        restored.since_ = arrays["since"].astype(schema.TIME_DTYPE)
        restored.known_ = arrays["known"].astype(float)
        wells = len(restored.wells_)
        if restored.error_model_.wells_ != restored.wells_:
            raise ValueError("the error model was fitted on other wells")
        if restored.since_.shape != (wells,) or restored.known_.shape != (wells, 2 * STATES):
            raise ValueError(
                f"since and known must have shapes {(wells,)} and {(wells, 2 * STATES)}, not "
                f"{restored.since_.shape} and {restored.known_.shape}"
            )
        if "weights" in arrays:
            restored.weights_ = read_weights(arrays["weights"], (len(restored.parts), wells))
        if np.isinf(restored.known_).any():
            raise ValueError("the state of the error model must not be infinite")
        return restored

    def _recent(self, observations: xr.Dataset, issue_times: np.ndarray) -> tuple[xr.Dataset, int]:
        """Return the rows from which errors are used, after those they depend on, and the first."""
        since = self.since_[self._rows(observations)]
        if np.isnat(since).any():
            return observations, 0
        times = observations[schema.TIME].values
        first = int(np.searchsorted(times, min(since.min(), timeline.to_times(issue_times)[0])))
        start = max(0, first - self.memory(timeline.infer_frequency(times)))
        return observations.isel({schema.TIME: slice(start, None)}), first - start

    def _states(
        self, observations: xr.Dataset, history: xr.DataArray, *, at: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the state of the error model at some steps, shape (well, time[, member], 24)."""
        rows = self._rows(observations)
        return self.error_model_.filter(
            history,
            observations[schema.LEVEL].transpose(schema.WELL, schema.TIME),
            since=self.since_[rows],
            start=self.known_[rows],
            at=at,
        )

    def _central(self, observations: xr.Dataset) -> xr.DataArray:
        level = self.simulate(observations)[schema.LEVEL]
        return level.median(schema.MEMBER)


def _ends(split: Split, wells: Sequence[str], through: Period) -> np.ndarray:
    return timeline.to_times(split.end_through(through).sel({schema.WELL: list(wells)}).values)


def as_forecasting(forecaster: Forecaster) -> Forecaster:
    """Return a forecaster that forecasts: itself, or its simulation corrected by recent errors."""
    forecasts = type(forecaster).forecast is not Forecaster.forecast
    return forecaster if forecasts else Corrected([forecaster])
