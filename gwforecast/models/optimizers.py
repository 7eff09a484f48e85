"""Optimizers as pure functions: weights, slots and gradients in, weights and slots out.

Keras' optimizers keep their state in variables and have no pure form under TensorFlow; the engine
trains many networks with one compiled function and needs one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["OPTIMIZERS", "clip_by_norm", "zero_slots"]

Step = Callable[[Any, Any, Any, tf.Tensor, tf.Tensor], tuple[Any, Any]]


def adam(
    weights: Any, gradients: Any, slots: Any, step: tf.Tensor, rate: tf.Tensor
) -> tuple[Any, Any]:
    """Take a step of Adam (Kingma and Ba 2015, arXiv:1412.6980)."""
    first, second = slots
    first = [m + 0.1 * (g - m) for m, g in zip(first, gradients, strict=True)]
    second = [v + 0.001 * (g * g - v) for v, g in zip(second, gradients, strict=True)]
    scale = rate * tf.sqrt(1.0 - 0.999**step) / (1.0 - 0.9**step)
    weights = [
        w - scale * m / (tf.sqrt(v) + 1e-7) for w, m, v in zip(weights, first, second, strict=True)
    ]
    return weights, (first, second)


def rmsprop(
    weights: Any, gradients: Any, slots: Any, step: tf.Tensor, rate: tf.Tensor
) -> tuple[Any, Any]:
    """Take a step of RMSprop (Hinton 2012, lecture 6e of Neural Networks for Machine Learning)."""
    del step
    first, second = slots
    second = [0.9 * v + 0.1 * g * g for v, g in zip(second, gradients, strict=True)]
    weights = [
        w - rate * g / (tf.sqrt(v) + 1e-7)
        for w, g, v in zip(weights, gradients, second, strict=True)
    ]
    return weights, (first, second)


def sgd(
    weights: Any, gradients: Any, slots: Any, step: tf.Tensor, rate: tf.Tensor
) -> tuple[Any, Any]:
    """Take a step of gradient descent with Nesterov's momentum of 0.9."""
    del step
    first, second = slots
    first = [0.9 * m - rate * g for m, g in zip(first, gradients, strict=True)]
    weights = [w + 0.9 * m - rate * g for w, m, g in zip(weights, first, gradients, strict=True)]
    return weights, (first, second)


OPTIMIZERS: dict[str, Step] = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}
"""Optimizers by name."""


def zero_slots(weights: Any) -> tuple[Any, Any]:
    """Return the first and second moments of a new optimizer."""
    return [tf.zeros_like(w) for w in weights], [tf.zeros_like(w) for w in weights]


def clip_by_norm(gradients: Any, norm: float) -> Any:
    """Scale gradients so that their global norm is at most ``norm``."""
    return tf.clip_by_global_norm(gradients, norm)[0]
