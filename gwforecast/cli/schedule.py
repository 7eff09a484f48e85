"""The commands of scheduled runs: train, forecast, backfill and status."""

from __future__ import annotations

import gc
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gwforecast.cli import options
from gwforecast.cli.console import (
    clean,
    errors,
    event,
    exit_with,
    in_words,
    print_findings,
    print_table,
    progress_bars,
    refuse_errors,
    say_in_one_line,
    screen,
)

if TYPE_CHECKING:
    import pandas as pd

    from gwforecast.config.load import Settings
    from gwforecast.service.monitor import Health, LastRun
    from gwforecast.service.schedule import Issued

__all__ = [
    "CODES", "IssueTime", "Wait", "backfill", "duration", "forecast", "scheduled", "status",
    "train",
]  # fmt: skip


CODES = """Exit codes: 0 if all went well; 1 if models were trained on data with errors; 2 if
options or settings are wrong; 3 if another run uses the archive or the models; 4 if inputs are
missing or too old for all wells; 5 if the share of wells without a forecast by a model exceeds the
setting 'failed_share'; 6 if nothing was published, or not to the database; 7 if the archive or the
models are damaged; 70 for an internal error of gwforecast."""
SHOWN = 20  # wells that are listed
_DURATION = re.compile(r"\d+(\.\d+)? ?(min|h|d|days?)")  # as in config.tables, which loads pydantic
PARQUET = (".parquet", ".pq")  # as in data.text.delimited, which loads pandas

IssueTime = Annotated[
    str | None,
    typer.Option(
        help="Last time step whose level is known; by default the last complete one, UTC."
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Add a revision if the archive has another forecast.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Compute the forecast, but do not publish it.")
]
Wait = Annotated[
    float,
    typer.Option(min=0, help="Seconds to wait for another run to end.", callback=options.finite),
]
TRAINING = "Training"
Through = Annotated[
    str | None, typer.Option(help="Last time step to train on.", rich_help_panel=TRAINING)
]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="Make new models champions without a comparison.",
        rich_help_panel=TRAINING,
    ),
]
Update = Annotated[
    bool,
    typer.Option(
        "--update",
        help="Continue the training of the champions with new levels, which is faster than fitting "
        "new models. Without a comparison together with --replace.",
        rich_help_panel=TRAINING,
    ),
]
StepBack = Annotated[
    bool,
    typer.Option(
        "--step-back",
        help="Return to the previous champions; nothing is trained.",
        rich_help_panel=TRAINING,
    ),
]
Stride = Annotated[int, typer.Option(min=1, help="Steps from one issue time to the next.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Prometheus = Annotated[
    bool, typer.Option("--prometheus", help="Print the text format of Prometheus.")
]
MaxAge = Annotated[
    str | None,
    typer.Option(help="Report a problem if the last issue time is older, e.g. 48h or 8d."),
]


@contextmanager
def codes() -> Iterator[None]:
    """Turn errors into exit codes."""
    try:
        yield
    except (typer.Exit, KeyboardInterrupt):
        raise
    except Exception as error:
        raise typer.Exit(exit_with(error, code_of(error))) from None


def code_of(error: Exception) -> int:
    """Return the exit code of an error."""
    from gwforecast.models.bundle import BundleError
    from gwforecast.schema import SchemaError
    from gwforecast.service.archive import ArchiveBusyError, ArchiveError
    from gwforecast.service.champions import ChampionsBusyError

    kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], int], ...] = (
        ((ArchiveBusyError, ChampionsBusyError), 3),
        ((ArchiveError, BundleError), 7),
        ((SchemaError, FileNotFoundError), 4),
        (OSError, 6),
        ((ValueError, TypeError, ImportError), 2),
        (Exception, 70),
    )
    return next(code for kind, code in kinds if isinstance(error, kind))


def _start_light(context: typer.Context) -> None:
    """Keep libraries that the run does not use from being imported.

    Where dask and pyarrow are installed, xarray and pandas import them, used or not: a third of the
    time and of the memory of a forecast of one well. Plugins of pydantic are not looked for. A
    process that has imported xarray or pandas already is left as it is. The file is read here
    without checks, as checking the settings of models imports xarray.
    """
    if {"pandas", "xarray"} & sys.modules.keys():
        return
    gc.set_threshold(1_000_000, 20, 100)  # imported objects are not garbage
    path = Path(context.params["config"])
    try:
        tables = tomllib.loads(path.read_text("utf-8-sig"))
        cluster = dict(tables.get("cluster", {}))
        parquet = _reads_parquet(dict(tables["data"]), path.parent)
    except (OSError, ValueError, KeyError, TypeError):  # reported when the settings are checked
        return
    if any(given.get(name) for given in (context.params, cluster) for name in ("dask", "shard")):
        return
    sys.modules.setdefault("dask", None)  # type: ignore[arg-type] # as if it were not installed
    if not parquet:
        sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type]
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _reads_parquet(data: Mapping[str, object], folder: Path) -> bool:
    given = [data.get(name) for name in ("levels", "covariates", "attributes")]
    paths = [folder / path for path in given if isinstance(path, str)]
    files = [file for path in paths for file in (path.iterdir() if path.is_dir() else [path])]
    return any(file.suffix.lower() in PARQUET for file in files)


def scheduled(
    *names: str,
    before: Callable[[typer.Context], None] | None = None,
    all_tables: bool = True,
    **own: Any,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator as :func:`options.takes`, with a file of settings and exit codes."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def coded(*settings: Any, **given: Any) -> None:
            with codes():
                command(*settings, **given)

        own["config"] = options.FILE
        return options.takes(*names, before=before, all_tables=all_tables, **own)(coded)

    return decorate


@scheduled("well", "without_weather", *options.CLUSTER)
def train(
    settings: Settings,
    through: Through = None,
    replace: Replace = False,
    update: Update = False,
    step_back: StepBack = False,
    allow_errors: options.AllowErrors = False,
) -> None:
    """Train models for scheduled forecasts; better models replace the current champions.

    Example: gwforecast train run.toml
    """
    from gwforecast import jobs
    from gwforecast.runs.files import now
    from gwforecast.service import schedule

    if step_back:
        if replace or update or through is not None:
            raise ValueError(
                "--step-back trains nothing. Received it together with --replace, --update or "
                "--through. Leave these out, or leave out --step-back."
            )
        names = schedule.step_back(settings)
        screen.print(f"{len(names)} wells returned to their previous champion.")
        return
    with progress_bars() as progress:
        table = jobs.trainer(settings)(
            settings, through=through, replace=replace, update=update, now=now(), progress=progress
        )
    checked = jobs.check(settings)
    say_in_one_line(str(checked.attrs.get("understood", "")))
    errors_found = print_findings(checked, least="warning")
    shown = table.drop(columns=["bundle", "reason"]).dropna(axis="columns", how="all")
    if table["reason"].astype(bool).any():
        shown = shown.assign(reason=table["reason"])  # the last column is wrapped
    print_table("Champions, the models that forecast", shown)
    screen.say(f"Models: {settings.schedule.bundles}")
    failed = (table["decision"] == "failed").mean()
    if failed:
        raise typer.Exit(6 if failed == 1 else 5)
    refuse_errors(errors_found, allowed=allow_errors)


@scheduled(*options.CLUSTER, before=_start_light)
def forecast(
    settings: Settings,
    issue_time: IssueTime = None,
    force: Force = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
) -> None:
    """Forecast all wells from what is known now, and publish the forecast to the archive.

    The same inputs give the same forecast, which is archived only once.

    Example: gwforecast forecast run.toml
    """
    from gwforecast import jobs
    from gwforecast.runs.files import now
    from gwforecast.service import schedule
    from gwforecast.service.monitor import recorded

    with recorded(settings.schedule.archive) as run, _into(run):
        run.keep = not dry_run
        moment = now()
        issued = schedule.forecast(
            settings, issue_time=issue_time, force=force, dry=dry_run, wait=wait, now=moment,
            products=jobs.sharded_products(settings, wait=wait, now=moment),
        )  # fmt: skip
        run.code, run.message = issued.code, _headline(issued)
        run.issue_time = str(issued.product["issue_time"].values[0])[:19]
    _print_issued(issued, settings)
    raise typer.Exit(issued.code)


@scheduled(before=_start_light)
def backfill(
    settings: Settings,
    start: Annotated[str, typer.Argument(help="First issue time.")],
    end: Annotated[str, typer.Argument(help="Last issue time.")],
    stride: Stride = 1,
    force: Force = False,
    wait: Wait = 0.0,
) -> None:
    """Forecast from each missed issue time, with what was known then.

    Interrupted runs resume with the same command.

    Example: gwforecast backfill run.toml 2024-01-01 2024-06-30
    """
    from gwforecast import jobs
    from gwforecast.runs.files import now
    from gwforecast.service import schedule

    ends, moment = [], now()
    with progress_bars() as progress:
        for issued in schedule.backfill(
            settings, start=start, end=end, stride=stride, force=force, wait=wait, now=moment,
            products=jobs.sharded_products(settings, wait=wait, now=moment), progress=progress,
        ):  # fmt: skip
            ends.append(issued.code)
            screen.print(_headline(issued), soft_wrap=True)
    screen.print(f"{len(ends)} issue times; the others were already in the archive.")
    raise typer.Exit(max(ends, default=0))


@scheduled(before=_start_light, all_tables=False)
def status(
    settings: Settings,
    max_age: MaxAge = None,
    as_json: AsJson = False,
    prometheus: Prometheus = False,
) -> None:
    """Report the state of the scheduled forecasts, for monitoring: ages, wells, damage.

    It takes the same time however long the archive is; gwforecast fsck reads all of it.

    Example: gwforecast status run.toml --max-age 48h
    """
    if as_json and prometheus:
        raise ValueError(
            "The status has one form. Received both --json and --prometheus. Leave one out."
        )
    from gwforecast.runs.files import now
    from gwforecast.service import monitor
    from gwforecast.writing import dump_json

    longest = None if max_age is None else duration(max_age)
    health = monitor.check_health(settings, max_age=longest, now=now())
    if as_json or prometheus:
        text = monitor.as_prometheus(health) if prometheus else dump_json(monitor.as_json(health))
        screen.print(text.rstrip("\n"), soft_wrap=True)
        raise typer.Exit(health.code)
    for problem in health.problems:
        errors.say(problem)
    if health.issue is None:
        screen.print("No forecast is in the archive.")
    else:
        _print_health(health)
    raise typer.Exit(health.code)


def _print_health(health: Health) -> None:
    from gwforecast.service.monitor import AGES

    age = _age(health.age.total_seconds() if health.age is not None else 0.0)
    screen.print(f"Last issue time {health.issue.issue_time}, {age} ago.")  # type: ignore[union-attr]
    for name, seconds in health.ages.items():
        if name != "issue":
            screen.print(f"{_age(seconds):>12} {AGES[name]}", soft_wrap=True)
    _print_wells(health.wells)


def _age(seconds: float) -> str:
    """Return an age in hours, or in days from three days on."""
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 72 else f"{hours / 24:.1f} days"


def duration(text: str) -> pd.Timedelta:
    """Return a number with a unit, such as 48h, as a duration."""
    import pandas as pd

    try:
        if not _DURATION.fullmatch(text):
            raise ValueError
        return pd.Timedelta(text.replace("d", "D") if text.endswith("d") else text)
    except ValueError:
        raise ValueError(
            f"--max-age needs a number and a unit. Received {text!r}. Use for example 48h or 8d."
        ) from None


@contextmanager
def _into(run: LastRun) -> Iterator[None]:
    """Enter the code and the message of an error into the record of a run.

    A run that found another one at work leaves the record to it.
    """
    try:
        yield
    except Exception as error:
        run.code, run.message = code_of(error), clean(in_words(error))
        run.keep = run.keep and run.code != 3
        raise


def _headline(issued: Issued) -> str:
    time = str(issued.product["issue_time"].values[0])[:19]
    meaning = {
        "new": "published",
        "unchanged": "already in the archive, the same",
        "kept": "another forecast is already in the archive and was kept; --force adds a revision",
        "restored": "its file in the archive was lost or damaged, and was written again",
        "revised": "published as a revision",
        "dry": "not published, because this was a dry run",
        "empty": "not published, because no well has a forecast",
    }
    return f"Issue time {time}: {meaning[issued.outcome]}"


def _print_issued(issued: Issued, settings: Settings) -> None:
    moment = str(issued.product["issue_time"].values[0])[:19]
    wells = issued.product[["status", "reason", "model"]].to_dataframe().reset_index()
    for _, row in wells[wells["status"] != "ok"].iterrows():
        names = ("well", "status", "reason", "model")
        event("well", issue_time=moment, **{name: row[name] for name in names})
    event("forecast", issue_time=moment, outcome=issued.outcome, code=issued.code,
          wells=len(wells))  # fmt: skip
    screen.print(_headline(issued), soft_wrap=True)
    if issued.issue is not None:
        screen.say(str(settings.schedule.archive / issued.issue.file))
    _print_wells(wells)


def _print_wells(wells: pd.DataFrame) -> None:
    """Print how many wells have each status, and the wells whose status is not ok."""
    counts = wells.groupby(["status", "model"]).size().rename("wells").reset_index()
    print_table("Wells", counts[["status", "wells", "model"]])
    others = wells[wells["status"] != "ok"]
    if len(others):
        shown = others[["well", "status", "model", "reason"]].head(SHOWN)
        more = f", {SHOWN} of {len(others)}" if len(others) > SHOWN else ""
        print_table(f"Not ok{more}", shown)
