"""Quantiles of scheduled forecasts follow the outcomes of the archived ones, as in a backtest.

At each issue time the archived forecasts of a well's model are replayed with the levels that have
been observed since: no further state is kept, so that the same archive and levels always give the
same forecast. Only forecasts by the same bundle count that had not seen their outcomes in training.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.calibration.tracking import Tracker
from gwforecast.models.bundle import BundleError
from gwforecast.sequences.origins import observed_at
from gwforecast.service.archive import Archive, ArchiveError, Issue
from gwforecast.service.archive.sealed import followed_from_bytes
from gwforecast.service.champions import Champions

__all__ = ["Following", "Shifts"]


Shifts = dict[str, dict[str, np.ndarray]]
"""Shifts (lead_time, quantile) by bundle and well."""
LOG = logging.getLogger(__name__)


class Following:
    """Replays of the archived forecasts of some wells; later issue times continue earlier ones.

    ``observations``: dimensions (well, time), with all levels that are known.
    """

    def __init__(self, archive: Archive, champions: Champions, observations: xr.Dataset) -> None:
        self._archive = archive
        self._champions = champions
        self._levels = observations[schema.LEVEL]
        self._replays: list[_Replay] = []

    def at(self, issue_time: np.datetime64) -> Shifts:
        """Return the shifts of the quantiles at an issue time.

        ``issue_time``: outcomes up to this time are used, of archived forecasts that were issued
        before it.

        Raises
        ------
        ArchiveError
            If the catalogue of the archive is damaged.
        """
        try:
            table = self._champions.table()
        except BundleError:
            return {}  # there is no forecast by a model either
        wells = [str(well) for well in self._levels[schema.WELL].values]
        issues = _issues_before(self._archive.standing(), issue_time)
        found: Shifts = {}
        for rank, name in enumerate(("bundle", "previous")):
            bundles = {well: getattr(table[well], name) or "" for well in wells if well in table}
            if not any(bundles.values()):
                continue
            for well, shift in self._replay(rank, bundles).advance(issues, issue_time).items():
                found.setdefault(bundles[well], {})[well] = shift
        return found

    def _replay(self, rank: int, bundles: Mapping[str, str]) -> _Replay:
        """Return the replay of the champions (0) or the previous ones (1), anew if they changed."""
        while len(self._replays) <= rank:
            self._replays.append(_Replay(self._archive, self._levels, {}))
        if self._replays[rank].bundles != bundles:
            self._replays[rank] = _Replay(self._archive, self._levels, bundles)
        return self._replays[rank]


class _Replay:
    """Archived forecasts in the order of their issue times, of one bundle for each well."""

    def __init__(self, archive: Archive, levels: xr.DataArray, bundles: Mapping[str, str]) -> None:
        self.bundles = dict(bundles)
        self._archive = archive
        self._levels = levels
        self._wells = sorted(well for well, bundle in bundles.items() if bundle)
        self._done: list[Issue] = []
        self._tracker: Tracker | None = None

    def advance(self, issues: list[Issue], issue_time: np.datetime64) -> dict[str, np.ndarray]:
        """Return the shifts (lead_time, quantile) of each well after the given forecasts."""
        if issues[: len(self._done)] != self._done:
            self._done, self._tracker = [], None
        for issue in issues[len(self._done) :]:
            self._done.append(issue)
            try:
                product = followed_from_bytes(self._archive.content(issue))
            except ArchiveError as error:
                LOG.warning("Outcomes of a damaged forecast are not followed. %s", error)
                continue
            self._add(product)
        if self._tracker is None:
            return {}
        return dict(zip(self._wells, self._tracker.advance(issue_time), strict=True))

    def _add(self, product: xr.Dataset) -> None:
        issue_time = product[schema.ISSUE_TIME].values[0]
        part = product.reindex({schema.WELL: self._wells}, fill_value={"bundle": ""})
        own = part["bundle"].values == np.array([self.bundles[well] for well in self._wells])
        own &= part["trained_through"].values <= issue_time
        if not own.any():
            return
        if self._tracker is None:
            leads = part.sizes[schema.LEAD_TIME]
            probabilities = np.array(QUANTILES)
            self._tracker = Tracker(probabilities, wells=len(self._wells), leads=leads)
        self._tracker.advance(issue_time)
        level = np.where(own[:, None, None], part[schema.LEVEL].values[:, 0], np.nan)
        outcome = observed_at(self._levels, part).values[:, 0]
        valid = part[schema.VALID_TIME].values[0]
        self._tracker.add(level, outcome=outcome, valid=valid)


def _issues_before(issues: list[Issue], issue_time: np.datetime64) -> list[Issue]:
    """Return the issues before a time, in their order."""
    end = pd.Timestamp(timeline.to_times([issue_time])[0])
    return [issue for issue in issues if pd.Timestamp(issue.issue_time) < end]
