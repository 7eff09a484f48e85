"""Recurrent layers that are fast on a CPU and correct on a GPU.

On a CPU nearly all the time of ``keras.layers.LSTM`` is overhead: each step of the sequence is a
dozen small operations. :class:`FusedLSTM` and :class:`FusedGRU` run the whole sequence in one
kernel there, and are Keras' own layers in every other respect and place.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["FusedGRU", "FusedLSTM"]


class _Fused:
    """What both layers do beside the recurrent layer of Keras that is their second base."""

    cell: Any
    return_sequences: bool
    fused: bool | None

    def __init__(self, units: int, fused: bool | None = None, **settings: Any) -> None:
        super().__init__(units, **settings)  # type: ignore[call-arg]
        self.fused = fused
        if self._takes_kernel():
            self.supports_jit = False

    def run_kernel(self, sequences: tf.Tensor, *, training: bool) -> tf.Tensor:
        """Return the states by the layer's kernel."""
        raise NotImplementedError

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        """Return the states of all steps (batch, step, units), or of the last (batch, units)."""
        if not self._takes_kernel() or initial_state is not None or mask is not None:
            return super().call(  # type: ignore[misc]
                sequences, initial_state=initial_state, mask=mask, training=training
            )
        states = self.run_kernel(tf.transpose(sequences, (1, 0, 2)), training=bool(training))
        return tf.transpose(states, (1, 0, 2)) if self.return_sequences else states[-1]

    def get_config(self) -> dict[str, Any]:
        """Return the settings that rebuild the layer."""
        return {**super().get_config(), "fused": self.fused}  # type: ignore[misc]

    def weights_of_cell(self) -> list[tf.Tensor]:
        """Return kernel, recurrent kernel and bias, as a stateless call may have set them."""
        cell = self.cell
        return [tf.convert_to_tensor(w) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)]

    def _takes_kernel(self) -> bool:
        """Return whether the settings are those of the kernel, and this is the place for it."""
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

    def run_kernel(self, sequences: tf.Tensor, *, training: bool) -> tf.Tensor:  # noqa: ARG002
        """Return the states of sequences (step, batch, input), (step, batch, units)."""
        return lstm_sequence(sequences, *self.weights_of_cell())


@keras.saving.register_keras_serializable(package="gwforecast")
class FusedGRU(_Fused, keras.layers.GRU):  # type: ignore[misc]
    """Run a GRU over a sequence as one compiled CPU kernel, with the weights of Keras' own layer.

    TensorFlow has no fused kernel of a whole GRU. In training on a CPU the recurrence and a
    gradient of its own, which sums up the weights' parts of all steps in one product, are compiled
    by XLA, once for each shape of a batch; without training they run as they are. As with
    :class:`FusedLSTM`, unusual settings, masks, initial states and GPUs take the path of
    :class:`keras.layers.GRU`, and weights convert both ways (gates z, r, h).

    Parameters
    ----------
    units : int
        Size of the state.
    fused : bool, optional
        Take the kernel where it can be taken, which is with ``reset_after=False``. By default on a
        machine without a GPU.
    **settings
        Every other argument of :class:`keras.layers.GRU`.
    """

    def run_kernel(self, sequences: tf.Tensor, *, training: bool) -> tf.Tensor:
        """Return the states of sequences (step, batch, input), (step, batch, units)."""
        return gru_sequence(sequences, *self.weights_of_cell(), compiled=training)


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


def gru_sequence(
    sequences: tf.Tensor,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
    *,
    compiled: bool = True,
) -> tf.Tensor:
    """Return the states of a GRU at each step, from a zero state.

    Parameters
    ----------
    sequences : tensorflow.Tensor
        Shape (step, batch, input).
    kernel, recurrent_kernel, bias : tensorflow.Tensor
        Shapes (input, 3 units), (units, 3 units) and (3 units,), gates in Keras' order z, r, h; the
        reset gate is applied before the product.
    compiled : bool
        Compile the recurrence by XLA, once for each shape.

    Returns
    -------
    tensorflow.Tensor
        Shape (step, batch, units).
    """
    forward, backward = _gru_compiled if compiled else _gru_plain

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(projected: tf.Tensor, recurrent_kernel: tf.Tensor) -> Any:
        # an eager tape would record the compiled function too, which XLA refuses
        states, gates = forward(tf.stop_gradient(projected), tf.stop_gradient(recurrent_kernel))
        return states, lambda upstream: backward(upstream, states, gates, recurrent_kernel)

    return run(sequences @ kernel + bias, recurrent_kernel)


def _gru_states(projected: tf.Tensor, recurrent_kernel: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return states (step, batch, units) and gates z, r, h (step, batch, 3 units)."""
    units = recurrent_kernel.shape[0]
    of_gates, of_candidate = recurrent_kernel[:, : 2 * units], recurrent_kernel[:, 2 * units :]
    steps = tf.shape(projected)[0]

    def body(step: Any, state: Any, states: Any, gates: Any) -> Any:
        given = projected[step]
        update_reset = tf.sigmoid(given[:, : 2 * units] + state @ of_gates)
        update, reset = update_reset[:, :units], update_reset[:, units:]
        candidate = tf.tanh(given[:, 2 * units :] + (reset * state) @ of_candidate)
        state = candidate + update * (state - candidate)
        passed = tf.concat([update_reset, candidate], 1)
        return step + 1, state, states.write(step, state), gates.write(step, passed)

    first = tf.zeros((tf.shape(projected)[1], units), projected.dtype)
    room = [_steps_array(projected.dtype, steps, size * units) for size in (1, 3)]
    *_, states, gates = tf.while_loop(
        lambda step, *_: step < steps, body, (0, first, *room), maximum_iterations=steps
    )
    return states.stack(), gates.stack()


def _gru_gradients(
    upstream: tf.Tensor, states: tf.Tensor, gates: tf.Tensor, recurrent_kernel: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the gradients by the projected inputs and by the recurrent kernel."""
    units = recurrent_kernel.shape[0]
    of_gates, of_candidate = recurrent_kernel[:, : 2 * units], recurrent_kernel[:, 2 * units :]
    steps = tf.shape(states)[0]
    before = tf.concat([tf.zeros_like(states[:1]), states[:-1]], 0)
    update, reset, candidate = tf.split(gates, 3, axis=-1)

    def body(done: Any, by_state: Any, found: Any) -> Any:
        step = steps - 1 - done
        z, r, h, state = update[step], reset[step], candidate[step], before[step]
        by_state = by_state + upstream[step]
        by_candidate = by_state * (1 - z) * (1 - h * h)
        by_product = tf.matmul(by_candidate, of_candidate, transpose_b=True)
        by_gates = tf.concat(
            [by_state * (state - h) * z * (1 - z), by_product * state * r * (1 - r)], 1
        )
        by_state = by_state * z + by_product * r + tf.matmul(by_gates, of_gates, transpose_b=True)
        return done + 1, by_state, found.write(step, tf.concat([by_gates, by_candidate], 1))

    room = _steps_array(states.dtype, steps, 3 * units)
    *_, found = tf.while_loop(
        lambda done, *_: done < steps,
        body,
        (0, tf.zeros_like(states[0]), room),
        maximum_iterations=steps,
    )
    by_projected = found.stack()
    flat = tf.reshape(by_projected, (-1, 3 * units))
    seen = [tf.reshape(values, (-1, units)) for values in (before, reset * before)]
    by_kernel = tf.concat(
        [
            tf.matmul(seen[0], flat[:, : 2 * units], transpose_a=True),
            tf.matmul(seen[1], flat[:, 2 * units :], transpose_a=True),
        ],
        1,
    )
    return by_projected, by_kernel


def _steps_array(dtype: Any, steps: tf.Tensor, size: int) -> tf.TensorArray:
    return tf.TensorArray(dtype, steps, element_shape=(None, size))


_gru_plain = _gru_states, _gru_gradients
_gru_compiled = tuple(
    tf.function(function, jit_compile=True, autograph=False) for function in _gru_plain
)
