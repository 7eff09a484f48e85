"""The neural forecasters: LSTM, GRU, CNN and MLP; each names its network and its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from gwforecast.models import networks
from gwforecast.models.ensemble import NeuralForecaster
from gwforecast.sequences.lags import lag_edges, lagged_means

__all__ = ["CNN", "GRU", "LSTM", "MLP"]


@dataclass(kw_only=True)
class LSTM(NeuralForecaster):
    """LSTM networks, trained on sequences with a warm-up and a target at every observed step.

    Parameters
    ----------
    units : sequence of int
        Size of each layer.
    activation : str
        Activation of cell and state.
    **settings
        Those of :class:`gwforecast.models.ensemble.NeuralForecaster`.
    """

    name = "lstm"
    units: Sequence[int] = (32,)
    activation: str = "tanh"

    def build(self, inputs: int, *, seed: int = 0) -> keras.Model:
        """Return the Keras network for a number of inputs, with first weights by the seed."""
        return networks.build_lstm(
            inputs,
            units=self.units,
            activation=self.activation,
            dropout=self.dropout,
            noise=self.noise,
            l2=self.l2,
            outputs=self.head.outputs,
            output_activation=self.head.activation,
            seed=seed,
        )


@dataclass(kw_only=True)
class GRU(LSTM):
    """GRU networks; the settings are those of :class:`LSTM`."""

    name = "gru"

    def build(self, inputs: int, *, seed: int = 0) -> keras.Model:
        """Return the Keras network for a number of inputs, with first weights by the seed."""
        return networks.build_gru(
            inputs,
            units=self.units,
            activation=self.activation,
            dropout=self.dropout,
            noise=self.noise,
            l2=self.l2,
            outputs=self.head.outputs,
            output_activation=self.head.activation,
            seed=seed,
        )


@dataclass(kw_only=True)
class CNN(NeuralForecaster):
    """Causal convolutions over the same windows as the LSTM.

    Parameters
    ----------
    units : int
        Filters of each layer.
    kernel_size : int
        Steps of a filter, and the factor by which the dilation grows.
    activation : str
        Activation of each layer.
    **settings
        Those of :class:`gwforecast.models.ensemble.NeuralForecaster`.
    """

    name = "cnn"
    units: int = 32
    kernel_size: int = 3
    activation: str = "relu"

    def build(self, inputs: int, *, seed: int = 0) -> keras.Model:
        """Return the Keras network for a number of inputs, with first weights by the seed."""
        return networks.build_cnn(
            inputs,
            lookback=self.lookback_,
            units=self.units,
            kernel_size=self.kernel_size,
            activation=self.activation,
            dropout=self.dropout,
            noise=self.noise,
            l2=self.l2,
            outputs=self.head.outputs,
            output_activation=self.head.activation,
            seed=seed,
        )


@dataclass(kw_only=True)
class MLP(NeuralForecaster):
    """Dense networks on means of the covariates over lags that double in width.

    Parameters
    ----------
    units : sequence of int
        Size of each layer.
    activation : str
        Activation of each layer.
    **settings
        Those of :class:`gwforecast.models.ensemble.NeuralForecaster`. The lookback is that of the
        lags; each window is a single step.
    """

    name = "mlp"
    units: Sequence[int] = (32, 16)
    activation: str = "relu"
    dropout: float = 0.2
    noise: float = 0.1
    epochs: int = 60
    batch_size: int = 64

    def build(self, inputs: int, *, seed: int = 0) -> keras.Model:
        """Return the Keras network for a number of inputs, with first weights by the seed."""
        return networks.build_mlp(
            inputs,
            units=self.units,
            activation=self.activation,
            dropout=self.dropout,
            noise=self.noise,
            l2=self.l2,
            outputs=self.head.outputs,
            output_activation=self.head.activation,
            seed=seed,
        )

    @property
    def window(self) -> tuple[int, int]:
        """Warm-up and target steps of a window: the lags are in the inputs already."""
        return 0, 1

    def _network_inputs(self, values: np.ndarray) -> np.ndarray:
        edges = lag_edges(self.lookback_ + 1)
        before = np.zeros((values.shape[0], values.shape[2]))  # the training mean of scaled inputs
        return lagged_means(values, edges, before=before).astype(np.float32)
