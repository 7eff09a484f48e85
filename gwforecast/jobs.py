"""From settings to a run, here or in shards: the only place that chooses.

What a run needs is imported when it starts, so that a scheduled forecast starts quickly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gwforecast import schema
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.runs.inputs import (
    backtest_arguments,
    evaluation_arguments,
    files_of,
    prepare,
    read_data,
    tables_of_search,
)

if TYPE_CHECKING:
    import pandas as pd

    from gwforecast.runs.results import Backtest, Evaluation
    from gwforecast.runs.results.tuning import Tuning
    from gwforecast.service.schedule import Issued, Products

__all__ = [
    "backfill", "backtest", "check", "demo", "evaluate", "forecast", "train", "tune",
    "write_configuration",
]  # fmt: skip


DEMO_WELLS = ("fen",)
DEMO_SETTINGS: Mapping[str, Mapping[str, object]] = {
    "lstm": {"members": 3, "epochs": 150},
    "mlp": {"members": 3},
}


def evaluate(settings: Settings, *, progress: Progress | None = None) -> Evaluation:
    """Evaluate models as the settings describe: read, split, fill, evaluate and write."""
    if settings.cluster.asked:
        from gwforecast.shards import evaluate as shards  # loaded only where it is used

        return shards.evaluate(settings, progress=progress)
    from gwforecast.runs import evaluate as whole

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
    """Backtest models as the settings describe: read, split, fill, issue hindcasts and write."""
    if settings.cluster.asked:
        from gwforecast.shards import backtest as shards

        return shards.backtest(settings, progress=progress)
    from gwforecast.runs import backtest as rolling

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
    """Search for the hyperparameters of a model as the settings describe.

    Settings given for the model itself are not searched. ``best.toml`` also contains the data and
    the periods, so it can be evaluated as it is.
    """
    from gwforecast.runs import tune as search

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
        without_weather=chosen.without_weather,
        out=wanted.folder,
        tables=tables_of_search(settings),
        inputs=files_of(settings.data),
        progress=progress,
    )


def check(settings: Settings) -> pd.DataFrame:
    """Return the findings of the checks of the data; only the table ``data`` is used."""
    from gwforecast.runs.check import check_data

    return check_data(settings.data)


def write_configuration(settings: Settings, file: Path) -> str:
    """Write the table ``data`` to a new file, with what was understood of the data as comments.

    The text of what was understood is returned.
    """
    from gwforecast.runs.check import write_template

    return write_template(settings.data, file)


def demo(
    folder: Path, *, members: int | None = None, seed: int = 0, progress: Progress | None = None
) -> Evaluation:
    """Evaluate the default models on a well of the embedded, synthetic data set.

    It has fewer networks with shorter training than by default, and takes a minute or two.
    """
    from gwforecast.data.samples import DEFAULT_SAMPLE, load_sample, sample_path
    from gwforecast.runs import evaluate as whole
    from gwforecast.runs.catalogue import DEFAULT_MODELS

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


def train(
    settings: Settings,
    *,
    through: object = None,
    replace: bool = False,
    update: bool = False,
    now: pd.Timestamp,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Train the models of scheduled forecasts as the settings describe.

    The arguments are those of :func:`gwforecast.service.schedule.train`.
    """
    from gwforecast.service import schedule

    if not settings.cluster.asked:
        return schedule.train(
            settings, through=through, replace=replace, update=update, now=now, progress=progress
        )
    from gwforecast.service.champions import Champions
    from gwforecast.shards import schedule as shards

    return shards.train(
        settings,
        Champions(settings.schedule.bundles),
        through=through,
        replace=replace,
        update=update,
        now=now,
        progress=progress,
    )


def forecast(
    settings: Settings,
    *,
    issue_time: object = None,
    force: bool = False,
    dry: bool = False,
    wait: float = 0.0,
    now: pd.Timestamp,
) -> Issued:
    """Forecast as the settings describe, and publish the forecast to the archive.

    The arguments are those of :func:`gwforecast.service.schedule.forecast`.
    """
    from gwforecast.service import schedule

    return schedule.forecast(
        settings,
        issue_time=issue_time,
        force=force,
        dry=dry,
        wait=wait,
        now=now,
        products=_sharded_products(settings, wait=wait, now=now),
    )


def backfill(
    settings: Settings,
    *,
    start: object,
    end: object,
    stride: int = 1,
    force: bool = False,
    wait: float = 0.0,
    now: pd.Timestamp,
    progress: Progress | None = None,
) -> Iterator[Issued]:
    """Yield forecasts of the issue times that the archive does not have.

    The arguments are those of :func:`gwforecast.service.schedule.backfill`.
    """
    from gwforecast.service import schedule

    return schedule.backfill(
        settings,
        start=start,
        end=end,
        stride=stride,
        force=force,
        wait=wait,
        now=now,
        products=_sharded_products(settings, wait=wait, now=now),
        progress=progress,
    )


def _sharded_products(settings: Settings, *, wait: float, now: pd.Timestamp) -> Products | None:
    """Return forecasts that are made in shards, None if the settings do not ask for shards."""
    if not settings.cluster.asked:
        return None
    from gwforecast.service.schedule import Products
    from gwforecast.shards import schedule as shards

    return Products(
        partial(shards.make_product, settings, wait=wait, now=now),
        partial(shards.first_inputs, settings),
    )
