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

import keras
import numpy as np
import tensorflow as tf

from gwforecast.models.base import Progress
from gwforecast.models.losses import Loss
from gwforecast.models.optimizers import OPTIMIZERS, clip_by_norm, zero_slots

__all__ = ["Data", "Job", "Recipe", "Trained", "cosine_rates", "predict", "settle_workers", "train"]

PREDICTED_AT_ONCE = 256  # windows, which bounds the memory of long simulations


@dataclass(frozen=True)
class Recipe:
    """How every network of a training is trained.

    Parameters
    ----------
    loss : callable
        Maps targets (batch, step), NaN where there is none, and outputs (batch, step, output) to a
        scalar.
    optimizer : str
        Name of an optimizer.
    weight_decay : float
        Share of each kernel that is taken off in an update, times the learning rate (Loshchilov
        and Hutter 2019, arXiv:1711.05101).
    clip_norm : float
        Largest global norm of a gradient.
    patience : int
        Epochs without a better validation loss after which a network stops.
    lookback, targets : int
        Warm-up and target steps of a window.
    """

    loss: Loss
    optimizer: str
    weight_decay: float
    clip_norm: float
    patience: int
    lookback: int
    targets: int


@dataclass(frozen=True)
class Data:
    """Scaled data, held once.

    Parameters
    ----------
    inputs : numpy.ndarray
        Shape (well, time, input), float32, without NaN.
    targets, validation_targets : numpy.ndarray
        Shape (well, time), float32; NaN where a step is no target.
    """

    inputs: np.ndarray
    targets: np.ndarray
    validation_targets: np.ndarray


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
    """

    well: int
    weights: list[np.ndarray]
    starts: np.ndarray
    rates: np.ndarray
    validation: np.ndarray
    seed: int


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
    network: keras.Model,
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
    network : keras.Model
        Maps (batch, step, input) to (batch, step, output); its own weights are not changed.
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
    run = _compiled_job(network, recipe)
    tensors = (
        tf.constant(pad(data.inputs, recipe, 0.0)),
        tf.constant(pad(data.targets, recipe, np.nan)),
        tf.constant(pad(data.validation_targets, recipe, np.nan)),
    )

    def work(job: Job) -> Trained:
        state = [tf.constant([job.seed, i], v.dtype) for i, v in enumerate(_state(network))]
        weights, epoch, losses, validation = run(
            *tensors,
            tf.constant(job.well),
            [tf.constant(w) for w in job.weights],
            state,
            tf.constant(job.starts),
            tf.constant(job.rates),
            tf.constant(job.validation),
        )
        return Trained([w.numpy() for w in weights], int(epoch), losses.numpy(), validation.numpy())

    return list(_in_threads(work, jobs, workers, progress))


def predict(
    network: keras.Model,
    weights: Sequence[Sequence[np.ndarray]],
    *,
    inputs: np.ndarray,
    lookback: int,
    targets: int,
    workers: int = 1,
) -> np.ndarray:
    """Return each network's outputs at every step, shape (network, time, output).

    Parameters
    ----------
    network : keras.Model
        The network that the weights belong to.
    weights : sequence of sequence of numpy.ndarray
        Trained weights of each network.
    inputs : numpy.ndarray
        Shape (time, input), float32, scaled, of one well.
    lookback, targets : int
        Warm-up, and the steps that are predicted behind one warm-up.
    workers : int
        Networks at once.
    """
    state = [tf.convert_to_tensor(v) for v in _state(network)]
    steps = tf.range(lookback + targets)

    @tf.function(autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def run(values: tf.Tensor, starts: tf.Tensor, weights: Any) -> tf.Tensor:
        windows = tf.gather(values, starts[:, None] + steps)
        outputs, _ = network.stateless_call(weights, state, windows, training=False)
        return outputs[:, -targets:]

    padded = tf.constant(np.pad(inputs, ((lookback, targets), (0, 0))))
    starts = np.arange(0, len(inputs), targets, dtype=np.int32)
    parts = [
        tf.constant(starts[first : first + PREDICTED_AT_ONCE])
        for first in range(0, starts.size, PREDICTED_AT_ONCE)
    ]

    def work(member: Sequence[np.ndarray]) -> np.ndarray:
        tensors = [tf.constant(w) for w in member]
        outputs = np.concatenate([run(padded, part, tensors).numpy() for part in parts])
        return outputs.reshape(-1, outputs.shape[-1])[: len(inputs)]

    return np.stack(list(_in_threads(work, weights, workers, None)))


def pad(values: np.ndarray, recipe: Recipe, fill: float) -> np.ndarray:
    """Return (well, time, ...) with room for a warm-up before and a window's targets behind."""
    width = [(0, 0), (recipe.lookback, recipe.targets)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, width, constant_values=fill)


def _in_threads(
    work: Callable[[Any], Any], items: Sequence[Any], workers: int, progress: Progress | None
) -> Iterator[Any]:
    with ThreadPoolExecutor(workers) as pool:
        for done, result in enumerate(pool.map(work, items), start=1):
            if progress is not None:
                progress("networks", done, len(items))
            yield result


def _state(network: keras.Model) -> list[Any]:
    return list(network.non_trainable_variables)


def _compiled_job(network: keras.Model, recipe: Recipe) -> Callable[..., Any]:
    """Return the function that trains one job: an outer loop of epochs, an inner one of updates.

    Its signature fixes no length, so wells of any length are trained by one trace.
    """
    steps = tf.range(recipe.lookback + recipe.targets)

    def gather(x: tf.Tensor, y: tf.Tensor, starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # data are padded by the lookback, so the first target's position is the first input's
        positions = starts[:, None] + steps
        return tf.gather(x, positions), tf.gather(y, positions[:, recipe.lookback :])

    def call(weights: Any, state: Any, x: tf.Tensor, training: bool) -> Any:
        outputs, state, penalties = network.stateless_call(
            weights, state, x, training=training, return_losses=True
        )
        return outputs[:, -recipe.targets :], state, penalties

    update = _update(network, recipe, call)

    def one_epoch(x: Any, y: Any, starts: Any, rates: Any, first: Any, *carried: Any) -> Any:
        def body(u: Any, weights: Any, state: Any, slots: Any, total: Any) -> Any:
            batch = gather(x, y, starts[u])
            fit, *carried = update(batch, weights, state, slots, first + u, rates[first + u])
            return u + 1, *carried, total + fit

        n = tf.shape(starts)[0]
        loop = tf.while_loop(lambda u, *_: u < n, body, (0, *carried, 0.0), parallel_iterations=1)
        return *loop[1:-1], loop[-1] / tf.cast(n, tf.float32)

    def validate(x: Any, y: Any, starts: Any, weights: Any, state: Any) -> tf.Tensor:
        inputs, targets = gather(x, y, starts)
        return recipe.loss(targets, call(weights, state, inputs, False)[0])

    @tf.function(  # type: ignore[untyped-decorator]
        autograph=False, input_signature=_signature(network)
    )
    def run(
        inputs: Any,
        targets: Any,
        validation_targets: Any,
        well: Any,
        weights: Any,
        state: Any,
        starts: Any,
        rates: Any,
        validation: Any,
    ) -> Any:
        x, y, y_validation = inputs[well], targets[well], validation_targets[well]
        n_epochs, n_updates = tf.shape(starts)[0], tf.shape(starts)[1]

        def body(epoch: Any, carried: Any, best: Any, logs: Any) -> Any:
            *carried, fit = one_epoch(x, y, starts[epoch], rates, epoch * n_updates, *carried)
            value = tf.cond(
                tf.size(validation) > 0,
                lambda: validate(x, y_validation, validation, carried[0], carried[1]),
                lambda: -tf.cast(epoch, tf.float32),  # always better: the last weights are kept
            )
            better = value < best[0]
            best = tf.nest.map_structure(
                lambda new, old: tf.where(better, new, old), (value, epoch, carried[0]), best
            )
            logs = logs[0].write(epoch, fit), logs[1].write(epoch, value)
            return epoch + 1, tuple(carried), best, logs

        _, _, (_, best_epoch, best_weights), logs = tf.while_loop(
            lambda epoch, _, best, __: (epoch < n_epochs) & (epoch - best[1] <= recipe.patience),
            body,
            (0, (weights, state, zero_slots(weights)), (np.float32(np.inf), 0, weights), _logs()),
            parallel_iterations=1,
        )
        return best_weights, best_epoch + 1, logs[0].stack(), logs[1].stack()

    return run  # type: ignore[no-any-return]


def _update(network: keras.Model, recipe: Recipe, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of one update: loss, gradients, clipping, decay and the optimizer."""
    step = OPTIMIZERS[recipe.optimizer]
    decays = [recipe.weight_decay * (len(v.shape) > 1) for v in network.trainable_variables]

    def update(batch: Any, weights: Any, state: Any, slots: Any, n: Any, rate: Any) -> Any:
        inputs, targets = batch
        with tf.GradientTape() as tape:
            tape.watch(weights)
            outputs, state, penalties = call(weights, state, inputs, True)
            fit = recipe.loss(targets, outputs)
            loss = fit + tf.add_n(penalties) if penalties else fit
        gradients = clip_by_norm(tape.gradient(loss, weights), recipe.clip_norm)
        weights = [w - rate * d * w if d else w for w, d in zip(weights, decays, strict=True)]
        number = tf.cast(n + 1, tf.float32)
        weights, slots = step(weights, gradients, slots, number, rate)
        return fit, weights, state, slots

    return update


def _logs() -> tuple[tf.TensorArray, tf.TensorArray]:
    fits, values = (
        tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=()) for _ in range(2)
    )
    return fits, values


def _signature(network: keras.Model) -> list[Any]:
    inputs = network.inputs[0].shape[-1]
    return [
        tf.TensorSpec((None, None, inputs), tf.float32),
        tf.TensorSpec((None, None), tf.float32),
        tf.TensorSpec((None, None), tf.float32),
        tf.TensorSpec((), tf.int32),
        [tf.TensorSpec(v.shape, v.dtype) for v in network.trainable_variables],
        [tf.TensorSpec(v.shape, v.dtype) for v in _state(network)],
        tf.TensorSpec((None, None, None), tf.int32),
        tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((None,), tf.int32),
    ]
