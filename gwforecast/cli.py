"""The command line: ``gwforecast evaluate | check | tune | demo``."""

from __future__ import annotations

import gc
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gwforecast import __version__

if TYPE_CHECKING:
    import pandas as pd

    from gwforecast.models.base import Progress as Told
    from gwforecast.ops.run import Evaluation

__all__ = ["app", "main"]

app: typer.Typer = typer.Typer(
    help="Model groundwater levels: LSTM and MLP networks beside honest baselines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
screen = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)
errors = Console(highlight=False, markup=False, stderr=True)
_WANTED = {"traceback": False}

Config = Annotated[Path | None, typer.Argument(help="TOML file; options go before its settings.")]
Levels = Annotated[Path | None, typer.Option(help="File of levels, or folder with one per well.")]
Covariates = Annotated[Path | None, typer.Option(help="File or folder of the weather.")]
Attributes = Annotated[Path | None, typer.Option(help="File of static attributes of the wells.")]
Well = Annotated[list[str] | None, typer.Option(help="Only this well; may be repeated.")]
DayFirst = Annotated[
    bool | None,
    typer.Option("--day-first/--month-first", help="Order in dates like 03/04/2020."),
]
Datum = Annotated[str | None, typer.Option(help="Vertical datum of the levels, e.g. NAP.")]
Height = Annotated[
    list[str] | None,
    typer.Option(
        help="Height that a depth to water is measured from, m above the datum; of one well among "
        "several MW-7=27.1, repeated."
    ),
]
Fill = Annotated[
    list[str] | None,
    typer.Option(help="Fill gaps: by_kind, or temperature=interpolate; may be repeated."),
]
Out = Annotated[Path | None, typer.Option(help="Folder of the results; 'results' by default.")]
Models = Annotated[str | None, typer.Option(help="Models by name, with commas: lstm,mlp,linear.")]
Members = Annotated[int | None, typer.Option(min=1, help="Networks in each ensemble.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of all that is random.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Networks trained at once.")]
Dask = Annotated[
    str | None, typer.Option(help="Workers: 'local', or a scheduler's address tcp://...")
]
Size = Annotated[int | None, typer.Option("--shard", min=1, help="Wells in a shard.")]
LeaveOut = Annotated[
    int | None, typer.Option(min=2, help="Groups of wells that global models leave out in turn.")
]
Shares = Annotated[
    str | None, typer.Option("--split", help="Shares of train and validation: 0.6,0.2.")
]
Start = Annotated[str | None, typer.Option(help="First day of the period, e.g. 2012-01-01.")]
Gap = Annotated[int | None, typer.Option(min=0, help="Steps left out between the periods.")]
Figures = Annotated[int | None, typer.Option(min=0, help="Number of wells that are drawn.")]


_SETTINGS = {
    "levels": ("data", "levels"),
    "covariates": ("data", "covariates"),
    "attributes": ("data", "attributes"),
    "well": ("data", "wells"),
    "day_first": ("data", "day_first"),
    "datum": ("data", "datum"),
    "reference_level": ("data", "reference_level"),
    "fill": ("data", "fill"),
    "validation_start": ("split", "validation_start"),
    "test_start": ("split", "test_start"),
    "gap": ("split", "gap"),
    "models": ("models", "use"),
    "members": ("models", "members"),
    "seed": ("models", "seed"),
    "workers": ("models", "workers"),
    "leave_wells_out": ("models", "leave_wells_out"),
    "dask": ("cluster", "dask"),
    "shard": ("cluster", "shard"),
    "out": ("output", "folder"),
    "figures": ("output", "figures"),
}
"""Table and setting of the configuration that each option goes before."""

COLUMNS = {
    "nse": "NSE",
    "nse_reference": "NSE before",
    "kge_anomaly": "KGE",
    "rmse": "RMSE",
    "mae": "MAE",
    "bias": "bias",
    "coverage_95": "cover 95",
    "skill_rmse": "skill",
}
"""Metrics of the printed table and the heads of their columns."""


def _print_version(wanted: bool) -> None:
    if wanted:
        screen.print(f"gwforecast {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
]


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    show_traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the code an error arose.")
    ] = False,
) -> None:
    _WANTED["traceback"] = show_traceback


@app.command()
def evaluate(
    context: typer.Context,
    config: Config = None,
    levels: Levels = None,
    covariates: Covariates = None,
    attributes: Attributes = None,
    well: Well = None,
    day_first: DayFirst = None,
    datum: Datum = None,
    reference_level: Height = None,
    fill: Fill = None,
    shares: Shares = None,
    validation_start: Start = None,
    test_start: Start = None,
    gap: Gap = None,
    models: Models = None,
    members: Members = None,
    seed: Seed = None,
    workers: Workers = None,
    leave_wells_out: LeaveOut = None,
    dask: Dask = None,
    shard: Size = None,
    out: Out = None,
    figures: Figures = None,
) -> None:
    """Fit the models on past levels, predict later ones from the weather, and score them.

    Ends with 0 if all went well, 1 if a model or well failed, 2 if data or settings are unusable.
    """
    from gwforecast.ops import config as settings_file
    from gwforecast.ops import jobs
    from gwforecast.ops.forecasters import import_models

    settings = settings_file.load_settings(config, overrides=_overrides(context.params))
    if settings.cluster.dask is None:  # else only workers import the models
        import_models(settings.models.use)
    with _progress() as told:
        evaluation = jobs.evaluate(settings, progress=told)
    _print_evaluation(evaluation, settings.output.folder)


def _overrides(given: Mapping[str, Any]) -> dict[str, dict[str, object]]:
    """Return the options that were given as settings by table and name."""
    tables: dict[str, dict[str, object]] = {}
    for option, value in given.items():
        if option in _SETTINGS and value not in (None, [], ()):
            table, name = _SETTINGS[option]
            several = isinstance(value, list | tuple)
            tables.setdefault(table, {})[name] = list(value) if several else value
    if isinstance(given.get("models"), str):
        tables["models"]["use"] = [name.strip() for name in given["models"].split(",")]
    if given.get("fill"):
        tables["data"]["fill"] = _rules(list(given["fill"]))
    if given.get("reference_level"):
        tables["data"]["reference_level"] = _heights(list(given["reference_level"]))
    if given.get("shares"):
        tables.setdefault("split", {}).update(_shares(given["shares"]))
    return tables


@app.command()
def check(
    context: typer.Context,
    config: Config = None,
    levels: Levels = None,
    covariates: Covariates = None,
    attributes: Attributes = None,
    well: Well = None,
    day_first: DayFirst = None,
    datum: Datum = None,
    reference_level: Height = None,
) -> None:
    """Print what is doubtful in the data; nothing is changed or written.

    Ends with 0 if nothing is wrong, 1 if there is a finding of severity error, 2 if the data cannot
    be read.
    """
    from gwforecast.ops import config as settings_file
    from gwforecast.ops import jobs

    settings = settings_file.load_settings(config, overrides=_overrides(context.params))
    findings = jobs.check(settings)
    doubts = findings[findings["severity"] != "ok"]
    _print_table("Findings", doubts.drop(columns=["value"]))
    screen.print(f"{len(doubts)} findings; nothing was changed.")
    raise typer.Exit(1 if (doubts["severity"] == "error").any() else 0)


@app.command()
def demo(out: Out = None, members: Members = None, seed: Seed = None) -> None:
    """Evaluate all models on a well of the embedded data set, which is synthetic."""
    from gwforecast.ops import jobs
    from gwforecast.ops.forecasters import import_models

    folder = Path("demo-results") if out is None else out
    screen.print("The data are synthetic: a seeded physical model whose truth is known.")
    import_models(jobs.DEFAULT_MODELS)
    with _progress() as told:
        evaluation = jobs.demo(folder, members=members, seed=seed or 0, progress=told)
    _print_evaluation(evaluation, folder)


def _print_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Print scores, definitions, failures and paths; end with 1 if there are failures."""
    from gwforecast.verification.scores import DEFINITIONS, summary

    for period in ("validation", "test"):
        table = summary(evaluation.scores, period=period, metrics=COLUMNS)
        wells = evaluation.scores["well"].nunique()
        title = f"{period} period, " + (f"median of {wells} wells" if wells > 1 else "1 well")
        _print_table(title, table.rename(columns=COLUMNS).reset_index())
    for metric, column in COLUMNS.items():
        screen.print(_clean(f"  {column:<11} {DEFINITIONS[metric]}"))
    choice = evaluation.choice
    if len(choice) > 1:
        counts = ", ".join(f"{m} {n}" for m, n in choice["model"].value_counts(sort=False).items())
        screen.print(_clean(f"\nBest by the RMSE of the validation period, wells: {counts}"))
    figures = [str(path) for name, path in evaluation.paths.items() if name.endswith(".png")]
    screen.print("\n".join(["", *map(_clean, figures)]), soft_wrap=True)
    screen.print(_clean(f"Scores, predictions and the record of the run: {folder}"), soft_wrap=True)
    failed = evaluation.outcomes[evaluation.outcomes["status"] == "failed"]
    if len(failed):
        names = failed["well"].groupby(failed["model"], sort=False).agg(", ".join)
        _print_table("Failed; the reasons are in run.json", names.reset_index())
        raise typer.Exit(1)


def _print_table(title: str, table: pd.DataFrame) -> None:
    drawn = Table(title=_clean(title), title_justify="left", box=None, pad_edge=False)
    for column in table.columns:
        numeric = table[column].dtype.kind in "if"
        drawn.add_column(
            _clean(str(column)),
            justify="right" if numeric else "left",
            no_wrap=column != table.columns[-1],
        )
    for row in table.itertuples(index=False):
        drawn.add_row(*(Text(_cell(value)) for value in row))
    screen.print(drawn)
    screen.print()


def _cell(value: Any) -> str:
    if value is None or value != value:  # NaN and NaT differ from themselves
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    return _clean(str(value))


def _heights(items: list[str]) -> object:
    """Return one height, or heights by well; the name of a well may hold an equals sign."""
    try:
        if len(items) == 1 and "=" not in items[0]:
            return float(items[0])
        pairs = [item.rsplit("=", 1) for item in items]
        return {well: float(height) for well, height in pairs}
    except ValueError:
        raise ValueError(
            "--reference-level takes a height in m, or wells and heights. Received "
            f"{' '.join(items)!r}. Write for example --reference-level MW-7=27.1."
        ) from None


def _rules(items: list[str]) -> object:
    if items == ["by_kind"]:
        return "by_kind"
    pairs = [item.partition("=") for item in items]
    for item, (name, _, rule) in zip(items, pairs, strict=True):
        if not (name and rule):
            raise ValueError(
                f"--fill takes by_kind, or a covariate or kind and its rule with = between. "
                f"Received {item!r}. Write for example --fill temperature=interpolate."
            )
    return {name.strip(): rule.strip() for name, _, rule in pairs}


def _shares(text: str) -> dict[str, object]:
    try:
        train, validation = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--split takes the shares of the train and the validation period. Received {text!r}. "
            "Write for example --split 0.6,0.2; the rest is the test period."
        ) from None
    return {"train": train, "validation": validation}


@contextmanager
def _progress() -> Iterator[Told | None]:
    """Give a progress that draws bars on standard error; None where that is no terminal."""
    if not errors.is_terminal:
        yield None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=errors, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def told(task: str, done: int, total: int) -> None:
            if task not in tasks:
                tasks[task] = bars.add_task(_clean(task), total=total)
            bars.update(tasks[task], completed=done, total=total)

        yield told


def _clean(text: str) -> str:
    """Return text with control characters made visible, as names and files may hold any."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    errors.print(Text(f"warning: {_clean(str(message))}", style="yellow"), soft_wrap=True)


def _end_with(error: BaseException, code: int) -> int:
    if _WANTED["traceback"]:
        traceback.print_exception(error)
    errors.print(Text(f"error: {_clean(str(error))}", style="bold red"), soft_wrap=True)
    return code


from gwforecast import (  # noqa: E402 - their commands go to the app
    cli_backtest,  # noqa: F401
    cli_bulletin,  # noqa: F401
    cli_datasets,  # noqa: F401
    cli_schedule,  # noqa: F401
    cli_tune,  # noqa: F401
    cli_verify,  # noqa: F401
)


def main() -> None:
    """Run the command line; a user's error is one message, and ends with 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MPLBACKEND", "agg")
    warnings.showwarning = _show_warning
    try:
        app()
    except (ValueError, TypeError, OSError, ImportError) as error:
        sys.exit(_end_with(error, 2))
    except RuntimeError as error:
        sys.exit(_end_with(error, 1))
    finally:
        gc.freeze()  # the process ends; looking for garbage would take a fifth of a forecast
