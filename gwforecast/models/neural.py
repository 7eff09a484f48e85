"""The neural forecasters: LSTM, GRU, CNN and MLP; each names its network and its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gwforecast.models.architecture import Architecture
from gwforecast.models.ensemble import NeuralForecaster

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

    def architecture(self, inputs: int) -> Architecture:
        """Return the network's architecture for a number of inputs."""
        return self._architecture(
            "lstm", inputs, units=tuple(self.units), activation=self.activation
        )


@dataclass(kw_only=True)
class GRU(LSTM):
    """GRU networks; the settings are those of :class:`LSTM`."""

    name = "gru"

    def architecture(self, inputs: int) -> Architecture:
        """Return the network's architecture for a number of inputs."""
        return self._architecture(
            "gru", inputs, units=tuple(self.units), activation=self.activation
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

    def architecture(self, inputs: int) -> Architecture:
        """Return the network's architecture for a number of inputs."""
        return self._architecture(
            "cnn",
            inputs,
            lookback=self.lookback_,
            units=self.units,
            kernel_size=self.kernel_size,
            activation=self.activation,
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
    lagged = True

    def architecture(self, inputs: int) -> Architecture:
        """Return the network's architecture for a number of inputs."""
        return self._architecture(
            "mlp", inputs, units=tuple(self.units), activation=self.activation
        )
