"""The command ``gwforecast tune``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import options
from gwforecast.cli.console import clean, print_table, progress_bars, screen

if TYPE_CHECKING:
    from gwforecast.runs.tune import Tuning

__all__ = ["tune"]


SHOWN = 10
_SETTINGS = {
    "model": "model",
    "trials": "trials",
    "metric": "metric",
    "timeout": "timeout",
    "out": "folder",
}
"""Setting in the table ``tune`` that each option goes before."""

Model = Annotated[str | None, typer.Option(help="Model by name; 'lstm' by default.")]
Trials = Annotated[int | None, typer.Option(min=1, help="Trials in all; 30 by default.")]
Metric = Annotated[str | None, typer.Option(help="Metric by name; 'nse' by default.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds after which no trial is started.")]
Folder = Annotated[Path | None, typer.Option(help="Folder of the search; 'tuning' by default.")]


def tune(
    context: typer.Context,
    config: options.Config = None,
    levels: options.Levels = None,
    covariates: options.Covariates = None,
    attributes: options.Attributes = None,
    well: options.Well = None,
    day_first: options.DayFirst = None,
    datum: options.Datum = None,
    reference_level: options.Height = None,
    fill: options.Fill = None,
    shares: options.Shares = None,
    validation_start: options.Start = None,
    test_start: options.Start = None,
    gap: options.Gap = None,
    model: Model = None,
    trials: Trials = None,
    metric: Metric = None,
    timeout: Timeout = None,
    members: options.Members = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    out: Folder = None,
) -> None:
    """Search the settings of a model that score best in the validation period.

    The test period is not looked at. The same command goes on with a search that was broken off.
    Ends with 0, with 1 if no trial could be completed, with 2 if data or settings are unusable.
    """
    from gwforecast import jobs
    from gwforecast.config import load as settings_file
    from gwforecast.runs.catalogue import import_tensorflow

    given = dict(context.params)
    wanted = {name: given.pop(option) for option, name in _SETTINGS.items()}
    overrides = options.overrides(given)
    overrides["tune"] = {name: value for name, value in wanted.items() if value is not None}
    settings = settings_file.load_settings(config, overrides=overrides)
    import_tensorflow([settings.tune.model])
    with progress_bars() as progress:
        tuning = jobs.tune(settings, progress=progress)
    _print_tuning(tuning)


def _print_tuning(tuning: Tuning) -> None:
    """Print the best trials, the best settings, and what to run next."""
    from gwforecast.runs.tune import ranked
    from gwforecast.verification.metrics import METRICS

    counts = tuning.trials["state"].value_counts()
    states = ", ".join(f"{n} {state}" for state, n in counts.items())
    table = ranked(tuning).head(SHOWN).drop(columns=["reason"])
    for name in table.columns.drop(["number", "state", "value", "seconds"]):
        table[name] = [f"{v:.4g}" if isinstance(v, float) else v for v in table[name]]
    label = METRICS[tuning.metric].label
    print_table(
        f"{tuning.model}: best of {len(tuning.trials)} trials ({states}), validation period",
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
    screen.print(f"\n{path}\nNow judge them: {following}", soft_wrap=True)
