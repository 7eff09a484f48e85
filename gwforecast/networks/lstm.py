"""LSTM networks: Keras model, forward pass in NumPy, and the forecasters LSTM and GlobalLSTM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import MinLen

from gwforecast.models.state import setting
from gwforecast.networks import parts
from gwforecast.networks.forecaster import DROPOUT, NOISE, WEIGHT_DECAY, NeuralForecaster
from gwforecast.networks.shared import GlobalForecaster

if TYPE_CHECKING:
    import keras

__all__ = ["LSTM", "GlobalLSTM", "LSTMArchitecture"]

FORGET_BIAS = ("choice", [1.0, 3.0], [1.0], [3.0])


@dataclass(frozen=True)
class LSTMArchitecture(parts.RecurrentArchitecture):
    """Description of an LSTM network; weights and gates (i, f, c, o) are ordered as in Keras."""

    kind = "lstm"
    gates = 4

    def recurrent_layer(self, units: int, **settings: Any) -> keras.Layer:
        """Return a recurrent layer of Keras."""
        from gwforecast.networks.layers import FusedLSTM

        return FusedLSTM(units, **settings)

    def first_hidden(self, shapes: Sequence[tuple[int, ...]], seed: int) -> list[np.ndarray]:
        """Return the first weights of the hidden layers; the bias of forget gates is one."""
        first = super().first_hidden(shapes, seed)
        for bias, units in zip(first[2::3], self.setting("units"), strict=True):
            bias[units : 2 * units] = 1.0
        return first

    def run_hidden(
        self, weights: Sequence[np.ndarray], inputs: np.ndarray, state: parts.State | None
    ) -> tuple[np.ndarray, parts.State]:
        """Return the states of the last layer, and hidden state and cell of each layer."""
        name = self.setting("activation")
        ended: parts.State = []
        x = inputs
        for layer, units in enumerate(self.setting("units")):
            kernel, recurrent, bias = weights[3 * layer : 3 * layer + 3]
            fused = name == "tanh"
            if fused:  # the sigmoid gates by tanh of half the value: one call serves all four gates
                factor = np.ones(4 * units, np.float32)
                factor[: 2 * units] = factor[3 * units :] = 0.5
                kernel, recurrent, bias = kernel * factor, recurrent * factor, bias * factor
            projected = np.matmul(parts.by_step(x), kernel)
            projected += bias[:, None]
            shape = (*projected.shape[1:3], units)
            hidden, cell = parts.first_state(state, layer, parts=2, shape=shape)
            cell, new = np.array(cell), np.empty(shape, np.float32)
            states = np.empty((len(projected), *shape), np.float32)
            added = np.empty_like(projected[0])
            for step, gates in enumerate(projected):
                gates += np.matmul(hidden, recurrent, out=added)
                c = gates[..., 2 * units : 3 * units]
                if fused:
                    np.tanh(gates, out=gates)
                    sigmoid = np.multiply(gates, np.float32(0.5), out=added)
                    sigmoid += np.float32(0.5)
                else:
                    sigmoid, c = parts.logistic(gates), parts.activate(c, name)
                i, f, _, o = (sigmoid[..., k * units : (k + 1) * units] for k in range(4))
                cell *= f
                cell += np.multiply(i, c, out=new)
                hidden = np.multiply(o, parts.activate(cell, name), out=states[step])
            ended.append((hidden, cell))
            x = parts.by_sequence(states)
        return x, ended


@dataclass(kw_only=True, eq=False)
class LSTM(NeuralForecaster):
    """LSTM networks [1]_, trained on sequences with a warm-up and a target at every observed step.

    Parameters
    ----------
    units : int or sequence of int
        Units of each layer; a number stands for a single layer.
    activation : str
        Activation of cell and state.
    forget_bias : sequence of float
        Bias of the forget gates at the start of training (Gers et al. 2000,
        doi:10.1162/089976600300015015). Members take the values in turn, by their seeds. At first a
        network remembers about ``1 + exp(bias)`` steps. A short memory suits some wells and a long
        one others, so members are weighted by the validation loss of those with the same value at
        each well, see ``member_weights_``.
    **settings
        Settings of :class:`gwforecast.networks.forecaster.NeuralForecaster`.

    References
    ----------
    .. [1] Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735.
    """

    architecture: ClassVar[type[parts.Architecture]] = LSTMArchitecture
    name: str = "lstm"
    units: parts.LayerSizes = setting((32,), search=("choice", [16], [32], [64]))
    activation: parts.Activation = "tanh"
    forget_bias: Annotated[Sequence[float], MinLen(1)] = setting((1.0, 3.0), search=FORGET_BIAS)
    dropout: parts.Share = setting(0.1, search=DROPOUT)
    noise: parts.NotNegative = setting(0.1, search=NOISE)

    @property
    def starts(self) -> int:
        """Number of different ways in which members start: one for each forget bias."""
        return len(self.forget_bias)

    def _first_weights(self) -> tuple[range, list[list[np.ndarray]]]:
        seeds, first = super()._first_weights()
        for seed, weights in zip(seeds, first, strict=True):
            bias = self.forget_bias[seed % self.starts]
            # the last weights are kernel, recurrent kernel and bias of each layer, then the head's
            for layer, units in enumerate(reversed(self.architecture_.setting("units"))):
                gates = np.array(weights[-3 - 3 * layer])  # i, f, c, o
                gates[units : 2 * units] = bias
                weights[-3 - 3 * layer] = gates
        return seeds, first


@dataclass(kw_only=True, eq=False)
class GlobalLSTM(LSTM, GlobalForecaster):
    """LSTM networks that all wells share.

    Parameters
    ----------
    **settings
        As of :class:`LSTM` (units, activation and forget_bias),
        :class:`gwforecast.networks.shared.GlobalForecaster` (attributes, categories, embedding and
        fine_tune) and :class:`gwforecast.networks.forecaster.NeuralForecaster` (all others).
    """

    name: str = "global_lstm"
    members: parts.MemberCount = 5
    units: parts.LayerSizes = setting((64,), search=("choice", [32], [64], [128]))
    forget_bias: Annotated[Sequence[float], MinLen(1)] = setting((1.0,), search=FORGET_BIAS)
    dropout: parts.Share = setting(0.4, search=DROPOUT)
    noise: parts.NotNegative = setting(0.2, search=NOISE)
    weight_decay: parts.NotNegative = setting(0.3, search=WEIGHT_DECAY)
    epochs: parts.Positive = setting(60, search=("int", 20, 120, 20))
    batch_size: parts.Positive = 64
