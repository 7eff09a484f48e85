"""Is the level declining: trends as observed and corrected for the weather, and shifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.cross_validation import BLOCKS
from gwforecast.models.base import Forecaster
from gwforecast.progress import ProgressOption, as_callback
from gwforecast.quality.changes import DRAWS, shift_table, trend_table
from gwforecast.questions.files import Answer
from gwforecast.questions.fits import DEFAULT_MODELS, left_out_simulation
from gwforecast.schema import SchemaError
from gwforecast.verification.status import LevelStatus

__all__ = ["Trends", "drought_table", "gxg_table", "trend"]


FEWEST_YEARS = 8
FEWEST_LEVELS = 16  # of the 24 levels of a hydrological year
FEWEST_SPRING = 2  # of its three levels
EXTREMES = 3
NEAR = pd.Timedelta("7D")  # a level this near stands for that of the 14th or 28th
SPRING = ((3, 14), (3, 28), (4, 14))
DROUGHT = -1.0


def gxg_table(level: xr.DataArray) -> pd.DataFrame:
    """Return mean highest, lowest and spring levels of each well: GHG, GLG and GVG.

    Levels are taken on the 14th and 28th of each month, from at most seven days away; each level
    stands for one date. GHG and GLG are the means, over hydrological years from April to March, of
    the mean of the three highest and lowest of them; GVG is the mean level on 14 March, 28 March
    and 14 April (van der Sluijs and de Gruijter 1985, Agricultural Water Management 10). Years with
    fewer than 16 levels do not count, nor do springs with fewer than two.

    Parameters
    ----------
    level : xarray.DataArray
        Dimensions (well, time), m.

    Returns
    -------
    pandas.DataFrame
        Columns well, ghg, glg, gvg (m above the datum of the levels), years, and reason, which is
        empty or says why they are missing: fewer than eight years.

    Examples
    --------
    >>> time = pd.date_range("2000-04-01", "2010-03-31")
    >>> wave = np.cos(2 * np.pi * (time.day_of_year.to_numpy() - 46) / 365.25)
    >>> level = xr.DataArray([10 + wave], {"well": ["a"], "time": time}, ("well", "time"))
    >>> gxg_table(level)[["ghg", "glg", "years"]].round(1).values.tolist()
    [[11.0, 9.0, 10.0]]
    """
    rows = []
    for well in level[schema.WELL].values:
        series = level.sel({schema.WELL: well}, drop=True).to_series().dropna()
        found = _gxg(series) if len(series) else {"years": 0}
        few = found["years"] < FEWEST_YEARS
        reason = f"{found['years']} years with {FEWEST_LEVELS} levels, {FEWEST_YEARS} are needed"
        empty = {"ghg": np.nan, "glg": np.nan, "gvg": np.nan, "years": found["years"]}
        rows.append({schema.WELL: str(well), **(empty if few else found),
                     "reason": reason if few else ""})  # fmt: skip
    return pd.DataFrame(rows, columns=[schema.WELL, "ghg", "glg", "gvg", "years", "reason"])


def _gxg(series: pd.Series) -> dict[str, float]:
    first, last = series.index[0] - NEAR, series.index[-1] + NEAR
    months = pd.date_range(first.normalize().replace(day=1), last, freq="MS")
    days = pd.DatetimeIndex(
        sorted([m + pd.Timedelta(d - 1, "D") for m in months for d in (14, 28)])
    )
    times = pd.DatetimeIndex(series.index)
    nearest = days.get_indexer(times, method="nearest")
    away = np.abs((times - days[nearest]).to_numpy())
    found = pd.DataFrame({"away": away, "level": series.to_numpy()}, nearest)
    found = found[found["away"] <= NEAR].sort_values("away", kind="stable")
    found = found[~found.index.duplicated()].sort_index()
    dates = days[found.index]
    sampled = pd.Series(found["level"].to_numpy(), dates)
    year = dates.year - (dates.month < 4)
    by_year = sampled.groupby(year)
    kept = by_year.count()[lambda n: n >= FEWEST_LEVELS].index
    highest = by_year.apply(lambda one: one.nlargest(EXTREMES).mean()).reindex(kept)
    lowest = by_year.apply(lambda one: one.nsmallest(EXTREMES).mean()).reindex(kept)
    spring = sampled[[(d.month, d.day) in SPRING for d in sampled.index]]
    springs = spring.groupby(pd.DatetimeIndex(spring.index).year)
    of_spring = springs.mean()[springs.count() >= FEWEST_SPRING]
    return {
        "ghg": float(highest.mean()),
        "glg": float(lowest.mean()),
        "gvg": float(of_spring.mean()),
        "years": len(kept),
    }


def drought_table(level: xr.DataArray, *, threshold: float = DROUGHT) -> pd.DataFrame:
    """Return droughts: months in a row with a standardised index at or below a threshold.

    The index is the standardised groundwater index of monthly levels
    (:meth:`gwforecast.verification.status.LevelStatus.index`); its reference is the whole record.

    Parameters
    ----------
    level : xarray.DataArray
        Dimensions (well, time), m.
    threshold : float
        Highest index of a drought.

    Returns
    -------
    pandas.DataFrame
        Columns well, onset and end (first day of the first and of the last month), months, severity
        (sum of the index below 0, a positive number), lowest (index), and lasts, whether the record
        ends in this drought. A month without a level ends a drought. Wells with fewer than eight
        years of any month have none.
    """
    rows: list[dict[str, object]] = []
    for well in level[schema.WELL].values:
        one = level.sel({schema.WELL: [well]}).to_dataset(name=schema.LEVEL)
        try:
            status = LevelStatus().fit(one, rows=xr.ones_like(one[schema.LEVEL], dtype=bool))
        except SchemaError:
            continue
        index = status.table(one).set_index("time")["index"]
        index = index.reindex(pd.date_range(index.index[0], index.index[-1], freq="MS"))
        months = index.index.to_numpy()
        low = (index <= threshold).to_numpy()
        starts = np.flatnonzero(low & ~np.concatenate([[False], low[:-1]]))
        ends = np.flatnonzero(low & ~np.concatenate([low[1:], [False]]))
        for start, end in zip(starts, ends, strict=True):
            values = index.to_numpy()[start : end + 1]
            rows.append(
                {
                    schema.WELL: str(well),
                    "onset": pd.Timestamp(months[start]),
                    "end": pd.Timestamp(months[end]),
                    "months": int(end - start + 1),
                    "severity": float(-values.sum()),
                    "lowest": float(values.min()),
                    "lasts": bool(end == low.size - 1),
                }
            )
    columns = [schema.WELL, "onset", "end", "months", "severity", "lowest", "lasts"]
    return pd.DataFrame(rows, columns=columns)


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
        As of :func:`gwforecast.questions.trend.gxg_table`.
    droughts : pandas.DataFrame
        As of :func:`gwforecast.questions.trend.drought_table`.
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

    about = "Sen's slope with its 95 % interval, m a year, p-value, and number of months"
    written = {  # noqa: RUF012
        "trends.csv": "trends", "shifts.csv": "shifts", "indices.csv": "indices",
        "droughts.csv": "droughts", "corrected.nc": "levels",
    }  # fmt: skip
    drawn = {"": ("trend", "levels", "trends", "shifts")}  # noqa: RUF012

    def summary(self) -> pd.DataFrame:
        """Return the trends, observed and weather-corrected, by well.

        Returns
        -------
        pandas.DataFrame
            Columns slope, lower and upper (m a year), p_value and months, the number of months
            with a level; NaN where there is no trend.
        """
        columns = ["slope", "lower", "upper", "p_value", "months"]
        return self.trends.set_index(["well", "series"]).reindex(columns=columns)

    def to_dataframe(self) -> pd.DataFrame:
        """Return observed and weather-corrected levels as one long table.

        Returns
        -------
        pandas.DataFrame
            Columns well, time, observed and corrected, m, without steps that have neither.
        """
        return self.levels.to_dataframe().dropna(how="all").reset_index()


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

    Raises
    ------
    SchemaError
        If the observations are not valid, or no well can be used.
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
