"""TensorFlow functions that train a job, and that run a trained network, compiled once.

Each is kept by what it was compiled for, so that refits, further wells and simulations of the same
architecture do not wait for it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gwforecast.models.losses import Loss
from gwforecast.models.networks import Architecture
from gwforecast.models.optimizers import OPTIMIZERS, clip_by_norm, zero_slots

__all__ = ["Recipe", "compiled_job", "compiled_prediction"]

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
    """

    loss: Loss
    optimizer: str
    weight_decay: float
    clip_norm: float
    patience: int
    lookback: int
    targets: int


@lru_cache(maxsize=COMPILED_KEPT)
def compiled_prediction(
    architecture: Architecture, lookback: int, targets: int
) -> Callable[..., Any]:
    """Return the function that runs one network over windows that start at given positions."""
    network = architecture.build()
    state = [tf.convert_to_tensor(v) for v in network.non_trainable_variables]
    steps = tf.range(lookback + targets)
    weights = [tf.TensorSpec(v.shape, v.dtype) for v in network.trainable_variables]
    values = tf.TensorSpec((None, architecture.inputs), tf.float32)

    @tf.function(  # type: ignore[untyped-decorator]
        autograph=False, input_signature=[values, tf.TensorSpec((None,), tf.int32), weights]
    )
    def run(values: tf.Tensor, starts: tf.Tensor, weights: Any) -> tf.Tensor:
        windows = tf.gather(values, starts[:, None] + steps)
        outputs, _ = network.stateless_call(weights, state, windows, training=False)
        return outputs[:, -targets:]

    return run.get_concrete_function()  # type: ignore[no-any-return]


@lru_cache(maxsize=COMPILED_KEPT)
def compiled_job(
    architecture: Architecture, recipe: Recipe
) -> tuple[keras.Model, Callable[..., Any]]:
    """Return a network and the function that trains a job: a loop of epochs, in it one of updates.

    The signature fixes no length, so wells of any length are trained by one trace.
    """
    network = architecture.build()
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

    # a concrete function has no lock, which one that fails in a thread would keep for ever
    return network, run.get_concrete_function()


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
        [tf.TensorSpec(v.shape, v.dtype) for v in network.non_trainable_variables],
        tf.TensorSpec((None, None, None), tf.int32),
        tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((None,), tf.int32),
    ]
