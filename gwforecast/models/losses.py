"""Losses over the observed targets of a batch; missing targets are masked, never invented."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

__all__ = ["LOSSES", "Loss"]

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def _mean_over_observed(
    targets: tf.Tensor, point_loss: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    observed = tf.math.is_finite(targets)
    # NaN must not enter the loss itself: its gradient would be NaN behind the mask too
    values = point_loss(tf.where(observed, targets, 0.0))
    count = tf.reduce_sum(tf.cast(observed, tf.float32))
    return tf.reduce_sum(tf.where(observed, values, 0.0)) / tf.maximum(count, 1.0)


def mse(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Return the mean squared error of scaled levels.

    Levels are scaled by the standard deviation of each well's training rows, so that this is the
    NSE loss of Kratzert et al. (2019, doi:10.5194/hess-23-5089-2019) as well.
    """
    return _mean_over_observed(targets, lambda y: tf.square(outputs[..., 0] - y))


def mae(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Return the mean absolute error of scaled levels."""
    return _mean_over_observed(targets, lambda y: tf.abs(outputs[..., 0] - y))


def huber(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Return the Huber loss of scaled levels, linear beyond one standard deviation.

    References
    ----------
    Huber (1964), doi:10.1214/aoms/1177703732.
    """

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
    "mse": mse,
    "mae": mae,
    "huber": huber,
    "nse": mse,
    "crossentropy": crossentropy,
}
"""Losses by name; ``nse`` is ``mse`` of levels in units of the well's standard deviation."""
