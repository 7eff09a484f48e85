"""Depth to water becomes level above a stated datum, once, at the door."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError

__all__ = ["level_from_depth"]


def level_from_depth(
    depth_to_water: xr.DataArray,
    *,
    reference_level: float | Mapping[str, float],
    datum: str | None = None,
) -> xr.DataArray:
    """Return the level above a datum from the depth to water below a reference level.

    Parameters
    ----------
    depth_to_water : xarray.DataArray
        Dims (well, ...), m, positive down.
    reference_level : float or mapping of str to float
        Height of the measuring point, m above the datum, for all wells or by well.
    datum : str, optional
        The vertical datum; ``"relative"`` is written where it is not given and the reference is 0.

    Examples
    --------
    >>> depth = xr.DataArray([[1.5]], {"well": ["a"], "time": [0]}, ("well", "time"))
    >>> level_from_depth(depth, reference_level=20.0, datum="NAP").item()
    18.5
    """
    wells = [str(name) for name in depth_to_water[schema.WELL].values]
    if isinstance(reference_level, Mapping):
        without = [name for name in wells if name not in reference_level]
        if without:
            raise SchemaError(
                "Each well needs a reference level for its depth to water. Received none for "
                f"{without[0]!r}. Add it in m above the datum."
            )
        heights = np.array([float(reference_level[name]) for name in wells])
    else:
        heights = np.full(len(wells), float(reference_level))
    if not np.isfinite(heights).all():
        bad = int(np.flatnonzero(~np.isfinite(heights))[0])
        raise SchemaError(
            f"A reference level must be a finite height in m above the datum. Received "
            f"{heights[bad]} for {wells[bad]!r}. Give the surveyed height of the measuring point."
        )
    reference = xr.DataArray(heights, {schema.WELL: wells}, (schema.WELL,))
    level = (reference - depth_to_water).transpose(*depth_to_water.dims)
    stated = datum or ("relative" if not heights.any() else None)
    level.attrs = {
        **depth_to_water.attrs,
        "units": schema.LEVEL_UNITS,
        "long_name": "groundwater level",
        "converted_from": "depth to water, positive down: reference level - depth",
        **({"vertical_datum": stated} if stated else {}),
    }
    return level.rename(schema.LEVEL)
