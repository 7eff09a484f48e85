"""Groundwater level forecasting: networks and honest baselines on xarray Datasets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gwforecast import plots as plots
    from gwforecast.data.assemble import observations_from_frames as observations_from_frames
    from gwforecast.data.climatology import ClimatologyWeather as ClimatologyWeather
    from gwforecast.data.depth import level_from_depth as level_from_depth
    from gwforecast.data.features import derive_features as derive_features
    from gwforecast.data.fill import fill_covariates as fill_covariates
    from gwforecast.data.fill import require_covariates as require_covariates
    from gwforecast.data.forcing import Forcing as Forcing
    from gwforecast.data.forcing import ObservedWeather as ObservedWeather
    from gwforecast.data.readers import read_observations as read_observations
    from gwforecast.data.samples import load_sample as load_sample
    from gwforecast.data.samples import load_truth as load_truth
    from gwforecast.data.scenarios import Scenario as Scenario
    from gwforecast.data.weather_forecasts import WeatherForecast as WeatherForecast
    from gwforecast.models.additive import AdditiveModel as AdditiveModel
    from gwforecast.models.base import Forecaster as Forecaster
    from gwforecast.models.calibrated import Calibrated as Calibrated
    from gwforecast.models.classes import NormalClassifier as NormalClassifier
    from gwforecast.models.corrected import Corrected as Corrected
    from gwforecast.models.global_networks import GlobalCNN as GlobalCNN
    from gwforecast.models.global_networks import GlobalGRU as GlobalGRU
    from gwforecast.models.global_networks import GlobalLSTM as GlobalLSTM
    from gwforecast.models.global_networks import GlobalMLP as GlobalMLP
    from gwforecast.models.intervals import ConformalInterval as ConformalInterval
    from gwforecast.models.left_out import LeaveWellsOut as LeaveWellsOut
    from gwforecast.models.naive import DayOfYearClimatology as DayOfYearClimatology
    from gwforecast.models.naive import Drift as Drift
    from gwforecast.models.naive import Persistence as Persistence
    from gwforecast.models.naive import SeasonalNaive as SeasonalNaive
    from gwforecast.models.neural import CNN as CNN
    from gwforecast.models.neural import GRU as GRU
    from gwforecast.models.neural import LSTM as LSTM
    from gwforecast.models.neural import MLP as MLP
    from gwforecast.models.state_space import DynamicRegression as DynamicRegression
    from gwforecast.models.state_space import ExponentialSmoothing as ExponentialSmoothing
    from gwforecast.models.state_space import UnobservedComponents as UnobservedComponents
    from gwforecast.models.statistical import LinearLagged as LinearLagged
    from gwforecast.models.transfer import TransferFunction as TransferFunction
    from gwforecast.ops.backtest import Backtest as Backtest
    from gwforecast.ops.backtest import backtest as backtest
    from gwforecast.ops.forecast import fit_calibrated as fit_calibrated
    from gwforecast.ops.forecast import forecast as forecast
    from gwforecast.ops.run import Evaluation as Evaluation
    from gwforecast.ops.run import check as check
    from gwforecast.ops.run import evaluate as evaluate
    from gwforecast.ops.tune import Tuning as Tuning
    from gwforecast.ops.tune import tune as tune
    from gwforecast.schema import SchemaError as SchemaError
    from gwforecast.schema import validate_observations as validate_observations
    from gwforecast.sequences.attributes import AttributeEncoder as AttributeEncoder
    from gwforecast.sequences.audit import audit as audit
    from gwforecast.sequences.audit import audit_forecaster as audit_forecaster
    from gwforecast.sequences.scale import Scaler as Scaler
    from gwforecast.sequences.split import Split as Split
    from gwforecast.sequences.split import split_by_date as split_by_date
    from gwforecast.sequences.split import split_by_fraction as split_by_fraction
    from gwforecast.sequences.tabular import random_split as random_split
    from gwforecast.verification import metrics as metrics
    from gwforecast.verification.forecasts import lead_scores as lead_scores
    from gwforecast.verification.scores import score_table as score_table
    from gwforecast.verification.scores import summary as summary
    from gwforecast.verification.status import Status as Status
    from gwforecast.verification.thresholds import crossing_table as crossing_table

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "AdditiveModel": "gwforecast.models.additive",
    "AttributeEncoder": "gwforecast.sequences.attributes",
    "Backtest": "gwforecast.ops.backtest",
    "CNN": "gwforecast.models.neural",
    "Calibrated": "gwforecast.models.calibrated",
    "ClimatologyWeather": "gwforecast.data.climatology",
    "ConformalInterval": "gwforecast.models.intervals",
    "Corrected": "gwforecast.models.corrected",
    "DayOfYearClimatology": "gwforecast.models.naive",
    "Drift": "gwforecast.models.naive",
    "DynamicRegression": "gwforecast.models.state_space",
    "Evaluation": "gwforecast.ops.run",
    "ExponentialSmoothing": "gwforecast.models.state_space",
    "Forcing": "gwforecast.data.forcing",
    "Forecaster": "gwforecast.models.base",
    "GRU": "gwforecast.models.neural",
    "GlobalCNN": "gwforecast.models.global_networks",
    "GlobalGRU": "gwforecast.models.global_networks",
    "GlobalLSTM": "gwforecast.models.global_networks",
    "GlobalMLP": "gwforecast.models.global_networks",
    "LSTM": "gwforecast.models.neural",
    "LeaveWellsOut": "gwforecast.models.left_out",
    "LinearLagged": "gwforecast.models.statistical",
    "MLP": "gwforecast.models.neural",
    "NormalClassifier": "gwforecast.models.classes",
    "ObservedWeather": "gwforecast.data.forcing",
    "Persistence": "gwforecast.models.naive",
    "Scaler": "gwforecast.sequences.scale",
    "Scenario": "gwforecast.data.scenarios",
    "SchemaError": "gwforecast.schema",
    "SeasonalNaive": "gwforecast.models.naive",
    "Split": "gwforecast.sequences.split",
    "Status": "gwforecast.verification.status",
    "Tuning": "gwforecast.ops.tune",
    "TransferFunction": "gwforecast.models.transfer",
    "UnobservedComponents": "gwforecast.models.state_space",
    "WeatherForecast": "gwforecast.data.weather_forecasts",
    "audit": "gwforecast.sequences.audit",
    "audit_forecaster": "gwforecast.sequences.audit",
    "backtest": "gwforecast.ops.backtest",
    "check": "gwforecast.ops.run",
    "crossing_table": "gwforecast.verification.thresholds",
    "derive_features": "gwforecast.data.features",
    "evaluate": "gwforecast.ops.run",
    "fill_covariates": "gwforecast.data.fill",
    "fit_calibrated": "gwforecast.ops.forecast",
    "forecast": "gwforecast.ops.forecast",
    "lead_scores": "gwforecast.verification.forecasts",
    "level_from_depth": "gwforecast.data.depth",
    "load_sample": "gwforecast.data.samples",
    "load_truth": "gwforecast.data.samples",
    "observations_from_frames": "gwforecast.data.assemble",
    "random_split": "gwforecast.sequences.tabular",
    "read_observations": "gwforecast.data.readers",
    "require_covariates": "gwforecast.data.fill",
    "score_table": "gwforecast.verification.scores",
    "split_by_date": "gwforecast.sequences.split",
    "split_by_fraction": "gwforecast.sequences.split",
    "summary": "gwforecast.verification.scores",
    "tune": "gwforecast.ops.tune",
    "validate_observations": "gwforecast.schema",
}
"""Public names and the modules that hold them; a module is loaded when its name is first used."""

_MODULES = {"metrics": "gwforecast.verification.metrics", "plots": "gwforecast.plots"}

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'gwforecast' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
