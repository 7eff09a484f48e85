"""The global forecasters: LSTM, GRU, CNN and MLP that all wells share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gwforecast.networks.local import CNN, GRU, LSTM, MLP
from gwforecast.networks.shared import GlobalForecaster

__all__ = ["GlobalCNN", "GlobalGRU", "GlobalLSTM", "GlobalMLP"]


@dataclass(kw_only=True)
class GlobalLSTM(LSTM, GlobalForecaster):
    """LSTM networks that all wells share; settings of LSTM and :class:`GlobalForecaster`."""

    name = "global_lstm"
    units: Sequence[int] = (64,)
    forget_bias: Sequence[float] = (1.0,)
    dropout: float = 0.4
    noise: float = 0.2
    weight_decay: float = 0.3
    epochs: int = 60
    batch_size: int = 64


@dataclass(kw_only=True)
class GlobalGRU(GRU, GlobalForecaster):
    """GRU networks that all wells share; settings of GRU and :class:`GlobalForecaster`."""

    name = "global_gru"
    units: Sequence[int] = (64,)
    weight_decay: float = 0.3
    epochs: int = 60
    batch_size: int = 64


@dataclass(kw_only=True)
class GlobalCNN(CNN, GlobalForecaster):
    """Causal convolutions that all wells share; settings of CNN and :class:`GlobalForecaster`."""

    name = "global_cnn"
    units: int = 64
    weight_decay: float = 0.3
    epochs: int = 60
    batch_size: int = 64


@dataclass(kw_only=True)
class GlobalMLP(MLP, GlobalForecaster):
    """Dense networks that all wells share; settings of MLP and :class:`GlobalForecaster`."""

    name = "global_mlp"
    units: Sequence[int] = (64, 32)
    epochs: int = 20
    batch_size: int = 512
