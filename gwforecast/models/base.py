"""The contract of every forecaster, neural, statistical or naive.

A forecaster is a keyword-only dataclass whose fields are its settings. It is fitted by
:meth:`Forecaster.fit`, which keeps the result in attributes that end in an underscore and returns
the forecaster itself. It never plots, reads files, or computes scores; :meth:`Forecaster.save`
writes it to a folder, from which ``gwforecast.load`` reads it.

``docs/howto/own_model.md`` has a whole forecaster as an example. One that is fitted well by well is
shorter, see :mod:`gwforecast.models.per_well`.
"""

from __future__ import annotations

import abc
import contextlib
import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.display import Displayed
from gwforecast.forcings import base as weather
from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.models.bundle import describe, write_bundle
from gwforecast.models.state import check_settings, fitted_wells, setting, settings_table
from gwforecast.progress import ProgressOption, taking_progress
from gwforecast.schema import SchemaError
from gwforecast.sequences.origins import gather_forecast, label_projection
from gwforecast.sequences.split import FOLDS, Period, Split, train_folds

__all__ = ["Forecaster", "HeldOut", "NeedOfWeather", "check_settings", "setting", "with_members"]


def with_members(level: xr.DataArray) -> xr.DataArray:
    """Return levels with the dimension member, of size 1 where there was none."""
    return level if schema.MEMBER in level.dims else level.expand_dims({schema.MEMBER: [0]}, -1)


class HeldOut(NamedTuple):
    """A forecaster and the rows it was not fitted on, boolean, dims (well, time)."""

    rows: xr.DataArray
    forecaster: Forecaster


NeedOfWeather = Literal["always", "simulation", "never"]

_NOT_STORABLE = (
    "A forecaster is stored by its methods to_state and from_state. Received {!r}, whose class has "
    "none. Write both, or keep this forecaster in the script that fits it."
)


class Forecaster(Displayed, abc.ABC):
    """The base class of all forecasters.

    Attributes
    ----------
    name : str
        Short name for tables, figures and files.
    neural : bool
        Whether it is a neural network.
    blended : bool
        Whether an evaluation with two or more such models also gives their weighted mean.
    pooled : bool
        Whether one fit serves all wells, which must then be fitted together.
    needs_weather : {"always", "simulation", "never"}
        Whether its levels come from the weather, so that without covariates it only repeats the
        season: always, in a simulation only, or never.
    quick : bool
        Whether a fit takes so little time that it can be repeated with some years left out.
    storable : bool
        Whether a fitted forecaster of this class can be stored: true of each class that defines
        :meth:`to_state`.
    kind : str
        Name under which a class of this package is stored; by default its name in the catalogue.
    parts : sequence of Forecaster
        Forecasters that it is built from.
    """

    name: str
    neural: ClassVar[bool] = False
    blended: ClassVar[bool] = False
    pooled: ClassVar[bool] = False
    needs_weather: ClassVar[NeedOfWeather] = "never"
    quick: bool = False
    storable: ClassVar[bool] = False
    kind: ClassVar[str] = ""
    parts: Sequence[Forecaster] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.storable = cls.to_state is not Forecaster.to_state
        for name in {"fit", "refit", "update"} & set(cls.__dict__):
            setattr(cls, name, taking_progress(cls.__dict__[name]))
        if "__repr__" not in cls.__dict__:  # or a dataclass would have its own
            cls.__repr__ = Forecaster.__repr__  # type: ignore[method-assign]

    def title(self) -> str:
        """Return class, name and whether it is fitted, in one line."""
        return f"{type(self).__name__} {self.name!r}, {fitted_wells(self)}"

    def summary(self) -> pd.DataFrame:
        """Return the settings with their defaults.

        Returns
        -------
        pandas.DataFrame
            A row for each setting, by name, with columns value and default.
        """
        return settings_table(self)

    def __repr__(self) -> str:
        usual = getattr(type(self), "name", "")  # default of the field
        given = [] if self.name == usual or self.parts else [f"name={self.name!r}"]
        given += [f"parts={list(self.parts)}"] if self.parts else []
        settings = settings_table(self).itertuples()
        given += [f"{name}={value!r}" for name, value, by in settings if str(value) != str(by)]
        return f"{type(self).__name__}({', '.join(given)}), {fitted_wells(self)}"

    @abc.abstractmethod
    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: ProgressOption = None
    ) -> Self:
        """Fit on the train rows and return itself; the validation rows decide what is chosen.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time); rows after the validation period are not used.
        split : Split
            The periods of each well.
        progress : Progress or bool, optional
            Progress callback, called after each well or member; True shows bars.

        Returns
        -------
        Forecaster
            Itself; what was learnt is in attributes that end in an underscore.

        Raises
        ------
        SchemaError
            If a covariate that it needs is missing or has gaps, the frequency does not suit it, or
            no well has enough levels. A single well that cannot be fitted is a warning, and its
            levels are NaN later.
        """

    @abc.abstractmethod
    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: ProgressOption = None,
    ) -> Self:
        """Return a new forecaster, fitted on all rows through the end of a period.

        What :meth:`fit` chose (number of updates, orders, lookbacks) is kept.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), the covariates of the fit.
        split : Split
            The periods of each well.
        through : {"train", "validation", "test"}
            Last period whose rows are used.
        progress : Progress or bool, optional
            Progress callback, called after each well or member; True shows bars.

        Returns
        -------
        Forecaster
            Another forecaster of the same class; this one is not changed.
        """

    def update(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: ProgressOption = None,
    ) -> Self:
        """Return a new forecaster that also uses new rows, continuing from this one if it can.

        By default it is a refit, which is fast for all forecasters except networks.

        Parameters
        ----------
        observations, split, through, progress
            As for :meth:`refit`; the observations have the rows of the fit and those after it.

        Returns
        -------
        Forecaster
            Another forecaster of the same class; this one is not changed.
        """
        return self.refit(observations, split=split, through=through, progress=progress)

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the fitted forecaster as plain JSON values and arrays by name.

        Returns
        -------
        dict
            Description: text, numbers, booleans, None, and lists and dicts of these.
        dict of str to numpy.ndarray
            Arrays of numbers, times or text.

        Raises
        ------
        NotImplementedError
            If forecasters of this class cannot be stored, see :attr:`storable`.
        """
        raise NotImplementedError(_NOT_STORABLE.format(self.name))

    @classmethod
    def from_state(cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the fitted forecaster that :meth:`to_state` described.

        Parameters
        ----------
        description, arrays
            As returned by :meth:`to_state`.

        Returns
        -------
        Forecaster
            It simulates and forecasts as the original does, to the last bit.

        Raises
        ------
        KeyError, TypeError, ValueError
            If an entry is missing, has another type or shape, or is not finite.
        """
        raise NotImplementedError(_NOT_STORABLE.format(cls.__name__))

    def save(self, path: Path | str, *, observations: xr.Dataset | None = None) -> Path:
        """Save the fitted forecaster to a folder, from which ``gwforecast.load`` reads it.

        The folder holds a manifest (JSON), the arrays and their checksums, and nothing that can be
        executed, as scheduled forecasts store their models. Files of an earlier model are replaced.

        Parameters
        ----------
        path : pathlib.Path or str
            The folder.
        observations : xarray.Dataset, optional
            Data of the fit; names and units of their covariates, frequency and datum are stored.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        NotImplementedError
            If forecasters of this class cannot be stored, see :attr:`storable`.
        ValueError
            If it is not fitted.
        """
        write_bundle(path, describe(self), observations=observations)
        return Path(path)

    def held_out(self, observations: xr.Dataset, split: Split) -> list[HeldOut]:
        """Return rows that were not fitted, each with a forecaster that simulates them.

        Prediction intervals are estimated from the errors on these rows: the validation period,
        and for a quick forecaster also the folds of the train period, each predicted by a fit
        without it.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), as fitted; no level after the validation period is used.
        split : Split
            The periods of the fit.

        Returns
        -------
        list of HeldOut
            ``rows``, boolean (well, time), and the ``forecaster`` that was not fitted on them.
        """
        parts = [HeldOut(split.rows(observations, "validation"), self)]
        return parts + (_held_out_by_fits(self, observations, split) if self.quick else [])

    def fit_without(self, observations: xr.Dataset, split: Split) -> Self:
        """Return a fit to observations of which a part of the levels is left out.

        By default all choices are made again.

        Parameters
        ----------
        observations, split
            As for :meth:`held_out`; the levels that are left out are NaN.

        Returns
        -------
        Forecaster
            Another forecaster of the same class; this one is not changed.
        """
        return copy.copy(self).fit(observations, split=split)

    @classmethod
    def unsuited(cls, observations: xr.Dataset) -> str:  # noqa: ARG003
        """Return why data do not suit the model, so that it is no default for them.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).

        Returns
        -------
        str
            The reason in words; ``""`` where the model suits.
        """
        return ""

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step for which covariates exist; no level is used.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), with the covariates and at the frequency of the fit, for any of
            the fitted wells. The time axis may extend beyond that of the fit on both sides.

        Returns
        -------
        xarray.Dataset
            ``level`` (well, time) or (well, time, member), m above the datum of the levels that
            were fitted; NaN where there is no prediction: wells that could not be fitted, and
            mostly steps with a gap in the weather.

        Raises
        ------
        NotImplementedError
            If the forecaster only works from recent levels.
        SchemaError
            If a well was not fitted, a covariate is missing, or the frequency is another.
        """
        raise NotImplementedError(
            f"A simulation needs a forecaster that works from covariates alone. Received "
            f"{self.name!r}, which needs recent levels. Use its method forecast."
        )

    def simulate_from(self, observations: xr.Dataset, first: int) -> xr.Dataset:  # noqa: ARG002
        """Return the simulation from a position of the time axis on; earlier steps may be NaN.

        By default all steps are simulated; a subclass may save time by starting later.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), all of them, as the weather before the position is used.
        first : int
            Position on the time axis of the first step that is needed.

        Returns
        -------
        xarray.Dataset
            As of :meth:`simulate`.
        """
        return self.simulate(observations)

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather a level may depend on; by default four years.

        Parameters
        ----------
        frequency : str
            Frequency of the time axis, e.g. ``"D"``, ``"W-MON"`` or ``"MS"``.

        Returns
        -------
        int
            Number of steps.
        """
        return round(4 * timeline.steps_per_year(frequency))

    def project(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
        continued: weather.Continued | None = None,
    ) -> xr.DataArray:
        """Return the simulated levels of the steps after each issue time; no level is used.

        Parameters
        ----------
        observations, issue_times, horizon, forcing
            As for :meth:`forecast`.
        continued : callable, optional
            Result of :func:`gwforecast.forcings.base.continuation` for these arguments, which
            forecasters that use the same weather share.

        Returns
        -------
        xarray.DataArray
            Dimensions (well, issue_time, lead_time, forcing_member, member), m: one forcing member
            for observed weather, and one member for a forecaster without members. Forcing members
            are numbered if they differ between issue times.

        Raises
        ------
        SchemaError
            If an issue time is not on the time axis, or the weather ends before the horizon.
        """
        if isinstance(forcing, ObservedWeather):
            level = with_members(self.simulate(observations)[schema.LEVEL])
            gathered = gather_forecast(level, issue_times=issue_times, horizon=horizon)
            return gathered[schema.LEVEL].expand_dims({schema.FORCING_MEMBER: ["observed"]}, axis=3)
        history = self.history(timeline.infer_frequency(observations[schema.TIME].values))
        states = self.states_at(observations, issue_times)
        continued = continued or weather.continuation(
            observations, horizon=horizon, forcing=forcing
        )
        covariates = tuple(self.covariates_of(observations))
        parts = [
            self.continue_from(state, continued(issue_time, covariates, history), horizon)
            for issue_time, state in zip(timeline.to_times(issue_times), states, strict=True)
        ]
        return label_projection(parts, observations, issue_times=issue_times)

    def history(self, frequency: str) -> int:
        """Return how many steps of weather before an issue time a projection needs.

        Parameters
        ----------
        frequency : str
            Frequency of the time axis, as for :meth:`memory`.

        Returns
        -------
        int
            Number of steps, by default the memory.
        """
        return self.memory(frequency)

    def states_at(self, observations: xr.Dataset, issue_times: np.ndarray) -> Sequence[Any]:  # noqa: ARG002
        """Return what a projection continues from at each issue time; by default nothing.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        issue_times : numpy.ndarray
            Shape (issue_time,), steps of the time axis.

        Returns
        -------
        sequence
            A state for each issue time, as :meth:`continue_from` takes it.
        """
        return [None] * len(issue_times)

    def continue_from(self, state: Any, continued: xr.Dataset, horizon: int) -> np.ndarray:  # noqa: ARG002
        """Return the levels of the last steps, those after an issue time.

        Parameters
        ----------
        state
            What :meth:`states_at` returned for the issue time.
        continued : xarray.Dataset
            Covariates (well, forcing_member, time), from :meth:`history` steps before the issue
            time to ``horizon`` steps after it.
        horizon : int
            Number of steps after the issue time.

        Returns
        -------
        numpy.ndarray
            Shape (well, lead_time, forcing_member, member), m.
        """
        return np.asarray(self.simulate_versions(continued).values[:, -horizon:])

    def covariates_of(self, observations: xr.Dataset) -> list[str]:
        """Return the names of the covariates that are used; by default all.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).

        Returns
        -------
        list of str
            Names of variables of the observations, without those that are derived from them.
        """
        return schema.covariate_names(observations)

    def covariates_to_fit(self, observations: xr.Dataset) -> list[str]:
        """Return the names of the covariates that a fit would use; by default all.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).

        Returns
        -------
        list of str
            Names of variables of the observations; the gaps of these matter to a fit.

        Raises
        ------
        SchemaError
            If the observations lack a covariate that it needs.
        """
        return self.covariates_of(observations)

    def simulate_versions(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the levels under each of several versions of the weather.

        Parameters
        ----------
        observations : xarray.Dataset
            ``level`` (well, time) and covariates (well, forcing_member, time).

        Returns
        -------
        xarray.DataArray
            Dimensions (well, time, forcing_member, member), m.
        """
        versions = [
            with_members(self.simulate(observations.isel({schema.FORCING_MEMBER: i}))[schema.LEVEL])
            for i in range(observations.sizes[schema.FORCING_MEMBER])
        ]
        return xr.concat(versions, observations[schema.FORCING_MEMBER]).transpose(
            schema.WELL, schema.TIME, schema.FORCING_MEMBER, schema.MEMBER
        )

    def forecast(
        self, observations: xr.Dataset, *, issue_times: np.ndarray, horizon: int, forcing: Forcing
    ) -> xr.Dataset:
        """Return the levels of the steps after each issue time, from what was known then.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time). For each forecast, levels after its issue time are not used;
            covariates after it are used only as the forcing allows.
        issue_times : numpy.ndarray
            Shape (issue_time,), steps of the time axis.
        horizon : int
            Number of steps to forecast: lead times 1 to horizon.
        forcing : Forcing
            Where the covariates after the issue time come from, if any are used.

        Returns
        -------
        xarray.Dataset
            ``level`` (well, issue_time, lead_time[, member]), m; NaN where there is no forecast,
            e.g. before the first observed level.

        Raises
        ------
        NotImplementedError
            If the forecaster simulates only; wrap it as ``gwforecast.Corrected([forecaster])``.
        SchemaError
            If an issue time is not on the time axis, or the weather ends before the horizon.
        """
        raise NotImplementedError(
            f"A forecast needs a forecaster that uses recent levels. Received {self.name!r}, which "
            "simulates from covariates alone. Wrap it: gwforecast.Corrected([forecaster])."
        )


def _held_out_by_fits(
    forecaster: Forecaster, observations: xr.Dataset, split: Split
) -> list[HeldOut]:
    """Return the rows of each fold of the train period, with a fit without its levels.

    A fold is left out if nothing can be fitted without it.
    """
    fold = train_folds(observations, split)
    parts = []
    for number in range(FOLDS):
        level = observations[schema.LEVEL].where(fold != number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the fit to all levels has warned already
            with contextlib.suppress(SchemaError):
                one = forecaster.fit_without(observations.assign(level=level), split)
                parts.append(HeldOut(fold == number, one))
    return parts
