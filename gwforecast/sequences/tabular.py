"""Random splits, which only regressions on tables without a memory may use."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError
from gwforecast.sequences.split import PERIODS, Period, require_sequential

__all__ = ["RandomSplit", "random_split"]


@dataclass(frozen=True, eq=False)
class RandomSplit:
    """Rows drawn at random into periods; refused wherever sequences are cut from the rows.

    Parameters
    ----------
    periods : xarray.DataArray
        Name of the period of each row, ``""`` where no level was observed, dims (well, time).
    """

    periods: xr.DataArray

    def rows(self, observations: xr.Dataset, *periods: Period) -> xr.DataArray:
        """Return which rows lie in any of the periods, boolean, dims (well, time)."""
        xr.align(self.periods, observations[schema.LEVEL], join="exact")
        return self.periods.isin(list(periods)).rename("rows")

    def levels(self, observations: xr.Dataset, *periods: Period) -> xr.DataArray:
        """Return the levels of the periods, NaN elsewhere, dims (well, time), m."""
        return observations[schema.LEVEL].where(self.rows(observations, *periods))

    def start(self, period: Period) -> NoReturn:
        """Refuse with a TypeError: rows drawn at random have no first step."""
        require_sequential(self)
        raise AssertionError(period)

    def end(self, period: Period) -> NoReturn:
        """Refuse with a TypeError: rows drawn at random have no last step."""
        require_sequential(self)
        raise AssertionError(period)


def random_split(
    observations: xr.Dataset, *, train: float = 0.6, validation: float = 0.2, seed: int = 0
) -> RandomSplit:
    """Draw the observed levels of each well at random into train, validation and test rows.

    Only for regressions on tables, where a row has no memory of others. Levels are autocorrelated,
    so that a random split leaks: neighbours of each test row are train rows, and scores are too
    good [1]_. A warning says so, and windows, forecasters and audits refuse the result.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    train, validation : float
        Share of the observed levels; the rest is the test period.
    seed : int
        Seed of the draw. Each well is drawn by its own name, whatever wells stand beside it.

    Returns
    -------
    RandomSplit
        Its ``rows`` and ``levels`` work as those of a sequential split.

    Raises
    ------
    ValueError
        If the fractions are not positive with a sum of at most 1.
    SchemaError
        If a well has no observed level.

    References
    ----------
    .. [1] Roberts, D. R., et al. (2017). Cross-validation strategies for data with temporal,
       spatial, hierarchical, or phylogenetic structure. Ecography 40, 913-929.
       https://doi.org/10.1111/ecog.02881
    """
    if not (0 < train < 1 and 0 <= validation < 1 and train + validation <= 1 + 1e-12):
        raise ValueError(
            "Fractions of a split must be positive and sum to at most 1. Received "
            f"train={train}, validation={validation}. The usual choice is 0.6 and 0.2."
        )
    warnings.warn(
        "A random split leaks in a time series: neighbours of each test row are train rows, and "
        "scores are too good. Received a request for one. Use split_by_fraction or split_by_date, "
        "unless rows have no memory.",
        stacklevel=2,
    )
    observed = observations[schema.LEVEL].notnull()
    names = np.full(observed.shape, "", dtype="<U10")
    for i, well in enumerate(observations[schema.WELL].values):
        positions = np.flatnonzero(observed.values[i])
        if positions.size == 0:
            raise SchemaError(
                f"Each well of a split needs an observed level. Well {str(well)!r} has none. "
                "Leave the well out."
            )
        generator = np.random.default_rng([seed, *str(well).encode()])
        shuffled = generator.permutation(positions)
        cuts = [round(train * positions.size), round((train + validation) * positions.size)]
        for period, chosen in zip(PERIODS, np.split(shuffled, cuts), strict=True):
            names[i, chosen] = period
    return RandomSplit(observed.copy(data=names).drop_attrs().rename("period"))
