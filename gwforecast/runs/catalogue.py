"""The only list of models: one line for each, from its name to its class.

Everything else about a model comes from its class: whether it is a neural network (``neural``),
whether one fit serves all wells (``pooled``), its settings and what a hyperparameter search tries.
To add a model, write its file and add its line to :data:`MODELS`.
"""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

    from gwforecast.models.base import Forecaster

__all__ = [
    "BLEND", "DEFAULT_BACKTEST", "DEFAULT_MODELS", "DEFAULT_OF_SHARDS", "DEFAULT_SCHEDULE",
    "MODELS", "blended_among", "is_neural", "is_pooled", "make_forecasters", "model_class",
    "neural_among", "settings_of", "suited", "with_blend",
]  # fmt: skip


logger = logging.getLogger(__name__)

MODELS: dict[str, str] = {
    "lstm": "gwforecast.networks.lstm:LSTM",
    "mlp": "gwforecast.networks.mlp:MLP",
    "gru": "gwforecast.networks.gru:GRU",
    "cnn": "gwforecast.networks.cnn:CNN",
    "pretrained_lstm": "gwforecast.networks.pretrained:PretrainedLSTM",
    "global_lstm": "gwforecast.networks.lstm:GlobalLSTM",
    "global_mlp": "gwforecast.networks.mlp:GlobalMLP",
    "global_gru": "gwforecast.networks.gru:GlobalGRU",
    "global_cnn": "gwforecast.networks.cnn:GlobalCNN",
    "linear": "gwforecast.models.linear:Linear",
    "kernel_ridge": "gwforecast.models.kernel_ridge:KernelRidge",
    "additive": "gwforecast.models.additive:Additive",
    "ardl": "gwforecast.models.ardl:ARDL",
    "arma_regression": "gwforecast.models.state_space:ARMARegression",
    "ets": "gwforecast.models.state_space:ETS",
    "unobserved_components": "gwforecast.models.state_space:UnobservedComponents",
    "pastas": "gwforecast.models.pastas:Pastas",
    "climatology": "gwforecast.models.naive:Climatology",
    "seasonal_naive": "gwforecast.models.naive:SeasonalNaive",
    "persistence": "gwforecast.models.naive:Persistence",
    "drift": "gwforecast.models.naive:RandomWalkDrift",
}
"""Module and class by name. A module is imported when its model is first used."""

DEFAULT_MODELS = (
    "lstm", "mlp", "kernel_ridge", "pastas", "pretrained_lstm", "global_lstm",
    "linear", "climatology", "seasonal_naive", "persistence", "drift",
)  # fmt: skip
"""Models of an evaluation, where none are named."""

DEFAULT_OF_SHARDS = tuple(
    name for name in DEFAULT_MODELS if name not in ("global_lstm", "pretrained_lstm")
)
"""The same in shards: without models that need all wells, or are chosen by all their records."""

DEFAULT_BACKTEST = (
    "lstm", "mlp", "kernel_ridge", "linear", "additive", "arma_regression", "ets",
    "unobserved_components", "climatology", "seasonal_naive", "persistence",
)  # fmt: skip
"""Models of a backtest, where none are named."""

DEFAULT_SCHEDULE = ("lstm", "mlp", "kernel_ridge")
"""Models of scheduled forecasts, where none are named."""

BLEND = "blend"
"""Name of the mean of several models, weighted by well."""


def model_class(name: str) -> type[Forecaster]:
    """Return the class of a model.

    Raises ValueError if the name is unknown.

    Examples
    --------
    >>> model_class("climatology").name
    'climatology'
    """
    if name not in MODELS:
        raise ValueError(
            f"A model must be one of {', '.join(MODELS)}, or a forecaster. Received {name!r}. "
            "Correct the name."
        )
    module, _, cls = MODELS[name].partition(":")
    found: type[Forecaster] = getattr(importlib.import_module(module), cls)
    return found


def is_neural(name: str) -> bool:
    """Return whether a name is that of a neural network of the catalogue."""
    return name in MODELS and model_class(name).neural


def is_pooled(name: str) -> bool:
    """Return whether a name is that of a model which one fit serves for all wells."""
    return name in MODELS and model_class(name).pooled


def neural_among(names: Iterable[str]) -> list[str]:
    """Return the names that are neural networks, in the order of the catalogue.

    Examples
    --------
    >>> neural_among(["linear", "blend"])
    []
    """
    given = set(names)
    return [name for name in MODELS if name in given and is_neural(name)]


def blended_among(names: Iterable[str]) -> list[str]:
    """Return the names of models that are blended, in the order of the catalogue.

    Examples
    --------
    >>> blended_among(["linear", "kernel_ridge", "lstm"])
    ['lstm', 'kernel_ridge']
    """
    given = set(names)
    return [name for name in MODELS if name in given and model_class(name).blended]


def with_blend(names: Iterable[str]) -> list[str]:
    """Return names with the blend added where several of the models are blended.

    Examples
    --------
    >>> with_blend(["lstm", "mlp"]), with_blend(["linear"])
    (['lstm', 'mlp', 'blend'], ['linear'])
    """
    names = list(names)
    return [*names, BLEND] if len(blended_among(names)) > 1 else names


def settings_of(name: str) -> Mapping[str, inspect.Parameter]:
    """Return the settings of a model by name: the arguments of its class, without its name.

    Examples
    --------
    >>> list(settings_of("climatology"))
    ['window']
    """
    arguments = inspect.signature(model_class(name)).parameters
    return {setting: one for setting, one in arguments.items() if setting != "name"}


def suited(
    models: Sequence[str | Forecaster], observations: xr.Dataset
) -> Sequence[str | Forecaster]:
    """Return the models without those that do not suit the data, if they are the default ones.

    What is left out is logged. Models that somebody has named are kept; they fail with the reason.
    """
    if isinstance(models, str) or tuple(models) not in (
        DEFAULT_MODELS, DEFAULT_OF_SHARDS, DEFAULT_BACKTEST, DEFAULT_SCHEDULE
    ):  # fmt: skip
        return models
    reasons = {str(name): model_class(str(name)).unsuited(observations) for name in models}
    for name, reason in reasons.items():
        if reason:
            logger.info("The default model %r is left out: %s.", name, reason)
    return [name for name, reason in reasons.items() if not reason]


def make_forecasters(
    models: Sequence[str | Forecaster],
    *,
    settings: Mapping[str, Mapping[str, object]],
    shared: Mapping[str, object],
    leave_wells_out: int | None = None,
) -> dict[str, Forecaster]:
    """Return the forecasters of a run by name, not fitted; the user's own are used as they are.

    A single name stands for a list of one.

    Settings in ``shared``, e.g. ``seed``, apply to each named model which has a setting of this
    name, unless ``settings`` gives it; None means the model's default. With ``leave_wells_out``
    groups of wells, each group is predicted by a global model that was not trained on it.

    Raises ValueError if a name is unknown or given twice, or settings are for a model that is not
    run; TypeError if the model has no such setting.
    """
    made: dict[str, Forecaster] = {}
    for model in [models] if isinstance(models, str) else models:
        if isinstance(model, str):
            forecaster = _make(model, dict(settings.get(model, {})), shared)
        else:
            forecaster = model
        name = model if isinstance(model, str) else model.name
        if name in made:
            raise ValueError(
                f"Each model needs a name of its own. Received {name!r} twice. Leave one out, or "
                "give a forecaster another 'name'."
            )
        if leave_wells_out and forecaster.pooled:
            from gwforecast.calibration.cross_validation import LeaveWellsOut  # loads xarray

            forecaster = LeaveWellsOut(forecaster, folds=leave_wells_out)
        made[name] = forecaster
    if not made:
        raise ValueError(
            f"A run needs at least one model. Received none. Known are {', '.join(MODELS)}."
        )
    unknown = [name for name, given in settings.items() if given and name not in made]
    if unknown:
        raise ValueError(
            f"Settings must be for models that are run: {', '.join(made)}. Received settings for "
            f"{unknown[0]!r}. Add it to the models, or remove its settings."
        )
    return made


def _make(name: str, given: dict[str, object], shared: Mapping[str, object]) -> Forecaster:
    cls, known = model_class(name), settings_of(name)
    for setting in given:
        if setting not in known:
            raise TypeError(
                f"The settings of {name!r} are {', '.join(known) or 'none'}. Received "
                f"{setting!r}. Correct or remove it."
            )
    for setting, value in shared.items():
        if setting in known and value is not None:
            given.setdefault(setting, value)
    return cls(**given)
