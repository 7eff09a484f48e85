"""The engine by TensorFlow: one call trains one network from its first to its last weights.

It trains every network that Keras can build, also on a GPU. Those that
:mod:`gwforecast.networks.engines.compiled` knows are trained by it, unless there is a GPU.

All epochs, batches and validation losses of a job are computed inside one TensorFlow function, so
that Python only counts epochs. Each worker is a thread that keeps one core busy.

Data are in memory once, and a batch is gathered by the positions of its windows. Losses are means
over the observed targets of a batch. Optimizers are pure functions of weights, gradient and
moments, because Keras' optimizers keep their state in variables. All weights of a network are one
vector: an operation on a small tensor costs as much as on a large one.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from gwforecast.networks.engines.jobs import Data, Job, Recipe, Trained, cores, in_threads, pad
from gwforecast.networks.parts import Architecture, quiet_start
from gwforecast.progress import Progress

with quiet_start():
    import keras
    import tensorflow as tf

__all__ = [
    "LOSSES", "OPTIMIZERS", "Loss", "choose_workers", "compiled_job", "require_own_process",
    "train",
]  # fmt: skip

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def _mean_over_observed(
    targets: tf.Tensor, point_loss: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    observed = tf.math.is_finite(targets)
    # NaN must not enter the loss itself, or its gradient would be NaN despite the mask
    values = point_loss(tf.where(observed, targets, 0.0))
    count = tf.reduce_sum(tf.cast(observed, tf.float32))
    return tf.reduce_sum(tf.where(observed, values, 0.0)) / tf.maximum(count, 1.0)


def mse(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Return the mean squared error of scaled levels.

    Levels are scaled by the standard deviation of each well's training rows, so that this is also
    the NSE loss of Kratzert et al. (2019, doi:10.5194/hess-23-5089-2019).
    """
    return _mean_over_observed(targets, lambda y: tf.square(outputs[..., 0] - y))


def mae(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Return the mean absolute error of scaled levels."""
    return _mean_over_observed(targets, lambda y: tf.abs(outputs[..., 0] - y))


def huber(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Return the loss of Huber (1964, doi:10.1214/aoms/1177703732), linear beyond 1."""

    def point(y: tf.Tensor) -> tf.Tensor:
        error = tf.abs(outputs[..., 0] - y)
        return tf.where(error < 1.0, 0.5 * tf.square(error), error - 0.5)

    return _mean_over_observed(targets, point)


def crossentropy(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy of class probabilities; targets are the numbers of the classes."""

    def point(y: tf.Tensor) -> tf.Tensor:
        chosen = tf.one_hot(tf.cast(y, tf.int32), outputs.shape[-1])
        return -tf.math.log(tf.reduce_sum(outputs * chosen, axis=-1) + 1e-7)

    return _mean_over_observed(targets, point)


LOSSES: dict[str, Loss] = {
    "mse": mse, "mae": mae, "huber": huber, "nse": mse, "crossentropy": crossentropy,
}  # fmt: skip
"""Losses by name; ``nse`` is ``mse`` of levels in units of the well's standard deviation."""

Step = Callable[[Any, Any, Any, tf.Tensor, tf.Tensor], tuple[Any, Any]]


def adam(
    weights: tf.Tensor, gradient: tf.Tensor, moments: Any, step: tf.Tensor, rate: tf.Tensor
) -> tuple[tf.Tensor, Any]:
    """Take a step of Adam (Kingma and Ba 2015, arXiv:1412.6980)."""
    first, second = moments
    first += 0.1 * (gradient - first)
    second += 0.001 * (gradient * gradient - second)
    scale = rate * tf.sqrt(1.0 - 0.999**step) / (1.0 - 0.9**step)
    return weights - scale * first / (tf.sqrt(second) + 1e-7), (first, second)


def rmsprop(
    weights: tf.Tensor, gradient: tf.Tensor, moments: Any, step: tf.Tensor, rate: tf.Tensor
) -> tuple[tf.Tensor, Any]:
    """Take a step of RMSprop (Hinton 2012, lecture 6e of Neural Networks for Machine Learning)."""
    del step
    first, second = moments
    second = 0.9 * second + 0.1 * gradient * gradient
    return weights - rate * gradient / (tf.sqrt(second) + 1e-7), (first, second)


def sgd(
    weights: tf.Tensor, gradient: tf.Tensor, moments: Any, step: tf.Tensor, rate: tf.Tensor
) -> tuple[tf.Tensor, Any]:
    """Take a step of gradient descent with Nesterov's momentum of 0.9."""
    del step
    first, second = moments
    first = 0.9 * first - rate * gradient
    return weights + 0.9 * first - rate * gradient, (first, second)


OPTIMIZERS: dict[str, Step] = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}
"""Optimizers by name."""

COMPILED_KEPT = 16  # compiled functions in memory, each for one architecture and recipe


@lru_cache(maxsize=COMPILED_KEPT)
def compiled_job(
    architecture: Architecture, recipe: Recipe
) -> tuple[keras.Model, Callable[..., Any]]:
    """Return a network and the function that trains a job on it, see :class:`_JobGraph`.

    It is kept for refits and further wells of the same architecture. The signature fixes no length,
    so that one trace serves wells of any length.
    """
    graph = _JobGraph(architecture.build(), recipe)
    signature = _signature(graph.network, attributes=recipe.attributes)
    run = tf.function(graph.run, autograph=False, input_signature=signature)
    # a concrete function has no lock, which a failure in a thread would never release
    return graph.network, run.get_concrete_function()


class _JobGraph:
    """The graph of one job: a loop over epochs, each a loop over updates and a validation.

    Weights, the state of the seeds and the optimizer's moments are carried through the loops, not
    held in variables, so that any number of jobs can use one graph at the same time. All weights of
    the network are carried as one vector, and so are their moments.
    """

    def __init__(self, network: keras.Model, recipe: Recipe) -> None:
        self.network = network
        self.recipe = recipe
        self.step = OPTIMIZERS[recipe.optimizer]
        self.shapes = [tuple(v.shape) for v in network.trainable_variables]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        decays = [len(shape) > 1 for shape in self.shapes]  # biases do not decay
        self.decay = np.float32(recipe.weight_decay) * np.repeat(decays, self.sizes)

    def run(
        self, inputs: Any, targets: Any, held_out: Any, attributes: Any, span: Any, number: Any,
        well: Any, row: Any, weights: Any, state: Any, starts: Any, rates: Any, validation: Any,
    ) -> Any:  # fmt: skip
        """Return the weights that are kept, their epoch from 1, and the losses by epoch."""
        x, y, y_held_out = (inputs[well], attributes, well, span), targets[row], held_out[well]
        n_epochs, n_updates = tf.shape(starts)[0], tf.shape(starts)[1]

        def body(epoch: Any, carried: Any, best: Any, logs: Any) -> Any:
            fit, carried = self.epoch(x, y, starts[epoch], rates, epoch * n_updates, carried)
            value = tf.cond(
                tf.size(validation) > 0,
                lambda: self.validate(x, y_held_out, validation, carried),
                # without a validation each epoch counts as better, so the last weights are kept
                lambda: -tf.cast(epoch, tf.float32),
            )
            better = value < best[0] if self.recipe.stops_early else tf.constant(True)
            best = tf.nest.map_structure(
                lambda new, old: tf.where(better, new, old), (value, epoch, carried[0]), best
            )
            logs = logs[0].write(epoch, fit), logs[1].write(epoch, value)
            after = tf.numpy_function(_count, (number, epoch + 1), tf.int32)
            return tf.ensure_shape(after, ()), carried, best, logs

        def goes_on(epoch: Any, carried: Any, best: Any, logs: Any) -> Any:  # noqa: ARG001
            return (epoch < n_epochs) & (epoch - best[1] <= self.recipe.patience)

        flat = tf.concat([tf.reshape(w, (-1,)) for w in weights], 0)
        first = (flat, state, (tf.zeros_like(flat), tf.zeros_like(flat)))
        none_yet = (np.float32(np.inf), 0, flat)
        _, _, (_, best_epoch, best_weights), logs = tf.while_loop(
            goes_on, body, (0, first, none_yet, _logs()), parallel_iterations=1
        )
        return self.shaped(best_weights), best_epoch + 1, logs[0].stack(), logs[1].stack()

    def epoch(self, x: Any, y: Any, starts: Any, rates: Any, first: Any, carried: Any) -> Any:
        """Return the mean loss of an epoch's updates; and weights, state and moments after it."""

        def body(number: Any, carried: Any, total: Any) -> Any:
            batch = self.gather(x, y, starts[number])
            fit, carried = self.update(batch, carried, first + number, rates[first + number])
            return number + 1, carried, total + fit

        n = tf.shape(starts)[0]
        _, carried, total = tf.while_loop(
            lambda number, *_: number < n, body, (0, carried, 0.0), parallel_iterations=1
        )
        return total / tf.cast(n, tf.float32), carried

    def update(self, batch: Any, carried: Any, number: Any, rate: Any) -> Any:
        """Return the loss of a batch before its update; and the new weights, state and moments."""
        inputs, targets = batch
        weights, state, moments = carried
        with tf.GradientTape() as tape:
            tape.watch(weights)
            outputs, state, penalties = self.call(weights, state, inputs, training=True)
            fit = LOSSES[self.recipe.loss](targets, outputs)
            loss = fit + tf.add_n(penalties) if penalties else fit
        gradient, norm = tape.gradient(loss, weights), self.recipe.clip_norm
        gradient = gradient * (norm / tf.maximum(tf.norm(gradient), norm))
        weights -= rate * self.decay * weights
        number = tf.cast(number + 1, tf.float32)
        weights, moments = self.step(weights, gradient, moments, number, rate)
        return fit, (weights, state, moments)

    def validate(self, x: Any, y: Any, starts: Any, carried: Any) -> Any:
        """Return the loss of the validation targets, without dropout and noise."""
        inputs, targets = self.gather(x, y, starts)
        weights, state, _ = carried
        return LOSSES[self.recipe.loss](
            targets, self.call(weights, state, inputs, training=False)[0]
        )

    def gather(self, x: Any, y: Any, starts: Any) -> Any:
        """Return inputs and targets of windows from data padded by a window at the start."""
        series, attributes, well, span = x
        steps = self.recipe.steps
        positions = starts[:, None] + self.recipe.targets + tf.range(steps)
        inputs = tf.gather(series, positions)
        if self.recipe.attributes:
            of_well = tf.gather(attributes, well + tf.maximum(starts, 0) // span)
            inputs = tf.concat([inputs, tf.repeat(of_well[:, None], steps, axis=1)], axis=-1)
            inputs = tf.ensure_shape(inputs, (None, None, self.network.inputs[0].shape[-1]))
        return inputs, tf.gather(y, positions[:, self.recipe.lookback :])

    def call(self, weights: Any, state: Any, inputs: Any, *, training: bool) -> Any:
        """Return outputs at the targets, the state of the seeds, and penalties of the weights."""
        outputs, state, penalties = self.network.stateless_call(
            self.shaped(weights), state, inputs, training=training, return_losses=True
        )
        return outputs[:, -self.recipe.targets :], state, penalties

    def shaped(self, weights: Any) -> Any:
        """Return the weights of the network's variables."""
        parts = tf.split(weights, self.sizes)
        return [tf.reshape(part, s) for part, s in zip(parts, self.shapes, strict=True)]


def _logs() -> tuple[tf.TensorArray, tf.TensorArray]:
    fits, values = (
        tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=()) for _ in range(2)
    )
    return fits, values


def _signature(network: keras.Model, *, attributes: bool) -> list[Any]:
    inputs = None if attributes else network.inputs[0].shape[-1]
    return [
        tf.TensorSpec((None, None, inputs), tf.float32),
        tf.TensorSpec((None, None), tf.float32),
        tf.TensorSpec((None, None), tf.float32),
        tf.TensorSpec((None, None), tf.float32),
        *(tf.TensorSpec((), tf.int32) for _ in range(4)),
        [tf.TensorSpec(v.shape, v.dtype) for v in network.trainable_variables],
        [tf.TensorSpec(v.shape, v.dtype) for v in network.non_trainable_variables],
        tf.TensorSpec((None, None, None), tf.int32),
        tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((None,), tf.int32),
    ]


_STARTED: dict[str, int] = {}  # the process that TensorFlow runs in


def require_own_process() -> None:
    """Raise RuntimeError in a process forked after TensorFlow started, where it would hang."""
    if (first := _STARTED.setdefault("process", os.getpid())) != os.getpid():
        raise RuntimeError(
            "A network cannot be trained in a forked process after one was trained in its parent. "
            f"Received a fork of process {first}. Use multiprocessing.get_context('spawn')."
        )


def choose_workers(workers: int | None) -> int:
    """Return the number of networks to train at the same time, and limit each to one core.

    Small matrices are slower on two threads than on one, so each network is trained on one core.
    The threads of TensorFlow can only be set before it starts, and are left alone after that. On a
    GPU one network is trained at a time unless a number is given.
    """
    require_own_process()
    if tf.config.list_physical_devices("GPU"):
        return workers or 1
    workers = workers or cores()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(workers)
    except RuntimeError:
        pass
    return workers


def train(
    architecture: Architecture,
    recipe: Recipe,
    data: Data,
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Trained]:
    """Train each job's network by Keras.

    Arguments and result are those of :func:`gwforecast.networks.engines.compiled.train`.
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

    numbers = {id(job): next(_NUMBERS) for job in jobs}

    def work(job: Job) -> Trained:
        state = [
            tf.constant([job.seed, i], v.dtype)
            for i, v in enumerate(network.non_trainable_variables)
        ]
        weights, epoch, losses, validation = run(
            *tensors,
            tf.constant(numbers[id(job)]),
            tf.constant(job.well),
            tf.constant(job.well * data.folds + job.fold),
            [tf.constant(w) for w in job.weights],
            state,
            tf.constant(job.starts),
            tf.constant(job.rates),
            tf.constant(job.validation),
        )
        return Trained([w.numpy() for w in weights], int(epoch), losses.numpy(), validation.numpy())

    def epochs(job: Job) -> int:
        return _EPOCHS.get(numbers[id(job)], 0)

    try:
        return in_threads(work, jobs, workers, progress, epochs)
    finally:
        for number in numbers.values():
            _EPOCHS.pop(number, None)


_NUMBERS = itertools.count()  # of jobs
_EPOCHS: dict[int, int] = {}  # that are done, by the number of a job in work


def _count(job: Any, epochs: Any) -> Any:
    """Note the epochs of a job that are done; called by its graph."""
    _EPOCHS[int(job)] = int(epochs)
    return epochs
