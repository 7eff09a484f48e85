"""Normal levels: terciles by calendar month on the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError

__all__ = ["CLASSES", "Normal"]


CLASSES = ("below", "near", "above")
FEWEST_LEVELS = 9


class Normal:
    """Classify levels as below, near or above normal for their calendar month.

    The limits are the terciles of the training levels of the month. If a month has fewer than nine
    levels, neighbouring months are added until there are enough.

    Attributes
    ----------
    limits_ : xarray.DataArray
        Terciles, dims (well, month, tercile), m above the datum.

    Examples
    --------
    >>> import pandas as pd
    >>> times = pd.date_range("2020-01-01", periods=31)
    >>> level = xr.DataArray([np.arange(31.0)], {"well": ["a"], "time": times}, ("well", "time"))
    >>> rows = xr.ones_like(level, dtype=bool)
    >>> normal = Normal().fit(level.to_dataset(name="level"), rows=rows)
    >>> normal.classify(level).values[0, [0, 15, 30]]
    array([0., 1., 2.])
    """

    limits_: xr.DataArray

    def fit(self, observations: xr.Dataset, *, rows: xr.DataArray) -> Self:
        """Compute the terciles of the levels of the given rows.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        rows : xarray.DataArray
            Rows to use, boolean, dims (well, time).

        Raises
        ------
        SchemaError
            If a well has fewer than nine levels in these rows.
        """
        months = observations[schema.TIME].dt.month.values
        distance = np.abs(np.arange(1, 13)[:, None] - months)
        distance = np.minimum(distance, 12 - distance)  # (month, time), in months around the year
        levels = observations[schema.LEVEL].where(rows).values
        limits = np.empty((levels.shape[0], 12, 2))
        wells = schema.well_names(observations)
        for well, row in enumerate(levels):
            known = np.isfinite(row)
            if known.sum() < FEWEST_LEVELS:
                raise SchemaError(
                    f"Terciles need at least {FEWEST_LEVELS} levels. Received {known.sum()} for "
                    f"well {wells[well]!r} in the training rows. Use a longer record, or leave the "
                    "well out."
                )
            for month in range(12):
                reach = next(
                    r for r in range(7) if (known & (distance[month] <= r)).sum() >= FEWEST_LEVELS
                )
                chosen = row[known & (distance[month] <= reach)]
                limits[well, month] = np.quantile(chosen, [1 / 3, 2 / 3])
        self.limits_ = self.of(wells, limits).limits_
        return self

    @classmethod
    def of(cls, wells: Sequence[str], limits: np.ndarray) -> Self:
        """Return classes with given limits.

        Parameters
        ----------
        wells : sequence of str
            Names of the wells.
        limits : numpy.ndarray
            Terciles, shape (well, 12 months, 2), m above the datum.

        Raises
        ------
        ValueError
            If the limits have another shape, are not finite or not in ascending order.
        """
        if limits.shape != (len(wells), 12, 2) or not np.isfinite(limits).all():
            raise ValueError(f"limits must be finite, of shape ({len(wells)}, 12, 2)")
        if (limits[..., 0] > limits[..., 1]).any():
            raise ValueError("limits must be in ascending order")
        one = cls()
        one.limits_ = xr.DataArray(
            limits,
            dims=(schema.WELL, "month", "tercile"),
            coords={
                schema.WELL: list(wells),
                "month": np.arange(1, 13),
                "tercile": [1 / 3, 2 / 3],
            },
            attrs={"units": schema.LEVEL_UNITS, "long_name": "limits of the normal level"},
        )
        return one

    def classify(self, level: xr.DataArray) -> xr.DataArray:
        """Return 0 (below), 1 (near) or 2 (above normal), NaN for missing levels.

        Parameters
        ----------
        level : xarray.DataArray
            m above the datum of the training levels; dims include well and time.
        """
        limits = self.limits_.sel(
            {schema.WELL: level[schema.WELL].values, "month": level[schema.TIME].dt.month}
        ).drop_vars("month")
        above = (level > limits).sum("tercile").transpose(*level.dims)
        classes = above.astype(float).where(level.notnull()).rename("class")
        classes.attrs = {"long_name": "class against normal", "flag_values": [0, 1, 2],
                         "flag_meanings": " ".join(CLASSES)}  # fmt: skip
        return classes
