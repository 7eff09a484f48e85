"""Whole jobs from settings: files in, results out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gwforecast import schema
from gwforecast.config.load import Settings
from gwforecast.data.readers import read_levels
from gwforecast.data.samples import DEFAULT_SAMPLE, load_sample, sample_path
from gwforecast.progress import Progress
from gwforecast.quality.checks import COLUMNS
from gwforecast.runs import backtest as rolling
from gwforecast.runs import check as data_checks
from gwforecast.runs import evaluate as whole
from gwforecast.runs import tune as search
from gwforecast.runs.catalogue import DEFAULT_MODELS
from gwforecast.runs.inputs import (
    backtest_arguments,
    evaluation_arguments,
    files_of,
    prepare,
    read_data,
)
from gwforecast.runs.results import Backtest, Evaluation
from gwforecast.runs.tune import Tuning
from gwforecast.schema import SchemaError

__all__ = ["DEFAULT_MODELS", "backtest", "check", "demo", "evaluate", "tune"]


_RAW = ("well", "level_column", "day_first", "decimal", "delimiter")
DEMO_WELLS = ("fen",)
DEMO_SETTINGS: Mapping[str, Mapping[str, object]] = {
    "lstm": {"members": 3, "epochs": 150},
    "mlp": {"members": 3},
}


def evaluate(settings: Settings, *, progress: Progress | None = None) -> Evaluation:
    """Read, split, fill, evaluate and write, as the settings say.

    Parameters
    ----------
    settings : Settings
        Those of a configuration.
    progress : Progress, optional
        Told of models, members and wells.

    Returns
    -------
    Evaluation
        As of :func:`gwforecast.runs.evaluate.evaluate`.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    SchemaError
        If the data do not have their form.
    """
    if settings.cluster.asked:
        from gwforecast.shards import (
            evaluate as shards_evaluate,  # it conducts this module, shard by shard
        )

        return shards_evaluate.evaluate(settings, progress=progress)
    data = settings.data
    observations, split = prepare(read_data(settings.data), settings)
    return whole.evaluate(
        observations,
        split=split,
        **evaluation_arguments(settings),
        out=settings.output.folder,
        figures=settings.output.figures,
        inputs=files_of(data),
        progress=progress,
    )


def backtest(settings: Settings, *, progress: Progress | None = None) -> Backtest:
    """Read, split, fill, issue forecasts at many past moments and write, as the settings say.

    Parameters
    ----------
    settings : Settings
        Those of a configuration.
    progress : Progress, optional
        Told of models, members and wells.

    Returns
    -------
    Backtest
        As of :func:`gwforecast.runs.backtest.backtest`.
    """
    if settings.cluster.asked:
        from gwforecast.shards import backtest  # it conducts this module, shard by shard

        return backtest.backtest(settings, progress=progress)
    data, wanted = settings.data, settings.backtest
    observations, split = prepare(read_data(settings.data), settings)
    return rolling.backtest(
        observations,
        split=split,
        **backtest_arguments(settings),
        horizon=wanted.horizon,
        stride=wanted.stride,
        start=wanted.start,
        end=wanted.end,
        out=wanted.folder,
        figures=settings.output.figures,
        inputs=files_of(data),
        progress=progress,
    )


def tune(settings: Settings, *, progress: Progress | None = None) -> Tuning:
    """Read, split, fill and search the settings of a model, as the settings say.

    What is set for the model itself is fixed. ``best.toml`` holds data and periods as well, so
    that an evaluation takes it as it is.

    Parameters
    ----------
    settings : Settings
        Those of a configuration.
    progress : Progress, optional
        Told of trials, and of members and wells within them.

    Returns
    -------
    Tuning
        As of :func:`gwforecast.runs.tune.tune`.
    """
    wanted, chosen = settings.tune, settings.models
    observations, split = prepare(read_data(settings.data), settings)
    return search.tune(
        observations,
        model=wanted.model,
        space=wanted.space,
        settings=settings.of_model(wanted.model),
        split=split,
        trials=wanted.trials,
        metric=wanted.metric,
        timeout=wanted.timeout,
        seed=chosen.seed,
        members=chosen.members,
        workers=chosen.workers,
        out=wanted.folder,
        tables=_tables(settings),
        progress=progress,
    )


def check(settings: Settings) -> pd.DataFrame:
    """Return what is doubtful in the data that the settings name.

    What :func:`evaluate` would refuse is a finding here; the data are then read as leniently as
    can be, so that the other checks run as well.

    Parameters
    ----------
    settings : Settings
        Those of a configuration; only the data are used.

    Returns
    -------
    pandas.DataFrame
        Columns of ``gwforecast.quality.checks.COLUMNS``.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    SchemaError
        If a file cannot be read as data at all.
    """
    data = settings.data
    given = data.reading()
    naming = {n: v for n, v in given.items() if n in _RAW}
    raw = {} if data.database else read_levels(data.levels, **naming)
    wanted = set(raw) if data.wells is None else set(data.wells)
    tables = [
        data_checks.check_levels(series.rename(w)) for w, series in raw.items() if w in wanted
    ]
    try:
        observations = read_data(data)
    except SchemaError as refusal:
        lenient: dict[str, Any] = {"sort": True, "duplicates": "first", "at_step": "nearest"}
        lenient |= given
        lenient["missing_values"] = [*data.missing_values, *schema.COMMON_MISSING_CODES]
        observations = read_data(data, **lenient)
        tables.insert(0, _refused(refusal))
    tables.append(data_checks.check(observations))
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def demo(
    folder: Path, *, members: int | None = None, seed: int = 0, progress: Progress | None = None
) -> Evaluation:
    """Evaluate all models on a well of the embedded, synthetic data set.

    The networks are fewer and shorter trained than by default, so that it takes a minute or two.

    Parameters
    ----------
    folder : pathlib.Path
        Where the results go.
    members : int, optional
        Networks in each ensemble.
    seed : int
        Seed of all that is random.
    progress : Progress, optional
        Told of models, members and wells.
    """
    observations = load_sample(DEFAULT_SAMPLE).sel({schema.WELL: list(DEMO_WELLS)})
    settings = {
        name: {**given, **({"members": members} if members else {})}
        for name, given in DEMO_SETTINGS.items()
    }
    return whole.evaluate(
        observations,
        models=DEFAULT_MODELS,
        settings=settings,
        seed=seed,
        out=folder,
        inputs=[sample_path(DEFAULT_SAMPLE)],
        progress=progress,
    )


def _tables(settings: Settings) -> dict[str, Mapping[str, object]]:
    """Return what was set of data and periods, with paths as seen from the folder of a search."""
    folder = settings.tune.folder.resolve()
    data = settings.data.given()
    if settings.data.database is not None:
        from gwforecast.data.database import (
            without_password,  # SQLAlchemy is loaded where it is used
        )

        data["database"] = without_password(settings.data.database)
    for name in ("levels", "covariates", "attributes"):
        if settings.data.database is None and data.get(name) is not None:
            data[name] = Path(os.path.relpath(data[name].resolve(), folder))
    use = list(dict.fromkeys([settings.tune.model, settings.models.baseline]))
    models = {"use": use, "baseline": settings.models.baseline, "seed": settings.models.seed}
    split, output = settings.split.given(), {"folder": "evaluation"}
    tables = {"data": data, "split": split, "models": models, "output": output}
    return {name: table for name, table in tables.items() if table}


def _refused(error: SchemaError) -> pd.DataFrame:
    row = {"well": "", "variable": "", "check": "form", "severity": "error", "n": 1}
    empty = {"first": pd.NaT, "last": pd.NaT, "value": np.nan}
    return pd.DataFrame([row | empty | {"message": str(error)}], columns=COLUMNS)
