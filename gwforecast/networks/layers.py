"""Classes that extend those of Keras: recurrent layers that are fast on a CPU, and batches.

On a CPU nearly all the time of ``keras.layers.LSTM`` is overhead: each step of the sequence is a
dozen small operations. :class:`FusedLSTM` and :class:`FusedGRU` run the whole sequence in one
kernel that XLA compiles. In all other respects, and on a GPU, they are Keras' own layers.

A kernel has its own gradient: everything that does not depend on the state of the previous step is
computed for all steps together, so that the loop has one matrix product and a few element-wise
operations for each step. It is compiled once for each shape.

:class:`WindowGenerator` is for networks of one's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from gwforecast.networks.parts import quiet_start
from gwforecast.sequences.generator import LabelledWindows

with quiet_start():
    import keras
    import tensorflow as tf

__all__ = ["FusedGRU", "FusedLSTM", "WindowGenerator"]

UNROLLED = 4  # steps in one iteration of a loop of the backward pass


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
        kernel, recurrent_kernel, bias = self.weights_of_cell()
        twice = tf.repeat(tf.constant([1, 1, 2, 1], kernel.dtype), recurrent_kernel.shape[0])
        projected = _projected(sequences, kernel * twice, bias * twice)
        return _recurrence(*_lstm_compiled)(projected, recurrent_kernel * twice)


@keras.saving.register_keras_serializable(package="gwforecast")
class FusedGRU(_Fused, keras.layers.GRU):  # type: ignore[misc]
    """Run a GRU over a sequence in one CPU kernel, with the weights of Keras' own layer.

    As :class:`FusedLSTM`, from :class:`keras.layers.GRU` with ``reset_after=False`` (gates z, r,
    h).
    """

    def run_kernel(self, sequences: tf.Tensor) -> tf.Tensor:
        """Return the states of sequences (step, batch, input), (step, batch, units)."""
        kernel, recurrent_kernel, bias = self.weights_of_cell()
        return _recurrence(*_gru_compiled)(_projected(sequences, kernel, bias), recurrent_kernel)


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


def _recurrence(states: Callable[..., Any], gradients: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of projected inputs and recurrent kernel that has its own gradient.

    ``states`` returns the states and further values that ``gradients`` needs.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(projected: tf.Tensor, recurrent_kernel: tf.Tensor) -> Any:
        # an eager tape would record the compiled function too, which XLA refuses
        found, *kept = states(tf.stop_gradient(projected), tf.stop_gradient(recurrent_kernel))
        return found, lambda upstream: gradients(upstream, found, *kept, recurrent_kernel)

    return cast("Callable[..., Any]", run)


def _lstm_states(
    projected: tf.Tensor, recurrent_kernel: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return states and cells (step, batch, units), and gates i, f, c, o (step, batch, 4 units).

    The inputs of gate c are doubled: tanh(x) is 2 sigmoid(2x) - 1, so one sigmoid serves all gates.
    """
    units = recurrent_kernel.shape[0]
    steps = tf.shape(projected)[0]

    def body(step: Any, state: Any, cell: Any, cells: Any, gates: Any) -> Any:
        passed = tf.sigmoid(projected[step] + state @ recurrent_kernel)
        put, keep, new, show = tf.split(passed, 4, axis=1)
        cell = keep * cell + put * (2 * new - 1)
        state = show * tf.tanh(cell)
        return step + 1, state, cell, cells.write(step, cell), gates.write(step, passed)

    first = tf.zeros((tf.shape(projected)[1], units), projected.dtype)
    room = [_steps_array(projected.dtype, steps, size * units) for size in (1, 4)]
    *_, cells, gates = tf.while_loop(
        lambda step, *_: step < steps, body, (0, first, first, *room), maximum_iterations=steps
    )
    cells, gates = cells.stack(), gates.stack()
    return gates[..., 3 * units :] * tf.tanh(cells), cells, gates


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
    slopes = tf.concat([2 * new - 1, _before(cells), 2 * put, shown], -1) * gates * (1 - gates)
    through = show * (1 - shown * shown)
    turned = tf.transpose(recurrent_kernel)  # once, not in each step of the loop

    def body(done: Any, by_state: Any, by_cell: Any, found: Any) -> Any:
        step = steps - 1 - done
        by_state = by_state + upstream[step]
        by_cell = by_cell + by_state * through[step]
        by_gates = tf.concat([by_cell, by_cell, by_cell, by_state], 1) * slopes[step]
        return done + 1, by_gates @ turned, by_cell * keep[step], found.write(step, by_gates)

    none = tf.zeros_like(states[0])
    room = _steps_array(states.dtype, steps, 4 * units)
    *_, found = _unrolled(steps, body, (0, none, none, room))
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
    turned_gates, turned_candidate = tf.transpose(of_gates), tf.transpose(of_candidate)

    def body(done: Any, by_state: Any, found: Any) -> Any:
        step = steps - 1 - done
        z, r, h, state = update[step], reset[step], candidate[step], before[step]
        by_state = by_state + upstream[step]
        by_candidate = by_state * (1 - z) * (1 - h * h)
        by_product = by_candidate @ turned_candidate
        by_gates = tf.concat(
            [by_state * (state - h) * z * (1 - z), by_product * state * r * (1 - r)], 1
        )
        by_state = by_state * z + by_product * r + by_gates @ turned_gates
        return done + 1, by_state, found.write(step, tf.concat([by_gates, by_candidate], 1))

    room = _steps_array(states.dtype, steps, 3 * units)
    *_, found = _unrolled(steps, body, (0, tf.zeros_like(states[0]), room))
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
    """Return the contribution of the inputs to the gates, (step, batch, gates)."""
    # with three dimensions there would be one product for each step
    steps, batch, inputs = tf.unstack(tf.shape(sequences))
    flat = tf.reshape(sequences, (steps * batch, inputs)) @ kernel + bias
    return tf.reshape(flat, (steps, batch, kernel.shape[1]))


def _unrolled(steps: tf.Tensor, body: Callable[..., Any], carried: tuple[Any, ...]) -> Any:
    """Return the loop variables after all steps; the first is the number of steps done."""

    def bodies(*carried: Any) -> Any:
        for _ in range(UNROLLED):
            carried = body(*carried)
        return carried

    whole = steps - steps % UNROLLED
    carried = tf.while_loop(
        lambda done, *_: done < whole, bodies, carried, maximum_iterations=steps // UNROLLED
    )
    return tf.while_loop(
        lambda done, *_: done < steps, body, carried, maximum_iterations=steps % UNROLLED
    )


def _before(values: tf.Tensor) -> tf.Tensor:
    """Return the values of the previous step at each step, zero at the first."""
    return tf.concat([tf.zeros_like(values[:1]), values[:-1]], 0)


def _steps_array(dtype: Any, steps: tf.Tensor, size: int) -> tf.TensorArray:
    return tf.TensorArray(dtype, steps, element_shape=(None, size))


def _by_xla(*functions: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    return tuple(tf.function(f, jit_compile=True, autograph=False) for f in functions)


_gru_compiled = _by_xla(_gru_states, _gru_gradients)
_lstm_compiled = _by_xla(_lstm_states, _lstm_gradients)
