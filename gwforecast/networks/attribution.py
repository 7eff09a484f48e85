"""Integrated gradients: contributions of each input at each lag to a simulated level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.blending import member_weights_at
from gwforecast.networks.inference import TrainedNetworks
from gwforecast.sequences.windows import lag_edges

if TYPE_CHECKING:
    import keras

__all__ = ["integrated_gradients"]


def integrated_gradients(
    forecaster: TrainedNetworks, observations: xr.Dataset, *, times: np.ndarray, steps: int = 32
) -> xr.Dataset:
    """Return the contribution of each input at each lag to the levels of some times.

    The gradient is averaged along the straight line from inputs at their training means to the
    actual inputs, and multiplied by their difference [1]_. The contributions of all inputs and lags
    sum to the difference between the level and that at the means, up to the error of the average.

    Parameters
    ----------
    forecaster : NeuralForecaster
        A fitted LSTM, GRU, CNN or MLP; the weighted mean of its members is explained.
    observations : xarray.Dataset
        Dimensions (well, time).
    times : numpy.ndarray
        Shape (time,), steps whose levels are explained; each needs a whole lookback before it.
    steps : int
        Number of points on the line.

    Returns
    -------
    xarray.Dataset
        ``attribution`` (well, time, lag, input), m: lags in steps before the level, from 0;
        ``difference`` (well, time), m: level minus that at the means. Inputs are covariates,
        including derived ones. Where networks see means over lags, the contribution of a mean is
        spread evenly over its lags.

    Raises
    ------
    ValueError
        If there is less than one lookback before a time, or a time is not on the time axis.

    References
    ----------
    .. [1] Sundararajan, Taly and Yan (2017), https://doi.org/10.48550/arXiv.1703.01365.
    """
    axis = observations[schema.TIME].values
    wanted = timeline.time_positions(axis, np.asarray(times), name="time")
    reach = 1 if forecaster.lagged else forecaster.lookback_ + 1
    _check_reach(axis, int(wanted.min()), forecaster.lookback_)
    wells = [str(well) for well in observations[schema.WELL].values if well in forecaster.wells_]
    inputs, _ = forecaster._inputs(observations.sel({schema.WELL: wells}))
    network = forecaster.architecture_.build()
    parts, differences = [], []
    for number, well in enumerate(wells):
        windows = np.stack([inputs[number, at + 1 - reach : at + 1] for at in wanted])
        of_well, whole = forecaster.weights_of(well), forecaster.with_attributes(windows, well)
        found = [
            _of_member(network, [w[member] for w in of_well], whole, steps, windows.shape[-1])
            for member in range(len(forecaster.seeds_))
        ]
        scale = forecaster.scaler_.statistics(schema.LEVEL, [well])[1]
        weights = member_weights_at([well], forecaster.member_weights_, fitted=forecaster.wells_)
        weights = None if weights is None else weights[0]
        parts.append(np.average([part for part, _ in found], axis=0, weights=weights) * scale)
        differences.append(np.average([gap for _, gap in found], axis=0, weights=weights) * scale)
    values = np.stack(parts)[:, :, ::-1]
    if forecaster.lagged:
        values = _spread(values[:, :, 0], forecaster)
    return xr.Dataset(
        {
            "attribution": ((schema.WELL, schema.TIME, "lag", "input"), values, {"units": "m"}),
            "difference": ((schema.WELL, schema.TIME), np.stack(differences), {"units": "m"}),
        },
        {
            schema.WELL: wells,
            schema.TIME: axis[wanted],
            "lag": np.arange(values.shape[2]),
            "input": list(forecaster.inputs_),
        },
        {"model": forecaster.name},
    )


def _check_reach(axis: np.ndarray, first: int, lookback: int) -> None:
    if first < lookback:
        raise ValueError(
            f"A level is explained by the {lookback} steps before it. Received "
            f"{timeline.format_time(axis[first])}, {first} steps after the start of the data. "
            "Choose later times."
        )


def _of_member(
    network: keras.Model, weights: list[np.ndarray], windows: np.ndarray, steps: int, moving: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the attribution (time, step, input) and the difference (time,), scaled.

    The line starts at the means of the first ``moving`` inputs; attributes do not change.
    """
    import tensorflow as tf

    for variable, value in zip(network.trainable_variables, weights, strict=True):
        variable.assign(value)
    target = tf.constant(windows, tf.float32)
    moves = (np.arange(windows.shape[-1]) < moving).astype(np.float32)
    origin = (1 - moves) * target
    total = tf.zeros_like(target)
    for point in (np.arange(steps) + 0.5) / steps:
        with tf.GradientTape() as tape:
            moved = origin + tf.cast(point, tf.float32) * moves * target
            tape.watch(moved)
            level = tf.reduce_sum(network(moved, training=False)[:, -1, 0])
        total += tape.gradient(level, moved)
    ends = [network(at, training=False)[:, -1, 0].numpy() for at in (target, origin)]
    return (total / steps * target).numpy()[..., :moving], ends[0] - ends[1]


def _spread(values: np.ndarray, forecaster: TrainedNetworks) -> np.ndarray:
    """Return contributions of means (well, time, input x bin), spread evenly over their lags."""
    edges = lag_edges(forecaster.lookback_ + 1)
    bins, names = edges.size - 1, len(forecaster.inputs_)
    by_bin = values.reshape(*values.shape[:2], names, bins)
    width = np.diff(edges)
    return np.asarray(np.repeat(by_bin / width, width, axis=-1).swapaxes(-1, -2))
