"""Spaces of hyperparameter searches: ranges that the classes of the models state, or given ones."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gwforecast import timeline
from gwforecast.runs.catalogue import MODELS, model_class, settings_of

__all__ = [
    "RESERVED", "Space", "check_space", "default_space", "shown", "start", "suggest",
]  # fmt: skip

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
