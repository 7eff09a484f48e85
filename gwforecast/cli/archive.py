"""The commands that keep the archive in order: for years, after a change, and after damage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import options
from gwforecast.cli.console import errors, screen
from gwforecast.cli.schedule import Wait, scheduled

if TYPE_CHECKING:
    from gwforecast.config.load import Settings
    from gwforecast.service.archive import Archive

__all__ = [
    "acknowledge", "backup", "fsck", "head", "prune", "repair", "restore", "rollup", "withdraw",
]  # fmt: skip


SHOWN = 5  # issue times that are listed
Before = Annotated[
    int | None,
    typer.Option(
        help="First year that stays as single files. Default: the year of the last issue."
    ),
]
KeepDays = Annotated[
    int | None,
    typer.Option(min=0, help="Number of days before the last forecast whose forecasts are kept."),
]
KeepLast = Annotated[
    int | None, typer.Option(min=1, help="Number of latest issue times that are kept.")
]
KeepMonthly = Annotated[
    bool, typer.Option("--keep-monthly", help="Keep the first issue time of each month.")
]
KeepYearly = Annotated[
    bool, typer.Option("--keep-yearly", help="Keep the first issue time of each year.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")
]
To = Annotated[Path, typer.Option("--to", help="File of the backup, e.g. on another machine.")]
From = Annotated[Path, typer.Option("--from", help="File of the backup.")]
Replace = Annotated[
    bool,
    typer.Option("--replace", help="Replace what is there; it is kept under another name beside."),
]
Accept = Annotated[
    bool, typer.Option("--accept", help="Rewrite the head, and accept what is missing.")
]


@scheduled()
def rollup(
    settings: Settings,
    before: Before = None,
    wait: Wait = 0.0,
) -> None:
    """Put the files of each past year into one file; seals and checksums stay as they are.

    Example: gwforecast archive rollup run.toml
    """
    from gwforecast.service.archive.rollup import roll_up

    kept = _archive(settings)
    issues = kept.issues()
    year = int(max(issue.issue_time for issue in issues)[:4]) if issues else 0
    made = roll_up(kept, before=year if before is None else before, timeout=wait)
    for one in made:
        screen.print(
            f"{one.year}: {one.files} files, {one.before / 1e6:.1f} MB, in a pack of "
            f"{one.after / 1e6:.1f} MB"
        )
    if not made:
        screen.print("Nothing to roll up.")


@scheduled()
def prune(
    settings: Settings,
    keep_days: KeepDays = None,
    keep_last: KeepLast = None,
    keep_monthly: KeepMonthly = False,
    keep_yearly: KeepYearly = False,
    dry_run: DryRun = False,
    wait: Wait = 0.0,
) -> None:
    """Remove the files of old forecasts; what any --keep option names is kept, and the last one.

    Their entries stay in the catalogue, so that the seals after them can still be verified.

    Example: gwforecast archive prune run.toml --keep-days 730 --keep-monthly
    """
    from gwforecast.runs.files import now
    from gwforecast.service.archive.rollup import Keep, prune, to_prune

    if keep_days is None and keep_last is None and not keep_monthly and not keep_yearly:
        raise ValueError(
            "Pruning needs at least one rule of what is kept. Received none. Give for example "
            "--keep-days 730 --keep-monthly."
        )
    keep = Keep(keep_days, keep_last, keep_monthly, keep_yearly)
    kept = _archive(settings)
    gone = to_prune(kept, keep) if dry_run else prune(kept, keep, now=now(), timeout=wait)
    size = sum(issue.bytes for issue in gone) / 1e6
    times = [issue.issue_time[:10] for issue in gone]
    some = ", ".join(times[:SHOWN]) + (" ..." if len(times) > SHOWN else "")
    verb = "would be pruned" if dry_run else "were pruned"
    screen.print(f"{len(gone)} forecasts {verb}, {size:.1f} MB{': ' if some else ''}{some}")


@scheduled()
def backup(settings: Settings, to: To, wait: Wait = 60.0) -> None:
    """Write archive and models to one file with checksums; the archive is verified first.

    Example: gwforecast archive backup run.toml --to /backup/wells.zip
    """
    from gwforecast.runs.files import now
    from gwforecast.service.archive.backup import back_up

    made = back_up(_archive(settings), settings.schedule.bundles, to, now=now(), timeout=wait)
    screen.say(
        f"{made.path}: {made.files} files, {made.entries} forecasts up to "
        f"{made.issue_time or 'none'}, {made.bytes / 1e6:.1f} MB"
    )


@scheduled()
def restore(settings: Settings, source: From, replace: Replace = False) -> None:
    """Restore archive and models from a backup, once all its checksums and seals are verified.

    Example: gwforecast archive restore run.toml --from /backup/wells.zip
    """
    from gwforecast.runs.files import now
    from gwforecast.service.archive.backup import check_head, restore

    wanted = settings.schedule
    made = restore(source, wanted.archive, wanted.bundles, now=now(), replace=replace)
    screen.say(
        f"{made.path}: {made.files} files, {made.entries} forecasts up to "
        f"{made.issue_time or 'none'}"
    )
    if wanted.head is not None:
        check_head(_archive(settings), wanted.head)


@scheduled()
def head(settings: Settings, accept: Accept = False) -> None:
    """Print the head of the archive, and compare it with the one kept elsewhere ('head').

    Example: gwforecast archive head run.toml
    """
    from gwforecast.service.archive.backup import check_head, head_of, write_head

    kept, place = _archive(settings), settings.schedule.head
    if place is None:
        errors.print("No head is kept elsewhere: set 'head' in the table [schedule].")
    elif accept:
        write_head(kept, place)
    else:
        check_head(kept, place)
    found = head_of(kept)
    screen.print(f"{found.entries} entries, the last of {found.issue_time or 'none'}")
    screen.print(f"seal {found.seal or 'none'}", soft_wrap=True)


def _archive(settings: Settings) -> Archive:
    from gwforecast.service.archive import Archive

    return Archive(settings.schedule.archive)


WellName = Annotated[str, typer.Argument(help="Name of the well.", metavar="WELL")]
NewDatum = Annotated[
    float | None,
    typer.Option(
        help="The datum has changed, and levels are higher by this much since then, m.",
        callback=options.finite,
    ),
]
Real = Annotated[bool, typer.Option("--real", help="The level itself has changed.")]
Since = Annotated[
    str | None,
    typer.Option(help="First level after the change; by default that after the largest jump."),
]


@scheduled()
def acknowledge(
    settings: Settings,
    well: WellName,
    new_datum: NewDatum = None,
    real: Real = False,
    since: Since = None,
) -> None:
    """Acknowledge a jump in the levels of a well, which is flagged until then.

    Example: gwforecast acknowledge run.toml MW1 --new-datum 2.0
    """
    from gwforecast.runs.files import now
    from gwforecast.service import schedule

    if real == (new_datum is not None):
        raise ValueError(
            "A change is either a new datum or real. Received "
            f"{'both' if real else 'neither'}. Give --new-datum or --real."
        )
    made = schedule.acknowledge(settings, well, shift=new_datum, since=since, now=now())
    what = "as real" if made.kind == "real" else f"as a datum that moved by {made.shift:+g} m"
    screen.say(f"{made.well}: the change on {made.since[:10]} is acknowledged {what}.")


Issued = Annotated[str, typer.Argument(help="Issue time of the forecast.", metavar="ISSUE")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the archive.")]
Revision = Annotated[int | None, typer.Option(min=1, help="By default the last one that stands.")]
FromFiles = Annotated[
    bool,
    typer.Option("--from-files", help="Rebuild the catalogue from the seals in the files first."),
]


@scheduled()
def withdraw(
    settings: Settings,
    issue: Issued,
    reason: Reason,
    revision: Revision = None,
) -> None:
    """Take an issue out of the standing forecasts; nothing is deleted.

    Example: gwforecast withdraw run.toml 2024-03-04 --reason "clock was ahead"
    """
    from gwforecast.runs.files import now
    from gwforecast.service.archive import Archive
    from gwforecast.service.archive.backup import head_kept

    archive, moment = Archive(settings.schedule.archive), now()
    try:
        with head_kept(archive, settings.schedule.head):
            found = archive.withdraw(issue, reason, now=moment, revision=revision)
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    standing = archive.standing()
    screen.print(f"Issue time {found.issue_time}, revision {found.revision}: withdrawn.")
    last = standing[-1].issue_time if standing else "none"
    screen.print(f"The standing forecast is that of {last}.")


@scheduled()
def fsck(settings: Settings) -> None:
    """Read every file of the archive and of the models, and report all damage.

    Example: gwforecast fsck run.toml
    """
    from gwforecast.service.archive.repair import find_damage

    found = find_damage(settings)
    for problem in found:
        errors.say(problem)
    screen.print("No damage was found." if not found else f"Damage: {len(found)}.")
    raise typer.Exit(7 if found else 0)


@scheduled()
def repair(settings: Settings, from_files: FromFiles = False) -> None:
    """Repair the archive: lost files are issued again where their bytes come out the same.

    Example: gwforecast repair run.toml
    """
    from gwforecast.runs.files import now
    from gwforecast.service.archive import repair as repairs

    made = repairs.repair(settings, from_files=from_files, now=now())
    for line in made.done:
        screen.say(line)
    for line in made.left:
        errors.say(line)
    if not (made.done or made.left):
        screen.print("There is nothing to repair.")
    raise typer.Exit(7 if made.left else 0)
