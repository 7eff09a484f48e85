"""Simulations by trained networks in NumPy, without TensorFlow.

Labelled observations are scaled and turned into arrays; the outputs of the networks become levels
with labels, in m, one for each member. The forward pass between the two is NumPy, so that a
scheduled forecast does not wait for TensorFlow.

A simulation consists of tiles of ``targets_`` steps, each with its own warm-up of ``lookback_``
steps, as in training. Tiles start at fixed dates instead of the start of the data, so that a step
has the same level however much of the record is given.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.blending import centre_members, member_weights_at, normalised
from gwforecast.data.covariates import FEATURES, derive_features, require_covariates
from gwforecast.models.base import Forecaster, NeedOfWeather
from gwforecast.models.state import check_settings, read_text, read_whole
from gwforecast.networks.engines import compiled
from gwforecast.networks.parts import Architecture, State, activate, dense
from gwforecast.processes import one_blas_thread
from gwforecast.sequences.scale import Scaler
from gwforecast.sequences.windows import lag_edges, lagged_means, tile_starts
from gwforecast.writing import plain

__all__ = ["TrainedNetworks", "run_networks"]


ROWS_AT_ONCE = 640  # networks times sequences, whose states fit the cache of a core
STEPS_AT_ONCE = 50_000  # the same times steps, of networks of lags
RECURRENT_AT_ONCE = 60  # recurrent networks, whose weights fit it


def run_networks(
    architecture: Architecture,
    weights: Sequence[np.ndarray],
    inputs: np.ndarray,
    *,
    state: State | None = None,
) -> tuple[np.ndarray, State]:
    """Return the outputs of networks at each step of some sequences, and the state at their end.

    Many networks of one architecture run together on a leading axis. Weights and formulas are those
    of Keras, layer by layer, without dropout and noise. Hidden layers run in the compiled engine
    where it is there and has them, otherwise in NumPy.
    Weights (network, ...) are in the order of the network's variables, inputs have the shape
    (group, sequence, step, input), each for as many consecutive networks, outputs (network,
    sequence, step, output), all float32. The state of each recurrent layer, (network, sequence,
    units), is that at the end of an earlier run, by default zero.

    Raises ValueError if a weight has another shape than the architecture's, or a state is given to
    a network without one.
    """
    expected, received = architecture.weight_shapes(), [w.shape[1:] for w in weights]
    if received != expected:
        raise ValueError(
            f"The weights of this {architecture.kind} have the shapes {expected} for each network. "
            f"Received {received}. Train the model again."
        )
    networks = weights[0].shape[0]
    if state is not None and not architecture.recurrent:
        raise ValueError(
            "A state continues the run of a recurrent network. Received one for a "
            f"{architecture.kind}. Leave it out, and give the earlier steps instead."
        )
    inputs = inputs.astype(np.float32, copy=False)
    if architecture.embedding:
        inputs, weights = _embedded(inputs, weights[0]), weights[1:]
    if compiled.runs(architecture):
        hidden, ended = compiled.run_hidden(architecture, weights[:-2], inputs, state)
    else:
        if 1 < len(inputs) < networks:
            inputs = np.repeat(inputs, networks // len(inputs), axis=0)
        hidden, ended = architecture.run_hidden(weights[:-2], inputs, state)
    outputs = activate(
        dense(hidden, weights[-2], weights[-1]), architecture.setting("output_activation")
    )
    return np.broadcast_to(outputs, (networks, *outputs.shape[1:])), ended


def _embedded(inputs: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return inputs whose last one, the number of the well, is replaced by the well's vector.

    They are (network, sequence, step, input).
    """
    if len(inputs) > 1:
        inputs = np.repeat(inputs, len(vectors) // len(inputs), axis=0)
    numbers = inputs[..., -1].astype(np.intp)
    networks = np.arange(len(vectors))[:, None, None]
    found = vectors[networks, numbers]  # (network, sequence, step, embedding)
    covariates = np.broadcast_to(inputs[..., :-1], (*found.shape[:-1], inputs.shape[-1] - 1))
    return np.concatenate([covariates, found], axis=-1)


class TrainedNetworks(Forecaster):
    """Ensembles of trained networks that simulate levels from covariates alone."""

    covariates: Sequence[str] | None
    features: Sequence[str]
    neural = True
    blended = True
    needs_weather: ClassVar[NeedOfWeather] = "always"
    architecture: ClassVar[type[Architecture]]
    lagged: bool = False  # inputs are means over lags, and each step is a window of its own
    architecture_: Architecture  # of all the networks
    lookback_: int  # warm-up steps of a window
    targets_: int  # target steps after them
    wells_: list[str]
    scaler_: Scaler
    covariates_of_fit_: list[str]  # observed covariates
    inputs_: list[str]  # what is derived from them for the networks to see
    seeds_: list[int]
    # in the order of the network's variables, each (well, member, ...), or (1, member, ...) where
    # all wells share the networks
    weights_: list[np.ndarray]
    shared_: bool = False  # whether all wells share the networks
    attributes_: np.ndarray | None = None  # inputs that describe wells, (well, attribute), scaled
    # share of each member in the mean that is the prediction, (well, member); None where the
    # prediction is the median of the members
    member_weights_: np.ndarray | None = None

    @property
    def window(self) -> tuple[int, int]:
        """Warm-up and target steps of a window; 0 and 1 where lags are among the inputs."""
        return (0, 1) if self.lagged else (self.lookback_, self.targets_)

    def weights_of(self, well: str) -> list[np.ndarray]:
        """Return the weights of a well's networks.

        Parameters
        ----------
        well : str
            A fitted well.

        Returns
        -------
        list of numpy.ndarray
            In the order of the network's variables, each (member, ...).
        """
        position = 0 if self.shared_ else self.wells_.index(well)
        return [weights[position] for weights in self.weights_]

    def select_members(self, chosen: np.ndarray) -> Self:
        """Return a forecaster with some of the members.

        Parameters
        ----------
        chosen : numpy.ndarray
            Shape (member,), boolean.

        Returns
        -------
        TrainedNetworks
            Of the same class; the weights of the members add up to 1 again.
        """
        again = copy.copy(self)
        again.seeds_ = [seed for seed, kept in zip(self.seeds_, chosen, strict=True) if kept]
        again.weights_ = [weights[:, chosen] for weights in self.weights_]
        if self.member_weights_ is not None:
            again.member_weights_ = normalised(self.member_weights_[:, chosen])
        return again

    def with_attributes(self, windows: np.ndarray, well: str) -> np.ndarray:
        """Return windows with the attributes of their well after the inputs.

        Parameters
        ----------
        windows : numpy.ndarray
            Shape (..., input), scaled.
        well : str
            A fitted well.

        Returns
        -------
        numpy.ndarray
            Shape (..., input and attribute); the windows themselves where there are no attributes.
        """
        if self.attributes_ is None:
            return windows
        of_well = self.attributes_[self.wells_.index(well)]
        shape = (*windows.shape[:-1], of_well.size)
        return np.concatenate([windows, np.broadcast_to(of_well, shape)], axis=-1)

    def memory(self, frequency: str) -> int:
        """Return how many steps of weather a level may depend on, with a year for snow."""
        lookback = self.lookback_ if self.lagged else self.lookback_ + self.targets_
        return lookback + round(timeline.steps_per_year(frequency))

    def covariates_of(self, observations: xr.Dataset) -> list[str]:
        """Return the names of the observed covariates that the networks use."""
        if self.covariates is not None:
            return list(self.covariates)
        return schema.covariate_names(observations)

    def simulate(self, observations: xr.Dataset) -> xr.Dataset:
        """Return the level of every step with all covariates, (well, time, member), m."""
        return self.simulate_from(observations, 0)

    def simulate_from(self, observations: xr.Dataset, first: int) -> xr.Dataset:
        """Return the simulation of the steps from a position on; earlier ones may be NaN."""
        wells, values = self._outputs(observations, first)
        level = self._at_all_wells(self._levels(values[..., 0], wells), wells, observations)
        coords = {
            schema.WELL: observations[schema.WELL].values,
            schema.TIME: observations[schema.TIME].values,
            schema.MEMBER: self.seeds_,
        }
        attrs = {**observations[schema.LEVEL].attrs, "units": schema.LEVEL_UNITS}
        return xr.Dataset({schema.LEVEL: (tuple(coords), level, attrs)}, coords)

    def outputs(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the scaled outputs of the networks.

        Parameters
        ----------
        observations : xarray.Dataset
            As for :meth:`simulate`.

        Returns
        -------
        xarray.DataArray
            Dimensions (well, time, member, output); NaN where a covariate is missing, and at wells
            that were not fitted.
        """
        wells, values = self._outputs(observations, 0)
        return xr.DataArray(
            self._at_all_wells(values, wells, observations),
            dims=(schema.WELL, schema.TIME, schema.MEMBER, "output"),
            coords={
                schema.WELL: observations[schema.WELL].values,
                schema.TIME: observations[schema.TIME].values,
                schema.MEMBER: self.seeds_,
            },
        )

    def _outputs(self, observations: xr.Dataset, first: int) -> tuple[list[str], np.ndarray]:
        """Return the wells that were fitted, and their outputs (well, time, member, output)."""
        wells = self._known(observations)
        inputs, complete = self._inputs(observations.sel({schema.WELL: wells}))
        starts = _from(self._tiles(observations[schema.TIME].values), first)
        values = self._run(inputs[:, None], starts, wells=wells)[:, 0]
        values[~complete] = np.nan
        return wells, values

    def continue_from(self, state: Any, continued: xr.Dataset, horizon: int) -> np.ndarray:  # noqa: ARG002
        """Return the last levels, (well, lead_time, forcing_member, member), m, all in one run."""
        wells = self._known(continued)
        kept = continued.sel({schema.WELL: wells})
        names = [str(name) for name in kept.data_vars if schema.FORCING_MEMBER in kept[name].dims]
        n_forcings = kept.sizes[schema.FORCING_MEMBER]
        # features are derived for each forcing member as if it were a well
        stacked = kept[names].transpose(schema.WELL, schema.FORCING_MEMBER, schema.TIME)
        flat = {
            name: ((schema.WELL, schema.TIME), v.values.reshape(-1, v.shape[-1]), v.attrs)
            for name, v in stacked.items()
        }
        level = np.full((len(wells) * n_forcings, kept.sizes[schema.TIME]), np.nan)
        flat[schema.LEVEL] = ((schema.WELL, schema.TIME), level, {})
        labels = [f"{well} {number}" for well in wells for number in range(n_forcings)]
        versions = xr.Dataset(flat, {schema.WELL: labels, schema.TIME: kept[schema.TIME]})
        derived = derive_features(versions, self.features)
        inputs = self._scaled(derived, np.repeat(np.array(wells, dtype=object), n_forcings))
        if self.lagged:  # earlier steps are in no lag
            inputs = inputs[:, -(horizon + self.lookback_ + 1) :]
        inputs = self._network_inputs(np.nan_to_num(inputs, copy=False, nan=0.0), last=horizon)
        starts = np.zeros(1, int) if self.lagged else self._tiles(kept[schema.TIME].values)
        first = inputs.shape[1] - horizon
        inputs = inputs.reshape(len(wells), n_forcings, *inputs.shape[1:])
        values = self._run(inputs, _from(starts, first), wells=wells, shared=first)
        levels = self._levels(values[:, :, -horizon:, :, 0], wells)
        return self._at_all_wells(levels.transpose(0, 2, 1, 3), wells, continued)

    def _levels(self, scaled: np.ndarray, wells: list[str]) -> np.ndarray:
        """Return scaled outputs (well, ..., member) as levels, m."""
        values = centre_members(scaled, self._member_weights_at(wells))
        center, scale = (
            of_wells.reshape(-1, *[1] * (values.ndim - 1))
            for of_wells in self.scaler_.statistics(schema.LEVEL, wells)
        )
        return np.asarray(values * scale + center)

    def _at_all_wells(
        self, values: np.ndarray, wells: list[str], observations: xr.Dataset
    ) -> np.ndarray:
        """Return values (well, ...) of fitted wells at those of the observations, NaN elsewhere."""
        everywhere = observations[schema.WELL].values
        if len(wells) == everywhere.size:
            return values
        found = np.full((everywhere.size, *values.shape[1:]), np.nan)
        found[np.isin(everywhere, wells)] = values
        return found

    def _member_weights_at(self, wells: Sequence[str]) -> np.ndarray | None:
        return member_weights_at(wells, self.member_weights_, fitted=self.wells_)

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

        Before the first and after the last value of a covariate its training mean is used.
        """
        derived = self._derived(observations)
        values = self._scaled(derived, observations[schema.WELL].values)
        complete = np.asarray(np.isfinite(values).all(axis=-1))
        np.nan_to_num(values, copy=False, nan=0.0)
        return self._network_inputs(values), complete

    def _scaled(self, derived: xr.Dataset, wells: np.ndarray) -> np.ndarray:
        """Return the inputs (row, time, input), each row scaled as the well named for it."""
        return self.scaler_.to_array(derived, self.inputs_, wells=wells.tolist())

    def _network_inputs(self, values: np.ndarray, *, last: int | None = None) -> np.ndarray:
        """Return the inputs of the networks, (row, time, input).

        Where lagged these are means over lags, by default at all steps.
        """
        if not self.lagged:
            return values
        edges = lag_edges(self.lookback_ + 1)
        before = np.zeros((values.shape[0], values.shape[2]))  # the training mean of scaled inputs
        return lagged_means(values, edges, before=before, last=last).astype(np.float32)

    def _tiles(self, times: np.ndarray) -> np.ndarray:
        """Return the positions where tiles start, the first at or before the first step."""
        return tile_starts(times, targets=self.window[1])

    def _run(
        self, inputs: np.ndarray, starts: np.ndarray, *, wells: list[str], shared: int = 0
    ) -> np.ndarray:
        """Return the scaled outputs (well, version, time, member, output), NaN before all tiles.

        Inputs are (well, version, time, input), of which all versions have ``shared`` first steps
        in common. Tiles start at positions ``targets_`` apart, the first of which may be negative.
        """
        lookback, targets = self.window
        n_wells, versions, steps, _ = inputs.shape
        outputs = self.architecture_.outputs
        values = np.full((n_wells, versions, steps, len(self.seeds_), outputs), np.nan)
        if self.lagged:
            starts, targets = starts[:1], steps - int(starts[0])
        padded = np.pad(inputs, ((0, 0), (0, 0), (lookback, targets), (0, 0)))
        reach = starts[:, None] + np.arange(lookback + targets)
        # in each tile, the first step at which versions differ, and the end of the data
        differs, ends = (
            np.clip(at + lookback - starts, 0, reach.shape[1]) for at in (shared, steps)
        )
        reach = np.maximum(reach, 0)  # a tile before the data sees zeros, as in the padding
        members, first = len(self.seeds_), int(starts[0])
        rows = members * versions * (1 if self._shares_start(versions) else starts.size)
        together = max(
            1, STEPS_AT_ONCE // (rows * targets) if self.lagged else ROWS_AT_ONCE // rows
        )
        if self.architecture_.recurrent:
            together = max(1, min(together, RECURRENT_AT_ONCE // members))
        for number in range(0, n_wells, together):
            chosen = wells[number : number + together]
            windows = np.stack([
                self.with_attributes(padded[number + offset][:, reach], well)
                for offset, well in enumerate(chosen)
            ])  # fmt: skip
            with one_blas_thread():
                found = self._run_tiles(chosen, windows, differs, ends)[..., lookback:, :]
            # (well, member, version, tile, step, output) to (well, version, time, member, output)
            found = found.reshape(len(chosen), members, versions, -1, outputs)
            found = found.transpose(0, 2, 3, 1, 4)[:, :, max(-first, 0) : steps - first]
            values[number : number + together, :, max(first, 0) :] = found
        return values

    def _shares_start(self, versions: int) -> bool:
        """Return whether versions of the weather continue from one state of recurrent networks."""
        return versions > 1 and self.architecture_.recurrent

    def _run_tiles(
        self, wells: list[str], windows: np.ndarray, differs: np.ndarray, ends: np.ndarray
    ) -> np.ndarray:
        """Return the outputs of windows (well, version, tile, step, input).

        Shape (well, member, version, tile, step, output). A recurrent network runs once through the
        steps that all versions have in common, and continues with each version from there.
        """
        n_wells, versions, tiles, steps, _ = windows.shape
        weights = [np.concatenate(w) for w in zip(*map(self.weights_of, wells), strict=True)]
        members = len(self.seeds_)
        shape = (n_wells, members, versions, tiles, steps, self.architecture_.outputs)
        if self._shares_start(versions):
            whole = np.full((n_wells * members, *shape[2:]), np.nan, np.float32)
            for tile, end in enumerate(ends):
                window = windows[:, :, tile, :end]
                whole[:, :, tile, :end] = self._run_versions(weights, window, int(differs[tile]))
            return whole.reshape(shape)
        flat = windows.reshape(n_wells, versions * tiles, *windows.shape[3:])
        at_once = flat.shape[1] if self.lagged else max(1, ROWS_AT_ONCE // members)
        found = [
            run_networks(self.architecture_, weights, flat[:, first : first + at_once])[0]
            for first in range(0, flat.shape[1], at_once)
        ]
        return np.concatenate(found, axis=1).reshape(shape)

    def _run_versions(
        self, weights: list[np.ndarray], windows: np.ndarray, common: int
    ) -> np.ndarray:
        """Return the outputs of windows (well, version, step, input) with common first steps.

        Shape (well * member, version, step, output).
        """
        found, state = [], None
        if common:
            before, state = run_networks(self.architecture_, weights, windows[:, :1, :common])
            found.append(np.repeat(before, windows.shape[1], axis=1))
        if common < windows.shape[2]:
            later = windows[:, :, common:]
            found.append(run_networks(self.architecture_, weights, later, state=state)[0])
        return np.concatenate(found, axis=2)

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the fitted networks as plain JSON values and arrays, without their history."""
        arrays = {f"weights.{n}": np.asarray(w, np.float32) for n, w in enumerate(self.weights_)}
        arrays |= {f"scaler.{name}": np.asarray(v) for name, v in self.scaler_.to_arrays().items()}
        if self.attributes_ is not None:
            arrays["attributes"] = np.asarray(self.attributes_, np.float32)
        if self.member_weights_ is not None:
            arrays["trust"] = np.asarray(self.member_weights_, float)
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        description = {
            "name": self.name,
            "shared": bool(self.shared_),
            "lagged": bool(self.lagged),
            "architecture": self.architecture_.to_dict(),
            "covariates": list(self.covariates_of_fit_),
            "features": list(self.features),
            "lookback": int(self.lookback_),
            "targets": int(self.targets_),
            "wells": list(self.wells_),
            "inputs": list(self.inputs_),
            "seeds": [int(seed) for seed in self.seeds_],
            "settings": {n: plain(getattr(self, n)) for n in names if n not in _DESCRIBED},
        }
        return description, arrays

    @classmethod
    def from_state(cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the forecaster that :meth:`to_state` described; it simulates without TensorFlow.

        Nothing that comes from a file is executed: values are checked against the types and bounds
        of the settings, arrays against the shapes of the described networks. Descriptions without
        ``settings``, of before stored networks could be updated, get those of the architecture,
        and defaults for the others.
        """
        architecture = cls.architecture.from_dict(description["architecture"])
        covariates = [read_text(name) for name in description["covariates"]]
        features = [read_text(name) for name in description["features"]]
        if not set(features) <= set(FEATURES):
            raise ValueError(f"the features {features} must be among {sorted(FEATURES)}")
        seeds = [_seed(seed) for seed in description["seeds"]]
        settings = _settings(cls, description, dict(architecture.settings)) | {
            "name": read_text(description["name"]),
            "covariates": covariates,
            "features": features,
            "lookback": read_whole(description["lookback"]),
            "targets": read_whole(description["targets"]),
            "members": len(seeds),
            "seed": min(seeds),
        }
        one: Any = cls(**settings)
        check_settings(one)
        one.settings_known_ = "settings" in description
        one.architecture_, one.covariates_of_fit_, one.seeds_ = architecture, covariates, seeds
        one.lookback_, one.targets_ = settings["lookback"], settings["targets"]
        one.wells_ = [read_text(well) for well in description["wells"]]
        one.inputs_ = [read_text(name) for name in description["inputs"]]
        one.scaler_ = Scaler.from_arrays(
            {n.removeprefix("scaler."): v for n, v in arrays.items() if n.startswith("scaler.")}
        )
        one.shared_ = description.get("shared", False) is True
        if (description["lagged"] is True) != one.lagged or (one.shared_ and not one.pooled):
            raise ValueError(
                f"the description must be of a {cls.__name__}, received another network"
            )
        one.attributes_ = _attributes(one, arrays.get("attributes"))
        one.member_weights_ = _member_weights(one, arrays.get("trust"))
        one.weights_ = _weights(one, arrays)
        return one  # type: ignore[no-any-return]


def _from(starts: np.ndarray, first: int) -> np.ndarray:
    """Return the starts of the tile that contains a position, and of those after it."""
    return starts[max(np.searchsorted(starts, first, side="right") - 1, 0) :]


_DESCRIBED = {
    "name", "covariates", "features", "lookback", "targets", "members", "seed", "workers", "engine",
}  # fmt: skip
"""Settings that the description has under other names, or that a machine chooses."""


def _settings(
    cls: type[Any], stored: Mapping[str, Any], of_architecture: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that are not described under other names."""
    known = {field.name for field in dataclasses.fields(cls)} - _DESCRIBED
    if "settings" not in stored:
        return {name: value for name, value in of_architecture.items() if name in known}
    settings = stored["settings"]
    if not isinstance(settings, Mapping) or not set(settings) <= known:
        raise ValueError(f"the settings must be among {sorted(known)}, received {settings!r}")
    return {n: tuple(v) if isinstance(v, list) else v for n, v in settings.items()}


def _weights(one: Any, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    shapes = one.architecture_.weight_shapes()
    found = [arrays[f"weights.{number}"] for number in range(len(shapes))]
    for weights, shape in zip(found, shapes, strict=True):
        expected = (1 if one.shared_ else len(one.wells_), len(one.seeds_), *shape)
        if weights.shape != expected or weights.dtype != np.float32:
            raise ValueError(f"weights of {weights.shape}, {weights.dtype}, expected {expected}")
        if not np.isfinite(weights).all():
            raise ValueError("weights must be finite")
    return found


def _attributes(one: Any, values: np.ndarray | None) -> np.ndarray | None:
    """Return the inputs that describe each well, or None."""
    lags = lag_edges(one.lookback_ + 1).size - 1 if one.lagged else 1
    more = one.architecture_.inputs - len(one.inputs_) * lags
    if values is None:
        values = np.zeros((len(one.wells_), 0), np.float32)
    expected = (len(one.wells_), more)
    if values.shape != expected or values.dtype != np.float32 or not np.isfinite(values).all():
        raise ValueError(f"attributes of {values.shape}, {values.dtype}, expected {expected}")
    if one.architecture_.embedding:
        numbers = values[:, -1]
        known = one.architecture_.setting("wells")
        if (numbers != numbers.astype(int)).any() or not ((numbers >= 0) & (numbers < known)).all():
            raise ValueError(f"the number of a well must be one of 0 to {known - 1}")
    return values if more else None


def _member_weights(one: Any, weights: np.ndarray | None) -> np.ndarray | None:
    """Return the weights of the members in the prediction at each well, or None."""
    if weights is None:
        return None
    expected = (len(one.wells_), len(one.seeds_))
    sound = weights.shape == expected and bool((weights >= 0).all())
    if not sound or not np.allclose(weights.sum(axis=1), 1.0):
        raise ValueError(
            f"member weights of {weights.shape} must be {expected}, at least 0, with sums of 1"
        )
    return weights.astype(float)


def _seed(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r} must be a whole number from 0")
    return value
