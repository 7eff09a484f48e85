"""Levels of alert by well, and the probability that a forecast crosses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.verification.distribution import crossing_table

__all__ = ["Thresholds", "crossings"]


COLUMNS = ["well", "side", "threshold", "probability", "by", "ends"]


@dataclass(frozen=True)
class Thresholds:
    """Levels whose crossing matters.

    Parameters
    ----------
    below, above : float or mapping, optional
        A level below or above these is an event, m: one for all wells, or by well.

    Examples
    --------
    >>> Thresholds(below={"MW-7": 27.1}, above=30.0).of("MW-7")
    {'below': 27.1, 'above': 30.0}
    >>> Thresholds(below={"MW-7": 27.1}).of("MW-8")
    {}
    """

    below: float | Mapping[str, float] | None = None
    above: float | Mapping[str, float] | None = None

    def of(self, well: str) -> dict[str, float]:
        """Return the thresholds of a well, m, by side: ``"below"`` and ``"above"``."""
        given = (("below", self.below), ("above", self.above))
        found = {side: one.get(well) if isinstance(one, Mapping) else one for side, one in given}
        return {side: float(level) for side, level in found.items() if level is not None}

    def __bool__(self) -> bool:
        """Whether there is a threshold."""
        return any(one is not None and one != {} for one in (self.below, self.above))


def crossings(product: xr.Dataset, thresholds: Thresholds) -> pd.DataFrame:
    """Return the probability that each well crosses its thresholds within the horizon.

    ``product`` is a forecast of one issue time; a well without a threshold or a forecast has no
    row. Columns well, side (``"below"`` or ``"above"``), threshold (m), probability (see
    :func:`gwforecast.verification.distribution.crossing_table`), by (first valid time by which the
    crossing is as likely as not, NaT if it never is) and ends (the last valid time).
    """
    rows: list[dict[str, object]] = []
    ends = product[schema.VALID_TIME].values[0, -1]
    for well in product[schema.WELL].values.tolist():
        given = thresholds.of(well)
        if not given:
            continue
        one = product.sel({schema.WELL: [well]})
        if not np.isfinite(one[schema.LEVEL].values).all():
            continue
        for side, level in given.items():
            row = crossing_table(one, level, above=side == "above").iloc[0]
            rows.append(
                {
                    "well": well,
                    "side": side,
                    "threshold": level,
                    "probability": float(row["probability"]),
                    "by": row["first_50"],
                    "ends": ends,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)
