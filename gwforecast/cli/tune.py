"""The command ``gwforecast tune``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gwforecast.cli.console import clean, print_table, progress_bars, screen
from gwforecast.cli.options import FITTING, INPUTS, READING, RESULTS, SPLIT, load, option, takes

if TYPE_CHECKING:
    from gwforecast.runs.results.tuning import Tuning

__all__ = ["tune"]


SHOWN = 10  # trials that are printed
SEARCH = "Hyperparameter search"

TUNE = {
    "model": option("tune.model", panel=SEARCH),
    "trials": option("tune.trials", int, panel=SEARCH),
    "metric": option("tune.metric", panel=SEARCH),
    "timeout": option("tune.timeout", float, panel=SEARCH),
    "out": option("tune.folder", Path, panel=RESULTS, flag="--out"),
}
"""Options that only this command has, or that stand for another setting than elsewhere."""


@takes("config", *INPUTS, "fill", *SPLIT, *FITTING, *READING, **TUNE)
def tune(context: typer.Context) -> None:
    """Search for the hyperparameters of a model that score best in the validation period.

    The levels of the test period are not used. Interrupted searches resume with the same command.

    Example: gwforecast tune run.toml --model lstm --trials 30

    The exit code is 0 if all went well, 1 if no trial could be completed, and 2 if the data or
    settings cannot be used.
    """
    from gwforecast import jobs

    settings = load(context)
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
