"""Networks: sizes in, Keras model out.

Each maps covariates (batch, step, input) to outputs (batch, step, output), one for each step, and
looks at no step after it. They are plain Keras models: ``compile`` and ``fit`` work on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from gwforecast.networks.architecture import Architecture, dilations
from gwforecast.networks.layers import FusedGRU, FusedLSTM

__all__ = ["NETWORKS", "build", "build_cnn", "build_gru", "build_lstm", "build_mlp"]


def build(architecture: Architecture, *, seed: int = 0) -> keras.Model:
    """Return the network of an architecture, with first weights by a seed."""
    settings = dict(architecture.settings)
    return NETWORKS[architecture.kind](architecture.inputs, **settings, seed=seed)


def build_lstm(
    inputs: int,
    *,
    units: Sequence[int] = (32,),
    activation: str = "tanh",
    dropout: float = 0.0,
    noise: float = 0.0,
    l2: float = 0.0,
    outputs: int = 1,
    output_activation: str = "linear",
    wells: int = 0,
    embedding: int = 0,
    seed: int = 0,
) -> keras.Model:
    """Return a network of LSTM layers, each followed by dropout, and a linear head.

    Parameters
    ----------
    inputs : int
        Number of covariates.
    units : sequence of int
        Size of each layer.
    activation : str
        Activation of cell and state, a name that Keras knows.
    dropout : float
        Share of the states that is set to zero in training, the same ones at all steps of a
        sequence (Gal and Ghahramani 2016, arXiv:1512.05287).
    noise : float
        Standard deviation of the Gaussian noise on the scaled inputs in training.
    l2 : float
        Weight of the squared kernels in the loss.
    outputs : int
        Number of outputs at each step: 1 level, or 3 classes.
    output_activation : str
        ``"linear"`` for a level, ``"softmax"`` for classes.
    wells, embedding : int
        With an embedding, the last input is the number of the well, from 0, and each of so many
        wells has a vector of this size, learnt with the rest, in its place.
    seed : int
        Seed of the first weights.

    References
    ----------
    Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735.
    """
    covariates, x = _start(inputs, noise, wells, embedding, seed)
    for layer, size in enumerate(units):
        x = FusedLSTM(
            size,
            activation=activation,
            return_sequences=True,
            **_recurrent_start(seed, layer, l2),
        )(x)
        x = _sequence_dropout(x, dropout, size)
    return keras.Model(covariates, _head(x, outputs, output_activation, l2, seed), name="lstm")


def build_gru(
    inputs: int,
    *,
    units: Sequence[int] = (32,),
    activation: str = "tanh",
    dropout: float = 0.0,
    noise: float = 0.0,
    l2: float = 0.0,
    outputs: int = 1,
    output_activation: str = "linear",
    wells: int = 0,
    embedding: int = 0,
    seed: int = 0,
) -> keras.Model:
    """Return a network of GRU layers; the arguments are those of :func:`build_lstm`.

    References
    ----------
    Cho et al. (2014), doi:10.3115/v1/D14-1179.
    """
    covariates, x = _start(inputs, noise, wells, embedding, seed)
    for layer, size in enumerate(units):
        x = FusedGRU(
            size,
            activation=activation,
            reset_after=False,
            return_sequences=True,
            **_recurrent_start(seed, layer, l2),
        )(x)
        x = _sequence_dropout(x, dropout, size)
    return keras.Model(covariates, _head(x, outputs, output_activation, l2, seed), name="gru")


def build_cnn(
    inputs: int,
    *,
    lookback: int,
    units: int = 32,
    kernel_size: int = 3,
    activation: str = "relu",
    dropout: float = 0.0,
    noise: float = 0.0,
    l2: float = 0.0,
    outputs: int = 1,
    output_activation: str = "linear",
    wells: int = 0,
    embedding: int = 0,
    seed: int = 0,
) -> keras.Model:
    """Return causal convolutions whose dilation grows until they see ``lookback`` steps.

    Parameters
    ----------
    inputs : int
        Number of covariates.
    lookback : int
        Steps that the deepest layer sees, at least.
    units : int
        Number of filters of each layer.
    kernel_size : int
        Steps of each filter; the dilation grows by this factor from layer to layer.
    activation, dropout, noise, l2, outputs, output_activation, wells, embedding, seed
        As in :func:`build_lstm`.

    References
    ----------
    Van den Oord et al. (2016), arXiv:1609.03499; Bai et al. (2018), arXiv:1803.01271.
    """
    covariates, x = _start(inputs, noise, wells, embedding, seed)
    for layer, rate in enumerate(dilations(lookback, kernel_size)):
        x = keras.layers.Conv1D(
            units,
            kernel_size,
            padding="causal",
            dilation_rate=rate,
            activation=activation,
            kernel_initializer=keras.initializers.GlorotUniform(_seed(seed, layer)),
            kernel_regularizer=_penalty(l2),
        )(x)
        x = _sequence_dropout(x, dropout, units)
    return keras.Model(covariates, _head(x, outputs, output_activation, l2, seed), name="cnn")


def build_mlp(
    inputs: int,
    *,
    units: Sequence[int] = (64, 32),
    activation: str = "relu",
    dropout: float = 0.0,
    noise: float = 0.0,
    l2: float = 0.0,
    outputs: int = 1,
    output_activation: str = "linear",
    wells: int = 0,
    embedding: int = 0,
    seed: int = 0,
) -> keras.Model:
    """Return dense layers that see one step of (lagged) covariates; arguments as above."""
    covariates, x = _start(inputs, noise, wells, embedding, seed)
    for layer, size in enumerate(units):
        x = keras.layers.Dense(
            size,
            activation=activation,
            kernel_initializer=keras.initializers.GlorotUniform(_seed(seed, layer)),
            kernel_regularizer=_penalty(l2),
        )(x)
        x = keras.layers.Dropout(dropout)(x) if dropout else x
    return keras.Model(covariates, _head(x, outputs, output_activation, l2, seed), name="mlp")


def _start(
    inputs: int, noise: float, wells: int, embedding: int, seed: int
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return the input of a network, and what its first layer sees."""
    covariates = x = keras.Input((None, inputs))
    if not embedding:
        return covariates, _noise(x, noise)
    chosen = keras.ops.one_hot(keras.ops.cast(x[:, 0, -1], "int32"), wells)
    # a product, not a look-up, so that its gradient is dense as the others are
    vector = keras.layers.Dense(
        embedding,
        use_bias=False,
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.1, _seed(seed, 98)),
    )(chosen)
    x = _noise(x[:, :, :-1], noise)
    along = keras.ops.ones_like(x[:, :, :1]) * keras.ops.expand_dims(vector, 1)
    return covariates, keras.ops.concatenate([x, along], axis=-1)


def _noise(x: keras.KerasTensor, noise: float) -> keras.KerasTensor:
    return keras.layers.GaussianNoise(noise)(x) if noise else x


def _sequence_dropout(x: keras.KerasTensor, dropout: float, size: int) -> keras.KerasTensor:
    return keras.layers.Dropout(dropout, noise_shape=(None, 1, size))(x) if dropout else x


def _head(
    x: keras.KerasTensor, outputs: int, activation: str, l2: float, seed: int
) -> keras.KerasTensor:
    return keras.layers.Dense(
        outputs,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(_seed(seed, 99)),
        kernel_regularizer=_penalty(l2),
    )(x)


def _recurrent_start(seed: int, layer: int, l2: float) -> dict[str, Any]:
    return {
        "kernel_initializer": keras.initializers.GlorotUniform(_seed(seed, 2 * layer)),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=_seed(seed, 2 * layer + 1)),
        "kernel_regularizer": _penalty(l2),
        "recurrent_regularizer": _penalty(l2),
    }


def _penalty(l2: float) -> keras.Regularizer | None:
    return keras.regularizers.L2(l2) if l2 else None


def _seed(seed: int, part: int) -> int:
    return 100 * seed + part


NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "lstm": build_lstm,
    "gru": build_gru,
    "cnn": build_cnn,
    "mlp": build_mlp,
}
"""Functions that build networks, by kind."""
