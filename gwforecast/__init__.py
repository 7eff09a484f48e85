"""Groundwater level forecasting: networks and honest baselines on xarray Datasets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gwforecast import plots as plots
    from gwforecast.calibration.forecaster import Calibrated as Calibrated
    from gwforecast.calibration.forecaster import Corrected as Corrected
    from gwforecast.calibration.intervals import ConformalInterval as ConformalInterval
    from gwforecast.data.assemble import level_from_depth as level_from_depth
    from gwforecast.data.assemble import observations_from_frames as observations_from_frames
    from gwforecast.data.covariates import derive_features as derive_features
    from gwforecast.data.covariates import fill_covariates as fill_covariates
    from gwforecast.data.covariates import require_covariates as require_covariates
    from gwforecast.data.readers import read_observations as read_observations
    from gwforecast.data.samples import load_sample as load_sample
    from gwforecast.data.samples import load_truth as load_truth
    from gwforecast.forcings.base import Forcing as Forcing
    from gwforecast.forcings.base import ObservedWeather as ObservedWeather
    from gwforecast.forcings.climatology import ClimatologyWeather as ClimatologyWeather
    from gwforecast.forcings.scenario import Scenario as Scenario
    from gwforecast.forcings.weather_forecast import WeatherForecast as WeatherForecast
    from gwforecast.models.additive import Additive as Additive
    from gwforecast.models.ardl import ARDL as ARDL
    from gwforecast.models.base import Forecaster as Forecaster
    from gwforecast.models.leave_wells_out import LeaveWellsOut as LeaveWellsOut
    from gwforecast.models.linear import Linear as Linear
    from gwforecast.models.naive import Climatology as Climatology
    from gwforecast.models.naive import Persistence as Persistence
    from gwforecast.models.naive import RandomWalkDrift as RandomWalkDrift
    from gwforecast.models.naive import SeasonalNaive as SeasonalNaive
    from gwforecast.models.pastas import Pastas as Pastas
    from gwforecast.models.state_space import ETS as ETS
    from gwforecast.models.state_space import ARMARegression as ARMARegression
    from gwforecast.models.state_space import UnobservedComponents as UnobservedComponents
    from gwforecast.networks.classes import NormalClassifier as NormalClassifier
    from gwforecast.networks.local import CNN as CNN
    from gwforecast.networks.local import GRU as GRU
    from gwforecast.networks.local import LSTM as LSTM
    from gwforecast.networks.local import MLP as MLP
    from gwforecast.networks.shared_kinds import GlobalCNN as GlobalCNN
    from gwforecast.networks.shared_kinds import GlobalGRU as GlobalGRU
    from gwforecast.networks.shared_kinds import GlobalLSTM as GlobalLSTM
    from gwforecast.networks.shared_kinds import GlobalMLP as GlobalMLP
    from gwforecast.runs.backtest import backtest as backtest
    from gwforecast.runs.evaluate import check as check
    from gwforecast.runs.evaluate import evaluate as evaluate
    from gwforecast.runs.forecast import fit_calibrated as fit_calibrated
    from gwforecast.runs.forecast import forecast as forecast
    from gwforecast.runs.results import Backtest as Backtest
    from gwforecast.runs.results import Evaluation as Evaluation
    from gwforecast.runs.tune import Tuning as Tuning
    from gwforecast.runs.tune import tune as tune
    from gwforecast.schema import SchemaError as SchemaError
    from gwforecast.schema import validate_observations as validate_observations
    from gwforecast.sequences.attributes import AttributeEncoder as AttributeEncoder
    from gwforecast.sequences.audit import audit as audit
    from gwforecast.sequences.audit import audit_forecaster as audit_forecaster
    from gwforecast.sequences.scale import Scaler as Scaler
    from gwforecast.sequences.split import Split as Split
    from gwforecast.sequences.split import random_split as random_split
    from gwforecast.sequences.split import split_by_date as split_by_date
    from gwforecast.sequences.split import split_by_fraction as split_by_fraction
    from gwforecast.verification import metrics as metrics
    from gwforecast.verification.distribution import crossing_table as crossing_table
    from gwforecast.verification.lead_scoring import lead_scores as lead_scores
    from gwforecast.verification.scoring import score_table as score_table
    from gwforecast.verification.scoring import summary as summary
    from gwforecast.verification.status import Status as Status

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "ARDL": "gwforecast.models.ardl",
    "ARMARegression": "gwforecast.models.state_space",
    "Additive": "gwforecast.models.additive",
    "AttributeEncoder": "gwforecast.sequences.attributes",
    "Backtest": "gwforecast.runs.results",
    "CNN": "gwforecast.networks.local",
    "Calibrated": "gwforecast.calibration.forecaster",
    "Climatology": "gwforecast.models.naive",
    "ClimatologyWeather": "gwforecast.forcings.climatology",
    "ConformalInterval": "gwforecast.calibration.intervals",
    "Corrected": "gwforecast.calibration.forecaster",
    "ETS": "gwforecast.models.state_space",
    "Evaluation": "gwforecast.runs.results",
    "Forcing": "gwforecast.forcings.base",
    "Forecaster": "gwforecast.models.base",
    "GRU": "gwforecast.networks.local",
    "GlobalCNN": "gwforecast.networks.shared_kinds",
    "GlobalGRU": "gwforecast.networks.shared_kinds",
    "GlobalLSTM": "gwforecast.networks.shared_kinds",
    "GlobalMLP": "gwforecast.networks.shared_kinds",
    "LSTM": "gwforecast.networks.local",
    "LeaveWellsOut": "gwforecast.models.leave_wells_out",
    "Linear": "gwforecast.models.linear",
    "MLP": "gwforecast.networks.local",
    "NormalClassifier": "gwforecast.networks.classes",
    "ObservedWeather": "gwforecast.forcings.base",
    "Pastas": "gwforecast.models.pastas",
    "Persistence": "gwforecast.models.naive",
    "RandomWalkDrift": "gwforecast.models.naive",
    "Scaler": "gwforecast.sequences.scale",
    "Scenario": "gwforecast.forcings.scenario",
    "SchemaError": "gwforecast.schema",
    "SeasonalNaive": "gwforecast.models.naive",
    "Split": "gwforecast.sequences.split",
    "Status": "gwforecast.verification.status",
    "Tuning": "gwforecast.runs.tune",
    "UnobservedComponents": "gwforecast.models.state_space",
    "WeatherForecast": "gwforecast.forcings.weather_forecast",
    "audit": "gwforecast.sequences.audit",
    "audit_forecaster": "gwforecast.sequences.audit",
    "backtest": "gwforecast.runs.backtest",
    "check": "gwforecast.runs.evaluate",
    "crossing_table": "gwforecast.verification.distribution",
    "derive_features": "gwforecast.data.covariates",
    "evaluate": "gwforecast.runs.evaluate",
    "fill_covariates": "gwforecast.data.covariates",
    "fit_calibrated": "gwforecast.runs.forecast",
    "forecast": "gwforecast.runs.forecast",
    "lead_scores": "gwforecast.verification.lead_scoring",
    "level_from_depth": "gwforecast.data.assemble",
    "load_sample": "gwforecast.data.samples",
    "load_truth": "gwforecast.data.samples",
    "observations_from_frames": "gwforecast.data.assemble",
    "random_split": "gwforecast.sequences.split",
    "read_observations": "gwforecast.data.readers",
    "require_covariates": "gwforecast.data.covariates",
    "score_table": "gwforecast.verification.scoring",
    "split_by_date": "gwforecast.sequences.split",
    "split_by_fraction": "gwforecast.sequences.split",
    "summary": "gwforecast.verification.scoring",
    "tune": "gwforecast.runs.tune",
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
