"""LSTM and GRU over whole sequences, as one kernel each on a CPU.

In training a kernel is compiled by XLA and has a gradient of its own: all that needs no state of
the step before is done for all steps at once, and what is left in the loop is a product and a few
element-wise operations a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import tensorflow as tf

__all__ = ["gru_sequence", "lstm_sequence"]


def lstm_sequence(
    sequences: tf.Tensor,
    kernel: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    bias: tf.Tensor,
    *,
    compiled: bool = True,
) -> tf.Tensor:
    """Return the states of an LSTM at each step, from a zero state.

    Parameters
    ----------
    sequences : tensorflow.Tensor
        Shape (step, batch, input).
    kernel, recurrent_kernel, bias : tensorflow.Tensor
        Shapes (input, 4 units), (units, 4 units) and (4 units,), gates in Keras' order i, f, c, o.
    compiled : bool
        Compile the recurrence by XLA, once for each shape; otherwise TensorFlow's fused kernel.

    Returns
    -------
    tensorflow.Tensor
        Shape (step, batch, units).

    Notes
    -----
    The fused kernel is version 1 of ``BlockLSTM``; the gradient that TensorFlow registers for
    version 2 is that of version 1, whose gates have another order, and is wrong.
    """
    if not compiled:
        return _block_lstm(sequences, kernel, recurrent_kernel, bias)
    return _recurrence(*_lstm_compiled)(_projected(sequences, kernel, bias), recurrent_kernel)


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
    kernel_of = _gru_compiled if compiled else _gru_plain
    return _recurrence(*kernel_of)(_projected(sequences, kernel, bias), recurrent_kernel)


def _recurrence(states: Callable[..., Any], gradients: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of projected inputs and recurrent kernel that has a gradient of its own.

    ``states`` gives the states and what ``gradients`` needs beside them.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(projected: tf.Tensor, recurrent_kernel: tf.Tensor) -> Any:
        # an eager tape would record the compiled function too, which XLA refuses
        found, *kept = states(tf.stop_gradient(projected), tf.stop_gradient(recurrent_kernel))
        return found, lambda upstream: gradients(upstream, found, *kept, recurrent_kernel)

    return cast("Callable[..., Any]", run)


def _block_lstm(
    sequences: tf.Tensor, kernel: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor
) -> tf.Tensor:
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


def _lstm_states(
    projected: tf.Tensor, recurrent_kernel: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return states and cells (step, batch, units), and gates i, f, c, o (step, batch, 4 units)."""
    units = recurrent_kernel.shape[0]
    # tanh(x) is 2 sigmoid(2x) - 1, so that one sigmoid serves all four gates
    twice = tf.repeat(tf.constant([1, 1, 2, 1], projected.dtype), units)
    projected, recurrent_kernel = projected * twice, recurrent_kernel * twice
    steps = tf.shape(projected)[0]

    def body(step: Any, state: Any, cell: Any, cells: Any, gates: Any) -> Any:
        passed = tf.sigmoid(projected[step] + state @ recurrent_kernel)
        put, keep, new, show = tf.split(passed, 4, axis=1)
        cell = keep * cell + put * (2 * new - 1)
        return (
            step + 1,
            show * tf.tanh(cell),
            cell,
            cells.write(step, cell),
            gates.write(step, passed),
        )

    first = tf.zeros((tf.shape(projected)[1], units), projected.dtype)
    room = [_steps_array(projected.dtype, steps, size * units) for size in (1, 4)]
    *_, cells, gates = tf.while_loop(
        lambda step, *_: step < steps, body, (0, first, first, *room), maximum_iterations=steps
    )
    put, keep, new, show = tf.split(gates.stack(), 4, axis=-1)
    cells = cells.stack()
    return show * tf.tanh(cells), cells, tf.concat([put, keep, 2 * new - 1, show], -1)


def _lstm_gradients(
    upstream: tf.Tensor,
    states: tf.Tensor,
    cells: tf.Tensor,
    gates: tf.Tensor,
    recurrent_kernel: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the gradients by the projected inputs and by the recurrent kernel."""
    steps, units = tf.shape(states)[0], recurrent_kernel.shape[0]
    put, keep, new, show = tf.split(gates, 4, axis=-1)
    shown = tf.tanh(cells)
    slopes = tf.concat(
        [
            new * put * (1 - put),
            _before(cells) * keep * (1 - keep),
            put * (1 - new * new),
            shown * show * (1 - show),
        ],
        -1,
    )
    through = show * (1 - shown * shown)

    def body(done: Any, by_state: Any, by_cell: Any, found: Any) -> Any:
        step = steps - 1 - done
        by_state = by_state + upstream[step]
        by_cell = by_cell + by_state * through[step]
        by_gates = tf.concat([by_cell, by_cell, by_cell, by_state], 1) * slopes[step]
        by_state = tf.matmul(by_gates, recurrent_kernel, transpose_b=True)
        return done + 1, by_state, by_cell * keep[step], found.write(step, by_gates)

    none = tf.zeros_like(states[0])
    room = _steps_array(states.dtype, steps, 4 * units)
    *_, found = tf.while_loop(
        lambda done, *_: done < steps, body, (0, none, none, room), maximum_iterations=steps
    )
    by_projected = found.stack()
    flat = tf.reshape(by_projected, (-1, 4 * units))
    seen = tf.reshape(_before(states), (-1, units))
    return by_projected, tf.matmul(seen, flat, transpose_a=True)


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
    before = _before(states)
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


def _projected(sequences: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Return the gates' part that comes from the inputs, (step, batch, gates)."""
    # one product of all steps, where that of three dimensions would be a product for each
    steps, batch, inputs = tf.unstack(tf.shape(sequences))
    flat = tf.reshape(sequences, (steps * batch, inputs)) @ kernel + bias
    return tf.reshape(flat, (steps, batch, kernel.shape[1]))


def _before(values: tf.Tensor) -> tf.Tensor:
    """Return the values of the step before each, zero before the first."""
    return tf.concat([tf.zeros_like(values[:1]), values[:-1]], 0)


def _steps_array(dtype: Any, steps: tf.Tensor, size: int) -> tf.TensorArray:
    return tf.TensorArray(dtype, steps, element_shape=(None, size))


def _by_xla(*functions: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    return tuple(tf.function(f, jit_compile=True, autograph=False) for f in functions)


_gru_plain = _gru_states, _gru_gradients
_gru_compiled = _by_xla(*_gru_plain)
_lstm_compiled = _by_xla(_lstm_states, _lstm_gradients)
