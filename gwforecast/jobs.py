"""From settings to a run, here or in shards: the only place that chooses.

What a run needs is imported when it starts, so that a scheduled forecast starts quickly.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gwforecast import schema
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.runs.inputs import (
    backtest_arguments,
    evaluation_arguments,
    fitting_arguments,
    model_arguments,
    prepare,
    read_data,
    tables_of_search,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from gwforecast.questions.files import Answer
    from gwforecast.questions.projections import Projected
    from gwforecast.questions.whatif import WhatIf
    from gwforecast.runs.results import Backtest, Evaluation, Tuning
    from gwforecast.service.schedule import Products

__all__ = [
    "answer", "backtest", "check", "demo", "evaluate", "sharded_products", "trainer", "tune",
    "what_if", "write_configuration",
]  # fmt: skip


Given = TypeVar("Given", bound="Answer")
Answered = tuple[Given, dict[str, Path]]
"""An answer, and the files that were written, by name."""

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

    observations, split = prepare(read_data(settings.data), settings)
    return whole.evaluate(
        observations,
        split=split,
        **evaluation_arguments(settings),
        out=settings.output.folder,
        figures=settings.output.figures,
        inputs=settings.data.files(),
        progress=progress,
    )


def backtest(settings: Settings, *, progress: Progress | None = None) -> Backtest:
    """Backtest models as the settings describe: read, split, fill, issue hindcasts and write."""
    if settings.cluster.asked:
        from gwforecast.shards import evaluate as shards

        return shards.backtest(settings, progress=progress)
    from gwforecast.runs import backtest as rolling

    wanted = settings.backtest
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
        inputs=settings.data.files(),
        progress=progress,
    )


def tune(settings: Settings, *, progress: Progress | None = None) -> Tuning:
    """Search for the hyperparameters of a model as the settings describe.

    Settings given for the model itself are not searched. ``best.toml`` also contains the data and
    the periods, so it can be evaluated as it is.
    """
    from gwforecast.runs import tune as search

    wanted = settings.tune
    observations, split = prepare(read_data(settings.data), settings)
    return search.tune(
        observations,
        model=wanted.model,
        space=wanted.space,
        settings=settings.of_model(wanted.model),
        **fitting_arguments(settings),
        split=split,
        trials=wanted.trials,
        metric=wanted.metric,
        timeout=wanted.timeout,
        out=wanted.folder,
        tables=tables_of_search(settings),
        inputs=settings.data.files(),
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


def answer(
    settings: Settings,
    ask: Callable[..., Given],
    *,
    folder: Path,
    progress: Progress | None = None,
    **more: Any,
) -> Answered[Given]:
    """Answer a question by a function such as :func:`gwforecast.fill`, and write its files."""
    observations, _ = prepare(read_data(settings.data), settings)
    return _written(settings, ask, observations, folder=folder, progress=progress, **more)


def what_if(
    settings: Settings, *, folder: Path, progress: Progress | None = None
) -> Answered[WhatIf] | Answered[Projected]:
    """Compare a scenario with the reference, or climate projections with their own past.

    Covariates are changed as they are read, and others derived from them afterwards.
    """
    from gwforecast.questions import projections, whatif

    chosen, read = settings.questions, read_data(settings.data)
    observations, _ = prepare(read, settings)
    written = partial(_written, settings, folder=folder, progress=progress)
    if chosen.projections:
        return written(
            projections.project,
            observations,
            projections=projections.read_projections(chosen.projections, observations),
            reference=projections.years_of(chosen.reference),
            periods=[projections.years_of(one) for one in chosen.periods],
        )
    scenario, _ = prepare(whatif.apply_changes(read, chosen.changes), settings)
    scenario = scenario.sel({schema.WELL: observations[schema.WELL].values})
    return written(whatif.whatif, observations, changes=scenario, name=chosen.name)


def _written(
    settings: Settings,
    ask: Callable[..., Given],
    observations: xr.Dataset,
    *,
    folder: Path,
    progress: Progress | None,
    **more: Any,
) -> Answered[Given]:
    """Ask a question by the models of the settings, or else its own, and write the answer."""
    usual = inspect.signature(ask).parameters["models"].default
    models = list(settings.models.use if "use" in settings.models.given() else usual)
    given = ask(
        observations,
        **more,
        **model_arguments(settings, models),
        blocks=settings.questions.blocks,
        progress=progress,
    )
    return given, given.write(folder, figures=settings.output.figures, progress=progress)


def trainer(settings: Settings) -> Callable[..., pd.DataFrame]:
    """Return the function that trains the models of scheduled forecasts, here or in shards.

    Its arguments are those of :func:`gwforecast.service.schedule.train`.
    """
    if settings.cluster.asked:
        from gwforecast.shards.schedule import train as train_in_shards

        return train_in_shards
    from gwforecast.service.schedule import train

    return train


def sharded_products(settings: Settings, *, wait: float, now: pd.Timestamp) -> Products | None:
    """Return forecasts that are made in shards, None if the settings do not ask for shards."""
    if not settings.cluster.asked:
        return None
    from gwforecast.service.schedule import Products
    from gwforecast.shards import schedule as shards

    return Products(
        partial(shards.make_product, settings, wait=wait, now=now),
        partial(shards.first_inputs, settings),
    )
