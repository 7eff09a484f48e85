"""The command ``gwforecast tune``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast import cli

if TYPE_CHECKING:
    from gwforecast.ops.tune import Tuning

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


@cli.app.command()
def tune(
    context: typer.Context,
    config: cli.Config = None,
    levels: cli.Levels = None,
    covariates: cli.Covariates = None,
    attributes: cli.Attributes = None,
    well: cli.Well = None,
    day_first: cli.DayFirst = None,
    datum: cli.Datum = None,
    reference_level: cli.Height = None,
    fill: cli.Fill = None,
    shares: cli.Shares = None,
    validation_start: cli.Start = None,
    test_start: cli.Start = None,
    gap: cli.Gap = None,
    model: Model = None,
    trials: Trials = None,
    metric: Metric = None,
    timeout: Timeout = None,
    members: cli.Members = None,
    seed: cli.Seed = None,
    workers: cli.Workers = None,
    out: Folder = None,
) -> None:
    """Search the settings of a model that score best in the validation period.

    The test period is not looked at. The same command goes on with a search that was broken off.
    Ends with 0, with 1 if no trial could be completed, with 2 if data or settings are unusable.
    """
    from gwforecast.ops import config as settings_file
    from gwforecast.ops import jobs
    from gwforecast.ops.forecasters import import_models

    given = dict(context.params)
    wanted = {name: given.pop(option) for option, name in _SETTINGS.items()}
    overrides = cli._overrides(given)
    overrides["tune"] = {name: value for name, value in wanted.items() if value is not None}
    settings = settings_file.load_settings(config, overrides=overrides)
    import_models([settings.tune.model])
    with cli._progress() as told:
        tuning = jobs.tune(settings, progress=told)
    _print_tuning(tuning)


def _print_tuning(tuning: Tuning) -> None:
    """Print the best trials, the best settings, and what to run next."""
    from gwforecast.ops.tune import ranked
    from gwforecast.verification.metrics import METRICS

    counts = tuning.trials["state"].value_counts()
    states = ", ".join(f"{n} {state}" for state, n in counts.items())
    table = ranked(tuning).head(SHOWN).drop(columns=["reason"])
    for name in table.columns.drop(["number", "state", "value", "seconds"]):
        table[name] = [f"{v:.4g}" if isinstance(v, float) else v for v in table[name]]
    label = METRICS[tuning.metric].label
    cli._print_table(
        f"{tuning.model}: best of {len(tuning.trials)} trials ({states}), validation period",
        table.rename(columns={"value": label}),
    )
    failed = tuning.trials[tuning.trials["state"] == "failed"]
    if len(failed):
        first = cli._clean(str(failed["reason"].iloc[0]))
        cli.screen.print(f"{len(failed)} failed, the first: {first}\n", soft_wrap=True)
    cli.screen.print(f"Best settings, {label} {tuning.value:.3f}:")
    for name, value in tuning.best.items():
        cli.screen.print(cli._clean(f"  {name} = {value}"), soft_wrap=True)
    path = cli._clean(str(tuning.paths["best.toml"]))
    following = f"gwforecast evaluate {shlex.quote(path)}"
    cli.screen.print(f"\n{path}\nNow judge them: {following}", soft_wrap=True)
