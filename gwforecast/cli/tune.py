"""The command ``gwforecast tune``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import options
from gwforecast.cli.console import clean, print_table, progress_bars, screen

if TYPE_CHECKING:
    from gwforecast.runs.results.tuning import Tuning

__all__ = ["tune"]


SHOWN = 10  # trials that are printed
SEARCH = "Hyperparameter search"

Model = Annotated[str | None, options.option("tune.model", panel=SEARCH)]
Trials = Annotated[int | None, options.option("tune.trials", panel=SEARCH, min=1)]
Metric = Annotated[str | None, options.option("tune.metric", panel=SEARCH)]
Timeout = Annotated[float | None, options.option("tune.timeout", panel=SEARCH)]
Folder = Annotated[Path | None, options.option("tune.folder", "--out", panel=options.RESULTS)]


def tune(
    context: typer.Context,
    config: options.Config = None,
    levels: options.Levels = None,
    covariates: options.Covariates = None,
    attributes: options.Attributes = None,
    well: options.Well = None,
    day_first: options.DayFirst = None,
    datum: options.Datum = None,
    reference_level: options.ReferenceLevel = None,
    fill: options.Fill = None,
    shares: options.Shares = None,
    validation_start: options.ValidationStart = None,
    test_start: options.TestStart = None,
    gap: options.Gap = None,
    model: Model = None,
    trials: Trials = None,
    metric: Metric = None,
    timeout: Timeout = None,
    members: options.Members = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    without_weather: options.WithoutWeather = None,
    out: Folder = None,
) -> None:
    """Search for the hyperparameters of a model that score best in the validation period.

    The levels of the test period are not used. Interrupted searches resume with the same command.

    Example: gwforecast tune run.toml --model lstm --trials 30

    The exit code is 0 if all went well, 1 if no trial could be completed, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast import jobs

    settings = options.load(context)
    with progress_bars() as progress:
        tuning = jobs.tune(settings, progress=progress)
    _print_tuning(tuning)


def _print_tuning(tuning: Tuning) -> None:
    """Print the best trials, the best settings, and what to run next."""
    from gwforecast.runs.results.tuning import ranked
    from gwforecast.verification.metrics import METRICS

    counts = tuning.trials["state"].value_counts()
    states = ", ".join(f"{n} {state}" for state, n in counts.items())
    table = ranked(tuning).head(SHOWN).drop(columns=["reason"])
    for name in table.columns.drop(["number", "state", "value", "seconds"]):
        table[name] = [f"{v:.4g}" if isinstance(v, float) else v for v in table[name]]
    label = METRICS[tuning.metric].label
    print_table(
        f"{tuning.model}: best of {len(tuning.trials)} trials ({states}), {tuning.n} levels of the "
        "validation period, by which the settings are chosen",
        table.rename(columns={"value": label}),
    )
    failed = tuning.trials[tuning.trials["state"] == "failed"]
    if len(failed):
        first = clean(str(failed["reason"].iloc[0]))
        screen.print(f"{len(failed)} failed, the first: {first}\n", soft_wrap=True)
    screen.print(f"Best settings, {label} {tuning.value:.3f}:")
    for name, value in tuning.best.items():
        screen.print(clean(f"  {name} = {value}"), soft_wrap=True)
    path = clean(str(tuning.paths["best.toml"]))
    following = f"gwforecast evaluate {shlex.quote(path)}"
    screen.print(f"\n{path}\nNext, evaluate them in the test period: {following}", soft_wrap=True)
