"""What LSTM, GRU, CNN and MLP have in common: an ensemble of networks for each well.

Labelled observations are scaled, turned into arrays and passed to an engine that trains networks.
TensorFlow is imported only where that engine needs it; trained networks forecast without it.
"""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.blending import learn_member_weights, member_weights_at
from gwforecast.data.covariates import DEFAULT_FEATURES
from gwforecast.models.base import HeldOut
from gwforecast.models.state import check_settings, setting
from gwforecast.networks import engines
from gwforecast.networks.engines.jobs import Data, Job, Recipe, Trained, cosine_rates, history_of
from gwforecast.networks.inference import TrainedNetworks
from gwforecast.networks.parts import (
    Architecture,
    Count,
    EngineName,
    Head,
    LossName,
    MemberCount,
    NotNegative,
    OptimizerName,
    Positive,
    PositiveNumber,
    Share,
    layer_sizes,
)
from gwforecast.progress import Progress, ProgressOption, as_callback, further, with_detail
from gwforecast.sequences.scale import Scaler
from gwforecast.sequences.split import FOLDS, Period, Split, through_periods, train_folds
from gwforecast.sequences.windows import epoch_starts, sequence_windows

__all__ = ["DROPOUT", "NOISE", "WEIGHT_DECAY", "NeuralForecaster", "without_folds"]

DROPOUT = ("float", 0.0, 0.6)
NOISE = ("float", 0.0, 0.4)
WEIGHT_DECAY = ("log", 0.05, 5.0)
"""Ranges that a hyperparameter search looks through for all networks."""

FEWEST_TARGETS = 20
UPDATE_RATE = 0.1  # learning rate of an update, relative to that of a fit
WELLS_AT_ONCE = 100  # wells whose scaled data are in memory together


@dataclass(kw_only=True, eq=False)
class NeuralForecaster(TrainedNetworks):
    """An ensemble of networks for each well, trained on covariates alone.

    Parameters
    ----------
    name : str
        Name in tables, figures and file names.
    covariates : sequence of str, optional
        Covariates that the networks see; by default all.
    features : sequence of str
        Derived covariates, names from :data:`gwforecast.data.covariates.FEATURES`.
    lookback, targets : int, optional
        Steps of weather before the first target of a window, and target steps; by default one year.
    loss : {"mse", "mae", "huber", "nse"}
        Loss of scaled levels.
    optimizer : {"adam", "rmsprop", "sgd"}
        Rule by which the weights are updated.
    learning_rate : float
        Highest learning rate; it decreases along a cosine to a hundredth of it.
    weight_decay, l2 : float
        Decoupled weight decay, and the weight of the squared kernels in the loss.
    clip_norm : float
        Largest global norm of a gradient.
    dropout, noise : float
        In training: share of states dropped, and standard deviation of noise on scaled inputs.
    epochs : int
        Largest number of passes over the training targets.
    batch_size : int
        Windows in an update.
    patience : int, optional
        Epochs without a lower validation loss after which training stops and the weights of the
        best epoch are kept, so that validation scores flatter; by default those of the last epoch.
    members : int
        Networks with their own first weights, shuffles and dropout. The prediction is their median,
        or, where they start in different ways, their mean weighted by ``member_weights_``.
    seed : int
        Seed of member 0; member k has ``seed + k``.
    folds : int
        Parts of the train period, of which each member of a first fit leaves one out for
        :meth:`held_out`. A refit uses all.
    workers : int, optional
        Networks trained at the same time; by default the number of cores.
    engine : {"auto", "compiled", "keras"}
        By default the compiled kernels where they support the network, and Keras otherwise and on a
        GPU. Both take the same steps, with different random numbers for dropout and noise.

    Attributes
    ----------
    lookback_, targets_ : int
        Lookback and targets that were used.
    wells_, inputs_, seeds_ : list
        Fitted wells, inputs of the networks (covariates, derived ones included), and seeds.
    scaler_ : Scaler
        Scales of level and covariates, from the fitted rows.
    weights_ : list of numpy.ndarray
        Weights in the order of the network's variables, each (well, member, ...).
    best_epochs_ : xarray.DataArray
        Epoch of the weights that are kept, dims (well, member); of the last fit, not stored.
    member_weights_ : numpy.ndarray or None
        Shape (well, member), see :func:`gwforecast.calibration.blending.learn_member_weights`.
    left_out_ : numpy.ndarray or None
        Fold of the train period that each member left out, shape (member,); None where none did.
    history_ : pandas.DataFrame
        Columns well, member, epoch, loss, validation_loss (scaled, so that 1 is the variance); of
        the last fit, not stored.
    """

    name: str = "network"
    covariates: Sequence[str] | None = None
    features: Sequence[str] = DEFAULT_FEATURES
    lookback: Positive | None = setting(None, search=("choice_years", 0.5, 1, 2))
    targets: Positive | None = None
    loss: LossName = "mse"
    optimizer: OptimizerName = "adam"
    learning_rate: PositiveNumber = setting(3e-3, search=("log", 1e-3, 1e-2))
    weight_decay: NotNegative = setting(1.5, search=WEIGHT_DECAY)
    l2: NotNegative = 0.0
    clip_norm: PositiveNumber = 1.0
    dropout: Share = setting(0.4, search=DROPOUT)
    noise: NotNegative = setting(0.2, search=NOISE)
    epochs: Positive = setting(150, search=("int", 50, 200, 25))
    batch_size: Positive = 8
    patience: Positive | None = None
    members: MemberCount = 10
    seed: Count = 0
    folds: Positive = FOLDS
    workers: Positive | None = None
    engine: EngineName = "auto"
    head = Head()  # replaced by a classifier of levels
    left_out_ = None
    settings_known_ = True  # unless read back from a file that does not have them

    def network_settings(self) -> dict[str, object]:
        """Return the settings of the network's own layers, by default its units and activation.

        Returns
        -------
        dict of str to object
            Value by the name that the architecture has for it.
        """
        own: Any = self
        return {"units": layer_sizes(own.units), "activation": own.activation}

    @property
    def starts(self) -> int:
        """Number of different ways in which members start."""
        return 1

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: ProgressOption = None
    ) -> Self:
        """Train on the train rows; the losses of the validation rows weight the members."""
        return self._fit(observations, split, ("train",), True, as_callback(progress))

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: ProgressOption = None,
    ) -> Self:
        """Return a new forecaster, trained anew on all rows through a period for as many epochs."""
        again = copy.copy(self)
        return again._fit(
            observations, split, through_periods(through), False, as_callback(progress)
        )

    def held_out(self, observations: xr.Dataset, split: Split) -> list[HeldOut]:
        """Return the validation rows, and each fold of a first fit with the members without it."""
        parts = super().held_out(observations, split)
        if self.left_out_ is not None:
            known = observations.sel({schema.WELL: self._known(observations)})
            fold = self._folds(known, self._inputs(known)[1], split)
            fold = fold.reindex({schema.WELL: observations[schema.WELL]}, fill_value=-1)
            parts += [
                HeldOut(fold == number, self.select_members(self.left_out_ == number))
                for number in np.unique(self.left_out_)
            ]
        return parts

    def update(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        epochs: int | None = None,
        progress: ProgressOption = None,
    ) -> Self:
        """Return a new forecaster whose training continues with all rows through a period.

        Training starts from the present weights, with the present scales and a tenth of the
        learning rate of a fit. Wells that were not fitted before are left out.

        Parameters
        ----------
        observations, split, through, progress
            As of :meth:`gwforecast.models.base.Forecaster.update`.
        epochs : int, optional
            Passes over the training targets; by default a tenth of those of a fit.

        Returns
        -------
        NeuralForecaster
            Another forecaster of the same class; this one is not changed.
        """
        self._check_settings()
        again = copy.copy(self)
        again.epochs = max(1, self.epochs // 10) if epochs is None else epochs
        again.learning_rate = UPDATE_RATE * self.learning_rate
        known = observations.sel({schema.WELL: self._known(observations)})
        rows = split.rows(known, *through_periods(through))
        again._continue(known, rows, as_callback(progress))
        again.epochs, again.learning_rate = self.epochs, self.learning_rate
        return again

    def _continue(
        self, observations: xr.Dataset, rows: xr.DataArray, progress: Progress | None
    ) -> None:
        """Train the networks of fitted wells on from their present weights."""
        wells = schema.well_names(observations)
        data = self._data(observations, rows, None)
        positions = [self.wells_.index(well) for well in wells]
        self.member_weights_ = self._member_weights_at(wells)
        self.wells_, self.left_out_ = wells, None
        self.weights_ = [weights[positions] for weights in self.weights_]
        jobs = [
            dataclasses.replace(job, weights=[w[job.well, n % self.members] for w in self.weights_])
            for n, job in enumerate(self._jobs(data))
        ]
        report = with_detail(progress, self._details(wells))
        self._keep(self._run_jobs(data, jobs, report), wells)

    def _fit(
        self,
        observations: xr.Dataset,
        split: Split,
        periods: tuple[Period, ...],
        validates: bool,
        progress: Progress | None,
    ) -> Self:
        self._check_settings()
        rows = split.rows(observations, *periods)
        wells = self._fit_wells(observations, rows)
        old = None if validates else self.member_weights_
        fitted = [] if old is None else self.wells_
        self.member_weights_ = member_weights_at(wells, old, fitted=fitted)
        self.wells_ = wells
        self.left_out_ = self._left_out() if validates and self.folds > 1 else None
        observations = observations.sel({schema.WELL: self.wells_})
        rows = rows.sel({schema.WELL: self.wells_})
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        year = round(timeline.steps_per_year(frequency))
        self.lookback_ = year if self.lookback is None else self.lookback
        self.targets_ = year if self.targets is None else self.targets
        self._learn_inputs(observations, rows)
        self._train(observations, rows, split if validates else None, progress)
        if validates:
            self.member_weights_ = self._learn_member_weights()
        return self

    def _left_out(self) -> np.ndarray:
        """Return the fold left out by each member, so that each start leaves out every fold."""
        return np.arange(self.seed, self.seed + self.members) // self.starts % self.folds

    def _learn_member_weights(self) -> np.ndarray | None:
        by_member = self.history_.groupby(["well", "member"], sort=False)["validation_loss"]
        kept = by_member.last() if self.patience is None else by_member.min()
        losses = kept.to_numpy().reshape(self.best_epochs_.shape)  # one row where wells share all
        losses = np.broadcast_to(losses, (len(self.wells_), losses.shape[1]))
        return learn_member_weights(losses, np.array(self.seeds_) % self.starts)

    def _train(
        self,
        observations: xr.Dataset,
        rows: xr.DataArray,
        split: Split | None,
        progress: Progress | None,
    ) -> None:
        """Train and keep the networks, validated on the validation rows of a split where given."""
        trained: list[Trained] = []
        report = with_detail(progress, self._details(self.wells_))
        for first in range(0, len(self.wells_), WELLS_AT_ONCE):
            wells = self.wells_[first : first + WELLS_AT_ONCE]
            group = observations.sel({schema.WELL: wells})
            data = self._data(group, rows.sel({schema.WELL: wells}), split)
            self.architecture_ = self._describe_network(data.inputs.shape[-1])
            done = further(report, len(trained), len(self.wells_) * self.members)
            trained += self._run_jobs(data, list(self._jobs(data)), done)
        self._keep(trained, self.wells_)

    def _run_jobs(
        self,
        data: Data,
        jobs: Sequence[Job],
        progress: Progress | None,
        *,
        recipe: Recipe | None = None,
    ) -> list[Trained]:
        return engines.train(
            self.architecture_, recipe or self._recipe(), data, jobs, engine=self.engine,
            workers=self.workers, progress=progress,
        )  # fmt: skip

    def _details(self, wells: Sequence[str]) -> list[str]:
        """Return a text for each network, in the order of training."""
        members = range(self.members)
        return [f"well {well!r}, member {member}" for well in wells for member in members]

    def _fit_wells(self, observations: xr.Dataset, rows: xr.DataArray) -> list[str]:
        levels = observations[schema.LEVEL].where(rows).count(schema.TIME)
        few = levels < FEWEST_TARGETS
        for well in map(str, observations[schema.WELL].values[few.values]):
            warnings.warn(
                f"A network needs at least {FEWEST_TARGETS} levels to be fitted. Well {well!r} has "
                f"{int(levels.sel({schema.WELL: well}))} and is left out of {self.name!r}. Give it "
                "a longer record or a longer train period.",
                stacklevel=4,
            )
        wells = [str(w) for w in observations[schema.WELL].values[~few.values]]
        if not wells:
            raise schema.SchemaError(
                f"At least one well must have {FEWEST_TARGETS} levels in the rows that are fitted. "
                f"Received none among {observations.sizes[schema.WELL]}. Use a longer record."
            )
        return wells

    def _learn_inputs(self, observations: xr.Dataset, rows: xr.DataArray) -> None:
        self.covariates_of_fit_ = self.covariates_of(observations)
        derived = self._derived(observations)
        self.inputs_ = schema.covariate_names(derived)
        if not self.inputs_:
            raise schema.SchemaError(
                f"{self.name!r} needs at least one covariate or derived feature. Received none. "
                "Add the weather, or use features=('season',)."
            )
        self.scaler_ = Scaler().fit(derived, rows=rows, names=[schema.LEVEL, *self.inputs_])

    def _describe_network(
        self, inputs: int, more: Mapping[str, object] | None = None
    ) -> Architecture:
        shared = {
            "dropout": self.dropout, "noise": self.noise, "l2": self.l2,
            "outputs": self.head.outputs, "output_activation": self.head.activation,
        }  # fmt: skip
        return self.architecture.of(inputs, {**self.network_settings(), **shared, **(more or {})})

    def _data(self, observations: xr.Dataset, rows: xr.DataArray, split: Split | None) -> Data:
        inputs, complete = self._inputs(observations)
        level = observations[schema.LEVEL]
        target = self.scaler_.transform(level)
        if self.head.target is not None:
            target = self.head.target(level)
        target = target.where(complete)
        targets = target.where(rows).values.astype(np.float32)
        held_out = np.full_like(targets, np.nan)
        if split is not None:
            held_out = target.where(split.rows(observations, "validation")).values.astype("f4")
            targets = without_folds(targets, self._folds(observations, complete, split))
        return Data(inputs, targets, held_out)

    def _folds(self, observations: xr.Dataset, complete: np.ndarray, split: Split) -> xr.DataArray:
        usable = xr.DataArray(complete, dims=(schema.WELL, schema.TIME))
        return train_folds(observations[[schema.LEVEL]].where(usable), split, folds=self.folds)

    def _recipe(self) -> Recipe:
        lookback, targets = self.window
        return Recipe(
            loss=self.head.loss or self.loss,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            clip_norm=self.clip_norm,
            patience=self.epochs if self.patience is None else self.patience,
            stops_early=self.patience is not None,
            lookback=lookback,
            targets=targets,
        )

    def _first_weights(self) -> tuple[range, list[list[np.ndarray]]]:
        seeds = range(self.seed, self.seed + self.members)
        return seeds, [self.architecture_.first_weights(seed=seed) for seed in seeds]

    def _jobs(self, data: Data) -> Iterator[Job]:
        seeds, first = self._first_weights()
        _, targets = self.window
        folds = self._left_out() % data.folds
        for well, row in enumerate(np.isfinite(data.validation_targets)):
            tiles = sequence_windows(row[None], lookback=0, targets=targets)
            validation = tiles.target_start.astype(np.int32)
            for seed, fold, weights in zip(seeds, folds.tolist(), first, strict=True):
                starts = epoch_starts(
                    np.isfinite(data.targets[well * data.folds + fold]),
                    targets=targets,
                    batch_size=self.batch_size,
                    epochs=self.epochs,
                    seed=seed,
                )
                rates = cosine_rates(self.learning_rate, starts.shape[0] * starts.shape[1])
                yield Job(well, weights, starts, rates, validation, seed, fold)

    def _keep(self, trained: Sequence[Trained], wells: Sequence[str]) -> None:
        shape = (len(wells), self.members)
        self.seeds_ = list(range(self.seed, self.seed + self.members))
        self.weights_ = [
            np.stack(parts).reshape(*shape, *parts[0].shape)
            for parts in zip(*(t.weights for t in trained), strict=True)
        ]
        self.best_epochs_ = xr.DataArray(
            np.reshape([t.best_epoch for t in trained], shape),
            coords={schema.WELL: list(wells), schema.MEMBER: self.seeds_},
            dims=(schema.WELL, schema.MEMBER),
        )
        self.history_ = history_of(list(product(wells, self.seeds_)), trained)

    def _check_settings(self) -> None:
        check_settings(self)
        if not self.settings_known_:
            warnings.warn(
                "Networks are trained again with the settings of their first fit. Received "
                f"{self.name!r} from a file without them, so defaults are used where they are "
                "unknown. Fit a new forecaster to choose them.",
                stacklevel=4,
            )

    @staticmethod
    def join_members(parts: Sequence[NeuralForecaster]) -> NeuralForecaster:
        """Return one forecaster with the members of several, as if they were fitted together.

        The member weights are learnt anew from all members.

        Parameters
        ----------
        parts : sequence of NeuralForecaster
            Fitted to the same rows, with the same settings except members and seed.

        Returns
        -------
        NeuralForecaster
            Members in the order of the parts.
        """
        joined = copy.copy(parts[0])
        joined.members = sum(part.members for part in parts)
        joined.seeds_ = [seed for part in parts for seed in part.seeds_]
        joined.weights_ = [
            np.concatenate(arrays, axis=1)
            for arrays in zip(*(part.weights_ for part in parts), strict=True)
        ]
        if parts[0].left_out_ is not None:
            joined.left_out_ = np.concatenate([part.left_out_ for part in parts])
        joined.best_epochs_ = xr.concat([part.best_epochs_ for part in parts], schema.MEMBER)
        history = pd.concat([part.history_ for part in parts])
        wells = schema.well_names(joined.best_epochs_)
        by_well = history.groupby("well", sort=False)
        joined.history_ = pd.concat([by_well.get_group(well) for well in wells], ignore_index=True)
        joined.member_weights_ = joined._learn_member_weights()
        return joined


def without_folds(targets: np.ndarray, fold: xr.DataArray) -> np.ndarray:
    """Return targets (well, time) with those of each fold of :func:`train_folds` removed in turn.

    Shape (well * fold, time), with the rows of a well next to each other. A well whose targets all
    lie in one fold keeps them.
    """
    left_out = fold.values[:, None] == np.arange(fold.attrs["folds"])[:, None]
    kept = np.where(left_out, np.nan, targets[:, None])
    alone = ~np.isfinite(kept).any(axis=2, keepdims=True)
    kept = np.where(alone, targets[:, None], kept).astype(targets.dtype)
    return np.asarray(kept.reshape(-1, targets.shape[1]))
