"""The neural forecasters: LSTM, GRU, CNN and MLP; each names its network and its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gwforecast.networks.architecture import Architecture
from gwforecast.networks.forecaster import NeuralForecaster

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
    forget_bias : sequence of float
        Bias of the forget gates that training starts from (Gers et al. 2000,
        doi:10.1162/089976600300015015), that of a member by its seed, in turn. At first a network
        remembers about ``1 + exp(bias)`` steps. Wells with a short and with a long memory are
        served by different ones, so members that start alike are trusted by their validation loss
        at the well, see ``trust_``.
    **settings
        Those of :class:`gwforecast.networks.forecaster.NeuralForecaster`.
    """

    name = "lstm"
    units: Sequence[int] = (32,)
    activation: str = "tanh"
    forget_bias: Sequence[float] = (1.0, 3.0)
    dropout: float = 0.1
    noise: float = 0.1

    def architecture(self, inputs: int) -> Architecture:
        """Return the network's architecture for a number of inputs."""
        return self._architecture(
            "lstm", inputs, units=tuple(self.units), activation=self.activation
        )

    @property
    def starts(self) -> int:  # type: ignore[override]
        """Number of ways in which members start."""
        return len(self.forget_bias)

    def _first_weights(self) -> tuple[range, list[list[np.ndarray]]]:
        seeds, first = super()._first_weights()
        for seed, weights in zip(seeds, first, strict=True):
            bias = self.forget_bias[seed % self.starts]
            # kernel, recurrent kernel and bias of each layer stand before those of the head
            for layer, units in enumerate(reversed(self.units)):
                gates = np.array(weights[-3 - 3 * layer])  # i, f, c, o
                gates[units : 2 * units] = bias
                weights[-3 - 3 * layer] = gates
        return seeds, first

    def _check_settings(self) -> None:
        super()._check_settings()
        if not len(self.forget_bias):
            raise ValueError(
                f"forget_bias must have at least one number. Received {self.forget_bias!r}. "
                f"Correct the setting 'forget_bias' of {self.name!r}."
            )


@dataclass(kw_only=True)
class GRU(NeuralForecaster):
    """GRU networks, trained as :class:`LSTM` is.

    Parameters
    ----------
    units : sequence of int
        Size of each layer.
    activation : str
        Activation of the state.
    **settings
        Those of :class:`gwforecast.networks.forecaster.NeuralForecaster`.
    """

    name = "gru"
    units: Sequence[int] = (32,)
    activation: str = "tanh"

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
        Those of :class:`gwforecast.networks.forecaster.NeuralForecaster`.
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
        Those of :class:`gwforecast.networks.forecaster.NeuralForecaster`. The lookback is that of
        the
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
