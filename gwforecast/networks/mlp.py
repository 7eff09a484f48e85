"""Dense networks: Keras model, forward pass in NumPy, and the forecasters MLP and GlobalMLP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gwforecast.models.state import setting
from gwforecast.networks import parts
from gwforecast.networks.forecaster import DROPOUT, NOISE, NeuralForecaster
from gwforecast.networks.shared import GlobalForecaster

if TYPE_CHECKING:
    import keras

__all__ = ["MLP", "GlobalMLP", "MLPArchitecture"]


@dataclass(frozen=True)
class MLPArchitecture(parts.Architecture):
    """Description of a network of dense layers."""

    kind = "mlp"

    def hidden_shapes(self, width: int) -> tuple[list[tuple[int, ...]], int]:
        """Return the shapes of kernel and bias of each layer."""
        shapes: list[tuple[int, ...]] = []
        for units in self.setting("units"):
            shapes += [(width, units), (units,)]
            width = units
        return shapes, width

    def hidden_layers(self, x: keras.KerasTensor, seed: int) -> keras.KerasTensor:
        """Return the outputs of the last layer; each is followed by dropout."""
        import keras

        dropout = self.setting("dropout")
        for layer, units in enumerate(self.setting("units")):
            x = keras.layers.Dense(
                units,
                activation=self.setting("activation"),
                kernel_initializer=keras.initializers.GlorotUniform(parts.part_seed(seed, layer)),
                kernel_regularizer=parts.penalty(self.setting("l2")),
            )(x)
            x = keras.layers.Dropout(dropout)(x) if dropout else x
        return x

    def compiled_layers(self) -> list[tuple[str, int, str]]:
        """Return kind, units and activation of each hidden layer for the compiled engine."""
        return [("dense", units, self.setting("activation")) for units in self.setting("units")]

    def run_hidden(
        self,
        weights: Sequence[np.ndarray],
        inputs: np.ndarray,
        state: parts.State | None,  # noqa: ARG002 - it has none
    ) -> tuple[np.ndarray, parts.State]:
        """Return the outputs of the last layer."""
        x = inputs
        for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
            x = parts.activate(parts.dense(x, kernel, bias), self.setting("activation"))
        return x, []


@dataclass(kw_only=True, eq=False)
class MLP(NeuralForecaster):
    """Dense networks on means of the covariates over lags of doubling width.

    Parameters
    ----------
    units : int or sequence of int
        Units of each layer; a number stands for a single layer.
    activation : str
        Activation of each layer.
    **settings
        Settings of :class:`gwforecast.networks.forecaster.NeuralForecaster`. The lookback is that
        of the lags; each window is a single step.
    """

    architecture: ClassVar[type[parts.Architecture]] = MLPArchitecture
    lagged = True
    name: str = "mlp"
    units: parts.LayerSizes = setting((32, 16), search=("choice", [16, 8], [32, 16], [64, 32]))
    activation: parts.Activation = "relu"
    dropout: parts.Share = setting(0.2, search=DROPOUT)
    noise: parts.NotNegative = setting(0.1, search=NOISE)
    epochs: parts.Positive = setting(60, search=("int", 20, 100, 10))
    batch_size: parts.Positive = 64


@dataclass(kw_only=True, eq=False)
class GlobalMLP(MLP, GlobalForecaster):
    """Dense networks that all wells share.

    Parameters
    ----------
    **settings
        As of :class:`MLP` (units and activation),
        :class:`gwforecast.networks.shared.GlobalForecaster` (attributes, categories, embedding and
        fine_tune) and :class:`gwforecast.networks.forecaster.NeuralForecaster` (all others).
    """

    name: str = "global_mlp"
    units: parts.LayerSizes = setting((64, 32), search=("choice", [32, 16], [64, 32], [128, 64]))
    epochs: parts.Positive = setting(20, search=("int", 10, 60, 10))
    batch_size: parts.Positive = 512
