"""What every forecaster of trained networks does without a machine learning library.

The way down is here: labelled observations are scaled and turned into arrays. The way up is here
too: outputs become levels with labels, in metres, one for each member. The forward pass between
them is NumPy, so that a scheduled forecast does not wait for TensorFlow.

A simulation is made of tiles of ``targets_`` steps, each behind a warm-up of ``lookback_`` steps of
its own, as in training. Tiles start at fixed dates, not at the start of the data, so that the same
step has the same level however much of the record is given.

How much each member of an ensemble is trusted, where members start in several ways.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.covariates import derive_features, require_covariates
from gwforecast.forcings import base as weather
from gwforecast.forcings.base import Forcing, ObservedWeather
from gwforecast.models.base import Forecaster, label_projection
from gwforecast.networks.architecture import Architecture
from gwforecast.networks.inference import run_networks
from gwforecast.sequences.lags import lag_edges, lagged_means
from gwforecast.sequences.scale import Scaler
from gwforecast.sequences.windows import tile_starts

__all__ = ["NetworkForecaster", "centre_by_trust", "learn_trust", "share_of", "trust_at"]


LEAST_LOSS = 1e-6  # of scaled levels, which keeps the trust in a perfect fit finite


def learn_trust(losses: np.ndarray, starts: np.ndarray) -> np.ndarray | None:
    """Return the trust in each member, from losses of levels that it was not fitted on.

    Members that start alike share one weight: that of the inverse square of their mean loss
    (Bates and Granger 1969, doi:10.1057/jors.1969.103).

    Parameters
    ----------
    losses : numpy.ndarray
        Shape (well, member); NaN where a network has none.
    starts : numpy.ndarray
        Shape (member,), which of the ways each starts in.

    Returns
    -------
    numpy.ndarray or None
        Shape (well, member), sums 1; None where all start alike.

    Examples
    --------
    >>> learn_trust(np.array([[0.1, 0.2, 0.1]]), np.array([0, 1, 0]))
    array([[0.4, 0.2, 0.4]])
    """
    ways = np.unique(starts)
    if ways.size == 1:
        return None
    trust = np.empty(losses.shape)
    for way in ways:
        alike = starts == way
        loss = np.maximum(losses[:, alike].mean(axis=1, keepdims=True), LEAST_LOSS)
        trust[:, alike] = np.nan_to_num(loss**-2.0) / alike.sum()
    return share_of(trust)


def share_of(trust: np.ndarray) -> np.ndarray:
    """Return trust (well, member) as shares of 1, equal ones where no member has any."""
    trust = np.where((trust == 0).all(axis=1, keepdims=True), 1.0, trust)
    return np.asarray(trust / trust.sum(axis=1, keepdims=True))


def trust_at(
    wells: Sequence[str], trust: np.ndarray | None, *, fitted: Sequence[str]
) -> np.ndarray | None:
    """Return the rows of some wells of a trust (well, member); members are alike at new wells."""
    if trust is None:
        return None
    alike = np.full(trust.shape[1], 1 / trust.shape[1])
    known = dict(zip(fitted, trust, strict=True))
    return np.stack([known.get(well, alike) for well in wells])


def centre_by_trust(values: np.ndarray, trust: np.ndarray | None) -> np.ndarray:
    """Return members, moved so that their median is the mean weighted by trust.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (well, ..., member).
    trust : numpy.ndarray or None
        Shape (well, member), sums 1; None leaves the members as they are.

    Examples
    --------
    >>> centre_by_trust(np.array([[0.0, 1.0, 4.0]]), np.array([[0.25, 0.25, 0.5]]))
    array([[1.25, 2.25, 5.25]])
    """
    if trust is None:
        return values
    mean = np.einsum("w...m,wm->w...", values, trust)
    return np.asarray(values + (mean - np.median(values, axis=-1))[..., None])


ROWS_AT_ONCE = 640  # networks times sequences, whose states fit a core's cache


class NetworkForecaster(Forecaster):
    """Trained networks, members for each well, driven by covariates alone.

    Attributes
    ----------
    covariates : sequence of str or None
        Covariates that the networks see; None for all.
    features : sequence of str
        Derived covariates.
    architecture_ : Architecture
        Of all the networks.
    lookback_, targets_ : int
        Warm-up of a window, and the target steps behind it.
    lagged : bool
        The inputs are means over lags, each step a window of its own.
    wells_ : list of str
        Wells that were fitted; others are NaN in a simulation.
    scaler_ : Scaler
        Scales of level and covariates, from the fitted rows.
    covariates_of_fit_ : list of str
        Observed covariates that the inputs are made of.
    inputs_ : list of str
        Covariates that the networks see, derived ones included.
    seeds_ : list of int
        Seed of each member.
    weights_ : list of numpy.ndarray
        Weights in the order of the network's variables, each (well, member, ...); (1, member, ...)
        where all wells share the networks.
    shared_ : bool
        All wells share the networks.
    attributes_ : numpy.ndarray or None
        What the networks see of each well beside the inputs, shape (well, attribute), scaled.
    trust_ : numpy.ndarray or None
        Weight of each member in the mean that is the prediction, shape (well, member), sums 1; None
        where the prediction is the median of the members.
    """

    neural = True
    covariates: Sequence[str] | None
    features: Sequence[str]
    lagged: bool = False
    architecture_: Architecture
    lookback_: int
    targets_: int
    wells_: list[str]
    scaler_: Scaler
    covariates_of_fit_: list[str]
    inputs_: list[str]
    seeds_: list[int]
    weights_: list[np.ndarray]
    shared_: bool = False
    attributes_: np.ndarray | None = None
    trust_: np.ndarray | None = None

    @property
    def window(self) -> tuple[int, int]:
        """Warm-up and target steps of a window; lags are in the inputs already."""
        return (0, 1) if self.lagged else (self.lookback_, self.targets_)

    def weights_of(self, well: str) -> list[np.ndarray]:
        """Return the weights of a well's networks, each (member, ...)."""
        position = 0 if self.shared_ else self.wells_.index(well)
        return [weights[position] for weights in self.weights_]

    def of_members(self, chosen: np.ndarray) -> Self:
        """Return a forecaster of some of the members, boolean (member,); their trust stays."""
        again = copy.copy(self)
        again.seeds_ = [seed for seed, kept in zip(self.seeds_, chosen, strict=True) if kept]
        again.weights_ = [weights[:, chosen] for weights in self.weights_]
        if self.trust_ is not None:
            again.trust_ = share_of(self.trust_[:, chosen])
        return again

    def with_attributes(self, windows: np.ndarray, well: str) -> np.ndarray:
        """Return windows (..., input) with the attributes of their well behind the inputs."""
        if self.attributes_ is None:
            return windows
        of_well = self.attributes_[self.wells_.index(well)]
        shape = (*windows.shape[:-1], of_well.size)
        return np.concatenate([windows, np.broadcast_to(of_well, shape)], axis=-1)

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather a level may depend on, a year of snow among them."""
        lookback = self.lookback_ if self.lagged else self.lookback_ + self.targets_
        return lookback + round(timeline.steps_per_year(frequency))

    def covariates_of(self, observations: xr.Dataset) -> list[str]:
        """Return the names of the observed covariates that the networks work from."""
        if self.covariates is not None:
            return list(self.covariates)
        return schema.covariate_names(observations)

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step at which all covariates exist, (well, time, member), m."""
        return self.simulate_from(observations, 0)

    def simulate_from(self, observations: xr.Dataset, first: int) -> xr.Dataset:
        """Return the simulation of the steps from a position on; earlier ones may be NaN."""
        scaled = self.outputs(observations, first=first).isel(output=0, drop=True)
        return self._levels(scaled, observations).to_dataset(name=schema.LEVEL)

    def outputs(self, observations: xr.Dataset, *, first: int = 0) -> xr.DataArray:
        """Return what the networks give, dims (well, time, member, output), scaled.

        NaN where a covariate does not exist, and for wells that were not fitted; steps before the
        position ``first`` may be NaN too.
        """
        wells = self._known(observations)
        inputs, complete = self._inputs(observations.sel({schema.WELL: wells}))
        starts = _from(self._tiles(observations[schema.TIME].values), first)
        values = self._run(inputs[:, None], starts, wells=wells)[:, 0]
        values[~complete] = np.nan
        labelled = xr.DataArray(
            values,
            dims=(schema.WELL, schema.TIME, schema.MEMBER, "output"),
            coords={
                schema.WELL: wells,
                schema.TIME: observations[schema.TIME].values,
                schema.MEMBER: self.seeds_,
            },
        )
        return labelled.reindex({schema.WELL: observations[schema.WELL].values})

    def project(
        self,
        observations: xr.Dataset,
        *,
        issue_times: np.ndarray,
        horizon: int,
        forcing: Forcing,
    ) -> xr.DataArray:
        """Return the simulated levels after issue times; all weathers run through at once."""
        if isinstance(forcing, ObservedWeather):
            return super().project(
                observations, issue_times=issue_times, horizon=horizon, forcing=forcing
            )
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        parts = []
        for issue_time in timeline.to_times(issue_times):
            continued = weather.continue_weather(
                observations,
                issue_time=issue_time,
                horizon=horizon,
                forcing=forcing,
                covariates=self.covariates_of(observations),
                history=self.memory(frequency),
            )
            parts.append(self._versions(continued, horizon=horizon))
        return label_projection(parts, observations, issue_times=issue_times)

    def _versions(self, continued: xr.Dataset, *, horizon: int) -> np.ndarray:
        """Return the last steps, shape (well, lead_time, forcing_member, member), m."""
        wells = self._known(continued)
        kept = continued.sel({schema.WELL: wells})
        names = [str(name) for name in kept.data_vars if schema.FORCING_MEMBER in kept[name].dims]
        n_weathers = kept.sizes[schema.FORCING_MEMBER]
        # the features are derived for each weather as if it were a well
        stacked = kept[names].transpose(schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        flat = {
            name: ((schema.WELL, schema.TIME), v.values.reshape(-1, v.shape[-1]), v.attrs)
            for name, v in stacked.items()
        }
        level = np.full((len(wells) * n_weathers, kept.sizes[schema.TIME]), np.nan)
        flat[schema.LEVEL] = ((schema.WELL, schema.TIME), level, {})
        labels = [f"{well} {number}" for well in wells for number in range(n_weathers)]
        versions = xr.Dataset(flat, {schema.WELL: labels, schema.TIME: kept[schema.TIME]})
        derived = derive_features(versions, self.features)
        inputs = self._scaled(derived, np.repeat(np.array(wells, dtype=object), n_weathers))
        if self.lagged:  # no longer lag is looked at
            inputs = inputs[:, -(horizon + self.lookback_ + 1) :]
        inputs = self._network_inputs(np.nan_to_num(inputs, copy=False, nan=0.0))
        if self.lagged:
            inputs, starts = inputs[:, -horizon:], np.zeros(1, int)
        else:
            starts = self._tiles(kept[schema.TIME].values)
        first = inputs.shape[1] - horizon
        inputs = inputs.reshape(len(wells), n_weathers, *inputs.shape[1:])
        values = self._run(inputs, _from(starts, first), wells=wells, shared=first)
        values = values[:, :, -horizon:, :, 0]
        values = centre_by_trust(values, trust_at(wells, self.trust_, fitted=self.wells_))
        center, scale = self.scaler_.statistics(schema.LEVEL, wells)
        levels = values * scale[:, None, None, None] + center[:, None, None, None]
        labelled = xr.DataArray(
            levels.transpose(0, 2, 1, 3),
            {schema.WELL: wells},
            (schema.WELL, schema.LEAD_TIME, schema.FORCING_MEMBER, schema.MEMBER),
        )
        found: np.ndarray = labelled.reindex({schema.WELL: continued[schema.WELL].values}).values
        return found

    def _levels(self, scaled: xr.DataArray, observations: xr.Dataset) -> xr.DataArray:
        known = scaled.sel({schema.WELL: self._known(observations)})
        trust = trust_at(known[schema.WELL].values.tolist(), self.trust_, fitted=self.wells_)
        known = known.copy(data=centre_by_trust(known.values, trust))
        level = self.scaler_.inverse(known, schema.LEVEL)
        level = level.reindex({schema.WELL: observations[schema.WELL].values})
        level.attrs = {**observations[schema.LEVEL].attrs, "units": schema.LEVEL_UNITS}
        return level

    def _known(self, observations: xr.Dataset) -> list[str]:
        fitted = set(self.wells_)
        return [str(w) for w in observations[schema.WELL].values if w in fitted]

    def _derived(self, observations: xr.Dataset) -> xr.Dataset:
        chosen = self.covariates_of(observations)
        schema.validate_observations(observations, covariates=chosen)
        require_covariates(observations, names=chosen)
        return derive_features(observations[[schema.LEVEL, *chosen]], self.features)

    def _inputs(self, observations: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Return scaled inputs (well, time, input) without NaN, and where all exist (well, time).

        Before the first and after the last value of a covariate its training mean is taken.
        """
        derived = self._derived(observations)
        values = self._scaled(derived, observations[schema.WELL].values)
        complete = np.asarray(np.isfinite(values).all(axis=-1))
        np.nan_to_num(values, copy=False, nan=0.0)
        return self._network_inputs(values), complete

    def _scaled(self, derived: xr.Dataset, wells: np.ndarray) -> np.ndarray:
        """Return the inputs (row, time, input), each row in the scales of the well named for it."""
        values = np.empty((*derived[schema.LEVEL].shape, len(self.inputs_)), np.float32)
        for number, name in enumerate(self.inputs_):
            center, scale = self.scaler_.statistics(name, wells.tolist())
            values[..., number] = (derived[name].values - center[:, None]) / scale[:, None]
        return values

    def _network_inputs(self, values: np.ndarray) -> np.ndarray:
        """Return the inputs as the networks see them, (row, time, input)."""
        if not self.lagged:
            return values
        edges = lag_edges(self.lookback_ + 1)
        before = np.zeros((values.shape[0], values.shape[2]))  # the training mean of scaled inputs
        return lagged_means(values, edges, before=before).astype(np.float32)

    def _tiles(self, times: np.ndarray) -> np.ndarray:
        """Return the positions at which tiles start, the first at or before the first step."""
        return tile_starts(times, targets=self.window[1])

    def _run(
        self, inputs: np.ndarray, starts: np.ndarray, *, wells: list[str], shared: int = 0
    ) -> np.ndarray:
        """Return the outputs of all tiles, NaN before the first.

        Parameters
        ----------
        inputs : numpy.ndarray
            Shape (well, version, time, input), scaled.
        starts : numpy.ndarray
            Positions of the tiles, ``targets_`` apart; the first may be negative.
        wells : list of str
            Names of the wells.
        shared : int
            Number of first steps that are the same in all versions.

        Returns
        -------
        numpy.ndarray
            Shape (well, version, time, member, output), scaled.
        """
        lookback, targets = self.window
        n_wells, versions, steps, _ = inputs.shape
        outputs = self.architecture_.outputs
        values = np.full((n_wells, versions, steps, len(self.seeds_), outputs), np.nan)
        if self.lagged:
            starts, targets = starts[:1], steps - int(starts[0])
        padded = np.pad(inputs, ((0, 0), (0, 0), (lookback, targets), (0, 0)))
        reach = starts[:, None] + np.arange(lookback + targets)
        # where the versions part in each tile, and where the data end
        parting, ends = (
            np.clip(at + lookback - starts, 0, reach.shape[1]) for at in (shared, steps)
        )
        reach = np.maximum(reach, 0)  # a tile that starts before the data: zeros, as the padding is
        members, first = len(self.seeds_), int(starts[0])
        rows = members * versions * (1 if self._parts(versions) else starts.size)
        together = 1 if self.lagged else max(1, ROWS_AT_ONCE // rows)
        for number in range(0, n_wells, together):
            chosen = wells[number : number + together]
            windows = np.stack([
                self.with_attributes(padded[number + offset][:, reach], well)
                for offset, well in enumerate(chosen)
            ])  # fmt: skip
            found = self._run_tiles(chosen, windows, parting, ends)[..., lookback:, :]
            # (well, member, version, tile, step, output) to (well, version, time, member, output)
            found = found.reshape(len(chosen), members, versions, -1, outputs)
            found = found.transpose(0, 2, 3, 1, 4)[:, :, max(-first, 0) : steps - first]
            values[number : number + together, :, max(first, 0) :] = found
        return values

    def _parts(self, versions: int) -> bool:
        """Return whether the versions of the weather go on from a state that they share."""
        return versions > 1 and self.architecture_.kind in ("lstm", "gru")

    def _run_tiles(
        self, wells: list[str], windows: np.ndarray, parting: np.ndarray, ends: np.ndarray
    ) -> np.ndarray:
        """Return the outputs of windows (well, version, tile, step, input).

        Shape (well, member, version, tile, step, output). A recurrent network runs once through the
        steps that all versions share, and goes on from there with each, until the data end.
        """
        n_wells, versions, tiles, steps, _ = windows.shape
        weights = [np.concatenate(w) for w in zip(*map(self.weights_of, wells), strict=True)]
        members = len(self.seeds_)
        shape = (n_wells, members, versions, tiles, steps, self.architecture_.outputs)
        if self._parts(versions):
            whole = np.full((n_wells * members, *shape[2:]), np.nan, np.float32)
            for tile, end in enumerate(ends):
                window = windows[:, :, tile, :end]
                whole[:, :, tile, :end] = self._run_parting(weights, window, int(parting[tile]))
            return whole.reshape(shape)
        flat = windows.reshape(n_wells, versions * tiles, *windows.shape[3:])
        flat = flat if n_wells == 1 else np.repeat(flat, members, axis=0)
        at_once = flat.shape[1] if self.lagged else max(1, ROWS_AT_ONCE // members)
        found = [
            run_networks(self.architecture_, weights, flat[:, first : first + at_once])[0]
            for first in range(0, flat.shape[1], at_once)
        ]
        return np.concatenate(found, axis=1).reshape(shape)

    def _run_parting(
        self, weights: list[np.ndarray], windows: np.ndarray, parting: int
    ) -> np.ndarray:
        """Return the outputs of windows (well, version, step, input) that are equal up to a step.

        Shape (well * member, version, step, output).
        """
        windows = np.repeat(windows, len(self.seeds_), axis=0)  # each network has its own
        found, state = [], None
        if parting:
            before, state = run_networks(self.architecture_, weights, windows[:, :1, :parting])
            found.append(np.repeat(before, windows.shape[1], axis=1))
        if parting < windows.shape[2]:
            later = windows[:, :, parting:]
            found.append(run_networks(self.architecture_, weights, later, state=state)[0])
        return np.concatenate(found, axis=2)


def _from(starts: np.ndarray, first: int) -> np.ndarray:
    """Return the starts of the tile that holds a position, and of those after it."""
    return starts[max(np.searchsorted(starts, first, side="right") - 1, 0) :]
