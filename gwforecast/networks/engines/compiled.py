"""The engine in C: LSTM, GRU and dense networks are trained on the cores of the CPU, without Keras.

Trained networks run in it too, several times as fast as in NumPy, whose results it gives to single
precision.

One call trains one network from its first to its last weights: batches, noise, dropout, forward and
backward pass, clipping, decay, optimizer and validation (``source/train.c``). The call holds no
lock of Python, so each worker is a thread that keeps one core busy. Formulas, losses and optimizers
are those of :mod:`gwforecast.networks.training`, by which this engine is tested; only the random
numbers of noise and dropout are others.

The library is compiled when the package is installed, see ``build.py``, for AVX-512, AVX2 and plain
machines; which of them is used is chosen when it is loaded.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from gwforecast.networks.engines import build
from gwforecast.networks.engines.jobs import Data, Job, Recipe, Trained, in_threads
from gwforecast.networks.parts import Architecture, State
from gwforecast.progress import Progress

__all__ = [
    "instruction_sets", "is_available", "loss_and_gradient", "run_hidden", "runs", "supports",
    "train",
]  # fmt: skip

KINDS = {"lstm": 0, "gru": 1, "dense": 2}
_STATES = {"lstm": 2, "gru": 1, "dense": 0}  # arrays of the state of a layer
ACTIVATIONS = {"linear": 0, "relu": 1, "tanh": 2, "sigmoid": 3}
LOSSES = {"mse": 0, "nse": 0, "mae": 1, "huber": 2}
OPTIMIZERS = {"adam": 0, "rmsprop": 1, "sgd": 2}
MOST_LAYERS = 16
ALIGNMENT = 64  # bytes

_SIZES = (
    "layers", "inputs", "attributes", "lookback", "targets", "batch", "loss", "optimizer",
    "stops_early", "patience", "epochs", "updates", "validations", "length", "span",
    "first_attribute_row", "seed",
)  # fmt: skip
_ARRAYS = (
    "series", "targets", "held_out", "attributes", "starts", "validation", "rates", "weights",
    "losses", "validation_losses", "epochs",
)  # fmt: skip


class _Setup(ctypes.Structure):
    """``Setup`` of train.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in _SIZES),
        *((name, ctypes.c_int64 * MOST_LAYERS) for name in ("kinds", "units", "activations")),
        *(
            (name, ctypes.c_double)
            for name in ("weight_decay", "clip_norm", "l2", "dropout", "noise")
        ),
        ("forward_only", ctypes.c_int64),
    )


class _Job(ctypes.Structure):
    """``Job`` of train.c."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in _ARRAYS)


class _Trained(ctypes.Structure):
    """``Trained`` of train.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("networks", "sharing")),
        *((name, ctypes.c_void_p) for name in ("inputs", "weights", "hidden", "states")),
    )


@cache
def _library() -> tuple[ctypes.CDLL, str] | None:
    """Return the library and the name of the best instruction set of this machine, or None."""
    path = build.library_path()
    try:
        library = ctypes.CDLL(str(path))
    except OSError:
        return None
    library.instruction_set.restype = ctypes.c_int64
    name = list(build.INSTRUCTION_SETS)[library.instruction_set()]
    return library, name


def is_available() -> bool:
    """Return whether the library was compiled from the present sources, and loads."""
    return _library() is not None


def instruction_sets() -> list[str]:
    """Return the instruction sets that this machine can run, the one that is used last."""
    found = _library()
    if found is None:
        return []
    names = list(build.INSTRUCTION_SETS)
    return names[: names.index(found[1]) + 1]


def supports(architecture: Architecture, recipe: Recipe) -> bool:
    """Return whether the engine trains networks of an architecture by a recipe.

    It has no embeddings and no outputs other than one level.
    """
    return (
        _knows(architecture)
        and architecture.outputs == 1
        and architecture.setting("output_activation") == "linear"
        and not architecture.embedding
        and recipe.loss in LOSSES
    )


def _knows(architecture: Architecture) -> bool:
    """Return whether the engine has the hidden layers: of recurrent ones those with tanh."""
    layers = architecture.compiled_layers()
    return (
        layers is not None
        and len(layers) <= MOST_LAYERS
        and all(activation in ACTIVATIONS for _, _, activation in layers)
        and all(kind == "dense" or activation == "tanh" for kind, _, activation in layers)
    )


def runs(architecture: Architecture) -> bool:
    """Return whether trained networks of an architecture run in the engine on this machine."""
    return _knows(architecture) and is_available()


def run_hidden(
    architecture: Architecture,
    weights: Sequence[np.ndarray],
    inputs: np.ndarray,
    state: State | None,
    *,
    instructions: str | None = None,
) -> tuple[np.ndarray, State]:
    """Return what :meth:`Architecture.run_hidden` returns, in single precision.

    ``instructions``: as of :func:`train`.
    """
    layers = architecture.compiled_layers() or []
    networks, (rows, steps, width) = len(weights[0]), inputs.shape[1:]
    ended = [
        [
            np.array(np.broadcast_to(part, (networks, rows, units)), np.float32, order="C")
            for part in (state[number] if state is not None else [0.0] * _STATES[kind])
        ]
        for number, (kind, units, _) in enumerate(layers)
        if _STATES[kind]
    ]
    hidden = np.empty((networks, rows, steps, layers[-1][1]), np.float32)
    if not hidden.size:
        return hidden, [tuple(parts) for parts in ended]
    inputs, weights = _plain(inputs), [_plain(one) for one in weights]
    setup = _Setup(
        layers=len(layers),
        inputs=width,
        batch=rows,
        targets=steps,
        forward_only=1,
        **_kinds(layers),
    )
    trained = _Trained(
        networks=networks, sharing=networks // len(inputs), inputs=inputs.ctypes.data,
        hidden=hidden.ctypes.data, weights=_addresses(weights),
        states=_addresses([part for parts in ended for part in parts]),
    )  # fmt: skip
    _call("hidden", instructions, setup, trained)
    return hidden, [tuple(parts) for parts in ended]


def train(
    architecture: Architecture,
    recipe: Recipe,
    data: Data,
    jobs: Sequence[Job],
    *,
    workers: int = 1,
    progress: Progress | None = None,
    instructions: str | None = None,
) -> list[Trained]:
    """Train each job's network; arguments as of :func:`gwforecast.networks.training.train`.

    ``instructions`` is one of :func:`instruction_sets` for tests; by default it is the best.
    """
    losses: dict[int, np.ndarray] = {}  # of each job; the library writes them epoch by epoch

    def work(job: Job) -> Trained:
        called = _Call(architecture, recipe, data, job)
        losses[id(job)] = called.losses
        called.run("train", instructions)
        best, epochs = called.epochs.tolist()
        return Trained(
            called.shaped_weights(), best, called.losses[:epochs], called.validation_losses[:epochs]
        )

    def epochs(job: Job) -> int:
        return int(np.isfinite(losses[id(job)]).sum()) if id(job) in losses else 0

    return in_threads(work, jobs, workers, progress, epochs)


def loss_and_gradient(
    architecture: Architecture,
    recipe: Recipe,
    data: Data,
    job: Job,
    *,
    instructions: str | None = None,
) -> tuple[float, list[np.ndarray]]:
    """Return the loss of a job's first batch, and its gradient by each of the weights."""
    called = _Call(architecture, recipe, data, job)
    called.run("gradient", instructions)
    return float(called.losses[0]), called.shaped_weights()


class _Call:
    """The arguments of a call of the library, and its results."""

    def __init__(self, architecture: Architecture, recipe: Recipe, data: Data, job: Job) -> None:
        self.shapes = architecture.weight_shapes()
        if [w.shape for w in job.weights] != self.shapes:
            raise ValueError(
                f"The first weights of this {architecture.kind} must have the shapes "
                f"{self.shapes}. Received {[w.shape for w in job.weights]}."
            )
        epochs = job.starts.shape[0]
        self.losses = np.full(epochs, np.nan, np.float32)
        self.validation_losses = np.empty(epochs, np.float32)
        self.epochs = np.zeros(2, np.int64)
        self.weights = np.concatenate([np.ravel(w) for w in job.weights]).astype(np.float32)
        attributes = np.zeros((1, 0)) if data.attributes is None else data.attributes
        if not recipe.attributes:
            attributes = attributes[:, :0]
        read = {
            "series": _plain(data.inputs[job.well]),
            "targets": _plain(data.targets[job.well * data.folds + job.fold]),
            "held_out": _plain(data.validation_targets[job.well]),
            "attributes": _plain(attributes),
            "starts": _plain(job.starts, np.int32),
            "validation": _plain(job.validation, np.int32),
            "rates": _plain(job.rates),
        }
        written = {name: getattr(self, name) for name in _ARRAYS if name not in read}
        self.arrays = read | written  # kept while the library reads and writes them
        self.setup = _setup(architecture, recipe, data, job, attributes.shape[1])

    def run(self, function: str, instructions: str | None) -> None:
        """Call a function of the library."""
        job = _Job(*(self.arrays[name].ctypes.data for name in _ARRAYS))
        _call(function, instructions, self.setup, job)

    def shaped_weights(self) -> list[np.ndarray]:
        """Return the weights, or the gradient in their place, in the order of Keras."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1]
        parts = np.split(self.weights, ends)
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]


def _call(
    function: str, instructions: str | None, setup: _Setup, arguments: ctypes.Structure
) -> None:
    """Call a function of the library, without Python's lock."""
    found = _library()
    if found is None:
        raise RuntimeError(MISSING)
    library, best = found
    instructions = instructions or best
    size = getattr(library, f"memory_{instructions}")
    size.restype = ctypes.c_int64
    memory = np.empty(4 * size(ctypes.byref(setup)) + ALIGNMENT, np.uint8)
    address = memory.ctypes.data + -memory.ctypes.data % ALIGNMENT
    getattr(library, f"{function}_{instructions}")(
        ctypes.byref(setup), ctypes.byref(arguments), ctypes.c_void_p(address)
    )


MISSING = (
    "The compiled engine needs its kernels, which are compiled when the package is installed. They "
    "are missing or belong to other sources. Install a C compiler (gcc or clang) and the package "
    "again, or choose engine='auto' or 'keras'."
)


def _setup(
    architecture: Architecture, recipe: Recipe, data: Data, job: Job, attributes: int
) -> _Setup:
    layers = architecture.compiled_layers()
    if layers is None or not supports(architecture, recipe):
        raise ValueError(
            "The compiled engine trains LSTM, GRU and dense networks of one level, with the usual "
            f"activations. Received {architecture}. Choose engine='auto' or 'keras'."
        )
    settings = dict(architecture.settings)
    epochs, updates, batch = job.starts.shape
    return _Setup(
        layers=len(layers),
        inputs=architecture.inputs - attributes,
        attributes=attributes,
        lookback=recipe.lookback,
        targets=recipe.targets,
        batch=batch,
        loss=LOSSES[recipe.loss],
        optimizer=OPTIMIZERS[recipe.optimizer],
        stops_early=recipe.stops_early,
        patience=recipe.patience,
        epochs=epochs,
        updates=updates,
        validations=job.validation.size,
        length=data.inputs.shape[1],
        span=data.span,
        first_attribute_row=job.well,
        seed=job.seed,
        **_kinds(layers),
        weight_decay=recipe.weight_decay,
        clip_norm=recipe.clip_norm,
        l2=settings.get("l2", 0.0),
        dropout=settings.get("dropout", 0.0),
        noise=settings.get("noise", 0.0),
    )


def _kinds(layers: Sequence[tuple[str, int, str]]) -> dict[str, Any]:
    return {
        "kinds": _filled(KINDS[kind] for kind, _, _ in layers),
        "units": _filled(units for _, units, _ in layers),
        "activations": _filled(ACTIVATIONS[activation] for _, _, activation in layers),
    }


def _addresses(arrays: Sequence[np.ndarray]) -> Any:
    pointers = (ctypes.c_void_p * len(arrays))(*(one.ctypes.data for one in arrays))
    return ctypes.cast(pointers, ctypes.c_void_p)


def _filled(values: Any) -> Any:
    return (ctypes.c_int64 * MOST_LAYERS)(*values)


def _plain(values: np.ndarray, kind: type = np.float32) -> np.ndarray:
    return np.ascontiguousarray(values, kind)
