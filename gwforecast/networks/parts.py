"""What the networks share: settings, descriptions, and parts of layers in Keras and NumPy.

A network is described by a subclass of :class:`Architecture` in the module of the network. It holds
the shapes of the weights, the Keras model and the forward pass in NumPy side by side. Keras is
imported when a model is built, not before.

First weights are those of Keras' initializers, without Keras. TensorFlow's stateless random numbers
are those of the counter-based generator Philox (Salmon et al. 2011, doi:10.1145/2063384.2063405),
which is a few lines of NumPy. With the same seed, uniform weights are those of Keras to the last
bit, normal and orthogonal ones to rounding, so that a fit need not wait seconds for the import of
TensorFlow.
"""

from __future__ import annotations

import abc
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args

import numpy as np
import xarray as xr
from annotated_types import Ge, Gt, Le, Lt, MinLen

if TYPE_CHECKING:
    import keras

__all__ = [
    "Activation", "Architecture", "Count", "EngineName", "Head", "LayerSizes", "LossName",
    "MemberCount", "NotNegative", "OptimizerName", "Positive", "PositiveNumber",
    "RecurrentArchitecture", "Share", "State", "activate", "by_sequence", "by_step", "dense",
    "first_state", "glorot_uniform", "layer_sizes", "logistic", "normal", "orthogonal", "part_seed",
    "penalty", "quiet_start", "sequence_dropout",
]  # fmt: skip


ROUNDS = 10
MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
WEYL = np.array([0x9E3779B9, 0xBB67AE85], np.uint32)
SCRAMBLE = np.array([0x3EC8F720, 0x02461E29], np.uint32)  # key by which TensorFlow mixes a seed
LARGEST_SEED = 2**31 - 2
LOW = np.uint64(0xFFFFFFFF)


def glorot_uniform(shape: Sequence[int], seed: int) -> np.ndarray:
    """Return the weights of ``keras.initializers.GlorotUniform(seed)``, float32.

    Glorot and Bengio (2010), https://proceedings.mlr.press/v9/glorot10a.html.
    """
    field = math.prod(shape[:-2])  # steps of a convolution
    scale = 1.0 / max(1.0, field * (shape[-2] + shape[-1]) / 2.0)
    limit = np.float32(math.sqrt(3.0 * scale))
    uniform = _unit(_random_bits(math.prod(shape), seed))
    return (uniform * (limit - -limit) + -limit).reshape(shape)


def normal(shape: Sequence[int], seed: int, *, deviation: float = 1.0) -> np.ndarray:
    """Return the weights of ``keras.initializers.RandomNormal(0.0, deviation, seed)``, float32."""
    count = math.prod(shape)
    pairs = _random_bits(count + count % 2, seed).reshape(-1, 2)
    first = np.maximum(_unit(pairs[:, 0]), np.float32(1e-7))
    angle = np.float32(2 * math.pi) * _unit(pairs[:, 1])
    radius = np.sqrt(np.float32(-2.0) * np.log(first))
    values = np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=1).ravel()
    return (np.float32(deviation) * values[:count]).reshape(shape)


def orthogonal(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return the weights of ``keras.initializers.Orthogonal(seed=seed)``, float32.

    Saxe et al. (2014), arXiv:1312.6120.
    """
    rows, columns = shape
    q, r = np.linalg.qr(normal((max(shape), min(shape)), seed))
    q = q * np.sign(np.diagonal(r))
    return np.ascontiguousarray(q.T if rows < columns else q, np.float32)


def _random_bits(count: int, seed: int) -> np.ndarray:
    """Return the numbers of ``tf.random.stateless_*`` with the seed [seed, 0], uint32."""
    first = np.array([[(seed & 0xFFFFFFFF) % LARGEST_SEED, 0, 0, 0]], np.uint32)
    mixed = _philox(first, SCRAMBLE)[0]
    blocks = -(-count // 4)
    counter = np.zeros((blocks, 4), np.uint32)
    counter[:, 0] = np.arange(blocks)  # fewer than 2**32 blocks: the next word stays 0
    counter[:, 2:] = mixed[2:]
    return _philox(counter, mixed[:2]).ravel()[:count]


def _philox(counter: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return the blocks of four numbers that belong to counters (block, 4), uint32."""
    block, key = counter.copy(), key.copy()
    for _ in range(ROUNDS):
        products = block[:, [0, 2]].astype(np.uint64) * MULTIPLIERS
        high, low = (products >> np.uint64(32)).astype("u4"), (products & LOW).astype("u4")
        block = np.stack(
            [high[:, 1] ^ block[:, 1] ^ key[0], low[:, 1],
             high[:, 0] ^ block[:, 3] ^ key[1], low[:, 0]], axis=1
        )  # fmt: skip
        key = key + WEYL  # modulo 2**32
    return block


def _unit(bits: np.ndarray) -> np.ndarray:
    """Return numbers from 0 to below 1 from the lowest 23 bits."""
    fraction = (bits & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)
    return np.asarray(fraction.view(np.float32) - np.float32(1.0))


Activation = Literal["linear", "tanh", "sigmoid", "relu", "elu", "selu", "gelu", "silu", "softplus"]
ACTIVATIONS: tuple[str, ...] = get_args(Activation)
"""Activations of the hidden layers, by their names in Keras."""

LossName = Literal["mse", "mae", "huber", "nse"]
OptimizerName = Literal["adam", "rmsprop", "sgd"]
EngineName = Literal["auto", "compiled", "keras"]

Count = Annotated[int, Ge(0)]
Positive = Annotated[int, Ge(1)]
MemberCount = Annotated[int, Ge(1), Le(1000)]
PositiveNumber = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]
LayerSizes = Positive | Annotated[Sequence[Positive], MinLen(1)]
"""Units of each layer; a number stands for a single layer."""

State = list[tuple[np.ndarray, ...]]
"""State of each recurrent layer, arrays (network, sequence, units)."""

MOST_WELLS = 10**6
WELLS_PART, HEAD_PART = 98, 99  # parts of a network for :func:`part_seed`
LARGEST = 4096  # limit of layer sizes and steps in a stored network

_SHARED: dict[str, type | tuple[type, ...]] = {
    "activation": str,
    "dropout": (int, float),
    "noise": (int, float),
    "l2": (int, float),
    "outputs": int,
    "output_activation": str,
}
_EMBEDDED: dict[str, type] = {"wells": int, "embedding": int}
_DEFAULTS = {
    "dropout": 0.0, "noise": 0.0, "l2": 0.0, "outputs": 1, "output_activation": "linear",
    "wells": 0, "embedding": 0,
}  # fmt: skip

NO_MESSAGES = "3"  # level of TensorFlow's log


@contextmanager
def quiet_start() -> Iterator[None]:
    """Import TensorFlow, or what imports it, without messages on standard error.

    TensorFlow's libraries write to standard error before any of their settings is read, so the
    file descriptor itself is redirected meanwhile. Where the user has imported TensorFlow already,
    or asks for messages by ``TF_CPP_MIN_LOG_LEVEL``, nothing is changed.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", NO_MESSAGES)  # read at the first message
    if "tensorflow" in sys.modules or level != NO_MESSAGES:
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def layer_sizes(units: int | Sequence[int]) -> tuple[int, ...]:
    """Return the units of each layer.

    Examples
    --------
    >>> layer_sizes(32), layer_sizes([32, 16])
    ((32,), (32, 16))
    """
    return tuple(units) if isinstance(units, Sequence) else (units,)


@dataclass(frozen=True)
class Head:
    """Outputs of a network at each step, and the targets that they are compared with.

    Loss and target are by default the forecaster's setting and the scaled level. A target maps
    levels to targets, both (well, time), NaN where there is none.
    """

    outputs: int = 1
    activation: str = "linear"
    loss: str | None = None
    target: Callable[[xr.DataArray], xr.DataArray] | None = None


@dataclass(frozen=True)
class Architecture(abc.ABC):
    """Description of a network from which it can be built; it compares and hashes."""

    inputs: int
    settings: tuple[tuple[str, Any], ...]  # sorted by name, without the seed
    kind: ClassVar[str]  # name in stored descriptions
    recurrent: ClassVar[bool] = False  # whether a later run can continue from its state
    own_settings: ClassVar[Mapping[str, type]] = {"units": tuple}

    @classmethod
    def of(cls, inputs: int, settings: Mapping[str, object]) -> Self:
        """Return the description of a network with these settings."""
        return cls(inputs, tuple(sorted(settings.items())))

    def setting(self, name: str) -> Any:
        """Return a setting by its name."""
        return {**_DEFAULTS, **dict(self.settings)}[name]

    @property
    def outputs(self) -> int:
        """Number of outputs at each step."""
        return int(self.setting("outputs"))

    @property
    def embedding(self) -> int:
        """Size of the vector that is learnt for each well; 0 for none.

        With an embedding the last input is the number of the well, which selects the vector.
        """
        return int(self.setting("embedding"))

    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of the weights, in the order of the network's variables.

        Examples
        --------
        >>> from gwforecast.networks.lstm import LSTMArchitecture
        >>> LSTMArchitecture.of(3, {"units": (8,)}).weight_shapes()
        [(3, 32), (8, 32), (32,), (8, 1), (1,)]
        """
        shapes: list[tuple[int, ...]] = []
        width = self.inputs
        if self.embedding:
            shapes.append((self.setting("wells"), self.embedding))
            width += self.embedding - 1
        hidden, width = self.hidden_shapes(width)
        return [*shapes, *hidden, (width, self.outputs), (self.outputs,)]

    @abc.abstractmethod
    def hidden_shapes(self, width: int) -> tuple[list[tuple[int, ...]], int]:
        """Return the shapes of the hidden layers' weights, and the number of their outputs.

        The first layer has ``width`` inputs.
        """

    @abc.abstractmethod
    def hidden_layers(self, x: keras.KerasTensor, seed: int) -> keras.KerasTensor:
        """Return the outputs of the hidden layers in Keras, from those of the input layers."""

    def build(self, *, seed: int = 0) -> keras.Model:
        """Return the Keras model, with first weights that the seed determines.

        It maps inputs (batch, step, input) to outputs (batch, step, output). An output depends on
        its own and earlier steps only. ``compile`` and ``fit`` of Keras work on the model.
        """
        import keras

        inputs = keras.Input((None, self.inputs))
        output = keras.layers.Dense(
            self.outputs,
            activation=self.setting("output_activation"),
            kernel_initializer=keras.initializers.GlorotUniform(part_seed(seed, HEAD_PART)),
            kernel_regularizer=penalty(self.setting("l2")),
        )
        outputs = output(self.hidden_layers(self._input_layers(inputs, seed), seed))
        return keras.Model(inputs, outputs, name=self.kind)

    def _input_layers(self, inputs: keras.KerasTensor, seed: int) -> keras.KerasTensor:
        """Return the inputs of the first hidden layer, with Gaussian noise in training.

        With an embedding the last input, the number of the well, is replaced by its vector.
        """
        import keras

        noise = self.setting("noise")
        noisy = keras.layers.GaussianNoise(noise) if noise else lambda x: x
        if not self.embedding:
            return noisy(inputs)
        well = keras.ops.cast(inputs[:, 0, -1], "int32")
        first = keras.initializers.RandomNormal(0.0, 0.1, part_seed(seed, WELLS_PART))
        # a matrix product instead of a look-up keeps the gradient dense, like all others
        vectors = keras.layers.Dense(self.embedding, use_bias=False, kernel_initializer=first)
        vector = vectors(keras.ops.one_hot(well, self.setting("wells")))
        x = noisy(inputs[:, :, :-1])
        along = keras.ops.ones_like(x[:, :, :1]) * keras.ops.expand_dims(vector, 1)
        return keras.ops.concatenate([x, along], axis=-1)

    def first_weights(self, *, seed: int = 0) -> list[np.ndarray]:
        """Return the first weights of the Keras model that the seed determines, without Keras."""
        shapes = self.weight_shapes()
        vectors = []
        if self.embedding:
            vectors = [normal(shapes.pop(0), part_seed(seed, WELLS_PART), deviation=0.1)]
        head = glorot_uniform(shapes[-2], part_seed(seed, HEAD_PART))
        return [*vectors, *self.first_hidden(shapes[:-2], seed), head, np.zeros(shapes[-1], "f4")]

    def first_hidden(self, shapes: Sequence[tuple[int, ...]], seed: int) -> list[np.ndarray]:
        """Return the first weights of the hidden layers, by default of a kernel and a bias each."""
        return [
            glorot_uniform(shape, part_seed(seed, number // 2))
            if len(shape) > 1
            else np.zeros(shape, np.float32)
            for number, shape in enumerate(shapes)
        ]

    def compiled_layers(self) -> list[tuple[str, int, str]] | None:
        """Return kind, units and activation of each hidden layer, None if C does not know them."""
        return None

    @abc.abstractmethod
    def run_hidden(
        self, weights: Sequence[np.ndarray], inputs: np.ndarray, state: State | None
    ) -> tuple[np.ndarray, State]:
        """Return the outputs of the hidden layers in NumPy, and the state after the last step.

        Weights have the shape (network, ...), inputs (network, sequence, step, input) or (1, ...)
        and the result (network, sequence, step, unit), all float32. A recurrent network continues
        from a state, or from the zero state; the state of others is empty.
        """

    def to_dict(self) -> dict[str, object]:
        """Return the description as plain JSON, for :meth:`from_dict`."""
        settings = {k: list(v) if isinstance(v, tuple) else v for k, v in self.settings}
        return {"kind": self.kind, "inputs": self.inputs, "settings": settings}

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> Self:
        """Return the network that :meth:`to_dict` described.

        Raises ValueError if the kind is another, a setting is unknown, missing or of another type,
        or a size is out of bounds.
        """
        kind, inputs, settings = (stored.get(key) for key in ("kind", "inputs", "settings"))
        if kind != cls.kind:
            raise ValueError(
                f"The kind of this stored network must be {cls.kind!r}. Received {kind!r}. Train "
                "the model again."
            )
        known = {**_SHARED, **cls.own_settings}
        if isinstance(settings, Mapping) and set(settings) & set(_EMBEDDED):
            known |= _EMBEDDED
        if not isinstance(settings, Mapping) or set(settings) != set(known):
            received = sorted(settings) if isinstance(settings, Mapping) else settings
            raise ValueError(
                f"The settings of a stored {kind} are {sorted(known)}. Received {received}. "
                "Train the model again."
            )
        checked = {}
        for name, allowed in known.items():
            value = settings[name]
            value = tuple(value) if isinstance(value, list) else value
            _check_stored(cls.kind, name, value, allowed)
            checked[name] = value
        _check_stored(cls.kind, "inputs", inputs, int)
        return cls.of(inputs, checked)  # type: ignore[arg-type]


@dataclass(frozen=True)
class RecurrentArchitecture(Architecture):
    """Description of a network of recurrent layers, each with as many units at each gate.

    The weights of a layer are its kernel, recurrent kernel and bias.
    """

    gates: ClassVar[int]  # the candidate included
    recurrent = True

    @abc.abstractmethod
    def recurrent_layer(self, units: int, **settings: Any) -> keras.Layer:
        """Return a recurrent layer of Keras."""

    def hidden_layers(self, x: keras.KerasTensor, seed: int) -> keras.KerasTensor:
        """Return the states of the last layer; each layer is followed by dropout."""
        import keras

        l2 = self.setting("l2")
        for layer, units in enumerate(self.setting("units")):
            first, second = (part_seed(seed, 2 * layer + part) for part in (0, 1))
            x = self.recurrent_layer(
                units,
                activation=self.setting("activation"),
                return_sequences=True,
                kernel_initializer=keras.initializers.GlorotUniform(first),
                recurrent_initializer=keras.initializers.Orthogonal(seed=second),
                kernel_regularizer=penalty(l2),
                recurrent_regularizer=penalty(l2),
            )(x)
            x = sequence_dropout(x, self.setting("dropout"), units)
        return x

    def hidden_shapes(self, width: int) -> tuple[list[tuple[int, ...]], int]:
        """Return the shapes of kernel, recurrent kernel and bias of each layer."""
        shapes: list[tuple[int, ...]] = []
        for units in self.setting("units"):
            columns = self.gates * units
            shapes += [(width, columns), (units, columns), (columns,)]
            width = units
        return shapes, width

    def first_hidden(self, shapes: Sequence[tuple[int, ...]], seed: int) -> list[np.ndarray]:
        """Return the first weights of the recurrent layers; biases are 0."""
        first = []
        for layer, (kernel, recurrent, bias) in enumerate(zip(*[iter(shapes)] * 3, strict=True)):
            first += [
                glorot_uniform(kernel, part_seed(seed, 2 * layer)),
                orthogonal(recurrent, part_seed(seed, 2 * layer + 1)),
                np.zeros(bias, np.float32),
            ]
        return first

    def compiled_layers(self) -> list[tuple[str, int, str]]:
        """Return kind, units and activation of each hidden layer for the compiled engine."""
        return [(self.kind, units, self.setting("activation")) for units in self.setting("units")]


def _check_stored(kind: str, name: str, value: Any, allowed: type | tuple[type, ...]) -> None:
    sizes = value if isinstance(value, tuple) else (value,)
    sound = isinstance(value, allowed) and not isinstance(value, bool)
    if name.endswith("activation"):
        sound = value in ACTIVATIONS or (name == "output_activation" and value == "softmax")
    elif name in ("units", "inputs", "outputs", "lookback"):
        sound = sound and all(type(size) is int and 1 <= size <= LARGEST for size in sizes)
        sound = sound and len(sizes) >= 1
    elif name in _EMBEDDED:
        sound = sound and 1 <= value <= (LARGEST if name == "embedding" else MOST_WELLS)
    elif name == "kernel_size":
        sound = sound and 2 <= value <= LARGEST
    if not sound:
        raise ValueError(
            f"The setting {name!r} of a stored {kind} must have its type and be within its bounds. "
            f"Received {value!r}. Train the model again."
        )


def sequence_dropout(x: keras.KerasTensor, dropout: float, size: int) -> keras.KerasTensor:
    """Return states (batch, step, unit) with dropout of the same units at all steps.

    As Gal and Ghahramani (2016, arXiv:1512.05287) for recurrent networks.
    """
    import keras

    return keras.layers.Dropout(dropout, noise_shape=(None, 1, size))(x) if dropout else x


def penalty(l2: float) -> keras.Regularizer | None:
    """Return the penalty of a kernel, None for no penalty."""
    import keras

    return keras.regularizers.L2(l2) if l2 else None


def part_seed(seed: int, part: int) -> int:
    """Return the seed of one part of a network's first weights."""
    return 100 * seed + part


def dense(values: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return values (network | 1, sequence, step, input) times kernel (network, input, output)."""
    flat = values.reshape(values.shape[0], -1, values.shape[-1])
    product = np.matmul(flat, kernel) + bias[:, None]
    return np.asarray(product.reshape(kernel.shape[0], *values.shape[1:-1], kernel.shape[-1]))


def by_step(values: np.ndarray) -> np.ndarray:
    """Return values (network, sequence, step, ...) as (step, network, sequence, ...)."""
    return np.ascontiguousarray(np.moveaxis(values, 2, 0))


def by_sequence(states: np.ndarray) -> np.ndarray:
    """Return states (step, network, sequence, ...) as (network, sequence, step, ...)."""
    return np.ascontiguousarray(np.moveaxis(states, 0, 2))


def first_state(
    state: State | None, layer: int, *, parts: int, shape: tuple[int, ...]
) -> tuple[np.ndarray, ...]:
    """Return the arrays of a layer's state before the first step, zeros without a given state."""
    if state is None:
        return (np.zeros(shape, np.float32),) * parts
    return tuple(np.broadcast_to(part, shape) for part in state[layer])


def logistic(x: np.ndarray) -> np.ndarray:
    """Return the logistic function, float32."""
    return np.tanh(0.5 * x) * np.float32(0.5) + np.float32(0.5)


def activate(values: np.ndarray, name: str) -> np.ndarray:
    """Return the activation of values, float32, by its name in Keras."""
    return np.asarray(_FUNCTIONS[name](values), np.float32)


def _selu(x: np.ndarray) -> np.ndarray:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))


def _softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _gelu(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf  # slow to import, and few networks need it

    return np.asarray(0.5 * x * (1 + erf(x / np.sqrt(2))))


_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda x: x,
    "tanh": np.tanh,
    "sigmoid": logistic,
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": _selu,
    "gelu": _gelu,
    "silu": lambda x: x * logistic(x),
    "softplus": lambda x: np.logaddexp(x, 0),
    "softmax": _softmax,
}
