"""What a network is, without the library that trains it: kind, sizes, shapes of its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

__all__ = ["ACTIVATIONS", "KINDS", "Architecture", "Head", "dilations"]


ACTIVATIONS = ("linear", "tanh", "sigmoid", "relu", "elu", "selu", "gelu", "silu", "softplus")
"""Names of activations that networks may have, as Keras knows them."""

_SHARED: dict[str, type | tuple[type, ...]] = {
    "activation": str,
    "dropout": (int, float),
    "noise": (int, float),
    "l2": (int, float),
    "outputs": int,
    "output_activation": str,
}
KINDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "lstm": _SHARED | {"units": tuple},
    "gru": _SHARED | {"units": tuple},
    "mlp": _SHARED | {"units": tuple},
    "cnn": _SHARED | {"units": int, "kernel_size": int, "lookback": int},
}
"""Settings of each kind of network, and the types they have."""

OF_WELLS = {"wells": int, "embedding": int}
"""Settings of a network that learns a vector for each well; others do not have them."""

MOST_WELLS = 10**6
LARGEST = 4096  # size of a layer, or steps, that a stored network may have


@dataclass(frozen=True)
class Architecture:
    """All that it takes to build a network, in a form that compares, hashes and is plain JSON.

    Parameters
    ----------
    kind : {"lstm", "gru", "mlp", "cnn"}
        Kind of network.
    inputs : int
        Number of covariates.
    settings : tuple of (str, value)
        Arguments of the function that builds the network, seed left out.
    """

    kind: str
    inputs: int
    settings: tuple[tuple[str, Any], ...]

    def setting(self, name: str) -> Any:
        """Return a setting by its name."""
        return dict(self.settings)[name]

    @property
    def outputs(self) -> int:
        """Number of outputs at each step."""
        return int(self.setting("outputs"))

    @property
    def embedding(self) -> int:
        """Size of the vector that is learnt for each well; 0 where none is.

        Where there is one the last input is the number of the well, and not seen itself.
        """
        return int(dict(self.settings).get("embedding", 0))

    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of the weights, in the order of the network's variables.

        Examples
        --------
        >>> shared = (("outputs", 1), ("units", (8,)))
        >>> Architecture("lstm", 3, shared).weight_shapes()
        [(3, 32), (8, 32), (32,), (8, 1), (1,)]
        """
        shapes: list[tuple[int, ...]] = []
        width = self.inputs
        if self.embedding:
            shapes.append((self.setting("wells"), self.embedding))
            width += self.embedding - 1
        if self.kind == "cnn":
            units, kernel = self.setting("units"), self.setting("kernel_size")
            for _ in dilations(self.setting("lookback"), kernel):
                shapes += [(kernel, width, units), (units,)]
                width = units
        else:
            gates = {"lstm": 4, "gru": 3, "mlp": 1}[self.kind]
            for units in self.setting("units"):
                shapes.append((width, gates * units))
                shapes += [] if self.kind == "mlp" else [(units, gates * units)]
                shapes.append((gates * units,))
                width = units
        return [*shapes, (width, self.outputs), (self.outputs,)]

    def to_dict(self) -> dict[str, object]:
        """Return the architecture as plain JSON, for :meth:`from_dict`."""
        settings = {k: list(v) if isinstance(v, tuple) else v for k, v in self.settings}
        return {"kind": self.kind, "inputs": self.inputs, "settings": settings}

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> Architecture:
        """Return the architecture that :meth:`to_dict` gave.

        Raises
        ------
        ValueError
            If the kind, a setting or its type is none of a closed list, or a size is out of bounds.
        """
        kind, inputs, settings = (stored.get(key) for key in ("kind", "inputs", "settings"))
        if kind not in KINDS or not isinstance(kind, str):
            raise ValueError(
                f"A network is one of {', '.join(KINDS)}. Received {kind!r}. Train the model again."
            )
        known = dict(KINDS[kind])
        if isinstance(settings, Mapping) and set(settings) & set(OF_WELLS):
            known |= OF_WELLS
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
            _check_setting(kind, name, value, allowed)
            checked[name] = value
        _check_setting(kind, "inputs", inputs, int)
        return cls(kind, inputs, tuple(sorted(checked.items())))  # type: ignore[arg-type]


def dilations(lookback: int, kernel_size: int) -> list[int]:
    """Return the dilation of each causal convolution, growing until they see the lookback.

    Examples
    --------
    >>> dilations(52, 3)
    [1, 3, 9, 27]
    """
    found: list[int] = []
    seen = 1
    while seen < lookback:
        found.append(kernel_size ** len(found))
        seen += (kernel_size - 1) * found[-1]
    return found


def _check_setting(kind: str, name: str, value: Any, allowed: type | tuple[type, ...]) -> None:
    sizes = value if isinstance(value, tuple) else (value,)
    sound = isinstance(value, allowed) and not isinstance(value, bool)
    if name.endswith("activation"):
        sound = value in ACTIVATIONS or (name == "output_activation" and value == "softmax")
    elif name in ("units", "inputs", "outputs", "lookback"):
        sound = sound and all(type(size) is int and 1 <= size <= LARGEST for size in sizes)
        sound = sound and len(sizes) >= 1
    elif name in OF_WELLS:
        sound = sound and 1 <= value <= (LARGEST if name == "embedding" else MOST_WELLS)
    elif name == "kernel_size":
        sound = sound and 2 <= value <= LARGEST
    if not sound:
        raise ValueError(
            f"The setting {name!r} of a stored {kind} must be of its type and size. Received "
            f"{value!r}. Train the model again."
        )


@dataclass(frozen=True)
class Head:
    """What a network gives at each step, and what it is held against.

    Parameters
    ----------
    outputs : int
        Number of outputs.
    activation : str
        Activation of the outputs.
    loss : str, optional
        Name of the loss; by default the forecaster's setting.
    target : callable, optional
        Maps level (well, time) to targets (well, time), NaN where there is none; by default the
        scaled level.
    """

    outputs: int = 1
    activation: str = "linear"
    loss: str | None = None
    target: Callable[[xr.DataArray], xr.DataArray] | None = None
