"""Recurrent layers that are fast on a CPU and correct on a GPU.

On a CPU nearly all the time of ``keras.layers.LSTM`` is overhead: each step of the sequence is a
dozen small operations. :class:`FusedLSTM` runs the whole sequence in one fused kernel there, and
is ``keras.layers.LSTM`` in every other respect and place.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["FusedLSTM"]


@keras.saving.register_keras_serializable(package="gwforecast")
class FusedLSTM(keras.layers.LSTM):  # type: ignore[misc]
    """Run an LSTM over a sequence in one fused CPU kernel, with the weights of Keras' own layer.

    The fused kernel is taken on a CPU, outside XLA, for the usual activations, without dropout
    inside the cell, masks or initial states; anything else takes the path of
    :class:`keras.layers.LSTM`. Weights are the same in name, shape and order (gates i, f, c, o),
    so they convert both ways with ``get_weights`` and ``set_weights``.

    Parameters
    ----------
    units : int
        Size of the state.
    fused : bool, optional
        Take the fused kernel where it can be taken. By default on a machine without a GPU.
    **settings
        Every other argument of :class:`keras.layers.LSTM`.

    Notes
    -----
    The kernel is ``BlockLSTM`` (version 1) of TensorFlow; the gradient that TensorFlow registers
    for version 2 is that of version 1, whose gates have another order, and is wrong.
    """

    def __init__(self, units: int, fused: bool | None = None, **settings: Any) -> None:
        super().__init__(units, **settings)
        self.fused = fused
        self._fusible = (
            self.cell.activation is keras.activations.tanh
            and self.cell.recurrent_activation is keras.activations.sigmoid
            and self.cell.use_bias
            and not self.cell.dropout
            and not self.cell.recurrent_dropout
            and not (self.go_backwards or self.stateful or self.return_state or self.unroll)
        )
        if self._takes_kernel():
            self.supports_jit = False

    def _takes_kernel(self) -> bool:
        if self.fused is None:
            return self._fusible and not tf.config.list_physical_devices("GPU")
        return self.fused and self._fusible

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        """Return the states of all steps (batch, step, units), or of the last (batch, units)."""
        if not self._takes_kernel() or initial_state is not None or mask is not None:
            return super().call(
                sequences, initial_state=initial_state, mask=mask, training=training
            )
        states = lstm_sequence(
            tf.transpose(sequences, (1, 0, 2)),
            tf.convert_to_tensor(self.cell.kernel),
            tf.convert_to_tensor(self.cell.recurrent_kernel),
            tf.convert_to_tensor(self.cell.bias),
        )
        return tf.transpose(states, (1, 0, 2)) if self.return_sequences else states[-1]

    def get_config(self) -> dict[str, Any]:
        """Return the settings that rebuild the layer."""
        return {**super().get_config(), "fused": self.fused}


def lstm_sequence(
    sequences: tf.Tensor, kernel: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor
) -> tf.Tensor:
    """Return the states of an LSTM at each step, from a zero state, by the fused kernel.

    Parameters
    ----------
    sequences : tensorflow.Tensor
        Shape (step, batch, input).
    kernel, recurrent_kernel, bias : tensorflow.Tensor
        Shapes (input, 4 units), (units, 4 units) and (4 units,), gates in Keras' order i, f, c, o.

    Returns
    -------
    tensorflow.Tensor
        Shape (step, batch, units).
    """
    input_gate, forget, cell, output = tf.split(tf.concat([kernel, recurrent_kernel], 0), 4, 1)
    b_input, b_forget, b_cell, b_output = tf.split(bias, 4)
    units = tf.shape(recurrent_kernel)[0]
    zeros = tf.zeros((tf.shape(sequences)[1], units), sequences.dtype)
    peephole = tf.zeros((units,), sequences.dtype)
    return tf.raw_ops.BlockLSTM(
        seq_len_max=tf.shape(sequences, out_type=tf.int64)[0],
        x=sequences,
        cs_prev=zeros,
        h_prev=zeros,
        w=tf.concat([input_gate, cell, forget, output], 1),
        wci=peephole,
        wcf=peephole,
        wco=peephole,
        b=tf.concat([b_input, b_cell, b_forget, b_output], 0),
        forget_bias=0.0,
        cell_clip=-1.0,
        use_peephole=False,
    ).h
