"""The tables of a configuration and what each setting may be; nothing is read here."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gwforecast.runs.catalogue import DEFAULT_BACKTEST, DEFAULT_MODELS, DEFAULT_SCHEDULE, MODELS

__all__ = [
    "AdditiveSettings",
    "BacktestSettings",
    "CNNSettings",
    "ClimatologySettings",
    "ClusterSettings",
    "ComponentsSettings",
    "DataSettings",
    "GlobalCNNSettings",
    "GlobalLSTMSettings",
    "GlobalLayeredSettings",
    "GlobalSettings",
    "LSTMSettings",
    "LagsSettings",
    "LayeredSettings",
    "LinearSettings",
    "ModelsSettings",
    "NeuralSettings",
    "OutputSettings",
    "RegressionSettings",
    "ScheduleSettings",
    "SeasonalNaiveSettings",
    "Section",
    "SplitSettings",
    "TransferSettings",
    "TuneSettings",
]


if TYPE_CHECKING:
    ModelName = str
else:
    ModelName = Literal[tuple(MODELS)]


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


class Section(BaseModel):
    """A table of the file. What is left out takes the default of the part that it is for."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )

    def given(self) -> dict[str, Any]:
        """Return the settings that were given, by name."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class DataSettings(Section):
    """Where the data are and how their files are written."""

    database: str | None = None
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
        left_out = ("database", "levels", "covariates", "fill")
        return {n: v for n, v in self.given().items() if n not in left_out}


class SplitSettings(Section):
    """Periods, by shares of the observed levels or by dates."""

    train: Annotated[float, Field(gt=0, lt=1)] = 0.6
    validation: Share = 0.2
    validation_start: Date | None = None
    test_start: Date | None = None
    test_end: Date | None = None
    gap: Annotated[int, Field(ge=0)] = 0


class ModelsSettings(Section):
    """Which models, with which seed, against which baseline."""

    use: Annotated[list[ModelName], Field(min_length=1)] = list(DEFAULT_MODELS)
    baseline: ModelName = "climatology"
    seed: Annotated[int, Field(ge=0)] = 0
    members: Positive | None = None
    workers: Positive | None = None
    leave_wells_out: Annotated[int, Field(ge=2)] | None = None


class NeuralSettings(Section):
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
    folds: Positive | None = None
    workers: Positive | None = None


class LayeredSettings(NeuralSettings):
    """Networks of layers that each have a size."""

    units: Annotated[list[Positive], Field(min_length=1)] | None = None


class LSTMSettings(LayeredSettings):
    """LSTM networks: biases of the forget gates that the members start from."""

    forget_bias: Annotated[list[float], Field(min_length=1)] | None = None


class CNNSettings(NeuralSettings):
    """Causal convolutions: number of filters, and steps of each."""

    units: Positive | None = None
    kernel_size: Annotated[int, Field(ge=2)] | None = None


class GlobalSettings(NeuralSettings):
    """Networks that all wells share."""

    attributes: list[str] | None = None
    categories: list[str] | None = None
    embedding: Annotated[int, Field(ge=0)] | None = None
    fine_tune: Annotated[int, Field(ge=0)] | None = None


class GlobalLayeredSettings(GlobalSettings, LayeredSettings):
    """Global networks of layers that each have a size."""


class GlobalLSTMSettings(GlobalSettings, LSTMSettings):
    """Global LSTM networks."""


class GlobalCNNSettings(GlobalSettings, CNNSettings):
    """Global causal convolutions."""


class LinearSettings(Section):
    """Linear regression on lagged means."""

    lookbacks: list[Positive] | None = None
    strengths: list[NotNegative] | None = None
    harmonics: Annotated[int, Field(ge=0)] | None = None
    covariates: list[str] | None = None


class TransferSettings(Section):
    """Transfer function noise model of pastas."""

    response: Literal["gamma", "exponential", "four_param"] | None = None
    noise: bool | None = None


class ClimatologySettings(Section):
    """Day-of-year climatology."""

    window: Annotated[int, Field(ge=0)] | None = None


class SeasonalNaiveSettings(Section):
    """Seasonal naive."""

    tolerance: Annotated[int, Field(ge=0)] | None = None


class AdditiveSettings(Section):
    """Additive model."""

    penalty: NotNegative | None = None
    harmonics: Annotated[int, Field(ge=0)] | None = None


class LagsSettings(Section):
    """Autoregressive distributed lags."""

    lookbacks: Annotated[list[Positive], Field(min_length=1)] | None = None
    harmonics: Annotated[int, Field(ge=0)] | None = None
    covariates: list[str] | None = None


class RegressionSettings(Section):
    """Dynamic regression: pairs of orders p and q of its errors to choose from."""

    orders: Annotated[list[list[int]], Field(min_length=1)] | None = None
    covariates: list[str] | None = None


class ComponentsSettings(Section):
    """Unobserved components."""

    harmonics: Annotated[int, Field(ge=1)] | None = None


class BacktestSettings(Section):
    """Rolling origins: when forecasts are issued, how far and on what weather."""

    models: Annotated[list[ModelName], Field(min_length=1)] = list(DEFAULT_BACKTEST)
    forcing: Literal["observed", "climatology"] = "observed"
    horizon: Positive | None = None
    stride: Positive | None = None
    start: Date | None = None
    end: Date | None = None
    refit_every: Positive | None = None
    sliding: bool = False
    threshold: Annotated[Any, BeforeValidator(_to_heights)] = None
    folder: FilePath = Path("backtest")


class ScheduleSettings(Section):
    """Scheduled forecasts: by which models, how far, on what weather, and where they are kept."""

    models: Annotated[list[ModelName], Field(min_length=1)] = list(DEFAULT_SCHEDULE)
    horizon: Positive | None = None
    forcing: Literal["climatology", "observed"] = "climatology"
    weather_forecast: FilePath | None = None
    bundles: FilePath = Path("models")
    archive: FilePath = Path("archive")
    level_age: NotNegative = 45.0
    weather_age: NotNegative = 45.0
    failed_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    group: Positive = 50
    sql: str | None = None


SHARD = 50  # wells, by default


class ClusterSettings(Section):
    """A network of wells in shards, and the workers of Dask that they are handed to."""

    dask: Annotated[str, Field(pattern=r"^(local|(tcp|tls|ws|wss)://.+)$")] | None = None
    shard: Positive | None = None
    workers: Positive | None = None
    retries: Annotated[int, Field(ge=0)] = 2
    timeout: Annotated[float, Field(gt=0)] = 30.0

    @property
    def asked(self) -> bool:
        """Whether the work is to be done in shards."""
        return self.dask is not None or self.shard is not None

    @property
    def size(self) -> int:
        """Wells in a shard."""
        return self.shard or SHARD


class OutputSettings(Section):
    """Where the results go, and of how many wells figures are drawn."""

    folder: FilePath = Path("results")
    figures: Annotated[int, Field(ge=0)] = 12


class TuneSettings(Section):
    """A search for the settings of one model."""

    model: ModelName = "lstm"
    trials: Positive = 30
    metric: str = "nse"
    timeout: Annotated[float, Field(gt=0)] | None = None
    folder: FilePath = Path("tuning")
    space: dict[str, list[Any]] | None = None
