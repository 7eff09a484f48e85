"""GRU networks: Keras model, forward pass in NumPy, and the forecasters GRU and GlobalGRU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gwforecast.models.state import setting
from gwforecast.networks import parts
from gwforecast.networks.forecaster import WEIGHT_DECAY, NeuralForecaster
from gwforecast.networks.shared import GlobalForecaster

if TYPE_CHECKING:
    import keras

__all__ = ["GRU", "GRUArchitecture", "GlobalGRU"]


@dataclass(frozen=True)
class GRUArchitecture(parts.RecurrentArchitecture):
    """Description of a GRU network; weights and gates (z, r, h) are ordered as in Keras."""

    kind = "gru"
    gates = 3

    def recurrent_layer(self, units: int, **settings: Any) -> keras.Layer:
        """Return a recurrent layer of Keras, whose reset gate acts before the product."""
        from gwforecast.networks.layers import FusedGRU

        return FusedGRU(units, reset_after=False, **settings)

    def run_hidden(
        self, weights: Sequence[np.ndarray], inputs: np.ndarray, state: parts.State | None
    ) -> tuple[np.ndarray, parts.State]:
        """Return the states of the last layer, and the hidden state of each layer."""
        name = self.setting("activation")
        ended: parts.State = []
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
    """GRU networks [1]_, trained on the same windows as :class:`gwforecast.networks.lstm.LSTM`.

    Parameters
    ----------
    units : int or sequence of int
        Units of each layer; a number stands for a single layer.
    activation : str
        Activation of the state.
    **settings
        Settings of :class:`gwforecast.networks.forecaster.NeuralForecaster`.

    References
    ----------
    .. [1] Cho et al. (2014), doi:10.3115/v1/D14-1179.
    """

    architecture: ClassVar[type[parts.Architecture]] = GRUArchitecture
    name: str = "gru"
    units: parts.LayerSizes = setting((32,), search=("choice", [16], [32], [64]))
    activation: parts.Activation = "tanh"


@dataclass(kw_only=True, eq=False)
class GlobalGRU(GRU, GlobalForecaster):
    """GRU networks that all wells share.

    Parameters
    ----------
    **settings
        As of :class:`GRU` (units and activation),
        :class:`gwforecast.networks.shared.GlobalForecaster` (attributes, categories, embedding and
        fine_tune) and :class:`gwforecast.networks.forecaster.NeuralForecaster` (all others).
    """

    name: str = "global_gru"
    units: parts.LayerSizes = setting((64,), search=("choice", [32], [64], [128]))
    weight_decay: parts.NotNegative = setting(0.3, search=WEIGHT_DECAY)
    epochs: parts.Positive = setting(60, search=("int", 20, 120, 20))
    batch_size: parts.Positive = 64
