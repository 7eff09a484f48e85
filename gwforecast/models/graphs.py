"""TensorFlow functions that train a job, compiled once.

Each is kept by what it was compiled for, so that refits and further wells of the same
architecture do not wait for it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gwforecast.models.architecture import Architecture
from gwforecast.models.losses import Loss
from gwforecast.models.networks import build
from gwforecast.models.optimizers import OPTIMIZERS, clip_by_norm, no_moments

__all__ = ["Recipe", "compiled_job"]

COMPILED_KEPT = 16  # functions, each for one architecture and recipe


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
    attributes : bool
        Each window's inputs are followed by the attributes of its well.
    """

    loss: Loss
    optimizer: str
    weight_decay: float
    clip_norm: float
    patience: int
    lookback: int
    targets: int
    attributes: bool = False

    @property
    def steps(self) -> int:
        """Steps of a window."""
        return self.lookback + self.targets


@lru_cache(maxsize=COMPILED_KEPT)
def compiled_job(
    architecture: Architecture, recipe: Recipe
) -> tuple[keras.Model, Callable[..., Any]]:
    """Return a network and the function that trains a job on it, see :class:`_JobGraph`.

    The signature fixes no length, so wells of any length are trained by one trace.
    """
    graph = _JobGraph(build(architecture), recipe)
    signature = _signature(graph.network, attributes=recipe.attributes)
    run = tf.function(graph.run, autograph=False, input_signature=signature)
    # a concrete function has no lock, which one that fails in a thread would keep for ever
    return graph.network, run.get_concrete_function()


class _JobGraph:
    """The graph of one job: a loop of epochs, in it a loop of updates, then the validation.

    Weights, the state of the seeds and the optimizer's moments are carried through the loops, not
    held in variables, so that any number of jobs can run through one graph at once. All weights of
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
        self, inputs: Any, targets: Any, held_out: Any, attributes: Any, span: Any, well: Any,
        row: Any, weights: Any, state: Any, starts: Any, rates: Any, validation: Any,
    ) -> Any:  # fmt: skip
        """Return best weights, their epoch from 1, and the losses of train and validation."""
        x, y, y_held_out = (inputs[well], attributes, well, span), targets[row], held_out[well]
        n_epochs, n_updates = tf.shape(starts)[0], tf.shape(starts)[1]

        def body(epoch: Any, carried: Any, best: Any, logs: Any) -> Any:
            fit, carried = self.epoch(x, y, starts[epoch], rates, epoch * n_updates, carried)
            value = tf.cond(
                tf.size(validation) > 0,
                lambda: self.validate(x, y_held_out, validation, carried),
                lambda: -tf.cast(epoch, tf.float32),  # always better: the last weights are kept
            )
            better = value < best[0]
            best = tf.nest.map_structure(
                lambda new, old: tf.where(better, new, old), (value, epoch, carried[0]), best
            )
            logs = logs[0].write(epoch, fit), logs[1].write(epoch, value)
            return epoch + 1, carried, best, logs

        def goes_on(epoch: Any, carried: Any, best: Any, logs: Any) -> Any:  # noqa: ARG001
            return (epoch < n_epochs) & (epoch - best[1] <= self.recipe.patience)

        flat = tf.concat([tf.reshape(w, (-1,)) for w in weights], 0)
        first = (flat, state, no_moments(flat))
        none_yet = (np.float32(np.inf), 0, flat)
        _, _, (_, best_epoch, best_weights), logs = tf.while_loop(
            goes_on, body, (0, first, none_yet, _logs()), parallel_iterations=1
        )
        return self.shaped(best_weights), best_epoch + 1, logs[0].stack(), logs[1].stack()

    def epoch(self, x: Any, y: Any, starts: Any, rates: Any, first: Any, carried: Any) -> Any:
        """Return the mean loss of an epoch's updates, and what they carry."""

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
        """Return the loss of a batch before its update, and what the update carries on."""
        inputs, targets = batch
        weights, state, moments = carried
        with tf.GradientTape() as tape:
            tape.watch(weights)
            outputs, state, penalties = self.call(weights, state, inputs, training=True)
            fit = self.recipe.loss(targets, outputs)
            loss = fit + tf.add_n(penalties) if penalties else fit
        gradient = clip_by_norm(tape.gradient(loss, weights), self.recipe.clip_norm)
        weights -= rate * self.decay * weights
        number = tf.cast(number + 1, tf.float32)
        weights, moments = self.step(weights, gradient, moments, number, rate)
        return fit, (weights, state, moments)

    def validate(self, x: Any, y: Any, starts: Any, carried: Any) -> Any:
        """Return the loss of the validation targets, without dropout and noise."""
        inputs, targets = self.gather(x, y, starts)
        weights, state, _ = carried
        return self.recipe.loss(targets, self.call(weights, state, inputs, training=False)[0])

    def gather(self, x: Any, y: Any, starts: Any) -> Any:
        """Return inputs and targets of windows; before the data is room for a window."""
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
        tf.TensorSpec((), tf.int32),
        tf.TensorSpec((), tf.int32),
        tf.TensorSpec((), tf.int32),
        [tf.TensorSpec(v.shape, v.dtype) for v in network.trainable_variables],
        [tf.TensorSpec(v.shape, v.dtype) for v in network.non_trainable_variables],
        tf.TensorSpec((None, None, None), tf.int32),
        tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((None,), tf.int32),
    ]
