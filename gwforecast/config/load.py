"""Settings of a run, from a TOML file: read, checked, and refused with a mend.

Settings as TOML text: the other way round is in the standard library.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from pydantic import ValidationError

from gwforecast.config.tables import (
    AdditiveSettings,
    BacktestSettings,
    ClimatologySettings,
    ClusterSettings,
    CNNSettings,
    ComponentsSettings,
    DataSettings,
    GlobalCNNSettings,
    GlobalLayeredSettings,
    GlobalLSTMSettings,
    LagsSettings,
    LayeredSettings,
    LinearSettings,
    LSTMSettings,
    ModelsSettings,
    OutputSettings,
    RegressionSettings,
    ScheduleSettings,
    SeasonalNaiveSettings,
    Section,
    SplitSettings,
    TransferSettings,
    TuneSettings,
)

__all__ = ["Settings", "dump_toml", "load_settings"]


def dump_toml(tables: Mapping[str, Mapping[str, object]], *, comment: str = "") -> str:
    """Return tables of settings as TOML text; a setting that is None is left out.

    Parameters
    ----------
    tables : mapping
        Settings by table and name: text, numbers, truth values, paths, and lists and mappings of
        them.
    comment : str
        One line above the tables.

    Raises
    ------
    TypeError
        If a value is of another type.

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


_PATHS = (
    ("data", "levels"),
    ("data", "covariates"),
    ("data", "attributes"),
    ("output", "folder"),
    ("backtest", "folder"),
    ("tune", "folder"),
    ("schedule", "bundles"),
    ("schedule", "archive"),
    ("schedule", "weather_forecast"),
)


class Settings(Section):
    """All settings of a run, one field for each table of the file."""

    data: DataSettings
    split: SplitSettings = SplitSettings()
    models: ModelsSettings = ModelsSettings()
    lstm: LSTMSettings = LSTMSettings()
    mlp: LayeredSettings = LayeredSettings()
    gru: LayeredSettings = LayeredSettings()
    cnn: CNNSettings = CNNSettings()
    global_lstm: GlobalLSTMSettings = GlobalLSTMSettings()
    global_mlp: GlobalLayeredSettings = GlobalLayeredSettings()
    global_gru: GlobalLayeredSettings = GlobalLayeredSettings()
    global_cnn: GlobalCNNSettings = GlobalCNNSettings()
    linear: LinearSettings = LinearSettings()
    additive: AdditiveSettings = AdditiveSettings()
    ardl: LagsSettings = LagsSettings()
    arma_regression: RegressionSettings = RegressionSettings()
    unobserved_components: ComponentsSettings = ComponentsSettings()
    pastas: TransferSettings = TransferSettings()
    climatology: ClimatologySettings = ClimatologySettings()
    seasonal_naive: SeasonalNaiveSettings = SeasonalNaiveSettings()
    output: OutputSettings = OutputSettings()
    backtest: BacktestSettings = BacktestSettings()
    tune: TuneSettings = TuneSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    cluster: ClusterSettings = ClusterSettings()

    def of_model(self, name: str) -> dict[str, Any]:
        """Return the settings that were given for a model, by name."""
        section = getattr(self, name, None)
        return section.given() if isinstance(section, Section) else {}


def load_settings(
    path: Path | None = None, *, overrides: Mapping[str, Mapping[str, object]] | None = None
) -> Settings:
    """Read and check the settings of a run.

    Parameters
    ----------
    path : pathlib.Path, optional
        A TOML file. Paths within it are relative to its folder.
    overrides : mapping, optional
        Settings by table and name that go before those of the file; their paths are relative to
        the working directory.

    Returns
    -------
    Settings
        All settings; what was not given has its default.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        If the file is not TOML, or a setting is unknown or has a value it cannot have; each
        message names the table and the setting, what was received and what is allowed.
    """
    tables: dict[str, Any] = {} if path is None else _read(path)
    for table, values in (overrides or {}).items():
        if isinstance(tables.setdefault(table, {}), dict):
            tables[table] = {**tables[table], **values}
    try:
        return Settings.model_validate(tables)
    except ValidationError as error:
        origin = "the options" if path is None else str(path)
        found = [_explain(item) for item in error.errors(include_url=False)]
        plural = "setting is" if len(found) == 1 else "settings are"
        text = "\n".join(f"  - {line}" for line in found)
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
            "is not. Save the file as UTF-8."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(
            f"A configuration must be valid TOML. Received {path}, which is not: {error}. Text "
            'needs quotes (levels = "heads.csv"), tables need brackets ([data]).'
        ) from None
    schedule = tables.setdefault("schedule", {})
    if isinstance(schedule, dict):  # what is kept for years lies beside the file, wherever it runs
        for name in ("bundles", "archive"):
            schedule.setdefault(name, str(ScheduleSettings.model_fields[name].default))
    for table, name in _PATHS:
        section = tables.get(table)
        if table == "data" and isinstance(section, dict) and "database" in section:
            continue  # names of tables, not of files
        if isinstance(section, dict) and isinstance(section.get(name), str) and section[name]:
            section[name] = str(path.parent / section[name])
    return tables


_RULES = {
    "missing": "be given",
    "int_type": "be a whole number",
    "int_from_float": "be a whole number",
    "float_type": "be a number",
    "string_type": "be text in quotes",
    "bool_type": "be true or false",
    "list_type": "be a list in brackets",
    "dict_type": "be a table",
    "model_type": "be a table in brackets, like [data]",
    "model_attributes_type": "be a table in brackets, like [data]",
    "is_instance_of": "be a path in quotes",
    "path_type": "be a path in quotes",
    "finite_number": "be a finite number",
    "greater_than": "be greater than {gt}",
    "greater_than_equal": "be at least {ge}",
    "string_pattern_mismatch": "have the form {pattern}",
    "less_than": "be less than {lt}",
    "less_than_equal": "be at most {le}",
    "literal_error": "be one of {expected}",
    "too_short": "have at least {min_length} item",
    "value_error": "be {error}",
}


def _explain(item: Any) -> str:
    """Return rule, what was received and mend for one error of pydantic."""
    names = [str(part) for part in item["loc"]]
    where, kind = ".".join(names), item["type"]
    if kind == "extra_forbidden":
        return _unknown(names)
    rule = _RULES.get(kind, item["msg"]).format(**item.get("ctx", {}))
    received = "nothing" if kind == "missing" else repr(item["input"])
    return f"{where} must {rule}. Received {received}. Correct {_place(names)}."


def _unknown(names: list[str]) -> str:
    section: Any = Settings
    for name in names[:-1]:
        section = section.model_fields[name].annotation
    known = sorted(section.model_fields)
    close = difflib.get_close_matches(names[-1], known, n=1)
    mend = f"Did you mean {close[0]!r}?" if close else f"Remove it from {_place(names)}."
    what = "settings" if len(names) > 1 else "tables"
    return (
        f"{'.'.join(names)} is unknown: the {what} must be among {', '.join(known)}. Received "
        f"{names[-1]!r}. {mend}"
    )


def _place(names: list[str]) -> str:
    if len(names) == 1:
        return f"the table [{names[0]}]"
    return f"{names[1]!r} in the table [{names[0]}]"
