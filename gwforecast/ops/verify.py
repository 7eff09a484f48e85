"""Archived forecasts against what has been observed since: scores, drift, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.models.intervals import QUANTILES
from gwforecast.ops.archive import Archive, ArchiveError, Issue
from gwforecast.ops.outputs import write_table
from gwforecast.verification import drift as drifts
from gwforecast.verification.matured import Matured, matured, matured_scores

RECENT = 120  # issues that drift is looked for in

__all__ = ["Verification", "verify", "write_verification"]


@dataclass(frozen=True, eq=False)
class Verification:
    """What has come of the forecasts of an archive.

    Parameters
    ----------
    scores : pandas.DataFrame
        As of :func:`gwforecast.verification.matured.matured_scores`.
    drift : pandas.DataFrame
        As of :func:`gwforecast.verification.drift.drift` and its ``outside``.
    recommendations : pandas.DataFrame
        Columns well, recommendation, reason.
    damaged : list of str
        What could not be read.
    issues : int
        Forecasts that were looked at.
    """

    scores: pd.DataFrame
    drift: pd.DataFrame
    recommendations: pd.DataFrame
    damaged: list[str]
    issues: int


def verify(
    archive: Archive, observations: xr.Dataset, *, first_revisions: bool = False
) -> Verification:
    """Score the forecasts of an archive, and look for drift.

    Parameters
    ----------
    archive : Archive
        What is damaged in it is named, and the rest is scored.
    observations : xarray.Dataset
        Dimensions (well, time), up to now.
    first_revisions : bool
        Score what was issued first; by default the last revision of each issue time.

    Raises
    ------
    ArchiveError
        If the catalogue is damaged.
    """
    chosen: dict[str, Issue] = {}
    for issue in archive.issues():
        if not (first_revisions and issue.issue_time in chosen):
            chosen[issue.issue_time] = issue
    damaged: list[str] = []
    through: dict[str, np.datetime64] = {}
    quantiles = np.array(QUANTILES)

    def products() -> Iterator[xr.Dataset]:
        for time in sorted(chosen):
            try:
                product = archive.open(chosen[time])
            except ArchiveError as error:
                damaged.append(str(error))
                continue
            through.update(
                zip(
                    product[schema.WELL].values.tolist(),
                    product["trained_through"].values,
                    strict=True,
                )
            )
            yield product

    recent = set(sorted(chosen)[-RECENT:])
    pairs: list[Matured] = []

    def kept() -> Iterator[Matured]:
        for pair in matured(products(), observations):
            if pd.Timestamp(pair.issue_time).isoformat() in recent:
                pairs.append(pair)
            yield pair

    scores = matured_scores(kept(), quantiles=quantiles)
    wells = [w for w in observations[schema.WELL].values if not np.isnat(through.get(w, _NAT))]
    table = drifts.drift(pairs, observations, quantiles=quantiles)
    if wells:
        ends = xr.DataArray([through[w] for w in wells], {schema.WELL: wells}, (schema.WELL,))
        table = pd.concat([table, drifts.outside(observations, ends)], ignore_index=True)
    return Verification(scores, table, drifts.recommend(table), damaged, len(chosen))


def write_verification(verification: Verification, folder: Path) -> dict[str, Path]:
    """Write the tables as CSV; return their paths by name."""
    return {
        name: write_table(table, folder / name)
        for name, table in (
            ("verification.csv", verification.scores),
            ("drift.csv", verification.drift),
            ("recommendations.csv", verification.recommendations),
        )
    }


_NAT = np.datetime64("NaT", "us")
