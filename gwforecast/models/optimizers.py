"""Optimizers as pure functions: weights, gradient and moments in, weights and moments out.

Keras' optimizers keep their state in variables and have no pure form under TensorFlow; the engine
trains many networks with one compiled function and needs one. All weights of a network are one
vector here: small tensors cost a few operations each, not by their size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["OPTIMIZERS", "clip_by_norm", "no_moments"]

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


def no_moments(weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the first and second moments of a new optimizer."""
    return tf.zeros_like(weights), tf.zeros_like(weights)


def clip_by_norm(gradient: tf.Tensor, norm: float) -> tf.Tensor:
    """Scale a gradient so that its norm is at most ``norm``."""
    return gradient * (norm / tf.maximum(tf.norm(gradient), norm))
