"""What is normal: terciles of the level by calendar month, learnt on the fitted rows."""

from __future__ import annotations

from typing import Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError

__all__ = ["CLASSES", "Normal"]


CLASSES = ("below", "near", "above")
FEWEST_LEVELS = 9


class Normal:
    """Class a level as below, near or above what is normal for its calendar month.

    The limits are the terciles of the fitted levels of the month. Where a month has fewer than
    nine levels, those of the months around it are added until there are enough.

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
        """Learn the terciles from the levels of the given rows.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        rows : xarray.DataArray
            Which rows may be used, boolean, dims (well, time).

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
        wells = [str(well) for well in observations[schema.WELL].values]
        for well, row in enumerate(levels):
            known = np.isfinite(row)
            if known.sum() < FEWEST_LEVELS:
                raise SchemaError(
                    f"What is normal takes at least {FEWEST_LEVELS} levels. Well {wells[well]!r} "
                    f"has {known.sum()} in the rows that are fitted. Use a longer record or leave "
                    "the well out."
                )
            for month in range(12):
                reach = next(
                    r for r in range(7) if (known & (distance[month] <= r)).sum() >= FEWEST_LEVELS
                )
                chosen = row[known & (distance[month] <= reach)]
                limits[well, month] = np.quantile(chosen, [1 / 3, 2 / 3])
        self.limits_ = xr.DataArray(
            limits,
            dims=(schema.WELL, "month", "tercile"),
            coords={
                schema.WELL: wells,
                "month": np.arange(1, 13),
                "tercile": [1 / 3, 2 / 3],
            },
            attrs={"units": schema.LEVEL_UNITS, "long_name": "limits of the normal level"},
        )
        return self

    def classify(self, level: xr.DataArray) -> xr.DataArray:
        """Return 0 (below), 1 (near) or 2 (above normal), NaN where there is no level.

        Parameters
        ----------
        level : xarray.DataArray
            m above the datum of the fitted levels, with dims well and time among others.
        """
        limits = self.limits_.sel(
            {schema.WELL: level[schema.WELL].values, "month": level[schema.TIME].dt.month}
        ).drop_vars("month")
        above = (level > limits).sum("tercile").transpose(*level.dims)
        classes = above.astype(float).where(level.notnull()).rename("class")
        classes.attrs = {"long_name": "class against normal", "flag_values": [0, 1, 2],
                         "flag_meanings": " ".join(CLASSES)}  # fmt: skip
        return classes
