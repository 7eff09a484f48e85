"""Levels under climate projections: many members and models, compared with their own past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.calibration.cross_validation import BLOCKS
from gwforecast.data.terms.units import convert_weather
from gwforecast.models.base import Forecaster
from gwforecast.progress import ProgressOption, as_callback
from gwforecast.questions.files import Answer
from gwforecast.questions.fits import Fits, fit_models
from gwforecast.questions.whatif import DEFAULT_MODELS, trained_ranges, warn_of_ranges
from gwforecast.schema import SchemaError

__all__ = ["PROJECTION", "Projected", "project", "read_projections", "years_of"]


PROJECTION = "projection"
"""Dimension of the climate projections."""

Years = tuple[int, int]

_PER_DAY = {"mm/d": "mm", "mm/day": "mm"}  # amounts of a daily step


@dataclass(frozen=True, eq=False, repr=False)
class Projected(Answer):
    """Levels under climate projections.

    Parameters
    ----------
    levels : xarray.Dataset
        ``level`` (projection, well, time), m: the mean of the models.
    changes : pandas.DataFrame
        Columns well, period, projection, change (m, mean level of the period less that of the
        reference period under the same projection), and error, its standard error by the fits, see
        :mod:`gwforecast.questions.fits`.
    ranges : pandas.DataFrame
        As of :func:`gwforecast.questions.whatif.trained_ranges`, with the column projection.
    failed : dict of str to str
        Wells without an answer, and why.
    """

    levels: xr.Dataset
    changes: pd.DataFrame
    ranges: pd.DataFrame
    failed: dict[str, str] = field(default_factory=dict)

    drawn = {"": ("projections", "levels")}  # noqa: RUF012

    @property
    def about(self) -> str:  # type: ignore[override]
        """What the summary shows, with units."""
        return (
            f"Climate projections: change of the mean level from {self.levels.attrs['reference']}, "
            "m, median and 5 to 95 % of the projections"
        )

    def summary(self) -> pd.DataFrame:
        """Return the changes of each period and well over the projections.

        Returns
        -------
        pandas.DataFrame
            Columns median, lower and upper (5 and 95 % of the projections), m, share_falling (of
            the projections, 0 to 1), error (mean standard error, m) and projections (their number).
        """
        grouped = self.changes.groupby(["well", "period"], sort=False)
        return pd.DataFrame(
            {
                "median": grouped["change"].median(),
                "lower": grouped["change"].quantile(0.05),
                "upper": grouped["change"].quantile(0.95),
                "share_falling": grouped["change"].agg(lambda change: float((change < 0).mean())),
                "error": grouped["error"].mean(),
                "projections": grouped["change"].size(),
            }
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return the levels as one long table.

        Returns
        -------
        pandas.DataFrame
            Columns projection, well, time and level, m.
        """
        return self.levels.to_dataframe().reset_index()

    def files(self) -> dict[str, pd.DataFrame | xr.Dataset]:
        """Return changes, their summary, ranges and levels."""
        return {
            "changes.csv": self.changes,
            "summary.csv": self.summary().reset_index(),
            "ranges.csv": self.ranges,
            "projections.nc": self.levels,
        }


def read_projections(paths: Path | Sequence[Path], observations: xr.Dataset) -> xr.Dataset:
    """Read climate projections from NetCDF, with the names and units of the observations.

    Parameters
    ----------
    paths : pathlib.Path or sequence of pathlib.Path
        Files, each with the covariates over time and any of well, member, model, ...; several are
        further projections, named by their files.
    observations : xarray.Dataset
        Observations whose covariates are looked for, by name or by kind (``pr`` is rain).

    Returns
    -------
    xarray.Dataset
        Covariates (projection, well, time).

    Raises
    ------
    SchemaError
        If a covariate is missing, or there are grids or calendars that cannot be used.
    """
    several = [paths] if isinstance(paths, Path) else list(paths)
    parts = []
    for path in several:
        with xr.open_dataset(path) as opened:
            part = _renamed(opened.load(), observations, path)
        part = _stacked(part, path.stem)
        if len(several) > 1:
            labels = [f"{path.stem} {one}".strip() for one in part[PROJECTION].values]
            names = labels if part.sizes[PROJECTION] > 1 else [path.stem]
            part = part.assign_coords({PROJECTION: names})
        parts.append(part)
    joined: xr.Dataset = xr.concat(parts, PROJECTION, join="exact")
    return joined


def project(
    observations: xr.Dataset,
    projections: xr.Dataset,
    *,
    reference: Years,
    periods: Sequence[Years],
    models: Sequence[str | Forecaster] = DEFAULT_MODELS,
    settings: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 0,
    members: int | None = None,
    workers: int | None = None,
    blocks: int = BLOCKS,
    without_weather: bool = False,
    progress: ProgressOption = None,
) -> Projected:
    """Simulate levels under climate projections, and their change from a reference period.

    Each projection is compared with its own reference period, so that a constant error of a climate
    model, such as too much rain, cancels as far as the level depends on it in a straight line.
    Climate models that are far off need a bias correction beforehand.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time), which the models are fitted on.
    projections : xarray.Dataset
        The covariates of the observations, with time steps as theirs, and any of the dimensions
        well, member, model, ...; of :func:`read_projections`.
    reference : tuple of int
        First and last year of the reference period.
    periods : sequence of tuple of int
        First and last year of each period that is compared with it.
    models, settings, seed, members, workers, blocks, without_weather, progress
        As of :func:`gwforecast.fill`.

    Returns
    -------
    Projected
        Levels, and changes by projection and period.

    Raises
    ------
    SchemaError
        If a covariate is missing, or the steps differ.
    ValueError
        If a period has no step.
    """
    stacked = _stacked(_renamed(projections, observations, Path("projections")), "")
    _check_steps(stacked, observations)
    report = as_callback(progress)
    fits = fit_models(
        observations, models=models, settings=settings, seed=seed, members=members,
        workers=workers, blocks=blocks, without_weather=without_weather,
        progress=report,
    )  # fmt: skip
    levels, changes, ranges = [], [], []
    names = [str(name) for name in stacked[PROJECTION].values]
    for number, name in enumerate(names):
        one = _as_observations(stacked.isel({PROJECTION: number}, drop=True), fits.observations)
        levels.append(fits.simulate(one)[schema.LEVEL])
        changes.append(_changes(fits, one, reference, periods).assign(projection=name))
        ranges.append(trained_ranges(fits.observations, one).assign(projection=name))
        if report is not None:
            report("projections", number + 1, len(names))
    outside = pd.concat(ranges, ignore_index=True)
    warn_of_ranges(outside)
    level = xr.concat(levels, xr.DataArray(names, dims=PROJECTION, name=PROJECTION))
    level.attrs = {**observations[schema.LEVEL].attrs, "units": schema.LEVEL_UNITS}
    table = pd.concat(changes, ignore_index=True)
    whole = level.to_dataset(name=schema.LEVEL).assign_attrs(
        model=fits.name, reference=f"{reference[0]} to {reference[1]}"
    )
    return Projected(whole, table, outside, fits.failed)


def years_of(text: str) -> Years:
    """Return first and last year of a period, such as 1981-2010."""
    first, _, last = text.partition("-")
    return int(first), int(last)


def _changes(
    fits: Fits, scenario: xr.Dataset, reference: Years, periods: Sequence[Years]
) -> pd.DataFrame:
    names = [f"{first} to {last}" for first, last in periods]
    year = scenario[schema.TIME].dt.year

    def inside(years: Years) -> xr.DataArray:
        rows = (year >= years[0]) & (year <= years[1])
        if not bool(rows.any()):
            raise ValueError(
                f"A period needs steps of the projection, {int(year[0])} to {int(year[-1])}. "
                f"Received {years[0]} to {years[1]}. Choose years of the projection."
            )
        return rows

    rows = [inside(years) for years in (reference, *periods)]

    def change(model: Forecaster) -> xr.DataArray:
        level = model.simulate(scenario)[schema.LEVEL]
        means = [level.where(some).mean(schema.TIME) for some in rows]
        return xr.concat(
            [mean - means[0] for mean in means[1:]],
            xr.DataArray(names, dims="period", name="period"),
        )

    found = fits.estimate(change)
    table = xr.Dataset({"change": found.value, "error": found.error}).to_dataframe().reset_index()
    return table[["well", "period", "change", "error"]]


def _renamed(dataset: xr.Dataset, observations: xr.Dataset, path: Path) -> xr.Dataset:
    """Return the covariates of the observations from a Dataset, by name or kind, in their units."""
    found = {}
    frequency = timeline.infer_frequency(observations[schema.TIME].values)
    days = float(round(timeline.days_per_step(frequency)))
    for name in schema.covariate_names(observations):
        kind = schema.covariate_kind(name, observations[name].attrs)
        alike = [
            str(one)
            for one, variable in dataset.data_vars.items()
            if kind != "other" and schema.covariate_kind(str(one), variable.attrs) == kind
        ]
        source = name if name in dataset.data_vars else next(iter(alike), None)
        if source is None:
            raise SchemaError(
                f"A projection has all covariates of the observations. Received {path.name} with "
                f"{', '.join(map(str, dataset.data_vars))}, without {name!r}. Add it, or leave it "
                "out of the observations."
            )
        found[name] = _in_units(dataset[source], observations[name], kind, days)
    return xr.Dataset(found)


def _in_units(given: xr.DataArray, wanted: xr.DataArray, kind: str, days: float) -> xr.DataArray:
    """Return a covariate in the units of the observations, where both are known."""
    units, target = (str(one.attrs.get("units", "")) for one in (given, wanted))
    if units == target or not units:
        return given.assign_attrs(wanted.attrs)
    factor, offset, made = convert_weather(kind, units, days=days) or (1.0, 0.0, units)
    back, shift, same = convert_weather(kind, target, days=days) or (1.0, 0.0, target)
    if days == 1:
        made, same = (_PER_DAY.get(unit, unit) for unit in (made, same))
    if target and made != same:
        raise SchemaError(
            f"A projection has the units of the observations. Received {given.name!r} in {units} "
            f"for {wanted.name!r} in {target}. Convert it."
        )
    return ((given * factor + offset - shift) / back).assign_attrs(wanted.attrs)


def _stacked(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Return a Dataset with one dimension of projections beside well and time."""
    grids = [d for d in ("lat", "latitude", "lon", "longitude", "x", "y") if d in dataset.dims]
    if grids:
        raise SchemaError(
            f"A projection is given at the wells. Received the grid dimension {grids[0]!r}. Select "
            "the cells of the wells, e.g. with Dataset.sel(lat=..., lon=..., method='nearest')."
        )
    if dataset[schema.TIME].dtype.kind != "M":
        raise SchemaError(
            "A projection has a standard calendar. Received another one. Convert it with "
            "Dataset.convert_calendar('standard', use_cftime=False)."
        )
    others = [str(d) for d in dataset.dims if d not in (schema.WELL, schema.TIME)]
    if not others:
        return dataset.expand_dims({PROJECTION: [name or PROJECTION]})
    if others == [PROJECTION]:
        return dataset
    stacked = dataset.stack({"stack": others})  # noqa: PD013 - of xarray
    labels = [" ".join(map(str, np.atleast_1d(one))) for one in stacked["stack"].to_index()]
    stacked = stacked.drop_vars(["stack", *others], errors="ignore")
    return stacked.rename({"stack": PROJECTION}).assign_coords({PROJECTION: labels})


def _check_steps(projections: xr.Dataset, observations: xr.Dataset) -> None:
    given, fitted = (
        timeline.infer_frequency(timeline.to_times(one[schema.TIME].values))
        for one in (projections, observations)
    )
    if given[:1] != fitted[:1]:
        raise SchemaError(
            f"A projection has the time steps of the observations. Received {given} for {fitted}. "
            "Resample it: sums of rain, means of others."
        )


def _as_observations(one: xr.Dataset, fitted: xr.Dataset) -> xr.Dataset:
    """Return one projection as observations without levels, dims (well, time)."""
    wells = fitted[schema.WELL]
    times = timeline.to_times(one[schema.TIME].values)
    one = one.assign_coords({schema.TIME: times})
    if schema.WELL in one.dims:
        one = one.sel({schema.WELL: wells.values})
    else:
        one = one.expand_dims({schema.WELL: wells.values})
    made = one.transpose(schema.WELL, schema.TIME).astype(float)
    empty = np.full((wells.size, times.size), np.nan)
    statics = fitted[schema.attribute_names(fitted)]
    level = ((schema.WELL, schema.TIME), empty, fitted[schema.LEVEL].attrs)
    return made.assign({schema.LEVEL: level}).merge(statics)
