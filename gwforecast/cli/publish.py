"""The commands that hand forecasts on: ``gwforecast bulletin``, ``alerts`` and ``fews``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import options, schedule
from gwforecast.cli.console import clean, errors, in_words, screen

if TYPE_CHECKING:
    import xarray as xr

    from gwforecast.config.load import Settings
    from gwforecast.reports.bulletin import Bulletin, FailedRun
    from gwforecast.service.archive import Archive

__all__ = ["FEWS_CODES", "alerts", "bulletin", "fews"]


VERIFIED = 120  # number of the last issue times that are scored for the page
AT_ONCE = 20  # pages of wells that a process draws before the next ones are handed out
Out = Annotated[Path | None, typer.Option(help="HTML file to write. Default: bulletin.html.")]
SETTINGS = {
    "title": options.option("bulletin.title", panel=options.RESULTS),
    "contact": options.option("bulletin.contact", panel=options.RESULTS),
    "max_age": options.option("bulletin.max_age", panel=options.RESULTS),
    "cards": options.option("bulletin.cards", int, panel=options.RESULTS),
}
Pages = Annotated[
    bool,
    typer.Option(
        "--pages",
        help="Write the details of each well to a page of its own, in a folder beside the file; "
        "the page itself stays small, also for thousands of wells.",
        rich_help_panel=options.RESULTS,
    ),
]
Dry = Annotated[
    bool, typer.Option("--dry-run", help="Print new events, but neither send nor note them.")
]
FEWS_CODES = """Exit codes, as the General Adapter of Delft-FEWS expects them: 0 if the forecast was
written, also where some wells have only the normal levels of the season; 1 if the run failed. The
diagnostics file says why."""
RunFile = Annotated[
    Path, typer.Argument(help="Run file of the General Adapter.", metavar="RUN_INFO.XML")
]


@options.takes(**SETTINGS)
def bulletin(
    context: typer.Context,
    config: schedule.Config,
    issue_time: schedule.IssueTime = None,
    out: Out = None,
    pages: Pages = False,
) -> None:
    """Write the bulletin of an archived forecast, by default the latest, as one HTML file.

    It is also written after a run that failed, and then says so.

    Example: gwforecast bulletin run.toml --out bulletin.html --max-age 48h
    """
    settings = options.load(context)
    path = out or Path("bulletin.html")
    with schedule.codes():
        from gwforecast.service.archive import Archive
        from gwforecast.writing import write_text

        archive = Archive(settings.schedule.archive)
        issues = archive.standing()
        if not issues and issue_time is None:
            errors.print("A bulletin needs a forecast. The archive contains none.")
            raise typer.Exit(4)
        try:
            last = max((issue.issue_time for issue in issues), default=None)
            product = archive.read(issue_time or last)
        except KeyError as error:
            raise ValueError(error.args[0]) from None
        page = _bulletin(settings, archive, product, f"{path.stem}_wells" if pages else None)
        if pages:
            _write_pages(page, path.with_name(f"{path.stem}_wells"))
        write_text(path, page.page())
    screen.print(clean(str(path)), soft_wrap=True)


def _bulletin(
    settings: Settings, archive: Archive, product: xr.Dataset, pages: str | None
) -> Bulletin:
    from gwforecast.reports.bulletin import Bulletin
    from gwforecast.runs.files import now
    from gwforecast.service.verify import verify
    from gwforecast.verification.distribution import Thresholds

    observations = _observations(settings)
    wanted, alerts = settings.bulletin, settings.alerts
    return Bulletin(
        product=product,
        observations=observations,
        verification=(
            None if observations is None else verify(archive, observations, last=VERIFIED).scores
        ),
        title=wanted.title,
        contact=wanted.contact,
        thresholds=Thresholds(alerts.below, alerts.above),
        chance=alerts.probability,
        max_age=None if wanted.max_age is None else schedule.duration(wanted.max_age),
        now=now(),
        failed_run=_failed_run(settings),
        most_cards=wanted.cards,
        pages=pages,
    )


def _observations(settings: Settings) -> xr.Dataset | None:
    """Return the observations; None if they cannot be read, which must not stop the bulletin."""
    from gwforecast.schema import SchemaError
    from gwforecast.service.inputs import read_wells

    try:
        return read_wells(settings.data).observations
    except (SchemaError, OSError) as error:
        errors.print(
            f"warning: the page has no figures and no map: {clean(in_words(error))}",
            soft_wrap=True,
        )
        return None


def _failed_run(settings: Settings) -> FailedRun | None:
    from gwforecast.reports.bulletin import FailedRun
    from gwforecast.service.monitor import read_last_run
    from gwforecast.service.schedule import EXIT_CODES

    run = read_last_run(settings.schedule.archive)
    if run is None or not run.failed:
        return None
    time = run.started.replace("T", " ")[:16]
    return FailedRun(time, EXIT_CODES.get(run.code, f"code {run.code}"), run.message)


def _write_pages(page: Bulletin, folder: Path) -> None:
    """Write the pages of the wells on all cores, and remove those of wells that are no more."""
    import numpy as np

    from gwforecast.processes import count_processes, map_in_processes
    from gwforecast.writing import write_text

    def write(wells: list[str]) -> None:
        for well in wells:
            write_text(folder / page.file_names[well], page.well_page(well))

    names = list(page.file_names)
    number = count_processes(len(names), least=AT_ONCE)
    for first in range(0, len(names), number * AT_ONCE):
        some = names[first : first + number * AT_ONCE]
        parts = [part.tolist() for part in np.array_split(np.array(some, object), number)]
        map_in_processes(write, [part for part in parts if part])
    for old in set(folder.glob("*.html")) - {folder / name for name in page.file_names.values()}:
        old.unlink()


def alerts(context: typer.Context, config: schedule.Config, dry_run: Dry = False) -> None:
    """Report levels of alert likely to be crossed, changes of status and failed runs, each once.

    By webhook and mail, as the table [alerts] says; without a channel events are printed only.

    Example: gwforecast alerts run.toml
    """
    settings = options.load(context)
    with schedule.codes():
        from gwforecast.service.notify.alerts import send_alerts
        from gwforecast.service.notify.events import in_lines

        found = send_alerts(settings, dry=dry_run)
        for line in in_lines([event.as_json() for event in found.events]):
            screen.print(clean(line), soft_wrap=True)
        for name, number in found.sent.items():
            screen.print(f"{number} events sent by {name}.")
        for message in found.errors:
            errors.print(f"error: {clean(message)}", soft_wrap=True)
        if not found.events and not found.sent and not found.errors:
            screen.print("No new events.")
        if found.errors:
            raise typer.Exit(6)


def fews(run_info: RunFile) -> None:
    """Forecast for Delft-FEWS: read a run file and its series, write series and diagnostics.

    Models are those that gwforecast train has stored; TensorFlow is not needed.

    Example: gwforecast fews run_info.xml
    """
    from gwforecast.service.fews.adapter import run
    from gwforecast.service.fews.run_file import ERROR, WARNING

    code, messages = run(run_info, describe=in_words)
    for level, text in messages.lines:
        where = errors if level <= WARNING else screen
        kind = "error: " if level <= ERROR else "warning: " if level == WARNING else ""
        where.print(clean(f"{kind}{text}"), soft_wrap=True)
    raise typer.Exit(code)
