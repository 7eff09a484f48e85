"""The forward pass of trained networks in NumPy: forecasts without TensorFlow.

Many networks of one architecture run at once on a leading axis. Dropout and noise are for training
only. Weights and formulas are those of Keras, layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gwforecast.networks.architecture import Architecture, dilations

__all__ = ["run_networks"]


State = list[tuple[np.ndarray, ...]]


def run_networks(
    architecture: Architecture,
    weights: Sequence[np.ndarray],
    inputs: np.ndarray,
    *,
    state: State | None = None,
) -> tuple[np.ndarray, State]:
    """Return what networks give at each step of some sequences.

    Parameters
    ----------
    architecture : Architecture
        Of all the networks.
    weights : sequence of numpy.ndarray
        In the order of the network's variables, each (network, ...), float32.
    inputs : numpy.ndarray
        Shape (network, sequence, step, input) or (1, sequence, step, input), float32.
    state : list, optional
        Where an earlier run of a recurrent network ended; by default the zero state.

    Returns
    -------
    numpy.ndarray
        Shape (network, sequence, step, output), float32.
    list of tuple of numpy.ndarray
        State of each recurrent layer after the last step, (network, sequence, units); empty for a
        network without.

    Raises
    ------
    ValueError
        If a weight has another shape than the architecture's, or a network without a state is
        given one.
    """
    _check_weights(architecture, weights)
    networks = weights[0].shape[0]
    run = {"lstm": _lstm, "gru": _gru, "mlp": _mlp, "cnn": _cnn}[architecture.kind]
    if state is not None and architecture.kind in ("mlp", "cnn"):
        raise ValueError(
            f"A state goes on in a recurrent network. Received one for a {architecture.kind}. "
            "Leave it out, and give the steps before."
        )
    inputs = inputs.astype(np.float32, copy=False)
    if architecture.embedding:
        inputs, weights = _embedded(inputs, weights[0]), weights[1:]
    hidden, ended = run(architecture, weights[:-2], inputs, state)
    outputs = _dense(hidden, weights[-2], weights[-1])
    outputs = _activate(outputs, architecture.setting("output_activation"))
    return np.broadcast_to(outputs, (networks, *outputs.shape[1:])), ended


def _check_weights(architecture: Architecture, weights: Sequence[np.ndarray]) -> None:
    expected = architecture.weight_shapes()
    received = [w.shape[1:] for w in weights]
    if received != expected:
        raise ValueError(
            f"The weights of this {architecture.kind} have the shapes {expected} for each network. "
            f"Received {received}. Train the model again."
        )


def _embedded(inputs: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return inputs whose last one, the well's number, is replaced by the well's vector."""
    numbers = inputs[..., -1].astype(np.intp)
    networks = np.arange(len(vectors))[:, None, None]
    found = vectors[networks, numbers]  # (network, sequence, step, embedding)
    covariates = np.broadcast_to(inputs[..., :-1], (*found.shape[:-1], inputs.shape[-1] - 1))
    return np.concatenate([covariates, found], axis=-1)


def _dense(values: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return values (network | 1, sequence, step, input) times kernel (network, input, output)."""
    flat = values.reshape(values.shape[0], -1, values.shape[-1])
    product = np.matmul(flat, kernel) + bias[:, None]
    return np.asarray(product.reshape(kernel.shape[0], *values.shape[1:-1], kernel.shape[-1]))


def _mlp(
    architecture: Architecture, weights: Sequence[np.ndarray], x: np.ndarray, _: State | None
) -> tuple[np.ndarray, State]:
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        x = _activate(_dense(x, kernel, bias), architecture.setting("activation"))
    return x, []


def _cnn(
    architecture: Architecture, weights: Sequence[np.ndarray], x: np.ndarray, _: State | None
) -> tuple[np.ndarray, State]:
    size = architecture.setting("kernel_size")
    steps = x.shape[2]
    rates = dilations(architecture.setting("lookback"), size)
    for rate, kernel, bias in zip(rates, weights[::2], weights[1::2], strict=True):
        total = np.zeros((kernel.shape[0], x.shape[1], steps, kernel.shape[-1]), np.float32)
        for lag in range(size):
            shift = rate * (size - 1 - lag)
            if shift < steps:
                total[:, :, shift:] += _dense(
                    np.ascontiguousarray(x[:, :, : steps - shift]),
                    kernel[:, lag],
                    np.zeros_like(bias),
                )
        x = _activate(total + bias[:, None, None], architecture.setting("activation"))
    return x, []


def _lstm(
    architecture: Architecture, weights: Sequence[np.ndarray], x: np.ndarray, state: State | None
) -> tuple[np.ndarray, State]:
    name = architecture.setting("activation")
    ended: State = []
    for layer, units in enumerate(architecture.setting("units")):
        kernel, recurrent, bias = weights[3 * layer : 3 * layer + 3]
        # gates i, f, c, o; the sigmoid gates by tanh of half, so that one call does all four
        half = np.ones(4 * units, np.float32)
        half[: 2 * units] = half[3 * units :] = 0.5
        fused = name == "tanh"
        factor = half if fused else np.ones_like(half)
        projected = _by_step(_dense(x, kernel * factor, bias * factor))
        recurrent = recurrent * factor
        hidden, cell = _start(state, layer, 2, projected.shape[1:3], units)
        states = np.empty((*projected.shape[:3], units), np.float32)
        for step, gates in enumerate(projected):
            gates += np.matmul(hidden, recurrent)
            i, f, c, o = (gates[..., k * units : (k + 1) * units] for k in range(4))
            if fused:
                np.tanh(gates, out=gates)
                i, f, o = 0.5 * i + 0.5, 0.5 * f + 0.5, 0.5 * o + 0.5
            else:
                i, f, c, o = _logistic(i), _logistic(f), _activate(c, name), _logistic(o)
            cell = f * cell + i * c
            hidden = o * _activate(cell, name)
            states[step] = hidden
        ended.append((hidden, cell))
        x = _by_sequence(states)
    return x, ended


def _gru(
    architecture: Architecture, weights: Sequence[np.ndarray], x: np.ndarray, state: State | None
) -> tuple[np.ndarray, State]:
    """Run GRU layers whose reset gate acts before the recurrent product (``reset_after=False``)."""
    name = architecture.setting("activation")
    ended: State = []
    for layer, units in enumerate(architecture.setting("units")):
        kernel, recurrent, bias = weights[3 * layer : 3 * layer + 3]
        projected = _by_step(_dense(x, kernel, bias))  # gates z, r, h
        gated, candidate = recurrent[..., : 2 * units], recurrent[..., 2 * units :]
        (hidden,) = _start(state, layer, 1, projected.shape[1:3], units)
        states = np.empty((*projected.shape[:3], units), np.float32)
        for step, gates in enumerate(projected):
            update, reset = np.split(
                _logistic(gates[..., : 2 * units] + np.matmul(hidden, gated)), 2, -1
            )
            new = gates[..., 2 * units :] + np.matmul(reset * hidden, candidate)
            hidden = update * hidden + (1 - update) * _activate(new, name)
            states[step] = hidden
        ended.append((hidden,))
        x = _by_sequence(states)
    return x, ended


def _by_step(values: np.ndarray) -> np.ndarray:
    """Return values (network, sequence, step, ...) with the steps first, each in one piece."""
    return np.ascontiguousarray(np.moveaxis(values, 2, 0))


def _by_sequence(states: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(states, 0, 2))


def _start(
    state: State | None, layer: int, parts: int, shape: tuple[int, ...], units: int
) -> tuple[np.ndarray, ...]:
    if state is None:
        return (np.zeros((*shape, units), np.float32),) * parts
    return tuple(np.broadcast_to(part, (*shape, units)) for part in state[layer])


def _selu(x: np.ndarray) -> np.ndarray:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))


def _softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.tanh(0.5 * x) * np.float32(0.5) + np.float32(0.5)


def _gelu(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf  # slow to import, and few networks need it

    return np.asarray(0.5 * x * (1 + erf(x / np.sqrt(2))))


_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": _logistic,
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": _selu,
    "gelu": _gelu,
    "silu": lambda x: x * _logistic(x),
    "softplus": lambda x: np.logaddexp(x, 0),
    "softmax": _softmax,
}


def _activate(values: np.ndarray, name: str) -> np.ndarray:
    return np.asarray(_FUNCTIONS[name](values), np.float32)
