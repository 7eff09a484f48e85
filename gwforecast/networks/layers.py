"""Classes that extend those of Keras: recurrent layers that are fast on a CPU, and batches.

On a CPU nearly all the time of ``keras.layers.LSTM`` is overhead: each step of the sequence is a
dozen small operations. :class:`FusedLSTM` and :class:`FusedGRU` run the whole sequence in one
kernel on a CPU. In all other respects, and on a GPU, they are Keras' own layers.

:class:`WindowGenerator` is for networks of one's own.
"""

from __future__ import annotations

from typing import Any

from gwforecast.networks.parts import quiet_start
from gwforecast.networks.recurrences import gru_sequence, lstm_sequence
from gwforecast.sequences.generator import LabelledWindows

with quiet_start():
    import keras
    import tensorflow as tf

__all__ = ["FusedGRU", "FusedLSTM", "WindowGenerator"]


class _Fused:
    """What both layers add to the recurrent layer of Keras that is their second base."""

    cell: Any
    return_sequences: bool
    fused: bool | None

    def __init__(self, units: int, fused: bool | None = None, **settings: Any) -> None:
        super().__init__(units, **settings)  # type: ignore[call-arg]
        self.fused = fused
        if self._takes_kernel():
            self.supports_jit = False

    def run_kernel(self, sequences: tf.Tensor) -> tf.Tensor:
        """Return the states, computed by the layer's kernel."""
        raise NotImplementedError

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """Return the states of all steps (batch, step, units), or of the last (batch, units)."""
        if not self._takes_kernel() or initial_state is not None or mask is not None:
            return super().call(  # type: ignore[misc]
                sequences, initial_state=initial_state, mask=mask, training=training
            )
        states = self.run_kernel(tf.transpose(sequences, (1, 0, 2)))
        return tf.transpose(states, (1, 0, 2)) if self.return_sequences else states[-1]

    def get_config(self) -> dict[str, Any]:
        """Return the settings that rebuild the layer."""
        return {**super().get_config(), "fused": self.fused}  # type: ignore[misc]

    def weights_of_cell(self) -> list[tf.Tensor]:
        """Return kernel, recurrent kernel and bias, also within a stateless call."""
        cell = self.cell
        return [tf.convert_to_tensor(w) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)]

    def _takes_kernel(self) -> bool:
        """Return whether the kernel supports the settings, and the machine is without a GPU."""
        layer: Any = self
        cell = layer.cell
        fusible = (
            cell.activation is keras.activations.tanh
            and cell.recurrent_activation is keras.activations.sigmoid
            and cell.use_bias
            and not cell.dropout
            and not cell.recurrent_dropout
            and not getattr(cell, "reset_after", False)
            and not (layer.go_backwards or layer.stateful or layer.return_state or layer.unroll)
        )
        if self.fused is None:
            return fusible and not tf.config.list_physical_devices("GPU")
        return self.fused and fusible


@keras.saving.register_keras_serializable(package="gwforecast")
class FusedLSTM(_Fused, keras.layers.LSTM):  # type: ignore[misc]
    """Run an LSTM over a sequence in one CPU kernel, with the weights of Keras' own layer.

    The kernel is used on a CPU, outside XLA, for the usual activations, without dropout inside the
    cell, masks or initial states; otherwise the layer computes as :class:`keras.layers.LSTM`, whose
    arguments it has. It is compiled by XLA, once for each shape of a batch. Weights are the same in
    name, shape and order (gates i, f, c, o), so ``get_weights`` and ``set_weights`` convert in both
    directions.

    Parameters
    ----------
    fused : bool, optional
        Use the kernel where it is possible; by default on a machine without a GPU.
    """

    def run_kernel(self, sequences: tf.Tensor) -> tf.Tensor:
        """Return the states of sequences (step, batch, input), (step, batch, units)."""
        return lstm_sequence(sequences, *self.weights_of_cell())


@keras.saving.register_keras_serializable(package="gwforecast")
class FusedGRU(_Fused, keras.layers.GRU):  # type: ignore[misc]
    """Run a GRU over a sequence in one CPU kernel, with the weights of Keras' own layer.

    As :class:`FusedLSTM`, from :class:`keras.layers.GRU` with ``reset_after=False`` (gates z, r,
    h).
    """

    def run_kernel(self, sequences: tf.Tensor) -> tf.Tensor:
        """Return the states of sequences (step, batch, input), (step, batch, units)."""
        return gru_sequence(sequences, *self.weights_of_cell())


class WindowGenerator(LabelledWindows, keras.utils.PyDataset):  # type: ignore[misc]
    """Windows of labelled observations for the ``fit``, ``evaluate`` and ``predict`` of Keras.

    All arguments and methods are those of
    :class:`gwforecast.sequences.generator.LabelledWindows`.

    Examples
    --------
    A network of your own, scored beside the baselines, is a complete example in
    ``docs/howto/own_network.md``:

    >>> import gwforecast as gw
    >>> observations = gw.load_sample().sel(well=["fen"])
    >>> split = gw.split_by_fraction(observations)
    >>> train = gw.WindowGenerator(observations, split=split, lookback=90, targets=30)
    >>> train.shapes
    {'future': (120, 4)}
    """
