"""Verify archived forecasts against later levels: scores, drift and recommendations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.runs.files import write_table
from gwforecast.service.archive import Archive, ArchiveError, Issue
from gwforecast.verification.archived import (
    VerifiedForecast,
    drift,
    outside,
    recommend,
    verified_forecasts,
    verified_scores,
)

__all__ = ["Verification", "verify", "write_verification"]


RECENT = 120  # number of the last issue times that are checked for drift


@dataclass(frozen=True, eq=False)
class Verification:
    """Verification of the forecasts of an archive."""

    scores: pd.DataFrame  # see verified_scores
    drift: pd.DataFrame  # see drift and ``outside``
    recommendations: pd.DataFrame  # columns well, recommendation, reason
    damaged: list[str]  # messages about forecasts that could not be read
    issues: int  # number of forecasts
    unscored: pd.DataFrame  # columns issue_time and reason, of the forecasts that are not scored


def verify(
    archive: Archive,
    observations: xr.Dataset,
    *,
    first_revisions: bool = False,
    last: int | None = None,
) -> Verification:
    """Score the forecasts of an archive, and check for drift.

    Parameters
    ----------
    archive : Archive
        Damaged forecasts are reported, and the others are scored.
    observations : xarray.Dataset
        Dimensions (well, time), up to now.
    first_revisions : bool
        Score the first forecast of each issue time; by default the last revision.
    last : int, optional
        Score only the last so many issue times, so that the time needed does not grow with the
        archive.

    Raises
    ------
    ArchiveError
        If the catalogue is damaged.
    """
    issues = _chosen(archive, first_revisions=first_revisions)
    reading = _Reading(archive, issues if last is None else issues[-last:])
    scores = verified_scores(reading.pairs(observations), quantiles=np.array(QUANTILES))
    table = drift(reading.recent, observations, quantiles=np.array(QUANTILES))
    ends = {
        well: time
        for well, time in reading.through.items()
        if not np.isnat(time) and well in observations[schema.WELL].values
    }
    if ends:
        through = xr.DataArray(list(ends.values()), {schema.WELL: list(ends)}, (schema.WELL,))
        table = pd.concat([table, outside(observations, through)], ignore_index=True)
    return Verification(
        scores,
        table,
        recommend(table),
        reading.damaged,
        len(reading.issues),
        reading.unscored(observations),
    )


@dataclass
class _Reading:
    """Forecasts of an archive, read one at a time, and what is kept of them."""

    archive: Archive
    issues: list[Issue]
    damaged: list[str] = field(default_factory=list)
    recent: list[VerifiedForecast] = field(default_factory=list)
    through: dict[str, np.datetime64] = field(default_factory=dict)
    scored: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)
    first: dict[str, np.datetime64] = field(default_factory=dict)

    def products(self) -> Iterator[xr.Dataset]:
        for issue in self.issues:
            try:
                product = self.archive.open(issue)
            except ArchiveError as error:
                self.damaged.append(str(error))
                self.reasons[issue.issue_time] = "its file is damaged"
                continue
            self.first[issue.issue_time] = product[schema.VALID_TIME].values[0, 0]
            made = np.isfinite(product[schema.LEVEL].values).any(axis=(1, 2, 3))
            after = product["trained_through"].values > product[schema.ISSUE_TIME].values[0]
            if not made.any():
                self.reasons[issue.issue_time] = "no well has a forecast"
            elif after[made].all():
                self.reasons[issue.issue_time] = "its models were trained on later levels"
            wells = product[schema.WELL].values.tolist()
            self.through.update(zip(wells, product["trained_through"].values, strict=True))
            yield product

    def pairs(self, observations: xr.Dataset) -> Iterator[VerifiedForecast]:
        recent = {issue.issue_time for issue in self.issues[-RECENT:]}
        for pair in verified_forecasts(self.products(), observations):
            moment = pd.Timestamp(pair.issue_time).isoformat()
            self.scored.add(moment)
            if moment in recent:
                self.recent.append(pair)
            yield pair

    def unscored(self, observations: xr.Dataset) -> pd.DataFrame:
        """Return the forecasts that were not scored, and why."""
        known = observations[schema.LEVEL].notnull().any(schema.WELL).values
        times = observations[schema.TIME].values
        last = times[known][-1] if known.any() else np.datetime64("NaT", "us")
        rows = []
        for issue in self.issues:
            if issue.issue_time in self.scored:
                continue
            early = np.isnat(last) or self.first.get(issue.issue_time, last) > last
            usual = (
                "its first valid time is after the last level"
                if early
                else "no level was observed at its valid times"
            )
            rows.append((issue.issue_time, self.reasons.get(issue.issue_time, usual)))
        rows += [
            (one.issue_time, f"it was withdrawn: {one.reason}")
            for one in self.archive.withdrawals()
            if one.issue_time not in {issue.issue_time for issue in self.issues}
        ]
        return pd.DataFrame(sorted(set(rows)), columns=["issue_time", "reason"])


def _chosen(archive: Archive, *, first_revisions: bool) -> list[Issue]:
    """Return the first or last revision of each issue time, in order."""
    standing = archive.standing()
    if not first_revisions:
        return standing
    first: dict[str, Issue] = {}
    for issue in archive.issues():
        first.setdefault(issue.issue_time, issue)
    return [first[issue.issue_time] for issue in standing]


def write_verification(verification: Verification, folder: Path) -> dict[str, Path]:
    """Write the tables as CSV; return their paths by name."""
    return {
        name: write_table(table, folder / name)
        for name, table in (
            ("verification.csv", verification.scores),
            ("drift.csv", verification.drift),
            ("recommendations.csv", verification.recommendations),
            ("unscored.csv", verification.unscored),
        )
    }
