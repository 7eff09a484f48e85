"""The archive of published forecasts: its files, its catalogue, and keeping them for years."""

from gwforecast.service.archive.archive import Archive
from gwforecast.service.archive.catalogue import ArchiveBusyError
from gwforecast.service.archive.sealed import ArchiveError, Issue

__all__ = ["Archive", "ArchiveBusyError", "ArchiveError", "Issue"]
