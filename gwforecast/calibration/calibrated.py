"""A forecaster with intervals from its own hindcasts, within the bounds that its record shows.

A bound is a level that a record reaches again and again but never passes: a dry well, a drain, a
canal.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.forecaster import Corrected
from gwforecast.calibration.intervals import ForecastInterval
from gwforecast.display import Displayed
from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.forcings.scenario import forcing_from_state, forcing_to_state
from gwforecast.models.base import Forecaster
from gwforecast.models.bundle import describe, write_bundle
from gwforecast.models.state import with_prefix, without_prefix
from gwforecast.progress import ProgressOption
from gwforecast.sequences.origins import (
    last_observations,
    mask_to_period,
    observed_at,
    spread_issue_times,
)
from gwforecast.sequences.split import Split

__all__ = ["Calibrated", "bounds_of_record", "within_bounds"]


CALIBRATION_ORIGINS = 300  # largest number of issue times of a well in the validation period
CALIBRATION_ORIGINS_OF_ENSEMBLES = 60  # the same for forcings with many versions of the weather


@dataclass(eq=False, repr=False)
class Calibrated(Displayed):
    """A forecaster with prediction intervals from its hindcasts of the validation period.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted on the train period, with a method ``forecast``.
    horizon : int
        Number of lead times for which intervals are estimated; longer ones use the last widths.
    forcing : Forcing
        Weather after the issue times, of hindcasts and forecasts.

    Attributes
    ----------
    interval_ : ForecastInterval
        The intervals.
    trained_through_ : xarray.DataArray
        Last step used to fit the forecaster, dims (well,), ``datetime64``.
    hindcasts_ : list of xarray.Dataset
        Hindcasts from which the intervals were estimated, with these intervals: ``level`` (well,
        issue_time, lead_time, quantile), m, NaN outside the validation period; one Dataset for the
        wells with the same issue times. Empty after a refit.
    """

    forecaster: Forecaster
    horizon: int = field(kw_only=True)
    forcing: Forcing = field(kw_only=True)

    interval_: ForecastInterval = field(init=False, repr=False)
    trained_through_: xr.DataArray = field(init=False, repr=False)
    hindcasts_: list[xr.Dataset] = field(init=False, repr=False, default_factory=list)

    @property
    def name(self) -> str:
        """Name of the forecaster."""
        return self.forecaster.name

    def title(self) -> str:
        """Return forecaster, horizon and weather in one line."""
        return (
            f"{type(self).__name__} {self.forecaster}, {self.horizon} lead times, weather after "
            f"the issue time: {self.forcing.label}"
        )

    def summary(self) -> pd.DataFrame:
        """Return the last step that the forecaster was fitted on at each well.

        Returns
        -------
        pandas.DataFrame
            Column ``trained through``, a row for each well; empty before the calibration.
        """
        ends = getattr(self, "trained_through_", xr.DataArray([], dims=schema.WELL))
        shown = ends.to_series().map(timeline.format_time)
        return shown.rename("trained through").to_frame()

    def trained_through(self, well: str) -> np.datetime64:
        """Return the last step used to fit the forecaster at a well.

        Parameters
        ----------
        well : str
            A fitted well.

        Returns
        -------
        numpy.datetime64
            The step.

        Raises
        ------
        KeyError
            If the well was not fitted.
        """
        position = self.trained_through_.indexes[schema.WELL].get_loc(well)
        return np.datetime64(timeline.to_times(self.trained_through_.values[[position]])[0])

    def trained_through_by_well(self) -> dict[str, np.datetime64]:
        """Return the last step used to fit the forecaster at each well.

        Returns
        -------
        dict of str to numpy.datetime64
            A step for each fitted well.
        """
        ends = timeline.to_times(self.trained_through_.values)
        wells = self.trained_through_[schema.WELL].values
        return {str(well): np.datetime64(end) for well, end in zip(wells, ends, strict=True)}

    def calibrate(self, observations: xr.Dataset, *, split: Split) -> Self:
        """Estimate the intervals from hindcasts of the validation period.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        split : Split
            The periods of the fit.

        Returns
        -------
        Calibrated
            Itself, with ``interval_`` and ``hindcasts_``.
        """
        single = isinstance(self.forcing, ObservedWeather)
        most = CALIBRATION_ORIGINS if single else CALIBRATION_ORIGINS_OF_ENSEMBLES
        parts = []
        self.hindcasts_ = []
        for wells, issued in spread_issue_times(
            observations, split, period="validation", most=most
        ):
            chosen = observations.sel({schema.WELL: wells})
            levels = split.levels(chosen, "validation")
            if isinstance(self.forecaster, Corrected):
                self.forecaster, past = self.forecaster.weighed(
                    chosen, levels, issue_times=issued, horizon=self.horizon, forcing=self.forcing
                )
            else:
                past = self.forecaster.forecast(
                    chosen, issue_times=issued, horizon=self.horizon, forcing=self.forcing
                )
            past = mask_to_period(schema.validate_forecast(past), split, period="validation")
            parts.append(ForecastInterval().fit(past, observed_at(levels, past)))
            self.hindcasts_.append(parts[-1].apply(past))  # members would need too much memory
        self.interval_ = ForecastInterval.together(parts)
        self.trained_through_ = split.end_through("train")
        return self

    def refit(
        self, observations: xr.Dataset, *, split: Split, progress: ProgressOption = None
    ) -> Self:
        """Return a copy whose forecaster is refitted through the validation period.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        split : Split
            The periods of the fit.
        progress : Progress or bool, optional
            Progress callback, called after each well or member; True shows bars.

        Returns
        -------
        Calibrated
            With the same intervals, and without hindcasts.
        """
        refitted = self.forecaster.refit(
            observations, split=split, through="validation", progress=progress
        )
        return self._with(refitted, split)

    def update(
        self, observations: xr.Dataset, *, split: Split, progress: ProgressOption = None
    ) -> Self:
        """Return a copy whose forecaster is trained further through the validation period.

        Parameters
        ----------
        observations, split, progress
            As for :meth:`refit`.

        Returns
        -------
        Calibrated
            With the same intervals, and without hindcasts.
        """
        updated = self.forecaster.update(
            observations, split=split, through="validation", progress=progress
        )
        return self._with(updated, split)

    def _with(self, forecaster: Forecaster, split: Split) -> Self:
        again = copy.copy(self)
        again.forecaster = forecaster
        again.trained_through_ = split.end_through("validation")
        again.hindcasts_ = []
        return again

    def forecast(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int | None = None,
        forcing: Forcing | None = None,
        members: bool = False,
        shift: np.ndarray | None = None,
    ) -> xr.Dataset:
        """Return forecasts for some issue times, and the last observation each of them used.

        As in a backtest, the quantiles of each issue time follow the outcomes of the earlier ones,
        from the end of the fit on. Levels keep within the bounds that the record up to the end of
        the fit shows, see :mod:`gwforecast.calibration.calibrated`.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        issue_times : numpy.ndarray
            Shape (issue_time,), steps of the time axis.
        horizon : int, optional
            Number of lead times; by default that of the calibration.
        forcing : Forcing, optional
            Weather after the issue times; by default that of the calibration.
        members : bool
            Return the members (networks under each version of the weather) instead of quantiles.
        shift : numpy.ndarray, optional
            Shape (well, lead_time, quantile): shifts of the quantiles of a single issue time, which
            follow the outcomes of forecasts that were issued before.

        Returns
        -------
        xarray.Dataset
            ``level`` (well, issue_time, lead_time, quantile | member), m; ``last_observation``
            (well, issue_time), the time of the last level that was used, NaT where none was; the
            attribute ``forcing``.
        """
        forcing = forcing or self.forcing
        issued = self.forecaster.forecast(
            observations,
            issue_times=issue_times,
            horizon=horizon or self.horizon,
            forcing=forcing,
        )
        schema.validate_forecast(issued)
        found = issued if members else self._quantiles(issued, observations, shift)
        found = found.assign({schema.LEVEL: self._within_bounds(found[schema.LEVEL], observations)})
        last = last_observations(observations, found[schema.ISSUE_TIME].values)
        return found.assign(last_observation=last).assign_attrs(
            **forcing.attributes, model=self.name
        )

    def _within_bounds(self, level: xr.DataArray, observations: xr.Dataset) -> xr.DataArray:
        """Return levels within the bounds that the levels up to the end of the fit show."""
        wells = {schema.WELL: level[schema.WELL].values}
        known = observations[schema.LEVEL].sel(wells).transpose(schema.WELL, schema.TIME)
        through = self.trained_through_.sel(wells).values[:, None]
        seen = np.where(known[schema.TIME].values <= through, known.values, np.nan)
        return within_bounds(level, bounds_of_record(known.copy(deep=False, data=seen)))

    def _quantiles(
        self, issued: xr.Dataset, observations: xr.Dataset, shift: np.ndarray | None
    ) -> xr.Dataset:
        """Return quantiles that follow outcomes which the forecaster was not fitted on."""
        if issued.sizes[schema.ISSUE_TIME] == 1:
            return self.interval_.apply(issued, shift=shift)
        through = self.trained_through_.sel({schema.WELL: issued[schema.WELL].values})
        outcome = observed_at(observations[schema.LEVEL], issued)
        fair = outcome[schema.ISSUE_TIME] >= through.drop_vars(schema.WELL)
        return self.interval_.apply(issued, observed=outcome.where(fair), shift=shift)

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the state without that of the forecaster, for :meth:`from_state`.

        Weather forecasts are stored as climatology: that of a later issue time is a new one.

        Returns
        -------
        dict
            ``name``, ``horizon``, ``forcing`` and, of a scenario, ``scenario``; plain JSON.
        dict of str to numpy.ndarray
            Arrays of the intervals (``interval.*``), ``trained.wells`` and ``trained.through``.
        """
        description = {
            "name": self.name, "horizon": self.horizon, **forcing_to_state(self.forcing),
        }  # fmt: skip
        arrays = with_prefix("interval", self.interval_.to_arrays())
        through = self.trained_through_
        arrays["trained.wells"] = np.array([str(w) for w in through[schema.WELL].values], dtype=str)
        arrays["trained.through"] = through.values.astype(schema.TIME_DTYPE)
        return description, arrays

    def whole_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the state with that of the forecaster, as it is stored.

        Returns
        -------
        dict
            As of :meth:`to_state`, and ``forecaster``, its description.
        dict of str to numpy.ndarray
            Arrays of both.
        """
        description, arrays = self.to_state()
        part, below = describe(self.forecaster)
        return description | {"forecaster": part}, below | arrays

    def save(self, path: Path | str, *, observations: xr.Dataset | None = None) -> Path:
        """Save to a folder, from which ``gwforecast.load`` reads it.

        Parameters
        ----------
        path, observations
            As of :meth:`gwforecast.models.base.Forecaster.save`.

        Returns
        -------
        pathlib.Path
            The folder.
        """
        write_bundle(path, self.whole_state(), observations=observations)
        return Path(path)

    @classmethod
    def from_state(
        cls,
        description: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        *,
        forecaster: Forecaster,
    ) -> Self:
        """Return the calibrated forecaster whose state :meth:`to_state` returned.

        Parameters
        ----------
        description, arrays
            As returned by :meth:`to_state`.
        forecaster : Forecaster
            The restored forecaster.

        Returns
        -------
        Calibrated
            It forecasts as the original does.

        Raises
        ------
        KeyError, TypeError, ValueError
            If an entry is missing, or has another type or shape.
        """
        forcing, horizon = forcing_from_state(description), description["horizon"]
        if type(horizon) is not int or horizon < 1:
            raise TypeError(f"the horizon must be a whole number of at least 1, not {horizon!r}")
        restored = cls(forecaster, horizon=horizon, forcing=forcing)
        restored.interval_ = ForecastInterval.from_arrays(without_prefix("interval", arrays))
        wells = {schema.WELL: arrays["trained.wells"].astype(object)}
        through = arrays["trained.through"].astype(schema.TIME_DTYPE)
        restored.trained_through_ = xr.DataArray(through, wells, (schema.WELL,))
        return restored


SAME = 1e-3  # standard deviations of the levels within which levels count as the same
SHARE = 0.02  # of the levels that are at a bound, at least
YEARS = 2  # calendar years in which the bound is reached, at least
TIMES_NEXT = 3  # levels at a bound for each level at the next one, at least
LONGEST_SHARE = 0.9  # of the levels; a level that hardly ever changes has no bounds


def bounds_of_record(levels: xr.DataArray) -> xr.Dataset:
    """Return the bounds that levels (well, time), m, show: ``lower`` and ``upper``, (well,), m.

    The lowest level is a bound if it was observed in two or more years, makes up at least 2 % of
    the levels, and was observed at least three times as often as the next one, as levels that are
    rounded or that turn with the season are not. The highest level likewise. Where there is no
    bound it is infinite. 59 weekly wells in Germany, 14 daily ones in Switzerland and two of the
    groundwater modelling challenge show one bound in all, that of a well which falls dry.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-03", periods=520, freq="7D")
    >>> wave = np.sin(2 * np.pi * np.arange(time.size) / 52.18)
    >>> both = np.stack([wave, np.maximum(wave, -0.5)])
    >>> record = xr.DataArray(both, {"well": ["free", "dry"], "time": time}, ("well", "time"))
    >>> bounds_of_record(record)["lower"].values
    array([-inf, -0.5])
    """
    by_well = levels.transpose(schema.WELL, schema.TIME)
    years = timeline.to_times(by_well[schema.TIME].values).astype("datetime64[Y]").astype(int)
    found = np.array([_bounds(own, years) for own in by_well.values]).reshape(-1, 2)
    wells = {schema.WELL: by_well[schema.WELL].values}
    return xr.Dataset(
        {"lower": (schema.WELL, found[:, 0]), "upper": (schema.WELL, found[:, 1])}, wells
    )


def within_bounds(levels: xr.DataArray, bounds: xr.Dataset) -> xr.DataArray:
    """Return predicted levels, or quantiles of them, moved to the bounds of their wells.

    Levels are (well, ...), m, and bounds as of :func:`bounds_of_record`, of the same wells or more.
    """
    own = bounds.sel({schema.WELL: levels[schema.WELL].values})
    shape = [-1 if dim == schema.WELL else 1 for dim in levels.dims]
    low, high = (own[side].values.reshape(shape) for side in ("lower", "upper"))
    return levels.copy(deep=False, data=np.clip(levels.values, low, high))


def _bounds(levels: np.ndarray, years: np.ndarray) -> tuple[float, float]:
    known = np.isfinite(levels)
    if not known.any():
        return -np.inf, np.inf
    own, years = levels[known], years[known]
    lower, upper = own.min(), own.max()
    return (
        float(lower) if _is_bound(own - lower, years) else -np.inf,
        float(upper) if _is_bound(upper - own, years) else np.inf,
    )


def _is_bound(above: np.ndarray, years: np.ndarray) -> bool:
    """Return whether 0 is a bound of levels that are given by their distance from it."""
    near = SAME * above.std()
    there = above <= near
    if not SHARE <= there.mean() <= LONGEST_SHARE or np.unique(years[there]).size < YEARS:
        return False
    following = above[~there].min()
    return bool(there.sum() >= TIMES_NEXT * (abs(above - following) <= near).sum())
