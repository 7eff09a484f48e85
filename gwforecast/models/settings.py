"""Settings of forecasters: fields of a dataclass, their bounds and the ranges of a search."""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
import operator
import types
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pandas as pd
from annotated_types import Ge, Gt, Le, Lt, MinLen

__all__ = ["LONGEST_HORIZON", "check_settings", "fitted_wells", "setting", "settings_table"]

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
