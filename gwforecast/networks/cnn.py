"""Causal convolutions: Keras model, forward pass in NumPy, the forecasters CNN and GlobalCNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Ge

from gwforecast.models.state import setting
from gwforecast.networks import parts
from gwforecast.networks.forecaster import WEIGHT_DECAY, NeuralForecaster
from gwforecast.networks.shared import GlobalForecaster

if TYPE_CHECKING:
    import keras

__all__ = ["CNN", "CNNArchitecture", "GlobalCNN", "dilations"]


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


@dataclass(frozen=True)
class CNNArchitecture(parts.Architecture):
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

    def hidden_layers(self, x: keras.KerasTensor, seed: int) -> keras.KerasTensor:
        """Return the outputs of the last convolution; each is followed by dropout."""
        import keras

        units, size = self.setting("units"), self.setting("kernel_size")
        for layer, rate in enumerate(dilations(self.setting("lookback"), size)):
            x = keras.layers.Conv1D(
                units,
                size,
                padding="causal",
                dilation_rate=rate,
                activation=self.setting("activation"),
                kernel_initializer=keras.initializers.GlorotUniform(parts.part_seed(seed, layer)),
                kernel_regularizer=parts.penalty(self.setting("l2")),
            )(x)
            x = parts.sequence_dropout(x, self.setting("dropout"), units)
        return x

    def run_hidden(
        self,
        weights: Sequence[np.ndarray],
        inputs: np.ndarray,
        state: parts.State | None,  # noqa: ARG002 - it has none
    ) -> tuple[np.ndarray, parts.State]:
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
    """Causal convolutions [1]_, trained on the windows of :class:`gwforecast.networks.lstm.LSTM`.

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

    References
    ----------
    .. [1] Van den Oord et al. (2016), arXiv:1609.03499; Bai et al. (2018), arXiv:1803.01271.
    """

    architecture: ClassVar[type[parts.Architecture]] = CNNArchitecture
    name: str = "cnn"
    units: parts.Positive = setting(32, search=("choice", 16, 32, 64))
    kernel_size: Annotated[int, Ge(2)] = setting(3, search=("int", 2, 4))
    activation: parts.Activation = "relu"

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
    """Causal convolutions that all wells share.

    Parameters
    ----------
    **settings
        As of :class:`CNN` (units, kernel_size and activation),
        :class:`gwforecast.networks.shared.GlobalForecaster` (attributes, categories, embedding and
        fine_tune) and :class:`gwforecast.networks.forecaster.NeuralForecaster` (all others).
    """

    name: str = "global_cnn"
    units: parts.Positive = setting(64, search=("choice", 32, 64, 128))
    weight_decay: parts.NotNegative = setting(0.3, search=WEIGHT_DECAY)
    epochs: parts.Positive = setting(60, search=("int", 20, 120, 20))
    batch_size: parts.Positive = 64
