"""Settings of the models and spaces of their search, derived from the fields of their classes.

A table ``[linear]`` of a file has the fields of the class that the catalogue gives for ``linear``:
their types and bounds are the type hints of the class, their meaning is the section Parameters of
its docstring. So a model that is added to the catalogue has its table.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, Field, create_model

from gwforecast import timeline
from gwforecast.config.tables import Section
from gwforecast.runs.catalogue import MODELS, model_class, settings_of

__all__ = [
    "RESERVED", "Space", "check_space", "default_space", "describe", "model_table", "shown",
    "start", "suggest", "with_tables",
]  # fmt: skip


@lru_cache
def model_table(name: str) -> type[Section] | None:
    """Return the table of settings of a model, None for a model without settings.

    Every setting may be left out and is None then, which stands for the default of the class. A
    setting that TOML cannot hold, such as the head of a network, is for Python alone.

    Examples
    --------
    >>> list(model_table("climatology").model_fields)
    ['window']
    """
    cls = model_class(name)
    hints = get_type_hints(cls, include_extras=True)
    texts = describe(cls)
    fields: dict[str, Any] = {}
    for setting in settings_of(name):
        hint = _as_toml(hints[setting])
        if hint is not None:
            fields[setting] = (hint | None, Field(None, description=texts.get(setting)))
    if not fields:
        return None
    made: type[Section] = create_model(
        cls.__name__, __base__=Section, __doc__=inspect.cleandoc(cls.__doc__ or ""), **fields
    )
    return made


def describe(cls: type) -> dict[str, str]:
    """Return what each parameter of a class means, from the docstrings of the class and its bases.

    Examples
    --------
    >>> from gwforecast.runs.catalogue import model_class
    >>> sorted(describe(model_class("climatology")))
    ['name', 'window']
    """
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        section = re.search(
            r"^Parameters\n-{3,}\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)",
            inspect.cleandoc(base.__dict__.get("__doc__") or ""),
            re.DOTALL | re.MULTILINE,
        )
        if section:
            texts |= _parameters(section[1])
    return texts


def _parameters(section: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for names, text in re.findall(
        r"^(\w[\w, ]*?)(?: *:[^\n]*)?\n((?:(?: +[^\n]*)?\n)*)", section + "\n", re.MULTILINE
    ):
        texts |= dict.fromkeys(re.split(r" *, *", names), " ".join(text.split()))
    return texts


def _as_toml(hint: Any) -> Any:
    """Return the hint of a field as one for values of TOML; None where TOML has no such value.

    Tuples and other sequences become lists. Where a sequence or a single value will do, a single
    value becomes a list of one.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in (bool, int, float, str) or origin is Literal:
        return hint
    if origin is Annotated:
        inner = _as_toml(arguments[0])
        return None if inner is None else Annotated[(inner, *hint.__metadata__)]
    if origin in (Union, types.UnionType):
        kinds = [_as_toml(one) for one in arguments if one is not types.NoneType]
        return _united([one for one in kinds if one is not None])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict[arguments[0], Any]  # type: ignore[valid-type]
    if isinstance(origin, type) and issubclass(origin, Iterable):
        inner = _as_toml(arguments[0])
        return None if inner is None else list[inner]  # type: ignore[valid-type]
    return None


def _united(kinds: Sequence[Any]) -> Any:
    """Return the only kind, or the list where a single value may stand for a list of one."""
    if len(kinds) < 2:
        return kinds[0] if kinds else None
    lists = [kind for kind in kinds if "list[" in str(kind)]
    return Annotated[lists[0], BeforeValidator(_listed)] if lists else Union[tuple(kinds)]  # noqa: UP007


def _listed(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return [value] if number else value


S = TypeVar("S", bound=Section)


def with_tables(base: type[S], names: Iterable[str]) -> type[S]:
    """Return the settings of a file with the tables of models that are in it.

    Only these are derived, as a class must be imported for its table.
    """
    made: type[S] = _with_tables(base, tuple(name for name in MODELS if name in set(names)))
    return made


@lru_cache
def _with_tables(base: type[Any], names: tuple[str, ...]) -> type[Any]:
    tables = {name: model_table(name) for name in names}
    fields: dict[str, Any] = {
        name: (table, Field(default_factory=table)) for name, table in tables.items() if table
    }
    if not fields:
        return base
    return create_model(base.__name__, __base__=base, __doc__=base.__doc__, **fields)


Space = Mapping[str, Sequence[Any]]
"""Range by setting: its kind, then its bounds or its choices.

``("int", low, high)`` or ``("int", low, high, step)``: whole numbers, both ends included.
``("float", low, high)``: numbers, uniform. ``("log", low, high)``: numbers, uniform in their
logarithm. ``("choice", a, b, ...)``: one of the values, which may be lists.
"""

RESERVED = ("members", "seed", "folds", "workers", "engine", "head")
"""Settings that cannot be searched: more members are never worse, and the others are not properties
of a model."""

_YEARS = "choice_years"


def default_space(model: str, frequency: str) -> dict[str, tuple[Any, ...]]:
    """Return the space that is searched where the user gives none.

    Raises ValueError if the model is unknown, or none of its settings has a range.

    Examples
    --------
    >>> default_space("climatology", "D")
    {'window': ('int', 0, 60)}
    >>> default_space("lstm", "D")["lookback"]
    ('choice', 183, 365, 730)
    """
    _known_settings(model)
    space = {name: _in_steps(given, frequency) for name, given in _searched(model).items()}
    if not space:
        able = ", ".join(name for name in MODELS if _searched(name))
        raise ValueError(
            f"A search needs a model with settings. Received {model!r}, which has none. Choose "
            f"one of {able}."
        )
    return space


def _searched(model: str) -> dict[str, tuple[Any, ...]]:
    """Return the ranges that the class of a model states, lookbacks in years last."""
    cls: Any = model_class(model)
    found: dict[str, tuple[Any, ...]] = {}
    for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if field.metadata.get("search"):
            found[field.name] = field.metadata["search"]
    return dict(sorted(found.items(), key=lambda item: item[1][0] == _YEARS))


def _in_steps(given: tuple[Any, ...], frequency: str) -> tuple[Any, ...]:
    """Return a range with choices in years turned into steps."""
    if given[0] != _YEARS:
        return given
    year = timeline.steps_per_year(frequency)
    return (
        "choice",
        *(
            [round(y * year) for y in one] if isinstance(one, list | tuple) else round(one * year)
            for one in given[1:]
        ),
    )


def check_space(space: Space, *, model: str, fixed: Mapping[str, object]) -> dict[str, list[Any]]:
    """Return a space as plain lists, or raise if it cannot be searched.

    Raises TypeError if the model has no such setting, and ValueError if a setting is fixed or
    reserved, a range is malformed, or nothing is left to search.
    """
    known = _known_settings(model)
    for name, given in space.items():
        if name in RESERVED:
            raise ValueError(
                f"A search does not choose {', '.join(RESERVED)}. Received {name!r} in its space. "
                "Take it out of the space and give it as an argument."
            )
        if name not in known:
            raise TypeError(
                f"The settings of {model!r} are {', '.join(known) or 'none'}. Received {name!r} in "
                "the space. Correct or remove it."
            )
        if name in fixed:
            raise ValueError(
                f"A setting is either fixed or searched. Received {name!r} of {model!r} as both. "
                "Take it out of the space, or out of the settings."
            )
        _check_range(name, given)
    if not space:
        raise ValueError(
            f"A search needs a setting to choose. Received none for {model!r} that is not fixed. "
            "Leave a setting out of the settings, or give a space."
        )
    plain: dict[str, list[Any]] = json.loads(json.dumps({n: list(g) for n, g in space.items()}))
    return plain


def start(model: str, space: Space, frequency: str) -> dict[str, Any]:
    """Return the model's own defaults that lie in the space, as parameters of a trial.

    Examples
    --------
    >>> start("climatology", {"window": ["int", 0, 60]}, "D")
    {'window': 15}
    >>> start("climatology", {"window": ["int", 20, 60]}, "D")
    {}
    """
    found = {}
    for name, (kind, *values) in space.items():
        default = _default(model, name, frequency)
        if kind == "choice":
            text = _text(default)
            if text in map(_text, values):
                found[name] = text
        elif _number(default) and values[0] <= default <= values[1]:
            step = values[2] if len(values) == 3 else None
            if step is None or (default - values[0]) % step == 0:
                found[name] = default
    return found


def _default(model: str, name: str, frequency: str) -> Any:
    """Return the default of a setting; of a lookback that the data decide, what it means there.

    That is one year for a number of steps, and the first choice for a list of them.
    """
    default, given = _known_settings(model)[name].default, _searched(model).get(name, ("",))
    if default is not None or given[0] != _YEARS:
        return default
    first = _in_steps(given, frequency)[1]
    return first if isinstance(first, list) else round(timeline.steps_per_year(frequency))


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """Return the settings that a trial of optuna takes from a space, by name."""
    settings: dict[str, Any] = {}
    for name, (kind, *values) in space.items():
        if kind == "choice":
            text = trial.suggest_categorical(name, [_text(value) for value in values])
            settings[name] = json.loads(text)
        elif kind == "int":
            step = values[2] if len(values) == 3 else 1
            settings[name] = trial.suggest_int(name, values[0], values[1], step=step)
        else:
            settings[name] = trial.suggest_float(name, values[0], values[1], log=kind == "log")
    return settings


def shown(params: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Return the settings of a trial as values of a table: lists as text, None if not reached."""
    shown = {}
    for name, given in space.items():
        value = params.get(name)
        value = json.loads(value) if given[0] == "choice" and value is not None else value
        shown[name] = str(value) if isinstance(value, list) else value
    return shown


def _known_settings(model: str) -> Mapping[str, inspect.Parameter]:
    if model not in MODELS:
        raise ValueError(
            f"A search is for one of the models {', '.join(MODELS)}. Received {model!r}. "
            "Correct the name."
        )
    return settings_of(model)


def _check_range(name: str, given: Sequence[Any]) -> None:
    form = ""
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        form = "begin with int, float, log or choice"
    elif given[0] == "choice":
        form = "" if len(given) > 1 and _storable(given[1:]) else "name one or more plain values"
    elif given[0] == "int":
        form = "" if _whole(given[1:]) else "have whole numbers, low <= high, and a step if wanted"
    elif given[0] in ("float", "log"):
        ordered = len(given) == 3 and all(map(_number, given[1:])) and given[1] <= given[2]
        form = "" if ordered else "have two finite numbers, low <= high"
        if ordered and given[0] == "log" and given[1] <= 0:
            form = "be above 0 where it is logarithmic"
    else:
        form = "begin with int, float, log or choice"
    if form:
        raise ValueError(
            f"The range of a setting must {form}. Received {given!r} for {name!r}. Write for "
            'example ["float", 0.0, 0.5] or ["choice", 16, 32].'
        )


def _whole(values: Sequence[Any]) -> bool:
    whole = all(isinstance(v, int) and not isinstance(v, bool) for v in values)
    return (
        whole
        and len(values) in (2, 3)
        and values[0] <= values[1]
        and min(values[2:], default=1) > 0
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _storable(values: Sequence[Any]) -> bool:
    try:
        return len({_text(value) for value in values}) == len(values)
    except (TypeError, ValueError):
        return False


def _text(value: object) -> str:
    return json.dumps(value, allow_nan=False)
