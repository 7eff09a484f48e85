"""Names of models and the forecasters that they stand for."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Iterable, Mapping, Sequence

from gwforecast.models.base import Forecaster
from gwforecast.models.leave_wells_out import LeaveWellsOut

__all__ = [
    "BLEND",
    "DEFAULT_MODELS",
    "FORECASTERS",
    "NETWORKS",
    "POOLED",
    "import_models",
    "make_forecasters",
]


FORECASTERS: dict[str, tuple[str, str]] = {
    "lstm": ("gwforecast.networks.local", "LSTM"),
    "mlp": ("gwforecast.networks.local", "MLP"),
    "gru": ("gwforecast.networks.local", "GRU"),
    "cnn": ("gwforecast.networks.local", "CNN"),
    "global_lstm": ("gwforecast.networks.shared_kinds", "GlobalLSTM"),
    "global_mlp": ("gwforecast.networks.shared_kinds", "GlobalMLP"),
    "global_gru": ("gwforecast.networks.shared_kinds", "GlobalGRU"),
    "global_cnn": ("gwforecast.networks.shared_kinds", "GlobalCNN"),
    "linear": ("gwforecast.models.linear", "Linear"),
    "additive": ("gwforecast.models.additive", "Additive"),
    "ardl": ("gwforecast.models.ardl", "ARDL"),
    "arma_regression": ("gwforecast.models.state_space", "ARMARegression"),
    "ets": ("gwforecast.models.state_space", "ETS"),
    "unobserved_components": ("gwforecast.models.state_space", "UnobservedComponents"),
    "pastas": ("gwforecast.models.pastas", "Pastas"),
    "climatology": ("gwforecast.models.naive", "Climatology"),
    "seasonal_naive": ("gwforecast.models.naive", "SeasonalNaive"),
    "persistence": ("gwforecast.models.naive", "Persistence"),
    "drift": ("gwforecast.models.naive", "RandomWalkDrift"),
}
"""Module and class by name; a module is imported when its model is made, so that baselines alone
do not wait for TensorFlow."""

NETWORKS = (
    "lstm", "mlp", "gru", "cnn", "global_lstm", "global_mlp", "global_gru", "global_cnn",
)  # fmt: skip
"""Models of which a blend is made where two or more of them are run."""

POOLED = tuple(name for name in NETWORKS if name.startswith("global_"))
"""Models of which one fit serves all wells."""

BLEND = "blend"

DEFAULT_MODELS = (
    "lstm",
    "mlp",
    "linear",
    "climatology",
    "seasonal_naive",
    "persistence",
    "drift",
)


def make_forecasters(
    models: Sequence[str | Forecaster],
    *,
    settings: Mapping[str, Mapping[str, object]],
    shared: Mapping[str, object],
    leave_wells_out: int | None = None,
) -> dict[str, Forecaster]:
    """Make the forecasters of a run.

    Parameters
    ----------
    models : sequence of str or Forecaster
        Names, or forecasters of the user's own, which are taken as they are.
    settings : mapping
        Settings by model and name.
    shared : mapping
        Settings by name for each named model that has a setting of this name and is not given it in
        ``settings``, e.g. ``seed``; None means the model's default.
    leave_wells_out : int, optional
        Number of groups of wells that global models are judged at without training there.

    Returns
    -------
    dict of str to Forecaster
        Not fitted, by name, in the order of ``models``.

    Raises
    ------
    ValueError
        If a name is unknown or given twice, or settings are for a model that is not run.
    TypeError
        If a setting is none of the model's.
    """
    made: dict[str, Forecaster] = {}
    for model in models:
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
            forecaster = LeaveWellsOut(forecaster, folds=leave_wells_out)
        made[name] = forecaster
    if not made:
        raise ValueError(
            f"A run needs at least one model. Received none. Known are {', '.join(FORECASTERS)}."
        )
    unknown = [name for name in settings if name not in made]
    if unknown:
        raise ValueError(
            f"Settings must be for models that are run: {', '.join(made)}. Received settings for "
            f"{unknown[0]!r}. Add it to the models, or remove its settings."
        )
    return made


def import_models(models: Iterable[str]) -> None:
    """Import models, without what TensorFlow's libraries log on standard error meanwhile.

    They do so before any of their settings is read, so the descriptor itself is turned away.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        for model in models:
            importlib.import_module(FORECASTERS[model][0])
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _make(name: str, given: dict[str, object], shared: Mapping[str, object]) -> Forecaster:
    if name not in FORECASTERS:
        raise ValueError(
            f"A model must be one of {', '.join(FORECASTERS)}, or a forecaster. Received {name!r}. "
            "Correct the name."
        )
    module, cls = FORECASTERS[name]
    factory: type[Forecaster] = getattr(importlib.import_module(module), cls)
    known = inspect.signature(factory).parameters
    for setting in given:
        if setting not in known:
            raise TypeError(
                f"The settings of {name!r} are {', '.join(known) or 'none'}. Received "
                f"{setting!r}. Correct or remove it."
            )
    for setting, value in shared.items():
        if setting in known and value is not None:
            given.setdefault(setting, value)
    return factory(**given)
