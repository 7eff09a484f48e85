"""Tables of settings of the models, derived from the fields of their classes.

A table ``[linear]`` of a file has the fields of the class that the catalogue gives for ``linear``:
their types and bounds are the type hints of the class, their meaning is the section Parameters of
its docstring. So a model that is added to the catalogue has its table.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, Field, create_model

from gwforecast.config.tables import Section
from gwforecast.runs.catalogue import MODELS, model_class, settings_of

__all__ = ["describe", "model_table", "with_tables"]


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
