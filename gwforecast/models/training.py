"""The training engine: one compiled call trains one network from its first to its best weights.

A *job* is one member of one well. All its epochs, batches, validation losses, early stopping and
the snapshot of its best weights run inside one TensorFlow function, so Python is entered only
between jobs. Jobs share nothing but the data, so a result depends neither on the other jobs nor on
how many run at once; each worker is a thread that keeps one core busy.

Data are held once, and a batch is gathered from them by the positions of its windows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from gwforecast.models.architecture import Architecture
from gwforecast.models.base import Progress
from gwforecast.models.graphs import Recipe, compiled_job

__all__ = [
    "Data",
    "Job",
    "Recipe",
    "Trained",
    "cosine_rates",
    "history_of",
    "settle_workers",
    "string_together",
    "train",
]


@dataclass(frozen=True)
class Data:
    """Scaled data, held once.

    Parameters
    ----------
    inputs : numpy.ndarray
        Shape (well, time, input), float32, without NaN.
    targets : numpy.ndarray
        Shape (well * fold, time), float32; NaN where a step is no target. The rows of a well follow
        each other: one where all networks have the same targets, else one for each fold, without
        the targets of that fold.
    validation_targets : numpy.ndarray
        Shape (well, time), float32; NaN where a step is no target.
    attributes : numpy.ndarray, optional
        Shape (well, attribute), float32: what follows the inputs at every step of a window.
    span : int
        Steps that a well takes, where wells lie behind each other in one row, see
        :func:`string_together`; 0 where each has a row of its own.
    """

    inputs: np.ndarray
    targets: np.ndarray
    validation_targets: np.ndarray
    attributes: np.ndarray | None = None
    span: int = 0

    @property
    def folds(self) -> int:
        """Rows of targets for each well."""
        return len(self.targets) // len(self.inputs)


@dataclass(frozen=True)
class Job:
    """One network to train.

    Parameters
    ----------
    well : int
        Row of the data.
    weights : list of numpy.ndarray
        First weights, in the order of ``network.trainable_variables``.
    starts : numpy.ndarray
        Positions of the first target of each window, shape (epoch, update, window), int32.
    rates : numpy.ndarray
        Learning rate of each update, shape (epoch * update,), float32.
    validation : numpy.ndarray
        Positions of the first target of the validation windows, int32; where there are none, the
        last weights are the best.
    seed : int
        Seed of dropout and noise.
    fold : int
        Which of the well's rows of targets it is trained on.
    """

    well: int
    weights: list[np.ndarray]
    starts: np.ndarray
    rates: np.ndarray
    validation: np.ndarray
    seed: int
    fold: int = 0


@dataclass(frozen=True)
class Trained:
    """What a job gives: best weights, their epoch (from 1) and the losses of each epoch."""

    weights: list[np.ndarray]
    best_epoch: int
    loss: np.ndarray
    validation_loss: np.ndarray


def settle_workers(workers: int | None) -> int:
    """Return the number of networks to train at once, and give each a core of its own.

    Small matrices are slower on two threads than on one, so cores are shared out by networks. The
    threads of TensorFlow can be set only before it starts; after that they stay as they are. On a
    GPU one network is trained at a time unless a number is given.
    """
    if tf.config.list_physical_devices("GPU"):
        return workers or 1
    workers = workers or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ())
    workers = workers or os.cpu_count() or 1
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(workers)
    except RuntimeError:
        pass
    return workers


def cosine_rates(peak: float, updates: int) -> np.ndarray:
    """Return the learning rate of each update: ten steps up, then a cosine down to 1 % of the peak.

    References
    ----------
    Loshchilov and Hutter (2017), arXiv:1608.03983.
    """
    step = np.arange(updates)
    cosine = 0.5 * (1 + np.cos(np.pi * step / updates))
    rates = peak * (0.01 + 0.99 * cosine) * np.minimum(1.0, (step + 1) / 10)
    return rates.astype(np.float32)


def train(
    architecture: Architecture,
    recipe: Recipe,
    data: Data,
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Trained]:
    """Train each job's network to its best weights.

    Parameters
    ----------
    architecture : Architecture
        Of all the networks.
    recipe : Recipe
        How each is trained.
    data : Data
        What they are trained on.
    jobs : sequence of Job
        One for each network.
    workers : int
        Networks at once.
    progress : Progress, optional
        Told of networks done.

    Returns
    -------
    list of Trained
        In the order of the jobs.
    """
    network, run = compiled_job(architecture, recipe)
    none = np.zeros((0, 0), np.float32)
    tensors = (
        tf.constant(pad(data.inputs, recipe, 0.0)),
        tf.constant(pad(data.targets, recipe, np.nan)),
        tf.constant(pad(data.validation_targets, recipe, np.nan)),
        tf.constant(none if data.attributes is None else data.attributes),
        tf.constant(data.span or data.targets.shape[1] + 1, tf.int32),
    )

    def work(job: Job) -> Trained:
        state = [
            tf.constant([job.seed, i], v.dtype)
            for i, v in enumerate(network.non_trainable_variables)
        ]
        weights, epoch, losses, validation = run(
            *tensors,
            tf.constant(job.well),
            tf.constant(job.well * data.folds + job.fold),
            [tf.constant(w) for w in job.weights],
            state,
            tf.constant(job.starts),
            tf.constant(job.rates),
            tf.constant(job.validation),
        )
        return Trained([w.numpy() for w in weights], int(epoch), losses.numpy(), validation.numpy())

    return list(_in_threads(work, jobs, workers, progress))


def history_of(labels: Sequence[tuple[str, int]], trained: Sequence[Trained]) -> pd.DataFrame:
    """Return the losses of networks by well, member and epoch.

    Parameters
    ----------
    labels : sequence of (str, int)
        Well and member of each network.
    trained : sequence of Trained
        What their training gave.
    """
    parts = [
        pd.DataFrame(
            {
                "well": well,
                "member": member,
                "epoch": np.arange(1, one.loss.size + 1),
                "loss": one.loss,
                "validation_loss": one.validation_loss,
            }
        )
        for (well, member), one in zip(labels, trained, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def pad(values: np.ndarray, recipe: Recipe, fill: float) -> np.ndarray:
    """Return (well, time, ...) with room for a whole window before and for its targets behind."""
    width = [(0, 0), (recipe.steps, recipe.targets)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, width, constant_values=fill)


def string_together(data: Data, recipe: Recipe) -> Data:
    """Return data whose wells lie behind each other in one row, for a network of all wells.

    Between them is room for windows, so that none holds two wells. Row ``r`` of the first well lies
    at ``recipe.steps + r``, and that of each further well ``span`` steps on.
    """

    def row(values: np.ndarray, fill: float) -> np.ndarray:
        padded = pad(values, recipe, fill)
        return padded.reshape(1, -1, *padded.shape[2:])

    folds = data.folds
    return Data(
        row(data.inputs, 0.0),
        np.concatenate([row(data.targets[fold::folds], np.nan) for fold in range(folds)]),
        row(data.validation_targets, np.nan),
        data.attributes,
        data.targets.shape[1] + recipe.steps + recipe.targets,
    )


def _in_threads(
    work: Callable[[Any], Any], items: Sequence[Any], workers: int, progress: Progress | None
) -> Iterator[Any]:
    with ThreadPoolExecutor(workers) as pool:
        for done, result in enumerate(pool.map(work, items), start=1):
            if progress is not None:
                progress("networks", done, len(items))
            yield result
