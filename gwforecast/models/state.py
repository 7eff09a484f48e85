"""Settings and fits of forecasters: fields with type hints, checked, stored and read back.

Settings are fields of a dataclass, with bounds and the ranges of a search.

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
import functools
import math
import numbers
import operator
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import xarray as xr
from annotated_types import Ge, Gt, Le, Lt, MinLen

from gwforecast import schema
from gwforecast.schema import SchemaError

__all__ = [
    "LONGEST_HORIZON", "Shape", "check_settings", "fit_from_state", "fit_to_state",
    "fitted_wells", "lacks_covariate", "read_array", "read_number", "read_text", "read_texts",
    "read_whole", "setting", "settings_table", "well_positions", "with_prefix",
    "without_prefix",
]  # fmt: skip


LONGEST_HORIZON = 10_000
"""Greatest number of lead times."""

T = TypeVar("T")


def setting(default: T, *, search: tuple[Any, ...] | None = None) -> T:
    """Return a field of a forecaster's dataclass, with the range of a hyperparameter search.

    The range is a tuple: ``("int", low, high[, step])``, ``("float", low, high)``, ``("log", low,
    high)``, ``("choice", a, b, ...)``, or ``("choice_years", a, b, ...)`` for numbers of steps that
    are given in years. A setting without a range is not searched by default.

    Examples
    --------
    >>> @dataclasses.dataclass(kw_only=True, eq=False)
    ... class Window:
    ...     window: int = setting(15, search=("int", 0, 60))
    >>> Window().window, dataclasses.fields(Window)[0].metadata["search"]
    (15, ('int', 0, 60))
    """
    found: T = dataclasses.field(default=default, metadata={"search": search})
    return found


def check_settings(forecaster: Any) -> None:
    """Check the settings of a forecaster against their type hints; lists become tuples.

    Bounds are ``Annotated[int, Ge(1)]`` and the like, choices are ``Literal``. A ValueError is
    raised if a setting has another type, is out of its bounds or none of its choices.

    Examples
    --------
    >>> @dataclasses.dataclass(kw_only=True, eq=False)
    ... class Window:
    ...     name: str = "window"
    ...     days: Annotated[int, Ge(0)] = 15
    >>> check_settings(Window(days=-1))
    Traceback (most recent call last):
        ...
    ValueError: The setting 'days' of 'window' must be at least 0. Received -1. The default is 15.
    """
    cls: type = type(forecaster)
    hints = _hints(cls)
    for field in dataclasses.fields(forecaster):
        if not field.init or field.name not in hints:
            continue
        value = getattr(forecaster, field.name)
        wanted = _wanted(value, hints[field.name])
        if wanted:
            raise ValueError(
                f"The setting {field.name!r} of {forecaster.name!r} must {wanted}. Received "
                f"{value!r}. The default is {field.default!r}."
            )
        setattr(forecaster, field.name, _frozen(value))


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    try:
        return get_type_hints(cls, include_extras=True)
    except NameError:  # of a class inside a function, whose names are not to be found
        return {}


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


_SCALARS: dict[Any, tuple[type, str]] = {
    bool: (bool, "be true or false"),
    int: (numbers.Integral, "be a whole number"),
    float: (numbers.Real, "be a finite number"),
    str: (str, "be a text"),
}

_BOUNDS: dict[type, tuple[str, Callable[[Any, Any], bool], str]] = {
    Ge: ("ge", operator.ge, "at least"), Gt: ("gt", operator.gt, "above"),
    Le: ("le", operator.le, "at most"), Lt: ("lt", operator.lt, "below"),
}  # fmt: skip


def _wanted(value: Any, hint: Any) -> str:
    """Return what a value must be to match a type hint, ``""`` if it does."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        base, *bounds = arguments
        return _wanted(value, base) or next(filter(None, (_beyond(value, b) for b in bounds)), "")
    if origin in (Union, types.UnionType):
        found = [_wanted(value, one) for one in arguments]
        others = [text for text in found if text != "be None"]
        return "" if "" in found else " or ".join(dict.fromkeys(others))
    if origin is Literal:
        return "" if value in arguments else f"be one of {', '.join(map(repr, arguments))}"
    if hint in (None, types.NoneType):
        return "" if value is None else "be None"
    if origin in (Sequence, list, tuple):
        return _wanted_elements(value, arguments)
    if hint in _SCALARS:
        kind, text = _SCALARS[hint]
        number = not isinstance(value, bool) or hint is bool
        finite = not isinstance(value, float) or math.isfinite(value)
        return "" if isinstance(value, kind) and number and finite else text
    return ""


def _wanted_elements(value: Any, arguments: tuple[Any, ...]) -> str:
    if not isinstance(value, list | tuple):
        return "be a list"
    hints = list(arguments)
    if len(hints) < 2 or hints[1] is Ellipsis:
        hints = hints[:1] * len(value)
    if len(hints) != len(value):
        return f"have {len(hints)} elements"
    found = (_wanted(one, hint) for one, hint in zip(value, hints, strict=True))
    wanted = next(filter(None, found), "")
    return f"be a list in which each element must {wanted}" if wanted else ""


def _beyond(value: Any, bound: Any) -> str:
    """Return the bound as words if a value does not keep it."""
    if isinstance(bound, MinLen):
        return "" if len(value) >= bound.min_length else f"have {bound.min_length} or more elements"
    if type(bound) not in _BOUNDS:
        return ""
    name, keeps, words = _BOUNDS[type(bound)]
    limit = getattr(bound, name)
    return "" if keeps(value, limit) else f"be {words} {limit}"


def settings_table(forecaster: Any) -> pd.DataFrame:
    """Return the settings of a forecaster as a table: index setting, columns value and default.

    A class that is no dataclass has none.
    """
    rows = []
    for field in dataclasses.fields(forecaster) if dataclasses.is_dataclass(forecaster) else ():
        if field.init and field.name not in ("name", "parts"):
            default = field.default
            if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            rows.append((field.name, getattr(forecaster, field.name), default))
    table = pd.DataFrame(rows, columns=["setting", "value", "default"], dtype=object)
    return table.set_index("setting")


def fitted_wells(forecaster: Any) -> str:
    """Return whether a forecaster is fitted, and at how many wells, in words."""
    if not any(name.endswith("_") and not name.startswith("_") for name in vars(forecaster)):
        return "not fitted"
    wells = getattr(forecaster, "wells_", None)
    if wells is None:
        return "fitted"
    return f"fitted at {len(wells)} well" + ("" if len(wells) == 1 else "s")


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


def well_positions(observations: xr.Dataset, fitted: np.ndarray, *, name: str) -> np.ndarray:
    """Return where each well of the observations stands among the fitted wells, shape (well,).

    A SchemaError that names the forecaster is raised if a well was not fitted.
    """
    index = {well: i for i, well in enumerate(fitted.tolist())}
    wells = observations[schema.WELL].values.tolist()
    unknown = [well for well in wells if well not in index]
    if unknown:
        raise SchemaError(
            f"A forecaster simulates the wells it was fitted on. Received {unknown[0]!r}, which is "
            f"not one of them. Fit {name!r} with this well."
        )
    return np.array([index[well] for well in wells], dtype=np.intp)


def lacks_covariate(observations: xr.Dataset) -> str:
    """Return that a model needs a covariate, where there is none but the season; else ``""``."""
    names = schema.covariate_names(observations)
    kinds = {schema.covariate_kind(name, observations[name].attrs) for name in names}
    return "" if kinds - {"season"} else "it needs a covariate"
