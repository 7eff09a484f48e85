"""Global networks: one ensemble for all wells, which can also simulate wells not trained on.

The inputs of a global network are the weather of a well and optionally the well's static attributes
or a vector that is learnt for each well. Levels and covariates are scaled well by well, so that the
network learns the response of the level to the weather, independent of the height of the level.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.networks.engines.jobs import Data, Job, Recipe, concatenate_wells, cosine_rates
from gwforecast.networks.forecaster import UPDATE_RATE, NeuralForecaster
from gwforecast.networks.parts import Architecture, Count
from gwforecast.progress import Progress, ProgressOption, as_callback, further
from gwforecast.sequences.attributes import AttributeEncoder
from gwforecast.sequences.scale import Scaler
from gwforecast.sequences.split import Period, Split, through_periods
from gwforecast.sequences.windows import epoch_starts, pooled_starts

__all__ = ["ALL_WELLS", "GlobalForecaster"]

ALL_WELLS = "all wells"
"""Name in the training history of the networks that all wells share."""
MOST_VALIDATED = 100_000  # steps of all validation windows together
FEWEST_WELLS = 20
FINE_TUNE_BATCH = 8  # windows in an update at one well


@dataclass(kw_only=True, eq=False)
class GlobalForecaster(NeuralForecaster):
    """An ensemble of networks that all wells share.

    Parameters
    ----------
    attributes : sequence of str, optional
        Static attributes that the networks see; by default all, ``()`` for none. Numbers are
        standardised over the wells; a missing number is replaced by the mean and marked.
    categories : sequence of str
        Numeric attributes that are categories, e.g. classes of land cover; text always is.
    embedding : int
        Size of a vector that is learnt for each well; 0 for none.
    fine_tune : int
        Epochs for which training continues at each well alone, from the shared weights and at a
        tenth of the learning rate; 0 for none.
    **settings
        Settings of :class:`gwforecast.networks.forecaster.NeuralForecaster`; ``batch_size`` counts
        windows of all wells.

    Attributes
    ----------
    trained_at_, encoder_
        Wells whose levels the networks were trained on (``wells_`` also has those of
        :meth:`with_wells`) and conversion of attributes to numbers; not stored.
    failed_ : dict of str to str
        Reason for each well that could not be used.

    References
    ----------
    Kratzert et al. (2019), doi:10.5194/hess-23-5089-2019; Heudorfer et al. (2024),
    doi:10.5194/hess-28-525-2024, for groundwater levels.
    """

    attributes: Sequence[str] | None = None
    categories: Sequence[str] = ()
    embedding: Count = 0
    fine_tune: Count = 0
    pooled = True

    @classmethod
    def unsuited(cls, observations: xr.Dataset) -> str:
        """Return how many wells are missing: few wells have too little to tell each other."""
        if observations.sizes[schema.WELL] < FEWEST_WELLS:
            return f"a network for all wells is a default from {FEWEST_WELLS} wells on"
        return ""

    def with_wells(
        self, observations: xr.Dataset, *, split: Split, through: Period = "validation"
    ) -> Self:
        """Return a forecaster that also simulates further wells, which it was not trained on.

        Only the mean and standard deviation of their levels are used, from the rows through a
        period; the networks do not change. Wells that are known already keep their scales.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), with the covariates and attributes of the training.
        split : Split
            The periods of each well.
        through : {"train", "validation", "test"}
            Last period whose rows are used for the scales.

        Returns
        -------
        GlobalForecaster
            Another forecaster of the same class; this one is not changed.

        Raises
        ------
        ValueError
            If the networks were fine-tuned, so that wells no longer share them, or the forecaster
            was read back from a file, which does not contain the encoding of attributes.
        SchemaError
            If a well has no level in the rows.
        """
        if not self.shared_:
            raise ValueError(
                "Further wells need networks that all wells share. Received networks that were "
                "fine-tuned well by well. Set fine_tune=0."
            )
        if not hasattr(self, "encoder_"):
            raise ValueError(
                "Further wells need the encoding of attributes that a fit learns. Received "
                f"{self.name!r} without it, as read back from a file. Fit or refit it with the "
                "wells that it was trained on."
            )
        known = set(self.wells_)
        further_wells = [str(w) for w in observations[schema.WELL].values if w not in known]
        again = copy.copy(self)
        if further_wells:
            new = observations.sel({schema.WELL: further_wells})
            rows = split.rows(new, *through_periods(through))
            names = [schema.LEVEL, *self.inputs_]
            scaler = Scaler().fit(again._derived(new), rows=rows, names=names)
            again.scaler_ = self.scaler_.joined(scaler)
            again.wells_ = [*self.wells_, *further_wells]
            if self.attributes_ is not None:
                again.attributes_ = np.concatenate([self.attributes_, again._encode(new)])
        return again

    def fine_tuned(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "train",
        epochs: int = 20,
        progress: ProgressOption = None,
    ) -> Self:
        """Return a forecaster whose networks were trained further at each given well alone.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time), wells that are known, see :meth:`with_wells`.
        split : Split
            The periods of each well.
        through : {"train", "validation", "test"}
            Last period whose rows are used.
        epochs : int
            Passes over the rows of a well; the weights of the last one are kept.
        progress : Progress or bool, optional
            Progress callback, called after each network; True shows bars.

        Returns
        -------
        GlobalForecaster
            A copy of the networks for each given well, and no other wells.

        Raises
        ------
        ValueError
            If the networks have a vector for each well (``embedding``).
        """
        again = copy.copy(self)
        again._check_tuning(epochs)
        kept = again._known(observations)
        positions = [self.wells_.index(well) for well in kept]
        again.wells_ = kept
        if self.attributes_ is not None:
            again.attributes_ = self.attributes_[positions]
        observations = observations.sel({schema.WELL: kept})
        rows = split.rows(observations, *through_periods(through))
        data = again._data(observations, rows, split if through == "train" else None)
        again._tune(data, epochs, as_callback(progress))
        return again

    def _continue(
        self, observations: xr.Dataset, rows: xr.DataArray, progress: Progress | None
    ) -> None:
        if not self.shared_:
            return super()._continue(observations, rows, progress)
        data = self._data(observations, rows, None)
        positions = [self.wells_.index(well) for well in schema.well_names(observations)]
        first = [[weights[0, m] for weights in self.weights_] for m in range(self.members)]
        return self._train_shared(data, positions, progress, first=first)

    def _fit_wells(self, observations: xr.Dataset, rows: xr.DataArray) -> list[str]:
        """Return the wells sorted by name, so that a fit does not depend on the input order."""
        wells = sorted(super()._fit_wells(observations, rows))
        self.failed_ = {}
        try:
            self._derived(observations.sel({schema.WELL: wells}))
        except schema.SchemaError:
            for well in wells:
                try:
                    self._derived(observations.sel({schema.WELL: [well]}))
                except schema.SchemaError as error:
                    self.failed_[well] = str(error)
            if len(self.failed_) in (0, len(wells)):
                raise
        return [well for well in wells if well not in self.failed_]

    def _learn_inputs(self, observations: xr.Dataset, rows: xr.DataArray) -> None:
        super()._learn_inputs(observations, rows)
        self._check_tuning(self.fine_tune)
        self.trained_at_ = list(self.wells_)
        self.encoder_ = AttributeEncoder(
            onehot=True, unknown="code", missing="mark", categories=self.categories
        ).fit(observations, names=self._attribute_names(observations))
        encoded = self._encode(observations)
        self.attributes_ = encoded if encoded.shape[1] else None

    def _attribute_names(self, observations: xr.Dataset) -> list[str]:
        if self.attributes is not None:
            return list(self.attributes)
        names = []
        for name in schema.attribute_names(observations):
            values = observations[name].values
            unique = np.unique(values.astype(str)).size == values.size
            if values.dtype.kind in "fiub" or not unique:  # a name cannot describe other wells
                names.append(name)
        return names

    def _encode(self, observations: xr.Dataset) -> np.ndarray:
        """Return the attributes, followed by the number of the well for an embedding."""
        columns = self.encoder_.transform(observations).values
        if self.embedding:
            numbers = {well: n for n, well in enumerate(self.trained_at_)}
            unknown = len(numbers)  # selects the mean of all vectors
            wells = observations[schema.WELL].values.tolist()
            of_well = np.array([numbers.get(str(well), unknown) for well in wells], float)
            columns = np.concatenate([columns, of_well[:, None]], axis=1)
        return np.asarray(columns, np.float32)

    def _describe_network(
        self, inputs: int, more: Mapping[str, object] | None = None
    ) -> Architecture:
        attributes = 0 if self.attributes_ is None else self.attributes_.shape[1]
        more = dict(more or {})
        if self.embedding:
            more |= {"wells": len(self.trained_at_) + 1, "embedding": self.embedding}
        return super()._describe_network(inputs + attributes, more)

    def _recipe(self) -> Recipe:
        return replace(super()._recipe(), attributes=self.attributes_ is not None)

    def _train(
        self,
        observations: xr.Dataset,
        rows: xr.DataArray,
        split: Split | None,
        progress: Progress | None,
    ) -> None:
        data = self._data(observations, rows, split)
        self.architecture_ = self._describe_network(data.inputs.shape[-1])
        total = self.members * (1 + (len(self.wells_) if self.fine_tune else 0))
        self._train_shared(data, range(len(self.wells_)), further(progress, 0, total), first=None)
        if self.fine_tune:
            self._tune(data, self.fine_tune, further(progress, self.members, total))

    def _train_shared(
        self,
        data: Data,
        positions: Sequence[int],
        progress: Progress | None,
        *,
        first: list[list[np.ndarray]] | None,
    ) -> None:
        recipe = self._recipe()
        attributes = None if self.attributes_ is None else self.attributes_[list(positions)]
        joined = concatenate_wells(replace(data, attributes=attributes), recipe)
        jobs = list(self._shared_jobs(data, joined, recipe, first))
        trained = self._run_jobs(joined, jobs, progress)
        self.shared_ = True
        self._keep(trained, [ALL_WELLS])
        if self.embedding:
            self.weights_[0][:, :, -1] = self.weights_[0][:, :, :-1].mean(axis=2)

    def _shared_jobs(
        self, data: Data, joined: Data, recipe: Recipe, first: list[list[np.ndarray]] | None
    ) -> Iterator[Job]:
        seeds, fresh = self._first_weights()
        validation = _validation_windows(data.validation_targets, recipe)
        validated = (validation[0] * joined.span + recipe.steps + validation[1]).astype(np.int32)
        folds = (self._left_out() % data.folds).tolist()
        first = fresh if first is None else first
        for seed, fold, weights in zip(seeds, folds, first, strict=True):
            wells, starts = pooled_starts(
                np.isfinite(data.targets[fold :: data.folds]),
                targets=recipe.targets,
                batch_size=self.batch_size,
                epochs=self.epochs,
                seed=seed,
            )
            rates = cosine_rates(self.learning_rate, starts[..., 0].size)
            positions = wells * joined.span + recipe.steps + starts
            positions = positions.astype(np.int32)
            yield Job(0, weights, positions, rates, validated, seed, fold)

    def _tune(self, data: Data, epochs: int, progress: Progress | None) -> None:
        """Train each well's copy of the shared networks further, and keep all copies."""
        recipe = replace(self._recipe(), patience=epochs)
        data = replace(data, attributes=self.attributes_)
        jobs = []
        folds = self._left_out() % data.folds
        for well in range(len(data.inputs)):
            held_out = data.validation_targets[well : well + 1]
            validation = _validation_windows(held_out, recipe)[1].astype(np.int32)
            for member, fold in enumerate(folds.tolist()):
                seed = self.seed + member
                starts = epoch_starts(
                    np.isfinite(data.targets[well * data.folds + fold]),
                    targets=recipe.targets,
                    batch_size=FINE_TUNE_BATCH if recipe.targets > 1 else self.batch_size,
                    epochs=epochs,
                    seed=seed,
                )
                rates = cosine_rates(UPDATE_RATE * self.learning_rate, starts[..., 0].size)
                weights = [w[0, member] for w in self.weights_]
                job = Job(well, weights, starts, rates, validation, seed, fold)
                jobs.append(job)
        trained = self._run_jobs(data, jobs, progress, recipe=recipe)
        self.shared_ = False
        self._keep(trained, self.wells_)

    def _check_tuning(self, epochs: int) -> None:
        if epochs and self.embedding:
            raise ValueError(
                "Networks with a vector for each well are not fine-tuned, because each well's copy "
                f"would contain the vectors of all. Received embedding={self.embedding} and "
                f"{epochs} epochs of fine-tuning. Set one of the two to 0."
            )


def _validation_windows(held_out: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Return well and first target of the windows over each well's validation targets, (2, window).

    If there are too many, an evenly spaced selection is used.
    """
    pairs = [np.zeros((2, 0), int)]
    for well, row in enumerate(np.isfinite(held_out)):
        at = np.flatnonzero(row)
        if at.size:
            starts = np.arange(at[0], at[-1] + 1, recipe.targets)
            pairs.append(np.stack([np.full_like(starts, well), starts]))
    windows = np.concatenate(pairs, axis=1)
    most = max(1, MOST_VALIDATED // recipe.steps)
    chosen = np.linspace(0, windows.shape[1] - 1, min(most, windows.shape[1])).round().astype(int)
    return np.asarray(windows[:, chosen])
