"""The commands of scheduled runs: ``gwforecast train | forecast | backfill | status``."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import options
from gwforecast.cli.console import clean, errors, exit_with, print_table, progress_bars, screen

if TYPE_CHECKING:
    import pandas as pd

    from gwforecast.config.load import Settings
    from gwforecast.service.schedule import Issued

__all__ = ["CODES", "Config", "backfill", "codes", "forecast", "settings_of", "status", "train"]


CODES = """Ends with 0 if all went well; 2 if options or settings are wrong; 3 if another run holds
the archive or the models; 4 if inputs are missing or too old for all wells; 5 if more wells than
the setting 'failed_share' allows are not forecast as they should be; 6 if nothing was published, or
not to the database; 7 if the archive or the models are damaged; 70 at an error of gwforecast
itself."""
SHOWN = 20  # wells that are listed
PARQUET = (".parquet", ".pq")  # as in data.layouts.delimited, which loads pandas

Config = Annotated[Path, typer.Argument(help="TOML file with the tables [data] and [schedule].")]
IssueTime = Annotated[
    str | None, typer.Option(help="Last step that is known; by default the last that is over, UTC.")
]
Force = Annotated[bool, typer.Option("--force", help="Add a revision where there is a forecast.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Publish nothing; say what would be.")]
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait for another run.")]
Through = Annotated[str | None, typer.Option(help="Last step to train on.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Let new models take the place of the champions.")
]
StepBack = Annotated[
    bool, typer.Option("--step-back", help="Go back to the champions before; nothing is trained.")
]
Stride = Annotated[int, typer.Option(min=1, help="Steps from issue time to issue time.")]
MaxAge = Annotated[
    str | None, typer.Option(help="Greatest age of the last issue time, e.g. 48h or 8d.")
]


def train(
    config: Config,
    through: Through = None,
    replace: Replace = False,
    step_back: StepBack = False,
    well: options.Well = None,
    dask: options.Dask = None,
    shard: options.Size = None,
) -> None:
    """Train models for scheduled forecasts, and keep those that are better than the ones before."""
    settings = settings_of(config, well, dask=dask, shard=shard)
    with codes():
        from gwforecast.runs.catalogue import import_tensorflow
        from gwforecast.runs.files import Stopwatch
        from gwforecast.service import schedule

        if step_back:
            names = schedule.step_back(settings)
            screen.print(f"{len(names)} wells went back to the champion before.")
            return
        if settings.cluster.dask is None:  # else only workers import the models
            import_tensorflow(settings.schedule.models)
        with progress_bars() as progress:
            table = schedule.train(
                settings,
                through=through,
                replace=replace,
                now=Stopwatch().started,
                progress=progress,
            )
    shown = table.drop(columns=["bundle", "reason"]).assign(reason=table["reason"])
    print_table("Champions", shown)  # what may be long comes last, where it is wrapped
    screen.print(clean(f"Models: {settings.schedule.bundles}"), soft_wrap=True)
    failed = (table["decision"] == "failed").mean()
    if failed:
        raise typer.Exit(6 if failed == 1 else 5)


def forecast(
    config: Config,
    issue_time: IssueTime = None,
    force: Force = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
    dask: options.Dask = None,
    shard: options.Size = None,
) -> None:
    """Forecast all wells from what is known now, and publish it to the archive.

    The same inputs give the same product, and no second entry in the archive.
    """
    settings = settings_of(config, dask=dask, shard=shard)
    _start_light(settings)
    with codes():
        from gwforecast.runs.files import Stopwatch
        from gwforecast.service import schedule

        issued = schedule.forecast(
            settings,
            issue_time=issue_time,
            force=force,
            dry=dry_run,
            wait=wait,
            now=Stopwatch().started,
        )
        _print_issued(issued, settings)
        raise typer.Exit(issued.code)


def backfill(
    config: Config,
    start: Annotated[str, typer.Argument(help="First issue time.")],
    end: Annotated[str, typer.Argument(help="Last issue time.")],
    stride: Stride = 1,
    force: Force = False,
    wait: Wait = 0.0,
) -> None:
    """Forecast from each missed issue time, with what was known then; broken off, it goes on."""
    settings = settings_of(config)
    _start_light(settings)
    ends: list[int] = []
    with codes():
        from gwforecast.runs.files import Stopwatch
        from gwforecast.service import schedule

        with progress_bars() as progress:
            for issued in schedule.backfill(
                settings,
                start=start,
                end=end,
                stride=stride,
                force=force,
                wait=wait,
                now=Stopwatch().started,
                progress=progress,
            ):
                ends.append(issued.code)
                screen.print(_headline(issued), soft_wrap=True)
    screen.print(f"{len(ends)} issue times; the others were in the archive.")
    raise typer.Exit(max(ends, default=0))


def status(config: Config, max_age: MaxAge = None) -> None:
    """Say how the scheduled forecasts stand, for a monitor: age, wells, damage."""
    settings = settings_of(config)
    _start_light(settings)
    with codes():
        from gwforecast.runs.files import Stopwatch
        from gwforecast.service import schedule

        health = schedule.check_health(
            settings.schedule.archive,
            max_age=None if max_age is None else _duration(max_age),
            failed_share=settings.schedule.failed_share,
            now=Stopwatch().started,
        )
        for problem in health.problems:
            errors.print(clean(problem), soft_wrap=True)
        if health.issue is None:
            screen.print("No forecast is in the archive.")
        else:
            hours = health.age.total_seconds() / 3600 if health.age is not None else 0.0
            screen.print(f"Last issue time {health.issue.issue_time}, {hours:.1f} h ago.")
            _print_wells(health.wells)
        raise typer.Exit(health.code)


def settings_of(
    config: Path,
    wells: list[str] | None = None,
    *,
    dask: str | None = None,
    shard: int | None = None,
) -> Settings:
    """Return the settings of a file, of some wells and in shards where that is asked for."""
    from gwforecast.config import load as settings_file

    cluster = {"dask": dask, "shard": shard}
    overrides: dict[str, dict[str, object]] = {
        "data": {"wells": wells} if wells else {},
        "cluster": {name: value for name, value in cluster.items() if value is not None},
    }
    return settings_file.load_settings(config, overrides=overrides)


def _start_light(settings: Settings) -> None:
    """Keep out of the process what its run does not use.

    Where dask and pyarrow are installed, xarray and pandas import them, used or not: a third of the
    time and of the memory of a forecast of one well. A process that has imported them is somebody's
    own, and is left as it is.
    """
    if {"pandas", "xarray"} & sys.modules.keys():
        return
    gc.set_threshold(100_000, 20, 100)  # objects of the imports are not garbage
    if settings.cluster.asked:
        return
    sys.modules.setdefault("dask", None)  # type: ignore[arg-type] # as if it were not installed
    if not _reads_parquet(settings):
        sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type]


def _reads_parquet(settings: Settings) -> bool:
    data = settings.data
    given = [path for path in (data.levels, data.covariates, data.attributes) if path is not None]
    try:
        files = [file for path in given for file in (path.iterdir() if path.is_dir() else [path])]
    except OSError:  # the reader says what is wrong
        return True
    return any(file.suffix.lower() in PARQUET for file in files)


def _duration(text: str) -> pd.Timedelta:
    import pandas as pd

    try:
        found = pd.Timedelta(text)
    except ValueError:
        raise ValueError(
            f"--max-age takes a number and a unit. Received {text!r}. Write for example 48h or 8d."
        ) from None
    return found


@contextmanager
def codes() -> Iterator[None]:
    """End with the code of what went wrong."""
    from gwforecast.schema import SchemaError
    from gwforecast.service.archive import ArchiveBusyError, ArchiveError
    from gwforecast.service.bundle import BundleError
    from gwforecast.service.champions import ChampionsBusyError

    try:
        yield
    except (typer.Exit, KeyboardInterrupt):
        raise
    except Exception as error:
        kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], int], ...] = (
            ((ArchiveBusyError, ChampionsBusyError), 3),
            ((ArchiveError, BundleError), 7),
            ((SchemaError, FileNotFoundError), 4),
            (OSError, 6),
            ((ValueError, TypeError), 2),
            (Exception, 70),
        )
        code = next(code for kind, code in kinds if isinstance(error, kind))
        raise typer.Exit(exit_with(error, code)) from None


def _headline(issued: Issued) -> str:
    time = str(issued.product["issue_time"].values[0])[:19]
    meaning = {
        "new": "published",
        "unchanged": "in the archive already, the same",
        "kept": "another forecast is in the archive and stays; --force adds a revision",
        "revised": "published as a revision",
        "dry": "not published, as it was only tried",
        "empty": "not published, as no well has a forecast",
    }
    return f"Issue time {time}: {meaning[issued.outcome]}"


def _print_issued(issued: Issued, settings: Settings) -> None:
    wells = issued.product[["status", "reason", "model"]].to_dataframe().reset_index()
    screen.print(_headline(issued), soft_wrap=True)
    if issued.issue is not None:
        path = settings.schedule.archive / issued.issue.file
        screen.print(clean(str(path)), soft_wrap=True)
    _print_wells(wells)


def _print_wells(wells: pd.DataFrame) -> None:
    """Print how many wells have each status, and those that are not as they should be."""
    counts = wells.groupby(["status", "model"]).size().rename("wells").reset_index()
    print_table("Wells", counts[["status", "wells", "model"]])
    doubtful = wells[wells["status"] != "ok"]
    if len(doubtful):
        shown = doubtful[["well", "status", "model", "reason"]].head(SHOWN)
        more = f", {SHOWN} of {len(doubtful)}" if len(doubtful) > SHOWN else ""
        print_table(f"Not ok{more}", shown)
