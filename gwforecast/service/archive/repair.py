"""Find all damage of scheduled forecasts, and repair what the data and the seals allow."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pandas as pd

from gwforecast.config.load import Settings
from gwforecast.models.bundle import BundleError
from gwforecast.service.archive import Archive, ArchiveError, Issue
from gwforecast.service.archive.rebuild import rebuild_catalogue
from gwforecast.service.archive.sealed import read_sealed
from gwforecast.service.champions import Champions
from gwforecast.service.schedule import Products, products_here
from gwforecast.service.wells.acknowledge import read_acknowledgements

__all__ = ["Repaired", "find_damage", "repair"]


@dataclass(frozen=True)
class Repaired:
    """What a repair did, and the damage that it left."""

    # messages
    done: list[str]
    left: list[str]


def find_damage(settings: Settings) -> list[str]:
    """Return messages about all damage of the archive and of the models; every file is read."""
    archive, champions = Archive(settings.schedule.archive), Champions(settings.schedule.bundles)
    found = archive.problems()
    if not found:
        found += [message for issue in archive.issues() if (message := _unlike(archive, issue))]
    try:
        read_acknowledgements(archive.folder, strict=True)
    except ArchiveError as error:
        found.append(str(error))
    try:
        table = champions.table()
    except BundleError as error:
        return [*found, str(error)]
    names = {name for pair in table.values() for name in (pair.bundle, pair.previous) if name}
    for name in sorted(names):
        try:
            champions.open(name)
        except (BundleError, OSError) as error:
            wells = sorted(well for well, pair in table.items() if pair.bundle == name)
            found.append(f"{error} It is the champion of {len(wells)} wells.")
    return found


def repair(
    settings: Settings,
    *,
    from_files: bool = False,
    now: pd.Timestamp,
    products: Products | None = None,
) -> Repaired:
    """Repair an archive: issue again what is lost, and set aside what no one has published.

    A forecast is written again only if its bytes have the checksum of its entry in the catalogue.

    Parameters
    ----------
    from_files : bool
        Rebuild the catalogue from the seals in the files first.
    products : Products, optional
        Where forecasts come from; by default they are made here.

    Raises
    ------
    ArchiveError
        If the catalogue is damaged and is not to be rebuilt.
    ArchiveBusyError
        If another run holds the lock of the archive.
    """
    archive = Archive(settings.schedule.archive)
    done: list[str] = []
    with archive.locked():
        if from_files:
            done += rebuild_catalogue(archive)
        try:
            issues = archive.issues()
        except ArchiveError as error:
            raise ArchiveError(
                f"{error} Without a backup, gwforecast repair --from-files rebuilds the catalogue."
            ) from None
        done += [f"removed {path.name}, left by an interrupted run" for path in archive.sweep()]
        for name in sorted(archive.files() - {issue.file for issue in issues}):
            archive.set_aside(name)
            done.append(f"moved {name}, which is in no catalogue, to lost+found")
    damaged = [issue for issue in issues if _damage(archive, issue)]
    left: list[str] = []
    if damaged:
        makes = products or products_here(settings, now=now)
        for issue in sorted(damaged, key=lambda i: (i.issue_time, i.revision)):
            message = _issue_again(archive, issue, makes)
            (left if message else done).append(message or f"issued {issue.file} again")
    return Repaired(done, [*left, *(_damage(archive, i) for i in damaged if _damage(archive, i))])


def _issue_again(archive: Archive, issue: Issue, products: Products) -> str:
    """Issue a forecast again; return why that does not give its bytes, empty if it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = archive.publish(products.make(issue.issue_time))[1]
    except Exception as error:  # the other forecasts are repaired nevertheless
        return f"{issue.file} cannot be issued again: {error}"
    if outcome == "restored":
        return ""
    return (
        f"{issue.file} cannot be issued again: data, settings or models have changed since, and "
        "the forecast would be another. Restore it from a backup."
    )


def _damage(archive: Archive, issue: Issue) -> str:
    try:
        archive.content(issue)
    except ArchiveError as error:
        return str(error)
    return ""


def _unlike(archive: Archive, issue: Issue) -> str:
    """Return a message if the content of a file is not the one in the catalogue."""
    try:
        sealed = read_sealed(archive.content(issue), issue.file)
    except ArchiveError as error:
        return str(error)
    return "" if sealed.issue == issue else f"{issue.file} is not the forecast of its entry"
