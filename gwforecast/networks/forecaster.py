"""What every neural forecaster does: an ensemble of networks per well, driven by covariates.

Labelled observations are scaled, turned into arrays and trained on by the engine.

An ensemble that is trained in steps: fits of some members each, put together.
"""

from __future__ import annotations

import abc
import copy
import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Self

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.covariates import DEFAULT_FEATURES
from gwforecast.models.base import HeldOut, through_periods
from gwforecast.networks import training
from gwforecast.networks.architecture import Architecture, Head
from gwforecast.networks.keras_models import build
from gwforecast.networks.stored import NetworkForecaster, learn_trust, trust_at
from gwforecast.networks.training import LOSSES, OPTIMIZERS
from gwforecast.progress import Progress, further
from gwforecast.sequences.scale import Scaler
from gwforecast.sequences.split import FOLDS, Period, Split, train_folds, without_folds
from gwforecast.sequences.windows import epoch_starts, sequence_windows

__all__ = ["NeuralForecaster", "join_members"]


FEWEST_TARGETS = 20
UPDATE_RATE = 0.1  # of the learning rate, with which a training goes on
WELLS_AT_ONCE = 100  # whose scaled data are held at a time


@dataclass(kw_only=True)
class NeuralForecaster(NetworkForecaster):
    """An ensemble of networks for each well, trained on covariates alone.

    Parameters
    ----------
    covariates : sequence of str, optional
        Covariates that the networks see; by default all.
    features : sequence of str
        Derived covariates, names from :data:`gwforecast.data.covariates.FEATURES`.
    lookback : int, optional
        Steps of weather before the first target of a window; by default one year.
    targets : int, optional
        Target steps behind one warm-up; by default one year.
    loss : {"mse", "mae", "huber", "nse"}
        Loss of scaled levels.
    optimizer : {"adam", "rmsprop", "sgd"}
        How the weights are updated.
    learning_rate : float
        Highest learning rate; it falls to a hundredth of it along a cosine.
    weight_decay, l2 : float
        Decoupled weight decay, and the weight of the squared kernels in the loss.
    clip_norm : float
        Largest global norm of a gradient.
    dropout, noise : float
        In training: share of states dropped, and standard deviation of noise on scaled inputs.
    epochs : int
        Passes over the training targets, at most.
    batch_size : int
        Windows in an update.
    patience : int, optional
        Epochs without a better validation loss after which a network stops; by default none stops
        early. The weights of the best epoch are kept in any case.
    members : int
        Networks with first weights, shuffles and dropout of their own. The prediction is their
        median, or, where they start in several ways, their mean weighted by ``trust_``.
    seed : int
        Seed of member 0; member k has ``seed + k``.
    folds : int
        Parts of the train period, of which each member of a first fit leaves one out, so that there
        are errors of unseen levels from all years, see :meth:`held_out`; a refit leaves none out.
    workers : int, optional
        Networks trained at once; by default as many as there are cores.
    head : Head
        Outputs of the networks; by default the level.

    Attributes
    ----------
    lookback_, targets_ : int
        Lookback and targets that were used.
    wells_ : list of str
        Wells that were fitted; others are NaN in a simulation.
    scaler_ : Scaler
        Scales of level and covariates, from the fitted rows.
    inputs_ : list of str
        Covariates that the networks see, derived ones included.
    weights_ : list of numpy.ndarray
        Weights in the order of the network's variables, each (well, member, ...).
    best_epochs_ : xarray.DataArray
        Epoch of the best weights, dims (well, member).
    trust_ : numpy.ndarray or None
        Weight of each member by its best validation loss, shape (well, member), where members start
        in several ways, see :func:`gwforecast.networks.stored.learn_trust`; kept in refits.
    left_out_ : numpy.ndarray or None
        Fold of the train period that each member left out, shape (member,); None where none did.
    history_ : pandas.DataFrame
        Columns well, member, epoch, loss, validation_loss (scaled, so that 1 is the variance).
    """

    covariates: Sequence[str] | None = None
    features: Sequence[str] = DEFAULT_FEATURES
    lookback: int | None = None
    targets: int | None = None
    loss: str = "mse"
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    weight_decay: float = 1.5
    l2: float = 0.0
    clip_norm: float = 1.0
    dropout: float = 0.4
    noise: float = 0.2
    epochs: int = 150
    batch_size: int = 8
    patience: int | None = None
    members: int = 10
    seed: int = 0
    folds: int = FOLDS
    workers: int | None = None
    head: Head = field(default=Head(), repr=False)
    left_out_ = None
    starts = 1  # ways in which members start, by their seeds

    @abc.abstractmethod
    def architecture(self, inputs: int) -> Architecture:
        """Return the network's architecture for a number of inputs."""

    def _architecture(self, kind: str, inputs: int, **own: object) -> Architecture:
        shared = {
            "dropout": self.dropout,
            "noise": self.noise,
            "l2": self.l2,
            "outputs": self.head.outputs,
            "output_activation": self.head.activation,
        }
        return Architecture(kind, inputs, tuple(sorted({**own, **shared}.items())))

    def fit(
        self, observations: xr.Dataset, *, split: Split, progress: Progress | None = None
    ) -> Self:
        """Train on the train rows; keep each member's weights of the best validation epoch."""
        self._check_settings()
        return self._fit(observations, split, ("train",), True, progress)

    def refit(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        through: Period = "validation",
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster trained on all rows through a period.

        Each network runs through its whole schedule; there is no validation and nothing is chosen.
        """
        again = copy.copy(self)
        return again._fit(observations, split, through_periods(through), False, progress)

    def held_out(self, observations: xr.Dataset, split: Split) -> list[HeldOut]:
        """Return the validation rows, and each fold of a first fit with those that left it out."""
        parts = super().held_out(observations, split)
        if self.left_out_ is not None:
            known = observations.sel({schema.WELL: self._known(observations)})
            fold = self._folds(known, self._inputs(known)[1], split)
            fold = fold.reindex({schema.WELL: observations[schema.WELL]}, fill_value=-1)
            parts += [
                HeldOut(fold == number, self.of_members(self.left_out_ == number))
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
        progress: Progress | None = None,
    ) -> Self:
        """Return a new forecaster whose training goes on with all rows through a period.

        The networks start from their weights, scales are kept, and the learning rate is a tenth of
        the first: new levels shift what was learnt, and do not replace it. Wells that were not
        fitted before are left out.

        The arguments are those of :meth:`refit`, with old rows and new; ``epochs`` are the passes
        over them, by default a tenth of those of a fit.
        """
        again = copy.copy(self)
        again.epochs = max(1, self.epochs // 10) if epochs is None else epochs
        again.learning_rate = UPDATE_RATE * self.learning_rate
        workers = training.settle_workers(self.workers)
        wells = again._known(observations)
        rows = split.rows(observations, *through_periods(through)).sel({schema.WELL: wells})
        data = again._data(observations.sel({schema.WELL: wells}), rows, None)
        positions = [self.wells_.index(well) for well in wells]
        again.trust_ = trust_at(wells, self.trust_, fitted=self.wells_)
        again.wells_, again.left_out_ = wells, None
        again.weights_ = [weights[positions] for weights in self.weights_]
        jobs = [
            dataclasses.replace(
                job, weights=[w[job.well, n % self.members] for w in again.weights_]
            )
            for n, job in enumerate(again._jobs(data))
        ]
        trained = training.train(
            again.architecture_, again._recipe(), data, jobs, workers=workers, progress=progress
        )
        again._keep(trained, wells)
        again.epochs, again.learning_rate = self.epochs, self.learning_rate
        return again

    def _fit(
        self,
        observations: xr.Dataset,
        split: Split,
        periods: tuple[Period, ...],
        validates: bool,
        progress: Progress | None,
    ) -> Self:
        workers = training.settle_workers(self.workers)  # before TensorFlow starts
        rows = split.rows(observations, *periods)
        wells = self._fit_wells(observations, rows)
        old = None if validates else self.trust_
        self.trust_ = trust_at(wells, old, fitted=[] if old is None else self.wells_)
        self.wells_ = wells
        self.left_out_ = self._left_out() if validates and self.folds > 1 else None
        observations = observations.sel({schema.WELL: self.wells_})
        rows = rows.sel({schema.WELL: self.wells_})
        self._settle_window(observations)
        self._learn_inputs(observations, rows)
        self._train(observations, rows, split if validates else None, workers, progress)
        if validates:
            self.trust_ = self._learn_trust()
        return self

    def _left_out(self) -> np.ndarray:
        """Return the fold of each member's seed; members of all starts leave each fold out."""
        return np.arange(self.seed, self.seed + self.members) // self.starts % self.folds

    def _learn_trust(self) -> np.ndarray | None:
        best = self.history_.groupby(["well", "member"], sort=False)["validation_loss"].min()
        losses = best.to_numpy().reshape(self.best_epochs_.shape)  # one row where wells share all
        losses = np.broadcast_to(losses, (len(self.wells_), losses.shape[1]))
        return learn_trust(losses, np.array(self.seeds_) % self.starts)

    def _train(
        self,
        observations: xr.Dataset,
        rows: xr.DataArray,
        split: Split | None,
        workers: int,
        progress: Progress | None,
    ) -> None:
        """Train and keep the networks; a split tells which rows they are validated on."""
        trained: list[training.Trained] = []
        for first in range(0, len(self.wells_), WELLS_AT_ONCE):
            wells = self.wells_[first : first + WELLS_AT_ONCE]
            group = observations.sel({schema.WELL: wells})
            data = self._data(group, rows.sel({schema.WELL: wells}), split)
            self.architecture_ = self.architecture(data.inputs.shape[-1])
            trained += training.train(
                self.architecture_,
                self._recipe(),
                data,
                list(self._jobs(data)),
                workers=workers,
                progress=further(progress, len(trained), len(self.wells_) * self.members),
            )
        self._keep(trained, self.wells_)

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

    def _data(
        self, observations: xr.Dataset, rows: xr.DataArray, split: Split | None
    ) -> training.Data:
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
        return training.Data(inputs, targets, held_out)

    def _folds(self, observations: xr.Dataset, complete: np.ndarray, split: Split) -> xr.DataArray:
        usable = xr.DataArray(complete, dims=(schema.WELL, schema.TIME))
        return train_folds(observations[[schema.LEVEL]].where(usable), split, folds=self.folds)

    def _settle_window(self, observations: xr.Dataset) -> None:
        frequency = timeline.infer_frequency(observations[schema.TIME].values)
        year = round(timeline.steps_per_year(frequency))
        self.lookback_ = year if self.lookback is None else self.lookback
        self.targets_ = year if self.targets is None else self.targets

    def _recipe(self) -> training.Recipe:
        lookback, targets = self.window
        return training.Recipe(
            loss=LOSSES[self.head.loss or self.loss],
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            clip_norm=self.clip_norm,
            patience=self.epochs if self.patience is None else self.patience,
            lookback=lookback,
            targets=targets,
        )

    def _first_weights(self) -> tuple[range, list[list[np.ndarray]]]:
        seeds = range(self.seed, self.seed + self.members)
        networks = [build(self.architecture_, seed=seed) for seed in seeds]
        return seeds, [[np.asarray(v) for v in n.trainable_variables] for n in networks]

    def _jobs(self, data: training.Data) -> Iterator[training.Job]:
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
                rates = training.cosine_rates(self.learning_rate, starts.shape[0] * starts.shape[1])
                yield training.Job(well, weights, starts, rates, validation, seed, fold)

    def _keep(self, trained: Sequence[training.Trained], wells: Sequence[str]) -> None:
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
        self.history_ = training.history_of(list(product(wells, self.seeds_)), trained)

    def _check_settings(self) -> None:
        for name, known in (("loss", LOSSES), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {sorted(known)}. Received {getattr(self, name)!r}. "
                    f"Correct the setting {name!r} of {self.name!r}."
                )
        for name in ("epochs", "batch_size", "members", "folds"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1. Received {getattr(self, name)}. Correct the "
                    f"setting {name!r} of {self.name!r}."
                )


def join_members(parts: Sequence[NeuralForecaster]) -> NeuralForecaster:
    """Return one forecaster with the members of several, as if they had been fitted together.

    Parameters
    ----------
    parts : sequence of NeuralForecaster
        Fits to the same wells and rows, with the same settings but for members and seed.

    Returns
    -------
    NeuralForecaster
        Its trust in the members is learnt from all of them.
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
    wells = [str(well) for well in joined.best_epochs_[schema.WELL].values]
    by_well = history.groupby("well", sort=False)
    joined.history_ = pd.concat([by_well.get_group(well) for well in wells], ignore_index=True)
    joined.trust_ = joined._learn_trust()
    return joined
