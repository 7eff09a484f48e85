"""GRU networks: Keras model, forward pass in NumPy, and the forecasters GRU and GlobalGRU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gwforecast.models.settings import setting
from gwforecast.networks import parts
from gwforecast.networks.forecaster import WEIGHT_DECAY, NeuralForecaster
from gwforecast.networks.parts import (
    Activation,
    Architecture,
    LayerSizes,
    NotNegative,
    Positive,
    RecurrentArchitecture,
    State,
    layer_sizes,
)
from gwforecast.networks.shared import GlobalForecaster

if TYPE_CHECKING:
    import keras

__all__ = ["GRU", "GRUArchitecture", "GlobalGRU", "build_gru"]


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
    """Return a Keras model of GRU layers, each followed by dropout, and a dense output layer.

    The reset gate acts before the recurrent product (``reset_after=False``). The arguments are
    those of :func:`gwforecast.networks.lstm.build_lstm`.

    References
    ----------
    Cho et al. (2014), doi:10.3115/v1/D14-1179.
    """
    import keras

    from gwforecast.networks.layers import FusedGRU

    covariates, x = parts.input_layers(
        inputs, noise=noise, wells=wells, embedding=embedding, seed=seed
    )
    for layer, size in enumerate(units):
        x = FusedGRU(
            size,
            activation=activation,
            reset_after=False,
            return_sequences=True,
            **parts.recurrent_settings(seed, layer, l2),
        )(x)
        x = parts.sequence_dropout(x, dropout, size)
    x = parts.output_layer(x, outputs, activation=output_activation, l2=l2, seed=seed)
    return keras.Model(covariates, x, name="gru")


@dataclass(frozen=True)
class GRUArchitecture(RecurrentArchitecture):
    """Description of a GRU network; weights and gates (z, r, h) are ordered as in Keras."""

    kind = "gru"
    gates = 3

    def build(self, *, seed: int = 0) -> keras.Model:
        """Return the Keras model."""
        return build_gru(self.inputs, **dict(self.settings), seed=seed)

    def run_hidden(
        self, weights: Sequence[np.ndarray], inputs: np.ndarray, state: State | None
    ) -> tuple[np.ndarray, State]:
        """Return the states of the last layer, and the hidden state of each layer."""
        name = self.setting("activation")
        ended: State = []
        x = inputs
        for layer, units in enumerate(self.setting("units")):
            kernel, recurrent, bias = weights[3 * layer : 3 * layer + 3]
            projected = parts.by_step(parts.dense(x, kernel, bias))
            gated, candidate = recurrent[..., : 2 * units], recurrent[..., 2 * units :]
            shape = (*projected.shape[1:3], units)
            (hidden,) = parts.first_state(state, layer, parts=1, shape=shape)
            states = np.empty((*projected.shape[:3], units), np.float32)
            for step, gates in enumerate(projected):
                update, reset = np.split(
                    parts.logistic(gates[..., : 2 * units] + np.matmul(hidden, gated)), 2, -1
                )
                new = gates[..., 2 * units :] + np.matmul(reset * hidden, candidate)
                hidden = update * hidden + (1 - update) * parts.activate(new, name)
                states[step] = hidden
            ended.append((hidden,))
            x = parts.by_sequence(states)
        return x, ended


@dataclass(kw_only=True, eq=False)
class GRU(NeuralForecaster):
    """GRU networks, trained on the same windows as :class:`gwforecast.networks.lstm.LSTM`.

    Parameters
    ----------
    units : int or sequence of int
        Units of each layer; a number stands for a single layer.
    activation : str
        Activation of the state.
    **settings
        Settings of :class:`gwforecast.networks.forecaster.NeuralForecaster`.
    """

    architecture: ClassVar[type[Architecture]] = GRUArchitecture
    name: str = "gru"
    units: LayerSizes = setting((32,), search=("choice", [16], [32], [64]))
    activation: Activation = "tanh"

    def network_settings(self) -> dict[str, object]:
        """Return the settings of the network's layers."""
        return {"units": layer_sizes(self.units), "activation": self.activation}


@dataclass(kw_only=True, eq=False)
class GlobalGRU(GRU, GlobalForecaster):
    """GRU networks that all wells share; settings of GRU and :class:`GlobalForecaster`."""

    name: str = "global_gru"
    units: LayerSizes = setting((64,), search=("choice", [32], [64], [128]))
    weight_decay: NotNegative = setting(0.3, search=WEIGHT_DECAY)
    epochs: Positive = setting(60, search=("int", 20, 120, 20))
    batch_size: Positive = 64
