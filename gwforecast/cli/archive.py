"""The commands ``gwforecast archive``: roll up, prune, back up, restore, and the head elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gwforecast.cli import options, schedule
from gwforecast.cli.console import clean, errors, screen
from gwforecast.cli.options import Command

if TYPE_CHECKING:
    from gwforecast.config.load import Settings
    from gwforecast.service.archive import Archive

__all__ = ["archive"]


archive: typer.Typer = typer.Typer(
    help="Keep the archive of forecasts for years: roll up, prune, back up, restore.\n\n"
    "Example: gwforecast archive backup run.toml --to backup.zip",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
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


@archive.command(cls=Command, epilog=schedule.CODES)
def rollup(
    context: typer.Context,
    config: schedule.Config,
    before: Before = None,
    wait: schedule.Wait = 0.0,
) -> None:
    """Put the files of each past year into one file; seals and checksums stay as they are.

    Example: gwforecast archive rollup run.toml
    """
    settings = options.load(context)
    with schedule.codes():
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


@archive.command(cls=Command, epilog=schedule.CODES)
def prune(
    context: typer.Context,
    config: schedule.Config,
    keep_days: KeepDays = None,
    keep_last: KeepLast = None,
    keep_monthly: KeepMonthly = False,
    keep_yearly: KeepYearly = False,
    dry_run: DryRun = False,
    wait: schedule.Wait = 0.0,
) -> None:
    """Remove the files of old forecasts; what any --keep option names is kept, and the last one.

    Their entries stay in the catalogue, so that the seals after them can still be verified.

    Example: gwforecast archive prune run.toml --keep-days 730 --keep-monthly
    """
    settings = options.load(context)
    with schedule.codes():
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


@archive.command(cls=Command, epilog=schedule.CODES)
def backup(
    context: typer.Context, config: schedule.Config, to: To, wait: schedule.Wait = 60.0
) -> None:
    """Write archive and models to one file with checksums; the archive is verified first.

    Example: gwforecast archive backup run.toml --to /backup/wells.zip
    """
    settings = options.load(context)
    with schedule.codes():
        from gwforecast.runs.files import now
        from gwforecast.service.archive.backup import back_up

        made = back_up(_archive(settings), settings.schedule.bundles, to, now=now(), timeout=wait)
        screen.print(
            clean(f"{made.path}: {made.files} files, {made.entries} forecasts up to "
                  f"{made.issue_time or 'none'}, {made.bytes / 1e6:.1f} MB"), soft_wrap=True
        )  # fmt: skip


@archive.command(cls=Command, epilog=schedule.CODES)
def restore(
    context: typer.Context, config: schedule.Config, source: From, replace: Replace = False
) -> None:
    """Restore archive and models from a backup, once all its checksums and seals are verified.

    Example: gwforecast archive restore run.toml --from /backup/wells.zip
    """
    settings = options.load(context)
    with schedule.codes():
        from gwforecast.runs.files import now
        from gwforecast.service.archive.backup import check_head, restore

        wanted = settings.schedule
        made = restore(source, wanted.archive, wanted.bundles, now=now(), replace=replace)
        screen.print(
            clean(f"{made.path}: {made.files} files, {made.entries} forecasts up to "
                  f"{made.issue_time or 'none'}"), soft_wrap=True
        )  # fmt: skip
        if wanted.head is not None:
            check_head(_archive(settings), wanted.head)


@archive.command(cls=Command, epilog=schedule.CODES)
def head(context: typer.Context, config: schedule.Config, accept: Accept = False) -> None:
    """Print the head of the archive, and compare it with the one kept elsewhere ('head').

    Example: gwforecast archive head run.toml
    """
    settings = options.load(context)
    with schedule.codes():
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
