"""Read and check the settings of a run, from a TOML file and from options; write them as TOML."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from pydantic import ValidationError

from gwforecast.config.models import model_table, with_tables
from gwforecast.config.tables import (
    AlertSettings,
    BacktestSettings,
    BulletinSettings,
    ClusterSettings,
    DataSettings,
    ModelsSettings,
    OutputSettings,
    QuestionSettings,
    ScheduleSettings,
    Section,
    SplitSettings,
    TuneSettings,
)
from gwforecast.runs.catalogue import MODELS
from gwforecast.writing import redact

__all__ = ["Settings", "dump_toml", "load_settings", "settings_from"]


def dump_toml(tables: Mapping[str, Mapping[str, object]], *, comment: str = "") -> str:
    """Return tables of settings as TOML text, below a comment; a setting that is None is left out.

    Raises TypeError if a value is none of text, number, truth value, path, or list or mapping of
    them.

    Examples
    --------
    >>> print(dump_toml({"lstm": {"epochs": 20, "dropout": 0.25, "lookback": None}}), end="")
    [lstm]
    epochs = 20
    dropout = 0.25
    """
    head = f"# {comment}\n\n" if comment else ""
    return head + tomli_w.dumps(_plain(tables))


def _plain(value: Any) -> Any:
    """Return a value as TOML has it: paths as text, numbers of NumPy as numbers, no None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, str | bool | int | float):
        return value
    raise TypeError(
        f"A setting in TOML is text, a number, true or false, a path, a list or a table. Received "
        f"{value!r}. Give one of these."
    )


class Settings(Section):
    """All settings of a run, one field for each table; those of models are added as they occur."""

    data: DataSettings
    # defaults need no checks, which take long to prepare
    split: SplitSettings = SplitSettings.model_construct()
    models: ModelsSettings = ModelsSettings.model_construct()
    output: OutputSettings = OutputSettings.model_construct()
    backtest: BacktestSettings = BacktestSettings.model_construct()
    questions: QuestionSettings = QuestionSettings.model_construct()
    tune: TuneSettings = TuneSettings.model_construct()
    schedule: ScheduleSettings = ScheduleSettings.model_construct()
    bulletin: BulletinSettings = BulletinSettings.model_construct()
    alerts: AlertSettings = AlertSettings.model_construct()
    cluster: ClusterSettings = ClusterSettings.model_construct()

    def of_model(self, name: str) -> dict[str, Any]:
        """Return the settings that the user gave for a model, by name."""
        section = getattr(self, name, None) if name in MODELS else None
        return section.given() if isinstance(section, Section) else {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what Dask sends to a worker, which derives the tables of models itself."""
        return settings_from, (self.model_dump(exclude_unset=True),)


def settings_from(tables: Mapping[str, Any], *, folder: Path | None = None) -> Settings:
    """Return settings from tables by name, those of models among them.

    Paths that are given as text start at the folder, or else at the working directory.

    Raises pydantic.ValidationError if a setting is unknown or has a value that it cannot have.
    """
    return with_tables(Settings, tables).model_validate(tables, context=folder)


def load_settings(
    path: Path | None = None,
    *,
    overrides: Mapping[str, Mapping[str, object]] | None = None,
    options: Mapping[tuple[str, str], str] | None = None,
    models: bool = True,
) -> Settings:
    """Read and check the settings of a run.

    Paths in a TOML file are relative to its folder, those of ``overrides``, which take precedence,
    to the working directory; ``options`` are their options of the command line, by table and name,
    which messages then name. Without ``models`` their tables are not read and no model is imported,
    which takes a tenth of a second.

    Raises FileNotFoundError if the file is not there, and ValueError if the file is not TOML, or a
    setting is unknown or has a value that it cannot have; each message names the table and the
    setting, what was received and what is allowed.
    """
    tables: dict[str, Any] = {} if path is None else _read(path)
    if not models:
        tables = {name: table for name, table in tables.items() if name not in MODELS}
    for table, values in (overrides or {}).items():
        if isinstance(tables.setdefault(table, {}), dict):
            tables[table] = {**tables[table], **values}
    try:
        return settings_from(tables, folder=None if path is None else path.parent)
    except ValidationError as error:
        found = _without_alternatives(error.errors(include_url=False))
        named = {} if options is None else options
        by_options = all(tuple(item["loc"][:2]) in named for item in found)
        origin = "the options" if path is None or by_options else str(path)
        plural = "setting is" if len(found) == 1 else "settings are"
        text = "\n".join(f"  - {_explain(item, named)}" for item in found)
        raise ValueError(f"{len(found)} {plural} wrong in {origin}:\n{text}") from None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"The configuration must be a TOML file. Received {str(path)!r}, which is "
            f"{'a folder' if path.is_dir() else 'not there'}. Correct the path."
        )
    try:
        tables = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"A configuration must be text in UTF-8. Received byte {error.start} of {path}, which "
            "is not. Save the file as UTF-8, or give a file of levels with --levels."
        ) from None
    except tomllib.TOMLDecodeError as error:
        fix = (
            'Text needs quotes (levels = "heads.csv"), tables need brackets ([data]).'
            if path.suffix == ".toml"
            else f"Give a file of levels as --levels {path}."
        )
        raise ValueError(
            f"A configuration must be valid TOML. Received {path}, which is not: {error}. {fix}"
        ) from None
    schedule = tables.setdefault("schedule", {})
    if isinstance(schedule, dict):  # models and archive lie beside the file, wherever a run starts
        for name in ("bundles", "archive"):
            schedule.setdefault(name, str(ScheduleSettings.model_fields[name].default))
    return tables


_RULES = {
    "missing": "be given", "int_type": "be a whole number",
    "int_from_float": "be a whole number", "float_type": "be a number",
    "string_type": "be text in quotes", "bool_type": "be true or false",
    "list_type": "be a list in brackets", "dict_type": "be a table",
    "model_type": "be a table in brackets, like [data]",
    "model_attributes_type": "be a table in brackets, like [data]",
    "is_instance_of": "be a path in quotes", "path_type": "be a path in quotes",
    "finite_number": "be a finite number", "greater_than": "be greater than {gt}",
    "greater_than_equal": "be at least {ge}",
    "string_pattern_mismatch": "have the form {pattern}", "less_than": "be less than {lt}",
    "less_than_equal": "be at most {le}", "literal_error": "be one of {expected}",
    "too_short": "have at least {min_length} item",
    "too_long": "have at most {max_length} items", "value_error": "be {error}",
}  # fmt: skip


def _without_alternatives(found: Sequence[Any]) -> list[Any]:
    """Return the errors of pydantic, with one for a setting whose value may have several types.

    Such a setting has an error for each type, whose name is part of the location.
    """
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    for item in found:
        place = tuple(item["loc"])
        named = any("[" in str(part) or "(" in str(part) for part in place)
        place = place[:2] if named else place
        rule = _RULES.get(item["type"], "have another value").format(**item.get("ctx", {}))
        if place not in kept:
            kept[place] = {**item, "loc": place, "rule": rule}
        elif rule not in kept[place]["rule"]:
            kept[place]["rule"] += f" or {rule}"
    return list(kept.values())


def _explain(item: Any, options: Mapping[tuple[str, str], str]) -> str:
    """Return the rule, what was received, and how to fix it, for one error of pydantic."""
    names = [str(part) for part in item["loc"]]
    where, kind = ".".join(names), item["type"]
    if kind == "extra_forbidden":
        return _unknown(names)
    rule, guess = item["rule"], ""
    if kind == "literal_error" and isinstance(item["input"], str):
        known = re.findall(r"'([^']+)'", item["ctx"]["expected"])
        guess = next(iter(difflib.get_close_matches(item["input"], known, n=1)), "")
    received = "nothing" if kind == "missing" else redact(repr(item["input"]))
    place = (names[0], names[1]) if len(names) > 1 else ("data", "levels")
    option = options.get(place) if len(names) > 1 or names == ["data"] else None
    if option is not None:
        fix = f"Give {option}." if kind == "missing" else f"Correct the option {option}."
    else:
        fix = f"Correct {_place(names)}."
    fix = f"Did you mean {guess!r}?" if guess else fix
    return f"{option or where} must {rule}. Received {received}. {fix}"


def _unknown(names: list[str]) -> str:
    section: Any = Settings
    tables = [*Settings.model_fields, *(name for name in MODELS if model_table(name) is not None)]
    if len(names) > 1:
        section = (
            model_table(names[0])
            if names[0] in MODELS
            else Settings.model_fields[names[0]].annotation
        )
    known = sorted(section.model_fields if len(names) > 1 else tables)
    close = difflib.get_close_matches(names[-1], known, n=1)
    fix = f"Did you mean {close[0]!r}?" if close else f"Remove it from {_place(names)}."
    what = "settings" if len(names) > 1 else "tables"
    return (
        f"{'.'.join(names)} is unknown: the {what} must be among {', '.join(known)}. Received "
        f"{names[-1]!r}. {fix}"
    )


def _place(names: list[str]) -> str:
    if len(names) == 1:
        return f"the table [{names[0]}]"
    return f"{names[1]!r} in the table [{names[0]}]"
