"""The commands that hand forecasts on, or judge them: bulletin, alerts, fews and verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import options
from gwforecast.cli.console import errors, in_words, print_table, screen
from gwforecast.cli.schedule import IssueTime, duration, scheduled

if TYPE_CHECKING:
    import xarray as xr

    from gwforecast.config.load import Settings
    from gwforecast.reports.bulletin import Bulletin, FailedRun
    from gwforecast.service.archive import Archive
    from gwforecast.service.verify import Verification

__all__ = ["FEWS_CODES", "alerts", "bulletin", "fews", "verify"]


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


@scheduled(**SETTINGS)
def bulletin(
    settings: Settings,
    issue_time: IssueTime = None,
    out: Out = None,
    pages: Pages = False,
) -> None:
    """Write the bulletin of an archived forecast, by default the latest, as one HTML file.

    It is also written after a run that failed, and then says so.

    Example: gwforecast bulletin run.toml --out bulletin.html --max-age 48h
    """
    from gwforecast.service.archive import Archive
    from gwforecast.writing import write_text

    path = out or Path("bulletin.html")
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
    screen.say(str(path))


def _bulletin(
    settings: Settings, archive: Archive, product: xr.Dataset, pages: str | None
) -> Bulletin:
    from gwforecast.reports.bulletin import Bulletin
    from gwforecast.runs.files import now
    from gwforecast.service.verify import verify
    from gwforecast.verification.distribution import Thresholds

    observations = _observations(settings, product)
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
        max_age=None if wanted.max_age is None else duration(wanted.max_age),
        now=now(),
        failed_run=_failed_run(settings),
        most_cards=wanted.cards,
        pages=pages,
    )


def _observations(settings: Settings, product: xr.Dataset) -> xr.Dataset | None:
    """Return the observations; None if they cannot be read, which must not stop the bulletin.

    Where levels failed a check, those that nobody can have measured are left out.
    """
    from gwforecast.schema import WELL, SchemaError
    from gwforecast.service.inputs import read_wells
    from gwforecast.service.readiness import without_faults

    try:
        observations = read_wells(settings.data).observations
        if observations is None:
            return None
        failed = product[WELL].values[product["status"].values == "check_failed"]
        return without_faults(
            observations, [well for well in failed if well in observations[WELL].values]
        )
    except (SchemaError, OSError) as error:
        errors.say(f"warning: the page has no figures and no map: {in_words(error)}")
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


@scheduled()
def alerts(settings: Settings, dry_run: Dry = False) -> None:
    """Report levels of alert likely to be crossed, changes of status and failed runs, each once.

    By webhook and mail, as the table 'alerts' says; without a channel events are printed only.

    Example: gwforecast alerts run.toml
    """
    from gwforecast.service.notify.alerts import send_alerts
    from gwforecast.service.notify.events import in_lines

    found = send_alerts(settings, dry=dry_run)
    for line in in_lines([event.as_json() for event in found.events]):
        screen.say(line)
    for name, number in found.sent.items():
        screen.print(f"{number} events sent by {name}.")
    for message in found.errors:
        errors.say(f"error: {message}")
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
        where.say(f"{kind}{text}")
    raise typer.Exit(code)


Tables = Annotated[
    Path | None,
    typer.Option(help="Folder of the tables; by default 'verification' in the archive."),
]
First = Annotated[
    bool, typer.Option("--first", help="Score first issues instead of later revisions.")
]
LEADS = 4  # lead times that are printed
SHOWN = {  # scores that are printed, and their headers
    "rmse": "RMSE",
    "bias": "bias",
    "coverage_95": "in 95 %",
    "width_95": "width",
    "skill_rmse_persistence": "skill: persistence",
    "skill_rmse_climatology": "climatology",
}


@scheduled()
def verify(settings: Settings, out: Tables = None, first: First = False) -> None:
    """Score archived forecasts whose levels have since been observed, and recommend what to do.

    The scores are checked for drift: forecasts that have become worse than at training.

    Example: gwforecast verify run.toml
    """
    from gwforecast.schema import SchemaError
    from gwforecast.service.archive import Archive
    from gwforecast.service.inputs import read_wells
    from gwforecast.service.verify import verify as verified
    from gwforecast.service.verify import write_verification

    inputs = read_wells(settings.data)
    if inputs.observations is None:
        raise SchemaError(next(iter(inputs.refused.values()))[1])
    found = verified(Archive(settings.schedule.archive), inputs.observations, first_revisions=first)
    folder = out or settings.schedule.archive / "verification"
    write_verification(found, folder)
    scores = found.scores
    _print_counts(found)
    if len(scores):
        leads = scores["lead"].drop_duplicates().sort_values()
        shown = leads.iloc[:: max(1, len(leads) // LEADS)]
        table = scores[scores["lead"].isin(shown)][["model", "lead", "n", *SHOWN]]
        groups = table.groupby(["model", "lead"], as_index=False)
        means = groups.mean(numeric_only=True)
        means["n"] = groups["n"].sum()["n"]  # pairs of all wells and bundles
        means = means.astype({"lead": int, "n": int})
        title = "Means over wells and bundles, by lead time in steps; RMSE and width in m"
        print_table(title, means.rename(columns=SHOWN))
    if len(found.recommendations):
        print_table("Recommendations", found.recommendations)
    screen.say(str(folder))
    for problem in found.damaged:
        errors.say(problem)
    raise typer.Exit(7 if found.damaged else 0)


def _print_counts(found: Verification) -> None:
    """Print how many forecasts are scored, and why others are not."""
    reasons = found.unscored["reason"].value_counts()
    scored = found.issues - int((~found.unscored["reason"].str.startswith("it was w")).sum())
    times = "1 issue time" if found.issues == 1 else f"{found.issues} issue times"
    screen.print(f"{times} in the archive, {scored} of them scored.")
    for reason, number in reasons.items():
        screen.say(f"  {number} not scored: {reason}")
    if not scored:
        screen.print("No forecast can be scored yet.")
