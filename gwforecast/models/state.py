"""Fitted numbers as plain JSON values and arrays, and back, with every entry checked.

A fit is a frozen dataclass of numbers and arrays. The type hints of its fields are its stored form:
``float``, ``int``, ``bool`` and ``tuple[int, ...]`` become JSON values, and
``Annotated[np.ndarray, Shape(...)]`` becomes an array of that shape.

Examples
--------
>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Line:
...     slope: float
...     knots: Annotated[np.ndarray, Shape("knot")]
>>> values, arrays = fit_to_state(Line(0.5, np.array([1.0, 2.0])))
>>> values, list(arrays)
({'slope': 0.5}, ['knots'])
>>> fit_from_state(Line, values, arrays, sizes={}).knots
array([1., 2.])
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

__all__ = [
    "Shape", "fit_from_state", "fit_to_state", "read_array", "read_number", "read_text",
    "read_texts", "read_whole", "with_prefix", "without_prefix",
]  # fmt: skip

Fit = TypeVar("Fit")
LARGEST = 10**6  # of a whole number


class Shape:
    """The names of the dimensions of a stored array; dimensions of one name have one size.

    The kind is that of ``numpy.dtype.kind``: floats, whole numbers or times. With ``gaps`` it may
    hold NaN.
    """

    def __init__(self, *dims: str, kind: Literal["f", "i", "M"] = "f", gaps: bool = False) -> None:
        self.dims, self.kind, self.gaps = dims, kind, gaps


def fit_to_state(fit: object) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the fields of a fit as plain JSON values and arrays, both by name."""
    values: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, hint in _fields(type(fit)).items():
        value = getattr(fit, name)
        if _shape_of(hint) is not None:
            arrays[name] = np.asarray(value)
        elif get_origin(hint) is tuple:
            values[name] = [int(part) for part in value]
        else:
            values[name] = hint(value)
    return values, arrays


def fit_from_state(
    cls: type[Fit],
    values: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    *,
    sizes: Mapping[str, int],
) -> Fit:
    """Return the fit that :func:`fit_to_state` described.

    Fields with a default may be missing: fits that were stored before the field was added lack it.
    ``sizes`` are those of dimensions that are known beforehand, e.g. the number of covariates.

    Raises KeyError, TypeError or ValueError if a field is missing, has another type or shape, or is
    not finite.
    """
    found: dict[str, Any] = {}
    known, missing = dict(sizes), dataclasses.MISSING
    defaults = {f.name: (f.default, f.default_factory) for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name, hint in _fields(cls).items():
        shape = _shape_of(hint)
        absent = name not in values and name not in arrays
        if absent and defaults[name] != (missing, missing):
            continue
        if shape is not None:
            found[name] = read_array(arrays, name, shape, sizes=known)
        elif get_origin(hint) is tuple:
            found[name] = tuple(read_whole(part, least=0) for part in values[name])
        elif hint is bool:
            if not isinstance(values[name], bool):
                raise TypeError(f"{values[name]!r} is neither true nor false")
            found[name] = values[name]
        elif hint is int:
            found[name] = read_whole(values[name], least=0)
        else:
            found[name] = read_number(values[name])
    return cls(**found)


def read_array(
    arrays: Mapping[str, np.ndarray], name: str, shape: Shape, *, sizes: dict[str, int]
) -> np.ndarray:
    """Return an array by name, of a shape; sizes that were not known are added to ``sizes``."""
    value = arrays[name]
    expected = [sizes.get(dim) for dim in shape.dims]
    fits = value.ndim == len(expected) and all(
        size in (None, given) for size, given in zip(expected, value.shape, strict=True)
    )
    if not fits or value.dtype.kind != shape.kind:
        raise ValueError(
            f"the array {name!r} has the shape {value.shape} and the type {value.dtype}, expected "
            f"{dict(zip(shape.dims, expected, strict=True))} and a type of kind {shape.kind!r}"
        )
    if not shape.gaps and not np.isfinite(value).all():
        raise ValueError(f"the array {name!r} must be finite")
    for dim, size in zip(shape.dims, value.shape, strict=True):
        if sizes.setdefault(dim, size) != size:
            raise ValueError(f"the array {name!r} has two sizes of the dimension {dim!r}")
    return np.asarray(value)


def read_text(value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no text")
    return value


def read_texts(values: object) -> list[str]:
    """Return a list of different texts."""
    if not isinstance(values, list) or len(set(map(str, values))) < len(values):
        raise TypeError(f"{values!r} is no list of different texts")
    return [read_text(value) for value in values]


def read_whole(value: object, *, least: int = 1) -> int:
    """Return a whole number from ``least`` to a million."""
    if type(value) is not int or not least <= value <= LARGEST:
        raise TypeError(f"{value!r} is no whole number from {least} to {LARGEST}")
    return value


def read_number(value: object) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise TypeError(f"{value!r} is no finite number")
    return float(value)


def with_prefix(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return arrays under names that begin with a prefix and a dot."""
    return {f"{prefix}.{name}": value for name, value in arrays.items()}


def without_prefix(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with a prefix and a dot, without it."""
    start = f"{prefix}."
    return {n.removeprefix(start): value for n, value in arrays.items() if n.startswith(start)}


def _fields(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _shape_of(hint: Any) -> Shape | None:
    if get_origin(hint) is not Annotated:
        return None
    return next((mark for mark in get_args(hint)[1:] if isinstance(mark, Shape)), None)
