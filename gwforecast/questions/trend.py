"""Is the level declining: trends as observed and corrected for the weather, and shifts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.cross_validation import BLOCKS
from gwforecast.models.base import Forecaster
from gwforecast.progress import ProgressOption, as_callback
from gwforecast.quality.changes import DRAWS, shift_table, trend_table
from gwforecast.questions.files import Answer
from gwforecast.questions.indices import drought_table, gxg_table
from gwforecast.questions.simulation import DEFAULT_MODELS, left_out_simulation

__all__ = ["Trends", "trend"]


OBSERVED, CORRECTED = "observed", "weather-corrected"


@dataclass(frozen=True, eq=False, repr=False)
class Trends(Answer):
    """Trends, shifts and indices of wells.

    Parameters
    ----------
    trends : pandas.DataFrame
        As of :func:`gwforecast.quality.changes.trend_table`, with the column series: ``"observed"``
        or ``"weather-corrected"``.
    shifts : pandas.DataFrame
        As of :func:`gwforecast.quality.changes.shift_table`, of the weather-corrected levels.
    indices : pandas.DataFrame
        As of :func:`gwforecast.questions.indices.gxg_table`.
    droughts : pandas.DataFrame
        As of :func:`gwforecast.questions.indices.drought_table`.
    levels : xarray.Dataset
        ``observed`` and ``corrected`` (well, time), m.
    failed : dict of str to str
        Wells without a simulation, which have no weather-corrected trend, and why.
    """

    trends: pd.DataFrame
    shifts: pd.DataFrame
    indices: pd.DataFrame
    droughts: pd.DataFrame
    levels: xr.Dataset
    failed: dict[str, str] = field(default_factory=dict)

    about = "Sen's slope with its 95 % interval, m a year, and p-value"

    def summary(self) -> pd.DataFrame:
        """Return the trends, observed and weather-corrected, by well."""
        columns = ["slope", "lower", "upper", "p_value"]
        return self.trends.set_index(["well", "series"]).reindex(columns=columns)

    def to_dataframe(self) -> pd.DataFrame:
        """Return observed and weather-corrected levels, m, by well and time."""
        return self.levels.to_dataframe().dropna(how="all").reset_index()

    def files(self) -> dict[str, pd.DataFrame | xr.Dataset]:
        """Return trends, shifts, indices, droughts and levels."""
        names = ("trends", "shifts", "indices", "droughts")
        return {f"{name}.csv": getattr(self, name) for name in names} | {
            "corrected.nc": self.levels
        }

    def figures(self) -> dict[str, Callable[..., Any]]:
        """Return the drawing of levels and trends."""
        from gwforecast import plots  # loads matplotlib

        return {"": partial(plots.trend, self.levels, self.trends, self.shifts)}


def trend(
    observations: xr.Dataset,
    *,
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    blocks: int = BLOCKS,
    without_weather: bool = False,
    draws: int = DRAWS,
    progress: ProgressOption = None,
) -> Trends:
    """Test for trends and shifts, as observed and with the weather taken out; compute indices.

    The weather-corrected level is the observed one less its simulation from the weather, by models
    that have not seen the same block of years, plus the mean of the simulation. A trend in it is
    one that the weather does not explain, such as of pumping or drainage. Pumping that is a
    covariate is explained by the simulation and therefore taken out too.

    Raises SchemaError if the observations are not valid, or no well can be used.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).
    models, settings, seed, members, workers, blocks, without_weather, progress
        As of :func:`gwforecast.fill`.
    draws : int
        Number of random series of a test.

    Returns
    -------
    Trends
        Tables of trends, shifts, indices and droughts.
    """
    left_out = left_out_simulation(
        observations, models=models, settings=settings, seed=seed, members=members,
        workers=workers, blocks=blocks, without_weather=without_weather,
        progress=as_callback(progress),
    )  # fmt: skip
    observed = observations[schema.LEVEL]
    simulated = left_out.level.where(observed.notnull())
    corrected = observed - simulated + simulated.mean(schema.TIME)
    corrected.attrs = observed.attrs
    tables = [
        trend_table(level, draws=draws).assign(series=name)
        for name, level in ((OBSERVED, observed), (CORRECTED, corrected))
    ]
    works = [str(w) for w in observed[schema.WELL].values if str(w) not in left_out.failed]
    return Trends(
        pd.concat(tables, ignore_index=True).sort_values([schema.WELL, "series"], kind="stable"),
        shift_table(corrected.sel({schema.WELL: works}), draws=draws),
        gxg_table(observed),
        drought_table(observed),
        xr.Dataset({"observed": observed, "corrected": corrected}, attrs={"model": left_out.model}),
        left_out.failed,
    )
