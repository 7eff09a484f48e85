"""Settings of a run, from a TOML file: read, checked, and refused with a mend."""

from __future__ import annotations

import datetime as dt
import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

__all__ = ["MODEL_NAMES", "Settings", "load_settings"]

ModelName = Literal[
    "lstm",
    "mlp",
    "gru",
    "cnn",
    "linear",
    "additive",
    "arma_regression",
    "ets",
    "unobserved_components",
    "climatology",
    "seasonal_naive",
    "persistence",
    "drift",
]
MODEL_NAMES: tuple[str, ...] = ModelName.__args__  # type: ignore[attr-defined]
DEFAULT_MODELS: tuple[ModelName, ...] = (
    "lstm",
    "mlp",
    "linear",
    "climatology",
    "seasonal_naive",
    "persistence",
    "drift",
)
_PATHS = (
    ("data", "levels"),
    ("data", "covariates"),
    ("data", "attributes"),
    ("output", "folder"),
    ("tune", "folder"),
)


def _to_path(value: object) -> object:
    return Path(value) if isinstance(value, str) and value else value


def _to_date(value: object) -> object:
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value).isoformat()
        except ValueError:
            raise ValueError("a date like 2016-01-31") from None
    return value


def _to_heights(value: object) -> object:
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    by_well = isinstance(value, dict) and all(isinstance(v, int | float) for v in value.values())
    if not (value is None or whole or by_well):
        raise ValueError("a height in m, or a table of heights by well")
    return value


def _to_rules(value: object) -> object:
    named = isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    if not (value is None or value == "by_kind" or named):
        raise ValueError("'by_kind', or a table of rules by covariate or kind")
    return value


FilePath = Annotated[Path, BeforeValidator(_to_path)]
Date = Annotated[str, BeforeValidator(_to_date)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]


class _Section(BaseModel):
    """A table of the file. What is left out takes the default of the part that it is for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def given(self) -> dict[str, Any]:
        """Return the settings that were given, by name."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class DataSettings(_Section):
    """Where the data are and how their files are written."""

    levels: FilePath
    covariates: FilePath | None = None
    attributes: FilePath | None = None
    wells: list[str] | None = None
    well: str | None = None
    level_column: str | None = None
    reference_level: Annotated[Any, BeforeValidator(_to_heights)] = None
    datum: str | None = None
    units: Literal["m", "cm", "mm", "ft"] | None = None
    covariate_units: dict[str, str] | None = None
    day_first: bool | None = None
    decimal: Literal[".", ","] | None = None
    delimiter: str | None = None
    at_step: Literal["mean", "last", "first", "nearest"] | None = None
    duplicates: Literal["first", "last", "mean"] | None = None
    sort: bool = False
    missing_values: list[float] = Field(default_factory=list)
    fill: Annotated[Any, BeforeValidator(_to_rules)] = None

    def reading(self) -> dict[str, Any]:
        """Return the settings that were given for the reader, by name."""
        return {n: v for n, v in self.given().items() if n not in ("levels", "covariates", "fill")}


class SplitSettings(_Section):
    """Periods, by shares of the observed levels or by dates."""

    train: Annotated[float, Field(gt=0, lt=1)] = 0.6
    validation: Share = 0.2
    validation_start: Date | None = None
    test_start: Date | None = None
    test_end: Date | None = None
    gap: Annotated[int, Field(ge=0)] = 0


class ModelsSettings(_Section):
    """Which models, with which seed, against which baseline."""

    use: Annotated[list[ModelName], Field(min_length=1)] = list(DEFAULT_MODELS)
    baseline: ModelName = "climatology"
    seed: Annotated[int, Field(ge=0)] = 0
    members: Positive | None = None
    workers: Positive | None = None


class NeuralSettings(_Section):
    """What all networks share; the defaults are those of the forecaster."""

    covariates: list[str] | None = None
    features: list[str] | None = None
    lookback: Positive | None = None
    targets: Positive | None = None
    activation: str | None = None
    loss: Literal["mse", "mae", "huber", "nse"] | None = None
    optimizer: Literal["adam", "rmsprop", "sgd"] | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    weight_decay: NotNegative | None = None
    l2: NotNegative | None = None
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    dropout: Share | None = None
    noise: NotNegative | None = None
    epochs: Positive | None = None
    batch_size: Positive | None = None
    patience: Positive | None = None
    members: Positive | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    workers: Positive | None = None


class LayeredSettings(NeuralSettings):
    """Networks of layers that each have a size."""

    units: Annotated[list[Positive], Field(min_length=1)] | None = None


class CNNSettings(NeuralSettings):
    """Causal convolutions: number of filters, and steps of each."""

    units: Positive | None = None
    kernel_size: Annotated[int, Field(ge=2)] | None = None


class LinearSettings(_Section):
    """Linear regression on lagged means."""

    lookbacks: list[Positive] | None = None
    strengths: list[NotNegative] | None = None
    harmonics: Annotated[int, Field(ge=0)] | None = None
    covariates: list[str] | None = None


class ClimatologySettings(_Section):
    """Day-of-year climatology."""

    window: Annotated[int, Field(ge=0)] | None = None


class SeasonalNaiveSettings(_Section):
    """Seasonal naive."""

    tolerance: Annotated[int, Field(ge=0)] | None = None


class OutputSettings(_Section):
    """Where the results go, and of how many wells figures are drawn."""

    folder: FilePath = Path("results")
    figures: Annotated[int, Field(ge=0)] = 12


class TuneSettings(_Section):
    """A search for the settings of one model."""

    model: ModelName = "lstm"
    trials: Positive = 30
    metric: str = "nse"
    timeout: Annotated[float, Field(gt=0)] | None = None
    folder: FilePath = Path("tuning")
    space: dict[str, list[Any]] | None = None


class Settings(_Section):
    """All settings of a run, one field for each table of the file."""

    data: DataSettings
    split: SplitSettings = SplitSettings()
    models: ModelsSettings = ModelsSettings()
    lstm: LayeredSettings = LayeredSettings()
    mlp: LayeredSettings = LayeredSettings()
    gru: LayeredSettings = LayeredSettings()
    cnn: CNNSettings = CNNSettings()
    linear: LinearSettings = LinearSettings()
    climatology: ClimatologySettings = ClimatologySettings()
    seasonal_naive: SeasonalNaiveSettings = SeasonalNaiveSettings()
    output: OutputSettings = OutputSettings()
    tune: TuneSettings = TuneSettings()

    def of_model(self, name: str) -> dict[str, Any]:
        """Return the settings that were given for a model, by name."""
        section = getattr(self, name, None)
        return section.given() if isinstance(section, _Section) else {}


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
    for table, name in _PATHS:
        section = tables.get(table)
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
