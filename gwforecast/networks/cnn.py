"""Causal convolutions: Keras model, forward pass in NumPy, the forecasters CNN and GlobalCNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Ge

from gwforecast.models.settings import setting
from gwforecast.networks import parts
from gwforecast.networks.forecaster import WEIGHT_DECAY, NeuralForecaster
from gwforecast.networks.parts import (
    Activation,
    Architecture,
    NotNegative,
    Positive,
    State,
)
from gwforecast.networks.shared import GlobalForecaster

if TYPE_CHECKING:
    import keras

__all__ = ["CNN", "CNNArchitecture", "GlobalCNN", "build_cnn", "dilations"]


def dilations(lookback: int, kernel_size: int) -> list[int]:
    """Return the dilation of each causal convolution, increasing until they see the lookback.

    Examples
    --------
    >>> dilations(52, 3)
    [1, 3, 9, 27]
    """
    found: list[int] = []
    seen = 1
    while seen < lookback:
        found.append(kernel_size ** len(found))
        seen += (kernel_size - 1) * found[-1]
    return found


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
    """Return a Keras model of causal convolutions that together see ``lookback`` steps.

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
        As in :func:`gwforecast.networks.lstm.build_lstm`.

    References
    ----------
    Van den Oord et al. (2016), arXiv:1609.03499; Bai et al. (2018), arXiv:1803.01271.
    """
    import keras

    covariates, x = parts.input_layers(
        inputs, noise=noise, wells=wells, embedding=embedding, seed=seed
    )
    for layer, rate in enumerate(dilations(lookback, kernel_size)):
        x = keras.layers.Conv1D(
            units,
            kernel_size,
            padding="causal",
            dilation_rate=rate,
            activation=activation,
            kernel_initializer=keras.initializers.GlorotUniform(parts.part_seed(seed, layer)),
            kernel_regularizer=parts.penalty(l2),
        )(x)
        x = parts.sequence_dropout(x, dropout, units)
    x = parts.output_layer(x, outputs, activation=output_activation, l2=l2, seed=seed)
    return keras.Model(covariates, x, name="cnn")


@dataclass(frozen=True)
class CNNArchitecture(Architecture):
    """Description of a network of causal convolutions."""

    kind = "cnn"
    own_settings: ClassVar[Mapping[str, type]] = {"units": int, "kernel_size": int, "lookback": int}

    def hidden_shapes(self, width: int) -> tuple[list[tuple[int, ...]], int]:
        """Return the shapes of kernel and bias of each layer."""
        shapes: list[tuple[int, ...]] = []
        units, kernel = self.setting("units"), self.setting("kernel_size")
        for _ in dilations(self.setting("lookback"), kernel):
            shapes += [(kernel, width, units), (units,)]
            width = units
        return shapes, width

    def build(self, *, seed: int = 0) -> keras.Model:
        """Return the Keras model."""
        return build_cnn(self.inputs, **dict(self.settings), seed=seed)

    def run_hidden(
        self,
        weights: Sequence[np.ndarray],
        inputs: np.ndarray,
        state: State | None,  # noqa: ARG002 - it has none
    ) -> tuple[np.ndarray, State]:
        """Return the outputs of the last layer."""
        size = self.setting("kernel_size")
        x = inputs
        steps = x.shape[2]
        rates = dilations(self.setting("lookback"), size)
        for rate, kernel, bias in zip(rates, weights[::2], weights[1::2], strict=True):
            total = np.zeros((kernel.shape[0], x.shape[1], steps, kernel.shape[-1]), np.float32)
            for lag in range(size):
                shift = rate * (size - 1 - lag)
                if shift < steps:
                    total[:, :, shift:] += parts.dense(
                        np.ascontiguousarray(x[:, :, : steps - shift]),
                        kernel[:, lag],
                        np.zeros_like(bias),
                    )
            x = parts.activate(total + bias[:, None, None], self.setting("activation"))
        return x, []


@dataclass(kw_only=True, eq=False)
class CNN(NeuralForecaster):
    """Causal convolutions, trained on the same windows as :class:`gwforecast.networks.lstm.LSTM`.

    Parameters
    ----------
    units : int
        Number of filters of each layer.
    kernel_size : int
        Steps of a filter, and the factor by which the dilation grows.
    activation : str
        Activation of each layer.
    **settings
        Settings of :class:`gwforecast.networks.forecaster.NeuralForecaster`.
    """

    architecture: ClassVar[type[Architecture]] = CNNArchitecture
    name: str = "cnn"
    units: Positive = setting(32, search=("choice", 16, 32, 64))
    kernel_size: Annotated[int, Ge(2)] = setting(3, search=("int", 2, 4))
    activation: Activation = "relu"

    def network_settings(self) -> dict[str, object]:
        """Return the settings of the network's layers."""
        return {
            "lookback": self.lookback_,
            "units": self.units,
            "kernel_size": self.kernel_size,
            "activation": self.activation,
        }


@dataclass(kw_only=True, eq=False)
class GlobalCNN(CNN, GlobalForecaster):
    """Causal convolutions that all wells share; settings of CNN and :class:`GlobalForecaster`."""

    name: str = "global_cnn"
    units: Positive = setting(64, search=("choice", 32, 64, 128))
    weight_decay: NotNegative = setting(0.3, search=WEIGHT_DECAY)
    epochs: Positive = setting(60, search=("int", 20, 120, 20))
    batch_size: Positive = 64
